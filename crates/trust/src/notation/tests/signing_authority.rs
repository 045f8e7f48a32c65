//! The scheme `notary.x509.signingAuthority`: a service signs, and is trusted with the time. What is believed of it, what is not, and that
//! neither scheme can pass for the other. signing-scheme "Signature Verification".

use coset::cbor::value::Value as Cbor;
use coset::{Header, Label};
use rcgen::RevokedCertParams;
use serde_json::{Value, json};

use super::super::attributes::{AUTHENTIC_SIGNING_TIME, EXPIRY, SIGNING_SCHEME, SIGNING_TIME};
use super::super::testing::*;
use super::super::*;
use super::attacks::envelope_error;
use super::attacks_headers::{cose_changed, jws_changed};
use super::revocation::{self, by, list, lists, revoked};

const X509: &str = "notary.x509";
const SIGNING_AUTHORITY: &str = "notary.x509.signingAuthority";
/// 2020-01-01T00:00:00Z, when [`authority`] and [`signer`] begin.
const BEGIN: i64 = 1_577_836_800_000;

fn at(authentic_signing_time: i64) -> Scheme {
    Scheme::SigningAuthority {
        authentic_signing_time,
    }
}

fn by_service(world: &World, format: Format, time: i64) -> Envelope {
    world.sign_as(format, |request| request.scheme = at(time))
}

/// Signed by the right key with these headers: what the reader says.
fn jws_error(world: &World, scheme: Scheme, change: impl FnOnce(&mut Value)) -> EnvelopeError {
    let envelope = world.sign_as(Format::Jws, |request| request.scheme = scheme);
    let bytes = jws_changed(world, envelope, change);
    envelope_error(world, Format::Jws, &bytes)
}

fn cose_error(world: &World, scheme: Scheme, change: impl FnOnce(&mut Header)) -> EnvelopeError {
    let envelope = world.sign_as(Format::Cose, |request| request.scheme = scheme);
    let bytes = cose_changed(world, envelope, change);
    envelope_error(world, Format::Cose, &bytes)
}

fn without(headers: &mut Value, name: &str) {
    headers.as_object_mut().unwrap().remove(name);
    let critical = headers["crit"].as_array_mut().unwrap();
    critical.retain(|one| one != name);
}

fn without_label(headers: &mut Header, name: &str) {
    headers
        .rest
        .retain(|(label, _)| *label != Label::Text(name.to_owned()));
    headers.crit.retain(|one| *one != label(name));
}

fn label(name: &str) -> coset::RegisteredLabelWithPrivate<coset::iana::HeaderParameter> {
    coset::RegisteredLabelWithPrivate::Text(name.to_owned())
}

fn seconds(time: i64) -> Cbor {
    Cbor::Tag(1, Box::new(Cbor::from(time / 1000)))
}

#[test]
fn both_formats_carry_the_time_as_critical() {
    let world = World::new();
    for format in FORMATS {
        let bytes = by_service(&world, format, NOW).to_bytes().unwrap();
        let read = Envelope::parse(format, &bytes).unwrap();
        assert_eq!(read.attributes().scheme, at(NOW));
        assert_eq!(
            read.attributes().critical(),
            [SIGNING_SCHEME, AUTHENTIC_SIGNING_TIME]
        );
        assert_eq!(read.attributes().extended, []);
    }
}

#[test]
fn a_service_without_its_time_is_refused() {
    let world = World::new();
    let missing = EnvelopeError::Attributes(AttributeError::NoTime {
        name: AUTHENTIC_SIGNING_TIME,
        scheme: SIGNING_AUTHORITY,
    });
    let jws = jws_error(&world, at(NOW), |headers| {
        without(headers, AUTHENTIC_SIGNING_TIME);
    });
    let cose = cose_error(&world, at(NOW), |headers| {
        without_label(headers, AUTHENTIC_SIGNING_TIME);
    });
    assert_eq!([jws, cose], [missing.clone(), missing]);
    // Nor is it enough to list what is not there.
    let error = jws_error(&world, at(NOW), |headers| {
        headers
            .as_object_mut()
            .unwrap()
            .remove(AUTHENTIC_SIGNING_TIME);
    });
    assert!(matches!(
        error,
        EnvelopeError::Attributes(AttributeError::NoTime { .. })
    ));
}

