//! Importing a set: one transaction with its records, the jobs that match again what it may change, and its audit row.

use std::collections::BTreeSet;

use advisories::{Ecosystem, PackageKey, known_exploited_hash, snapshot_digest};
use policy::Permit;
use policy::verb::ManageAdvisories;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::plan::{Hashed, Plan, plan};
use super::{
    Extent, GENERATION, MATCH, MatchWork, NewSet, READINESS, aliases, ecosystems, records,
    status_of,
};
use crate::db::{RowExt, Tx, flag, write_tx};
use crate::decisions::DECIDE_ALL;
use crate::error::{Error, Result};
use crate::{Store, audit, jobs, permit};

/// How many package keys one job matches again.
const KEYS_PER_JOB: usize = 1_000;
/// The longest name of a source, in bytes.
const SOURCE_BYTES_MAX: usize = 64;

/// What an import changed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Imported {
    /// Records that were not held, or come back.
    pub added: usize,
    /// Records that say something else than before.
    pub changed: usize,
    /// Records that the source took back.
    pub withdrawn: usize,
    /// Records that a full set no longer carries.
    pub removed: usize,
    /// Records that say the same as before.
    pub unchanged: usize,
    /// Packages whose matches may differ now.
    pub keys_changed: Vec<PackageKey>,
    /// The name of what the source says now.
    pub snapshot: String,
}

/// Imports a set. Records that say the same as before cost nothing further; a set that is older or smaller than what is
/// held is refused unless it is allowed.
pub async fn import(
    store: &Store,
    permit: &Permit<ManageAdvisories>,
    set: &NewSet,
    now: i64,
) -> Result<Imported> {
    let actor = permit::actor(permit, now)?;
    check_source(&set.source)?;
    let hashed = Hashed::of(set)?;
    write_tx!(store.db(), |tx| {
        // One import at a time.
        sqlx::query("UPDATE revisions SET value = value WHERE name = $1")
            .bind(GENERATION)
            .execute(tx.conn())
            .await?;
        let plan = plan(tx.conn(), &hashed).await?;
        let held_before = held(tx).await?;
        let mut keys = keys_before(tx, &set.source, &plan).await?;
        if !plan.is_empty() {
            records::write(tx, &set.source, &plan, now).await?;
            keys.extend(keys_after(tx, &plan).await?);
        }
        let snapshot = write_source(tx, set, hashed.newest_at(), now).await?;
        let held = held(tx).await?;
        if held != held_before {
            tx.raise(READINESS).await?;
            jobs::enqueue(tx, DECIDE_ALL, "all", json!({}), now).await?;
            forget_matches(tx, held_before.ecosystems.difference(&held.ecosystems)).await?;
            keys.extend(unmatched(tx, held.ecosystems.difference(&held_before.ecosystems)).await?);
        }
        ask_for_matches(tx, &set.source, &plan, &keys, now).await?;
        let imported = summary(&plan, keys, snapshot);
        let detail = json!({
            "source": set.source, "added": imported.added, "changed": imported.changed,
            "withdrawn": imported.withdrawn, "removed": imported.removed, "unchanged": imported.unchanged,
            "exploited": plan.exploited.len(), "allow_older": set.allow_older, "snapshot": imported.snapshot,
        });
        audit::record(tx, &actor, "advisories.import", &set.source, detail, now).await?;
        Ok(imported)
    })
}

/// What advisories are held about: all that a gate sees of them, beside the findings.
#[derive(Debug, PartialEq, Eq)]
struct HeldAbout {
    any: bool,
    ecosystems: BTreeSet<Ecosystem>,
}

async fn held(tx: &mut Tx) -> Result<HeldAbout> {
    Ok(HeldAbout {
        any: status_of(tx.conn()).await?.ready,
        ecosystems: ecosystems(tx.conn()).await?,
    })
}

/// Without advisories about its ecosystem nothing is matched any more: when some come again, all of it has to be.
async fn forget_matches(tx: &mut Tx, ecosystems: impl Iterator<Item = &Ecosystem>) -> Result<()> {
    for ecosystem in ecosystems {
        sqlx::query("UPDATE components SET matched_at = NULL WHERE ecosystem = $1")
            .bind(ecosystem.to_string())
            .execute(tx.conn())
            .await?;
    }
    Ok(())
}

fn summary(plan: &Plan<'_>, keys: BTreeSet<PackageKey>, snapshot: String) -> Imported {
    Imported {
        added: plan.added,
        changed: plan.changed,
        withdrawn: plan.withdrawn,
        removed: plan.removed.len(),
        unchanged: plan.unchanged,
        keys_changed: keys.into_iter().collect(),
        snapshot,
    }
}

/// The packages that the records to be changed are about before, with all that share an id with these.
async fn keys_before(tx: &mut Tx, source: &str, plan: &Plan<'_>) -> Result<BTreeSet<PackageKey>> {
    let changed = plan
        .changes
        .iter()
        .map(|change| change.advisory.id.as_str());
    let ids: Vec<&str> = changed
        .chain(plan.removed.iter().map(String::as_str))
        .collect();
    let mut names = aliases::names_of_records(tx.conn(), source, &ids).await?;
    names.extend(plan.no_longer_exploited.iter().cloned());
    let names = aliases::names_of(tx.conn(), names).await?;
    aliases::keys_of(tx.conn(), &names).await
}

