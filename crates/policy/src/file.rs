//! The policy file: YAML in, a [`Policy`] that the evaluator accepts out, or lints with line and column.
//!
//! It reads no files (text comes in) and looks no names up: [`lint_all`](crate::lint_all) does, with a directory.
//! DESIGN §6.

mod attested;
mod content_trust;
mod exceptions;
mod gates;
mod node;
mod order;
mod reader;
mod receipts;
mod stages;
mod units;
mod validate;
mod warnings;

use std::collections::BTreeMap;
use std::fmt;

use advisories::Severity;
use oci::RepositoryName;
use serde::{Deserialize, Serialize};

use crate::lint::{Lint, Position};
use crate::pattern::Pattern;
use crate::principal::{Directory, Kind, Principal, PrincipalId};

pub use self::attested::Attested;
pub(crate) use self::order::{AUTHOR_STAGE, closure, required};
pub use self::units::{UnitError, parse_duration, parse_until};
pub use self::validate::{Unvalidated, parse, validate};

/// The largest policy file that is read, in bytes.
pub const POLICY_BYTES_MAX: usize = 256 * 1024;

/// A policy that has been checked. Only [`validate`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Policy {
    /// Its name on the server.
    pub name: String,
    /// The SHA-256 of the file in hexadecimal.
    pub digest: String,
    /// The repositories it covers.
    pub repositories: Vec<Pattern>,
    /// Repositories in which nobody is held for want of a policy.
    pub ungated: Vec<Pattern>,
    /// The stages by name.
    pub stages: BTreeMap<String, Stage>,
    /// The gates by name.
    pub gates: BTreeMap<String, Gate>,
    /// The gates that release tags to clients with content trust; without it, those that enforce.
    pub content_trust: Option<Vec<String>>,
    /// How long a receipt of its gates is valid at most, in milliseconds; none where it asks for no receipts.
    pub receipt_valid_milliseconds: Option<i64>,
    /// The exceptions, in the order of the file.
    pub exceptions: Vec<Exception>,
}

/// A step of the pipeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stage {
    /// Who may sign for it; empty for an automatic stage.
    pub signers: Vec<Party>,
    /// How many distinct identities must have signed.
    pub threshold: usize,
    /// The stages that must be complete before a signature counts.
    pub after: Vec<String>,
    /// How long after it was stored a signature counts, in milliseconds; `None` for ever.
    pub fresh_milliseconds: Option<i64>,
    /// Whether the author of the image may not sign: who first pushed it, and the signers of `ci`.
    pub except_author: bool,
    /// What its signers attest, where attestations count for it and signatures do not.
    pub attestation: Option<Attested>,
    /// The limits of an automatic stage.
    pub limits: Option<Limits>,
    /// Where it is in the file.
    pub at: Position,
}

impl Stage {
    /// Whether it counts while its limits hold, rather than by signatures.
    #[must_use]
    pub fn is_automatic(&self) -> bool {
        self.limits.is_some()
    }
}

/// What an automatic stage accepts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// The limit on vulnerabilities.
    pub vulnerabilities: Option<VulnerabilityLimit>,
    /// Whether findings that are known to be exploited are denied, at once and whatever their severity.
    pub deny_known_exploited: bool,
    /// Licences that are denied.
    pub denied_licences: Vec<String>,
    /// Whether artifacts that cannot be scanned pass.
    pub allow_unscannable: bool,
}

impl Limits {
    /// Whether a limit needs advisories.
    #[must_use]
    pub fn need_advisories(&self) -> bool {
        self.vulnerabilities.is_some() || self.deny_known_exploited
    }
}

/// The limit on vulnerabilities.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VulnerabilityLimit {
    /// The lowest severity that is not accepted.
    pub severity: Severity,
    /// Whether only findings with a fixed version violate.
    pub fixable_only: bool,
    /// How long a finding is accepted after this server first held it, in milliseconds.
    pub grace_milliseconds: i64,
}

/// A door to an environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gate {
    /// Whom it holds.
    pub holds_for: HoldsFor,
    /// Whom it does not hold all the same.
    pub except: Vec<Party>,
    /// The stages it requires.
    pub require: Vec<String>,
    /// What it does when they are not met.
    pub mode: Mode,
    /// Where it is in the file.
    pub at: Position,
}

/// Whom a gate holds. Anonymous callers are always held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HoldsFor {
    /// Every principal.
    Everyone,
    /// Those named.
    Listed(Vec<Party>),
}

/// What a gate does when its stages are not met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// It refuses.
    Enforce,
    /// It lets pass, and says so.
    Warn,
    /// It lets pass, and only records what it would have done.
    DryRun,
}

impl Mode {
    /// The name in kebab case, as in the policy file.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Mode::Enforce => "enforce",
            Mode::Warn => "warn",
            Mode::DryRun => "dry-run",
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// A person, robot or team that a policy names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Party {
    /// What it names.
    pub kind: PartyKind,
    /// The name.
    pub name: String,
    /// Where it is in the file.
    pub at: Position,
}

/// What a policy can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PartyKind {
    /// One person.
    Person,
    /// One robot.
    Robot,
    /// The members of a team.
    Team,
}

impl PartyKind {
    /// `person`, `robot` or `team`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            PartyKind::Person => "person",
            PartyKind::Robot => "robot",
            PartyKind::Team => "team",
        }
    }
}

