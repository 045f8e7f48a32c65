//! Clients that push, mount and delete at random, collections in between and beside them, and a clock that moves: whatever
//! they do, what was acknowledged is whole, and at the end nothing is left that nothing needs.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use oci::{Digest, RepositoryName};
use policy::verb::{Delete, Pull, Push};
use store::catalogue::{self, Deleter};
use store::garbage;
use store::{Error, Store, Writer, blobs};
use tokio::sync::RwLock;

use super::{GRACE, collect, fixture, put};
use crate::fixture::{Fixture, Image, NOW, name, permit, put_at};

const REPOSITORIES: [&str; 3] = ["shop/web", "shop/api", "shop/db"];
const LAYERS: u64 = 12;

/// Numbers that follow from a seed: SplitMix64 (Steele, Lea and Flood, 2014).
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % limit
    }

    fn repository(&mut self) -> &'static str {
        let at = usize::try_from(self.below(3)).unwrap();
        REPOSITORIES[at]
    }
}

fn layer(number: u64) -> Vec<u8> {
    format!("layer {number}").into_bytes()
}

/// An image of one to three layers out of a few.
fn image(dice: &mut Dice) -> Image {
    let layers: BTreeSet<u64> = (0..=dice.below(3)).map(|_| dice.below(LAYERS)).collect();
    let layers: Vec<Vec<u8>> = layers.into_iter().map(layer).collect();
    let layers: Vec<&[u8]> = layers.iter().map(Vec::as_slice).collect();
    Image::with_layers(&dice.below(1_000).to_string(), &layers)
}

/// Pushes an image as clients do: what the server says it has is not sent. `between` comes before the manifest.
async fn push(
    store: &Store,
    repository: &str,
    image: &Image,
    now: &(dyn Fn() -> i64 + Sync),
    between: impl AsyncFnOnce(),
) {
    let permit = permit::<Push>(1, repository);
    let writer = Writer::Push(&permit);
    for blob in &image.blobs {
        let digest = Digest::sha256(blob);
        let told = catalogue::blob(store, &name(repository), &digest)
            .await
            .unwrap();
        if told.is_none()
            || !catalogue::keep_blob(store, &writer, &digest, now())
                .await
                .unwrap()
        {
            put(store, repository, blob, now()).await;
        }
    }
    between().await;
    let pushed = put_at(store, &writer, &["latest"], image, now())
        .await
        .unwrap();
    assert_eq!(
        pushed.absent_layers,
        [],
        "{repository}: a client was told of a layer that went before it could push"
    );
}

async fn mount(store: &Store, to: &str, from: &str, digest: &Digest, now: i64) {
    let (to, from) = (permit::<Push>(1, to), permit::<Pull>(1, from));
    catalogue::link_blob(store, &Writer::Push(&to), &from, digest, now)
        .await
        .unwrap();
}

async fn delete(store: &Store, repository: &str, digest: &Digest, now: i64) {
    let permit = permit::<Delete>(3, repository);
    match catalogue::delete_manifest(store, &Deleter::Image(&permit), digest, now).await {
        Ok(()) | Err(Error::NotFound { .. }) => {}
        Err(error) => panic!("{error}"),
    }
}

async fn delete_blob(store: &Store, repository: &str, digest: &Digest, now: i64) {
    let permit = permit::<Delete>(3, repository);
    match catalogue::unlink_blob(store, &permit, digest, now).await {
        Ok(()) | Err(Error::NotFound { .. } | Error::Conflict { .. }) => {}
        Err(error) => panic!("{error}"),
    }
}

/// Every manifest that is there has all its blobs, byte for byte.
async fn check_whole(store: &Store) {
    for repository in catalogue::repositories(store, None, 100).await.unwrap() {
        for held in catalogue::manifests(store, &repository, 10_000)
            .await
            .unwrap()
        {
            check_manifest(store, &repository, &held.digest).await;
        }
    }
}

async fn check_manifest(store: &Store, repository: &RepositoryName, digest: &Digest) {
    let reference = oci::Reference::Digest(digest.clone());
    let stored = catalogue::manifest(store, repository, &reference)
        .await
        .unwrap();
    let parsed = oci::Manifest::parse(&stored.unwrap().content, None).unwrap();
    let oci::Manifest::Image(image) = parsed else {
        return;
    };
    for descriptor in std::iter::once(&image.config).chain(&image.layers) {
        let held = catalogue::blob(store, repository, &descriptor.digest)
            .await
            .unwrap();
        assert!(
            held.is_some(),
            "{repository}@{digest} lacks {}",
            descriptor.digest
        );
        let content = blobs::open(store, &descriptor.digest).await.unwrap();
        assert_eq!(
            Digest::sha256(&content.bytes().await.unwrap()),
            descriptor.digest
        );
    }
}

