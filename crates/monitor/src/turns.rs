//! Who reads a layer now: one at a time in this process, because a hostile layer may take memory up to its limits. A job goes
//! first; who reads ahead of the jobs gives way, unless it is about to end anyway (`following`).

use std::sync::Arc;
use tokio::sync::{Mutex, OwnedMutexGuard, watch};

/// The right to read one layer, until it is dropped.
pub(crate) type Turn = OwnedMutexGuard<()>;

/// Gives the turns out, in the order in which they were asked for.
#[derive(Clone, Default)]
pub(crate) struct Turns {
    one: Arc<Mutex<()>>,
    /// How many jobs wait for theirs.
    wanted: Arc<watch::Sender<usize>>,
}

impl Turns {
    /// A job's turn. Whoever reads ahead is told to make way meanwhile.
    pub(crate) async fn need(&self) -> Turn {
        let _want = Want::new(&self.wanted);
        Arc::clone(&self.one).lock_owned().await
    }

    /// A turn that no job has a use for.
    pub(crate) async fn spare(&self) -> Turn {
        loop {
            let turn = Arc::clone(&self.one).lock_owned().await;
            if !self.are_wanted() {
                return turn;
            }
            drop(turn);
            self.until(|wanted| wanted == 0).await;
        }
    }

    /// Whether a job waits.
    pub(crate) fn are_wanted(&self) -> bool {
        *self.wanted.borrow() > 0
    }

    /// Returns when a job waits.
    pub(crate) async fn become_wanted(&self) {
        self.until(|wanted| wanted > 0).await;
    }

    async fn until(&self, holds: impl Fn(usize) -> bool) {
        // The sender is `self`'s, so this does not end early.
        let _ = self
            .wanted
            .subscribe()
            .wait_for(|wanted| holds(*wanted))
            .await;
    }
}

/// Counts a job that waits, however its waiting ends.
struct Want<'a>(&'a watch::Sender<usize>);

impl<'a> Want<'a> {
    fn new(wanted: &'a watch::Sender<usize>) -> Self {
        wanted.send_modify(|wanted| *wanted += 1);
        Self(wanted)
    }
}

impl Drop for Want<'_> {
    fn drop(&mut self) {
        self.0
            .send_modify(|wanted| *wanted = wanted.saturating_sub(1));
    }
}
