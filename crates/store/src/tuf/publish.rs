//! Storing an update that was taken: the server's part is signed, and files, what is current, what signers vouch for, the row of the
//! change feed and the audit row land in one transaction.

use std::collections::BTreeSet;

use oci::RepositoryName;
use policy::{Actor, PrincipalId};
use serde_json::{Map, Value, json};
use trust::tuf::managed::Entries;
use trust::tuf::publish::{self, Accepted, File};
use trust::tuf::{Gun, RoleName, Root, Signed, Snapshot, Targets};

use super::changes::{self, ChangeKind};
use super::vouches::{NO_ROOM, Spoken, Withdrawn, no_room};
use super::{KeyRole, State, ending, keys, releases};
use crate::db::{Tx, write_tx};
use crate::error::{Error, Result};
use crate::{Store, Writer, audit};

/// What became of an update.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is durable, and what readers are given from now on.
    Stored,
    /// Something was changed since the state was read that it was judged by: it must be judged again.
    Moved,
    /// A file of this delegation was published before, here or elsewhere, under whatever name: in a repository that a policy covers, nothing
    /// is signed by a file that was signed for something else. Nothing was stored.
    Known(RoleName),
    /// The trust repository has no room for it, for this reason. Nothing was stored.
    Full(String),
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
    if let Some(why) = state.exceeded_by(&accepted) {
        return Ok(Outcome::Full(why));
    }
    let signed_by = signed_by(&accepted);
    let spoken = Spoken::of(gun, repository, &accepted)?;
    let files = {
        let mut conn = store.db().read().acquire().await?;
        keys::seal(store, &mut conn, gun, state, accepted).await?
    };
    let update = Update::new(gun, repository, state, &files, (spoken, signed_by), now)?;
    let by = writer.principal();
    let stored = write_tx!(store.db(), |tx| update.store(tx, (&actor, by), now).await);
    match stored {
        Err(Error::Conflict {
            kind: KNOWN, name, ..
        }) => {
            let role = name.parse().map_err(Error::corrupt("trust_files.role"))?;
            Ok(Outcome::Known(role))
        }
        Err(Error::Conflict { kind: NO_ROOM, .. }) => Ok(Outcome::Full(no_room())),
        // The revision was edited by hand; the state says more.
        Err(error) if error.is_unique_violation() => Ok(Outcome::Moved),
        stored => stored,
    }
}

/// All that one update writes. What has to be read of its files is read before its transaction, for which everybody else who writes waits.
struct Update<'a> {
    gun: &'a Gun,
    repository: &'a RepositoryName,
    state: &'a State,
    files: &'a [File],
    spoken: Spoken,
    /// Roles that were listed before and are no more.
    dropped: Vec<RoleName>,
    /// Keys of the server that a new root or `targets` names.
    named: Vec<(KeyRole, String)>,
    resign_at: Option<i64>,
    /// When to look for the first of the files that is about to end.
    first_look: Option<i64>,
    signed_by: Map<String, Value>,
    /// Where the server wrote its list.
    released: Option<Turned>,
}

/// For the account: what is released, and what no more. The list itself is kept, so that no row has to say all of it.
struct Turned {
    released: usize,
    ended: usize,
    /// The first tags that are released, each with its SHA-256.
    released_first: Map<String, Value>,
    /// The first that are no more.
    ended_first: Vec<String>,
}

impl Turned {
    fn tell(&self, detail: &mut Map<String, Value>) {
        let (released, ended) = (self.released_first.clone(), self.ended_first.clone());
        detail.insert("released".to_owned(), released.into());
        detail.insert("released_count".to_owned(), self.released.into());
        detail.insert("ended".to_owned(), ended.into());
        detail.insert("ended_count".to_owned(), self.ended.into());
    }
}

impl<'a> Update<'a> {
    fn new(
        gun: &'a Gun,
        repository: &'a RepositoryName,
        state: &'a State,
        files: &'a [File],
        (mut spoken, signed_by): (Spoken, Map<String, Value>),
        now: i64,
    ) -> Result<Self> {
        // Every file as the update leaves it, of those that are known here.
        let mut after = state.current.clone();
        for file in files {
            after.insert(file.role.clone(), file.bytes.clone());
        }
        spoken.read_delegations(state, &after)?;
        let releases = files.iter().find(|file| file.role.is_releases());
        let releases = releases.filter(|file| !signed_by.contains_key(file.role.as_str()));
        Ok(Self {
            gun,
            repository,
            state,
            files,
            dropped: dropped(state, files)?,
            named: named(files)?,
            resign_at: publish::due(&after, &state.held),
            first_look: ending::first_look(files, now)?,
            spoken,
            signed_by,
            released: releases.map(|file| turned(state, file)).transpose()?,
        })
    }

