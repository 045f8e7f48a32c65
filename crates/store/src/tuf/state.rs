//! What a trust repository holds when an update comes: files to judge it by, the highest versions, and the public halves of the server's
//! keys, and by which policies, all of one moment.

use std::collections::{BTreeMap, BTreeSet};

use oci::RepositoryName;
use sqlx::AnyConnection;
use trust::PublicKey;
use trust::tuf::publish::{Current, Held};
use trust::tuf::{Gun, Key, KeyId, RoleName};

use super::releases::first_managed;
use super::{KeyRole, row, vouches};
use crate::accounts::{self, directory_in};
use crate::batch::{self, markers};
use crate::db::{RowExt, Tx};
use crate::error::{Error, Result};
use crate::{Standing, Store, policies, snapshot};

/// Which current files are read.
#[derive(Debug, Clone, Copy)]
pub enum Files<'a> {
    /// All of them.
    All,
    /// `root`, `snapshot`, `timestamp`, and what is above these roles.
    Above(&'a [RoleName]),
    /// What an update of these roles is judged by: all of them where a policy covers the repository, or a publisher brings a snapshot,
    /// which is compared with each; else what is above.
    Update(&'a [RoleName]),
}

/// A trust repository at one moment.
#[derive(Debug, Clone)]
pub struct State {
    pub(super) id: i64,
    pub(super) repository_id: i64,
    pub(super) repository: RepositoryName,
    pub(super) revision: i64,
    /// The roles that ever had a file.
    pub(super) roles: BTreeSet<RoleName>,
    /// Those that readers are given a file of, with its bytes.
    pub(super) listed: BTreeMap<RoleName, u64>,
    /// Keys that no published file has named yet, the newest last.
    pub(super) waiting: Vec<(KeyRole, Key)>,
    /// Whether anything is vouched for in it.
    pub(super) has_vouches: bool,
    /// The other trust repository of the same repository that signatures are taken in.
    signed_elsewhere: Option<Gun>,
    /// By which it is judged; none for the server's own transactions.
    pub(super) rules: Option<Rules>,
    /// Files, and the highest version of every role.
    pub current: Current,
    /// The server's keys.
    pub held: Held,
}

/// Everybody and the policies, with the counters that say whether they still stand.
#[derive(Debug, Clone)]
pub(super) struct Rules {
    standing: Standing,
    is_covered: bool,
    directory_at: i64,
    policies_at: i64,
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
    let rules = Rules::read(store, &mut snapshot, repository).await?;
    let state = read(&mut snapshot, gun, repository, files, Some(rules)).await?;
    snapshot.rollback().await?;
    Ok(state)
}

pub(super) async fn read(
    conn: &mut AnyConnection,
    gun: &Gun,
    repository: &RepositoryName,
    files: Files<'_>,
    rules: Option<Rules>,
) -> Result<Option<State>> {
    let Some(row) = row(conn, gun, repository).await? else {
        return Ok(None);
    };
    let mut state = State {
        id: row.id,
        repository_id: row.repository_id,
        repository: repository.clone(),
        revision: row.revision,
        roles: BTreeSet::new(),
        listed: BTreeMap::new(),
        waiting: Vec::new(),
        has_vouches: vouches::are_there(conn, row.id).await?,
        signed_elsewhere: match rules.as_ref().is_some_and(|rules| rules.is_covered) {
            true => first_managed(conn, row.repository_id).await?,
            false => None,
        }
        .filter(|first| first != gun),
        rules,
        current: Current::new(),
        held: Held::default(),
    };
    state.read_versions(conn).await?;
    state.read_keys(conn).await?;
    state.read_files(conn, files).await?;
    Ok(Some(state))
}

impl Rules {
    async fn read(
        store: &Store,
        conn: &mut AnyConnection,
        repository: &RepositoryName,
    ) -> Result<Self> {
        let (directory_at, directory) = directory_in(store, conn).await?;
        store.caches().directory.keep(directory_at, &directory);
        let (policies_at, policies) = policies::current_in(store, conn).await?;
        store.caches().policies.keep(policies_at, &policies);
        Ok(Self {
            is_covered: policies.iter().any(|policy| policy.covers(repository)),
            standing: Standing {
                directory,
                policies,
            },
            directory_at,
            policies_at,
        })
    }

    /// Whether they are those that the transaction sees.
    pub(super) async fn still_stand(&self, tx: &mut Tx) -> Result<bool> {
        let directory = snapshot::revision(tx.conn(), accounts::REVISION).await?;
        let policies = snapshot::revision(tx.conn(), policies::REVISION).await?;
        Ok(directory == self.directory_at && policies == self.policies_at)
    }
}

impl State {
    /// Whether a root was published.
    #[must_use]
    pub fn is_published(&self) -> bool {
        self.listed.contains_key(&RoleName::Root)
    }

    /// The repository that it belongs to.
    #[must_use]
    pub fn repository(&self) -> &RepositoryName {
        &self.repository
    }

    /// Everybody and the policies, if one of these covers the repository: then updates are judged by them too.
    #[must_use]
    pub fn covered_by(&self) -> Option<&Standing> {
        let rules = self.rules.as_ref().filter(|rules| rules.is_covered);
        rules.map(|rules| &rules.standing)
    }

    /// The trust repository that takes signatures for the same repository, where a policy covers it and this is another one: a server has
    /// many names, and what counts is signed under one of them.
    #[must_use]
    pub fn signed_elsewhere(&self) -> Option<&Gun> {
        self.signed_elsewhere.as_ref()
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
        let above = match files {
            Files::All => None,
            Files::Above(roles) => Some(above(roles)),
            Files::Update(roles) => {
                let is_all = self.covered_by().is_some()
                    || self.has_vouches
                    || roles.contains(&RoleName::Snapshot);
                (!is_all).then(|| above(roles))
            }
        };
        let is_wanted = |role: &RoleName| match &above {
            None => true,
            // What the server signs itself, where it does.
            Some(_) if role.is_releases() => !self.held.releases.is_empty(),
            Some(_) if *role == RoleName::Targets && !self.held.releases.is_empty() => true,
            Some(above) => above.contains(role),
        };
        let wanted = self.listed.keys().filter(|role| is_wanted(role));
        let wanted: Vec<&RoleName> = wanted.collect();
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
                KeyRole::Releases => self.held.releases.push(key),
            }
        }
        Ok(())
    }

    /// The newest key of a role that no published file has named yet.
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
