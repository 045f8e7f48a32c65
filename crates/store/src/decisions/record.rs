//! Keeping an answer: in one transaction with the events and the audit row of what is new about it. An answer to facts that
//! have changed meanwhile is not kept.

use std::collections::BTreeSet;

use oci::{Digest, RepositoryName};
use policy::decision::Counted;
use policy::{Decision, Policy, Rule};
use serde_json::json;

use super::kept::{self, Kept};
use crate::db::{Backend, Tx, write_tx};
use crate::error::{Error, Result};
use crate::outbox::{self, NewEvent};
use crate::permit::System;
use crate::{Store, audit, receipts, tuf};

/// Who decides.
const DECIDER: System = System::job("decide");

/// Keeps answers to the facts that `judged` names; `false` when these have changed.
pub(super) async fn record(
    store: &Store,
    judged: &Kept,
    repository: &RepositoryName,
    digest: &Digest,
    decisions: &[&Decision],
    policies: &[Policy],
    now: i64,
) -> Result<bool> {
    if decisions.is_empty() {
        return Ok(true);
    }
    write_tx!(store.db(), |tx| {
        lock(tx, judged.repository_id, digest).await?;
        let before = match kept::read(tx.conn(), repository, digest).await {
            // It was deleted meanwhile: nothing to keep.
            Err(Error::NotFound { .. }) => return Ok(true),
            outcome => outcome?,
        };
        if before.facts_key != judged.facts_key {
            return Ok(false);
        }
        let mut told = signatures_told(&before);
        let turned = |decision: &&Decision| {
            let last = before.last(&decision.policy, &decision.gate);
            last.is_none_or(|last| last.outcome != decision.outcome)
        };
        if decisions.iter().copied().any(|decision| turned(&decision)) {
            tuf::ask(tx, before.repository_id, now).await?;
        }
        for decision in decisions {
            upsert(tx, &before, decision, now).await?;
            tell(tx, &before, decision, &mut told, now).await?;
        }
        receipts::ask(tx, before.repository_id, digest, decisions, policies, now).await?;
        Ok(true)
    })
}

/// Two that judge the same facts tell what is new once, and facts do not change between the comparison and the commit. A receipt is
/// compared with its answer under the same lock.
pub(crate) async fn lock(tx: &mut Tx, repository_id: i64, digest: &Digest) -> Result<()> {
    if tx.backend() == Backend::Postgres {
        sqlx::query(
            "SELECT digest FROM manifests WHERE repository_id = $1 AND digest = $2 FOR UPDATE",
        )
        .bind(repository_id)
        .bind(digest.as_str())
        .fetch_optional(tx.conn())
        .await?;
    }
    Ok(())
}

