//! Identities that are registered as keys are: what is taken, what is not, and that it is written as it was read.

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};

use super::*;
use crate::Signer;
use crate::notation::StoreKind;

const ISSUER: &str = "https://issuer.example";

fn certificate(is_authority: bool) -> String {
    let mut params = CertificateParams::default();
    for (kind, value) in [
        (DnType::CountryName, "US"),
        (DnType::StateOrProvinceName, "WA"),
        (DnType::OrganizationName, "wabbit"),
    ] {
        params.distinguished_name.push(kind, value);
    }
    if is_authority {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    } else {
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::CodeSigning];
    }
    let key = KeyPair::generate().unwrap();
    params.self_signed(&key).unwrap().pem()
}

#[test]
fn a_sigstore_identity_is_read_back_in_one_spelling() {
    let identity = SigstoreIdentity::new(ISSUER, "*@shop.example").unwrap();
    let text = identity.to_text().to_owned();
    assert_eq!(
        text,
        r#"{"type":"sigstore-identity","issuer":"https://issuer.example","subject":"*@shop.example"}"#
    );
    let read = RegisteredKey::parse(&format!("{text}\n")).unwrap();
    assert_eq!(read.id(), identity.id());
    assert_eq!(read.to_text(), text);
    assert!(read.is_identity());
    for other in [
        text.replace("\",\"issuer", "\", \"issuer"),
        text.replace("shop", "sh\\u006fp"),
        text.replace("\"subject\"", "\"subject\":\"a@b.example\",\"subject\""),
        text.replace('}', ",\"more\":1}"),
    ] {
        assert!(RegisteredKey::parse(&other).is_err(), "{other}");
    }
}

#[test]
fn everybody_is_no_signer() {
    let long = "a".repeat(SIGSTORE_PATTERN_BYTES_MAX + 1);
    for subject in [
        "",
        "*",
        "**",
        "* *",
        "a b",
        "a\nb",
        "*-*",
        &long,
        &"a*".repeat(9),
    ] {
        assert!(SigstoreIdentity::new(ISSUER, subject).is_err(), "{subject}");
        assert!(
            SigstoreIdentity::new(subject, "a@b.example").is_err(),
            "{subject}"
        );
    }
    let authority = certificate(true);
    for subject in [
        None,
        Some("*"),
        Some("CN=maria"),
        Some("x509.subject: CN=maria"),
    ] {
        let identity = NotationIdentity::new(authority.as_bytes(), subject, None);
        assert!(identity.is_err(), "{subject:?}");
    }
}

#[test]
fn a_notation_identity_is_read_back_in_one_spelling() {
    let (one, other) = (certificate(true), certificate(true));
    let subject = Some("x509.subject:C=US,  st=WA,O=wabbit, CN=maria");
    let new = |files: String| {
        NotationIdentity::new(files.as_bytes(), subject, Some(one.as_bytes())).unwrap()
    };
    let identity = new(format!("{one}{other}"));
    // The order of a file means nothing, nor does a certificate that stands there twice.
    assert_eq!(identity.id(), new(format!("{other}{one}{one}")).id());
    assert_ne!(identity.id(), new(one.clone()).id());
    assert_eq!(
        identity.describe(),
        "x509.subject: C=US, ST=WA, O=wabbit, CN=maria"
    );
    let read = RegisteredKey::parse(identity.to_text()).unwrap();
    assert_eq!(read.id(), identity.id());
    assert_eq!(read.to_text(), identity.to_text());
    let spaced = identity.to_text().replace("C=US, ", "C=US,");
    assert!(RegisteredKey::parse(&spaced).is_err());
}

#[test]
fn each_registered_certificate_has_its_end() {
    let (one, other) = (certificate(true), certificate(true));
    let subject = Some("x509.subject:C=US, ST=WA, O=wabbit, CN=maria");
    let both = format!("{one}{other}");
    let identity = NotationIdentity::new(both.as_bytes(), subject, Some(one.as_bytes())).unwrap();
    let ends = RegisteredKey::Notation(Box::new(identity)).ends(0);
    let parts: Vec<&str> = ends.iter().map(|end| end.part.as_str()).collect();
    assert_eq!(parts.len(), 3);
    assert!(
        parts[..2]
            .iter()
            .all(|part| part.starts_with("the certificate "))
    );
    assert!(parts[2].starts_with("the timestamping root ") && parts[2].contains("O=wabbit"));
    // What rcgen writes unless it is told: the first of January 4096.
    assert!(
        ends.iter().all(|end| end.at == 67_090_118_400_000),
        "{ends:?}"
    );
    // The keys of which nobody says an end have none.
    let plain = RegisteredKey::from(crate::testing::key().public_key().clone());
    assert_eq!(plain.ends(0), []);
}

