//! Whose bytes are read: an image is taken apart for the repositories that hold it, from what they hold.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use store::inventories::{ImageState, StoredImage};
use tempfile::TempDir;

use super::*;
use crate::testing::{Server, put, put_blob};

const NOW: i64 = 1_800_000_000_000;
const FOREIGN: &str = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";

struct World {
    context: Context,
    folder: TempDir,
}

impl World {
    async fn new() -> Self {
        let Server {
            context, folder, ..
        } = Server::at(NOW).await;
        Self { context, folder }
    }

    async fn blob(&self, repository: &str, content: &[u8]) {
        put_blob(&self.context, repository, content).await;
    }

    /// Stores the manifest of an image with one layer, and its configuration, but not the layer.
    async fn image(&self, repository: &str, layer_type: &str, layer: &[u8]) -> Digest {
        let diff_id = Digest::sha256(layer);
        let config = format!(
            r#"{{"architecture":"amd64","os":"linux","rootfs":{{"type":"layers","diff_ids":["{diff_id}"]}}}}"#
        );
        self.blob(repository, config.as_bytes()).await;
        let manifest = Manifest::Image(ImageManifest::new(
            Descriptor::of(media::OCI_CONFIG, config.as_bytes()),
            vec![Descriptor::of(layer_type, layer)],
        ));
        self.manifest(repository, &manifest).await
    }

    async fn manifest(&self, repository: &str, manifest: &Manifest) -> Digest {
        put(&self.context, repository, manifest).await
    }

    /// The file of a blob of one repository's, at its place of now.
    fn file(&self, digest: &Digest) -> PathBuf {
        let shard = format!("blobs/sha256/{}", &digest.hex()[..2]);
        let mut files = fs::read_dir(self.folder.path().join(shard)).unwrap();
        let is_its = |path: &PathBuf| path.to_string_lossy().contains(digest.hex());
        files
            .find_map(|file| Some(file.unwrap().path()).filter(is_its))
            .unwrap()
    }

    /// Does the work, and answers what is then known in a repository.
    async fn indexed(&self, repository: &str, digest: &Digest) -> Option<StoredImage> {
        let store = &self.context.store;
        let payload = Image {
            digest: digest.clone(),
        };
        index(&self.context, &payload).await.unwrap();
        let name = repository.parse().unwrap();
        let id = catalogue::repository(store, &name).await.unwrap().unwrap();
        inventories::image(store, id, digest).await.unwrap()
    }
}

fn problems(image: &StoredImage) -> Vec<ProblemKind> {
    let problems = image.inventory.problems.iter();
    problems.map(|problem| problem.kind).collect()
}

/// Two empty blocks: an archive without entries, which is a complete layer.
fn layer() -> Vec<u8> {
    vec![0; 1_024]
}

#[tokio::test]
async fn an_image_without_its_layer_is_not_taken_apart_before_the_layer_is_in_its_repository() {
    let world = World::new().await;
    let image = world
        .image("shop/web", media::OCI_LAYER_TAR, &layer())
        .await;
    world.blob("secret/web", &layer()).await;
    assert_eq!(world.indexed("shop/web", &image).await, None);
    world.blob("shop/web", &layer()).await;
    let indexed = world.indexed("shop/web", &image).await.unwrap();
    assert_eq!(indexed.state, ImageState::Complete);
}

#[tokio::test]
async fn a_foreign_layer_is_read_only_from_a_repository_that_holds_the_image() {
    let world = World::new().await;
    let image = world.image("shop/web", FOREIGN, &layer()).await;
    // Another repository has the bytes, and another image with them was read.
    world.blob("secret/web", &layer()).await;
    let other = world
        .image("secret/web", media::OCI_LAYER_TAR, &layer())
        .await;
    let whole = world.indexed("secret/web", &other).await.unwrap();
    assert_eq!(whole.state, ImageState::Complete);

    let indexed = world.indexed("shop/web", &image).await.unwrap();
    assert_eq!(problems(&indexed), [ProblemKind::ForeignLayer]);
    world.blob("shop/web", &layer()).await;
    let indexed = world.indexed("shop/web", &image).await.unwrap();
    assert_eq!(problems(&indexed), []);
}

#[tokio::test]
async fn of_several_repositories_the_one_that_holds_most_is_read() {
    // Whoever pushes the manifest alone elsewhere makes no image of others incomplete.
    let world = World::new().await;
    let image = world.image("shop/web", FOREIGN, &layer()).await;
    world.blob("shop/web", &layer()).await;
    world.image("a/copy", FOREIGN, &layer()).await;
    let indexed = world.indexed("shop/web", &image).await.unwrap();
    assert_eq!(problems(&indexed), []);
}

#[tokio::test]
async fn a_disk_that_does_not_give_the_bytes_says_nothing_about_the_image() {
    let world = World::new().await;
    // Without bytes, so that their file can be one that opens and fails where it is read.
    let nothing = Digest::sha256(b"");
    let layered = world.image("shop/web", media::OCI_LAYER_TAR, b"").await;
    world.blob("shop/web", b"").await;
    let manifest = Manifest::Image(ImageManifest::new(
        Descriptor::of(media::OCI_CONFIG, b""),
        Vec::new(),
    ));
    let configured = world.manifest("shop/web", &manifest).await;
    let file = world.file(&nothing);
    fs::remove_file(&file).unwrap();
    symlink("/proc/self/mem", &file).unwrap();
    for digest in [&layered, &configured] {
        let payload = Image {
            digest: digest.clone(),
        };
        let outcome = index(&world.context, &payload).await;
        assert!(
            matches!(outcome, Err(Error::Store(store::Error::Io { .. }))),
            "{outcome:?}"
        );
    }
    fs::remove_file(&file).unwrap();
    fs::write(&file, b"").unwrap();
    let indexed = world.indexed("shop/web", &layered).await.unwrap();
    assert_eq!(problems(&indexed), []);
}
