//! Certificates that were revoked, and lists that do not say. trust-store-trust-policy "Certificate Revocation Evaluation".

use der::{Decode as _, Encode as _};
use rcgen::{
    CertificateRevocationListParams, CrlDistributionPoint, CrlIssuingDistributionPoint, CrlScope,
    Issuer, KeyIdMethod, KeyUsagePurpose, RevocationReason, RevokedCertParams, SerialNumber,
    SigningKey as _,
};
use time::OffsetDateTime;
use x509_cert::crl::CertificateList;
use x509_cert::ext::Extension;

use super::super::revocation::Unavailable;
use super::super::testing::*;
use super::super::timestamp::testing::Stamp;
use super::super::*;

pub(super) fn at(milliseconds: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(milliseconds / 1000).unwrap()
}

pub(super) fn revoked(holder: &Holder) -> RevokedCertParams {
    RevokedCertParams {
        serial_number: holder.params.serial_number.clone().unwrap(),
        revocation_time: at(NOW - DAY),
        reason_code: Some(RevocationReason::KeyCompromise),
        invalidity_date: None,
    }
}

pub(super) fn list(revoked_certs: Vec<RevokedCertParams>) -> CertificateRevocationListParams {
    CertificateRevocationListParams {
        this_update: at(NOW - DAY),
        next_update: at(NOW + 7 * DAY),
        crl_number: SerialNumber::from(10_u64),
        issuing_distribution_point: None,
        revoked_certs,
        key_identifier_method: KeyIdMethod::Sha256,
    }
}

pub(super) fn by(issuer: &Holder, params: &CertificateRevocationListParams) -> Vec<u8> {
    let issuer = Issuer::from_params(&issuer.params, &issuer.key);
    params.signed_by(&issuer).unwrap().der().to_vec()
}

/// The list with one extension more, signed again.
fn extended(
    issuer: &Holder,
    params: &CertificateRevocationListParams,
    extension: Extension,
) -> Vec<u8> {
    let mut list = CertificateList::from_der(&by(issuer, params)).unwrap();
    list.tbs_cert_list
        .crl_extensions
        .get_or_insert_default()
        .push(extension);
    let signed = list.tbs_cert_list.to_der().unwrap();
    list.signature = der::asn1::BitString::from_bytes(&issuer.key.sign(&signed).unwrap()).unwrap();
    list.to_der().unwrap()
}

fn extension(oid: &str, critical: bool, value: &[u8]) -> Extension {
    Extension {
        extn_id: der::asn1::ObjectIdentifier::new(oid).unwrap(),
        critical,
        extn_value: der::asn1::OctetString::new(value).unwrap(),
    }
}

fn delta(base: u8) -> Extension {
    extension("2.5.29.27", true, &[0x02, 0x01, base])
}

/// `http://x`, as the place of a delta list.
fn freshest() -> Extension {
    let value = hex::decode("3010300ea00ca00a8608687474703a2f2f78").unwrap();
    extension("2.5.29.46", false, &value)
}

pub(super) fn lists(ders: &[Vec<u8>]) -> RevocationLists {
    let mut lists = RevocationLists::default();
    for der in ders {
        lists.add(Crl::parse(der).unwrap());
    }
    lists
}

fn check(world: &World, ders: &[Vec<u8>]) -> Result<(), RevocationFault> {
    lists(ders).check(&world.chain(), None, NOW)
}

fn why(result: Result<(), RevocationFault>) -> Unavailable {
    match result {
        Err(RevocationFault::Unavailable { why, .. }) => why,
        other => panic!("{other:?}"),
    }
}

fn is_revoked(result: &Result<(), RevocationFault>) -> bool {
    matches!(result, Err(RevocationFault::Revoked { .. }))
}

fn with_points() -> World {
    let mut params = signer("signer");
    params.crl_distribution_points = vec![CrlDistributionPoint {
        uris: vec!["http://x/crl".into()],
    }];
    World::with(params)
}

