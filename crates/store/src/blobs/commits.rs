//! Rows of stored blobs, several in one transaction: on the embedded database a commit waits for the disk and keeps everybody
//! else waiting, so what was stored meanwhile is committed together. A server's database does this by itself.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use oci::RepositoryName;
use tokio::sync::oneshot;

use super::{BlobInfo, record};
use crate::db::{Backend, write_tx};
use crate::error::Result;
use crate::{Store, catalogue};

/// The most blobs of one transaction: others wait for it.
const TOGETHER_MAX: usize = 64;

/// The blobs whose rows wait to be written.
#[derive(Debug, Default)]
pub(crate) struct Commits {
    waiting: Mutex<Vec<Stored>>,
    turn: tokio::sync::Mutex<()>,
}

/// A blob whose bytes are durable, and who waits for its row.
#[derive(Debug)]
struct Stored {
    repository: RepositoryName,
    info: BlobInfo,
    now: i64,
    told: oneshot::Sender<Result<bool>>,
}

/// Commits that the blob is stored and that the repository holds it. Answers as `record`.
pub(crate) async fn commit(
    store: &Store,
    repository: &RepositoryName,
    info: &BlobInfo,
    now: i64,
) -> Result<bool> {
    if store.db().backend() == Backend::Postgres {
        return alone(store, repository, info, now).await;
    }
    let commits = store.commits();
    loop {
        let (told, mut answer) = oneshot::channel();
        commits.lock().push(Stored {
            repository: repository.clone(),
            info: info.clone(),
            now,
            told,
        });
        loop {
            let turn = tokio::select! {
                biased;
                told = &mut answer => match told {
                    Ok(outcome) => return outcome,
                    // Whoever took it was dropped on the way. It may have been committed: that changes nothing.
                    Err(_) => break,
                },
                turn = commits.turn.lock() => turn,
            };
            let together = commits.take();
            together_or_alone(store, together).await;
            drop(turn);
        }
    }
}

impl Commits {
    /// The first of those that wait. Whoever has left does not: its bytes may be gone when somebody comes to write its row.
    fn take(&self) -> Vec<Stored> {
        let mut waiting = self.lock();
        waiting.retain(|blob| !blob.told.is_closed());
        let count = waiting.len().min(TOGETHER_MAX);
        waiting.drain(..count).collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Stored>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn together_or_alone(store: &Store, blobs: Vec<Stored>) {
    if blobs.len() > 1
        && let Ok(outcomes) = together(store, &blobs).await
    {
        for (blob, is_first) in blobs.into_iter().zip(outcomes) {
            // Who does not wait any more needs no answer.
            let _ = blob.told.send(Ok(is_first));
        }
        return;
    }
    // What one of them fails with is not the others' fault.
    for blob in blobs {
        let outcome = alone(store, &blob.repository, &blob.info, blob.now).await;
        let _ = blob.told.send(outcome);
    }
}

async fn together(store: &Store, blobs: &[Stored]) -> Result<Vec<bool>> {
    write_tx!(store.db(), |tx| {
        let mut repositories = BTreeMap::new();
        let mut outcomes = Vec::with_capacity(blobs.len());
        for blob in blobs {
            let id = match repositories.get(&blob.repository) {
                Some(id) => *id,
                None => {
                    let id = catalogue::repository_id(tx, &blob.repository, blob.now).await?;
                    repositories.insert(blob.repository.clone(), id);
                    id
                }
            };
            outcomes.push(record(tx, id, &blob.info, blob.now).await?);
        }
        Ok(outcomes)
    })
}

async fn alone(
    store: &Store,
    repository: &RepositoryName,
    info: &BlobInfo,
    now: i64,
) -> Result<bool> {
    write_tx!(store.db(), |tx| {
        let repository_id = catalogue::repository_id(tx, repository, now).await?;
        record(tx, repository_id, info, now).await
    })
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use oci::Digest;

    use super::*;
    use crate::Options;

    #[tokio::test]
    async fn who_left_while_others_committed_is_not_committed_later() {
        let folder = tempfile::tempdir().unwrap();
        let options = Options::embedded(folder.path());
        let store = Store::open(&options).await.unwrap();
        let repository: RepositoryName = "shop/web".parse().unwrap();
        let info = |bytes: &[u8]| BlobInfo {
            digest: Digest::sha256(bytes),
            size: 4,
            location: None,
        };
        let (left, stays) = (info(b"left"), info(b"stay"));
        {
            let _turn = store.commits().turn.lock().await;
            let mut leaving = Box::pin(commit(&store, &repository, &left, 0));
            assert!(leaving.as_mut().now_or_never().is_none(), "it waits");
        }
        commit(&store, &repository, &stays, 0).await.unwrap();
        for (blob, expect) in [(&left, None), (&stays, Some(&stays))] {
            let held = catalogue::blob(&store, &repository, &blob.digest).await;
            assert_eq!(held.unwrap().as_ref(), expect);
        }
        store.close().await;
    }
}
