//! What is about to end is told a month and a week before, once for each end, and of what still counts only.

use policy::Pattern;
use secrecy::SecretSlice;
use store::expiring::{self, NextEnds};
use store::outbox;
use store::signing_keys::{self, NewIdentity};
use trust::{KeyId, NotationIdentity, RegisteredKey};

use super::world::{ADMIN, World};
use crate::fixture::{NOW, server_permit};

/// A self-signed certificate of `C=US, ST=WA, O=shop, CN=maria`.
const CERTIFICATE: &str = "\
-----BEGIN CERTIFICATE-----
MIIB1DCCAXqgAwIBAgIUEN2rIUQbvvR9rvDF0OyQh9lpGn4wCgYIKoZIzj0EAwIw
OTELMAkGA1UEBhMCVVMxCzAJBgNVBAgMAldBMQ0wCwYDVQQKDARzaG9wMQ4wDAYD
VQQDDAVtYXJpYTAeFw0yNjExMjcwMzI2NTRaFw0yODAxMDEwMzI2NTRaMDkxCzAJ
BgNVBAYTAlVTMQswCQYDVQQIDAJXQTENMAsGA1UECgwEc2hvcDEOMAwGA1UEAwwF
bWFyaWEwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAASRF9ToL261Jr4/cUpiwbLa
Fzwkrf9gabOMfDErms72DnOs/+Baxu0VJ2k+fFc64LYZz74qMXSxX12EqE5YoaOW
o2AwXjAdBgNVHQ4EFgQUKQh8iu9dR5zQ84Hv0ABa/uQQUaswHwYDVR0jBBgwFoAU
KQh8iu9dR5zQ84Hv0ABa/uQQUaswDAYDVR0TAQH/BAIwADAOBgNVHQ8BAf8EBAMC
B4AwCgYIKoZIzj0EAwIDSAAwRQIhAKWOEVnsCMuII+0cu1CZ5QpRJVuQxIurMlpN
O+MNO3CaAiAs/yFPYF6xOYVdxhFzqxpc3/rr2jpVSfHg/zyiDYrPkA==
-----END CERTIFICATE-----
";
/// Its end: the first of January 2028, 03:26:54 UTC.
const END: i64 = 1_830_310_014_000;
const DAY: i64 = 24 * 60 * 60 * 1_000;

async fn register(world: &World) -> KeyId {
    let identity = NotationIdentity::new(CERTIFICATE.as_bytes(), None, None).unwrap();
    let new = NewIdentity {
        principal: world.maria,
        identity: RegisteredKey::Notation(Box::new(identity)),
        name: "notation".to_owned(),
        scope: vec![Pattern::parse("shop/**").unwrap()],
    };
    signing_keys::register_identity(world.store(), &server_permit(ADMIN), &new, NOW)
        .await
        .unwrap();
    new.identity.id().clone()
}

/// The days of what was told so far, after a look at this time.
async fn told(world: &World, now: i64) -> Vec<i64> {
    expiring::warn(world.store(), now).await.unwrap();
    let events = outbox::events(world.store(), 0, 1_000).await.unwrap();
    let mine = events.iter().filter(|event| event.kind == "key.expiring");
    mine.map(|event| event.data["days"].as_i64().unwrap())
        .collect()
}

#[tokio::test]
async fn an_end_is_told_a_month_and_a_week_before_and_not_again() {
    let world = World::new().await;
    let id = register(&world).await;
    world.key(world.jonas).await;
    assert_eq!(told(&world, END - 31 * DAY).await, [] as [i64; 0]);
    assert_eq!(told(&world, END - 30 * DAY).await, [30]);
    assert_eq!(told(&world, END - 8 * DAY).await, [30]);
    assert_eq!(told(&world, END - 7 * DAY).await, [30, 7]);
    assert_eq!(told(&world, END - 1).await, [30, 7]);
    assert_eq!(told(&world, END + DAY).await, [30, 7], "it has ended");

    let events = outbox::events(world.store(), 0, 1_000).await.unwrap();
    let month = events.iter().find(|event| event.kind == "key.expiring");
    let month = month.unwrap();
    assert_eq!(month.ordering_key, id.to_string());
    assert_eq!(month.data["key"], id.as_str());
    assert_eq!(month.data["principal"], "maria");
    assert_eq!(month.data["name"], "notation");
    assert_eq!(month.data["expiresAt"], END);
    let part = month.data["part"].as_str().unwrap();
    assert!(part.starts_with("the certificate ") && part.contains("CN=maria"));
}

#[tokio::test]
async fn a_webhook_is_owed_it() {
    let world = World::new().await;
    register(&world).await;
    outbox::create_webhook(
        world.store(),
        &server_permit(ADMIN),
        "chat",
        "https://hooks.example/",
        &SecretSlice::from(b"secret".to_vec()),
        NOW,
    )
    .await
    .unwrap();
    assert_eq!(told(&world, END - 7 * DAY).await, [7], "a month is past");
    let owed = outbox::due_deliveries(world.store(), END, 100)
        .await
        .unwrap();
    let kinds: Vec<&str> = owed.iter().map(|one| one.event.kind.as_str()).collect();
    assert_eq!(kinds, ["key.expiring"]);
}

#[tokio::test]
async fn what_is_revoked_ends_without_a_word() {
    let world = World::new().await;
    let id = register(&world).await;
    let next = async |now| expiring::next_ends(world.store(), now).await.unwrap();
    let of_key = |key| NextEnds { key, root: None };
    assert_eq!(next(NOW).await, of_key(Some(END)));
    assert_eq!(next(END).await, of_key(None), "what is over lies not ahead");
    // Revoked from a moment that lies ahead: until then it counts, and is told of.
    let (store, permit) = (world.store(), server_permit(ADMIN));
    let ahead = Some(END - 10 * DAY);
    signing_keys::revoke(store, &permit, &id, ahead, NOW)
        .await
        .unwrap();
    assert_eq!(next(NOW).await, of_key(Some(END)));
    assert_eq!(told(&world, END - 20 * DAY).await, [30]);
    assert_eq!(next(END - 10 * DAY).await, of_key(None));
    assert_eq!(told(&world, END - 7 * DAY).await, [30]);
}
