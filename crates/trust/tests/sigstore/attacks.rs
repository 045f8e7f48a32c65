//! Every attack on a bundle as a story: what the attacker has, what is changed, and the reason in which it ends.

use oci::Digest;
use rcgen::ExtendedKeyUsagePurpose;
use serde_json::{Value, json};
use trust::bundle::BundleError;
use trust::sigstore::{
    Artifact, CertificateFault, Demands, EntryFault, Expected, IdentityRule, LogFault, Refusal,
    Says, SctFault, SignedBy, TimeSource, TimestampFault, TrustedRoot, Verification, verify_bundle,
};
use trust::{Algorithm, JsonError, PrivateKey, Signer, dsse};

use super::world::{ALICE, Certified, ISSUER, NOW, SIGNED, World, alice, b64};

fn image() -> Digest {
    Digest::sha256(b"the image")
}

fn other_image() -> Digest {
    Digest::sha256(b"the attacker's image")
}

fn judge(world: &World, bundle: &Value) -> Result<Verification, Refusal> {
    judge_as(&world.root(), bundle, &alice())
}

fn judge_as(
    root: &TrustedRoot,
    bundle: &Value,
    rule: &IdentityRule,
) -> Result<Verification, Refusal> {
    let bytes = bundle.to_string();
    let image = image();
    let expected = Expected::identity(rule);
    verify_bundle(
        bytes.as_bytes(),
        Artifact::Digest(&image),
        root,
        expected,
        NOW,
    )
}

fn signed(world: &World) -> (Certified, Value) {
    let signer = world.certify(ALICE);
    let bundle = world.bundle(&signer, &World::statement(image().hex()));
    (signer, bundle)
}

#[test]
fn a_bundle_with_everything_holds_long_after_its_certificate_ended() {
    let world = World::new();
    let (_, bundle) = signed(&world);
    let verification = judge(&world, &bundle).unwrap();
    let SignedBy::Identity(identity) = verification.signer() else {
        panic!("{verification:?}")
    };
    assert_eq!(
        (identity.issuer.as_str(), identity.subject.as_str()),
        (ISSUER, ALICE)
    );
    let Says::Statement(attestation) = verification.says() else {
        panic!("{verification:?}")
    };
    assert_eq!(attestation.predicate_type, "https://slsa.dev/provenance/v1");
    let sources: Vec<TimeSource> = verification
        .times()
        .iter()
        .map(|time| time.source)
        .collect();
    assert_eq!(sources, [TimeSource::Authority, TimeSource::Log]);
    assert!(
        verification
            .times()
            .iter()
            .all(|time| time.at == SIGNED * 1000)
    );
    assert_eq!(verification.log_indices(), [1002]);
}

/// The attacker logs a signature of their own and puts its entry beside Alice's signature, or Alice's entry beside theirs.
#[test]
fn a_log_entry_of_another_artefact() {
    let world = World::new();
    let (signer, mut bundle) = signed(&world);
    let other = world.bundle(&signer, &World::statement(other_image().hex()));
    bundle["verificationMaterial"]["tlogEntries"] =
        other["verificationMaterial"]["tlogEntries"].clone();
    assert_eq!(
        judge(&world, &bundle),
        Err(Refusal::Entry(EntryFault::OtherBytes))
    );
}

#[test]
fn a_log_entry_of_another_signature_over_the_same_bytes() {
    let world = World::new();
    let (signer, mut bundle) = signed(&world);
    let again = world.bundle(&signer, &World::statement(image().hex()));
    bundle["verificationMaterial"]["tlogEntries"] =
        again["verificationMaterial"]["tlogEntries"].clone();
    assert_eq!(
        judge(&world, &bundle),
        Err(Refusal::Entry(EntryFault::OtherSignature))
    );
}

