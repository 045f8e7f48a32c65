//! The four kinds of files of a trust repository. What was received is kept byte for byte beside what it says: it is
//! stored, hashed and served as it came, and never written again. Deliberately no judgement: what a file's signatures
//! are worth depends on who delegates to its role.

use std::collections::BTreeMap;

use serde_json::Value;

use super::key::{Key, KeyId};
use super::role::RoleName;

/// The largest file that is read, in bytes.
pub const METADATA_BYTES_MAX: usize = 8 * 1024 * 1024;

/// A file as it came: its bytes, what they say, and the signatures over it, which nobody has checked yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed<T> {
    bytes: Vec<u8>,
    content: T,
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
}

/// What `root` says: which keys stand for each base role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root {
    /// Counted from 1.
    pub version: i64,
    /// Milliseconds since 1970.
    pub expires: i64,
    /// All keys that the roles name.
    pub keys: BTreeMap<KeyId, Key>,
    /// The four base roles.
    pub roles: BTreeMap<RoleName, RoleKeys>,
    /// Always false in this dialect.
    pub consistent_snapshot: bool,
}

/// Whose signatures a role needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleKeys {
    /// The keys that may sign.
    pub keyids: Vec<KeyId>,
    /// How many of them must.
    pub threshold: u32,
}

/// What `targets` or a delegation says: which tags are trusted, and who else may say so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Targets {
    /// Counted from 1.
    pub version: i64,
    /// Milliseconds since 1970.
    pub expires: i64,
    /// By the tag's name.
    pub targets: BTreeMap<String, FileMeta>,
    /// Roles one level below.
    pub delegations: Delegations,
}

/// The roles that a file delegates to, in the order in which they are asked.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Delegations {
    /// All keys that the roles name.
    pub keys: BTreeMap<KeyId, Key>,
    /// The roles.
    pub roles: Vec<DelegatedRole>,
}

/// One delegation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DelegatedRole {
    /// The delegated role, one level below the role that delegates.
    pub name: RoleName,
    /// Whose signatures it needs.
    pub keys: RoleKeys,
    /// What the names of its targets must begin with, one of them; `""` allows all, no entry nothing.
    pub paths: Vec<String>,
}

/// What `snapshot` says: which file of each role belongs to this state of the repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Counted from 1.
    pub version: i64,
    /// Milliseconds since 1970.
    pub expires: i64,
    /// Every role but `snapshot` and `timestamp`.
    pub meta: BTreeMap<RoleName, FileMeta>,
}

/// What `timestamp` says: which snapshot is the current one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timestamp {
    /// Counted from 1.
    pub version: i64,
    /// Milliseconds since 1970.
    pub expires: i64,
    /// The snapshot's file.
    pub snapshot: FileMeta,
}

/// A file by its length and hashes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileMeta {
    /// In bytes.
    pub length: u64,
    /// At least one of them.
    pub hashes: Hashes,
    /// What publishers may add; docker adds nothing.
    pub custom: Option<Value>,
}

/// Hashes of a file; those of unknown algorithms are not kept.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Hashes {
    /// SHA-256.
    pub sha256: Option<[u8; 32]>,
    /// SHA-512.
    pub sha512: Option<[u8; 64]>,
}
