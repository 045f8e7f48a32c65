//! OSV records, as JSON or (as the Python advisory database keeps them) as YAML.
//!
//! Git ranges, credits and prose are left aside. OSV schema 1.7,
//! <https://ossf.github.io/osv-schema/>.

use serde::{Deserialize, Deserializer};

use super::{DecodeError, normalize_id, shorten, summary_line};
use crate::events::{self, Event};
use crate::severity::Rating;
use crate::{Advisory, Affected, Ecosystem, PackageKey, Severity, Status};

/// Reads one OSV record in JSON.
pub fn osv_json(bytes: &[u8]) -> Result<Advisory, DecodeError> {
    let record: Record =
        serde_json::from_slice(bytes).map_err(|error| DecodeError::syntax(FORMAT, &error))?;
    record.into_advisory()
}

/// Reads one OSV record in YAML.
pub fn osv_yaml(bytes: &[u8]) -> Result<Advisory, DecodeError> {
    let options = serde_saphyr::options! { with_snippet: false };
    let record: Record = serde_saphyr::from_slice_with_options(bytes, options)
        .map_err(|error| DecodeError::syntax(FORMAT, &error))?;
    record.into_advisory()
}

/// The source of a record that OSV itself publishes; an import makes it that of an ecosystem.
pub(crate) const OSV: &str = "osv";
/// The source of the Python advisory database, whose records have ids of their own.
const PYPA: &str = "pypa";

#[derive(Deserialize)]
struct Record {
    id: String,
    #[serde(default, deserialize_with = "or_default")]
    aliases: Vec<String>,
    #[serde(default)]
    published: Option<String>,
    #[serde(default)]
    modified: Option<String>,
    #[serde(default)]
    withdrawn: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    summary: String,
    #[serde(default, deserialize_with = "or_default")]
    details: String,
    #[serde(default, deserialize_with = "or_default")]
    severity: Vec<Vector>,
    #[serde(default, deserialize_with = "or_default")]
    affected: Vec<Entry>,
    #[serde(default, deserialize_with = "or_default")]
    references: Vec<Link>,
    #[serde(default)]
    database_specific: serde_json::Value,
}

#[derive(Deserialize)]
struct Vector {
    #[serde(default, deserialize_with = "or_default")]
    score: String,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(default)]
    package: Option<Package>,
    #[serde(default, deserialize_with = "or_default")]
    severity: Vec<Vector>,
    #[serde(default, deserialize_with = "or_default")]
    ranges: Vec<Span>,
    #[serde(default, deserialize_with = "or_default")]
    versions: Vec<String>,
    #[serde(default)]
    ecosystem_specific: serde_json::Value,
    #[serde(default)]
    database_specific: serde_json::Value,
}

#[derive(Deserialize)]
struct Package {
    ecosystem: String,
    name: String,
}

#[derive(Deserialize)]
struct Span {
    #[serde(rename = "type", default, deserialize_with = "or_default")]
    kind: String,
    #[serde(default, deserialize_with = "or_default")]
    events: Vec<Bounds>,
}

#[derive(Deserialize)]
struct Bounds {
    #[serde(default)]
    introduced: Option<String>,
    #[serde(default)]
    fixed: Option<String>,
    #[serde(default)]
    last_affected: Option<String>,
    #[serde(default)]
    limit: Option<String>,
}

#[derive(Deserialize)]
struct Link {
    #[serde(default, deserialize_with = "or_default")]
    url: String,
}

/// Feeds write `null` where they have nothing.
fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    Option::<T>::deserialize(deserializer).map(Option::unwrap_or_default)
}

impl Record {
    fn into_advisory(self) -> Result<Advisory, DecodeError> {
        let id = normalize_id(&self.id).ok_or_else(|| DecodeError::Field {
            id: FORMAT.to_owned(),
            field: "id",
            value: shorten(&self.id, 40),
        })?;
        self.check_size(&id)?;
        let rating = self.rating();
        let severity = rating
            .as_ref()
            .map_or_else(|| self.feed_severity(&id), |rating| rating.severity);
        let affected = self
            .affected
            .iter()
            .filter_map(|entry| entry.decode(&id).transpose());
        Ok(Advisory {
            source: if id.starts_with("PYSEC-") { PYPA } else { OSV }.to_owned(),
            aliases: aliases(&id, &self.aliases),
            withdrawn: self.withdrawn.is_some(),
            summary: summary_line(&self.summary, &self.details),
            severity,
            score: rating.as_ref().map(|rating| rating.score),
            cvss: rating.map(|rating| rating.vector),
            affected: affected.collect::<Result<_, _>>()?,
            published_at: self.published.as_deref().and_then(instant),
            modified_at: self.modified.as_deref().and_then(instant),
            references: self
                .references
                .into_iter()
                .filter_map(Link::usable)
                .take(LINKS_MAX)
                .collect(),
            id,
        })
    }

    fn check_size(&self, id: &str) -> Result<(), DecodeError> {
        let count = |of: fn(&Entry) -> usize| self.affected.iter().map(of).sum::<usize>();
        let events = |entry: &Entry| entry.ranges.iter().map(|span| span.events.len()).sum();
        for (what, found, max) in [
            ("aliases", self.aliases.len(), ALIASES_MAX),
            ("affected packages", self.affected.len(), PACKAGES_MAX),
            (
                "affected versions",
                count(|entry| entry.versions.len()),
                VERSIONS_MAX,
            ),
            ("range events", count(events), VERSIONS_MAX),
        ] {
            if found > max {
                return Err(DecodeError::LimitExceeded {
                    id: id.to_owned(),
                    what,
                    max,
                });
            }
        }
        Ok(())
    }

