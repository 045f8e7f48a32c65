//! Attestations as evidence: who says what kind of thing about an image. Deliberately no opinion on the predicate, and no certificates:
//! only registered keys are tried. in-toto Statement, in a sigstore bundle or, as cosign 2 attaches it, in a DSSE envelope by itself.

use oci::{Digest, ImageReference, RepositoryName};

use super::{Checks, Claim, Format, Reading, Ring, Unreadable, Untrusted, judge};
use crate::attestation::{self, Attestation, AttestedSubject};
use crate::bundle::{Bundle, BundleError, Content, Material};
use crate::dsse::{self, Envelope};
use crate::excerpt::excerpt;
use crate::key::PublicKey;
use crate::verified::Verified;

/// Reads an attestation that lies beside an image. The claim is about `about`, if that is one of the statement's subjects, and else about
/// the first subject that can be an image; a subject that names a repository binds it to that.
#[must_use]
pub fn read_attestation(bytes: &[u8], keys: &[PublicKey], about: &Digest) -> Reading {
    read_attestation_within(bytes, keys, about, &Checks::unlimited())
}

/// The same, with a budget.
#[must_use]
pub fn read_attestation_within(
    bytes: &[u8],
    keys: &[PublicKey],
    about: &Digest,
    checks: &Checks,
) -> Reading {
    let ring = Ring { keys, checks };
    let read = parse(bytes).and_then(|parsed| {
        let claim = claim(&parsed.attestation, about)?;
        let signed_by = |key: &PublicKey| parsed.envelope.is_signed_by(key);
        let length = parsed.envelope.payload.len();
        let hint = parsed.hint.as_deref();
        Ok(judge(claim, hint, ring, length, signed_by))
    });
    read.unwrap_or_else(Reading::unreadable)
}

/// The attestation itself, if one of these keys signed it and it is about this digest; else why not, for people.
pub fn verify_attestation(
    bytes: &[u8],
    keys: &[PublicKey],
    about: &Digest,
) -> Result<Verified<Attestation>, String> {
    let parsed = parse(bytes).map_err(|why| why.to_string())?;
    match read_attestation(bytes, keys, about) {
        Reading::Verified(claim) if claim.value().subject == *about => {
            Ok(Verified::new(parsed.attestation, claim.key().clone()))
        }
        Reading::Verified(claim) => Err(format!("it is about {}", claim.value().subject)),
        // Whoever asks here gave the keys, and registered none.
        Reading::Unverified {
            why: Untrusted::UnknownKey { hint },
            ..
        } => Err(format!(
            "none of the keys that were given signed it{}",
            hint.map(|hint| format!(": it names the key `{hint}`"))
                .unwrap_or_default()
        )),
        Reading::Unverified { why, .. } => Err(why.to_string()),
        Reading::Unreadable { why } => Err(why),
        Reading::Attestation { predicate_type } => Err(predicate_type),
    }
}

/// The predicate type of an attestation that nobody has checked; `None` for anything that is none.
#[must_use]
pub fn attested_type(bytes: &[u8]) -> Option<String> {
    Some(parse(bytes).ok()?.attestation.predicate_type)
}

struct Parsed {
    envelope: Envelope,
    hint: Option<String>,
    attestation: Attestation,
}

fn parse(bytes: &[u8]) -> Result<Parsed, Unreadable> {
    // A bundle has no `payloadType`, and an envelope no `mediaType`: nothing is both.
    let (envelope, hint) = match Envelope::parse(bytes) {
        Ok(envelope) => {
            // As in a bundle: whoever adds a signature of their own to an old one must not make it a newer one.
            let [signature] = envelope.signatures.as_slice() else {
                let count = envelope.signatures.len();
                return Err(BundleError::Signatures { count }.into());
            };
            let hint = signature.keyid.clone();
            (envelope, hint)
        }
        Err(_) => of_bundle(bytes)?,
    };
    if envelope.payload_type != dsse::IN_TOTO {
        return Err(Unreadable::PayloadType(excerpt(&envelope.payload_type)));
    }
    let attestation = Attestation::parse(&envelope.payload)?;
    if attestation::is_signature(&attestation.predicate_type) {
        return Err(Unreadable::Signature);
    }
    Ok(Parsed {
        envelope,
        hint,
        attestation,
    })
}

fn of_bundle(bytes: &[u8]) -> Result<(Envelope, Option<String>), Unreadable> {
    let bundle = Bundle::parse(bytes)?;
    let Content::Envelope(envelope) = bundle.content() else {
        return Err(Unreadable::File);
    };
    match bundle.material() {
        Material::PublicKey { hint } => Ok((envelope.clone(), hint.clone())),
        Material::Certificates(_) => Err(Unreadable::Certificate),
    }
}

fn claim(attestation: &Attestation, about: &Digest) -> Result<Claim, Unreadable> {
    let subjects = &attestation.subjects;
    let meant = subjects
        .iter()
        .find(|subject| subject.is(about))
        .map(|subject| (subject, about.clone()));
    let other = || {
        subjects
            .iter()
            .find_map(|subject| Some((subject, image_digest(subject)?)))
    };
    let (subject, digest) = meant.or_else(other).ok_or(Unreadable::NoImage)?;
    Ok(Claim {
        format: Format::Attestation,
        subject: digest,
        stage: None,
        predicate_type: Some(attestation.predicate_type.clone()),
        repository: repository(subject),
        tag: None,
        annotations: super::to_texts(&subject.annotations),
    })
}

fn image_digest(subject: &AttestedSubject) -> Option<Digest> {
    let mut digests = subject.digests.iter();
    digests.find_map(|(algorithm, hash)| Digest::parse(&format!("{algorithm}:{hash}")).ok())
}

/// `cosign attest` writes `host/repository`; other names are free text.
fn repository(subject: &AttestedSubject) -> Option<RepositoryName> {
    let reference = ImageReference::parse(&subject.name).ok()?;
    reference.host.is_some().then_some(reference.repository)
}

#[cfg(test)]
mod tests;
