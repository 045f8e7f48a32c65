//! What clients push besides a plain image: Docker's own types, caches and attestations of BuildKit, charts, modules, models,
//! layers of other kinds. Types of configurations and layers are no business of a registry's; the types of manifests are.

use oci::{Descriptor, Digest, ImageManifest, Manifest, media};
use serde_json::{Value, json};

use crate::world::{Answer, CONFIG, World, sha512};

const REPOSITORY: &str = "shop/web";

fn path(reference: &str) -> String {
    format!("/v2/{REPOSITORY}/manifests/{reference}")
}

fn described(media_type: &str, content: &[u8]) -> Value {
    serde_json::to_value(Descriptor::of(media_type, content)).unwrap()
}

/// Pushes a document under a tag; it must come back by tag and by digest as it was, with exactly its type.
async fn round_trip(world: &World, tag: &str, document: &Value) -> Answer {
    let content = document.to_string().into_bytes();
    let digest = Digest::sha256(&content);
    let stored = world.manifest(REPOSITORY, tag, &content).await.expect(201);
    for reference in [tag, digest.as_str()] {
        let pulled = world.ask("GET", &path(reference)).empty().await.expect(200);
        assert_eq!(pulled.body, content, "{tag}");
        assert_eq!(pulled.header("content-type"), document["mediaType"]);
        assert_eq!(pulled.header("docker-content-digest"), digest.as_str());
    }
    stored
}

/// The manifest of an image or artifact, with its blobs in place.
async fn artifact(world: &World, manifest: &str, config: (&str, &[u8]), layers: &[&str]) -> Value {
    world.blob(REPOSITORY, config.1).await;
    let mut described_layers = Vec::new();
    for layer in layers {
        world.blob(REPOSITORY, layer.as_bytes()).await;
        described_layers.push(described(layer, layer.as_bytes()));
    }
    json!({
        "schemaVersion": 2, "mediaType": manifest,
        "config": described(config.0, config.1), "layers": described_layers,
    })
}

#[tokio::test]
async fn docker_s_own_manifests_and_lists() {
    let world = World::new().await;
    let config = (media::DOCKER_CONFIG, CONFIG);
    let layers = [media::DOCKER_LAYER_GZIP];
    let image = artifact(&world, media::DOCKER_MANIFEST, config, &layers).await;
    round_trip(&world, "image", &image).await;
    let content = image.to_string();
    let mut child = described(media::DOCKER_MANIFEST, content.as_bytes());
    child["platform"] = json!({"os": "linux", "architecture": "amd64"});
    let list = json!({
        "schemaVersion": 2, "mediaType": media::DOCKER_LIST, "manifests": [child],
    });
    round_trip(&world, "list", &list).await;
}

#[tokio::test]
async fn schema_1_is_refused_with_what_to_do() {
    let world = World::new().await;
    let schema1 = json!({
        "schemaVersion": 1, "name": "shop/web", "tag": "1", "architecture": "amd64",
        "fsLayers": [], "history": [], "signatures": [],
    });
    for media_type in [
        media::DOCKER_SCHEMA1,
        media::DOCKER_SCHEMA1_SIGNED,
        media::DOCKER_MANIFEST,
    ] {
        let answer = world
            .ask("PUT", &path("1"))
            .with("content-type", media_type)
            .body(schema1.to_string())
            .await
            .expect(400);
        assert_eq!(answer.code(), "MANIFEST_INVALID");
        let message = answer.json()["errors"][0]["message"].to_string();
        assert!(message.contains("schema 1"), "{message}");
    }
}

