//! The `receipts` of a policy file: whether the answers of its gates are signed, and how long they are worth something without the
//! server. A revocation reaches whoever decides by receipts when they end, and not before: that is why there is no default.

use super::node::{Node, Value};
use super::reader::Reader;
use super::units;
use crate::lint::LintCode;

const KEYS: &[&str] = &["valid-for"];
const WHAT: &str = "`receipts`";
const MINUTE_MILLISECONDS: i64 = 60 * 1_000;
const DAY_MILLISECONDS: i64 = 24 * 60 * MINUTE_MILLISECONDS;
/// Shorter ones would be signed again all the time.
const VALID_MILLISECONDS_MIN: i64 = 5 * MINUTE_MILLISECONDS;
/// Longer ones would be a revocation that nobody notices.
const VALID_MILLISECONDS_MAX: i64 = 90 * DAY_MILLISECONDS;

/// Reads how long receipts are valid, in milliseconds.
pub(super) fn read(reader: &mut Reader, value: &Value) -> Option<i64> {
    let fields = reader.fields(value, KEYS, WHAT)?;
    let Some(value) = fields.find("valid-for") else {
        reader.missing(value.at, "valid-for", WHAT, "24h");
        return None;
    };
    let Node::Text(text) = &value.node else {
        reader.wrong_type(value, "`valid-for` must be a duration such as `24h`");
        return None;
    };
    let message = match units::parse_duration(text) {
        Ok(milliseconds) if milliseconds < VALID_MILLISECONDS_MIN => {
            format!(
                "`valid-for: {text}` is too short to be signed again in time; use `5m` at least"
            )
        }
        Ok(milliseconds) if milliseconds > VALID_MILLISECONDS_MAX => format!(
            "`valid-for: {text}` is how long a revocation would go unnoticed; use `90d` at most"
        ),
        Ok(milliseconds) => return Some(milliseconds),
        Err(error) => error.to_string(),
    };
    reader.lint(LintCode::BadValue, value.at, message);
    None
}
