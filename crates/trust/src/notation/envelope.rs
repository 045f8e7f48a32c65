//! A signature envelope in either format, read or to be written. Deliberately no verdict: an envelope that could be read is only
//! well formed, and its own certificates say who made it. signature-specification "Signature Envelope".

use super::attributes::{AttributeError, Attributes};
use super::certificate::{Certificate, CertificateError};
use super::chain::CHAIN_MAX;
use super::{cose, jws};
use crate::strict::JsonError;

/// The longest envelope that is read, in bytes: a chain of ten large certificates and a timestamp with its own have 100 KiB.
pub const ENVELOPE_BYTES_MAX: usize = 1024 * 1024;

/// The format of an envelope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Format {
    /// JWS, flattened JSON.
    Jws,
    /// COSE_Sign1, tagged.
    Cose,
}

impl Format {
    /// The media type of the layer.
    #[must_use]
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Jws => "application/jose+json",
            Self::Cose => "application/cose",
        }
    }

    /// The format that bytes are in, if they are an envelope at all: one of JSON is an object, the other is not.
    #[must_use]
    pub fn of_bytes(bytes: &[u8]) -> Self {
        match bytes.trim_ascii_start().first() {
            Some(b'{') => Self::Jws,
            _ => Self::Cose,
        }
    }

    /// The format of a layer of this media type.
    #[must_use]
    pub fn of_media_type(media_type: &str) -> Option<Self> {
        [Self::Jws, Self::Cose]
            .into_iter()
            .find(|format| format.media_type() == media_type)
    }
}

/// An envelope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    pub(super) format: Format,
    /// The protected headers, byte for byte.
    pub(super) protected: Vec<u8>,
    pub(super) attributes: Attributes,
    pub(super) payload: Vec<u8>,
    pub(super) signature: Vec<u8>,
    pub(super) chain: Vec<Certificate>,
    pub(super) timestamp: Option<Vec<u8>>,
    pub(super) agent: Option<String>,
}

impl Envelope {
    /// Reads an envelope.
    pub fn parse(format: Format, bytes: &[u8]) -> Result<Self, EnvelopeError> {
        if bytes.len() > ENVELOPE_BYTES_MAX {
            return Err(EnvelopeError::Size { bytes: bytes.len() });
        }
        match format {
            Format::Jws => jws::parse(bytes),
            Format::Cose => cose::parse(bytes),
        }
    }

    /// Writes it. What was signed stays byte for byte as it was read.
    pub fn to_bytes(&self) -> Result<Vec<u8>, EnvelopeError> {
        match self.format {
            Format::Jws => jws::write(self),
            Format::Cose => cose::write(self),
        }
    }

    /// Its format.
    #[must_use]
    pub fn format(&self) -> Format {
        self.format
    }

    /// What it says of itself; believe none of it before the signature is verified.
    #[must_use]
    pub fn attributes(&self) -> &Attributes {
        &self.attributes
    }

    /// The payload's bytes.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// The signature itself: what a timestamp is over.
    #[must_use]
    pub fn signature(&self) -> &[u8] {
        &self.signature
    }

    /// Its certificates, leaf first.
    #[must_use]
    pub fn chain(&self) -> &[Certificate] {
        &self.chain
    }

    /// The RFC 3161 token that it carries, as DER.
    #[must_use]
    pub fn timestamp(&self) -> Option<&[u8]> {
        self.timestamp.as_deref()
    }

    /// The program that says that it made it; signed by nobody.
    #[must_use]
    pub fn agent(&self) -> Option<&str> {
        self.agent.as_deref()
    }

    /// The same with a timestamp token (DER) over [`Envelope::signature`].
    #[must_use]
    pub fn with_timestamp(self, token: Vec<u8>) -> Self {
        Self {
            timestamp: Some(token),
            ..self
        }
    }

    pub(super) fn signed_bytes(&self) -> Vec<u8> {
        match self.format {
            Format::Jws => jws::signed_bytes(&self.protected, &self.payload),
            Format::Cose => cose::signed_bytes(&self.protected, &self.payload),
        }
    }
}

pub(super) fn chain(ders: &[Vec<u8>]) -> Result<Vec<Certificate>, EnvelopeError> {
    if ders.len() > CHAIN_MAX {
        return Err(EnvelopeError::Chain { count: ders.len() });
    }
    let chain: Result<_, _> = ders.iter().map(|der| Certificate::parse(der)).collect();
    Ok(chain?)
}

/// Why bytes are not an envelope.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// Too long.
    #[error("limit exceeded: an envelope of {bytes} bytes, at most {max} are read", max = ENVELOPE_BYTES_MAX)]
    Size {
        /// Its length in bytes.
        bytes: usize,
    },
    /// Not the JSON of a flattened JWS.
    #[error("it is not a flattened jws: {0}")]
    Json(#[from] JsonError),
    /// Not base64 in the one form that each part has.
    #[error("its `{part}` is not base64 as rfc 7515 has it")]
    Base64 {
        /// The part.
        part: &'static str,
    },
    /// Not a tagged COSE_Sign1.
    #[error("it is not a tagged cose_sign1: {0}")]
    Cose(String),
    /// A header that must be signed stands among those that are not.
    #[error("its header `{name}` stands where nobody signs it")]
    Unsigned {
        /// The header, shortened.
        name: String,
    },
    /// No certificates, or in another form.
    #[error("it has no list of certificates")]
    NoChain,
    /// Too many certificates.
    #[error("limit exceeded: a chain of {count} certificates, at most {max} are read", max = CHAIN_MAX)]
    Chain {
        /// How many there are.
        count: usize,
    },
    /// A certificate that cannot be read.
    #[error("one of its certificates cannot be read: {0}")]
    Certificate(#[from] CertificateError),
    /// The signed attributes.
    #[error(transparent)]
    Attributes(#[from] AttributeError),
}
