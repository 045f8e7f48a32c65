//! Receipts: each gate that lets an image pass has one live receipt beside it, and each that does not has none. Whatever decides
//! again calls this, and so does the time, long before a receipt ends; what is right already costs one query.

use crate::{Context, Error, Result, deciding};
use oci::{Digest, Reference};
use policy::{Decision, Policy};
use serde_json::json;
use store::catalogue::{self, StoredManifest};
use store::decisions::GateName;
use store::keys::{self, Purpose, ServerKey};
use store::receipts::{self, NewReceipt, Record};
use store::{System, policies};
use trust::receipt::{INPUTS_MAX, POLICIES_MAX, Receipt, WARNING_CHARACTERS_MAX, WARNINGS_MAX};
use trust::{KeyId, Signer};

const JOB: System = System::job("receipts");
/// Manifests that are looked at in one round.
const PIECE: u32 = 200;

/// Makes anew what has come near its end.
pub(crate) async fn renew_due(context: &Context) -> Result<()> {
    let mut outcome = Ok(());
    for due in receipts::due(&context.store, context.now(), PIECE).await? {
        let refreshed = deciding::refresh(context, due.repository_id, &due.digest).await;
        outcome = outcome.and(refreshed);
    }
    outcome
}

/// Brings the receipts of a manifest in line with what its gates have just answered; none where it is gone.
pub(crate) async fn reconcile(
    context: &Context,
    repository_id: i64,
    digest: &Digest,
    decided: &[Decision],
) -> Result<()> {
    let now = context.now();
    let live = receipts::of_image(&context.store, repository_id, digest).await?;
    let passing: Vec<&Decision> = decided
        .iter()
        .filter(|decision| decision.outcome.passes())
        .collect();
    for record in &live {
        if !passing.iter().any(|decision| is_of(record, decision)) {
            receipts::withdraw(&context.store, JOB, record, now).await?;
        }
    }
    let Some(first) = passing.first() else {
        return Ok(());
    };
    let policies = policies::current(&context.store).await?;
    let key = keys::signer(&context.store, Purpose::Receipt, now).await?;
    let mut image = None;
    for decision in &passing {
        let wanted = Wanted::of(decision, &policies, now);
        let before = live.iter().find(|record| is_of(record, decision));
        let Some(wanted) =
            wanted.filter(|wanted| wanted.is_due(before, key.public_key().id(), now))
        else {
            continue;
        };
        if image.is_none() {
            let reference = Reference::Digest(digest.clone());
            image = catalogue::manifest(&context.store, &first.repository, &reference).await?;
        }
        if let Some(image) = &image {
            wanted.put(context, image, &key, before, now).await?;
        }
    }
    Ok(())
}

fn is_of(record: &Record, decision: &Decision) -> bool {
    let gate = &record.receipt.gate;
    gate.policy == decision.policy && gate.gate == decision.gate
}

/// What a receipt has to say.
struct Wanted<'a> {
    decision: &'a Decision,
    policies: Vec<String>,
    warnings: Vec<String>,
    inputs: Vec<Digest>,
    valid_until: i64,
    renew_at: i64,
}

impl<'a> Wanted<'a> {
    /// Nothing where another policy is in force than the one that answered: it will be asked too.
    fn of(decision: &'a Decision, policies: &[Policy], now: i64) -> Option<Self> {
        let of_gate = |policy: &&Policy| {
            policy.covers(&decision.repository) && policy.gates.contains_key(&decision.gate)
        };
        let policy = policies
            .iter()
            .filter(of_gate)
            .find(|policy| policy.name == decision.policy)
            .filter(|policy| policy.digest == decision.policy_digest)?;
        let names: Vec<String> = policies
            .iter()
            .filter(of_gate)
            .map(|policy| policy.name.clone())
            .collect();
        // More are not told apart by any receipt: then there is none, and hosts ask the server.
        if names.len() > POLICIES_MAX {
            return None;
        }
        let lasts = policy.receipt_valid_milliseconds;
        let at_most = now.saturating_add(lasts);
        let (valid_until, renew_at) = match decision.holds_until {
            // The gate is asked again at that instant; before it another receipt could not say more.
            Some(until) if until <= at_most => (until, until),
            _ => (at_most, now.saturating_add(lasts / 2)),
        };
        (valid_until > now).then(|| Self {
            decision,
            policies: names,
            warnings: warnings(decision),
            inputs: inputs(decision),
            valid_until,
            renew_at,
        })
    }

