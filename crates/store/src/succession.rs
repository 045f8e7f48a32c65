//! A new key in the place of an old one, by whoever holds both. No role is asked for: whose key it is, where it counts and what it is
//! called stay as `security` said of the old one, and that one ends in the same transaction, so that nothing is gained that the old key
//! did not give. What a stolen key could leave behind goes with it: whoever revokes a key from an instant before its succession revokes
//! what succeeded it as well (`signing_keys::revoke`). The statement and its two signatures are checked in `trust::succession`.

use policy::{Actor, Pattern, PrincipalId};
use serde_json::json;
use sqlx::any::AnyRow;
use trust::succession::Succession;
use trust::{KeyId, RegisteredKey, Verified};

use crate::accounts::{By, directory_changed};
use crate::db::{RowExt, Tx, write_tx};
use crate::error::{Error, Result};
use crate::evidence::{self, Reread};
use crate::outbox::{self, NewEvent};
use crate::signing_keys::{IssuedChallenge, issue, open_principal, use_up};
use crate::{Store, audit};

const KIND: &str = "key.rotated";

/// A key to be put in the place of another.
#[derive(Debug, Clone)]
pub struct Rotation {
    /// The statement that was issued, signed with both keys.
    pub proof: Verified<Succession>,
    /// The public half of the new key.
    pub public_key: RegisteredKey,
}

/// Issues a statement for the two keys, which the owner of the old one, or of the robot whose it is, asks for; an earlier one for the new
/// key ends.
///
/// # Errors
/// `NotFound` when there is no such key, or the account is closed; `Refused` when it is somebody else's; `Conflict` when the old key is
/// revoked, held by the server or an identity, or the new one is registered.
pub async fn challenge(
    store: &Store,
    by: &By<'_>,
    old: &KeyId,
    new: &KeyId,
    now: i64,
) -> Result<IssuedChallenge> {
    write_tx!(store.db(), |tx| {
        let before = Old::read(tx, old).await?;
        by.actor(tx.conn(), before.principal, now).await?;
        before.check()?;
        require_unknown(tx, new).await?;
        issue(tx, before.principal, new, now).await
    })
}

/// Registers the new key as the old one was, and ends the old one: what it signs from `now` on does not count, what it signed stays good.
/// One act of the audit log, and one event.
///
/// # Errors
/// As [`challenge`]; `Refused` also for a statement that is not one of this server, was used or has ended.
pub async fn rotate(store: &Store, by: &By<'_>, rotation: &Rotation, now: i64) -> Result<()> {
    let said = rotation.proof.value();
    if rotation.proof.key() != &said.old || rotation.public_key.id() != &said.new {
        return Err(Error::Refused {
            what: "rotating the key",
            why: "the statement was signed for other keys: ask for a new one".to_owned(),
        });
    }
    write_tx!(store.db(), |tx| {
        directory_changed(tx, true, now).await?;
        let old = Old::read(tx, &said.old).await?;
        let actor = by.actor(tx.conn(), old.principal, now).await?;
        old.check()?;
        require_unknown(tx, &said.new).await?;
        let used = (said.nonce.as_str(), &said.new, said.principal.as_str());
        let principal = use_up(tx, used, now).await?;
        if principal != old.principal {
            return Err(Error::Refused {
                what: "rotating the key",
                why: "the statement was made for somebody else: ask for a new one".to_owned(),
            });
        }
        old.end(tx, now).await?;
        old.insert_next(tx, &rotation.public_key, now).await?;
        old.tell(tx, &actor, said, now).await
    })
}

/// The key that ends, as the database has it.
struct Old {
    key_id: KeyId,
    principal: PrincipalId,
    name: String,
    scope: Vec<Pattern>,
    is_identity: bool,
    is_held: bool,
    is_revoked: bool,
}

