//! A file with signatures: `{"signed": …, "signatures": [{"keyid", "method", "sig"}]}`. What was received is kept byte for byte
//! beside what it says: it is stored, hashed and served as it came, and never written again. Deliberately no judgement: what the
//! signatures are worth depends on who delegates to the role.

use serde_json::Value;

use super::canonical;
use super::fields::Fields;
use super::key::KeyId;
use super::metadata::{Content, read_expires};
use super::problem::Problem;
use super::role::RoleName;
use crate::strict::{self, JsonError, VALUES_MAX};

/// The largest file that is read, in bytes.
pub const METADATA_BYTES_MAX: usize = 8 * 1024 * 1024;
/// The most signatures on one file.
pub const SIGNATURES_MAX: usize = 64;

/// A file that is JSON which everybody reads alike, and no more is known about it.
#[derive(Debug, Clone)]
pub(super) struct Document {
    bytes: Vec<u8>,
    value: Value,
}

impl Document {
    pub(super) fn parse(bytes: Vec<u8>) -> Result<Self, JsonError> {
        let (document, _) = Self::parse_within(bytes, VALUES_MAX)?;
        Ok(document)
    }

    /// The same for one of several files, which hold no more than so many values of JSON together. Answers how many this one has.
    pub(super) fn parse_within(
        bytes: Vec<u8>,
        values_max: usize,
    ) -> Result<(Self, usize), JsonError> {
        let (value, values) = strict::parse_within(&bytes, METADATA_BYTES_MAX, values_max)?;
        Ok((Self { bytes, value }, values))
    }

    /// How many signatures stand under it.
    pub(super) fn signatures(&self) -> usize {
        let signatures = self.value.get("signatures");
        signatures.and_then(Value::as_array).map_or(0, Vec::len)
    }

    /// The version that it claims, before anything is checked; 0 if it claims none.
    ///
    /// notary-server reads as much of every part before it judges any: what all files have in common, and the signatures.
    pub(super) fn version(&self, role: &RoleName) -> Result<i64, Problem> {
        let fields = Fields::of(&self.value, role.as_str(), &["signed", "signatures"])?;
        read_signatures(&fields)?;
        let Some(signed) = fields.value("signed") else {
            return Ok(0);
        };
        let known = ["_type", "version", "expires"];
        let signed = Fields::of(signed, &fields.path("signed"), &known)?;
        if signed.value("_type").is_some() {
            signed.text("_type")?;
        }
        if signed.value("expires").is_some() {
            read_expires(&signed)?;
        }
        signed.whole("version")
    }

    /// Reads it as the file of a role.
    pub(super) fn read<T: Content>(self, role: &RoleName) -> Result<Signed<T>, Problem> {
        let fields = Fields::of(&self.value, role.as_str(), &["signed", "signatures"])?;
        let signatures = read_signatures(&fields)?;
        let signed = fields.value("signed").unwrap_or(&Value::Null);
        let message = canonical::encode(signed)
            .map_err(|_| fields.fault("signed", "must hold whole numbers up to 2^53 only"))?;
        let content = T::read(signed, role)?;
        Ok(Signed {
            bytes: self.bytes,
            message,
            signatures,
            content,
        })
    }
}

fn read_signatures(fields: &Fields<'_>) -> Result<Vec<Signature>, Problem> {
    let items = fields.items("signatures", SIGNATURES_MAX, "signatures on one file")?;
    let at = fields.path("signatures");
    let mut signatures = Vec::new();
    for item in items {
        let fields = Fields::of(item, &at, &["keyid", "method", "sig"])?;
        let method = fields.text("method")?.to_owned();
        let bytes = fields.base64("sig")?;
        // An id of another form is no key's: its signature counts for nobody.
        if let Ok(key) = KeyId::parse(fields.text("keyid")?) {
            signatures.push(Signature { key, method, bytes });
        }
    }
    Ok(signatures)
}

/// A file as it came: its bytes, what they say, and the signatures over it, which nobody has checked yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed<T> {
    bytes: Vec<u8>,
    message: Vec<u8>,
    signatures: Vec<Signature>,
    content: T,
}

impl<T: Content> Signed<T> {
    /// Reads the file of a role.
    ///
    /// # Errors
    /// It is not JSON, could be read in two ways, or is not what a file of this role is.
    pub fn parse(role: &RoleName, bytes: Vec<u8>) -> Result<Self, Problem> {
        Document::parse(bytes)?.read(role)
    }
}

impl<T> Signed<T> {
    /// What the file says.
    #[must_use]
    pub fn content(&self) -> &T {
        &self.content
    }

    /// The file, byte for byte.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The bytes that are signed: the canonical text of what the file says.
    #[must_use]
    pub fn message(&self) -> &[u8] {
        &self.message
    }

    /// The signatures in the order in which they stand.
    #[must_use]
    pub fn signatures(&self) -> &[Signature] {
        &self.signatures
    }

    pub(super) fn into_parts(self) -> (Vec<u8>, T) {
        (self.bytes, self.content)
    }
}

/// One signature over a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// Who is said to have signed.
    pub key: KeyId,
    /// How, as `ecdsa`.
    pub method: String,
    /// The signature.
    pub bytes: Vec<u8>,
}

#[cfg(test)]
mod tests;
