//! Work that is owed, as rows: enqueued in the transaction that makes it due, claimed under a lease, finished or put off.
//! A (kind, key) is one row: work that is asked for twice is done once, and asked for while it runs is done once more. What
//! the kinds mean is `monitor`'s. Running a job twice must give the same state.

use serde_json::Value;
use tokio::sync::watch;

use crate::Store;
use crate::batch::{self, markers};
use crate::db::{Db, JobRow, RowExt, Tx, write_tx};
use crate::error::Result;

/// How often a claim looks again when others were faster.
const CLAIM_TRIES_MAX: u32 = 8;
/// The longest error text that is kept, in characters.
const ERROR_CHARACTERS_MAX: usize = 2_000;

/// A piece of work under a lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// Its row.
    pub id: i64,
    /// Which code runs it.
    pub kind: String,
    /// What it is about; one row per kind and key.
    pub key: String,
    /// What it needs to know.
    pub payload: Value,
    /// How often it was claimed since it last succeeded, this time included.
    pub attempts: u32,
    /// When the lease ends and others may claim it (milliseconds since the epoch). It also proves the claim.
    pub locked_until: i64,
}

/// Asks for work at `run_at`. Where the row is there already, the earlier time and the newer payload hold; while it runs,
/// it is asked for once more, at `run_at`. Work whose payloads must all be seen needs different keys.
pub(crate) async fn enqueue(
    tx: &mut Tx,
    kind: &'static str,
    key: &str,
    payload: Value,
    run_at: i64,
) -> Result<()> {
    let row = tx
        .jobs
        .entry((kind, key.to_owned()))
        .or_insert_with(|| JobRow {
            payload: String::new(),
            run_at,
        });
    row.payload = payload.to_string();
    row.run_at = row.run_at.min(run_at);
    Ok(())
}

/// Asks for work from outside a transaction.
pub async fn add(
    store: &Store,
    kind: &'static str,
    key: &str,
    payload: &Value,
    run_at: i64,
) -> Result<()> {
    write_tx!(store.db(), |tx| enqueue(
        tx,
        kind,
        key,
        payload.clone(),
        run_at
    )
    .await)
}

/// Writes what was enqueued, in the order of its keys. Column `again` holds when work that runs now is to run once more.
pub(crate) async fn write(tx: &mut Tx) -> Result<()> {
    let rows = std::mem::take(&mut tx.jobs);
    for ((kind, key), row) in &rows {
        sqlx::query(
            "INSERT INTO jobs (kind, key, payload, run_at, attempts, locked_until, again) VALUES ($1, $2, $3, $4, 0, 0, 0) \
             ON CONFLICT (kind, key) DO UPDATE SET payload = excluded.payload, \
             run_at = CASE WHEN jobs.locked_until = 0 AND excluded.run_at < jobs.run_at THEN excluded.run_at ELSE jobs.run_at END, \
             again = CASE WHEN jobs.locked_until = 0 THEN 0 \
             WHEN jobs.again = 0 OR excluded.run_at < jobs.again THEN excluded.run_at ELSE jobs.again END",
        )
        .bind(*kind)
        .bind(key.as_str())
        .bind(row.payload.as_str())
        .bind(row.run_at)
        .execute(tx.conn())
        .await?;
    }
    tx.jobs = rows;
    Ok(())
}

/// Takes the oldest due work of these kinds under a lease until `now + lease_milliseconds`; `None` when nothing is due.
pub async fn claim(
    store: &Store,
    kinds: &[&str],
    now: i64,
    lease_milliseconds: i64,
) -> Result<Option<Job>> {
    for _ in 0..CLAIM_TRIES_MAX {
        let Some(id) = due(store.db(), kinds, now).await? else {
            return Ok(None);
        };
        if let Some(job) = take(store.db(), id, now, now.saturating_add(lease_milliseconds)).await?
        {
            return Ok(Some(job));
        }
    }
    Ok(None)
}

/// When the earliest work of these kinds becomes due; a lease that runs counts until its end.
pub async fn next_at(store: &Store, kinds: &[&str]) -> Result<Option<i64>> {
    if kinds.is_empty() {
        return Ok(None);
    }
    let text = format!(
        "SELECT MIN(CASE WHEN run_at > locked_until THEN run_at ELSE locked_until END) AS next_at FROM jobs \
         WHERE kind IN ({})",
        markers(1, kinds.len())
    );
    let mut query = batch::query(text);
    for kind in kinds {
        query = query.bind(*kind);
    }
    query.fetch_one(store.db().read()).await?.opt_int("next_at")
}

/// The work is done: the row goes, or comes due again where it was asked for meanwhile. False when the lease had been
/// lost to another worker, who will finish it.
pub async fn finish(store: &Store, job: &Job) -> Result<bool> {
    write_tx!(store.db(), |tx| {
        let done =
            sqlx::query("DELETE FROM jobs WHERE id = $1 AND locked_until = $2 AND again = 0")
                .bind(job.id)
                .bind(job.locked_until)
                .execute(tx.conn())
                .await?
                .rows_affected();
        if done > 0 {
            return Ok(true);
        }
        let again = sqlx::query(
                "UPDATE jobs SET run_at = again, again = 0, locked_until = 0, attempts = 0, last_error = NULL \
                 WHERE id = $1 AND locked_until = $2 AND again <> 0",
            )
            .bind(job.id)
            .bind(job.locked_until)
            .execute(tx.conn())
            .await?;
        Ok(again.rows_affected() > 0)
    })
}

