//! The outbox: an event with what it tells or not at all, a delivery for each receiver, in order per key, until it succeeds.

use std::collections::BTreeMap;

use policy::verb::ManageWebhooks;
use secrecy::ExposeSecret;
use store::outbox::{self, Delivery};
use store::{Error, Store};

use crate::fixture::{Fixture, Image, NOW, server_permit};

async fn hook(store: &Store, name: &str) {
    let permit = server_permit::<ManageWebhooks>(1);
    let url = format!("https://{name}.example/in");
    outbox::create_webhook(
        store,
        &permit,
        name,
        &url,
        &name.as_bytes().to_vec().into(),
        NOW,
    )
    .await
    .unwrap();
}

async fn due(store: &Store, now: i64) -> Vec<Delivery> {
    outbox::due_deliveries(store, now, 100).await.unwrap()
}

/// What arrives when everything due is delivered, round after round: (receiver, key) to sequences.
async fn deliver_all(store: &Store, now: i64) -> BTreeMap<(String, String), Vec<i64>> {
    let mut arrived: BTreeMap<_, Vec<i64>> = BTreeMap::new();
    loop {
        let round = due(store, now).await;
        if round.is_empty() {
            return arrived;
        }
        for delivery in round {
            outbox::delivered(store, &delivery, now).await.unwrap();
            let key = (delivery.webhook, delivery.event.ordering_key);
            arrived
                .entry(key)
                .or_default()
                .push(delivery.event.sequence);
        }
    }
}

#[tokio::test]
async fn an_event_has_one_id_and_tells_what_happened() {
    let fixture = Fixture::new().await;
    let image = Image::new("a");
    fixture.push("shop/web", &["1", "latest"], &image).await;
    fixture.push("shop/web", &["1", "latest"], &image).await;
    let events = outbox::events(&fixture.store, 0, 10).await.unwrap();
    assert_eq!(events.len(), 1, "what changed nothing is not told again");
    let event = &events[0];
    assert_eq!(
        (event.kind.as_str(), event.happened_at),
        ("image.pushed", NOW)
    );
    assert_eq!(event.repository.as_deref(), Some("shop/web"));
    assert_eq!(event.digest.as_deref(), Some(image.digest.as_str()));
    assert_eq!(event.ordering_key, format!("shop/web@{}", image.digest));
    assert_eq!(event.data["tags"], serde_json::json!(["1", "latest"]));
    assert!(event.id.starts_with("evt_") && event.id.len() == 36);
    assert_eq!(
        outbox::newest_sequence(&fixture.store).await.unwrap(),
        event.sequence
    );
    assert_eq!(
        outbox::events(&fixture.store, event.sequence, 10)
            .await
            .unwrap(),
        []
    );
}

#[tokio::test]
async fn each_receiver_is_owed_what_happens_from_its_beginning_on() {
    let fixture = Fixture::new().await;
    fixture
        .push("shop/web", &["0"], &Image::new("before"))
        .await;
    hook(&fixture.store, "one").await;
    fixture.push("shop/web", &["1"], &Image::new("a")).await;
    hook(&fixture.store, "two").await;
    fixture.push("shop/web", &["2"], &Image::new("b")).await;
    let owed: Vec<_> = due(&fixture.store, NOW)
        .await
        .into_iter()
        .map(|d| (d.webhook, d.event.data["tags"][0].clone()))
        .collect();
    let expect = [("one", "1"), ("one", "2"), ("two", "2")]
        .map(|(hook, tag)| (hook.to_owned(), serde_json::json!(tag)));
    assert_eq!(owed, expect);
    let delivery = due(&fixture.store, NOW).await.remove(0);
    assert_eq!(delivery.url, "https://one.example/in");
    assert_eq!(delivery.secret.expose_secret(), b"one");
    assert_eq!(
        fixture
            .number("SELECT COUNT(*) FROM webhooks WHERE sealed_secret = 'one'")
            .await,
        0
    );
}

