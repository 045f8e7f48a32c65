//! Rows of table `collections`: what was asked for, who works on it, how it stands. One collection is under way at a time.

use policy::verb::Operate;
use policy::{Actor, Permit};
use serde_json::json;
use sqlx::any::AnyRow;

use super::{CLOCK_SLACK_MILLISECONDS, PERIOD_MILLISECONDS, SWEEP_PERIOD_MILLISECONDS};
use crate::db::{Backend, RowExt, Tx, flag, write_tx};
use crate::error::{Error, Result};
use crate::{Store, audit, permit};

/// A collection whose holder was not seen for so long is taken over.
pub(super) const LEASE_MILLISECONDS: i64 = 2 * 60 * 1_000;
/// So many rows of the past are kept.
const KEPT: i64 = 200;
/// The most that one call lists.
const RECENT_MAX: u32 = 100;

/// How far a collection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Nobody has begun.
    Waiting,
    /// Links of repositories to blobs are looked at.
    Links,
    /// Blobs are looked at.
    Blobs,
    /// Bytes whose rows are gone are removed.
    Files,
    /// Bytes that never had a row are looked for.
    Orphans,
    /// It has ended.
    Done,
}

impl Phase {
    const ALL: [Phase; 6] = [
        Phase::Waiting,
        Phase::Links,
        Phase::Blobs,
        Phase::Files,
        Phase::Orphans,
        Phase::Done,
    ];

    /// The phase as a word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Phase::Waiting => "waiting",
            Phase::Links => "links",
            Phase::Blobs => "blobs",
            Phase::Files => "files",
            Phase::Orphans => "orphans",
            Phase::Done => "done",
        }
    }

    fn parse(text: &str) -> Result<Phase> {
        Phase::ALL
            .into_iter()
            .find(|phase| phase.as_str() == text)
            .ok_or_else(|| Error::Corrupt {
                what: "collections.phase".to_owned(),
                why: format!("`{text}` is not a phase"),
            })
    }
}

/// A collection, as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Collection {
    /// Its number; 0 for one that would be.
    pub id: i64,
    /// Who asked for it, as in the audit log; none for one that the clock asked for.
    pub asked_by: Option<String>,
    /// When it was asked for (milliseconds since the epoch).
    pub asked_at: i64,
    /// Whether it also looks for bytes without a row.
    pub sweep: bool,
    /// When it began (milliseconds since the epoch).
    pub started_at: Option<i64>,
    /// When it ended (milliseconds since the epoch).
    pub finished_at: Option<i64>,
    /// How far it is.
    pub phase: Phase,
    /// About how many links and blobs there were at the beginning.
    pub to_look_at: u64,
    /// How many links and blobs it has looked at.
    pub looked_at: u64,
    /// Links that it removed.
    pub links: u64,
    /// Blobs that it removed.
    pub blobs: u64,
    /// Files or objects that it removed, of blobs that are gone.
    pub files: u64,
    /// Files or objects that it removed, which never had a row.
    pub orphans: u64,
    /// Their bytes, together.
    pub bytes: u64,
    /// Files or objects that it could not remove: the next one tries again.
    pub failed: u64,
    /// How the last of them failed. Whoever collects is told, for the log; it is not kept.
    pub failure: Option<String>,
}

impl Collection {
    /// Whether it removed anything.
    #[must_use]
    pub fn removed_any(&self) -> bool {
        self.links + self.blobs + self.files + self.orphans > 0
    }
}

const COLUMNS: &str = "id, asked_by, asked_at, sweep, started_at, finished_at, phase, position, to_look_at, looked_at, links, \
                       blobs, files, orphans, bytes, failed";

/// A collection in the hands of one process.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) collection: Collection,
    /// Behind what the phase goes on.
    pub(super) position: String,
    pub(super) holder: String,
}

/// Asks for a collection now. One that is waiting already is that one; it then also sweeps if this one is to.
pub async fn ask(
    store: &Store,
    permit: &Permit<Operate>,
    sweep: bool,
    now: i64,
) -> Result<Collection> {
    let actor = permit::actor(permit, now)?;
    write_tx!(store.db(), |tx| {
        tx.raise("garbage").await?;
        let waiting = sqlx::query("SELECT id FROM collections WHERE phase = 'waiting' LIMIT 1")
            .fetch_optional(tx.conn())
            .await?;
        let id = match waiting {
            Some(row) => {
                let id = row.int("id")?;
                sqlx::query("UPDATE collections SET sweep = CASE WHEN sweep > $2 THEN sweep ELSE $2 END WHERE id = $1")
                    .bind(id)
                    .bind(flag(sweep))
                    .execute(tx.conn())
                    .await?;
                id
            }
            None => insert(tx, Some(&audit::actor_text(&actor)), sweep, now).await?,
        };
        let object = format!("collection/{id}");
        audit::record(
            tx,
            &actor,
            "garbage.ask",
            &object,
            json!({"sweep": sweep}),
            now,
        )
        .await?;
        let text = format!("SELECT {COLUMNS} FROM collections WHERE id = $1");
        let row = crate::batch::query(text)
            .bind(id)
            .fetch_one(tx.conn())
            .await?;
        read(&row)
    })
}

