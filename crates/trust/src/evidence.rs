//! The one door for evidence: bytes in any signature format in, a claim out, and whether a known key made it.
//! Deliberately no opinion on what counts: stages, people, scopes, time and which digest the evidence hangs on are the
//! gate's affair. Formats: our stage statement and cosign's statement in sigstore bundles, and cosign's simple
//! signing; with keys, and with certificates that name someone.
//!
//! A claim that is verified was read from exactly the bytes that the key signed. The hint in a bundle is not signed: it
//! chooses which key is tried first, and whom to blame when none fits.

mod attested;
mod certified;
mod checks;
mod notation;

use std::collections::BTreeMap;
use std::fmt;

use oci::{Digest, ImageReference, RepositoryName, Tag};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::attestation::AttestationError;
use crate::bundle::{Bundle, BundleError, Content, Material};
use crate::cosign::{self, PayloadError, SimpleSigning};
use crate::dsse::{self, Envelope};
use crate::encoding::from_base64;
use crate::excerpt::excerpt;
use crate::key::{Algorithm, KeyId, PublicKey};
use crate::notation::Failure;
use crate::openpgp::KeyFault;
use crate::sigstore::Refusal;
use crate::stage::{self, StageError, StageStatement};
use crate::statement::{Statement, StatementError, Subject};
use crate::verified::Verified;

pub use attested::{attested_type, read_attestation, read_attestation_within, verify_attestation};
pub use certified::{
    Anchors, CertifiedClaim, Dated, NoClaim, Signers, certified_signature, read_any_bundle,
    read_any_layer, read_certified_bundle, read_certified_layer,
};
pub use checks::Checks;
pub use notation::{NotationTerms, read_notation};

/// The longest signed statement or payload that makes a claim, in bytes. Attestations may be longer.
pub const CLAIM_BYTES_MAX: usize = 64 * 1024;

/// The format that a claim came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// Our stage statement in a sigstore bundle.
    Stage,
    /// cosign's statement in a sigstore bundle.
    CosignBundle,
    /// cosign's payload in a `.sig` manifest.
    CosignSimpleSigning,
    /// A signed message of OpenPGP, as podman and skopeo write it.
    GpgSimpleSigning,
    /// An envelope of the Notary Project.
    Notation,
    /// An in-toto statement that says something else than that a stage is passed.
    Attestation,
}

impl Format {
    /// Its name: `stage`, `cosign-bundle`, `cosign-simple-signing`, `gpg-simple-signing`, `notation` or
    /// `attestation`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stage => "stage",
            Self::CosignBundle => "cosign-bundle",
            Self::CosignSimpleSigning => "cosign-simple-signing",
            Self::GpgSimpleSigning => "gpg-simple-signing",
            Self::Notation => "notation",
            Self::Attestation => "attestation",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What a signature says, in whatever format it came. A claim alone is only a claim: see [`Reading`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// The format it came in.
    pub format: Format,
    /// The digest it is about.
    pub subject: Digest,
    /// The stage it names, if it names one.
    pub stage: Option<String>,
    /// What kind of statement it is, if it is an attestation; signatures have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub predicate_type: Option<String>,
    /// The repository it names, without the host, if it names one.
    pub repository: Option<RepositoryName>,
    /// The tag that its signer looked at, if it names one; for people.
    pub tag: Option<Tag>,
    /// What else the signer wrote, as text; values that are not texts as JSON.
    pub annotations: BTreeMap<String, String>,
}

/// What a piece of evidence turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reading {
    /// A claim, signed with one of the keys.
    Verified(Verified<Claim>),
    /// A claim that none of the keys signed.
    Unverified {
        /// What it says; believe none of it.
        claim: Claim,
        /// Whose fault that is.
        why: Untrusted,
    },
    /// A statement about something else than a stage passed, such as provenance or an SBOM. Its signature is not
    /// looked at.
    Attestation {
        /// What kind of statement it is, as it says.
        predicate_type: String,
    },
    /// Not a signature over an image in a format that is read.
    Unreadable {
        /// The reason, for people.
        why: String,
    },
}

