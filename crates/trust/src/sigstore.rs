//! Signatures of the sigstore family, judged: made with a key or with a certificate that names someone, with what logs and
//! timestamp authorities say about them, all under a trusted root that is given as a file. Bytes and a time in; who
//! signed what, and when, or one precise [`Refusal`] out. Deliberately no network, no clock and no root built in, and no
//! opinion on who counts: `policy` has that. sigstore `client-spec.md` section 4; cosign `SIGNATURE_SPEC.md`.

use oci::Digest;

mod certificate;
mod entry;
mod identity;
mod judge;
mod layer;
mod log;
mod refusal;
mod root;
mod sct;
mod timestamp;

pub use certificate::CertificateFault;
pub use entry::EntryFault;
pub use identity::{Identity, IdentityRule, Pattern};
pub use layer::{
    ANNOTATIONS as LAYER_ANNOTATIONS, CERTIFICATE as CERTIFICATE_ANNOTATION, Layer,
    SIGNATURE as SIGNATURE_ANNOTATION, verify_attestation_layer, verify_signature_layer,
};
pub use log::LogFault;
pub use refusal::Refusal;
pub use root::{AUTHORITIES_MAX, ROOT_BYTES_MAX, RootError, TrustedRoot};
pub use sct::SctFault;
pub use timestamp::{TIMESTAMP_BYTES_MAX, TimestampFault};

use crate::attestation::Attestation;
use crate::bundle::{Bundle, Content, Material};
use crate::cosign::SimpleSigning;
use crate::key::{KeyId, PublicKey};
use judge::{Court, Over, Signature};
use log::Needs;

/// Who must have signed, and what must vouch for it.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'a> {
    /// Who.
    pub signer: ExpectedSigner<'a>,
    /// What must vouch for the signature.
    pub demands: Demands,
}

/// Who must have signed.
#[derive(Debug, Clone, Copy)]
pub enum ExpectedSigner<'a> {
    /// This key.
    Key(&'a PublicKey),
    /// Someone whom an authority of the trusted root vouched for.
    Identity(&'a IdentityRule),
}

/// What must vouch for a signature: how many, each different from the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Demands {
    /// Transparency logs that hold the signature.
    pub logs: usize,
    /// Certificate logs that hold the certificate.
    pub certificate_logs: usize,
    /// Trusted times. Without any, a certificate must hold now.
    pub times: usize,
}

impl Demands {
    /// What sigstore's clients ask of certificates: one of each.
    pub const CERTIFICATE: Self = Self {
        logs: 1,
        certificate_logs: 1,
        times: 1,
    };
    /// A key that is known needs nobody beside it. What is there must hold all the same.
    pub const KEY: Self = Self {
        logs: 0,
        certificate_logs: 0,
        times: 0,
    };
}

impl<'a> Expected<'a> {
    /// This key; nobody need vouch for it.
    #[must_use]
    pub fn key(key: &'a PublicKey) -> Self {
        Self {
            signer: ExpectedSigner::Key(key),
            demands: Demands::KEY,
        }
    }

    /// Such an identity, vouched for by one log of each kind and one trusted time.
    #[must_use]
    pub fn identity(rule: &'a IdentityRule) -> Self {
        Self {
            signer: ExpectedSigner::Identity(rule),
            demands: Demands::CERTIFICATE,
        }
    }
}

/// What a signature must be about.
#[derive(Debug, Clone, Copy)]
pub enum Artifact<'a> {
    /// The thing with this digest, such as an image's manifest.
    Digest(&'a Digest),
    /// These bytes.
    Bytes(&'a [u8]),
}

/// A signature that holds, and what follows from it. Says nothing about whether its signer counts.
#[derive(Debug, Clone, PartialEq)]
pub struct Verification {
    signer: SignedBy,
    says: Says,
    times: Vec<TrustedTime>,
    log_indices: Vec<u64>,
}

/// Who signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignedBy {
    /// A key.
    Key(KeyId),
    /// Someone named in a certificate.
    Identity(Identity),
}

/// What was signed.
#[derive(Debug, Clone, PartialEq)]
pub enum Says {
    /// A statement of any predicate.
    Statement(Attestation),
    /// cosign's payload about an image.
    Payload(SimpleSigning),
    /// A file as it is.
    File(Digest),
}

/// A time at which the signature existed, in milliseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct TrustedTime {
    /// The time.
    pub at: i64,
    /// Who says so.
    pub source: TimeSource,
}

/// Who vouches for a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TimeSource {
    /// A timestamp authority.
    Authority,
    /// A transparency log's promise.
    Log,
}

impl Verification {
    /// Who signed.
    #[must_use]
    pub fn signer(&self) -> &SignedBy {
        &self.signer
    }

    /// What was signed.
    #[must_use]
    pub fn says(&self) -> &Says {
        &self.says
    }

    /// When it was signed at the latest, by each who is trusted to say; earliest first.
    #[must_use]
    pub fn times(&self) -> &[TrustedTime] {
        &self.times
    }

    /// The numbers of its entries in transparency logs.
    #[must_use]
    pub fn log_indices(&self) -> &[u64] {
        &self.log_indices
    }
}

/// Judges a bundle of version 0.1 to 0.3. `now` is in milliseconds since 1970; only times after it are refused by it, and
/// certificates for which no trusted time is demanded.
pub fn verify_bundle(
    bytes: &[u8],
    artifact: Artifact<'_>,
    root: &TrustedRoot,
    expected: Expected<'_>,
    now: i64,
) -> Result<Verification, Refusal> {
    let bundle = Bundle::parse(bytes)?;
    let certificates = match bundle.material() {
        Material::PublicKey { .. } => &[][..],
        Material::Certificates(chain) => chain.as_slice(),
    };
    let signature = Signature {
        certificates,
        entries: bundle.log_entries(),
        timestamps: bundle.timestamps(),
        needs: if bundle.is_v01() {
            Needs::Promise
        } else {
            Needs::Proof
        },
        bytes: bundle.signature(),
        over: match bundle.content() {
            Content::Envelope(envelope) => Over::Envelope(envelope),
            Content::MessageSignature(message) => Over::File(message),
        },
    };
    signature.verify(
        artifact,
        &Court {
            root,
            expected,
            now,
        },
    )
}
