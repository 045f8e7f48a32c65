//! Evidence that no key stands behind, to be read again: by a key that is registered, by whose word certificates are judged now, or with all
//! keys where there were too many beside it when it arrived. Its time stays that of its arrival. Deliberately page by page: what others
//! pushed is much, and a job's claim holds for a while only.

use oci::{Digest, RepositoryName};
use policy::Verdict;
use serde::{Deserialize, Serialize};
use sqlx::any::AnyRow;
use trust::KeyId;
use trust::evidence::Untrusted;

use super::copies::Carrier;
use super::{
    BAD_SIGNATURE, NOT_READ, REVERIFY_EVIDENCE, UNKNOWN_KEY, UNREADABLE, VERIFIED, tell_verdict,
    verdict_name, why,
};
use crate::batch::{self, markers};
use crate::db::{Backend, RowExt, Tx, write_tx};
use crate::error::{Error, Result};
use crate::permit::System;
use crate::{Store, facts, jobs};

/// The most pieces one call reads.
pub const UNKNOWN_MAX: u32 = 200;
/// Longer than it takes from listing the keys that a push is judged by to storing it.
const PUSH_MILLISECONDS: i64 = 60_000;

/// Why evidence is read again, and how far that is: the payload of the job [`REVERIFY_EVIDENCE`]. With neither a key nor `unchecked`, by whose
/// word certificates are judged has changed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reread {
    /// The key that is new.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_id: Option<KeyId>,
    /// There is some that was not tried with every key.
    #[serde(default)]
    pub unchecked: bool,
    /// The row up to which all is read.
    #[serde(default)]
    pub after: i64,
    /// Where to go on with looking for other copies of what comes after that row, which itself is read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copies: Option<Copies>,
    /// For what was judged before the change and stored after it was looked for.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub late: bool,
}

/// A place among the copies of a page of evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Copies {
    /// The last row of the page.
    pub until: i64,
    /// The carrier up to which all copies are looked at.
    pub after: Carrier,
}

impl Reread {
    /// The key of its job: that of one that goes on from the same row for the same reason is the same.
    #[must_use]
    pub fn job_key(&self) -> String {
        let why = match &self.key_id {
            Some(key_id) => key_id.as_str(),
            None if self.unchecked => "unchecked",
            None => "anchors",
        };
        let mut key = why.to_owned();
        if self.late {
            key.push_str("+later");
        }
        if self.after > 0 {
            key.push_str(&format!(">{}", self.after));
        }
        if let Some(Copies { after, .. }) = &self.copies {
            key.push_str(&format!(">{}@{}", after.repository, after.manifest));
        }
        key
    }
}

/// Which evidence is meant.
#[derive(Debug, Clone, Copy)]
pub enum Wanted<'a> {
    /// In one of these formats, and nobody stands behind it.
    In(&'a [&'a str]),
    /// What was not tried with every key.
    Unchecked,
}

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

/// Has the evidence read again that certificates may stand behind: what these are judged by may be another than before.
pub async fn reread(store: &Store, now: i64) -> Result<()> {
    write_tx!(store.db(), |tx| changed(tx, &Reread::default(), now).await)
}

/// Has evidence read again.
pub async fn ask(store: &Store, reread: &Reread, now: i64) -> Result<()> {
    write_tx!(store.db(), |tx| enqueue(tx, reread, now).await)
}

/// Has evidence read again because of a change, and once more a while later: what is pushed meanwhile may have been judged before the change,
/// and be stored after it was looked for.
pub(crate) async fn changed(tx: &mut Tx, reread: &Reread, now: i64) -> Result<()> {
    enqueue(tx, reread, now).await?;
    let late = Reread {
        late: true,
        ..reread.clone()
    };
    enqueue(tx, &late, now.saturating_add(PUSH_MILLISECONDS)).await
}

async fn enqueue(tx: &mut Tx, reread: &Reread, run_at: i64) -> Result<()> {
    let payload = serde_json::to_value(reread).map_err(Error::corrupt("payload"))?;
    jobs::enqueue(tx, REVERIFY_EVIDENCE, &reread.job_key(), payload, run_at).await
}

/// Has what was not tried with every key read again.
pub(super) async fn ask_for_unchecked(tx: &mut Tx, now: i64) -> Result<()> {
    let reread = Reread {
        unchecked: true,
        ..Reread::default()
    };
    enqueue(tx, &reread, now).await
}