/// Why no key stands behind a claim.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Untrusted {
    /// None of the keys made the signature, and the key it hints at is not among them.
    #[error("it was signed with a key that is not registered here{}", named(hint.as_deref()))]
    UnknownKey {
        /// The key it hints at, shortened, if it does.
        hint: Option<String>,
    },
    /// It hints at one of the keys, and that key did not make the signature: the document or its signature was changed.
    #[error(
        "it names the key `{key}`, which did not sign these bytes: \
         the signature or the statement was changed{}",
        or_prehashed(*.algorithm)
    )]
    BadSignature {
        /// The key it hints at.
        key: KeyId,
        /// What that key signs with.
        algorithm: Algorithm,
    },
    /// The budget ended before every key was tried, and those that were did not make it.
    #[error(
        "it was not tried with every registered key, because its manifest has too many signatures for that: \
         push it in a manifest of its own, or name its key in it"
    )]
    Unchecked,
    /// It is by one of the OpenPGP keys, or says so, and that must not be believed.
    #[error("it is said to be by the openpgp key `{key}`, {why}")]
    OpenPgp {
        /// The key.
        key: KeyId,
        /// What is wrong with it.
        why: KeyFault,
    },
    /// It holds, and nobody is registered whose certificates are such.
    #[error("it was signed by {identity}, who is not registered here")]
    UnknownIdentity {
        /// Who signed, shortened.
        identity: String,
    },
    /// It was made with a certificate, and there is no root to judge that by.
    #[error(
        "it was signed with a certificate, and no trusted root is configured (`sigstore-root`)"
    )]
    NoRoot,
    /// It was made with a certificate, and does not hold.
    #[error("{0}")]
    Sigstore(Box<Refusal>),
    /// It was made by notation, and does not hold.
    #[error("{0}")]
    Notation(Box<Failure>),
}

/// cosign 3 uses Ed25519ph for Ed25519 keys; cosign 2 and everybody else use Ed25519.
fn or_prehashed(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::Ed25519 => {
            ", or cosign 3 made it, whose ed25519ph is not read: use a key of `cosign generate-key-pair`"
        }
        Algorithm::EcdsaP256 | Algorithm::EcdsaP384 => "",
    }
}

fn named(hint: Option<&str>) -> String {
    hint.map(|hint| format!(": `{hint}`")).unwrap_or_default()
}

/// Reads a sigstore bundle. Only statements with exactly one subject make a claim; a bundle that was signed with a
/// certificate or over a file makes none.
#[must_use]
pub fn read_bundle(bytes: &[u8], keys: &[PublicKey]) -> Reading {
    let checks = &Checks::unlimited();
    read_statement(bytes, Ring { keys, checks }).unwrap_or_else(Reading::unreadable)
}

/// Reads cosign's simple signing: the layer's bytes, and the base64 of its annotation
/// `dev.cosignproject.cosign/signature`.
#[must_use]
pub fn read_simple_signing(payload: &[u8], signature_base64: &str, keys: &[PublicKey]) -> Reading {
    let checks = &Checks::unlimited();
    read_payload(payload, signature_base64, Ring { keys, checks })
}

fn read_payload(payload: &[u8], signature_base64: &str, ring: Ring<'_>) -> Reading {
    let claim = match claim_of_payload(payload) {
        Ok(claim) => claim,
        Err(why) => return Reading::unreadable(why),
    };
    let Some(signature) = from_base64(signature_base64) else {
        return Reading::unreadable(Unreadable::SignatureBase64);
    };
    let signed_by = |key: &PublicKey| key.verify(payload, &signature).is_ok();
    judge(claim, None, ring, payload.len(), signed_by)
}

impl Reading {
    /// The claim, believed or not.
    #[must_use]
    pub fn claim(&self) -> Option<&Claim> {
        match self {
            Self::Verified(verified) => Some(verified.value()),
            Self::Unverified { claim, .. } => Some(claim),
            Self::Attestation { .. } | Self::Unreadable { .. } => None,
        }
    }

