//! The server's own keys: made on first use, sealed with the master key, kept in the database, opened into memory once. One
//! key, one purpose; what it signs is a typed statement of `trust`, never bytes that someone chose. DESIGN §5.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use policy::Actor;
use secrecy::ExposeSecret;
use serde_json::json;
use trust::{Algorithm, PrivateKey, PublicKey, SignError, Signer};

use crate::db::{Db, RowExt, write_tx};
use crate::error::{Error, Result};
use crate::{Store, audit};

/// The counter that is raised, and thereby locked, when a key is made.
const LOCK: &str = "server-keys";

/// What a key of the server is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Purpose {
    /// Session tokens of the registry.
    Token,
    /// Signatures of automatic stages.
    Scan,
    /// Receipts: signed decisions.
    Receipt,
    /// Checkpoints of the audit log.
    Checkpoint,
    /// Signatures of webhook deliveries.
    Webhook,
    /// Cosignatures on checkpoints of other logs.
    Witness,
}

impl Purpose {
    /// The name in the database, in what is sealed and in the audit log.
    pub fn as_str(self) -> &'static str {
        match self {
            Purpose::Token => "token",
            Purpose::Scan => "scan",
            Purpose::Receipt => "receipt",
            Purpose::Checkpoint => "checkpoint",
            Purpose::Webhook => "webhook",
            Purpose::Witness => "witness",
        }
    }

    /// ECDSA P-256 where programs of images verify what is signed, Ed25519 where only we do, and in notes, which ask for it.
    fn algorithm(self) -> Algorithm {
        match self {
            Purpose::Scan | Purpose::Receipt => Algorithm::EcdsaP256,
            Purpose::Token | Purpose::Checkpoint | Purpose::Webhook | Purpose::Witness => {
                Algorithm::Ed25519
            }
        }
    }
}

/// A key of the server, ready to sign.
#[derive(Debug)]
pub struct ServerKey {
    purpose: Purpose,
    key: PrivateKey,
}

impl ServerKey {
    /// What it is for.
    pub fn purpose(&self) -> Purpose {
        self.purpose
    }
}

impl Signer for ServerKey {
    fn public_key(&self) -> &PublicKey {
        self.key.public_key()
    }

    fn sign(&self, message: &[u8]) -> std::result::Result<Vec<u8>, SignError> {
        self.key.sign(message)
    }
}

/// The keys that are open.
#[derive(Debug, Default)]
pub(crate) struct Signers(Mutex<BTreeMap<Purpose, Arc<ServerKey>>>);

/// The key in use for a purpose, made where there is none yet.
pub async fn signer(store: &Store, purpose: Purpose, now: i64) -> Result<Arc<ServerKey>> {
    if let Some(open) = opened(store).get(&purpose) {
        return Ok(Arc::clone(open));
    }
    let sealed = match current(store.db(), purpose).await? {
        Some(sealed) => sealed,
        None => create(store, purpose, now).await?,
    };
    let key = Arc::new(ServerKey {
        purpose,
        key: sealed.open(store, purpose)?,
    });
    Ok(Arc::clone(opened(store).entry(purpose).or_insert(key)))
}

/// The public keys of a purpose, retired ones too, the newest first: what others verify the server's signatures with.
pub async fn public_keys(store: &Store, purpose: Purpose) -> Result<Vec<PublicKey>> {
    let rows = sqlx::query(
        "SELECT public_pem FROM server_keys WHERE purpose = $1 ORDER BY created_at DESC, key_id",
    )
    .bind(purpose.as_str())
    .fetch_all(store.db().read())
    .await?;
    rows.iter()
        .map(|row| {
            PublicKey::from_pem(&row.text("public_pem")?)
                .map_err(Error::corrupt("server_keys.public_pem"))
        })
        .collect()
}

/// Seals a secret to its use with the master key: it opens only with the same `aad`.
pub fn seal(store: &Store, aad: &str, secret: &[u8]) -> Result<Vec<u8>> {
    store.master().seal(aad.as_bytes(), secret)
}

/// Opens what `seal` made for the same use.
pub fn open(store: &Store, aad: &str, sealed: &[u8]) -> Result<Vec<u8>> {
    store.master().open(aad.as_bytes(), sealed)
}

fn opened(store: &Store) -> std::sync::MutexGuard<'_, BTreeMap<Purpose, Arc<ServerKey>>> {
    store
        .signers()
        .0
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
}

/// A key as the database has it.
struct Sealed {
    key_id: String,
    sealed: Vec<u8>,
}

impl Sealed {
    fn open(&self, store: &Store, purpose: Purpose) -> Result<PrivateKey> {
        let der = store
            .master()
            .open(aad(purpose, &self.key_id).as_bytes(), &self.sealed)?;
        let key = PrivateKey::from_pkcs8_der(&der).map_err(Error::corrupt("server_keys.sealed"))?;
        if key.public_key().id().to_string() != self.key_id {
            return Err(Error::Corrupt {
                what: "server_keys.key_id".to_owned(),
                why: format!("it is not that of the {} key", purpose.as_str()),
            });
        }
        Ok(key)
    }
}

fn aad(purpose: Purpose, key_id: &str) -> String {
    format!("countersign server key\n{}\n{key_id}", purpose.as_str())
}

const CURRENT: &str = "SELECT key_id, sealed FROM server_keys WHERE purpose = $1 AND retired_at IS NULL \
                       ORDER BY created_at DESC, key_id LIMIT 1";

async fn current(db: &Db, purpose: Purpose) -> Result<Option<Sealed>> {
    let row = sqlx::query(CURRENT)
        .bind(purpose.as_str())
        .fetch_optional(db.read())
        .await?;
    row.map(|row| {
        Ok(Sealed {
            key_id: row.text("key_id")?,
            sealed: row.bytes("sealed")?,
        })
    })
    .transpose()
}

/// Makes a key, unless another process was first: then that one is answered.
async fn create(store: &Store, purpose: Purpose, now: i64) -> Result<Sealed> {
    let fails = |why: &dyn std::fmt::Display| Error::Crypto {
        what: "making a server key",
        why: why.to_string(),
    };
    let key = PrivateKey::generate(purpose.algorithm()).map_err(|error| fails(&error))?;
    let key_id = key.public_key().id().to_string();
    let der = key.to_pkcs8_der().map_err(|error| fails(&error))?;
    let sealed = store
        .master()
        .seal(aad(purpose, &key_id).as_bytes(), der.expose_secret())?;
    let public_pem = key.public_key().to_pem();
    write_tx!(store.db(), |tx| {
        tx.raise(LOCK).await?;
        if let Some(row) = sqlx::query(CURRENT)
            .bind(purpose.as_str())
            .fetch_optional(tx.conn())
            .await?
        {
            return Ok(Sealed {
                key_id: row.text("key_id")?,
                sealed: row.bytes("sealed")?,
            });
        }
        sqlx::query(
                "INSERT INTO server_keys (purpose, key_id, public_pem, sealed, created_at) VALUES ($1, $2, $3, $4, $5)",
            )
            .bind(purpose.as_str())
            .bind(key_id.as_str())
            .bind(public_pem.as_str())
            .bind(sealed.as_slice())
            .bind(now)
            .execute(tx.conn())
            .await?;
        let detail = json!({"purpose": purpose.as_str(), "key_id": key_id});
        audit::record(
            tx,
            &Actor::System("start"),
            "server-key.create",
            purpose.as_str(),
            detail,
            now,
        )
        .await?;
        Ok(Sealed {
            key_id: key_id.clone(),
            sealed: sealed.clone(),
        })
    })
}