/// Asks for a collection where whoever may open the store may also do that; one that was cut off goes on as this one.
pub(super) async fn ask_here(store: &Store, sweep: bool, now: i64) -> Result<()> {
    write_tx!(store.db(), |tx| {
        tx.raise("garbage").await?;
        let open = sqlx::query(
            "UPDATE collections SET sweep = CASE WHEN sweep > $1 THEN sweep ELSE $1 END WHERE finished_at IS NULL",
        )
        .bind(flag(sweep))
        .execute(tx.conn())
        .await?;
        if open.rows_affected() == 0 {
            let actor = audit::actor_text(&Actor::System("gc"));
            insert(tx, Some(&actor), sweep, now).await?;
        }
        Ok(())
    })
}

/// The newest collections, the newest first.
pub async fn recent(store: &Store, limit: u32) -> Result<Vec<Collection>> {
    let text = format!("SELECT {COLUMNS} FROM collections ORDER BY id DESC LIMIT $1");
    let rows = crate::batch::query(text)
        .bind(i64::from(limit.min(RECENT_MAX)))
        .fetch_all(store.db().read())
        .await?;
    rows.iter().map(read).collect()
}

/// Takes a collection in hand: one that was asked for, one that was left behind, or a new one when it is time. `None` when
/// nothing is due, or somebody is at it.
pub(super) async fn take(store: &Store, now: i64) -> Result<Option<Held>> {
    if !may_be_due(store, now).await? {
        return Ok(None);
    }
    let holder = store.instance();
    write_tx!(store.db(), |tx| {
        tx.raise("garbage").await?;
        let open = sqlx::query(
            "SELECT id, holder, seen_at FROM collections WHERE finished_at IS NULL ORDER BY id LIMIT 1",
        )
        .fetch_optional(tx.conn())
        .await?;
        let id = match open {
            Some(row) if is_held(store, &row, now)? => return Ok(None),
            Some(row) => row.int("id")?,
            None => {
                let (last, last_sweep) = last(tx, now).await?;
                if last > now.saturating_sub(PERIOD_MILLISECONDS) {
                    return Ok(None);
                }
                if last > 0 && last <= now.saturating_sub(gap_milliseconds(store)) {
                    wait(tx, now).await?;
                    return Ok(None);
                }
                let sweep = last_sweep <= now.saturating_sub(SWEEP_PERIOD_MILLISECONDS);
                insert(tx, None, sweep, now).await?
            }
        };
        let text = format!(
            "UPDATE collections SET holder = $2, seen_at = $3, started_at = COALESCE(started_at, $3), \
             phase = CASE WHEN phase = 'waiting' THEN 'links' ELSE phase END, \
             to_look_at = CASE WHEN phase = 'waiting' THEN \
               (SELECT COUNT(*) FROM repository_blobs) + (SELECT COUNT(*) FROM blobs) ELSE to_look_at END \
             WHERE id = $1 RETURNING {COLUMNS}"
        );
        let row = crate::batch::query(text)
            .bind(id)
            .bind(holder)
            .bind(now)
            .fetch_one(tx.conn())
            .await?;
        Ok(Some(Held {
            collection: read(&row)?,
            position: row.text("position")?,
            holder: holder.to_owned(),
        }))
    })
}

/// A look without a lock: most of the time nothing is due.
async fn may_be_due(store: &Store, now: i64) -> Result<bool> {
    let open = sqlx::query(
        "SELECT id, holder, seen_at FROM collections WHERE finished_at IS NULL ORDER BY id LIMIT 1",
    )
    .fetch_optional(store.db().read())
    .await?;
    if let Some(row) = open {
        return Ok(!is_held(store, &row, now)?);
    }
    let row = sqlx::query(
        "SELECT CAST(COALESCE(MAX(started_at), 0) AS BIGINT) AS last FROM collections WHERE started_at <= $1",
    )
    .bind(now.saturating_add(CLOCK_SLACK_MILLISECONDS))
    .fetch_one(store.db().read())
    .await?;
    Ok(row.int("last")? <= now.saturating_sub(PERIOD_MILLISECONDS))
}

/// Whether somebody is at it. Nobody but this process has an embedded database open: another one's holder was cut off.
fn is_held(store: &Store, row: &AnyRow, now: i64) -> Result<bool> {
    let is_own = row.opt_text("holder")?.as_deref() == Some(store.instance());
    if store.db().backend() == Backend::Sqlite && !is_own {
        return Ok(false);
    }
    let seen_at = row.opt_int("seen_at")?;
    Ok(seen_at.is_some_and(|seen_at| {
        seen_at > now.saturating_sub(LEASE_MILLISECONDS)
            && seen_at <= now.saturating_add(CLOCK_SLACK_MILLISECONDS)
    }))
}

