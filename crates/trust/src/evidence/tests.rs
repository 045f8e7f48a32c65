//! The door: what the real cosign signed comes in, and every attempt to pass one thing off as another is named.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::private::{PrivateKey, Signer};
use crate::sigstore;
use crate::testing::{ALGORITHMS, bundle, ci, cosign as file, image, key, key_of, statement};

const DIGEST: &str = "sha256:06264063f7b0a4987c389f6d2fdcd749a35ae57232e5dc4975dae316c0dccd65";

fn public(name: &str) -> PublicKey {
    PublicKey::from_pem(&file(name)).unwrap()
}

fn publics(keys: &[&PrivateKey]) -> Vec<PublicKey> {
    keys.iter().map(|key| key.public_key().clone()).collect()
}

fn bad(key: &PrivateKey) -> Untrusted {
    let key = key.public_key();
    Untrusted::BadSignature {
        key: key.id().clone(),
        algorithm: key.algorithm(),
    }
}

#[track_caller]
fn verified(reading: Reading) -> (Claim, KeyId) {
    match reading {
        Reading::Verified(verified) => verified.into_parts(),
        other => panic!("not verified: {other:?}"),
    }
}

#[track_caller]
fn untrusted(reading: Reading) -> Untrusted {
    match reading {
        Reading::Unverified { why, .. } => why,
        other => panic!("not unverified: {other:?}"),
    }
}

#[track_caller]
fn unreadable(reading: Reading) -> String {
    match reading {
        Reading::Unreadable { why } => why,
        other => panic!("not unreadable: {other:?}"),
    }
}

/// A bundle around any payload of any type, signed for real.
fn bundle_of(payload_type: &str, payload: &[u8], key: &PrivateKey) -> Vec<u8> {
    let mut envelope = serde_json::from_str::<Value>(
        &Envelope::sign(payload_type, payload.to_vec(), key)
            .unwrap()
            .to_json(),
    );
    let envelope = envelope.as_mut().unwrap().take();
    let material = json!({"publicKey": {"hint": key.public_key().id().to_hint()}});
    let media_type = oci::media::SIGSTORE_BUNDLE_V03;
    let bundle = json!({"mediaType": media_type, "verificationMaterial": material, "dsseEnvelope": envelope});
    bundle.to_string().into_bytes()
}

fn bundle_of_statement(statement: &Statement, key: &PrivateKey) -> Vec<u8> {
    bundle_of(dsse::IN_TOTO, &statement.to_bytes(), key)
}

fn with(bundle: &[u8], pointer: &str, new: Value) -> Vec<u8> {
    let mut value: Value = serde_json::from_slice(bundle).unwrap();
    *value.pointer_mut(pointer).unwrap() = new;
    value.to_string().into_bytes()
}

#[test]
fn our_stage_statement() {
    for algorithm in ALGORITHMS {
        let key = key_of(algorithm);
        let (claim, id) = verified(read_bundle(&bundle(&key), &publics(&[&key])));
        let expected = Claim {
            format: Format::Stage,
            subject: image(),
            stage: Some("ci".into()),
            predicate_type: None,
            repository: Some("shop/web".parse().unwrap()),
            tag: Some("1.4".parse().unwrap()),
            annotations: BTreeMap::new(),
        };
        assert_eq!(claim, expected);
        assert_eq!(&id, key.public_key().id());
    }
}

#[test]
fn a_bundle_that_cosign_signed() {
    let (claim, id) = verified(read_bundle(
        file("sign.bundle.json").as_bytes(),
        &[public("p256.pub")],
    ));
    assert_eq!(&id, public("p256.pub").id());
    assert_eq!(claim.format, Format::CosignBundle);
    assert_eq!(claim.subject.as_str(), DIGEST);
    assert_eq!(claim.stage.as_deref(), Some("ci"));
    assert_eq!(claim.repository, None, "cosign 3 names none");
    assert_eq!(claim.annotations["build"], "7");
}

#[test]
fn bundles_of_cosigns_other_keys() {
    for (name, key) in [("sign-p384", "p384.pub"), ("attest-ed25519", "ed25519.pub")] {
        let bundle = file(&format!("{name}.bundle.json"));
        let (claim, _) = verified(read_bundle(bundle.as_bytes(), &[public(key)]));
        assert_eq!((claim.stage, claim.annotations.len()), (None, 0), "{name}");
    }
    let (payload, signature) = (
        file("simple-signing-ed25519.json"),
        file("simple-signing-ed25519.sig"),
    );
    verified(read_simple_signing(
        payload.as_bytes(),
        &signature,
        &[public("ed25519.pub")],
    ));
}

