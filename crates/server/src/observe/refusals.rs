//! Refusals in the log, so many in a while: enough to act on, and never so many that a flood of them fills a disk. What was left
//! out is counted, and the next line says how much it was.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Lines in one window, and its length.
const LINES_MAX: u64 = 50;
const WINDOW: Duration = Duration::from_secs(10);

/// How much was logged.
#[derive(Debug)]
pub(crate) struct Refusals {
    began: Instant,
    lines_max: u64,
    window: Duration,
    /// The number of the window, and the lines in it.
    now: AtomicU64,
    left_out: AtomicU64,
}

/// Bits of `now` that count lines.
const LINE_BITS: u32 = 24;

impl Default for Refusals {
    fn default() -> Self {
        Self::new(LINES_MAX, WINDOW)
    }
}

impl Refusals {
    /// At most so many lines in so long a time.
    pub(crate) fn new(lines_max: u64, window: Duration) -> Self {
        Self {
            began: Instant::now(),
            lines_max,
            window,
            now: AtomicU64::new(0),
            left_out: AtomicU64::new(0),
        }
    }

    /// Logs, unless there was much already. What is called gets how many were left out since the last line.
    pub(crate) fn log(&self, line: impl FnOnce(u64)) {
        if self.admits(self.began.elapsed()) {
            line(self.left_out.swap(0, Ordering::Relaxed));
        } else {
            self.left_out.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn admits(&self, elapsed: Duration) -> bool {
        let window = elapsed.as_nanos() / self.window.as_nanos().max(1);
        let window = u64::try_from(window).unwrap_or(u64::MAX >> LINE_BITS) << LINE_BITS;
        let admitted = self
            .now
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |now| {
                if now < window {
                    return Some(window + 1);
                }
                let lines = now & ((1 << LINE_BITS) - 1);
                (lines < self.lines_max).then_some(now + 1)
            });
        admitted.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_counted_and_not_written() {
        let refusals = Refusals::new(3, Duration::from_secs(10));
        let mut told = Vec::new();
        for _ in 0..100 {
            refusals.log(|more| told.push(more));
        }
        assert_eq!(told, [0, 0, 0]);
        assert_eq!(refusals.left_out.load(Ordering::Relaxed), 97);
        let later = |seconds| refusals.admits(Duration::from_secs(seconds));
        assert!(!later(9));
        assert!(later(10) && later(15) && later(19) && !later(19));
        assert!(later(300), "also after a long silence");
    }
}
