//! Signatures that somebody changed, swapped or made up. Each fails closed, with its own reason.

use coset::cbor::value::Value as Cbor;
use coset::{CoseSign1, Header, Label, RegisteredLabel, TaggedCborSerializable as _};
use serde_json::{Value, json};

use super::super::attributes::{EXPIRY, SIGNING_SCHEME};
use super::super::sign::sign_payload;
use super::super::testing::*;
use super::super::*;
use crate::encoding::{from_base64url, to_base64, to_base64url};
use crate::strict::JsonError;

/// An envelope's JSON, changed by someone without the key.
fn jws(envelope: &Envelope, change: impl FnOnce(&mut Value)) -> Vec<u8> {
    let mut document = serde_json::from_slice(&envelope.to_bytes().unwrap()).unwrap();
    change(&mut document);
    serde_json::to_vec(&document).unwrap()
}

/// An envelope whose protected headers were changed and then signed with the right key.
fn jws_signed(world: &World, change: impl FnOnce(&mut Value)) -> Vec<u8> {
    let mut envelope = world.sign(Format::Jws);
    let mut headers = serde_json::from_slice(&envelope.protected).unwrap();
    change(&mut headers);
    envelope.protected = serde_json::to_vec(&headers).unwrap();
    sign_again(world, envelope)
}

fn sign_again(world: &World, mut envelope: Envelope) -> Vec<u8> {
    envelope.signature = world.leaf.signer().sign(&envelope.signed_bytes()).unwrap();
    envelope.to_bytes().unwrap()
}

/// The same for COSE.
fn cose_signed(world: &World, change: impl FnOnce(&mut Header)) -> Vec<u8> {
    use coset::CborSerializable as _;
    let mut envelope = world.sign(Format::Cose);
    let mut headers = Header::from_slice(&envelope.protected).unwrap();
    change(&mut headers);
    envelope.protected = headers.to_vec().unwrap();
    sign_again(world, envelope)
}

fn cose(envelope: &Envelope, change: impl FnOnce(&mut CoseSign1)) -> Vec<u8> {
    let mut message = CoseSign1::from_tagged_slice(&envelope.to_bytes().unwrap()).unwrap();
    change(&mut message);
    message.to_tagged_vec().unwrap()
}

fn integrity_of(world: &World, format: Format, bytes: &[u8]) -> Failure {
    let (check, why) = failure(world, format, bytes);
    assert_eq!(check, Check::Integrity, "{why:?}");
    why
}

