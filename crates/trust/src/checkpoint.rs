//! Signed checkpoints of a log: its name, its size and its root. Deliberately no time of the log's own: a checkpoint says how
//! far the log had come, and two of them are compared by a consistency proof. What witnesses add is in `cosignature`.
//! C2SP `tlog-checkpoint` in a C2SP `signed-note`.

use sha2::{Digest as _, Sha256};

use crate::encoding::{from_base64, to_base64};
use crate::excerpt::excerpt;
use crate::key::{Algorithm, KeyId, PublicKey};
use crate::merkle::Hash;
use crate::private::{SignError, Signer};
use crate::verified::Verified;

mod cosignature;
mod verifier;

pub use cosignature::{Cosignature, cosign, verify_cosignature, with_signatures};
pub use verifier::{VerifierKey, VerifierKind};

/// The longest note that is read, in bytes.
pub const NOTE_BYTES_MAX: usize = 64 * 1024;
/// The most signature lines that are read.
pub const NOTE_SIGNATURES_MAX: usize = 100;

/// How far a log has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log's name, also the name of its key: no white space and no `+`, usually a host and a path.
    pub origin: String,
    /// How many entries it has.
    pub size: u64,
    /// The root of its tree.
    pub root: Hash,
}

/// The checkpoint as a note with one signature.
pub fn sign(checkpoint: &Checkpoint, signer: &dyn Signer) -> Result<String, CheckpointError> {
    check_origin(&checkpoint.origin)?;
    let text = checkpoint.to_text();
    let signature = signer.sign(text.as_bytes())?;
    let signed = [
        key_hash(&checkpoint.origin, signer.public_key()).as_slice(),
        &signature,
    ]
    .concat();
    Ok(format!(
        "{text}\n{SIGNATURE_START}{} {}\n",
        checkpoint.origin,
        to_base64(&signed)
    ))
}

/// The name of the log that a note says it is of: not to be believed before [`verify`] was asked with that log's key.
#[must_use]
pub fn claimed_origin(note: &str) -> Option<&str> {
    let (origin, _) = note.split_once('\n')?;
    is_key_name(origin).then_some(origin)
}

/// The checkpoint in a note, if it is of this log and this key signed it. Other signatures are not looked at; one that
/// claims to be this key's and is not makes the whole note worthless.
pub fn verify(
    note: &str,
    origin: &str,
    key: &PublicKey,
) -> Result<Verified<Checkpoint>, CheckpointError> {
    check_origin(origin)?;
    if note.len() > NOTE_BYTES_MAX {
        return Err(CheckpointError::TooLarge { bytes: note.len() });
    }
    let (text, signatures) = split(note)?;
    let checkpoint = Checkpoint::parse_text(text)?;
    if checkpoint.origin != origin {
        return Err(CheckpointError::Origin {
            found: excerpt(&checkpoint.origin),
            wanted: origin.to_owned(),
        });
    }
    let hash = key_hash(origin, key);
    let mut is_signed = false;
    for signed in signatures.iter().filter(|line| line.name == origin) {
        let Some(signature) = signed.bytes.strip_prefix(hash.as_slice()) else {
            continue;
        };
        let bad = |_| CheckpointError::Signature {
            key: key.id().clone(),
        };
        key.verify(text.as_bytes(), signature).map_err(bad)?;
        is_signed = true;
    }
    if !is_signed {
        return Err(CheckpointError::NotSigned {
            key: key.id().clone(),
        });
    }
    Ok(Verified::new(checkpoint, key.id().clone()))
}

/// The checkpoint in a note that this key signed under any name, which is how Rekor's first version and its clients go
/// about it: the origin is `NAME - TREE`, the signature's name is `NAME`, and the key alone says which log it is. A wrong
/// signature beside a right one does no harm.
pub(crate) fn verify_by_key(
    note: &str,
    key: &PublicKey,
) -> Result<Verified<Checkpoint>, CheckpointError> {
    if note.len() > NOTE_BYTES_MAX {
        return Err(CheckpointError::TooLarge { bytes: note.len() });
    }
    let (text, signatures) = split(note)?;
    let checkpoint = Checkpoint::parse_text(text)?;
    let name = match checkpoint.origin.split_once(" - ") {
        Some((name, _)) => name,
        None => &checkpoint.origin,
    };
    check_origin(name)?;
    let hash = key_hash(name, key);
    let mut claims = false;
    for signed in signatures.iter().filter(|line| line.name == name) {
        let Some(signature) = signed.bytes.strip_prefix(hash.as_slice()) else {
            continue;
        };
        claims = true;
        if key.verify(text.as_bytes(), signature).is_ok() {
            return Ok(Verified::new(checkpoint, key.id().clone()));
        }
    }
    let key = key.id().clone();
    Err(if claims {
        CheckpointError::Signature { key }
    } else {
        CheckpointError::NotSigned { key }
    })
}

impl Checkpoint {
    fn to_text(&self) -> String {
        format!(
            "{}\n{}\n{}\n",
            self.origin,
            self.size,
            to_base64(&self.root)
        )
    }

    // tlog-checkpoint "Note text": origin, size without leading zeros, root; further lines are extensions, which a
    // client that does not know them ignores.
    fn parse_text(text: &str) -> Result<Self, CheckpointError> {
        let mut lines = text.split('\n');
        let origin = lines.next().unwrap_or_default();
        let size = lines
            .next()
            .and_then(parse_size)
            .ok_or(CheckpointError::Form("size"))?;
        let root = lines
            .next()
            .and_then(from_base64)
            .and_then(|bytes| Hash::try_from(bytes).ok());
        let root = root.ok_or(CheckpointError::Form("root hash"))?;
        Ok(Self {
            origin: origin.to_owned(),
            size,
            root,
        })
    }
}

