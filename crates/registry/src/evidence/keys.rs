//! The keys that signatures are read with, and in which order.

use crate::error::Result;
use oci::RepositoryName;
use std::mem::discriminant;
use store::Store;
use store::signing_keys::KeyRecord;
use trust::{KeyId, NotationIdentity, OpenPgpKey, PublicKey, RegisteredKey, SigstoreIdentity};

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
pub(super) async fn registered_keys(store: &Store, here: &RepositoryName) -> Result<Keys> {
    let records = store::signing_keys::list(store).await?;
    Ok(Keys::of(records, here))
}

impl Keys {
    fn of(records: Vec<KeyRecord>, here: &RepositoryName) -> Self {
        // Of identities all are looked at, and of two that are meant as closely the one counts that was registered first.
        let is_first = |record: &KeyRecord| {
            record.scope.iter().any(|pattern| pattern.matches(here))
                || record.public_key.is_identity()
        };
        let (first, elsewhere): (Vec<_>, Vec<_>) = records.into_iter().partition(is_first);
        first.into_iter().chain(elsewhere).collect()
    }

    /// The key that is new. With an identity come the others of its kind: of several that a certificate fits, the one counts that is meant
    /// most closely. Nothing where it is not registered.
    pub(super) fn with_new(records: Vec<KeyRecord>, key_id: &KeyId) -> Self {
        let new = records.iter().find(|record| record.key_id == *key_id);
        let identities = new
            .filter(|new| new.public_key.is_identity())
            .map(|new| discriminant(&new.public_key));
        let is_tried = |record: &KeyRecord| {
            record.key_id == *key_id || identities == Some(discriminant(&record.public_key))
        };
        records.into_iter().filter(is_tried).collect()
    }

    /// The identities alone.
    pub(super) fn identities(records: Vec<KeyRecord>) -> Self {
        let is_identity = |record: &KeyRecord| record.public_key.is_identity();
        records.into_iter().filter(is_identity).collect()
    }
}

impl FromIterator<KeyRecord> for Keys {
    fn from_iter<I: IntoIterator<Item = KeyRecord>>(records: I) -> Self {
        let mut keys = Self::default();
        for record in records {
            match record.public_key {
                RegisteredKey::Plain(key) => keys.plain.push(key),
                RegisteredKey::OpenPgp(key) => keys.openpgp.push(*key),
                RegisteredKey::Sigstore(identity) => keys.sigstore.push(*identity),
                RegisteredKey::Notation(identity) => keys.notation.push(*identity),
            }
        }
        keys
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use policy::PrincipalId;
    use trust::{Algorithm, PrivateKey, Signer};

    fn record(public_key: RegisteredKey, scope: &str) -> KeyRecord {
        KeyRecord {
            key_id: public_key.id().clone(),
            principal: PrincipalId(1),
            name: "key".to_owned(),
            public_key,
            scope: vec![scope.parse().unwrap()],
            registered_at: 0,
            revoked_at: None,
            revoked_from: None,
            held_for: None,
            succeeds: None,
        }
    }

    fn plain(scope: &str) -> KeyRecord {
        let key = PrivateKey::generate(Algorithm::EcdsaP256).unwrap();
        record(RegisteredKey::Plain(key.public_key().clone()), scope)
    }

    fn openpgp(name: &str, scope: &str) -> KeyRecord {
        let path = format!(
            "{}/../trust/tests/data/openpgp/{name}.asc",
            env!("CARGO_MANIFEST_DIR")
        );
        let key = OpenPgpKey::parse(&std::fs::read(path).unwrap()).unwrap();
        record(RegisteredKey::OpenPgp(Box::new(key)), scope)
    }

    fn keyless(subject: &str, scope: &str) -> KeyRecord {
        let identity = SigstoreIdentity::new("https://login.example", subject).unwrap();
        record(RegisteredKey::Sigstore(Box::new(identity)), scope)
    }

    fn ids<'a>(ids: impl Iterator<Item = &'a KeyId>) -> Vec<KeyId> {
        ids.cloned().collect()
    }

    #[test]
    fn keys_for_the_repository_are_tried_before_all_others_and_identities_as_they_came() {
        let records = vec![
            plain("shop/api"),
            plain("shop/web"),
            openpgp("rsa", "other/**"),
            openpgp("alice", "shop/**"),
            plain("**"),
            keyless("elsewhere", "other/**"),
            keyless("here", "shop/**"),
        ];
        let id = |number: usize| records[number].key_id.clone();
        let keys = Keys::of(records.clone(), &"shop/web".parse().unwrap());
        let plain = ids(keys.plain.iter().map(PublicKey::id));
        assert_eq!(plain, [id(1), id(4), id(0)]);
        let openpgp = ids(keys.openpgp.iter().map(OpenPgpKey::id));
        assert_eq!(openpgp, [id(3), id(2)]);
        let sigstore = ids(keys.sigstore.iter().map(SigstoreIdentity::id));
        assert_eq!(sigstore, [id(5), id(6)]);
    }

    #[test]
    fn a_new_key_is_tried_alone_and_a_new_identity_beside_its_like() {
        let records = vec![
            plain("**"),
            plain("**"),
            keyless("one", "**"),
            openpgp("alice", "**"),
            keyless("other", "**"),
        ];
        let with = |number: usize| Keys::with_new(records.clone(), &records[number].key_id);
        let count = |keys: &Keys| {
            let Keys {
                plain,
                openpgp,
                sigstore,
                notation,
            } = keys;
            [plain.len(), openpgp.len(), sigstore.len(), notation.len()]
        };
        assert_eq!(count(&with(1)), [1, 0, 0, 0]);
        assert_eq!(with(1).plain[0].id(), &records[1].key_id);
        assert_eq!(count(&with(3)), [0, 1, 0, 0]);
        assert_eq!(count(&with(4)), [0, 0, 2, 0]);
        assert_eq!(count(&Keys::identities(records.clone())), [0, 0, 2, 0]);
        let unknown = plain("**").key_id;
        assert_eq!(count(&Keys::with_new(records, &unknown)), [0; 4]);
    }
}
