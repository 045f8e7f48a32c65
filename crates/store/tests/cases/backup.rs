//! A backup beside those who write, and what becomes of it elsewhere: everything that was acknowledged before it began.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use oci::{Digest, Reference};
use policy::verb::Delete;
use store::backup::{self, Now, Restored, Taken, Taking};
use store::catalogue::{self, Deleter};
use store::check::{self, Checking};
use store::{Error, Options, Store, audit, blobs, garbage};

use crate::database::Database;
use crate::fixture::{Fixture, Image, NOW, name, permit, push, push_at};

fn taking(to: &Path, name: &str) -> Taking {
    Taking {
        to: to.to_path_buf(),
        name: name.to_owned(),
        hard_links: false,
        version: "0".to_owned(),
    }
}

pub(super) async fn take(fixture: &Fixture, name: &str) -> Taken {
    let to = fixture.folder.path().join("backups");
    let now: Now = Arc::new(|| NOW);
    backup::take(&fixture.options, &taking(&to, name), &Arc::default(), &now)
        .await
        .unwrap()
}

/// A folder and a database that were restored.
pub(super) struct Elsewhere {
    pub(super) options: Options,
    restored: Restored,
}

pub(super) async fn restore(fixture: &Fixture, snapshot: Option<&str>) -> Elsewhere {
    let options = elsewhere(fixture).await;
    std::fs::create_dir(&options.data).unwrap();
    std::fs::copy(fixture.path("master.key"), options.data.join("master.key")).unwrap();
    let from = fixture.folder.path().join("backups");
    let restored = backup::restore(&from, snapshot, &options, &Arc::default())
        .await
        .unwrap();
    Elsewhere { options, restored }
}

async fn elsewhere(fixture: &Fixture) -> Options {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    Options {
        database: Database::create().await.url(),
        ..Options::embedded(fixture.folder.path().join(format!("elsewhere-{number}")))
    }
}

/// `countersign check` and `countersign audit verify` have nothing to say.
pub(super) async fn verify(options: &Options) {
    let checking = Checking {
        bytes_per_second: None,
        remember: false,
    };
    let report = check::check(options, &checking, &Arc::default(), &|| NOW)
        .await
        .unwrap();
    assert!(report.is_whole(), "{report:#?}");
    let report = audit::verify(options, None).await.unwrap();
    assert!(report.is_intact(), "{report:#?}");
}

#[tokio::test]
async fn a_backup_holds_everything_but_keys_and_is_restored_elsewhere() {
    let fixture = Fixture::new().await;
    let images = [Image::new("a"), Image::new("b")];
    fixture.push("shop/web", &["1"], &images[0]).await;
    fixture.push("shop/web", &["2"], &images[1]).await;
    audit::seal(&fixture.store, NOW).await.unwrap();
    let taken = take(&fixture, "20260528T200000Z").await;
    assert_eq!((taken.copied, taken.manifest.blobs), (4, 4));
    assert_eq!(taken.manifest.damaged, []);
    for path in files(&fixture.folder.path().join("backups")) {
        let text = path.to_string_lossy().into_owned();
        assert!(!text.ends_with(".key") && !text.contains("tls"), "{text}");
        assert!(!text.contains(".new-"), "{text}");
    }
    let elsewhere = restore(&fixture, None).await;
    assert!(elsewhere.restored.has_master_key);
    verify(&elsewhere.options).await;
    let store = Store::open(&elsewhere.options).await.unwrap();
    for (tag, image) in [("1", &images[0]), ("2", &images[1])] {
        let reference = Reference::Tag(tag.parse().unwrap());
        let stored = catalogue::manifest(&store, &name("shop/web"), &reference).await;
        assert_eq!(stored.unwrap().unwrap().content, image.content);
        for blob in &image.blobs {
            let content = blobs::open(&store, &Digest::sha256(blob)).await.unwrap();
            assert_eq!(content.bytes().await.unwrap(), *blob);
        }
    }
    // It goes on as a server of its own: numbers, keys and the log.
    push(&store, "shop/web", &["3"], &Image::new("c")).await;
    audit::seal(&store, NOW).await.unwrap();
    store.close().await;
    verify(&elsewhere.options).await;
}

