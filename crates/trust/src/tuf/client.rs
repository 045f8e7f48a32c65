//! What a reader believes: TUF's client workflow (section 5 of the specification) in the Notary dialect, as a state machine that is fed with
//! bytes. It asks for one file after the other and refuses whatever does not follow from what is believed already. Deliberately no
//! network and no files: the caller fetches what [`Client::next`] names, and keeps what [`Believed`] says for the next time.
//!
//! It differs from docker's own reader in that it refuses more: every root between the known one and the newest is asked for first, so
//! that a rotation cannot be held back; a file that is known by a version never comes in another form; what was listed stays listed as
//! long as it is delegated to; and what one key has signed counts once, whatever ids the key has.

mod believed;
mod remembered;
mod steps;

use std::collections::{BTreeMap, BTreeSet};

use super::gun::Gun;
use super::key::KeyId;
use super::metadata::{FileMeta, Root, Snapshot, Timestamp};
use super::problem::Problem;
use super::role::RoleName;
use super::signed::Signed;
use super::verify::{self, Trusted};

pub use believed::{Believed, BelievedRole, Entry};
pub use remembered::Remembered;

/// The largest timestamp, in bytes, as docker has it. All others are as long as [`METADATA_BYTES_MAX`](super::METADATA_BYTES_MAX)
/// at most, whoever says that they are longer.
pub const TIMESTAMP_BYTES_MAX: u64 = 1024 * 1024;
/// How many roots are followed in one go.
pub const ROOTS_MAX: usize = 1024;

/// Where belief begins.
#[derive(Debug, Clone)]
pub enum Anchor {
    /// A root that was believed before, as it came.
    Root(Vec<u8>),
    /// Keys by their canonical ids: the first root must be signed by one of them.
    Pinned(BTreeSet<KeyId>),
    /// Whatever the server answers first. Worth as much as the connection to it.
    FirstUse,
}

/// A file that is to be fetched from `…/_trust/tuf/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetch {
    /// Its name, as `2.root.json` or `targets/alice.<sha256>.json`.
    pub path: String,
    /// Whose file it is.
    pub role: RoleName,
    /// Nothing is read beyond this many bytes.
    pub bytes_max: u64,
}

/// A reader on its way through a repository.
#[derive(Debug)]
pub struct Client {
    gun: Gun,
    now: i64,
    remembered: Remembered,
    pinned: Option<BTreeSet<KeyId>>,
    root: Option<Trusted<Root>>,
    roots_followed: usize,
    timestamp: Option<Trusted<Timestamp>>,
    snapshot: Option<Trusted<Snapshot>>,
    /// What the snapshot of before listed.
    listed_before: BTreeMap<RoleName, FileMeta>,
    roles: Vec<BelievedRole>,
    waiting: Vec<Waiting>,
    disregarded: Vec<(RoleName, Problem)>,
    step: Step,
}

/// A role whose file is to be read, and the names of targets that it may list.
#[derive(Debug)]
struct Waiting {
    role: RoleName,
    paths: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    FirstRoot,
    NextRoot,
    Timestamp,
    Snapshot,
    Targets,
    Done,
    Failed(Problem),
}

impl Client {
    /// A reader who has read before, or not.
    ///
    /// # Errors
    /// The root to begin with is no root of this repository.
    pub fn new(
        gun: Gun,
        anchor: Anchor,
        remembered: Remembered,
        now: i64,
    ) -> Result<Self, Problem> {
        let (root, pinned) = match anchor {
            Anchor::Root(bytes) => (Some(known_root(&gun, bytes)?), None),
            Anchor::Pinned(keys) => (None, Some(keys)),
            Anchor::FirstUse => (None, None),
        };
        let step = match root {
            Some(_) => Step::NextRoot,
            None => Step::FirstRoot,
        };
        Ok(Self {
            gun,
            now,
            remembered,
            pinned,
            root,
            roots_followed: 0,
            timestamp: None,
            snapshot: None,
            listed_before: BTreeMap::new(),
            roles: Vec::new(),
            waiting: Vec::new(),
            disregarded: Vec::new(),
            step,
        })
    }

    /// What to fetch now. `None`: nothing more is needed, or something was refused.
    #[must_use]
    pub fn next(&self) -> Option<Fetch> {
        self.wanted()
    }

    /// Takes the answer: the file, or `None` if the server has none of this name.
    ///
    /// # Errors
    /// It is not believed. This reader is at its end then; another one may try again with what was remembered.
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

    /// The newest root that is believed, also when something after it was refused: worth keeping, because a rotation should not be
    /// forgotten.
    #[must_use]
    pub fn root(&self) -> Option<&Trusted<Root>> {
        self.root.as_ref()
    }

    /// The repository, once nothing more is needed.
    ///
    /// # Errors
    /// Something was refused, or files are still missing.
    pub fn finish(self) -> Result<Believed, Problem> {
        let missing = |role| Problem::Missing { role };
        match self.step {
            Step::Done => {}
            Step::Failed(problem) => return Err(problem),
            Step::FirstRoot | Step::NextRoot => return Err(missing(RoleName::Root)),
            Step::Timestamp => return Err(missing(RoleName::Timestamp)),
            Step::Snapshot => return Err(missing(RoleName::Snapshot)),
            Step::Targets => return Err(missing(RoleName::Targets)),
        }
        let (Some(root), Some(timestamp), Some(snapshot)) =
            (self.root, self.timestamp, self.snapshot)
        else {
            return Err(missing(RoleName::Root));
        };
        let mut kept = self.remembered.targets;
        kept.retain(|role, _| snapshot.content().meta.contains_key(role));
        Ok(Believed {
            root,
            timestamp,
            snapshot,
            roles: self.roles,
            disregarded: self.disregarded,
            kept,
        })
    }
}

/// A root that was believed before. It may have expired, and so may its certificates: it still says who may sign the next one.
fn known_root(gun: &Gun, bytes: Vec<u8>) -> Result<Trusted<Root>, Problem> {
    let signed = Signed::parse(&RoleName::Root, bytes)?;
    verify::root(gun, signed, None, None)
}
