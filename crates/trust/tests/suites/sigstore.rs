//! sigstore-conformance's bundles and cosign's own, judged under the roots that come with them.

use std::collections::BTreeMap;
use std::fs;

use oci::Digest;
use trust::attestation::PredicateKind;
use trust::sigstore::{
    Artifact, Demands, Expected, IdentityRule, Refusal, Says, SignedBy, TimeSource, TrustedRoot,
    Verification, verify_bundle,
};
use trust::{KeyError, PemError, PublicKey};

use crate::{entries, suite};

/// 2026-09-01, in milliseconds since 1970.
const NOW: i64 = 1_788_220_800_000;

const IDENTITY: &str = "https://github.com/sigstore-conformance/extremely-dangerous-public-oidc-beacon/.github/workflows/extremely-dangerous-oidc-beacon.yml@refs/heads/main";
const ISSUER: &str = "https://token.actions.githubusercontent.com";

/// The root of sigstore's public instance, as cosign's tests carry it.
fn public_root() -> TrustedRoot {
    let path = suite("cosign-testdata").join("pkg/cosign/testdata/trusted_root_pgi.json");
    TrustedRoot::parse(&fs::read(path).unwrap()).unwrap()
}

/// What each case comes to: a case that fails must fail for its own reason.
const CASES: [(&str, &str); 24] = [
    ("bundle-with-root-cert_fail", "certificate-not-trusted"),
    ("dsse-mismatch-envelope_fail", "log-entry-of-another"),
    ("dsse-mismatch-sig_fail", "log-entry-of-another"),
    ("happy-path-v0.1", "holds"),
    ("inclusion-proof-corrupted-hash_fail", "log-not-trusted"),
    ("incorrect-public-key_fail", "log-not-trusted"),
    (
        "intoto-expired-certificate_fail",
        "certificate-not-valid-then",
    ),
    ("intoto-missing-inclusion-proof_fail", "log-not-trusted"),
    (
        "intoto-set-outside-signing-cert-validity_fail",
        "certificate-not-valid-then",
    ),
    ("invalid-checkpoint-signature_fail", "log-not-trusted"),
    ("invalid-ct-key_fail", "certificate-not-logged"),
    ("invalid-inclusion-proof_fail", "log-not-trusted"),
    ("managed-key-happy-path", "holds"),
    ("managed-key-no-key_fail", "other-kind-of-signer"),
    // The file's base64 has bits over, and its point is on no curve.
    ("managed-key-wrong-key_fail", "key-unreadable"),
    ("rekor2-checkpoint-cosigned", "holds"),
    (
        "rekor2-checkpoint-missing-log-signature_fail",
        "log-not-trusted",
    ),
    (
        "rekor2-checkpoint-missing-root-hash_fail",
        "log-not-trusted",
    ),
    ("rekor2-checkpoint-two-sigs-from-origin", "holds"),
    ("rekor2-dsse-mismatch-envelope_fail", "log-entry-of-another"),
    ("rekor2-timestamp-with-embedded-cert", "holds"),
    ("set-invalid-signature_fail", "log-not-trusted"),
    ("trust-root-tsa-validity-end-inclusive", "holds"),
    ("wrong-material_fail", "other-subject"),
];

#[test]
fn every_bundle_is_accepted_or_refused_as_it_must_be() {
    let mut found = BTreeMap::new();
    let folder = suite("sigstore-conformance").join("test/assets/bundle-verify");
    for case in entries(&folder).into_iter().filter(|path| path.is_dir()) {
        let name = case.file_name().unwrap().to_str().unwrap().to_owned();
        let by_bytes = judge(&case, true);
        let by_digest = judge(&case, false);
        let word = |result: &Result<Verification, Fault>| match result {
            Ok(_) => "holds".to_owned(),
            Err(Fault::Key(error)) => {
                assert_eq!(error, &KeyError::Pem(PemError::Body), "{name}");
                "key-unreadable".to_owned()
            }
            Err(Fault::Bundle(refusal)) => refusal.code().to_owned(),
        };
        assert_eq!(
            by_bytes.is_ok(),
            !name.ends_with("_fail"),
            "{name}: {by_bytes:?}"
        );
        assert_eq!(word(&by_bytes), word(&by_digest), "{name}: {by_digest:?}");
        let ended = word(&by_bytes);
        found.insert(name, ended);
    }
    let wanted: BTreeMap<String, String> = CASES
        .iter()
        .map(|(name, word)| ((*name).to_owned(), (*word).to_owned()))
        .collect();
    assert_eq!(found, wanted);
}

