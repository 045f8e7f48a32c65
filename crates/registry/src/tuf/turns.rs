//! Who publishes to a trust repository now. In one process they go one after the other, because an update that is judged while another
//! one is stored has to be judged again; between processes the store's revision says so. Nothing depends on it but the work saved.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::{Mutex as Turn, OwnedMutexGuard};
use trust::tuf::Gun;

/// The trust repositories that somebody publishes to.
#[derive(Debug, Default)]
pub(crate) struct Turns(Mutex<BTreeMap<Gun, Weak<Turn<()>>>>);

impl Turns {
    /// Waits for those who came before.
    pub(crate) async fn take(&self, gun: &Gun) -> OwnedMutexGuard<()> {
        self.of(gun).lock_owned().await
    }

    fn of(&self, gun: &Gun) -> Arc<Turn<()>> {
        let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
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
        assert_eq!(turns.0.lock().unwrap().len(), 2);
    }
}
