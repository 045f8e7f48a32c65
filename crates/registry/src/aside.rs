//! Work that takes a processor a while, beside the threads that answer requests: signatures are checked, and large files read. What
//! somebody pushes is looked at by few at once, because it is in memory meanwhile, and because work that has begun goes on when whoever
//! asked for it is gone.

use crate::error::{Error, Result};
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Manifests that are looked at once: some wait for a bucket while others are judged.
const LOOKED_AT_MAX: usize = 4;

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

/// The places at which what is pushed is looked at.
#[derive(Debug, Clone)]
pub(crate) struct Places(Arc<Semaphore>);

impl Default for Places {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(LOOKED_AT_MAX)))
    }
}

impl Places {
    /// Waits for one. Whoever gives up waiting leaves the queue.
    ///
    /// # Errors
    /// None while the server runs: nobody closes the semaphore.
    pub(crate) async fn turn(&self) -> Result<Turn> {
        let permit = Arc::clone(&self.0).acquire_owned().await;
        permit
            .map(|permit| Turn(Arc::new(permit)))
            .map_err(|error| unavailable(error.to_string()))
    }
}

/// One of them, taken until this is dropped and all work that was begun with it has ended.
#[derive(Debug)]
pub(crate) struct Turn(Arc<OwnedSemaphorePermit>);

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

    #[tokio::test]
    async fn few_are_looked_at_once_also_when_nobody_waits_for_them_any_more() {
        let places = Places::default();
        let (end, ended) = mpsc::channel::<()>();
        let (begin, mut begun) = tokio::sync::mpsc::unbounded_channel();
        let ended = Arc::new(std::sync::Mutex::new(ended));
        for _ in 0..LOOKED_AT_MAX {
            let turn = places.turn().await.unwrap();
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
        let mut next = Box::pin(places.turn());
        assert!(futures_util::poll!(&mut next).is_pending());
        end.send(()).unwrap();
        next.await.unwrap();
        for _ in 1..LOOKED_AT_MAX {
            end.send(()).unwrap();
        }
    }
}
