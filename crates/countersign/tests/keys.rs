//! `countersign key`: keys of other programs are taken over and handed on, and stay the same keys; keys are revoked from a moment on, and
//! rotated by whoever holds both; and keys that the server holds.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails where it stands; helpers outside of test functions are tests as well"
)]

#[path = "keys/held.rs"]
mod held;
#[path = "keys/revoking.rs"]
mod revoking;
#[path = "keys/rotating.rs"]
mod rotating;
#[path = "keys/shop.rs"]
mod shop;
#[path = "world/program.rs"]
mod world;

use std::path::Path;
use std::process::{Command, Output};

use secrecy::ExposeSecret;
use trust::keyfile::{self, Form};
use trust::{Algorithm, PrivateKey, Signer};

fn run(folder: &Path, arguments: &[&str], passwords: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_countersign"))
        .args(arguments)
        .current_dir(folder)
        .env_remove("COSIGN_PASSWORD")
        .envs(passwords.iter().copied())
        .output()
        .unwrap()
}

fn read(folder: &Path, name: &str) -> String {
    std::fs::read_to_string(folder.join(name)).unwrap()
}

#[test]
fn a_key_goes_from_openssls_form_to_cosigns_and_back_and_stays_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let key = PrivateKey::generate(Algorithm::EcdsaP384).unwrap();
    let sealed = keyfile::seal_as(&key, &"old".into(), Form::Pkcs8).unwrap();
    std::fs::write(folder.join("theirs.pem"), sealed).unwrap();

    let passwords = [
        ("COUNTERSIGN_KEY_PASSWORD", "old"),
        ("COUNTERSIGN_NEW_KEY_PASSWORD", "new"),
    ];
    let made = run(folder, &["key", "import", "theirs.pem", "ours"], &passwords);
    assert!(made.status.success(), "{made:?}");
    let ours = read(folder, "ours.key");
    assert_eq!(Form::of(&ours), Some(Form::Cosign));
    let opened = keyfile::open(&ours, &"new".into()).unwrap();
    assert_eq!(opened.public_key(), key.public_key());
    assert_eq!(read(folder, "ours.pub"), key.public_key().to_pem());

    // Neither of the files is ever overwritten, and a wrong password writes nothing.
    let again = run(folder, &["key", "import", "theirs.pem", "ours"], &passwords);
    assert_eq!(again.status.code(), Some(1), "{again:?}");
    assert_eq!(read(folder, "ours.key"), ours);
    let export = ["key", "export", "ours.key", "back.pem", "--format", "pkcs8"];
    let wrong = run(folder, &export, &passwords);
    assert_eq!(wrong.status.code(), Some(1), "{wrong:?}");
    assert!(!folder.join("back.pem").exists());

    let back = run(folder, &export, &[("COUNTERSIGN_KEY_PASSWORD", "new")]);
    assert!(back.status.success(), "{back:?}");
    let text = read(folder, "back.pem");
    assert_eq!(Form::of(&text), Some(Form::Pkcs8));
    let opened = keyfile::open(&text, &"new".into()).unwrap();
    assert_eq!(opened.public_key(), key.public_key());
}

#[test]
fn a_key_that_lay_open_is_sealed_by_being_taken_over() {
    use base64::Engine;
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let key = PrivateKey::generate(Algorithm::Ed25519).unwrap();
    let der = key.to_pkcs8_der().unwrap();
    let body = base64::engine::general_purpose::STANDARD.encode(der.expose_secret());
    let text = format!("-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n");
    std::fs::write(folder.join("open.pem"), text).unwrap();
    let made = run(
        folder,
        &["key", "import", "open.pem", "taken", "--format", "pkcs8"],
        &[("COUNTERSIGN_NEW_KEY_PASSWORD", "new")],
    );
    assert!(made.status.success(), "{made:?}");
    let opened = keyfile::open(&read(folder, "taken.key"), &"new".into()).unwrap();
    assert_eq!(opened.public_key(), key.public_key());
    assert_eq!(opened.public_key().algorithm(), Algorithm::Ed25519);
}