/// Mallory may push branches, and no tag: the name of hers ends as a tag's does.
#[test]
fn a_branch_that_is_named_like_a_tag() {
    let world = World::new();
    let tags = IdentityRule::new(ISSUER, "https://forge.example/shop/web/*@refs/tags/*");
    let (_, bundle) = signed(&world);
    assert!(judge_as(&world.root(), &bundle, &tags).is_ok());
    let branch =
        "https://forge.example/shop/web/.github/workflows/evil.yml@refs/heads/a@refs/tags/v1";
    let mallory = world.certify(branch);
    let bundle = world.bundle(&mallory, &World::statement(image().hex()));
    let Err(Refusal::OtherIdentity(identity)) = judge_as(&world.root(), &bundle, &tags) else {
        panic!("a branch passes for a tag")
    };
    assert_eq!(identity.subject, branch);
}

/// Mallory's certificate in Alice's bundle: the log says who signed.
#[test]
fn a_certificate_of_another_signer() {
    let world = World::new();
    let (_, mut bundle) = signed(&world);
    let mallory = world.certify("https://forge.example/mallory");
    bundle["verificationMaterial"]["certificate"]["rawBytes"] = b64(&mallory.der).into();
    let anyone = IdentityRule::new("*", "*");
    assert_eq!(
        judge_as(&world.root(), &bundle, &anyone),
        Err(Refusal::Entry(EntryFault::OtherSigner))
    );
    let Err(Refusal::OtherIdentity(identity)) = judge(&world, &bundle) else {
        panic!("mallory passed for alice")
    };
    assert_eq!(identity.subject, "https://forge.example/mallory");
}

#[test]
fn an_envelope_whose_payload_was_changed() {
    let world = World::new();
    let (_, mut bundle) = signed(&world);
    bundle["dsseEnvelope"]["payload"] = b64(&World::statement(other_image().hex())).into();
    assert_eq!(
        judge(&world, &bundle),
        Err(Refusal::Entry(EntryFault::OtherBytes))
    );
    // Without a log nobody but the signature itself says so.
    let rule = alice();
    let mut expected = Expected::identity(&rule);
    expected.demands = Demands {
        logs: 0,
        ..Demands::CERTIFICATE
    };
    bundle["verificationMaterial"]["tlogEntries"] = json!([]);
    let other = other_image();
    let result = verify_bundle(
        bundle.to_string().as_bytes(),
        Artifact::Digest(&other),
        &world.root(),
        expected,
        NOW,
    );
    assert!(matches!(result, Err(Refusal::Signature(_))), "{result:?}");
}

/// A true attestation, held up to another image.
#[test]
fn an_attestation_with_another_subject() {
    let world = World::new();
    let signer = world.certify(ALICE);
    let bundle = world.bundle(&signer, &World::statement(other_image().hex()));
    assert_eq!(
        judge(&world, &bundle),
        Err(Refusal::OtherSubject(image().to_string()))
    );
}

/// The image's hash under the name of another algorithm is another thing.
#[test]
fn a_subject_whose_hash_stands_under_another_algorithm() {
    let world = World::new();
    let signer = world.certify(ALICE);
    let statement = String::from_utf8(World::statement(image().hex())).unwrap();
    let statement = statement.replace("\"sha256\"", "\"gitCommit\"");
    let bundle = world.bundle(&signer, statement.as_bytes());
    assert_eq!(
        judge(&world, &bundle),
        Err(Refusal::OtherSubject(image().to_string()))
    );
}

#[test]
fn an_expired_certificate_with_a_timestamp_or_a_promise_and_with_neither() {
    let world = World::new();
    let (_, bundle) = signed(&world);
    let without = |timestamp: bool, promise: bool| {
        let mut bundle = bundle.clone();
        if !timestamp {
            bundle["verificationMaterial"]["timestampVerificationData"] = json!({});
        }
        if !promise {
            bundle["verificationMaterial"]["tlogEntries"][0]["inclusionPromise"] = Value::Null;
        }
        judge(&world, &bundle)
    };
    assert!(without(true, false).is_ok());
    assert!(without(false, true).is_ok());
    assert_eq!(
        without(false, false),
        Err(Refusal::NoTime {
            found: 0,
            needed: 1
        })
    );
}

