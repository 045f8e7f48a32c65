//! When metadata ends: RFC 3339 with any fraction and offset, as milliseconds since 1970. Deliberately no clock.

use jiff::Timestamp;

use super::role::RoleName;

/// Reads an instant; a fraction below a millisecond is dropped.
pub(crate) fn parse(text: &str) -> Option<i64> {
    let instant: Timestamp = is_rfc3339(text).then(|| text.parse().ok())??;
    Some(instant.as_millisecond())
}

/// RFC 3339, 5.6, as Go's reader has it. The library takes more: times without seconds or colons, leap seconds, short offsets, small
/// letters, names of zones. Clients give a whole repository up for one such time.
fn is_rfc3339(text: &str) -> bool {
    let Some((moment, rest)) = text.split_at_checked(MOMENT.len()) else {
        return false;
    };
    let zone = match rest.strip_prefix('.') {
        Some(fraction) => fraction.trim_start_matches(|c: char| c.is_ascii_digit()),
        None => rest,
    };
    let offset = zone.strip_prefix(['+', '-']);
    let is_offset = offset.is_some_and(|offset| has_form(offset, "00:00") && offset < "24");
    has_form(moment, MOMENT) && !moment.ends_with("60") && (zone == "Z" || is_offset)
}

const MOMENT: &str = "0000-00-00T00:00:00";

/// Digits where the form has zeros, and else what stands there.
fn has_form(text: &str, form: &str) -> bool {
    let alike = |(byte, form): (u8, u8)| match form {
        b'0' => byte.is_ascii_digit(),
        form => byte == form,
    };
    text.len() == form.len() && text.bytes().zip(form.bytes()).all(alike)
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
            "2026-11-25T12Z",
            "2026-11-25T12:00Z",
            "2026-11-25T120000Z",
            "2026-11-25T24:00:00Z",
            "2026-11-25T12:00:60Z",
            "2026-11-25T12:00:00.Z",
            "2026-11-25T12:00:00,5Z",
            "2026-11-25T12:00:00+01",
            "2026-11-25T12:00:00+0130",
            "2026-11-25T12:00:00+01:30:10",
            "2026-11-25T12:00:00+24:00",
            "2026-11-25T12:00:00+01:60",
            "2026-11-25T12:00:00Z+01:00",
            "+20261125T120000Z",
            "2026-11-25T12:00:0\u{e9}Z",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