impl Party {
    /// Whether the principal is the one named, or a member of the team, robots too.
    #[must_use]
    pub fn includes(&self, directory: &Directory, id: PrincipalId) -> bool {
        let is_named = |kind: Kind| {
            let named =
                |principal: &Principal| principal.kind == kind && principal.name == self.name;
            directory.principal(id).is_some_and(named)
        };
        match self.kind {
            PartyKind::Person => is_named(Kind::Person),
            PartyKind::Robot => is_named(Kind::Robot),
            PartyKind::Team => directory.is_member(&self.name, id),
        }
    }

    /// Whether the principal may sign as this party: a team means its people, so a robot among them may not.
    #[must_use]
    pub fn signs_as(&self, directory: &Directory, id: PrincipalId) -> bool {
        let is_person = directory
            .principal(id)
            .is_some_and(|principal| principal.kind == Kind::Person);
        self.includes(directory, id) && (self.kind != PartyKind::Team || is_person)
    }
}

impl fmt::Display for Party {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.kind.as_str(), self.name)
    }
}

/// A waiver that ends by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exception {
    /// What it waives.
    pub waives: Waives,
    /// The repositories in which it applies.
    pub repositories: Vec<Pattern>,
    /// The person who answers for it.
    pub owner: String,
    /// Why.
    pub reason: String,
    /// The first instant at which it no longer applies, in milliseconds since the epoch.
    pub until_at: i64,
    /// Where it is in the file.
    pub at: Position,
}

/// What an exception waives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Waives {
    /// Findings of the alias group that this id belongs to.
    Finding(String),
    /// A whole limit, or the refusal of what cannot be scanned.
    Rule(WaivableRule),
}

/// The rules that an exception can waive. Signatures cannot be waived.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WaivableRule {
    /// Inventories that are incomplete.
    Inventory,
    /// The limit on vulnerabilities.
    Vulnerabilities,
    /// The limit on findings that are known to be exploited.
    KnownExploited,
    /// The limit on licences.
    Licences,
    /// Artifacts that cannot be scanned.
    Unscannable,
}

impl WaivableRule {
    /// All of them.
    pub const ALL: &'static [WaivableRule] = &[
        WaivableRule::Inventory,
        WaivableRule::Vulnerabilities,
        WaivableRule::KnownExploited,
        WaivableRule::Licences,
        WaivableRule::Unscannable,
    ];

    /// The name in kebab case, as in the policy file.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            WaivableRule::Inventory => "inventory",
            WaivableRule::Vulnerabilities => "vulnerabilities",
            WaivableRule::KnownExploited => "known-exploited",
            WaivableRule::Licences => "licences",
            WaivableRule::Unscannable => "unscannable",
        }
    }
}

impl Exception {
    /// Whether it applies in this repository at `now` (milliseconds since the epoch).
    #[must_use]
    pub fn applies(&self, repository: &RepositoryName, now: i64) -> bool {
        now < self.until_at
            && self
                .repositories
                .iter()
                .any(|pattern| pattern.matches(repository))
    }

    /// The id or rule that it waives, as written.
    #[must_use]
    pub fn waives_name(&self) -> &str {
        match &self.waives {
            Waives::Finding(id) => id,
            Waives::Rule(rule) => rule.as_str(),
        }
    }
}

impl Policy {
    /// One that asks for nothing and covers nothing, for what is judged without a policy.
    pub(crate) fn empty() -> Self {
        Policy {
            name: String::new(),
            digest: String::new(),
            repositories: Vec::new(),
            ungated: Vec::new(),
            stages: BTreeMap::new(),
            gates: BTreeMap::new(),
            content_trust: None,
            receipt_valid_milliseconds: None,
            exceptions: Vec::new(),
        }
    }

    /// One with a stage that wants these attestations, of nobody in particular, for what is judged without a policy.
    pub(crate) fn wanting(stage: &str, attested: Attested) -> Self {
        let stage = (
            stage.to_owned(),
            Stage {
                signers: Vec::new(),
                threshold: 1,
                after: Vec::new(),
                fresh_milliseconds: None,
                except_author: false,
                attestation: Some(attested),
                limits: None,
                at: Position::default(),
            },
        );
        Policy {
            stages: BTreeMap::from([stage]),
            ..Policy::empty()
        }
    }

    /// Whether it covers this repository.
    #[must_use]
    pub fn covers(&self, repository: &RepositoryName) -> bool {
        self.repositories
            .iter()
            .any(|pattern| pattern.matches(repository))
    }

    /// Whether it lists this repository as ungated.
    #[must_use]
    pub fn lists_as_ungated(&self, repository: &RepositoryName) -> bool {
        self.ungated
            .iter()
            .any(|pattern| pattern.matches(repository))
    }

    /// The gates that must all let an image pass before docker pulls it with content trust: those that `content-trust` names, else
    /// all that enforce.
    pub fn content_trust_gates(&self) -> impl Iterator<Item = &str> {
        let named = self.content_trust.as_deref();
        let gates = self.gates.iter().filter(move |(name, gate)| match named {
            Some(named) => named.contains(name),
            None => gate.mode == Mode::Enforce,
        });
        gates.map(|(name, _)| name.as_str())
    }

    /// What works, but probably not as meant, at `now` (milliseconds since the epoch).
    #[must_use]
    pub fn warnings(&self, now: i64) -> Vec<Lint> {
        warnings::of(self, now)
    }
}

/// Reads and checks the text of a policy file in one go.
///
/// # Errors
/// All lints that are errors, in the order of the file.
pub fn load(text: &str, name: &str) -> Result<Policy, Vec<Lint>> {
    let unvalidated = parse(text).map_err(|lint| vec![lint.in_policy(name)])?;
    validate(&unvalidated, name)
}

#[cfg(test)]
mod tests;
