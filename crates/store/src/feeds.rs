//! Advisories: what each source says, as append-only revisions that are told apart by what decides findings, not by prose.
//! Decoding feeds is `advisories`' and fetching them `monitor`'s. DESIGN §3.6, §5.
//!
//! Without advisories nothing is clean: what counts is whether there are any about the ecosystem of a component. Cost follows
//! the change: an import writes the records that differ, and names the package keys whose matches may differ, in jobs of its
//! own transaction.

mod aliases;
mod import;
mod matchable;
mod plan;
mod records;

use std::collections::BTreeSet;

use advisories::{Advisory, Batch, Ecosystem, PackageKey};
use oci::Digest;
use serde::{Deserialize, Serialize};
use sqlx::AnyConnection;

pub(crate) use self::aliases::names_of;
pub use self::import::{Imported, import};
pub use self::matchable::{Matchable, for_keys};
use crate::Store;
use crate::db::{Backend, RowExt, Tx};
use crate::error::Result;

/// The kind of the job that matches components again; its payload is a [`MatchWork`].
pub const MATCH: &str = "match";

/// The counter that every import raises that changed a record.
pub(crate) const GENERATION: &str = "feeds";
/// The counter that is raised when the first advisories about an ecosystem come, or the last go.
pub(crate) const READINESS: &str = "advisories";

/// The package keys whose components have to be matched again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MatchWork {
    /// The keys.
    pub keys: Vec<PackageKey>,
}

/// How much of its source a set is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Extent {
    /// All that the source carries: a record that is missing from it was removed.
    Full,
    /// Some records: others stay.
    Part,
}

/// What is to be imported from one source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSet {
    /// The name of the source, as its records give it.
    pub source: String,
    /// The records.
    pub advisories: Vec<Advisory>,
    /// The ids that are known to be exploited.
    pub known_exploited: BTreeSet<String>,
    /// Whether this is all.
    pub extent: Extent,
    /// Takes a set that is older or smaller than what is held.
    pub allow_older: bool,
}

/// The name of CISA's list of known exploited weaknesses, which comes without records.
pub const KNOWN_EXPLOITED_SOURCE: &str = "kev";

impl NewSet {
    /// What was read from files, one set for each source in it.
    #[must_use]
    pub fn of_batch(batch: Batch, extent: Extent, allow_older: bool) -> Vec<NewSet> {
        let mut sets: Vec<NewSet> = Vec::new();
        let set = |source: &str| NewSet {
            source: source.to_owned(),
            advisories: Vec::new(),
            known_exploited: BTreeSet::new(),
            extent,
            allow_older,
        };
        // The records of a batch are sorted by source.
        for advisory in batch.advisories {
            if sets
                .last()
                .is_none_or(|last| last.source != advisory.source)
            {
                sets.push(set(&advisory.source));
            }
            if let Some(last) = sets.last_mut() {
                last.advisories.push(advisory);
            }
        }
        if !batch.known_exploited.is_empty() {
            sets.push(NewSet {
                known_exploited: batch.known_exploited,
                ..set(KNOWN_EXPLOITED_SOURCE)
            });
        }
        sets
    }
}

/// What is held of one source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SourceStatus {
    /// Its name.
    pub source: String,
    /// When it was last imported, in milliseconds since the epoch.
    pub imported_at: i64,
    /// Records in force: neither removed nor withdrawn.
    pub advisories: i64,
    /// Ids it calls known to be exploited.
    pub known_exploited: i64,
    /// The latest change of any of its records, in milliseconds since the epoch; 0 when it gives no dates.
    pub newest_at: i64,
    /// The name of what it says.
    pub snapshot: String,
}

/// What is held of all sources.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// Whether there is anything to match with.
    pub ready: bool,
    /// The name of the whole advisory set: a hash over the snapshots of all sources.
    pub snapshot: String,
    /// Each source, by name.
    pub sources: Vec<SourceStatus>,
}

/// What is held.
pub async fn status(store: &Store) -> Result<Status> {
    let mut conn = store.db().read().acquire().await?;
    status_of(&mut conn).await
}

/// Whether there is anything to match with: at least one source with a record in force.
pub async fn ready(store: &Store) -> Result<bool> {
    Ok(status(store).await?.ready)
}

