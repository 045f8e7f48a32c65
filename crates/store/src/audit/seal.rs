//! Sealing: rows without a place get the next ones in the log, then the log's new root is signed into the file. Rows first:
//! a cut in between leaves places without a checkpoint, which the next seal makes up for. A log that contradicts the last
//! checkpoint is not signed again: nothing would be left to detect that by.

use tokio::sync::Mutex;
use trust::checkpoint::{self, Checkpoint};
use trust::merkle::Frontier;
use trust::{PublicKey, Signer};

use super::leaf::{COLUMNS, Leaf, read_hash};
use super::{checkpoints, file, nodes};
use crate::Store;
use crate::batch;
use crate::blobs::blocking;
use crate::db::{RowExt, Tx, write_tx};
use crate::error::{Error, Result};
use crate::keys::{self, Purpose, ServerKey};

/// The counter that is raised, and thereby locked, while rows get their places.
const LOCK: &str = "audit";
/// How many rows get a place in one transaction.
const ROWS_PER_SEAL: usize = 1_000;

/// The log as this process knows it, once it has sealed.
#[derive(Debug, Default)]
pub(crate) struct Sealer(Mutex<Option<Log>>);

#[derive(Debug, Clone)]
struct Log {
    frontier: Frontier,
    /// The size that the last checkpoint of the file speaks of.
    signed: u64,
    /// Whether that checkpoint is where it is served from.
    is_served: bool,
}

/// What a seal did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sealed {
    /// How many rows got a place.
    pub rows: u64,
    /// How many rows have one.
    pub size: u64,
}

/// Gives every row a place in the log and signs a checkpoint of it, if there is anything new.
pub async fn seal(store: &Store, now: i64) -> Result<Sealed> {
    let mut known = store.sealer().0.lock().await;
    let key = keys::signer(store, Purpose::Checkpoint, now).await?;
    let mut log = match known.take() {
        Some(log) => log,
        None => load(store, key.public_key()).await?,
    };
    let mut rows = 0_u64;
    while has_new(store, log.frontier.size()).await? {
        let (frontier, sealed) = write_tx!(store.db(), |tx| place(tx, log.frontier.clone()).await)?;
        log.frontier = frontier;
        rows = rows.saturating_add(sealed);
    }
    if log.frontier.size() > log.signed || !log.is_served {
        // First the tiles, so that there are those of every checkpoint that anybody sees.
        nodes::complete(store, log.frontier.size()).await?;
        let note = sign(store, &key, &log.frontier).await?;
        checkpoints::keep(store, log.frontier.size(), &note, now).await?;
        log.signed = log.frontier.size();
        log.is_served = true;
    }
    let size = log.frontier.size();
    *known = Some(log);
    Ok(Sealed { rows, size })
}

/// The log from the rows that have a place, compared with the last checkpoint.
async fn load(store: &Store, key: &PublicKey) -> Result<Log> {
    let (path, key_path, public) = (
        store.folder().checkpoints(),
        store.folder().checkpoint_key(),
        key.clone(),
    );
    let last = blocking(move || {
        file::keep_key(&key_path, &public)?;
        file::last(&path, &public)
    })
    .await?;
    let last = last
        .transpose()
        .map_err(|why| Error::AuditBroken(format!("the last checkpoint is not one: {why}")))?;
    let signed = last.as_ref().map_or(0, |last| last.size);
    let mut frontier = Frontier::new();
    loop {
        if let Some(last) = last
            .as_ref()
            .filter(|last| last.size == frontier.size() && last.root != frontier.root())
        {
            return Err(Error::AuditBroken(format!(
                "a row among the first {} is not what was signed",
                last.size
            )));
        }
        let before = frontier.size();
        for row in sealed_rows(store, before, signed).await? {
            append(&mut frontier, row.int("leaf_index")?, read_hash(&row)?)?;
        }
        if frontier.size() == before {
            break;
        }
    }
    if frontier.size() < signed {
        let found = frontier.size();
        return Err(Error::AuditBroken(format!(
            "{signed} rows were signed and only {found} are there"
        )));
    }
    Ok(Log {
        frontier,
        signed,
        is_served: false,
    })
}

