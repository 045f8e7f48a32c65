//! An image as a folder in the OCI image layout (image-spec, image-layout.md), written and read without any client.

use super::{Image, Program};
use flate2::read::MultiGzDecoder;
use oci::{Digest, media};
use serde_json::{Value, json};
use std::io::Read;
use std::path::{Path, PathBuf};

/// A folder in the image layout.
#[derive(Clone, Debug)]
pub(crate) struct Layout(pub(crate) PathBuf);

impl Layout {
    /// Writes these images, each under a name.
    pub(crate) fn write(folder: &Path, images: &[(&str, &Image)]) -> Self {
        let blobs = folder.join("blobs/sha256");
        std::fs::create_dir_all(&blobs).unwrap();
        let mut manifests = Vec::new();
        for (name, image) in images {
            let own = (image.digest(), image.manifest.clone());
            for (digest, bytes) in image.blobs.iter().chain([&own]) {
                std::fs::write(blobs.join(digest.hex()), bytes).unwrap();
            }
            let mut descriptor = image.descriptor();
            descriptor["annotations"] = json!({"org.opencontainers.image.ref.name": name});
            manifests.push(descriptor);
        }
        let index =
            json!({"schemaVersion": 2, "mediaType": media::OCI_INDEX, "manifests": manifests});
        std::fs::write(folder.join("index.json"), index.to_string()).unwrap();
        std::fs::write(
            folder.join("oci-layout"),
            r#"{"imageLayoutVersion":"1.0.0"}"#,
        )
        .unwrap();
        Self(folder.to_path_buf())
    }

    /// The same as one tar archive, beside the folder.
    pub(crate) fn archive(&self) -> PathBuf {
        let archive = self.0.with_extension("oci.tar");
        Program::new("tar")
            .arg("--create")
            .arg("--file")
            .arg(&archive)
            .arg("--directory")
            .arg(&self.0)
            .args(["oci-layout", "index.json", "blobs"])
            .ok();
        archive
    }

    /// Unpacks an archive that a program wrote.
    pub(crate) fn unpack(archive: &Path, folder: &Path) -> Self {
        std::fs::create_dir_all(folder).unwrap();
        Program::new("tar")
            .arg("--extract")
            .arg("--file")
            .arg(archive)
            .arg("--directory")
            .arg(folder)
            .ok();
        Self(folder.to_path_buf())
    }

    /// The only image that the folder names: its digest.
    pub(crate) fn digest(&self) -> String {
        let text = std::fs::read(self.0.join("index.json")).unwrap();
        let index: Value = serde_json::from_slice(&text).unwrap();
        let manifests = index["manifests"].as_array().unwrap();
        assert_eq!(manifests.len(), 1, "{index:#}");
        manifests[0]["digest"].as_str().unwrap().to_owned()
    }

    /// A blob, whose bytes are what its name says.
    pub(crate) fn blob(&self, digest: &str) -> Vec<u8> {
        let hex = digest.strip_prefix("sha256:").unwrap();
        let bytes = std::fs::read(self.0.join("blobs/sha256").join(hex)).unwrap();
        assert_eq!(Digest::sha256(&bytes).as_str(), digest);
        bytes
    }

    fn has(&self, digest: &str) -> bool {
        let hex = digest.strip_prefix("sha256:").unwrap();
        self.0.join("blobs/sha256").join(hex).is_file()
    }

    /// A manifest.
    pub(crate) fn manifest(&self, digest: &str) -> Value {
        serde_json::from_slice(&self.blob(digest)).unwrap()
    }

    /// A file of an image, from the topmost layer that has it; the layers may be compressed by gzip or not at all.
    pub(crate) fn file(&self, manifest: &str, path: &str) -> Vec<u8> {
        let mut manifest = self.manifest(manifest);
        // Of an index, the child that is there.
        if let Some(children) = manifest["manifests"].as_array() {
            let mut there = children
                .iter()
                .map(|child| child["digest"].as_str().unwrap());
            let child = there
                .find(|child| self.has(child))
                .expect("a child is there");
            manifest = self.manifest(child);
        }
        let layers = manifest["layers"].as_array().unwrap();
        layers
            .iter()
            .rev()
            .find_map(|layer| file_of_layer(&self.blob(layer["digest"].as_str().unwrap()), path))
            .unwrap_or_else(|| panic!("no `{path}` in {manifest:#}"))
    }
}

/// A file of a layer.
pub(crate) fn file_of_layer(layer: &[u8], path: &str) -> Option<Vec<u8>> {
    let mut plain = Vec::new();
    if layer.starts_with(&[0x1f, 0x8b]) {
        MultiGzDecoder::new(layer).read_to_end(&mut plain).unwrap();
    } else {
        plain = layer.to_vec();
    }
    let mut archive = tar::Archive::new(plain.as_slice());
    archive.entries().unwrap().find_map(|entry| {
        let mut entry = entry.unwrap();
        let name = entry.path().unwrap().into_owned();
        if name.strip_prefix(".").unwrap_or(&name) != Path::new(path) {
            return None;
        }
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        Some(bytes)
    })
}
