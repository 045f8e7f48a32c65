//! Key files: cosign's are opened, ours have cosign's form, and what was changed or costs too much stays shut.

use serde_json::Value;

use super::*;
use crate::private::Signer;
use crate::testing::{ALGORITHMS, cosign, key_of, openssl};
use crate::{Algorithm, PublicKey};

fn password() -> SecretString {
    "hunter2".into()
}

/// The JSON inside a key file, changed.
fn changed(text: &str, pointer: &str, value: Value) -> String {
    let mut json: Value = serde_json::from_slice(&pem::decode(text, &[LABEL]).unwrap()).unwrap();
    *json.pointer_mut(pointer).unwrap() = value;
    pem::encode(LABEL, json.to_string().as_bytes())
}

#[test]
fn opens_what_cosign_sealed() {
    for name in ["p256", "p384", "ed25519"] {
        let key = open(&cosign(&format!("{name}.key")), &password()).unwrap();
        let public = PublicKey::from_pem(&cosign(&format!("{name}.pub"))).unwrap();
        assert_eq!(key.public_key(), &public, "{name}");
    }
}

#[test]
fn opens_the_old_label() {
    let old = cosign("ed25519.key").replace(LABEL, OLD_LABEL);
    assert!(open(&old, &password()).is_ok());
}

#[test]
fn opens_what_it_sealed_and_seals_as_cosign_does() {
    let key = key_of(Algorithm::EcdsaP256);
    let (one, other) = (
        seal(&key, &password()).unwrap(),
        seal(&key, &password()).unwrap(),
    );
    assert_ne!(one, other, "salt and nonce are new each time");
    assert_eq!(
        open(&one, &password()).unwrap().public_key(),
        key.public_key()
    );
    let json: Value = serde_json::from_slice(&pem::decode(&one, &[LABEL]).unwrap()).unwrap();
    let theirs: Value =
        serde_json::from_slice(&pem::decode(&cosign("p256.key"), &[LABEL]).unwrap()).unwrap();
    assert_eq!(json["kdf"]["params"], theirs["kdf"]["params"]);
    for field in ["/kdf/salt", "/cipher/nonce"] {
        let length = |json: &Value| json.pointer(field).unwrap().as_str().unwrap().len();
        assert_eq!(length(&json), length(&theirs), "{field}");
    }
}

#[test]
fn another_password_or_a_changed_file_stays_shut() {
    let file = cosign("ed25519.key");
    assert_eq!(
        open(&file, &"hunter3".into()).unwrap_err(),
        KeyFileError::Password
    );
    let json: Value = serde_json::from_slice(&pem::decode(&file, &[LABEL]).unwrap()).unwrap();
    let mut ciphertext = from_base64(json["ciphertext"].as_str().unwrap()).unwrap();
    ciphertext[20] ^= 1;
    let file = changed(&file, "/ciphertext", to_base64(&ciphertext).into());
    assert_eq!(
        open(&file, &password()).unwrap_err(),
        KeyFileError::Password
    );
    let short = changed(&file, "/ciphertext", "".into());
    assert_eq!(
        open(&short, &password()).unwrap_err(),
        KeyFileError::Password
    );
}

#[test]
fn a_file_that_costs_too_much_is_refused_before_it_costs() {
    let file = cosign("ed25519.key");
    let costs: [(u64, u32, u32); 8] = [
        (1 << 19, 8, 1),
        (1 << 40, 8, 1),
        (u64::MAX, 8, 1),
        (65_536, u32::MAX, 1),
        (65_536, 8, 9),
        (65_535, 8, 1),
        (1, 8, 1),
        (0, 0, 0),
    ];
    for (n, r, p) in costs {
        let file = changed(
            &file,
            "/kdf/params",
            serde_json::json!({"N": n, "r": r, "p": p}),
        );
        assert_eq!(
            open(&file, &password()).unwrap_err(),
            KeyFileError::Cost { n, r, p }
        );
    }
}

