//! Durations (`7d`, `12h`, `30m`, `2s`) and ends (`2026-12-31`, RFC 3339) of a policy file, in milliseconds.
//!
//! No months, no years, no local time: a duration has one length, and a date ends with its day in UTC. DESIGN §6.

/// The longest duration, in days.
const DURATION_DAYS_MAX: i64 = 3_650;

const SECOND_MILLISECONDS: i64 = 1_000;
const DAY_SECONDS: i64 = 24 * 60 * 60;

/// Why a text is not a duration or an end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnitError {
    /// It is not a number and a unit.
    #[error("`{0}` is not a duration; write a number and s, m, h or d, such as `7d`")]
    Duration(String),
    /// It is longer than is accepted.
    #[error(
        "limit exceeded: `{0}` is longer than {DURATION_DAYS_MAX} days; write a shorter duration"
    )]
    TooLong(String),
    /// It is neither a date nor an instant.
    #[error(
        "`{0}` is not a date; write a day such as `2026-12-31`, or an instant such as `2026-12-31T12:00:00Z`"
    )]
    Until(String),
}

/// Reads a duration into milliseconds.
///
/// # Errors
/// [`UnitError`] when it is not a whole number with one of the units s, m, h and d, or more than
/// ten years.
pub fn parse_duration(text: &str) -> Result<i64, UnitError> {
    let error = || UnitError::Duration(shown(text));
    let unit = text.chars().last().ok_or_else(error)?;
    let unit_seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 60 * 60,
        'd' => DAY_SECONDS,
        _ => return Err(error()),
    };
    let digits = text.strip_suffix(unit).ok_or_else(error)?;
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(error());
    }
    let too_long = || UnitError::TooLong(shown(text));
    let count: i64 = digits.parse().map_err(|_| too_long())?;
    count
        .checked_mul(unit_seconds)
        .filter(|seconds| *seconds <= DURATION_DAYS_MAX * DAY_SECONDS)
        .map(|seconds| seconds * SECOND_MILLISECONDS)
        .ok_or_else(too_long)
}

/// Reads an end into the first instant, in milliseconds since the epoch, at which it is over: for a date, the midnight
/// in UTC that ends it.
///
/// # Errors
/// [`UnitError::Until`] when it is neither a date nor an RFC 3339 instant.
pub fn parse_until(text: &str) -> Result<i64, UnitError> {
    let error = || UnitError::Until(shown(text));
    if text.len() > 10 {
        let instant: jiff::Timestamp = text.parse().map_err(|_| error())?;
        return Ok(instant.as_millisecond());
    }
    let day: jiff::civil::Date = text.parse().map_err(|_| error())?;
    let midnight = day.tomorrow().map_err(|_| error())?.at(0, 0, 0, 0);
    let timestamp = jiff::tz::TimeZone::UTC
        .to_timestamp(midnight)
        .map_err(|_| error())?;
    Ok(timestamp.as_millisecond())
}

/// Enough of a user's value to recognise it.
fn shown(text: &str) -> String {
    text.chars().take(64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        let table = [
            ("2s", 2_000),
            ("30m", 1_800_000),
            ("12h", 43_200_000),
            ("7d", 604_800_000),
            ("0s", 0),
            ("3650d", 315_360_000_000),
        ];
        for (text, milliseconds) in table {
            assert_eq!(parse_duration(text), Ok(milliseconds), "{text}");
        }
    }

    #[test]
    fn what_is_not_a_duration() {
        for text in [
            "", "7", "d", "7w", "-1d", "+1d", "1.5h", "7 d", "7dd", "d7", "７d", "7ð",
        ] {
            assert_eq!(
                parse_duration(text),
                Err(UnitError::Duration(text.to_owned())),
                "{text}"
            );
        }
        for text in ["3651d", "99999999999999999999999s", "9223372036854775807d"] {
            assert_eq!(
                parse_duration(text),
                Err(UnitError::TooLong(text.to_owned())),
                "{text}"
            );
        }
    }

    #[test]
    fn a_date_ends_with_its_day() {
        assert_eq!(
            parse_until("2026-12-31"),
            parse_until("2027-01-01T00:00:00Z")
        );
        assert_eq!(parse_until("1970-01-01"), Ok(86_400_000));
        assert_eq!(parse_until("1970-01-01T01:00:00+01:00"), Ok(0));
        assert_eq!(
            parse_until("2028-02-29"),
            parse_until("2028-03-01T00:00:00Z")
        );
    }

    #[test]
    fn what_is_not_an_end() {
        for text in [
            "",
            "soon",
            "2026-13-01",
            "2026-02-30",
            "31.12.2026",
            "2026-12-31T12:00:00",
            "9999-12-31",
        ] {
            assert_eq!(
                parse_until(text),
                Err(UnitError::Until(text.to_owned())),
                "{text}"
            );
        }
    }
}
