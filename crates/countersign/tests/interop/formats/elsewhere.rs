//! Layers that stay elsewhere: Windows' base layers, which no client uploads and a manifest points at by URL.

use super::skopeo;
use crate::harness::{Image, ImageParts, Layer, Layout, Place, noise};
use crate::matrix::ground::Ground;
use bytes::Bytes;
use oci::{Digest, media};
use serde_json::{Value, json};

/// Skopeo carries the image without that layer, into the registry, within it, and out again.
pub(super) fn layers_that_stay_elsewhere(ground: &Ground) {
    let skopeo = skopeo(ground, Place::Here);
    for media_type in [media::OCI_NONDISTRIBUTABLE_GZIP, media::DOCKER_FOREIGN_GZIP] {
        let image = windows(media_type);
        let foreign = foreign_layer(&image);
        let one = ground.free("windows", &format!("{}:1", image.digest().hex()));
        if image.media_type == media::OCI_MANIFEST {
            let folder = ground.shop.folder().join("windows");
            skopeo.push_layout(&Layout::write(&folder, &[("1", &image)]), &one);
        } else {
            // An image layout holds no manifests of docker's.
            ground.push_alone(&image, &one);
        }
        let manifest = ground.manifest(&one, "1");
        assert_eq!(manifest["layers"][0]["mediaType"], media_type);
        assert_eq!(manifest["layers"][0]["urls"], json!([URL]));
        assert!(!ground.has_blob(&one, &foreign), "nobody uploaded it");
        let two = ground.free("windows", "copy:1");
        skopeo
            .copy(&[], &format!("docker://{one}"), &format!("docker://{two}"))
            .ok();
        assert_eq!(ground.digest(&two), ground.digest(&one));
        println!("windows: {media_type}: {}", ground.digest(&one).unwrap());
    }
}

/// Nobody serves it: who asks there fails.
const URL: &str = "http://127.0.0.1:9/base-layer";

fn windows(media_type: &str) -> Image {
    let upper = Layer::of_files(&[("Files/srv/unlike", &noise("windows", 2_000))], "COPY");
    let image = ImageParts::of([upper]).build();
    let (_, config) = image.blobs.last().unwrap().clone();
    let mut config: Value = serde_json::from_slice(&config).unwrap();
    config["os"] = json!("windows");
    config["os.version"] = json!("10.0.20348.1");
    let below = Digest::sha256(b"the base layer, unpacked");
    config["rootfs"]["diff_ids"]
        .as_array_mut()
        .unwrap()
        .insert(0, json!(below));
    let mut image = image.with_config(Bytes::from(config.to_string()));
    let mut manifest: Value = serde_json::from_slice(&image.manifest).unwrap();
    let base = json!({
        "mediaType": media_type, "digest": Digest::sha256(b"the base layer"), "size": 14, "urls": [URL],
    });
    manifest["layers"].as_array_mut().unwrap().insert(0, base);
    if media_type == media::DOCKER_FOREIGN_GZIP {
        manifest["mediaType"] = json!(media::DOCKER_MANIFEST);
        manifest["config"]["mediaType"] = json!(media::DOCKER_CONFIG);
        manifest["layers"][1]["mediaType"] = json!(media::DOCKER_LAYER_GZIP);
        image.media_type = media::DOCKER_MANIFEST;
    }
    image.manifest = Bytes::from(manifest.to_string());
    image
}

fn foreign_layer(image: &Image) -> String {
    let manifest: Value = serde_json::from_slice(&image.manifest).unwrap();
    manifest["layers"][0]["digest"].as_str().unwrap().to_owned()
}