fn envelope_error(world: &World, format: Format, bytes: &[u8]) -> EnvelopeError {
    match integrity_of(world, format, bytes) {
        Failure::Envelope(error) => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_algorithm_that_the_key_does_not_have_is_refused() {
    let world = World::new();
    for (name, id) in [("ES384", -35), ("PS256", -37)] {
        let bytes = jws_signed(&world, |headers| headers["alg"] = json!(name));
        assert_eq!(
            integrity_of(&world, Format::Jws, &bytes),
            Failure::Algorithm,
            "{name}"
        );
        let bytes = cose_signed(&world, |headers| {
            use coset::iana::EnumI64 as _;
            let id = coset::iana::Algorithm::from_i64(id).unwrap();
            headers.alg = Some(coset::Algorithm::Assigned(id));
        });
        assert_eq!(
            integrity_of(&world, Format::Cose, &bytes),
            Failure::Algorithm,
            "{id}"
        );
    }
}

#[test]
fn algorithms_that_are_none_of_the_six_are_refused() {
    let world = World::new();
    for name in [
        json!("none"),
        json!("HS256"),
        json!("RS256"),
        json!("EdDSA"),
        json!("es256"),
        json!(null),
        json!(7),
    ] {
        let bytes = jws_signed(&world, |headers| headers["alg"] = name.clone());
        let error = envelope_error(&world, Format::Jws, &bytes);
        assert_eq!(
            error,
            EnvelopeError::Attributes(AttributeError::Algorithm),
            "{name}"
        );
    }
    for algorithm in [
        None,
        Some(coset::iana::Algorithm::EdDSA),
        Some(coset::iana::Algorithm::HMAC_256_256),
    ] {
        let bytes = cose_signed(&world, |headers| {
            headers.alg = algorithm.map(coset::Algorithm::Assigned)
        });
        let error = envelope_error(&world, Format::Cose, &bytes);
        assert_eq!(
            error,
            EnvelopeError::Attributes(AttributeError::Algorithm),
            "{algorithm:?}"
        );
    }
}

#[test]
fn an_rsa_key_does_not_choose_its_hash() {
    let root = Holder::root(authority("root"));
    let leaf = root.issue_with(signer("signer"), key_of(Algorithm::Ps256));
    let world = World {
        middle: Holder::root(authority("unused")),
        root,
        leaf,
    };
    let chain = [
        world.leaf.certificate.clone(),
        world.root.certificate.clone(),
    ];
    let artifact = artifact();
    let mut envelope = sign(
        &request(&artifact, &chain),
        Format::Jws,
        &world.leaf.signer(),
    )
    .unwrap();
    let mut headers: Value = serde_json::from_slice(&envelope.protected).unwrap();
    headers["alg"] = json!("PS512");
    envelope.protected = serde_json::to_vec(&headers).unwrap();
    let bytes = sign_again(&world, envelope);
    assert_eq!(
        integrity_of(&world, Format::Jws, &bytes),
        Failure::Algorithm
    );
}

#[test]
fn a_critical_attribute_that_nobody_knows_is_refused() {
    let world = World::new();
    for format in FORMATS {
        let extended = |critical| {
            world.sign_as(format, |request| {
                request.extended = vec![Extended {
                    name: "com.example.rule".into(),
                    value: "x".into(),
                    critical,
                }];
            })
        };
        let bytes = extended(true).to_bytes().unwrap();
        let why = integrity_of(&world, format, &bytes);
        assert_eq!(
            why,
            Failure::UnknownCritical {
                name: "com.example.rule".into()
            }
        );
        passed(judge(
            &extended(false),
            &strict(&["ca:wabbit"]),
            &world.stores(),
            NOW,
        ));
    }
}

#[test]
fn a_verification_plugin_is_not_passed_over() {
    let world = World::new();
    for format in FORMATS {
        let name = "io.cncf.notary.verificationPlugin";
        let envelope = world.sign_as(format, |request| {
            request.extended = vec![Extended {
                name: name.into(),
                value: "com.example.plugin".into(),
                critical: true,
            }];
        });
        let why = integrity_of(&world, format, &envelope.to_bytes().unwrap());
        assert_eq!(why, Failure::UnknownCritical { name: name.into() });
    }
}

#[test]
fn a_list_of_critical_attributes_must_be_whole_and_true() {
    let world = World::new();
    let jws_error = |critical: Value| {
        let bytes = jws_signed(&world, |headers| headers["crit"] = critical);
        envelope_error(&world, Format::Jws, &bytes)
    };
    let listed =
        |name: &str| EnvelopeError::Attributes(AttributeError::CriticalList { name: name.into() });
    assert_eq!(
        jws_error(json!([SIGNING_SCHEME, SIGNING_SCHEME])),
        listed(SIGNING_SCHEME)
    );
    assert_eq!(
        jws_error(json!([SIGNING_SCHEME, "absent"])),
        listed("absent")
    );
    assert_eq!(jws_error(json!([SIGNING_SCHEME, "alg"])), listed("alg"));
    assert_eq!(
        jws_error(json!([])),
        EnvelopeError::Attributes(AttributeError::NotCritical {
            name: SIGNING_SCHEME
        })
    );
    let form = EnvelopeError::Attributes(AttributeError::Form {
        name: "crit".into(),
    });
    assert_eq!(jws_error(json!(SIGNING_SCHEME)), form);
    let bytes = cose_signed(&world, |headers| {
        headers
            .crit
            .push(coset::RegisteredLabelWithPrivate::Text("absent".into()))
    });
    assert_eq!(
        envelope_error(&world, Format::Cose, &bytes),
        listed("absent")
    );
    let bytes = cose_signed(&world, |headers| {
        headers
            .crit
            .push(coset::RegisteredLabelWithPrivate::Assigned(
                coset::iana::HeaderParameter::Alg,
            ))
    });
    assert_eq!(
        envelope_error(&world, Format::Cose, &bytes),
        listed("cose label 1")
    );
    let bytes = cose_signed(&world, |headers| headers.crit.clear());
    assert!(matches!(
        envelope_error(&world, Format::Cose, &bytes),
        EnvelopeError::Attributes(AttributeError::NotCritical {
            name: SIGNING_SCHEME
        })
    ));
}

#[test]
fn an_expiry_must_be_critical() {
    let world = World::new();
    let not_critical = EnvelopeError::Attributes(AttributeError::NotCritical { name: EXPIRY });
    let bytes = jws_signed(&world, |headers| {
        headers[EXPIRY] = json!("2030-01-01T00:00:00Z")
    });
    assert_eq!(envelope_error(&world, Format::Jws, &bytes), not_critical);
    let bytes = cose_signed(&world, |headers| {
        let time = Cbor::Tag(1, Box::new(Cbor::from(1_900_000_000)));
        headers.rest.push((Label::Text(EXPIRY.into()), time));
    });
    assert_eq!(envelope_error(&world, Format::Cose, &bytes), not_critical);
}

#[test]
fn the_schemes_do_not_mix() {
    let world = World::new();
    let error = |change: &dyn Fn(&mut Value)| {
        let bytes = jws_signed(&world, |headers| change(headers));
        envelope_error(&world, Format::Jws, &bytes)
    };
    let authentic = "io.cncf.notary.authenticSigningTime";
    let times = EnvelopeError::Attributes(AttributeError::Times);
    assert_eq!(
        error(&|headers| headers[authentic] = json!("2026-01-01T00:00:00Z")),
        times
    );
    assert_eq!(
        error(&|headers| headers[SIGNING_SCHEME] = json!("notary.x509.signingAuthority")),
        times
    );
    assert_eq!(
        error(&|headers| headers[SIGNING_SCHEME] = json!("notary.x509.future")),
        EnvelopeError::Attributes(AttributeError::Scheme {
            found: "notary.x509.future".into()
        })
    );
    let time = EnvelopeError::Attributes(AttributeError::Time {
        name: "io.cncf.notary.signingTime",
    });
    assert_eq!(
        error(&|headers| headers["io.cncf.notary.signingTime"] = json!(1_795_608_000)),
        time
    );
}

#[test]
fn a_key_twice_is_refused_at_every_level() {
    let world = World::new();
    let envelope = world.sign(Format::Jws);
    let text = String::from_utf8(envelope.to_bytes().unwrap()).unwrap();
    let twice = |key: &str| EnvelopeError::Json(JsonError::DuplicateKey(key.into()));
    let outer = text.replacen('{', "{\"payload\":\"\",", 1);
    assert_eq!(
        envelope_error(&world, Format::Jws, outer.as_bytes()),
        twice("payload")
    );
    let header = text.replacen("\"header\":{", "\"header\":{\"x5c\":[],", 1);
    assert_eq!(
        envelope_error(&world, Format::Jws, header.as_bytes()),
        twice("x5c")
    );

    // Also inside what is signed, by the right key.
    let mut protected = world.sign(Format::Jws);
    let inner = String::from_utf8(protected.protected).unwrap();
    protected.protected = inner.replacen('{', "{\"alg\":\"none\",", 1).into_bytes();
    let bytes = sign_again(&world, protected);
    assert_eq!(envelope_error(&world, Format::Jws, &bytes), twice("alg"));

    let digest = artifact().digest;
    let payload = format!(
        r#"{{"targetArtifact":{{"mediaType":"{}","digest":"sha256:{}","digest":"{digest}","size":10}}}}"#,
        oci::media::OCI_MANIFEST,
        "0".repeat(64)
    );
    for format in FORMATS {
        let why = integrity_of(
            &world,
            format,
            &signed_payload(&world, format, payload.as_bytes()),
        );
        let error = JsonError::DuplicateKey("digest".into());
        assert_eq!(why, Failure::Payload(payload::PayloadError::Json(error)));
    }
}

fn signed_payload(world: &World, format: Format, payload: &[u8]) -> Vec<u8> {
    let (artifact, chain) = (artifact(), world.chain());
    let request = request(&artifact, &chain);
    let envelope = sign_payload(&request, payload, format, &world.leaf.signer()).unwrap();
    envelope.to_bytes().unwrap()
}

#[test]
fn a_cose_label_twice_is_refused() {
    let world = World::new();
    let mut envelope = world.sign(Format::Cose);
    // The map has one pair more: `alg` again, as the first.
    let protected = &mut envelope.protected;
    protected[0] += 1;
    protected.splice(1..1, [0x01, 0x26]);
    let bytes = sign_again(&world, envelope);
    assert!(matches!(
        envelope_error(&world, Format::Cose, &bytes),
        EnvelopeError::Cose(_)
    ));
}

#[test]
fn another_payload_type_is_refused() {
    let world = World::new();
    let other = "application/vnd.in-toto+json";
    let error = EnvelopeError::Attributes(AttributeError::ContentType {
        found: other.into(),
    });
    let bytes = jws_signed(&world, |headers| headers["cty"] = json!(other));
    assert_eq!(envelope_error(&world, Format::Jws, &bytes), error);
    let bytes = cose_signed(&world, |headers| {
        headers.content_type = Some(RegisteredLabel::Text(other.into()));
    });
    assert_eq!(envelope_error(&world, Format::Cose, &bytes), error);
    let bytes = cose_signed(&world, |headers| headers.content_type = None);
    let none = EnvelopeError::Attributes(AttributeError::ContentType {
        found: String::new(),
    });
    assert_eq!(envelope_error(&world, Format::Cose, &bytes), none);
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
fn what_must_be_signed_may_not_stand_where_nobody_signs_it() {
    let world = World::new();
    let envelope = world.sign(Format::Jws);
    for name in ["alg", "crit", "cty", EXPIRY, SIGNING_SCHEME] {
        let bytes = jws(&envelope, |document| document["header"][name] = json!("x"));
        let error = EnvelopeError::Unsigned { name: name.into() };
        assert_eq!(envelope_error(&world, Format::Jws, &bytes), error);
    }
    let envelope = world.sign(Format::Cose);
    let bytes = cose(&envelope, |message| {
        message.unprotected.alg = Some(coset::Algorithm::Assigned(coset::iana::Algorithm::ES256));
    });
    assert_eq!(
        envelope_error(&world, Format::Cose, &bytes),
        EnvelopeError::Unsigned { name: "alg".into() }
    );
    let bytes = cose(&envelope, |message| {
        message
            .unprotected
            .rest
            .push((Label::Text(EXPIRY.into()), Cbor::from(1)));
    });
    assert_eq!(
        envelope_error(&world, Format::Cose, &bytes),
        EnvelopeError::Unsigned {
            name: EXPIRY.into()
        }
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