#[test]
fn other_forms_are_named() {
    let file = cosign("ed25519.key");
    let unsupported = |name: &str| KeyFileError::Unsupported(name.into());
    let cases = [
        ("/kdf/name", "argon2", unsupported("argon2")),
        ("/cipher/name", "aes", unsupported("aes")),
        ("/kdf/salt", "?", KeyFileError::Field("salt")),
        ("/cipher/nonce", "AAAA", KeyFileError::Field("nonce")),
        ("/ciphertext", "?", KeyFileError::Field("ciphertext")),
    ];
    for (pointer, value, error) in cases {
        assert_eq!(
            open(&changed(&file, pointer, value.into()), &password()).unwrap_err(),
            error,
            "{pointer}"
        );
    }
    assert!(matches!(
        open(&cosign("p256.pub"), &password()),
        Err(KeyFileError::Pem(PemError::Label { .. }))
    ));
    let twice = pem::encode(LABEL, br#"{"kdf":{},"kdf":{}}"#);
    assert_eq!(
        open(&twice, &password()).unwrap_err(),
        JsonError::DuplicateKey("kdf".into()).into()
    );
}

#[test]
fn a_box_that_holds_no_key_is_told_from_a_wrong_password() {
    let salt = [1; SALT_BYTES];
    let nonce = [2; NONCE_BYTES];
    let params = Params { n: 2, r: 1, p: 1 };
    let cipher = secretbox(&derive(&params, &salt, &password()).unwrap()).unwrap();
    let file = KeyFile {
        kdf: Kdf {
            name: KDF.into(),
            params,
            salt: to_base64(&salt),
        },
        cipher: Cipher {
            name: CIPHER.into(),
            nonce: to_base64(&nonce),
        },
        ciphertext: to_base64(
            &cipher
                .encrypt(Nonce::from_slice(&nonce), &b"no key"[..])
                .unwrap(),
        ),
    };
    let file = pem::encode(LABEL, &serde_json::to_vec(&file).unwrap());
    assert_eq!(
        open(&file, &password()).unwrap_err(),
        KeyFileError::Key(PrivateKeyError::Form)
    );
}

#[test]
fn opens_what_openssl_sealed() {
    let public = PublicKey::from_pem(&openssl("p256.pub")).unwrap();
    for name in [
        "aes-128",
        "aes-192-sha512",
        "aes-256",
        "aes-256-sha1",
        "aes-256-sha384",
        "scrypt",
    ] {
        let file = openssl(&format!("{name}.pem"));
        assert_eq!(Form::of(&file), Some(Form::Pkcs8), "{name}");
        let key = open(&file, &password()).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(key.public_key(), &public, "{name}");
    }
}

#[test]
fn a_wrong_password_for_pkcs8_opens_nothing() {
    let file = openssl("aes-128.pem");
    // One in 256 ends like a padding, and is noise all the same.
    for attempt in 0..300 {
        let wrong = open(&file, &format!("guess {attempt}").into());
        assert_eq!(wrong.unwrap_err(), KeyFileError::Password);
    }
}

#[test]
fn older_seals_are_named() {
    for (name, oid) in [
        ("des3", "1.2.840.113549.3.7"),
        ("pbes1", "1.2.840.113549.1.12.1.3"),
    ] {
        let error = open(&openssl(&format!("{name}.pem")), &password()).unwrap_err();
        let named = KeyFileError::Pkcs8(Pbes2Error::Unsupported(oid.to_owned()));
        assert_eq!(error, named, "{name}");
    }
    let error = read_open(&openssl("sec1-encrypted.pem")).unwrap_err();
    assert_eq!(error, KeyFileError::Old);
}

#[test]
fn keys_that_nothing_seals_are_read_and_are_the_same() {
    let public = PublicKey::from_pem(&openssl("p256.pub")).unwrap();
    for name in ["sec1.pem", "plain.pem"] {
        let file = openssl(name);
        assert!(is_open(&file) && Form::of(&file).is_none(), "{name}");
        assert_eq!(read_open(&file).unwrap().public_key(), &public, "{name}");
        assert!(open(&file, &password()).is_err(), "{name}");
    }
    assert!(!is_open(&openssl("aes-256.pem")) && !is_open(&cosign("p256.key")));
    assert!(read_open(&openssl("aes-256.pem")).is_err());
    // Bytes behind the key, and a key under the other label.
    let der = pem::decode(&openssl("sec1.pem"), &[EC_LABEL]).unwrap();
    let longer = pem::encode(EC_LABEL, &[der.as_slice(), &[0]].concat());
    let swapped = pem::encode(OPEN_LABEL, &der);
    for text in [longer, swapped] {
        let error = read_open(&text).unwrap_err();
        assert_eq!(error, KeyFileError::Key(PrivateKeyError::Form));
    }
}

#[test]
fn each_form_opens_as_the_key_that_it_was_made_of() {
    for algorithm in ALGORITHMS {
        let key = key_of(algorithm);
        for form in [Form::Cosign, Form::Pkcs8] {
            let text = seal_as(&key, &password(), form).unwrap();
            assert_eq!(Form::of(&text), Some(form));
            let opened = open(&text, &password()).unwrap();
            assert_eq!(opened.public_key(), key.public_key());
            let other = open(&text, &"hunter3".into()).unwrap_err();
            assert_eq!(other, KeyFileError::Password, "{algorithm} {form:?}");
        }
    }
}

#[test]
fn docker_opens_no_less_than_before_what_is_sealed_as_pkcs8() {
    // The same label: what docker's reader takes and what this one takes must not differ.
    let key = key_of(Algorithm::EcdsaP256);
    let text = seal_as(&key, &password(), Form::Pkcs8).unwrap();
    let file = crate::tuf::keyfile::KeyFile::parse(&text).unwrap();
    let opened = file.open(&password()).unwrap();
    assert_eq!(opened.public_key(), key.public_key());
}
