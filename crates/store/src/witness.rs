//! This server as a witness of other logs: one key, and of each log the last checkpoint that it signed. A log that forks or
//! shrinks is not signed, and told as an event. What was seen is on the disk before a signature leaves. C2SP `tlog-witness`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::json;
use sqlx::AnyConnection;
use trust::Signer;
use trust::checkpoint::{
    self, Checkpoint, Cosignature, VerifierKey, VerifierKind, with_signatures,
};
use trust::merkle::Hash;
use trust::witness::{AddCheckpoint, Seen, WitnessError};

use crate::Store;
use crate::db::{RowExt, Tx, write_tx};
use crate::error::{Error, Result};
use crate::keys::{self, Purpose, ServerKey};
use crate::outbox::{self, NewEvent};

/// The counter that is raised, and thereby locked, while a checkpoint is judged and kept.
const LOCK: &str = "witness";
const REFUSED: &str = "witness.refused";
const NAME: &str = "countersign.dev/witness";
/// Digits of the key's id in the name of a witness.
const NAME_DIGITS: usize = 16;

/// The name and key that this server's cosignatures verify with. Makes the key where there is none yet: ask only where a log is watched.
pub async fn verifier(store: &Store, now: i64) -> Result<VerifierKey> {
    let key = keys::signer(store, Purpose::Witness, now).await?;
    VerifierKey::new(&name(&key), VerifierKind::Witness, key.public_key())
        .map_err(Error::corrupt("witness key"))
}

