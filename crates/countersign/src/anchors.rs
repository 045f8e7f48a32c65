//! The files by whose word certificates are judged, looked at again while the server runs: a revocation list is good for days, and its
//! successor lies in the same place. What is wrong with a new one is logged and measured, and what that file said before stays in
//! force, until its own end; no file holds back another.

mod file;
#[cfg(test)]
pub(crate) mod testing;

use crate::configuration::{AnchorFlags, together};
use anyhow::Result;
use file::{AnchorFile, Looked};
use futures_util::FutureExt as _;
use server::{App, Clock};
use std::panic::AssertUnwindSafe;
use std::time::Duration;
use store::evidence;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use trust::evidence::Anchors;
use trust::sigstore::Demands;

/// How long a new file may go unseen.
const PERIOD: Duration = Duration::from_secs(60);

/// The files, and what was last taken from each.
pub(crate) struct AnchorFiles {
    files: Vec<AnchorFile>,
    demands: Demands,
    period: Duration,
}

impl AnchorFiles {
    /// Reads them for the first time; all of them must be right.
    ///
    /// # Errors
    /// Those of [`AnchorFlags::read`].
    pub(crate) fn open(flags: &AnchorFlags) -> Result<(Self, Anchors)> {
        let demands = flags.demands()?;
        let files = flags.files();
        let files = files.map(|(kind, path)| AnchorFile::open(kind, path));
        let files = Self {
            files: files.collect::<Result<_>>()?,
            demands,
            period: PERIOD,
        };
        let anchors = files.anchors();
        Ok((files, anchors))
    }

    /// Whether there is one.
    pub(crate) fn any(&self) -> bool {
        !self.files.is_empty()
    }

    fn anchors(&self) -> Anchors {
        together(self.files.iter().map(AnchorFile::held), self.demands)
    }
}

#[cfg(test)]
impl AnchorFiles {
    /// Looks at them so often.
    pub(crate) fn every(mut self, period: Duration) -> Self {
        self.period = period;
        self
    }

    /// Waits so long for each.
    fn patient(mut self, patience: Duration) -> Self {
        for file in &mut self.files {
            file.wait(patience);
        }
        self
    }
}

/// Looks at them every minute until `stop`, which does not wait for a file.
pub(crate) fn watch(files: AnchorFiles, app: App, stop: CancellationToken) -> JoinHandle<()> {
    let watch = Watch {
        files,
        app,
        clock: Clock::System,
        owes_reread: false,
    };
    tokio::spawn(async move {
        stop.run_until_cancelled(watch.run()).await;
    })
}

struct Watch {
    files: AnchorFiles,
    app: App,
    clock: Clock,
    /// The files are others, and what nobody stood behind before was not asked to be read again.
    owes_reread: bool,
}

impl Watch {
    async fn run(mut self) {
        self.measure();
        loop {
            tokio::time::sleep(self.files.period).await;
            // A turn leaves the files whole wherever it ends.
            if AssertUnwindSafe(self.turn()).catch_unwind().await.is_err() {
                tracing::error!(
                    "looking at the files that certificates are judged by found a fault in the server"
                );
            }
        }
    }

    async fn turn(&mut self) {
        let now = self.clock.now();
        let mut is_changed = false;
        for file in &mut self.files.files {
            let looked = file.look(now).await;
            is_changed |= looked == Looked::Taken;
            say(file, looked);
        }
        self.measure();
        if is_changed {
            self.app.store().set_anchors(self.files.anchors());
            self.owes_reread = true;
        }
        if self.owes_reread {
            match evidence::reread(self.app.store(), now).await {
                Ok(()) => self.owes_reread = false,
                Err(error) => tracing::warn!(%error, "cannot have evidence read again"),
            }
        }
    }

    fn measure(&self) {
        for file in &self.files.files {
            let shown = file.path().to_string_lossy();
            self.app.anchor_file(&shown, file.is_refused());
        }
    }
}

fn say(file: &AnchorFile, looked: Looked) {
    let file = file.path().display();
    match looked {
        Looked::Quiet => {}
        Looked::Taken => {
            tracing::info!(%file, "certificates are judged by a file that has changed");
        }
        Looked::Righted => {
            tracing::info!(%file, "a file that certificates are judged by is as it was before");
        }
        Looked::Refused(error) => tracing::warn!(
            %file,
            error,
            "a file that certificates are judged by is not used as it is now; what it said before is"
        ),
    }
}

#[cfg(test)]
mod tests;
