//! Keys as TUF 1.0 lists them, section 4.2.2: PEM, or the point in hexadecimal. They become the same [`Key`] as in the Notary dialect, so
//! that one key is one key however it is written. Deliberately without trust in ids: an id is only the name that a file gives a key.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::key::{Algorithm, PublicKey};
use crate::pem;
use crate::tuf::fields::Fields;
use crate::tuf::key::{Key, KeyId, KeyType};
use crate::tuf::problem::Problem;

/// The most keys of one file.
const KEYS_MAX: usize = 4096;

/// Reads `keys`: each key under the id by which this file names it.
pub(super) fn read_keys(fields: &Fields<'_>) -> Result<BTreeMap<KeyId, Key>, Problem> {
    let at = fields.path("keys");
    let mut keys = BTreeMap::new();
    for (listed, value) in fields.members("keys")? {
        if keys.len() == KEYS_MAX {
            return Err(Problem::TooMany {
                what: "keys in one file",
                max: KEYS_MAX,
            });
        }
        let id = KeyId::parse(listed)
            .map_err(|_| fields.fault("keys", "has an id that is no sha-256 in hexadecimal"))?;
        keys.insert(id, read_key(value, &at)?);
    }
    Ok(keys)
}

/// A key that is damaged, or of a kind that is not known, may be listed; no signature counts for it.
fn read_key(value: &Value, at: &str) -> Result<Key, Problem> {
    let fields = Fields::of(value, at, &["keytype", "scheme", "keyval"])?;
    let (keytype, scheme) = (fields.text("keytype")?, fields.text("scheme")?);
    let keyval = fields.value("keyval").unwrap_or(&Value::Null);
    let keyval = Fields::of(keyval, &fields.path("keyval"), &["public"])?;
    let public = keyval.text("public")?;
    let known = match (keytype, scheme) {
        ("ed25519", "ed25519") => own(Algorithm::Ed25519, public),
        // sigstore's first roots call the type as the scheme.
        ("ecdsa" | "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp256") => {
            own(Algorithm::EcdsaP256, public)
        }
        ("ecdsa" | "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp384") => {
            own(Algorithm::EcdsaP384, public)
        }
        ("rsa", "rsassa-pss-sha256") => der(public).map(|der| Key::new(KeyType::Rsa, der)),
        _ => None,
    };
    Ok(known.unwrap_or_else(|| {
        let keytype = KeyType::Other(format!("{keytype}/{scheme}").into());
        Key::new(keytype, public.as_bytes().to_vec())
    }))
}

fn own(algorithm: Algorithm, public: &str) -> Option<Key> {
    let key = match hex::decode(public) {
        Ok(point) => PublicKey::from_point(algorithm, &point),
        Err(_) => PublicKey::from_der(&der(public)?),
    };
    let key = key.ok().filter(|key| key.algorithm() == algorithm)?;
    Some(Key::from(&key))
}

fn der(public: &str) -> Option<Vec<u8>> {
    pem::decode(public, &["PUBLIC KEY"]).ok()
}

/// TUF 4.3: for any id in a repository's files, only one key has it.
#[derive(Debug, Clone, Default)]
pub(super) struct Names(BTreeMap<KeyId, KeyId>);

impl Names {
    /// Takes the keys that a believed file lists.
    pub(super) fn add(&mut self, keys: &BTreeMap<KeyId, Key>) -> Result<(), Problem> {
        let differs = |(listed, key): &(&KeyId, &Key)| {
            self.0.get(listed).is_some_and(|known| known != key.id())
        };
        if let Some((listed, _)) = keys.iter().find(differs) {
            let listed = listed.clone();
            return Err(Problem::KeyName { listed });
        }
        let added = keys.iter();
        self.0
            .extend(added.map(|(listed, key)| (listed.clone(), key.id().clone())));
        Ok(())
    }
}

#[cfg(test)]
mod tests;
