//! The first instant at which time alone may change an answer (`holds_until`).
//!
//! Only instants of the facts and the policy; what people or feeds will do is not foreseen. DESIGN §3, step 5.

/// Collects instants, in milliseconds since the epoch.
#[derive(Debug)]
pub(super) struct Horizon {
    now: i64,
    first: Option<i64>,
}

impl Horizon {
    /// The horizon of an answer given at `now`.
    pub(super) fn after(now: i64) -> Self {
        Horizon { now, first: None }
    }

    /// The answer may change at this instant; one that has passed is of no interest.
    pub(super) fn may_change_at(&mut self, instant: i64) {
        if instant > self.now {
            self.first = Some(self.first.map_or(instant, |first| first.min(instant)));
        }
    }

    /// The first of the instants.
    pub(super) fn first(&self) -> Option<i64> {
        self.first
    }
}
