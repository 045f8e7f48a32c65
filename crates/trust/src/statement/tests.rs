//! Statements: round trip, and everything that could make one statement be read as two.

use serde_json::json;

use super::*;
use crate::testing::{image, statement};

const HEX: &str = "06264063f7b0a4987c389f6d2fdcd749a35ae57232e5dc4975dae316c0dccd65";

fn parse(value: &Value) -> Result<Statement, StatementError> {
    Statement::parse(value.to_string().as_bytes())
}

fn minimal() -> Value {
    json!({"_type": TYPE_V1, "predicateType": "https://example.com/x", "subject": [{"digest": {"sha256": HEX}}]})
}

#[test]
fn survives_its_bytes() {
    let mut statement = statement();
    statement.subjects[0]
        .annotations
        .insert("build".into(), json!(7));
    assert_eq!(Statement::parse(&statement.to_bytes()).unwrap(), statement);
}

#[test]
fn reads_both_versions_and_ignores_what_it_does_not_know() {
    for r#type in [TYPE_V1, TYPE_V01] {
        let mut value = minimal();
        value["_type"] = r#type.into();
        value["extra"] = json!([1]);
        value["subject"][0]["uri"] = "pkg:oci/web".into();
        let statement = parse(&value).unwrap();
        assert_eq!(statement.subjects[0].digest.hex(), HEX);
        assert_eq!(statement.predicate, Value::Null);
    }
}

#[test]
fn takes_sha512_too() {
    let mut value = minimal();
    value["subject"][0]["digest"] = json!({"sha512": HEX.repeat(2)});
    assert!(parse(&value).is_ok());
}

#[test]
fn a_subject_has_exactly_one_digest_of_an_image() {
    let digests = |digest: Value| {
        let mut value = minimal();
        value["subject"][0]["digest"] = digest;
        parse(&value)
    };
    assert!(matches!(
        digests(json!({})),
        Err(StatementError::Digests { count: 0, .. })
    ));
    let two = json!({"sha256": HEX, "sha512": HEX.repeat(2)});
    assert!(matches!(
        digests(two),
        Err(StatementError::Digests { count: 2, .. })
    ));
    for other in [
        json!({"sha1": "00"}),
        json!({"gitCommit": HEX}),
        json!({"sha256": HEX.to_uppercase()}),
        json!({"SHA256": HEX}),
    ] {
        assert!(
            matches!(digests(other.clone()), Err(StatementError::Digest(_))),
            "{other}"
        );
    }
    assert!(matches!(
        digests(json!({"sha256": 1})),
        Err(StatementError::Json(_))
    ));
}

#[test]
fn subjects_are_bounded() {
    let with = |count: usize| {
        let mut value = minimal();
        value["subject"] = json!(vec![json!({"digest": {"sha256": HEX}}); count]);
        parse(&value)
    };
    assert_eq!(with(0), Err(StatementError::NoSubject));
    assert!(with(SUBJECTS_MAX).is_ok());
    assert_eq!(
        with(SUBJECTS_MAX + 1),
        Err(StatementError::TooManySubjects {
            count: SUBJECTS_MAX + 1
        })
    );
}

#[test]
fn other_types_are_refused() {
    for r#type in [
        "",
        "https://in-toto.io/Statement/v2",
        "https://in-toto.io/statement/v1",
    ] {
        let mut value = minimal();
        value["_type"] = r#type.into();
        assert_eq!(parse(&value), Err(StatementError::Type(r#type.into())));
    }
    for predicate_type in [String::new(), "x".repeat(PREDICATE_TYPE_BYTES_MAX + 1)] {
        let mut value = minimal();
        value["predicateType"] = predicate_type.into();
        assert!(matches!(
            parse(&value),
            Err(StatementError::PredicateType(_))
        ));
    }
}

#[test]
fn a_key_twice_is_refused_wherever_it_stands() {
    let text = String::from_utf8(statement().to_bytes()).unwrap();
    let other = image().hex().replace('0', "1");
    let twice = [
        text.replacen('{', &format!("{{\"_type\":\"{TYPE_V1}\","), 1),
        text.replacen(
            "\"sha256\":",
            &format!("\"sha256\":\"{other}\",\"sha256\":"),
            1,
        ),
        text.replacen("\"stage\":", "\"stage\":\"staging\",\"stage\":", 1),
        text.replacen("\"stage\":", "\"st\\u0061ge\":\"staging\",\"stage\":", 1),
    ];
    for text in twice {
        let error = Statement::parse(text.as_bytes()).unwrap_err();
        assert!(
            matches!(error, StatementError::Json(JsonError::DuplicateKey(_))),
            "{text}: {error}"
        );
    }
}

#[test]
fn the_head_alone_is_read_where_subjects_are_not_images() {
    let mut value = minimal();
    value["subject"] = json!([{"name": "a", "digest": {"sha1": "00"}}, {"uri": "x"}]);
    let read = Statement::parse_predicate_type(value.to_string().as_bytes());
    assert_eq!(read.as_deref(), Ok("https://example.com/x"));
    assert!(parse(&value).is_err());
}
