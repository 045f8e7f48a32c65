//! The change feed, as notary-server writes it: what changed after a number, or before it, always the oldest first.

use super::json_response;
use crate::error::TrustError;
use crate::query;
use axum::response::Response;
use jiff::Timestamp;
use registry::{Change, ChangeKind, Start};
use serde_json::{Value, json};

/// Records when the client leaves it to the server.
const RECORDS_DEFAULT: u32 = 100;

/// Which records are asked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Page {
    pub(super) from: Start,
    pub(super) limit: u32,
}

/// Reads `change_id` and `records`. A negative number of records, or a negative number to begin with, goes back in time.
pub(super) fn page(query: Option<&str>) -> Result<Page, TrustError> {
    let parameters = query::map(query);
    let number = |name: &str, text: &str| {
        text.parse::<i32>()
            .map_err(|_| TrustError::parameters(&format!("`{name}` must be a whole number")))
    };
    let records = parameters.get("records").map_or("", String::as_str);
    let records = number("records", records)?;
    let id = match parameters.get("change_id").map_or("", String::as_str) {
        "" => 0,
        text => i64::from(number("change_id", text)?),
    };
    let from = match (id, records) {
        (..0, _) | (0, ..0) => Start::Newest,
        (id, ..0) => Start::Before(id),
        (id, _) => Start::After(id),
    };
    let limit = match records {
        0 => RECORDS_DEFAULT,
        records => records.unsigned_abs(),
    };
    Ok(Page { from, limit })
}

/// The answer.
pub(super) fn body(changes: &[Change]) -> Response {
    let records: Vec<Value> = changes.iter().map(record).collect();
    json_response(json!({"count": records.len(), "records": records}).to_string())
}

fn record(change: &Change) -> Value {
    let (version, sha256) = match &change.kind {
        ChangeKind::Update { version, sha256 } => (*version, sha256.as_str()),
        ChangeKind::Deletion => (0, ""),
    };
    let created = Timestamp::from_millisecond(change.changed_at)
        .map(|instant| instant.to_string())
        .unwrap_or_default();
    json!({
        "ID": change.id.to_string(), "CreatedAt": created, "GUN": change.gun, "Version": version, "SHA256": sha256,
        "Category": change.kind.as_str(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_go_forth_and_back() {
        for (query, from, limit) in [
            ("records=0", Start::After(0), 100),
            ("change_id=&records=3", Start::After(0), 3),
            ("change_id=0&records=3", Start::After(0), 3),
            ("change_id=7&records=3", Start::After(7), 3),
            ("change_id=7&records=-3", Start::Before(7), 3),
            ("change_id=-1&records=3", Start::Newest, 3),
            ("change_id=-1&records=-3", Start::Newest, 3),
            ("records=-3", Start::Newest, 3),
        ] {
            assert_eq!(
                page(Some(query)).ok(),
                Some(Page { from, limit }),
                "{query}"
            );
        }
        for query in [
            "",
            "change_id=1",
            "records=x",
            "records=1.5",
            "records=99999999999",
            "records=1&change_id=x",
        ] {
            assert!(page(Some(query)).is_err(), "{query}");
        }
    }
}
