//! Key files sealed with a password. cosign's: PKCS #8 in a NaCl secretbox under a key that scrypt derives from the
//! password, as JSON in PEM (the format of go-securesystemslib `encrypted`). And PKCS #8 as openssl seals it: `pbes2`.
//! Deliberately nothing is written unsealed; what others left so can be read.

use aws_lc_rs::rand;
use crypto_secretbox::aead::{Aead, KeyInit};
use crypto_secretbox::{Key, Nonce, XSalsa20Poly1305};
use secrecy::{ExposeSecret, SecretSlice, SecretString};
use serde::{Deserialize, Serialize};
use x509_parser::der_parser::der::parse_der;

use crate::encoding::{from_base64, to_base64};
use crate::excerpt::excerpt;
use crate::pbes2::{self, Pbes2Error, Prf, items};
use crate::pem::{self, PEM_BYTES_MAX, PemError};
use crate::private::{PrivateKey, PrivateKeyError};
use crate::stretch::Scrypt;
use crate::strict::{self, JsonError};

pub use crate::stretch::SCRYPT_MEMORY_BYTES_MAX;

/// The forms that sealed keys are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// cosign's, which every program of sigstore reads.
    Cosign,
    /// PKCS #8 sealed with PBES2 (PBKDF2 with HMAC-SHA-256, 600,000 rounds; AES-256), which openssl and most others read.
    Pkcs8,
}

impl Form {
    /// The form of a file, by its label; `None` for anything else, also for keys that are not sealed.
    #[must_use]
    pub fn of(text: &str) -> Option<Self> {
        if begins(text, PKCS8_LABEL) {
            return Some(Self::Pkcs8);
        }
        let cosigns = begins(text, LABEL) || begins(text, OLD_LABEL);
        cosigns.then_some(Self::Cosign)
    }
}

/// Seals a key under a password in one of the forms.
pub fn seal_as(
    key: &PrivateKey,
    password: &SecretString,
    form: Form,
) -> Result<String, KeyFileError> {
    match form {
        Form::Cosign => seal(key, password),
        Form::Pkcs8 => seal_pkcs8(key, password),
    }
}

/// Seals a key under a password, in cosign's form. Takes about as long as cosign: scrypt with N = 65536, r = 8, p = 1, 64 MiB.
pub fn seal(key: &PrivateKey, password: &SecretString) -> Result<String, KeyFileError> {
    let mut salt = [0; SALT_BYTES];
    let mut nonce = [0; NONCE_BYTES];
    rand::fill(&mut salt).map_err(|_| KeyFileError::Random)?;
    rand::fill(&mut nonce).map_err(|_| KeyFileError::Random)?;
    let derived = derive(&SEALED_WITH, &salt, password)?;
    let cipher = secretbox(&derived)?;
    let contents = key.to_pkcs8_der()?;
    let ciphertext = cipher
        .encrypt(Nonce::from_slice(&nonce), contents.expose_secret())
        .map_err(|_| KeyFileError::Random)?;
    let file = KeyFile {
        kdf: Kdf {
            name: KDF.to_owned(),
            params: SEALED_WITH,
            salt: to_base64(&salt),
        },
        cipher: Cipher {
            name: CIPHER.to_owned(),
            nonce: to_base64(&nonce),
        },
        ciphertext: to_base64(&ciphertext),
    };
    let json = serde_json::to_vec(&file).map_err(|error| JsonError::Form(error.to_string()))?;
    Ok(pem::encode(LABEL, &json))
}

/// Opens a sealed key file: cosign's, also with its old label, or PKCS #8 as openssl, docker and others seal it.
pub fn open(text: &str, password: &SecretString) -> Result<PrivateKey, KeyFileError> {
    match Form::of(text) {
        Some(Form::Pkcs8) => open_pkcs8(text, password),
        Some(Form::Cosign) | None => open_cosigns(text, password),
    }
}

/// Reads a private key that nothing seals, as other programs leave it: `PRIVATE KEY` (PKCS #8), or `EC PRIVATE KEY` (RFC
/// 5915, `openssl ecparam -genkey`). To take it over: nothing here writes one.
pub fn read_open(text: &str) -> Result<PrivateKey, KeyFileError> {
    // RFC 1421: how openssl once said that what follows is encrypted.
    if text.contains("Proc-Type:") {
        return Err(KeyFileError::Old);
    }
    let contents: SecretSlice<u8> = pem::decode(text, &[OPEN_LABEL, EC_LABEL])?.into();
    let contents = contents.expose_secret();
    match begins(text, EC_LABEL) {
        true => Ok(PrivateKey::from_sec1_der(contents)?),
        false => Ok(PrivateKey::from_pkcs8_der(contents)?),
    }
}

/// Whether a text is a private key that nothing seals.
#[must_use]
pub fn is_open(text: &str) -> bool {
    [OPEN_LABEL, EC_LABEL]
        .iter()
        .any(|label| begins(text, label))
}

fn begins(text: &str, label: &str) -> bool {
    let rest = text.trim_start().strip_prefix("-----BEGIN ");
    let rest = rest.and_then(|rest| rest.strip_prefix(label));
    rest.is_some_and(|rest| rest.starts_with("-----"))
}

fn seal_pkcs8(key: &PrivateKey, password: &SecretString) -> Result<String, KeyFileError> {
    let contents = key.to_pkcs8_der()?;
    let sealed = pbes2::seal(contents.expose_secret(), password, Prf::Sha256)?;
    Ok(pem::encode(PKCS8_LABEL, &sealed))
}