/// Rows with a place from `from` on, not beyond the size `signed` while that lies ahead.
async fn sealed_rows(store: &Store, from: u64, signed: u64) -> Result<Vec<sqlx::any::AnyRow>> {
    let until = if from < signed { signed } else { u64::MAX };
    Ok(sqlx::query(
        "SELECT leaf_index, leaf_hash FROM audit WHERE leaf_index >= $1 AND leaf_index < $2 ORDER BY leaf_index LIMIT $3",
    )
    .bind(place_of(from))
    .bind(place_of(until))
    .bind(10 * place_of(u64::try_from(ROWS_PER_SEAL).unwrap_or(u64::MAX)))
    .fetch_all(store.db().read())
    .await?)
}

async fn has_new(store: &Store, size: u64) -> Result<bool> {
    let row =
        sqlx::query("SELECT id FROM audit WHERE leaf_index IS NULL OR leaf_index >= $1 LIMIT 1")
            .bind(place_of(size))
            .fetch_optional(store.db().read())
            .await?;
    Ok(row.is_some())
}

/// Takes in what another process sealed, then gives the next rows their places.
async fn place(tx: &mut Tx, mut frontier: Frontier) -> Result<(Frontier, u64)> {
    tx.raise(LOCK).await?;
    let others = sqlx::query(
        "SELECT leaf_index, leaf_hash FROM audit WHERE leaf_index >= $1 ORDER BY leaf_index",
    )
    .bind(place_of(frontier.size()))
    .fetch_all(tx.conn())
    .await?;
    for row in &others {
        append(&mut frontier, row.int("leaf_index")?, read_hash(row)?)?;
    }
    let text = format!(
        "SELECT {COLUMNS} FROM audit WHERE leaf_index IS NULL ORDER BY id LIMIT {ROWS_PER_SEAL}"
    );
    let rows = batch::query(text).fetch_all(tx.conn()).await?;
    let mut sealed = 0_u64;
    for row in &rows {
        let (leaf, index) = (Leaf::read(row)?, place_of(frontier.size()));
        let hash = leaf.hash(index)?;
        sqlx::query("UPDATE audit SET leaf_index = $2, leaf_hash = $3 WHERE id = $1")
            .bind(leaf.id)
            .bind(index)
            .bind(hash.as_slice())
            .execute(tx.conn())
            .await?;
        append(&mut frontier, index, hash)?;
        sealed = sealed.saturating_add(1);
    }
    Ok((frontier, sealed))
}

async fn sign(
    store: &Store,
    key: &std::sync::Arc<ServerKey>,
    frontier: &Frontier,
) -> Result<String> {
    let checkpoint = Checkpoint {
        origin: file::origin(key.public_key()),
        size: frontier.size(),
        root: frontier.root(),
    };
    let (path, key) = (store.folder().checkpoints(), std::sync::Arc::clone(key));
    blocking(move || {
        let note = checkpoint::sign(&checkpoint, key.as_ref()).map_err(|error| Error::Crypto {
            what: "signing a checkpoint",
            why: error.to_string(),
        })?;
        file::append(&path, &note, checkpoint.size, key.public_key())?;
        Ok(note)
    })
    .await
}

fn append(frontier: &mut Frontier, index: i64, hash: trust::merkle::Hash) -> Result<()> {
    let next = place_of(frontier.size());
    if index != next {
        return Err(Error::AuditBroken(format!(
            "the row at place {next} of the log is missing"
        )));
    }
    frontier.append(hash);
    Ok(())
}

/// A count as a column value. The log does not come near the limit.
pub(super) fn place_of(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
