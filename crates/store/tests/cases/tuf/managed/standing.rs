//! How much stands in a managed trust repository, and how much of it a row of the account says.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use store::tuf::{self, Files, Outcome, RELEASE_TAGS};
use store::{System, Writer, audit};
use trust::tuf::{author, managed};

use super::{Shop, post};
use crate::cases::tuf::publisher::REPOSITORY;
use crate::fixture::name;

impl Shop {
    /// What the last row of an act says.
    async fn account(&self, act: &str) -> Value {
        let rows = audit::rows(self.store(), 0, 1_000).await.unwrap();
        let row = rows.iter().rfind(|row| row.act == act).unwrap();
        row.detail.clone()
    }
}

#[tokio::test]
async fn the_account_says_which_signatures_were_withdrawn() {
    let mut shop = Shop::open().await;
    let image = shop.push(&["1"], "web").await;
    let key = shop.signer("targets/maria", shop.world.maria).await;
    for tag in ["2", "1"] {
        shop.sign("targets/maria", tag, &image).await;
    }
    assert_eq!(
        shop.account("trust.publish").await["withdrawn"],
        Value::Null
    );
    let back = shop
        .publisher
        .repository
        .next_targets("targets/maria", |targets| targets.targets.clear());
    shop.must(vec![back]).await;
    let told = shop.account("trust.publish").await;
    assert_eq!(told["withdrawn"], 2);
    let piece = |tag: &str| {
        json!({
            "role": "targets/maria", "tag": tag, "digest": image.digest, "key_id": key,
        })
    };
    assert_eq!(told["withdrawn_first"], json!([piece("1"), piece("2")]));
}

#[tokio::test]
async fn there_is_an_end_to_what_stands_and_taking_back_makes_room() {
    let mut shop = Shop::open().await;
    let (image, other) = (
        shop.push(&["1"], "web").await,
        shop.push(&["2"], "api").await,
    );
    shop.signer("targets/maria", shop.world.maria).await;
    shop.sign("targets/maria", "1", &image).await;
    // As many of another signer as there may be with this one.
    let fixture = &shop.world.fixture;
    let evidence = fixture
        .edit(
            "INSERT INTO evidence (repository_id, attached_to, manifest, fingerprint, format, subject, named_repository, key_id, verdict, raw, stored_at) \
             WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 99999) \
             SELECT e.repository_id, e.attached_to, e.manifest, e.fingerprint || n.i, e.format, e.subject, e.named_repository, e.key_id, \
             e.verdict, e.raw, e.stored_at FROM evidence e, n",
        )
        .await;
    assert_eq!(evidence, 99_999);
    let standing = fixture
        .edit(
            "INSERT INTO trust_vouches (evidence_id, trust_id, role, tag, expires_at) \
             SELECT e.id, v.trust_id, 'targets/other', 'tag-' || e.id, v.expires_at FROM evidence e, trust_vouches v \
             WHERE e.id <> v.evidence_id",
        )
        .await;
    assert_eq!(standing, 99_999);

    let more = shop
        .publisher
        .repository
        .signing("targets/maria", "2", &image.content);
    let refused = post(&shop.publisher, vec![more], shop.now).await.unwrap();
    let Outcome::Full(why) = refused else {
        panic!("{refused:?}");
    };
    assert!(why.contains("at most 100000 signatures"), "{why}");
    // One for another is no more than before, and taking back is always possible.
    shop.sign("targets/maria", "1", &other).await;
    let back = shop
        .publisher
        .repository
        .next_targets("targets/maria", |targets| targets.targets.clear());
    shop.must(vec![back]).await;
    shop.sign("targets/maria", "2", &image).await;
    assert_eq!(
        shop.account("trust.publish").await["vouches"][0]["tag"],
        "2"
    );
}

#[tokio::test]
async fn a_row_about_many_releases_says_how_many_and_names_the_first() {
    let shop = Shop::open().await;
    let repository = name(REPOSITORY);
    for (count, first, released, ended) in [(1_200, 0, 1_200, 0), (10, 1_195, 5, 1_195)] {
        let state = shop.publisher.state(Files::Above(&[])).await;
        let tags = (first..first + count).map(|i| {
            let entry = author::image([7; 32], 7);
            (format!("tag-{i:04}"), entry)
        });
        let tags: BTreeMap<String, _> = tags.collect();
        let (gun, current, held) = (&shop.publisher.gun, &state.current, &state.held);
        let accepted = managed::release(gun, current, held, tags, shop.now);
        let accepted = accepted.unwrap().unwrap();
        let writer = Writer::System(System::job(RELEASE_TAGS), &repository);
        let stored = tuf::publish(shop.store(), &writer, gun, &state, accepted, shop.now);
        assert_eq!(stored.await.unwrap(), Outcome::Stored);
        let told = shop.account("trust.release").await;
        assert_eq!(told["released_count"], released);
        assert_eq!(told["ended_count"], ended);
        let named = told["released"].as_object().unwrap().len();
        assert_eq!(named, released.min(1_000));
        assert_eq!(told["ended"].as_array().unwrap().len(), ended.min(1_000));
    }
}
