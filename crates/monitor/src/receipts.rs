//! Receipts: each gate that lets an image pass, of policies that ask for receipts, has one live receipt beside it, and each that does
//! not has none. A job asks for it that is written with the answer, and so does the time, long before a receipt ends; both end here.

use crate::{Context, Error, Result, deciding};
use oci::{Digest, Reference};
use policy::Decision;
use store::catalogue::{self, StoredManifest};
use store::decisions::GateName;
use store::keys::{self, Purpose, ServerKey};
use store::receipts::{self, NewReceipt, Record, Wanted};
use store::{System, policies};
use trust::receipt::Receipt;
use trust::{KeyId, Signer};

const JOB: System = System::job("receipts");
/// Manifests that are looked at in one round.
const PIECE: u32 = 200;

/// Makes anew what has come near its end. What fails stays due, and the next round tries again.
pub(crate) async fn renew_due(context: &Context) -> Result<()> {
    let mut outcome = Ok(());
    for due in receipts::due(&context.store, context.now(), PIECE).await? {
        let signed = sign(context, due.repository_id, &due.digest).await;
        outcome = outcome.and(signed);
    }
    outcome
}

/// Asks the gates of a manifest, and brings its receipts in line with what they answer. Doing it twice gives the same state.
pub(crate) async fn sign(context: &Context, repository_id: i64, digest: &Digest) -> Result<()> {
    let decided = deciding::refresh(context, repository_id, digest).await?;
    reconcile(context, repository_id, digest, &decided).await
}

async fn reconcile(
    context: &Context,
    repository_id: i64,
    digest: &Digest,
    decided: &[Decision],
) -> Result<()> {
    let now = context.now();
    let policies = policies::current(&context.store).await?;
    let live = receipts::of_image(&context.store, repository_id, digest).await?;
    let wanted: Vec<(&Decision, Wanted)> = decided
        .iter()
        .filter_map(|decision| Some((decision, Wanted::of(decision, &policies)?)))
        .collect();
    // Where another policy is in force by now, its gates are about to be asked.
    let is_stale = |decision: &Decision| {
        let mut policies = policies.iter();
        policies
            .any(|policy| policy.name == decision.policy && policy.digest != decision.policy_digest)
    };
    for record in &live {
        let is_kept = wanted.iter().any(|(decision, _)| is_of(record, decision));
        let is_asked = decided
            .iter()
            .any(|decision| is_of(record, decision) && is_stale(decision));
        if !is_kept && !is_asked {
            receipts::withdraw(&context.store, JOB, record, now).await?;
        }
    }
    if wanted.is_empty() {
        return Ok(());
    }
    let key = keys::signer(&context.store, Purpose::Receipt, now).await?;
    let mut image = None;
    for (decision, wanted) in wanted {
        let before = live.iter().find(|record| is_of(record, decision));
        let Some(due) = Due::of(decision, wanted, before, key.public_key().id(), now) else {
            continue;
        };
        if image.is_none() {
            let reference = Reference::Digest(digest.clone());
            image = catalogue::manifest(&context.store, &decision.repository, &reference).await?;
        }
        if let Some(image) = &image {
            due.put(context, image, &key, before, now).await?;
        }
    }
    Ok(())
}

fn is_of(record: &Record, decision: &Decision) -> bool {
    let gate = &record.receipt.gate;
    gate.policy == decision.policy && gate.gate == decision.gate
}

/// A receipt that is to be signed.
struct Due<'a> {
    decision: &'a Decision,
    wanted: Wanted,
    valid_until: i64,
    renew_at: i64,
}

impl<'a> Due<'a> {
    /// Nothing where the live one says the same, was signed with the key in use and is far from its end.
    fn of(
        decision: &'a Decision,
        wanted: Wanted,
        before: Option<&Record>,
        key: &KeyId,
        now: i64,
    ) -> Option<Self> {
        let is_good = before.is_some_and(|before| {
            let before = &before.receipt;
            before.says == wanted.says() && before.key == *key && before.renew_at > now
        });
        let at_most = now.saturating_add(wanted.valid_milliseconds);
        let (valid_until, renew_at) = match wanted.holds_until {
            // The gate is asked again at that instant; before it another receipt could not say more.
            Some(until) if until <= at_most => (until, until),
            _ => (at_most, now.saturating_add(wanted.valid_milliseconds / 2)),
        };
        (!is_good && valid_until > now).then_some(Self {
            decision,
            wanted,
            valid_until,
            renew_at,
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
            policies: self.wanted.policies.clone(),
            decided_at: now,
            valid_until: self.valid_until,
            sequence,
            warnings: self.wanted.warnings.clone(),
            inputs: self.wanted.inputs.clone(),
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
            says: self.wanted.says(),
            sequence,
            valid_until: self.valid_until,
            renew_at: self.renew_at,
        };
        // Where the answer is another one meanwhile, another look was asked for instead.
        context
            .registry
            .put_receipt(JOB, image, bundle, &new, now)
            .await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
