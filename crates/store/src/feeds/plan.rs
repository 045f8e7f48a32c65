//! What an import would change, found by comparing semantic hashes, and whether the source went back in time. Nothing is
//! written here.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use advisories::Advisory;
use sqlx::AnyConnection;

use super::{Extent, NewSet};
use crate::batch::{LIST_MAX, markers, query};
use crate::db::RowExt;
use crate::error::{Error, Result};

/// The record of a source that is current.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) revision: i64,
    semantic_hash: String,
    modified_at: Option<i64>,
    removed: bool,
    withdrawn: bool,
}

/// A record of the set that is not held like this.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Change<'a> {
    pub(super) advisory: &'a Advisory,
    pub(super) semantic_hash: &'a str,
    /// The number of its new revision.
    pub(super) revision: i64,
}

/// What an import would change.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Plan<'a> {
    /// New revisions.
    pub(super) changes: Vec<Change<'a>>,
    /// Records that the source no longer carries.
    pub(super) removed: Vec<String>,
    /// Ids that are newly known to be exploited.
    pub(super) exploited: Vec<&'a str>,
    /// Ids that no longer are.
    pub(super) no_longer_exploited: Vec<String>,
    pub(super) added: usize,
    pub(super) changed: usize,
    pub(super) withdrawn: usize,
    pub(super) unchanged: usize,
}

/// A set whose hashes are known, one record for each id.
pub(super) struct Hashed<'a> {
    set: &'a NewSet,
    records: BTreeMap<&'a str, (&'a Advisory, String)>,
}

impl<'a> Hashed<'a> {
    /// Hashes the records of a set. Of two with one id the later changed one counts.
    pub(super) fn of(set: &'a NewSet) -> Result<Hashed<'a>> {
        let mut records: BTreeMap<&str, (&Advisory, String)> = BTreeMap::new();
        for advisory in &set.advisories {
            if advisory.source != set.source {
                return Err(Error::Invalid {
                    what: "advisory",
                    value: advisory.id.clone(),
                    why: format!(
                        "it is of source `{}`, not `{}`: import each source by itself",
                        advisory.source, set.source
                    ),
                });
            }
            let newer = |(other, _): &(&Advisory, String)| other.modified_at < advisory.modified_at;
            if records.get(advisory.id.as_str()).is_none_or(newer) {
                records.insert(
                    &advisory.id,
                    (advisory, hex::encode(advisory.semantic_hash())),
                );
            }
        }
        Ok(Hashed { set, records })
    }

    /// The latest change of any record.
    pub(super) fn newest_at(&self) -> i64 {
        self.records
            .values()
            .filter_map(|(advisory, _)| advisory.modified_at)
            .max()
            .unwrap_or(0)
    }
}

impl Plan<'_> {
    /// Whether the set says nothing new.
    pub(super) fn is_empty(&self) -> bool {
        self.changes.is_empty()
            && self.removed.is_empty()
            && self.exploited.is_empty()
            && self.no_longer_exploited.is_empty()
    }
}

/// Compares a set with what is held, and refuses one that is older or smaller unless that is allowed.
pub(super) async fn plan<'a>(conn: &mut AnyConnection, hashed: &'a Hashed<'a>) -> Result<Plan<'a>> {
    let set = hashed.set;
    let ids: Option<Vec<&str>> =
        (set.extent == Extent::Part).then(|| hashed.records.keys().copied().collect());
    let held = held(conn, &set.source, ids.as_deref()).await?;
    let exploited = exploited(conn, &set.source).await?;
    if !set.allow_older {
        let newest_at = newest_at(conn, &set.source).await?;
        refuse_older(hashed, &held, newest_at)?;
        refuse_smaller(hashed, &held, &exploited)?;
    }
    let mut plan = Plan::default();
    for (id, (advisory, semantic_hash)) in &hashed.records {
        plan.add(held.get(*id), advisory, semantic_hash);
    }
    plan.exploited = set
        .known_exploited
        .iter()
        .filter(|id| !exploited.contains(*id))
        .map(String::as_str)
        .collect();
    if set.extent == Extent::Full {
        let gone = |(id, held): &(&String, &Held)| {
            !held.removed && !hashed.records.contains_key(id.as_str())
        };
        plan.removed = held.iter().filter(gone).map(|(id, _)| id.clone()).collect();
        plan.removed.sort();
        plan.no_longer_exploited = exploited
            .into_iter()
            .filter(|id| !set.known_exploited.contains(id))
            .collect();
    }
    Ok(plan)
}

