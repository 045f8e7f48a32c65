//! An update that is taken, and the server's signatures under it.

use sha2::{Digest as _, Sha256};

use crate::private::Signer;
use crate::tuf::key::Key;
use crate::tuf::metadata::{Content, FileMeta, Root, Snapshot, Targets, Timestamp};
use crate::tuf::role::RoleName;
use crate::tuf::sign::{self, SealError};
use crate::tuf::verify::Trusted;

/// An update that is taken once the server has signed its part of it.
#[derive(Debug, Clone)]
#[must_use = "nothing is published before it is sealed and stored"]
pub struct Accepted {
    root: Root,
    uploaded: Vec<Uploaded>,
    snapshot: SnapshotPart,
    timestamp: TimestampPart,
}

/// A file that came with the update.
#[derive(Debug, Clone)]
pub struct Uploaded {
    /// What is to be stored.
    pub file: File,
    /// What `targets` or a delegation says.
    pub targets: Option<Targets>,
    /// Who signed it: distinct keys, as the role above lists them.
    pub signers: Vec<Key>,
}

#[derive(Debug, Clone)]
pub(super) enum SnapshotPart {
    /// The publisher's.
    Given(Trusted<Snapshot>),
    /// The server's, and the keys to sign it with.
    Made(Snapshot, Vec<Key>),
    /// The one that is current.
    Kept(FileMeta),
}

impl SnapshotPart {
    /// The roles that it lists, where it is a new one.
    pub(super) fn listed(&self) -> impl Iterator<Item = &RoleName> {
        let snapshot = match self {
            Self::Given(snapshot) => Some(snapshot.content()),
            Self::Made(snapshot, _) => Some(snapshot),
            Self::Kept(_) => None,
        };
        snapshot
            .into_iter()
            .flat_map(|snapshot| snapshot.meta.keys())
    }
}

#[derive(Debug, Clone)]
pub(super) struct TimestampPart {
    pub(super) version: i64,
    pub(super) expires: i64,
    pub(super) keys: Vec<Key>,
}

impl Accepted {
    pub(super) fn new(
        root: Root,
        uploaded: Vec<Uploaded>,
        snapshot: SnapshotPart,
        timestamp: TimestampPart,
    ) -> Self {
        Self {
            root,
            uploaded,
            snapshot,
            timestamp,
        }
    }

    /// The root that holds after the update.
    #[must_use]
    pub fn root(&self) -> &Root {
        &self.root
    }

    /// The files that came with the update, in the order root, targets, delegations by depth, snapshot.
    #[must_use]
    pub fn uploaded(&self) -> &[Uploaded] {
        &self.uploaded
    }

    /// What the update brought for a role.
    pub(super) fn upload(&self, role: &RoleName) -> Option<&Uploaded> {
        let mut uploaded = self.uploaded.iter();
        uploaded.find(|uploaded| uploaded.file.role == *role)
    }

    /// The snapshot, if it is the publisher's.
    pub(super) fn given_snapshot(&self) -> Option<&Snapshot> {
        match &self.snapshot {
            SnapshotPart::Given(snapshot) => Some(snapshot.content()),
            SnapshotPart::Made(..) | SnapshotPart::Kept(_) => None,
        }
    }

    /// The keys that [`Self::seal`] needs, all of them held by the server.
    pub fn signers(&self) -> impl Iterator<Item = &Key> {
        let snapshot = match &self.snapshot {
            SnapshotPart::Made(_, keys) => keys.as_slice(),
            SnapshotPart::Given(_) | SnapshotPart::Kept(_) => &[],
        };
        snapshot.iter().chain(&self.timestamp.keys)
    }

    /// Every file that will be stored, by role and version.
    pub fn versions(&self) -> impl Iterator<Item = (RoleName, i64)> {
        let uploaded = self.uploaded.iter();
        let made = match &self.snapshot {
            SnapshotPart::Made(snapshot, _) => Some((RoleName::Snapshot, snapshot.version)),
            SnapshotPart::Given(_) | SnapshotPart::Kept(_) => None,
        };
        uploaded
            .map(|uploaded| (uploaded.file.role.clone(), uploaded.file.version))
            .chain(made)
            .chain([(RoleName::Timestamp, self.timestamp.version)])
    }

    /// Signs the snapshot if the update brought none, then the timestamp. Answers every file to store, `timestamp`
    /// last. More signers than needed do no harm.
    ///
    /// # Errors
    /// A key that is needed is not among the signers, or could not sign.
    pub fn seal(self, signers: &[&dyn Signer]) -> Result<Vec<File>, SealError> {
        let mut files: Vec<File> = self.uploaded.into_iter().map(|one| one.file).collect();
        let snapshot = match self.snapshot {
            SnapshotPart::Given(snapshot) => FileMeta::of(snapshot.bytes()),
            SnapshotPart::Kept(file) => file,
            SnapshotPart::Made(snapshot, keys) => {
                let bytes = sign::file(&snapshot, &keys, signers)?;
                let meta = FileMeta::of(&bytes);
                files.push(File::new(RoleName::Snapshot, &snapshot, bytes));
                meta
            }
        };
        let timestamp = Timestamp {
            version: self.timestamp.version,
            expires: self.timestamp.expires,
            snapshot,
        };
        let bytes = sign::file(&timestamp, &self.timestamp.keys, signers)?;
        files.push(File::new(RoleName::Timestamp, &timestamp, bytes));
        Ok(files)
    }
}

impl Uploaded {
    pub(super) fn root(root: &Trusted<Root>) -> Self {
        Self::of(RoleName::Root, root)
    }

    pub(super) fn snapshot(snapshot: &Trusted<Snapshot>) -> Self {
        Self::of(RoleName::Snapshot, snapshot)
    }

    pub(super) fn targets(role: RoleName, targets: Trusted<Targets>) -> Self {
        let uploaded = Self::of(role, &targets);
        let (_, content) = targets.into_parts();
        Self {
            targets: Some(content),
            ..uploaded
        }
    }

    fn of<T: Content>(role: RoleName, trusted: &Trusted<T>) -> Self {
        let bytes = trusted.bytes().to_vec();
        Self {
            file: File::new(role, trusted.content(), bytes),
            targets: None,
            signers: trusted.signers().to_vec(),
        }
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

impl File {
    fn new(role: RoleName, content: &impl Content, bytes: Vec<u8>) -> Self {
        Self {
            role,
            version: content.version(),
            expires: content.expires(),
            sha256: Sha256::digest(&bytes).into(),
            bytes,
        }
    }
}
