//! What the server's list of releases is made of: the tags of a repository, its trust repositories, and the job that writes the list anew,
//! asked for by whatever may change it. Deliberately no look at gates.

use oci::{Algorithm, Digest, RepositoryName};
use serde_json::json;
use sqlx::AnyConnection;
use trust::tuf::Gun;

use crate::Store;
use crate::db::{RowExt, Tx};
use crate::error::Result;
use crate::jobs;

/// The kind of the job that lists anew what is released in a repository; its key is the repository, its payload `{repository}`.
pub const RELEASE_TAGS: &str = "release-tags";

/// A tag and what it is on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tagged {
    /// The tag.
    pub tag: String,
    /// The manifest.
    pub digest: Digest,
    /// Its SHA-256, by which alone docker looks images up; none if it is known by another hash.
    pub sha256: Option<[u8; 32]>,
    /// Its bytes.
    pub length: u64,
}

/// Repositories in which the server has written a list, or was told to.
const MANAGED: &str = "EXISTS (SELECT 1 FROM trust_repositories t JOIN trust_keys k ON k.trust_id = t.id \
     WHERE t.repository_id = r.id AND k.role = 'targets/releases' AND k.named_at IS NOT NULL)";

/// Asks for the list of a repository to be written anew, if there is one.
pub(crate) async fn ask(tx: &mut Tx, repository_id: i64, now: i64) -> Result<()> {
    let text = format!("SELECT r.name FROM repositories r WHERE r.id = $1 AND {MANAGED}");
    let row = crate::batch::query(text)
        .bind(repository_id)
        .fetch_optional(tx.conn())
        .await?;
    match row {
        Some(row) => enqueue(tx, &row.text("name")?, now).await,
        None => Ok(()),
    }
}

/// The same for all repositories.
pub(crate) async fn ask_all(tx: &mut Tx, now: i64) -> Result<()> {
    let text = format!("SELECT r.name FROM repositories r WHERE {MANAGED} ORDER BY r.name");
    let rows = crate::batch::query(text).fetch_all(tx.conn()).await?;
    for row in &rows {
        enqueue(tx, &row.text("name")?, now).await?;
    }
    Ok(())
}

async fn enqueue(tx: &mut Tx, repository: &str, now: i64) -> Result<()> {
    let payload = json!({"repository": repository});
    jobs::enqueue(tx, RELEASE_TAGS, repository, payload, now).await
}

/// The trust repository in which signatures for a repository are taken: of those that leave their releases to the server, the one that was the
/// first to. Whoever may push can open others, under other names of this server, with a root of their own.
pub(super) async fn first_managed(
    conn: &mut AnyConnection,
    repository_id: i64,
) -> Result<Option<Gun>> {
    let row = sqlx::query(
        "SELECT t.gun FROM trust_repositories t JOIN trust_keys k ON k.trust_id = t.id \
         WHERE t.repository_id = $1 AND k.role = 'targets/releases' AND k.named_at IS NOT NULL AND EXISTS \
         (SELECT 1 FROM trust_roles l WHERE l.trust_id = t.id AND l.role = 'root' AND l.current IS NOT NULL) \
         ORDER BY k.named_at, t.id LIMIT 1",
    )
    .bind(repository_id)
    .fetch_optional(conn)
    .await?;
    row.map(|row| row.parsed("gun")).transpose()
}

/// The trust repositories of a repository, by their names.
pub async fn guns(store: &Store, repository: &RepositoryName) -> Result<Vec<Gun>> {
    let rows = sqlx::query(
        "SELECT t.gun FROM trust_repositories t JOIN repositories r ON r.id = t.repository_id WHERE r.name = $1 ORDER BY t.gun",
    )
    .bind(repository.as_str())
    .fetch_all(store.db().read())
    .await?;
    rows.iter().map(|row| row.parsed("gun")).collect()
}

/// The tags of a repository that are on anything but evidence, in order, after `after`.
pub async fn tagged(
    store: &Store,
    repository: &RepositoryName,
    after: &str,
    limit: u32,
) -> Result<Vec<Tagged>> {
    let rows = sqlx::query(
        "SELECT t.name, t.digest, CAST(LENGTH(m.content) AS BIGINT) AS length FROM repositories r \
         JOIN tags t ON t.repository_id = r.id \
         JOIN manifests m ON m.repository_id = t.repository_id AND m.digest = t.digest \
         WHERE r.name = $1 AND t.name > $2 AND m.shape <> 'evidence' ORDER BY t.name LIMIT $3",
    )
    .bind(repository.as_str())
    .bind(after)
    .bind(i64::from(limit))
    .fetch_all(store.db().read())
    .await?;
    rows.iter()
        .map(|row| {
            let digest = row.digest("digest")?;
            Ok(Tagged {
                tag: row.text("name")?,
                sha256: sha256(&digest),
                digest,
                length: row.count("length")?,
            })
        })
        .collect()
}

fn sha256(digest: &Digest) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    let is_it = digest.algorithm() == Algorithm::Sha256;
    (is_it && hex::decode_to_slice(digest.hex(), &mut bytes).is_ok()).then_some(bytes)
}