/// What is said of evidence that was not tried with every key, because of what it came with.
#[must_use]
pub fn unchecked() -> Verdict {
    Verdict::Unreadable(Untrusted::Unchecked.to_string())
}

/// Evidence after row `after` that no key verified and that was not withdrawn, in the order of rows. What no certificate made readable
/// is among it, since by whose word these are judged changes too.
pub async fn unknown(
    store: &Store,
    wanted: Wanted<'_>,
    after: i64,
    limit: u32,
) -> Result<Vec<UnknownEvidence>> {
    const COLUMNS: &str = "SELECT e.id, e.format, r.name AS repository, e.attached_to, e.raw, e.signature, e.stored_at \
         FROM evidence e JOIN repositories r ON r.id = e.repository_id WHERE e.withdrawn_at IS NULL AND e.id > $1";
    const ORDER: &str = "ORDER BY e.id LIMIT $2";
    let unread = unchecked();
    let (condition, values): (String, Vec<&str>) = match wanted {
        Wanted::In(formats) => {
            let verdicts = [UNKNOWN_KEY, BAD_SIGNATURE, UNREADABLE, NOT_READ];
            let condition = format!(
                "e.verdict IN ({}) AND e.format IN ({})",
                markers(3, verdicts.len()),
                markers(3 + verdicts.len(), formats.len())
            );
            (condition, verdicts.iter().chain(formats).copied().collect())
        }
        Wanted::Unchecked => (
            "e.verdict = $3 AND e.why = $4".to_owned(),
            [UNREADABLE].into_iter().chain(why(&unread)).collect(),
        ),
    };
    let mut query = batch::query(format!("{COLUMNS} AND {condition} {ORDER}"))
        .bind(after)
        .bind(i64::from(limit.min(UNKNOWN_MAX)));
    for value in values {
        query = query.bind(value);
    }
    let rows = query.fetch_all(store.db().read()).await?;
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

/// Keeps what reading a piece again gave; answers whether that is something else than before. What a key stands behind stays so, with the time
/// by which it was there, unless the same key proves an earlier one: a slow reading began with fewer keys, or with another copy, than a
/// newer one that was done before it.
pub async fn set_verdict(
    store: &Store,
    system: System,
    id: i64,
    found: &Reverified,
    now: i64,
) -> Result<bool> {
    write_tx!(store.db(), |tx| {
        let row = locked(tx, id).await?;
        let key = found.key.as_ref().map(KeyId::as_str);
        let same_key = row.opt_text("key_id")?.as_deref() == key;
        let verdict = row.text("verdict")?;
        let changes = match verdict == VERIFIED {
            true => {
                let is_earlier = match (found.trusted_at, row.opt_int("trusted_at")?) {
                    (Some(found), Some(known)) => found < known,
                    (found, None) => found.is_some(),
                    (None, Some(_)) => false,
                };
                found.verdict == Verdict::Verified && same_key && is_earlier
            }
            false => {
                verdict != verdict_name(&found.verdict)
                    || !same_key
                    || row.opt_text("why")?.as_deref() != why(&found.verdict)
            }
        };
        if !changes {
            return Ok(false);
        }
        sqlx::query(
            "UPDATE evidence SET verdict = $2, why = $3, subject = $4, stage = $5, named_repository = $6, key_id = $7, \
             format = $8, trusted_at = $9, ends_at = $10 WHERE id = $1",
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
        facts::touch(
            tx,
            row.int("repository_id")?,
            &row.digest("attached_to")?,
            now,
        )
        .await?;
        let told = (id, &found.verdict, found.key.as_ref());
        tell_verdict(tx, &system.actor(), &row.digest("manifest")?, told, now).await?;
        Ok(true)
    })
}

/// What is known of a piece, which nobody changes until the transaction ends.
async fn locked(tx: &mut Tx, id: i64) -> Result<AnyRow> {
    let lock = match tx.backend() {
        Backend::Postgres => " FOR UPDATE",
        Backend::Sqlite => "",
    };
    batch::query(format!(
        "SELECT repository_id, attached_to, manifest, verdict, why, key_id, trusted_at FROM evidence WHERE id = $1{lock}"
    ))
    .bind(id)
    .fetch_optional(tx.conn())
    .await?
    .ok_or_else(|| Error::not_found("evidence", id))
}
