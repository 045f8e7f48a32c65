//! Envelopes: the specification's vector, and everything that could make one payload pass for another.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use serde_json::{Value, json};

use super::*;
use crate::testing::{ALGORITHMS, key, key_of};

const TYPE: &str = "http://example.com/HelloWorld";

fn signed() -> (Envelope, PublicKey) {
    let key = key();
    (
        Envelope::sign(TYPE, b"hello world".to_vec(), &key).unwrap(),
        key.public_key().clone(),
    )
}

fn json(envelope: &Envelope) -> Value {
    serde_json::from_str(&envelope.to_json()).unwrap()
}

fn parse(value: &Value) -> Result<Envelope, DsseError> {
    Envelope::parse(value.to_string().as_bytes())
}

#[test]
fn encodes_as_the_specification_says() {
    assert_eq!(
        pae(TYPE, b"hello world"),
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    );
    assert_eq!(pae("", b""), b"DSSEv1 0  0 ");
    assert_eq!(
        pae("é", &[0xff, 0]),
        b"DSSEv1 2 \xc3\xa9 2 \xff\x00",
        "lengths are of bytes"
    );
}

#[test]
fn no_two_type_and_payload_pairs_encode_alike() {
    let pairs = [
        ("a", "b 1 c"),
        ("a 5 b", "c"),
        ("a 1 b", "c"),
        ("a", "b"),
        ("", "a"),
        ("a", ""),
    ];
    for (at, one) in pairs.iter().enumerate() {
        for other in &pairs[at + 1..] {
            assert_ne!(
                pae(one.0, one.1.as_bytes()),
                pae(other.0, other.1.as_bytes())
            );
        }
    }
}

#[test]
fn what_was_signed_verifies_after_a_trip_through_json() {
    for algorithm in ALGORITHMS {
        let key = key_of(algorithm);
        let envelope = Envelope::sign(TYPE, b"hello world".to_vec(), &key).unwrap();
        let envelope = Envelope::parse(envelope.to_json().as_bytes()).unwrap();
        let verified = envelope.verify(TYPE, key.public_key()).unwrap();
        assert_eq!(verified.value(), b"hello world");
        assert_eq!(verified.key(), key.public_key().id());
    }
}

#[test]
fn the_type_is_asked_for_and_signed() {
    let (mut envelope, key) = signed();
    let wrong = envelope.verify("text/plain", &key).unwrap_err();
    assert_eq!(
        wrong,
        DsseError::Type {
            found: TYPE.into(),
            wanted: "text/plain".into()
        }
    );
    envelope.payload_type = "text/plain".into();
    assert_eq!(
        envelope.verify("text/plain", &key).unwrap_err(),
        DsseError::Signature {
            key: key.id().clone()
        }
    );
}

#[test]
fn a_signature_over_the_bare_payload_does_not_count() {
    let key = key();
    let sig = key.sign(b"hello world").unwrap();
    let envelope = Envelope {
        payload_type: TYPE.into(),
        payload: b"hello world".to_vec(),
        signatures: vec![Signature { keyid: None, sig }],
    };
    assert!(envelope.verify(TYPE, key.public_key()).is_err());
}

#[test]
fn changed_payloads_and_swapped_signatures_are_refused() {
    let key = key();
    let one = Envelope::sign(TYPE, b"one".to_vec(), &key).unwrap();
    let two = Envelope::sign(TYPE, b"two".to_vec(), &key).unwrap();
    let swapped = Envelope {
        signatures: two.signatures,
        ..one.clone()
    };
    assert!(swapped.verify(TYPE, key.public_key()).is_err());
    let changed = Envelope {
        payload: b"ond".to_vec(),
        ..one
    };
    assert!(changed.verify(TYPE, key.public_key()).is_err());
}

