//! Successions: signed by both keys, for this server, attempt and principal, and for nothing else.

use super::*;
use crate::possession;
use crate::testing::{ALGORITHMS, key, key_of};
use crate::{Algorithm, PrivateKey};

const NOW: i64 = 1_800_000_000_000;

fn succession(old: &PrivateKey, new: &PrivateKey) -> Succession {
    Succession {
        server: "registry.example".into(),
        nonce: "mB7v".into(),
        principal: "maria".into(),
        old: old.public_key().id().clone(),
        new: new.public_key().id().clone(),
    }
}

fn verified(
    said: &Succession,
    old: (&PrivateKey, &[u8]),
    new: (&PrivateKey, &[u8]),
) -> Result<Verified<Succession>, SuccessionError> {
    let public = |key: &PrivateKey| RegisteredKey::from(key.public_key().clone());
    said.verify((&public(old.0), old.1), (&public(new.0), new.1), NOW)
}

fn other() -> PrivateKey {
    PrivateKey::generate(Algorithm::EcdsaP256).unwrap()
}

#[test]
fn both_keys_sign_whatever_their_kinds() {
    let old = other();
    for algorithm in ALGORITHMS {
        let new = key_of(algorithm);
        let said = succession(&old, &new);
        let by_old = said.sign(Side::Old, &old).unwrap();
        let by_new = said.sign(Side::New, &new).unwrap();
        let verified = verified(&said, (&old, &by_old), (&new, &by_new)).unwrap();
        assert_eq!(verified.value(), &said);
        assert_eq!(verified.key(), old.public_key().id());
    }
}

#[test]
fn one_signature_is_not_both() {
    let (old, new) = (key(), other());
    let said = succession(&old, &new);
    let by_old = said.sign(Side::Old, &old).unwrap();
    let by_new = said.sign(Side::New, &new).unwrap();
    let refused = |by_old: &[u8], by_new: &[u8]| {
        let error = verified(&said, (&old, by_old), (&new, by_new)).unwrap_err();
        match error {
            SuccessionError::Signature { side, .. } => side,
            other => panic!("{other:?}"),
        }
    };
    // Whoever stole the old key has no new one to show, and whoever has the new one not the old.
    assert_eq!(refused(&by_old, &[]), "new");
    assert_eq!(refused(&by_old, &by_old), "new");
    assert_eq!(refused(&by_new, &by_new), "old");
    assert_eq!(refused(&[], &by_new), "old");
    assert_eq!(refused(&by_new, &by_old), "old");
}

#[test]
fn it_holds_for_one_attempt_only() {
    let (old, new) = (key(), other());
    let said = succession(&old, &new);
    let by_old = said.sign(Side::Old, &old).unwrap();
    let by_new = said.sign(Side::New, &new).unwrap();
    for other in [
        Succession {
            server: "other.example".into(),
            ..said.clone()
        },
        Succession {
            nonce: "mB7w".into(),
            ..said.clone()
        },
        Succession {
            principal: "mallory".into(),
            ..said.clone()
        },
    ] {
        let error = verified(&other, (&old, &by_old), (&new, &by_new)).unwrap_err();
        assert!(
            matches!(error, SuccessionError::Signature { side: "old", .. }),
            "{other:?}"
        );
    }
    // The two in each other's place: the new key does not end.
    let turned = Succession {
        old: said.new.clone(),
        new: said.old.clone(),
        ..said.clone()
    };
    assert!(verified(&turned, (&new, &by_new), (&old, &by_old)).is_err());
    let error = verified(&said, (&new, &by_new), (&old, &by_old)).unwrap_err();
    assert!(matches!(
        error,
        SuccessionError::OtherKey { side: "old", .. }
    ));
}

#[test]
fn no_other_signature_of_a_key_passes_for_it() {
    let (old, new) = (key(), other());
    let said = succession(&old, &new);
    let by_new = said.sign(Side::New, &new).unwrap();
    let bytes = said.to_bytes();
    let (_, json) = bytes.split_at(bytes.iter().position(|byte| *byte == b'{').unwrap());
    let as_possession = dsse::pae(possession::PAYLOAD_TYPE, json);
    for message in [json, &as_possession, &dsse::pae(dsse::IN_TOTO, json)] {
        let signature = old.sign(message).unwrap();
        assert!(verified(&said, (&old, &signature), (&new, &by_new)).is_err());
    }
}

#[test]
fn a_key_is_not_its_own_successor_and_another_key_signs_nothing() {
    let old = key();
    let same = succession(&old, &old);
    assert!(matches!(
        same.sign(Side::Old, &old),
        Err(SuccessionError::Same { .. })
    ));
    let said = succession(&old, &other());
    assert!(matches!(
        said.sign(Side::New, &old),
        Err(SuccessionError::OtherKey { side: "new", .. })
    ));
}

#[test]
fn an_identity_names_no_successor() {
    let (new, identity) = (
        key(),
        crate::SigstoreIdentity::new("https://token.example", "maria@shop.example").unwrap(),
    );
    let said = Succession {
        old: identity.id().clone(),
        ..succession(&other(), &new)
    };
    let identity = RegisteredKey::Sigstore(Box::new(identity));
    let public = RegisteredKey::from(new.public_key().clone());
    let error = said.verify((&identity, &[]), (&public, &[]), NOW);
    assert_eq!(
        error.unwrap_err(),
        SuccessionError::Identity { side: "old" }
    );
}

#[test]
fn values_are_there_and_short() {
    let (old, new) = (key(), other());
    for value in [String::new(), "x".repeat(VALUE_BYTES_MAX + 1)] {
        for broken in [
            Succession {
                server: value.clone(),
                ..succession(&old, &new)
            },
            Succession {
                nonce: value.clone(),
                ..succession(&old, &new)
            },
            Succession {
                principal: value.clone(),
                ..succession(&old, &new)
            },
        ] {
            let error = broken.sign(Side::Old, &old);
            assert!(matches!(error, Err(SuccessionError::Value { .. })));
        }
    }
}

#[test]
fn a_client_reads_what_it_is_asked_to_sign() {
    let said = succession(&key(), &other());
    assert_eq!(Succession::parse(&said.to_bytes()), Ok(said.clone()));
    let spaced = serde_json::to_string_pretty(&said).unwrap();
    let spaced = dsse::pae(PAYLOAD_TYPE, spaced.as_bytes());
    assert_eq!(Succession::parse(&spaced), Err(SuccessionError::Form));
    let json = serde_json::json!(said).to_string();
    let other_type = dsse::pae(possession::PAYLOAD_TYPE, json.as_bytes());
    assert_eq!(Succession::parse(&other_type), Err(SuccessionError::Form));
    assert!(matches!(
        Succession::parse(b"DSSEv1"),
        Err(SuccessionError::Json(_))
    ));
}
