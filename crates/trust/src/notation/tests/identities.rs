//! Both schemes against those who are registered: a signature counts for whoever's authorities are trusted for its scheme, and for nobody
//! else.

use super::super::testing::*;
use super::super::*;
use crate::evidence::{Dated, NotationTerms, Reading, Untrusted, read_notation};
use crate::{NotationCertificates, NotationIdentity};

const SUBJECT: &str = "x509.subject: C=US, ST=WA, O=wabbit, CN=signer";

fn service(time: i64) -> Scheme {
    Scheme::SigningAuthority {
        authentic_signing_time: time,
    }
}

fn plain() -> Scheme {
    Scheme::X509 { signing_time: NOW }
}

/// Whoever this world's root issues to, for the schemes for which it is trusted.
fn registered(world: &World, subject: &str, is_ca: bool, is_service: bool) -> NotationIdentity {
    let root = world.root.certificate.as_der();
    let certificates = NotationCertificates {
        authorities: is_ca.then_some(root),
        signing_authorities: is_service.then_some(root),
        timestamps: None,
    };
    NotationIdentity::of(certificates, Some(subject)).unwrap()
}

fn read(envelope: &Envelope, identities: &[NotationIdentity], at: i64) -> Dated {
    let manifest = artifact();
    let lists = RevocationLists::default();
    let terms = NotationTerms {
        manifest: Some(&manifest),
        lists: Some(&lists),
        at,
    };
    let bytes = envelope.to_bytes().unwrap();
    read_notation(envelope.format(), &bytes, identities, terms)
}

fn unverified(read: Dated) -> Untrusted {
    assert_eq!((read.trusted_at, read.ends_at), (None, None));
    match read.reading {
        Reading::Unverified { why, .. } => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_signature_counts_under_the_scheme_for_which_its_authority_is_trusted() {
    let world = World::new();
    for format in FORMATS {
        for (scheme, is_ca, is_service, is_known) in [
            (plain(), true, false, true),
            (plain(), false, true, false),
            (service(NOW), false, true, true),
            (service(NOW), true, false, false),
            (service(NOW), true, true, true),
            (plain(), true, true, true),
        ] {
            let envelope = world.sign_as(format, |request| request.scheme = scheme);
            let identity = registered(&world, SUBJECT, is_ca, is_service);
            let dated = read(&envelope, std::slice::from_ref(&identity), NOW);
            if is_known {
                let Reading::Verified(verified) = dated.reading else {
                    panic!("{dated:?}")
                };
                assert_eq!(verified.key(), identity.id());
                continue;
            }
            let why = unverified(dated).to_string();
            let named = format!("under the scheme `{scheme}` (known under another scheme only)");
            assert!(why.contains(&named), "{why}");
        }
    }
}

#[test]
fn the_time_of_a_service_is_good_for_its_certificates_and_not_for_its_own_revocation() {
    let world = World::new();
    let identity = [registered(&world, SUBJECT, false, true)];
    for format in FORMATS {
        let envelope = world.sign_as(format, |request| {
            request.scheme = service(NOW);
            request.expiry = Some(END + 9 * DAY);
        });
        // It arrives when its certificates have long ended.
        let dated = read(&envelope, &identity, END + DAY);
        assert!(matches!(dated.reading, Reading::Verified(_)), "{dated:?}");
        // Whoever took the service's key would say a time before it was distrusted.
        assert_eq!(dated.trusted_at, None);
        assert_eq!(dated.ends_at, Some(END + 9 * DAY));
        // One of the plain scheme has nobody to say when it was made.
        let late = world.sign_as(format, |_| {});
        let known = [registered(&world, SUBJECT, true, true)];
        let why = unverified(read(&late, &known, END + DAY));
        let Untrusted::Notation(why) = why else {
            panic!("{why:?}")
        };
        assert!(matches!(
            *why,
            Failure::CertificateExpired {
                is_stamped: false,
                ..
            }
        ));
    }
}

#[test]
fn nobody_is_registered_for_a_service_that_is_a_stranger() {
    let (world, other) = (World::new(), World::new());
    let identities = [
        registered(&other, SUBJECT, true, true),
        registered(
            &world,
            "x509.subject: C=US, ST=WA, O=wabbit, CN=other",
            true,
            true,
        ),
    ];
    let envelope = world.sign_as(Format::Jws, |request| request.scheme = service(NOW));
    let why = unverified(read(&envelope, &identities, NOW)).to_string();
    assert!(
        why.ends_with(
            "under the scheme `notary.x509.signingAuthority`, who is not registered here"
        ),
        "{why}"
    );
}

#[test]
fn who_is_described_less_closely_is_meant_where_the_scheme_fits() {
    let world = World::new();
    let closest = registered(&world, SUBJECT, true, false);
    let wider = registered(&world, "x509.subject: C=US, ST=WA, O=wabbit", false, true);
    let identities = [closest.clone(), wider.clone()];
    for (scheme, meant) in [(plain(), &closest), (service(NOW), &wider)] {
        let envelope = world.sign_as(Format::Cose, |request| request.scheme = scheme);
        let Reading::Verified(verified) = read(&envelope, &identities, NOW).reading else {
            panic!("{scheme}")
        };
        assert_eq!(verified.key(), meant.id());
    }
}
