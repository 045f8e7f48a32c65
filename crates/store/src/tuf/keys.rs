//! The server's keys for `snapshot`, `timestamp` and `targets/releases`, one set for each trust repository: made when a publisher first asks, sealed with the
//! master key, opened only while an update is sealed. What they sign is metadata of `trust::tuf`, never bytes that somebody chose.

use oci::RepositoryName;
use policy::verb::{Attach, DeleteEvidence};
use policy::{Actor, Permit};
use secrecy::ExposeSecret;
use serde_json::json;
use sqlx::AnyConnection;
use trust::tuf::publish::{Accepted, File};
use trust::tuf::{Gun, Key, SealError};
use trust::{Algorithm, PrivateKey, Signer};

use super::state::{self, Files, State, state};
use super::{KeyRole, elsewhere};
use crate::batch::{self, markers};
use crate::db::{RowExt, Tx, write_tx};
use crate::error::{Error, Result};
use crate::{Store, audit, catalogue, permit};

/// The key that publishers put into a root: the one that the current root names, else one that waits, else a new one. Asking twice gives
/// the same.
///
/// # Errors
/// The permit has ended, or the trust repository belongs to another repository.
pub async fn offered_key(
    store: &Store,
    permit: &Permit<Attach>,
    gun: &Gun,
    role: KeyRole,
    now: i64,
) -> Result<Key> {
    let actor = permit::actor(permit, now)?;
    let repository = repository(permit.repository())?;
    if let Some(state) = state(store, gun, repository, Files::Above(&[])).await?
        && let Some(key) = offered(&state, role)
    {
        return Ok(key);
    }
    let new = NewKey::make(store, gun, role)?;
    write_tx!(store.db(), |tx| {
        let state = locked(tx, gun, repository, now).await?;
        match offered(&state, role) {
            // Another process was faster.
            Some(key) => Ok(key),
            None => new.insert(tx, &state, &actor, repository, now).await,
        }
    })
}

/// The key to change to: one that waits for a root to name it, or else a new one. Until that root is published, the server signs as before.
///
/// # Errors
/// The permit has ended, or the trust repository belongs to another repository.
pub async fn next_key(
    store: &Store,
    permit: &Permit<DeleteEvidence>,
    gun: &Gun,
    role: KeyRole,
    now: i64,
) -> Result<Key> {
    let actor = permit::actor(permit, now)?;
    let repository = repository(permit.repository())?;
    let new = NewKey::make(store, gun, role)?;
    write_tx!(store.db(), |tx| {
        let state = locked(tx, gun, repository, now).await?;
        match state.waiting(role) {
            Some(key) => Ok(key.clone()),
            None => new.insert(tx, &state, &actor, repository, now).await,
        }
    })
}

fn offered(state: &State, role: KeyRole) -> Option<Key> {
    let in_use = state.held.in_use(&role.role(), &state.current);
    in_use.or_else(|| state.waiting(role)).cloned()
}

fn repository(named: Option<&RepositoryName>) -> Result<&RepositoryName> {
    named.ok_or_else(|| Error::Refused {
        what: "trust",
        why: "the permit names no repository".to_owned(),
    })
}

/// The trust repository, made where it is new. Until the transaction ends, no other one passes here with it.
async fn locked(tx: &mut Tx, gun: &Gun, repository: &RepositoryName, now: i64) -> Result<State> {
    let repository_id = catalogue::repository_id(tx, repository, now).await?;
    sqlx::query(
        "INSERT INTO trust_repositories (gun, repository_id, revision, created_at) VALUES ($1, $2, 0, $3) \
         ON CONFLICT (gun) DO NOTHING",
    )
    .bind(gun.as_str())
    .bind(repository_id)
    .bind(now)
    .execute(tx.conn())
    .await?;
    sqlx::query("UPDATE trust_repositories SET created_at = created_at WHERE gun = $1")
        .bind(gun.as_str())
        .execute(tx.conn())
        .await?;
    state::read(tx.conn(), gun, repository, Files::Above(&[]), None)
        .await?
        .ok_or_else(|| elsewhere(gun))
}

