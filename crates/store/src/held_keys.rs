//! Keys that the server holds for somebody: a robot of a CI system has no place to keep one. The private half is made here, sealed with the
//! master key, and never leaves: there is no call that answers it. It signs our own statement for the one stage that it is held for,
//! asked by the principal whose key it is and nobody else, also not by whoever manages keys; each use is in the audit log before the
//! signature is given out. To gates it is a key like any other: it has a scope and can be revoked.

use oci::{Digest, RepositoryName, Tag};
use policy::verb::{Attach, ManageKeys};
use policy::{Actor, Pattern, Permit, PrincipalId};
use secrecy::ExposeSecret;
use serde_json::json;
use sqlx::any::AnyRow;
use trust::bundle::Bundle;
use trust::stage::{self, NONCE_BYTES, Nonce, StageStatement};
use trust::{Algorithm, KeyId, PrivateKey, PublicKey, Signer};

use crate::accounts::directory_changed;
use crate::db::{RowExt, Tx, write_tx};
use crate::error::{Error, Result};
use crate::signing_keys::{check_labels, open_principal};
use crate::{Store, audit, permit, random};

/// A key to be made and held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewHeldKey {
    /// What it is asked for by, and what people call it; no other key that is held has it.
    pub name: String,
    /// Whose it is: who alone may use it, and as whom its signatures count.
    pub principal: PrincipalId,
    /// The stage that it signs for.
    pub stage: String,
    /// The repositories it may sign for.
    pub scope: Vec<Pattern>,
}

/// What a held key is to sign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The key's name.
    pub name: String,
    /// The stage.
    pub stage: String,
    /// The manifest, which the permit's repository holds.
    pub digest: Digest,
    /// The tag that was looked at; for people.
    pub tag: Option<Tag>,
}

/// A signature of a held key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldSignature {
    /// The key that made it.
    pub key_id: KeyId,
    /// A sigstore bundle v0.3 around our statement, as JSON.
    pub bundle: String,
}

/// Makes a key and holds it.
///
/// # Errors
/// `Conflict` when the name is taken; `Invalid` for a name, stage or scope that none can have; `NotFound` when the account is closed.
pub async fn hold(
    store: &Store,
    permit: &Permit<ManageKeys>,
    new: &NewHeldKey,
    now: i64,
) -> Result<KeyId> {
    let actor = permit::actor(permit, now)?;
    check_labels(&new.name, &new.scope)?;
    stage::check_name(&new.name).map_err(|error| invalid(&new.name, error.to_string()))?;
    stage::check_name(&new.stage).map_err(|error| invalid(&new.name, error.to_string()))?;
    let made = Made::new(store, &new.name)?;
    write_tx!(store.db(), |tx| {
        directory_changed(tx, true, now).await?;
        open_principal(tx, new.principal).await?;
        if current(tx, &new.name).await?.is_some() {
            return Err(Error::Conflict {
                kind: "key held by the server",
                name: new.name.clone(),
                why: "is there already: choose another name, or `countersign key rotate` it",
            });
        }
        made.insert(tx, &actor, new, now).await?;
        Ok(made.public_key.id().clone())
    })
}

/// Puts a new key in the place of a held one: of the same name, principal, stage and scope. The old one signs nothing more, what it
/// signed stays good (unless it was revoked), and its private half is gone.
///
/// # Errors
/// `NotFound` when no key of this name is held, or the account was closed.
pub async fn rotate(
    store: &Store,
    permit: &Permit<ManageKeys>,
    name: &str,
    now: i64,
) -> Result<KeyId> {
    let actor = permit::actor(permit, now)?;
    let made = Made::new(store, name)?;
    write_tx!(store.db(), |tx| {
        directory_changed(tx, true, now).await?;
        let Some(old) = current(tx, name).await? else {
            return Err(Error::not_found("key held by the server", name));
        };
        open_principal(tx, old.principal).await?;
        old.retire(tx, &actor, now).await?;
        let new = NewHeldKey {
            name: name.to_owned(),
            principal: old.principal,
            stage: old.stage,
            scope: old.scope,
        };
        made.insert(tx, &actor, &new, now).await?;
        Ok(made.public_key.id().clone())
    })
}

