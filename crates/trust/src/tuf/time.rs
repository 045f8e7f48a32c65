//! When metadata ends: RFC 3339 with any fraction and offset, as milliseconds since 1970. Deliberately no clock.

use jiff::Timestamp;

use super::role::RoleName;

/// Reads an instant; a fraction below a millisecond is dropped.
pub(super) fn parse(text: &str) -> Option<i64> {
    // The library takes more than RFC 3339 does: spaces, small letters, names of zones.
    let known = |byte| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b':' | b'.' | b'T' | b'Z');
    let whole = text.as_bytes().get(10) == Some(&b'T') && text.bytes().all(known);
    let instant: Timestamp = whole.then(|| text.parse().ok())??;
    Some(instant.as_millisecond())
}

/// Writes an instant in UTC.
pub(super) fn format(milliseconds: i64) -> String {
    let instant = Timestamp::from_millisecond(milliseconds);
    instant.map_or_else(
        |_| format!("{milliseconds} ms"),
        |instant| instant.to_string(),
    )
}

/// When a file of a role ends that is made now: as docker and notary have it, after 10 years for `root`, 3 for `targets`, delegations and
/// `snapshot`, and 14 days for `timestamp`.
pub(super) fn end(role: &RoleName, now: i64) -> i64 {
    now.saturating_add(match role {
        RoleName::Root => 10 * YEAR,
        RoleName::Targets | RoleName::Delegation(_) | RoleName::Snapshot => 3 * YEAR,
        RoleName::Timestamp => 14 * DAY,
    })
}

pub(super) const DAY: i64 = 24 * 60 * 60 * 1000;
/// 365 days, as the clients count.
pub(super) const YEAR: i64 = 365 * DAY;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_fractions_and_offsets() {
        let noon = 1_795_608_000_000;
        for text in [
            "2026-11-25T12:00:00Z",
            "2026-11-25T12:00:00.000000999Z",
            "2026-11-25T13:30:00+01:30",
            "2026-11-25T07:00:00.0-05:00",
        ] {
            assert_eq!(parse(text), Some(noon), "{text}");
        }
        assert_eq!(format(noon), "2026-11-25T12:00:00Z");
        assert_eq!(parse(&format(noon + 7)), Some(noon + 7));
        assert_eq!(parse("0001-01-01T00:00:00Z"), Some(-62_135_596_800_000));
    }

    #[test]
    fn refuses_other_spellings() {
        for text in [
            "",
            "2026-11-25",
            "2026-11-25T12:00:00",
            "2026-11-25 12:00:00Z",
            "2026-11-25t12:00:00Z",
            "2026-11-25T12:00:00z",
            "2026-11-25T12:00:00Z[UTC]",
            "2026-13-25T12:00:00Z",
            " 2026-11-25T12:00:00Z",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
