//! Keys as TUF 1.0 lists them: each way to write one, and what is no key.

use serde_json::{Value, json};

use super::*;
use crate::private::{PrivateKey, Signer as _};
use crate::tuf::material::Material;

fn read(keys: &Value) -> Result<BTreeMap<KeyId, Key>, Problem> {
    let signed = json!({"keys": keys});
    read_keys(&Fields::of(&signed, "root.signed", &["keys"]).unwrap())
}

fn one(key: Value) -> Key {
    let keys = read(&json!({"a".repeat(64): key})).unwrap();
    keys.into_values().next().unwrap()
}

fn described(keytype: &str, scheme: &str, public: &str) -> Value {
    json!({"keytype": keytype, "scheme": scheme, "keyval": {"public": public}, "x-owner": "@maria"})
}

#[test]
fn one_key_is_one_key_however_it_is_written() {
    let signer = PrivateKey::generate(Algorithm::EcdsaP256).unwrap();
    let (point, pem) = (
        hex::encode(signer.public_key().point()),
        signer.public_key().to_pem(),
    );
    let scheme = "ecdsa-sha2-nistp256";
    let written = [
        described("ecdsa", scheme, &pem),
        described("ecdsa", scheme, &point),
        described(scheme, scheme, pem.trim_end()),
    ];
    for key in written {
        assert_eq!(one(key), Key::from(signer.public_key()));
    }
}

#[test]
fn the_scheme_says_how_a_key_signs() {
    for (algorithm, keytype, scheme) in [
        (Algorithm::EcdsaP256, "ecdsa", "ecdsa-sha2-nistp256"),
        (Algorithm::EcdsaP384, "ecdsa", "ecdsa-sha2-nistp384"),
        (Algorithm::Ed25519, "ed25519", "ed25519"),
    ] {
        let signer = PrivateKey::generate(algorithm).unwrap();
        let signature = signer.sign(b"a file").unwrap();
        let key = one(described(keytype, scheme, &signer.public_key().to_pem()));
        let material = Material::of(&key).unwrap();
        assert!(
            material.has_signed_as_specified(b"a file", &signature),
            "{scheme}"
        );
        assert!(
            !material.has_signed_as_specified(b"another", &signature),
            "{scheme}"
        );
        assert!(
            !material.has_signed_as_specified(b"a file", &[0; 2000]),
            "{scheme}"
        );
        assert!(
            !material.has_signed_as_specified(b"a file", &[]),
            "{scheme}"
        );
    }
}

#[test]
fn what_is_not_known_is_listed_and_signs_nothing() {
    let signer = PrivateKey::generate(Algorithm::EcdsaP256).unwrap();
    let pem = signer.public_key().to_pem();
    for key in [
        described("ecdsa", "ecdsa-sha2-nistp384", &pem),
        described("ecdsa", "ecdsa-sha2-nistp521", &pem),
        described("ed25519", "ed25519", &pem),
        described("rsa", "rsa-pkcs1v15-sha256", &pem),
        described("rsa", "rsassa-pss-sha256", &pem),
        described("sphincs", "sphincs-shake-128s", "00"),
        described("ed25519", "ed25519", "not a key"),
        // The point of small order, for which anybody can sign.
        described("ed25519", "ed25519", &format!("01{}", "00".repeat(31))),
    ] {
        assert!(Material::of(&one(key.clone())).is_none(), "{key}");
    }
}

#[test]
fn a_key_must_be_described() {
    for key in [
        json!("a key"),
        json!({"keytype": "ed25519", "scheme": "ed25519"}),
        json!({"keytype": "ed25519", "keyval": {"public": "00"}}),
        json!({"keytype": "ed25519", "scheme": "ed25519", "keyval": {"public": 1}}),
    ] {
        assert!(read(&json!({"a".repeat(64): key})).is_err(), "{key}");
    }
    let key = described("ed25519", "ed25519", "00");
    for id in ["", "abc", &"A".repeat(64), &"g".repeat(64)] {
        assert!(read(&json!({id: key})).is_err(), "{id}");
    }
}

#[test]
fn an_id_keeps_its_key() {
    let key = || {
        let signer = PrivateKey::generate(Algorithm::Ed25519).unwrap();
        Key::from(signer.public_key())
    };
    let (one, other) = (key(), key());
    let listed = |id: &str, key: &Key| BTreeMap::from([(KeyId::parse(id).unwrap(), key.clone())]);
    let (a, b) = ("a".repeat(64), "b".repeat(64));
    let mut names = Names::default();
    names.add(&listed(&a, &one)).unwrap();
    names.add(&listed(&a, &one)).unwrap();
    // Two ids for one key are no harm: they count once.
    names.add(&listed(&b, &one)).unwrap();
    let problem = names.add(&listed(&a, &other)).unwrap_err();
    let listed = KeyId::parse(&a).unwrap();
    assert_eq!(problem, Problem::KeyName { listed });
}
