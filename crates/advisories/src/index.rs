//! The index: which weaknesses hit a component, found by its package key.
//!
//! Not a store: it is built from a whole advisory set and answers from memory. What it answers is
//! what a scan over all records would; the tests hold it to that. OSV schema, "Evaluation".

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::groups::{Groups, canonical};
use crate::{
    Advisory, Affected, Ecosystem, Match, PackageKey, Range, Score, Severity, Status, matching,
    version,
};

/// All advisories of one set, by package key, with their alias groups.
///
/// ```
/// use std::collections::BTreeSet;
/// use advisories::{Ecosystem, Index, PackageKey, decode};
///
/// let record = br#"{
///     "id": "GHSA-pv4p-cwwg-4rph", "modified": "2024-08-07T17:22:10Z", "aliases": ["CVE-2024-42005"],
///     "affected": [{
///         "package": {"ecosystem": "PyPI", "name": "Django"},
///         "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "4.2"}, {"fixed": "4.2.15"}]}]
///     }]
/// }"#;
/// let index = Index::build([decode::osv_json(record)?], &BTreeSet::new());
///
/// let django = PackageKey::new(Ecosystem::PyPi, "django");
/// let matches = index.matches(&django, "4.2.1");
/// assert_eq!(matches[0].group, "CVE-2024-42005");
/// assert_eq!(matches[0].fixed_version.as_deref(), Some("4.2.15"));
/// assert!(index.matches(&django, "4.2.15").is_empty());
/// # Ok::<(), decode::DecodeError>(())
/// ```
#[derive(Debug, Default)]
pub struct Index {
    entries: HashMap<PackageKey, Vec<Entry>>,
    groups: Vec<Group>,
}

/// What one record says about one package.
#[derive(Debug)]
pub(crate) struct Entry {
    group: usize,
    pub(crate) advisory_id: String,
    pub(crate) summary: String,
    /// Never `NotAffected`; its versions are sorted, so that a list of hundreds costs a few steps.
    affected: Affected,
}

impl Entry {
    fn new(group: usize, advisory_id: String, summary: String, mut affected: Affected) -> Self {
        let ecosystem = &affected.package.ecosystem;
        affected.versions.sort_by(|left, right| {
            version::compare(ecosystem, left, right).then_with(|| left.cmp(right))
        });
        Self {
            group,
            advisory_id,
            summary,
            affected,
        }
    }

    /// Why `version` is affected, in words; `None` if it is not.
    pub(crate) fn hit(&self, version: &str) -> Option<String> {
        let range = self.affected.range_of(version).map(Range::describe);
        range.or_else(|| {
            let order = |listed: &String| {
                version::compare(&self.affected.package.ecosystem, listed, version)
            };
            let found = self.affected.versions.binary_search_by(order).ok()?;
            self.affected
                .versions
                .get(found)
                .map(|listed| format!("listed {listed}"))
        })
    }

    /// The versions that the record calls fixed, unless none is shipped.
    pub(crate) fn fixes(&self) -> impl Iterator<Item = &str> {
        self.affected.fixes()
    }
}

/// What all records of a weakness say together, whichever package they are about.
#[derive(Debug, Default)]
pub(crate) struct Group {
    pub(crate) id: String,
    pub(crate) ids: BTreeSet<String>,
    pub(crate) severity: Severity,
    pub(crate) score: Option<Score>,
    pub(crate) cvss: Option<String>,
    pub(crate) known_exploited: bool,
    pub(crate) summary: String,
    names: BTreeSet<String>,
}