#[tokio::test]
async fn what_is_there_is_not_copied_again_and_old_snapshots_stay() {
    let fixture = Fixture::new().await;
    fixture.push("shop/web", &["1"], &Image::new("a")).await;
    take(&fixture, "1").await;
    let permit = permit::<Delete>(3, "shop/web");
    catalogue::delete_manifest(
        &fixture.store,
        &Deleter::Image(&permit),
        &Image::new("a").digest,
        NOW,
    )
    .await
    .unwrap();
    fixture.push("shop/web", &["2"], &Image::new("b")).await;
    let second = take(&fixture, "2").await;
    assert_eq!((second.copied, second.manifest.blobs), (2, 4));
    assert!(take(&fixture, "2").await.snapshot.ends_with("2-002"));
    for (snapshot, tag) in [(Some("1"), "1"), (None, "2")] {
        let elsewhere = restore(&fixture, snapshot).await;
        let store = Store::open(&elsewhere.options).await.unwrap();
        let tags = catalogue::tags(&store, &name("shop/web"), None, 10)
            .await
            .unwrap();
        assert_eq!(tags, Some(vec![tag.parse().unwrap()]));
        store.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn everything_acknowledged_before_is_in_it_beside_writers_and_a_collector() {
    let fixture = Fixture::with(|options| Options {
        grace: Duration::from_millis(40),
        ..options
    })
    .await;
    // Images that are deleted at once, so that the collector has something to take while blobs are copied. Each push moves the
    // clock by one, so that nobody's blobs are older than the grace before their manifest comes.
    let clock = Arc::new(AtomicI64::new(NOW));
    let ended = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..4)
        .map(|writer| {
            let (store, clock, ended) = (
                fixture.store.clone(),
                Arc::clone(&clock),
                Arc::clone(&ended),
            );
            tokio::spawn(async move {
                let repository = format!("shop/{writer}");
                let deleter = permit::<Delete>(3, &repository);
                for number in 0_u64.. {
                    if ended.load(Ordering::Relaxed) {
                        break;
                    }
                    let image = Image::new(&format!("{writer} {number}"));
                    let now = clock.fetch_add(1, Ordering::Relaxed);
                    push_at(&store, &repository, &["latest"], &image, now).await;
                    if number % 2 == 0 {
                        let deleter = Deleter::Image(&deleter);
                        catalogue::delete_manifest(&store, &deleter, &image.digest, now)
                            .await
                            .unwrap();
                    }
                }
            })
        })
        .collect();
    let collector = {
        let (store, clock, ended) = (
            fixture.store.clone(),
            Arc::clone(&clock),
            Arc::clone(&ended),
        );
        tokio::spawn(async move {
            while !ended.load(Ordering::Relaxed) {
                let now = Arc::clone(&clock);
                garbage::collect_now(&store, false, &move || now.load(Ordering::Relaxed))
                    .await
                    .unwrap();
                audit::seal(&store, NOW).await.unwrap();
            }
        })
    };
    let mut acknowledged = Vec::new();
    for number in 0..10 {
        let image = Image::new(&format!("kept {number}"));
        push_at(
            &fixture.store,
            "kept",
            &[&format!("t{number}")],
            &image,
            clock.load(Ordering::Relaxed),
        )
        .await;
        acknowledged.push(image);
    }
    let snapshots = [take(&fixture, "1").await, take(&fixture, "2").await];
    ended.store(true, Ordering::Relaxed);
    for writer in writers {
        writer.await.unwrap();
    }
    collector.await.unwrap();
    for (taken, snapshot) in snapshots.iter().zip(["1", "2"]) {
        assert_eq!(
            taken.manifest.damaged,
            [],
            "a blob went while it was copied"
        );
        let elsewhere = restore(&fixture, Some(snapshot)).await;
        assert_eq!(elsewhere.restored.damaged, []);
        verify(&elsewhere.options).await;
        let store = Store::open(&elsewhere.options).await.unwrap();
        for image in &acknowledged {
            let reference = Reference::Digest(image.digest.clone());
            let stored = catalogue::manifest(&store, &name("kept"), &reference).await;
            assert!(stored.unwrap().is_some());
        }
        store.close().await;
    }
}

#[tokio::test]
async fn files_stay_while_a_backup_is_being_made_and_not_for_ever() {
    let fixture = Fixture::with(|options| Options {
        grace: Duration::from_millis(1),
        ..options
    })
    .await;
    let lost = crate::cases::garbage::put(&fixture.store, "shop/web", b"lost", NOW).await;
    let path = fixture.blob_path(&lost).await;
    fixture
        .edit(&format!(
            "INSERT INTO backups (id, started_at, seen_at) VALUES ('b', {NOW}, {NOW}), ('of a clock ahead', {0}, {0})",
            NOW + 365 * 24 * 60 * 60 * 1_000
        ))
        .await;
    let collect = async |now: i64| {
        garbage::collect_now(&fixture.store, false, &move || now)
            .await
            .unwrap()
    };
    let done = collect(NOW + 100).await;
    assert_eq!((done.blobs, done.files), (1, 0));
    assert!(path.exists());
    // The backup was cut off: five minutes later it counts no more.
    let done = collect(NOW + 5 * 60 * 1_000).await;
    assert_eq!((done.blobs, done.files), (0, 1));
    assert!(!path.exists());
}

#[tokio::test]
async fn damaged_blobs_are_named_and_not_backed_up_as_if_whole() {
    let fixture = Fixture::new().await;
    let image = Image::with_layers("a", &[b"rotten", b"missing", b"shut"]);
    fixture.push("shop/web", &["1"], &image).await;
    let [rotten, missing, shut] = [1, 2, 3].map(|at| Digest::sha256(&image.blobs[at]));
    std::fs::write(fixture.blob_path(&rotten).await, b"rOtten").unwrap();
    std::fs::remove_file(fixture.blob_path(&missing).await).unwrap();
    crate::cases::check::shut(&fixture.blob_path(&shut).await);
    let taken = take(&fixture, "1").await;
    let named: Vec<Digest> = taken
        .manifest
        .damaged
        .iter()
        .map(|one| one.digest.clone())
        .collect();
    let mut expected = vec![rotten, missing, shut];
    expected.sort();
    assert_eq!(named, expected);
    let elsewhere = restore(&fixture, None).await;
    assert_eq!(elsewhere.restored.damaged.len(), 3);
}

#[tokio::test]
async fn a_backup_that_was_out_of_sight_when_it_ends_is_none() {
    let fixture = Fixture::new().await;
    fixture.push("shop/web", &["1"], &Image::new("a")).await;
    let to = fixture.folder.path().join("backups");
    // It takes longer than a lease lasts, or the clock is set back behind where it was seen.
    for step in [5 * 60 * 1_000, -5 * 60 * 1_000] {
        let clock = AtomicI64::new(NOW);
        let now: Now = Arc::new(move || clock.fetch_add(step, Ordering::Relaxed));
        let taken = backup::take(&fixture.options, &taking(&to, "1"), &Arc::default(), &now).await;
        assert!(matches!(taken, Err(Error::Conflict { .. })), "{taken:?}");
        assert!(!to.join("1").exists());
    }
    assert_eq!(fixture.number("SELECT COUNT(*) FROM backups").await, 0);
}

#[tokio::test]
async fn one_backup_is_made_in_a_folder_at_a_time_and_clears_up_after_others() {
    let fixture = Fixture::new().await;
    fixture.push("shop/web", &["1"], &Image::new("a")).await;
    let to = fixture.folder.path().join("backups");
    let left = [to.join(".new-1/checkpoints"), to.join("blobs/sha256/ab")];
    left.iter()
        .for_each(|folder| std::fs::create_dir_all(folder).unwrap());
    let partial = left[1].join(".new-2");
    std::fs::write(&partial, b"part").unwrap();
    let other = std::fs::File::create(to.join(".lock")).unwrap();
    other.lock().unwrap();
    let now: Now = Arc::new(|| NOW);
    let taken = backup::take(&fixture.options, &taking(&to, "1"), &Arc::default(), &now).await;
    assert!(matches!(taken, Err(Error::Conflict { .. })), "{taken:?}");
    assert!(left[0].exists() && partial.exists());
    drop(other);
    take(&fixture, "1").await;
    assert!(!left[0].exists() && !partial.exists());
    let hidden = files(&to)
        .into_iter()
        .filter(|path| path.to_string_lossy().contains(".new-"));
    assert_eq!(hidden.count(), 0);
}

#[tokio::test]
async fn a_backup_that_was_changed_is_not_restored() {
    let fixture = Fixture::new().await;
    let image = Image::new("a");
    fixture.push("shop/web", &["1"], &image).await;
    let taken = take(&fixture, "1").await;
    let from = fixture.folder.path().join("backups");
    let database = files(&taken.snapshot)
        .into_iter()
        .find(|path| path.ends_with("countersign.db") || path.ends_with("tables.jsonl"))
        .unwrap();
    let kept = std::fs::read(&database).unwrap();
    let mut bytes = kept.clone();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&database, bytes).unwrap();
    let options = elsewhere(&fixture).await;
    let refused = backup::restore(&from, None, &options, &Arc::default()).await;
    assert!(matches!(refused, Err(Error::Invalid { .. })), "{refused:?}");
    assert!(!options.data.join("countersign.db").exists());
    std::fs::write(&database, kept).unwrap();
    // A blob that was changed is left out, and said so.
    let digest = Digest::sha256(&image.blobs[1]);
    let blob = files(&from.join("blobs"))
        .into_iter()
        .find(|path| path.ends_with(digest.hex()))
        .unwrap();
    std::fs::write(&blob, b"changed").unwrap();
    let elsewhere = restore(&fixture, None).await;
    assert_eq!(elsewhere.restored.damaged[0].digest, digest);
}

#[tokio::test]
async fn nothing_is_restored_over_something() {
    let fixture = Fixture::new().await;
    fixture.push("shop/web", &["1"], &Image::new("a")).await;
    take(&fixture, "1").await;
    let from = fixture.folder.path().join("backups");
    let refused = backup::restore(&from, None, &fixture.options, &Arc::default()).await;
    let text = refused.unwrap_err().to_string();
    assert!(text.contains("empty"), "{text}");
    let options = elsewhere(&fixture).await;
    let missing = backup::restore(&from, Some("other"), &options, &Arc::default()).await;
    assert!(matches!(missing, Err(Error::NotFound { .. })));
}

/// All files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found
}