#[test]
fn the_prehashed_ed25519_of_cosign_3_is_not_read_and_the_reason_says_so() {
    let key = public("ed25519.pub");
    let why = untrusted(read_bundle(
        file("sign-ed25519.bundle.json").as_bytes(),
        std::slice::from_ref(&key),
    ));
    assert_eq!(
        why,
        Untrusted::BadSignature {
            key: key.id().clone(),
            algorithm: Algorithm::Ed25519
        }
    );
    assert!(why.to_string().contains("ed25519ph is not read"), "{why}");
}

#[test]
fn the_bundle_that_cosign_attest_makes_with_the_sign_predicate() {
    let bundle = file("attest-with-sign-predicate.bundle.json");
    let (claim, _) = verified(read_bundle(bundle.as_bytes(), &[public("p256.pub")]));
    assert_eq!(claim.format, Format::CosignBundle);
    assert_eq!(claim.repository.unwrap().as_str(), "shop/web");
}

#[test]
fn the_payload_and_annotation_of_a_sig_manifest() {
    let (payload, signature) = (file("simple-signing.json"), file("simple-signing.sig"));
    let reading = read_simple_signing(
        payload.as_bytes(),
        &signature,
        &[public("ed25519.pub"), public("p256.pub")],
    );
    let (claim, id) = verified(reading);
    assert_eq!(&id, public("p256.pub").id());
    assert_eq!(claim.format, Format::CosignSimpleSigning);
    assert_eq!(claim.subject.as_str(), DIGEST);
    assert_eq!(claim.repository.unwrap().as_str(), "shop/web");
    assert_eq!(claim.stage.as_deref(), Some("ci"));
    assert_eq!(claim.annotations["build"], "7");
}

#[test]
fn the_hint_only_chooses_where_to_look_first() {
    let (signer, other) = (key(), key());
    let ring = publics(&[&other, &signer]);
    let bytes = bundle(&signer);
    // The hint of another registered key, of nobody's, malformed, empty: the signer is who signed.
    for hint in [
        other.public_key().id().to_hint(),
        key().public_key().id().to_hint(),
        "?".into(),
        String::new(),
    ] {
        let bytes = with(
            &bytes,
            "/verificationMaterial/publicKey/hint",
            hint.clone().into(),
        );
        let (_, id) = verified(read_bundle(&bytes, &ring));
        assert_eq!(&id, signer.public_key().id(), "{hint}");
    }
}

#[test]
fn attack_signatures_that_nobody_made_end_with_the_budget() {
    let (signer, stranger) = (key(), key());
    let ring: Vec<PublicKey> = (0..3).map(|_| key().public_key().clone()).collect();
    let ring = [publics(&[&signer]), ring].concat();
    let (anchors, checks) = (Anchors::default(), Checks::new(6));
    let signers = Signers {
        keys: &ring,
        identities: &[],
        anchors: &anchors,
        checks: &checks,
    };
    let read = |bytes: &[u8]| read_any_bundle(bytes, signers, 0).reading;
    let nameless = |key: &PrivateKey| {
        let pointer = "/verificationMaterial/publicKey/hint";
        with(&bundle(key), pointer, String::new().into())
    };
    // Four keys, and then two of four.
    let junk = nameless(&stranger);
    assert_eq!(untrusted(read(&junk)), Untrusted::UnknownKey { hint: None });
    assert_eq!(untrusted(read(&junk)), Untrusted::Unchecked);
    assert_eq!(untrusted(read(&nameless(&signer))), Untrusted::Unchecked);
    // What names its key is read behind any amount of junk.
    let (_, id) = verified(read(&bundle(&signer)));
    assert_eq!(&id, signer.public_key().id());
    // By itself there is a budget for it.
    let checks = Checks::new(6);
    let signers = Signers {
        checks: &checks,
        ..signers
    };
    verified(read_any_bundle(&nameless(&signer), signers, 0).reading);
}

