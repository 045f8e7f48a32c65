//! The match: what is told about one weakness that hits one component version.
//!
//! Not a finding: images, layers, exceptions and times are other crates' facts.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::index::{Entry, Group};
use crate::{PackageKey, Severity, version};

/// One weakness that hits a component version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Match {
    /// The id that the alias group is called by: its CVE id, or else GHSA id, or else any.
    pub group: String,
    /// All ids of the weakness, sorted.
    pub ids: Vec<String>,
    /// The records that say that this version is affected, sorted.
    pub advisory_ids: Vec<String>,
    /// The worst grade that any record of the group gives.
    pub severity: Severity,
    /// The CVSS vector with the highest score in the group.
    pub cvss: Option<String>,
    /// The smallest version above this one at which no record of the group for this package hits
    /// any more; where the records leave none, the smallest that any of them calls fixed.
    pub fixed_version: Option<String>,
    /// Whether the weakness is known to be exploited.
    pub known_exploited: bool,
    /// One line for people; may be empty.
    pub summary: String,
    /// Why the version is affected: `introduced 0, fixed 3.2.4`.
    pub range: String,
}

/// The match of one group; `entries` are all that it says about the package `key`.
pub(crate) fn evaluate(
    group: &Group,
    entries: &[&Entry],
    key: &PackageKey,
    version: &str,
) -> Option<Match> {
    let mut advisory_ids = BTreeSet::new();
    let mut reasons = BTreeSet::new();
    let mut summaries = BTreeSet::new();
    for entry in entries {
        if let Some(reason) = entry.hit(version) {
            reasons.insert(reason);
            advisory_ids.insert(entry.advisory_id.clone());
            summaries.insert(entry.summary.as_str());
        }
    }
    if advisory_ids.is_empty() {
        return None;
    }
    let summary = summaries.into_iter().find(|summary| !summary.is_empty());
    let range: Vec<String> = reasons.into_iter().take(REASONS_MAX).collect();
    Some(Match {
        group: group.id.clone(),
        ids: group.ids.iter().cloned().collect(),
        advisory_ids: advisory_ids.into_iter().collect(),
        severity: group.severity,
        cvss: group.cvss.clone(),
        fixed_version: fixed_version(entries, key, version),
        known_exploited: group.known_exploited,
        summary: summary.unwrap_or(&group.summary).to_owned(),
        range: range.join("; "),
    })
}

/// Records of one weakness disagree at times about the fix: a version that one of them still calls
/// affected is no fix as long as there is a better one.
fn fixed_version(entries: &[&Entry], key: &PackageKey, version: &str) -> Option<String> {
    let order = |left: &&str, right: &&str| version::compare(&key.ecosystem, left, right);
    let fixes = entries.iter().flat_map(|entry| entry.fixes());
    let mut fixes: Vec<&str> = fixes.filter(|fix| order(fix, &version).is_gt()).collect();
    // Equal versions may be spelled in several ways: the text makes the choice stable.
    fixes.sort_by(|left, right| order(left, right).then_with(|| left.cmp(right)));
    let clean = |fix: &&&str| !entries.iter().any(|entry| entry.hit(fix).is_some());
    fixes
        .iter()
        .find(clean)
        .or_else(|| fixes.first())
        .map(|fix| (*fix).to_owned())
}

const REASONS_MAX: usize = 5;

#[cfg(test)]
mod tests;
