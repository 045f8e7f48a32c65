//! Evidence: signatures as they were read when they arrived, with their raw bytes, so that they can be read again when a key
//! is registered. Reading and checking them is `trust`'s, and what counts is `policy`'s. DESIGN §3.4.
//!
//! Evidence is never deleted, only withdrawn. Its time is when its bytes were first stored for that digest: bytes that come
//! again keep their first time, also after a withdrawal, so that nobody makes an early signature a late one.
//!
//! Several manifests may carry the same evidence: cosign adds a signature by a new manifest under the tag `sha256-….sig` that
//! repeats the older ones. It is withdrawn with the last of them.

mod carriers;
mod copies;
mod reverify;

use oci::{Digest, RepositoryName};
use policy::{Actor, Evidence, PrincipalId, Verdict};
use serde_json::json;
use sqlx::AnyConnection;
use sqlx::any::AnyRow;
use trust::KeyId;

pub(crate) use self::carriers::{inherit, withdraw, withdraw_these};
pub use self::copies::{Carrier, carriers_of, take_copy};
pub(crate) use self::reverify::changed;
pub use self::reverify::{
    Copies, Reread, Reverified, UNKNOWN_MAX, UnknownEvidence, Wanted, ask, reread, set_verdict,
    unchecked, unknown,
};
use crate::Store;
use crate::db::{RowExt, Tx};
use crate::error::{Error, Result};
use crate::{audit, facts};

/// The kind of the job that reads evidence again; its payload is a [`Reread`].
pub const REVERIFY_EVIDENCE: &str = "reverify-evidence";

/// The most pieces of evidence that a decision looks at, verified ones first, and of these the first of each key before the second of any:
/// nobody hides the others behind a thousand signatures.
const OF_IMAGE_MAX: i64 = 2_000;
/// The most documents that one call answers.
const DOCUMENTS_MAX: i64 = 512;

/// A piece of evidence as it was read, to be kept with the manifest that carries it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEvidence {
    /// The digest whose referrer (or `.sig` tag) carries it; whether it is about that digest is for the gate.
    pub attached_to: Digest,
    /// The format, such as `stage`.
    pub format: String,
    /// The digest it says it is about; `None` when it could not be read.
    pub subject: Option<Digest>,
    /// The stage it names.
    pub stage: Option<String>,
    /// What kind of statement it is, where it is an attestation.
    pub predicate_type: Option<String>,
    /// The repository it names, without a host.
    pub named_repository: Option<String>,
    /// The key that verified it.
    pub key: Option<KeyId>,
    /// The key it names, for messages.
    pub key_hint: Option<String>,
    /// What the check of its signature gave.
    pub verdict: Verdict,
    /// The bytes it was read from.
    pub raw: Vec<u8>,
    /// The signature, where the format keeps it outside these bytes.
    pub signature: Option<String>,
    /// By when it was there, as somebody trusted says (milliseconds since the epoch).
    pub trusted_at: Option<i64>,
    /// The first instant at which it no longer holds, where its signer set one (milliseconds since the epoch).
    pub ends_at: Option<i64>,
}

impl NewEvidence {
    /// What makes it the same evidence when it comes again, however it is wrapped.
    pub(crate) fn fingerprint(&self) -> Digest {
        trust::fingerprint(&self.raw, self.signature.as_deref())
    }
}

/// What is known of a digest's evidence in a repository: its own, and that of the indexes there that list it.
pub async fn for_image(
    store: &Store,
    repository_id: i64,
    digest: &Digest,
) -> Result<Vec<Evidence>> {
    let mut conn = store.db().read().acquire().await?;
    of_image(&mut conn, repository_id, digest).await
}

/// The bytes of the evidence of one format that is attached to a digest itself and was not withdrawn, the first that came first; at most
/// 512 pieces.
pub async fn documents(
    store: &Store,
    repository: &RepositoryName,
    digest: &Digest,
    format: &str,
) -> Result<Vec<Vec<u8>>> {
    let rows = sqlx::query(
        "SELECT e.raw FROM evidence e JOIN repositories r ON r.id = e.repository_id \
         WHERE r.name = $1 AND e.attached_to = $2 AND e.format = $3 AND e.withdrawn_at IS NULL \
         ORDER BY e.stored_at, e.id LIMIT $4",
    )
    .bind(repository.as_str())
    .bind(digest.as_str())
    .bind(format)
    .bind(DOCUMENTS_MAX)
    .fetch_all(store.db().read())
    .await?;
    rows.iter().map(|row| row.bytes("raw")).collect()
}

