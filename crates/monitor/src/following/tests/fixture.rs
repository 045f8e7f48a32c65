//! A store with its registry, a client that uploads in pieces, and layers to upload.

use super::*;
use crate::testing::{self, Server};
use oci::{Descriptor, ImageManifest, Manifest, Reference};
use policy::verb::{Attach, Push};
use policy::{Permit, Role, Verb};
use registry::{NewManifest, PushPermits, Registry, Session, Upload};
use std::io::Write;
use std::time::Duration;
use store::catalogue;
use store::inventories::ImageState;
use tokio::task::JoinHandle;

const NOW: i64 = 1_780_000_000_000;

pub(super) struct Fixture {
    pub(super) context: Context,
    pub(super) stop: CancellationToken,
    folder: tempfile::TempDir,
}

impl Fixture {
    pub(super) async fn new() -> Fixture {
        let Server {
            context, folder, ..
        } = Server::at(NOW).await;
        Fixture {
            context,
            stop: CancellationToken::new(),
            folder,
        }
    }

    /// Begins an upload that arrives in pieces of so many bytes.
    pub(super) async fn upload(&self, piece: usize) -> Pushing<'_> {
        let permit = permit::<Attach>();
        let started = self
            .context
            .registry
            .start_upload(&permit, oci::Algorithm::Sha256, NOW)
            .await;
        Pushing {
            registry: &self.context.registry,
            permit,
            session: started.unwrap(),
            piece,
        }
    }

    /// Follows the upload that is there, beside the test.
    pub(super) async fn follow(&self) -> JoinHandle<()> {
        let (turn, growing) = soon(next(&self.context)).await;
        let (context, stop) = (self.context.clone(), self.stop.clone());
        tokio::spawn(async move {
            follow_one(&context, turn, growing, &stop).await.unwrap();
        })
    }

    /// Pushes the manifest of an image with this layer, which is there already.
    pub(super) async fn push_image(&self, layer: &[u8]) -> Digest {
        let config = format!(
            r#"{{"architecture":"amd64","os":"linux","rootfs":{{"type":"layers","diff_ids":["{}"]}}}}"#,
            scanned(layer).diff_id
        );
        let mut pushing = self.upload(1_000).await;
        pushing.write(config.as_bytes()).await;
        let digest = Digest::sha256(config.as_bytes());
        pushing.finish(&digest).await.unwrap();
        let manifest = Manifest::Image(ImageManifest::new(
            Descriptor::of(media::OCI_CONFIG, config.as_bytes()),
            vec![Descriptor::of(media::OCI_LAYER_GZIP, layer)],
        ));
        let permits = PushPermits {
            push: Some(permit::<Push>()),
            attach: permit::<Attach>(),
        };
        let new = NewManifest {
            reference: &Reference::Tag("1".parse().unwrap()),
            extra_tags: &[],
            content_type: Some(media::OCI_MANIFEST),
            content: manifest.to_bytes().into(),
        };
        let stored = self
            .context
            .registry
            .put_manifest(&permits, new, NOW)
            .await
            .unwrap();
        stored.digest
    }

    /// Takes a blob's bytes away, so that whoever reads them finds none.
    pub(super) fn remove_blob(&self, blob: &[u8]) {
        let digest = Digest::sha256(blob);
        let (shard, _) = digest.hex().split_at(2);
        let path = self.folder.path().join("blobs/sha256").join(shard);
        for entry in std::fs::read_dir(path).unwrap() {
            let entry = entry.unwrap();
            if entry
                .file_name()
                .to_str()
                .unwrap()
                .starts_with(digest.hex())
            {
                std::fs::remove_file(entry.path()).unwrap();
            }
        }
    }

    /// What is kept of a layer.
    pub(super) async fn kept(&self, blob: &[u8]) -> Option<LayerInventory> {
        let digest = Digest::sha256(blob);
        inventories::layer(&self.context.store, &digest, scanner::SCANNER_VERSION)
            .await
            .unwrap()
    }

    /// The image's inventory is there, and holds the package of [`layer`].
    pub(super) async fn assert_complete(&self, image: &Digest) {
        let store = &self.context.store;
        let repository = permit::<Push>().repository().unwrap().clone();
        let id = catalogue::repository(store, &repository).await.unwrap();
        let found = inventories::image(store, id.unwrap(), image).await;
        let found = found.unwrap().expect("the image is indexed");
        assert_eq!(found.state, ImageState::Complete, "{:?}", found.inventory);
        assert_eq!(found.inventory.components.len(), 1);
    }
}

/// A client in the middle of an upload.
pub(super) struct Pushing<'a> {
    registry: &'a Registry,
    permit: Permit<Attach>,
    session: Session,
    piece: usize,
}

impl Pushing<'_> {
    /// One request.
    pub(super) async fn write(&mut self, bytes: &[u8]) {
        let pieces: Vec<_> = bytes
            .chunks(self.piece)
            .map(|piece| Ok(bytes::Bytes::copy_from_slice(piece)))
            .collect();
        let stream = futures_util::stream::iter(pieces);
        let upload = self.open().write(None, stream).await.unwrap();
        upload.keep().await.unwrap();
    }

    fn open(&self) -> Upload {
        self.registry
            .open_upload(&self.permit, &self.session, NOW)
            .unwrap()
    }

    pub(super) async fn finish(&self, digest: &Digest) -> registry::Result<()> {
        self.open().finish(digest, NOW).await
    }

    pub(super) async fn cancel(&self) {
        self.open().cancel().await.unwrap();
    }
}

/// What comes about at once, or the test fails.
pub(super) async fn soon<T>(future: impl Future<Output = T>) -> T {
    let end = tokio::time::timeout(Duration::from_secs(60), future).await;
    end.expect("this should not take long")
}

/// An archive with a Python package behind so many bytes that do not compress.
pub(super) fn layer(filler_bytes: usize, seed: u64) -> Vec<u8> {
    // xorshift: the same bytes for the same seed.
    let mut state = seed | 1;
    let mut filler = vec![0; filler_bytes];
    for byte in &mut filler {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        *byte = state.to_le_bytes()[0];
    }
    let mut archive = tar::Builder::new(Vec::new());
    let metadata = b"Metadata-Version: 2.1\nName: Jinja2\nVersion: 2.10\n";
    let files: [(&str, &[u8]); 2] = [
        ("opt/filler", &filler),
        ("opt/jinja2-2.10.egg-info", metadata),
    ];
    for (path, content) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, path, content).unwrap();
    }
    archive.into_inner().unwrap()
}

pub(super) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub(super) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

/// An hour's permit for everything.
fn permit<V: Verb>() -> Permit<V> {
    testing::permit(Role::Writer, Some("shop/web"), NOW)
}
