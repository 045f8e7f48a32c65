//! Decisions that are clear before any stage is looked at.

use oci::{Digest, RepositoryName};

use super::{plain_rule, words};
use crate::decision::{Decision, Outcome, Reason, Rule, RuleResult};
use crate::facts::Facts;
use crate::file::{Mode, Policy};
use crate::reason::Code;

/// The refusal for a caller who is held by a gate elsewhere, in a repository where none holds them
/// ([`Hold::NoPolicy`](super::Hold::NoPolicy)). `now` is in milliseconds since the epoch.
#[must_use]
pub fn no_policy(repository: &RepositoryName, digest: &Digest, now: i64) -> Decision {
    let message = format!("no gate holds you in {repository}, and a gate holds you elsewhere");
    refusal(repository, digest, now, Code::NoPolicy, message)
}

/// The policy has no such gate.
pub(super) fn unknown_gate(facts: &Facts, policy: &Policy, gate: &str, now: i64) -> Decision {
    let message = format!("policy {} has no gate {}", policy.name, words::quoted(gate));
    let decision = refusal(
        &facts.repository,
        &facts.digest,
        now,
        Code::UnknownGate,
        message,
    );
    of_policy(decision, policy, gate)
}

/// The policy does not cover the repository.
pub(super) fn not_covered(facts: &Facts, policy: &Policy, gate: &str, now: i64) -> Decision {
    let message = format!("policy {} does not cover {}", policy.name, facts.repository);
    let decision = refusal(
        &facts.repository,
        &facts.digest,
        now,
        Code::NoPolicy,
        message,
    );
    of_policy(decision, policy, gate)
}

/// The same, as a rule.
pub(super) fn not_covering(facts: &Facts, policy: &Policy) -> RuleResult {
    let message = format!("policy {} does not cover {}", policy.name, facts.repository);
    policy_rule(&facts.repository, Code::NoPolicy, message)
}

/// Evidence must be readable by those who are to verify it.
pub(super) fn evidence_is_readable(
    facts: &Facts,
    policy: &Policy,
    gate: &str,
    mode: Mode,
    now: i64,
) -> Decision {
    let summary = "evidence can always be read".to_owned();
    let rules = vec![plain_rule(Rule::Target, summary, Vec::new())];
    let decision = decision(&facts.repository, &facts.digest, Outcome::Allow, rules, now);
    Decision {
        mode,
        ..of_policy(decision, policy, gate)
    }
}

/// A gate requires a stage that is not there; validation lets none pass, so this only fails closed.
pub(super) fn unknown_stage(name: &str) -> RuleResult {
    let message = format!("the policy has no stage {}", words::quoted(name));
    let reason = Reason {
        code: Code::StageNotSigned,
        message: message.clone(),
        candidate: None,
        limit: None,
        next: Some("countersign policy lint".to_owned()),
    };
    plain_rule(Rule::Stage(name.to_owned()), message, vec![reason])
}

fn refusal(
    repository: &RepositoryName,
    digest: &Digest,
    now: i64,
    code: Code,
    message: String,
) -> Decision {
    let rules = vec![policy_rule(repository, code, message)];
    decision(repository, digest, Outcome::Deny, rules, now)
}

fn policy_rule(repository: &RepositoryName, code: Code, message: String) -> RuleResult {
    let next = words::fill(code.next_step(), &[("{repository}", repository.as_str())]);
    let reason = Reason {
        code,
        message: message.clone(),
        candidate: None,
        limit: None,
        next: Some(next),
    };
    plain_rule(Rule::Policy, message, vec![reason])
}

fn of_policy(decision: Decision, policy: &Policy, gate: &str) -> Decision {
    Decision {
        gate: gate.to_owned(),
        policy: policy.name.clone(),
        policy_digest: policy.digest.clone(),
        ..decision
    }
}

fn decision(
    repository: &RepositoryName,
    digest: &Digest,
    outcome: Outcome,
    rules: Vec<RuleResult>,
    now: i64,
) -> Decision {
    Decision {
        outcome,
        would_be: None,
        gate: String::new(),
        policy: String::new(),
        policy_digest: String::new(),
        repository: repository.clone(),
        digest: digest.clone(),
        mode: Mode::Enforce,
        rules,
        warnings: Vec::new(),
        exceptions_used: Vec::new(),
        break_glass: None,
        holds_until: None,
        decided_at: now,
    }
}
