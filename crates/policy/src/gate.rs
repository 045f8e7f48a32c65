//! May this image pass? [`evaluate`] answers for one gate, [`hold`] says which gates hold a caller.
//!
//! [`verify`] says whose signatures stand behind an image, whatever a gate asks.
//!
//! Pure functions of facts, policy, directory and time: they gather nothing, check no signature and cache nothing.
//! DESIGN §3 "Who is held by a gate", "What counts", §6.

mod break_glass;
mod candidates;
mod ends;
mod exhibits;
mod hold;
mod horizon;
mod image;
mod licences;
mod limits;
mod refusals;
mod signed;
mod turn;
mod verification;
mod words;

use std::collections::BTreeMap;

use self::horizon::Horizon;
use self::turn::Completed;
use crate::decision::{Decision, ExceptionUsed, Outcome, Reason, Rule, RuleResult};
use crate::facts::{Facts, Target};
use crate::file::{self, Gate, Mode, Policy, Stage};
use crate::principal::Directory;
use crate::reason::{Class, Code};

pub use self::break_glass::tell_open;
pub use self::hold::{Hold, hold, is_held};
pub use self::refusals::no_policy;
#[cfg(test)]
pub(crate) use self::tests::world as testing;
pub use self::verification::{
    Verification, asks_for_signatures, verify, verify_alone, verify_attested,
};
pub(crate) use self::words::{instant, is_invisible};

/// How many reasons of one rule are given; the counts in the summary are of all.
pub const REASONS_MAX: usize = 100;

/// Judges one digest in one repository at a gate of a policy, at `now` (milliseconds since the epoch).
///
/// The policy should cover the repository and have the gate, as the answer of [`hold`] has; otherwise the answer is a
/// refusal that says so.
///
/// ```
/// # use policy::{Directory, Facts, Outcome, Target, facts::AdvisoryState, file, gate};
/// let policy = file::load("
/// version: 1
/// repositories: ['shop/**']
/// stages: {ci: {signers: [{robot: ci-shop}]}}
/// gates: {production: {holds-for: everyone, require: [ci]}}
/// ", "shop").unwrap();
/// let facts = Facts {
///     repository: "shop/web".parse().unwrap(),
///     digest: oci::Digest::sha256(b"the bytes of a manifest"),
///     tag: None,
///     first_pushed_by: None,
///     subject: Target::Unscannable { kind: "application/vnd.cncf.helm.config.v1+json".into() },
///     evidence: vec![],
///     listed_by: Default::default(),
///     advisories: AdvisoryState { ready: true, snapshot: String::new() },
///     stage_records: Default::default(),
///     break_glass: vec![],
/// };
/// let decision = gate::evaluate(&facts, &policy, "production", &Directory::default(), 0);
/// assert_eq!(decision.outcome, Outcome::Deny);
/// assert!(decision.sentence().contains("stage ci is not signed (needs robot ci-shop)"));
/// ```
#[must_use]
pub fn evaluate(
    facts: &Facts,
    policy: &Policy,
    gate: &str,
    directory: &Directory,
    now: i64,
) -> Decision {
    let Some(found) = policy.gates.get(gate) else {
        return refusals::unknown_gate(facts, policy, gate, now);
    };
    if !policy.covers(&facts.repository) {
        return refusals::not_covered(facts, policy, gate, now);
    }
    if facts.subject == Target::Evidence {
        return refusals::evidence_is_readable(facts, policy, gate, found.mode, now);
    }
    let mut court = Court::new(facts, policy, gate, directory, now);
    let rules = court.judge_stages(found);
    court.into_decision(found.mode, rules)
}

/// All that the judges of single stages need, and what they leave behind.
struct Court<'a> {
    facts: &'a Facts,
    policy: &'a Policy,
    gate: &'a str,
    directory: &'a Directory,
    now: i64,
    horizon: Horizon,
    exceptions: Vec<ExceptionUsed>,
    warnings: Vec<String>,
}

impl<'a> Court<'a> {
    fn new(
        facts: &'a Facts,
        policy: &'a Policy,
        gate: &'a str,
        directory: &'a Directory,
        now: i64,
    ) -> Self {
        Court {
            facts,
            policy,
            gate,
            directory,
            now,
            horizon: Horizon::after(now),
            exceptions: Vec::new(),
            warnings: Vec::new(),
        }
    }