/// An old certificate, stolen, and a signature that was stamped and logged today.
#[test]
fn a_signature_made_after_the_certificate_ended() {
    let world = World::new();
    let (signer, mut bundle) = signed(&world);
    let signature = signer
        .key
        .sign(&dsse::pae(dsse::IN_TOTO, &World::statement(image().hex())))
        .unwrap();
    let late = SIGNED + 86_400;
    bundle["dsseEnvelope"]["signatures"][0]["sig"] = b64(&signature).into();
    bundle["verificationMaterial"]["tlogEntries"] = json!([]);
    bundle["verificationMaterial"]["timestampVerificationData"]["rfc3161Timestamps"][0]["signedTimestamp"] =
        b64(&world.stamp(&signature, late)).into();
    let result = judge(&world, &bundle);
    assert!(
        matches!(
            result,
            Err(Refusal::Certificate(CertificateFault::Validity { at, .. })) if at == late
        ),
        "{result:?}"
    );
}

/// One true time within the certificate's life does not excuse another outside of it.
#[test]
fn every_time_must_lie_within_the_certificates_life() {
    let world = World::new();
    let (_, mut bundle) = signed(&world);
    let signature = {
        use base64::Engine as _;
        base64::engine::general_purpose::STANDARD
            .decode(
                bundle["dsseEnvelope"]["signatures"][0]["sig"]
                    .as_str()
                    .unwrap(),
            )
            .unwrap()
    };
    let stamps =
        &mut bundle["verificationMaterial"]["timestampVerificationData"]["rfc3161Timestamps"];
    let late = json!({"signedTimestamp": b64(&world.stamp(&signature, SIGNED + 86_400))});
    stamps.as_array_mut().unwrap().push(late);
    assert!(matches!(
        judge(&world, &bundle),
        Err(Refusal::Certificate(CertificateFault::Validity { .. }))
    ));
}

#[test]
fn a_time_of_the_log_that_was_moved_back() {
    let world = World::new();
    let (_, mut bundle) = signed(&world);
    bundle["verificationMaterial"]["tlogEntries"][0]["integratedTime"] =
        (SIGNED - 30).to_string().into();
    assert_eq!(judge(&world, &bundle), Err(Refusal::Log(LogFault::Promise)));
}

#[test]
fn a_timestamp_of_another_signature() {
    let world = World::new();
    let (_, mut bundle) = signed(&world);
    bundle["verificationMaterial"]["timestampVerificationData"]["rfc3161Timestamps"][0]["signedTimestamp"] =
        b64(&world.stamp(b"another signature", SIGNED)).into();
    assert_eq!(
        judge(&world, &bundle),
        Err(Refusal::Timestamp(TimestampFault::OtherBytes))
    );
}

#[test]
fn a_timestamp_of_an_unknown_authority() {
    let (world, stranger) = (World::new(), World::new());
    let (signer, mut bundle) = signed(&world);
    let foreign = stranger.bundle(&signer, &World::statement(image().hex()));
    // The same signer's signature, stamped elsewhere.
    for part in ["dsseEnvelope", "verificationMaterial"] {
        bundle[part] = foreign[part].clone();
    }
    let result = judge(&world, &bundle);
    assert!(
        matches!(
            result,
            Err(Refusal::Timestamp(
                TimestampFault::UnknownAuthority | TimestampFault::Signature
            ))
        ),
        "{result:?}"
    );
}

#[test]
fn a_timestamp_from_the_future() {
    let world = World::new();
    let (_, bundle) = signed(&world);
    let image = image();
    let rule = alice();
    let before = (SIGNED - 1) * 1000;
    let result = verify_bundle(
        bundle.to_string().as_bytes(),
        Artifact::Digest(&image),
        &world.root(),
        Expected::identity(&rule),
        before,
    );
    assert_eq!(result, Err(Refusal::Future));
}

#[test]
fn a_certificate_of_an_authority_that_is_not_trusted() {
    let (world, stranger) = (World::new(), World::new());
    let signer = stranger.certify(ALICE);
    let bundle = world.bundle(&signer, &World::statement(image().hex()));
    assert_eq!(
        judge(&world, &bundle),
        Err(Refusal::Certificate(CertificateFault::Path))
    );
}

