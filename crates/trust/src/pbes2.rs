//! Bytes sealed with a password as PKCS #5 has it: PBES2 of RFC 8018 in the EncryptedPrivateKeyInfo of RFC 5958, which is
//! what openssl, docker and notary keep private keys in. PBKDF2 or scrypt (RFC 7914 section 7) with AES in CBC mode.
//! Deliberately nothing older: PBES1, DES and RC2 are named and not read.
//!
//! The form has no check of its own: a wrong password opens to noise, and one in some hundreds ends like a padding. What
//! was in it has to tell.

mod seal;

use std::num::NonZeroU32;

use aws_lc_rs::cipher::{
    AES_128, AES_192, AES_256, DecryptionContext, PaddedBlockDecryptingKey, UnboundCipherKey,
};
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::pbkdf2::{
    self, PBKDF2_HMAC_SHA1, PBKDF2_HMAC_SHA256, PBKDF2_HMAC_SHA384, PBKDF2_HMAC_SHA512,
};
use secrecy::{ExposeSecret, SecretSlice, SecretString};
use x509_parser::der_parser::ber::{BerObject, BerObjectContent};
use x509_parser::der_parser::der::parse_der;

use crate::excerpt::excerpt;
use crate::stretch::Scrypt;

pub(crate) use seal::{Prf, seal};

/// The most rounds of PBKDF2 that opening may take; openssl, docker and notary write 2048.
pub const ROUNDS_MAX: u32 = 1_000_000;

/// What was sealed, if the password is the right one; see above on what else it may be.
pub(crate) fn open(der: &[u8], password: &SecretString) -> Result<SecretSlice<u8>, Pbes2Error> {
    Sealed::read(der)?.open(password)
}

/// EncryptedPrivateKeyInfo.
struct Sealed<'a> {
    derivation: Derivation<'a>,
    cipher: &'static aws_lc_rs::cipher::Algorithm,
    key_bytes: usize,
    iv: [u8; IV_BYTES],
    ciphertext: &'a [u8],
}

/// How the key comes from the password.
enum Derivation<'a> {
    Pbkdf2 {
        salt: &'a [u8],
        rounds: NonZeroU32,
        prf: pbkdf2::Algorithm,
    },
    Scrypt {
        salt: &'a [u8],
        cost: Scrypt,
    },
}

impl<'a> Sealed<'a> {
    fn read(der: &'a [u8]) -> Result<Self, Pbes2Error> {
        let damaged = || Pbes2Error::Damaged;
        let ([], outer) = parse_der(der).map_err(|_| damaged())? else {
            return Err(damaged());
        };
        let (scheme, data) = pair(&outer).ok_or_else(damaged)?;
        let [scheme, parameters @ ..] = items(scheme) else {
            return Err(damaged());
        };
        expect(scheme, PBES2)?;
        let [parameters] = parameters else {
            return Err(damaged());
        };
        let (derivation, encryption) = pair(parameters).ok_or_else(damaged)?;
        let (encryption, iv) = pair(encryption).ok_or_else(damaged)?;
        let named = identifier(encryption).ok_or_else(damaged)?;
        let (cipher, key_bytes) = match named.as_str() {
            AES_128_CBC => (&AES_128, 16_u8),
            AES_192_CBC => (&AES_192, 24),
            AES_256_CBC => (&AES_256, 32),
            other => return Err(Pbes2Error::Unsupported(excerpt(other))),
        };
        Ok(Self {
            derivation: Derivation::read(derivation, u32::from(key_bytes))?,
            cipher,
            key_bytes: usize::from(key_bytes),
            iv: octets(iv)
                .and_then(|iv| iv.try_into().ok())
                .ok_or_else(damaged)?,
            ciphertext: octets(data).ok_or_else(damaged)?,
        })
    }

    fn open(&self, password: &SecretString) -> Result<SecretSlice<u8>, Pbes2Error> {
        let derived = self.derivation.derive(password, self.key_bytes)?;
        let wrong = |_| Pbes2Error::Password;
        let key = UnboundCipherKey::new(self.cipher, derived.expose_secret()).map_err(wrong)?;
        let key = PaddedBlockDecryptingKey::cbc_pkcs7(key).map_err(wrong)?;
        let context = DecryptionContext::Iv128(FixedLength::from(self.iv));
        let mut bytes = self.ciphertext.to_vec();
        let opened = key.decrypt(&mut bytes, context).map_err(wrong)?.to_vec();
        bytes.fill(0);
        Ok(opened.into())
    }
}

