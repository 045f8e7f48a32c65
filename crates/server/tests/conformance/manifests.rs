//! distribution-spec "Pushing Manifests", "Pushing Manifests with Subject", "Deleting Manifests", "Deleting tags".

use oci::{Descriptor, Digest, ImageManifest, IndexManifest, Manifest, media};
use serde_json::{Value, json};

use crate::world::{CONFIG, World, image, sha512};

const REPOSITORY: &str = "shop/web";

fn path(reference: &str) -> String {
    format!("/v2/{REPOSITORY}/manifests/{reference}")
}

/// The manifest of an image without layers, with more fields.
async fn with(world: &World, fields: Value) -> Vec<u8> {
    world.blob(REPOSITORY, CONFIG).await;
    let config = Descriptor::of(media::OCI_CONFIG, CONFIG);
    let bytes = Manifest::Image(ImageManifest::new(config, Vec::new())).to_bytes();
    let mut manifest: Value = serde_json::from_slice(&bytes).unwrap();
    for (name, value) in fields.as_object().unwrap() {
        manifest[name] = value.clone();
    }
    manifest.to_string().into_bytes()
}

#[tokio::test]
async fn bytes_are_kept_as_they_came_with_fields_that_nobody_knows() {
    let world = World::new().await;
    let mut manifest = with(&world, json!({"org.example.more": {"b": 1, "a": [null]}})).await;
    manifest.extend_from_slice(b"\n\n  ");
    let digest = Digest::sha256(&manifest);
    let answer = world.manifest(REPOSITORY, "1", &manifest).await.expect(201);
    assert_eq!(answer.header("docker-content-digest"), digest.as_str());
    let pulled = world.ask("GET", answer.header("location")).empty().await;
    assert_eq!(pulled.expect(200).body, manifest);
}

#[tokio::test]
async fn a_digest_that_is_not_that_of_the_bytes_is_refused() {
    let world = World::new().await;
    let manifest = with(&world, json!({})).await;
    let mut altered = manifest.clone();
    altered.push(b' ');
    for digest in [Digest::sha256(&manifest), sha512(&manifest)] {
        let answer = world.manifest(REPOSITORY, digest.as_str(), &altered).await;
        assert_eq!(answer.expect(400).code(), "DIGEST_INVALID");
        world
            .ask("HEAD", &path(digest.as_str()))
            .empty()
            .await
            .expect(404);
        let answer = world.manifest(REPOSITORY, digest.as_str(), &manifest).await;
        assert_eq!(
            answer.expect(201).header("docker-content-digest"),
            digest.as_str()
        );
        let pulled = world
            .ask("GET", &path(digest.as_str()))
            .empty()
            .await
            .expect(200);
        assert_eq!(pulled.header("docker-content-digest"), digest.as_str());
    }
}

#[tokio::test]
async fn four_mebibytes_are_taken_and_no_more() {
    // "Pushing Manifests": a registry that limits a manifest should take at least 4 MiB, and answers 413 for more.
    let world = World::new().await;
    let spare = "x".repeat(oci::MANIFEST_BYTES_MAX - 1_000);
    let mut manifest = with(&world, json!({"annotations": {"large": spare}})).await;
    manifest.resize(oci::MANIFEST_BYTES_MAX, b' ');
    world.manifest(REPOSITORY, "1", &manifest).await.expect(201);
    let pulled = world.ask("GET", &path("1")).empty().await.expect(200);
    assert!(pulled.body == manifest);
    manifest.push(b' ');
    world.manifest(REPOSITORY, "2", &manifest).await.expect(413);
}

#[tokio::test]
async fn tags_of_the_query_are_set_with_the_digest() {
    let world = World::new().await;
    let manifest = with(&world, json!({})).await;
    let query = |count: usize| {
        let tags: Vec<String> = (0..count).map(|number| format!("tag=v{number}")).collect();
        tags.join("&")
    };
    for digest in [Digest::sha256(&manifest), sha512(&manifest)] {
        let under = format!("{digest}?{}", query(10));
        let answer = world
            .manifest(REPOSITORY, &under, &manifest)
            .await
            .expect(201);
        let told: Vec<_> = answer.headers.get_all("oci-tag").iter().collect();
        assert_eq!(told.len(), 10);
        for (number, tag) in told.iter().enumerate() {
            assert_eq!(tag.to_str().unwrap(), format!("v{number}"));
            let pulled = world
                .ask("HEAD", &path(&format!("v{number}")))
                .empty()
                .await;
            let pulled = pulled.expect(200);
            assert_eq!(pulled.header("docker-content-digest"), digest.as_str());
        }
    }
    let under = format!("{}?{}", Digest::sha256(&manifest), query(17));
    world
        .manifest(REPOSITORY, &under, &manifest)
        .await
        .expect(414);
    world.ask("HEAD", &path("v16")).empty().await.expect(404);
    let under = format!("{}?tag=.no", Digest::sha256(&manifest));
    let answer = world
        .manifest(REPOSITORY, &under, &manifest)
        .await
        .expect(400);
    assert_eq!(answer.code(), "TAG_INVALID");
}

#[tokio::test]
async fn a_subject_that_is_not_there_is_taken_and_named() {
    let world = World::new().await;
    let subject = Descriptor::of(media::OCI_MANIFEST, b"not pushed");
    let manifest = with(&world, json!({"subject": subject})).await;
    let answer = world.manifest(REPOSITORY, "1", &manifest).await.expect(201);
    assert_eq!(answer.header("oci-subject"), subject.digest.as_str());
    let none = with(&world, json!({})).await;
    let answer = world.manifest(REPOSITORY, "2", &none).await.expect(201);
    assert!(answer.headers.get("oci-subject").is_none());
}

