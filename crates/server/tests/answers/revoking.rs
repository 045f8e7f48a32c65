//! A key is revoked from a moment on: what that hits is said before it is done, and is what happens then.

use super::get;
use super::verifying::{shop, sign};
use crate::world::{NOW, World};
use axum::http::StatusCode;
use serde_json::{Value, json};
use trust::{PrivateKey, Signer};

/// Nothing but maria's signature opens the gate.
const POLICY: &str = "version: 1
repositories: ['shop/**']
stages:
  ci: {signers: [{person: maria}]}
gates:
  production: {holds-for: everyone, except: [{person: admin}, {person: maria}], require: [ci]}
";

async fn signed() -> (World, String) {
    let (world, key, digest) = shop().await;
    let policy = json!({"document": POLICY});
    world
        .must("admin", "PUT", "/api/v1/policies/shop", policy)
        .await;
    sign(&world, &digest, &key, "ci").await;
    (world, path_of(&key))
}

fn path_of(key: &PrivateKey) -> String {
    format!("/api/v1/keys/{}/revocation", key.public_key().id())
}

async fn stage_is_signed(world: &World) -> Value {
    let answer = get(world, "admin", "/api/v1/verify?ref=shop/web:1").await;
    answer["verified"].clone()
}

#[tokio::test]
async fn what_a_revocation_hits_is_said_before_it_is_done_and_then_happens() {
    let (world, path) = signed().await;
    assert_eq!(stage_is_signed(&world).await, true);
    // The signature came at NOW: it is hit from NOW on, and not from later on.
    let ask = async |body: Value| world.must("admin", "POST", &path, body).await;
    let later = ask(json!({"from": NOW + 1, "dryRun": true})).await;
    assert_eq!(later["images"], json!([]));
    let hit = ask(json!({"from": NOW, "dryRun": true})).await;
    assert_eq!(
        (&hit["revoked"], &hit["complete"]),
        (&json!(false), &json!(true))
    );
    let [image] = hit["images"].as_array().unwrap().as_slice() else {
        panic!("{hit}");
    };
    assert_eq!(image["repository"], "shop/web");
    assert_eq!(image["tags"], json!(["1"]));
    assert_eq!(
        (&image["signatures"], &image["kept"]),
        (&json!(1), &json!(0))
    );
    let turn = &image["gates"][0];
    assert_eq!(
        (&turn["policy"], &turn["gate"]),
        (&json!("shop"), &json!("production"))
    );
    assert_eq!(
        (&turn["before"], &turn["after"]),
        (&json!("allow"), &json!("deny"))
    );
    // Asking changed nothing.
    assert_eq!(stage_is_signed(&world).await, true);

    ask(json!({"from": NOW + 1})).await;
    assert_eq!(stage_is_signed(&world).await, true);
    let done = ask(json!({"from": NOW})).await;
    assert_eq!(
        (&done["revoked"], &done["from"]),
        (&json!(true), &json!(NOW))
    );
    assert_eq!(stage_is_signed(&world).await, false);
    let keys = get(&world, "admin", "/api/v1/keys").await;
    assert_eq!(keys["items"][0]["revokedFrom"], NOW);
    world.store.close().await;
}

#[tokio::test]
async fn a_revocation_is_never_moved_forward_and_an_unknown_key_has_none() {
    let (world, path) = signed().await;
    let status = async |path: &str, body: Value| {
        let (status, _) = world.ask(Some("admin"), "POST", path, Some(&body)).await;
        status
    };
    assert_eq!(status(&path, json!({"from": NOW})).await, StatusCode::OK);
    for dry_run in [true, false] {
        let later = json!({"from": NOW + 1, "dryRun": dry_run});
        assert_eq!(status(&path, later).await, StatusCode::CONFLICT);
    }
    assert_eq!(status(&path, json!({})).await, StatusCode::OK);
    let unknown = format!("/api/v1/keys/{}/revocation", "0".repeat(64));
    for dry_run in [true, false] {
        let asked = status(&unknown, json!({"dryRun": dry_run})).await;
        assert_eq!(asked, StatusCode::NOT_FOUND);
    }
    world.store.close().await;
}
