//! The account of what was done: rows in the act's transaction, ordered each second as leaves of a Merkle log, with a signed
//! checkpoint in an append-only file outside the database. It does not prevent an edit by hand; `verify` detects it.
//! DESIGN §3.7. Leaves and roots are those of RFC 6962, checkpoints those of C2SP's signed notes, and others read it in tiles.

use oci::RepositoryName;
use policy::Actor;
use serde_json::Value;

use crate::Store;
use crate::db::{AuditRow, RowExt, Tx};
use crate::error::Result;

mod checkpoints;
mod file;
mod leaf;
mod nodes;
mod replay;
mod seal;
mod signatures;
mod state;
mod tables;
mod tiles;
mod trust_repositories;
mod unjudged;
mod verify;

pub use checkpoints::{
    SignedCheckpoint, checkpoint, cosigned_size, keep_cosignature, newest, tell_refusal, verifier,
};
pub(crate) use seal::Sealer;
pub use seal::{Sealed, seal};
pub use tiles::{consistency_proof, entries, tile};
pub use verify::{Problem, ProblemKind, Report, verify};

/// The most rows one call reads.
pub const ROWS_MAX: u32 = 1_000;

/// An act as it was recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Its number; numbers may have gaps.
    pub id: i64,
    /// When (milliseconds since the epoch).
    pub happened_at: i64,
    /// Who: `principal:7`, `anonymous` or `system:index-image`.
    pub actor: String,
    /// What was done: `manifest.push`, `policy.apply`, …
    pub act: String,
    /// To what.
    pub object: String,
    /// All that is needed to tell what changed.
    pub detail: Value,
    /// Its place in the log, once it is sealed.
    pub leaf_index: Option<i64>,
}

/// Records an act; the row is written when the transaction commits. Where a row of the state is verified against the
/// account (`replay.rs`), the detail must hold what that needs.
pub(crate) async fn record(
    tx: &mut Tx,
    actor: &Actor,
    act: &'static str,
    object: &str,
    detail: Value,
    now: i64,
) -> Result<()> {
    tx.audit.push(AuditRow {
        happened_at: now,
        actor: actor_text(actor),
        act,
        object: object.to_owned(),
        detail: detail.to_string(),
    });
    Ok(())
}

/// The signed notes of a file of checkpoints, such as a copy that an auditor kept, in its order. What they say is not looked at.
///
/// # Errors
/// The file is absent or cannot be read.
pub fn notes(path: &std::path::Path) -> Result<Vec<String>> {
    if !path.is_file() {
        return Err(crate::Error::not_found("checkpoint file", path.display()));
    }
    let mut notes = Vec::new();
    file::read(path, &mut |note| {
        notes.push(note.text);
        Ok(())
    })?;
    Ok(notes)
}

/// The checkpoint in a note of the log with this key, under its name or the one of former versions.
///
/// # Errors
/// Why it is not to be believed.
pub fn believe(
    note: &str,
    key: &trust::PublicKey,
) -> std::result::Result<trust::checkpoint::Checkpoint, String> {
    file::parse(note, key)
}

/// The rows after a number, oldest first.
pub async fn rows(store: &Store, after: i64, limit: u32) -> Result<Vec<Row>> {
    let rows = sqlx::query(
        "SELECT id, happened_at, actor, act, object, detail, leaf_index FROM audit WHERE id > $1 ORDER BY id LIMIT $2",
    )
    .bind(after)
    .bind(i64::from(limit.min(ROWS_MAX)))
    .fetch_all(store.db().read())
    .await?;
    rows.iter().map(read_row).collect()
}

/// The same of what was done to the manifests of one repository. Reads the whole log from the number on.
pub async fn rows_of(
    store: &Store,
    repository: &RepositoryName,
    after: i64,
    limit: u32,
) -> Result<Vec<Row>> {
    // Not LIKE, to which the `_` of a name is any character.
    let rows = sqlx::query(
        "SELECT id, happened_at, actor, act, object, detail, leaf_index FROM audit \
         WHERE id > $1 AND substr(object, 1, length($3)) = $3 ORDER BY id LIMIT $2",
    )
    .bind(after)
    .bind(i64::from(limit.min(ROWS_MAX)))
    .bind(format!("{repository}@"))
    .fetch_all(store.db().read())
    .await?;
    rows.iter().map(read_row).collect()
}

fn read_row(row: &sqlx::any::AnyRow) -> Result<Row> {
    Ok(Row {
        id: row.int("id")?,
        happened_at: row.int("happened_at")?,
        actor: row.text("actor")?,
        act: row.text("act")?,
        object: row.text("object")?,
        detail: row.json("detail")?,
        leaf_index: row.opt_int("leaf_index")?,
    })
}

/// Writes what was recorded, in the order of recording.
pub(crate) async fn write(tx: &mut Tx) -> Result<()> {
    for row in std::mem::take(&mut tx.audit) {
        sqlx::query("INSERT INTO audit (happened_at, actor, act, object, detail) VALUES ($1, $2, $3, $4, $5)")
            .bind(row.happened_at)
            .bind(row.actor)
            .bind(row.act)
            .bind(row.object)
            .bind(row.detail)
            .execute(tx.conn())
            .await?;
    }
    Ok(())
}

/// Who acted, as the column has it.
pub(crate) fn actor_text(actor: &Actor) -> String {
    match actor {
        Actor::Principal(id) => format!("principal:{id}"),
        Actor::Anonymous => "anonymous".to_owned(),
        Actor::System(job) => format!("system:{job}"),
    }
}