#[test]
fn every_format_has_the_budget() {
    let (payload, signature) = (file("simple-signing.json"), file("simple-signing.sig"));
    let ring = [public("ed25519.pub"), public("p256.pub")];
    let anchors = Anchors::default();
    let layer = |most| {
        let signers = Signers {
            keys: &ring,
            identities: &[],
            anchors: &anchors,
            checks: &Checks::new(most),
        };
        read_any_layer(payload.as_bytes(), &signature, signers, 0).reading
    };
    assert_eq!(untrusted(layer(1)), Untrusted::Unchecked);
    verified(layer(2));
    let bundle = with(
        file("attestation.bundle.json").as_bytes(),
        "/verificationMaterial/publicKey/hint",
        String::new().into(),
    );
    let attestation = |most| read_attestation_within(&bundle, &ring, &image(), &Checks::new(most));
    assert_eq!(untrusted(attestation(1)), Untrusted::Unchecked);
    verified(attestation(2));
}

#[test]
fn a_certificate_beside_a_signature_does_not_hide_that_keys_were_not_tried() {
    let (payload, signature) = (file("simple-signing.json"), file("simple-signing.sig"));
    // `cosign sign --key leaf.key --certificate leaf.pem`, and no root to judge the certificate by.
    let annotations = [
        (sigstore::SIGNATURE_ANNOTATION, signature.as_str()),
        (sigstore::CERTIFICATE_ANNOTATION, "a certificate"),
    ];
    let annotations = annotations.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let certified = certified_signature(&BTreeMap::from(annotations)).unwrap();
    let anchors = Anchors::default();
    let layer = |keys: &[PublicKey], most| {
        let signers = Signers {
            keys,
            identities: &[],
            anchors: &anchors,
            checks: &Checks::new(most),
        };
        read_any_layer(payload.as_bytes(), &certified, signers, 0).reading
    };
    let [other, signer] = [public("ed25519.pub"), public("p256.pub")];
    let ring = [other.clone(), signer.clone()];
    assert_eq!(untrusted(layer(&ring, 1)), Untrusted::Unchecked);
    let (_, id) = verified(layer(&ring, 2));
    assert_eq!(&id, signer.id());
    // Where every key was tried, the certificate is what is left to say something about.
    assert_eq!(untrusted(layer(&[other], 1)), Untrusted::NoRoot);
}

#[test]
fn naming_a_registered_key_is_not_being_signed_by_it() {
    let (registered, attacker) = (key(), key());
    let id = registered.public_key().id();
    let bytes = bundle(&attacker);
    for hint in [id.to_hint(), id.to_string()] {
        let bytes = with(&bytes, "/verificationMaterial/publicKey/hint", hint.into());
        let why = untrusted(read_bundle(&bytes, &publics(&[&registered])));
        assert_eq!(why, bad(&registered));
    }
}

#[test]
fn unknown_keys_are_named_as_far_as_they_name_themselves() {
    let (signer, registered) = (key(), key());
    let bytes = bundle(&signer);
    let ring = publics(&[&registered]);
    let unknown = |hint: &str| Untrusted::UnknownKey {
        hint: Some(hint.into()),
    };
    assert_eq!(
        untrusted(read_bundle(&bytes, &ring)),
        unknown(signer.public_key().id().as_str())
    );
    assert_eq!(
        untrusted(read_bundle(&bytes, &[])),
        unknown(signer.public_key().id().as_str())
    );
    let bytes = with(
        &bytes,
        "/verificationMaterial/publicKey/hint",
        "ci\u{1b}[31m key".into(),
    );
    assert_eq!(
        untrusted(read_bundle(&bytes, &ring)),
        unknown("ci\\u{1b}[31m key")
    );
    let bytes = with(&bytes, "/verificationMaterial/publicKey/hint", "".into());
    assert_eq!(
        untrusted(read_bundle(&bytes, &ring)),
        Untrusted::UnknownKey { hint: None }
    );
}

#[test]
fn an_unverified_claim_still_says_what_it_claims() {
    let reading = read_bundle(&bundle(&key()), &[]);
    assert_eq!(reading.claim().unwrap().subject, image());
    assert_eq!(reading.claim().unwrap().stage.as_deref(), Some("ci"));
}