#[test]
fn a_revoked_leaf_is_refused() {
    let world = World::new();
    let crl = by(&world.middle, &list(vec![revoked(&world.leaf)]));
    for format in FORMATS {
        let envelope = world.sign(format);
        let lists = lists(std::slice::from_ref(&crl));
        let (stores, bytes) = (world.stores(), envelope.to_bytes().unwrap());
        let judged = |actions| {
            let statement = statement(actions, &["ca:wabbit"]);
            let trust = Trust {
                statement: &statement,
                stores: &stores,
                lists: &lists,
            };
            verify(format, &bytes, &artifact(), trust, NOW)
        };
        let (check, why) = failed(judged(Actions::STRICT));
        assert_eq!(check, Check::Revocation);
        let is_it = |why: &Failure| matches!(why, Failure::Revocation(RevocationFault::Revoked { revoked_at, .. }) if *revoked_at == NOW - DAY);
        assert!(is_it(&why), "{why:?}");
        let logged = passed(judged(Actions::PERMISSIVE)).logged;
        assert!(matches!(logged.as_slice(), [(Check::Revocation, why)] if is_it(why)));
        let skip = Actions {
            revocation: Action::Skip,
            ..Actions::STRICT
        };
        assert_eq!(passed(judged(skip)).logged, []);
    }
}

#[test]
fn a_revoked_authority_is_refused() {
    let world = World::new();
    let crl = by(&world.root, &list(vec![revoked(&world.middle)]));
    let fault = check(&world, &[crl]).unwrap_err();
    let RevocationFault::Revoked { subject, .. } = fault else {
        panic!("{fault:?}")
    };
    assert!(subject.contains("CN=middle"), "{subject}");
}

#[test]
fn a_list_of_others_says_nothing_bad() {
    let world = World::new();
    let other = Holder::root(authority("other"));
    assert_eq!(check(&world, &[by(&world.middle, &list(vec![]))]), Ok(()));
    // The same number, another issuer.
    assert_eq!(
        check(&world, &[by(&other, &list(vec![revoked(&world.leaf)]))]),
        Ok(())
    );
    assert_eq!(
        check(
            &world,
            &[by(&world.root, &list(vec![revoked(&world.leaf)]))]
        ),
        Ok(())
    );
}

#[test]
fn a_certificate_that_points_to_a_list_needs_one() {
    let world = with_points();
    assert_eq!(why(check(&world, &[])), Unavailable::NoList);
    assert_eq!(check(&world, &[by(&world.middle, &list(vec![]))]), Ok(()));
    assert_eq!(check(&World::new(), &[]), Ok(()));
}

#[test]
fn an_unreadable_pointer_is_a_pointer() {
    for oid in [&[2, 5, 29, 31][..], &[1, 3, 6, 1, 5, 5, 7, 1, 1]] {
        let mut params = signer("signer");
        params.custom_extensions = vec![rcgen::CustomExtension::from_oid_content(oid, vec![5, 0])];
        assert_eq!(
            why(check(&World::with(params), &[])),
            Unavailable::NoList,
            "{oid:?}"
        );
    }
}

#[test]
fn an_ocsp_responder_is_a_pointer() {
    let mut params = signer("signer");
    let content = hex::decode("3016301406082b060105050730018608687474703a2f2f78").unwrap();
    params.custom_extensions = vec![rcgen::CustomExtension::from_oid_content(
        &[1, 3, 6, 1, 5, 5, 7, 1, 1],
        content,
    )];
    assert_eq!(why(check(&World::with(params), &[])), Unavailable::NoList);
}

#[test]
fn a_list_that_its_issuer_did_not_sign_is_not_used() {
    let world = World::new();
    let impostor = Holder::root(authority("middle"));
    let forged = by(&impostor, &list(vec![]));
    assert_eq!(
        why(check(&world, std::slice::from_ref(&forged))),
        Unavailable::NoUsableList
    );
    // Beside the true one it changes nothing.
    let real = by(&world.middle, &list(vec![revoked(&world.leaf)]));
    assert!(is_revoked(&check(&world, &[forged, real])));
}