#[test]
fn a_time_that_is_not_critical_is_refused() {
    let world = World::new();
    let not_critical = EnvelopeError::Attributes(AttributeError::NotCritical {
        name: AUTHENTIC_SIGNING_TIME,
    });
    let jws = jws_error(&world, at(NOW), |headers| {
        headers["crit"] = json!([SIGNING_SCHEME]);
    });
    let cose = cose_error(&world, at(NOW), |headers| {
        headers.crit = vec![label(SIGNING_SCHEME)];
    });
    assert_eq!([jws, cose], [not_critical.clone(), not_critical]);
}

#[test]
fn a_time_in_another_form_is_refused() {
    let world = World::new();
    let form = EnvelopeError::Attributes(AttributeError::Time {
        name: AUTHENTIC_SIGNING_TIME,
    });
    for time in [json!(NOW / 1000), json!("yesterday"), json!(null)] {
        let error = jws_error(&world, at(NOW), |headers| {
            headers[AUTHENTIC_SIGNING_TIME] = time;
        });
        assert_eq!(error, form);
    }
    for time in [Cbor::from(NOW / 1000), Cbor::Null] {
        let error = cose_error(&world, at(NOW), |headers| {
            without_label(headers, AUTHENTIC_SIGNING_TIME);
            headers.crit.push(label(AUTHENTIC_SIGNING_TIME));
            let own = Label::Text(AUTHENTIC_SIGNING_TIME.into());
            headers.rest.push((own, time));
        });
        assert_eq!(error, form);
    }
}

#[test]
fn a_signer_of_the_plain_scheme_has_no_authentic_time() {
    let world = World::new();
    let other = EnvelopeError::Attributes(AttributeError::OtherTime {
        name: AUTHENTIC_SIGNING_TIME,
        scheme: X509,
    });
    let plain = Scheme::X509 { signing_time: NOW };
    let jws = jws_error(&world, plain, |headers| {
        headers["crit"] = json!([SIGNING_SCHEME, AUTHENTIC_SIGNING_TIME]);
        headers[AUTHENTIC_SIGNING_TIME] = json!("2026-01-01T00:00:00Z");
    });
    let cose = cose_error(&world, plain, |headers| {
        headers.crit.push(label(AUTHENTIC_SIGNING_TIME));
        let own = Label::Text(AUTHENTIC_SIGNING_TIME.into());
        headers.rest.push((own, seconds(NOW)));
    });
    assert_eq!([jws, cose], [other.clone(), other.clone()]);
    // Also in the place of the other.
    let error = jws_error(&world, plain, |headers| {
        without(headers, SIGNING_TIME);
        headers[AUTHENTIC_SIGNING_TIME] = json!("2026-01-01T00:00:00Z");
    });
    assert_eq!(error, other);
    let error = jws_error(&world, plain, |headers| without(headers, SIGNING_TIME));
    assert_eq!(
        error,
        EnvelopeError::Attributes(AttributeError::NoTime {
            name: SIGNING_TIME,
            scheme: X509,
        })
    );
}

#[test]
fn a_service_has_no_time_that_is_only_a_claim() {
    let world = World::new();
    let other = EnvelopeError::Attributes(AttributeError::OtherTime {
        name: SIGNING_TIME,
        scheme: SIGNING_AUTHORITY,
    });
    let jws = jws_error(&world, at(NOW), |headers| {
        headers[SIGNING_TIME] = json!("2026-01-01T00:00:00Z");
    });
    let cose = cose_error(&world, at(NOW), |headers| {
        let own = Label::Text(SIGNING_TIME.into());
        headers.rest.push((own, seconds(NOW)));
    });
    assert_eq!([jws, cose], [other.clone(), other.clone()]);
    // A signature of the plain scheme that calls itself one of a service.
    let error = jws_error(&world, Scheme::X509 { signing_time: NOW }, |headers| {
        headers[SIGNING_SCHEME] = json!(SIGNING_AUTHORITY);
    });
    assert_eq!(error, other);
}

