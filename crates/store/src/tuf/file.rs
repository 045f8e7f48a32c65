//! Reading one file of a trust repository: what every pull with content trust asks for, found by its key (ADR 13).

use oci::RepositoryName;
use trust::tuf::{Gun, RoleName};

use crate::Store;
use crate::db::{RowExt, Value};
use crate::error::Result;

/// Which file of a role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted<'a> {
    /// The one that readers are given now.
    Current,
    /// One by its version.
    Version(i64),
    /// One by its SHA-256, in lower-case hexadecimal.
    Sha256(&'a str),
}

/// A file as it was published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredFile {
    /// Its bytes.
    pub content: Vec<u8>,
    /// Since when it is here, in milliseconds since the epoch.
    pub stored_at: i64,
}

const CURRENT: &str = "SELECT f.content, f.stored_at FROM trust_repositories t \
     JOIN repositories r ON r.id = t.repository_id JOIN trust_roles l ON l.trust_id = t.id \
     JOIN trust_files f ON f.trust_id = l.trust_id AND f.role = l.role AND f.version = l.current \
     WHERE t.gun = $1 AND r.name = $2 AND l.role = $3";
const BY_VERSION: &str = "SELECT f.content, f.stored_at FROM trust_repositories t \
     JOIN repositories r ON r.id = t.repository_id JOIN trust_files f ON f.trust_id = t.id \
     WHERE t.gun = $1 AND r.name = $2 AND f.role = $3 AND f.version = $4";
const BY_HASH: &str = "SELECT f.content, f.stored_at FROM trust_repositories t \
     JOIN repositories r ON r.id = t.repository_id JOIN trust_files f ON f.trust_id = t.id \
     WHERE t.gun = $1 AND r.name = $2 AND f.role = $3 AND f.sha256 = $4";

/// A file of a trust repository that belongs to `repository`; none where there is none.
pub async fn file(
    store: &Store,
    gun: &Gun,
    repository: &RepositoryName,
    role: &RoleName,
    wanted: Wanted<'_>,
) -> Result<Option<StoredFile>> {
    let [gun, repository, role] =
        [gun.as_str(), repository.as_str(), role.as_str()].map(Value::Text);
    let (text, last) = match wanted {
        Wanted::Current => {
            let values = [gun, repository, role];
            return store.db().point(CURRENT, &values, |row| read(row)).await;
        }
        Wanted::Version(version) => (BY_VERSION, Value::Int(version)),
        Wanted::Sha256(hash) => (BY_HASH, Value::Text(hash)),
    };
    let values = [gun, repository, role, last];
    store.db().point(text, &values, |row| read(row)).await
}

fn read(row: &impl RowExt) -> Result<StoredFile> {
    Ok(StoredFile {
        content: row.bytes("content")?,
        stored_at: row.int("stored_at")?,
    })
}
