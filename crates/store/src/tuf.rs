//! Trust repositories: the files of Docker Content Trust as they came, what of them is current, the server's keys, and what
//! changed. One update is one transaction: a reader never sees half of it, and of two that were judged against the same state one is judged
//! again. Whether an update is taken is `trust::tuf::publish`'s to say, without the database being held up; where a policy covers the
//! repository, what signers vouch for in it becomes evidence with it, and the server's list of releases is asked for anew.
//!
//! A trust repository has the whole name that clients use, with the host, and belongs to a repository, whose rights hold for it:
//! every function takes both, and nothing of another repository is answered.

use oci::RepositoryName;
use sqlx::AnyConnection;
use trust::tuf::{Gun, RELEASES, RoleName};

use crate::db::RowExt;
use crate::error::{Error, Result};

mod changes;
mod delete;
mod due;
mod ending;
mod file;
mod keys;
mod publish;
mod releases;
mod rereading;
mod room;
mod state;
mod vouches;

pub use changes::{Change, ChangeKind, Changes, Start, changes};
pub use delete::delete;
pub use due::{Due, due, postpone};
pub use ending::{WARN_TRUST, warn};
pub use file::{StoredFile, Wanted, file};
pub use keys::{next_key, offered_key};
pub use publish::{Outcome, publish};
pub use releases::{RELEASE_TAGS, Tagged, guns, tagged};
pub(crate) use releases::{ask, ask_all};
pub(crate) use rereading::{Claimed, Rereader};
pub use state::{Files, State, state};

/// The roles that the server may hold keys for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyRole {
    /// Signed by the server where the root names its key, else by publishers.
    Snapshot,
    /// Always signed by the server.
    Timestamp,
    /// Signed by the server where `targets` delegates to its key: what the gates allow.
    Releases,
}

impl KeyRole {
    const ALL: [KeyRole; 3] = [KeyRole::Snapshot, KeyRole::Timestamp, KeyRole::Releases];

    /// The role as metadata names it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            KeyRole::Snapshot => "snapshot",
            KeyRole::Timestamp => "timestamp",
            KeyRole::Releases => RELEASES,
        }
    }

    /// The same as a role of a repository.
    #[must_use]
    pub fn role(self) -> RoleName {
        match self {
            KeyRole::Snapshot => RoleName::Snapshot,
            KeyRole::Timestamp => RoleName::Timestamp,
            KeyRole::Releases => RoleName::releases(),
        }
    }

    fn parse(text: &str) -> Result<KeyRole> {
        KeyRole::ALL
            .into_iter()
            .find(|role| role.as_str() == text)
            .ok_or_else(|| Error::Corrupt {
                what: "trust_keys.role".to_owned(),
                why: format!("`{text}` is not a role that the server signs for"),
            })
    }
}

/// A trust repository's row.
struct Row {
    id: i64,
    repository_id: i64,
    revision: i64,
}

/// The row of a trust repository, if there is one.
async fn row(
    conn: &mut AnyConnection,
    gun: &Gun,
    repository: &RepositoryName,
) -> Result<Option<Row>> {
    let row = sqlx::query(
        "SELECT t.id, t.repository_id, t.revision, r.name FROM trust_repositories t JOIN repositories r ON r.id = t.repository_id \
         WHERE t.gun = $1",
    )
    .bind(gun.as_str())
    .fetch_optional(conn)
    .await?;
    let Some(row) = row else { return Ok(None) };
    if row.text("name")? != repository.as_str() {
        return Err(elsewhere(gun));
    }
    Ok(Some(Row {
        id: row.int("id")?,
        repository_id: row.int("repository_id")?,
        revision: row.int("revision")?,
    }))
}

/// The name was read in another way when the trust repository was made.
fn elsewhere(gun: &Gun) -> Error {
    Error::Conflict {
        kind: "trust repository",
        name: gun.to_string(),
        why: "belongs to another repository: which names of hosts are this server's was another setting when it was made",
    }
}