#[test]
fn what_nobody_knows_and_is_critical_is_refused_of_a_service_too() {
    let world = World::new();
    for format in FORMATS {
        let envelope = world.sign_as(format, |request| {
            request.scheme = at(NOW);
            request.extended = vec![Extended {
                name: "com.example.profile".into(),
                value: "arn".into(),
                critical: true,
            }];
        });
        let (check, why) = failure(&world, format, &envelope.to_bytes().unwrap());
        assert_eq!(check, Check::Integrity);
        let name = "com.example.profile".to_owned();
        assert_eq!(why, Failure::UnknownCritical { name });
    }
}

#[test]
fn neither_scheme_is_content_with_the_others_store() {
    let world = World::new();
    for format in FORMATS {
        let service = by_service(&world, format, NOW);
        let plain = world.sign(format);
        for (envelope, own, other, wanted) in [
            (
                &service,
                "signingAuthority:wabbit",
                "ca:wabbit",
                "signingAuthority",
            ),
            (&plain, "ca:wabbit", "signingAuthority:wabbit", "ca"),
        ] {
            let judged = |store: &str| judge(envelope, &strict(&[store]), &world.stores(), NOW);
            let identity = passed(judged(own)).identity.unwrap();
            assert_eq!(identity.store.to_string(), own);
            let (check, why) = failed(judged(other));
            assert_eq!(check, Check::Authenticity);
            let root = world.root.certificate.subject().to_excerpt();
            assert_eq!(why, Failure::Untrusted { root, kind: wanted });
        }
        // A store of that name which holds another's certificates.
        let mut stores = TrustStores::default();
        let stranger = Holder::root(authority("stranger"));
        for kind in ["ca:wabbit", "signingAuthority:other"] {
            let root = world.root.certificate.as_der();
            stores.add_file(store(kind), root).unwrap();
        }
        let other = stranger.certificate.as_der();
        stores
            .add_file(store("signingAuthority:wabbit"), other)
            .unwrap();
        let both = strict(&["ca:wabbit", "signingAuthority:wabbit"]);
        let (check, why) = failed(judge(&service, &both, &stores, NOW));
        assert_eq!(check, Check::Authenticity);
        assert!(matches!(
            why,
            Failure::Untrusted {
                kind: "signingAuthority",
                ..
            }
        ));
    }
}

#[test]
fn certificates_are_judged_at_the_time_of_the_service() {
    // The leaf begins after its authorities, and ends before them.
    let mut params = signer("signer");
    params.not_before = rcgen::date_time_ymd(2026, 11, 1);
    params.not_after = rcgen::date_time_ymd(2026, 11, 30);
    let world = World::with(params);
    let trusted = strict(&["signingAuthority:wabbit"]);
    for format in FORMATS {
        // Signed when it was good, and looked at long after.
        let good = by_service(&world, format, NOW);
        for now in [NOW, NOW + 30 * DAY, END + DAY] {
            let passed = passed(judge(&good, &trusted, &world.stores(), now));
            assert_eq!(passed.time, Some(TrustedTime::SigningAuthority(NOW)));
        }
        // Before it began and after it had ended: today's date is no excuse. Nobody signs so; somebody with the key could.
        for time in [BEGIN - DAY, NOW - 30 * DAY, NOW + 30 * DAY, END + DAY] {
            let mut forged = good.clone();
            forged.attributes.scheme = at(time);
            forged.protected = match format {
                Format::Jws => super::super::jws::protected(&forged.attributes),
                Format::Cose => super::super::cose::protected(&forged.attributes),
            }
            .unwrap();
            forged.signature = world.leaf.signer().sign(&forged.signed_bytes()).unwrap();
            let (check, why) = failed(judge(&forged, &trusted, &world.stores(), NOW));
            assert_eq!(check, Check::AuthenticTimestamp, "{time}");
            let Failure::CertificateExpired { is_stamped, .. } = why else {
                panic!("{why:?}")
            };
            assert!(is_stamped);
        }
    }
}