pub(crate) fn parse_size(text: &str) -> Option<u64> {
    let size = text.parse().ok()?;
    (u64::to_string(&size) == text).then_some(size)
}

struct SignatureLine<'a> {
    name: &'a str,
    bytes: Vec<u8>,
}

/// The text with its last line end, and the signature lines. signed-note "Format".
fn split(note: &str) -> Result<(&str, Vec<SignatureLine<'_>>), CheckpointError> {
    let (text, lines) = note
        .rsplit_once("\n\n")
        .ok_or(CheckpointError::Form("signature block"))?;
    let text = note
        .get(..=text.len())
        .ok_or(CheckpointError::Form("text"))?;
    let lines = lines
        .strip_suffix('\n')
        .ok_or(CheckpointError::Form("last line"))?;
    let is_control = |c: char| c.is_control() && c != '\n';
    if text.contains(is_control) {
        return Err(CheckpointError::Form("text"));
    }
    if lines.split('\n').count() > NOTE_SIGNATURES_MAX {
        return Err(CheckpointError::TooManySignatures);
    }
    let parsed: Option<Vec<_>> = lines.split('\n').map(parse_line).collect();
    Ok((text, parsed.ok_or(CheckpointError::Form("signature line"))?))
}

fn parse_line(line: &str) -> Option<SignatureLine<'_>> {
    let (name, base64) = line.strip_prefix(SIGNATURE_START)?.split_once(' ')?;
    let bytes = from_base64(base64).filter(|bytes| bytes.len() > KEY_HASH_BYTES)?;
    is_key_name(name).then_some(SignatureLine { name, bytes })
}

fn check_origin(origin: &str) -> Result<(), CheckpointError> {
    // The text of a note must never look like the bytes that another kind of statement signs.
    if !is_key_name(origin) || origin.starts_with("DSSEv1") {
        return Err(CheckpointError::Name(excerpt(origin)));
    }
    Ok(())
}

/// signed-note "Format": a key name is not empty and has no white space and no `+`.
fn is_key_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(|c: char| c.is_whitespace() || c.is_control() || c == '+')
}

/// The first four bytes that name a key in a note. signed-note "Signature types" for Ed25519; Rekor's form, the hash of
/// the SubjectPublicKeyInfo, for ECDSA.
fn key_hash(name: &str, key: &PublicKey) -> [u8; KEY_HASH_BYTES] {
    match key.algorithm() {
        Algorithm::Ed25519 => typed_hash(name, ED25519_TYPE, key),
        Algorithm::EcdsaP256 | Algorithm::EcdsaP384 => {
            first_bytes(&Sha256::digest(key.as_der()).into())
        }
    }
}

/// signed-note "Signatures": the recommended id, of name, kind of signature and key.
fn typed_hash(name: &str, kind: u8, key: &PublicKey) -> [u8; KEY_HASH_BYTES] {
    let named = Sha256::new().chain_update(name).chain_update([b'\n', kind]);
    first_bytes(&named.chain_update(key.point()).finalize().into())
}

fn first_bytes(hash: &Hash) -> [u8; KEY_HASH_BYTES] {
    let [a, b, c, d, ..] = *hash;
    [a, b, c, d]
}

/// Why a checkpoint is not made or not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// Not a name that a note can carry.
    #[error("`{0}` cannot name a log: use a host and a path, without white space and `+`")]
    Name(String),
    /// Longer than [`NOTE_BYTES_MAX`].
    #[error("limit exceeded: {bytes} bytes of checkpoint, at most {max} are read", max = NOTE_BYTES_MAX)]
    TooLarge {
        /// Its length in bytes.
        bytes: usize,
    },
    /// More than [`NOTE_SIGNATURES_MAX`].
    #[error("limit exceeded: more than {max} signatures on the checkpoint", max = NOTE_SIGNATURES_MAX)]
    TooManySignatures,
    /// A part of it is not what the format says.
    #[error("not a checkpoint: its {0} cannot be read")]
    Form(&'static str),
    /// The checkpoint of another log.
    #[error("the checkpoint is of the log `{found}`, not `{wanted}`")]
    Origin {
        /// The name in the checkpoint, shortened.
        found: String,
        /// The name asked for.
        wanted: String,
    },
    /// The key did not sign it.
    #[error("the checkpoint carries no signature of the key `{key}`")]
    NotSigned {
        /// The key that was looked for.
        key: KeyId,
    },
    /// A signature that claims to be the key's is not: the checkpoint was changed.
    #[error("the checkpoint was changed: its signature of the key `{key}` does not fit")]
    Signature {
        /// The key that it claims.
        key: KeyId,
    },
    /// Not a verifier key.
    #[error(
        "not a verifier key: its {0} cannot be read; it looks like `name+01234567+base64`, and is given itself, not the file that holds it"
    )]
    VerifierKey(&'static str),
    /// A cosignature must be made with an Ed25519 key.
    #[error("a witness signs with an Ed25519 key, not with `{0}`")]
    Algorithm(Algorithm),
    /// The signer failed.
    #[error(transparent)]
    Sign(#[from] SignError),
}

const SIGNATURE_START: &str = "\u{2014} ";
const KEY_HASH_BYTES: usize = 4;
const ED25519_TYPE: u8 = 1;
const COSIGNATURE_TYPE: u8 = 4;

#[cfg(test)]
mod tests;
