//! Bundles: ours have cosign's form, cosign's are read, and a bundle is never two things at once.

use serde_json::{Value, json};

use super::*;
use crate::testing::{bundle, cosign, key, statement};

fn value() -> Value {
    serde_json::from_slice(&bundle(&key())).unwrap()
}

fn parse(value: &Value) -> Result<Bundle, BundleError> {
    Bundle::parse(value.to_string().as_bytes())
}

#[test]
fn ours_is_read_back_and_verifies() {
    let key = key();
    let bundle = Bundle::sign(&statement(), &key).unwrap();
    let again = Bundle::parse(bundle.to_json().unwrap().as_bytes()).unwrap();
    assert_eq!(again, bundle);
    assert_eq!(
        again.media_type(),
        "application/vnd.dev.sigstore.bundle.v0.3+json"
    );
    assert_eq!(
        again.material(),
        &Material::PublicKey {
            hint: Some(key.public_key().id().to_hint())
        }
    );
    let verified = again
        .envelope()
        .unwrap()
        .verify(dsse::IN_TOTO, key.public_key())
        .unwrap();
    assert_eq!(Statement::parse(verified.value()).unwrap(), statement());
    assert_eq!(again.message_signature(), None);
}

/// The paths of all fields, so that two documents can be compared in form.
fn form(value: &Value) -> Vec<String> {
    fn walk(value: &Value, path: &str, paths: &mut Vec<String>) {
        match value {
            Value::Object(fields) => fields
                .iter()
                .for_each(|(key, value)| walk(value, &format!("{path}/{key}"), paths)),
            Value::Array(items) => items
                .iter()
                .for_each(|item| walk(item, &format!("{path}[]"), paths)),
            _ => paths.push(path.to_owned()),
        }
    }
    let mut paths = Vec::new();
    walk(value, "", &mut paths);
    paths
}

#[test]
fn ours_has_the_form_of_cosigns() {
    let theirs: Value = serde_json::from_str(&cosign("sign.bundle.json")).unwrap();
    assert_eq!(form(&value()), form(&theirs));
}

#[test]
fn a_bundle_rewrites_to_the_same_value() {
    for name in [
        "sign.bundle.json",
        "sign-ed25519.bundle.json",
        "attestation.bundle.json",
    ] {
        let text = cosign(name);
        let written = Bundle::parse(text.as_bytes()).unwrap().to_json().unwrap();
        let (theirs, ours): (Value, Value) = (
            serde_json::from_str(&text).unwrap(),
            serde_json::from_str(&written).unwrap(),
        );
        assert_eq!(ours, theirs, "{name}");
    }
}

#[test]
fn a_signature_over_a_file_verifies_that_file() {
    let bundle = Bundle::parse(cosign("sign-blob.bundle.json").as_bytes()).unwrap();
    let key = PublicKey::from_pem(&cosign("p256.pub")).unwrap();
    let file = cosign("sign-blob.txt");
    let signature = bundle.message_signature().unwrap();
    let verified = signature.verify(file.as_bytes(), &key).unwrap();
    assert_eq!(verified.value(), &Digest::sha256(file.as_bytes()));
    assert_eq!(signature.verify(b"another", &key), Err(BadSignature));
    let other = PublicKey::from_pem(&cosign("ed25519.pub")).unwrap();
    assert_eq!(signature.verify(file.as_bytes(), &other), Err(BadSignature));
    let lying = MessageSignature {
        digest: Some(vec![0; 32]),
        ..signature.clone()
    };
    assert_eq!(lying.verify(file.as_bytes(), &key), Err(BadSignature));
    let silent = MessageSignature {
        digest: None,
        ..signature.clone()
    };
    assert!(silent.verify(file.as_bytes(), &key).is_ok());
    assert_eq!(bundle.envelope(), None);
    assert_eq!(bundle.to_json(), None);
}

#[test]
fn all_versions_are_read_and_no_others() {
    for version in ["0.1", "0.2", "0.3"] {
        let mut value = value();
        value["mediaType"] =
            format!("application/vnd.dev.sigstore.bundle+json;version={version}").into();
        assert!(parse(&value).is_ok(), "{version}");
    }
    for other in [
        "",
        "application/json",
        "application/vnd.dev.sigstore.bundle.v0.4+json",
    ] {
        let mut value = value();
        value["mediaType"] = other.into();
        assert_eq!(parse(&value), Err(BundleError::MediaType(other.into())));
    }
}

#[test]
fn exactly_one_signature() {
    let mut value = value();
    let signature = value["dsseEnvelope"]["signatures"][0].clone();
    value["dsseEnvelope"]["signatures"] = json!([signature, signature]);
    assert_eq!(parse(&value), Err(BundleError::Signatures { count: 2 }));
    value["dsseEnvelope"]["signatures"] = json!([]);
    assert_eq!(
        parse(&value),
        Err(BundleError::Envelope(DsseError::NoSignature))
    );
}

