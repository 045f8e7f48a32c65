//! Bit rot is found, named, not served, and healed by pushing again.

use std::path::Path;
use std::sync::Arc;

use oci::Digest;
use policy::verb::{Pull, Push};
use store::check::{self, Checking, FaultKind, Report};
use store::{Error, Writer, blobs, catalogue};

use crate::cases::garbage::put;
use crate::fixture::{Fixture, Image, NOW, name, permit};

async fn check(fixture: &Fixture, remember: bool) -> Report {
    let checking = Checking {
        bytes_per_second: None,
        remember,
    };
    check::check(&fixture.options, &checking, &Arc::default(), &|| NOW)
        .await
        .unwrap()
}

/// One bit of the file is another one.
fn rot(path: &Path) {
    let mut bytes = std::fs::read(path).unwrap();
    bytes[3] ^= 1;
    std::fs::write(path, bytes).unwrap();
}

#[tokio::test]
async fn a_store_is_whole_beside_its_server_and_nothing_is_written() {
    let fixture = Fixture::new().await;
    let image = Image::new("a");
    fixture.push("shop/web", &["1"], &image).await;
    std::fs::write(fixture.path("blobs/sha256/ab/stray"), b"not ours").unwrap();
    let hex = "ab".repeat(32);
    std::fs::write(
        fixture.path(&format!("blobs/sha256/ab/{hex}.00000001")),
        b"stray",
    )
    .unwrap();
    let acts = fixture.number("SELECT COUNT(*) FROM audit").await;
    let report = check(&fixture, true).await;
    assert!(report.is_whole(), "{report:#?}");
    assert_eq!((report.blobs, report.strays, report.stray_bytes), (2, 1, 5));
    assert_eq!(fixture.number("SELECT COUNT(*) FROM audit").await, acts);
}

#[tokio::test]
async fn what_is_wrong_is_named_with_the_images_that_need_it() {
    let fixture = Fixture::new().await;
    let image = Image::with_layers("a", &[b"rotten", b"short", b"missing", b"fine"]);
    fixture.push("shop/web", &["1"], &image).await;
    fixture
        .push("shop/web", &["all"], &Image::index(&[&image]))
        .await;
    fixture.push("shop/api", &[], &image).await;
    let paths: Vec<_> = {
        let mut paths = Vec::new();
        for blob in &image.blobs {
            paths.push(fixture.blob_path(&Digest::sha256(blob)).await);
        }
        paths
    };
    rot(&paths[1]);
    std::fs::write(&paths[2], b"sho").unwrap();
    std::fs::remove_file(&paths[3]).unwrap();
    let report = check(&fixture, false).await;
    let needed_by = |digest: &Digest| {
        let fault = report
            .faults
            .iter()
            .find(|fault| fault.digest == *digest)
            .unwrap();
        (fault.kind, fault.needed_by.clone())
    };
    for (at, kind) in [
        (1, FaultKind::Content),
        (2, FaultKind::Size),
        (3, FaultKind::Missing),
    ] {
        let (found, images) = needed_by(&Digest::sha256(&image.blobs[at]));
        assert_eq!(found, kind);
        let elsewhere = format!("shop/api@{}", image.digest);
        assert_eq!(images, [elsewhere, "shop/web:1".to_owned()]);
    }
    assert_eq!(report.faults.len(), 3);
    assert_eq!(
        fixture.number("SELECT COUNT(*) FROM broken_blobs").await,
        0,
        "nothing is remembered unless that is asked for"
    );
}

