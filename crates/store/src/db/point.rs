//! Point reads: the few rows, found by their key, that every pull asks for. SQLite finds them in microseconds, so it is asked
//! on the calling thread, where handing the question to another thread and its answer back would cost many times that.
//! PostgreSQL is asked through the pool, as for everything else. One text serves both, under the rules of ADR 5.
//!
//! Nothing is read here that grows with the stock: a statement that scans belongs to the pool, where it stops nobody.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::types::{ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Connection, OpenFlags, params_from_iter};
use sqlx::any::AnyRow;

use super::{Db, RowExt};
use crate::error::{Error, Result};

/// Connections that are kept open while nobody uses them; more are opened when more threads ask at once.
const CONNECTIONS_KEPT_MAX: usize = 8;
/// Prepared statements of one connection: all texts that point reads have, with room.
const STATEMENTS_MAX: usize = 32;
/// Pages of the database that a connection keeps in memory: the upper ones of the few indexes that are walked.
const CACHE_KIB: i64 = 1_024;
/// A reader of a WAL database waits for nobody, except while the log is recovered after a crash.
const BUSY_MILLISECONDS: u64 = 30_000;

/// A value for a marker.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Value<'a> {
    /// For a BIGINT.
    Int(i64),
    /// For a text.
    Text(&'a str),
}

impl ToSql for Value<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Value::Int(value) => ValueRef::Integer(*value),
            Value::Text(value) => ValueRef::Text(value.as_bytes()),
        }))
    }
}

/// A row of either database, while it is looked at.
pub(crate) enum PointRow<'r> {
    /// A row of SQLite, on the calling thread.
    Embedded(&'r rusqlite::Row<'r>),
    /// A row that came through the pool.
    Pooled(&'r AnyRow),
}

impl RowExt for PointRow<'_> {
    fn opt_int(&self, column: &str) -> Result<Option<i64>> {
        match self {
            PointRow::Embedded(row) => Ok(row.get(column)?),
            PointRow::Pooled(row) => row.opt_int(column),
        }
    }

    fn opt_text(&self, column: &str) -> Result<Option<String>> {
        match self {
            PointRow::Embedded(row) => Ok(row.get(column)?),
            PointRow::Pooled(row) => row.opt_text(column),
        }
    }

    fn int(&self, column: &str) -> Result<i64> {
        match self {
            PointRow::Embedded(row) => Ok(row.get(column)?),
            PointRow::Pooled(row) => row.int(column),
        }
    }

    fn text(&self, column: &str) -> Result<String> {
        match self {
            PointRow::Embedded(row) => Ok(row.get(column)?),
            PointRow::Pooled(row) => row.text(column),
        }
    }

    fn bytes(&self, column: &str) -> Result<Vec<u8>> {
        match self {
            PointRow::Embedded(row) => Ok(row.get(column)?),
            PointRow::Pooled(row) => row.bytes(column),
        }
    }
}

impl Db {
    /// What `read` makes of each row of a statement that finds few rows by their key. It is planned once, if it has no marker
    /// behind LIMIT.
    pub(crate) async fn point_all<T>(
        &self,
        text: &'static str,
        values: &[Value<'_>],
        mut read: impl FnMut(&PointRow<'_>) -> Result<T>,
    ) -> Result<Vec<T>> {
        if let Some(embedded) = &self.embedded {
            return embedded.all(text, values, |row| read(&PointRow::Embedded(row)));
        }
        let mut query = sqlx::query(text);
        for value in values {
            query = match value {
                Value::Int(value) => query.bind(*value),
                Value::Text(value) => query.bind(*value),
            };
        }
        let rows = query.fetch_all(self.read()).await?;
        rows.iter()
            .map(|row| read(&PointRow::Pooled(row)))
            .collect()
    }

    /// The same for a statement that finds one row or none.
    pub(crate) async fn point<T>(
        &self,
        text: &'static str,
        values: &[Value<'_>],
        read: impl FnMut(&PointRow<'_>) -> Result<T>,
    ) -> Result<Option<T>> {
        Ok(self.point_all(text, values, read).await?.pop())
    }
}

/// Reading connections to the embedded database, for whichever thread asks.
#[derive(Debug)]
pub(super) struct Embedded {
    path: Box<Path>,
    /// None once the store is closed.
    idle: Mutex<Option<Vec<Connection>>>,
}

impl Embedded {
    /// The database must be there, in WAL mode.
    pub(super) fn new(path: &Path) -> Embedded {
        Embedded {
            path: path.into(),
            idle: Mutex::new(Some(Vec::new())),
        }
    }

    /// Closes the idle connections; whoever asks from now on is refused, as by a closed pool.
    pub(super) fn close(&self) {
        *self.idle() = None;
    }

    fn all<T>(
        &self,
        text: &str,
        values: &[Value<'_>],
        mut read: impl FnMut(&rusqlite::Row<'_>) -> Result<T>,
    ) -> Result<Vec<T>> {
        let taken = match self.idle().as_mut() {
            Some(idle) => idle.pop(),
            None => return Err(sqlx::Error::PoolClosed.into()),
        };
        let connection = match taken {
            Some(connection) => connection,
            None => open(&self.path)?,
        };
        let mut found = Vec::new();
        {
            let mut statement = connection.prepare_cached(text)?;
            let mut rows = statement.query(params_from_iter(values))?;
            while let Some(row) = rows.next()? {
                found.push(read(row)?);
            }
        }
        // One that failed is not used again.
        match self.idle().as_mut() {
            Some(idle) if idle.len() < CONNECTIONS_KEPT_MAX => idle.push(connection),
            _ => {}
        }
        Ok(found)
    }

    fn idle(&self) -> MutexGuard<'_, Option<Vec<Connection>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn open(path: &Path) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(Duration::from_millis(BUSY_MILLISECONDS))?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    Ok(connection)
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Error {
        Error::Embedded(error)
    }
}