    /// The record's CVSS rating, or else the highest that it gives to one of its packages.
    fn rating(&self) -> Option<Rating> {
        let newest = |vectors: &[Vector]| Rating::newest(vectors.iter().map(|v| v.score.as_str()));
        let packages = || {
            self.affected
                .iter()
                .filter_map(|entry| newest(&entry.severity))
        };
        newest(&self.severity).or_else(|| packages().max_by_key(|rating| rating.score))
    }

    /// The feed's own word: GitHub's severity, or Debian's urgency for the worst release.
    fn feed_severity(&self, id: &str) -> Severity {
        let word = |value: &serde_json::Value, key| {
            value
                .get(key)
                .and_then(serde_json::Value::as_str)
                .map(str::to_owned)
                .unwrap_or_default()
        };
        let record = Severity::from_feed(&word(&self.database_specific, "severity"));
        let packages = self.affected.iter().flat_map(|entry| {
            let severity = word(&entry.database_specific, "severity");
            let urgency = word(&entry.ecosystem_specific, "urgency");
            [
                Severity::from_feed(&severity),
                Severity::from_debian_urgency(&urgency),
            ]
        });
        let found = packages.fold(record, Severity::max);
        // Records of malware carry no rating: the package is the attack.
        if found == Severity::Unknown && id.starts_with("MAL-") {
            Severity::Critical
        } else {
            found
        }
    }
}

impl Entry {
    /// `None` for an entry that names no package (it is about a Git repository).
    fn decode(&self, id: &str) -> Result<Option<Affected>, DecodeError> {
        let Some(package) = &self.package else {
            return Ok(None);
        };
        let invalid = |field, value: &str| DecodeError::Field {
            id: id.to_owned(),
            field,
            value: shorten(value, 40),
        };
        if package.ecosystem.is_empty() {
            return Err(invalid("affected[].package.ecosystem", &package.ecosystem));
        }
        let ecosystem = Ecosystem::parse(&package.ecosystem);
        let key = PackageKey::new(ecosystem, package.name.trim());
        if key.name.is_empty() || key.name.len() > NAME_BYTES_MAX {
            return Err(invalid("affected[].package.name", &package.name));
        }
        let spans = self
            .ranges
            .iter()
            .filter(|span| matches!(span.kind.as_str(), "ECOSYSTEM" | "SEMVER"));
        let ranges = spans.flat_map(|span| span.decode(&key.ecosystem)).collect();
        let versions = self.versions.clone();
        Ok(Some(Affected {
            package: key,
            ranges,
            versions,
            status: Status::Affected,
        }))
    }
}

impl Span {
    fn decode(&self, ecosystem: &Ecosystem) -> Vec<crate::Range> {
        let events: Vec<Event<'_>> = self.events.iter().flat_map(Bounds::events).collect();
        let limits: Vec<&str> = self
            .events
            .iter()
            .filter_map(|bounds| bounds.limit.as_deref())
            .collect();
        events::ranges(ecosystem, &events, &limits)
    }
}

impl Bounds {
    /// The schema wants one key an object; more than one is read as several events.
    fn events(&self) -> impl Iterator<Item = Event<'_>> {
        let introduced = self.introduced.as_deref().map(Event::Introduced);
        let fixed = self.fixed.as_deref().map(Event::Fixed);
        let last_affected = self.last_affected.as_deref().map(Event::LastAffected);
        introduced.into_iter().chain(fixed).chain(last_affected)
    }
}

impl Link {
    fn usable(self) -> Option<String> {
        let web = self.url.starts_with("https://") || self.url.starts_with("http://");
        (web && self.url.len() <= LINK_BYTES_MAX).then_some(self.url)
    }
}

/// The usable aliases, sorted, without the record's own id.
fn aliases(id: &str, aliases: &[String]) -> Vec<String> {
    let mut ids: Vec<String> = aliases
        .iter()
        .filter_map(|alias| normalize_id(alias))
        .collect();
    // OSV names Debian's entries after the CVE id that each is about, and lists it as upstream only.
    ids.extend(
        id.strip_prefix("DEBIAN-")
            .filter(|rest| rest.starts_with("CVE-"))
            .map(str::to_owned),
    );
    ids.retain(|alias| alias != id);
    ids.sort();
    ids.dedup();
    ids
}

/// Milliseconds since the epoch of an RFC 3339 time, or of midnight UTC where only a day is given.
fn instant(text: &str) -> Option<i64> {
    let timestamp = text.parse::<jiff::Timestamp>();
    let midnight = || format!("{text}T00:00:00Z").parse::<jiff::Timestamp>();
    timestamp
        .or_else(|_| midnight())
        .ok()
        .map(jiff::Timestamp::as_millisecond)
}

const FORMAT: &str = "OSV";
const ALIASES_MAX: usize = 1_000;
const PACKAGES_MAX: usize = 50_000;
const VERSIONS_MAX: usize = 500_000;
const NAME_BYTES_MAX: usize = 512;
const LINKS_MAX: usize = 50;
const LINK_BYTES_MAX: usize = 2_048;
