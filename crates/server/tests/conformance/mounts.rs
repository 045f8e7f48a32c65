//! distribution-spec "Mounting a blob from another repository", and who may: a mount is a read of its source.

use oci::{Descriptor, Digest, ImageManifest, Manifest, media};
use serde_json::json;

use crate::world::{Answer, World, basic, closing};

/// The path of a mount, from a repository or from any.
fn mount(to: &str, digest: &Digest, from: Option<&str>) -> String {
    let from = from.map_or_else(String::new, |from| format!("&from={from}"));
    format!("/v2/{to}/blobs/uploads/?mount={digest}{from}")
}

/// With and without the name of the source.
fn both(digest: &Digest, source: &str) -> [String; 2] {
    ["own/a", "own/b"].map(|to| {
        let from = (to == "own/a").then_some(source);
        mount(to, digest, from)
    })
}

/// The answer is an upload that works, as for a blob that is nowhere. What it brought is taken away again, so that it is not
/// mounted from there.
async fn is_upload(world: &World, authorization: &str, answer: Answer, content: &[u8]) {
    let answer = answer.expect(202);
    assert!(answer.headers.get("docker-content-digest").is_none());
    let put = closing(answer.header("location"), &Digest::sha256(content));
    let pushed = world
        .ask_with(authorization, "PUT", &put)
        .body(content.to_vec())
        .await
        .expect(201);
    world
        .ask("DELETE", pushed.header("location"))
        .empty()
        .await
        .expect(202);
}

#[tokio::test]
async fn a_blob_that_the_caller_may_read_is_mounted_from_a_named_repository_or_from_any() {
    let world = World::new().await;
    let digest = world.blob("shop/web", b"a layer").await;
    for path in both(&digest, "shop/web") {
        let answer = world.ask("POST", &path).empty().await.expect(201);
        assert_eq!(answer.header("docker-content-digest"), digest.as_str());
        let pulled = world.ask("GET", answer.header("location")).empty().await;
        assert_eq!(pulled.expect(200).body, b"a layer");
    }
}

#[tokio::test]
async fn a_blob_that_is_nowhere_becomes_an_upload() {
    let world = World::new().await;
    world.blob("shop/web", b"another").await;
    for path in both(&Digest::sha256(b"a layer"), "shop/web") {
        let answer = world.ask("POST", &path).empty().await;
        is_upload(
            &world,
            &basic("admin", crate::world::PASSWORD),
            answer,
            b"a layer",
        )
        .await;
    }
    let path = mount("own/a", &Digest::sha256(b"a layer"), Some("Not%20a%20name"));
    let answer = world.ask("POST", &path).empty().await.expect(400);
    assert_eq!(answer.code(), "NAME_INVALID");
}

#[tokio::test]
async fn who_may_not_read_a_blob_learns_nothing_by_mounting_it() {
    let world = World::new().await;
    world.person("erik", &[("writer", "own/**")]).await;
    let content = b"a secret layer";
    let digest = world.blob("secret/web", content).await;
    let password = basic("erik", crate::world::PASSWORD);
    for path in both(&digest, "secret/web") {
        let answer = world.ask_with(&password, "POST", &path).empty().await;
        is_upload(&world, &password, answer, content).await;
    }
    let session = world.session(&password, "repository:own/c:pull,push").await;
    for from in [None, Some("secret/web")] {
        let path = mount("own/c", &digest, from);
        let answer = world.ask_with(&session, "POST", &path).empty().await;
        is_upload(&world, &session, answer, content).await;
    }
}

#[tokio::test]
async fn a_session_for_the_target_alone_is_asked_for_the_source_too() {
    // distribution `token` specification: the scopes stand in one parameter, with a space between.
    let world = World::new().await;
    world
        .person("erik", &[("writer", "own/**"), ("reader", "shop/**")])
        .await;
    let password = basic("erik", crate::world::PASSWORD);
    let digest = world.blob("shop/web", b"a layer").await;
    for (to, from) in [("own/b", None), ("own/a", Some("shop/web"))] {
        let path = mount(to, &digest, from);
        let target = format!("repository:{to}:pull,push");
        let session = world.session(&password, &target).await;
        let answer = world.ask_with(&session, "POST", &path).empty().await;
        let answer = answer.expect(401);
        let challenge = answer.header("www-authenticate");
        let scope = format!("{target} repository:shop/web:pull");
        assert!(
            challenge.contains(&format!("scope=\"{scope}\"")),
            "{challenge}"
        );
        let session = world.session(&password, &scope).await;
        let answer = world.ask_with(&session, "POST", &path).empty().await;
        answer.expect(201);
    }
}

