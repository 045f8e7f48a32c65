//! Signatures that somebody changed, swapped or made up. Each fails closed, with its own reason. What headers may not say is in
//! `attacks_headers`.

use coset::{CoseSign1, TaggedCborSerializable as _};
use serde_json::{Value, json};

use super::super::sign::sign_payload;
use super::super::testing::*;
use super::super::*;
use crate::encoding::{from_base64url, to_base64, to_base64url};

/// An envelope's JSON, changed by someone without the key.
pub(super) fn jws(envelope: &Envelope, change: impl FnOnce(&mut Value)) -> Vec<u8> {
    let mut document = serde_json::from_slice(&envelope.to_bytes().unwrap()).unwrap();
    change(&mut document);
    serde_json::to_vec(&document).unwrap()
}

pub(super) fn sign_again(world: &World, mut envelope: Envelope) -> Vec<u8> {
    envelope.signature = world.leaf.signer().sign(&envelope.signed_bytes()).unwrap();
    envelope.to_bytes().unwrap()
}

pub(super) fn cose(envelope: &Envelope, change: impl FnOnce(&mut CoseSign1)) -> Vec<u8> {
    let mut message = CoseSign1::from_tagged_slice(&envelope.to_bytes().unwrap()).unwrap();
    change(&mut message);
    message.to_tagged_vec().unwrap()
}

pub(super) fn integrity_of(world: &World, format: Format, bytes: &[u8]) -> Failure {
    let (check, why) = failure(world, format, bytes);
    assert_eq!(check, Check::Integrity, "{why:?}");
    why
}

pub(super) fn envelope_error(world: &World, format: Format, bytes: &[u8]) -> EnvelopeError {
    match integrity_of(world, format, bytes) {
        Failure::Envelope(error) => error,
        other => panic!("{other:?}"),
    }
}

pub(super) fn signed_payload(world: &World, format: Format, payload: &[u8]) -> Vec<u8> {
    let (artifact, chain) = (artifact(), world.chain());
    let request = request(&artifact, &chain);
    let envelope = sign_payload(&request, payload, format, &world.leaf.signer()).unwrap();
    envelope.to_bytes().unwrap()
}