#[tokio::test]
async fn what_is_damaged_is_not_served_until_it_is_pushed_again() {
    let fixture = Fixture::new().await;
    let store = &fixture.store;
    let image = Image::new("a");
    fixture.push("shop/web", &["1"], &image).await;
    let digest = Digest::sha256(&image.blobs[1]);
    let path = fixture.blob_path(&digest).await;
    rot(&path);
    assert!(
        blobs::open(store, &digest).await.is_ok(),
        "nobody has looked"
    );
    assert!(!check(&fixture, true).await.is_whole());
    let refused = |error: Error| {
        let text = error.to_string();
        assert!(matches!(error, Error::Damaged { .. }), "{text}");
        assert!(text.contains("push it again"), "{text}");
    };
    refused(blobs::open(store, &digest).await.unwrap_err());
    refused(
        catalogue::blob(store, &name("shop/web"), &digest)
            .await
            .unwrap_err(),
    );
    let (to, from) = (permit::<Push>(1, "shop/api"), permit::<Pull>(1, "shop/web"));
    let mounted = catalogue::link_blob(store, &Writer::Push(&to), &from, &digest, NOW).await;
    assert_eq!(mounted.unwrap(), None, "it is to be uploaded");
    // A second look finds it as it was, and says so once.
    assert!(!check(&fixture, true).await.is_whole());
    let told = "SELECT COUNT(*) FROM audit WHERE act = 'blob.damaged'";
    assert_eq!(fixture.number(told).await, 1);

    fixture.push("shop/api", &["1"], &image).await;
    let content = blobs::open(store, &digest).await.unwrap();
    assert_eq!(content.bytes().await.unwrap(), image.blobs[1]);
    assert!(
        catalogue::blob(store, &name("shop/web"), &digest)
            .await
            .unwrap()
            .is_some()
    );
    assert!(check(&fixture, true).await.is_whole());
    let told = "SELECT COUNT(*) FROM audit WHERE act = 'blob.healed'";
    assert_eq!(fixture.number(told).await, 1);
    // The rotten bytes go with the next collection.
    store::garbage::collect_now(store, false, &|| NOW)
        .await
        .unwrap();
    assert!(!path.exists());
    assert_eq!(fixture.blob_files().len(), 2);
}

#[tokio::test]
async fn bytes_that_are_missing_are_replaced_by_whoever_pushes_them() {
    let fixture = Fixture::new().await;
    let image = Image::new("a");
    fixture.push("shop/web", &["1"], &image).await;
    let digest = Digest::sha256(&image.blobs[1]);
    std::fs::remove_file(fixture.blob_path(&digest).await).unwrap();
    fixture.push("shop/web", &["1"], &image).await;
    let content = blobs::open(&fixture.store, &digest).await.unwrap();
    assert_eq!(content.bytes().await.unwrap(), image.blobs[1]);
}

/// Nobody can open the file: its name leads to itself.
pub(super) fn shut(path: &Path) {
    std::fs::remove_file(path).unwrap();
    std::os::unix::fs::symlink(path, path).unwrap();
}

#[tokio::test]
async fn what_cannot_be_opened_or_read_is_named_and_healed() {
    let fixture = Fixture::new().await;
    let store = &fixture.store;
    let [shut_one, unread] = [
        put(store, "shop/web", b"shut", NOW).await,
        put(store, "shop/web", b"", NOW).await,
    ];
    shut(&fixture.blob_path(&shut_one).await);
    // It opens, has no bytes, and fails where they are read.
    let path = fixture.blob_path(&unread).await;
    std::fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink("/proc/self/mem", &path).unwrap();
    let mut report = check(&fixture, true).await;
    report.faults.sort_by_key(|fault| fault.digest == unread);
    let found = report
        .faults
        .iter()
        .map(|fault| (&fault.digest, fault.kind));
    assert_eq!(
        found.collect::<Vec<_>>(),
        [
            (&shut_one, FaultKind::Unreadable),
            (&unread, FaultKind::Unreadable)
        ]
    );
    put(store, "shop/web", b"shut", NOW).await;
    put(store, "shop/web", b"", NOW).await;
    assert!(check(&fixture, true).await.is_whole());
}

#[tokio::test]
async fn bytes_that_cannot_be_opened_are_replaced_by_whoever_pushes_them() {
    let fixture = Fixture::new().await;
    let digest = put(&fixture.store, "shop/web", b"some", NOW).await;
    shut(&fixture.blob_path(&digest).await);
    assert!(blobs::open(&fixture.store, &digest).await.is_err());
    put(&fixture.store, "shop/web", b"some", NOW).await;
    let content = blobs::open(&fixture.store, &digest).await.unwrap();
    assert_eq!(content.bytes().await.unwrap(), b"some");
}

#[tokio::test]
async fn bytes_that_were_put_back_are_served_again() {
    let fixture = Fixture::new().await;
    let image = Image::new("a");
    fixture.push("shop/web", &["1"], &image).await;
    let digest = Digest::sha256(&image.blobs[1]);
    let path = fixture.blob_path(&digest).await;
    rot(&path);
    check(&fixture, true).await;
    std::fs::write(&path, &image.blobs[1]).unwrap();
    assert!(matches!(
        blobs::open(&fixture.store, &digest).await,
        Err(Error::Damaged { .. })
    ));
    assert!(check(&fixture, true).await.is_whole());
    assert!(blobs::open(&fixture.store, &digest).await.is_ok());
}
