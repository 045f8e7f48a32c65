//! The list of releases: asked for by whatever may change it, stored with an account of it, signed with a key that changes when its owner
//! says so.

use policy::verb::{Attach, DeleteEvidence};
use store::catalogue::{Deleter, delete_tag};
use store::tuf::{self, Files, KeyRole, Outcome, RELEASE_TAGS};
use store::{System, Writer, audit};
use testkit::trust_repository::DAY;
use trust::tuf::{FileMeta, author, managed};

use super::{POLICY, Shop};
use crate::cases::audit::verify;
use crate::cases::tuf::publisher::REPOSITORY;
use crate::cases::world::ADMIN;
use crate::fixture::{Image, NOW, name, permit, tag};

#[tokio::test]
async fn what_may_change_the_list_of_releases_asks_for_it() {
    let mut shop = Shop::open().await;
    assert!(shop.is_release_asked_for().await, "the first update");
    let image = shop.push(&["1"], "web").await;
    assert!(shop.is_release_asked_for().await, "a new tag");
    shop.push(&["1"], "web").await;
    assert!(!shop.is_release_asked_for().await, "the same again");
    shop.signer("targets/maria", shop.world.maria).await;
    assert!(shop.is_release_asked_for().await, "an update");
    shop.decide(&image).await;
    assert!(shop.is_release_asked_for().await, "a first decision");
    shop.decide(&image).await;
    assert!(!shop.is_release_asked_for().await, "the same decision");
    shop.signer("targets/jonas", shop.world.jonas).await;
    for role in ["targets/maria", "targets/jonas"] {
        shop.sign(role, "1", &image).await;
    }
    assert!(shop.is_release_asked_for().await);
    shop.decide(&image).await;
    assert!(shop.is_release_asked_for().await, "another decision");
    shop.world.apply(&format!("{POLICY}# once more\n")).await;
    assert!(shop.is_release_asked_for().await, "a policy");
    let delete = permit(ADMIN, REPOSITORY);
    delete_tag(shop.store(), &Deleter::Image(&delete), &tag("1"), NOW)
        .await
        .unwrap();
    assert!(shop.is_release_asked_for().await, "a tag that goes");
    // Another repository's tags are not this one's.
    let other = Image::new("other");
    shop.world.fixture.push("shop/other", &["1"], &other).await;
    assert!(!shop.is_release_asked_for().await);
}

#[tokio::test]
async fn the_list_of_releases_is_stored_with_an_account_of_it() {
    let mut shop = Shop::open().await;
    let image = shop.push(&["1", "2"], "web").await;
    let repository = name(REPOSITORY);
    let tagged = tuf::tagged(shop.store(), &repository, "", 10)
        .await
        .unwrap();
    let tags: Vec<&str> = tagged.iter().map(|one| one.tag.as_str()).collect();
    assert_eq!(tags, ["1", "2"]);
    assert_eq!(tagged[0].length, image.content.len() as u64);
    let entry = |one: &tuf::Tagged| author::image(one.sha256.unwrap(), one.length);
    let sha256 = FileMeta::of(&image.content).hashes.sha256;
    assert_eq!(tagged[0].sha256, sha256);
    assert_eq!(
        tuf::guns(shop.store(), &repository).await.unwrap(),
        [shop.publisher.gun.clone()]
    );

    shop.is_release_asked_for().await;
    for listed in [&tagged[..], &tagged[1..]] {
        let state = shop.publisher.state(Files::Above(&[])).await;
        let tags = listed.iter().map(|one| (one.tag.clone(), entry(one)));
        let (gun, current, held) = (&shop.publisher.gun, &state.current, &state.held);
        let accepted = managed::release(gun, current, held, tags.collect(), shop.now);
        let writer = Writer::System(System::job(RELEASE_TAGS), &repository);
        let accepted = accepted.unwrap().unwrap();
        let stored = tuf::publish(shop.store(), &writer, gun, &state, accepted, shop.now);
        assert_eq!(stored.await.unwrap(), Outcome::Stored);
    }
    assert!(
        shop.is_release_asked_for().await,
        "whoever wrote may have been overtaken"
    );
    let believed = shop.publisher.believed().await;
    assert!(believed.target("1").is_none() && believed.target("2").is_some());
    let rows = audit::rows(shop.store(), 0, 1_000).await.unwrap();
    let rows: Vec<_> = rows
        .iter()
        .filter(|row| row.act == "trust.release")
        .collect();
    assert_eq!(rows.len(), 2);
    let hex = image.digest.hex();
    assert_eq!(
        rows[0].detail["released"],
        serde_json::json!({"1": hex, "2": hex})
    );
    assert_eq!(rows[1].detail["ended"], serde_json::json!(["1"]));
    assert_eq!(rows[1].detail["ended_count"], 1);
    assert_eq!(rows[1].actor, format!("system:{RELEASE_TAGS}"));
    // Both versions are in the account, so that a third one made up by hand is named.
    audit::seal(shop.store(), shop.now).await.unwrap();
    let fixture = &shop.world.fixture;
    let report = verify(fixture).await;
    assert!(report.is_intact(), "{report:#?}");
    let text = "UPDATE trust_roles SET latest = 1, current = 1 WHERE role = 'targets/releases'";
    assert_eq!(fixture.edit(text).await, 1);
    assert!(!verify(fixture).await.is_intact());
    let text = "UPDATE trust_roles SET latest = 2, current = 2 WHERE role = 'targets/releases'";
    fixture.edit(text).await;
    assert!(verify(fixture).await.is_intact());
    shop.publisher.follow().await;
    let due = tuf::due(shop.store(), NOW + 3 * 365 * DAY, 10)
        .await
        .unwrap();
    assert_eq!(due.len(), 1);
}

#[tokio::test]
async fn the_key_for_releases_is_the_same_until_targets_delegates_to_the_next() {
    let mut shop = Shop::open().await;
    let (store, gun) = (shop.store().clone(), shop.publisher.gun.clone());
    let signer = permit::<Attach>(ADMIN, REPOSITORY);
    let maintainer = permit::<DeleteEvidence>(ADMIN, REPOSITORY);
    let offered = async || {
        tuf::offered_key(&store, &signer, &gun, KeyRole::Releases, NOW)
            .await
            .unwrap()
    };
    let first = offered().await;
    assert_eq!(
        shop.publisher.repository.keys_of("targets/releases"),
        [first.clone()]
    );
    let next = tuf::next_key(&store, &maintainer, &gun, KeyRole::Releases, NOW + 1);
    let next = next.await.unwrap();
    assert_ne!(next, first);
    assert_eq!(offered().await, first, "not yet");
    shop.publisher.repository.held.releases.push(next.clone());
    let update = shop.publisher.repository.managing_files();
    shop.must(update).await;
    assert_eq!(offered().await, next);
    shop.publisher.believed().await;
}
