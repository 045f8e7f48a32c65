//! Each thing that keeps an attestation from being believed.

use super::*;
use crate::attestation::build;
use crate::private::{PrivateKey, Signer};
use crate::statement::Statement;
use crate::{Algorithm, cosign, stage};

const TYPE: &str = "https://slsa.dev/provenance/v1";

fn image() -> Digest {
    Digest::sha256(b"a manifest")
}

fn key() -> PrivateKey {
    PrivateKey::generate(Algorithm::EcdsaP256).unwrap()
}

fn provenance(name: &str) -> Statement {
    build(&image(), name, TYPE, br#"{"buildDefinition": {}}"#).unwrap()
}

fn bundled(statement: &Statement, key: &PrivateKey) -> Vec<u8> {
    let bundle = Bundle::sign(statement, key).unwrap();
    bundle.to_json().unwrap().into_bytes()
}

fn claimed(reading: Reading) -> Claim {
    match reading {
        Reading::Verified(claim) => claim.value().clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn bundles_and_bare_envelopes_are_claims_of_their_type_and_repository() {
    let key = key();
    let keys = [key.public_key().clone()];
    let statement = provenance("registry.example/shop/web");
    let bare = Envelope::sign(dsse::IN_TOTO, statement.to_bytes(), &key).unwrap();
    for bytes in [bundled(&statement, &key), bare.to_json().into_bytes()] {
        let claim = claimed(read_attestation(&bytes, &keys, &image()));
        assert_eq!(claim.format, Format::Attestation);
        assert_eq!(claim.predicate_type.as_deref(), Some(TYPE));
        assert_eq!(claim.subject, image());
        assert_eq!(claim.repository, Some("shop/web".parse().unwrap()));
        assert_eq!(claim.stage, None);
        let verified = verify_attestation(&bytes, &keys, &image()).unwrap();
        assert_eq!(verified.key(), key.public_key().id());
        assert!(verified.value().predicate.get("buildDefinition").is_some());
        assert_eq!(attested_type(&bytes).as_deref(), Some(TYPE));
    }
    let free = bundled(&provenance("what I built"), &key);
    assert_eq!(
        claimed(read_attestation(&free, &keys, &image())).repository,
        None
    );
}

#[test]
fn an_attestation_of_another_subject_is_about_that() {
    let key = key();
    let keys = [key.public_key().clone()];
    let bytes = bundled(&provenance("web"), &key);
    let other = Digest::sha256(b"another manifest");
    assert_eq!(
        claimed(read_attestation(&bytes, &keys, &other)).subject,
        image()
    );
    let why = verify_attestation(&bytes, &keys, &other).unwrap_err();
    assert!(why.contains(image().as_str()), "{why}");
    // Of several subjects, it is about the one that is asked for.
    let mut several = provenance("web");
    let mut second = several.subjects[0].clone();
    second.digest = other.clone();
    several.subjects.push(second);
    let bytes = bundled(&several, &key);
    for about in [image(), other] {
        assert_eq!(
            claimed(read_attestation(&bytes, &keys, &about)).subject,
            about
        );
    }
}

#[test]
fn another_key_and_other_bytes_are_not_believed() {
    let (key, stranger) = (key(), key());
    let bytes = bundled(&provenance("web"), &key);
    let unknown = [stranger.public_key().clone()];
    let reading = read_attestation(&bytes, &unknown, &image());
    assert!(
        matches!(
            &reading,
            Reading::Unverified {
                why: Untrusted::UnknownKey { .. },
                ..
            }
        ),
        "{reading:?}"
    );
    assert!(verify_attestation(&bytes, &unknown, &image()).is_err());
    // The same signature under another statement.
    let mut envelope = Envelope::sign(dsse::IN_TOTO, provenance("web").to_bytes(), &key).unwrap();
    envelope.payload = provenance("api").to_bytes();
    let keys = [key.public_key().clone()];
    let reading = read_attestation(envelope.to_json().as_bytes(), &keys, &image());
    assert!(
        matches!(
            &reading,
            Reading::Unverified {
                why: Untrusted::BadSignature { .. },
                ..
            }
        ),
        "{reading:?}"
    );
    // Signed as something else than a statement.
    let other = Envelope::sign("text/plain", provenance("web").to_bytes(), &key).unwrap();
    let reading = read_attestation(other.to_json().as_bytes(), &keys, &image());
    assert!(matches!(reading, Reading::Unreadable { .. }));
}

#[test]
fn a_signature_is_no_attestation() {
    let key = key();
    let keys = [key.public_key().clone()];
    for predicate_type in [stage::PREDICATE_TYPE, cosign::SIGN_PREDICATE] {
        let mut statement = provenance("web");
        statement.predicate_type = predicate_type.to_owned();
        let reading = read_attestation(&bundled(&statement, &key), &keys, &image());
        assert!(matches!(reading, Reading::Unreadable { .. }), "{reading:?}");
        assert!(build(&image(), "web", predicate_type, b"{}").is_err());
    }
}

#[test]
fn what_is_written_is_an_object_of_a_type_and_has_limits() {
    let long = format!("https://{}", "a".repeat(256));
    for predicate_type in ["", "x", "a b:c", ":x", "1a:x", "https://x/`y`", "x:", &long] {
        assert!(
            build(&image(), "web", predicate_type, b"{}").is_err(),
            "{predicate_type}"
        );
    }
    for predicate in [
        "",
        "[]",
        "1",
        "null",
        r#"{"a":1,"a":2}"#,
        r#"{"a":{"b":1,"b":2}}"#,
        "{}{}",
    ] {
        assert!(
            build(&image(), "web", TYPE, predicate.as_bytes()).is_err(),
            "{predicate}"
        );
    }
    let most = format!(
        r#"{{"a":"{}"}}"#,
        "b".repeat(attestation::PREDICATE_BYTES_MAX - 8)
    );
    let statement = build(&image(), "web", TYPE, most.as_bytes()).unwrap();
    let key = key();
    let bytes = bundled(&statement, &key);
    assert!(verify_attestation(&bytes, &[key.public_key().clone()], &image()).is_ok());
    assert!(build(&image(), "web", TYPE, format!("{most} ").as_bytes()).is_err());
}

#[test]
fn short_names_are_types_that_can_be_written() {
    for name in attestation::short_names() {
        let found = attestation::predicate_type_of(name).unwrap();
        assert!(build(&image(), "web", found, b"{}").is_ok(), "{name}");
    }
    assert_eq!(
        attestation::predicate_type_of("spdxjson"),
        Some("https://spdx.dev/Document")
    );
    assert_eq!(attestation::predicate_type_of("provenance"), None);
}

#[test]
fn who_gave_keys_is_not_told_of_registered_ones() {
    let (theirs, other) = (key(), key());
    let bytes = bundled(&provenance("what I built"), &theirs);
    let why = verify_attestation(&bytes, &[other.public_key().clone()], &image()).unwrap_err();
    let id = theirs.public_key().id();
    assert_eq!(
        why,
        format!("none of the keys that were given signed it: it names the key `{id}`")
    );
}
