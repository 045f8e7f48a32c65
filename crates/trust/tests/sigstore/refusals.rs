//! The refusals that no story of an attack ends in: what is not read at all, and whom the trusted root does not trust, or not then.
//! `index` holds every refusal against these files.

use std::collections::BTreeMap;

use oci::Digest;
use rcgen::{
    ExtendedKeyUsagePurpose, KeyPair, PKCS_ECDSA_P521_SHA256, PKCS_RSA_SHA256, PublicKeyData,
};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use trust::attestation::AttestationError;
use trust::cosign::PayloadError;
use trust::sigstore::{
    Artifact, CertificateFault, EntryFault, Expected, Layer, LogFault, Refusal, Says, SctFault,
    TimeSource, TimestampFault, TrustedRoot, Verification, verify_bundle, verify_signature_layer,
};
use trust::statement::StatementError;
use trust::{Algorithm, PrivateKey, PublicKey, Signer, dsse};

use super::world::{ALICE, Certified, NOW, SIGNED, World, alice, b64, pem};

fn image() -> Digest {
    Digest::sha256(b"the image")
}

fn signed(world: &World) -> Value {
    world.bundle(&world.certify(ALICE), &World::statement(image().hex()))
}

fn refusal(root: &Value, bundle: &Value) -> Refusal {
    let root = TrustedRoot::parse(root.to_string().as_bytes()).unwrap();
    let (rule, image) = (alice(), image());
    let expected = Expected::identity(&rule);
    let artifact = Artifact::Digest(&image);
    verify_bundle(
        bundle.to_string().as_bytes(),
        artifact,
        &root,
        expected,
        NOW,
    )
    .unwrap_err()
}

/// What comes of a bundle with another certificate in it.
fn with_certificate(world: &World, der: &[u8]) -> Refusal {
    let mut bundle = signed(world);
    bundle["verificationMaterial"]["certificate"]["rawBytes"] = b64(der).into();
    refusal(&world.root_json(), &bundle)
}

/// What comes of a bundle with another timestamp in it.
fn with_timestamp(world: &World, root: &Value, token: impl Fn(&[u8]) -> Vec<u8>) -> Refusal {
    use base64::Engine as _;
    let mut bundle = signed(world);
    let signature = bundle["dsseEnvelope"]["signatures"][0]["sig"]
        .as_str()
        .unwrap();
    let signature = base64::engine::general_purpose::STANDARD
        .decode(signature)
        .unwrap();
    bundle["verificationMaterial"]["timestampVerificationData"]["rfc3161Timestamps"][0]["signedTimestamp"] =
        b64(&token(&signature)).into();
    refusal(root, &bundle)
}

/// The root, with something that was trusted until long before the signature only.
fn ended(world: &World, pointer: &str) -> Value {
    let mut root = world.root_json();
    *root.pointer_mut(pointer).unwrap() =
        json!({"start": "2020-01-01T00:00:00Z", "end": "2021-01-01T00:00:00Z"});
    root
}

#[test]
fn certificates_with_keys_of_other_kinds() {
    let world = World::new();
    for kind in [&PKCS_RSA_SHA256, &PKCS_ECDSA_P521_SHA256] {
        let key = KeyPair::generate_for(kind)
            .unwrap()
            .subject_public_key_info();
        let usage = ExtendedKeyUsagePurpose::CodeSigning;
        let der = world.certificate(&key, &[ALICE], usage, 1);
        assert_eq!(with_certificate(&world, &der), Refusal::KeyKind);
    }
}

#[test]
fn certificates_that_name_several_or_nobody() {
    let world = World::new();
    let key = PrivateKey::generate(Algorithm::EcdsaP256).unwrap();
    let names: [&[&str]; 2] = [&[ALICE, "https://forge.example/mallory"], &[]];
    for subjects in names {
        let usage = ExtendedKeyUsagePurpose::CodeSigning;
        let der = world.certificate(key.public_key().as_der(), subjects, usage, 1);
        assert_eq!(with_certificate(&world, &der), Refusal::NoIdentity);
    }
}

#[test]
fn a_certificate_that_is_none_or_has_bytes_behind_it() {
    let world = World::new();
    let unreadable = Refusal::Certificate(CertificateFault::Unreadable);
    assert_eq!(with_certificate(&world, b"no certificate"), unreadable);
    let longer = [world.certify(ALICE).der.as_slice(), &[0]].concat();
    assert_eq!(with_certificate(&world, &longer), unreadable);
}

