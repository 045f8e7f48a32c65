//! What cosign's tests attest and with which keys, and in-toto's examples. Every file of cosign's suite and every example is named here.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use trust::attestation::PredicateKind;
use trust::{Attestation, Envelope, KeyError, PemError, PublicKey};

use crate::{entries, suite};

fn cosign(name: &str) -> Vec<u8> {
    let path = suite("cosign-testdata").join(name);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// All files below a folder, by their names in it.
fn files(root: &Path) -> BTreeMap<String, PathBuf> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for path in entries(&folder) {
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap();
                found.insert(name.to_owned(), path);
            }
        }
    }
    found
}

/// What cosign's policy tests attest. A predicate type without its scheme is another type.
#[test]
fn cosigns_attestations_are_read() {
    for (name, kind, predicate_type) in ATTESTED {
        let envelope = Envelope::parse(&cosign(&format!("pkg/policy/testdata/{name}"))).unwrap();
        let attestation = Attestation::parse(&envelope.payload).unwrap();
        assert_eq!(attestation.kind(), kind, "{name}");
        assert_eq!(attestation.predicate_type, predicate_type, "{name}");
        assert_eq!(envelope.signatures.len(), 1, "{name}");
    }
}

const ATTESTED: [(&str, PredicateKind, &str); 4] = [
    (
        "valid/vuln",
        PredicateKind::Vulnerabilities,
        "https://cosign.sigstore.dev/attestation/vuln/v1",
    ),
    (
        "valid/custom",
        PredicateKind::Other,
        "https://cosign.sigstore.dev/attestation/v1",
    ),
    (
        "malformed/vuln",
        PredicateKind::Other,
        "cosign.sigstore.dev/attestation/vuln/v1",
    ),
    (
        "malformed/custom",
        PredicateKind::Other,
        "cosign.sigstore.dev/attestation/v1",
    ),
];

/// The documents that cosign's tests attest, as what they are attested as, come out as they went in.
#[test]
fn cosigns_predicates_are_read() {
    for (name, predicate_type, kind) in PREDICATES {
        let document = cosign(&format!("test/testdata/{name}"));
        let predicate: Value = match name.ends_with(".json") {
            true => serde_json::from_slice(&document).unwrap(),
            // cosign attests a text as a text.
            false => String::from_utf8(document).unwrap().into(),
        };
        let statement = json!({
            "_type": "https://in-toto.io/Statement/v1",
            "predicateType": predicate_type,
            "subject": [{"digest": {"sha256": "ab".repeat(32)}}],
            "predicate": predicate,
        });
        let read = Attestation::parse(statement.to_string().as_bytes()).unwrap();
        assert_eq!((read.kind(), read.predicate), (kind, predicate), "{name}");
    }
}

const PREDICATES: [(&str, &str, PredicateKind); 5] = [
    (
        "bom-go-mod.spdx",
        "https://spdx.dev/Document",
        PredicateKind::Sbom,
    ),
    (
        "bom-go-mod.spdx.json",
        "https://spdx.dev/Document",
        PredicateKind::Sbom,
    ),
    (
        "bom-go-mod.cyclonedx.json",
        "https://cyclonedx.org/bom",
        PredicateKind::Sbom,
    ),
    (
        "test-result.json",
        "https://in-toto.io/attestation/test-result/v0.1",
        PredicateKind::TestResult,
    ),
    (
        "attestations/vuln-predicate.json",
        "https://cosign.sigstore.dev/attestation/vuln/v1",
        PredicateKind::Vulnerabilities,
    ),
];

/// Keys of certificate logs, as cosign's tests have them: RSA is not read, in either of its forms, nor is text.
#[test]
fn cosigns_keys() {
    let text = |name: &str| String::from_utf8(cosign(&format!("{KEYS}/{name}"))).unwrap();
    assert_eq!(
        PublicKey::from_pem(&text("rsa")),
        Err(KeyError::Pem(PemError::Label {
            found: "RSA PUBLIC KEY".into(),
            wanted: "PUBLIC KEY".into()
        }))
    );
    assert_eq!(
        PublicKey::from_pem(&text("google")),
        Err(KeyError::Unsupported)
    );
    assert_eq!(
        PublicKey::from_pem(&text("garbage-there-are-limits")),
        Err(KeyError::Pem(PemError::NoBlock))
    );
    let der = cosign(&format!("{KEYS}/letsencrypt-testflume-2021"));
    let key = PublicKey::from_der(&der).unwrap();
    assert_eq!(key.algorithm(), trust::Algorithm::EcdsaP256);
}

const KEYS: &str = "pkg/cosign/testdata";

#[test]
fn every_file_of_cosigns_suite_is_used_or_has_a_reason() {
    let mut known: BTreeSet<String> = NOT_USED.iter().map(|(name, _)| (*name).into()).collect();
    known.extend(ATTESTED.map(|(name, ..)| format!("pkg/policy/testdata/{name}")));
    known.extend(PREDICATES.map(|(name, ..)| format!("test/testdata/{name}")));
    let keys = [
        "rsa",
        "google",
        "garbage-there-are-limits",
        "letsencrypt-testflume-2021",
    ];
    let judged = ["oci-attestation.sigstore.json", "trusted_root_pgi.json"];
    known.extend(
        keys.iter()
            .chain(&judged)
            .map(|name| format!("{KEYS}/{name}")),
    );
    let found: BTreeSet<String> = files(&suite("cosign-testdata")).into_keys().collect();
    assert_eq!(found, known);
}

