//! The two databases behind one door: pools, transactions, and reading rows. It knows no table.
//!
//! SQLite: one writer connection that transactions queue for, several readers, WAL, `synchronous=FULL`, so that a commit
//! is on the disk when it returns and two writers never meet. PostgreSQL: READ COMMITTED, row locks where needed.
//! Texts run on both through `sqlx::Any`: `$1` markers, BIGINT, TEXT and BYTEA only, no dynamic SQL.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::{AnyConnection, AnyPool, ConnectOptions, Connection};
use tokio::sync::watch;

use crate::error::{Error, Result};

mod point;
mod row;
mod tx;

pub(crate) use point::Value;
pub(crate) use row::{RowExt, flag};
pub(crate) use tx::{AuditRow, Event, JobRow, Tx};

/// Readers on either database.
const READERS_MAX: u32 = 8;
/// Writing transactions at a time on PostgreSQL; SQLite has exactly one.
const POSTGRES_WRITERS_MAX: u32 = 16;
/// How long a transaction queues for a connection before it is given up.
const QUEUE_SECONDS_MAX: u64 = 120;
/// How often a transaction is run again after a deadlock or a serialization failure.
const TRIES_MAX: u32 = 8;
/// The pause before the second try; it grows with the square of the tries.
const PAUSE_MILLISECONDS: u32 = 5;

/// Commits after which SQLite's log is written back: a few hundred pages.
const WRITE_BACK_COMMITS_MIN: u64 = 64;

/// Which database answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Backend {
    /// Embedded, one process.
    Sqlite,
    /// A server, several processes.
    Postgres,
}

/// Connections for reading and for writing.
#[derive(Debug, Clone)]
pub(crate) struct Db {
    backend: Backend,
    readers: AnyPool,
    writer: AnyPool,
    /// For point reads, where the database is embedded.
    embedded: Option<Arc<point::Embedded>>,
    /// Counts the commits that brought jobs, so that workers of this process wake at once.
    jobs: watch::Sender<u64>,
    /// Commits of this process that no `write_back` has seen.
    commits: Arc<AtomicU64>,
}

impl Db {
    /// Opens an SQLite file (made when absent) with one writer and several readers.
    pub(crate) async fn open_sqlite(path: &Path) -> Result<Db> {
        let url = sqlite_url(path)?;
        let writer = pool(Backend::Sqlite, &format!("{url}?mode=rwc"), 1, false).await?;
        let readers = pool(
            Backend::Sqlite,
            &format!("{url}?mode=rw"),
            READERS_MAX,
            true,
        )
        .await?;
        Ok(Db {
            backend: Backend::Sqlite,
            readers,
            writer,
            embedded: Some(Arc::new(point::Embedded::new(path))),
            jobs: watch::Sender::new(0),
            commits: Arc::default(),
        })
    }

    /// Connects to a PostgreSQL server by its URL.
    pub(crate) async fn open_postgres(url: &str) -> Result<Db> {
        let writer = pool(Backend::Postgres, url, POSTGRES_WRITERS_MAX, false).await?;
        let readers = pool(Backend::Postgres, url, READERS_MAX, false).await?;
        Ok(Db {
            backend: Backend::Postgres,
            readers,
            writer,
            embedded: None,
            jobs: watch::Sender::new(0),
            commits: Arc::default(),
        })
    }

    /// The pool for statements that only read; each sees what was committed when it began.
    pub(crate) fn read(&self) -> &AnyPool {
        &self.readers
    }

    /// Begins a writing transaction. On SQLite it owns the writer until it ends, so its reads are as fresh as its writes.
    pub(crate) async fn begin(&self) -> Result<Tx> {
        let inner = match self.backend {
            Backend::Sqlite => self.writer.begin_with("BEGIN IMMEDIATE").await?,
            Backend::Postgres => {
                self.writer
                    .begin_with("BEGIN ISOLATION LEVEL READ COMMITTED")
                    .await?
            }
        };
        Ok(Tx::new(
            inner,
            self.backend,
            self.jobs.clone(),
            Arc::clone(&self.commits),
        ))
    }

    /// Copies what SQLite's log holds to its file, beside commits and reads, if there is enough of it to be worth a sync. Whoever
    /// commits then has less to do of it. Answers whether there was.
    pub(crate) async fn write_back(&self) -> Result<bool> {
        if self.backend != Backend::Sqlite
            || self.commits.load(Ordering::Relaxed) < WRITE_BACK_COMMITS_MIN
        {
            return Ok(false);
        }
        self.commits.store(0, Ordering::Relaxed);
        // A connection that only reads may do it: nothing that anybody could see changes.
        sqlx::query("PRAGMA wal_checkpoint(PASSIVE)")
            .execute(&self.readers)
            .await?;
        Ok(true)
    }

    /// Changes whenever a commit of this process brought jobs.
    pub(crate) fn job_signal(&self) -> watch::Receiver<u64> {
        self.jobs.subscribe()
    }

    /// Which database this is.
    pub(crate) fn backend(&self) -> Backend {
        self.backend
    }

    /// Closes every connection, after what is under way.
    pub(crate) async fn close(&self) {
        if let Some(embedded) = &self.embedded {
            embedded.close();
        }
        self.readers.close().await;
        self.writer.close().await;
    }
}

