//! Evidence of keys that were not known when it arrived, to be read again when a key is registered. Its time stays that of
//! its arrival.

use oci::{Digest, RepositoryName};
use policy::Verdict;
use serde_json::json;
use trust::KeyId;

use super::{
    BAD_SIGNATURE, NOT_READ, REVERIFY_EVIDENCE, UNKNOWN_KEY, UNREADABLE, verdict_name, why,
};
use crate::db::{RowExt, write_tx};
use crate::error::{Error, Result};
use crate::permit::System;
use crate::{Store, audit, facts, jobs};

/// The most pieces one call reads.
pub const UNKNOWN_MAX: u32 = 200;

/// Evidence that no key verified, with what is needed to read it again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownEvidence {
    /// Its row number.
    pub id: i64,
    /// The format, such as `stage`.
    pub format: String,
    /// The repository that holds it.
    pub repository: RepositoryName,
    /// The digest that it is attached to.
    pub attached_to: Digest,
    /// The bytes it was read from.
    pub raw: Vec<u8>,
    /// The signature, where the format keeps it outside these bytes.
    pub signature: Option<String>,
    /// When its bytes were first stored, in milliseconds since the epoch.
    pub stored_at: i64,
}

/// What reading it again gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reverified {
    /// The format, such as `stage`.
    pub format: String,
    /// What the check of its signature gave.
    pub verdict: Verdict,
    /// The digest it says it is about.
    pub subject: Option<Digest>,
    /// The stage it names.
    pub stage: Option<String>,
    /// The repository it names, without a host.
    pub named_repository: Option<String>,
    /// The key that verified it.
    pub key: Option<KeyId>,
    /// By when it was there, as somebody trusted says (milliseconds since the epoch).
    pub trusted_at: Option<i64>,
    /// The first instant at which it no longer holds, where its signer set one (milliseconds since the epoch).
    pub ends_at: Option<i64>,
}

/// Has all evidence that nobody stands behind read again: what certificates are judged by may be another than before.
pub async fn reread(store: &Store, now: i64) -> Result<()> {
    write_tx!(store.db(), |tx| {
        jobs::enqueue(tx, REVERIFY_EVIDENCE, "anchors", json!({}), now).await
    })
}

/// Evidence after row `after` that no key verified and that was not withdrawn, in the order of rows. What no certificate made readable
/// is among it, since by whose word these are judged changes too, and what was not tried with every key.
pub async fn unknown(store: &Store, after: i64, limit: u32) -> Result<Vec<UnknownEvidence>> {
    let rows = sqlx::query(
        "SELECT e.id, e.format, r.name AS repository, e.attached_to, e.raw, e.signature, e.stored_at \
         FROM evidence e JOIN repositories r ON r.id = e.repository_id \
         WHERE (e.verdict IN ($1, $2) OR (e.verdict IN ($5, $6) AND e.format IN ('stage', 'cosign-bundle', 'cosign-simple-signing', 'notation', 'attestation'))) \
         AND e.withdrawn_at IS NULL AND e.id > $3 ORDER BY e.id LIMIT $4",
    )
    .bind(UNKNOWN_KEY)
    .bind(BAD_SIGNATURE)
    .bind(after)
    .bind(i64::from(limit.min(UNKNOWN_MAX)))
    .bind(UNREADABLE)
    .bind(NOT_READ)
    .fetch_all(store.db().read())
    .await?;
    rows.iter()
        .map(|row| {
            Ok(UnknownEvidence {
                id: row.int("id")?,
                format: row.text("format")?,
                repository: row.parsed("repository")?,
                attached_to: row.digest("attached_to")?,
                raw: row.bytes("raw")?,
                signature: row.opt_text("signature")?,
                stored_at: row.int("stored_at")?,
            })
        })
        .collect()
}

/// Keeps what reading a piece again gave; answers whether that is something else than before. What a key stands behind stays so: a slow
/// reading began with fewer keys than a newer one that was done before it.
pub async fn set_verdict(
    store: &Store,
    system: System,
    id: i64,
    found: &Reverified,
    now: i64,
) -> Result<bool> {
    write_tx!(store.db(), |tx| {
        let row = sqlx::query("SELECT repository_id, attached_to, manifest, verdict, why, key_id FROM evidence WHERE id = $1")
                .bind(id)
                .fetch_optional(tx.conn())
                .await?
                .ok_or_else(|| Error::not_found("evidence", id))?;
        let key = found.key.as_ref().map(KeyId::as_str);
        if row.text("verdict")? == verdict_name(&found.verdict)
            && row.opt_text("key_id")?.as_deref() == key
            && row.opt_text("why")?.as_deref() == why(&found.verdict)
        {
            return Ok(false);
        }
        // Another one that knew more keys was faster, perhaps since this row was read.
        let written = sqlx::query(
                "UPDATE evidence SET verdict = $2, why = $3, subject = $4, stage = $5, named_repository = $6, key_id = $7, \
                 format = $8, trusted_at = $9, ends_at = $10 WHERE id = $1 AND (verdict <> 'verified' OR $2 = 'verified')",
            )
            .bind(id)
            .bind(verdict_name(&found.verdict))
            .bind(why(&found.verdict))
            .bind(found.subject.as_ref().map(Digest::as_str))
            .bind(found.stage.as_deref())
            .bind(found.named_repository.as_deref())
            .bind(key)
            .bind(found.format.as_str())
            .bind(found.trusted_at)
            .bind(found.ends_at)
            .execute(tx.conn())
            .await?;
        if written.rows_affected() == 0 {
            return Ok(false);
        }
        facts::touch(
            tx,
            row.int("repository_id")?,
            &row.digest("attached_to")?,
            now,
        )
        .await?;
        let detail = json!({"id": id, "verdict": verdict_name(&found.verdict), "key_id": key});
        audit::record(
            tx,
            &system.actor(),
            "evidence.verify",
            &row.text("manifest")?,
            detail,
            now,
        )
        .await?;
        Ok(true)
    })
}
