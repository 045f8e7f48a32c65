//! A writing transaction. Audit rows, events, jobs and touched facts are collected while it runs and written when it
//! commits, always in that order of tables and sorted within them: two transactions cannot deadlock over them, an audit
//! row's number follows the order in which its changes took effect, and events become visible in the order of their
//! sequence. What is collected is lost with the transaction, as its rows would be.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use oci::Digest;
use sqlx::{AnyConnection, Transaction};
use tokio::sync::watch;

use super::{Backend, RowExt};
use crate::error::{Error, Result};
use crate::{audit, facts, jobs, outbox};

/// Held at the end of every PostgreSQL transaction that writes events, so that sequences commit in their order.
const POSTGRES_EVENTS_LOCK: i64 = 0x6576_656e_7473;

/// An act, as it will be a row of `audit`.
#[derive(Debug)]
pub(crate) struct AuditRow {
    pub(crate) happened_at: i64,
    pub(crate) actor: String,
    pub(crate) act: &'static str,
    pub(crate) object: String,
    pub(crate) detail: String,
}

/// An event with its id, as it will be a row of `events`.
#[derive(Debug)]
pub(crate) struct Event {
    pub(crate) id: String,
    pub(crate) kind: &'static str,
    pub(crate) ordering_key: String,
    pub(crate) repository: Option<String>,
    pub(crate) digest: Option<String>,
    pub(crate) data: String,
    pub(crate) happened_at: i64,
}

/// Work, as it will be a row of `jobs`.
#[derive(Debug)]
pub(crate) struct JobRow {
    pub(crate) payload: String,
    pub(crate) run_at: i64,
}

/// A writing transaction; dropped without `commit`, it is rolled back.
#[derive(Debug)]
pub(crate) struct Tx {
    inner: Transaction<'static, sqlx::Any>,
    backend: Backend,
    job_signal: watch::Sender<u64>,
    commits: Arc<AtomicU64>,
    pub(crate) audit: Vec<AuditRow>,
    pub(crate) events: Vec<Event>,
    pub(crate) jobs: BTreeMap<(&'static str, String), JobRow>,
    pub(crate) touched: BTreeSet<(i64, Digest)>,
    /// When what was touched was touched.
    pub(crate) touched_at: i64,
}

impl Tx {
    pub(super) fn new(
        inner: Transaction<'static, sqlx::Any>,
        backend: Backend,
        job_signal: watch::Sender<u64>,
        commits: Arc<AtomicU64>,
    ) -> Tx {
        Tx {
            inner,
            backend,
            job_signal,
            commits,
            audit: Vec::new(),
            events: Vec::new(),
            jobs: BTreeMap::new(),
            touched: BTreeSet::new(),
            touched_at: 0,
        }
    }

    /// The connection to run statements on.
    pub(crate) fn conn(&mut self) -> &mut AnyConnection {
        &mut self.inner
    }

    /// Which database this is.
    pub(crate) fn backend(&self) -> Backend {
        self.backend
    }

    /// Writes what was collected, then makes everything durable and visible to others.
    pub(crate) async fn commit(mut self) -> Result<()> {
        facts::write(&mut self).await?;
        jobs::write(&mut self).await?;
        audit::write(&mut self).await?;
        self.write_events().await?;
        self.inner.commit().await?;
        self.commits.fetch_add(1, Ordering::Relaxed);
        if !self.jobs.is_empty() {
            self.job_signal
                .send_modify(|commits| *commits = commits.wrapping_add(1));
        }
        Ok(())
    }

    async fn write_events(&mut self) -> Result<()> {
        if self.events.is_empty() {
            return Ok(());
        }
        if self.backend == Backend::Postgres {
            sqlx::query("SELECT CAST(pg_advisory_xact_lock($1) AS TEXT)")
                .bind(POSTGRES_EVENTS_LOCK)
                .execute(self.conn())
                .await?;
        }
        outbox::write(self).await
    }

    /// Raises a counter of table `revisions` and answers its new value. It is also a lock: until this transaction ends,
    /// no other one passes here with the same name.
    pub(crate) async fn raise(&mut self, name: &str) -> Result<i64> {
        let row =
            sqlx::query("UPDATE revisions SET value = value + 1 WHERE name = $1 RETURNING value")
                .bind(name)
                .fetch_optional(self.conn())
                .await?
                .ok_or_else(|| Error::not_found("revision", name))?;
        row.int("value")
    }
}
