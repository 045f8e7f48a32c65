//! Clients that push, mount, delete and read at random, a collector that is asked again and again with a grace of seconds, and
//! `kill -9` in between: what was acknowledged pulls byte for byte all the time, and at the end nothing is left that no image
//! needs. The real program over HTTP.
//!
//! `COUNTERSIGN_CHAOS_SECONDS` says for how long (40), `COUNTERSIGN_CHAOS_KILL_SECONDS` how often it is killed (10),
//! `COUNTERSIGN_CHAOS_SEED` where the dice begin.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test says by a panic that it fails"
)]

#[path = "world/program.rs"]
mod world;

use bytes::Bytes;
use client::api::garbage::AskCollection;
use client::distribution::{Content, Mounted};
use client::{Client, Error};
use oci::{Digest, Manifest, Reference, RepositoryName, Tag, media};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use world::{Dice, Image, Server, json, program};

const CLIENTS: u64 = 8;
const REPOSITORIES: [&str; 4] = ["shop/web", "shop/api", "shop/db", "tools"];
/// Layers that all images are made of: few enough to be shared, mounted, and given up again.
const LAYERS: u64 = 40;
const GRACE: &str = "5s";
const BLOB_BYTES_MAX: u64 = 4 << 20;

#[test]
fn what_was_acknowledged_is_whole_and_nothing_else_is_left() {
    let seconds = setting("COUNTERSIGN_CHAOS_SECONDS", 40);
    let kill_seconds = setting("COUNTERSIGN_CHAOS_KILL_SECONDS", 10).max(1);
    let seed = setting("COUNTERSIGN_CHAOS_SEED", 1);
    let mut server = Server::start(&["--gc-grace", GRACE]);
    let counts = Arc::new(Counts::default());
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(4)
        .enable_all()
        .build()
        .unwrap();
    let token = server.token(&runtime);
    let clients: Vec<_> = (0..CLIENTS)
        .map(|number| {
            let one = Actor::new(
                server.client_with(&token),
                number,
                seed,
                Arc::clone(&counts),
            );
            runtime.spawn(one.act())
        })
        .collect();
    let collector = runtime.spawn(collect(server.client_with(&token), Arc::clone(&counts)));
    let end = Instant::now() + Duration::from_secs(seconds);
    while Instant::now() < end {
        std::thread::sleep(Duration::from_secs(kill_seconds).min(end - Instant::now()));
        server.kill();
        counts.kills.fetch_add(1, Ordering::Relaxed);
        server.restart();
    }
    counts.ended.store(true, Ordering::Relaxed);
    let mut kept = Vec::new();
    for client in clients {
        kept.extend(runtime.block_on(client).unwrap().kept);
    }
    runtime.block_on(collector).unwrap();
    println!("chaos: {counts:?}, {} images kept", kept.len());
    assert!(
        counts.pushed.load(Ordering::Relaxed) > 4 * CLIENTS,
        "hardly anything was pushed"
    );
    assert!(
        counts.deleted.load(Ordering::Relaxed) > CLIENTS,
        "hardly anything was deleted"
    );

    let client = server.client_with(&token);
    for (repository, image) in &kept {
        runtime
            .block_on(check_pulls(&client, repository, image))
            .unwrap();
    }
    let needed = runtime.block_on(needed(&client));
    server.stop();
    let freed = settle(server.data());
    println!("chaos: {freed} blobs were left to the last collection");
    let report = json(&program(&["check", "-o", "json"], server.data()));
    assert_eq!(report["faults"], serde_json::json!([]), "{report}");
    let strays = report["strays"].as_u64().unwrap();
    let files = blobs_on_disk(&server.data().join("blobs"));
    assert_eq!(
        u64::try_from(files.len()).unwrap(),
        u64::try_from(needed.len()).unwrap() + strays,
        "files for which no image is there, but for those that a kill left without a row"
    );
    let held: BTreeSet<&String> = files.iter().collect();
    for digest in &needed {
        assert!(held.contains(digest), "{digest} is needed and not there");
    }
    let verified = program(&["audit", "verify"], server.data());
    assert!(verified.status.success(), "{verified:?}");
    // A cut leaves at most what was being uploaded.
    let cuts = counts.kills.load(Ordering::Relaxed) * CLIENTS;
    assert!(
        strays <= cuts,
        "{strays} files without a row after {cuts} cuts"
    );
}

