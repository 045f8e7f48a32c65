//! The keys that people and robots sign with. A key belongs to one principal for ever, also once it is revoked, and is
//! registered only with a proof that its private half was at hand. The proof is checked in `trust::possession`; here it is
//! matched with the challenge that this server made, which is used up. Revoking is in `revoking`. DESIGN §3 "What counts".

mod revoking;

use policy::verb::ManageKeys;
use policy::{Actor, Pattern, Permit, PrincipalId};
use serde_json::json;
use sqlx::any::AnyRow;
use trust::possession::Challenge;
use trust::{KeyId, RegisteredKey, Verified};

use crate::accounts::directory_changed;
use crate::db::{RowExt, Tx, write_tx};
use crate::error::{Error, Result};
use crate::evidence::{self, Reread};
use crate::{Store, audit, permit, random};

pub use revoking::{revoke, signed_since, successors};

/// How long a challenge can be answered, in milliseconds.
pub const CHALLENGE_MILLISECONDS: i64 = 10 * 60 * 1000;
/// The longest name of a key, in characters.
const NAME_CHARACTERS_MAX: usize = 128;
/// The most patterns in the scope of one key.
const SCOPE_PATTERNS_MAX: usize = 100;

/// What a client has to sign to prove that it holds a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuedChallenge {
    /// Made for this attempt alone.
    pub nonce: String,
    /// The name of the principal that the key shall belong to.
    pub principal: String,
    /// The key.
    pub key: KeyId,
    /// The first instant at which it can no longer be answered, in milliseconds since the epoch.
    pub expires_at: i64,
}

/// A key to be registered, with the proof.
#[derive(Debug, Clone)]
pub struct Registration {
    /// The challenge that was issued, signed with the key.
    pub proof: Verified<Challenge>,
    /// The public half of the key that made the proof.
    pub public_key: RegisteredKey,
    /// What people call it.
    pub name: String,
    /// The repositories it may sign for.
    pub scope: Vec<Pattern>,
}

/// A name in certificates to be registered. Nobody can prove to hold one: it is whoever the authorities say that it is.
#[derive(Debug, Clone)]
pub struct NewIdentity {
    /// Whose it is to be.
    pub principal: PrincipalId,
    /// The identity; not a key.
    pub identity: RegisteredKey,
    /// What people call it.
    pub name: String,
    /// The repositories it may sign for.
    pub scope: Vec<Pattern>,
}

/// A registered key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRecord {
    /// Its id.
    pub key_id: KeyId,
    /// Whose it is.
    pub principal: PrincipalId,
    /// What people call it.
    pub name: String,
    /// The public half.
    pub public_key: RegisteredKey,
    /// The repositories it may sign for.
    pub scope: Vec<Pattern>,
    /// When it was registered, in milliseconds since the epoch.
    pub registered_at: i64,
    /// When it was revoked, in milliseconds since the epoch.
    pub revoked_at: Option<i64>,
    /// Of a revoked key, the first instant whose signatures are distrusted; `None` when all are.
    pub revoked_from: Option<i64>,
    /// Of a key that the server holds, or held, the stage that it signs for.
    pub held_for: Option<String>,
    /// The key whose place it took, by `succession`.
    pub succeeds: Option<KeyId>,
}

impl KeyRecord {
    /// Whether what it signs at `now`, in milliseconds since the epoch, is distrusted.
    #[must_use]
    pub fn is_revoked(&self, now: i64) -> bool {
        self.revoked_at.is_some() && self.revoked_from.is_none_or(|from| from <= now)
    }
}

/// Issues a challenge for a principal and a key; an earlier one for the same two ends.
pub async fn challenge(
    store: &Store,
    permit: &Permit<ManageKeys>,
    principal: PrincipalId,
    key: &KeyId,
    now: i64,
) -> Result<IssuedChallenge> {
    permit::actor(permit, now)?;
    write_tx!(store.db(), |tx| issue(tx, principal, key, now).await)
}

pub(crate) async fn issue(
    tx: &mut Tx,
    principal: PrincipalId,
    key: &KeyId,
    now: i64,
) -> Result<IssuedChallenge> {
    let nonce = random::hex::<32>()?;
    let expires_at = now.saturating_add(CHALLENGE_MILLISECONDS);
    let name = open_principal(tx, principal).await?;
    sqlx::query(
        "DELETE FROM possession_challenges WHERE expires_at <= $1 OR (principal_id = $2 AND key_id = $3)",
    )
    .bind(now)
    .bind(principal.0)
    .bind(key.as_str())
    .execute(tx.conn())
    .await?;
    sqlx::query(
        "INSERT INTO possession_challenges (nonce, principal_id, key_id, expires_at) VALUES ($1, $2, $3, $4)",
    )
    .bind(nonce.as_str())
    .bind(principal.0)
    .bind(key.as_str())
    .bind(expires_at)
    .execute(tx.conn())
    .await?;
    Ok(IssuedChallenge {
        nonce,
        principal: name,
        key: key.clone(),
        expires_at,
    })
}