impl<'a> Derivation<'a> {
    fn read(object: &BerObject<'a>, key_bytes: u32) -> Result<Self, Pbes2Error> {
        let damaged = || Pbes2Error::Damaged;
        let (named, parameters) = pair(object).ok_or_else(damaged)?;
        match identifier(named).as_deref() {
            Some(PBKDF2) => Self::pbkdf2(items(parameters), key_bytes),
            Some(SCRYPT) => Self::scrypt(items(parameters), key_bytes),
            Some(other) => Err(Pbes2Error::Unsupported(excerpt(other))),
            None => Err(damaged()),
        }
    }

    /// RFC 8018 appendix A.2: salt, rounds, and then the key's length and another function than HMAC-SHA-1, where they
    /// are there.
    fn pbkdf2(parameters: &[BerObject<'a>], key_bytes: u32) -> Result<Self, Pbes2Error> {
        let damaged = || Pbes2Error::Damaged;
        let [salt, rounds, rest @ ..] = parameters else {
            return Err(damaged());
        };
        let rounds = rounds.as_u32().ok().and_then(NonZeroU32::new);
        let rounds = rounds.ok_or_else(damaged)?;
        if rounds.get() > ROUNDS_MAX {
            return Err(Pbes2Error::Rounds {
                rounds: rounds.get(),
            });
        }
        Ok(Self::Pbkdf2 {
            salt: octets(salt).ok_or_else(damaged)?,
            rounds,
            prf: prf(without_length(rest, key_bytes)?)?,
        })
    }

    /// RFC 7914 section 7.1: salt, N, r, p, and the key's length where it is there.
    fn scrypt(parameters: &[BerObject<'a>], key_bytes: u32) -> Result<Self, Pbes2Error> {
        let damaged = || Pbes2Error::Damaged;
        let [salt, n, r, p, rest @ ..] = parameters else {
            return Err(damaged());
        };
        if !without_length(rest, key_bytes)?.is_empty() {
            return Err(damaged());
        }
        let cost = Scrypt {
            n: n.as_u64().map_err(|_| damaged())?,
            r: r.as_u32().map_err(|_| damaged())?,
            p: p.as_u32().map_err(|_| damaged())?,
        };
        let salt = octets(salt).ok_or_else(damaged)?;
        Ok(Self::Scrypt { salt, cost })
    }

    fn derive(
        &self,
        password: &SecretString,
        key_bytes: usize,
    ) -> Result<SecretSlice<u8>, Pbes2Error> {
        match self {
            Self::Pbkdf2 { salt, rounds, prf } => {
                let mut derived = vec![0; key_bytes];
                let password = password.expose_secret().as_bytes();
                pbkdf2::derive(*prf, *rounds, salt, password, &mut derived);
                Ok(derived.into())
            }
            Self::Scrypt { salt, cost } => {
                let derived = cost.derive(password, salt, key_bytes);
                derived.map_err(|_| Pbes2Error::Scrypt {
                    n: cost.n,
                    r: cost.r,
                    p: cost.p,
                })
            }
        }
    }
}

/// What is left after the length of the key, which must be that of the cipher's.
fn without_length<'a, 'b>(
    rest: &'b [BerObject<'a>],
    key_bytes: u32,
) -> Result<&'b [BerObject<'a>], Pbes2Error> {
    match rest
        .split_first()
        .map(|(first, rest)| (first.as_u32(), rest))
    {
        Some((Ok(length), rest)) if length == key_bytes => Ok(rest),
        Some((Ok(_), _)) => Err(Pbes2Error::Damaged),
        Some((Err(_), _)) | None => Ok(rest),
    }
}

