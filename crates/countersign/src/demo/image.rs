//! A small real image, assembled here: two gzip layers, a configuration whose history reads like a Dockerfile, and a manifest. The same
//! bytes every time, so that a second run can be compared with the first.

use super::material::{BASE_FILES, PYTHON_PACKAGES};
use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use client::Client;
use flate2::{Compression, GzBuilder};
use oci::{
    Descriptor, Digest, History, ImageConfig, ImageManifest, Manifest, Reference, RepositoryName,
    RootFs, RunConfig, Tag, media,
};
use std::collections::BTreeSet;
use std::path::Path;
use tar::{Builder, EntryType, Header};

/// When everything in the image was made, in seconds since the epoch: the day of Debian 12.4.
const MADE_AT: u64 = 1_702_166_400;
const MADE_AT_TEXT: &str = "2023-12-10T00:00:00Z";
/// Where pip puts packages on Debian.
const PACKAGES_FOLDER: &str = "usr/local/lib/python3.11/dist-packages";
/// The most bytes of a blob that is pulled back.
const BLOB_BYTES_MAX: u64 = 16 << 20;

/// The instruction that brought the Python packages, as it stands in a Dockerfile.
pub(super) const PIP_INSTRUCTION: &str =
    "RUN pip install --no-deps django==3.2.0 jinja2==2.10 requests==2.31.0 certifi==2024.7.4";
const BASE_INSTRUCTION: &str = "ADD debian-12.4-excerpt.tar.gz /";

/// An image, ready to be pushed.
pub(super) struct Image {
    /// Where it goes.
    pub(super) repository: RepositoryName,
    /// Under which tag.
    pub(super) tag: Tag,
    /// The manifest's bytes and digest.
    pub(super) manifest: Bytes,
    pub(super) digest: Digest,
    config: Bytes,
    layers: Vec<Layer>,
}

/// A layer, packed.
struct Layer {
    bytes: Bytes,
    diff_id: Digest,
}

impl Image {
    /// Assembles it.
    pub(super) fn assemble(repository: &str, tag: &str) -> Result<Self> {
        let layers = vec![base_layer()?, python_layer()?];
        let config = Bytes::from(serde_json::to_vec(&configuration(&layers))?);
        let descriptors = layers
            .iter()
            .map(|layer| Descriptor::of(media::OCI_LAYER_GZIP, &layer.bytes))
            .collect();
        let manifest = ImageManifest::new(Descriptor::of(media::OCI_CONFIG, &config), descriptors);
        let manifest = Bytes::from(Manifest::Image(manifest).to_bytes());
        let digest = Digest::sha256(&manifest);
        Ok(Self {
            repository: repository.parse()?,
            tag: tag.parse()?,
            manifest,
            digest,
            config,
            layers,
        })
    }

    /// Its name without a host: `shop/web:1.0`.
    pub(super) fn name(&self) -> String {
        format!("{}:{}", self.repository, self.tag)
    }

    /// Its digest as the last part of an address.
    pub(super) fn by_digest(&self) -> Reference {
        Reference::Digest(self.digest.clone())
    }

    /// Its tag as the last part of an address.
    pub(super) fn by_tag(&self) -> Reference {
        Reference::Tag(self.tag.clone())
    }

    /// Digest and size of each layer.
    pub(super) fn layers(&self) -> impl Iterator<Item = (Digest, usize)> {
        self.layers
            .iter()
            .map(|layer| (Digest::sha256(&layer.bytes), layer.bytes.len()))
    }

    fn blobs(&self) -> impl Iterator<Item = &Bytes> {
        std::iter::once(&self.config).chain(self.layers.iter().map(|layer| &layer.bytes))
    }

    /// Bytes that travel, the manifest's among them.
    pub(super) fn bytes(&self) -> usize {
        self.manifest.len() + self.blobs().map(Bytes::len).sum::<usize>()
    }

    /// Pushes it as docker does: blobs first, then the manifest under its tag.
    pub(super) async fn push(&self, client: &Client) -> Result<()> {
        for blob in self.blobs() {
            client
                .put_blob(&self.repository, &Digest::sha256(blob), blob.clone())
                .await?;
        }
        let pushed = client
            .put_manifest(
                &self.repository,
                &self.by_tag(),
                media::OCI_MANIFEST,
                self.manifest.clone(),
            )
            .await?;
        ensure!(
            pushed.digest == self.digest,
            "the registry stored `{}` instead of `{}`",
            pushed.digest,
            self.digest
        );
        Ok(())
    }

    /// Pulls it as docker does, and compares every byte with what was pushed.
    pub(super) async fn pull_and_compare(&self, client: &Client) -> Result<()> {
        let fetched = client.manifest(&self.repository, &self.by_tag()).await?;
        ensure!(
            fetched.bytes == self.manifest,
            "the manifest came back with other bytes"
        );
        for blob in self.blobs() {
            let digest = Digest::sha256(blob);
            let pulled = client
                .blob(&self.repository, &digest)
                .await?
                .bytes(BLOB_BYTES_MAX)
                .await?;
            ensure!(pulled == blob, "blob `{digest}` came back with other bytes");
        }
        Ok(())
    }
}

fn base_layer() -> Result<Layer> {
    let mut tar = Tar::new();
    for (path, content) in BASE_FILES {
        tar.file(path, content)?;
    }
    tar.link("etc/os-release", "../usr/lib/os-release")?;
    tar.pack()
}

