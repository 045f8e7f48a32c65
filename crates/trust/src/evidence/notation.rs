//! Signatures of the Notary Project: what they claim, and whether somebody is registered whose certificates are such. The steps are
//! `notation`'s, and stricter than its trust policies in nothing but that each of them has an outcome of its own: an expiry becomes
//! the end of the evidence, so that a gate says that it has ended.
//!
//! A signature names a digest and no repository. The stage is the signed annotation that cosign's signatures have too
//! (`notation sign --user-metadata`). The type and size that it names must be the manifest's, as notation itself has it.

use super::certified::Dated;
use super::{Claim, Format, Reading, Unreadable, Untrusted, check_size};
use crate::notation::payload;
use crate::notation::{
    self, Action, Actions, Envelope, Failure, Level, Name, Outcome, Passed, RevocationLists,
    Scheme, Statement, StoreKind, StoreName, Trust, TrustedIdentity, TrustedTime, VerifyTimestamp,
};
use crate::registered::NotationIdentity;
use crate::verified::Verified;
use crate::{cosign, stage};
use oci::Descriptor;

/// By what an envelope of notation is judged, besides who may have made it.
#[derive(Debug, Clone, Copy)]
pub struct NotationTerms<'a> {
    /// The manifest that it is attached to, whose type and size it must name; nothing where they are not known. One of another digest
    /// is for the gate to see.
    pub manifest: Option<&'a Descriptor>,
    /// The revocation lists that are kept; without any, none is asked for.
    pub lists: Option<&'a RevocationLists>,
    /// As of when its certificates must be valid if no timestamp says otherwise, in milliseconds since 1970.
    pub at: i64,
}

/// Reads an envelope of notation.
#[must_use]
pub fn read_notation(
    format: notation::Format,
    bytes: &[u8],
    identities: &[NotationIdentity],
    terms: NotationTerms<'_>,
) -> Dated {
    let (envelope, artifact) = match parts(format, bytes) {
        Ok(parts) => parts,
        Err(why) => return Reading::unreadable(why).into(),
    };
    let claim = match claim(&artifact) {
        Ok(claim) => claim,
        Err(why) => return Reading::unreadable(why).into(),
    };
    let unverified = |claim, why| Reading::Unverified { claim, why }.into();
    let refused = |claim, why| unverified(claim, Untrusted::Notation(Box::new(why)));
    let same_digest = |known: &&Descriptor| known.digest == artifact.digest;
    let meant = terms.manifest.filter(same_digest).unwrap_or(&artifact);
    if let Err(why) = notation::integrity(format, bytes, meant) {
        return refused(claim, why);
    }
    let scheme = envelope.attributes().scheme;
    let Some(identity) = meant_by(&envelope, identities, scheme.store()) else {
        return unverified(claim, unknown(&envelope, identities));
    };
    match verify(&envelope, bytes, meant, identity, terms) {
        Ok(passed) => Dated {
            reading: Reading::Verified(Verified::new(claim, identity.id().clone())),
            trusted_at: passed.time.and_then(vouched),
            ends_at: envelope.attributes().expiry,
        },
        Err(why) => refused(claim, why),
    }
}

/// The time by which it is settled whether a signature came before its signer was distrusted. What a signing service says of its own
/// signature is good for the validity of its certificates, and not for this: whoever took its key would say a time before that.
fn vouched(time: TrustedTime) -> Option<i64> {
    match time {
        TrustedTime::Timestamp(_) => Some(time.latest()),
        TrustedTime::SigningAuthority(_) => None,
    }
}

/// Whose certificates they are, of those that are registered for this scheme.
fn meant_by<'a>(
    envelope: &Envelope,
    identities: &'a [NotationIdentity],
    kind: StoreKind,
) -> Option<&'a NotationIdentity> {
    identities
        .iter()
        .rev()
        .filter(|identity| identity.means(envelope, kind))
        .max_by_key(|identity| identity.closeness())
}

