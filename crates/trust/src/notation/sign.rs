//! Signing: an envelope in either format, with a key that its certificate's key dictates the algorithm of. Deliberately no choice of
//! algorithm, and no timestamp: that is asked for afterwards, over the signature. signature-specification "Signature Envelope".

use std::fmt;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING,
    ECDSA_P521_SHA512_FIXED_SIGNING, EcdsaKeyPair, RSA_PSS_SHA256, RSA_PSS_SHA384, RSA_PSS_SHA512,
};
use oci::Descriptor;

use super::algorithm::{Algorithm, Hash};
use super::attributes::{AttributeError, Attributes, Extended, Raw, Scheme};
use super::certificate::Certificate;
use super::chain::{self, ChainFault, Purpose};
use super::envelope::{Envelope, Format};
use super::{cose, jws, payload};
use crate::der::{ecdsa_numbers, trimmed};
use crate::key;
use crate::pem;
use crate::private::{PrivateKeyError, SignError, Signer};

/// Something that signs envelopes: a key in memory, in a device or a service.
pub trait EnvelopeSigner: Send + Sync {
    /// The algorithm of its key.
    fn algorithm(&self) -> Algorithm;

    /// Signs the message; ECDSA gives `r` and `s` in a row, each as long as the curve.
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError>;
}

/// A private key in memory.
pub struct EnvelopeKey {
    algorithm: Algorithm,
    pair: Pair,
}

enum Pair {
    Ecdsa(EcdsaKeyPair),
    Rsa(rsa::KeyPair),
}

impl EnvelopeKey {
    /// Reads an unencrypted key in PEM (`PRIVATE KEY`), as notation and openssl write it.
    pub fn from_pem(text: &str) -> Result<Self, PrivateKeyError> {
        let der = pem::decode(text, &["PRIVATE KEY"]).map_err(|_| PrivateKeyError::Form)?;
        Self::from_pkcs8_der(&der)
    }

    /// Reads an unencrypted PKCS #8 key (DER): RSA of 2048, 3072 or 4096 bits, EC on P-256, P-384 or P-521.
    pub fn from_pkcs8_der(der: &[u8]) -> Result<Self, PrivateKeyError> {
        for (algorithm, signing) in [
            (Algorithm::Es256, &ECDSA_P256_SHA256_FIXED_SIGNING),
            (Algorithm::Es384, &ECDSA_P384_SHA384_FIXED_SIGNING),
            (Algorithm::Es512, &ECDSA_P521_SHA512_FIXED_SIGNING),
        ] {
            if let Ok(pair) = EcdsaKeyPair::from_pkcs8(signing, der) {
                let pair = Pair::Ecdsa(pair);
                return Ok(Self { algorithm, pair });
            }
        }
        let pair = rsa::KeyPair::from_pkcs8(der).map_err(|_| PrivateKeyError::Form)?;
        let algorithm = match pair.public_modulus_len() {
            256 => Algorithm::Ps256,
            384 => Algorithm::Ps384,
            512 => Algorithm::Ps512,
            _ => return Err(PrivateKeyError::Form),
        };
        let pair = Pair::Rsa(pair);
        Ok(Self { algorithm, pair })
    }
}

impl EnvelopeSigner for EnvelopeKey {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        let failed = |_| SignError("the key's library".into());
        let random = SystemRandom::new();
        match &self.pair {
            Pair::Ecdsa(pair) => {
                let signature = pair.sign(&random, message).map_err(failed)?;
                Ok(signature.as_ref().to_vec())
            }
            Pair::Rsa(pair) => {
                let encoding = match self.algorithm.hash() {
                    Hash::Sha256 => &RSA_PSS_SHA256,
                    Hash::Sha384 => &RSA_PSS_SHA384,
                    Hash::Sha512 => &RSA_PSS_SHA512,
                };
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(encoding, &random, message, &mut signature)
                    .map_err(failed)?;
                Ok(signature)
            }
        }
    }
}

impl fmt::Debug for EnvelopeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EnvelopeKey({})", self.algorithm)
    }
}

/// A signer of other statements that signs envelopes: its hash is the one that its curve dictates here too.
pub struct KeySigner {
    signer: Box<dyn Signer>,
    algorithm: Algorithm,
    /// How long `r` and `s` are, in bytes.
    number_bytes: usize,
}

impl KeySigner {
    /// `None` for keys on Ed25519, which the Notary Project does not have.
    #[must_use]
    pub fn new(signer: Box<dyn Signer>) -> Option<Self> {
        let (algorithm, number_bytes) = match signer.public_key().algorithm() {
            key::Algorithm::EcdsaP256 => (Algorithm::Es256, 32),
            key::Algorithm::EcdsaP384 => (Algorithm::Es384, 48),
            key::Algorithm::Ed25519 => return None,
        };
        Some(Self {
            signer,
            algorithm,
            number_bytes,
        })
    }
}

