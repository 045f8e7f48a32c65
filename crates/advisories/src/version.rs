//! Version orders, one for each ecosystem that is matched.
//!
//! Each is written from its specification and is total: every pair of strings has an answer, so a
//! malformed version in a feed can neither panic nor make a search inconsistent. No range syntax
//! (`^1.2`, `>=1`) is understood anywhere: advisories give bounds, and those are plain versions.

mod natural;

pub mod deb;
pub mod pep440;
pub mod semver;

#[cfg(test)]
mod testing;

use std::cmp::Ordering;

use crate::Ecosystem;

/// Compares two versions in the order of `ecosystem`.
///
/// ```
/// use advisories::{Ecosystem, version};
///
/// assert!(version::compare(&Ecosystem::PyPi, "1.0rc1", "1.0").is_lt());
/// assert!(version::compare(&Ecosystem::Debian("12".into()), "1.0~rc1-1", "1.0-1").is_lt());
/// ```
///
/// Ecosystems that are not matched compare by bytes: consistent, and meaningless.
pub fn compare(ecosystem: &Ecosystem, left: &str, right: &str) -> Ordering {
    match ecosystem {
        Ecosystem::Debian(_) => deb::compare(left, right),
        Ecosystem::PyPi => pep440::compare(left, right),
        Ecosystem::Npm => semver::compare(left, right),
        Ecosystem::Other(_) => left.cmp(right),
    }
}
