//! Whose signatures stand behind an image, whatever a gate asks: every signed stage of a policy, and where no policy has
//! one, every signature by itself; and of attestations every one of a type.
//!
//! Limits are no part of it: of an automatic stage it says since when it is recorded, because later stages come after
//! that. DESIGN §3 "What counts", §7 `verify`.

use std::collections::{BTreeMap, BTreeSet};

use oci::{Digest, RepositoryName};
use serde::{Deserialize, Serialize};

use super::candidates::{self, Alone};
use super::exhibits;
use super::turn::{Completed, in_order};
use super::{Court, REASONS_MAX, plain_rule, refusals, signed, words};
use crate::decision::{Reason, Rule, RuleResult};
use crate::facts::Facts;
use crate::file::{self, Attested, Policy};
use crate::principal::Directory;
use crate::reason::Code;

/// What the signatures on one digest in one repository come to, by one policy or by none. As JSON its keys are in camel
/// case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Verification {
    /// Whether every signed stage that was asked about is complete; without a policy, whether anybody has signed, or attested.
    pub verified: bool,
    /// The predicate type, where attestations were asked about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attested: Option<String>,
    /// The policy; empty where there is none.
    pub policy: String,
    /// The SHA-256 of the policy file in hexadecimal; empty where there is none.
    pub policy_digest: String,
    /// The repository that was asked about.
    pub repository: RepositoryName,
    /// The digest that was asked about.
    pub digest: Digest,
    /// Every stage, complete or not, in its order; without a policy, one rule for all signatures.
    pub rules: Vec<RuleResult>,
    /// Why evidence is of no use for any of these stages.
    pub others: Vec<Reason>,
    /// What else should be known.
    pub warnings: Vec<String>,
    /// The first instant at which time alone may change the answer, in milliseconds since the epoch.
    pub holds_until: Option<i64>,
    /// The instant of the answer, in milliseconds since the epoch.
    pub decided_at: i64,
}

/// Whether a policy has signed stages in this repository, of those named or, where none is, any.
#[must_use]
pub fn asks_for_signatures(
    policy: &Policy,
    repository: &RepositoryName,
    stages: &[String],
) -> bool {
    let is_asked = |name: &String| stages.is_empty() || stages.contains(name);
    policy.covers(repository)
        && policy
            .stages
            .iter()
            .any(|(name, stage)| !stage.is_automatic() && is_asked(name))
}

/// Judges the signatures on one digest by the stages of a policy at `now` (milliseconds since the epoch): by all, or by
/// those named. It should be one that [asks for signatures](asks_for_signatures); otherwise nothing is verified.
#[must_use]
pub fn verify(
    facts: &Facts,
    policy: &Policy,
    stages: &[String],
    directory: &Directory,
    now: i64,
) -> Verification {
    let mut court = Court::new(facts, policy, "", directory, now);
    if !policy.covers(&facts.repository) {
        let rules = vec![refusals::not_covering(facts, policy)];
        return into_verification(court, false, rules, Vec::new());
    }
    let mut completed: BTreeMap<&str, Completed> = BTreeMap::new();
    let mut rules = Vec::new();
    for name in file::closure(&policy.stages, policy.stages.keys().map(String::as_str)) {
        let Some(stage) = policy.stages.get(name) else {
            continue;
        };
        let (result, complete) = if stage.is_automatic() {
            automatic(facts, name)
        } else {
            signed::judge(&mut court, name, stage, &completed)
        };
        completed.insert(name, complete);
        if stages.is_empty() || stages.iter().any(|asked| asked == name) {
            rules.push(result);
        }
    }
    let mut signed = rules.iter().filter(|rule| !rule.automatic).peekable();
    let verified = signed.peek().is_some() && signed.all(|rule| rule.satisfied);
    let others = if stages.is_empty() {
        others(&mut court, &rules)
    } else {
        Vec::new()
    };
    into_verification(court, verified, rules, others)
}

/// Judges each signature on one digest by itself, where no policy says who has to sign.
#[must_use]
pub fn verify_alone(facts: &Facts, directory: &Directory, now: i64) -> Verification {
    alone(facts, &Policy::empty(), directory, None, now)
}

/// Judges each attestation of one predicate type by itself, whatever the policies want: it is verified if anybody whose key is
/// registered has made one.
#[must_use]
pub fn verify_attested(
    facts: &Facts,
    directory: &Directory,
    predicate_type: &str,
    now: i64,
) -> Verification {
    let wanted = Attested::Type(predicate_type.to_owned());
    let policy = Policy::wanting(NO_STAGE, wanted);
    alone(facts, &policy, directory, Some(predicate_type), now)
}