#[test]
fn authorities_and_logs_that_were_not_trusted_at_the_time() {
    let world = World::new();
    let bundle = signed(&world);
    let refused = |pointer: &str| refusal(&ended(&world, pointer), &bundle);
    assert_eq!(
        refused("/certificateAuthorities/0/validFor"),
        Refusal::Certificate(CertificateFault::NoAuthority)
    );
    assert_eq!(
        refused("/timestampAuthorities/0/validFor"),
        Refusal::Timestamp(TimestampFault::Window)
    );
    assert_eq!(
        refused("/tlogs/0/publicKey/validFor"),
        Refusal::Log(LogFault::Window)
    );
    assert_eq!(
        refused("/ctlogs/0/publicKey/validFor"),
        Refusal::CertificateLog(SctFault::UnknownLog)
    );
}

/// The name of a certificate log that is trusted, with a signature that it did not make.
#[test]
fn a_certificate_log_that_did_not_sign() {
    let (world, stranger) = (World::new(), World::new());
    let mut root = world.root_json();
    root["ctlogs"][0]["publicKey"] = stranger.root_json()["ctlogs"][0]["publicKey"].clone();
    assert_eq!(
        refusal(&root, &signed(&world)),
        Refusal::CertificateLog(SctFault::Signature)
    );
}

#[test]
fn timestamps_that_prove_nothing() {
    let (world, stranger) = (World::new(), World::new());
    let root = world.root_json();
    assert_eq!(
        with_timestamp(&world, &root, |_| b"no timestamp".to_vec()),
        Refusal::Timestamp(TimestampFault::Unreadable)
    );
    // A stamper of the same name, with another key.
    assert_eq!(
        with_timestamp(&world, &root, |bytes| stranger.stamp(bytes, SIGNED)),
        Refusal::Timestamp(TimestampFault::Signature)
    );
    // The stamper's own certificate had not begun.
    assert_eq!(
        with_timestamp(&world, &root, |bytes| world
            .stamp(bytes, SIGNED - 86_400 * 60)),
        Refusal::Timestamp(TimestampFault::Certificate)
    );
    let mut other = root.clone();
    other["timestampAuthorities"] = root["certificateAuthorities"].clone();
    assert_eq!(
        with_timestamp(&world, &other, |bytes| world.stamp(bytes, SIGNED)),
        Refusal::Timestamp(TimestampFault::UnknownAuthority)
    );
}

/// Bundles of version 0.1 may come without a proof, but not without proof and promise.
#[test]
fn an_entry_with_neither_proof_nor_promise() {
    let world = World::new();
    let mut bundle = signed(&world);
    bundle["mediaType"] = "application/vnd.dev.sigstore.bundle+json;version=0.1".into();
    let material = bundle["verificationMaterial"].as_object_mut().unwrap();
    let own = material.remove("certificate").unwrap();
    material.insert(
        "x509CertificateChain".into(),
        json!({"certificates": [own]}),
    );
    let entry = &mut bundle["verificationMaterial"]["tlogEntries"][0];
    entry["inclusionProof"] = Value::Null;
    let root = world.root();
    let (rule, image) = (alice(), image());
    let judge = |bundle: &Value| {
        let bytes = bundle.to_string();
        let artifact = Artifact::Digest(&image);
        verify_bundle(
            bytes.as_bytes(),
            artifact,
            &root,
            Expected::identity(&rule),
            NOW,
        )
    };
    assert!(judge(&bundle).is_ok(), "{:?}", judge(&bundle));
    bundle["verificationMaterial"]["tlogEntries"][0]["inclusionPromise"] = Value::Null;
    assert_eq!(judge(&bundle), Err(Refusal::Log(LogFault::NoPromise)));
}

/// Later bundles need the proof, whatever the log promised.
#[test]
fn an_entry_without_its_proof() {
    let world = World::new();
    let mut bundle = signed(&world);
    bundle["verificationMaterial"]["tlogEntries"][0]["inclusionProof"] = Value::Null;
    assert_eq!(
        refusal(&world.root_json(), &bundle),
        Refusal::Log(LogFault::NoProof)
    );
}

/// One certificate log that says it twice is one.
#[test]
fn a_certificate_in_fewer_logs_than_are_asked_for() {
    let world = World::new();
    let key = PrivateKey::generate(Algorithm::EcdsaP256).unwrap();
    let usage = ExtendedKeyUsagePurpose::CodeSigning;
    let spki = key.public_key().as_der();
    let (rule, image) = (alice(), image());
    for times in [1, 2] {
        let der = world.certificate(spki, &[ALICE], usage.clone(), times);
        let signer = Certified {
            key: PrivateKey::from_pkcs8_der(key.to_pkcs8_der().unwrap().expose_secret()).unwrap(),
            der,
        };
        let bundle = world.bundle(&signer, &World::statement(image.hex()));
        let judge = |certificate_logs| {
            let mut expected = Expected::identity(&rule);
            expected.demands.certificate_logs = certificate_logs;
            let (bytes, root) = (bundle.to_string(), world.root());
            verify_bundle(
                bytes.as_bytes(),
                Artifact::Digest(&image),
                &root,
                expected,
                NOW,
            )
        };
        assert!(judge(1).is_ok(), "{:?}", judge(1));
        assert_eq!(
            judge(2),
            Err(Refusal::NotLogged {
                found: 1,
                needed: 2
            })
        );
    }
}

