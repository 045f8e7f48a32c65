//! One record of a weakness, in the one form that all feeds are decoded into.
//!
//! Not a copy of any feed's schema: only what decides a match or what a person is told is kept.
//! Its serde form is what the store keeps, so fields may be added but not renamed.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::{Ecosystem, PackageKey, Score, Severity, version};

/// One record of a weakness, as one feed tells it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Advisory {
    /// The feed's own id, such as `GHSA-…`, `PYSEC-…` or `CVE-…`; unique within `source`.
    pub id: String,
    /// The feed: `pypa`, `debian`, `osv-npm` and so on, or `osv` where no package says more.
    pub source: String,
    /// Other ids of the same weakness.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// Whether the feed has taken the record back.
    #[serde(default)]
    pub withdrawn: bool,
    /// One line for people; may be empty.
    #[serde(default)]
    pub summary: String,
    /// The grade, from the CVSS vector or the feed's own word.
    #[serde(default)]
    pub severity: Severity,
    /// The CVSS vector that the grade comes from.
    #[serde(default)]
    pub cvss: Option<String>,
    /// The base score of that vector.
    #[serde(default)]
    pub score: Option<Score>,
    /// What is affected, and what expressly is not.
    #[serde(default)]
    pub affected: Vec<Affected>,
    /// When the feed first published it, in milliseconds since the epoch.
    #[serde(default)]
    pub published_at: Option<i64>,
    /// When the feed last changed it, in milliseconds since the epoch.
    #[serde(default)]
    pub modified_at: Option<i64>,
    /// Pages to read on.
    #[serde(default)]
    pub references: Vec<String>,
}

/// What a record says about one package.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Affected {
    /// The package.
    pub package: PackageKey,
    /// Affected intervals; any of them counts.
    #[serde(default)]
    pub ranges: Vec<Range>,
    /// Affected versions, listed one by one; they count besides the ranges.
    #[serde(default)]
    pub versions: Vec<String>,
    /// What the feed concludes.
    #[serde(default)]
    pub status: Status,
}

/// What a feed concludes about a package.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// Affected where the ranges or versions say so.
    #[default]
    Affected,
    /// Expressly not affected, at any version.
    NotAffected,
    /// Affected as `Affected`, and the distribution ships no fix; why, in its words, or empty.
    Unfixed(String),
}

/// An interval of affected versions: from `introduced` to below `fixed`, or to `last_affected`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Range {
    /// The first affected version; `None` is the beginning of time.
    #[serde(default)]
    pub introduced: Option<String>,
    /// The first version that is no longer affected.
    #[serde(default)]
    pub fixed: Option<String>,
    /// The last affected version.
    #[serde(default)]
    pub last_affected: Option<String>,
}

impl Range {
    /// Whether `version` lies within, in the order of `ecosystem`.
    pub fn contains(&self, ecosystem: &Ecosystem, version: &str) -> bool {
        let order = |bound: &String| version::compare(ecosystem, version, bound);
        self.introduced
            .as_ref()
            .is_none_or(|bound| order(bound).is_ge())
            && self.fixed.as_ref().is_none_or(|bound| order(bound).is_lt())
            && self
                .last_affected
                .as_ref()
                .is_none_or(|bound| order(bound).is_le())
    }

    /// The interval in words: `introduced 0, fixed 3.2.4`.
    pub fn describe(&self) -> String {
        let introduced = self.introduced.as_deref().unwrap_or("0");
        match (&self.fixed, &self.last_affected) {
            (Some(fixed), _) => format!("introduced {introduced}, fixed {fixed}"),
            (None, Some(last)) => format!("introduced {introduced}, last affected {last}"),
            (None, None) => format!("introduced {introduced}, no fix"),
        }
    }
}

impl Affected {
    /// Whether `version` of this package is affected.
    pub fn affects(&self, version: &str) -> bool {
        let order = |listed: &String| version::compare(&self.package.ecosystem, listed, version);
        self.status != Status::NotAffected
            && (self.range_of(version).is_some()
                || self.versions.iter().any(|it| order(it).is_eq()))
    }

    /// The first range that holds `version`.
    pub(crate) fn range_of(&self, version: &str) -> Option<&Range> {
        self.ranges
            .iter()
            .find(|range| range.contains(&self.package.ecosystem, version))
    }

    /// The versions that the record says fix the weakness, unless none is shipped.
    pub(crate) fn fixes(&self) -> impl Iterator<Item = &str> {
        let shipped = self.status == Status::Affected;
        self.ranges
            .iter()
            .filter(move |_| shipped)
            .filter_map(|range| range.fixed.as_deref())
    }
}

