//! The change feed: a row for each new timestamp and each deletion, in pages forth and back.

use policy::verb::DeleteEvidence;
use store::Store;
use store::tuf::{self, ChangeKind, Changes, Start, Wanted};
use trust::tuf::Gun;

use super::publisher::{GUN, Publisher, REPOSITORY};
use super::sha256;
use crate::fixture::{Fixture, NOW, permit};

const OTHER: &str = "localhost/shop/web";

async fn feed(store: &Store, gun: Option<&str>, from: Start, limit: u32) -> Vec<(i64, String)> {
    let gun = gun.map(|gun| Gun::parse(gun).unwrap());
    let gun = gun.as_ref();
    let changes = tuf::changes(store, &Changes { gun, from, limit })
        .await
        .unwrap();
    changes
        .into_iter()
        .map(|change| {
            let what = match change.kind {
                ChangeKind::Update { version, .. } => version.to_string(),
                ChangeKind::Deletion => "deleted".to_owned(),
            };
            assert_eq!(change.changed_at, NOW);
            (change.id, format!("{} {what}", change.gun))
        })
        .collect()
}

#[tokio::test]
async fn every_change_is_told_in_its_order() {
    let fixture = Fixture::new().await;
    let store = &fixture.store;
    let mut one = Publisher::begin(store, GUN).await;
    let mut other = Publisher::begin(store, OTHER).await;
    one.first().await;
    other.first().await;
    one.tag("targets", "1").await;
    let maintainer = permit::<DeleteEvidence>(1, REPOSITORY);
    tuf::delete(store, &maintainer, &one.gun, NOW)
        .await
        .unwrap();
    tuf::delete(store, &maintainer, &one.gun, NOW)
        .await
        .unwrap();

    let all = feed(store, None, Start::After(0), 100).await;
    let told: Vec<&str> = all.iter().map(|(_, what)| what.as_str()).collect();
    let expected = [
        format!("{GUN} 1"),
        format!("{OTHER} 1"),
        format!("{GUN} 2"),
        format!("{GUN} deleted"),
    ];
    assert_eq!(told, expected);
    let of_one = feed(store, Some(GUN), Start::After(0), 100).await;
    assert_eq!(of_one, [all[0].clone(), all[2].clone(), all[3].clone()]);
    assert_eq!(feed(store, Some("a"), Start::After(0), 100).await, []);

    assert_eq!(
        feed(store, None, Start::After(all[1].0), 1).await,
        all[2..3]
    );
    assert_eq!(
        feed(store, None, Start::Before(all[3].0), 2).await,
        all[1..3]
    );
    assert_eq!(feed(store, None, Start::Newest, 2).await, all[2..]);
    assert_eq!(feed(store, None, Start::After(all[3].0), 100).await, []);
}

#[tokio::test]
async fn an_update_is_told_with_the_hash_of_its_timestamp() {
    let fixture = Fixture::new().await;
    let mut publisher = Publisher::begin(&fixture.store, GUN).await;
    publisher.first().await;
    let timestamp = publisher.file("timestamp", Wanted::Current).await.unwrap();
    let asked = Changes {
        gun: None,
        from: Start::Newest,
        limit: 1,
    };
    let changes = tuf::changes(&fixture.store, &asked).await.unwrap();
    let expected = ChangeKind::Update {
        version: 1,
        sha256: sha256(&timestamp.content),
    };
    assert_eq!(changes[0].kind, expected);
}