/// Entries that nobody asked for must hold all the same, unless no log is trusted at all: then they count for nothing.
#[test]
fn an_entry_that_nobody_asked_for() {
    let world = World::new();
    let mut bundle = signed(&world);
    let (rule, image) = (alice(), image());
    let judge = |root: &Value, bundle: &Value| {
        let root = TrustedRoot::parse(root.to_string().as_bytes()).unwrap();
        let mut expected = Expected::identity(&rule);
        expected.demands.logs = 0;
        let bytes = bundle.to_string();
        verify_bundle(
            bytes.as_bytes(),
            Artifact::Digest(&image),
            &root,
            expected,
            NOW,
        )
    };
    let root = world.root_json();
    assert_eq!(judge(&root, &bundle).unwrap().log_indices(), [1002]);
    let other = world.bundle(&world.certify(ALICE), &World::statement(&"ab".repeat(32)));
    bundle["verificationMaterial"]["tlogEntries"] =
        other["verificationMaterial"]["tlogEntries"].clone();
    assert_eq!(
        judge(&root, &bundle),
        Err(Refusal::Entry(EntryFault::OtherBytes))
    );
    let mut without = root;
    without["tlogs"] = json!([]);
    let holds = judge(&without, &bundle).unwrap();
    assert!(holds.log_indices().is_empty());
    let sources: Vec<TimeSource> = holds.times().iter().map(|time| time.source).collect();
    assert_eq!(sources, [TimeSource::Authority]);
}

/// An entry about a file does not stand for an envelope, even where it holds the same signature.
#[test]
fn an_entry_of_another_kind() {
    let world = World::new();
    let mut bundle = signed(&world);
    let body = json!({"apiVersion": "0.0.1", "kind": "hashedrekord", "spec": {}}).to_string();
    let entry = world.entry("hashedrekord", body.as_bytes(), SIGNED);
    bundle["verificationMaterial"]["tlogEntries"] = json!([entry]);
    assert_eq!(
        refusal(&world.root_json(), &bundle),
        Refusal::Entry(EntryFault::Kind)
    );
}

/// A key's bundle over a file.
fn file_bundle(key: &PrivateKey, file: &[u8], says: &[u8]) -> Value {
    json!({
        "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
        "verificationMaterial": {"publicKey": {"hint": ""}},
        "messageSignature": {
            "messageDigest": {"algorithm": "SHA2_256", "digest": b64(says)},
            "signature": b64(&key.sign(file).unwrap()),
        },
    })
}

fn by_key(
    bundle: &Value,
    artifact: Artifact<'_>,
    key: &PublicKey,
) -> Result<Verification, Refusal> {
    let bytes = bundle.to_string();
    let expected = Expected::key(key);
    verify_bundle(
        bytes.as_bytes(),
        artifact,
        &TrustedRoot::default(),
        expected,
        NOW,
    )
}

/// What a bundle says about the file's hash is not signed: it may not differ all the same.
#[test]
fn a_bundle_that_says_another_hash_than_its_file_has() {
    let key = PrivateKey::generate(Algorithm::EcdsaP256).unwrap();
    let (file, digest) = (&b"a file"[..], Digest::sha256(b"a file"));
    let hash = hex::decode(digest.hex()).unwrap();
    let honest = file_bundle(&key, file, &hash);
    for artifact in [Artifact::Bytes(file), Artifact::Digest(&digest)] {
        let holds = by_key(&honest, artifact, key.public_key()).unwrap();
        assert_eq!(holds.says(), &Says::File(digest.clone()));
    }
    let lying = file_bundle(&key, file, &[7; 32]);
    for artifact in [Artifact::Bytes(file), Artifact::Digest(&digest)] {
        assert_eq!(
            by_key(&lying, artifact, key.public_key()),
            Err(Refusal::OtherSubject(digest.to_string()))
        );
    }
    // A file that nobody signed, with the hash of it in the bundle.
    let other = Digest::sha256(b"another file");
    let swapped = file_bundle(&key, file, &hex::decode(other.hex()).unwrap());
    for artifact in [Artifact::Bytes(b"another file"), Artifact::Digest(&other)] {
        assert_eq!(
            by_key(&swapped, artifact, key.public_key()),
            Err(Refusal::Signature(key.public_key().id().clone()))
        );
    }
}

