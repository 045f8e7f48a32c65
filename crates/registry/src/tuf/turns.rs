//! Who publishes to a trust repository now. In one process they go one after the other, because an update that is judged while another
//! one is stored has to be judged again; between processes the store's revision says so. Nothing depends on it but the work saved. And few
//! are judged at once, whatever they publish to: one may hold 32 MiB of files, and what they say takes many times that.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::{Mutex as Turn, OwnedMutexGuard, OwnedSemaphorePermit, Semaphore};
use trust::tuf::Gun;

/// Updates that are judged at once.
const JUDGED_MAX: usize = 2;

/// The trust repositories that somebody publishes to.
#[derive(Debug)]
pub(crate) struct Turns {
    publishing: Mutex<BTreeMap<Gun, Weak<Turn<()>>>>,
    judging: Arc<Semaphore>,
}

impl Default for Turns {
    fn default() -> Self {
        Self {
            publishing: Mutex::default(),
            judging: Arc::new(Semaphore::new(JUDGED_MAX)),
        }
    }
}

impl Turns {
    /// Waits for those who came before.
    pub(crate) async fn take(&self, gun: &Gun) -> OwnedMutexGuard<()> {
        self.of(gun).lock_owned().await
    }

    /// Waits until one more may be judged: until this is dropped. (It is always there, because nobody closes the semaphore.)
    pub(crate) async fn judging(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.judging).acquire_owned().await.ok()
    }

    fn of(&self, gun: &Gun) -> Arc<Turn<()>> {
        let mut turns = self
            .publishing
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(turn) = turns.get(gun).and_then(Weak::upgrade) {
            return turn;
        }
        // Nobody waits for these any more.
        turns.retain(|_, turn| turn.strong_count() > 0);
        let turn = Arc::default();
        turns.insert(gun.clone(), Arc::downgrade(&turn));
        turn
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_turn_ends_with_its_guard_and_is_forgotten() {
        let turns = Turns::default();
        let [one, other] = ["a/one", "a/other"].map(|gun| Gun::parse(gun).unwrap());
        let held = turns.take(&one).await;
        let _elsewhere = turns.take(&other).await;
        let waiting = turns.of(&one);
        assert!(waiting.try_lock().is_err());
        drop(held);
        assert!(waiting.try_lock().is_ok());
        drop(waiting);
        drop(turns.take(&Gun::parse("a/third").unwrap()).await);
        assert_eq!(turns.publishing.lock().unwrap().len(), 2);
    }

    #[tokio::test]
    async fn few_are_judged_at_once() {
        let turns = Turns::default();
        let mut judging = Vec::new();
        for _ in 0..JUDGED_MAX {
            judging.push(turns.judging().await.unwrap());
        }
        let mut next = Box::pin(turns.judging());
        assert!(futures_util::poll!(&mut next).is_pending());
        judging.pop();
        assert!(next.await.is_some());
    }
}
