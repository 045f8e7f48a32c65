//! Receipts: the one live referrer of each gate that lets a manifest pass. Its row, its manifest and the end of the one
//! before are one transaction, and only while the gate's answer stands. Deliberately no evidence: a receipt raises no
//! facts revision, and no gate ever sees one. What it says is `trust::receipt`'s, when one is due `monitor`'s.

mod owed;
mod wanted;

use oci::{Digest, RepositoryName};
use serde_json::json;
use sqlx::any::AnyRow;
use trust::KeyId;

use crate::catalogue::{self, PutManifest};
use crate::db::{RowExt, Tx, write_tx};
use crate::decisions::{self, GateName, Standing, Subject};
use crate::error::Result;
use crate::{Store, System, audit};

pub use self::owed::SIGN_RECEIPTS;
pub(crate) use self::owed::{ask, enqueue, forget};
pub use self::wanted::Wanted;

/// The most that one call lists.
const DUE_MAX: u32 = 1_000;

/// A receipt to store. Instants are milliseconds since the epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewReceipt {
    /// The manifest that it is for.
    pub digest: Digest,
    /// Whose answer it is.
    pub gate: GateName,
    /// The SHA-256 of the policy's text in hexadecimal.
    pub policy_digest: String,
    /// The receipt as it was signed: the digest of its bundle.
    pub bundle: Digest,
    /// The key that signed it.
    pub key: KeyId,
    /// What it says, without its times: two that say the same need not both be made.
    pub says: String,
    /// Its number; no receipt takes the place of one with the same or a higher number.
    pub sequence: i64,
    /// The first instant at which it is worth nothing.
    pub valid_until: i64,
    /// When the next one is to be made, if nothing happens before.
    pub renew_at: i64,
}

/// The live receipt of a gate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The repository's number.
    pub repository_id: i64,
    /// The repository.
    pub repository: RepositoryName,
    /// The manifest that carries it.
    pub manifest: Digest,
    /// When it was signed.
    pub issued_at: i64,
    /// What was stored.
    pub receipt: Stored,
}

/// What of a receipt is kept in its row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// The manifest that it is for.
    pub digest: Digest,
    /// Whose answer it is.
    pub gate: GateName,
    /// The digest of its bundle.
    pub bundle: Digest,
    /// The key that signed it.
    pub key: KeyId,
    /// What it says, without its times.
    pub says: String,
    /// Its number.
    pub sequence: i64,
    /// The first instant at which it is worth nothing.
    pub valid_until: i64,
    /// When the next one is to be made.
    pub renew_at: i64,
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT t.repository_id, r.name AS repository, t.digest, t.policy, t.gate, t.manifest, t.bundle, t.key_id, t.says, \
             t.sequence, t.issued_at, t.valid_until, t.renew_at FROM receipts t JOIN repositories r ON r.id = t.repository_id ",
            $rest
        )
    };
}

/// The live receipts of a manifest, by policy and gate, also of one that is gone.
pub async fn of_image(store: &Store, repository_id: i64, digest: &Digest) -> Result<Vec<Record>> {
    let rows = sqlx::query(select!(
        "WHERE t.repository_id = $1 AND t.digest = $2 ORDER BY t.policy, t.gate"
    ))
    .bind(repository_id)
    .bind(digest.as_str())
    .fetch_all(store.db().read())
    .await?;
    rows.iter().map(record).collect()
}

/// Manifests with a receipt that is to be made anew at `now`, the most urgent first.
pub async fn due(store: &Store, now: i64, limit: u32) -> Result<Vec<Subject>> {
    let rows = sqlx::query(
        "SELECT t.repository_id, r.name, t.digest, MIN(t.renew_at) AS due_at FROM receipts t \
         JOIN repositories r ON r.id = t.repository_id WHERE t.renew_at <= $1 \
         GROUP BY t.repository_id, r.name, t.digest ORDER BY due_at, r.name, t.digest LIMIT $2",
    )
    .bind(now)
    .bind(i64::from(limit.min(DUE_MAX)))
    .fetch_all(store.db().read())
    .await?;
    rows.iter().map(Subject::of).collect()
}