/// Registers a key for the principal of its challenge. Registering it again for the same principal changes name and scope, and of an
/// OpenPGP key its subkeys and what binds them.
pub async fn register(
    store: &Store,
    permit: &Permit<ManageKeys>,
    new: &Registration,
    now: i64,
) -> Result<()> {
    let actor = permit::actor(permit, now)?;
    if new.proof.key() != new.public_key.id() {
        return Err(invalid(
            &new.name,
            "the proof was made with another key: sign the challenge with the key to register",
        ));
    }
    let entry = Entry {
        key: &new.public_key,
        name: &new.name,
        scope: &new.scope,
    };
    check_labels(&new.name, &new.scope)?;
    write_tx!(store.db(), |tx| {
        directory_changed(tx, true, now).await?;
        let Challenge {
            nonce,
            key,
            principal,
            ..
        } = new.proof.value();
        let principal = use_up(tx, (nonce, key, principal), now).await?;
        entry.write(tx, &actor, principal, now).await
    })
}

/// Registers a name in certificates. Doing it again for the same principal changes name and scope.
///
/// # Errors
/// `Invalid` for a key: these need a proof.
pub async fn register_identity(
    store: &Store,
    permit: &Permit<ManageKeys>,
    new: &NewIdentity,
    now: i64,
) -> Result<()> {
    let actor = permit::actor(permit, now)?;
    if !new.identity.is_identity() {
        let why = "a key needs a proof that its private half was at hand: sign a challenge with it";
        return Err(invalid(&new.name, why));
    }
    let entry = Entry {
        key: &new.identity,
        name: &new.name,
        scope: &new.scope,
    };
    check_labels(&new.name, &new.scope)?;
    write_tx!(store.db(), |tx| {
        directory_changed(tx, true, now).await?;
        open_principal(tx, new.principal).await?;
        entry.write(tx, &actor, new.principal, now).await
    })
}

/// Every key that was ever registered, in the order of registration. Evidence is verified with all of them: whether a
/// revoked key counts is the gate's affair.
pub async fn list(store: &Store) -> Result<Vec<KeyRecord>> {
    let rows = sqlx::query(
        "SELECT k.key_id, k.principal_id, k.name, k.public_pem, k.scope, k.registered_at, k.revoked_at, k.revoked_from, k.succeeds, h.stage \
         FROM signing_keys k LEFT JOIN held_keys h ON h.key_id = k.key_id ORDER BY k.registered_at, k.key_id",
    )
    .fetch_all(store.db().read())
    .await?;
    rows.iter().map(record).collect()
}

fn record(row: &AnyRow) -> Result<KeyRecord> {
    let public_key = RegisteredKey::parse(&row.text("public_pem")?)
        .map_err(Error::corrupt("signing_keys.public_pem"))?;
    let key_id: KeyId = row.parsed("key_id")?;
    if *public_key.id() != key_id {
        return Err(Error::Corrupt {
            what: "signing_keys.public_pem".to_owned(),
            why: format!("the key of row `{key_id}` is `{}`", public_key.id()),
        });
    }
    Ok(KeyRecord {
        key_id,
        principal: PrincipalId(row.int("principal_id")?),
        name: row.text("name")?,
        public_key,
        scope: row.json("scope")?,
        registered_at: row.int("registered_at")?,
        revoked_at: row.opt_int("revoked_at")?,
        revoked_from: row.opt_int("revoked_from")?,
        held_for: row.opt_text("stage")?,
        succeeds: row.opt_parsed("succeeds")?,
    })
}

pub(crate) async fn open_principal(tx: &mut Tx, principal: PrincipalId) -> Result<String> {
    let row = sqlx::query("SELECT name FROM principals WHERE id = $1 AND active = 1")
        .bind(principal.0)
        .fetch_optional(tx.conn())
        .await?
        .ok_or_else(|| Error::not_found("open account", principal))?;
    row.text("name")
}

