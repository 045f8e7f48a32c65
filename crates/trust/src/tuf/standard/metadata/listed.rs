//! A file by its version and, where they are given, its length and hashes: what `timestamp` says about `snapshot`, and that about the
//! others.

use serde_json::Value;

use crate::tuf::fields::Fields;
use crate::tuf::metadata::Hashes;
use crate::tuf::problem::Problem;
use crate::tuf::role::RoleName;

/// A file of metadata, as another one lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Counted from 1.
    pub version: i64,
    /// In bytes.
    pub length: Option<u64>,
    /// Where the version alone does not name the file.
    pub hashes: Option<Hashes>,
}

impl Listed {
    /// True if these may be its bytes. Which version they are shows when they are read.
    #[must_use]
    pub fn matches(&self, bytes: &[u8]) -> bool {
        let length = u64::try_from(bytes.len()).ok();
        (self.length.is_none() || self.length == length)
            && self
                .hashes
                .as_ref()
                .is_none_or(|hashes| hashes.match_bytes(bytes))
    }

    /// TUF 5.5.2, 5.6.2.
    pub(in crate::tuf::standard) fn is_of(
        &self,
        bytes: &[u8],
        role: &RoleName,
        by: &RoleName,
    ) -> Result<(), Problem> {
        if self.matches(bytes) {
            return Ok(());
        }
        Err(Problem::Hash {
            role: role.clone(),
            by: by.clone(),
        })
    }

    /// TUF 5.5.4, 5.6.4.
    pub(in crate::tuf::standard) fn is_version(
        &self,
        version: i64,
        role: &RoleName,
        by: &RoleName,
    ) -> Result<(), Problem> {
        if version == self.version {
            return Ok(());
        }
        Err(Problem::ListedVersion {
            role: role.clone(),
            version,
            listed: self.version,
            by: by.clone(),
        })
    }

    pub(super) fn read(value: &Value, at: &str) -> Result<Self, Problem> {
        let fields = Fields::of(value, at, &["version", "length", "hashes"])?;
        let version = fields.whole("version")?;
        if version < 1 {
            return Err(fields.fault("version", "must be at least 1"));
        }
        let length = match fields.value("length") {
            Some(_) => Some(read_length(&fields)?),
            None => None,
        };
        let hashes = match fields.value("hashes") {
            Some(_) => Some(read_hashes(&fields)?),
            None => None,
        };
        Ok(Self {
            version,
            length,
            hashes,
        })
    }
}

pub(super) fn read_length(fields: &Fields<'_>) -> Result<u64, Problem> {
    if fields.value("length").is_none() {
        return Err(fields.fault("length", "is missing"));
    }
    u64::try_from(fields.whole("length")?)
        .map_err(|_| fields.fault("length", "must not be negative"))
}

/// Hashes in hexadecimal; those of other algorithms are not kept, but one must be known.
pub(super) fn read_hashes(fields: &Fields<'_>) -> Result<Hashes, Problem> {
    let mut hashes = Hashes::default();
    for (algorithm, value) in fields.members("hashes")? {
        match algorithm.as_str() {
            "sha256" => hashes.sha256 = Some(read_hash(fields, value)?),
            "sha512" => hashes.sha512 = Some(read_hash(fields, value)?),
            _ => {}
        }
    }
    if hashes == Hashes::default() {
        return Err(fields.fault("hashes", "must have a sha256 or a sha512"));
    }
    Ok(hashes)
}

fn read_hash<const N: usize>(fields: &Fields<'_>, value: &Value) -> Result<[u8; N], Problem> {
    let mut hash = [0; N];
    let read = value
        .as_str()
        .map(|text| hex::decode_to_slice(text, &mut hash));
    match read {
        Some(Ok(())) => Ok(hash),
        _ => Err(fields.fault("hashes", "must be a whole hash in hexadecimal")),
    }
}
