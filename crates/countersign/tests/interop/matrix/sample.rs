//! Small images that can be told apart by a file, each in the forms that clients take: a root file system, and an image layout.

use crate::harness::{Image, ImageParts, Layer, Layout, noise, small_root};
use bytes::Bytes;
use oci::{Digest, media};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// The file that tells one sample from another.
pub(crate) const FILE: &str = "srv/unlike";
const FILE_BYTES: usize = 40_000;

/// An image of one platform.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    /// Its architecture.
    pub(crate) architecture: &'static str,
    /// What is in `FILE`.
    pub(crate) file: Vec<u8>,
    /// The root file system as a tar archive.
    pub(crate) root: PathBuf,
    /// The image.
    pub(crate) image: Image,
    /// The image in a layout, under the name `1`.
    pub(crate) layout: Layout,
}

impl Sample {
    /// A sample unlike any other name's.
    pub(crate) fn new(folder: &Path, name: &str, architecture: &'static str) -> Self {
        let file = noise(&format!("{name} {architecture}"), FILE_BYTES);
        let root = small_root(&file);
        let at = |suffix: &str| folder.join(format!("{name}-{architecture}{suffix}"));
        std::fs::create_dir_all(folder).unwrap();
        std::fs::write(at(".tar"), &root).unwrap();
        let image = of_platform(Layer::of_tar(&root, "ADD root.tar /"), architecture);
        Self {
            architecture,
            layout: Layout::write(&at("-layout"), &[("1", &image)]),
            root: at(".tar"),
            file,
            image,
        }
    }

    /// Two platforms: this machine's and another.
    pub(crate) fn platforms(folder: &Path, name: &str) -> [Self; 2] {
        ["amd64", "arm64"].map(|architecture| Self::new(folder, name, architecture))
    }
}

fn of_platform(layer: Layer, architecture: &str) -> Image {
    let amd64 = ImageParts::of([layer]).build();
    if architecture == "amd64" {
        return amd64;
    }
    let (_, config) = amd64.blobs.last().unwrap();
    let mut changed: Value = serde_json::from_slice(config).unwrap();
    changed["architecture"] = json!(architecture);
    amd64.with_config(Bytes::from(changed.to_string()))
}

/// An index of these images.
pub(crate) fn index_of(platforms: &[Sample]) -> Image {
    let children = platforms.iter().map(|sample| {
        let mut child = sample.image.descriptor();
        child["platform"] = json!({"os": "linux", "architecture": sample.architecture});
        child
    });
    let index = json!({"schemaVersion": 2, "mediaType": media::OCI_INDEX, "manifests": children.collect::<Vec<_>>()});
    let own = platforms.iter().flat_map(|sample| {
        let manifest: (Digest, Bytes) = (sample.image.digest(), sample.image.manifest.clone());
        sample.image.blobs.iter().cloned().chain([manifest])
    });
    Image {
        manifest: Bytes::from(index.to_string()),
        media_type: media::OCI_INDEX,
        blobs: own.collect(),
    }
}