async fn upsert(tx: &mut Tx, before: &Kept, decision: &Decision, now: i64) -> Result<()> {
    let text = serde_json::to_string(decision).map_err(Error::corrupt("decision"))?;
    sqlx::query(
        "INSERT INTO decisions (repository_id, digest, policy, gate, facts_key, outcome, decision, holds_until, decided_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (repository_id, digest, policy, gate) DO UPDATE SET \
         facts_key = excluded.facts_key, outcome = excluded.outcome, decision = excluded.decision, \
         holds_until = excluded.holds_until, decided_at = excluded.decided_at",
    )
    .bind(before.repository_id)
    .bind(decision.digest.as_str())
    .bind(decision.policy.as_str())
    .bind(decision.gate.as_str())
    .bind(before.facts_key.as_str())
    .bind(decision.outcome.as_str())
    .bind(text)
    .bind(decision.holds_until)
    .bind(now)
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Tells what is new: each signature that counts for the first time, then the decision where its answer is another.
async fn tell(
    tx: &mut Tx,
    before: &Kept,
    decision: &Decision,
    told: &mut BTreeSet<(String, String, i64)>,
    now: i64,
) -> Result<()> {
    let (repository, digest) = (&decision.repository, &decision.digest);
    for (stage, counted) in counted(decision) {
        if told.insert((decision.policy.clone(), stage.to_owned(), counted.evidence)) {
            let data = json!({
                "policy": decision.policy, "gate": decision.gate, "stage": stage,
                "principal": {"id": counted.principal, "kind": counted.kind, "name": counted.name},
                "key": counted.key, "format": counted.format, "manifest": counted.manifest,
            });
            outbox::emit(
                tx,
                NewEvent::of_image("signature.counted", repository, digest, data),
                now,
            )
            .await?;
        }
    }
    let last = before.last(&decision.policy, &decision.gate);
    if last.is_some_and(|last| Gist::of(last) == Gist::of(decision)) {
        return Ok(());
    }
    let reasons: BTreeSet<&str> = decision
        .blocking()
        .map(|reason| reason.code.as_str())
        .collect();
    let data = json!({
        "policy": decision.policy, "gate": decision.gate, "before": last.map(|last| last.outcome),
        "after": decision.outcome, "wouldBe": decision.would_be, "sentence": decision.sentence(), "reasons": reasons,
        "holdsUntil": decision.holds_until, "breakGlass": decision.break_glass,
    });
    outbox::emit(
        tx,
        NewEvent::of_image("decision.changed", repository, digest, data),
        now,
    )
    .await?;
    let detail = json!({
        "policy": decision.policy, "policy_digest": decision.policy_digest, "gate": decision.gate,
        "before": last.map(|last| last.outcome), "outcome": decision.outcome, "would_be": decision.would_be,
        "reasons": reasons, "holds_until": decision.holds_until, "break_glass": decision.break_glass.as_ref().map(|used| used.id),
        "counted": counted(decision).map(|(stage, counted)| json!([stage, counted.principal, counted.key, counted.manifest]))
            .collect::<Vec<_>>(),
    });
    audit::record(
        tx,
        &DECIDER.actor(),
        "decision",
        &format!("{repository}@{digest}"),
        detail,
        now,
    )
    .await
}

/// The signatures that some gate of the same policy counted already.
fn signatures_told(before: &Kept) -> BTreeSet<(String, String, i64)> {
    let answers = before.answers.iter();
    answers
        .flat_map(|answer| {
            let counted = counted(&answer.decision);
            counted.map(|(stage, counted)| {
                (
                    answer.gate.policy.clone(),
                    stage.to_owned(),
                    counted.evidence,
                )
            })
        })
        .collect()
}

fn counted(decision: &Decision) -> impl Iterator<Item = (&str, &Counted)> {
    decision.rules.iter().flat_map(|result| {
        let stage = match &result.rule {
            Rule::Stage(stage) => stage.as_str(),
            Rule::Target | Rule::Policy => "",
        };
        result.counted.iter().map(move |counted| (stage, counted))
    })
}

/// What of an answer is worth telling: not its words, counts or times.
#[derive(PartialEq, Eq)]
struct Gist<'a> {
    outcome: policy::Outcome,
    would_be: Option<policy::Outcome>,
    counted: BTreeSet<(&'a str, i64)>,
    reasons: BTreeSet<(String, &'static str, Option<&'static str>, Option<i64>)>,
}

impl<'a> Gist<'a> {
    fn of(decision: &'a Decision) -> Gist<'a> {
        let reasons = decision.rules.iter().flat_map(|result| {
            result.reasons.iter().map(|reason| {
                let candidate = reason
                    .candidate
                    .as_ref()
                    .map(|candidate| candidate.evidence);
                let limit = reason.limit.map(policy::decision::Limit::as_str);
                (
                    result.rule.to_string(),
                    reason.code.as_str(),
                    limit,
                    candidate,
                )
            })
        });
        Gist {
            outcome: decision.outcome,
            would_be: decision.would_be,
            counted: counted(decision)
                .map(|(stage, counted)| (stage, counted.evidence))
                .collect(),
            reasons: reasons.collect(),
        }
    }
}
