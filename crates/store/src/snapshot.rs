//! Several reads of one moment: what a decision or a directory is made of must not mix two states. Nothing is written.

use sqlx::{AnyConnection, Transaction};

use crate::db::{Backend, Db, RowExt};
use crate::error::{Error, Result};

/// Begins a reading transaction in which every statement sees the same state.
pub(crate) async fn begin(db: &Db) -> Result<Transaction<'static, sqlx::Any>> {
    Ok(match db.backend() {
        // A deferred transaction of a WAL database reads the state of its first statement.
        Backend::Sqlite => db.read().begin_with("BEGIN DEFERRED").await?,
        Backend::Postgres => {
            db.read()
                .begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
                .await?
        }
    })
}

/// The value of a counter of table `revisions`, in the state that the connection sees.
pub(crate) async fn revision(conn: &mut AnyConnection, name: &str) -> Result<i64> {
    let row = sqlx::query("SELECT value FROM revisions WHERE name = $1")
        .bind(name)
        .fetch_optional(conn)
        .await?
        .ok_or_else(|| Error::not_found("revision", name))?;
    row.int("value")
}
