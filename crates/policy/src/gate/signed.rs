//! A stage that people and machines sign for: whose signatures count, and since when it is complete.
//!
//! A signature counts once per identity; order and age are judged by when this server first stored the bytes, never by a
//! time that a signer claims. DESIGN §3 "What counts".

use std::collections::{BTreeMap, BTreeSet};

use super::candidates::{self, Standing};
use super::ends::{self, End};
use super::turn::{Completed, Turn, authors, in_order, turn};
use super::{Court, REASONS_MAX, exhibits, words};
use crate::decision::{Counted, Reason, Rule, RuleResult};
use crate::facts::Evidence;
use crate::file::{AUTHOR_STAGE, PartyKind, Stage};
use crate::principal::{Kind, PrincipalId};
use crate::reason::Code;

/// Judges a stage with signers, given the stages before it.
pub(super) fn judge(
    court: &mut Court<'_>,
    name: &str,
    stage: &Stage,
    completed: &BTreeMap<&str, Completed>,
) -> (RuleResult, Completed) {
    watch_revocations(court);
    let bench = Bench {
        court,
        name,
        stage,
        turn: turn(stage, completed),
        authors: authors(court, name, stage, completed),
    };
    let ever = bench.count(|_| false);
    let at = ever.reached_at(stage.threshold);
    let identities = ever.identities.clone();
    let ends = ever.ends.clone();
    let now = if ends.iter().any(|end| *end <= bench.court.now) {
        bench.count(|end| end.has_come(bench.court.now))
    } else {
        ever
    };
    let is_reached = now.reached_at(stage.threshold).is_some();
    let (result, left_out) = bench.result(now, is_reached);
    for end in ends {
        court.horizon.may_change_at(end);
    }
    if left_out > 0 {
        court.warnings.push(format!(
            "stage {name}: {left_out} more pieces of evidence do not count"
        ));
    }
    (
        result,
        Completed {
            at,
            pending: "is not complete",
            identities,
        },
    )
}

/// A key that will be revoked at a known time changes the answer then.
pub(super) fn watch_revocations(court: &mut Court<'_>) {
    for evidence in &court.facts.evidence {
        let key = candidates::registered(court, evidence);
        if let Some(revoked_at) = key.and_then(|key| key.revoked_at) {
            court.horizon.may_change_at(revoked_at);
        }
    }
}

/// What was counted so far, in the order of time.
#[derive(Debug, Default)]
struct Count {
    signatures: Vec<Counted>,
    identities: BTreeSet<PrincipalId>,
    rejected: Vec<Rejected>,
    /// When signatures that are fine by themselves stop counting, in milliseconds since the epoch.
    ends: Vec<i64>,
}

impl Count {
    /// When the signature was stored with which a threshold was reached.
    fn reached_at(&self, threshold: usize) -> Option<i64> {
        let last = self.signatures.get(threshold.checked_sub(1)?)?;
        Some(last.stored_at)
    }
}

#[derive(Debug)]
struct Rejected {
    identity: Option<PrincipalId>,
    reason: Reason,
}

/// One stage under judgement.
struct Bench<'a, 'b> {
    court: &'a Court<'b>,
    name: &'a str,
    stage: &'a Stage,
    turn: Turn,
    authors: BTreeSet<PrincipalId>,
}

impl Bench<'_, '_> {
    /// Counts all evidence, but for what has ended: for the order of stages nothing has, see `ends`.
    fn count(&self, has_ended: impl Fn(&End) -> bool) -> Count {
        let mut count = Count::default();
        for evidence in in_order(&self.court.facts.evidence) {
            self.consider(evidence, &has_ended, &mut count);
        }
        count
    }

    fn consider(&self, evidence: &Evidence, has_ended: impl Fn(&End) -> bool, count: &mut Count) {
        match candidates::judge(self.court, evidence, self.name, self.stage) {
            Standing::Elsewhere => {}
            Standing::Rejected {
                code,
                message,
                identity,
            } => {
                count
                    .rejected
                    .push(self.rejected(evidence, identity, code, message));
            }
            Standing::Acceptable(key) => {
                let identity = self.court.directory.identity_of(key.principal);
                let end = ends::of(evidence, self.stage);
                count.ends.extend(end.map(|end| end.at));
                let ended = end.filter(has_ended);
                let ended = ended.map(|end| (end.code, self.ended(&end, evidence, key.principal)));
                match ended.or_else(|| self.obstacle(evidence, key.principal, identity, count)) {
                    Some((code, message)) => {
                        let rejected = self.rejected(evidence, Some(identity), code, message);
                        count.rejected.push(rejected);
                    }
                    None => {
                        count.identities.insert(identity);
                        let until = end.map(|end| end.at);
                        let counted = exhibits::counted(self.court, evidence, key, until);
                        count.signatures.push(counted);
                    }
                }
            }
        }
    }

    /// What the stage as a whole has against a signature that is fine by itself.
    fn obstacle(
        &self,
        evidence: &Evidence,
        principal: PrincipalId,
        identity: PrincipalId,
        count: &Count,
    ) -> Option<(Code, String)> {
        let who = self.court.directory.describe(principal);
        if self.authors.contains(&identity) {
            return Some((Code::Author, self.author_message(principal, identity)));
        }
        if let Some(message) = self.out_of_order(evidence, &who) {
            return Some((Code::OutOfOrder, message));
        }
        if !count.identities.contains(&identity) {
            return None;
        }
        if count
            .signatures
            .iter()
            .any(|counted| counted.principal == principal)
        {
            return Some((
                Code::SamePrincipal,
                format!("another signature of {who} counts already"),
            ));
        }
        let other = count
            .signatures
            .iter()
            .find(|counted| self.court.directory.identity_of(counted.principal) == identity)
            .map(|counted| format!("{} {}", counted.kind, counted.name))
            .unwrap_or_default();
        Some((
            Code::SameOwner,
            format!("{who} counts as one with {other}, whose signature counts already"),
        ))
    }

