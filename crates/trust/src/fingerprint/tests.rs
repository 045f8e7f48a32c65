//! Each rewrapping of a signature is the same evidence, and nothing else is.

use pgp::packet::{Packet, PacketParser, Signature, Subpacket, SubpacketData};
use pgp::ser::Serialize as _;
use pgp::types::{Mpi, SignatureBytes};
use serde_json::{Value, json};

use super::*;
use crate::der::element;
use crate::evidence::{Reading, read_attestation};
use crate::openpgp::{Document, OpenPgpKey, read_openpgp_document};
use crate::stage::{self, StageStatement};
use crate::{Algorithm as KeyAlgorithm, PrivateKey, Signer, attestation, encoding};

fn der(r: &[u8], s: &[u8]) -> Vec<u8> {
    let integer = |number: &[u8]| {
        let number = trimmed(number);
        let sign = if number.first().is_some_and(|byte| *byte >= 0x80) {
            vec![0]
        } else {
            vec![]
        };
        [
            vec![2, u8::try_from(number.len() + sign.len()).unwrap()],
            sign,
            number.to_vec(),
        ]
        .concat()
    };
    let body = [integer(r), integer(s)].concat();
    [vec![0x30, u8::try_from(body.len()).unwrap()], body].concat()
}

fn other_form(signature: &[u8]) -> Vec<u8> {
    let (_, body, _) = element(signature).unwrap();
    let (_, r, rest) = element(body).unwrap();
    let (_, s, _) = element(rest).unwrap();
    der(r, &difference(&P256_ORDER, trimmed(s)).unwrap())
}

#[test]
fn the_other_form_of_a_signature_verifies_and_is_the_same_evidence() {
    let key = PrivateKey::generate(KeyAlgorithm::EcdsaP256).unwrap();
    for number in 0..32_u8 {
        let signature = key.sign(&[number]).unwrap();
        let other = other_form(&signature);
        assert_ne!(signature, other);
        key.public_key()
            .verify(&[number], &other)
            .expect("the other form is a signature too");
        assert_eq!(of(&[number], &signature), of(&[number], &other));
        assert_ne!(of(&[number], &signature), of(&[number, 0], &signature));
    }
}

#[test]
fn white_space_around_a_bundle_changes_nothing() {
    let key = PrivateKey::generate(KeyAlgorithm::EcdsaP256).unwrap();
    let claim = StageStatement {
        stage: "ci".into(),
        repository: "shop/web".parse().unwrap(),
        tag: None,
        nonce: None,
    };
    let statement = stage::build(&Digest::sha256(b"image"), &claim).unwrap();
    let first = Bundle::sign(&statement, &key).unwrap().to_json().unwrap();
    let wrapped = format!(" {first}\n");
    assert_eq!(
        fingerprint(first.as_bytes(), None),
        fingerprint(wrapped.as_bytes(), None)
    );
    let again = Bundle::sign(&statement, &key).unwrap().to_json().unwrap();
    assert_ne!(
        fingerprint(first.as_bytes(), None),
        fingerprint(again.as_bytes(), None),
        "signing again is new evidence"
    );
}

#[test]
fn what_is_no_ecdsa_signature_counts_as_it_is() {
    assert_eq!(ecdsa(&[1, 2, 3]), None);
    assert_ne!(of(b"x", &[1, 2, 3]), of(b"x", &[1, 2, 4]));
    assert_eq!(
        fingerprint(b"p", Some("AQID")),
        fingerprint(b"p", Some(" AQID\n"))
    );
}