#[tokio::test]
async fn charts_modules_models_and_layers_of_every_kind() {
    let world = World::new().await;
    for (tag, config, layers) in [
        (
            "chart",
            "application/vnd.cncf.helm.config.v1+json",
            &["application/vnd.cncf.helm.chart.content.v1.tar+gzip"][..],
        ),
        (
            "wasm",
            "application/vnd.wasm.config.v0+json",
            &["application/wasm"],
        ),
        (
            "model",
            "application/vnd.cncf.model.config.v1+json",
            &["application/vnd.cncf.model.weight.v1.raw"],
        ),
        (
            "cache",
            "application/vnd.buildkit.cacheconfig.v0",
            &[media::OCI_LAYER_ZSTD],
        ),
        (
            "zstd",
            media::OCI_CONFIG,
            &[media::OCI_LAYER_ZSTD, media::OCI_LAYER_GZIP],
        ),
        ("empty", media::OCI_EMPTY, &[media::OCI_EMPTY]),
        ("none", media::OCI_CONFIG, &[]),
        (
            "strange",
            "text/plain",
            &["image/png", "application/x.unknown+yaml"],
        ),
    ] {
        let manifest = artifact(&world, media::OCI_MANIFEST, (config, b"{}"), layers).await;
        let stored = round_trip(&world, tag, &manifest).await;
        assert!(stored.headers.get("warning").is_none(), "{tag}");
    }
    // estargz: a gzip layer whose descriptor says where its table of contents is.
    let config = (media::OCI_CONFIG, CONFIG);
    let mut image = artifact(
        &world,
        media::OCI_MANIFEST,
        config,
        &[media::OCI_LAYER_GZIP],
    )
    .await;
    let toc = Digest::sha256(b"toc");
    image["layers"][0]["annotations"] = json!({
        "containerd.io/snapshot/stargz/toc.digest": toc, "io.containers.estargz.uncompressed-size": "1024",
    });
    round_trip(&world, "estargz", &image).await;
    let typed = json!({
        "schemaVersion": 2, "mediaType": media::OCI_MANIFEST, "artifactType": "application/vnd.example+json",
        "config": described(media::OCI_EMPTY, b"{}"), "layers": [described(media::OCI_EMPTY, b"{}")],
    });
    round_trip(&world, "typed", &typed).await;
}

#[tokio::test]
async fn layers_that_are_not_distributed_may_be_absent() {
    let world = World::new().await;
    let mut image = artifact(
        &world,
        media::OCI_MANIFEST,
        (media::OCI_CONFIG, CONFIG),
        &[],
    )
    .await;
    let types = [
        media::OCI_NONDISTRIBUTABLE_TAR,
        media::OCI_NONDISTRIBUTABLE_GZIP,
        media::OCI_NONDISTRIBUTABLE_ZSTD,
        media::DOCKER_FOREIGN_GZIP,
    ];
    image["layers"] = types
        .iter()
        .map(|media_type| {
            let mut layer = described(media_type, media_type.as_bytes());
            layer["urls"] = json!(["https://layers.example/base"]);
            layer
        })
        .collect();
    let stored = round_trip(&world, "windows", &image).await;
    assert!(stored.headers.get("warning").is_none());
}

#[tokio::test]
async fn a_cache_index_lists_layers_which_stay_blobs() {
    // BuildKit without `image-manifest=true`: children without a platform that are blobs, and its own configuration.
    let world = World::new().await;
    let (layer, config) = (&b"a layer"[..], &b"{\"layers\":[]}"[..]);
    let config_type = "application/vnd.buildkit.cacheconfig.v0";
    for blob in [layer, config] {
        world.blob(REPOSITORY, blob).await;
    }
    let index = json!({
        "schemaVersion": 2, "mediaType": media::OCI_INDEX,
        "manifests": [described(media::OCI_LAYER_GZIP, layer), described(config_type, config)],
    });
    round_trip(&world, "cache", &index).await;
    for child in [layer, config] {
        let digest = Digest::sha256(child);
        let blob = format!("/v2/{REPOSITORY}/blobs/{digest}");
        world.ask("GET", &blob).empty().await.expect(200);
        let manifest = world.ask("GET", &path(digest.as_str())).empty().await;
        assert_eq!(manifest.expect(404).code(), "MANIFEST_UNKNOWN");
    }
}

#[tokio::test]
async fn a_manifest_is_not_a_blob() {
    // containerd asks for manifests as blobs too, and takes 404 for an answer.
    let world = World::new().await;
    let manifest = world.image(REPOSITORY, "1", b"a layer").await;
    let blob = format!("/v2/{REPOSITORY}/blobs/{}", Digest::sha256(&manifest));
    for method in ["HEAD", "GET"] {
        world.ask(method, &blob).empty().await.expect(404);
    }
}

