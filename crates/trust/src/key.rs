//! Public keys and their ids. A key has one encoding here, so that one key cannot be registered twice under two ids.
//! Deliberately no RSA and no certificates. SubjectPublicKeyInfo of RFC 5480 (named curves, uncompressed points) and
//! RFC 8410, byte for byte.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P384_SHA384_ASN1, ED25519, UnparsedPublicKey,
    VerificationAlgorithm,
};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::{Digest as _, Sha256};

use crate::encoding::{from_base64, to_base64};
use crate::excerpt::excerpt;
use crate::pem::{self, PemError};

/// The longest signature that is looked at, in bytes; the longest real one, ECDSA P-384, has 104.
pub const SIGNATURE_BYTES_MAX: usize = 512;

/// What a key signs with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Algorithm {
    /// ECDSA on P-256 over SHA-256, signatures in ASN.1 DER: what cosign makes.
    EcdsaP256,
    /// ECDSA on P-384 over SHA-384, signatures in ASN.1 DER. Not over SHA-256, which cosign uses for such keys in a
    /// KMS.
    EcdsaP384,
    /// Ed25519 over the message itself; RFC 8032, not the pre-hashed form that cosign 3 uses with imported Ed25519
    /// keys.
    Ed25519,
}

impl Algorithm {
    /// Its name: `ecdsa-p256`, `ecdsa-p384` or `ed25519`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::EcdsaP256 => "ecdsa-p256",
            Self::EcdsaP384 => "ecdsa-p384",
            Self::Ed25519 => "ed25519",
        }
    }

    fn verification(self) -> &'static dyn VerificationAlgorithm {
        match self {
            Self::EcdsaP256 => &ECDSA_P256_SHA256_ASN1,
            Self::EcdsaP384 => &ECDSA_P384_SHA384_ASN1,
            Self::Ed25519 => &ED25519,
        }
    }

    /// The bytes of a SubjectPublicKeyInfo before the point.
    fn prefix(self) -> &'static [u8] {
        match self {
            Self::EcdsaP256 => &P256_PREFIX,
            Self::EcdsaP384 => &P384_PREFIX,
            Self::Ed25519 => &ED25519_PREFIX,
        }
    }

    fn point_bytes(self) -> usize {
        match self {
            Self::EcdsaP256 => 65,
            Self::EcdsaP384 => 97,
            Self::Ed25519 => 32,
        }
    }

    const ALL: [Self; 3] = [Self::EcdsaP256, Self::EcdsaP384, Self::Ed25519];
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Algorithm {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let known = Self::ALL
            .into_iter()
            .find(|algorithm| algorithm.as_str() == text);
        known.ok_or_else(|| KeyError::Algorithm(excerpt(text)))
    }
}

/// A key that checks signatures.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    algorithm: Algorithm,
    der: Vec<u8>,
    id: KeyId,
}

impl PublicKey {
    /// Reads a PEM file with one `PUBLIC KEY` block and nothing else.
    pub fn from_pem(text: &str) -> Result<Self, KeyError> {
        Self::from_der(&pem::decode(text, &[LABEL])?)
    }

    /// Reads a DER SubjectPublicKeyInfo. Compressed points, explicit curve parameters, points off the curve and Ed25519
    /// keys of small order (for which anybody can make signatures) are refused.
    pub fn from_der(der: &[u8]) -> Result<Self, KeyError> {
        let (algorithm, point) = Algorithm::ALL
            .into_iter()
            .find_map(|algorithm| {
                let point = der.strip_prefix(algorithm.prefix())?;
                (point.len() == algorithm.point_bytes()).then_some((algorithm, point))
            })
            .ok_or(KeyError::Unsupported)?;
        Self::from_point(algorithm, point)
    }

    /// A key from its point alone: uncompressed for ECDSA, 32 bytes for Ed25519. What [`PublicKey::from_der`] refuses is
    /// refused here.
    pub fn from_point(algorithm: Algorithm, point: &[u8]) -> Result<Self, KeyError> {
        let compressed = algorithm != Algorithm::Ed25519 && point.first() != Some(&UNCOMPRESSED);
        if compressed || point.len() != algorithm.point_bytes() {
            return Err(KeyError::Unsupported);
        }
        if algorithm == Algorithm::Ed25519 && is_weak_ed25519(point) {
            return Err(KeyError::Weak);
        }
        UnparsedPublicKey::new(algorithm.verification(), point)
            .parse()
            .map_err(|_| KeyError::Point)?;
        let der = [algorithm.prefix(), point].concat();
        let id = KeyId::of(&der);
        Ok(Self { algorithm, der, id })
    }

    /// The key as a PEM `PUBLIC KEY` file.
    #[must_use]
    pub fn to_pem(&self) -> String {
        pem::encode(LABEL, &self.der)
    }

    /// The key as a DER SubjectPublicKeyInfo.
    #[must_use]
    pub fn as_der(&self) -> &[u8] {
        &self.der
    }

    /// The SHA-256 of the DER: the key's name everywhere.
    #[must_use]
    pub fn id(&self) -> &KeyId {
        &self.id
    }

