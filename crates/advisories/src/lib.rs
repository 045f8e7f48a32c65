//! What is known to be weak, and whether a component is: feed records, version orders, the index.
//!
//! Feeds (OSV, Debian's security tracker, CISA's list of exploited weaknesses) are decoded into
//! [`Advisory`]; an [`Index`] answers which of them hit a component version. Everything is pure,
//! with one door to the file system: [`read_path`]. Not here: fetching feeds, keeping advisories,
//! findings and their history, and whether a finding matters.
//!
//! An index without records about an ecosystem says nothing about its components: to call them clean would
//! be wrong, and it is the caller who must say "not ready".

pub mod decode;
pub mod events;
pub mod version;

mod advisory;
mod ecosystem;
mod groups;
mod import;
mod index;
mod matching;
mod severity;

pub use advisory::{Advisory, Affected, Range, Status, known_exploited_hash, snapshot_digest};
pub use ecosystem::{Ecosystem, PackageKey, PackageKeyError, package_key};
pub use import::{Batch, ImportError, Limits, read_bytes, read_path, read_zip};
pub use index::Index;
pub use matching::Match;
pub use severity::{Rating, Score, ScoreError, Severity, SeverityError};
