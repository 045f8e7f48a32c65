//! What a server accepts from publishers, in the order and with the errors of notary-server, so that docker and notary
//! show the reason. [`validate`] judges a whole update at once and answers what to store; [`Accepted::seal`] signs what the server has to
//! sign; [`resign`] renews those signatures before they end. Deliberately pure: the caller brings what is current and stores
//! what comes out in one transaction.

mod refusal;

use std::collections::BTreeMap;

use super::gun::Gun;
use super::key::Key;
use super::metadata::Targets;
use super::role::RoleName;
use crate::private::{SignError, Signer};

pub use refusal::{REFUSAL_BYTES_MAX, Refusal};

/// What a repository holds now.
#[derive(Debug, Clone, Default)]
pub struct Current {
    files: BTreeMap<RoleName, Vec<u8>>,
    latest: BTreeMap<RoleName, i64>,
}

impl Current {
    /// A repository without anything.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the file of a role that readers are given now: `timestamp`, the snapshot that it names, and the files that
    /// this one lists.
    pub fn insert(&mut self, role: RoleName, bytes: Vec<u8>) {
        self.files.insert(role, bytes);
    }

    /// The highest version of a role that was ever stored, where it may be higher than that of the current file: a
    /// role that is not listed any more still has its versions.
    pub fn insert_latest(&mut self, role: RoleName, version: i64) {
        self.latest.insert(role, version);
    }

    /// The current file of a role.
    #[must_use]
    pub fn file(&self, role: &RoleName) -> Option<&[u8]> {
        self.files.get(role).map(Vec::as_slice)
    }
}

/// The public halves of the keys that the server keeps for one repository: those in use, and those that await a root
/// that names them.
#[derive(Debug, Clone, Default)]
pub struct Held {
    /// Keys for `snapshot`.
    pub snapshot: Vec<Key>,
    /// Keys for `timestamp`.
    pub timestamp: Vec<Key>,
}

impl Held {
    /// The key of a role (`Snapshot` or `Timestamp`) that the current root names, if the server holds it: what `GET …/timestamp.key`
    /// answers once there is a root.
    #[must_use]
    pub fn in_use(&self, role: &RoleName, current: &Current) -> Option<&Key> {
        let _ = (role, current);
        todo!()
    }
}

/// Judges an update: files by role, in any order. All of it is taken, or nothing. A file for `timestamp` is ignored, as notary-server ignores it.
///
/// # Errors
/// The first thing that is wrong, in notary-server's order.
pub fn validate(
    gun: &Gun,
    update: Vec<(RoleName, Vec<u8>)>,
    current: &Current,
    held: &Held,
    now: i64,
) -> Result<Accepted, Refusal> {
    let _ = (gun, update, current, held, now);
    todo!()
}

/// Signs `timestamp` again, and `snapshot` where the server holds its key, once less than half of the one's life or less than 90 days
/// of the other's are left. `None`: nothing is due.
///
/// # Errors
/// What is stored cannot be read, or the root names no timestamp key of the server's.
pub fn resign(
    gun: &Gun,
    current: &Current,
    held: &Held,
    now: i64,
) -> Result<Option<Accepted>, Refusal> {
    let _ = (gun, current, held, now);
    todo!()
}

/// The instant from which [`resign`] has something to do, in milliseconds since 1970.
#[must_use]
pub fn due(current: &Current) -> Option<i64> {
    let _ = current;
    todo!()
}

/// An update that is taken once the server has signed its part of it.
#[derive(Debug)]
pub struct Accepted {
    uploaded: Vec<(File, Option<Targets>)>,
    signers: Vec<Key>,
}

impl Accepted {
    /// The files that came with the update, in the order root, targets, delegations by depth, snapshot; with what `targets` and
    /// delegations say.
    pub fn uploaded(&self) -> impl Iterator<Item = (&File, Option<&Targets>)> {
        self.uploaded
            .iter()
            .map(|(file, targets)| (file, targets.as_ref()))
    }

    /// The keys that [`Self::seal`] needs, all of them held by the server.
    #[must_use]
    pub fn signers(&self) -> &[Key] {
        &self.signers
    }

    /// Signs the snapshot if the update brought none, then the timestamp. Answers every file to store, `timestamp`
    /// last. More signers than needed do no harm.
    ///
    /// # Errors
    /// A key that is needed is not among the signers, or could not sign.
    pub fn seal(self, signers: &[&dyn Signer]) -> Result<Vec<File>, SealError> {
        let _ = signers;
        todo!()
    }
}

/// A file to store and to serve as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Whose it is.
    pub role: RoleName,
    /// Higher than every version of the role before.
    pub version: i64,
    /// Milliseconds since 1970.
    pub expires: i64,
    /// Of the bytes.
    pub sha256: [u8; 32],
    /// What is served.
    pub bytes: Vec<u8>,
}

/// Why an accepted update cannot be signed by the server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// A key that [`Accepted::signers`] names is missing.
    #[error("the key {0} of the server is needed to sign and was not given")]
    Missing(super::KeyId),
    /// ECDSA P-384: this dialect signs with SHA-256 there, which our keys do not.
    #[error("the key {0} cannot sign trust metadata: use ecdsa p-256 or ed25519")]
    Unsuitable(super::KeyId),
    /// The signer failed.
    #[error(transparent)]
    Sign(#[from] SignError),
}
