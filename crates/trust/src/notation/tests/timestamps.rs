//! Certificates that ended, with a timestamp and without.

use super::super::testing::*;
use super::super::timestamp::testing::Stamp;
use super::super::timestamp::{self, ExchangeError};
use super::super::*;

/// A timestamping service with a root of its own.
struct Service {
    root: Holder,
    leaf: Holder,
}

impl Service {
    fn new() -> Self {
        let root = Holder::root(authority("tsa root"));
        let leaf = root.issue(stamper("tsa"));
        Self { root, leaf }
    }

    fn stamp(&self) -> Stamp<'_> {
        Stamp {
            service: &self.leaf,
            carried: vec![&self.leaf.certificate],
            time: "20261125120000.5Z",
            accuracy_seconds: Some(1),
            names: Some(&self.leaf.certificate),
        }
    }

    fn stores(&self, world: &World) -> TrustStores {
        let mut stores = world.stores();
        let root = self.root.certificate.as_der();
        stores.add_file(store("tsa:clock"), root).unwrap();
        stores
    }
}

fn stamped(envelope: Envelope, stamp: &Stamp<'_>) -> Envelope {
    let token = stamp.over(envelope.signature());
    envelope.with_timestamp(token)
}

fn both() -> Statement {
    strict(&["ca:wabbit", "tsa:clock"])
}

#[test]
fn an_expired_chain_without_a_timestamp_is_refused() {
    let world = World::new();
    for format in FORMATS {
        let envelope = world.sign(format);
        let at = |now| judge(&envelope, &strict(&["ca:wabbit"]), &world.stores(), now);
        passed(at(END));
        let (check, why) = failed(at(END + 1));
        assert_eq!(check, Check::AuthenticTimestamp);
        assert!(
            matches!(
                why,
                Failure::CertificateExpired {
                    is_stamped: false,
                    ..
                }
            ),
            "{why:?}"
        );
        let permissive = statement(Actions::PERMISSIVE, &["ca:wabbit"]);
        assert_eq!(
            passed(judge(&envelope, &permissive, &world.stores(), END + 1)).time,
            None
        );
    }
}

#[test]
fn an_expired_chain_with_a_timestamp_is_good() {
    let (world, service) = (World::new(), Service::new());
    for format in FORMATS {
        let envelope = stamped(world.sign(format), &service.stamp());
        let stores = service.stores(&world);
        let passed = passed(judge(&envelope, &both(), &stores, END + DAY));
        let range = TimestampRange {
            lower: NOW - 500,
            upper: NOW + 1500,
        };
        assert_eq!(passed.time, Some(TrustedTime::Timestamp(range)));
        assert_eq!(passed.time.unwrap().latest(), NOW + 1500);
    }
}

#[test]
fn a_timestamp_that_the_policy_asks_for_must_be_there() {
    let (world, service) = (World::new(), Service::new());
    let stores = service.stores(&world);
    let envelope = world.sign(Format::Jws);
    let missing = (
        Check::AuthenticTimestamp,
        Failure::Timestamp(TimestampFault::Missing),
    );
    assert_eq!(failed(judge(&envelope, &both(), &stores, NOW)), missing);
    let after = Statement {
        verify_timestamp: VerifyTimestamp::AfterCertExpiry,
        ..both()
    };
    passed(judge(&envelope, &after, &stores, NOW));
    assert_eq!(failed(judge(&envelope, &after, &stores, END + 1)), missing);
}

#[test]
fn a_timestamp_nobody_asked_for_proves_nothing() {
    let (world, service) = (World::new(), Service::new());
    let envelope = stamped(world.sign(Format::Cose), &service.stamp());
    let (_, why) = failed(judge(
        &envelope,
        &strict(&["ca:wabbit"]),
        &world.stores(),
        END + 1,
    ));
    assert!(
        matches!(
            why,
            Failure::CertificateExpired {
                is_stamped: false,
                ..
            }
        ),
        "{why:?}"
    );
}

