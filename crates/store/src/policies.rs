//! Policies: documents as they were applied, by revision. What a document means is checked in `policy` each time it is read,
//! so that one that was edited by hand is refused rather than half understood. DESIGN §6.

use std::sync::Arc;

use policy::verb::ManagePolicy;
use policy::{Lint, Permit, Policy, PrincipalId, file, lint_all};
use serde_json::json;
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use crate::accounts::{check_name, directory_in};
use crate::db::{RowExt, Tx, revision, write_tx};
use crate::decisions::DECIDE_ALL;
use crate::error::{Error, Result};
use crate::{Store, audit, break_glass, jobs, permit, snapshot, tuf};

/// The counter that every change of a policy raises.
pub(crate) const REVISION: &str = "policies";
/// How many lints an error repeats.
const LINTS_IN_ERROR_MAX: usize = 10;

/// A policy as it was applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyRecord {
    /// Its name.
    pub name: String,
    /// The number of this revision, from 1.
    pub revision: i64,
    /// The SHA-256 of the document in hexadecimal.
    pub digest: String,
    /// The document.
    pub document: String,
    /// Whether it is in force.
    pub current: bool,
    /// When it was applied, in milliseconds since the epoch.
    pub applied_at: i64,
    /// By whom.
    pub applied_by: Option<PrincipalId>,
}

/// What applying a policy gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// The number of the revision that is in force.
    pub revision: i64,
    /// The SHA-256 of the document in hexadecimal.
    pub digest: String,
    /// False when this very document was in force already.
    pub changed: bool,
    /// What works, but probably not as meant.
    pub warnings: Vec<Lint>,
}

/// The policies in force, by name. Costs one query while nothing changes.
pub async fn current(store: &Store) -> Result<Arc<Vec<Policy>>> {
    let at = revision(store.db(), REVISION).await?;
    if let Some(kept) = store.caches().policies.at(at) {
        return Ok(kept);
    }
    let mut snapshot = snapshot::begin(store.db()).await?;
    let (at, policies) = current_in(store, &mut snapshot).await?;
    snapshot.commit().await?;
    store.caches().policies.keep(at, &policies);
    Ok(policies)
}

/// The policies in force that the connection sees, with their revision. They are not kept here: a transaction may see its
/// own changes, and may be undone.
pub(crate) async fn current_in(
    store: &Store,
    conn: &mut AnyConnection,
) -> Result<(i64, Arc<Vec<Policy>>)> {
    let at = snapshot::revision(conn, REVISION).await?;
    if let Some(kept) = store.caches().policies.at(at) {
        return Ok((at, kept));
    }
    Ok((at, Arc::new(load(conn).await?)))
}

/// All that would be said about a document, errors and warnings, if it were applied now.
pub async fn check(store: &Store, name: &str, document: &str, now: i64) -> Result<Vec<Lint>> {
    let mut snapshot = snapshot::begin(store.db()).await?;
    let checked = examine(store, &mut snapshot, name, document, now).await?;
    snapshot.commit().await?;
    Ok(checked.lints)
}

/// Puts a document in force under a name. One with errors is refused, also where only the directory or another policy shows
/// them.
pub async fn apply(
    store: &Store,
    permit: &Permit<ManagePolicy>,
    name: &str,
    document: &str,
    now: i64,
) -> Result<Applied> {
    let actor = permit::actor(permit, now)?;
    check_name("policy", name)?;
    write_tx!(store.db(), |tx| {
        tx.raise(REVISION).await?;
        let checked = examine(store, tx.conn(), name, document, now).await?;
        let policy = checked.accepted(name)?;
        let newest = newest(tx, name).await?;
        if let Some((revision, digest, true)) = &newest
            && *digest == policy.digest
        {
            let (revision, digest) = (*revision, digest.clone());
            return Ok(Applied {
                revision,
                digest,
                changed: false,
                warnings: checked.lints,
            });
        }
        let revision = newest.map_or(1, |(revision, _, _)| revision.saturating_add(1));
        supersede(tx, name).await?;
        insert(tx, permit, &policy, revision, document, now).await?;
        forget_decisions(tx, &policy).await?;
        break_glass::end_without_gate(store, tx, permit, (name, Some(&policy)), now).await?;
        jobs::enqueue(tx, DECIDE_ALL, "all", json!({}), now).await?;
        tuf::ask_all(tx, now).await?;
        let detail = json!({"name": name, "revision": revision, "digest": policy.digest});
        audit::record(tx, &actor, "policy.apply", name, detail, now).await?;
        Ok(Applied {
            revision,
            digest: policy.digest,
            changed: true,
            warnings: checked.lints,
        })
    })
}

/// Takes a policy out of force, and ends what broke its gates open. Its revisions stay.
pub async fn remove(
    store: &Store,
    permit: &Permit<ManagePolicy>,
    name: &str,
    now: i64,
) -> Result<()> {
    let actor = permit::actor(permit, now)?;
    write_tx!(store.db(), |tx| {
        tx.raise(REVISION).await?;
        if supersede(tx, name).await? == 0 {
            return Err(Error::not_found("policy", name));
        }
        sqlx::query("DELETE FROM decisions WHERE policy = $1")
            .bind(name)
            .execute(tx.conn())
            .await?;
        break_glass::end_without_gate(store, tx, permit, (name, None), now).await?;
        jobs::enqueue(tx, DECIDE_ALL, "all", json!({}), now).await?;
        tuf::ask_all(tx, now).await?;
        audit::record(
            tx,
            &actor,
            "policy.remove",
            name,
            json!({"name": name}),
            now,
        )
        .await
    })
}

