//! Images that are pushed before their layers: taken, and worth nothing until the layers are there. distribution-spec "Push";
//! ADR 8.

use advisories::Severity;
use oci::{Descriptor, Digest, ImageManifest, Manifest, Reference, Shape, media};
use policy::facts::InventoryState;
use policy::verb::{Delete, Pull, Push};
use policy::{ImageFacts, Target};
use store::catalogue::{self, Deleter};
use store::findings::{self, Wanted};
use store::{Error, Writer, blobs, decisions, inventories, jobs};

use crate::cases::world::{ADMIN, World, advisory, python};
use crate::fixture::{Fixture, Image, NOW, name, permit, put};

/// Stores the configuration and the manifest of an image, without its layer.
async fn push_without_layer(fixture: &Fixture, repository: &str, image: &Image) -> catalogue::Put {
    let own = permit::<Push>(ADMIN, repository);
    let writer = Writer::Push(&own);
    blobs::put(&fixture.store, &writer, image.blobs[0].clone(), NOW)
        .await
        .unwrap();
    put(&fixture.store, &writer, &["1"], image).await.unwrap()
}

fn layer(image: &Image) -> Digest {
    Digest::sha256(&image.blobs[1])
}

async fn number(fixture: &Fixture, repository: &str) -> i64 {
    catalogue::repository(&fixture.store, &name(repository))
        .await
        .unwrap()
        .unwrap()
}

async fn facts(world: &World, repository: &str, image: &Image) -> ImageFacts {
    let facts = decisions::gather(world.store(), &name(repository), &image.digest, "")
        .await
        .unwrap();
    match facts.subject {
        Target::Image(facts) => facts,
        other => panic!("{other:?}"),
    }
}

/// How often an image is to be taken apart; the work is done with that.
async fn index_jobs(fixture: &Fixture) -> usize {
    let mut found = 0;
    while let Some(job) = jobs::claim(&fixture.store, &[catalogue::INDEX_IMAGE], NOW, 1_000)
        .await
        .unwrap()
    {
        jobs::finish(&fixture.store, &job).await.unwrap();
        found += 1;
    }
    found
}

#[tokio::test]
async fn an_image_is_taken_without_its_layers_and_names_them() {
    let fixture = Fixture::new().await;
    let image = Image::new("a");
    let first = push_without_layer(&fixture, "shop/web", &image).await;
    assert_eq!(first.absent_layers, [layer(&image)]);
    let again = push_without_layer(&fixture, "shop/web", &image).await;
    assert!(!again.created);
    assert_eq!(again.absent_layers, [layer(&image)]);
    let reference = Reference::Digest(image.digest.clone());
    let stored = catalogue::manifest(&fixture.store, &name("shop/web"), &reference)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(stored.content, image.content);
    let whole = fixture.push("shop/web", &["1"], &image).await;
    assert!(whole.absent_layers.is_empty());
}

