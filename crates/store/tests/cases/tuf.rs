//! Trust repositories: one update is one transaction, of two publishers one is judged again, the server's keys are its own.

mod changes;
mod keys;
mod publisher;

use oci::RepositoryName;
use policy::verb::DeleteEvidence;
use store::audit::ProblemKind;
use store::tuf::{self, Files, Outcome, Wanted};
use store::{Error, Store, audit};
use testkit::trust_repository::DAY;
use trust::tuf::publish::Refusal;
use trust::tuf::{Gun, Key, RoleName};
use trust::{Algorithm, PublicKey};

use self::publisher::{GUN, Publisher, REPOSITORY, publish_judged};
use super::backup;
use crate::fixture::{Fixture, NOW, name, permit};

fn role(text: &str) -> RoleName {
    text.parse().unwrap()
}

#[tokio::test]
async fn what_was_published_is_served_byte_for_byte() {
    let fixture = Fixture::new().await;
    let mut publisher = Publisher::begin(&fixture.store, GUN).await;
    let first = publisher.first().await;
    for (role, bytes) in &first {
        let served = publisher
            .file(role.as_str(), Wanted::Current)
            .await
            .unwrap();
        assert_eq!(&served.content, bytes, "{role}");
        assert_eq!(served.stored_at, NOW);
    }
    let root = publisher.file("root", Wanted::Version(1)).await.unwrap();
    assert_eq!(root.content, first[0].1);
    let hash = sha256(&root.content);
    let by_hash = publisher.file("root", Wanted::Sha256(&hash)).await.unwrap();
    assert_eq!(by_hash, root);
    assert_eq!(publisher.file("targets", Wanted::Sha256(&hash)).await, None);
    assert_eq!(publisher.file("root", Wanted::Version(2)).await, None);
    assert_eq!(publisher.file("targets/x", Wanted::Current).await, None);
    publisher.believed().await;

    drop(publisher);
    let fixture = fixture.restart().await;
    let again = Publisher::begin(&fixture.store, GUN).await;
    again.believed().await;
}

#[tokio::test]
async fn a_reader_follows_from_one_update_to_the_next() {
    let fixture = Fixture::new().await;
    let mut publisher = Publisher::begin(&fixture.store, GUN).await;
    publisher.first().await;
    let alice = publisher.key();
    publisher.delegate("targets/alice", &alice).await;
    publisher.tag("targets", "1").await;
    publisher.tag("targets/alice", "2").await;
    let believed = publisher.believed().await;
    assert_eq!(believed.timestamp().content().version, 4);
    assert_eq!(believed.snapshot().content().version, 4);
    assert_eq!(publisher.acts("trust.publish").await, 4);
}

#[tokio::test]
async fn of_two_that_were_judged_alike_one_is_judged_again() {
    let fixture = Fixture::new().await;
    let mut publisher = Publisher::begin(&fixture.store, GUN).await;
    publisher.first().await;
    let update = |tag: &str| {
        vec![publisher.repository.next_targets("targets", |targets| {
            let image = trust::tuf::author::image([7; 32], 523);
            targets.targets.insert(tag.to_owned(), image);
        })]
    };
    let (one, two) = (update("one"), update("two"));
    let state = publisher.state(Files::Above(&[])).await;
    let first = publish_judged(&fixture.store, &publisher.gun, &state, one).await;
    let second = publish_judged(&fixture.store, &publisher.gun, &state, two.clone()).await;
    assert_eq!(first.unwrap(), Outcome::Stored);
    assert_eq!(second.unwrap(), Outcome::Moved);
    let refusal = publisher.post(two).await.unwrap_err();
    assert_eq!(refusal.code(), "VERSION", "{refusal}");
    assert_eq!(publisher.acts("trust.publish").await, 2);
    publisher.believed().await;
}

#[tokio::test]
async fn signers_of_different_roles_do_not_refuse_each_other() {
    const SIGNERS: usize = 8;
    let fixture = Fixture::new().await;
    let mut publisher = Publisher::begin(&fixture.store, GUN).await;
    publisher.first().await;
    let key = publisher.key();
    let names: Vec<String> = (0..SIGNERS).map(|n| format!("targets/s{n}")).collect();
    for name in &names {
        publisher.delegate(name, &key).await;
    }
    let publishing: Vec<_> = names
        .iter()
        .map(|name| {
            let file = publisher.repository.next_targets(name, |_| {});
            let one = publisher.clone();
            tokio::spawn(async move { one.post(vec![file]).await.map(drop) })
        })
        .collect();
    for one in publishing {
        one.await.unwrap().unwrap();
    }
    let believed = publisher.believed().await;
    assert_eq!(believed.snapshot().content().meta.len(), SIGNERS + 2);
    let versions = i64::try_from(SIGNERS).unwrap() * 2 + 1;
    assert_eq!(believed.timestamp().content().version, versions);
}