/// The documents in force, by name.
pub async fn documents(store: &Store) -> Result<Vec<PolicyRecord>> {
    let rows = sqlx::query(
        "SELECT name, revision, digest, document, current, applied_at, applied_by FROM policies \
         WHERE current = 1 ORDER BY name",
    )
    .fetch_all(store.db().read())
    .await?;
    rows.iter().map(record).collect()
}

/// Every revision that a policy had, the newest first.
pub async fn history(store: &Store, name: &str) -> Result<Vec<PolicyRecord>> {
    let rows = sqlx::query(
        "SELECT name, revision, digest, document, current, applied_at, applied_by FROM policies \
         WHERE name = $1 ORDER BY revision DESC",
    )
    .bind(name)
    .fetch_all(store.db().read())
    .await?;
    rows.iter().map(record).collect()
}

/// A document that was looked at.
struct Examined {
    policy: Option<Policy>,
    lints: Vec<Lint>,
}

impl Examined {
    fn accepted(&self, name: &str) -> Result<Policy> {
        let errors: Vec<String> = self
            .lints
            .iter()
            .filter(|lint| lint.is_error())
            .take(LINTS_IN_ERROR_MAX)
            .map(ToString::to_string)
            .collect();
        match &self.policy {
            Some(policy) if errors.is_empty() => Ok(policy.clone()),
            _ => Err(Error::Invalid {
                what: "policy",
                value: name.to_owned(),
                why: errors.join("; "),
            }),
        }
    }
}

/// Lints a document by itself, then together with the directory and the other policies in force. Errors that other policies
/// had before are not held against it.
async fn examine(
    store: &Store,
    conn: &mut AnyConnection,
    name: &str,
    document: &str,
    now: i64,
) -> Result<Examined> {
    let policy = match file::load(document, name) {
        Ok(policy) => policy,
        Err(lints) => {
            return Ok(Examined {
                policy: None,
                lints,
            });
        }
    };
    let (_, directory) = directory_in(store, conn).await?;
    let (_, policies) = current_in(store, conn).await?;
    let mut policies: Vec<Policy> = policies
        .iter()
        .filter(|other| other.name != name)
        .cloned()
        .collect();
    let before = lint_all(&policies, &directory);
    policies.push(policy.clone());
    let mut lints = policy.warnings(now);
    lints.extend(
        lint_all(&policies, &directory)
            .into_iter()
            .filter(|lint| !before.contains(lint)),
    );
    Ok(Examined {
        policy: Some(policy),
        lints,
    })
}

async fn load(conn: &mut AnyConnection) -> Result<Vec<Policy>> {
    let rows = sqlx::query("SELECT name, document FROM policies WHERE current = 1 ORDER BY name")
        .fetch_all(conn)
        .await?;
    rows.iter()
        .map(|row| {
            let name = row.text("name")?;
            file::load(&row.text("document")?, &name).map_err(|lints| Error::Corrupt {
                what: format!("policy `{name}`"),
                why: lints
                    .iter()
                    .take(LINTS_IN_ERROR_MAX)
                    .map(ToString::to_string)
                    .collect::<Vec<_>>()
                    .join("; "),
            })
        })
        .collect()
}

/// The newest revision of a policy: its number, its digest, and whether it is in force.
async fn newest(tx: &mut Tx, name: &str) -> Result<Option<(i64, String, bool)>> {
    let row = sqlx::query("SELECT revision, digest, current FROM policies WHERE name = $1 ORDER BY revision DESC LIMIT 1")
        .bind(name)
        .fetch_optional(tx.conn())
        .await?;
    row.map(|row| {
        Ok((
            row.int("revision")?,
            row.text("digest")?,
            row.flag("current")?,
        ))
    })
    .transpose()
}

async fn supersede(tx: &mut Tx, name: &str) -> Result<u64> {
    let superseded = sqlx::query("UPDATE policies SET current = 0 WHERE name = $1 AND current = 1")
        .bind(name)
        .execute(tx.conn())
        .await?;
    Ok(superseded.rows_affected())
}

async fn insert(
    tx: &mut Tx,
    permit: &Permit<ManagePolicy>,
    policy: &Policy,
    revision: i64,
    document: &str,
    now: i64,
) -> Result<()> {
    sqlx::query(
        "INSERT INTO policies (name, revision, digest, document, current, applied_at, applied_by) \
         VALUES ($1, $2, $3, $4, 1, $5, $6)",
    )
    .bind(policy.name.as_str())
    .bind(revision)
    .bind(policy.digest.as_str())
    .bind(document)
    .bind(now)
    .bind(permit.who().principal().map(|id| id.0))
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Decisions of gates that the policy no longer has are of no use.
async fn forget_decisions(tx: &mut Tx, policy: &Policy) -> Result<()> {
    let rows = sqlx::query("SELECT DISTINCT gate FROM decisions WHERE policy = $1")
        .bind(policy.name.as_str())
        .fetch_all(tx.conn())
        .await?;
    for row in &rows {
        let gate = row.text("gate")?;
        if !policy.gates.contains_key(&gate) {
            sqlx::query("DELETE FROM decisions WHERE policy = $1 AND gate = $2")
                .bind(policy.name.as_str())
                .bind(gate)
                .execute(tx.conn())
                .await?;
        }
    }
    Ok(())
}

fn record(row: &AnyRow) -> Result<PolicyRecord> {
    Ok(PolicyRecord {
        name: row.text("name")?,
        revision: row.int("revision")?,
        digest: row.text("digest")?,
        document: row.text("document")?,
        current: row.flag("current")?,
        applied_at: row.int("applied_at")?,
        applied_by: row.opt_int("applied_by")?.map(PrincipalId),
    })
}