/// When the last one began, and the last one that swept.
async fn last(tx: &mut Tx, now: i64) -> Result<(i64, i64)> {
    let row = sqlx::query(
        "SELECT CAST(COALESCE(MAX(started_at), 0) AS BIGINT) AS last, \
         CAST(COALESCE(MAX(CASE WHEN sweep = 1 THEN started_at ELSE 0 END), 0) AS BIGINT) AS last_sweep FROM collections \
         WHERE started_at <= $1",
    )
    .bind(now.saturating_add(CLOCK_SLACK_MILLISECONDS))
    .fetch_one(tx.conn())
    .await?;
    Ok((row.int("last")?, row.int("last_sweep")?))
}

/// Nobody has collected for longer than this: the clock may have jumped, so that all links look old.
fn gap_milliseconds(store: &Store) -> i64 {
    store.grace_milliseconds().max(2 * PERIOD_MILLISECONDS)
}

/// Notes that one began and ended without a look at anything: the next one comes a period later. Pushes that were under way
/// when the clock jumped have ended by then, and a clock that was wrong may be right again.
async fn wait(tx: &mut Tx, now: i64) -> Result<()> {
    let id = insert(tx, None, false, now).await?;
    sqlx::query(
        "UPDATE collections SET phase = 'done', started_at = $2, finished_at = $2 WHERE id = $1",
    )
    .bind(id)
    .bind(now)
    .execute(tx.conn())
    .await?;
    Ok(())
}

async fn insert(tx: &mut Tx, asked_by: Option<&str>, sweep: bool, now: i64) -> Result<i64> {
    let row = sqlx::query(
        "INSERT INTO collections (asked_by, asked_at, sweep, phase, position, to_look_at, looked_at, links, blobs, files, \
         orphans, bytes) VALUES ($1, $2, $3, 'waiting', '', 0, 0, 0, 0, 0, 0, 0) RETURNING id",
    )
    .bind(asked_by)
    .bind(now)
    .bind(flag(sweep))
    .fetch_one(tx.conn())
    .await?;
    row.int("id")
}

impl Held {
    /// Writes how it stands; fails when somebody else has taken it over, and with it whatever the transaction did.
    pub(super) async fn write(&self, tx: &mut Tx, now: i64) -> Result<()> {
        let one = &self.collection;
        let written = sqlx::query(
            "UPDATE collections SET seen_at = $3, phase = $4, position = $5, looked_at = $6, links = $7, blobs = $8, files = $9, \
             orphans = $10, bytes = $11, failed = $12 WHERE id = $1 AND holder = $2",
        )
        .bind(one.id)
        .bind(self.holder.as_str())
        .bind(now)
        .bind(one.phase.as_str())
        .bind(self.position.as_str())
        .bind(count(one.looked_at))
        .bind(count(one.links))
        .bind(count(one.blobs))
        .bind(count(one.files))
        .bind(count(one.orphans))
        .bind(count(one.bytes))
        .bind(count(one.failed))
        .execute(tx.conn())
        .await?;
        if written.rows_affected() > 0 {
            return Ok(());
        }
        Err(Error::Conflict {
            kind: "collection",
            name: one.id.to_string(),
            why: "was taken over by another process",
        })
    }

    /// It has ended: an audit row, where it was asked for or removed anything.
    pub(super) async fn finish(&mut self, store: &Store, now: i64) -> Result<()> {
        self.collection.phase = Phase::Done;
        self.collection.finished_at = Some(now);
        let one = &self.collection;
        write_tx!(store.db(), |tx| {
            self.write(tx, now).await?;
            sqlx::query("UPDATE collections SET finished_at = $2, holder = NULL WHERE id = $1")
                .bind(one.id)
                .bind(now)
                .execute(tx.conn())
                .await?;
            sqlx::query("DELETE FROM collections WHERE id <= $1")
                .bind(one.id.saturating_sub(KEPT))
                .execute(tx.conn())
                .await?;
            if one.asked_by.is_some() || one.removed_any() || one.failed > 0 {
                let detail = json!({
                    "looked_at": one.looked_at, "links": one.links, "blobs": one.blobs, "files": one.files,
                    "orphans": one.orphans, "bytes": one.bytes, "failed": one.failed, "sweep": one.sweep,
                });
                let object = format!("collection/{}", one.id);
                let actor = Actor::System("collect-garbage");
                audit::record(tx, &actor, "garbage.collect", &object, detail, now).await?;
            }
            Ok(())
        })
    }
}

fn count(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn read(row: &AnyRow) -> Result<Collection> {
    Ok(Collection {
        id: row.int("id")?,
        asked_by: row.opt_text("asked_by")?,
        asked_at: row.int("asked_at")?,
        sweep: row.flag("sweep")?,
        started_at: row.opt_int("started_at")?,
        finished_at: row.opt_int("finished_at")?,
        phase: Phase::parse(&row.text("phase")?)?,
        to_look_at: row.count("to_look_at")?,
        looked_at: row.count("looked_at")?,
        links: row.count("links")?,
        blobs: row.count("blobs")?,
        files: row.count("files")?,
        orphans: row.count("orphans")?,
        bytes: row.count("bytes")?,
        failed: row.count("failed")?,
        failure: None,
    })
}
