//! A service that is slow, busy, cut off or gone: what was not acknowledged is not visible, what was is there, and nothing
//! needs a restart.

use std::time::Duration;

use oci::Digest;
use store::{Error, catalogue};
use testkit::{Fault, Times};

use super::{Service, noise};
use crate::fixture::name;

const BUSY: Fault = Fault::Busy {
    retry_after_seconds: 1,
};

async fn is_visible(service: &Service, bytes: &[u8]) -> bool {
    let digest = Digest::sha256(bytes);
    let held = catalogue::blob(&service.store, &name("shop/web"), &digest).await;
    held.unwrap().is_some()
}

#[tokio::test]
async fn slow_answers_are_waited_for() {
    let service = Service::new().await;
    service.proxy.delay(Duration::from_millis(30));
    service.proxy.limit(Some(40_000_000));
    let bytes = noise(10_000_000, 1);
    let info = service.push(&bytes).await.unwrap();
    assert_eq!(service.read(&info.digest).await.unwrap(), bytes);
}

#[tokio::test]
async fn busy_for_the_first_tries_is_busy_for_nobody() {
    let service = Service::new().await;
    let bytes = noise(9_000_000, 2);
    for method in ["PUT", "POST", "GET", "HEAD", "DELETE"] {
        service.proxy.spoil(Some(method), Times::Next(2), BUSY);
    }
    let info = service.push(&bytes).await.unwrap();
    assert_eq!(service.read(&info.digest).await.unwrap(), bytes);
    let seen = service.proxy.seen();
    let spoilt = |method: &str| seen.iter().any(|seen| seen.spoilt && seen.method == method);
    assert!(spoilt("PUT") && spoilt("POST") && spoilt("GET"), "{seen:?}");
}

#[tokio::test]
async fn busy_for_a_third_of_all_requests_loses_nothing() {
    let service = Service::new().await;
    service.proxy.spoil(None, Times::Percent(33), BUSY);
    for seed in 0..8 {
        let bytes = noise(100_000 * (seed + 1) as usize, seed);
        let info = service.push(&bytes).await.unwrap();
        assert_eq!(service.read(&info.digest).await.unwrap(), bytes);
    }
}

#[tokio::test]
async fn busy_for_good_is_a_clear_error_and_over_without_a_restart() {
    let service = Service::new().await;
    let held = noise(100, 3);
    service.push(&held).await.unwrap();
    let session = service.start().await;
    service.proxy.spoil(None, Times::Always, BUSY);

    for bytes in [noise(1_000, 4), noise(9_000_000, 5)] {
        let outcome = service.push(&bytes).await;
        let Err(Error::Unavailable { what, why }) = &outcome else {
            panic!("{outcome:?}");
        };
        assert_eq!(*what, "the blob store");
        assert!(why.contains("503"), "{why}");
        assert!(!is_visible(&service, &bytes).await);
    }
    let outcome = service.add(&session, b"some").await;
    assert!(
        matches!(outcome, Err(Error::Unavailable { .. })),
        "{outcome:?}"
    );
    let outcome = service.read(&Digest::sha256(&held)).await;
    assert!(
        matches!(outcome, Err(Error::Unavailable { .. })),
        "{outcome:?}"
    );
    assert!(store::condition::bucket(&service.store).await.is_err());

    service.proxy.mend();
    assert!(store::condition::bucket(&service.store).await.unwrap());
    assert_eq!(service.read(&Digest::sha256(&held)).await.unwrap(), held);
    service.add(&session, b"some").await.unwrap();
    let digest = Digest::sha256(b"some");
    service.open(&session).commit(&digest, 0).await.unwrap();
    let bytes = noise(9_000_000, 5);
    service.push(&bytes).await.unwrap();
    assert_eq!(service.read(&Digest::sha256(&bytes)).await.unwrap(), bytes);
}

#[tokio::test]
async fn a_connection_that_is_cut_in_an_upload_costs_one_try() {
    let service = Service::new().await;
    for (length, seed) in [(500_000, 6), (9_000_000, 7)] {
        let bytes = noise(length, seed);
        let fault = Fault::CutRequest {
            after_bytes: 200_000,
        };
        service.proxy.spoil(Some("PUT"), Times::Next(1), fault);
        let info = service.push(&bytes).await.unwrap();
        service.proxy.mend();
        assert_eq!(service.read(&info.digest).await.unwrap(), bytes);
    }
}

#[tokio::test]
async fn uploads_that_are_always_cut_fail_and_leave_no_blob() {
    let service = Service::new().await;
    let fault = Fault::CutRequest {
        after_bytes: 200_000,
    };
    service.proxy.spoil(Some("PUT"), Times::Always, fault);
    let bytes = noise(9_000_000, 8);
    let outcome = service.push(&bytes).await;
    assert!(
        matches!(outcome, Err(Error::Unavailable { .. })),
        "{outcome:?}"
    );
    service.proxy.mend();
    assert!(!is_visible(&service, &bytes).await);
    assert!(service.keys_below("uploads/").await.is_empty());
}

#[tokio::test]
async fn a_service_that_is_down_and_comes_back() {
    let service = Service::new().await;
    let bytes = noise(1_000, 9);
    service.proxy.down(true);
    let outcome = service.push(&bytes).await;
    assert!(
        matches!(outcome, Err(Error::Unavailable { .. })),
        "{outcome:?}"
    );
    assert!(store::condition::bucket(&service.store).await.is_err());
    service.proxy.down(false);
    service.push(&bytes).await.unwrap();
    assert!(store::condition::bucket(&service.store).await.unwrap());
}
