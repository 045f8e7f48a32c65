//! The keys that sign session tokens. Each process makes its own pair, keeps the private half in memory only, and lets it
//! go after some hours. The public half travels in the token, sealed with the server's master key: a sealed key is one
//! that a process of this server made, so that any of them can check the others' tokens, also after a restart, with
//! nothing to share but the master key.

use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use store::{Store, keys};

use crate::error::broken;

/// How long a process signs with a key, in milliseconds.
const IN_USE: i64 = 12 * 60 * 60 * 1_000;
/// How long the last signature of a key must be believed: as long as an upload may go on after its session ended.
const MARGIN: i64 = super::UPLOAD_MILLISECONDS + 2 * super::SESSION_SECONDS * 1_000;
/// How long a key's signatures are believed.
const LIFETIME: i64 = IN_USE + MARGIN;
/// What the seal says that it is.
const USE: &str = "countersign session key v1";
const PUBLIC_BYTES: usize = 32;

/// A key pair of this process.
pub(crate) struct SessionKey {
    pair: Ed25519KeyPair,
    id: String,
    until: i64,
}

impl SessionKey {
    /// What names the key in a token: its public half and its end, sealed.
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.pair.sign(message).as_ref().to_vec()
    }

    fn generate(store: &Store, now: i64) -> Result<Self, store::Error> {
        let pair =
            Ed25519KeyPair::generate().map_err(|error| broken("making a session key", &error))?;
        let until = now.saturating_add(LIFETIME);
        let voucher = [pair.public_key().as_ref(), &until.to_be_bytes()].concat();
        let id = URL_SAFE_NO_PAD.encode(keys::seal(store, USE, &voucher)?);
        Ok(Self { pair, id, until })
    }

    fn is_fresh(&self, now: i64) -> bool {
        let left = self.until.saturating_sub(now);
        (MARGIN..=LIFETIME).contains(&left)
    }
}

/// The key of this process, made when it is first needed.
#[derive(Default)]
pub(crate) struct SessionKeys(Mutex<Option<Arc<SessionKey>>>);

impl SessionKeys {
    pub(super) fn current(&self, store: &Store, now: i64) -> Result<Arc<SessionKey>, store::Error> {
        let mut current = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(key) = current.as_ref().filter(|key| key.is_fresh(now)) {
            return Ok(Arc::clone(key));
        }
        let key = Arc::new(SessionKey::generate(store, now)?);
        *current = Some(Arc::clone(&key));
        Ok(key)
    }

    /// Until when the key of this name is believed (milliseconds since the epoch), if it is one of this server's, has not
    /// ended, and made the signature.
    pub(super) fn verify(
        &self,
        store: &Store,
        id: &str,
        message: &[u8],
        signature: &[u8],
        now: i64,
    ) -> Option<i64> {
        let voucher = keys::open(store, USE, &URL_SAFE_NO_PAD.decode(id).ok()?).ok()?;
        let (public, until) = voucher.split_at_checked(PUBLIC_BYTES)?;
        let until = i64::from_be_bytes(until.try_into().ok()?);
        let key = UnparsedPublicKey::new(&ED25519, public);
        (now < until && key.verify(message, signature).is_ok()).then_some(until)
    }
}