#[tokio::test]
async fn what_is_no_image_must_be_whole() {
    let fixture = Fixture::new().await;
    let own = permit::<Push>(1, "shop/web");
    let writer = Writer::Push(&own);
    let config = b"{}".to_vec();
    blobs::put(&fixture.store, &writer, config.clone(), NOW)
        .await
        .unwrap();
    // A chart with a layer of a file system's type, and an image with a layer that is none.
    for (config_type, layer_type, shape) in [
        (
            "application/vnd.cncf.helm.config.v1+json",
            media::OCI_LAYER_GZIP,
            Shape::Other,
        ),
        (
            media::OCI_CONFIG,
            media::COSIGN_SIMPLE_SIGNING,
            Shape::Image,
        ),
        (media::OCI_CONFIG, "text/plain", Shape::Image),
    ] {
        let layer = Descriptor::of(layer_type, b"not pushed");
        let config = Descriptor::of(config_type, &config);
        let manifest = Manifest::Image(ImageManifest::new(config, vec![layer.clone()]));
        let content = manifest.to_bytes();
        let image = Image {
            digest: Digest::sha256(&content),
            blobs: Vec::new(),
            manifest,
            content,
            shape,
        };
        match put(&fixture.store, &writer, &[], &image).await {
            Err(Error::MissingReference(missing)) => assert_eq!(missing, layer.digest),
            other => panic!("{config_type} {layer_type}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn without_its_layers_nothing_is_told_of_an_image_that_another_repository_holds_whole() {
    let world = World::new().await;
    let image = Image::new("web");
    world.fixture.push("secret/web", &["1"], &image).await;
    push_without_layer(&world.fixture, "shop/web", &image).await;
    world.index(&image, &[python("django", "3.2.0")]).await;
    let records = vec![advisory("PYSEC-1", &[], "django", "3.2.4", Severity::High)];
    world.import(records).await;
    world.run_matches(NOW).await;

    let (shop, secret) = (
        number(&world.fixture, "shop/web").await,
        number(&world.fixture, "secret/web").await,
    );
    let known = async |id| {
        let stored = inventories::image(world.store(), id, &image.digest).await;
        let found = findings::for_image(world.store(), id, &image.digest).await;
        (stored.unwrap().is_some(), found.unwrap().len())
    };
    let affected = async || {
        let wanted = Wanted::Advisory("PYSEC-1".to_owned());
        let found = findings::affected(world.store(), &wanted).await.unwrap();
        let names = found.images.into_iter().map(|image| image.repository);
        names.map(|name| name.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(known(secret).await, (true, 1));
    assert_eq!(known(shop).await, (false, 0));
    assert_eq!(affected().await, ["secret/web"]);
    let here = facts(&world, "shop/web", &image).await;
    assert_eq!(
        (here.inventory, here.findings.len()),
        (InventoryState::NotIndexed, 0)
    );
    let told =
        "SELECT COUNT(*) FROM events WHERE repository = 'shop/web' AND type <> 'image.pushed'";
    assert_eq!(world.fixture.number(told).await, 0);

    // The layer comes, by a mount: now it is an image like any other.
    index_jobs(&world.fixture).await;
    let (to, from) = (
        permit::<Push>(ADMIN, "shop/web"),
        permit::<Pull>(ADMIN, "secret/web"),
    );
    catalogue::link_blob(
        world.store(),
        &Writer::Push(&to),
        &from,
        &layer(&image),
        NOW,
    )
    .await
    .unwrap();
    assert_eq!(index_jobs(&world.fixture).await, 1);
    assert_eq!(known(shop).await, (true, 1));
    assert_eq!(affected().await, ["secret/web", "shop/web"]);
    let here = facts(&world, "shop/web", &image).await;
    assert_eq!(
        (here.inventory, here.findings.len()),
        (InventoryState::Complete, 1)
    );
}

#[tokio::test]
async fn a_layer_that_arrives_has_the_image_decided_again() {
    let fixture = Fixture::new().await;
    let image = Image::new("a");
    push_without_layer(&fixture, "shop/web", &image).await;
    index_jobs(&fixture).await;
    let revision = "SELECT facts_revision FROM manifests";
    let before = fixture.number(revision).await;
    let own = permit::<Push>(ADMIN, "shop/web");
    let writer = Writer::Push(&own);
    for _ in 0..2 {
        blobs::put(&fixture.store, &writer, image.blobs[1].clone(), NOW)
            .await
            .unwrap();
    }
    assert_eq!(fixture.number(revision).await, before + 1);
    assert_eq!(index_jobs(&fixture).await, 1);
}

#[tokio::test]
async fn a_layer_that_arrives_beside_its_image_is_not_awaited_for_ever() {
    let fixture = Fixture::new().await;
    let own = permit::<Push>(ADMIN, "shop/web");
    let writer = Writer::Push(&own);
    for round in 0..20 {
        let image = Image::new(&format!("round {round}"));
        blobs::put(&fixture.store, &writer, image.blobs[0].clone(), NOW)
            .await
            .unwrap();
        let (pushed, arrived) = tokio::join!(
            put(&fixture.store, &writer, &["1"], &image),
            blobs::put(&fixture.store, &writer, image.blobs[1].clone(), NOW),
        );
        pushed.unwrap();
        arrived.unwrap();
    }
    assert_eq!(
        fixture.number("SELECT COUNT(*) FROM awaited_layers").await,
        0
    );
}

#[tokio::test]
async fn an_image_that_was_deleted_waits_for_nothing() {
    let fixture = Fixture::new().await;
    let image = Image::new("a");
    push_without_layer(&fixture, "shop/web", &image).await;
    let delete = permit::<Delete>(ADMIN, "shop/web");
    catalogue::delete_manifest(&fixture.store, &Deleter::Image(&delete), &image.digest, NOW)
        .await
        .unwrap();
    assert_eq!(
        fixture.number("SELECT COUNT(*) FROM awaited_layers").await,
        0
    );
    let whole = fixture.push("shop/web", &["1"], &image).await;
    assert!(whole.created && whole.absent_layers.is_empty());
    assert_eq!(
        fixture.number("SELECT COUNT(*) FROM awaited_layers").await,
        0
    );
}
