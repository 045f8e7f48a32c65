//! Headers that say what they may not: algorithms that the key does not have, critical attributes that nobody knows, one thing twice, or
//! where nobody signs it. Each fails closed, with its own reason, also where the right key signed it.

use coset::cbor::value::Value as Cbor;
use coset::{Header, Label, RegisteredLabel};
use serde_json::{Value, json};

use super::super::attributes::{EXPIRY, SIGNING_SCHEME};
use super::super::testing::*;
use super::super::*;
use super::attacks::{cose, envelope_error, integrity_of, jws, sign_again, signed_payload};
use crate::strict::JsonError;

/// An envelope whose protected headers were changed and then signed with the right key.
fn jws_signed(world: &World, change: impl FnOnce(&mut Value)) -> Vec<u8> {
    jws_changed(world, world.sign(Format::Jws), change)
}

pub(super) fn jws_changed(
    world: &World,
    mut envelope: Envelope,
    change: impl FnOnce(&mut Value),
) -> Vec<u8> {
    let mut headers = serde_json::from_slice(&envelope.protected).unwrap();
    change(&mut headers);
    envelope.protected = serde_json::to_vec(&headers).unwrap();
    sign_again(world, envelope)
}

/// The same for COSE.
fn cose_signed(world: &World, change: impl FnOnce(&mut Header)) -> Vec<u8> {
    cose_changed(world, world.sign(Format::Cose), change)
}

pub(super) fn cose_changed(
    world: &World,
    mut envelope: Envelope,
    change: impl FnOnce(&mut Header),
) -> Vec<u8> {
    use coset::CborSerializable as _;
    let mut headers = Header::from_slice(&envelope.protected).unwrap();
    change(&mut headers);
    envelope.protected = headers.to_vec().unwrap();
    sign_again(world, envelope)
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
fn a_scheme_that_nobody_knows_and_a_time_in_another_form_are_refused() {
    let world = World::new();
    let error = |change: &dyn Fn(&mut Value)| {
        let bytes = jws_signed(&world, |headers| change(headers));
        envelope_error(&world, Format::Jws, &bytes)
    };
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