#[test]
fn exactly_one_content_and_one_material() {
    let message: Value = serde_json::from_str(&cosign("sign-blob.bundle.json")).unwrap();
    let mut both = value();
    both["messageSignature"] = message["messageSignature"].clone();
    assert_eq!(parse(&both), Err(BundleError::Content));
    both["dsseEnvelope"] = Value::Null;
    assert!(parse(&both).is_ok());
    both["messageSignature"] = Value::Null;
    assert_eq!(parse(&both), Err(BundleError::Content));

    let material = |material: Value| {
        let mut value = value();
        value["verificationMaterial"] = material;
        parse(&value).map(|bundle| bundle.material)
    };
    let certificate = json!({"rawBytes": "AAAA"});
    assert_eq!(
        material(json!({"certificate": certificate})),
        Ok(Material::Certificates(vec![vec![0; 3]]))
    );
    let chain =
        |certificates: Value| json!({"x509CertificateChain": {"certificates": certificates}});
    assert_eq!(
        material(chain(json!([certificate, certificate]))),
        Ok(Material::Certificates(vec![vec![0; 3]; 2]))
    );
    assert_eq!(material(chain(json!([]))), Err(BundleError::Material));
    let many = vec![certificate.clone(); CERTIFICATES_MAX + 1];
    assert!(matches!(
        material(chain(json!(many))),
        Err(BundleError::Limit { .. })
    ));
    assert_eq!(
        material(json!({"publicKey": {"hint": ""}})),
        Ok(Material::PublicKey { hint: None })
    );
    assert_eq!(
        material(json!({"publicKey": {}})),
        Ok(Material::PublicKey { hint: None })
    );
    assert_eq!(material(json!({})), Err(BundleError::Material));
    let two = json!({"publicKey": {"hint": "a"}, "certificate": certificate});
    assert_eq!(material(two), Err(BundleError::Material));
    let key = json!({"hint": "a"});
    let logged = json!({"publicKey": key, "tlogEntries": [{"logIndex": "1"}]});
    assert_eq!(material(logged), Err(BundleError::LogEntry("log id")));
    let empty = json!({"publicKey": key, "tlogEntries": [], "timestampVerificationData": {}});
    assert!(material(empty).is_ok());
}

#[test]
fn log_entries_are_carried_along() {
    let entry = |name: &str, other: Value| {
        let mut entry = json!({
            "logIndex": "7",
            "logId": {"keyId": "AAAA"},
            "kindVersion": {"kind": "dsse", "version": "0.0.1"},
            "integratedTime": "1700000000",
            "inclusionPromise": {"signedEntryTimestamp": "AAAA"},
            "inclusionProof": {"logIndex": 3, "treeSize": "9", "hashes": [], "checkpoint": {"envelope": "a"}},
            "canonicalizedBody": "AAAA",
        });
        if !name.is_empty() {
            entry[name] = other;
        }
        let mut value = value();
        value["verificationMaterial"]["tlogEntries"] = json!([entry]);
        parse(&value).map(|bundle| bundle.log_entries)
    };
    let entries = entry("", Value::Null).unwrap();
    assert_eq!(
        (entries[0].index, entries[0].integrated_seconds),
        (7, Some(1_700_000_000))
    );
    let proof = entries[0].proof.as_ref().unwrap();
    assert_eq!(
        (proof.index, proof.size, proof.checkpoint.as_str()),
        (3, 9, "a")
    );

    for text in ["-1", "07", "1e3", "", "18446744073709551616"] {
        let error = entry("logIndex", text.into());
        assert_eq!(error, Err(BundleError::Number("log index")), "{text}");
    }
    assert!(entry("somethingElse", json!(1)).is_err());
    let short = json!({"hashes": ["AAAA"]});
    assert_eq!(
        entry("inclusionProof", short),
        Err(BundleError::LogEntry("inclusion proof"))
    );
}

#[test]
fn fields_that_are_unknown_or_stand_twice_are_refused() {
    let mut unknown = value();
    unknown["dsse_envelope"] = unknown["dsseEnvelope"].clone();
    assert!(matches!(
        parse(&unknown),
        Err(BundleError::Json(JsonError::Form(_)))
    ));
    let text = value().to_string();
    let twice = text.replacen("\"payload\":", "\"payload\":\"AAAA\",\"payload\":", 1);
    let error = Bundle::parse(twice.as_bytes()).unwrap_err();
    assert_eq!(
        error,
        BundleError::Json(JsonError::DuplicateKey("payload".into()))
    );
    let twice = text.replacen(
        "{",
        &format!("{{\"dsseEnvelope\":{},", value()["dsseEnvelope"]),
        1,
    );
    assert!(matches!(
        Bundle::parse(twice.as_bytes()),
        Err(BundleError::Json(JsonError::DuplicateKey(_)))
    ));
    assert!(
        Bundle::parse(format!("{text}{{}}").as_bytes()).is_err(),
        "trailing data"
    );
}

#[test]
fn limits_and_digests_are_checked() {
    let long = vec![b' '; BUNDLE_BYTES_MAX + 1];
    assert!(matches!(
        Bundle::parse(&long),
        Err(BundleError::Json(JsonError::Limit { .. }))
    ));
    let mut message: Value = serde_json::from_str(&cosign("sign-blob.bundle.json")).unwrap();
    message["messageSignature"]["messageDigest"]["algorithm"] = "SHA1".into();
    assert_eq!(
        parse(&message),
        Err(BundleError::DigestAlgorithm("SHA1".into()))
    );
    message["messageSignature"]["messageDigest"] = Value::Null;
    assert!(parse(&message).is_ok());
    message["messageSignature"]["signature"] = "AAA".into();
    assert_eq!(parse(&message), Err(BundleError::Base64("signature")));
}