#[tokio::test]
async fn an_index_may_list_what_is_not_there_also_nothing() {
    let world = World::new().await;
    for manifests in [
        Vec::new(),
        vec![Descriptor::of(media::OCI_MANIFEST, b"not pushed")],
    ] {
        let index = Manifest::Index(IndexManifest {
            media_type: media::OCI_INDEX.to_owned(),
            artifact_type: None,
            manifests,
            subject: None,
            annotations: Default::default(),
        });
        let answer = world.manifest(REPOSITORY, "1", &index.to_bytes()).await;
        assert!(answer.expect(201).headers.get("warning").is_none());
    }
}

#[tokio::test]
async fn an_image_is_taken_before_its_layers_with_a_warning_but_not_before_its_configuration() {
    let world = World::new().await;
    let layer = b"not pushed yet";
    let manifest = image(layer);
    let refused = world.manifest(REPOSITORY, "1", &manifest).await.expect(400);
    assert_eq!(refused.code(), "MANIFEST_BLOB_UNKNOWN");
    let missing = &refused.json()["errors"][0]["detail"]["digest"];
    assert_eq!(missing, Digest::sha256(CONFIG).as_str());

    world.blob(REPOSITORY, CONFIG).await;
    let answer = world.manifest(REPOSITORY, "1", &manifest).await.expect(201);
    let warning = answer.header("warning");
    assert!(warning.starts_with("299 - \""), "{warning}");
    assert!(
        warning.contains(Digest::sha256(layer).as_str()),
        "{warning}"
    );
    let blob = format!("/v2/{REPOSITORY}/blobs/{}", Digest::sha256(layer));
    world.ask("GET", &path("1")).empty().await.expect(200);
    world.ask("GET", &blob).empty().await.expect(404);
    let inventory = world
        .ask("GET", "/api/v1/image?ref=shop/web:1")
        .empty()
        .await;
    assert_eq!(
        inventory.expect(200).json()["inventory"]["state"],
        "not-indexed"
    );

    world.blob(REPOSITORY, layer).await;
    world.ask("GET", &blob).empty().await.expect(200);
    let again = world.manifest(REPOSITORY, "1", &manifest).await.expect(201);
    assert!(again.headers.get("warning").is_none());
}

#[tokio::test]
async fn a_layer_of_another_repository_is_as_absent_as_one_that_is_nowhere() {
    let world = World::new().await;
    let grants = [("maintainer", "own/**")];
    world.person("erik", &grants).await;
    let secret = b"a secret layer";
    world.image("secret/web", "1", secret).await;
    world.blob("own/web", CONFIG).await;
    let mut answers = Vec::new();
    for layer in [&secret[..], b"a layer of nobody's"] {
        let answer = world
            .ask_as("erik", "PUT", "/v2/own/web/manifests/1")
            .with("content-type", media::OCI_MANIFEST)
            .body(image(layer))
            .await
            .expect(201);
        let digest = Digest::sha256(layer);
        let warning = answer.header("warning").replace(digest.as_str(), "it");
        answers.push(warning);
        let blob = format!("/v2/own/web/blobs/{digest}");
        world.ask_as("erik", "GET", &blob).empty().await.expect(404);
    }
    assert_eq!(answers[0], answers[1]);
}

#[tokio::test]
async fn what_was_deleted_is_gone_at_once() {
    let world = World::new().await;
    let manifest = with(&world, json!({})).await;
    let digest = Digest::sha256(&manifest);
    for tag in ["1", "2"] {
        world.manifest(REPOSITORY, tag, &manifest).await.expect(201);
    }
    world.ask("DELETE", &path("1")).empty().await.expect(202);
    world.ask("HEAD", &path("1")).empty().await.expect(404);
    world.ask("HEAD", &path("2")).empty().await.expect(200);
    world
        .ask("DELETE", &path(digest.as_str()))
        .empty()
        .await
        .expect(202);
    for reference in ["2", digest.as_str()] {
        world
            .ask("HEAD", &path(reference))
            .empty()
            .await
            .expect(404);
        world
            .ask("DELETE", &path(reference))
            .empty()
            .await
            .expect(404);
    }
}

#[tokio::test]
async fn more_signatures_under_a_tag_than_are_read_are_refused_as_a_whole() {
    let world = World::new().await;
    world.image(REPOSITORY, "1", b"a layer").await;
    let payload = world.blob(REPOSITORY, b"{}").await;
    let signatures = |count: usize| {
        let layers: Vec<_> = (0..count)
            .map(|number| {
                json!({
                    "mediaType": media::COSIGN_SIMPLE_SIGNING, "digest": payload, "size": 2,
                    "annotations": {"dev.cosignproject.cosign/signature": format!("{number:04}")},
                })
            })
            .collect();
        json!({
            "schemaVersion": 2, "mediaType": media::OCI_MANIFEST, "layers": layers,
            "config": {"mediaType": media::OCI_CONFIG, "digest": payload, "size": 2},
        })
        .to_string()
        .into_bytes()
    };
    let tag = format!("sha256-{}.sig", "a".repeat(64));
    let many = signatures(513);
    let answer = world.manifest(REPOSITORY, &tag, &many).await.expect(403);
    assert_eq!(answer.code(), "DENIED");
    let message = answer.json()["errors"][0]["message"].to_string();
    for part in [tag.as_str(), "512 signatures", "as referrers"] {
        assert!(message.contains(part), "{part} is not in {message}");
    }
    for reference in [tag.clone(), Digest::sha256(&many).to_string()] {
        world
            .ask("GET", &path(&reference))
            .empty()
            .await
            .expect(404);
    }
    world
        .manifest(REPOSITORY, &tag, &signatures(512))
        .await
        .expect(201);
}