/// Judges a checkpoint of one of these logs, and signs it (`now` in milliseconds since the epoch). The inner error says why not.
pub async fn add_checkpoint(
    store: &Store,
    logs: &[VerifierKey],
    request: &AddCheckpoint,
    now: i64,
) -> Result<std::result::Result<Cosignature, WitnessError>> {
    let verified = match request.verify(logs) {
        Ok(verified) => verified,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let checkpoint = verified.value();
    let key = keys::signer(store, Purpose::Witness, now).await?;
    // Anybody may send a checkpoint that a log signed once more: that is answered without the lock, and nothing is written.
    let mut conn = store.db().read().acquire().await?;
    let last = seen(&mut conn, &checkpoint.origin).await?;
    drop(conn);
    let last = last.as_ref().map(|(seen, _)| seen);
    match request.check_growth(checkpoint, last) {
        Err(refusal) if !refusal.is_alarming() => return Ok(Err(refusal)),
        Ok(()) if last.is_some_and(|last| last.size == checkpoint.size) => {
            return sign(&key, request, now).map(Ok);
        }
        _ => {}
    }
    write_tx!(store.db(), |tx| {
        tx.raise(LOCK).await?;
        let seen = seen(tx.conn(), &checkpoint.origin).await?;
        let last = seen.as_ref().map(|(seen, _)| seen);
        if let Err(refusal) = request.check_growth(checkpoint, last) {
            if refusal.is_alarming() {
                let kept = seen.as_ref().map(|(_, note)| note.as_str());
                tell(tx, checkpoint, request, kept, last, &refusal, now).await?;
            }
            return Ok(Err(refusal));
        }
        let cosignature = sign(&key, request, now)?;
        let note = with_signatures(&request.note, [cosignature.line.as_str()]);
        keep(tx, checkpoint, &note, now).await?;
        Ok(Ok(cosignature))
    })
}

/// The last checkpoint of a log that was signed, as a note with this witness's signature. The log is named by the SHA-256 of its name, in
/// hexadecimal.
pub async fn checkpoint_of(store: &Store, origin_hash: &str) -> Result<Option<String>> {
    // A witness has a handful of logs, and they are configured.
    let rows = sqlx::query("SELECT origin, note FROM witnessed_logs ORDER BY origin")
        .fetch_all(store.db().read())
        .await?;
    for row in &rows {
        if oci::Digest::sha256(row.text("origin")?.as_bytes()).hex() == origin_hash {
            return row.text("note").map(Some);
        }
    }
    Ok(None)
}

fn name(key: &ServerKey) -> String {
    let id = key.public_key().id().as_str();
    format!("{NAME}/{}", id.get(..NAME_DIGITS).unwrap_or(id))
}

/// What was judged, signed.
fn sign(key: &ServerKey, request: &AddCheckpoint, now: i64) -> Result<Cosignature> {
    let time = u64::try_from(now.div_euclid(1_000)).unwrap_or_default();
    checkpoint::cosign(&request.note, &name(key), key, time).map_err(|error| Error::Crypto {
        what: "signing a checkpoint as a witness",
        why: error.to_string(),
    })
}

async fn seen(conn: &mut AnyConnection, origin: &str) -> Result<Option<(Seen, String)>> {
    let row = sqlx::query("SELECT size, root, note FROM witnessed_logs WHERE origin = $1")
        .bind(origin)
        .fetch_optional(conn)
        .await?;
    row.map(|row| {
        let root = Hash::try_from(row.bytes("root")?);
        let root = root.map_err(|_| Error::Corrupt {
            what: "witnessed_logs.root".to_owned(),
            why: "it is no hash".to_owned(),
        })?;
        let size = row.count("size")?;
        Ok((Seen { size, root }, row.text("note")?))
    })
    .transpose()
}

async fn keep(tx: &mut Tx, checkpoint: &Checkpoint, note: &str, now: i64) -> Result<()> {
    let size = i64::try_from(checkpoint.size).map_err(|_| Error::Invalid {
        what: "size of a log",
        value: checkpoint.size.to_string(),
        why: "no log is so long".to_owned(),
    })?;
    sqlx::query(
        "INSERT INTO witnessed_logs (origin, size, root, note, signed_at) VALUES ($1, $2, $3, $4, $5) \
         ON CONFLICT (origin) DO UPDATE SET size = excluded.size, root = excluded.root, note = excluded.note, \
         signed_at = excluded.signed_at",
    )
    .bind(checkpoint.origin.as_str())
    .bind(size)
    .bind(checkpoint.root.as_slice())
    .bind(note)
    .bind(now)
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Tells it once for each state that the log was seen in, with what shows it to anybody: both notes, and the hashes between them.
async fn tell(
    tx: &mut Tx,
    checkpoint: &Checkpoint,
    request: &AddCheckpoint,
    kept: Option<&str>,
    seen: Option<&Seen>,
    refusal: &WitnessError,
    now: i64,
) -> Result<()> {
    let seen_size = seen.map_or(0, |seen| seen.size);
    let reason = reason(refusal);
    let proof: Vec<String> = request
        .proof
        .iter()
        .map(|hash| BASE64.encode(hash))
        .collect();
    let event = NewEvent {
        kind: REFUSED,
        ordering_key: format!("log {}", checkpoint.origin),
        repository: None,
        digest: None,
        data: json!({
            "log": checkpoint.origin, "reason": reason, "message": refusal.to_string(), "size": checkpoint.size,
            "seenSize": seen_size, "shown": request.note, "seen": kept, "proof": proof,
        }),
    };
    let name = format!("{}\n{reason}\n{seen_size}", checkpoint.origin);
    outbox::emit_once(tx, &name, event, now).await
}

/// A word for programs.
fn reason(refusal: &WitnessError) -> &'static str {
    match refusal {
        WitnessError::Fork { .. } | WitnessError::EmptyRoot => "fork",
        WitnessError::OldSize { .. } | WitnessError::Conflict { .. } => "shrink",
        WitnessError::Inconsistent { .. } => "inconsistent",
        WitnessError::Proof { .. } => "proof",
        WitnessError::UnknownLog { .. } => "unknown-log",
        WitnessError::Checkpoint(_) => "signature",
        WitnessError::TooLarge | WitnessError::Form(_) => "form",
    }
}
