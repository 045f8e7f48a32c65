//! Why a signature is not believed: one variant a reason, each with a stable code. Deliberately no opinion on what a gate
//! makes of it.

use super::certificate::CertificateFault;
use super::entry::EntryFault;
use super::identity::Identity;
use super::log::LogFault;
use super::sct::SctFault;
use super::timestamp::TimestampFault;
use crate::attestation::AttestationError;
use crate::bundle::BundleError;
use crate::cosign::PayloadError;
use crate::key::KeyId;

/// Why a signature is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Not a bundle that is read.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// The parts of a `.sig` or `.att` layer do not make a signature.
    #[error("the layer's {0} cannot be read")]
    Layer(&'static str),
    /// The signed statement cannot be read.
    #[error(transparent)]
    Statement(#[from] AttestationError),
    /// The signed payload cannot be read.
    #[error(transparent)]
    Payload(#[from] PayloadError),
    /// A key was expected and a certificate came.
    #[error("it was made with a certificate, and a key is expected")]
    ExpectsKey,
    /// A certificate was expected, and it was made with a key.
    #[error("it was made with a key, and a certificate is expected")]
    ExpectsCertificate,
    /// The certificate's key is of a kind that is not supported.
    #[error("the certificate's key is of a kind that is not supported")]
    KeyKind,
    /// The certificate does not hold.
    #[error(transparent)]
    Certificate(#[from] CertificateFault),
    /// No certificate log vouches for the certificate.
    #[error(transparent)]
    CertificateLog(#[from] SctFault),
    /// The certificate names nobody in a form that is known.
    #[error("the certificate names nobody, or several")]
    NoIdentity,
    /// The certificate names someone else.
    #[error("it was signed by `{}`, vouched for by `{}`, who is not expected", .0.subject, .0.issuer)]
    OtherIdentity(Box<Identity>),
    /// A timestamp does not hold.
    #[error(transparent)]
    Timestamp(#[from] TimestampFault),
    /// Nothing that is trusted says when it was signed.
    #[error(
        "nothing trusted says when it was signed: {found} of {needed} times, and a certificate needs them"
    )]
    NoTime {
        /// How many there are.
        found: usize,
        /// How many are needed.
        needed: usize,
    },
    /// A trusted time lies ahead.
    #[error("it was signed in the future")]
    Future,
    /// A log does not stand behind its entry.
    #[error(transparent)]
    Log(#[from] LogFault),
    /// An entry is about something else.
    #[error(transparent)]
    Entry(#[from] EntryFault),
    /// Too few logs.
    #[error("{found} of {needed} transparency logs stand behind it")]
    NotLogged {
        /// How many do.
        found: usize,
        /// How many are needed.
        needed: usize,
    },
    /// The signature does not fit.
    #[error("the signature does not fit these bytes and the key `{0}`: one of them was changed")]
    Signature(KeyId),
    /// It is about another image or file.
    #[error("it is about something else, not about `{0}`")]
    OtherSubject(String),
}

impl Refusal {
    /// Whether the trusted root, or what is asked for beside it, is why: no authority or log that it names stands behind the signature.
    /// Under another root it may hold, so that nothing is said about the signature itself.
    #[must_use]
    pub fn is_of_root(&self) -> bool {
        match self {
            Self::Certificate(fault) => {
                matches!(
                    fault,
                    CertificateFault::NoAuthority | CertificateFault::Path
                )
            }
            Self::CertificateLog(fault) => matches!(fault, SctFault::UnknownLog),
            Self::Timestamp(fault) => matches!(
                fault,
                TimestampFault::UnknownAuthority | TimestampFault::Window
            ),
            Self::Log(fault) => matches!(fault, LogFault::UnknownLog | LogFault::Window),
            Self::NoTime { .. } | Self::NotLogged { .. } => true,
            _ => false,
        }
    }

    /// A stable code in kebab case, for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Bundle(_) | Self::Layer(_) | Self::Statement(_) | Self::Payload(_) => {
                "signature-unreadable"
            }
            Self::ExpectsKey | Self::ExpectsCertificate => "other-kind-of-signer",
            Self::KeyKind => "certificate-key-unsupported",
            Self::Certificate(CertificateFault::Validity { .. }) => "certificate-not-valid-then",
            Self::Certificate(_) | Self::NoIdentity => "certificate-not-trusted",
            Self::CertificateLog(_) => "certificate-not-logged",
            Self::OtherIdentity(_) => "other-identity",
            Self::Timestamp(_) => "timestamp-not-trusted",
            Self::NoTime { .. } => "no-trusted-time",
            Self::Future => "signed-in-the-future",
            Self::Log(_) | Self::NotLogged { .. } => "log-not-trusted",
            Self::Entry(_) => "log-entry-of-another",
            Self::Signature(_) => "bad-signature",
            Self::OtherSubject(_) => "other-subject",
        }
    }
}
