//! The audit trail: `GET /api/v1/audit?after&limit&repository`. Reading it here is for looking; `countersign audit verify` proves.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One row of the trail.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditRow {
    /// Its number, to give as `after`.
    pub id: i64,
    /// When it happened.
    pub happened_at: i64,
    /// Who did it.
    pub actor: String,
    /// What was done, such as `manifest.push`.
    pub act: String,
    /// To what.
    pub object: String,
    /// The particulars.
    pub detail: Value,
    /// Its place in the sealed log; absent in the first second or so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leaf_index: Option<i64>,
}
