//! Files by their length and hashes: what `targets` says about images and `snapshot` about other files.

use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256, Sha512};

use crate::encoding::{from_base64, to_base64};
use crate::tuf::fields::Fields;
use crate::tuf::problem::Problem;

/// A file by its length and hashes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileMeta {
    /// In bytes.
    pub length: u64,
    /// Its hashes.
    pub hashes: Hashes,
    /// What publishers may add; docker adds nothing.
    pub custom: Option<Value>,
}

/// Hashes of a file; those of other algorithms are not kept.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Hashes {
    /// SHA-256.
    pub sha256: Option<[u8; 32]>,
    /// SHA-512.
    pub sha512: Option<[u8; 64]>,
}

impl FileMeta {
    /// What stands for these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self {
            length: u64::try_from(bytes.len()).unwrap_or(u64::MAX),
            hashes: Hashes {
                sha256: Some(Sha256::digest(bytes).into()),
                sha512: Some(Sha512::digest(bytes).into()),
            },
            custom: None,
        }
    }

    /// True if these are the bytes: their length, and every hash that is known, of which there must be one.
    #[must_use]
    pub fn matches(&self, bytes: &[u8]) -> bool {
        let Hashes { sha256, sha512 } = self.hashes;
        let actual = Self::of(bytes);
        let known = sha256.is_some() || sha512.is_some();
        known
            && self.length == actual.length
            && (sha256.is_none() || sha256 == actual.hashes.sha256)
            && (sha512.is_none() || sha512 == actual.hashes.sha512)
    }

    /// The SHA-256 in lower-case hexadecimal, as file names and image digests have it.
    #[must_use]
    pub fn sha256_hex(&self) -> Option<String> {
        self.hashes.sha256.map(hex::encode)
    }

    pub(super) fn read(value: &Value, at: &str) -> Result<Self, Problem> {
        let fields = Fields::of(value, at, &["length", "hashes", "custom"])?;
        let length = u64::try_from(fields.whole("length")?)
            .map_err(|_| fields.fault("length", "must not be negative"))?;
        let mut hashes = Hashes::default();
        for (algorithm, value) in fields.members("hashes")? {
            // Go's reader gives the whole file up if one of them is no base64, also one of an algorithm that nobody knows.
            let bytes = value.as_str().and_then(from_base64);
            let bytes = bytes.ok_or_else(|| fields.fault("hashes", "must be base64"))?;
            match algorithm.as_str() {
                "sha256" => hashes.sha256 = Some(whole_hash(&fields, bytes)?),
                "sha512" => hashes.sha512 = Some(whole_hash(&fields, bytes)?),
                _ => {}
            }
        }
        Ok(Self {
            length,
            hashes,
            custom: fields.value("custom").cloned(),
        })
    }

    /// The same where others rely on the SHA-256, by which files are fetched.
    pub(super) fn read_with_sha256(value: &Value, at: &str) -> Result<Self, Problem> {
        let file = Self::read(value, at)?;
        if file.hashes.sha256.is_none() {
            return Err(Problem::Field {
                at: format!("{at}.hashes"),
                fault: "must have a sha256",
            });
        }
        Ok(file)
    }

    pub(super) fn to_value(&self) -> Value {
        let mut hashes = Map::new();
        if let Some(sha256) = self.hashes.sha256 {
            hashes.insert("sha256".into(), json!(to_base64(&sha256)));
        }
        if let Some(sha512) = self.hashes.sha512 {
            hashes.insert("sha512".into(), json!(to_base64(&sha512)));
        }
        let mut value = json!({"hashes": hashes, "length": self.length});
        if let (Some(custom), Value::Object(members)) = (&self.custom, &mut value) {
            members.insert("custom".into(), custom.clone());
        }
        value
    }
}

fn whole_hash<const N: usize>(fields: &Fields<'_>, bytes: Vec<u8>) -> Result<[u8; N], Problem> {
    let hash = bytes.try_into().ok();
    hash.ok_or_else(|| fields.fault("hashes", "must be base64 of a whole hash"))
}