fn alone(
    facts: &Facts,
    policy: &Policy,
    directory: &Directory,
    attested: Option<&str>,
    now: i64,
) -> Verification {
    let mut court = Court::new(facts, policy, "", directory, now);
    signed::watch_revocations(&mut court);
    let mut rule = plain_rule(Rule::Policy, String::new(), Vec::new());
    let mut rejected = Vec::new();
    for evidence in in_order(&facts.evidence) {
        if evidence.predicate_type.as_deref() != attested {
            continue;
        }
        let end = evidence.expires_at;
        match candidates::alone(&court, evidence) {
            Alone::Signs(key) => {
                let counted = exhibits::counted(&court, evidence, key, end);
                rule.counted.push(counted);
                if let Some(end) = end {
                    court.horizon.may_change_at(end);
                }
            }
            Alone::Rejected { code, message } => {
                rejected.push(exhibits::rejection(
                    &court, evidence, NO_STAGE, code, message,
                ));
            }
        }
    }
    let mut names: Vec<String> = Vec::new();
    for counted in &rule.counted {
        let name = format!("{} {}", counted.kind, counted.name);
        if !names.contains(&name) {
            names.push(name);
        }
    }
    rule.satisfied = !names.is_empty();
    rule.summary = if names.is_empty() {
        let (code, message) = match attested {
            None => (
                Code::NotSigned,
                "nobody whose key is registered has signed it".to_owned(),
            ),
            Some(kind) => {
                let kind = words::quoted(kind);
                let message = format!("nobody whose key is registered attests {kind}");
                (Code::AttestationMissing, message)
            }
        };
        rule.reasons.push(Reason {
            code,
            message: message.clone(),
            candidate: None,
            limit: None,
            next: court.next(code, NO_STAGE),
        });
        message
    } else {
        let word = attested.map_or("signed", |_| "attested");
        format!("{word} by {}", words::listed(names))
    };
    let rejected = bounded(&mut court, rejected);
    rule.reasons.extend(rejected);
    let verified = rule.satisfied;
    Verification {
        attested: attested.map(str::to_owned),
        ..into_verification(court, verified, vec![rule], Vec::new())
    }
}

/// What stands for a stage in the next step, where none is named.
const NO_STAGE: &str = "STAGE";

/// An automatic stage, as far as signatures go.
fn automatic(facts: &Facts, name: &str) -> (RuleResult, Completed) {
    let recorded_at = facts.stage_records.get(name).copied();
    let summary = match recorded_at {
        Some(at) => format!("recorded at {}, when its limits held", words::instant(at)),
        None => "not recorded: its limits have not held yet".to_owned(),
    };
    let rule = RuleResult {
        satisfied: recorded_at.is_some(),
        automatic: true,
        ..plain_rule(Rule::Stage(name.to_owned()), summary, Vec::new())
    };
    (rule, Completed::automatic(recorded_at))
}

/// Evidence that no stage has counted or refused.
fn others(court: &mut Court<'_>, rules: &[RuleResult]) -> Vec<Reason> {
    let refused = rules.iter().flat_map(|rule| &rule.reasons);
    let refused = refused.filter_map(|reason| Some(reason.candidate.as_ref()?.evidence));
    let counted = rules.iter().flat_map(|rule| &rule.counted);
    let spoken_of: BTreeSet<i64> = counted.map(|it| it.evidence).chain(refused).collect();
    let mut reasons = Vec::new();
    for evidence in in_order(&court.facts.evidence) {
        // An attestation that no stage wants is no signature that does not count.
        if spoken_of.contains(&evidence.id) || evidence.predicate_type.is_some() {
            continue;
        }
        let (code, message) = match candidates::alone(court, evidence) {
            Alone::Rejected { code, message } => (code, message),
            Alone::Signs(key) => candidates::for_no_stage(court, evidence, key),
        };
        let reason = exhibits::rejection(court, evidence, "STAGE", code, message);
        reasons.push(reason);
        if let Some(end) = evidence.expires_at {
            court.horizon.may_change_at(end);
        }
    }
    bounded(court, reasons)
}

/// The first of many reasons; how many more there are is said as a warning.
fn bounded(court: &mut Court<'_>, mut reasons: Vec<Reason>) -> Vec<Reason> {
    let left_out = reasons.len().saturating_sub(REASONS_MAX);
    if left_out > 0 {
        court
            .warnings
            .push(format!("{left_out} more pieces of evidence do not count"));
    }
    reasons.truncate(REASONS_MAX);
    reasons
}

fn into_verification(
    court: Court<'_>,
    verified: bool,
    rules: Vec<RuleResult>,
    others: Vec<Reason>,
) -> Verification {
    let (policy, facts) = (court.policy, court.facts);
    Verification {
        verified,
        attested: None,
        policy: policy.name.clone(),
        policy_digest: policy.digest.clone(),
        repository: facts.repository.clone(),
        digest: facts.digest.clone(),
        rules,
        others,
        warnings: court.warnings,
        holds_until: court.horizon.first(),
        decided_at: court.now,
    }
}
