//! Storing an update that was taken: the server's part is signed, and files, what is current, the row of the change feed and the audit row
//! land in one transaction.

use std::collections::BTreeSet;

use oci::RepositoryName;
use policy::Actor;
use serde_json::{Value, json};
use trust::tuf::publish::{self, Accepted, Current, File};
use trust::tuf::{Gun, RoleName, Root, Signed, Snapshot};

use super::changes::{self, ChangeKind};
use super::{KeyRole, State, keys};
use crate::db::{Tx, write_tx};
use crate::error::{Error, Result};
use crate::{Store, Writer, audit};

/// What became of an update.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It is durable, and what readers are given from now on.
    Stored,
    /// Something was changed since the state was read that it was judged by: it must be judged again.
    Moved,
}

/// Signs and stores an update that was judged against `state`.
///
/// # Errors
/// The permit has ended; a key of the server does not open; the database failed.
pub async fn publish(
    store: &Store,
    writer: &Writer<'_>,
    gun: &Gun,
    state: &State,
    accepted: Accepted,
    now: i64,
) -> Result<Outcome> {
    let (actor, repository) = (writer.actor(now)?, writer.repository()?);
    let signed_by = signed_by(&accepted);
    let files = {
        let mut conn = store.db().read().acquire().await?;
        keys::seal(store, &mut conn, gun, state, accepted).await?
    };
    let update = Update::new(gun, repository, state, &files, signed_by)?;
    let stored = write_tx!(store.db(), |tx| update.store(tx, &actor, now).await);
    match stored {
        // The revision was edited by hand; the state says more.
        Err(error) if error.is_unique_violation() => Ok(Outcome::Moved),
        stored => stored,
    }
}

/// All that one update writes.
struct Update<'a> {
    gun: &'a Gun,
    repository: &'a RepositoryName,
    state: &'a State,
    files: &'a [File],
    /// Roles that were listed before and are no more.
    dropped: Vec<RoleName>,
    /// Keys that a new root names.
    named: Vec<(KeyRole, String)>,
    resign_at: Option<i64>,
    signed_by: Value,
}

impl<'a> Update<'a> {
    fn new(
        gun: &'a Gun,
        repository: &'a RepositoryName,
        state: &'a State,
        files: &'a [File],
        signed_by: Value,
    ) -> Result<Self> {
        let mut after = Current::new();
        for role in [RoleName::Root, RoleName::Snapshot, RoleName::Timestamp] {
            let sent = files.iter().find(|file| file.role == role);
            let bytes = sent.map(|file| file.bytes.as_slice());
            if let Some(bytes) = bytes.or_else(|| state.current.file(&role)) {
                after.insert(role, bytes.to_vec());
            }
        }
        Ok(Self {
            gun,
            repository,
            state,
            files,
            dropped: dropped(state, files)?,
            named: named(files)?,
            resign_at: publish::due(&after, &state.held),
            signed_by,
        })
    }

    async fn store(&self, tx: &mut Tx, actor: &Actor, now: i64) -> Result<Outcome> {
        let moved = sqlx::query(
            "UPDATE trust_repositories SET revision = revision + 1, resign_at = $3 WHERE id = $1 AND revision = $2",
        )
        .bind(self.state.id)
        .bind(self.state.revision)
        .bind(self.resign_at)
        .execute(tx.conn())
        .await?;
        if moved.rows_affected() == 0 {
            return Ok(Outcome::Moved);
        }
        for file in self.files {
            self.store_file(tx, file, now).await?;
        }
        for role in &self.dropped {
            sqlx::query("UPDATE trust_roles SET current = NULL WHERE trust_id = $1 AND role = $2")
                .bind(self.state.id)
                .bind(role.to_string())
                .execute(tx.conn())
                .await?;
        }
        for (role, key) in &self.named {
            sqlx::query(
                "UPDATE trust_keys SET named_at = $4 WHERE trust_id = $1 AND role = $2 AND key_id = $3 AND named_at IS NULL",
            )
            .bind(self.state.id)
            .bind(role.as_str())
            .bind(key.as_str())
            .bind(now)
            .execute(tx.conn())
            .await?;
        }
        let timestamp = self
            .files
            .iter()
            .find(|file| file.role == RoleName::Timestamp);
        if let Some(timestamp) = timestamp {
            let kind = ChangeKind::Update {
                version: timestamp.version,
                sha256: hex::encode(timestamp.sha256),
            };
            changes::write(tx, self.gun, &kind, now).await?;
        }
        let act = match actor {
            Actor::System(_) => "trust.renew",
            Actor::Principal(_) | Actor::Anonymous => "trust.publish",
        };
        audit::record(tx, actor, act, self.gun.as_str(), self.detail(), now).await?;
        Ok(Outcome::Stored)
    }