#[test]
fn changed_statements_and_swapped_signatures_are_the_documents_fault() {
    let signer = key();
    let ring = publics(&[&signer]);
    let staging = StageStatement {
        stage: "staging".into(),
        ..ci()
    };
    let (one, two) = (
        bundle(&signer),
        bundle_of_statement(&stage::build(&image(), &staging).unwrap(), &signer),
    );
    let other: Value = serde_json::from_slice(&two).unwrap();
    let bad = bad(&signer);
    for pointer in ["/dsseEnvelope/payload", "/dsseEnvelope/signatures/0/sig"] {
        let bytes = with(&one, pointer, other.pointer(pointer).unwrap().clone());
        assert_eq!(untrusted(read_bundle(&bytes, &ring)), bad, "{pointer}");
    }
}

#[test]
fn a_signature_of_one_format_is_none_in_another() {
    let signer = key();
    let ring = publics(&[&signer]);
    // The payload of a stage statement, signed as it stands and not as an envelope.
    let payload = statement().to_bytes();
    let raw = crate::encoding::to_base64(&signer.sign(&payload).unwrap());
    let bytes = with(
        &bundle(&signer),
        "/dsseEnvelope/signatures/0/sig",
        raw.clone().into(),
    );
    assert!(matches!(
        untrusted(read_bundle(&bytes, &ring)),
        Untrusted::BadSignature { .. }
    ));
    // And the envelope's signature, passed off as one over a simple-signing payload.
    let simple = SimpleSigning {
        docker_reference: None,
        digest: image(),
        optional: BTreeMap::new(),
    }
    .to_bytes();
    let envelope = Envelope::sign(dsse::IN_TOTO, simple.clone(), &signer).unwrap();
    let sig = crate::encoding::to_base64(&envelope.signatures[0].sig);
    assert_eq!(
        untrusted(read_simple_signing(&simple, &sig, &ring)),
        Untrusted::UnknownKey { hint: None }
    );
    assert!(
        unreadable(read_simple_signing(&payload, &raw, &ring)).contains("payload cannot be read")
    );
}

#[test]
fn the_payload_type_must_be_in_toto() {
    let signer = key();
    for payload_type in [
        "application/json",
        crate::possession::PAYLOAD_TYPE,
        "application/vnd.in-toto+json ",
    ] {
        let bytes = bundle_of(payload_type, &statement().to_bytes(), &signer);
        let why = unreadable(read_bundle(&bytes, &publics(&[&signer])));
        assert!(why.contains("not an in-toto statement"), "{why}");
    }
}

#[test]
fn one_digest_for_one_signature() {
    let signer = key();
    let mut two = statement();
    two.subjects.push(Subject {
        digest: Digest::sha256(b"another"),
        ..two.subjects[0].clone()
    });
    let why = unreadable(read_bundle(
        &bundle_of_statement(&two, &signer),
        &publics(&[&signer]),
    ));
    assert!(why.contains("2 subjects"), "{why}");
    let text = String::from_utf8(statement().to_bytes()).unwrap();
    let two_digests = text.replacen(
        "\"sha256\":",
        &format!("\"sha512\":\"{}\",\"sha256\":", "0".repeat(128)),
        1,
    );
    let bytes = bundle_of(dsse::IN_TOTO, two_digests.as_bytes(), &signer);
    assert!(unreadable(read_bundle(&bytes, &publics(&[&signer]))).contains("2 digests"));
    let twice = text.replacen("\"stage\":", "\"stage\":\"staging\",\"stage\":", 1);
    let bytes = bundle_of(dsse::IN_TOTO, twice.as_bytes(), &signer);
    assert!(unreadable(read_bundle(&bytes, &publics(&[&signer]))).contains("`stage` stands twice"));
}

#[test]
fn other_statements_are_attestations_whoever_signed_them() {
    for keys in [vec![], vec![public("p256.pub")]] {
        let reading = read_bundle(file("attestation.bundle.json").as_bytes(), &keys);
        assert_eq!(
            reading,
            Reading::Attestation {
                predicate_type: "https://example.com/x".into()
            }
        );
        assert_eq!(reading.claim(), None);
    }
    // Also when they are about things that are no images, and long.
    let signer = key();
    let statement = json!({
        "_type": "https://in-toto.io/Statement/v1",
        "predicateType": "https://slsa.dev/provenance/v1",
        "subject": [{"digest": {"gitCommit": "00"}}, {"digest": {"sha1": "00"}}],
        "predicate": {"text": "x".repeat(2 * CLAIM_BYTES_MAX)},
    });
    let bytes = bundle_of(dsse::IN_TOTO, statement.to_string().as_bytes(), &signer);
    assert!(matches!(
        read_bundle(&bytes, &[]),
        Reading::Attestation { .. }
    ));
}

