//! How near an end is, for people who look. The server tells the same as events, without being asked.

use crate::output;
use trust::tuf::RoleName;

const DAY_MILLISECONDS: i64 = 24 * 60 * 60 * 1_000;
/// From when an end is near.
const SOON_MILLISECONDS: i64 = 30 * DAY_MILLISECONDS;
/// The same for a timestamp, which lasts for 14 days, and which the server signs again with 7 to go.
const TIMESTAMP_SOON_MILLISECONDS: i64 = 6 * DAY_MILLISECONDS;

/// How near an end is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    Far,
    /// In so many whole days.
    Soon(i64),
    Ended,
}

impl Ending {
    /// The end of a role's file; both in milliseconds since the epoch.
    pub(super) fn of(role: &RoleName, end: i64, now: i64) -> Self {
        let soon = match role {
            RoleName::Timestamp => TIMESTAMP_SOON_MILLISECONDS,
            _ => SOON_MILLISECONDS,
        };
        match end.saturating_sub(now) {
            left if left <= 0 => Self::Ended,
            left if left < soon => Self::Soon(left / DAY_MILLISECONDS),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_near_for_a_month() {
        let now = 1_795_608_000_000;
        let (targets, timestamp) = (RoleName::Targets, RoleName::Timestamp);
        for (role, days, expected) in [
            (&targets, 400, Ending::Far),
            (&targets, 30, Ending::Far),
            (&targets, 29, Ending::Soon(29)),
            (&targets, 1, Ending::Soon(1)),
            (&targets, 0, Ending::Ended),
            (&targets, -1, Ending::Ended),
            (&timestamp, 7, Ending::Far),
            (&timestamp, 5, Ending::Soon(5)),
        ] {
            let end = now + days * DAY_MILLISECONDS;
            assert_eq!(Ending::of(role, end, now), expected, "{role} {days}");
        }
        assert!(Ending::Ended.shown(now).ends_with("(ENDED)"));
    }
}
