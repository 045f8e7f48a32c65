//! The six algorithms of the Notary Project, and the keys that dictate them: a key signs in one way only, so that `alg` chooses
//! nothing. Also how certificates, lists and timestamps are signed, where PKCS #1 is still in use. Deliberately no SHA-1, no
//! Ed25519 and no RSA below 2048 bits. signature-specification "Algorithm Selection".

use std::fmt;

use aws_lc_rs::signature::{
    self, ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA384_ASN1,
    ECDSA_P256_SHA512_ASN1, ECDSA_P384_SHA256_ASN1, ECDSA_P384_SHA384_ASN1,
    ECDSA_P384_SHA384_FIXED, ECDSA_P384_SHA512_ASN1, ECDSA_P521_SHA256_ASN1,
    ECDSA_P521_SHA384_ASN1, ECDSA_P521_SHA512_ASN1, ECDSA_P521_SHA512_FIXED,
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512,
    RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512,
    UnparsedPublicKey, VerificationAlgorithm,
};
use sha2::{Digest as _, Sha256, Sha384, Sha512};
use x509_parser::asn1_rs::{Any, FromDer as _};
use x509_parser::public_key::PublicKey;
use x509_parser::signature_algorithm::RsaSsaPssParams;
use x509_parser::x509::SubjectPublicKeyInfo;

/// The longest signature that is looked at, in bytes: RSA of 8192 bits, which certificates may have.
const SIGNATURE_BYTES_MAX: usize = 1024;

/// What an envelope is signed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Algorithm {
    /// RSASSA-PSS over SHA-256, for RSA keys of 2048 bits.
    Ps256,
    /// RSASSA-PSS over SHA-384, for RSA keys of 3072 bits.
    Ps384,
    /// RSASSA-PSS over SHA-512, for RSA keys of 4096 bits.
    Ps512,
    /// ECDSA on P-256 over SHA-256, `r` and `s` in a row.
    Es256,
    /// ECDSA on P-384 over SHA-384, `r` and `s` in a row.
    Es384,
    /// ECDSA on P-521 over SHA-512, `r` and `s` in a row.
    Es512,
}

impl Algorithm {
    /// All six.
    pub const ALL: [Self; 6] = [
        Self::Ps256,
        Self::Ps384,
        Self::Ps512,
        Self::Es256,
        Self::Es384,
        Self::Es512,
    ];

    /// Its name in JWS, such as `PS256`. RFC 7518 section 3.1.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::Es512 => "ES512",
        }
    }

    /// Its number in COSE. RFC 9053 section 2.1, RFC 8230 section 2.
    #[must_use]
    pub fn cose_id(self) -> i64 {
        match self {
            Self::Ps256 => -37,
            Self::Ps384 => -38,
            Self::Ps512 => -39,
            Self::Es256 => -7,
            Self::Es384 => -35,
            Self::Es512 => -36,
        }
    }

    pub(super) fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == name)
    }

    pub(super) fn of_cose_id(id: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.cose_id() == id)
    }

    /// The hash that it signs, which is also the one that a timestamp is asked for.
    #[must_use]
    pub fn hash(self) -> Hash {
        match self {
            Self::Ps256 | Self::Es256 => Hash::Sha256,
            Self::Ps384 | Self::Es384 => Hash::Sha384,
            Self::Ps512 | Self::Es512 => Hash::Sha512,
        }
    }

    fn verification(self) -> &'static dyn VerificationAlgorithm {
        match self {
            Self::Ps256 => &RSA_PSS_2048_8192_SHA256,
            Self::Ps384 => &RSA_PSS_2048_8192_SHA384,
            Self::Ps512 => &RSA_PSS_2048_8192_SHA512,
            Self::Es256 => &ECDSA_P256_SHA256_FIXED,
            Self::Es384 => &ECDSA_P384_SHA384_FIXED,
            Self::Es512 => &ECDSA_P521_SHA512_FIXED,
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A hash that may be signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Hash {
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

impl Hash {
    /// The hash of some bytes.
    #[must_use]
    pub fn of(self, bytes: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha256 => Sha256::digest(bytes).to_vec(),
            Self::Sha384 => Sha384::digest(bytes).to_vec(),
            Self::Sha512 => Sha512::digest(bytes).to_vec(),
        }
    }

    /// Its object identifier, dotted. RFC 5754 section 2.
    #[must_use]
    pub fn oid(self) -> &'static str {
        match self {
            Self::Sha256 => "2.16.840.1.101.3.4.2.1",
            Self::Sha384 => "2.16.840.1.101.3.4.2.2",
            Self::Sha512 => "2.16.840.1.101.3.4.2.3",
        }
    }

    pub(super) fn of_oid(oid: &str) -> Option<Self> {
        [Self::Sha256, Self::Sha384, Self::Sha512]
            .into_iter()
            .find(|hash| hash.oid() == oid)
    }
}