#[test]
fn a_payload_that_is_no_descriptor_is_refused() {
    let world = World::new();
    let digest = artifact().digest;
    for payload in [
        "hello".to_owned(),
        "{}".to_owned(),
        r#"{"targetArtifact":[]}"#.to_owned(),
        format!(r#"{{"targetArtifact":{{"digest":"{digest}","size":10}}}}"#),
        format!(r#"{{"targetArtifact":{{"mediaType":"a/b","digest":"{digest}"}}}}"#),
    ] {
        for format in FORMATS {
            let why = integrity_of(
                &world,
                format,
                &signed_payload(&world, format, payload.as_bytes()),
            );
            assert!(matches!(why, Failure::Payload(_)), "{payload}: {why:?}");
        }
    }
}

#[test]
fn a_signature_over_another_artifact_is_refused() {
    let world = World::new();
    for format in FORMATS {
        let envelope = world.sign(format);
        let (stores, lists) = (world.stores(), RevocationLists::default());
        let statement = strict(&["ca:wabbit"]);
        let trust = Trust {
            statement: &statement,
            stores: &stores,
            lists: &lists,
        };
        let bytes = envelope.to_bytes().unwrap();
        let mut others = [artifact(), artifact(), artifact()];
        others[0].digest = oci::Digest::sha256(b"another");
        others[1].size += 1;
        others[2].media_type = oci::media::OCI_INDEX.to_owned();
        for other in others {
            let (check, why) = failed(verify(format, &bytes, &other, trust, NOW));
            assert_eq!(check, Check::Integrity);
            assert!(matches!(why, Failure::OtherArtifact { .. }), "{why:?}");
        }
    }
}

#[test]
fn a_changed_payload_or_header_is_refused() {
    let world = World::new();
    let envelope = world.sign(Format::Jws);
    let bytes = jws(&envelope, |document| {
        let mut payload = from_base64url(document["payload"].as_str().unwrap()).unwrap();
        payload.push(b' ');
        document["payload"] = json!(to_base64url(&payload));
    });
    assert_eq!(
        integrity_of(&world, Format::Jws, &bytes),
        Failure::Signature
    );
    let bytes = jws(&envelope, |document| {
        let protected = from_base64url(document["protected"].as_str().unwrap()).unwrap();
        let later = String::from_utf8(protected)
            .unwrap()
            .replace("2026-", "2027-");
        document["protected"] = json!(to_base64url(later.as_bytes()));
    });
    assert_eq!(
        integrity_of(&world, Format::Jws, &bytes),
        Failure::Signature
    );
    let bytes = cose(&world.sign(Format::Cose), |message| {
        message.payload.as_mut().unwrap().push(b' ')
    });
    assert_eq!(
        integrity_of(&world, Format::Cose, &bytes),
        Failure::Signature
    );
}

#[test]
fn a_signature_in_another_encoding_is_refused() {
    // ECDSA in DER is not what JWS and COSE have.
    let world = World::new();
    use rcgen::SigningKey as _;
    for format in FORMATS {
        let mut envelope = world.sign(format);
        envelope.signature = world.leaf.key.sign(&envelope.signed_bytes()).unwrap();
        let bytes = envelope.to_bytes().unwrap();
        assert_eq!(integrity_of(&world, format, &bytes), Failure::Signature);
    }
}

#[test]
fn a_swapped_chain_is_refused() {
    let world = World::new();
    let other = World::new();
    for format in FORMATS {
        // The chain of another, whose key did not sign.
        let mut envelope = world.sign(format);
        envelope.chain = other.chain();
        let why = integrity_of(&world, format, &envelope.to_bytes().unwrap());
        assert_eq!(why, Failure::Signature);
        // The own leaf under the trusted names of another.
        let mut mixed = other.sign(format);
        mixed.chain = [&other.chain()[..1], &world.chain()[1..]].concat();
        let why = integrity_of(&world, format, &mixed.to_bytes().unwrap());
        assert!(
            matches!(why, Failure::Chain(ChainFault::Order { .. })),
            "{why:?}"
        );
        // A whole chain of one's own making.
        let (check, why) = failure(&world, format, &other.sign(format).to_bytes().unwrap());
        assert_eq!(check, Check::Authenticity);
        assert!(matches!(why, Failure::Untrusted { .. }), "{why:?}");
    }
}

#[test]
fn certificates_must_be_there_and_be_read_in_one_way() {
    let world = World::new();
    let envelope = world.sign(Format::Jws);
    let bytes = jws(&envelope, |document| {
        document["header"].as_object_mut().unwrap().remove("x5c");
    });
    assert_eq!(
        envelope_error(&world, Format::Jws, &bytes),
        EnvelopeError::NoChain
    );
    let bytes = jws(&envelope, |document| {
        document["header"]["x5c"][0] = json!("!")
    });
    assert_eq!(
        envelope_error(&world, Format::Jws, &bytes),
        EnvelopeError::Base64 { part: "x5c" }
    );
    let bytes = jws(&envelope, |document| {
        document["header"]["x5c"][0] = json!(to_base64(b"no certificate"));
    });
    assert!(matches!(
        envelope_error(&world, Format::Jws, &bytes),
        EnvelopeError::Certificate(_)
    ));
    let bytes = jws(&envelope, |document| {
        let one = document["header"]["x5c"][0].clone();
        document["header"]["x5c"] = vec![one; 11].into();
    });
    assert_eq!(
        envelope_error(&world, Format::Jws, &bytes),
        EnvelopeError::Chain { count: 11 }
    );
    let bytes = cose(&world.sign(Format::Cose), |message| {
        message.unprotected.rest.clear()
    });
    assert_eq!(
        envelope_error(&world, Format::Cose, &bytes),
        EnvelopeError::NoChain
    );
    let bytes = jws(&envelope, |document| document["header"]["x5c"] = json!([]));
    assert_eq!(
        integrity_of(&world, Format::Jws, &bytes),
        Failure::Chain(ChainFault::Empty)
    );
}

#[test]
fn other_forms_of_jws_and_cose_are_refused() {
    use coset::CborSerializable as _;
    let world = World::new();
    let envelope = world.sign(Format::Jws);
    let text = envelope.to_bytes().unwrap();
    let document: Value = serde_json::from_slice(&text).unwrap();
    let compact = format!(
        "{}.{}.{}",
        document["protected"], document["payload"], document["signature"]
    );
    for bytes in [
        compact.replace('"', "").into_bytes(),
        json!({"payload": document["payload"], "signatures": [document]})
            .to_string()
            .into_bytes(),
        jws(&envelope, |document| document["extra"] = json!(1)),
        [text.as_slice(), b"{}"].concat(),
        envelope.to_bytes().unwrap()[1..].to_vec(),
    ] {
        assert!(matches!(
            envelope_error(&world, Format::Jws, &bytes),
            EnvelopeError::Json(_)
        ));
    }
    let padded = jws(&envelope, |document| {
        document["signature"] = json!(format!("{}==", document["signature"].as_str().unwrap()));
    });
    assert_eq!(
        envelope_error(&world, Format::Jws, &padded),
        EnvelopeError::Base64 { part: "signature" }
    );

    let tagged = world.sign(Format::Cose).to_bytes().unwrap();
    let message = CoseSign1::from_tagged_slice(&tagged).unwrap();
    let mut detached = message.clone();
    detached.payload = None;
    for bytes in [
        message.to_vec().unwrap(),
        [tagged.as_slice(), &[0]].concat(),
        tagged[..tagged.len() - 1].to_vec(),
        detached.to_tagged_vec().unwrap(),
        text,
    ] {
        assert!(matches!(
            envelope_error(&world, Format::Cose, &bytes),
            EnvelopeError::Cose(_)
        ));
    }
    for format in FORMATS {
        let long = vec![b' '; ENVELOPE_BYTES_MAX + 1];
        assert!(matches!(
            envelope_error(&world, format, &long),
            EnvelopeError::Size { .. }
        ));
    }
    let deep = [vec![0xd2], vec![0x81; 100_000]].concat();
    assert!(matches!(
        envelope_error(&world, Format::Cose, &deep),
        EnvelopeError::Cose(_)
    ));
}

#[test]
fn an_expired_signature_is_refused_from_its_end_on() {
    let world = World::new();
    for format in FORMATS {
        let envelope = world.sign_as(format, |request| request.expiry = Some(NOW + DAY));
        let at = |actions, now| {
            judge(
                &envelope,
                &statement(actions, &["ca:wabbit"]),
                &world.stores(),
                now,
            )
        };
        passed(at(Actions::STRICT, NOW + DAY - 1));
        let expired = (Check::Expiry, Failure::Expired { expiry: NOW + DAY });
        assert_eq!(failed(at(Actions::STRICT, NOW + DAY)), expired);
        let logged = passed(at(Actions::PERMISSIVE, NOW + DAY));
        assert_eq!(logged.logged, [expired]);
        assert!(logged.identity.is_some());
    }
}

#[test]
fn an_identity_that_is_not_trusted_is_refused() {
    let world = World::new();
    let mut trusted = strict(&["ca:wabbit"]);
    let only = |text: &str| vec![TrustedIdentity::parse(text).unwrap()];
    let envelope = world.sign(Format::Jws);
    trusted.identities = only("x509.subject: C=US, ST=WA, O=wabbit, CN=signer");
    passed(judge(&envelope, &trusted, &world.stores(), NOW));
    trusted.identities = only("x509.subject: C=US, ST=WA, O=wabbit, CN=root");
    let (check, why) = failed(judge(&envelope, &trusted, &world.stores(), NOW));
    assert_eq!(check, Check::Authenticity);
    assert!(matches!(why, Failure::OtherIdentity { .. }), "{why:?}");
}

#[test]
fn a_store_that_the_policy_does_not_name_is_trusted_for_nothing() {
    let world = World::new();
    let envelope = world.sign(Format::Cose);
    for stores in [["ca:other"], ["signingAuthority:wabbit"]] {
        let (check, why) = failed(judge(&envelope, &strict(&stores), &world.stores(), NOW));
        assert_eq!(check, Check::Authenticity);
        assert!(
            matches!(why, Failure::Untrusted { kind: "ca", .. }),
            "{why:?}"
        );
    }
}

#[test]
fn under_audit_nobody_stands_behind_what_was_not_authentic() {
    let (world, other) = (World::new(), World::new());
    let audit = statement(Actions::AUDIT, &["ca:wabbit", "signingAuthority:wabbit"]);
    let scheme = Scheme::SigningAuthority {
        authentic_signing_time: NOW - DAY,
    };
    let envelope = other.sign_as(Format::Jws, |request| request.scheme = scheme);
    let passed = passed(judge(&envelope, &audit, &world.stores(), NOW));
    assert_eq!(passed.identity, None);
    assert_eq!(
        passed.time, None,
        "the time of a service that nobody trusts"
    );
    assert!(matches!(
        passed.logged.as_slice(),
        [(Check::Authenticity, Failure::Untrusted { .. })]
    ));
    // Integrity is enforced even so.
    let mut changed = envelope;
    changed.payload.push(b' ');
    assert_eq!(
        failed(judge(&changed, &audit, &world.stores(), NOW)),
        (Check::Integrity, Failure::Signature)
    );
}

#[test]
fn skip_says_nothing() {
    let world = World::new();
    let skip = Statement {
        level: Level::Skip,
        ..strict(&["ca:wabbit"])
    };
    assert_eq!(
        judge(&world.sign(Format::Jws), &skip, &world.stores(), NOW),
        Outcome::Skipped
    );
}