impl EnvelopeSigner for KeySigner {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        let signature = self.signer.sign(message)?;
        // RFC 7518 section 3.4: each number as long as the curve, with leading zeros.
        let fixed = |number: &[u8]| {
            let bare = trimmed(number);
            let zeros = self.number_bytes.checked_sub(bare.len())?;
            Some([vec![0; zeros], bare.to_vec()].concat())
        };
        ecdsa_numbers(&signature)
            .and_then(|(r, s)| Some([fixed(r)?, fixed(s)?].concat()))
            .ok_or_else(|| SignError("the signer: it gave no signature of ecdsa".into()))
    }
}

impl fmt::Debug for KeySigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeySigner({})", self.algorithm)
    }
}

/// What to sign.
#[derive(Debug, Clone)]
pub struct Request<'a> {
    /// The artifact.
    pub artifact: &'a Descriptor,
    /// The signing scheme, with its time; in whole seconds.
    pub scheme: Scheme,
    /// Until when the artifact is to be used, in milliseconds since 1970, if that is to be said.
    pub expiry: Option<i64>,
    /// Attributes of one's own, texts all. A reader that does not know a critical one refuses the signature.
    pub extended: Vec<Extended>,
    /// The certificates, leaf first, root last.
    pub chain: &'a [Certificate],
    /// The program that signs, such as `countersign/1.0`.
    pub agent: Option<String>,
}

/// Signs.
pub fn sign(
    request: &Request<'_>,
    format: Format,
    signer: &dyn EnvelopeSigner,
) -> Result<Envelope, EnvelopeSignError> {
    let payload = payload::build(request.artifact);
    sign_payload(request, &payload, format, signer)
}

/// Signs a payload's bytes as they are. The rules of certificates hold when signing as when verifying.
pub(super) fn sign_payload(
    request: &Request<'_>,
    payload: &[u8],
    format: Format,
    signer: &dyn EnvelopeSigner,
) -> Result<Envelope, EnvelopeSignError> {
    chain::check(request.chain, Purpose::CodeSigning)?;
    let time = request.scheme.time();
    if !request.chain.iter().all(|one| one.is_valid_at(time)) {
        return Err(EnvelopeSignError::NotValid);
    }
    let leaf = request.chain.first().ok_or(ChainFault::Empty)?;
    let attributes = attributes(request, signer.algorithm())?;
    let protected = match format {
        Format::Jws => jws::protected(&attributes),
        Format::Cose => cose::protected(&attributes),
    };
    let mut envelope = Envelope {
        format,
        protected: protected.ok_or(EnvelopeSignError::Attributes)?,
        attributes,
        payload: payload.to_vec(),
        signature: Vec::new(),
        chain: request.chain.to_vec(),
        timestamp: None,
        agent: request.agent.clone(),
    };
    let message = envelope.signed_bytes();
    envelope.signature = signer.sign(&message)?;
    // Also that the certificate belongs to the key, and that the signer gave the form that is needed.
    let verifies = |signature: &[u8]| {
        leaf.key()
            .is_some_and(|key| key.has_signed(&message, signature))
    };
    if leaf.algorithm() != Some(signer.algorithm()) || !verifies(&envelope.signature) {
        return Err(EnvelopeSignError::OtherKey);
    }
    Ok(envelope)
}

/// The attributes as a reader would take them.
fn attributes(
    request: &Request<'_>,
    algorithm: Algorithm,
) -> Result<Attributes, EnvelopeSignError> {
    let own = Attributes {
        algorithm,
        scheme: request.scheme,
        expiry: request.expiry,
        extended: request.extended.clone(),
    };
    let mut raw = Raw {
        algorithm: Some(algorithm),
        content_type: Some(super::PAYLOAD_TYPE.to_owned()),
        critical: own.critical().into_iter().map(str::to_owned).collect(),
        scheme: Some(request.scheme.as_str().to_owned()),
        expiry: request.expiry,
        ..Raw::default()
    };
    match request.scheme {
        Scheme::X509 { signing_time } => raw.signing_time = Some(signing_time),
        Scheme::SigningAuthority {
            authentic_signing_time,
        } => raw.authentic_signing_time = Some(authentic_signing_time),
    }
    raw.extended = request
        .extended
        .iter()
        .map(|one| (one.name.clone(), one.value.clone()))
        .collect();
    Ok(raw.check()?)
}

/// Why nothing was signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeSignError {
    /// The chain breaks a rule.
    #[error(transparent)]
    Chain(#[from] ChainFault),
    /// A certificate is not valid at the signing time.
    #[error("a certificate of the chain is not valid at the signing time")]
    NotValid,
    /// The attributes do not go together.
    #[error(transparent)]
    Form(#[from] AttributeError),
    /// The attributes cannot be written.
    #[error("the attributes cannot be written: a time out of range, or a name twice")]
    Attributes,
    /// The signer failed.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// The certificate is of another key.
    #[error("the first certificate is not that of the signing key")]
    OtherKey,
}