#[test]
fn a_timestamp_made_after_the_chain_ended_is_refused() {
    let mut params = signer("signer");
    params.not_after = rcgen::date_time_ymd(2026, 11, 25);
    let service = Service::new();
    let world = World::with(params);
    let early = Scheme::X509 {
        signing_time: NOW - 30 * DAY,
    };
    let envelope = world.sign_as(Format::Jws, |request| request.scheme = early);
    let envelope = stamped(envelope, &service.stamp());
    let (check, why) = failed(judge(&envelope, &both(), &service.stores(&world), NOW));
    assert_eq!(check, Check::AuthenticTimestamp);
    assert!(
        matches!(
            why,
            Failure::CertificateExpired {
                is_stamped: true,
                ..
            }
        ),
        "{why:?}"
    );
}

#[test]
fn the_accuracy_must_lie_within_the_validity_too() {
    let mut params = signer("signer");
    params.not_after = rcgen::date_time_ymd(2026, 11, 26);
    let (service, world) = (Service::new(), World::with(params));
    let at = |accuracy_seconds| {
        let stamp = Stamp {
            accuracy_seconds,
            time: "20261125235930Z",
            ..service.stamp()
        };
        let envelope = stamped(world.sign(Format::Jws), &stamp);
        judge(&envelope, &both(), &service.stores(&world), NOW + 2 * DAY)
    };
    passed(at(Some(30)));
    let (_, why) = failed(at(Some(31)));
    assert!(
        matches!(
            why,
            Failure::CertificateExpired {
                is_stamped: true,
                ..
            }
        ),
        "{why:?}"
    );
}

/// What verifying a token over `signature` says.
fn fault(token: &[u8], service: &Service) -> TimestampFault {
    timestamp::verify(token, b"signature", &[&service.root.certificate]).unwrap_err()
}

#[test]
fn a_timestamp_over_another_signature_is_refused() {
    let service = Service::new();
    let good = service.stamp().over(b"signature");
    timestamp::verify(&good, b"signature", &[&service.root.certificate]).unwrap();
    assert_eq!(
        fault(&service.stamp().over(b"other"), &service),
        TimestampFault::Imprint
    );
}

#[test]
fn a_timestamp_of_an_authority_that_is_not_trusted_is_refused() {
    let (service, other) = (Service::new(), Service::new());
    let untrusted = fault(&other.stamp().over(b"signature"), &service);
    assert!(
        matches!(untrusted, TimestampFault::Untrusted { .. }),
        "{untrusted:?}"
    );
    // The root that it carries itself is worth nothing.
    let carried = vec![&other.leaf.certificate, &other.root.certificate];
    let token = Stamp {
        carried,
        ..other.stamp()
    }
    .over(b"signature");
    let untrusted = fault(&token, &service);
    assert!(
        matches!(untrusted, TimestampFault::Untrusted { .. }),
        "{untrusted:?}"
    );
}

#[test]
fn a_path_over_intermediates_is_found_in_any_order() {
    let root = Holder::root(authority("tsa root"));
    let one = root.issue(authority("one"));
    let two = one.issue(authority("two"));
    let leaf = two.issue(stamper("tsa"));
    let stray = Holder::root(authority("two"));
    let service = Service { root, leaf };
    let carried = vec![
        &stray.certificate,
        &one.certificate,
        &service.leaf.certificate,
        &two.certificate,
    ];
    let token = Stamp {
        carried,
        ..service.stamp()
    }
    .over(b"signature");
    let stamped = timestamp::verify(&token, b"signature", &[&service.root.certificate]).unwrap();
    assert_eq!(stamped.chain.len(), 4);
}

#[test]
fn a_certificate_for_code_stamps_nothing() {
    let root = Holder::root(authority("tsa root"));
    let leaf = root.issue(signer("signer"));
    let service = Service { root, leaf };
    let fault = fault(&service.stamp().over(b"signature"), &service);
    assert!(
        matches!(
            fault,
            TimestampFault::Chain(ChainFault::LeafExtendedKeyUsage { .. })
        ),
        "{fault:?}"
    );
}