    /// What it says, without its times: short, and the same for the same.
    fn says(&self) -> String {
        let decision = self.decision;
        let all = json!([
            decision.policy_digest,
            self.policies,
            self.warnings,
            self.inputs,
            decision.holds_until,
        ]);
        Digest::sha256(all.to_string().as_bytes()).hex().to_owned()
    }

    /// Whether the live one says something else, was signed with a key that is no longer used, or comes to its end.
    fn is_due(&self, before: Option<&Record>, key: &KeyId, now: i64) -> bool {
        before.is_none_or(|before| {
            let before = &before.receipt;
            before.says != self.says()
                || before.key != *key
                || before.renew_at <= now
                // The policy asks for shorter ones now.
                || before.valid_until > self.valid_until
        })
    }

    async fn put(
        &self,
        context: &Context,
        image: &StoredManifest,
        key: &ServerKey,
        before: Option<&Record>,
        now: i64,
    ) -> Result<()> {
        let decision = self.decision;
        // The time, so that numbers go up also where a server was restored from a backup.
        let sequence = before.map_or(now, |before| {
            now.max(before.receipt.sequence.saturating_add(1))
        });
        let receipt = Receipt {
            image: image.digest.clone(),
            repository: image.repository.clone(),
            gate: decision.gate.clone(),
            policy: decision.policy.clone(),
            policy_digest: decision.policy_digest.clone(),
            policies: self.policies.clone(),
            decided_at: now,
            valid_until: self.valid_until,
            sequence,
            warnings: self.warnings.clone(),
            inputs: self.inputs.clone(),
        };
        let bundle = receipt.sign(key).map_err(|error| Error::Receipt {
            gate: decision.gate.clone(),
            why: error.to_string(),
        })?;
        let new = NewReceipt {
            digest: image.digest.clone(),
            gate: GateName::new(&decision.policy, &decision.gate),
            policy_digest: decision.policy_digest.clone(),
            bundle: Digest::sha256(&bundle),
            key: key.public_key().id().clone(),
            says: self.says(),
            sequence,
            valid_until: self.valid_until,
            renew_at: self.renew_at,
        };
        // Where the answer has changed meanwhile, whatever changed it has asked for another look.
        context
            .registry
            .put_receipt(JOB, image, bundle, &new, now)
            .await?;
        Ok(())
    }
}

/// What a host should know besides that the image may pass.
fn warnings(decision: &Decision) -> Vec<String> {
    let mut warnings = Vec::new();
    if let Some(used) = &decision.break_glass {
        warnings.push(format!(
            "by break-glass {}: asked for by {}, confirmed by {}: {}",
            used.id, used.asked_by, used.confirmed_by, used.reason
        ));
    }
    if let Some(would_be) = decision.would_be {
        warnings.push(format!("enforced, it would be {would_be}"));
    }
    warnings.extend(decision.warnings.iter().cloned());
    let cut = |text: String| text.chars().take(WARNING_CHARACTERS_MAX).collect();
    warnings.into_iter().take(WARNINGS_MAX).map(cut).collect()
}

/// The manifests of the signatures that count, each once.
fn inputs(decision: &Decision) -> Vec<Digest> {
    let counted = decision.rules.iter().flat_map(|rule| &rule.counted);
    let mut inputs: Vec<Digest> = counted.map(|counted| counted.manifest.clone()).collect();
    inputs.sort();
    inputs.dedup();
    inputs.truncate(INPUTS_MAX);
    inputs
}

#[cfg(test)]
mod tests;
