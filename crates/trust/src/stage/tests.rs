//! Stage statements: what we write is what we read, and nothing is ignored.

use serde_json::json;

use super::*;
use crate::bundle::Bundle;
use crate::fingerprint::fingerprint;
use crate::testing::{ALGORITHMS, ci, image, key_of, statement};

#[test]
fn says_exactly_what_the_design_promises() {
    let statement = statement();
    assert_eq!(statement.predicate_type, "https://countersign.dev/stage/v1");
    assert_eq!(
        statement.predicate,
        json!({"stage": "ci", "repository": "shop/web", "tag": "1.4"})
    );
    assert_eq!(statement.subjects.len(), 1);
    assert_eq!(statement.subjects[0].digest, image());
    assert_eq!(StageStatement::parse(&statement), Ok(ci()));
}

#[test]
fn a_tag_may_be_left_out() {
    let passed = StageStatement { tag: None, ..ci() };
    let statement = build(&image(), &passed).unwrap();
    assert_eq!(
        statement.predicate,
        json!({"stage": "ci", "repository": "shop/web"})
    );
    assert_eq!(StageStatement::parse(&statement), Ok(passed));
}

#[test]
fn a_nonce_makes_signing_again_new_evidence_with_any_key() {
    for algorithm in ALGORITHMS {
        let key = key_of(algorithm);
        let signed = |random: [u8; NONCE_BYTES]| {
            let passed = StageStatement {
                nonce: Some(Nonce::new(random)),
                ..ci()
            };
            let bundle = Bundle::sign(&build(&image(), &passed).unwrap(), &key).unwrap();
            fingerprint(bundle.to_json().unwrap().as_bytes(), None)
        };
        assert_ne!(signed([1; 16]), signed([2; 16]), "{algorithm:?}");
    }
}

#[test]
fn a_nonce_has_one_form() {
    let passed = StageStatement {
        nonce: Some(Nonce::new(*b"\x00\x01\xfe0123456789abc")),
        ..ci()
    };
    let statement = build(&image(), &passed).unwrap();
    assert_eq!(
        statement.predicate["nonce"],
        json!("0001fe30313233343536373839616263")
    );
    assert_eq!(StageStatement::parse(&statement), Ok(passed));
}

#[test]
fn unknown_missing_and_malformed_fields_are_refused() {
    let predicates = [
        json!({"stage": "ci", "repository": "shop/web", "unless": "friday"}),
        json!({"repository": "shop/web"}),
        json!({"stage": "ci"}),
        json!({"stage": 1, "repository": "shop/web"}),
        json!({"stage": "ci", "repository": "127.0.0.1:5000/shop/web"}),
        json!({"stage": "ci", "repository": "Shop"}),
        json!({"stage": "ci", "repository": "shop/web", "tag": "a b"}),
        json!({"stage": "ci", "repository": "shop/web", "nonce": 7}),
        json!({"stage": "ci", "repository": "shop/web", "nonce": "00"}),
        json!({"stage": "ci", "repository": "shop/web", "nonce": "A".repeat(32)}),
        json!(null),
        json!(["ci", "shop/web"]),
    ];
    for predicate in predicates {
        let statement = Statement {
            predicate: predicate.clone(),
            ..statement()
        };
        assert!(
            matches!(StageStatement::parse(&statement), Err(StageError::Form(_))),
            "{predicate}"
        );
    }
}

#[test]
fn another_predicate_type_is_no_stage() {
    let statement = Statement {
        predicate_type: "https://countersign.dev/stage/v2".into(),
        ..statement()
    };
    assert!(matches!(
        StageStatement::parse(&statement),
        Err(StageError::Type(_))
    ));
}

#[test]
fn names_have_a_grammar() {
    for name in [
        "ci",
        "CI",
        "scan-2",
        "a",
        "9",
        "pre_prod.eu",
        &"x".repeat(STAGE_NAME_BYTES_MAX),
    ] {
        assert_eq!(check_name(name), Ok(()), "{name}");
    }
    for name in [
        "",
        "-ci",
        ".ci",
        "_ci",
        "c i",
        "ci\n",
        "é",
        "a/b",
        &"x".repeat(STAGE_NAME_BYTES_MAX + 1),
    ] {
        assert!(
            matches!(check_name(name), Err(StageError::Name(_))),
            "{name:?}"
        );
        let passed = StageStatement {
            stage: name.into(),
            ..ci()
        };
        assert!(build(&image(), &passed).is_err());
        let mut statement = statement();
        statement.predicate["stage"] = name.into();
        assert!(StageStatement::parse(&statement).is_err());
    }
}