/// The same, in the state that the connection sees.
pub(crate) async fn of_image(
    conn: &mut AnyConnection,
    repository_id: i64,
    digest: &Digest,
) -> Result<Vec<Evidence>> {
    let rows = sqlx::query(
        "SELECT id, attached_to, manifest, format, subject, stage, named_repository, key_id, key_hint, verdict, why, \
         predicate_type, stored_at, withdrawn_at, trusted_at, COALESCE(expires_at, ends_at) AS expires_at FROM evidence LEFT JOIN trust_vouches ON evidence_id = id \
         WHERE repository_id = $1 AND (attached_to = $2 OR attached_to IN (\
           SELECT r.manifest FROM manifest_references r JOIN manifests m \
           ON m.repository_id = r.repository_id AND m.digest = r.manifest \
           WHERE r.repository_id = $1 AND r.digest = $2 AND r.kind = 'child')) \
         ORDER BY CASE WHEN withdrawn_at IS NOT NULL THEN 2 WHEN verdict = 'verified' THEN 0 ELSE 1 END, \
         ROW_NUMBER() OVER (PARTITION BY key_id, withdrawn_at IS NULL ORDER BY stored_at, id), stored_at, id LIMIT $3",
    )
    .bind(repository_id)
    .bind(digest.as_str())
    .bind(OF_IMAGE_MAX)
    .fetch_all(conn)
    .await?;
    rows.iter().map(read).collect()
}

/// What is attached to the manifests that an index lists: it does not cover the index, and people who signed one of these
/// ask why.
pub(crate) async fn of_children(
    conn: &mut AnyConnection,
    repository_id: i64,
    index: &Digest,
) -> Result<Vec<Evidence>> {
    let rows = sqlx::query(
        "SELECT id, attached_to, manifest, format, subject, stage, named_repository, key_id, key_hint, verdict, why, \
         predicate_type, stored_at, withdrawn_at, trusted_at, COALESCE(expires_at, ends_at) AS expires_at FROM evidence LEFT JOIN trust_vouches ON evidence_id = id \
         WHERE repository_id = $1 AND withdrawn_at IS NULL AND attached_to IN (\
           SELECT digest FROM manifest_references WHERE repository_id = $1 AND manifest = $2 AND kind = 'child') \
         ORDER BY CASE WHEN verdict = 'verified' THEN 0 ELSE 1 END, stored_at, id LIMIT $3",
    )
    .bind(repository_id)
    .bind(index.as_str())
    .bind(OF_IMAGE_MAX)
    .fetch_all(conn)
    .await?;
    rows.iter().map(read).collect()
}

/// Whether a manifest that was deleted carried evidence in this repository.
pub(crate) async fn was_carried(
    tx: &mut Tx,
    repository_id: i64,
    manifest: &Digest,
) -> Result<bool> {
    let row =
        sqlx::query("SELECT id FROM evidence WHERE repository_id = $1 AND manifest = $2 LIMIT 1")
            .bind(repository_id)
            .bind(manifest.as_str())
            .fetch_optional(tx.conn())
            .await?;
    Ok(row.is_some())
}

