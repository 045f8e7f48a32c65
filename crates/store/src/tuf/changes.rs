//! The change feed: one row for each new timestamp and each deletion, numbered in the order in which they became visible.

use sqlx::any::AnyRow;
use trust::tuf::Gun;

use crate::Store;
use crate::batch;
use crate::db::{RowExt, Tx};
use crate::error::{Error, Result};

/// The most rows that one call answers.
const ROWS_MAX: u32 = 1_000;
/// The counter that is raised, and thereby locked, when a row is written.
const LOCK: &str = "trust";
const UPDATE: &str = "update";
const DELETION: &str = "deletion";

/// Something that changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Its number, which grows.
    pub id: i64,
    /// The trust repository.
    pub gun: String,
    /// How.
    pub kind: ChangeKind,
    /// When, in milliseconds since the epoch.
    pub changed_at: i64,
}

/// How a trust repository changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChangeKind {
    /// There is a new timestamp.
    Update {
        /// Its version.
        version: i64,
        /// Its SHA-256 in hexadecimal.
        sha256: String,
    },
    /// All of its files are gone.
    Deletion,
}

impl ChangeKind {
    /// The word for it.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            ChangeKind::Update { .. } => UPDATE,
            ChangeKind::Deletion => DELETION,
        }
    }
}

/// Where to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// With the oldest after this number.
    After(i64),
    /// With the newest before this number.
    Before(i64),
    /// With the newest.
    Newest,
}

/// Which changes are asked for.
#[derive(Debug, Clone, Copy)]
pub struct Changes<'a> {
    /// Those of one trust repository, or of all.
    pub gun: Option<&'a Gun>,
    /// Where to begin.
    pub from: Start,
    /// How many at most.
    pub limit: u32,
}

/// Changes, always the oldest first.
pub async fn changes(store: &Store, asked: &Changes<'_>) -> Result<Vec<Change>> {
    let (condition, order) = match asked.from {
        Start::After(_) => ("id > $1", "ASC"),
        Start::Before(_) => ("id < $1", "DESC"),
        Start::Newest => ("id >= $1", "DESC"),
    };
    let of_gun = if asked.gun.is_some() {
        "AND gun = $3 "
    } else {
        ""
    };
    let text = format!(
        "SELECT id, gun, version, sha256, category, changed_at FROM trust_changes WHERE {condition} {of_gun}\
         ORDER BY id {order} LIMIT $2"
    );
    let mut query = batch::query(text)
        .bind(match asked.from {
            Start::After(id) | Start::Before(id) => id,
            Start::Newest => 0,
        })
        .bind(i64::from(asked.limit.min(ROWS_MAX)));
    if let Some(gun) = asked.gun {
        query = query.bind(gun.to_string());
    }
    let rows = query.fetch_all(store.db().read()).await?;
    let mut changes = rows.iter().map(change).collect::<Result<Vec<_>>>()?;
    if order == "DESC" {
        changes.reverse();
    }
    Ok(changes)
}

fn change(row: &AnyRow) -> Result<Change> {
    let kind = match row.text("category")?.as_str() {
        UPDATE => ChangeKind::Update {
            version: row.int("version")?,
            sha256: row.text("sha256")?,
        },
        DELETION => ChangeKind::Deletion,
        other => {
            return Err(Error::Corrupt {
                what: "trust_changes.category".to_owned(),
                why: format!("`{other}` is no kind of change"),
            });
        }
    };
    Ok(Change {
        id: row.int("id")?,
        gun: row.text("gun")?,
        kind,
        changed_at: row.int("changed_at")?,
    })
}

/// Writes a row. From here to the end of the transaction no other one writes any.
pub(super) async fn write(tx: &mut Tx, gun: &Gun, kind: &ChangeKind, now: i64) -> Result<()> {
    tx.raise(LOCK).await?;
    let (version, sha256) = match kind {
        ChangeKind::Update { version, sha256 } => (*version, sha256.as_str()),
        ChangeKind::Deletion => (0, ""),
    };
    sqlx::query(
        "INSERT INTO trust_changes (gun, version, sha256, category, changed_at) VALUES ($1, $2, $3, $4, $5)",
    )
    .bind(gun.as_str())
    .bind(version)
    .bind(sha256)
    .bind(kind.as_str())
    .bind(now)
    .execute(tx.conn())
    .await?;
    Ok(())
}
