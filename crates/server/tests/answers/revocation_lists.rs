//! Revocation lists that come while the server runs: what could not be known before is read again, what they name is refused from then on,
//! and what was verified before stays so.

use super::*;
use rcgen::{
    CertificateRevocationListParams, CrlDistributionPoint, KeyIdMethod, RevocationReason,
    RevokedCertParams,
};
use trust::notation::{Crl, RevocationLists};

const DAY: i64 = 86_400_000;

fn at(milliseconds: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(milliseconds / 1000).unwrap()
}

/// An authority that signs lists, and maria's certificate, which points to them.
fn maria() -> (Authority, Holder) {
    let mut authority = Authority::new();
    authority.params.key_usages.push(KeyUsagePurpose::CrlSign);
    let own = authority.params.self_signed(&authority.key).unwrap();
    authority.der = own.der().to_vec();
    let maria = authority.issue_with("maria", 30, |params| {
        params.crl_distribution_points = vec![CrlDistributionPoint {
            uris: vec!["http://lists.example/shop.crl".to_owned()],
        }];
    });
    (authority, maria)
}

/// The authority's list of today, good for a week, with maria's certificate or without.
fn list(authority: &Authority, names_maria: bool) -> Anchors {
    let revoked = RevokedCertParams {
        serial_number: SerialNumber::from(0x1000_u64),
        revocation_time: at(NOW - 200 * DAY),
        reason_code: Some(RevocationReason::KeyCompromise),
        invalidity_date: None,
    };
    let params = CertificateRevocationListParams {
        this_update: at(NOW - DAY),
        next_update: at(NOW + 7 * DAY),
        crl_number: SerialNumber::from(10_u64),
        issuing_distribution_point: None,
        revoked_certs: names_maria.then_some(revoked).into_iter().collect(),
        key_identifier_method: KeyIdMethod::Sha256,
    };
    let issuer = Issuer::from_params(&authority.params, &authority.key);
    let der = params.signed_by(&issuer).unwrap().der().to_vec();
    let mut lists = RevocationLists::default();
    lists.add(Crl::parse(&der).unwrap());
    Anchors {
        sigstore: None,
        revocation: Some(lists),
    }
}

#[tokio::test]
async fn a_list_that_comes_later_lets_in_what_waited_for_it_and_takes_nothing_back() {
    let (authority, maria) = maria();
    let world = World::with_anchors(Anchors {
        sigstore: None,
        revocation: Some(RevocationLists::default()),
    })
    .await;
    let digest = fill(&world).await;
    register(&world, &authority.identity("maria"), "shop/**").await;
    let image = found(&world, &digest).await;
    let bytes = maria.sign(Format::Jws, &image, None, Some("ci"));
    attach(&world, &digest, Layer::envelope(Format::Jws, &bytes)).await;
    let parts = ["unreadable", "add the revocation list of its issuer"];
    refused(&world, &digest, &parts).await;

    world.store.set_anchors(list(&authority, false));
    reread(&world).await;
    counts(&world, &digest).await;
    // A later list names the certificate. That is not asked again; revoking the identity here is what ends it.
    world.store.set_anchors(list(&authority, true));
    reread(&world).await;
    counts(&world, &digest).await;
    let path = format!("/api/v1/keys/{}", authority.identity("maria").id());
    world.must("admin", "DELETE", &path, json!({})).await;
    refused(&world, &digest, &["revoked-key"]).await;
    world.store.close().await;
}

#[tokio::test]
async fn what_comes_after_a_list_that_names_its_certificate_is_refused() {
    let (authority, maria) = maria();
    let world = World::with_anchors(list(&authority, false)).await;
    let digest = fill(&world).await;
    register(&world, &authority.identity("maria"), "shop/**").await;
    let image = found(&world, &digest).await;
    world.store.set_anchors(list(&authority, true));
    let bytes = maria.sign(Format::Cose, &image, None, Some("ci"));
    attach(&world, &digest, Layer::envelope(Format::Cose, &bytes)).await;
    refused(&world, &digest, &["unreadable", "CN=maria", "is revoked"]).await;
    world.store.close().await;
}