const NOT_USED: [(&str, &str); 14] = [
    ("LICENSE", "a text"),
    ("PROVENANCE.txt", "where the suite comes from"),
    ("pkg/cosign/remote/testdata/bar", "three bytes to upload"),
    ("pkg/cosign/remote/testdata/foo", "three bytes to upload"),
    ("specs/ATTESTATION_SPEC.md", "prose"),
    ("specs/BUNDLE_SPEC.md", "prose"),
    ("specs/COSIGN_PREDICATE_SPEC.md", "prose"),
    ("specs/COSIGN_VULN_ATTESTATION_SPEC.md", "prose"),
    ("specs/SBOM_SPEC.md", "prose"),
    ("specs/SIGNATURE_SPEC.md", "prose"),
    ("test/testdata/policies/cue-fails.cue", "a policy in CUE"),
    (
        "test/testdata/policies/cue-vuln-fails.cue",
        "a policy in CUE",
    ),
    (
        "test/testdata/policies/cue-vuln-works.cue",
        "a policy in CUE",
    ),
    ("test/testdata/policies/cue-works.cue", "a policy in CUE"),
];

/// Every statement in the text of in-toto's specification: its kind, or why it is none. Comments and dots are taken out first, and a
/// subject that the text leaves out is put in.
#[test]
fn in_totos_examples_are_read() {
    let mut found: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for (name, path) in files(&suite("in-toto-attestation")) {
        if !name.ends_with(".md") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        for block in text.split("\n```json").skip(1) {
            let block = block.trim_start_matches('c');
            let block = block.split("\n```").next().unwrap();
            if !block.starts_with('\n') || !block.contains("\"_type\"") {
                continue;
            }
            let outcome = match serde_json::from_str::<Value>(&plain(block)) {
                Ok(value) => kind(value).unwrap_or_else(|error| panic!("{name}: {error}\n{block}")),
                Err(_) => "no JSON",
            };
            found.entry(name.clone()).or_default().push(outcome);
        }
    }
    let wanted: BTreeMap<String, Vec<&str>> = EXAMPLES
        .iter()
        .map(|(name, outcomes)| ((*name).to_owned(), outcomes.to_vec()))
        .collect();
    assert_eq!(found, wanted);
}

fn kind(mut value: Value) -> Result<&'static str, trust::attestation::AttestationError> {
    if value["subject"] == json!([{}]) {
        value["subject"] = json!([{"digest": {"sha256": "ab".repeat(32)}}]);
    }
    let attestation = Attestation::parse(value.to_string().as_bytes())?;
    assert_eq!(value["predicateType"], attestation.predicate_type);
    Ok(attestation.kind().as_str())
}

/// An example without comments and dots, and without the commas that they leave behind.
fn plain(example: &str) -> String {
    let mut kept = String::new();
    let mut in_text = false;
    let mut rest = example;
    while let Some(letter) = rest.chars().next() {
        if !in_text && rest.starts_with("//") {
            rest = rest.split_once('\n').map_or("", |(_, after)| after);
            continue;
        }
        if !in_text && rest.starts_with("/*") {
            rest = rest.split_once("*/").map_or("", |(_, after)| after);
            continue;
        }
        if !in_text && rest.starts_with("...") {
            rest = &rest[3..];
            continue;
        }
        if !in_text && matches!(letter, '}' | ']') {
            let length = kept.trim_end().trim_end_matches(',').len();
            kept.truncate(length);
        }
        in_text ^= letter == '"' && !kept.ends_with('\\');
        kept.push(letter);
        rest = &rest[letter.len_utf8()..];
    }
    kept
}

/// What is no JSON is so for what stands in it beside comments: a sentence, a missing comma or quotation mark.
const EXAMPLES: [(&str, &[&str]); 14] = [
    ("spec/predicates/cyclonedx.md", &["sbom"]),
    ("spec/predicates/reference.md", &["other"; 3]),
    (
        "spec/predicates/release.md",
        &["no JSON", "other", "other", "other", "other", "other"],
    ),
    ("spec/predicates/runtime-trace.md", &["other", "no JSON"]),
    (
        "spec/predicates/scai.md",
        &["other", "other", "other", "no JSON", "no JSON", "no JSON"],
    ),
    ("spec/predicates/spdx2.md", &["sbom"]),
    ("spec/predicates/spdx3.md", &["sbom"]),
    ("spec/predicates/svr.md", &["other"; 4]),
    ("spec/predicates/template/template.md", &["other"]),
    ("spec/predicates/test-result.md", &["test-result"; 2]),
    ("spec/predicates/vuln.md", &["no JSON"]),
    ("spec/predicates/vulns_02.md", &["vulnerabilities"]),
    ("spec/v0.1.0/README.md", &["other"]),
    ("spec/v1/statement.md", &["other"]),
];
