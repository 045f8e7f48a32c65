//! The gate's answer: `GET /api/v1/gate?ref=&gate=[&principal=]`; and what the signatures come to, whatever a gate asks:
//! `GET /api/v1/verify?ref=[&stage=]`. What is explained is a tree of nodes, each with `kind`, `mark`, `text`, `children`,
//! and where there is one `code`, `next` and `candidate`.

use oci::{Digest, RepositoryName};
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
    /// The same tree as nodes: one root for each decision.
    #[serde(default)]
    pub explanation: Vec<Value>,
    /// The decisions in full, one a policy.
    pub decisions: Vec<Value>,
}

/// What the signatures on one image come to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VerifyAnswer {
    /// Whether every signed stage that was asked about is complete; where no policy has one, whether anybody has signed. Of
    /// attestations, whether there is one.
    pub verified: bool,
    /// Where the image is.
    pub repository: RepositoryName,
    /// Which image.
    pub digest: Digest,
    /// It in one sentence, with the next command.
    pub sentence: String,
    /// All stages as a drawn tree.
    pub tree: String,
    /// The same tree as nodes: one root for each policy.
    pub explanation: Vec<Value>,
    /// The answers in full, one a policy.
    pub verifications: Vec<Value>,
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