#[test]
fn a_certificate_for_another_use() {
    let world = World::new();
    let signer = world.certify_with(ALICE, ExtendedKeyUsagePurpose::ServerAuth, true);
    let bundle = world.bundle(&signer, &World::statement(image().hex()));
    assert_eq!(
        judge(&world, &bundle),
        Err(Refusal::Certificate(CertificateFault::Purpose))
    );
}

/// An authority that was talked into a certificate keeps it out of the certificate log.
#[test]
fn a_certificate_that_no_log_has_seen() {
    let world = World::new();
    let signer = world.certify_with(ALICE, ExtendedKeyUsagePurpose::CodeSigning, false);
    let bundle = world.bundle(&signer, &World::statement(image().hex()));
    assert_eq!(
        judge(&world, &bundle),
        Err(Refusal::CertificateLog(SctFault::Missing))
    );
    let mut root = world.root_json();
    root["ctlogs"] = json!([]);
    let root = TrustedRoot::parse(root.to_string().as_bytes()).unwrap();
    let (_, logged) = signed(&world);
    assert_eq!(
        judge_as(&root, &logged, &alice()),
        Err(Refusal::CertificateLog(SctFault::UnknownLog))
    );
}

#[test]
fn a_root_certificate_in_the_bundle() {
    let world = World::new();
    let (signer, mut bundle) = signed(&world);
    let root =
        world.root_json()["certificateAuthorities"][0]["certChain"]["certificates"][0].clone();
    let own = json!({"rawBytes": b64(&signer.der)});
    bundle["mediaType"] = "application/vnd.dev.sigstore.bundle+json;version=0.2".into();
    let material = bundle["verificationMaterial"].as_object_mut().unwrap();
    material.remove("certificate");
    material.insert(
        "x509CertificateChain".into(),
        json!({"certificates": [own, root]}),
    );
    assert_eq!(
        judge(&world, &bundle),
        Err(Refusal::Certificate(CertificateFault::BringsRoot))
    );
}

#[test]
fn a_log_that_is_not_trusted_or_no_log_at_all() {
    let (world, stranger) = (World::new(), World::new());
    let (_, mut bundle) = signed(&world);
    let mut root = world.root_json();
    root["tlogs"] = stranger.root_json()["tlogs"].clone();
    let root = TrustedRoot::parse(root.to_string().as_bytes()).unwrap();
    assert_eq!(
        judge_as(&root, &bundle, &alice()),
        Err(Refusal::Log(LogFault::UnknownLog))
    );
    bundle["verificationMaterial"]["tlogEntries"] = json!([]);
    assert_eq!(
        judge(&world, &bundle),
        Err(Refusal::NotLogged {
            found: 0,
            needed: 1
        })
    );
}

/// One log twice is one log.
#[test]
fn the_same_entry_twice_is_not_two_logs() {
    let world = World::new();
    let (_, mut bundle) = signed(&world);
    let entries = &mut bundle["verificationMaterial"]["tlogEntries"];
    let entry = entries[0].clone();
    entries.as_array_mut().unwrap().push(entry);
    let rule = alice();
    let mut expected = Expected::identity(&rule);
    expected.demands.logs = 2;
    let image = image();
    let result = verify_bundle(
        bundle.to_string().as_bytes(),
        Artifact::Digest(&image),
        &world.root(),
        expected,
        NOW,
    );
    assert_eq!(
        result,
        Err(Refusal::NotLogged {
            found: 1,
            needed: 2
        })
    );
}

#[test]
fn a_proof_that_leads_elsewhere() {
    let world = World::new();
    let (_, bundle) = signed(&world);
    let changed = |name: &str, value: Value| {
        let mut bundle = bundle.clone();
        bundle["verificationMaterial"]["tlogEntries"][0]["inclusionProof"][name] = value;
        judge(&world, &bundle)
    };
    assert_eq!(
        changed("logIndex", "3".into()),
        Err(Refusal::Log(LogFault::Inclusion))
    );
    assert_eq!(
        changed("treeSize", "6".into()),
        Err(Refusal::Log(LogFault::OtherRoot))
    );
    let zeros = b64(&[0; 32]);
    assert_eq!(
        changed("rootHash", zeros.into()),
        Err(Refusal::Log(LogFault::OtherRoot))
    );
    assert_eq!(
        changed("checkpoint", Value::Null),
        Err(Refusal::Log(LogFault::NoProof))
    );
    let note = format!(
        "log.example\n5\n{}\n\n— log.example {}\n",
        b64(&[0; 32]),
        b64(&[0; 70])
    );
    assert_eq!(
        changed("checkpoint", json!({"envelope": note})),
        Err(Refusal::Log(LogFault::Checkpoint))
    );
}