#[tokio::test]
async fn a_role_that_is_listed_no_more_keeps_its_versions() {
    let fixture = Fixture::new().await;
    let mut publisher = Publisher::begin(&fixture.store, GUN).await;
    publisher.first().await;
    let alice = publisher.key();
    publisher.delegate("targets/alice", &alice).await;
    publisher.tag("targets/alice", "1").await;
    publisher.take_over_snapshot().await;
    publisher.drop_role("targets/alice").await;

    assert_eq!(publisher.file("targets/alice", Wanted::Current).await, None);
    let kept = publisher.file("targets/alice", Wanted::Version(1)).await;
    assert!(kept.is_some());
    let delegating = publisher.delegating("targets/alice", &alice);
    let delegated = publisher.post_with_snapshot(vec![delegating], &[]);
    delegated.await.unwrap();
    let again = (role("targets/alice"), kept.unwrap().content);
    let refusal = publisher
        .post_with_snapshot(vec![again], &[])
        .await
        .unwrap_err();
    assert!(matches!(refusal, Refusal::OldVersion { .. }), "{refusal}");
}

#[tokio::test]
async fn nothing_is_answered_for_another_repository() {
    let fixture = Fixture::new().await;
    let mut publisher = Publisher::begin(&fixture.store, GUN).await;
    publisher.first().await;
    let (gun, root) = (&publisher.gun, RoleName::Root);
    let elsewhere: RepositoryName = name("secret/web");
    let file = tuf::file(&fixture.store, gun, &elsewhere, &root, Wanted::Current).await;
    assert_eq!(file.unwrap(), None);
    for outcome in [
        tuf::state(&fixture.store, gun, &elsewhere, Files::All)
            .await
            .map(drop),
        tuf::delete(
            &fixture.store,
            &permit::<DeleteEvidence>(1, "secret/web"),
            gun,
            NOW,
        )
        .await
        .map(drop),
    ] {
        assert!(
            matches!(outcome, Err(Error::Conflict { .. })),
            "{outcome:?}"
        );
    }
    publisher.believed().await;
}

#[tokio::test]
async fn a_deleted_repository_begins_anew_and_leaves_others_alone() {
    let fixture = Fixture::new().await;
    let store = &fixture.store;
    let mut other = Publisher::begin(store, "127.0.0.1:5000/shop/web").await;
    other.first().await;
    let mut publisher = Publisher::begin(store, GUN).await;
    publisher.first().await;
    publisher.tag("targets", "1").await;
    let maintainer = permit::<DeleteEvidence>(1, REPOSITORY);
    let judged = publisher.state(Files::Above(&[])).await;
    let late = vec![publisher.repository.next_targets("targets", |_| {})];

    assert!(
        tuf::delete(store, &maintainer, &publisher.gun, NOW)
            .await
            .unwrap()
    );
    assert!(
        !tuf::delete(store, &maintainer, &publisher.gun, NOW)
            .await
            .unwrap()
    );
    assert_eq!(publisher.file("root", Wanted::Current).await, None);
    assert_eq!(publisher.file("root", Wanted::Version(1)).await, None);
    let late = publish_judged(store, &publisher.gun, &judged, late).await;
    assert_eq!(late.unwrap(), Outcome::Moved);
    let unknown = Gun::parse("registry.example/shop/unknown").unwrap();
    assert!(
        !tuf::delete(store, &maintainer, &unknown, NOW)
            .await
            .unwrap()
    );
    assert_eq!(publisher.acts("trust.delete").await, 1);
    other.believed().await;

    let mut again = Publisher::begin(store, GUN).await;
    again.first().await;
    assert_eq!(again.believed().await.timestamp().content().version, 1);
}

#[tokio::test]
async fn what_the_server_signed_is_due_long_before_it_ends() {
    let fixture = Fixture::new().await;
    let store = &fixture.store;
    let mut publisher = Publisher::begin(store, GUN).await;
    assert_eq!(tuf::due(store, i64::MAX, 10).await.unwrap(), []);
    publisher.first().await;
    let timestamp_ends = publisher.believed().await.timestamp().content().expires;

    assert_eq!(tuf::due(store, NOW + DAY, 10).await.unwrap(), []);
    let due = tuf::due(store, timestamp_ends - 2 * DAY, 10).await.unwrap();
    assert_eq!(due.len(), 1);
    assert_eq!(due[0].gun, publisher.gun);
    assert_eq!(due[0].repository, name(REPOSITORY));
    tuf::postpone(store, &publisher.gun, timestamp_ends - DAY)
        .await
        .unwrap();
    assert_eq!(
        tuf::due(store, timestamp_ends - 2 * DAY, 10).await.unwrap(),
        []
    );
    assert_eq!(
        tuf::due(store, timestamp_ends - DAY, 10)
            .await
            .unwrap()
            .len(),
        1
    );

    // An update renews it as well.
    publisher.tag("targets", "1").await;
    let ends = publisher.believed().await.timestamp().content().expires;
    assert_eq!(tuf::due(store, ends - 8 * DAY, 10).await.unwrap(), []);
    tuf::delete(
        store,
        &permit::<DeleteEvidence>(1, REPOSITORY),
        &publisher.gun,
        NOW,
    )
    .await
    .unwrap();
    assert_eq!(tuf::due(store, i64::MAX, 10).await.unwrap(), []);
}

