//! The answer of a gate, with every rule, what was seen, why it does not count, and what to do next.
//!
//! It is made by `gate::evaluate` and only carried and shown elsewhere; it is never a `bool`. DESIGN §2, §4, §7.

mod line;
mod node;
mod sentence;
mod tree;

use oci::{Digest, RepositoryName};
use serde::{Deserialize, Serialize};

pub use self::node::{Candidate, Mark, Node, NodeKind, TreeLine};
pub(crate) use self::sentence::of_index;
pub use self::sentence::{SENTENCE_BYTES_MAX, message, within};
use crate::file::Mode;
use crate::principal::{Kind, PrincipalId};
use crate::reason::{Class, Code};

/// What a gate answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It may pass.
    Allow,
    /// It may pass, though the policy is not met.
    Warn,
    /// It may not pass.
    Deny,
    /// It may not pass yet: something is missing that will come.
    NotReady,
}

impl Outcome {
    /// `allow`, `warn`, `deny` or `not-ready`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Outcome::Allow => "allow",
            Outcome::Warn => "warn",
            Outcome::Deny => "deny",
            Outcome::NotReady => "not-ready",
        }
    }

    /// Whether the image may pass now.
    #[must_use]
    pub fn passes(self) -> bool {
        matches!(self, Outcome::Allow | Outcome::Warn)
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// The answer of one gate about one digest. As JSON its keys are in camel case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Decision {
    /// The answer.
    pub outcome: Outcome,
    /// What the answer would have been in mode `enforce` and without break-glass, where that differs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub would_be: Option<Outcome>,
    /// The gate; empty where no gate holds the caller.
    pub gate: String,
    /// The policy that the gate belongs to; empty where there is none.
    pub policy: String,
    /// The SHA-256 of the policy file in hexadecimal; empty where there is none.
    pub policy_digest: String,
    /// The repository that was asked about.
    pub repository: RepositoryName,
    /// The digest that was asked about.
    pub digest: Digest,
    /// The mode of the gate.
    pub mode: Mode,
    /// Every rule, met or not, in the order of the stages.
    pub rules: Vec<RuleResult>,
    /// What does not refuse, but should be known.
    pub warnings: Vec<String>,
    /// Exceptions that were applied.
    pub exceptions_used: Vec<ExceptionUsed>,
    /// The break-glass that lets the image pass whatever the rules say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub break_glass: Option<BreakGlassUsed>,
    /// The first instant at which time alone may change the answer, in milliseconds since the epoch.
    pub holds_until: Option<i64>,
    /// The instant of the decision, in milliseconds since the epoch.
    pub decided_at: i64,
}

/// A rule of the decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind", content = "name")]
pub enum Rule {
    /// A stage, with signers or automatic.
    Stage(String),
    /// What kind of thing is pulled.
    Target,
    /// That a policy and its gate apply at all.
    Policy,
}

impl std::fmt::Display for Rule {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Rule::Stage(name) => write!(formatter, "stage {name}"),
            Rule::Target => formatter.write_str("target"),
            Rule::Policy => formatter.write_str("policy"),
        }
    }
}

/// One rule and what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RuleResult {
    /// The rule.
    pub rule: Rule,
    /// Whether it is met.
    pub satisfied: bool,
    /// True for a stage that counts while its limits hold, and is not signed by principals.
    #[serde(default)]
    pub automatic: bool,
    /// The result in a few words.
    pub summary: String,
    /// Why it is not met, then why candidates do not count (they may be there for a rule that is met).
    pub reasons: Vec<Reason>,
    /// The signatures that count.
    #[serde(default)]
    pub counted: Vec<Counted>,
    /// The limits of an automatic stage, each with its result.
    #[serde(default)]
    pub limits: Vec<LimitResult>,
}

/// The limits that an automatic stage can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Limit {
    /// What is inside must be known, and known completely.
    Inventory,
    /// The severity of vulnerabilities.
    Vulnerabilities,
    /// Vulnerabilities that are known to be exploited.
    KnownExploited,
    /// Licences that are denied.
    Licences,
}