#[tokio::test]
async fn one_key_stays_in_order_and_a_failure_holds_back_no_other() {
    let fixture = Fixture::new().await;
    hook(&fixture.store, "one").await;
    let (a, b) = (Image::new("a"), Image::new("b"));
    for tag in ["1", "2", "3"] {
        fixture.push("shop/web", &[tag], &a).await;
    }
    fixture.push("shop/web", &["4"], &b).await;
    let first = due(&fixture.store, NOW).await;
    assert_eq!(first.len(), 2, "the earliest of each key");
    outbox::failed(&fixture.store, &first[0], "connection refused", NOW + 1_000)
        .await
        .unwrap();
    let arrived = deliver_all(&fixture.store, NOW).await;
    assert_eq!(
        arrived
            .keys()
            .map(|(_, key)| key.clone())
            .collect::<Vec<_>>(),
        [format!("shop/web@{}", b.digest)]
    );
    assert_eq!(
        outbox::next_delivery_at(&fixture.store).await.unwrap(),
        Some(NOW),
        "those behind it are due, but wait"
    );
    let progress = outbox::progress(&fixture.store).await.unwrap();
    assert_eq!(
        (progress[0].pending, progress[0].last_error.as_deref()),
        (3, Some("connection refused"))
    );

    let fixture = fixture.restart().await;
    assert!(due(&fixture.store, NOW + 999).await.is_empty());
    let again = due(&fixture.store, NOW + 1_000).await;
    assert_eq!(
        (again.len(), again[0].attempts, &again[0].event.id),
        (1, 1, &first[0].event.id),
        "the same id again"
    );
    let arrived = deliver_all(&fixture.store, NOW + 1_000).await;
    let sequences = &arrived[&("one".to_owned(), format!("shop/web@{}", a.digest))];
    assert_eq!(sequences.len(), 3);
    assert!(sequences.is_sorted(), "{sequences:?}");
    assert_eq!(
        outbox::next_delivery_at(&fixture.store).await.unwrap(),
        None
    );
    outbox::failed(&fixture.store, &again[0], "too late", NOW)
        .await
        .unwrap();
    assert!(
        due(&fixture.store, NOW + 9_000).await.is_empty(),
        "what arrived stays arrived"
    );
}

#[tokio::test]
async fn a_stopped_receiver_is_told_nothing_and_a_removed_one_is_forgotten() {
    let fixture = Fixture::new().await;
    let permit = server_permit::<ManageWebhooks>(1);
    hook(&fixture.store, "one").await;
    fixture.push("shop/web", &["1"], &Image::new("a")).await;
    outbox::set_webhook_active(&fixture.store, &permit, "one", false, NOW)
        .await
        .unwrap();
    fixture.push("shop/web", &["2"], &Image::new("b")).await;
    assert!(due(&fixture.store, NOW).await.is_empty());
    outbox::set_webhook_active(&fixture.store, &permit, "one", true, NOW)
        .await
        .unwrap();
    assert_eq!(
        due(&fixture.store, NOW).await.len(),
        1,
        "what it was owed before"
    );
    outbox::delete_webhook(&fixture.store, &permit, "one", NOW)
        .await
        .unwrap();
    assert!(due(&fixture.store, NOW).await.is_empty());
    assert_eq!(outbox::webhooks(&fixture.store).await.unwrap(), []);
    let gone = outbox::delete_webhook(&fixture.store, &permit, "one", NOW).await;
    assert!(matches!(gone, Err(Error::NotFound { .. })), "{gone:?}");
}

#[tokio::test]
async fn a_receiver_needs_a_free_name_and_a_real_url() {
    let fixture = Fixture::new().await;
    let permit = server_permit::<ManageWebhooks>(1);
    hook(&fixture.store, "one").await;
    for (name, url, conflict) in [
        ("one", "https://example.org/", true),
        ("two", "ftp://example.org/", false),
        ("two", "https://", false),
        ("two", "https:///path", false),
        ("two", "http://example.org/ x", false),
        ("two", "javascript:alert(1)", false),
        ("not a name", "https://example.org/", false),
    ] {
        let outcome =
            outbox::create_webhook(&fixture.store, &permit, name, url, &vec![1].into(), NOW).await;
        let fits = match outcome {
            Err(Error::Conflict { .. }) => conflict,
            Err(Error::Invalid { .. }) => !conflict,
            _ => false,
        };
        assert!(fits, "{name} {url}: {outcome:?}");
    }
    let ended = permit.expires_at();
    let outcome = outbox::create_webhook(
        &fixture.store,
        &permit,
        "two",
        "https://e.org/",
        &vec![1].into(),
        ended,
    )
    .await;
    assert!(matches!(outcome, Err(Error::Refused { .. })), "{outcome:?}");
}