    fn judge_stages(&mut self, gate: &'a Gate) -> Vec<RuleResult> {
        let stages = &self.policy.stages;
        let required = || gate.require.iter().map(String::as_str);
        let shown = file::required(stages, required());
        let mut completed: BTreeMap<&str, Completed> = BTreeMap::new();
        let mut rules: Vec<RuleResult> = required()
            .filter(|name| !stages.contains_key(*name))
            .map(refusals::unknown_stage)
            .collect();
        for name in file::closure(stages, required()) {
            let Some(stage) = stages.get(name) else {
                continue;
            };
            let (result, complete) = self.judge_stage(name, stage, &completed);
            completed.insert(name, complete);
            if shown.contains(name) {
                rules.push(result);
            }
        }
        rules
    }

    fn judge_stage(
        &mut self,
        name: &str,
        stage: &Stage,
        completed: &BTreeMap<&str, Completed>,
    ) -> (RuleResult, Completed) {
        match &stage.limits {
            Some(limits) => {
                let recorded_at = self.facts.stage_records.get(name).copied();
                (
                    limits::judge(self, name, limits),
                    Completed::automatic(recorded_at),
                )
            }
            None => signed::judge(self, name, stage, completed),
        }
    }

    /// The next step of a code, filled in for this image.
    fn next(&self, code: Code, stage: &str) -> Option<String> {
        let wanted = self.policy.stages.get(stage);
        let attested = wanted.and_then(|stage| stage.attestation.as_ref());
        let template = match attested {
            Some(_) => code.next_step().replace(
                Code::StageNotSigned.next_step(),
                Code::AttestationMissing.next_step(),
            ),
            None => code.next_step().to_owned(),
        };
        Some(self.filled(&template, stage))
    }

    /// A next step with its placeholders, filled in for this image.
    fn filled(&self, template: &str, stage: &str) -> String {
        let image = words::image(&self.facts.repository, &self.facts.digest);
        let wanted = self.policy.stages.get(stage);
        let attested = wanted.and_then(|stage| stage.attestation.as_ref());
        let places = [
            (
                "{type}",
                attested.map_or("TYPE", |attested| attested.predicate_type()),
            ),
            ("{image}", image.as_str()),
            ("{stage}", stage),
            ("{gate}", self.gate),
            ("{policy}", self.policy.name.as_str()),
            ("{repository}", self.facts.repository.as_str()),
        ];
        words::fill(template, &places)
    }

    fn into_decision(mut self, mode: Mode, rules: Vec<RuleResult>) -> Decision {
        let enforced = outcome_of(&rules);
        let break_glass = break_glass::in_force(&mut self);
        let outcome = match mode {
            _ if break_glass.is_some() => Outcome::Allow,
            Mode::Enforce => enforced,
            Mode::Warn if enforced == Outcome::Allow => Outcome::Allow,
            Mode::Warn => Outcome::Warn,
            Mode::DryRun => Outcome::Allow,
        };
        self.exceptions.sort();
        self.exceptions.dedup();
        Decision {
            outcome,
            would_be: Some(enforced).filter(|enforced| *enforced != outcome),
            gate: self.gate.to_owned(),
            policy: self.policy.name.clone(),
            policy_digest: self.policy.digest.clone(),
            repository: self.facts.repository.clone(),
            digest: self.facts.digest.clone(),
            mode,
            rules,
            warnings: self.warnings,
            exceptions_used: self.exceptions,
            break_glass,
            holds_until: self.horizon.first(),
            decided_at: self.now,
        }
    }
}

/// Deny outweighs not-ready: what will not be cured by waiting is said at once.
fn outcome_of(rules: &[RuleResult]) -> Outcome {
    let mut failing = rules.iter().filter(|rule| !rule.satisfied).peekable();
    if failing.peek().is_none() {
        return Outcome::Allow;
    }
    let only_waits = |rule: &RuleResult| {
        let mut blocking = rule.reasons.iter().map(|reason| reason.code.class());
        blocking.any(|class| class == Class::NotReady) && !denies(&rule.reasons)
    };
    if failing.all(only_waits) {
        Outcome::NotReady
    } else {
        Outcome::Deny
    }
}

fn denies(reasons: &[Reason]) -> bool {
    reasons
        .iter()
        .any(|reason| reason.code.class() == Class::Deny)
}

/// A rule that is met or not, without signatures or limits.
fn plain_rule(rule: Rule, summary: String, reasons: Vec<Reason>) -> RuleResult {
    RuleResult {
        rule,
        satisfied: reasons.is_empty(),
        automatic: false,
        summary,
        reasons,
        counted: Vec::new(),
        limits: Vec::new(),
    }
}

#[cfg(test)]
mod tests;
