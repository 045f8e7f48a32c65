//! Signatures with certificates of the sigstore family: what they claim, and whether somebody is registered whose certificates are such.
//! The steps are `sigstore`'s. Deliberately without a clock: the caller says as of when, which is when the bytes arrived.

use std::collections::BTreeMap;

use super::{
    Checks, Claim, Format, Reading, Ring, Unreadable, Untrusted, claim_of_envelope,
    claim_of_payload, read_payload, read_statement,
};
use crate::bundle::{Bundle, Content};
use crate::excerpt::excerpt;
use crate::key::PublicKey;
use crate::notation::RevocationLists;
use crate::registered::SigstoreIdentity;
use crate::sigstore::{
    self, Artifact, Demands, Expected, ExpectedSigner, Identity, IdentityRule, Layer, Refusal,
    SignedBy, TrustedRoot, TrustedTime, Verification,
};
use crate::statement::Statement;
use crate::verified::Verified;
use crate::{cosign, stage, strict};

/// By whose word certificates are judged, as the operator set it. By itself: nobody's.
#[derive(Debug, Clone, Default)]
pub struct Anchors {
    /// The trusted root of sigstore, and what must vouch for a signature.
    pub sigstore: Option<(TrustedRoot, Demands)>,
    /// The revocation lists for certificates of notation; without any, none is asked for.
    pub revocation: Option<RevocationLists>,
}

/// Who may have signed.
#[derive(Debug, Clone, Copy)]
pub struct Signers<'a> {
    /// By a key.
    pub keys: &'a [PublicKey],
    /// By a certificate.
    pub identities: &'a [SigstoreIdentity],
    /// By whose word.
    pub anchors: &'a Anchors,
    /// How often keys are tried.
    pub checks: &'a Checks,
}

impl<'a> Signers<'a> {
    fn ring(self) -> Ring<'a> {
        let Self { keys, checks, .. } = self;
        Ring { keys, checks }
    }
}

/// What was read, and the times that go with it, in milliseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dated {
    /// What was read.
    pub reading: Reading,
    /// By when the signature was there, as somebody trusted says.
    pub trusted_at: Option<i64>,
    /// The first instant at which it no longer holds, where its signer set one.
    pub ends_at: Option<i64>,
}

impl From<Reading> for Dated {
    fn from(reading: Reading) -> Self {
        Self {
            reading,
            trusted_at: None,
            ends_at: None,
        }
    }
}

/// Reads a sigstore bundle, made with a key or a certificate. `at`: when it arrived, in milliseconds since 1970.
#[must_use]
pub fn read_any_bundle(bytes: &[u8], signers: Signers<'_>, at: i64) -> Dated {
    match read_statement(bytes, signers.ring()) {
        Ok(reading) => reading.into(),
        Err(Unreadable::Certificate) => match claim_of_bundle(bytes) {
            Ok(claim) => judge(claim, signers, at, |claim, root, demands, at| {
                verify_bundle(bytes, claim, root, demands, at)
            }),
            Err(why) => Reading::unreadable(why).into(),
        },
        Err(why) => Reading::unreadable(why).into(),
    }
}