/// The entry says `hashedrekord` outside and `dsse` inside, or a hash that nobody computed.
#[test]
fn alg_games() {
    let world = World::new();
    let (signer, bundle) = signed(&world);
    let payload = World::statement(image().hex());
    let signature = bundle["dsseEnvelope"]["signatures"][0]["sig"].clone();
    let entry = |kind: &str, algorithm: &str, hash: &str| {
        let body = json!({
            "apiVersion": "0.0.1",
            "kind": "dsse",
            "spec": {
                "payloadHash": {"algorithm": algorithm, "value": hash},
                "signatures": [{
                    "signature": signature,
                    "verifier": b64(super::world::pem(&signer.der).as_bytes()),
                }],
            },
        });
        let mut bundle = bundle.clone();
        let entry = world.entry(kind, body.to_string().as_bytes(), SIGNED);
        bundle["verificationMaterial"]["tlogEntries"] = json!([entry]);
        judge(&world, &bundle)
    };
    let hash = Digest::sha256(&payload);
    assert!(entry("dsse", "sha256", hash.hex()).is_ok());
    for algorithm in ["sha1", "none", "", "SHA256", "sha512"] {
        assert_eq!(
            entry("dsse", algorithm, hash.hex()),
            Err(Refusal::Entry(EntryFault::OtherBytes)),
            "{algorithm}"
        );
    }
    assert_eq!(
        entry("hashedrekord", "sha256", hash.hex()),
        Err(Refusal::Entry(EntryFault::Unreadable))
    );
    // A file's digest under an algorithm that is not read.
    let mut file = bundle.clone();
    file.as_object_mut().unwrap().remove("dsseEnvelope");
    file["messageSignature"] = json!({
        "messageDigest": {"algorithm": "NONE", "digest": b64(&[0; 32])},
        "signature": b64(&[0; 70]),
    });
    assert_eq!(
        judge(&world, &file),
        Err(Refusal::Bundle(BundleError::DigestAlgorithm("NONE".into())))
    );
}

#[test]
fn duplicate_json_keys() {
    let world = World::new();
    let (_, bundle) = signed(&world);
    let text = bundle.to_string();
    let image = image();
    let rule = alice();
    let judge = |text: &str| {
        let expected = Expected::identity(&rule);
        verify_bundle(
            text.as_bytes(),
            Artifact::Digest(&image),
            &world.root(),
            expected,
            NOW,
        )
    };
    assert!(judge(&text).is_ok());
    for key in [
        "payload",
        "rawBytes",
        "integratedTime",
        "canonicalizedBody",
        "sig",
    ] {
        let twice = text.replacen(
            &format!("\"{key}\":"),
            &format!("\"{key}\":\"AAAA\",\"{key}\":"),
            1,
        );
        assert_eq!(
            judge(&twice),
            Err(Refusal::Bundle(BundleError::Json(JsonError::DuplicateKey(
                key.into()
            )))),
            "{key}"
        );
    }
    // In the signed statement too: readers differ in which of two subjects they take.
    let signer = world.certify(ALICE);
    let statement = String::from_utf8(World::statement(image.hex())).unwrap();
    let other = format!(
        "\"subject\":[{{\"digest\":{{\"sha256\":\"{}\"}}}}],\"subject\":",
        other_image().hex()
    );
    let statement = statement.replacen("\"subject\":", &other, 1);
    let twice = world.bundle(&signer, statement.as_bytes());
    assert_eq!(
        judge(&twice.to_string()).unwrap_err().code(),
        "signature-unreadable"
    );
}