fn prf(rest: &[BerObject<'_>]) -> Result<pbkdf2::Algorithm, Pbes2Error> {
    let function = match rest {
        [] => return Ok(PBKDF2_HMAC_SHA1),
        [function] => function,
        _ => return Err(Pbes2Error::Damaged),
    };
    let named = items(function).first().and_then(identifier);
    match named.as_deref() {
        Some(HMAC_SHA1) => Ok(PBKDF2_HMAC_SHA1),
        Some(HMAC_SHA256) => Ok(PBKDF2_HMAC_SHA256),
        Some(HMAC_SHA384) => Ok(PBKDF2_HMAC_SHA384),
        Some(HMAC_SHA512) => Ok(PBKDF2_HMAC_SHA512),
        Some(other) => Err(Pbes2Error::Unsupported(excerpt(other))),
        None => Err(Pbes2Error::Damaged),
    }
}

/// The values in a SEQUENCE; none in anything else.
pub(crate) fn items<'a, 'b>(object: &'b BerObject<'a>) -> &'b [BerObject<'a>] {
    object.as_sequence().map_or(&[], |items| items.as_slice())
}

/// The bytes of an OCTET STRING.
pub(crate) fn octets<'a>(object: &BerObject<'a>) -> Option<&'a [u8]> {
    match object.content {
        BerObjectContent::OctetString(bytes) => Some(bytes),
        _ => None,
    }
}

/// An OBJECT IDENTIFIER with dots.
pub(crate) fn identifier(object: &BerObject<'_>) -> Option<String> {
    object.as_oid().ok().map(|oid| oid.to_id_string())
}

fn pair<'a, 'b>(object: &'b BerObject<'a>) -> Option<(&'b BerObject<'a>, &'b BerObject<'a>)> {
    match items(object) {
        [first, second] => Some((first, second)),
        _ => None,
    }
}

fn expect(object: &BerObject<'_>, wanted: &str) -> Result<(), Pbes2Error> {
    match identifier(object) {
        Some(found) if found == wanted => Ok(()),
        Some(found) => Err(Pbes2Error::Unsupported(excerpt(&found))),
        None => Err(Pbes2Error::Damaged),
    }
}

/// Why nothing is opened or sealed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Pbes2Error {
    /// Not what the form says.
    #[error("the key file is damaged: it holds no sealed key of pkcs #8")]
    Damaged,
    /// Another scheme, derivation, function or cipher.
    #[error(
        "the key file uses `{0}`, which is not read here: convert it with `openssl pkcs8 -topk8 -v2 aes-256-cbc`"
    )]
    Unsupported(String),
    /// Opening it would take longer than is allowed.
    #[error(
        "limit exceeded: the key file asks for {rounds} rounds of pbkdf2, at most {max} are made",
        max = ROUNDS_MAX
    )]
    Rounds {
        /// How many it asks for.
        rounds: u32,
    },
    /// The derivation would cost more than is allowed, or its numbers make no sense.
    #[error(
        "limit exceeded: the key file asks for scrypt with N={n}, r={r}, p={p}; at most 256 MiB and p=8 are allowed"
    )]
    Scrypt {
        /// The cost N.
        n: u64,
        /// The block size r.
        r: u32,
        /// The parallelism p.
        p: u32,
    },
    /// It does not open.
    #[error("the password is wrong, or the key file was changed")]
    Password,
    /// The system gave no random bytes, or would not encrypt.
    #[error("the key cannot be sealed: the system gave no random bytes")]
    Random,
}

pub(crate) const IV_BYTES: usize = 16;
const PBES2: &str = "1.2.840.113549.1.5.13";
const PBKDF2: &str = "1.2.840.113549.1.5.12";
const SCRYPT: &str = "1.3.6.1.4.1.11591.4.11";
const AES_128_CBC: &str = "2.16.840.1.101.3.4.1.2";
const AES_192_CBC: &str = "2.16.840.1.101.3.4.1.22";
const AES_256_CBC: &str = "2.16.840.1.101.3.4.1.42";
const HMAC_SHA1: &str = "1.2.840.113549.2.7";
const HMAC_SHA256: &str = "1.2.840.113549.2.9";
const HMAC_SHA384: &str = "1.2.840.113549.2.10";
const HMAC_SHA512: &str = "1.2.840.113549.2.11";

#[cfg(test)]
mod tests;
