//! The server's keys: made once, the same until a root names the next one, and of use nowhere else.

use policy::verb::{Attach, DeleteEvidence};
use store::tuf::{self, Files, KeyRole};
use store::{Error, Store, audit};
use trust::tuf::{Gun, Key, RoleName};

use super::is_servers;
use super::publisher::{GUN, Publisher, REPOSITORY, publish_judged};
use crate::fixture::{Fixture, NOW, name, permit};

async fn offered(store: &Store, gun: &str, role: KeyRole) -> Key {
    let gun = Gun::parse(gun).unwrap();
    tuf::offered_key(store, &permit::<Attach>(1, REPOSITORY), &gun, role, NOW)
        .await
        .unwrap()
}

async fn next(store: &Store, role: KeyRole) -> Key {
    let gun = Gun::parse(GUN).unwrap();
    let maintainer = permit::<DeleteEvidence>(1, REPOSITORY);
    tuf::next_key(store, &maintainer, &gun, role, NOW + 1)
        .await
        .unwrap()
}

#[tokio::test]
async fn whoever_asks_again_is_given_the_same_key() {
    let fixture = Fixture::new().await;
    let timestamp = offered(&fixture.store, GUN, KeyRole::Timestamp).await;
    let snapshot = offered(&fixture.store, GUN, KeyRole::Snapshot).await;
    assert!(is_servers(&timestamp) && timestamp != snapshot);
    let other = offered(&fixture.store, "localhost/shop/web", KeyRole::Timestamp).await;
    assert_ne!(other, timestamp, "each trust repository has its own");

    let fixture = fixture.restart().await;
    assert_eq!(
        offered(&fixture.store, GUN, KeyRole::Timestamp).await,
        timestamp
    );
    let rows = audit::rows(&fixture.store, 0, 100).await.unwrap();
    let made = rows.iter().filter(|row| row.act == "trust.key").count();
    assert_eq!(made, 3);
}

#[tokio::test]
async fn many_who_ask_at_once_are_given_one_key() {
    let fixture = Fixture::new().await;
    let asking: Vec<_> = (0..8)
        .map(|_| {
            let store = fixture.store.clone();
            tokio::spawn(async move { offered(&store, GUN, KeyRole::Snapshot).await })
        })
        .collect();
    let mut keys = Vec::new();
    for asked in asking {
        keys.push(asked.await.unwrap());
    }
    keys.dedup();
    assert_eq!(keys.len(), 1);
}

#[tokio::test]
async fn the_next_key_waits_until_a_root_names_it() {
    let fixture = Fixture::new().await;
    let store = &fixture.store;
    let mut publisher = Publisher::begin(store, GUN).await;
    publisher.first().await;
    for (role, of) in [
        (KeyRole::Timestamp, RoleName::Timestamp),
        (KeyRole::Snapshot, RoleName::Snapshot),
    ] {
        let before = offered(store, GUN, role).await;
        let waiting = next(store, role).await;
        assert_ne!(waiting, before);
        assert_eq!(next(store, role).await, waiting, "asked twice");
        assert_eq!(offered(store, GUN, role).await, before, "not yet");
        publisher.tag("targets", role.as_str()).await;
        publisher.believed().await;

        publisher.rotate(&of, waiting.clone()).await;
        assert_eq!(offered(store, GUN, role).await, waiting);
        assert_ne!(next(store, role).await, waiting, "it is in use now");
        let believed = publisher.believed().await;
        let signers = match role {
            KeyRole::Timestamp => believed.timestamp().signers(),
            _ => believed.snapshot().signers(),
        };
        assert_eq!(signers, [waiting]);
    }
}

#[tokio::test]
async fn a_key_opens_for_its_own_repository_alone() {
    let fixture = Fixture::new().await;
    let mut publisher = Publisher::begin(&fixture.store, GUN).await;
    publisher.first().await;
    let other = "localhost/shop/web";
    let mut victim = Publisher::begin(&fixture.store, other).await;
    victim.first().await;
    let edited = fixture
        .edit(
            "UPDATE trust_keys SET sealed = (SELECT k.sealed FROM trust_keys k JOIN trust_repositories t ON t.id = k.trust_id \
             WHERE t.gun = 'localhost/shop/web' AND k.role = 'timestamp') \
             WHERE role = 'timestamp' AND trust_id = (SELECT id FROM trust_repositories WHERE gun = 'registry.example:5000/shop/web')",
        )
        .await;
    assert_eq!(edited, 1);
    let state = publisher.state(Files::Above(&[])).await;
    let update = vec![publisher.repository.next_targets("targets", |_| {})];
    let outcome = publish_judged(&fixture.store, &publisher.gun, &state, update).await;
    assert!(matches!(outcome, Err(Error::Crypto { .. })), "{outcome:?}");
    publisher.believed().await;
}

#[tokio::test]
async fn a_store_with_such_keys_does_not_make_another_master_key() {
    let fixture = Fixture::new().await;
    offered(&fixture.store, GUN, KeyRole::Timestamp).await;
    fixture.store.close().await;
    fixture.edit("DELETE FROM server_keys").await;
    std::fs::remove_file(fixture.path("master.key")).unwrap();
    let options = fixture.options.clone();
    drop(fixture.store);
    let opened = Store::open(&options).await;
    assert!(matches!(opened, Err(Error::Crypto { .. })), "{opened:?}");
}

#[tokio::test]
async fn a_permit_that_has_ended_asks_for_nothing() {
    let fixture = Fixture::new().await;
    let gun = Gun::parse(GUN).unwrap();
    let ended = permit::<Attach>(1, REPOSITORY);
    let late = ended.expires_at();
    let asked = tuf::offered_key(&fixture.store, &ended, &gun, KeyRole::Timestamp, late).await;
    assert!(matches!(asked, Err(Error::Refused { .. })), "{asked:?}");
    let state = tuf::state(&fixture.store, &gun, &name(REPOSITORY), Files::All).await;
    assert!(state.unwrap().is_none());
}