impl Limit {
    /// The name in kebab case, as in the policy file.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Limit::Inventory => "inventory",
            Limit::Vulnerabilities => "vulnerabilities",
            Limit::KnownExploited => "known-exploited",
            Limit::Licences => "licences",
        }
    }
}

impl std::fmt::Display for Limit {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// One limit of an automatic stage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LimitResult {
    /// The limit.
    pub limit: Limit,
    /// Whether it holds now.
    pub satisfied: bool,
    /// The result in a few words.
    pub summary: String,
}

/// Why something is refused or does not count.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reason {
    /// The stable code.
    pub code: Code,
    /// What was found, in a sentence without a full stop.
    pub message: String,
    /// The evidence it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub candidate: Option<CandidateRef>,
    /// The limit it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<Limit>,
    /// What to do next: a command where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// A piece of evidence that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CandidateRef {
    /// Its row number.
    pub evidence: i64,
    /// The manifest that carries it.
    pub manifest: Digest,
    /// Its format.
    pub format: String,
    /// The registered signer in words, or the key that it names, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signer: Option<String>,
    /// When its bytes were first stored, in milliseconds since the epoch.
    pub stored_at: i64,
}

/// A signature that counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Counted {
    /// The signer.
    pub principal: PrincipalId,
    /// Person or robot.
    pub kind: Kind,
    /// The signer's name.
    pub name: String,
    /// The key, in hexadecimal.
    pub key: String,
    /// The row number of the evidence.
    pub evidence: i64,
    /// The manifest that carries it.
    pub manifest: Digest,
    /// Its format.
    pub format: String,
    /// When its bytes were first stored, in milliseconds since the epoch.
    pub stored_at: i64,
    /// The first instant at which it no longer counts, where there is one, in milliseconds since the epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counts_until: Option<i64>,
}

/// An exception that was applied.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExceptionUsed {
    /// The id of the finding, or the rule, that is waived.
    pub waives: String,
    /// What it was used for: a finding in a package, a licence, a problem.
    pub applied_to: String,
    /// Who answers for it.
    pub owner: String,
    /// The reason given.
    pub reason: String,
    /// When it ends, in milliseconds since the epoch.
    pub until_at: i64,
    /// Whether the finding it waives is known to be exploited.
    pub known_exploited: bool,
}

/// A break-glass in force: two people opened the gate for one image, for a while.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BreakGlassUsed {
    /// Its number.
    pub id: i64,
    /// The index that it is for, where that is not what is judged but lists it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<Digest>,
    /// The reason given.
    pub reason: String,
    /// Who asked for it, in words.
    pub asked_by: String,
    /// Who confirmed it, in words.
    pub confirmed_by: String,
    /// When it ends, in milliseconds since the epoch.
    pub until_at: i64,
}

impl Decision {
    /// The reasons of rules that are not met, without those that only explain a candidate.
    pub fn blocking(&self) -> impl Iterator<Item = &Reason> {
        self.rules
            .iter()
            .filter(|rule| !rule.satisfied)
            .flat_map(|rule| &rule.reasons)
            .filter(|reason| reason.code.class() != Class::Candidate)
    }

    /// All reasons, also why candidates do not count.
    pub fn reasons(&self) -> impl Iterator<Item = &Reason> {
        self.rules.iter().flat_map(|rule| &rule.reasons)
    }

    /// The result of a stage, if the gate looks at it.
    #[must_use]
    pub fn stage(&self, name: &str) -> Option<&RuleResult> {
        self.rules
            .iter()
            .find(|result| matches!(&result.rule, Rule::Stage(stage) if stage == name))
    }

    /// What time and mode do not touch: two decisions with the same answer differ in nothing else that matters.
    #[must_use]
    pub fn same_answer(&self, other: &Decision) -> bool {
        self.outcome == other.outcome
            && self.would_be == other.would_be
            && self.rules == other.rules
            && self.exceptions_used == other.exceptions_used
            && self.break_glass == other.break_glass
            && self.policy_digest == other.policy_digest
    }
}

#[cfg(test)]
mod tests;
