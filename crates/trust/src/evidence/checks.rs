//! A budget of checks. A signature that names no key is tried with every key that is registered, and what one person pushes may hold
//! hundreds of signatures that nobody made. Deliberately no clock: what is counted is work, so that the same bytes get the same answer
//! on a slow machine.

use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes that are hashed in about the time in which one signature is checked.
const BYTES_OF_A_CHECK: u64 = 64 * 1024;

/// How many checks are left for what is read with it, together. A signature is always tried with the key that it names, and takes none
/// for that.
#[derive(Debug)]
pub struct Checks {
    left: AtomicU64,
}

impl Checks {
    /// So many: a signature with one key is one, and one more for each 64 KiB that are signed.
    #[must_use]
    pub const fn new(most: u64) -> Self {
        Self {
            left: AtomicU64::new(most),
        }
    }

    /// For what nobody else can make longer.
    #[must_use]
    pub const fn unlimited() -> Self {
        Self::new(u64::MAX)
    }

    /// Takes one check of a signature over so many bytes; `false` where it is too much.
    pub(crate) fn take(&self, bytes: usize) -> bool {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        let cost = 1 + bytes / BYTES_OF_A_CHECK;
        let spent = |left: u64| left.checked_sub(cost);
        let taken = self
            .left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, spent);
        taken.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_documents_cost_more() {
        let checks = Checks::new(5);
        assert!(checks.take(65_535));
        assert!(checks.take(65_536));
        assert!(!checks.take(2 * 65_536), "three of two");
        assert!(checks.take(65_536));
        assert!(!checks.take(0));
        assert!(Checks::unlimited().take(usize::MAX));
    }
}