/// What is beside a signature makes it no other one: else whoever adds a letter to an old one would have a new one.
#[test]
fn what_is_not_signed_makes_no_other_signature() {
    let kept = |more: &str| {
        let text = format!(r#"{{"dev.cosignproject.cosign/signature":"c2ln"{more}}}"#);
        fingerprint(b"payload", Some(&text))
    };
    let bare = fingerprint(b"payload", Some("c2ln"));
    assert_eq!(kept(""), bare);
    assert_eq!(kept(r#","dev.sigstore.cosign/certificate":"x""#), bare);
    assert_ne!(fingerprint(b"other", Some("c2ln")), bare);
}

/// An envelope of an attestation, with every rewrapping of it that needs no key.
#[test]
fn attack_an_old_attestation_in_a_new_wrapping() {
    let image = Digest::sha256(b"image");
    let predicate_type = "https://slsa.dev/provenance/v1";
    let keys = [
        PrivateKey::generate(KeyAlgorithm::EcdsaP256).unwrap(),
        PrivateKey::generate(KeyAlgorithm::Ed25519).unwrap(),
    ];
    for key in keys {
        let statement = attestation::build(&image, "web", predicate_type, b"{}").unwrap();
        let envelope = dsse::Envelope::sign(dsse::IN_TOTO, statement.to_bytes(), &key).unwrap();
        let wire: Value = serde_json::from_str(&envelope.to_json()).unwrap();
        let changed = |change: &dyn Fn(&mut Value)| {
            let mut wire = wire.clone();
            change(&mut wire);
            wire.to_string()
        };
        let to_url =
            |text: &Value| json!(text.as_str().unwrap().replace('+', "-").replace('/', "_"));
        let mut bundle: Value =
            serde_json::from_str(&Bundle::sign(&statement, &key).unwrap().to_json().unwrap())
                .unwrap();
        bundle["dsseEnvelope"] = wire.clone();
        let mut same = vec![
            format!(" {wire}\n"),
            serde_json::to_string_pretty(&wire).unwrap(),
            changed(&|wire| wire["signatures"][0]["keyid"] = json!("another")),
            changed(&|wire| wire["signatures"][0]["keyid"] = json!("")),
            changed(&|wire| wire["more"] = json!(1)),
            changed(&|wire| {
                wire["payload"] = to_url(&wire["payload"]);
                wire["signatures"][0]["sig"] = to_url(&wire["signatures"][0]["sig"]);
            }),
            bundle.to_string(),
        ];
        if key.public_key().algorithm() == KeyAlgorithm::EcdsaP256 {
            let twin = encoding::to_base64(&other_form(&envelope.signatures[0].sig));
            same.push(changed(&|wire| wire["signatures"][0]["sig"] = json!(twin)));
        }
        let first = fingerprint(wire.to_string().as_bytes(), None);
        let known = [key.public_key().clone()];
        for other in &same {
            let reading = read_attestation(other.as_bytes(), &known, &image);
            assert!(
                matches!(reading, Reading::Verified(_)),
                "{other}: {reading:?}"
            );
            assert_eq!(fingerprint(other.as_bytes(), None), first, "{other}");
        }
        // A signature of somebody's before or behind it.
        for at in [0, 1] {
            let two = changed(&|wire| {
                let signatures = wire["signatures"].as_array_mut().unwrap();
                signatures.insert(at, json!({"sig": "AQID"}));
            });
            let reading = read_attestation(two.as_bytes(), &known, &image);
            let Reading::Unreadable { why } = reading else {
                panic!("{reading:?}");
            };
            assert!(why.contains("2 signatures"), "{why}");
        }
        // Another statement, and what is signed again, is another one.
        let other = attestation::build(&image, "api", predicate_type, b"{}").unwrap();
        let other = dsse::Envelope::sign(dsse::IN_TOTO, other.to_bytes(), &key).unwrap();
        assert_ne!(fingerprint(other.to_json().as_bytes(), None), first);
    }
}

fn openpgp_file(name: &str) -> Vec<u8> {
    let path = format!("{}/tests/data/openpgp/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn document(name: &str, message: &[u8]) -> Vec<u8> {
    let document = Document {
        name: name.to_owned(),
        message: message.to_vec(),
    };
    document.to_bytes()
}

/// The message with its signature changed.
fn resigned(message: &[u8], change: impl Fn(&mut Signature)) -> Vec<u8> {
    let mut bytes = Vec::new();
    for packet in PacketParser::new(message) {
        let mut packet = packet.unwrap();
        if let Packet::Signature(signature) = &mut packet {
            change(signature);
        }
        packet.to_writer(&mut bytes).unwrap();
    }
    bytes
}

/// A message by gpg, with every rewrapping of it that needs no key.
#[test]
fn attack_an_old_openpgp_signature_in_a_new_wrapping() {
    const NOW: i64 = 1_900_000_000_000;
    for name in ["p256", "alice"] {
        let file = if name == "p256" {
            "p256.sig"
        } else {
            "uncompressed.sig"
        };
        let message = openpgp_file(file);
        let key = OpenPgpKey::parse(&openpgp_file(&format!("{name}.asc"))).unwrap();
        let first = document("sha256:00@1", &message);
        let noted = resigned(&message, |signature| {
            let note = SubpacketData::SignersUserID("mallory".into());
            let note = Subpacket::regular(note).unwrap();
            signature.unhashed_subpacket_push(note).unwrap();
        });
        let bare = resigned(&message, |signature| {
            while signature.unhashed_subpacket_remove(0).is_ok() {}
        });
        let mut same = vec![
            document("sha256:00@2", &message),
            [b" ", first.as_slice(), b"\n"].concat(),
            document("sha256:00@1", &noted),
            document("sha256:00@1", &bare),
        ];
        if name == "p256" {
            let twin = resigned(&message, |signature| {
                let Some(SignatureBytes::Mpis(numbers)) = signature.signature() else {
                    panic!("{signature:?}");
                };
                let other = difference(&P256_ORDER, numbers[1].as_ref()).unwrap();
                let numbers = vec![numbers[0].clone(), Mpi::from_slice(&other)];
                let config = signature.config().unwrap().clone();
                let hash = signature.signed_hash_value().unwrap();
                *signature = Signature::from_config(config, hash, numbers.into()).unwrap();
            });
            assert_ne!(twin, message);
            same.push(document("sha256:00@1", &twin));
        }
        assert_ne!(noted, message);
        let keys = [key];
        for other in &same {
            assert_ne!(*other, first);
            let read = read_openpgp_document(other, &keys, NOW);
            assert!(
                matches!(read.reading, Reading::Verified(_)),
                "{name}: {read:?}"
            );
            assert_eq!(
                fingerprint(other, None),
                fingerprint(&first, None),
                "{name}"
            );
        }
    }
    let by = |file: &str| fingerprint(&document("sha256:00@1", &openpgp_file(file)), None);
    let others = [
        "p256.sig",
        "uncompressed.sig",
        "skopeo-alice.sig",
        "skopeo-rsa.sig",
        "skopeo-subkey.sig",
    ];
    let different: std::collections::BTreeSet<Digest> =
        others.iter().map(|file| by(file)).collect();
    assert_eq!(different.len(), others.len());
    // What nobody can read is as it stands.
    assert_ne!(by("unsigned.sig"), by("two-signers.sig"));
}