/// Keeps what was read from a manifest. Evidence that is there already keeps its first time and is no longer withdrawn. Where it comes
/// with more that vouches for it than the first time, that is kept: nobody spoils a signature by sending it first without its
/// certificate or timestamp. Answers the rows that this wrote, with what was read, in the order of the evidence.
pub(crate) async fn attach<'a>(
    tx: &mut Tx,
    repository_id: i64,
    manifest: &Digest,
    evidence: &'a [NewEvidence],
    pushed_by: Option<PrincipalId>,
    now: i64,
) -> Result<Vec<(i64, &'a NewEvidence)>> {
    let mut all = Vec::new();
    for new in evidence {
        let written = sqlx::query(
            "INSERT INTO evidence (repository_id, attached_to, manifest, fingerprint, format, subject, stage, \
             named_repository, key_id, key_hint, verdict, why, raw, signature, pushed_by, stored_at, trusted_at, ends_at, predicate_type) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19) \
             ON CONFLICT (repository_id, attached_to, fingerprint) DO UPDATE SET withdrawn_at = NULL, \
             format = excluded.format, raw = excluded.raw, signature = excluded.signature, \
             manifest = excluded.manifest, subject = excluded.subject, stage = excluded.stage, \
             named_repository = excluded.named_repository, key_id = excluded.key_id, key_hint = excluded.key_hint, \
             verdict = excluded.verdict, why = excluded.why, trusted_at = excluded.trusted_at, ends_at = excluded.ends_at, \
             predicate_type = excluded.predicate_type \
             WHERE evidence.withdrawn_at IS NOT NULL \
             OR (evidence.verdict <> 'verified' AND excluded.verdict = 'verified') \
             OR (evidence.verdict NOT IN ('verified', 'unknown-key') AND excluded.verdict = 'unknown-key') \
             OR (evidence.verdict = 'verified' AND excluded.verdict = 'verified' AND excluded.key_id = evidence.key_id \
               AND excluded.trusted_at IS NOT NULL \
               AND (evidence.trusted_at IS NULL OR excluded.trusted_at < evidence.trusted_at)) \
             RETURNING id",
        )
        .bind(repository_id)
        .bind(new.attached_to.as_str())
        .bind(manifest.as_str())
        .bind(new.fingerprint().as_str())
        .bind(new.format.as_str())
        .bind(new.subject.as_ref().map(Digest::as_str))
        .bind(new.stage.as_deref())
        .bind(new.named_repository.as_deref())
        .bind(new.key.as_ref().map(KeyId::as_str))
        .bind(new.key_hint.as_deref())
        .bind(verdict_name(&new.verdict))
        .bind(why(&new.verdict))
        .bind(new.raw.as_slice())
        .bind(new.signature.as_deref())
        .bind(pushed_by.map(|id| id.0))
        .bind(now)
        .bind(new.trusted_at)
        .bind(new.ends_at)
        .bind(new.predicate_type.as_deref())
        .fetch_optional(tx.conn())
        .await?;
        carriers::add(tx, repository_id, new, manifest).await?;
        if let Some(row) = written {
            all.push((row.int("id")?, new));
            facts::touch(tx, repository_id, &new.attached_to, now).await?;
            if new.verdict == unchecked() {
                reverify::ask_for_unchecked(tx, now).await?;
            }
        }
    }
    Ok(all)
}

/// Accounts for what is known of evidence from now on.
pub(crate) async fn tell_verdict(
    tx: &mut Tx,
    actor: &Actor,
    manifest: &Digest,
    (id, verdict, key): (i64, &Verdict, Option<&KeyId>),
    now: i64,
) -> Result<()> {
    let detail =
        json!({"id": id, "verdict": verdict_name(verdict), "key_id": key.map(KeyId::as_str)});
    audit::record(tx, actor, "evidence.verify", manifest.as_str(), detail, now).await
}

fn read(row: &AnyRow) -> Result<Evidence> {
    let attached_to = row.digest("attached_to")?;
    Ok(Evidence {
        id: row.int("id")?,
        format: row.text("format")?,
        manifest: row.digest("manifest")?,
        subject: row
            .opt_parsed("subject")?
            .unwrap_or_else(|| attached_to.clone()),
        attached_to,
        key: row.opt_parsed("key_id")?,
        key_hint: row.opt_text("key_hint")?,
        stage: row.opt_text("stage")?,
        predicate_type: row.opt_text("predicate_type")?,
        repository: row.opt_text("named_repository")?,
        stored_at: row.int("stored_at")?,
        trusted_at: row.opt_int("trusted_at")?,
        // Files of trust repositories and signatures of notation say until when they hold.
        expires_at: row.opt_int("expires_at")?,
        verdict: read_verdict(row)?,
        withdrawn: row.opt_int("withdrawn_at")?.is_some(),
    })
}

fn read_verdict(row: &AnyRow) -> Result<Verdict> {
    Ok(match row.text("verdict")?.as_str() {
        VERIFIED => Verdict::Verified,
        UNKNOWN_KEY => Verdict::UnknownKey,
        BAD_SIGNATURE => Verdict::BadSignature,
        UNREADABLE => Verdict::Unreadable(row.opt_text("why")?.unwrap_or_default()),
        NOT_READ => Verdict::NotRead,
        other => {
            return Err(Error::Corrupt {
                what: "evidence.verdict".to_owned(),
                why: format!("`{other}` is not a verdict"),
            });
        }
    })
}

fn verdict_name(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Verified => VERIFIED,
        Verdict::UnknownKey => UNKNOWN_KEY,
        Verdict::BadSignature => BAD_SIGNATURE,
        Verdict::Unreadable(_) => UNREADABLE,
        Verdict::NotRead => NOT_READ,
    }
}

fn why(verdict: &Verdict) -> Option<&str> {
    match verdict {
        Verdict::Unreadable(why) => Some(why),
        Verdict::Verified | Verdict::UnknownKey | Verdict::BadSignature | Verdict::NotRead => None,
    }
}

const VERIFIED: &str = "verified";
const UNKNOWN_KEY: &str = "unknown-key";
const BAD_SIGNATURE: &str = "bad-signature";
const UNREADABLE: &str = "unreadable";
const NOT_READ: &str = "format-not-read";