fn python_layer() -> Result<Layer> {
    let mut tar = Tar::new();
    for (folder, metadata) in PYTHON_PACKAGES {
        tar.file(&format!("{PACKAGES_FOLDER}/{folder}/METADATA"), metadata)?;
        tar.file(&format!("{PACKAGES_FOLDER}/{folder}/INSTALLER"), b"pip\n")?;
    }
    tar.pack()
}

fn configuration(layers: &[Layer]) -> ImageConfig {
    let step = |instruction: &str, empty_layer| History {
        created: Some(MADE_AT_TEXT.to_owned()),
        created_by: Some(format!("{instruction} # buildkit")),
        comment: Some("buildkit.dockerfile.v0".to_owned()),
        empty_layer,
    };
    let run = PIP_INSTRUCTION.replacen("RUN ", "RUN /bin/sh -c ", 1);
    let cmd = ["python3.11", "-m", "http.server", "8000"]
        .map(str::to_owned)
        .to_vec();
    ImageConfig {
        os: "linux".to_owned(),
        architecture: "amd64".to_owned(),
        variant: None,
        created: Some(MADE_AT_TEXT.to_owned()),
        rootfs: RootFs {
            kind: "layers".to_owned(),
            diff_ids: layers.iter().map(|layer| layer.diff_id.clone()).collect(),
        },
        history: vec![
            step(BASE_INSTRUCTION, false),
            step("ENV PYTHONUNBUFFERED=1", true),
            step(&run, false),
            step("CMD [\"python3.11\" \"-m\" \"http.server\" \"8000\"]", true),
        ],
        config: Some(RunConfig {
            env: vec!["PYTHONUNBUFFERED=1".to_owned()],
            cmd,
            ..RunConfig::default()
        }),
    }
}

/// A layer while it is written: folders come before what is in them, and everything belongs to root.
struct Tar {
    builder: Builder<Vec<u8>>,
    folders: BTreeSet<String>,
}

impl Tar {
    fn new() -> Self {
        Self {
            builder: Builder::new(Vec::new()),
            folders: BTreeSet::new(),
        }
    }

    fn file(&mut self, path: &str, content: &[u8]) -> Result<()> {
        self.folders_of(path)?;
        self.entry(EntryType::Regular, path, 0o644, content)
    }

    fn link(&mut self, path: &str, target: &str) -> Result<()> {
        self.folders_of(path)?;
        let mut header = header(EntryType::Symlink, 0o777, 0);
        self.builder
            .append_link(&mut header, path, target)
            .with_context(|| format!("cannot pack `{path}`"))
    }

    fn folders_of(&mut self, path: &str) -> Result<()> {
        let mut parents: Vec<&Path> = Path::new(path)
            .ancestors()
            .skip(1)
            .filter(|parent| !parent.as_os_str().is_empty())
            .collect();
        parents.reverse();
        for parent in parents {
            let folder = format!("{}/", parent.display());
            if self.folders.insert(folder.clone()) {
                self.entry(EntryType::Directory, &folder, 0o755, &[])?;
            }
        }
        Ok(())
    }

    fn entry(&mut self, kind: EntryType, path: &str, mode: u32, content: &[u8]) -> Result<()> {
        let size = u64::try_from(content.len()).unwrap_or(u64::MAX);
        let mut header = header(kind, mode, size);
        self.builder
            .append_data(&mut header, path, content)
            .with_context(|| format!("cannot pack `{path}`"))
    }

    fn pack(self) -> Result<Layer> {
        let plain = self.builder.into_inner()?;
        let mut packed = GzBuilder::new()
            .mtime(0)
            .write(Vec::new(), Compression::default());
        std::io::Write::write_all(&mut packed, &plain)?;
        Ok(Layer {
            bytes: Bytes::from(packed.finish()?),
            diff_id: Digest::sha256(&plain),
        })
    }
}

fn header(kind: EntryType, mode: u32, size: u64) -> Header {
    let mut header = Header::new_ustar();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(size);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(MADE_AT);
    header
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::material::DEBIAN_PACKAGES_INSTALLED;
    use sbom::PackageKind;
    use scanner::Limits;

    #[test]
    fn the_same_bytes_every_time() {
        let [first, second] = [(); 2].map(|()| Image::assemble("shop/web", "1.0").unwrap());
        assert_eq!(first.digest, second.digest);
    }

    #[test]
    fn the_scanner_finds_what_was_packed() {
        let image = Image::assemble("shop/web", "1.0").unwrap();
        let config = ImageConfig::parse(&image.config).unwrap();
        let scan = |layer: &Layer| {
            let digest = Digest::sha256(&layer.bytes);
            scanner::scan_layer(
                layer.bytes.as_ref(),
                &digest,
                Some(&layer.diff_id),
                media::OCI_LAYER_GZIP,
                &Limits::default(),
            )
        };
        let layers: Vec<_> = image.layers.iter().map(scan).collect();
        let inventory = scanner::merge(&layers, Some(&config));
        assert!(inventory.is_complete(), "{:?}", inventory.problems);
        let count = |kind| {
            inventory
                .components
                .iter()
                .filter(|component| component.package.kind == kind)
                .count()
        };
        assert_eq!(count(PackageKind::Deb), DEBIAN_PACKAGES_INSTALLED);
        assert_eq!(count(PackageKind::PyPi), PYTHON_PACKAGES.len());
        let django = inventory
            .components
            .iter()
            .find(|component| component.package.name == "Django")
            .unwrap();
        assert_eq!(
            (django.layer_index, django.instruction.as_deref()),
            (1, Some(PIP_INSTRUCTION))
        );
    }
}
