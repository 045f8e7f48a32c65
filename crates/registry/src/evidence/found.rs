//! What reading a signature gave, as the store keeps it.

use oci::Digest;
use policy::Verdict;
use store::evidence::{NewEvidence, Reverified};
use trust::KeyId;
use trust::evidence::{Claim, Dated, Reading, Untrusted};
use trust::notation::Failure;
use trust::sigstore::Refusal;

/// What the format of evidence is called that says nothing that can be read.
pub(super) const UNREADABLE: &str = "unreadable";

/// A signature as it was found, before it is attached to anything.
pub(super) struct Found {
    pub(super) raw: Vec<u8>,
    pub(super) signature: Option<String>,
    /// What its format is called when it says nothing.
    pub(super) unreadable: &'static str,
    pub(super) read: Dated,
}

pub(super) fn unreadable(raw: Vec<u8>, why: String) -> Found {
    Found {
        raw,
        signature: None,
        unreadable: UNREADABLE,
        read: Reading::Unreadable { why }.into(),
    }
}

impl Found {
    /// Whether what was found is by a key that was tried: that it made it, or is named by it and did not, or may not have.
    pub(super) fn is_by_key(&self) -> bool {
        match &self.read.reading {
            Reading::Verified(_) => true,
            Reading::Unverified { why, .. } => matches!(
                why,
                Untrusted::BadSignature { .. } | Untrusted::OpenPgp { .. }
            ),
            Reading::Attestation { .. } | Reading::Unreadable { .. } => false,
        }
    }

    /// Whether what was found is by a certificate: whose it is, or what is wrong with it.
    pub(super) fn is_by_certificate(&self) -> bool {
        match &self.read.reading {
            Reading::Verified(_) => true,
            Reading::Unverified { why, .. } => matches!(
                why,
                Untrusted::UnknownIdentity { .. }
                    | Untrusted::NoRoot
                    | Untrusted::Sigstore(_)
                    | Untrusted::Notation(_)
            ),
            Reading::Attestation { .. } | Reading::Unreadable { .. } => false,
        }
    }

    fn claim(&self) -> Option<&Claim> {
        self.read.reading.claim()
    }

    fn format(&self) -> String {
        self.claim()
            .map_or(self.unreadable, |claim| claim.format.as_str())
            .to_owned()
    }

    pub(super) fn into_evidence(self, attached_to: &Digest) -> NewEvidence {
        let claim = self.claim();
        let (key, key_hint, verdict) = verdict(&self.read.reading);
        NewEvidence {
            attached_to: attached_to.clone(),
            format: self.format(),
            subject: claim.map(|claim| claim.subject.clone()),
            stage: claim.and_then(|claim| claim.stage.clone()),
            predicate_type: claim.and_then(|claim| claim.predicate_type.clone()),
            named_repository: claim
                .and_then(|claim| claim.repository.as_ref().map(ToString::to_string)),
            key,
            key_hint,
            verdict,
            trusted_at: self.read.trusted_at,
            ends_at: self.read.ends_at,
            raw: self.raw,
            signature: self.signature,
        }
    }

    pub(super) fn into_verdict(self) -> Reverified {
        let (key, _, verdict) = verdict(&self.read.reading);
        let claim = self.claim();
        Reverified {
            format: self.format(),
            trusted_at: self.read.trusted_at,
            ends_at: self.read.ends_at,
            verdict,
            subject: claim.map(|claim| claim.subject.clone()),
            stage: claim.and_then(|claim| claim.stage.clone()),
            named_repository: claim
                .and_then(|claim| claim.repository.as_ref().map(ToString::to_string)),
            key,
        }
    }
}

fn verdict(reading: &Reading) -> (Option<KeyId>, Option<String>, Verdict) {
    match reading {
        Reading::Verified(verified) => (Some(verified.key().clone()), None, Verdict::Verified),
        Reading::Unverified {
            why: Untrusted::UnknownKey { hint },
            ..
        } => (None, hint.clone(), Verdict::UnknownKey),
        Reading::Unverified {
            why: Untrusted::BadSignature { key, .. },
            ..
        } => (None, Some(key.to_string()), Verdict::BadSignature),
        Reading::Unverified {
            why: why @ Untrusted::OpenPgp { key, .. },
            ..
        } => (
            None,
            Some(key.to_string()),
            Verdict::Unreadable(why.to_string()),
        ),
        Reading::Unverified {
            why: Untrusted::UnknownIdentity { identity },
            ..
        } => {
            let hint = format!("signed by {identity}");
            (None, Some(hint), Verdict::UnknownKey)
        }
        Reading::Unverified { why, .. } => {
            let is_false = match why {
                Untrusted::Sigstore(why) => matches!(**why, Refusal::Signature(_)),
                Untrusted::Notation(why) => matches!(**why, Failure::Signature),
                _ => false,
            };
            let verdict = match is_false {
                true => Verdict::BadSignature,
                false => Verdict::Unreadable(why.to_string()),
            };
            (None, None, verdict)
        }
        Reading::Unreadable { why } => (None, None, Verdict::Unreadable(why.clone())),
        Reading::Attestation { predicate_type } => (
            None,
            None,
            Verdict::Unreadable(format!("an attestation, `{predicate_type}`")),
        ),
    }
}
