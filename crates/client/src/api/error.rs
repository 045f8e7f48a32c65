//! The body of every answer that is not a success. Deliberately without internal text: whoever reads it is outside.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// `{"error": {…}}`, as every refusal of `/api/v1` is written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// What went wrong.
    pub error: ErrorDetail,
}

/// What went wrong, for people and for programs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ErrorDetail {
    /// A stable code in kebab case, such as `not-found`.
    pub code: String,
    /// One sentence, lower case, without full stop.
    pub message: String,
    /// What to do about it: mostly a command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// Facts for programs, such as the lints of a policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<Value>,
    /// The name of this request in the server's log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}
