//! Key files as cosign writes and reads them: PKCS #8 in a NaCl secretbox under a key that scrypt derives from the
//! password, as JSON in PEM. Deliberately no unencrypted form. The format is that of go-securesystemslib `encrypted`.

use aws_lc_rs::rand;
use crypto_secretbox::aead::{Aead, KeyInit};
use crypto_secretbox::{Key, Nonce, XSalsa20Poly1305};
use secrecy::{ExposeSecret, SecretSlice, SecretString};
use serde::{Deserialize, Serialize};

use crate::encoding::{from_base64, to_base64};
use crate::excerpt::excerpt;
use crate::pem::{self, PEM_BYTES_MAX, PemError};
use crate::private::{PrivateKey, PrivateKeyError};
use crate::strict::{self, JsonError};

/// The most memory that opening a key file may take for its key derivation, in bytes.
pub const SCRYPT_MEMORY_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// Seals a key under a password. Takes about as long as cosign: scrypt with N = 65536, r = 8, p = 1, 64 MiB.
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

/// Opens a key file, also one with cosign's old label.
pub fn open(text: &str, password: &SecretString) -> Result<PrivateKey, KeyFileError> {
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
    let too_costly = KeyFileError::Cost {
        n: params.n,
        r: params.r,
        p: params.p,
    };
    let log_n = params
        .n
        .checked_ilog2()
        .and_then(|log| u8::try_from(log).ok())
        .unwrap_or(0);
    // RFC 7914 section 2: N is a power of two over 1; memory is 128 * N * r bytes, time is that times p.
    let memory = u64::from(params.r)
        .checked_mul(128)
        .and_then(|block| block.checked_mul(params.n));
    let allowed = params.n.is_power_of_two()
        && params.n > 1
        && (1..=SCRYPT_P_MAX).contains(&params.p)
        && params.r > 0
        && memory.is_some_and(|bytes| bytes <= SCRYPT_MEMORY_BYTES_MAX);
    if !allowed {
        return Err(too_costly);
    }
    let params = scrypt::Params::new(log_n, params.r, params.p).map_err(|_| too_costly)?;
    let mut derived = vec![0; 32];
    scrypt::scrypt(
        password.expose_secret().as_bytes(),
        salt,
        &params,
        &mut derived,
    )
    .map_err(|_| KeyFileError::Field("kdf"))?;
    Ok(derived.into())
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
const SCRYPT_P_MAX: u32 = 8;

#[cfg(test)]
mod tests;