#[test]
fn a_timestamp_from_before_its_own_certificate_is_refused() {
    let service = Service::new();
    let stamp = Stamp {
        time: "20190101000000Z",
        ..service.stamp()
    };
    let fault = fault(&stamp.over(b"signature"), &service);
    assert!(matches!(fault, TimestampFault::Expired { .. }), "{fault:?}");
}

#[test]
fn the_signing_certificate_must_be_named() {
    let service = Service::new();
    for names in [None, Some(&service.root.certificate)] {
        let token = Stamp {
            names,
            ..service.stamp()
        }
        .over(b"signature");
        assert!(matches!(
            fault(&token, &service),
            TimestampFault::Signature(_)
        ));
    }
    let nobody = Stamp {
        carried: vec![&service.root.certificate],
        ..service.stamp()
    };
    assert!(matches!(
        fault(&nobody.over(b"signature"), &service),
        TimestampFault::Signature(_)
    ));
}

#[test]
fn a_changed_timestamp_is_refused() {
    let service = Service::new();
    let token = service.stamp().over(b"signature");
    // The year, where it stands in the signed content.
    let at = token.windows(4).position(|four| four == b"2026").unwrap();
    let mut later = token.clone();
    later[at + 3] = b'5';
    assert_eq!(
        fault(&later, &service),
        TimestampFault::Signature("another content is signed")
    );
    // The end of the token is the end of the signature.
    let mut wrong = token.clone();
    *wrong.last_mut().unwrap() ^= 1;
    assert_eq!(
        fault(&wrong, &service),
        TimestampFault::Signature("it does not verify")
    );
    for at in (0..token.len()).step_by(7) {
        let mut damaged = token.clone();
        damaged[at] ^= 0x20;
        let read = timestamp::verify(&damaged, b"signature", &[&service.root.certificate]);
        assert!(
            read.is_err() || at_harmless(&token, &damaged, &service),
            "byte {at}"
        );
    }
    for bytes in [&[][..], b"x", &token[1..], &token[..token.len() - 1]] {
        assert!(matches!(fault(bytes, &service), TimestampFault::Form(_)));
    }
    let long = vec![0; timestamp::TOKEN_BYTES_MAX + 1];
    assert!(matches!(
        fault(&long, &service),
        TimestampFault::Size { .. }
    ));
}

/// A byte that nothing depends on, such as the version of the frame: the time is what it was.
fn at_harmless(token: &[u8], damaged: &[u8], service: &Service) -> bool {
    let range = |token| {
        timestamp::verify(token, b"signature", &[&service.root.certificate])
            .unwrap()
            .range
    };
    range(token) == range(damaged)
}

#[test]
fn a_request_asks_for_the_certificates_and_an_answer_gives_the_token() {
    let request = timestamp::request(b"signature", Hash::Sha384, [7; 16]).unwrap();
    let hash = Hash::Sha384.of(b"signature");
    assert!(request.windows(hash.len()).any(|part| part == hash));
    assert!(request.ends_with(&[0x01, 0x01, 0xff]), "certReq");

    let token = Service::new().stamp().over(b"signature");
    let response = |status: u8, token: &[u8]| {
        let body = [&[0x30, 0x03, 0x02, 0x01, status], token].concat();
        let length = u16::try_from(body.len()).unwrap().to_be_bytes();
        [&[0x30, 0x82], length.as_slice(), &body].concat()
    };
    assert_eq!(timestamp::token_of(&response(0, &token)), Ok(token.clone()));
    assert_eq!(
        timestamp::token_of(&response(2, &token)),
        Err(ExchangeError::Refused { status: 2 })
    );
    assert_eq!(timestamp::token_of(b"no"), Err(ExchangeError::Form));
}
