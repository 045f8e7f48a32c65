//! Ids of keys, and keys that are none.

use super::*;
use crate::testing::{ALGORITHMS, key_of};
use crate::tuf::author::root_key;
use crate::tuf::gun::Gun;
use crate::{PrivateKey, Signer};

fn id_of(text: &str) -> String {
    hex::encode(Sha256::digest(text))
}

#[test]
fn an_id_is_the_hash_of_the_description_with_an_empty_private_half() {
    let key = Key::new(KeyType::Ed25519, vec![7; 32]);
    let base64 = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=";
    let text =
        format!(r#"{{"keytype":"ed25519","keyval":{{"private":null,"public":"{base64}"}}}}"#);
    assert_eq!(key.id().as_str(), id_of(&text));
    assert_eq!(key.canonical_id().as_ref(), Some(key.id()));
    assert_eq!(key.id().short().len(), 12);

    let quoted = Key::new(KeyType::Other("a\"b".into()), vec![]);
    let text = r#"{"keytype":"a\"b","keyval":{"private":null,"public":""}}"#;
    assert_eq!(quoted.id().as_str(), id_of(text));
}

#[test]
fn our_own_keys_go_there_and_back() {
    for algorithm in ALGORITHMS {
        let signer = key_of(algorithm);
        let key = Key::from(signer.public_key());
        assert_eq!(key.to_public_key().as_ref(), Ok(signer.public_key()));
    }
    let damaged = Key::new(KeyType::Ecdsa, vec![1, 2, 3]);
    assert_eq!(damaged.to_public_key(), Err(KeyError::Unsupported));
    // A key for which anybody can sign.
    let weak = Key::new(KeyType::Ed25519, vec![0; 32]);
    assert_eq!(weak.to_public_key(), Err(KeyError::Unsupported));
}

#[test]
fn a_certificate_has_the_id_of_the_key_inside_as_its_canonical_one() {
    let signer = PrivateKey::generate(Algorithm::EcdsaP256).unwrap();
    let gun = Gun::parse("registry.example/shop/web").unwrap();
    let certified = root_key(&gun, &signer, 1_795_608_000_000).unwrap();
    let bare = Key::from(signer.public_key());
    assert_ne!(certified.id(), bare.id());
    assert_eq!(certified.canonical_id().as_ref(), Some(bare.id()));
    assert_eq!(certified.to_public_key().as_ref(), Ok(signer.public_key()));
    let damaged = Key::new(KeyType::EcdsaX509, b"not a certificate".to_vec());
    assert_eq!(damaged.canonical_id(), None);
}

#[test]
fn reads_what_it_writes() {
    let key = Key::from(key_of(Algorithm::Ed25519).public_key());
    let json = key.to_json();
    assert_eq!(Key::read(&json, "keys"), Ok(key));
    let text = json.to_string();
    assert!(text.contains(r#""private":null"#), "{text}");
}

#[test]
fn refuses_what_is_no_public_key() {
    let key = |private: Value, public: Value| json!({"keytype": "ed25519", "keyval": {"private": private, "public": public}});
    assert!(Key::read(&key(Value::Null, json!("BwcH")), "keys").is_ok());
    for value in [
        key(json!("BwcH"), json!("BwcH")),
        key(Value::Null, json!("BwcH=")),
        key(Value::Null, Value::Null),
        json!({"keytype": "ed25519"}),
        json!({"keytype": "ed25519", "KeyVal": {"public": "BwcH"}, "keyval": {"public": "BwcH"}}),
        json!([]),
    ] {
        assert!(Key::read(&value, "keys").is_err(), "{value}");
    }
}

#[test]
fn an_id_has_64_small_digits() {
    let id = "0a".repeat(32);
    assert_eq!(id.parse::<KeyId>().unwrap().to_string(), id);
    for text in [
        "",
        "0a",
        &id.to_uppercase(),
        &format!("{id}0"),
        &"g".repeat(64),
    ] {
        assert!(KeyId::parse(text).is_err(), "{text}");
    }
}

#[test]
fn a_key_by_itself_reads_back() {
    let key = Key::from(
        PrivateKey::generate(Algorithm::Ed25519)
            .unwrap()
            .public_key(),
    );
    let text = key.to_json().to_string();
    assert_eq!(Key::from_json(text.as_bytes()), Ok(key.clone()));
    assert_eq!(key.certificate_end(), None);
    let private = text.replace("null", r#""AAAA""#);
    assert!(Key::from_json(private.as_bytes()).is_err());
    assert!(Key::from_json(b"{}").is_err());
    assert!(Key::from_json(&[b' '; KEY_BYTES_MAX + 1]).is_err());
}
