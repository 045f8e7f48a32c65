//! What operators are told: numbers that are those of the rows, and checks that fail when what they look at does.

use policy::verb::Push;
use serde_json::json;
use store::{Error, Writer, audit, condition, figures, jobs, uploads};

use crate::fixture::{Fixture, Image, NOW, permit};

#[tokio::test]
async fn figures_are_those_of_what_is_held() {
    let fixture = Fixture::new().await;
    let before = figures::figures(&fixture.store).await.unwrap();
    assert_eq!((before.blobs, before.blob_bytes, before.tags), (0, 0, 0));
    let image = Image::new("one");
    fixture.push("shop/web", &["1", "2"], &image).await;
    fixture.push("shop/copy", &["1"], &image).await;
    let permit = permit::<Push>(1, "shop/web");
    let writer = Writer::Push(&permit);
    uploads::start(&fixture.store, &writer, oci::Algorithm::Sha256, NOW)
        .await
        .unwrap();
    let held = figures::figures(&fixture.store).await.unwrap();
    assert_eq!((held.repositories, held.manifests, held.tags), (2, 2, 3));
    assert_eq!(held.uploads, 1);
    let bytes = "SELECT CAST(SUM(size) AS BIGINT) FROM blobs";
    assert_eq!(
        i64::try_from(held.blob_bytes).unwrap(),
        fixture.number(bytes).await
    );
    assert!(held.blobs > 0 && held.unsealed > before.unsealed);
    audit::seal(&fixture.store, NOW).await.unwrap();
    let sealed = figures::figures(&fixture.store).await.unwrap();
    assert_eq!(sealed.unsealed, 0);
}

#[tokio::test]
async fn what_waits_is_as_old_as_its_oldest() {
    let fixture = Fixture::new().await;
    let oldest = || condition::oldest_unsealed_at(&fixture.store);
    audit::seal(&fixture.store, NOW).await.unwrap();
    assert_eq!(oldest().await.unwrap(), None);
    fixture.push("shop/web", &["1"], &Image::new("one")).await;
    assert_eq!(oldest().await.unwrap(), Some(NOW));

    jobs::add(&fixture.store, "scan", "early", &json!(1), NOW - 5)
        .await
        .unwrap();
    let due = |now| condition::oldest_due_at(&fixture.store, now);
    assert_eq!(due(NOW - 6).await.unwrap(), None, "nothing is due yet");
    assert_eq!(due(NOW).await.unwrap(), Some(NOW - 5));
    let job = jobs::claim(&fixture.store, &["scan"], NOW, 60_000)
        .await
        .unwrap()
        .unwrap();
    assert_ne!(due(NOW).await.unwrap(), Some(NOW - 5), "somebody is at it");
    jobs::fail(&fixture.store, &job, "no", NOW + 9)
        .await
        .unwrap();
    let backlog = jobs::backlog(&fixture.store).await.unwrap();
    let failing: Vec<_> = backlog
        .iter()
        .filter(|of_kind| of_kind.failing > 0)
        .map(|of_kind| (of_kind.kind.as_str(), of_kind.failing))
        .collect();
    assert_eq!(failing, [("scan", 1)]);
}

#[tokio::test]
async fn a_closed_database_and_a_lost_folder_fail_their_checks() {
    let fixture = Fixture::new().await;
    condition::database(&fixture.store).await.unwrap();
    assert!(condition::data_folder(&fixture.store).await.unwrap() > 0);
    std::fs::remove_dir(fixture.path("uploads")).unwrap();
    let lost = condition::data_folder(&fixture.store).await;
    assert!(matches!(lost, Err(Error::Io { .. })), "{lost:?}");
    fixture.store.close().await;
    let closed = condition::database(&fixture.store).await;
    assert!(
        matches!(closed, Err(Error::Unavailable { .. })),
        "a pool that is closed is not a fault: {closed:?}"
    );
}
