//! The vectors of the Notary Project's own library: headers as it writes them, certificate files, revocation lists, and a timestamp
//! whose signature is wrong. Every file of the suite is named here.

use std::collections::BTreeSet;
use std::fs;

use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use coset::cbor::value::Value as Cbor;
use coset::{CoseSign1, Label, TaggedCborSerializable as _};
use oci::Descriptor;
use rcgen::{
    CertificateParams, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA384,
    RsaKeySize,
};
use serde_json::json;
use trust::notation::chain::{self, Purpose};
use trust::notation::revocation::Crl;
use trust::notation::store::certificates;
use trust::notation::timestamp::{self, TimestampFault};
use trust::notation::{
    Algorithm, Certificate, Envelope, EnvelopeKey, Extended, Failure, Format, Request, Scheme,
    StoreName, TrustStores, integrity, sign,
};

use super::super::*;

fn file(name: &str) -> Vec<u8> {
    let path = suite("notation-core-go").join(name);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn certificate(name: &str) -> Certificate {
    let mut all = certificates(&file(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(all.len(), 1, "{name}");
    all.remove(0)
}

/// A leaf that signed itself.
fn signer(key: &KeyPair) -> (Certificate, EnvelopeKey) {
    let mut params = CertificateParams::default();
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    let der = params.self_signed(key).unwrap();
    (
        Certificate::parse(der.der()).unwrap(),
        EnvelopeKey::from_pkcs8_der(key.serialized_der()).unwrap(),
    )
}

fn extended(name: &str, value: &str, critical: bool) -> Extended {
    Extended {
        name: name.to_owned(),
        value: value.to_owned(),
        critical,
    }
}

fn artifact() -> Descriptor {
    Descriptor::of(oci::media::OCI_MANIFEST, b"a manifest")
}

const AGENT: &str = "NotationConformanceTest/1.0.0";

#[test]
fn our_jws_headers_are_theirs() {
    let golden = json_of("signature/jws/testdata/conformance.json");
    let (certificate, key) = signer(&KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap());
    let protected = URL_SAFE_NO_PAD
        .decode(golden["protected"].as_str().unwrap())
        .unwrap();
    let headers: Value = serde_json::from_slice(&protected).unwrap();
    let time = |name: &str| {
        let text = headers[name].as_str().unwrap();
        let at: jiff::Timestamp = text.parse().unwrap();
        at.as_millisecond()
    };
    let artifact = artifact();
    let mut own = vec![extended("signedCritKey1", "signedCritValue1", true)];
    own.extend((1..=4).map(|n| extended(&format!("signedKey{n}"), "signedValue1", false)));
    let request = Request {
        artifact: &artifact,
        scheme: Scheme::X509 {
            signing_time: time("io.cncf.notary.signingTime"),
        },
        expiry: Some(time("io.cncf.notary.expiry")),
        extended: own.clone(),
        chain: std::slice::from_ref(&certificate),
        agent: Some(AGENT.to_owned()),
    };
    let bytes = sign(&request, Format::Jws, &key)
        .unwrap()
        .to_bytes()
        .unwrap();
    let ours: Value = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(ours["protected"], golden["protected"]);
    assert_eq!(
        ours["header"]["io.cncf.notary.signingAgent"],
        golden["header"]["io.cncf.notary.signingAgent"]
    );

    // Theirs is read, with a chain put in, which the vector lacks; its critical attribute is not passed over.
    let mut theirs = golden.clone();
    theirs["header"]["x5c"] = json!([STANDARD.encode(certificate.as_der())]);
    let read = Envelope::parse(Format::Jws, &serde_json::to_vec(&theirs).unwrap()).unwrap();
    assert_eq!(read.attributes().algorithm, Algorithm::Es256);
    assert_eq!(read.attributes().extended, own);
    assert_eq!(read.payload(), br#"{"key":"hello JWS"}"#);
    assert_eq!(read.agent(), Some(AGENT));
    assert_eq!(
        integrity(Format::Jws, &bytes, &artifact),
        Err(Failure::UnknownCritical {
            name: "signedCritKey1".into()
        })
    );
}

#[test]
fn our_cose_headers_are_theirs() {
    let golden = json_of("signature/cose/testdata/conformance.json");
    let bytes_of = |value: &Value| hex::decode(value["cborHex"].as_str().unwrap()).unwrap();
    let protected = bytes_of(&golden["protectedHeaders"]);
    let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA384, RsaKeySize::_3072).unwrap();
    let (certificate, key) = signer(&key);
    let artifact = artifact();
    let own = vec![
        extended("signedCritKey1", "signedCritValue1", true),
        extended("signedKey1", "signedValue1", false),
    ];
    let milliseconds = |name: &str| golden[name].as_i64().unwrap() * 1000;
    let request = Request {
        artifact: &artifact,
        scheme: Scheme::X509 {
            signing_time: milliseconds("signingTime"),
        },
        expiry: Some(milliseconds("expiry")),
        extended: own.clone(),
        chain: std::slice::from_ref(&certificate),
        agent: Some(AGENT.to_owned()),
    };
    let envelope = sign(&request, Format::Cose, &key).unwrap();
    let ours = CoseSign1::from_tagged_slice(&envelope.to_bytes().unwrap()).unwrap();
    assert_eq!(
        hex::encode(ours.protected.original_data.unwrap()),
        hex::encode(&protected)
    );

    let mut theirs = CoseSign1::from_tagged_slice(&bytes_of(&golden["expectedOutput"])).unwrap();
    let agent = (
        Label::Text("io.cncf.notary.signingAgent".into()),
        Cbor::from(AGENT),
    );
    assert!(theirs.unprotected.rest.contains(&agent) && ours.unprotected.rest.contains(&agent));
    let chain = Cbor::Array(vec![Cbor::Bytes(certificate.as_der().to_vec())]);
    theirs.unprotected.rest.push((Label::Int(33), chain));
    let read = Envelope::parse(Format::Cose, &theirs.to_tagged_vec().unwrap()).unwrap();
    assert_eq!(read.attributes().algorithm, Algorithm::Ps384);
    assert_eq!(read.attributes().extended, own);
    assert_eq!(read.attributes().expiry, request.expiry);
    assert_eq!(
        hex::encode_upper(read.payload()),
        golden["payload"].as_str().unwrap()
    );
    assert_eq!(read.agent(), Some(AGENT));
}

fn json_of(name: &str) -> Value {
    serde_json::from_slice(&file(name)).unwrap()
}

#[test]
fn certificate_files() {
    let root = certificate("x509/testdata/der.der");
    assert_eq!(
        root.subject().to_string(),
        "OU=GlobalSign Root CA - R3, O=GlobalSign, CN=GlobalSign"
    );
    assert_eq!(certificate("x509/testdata/pem.crt"), root);
    for name in ["x509/testdata/multi-pem.crt", "x509/testdata/multi-der.der"] {
        let all = certificates(&file(name)).unwrap();
        assert_eq!(all, [root.clone(), root.clone()], "{name}");
    }
    assert!(certificates(&file("x509/testdata/invalid")).is_err());
    let alone = certificate("x509/testdata/openssl-minimum-self-signed.pem");
    assert_eq!(alone.algorithm(), Some(Algorithm::Ps512));
    assert_eq!(chain::check(&[alone], Purpose::CodeSigning), Ok(()));
    assert!(chain::check(&[root], Purpose::CodeSigning).is_err());

    let stampers = ["leaf", "intermediate", "root"]
        .map(|name| certificate(&format!("x509/testdata/timestamp_{name}.crt")));
    assert_eq!(chain::check(&stampers, Purpose::TimeStamping), Ok(()));
    assert!(chain::check(&stampers, Purpose::CodeSigning).is_err());
    let mut stores = TrustStores::default();
    let tsa = StoreName::parse("tsa:digicert").unwrap();
    stores.add_file(tsa.clone(), stampers[2].as_der()).unwrap();
    assert!(
        stores.add_file(tsa, stampers[1].as_der()).is_err(),
        "an intermediate is no root"
    );
}

#[test]
fn revocation_lists_and_pointers_to_deltas() {
    let folder = "revocation/crl/testdata";
    let base = Crl::parse(&file(&format!("{folder}/crlWithMultipleFreshestCRLs.crl"))).unwrap();
    assert_eq!(base.delta_uris().unwrap().len(), 2);
    assert!(!base.is_delta());
    let delta = Crl::parse(&file(&format!("{folder}/delta.crl"))).unwrap();
    assert!(delta.is_delta());
    assert_eq!((delta.revoked(), delta.delta_uris()), (0, None));

    let uris = |name: &str| {
        let certificate = certificate(&format!("{folder}/certificateWith{name}.cer"));
        certificate.delta_uris().map(<[String]>::len)
    };
    assert_eq!(uris("DeltaCRL"), Ok(1));
    assert_eq!(uris("2DeltaCRL"), Ok(2));
    assert_eq!(uris("ZeroDeltaCRLURL"), Ok(0));
    for name in [
        "IncompleteFreshestCRL",
        "IncompleteFreshestCRL2",
        "NonURIDeltaCRL",
    ] {
        assert!(
            uris(name).is_err() || uris(name) == Ok(0),
            "{name}: {:?}",
            uris(name)
        );
    }
}

#[test]
fn a_timestamp_whose_signature_is_wrong() {
    let token = file("internal/timestamp/testdata/TimeStampTokenWithInvalidSignature.p7s");
    let roots = certificates(&file("internal/timestamp/testdata/tsaRootCert.cer")).unwrap();
    let roots: Vec<&Certificate> = roots.iter().collect();
    let fault = timestamp::verify(&token, b"notation", &roots).unwrap_err();
    assert!(matches!(fault, TimestampFault::Signature(_)), "{fault:?}");
}

#[test]
fn every_file_of_the_suite_is_used() {
    let root = suite("notation-core-go");
    let mut found = BTreeSet::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for path in entries(&folder) {
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.file_name().unwrap().to_string_lossy().into_owned();
                found.insert(name);
            }
        }
    }
    let known: BTreeSet<String> = FILES.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(found, known);
}

const FILES: [&str; 22] = [
    "LICENSE",
    "PROVENANCE.txt",
    "TimeStampTokenWithInvalidSignature.p7s",
    "certificateWith2DeltaCRL.cer",
    "certificateWithDeltaCRL.cer",
    "certificateWithIncompleteFreshestCRL.cer",
    "certificateWithIncompleteFreshestCRL2.cer",
    "certificateWithNonURIDeltaCRL.cer",
    "certificateWithZeroDeltaCRLURL.cer",
    "conformance.json",
    "crlWithMultipleFreshestCRLs.crl",
    "delta.crl",
    "der.der",
    "invalid",
    "multi-der.der",
    "multi-pem.crt",
    "openssl-minimum-self-signed.pem",
    "pem.crt",
    "timestamp_intermediate.crt",
    "timestamp_leaf.crt",
    "timestamp_root.crt",
    "tsaRootCert.cer",
];