fn setting(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text
            .parse()
            .unwrap_or_else(|_| panic!("{name}={text} is no number")),
        Err(_) => default,
    }
}

/// What happened.
#[derive(Debug, Default)]
struct Counts {
    ended: AtomicBool,
    kills: AtomicU64,
    pushed: AtomicU64,
    mounted: AtomicU64,
    told: AtomicU64,
    /// Pushes that took longer than half a grace, so that a layer they were told of had gone.
    late: AtomicU64,
    deleted: AtomicU64,
    read: AtomicU64,
    cut: AtomicU64,
    collections: AtomicU64,
}

/// A client with dice of its own.
struct Actor {
    client: Client,
    number: u64,
    dice: Dice,
    counts: Arc<Counts>,
    pushes: u64,
    kept: Vec<(RepositoryName, Image)>,
}

impl Actor {
    fn new(client: Client, number: u64, seed: u64, counts: Arc<Counts>) -> Self {
        Self {
            client,
            number,
            dice: Dice(seed.wrapping_mul(1_000_003).wrapping_add(number)),
            counts,
            pushes: 0,
            kept: Vec::new(),
        }
    }

    async fn act(mut self) -> Self {
        while !self.counts.ended.load(Ordering::Relaxed) {
            let done = match self.dice.below(10) {
                0..=4 => self.push().await,
                5..=7 => self.delete().await,
                _ => self.read().await,
            };
            if let Err(error) = done {
                assert!(is_cut(&error), "client {}: {error:?}", self.number);
                self.counts.cut.fetch_add(1, Ordering::Relaxed);
                // The server is down for a moment.
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        self
    }

    async fn push(&mut self) -> Result<(), Error> {
        let repository = self.repository();
        let count = 1 + self.dice.below(3);
        let layers: Vec<u64> = (0..count).map(|_| self.dice.below(LAYERS)).collect();
        self.pushes += 1;
        let image = Image::new(&format!("{}-{}", self.number, self.pushes), &layers);
        for (digest, bytes) in &image.blobs {
            self.bring(&repository, digest, bytes).await?;
        }
        let tag: Tag = image.tag.parse().unwrap();
        let mut tries = 0;
        loop {
            let pushed = self
                .client
                .put_manifest(
                    &repository,
                    &Reference::Tag(tag.clone()),
                    media::OCI_MANIFEST,
                    image.content.clone(),
                )
                .await;
            let is_whole = match pushed {
                Ok(pushed) => pushed.warnings.is_empty(),
                // Its configuration has gone: as with a layer, but it must be there first.
                Err(Error::Refused(refused)) if refused.code == "MANIFEST_BLOB_UNKNOWN" => false,
                Err(error) => return Err(error),
            };
            if is_whole {
                break;
            }
            self.counts.late.fetch_add(1, Ordering::Relaxed);
            tries += 1;
            assert!(tries < 5, "{repository}:{tag} is never whole");
            for (digest, bytes) in &image.blobs {
                self.client
                    .put_blob(&repository, digest, Content::from(bytes.clone()))
                    .await?;
            }
        }
        self.counts.pushed.fetch_add(1, Ordering::Relaxed);
        self.kept.push((repository, image));
        Ok(())
    }

    /// Has a blob in a repository the way clients do: mounted, or there already, or sent.
    async fn bring(
        &mut self,
        repository: &RepositoryName,
        digest: &Digest,
        bytes: &Bytes,
    ) -> Result<(), Error> {
        if self.dice.below(3) == 0 {
            let from = self.repository();
            match self.client.mount_blob(repository, digest, &from).await? {
                Mounted::Done => {
                    self.counts.mounted.fetch_add(1, Ordering::Relaxed);
                    return Ok(());
                }
                Mounted::Upload(upload) => {
                    let upload = upload.write(Content::from(bytes.clone())).await?;
                    return upload.finish(digest).await;
                }
            }
        }
        if self.client.head_blob(repository, digest).await?.is_some() {
            self.counts.told.fetch_add(1, Ordering::Relaxed);
            return Ok(());
        }
        let content = Content::from(bytes.clone());
        self.client.put_blob(repository, digest, content).await
    }

    async fn delete(&mut self) -> Result<(), Error> {
        if self.kept.len() < 3 {
            return Ok(());
        }
        let at = self.dice.below(u64::try_from(self.kept.len()).unwrap());
        // From here on nobody knows whether it is there, until the answer.
        let (repository, image) = self.kept.swap_remove(usize::try_from(at).unwrap());
        let reference = Reference::Digest(image.digest);
        self.client.delete_manifest(&repository, &reference).await?;
        self.counts.deleted.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    async fn read(&mut self) -> Result<(), Error> {
        if self.kept.is_empty() {
            return Ok(());
        }
        let at = self.dice.below(u64::try_from(self.kept.len()).unwrap());
        let (repository, image) = &self.kept[usize::try_from(at).unwrap()];
        check_pulls(&self.client, repository, image).await?;
        self.counts.read.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    fn repository(&mut self) -> RepositoryName {
        let at = usize::try_from(self.dice.below(4)).unwrap();
        REPOSITORIES[at].parse().unwrap()
    }
}

/// Whether a failure is that of a server that was killed or is not up yet. Everything that a server answers counts.
fn is_cut(error: &Error) -> bool {
    !matches!(error, Error::Refused(_) | Error::DigestMismatch { .. })
}

/// An image pulls byte for byte; what is not there, or is other bytes, is a failure that no kill explains.
async fn check_pulls(
    client: &Client,
    repository: &RepositoryName,
    image: &Image,
) -> Result<(), Error> {
    let reference = Reference::Digest(image.digest.clone());
    let fetched = client.manifest(repository, &reference).await?;
    assert_eq!(fetched.bytes, image.content);
    for (digest, bytes) in &image.blobs {
        let found = client
            .blob(repository, digest)
            .await?
            .bytes(BLOB_BYTES_MAX)
            .await?;
        assert!(found == *bytes, "{repository}: {digest} is other bytes");
    }
    Ok(())
}

/// Asks for one collection after the other.
async fn collect(client: Client, counts: Arc<Counts>) {
    let mut round = 0_u64;
    while !counts.ended.load(Ordering::Relaxed) {
        round += 1;
        let ask = AskCollection {
            sweep: round.is_multiple_of(5),
            dry_run: false,
        };
        match client.collect(&ask).await {
            Ok(_) => {
                counts.collections.fetch_add(1, Ordering::Relaxed);
            }
            Err(error) => assert!(is_cut(&error), "{error:?}"),
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}

/// The digests of all blobs that an image of the server needs, as its own lists have it: also of those whose push or delete
/// was cut off.
async fn needed(client: &Client) -> BTreeSet<String> {
    let mut needed = BTreeSet::new();
    for repository in REPOSITORIES {
        let repository: RepositoryName = repository.parse().unwrap();
        let tags = match client.tags(&repository).await {
            Err(error) if error.is_not_found() => continue,
            outcome => outcome.unwrap(),
        };
        for tag in tags {
            let fetched = client
                .manifest(&repository, &Reference::Tag(tag))
                .await
                .unwrap();
            let Manifest::Image(image) = fetched.manifest else {
                panic!("nobody pushed an index");
            };
            needed.extend(
                std::iter::once(&image.config)
                    .chain(&image.layers)
                    .map(|descriptor| descriptor.digest.hex().to_owned()),
            );
        }
    }
    needed
}

/// Collects in the folder until a grace has passed in which nothing was left to take. Answers the blobs that went.
fn settle(data: &Path) -> u64 {
    let mut gone = 0;
    for _ in 0..30 {
        let done = json(&program(
            &["gc", "--sweep", "--gc-grace", "1s", "-o", "json"],
            data,
        ));
        let count = |name: &str| done[name].as_u64().unwrap();
        gone += count("blobs");
        let young = json(&program(
            &["gc", "--dry-run", "--gc-grace", "0s", "-o", "json"],
            data,
        ));
        if young["links"] == 0 && young["blobs"] == 0 && young["files"] == 0 {
            return gone;
        }
        std::thread::sleep(Duration::from_millis(500));
    }
    panic!("the collector leaves something for ever");
}

/// The digests of the files below a folder, a digest as often as it has files.
fn blobs_on_disk(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(blobs_on_disk(&path));
        } else {
            let name = path.file_name().unwrap().to_str().unwrap();
            found.push(name.split('.').next().unwrap().to_owned());
        }
    }
    found
}
