//! The gate's answer: `GET /api/v1/gate?ref=&gate=[&principal=]`.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What the gate answers for one image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GateAnswer {
    /// The worst of all decisions.
    pub outcome: Outcome,
    /// It in one sentence, with the next command.
    pub sentence: String,
    /// All rules as a drawn tree.
    pub tree: String,
    /// The decisions in full, one a policy.
    pub decisions: Vec<Value>,
}

/// The outcome of a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It may pass.
    Allow,
    /// It may pass, and should not.
    Warn,
    /// It may not pass.
    Deny,
    /// It cannot be said yet; it may not pass until then.
    NotReady,
}
