//! Policies: `/api/v1/policies`. A document is YAML text and travels unchanged, so that its digest stays what it is.

use oci::Digest;
use serde::{Deserialize, Serialize};

/// An applied policy without its text. `GET /policies`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicySummary {
    /// Its name.
    pub name: String,
    /// How many times it was applied before, plus one.
    pub revision: i64,
    /// Names exactly this text.
    pub digest: String,
    /// The repositories it covers.
    pub repositories: Vec<String>,
    /// Its stages.
    pub stages: Vec<String>,
    /// Its gates.
    pub gates: Vec<String>,
    /// When it was applied.
    pub applied_at: i64,
    /// Who applied it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub applied_by: Option<String>,
}

/// `GET /policies/{name}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Policy {
    /// What is known about it.
    #[serde(flatten)]
    pub summary: PolicySummary,
    /// Its text.
    pub document: String,
}

/// `PUT /policies/{name}`; with `?dryRun=true` nothing is applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PutPolicy {
    /// The policy as YAML.
    pub document: String,
}

/// `POST /lint`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LintRequest {
    /// The name it would have.
    pub name: String,
    /// The policy as YAML.
    pub document: String,
}

/// The answer to `POST /lint`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LintReport {
    /// Whether it could be applied.
    pub valid: bool,
    /// What was noticed.
    pub lints: Vec<Lint>,
}

/// The answer to `PUT /policies/{name}`, tried or applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicyReport {
    /// Whether it is in force now.
    pub applied: bool,
    /// Its revision, when it was applied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<i64>,
    /// Names exactly this text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// What changes for the images in stock; filled in when it was tried.
    #[serde(default)]
    pub changes: Vec<PolicyChange>,
    /// How many images were judged for `changes`.
    #[serde(default)]
    pub images: u64,
    /// What was noticed.
    #[serde(default)]
    pub lints: Vec<Lint>,
}

/// One image for which a gate would answer differently.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicyChange {
    /// Where the image is.
    pub repository: String,
    /// Which image.
    pub digest: Digest,
    /// Its tags.
    pub tags: Vec<String>,
    /// The gate.
    pub gate: String,
    /// The outcome today; absent when no such gate holds today.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// The outcome under the new text; absent when the gate goes away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// Why, in one sentence.
    pub sentence: String,
}

/// Something noticed in a policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Lint {
    /// Whether it stops the policy from being applied.
    pub severity: LintSeverity,
    /// A stable code in kebab case.
    pub code: String,
    /// One sentence.
    pub message: String,
    /// Line in the document, from 1; absent when it is about the whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// Column in the line, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<u64>,
}

/// How much a lint matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LintSeverity {
    /// The policy cannot be applied.
    Error,
    /// The policy can be applied; someone should look.
    Warning,
}