    fn ended(&self, end: &End, evidence: &Evidence, principal: PrincipalId) -> String {
        let who = self.court.directory.describe(principal);
        end.message(&who, evidence, self.name, self.stage)
    }

    fn author_message(&self, principal: PrincipalId, identity: PrincipalId) -> String {
        let directory = self.court.directory;
        let who = directory.describe(principal);
        let pushed = self
            .court
            .facts
            .first_pushed_by
            .filter(|pusher| directory.identity_of(*pusher) == identity);
        match pushed {
            Some(pusher) if pusher == principal => {
                format!("{who} pushed this image, and is its author")
            }
            Some(pusher) => {
                format!(
                    "{} pushed this image, and counts as one with {who}",
                    directory.describe(pusher)
                )
            }
            None => format!(
                "{who} signed for stage {AUTHOR_STAGE}, in person or through a robot, and is an author"
            ),
        }
    }

    fn out_of_order(&self, evidence: &Evidence, who: &str) -> Option<String> {
        match &self.turn {
            Turn::NotYet { stage, pending } => Some(format!(
                "the signature of {who} came before its turn: stage {stage} {pending}"
            )),
            Turn::Since { at, after } if evidence.stored_at < *at => Some(format!(
                "the signature of {who} was stored at {}, before stage {} was complete at {}",
                words::instant(evidence.stored_at),
                after.as_deref().unwrap_or_default(),
                words::instant(*at)
            )),
            Turn::Since { .. } => None,
        }
    }

    fn rejected(
        &self,
        evidence: &Evidence,
        identity: Option<PrincipalId>,
        code: Code,
        message: String,
    ) -> Rejected {
        let reason = exhibits::rejection(self.court, evidence, self.name, code, message);
        Rejected { identity, reason }
    }

    /// The result of the stage, and how many reasons were left out of it.
    fn result(&self, mut count: Count, satisfied: bool) -> (RuleResult, usize) {
        // That someone also signed for another stage says nothing once their signature for this one counts.
        count.rejected.retain(|rejected| {
            let counts = rejected
                .identity
                .is_some_and(|identity| count.identities.contains(&identity));
            rejected.reason.code != Code::OtherStage || !counts
        });
        let mut reasons = Vec::new();
        let summary = if satisfied {
            let who = count
                .signatures
                .iter()
                .map(|counted| format!("{} {}", counted.kind, counted.name));
            let verb = match self.stage.attestation {
                Some(_) => "attested",
                None => "signed",
            };
            format!("{verb} by {}", words::listed(who))
        } else {
            let missing = self.missing(&count);
            reasons.push(missing.clone());
            missing.message
        };
        let left_out = count.rejected.len().saturating_sub(REASONS_MAX);
        reasons.extend(
            count
                .rejected
                .into_iter()
                .take(REASONS_MAX)
                .map(|rejected| rejected.reason),
        );
        let result = RuleResult {
            rule: Rule::Stage(self.name.to_owned()),
            satisfied,
            automatic: false,
            summary,
            reasons,
            counted: count.signatures,
            limits: Vec::new(),
        };
        (result, left_out)
    }

    fn missing(&self, count: &Count) -> Reason {
        let (name, threshold, counted) = (self.name, self.stage.threshold, count.signatures.len());
        let code = match &self.stage.attestation {
            _ if counted > 0 => Code::ThresholdNotReached,
            Some(_) => Code::AttestationMissing,
            None => Code::StageNotSigned,
        };
        let wanted = self.wanted(count);
        let more = threshold.saturating_sub(counted);
        let message = match &self.stage.attestation {
            Some(attested) if threshold <= 1 => {
                let attested = words::quoted(&attested.to_string());
                format!("stage {name} has no attestation {attested} (needs {wanted})")
            }
            Some(attested) => {
                let attested = words::quoted(&attested.to_string());
                format!(
                    "stage {name} has {counted} of {threshold} attestations {attested} (needs {more} more of {wanted})"
                )
            }
            None if threshold <= 1 => format!("stage {name} is not signed (needs {wanted})"),
            None => format!(
                "stage {name} has {counted} of {threshold} signatures (needs {more} more of {wanted})"
            ),
        };
        let next = match &self.turn {
            // Before its turn a signature would not count: the step is that of the earlier stage.
            Turn::NotYet { stage, .. } => Some(format!("stage {stage} comes first")),
            Turn::Since { .. } => self.court.next(code, self.name),
        };
        Reason {
            code,
            message,
            candidate: None,
            limit: None,
            next,
        }
    }

    /// Those who may still sign: teams, and the people and robots whose signature does not count yet.
    fn wanted(&self, count: &Count) -> String {
        let directory = self.court.directory;
        let has_signed = |kind: Kind, name: &str| {
            directory
                .by_name(kind, name)
                .is_some_and(|found| count.identities.contains(&directory.identity_of(found.id)))
        };
        let open = self.stage.signers.iter().filter(|party| match party.kind {
            PartyKind::Team => true,
            PartyKind::Person => !has_signed(Kind::Person, &party.name),
            PartyKind::Robot => !has_signed(Kind::Robot, &party.name),
        });
        let open: Vec<String> = open.map(ToString::to_string).collect();
        if open.is_empty() {
            "signers that the policy does not list".to_owned()
        } else {
            open.join(", ")
        }
    }
}
