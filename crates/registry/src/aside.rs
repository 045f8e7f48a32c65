//! Work that takes a processor a while, beside the threads that answer requests: signatures are checked, and large files read. What
//! somebody pushes is looked at by few at once, because it is in memory meanwhile, and because work that has begun goes on when whoever
//! asked for it is gone.

use crate::error::{Error, Result};
use policy::PrincipalId;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Manifests that are looked at once: some wait for a bucket while others are judged.
const LOOKED_AT_MAX: usize = 4;
/// Of these, those that one caller pushes: a place is held while a bucket is read, and whoever makes that long takes nobody else's.
const LOOKED_AT_OF_ONE_MAX: usize = 1;

/// Does it on a thread for such work. What others can ask for as often as they like is bounded by a [`Turn`].
///
/// # Errors
/// `Unavailable` where the thread ended before the work did.
pub(crate) async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T> {
    let worked = tokio::task::spawn_blocking(work).await;
    worked.map_err(|error| unavailable(error.to_string()))
}

/// Who asks for a place; all that are nobody are one.
type Caller = Option<PrincipalId>;

/// The places at which what is pushed is looked at.
#[derive(Debug, Clone)]
pub(crate) struct Places {
    all: Arc<Semaphore>,
    /// What each of those may take who have a place or wait for one.
    callers: Arc<Mutex<BTreeMap<Caller, Weak<Semaphore>>>>,
}

impl Default for Places {
    fn default() -> Self {
        Self {
            all: Arc::new(Semaphore::new(LOOKED_AT_MAX)),
            callers: Arc::default(),
        }
    }
}

impl Places {
    /// Waits for one, first behind what the same caller pushes, and only then behind others: however much one pushes, one waits among
    /// the others. Whoever gives up waiting leaves the queue.
    ///
    /// # Errors
    /// None while the server runs: nobody closes the semaphores.
    pub(crate) async fn turn(&self, caller: Caller) -> Result<Turn> {
        let own = take(self.of(caller)).await?;
        let place = take(Arc::clone(&self.all)).await?;
        Ok(Turn(Arc::new([place, own])))
    }

    fn of(&self, caller: Caller) -> Arc<Semaphore> {
        let mut callers = self.callers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = callers.get(&caller).and_then(Weak::upgrade) {
            return own;
        }
        // These have no place any more, and wait for none.
        callers.retain(|_, own| own.strong_count() > 0);
        let own = Arc::new(Semaphore::new(LOOKED_AT_OF_ONE_MAX));
        callers.insert(caller, Arc::downgrade(&own));
        own
    }
}

async fn take(places: Arc<Semaphore>) -> Result<OwnedSemaphorePermit> {
    let permit = places.acquire_owned().await;
    permit.map_err(|error| unavailable(error.to_string()))
}

/// One of them, taken until this is dropped and all work that was begun with it has ended: the place, and the caller's own.
#[derive(Debug)]
pub(crate) struct Turn(Arc<[OwnedSemaphorePermit; 2]>);

impl Turn {
    /// As [`aside`]; the work keeps the place also where nobody waits for it any more.
    ///
    /// # Errors
    /// Those of [`aside`].
    pub(crate) async fn aside<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T> {
        let place = Arc::clone(&self.0);
        aside(move || {
            let done = work();
            drop(place);
            done
        })
        .await
    }
}

fn unavailable(why: String) -> Error {
    Error::Store(store::Error::Unavailable {
        what: "the judge of signatures",
        why,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    fn caller(number: usize) -> Caller {
        Some(PrincipalId(i64::try_from(number).unwrap()))
    }

    #[tokio::test]
    async fn few_are_looked_at_once_also_when_nobody_waits_for_them_any_more() {
        let places = Places::default();
        let (end, ended) = mpsc::channel::<()>();
        let (begin, mut begun) = tokio::sync::mpsc::unbounded_channel();
        let ended = Arc::new(std::sync::Mutex::new(ended));
        for number in 0..LOOKED_AT_MAX {
            let turn = places.turn(caller(number)).await.unwrap();
            let (begin, ended) = (begin.clone(), Arc::clone(&ended));
            let mut asking = Box::pin(async move {
                let work = move || {
                    begin.send(()).unwrap();
                    ended.lock().unwrap().recv().unwrap();
                };
                turn.aside(work).await
            });
            assert!(futures_util::poll!(&mut asking).is_pending());
            begun.recv().await.unwrap();
            // Its request is closed; the work goes on.
            drop(asking);
        }
        let mut next = Box::pin(places.turn(caller(LOOKED_AT_MAX)));
        assert!(futures_util::poll!(&mut next).is_pending());
        end.send(()).unwrap();
        next.await.unwrap();
        for _ in 1..LOOKED_AT_MAX {
            end.send(()).unwrap();
        }
    }

    #[tokio::test]
    async fn whoever_pushes_much_waits_for_themselves_and_keeps_nobody_waiting() {
        let places = Places::default();
        let [mallory, maria] = [caller(1), caller(2)];
        let first = places.turn(mallory).await.unwrap();
        let mut others = Vec::new();
        for _ in 0..2 * LOOKED_AT_MAX {
            let mut other = Box::pin(places.turn(mallory));
            assert!(futures_util::poll!(&mut other).is_pending());
            others.push(other);
        }
        let mut honest = Box::pin(places.turn(maria));
        assert!(
            futures_util::poll!(&mut honest).is_ready(),
            "one place is taken"
        );
        // So is that of those who are nobody, together.
        let _nobody = places.turn(None).await.unwrap();
        let mut nobody_else = Box::pin(places.turn(None));
        assert!(futures_util::poll!(&mut nobody_else).is_pending());
        // In the order in which they came; those who gave up are passed over.
        let last = others.pop().unwrap();
        drop(others);
        drop(first);
        last.await.unwrap();
    }

    #[tokio::test]
    async fn a_caller_has_no_second_place_while_work_goes_on_that_nobody_waits_for() {
        let places = Places::default();
        let (end, ended) = mpsc::channel::<()>();
        let turn = places.turn(caller(1)).await.unwrap();
        let mut asking = Box::pin(async move { turn.aside(move || ended.recv().unwrap()).await });
        assert!(futures_util::poll!(&mut asking).is_pending());
        // Its request is closed; the work goes on.
        drop(asking);
        let mut next = Box::pin(places.turn(caller(1)));
        assert!(futures_util::poll!(&mut next).is_pending());
        end.send(()).unwrap();
        next.await.unwrap();
    }

    #[tokio::test]
    async fn callers_are_forgotten_who_have_no_place_any_more() {
        let places = Places::default();
        let _held = places.turn(caller(1)).await.unwrap();
        drop(places.turn(caller(2)).await.unwrap());
        drop(places.turn(caller(3)).await.unwrap());
        let callers = places.callers.lock().unwrap();
        assert!(callers.keys().eq(&[caller(1), caller(3)]));
    }
}
