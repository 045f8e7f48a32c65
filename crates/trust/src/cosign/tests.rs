//! Payloads: the real cosign's are read and rewritten byte for byte, and nothing in them is ambiguous.

use serde_json::json;

use super::*;
use crate::testing::{cosign, image};

fn payload() -> Value {
    json!({
        "critical": {
            "identity": {"docker-reference": "127.0.0.1:5000/shop/web"},
            "image": {"docker-manifest-digest": image()},
            "type": TYPE,
        },
        "optional": null,
    })
}

fn parse(value: &Value) -> Result<SimpleSigning, PayloadError> {
    SimpleSigning::parse(value.to_string().as_bytes())
}

#[test]
fn reads_and_rewrites_what_cosign_signed() {
    let text = cosign("simple-signing.json");
    let signed = SimpleSigning::parse(text.as_bytes()).unwrap();
    assert_eq!(
        signed.digest.hex(),
        "06264063f7b0a4987c389f6d2fdcd749a35ae57232e5dc4975dae316c0dccd65"
    );
    let reference = signed.docker_reference.as_ref().unwrap();
    assert_eq!(reference.repository.as_str(), "shop/web");
    assert_eq!(signed.optional[STAGE_ANNOTATION], json!("ci"));
    assert_eq!(String::from_utf8(signed.to_bytes()).unwrap(), text);
}

#[test]
fn podmans_numbers_are_kept_and_nothing_may_be_optional() {
    let mut value = payload();
    value["optional"] = json!({"creator": "containers/image 5.23", "timestamp": 1_690_000_000});
    assert_eq!(
        parse(&value).unwrap().optional["timestamp"],
        json!(1_690_000_000)
    );
    value.as_object_mut().unwrap().remove("optional");
    let signed = parse(&value).unwrap();
    assert!(signed.optional.is_empty());
    assert_eq!(SimpleSigning::parse(&signed.to_bytes()), Ok(signed));
}

#[test]
fn an_empty_reference_names_no_image() {
    let mut value = payload();
    value["critical"]["identity"]["docker-reference"] = "".into();
    assert_eq!(parse(&value).unwrap().docker_reference, None);
}

#[test]
fn a_reference_may_not_contradict_the_digest() {
    let mut value = payload();
    let reference = |digest: &Digest| format!("registry.example/shop/web:1@{digest}");
    value["critical"]["identity"]["docker-reference"] = reference(&image()).into();
    assert!(parse(&value).is_ok());
    let other = Digest::sha256(b"another");
    value["critical"]["identity"]["docker-reference"] = reference(&other).into();
    assert_eq!(
        parse(&value),
        Err(PayloadError::TwoDigests {
            reference: other,
            image: image()
        })
    );
}

#[test]
fn other_payloads_are_refused() {
    let with = |pointer: &str, new: Value| {
        let mut value = payload();
        *value.pointer_mut(pointer).unwrap() = new;
        parse(&value)
    };
    assert!(matches!(
        with("/critical/type", "atomic container signature".into()),
        Err(PayloadError::Type { .. })
    ));
    assert!(matches!(
        with("/critical/image/docker-manifest-digest", "latest".into()),
        Err(PayloadError::Digest(_))
    ));
    assert!(matches!(
        with("/critical/identity/docker-reference", "Shop Web".into()),
        Err(PayloadError::Reference(_))
    ));
    assert!(matches!(
        with("/critical/image", json!({})),
        Err(PayloadError::Json(_))
    ));
    assert!(matches!(
        with("/optional", json!([])),
        Err(PayloadError::Json(_))
    ));
    let more = json!({"docker-manifest-digest": image(), "valid-until": "noon"});
    assert!(
        matches!(with("/critical/image", more), Err(PayloadError::Json(_))),
        "an unknown critical field"
    );
    let mut value = payload();
    value["extra"] = 1.into();
    assert!(parse(&value).is_err());
}

#[test]
fn ambiguous_or_long_bytes_are_refused() {
    let text = payload().to_string();
    let digest = "\"docker-manifest-digest\":";
    let twice = text.replacen(
        digest,
        &format!("{digest}\"{}\",{digest}", Digest::sha256(b"another")),
        1,
    );
    let error = SimpleSigning::parse(twice.as_bytes()).unwrap_err();
    assert_eq!(
        error,
        JsonError::DuplicateKey("docker-manifest-digest".into()).into()
    );
    assert!(SimpleSigning::parse(format!("{text}{text}").as_bytes()).is_err());
    let long = format!("{text}{}", " ".repeat(PAYLOAD_BYTES_MAX));
    assert!(matches!(
        SimpleSigning::parse(long.as_bytes()),
        Err(PayloadError::Json(JsonError::Limit { .. }))
    ));
}
