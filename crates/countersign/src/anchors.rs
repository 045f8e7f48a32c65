//! The files by whose word certificates are judged, looked at again while the server runs: a revocation list is good for days, and its
//! successor lies in the same place. What is wrong with a new one is logged, and what was known stays in force, until its own end.

use crate::configuration::AnchorFlags;
use anyhow::Result;
use oci::Digest;
use server::Clock;
use std::time::Duration;
use store::{Store, evidence};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use trust::evidence::Anchors;

/// How long a new file may go unseen.
const PERIOD: Duration = Duration::from_secs(60);

/// The files, as they were when they were last looked at.
pub(crate) struct AnchorFiles {
    flags: AnchorFlags,
    seen: Digest,
}

impl AnchorFiles {
    /// Reads them for the first time.
    ///
    /// # Errors
    /// Those of [`AnchorFlags::read`].
    pub(crate) fn open(flags: AnchorFlags) -> Result<(Self, Anchors)> {
        // First: what changes in between is seen the next time.
        let seen = flags.digest();
        let anchors = flags.read()?;
        Ok((Self { flags, seen }, anchors))
    }

    /// Whether there is one.
    pub(crate) fn any(&self) -> bool {
        self.flags.files().next().is_some()
    }

    /// What they say now, if they are not as they were. What cannot be read is said once, and tried again when it has changed.
    fn again(&mut self) -> Option<Result<Anchors>> {
        let found = self.flags.digest();
        if found == self.seen {
            return None;
        }
        self.seen = found;
        Some(self.flags.read())
    }
}

/// Looks at them every minute until `stop`.
pub(crate) fn watch(files: AnchorFiles, store: Store, stop: CancellationToken) -> JoinHandle<()> {
    let mut watch = Watch {
        files,
        store,
        owes_reread: false,
    };
    tokio::spawn(async move {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(PERIOD) => {}
            }
            watch = match watch.turn().await {
                Ok(watch) => watch,
                Err(error) => {
                    tracing::error!(%error, "the files that certificates are judged by are not looked at any more");
                    return;
                }
            };
        }
    })
}

struct Watch {
    files: AnchorFiles,
    store: Store,
    /// The files are others, and what nobody stood behind before was not asked to be read again.
    owes_reread: bool,
}

impl Watch {
    /// Fails only where the files could not be looked at, which is not where they are wrong.
    async fn turn(self) -> Result<Self> {
        let Self {
            mut files,
            store,
            mut owes_reread,
        } = self;
        let look = tokio::task::spawn_blocking(move || {
            let found = files.again();
            (files, found)
        });
        let (files, found) = look.await?;
        match found {
            None => {}
            Some(Ok(anchors)) => {
                store.set_anchors(anchors);
                owes_reread = true;
                tracing::info!("certificates are judged by files that have changed");
            }
            Some(Err(error)) => tracing::warn!(
                error = format!("{error:#}"),
                "a file that certificates are judged by has changed and is not used; what it said before is"
            ),
        }
        if owes_reread {
            match evidence::reread(&store, Clock::System.now()).await {
                Ok(()) => owes_reread = false,
                Err(error) => tracing::warn!(%error, "cannot have evidence read again"),
            }
        }
        Ok(Self {
            files,
            store,
            owes_reread,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::path::Path;
    use store::{Options, jobs};

    const ROOT: &str =
        r#"{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1"}"#;

    async fn watched(folder: &Path) -> Watch {
        let flags = AnchorFlags::of_root(folder.join("trusted_root.json"));
        fs::write(folder.join("trusted_root.json"), ROOT).unwrap();
        let (files, _) = AnchorFiles::open(flags).unwrap();
        let options = Options::embedded(folder.join("data"));
        Watch {
            files,
            store: Store::open(&options).await.unwrap(),
            owes_reread: false,
        }
    }

    /// Whether evidence is to be read again.
    async fn is_asked(watch: &Watch) -> bool {
        let (kinds, now) = ([evidence::REVERIFY_EVIDENCE], Clock::System.now());
        let Some(job) = jobs::claim(&watch.store, &kinds, now, 60_000)
            .await
            .unwrap()
        else {
            return false;
        };
        jobs::finish(&watch.store, &job).await.unwrap();
        true
    }

    #[tokio::test]
    async fn files_that_change_are_read_again_and_so_is_the_evidence() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("trusted_root.json");
        let watch = watched(folder.path()).await;
        let known = |watch: &Watch| watch.store.anchors().sigstore.is_some();
        let watch = watch.turn().await.unwrap();
        assert!(!known(&watch) && !is_asked(&watch).await, "as it was");

        // Written again with other bytes.
        fs::write(&root, format!("{ROOT}\n")).unwrap();
        let watch = watch.turn().await.unwrap();
        assert!(known(&watch) && is_asked(&watch).await);
        let watch = watch.turn().await.unwrap();
        assert!(known(&watch) && !is_asked(&watch).await, "once");
        watch.store.close().await;
    }

    #[tokio::test]
    async fn what_is_wrong_with_a_file_takes_nothing_away() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("trusted_root.json");
        let mut watch = watched(folder.path()).await;
        fs::write(&root, format!("{ROOT} ")).unwrap();
        watch = watch.turn().await.unwrap();
        assert!(is_asked(&watch).await);
        for wrong in [Some("{"), None, Some("")] {
            match wrong {
                Some(text) => fs::write(&root, text).unwrap(),
                None => fs::remove_file(&root).unwrap(),
            }
            watch = watch.turn().await.unwrap();
            assert!(watch.store.anchors().sigstore.is_some(), "{wrong:?}");
            assert!(!is_asked(&watch).await, "{wrong:?}");
            assert!(watch.files.again().is_none(), "said once: {wrong:?}");
        }
        // Back in order, with the very bytes that it had.
        fs::write(&root, format!("{ROOT} ")).unwrap();
        watch = watch.turn().await.unwrap();
        assert!(watch.store.anchors().sigstore.is_some() && is_asked(&watch).await);
        watch.store.close().await;
    }
}