/// A key's signature where an identity is expected, and the other way round.
#[test]
fn a_key_does_not_pass_for_a_certificate_nor_a_certificate_for_a_key() {
    let world = World::new();
    let (signer, mut bundle) = signed(&world);
    let image = image();
    let by_key = verify_bundle(
        bundle.to_string().as_bytes(),
        Artifact::Digest(&image),
        &world.root(),
        Expected::key(signer.key.public_key()),
        NOW,
    );
    assert_eq!(by_key, Err(Refusal::ExpectsKey));
    let material = bundle["verificationMaterial"].as_object_mut().unwrap();
    material.remove("certificate");
    material.insert("publicKey".into(), json!({"hint": "a"}));
    assert_eq!(judge(&world, &bundle), Err(Refusal::ExpectsCertificate));
}

#[test]
fn a_keys_signature_needs_no_root_and_fits_one_key_only() {
    let key = PrivateKey::generate(Algorithm::EcdsaP256).unwrap();
    let other = PrivateKey::generate(Algorithm::EcdsaP256).unwrap();
    let image = image();
    let payload = World::statement(image.hex());
    let signature = key.sign(&dsse::pae(dsse::IN_TOTO, &payload)).unwrap();
    let bundle = json!({
        "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
        "verificationMaterial": {"publicKey": {"hint": ""}},
        "dsseEnvelope": {
            "payload": b64(&payload),
            "payloadType": dsse::IN_TOTO,
            "signatures": [{"sig": b64(&signature)}],
        },
    });
    let judge = |key: &PrivateKey, image: &Digest| {
        verify_bundle(
            bundle.to_string().as_bytes(),
            Artifact::Digest(image),
            &TrustedRoot::default(),
            Expected::key(key.public_key()),
            NOW,
        )
    };
    let holds = judge(&key, &image).unwrap();
    assert_eq!(
        holds.signer(),
        &SignedBy::Key(key.public_key().id().clone())
    );
    assert!(holds.times().is_empty());
    assert_eq!(
        judge(&other, &image),
        Err(Refusal::Signature(other.public_key().id().clone()))
    );
    assert_eq!(
        judge(&key, &other_image()),
        Err(Refusal::OtherSubject(other_image().to_string()))
    );
}

/// Whatever is changed, either nothing is believed or exactly what was believed before.
#[test]
fn no_changed_letter_makes_anything_else_believed() {
    let world = World::new();
    let (_, bundle) = signed(&world);
    let root = world.root();
    let before = judge_as(&root, &bundle, &alice()).unwrap();
    let mut pointers = Vec::new();
    collect(&bundle, String::new(), &mut pointers);
    assert!(pointers.len() > 15, "{pointers:?}");
    let (mut refused, mut unchanged) = (0, 0);
    for pointer in pointers {
        let text = bundle
            .pointer(&pointer)
            .unwrap()
            .as_str()
            .unwrap()
            .to_owned();
        for at in (0..text.len()).step_by(1 + text.len() / 20) {
            let mut letters = text.clone().into_bytes();
            letters[at] = if letters[at] == b'Q' { b'R' } else { b'Q' };
            let Ok(changed) = String::from_utf8(letters) else {
                continue;
            };
            let mut bundle = bundle.clone();
            *bundle.pointer_mut(&pointer).unwrap() = changed.into();
            match judge_as(&root, &bundle, &alice()) {
                Ok(after) => {
                    assert_eq!(after, before, "{pointer} at {at}");
                    unchanged += 1;
                }
                Err(_) => refused += 1,
            }
        }
    }
    assert!(
        refused > 150 && unchanged < 10,
        "{refused} refused, {unchanged} unchanged"
    );
}

fn collect(value: &Value, pointer: String, pointers: &mut Vec<String>) {
    match value {
        Value::String(_) => pointers.push(pointer),
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                collect(item, format!("{pointer}/{at}"), pointers);
            }
        }
        Value::Object(members) => {
            for (name, member) in members {
                collect(member, format!("{pointer}/{name}"), pointers);
            }
        }
        _ => {}
    }
}