#[tokio::test]
async fn credentials_that_cannot_reach_the_source_are_not_sent_for_more() {
    // A client that was asked again and again would fail where it can upload.
    let world = World::new().await;
    let content = b"a layer";
    let digest = world.blob("shop/web", content).await;
    let limited = json!({"name": "ci", "scope": ["repository:own/**:pull,push"]});
    let created = world.api("POST", "tokens", limited).await;
    let token = basic("admin", created["token"].as_str().unwrap());
    let session = world.session(
        &token,
        "repository:own/a:pull,push repository:own/b:pull,push",
    );
    let session = session.await;
    for path in both(&digest, "shop/web") {
        let answer = world.ask_with(&session, "POST", &path).empty().await;
        is_upload(&world, &session, answer, content).await;
    }
}

#[tokio::test]
async fn a_gate_holds_a_blob_back_from_mounts_too() {
    // DESIGN "Who is held by a gate": a held principal mounts only what a manifest allowed to it refers to.
    let world = World::new().await;
    let grants = [("writer", "own/**"), ("reader", "shop/**")];
    world.person("erik", &grants).await;
    world.person("free", &grants).await;
    let content = b"an unsigned layer";
    world.image("shop/web", "1", content).await;
    let document = "
version: 1
repositories: ['shop/**']
stages:
  qa: {signers: [{person: admin}]}
gates:
  production: {holds-for: [{person: erik}], require: [qa]}
";
    world
        .api("PUT", "policies/shop", json!({"document": document}))
        .await;
    let digest = Digest::sha256(content);
    let erik = basic("erik", crate::world::PASSWORD);
    for path in both(&digest, "shop/web") {
        let answer = world.ask_with(&erik, "POST", &path).empty().await;
        is_upload(&world, &erik, answer, content).await;
    }
    for path in both(&digest, "shop/web") {
        world
            .ask_as("free", "POST", &path)
            .empty()
            .await
            .expect(201);
    }
}

#[tokio::test]
async fn a_layer_that_hundreds_share_comes_with_the_one_image_that_may_be_pulled() {
    let world = World::new().await;
    let grants = [("writer", "own/**"), ("reader", "shop/**")];
    world.person("erik", &grants).await;
    let content = b"a layer of all of them";
    let digest = world.blob("shop/web", content).await;
    let config = Descriptor::of("application/vnd.cncf.helm.config.v1+json", b"{}");
    let layers = vec![Descriptor::of(media::OCI_LAYER_TAR, content)];
    let chart = Manifest::Image(ImageManifest::new(config, layers)).to_bytes();
    world.blob("shop/web", b"{}").await;
    world
        .manifest("shop/web", "chart", &chart)
        .await
        .expect(201);
    world.image("shop/web", "1", content).await;
    world.edit(
        "CREATE TEMP TABLE numbers AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 600) SELECT i FROM n;
         INSERT INTO manifest_references SELECT r.repository_id, printf('sha256:%064d', i), r.position, r.kind, r.digest, r.media_type,
           r.size, r.platform FROM manifest_references r JOIN manifests m ON m.digest = r.manifest, numbers WHERE m.shape = 'image';
         INSERT INTO manifests SELECT repository_id, printf('sha256:%064d', i), media_type, shape, artifact_type, subject, annotations,
           content, pushed_at, pushed_by, facts_revision FROM manifests, numbers WHERE shape = 'image'",
    );
    // Nobody has looked into the images; the chart is none.
    let document = "
version: 1
repositories: ['shop/**']
stages:
  scan: {automatic: true, limits: {unscannable: allow, licences: {deny: [AGPL-3.0-only]}}}
gates:
  production: {holds-for: [{person: erik}], require: [scan]}
";
    world
        .api("PUT", "policies/shop", json!({"document": document}))
        .await;
    let get = async |path: &str| {
        let path = format!("/v2/shop/web/{path}");
        world.ask_as("erik", "GET", &path).empty().await
    };
    get("manifests/1").await.expect(403);
    get("manifests/chart").await.expect(200);
    assert_eq!(
        get(&format!("blobs/{digest}")).await.expect(200).body,
        content
    );
    for path in both(&digest, "shop/web") {
        let answer = world.ask_as("erik", "POST", &path).empty().await;
        answer.expect(201);
    }
    let of_the_image = Digest::sha256(crate::world::CONFIG);
    get(&format!("blobs/{of_the_image}")).await.expect(403);
}