/// A public key of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Key {
    kind: Kind,
    /// The point, or PKCS #1's `RSAPublicKey`.
    bytes: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Its length in bits.
    Rsa(usize),
    P256,
    P384,
    P521,
}

impl Key {
    /// Nothing for kinds of keys that the specification does not have, and for RSA below 2048 bits.
    pub(super) fn of(info: &SubjectPublicKeyInfo<'_>) -> Option<Self> {
        let algorithm = info.algorithm.algorithm.to_id_string();
        let kind = match algorithm.as_str() {
            RSA => match info.parsed().ok()? {
                PublicKey::RSA(key) => Kind::Rsa(rsa_bits(key.modulus)),
                _ => return None,
            },
            EC => {
                let curve = info.algorithm.parameters.as_ref()?.as_oid().ok()?;
                match curve.to_id_string().as_str() {
                    P256 => Kind::P256,
                    P384 => Kind::P384,
                    P521 => Kind::P521,
                    _ => return None,
                }
            }
            _ => return None,
        };
        // signature-specification "Leaf Certificates", Key Length.
        if matches!(kind, Kind::Rsa(bits) if bits < RSA_BITS_MIN) {
            return None;
        }
        Some(Self {
            kind,
            bytes: info.subject_public_key.data.to_vec(),
        })
    }

    /// The one algorithm that it signs envelopes with, if it may.
    pub(super) fn algorithm(&self) -> Option<Algorithm> {
        match self.kind {
            Kind::Rsa(2048) => Some(Algorithm::Ps256),
            Kind::Rsa(3072) => Some(Algorithm::Ps384),
            Kind::Rsa(4096) => Some(Algorithm::Ps512),
            Kind::Rsa(_) => None,
            Kind::P256 => Some(Algorithm::Es256),
            Kind::P384 => Some(Algorithm::Es384),
            Kind::P521 => Some(Algorithm::Es512),
        }
    }

    /// Whether it signed an envelope's bytes with its own algorithm.
    pub(super) fn has_signed(&self, message: &[u8], signature: &[u8]) -> bool {
        let Some(algorithm) = self.algorithm() else {
            return false;
        };
        self.check(algorithm.verification(), message, signature)
    }

    /// Whether it signed a certificate, a list or a timestamp. The hash is the one that a timestamp names beside a bare
    /// `rsaEncryption`.
    pub(super) fn has_signed_asn1(
        &self,
        scheme: &Scheme,
        hash: Option<Hash>,
        message: &[u8],
        signature: &[u8],
    ) -> bool {
        let Some(verification) = self.asn1_verification(scheme, hash) else {
            return false;
        };
        self.check(verification, message, signature)
    }

    fn asn1_verification(
        &self,
        scheme: &Scheme,
        hash: Option<Hash>,
    ) -> Option<&'static dyn VerificationAlgorithm> {
        let is_rsa = matches!(self.kind, Kind::Rsa(_));
        match scheme.oid.as_str() {
            RSA if is_rsa => Some(pkcs1(hash?)),
            SHA256_RSA if is_rsa => Some(pkcs1(Hash::Sha256)),
            SHA384_RSA if is_rsa => Some(pkcs1(Hash::Sha384)),
            SHA512_RSA if is_rsa => Some(pkcs1(Hash::Sha512)),
            PSS if is_rsa => pss(scheme.parameters.as_deref()?),
            ECDSA_SHA256 => self.ecdsa(Hash::Sha256),
            ECDSA_SHA384 => self.ecdsa(Hash::Sha384),
            ECDSA_SHA512 => self.ecdsa(Hash::Sha512),
            _ => None,
        }
    }

    fn ecdsa(&self, hash: Hash) -> Option<&'static dyn VerificationAlgorithm> {
        match (self.kind, hash) {
            (Kind::Rsa(_), _) => None,
            (Kind::P256, Hash::Sha256) => Some(&ECDSA_P256_SHA256_ASN1),
            (Kind::P256, Hash::Sha384) => Some(&ECDSA_P256_SHA384_ASN1),
            (Kind::P256, Hash::Sha512) => Some(&ECDSA_P256_SHA512_ASN1),
            (Kind::P384, Hash::Sha256) => Some(&ECDSA_P384_SHA256_ASN1),
            (Kind::P384, Hash::Sha384) => Some(&ECDSA_P384_SHA384_ASN1),
            (Kind::P384, Hash::Sha512) => Some(&ECDSA_P384_SHA512_ASN1),
            (Kind::P521, Hash::Sha256) => Some(&ECDSA_P521_SHA256_ASN1),
            (Kind::P521, Hash::Sha384) => Some(&ECDSA_P521_SHA384_ASN1),
            (Kind::P521, Hash::Sha512) => Some(&ECDSA_P521_SHA512_ASN1),
        }
    }

    fn check(
        &self,
        verification: &'static dyn VerificationAlgorithm,
        message: &[u8],
        signature: &[u8],
    ) -> bool {
        signature.len() <= SIGNATURE_BYTES_MAX
            && UnparsedPublicKey::new(verification, &self.bytes)
                .verify(message, signature)
                .is_ok()
    }
}