fn open_pkcs8(text: &str, password: &SecretString) -> Result<PrivateKey, KeyFileError> {
    let opened = pbes2::open(&pem::decode(text, &[PKCS8_LABEL])?, password)?;
    let opened = opened.expose_secret();
    // Whatever is no DER of a key is noise of a wrong password; a key of a kind that is not ours says so.
    PrivateKey::from_pkcs8_der(opened).map_err(|error| match parse_der(opened) {
        Ok(([], outer)) if items(&outer).len() >= 3 => error.into(),
        _ => KeyFileError::Password,
    })
}

fn open_cosigns(text: &str, password: &SecretString) -> Result<PrivateKey, KeyFileError> {
    let json = pem::decode(text, &[LABEL, OLD_LABEL])?;
    let file: KeyFile = strict::parse(&json, PEM_BYTES_MAX)?;
    if file.kdf.name != KDF {
        return Err(KeyFileError::Unsupported(excerpt(&file.kdf.name)));
    }
    if file.cipher.name != CIPHER {
        return Err(KeyFileError::Unsupported(excerpt(&file.cipher.name)));
    }
    let salt = from_base64(&file.kdf.salt).ok_or(KeyFileError::Field("salt"))?;
    let nonce = from_base64(&file.cipher.nonce).filter(|nonce| nonce.len() == NONCE_BYTES);
    let nonce = nonce.ok_or(KeyFileError::Field("nonce"))?;
    let ciphertext = from_base64(&file.ciphertext).ok_or(KeyFileError::Field("ciphertext"))?;
    let cipher = secretbox(&derive(&file.kdf.params, &salt, password)?)?;
    let opened = cipher
        .decrypt(Nonce::from_slice(&nonce), ciphertext.as_slice())
        .map_err(|_| KeyFileError::Password)?;
    let opened: SecretSlice<u8> = opened.into();
    Ok(PrivateKey::from_pkcs8_der(opened.expose_secret())?)
}

fn derive(
    params: &Params,
    salt: &[u8],
    password: &SecretString,
) -> Result<SecretSlice<u8>, KeyFileError> {
    let Params { n, r, p } = *params;
    let derived = Scrypt { n, r, p }.derive(password, salt, SECRETBOX_KEY_BYTES);
    derived.map_err(|_| KeyFileError::Cost { n, r, p })
}

fn secretbox(key: &SecretSlice<u8>) -> Result<XSalsa20Poly1305, KeyFileError> {
    let key: [u8; 32] = key
        .expose_secret()
        .try_into()
        .map_err(|_| KeyFileError::Field("kdf"))?;
    Ok(XSalsa20Poly1305::new(Key::from_slice(&key)))
}

#[derive(Serialize, Deserialize)]
struct KeyFile {
    kdf: Kdf,
    cipher: Cipher,
    ciphertext: String,
}

#[derive(Serialize, Deserialize)]
struct Kdf {
    name: String,
    params: Params,
    salt: String,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
struct Params {
    #[serde(rename = "N")]
    n: u64,
    r: u32,
    p: u32,
}

#[derive(Serialize, Deserialize)]
struct Cipher {
    name: String,
    nonce: String,
}

/// Why a key file is not opened or made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyFileError {
    /// Not one PEM block with a known label.
    #[error(transparent)]
    Pem(#[from] PemError),
    /// The PEM block does not hold the JSON of a key file.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// One of its fields is not what the format says.
    #[error("the key file is damaged: its {0} cannot be read")]
    Field(&'static str),
    /// A key derivation or cipher that is not known.
    #[error("the key file uses `{0}`: only scrypt with nacl/secretbox is read")]
    Unsupported(String),
    /// The key derivation would cost more than is allowed, or its numbers make no sense.
    #[error(
        "limit exceeded: the key file asks for scrypt with N={n}, r={r}, p={p}; at most 256 MiB and p=8 are allowed"
    )]
    Cost {
        /// The cost N.
        n: u64,
        /// The block size r.
        r: u32,
        /// The parallelism p.
        p: u32,
    },
    /// PKCS #8 that is damaged, sealed in another way, or costs too much to open.
    #[error(transparent)]
    Pkcs8(Pbes2Error),
    /// A key that openssl encrypted in its old form.
    #[error(
        "the key is encrypted in openssl's old form, which is weak: convert it with `openssl pkcs8 -topk8`"
    )]
    Old,
    /// The box does not open.
    #[error("the password is wrong, or the key file was changed")]
    Password,
    /// What was in the box is not a key of ours.
    #[error(transparent)]
    Key(#[from] PrivateKeyError),
    /// The system gave no random numbers.
    #[error("the key cannot be sealed: the system gave no random numbers")]
    Random,
}

impl From<Pbes2Error> for KeyFileError {
    fn from(error: Pbes2Error) -> Self {
        match error {
            Pbes2Error::Password => Self::Password,
            error => Self::Pkcs8(error),
        }
    }
}

const LABEL: &str = "ENCRYPTED SIGSTORE PRIVATE KEY";
const OLD_LABEL: &str = "ENCRYPTED COSIGN PRIVATE KEY";
const KDF: &str = "scrypt";
const CIPHER: &str = "nacl/secretbox";
const SALT_BYTES: usize = 32;
const NONCE_BYTES: usize = 24;
const SEALED_WITH: Params = Params {
    n: 65_536,
    r: 8,
    p: 1,
};
const SECRETBOX_KEY_BYTES: usize = 32;
const PKCS8_LABEL: &str = "ENCRYPTED PRIVATE KEY";
const OPEN_LABEL: &str = "PRIVATE KEY";
const EC_LABEL: &str = "EC PRIVATE KEY";

#[cfg(test)]
mod tests;
