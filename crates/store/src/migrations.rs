//! The schema, brought up to date when a store opens: numbered files, each run once, in one transaction with its note in
//! `schema_migrations`. Two processes that start at once do not run a file twice. There is no way back: a database of a
//! newer version is refused.

use sqlx::AssertSqlSafe;

use crate::db::{Backend, Db, RowExt, Tx};
use crate::error::{Error, Result};

/// Every file, in the order of its number. A file that was released is never edited.
const MIGRATIONS: &[(i64, &str)] = &[
    (1, include_str!("../migrations/0001_start.sql")),
    (2, include_str!("../migrations/0002_evidence_carriers.sql")),
    (3, include_str!("../migrations/0003_absent_layers.sql")),
    (4, include_str!("../migrations/0004_blob_locations.sql")),
    (5, include_str!("../migrations/0005_no_upload_rows.sql")),
    (6, include_str!("../migrations/0006_garbage.sql")),
    (7, include_str!("../migrations/0007_one_blob_a_piece.sql")),
    (8, include_str!("../migrations/0008_failed_removals.sql")),
    (9, include_str!("../migrations/0009_trust_repositories.sql")),
    (10, include_str!("../migrations/0010_managed_trust.sql")),
    (11, include_str!("../migrations/0011_break_glass.sql")),
    (12, include_str!("../migrations/0012_transparency_log.sql")),
    (13, include_str!("../migrations/0013_keys_revoked_from.sql")),
    (14, include_str!("../migrations/0014_receipts.sql")),
    (15, include_str!("../migrations/0015_held_keys.sql")),
    (16, include_str!("../migrations/0016_trusted_times.sql")),
    (17, include_str!("../migrations/0017_attestations.sql")),
    (18, include_str!("../migrations/0018_successions.sql")),
];

/// The advisory lock that keeps two processes from migrating one PostgreSQL database at once; an arbitrary number.
const POSTGRES_LOCK: i64 = 0x636f_756e_7465_7273;

/// Runs what is missing.
pub(crate) async fn run(db: &Db) -> Result<()> {
    let mut tx = db.begin().await?;
    if tx.backend() == Backend::Postgres {
        // Held until the transaction ends; CREATE TABLE IF NOT EXISTS alone may race with itself.
        sqlx::query("SELECT CAST(pg_advisory_xact_lock($1) AS TEXT)")
            .bind(POSTGRES_LOCK)
            .execute(tx.conn())
            .await?;
    }
    sqlx::query("CREATE TABLE IF NOT EXISTS schema_migrations (version BIGINT PRIMARY KEY)")
        .execute(tx.conn())
        .await?;
    let newest = newest(&mut tx).await?;
    let known = current();
    if newest > known {
        return Err(Error::Corrupt {
            what: "schema".to_owned(),
            why: format!(
                "it has version {newest}, this program knows {known}: use a newer program"
            ),
        });
    }
    for (version, text) in MIGRATIONS.iter().filter(|(version, _)| *version > newest) {
        for statement in statements(text, tx.backend()) {
            sqlx::query(AssertSqlSafe(statement))
                .execute(tx.conn())
                .await?;
        }
        sqlx::query("INSERT INTO schema_migrations (version) VALUES ($1)")
            .bind(*version)
            .execute(tx.conn())
            .await?;
    }
    tx.commit().await
}

/// Fails unless the schema is the one that this program knows: for commands that must not change it.
pub(crate) async fn require_current(db: &Db) -> Result<()> {
    let row = sqlx::query(
        "SELECT CAST(COALESCE(MAX(version), 0) AS BIGINT) AS version FROM schema_migrations",
    )
    .fetch_one(db.read())
    .await?;
    let (found, known) = (row.int("version")?, current());
    if found == known {
        return Ok(());
    }
    Err(Error::Invalid {
        what: "schema of the database",
        value: found.to_string(),
        why: format!(
            "this program knows {known}: use the program of the server, or start the server of this version once"
        ),
    })
}

/// The version that this program knows.
pub(crate) fn current() -> i64 {
    MIGRATIONS.last().map_or(0, |(version, _)| *version)
}

/// The tables, in the order in which they are made: what is referred to comes first.
pub(crate) fn tables() -> Vec<&'static str> {
    let mut tables = Vec::new();
    for line in MIGRATIONS.iter().flat_map(|(_, text)| text.lines()) {
        if let Some(made) = line.strip_prefix("CREATE TABLE ") {
            tables.extend(made.split(' ').next());
        } else if let Some(gone) = line.strip_prefix("DROP TABLE ") {
            tables.retain(|table| *table != gone.trim_end_matches(';'));
        }
    }
    tables
}

async fn newest(tx: &mut Tx) -> Result<i64> {
    let row = sqlx::query(
        "SELECT CAST(COALESCE(MAX(version), 0) AS BIGINT) AS version FROM schema_migrations",
    )
    .fetch_one(tx.conn())
    .await?;
    row.int("version")
}

/// The statements of a file for one database. The files hold no semicolon in a comment or a text.
fn statements(text: &str, backend: Backend) -> Vec<String> {
    let (serial, collated) = match backend {
        Backend::Sqlite => ("INTEGER PRIMARY KEY AUTOINCREMENT", "TEXT"),
        Backend::Postgres => (
            "BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY",
            "TEXT COLLATE \"C\"",
        ),
    };
    let code: String = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("--"))
        .fold(String::new(), |mut code, line| {
            code.push_str(line);
            code.push('\n');
            code
        });
    code.replace("{serial}", serial)
        .replace("{text}", collated)
        .split(';')
        .map(str::trim)
        .filter(|statement| !statement.is_empty())
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_file_splits_into_whole_statements() {
        for backend in [Backend::Sqlite, Backend::Postgres] {
            for (version, text) in MIGRATIONS {
                let statements = statements(text, backend);
                assert!(!statements.is_empty(), "{version}");
                for statement in statements {
                    let word = statement.split(' ').next().unwrap_or_default();
                    assert!(
                        ["CREATE", "INSERT", "ALTER", "UPDATE", "DROP"].contains(&word),
                        "{version}: {statement}"
                    );
                    assert!(
                        !statement.contains('{') && !statement.contains("--"),
                        "{version}: {statement}"
                    );
                }
            }
        }
    }
}