impl Advisory {
    /// The packages that this record is about and that components are matched against.
    pub fn keys(&self) -> BTreeSet<&PackageKey> {
        let keys = self.affected.iter().map(|affected| &affected.package);
        keys.filter(|key| key.ecosystem.is_matched()).collect()
    }

    /// The ids that name the same weakness as this record: its own, and its aliases.
    ///
    /// A vendor's bulletin (such as a DSA) that names several CVE ids is about several weaknesses,
    /// and would wrongly make one of them: it stands for itself alone.
    pub(crate) fn identities(&self) -> impl Iterator<Item = &str> {
        let one_issue = ISSUE_PREFIXES
            .iter()
            .any(|prefix| self.id.starts_with(prefix))
            || self
                .aliases
                .iter()
                .filter(|alias| alias.starts_with("CVE-"))
                .count()
                <= 1;
        let aliases = self.aliases.iter().filter(move |_| one_issue);
        std::iter::once(&self.id).chain(aliases).map(String::as_str)
    }

    /// SHA-256 over what decides findings: id, source, aliases, withdrawal, severity with its
    /// vector, and each package's status, ranges and versions.
    ///
    /// Prose, references, dates and the order of lists do not count, so a feed's edit of these costs
    /// no new match.
    pub fn semantic_hash(&self) -> [u8; 32] {
        let mut hash = FieldHash::default();
        hash.text(&self.source);
        hash.text(&self.id);
        hash.sorted(
            self.aliases
                .iter()
                .map(|alias| FieldHash::of(|hash| hash.text(alias))),
        );
        hash.text(if self.withdrawn { "withdrawn" } else { "valid" });
        hash.text(self.severity.as_str());
        hash.option(self.cvss.as_deref());
        hash.sorted(self.affected.iter().map(Affected::semantic_hash));
        hash.finish()
    }
}

impl Affected {
    fn semantic_hash(&self) -> [u8; 32] {
        FieldHash::of(|hash| {
            hash.text(&self.package.to_string());
            hash.text(match &self.status {
                Status::Affected => "affected",
                Status::NotAffected => "not-affected",
                // The note is prose.
                Status::Unfixed(_) => "unfixed",
            });
            hash.sorted(self.ranges.iter().map(|range| {
                FieldHash::of(|hash| {
                    hash.option(range.introduced.as_deref());
                    hash.option(range.fixed.as_deref());
                    hash.option(range.last_affected.as_deref());
                })
            }));
            hash.sorted(
                self.versions
                    .iter()
                    .map(|version| FieldHash::of(|hash| hash.text(version))),
            );
        })
    }
}

/// Hashes fields unambiguously: every text is preceded by its length, every set by its count.
#[derive(Default)]
struct FieldHash(Sha256);

impl FieldHash {
    fn of(fill: impl FnOnce(&mut Self)) -> [u8; 32] {
        let mut hash = Self::default();
        fill(&mut hash);
        hash.finish()
    }

    fn text(&mut self, text: &str) {
        self.count(text.len());
        self.0.update(text.as_bytes());
    }

    fn option(&mut self, text: Option<&str>) {
        self.0.update([u8::from(text.is_some())]);
        self.text(text.unwrap_or_default());
    }

    fn sorted(&mut self, hashes: impl Iterator<Item = [u8; 32]>) {
        let hashes: BTreeSet<[u8; 32]> = hashes.collect();
        self.count(hashes.len());
        hashes.iter().for_each(|hash| self.0.update(hash));
    }

    fn count(&mut self, count: usize) {
        self.0.update((count as u64).to_be_bytes());
    }

    fn finish(self) -> [u8; 32] {
        self.0.finalize().into()
    }
}

/// The name of an advisory set: hex SHA-256 over its semantic hashes, in whatever order they come.
///
/// The same record twice counts once. To cover the list of known exploited weaknesses too, chain
/// [`known_exploited_hash`] to the hashes.
pub fn snapshot_digest(semantic_hashes: impl IntoIterator<Item = [u8; 32]>) -> String {
    let mut hash = FieldHash::default();
    hash.sorted(semantic_hashes.into_iter());
    hex::encode(hash.finish())
}

/// A hash of the list of known exploited weaknesses, for [`snapshot_digest`].
pub fn known_exploited_hash(known_exploited: &BTreeSet<String>) -> [u8; 32] {
    FieldHash::of(|hash| {
        hash.text("known-exploited");
        hash.sorted(
            known_exploited
                .iter()
                .map(|id| FieldHash::of(|hash| hash.text(id))),
        );
    })
}

/// Id prefixes of data bases that give one id to one weakness.
const ISSUE_PREFIXES: &[&str] = &["CVE-", "GHSA-", "PYSEC-", "GO-", "RUSTSEC-", "MAL-", "OSV-"];

#[cfg(test)]
mod tests;