impl Old {
    async fn read(tx: &mut Tx, key_id: &KeyId) -> Result<Self> {
        let row = sqlx::query(
            "SELECT k.principal_id, k.name, k.scope, k.public_pem, k.revoked_at, h.stage FROM signing_keys k \
             LEFT JOIN held_keys h ON h.key_id = k.key_id WHERE k.key_id = $1",
        )
        .bind(key_id.as_str())
        .fetch_optional(tx.conn())
        .await?
        .ok_or_else(|| Error::not_found("key", key_id))?;
        let old = Self::of(key_id, &row)?;
        open_principal(tx, old.principal).await?;
        Ok(old)
    }

    fn of(key_id: &KeyId, row: &AnyRow) -> Result<Self> {
        let key = RegisteredKey::parse(&row.text("public_pem")?)
            .map_err(Error::corrupt("signing_keys.public_pem"))?;
        Ok(Self {
            key_id: key_id.clone(),
            principal: PrincipalId(row.int("principal_id")?),
            name: row.text("name")?,
            scope: row.json("scope")?,
            is_identity: key.is_identity(),
            is_held: row.opt_text("stage")?.is_some(),
            is_revoked: row.opt_int("revoked_at")?.is_some(),
        })
    }

    /// Also a key whose end was set ahead has no successor: whoever set it did not mean the scope to live on.
    fn check(&self) -> Result<()> {
        let why = match self {
            Self {
                is_revoked: true, ..
            } => "is revoked: ask someone with the role `security` to register another one",
            Self { is_held: true, .. } => {
                "is held by the server: `countersign key rotate server:NAME`"
            }
            Self {
                is_identity: true, ..
            } => "is a name in certificates: the authority issues the next certificate for it",
            _ => return Ok(()),
        };
        Err(Error::Conflict {
            kind: "key",
            name: self.key_id.to_string(),
            why,
        })
    }

    async fn end(&self, tx: &mut Tx, now: i64) -> Result<()> {
        sqlx::query("UPDATE signing_keys SET revoked_at = $2, revoked_from = $2 WHERE key_id = $1")
            .bind(self.key_id.as_str())
            .bind(now)
            .execute(tx.conn())
            .await?;
        Ok(())
    }

    async fn insert_next(&self, tx: &mut Tx, key: &RegisteredKey, now: i64) -> Result<()> {
        sqlx::query(
            "INSERT INTO signing_keys (key_id, principal_id, name, public_pem, scope, registered_at, succeeds) \
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(key.id().as_str())
        .bind(self.principal.0)
        .bind(self.name.as_str())
        .bind(key.to_text())
        .bind(json!(self.scope).to_string())
        .bind(now)
        .bind(self.key_id.as_str())
        .execute(tx.conn())
        .await?;
        // Evidence of the new key may have arrived before it.
        let reread = Reread {
            key_id: Some(key.id().clone()),
            ..Reread::default()
        };
        evidence::changed(tx, &reread, now).await
    }

    /// Nobody with the role `security` took part: it is told to them.
    async fn tell(&self, tx: &mut Tx, actor: &Actor, said: &Succession, now: i64) -> Result<()> {
        let detail = json!({
            "key_id": said.new, "principal": self.principal, "scope": self.scope, "name": self.name,
            "succeeds": self.key_id, "from": now,
        });
        audit::record(tx, actor, "key.rotate", said.new.as_str(), detail, now).await?;
        let event = NewEvent {
            kind: KIND,
            ordering_key: self.key_id.to_string(),
            repository: None,
            digest: None,
            data: json!({
                "key": said.new, "succeeds": self.key_id, "name": self.name, "principal": said.principal, "scope": self.scope,
            }),
        };
        outbox::emit(tx, event, now).await
    }
}

/// A key that is registered has an owner and a scope already: it takes nobody's place.
async fn require_unknown(tx: &mut Tx, key_id: &KeyId) -> Result<()> {
    let row = sqlx::query("SELECT key_id FROM signing_keys WHERE key_id = $1")
        .bind(key_id.as_str())
        .fetch_optional(tx.conn())
        .await?;
    match row {
        None => Ok(()),
        Some(_) => Err(Error::Conflict {
            kind: "key",
            name: key_id.to_string(),
            why: "is registered already: generate a new one",
        }),
    }
}
