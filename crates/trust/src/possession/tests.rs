//! Proofs: for this server, attempt, principal and key, and for nothing else.

use super::*;
use crate::testing::{ALGORITHMS, key, key_of};

fn challenge(key: &KeyId) -> Challenge {
    Challenge {
        server: "registry.example".into(),
        nonce: "mB7v".into(),
        principal: "maria".into(),
        key: key.clone(),
    }
}

#[test]
fn the_holder_can_prove() {
    for algorithm in ALGORITHMS {
        let key = key_of(algorithm);
        let challenge = challenge(key.public_key().id());
        let proof = challenge.prove(&key).unwrap();
        let verified = challenge.verify(&proof, key.public_key()).unwrap();
        assert_eq!(
            (verified.value(), verified.key()),
            (&challenge, key.public_key().id())
        );
    }
}

#[test]
fn the_bytes_are_a_typed_statement() {
    let key = key();
    let id = key.public_key().id();
    let json = format!(
        r#"{{"key":"{id}","nonce":"mB7v","principal":"maria","server":"registry.example"}}"#
    );
    assert_eq!(
        challenge(id).to_bytes(),
        dsse::pae(PAYLOAD_TYPE, json.as_bytes())
    );
    assert_eq!(
        challenge_bytes("registry.example", "mB7v", "maria", id),
        challenge(id).to_bytes()
    );
}

#[test]
fn a_proof_is_good_for_one_registration_only() {
    let key = key();
    let asked = challenge(key.public_key().id());
    let proof = asked.prove(&key).unwrap();
    let others = [
        Challenge {
            server: "other.example".into(),
            ..asked.clone()
        },
        Challenge {
            nonce: "mB7w".into(),
            ..asked.clone()
        },
        Challenge {
            principal: "mallory".into(),
            ..asked.clone()
        },
        // Values that would look alike if they were only put in a row.
        Challenge {
            nonce: "mB7".into(),
            principal: "vmaria".into(),
            ..asked.clone()
        },
        Challenge {
            nonce: "mB7v\",\"principal\":\"maria".into(),
            ..asked.clone()
        },
    ];
    for other in others {
        let error = other.verify(&proof, key.public_key()).unwrap_err();
        assert_eq!(
            error,
            PossessionError::Signature {
                key: key.public_key().id().clone()
            },
            "{other:?}"
        );
    }
}

#[test]
fn another_key_proves_nothing() {
    let (key, other) = (key(), key_of(crate::Algorithm::Ed25519));
    let asked = challenge(key.public_key().id());
    let wrong = PossessionError::OtherKey {
        named: key.public_key().id().clone(),
        given: other.public_key().id().clone(),
    };
    assert_eq!(asked.prove(&other), Err(wrong.clone()));
    assert_eq!(asked.verify(&[], other.public_key()).unwrap_err(), wrong);
    let forged = other.sign(&asked.to_bytes()).unwrap();
    assert!(matches!(
        asked.verify(&forged, key.public_key()),
        Err(PossessionError::Signature { .. })
    ));
}

#[test]
fn a_signature_over_anything_else_proves_nothing() {
    let key = key();
    let asked = challenge(key.public_key().id());
    let payload = asked.to_bytes();
    let (_, json) = payload.split_at(payload.iter().position(|byte| *byte == b'{').unwrap());
    for message in [json, b"mB7v", &dsse::pae(dsse::IN_TOTO, json)] {
        let signature = key.sign(message).unwrap();
        assert!(asked.verify(&signature, key.public_key()).is_err());
    }
}

#[test]
fn values_are_there_and_short() {
    let key = key();
    let asked = challenge(key.public_key().id());
    for value in [String::new(), "x".repeat(VALUE_BYTES_MAX + 1)] {
        let broken = [
            Challenge {
                server: value.clone(),
                ..asked.clone()
            },
            Challenge {
                nonce: value.clone(),
                ..asked.clone()
            },
            Challenge {
                principal: value.clone(),
                ..asked.clone()
            },
        ];
        for challenge in broken {
            assert!(matches!(
                challenge.prove(&key),
                Err(PossessionError::Value { .. })
            ));
            assert!(matches!(
                challenge.verify(&[], key.public_key()),
                Err(PossessionError::Value { .. })
            ));
        }
    }
}

#[test]
fn a_client_reads_what_it_is_asked_to_sign() {
    let key = key();
    let id = key.public_key().id();
    let bytes = challenge(id).to_bytes();
    assert_eq!(Challenge::parse(&bytes), Ok(challenge(id)));
    assert!(is_challenge_for(&bytes, id));
    assert!(!is_challenge_for(
        &bytes,
        KeyId::from_hint(&"0".repeat(64)).as_ref().unwrap()
    ));
}

#[test]
fn a_client_signs_nothing_that_only_looks_like_a_challenge() {
    let key = key();
    let id = key.public_key().id();
    let bytes = challenge(id).to_bytes();
    let text = String::from_utf8(bytes.clone()).unwrap();
    let json = text.split_at(text.find('{').unwrap()).1;
    let as_statement = dsse::pae(dsse::IN_TOTO, json.as_bytes());
    let spaced = dsse::pae(PAYLOAD_TYPE, json.replace(':', ": ").as_bytes());
    let more = dsse::pae(PAYLOAD_TYPE, json.replacen('{', "{\"a\":1,", 1).as_bytes());
    let twice = dsse::pae(
        PAYLOAD_TYPE,
        json.replacen('{', "{\"nonce\":\"x\",", 1).as_bytes(),
    );
    let longer = [&bytes[..], b"x"].concat();
    for other in [
        &as_statement,
        &spaced,
        &more,
        &twice,
        &longer,
        json.as_bytes(),
        &bytes[1..],
        b"",
    ] {
        assert!(
            !is_challenge_for(other, id),
            "{}",
            String::from_utf8_lossy(other)
        );
    }
}