#[test]
fn an_issuer_that_may_not_sign_lists_signs_none() {
    let mut params = authority("middle");
    let root = Holder::root(authority("root"));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let mut middle = root.issue(params);
    // The library asks too: let it believe otherwise.
    middle.params.key_usages.push(KeyUsagePurpose::CrlSign);
    let leaf = middle.issue(signer("signer"));
    let world = World { root, middle, leaf };
    let crl = by(&world.middle, &list(vec![]));
    assert_eq!(why(check(&world, &[crl])), Unavailable::NoUsableList);
}

#[test]
fn a_list_that_has_ended_still_revokes_and_does_not_acquit() {
    let world = World::new();
    let old = |entries| {
        let mut params = list(entries);
        params.this_update = at(NOW - 9 * DAY);
        params.next_update = at(NOW - DAY);
        by(&world.middle, &params)
    };
    assert_eq!(why(check(&world, &[old(vec![])])), Unavailable::Stale);
    assert!(is_revoked(&check(
        &world,
        &[old(vec![revoked(&world.leaf)])]
    )));
    let hold = RevokedCertParams {
        reason_code: Some(RevocationReason::CertificateHold),
        ..revoked(&world.leaf)
    };
    assert_eq!(
        why(check(&world, &[old(vec![hold.clone()])])),
        Unavailable::Stale
    );
    assert!(is_revoked(&check(
        &world,
        &[by(&world.middle, &list(vec![hold]))]
    )));
    let mut tomorrow = list(vec![]);
    tomorrow.this_update = at(NOW + DAY);
    assert_eq!(
        why(check(&world, &[by(&world.middle, &tomorrow)])),
        Unavailable::Stale
    );
}

#[test]
fn the_newest_list_counts() {
    let world = World::new();
    let hold = RevokedCertParams {
        reason_code: Some(RevocationReason::CertificateHold),
        ..revoked(&world.leaf)
    };
    let before = by(&world.middle, &list(vec![hold]));
    let mut params = list(vec![]);
    params.this_update = at(NOW);
    params.crl_number = SerialNumber::from(11_u64);
    let after = by(&world.middle, &params);
    assert_eq!(check(&world, &[after.clone(), before.clone()]), Ok(()));
    assert_eq!(check(&world, &[before, after]), Ok(()));
}

#[test]
fn what_was_signed_and_stamped_before_the_key_was_lost_stays_good() {
    let world = World::new();
    let from = RevokedCertParams {
        invalidity_date: Some(at(NOW)),
        ..revoked(&world.leaf)
    };
    let dated = lists(&[by(&world.middle, &list(vec![from]))]);
    let signed_at = |time| dated.check(&world.chain(), time, NOW + DAY);
    assert_eq!(signed_at(Some(NOW - 1)), Ok(()));
    assert!(is_revoked(&signed_at(Some(NOW))));
    // A time that only the signer claims is none.
    assert!(is_revoked(&signed_at(None)));
    // Without an invalidity date, no time helps.
    let plain = lists(&[by(&world.middle, &list(vec![revoked(&world.leaf)]))]);
    assert!(is_revoked(&plain.check(
        &world.chain(),
        Some(NOW - 300 * DAY),
        NOW
    )));
}

#[test]
fn lists_for_part_of_the_certificates_are_used_for_those() {
    let world = with_points();
    let point = |uri: &str, scope| CrlIssuingDistributionPoint {
        distribution_point: CrlDistributionPoint {
            uris: vec![uri.into()],
        },
        scope,
    };
    let judge = |point, entries| {
        let mut params = list(entries);
        params.issuing_distribution_point = Some(point);
        check(&world, &[by(&world.middle, &params)])
    };
    let entry = || vec![revoked(&world.leaf)];
    assert_eq!(judge(point("http://x/crl", None), vec![]), Ok(()));
    assert!(is_revoked(&judge(
        point("http://x/crl", Some(CrlScope::UserCertsOnly)),
        entry()
    )));
    let elsewhere = judge(point("http://x/other", None), vec![]);
    assert_eq!(why(elsewhere), Unavailable::NoUsableList);
    let authorities = judge(point("http://x/crl", Some(CrlScope::CaCertsOnly)), vec![]);
    assert_eq!(why(authorities), Unavailable::NoUsableList);
}