impl<'a> Plan<'a> {
    fn add(&mut self, held: Option<&Held>, advisory: &'a Advisory, semantic_hash: &'a str) {
        match held {
            Some(held) if !held.removed && held.semantic_hash == semantic_hash => {
                self.unchanged += 1;
                return;
            }
            Some(held) if !held.removed && !held.withdrawn && advisory.withdrawn => {
                self.withdrawn += 1
            }
            Some(held) if !held.removed => self.changed += 1,
            _ => self.added += 1,
        }
        let revision = held.map_or(1, |held| held.revision.saturating_add(1));
        self.changes.push(Change {
            advisory,
            semantic_hash,
            revision,
        });
    }
}

fn refuse_older(
    hashed: &Hashed<'_>,
    held: &HashMap<String, Held>,
    newest_held_at: i64,
) -> Result<()> {
    let older = |why: String| {
        Err(Error::OlderSource {
            source_name: hashed.set.source.clone(),
            why,
        })
    };
    let went_back = |(id, (advisory, semantic_hash)): (&&str, &(&Advisory, String))| {
        let held = held.get(*id)?;
        let earlier = advisory.modified_at? < held.modified_at?;
        (earlier && held.semantic_hash != *semantic_hash).then(|| (*id).to_owned())
    };
    let mut records = hashed.records.iter().filter_map(went_back);
    if let Some(first) = records.next() {
        let more = records.count();
        return older(format!(
            "`{first}` and {more} others are older than the records that are held"
        ));
    }
    let newest_at = hashed.newest_at();
    if hashed.set.extent == Extent::Full && !hashed.records.is_empty() && newest_at < newest_held_at
    {
        return older("its latest change is earlier than that of the set that is held".to_owned());
    }
    Ok(())
}

fn refuse_smaller(
    hashed: &Hashed<'_>,
    held: &HashMap<String, Held>,
    exploited: &BTreeSet<String>,
) -> Result<()> {
    if hashed.set.extent == Extent::Part {
        return Ok(());
    }
    let held_count = held.values().filter(|held| !held.removed).count();
    let counts = [
        ("records", hashed.records.len(), held_count),
        (
            "exploited ids",
            hashed.set.known_exploited.len(),
            exploited.len(),
        ),
    ];
    match counts.into_iter().find(|(_, new, held)| new < held) {
        None => Ok(()),
        Some((what, new, held)) => Err(Error::OlderSource {
            source_name: hashed.set.source.clone(),
            why: format!("it has {new} {what}, fewer than the {held} that are held"),
        }),
    }
}

/// The current records of a source: all, or those with these ids.
async fn held(
    conn: &mut AnyConnection,
    source: &str,
    ids: Option<&[&str]>,
) -> Result<HashMap<String, Held>> {
    const TEXT: &str = "SELECT v.advisory_id, v.revision, v.semantic_hash, v.modified_at, v.removed, \
         CASE WHEN a.alias IS NULL AND v.removed = 0 THEN 1 ELSE 0 END AS withdrawn FROM advisories v \
         LEFT JOIN advisory_aliases a ON a.alias = v.advisory_id AND a.source = v.source AND a.advisory_id = v.advisory_id \
         WHERE v.source = $1 AND v.current = 1";
    let mut held = HashMap::new();
    let chunks: Vec<&[&str]> = ids.map_or_else(
        || vec![&[] as &[&str]],
        |ids| ids.chunks(LIST_MAX).collect(),
    );
    for chunk in chunks {
        let text = match ids {
            None => TEXT.to_owned(),
            Some(_) => format!("{TEXT} AND v.advisory_id IN ({})", markers(2, chunk.len())),
        };
        let mut select = query(text).bind(source.to_owned());
        for id in chunk {
            select = select.bind((*id).to_owned());
        }
        for row in select.fetch_all(&mut *conn).await? {
            let record = Held {
                revision: row.int("revision")?,
                semantic_hash: row.text("semantic_hash")?,
                modified_at: row.opt_int("modified_at")?,
                removed: row.flag("removed")?,
                withdrawn: row.flag("withdrawn")?,
            };
            held.insert(row.text("advisory_id")?, record);
        }
    }
    Ok(held)
}

async fn exploited(conn: &mut AnyConnection, source: &str) -> Result<BTreeSet<String>> {
    let rows = sqlx::query("SELECT id FROM known_exploited WHERE source = $1")
        .bind(source)
        .fetch_all(conn)
        .await?;
    rows.iter().map(|row| row.text("id")).collect()
}

async fn newest_at(conn: &mut AnyConnection, source: &str) -> Result<i64> {
    let row = sqlx::query("SELECT newest_at FROM advisory_sources WHERE source = $1")
        .bind(source)
        .fetch_optional(conn)
        .await?;
    row.map_or(Ok(0), |row| row.int("newest_at"))
}