/// A key that is not stored yet.
struct NewKey<'a> {
    gun: &'a Gun,
    role: KeyRole,
    public: Key,
    public_pem: String,
    sealed: Vec<u8>,
}

impl<'a> NewKey<'a> {
    fn make(store: &Store, gun: &'a Gun, role: KeyRole) -> Result<Self> {
        let fails = |why: &dyn std::fmt::Display| Error::Crypto {
            what: "making a key for trust metadata",
            why: why.to_string(),
        };
        // What all clients verify, and the shortest to sign with.
        let key = PrivateKey::generate(Algorithm::Ed25519).map_err(|error| fails(&error))?;
        let public = Key::from(key.public_key());
        let der = key.to_pkcs8_der().map_err(|error| fails(&error))?;
        let aad = aad(gun, role, &public);
        Ok(Self {
            gun,
            role,
            public_pem: key.public_key().to_pem(),
            sealed: store.master().seal(aad.as_bytes(), der.expose_secret())?,
            public,
        })
    }

    async fn insert(
        &self,
        tx: &mut Tx,
        state: &State,
        actor: &Actor,
        repository: &RepositoryName,
        now: i64,
    ) -> Result<Key> {
        sqlx::query(
            "INSERT INTO trust_keys (trust_id, role, key_id, public_pem, sealed, created_at) VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(state.id)
        .bind(self.role.as_str())
        .bind(self.public.id().to_string())
        .bind(self.public_pem.as_str())
        .bind(self.sealed.as_slice())
        .bind(now)
        .execute(tx.conn())
        .await?;
        let detail = json!({
            "gun": self.gun.as_str(), "repository": repository, "role": self.role.as_str(),
            "key_id": self.public.id().as_str(),
        });
        audit::record(tx, actor, "trust.key", self.gun.as_str(), detail, now).await?;
        Ok(self.public.clone())
    }
}

/// Signs the server's part of an update with the keys that it needs, and with nothing else.
pub(super) async fn seal(
    store: &Store,
    conn: &mut AnyConnection,
    gun: &Gun,
    state: &State,
    accepted: Accepted,
) -> Result<Vec<File>> {
    let needed: Vec<String> = accepted.signers().map(|key| key.id().to_string()).collect();
    // INVARIANT: never empty, because the server signs every timestamp.
    let text = format!(
        "SELECT role, key_id, sealed FROM trust_keys WHERE trust_id = $1 AND key_id IN ({})",
        markers(2, needed.len())
    );
    let mut query = batch::query(text).bind(state.id);
    for key in &needed {
        query = query.bind(key.clone());
    }
    let mut opened = Vec::new();
    for row in &query.fetch_all(conn).await? {
        let role = KeyRole::parse(&row.text("role")?)?;
        let id: String = row.text("key_id")?;
        let aad = format!("{}\n{id}", use_of(gun, role));
        let der = store.master().open(aad.as_bytes(), &row.bytes("sealed")?)?;
        let key = PrivateKey::from_pkcs8_der(&der).map_err(Error::corrupt("trust_keys.sealed"))?;
        opened.push(key);
    }
    let signers: Vec<&dyn Signer> = opened.iter().map(|key| key as &dyn Signer).collect();
    accepted.seal(&signers).map_err(|error| match error {
        SealError::Sign(_) | SealError::Missing(_) => Error::Crypto {
            what: "signing trust metadata",
            why: error.to_string(),
        },
        error => Error::Corrupt {
            what: "trust_keys".to_owned(),
            why: error.to_string(),
        },
    })
}

/// What a key is sealed to: it opens for this trust repository, role and key alone.
fn aad(gun: &Gun, role: KeyRole, key: &Key) -> String {
    format!("{}\n{}", use_of(gun, role), key.id())
}

fn use_of(gun: &Gun, role: KeyRole) -> String {
    format!("countersign trust key\n{gun}\n{}", role.as_str())
}