#[tokio::test]
async fn attestations_come_before_what_they_are_about() {
    // BuildKit 0.32: the attestation names its image as the subject, and is pushed first; then the image; then an index.
    let world = World::new().await;
    let config = (media::OCI_CONFIG, CONFIG);
    let image = artifact(
        &world,
        media::OCI_MANIFEST,
        config,
        &[media::OCI_LAYER_GZIP],
    )
    .await;
    let image_content = image.to_string();
    let of_image = described(media::OCI_MANIFEST, image_content.as_bytes());
    let mut attestation = artifact(&world, media::OCI_MANIFEST, config, &[media::IN_TOTO]).await;
    attestation["artifactType"] = json!("application/vnd.docker.attestation.manifest.v1+json");
    attestation["subject"] = of_image.clone();
    let content = attestation.to_string();
    let digest = Digest::sha256(content.as_bytes());
    let stored = world
        .manifest(REPOSITORY, digest.as_str(), content.as_bytes())
        .await
        .expect(201);
    assert_eq!(stored.header("oci-subject"), of_image["digest"]);
    world
        .manifest(
            REPOSITORY,
            of_image["digest"].as_str().unwrap(),
            image_content.as_bytes(),
        )
        .await
        .expect(201);
    let mut child = described(media::OCI_MANIFEST, content.as_bytes());
    child["platform"] = json!({"os": "unknown", "architecture": "unknown"});
    child["annotations"] = json!({
        "vnd.docker.reference.type": "attestation-manifest",
        "vnd.docker.reference.digest": of_image["digest"],
    });
    let index = json!({
        "schemaVersion": 2, "mediaType": media::OCI_INDEX, "manifests": [of_image, child],
    });
    round_trip(&world, "1", &index).await;
    let referrers = format!(
        "/v2/{REPOSITORY}/referrers/{}",
        of_image["digest"].as_str().unwrap()
    );
    let listed = world.ask("GET", &referrers).empty().await.json();
    assert_eq!(listed["manifests"][0]["digest"], digest.as_str());
    assert_eq!(listed["manifests"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn signatures_of_one_manifest_are_read_once_each_and_up_to_16_mebibytes() {
    let world = World::new().await;
    let image = world.image("shop/web", "1", b"a layer").await;
    let bundle = |number: usize| {
        let mut document = format!("{{\"number\":{number}}}").into_bytes();
        document.resize(1 << 20, b' ');
        document
    };
    let mut layers = Vec::new();
    for number in 0..17 {
        let document = bundle(number);
        world.blob("shop/web", &document).await;
        layers.push(Descriptor::of(media::SIGSTORE_BUNDLE_V03, &document));
    }
    for _ in 0..20 {
        layers.insert(0, layers[0].clone());
    }
    world.blob("shop/web", b"{}").await;
    let mut manifest = ImageManifest::new(Descriptor::of(media::OCI_EMPTY, b"{}"), layers);
    manifest.artifact_type = Some(media::SIGSTORE_BUNDLE_V03.to_owned());
    manifest.subject = Some(Descriptor::of(media::OCI_MANIFEST, &image));
    let manifest = Manifest::Image(manifest).to_bytes();
    world
        .manifest("shop/web", "signatures", &manifest)
        .await
        .expect(201);
    let told = world.api_get("image/evidence?ref=shop/web:1").await;
    let told = told["evidence"].as_array().unwrap();
    assert_eq!(told.len(), 17, "{told:?}");
    let too_many = told
        .iter()
        .filter(|one| one.to_string().contains("more than 16777216 bytes"));
    assert_eq!(too_many.count(), 1, "{told:?}");
}

#[tokio::test]
async fn a_tag_may_become_an_index_and_a_manifest_again() {
    let world = World::new().await;
    let image = artifact(
        &world,
        media::OCI_MANIFEST,
        (media::OCI_CONFIG, CONFIG),
        &[],
    )
    .await;
    let index = json!({
        "schemaVersion": 2, "mediaType": media::OCI_INDEX,
        "manifests": [described(media::OCI_MANIFEST, image.to_string().as_bytes())],
    });
    for document in [&image, &index, &image, &index] {
        round_trip(&world, "latest", document).await;
    }
}

#[tokio::test]
async fn indexes_may_be_nested_and_empty_and_carry_content_in_descriptors() {
    let world = World::new().await;
    let empty = json!({"schemaVersion": 2, "mediaType": media::OCI_INDEX, "manifests": []});
    round_trip(&world, "0", &empty).await;
    let mut inner = empty;
    for depth in 1..5 {
        let child = described(media::OCI_INDEX, inner.to_string().as_bytes());
        inner = json!({"schemaVersion": 2, "mediaType": media::OCI_INDEX, "manifests": [child]});
        round_trip(&world, &depth.to_string(), &inner).await;
    }
    // image-spec `descriptor.md`: `data` is the content, in base64.
    let mut image = artifact(&world, media::OCI_MANIFEST, (media::OCI_EMPTY, b"{}"), &[]).await;
    image["config"]["data"] = json!("e30=");
    round_trip(&world, "data", &image).await;
}

#[tokio::test]
async fn a_manifest_is_taken_without_a_media_type_of_its_own_and_not_with_two() {
    let world = World::new().await;
    let mut image = artifact(
        &world,
        media::OCI_MANIFEST,
        (media::OCI_CONFIG, CONFIG),
        &[],
    )
    .await;
    image.as_object_mut().unwrap().remove("mediaType");
    let put = |content_type: &'static str, content: String| {
        world
            .ask("PUT", &path("1"))
            .with("content-type", content_type)
            .body(content)
    };
    put(media::OCI_MANIFEST, image.to_string())
        .await
        .expect(201);
    let pulled = world.ask("GET", &path("1")).empty().await.expect(200);
    assert_eq!(pulled.header("content-type"), media::OCI_MANIFEST);
    // CVE-2021-41190: one document, two readings.
    image["mediaType"] = json!(media::OCI_MANIFEST);
    for (content_type, field) in [
        (media::OCI_INDEX, None),
        (media::DOCKER_MANIFEST, None),
        (media::OCI_MANIFEST, Some("manifests")),
        (media::OCI_MANIFEST, Some("fsLayers")),
        ("application/json", None),
    ] {
        let mut document = image.clone();
        if let Some(field) = field {
            document[field] = json!([]);
        }
        let answer = put(content_type, document.to_string()).await.expect(400);
        assert_eq!(
            answer.code(),
            "MANIFEST_INVALID",
            "{content_type} {field:?}"
        );
    }
    for text in [
        "",
        "{",
        "[]",
        "null",
        "\u{feff}{}",
        "{\"schemaVersion\": 2}",
    ] {
        let answer = put(media::OCI_MANIFEST, text.to_owned()).await.expect(400);
        assert_eq!(answer.code(), "MANIFEST_INVALID", "{text}");
    }
}

#[tokio::test]
async fn other_algorithms_than_sha256_and_sha512_are_refused_everywhere() {
    let world = World::new().await;
    let manifest = world.image(REPOSITORY, "1", b"a layer").await;
    let upload = world.upload(REPOSITORY).await;
    let separator = if upload.contains('?') { '&' } else { '?' };
    for digest in [
        format!("sha384:{}", "a".repeat(96)),
        format!("blake3:{}", "a".repeat(64)),
        format!("md5:{}", "a".repeat(32)),
        format!("sha256:{}", "A".repeat(64)),
        format!("sha256:{}", "a".repeat(63)),
        format!("sha512:{}", "a".repeat(64)),
        format!("sha256+b64:{}", "a".repeat(64)),
        format!("SHA256:{}", "a".repeat(64)),
        "sha256:".to_owned(),
    ] {
        let of = |place: &str| format!("/v2/{REPOSITORY}/{place}/{digest}");
        for (method, path) in [
            ("GET", of("manifests")),
            ("PUT", of("manifests")),
            ("DELETE", of("manifests")),
            ("GET", of("blobs")),
            ("DELETE", of("blobs")),
            ("GET", of("referrers")),
            ("PUT", format!("{upload}{separator}digest={digest}")),
        ] {
            let ask = world.ask(method, &path);
            let ask = ask.with("content-type", media::OCI_MANIFEST);
            let answer = ask.body(manifest.clone()).await.expect(400);
            assert_eq!(answer.code(), "DIGEST_INVALID", "{method} {path}");
        }
    }
    world
        .ask("GET", &path(sha512(&manifest).as_str()))
        .empty()
        .await
        .expect(404);
}
