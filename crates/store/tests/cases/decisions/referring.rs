//! Which of the images with a layer are asked about first: those that may be pulled.

use oci::{Descriptor, Digest, ImageManifest, Manifest, media};
use store::decisions::{self, GateName};

use crate::cases::world::World;
use crate::fixture::{Image, NOW, name};

#[tokio::test]
async fn of_many_images_with_one_layer_those_that_may_be_pulled_come_first() {
    those_that_may_be_pulled_come_first(20, 16).await;
}

#[tokio::test]
async fn of_few_images_with_one_layer_those_that_may_be_pulled_come_first() {
    those_that_may_be_pulled_come_first(6, 9).await;
}

/// Of three charts and so many images that list one layer, two times each, `shown` are those to ask about.
async fn those_that_may_be_pulled_come_first(images: u32, shown: usize) {
    let world = World::new().await;
    // Both gates hold the same, and pass a chart alone.
    world
        .apply(
            "
version: 1
repositories: ['shop/**']
stages:
  scan: {automatic: true, limits: {unscannable: allow, licences: {deny: [AGPL-3.0-only]}}}
gates:
  a: {holds-for: [{team: hosts}], require: [scan]}
  b: {holds-for: [{team: hosts}], require: [scan]}
",
        )
        .await;
    let (layer, repository) = (b"a shared layer".as_slice(), name("shop/web"));
    let charts: Vec<Image> = (0..3)
        .map(|number| chart(&number.to_string(), layer))
        .collect();
    for chart in &charts {
        world.fixture.push("shop/web", &[], chart).await;
    }
    for number in 0..images {
        let image = Image::with_layers(&number.to_string(), &[layer, layer]);
        world.fixture.push("shop/web", &[], &image).await;
    }
    let gates = ["a", "b"].map(|gate| GateName::new("shop", gate));
    let order = async |gates: &[GateName]| {
        let (store, layer) = (world.store(), Digest::sha256(layer));
        let found = decisions::referring(store, &repository, &layer, gates, NOW).await;
        let found: Vec<Digest> = found.unwrap().into_iter().map(|it| it.manifest).collect();
        assert_eq!(found.len(), shown, "{found:?}");
        found
    };
    for chart in &charts {
        for gate in ["a", "b"] {
            world.decide(chart, gate, NOW).await;
        }
        assert_eq!(
            order(&gates).await[0],
            chart.digest,
            "it was just asked for"
        );
        // Its answers are those of yesterday now.
        let text = format!(
            "UPDATE manifests SET facts_revision = facts_revision + 1 WHERE digest = '{}'",
            chart.digest
        );
        world.fixture.edit(&text).await;
    }
    // Of those that have to be asked for again, the one that passed both gates precedes one that passed one.
    let third = &charts[2].digest;
    let text = format!("DELETE FROM decisions WHERE gate = 'b' AND digest <> '{third}'");
    world.fixture.edit(&text).await;
    assert_eq!(order(&gates).await[0], *third);
    let evidence = Image::evidence(&charts[0], "signature");
    world.fixture.push("shop/web", &[], &evidence).await;
    let blob = Digest::sha256(&evidence.blobs[1]);
    for gates in [&gates[..], &[]] {
        let found = decisions::referring(world.store(), &repository, &blob, gates, NOW).await;
        assert_eq!(found.unwrap()[0].shape, oci::Shape::Evidence);
    }
    assert_eq!(order(&[]).await.len(), shown);
}

/// Something that is no container image, with one layer.
fn chart(seed: &str, layer: &[u8]) -> Image {
    let config = format!("{{\"name\":\"{seed}\"}}").into_bytes();
    let kind = "application/vnd.cncf.helm.config.v1+json";
    let layers = vec![Descriptor::of(media::OCI_LAYER_GZIP, layer)];
    let manifest = Manifest::Image(ImageManifest::new(Descriptor::of(kind, &config), layers));
    let content = manifest.to_bytes();
    Image {
        digest: Digest::sha256(&content),
        shape: manifest.shape(),
        blobs: vec![config, layer.to_vec()],
        manifest,
        content,
    }
}