/// Nobody's, or somebody's whose certificates are trusted for the other scheme alone.
fn unknown(envelope: &Envelope, identities: &[NotationIdentity]) -> Untrusted {
    let scheme = envelope.attributes().scheme;
    let subject = envelope.chain().first().map(|leaf| leaf.subject().clone());
    let identity = subject.as_ref().map(Name::to_excerpt).unwrap_or_default();
    let other = match scheme {
        Scheme::X509 { .. } => StoreKind::SigningAuthority,
        Scheme::SigningAuthority { .. } => StoreKind::Ca,
    };
    let who = format!("the certificate of `{identity}`");
    let identity = match (scheme, meant_by(envelope, identities, other)) {
        (_, Some(_)) => {
            format!("{who} under the scheme `{scheme}` (known under another scheme only)")
        }
        (Scheme::SigningAuthority { .. }, None) => format!("{who} under the scheme `{scheme}`"),
        (Scheme::X509 { .. }, None) => who,
    };
    Untrusted::UnknownIdentity { identity }
}

fn parts(format: notation::Format, bytes: &[u8]) -> Result<(Envelope, Descriptor), Unreadable> {
    let unreadable = |why: String| Unreadable::Notation(why);
    let envelope = Envelope::parse(format, bytes).map_err(|error| unreadable(error.to_string()))?;
    check_size(envelope.payload())?;
    let artifact =
        payload::parse(envelope.payload()).map_err(|error| unreadable(error.to_string()))?;
    Ok((envelope, artifact))
}

fn claim(artifact: &Descriptor) -> Result<Claim, Unreadable> {
    let named = artifact.annotations.get(cosign::STAGE_ANNOTATION);
    if let Some(name) = named {
        stage::check_name(name)?;
    }
    Ok(Claim {
        format: Format::Notation,
        subject: artifact.digest.clone(),
        stage: named.cloned(),
        predicate_type: None,
        repository: None,
        tag: None,
        annotations: artifact.annotations.clone(),
    })
}

fn verify(
    envelope: &Envelope,
    bytes: &[u8],
    artifact: &Descriptor,
    identity: &NotationIdentity,
    terms: NotationTerms<'_>,
) -> Result<Passed, Failure> {
    let unchecked = RevocationLists::danger_unchecked();
    let statement = statement(envelope, identity);
    let trust = Trust {
        statement: &statement,
        stores: identity.stores(),
        lists: terms.lists.unwrap_or(&unchecked),
    };
    match notation::verify(envelope.format(), bytes, artifact, trust, terms.at) {
        Outcome::Passed(passed) if passed.identity.is_some() => Ok(*passed),
        Outcome::Failed { why, .. } => Err(why),
        // The level enforces: without an identity nothing passes.
        Outcome::Passed(_) | Outcome::Skipped => Err(Failure::Signature),
    }
}

/// All is enforced but the expiry, which the gate asks about anew each time.
fn statement(envelope: &Envelope, identity: &NotationIdentity) -> Statement {
    let own = TrustedIdentity::Everybody;
    Statement {
        name: "registered".to_owned(),
        scopes: vec!["*".to_owned()],
        level: Level::Verify(Actions {
            expiry: Action::Skip,
            ..Actions::STRICT
        }),
        stores: [StoreKind::Ca, StoreKind::SigningAuthority, StoreKind::Tsa]
            .into_iter()
            .filter(|kind| !identity.certificates(*kind).is_empty())
            .map(StoreName::own)
            .collect(),
        identities: vec![identity.subject().cloned().unwrap_or(own)],
        // One that is there must hold, and says when. Without one, the arrival does.
        verify_timestamp: match envelope.timestamp() {
            Some(_) => VerifyTimestamp::Always,
            None => VerifyTimestamp::AfterCertExpiry,
        },
    }
}

impl NotationIdentity {
    /// Whether the certificates name this signer, as far as it is trusted for `kind`; says nothing about whether they hold.
    fn means(&self, envelope: &Envelope, kind: StoreKind) -> bool {
        let Some(leaf) = envelope.chain().first() else {
            return false;
        };
        let own = self.certificates(kind);
        let is_named = match self.subject() {
            Some(subject) => subject.matches(leaf.subject()),
            None => own.contains(leaf),
        };
        is_named && envelope.chain().iter().any(|one| own.contains(one))
    }

    /// How closely it is described: one certificate before a subject, and of subjects the longer one.
    fn closeness(&self) -> (bool, usize) {
        let length = self.subject().map_or(0, TrustedIdentity::attributes);
        (self.subject().is_none(), length)
    }
}