    pub(crate) fn unreadable(why: Unreadable) -> Self {
        Self::Unreadable {
            why: why.to_string(),
        }
    }
}

fn read_statement(bytes: &[u8], ring: Ring<'_>) -> Result<Reading, Unreadable> {
    let bundle = Bundle::parse(bytes)?;
    let Content::Envelope(envelope) = bundle.content() else {
        return Err(Unreadable::File);
    };
    if envelope.payload_type != dsse::IN_TOTO {
        return Err(Unreadable::PayloadType(excerpt(&envelope.payload_type)));
    }
    let predicate_type = Statement::parse_predicate_type(&envelope.payload)?;
    let format = match predicate_type.as_str() {
        stage::PREDICATE_TYPE => Format::Stage,
        cosign::SIGN_PREDICATE => Format::CosignBundle,
        _ => return Ok(Reading::Attestation { predicate_type }),
    };
    let claim = claim_of_envelope(envelope, format)?;
    let Material::PublicKey { hint } = bundle.material() else {
        return Err(Unreadable::Certificate);
    };
    let length = envelope.payload.len();
    Ok(judge(claim, hint.as_deref(), ring, length, |key| {
        envelope.is_signed_by(key)
    }))
}

/// The keys that are tried, and how often.
#[derive(Debug, Clone, Copy)]
struct Ring<'a> {
    keys: &'a [PublicKey],
    checks: &'a Checks,
}

/// Tries the hinted key first, then all others while checks are left; the first that fits is the signer. `length` is of what is signed,
/// in bytes.
fn judge(
    claim: Claim,
    hint: Option<&str>,
    ring: Ring<'_>,
    length: usize,
    signed_by: impl Fn(&PublicKey) -> bool,
) -> Reading {
    let Ring { keys, checks } = ring;
    let hinted_id = hint.and_then(KeyId::from_hint);
    let is_hinted = |key: &&PublicKey| Some(key.id()) == hinted_id.as_ref();
    let hinted = keys.iter().find(is_hinted);
    let mut signer = hinted.filter(|key| signed_by(key));
    if signer.is_none() {
        for key in keys.iter().filter(|key| !is_hinted(key)) {
            if !checks.take(length) {
                let why = Untrusted::Unchecked;
                return Reading::Unverified { claim, why };
            }
            if signed_by(key) {
                signer = Some(key);
                break;
            }
        }
    }
    if let Some(signer) = signer {
        return Reading::Verified(Verified::new(claim, signer.id().clone()));
    }
    let why = match hinted {
        Some(key) => Untrusted::BadSignature {
            key: key.id().clone(),
            algorithm: key.algorithm(),
        },
        None => Untrusted::UnknownKey {
            hint: hinted_id
                .map(|id| id.to_string())
                .or_else(|| hint.map(excerpt)),
        },
    };
    Reading::Unverified { claim, why }
}

fn claim_of_envelope(envelope: &Envelope, format: Format) -> Result<Claim, Unreadable> {
    check_size(&envelope.payload)?;
    let statement = Statement::parse(&envelope.payload)?;
    let [subject] = statement.subjects.as_slice() else {
        return Err(Unreadable::Subjects {
            count: statement.subjects.len(),
        });
    };
    let annotations = to_texts(&subject.annotations);
    let (stage, repository, tag) = match format {
        Format::Stage => {
            let StageStatement {
                stage,
                repository,
                tag,
                nonce: _,
            } = StageStatement::parse(&statement)?;
            (Some(stage), Some(repository), tag)
        }
        Format::CosignBundle
        | Format::CosignSimpleSigning
        | Format::GpgSimpleSigning
        | Format::Notation
        | Format::Attestation => (
            stage_annotation(&subject.annotations)?,
            repository_of_name(subject),
            None,
        ),
    };
    Ok(Claim {
        format,
        subject: subject.digest.clone(),
        stage,
        predicate_type: None,
        repository,
        tag,
        annotations,
    })
}

