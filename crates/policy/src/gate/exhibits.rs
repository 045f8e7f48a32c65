//! A piece of evidence as decisions show it: counted, or with the reason why not.

use super::{Court, candidates};
use crate::decision::{CandidateRef, Counted, Reason};
use crate::facts::{Evidence, Verdict};
use crate::principal::{Kind, SigningKey};
use crate::reason::{self, Code};

/// Evidence that counts, until an instant in milliseconds since the epoch.
pub(super) fn counted(
    court: &Court<'_>,
    evidence: &Evidence,
    key: &SigningKey,
    until: Option<i64>,
) -> Counted {
    let found = court.directory.principal(key.principal);
    Counted {
        principal: key.principal,
        kind: found.map_or(Kind::Person, |found| found.kind),
        name: found.map(|found| found.name.clone()).unwrap_or_default(),
        key: key.key_id.to_string(),
        evidence: evidence.id,
        manifest: evidence.manifest.clone(),
        format: evidence.format.clone(),
        stored_at: evidence.stored_at,
        counts_until: until,
    }
}

/// Why evidence does not count for a stage, with the step that would help.
pub(super) fn rejection(
    court: &Court<'_>,
    evidence: &Evidence,
    stage: &str,
    code: Code,
    message: String,
) -> Reason {
    let next = match code {
        Code::UnknownKey if candidates::names_somebody(evidence) => {
            let template = match evidence.format.as_str() {
                "notation" => reason::REGISTER_NOTATION,
                _ => reason::REGISTER_SIGSTORE,
            };
            Some(court.filled(template, stage))
        }
        _ => court.next(code, stage),
    };
    Reason {
        code,
        message,
        candidate: Some(reference(court, evidence)),
        limit: None,
        next,
    }
}

fn reference(court: &Court<'_>, evidence: &Evidence) -> CandidateRef {
    let is_verified = evidence.verdict == Verdict::Verified;
    let registered = candidates::registered(court, evidence).filter(|_| is_verified);
    let signer = match registered {
        Some(key) => Some(court.directory.describe(key.principal)),
        None => candidates::said_to_be_by(evidence),
    };
    CandidateRef {
        evidence: evidence.id,
        manifest: evidence.manifest.clone(),
        format: evidence.format.clone(),
        signer,
        stored_at: evidence.stored_at,
    }
}