    async fn store_file(&self, tx: &mut Tx, file: &File, now: i64) -> Result<()> {
        sqlx::query(
            "INSERT INTO trust_files (trust_id, role, version, sha256, content, stored_at) VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(self.state.id)
        .bind(file.role.to_string())
        .bind(file.version)
        .bind(hex::encode(file.sha256))
        .bind(file.bytes.as_slice())
        .bind(now)
        .execute(tx.conn())
        .await?;
        sqlx::query(
            "INSERT INTO trust_roles (trust_id, role, latest, current) VALUES ($1, $2, $3, $3) \
             ON CONFLICT (trust_id, role) DO UPDATE SET latest = excluded.latest, current = excluded.current",
        )
        .bind(self.state.id)
        .bind(file.role.to_string())
        .bind(file.version)
        .execute(tx.conn())
        .await?;
        Ok(())
    }

    fn detail(&self) -> Value {
        let files: Vec<Value> = self
            .files
            .iter()
            .map(|file| {
                json!({
                    "role": file.role.as_str(), "version": file.version, "sha256": hex::encode(file.sha256),
                    "signed_by": self.signed_by.get(file.role.as_str()),
                })
            })
            .collect();
        let dropped: Vec<&str> = self.dropped.iter().map(RoleName::as_str).collect();
        json!({
            "gun": self.gun.as_str(), "repository": self.repository, "files": files, "dropped": dropped,
        })
    }
}

/// The keys that signed each file that came, by role; the server's own files have none here.
fn signed_by(accepted: &Accepted) -> Value {
    let uploaded = accepted.uploaded().iter();
    uploaded
        .map(|one| {
            let keys: Vec<&str> = one.signers.iter().map(|key| key.id().as_str()).collect();
            (one.file.role.to_string(), json!(keys))
        })
        .collect()
}

/// What a new snapshot lists no more.
fn dropped(state: &State, files: &[File]) -> Result<Vec<RoleName>> {
    let Some(snapshot) = files.iter().find(|file| file.role == RoleName::Snapshot) else {
        return Ok(Vec::new());
    };
    let snapshot: Snapshot = content(snapshot)?;
    let kept: BTreeSet<&RoleName> = snapshot
        .meta
        .keys()
        .chain([&RoleName::Root, &RoleName::Snapshot, &RoleName::Timestamp])
        .collect();
    let before = state.listed.keys();
    Ok(before
        .filter(|role| !kept.contains(role))
        .cloned()
        .collect())
}

/// The keys that a new root names for the roles that the server may sign for.
fn named(files: &[File]) -> Result<Vec<(KeyRole, String)>> {
    let Some(root) = files.iter().find(|file| file.role == RoleName::Root) else {
        return Ok(Vec::new());
    };
    let root: Root = content(root)?;
    let of = |role: KeyRole| {
        let keys = root.role(&role.role()).into_iter();
        keys.flat_map(move |keys| keys.keyids.iter().map(move |id| (role, id.to_string())))
    };
    Ok(KeyRole::ALL.into_iter().flat_map(of).collect())
}

/// What a file that was just taken says.
fn content<T: trust::tuf::Content + Clone>(file: &File) -> Result<T> {
    let signed = Signed::<T>::parse(&file.role, file.bytes.clone());
    let signed = signed.map_err(Error::corrupt("trust_files.content"))?;
    Ok(signed.content().clone())
}