    /// What it signs with.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Checks a signature over a message. Raw bytes have no meaning of their own: prefer the modules that give them
    /// one.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), BadSignature> {
        if signature.len() > SIGNATURE_BYTES_MAX {
            return Err(BadSignature);
        }
        let key = UnparsedPublicKey::new(self.algorithm.verification(), self.point());
        key.verify(message, signature).map_err(|_| BadSignature)
    }

    /// Checks a signature over a message of which only the SHA-256 is known. Only ECDSA on P-256 signs that hash: other
    /// keys fail.
    pub(crate) fn verify_sha256(
        &self,
        hash: &[u8; 32],
        signature: &[u8],
    ) -> Result<(), BadSignature> {
        if self.algorithm != Algorithm::EcdsaP256 || signature.len() > SIGNATURE_BYTES_MAX {
            return Err(BadSignature);
        }
        let hash = aws_lc_rs::digest::Digest::import_less_safe(hash, &aws_lc_rs::digest::SHA256)
            .map_err(|_| BadSignature)?;
        UnparsedPublicKey::new(self.algorithm.verification(), self.point())
            .verify_digest(&hash, signature)
            .map_err(|_| BadSignature)
    }

    /// The point without its DER frame: what C2SP notes name an Ed25519 key by.
    pub(crate) fn point(&self) -> &[u8] {
        self.der
            .get(self.algorithm.prefix().len()..)
            .unwrap_or_default()
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({} {})", self.algorithm, self.id)
    }
}

/// The name of a public key: lower-case hexadecimal SHA-256 of its DER SubjectPublicKeyInfo.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyId(Box<str>);

impl KeyId {
    pub(crate) fn of(der: &[u8]) -> Self {
        Self(hex::encode(Sha256::digest(der)).into())
    }

    /// Reads 64 lower-case hexadecimal digits.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        parse_id(text).map(Self)
    }

    /// The id in hexadecimal.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first 12 digits, for people to read.
    #[must_use]
    pub fn short(&self) -> &str {
        self.0.get(..12).unwrap_or_default()
    }

    /// The id as cosign and other sigstore clients write it in a bundle's `hint`: base64 of the same hash.
    #[must_use]
    pub fn to_hint(&self) -> String {
        to_base64(&hex::decode(self.as_str()).unwrap_or_default())
    }

    /// The id that a hint or DSSE `keyid` names, if it has one of the two known forms. A hint is a claim of the
    /// document's writer: use it to look for a key, never to say who signed.
    #[must_use]
    pub fn from_hint(hint: &str) -> Option<Self> {
        if let Ok(id) = Self::parse(hint) {
            return Some(id);
        }
        let hash = from_base64(hint).filter(|hash| hash.len() == 32)?;
        Some(Self(hex::encode(hash).into()))
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({})", self.0)
    }
}

impl FromStr for KeyId {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        Self::parse(text)
    }
}

impl Serialize for KeyId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for KeyId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(de::Error::custom)
    }
}

/// An id of this kind or of a trust repository's, which is another hash of the same form.
pub(crate) fn parse_id(text: &str) -> Result<Box<str>, KeyError> {
    let lower_hex = text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    if text.len() != 64 || !lower_hex {
        return Err(KeyError::Id(excerpt(text)));
    }
    Ok(text.into())
}

/// The signature was not made by this key over this message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the signature was not made with this key over these bytes")]
pub struct BadSignature;

/// Why a public key or its id is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The file is not one PEM block.
    #[error(transparent)]
    Pem(#[from] PemError),
    /// Another kind of key, or another encoding of it.
    #[error(
        "this kind of public key is not supported: use ecdsa p-256, ecdsa p-384 or ed25519, \
         as `cosign generate-key-pair` and `openssl` write them"
    )]
    Unsupported,
    /// The point is not on its curve.
    #[error("the public key is damaged: its point is not on the curve")]
    Point,
    /// An Ed25519 key of small order, or one with a second encoding.
    #[error("the public key is weak: anybody could make signatures for it; make a new one")]
    Weak,
    /// Not an algorithm of ours.
    #[error("`{0}` is not a key algorithm: use `ecdsa-p256`, `ecdsa-p384` or `ed25519`")]
    Algorithm(String),
    /// Not a key id.
    #[error("`{0}` is not a key id: it has 64 lower-case hexadecimal digits")]
    Id(String),
}

const LABEL: &str = "PUBLIC KEY";

const P256_PREFIX: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];
const P384_PREFIX: [u8; 23] = [
    0x30, 0x76, 0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x05, 0x2b,
    0x81, 0x04, 0x00, 0x22, 0x03, 0x62, 0x00,
];
const ED25519_PREFIX: [u8; 12] = [
    0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
];
/// SEC 1 section 2.3.3: the first byte of a point with both coordinates.
const UNCOMPRESSED: u8 = 0x04;

/// True for a point of small order, and for a y coordinate that is not reduced modulo 2^255 - 19 (a second encoding of
/// another point). RFC 8032 section 5.1.3 asks for the latter; the former is what makes a signature mean something.
fn is_weak_ed25519(point: &[u8]) -> bool {
    let Some((top, low)) = point.split_last() else {
        return true;
    };
    let top = top & 0x7f;
    let unreduced = top == 0x7f
        && low.iter().skip(1).all(|byte| *byte == 0xff)
        && low.first().is_some_and(|byte| *byte >= 0xed);
    let y = [low, &[top]].concat();
    unreduced || SMALL_ORDER_Y.iter().any(|small| *small == hex::encode(&y))
}

/// The y coordinates, little-endian, of all points of order 1, 2, 4 and 8 on edwards25519.
const SMALL_ORDER_Y: [&str; 5] = [
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
];

#[cfg(test)]
mod tests;