#[test]
fn the_key_id_decides_nothing() {
    let (mut envelope, signer) = signed();
    let other = key();
    envelope.signatures[0].keyid = Some(other.public_key().id().to_string());
    assert!(
        envelope.verify(TYPE, other.public_key()).is_err(),
        "naming a key is not being signed by it"
    );
    assert_eq!(envelope.verify(TYPE, &signer).unwrap().key(), signer.id());
}

#[test]
fn one_good_signature_among_several_is_enough_for_its_key() {
    let (mut envelope, signer) = signed();
    let other = key();
    let more = Envelope::sign(TYPE, b"hello world".to_vec(), &other).unwrap();
    envelope.signatures.insert(
        0,
        Signature {
            keyid: None,
            sig: vec![0; 70],
        },
    );
    envelope.signatures.extend(more.signatures);
    assert!(envelope.verify(TYPE, &signer).is_ok());
    assert_eq!(
        envelope.verify(TYPE, other.public_key()).unwrap().key(),
        other.public_key().id()
    );
    assert!(envelope.verify(TYPE, key().public_key()).is_err());
}

#[test]
fn base64_of_either_alphabet_is_read_and_other_spellings_are_not() {
    let (mut envelope, key) = signed();
    envelope.payload = vec![0xfb, 0xff, 0xfe, 0x3e];
    let mut value = json(&envelope);
    value["payload"] = URL_SAFE.encode(&envelope.payload).into();
    assert_eq!(parse(&value).unwrap().payload, envelope.payload);
    for payload in [
        "+//+Pg", "+//+Ph==", "-__-Pg", "+//+P\n", "+_/-Pg==", "?", " ",
    ] {
        value["payload"] = payload.into();
        assert_eq!(
            parse(&value),
            Err(DsseError::Base64("payload")),
            "{payload:?}"
        );
    }
    let mut value = json(&signed().0);
    for sig in ["", "AAA", "AAB="] {
        value["signatures"][0]["sig"] = sig.into();
        assert_eq!(
            parse(&value),
            Err(DsseError::Base64("signature")),
            "{sig:?}"
        );
    }
    drop(key);
}

#[test]
fn unknown_fields_are_ignored_and_empty_key_ids_are_none() {
    let (envelope, _) = signed();
    let mut value = json(&envelope);
    value["extra"] = json!({"a": [1]});
    value["signatures"][0]["extra"] = 1.into();
    value["signatures"][0]["keyid"] = "".into();
    assert_eq!(parse(&value).unwrap().signatures[0].keyid, None);
}

#[test]
fn broken_envelopes_are_refused() {
    let (envelope, _) = signed();
    let text = envelope.to_json();
    let twice = text.replacen('{', r#"{"payloadType":"text/plain","#, 1);
    assert_eq!(
        Envelope::parse(twice.as_bytes()),
        Err(JsonError::DuplicateKey("payloadType".into()).into())
    );
    for broken in [
        format!("{text}x"),
        text[1..].to_owned(),
        "[]".into(),
        "{}".into(),
        String::new(),
    ] {
        assert!(
            matches!(Envelope::parse(broken.as_bytes()), Err(DsseError::Json(_))),
            "{broken}"
        );
    }
    let mut value = json(&envelope);
    value["signatures"] = json!([]);
    assert_eq!(parse(&value), Err(DsseError::NoSignature));
    value["signatures"] = json!(vec![json!({"sig": "AAAA"}); SIGNATURES_MAX + 1]);
    assert_eq!(
        parse(&value),
        Err(DsseError::TooManySignatures {
            count: SIGNATURES_MAX + 1
        })
    );
    value["payloadType"] = "".into();
    assert_eq!(parse(&value), Err(DsseError::TypeForm(String::new())));
    let long = vec![b' '; ENVELOPE_BYTES_MAX + 1];
    assert!(matches!(
        Envelope::parse(&long),
        Err(DsseError::Json(JsonError::Limit { .. }))
    ));
    assert!(Envelope::sign("", Vec::new(), &key()).is_err());
}