#[test]
fn files_and_certificates_are_not_image_signatures() {
    let why = unreadable(read_bundle(
        file("sign-blob.bundle.json").as_bytes(),
        &[public("p256.pub")],
    ));
    assert!(why.contains("signs a file"), "{why}");
    let signer = key();
    let keyless = json!({"certificate": {"rawBytes": "AAAA"}});
    let bytes = with(&bundle(&signer), "/verificationMaterial", keyless);
    let why = unreadable(read_bundle(&bytes, &publics(&[&signer])));
    assert!(why.contains("certificate"), "{why}");
}

#[test]
fn a_stage_annotation_is_a_stages_name_or_nothing() {
    let signer = key();
    let claim = |annotation: Value| {
        let mut statement = statement();
        statement.predicate_type = cosign::SIGN_PREDICATE.into();
        statement.subjects[0].annotations =
            BTreeMap::from([(cosign::STAGE_ANNOTATION.into(), annotation)]);
        read_bundle(
            &bundle_of_statement(&statement, &signer),
            &publics(&[&signer]),
        )
    };
    assert_eq!(
        verified(claim("staging".into())).0.stage.as_deref(),
        Some("staging")
    );
    assert!(unreadable(claim(json!(["ci"]))).contains("is not a text"));
    assert!(unreadable(claim(1.into())).contains("is not a text"));
    assert!(unreadable(claim("".into())).contains("cannot name a stage"));
    assert!(unreadable(claim("ci\nscan".into())).contains("cannot name a stage"));
}

#[test]
fn a_cosign_statement_about_a_stage_names_no_stage() {
    // The stage is in the predicate, where cosign's statement has nothing: it must not be taken from there.
    let signer = key();
    let statement = Statement {
        predicate_type: cosign::SIGN_PREDICATE.into(),
        ..statement()
    };
    let (claim, _) = verified(read_bundle(
        &bundle_of_statement(&statement, &signer),
        &publics(&[&signer]),
    ));
    assert_eq!((claim.format, claim.stage), (Format::CosignBundle, None));
    // The subject's name here has no host, so it is a label.
    assert_eq!(claim.repository, None);
}

#[test]
fn annotations_that_are_no_texts_become_json() {
    let signer = key();
    let optional = BTreeMap::from([
        ("creator".into(), json!("containers/image")),
        ("timestamp".into(), json!(1_690_000_000)),
    ]);
    let payload = SimpleSigning {
        docker_reference: Some("r.example/a:1".parse().unwrap()),
        digest: image(),
        optional,
    };
    let payload = payload.to_bytes();
    let sig = crate::encoding::to_base64(&signer.sign(&payload).unwrap());
    let (claim, _) = verified(read_simple_signing(&payload, &sig, &publics(&[&signer])));
    assert_eq!(claim.annotations["timestamp"], "1690000000");
    assert_eq!(claim.annotations["creator"], "containers/image");
    assert_eq!(
        (
            claim.repository.unwrap().as_str(),
            claim.tag.unwrap().as_str()
        ),
        ("a", "1")
    );
}

#[test]
fn a_simple_signature_has_one_spelling() {
    let (payload, signature) = (file("simple-signing.json"), file("simple-signing.sig"));
    let ring = [public("p256.pub")];
    for spelling in [
        format!("{signature}\n"),
        format!(" {signature}"),
        signature.trim_end_matches('=').into(),
        "?".into(),
    ] {
        let why = unreadable(read_simple_signing(payload.as_bytes(), &spelling, &ring));
        assert!(why.contains("base64"), "{why}");
    }
    assert_eq!(
        untrusted(read_simple_signing(payload.as_bytes(), "", &ring)),
        Untrusted::UnknownKey { hint: None }
    );
    let longer = format!("{payload} ");
    assert!(matches!(
        read_simple_signing(longer.as_bytes(), &signature, &ring),
        Reading::Unverified { .. }
    ));
}

