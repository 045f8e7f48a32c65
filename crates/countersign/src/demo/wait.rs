//! Waiting for what happens by itself: the question is asked again until it is answered, and after the deadline the last answer is
//! the error. A pause is never the proof of anything.

use anyhow::{Result, bail};
use std::time::{Duration, Instant};

/// The longest wait for one thing.
const DEADLINE: Duration = Duration::from_secs(30);
/// The pause between two looks.
const PAUSE: Duration = Duration::from_millis(50);

/// What a look showed.
pub(super) enum Seen<T> {
    /// It is there.
    Yes(T),
    /// It is not, and this is how it looks instead.
    NotYet(String),
}

/// Looks until it is there.
pub(super) async fn until<T>(
    what: &str,
    mut look: impl AsyncFnMut() -> Result<Seen<T>>,
) -> Result<T> {
    let began = Instant::now();
    loop {
        match look().await? {
            Seen::Yes(found) => return Ok(found),
            Seen::NotYet(why) if began.elapsed() >= DEADLINE => {
                bail!("waited {} s for {what}: {why}", DEADLINE.as_secs());
            }
            Seen::NotYet(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}