    async fn store(
        &self,
        tx: &mut Tx,
        (actor, by): (&Actor, Option<PrincipalId>),
        now: i64,
    ) -> Result<Outcome> {
        let still_stand = match &self.state.rules {
            Some(rules) => rules.still_stand(tx).await?,
            None => true,
        };
        if !still_stand || !self.takes_its_turn(tx).await? {
            return Ok(Outcome::Moved);
        }
        if let Some(role) = self.spoken.note_messages(tx, now).await? {
            // As an error, so that nothing of it stays.
            return Err(Error::Conflict {
                kind: KNOWN,
                name: role.to_string(),
                why: "was published before",
            });
        }
        for file in self.files {
            self.store_file(tx, file, now).await?;
        }
        self.store_roles(tx, now).await?;
        let withdrawn = self.spoken.write(tx, self.state, by, now).await?;
        // The server's own list too: whoever wrote it may have been overtaken since the gates were asked, by one who wrote nothing.
        if !self.signed_by.is_empty() || self.released.is_some() {
            releases::ask(tx, self.state.repository_id, now).await?;
        }
        ending::ask(tx, self.gun, self.repository, self.first_look).await?;
        if let Some(timestamp) = self.file(&RoleName::Timestamp) {
            let kind = ChangeKind::Update {
                version: timestamp.version,
                sha256: hex::encode(timestamp.sha256),
            };
            changes::write(tx, self.gun, &kind, now).await?;
        }
        let act = match actor {
            Actor::System(_) if self.file(&RoleName::releases()).is_some() => "trust.release",
            Actor::System(_) => "trust.renew",
            Actor::Principal(_) | Actor::Anonymous => "trust.publish",
        };
        let detail = self.detail(&withdrawn);
        audit::record(tx, actor, act, self.gun.as_str(), detail, now).await?;
        Ok(Outcome::Stored)
    }

    /// Whether nobody else published since the state was read; from here to the end of the transaction nobody does.
    async fn takes_its_turn(&self, tx: &mut Tx) -> Result<bool> {
        let turn = sqlx::query(
            "UPDATE trust_repositories SET revision = revision + 1, resign_at = $3 WHERE id = $1 AND revision = $2",
        )
        .bind(self.state.id)
        .bind(self.state.revision)
        .bind(self.resign_at)
        .execute(tx.conn())
        .await?;
        Ok(turn.rows_affected() > 0)
    }

    /// Which roles are listed no more, and which of the server's keys are in use from now on.
    async fn store_roles(&self, tx: &mut Tx, now: i64) -> Result<()> {
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
        Ok(())
    }

    fn file(&self, role: &RoleName) -> Option<&File> {
        self.files.iter().find(|file| file.role == *role)
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

    fn detail(&self, withdrawn: &Withdrawn) -> Value {
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
        let mut detail = Map::new();
        detail.insert("gun".to_owned(), self.gun.as_str().into());
        detail.insert("repository".to_owned(), self.repository.as_str().into());
        detail.insert("files".to_owned(), files.into());
        let dropped: Vec<&str> = self.dropped.iter().map(RoleName::as_str).collect();
        detail.insert("dropped".to_owned(), dropped.into());
        if self.state.covered_by().is_some() {
            detail.insert("vouches".to_owned(), self.spoken.detail());
        }
        withdrawn.tell(&mut detail);
        if let Some(turned) = &self.released {
            turned.tell(&mut detail);
        }
        Value::Object(detail)
    }
}

/// What the server's new list says that the one before did not, and the reverse.
fn turned(state: &State, releases: &File) -> Result<Turned> {
    let before = state.current.file(&releases.role);
    let before = before.map(|bytes| read::<Targets>(&releases.role, bytes));
    let after: Targets = content(releases)?;
    let entries = Entries::between(before.transpose()?.as_ref(), Some(&after));
    let first = entries.vouched().take(NAMED_MAX);
    let first = first.map(|(tag, file)| (tag.to_owned(), json!(file.sha256_hex())));
    Ok(Turned {
        released: entries.vouched().count(),
        ended: entries.gone.len(),
        released_first: first.collect(),
        ended_first: entries.gone.into_iter().take(NAMED_MAX).collect(),
    })
}

/// The keys that signed each file that came, by role; the server's own files have none here.
fn signed_by(accepted: &Accepted) -> Map<String, Value> {
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

/// The server's keys that a new root names, and a new `targets` delegates to.
fn named(files: &[File]) -> Result<Vec<(KeyRole, String)>> {
    let mut named = Vec::new();
    for file in files {
        match file.role {
            RoleName::Root => {
                let root: Root = content(file)?;
                for role in [KeyRole::Snapshot, KeyRole::Timestamp] {
                    let keys = root.role(&role.role()).into_iter();
                    let keys = keys.flat_map(|keys| &keys.keyids);
                    named.extend(keys.map(|id| (role, id.to_string())));
                }
            }
            RoleName::Targets => {
                let targets: Targets = content(file)?;
                let delegated = targets.delegations.role(&RoleName::releases()).into_iter();
                let keys = delegated.flat_map(|delegated| &delegated.keys.keyids);
                named.extend(keys.map(|id| (KeyRole::Releases, id.to_string())));
            }
            _ => {}
        }
    }
    Ok(named)
}

/// What a file that was just taken says.
fn content<T: trust::tuf::Content + Clone>(file: &File) -> Result<T> {
    read(&file.role, &file.bytes)
}

fn read<T: trust::tuf::Content + Clone>(role: &RoleName, bytes: &[u8]) -> Result<T> {
    let signed = Signed::<T>::parse(role, bytes.to_vec());
    let signed = signed.map_err(Error::corrupt("trust_files.content"))?;
    Ok(signed.content().clone())
}

/// What the store's own error for such a file is called on its way out of the transaction.
const KNOWN: &str = "trust message";
/// The most tags that a row of the account names of those that are released, and of those that are no more.
const NAMED_MAX: usize = 1_000;
