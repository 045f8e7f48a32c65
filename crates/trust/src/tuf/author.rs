//! What a publisher writes: docker's and notary's metadata, with their lifetimes, signed by whoever holds the keys. Deliberately no
//! passphrases, key files and network: the caller brings signers and sends what comes out.
//!
//! ```
//! use trust::tuf::author::{self, BaseKeys};
//! use trust::tuf::{FileMeta, Gun, Key, RoleName};
//! use trust::{Algorithm, PrivateKey, Signer};
//!
//! let (gun, now) = (Gun::parse("registry.example/shop/web")?, 1_795_608_000_000);
//! let root_signer = PrivateKey::generate(Algorithm::EcdsaP256)?;
//! let targets_signer = PrivateKey::generate(Algorithm::EcdsaP256)?;
//! let root_key = author::root_key(&gun, &root_signer, now)?;
//! let targets_key = Key::from(targets_signer.public_key());
//! # let server = Key::from(PrivateKey::generate(Algorithm::Ed25519)?.public_key());
//! # let (snapshot_key, timestamp_key) = (server.clone(), server);
//!
//! // What `docker trust` sends first: the server writes snapshot and timestamp with its own keys.
//! let root = author::first_root(&BaseKeys {
//!     root: &[root_key.clone()],
//!     targets: &[targets_key.clone()],
//!     snapshot: &[snapshot_key],
//!     timestamp: &[timestamp_key],
//! }, now);
//! let mut targets = author::first_targets(now);
//! targets.targets.insert("1.4".into(), author::image([7; 32], 523));
//! let update = vec![
//!     (RoleName::Root, author::sign(&root, &[root_key], &[&root_signer])?),
//!     (RoleName::Targets, author::sign(&targets, &[targets_key], &[&targets_signer])?),
//! ];
//! # assert_eq!(update.len(), 2);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod certificate;

use super::key::Key;
use super::metadata::{Content, FileMeta, Hashes, Root, Snapshot, Targets, Timestamp};
use super::role::RoleName;
use super::sign::{self, SealError};
use super::signed::Signed;
use super::time;
use super::verify;
use crate::private::Signer;

pub use certificate::{CertificateError, root_key};

/// The path that every tag begins with.
const EVERYTHING: &str = "";

/// The keys of the four base roles.
#[derive(Debug, Clone, Copy)]
pub struct BaseKeys<'a> {
    /// With certificates for the repository, as [`root_key`] makes them.
    pub root: &'a [Key],
    /// The repository's owner.
    pub targets: &'a [Key],
    /// The server's, or the owner's.
    pub snapshot: &'a [Key],
    /// The server's.
    pub timestamp: &'a [Key],
}

/// The first root, in which one signature is enough for each role.
#[must_use]
pub fn first_root(keys: &BaseKeys<'_>, now: i64) -> Root {
    let mut root = Root::new(end(&RoleName::Root, now));
    root.set_role(&RoleName::Root, keys.root, 1);
    root.set_role(&RoleName::Targets, keys.targets, 1);
    root.set_role(&RoleName::Snapshot, keys.snapshot, 1);
    root.set_role(&RoleName::Timestamp, keys.timestamp, 1);
    root
}

/// The first `targets`, or the first file of a delegation.
#[must_use]
pub fn first_targets(now: i64) -> Targets {
    Targets::new(end(&RoleName::Targets, now))
}

/// The entry for an image: the SHA-256 of its manifest or index, and the length of that in bytes.
#[must_use]
pub fn image(sha256: [u8; 32], length: u64) -> FileMeta {
    FileMeta {
        length,
        hashes: Hashes {
            sha256: Some(sha256),
            sha512: None,
        },
        custom: None,
    }
}

/// The next version of a role's file, with a new end.
#[must_use]
pub fn next<T: Content>(role: &RoleName, mut content: T, now: i64) -> T {
    let version = content.version().saturating_add(1);
    content.renew(version, end(role, now));
    content
}

/// The snapshot after another one, with these files instead of those that it listed.
#[must_use]
pub fn snapshot(previous: Option<Snapshot>, files: &[(RoleName, &[u8])], now: i64) -> Snapshot {
    let role = RoleName::Snapshot;
    let mut snapshot = match previous {
        Some(previous) => next(&role, previous, now),
        None => Snapshot::new(end(&role, now)),
    };
    let files = files
        .iter()
        .map(|(role, bytes)| (role.clone(), FileMeta::of(bytes)));
    snapshot.meta.extend(files);
    snapshot
}

/// The timestamp after another one, for a snapshot.
#[must_use]
pub fn timestamp(previous: Option<Timestamp>, snapshot: &[u8], now: i64) -> Timestamp {
    let version = previous.map_or(0, |previous| previous.version);
    Timestamp {
        version: version.saturating_add(1),
        expires: end(&RoleName::Timestamp, now),
        snapshot: FileMeta::of(snapshot),
    }
}

/// Makes `targets` what it is in a managed repository: it lists nothing itself, and leaves `targets/releases` to this key of the server
/// alone. Other delegations stay as they are.
pub fn hand_over_releases(targets: &mut Targets, releases: &RoleName, key: &Key) {
    targets.targets.clear();
    let keys = std::slice::from_ref(key);
    let delegations = &mut targets.delegations;
    delegations.set_role(releases.clone(), keys, 1, &[EVERYTHING]);
}

/// Delegates every tag to a signer, whose one key is enough.
pub fn delegate(targets: &mut Targets, role: &RoleName, key: &Key) {
    let keys = std::slice::from_ref(key);
    let delegations = &mut targets.delegations;
    delegations.set_role(role.clone(), keys, 1, &[EVERYTHING]);
}

/// When a file of a role ends that is made now: as docker and notary have it, after 10 years for `root`, 3 for `targets`, delegations
/// and `snapshot`, and 14 days for `timestamp`.
#[must_use]
pub fn end(role: &RoleName, now: i64) -> i64 {
    time::end(role, now)
}

/// The version of a delegation's file that the keys of `targets` signed, as a root lists them; none where it is no such file, or they did
/// not sign it.
#[must_use]
pub fn version_of_own(role: &RoleName, bytes: Vec<u8>, root: &Root) -> Option<i64> {
    let signed: Signed<Targets> = Signed::parse(role, bytes).ok()?;
    let trusted = verify::base(&RoleName::Targets, root, signed).ok()?;
    Some(trusted.content().version)
}

/// Signs a file for each of these keys, by the signer that has it. A root that changes the root's keys is signed for the old and the
/// new ones.
///
/// # Errors
/// A key has no signer among these, or its signer could not sign.
pub fn sign(
    content: &impl Content,
    keys: &[Key],
    signers: &[&dyn Signer],
) -> Result<Vec<u8>, SealError> {
    sign::file(content, keys, signers)
}
