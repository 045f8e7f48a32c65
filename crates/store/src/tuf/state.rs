//! What a trust repository holds when an update comes: files to judge it by, the highest versions, and the public halves of the server's
//! keys, all of one moment.

use std::collections::{BTreeMap, BTreeSet};

use oci::RepositoryName;
use sqlx::AnyConnection;
use trust::PublicKey;
use trust::tuf::publish::{Current, Held};
use trust::tuf::{Gun, Key, KeyId, RoleName};

use super::{KeyRole, row};
use crate::Store;
use crate::batch::{self, markers};
use crate::db::RowExt;
use crate::error::{Error, Result};
use crate::snapshot;

/// Which current files are read.
#[derive(Debug, Clone, Copy)]
pub enum Files<'a> {
    /// All of them: for a snapshot that a publisher brings, which is compared with each.
    All,
    /// `root`, `snapshot`, `timestamp`, and what is above these roles.
    Above(&'a [RoleName]),
}

/// A trust repository at one moment.
#[derive(Debug, Clone)]
pub struct State {
    pub(super) id: i64,
    pub(super) revision: i64,
    /// The roles that ever had a file.
    pub(super) roles: BTreeSet<RoleName>,
    /// Those that readers are given a file of, with its bytes.
    pub(super) listed: BTreeMap<RoleName, u64>,
    /// Keys that no published root has named yet, the newest last.
    pub(super) waiting: Vec<(KeyRole, Key)>,
    /// Files, and the highest version of every role.
    pub current: Current,
    /// The server's keys.
    pub held: Held,
}

/// The trust repository of this name, if the server was ever asked for a key for it. One whose files were deleted is there, and empty.
///
/// # Errors
/// It belongs to another repository; the database failed.
pub async fn state(
    store: &Store,
    gun: &Gun,
    repository: &RepositoryName,
    files: Files<'_>,
) -> Result<Option<State>> {
    let mut snapshot = snapshot::begin(store.db()).await?;
    let state = read(&mut snapshot, gun, repository, files).await?;
    snapshot.rollback().await?;
    Ok(state)
}

pub(super) async fn read(
    conn: &mut AnyConnection,
    gun: &Gun,
    repository: &RepositoryName,
    files: Files<'_>,
) -> Result<Option<State>> {
    let Some(row) = row(conn, gun, repository).await? else {
        return Ok(None);
    };
    let mut state = State {
        id: row.id,
        revision: row.revision,
        roles: BTreeSet::new(),
        listed: BTreeMap::new(),
        waiting: Vec::new(),
        current: Current::new(),
        held: Held::default(),
    };
    state.read_versions(conn).await?;
    state.read_files(conn, files).await?;
    state.read_keys(conn).await?;
    Ok(Some(state))
}

impl State {
    /// Whether a root was published.
    #[must_use]
    pub fn is_published(&self) -> bool {
        self.listed.contains_key(&RoleName::Root)
    }

    async fn read_versions(&mut self, conn: &mut AnyConnection) -> Result<()> {
        let rows = sqlx::query(
            "SELECT l.role, l.latest, l.current, CAST(COALESCE(LENGTH(f.content), 0) AS BIGINT) AS bytes FROM trust_roles l \
             LEFT JOIN trust_files f ON f.trust_id = l.trust_id AND f.role = l.role AND f.version = l.current \
             WHERE l.trust_id = $1",
        )
        .bind(self.id)
        .fetch_all(conn)
        .await?;
        for row in &rows {
            let role: RoleName = row.parsed("role")?;
            self.current.insert_latest(role.clone(), row.int("latest")?);
            if row.opt_int("current")?.is_some() {
                self.listed.insert(role.clone(), row.count("bytes")?);
            }
            self.roles.insert(role);
        }
        Ok(())
    }

    async fn read_files(&mut self, conn: &mut AnyConnection, files: Files<'_>) -> Result<()> {
        let wanted: Vec<&RoleName> = match files {
            Files::All => self.listed.keys().collect(),
            Files::Above(roles) => {
                let above = above(roles);
                let there = self.listed.keys();
                there.filter(|role| above.contains(*role)).collect()
            }
        };
        let mut read = Vec::new();
        for wanted in wanted.chunks(batch::LIST_MAX) {
            let text = format!(
                "SELECT f.role, f.content FROM trust_roles l \
                 JOIN trust_files f ON f.trust_id = l.trust_id AND f.role = l.role AND f.version = l.current \
                 WHERE l.trust_id = $1 AND l.role IN ({})",
                markers(2, wanted.len())
            );
            let mut query = batch::query(text).bind(self.id);
            for role in wanted {
                query = query.bind(role.to_string());
            }
            for row in &query.fetch_all(&mut *conn).await? {
                read.push((row.parsed("role")?, row.bytes("content")?));
            }
        }
        for (role, bytes) in read {
            self.current.insert(role, bytes);
        }
        Ok(())
    }

    async fn read_keys(&mut self, conn: &mut AnyConnection) -> Result<()> {
        let rows = sqlx::query(
            "SELECT role, key_id, public_pem, named_at FROM trust_keys WHERE trust_id = $1 ORDER BY created_at, key_id",
        )
        .bind(self.id)
        .fetch_all(conn)
        .await?;
        for row in &rows {
            let role = KeyRole::parse(&row.text("role")?)?;
            let key = public_key(&row.text("public_pem")?, &row.parsed("key_id")?)?;
            if row.opt_int("named_at")?.is_none() {
                self.waiting.push((role, key.clone()));
            }
            match role {
                KeyRole::Snapshot => self.held.snapshot.push(key),
                KeyRole::Timestamp => self.held.timestamp.push(key),
            }
        }
        Ok(())
    }

    /// The newest key of a role that no published root has named yet.
    pub(super) fn waiting(&self, role: KeyRole) -> Option<&Key> {
        let mut newest_first = self.waiting.iter().rev();
        newest_first.find(|(of, _)| *of == role).map(|(_, key)| key)
    }
}

/// The base roles that every update is judged by, and what delegates to these roles, up to `targets`.
fn above(roles: &[RoleName]) -> BTreeSet<RoleName> {
    let mut above = BTreeSet::from([RoleName::Root, RoleName::Snapshot, RoleName::Timestamp]);
    for role in roles {
        let mut next = role.parent();
        while let Some(role) = next {
            next = role.parent();
            above.insert(role);
        }
    }
    above
}

/// A key of the server as its columns have it.
fn public_key(pem: &str, id: &KeyId) -> Result<Key> {
    let public = PublicKey::from_pem(pem).map_err(Error::corrupt("trust_keys.public_pem"))?;
    let key = Key::from(&public);
    if key.id() == id {
        return Ok(key);
    }
    Err(Error::Corrupt {
        what: "trust_keys.key_id".to_owned(),
        why: format!("it is not that of the key {}", key.id()),
    })
}
