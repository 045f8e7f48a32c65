//! How near an end is, for people who look. The server tells the same as events, without being asked.

use crate::output;

const DAY_MILLISECONDS: i64 = 24 * 60 * 60 * 1_000;
/// From when an end is near.
const SOON_MILLISECONDS: i64 = 30 * DAY_MILLISECONDS;

/// How near an end is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    Far,
    /// In so many whole days.
    Soon(i64),
    Ended,
}

impl Ending {
    /// Both in milliseconds since the epoch.
    pub(super) fn of(end: i64, now: i64) -> Self {
        match end.saturating_sub(now) {
            left if left < 0 => Self::Ended,
            left if left < SOON_MILLISECONDS => Self::Soon(left / DAY_MILLISECONDS),
            _ => Self::Far,
        }
    }

    /// A word for programs; none while there is time.
    pub(super) fn word(self) -> Option<&'static str> {
        match self {
            Self::Far => None,
            Self::Soon(_) => Some("ends-soon"),
            Self::Ended => Some("ended"),
        }
    }

    /// The end, for people.
    pub(super) fn shown(self, end: i64) -> String {
        let instant = output::instant(end);
        match self {
            Self::Far => instant,
            Self::Soon(days) => format!("{instant} (in {days} days)"),
            Self::Ended => format!("{instant} (ENDED)"),
        }
    }
}

/// An end, for people.
pub(super) fn shown(end: i64, now: i64) -> String {
    Ending::of(end, now).shown(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_near_for_a_month() {
        let now = 1_795_608_000_000;
        for (days, expected) in [
            (400, Ending::Far),
            (30, Ending::Far),
            (29, Ending::Soon(29)),
            (0, Ending::Soon(0)),
            (-1, Ending::Ended),
        ] {
            assert_eq!(Ending::of(now + days * DAY_MILLISECONDS, now), expected);
        }
        assert!(shown(now - 1, now).ends_with("(ENDED)"));
    }
}