/// Reads a layer of cosign's simple signing, made with a key or a certificate. `signature`: the base64 of its annotation, or what
/// [`certified_signature`] makes of all of them. `at`: when it arrived, in milliseconds since 1970.
#[must_use]
pub fn read_any_layer(payload: &[u8], signature: &str, signers: Signers<'_>, at: i64) -> Dated {
    if !signature.starts_with('{') {
        return read_payload(payload, signature, signers.ring()).into();
    }
    let parsed: Result<BTreeMap<String, String>, _> =
        strict::parse(signature.as_bytes(), ANNOTATIONS_BYTES_MAX);
    let Ok(annotations) = parsed else {
        return Reading::unreadable(Unreadable::SignatureBase64).into();
    };
    // A key that is known needs no certificate beside it, and what is wrong with one says nothing of keys that were not tried.
    let base64 = annotations.get(sigstore::SIGNATURE_ANNOTATION);
    let by_key = read_payload(payload, base64.map_or("", String::as_str), signers.ring());
    let (claim, why) = match by_key {
        Reading::Unverified { claim, why } => (claim, why),
        other => return other.into(),
    };
    let layer = Layer {
        bytes: payload,
        annotations: &annotations,
    };
    let by_certificate = judge(claim.clone(), signers, at, |claim, root, demands, at| {
        verify_layer(layer, claim, root, demands, at)
    });
    match by_certificate.reading {
        Reading::Verified(_) => by_certificate,
        _ if why == Untrusted::Unchecked => Reading::Unverified { claim, why }.into(),
        _ => by_certificate,
    }
}

/// What must be kept of a layer's annotations to read it again, as one text: the signature's base64 alone, or all that belongs to a
/// certificate as a JSON object. `None` where there is no signature, or too much beside it.
#[must_use]
pub fn certified_signature(annotations: &BTreeMap<String, String>) -> Option<String> {
    let signature = annotations.get(sigstore::SIGNATURE_ANNOTATION)?;
    let is_certified = annotations
        .get(sigstore::CERTIFICATE_ANNOTATION)
        .is_some_and(|certificate| !certificate.is_empty());
    if !is_certified {
        return Some(signature.clone());
    }
    let kept: BTreeMap<&str, &String> = sigstore::LAYER_ANNOTATIONS
        .iter()
        .filter_map(|name| Some((*name, annotations.get(*name)?)))
        .collect();
    let text = serde_json::to_string(&kept).ok()?;
    (text.len() <= ANNOTATIONS_BYTES_MAX).then_some(text)
}

/// The identity that is meant most closely; of two the one that was registered first.
fn judge(
    claim: Claim,
    signers: Signers<'_>,
    at: i64,
    verify: impl Fn(&Claim, &TrustedRoot, Demands, i64) -> Result<Verification, Refusal>,
) -> Dated {
    let Some((root, demands)) = &signers.anchors.sigstore else {
        let why = Untrusted::NoRoot;
        return Reading::Unverified { claim, why }.into();
    };
    let verified = match verify(&claim, root, *demands, at) {
        // Clocks differ. Whoever has a time of somebody trusted is not judged by ours.
        Err(Refusal::Future) => verify(&claim, root, *demands, at.saturating_add(SKEW)),
        other => other,
    };
    let certified = verified.and_then(|verified| CertifiedClaim::new(claim.clone(), &verified));
    let certified = match certified {
        Ok(certified) => certified,
        Err(refusal) => {
            let why = Untrusted::Sigstore(Box::new(refusal));
            return Reading::Unverified { claim, why }.into();
        }
    };
    let meant = signers
        .identities
        .iter()
        .rev()
        .filter(|identity| identity.matches(certified.identity()))
        .max_by_key(|identity| identity.closeness());
    let reading = match meant {
        Some(identity) => Reading::Verified(Verified::new(claim, identity.id().clone())),
        None => {
            let Identity {
                issuer, subject, ..
            } = certified.identity();
            let identity = format!("`{}` by `{}`", excerpt(subject), excerpt(issuer));
            let why = Untrusted::UnknownIdentity { identity };
            Reading::Unverified { claim, why }
        }
    };
    Dated {
        reading,
        trusted_at: certified.times().first().map(|time| time.at),
        ends_at: None,
    }
}

/// A claim that someone signed whom an authority of the trusted root vouched for. Says nothing about whether they count:
/// the caller compares the identity with those that are registered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertifiedClaim {
    claim: Claim,
    identity: Identity,
    times: Vec<TrustedTime>,
}

impl CertifiedClaim {
    /// What was signed.
    #[must_use]
    pub fn claim(&self) -> &Claim {
        &self.claim
    }