#[test]
fn a_list_with_a_critical_extension_that_nobody_knows_is_not_used() {
    let world = World::new();
    let odd = |critical| {
        extended(
            &world.middle,
            &list(vec![]),
            extension("1.2.3.4", critical, &[5, 0]),
        )
    };
    assert_eq!(check(&world, &[odd(false)]), Ok(()));
    assert_eq!(why(check(&world, &[odd(true)])), Unavailable::NoUsableList);
    // An indirect list, and one for some reasons only.
    for point in ["30038401ff", "300483020780"] {
        let partial = extension("2.5.29.28", true, &hex::decode(point).unwrap());
        let crl = extended(&world.middle, &list(vec![]), partial);
        assert_eq!(
            why(check(&world, &[crl])),
            Unavailable::NoUsableList,
            "{point}"
        );
    }
}

#[test]
fn a_delta_list_brings_its_base_up_to_date() {
    let world = World::new();
    let hold = RevokedCertParams {
        reason_code: Some(RevocationReason::CertificateHold),
        ..revoked(&world.leaf)
    };
    let removed = RevokedCertParams {
        reason_code: Some(RevocationReason::RemoveFromCrl),
        ..revoked(&world.leaf)
    };
    let base = |entries| extended(&world.middle, &list(entries), freshest());
    let update = |from, entries| {
        let mut params = list(entries);
        params.crl_number = SerialNumber::from(12_u64);
        extended(&world.middle, &params, delta(from))
    };
    let entry = || vec![revoked(&world.leaf)];
    assert_eq!(why(check(&world, &[base(vec![])])), Unavailable::NoDelta);
    assert_eq!(check(&world, &[base(vec![]), update(10, vec![])]), Ok(()));
    assert!(is_revoked(&check(
        &world,
        &[base(vec![]), update(9, entry())]
    )));
    assert_eq!(
        check(&world, &[base(vec![hold]), update(10, vec![removed])]),
        Ok(())
    );
    // A delta of a base that is not here, and a delta alone.
    assert_eq!(
        why(check(&world, &[base(vec![]), update(11, vec![])])),
        Unavailable::NoDelta
    );
    assert_eq!(
        why(check(&world, &[update(10, vec![])])),
        Unavailable::NoUsableList
    );
}

#[test]
fn a_revoked_timestamping_service_stamps_nothing() {
    let world = World::new();
    let root = Holder::root(authority("tsa root"));
    let service = root.issue(stamper("tsa"));
    let stamp = Stamp {
        service: &service,
        carried: vec![&service.certificate],
        time: "20261125120000Z",
        accuracy_seconds: None,
        names: Some(&service.certificate),
    };
    let envelope = world.sign(Format::Jws);
    let token = stamp.over(envelope.signature());
    let bytes = envelope.with_timestamp(token).to_bytes().unwrap();
    let mut stores = world.stores();
    stores
        .add_file(store("tsa:clock"), root.certificate.as_der())
        .unwrap();
    // Revocation of the signer is not asked for; that of the service always is.
    let skip = Actions {
        revocation: Action::Skip,
        ..Actions::STRICT
    };
    let statement = statement(skip, &["ca:wabbit", "tsa:clock"]);
    let judged = |lists: RevocationLists| {
        let trust = Trust {
            statement: &statement,
            stores: &stores,
            lists: &lists,
        };
        verify(Format::Jws, &bytes, &artifact(), trust, NOW)
    };
    passed(judged(RevocationLists::default()));
    let (check, why) = failed(judged(lists(&[by(&root, &list(vec![revoked(&service)]))])));
    assert_eq!(check, Check::AuthenticTimestamp);
    assert!(
        matches!(
            why,
            Failure::TimestampRevocation(RevocationFault::Revoked { .. })
        ),
        "{why:?}"
    );
}