/// The same after the change.
async fn keys_after(tx: &mut Tx, plan: &Plan<'_>) -> Result<BTreeSet<PackageKey>> {
    let in_force = plan
        .changes
        .iter()
        .map(|change| change.advisory)
        .filter(|advisory| !advisory.withdrawn);
    let mut names: BTreeSet<String> = in_force
        .flat_map(records::names)
        .map(str::to_owned)
        .collect();
    names.extend(plan.exploited.iter().map(|id| (*id).to_owned()));
    let names = aliases::names_of(tx.conn(), names).await?;
    aliases::keys_of(tx.conn(), &names).await
}

/// The keys of components that were never matched: with the first advisories about an ecosystem, all of its have to be.
async fn unmatched(
    tx: &mut Tx,
    ecosystems: impl Iterator<Item = &Ecosystem>,
) -> Result<BTreeSet<PackageKey>> {
    let mut keys = BTreeSet::new();
    for ecosystem in ecosystems {
        let rows = sqlx::query(
            "SELECT DISTINCT key_name FROM components WHERE ecosystem = $1 AND matched_at IS NULL",
        )
        .bind(ecosystem.to_string())
        .fetch_all(tx.conn())
        .await?;
        for row in &rows {
            keys.insert(PackageKey {
                ecosystem: ecosystem.clone(),
                name: row.text("key_name")?,
            });
        }
    }
    Ok(keys)
}

async fn ask_for_matches(
    tx: &mut Tx,
    source: &str,
    plan: &Plan<'_>,
    keys: &BTreeSet<PackageKey>,
    now: i64,
) -> Result<()> {
    if plan.is_empty() {
        return Ok(());
    }
    let generation = tx.raise(GENERATION).await?;
    let keys: Vec<&PackageKey> = keys.iter().collect();
    for (number, chunk) in keys.chunks(KEYS_PER_JOB).enumerate() {
        let work = MatchWork {
            keys: chunk.iter().map(|key| (*key).clone()).collect(),
        };
        // Every payload has to be seen, so each has a key of its own.
        let key = format!("feed/{source}/{generation}/{number}");
        jobs::enqueue(tx, MATCH, &key, json!(work), now).await?;
    }
    Ok(())
}

/// Writes what is held of the source now, and answers its snapshot.
async fn write_source(tx: &mut Tx, set: &NewSet, newest_at: i64, now: i64) -> Result<String> {
    let rows = sqlx::query(
        "SELECT semantic_hash FROM advisories WHERE source = $1 AND current = 1 AND removed = 0",
    )
    .bind(set.source.as_str())
    .fetch_all(tx.conn())
    .await?;
    let mut hashes: Vec<[u8; 32]> = rows
        .iter()
        .map(|row| read_hash(&row.text("semantic_hash")?))
        .collect::<Result<_>>()?;
    let rows = sqlx::query("SELECT id FROM known_exploited WHERE source = $1")
        .bind(set.source.as_str())
        .fetch_all(tx.conn())
        .await?;
    let exploited: BTreeSet<String> = rows
        .iter()
        .map(|row| row.text("id"))
        .collect::<Result<_>>()?;
    hashes.push(known_exploited_hash(&exploited));
    let snapshot = snapshot_digest(hashes);
    sqlx::query(
        "INSERT INTO advisory_sources (source, imported_at, advisories, known_exploited, newest_at, snapshot) \
         SELECT $1, $2, CAST(COUNT(DISTINCT advisory_id) AS BIGINT), $3, $4, $5 FROM advisory_aliases WHERE source = $1 \
         ON CONFLICT (source) DO UPDATE SET imported_at = excluded.imported_at, advisories = excluded.advisories, \
         known_exploited = excluded.known_exploited, \
         newest_at = CASE WHEN $6 = 1 AND advisory_sources.newest_at > excluded.newest_at \
         THEN advisory_sources.newest_at ELSE excluded.newest_at END, snapshot = excluded.snapshot",
    )
    .bind(set.source.as_str())
    .bind(now)
    .bind(i64::try_from(exploited.len()).map_err(Error::corrupt("known_exploited"))?)
    .bind(newest_at)
    .bind(snapshot.as_str())
    .bind(flag(set.extent == Extent::Part))
    .execute(tx.conn())
    .await?;
    Ok(snapshot)
}

fn read_hash(text: &str) -> Result<[u8; 32]> {
    let mut hash = [0; 32];
    hex::decode_to_slice(text, &mut hash).map_err(Error::corrupt("advisories.semantic_hash"))?;
    Ok(hash)
}

fn check_source(source: &str) -> Result<()> {
    let is_word =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.".contains(&byte);
    if !source.is_empty() && source.len() <= SOURCE_BYTES_MAX && source.bytes().all(is_word) {
        return Ok(());
    }
    Err(Error::Invalid {
        what: "advisory source",
        value: source.chars().take(SOURCE_BYTES_MAX).collect(),
        why: "use at most 64 lower-case letters, digits, `-`, `_` and `.`".to_owned(),
    })
}