fn claim_of_payload(payload: &[u8]) -> Result<Claim, Unreadable> {
    check_size(payload)?;
    claim_of(SimpleSigning::parse(payload)?, Format::CosignSimpleSigning)
}

/// What a simple-signing payload says.
pub(crate) fn claim_of(said: SimpleSigning, format: Format) -> Result<Claim, Unreadable> {
    let SimpleSigning {
        docker_reference,
        digest,
        optional,
    } = said;
    let stage = stage_annotation(&optional)?;
    let (repository, tag) = match docker_reference {
        Some(reference) => (Some(reference.repository), reference.tag),
        None => (None, None),
    };
    let annotations = to_texts(&optional);
    Ok(Claim {
        format,
        subject: digest,
        stage,
        predicate_type: None,
        repository,
        tag,
        annotations,
    })
}

/// cosign 3 leaves the subject's name empty; `cosign attest` writes `host/repository` there. Other names are free text.
fn repository_of_name(subject: &Subject) -> Option<RepositoryName> {
    let reference = ImageReference::parse(&subject.name).ok()?;
    reference.host.is_some().then_some(reference.repository)
}

fn stage_annotation(annotations: &BTreeMap<String, Value>) -> Result<Option<String>, Unreadable> {
    let Some(value) = annotations.get(cosign::STAGE_ANNOTATION) else {
        return Ok(None);
    };
    let name = value.as_str().ok_or(Unreadable::StageAnnotation)?;
    stage::check_name(name)?;
    Ok(Some(name.to_owned()))
}

fn to_texts(annotations: &BTreeMap<String, Value>) -> BTreeMap<String, String> {
    let text = |value: &Value| {
        value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned)
    };
    annotations
        .iter()
        .map(|(key, value)| (key.clone(), text(value)))
        .collect()
}

fn check_size(signed: &[u8]) -> Result<(), Unreadable> {
    if signed.len() > CLAIM_BYTES_MAX {
        Err(Unreadable::Size {
            bytes: signed.len(),
        })
    } else {
        Ok(())
    }
}

/// Why bytes are no signature over an image.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unreadable {
    #[error(transparent)]
    Bundle(#[from] BundleError),
    #[error(transparent)]
    Statement(#[from] StatementError),
    #[error(transparent)]
    Attestation(#[from] AttestationError),
    #[error(transparent)]
    Stage(#[from] StageError),
    #[error(transparent)]
    Payload(#[from] PayloadError),
    #[error("it signs a file, not an image: use `countersign sign` or `cosign sign`")]
    File,
    #[error(
        "it was signed with a certificate: only signatures made with a registered key are read"
    )]
    Certificate,
    #[error("it is a signature, not an attestation: it belongs into a bundle of its own")]
    Signature,
    #[error("none of its subjects can be an image")]
    NoImage,
    #[error("it attests `{0}`: that is no signature over an image")]
    Predicate(String),
    #[error("its payload is `{0}`, not an in-toto statement")]
    PayloadType(String),
    #[error("its statement has {count} subjects: a signature is about exactly one digest")]
    Subjects { count: usize },
    #[error("limit exceeded: its statement has {bytes} bytes, at most {max} are read", max = CLAIM_BYTES_MAX)]
    Size { bytes: usize },
    #[error("its annotation `{name}` is not a text", name = cosign::STAGE_ANNOTATION)]
    StageAnnotation,
    #[error("its signature is not canonical base64")]
    SignatureBase64,
    #[error("it is no signature of notation that can be read: {0}")]
    Notation(String),
    #[error("it is no openpgp message that can be read: {0}")]
    OpenPgp(String),
    #[error(
        "it is no signed message of openpgp around a payload, as podman and skopeo write it with `--sign-by`"
    )]
    NotSigned,
    #[error("its openpgp message has {count} signatures: it must have one")]
    Signatures { count: usize },
    #[error("its openpgp signature is one over text, or over something else than a document")]
    SignatureType,
    #[error(
        "its openpgp signature is over {0}, or has a part that must be understood and is not: \
         only SHA-256 and better are believed"
    )]
    Hash(String),
}

#[cfg(test)]
mod tests;