/// Takes the challenge that was proved, by its nonce, the new key and the principal's name in it, once, and answers whose key it makes.
pub(crate) async fn use_up(
    tx: &mut Tx,
    (nonce, key, principal_name): (&str, &KeyId, &str),
    now: i64,
) -> Result<PrincipalId> {
    let refused = |why: &str| Error::Refused {
        what: "registering the key",
        why: why.to_owned(),
    };
    let row = sqlx::query("DELETE FROM possession_challenges WHERE nonce = $1 RETURNING principal_id, key_id, expires_at")
        .bind(nonce)
        .fetch_optional(tx.conn())
        .await?
        .ok_or_else(|| refused("the challenge is not one of this server, or was used: ask for a new one"))?;
    if row.int("expires_at")? <= now {
        return Err(refused("the challenge has ended: ask for a new one"));
    }
    let principal = PrincipalId(row.int("principal_id")?);
    let name = open_principal(tx, principal).await?;
    if row.text("key_id")? != key.as_str() || name != principal_name {
        return Err(refused(
            "the challenge was made for another key or principal: ask for a new one",
        ));
    }
    Ok(principal)
}

/// A key stays with the principal it was registered for first, and revoked for ever once it was.
async fn require_free(tx: &mut Tx, key_id: &KeyId, principal: PrincipalId) -> Result<()> {
    let row = sqlx::query("SELECT principal_id, revoked_at FROM signing_keys WHERE key_id = $1")
        .bind(key_id.as_str())
        .fetch_optional(tx.conn())
        .await?;
    let Some(row) = row else { return Ok(()) };
    let conflict = |why| {
        Err(Error::Conflict {
            kind: "key",
            name: key_id.to_string(),
            why,
        })
    };
    if row.int("principal_id")? != principal.0 {
        return conflict("belongs to someone else for ever: generate a new one");
    }
    if row.opt_int("revoked_at")?.is_some() {
        return conflict("was revoked: generate a new one");
    }
    Ok(())
}

/// What is to be written for a principal.
struct Entry<'a> {
    key: &'a RegisteredKey,
    name: &'a str,
    scope: &'a [Pattern],
}

impl Entry<'_> {
    async fn write(
        &self,
        tx: &mut Tx,
        actor: &Actor,
        principal: PrincipalId,
        now: i64,
    ) -> Result<()> {
        let key_id = self.key.id();
        require_free(tx, key_id, principal).await?;
        self.upsert(tx, principal, now).await?;
        // Evidence of this key may have arrived before it.
        let reread = Reread {
            key_id: Some(key_id.clone()),
            ..Reread::default()
        };
        evidence::changed(tx, &reread, now).await?;
        let detail = json!({"key_id": key_id, "principal": principal, "scope": self.scope, "name": self.name});
        audit::record(tx, actor, "key.register", key_id.as_str(), detail, now).await
    }

    async fn upsert(&self, tx: &mut Tx, principal: PrincipalId, now: i64) -> Result<()> {
        let written = sqlx::query(
            "INSERT INTO signing_keys (key_id, principal_id, name, public_pem, scope, registered_at) \
             VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (key_id) DO UPDATE SET name = excluded.name, scope = excluded.scope, \
             public_pem = excluded.public_pem \
             WHERE signing_keys.principal_id = excluded.principal_id AND signing_keys.revoked_at IS NULL",
        )
        .bind(self.key.id().as_str())
        .bind(principal.0)
        .bind(self.name)
        .bind(self.key.to_text())
        .bind(json!(self.scope).to_string())
        .bind(now)
        .execute(tx.conn())
        .await?
        .rows_affected();
        if written == 0 {
            return Err(Error::Conflict {
                kind: "key",
                name: self.key.id().to_string(),
                why: "was registered by someone else meanwhile: generate a new one",
            });
        }
        Ok(())
    }
}

/// What people call a key, and where it may sign.
pub(crate) fn check_labels(name: &str, scope: &[Pattern]) -> Result<()> {
    if name.is_empty()
        || name.chars().count() > NAME_CHARACTERS_MAX
        || name.chars().any(char::is_control)
    {
        let why = "give it a name of at most 128 printable characters";
        return Err(invalid(name, why));
    }
    if scope.is_empty() || scope.len() > SCOPE_PATTERNS_MAX {
        let why = "name the repositories it may sign for, with 1 to 100 patterns";
        return Err(invalid(name, why));
    }
    Ok(())
}

fn invalid(name: &str, why: &str) -> Error {
    Error::Invalid {
        what: "key",
        value: name.chars().take(NAME_CHARACTERS_MAX).collect(),
        why: why.to_owned(),
    }
}
