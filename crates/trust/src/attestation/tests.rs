//! Statements of any predicate: whom they are about, what kind of thing they say, and which are refused.

use serde_json::json;

use super::*;
use crate::testing::image;

fn parse(value: &Value) -> Result<Attestation, AttestationError> {
    Attestation::parse(value.to_string().as_bytes())
}

fn statement() -> Value {
    json!({
        "_type": "https://in-toto.io/Statement/v1",
        "predicateType": "https://slsa.dev/provenance/v1",
        "subject": [
            {"name": "source", "digest": {"gitCommit": "4b825dc642cb6eb9a060e54bf8d69288fbee4904"}},
            {"name": "image", "digest": {"sha256": image().hex(), "sha512": "00"}},
        ],
        "predicate": {"buildDefinition": {}},
    })
}

#[test]
fn subjects_need_not_be_images() {
    let attestation = parse(&statement()).unwrap();
    assert_eq!(attestation.kind(), PredicateKind::Provenance);
    assert!(attestation.is_about(&image()));
    assert!(!attestation.is_about(&Digest::sha256(b"another")));
    assert_eq!(attestation.subjects.len(), 2);
    assert_eq!(attestation.predicate, json!({"buildDefinition": {}}));
}

#[test]
fn a_hash_counts_only_under_its_own_algorithm() {
    let mut value = statement();
    value["subject"] = json!([{"digest": {"sha1": image().hex(), "SHA256": image().hex()}}]);
    assert!(!parse(&value).unwrap().is_about(&image()));
}

#[test]
fn about_nothing_is_refused() {
    let mut value = statement();
    value["subject"] = json!([]);
    assert_eq!(
        parse(&value),
        Err(AttestationError::Statement(StatementError::NoSubject))
    );
    value["subject"] = json!([{"name": "image", "digest": {}}]);
    assert!(matches!(
        parse(&value),
        Err(AttestationError::Digests { count: 0, .. })
    ));
}

#[test]
fn kinds_are_known_with_and_without_a_version() {
    for (predicate_type, kind) in [
        (
            "https://slsa.dev/provenance/v0.2",
            PredicateKind::Provenance,
        ),
        ("https://spdx.dev/Document", PredicateKind::Sbom),
        ("https://spdx.dev/Document/v2.3", PredicateKind::Sbom),
        ("https://cyclonedx.org/bom/v1.6", PredicateKind::Sbom),
        (
            "https://in-toto.io/attestation/vulns/v0.2",
            PredicateKind::Vulnerabilities,
        ),
        (
            "https://cosign.sigstore.dev/attestation/vuln/v1",
            PredicateKind::Vulnerabilities,
        ),
        (
            "https://slsa.dev/verification_summary/v1",
            PredicateKind::VerificationSummary,
        ),
        (
            "https://in-toto.io/attestation/test-result/v0.1",
            PredicateKind::TestResult,
        ),
        (
            "https://slsa.dev/provenance-of-another-kind",
            PredicateKind::Other,
        ),
        ("https://slsa.dev/provenance/evil", PredicateKind::Other),
    ] {
        assert_eq!(PredicateKind::of(predicate_type), kind, "{predicate_type}");
    }
}