#[test]
fn signing_authorities_are_kept_apart_from_other_authorities() {
    let (one, other) = (certificate(true), certificate(true));
    let subject = Some("x509.subject: C=US, ST=WA, O=wabbit, CN=maria");
    let of = |authorities: Option<&String>, signing_authorities: Option<&String>| {
        let certificates = NotationCertificates {
            authorities: authorities.map(String::as_bytes),
            signing_authorities: signing_authorities.map(String::as_bytes),
            timestamps: None,
        };
        NotationIdentity::of(certificates, subject)
    };
    let plain = of(Some(&one), None).unwrap();
    let service = of(None, Some(&one)).unwrap();
    let both = of(Some(&other), Some(&one)).unwrap();
    for (identity, counts, words) in [
        (&plain, [1, 0, 0], "CN=maria"),
        (&service, [0, 1, 0], "CN=maria as a signing authority"),
        (&both, [1, 1, 0], "CN=maria, also as a signing authority"),
    ] {
        let kinds = [StoreKind::Ca, StoreKind::SigningAuthority, StoreKind::Tsa];
        assert_eq!(kinds.map(|kind| identity.certificates(kind).len()), counts);
        assert!(
            identity.describe().ends_with(words),
            "{}",
            identity.describe()
        );
        let read = RegisteredKey::parse(identity.to_text()).unwrap();
        assert_eq!(read.id(), identity.id());
        assert_eq!(read.to_text(), identity.to_text());
    }
    // What was registered before there were such authorities is written as it was, and keeps its id.
    assert_eq!(
        plain.id(),
        NotationIdentity::new(one.as_bytes(), subject, None)
            .unwrap()
            .id()
    );
    assert!(!plain.to_text().contains("signingAuthorities"));
    assert!(
        service
            .to_text()
            .contains(r#"CN=maria","signingAuthorities":["#)
    );
    assert_ne!(plain.id(), service.id());
    let ends = RegisteredKey::Notation(Box::new(service.clone())).ends(0);
    assert!(ends[0].part.starts_with("the signing authority "));

    // In one spelling, and with somebody to trust.
    let empty = service.to_text().replace(
        r#""signingAuthorities""#,
        r#""certificates":[],"signingAuthorities""#,
    );
    assert_eq!(
        RegisteredKey::parse(&empty),
        Err(IdentityTextError::Spelling.into())
    );
    assert_eq!(
        of(None, None),
        Err(IdentityTextError::Certificates(StoreError::NoCertificate))
    );
    let everybody = NotationCertificates {
        signing_authorities: Some(one.as_bytes()),
        ..NotationCertificates::default()
    };
    for nobody in [None, Some("*")] {
        assert_eq!(
            NotationIdentity::of(everybody, nobody),
            Err(IdentityTextError::Subject)
        );
    }
    // A certificate that stands for itself does so in one place.
    let own = certificate(false);
    let of_own = |authorities: Option<&String>| {
        let certificates = NotationCertificates {
            authorities: authorities.map(String::as_bytes),
            signing_authorities: Some(own.as_bytes()),
            timestamps: None,
        };
        NotationIdentity::of(certificates, None)
    };
    assert!(of_own(None).is_ok());
    assert_eq!(of_own(Some(&own)), Err(IdentityTextError::Subject));
}

#[test]
fn one_certificate_stands_for_itself() {
    let own = certificate(false);
    let identity = NotationIdentity::new(own.as_bytes(), None, None).unwrap();
    let read = RegisteredKey::parse(identity.to_text()).unwrap();
    assert_eq!(read.id(), identity.id());
    let two = format!("{own}{}", certificate(false));
    assert!(NotationIdentity::new(two.as_bytes(), None, None).is_err());
}