#[test]
fn the_end_that_a_service_set_is_an_end_today() {
    let world = World::new();
    let trusted = strict(&["signingAuthority:wabbit"]);
    for format in FORMATS {
        let envelope = world.sign_as(format, |request| {
            request.scheme = at(NOW - DAY);
            request.expiry = Some(NOW + DAY);
        });
        passed(judge(&envelope, &trusted, &world.stores(), NOW));
        let (check, why) = failed(judge(&envelope, &trusted, &world.stores(), NOW + DAY));
        assert_eq!(check, Check::Expiry);
        assert_eq!(why, Failure::Expired { expiry: NOW + DAY });
    }
    let error = jws_error(&world, at(NOW), |headers| {
        headers[EXPIRY] = json!("2020-01-01T00:00:00Z");
    });
    assert_eq!(
        error,
        EnvelopeError::Attributes(AttributeError::ExpiryBeforeSigning)
    );
}

#[test]
fn revocation_counts_from_its_instant_on_by_the_time_of_the_service() {
    let world = World::new();
    let stores = world.stores();
    let entry = |invalidity_date| RevokedCertParams {
        invalidity_date,
        ..revoked(&world.leaf)
    };
    let since_yesterday = entry(Some(revocation::at(NOW - DAY)));
    let always = entry(None);
    let plain = Scheme::X509 {
        signing_time: NOW - 2 * DAY,
    };
    for (entry, scheme, is_good) in [
        (&since_yesterday, at(NOW - 2 * DAY), true),
        (&since_yesterday, at(NOW - DAY), false),
        (&since_yesterday, at(NOW), false),
        (&always, at(NOW - 2 * DAY), false),
        // What a signer of the plain scheme says of its time is only a claim.
        (&since_yesterday, plain, false),
    ] {
        let lists = lists(&[by(&world.middle, &list(vec![entry.clone()]))]);
        let statement = strict(&["ca:wabbit", "signingAuthority:wabbit"]);
        let trust = Trust {
            statement: &statement,
            stores: &stores,
            lists: &lists,
        };
        for format in FORMATS {
            let envelope = world.sign_as(format, |request| request.scheme = scheme);
            let bytes = envelope.to_bytes().unwrap();
            let outcome = verify(format, &bytes, &artifact(), trust, NOW);
            if is_good {
                passed(outcome);
                continue;
            }
            let (check, why) = failed(outcome);
            assert_eq!(check, Check::Revocation, "{scheme:?}");
            let is_revoked = matches!(why, Failure::Revocation(RevocationFault::Revoked { .. }));
            assert!(is_revoked, "{why:?}");
        }
    }
}

#[test]
fn a_timestamp_is_neither_needed_nor_a_substitute() {
    let world = World::new();
    let mut stores = world.stores();
    let clock = Holder::root(authority("clock"));
    let root = clock.certificate.as_der();
    stores.add_file(store("tsa:clock"), root).unwrap();
    let trusted = strict(&["signingAuthority:wabbit", "tsa:clock"]);
    for format in FORMATS {
        let envelope = by_service(&world, format, NOW).with_timestamp(vec![1, 2, 3]);
        let passed = passed(judge(&envelope, &trusted, &stores, NOW));
        assert_eq!(passed.time, Some(TrustedTime::SigningAuthority(NOW)));
    }
}

#[test]
fn stores_are_named_by_their_folders() {
    for kind in [StoreKind::Ca, StoreKind::SigningAuthority, StoreKind::Tsa] {
        let name = store(&format!("{}:acme-rockets", kind.as_str()));
        let folder = name.folder();
        assert_eq!(folder, format!("x509/{}/acme-rockets", kind.as_str()));
        for path in [
            folder.clone(),
            format!("{folder}/"),
            format!("/etc/notation/truststore/{folder}"),
        ] {
            assert_eq!(StoreName::of_folder(&path), Ok(name.clone()), "{path}");
        }
    }
    for path in [
        "",
        "/",
        "acme-rockets",
        "ca/acme-rockets",
        "truststore/ca/acme-rockets",
        "x509/signingauthority/acme-rockets",
        "x509/SigningAuthority/acme-rockets",
        "x509/signingAuthority/",
        "x509/signingAuthority/..",
        "x509/signingAuthority/acme rockets",
        "x509/signingAuthority/acme/root.crt",
    ] {
        assert!(StoreName::of_folder(path).is_err(), "{path}");
    }
}
