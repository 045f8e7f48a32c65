//! Debian's security tracker, its one big JSON document.
//!
//! Source package → CVE → release → status. Sid is left out: nothing is released from it, and its
//! fixes say nothing about a release. <https://security-tracker.debian.org/tracker/data/json>

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{DecodeError, normalize_id, shorten, summary_line};
use crate::ecosystem::debian_release;
use crate::{Advisory, Affected, Ecosystem, PackageKey, Range, Severity, Status};

/// What the tracker's document holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tracker {
    /// One advisory for each CVE id, over all packages and releases, sorted by id.
    pub advisories: Vec<Advisory>,
    /// Entries that could not be read: which, and why.
    pub skipped: Vec<(String, String)>,
}

/// Reads the tracker's document.
///
/// - `resolved` at version `0` is [`Status::NotAffected`]; at another, affected below it.
/// - `open` is [`Status::Unfixed`], with the tracker's reason for having no DSA. A version that fixes
///   it but is not in the release yet bounds the range, and is not offered as a fix.
/// - `undetermined` is left out: it is not known to be affected.
/// - The severity is that of the highest urgency; see [`Severity::from_debian_urgency`].
///
/// An entry that cannot be read is skipped, with the reason; only a document that is not JSON of
/// this shape at all is an error.
pub fn debian_tracker(bytes: &[u8]) -> Result<Tracker, DecodeError> {
    let packages: BTreeMap<String, &RawValue> =
        serde_json::from_slice(bytes).map_err(|error| DecodeError::syntax(FORMAT, &error))?;
    Ok(decode(&packages))
}

/// Whether one of the first packages has an issue with releases.
pub(super) fn looks_like_tracker(packages: &BTreeMap<String, &RawValue>) -> bool {
    let issue = |issue: &&RawValue| serde_json::from_str::<Issue>(issue.get()).is_ok();
    packages.values().take(PROBE_MAX).any(|package| {
        let issues = serde_json::from_str::<BTreeMap<String, &RawValue>>(package.get());
        issues.is_ok_and(|issues| issues.values().take(PROBE_MAX).any(issue))
    })
}

pub(super) fn decode(packages: &BTreeMap<String, &RawValue>) -> Tracker {
    let mut reader = Reader::default();
    for (package, issues) in packages {
        match serde_json::from_str::<BTreeMap<String, &RawValue>>(issues.get()) {
            Ok(issues) => issues
                .iter()
                .for_each(|(id, issue)| reader.read(package, id, issue)),
            Err(error) => reader.skip(package.clone(), &error),
        }
    }
    Tracker {
        advisories: reader.advisories.into_values().collect(),
        skipped: reader.skipped,
    }
}

#[derive(Deserialize)]
struct Issue {
    #[serde(default)]
    description: Option<String>,
    releases: BTreeMap<String, Release>,
}

#[derive(Deserialize)]
struct Release {
    status: String,
    #[serde(default)]
    fixed_version: Option<String>,
    #[serde(default)]
    urgency: Option<String>,
    #[serde(default)]
    nodsa: Option<String>,
    #[serde(default)]
    nodsa_reason: Option<String>,
}

#[derive(Default)]
struct Reader {
    advisories: BTreeMap<String, Advisory>,
    skipped: Vec<(String, String)>,
    unknown_releases: BTreeSet<String>,
}

impl Reader {
    fn skip(&mut self, entry: String, why: &dyn std::fmt::Display) {
        if self.skipped.len() < SKIPPED_MAX {
            self.skipped.push((entry, shorten(&why.to_string(), 200)));
        }
    }

    fn read(&mut self, package: &str, id: &str, raw: &RawValue) {
        let Some(id) = normalize_id(id) else {
            return self.skip(
                format!("{package}: {}", shorten(id, 40)),
                &"the id is not usable",
            );
        };
        let issue: Issue = match serde_json::from_str(raw.get()) {
            Ok(issue) => issue,
            Err(error) => return self.skip(format!("{package}: {id}"), &error),
        };
        for (codename, release) in &issue.releases {
            let Some(major) = debian_release(codename) else {
                self.skip_release(codename);
                continue;
            };
            match release.decode() {
                Ok(Some((ranges, status))) => {
                    let package = PackageKey::new(Ecosystem::Debian(major.to_owned()), package);
                    let affected = Affected {
                        package,
                        ranges,
                        versions: Vec::new(),
                        status,
                    };
                    let advisory = self.advisory(&id, issue.description.as_deref());
                    advisory.severity = advisory.severity.max(release.severity());
                    advisory.affected.push(affected);
                }
                Ok(None) => {}
                Err(why) => self.skip(format!("{package}: {id}: {codename}"), &why),
            }
        }
    }

    fn advisory(&mut self, id: &str, description: Option<&str>) -> &mut Advisory {
        let advisory = self
            .advisories
            .entry(id.to_owned())
            .or_insert_with(|| Advisory {
                id: id.to_owned(),
                source: "debian".to_owned(),
                references: vec![format!("https://security-tracker.debian.org/tracker/{id}")],
                ..Advisory::default()
            });
        if advisory.summary.is_empty() {
            advisory.summary = summary_line("", description.unwrap_or_default());
        }
        advisory
    }

    /// Notes a release that is not known, once; sid is known not to be one.
    fn skip_release(&mut self, codename: &str) {
        if codename != "sid" && self.unknown_releases.insert(codename.to_owned()) {
            let entry = format!("release {}", shorten(codename, 40));
            self.skip(
                entry,
                &"not a release that is known; its entries are left out",
            );
        }
    }
}

impl Release {
    /// What the tracker concludes for this release; `None` where it has not concluded anything.
    fn decode(&self) -> Result<Option<(Vec<Range>, Status)>, String> {
        let fixed = self
            .fixed_version
            .as_deref()
            .map(str::trim)
            .filter(|version| !version.is_empty());
        let below = |fixed: Option<&str>| {
            vec![Range {
                fixed: fixed.map(str::to_owned),
                ..Range::default()
            }]
        };
        match (self.status.as_str(), fixed) {
            ("resolved", Some("0")) => Ok(Some((Vec::new(), Status::NotAffected))),
            ("resolved", Some(fixed)) => Ok(Some((below(Some(fixed)), Status::Affected))),
            ("resolved", None) => Err("resolved without `fixed_version`".to_owned()),
            ("open", fixed) => {
                let fixed = fixed.filter(|version| *version != "0");
                Ok(Some((below(fixed), Status::Unfixed(self.note()))))
            }
            ("undetermined", _) => Ok(None),
            (other, _) => Err(format!("unknown status `{}`", shorten(other, 40))),
        }
    }

    fn note(&self) -> String {
        let words = [self.nodsa_reason.as_deref(), self.nodsa.as_deref()];
        let words: Vec<&str> = words
            .into_iter()
            .flatten()
            .filter(|text| !text.is_empty())
            .collect();
        shorten(&words.join(": "), 200)
    }

    fn severity(&self) -> Severity {
        Severity::from_debian_urgency(self.urgency.as_deref().unwrap_or_default())
    }
}

const FORMAT: &str = "Debian security tracker";
const SKIPPED_MAX: usize = 1_000;
const PROBE_MAX: usize = 20;
