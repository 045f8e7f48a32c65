//! What the API answers: that it tells what the store knows.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails where it stands"
)]

#[path = "answers/identities.rs"]
mod identities;
#[path = "answers/rereading.rs"]
mod rereading;
#[path = "answers/revoking.rs"]
mod revoking;
#[path = "../../trust/tests/sigstore/world.rs"]
#[allow(dead_code, reason = "the stories of crate trust need more of it")]
mod sigstore;
#[path = "answers/verifying.rs"]
mod verifying;
#[path = "world/world.rs"]
mod world;

use axum::http::StatusCode;
use serde_json::{Value, json};
use trust::{Algorithm, PrivateKey, Signer};
use world::{NOW, World};

async fn get(world: &World, user: &str, path: &str) -> Value {
    let (status, answer) = world.ask(Some(user), "GET", path, None).await;
    assert!(status.is_success(), "{path}: {status} {answer}");
    answer
}

async fn grant(world: &World, name: &str, role: &str) {
    let grant = json!({"to": {"principal": name}, "role": role, "pattern": "**"});
    world.must("admin", "POST", "/api/v1/grants", grant).await;
}

/// Pushes an index of nothing, the one image that needs no blobs.
async fn push(world: &World, user: &str, path: &str) {
    let index = json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [],
    });
    world.must(user, "PUT", path, index).await;
}

#[tokio::test]
async fn an_image_says_who_first_pushed_it_there() {
    let world = World::new().await;
    for name in ["maria", "rita"] {
        world.person(name).await;
        grant(&world, name, "writer").await;
    }
    push(&world, "maria", "/v2/shop/web/manifests/1").await;
    push(&world, "rita", "/v2/shop/web/manifests/2").await;
    push(&world, "rita", "/v2/shop/copy/manifests/1").await;
    for (reference, pusher) in [
        ("shop/web:1", "maria"),
        ("shop/web:2", "maria"),
        ("shop/copy:1", "rita"),
    ] {
        let image = get(&world, "rita", &format!("/api/v1/image?ref={reference}")).await;
        assert_eq!(image["pushedBy"], pusher, "{reference}");
        assert_eq!(image["pushedAt"], NOW, "{reference}");
    }
    world.store.close().await;
}

#[tokio::test]
async fn accounts_and_teams_say_when_they_were_made() {
    let world = World::new().await;
    world.person("maria").await;
    world
        .must("admin", "POST", "/api/v1/teams", json!({"name": "qa"}))
        .await;
    let teams = get(&world, "admin", "/api/v1/teams").await;
    assert_eq!(
        teams["items"],
        json!([{"name": "qa", "createdAt": NOW, "members": []}])
    );
    let password = json!({"password": "another horse battery staple"});
    let maria = world
        .must("maria", "PATCH", "/api/v1/users/maria", password)
        .await;
    assert_eq!(
        maria["createdAt"], NOW,
        "also to those who manage no accounts"
    );
    world.store.close().await;
}

#[tokio::test]
async fn a_policy_may_have_any_name() {
    let world = World::new().await;
    let policy = json!({"document": "version: 1\nrepositories: ['shop/**']\n\
        stages: {ci: {signers: [{person: admin}]}}\n\
        gates: {production: {holds-for: everyone, require: [ci]}}\n"});
    for name in ["lint", "policies", "gate"] {
        let path = format!("/api/v1/policies/{name}");
        world.must("admin", "PUT", &path, policy.clone()).await;
        assert_eq!(get(&world, "admin", &path).await["name"], name);
        world.must("admin", "DELETE", &path, json!({})).await;
        let (status, _) = world.ask(Some("admin"), "GET", &path, None).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{name}");
    }
    world.store.close().await;
}

#[tokio::test]
async fn what_proves_no_key_is_answered_with_the_command_that_does() {
    let world = World::new().await;
    let key = PrivateKey::generate(Algorithm::EcdsaP256).unwrap();
    let unproved = json!({
        "nonce": "00", "publicKeyPem": key.public_key().to_pem(), "signature": "AAAA", "name": "laptop",
        "scope": ["shop/**"],
    });
    let (status, answer) = world
        .ask(Some("admin"), "POST", "/api/v1/keys", Some(&unproved))
        .await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert_eq!(answer["error"]["code"], "no-proof");
    assert_eq!(
        answer["error"]["next"],
        "countersign key prove --key FILE CHALLENGE.json"
    );
    world.store.close().await;
}