/// `write_tx!(store.db(), |tx| body)`: runs the body in a writing transaction, commits it and answers its value; runs
/// it again from the beginning when the database gave it up (deadlock, serialization, busy). The body must have no effects but
/// those on the transaction. A macro, because the future of a function that takes such a closure is not `Send`.
macro_rules! write_tx {
    ($db:expr, |$tx:ident| $body:expr) => {{
        let db: &$crate::db::Db = $db;
        let mut tries = $crate::db::Tries::default();
        loop {
            let outcome = match db.begin().await {
                Err(error) => Err(error),
                Ok(mut begun) => {
                    let $tx = &mut begun;
                    match $crate::db::outcome(async { $body }).await {
                        Ok(value) => begun.commit().await.map(|()| value),
                        Err(error) => Err(error),
                    }
                }
            };
            if let Some(outcome) = tries.end(outcome).await {
                break outcome;
            }
        }
    }};
}
pub(crate) use write_tx;

/// Says of a transaction's body what it answers.
pub(crate) fn outcome<T, F: Future<Output = Result<T>>>(body: F) -> F {
    body
}

/// How often a transaction was tried.
#[derive(Debug, Default)]
pub(crate) struct Tries(u32);

impl Tries {
    /// The outcome, if it stands; `None`, after a pause, when the transaction may succeed on another try.
    pub(crate) async fn end<T>(&mut self, outcome: Result<T>) -> Option<Result<T>> {
        match outcome {
            Err(error) if error.is_transient() && self.0 < TRIES_MAX => {
                self.0 = self.0.saturating_add(1);
                tokio::time::sleep(Duration::from_millis(u64::from(
                    self.0 * self.0 * PAUSE_MILLISECONDS,
                )))
                .await;
                None
            }
            outcome => Some(outcome),
        }
    }
}

/// The value of a counter of table `revisions`.
pub(crate) async fn revision(db: &Db, name: &str) -> Result<i64> {
    db.point(
        "SELECT value FROM revisions WHERE name = $1",
        &[Value::Text(name)],
        |row| row.int("value"),
    )
    .await?
    .ok_or_else(|| Error::not_found("revision", name))
}

async fn pool(
    backend: Backend,
    url: &str,
    connections_max: u32,
    query_only: bool,
) -> Result<AnyPool> {
    sqlx::any::install_default_drivers();
    let options: AnyConnectOptions = url.parse()?;
    let options = options.disable_statement_logging();
    Ok(AnyPoolOptions::new()
        .max_connections(connections_max)
        .acquire_timeout(Duration::from_secs(QUEUE_SECONDS_MAX))
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(backend == Backend::Postgres)
        // A full disk can end a transaction in SQLite while its client still counts it as open: such a connection begins no other.
        .before_acquire(|connection, _| {
            let is_free = !connection.is_in_transaction();
            Box::pin(async move { Ok(is_free) })
        })
        .after_connect(move |connection, _| {
            Box::pin(async move {
                if backend == Backend::Sqlite {
                    set_pragmas(connection, query_only).await?;
                }
                Ok(())
            })
        })
        .connect_with(options)
        .await?)
}

async fn set_pragmas(
    connection: &mut AnyConnection,
    query_only: bool,
) -> std::result::Result<(), sqlx::Error> {
    for pragma in [
        "PRAGMA journal_mode = WAL",
        "PRAGMA synchronous = FULL",
        "PRAGMA foreign_keys = ON",
        "PRAGMA busy_timeout = 30000",
        "PRAGMA temp_store = MEMORY",
        "PRAGMA journal_size_limit = 67108864",
        // What `write_back` has not done by then, whoever commits does, while others wait.
        "PRAGMA wal_autocheckpoint = 8192",
    ] {
        sqlx::query(pragma).execute(&mut *connection).await?;
    }
    if query_only {
        sqlx::query("PRAGMA query_only = ON")
            .execute(connection)
            .await?;
    }
    Ok(())
}

/// The path as an SQLite URL: every byte that could mean something else is escaped.
pub(crate) fn sqlite_url(path: &Path) -> Result<String> {
    let text = path.to_str().ok_or_else(|| Error::Invalid {
        what: "data folder",
        value: path.display().to_string(),
        why: "its path is not UTF-8: choose another".to_owned(),
    })?;
    let mut url = String::from("sqlite://");
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"/-_.~".contains(&byte) {
            url.push(char::from(byte));
        } else {
            url.push_str(&format!("%{byte:02X}"));
        }
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_becomes_a_url_that_names_it_alone() {
        assert_eq!(
            sqlite_url(Path::new("/a b/c?d#e%f.db")).unwrap(),
            "sqlite:///a%20b/c%3Fd%23e%25f.db"
        );
    }

    #[tokio::test]
    async fn what_is_written_back_is_in_the_file_itself() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        let db = Db::open_sqlite(&path).await.unwrap();
        sqlx::query("CREATE TABLE t (n BIGINT)")
            .execute(&db.writer)
            .await
            .unwrap();
        for _ in 0..WRITE_BACK_COMMITS_MIN {
            assert!(!db.write_back().await.unwrap(), "not worth a sync");
            write_tx!(&db, |tx| {
                sqlx::query("INSERT INTO t VALUES (1)")
                    .execute(tx.conn())
                    .await?;
                Ok(())
            })
            .unwrap();
        }
        assert!(db.write_back().await.unwrap());
        assert!(!db.write_back().await.unwrap(), "it was a moment ago");
        // Without its log.
        let copy = folder.path().join("b.db");
        std::fs::copy(&path, &copy).unwrap();
        let copy = Db::open_sqlite(&copy).await.unwrap();
        let row = sqlx::query("SELECT COUNT(*) AS n FROM t")
            .fetch_one(copy.read())
            .await
            .unwrap();
        assert_eq!(row.count("n").unwrap(), WRITE_BACK_COMMITS_MIN);
    }
}
