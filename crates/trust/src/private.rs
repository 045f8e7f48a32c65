//! Private keys and the `Signer` they implement. Deliberately not where keys are kept: `keyfile` seals them, and
//! whoever holds one decides what it signs through the modules that make typed statements. PKCS #8, RFC 5208 and RFC
//! 8410.
//!
//! Keys and ECDSA nonces come from the cryptographic library's own generator: unlike other randomness on this floor
//! they are not an argument, because a caller who could choose them could give the key away.

use std::fmt;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair,
    EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair,
};
use secrecy::SecretSlice;

use crate::key::{Algorithm, PublicKey};

/// Something that signs: a key in memory, or one in a device or a service. It is given the exact bytes to sign; use it
/// through the modules that give those bytes a type (`dsse`, `bundle`, `checkpoint`, `possession`, `typed`).
pub trait Signer: Send + Sync {
    /// The key that checks the signatures.
    fn public_key(&self) -> &PublicKey;

    /// Signs the message as the key's algorithm says.
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError>;
}

/// A private key in memory. Its `Debug` form shows the public half only.
pub struct PrivateKey {
    pair: Pair,
    public: PublicKey,
}

enum Pair {
    Ecdsa(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl PrivateKey {
    /// Makes a new key.
    pub fn generate(algorithm: Algorithm) -> Result<Self, PrivateKeyError> {
        let pair = match ecdsa(algorithm) {
            Some(signing) => EcdsaKeyPair::generate(signing).map(Pair::Ecdsa),
            None => Ed25519KeyPair::generate().map(Pair::Ed25519),
        };
        Self::new(algorithm, pair.map_err(|_| PrivateKeyError::Generate)?)
    }

    /// Reads an unencrypted PKCS #8 key (DER) of one of the known algorithms.
    pub fn from_pkcs8_der(der: &[u8]) -> Result<Self, PrivateKeyError> {
        if !is_one_der_value(der) {
            return Err(PrivateKeyError::Form);
        }
        for algorithm in [Algorithm::EcdsaP256, Algorithm::EcdsaP384] {
            let signing = ecdsa(algorithm).ok_or(PrivateKeyError::Form)?;
            if let Ok(pair) = EcdsaKeyPair::from_pkcs8(signing, der) {
                return Self::new(algorithm, Pair::Ecdsa(pair));
            }
        }
        // RFC 5958: the public half may be absent, as in what Go and OpenSSL write; where present, it is compared.
        let pair =
            Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).map_err(|_| PrivateKeyError::Form)?;
        Self::new(Algorithm::Ed25519, Pair::Ed25519(pair))
    }

    /// Reads an unencrypted ECPrivateKey (DER) that names its curve; RFC 5915.
    pub fn from_sec1_der(der: &[u8]) -> Result<Self, PrivateKeyError> {
        if !is_one_der_value(der) {
            return Err(PrivateKeyError::Form);
        }
        for algorithm in [Algorithm::EcdsaP256, Algorithm::EcdsaP384] {
            let signing = ecdsa(algorithm).ok_or(PrivateKeyError::Form)?;
            if let Ok(pair) = EcdsaKeyPair::from_private_key_der(signing, der) {
                return Self::new(algorithm, Pair::Ecdsa(pair));
            }
        }
        Err(PrivateKeyError::Form)
    }

    /// The key as unencrypted PKCS #8 version 1 (DER).
    pub fn to_pkcs8_der(&self) -> Result<SecretSlice<u8>, PrivateKeyError> {
        let document = match &self.pair {
            Pair::Ecdsa(pair) => pair.to_pkcs8v1(),
            Pair::Ed25519(pair) => pair.to_pkcs8v1(),
        };
        let document = document.map_err(|_| PrivateKeyError::Form)?;
        Ok(document.as_ref().to_vec().into())
    }

    fn new(algorithm: Algorithm, pair: Pair) -> Result<Self, PrivateKeyError> {
        let point = match &pair {
            Pair::Ecdsa(pair) => pair.public_key().as_ref(),
            Pair::Ed25519(pair) => pair.public_key().as_ref(),
        };
        let public = PublicKey::from_point(algorithm, point).map_err(|_| PrivateKeyError::Form)?;
        Ok(Self { pair, public })
    }
}

impl Signer for PrivateKey {
    fn public_key(&self) -> &PublicKey {
        &self.public
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        let signature = match &self.pair {
            Pair::Ecdsa(pair) => pair.sign(&SystemRandom::new(), message),
            Pair::Ed25519(pair) => pair.try_sign(message),
        };
        signature
            .map(|signature| signature.as_ref().to_vec())
            .map_err(|_| SignError("the cryptographic library".into()))
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateKey({:?})", self.public)
    }
}

fn ecdsa(algorithm: Algorithm) -> Option<&'static EcdsaSigningAlgorithm> {
    match algorithm {
        Algorithm::EcdsaP256 => Some(&ECDSA_P256_SHA256_ASN1_SIGNING),
        Algorithm::EcdsaP384 => Some(&ECDSA_P384_SHA384_ASN1_SIGNING),
        Algorithm::Ed25519 => None,
    }
}

/// True if the bytes are one DER SEQUENCE to their end: parsers differ in what they make of bytes behind it.
fn is_one_der_value(der: &[u8]) -> bool {
    let (header, length) = match der {
        [0x30, short @ 0..=0x7f, ..] => (2, usize::from(*short)),
        [0x30, 0x81, long @ 0x80..=0xff, ..] => (3, usize::from(*long)),
        [0x30, 0x82, high @ 0x01..=0xff, low, ..] => {
            (4, usize::from(*high) << 8 | usize::from(*low))
        }
        _ => return false,
    };
    der.len() == header + length
}

/// Why a private key cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PrivateKeyError {
    /// Not PKCS #8 of a known algorithm, or its halves do not belong together.
    #[error("not a usable private key: ecdsa p-256, ecdsa p-384 or ed25519 in pkcs #8 is needed")]
    Form,
    /// The library could not make a key.
    #[error("no key could be made: the system gave no random numbers")]
    Generate,
}

/// The signer could not sign; says where it failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("signing failed in {0}")]
pub struct SignError(pub String);

#[cfg(test)]
mod tests;