#[tokio::test]
async fn the_account_names_every_file_and_who_signed_it() {
    let fixture = Fixture::new().await;
    let mut publisher = Publisher::begin(&fixture.store, GUN).await;
    publisher.first().await;
    let rows = audit::rows(&fixture.store, 0, 1_000).await.unwrap();
    let row = rows.iter().find(|row| row.act == "trust.publish").unwrap();
    assert_eq!(
        (row.object.as_str(), row.actor.as_str()),
        (GUN, "principal:1")
    );
    assert_eq!(row.detail["repository"], REPOSITORY);
    let files = row.detail["files"].as_array().unwrap();
    let roles: Vec<&str> = files
        .iter()
        .map(|file| file["role"].as_str().unwrap())
        .collect();
    assert_eq!(roles, ["root", "targets", "snapshot", "timestamp"]);
    let targets_key = publisher.repository.keys_of("targets")[0].id().to_string();
    assert_eq!(files[1]["signed_by"][0], targets_key);
    let timestamp = publisher.file("timestamp", Wanted::Current).await.unwrap();
    assert_eq!(files[3]["sha256"], sha256(&timestamp.content));
}

#[tokio::test]
async fn what_was_edited_by_hand_is_named() {
    for (edit, expect) in [
        (
            "UPDATE trust_roles SET current = latest - 1 WHERE role = 'targets'",
            "are given version 1",
        ),
        (
            "UPDATE trust_roles SET current = latest - 1, latest = latest - 1 WHERE role = 'targets'",
            "was changed",
        ),
        (
            "UPDATE trust_files SET content = (SELECT f.content FROM trust_files f WHERE f.role = 'root') WHERE role = 'targets'",
            "its bytes are not what its hash names",
        ),
        (
            "UPDATE trust_files SET sha256 = 'ab' WHERE role = 'timestamp'",
            "was changed",
        ),
        ("DELETE FROM trust_roles WHERE role = 'root'", "is missing"),
        (
            "DELETE FROM trust_files WHERE role = 'snapshot'",
            "was changed",
        ),
        (
            "INSERT INTO trust_roles (trust_id, role, latest, current) SELECT id, 'targets/eve', 1, NULL FROM trust_repositories",
            "has no account",
        ),
        (
            "UPDATE trust_repositories SET gun = 'registry.example:5000/shop/other'",
            "has no account",
        ),
    ] {
        let fixture = Fixture::new().await;
        let mut publisher = Publisher::begin(&fixture.store, GUN).await;
        publisher.first().await;
        publisher.tag("targets", "1").await;
        assert!(fixture.edit(edit).await > 0, "{edit}");
        let report = audit::verify(&fixture.options, None).await.unwrap();
        let named = report
            .problems
            .iter()
            .any(|one| one.kind == ProblemKind::StateChanged && one.what.contains(expect));
        assert!(named, "{edit}: {report:#?}");
    }
}

#[tokio::test]
async fn the_account_holds_whatever_becomes_of_a_repository() {
    let fixture = Fixture::new().await;
    let mut publisher = Publisher::begin(&fixture.store, GUN).await;
    publisher.first().await;
    let alice = publisher.key();
    publisher.delegate("targets/alice", &alice).await;
    publisher.tag("targets/alice", "1").await;
    publisher.take_over_snapshot().await;
    publisher.drop_role("targets/alice").await;
    let intact = async || {
        let report = audit::verify(&fixture.options, None).await.unwrap();
        assert!(report.is_intact(), "{report:#?}");
    };
    intact().await;
    let maintainer = permit::<DeleteEvidence>(1, REPOSITORY);
    let deleted = tuf::delete(&fixture.store, &maintainer, &publisher.gun, NOW).await;
    assert!(deleted.unwrap());
    intact().await;
    Publisher::begin(&fixture.store, GUN).await.first().await;
    intact().await;
}

#[tokio::test]
async fn a_restored_server_serves_and_goes_on_signing() {
    let fixture = Fixture::new().await;
    let mut publisher = Publisher::begin(&fixture.store, GUN).await;
    publisher.first().await;
    publisher.tag("targets", "1").await;
    let before = publisher.believed().await;
    audit::seal(&fixture.store, NOW).await.unwrap();
    backup::take(&fixture, "1").await;
    let elsewhere = backup::restore(&fixture, None).await;
    backup::verify(&elsewhere.options).await;

    let store = Store::open(&elsewhere.options).await.unwrap();
    publisher.store = store.clone();
    let after = publisher.believed().await;
    assert_eq!(after.timestamp().bytes(), before.timestamp().bytes());
    publisher.tag("targets", "2").await;
    let believed = publisher.believed().await;
    assert_eq!(believed.timestamp().signers(), before.timestamp().signers());
    drop(publisher);
    store.close().await;
    backup::verify(&elsewhere.options).await;
}

fn sha256(bytes: &[u8]) -> String {
    oci::Digest::sha256(bytes).hex().to_owned()
}

/// Whether it is a key that this server could have made.
fn is_servers(key: &Key) -> bool {
    key.to_public_key()
        .is_ok_and(|key: PublicKey| key.algorithm() == Algorithm::Ed25519)
}