    /// Who signed.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// When it was signed at the latest, by each who is trusted to say; earliest first.
    #[must_use]
    pub fn times(&self) -> &[TrustedTime] {
        &self.times
    }

    fn new(claim: Claim, verification: &Verification) -> Result<Self, Refusal> {
        match verification.signer() {
            SignedBy::Identity(identity) => Ok(Self {
                claim,
                identity: identity.clone(),
                times: verification.times().to_vec(),
            }),
            SignedBy::Key(_) => Err(Refusal::ExpectsCertificate),
        }
    }
}

/// Why a certificate's signature makes no claim.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoClaim {
    /// Not a signature over an image in a format that is read; the reason, for people.
    #[error("{0}")]
    Unreadable(String),
    /// It does not hold.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

impl From<Unreadable> for NoClaim {
    fn from(why: Unreadable) -> Self {
        Self::Unreadable(why.to_string())
    }
}

/// Reads a sigstore bundle that was signed with a certificate. `now` is in milliseconds since 1970.
pub fn read_certified_bundle(
    bytes: &[u8],
    root: &TrustedRoot,
    demands: Demands,
    now: i64,
) -> Result<CertifiedClaim, NoClaim> {
    let claim = claim_of_bundle(bytes)?;
    let verification = verify_bundle(bytes, &claim, root, demands, now)?;
    Ok(CertifiedClaim::new(claim, &verification)?)
}

/// Reads cosign's simple signing that was made with a certificate: a layer of a `.sig` manifest. `now` is in milliseconds
/// since 1970.
pub fn read_certified_layer(
    layer: Layer<'_>,
    root: &TrustedRoot,
    demands: Demands,
    now: i64,
) -> Result<CertifiedClaim, NoClaim> {
    let claim = claim_of_payload(layer.bytes)?;
    let verification = verify_layer(layer, &claim, root, demands, now)?;
    Ok(CertifiedClaim::new(claim, &verification)?)
}

fn claim_of_bundle(bytes: &[u8]) -> Result<Claim, Unreadable> {
    let bundle = Bundle::parse(bytes)?;
    let Content::Envelope(envelope) = bundle.content() else {
        return Err(Unreadable::File);
    };
    let predicate_type = Statement::parse_predicate_type(&envelope.payload)?;
    let format = match predicate_type.as_str() {
        stage::PREDICATE_TYPE => Format::Stage,
        cosign::SIGN_PREDICATE => Format::CosignBundle,
        _ => return Err(Unreadable::Predicate(excerpt(&predicate_type))),
    };
    claim_of_envelope(envelope, format)
}

fn verify_bundle(
    bytes: &[u8],
    claim: &Claim,
    root: &TrustedRoot,
    demands: Demands,
    now: i64,
) -> Result<Verification, Refusal> {
    let anyone = IdentityRule::new("*", "*");
    let artifact = Artifact::Digest(&claim.subject);
    sigstore::verify_bundle(bytes, artifact, root, certified_by(&anyone, demands), now)
}

fn verify_layer(
    layer: Layer<'_>,
    claim: &Claim,
    root: &TrustedRoot,
    demands: Demands,
    now: i64,
) -> Result<Verification, Refusal> {
    let anyone = IdentityRule::new("*", "*");
    let artifact = Artifact::Digest(&claim.subject);
    sigstore::verify_signature_layer(layer, artifact, root, certified_by(&anyone, demands), now)
}

fn certified_by(rule: &IdentityRule, demands: Demands) -> Expected<'_> {
    Expected {
        signer: ExpectedSigner::Identity(rule),
        demands,
    }
}

/// The most bytes of a layer's annotations that are kept.
const ANNOTATIONS_BYTES_MAX: usize = 256 * 1024;
/// How far the clock of a log or an authority may be ahead, in milliseconds.
const SKEW: i64 = 5 * 60 * 1000;
