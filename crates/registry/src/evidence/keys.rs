//! The keys that signatures are read with.

use crate::error::Result;
use oci::RepositoryName;
use store::Store;
use trust::{NotationIdentity, OpenPgpKey, PublicKey, RegisteredKey, SigstoreIdentity};

/// The keys of people and robots, by what reads their signatures.
#[derive(Debug, Default)]
pub(super) struct Keys {
    pub(super) plain: Vec<PublicKey>,
    pub(super) openpgp: Vec<OpenPgpKey>,
    pub(super) sigstore: Vec<SigstoreIdentity>,
    pub(super) notation: Vec<NotationIdentity>,
}

/// All registered keys, revoked ones too: a signature by one of these gets its own reason. Those whose scope has the repository `here`
/// are tried first.
pub(super) async fn registered_keys(store: &Store, here: Option<&RepositoryName>) -> Result<Keys> {
    let (mut keys, mut elsewhere) = (Keys::default(), Vec::new());
    for record in store::signing_keys::list(store).await? {
        let scope = &record.scope;
        let is_here = here.is_none_or(|here| scope.iter().any(|pattern| pattern.matches(here)));
        match record.public_key {
            RegisteredKey::Plain(key) if is_here => keys.plain.push(key),
            RegisteredKey::Plain(key) => elsewhere.push(key),
            RegisteredKey::OpenPgp(key) => keys.openpgp.push(*key),
            RegisteredKey::Sigstore(identity) => keys.sigstore.push(*identity),
            RegisteredKey::Notation(identity) => keys.notation.push(*identity),
        }
    }
    keys.plain.extend(elsewhere);
    Ok(keys)
}
