//! What stands in a trust repository of all that signers vouched for: read, counted, and taken back, with the account of that.

use oci::Digest;
use serde_json::{Map, Value, json};
use sqlx::AnyConnection;
use sqlx::any::AnyRow;
use trust::KeyId;
use trust::tuf::RoleName;

use crate::batch::{self, markers};
use crate::db::{RowExt, Tx};
use crate::error::Result;
use crate::evidence;
use crate::tuf::Row;

/// The most pieces of which an account says which they were, besides how many.
const NAMED_MAX: usize = 100;

/// What an update took back, for the account.
#[derive(Debug, Default)]
pub(in crate::tuf) struct Withdrawn {
    pub(in crate::tuf) count: usize,
    /// The first of them, in the order of role, tag and key.
    named: Vec<Value>,
}

impl Withdrawn {
    pub(super) fn of(ended: &[Vouched]) -> Self {
        let mut sorted: Vec<&Vouched> = ended.iter().collect();
        sorted.sort_by_key(|vouched| (&vouched.role, &vouched.tag, &vouched.key));
        let named = sorted.into_iter().take(NAMED_MAX).map(|vouched| {
            json!({
                "role": vouched.role.as_str(), "tag": vouched.tag, "digest": vouched.image, "key_id": vouched.key,
            })
        });
        Self {
            count: ended.len(),
            named: named.collect(),
        }
    }

    /// Puts into an account how many were withdrawn, and which, up to a number of them; nothing where none were.
    pub(in crate::tuf) fn tell(&self, detail: &mut Map<String, Value>) {
        if self.count > 0 {
            detail.insert("withdrawn".to_owned(), self.count.into());
            detail.insert("withdrawn_first".to_owned(), self.named.clone().into());
        }
    }
}

/// Something that stands.
pub(super) struct Vouched {
    pub(super) evidence: i64,
    pub(super) role: RoleName,
    pub(super) tag: String,
    pub(super) image: Digest,
    pub(super) key: KeyId,
    /// Milliseconds since the epoch.
    pub(super) expires: i64,
}

const VOUCHED: &str = "SELECT v.evidence_id, v.role, v.tag, v.expires_at, e.subject, e.key_id FROM trust_vouches v \
     JOIN evidence e ON e.id = v.evidence_id WHERE v.trust_id = $1";

pub(super) async fn of_all(tx: &mut Tx, trust_id: i64) -> Result<Vec<Vouched>> {
    let rows = sqlx::query(VOUCHED)
        .bind(trust_id)
        .fetch_all(tx.conn())
        .await?;
    rows.iter().map(vouched).collect()
}

pub(super) async fn of_role(tx: &mut Tx, trust_id: i64, role: &RoleName) -> Result<Vec<Vouched>> {
    let rows = batch::query(format!("{VOUCHED} AND v.role = $2"))
        .bind(trust_id)
        .bind(role.to_string())
        .fetch_all(tx.conn())
        .await?;
    rows.iter().map(vouched).collect()
}

fn vouched(row: &AnyRow) -> Result<Vouched> {
    Ok(Vouched {
        evidence: row.int("evidence_id")?,
        role: row.parsed("role")?,
        tag: row.text("tag")?,
        image: row.digest("subject")?,
        key: row.parsed("key_id")?,
        expires: row.int("expires_at")?,
    })
}

/// Whether anything is vouched for in a trust repository.
pub(in crate::tuf) async fn are_there(conn: &mut AnyConnection, trust_id: i64) -> Result<bool> {
    let row = sqlx::query("SELECT role FROM trust_vouches WHERE trust_id = $1 LIMIT 1")
        .bind(trust_id)
        .fetch_optional(conn)
        .await?;
    Ok(row.is_some())
}

/// Withdraws all that was vouched for in a trust repository; answers what.
pub(in crate::tuf) async fn withdraw_all(tx: &mut Tx, trust: &Row, now: i64) -> Result<Withdrawn> {
    let all = of_all(tx, trust.id).await?;
    let gone: Vec<i64> = all.iter().map(|vouched| vouched.evidence).collect();
    withdraw(tx, trust.repository_id, &gone, now).await?;
    Ok(Withdrawn::of(&all))
}

pub(super) async fn withdraw(
    tx: &mut Tx,
    repository_id: i64,
    evidence: &[i64],
    now: i64,
) -> Result<()> {
    for evidence in evidence.chunks(batch::LIST_MAX) {
        let text = format!(
            "DELETE FROM trust_vouches WHERE evidence_id IN ({})",
            markers(1, evidence.len())
        );
        let mut query = batch::query(text);
        for id in evidence {
            query = query.bind(*id);
        }
        query.execute(tx.conn()).await?;
    }
    evidence::withdraw_these(tx, repository_id, evidence, now).await
}

/// How many pieces stand in a trust repository.
pub(super) async fn count(tx: &mut Tx, trust_id: i64) -> Result<usize> {
    let row = sqlx::query("SELECT COUNT(*) AS standing FROM trust_vouches WHERE trust_id = $1")
        .bind(trust_id)
        .fetch_one(tx.conn())
        .await?;
    Ok(usize::try_from(row.count("standing")?).unwrap_or(usize::MAX))
}