/// How a certificate, a list or a timestamp says that it is signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Scheme {
    /// The object identifier, dotted.
    pub(super) oid: String,
    /// Its parameters as DER.
    pub(super) parameters: Option<Vec<u8>>,
}

impl Scheme {
    /// signature-specification "Other requirements": no certificate of a chain may be signed over SHA-1.
    pub(super) fn is_sha1(&self) -> bool {
        SHA1.contains(&self.oid.as_str())
    }
}

fn pkcs1(hash: Hash) -> &'static dyn VerificationAlgorithm {
    match hash {
        Hash::Sha256 => &RSA_PKCS1_2048_8192_SHA256,
        Hash::Sha384 => &RSA_PKCS1_2048_8192_SHA384,
        Hash::Sha512 => &RSA_PKCS1_2048_8192_SHA512,
    }
}

/// RFC 4055 section 3.1. The library takes a salt as long as the hash only, which is what everybody makes.
fn pss(parameters: &[u8]) -> Option<&'static dyn VerificationAlgorithm> {
    let (_, any) = Any::from_der(parameters).ok()?;
    let parameters = RsaSsaPssParams::try_from(&any).ok()?;
    let verification: &'static signature::RsaParameters =
        match Hash::of_oid(&parameters.hash_algorithm_oid().to_id_string())? {
            Hash::Sha256 => &RSA_PSS_2048_8192_SHA256,
            Hash::Sha384 => &RSA_PSS_2048_8192_SHA384,
            Hash::Sha512 => &RSA_PSS_2048_8192_SHA512,
        };
    Some(verification)
}

/// The length of a big-endian number in bits.
fn rsa_bits(modulus: &[u8]) -> usize {
    let trimmed = crate::der::trimmed(modulus);
    let zeros = trimmed
        .first()
        .map_or(0, |byte| usize::try_from(byte.leading_zeros()).unwrap_or(0));
    (trimmed.len() * 8).saturating_sub(zeros)
}

const RSA_BITS_MIN: usize = 2048;

const RSA: &str = "1.2.840.113549.1.1.1";
const PSS: &str = "1.2.840.113549.1.1.10";
const SHA256_RSA: &str = "1.2.840.113549.1.1.11";
const SHA384_RSA: &str = "1.2.840.113549.1.1.12";
const SHA512_RSA: &str = "1.2.840.113549.1.1.13";
const EC: &str = "1.2.840.10045.2.1";
const P256: &str = "1.2.840.10045.3.1.7";
const P384: &str = "1.3.132.0.34";
const P521: &str = "1.3.132.0.35";
const ECDSA_SHA256: &str = "1.2.840.10045.4.3.2";
const ECDSA_SHA384: &str = "1.2.840.10045.4.3.3";
const ECDSA_SHA512: &str = "1.2.840.10045.4.3.4";
/// `sha1WithRSAEncryption`, the same in OIW's list, `ecdsa-with-SHA1`, `dsa-with-sha1`.
const SHA1: [&str; 4] = [
    "1.2.840.113549.1.1.5",
    "1.3.14.3.2.29",
    "1.2.840.10045.4.1",
    "1.2.840.10040.4.3",
];
