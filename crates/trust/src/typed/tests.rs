//! Server statements: each is read for its purpose only.

use serde_json::json;

use super::*;
use crate::possession;
use crate::testing::{key, statement};

fn token() -> ServerStatement {
    let claims = json!({"sub": 7, "exp": 1_800_000_000_000_i64, "access": []});
    ServerStatement::AccessToken(claims.as_object().unwrap().clone())
}

fn receipt() -> Statement {
    Statement {
        predicate_type: RECEIPT_PREDICATE_TYPE.into(),
        predicate: json!({"verificationResult": "PASSED"}),
        ..statement()
    }
}

fn all() -> [ServerStatement; 3] {
    [
        token(),
        ServerStatement::StageRecord(statement()),
        ServerStatement::Receipt(receipt()),
    ]
}

#[test]
fn each_verifies_for_its_purpose_and_for_no_other() {
    let key = key();
    for statement in all() {
        let envelope = statement.sign(&key).unwrap();
        let compact = statement.sign_compact(&key).unwrap();
        for purpose in Purpose::ALL {
            let read = ServerStatement::verify(purpose, &envelope, key.public_key());
            let read_compact = ServerStatement::verify_compact(purpose, &compact, key.public_key());
            if purpose == statement.purpose() {
                assert_eq!(read.unwrap().value(), &statement);
                assert_eq!(read_compact.unwrap().value(), &statement);
            } else {
                assert!(read.is_err(), "{purpose} read from {statement:?}");
                assert!(read_compact.is_err(), "{purpose} read from {statement:?}");
            }
        }
    }
}

#[test]
fn another_key_is_refused() {
    let (key, other) = (key(), key());
    for statement in all() {
        let purpose = statement.purpose();
        let envelope = statement.sign(&key).unwrap();
        assert!(ServerStatement::verify(purpose, &envelope, other.public_key()).is_err());
        let compact = statement.sign_compact(&key).unwrap();
        assert!(ServerStatement::verify_compact(purpose, &compact, other.public_key()).is_err());
    }
}

#[test]
fn a_statement_for_another_purpose_is_not_signed() {
    let key = key();
    let wrong = [
        ServerStatement::Receipt(statement()),
        ServerStatement::StageRecord(receipt()),
    ];
    for statement in wrong {
        assert!(matches!(
            statement.sign(&key),
            Err(TypedError::Purpose { .. })
        ));
    }
}

#[test]
fn purposes_are_told_apart_under_the_signature() {
    let under: std::collections::BTreeSet<_> = Purpose::ALL
        .iter()
        .map(|purpose| (purpose.payload_type(), purpose.predicate_type()))
        .collect();
    assert_eq!(under.len(), Purpose::ALL.len());
    assert!(
        Purpose::ALL
            .iter()
            .all(|purpose| purpose.payload_type() != possession::PAYLOAD_TYPE)
    );
    for purpose in Purpose::ALL {
        assert_eq!(
            serde_json::to_value(purpose).unwrap(),
            json!(purpose.as_str())
        );
    }
}

#[test]
fn a_changed_token_is_refused() {
    let key = key();
    let compact = token().sign_compact(&key).unwrap();
    let (payload, signature) = compact.split_once('.').unwrap();
    let verify =
        |text: &str| ServerStatement::verify_compact(Purpose::AccessToken, text, key.public_key());
    let longer = to_base64url(br#"{"sub":1,"exp":1800000000000,"access":[]}"#);
    assert!(matches!(
        verify(&format!("{longer}.{signature}")),
        Err(TypedError::Envelope(_))
    ));
    assert!(matches!(
        verify(&format!("{payload}.")),
        Err(TypedError::Envelope(_))
    ));
    for broken in [
        "",
        "x",
        payload,
        &format!("{payload}.{signature}."),
        &format!("{payload}.{signature}="),
        &format!("{compact}\n"),
    ] {
        assert_eq!(verify(broken), Err(TypedError::Compact), "{broken}");
    }
    let long = format!("{}.x", "A".repeat(COMPACT_BYTES_MAX));
    assert!(matches!(verify(&long), Err(TypedError::TooLarge { .. })));
}

#[test]
fn a_token_that_is_no_object_or_says_a_thing_twice_is_refused() {
    let key = key();
    for payload in ["[]", "7", r#"{"sub":1,"sub":7}"#] {
        let envelope = Envelope::sign(ACCESS_TOKEN_TYPE, payload.into(), &key).unwrap();
        let error =
            ServerStatement::verify(Purpose::AccessToken, &envelope, key.public_key()).unwrap_err();
        assert!(matches!(error, TypedError::Json(_)), "{payload}");
    }
}

#[test]
fn a_token_that_no_header_holds_is_not_made() {
    let claims = json!({"access": "x".repeat(COMPACT_BYTES_MAX)});
    let token = ServerStatement::AccessToken(claims.as_object().unwrap().clone());
    assert!(matches!(
        token.sign_compact(&key()),
        Err(TypedError::TooLarge { .. })
    ));
}
