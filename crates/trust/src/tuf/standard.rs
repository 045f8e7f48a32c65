//! The Update Framework as its specification has it (1.0), for readers: what sigstore and most others publish. The workflow of section 5
//! as a state machine that is fed with bytes, like [`client`](super::client), with which it shares the strict JSON, the signed text,
//! the counting of keys and the reasons of a no. Deliberately no network and no files, and no publishing: this server writes the
//! Notary dialect only.
//!
//! Four things are stricter than the specification asks. A document that could be read in two ways is refused. Distinct keys count, not
//! distinct ids. One id stands for one key in the whole repository; that it is the key's hash is not asked, because sigstore's own root
//! of version 11 lists one that is not (ADR 14). And a version that is known never comes with another content.
//!
//! ```
//! use trust::tuf::client::Remembered;
//! use trust::tuf::standard::Client;
//! # fn fetch(_: &str) -> Option<Vec<u8>> { None }
//!
//! fn read(known_root: Vec<u8>, now: i64) -> Result<Option<String>, trust::tuf::Problem> {
//!     let mut client = Client::new(known_root, Remembered::default(), now)?;
//!     while let Some(file) = client.next() {
//!         client.feed(fetch(&file.path))?;
//!     }
//!     let mut repository = client.finish()?;
//!     let mut search = repository.search("trusted_root.json");
//!     while let Some(file) = search.next() {
//!         search.feed(fetch(&file.path))?;
//!     }
//!     Ok(search.finish()?.map(|found| found.path))
//! }
//! # assert!(read(b"{}".to_vec(), 0).is_err());
//! ```

mod believed;
mod key;
mod metadata;
mod pattern;
mod quote;
mod remembered;
mod search;
mod steps;
mod verify;

pub use believed::Believed;
pub use metadata::{DelegatedRole, Delegations, Listed, Scope, Snapshot, Targets, Timestamp};
pub use pattern::{PATTERN_BYTES_MAX, Pattern};
pub use search::{Found, Search};

use super::client::{Fetch, Remembered};
use super::metadata::Root;
use super::problem::Problem;
use super::role::RoleName;
use super::verify::Trusted;
use key::Names;

/// The largest file that is asked for without knowing its length, in bytes: a root or a timestamp. All others are as long as
/// [`METADATA_BYTES_MAX`](super::METADATA_BYTES_MAX) at most, whoever says that they are longer.
pub const UNKNOWN_BYTES_MAX: u64 = 1024 * 1024;
/// How many roles one search asks.
pub const ROLES_MAX: usize = 512;

/// A reader on its way through a repository.
#[derive(Debug)]
pub struct Client {
    now: i64,
    remembered: Remembered,
    names: Names,
    root: Trusted<Root>,
    roots_followed: usize,
    timestamp: Option<Trusted<Timestamp>>,
    snapshot: Option<Trusted<Snapshot>>,
    targets: Option<Trusted<Targets>>,
    step: Step,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    NextRoot,
    Timestamp,
    Snapshot,
    Targets,
    Done,
    Failed(Problem),
}

impl Client {
    /// TUF 5.1 and 5.2: a reader who begins with a root that came to him by a way that he trusts, at a time that stays fixed, in
    /// milliseconds since 1970. The root may have ended.
    ///
    /// # Errors
    /// It is no root, or not signed by its own keys.
    pub fn new(root: Vec<u8>, mut remembered: Remembered, now: i64) -> Result<Self, Problem> {
        let root = verify::root(metadata::parse_root(root)?, None)?;
        let mut names = Names::default();
        names.add(&root.content().keys)?;
        remembered::forget_if_moved(&mut remembered, None, root.content());
        Ok(Self {
            now,
            remembered,
            names,
            root,
            roots_followed: 0,
            timestamp: None,
            snapshot: None,
            targets: None,
            step: Step::NextRoot,
        })
    }

    /// What to fetch now, by its name below the repository's metadata. `None`: nothing more is needed, or something was refused.
    #[must_use]
    pub fn next(&self) -> Option<Fetch> {
        self.wanted()
    }

    /// Takes the answer: the file, or `None` if there is none of this name.
    ///
    /// # Errors
    /// It is not believed. This reader is at its end then; another one may try again with [`Client::remember`].
    pub fn feed(&mut self, answer: Option<Vec<u8>>) -> Result<(), Problem> {
        if let Step::Failed(problem) = &self.step {
            return Err(problem.clone());
        }
        let fed = self.take(answer);
        if let Err(problem) = &fed {
            self.step = Step::Failed(problem.clone());
        }
        fed
    }

    /// The newest root that is believed.
    #[must_use]
    pub fn root(&self) -> &Trusted<Root> {
        &self.root
    }

    /// What to keep for the next time (TUF 5.3.8, 5.4.5, 5.5.7, 5.6.6), also when something was refused: what was believed until then
    /// should not be forgotten.
    #[must_use]
    pub fn remember(&self) -> Remembered {
        let mut remembered = self.remembered.clone();
        remembered.root = Some(self.root.bytes().to_vec());
        if let Some(timestamp) = &self.timestamp {
            remembered.timestamp = Some(timestamp.bytes().to_vec());
        }
        if let Some(snapshot) = &self.snapshot {
            remembered.snapshot = Some(snapshot.bytes().to_vec());
        }
        if let Some(targets) = &self.targets {
            let bytes = targets.bytes().to_vec();
            remembered.targets.insert(RoleName::Targets, bytes);
        }
        remembered
    }

    /// The repository, once nothing more is needed.
    ///
    /// # Errors
    /// Something was refused, or files are still missing.
    pub fn finish(self) -> Result<Believed, Problem> {
        let remembered = self.remember();
        let missing = |role| Problem::Missing { role };
        if let Step::Failed(problem) = self.step {
            return Err(problem);
        }
        let timestamp = self.timestamp.ok_or(missing(RoleName::Timestamp))?;
        let snapshot = self.snapshot.ok_or(missing(RoleName::Snapshot))?;
        let targets = self.targets.ok_or(missing(RoleName::Targets))?;
        Ok(Believed::new(
            self.now,
            self.names,
            (self.root, timestamp, snapshot, targets),
            remembered,
        ))
    }
}