/// After a grace in which nobody did anything, nothing is left that no manifest needs.
async fn check_nothing_is_left(fixture: &Fixture, now: i64) {
    check_whole(&fixture.store).await;
    collect(&fixture.store, now + GRACE + 1).await;
    check_whole(&fixture.store).await;
    for (what, text) in [
        (
            "a link that no manifest needs",
            "SELECT COUNT(*) FROM repository_blobs b WHERE NOT EXISTS (SELECT 1 FROM manifest_references r \
             WHERE r.repository_id = b.repository_id AND r.digest = b.digest)",
        ),
        (
            "a blob that nobody links",
            "SELECT COUNT(*) FROM blobs b WHERE NOT EXISTS (SELECT 1 FROM repository_blobs r WHERE r.digest = b.digest)",
        ),
        ("a discarded file", "SELECT COUNT(*) FROM discarded_files"),
    ] {
        assert_eq!(fixture.number(text).await, 0, "{what} is left");
    }
    let rows = fixture.number("SELECT COUNT(*) FROM blobs").await;
    assert_eq!(
        i64::try_from(fixture.blob_files().len()).unwrap(),
        rows,
        "files and rows"
    );
}

#[tokio::test]
async fn one_after_the_other() {
    for seed in 1..=3 {
        let fixture = fixture().await;
        let store = &fixture.store;
        let clock = AtomicI64::new(NOW);
        let now = || clock.load(Ordering::Relaxed);
        let mut dice = Dice(seed);
        let mut pushed: Vec<(&str, Digest)> = Vec::new();
        for _ in 0..150 {
            clock.fetch_add(i64::try_from(dice.below(4_000)).unwrap(), Ordering::Relaxed);
            match dice.below(10) {
                0..=3 => {
                    let (repository, image) = (dice.repository(), image(&mut dice));
                    // As long as the promise holds, and with a collection before the manifest comes.
                    let wait = i64::try_from(dice.below(GRACE.unsigned_abs() / 2)).unwrap();
                    push(store, repository, &image, &now, async || {
                        clock.fetch_add(wait, Ordering::Relaxed);
                        collect(store, now()).await;
                    })
                    .await;
                    pushed.push((repository, image.digest));
                }
                4 => {
                    let digest = Digest::sha256(&layer(dice.below(LAYERS)));
                    mount(store, dice.repository(), dice.repository(), &digest, now()).await;
                }
                5 => {
                    let content = layer(dice.below(LAYERS));
                    put(store, dice.repository(), &content, now()).await;
                }
                6 | 7 if !pushed.is_empty() => {
                    let at = dice.below(u64::try_from(pushed.len()).unwrap());
                    let (repository, digest) = pushed.swap_remove(usize::try_from(at).unwrap());
                    delete(store, repository, &digest, now()).await;
                }
                8 => {
                    let digest = Digest::sha256(&layer(dice.below(LAYERS)));
                    delete_blob(store, dice.repository(), &digest, now()).await;
                }
                _ => drop(collect(store, now()).await),
            }
        }
        check_nothing_is_left(&fixture, now()).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn all_at_once() {
    let fixture = fixture().await;
    let clock = Arc::new(AtomicI64::new(NOW));
    // Held by a push from its first question to its manifest: the clock does not move by more than the promise meanwhile.
    let pushing = Arc::new(RwLock::new(()));
    let clients: Vec<_> = (0..4)
        .map(|seed| {
            let (store, clock, pushing) = (
                fixture.store.clone(),
                Arc::clone(&clock),
                Arc::clone(&pushing),
            );
            tokio::spawn(async move { client(&store, seed, &clock, &pushing).await })
        })
        .collect();
    let collector = {
        let (store, clock) = (fixture.store.clone(), Arc::clone(&clock));
        tokio::spawn(async move {
            let mut removed = 0;
            while Arc::strong_count(&clock) > 2 {
                let now = Arc::clone(&clock);
                let done = garbage::collect_now(&store, false, &|| now.load(Ordering::Relaxed))
                    .await
                    .unwrap();
                removed += done.blobs;
            }
            removed
        })
    };
    for client in clients {
        client.await.unwrap();
    }
    let removed = collector.await.unwrap();
    assert!(removed > 5, "the collector found only {removed} blobs");
    check_nothing_is_left(&fixture, clock.load(Ordering::Relaxed)).await;
}

async fn client(store: &Store, seed: u64, clock: &AtomicI64, pushing: &RwLock<()>) {
    let mut dice = Dice(seed);
    let now = || clock.load(Ordering::Relaxed);
    let mut pushed: Vec<(&str, Digest)> = Vec::new();
    for _ in 0..60 {
        match dice.below(10) {
            0..=4 => {
                let (repository, image) = (dice.repository(), image(&mut dice));
                let guard = pushing.read().await;
                push(store, repository, &image, &now, async || {}).await;
                drop(guard);
                pushed.push((repository, image.digest));
            }
            5 => {
                let digest = Digest::sha256(&layer(dice.below(LAYERS)));
                mount(store, dice.repository(), dice.repository(), &digest, now()).await;
            }
            6..=8 if !pushed.is_empty() => {
                let at = dice.below(u64::try_from(pushed.len()).unwrap());
                let (repository, digest) = pushed.swap_remove(usize::try_from(at).unwrap());
                delete(store, repository, &digest, now()).await;
            }
            _ => {
                let _guard = pushing.write().await;
                clock.fetch_add(GRACE + 1, Ordering::Relaxed);
            }
        }
    }
}
