//! Images that could not be judged of late: which of them are left alone for a while, and what the log said of them. Deliberately kept in
//! the process only: one that is forgotten is tried and named once more. Whoever asks a gate is answered anew all the same.

use crate::runner::backoff;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use store::decisions::Subject;

/// How often one is named in the log.
const NAMED_EACH_MILLISECONDS: u64 = 3_600_000;
/// Those that are kept. Of more than these something else is wrong: the others are counted, and tried each time.
const KEPT_MAX: usize = 10_000;

/// What is known of them; all clones know the same.
#[derive(Clone, Default)]
pub(crate) struct Unjudged(Arc<Mutex<BTreeMap<Subject, Failed>>>);

/// Times are milliseconds since the epoch.
#[derive(Default)]
struct Failed {
    tried_at: i64,
    wait_milliseconds: i64,
    attempts: u32,
    named_at: Option<i64>,
}

impl Unjudged {
    /// Whether its time to be tried again has not come. A clock that went back holds nothing.
    pub(super) fn is_put_off(&self, subject: &Subject, now: i64) -> bool {
        self.kept().get(subject).is_some_and(|failed| {
            failed.tried_at.abs_diff(now) < failed.wait_milliseconds.unsigned_abs()
        })
    }

    /// It is judged.
    pub(super) fn judged(&self, subject: &Subject) {
        self.kept().remove(subject);
    }

    /// It could not be judged. Answers whether it is to be named in the log, which happens only where there is room for it.
    pub(super) fn failed(&self, subject: &Subject, now: i64, has_room: bool) -> bool {
        let mut kept = self.kept();
        if kept.len() >= KEPT_MAX && !kept.contains_key(subject) {
            return false;
        }
        let failed = kept.entry(subject.clone()).or_default();
        failed.tried_at = now;
        failed.wait_milliseconds = backoff(failed.attempts);
        failed.attempts = failed.attempts.saturating_add(1);
        let was_named = failed
            .named_at
            .is_some_and(|at| at.abs_diff(now) < NAMED_EACH_MILLISECONDS);
        let is_named = has_room && !was_named;
        if is_named {
            failed.named_at = Some(now);
        }
        is_named
    }

    /// Forgets those that nobody tried for long: they are gone, or were judged elsewhere.
    pub(super) fn forget_old(&self, now: i64) {
        self.kept()
            .retain(|_, failed| failed.tried_at.abs_diff(now) < NAMED_EACH_MILLISECONDS);
    }

    fn kept(&self) -> MutexGuard<'_, BTreeMap<Subject, Failed>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use oci::Digest;

    const NOW: i64 = 1_800_000_000_000;
    const HOUR: i64 = 3_600_000;

    fn image(number: i64) -> Subject {
        Subject {
            repository_id: number,
            repository: "shop/web".parse().unwrap(),
            digest: Digest::sha256(b"image"),
        }
    }

    #[test]
    fn one_is_named_once_an_hour_and_tried_more_and_more_seldom() {
        let (unjudged, one) = (Unjudged::default(), image(1));
        assert!(!unjudged.is_put_off(&one, NOW));
        assert!(unjudged.failed(&one, NOW, true));
        assert!(unjudged.is_put_off(&one, NOW + 999));
        assert!(!unjudged.is_put_off(&one, NOW + 1_000));
        assert!(!unjudged.is_put_off(&one, NOW - HOUR), "a clock went back");
        assert!(!unjudged.failed(&one, NOW + 1_000, true));
        assert!(unjudged.is_put_off(&one, NOW + 2_999));
        assert!(!unjudged.is_put_off(&one, NOW + 3_000));
        assert!(!unjudged.failed(&one, NOW + HOUR - 1, true));
        assert!(unjudged.failed(&one, NOW + HOUR, true));
        // What was judged begins anew.
        unjudged.judged(&one);
        assert!(!unjudged.is_put_off(&one, NOW + HOUR));
        assert!(unjudged.failed(&one, NOW + HOUR, true));
    }

    #[test]
    fn one_that_there_was_no_room_for_is_named_later() {
        let (unjudged, one) = (Unjudged::default(), image(1));
        assert!(!unjudged.failed(&one, NOW, false));
        assert!(unjudged.failed(&one, NOW + 1_000, true));
    }

    #[test]
    fn no_more_are_kept_than_so_many_and_none_for_good() {
        let unjudged = Unjudged::default();
        let kept_max = i64::try_from(KEPT_MAX).unwrap();
        for number in 0..kept_max {
            assert!(unjudged.failed(&image(number), NOW, true));
        }
        let more = image(kept_max);
        assert!(!unjudged.failed(&more, NOW, true));
        assert!(!unjudged.is_put_off(&more, NOW));
        assert!(!unjudged.failed(&image(0), NOW + 1, true), "it was named");
        unjudged.forget_old(NOW + HOUR);
        assert_eq!(unjudged.kept().len(), 1);
        assert!(unjudged.failed(&more, NOW + HOUR, true));
    }
}
