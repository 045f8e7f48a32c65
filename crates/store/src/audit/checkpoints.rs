//! Signed checkpoints as they are served, with what witnesses added to them. The file beside the database stays the one that is
//! verified against; what is here can be lost and is made again. C2SP `tlog-checkpoint`, `tlog-cosignature`.

use serde_json::json;
use trust::Signer;
use trust::checkpoint::{Cosignature, VerifierKey, VerifierKind, with_signatures};

use super::file;
use super::seal::place_of;
use crate::Store;
use crate::db::{RowExt, Tx, write_tx};
use crate::error::{Error, Result};
use crate::keys::{self, Purpose};
use crate::outbox::{self, NewEvent};

/// How long a checkpoint that witnesses signed is served although there are newer ones.
const COSIGNED_MILLISECONDS_MAX: i64 = 10 * 60 * 1_000;
/// How long cosigned checkpoints are kept.
const KEPT_MILLISECONDS: i64 = 7 * 24 * 60 * 60 * 1_000;
const REFUSED: &str = "audit.witness-refused";

/// A checkpoint that the server signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedCheckpoint {
    /// How many rows it is about.
    pub size: u64,
    /// The note, without signatures of witnesses.
    pub note: String,
    /// When it was signed, in milliseconds since the epoch.
    pub signed_at: i64,
}

/// The name and key that the log's checkpoints verify with.
pub async fn verifier(store: &Store, now: i64) -> Result<VerifierKey> {
    let key = keys::signer(store, Purpose::Checkpoint, now).await?;
    let origin = file::origin(key.public_key());
    VerifierKey::new(&origin, VerifierKind::Log, key.public_key())
        .map_err(Error::corrupt("checkpoint key"))
}

/// The newest checkpoint; none before the first seal.
pub async fn newest(store: &Store) -> Result<Option<SignedCheckpoint>> {
    let row = sqlx::query(
        "SELECT size, note, signed_at FROM audit_checkpoints ORDER BY size DESC LIMIT 1",
    )
    .fetch_optional(store.db().read())
    .await?;
    row.map(|row| {
        Ok(SignedCheckpoint {
            size: row.count("size")?,
            note: row.text("note")?,
            signed_at: row.int("signed_at")?,
        })
    })
    .transpose()
}

/// The note to give to readers: the newest that a witness signed, while that is not long ago or nothing was added since; else the newest.
pub async fn checkpoint(store: &Store, now: i64) -> Result<Option<String>> {
    let Some(newest) = newest(store).await? else {
        return Ok(None);
    };
    let cosigned = sqlx::query(
        "SELECT c.size, c.note, s.cosigned_at FROM audit_cosignatures s JOIN audit_checkpoints c ON c.size = s.size \
         WHERE c.size <= $1 ORDER BY c.size DESC, s.cosigned_at DESC LIMIT 1",
    )
    .bind(place_of(newest.size))
    .fetch_optional(store.db().read())
    .await?;
    let Some(row) = cosigned else {
        return Ok(Some(newest.note));
    };
    let (size, at) = (row.count("size")?, row.int("cosigned_at")?);
    if size < newest.size && now.saturating_sub(at) > COSIGNED_MILLISECONDS_MAX {
        return Ok(Some(newest.note));
    }
    let lines = sqlx::query("SELECT line FROM audit_cosignatures WHERE size = $1 ORDER BY witness")
        .bind(place_of(size))
        .fetch_all(store.db().read())
        .await?;
    let lines: Vec<String> = lines
        .iter()
        .map(|row| row.text("line"))
        .collect::<Result<_>>()?;
    let lines = lines.iter().map(String::as_str);
    Ok(Some(with_signatures(&row.text("note")?, lines)))
}

/// The size of the last checkpoint that a witness of this name signed; 0 for none.
pub async fn cosigned_size(store: &Store, witness: &VerifierKey) -> Result<u64> {
    let row = sqlx::query(
        "SELECT CAST(COALESCE(MAX(size), 0) AS BIGINT) AS size FROM audit_cosignatures WHERE witness = $1",
    )
    .bind(witness.to_string())
    .fetch_one(store.db().read())
    .await?;
    row.count("size")
}

/// Keeps what a witness signed; it was verified.
pub async fn keep_cosignature(
    store: &Store,
    checkpoint: &SignedCheckpoint,
    witness: &VerifierKey,
    cosignature: &Cosignature,
    now: i64,
) -> Result<()> {
    write_tx!(store.db(), |tx| {
        // A newer checkpoint may have taken its place meanwhile.
        put(tx, checkpoint.size, &checkpoint.note, checkpoint.signed_at).await?;
        sqlx::query(
            "INSERT INTO audit_cosignatures (witness, size, line, cosigned_at) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (witness, size) DO UPDATE SET line = excluded.line, cosigned_at = excluded.cosigned_at",
        )
        .bind(witness.to_string())
        .bind(place_of(checkpoint.size))
        .bind(cosignature.line.as_str())
        .bind(now)
        .execute(tx.conn())
        .await?;
        // The last one of each witness says where the next proof begins.
        sqlx::query(
            "DELETE FROM audit_cosignatures WHERE cosigned_at < $1 AND size < $2 AND witness = $3",
        )
        .bind(now.saturating_sub(KEPT_MILLISECONDS))
        .bind(place_of(checkpoint.size))
        .bind(witness.to_string())
        .execute(tx.conn())
        .await?;
        Ok(())
    })
}

/// Tells that a witness does not sign, once for each reason while it has signed no more. `reason` is a word for programs.
pub async fn tell_refusal(
    store: &Store,
    witness: &VerifierKey,
    reason: &str,
    message: &str,
    size: u64,
    now: i64,
) -> Result<()> {
    let cosigned = cosigned_size(store, witness).await?;
    let name = format!("{witness}\n{reason}\n{cosigned}");
    write_tx!(store.db(), |tx| {
        let event = NewEvent {
            kind: REFUSED,
            ordering_key: format!("witness {}", witness.name()),
            repository: None,
            digest: None,
            data: json!({"witness": witness.name(), "reason": reason, "message": message, "size": size, "cosignedSize": cosigned}),
        };
        outbox::emit_once(tx, &name, event, now).await
    })
}

/// Keeps a checkpoint as the newest. Older ones go that no witness signed.
pub(super) async fn keep(store: &Store, size: u64, note: &str, now: i64) -> Result<()> {
    write_tx!(store.db(), |tx| {
        put(tx, size, note, now).await?;
        sqlx::query(
            "DELETE FROM audit_checkpoints WHERE size < $1 AND size NOT IN (SELECT size FROM audit_cosignatures)",
        )
        .bind(place_of(size))
        .execute(tx.conn())
        .await?;
        Ok(())
    })
}

async fn put(tx: &mut Tx, size: u64, note: &str, signed_at: i64) -> Result<()> {
    sqlx::query(
        "INSERT INTO audit_checkpoints (size, note, signed_at) VALUES ($1, $2, $3) ON CONFLICT (size) DO NOTHING",
    )
    .bind(place_of(size))
    .bind(note)
    .bind(signed_at)
    .execute(tx.conn())
    .await?;
    Ok(())
}
