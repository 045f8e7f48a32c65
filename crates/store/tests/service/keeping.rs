//! What an operator does with a store whose service is slow, busy or gone: a healthy blob never becomes a damaged one, and
//! what cannot be removed keeps nobody from the rest.

use std::sync::Arc;

use store::backup::{self, Taken, Taking};
use store::check::{self, Checking, Report};
use store::garbage::{self, Phase};
use store::{Error, blobs};
use testkit::{Fault, Times};

use super::{Service, client, noise};
use crate::fixture::NOW;

/// Later than anything that the server says of an object.
const FAR: i64 = 253_000_000_000_000;

pub(super) async fn check(service: &Service) -> store::Result<Report> {
    let checking = Checking {
        bytes_per_second: None,
        remember: true,
    };
    check::check(&service.options, &checking, &Arc::default(), &|| NOW).await
}

pub(super) async fn backup(service: &Service) -> store::Result<Taken> {
    let taking = Taking {
        to: service.options.data.join("backups"),
        name: "1".to_owned(),
        hard_links: false,
        version: "0".to_owned(),
    };
    let now: backup::Now = Arc::new(|| NOW);
    backup::take(&service.options, &taking, &Arc::default(), &now).await
}

/// The service goes when the bytes of the blob have been asked for.
async fn go_while_it_is_read(service: &Service) {
    service
        .proxy
        .saw(|seen| seen.method == "GET" && seen.target.contains("/uploads/"))
        .await;
    service.proxy.down(true);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_makes_no_healthy_blob_a_damaged_one() {
    let service = Service::new().await;
    let bytes = noise(3_000_000, 1);
    let digest = service.push(&bytes).await.unwrap().digest;

    service.proxy.seen();
    service.proxy.limit(Some(1_000_000));
    let (checked, ()) = tokio::join!(check(&service), go_while_it_is_read(&service));
    assert!(
        matches!(checked, Err(Error::Unavailable { .. })),
        "{checked:?}"
    );
    service.proxy.mend();
    assert!(blobs::open(&service.store, &digest).await.is_ok());

    service.proxy.seen();
    service.proxy.limit(Some(1_000_000));
    let (taken, ()) = tokio::join!(backup(&service), go_while_it_is_read(&service));
    assert!(matches!(taken, Err(Error::Unavailable { .. })), "{taken:?}");
    service.proxy.mend();
    assert_eq!(backup(&service).await.unwrap().manifest.damaged, []);
}

#[tokio::test]
async fn objects_that_cannot_be_removed_keep_nobody_from_the_rest() {
    let service = Service::new().await;
    let orphan = format!("sha256/ab/{}.00000001", "ab".repeat(32));
    let key = format!("{}/{orphan}", service.place().prefix);
    object_store::ObjectStoreExt::put(&client(), &key.as_str().into(), "x".into())
        .await
        .unwrap();
    service.push(b"nobody needs it").await.unwrap();
    let busy = Fault::Busy {
        retry_after_seconds: 1,
    };
    let collect = async |now: i64| garbage::collect_now(&service.store, true, &move || now).await;
    service.proxy.spoil(Some("DELETE"), Times::Always, busy);
    let done = collect(FAR).await.unwrap();
    assert_eq!((done.phase, done.failed), (Phase::Done, 2));
    // A service that answers nothing is no reason to pass by every object.
    service.proxy.down(true);
    let outcome = collect(FAR).await;
    assert!(
        matches!(outcome, Err(Error::Unavailable { .. })),
        "{outcome:?}"
    );
    service.proxy.mend();
    let done = collect(FAR + 3 * 60 * 1_000).await.unwrap();
    assert_eq!((done.files, done.orphans, done.failed), (1, 1, 0));
}