#[test]
fn lists_are_read_in_der_and_pem_and_nothing_else() {
    let world = World::new();
    let der = by(&world.middle, &list(vec![revoked(&world.leaf)]));
    assert_eq!(Crl::parse(&der).unwrap().revoked(), 1);
    let pem = crate::pem::encode("X509 CRL", &der);
    assert_eq!(Crl::parse(pem.as_bytes()).unwrap().revoked(), 1);
    let behind = [der.as_slice(), &[0]].concat();
    for bytes in [
        &behind[..],
        &der[..der.len() - 1],
        b"",
        b"-----BEGIN X509 CRL-----",
    ] {
        assert!(matches!(Crl::parse(bytes), Err(CrlError::Form)));
    }
    let twice = extended(
        &world.middle,
        &list(vec![]),
        extension("2.5.29.20", false, &[2, 1, 11]),
    );
    assert!(matches!(Crl::parse(&twice), Err(CrlError::Extensions)));
}

/// A list of `issuer` that names nobody, from so many days ago, with a number.
fn issued(issuer: &Holder, days_ago: i64, number: u64, scope: Option<CrlScope>) -> Crl {
    let mut params = list(vec![]);
    params.this_update = at(NOW - days_ago * DAY);
    params.crl_number = SerialNumber::from(number);
    params.issuing_distribution_point = scope.map(|scope| CrlIssuingDistributionPoint {
        distribution_point: CrlDistributionPoint {
            uris: vec!["http://x/crl".into()],
        },
        scope: Some(scope),
    });
    Crl::parse(&by(issuer, &params)).unwrap()
}

#[test]
fn a_list_is_succeeded_by_no_older_one() {
    let world = World::new();
    let of = |days_ago, number| issued(&world.middle, days_ago, number, None);
    let known = of(2, 10);
    for (days_ago, number, expected) in [
        (2, 10, Ok(())),
        (2, 11, Ok(())),
        (1, 11, Ok(())),
        // An authority that lost count goes on by the clock, as the check does.
        (1, 9, Ok(())),
        (2, 9, Err(SuccessionFault::Older)),
        (3, 9, Err(SuccessionFault::Older)),
        (3, 11, Err(SuccessionFault::Older)),
        (-1, 11, Err(SuccessionFault::Early { from: NOW + DAY })),
    ] {
        let found = of(days_ago, number).succeeds(&known, NOW);
        assert_eq!(found, expected, "{days_ago} {number}");
    }
    // What is of the future itself keeps nothing out.
    assert_eq!(of(3, 9).succeeds(&of(-1, 12), NOW), Ok(()));
}

#[test]
fn a_list_is_succeeded_by_no_other_issuers_and_no_other_kind() {
    let world = World::new();
    let known = issued(&world.middle, 2, 10, None);
    let others = issued(&world.root, 1, 11, None);
    assert_eq!(others.succeeds(&known, NOW), Err(SuccessionFault::Another));
    let mut params = list(vec![]);
    params.crl_number = SerialNumber::from(12_u64);
    let update = Crl::parse(&extended(&world.middle, &params, delta(10))).unwrap();
    assert_eq!(update.succeeds(&known, NOW), Err(SuccessionFault::Another));
    assert_eq!(known.succeeds(&update, NOW), Err(SuccessionFault::Another));
    // A scope that is another one counts by itself; it cannot go back either.
    let users = |days_ago, number| {
        issued(
            &world.middle,
            days_ago,
            number,
            Some(CrlScope::UserCertsOnly),
        )
    };
    assert_eq!(users(2, 1).succeeds(&known, NOW), Ok(()));
    let back = users(3, 11).succeeds(&known, NOW);
    assert_eq!(back, Err(SuccessionFault::Older));
}