/// Where a case ends that must fail: its key file is read before its bundle.
#[derive(Debug)]
enum Fault {
    Key(KeyError),
    Bundle(Refusal),
}

/// A case with the file's bytes, or with their digest alone.
fn judge(case: &std::path::Path, with_bytes: bool) -> Result<Verification, Fault> {
    let read = |name: &str| fs::read(case.join(name)).ok();
    let text =
        |name: &str| read(name).map(|bytes| String::from_utf8(bytes).unwrap().trim().to_owned());
    let bundle = read("bundle.sigstore.json").unwrap();
    let file = read("artifact").unwrap_or_else(|| fs::read(case.join("../a.txt")).unwrap());
    let digest = Digest::sha256(&file);
    let artifact = if with_bytes {
        Artifact::Bytes(&file)
    } else {
        Artifact::Digest(&digest)
    };
    let root = match read("trusted_root.json") {
        Some(bytes) => TrustedRoot::parse(&bytes).unwrap(),
        None => public_root(),
    };
    let rule = IdentityRule::new(
        text("issuer").unwrap_or_else(|| ISSUER.to_owned()),
        text("identity").unwrap_or_else(|| IDENTITY.to_owned()),
    );
    let key = text("key.pub").map(|pem| PublicKey::from_pem(&pem));
    let key = key.transpose().map_err(Fault::Key)?;
    let expected = match &key {
        Some(key) => {
            let mut expected = Expected::key(key);
            expected.demands = Demands {
                logs: 1,
                ..Demands::KEY
            };
            expected
        }
        None => Expected::identity(&rule),
    };
    verify_bundle(&bundle, artifact, &root, expected, NOW).map_err(Fault::Bundle)
}

#[test]
fn an_attestation_that_cosign_made_without_a_key() {
    let path = suite("cosign-testdata").join("pkg/cosign/testdata/oci-attestation.sigstore.json");
    let bundle = fs::read(path).unwrap();
    let image =
        Digest::parse("sha256:732112270d7e59418a8c080b134b24cabd67d250d0d0147a97ed95ba5c280aa4")
            .unwrap();
    let root = public_root();
    let anyone = IdentityRule::new("*", "*");
    let judge = |image: &Digest, rule: &IdentityRule| {
        verify_bundle(
            &bundle,
            Artifact::Digest(image),
            &root,
            Expected::identity(rule),
            NOW,
        )
    };
    let verification = judge(&image, &anyone).unwrap();
    let SignedBy::Identity(identity) = verification.signer() else {
        panic!("{verification:?}")
    };
    let Says::Statement(attestation) = verification.says() else {
        panic!("{verification:?}")
    };
    assert_eq!(
        attestation.predicate_type,
        "https://cosign.sigstore.dev/attestation/v1"
    );
    assert_eq!(attestation.kind(), PredicateKind::Other);
    assert_eq!(verification.log_indices(), [175_508_996]);
    assert_eq!(verification.times().len(), 1);
    assert_eq!(verification.times()[0].source, TimeSource::Log);

    let same = IdentityRule::new(identity.issuer.clone(), identity.subject.clone());
    assert!(judge(&image, &same).is_ok());
    let other = IdentityRule::new(identity.issuer.clone(), "someone@example.com");
    assert_eq!(
        judge(&image, &other),
        Err(Refusal::OtherIdentity(Box::new(identity.clone())))
    );
    let other = Digest::sha256(b"another image");
    assert_eq!(
        judge(&other, &anyone),
        Err(Refusal::OtherSubject(other.to_string()))
    );
}
