//! Trust repositories as the tables have them, in the form that is compared with the audit log: the newest file of each role and whether
//! readers are given it. And what contradicts itself: bytes that are not what their hash names, a file that is given out and not the newest.

use oci::Digest;
use serde_json::json;
use sqlx::AnyConnection;

use super::state::{self, State};
use crate::db::RowExt;
use crate::error::Result;

/// How many rows are read at a time.
const PAGE_ROWS: i64 = 5_000;
/// How many files are, each of up to 8 MiB.
const PAGE_FILES: i64 = 32;

/// Adds what the tables say to a state.
pub(super) async fn read(conn: &mut AnyConnection, state: &mut State) -> Result<()> {
    let (mut trust, mut role) = (0_i64, String::new());
    loop {
        let rows = sqlx::query(
            "SELECT l.trust_id, t.gun, l.role, l.latest, l.current, f.sha256 FROM trust_roles l \
             JOIN trust_repositories t ON t.id = l.trust_id \
             LEFT JOIN trust_files f ON f.trust_id = l.trust_id AND f.role = l.role AND f.version = l.latest \
             WHERE l.trust_id > $1 OR (l.trust_id = $1 AND l.role > $2) ORDER BY l.trust_id, l.role LIMIT $3",
        )
        .bind(trust)
        .bind(role.as_str())
        .bind(PAGE_ROWS)
        .fetch_all(&mut *conn)
        .await?;
        for row in &rows {
            (trust, role) = (row.int("trust_id")?, row.text("role")?);
            let value = json!({
                "version": row.int("latest")?, "sha256": row.opt_text("sha256")?,
                "listed": row.opt_int("current")?.is_some(),
            });
            state.insert(state::trust_file(&row.text("gun")?, &role), value);
        }
        if rows.is_empty() {
            return Ok(());
        }
    }
}

/// What in the tables contradicts itself, one line a thing.
pub(super) async fn contradictions(conn: &mut AnyConnection) -> Result<Vec<String>> {
    let mut lines = Vec::new();
    let rows = sqlx::query(
        "SELECT t.gun, l.role, l.latest, l.current FROM trust_roles l JOIN trust_repositories t ON t.id = l.trust_id \
         WHERE l.current IS NOT NULL AND l.current <> l.latest ORDER BY t.gun, l.role",
    )
    .fetch_all(&mut *conn)
    .await?;
    for row in &rows {
        let name = state::trust_file(&row.text("gun")?, &row.text("role")?);
        let (current, latest) = (row.int("current")?, row.int("latest")?);
        lines.push(format!(
            "{name} was changed: readers are given version {current}, and version {latest} is the newest"
        ));
    }
    files(conn, &mut lines).await?;
    Ok(lines)
}

async fn files(conn: &mut AnyConnection, lines: &mut Vec<String>) -> Result<()> {
    let (mut trust, mut role, mut version) = (0_i64, String::new(), 0_i64);
    loop {
        let rows = sqlx::query(
            "SELECT f.trust_id, t.gun, f.role, f.version, f.sha256, f.content FROM trust_files f \
             JOIN trust_repositories t ON t.id = f.trust_id \
             WHERE f.trust_id > $1 OR (f.trust_id = $1 AND (f.role > $2 OR (f.role = $2 AND f.version > $3))) \
             ORDER BY f.trust_id, f.role, f.version LIMIT $4",
        )
        .bind(trust)
        .bind(role.as_str())
        .bind(version)
        .bind(PAGE_FILES)
        .fetch_all(&mut *conn)
        .await?;
        for row in &rows {
            (trust, role, version) = (row.int("trust_id")?, row.text("role")?, row.int("version")?);
            if Digest::sha256(&row.bytes("content")?).hex() != row.text("sha256")? {
                let name = state::trust_file(&row.text("gun")?, &role);
                lines.push(format!(
                    "{name} was changed: of version {version} its bytes are not what its hash names"
                ));
            }
        }
        if rows.is_empty() {
            return Ok(());
        }
    }
}