#[test]
fn claims_are_short() {
    let signer = key();
    let mut long = statement();
    long.subjects[0].annotations =
        BTreeMap::from([("x".into(), json!("y".repeat(CLAIM_BYTES_MAX)))]);
    let why = unreadable(read_bundle(
        &bundle_of_statement(&long, &signer),
        &publics(&[&signer]),
    ));
    assert!(why.contains("limit exceeded"), "{why}");
}

#[test]
fn nonsense_is_unreadable() {
    for bytes in [
        &b""[..],
        b"{}",
        b"null",
        b"[]",
        b"\xff\xfe",
        b"{\"mediaType\":1}",
    ] {
        unreadable(read_bundle(bytes, &[]));
        unreadable(read_simple_signing(bytes, "AAAA", &[]));
    }
    let signer = key();
    for payload in [
        &b""[..],
        b"{}",
        b"hello",
        b"{\"_type\":\"x\",\"predicateType\":\"y\"}",
    ] {
        unreadable(read_bundle(
            &bundle_of(dsse::IN_TOTO, payload, &signer),
            &publics(&[&signer]),
        ));
    }
}

#[test]
fn names_and_messages_are_stable() {
    for format in [
        Format::Stage,
        Format::CosignBundle,
        Format::CosignSimpleSigning,
    ] {
        assert_eq!(
            serde_json::to_value(format).unwrap(),
            json!(format.as_str())
        );
    }
    let id = key().public_key().id().clone();
    assert_eq!(
        Untrusted::UnknownKey { hint: None }.to_string(),
        "it was signed with a key that is not registered here"
    );
    assert!(
        Untrusted::UnknownKey {
            hint: Some("x".into())
        }
        .to_string()
        .ends_with("here: `x`")
    );
    assert!(
        Untrusted::UnknownKey {
            hint: Some(id.to_string())
        }
        .to_string()
        .contains(id.as_str())
    );
    let signer = key();
    let why = bad(&signer).to_string();
    assert!(
        why.contains(signer.public_key().id().as_str()) && why.ends_with("was changed"),
        "{why}"
    );
}

/// The bytes with one of them replaced, removed or doubled.
fn mutated(bytes: &[u8], at: usize, byte: u8, kind: u8) -> Vec<u8> {
    let at = at % bytes.len();
    let (before, after) = bytes.split_at(at);
    match kind {
        0 => [before, &[byte], &after[1..]].concat(),
        1 => [before, &after[1..]].concat(),
        _ => [before, &after[..1], after].concat(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn no_change_to_a_bundle_changes_what_is_believed(at: usize, byte: u8, kind in 0u8..3) {
        let ring = [public("p256.pub"), public("p384.pub")];
        let bytes = file("sign.bundle.json").into_bytes();
        let honest = read_bundle(&bytes, &ring);
        if let Reading::Verified(read) = read_bundle(&mutated(&bytes, at, byte, kind), &ring) {
            prop_assert_eq!(Reading::Verified(read), honest);
        }
    }

    #[test]
    fn no_change_to_a_payload_is_believed(at: usize, byte: u8, kind in 0u8..3) {
        let (bytes, signature) = (file("simple-signing.json").into_bytes(), file("simple-signing.sig"));
        let changed = mutated(&bytes, at, byte, kind);
        let reading = read_simple_signing(&changed, &signature, &[public("p256.pub")]);
        prop_assert_eq!(matches!(reading, Reading::Verified(_)), changed == bytes);
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(bytes: Vec<u8>, text: String) {
        let keys = [public("p256.pub")];
        let is_believed = |reading: Reading| matches!(reading, Reading::Verified(_));
        prop_assert!(!is_believed(read_bundle(&bytes, &keys)));
        prop_assert!(!is_believed(read_simple_signing(&bytes, &text, &keys)));
        prop_assert!(PublicKey::from_der(&bytes).is_err());
        prop_assert!(PublicKey::from_pem(&text).is_err());
        prop_assert!(PrivateKey::from_pkcs8_der(&bytes).is_err());
        prop_assert!(crate::keyfile::open(&text, &"".into()).is_err());
        prop_assert!(crate::checkpoint::verify(&text, "a", &keys[0]).is_err());
        prop_assert!(Envelope::parse(&bytes).is_err());
    }
}
