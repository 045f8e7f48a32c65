//! Waiting for what other processes do. The clock of another process cannot be injected, so this looks again and again, with a
//! short pause, up to a deadline; no scenario pauses by itself.

use std::time::{Duration, Instant};

const PAUSE: Duration = Duration::from_millis(15);

/// Looks until there is an answer; fails after `seconds`.
pub(crate) fn within<T>(seconds: u64, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(seconds);
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(
            Instant::now() < deadline,
            "waited {seconds} s in vain: {what}"
        );
        std::thread::sleep(PAUSE);
    }
}

/// Looks until it is so; fails after `seconds`.
pub(crate) fn until(seconds: u64, what: &str, mut is_so: impl FnMut() -> bool) {
    within(seconds, what, || is_so().then_some(()));
}