/// The work failed: it comes due at `retry_at`, or earlier where it was asked for meanwhile.
pub async fn fail(store: &Store, job: &Job, error: &str, retry_at: i64) -> Result<()> {
    let error: String = error.chars().take(ERROR_CHARACTERS_MAX).collect();
    write_tx!(store.db(), |tx| {
        sqlx::query(
                "UPDATE jobs SET run_at = CASE WHEN again <> 0 AND again < $3 THEN again ELSE $3 END, again = 0, \
                 locked_until = 0, last_error = $4 WHERE id = $1 AND locked_until = $2",
            )
            .bind(job.id)
            .bind(job.locked_until)
            .bind(retry_at)
            .bind(error.as_str())
            .execute(tx.conn())
            .await?;
        Ok(())
    })
}

/// Makes a lease longer; false when it had been lost. The job in hand is changed to the new lease.
pub async fn renew(store: &Store, job: &mut Job, until: i64) -> Result<bool> {
    let (id, locked_until) = (job.id, job.locked_until);
    let kept = write_tx!(store.db(), |tx| {
        let updated =
            sqlx::query("UPDATE jobs SET locked_until = $3 WHERE id = $1 AND locked_until = $2")
                .bind(id)
                .bind(locked_until)
                .bind(until)
                .execute(tx.conn())
                .await?;
        Ok(updated.rows_affected() > 0)
    })?;
    if kept {
        job.locked_until = until;
    }
    Ok(kept)
}

/// Ends every lease, where nobody can hold one: what a process that was killed was at work on need not wait for the lease's end.
pub(crate) async fn end_leases(db: &Db) -> Result<()> {
    write_tx!(db, |tx| {
        sqlx::query("UPDATE jobs SET locked_until = 0 WHERE locked_until <> 0")
            .execute(tx.conn())
            .await?;
        Ok(())
    })
}

/// Changes whenever this process commits work, so that workers need not poll for their own process's.
pub fn signal(store: &Store) -> watch::Receiver<u64> {
    store.db().job_signal()
}

/// How many jobs of each kind wait or run, and the newest error among them.
pub async fn backlog(store: &Store) -> Result<Vec<Backlog>> {
    let rows = sqlx::query(
        "SELECT kind, COUNT(*) AS jobs, MIN(run_at) AS oldest_at, MAX(attempts) AS attempts, COUNT(last_error) AS failing, \
         MAX(last_error) AS last_error FROM jobs GROUP BY kind ORDER BY kind",
    )
    .fetch_all(store.db().read())
    .await?;
    rows.iter()
        .map(|row| {
            Ok(Backlog {
                kind: row.text("kind")?,
                jobs: row.count("jobs")?,
                oldest_at: row.int("oldest_at")?,
                attempts_max: row.count("attempts")?,
                failing: row.count("failing")?,
                last_error: row.opt_text("last_error")?,
            })
        })
        .collect()
}

/// The jobs of one kind, for operators.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backlog {
    /// Which code runs them.
    pub kind: String,
    /// How many.
    pub jobs: u64,
    /// When the earliest is or was due.
    pub oldest_at: i64,
    /// The most attempts one of them has had.
    pub attempts_max: u64,
    /// How many of them failed when they were last run.
    pub failing: u64,
    /// One of the errors, where one failed.
    pub last_error: Option<String>,
}

async fn due(db: &Db, kinds: &[&str], now: i64) -> Result<Option<i64>> {
    if kinds.is_empty() {
        return Ok(None);
    }
    // The expression keeps the index on kinds out of it: walking the jobs by their time ends at the first that fits, where the
    // other way reads and sorts every job that waits.
    let text = format!(
        "SELECT id FROM jobs WHERE run_at <= $1 AND locked_until <= $1 AND kind || '' IN ({}) ORDER BY run_at, id LIMIT 1",
        markers(2, kinds.len())
    );
    let mut query = batch::query(text).bind(now);
    for kind in kinds {
        query = query.bind(*kind);
    }
    query
        .fetch_optional(db.read())
        .await?
        .map(|row| row.int("id"))
        .transpose()
}

/// Claims one row, unless someone else was faster. What was asked for until now will be seen by this run.
async fn take(db: &Db, id: i64, now: i64, until: i64) -> Result<Option<Job>> {
    write_tx!(db, |tx| {
        let row = sqlx::query(
            "UPDATE jobs SET locked_until = $3, attempts = attempts + 1, again = CASE WHEN again > $2 THEN again ELSE 0 END \
             WHERE id = $1 AND run_at <= $2 AND locked_until <= $2 RETURNING kind, key, payload, attempts",
        )
        .bind(id)
        .bind(now)
        .bind(until)
        .fetch_optional(tx.conn())
        .await?;
        row.map(|row| {
            Ok(Job {
                id,
                kind: row.text("kind")?,
                key: row.text("key")?,
                payload: row.json("payload")?,
                attempts: u32::try_from(row.int("attempts")?).unwrap_or(u32::MAX),
                locked_until: until,
            })
        })
        .transpose()
    })
}