/// An Ed25519 key signs the bytes themselves: from their hash alone nothing can be said.
#[test]
fn a_file_whose_hash_alone_is_known_and_a_key_that_does_not_sign_hashes() {
    let key = PrivateKey::generate(Algorithm::Ed25519).unwrap();
    let (file, digest) = (&b"a file"[..], Digest::sha256(b"a file"));
    let bundle = file_bundle(&key, file, &hex::decode(digest.hex()).unwrap());
    assert!(by_key(&bundle, Artifact::Bytes(file), key.public_key()).is_ok());
    assert_eq!(
        by_key(&bundle, Artifact::Digest(&digest), key.public_key()),
        Err(Refusal::Signature(key.public_key().id().clone()))
    );
}

#[test]
fn an_envelope_around_something_else_than_a_statement() {
    let key = PrivateKey::generate(Algorithm::EcdsaP256).unwrap();
    let bundle = |kind: &str, payload: &[u8]| {
        json!({
            "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
            "verificationMaterial": {"publicKey": {"hint": ""}},
            "dsseEnvelope": {
                "payload": b64(payload),
                "payloadType": kind,
                "signatures": [{"sig": b64(&key.sign(&dsse::pae(kind, payload)).unwrap())}],
            },
        })
    };
    let image = image();
    let judge = |bundle: &Value| by_key(bundle, Artifact::Digest(&image), key.public_key());
    let statement = World::statement(image.hex());
    assert!(judge(&bundle(dsse::IN_TOTO, &statement)).is_ok());
    // A type is signed too: the same bytes under another type are another thing.
    assert_eq!(
        judge(&bundle("application/json", &statement)),
        Err(Refusal::Statement(AttestationError::Statement(
            StatementError::Type("application/json".into())
        )))
    );
    let result = judge(&bundle(dsse::IN_TOTO, b"[]"));
    assert!(matches!(result, Err(Refusal::Statement(_))), "{result:?}");
}

#[test]
fn a_sig_layer_whose_parts_cannot_be_read() {
    let world = World::new();
    let signer = world.certify(ALICE);
    let bytes = b"{}";
    let good = BTreeMap::from([
        ("dev.cosignproject.cosign/signature", b64(b"a signature")),
        ("dev.sigstore.cosign/certificate", pem(&signer.der)),
    ]);
    let refused = |name: &'static str, value: &str| {
        let mut annotations = good.clone();
        annotations.insert(name, value.to_owned());
        let annotations = annotations
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect();
        let (rule, image) = (alice(), image());
        let layer = Layer {
            bytes,
            annotations: &annotations,
        };
        let (root, artifact) = (world.root(), Artifact::Digest(&image));
        verify_signature_layer(layer, artifact, &root, Expected::identity(&rule), NOW).unwrap_err()
    };
    for (name, value, part) in [
        ("dev.cosignproject.cosign/signature", "", "signature"),
        ("dev.cosignproject.cosign/signature", "*", "signature"),
        ("dev.sigstore.cosign/certificate", "no pem", "certificate"),
        ("dev.sigstore.cosign/chain", "no pem", "certificate chain"),
        ("dev.sigstore.cosign/bundle", "{}", "log entry"),
        ("dev.sigstore.cosign/rfc3161timestamp", "{}", "timestamp"),
    ] {
        assert_eq!(refused(name, value), Refusal::Layer(part), "{name}");
    }
}

/// A key's own signature over a payload that is of another kind of simple signing.
#[test]
fn a_sig_layer_with_another_payload() {
    let key = PrivateKey::generate(Algorithm::EcdsaP256).unwrap();
    let payload = json!({
        "critical": {
            "identity": {"docker-reference": "registry.example/shop/web"},
            "image": {"docker-manifest-digest": image().to_string()},
            "type": "atomic container signature",
        },
        "optional": null,
    })
    .to_string();
    let signature = b64(&key.sign(payload.as_bytes()).unwrap());
    let annotations =
        BTreeMap::from([("dev.cosignproject.cosign/signature".to_owned(), signature)]);
    let layer = Layer {
        bytes: payload.as_bytes(),
        annotations: &annotations,
    };
    let image = image();
    let expected = Expected::key(key.public_key());
    let (root, artifact) = (TrustedRoot::default(), Artifact::Digest(&image));
    let result = verify_signature_layer(layer, artifact, &root, expected, NOW);
    assert!(
        matches!(result, Err(Refusal::Payload(PayloadError::Type { .. }))),
        "{result:?}"
    );
}
