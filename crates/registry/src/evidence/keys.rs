//! The keys that signatures are read with.

use crate::error::Result;
use store::Store;
use trust::{NotationIdentity, OpenPgpKey, PublicKey, RegisteredKey, SigstoreIdentity};

/// The keys of people and robots, by what reads their signatures.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    pub(super) plain: Vec<PublicKey>,
    pub(super) openpgp: Vec<OpenPgpKey>,
    pub(super) sigstore: Vec<SigstoreIdentity>,
    pub(super) notation: Vec<NotationIdentity>,
}

/// All registered keys, revoked ones too: a signature by one of these gets its own reason.
pub(crate) async fn registered_keys(store: &Store) -> Result<Keys> {
    let mut keys = Keys::default();
    for record in store::signing_keys::list(store).await? {
        match record.public_key {
            RegisteredKey::Plain(key) => keys.plain.push(key),
            RegisteredKey::OpenPgp(key) => keys.openpgp.push(*key),
            RegisteredKey::Sigstore(identity) => keys.sigstore.push(*identity),
            RegisteredKey::Notation(identity) => keys.notation.push(*identity),
        }
    }
    Ok(keys)
}
