//! Key files: cosign's are opened, ours have cosign's form, and what was changed or costs too much stays shut.

use serde_json::Value;

use super::*;
use crate::private::Signer;
use crate::testing::{cosign, key_of};
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