impl Index {
    /// Builds the index. Withdrawn records count for nothing, not even for alias groups.
    pub fn build(
        advisories: impl IntoIterator<Item = Advisory>,
        known_exploited: &BTreeSet<String>,
    ) -> Self {
        let mut aliases = Groups::default();
        let mut records = Vec::new();
        for advisory in advisories {
            if !advisory.withdrawn {
                let number = aliases.join(advisory.identities());
                records.push((number, advisory));
            }
        }
        let mut index = Self::default();
        let mut positions = HashMap::new();
        for (number, advisory) in records {
            let group = *positions
                .entry(aliases.root(number))
                .or_insert(index.groups.len());
            if group == index.groups.len() {
                index.groups.push(Group::default());
            }
            index.add(group, advisory);
        }
        index
            .groups
            .iter_mut()
            .for_each(|group| group.finish(known_exploited));
        index
    }

    /// The weaknesses that hit `version` of the package `key`, one match for each alias group,
    /// sorted by group.
    pub fn matches(&self, key: &PackageKey, version: &str) -> Vec<Match> {
        let mut entries: BTreeMap<&str, (&Group, Vec<&Entry>)> = BTreeMap::new();
        for entry in self.entries.get(key).into_iter().flatten() {
            if let Some(group) = self.groups.get(entry.group) {
                let (_, members) = entries.entry(&group.id).or_insert((group, Vec::new()));
                members.push(entry);
            }
        }
        let groups = entries.into_values();
        groups
            .filter_map(|(group, entries)| matching::evaluate(group, &entries, key, version))
            .collect()
    }

    /// The package keys that records are about.
    pub fn keys(&self) -> impl Iterator<Item = &PackageKey> {
        self.entries.keys()
    }

    /// The ecosystems that records are about: of components of any other, no matches say nothing.
    pub fn ecosystems(&self) -> BTreeSet<&Ecosystem> {
        self.entries.keys().map(|key| &key.ecosystem).collect()
    }

    /// Whether no record says that any package that can be matched is affected.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The package keys whose matches depend on a record or list entry with one of `ids`.
    ///
    /// When records change, only components under these keys, asked of the index before and after
    /// the change, need to be matched again: severities and exploitation reach over all packages of
    /// an alias group.
    pub fn affected_keys(&self, ids: &BTreeSet<String>) -> BTreeSet<&PackageKey> {
        let touched: BTreeSet<usize> = self
            .groups
            .iter()
            .enumerate()
            .filter(|(_, group)| !group.ids.is_disjoint(ids))
            .map(|(position, _)| position)
            .collect();
        let keys = self
            .entries
            .iter()
            .filter(|(_, entries)| entries.iter().any(|entry| touched.contains(&entry.group)));
        keys.map(|(key, _)| key).collect()
    }

    fn add(&mut self, group: usize, advisory: Advisory) {
        if let Some(group) = self.groups.get_mut(group) {
            group.add(&advisory);
        }
        let Advisory {
            id,
            summary,
            affected,
            ..
        } = advisory;
        for affected in affected {
            if affected.status != Status::NotAffected && affected.package.ecosystem.is_matched() {
                let entries = self.entries.entry(affected.package.clone()).or_default();
                entries.push(Entry::new(group, id.clone(), summary.clone(), affected));
            }
        }
    }
}

impl Group {
    fn add(&mut self, advisory: &Advisory) {
        self.names.extend(advisory.identities().map(str::to_owned));
        self.ids.insert(advisory.id.clone());
        self.ids.extend(advisory.aliases.iter().cloned());
        self.severity = self.severity.max(advisory.severity);
        // The worst rating wins; between equals the greater text, so that order does not matter.
        let rating = (advisory.score, &advisory.cvss);
        if rating > (self.score, &self.cvss) {
            (self.score, self.cvss) = (advisory.score, advisory.cvss.clone());
        }
        let better = self.summary.is_empty() || advisory.summary < self.summary;
        if better && !advisory.summary.is_empty() {
            self.summary.clone_from(&advisory.summary);
        }
    }

    fn finish(&mut self, known_exploited: &BTreeSet<String>) {
        let names = std::mem::take(&mut self.names);
        self.id = canonical(names.iter().map(String::as_str))
            .unwrap_or_default()
            .to_owned();
        self.known_exploited = !self.ids.is_disjoint(known_exploited);
    }
}
