//! The keys that people and robots sign with. A key belongs to one principal for ever, also once it is revoked, and is
//! registered only with a proof that its private half was at hand. The proof is checked in `trust::possession`; here it is
//! matched with the challenge that this server made, which is used up. DESIGN §3 "What counts".

use policy::verb::ManageKeys;
use policy::{Actor, Pattern, Permit, PrincipalId};
use serde_json::json;
use sqlx::any::AnyRow;
use trust::possession::Challenge;
use trust::{KeyId, RegisteredKey, Verified};

use crate::accounts::directory_changed;
use crate::db::{RowExt, Tx, write_tx};
use crate::decisions::Subject;
use crate::error::{Error, Result};
use crate::evidence::REVERIFY_EVIDENCE;
use crate::{Store, audit, jobs, permit, random};

/// How long a challenge can be answered, in milliseconds.
pub const CHALLENGE_MILLISECONDS: i64 = 10 * 60 * 1000;
/// The longest name of a key, in characters.
const NAME_CHARACTERS_MAX: usize = 128;
/// The most patterns in the scope of one key.
const SCOPE_PATTERNS_MAX: usize = 100;
/// The most manifests that one call lists.
const SUBJECTS_MAX: u32 = 1_000;

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
    let nonce = random::hex::<32>()?;
    let expires_at = now.saturating_add(CHALLENGE_MILLISECONDS);
    write_tx!(store.db(), |tx| {
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
            nonce: nonce.clone(),
            principal: name,
            key: key.clone(),
            expires_at,
        })
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
        let principal = use_up(tx, new.proof.value(), now).await?;
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

/// Revokes a key for ever: for all that it ever signed, or for what it signed from an instant on, which may lie ahead. One
/// that is revoked already can be revoked from an earlier instant, or altogether.
///
/// # Errors
/// `Conflict` when it is revoked from an earlier instant already.
pub async fn revoke(
    store: &Store,
    permit: &Permit<ManageKeys>,
    key_id: &KeyId,
    from: Option<i64>,
    now: i64,
) -> Result<()> {
    let actor = permit::actor(permit, now)?;
    write_tx!(store.db(), |tx| {
        directory_changed(tx, true, now).await?;
        let row =
            sqlx::query("SELECT revoked_at, revoked_from FROM signing_keys WHERE key_id = $1")
                .bind(key_id.as_str())
                .fetch_optional(tx.conn())
                .await?
                .ok_or_else(|| Error::not_found("key", key_id))?;
        let before = row
            .opt_int("revoked_at")?
            .map(|_| row.opt_int("revoked_from"))
            .transpose()?;
        match before.map_or(Stricter::Yes, |before| stricter(before, from)) {
            Stricter::Yes => {}
            Stricter::Same => return Ok(()),
            Stricter::No => {
                return Err(Error::Conflict {
                    kind: "key",
                    name: key_id.to_string(),
                    why: "is revoked from an earlier instant, or altogether: that stays",
                });
            }
        }
        sqlx::query(
            "UPDATE signing_keys SET revoked_at = COALESCE(revoked_at, $2), revoked_from = $3 WHERE key_id = $1",
        )
        .bind(key_id.as_str())
        .bind(now)
        .bind(from)
        .execute(tx.conn())
        .await?;
        let detail = json!({"key_id": key_id, "from": from});
        audit::record(tx, &actor, "key.revoke", key_id.as_str(), detail, now).await
    })
}

/// Whether a revocation takes more away than the one before it.
enum Stricter {
    Yes,
    Same,
    No,
}

fn stricter(before: Option<i64>, from: Option<i64>) -> Stricter {
    // Without an instant it is from the beginning of time.
    let instant = |from: Option<i64>| from.unwrap_or(i64::MIN);
    match instant(from).cmp(&instant(before)) {
        std::cmp::Ordering::Less => Stricter::Yes,
        std::cmp::Ordering::Equal => Stricter::Same,
        std::cmp::Ordering::Greater => Stricter::No,
    }
}

/// What a key signed from an instant on and nobody withdrew: the manifests that such signatures may count for, which are those
/// that they are attached to and what these list. In a fixed order, after the one given, at most 1,000 at a time.
pub async fn signed_since(
    store: &Store,
    key_id: &KeyId,
    from: Option<i64>,
    after: Option<&Subject>,
    limit: u32,
) -> Result<Vec<Subject>> {
    let rows = sqlx::query(
        "WITH hit AS (SELECT DISTINCT repository_id, attached_to FROM evidence \
         WHERE key_id = $1 AND stored_at >= $2 AND (trusted_at IS NULL OR trusted_at >= $2) \
         AND verdict = 'verified' AND withdrawn_at IS NULL) \
         SELECT m.repository_id, r.name, m.digest FROM (\
           SELECT repository_id, attached_to AS digest FROM hit UNION \
           SELECT c.repository_id, c.digest FROM hit JOIN manifest_references c \
           ON c.repository_id = hit.repository_id AND c.manifest = hit.attached_to AND c.kind = 'child') AS h \
         JOIN manifests m ON m.repository_id = h.repository_id AND m.digest = h.digest \
         JOIN repositories r ON r.id = m.repository_id \
         WHERE m.shape <> 'evidence' AND (m.repository_id > $3 OR (m.repository_id = $3 AND m.digest > $4)) \
         ORDER BY m.repository_id, m.digest LIMIT $5",
    )
    .bind(key_id.as_str())
    .bind(from.unwrap_or(i64::MIN))
    .bind(after.map_or(0, |after| after.repository_id))
    .bind(after.map_or("", |after| after.digest.as_str()))
    .bind(i64::from(limit.min(SUBJECTS_MAX)))
    .fetch_all(store.db().read())
    .await?;
    rows.iter()
        .map(|row| {
            Ok(Subject {
                repository_id: row.int("repository_id")?,
                repository: row.parsed("name")?,
                digest: row.digest("digest")?,
            })
        })
        .collect()
}

/// Every key that was ever registered, in the order of registration. Evidence is verified with all of them: whether a
/// revoked key counts is the gate's affair.
pub async fn list(store: &Store) -> Result<Vec<KeyRecord>> {
    let rows = sqlx::query(
        "SELECT k.key_id, k.principal_id, k.name, k.public_pem, k.scope, k.registered_at, k.revoked_at, k.revoked_from, h.stage \
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

/// Takes the challenge that was proved, once, and answers whose key it makes.
async fn use_up(tx: &mut Tx, proved: &Challenge, now: i64) -> Result<PrincipalId> {
    let refused = |why: &str| Error::Refused {
        what: "registering the key",
        why: why.to_owned(),
    };
    let row = sqlx::query("DELETE FROM possession_challenges WHERE nonce = $1 RETURNING principal_id, key_id, expires_at")
        .bind(proved.nonce.as_str())
        .fetch_optional(tx.conn())
        .await?
        .ok_or_else(|| refused("the challenge is not one of this server, or was used: ask for a new one"))?;
    if row.int("expires_at")? <= now {
        return Err(refused("the challenge has ended: ask for a new one"));
    }
    let principal = PrincipalId(row.int("principal_id")?);
    let name = open_principal(tx, principal).await?;
    if row.text("key_id")? != proved.key.as_str() || name != proved.principal {
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
        let payload = json!({"key_id": key_id});
        jobs::enqueue(tx, REVERIFY_EVIDENCE, key_id.as_str(), payload, now).await?;
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