/// Stores a receipt with the manifest that carries it, in place of the one before. `false`, and nothing is stored, where the
/// gate's answer says something else by now or no longer holds, or a newer receipt is there. Where it is the answer, the receipts of
/// the manifest are asked for again: not every change of facts has what it may have changed decided anew.
pub async fn put(
    store: &Store,
    system: System,
    repository: &RepositoryName,
    put: &PutManifest<'_>,
    new: &NewReceipt,
    now: i64,
) -> Result<bool> {
    write_tx!(store.db(), |tx| {
        let repository_id = catalogue::lock(tx, repository).await?;
        decisions::lock(tx, repository_id, &new.digest).await?;
        match decisions::standing(store, tx, repository, new, now).await? {
            Standing::Same => {}
            // Whoever runs that job asks the gate first, so that it comes here again only after another change.
            Standing::Another => {
                enqueue(tx, repository_id, &new.digest, now).await?;
                return Ok(false);
            }
            Standing::Absent => return Ok(false),
        }
        let before = live(tx, repository_id, new).await?;
        if before
            .as_ref()
            .is_some_and(|before| before.sequence >= new.sequence)
        {
            return Ok(false);
        }
        catalogue::put_own(tx, repository_id, put, now).await?;
        upsert(tx, repository_id, put.digest, new, now).await?;
        let old = before.map(|before| before.manifest);
        if let Some(old) = &old {
            catalogue::remove_own(tx, repository_id, old).await?;
        }
        let detail = json!({
            "policy": new.gate.policy, "policy_digest": new.policy_digest, "gate": new.gate.gate, "manifest": put.digest,
            "instead_of": old, "key_id": new.key, "sequence": new.sequence, "valid_until": new.valid_until,
        });
        let object = format!("{repository}@{}", new.digest);
        audit::record(tx, &system.actor(), "receipt.sign", &object, detail, now).await?;
        Ok(true)
    })
}

/// Takes a receipt away with its manifest; one that took its place meanwhile stays.
pub async fn withdraw(store: &Store, system: System, record: &Record, now: i64) -> Result<()> {
    let Record {
        repository_id,
        repository,
        manifest,
        receipt,
        ..
    } = record;
    write_tx!(store.db(), |tx| {
        catalogue::lock(tx, repository).await?;
        let gone = sqlx::query(
            "DELETE FROM receipts WHERE repository_id = $1 AND digest = $2 AND policy = $3 AND gate = $4 AND sequence = $5",
        )
        .bind(*repository_id)
        .bind(receipt.digest.as_str())
        .bind(receipt.gate.policy.as_str())
        .bind(receipt.gate.gate.as_str())
        .bind(receipt.sequence)
        .execute(tx.conn())
        .await?
        .rows_affected();
        if gone == 0 {
            return Ok(());
        }
        catalogue::remove_own(tx, *repository_id, manifest).await?;
        let detail = json!({
            "policy": receipt.gate.policy, "gate": receipt.gate.gate, "manifest": manifest, "sequence": receipt.sequence,
        });
        let object = format!("{repository}@{}", receipt.digest);
        audit::record(
            tx,
            &system.actor(),
            "receipt.withdraw",
            &object,
            detail,
            now,
        )
        .await
    })
}

/// The manifest and number of the receipt that is there.
struct Live {
    manifest: Digest,
    sequence: i64,
}

async fn live(tx: &mut Tx, repository_id: i64, new: &NewReceipt) -> Result<Option<Live>> {
    let row = sqlx::query(
        "SELECT manifest, sequence FROM receipts WHERE repository_id = $1 AND digest = $2 AND policy = $3 AND gate = $4",
    )
    .bind(repository_id)
    .bind(new.digest.as_str())
    .bind(new.gate.policy.as_str())
    .bind(new.gate.gate.as_str())
    .fetch_optional(tx.conn())
    .await?;
    row.map(|row| {
        Ok(Live {
            manifest: row.digest("manifest")?,
            sequence: row.int("sequence")?,
        })
    })
    .transpose()
}

async fn upsert(
    tx: &mut Tx,
    repository_id: i64,
    manifest: &Digest,
    new: &NewReceipt,
    now: i64,
) -> Result<()> {
    sqlx::query(
        "INSERT INTO receipts (repository_id, digest, policy, gate, manifest, bundle, key_id, says, sequence, issued_at, \
         valid_until, renew_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) \
         ON CONFLICT (repository_id, digest, policy, gate) DO UPDATE SET manifest = excluded.manifest, bundle = excluded.bundle, \
         key_id = excluded.key_id, says = excluded.says, sequence = excluded.sequence, issued_at = excluded.issued_at, \
         valid_until = excluded.valid_until, renew_at = excluded.renew_at",
    )
    .bind(repository_id)
    .bind(new.digest.as_str())
    .bind(new.gate.policy.as_str())
    .bind(new.gate.gate.as_str())
    .bind(manifest.as_str())
    .bind(new.bundle.as_str())
    .bind(new.key.as_str())
    .bind(new.says.as_str())
    .bind(new.sequence)
    .bind(now)
    .bind(new.valid_until)
    .bind(new.renew_at)
    .execute(tx.conn())
    .await?;
    Ok(())
}

fn record(row: &AnyRow) -> Result<Record> {
    Ok(Record {
        repository_id: row.int("repository_id")?,
        repository: row.parsed("repository")?,
        manifest: row.digest("manifest")?,
        issued_at: row.int("issued_at")?,
        receipt: Stored {
            digest: row.digest("digest")?,
            gate: GateName::new(row.text("policy")?, row.text("gate")?),
            bundle: row.digest("bundle")?,
            key: row.parsed("key_id")?,
            says: row.text("says")?,
            sequence: row.int("sequence")?,
            valid_until: row.int("valid_until")?,
            renew_at: row.int("renew_at")?,
        },
    })
}
