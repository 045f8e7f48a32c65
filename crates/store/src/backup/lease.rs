//! The lease of a backup: a row that is seen again and again while it is made. The collector asks for it after it has looked
//! which files to remove, and a backup takes it before it copies the database: so a file is removed only if its row was
//! gone before that copy.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::task::JoinHandle;

use super::Now;
use crate::db::{Db, RowExt, write_tx};
use crate::error::{Error, Result};
use crate::garbage::CLOCK_SLACK_MILLISECONDS;
use crate::random;

/// A backup that was not seen for so long has been cut off.
const LEASE_MILLISECONDS: i64 = 5 * 60 * 1_000;
/// How often it shows itself.
const BEAT: Duration = Duration::from_secs(20);

/// Whether a backup is being made.
pub(crate) async fn is_under_way(db: &Db, now: i64) -> Result<bool> {
    let (after, until) = seen_between(now);
    let row =
        sqlx::query("SELECT COUNT(*) AS backups FROM backups WHERE seen_at > $1 AND seen_at <= $2")
            .bind(after)
            .bind(until)
            .fetch_one(db.read())
            .await?;
    Ok(row.count("backups")? > 0)
}

/// After and until when a backup was seen that is under way. One that was seen later than that was so by a clock that was wrong.
fn seen_between(now: i64) -> (i64, i64) {
    (
        now.saturating_sub(LEASE_MILLISECONDS),
        now.saturating_add(CLOCK_SLACK_MILLISECONDS),
    )
}

/// A lease that is held until it is given back or dropped.
pub(super) struct Lease {
    db: Db,
    id: String,
    now: Now,
    is_lost: Arc<AtomicBool>,
    beating: JoinHandle<()>,
}

impl Lease {
    /// Takes a lease; those that were left behind are forgotten.
    pub(super) async fn take(db: &Db, now: &Now) -> Result<Lease> {
        let (id, at) = (random::hex::<8>()?, now());
        let (after, until) = seen_between(at);
        write_tx!(db, |tx| {
            sqlx::query("DELETE FROM backups WHERE seen_at <= $1 OR seen_at > $2")
                .bind(after)
                .bind(until)
                .execute(tx.conn())
                .await?;
            sqlx::query("INSERT INTO backups (id, started_at, seen_at) VALUES ($1, $2, $2)")
                .bind(id.as_str())
                .bind(at)
                .execute(tx.conn())
                .await?;
            Ok(())
        })?;
        let is_lost = Arc::new(AtomicBool::new(false));
        let beating = tokio::spawn(beat(
            db.clone(),
            id.clone(),
            Arc::clone(now),
            Arc::clone(&is_lost),
        ));
        Ok(Lease {
            db: db.clone(),
            id,
            now: Arc::clone(now),
            is_lost,
            beating,
        })
    }

    /// Gives it back; fails when it had been lost meanwhile: then files may have been removed that the backup needs.
    pub(super) async fn end(self) -> Result<()> {
        self.beating.abort();
        let (after, until) = seen_between((self.now)());
        let held = write_tx!(&self.db, |tx| {
            let gone = sqlx::query("DELETE FROM backups WHERE id = $1 RETURNING seen_at")
                .bind(self.id.as_str())
                .fetch_optional(tx.conn())
                .await?;
            let seen_at = gone.map(|row| row.int("seen_at")).transpose()?;
            Ok(seen_at.is_some_and(|seen_at| seen_at > after && seen_at <= until))
        })?;
        if held && !self.is_lost.load(Ordering::Relaxed) {
            return Ok(());
        }
        Err(Error::Conflict {
            kind: "backup",
            name: self.id.clone(),
            why: "was out of sight of the server for too long: make it again, what was copied stays",
        })
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.beating.abort();
    }
}

async fn beat(db: Db, id: String, now: Now, is_lost: Arc<AtomicBool>) {
    loop {
        tokio::time::sleep(BEAT).await;
        let at = now();
        let (after, until) = seen_between(at);
        let seen: Result<bool> = write_tx!(&db, |tx| {
            let seen = sqlx::query(
                "UPDATE backups SET seen_at = $2 WHERE id = $1 AND seen_at > $3 AND seen_at <= $4",
            )
            .bind(id.as_str())
            .bind(at)
            .bind(after)
            .bind(until)
            .execute(tx.conn())
            .await?;
            Ok(seen.rows_affected() > 0)
        });
        // A database that does not answer now may answer at the next beat.
        if matches!(seen, Ok(false)) {
            is_lost.store(true, Ordering::Relaxed);
            return;
        }
    }
}