/// Signs our statement about a manifest of the permit's repository, as the principal of the permit, whose key it must be.
///
/// # Errors
/// `NotFound` when the principal has no such key here, also when somebody else has; `Refused` when the key is for another stage, does not
/// cover the repository, or is revoked.
pub async fn sign(
    store: &Store,
    permit: &Permit<Attach>,
    asked: &Asked,
    now: i64,
) -> Result<HeldSignature> {
    let actor = permit::actor(permit, now)?;
    let Some(repository) = permit.repository() else {
        return Err(refused(&asked.name, "the permit is for no repository"));
    };
    let nonce = Nonce::new(random::bytes::<NONCE_BYTES>()?);
    let key = write_tx!(store.db(), |tx| {
        let key = current(tx, &asked.name).await?;
        let Some(key) = key.filter(|key| actor == Actor::Principal(key.principal)) else {
            return Err(Error::not_found("key held by the server", &asked.name));
        };
        key.may_sign(asked, repository, now)?;
        let detail = json!({
            "key_id": key.key_id, "name": asked.name, "repository": repository, "digest": asked.digest, "stage": asked.stage,
            "nonce": nonce,
        });
        audit::record(tx, &actor, "key.use", key.key_id.as_str(), detail, now).await?;
        Ok(key)
    })?;
    let statement = StageStatement {
        stage: asked.stage.clone(),
        repository: repository.clone(),
        tag: asked.tag.clone(),
        nonce: Some(nonce),
    };
    let failed = |why: String| Error::Crypto {
        what: "signing with a held key",
        why,
    };
    let statement =
        stage::build(&asked.digest, &statement).map_err(|error| failed(error.to_string()))?;
    let bundle = Bundle::sign(&statement, &key.open(store)?)
        .map_err(|error| failed(error.to_string()))?
        .to_json()
        .ok_or_else(|| failed("the bundle cannot be written".to_owned()))?;
    Ok(HeldSignature {
        key_id: key.key_id,
        bundle,
    })
}

/// A key that was just made.
struct Made {
    public_key: PublicKey,
    sealed: Vec<u8>,
}

impl Made {
    /// ECDSA on P-256, which every tool that verifies signatures of images reads.
    fn new(store: &Store, name: &str) -> Result<Self> {
        let failed = |why: String| Error::Crypto {
            what: "making a key to hold",
            why,
        };
        let key = PrivateKey::generate(Algorithm::EcdsaP256).map_err(|e| failed(e.to_string()))?;
        let der = key.to_pkcs8_der().map_err(|e| failed(e.to_string()))?;
        let aad = aad(name, key.public_key().id());
        Ok(Self {
            sealed: store.master().seal(aad.as_bytes(), der.expose_secret())?,
            public_key: key.public_key().clone(),
        })
    }

    /// No proof of possession is asked for: it was made here.
    async fn insert(&self, tx: &mut Tx, actor: &Actor, new: &NewHeldKey, now: i64) -> Result<()> {
        let key_id = self.public_key.id();
        sqlx::query(
            "INSERT INTO signing_keys (key_id, principal_id, name, public_pem, scope, registered_at) VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(key_id.as_str())
        .bind(new.principal.0)
        .bind(new.name.as_str())
        .bind(self.public_key.to_pem())
        .bind(json!(new.scope).to_string())
        .bind(now)
        .execute(tx.conn())
        .await?;
        sqlx::query("INSERT INTO held_keys (key_id, name, stage, sealed, held_since) VALUES ($1, $2, $3, $4, $5)")
            .bind(key_id.as_str())
            .bind(new.name.as_str())
            .bind(new.stage.as_str())
            .bind(self.sealed.as_slice())
            .bind(now)
            .execute(tx.conn())
            .await?;
        let detail = json!({
            "key_id": key_id, "principal": new.principal, "scope": new.scope, "name": new.name, "held_for": new.stage,
        });
        audit::record(tx, actor, "key.register", key_id.as_str(), detail, now).await
    }
}

/// The key of a name, as the database has it.
struct HeldKey {
    key_id: KeyId,
    name: String,
    principal: PrincipalId,
    stage: String,
    scope: Vec<Pattern>,
    sealed: Vec<u8>,
    /// Whether it is revoked, and the first instant whose signatures are distrusted, unless all are.
    revoked: Option<Option<i64>>,
}

impl HeldKey {
    fn read(row: &AnyRow) -> Result<Self> {
        let revoked_at = row.opt_int("revoked_at")?;
        Ok(Self {
            key_id: row.parsed("key_id")?,
            name: row.text("name")?,
            principal: PrincipalId(row.int("principal_id")?),
            stage: row.text("stage")?,
            scope: row.json("scope")?,
            sealed: row.bytes("sealed")?,
            revoked: revoked_at
                .map(|_| row.opt_int("revoked_from"))
                .transpose()?,
        })
    }