/// The state of the advisory set, which no import changes until the transaction ends.
pub(crate) async fn hold_generation(tx: &mut Tx) -> Result<i64> {
    // SQLite has one writer at a time.
    let text = match tx.backend() {
        Backend::Sqlite => "SELECT value FROM revisions WHERE name = $1",
        Backend::Postgres => "SELECT value FROM revisions WHERE name = $1 FOR SHARE",
    };
    sqlx::query(text)
        .bind(GENERATION)
        .fetch_one(tx.conn())
        .await?
        .int("value")
}

/// The matched ecosystems that advisories are held about.
pub(crate) async fn ecosystems(conn: &mut AnyConnection) -> Result<BTreeSet<Ecosystem>> {
    let rows = sqlx::query("SELECT DISTINCT ecosystem FROM advisory_keys")
        .fetch_all(conn)
        .await?;
    let ecosystems: BTreeSet<Ecosystem> = rows
        .iter()
        .map(|row| row.parsed("ecosystem"))
        .collect::<Result<_>>()?;
    Ok(ecosystems
        .into_iter()
        .filter(Ecosystem::is_matched)
        .collect())
}

/// What the advisories are about, beside what is in stock.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Coverage {
    /// The matched ecosystems that advisories are held about.
    pub held: BTreeSet<Ecosystem>,
    /// Ecosystems that an image has components of and that no advisory is held about.
    pub missing: BTreeSet<Ecosystem>,
}

/// What the advisories are about, and what they should be about.
pub async fn coverage(store: &Store) -> Result<Coverage> {
    let mut conn = store.db().read().acquire().await?;
    let held = ecosystems(&mut conn).await?;
    let rows = sqlx::query(
        "SELECT DISTINCT c.ecosystem FROM components c WHERE c.ecosystem IS NOT NULL AND EXISTS \
         (SELECT 1 FROM image_components i WHERE i.component_id = c.id AND i.owner IS NULL)",
    )
    .fetch_all(&mut *conn)
    .await?;
    let stock: BTreeSet<Ecosystem> = rows
        .iter()
        .map(|row| row.parsed("ecosystem"))
        .collect::<Result<_>>()?;
    let missing = stock.difference(&held).cloned().collect();
    Ok(Coverage { held, missing })
}

/// Whether any advisory is held about an ecosystem.
pub(crate) async fn holds(conn: &mut AnyConnection, ecosystem: &Ecosystem) -> Result<bool> {
    let row = sqlx::query("SELECT name FROM advisory_keys WHERE ecosystem = $1 LIMIT 1")
        .bind(ecosystem.to_string())
        .fetch_optional(conn)
        .await?;
    Ok(row.is_some())
}

/// The ids that are known to be exploited.
pub async fn known_exploited(store: &Store) -> Result<BTreeSet<String>> {
    let mut conn = store.db().read().acquire().await?;
    known_exploited_of(&mut conn).await
}

/// What is held, in the state that the connection sees.
pub(crate) async fn status_of(conn: &mut AnyConnection) -> Result<Status> {
    let rows = sqlx::query(
        "SELECT source, imported_at, advisories, known_exploited, newest_at, snapshot FROM advisory_sources ORDER BY source",
    )
    .fetch_all(conn)
    .await?;
    let sources: Vec<SourceStatus> = rows
        .iter()
        .map(|row| {
            Ok(SourceStatus {
                source: row.text("source")?,
                imported_at: row.int("imported_at")?,
                advisories: row.int("advisories")?,
                known_exploited: row.int("known_exploited")?,
                newest_at: row.int("newest_at")?,
                snapshot: row.text("snapshot")?,
            })
        })
        .collect::<Result<_>>()?;
    let names: Vec<_> = sources
        .iter()
        .map(|source| (&source.source, &source.snapshot))
        .collect();
    let snapshot = Digest::sha256(serde_json::json!(names).to_string().as_bytes())
        .hex()
        .to_owned();
    Ok(Status {
        ready: sources.iter().any(|source| source.advisories > 0),
        snapshot,
        sources,
    })
}

async fn known_exploited_of(conn: &mut AnyConnection) -> Result<BTreeSet<String>> {
    let rows = sqlx::query("SELECT DISTINCT id FROM known_exploited")
        .fetch_all(conn)
        .await?;
    rows.iter().map(|row| row.text("id")).collect()
}
