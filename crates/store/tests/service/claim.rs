//! What is said at the start: of bucket, keys and service, and of whose bucket it is.

use std::time::Duration;

use store::blobs::{BlobStore, Credentials, Keys};
use store::{Error, Store, garbage, uploads};

use super::keeping::{backup, check};
use super::{Service, client, new_options};

/// Opens a store with a database of its own.
async fn open(service: &Service, change: impl FnOnce(&mut BlobStore)) -> store::Result<Store> {
    let folder = tempfile::tempdir().unwrap();
    let mut place = service.place().clone();
    place.prefix = format!("{}-other", place.prefix);
    change(&mut place);
    let mut options = new_options(folder.path()).await;
    options.blobs = Some(place);
    Store::open(&options).await
}

#[tokio::test]
async fn a_wrong_bucket_and_wrong_keys_are_said_at_the_start() {
    let service = Service::new().await;
    let outcome = open(&service, |place| place.bucket = "no-such-bucket".to_owned()).await;
    let Err(Error::Invalid { value, why, .. }) = outcome else {
        panic!("{outcome:?}");
    };
    assert!(value.starts_with("s3://no-such-bucket/"), "{value}");
    assert!(why.contains("no such bucket"), "{why}");

    let wrong = Keys {
        access_key_id: super::variable("AWS_ACCESS_KEY_ID"),
        secret_access_key: "not-the-secret".into(),
        session_token: None,
    };
    let outcome = open(&service, |place| {
        place.credentials = Credentials::Keys(wrong)
    })
    .await;
    let Err(error @ Error::Invalid { .. }) = outcome else {
        panic!("{outcome:?}");
    };
    assert!(error.to_string().contains("refused these keys"), "{error}");
    assert!(!error.to_string().contains("not-the-secret"), "{error}");
}

#[tokio::test]
async fn a_service_that_does_not_answer_is_said_at_the_start() {
    let service = Service::new().await;
    service.proxy.down(true);
    let outcome = open(&service, |_| {}).await;
    assert!(
        matches!(outcome, Err(Error::Unavailable { .. })),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn http_must_be_allowed() {
    let service = Service::new().await;
    let outcome = open(&service, |place| place.allow_http = false).await;
    assert!(matches!(outcome, Err(Error::Invalid { .. })), "{outcome:?}");
}

#[tokio::test]
async fn keys_may_come_from_a_file() {
    let service = Service::new().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys");
    let missing = open(&service, |place| {
        place.credentials = Credentials::File(path.clone())
    })
    .await;
    assert!(matches!(missing, Err(Error::Io { .. })), "{missing:?}");
    let text = format!(
        "[default]\naws_access_key_id = {}\naws_secret_access_key = {}\n",
        super::variable("AWS_ACCESS_KEY_ID"),
        super::variable("AWS_SECRET_ACCESS_KEY")
    );
    std::fs::write(&path, text).unwrap();
    open(&service, |place| {
        place.credentials = Credentials::File(path)
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_bucket_belongs_to_one_database() {
    let service = Service::new().await;
    let blob = service.push(b"some").await.unwrap();
    let prefix = service.place().prefix.clone();
    let stranger = open(&service, |place| place.prefix = prefix).await;
    assert!(
        matches!(stranger, Err(Error::Refused { .. })),
        "{stranger:?}"
    );

    // Its own database, without the bucket and with another one.
    let (options, proxy) = (service.options.clone(), &service.proxy);
    service.store.close().await;
    drop(service.store);
    let mut changed = options.clone();
    changed.blobs = None;
    let local = Store::open(&changed).await;
    assert!(matches!(local, Err(Error::Refused { .. })), "{local:?}");
    let mut place = options.blobs.clone().unwrap();
    place.prefix = format!("{}-other", place.prefix);
    changed.blobs = Some(place);
    let elsewhere = Store::open(&changed).await;
    assert!(
        matches!(elsewhere, Err(Error::Refused { .. })),
        "{elsewhere:?}"
    );

    let again = Store::open(&options).await.unwrap();
    let content = store::blobs::open(&again, &blob.digest).await.unwrap();
    assert_eq!(content.bytes().await.unwrap(), b"some");
    proxy.mend();
}

#[tokio::test]
async fn of_two_databases_that_claim_a_bucket_at_once_one_has_it() {
    let service = Service::new().await;
    // Held back, so that both look before either writes.
    service.proxy.delay(Duration::from_millis(200));
    let outcomes = tokio::join!(open(&service, |_| {}), open(&service, |_| {}));
    let refused = match outcomes {
        (Ok(_), Err(error)) | (Err(error), Ok(_)) => error,
        outcomes => panic!("{outcomes:?}"),
    };
    assert!(matches!(refused, Error::Refused { .. }), "{refused}");
}

#[tokio::test]
async fn nothing_is_removed_from_a_bucket_that_has_become_another_database_s() {
    let service = Service::new().await;
    let session = service.start().await;
    service.add(&session, b"theirs").await.unwrap();
    let orphan = format!("sha256/ab/{}.00000001", "ab".repeat(32));
    for (key, content) in [(orphan.as_str(), "theirs"), ("countersign-store", "1")] {
        let key = format!("{}/{key}", service.place().prefix);
        object_store::ObjectStoreExt::put(&client(), &key.as_str().into(), content.into())
            .await
            .unwrap();
    }
    let keys = service.keys().await;
    let far = 253_000_000_000_000;
    let swept = garbage::collect_now(&service.store, true, &|| far).await;
    assert!(matches!(swept, Err(Error::Refused { .. })), "{swept:?}");
    let expired = uploads::expire(&service.store, far).await;
    assert!(matches!(expired, Err(Error::Refused { .. })), "{expired:?}");
    assert_eq!(service.keys().await, keys);
}

#[tokio::test]
async fn a_check_and_a_backup_need_no_right_to_write() {
    let service = Service::new().await;
    service.push(b"some").await.unwrap();
    service.proxy.seen();
    assert!(check(&service).await.unwrap().is_whole());
    backup(&service).await.unwrap();
    let seen = service.proxy.seen();
    assert!(
        seen.iter()
            .all(|seen| ["GET", "HEAD"].contains(&seen.method.as_str())),
        "{seen:?}"
    );
}

#[tokio::test]
async fn a_store_with_blobs_in_its_folder_does_not_open_with_a_bucket() {
    let service = Service::new().await;
    let folder = tempfile::tempdir().unwrap();
    let mut options = new_options(folder.path()).await;
    options.blobs = None;
    let local = Store::open(&options).await.unwrap();
    let permit = crate::fixture::permit::<policy::verb::Push>(1, "shop/web");
    let writer = store::Writer::Push(&permit);
    store::blobs::put(&local, &writer, b"some".to_vec(), 0)
        .await
        .unwrap();
    local.close().await;
    drop(local);
    let mut place = service.place().clone();
    place.prefix = format!("{}-new", place.prefix);
    options.blobs = Some(place);
    let outcome = Store::open(&options).await;
    assert!(matches!(outcome, Err(Error::Refused { .. })), "{outcome:?}");
}