    fn may_sign(&self, asked: &Asked, repository: &RepositoryName, now: i64) -> Result<()> {
        if asked.stage != self.stage {
            let why = format!("it is held for the stage `{}` only", self.stage);
            return Err(refused(&self.name, &why));
        }
        if !self.scope.iter().any(|pattern| pattern.matches(repository)) {
            let why = format!("it is not registered for {repository}");
            return Err(refused(&self.name, &why));
        }
        match self.revoked {
            // An end that lies ahead is one.
            Some(from) if from.is_none_or(|from| from <= now) => {
                Err(refused(&self.name, "it is revoked: rotate it"))
            }
            _ => Ok(()),
        }
    }

    fn open(&self, store: &Store) -> Result<PrivateKey> {
        let aad = aad(&self.name, &self.key_id);
        let der = store.master().open(aad.as_bytes(), &self.sealed)?;
        let key = PrivateKey::from_pkcs8_der(&der).map_err(Error::corrupt("held_keys.sealed"))?;
        if *key.public_key().id() != self.key_id {
            return Err(Error::Corrupt {
                what: "held_keys.key_id".to_owned(),
                why: format!("it is not that of the key `{}`", self.name),
            });
        }
        Ok(key)
    }

    /// Takes the private half away; what it signs from now on (nothing) would not count. One that was revoked stays as it was.
    async fn retire(&self, tx: &mut Tx, actor: &Actor, now: i64) -> Result<()> {
        sqlx::query("UPDATE held_keys SET retired_at = $2, sealed = $3 WHERE key_id = $1")
            .bind(self.key_id.as_str())
            .bind(now)
            .bind([].as_slice())
            .execute(tx.conn())
            .await?;
        if self
            .revoked
            .is_some_and(|from| from.is_none_or(|from| from <= now))
        {
            return Ok(());
        }
        sqlx::query(
            "UPDATE signing_keys SET revoked_at = COALESCE(revoked_at, $2), revoked_from = $2 WHERE key_id = $1",
        )
        .bind(self.key_id.as_str())
        .bind(now)
        .execute(tx.conn())
        .await?;
        let detail = json!({"key_id": self.key_id, "from": now});
        audit::record(tx, actor, "key.revoke", self.key_id.as_str(), detail, now).await
    }
}

async fn current(tx: &mut Tx, name: &str) -> Result<Option<HeldKey>> {
    let row = sqlx::query(
        "SELECT h.key_id, h.name, h.stage, h.sealed, k.principal_id, k.scope, k.revoked_at, k.revoked_from \
         FROM held_keys h JOIN signing_keys k ON k.key_id = h.key_id WHERE h.name = $1 AND h.retired_at IS NULL",
    )
    .bind(name)
    .fetch_optional(tx.conn())
    .await?;
    row.as_ref().map(HeldKey::read).transpose()
}

/// What the sealing is bound to: the key opens as this one only.
fn aad(name: &str, key_id: &KeyId) -> String {
    format!("countersign held key\n{name}\n{key_id}")
}

fn invalid(name: &str, why: String) -> Error {
    Error::Invalid {
        what: "key",
        value: name.to_owned(),
        why,
    }
}

fn refused(name: &str, why: &str) -> Error {
    Error::Refused {
        what: "signing",
        why: format!("the key `{name}` does not sign this: {why}"),
    }
}
