//! Garbage goes and nothing else does: by grace, by need, beside those who push and mount, and cut off anywhere.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use oci::Digest;
use policy::verb::{Delete, Operate, Pull, Push};
use store::catalogue::{self, Deleter};
use store::garbage::{self, Collection, Phase};
use store::{Error, Options, Store, Writer, blobs};

use crate::fixture::{Fixture, Image, NOW, name, permit, push_at, server_permit};

mod model;

/// The grace of these tests, in milliseconds: an hour, for which a permit is good, has many.
pub(super) const GRACE: i64 = 10_000;

/// A store whose grace is short.
pub(super) async fn fixture() -> Fixture {
    Fixture::with(|options| Options {
        grace: Duration::from_millis(GRACE.unsigned_abs()),
        ..options
    })
    .await
}

/// Collects as of an instant.
pub(super) async fn collect(store: &Store, now: i64) -> Collection {
    let clock = AtomicI64::new(now);
    garbage::collect_now(store, false, &|| clock.load(Ordering::Relaxed))
        .await
        .unwrap()
}

/// Stores bytes in a repository at an instant.
pub(crate) async fn put(store: &Store, repository: &str, content: &[u8], now: i64) -> Digest {
    let permit = permit::<Push>(1, repository);
    let put = blobs::put(store, &Writer::Push(&permit), content.to_vec(), now).await;
    put.unwrap().digest
}

pub(super) async fn holds(store: &Store, repository: &str, digest: &Digest) -> bool {
    catalogue::blob(store, &name(repository), digest)
        .await
        .unwrap()
        .is_some()
}

#[tokio::test]
async fn what_no_manifest_needs_goes_after_the_grace_with_its_bytes() {
    let fixture = fixture().await;
    let store = &fixture.store;
    let image = Image::new("a");
    push_at(store, "shop/web", &["1"], &image, NOW).await;
    let lost = put(store, "shop/web", b"nobody needs it", NOW).await;
    let bytes = fixture.blob_path(&lost).await;
    let early = collect(store, NOW + GRACE).await;
    assert_eq!(
        (early.links, early.blobs),
        (0, 0),
        "exactly the grace is not longer"
    );
    assert!(bytes.is_file());
    let done = collect(store, NOW + GRACE + 1).await;
    assert_eq!(
        (done.links, done.blobs, done.files, done.bytes, done.phase),
        (1, 1, 1, 15, Phase::Done)
    );
    assert_eq!(done.looked_at, 3 + 3);
    assert!(!holds(store, "shop/web", &lost).await);
    assert!(!bytes.exists());
    for blob in &image.blobs {
        let digest = Digest::sha256(blob);
        let content = blobs::open(store, &digest).await.unwrap();
        assert_eq!(content.bytes().await.unwrap(), *blob);
    }
    assert_eq!(
        fixture.number("SELECT COUNT(*) FROM discarded_files").await,
        0
    );
    let told = "SELECT COUNT(*) FROM audit WHERE act = 'garbage.collect'";
    assert_eq!(fixture.number(told).await, 2);
}

#[tokio::test]
async fn a_deleted_image_leaves_what_others_need() {
    let fixture = fixture().await;
    let store = &fixture.store;
    let [shared, first, second] = [&b"shared"[..], b"first", b"second"];
    let (one, two) = (
        Image::with_layers("1", &[shared, first]),
        Image::with_layers("2", &[shared, second]),
    );
    push_at(store, "shop/web", &["1"], &one, NOW).await;
    push_at(store, "shop/web", &["2"], &two, NOW).await;
    push_at(store, "shop/api", &["1"], &one, NOW).await;
    let deleter = permit::<Delete>(3, "shop/web");
    catalogue::delete_manifest(store, &Deleter::Image(&deleter), &one.digest, NOW)
        .await
        .unwrap();
    let done = collect(store, NOW + GRACE + 1).await;
    assert_eq!(
        (done.links, done.blobs),
        (2, 0),
        "the other repository has it whole"
    );
    assert!(holds(store, "shop/web", &Digest::sha256(shared)).await);
    assert!(!holds(store, "shop/web", &Digest::sha256(first)).await);
    assert!(holds(store, "shop/api", &Digest::sha256(first)).await);
    let deleter = permit::<Delete>(3, "shop/api");
    catalogue::delete_manifest(store, &Deleter::Image(&deleter), &one.digest, NOW)
        .await
        .unwrap();
    let done = collect(store, NOW + GRACE + 2).await;
    assert_eq!((done.links, done.blobs, done.files), (3, 2, 2));
    assert!(blobs::open(store, &Digest::sha256(shared)).await.is_ok());
}

#[tokio::test]
async fn what_an_index_lists_is_needed_also_when_it_is_a_layer() {
    let fixture = fixture().await;
    let store = &fixture.store;
    // BuildKit's caches are indexes whose children are layers.
    let layer = put(store, "shop/cache", b"cached", NOW).await;
    let cache = Image::index_of_layers(&[b"cached"]);
    push_at(store, "shop/cache", &["cache"], &cache, NOW).await;
    assert_eq!(collect(store, NOW + 2 * GRACE).await.links, 0);
    assert!(holds(store, "shop/cache", &layer).await);
}

#[tokio::test]
async fn a_blob_that_a_client_was_told_of_stays_until_it_can_push() {
    let fixture = fixture().await;
    let store = &fixture.store;
    let image = Image::new("a");
    let push = permit::<Push>(1, "shop/web");
    let writer = Writer::Push(&push);
    for blob in &image.blobs {
        put(store, "shop/web", blob, NOW).await;
    }
    let [config, layer] = [0, 1].map(|at| Digest::sha256(&image.blobs[at]));
    let later = NOW + GRACE - 1;
    for digest in [&config, &layer] {
        assert!(
            catalogue::keep_blob(store, &writer, digest, later)
                .await
                .unwrap()
        );
    }
    let fresh = "SELECT COUNT(*) FROM repository_blobs WHERE linked_at > 1780000000000";
    assert_eq!(fixture.number(fresh).await, 2);
    // Told again soon: the row is young enough.
    let again = later + GRACE / 2 - 1;
    assert!(
        catalogue::keep_blob(store, &writer, &layer, again)
            .await
            .unwrap()
    );
    let fresh = format!("SELECT COUNT(*) FROM repository_blobs WHERE linked_at > {later}");
    assert_eq!(fixture.number(&fresh).await, 0, "nothing was written");
    let done = collect(store, again + GRACE / 2).await;
    assert_eq!((done.links, done.blobs), (0, 0));
    let put = push_at(store, "shop/web", &["1"], &image, again).await;
    assert_eq!(put.absent_layers, []);
    // What nobody was told of has gone, and nobody is told that it is there.
    let lost = self::put(store, "shop/web", b"lost", NOW).await;
    collect(store, NOW + GRACE + 1).await;
    let told = catalogue::keep_blob(store, &writer, &lost, NOW + GRACE + 1).await;
    assert!(!told.unwrap());
}

#[tokio::test]
async fn a_mount_or_an_upload_begins_the_grace_anew() {
    let fixture = fixture().await;
    let store = &fixture.store;
    let [mounted, uploaded] = [
        put(store, "shop/web", b"mounted", NOW).await,
        put(store, "shop/web", b"uploaded", NOW).await,
    ];
    put(store, "shop/api", b"mounted", NOW).await;
    let later = NOW + GRACE - 1;
    let (to, from) = (permit::<Push>(1, "shop/web"), permit::<Pull>(1, "shop/api"));
    catalogue::link_blob(store, &Writer::Push(&to), &from, &mounted, later)
        .await
        .unwrap()
        .unwrap();
    put(store, "shop/web", b"uploaded", later).await;
    let done = collect(store, later + GRACE).await;
    assert_eq!(
        (done.links, done.blobs),
        (1, 0),
        "only the source of the mount"
    );
    assert!(holds(store, "shop/web", &mounted).await);
    assert!(holds(store, "shop/web", &uploaded).await);
}

#[tokio::test]
async fn the_same_bytes_pushed_again_are_not_taken_with_the_old_ones() {
    let fixture = fixture().await;
    let store = &fixture.store;
    let digest = put(store, "shop/web", b"again", NOW).await;
    let old = fixture.blob_path(&digest).await;
    // The rows are gone, the file is still to go: a collection was cut off here.
    let link = format!("DELETE FROM repository_blobs WHERE digest = '{digest}'");
    fixture.edit(&link).await;
    let key = old.strip_prefix(fixture.path("blobs")).unwrap();
    let discarded = format!(
        "INSERT INTO discarded_files (location, size, discarded_at) VALUES ('{}', 5, 0)",
        key.display()
    );
    fixture.edit(&discarded).await;
    fixture.edit("DELETE FROM blobs").await;
    put(store, "shop/web", b"again", NOW + 5).await;
    let done = collect(store, NOW + 6).await;
    assert_eq!((done.blobs, done.files), (0, 1));
    assert!(!old.exists());
    let content = blobs::open(store, &digest).await.unwrap();
    assert_eq!(content.bytes().await.unwrap(), b"again");
}

#[tokio::test]
async fn files_without_a_row_go_when_they_are_old_and_no_one_else_s_does() {
    let fixture = fixture().await;
    let store = &fixture.store;
    let kept = put(store, "shop/web", b"kept", NOW).await;
    let hex = "ab".repeat(32);
    let orphan = fixture.path(&format!("blobs/sha256/ab/{hex}.00000001"));
    let foreign = fixture.path("blobs/sha256/ab/README");
    for path in [&orphan, &foreign] {
        std::fs::write(path, b"x").unwrap();
    }
    let real = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    let real = i64::try_from(real.as_millis()).unwrap();
    // Without a grace of their own, bytes would be taken between their name and their row.
    for (age, orphans) in [(GRACE + 1, 0), (61 * 60 * 1_000, 1)] {
        // Where its link would be older than the grace, the blob itself would go.
        fixture
            .edit(&format!(
                "UPDATE repository_blobs SET linked_at = {}",
                real + age
            ))
            .await;
        let done = garbage::collect_now(store, true, &|| real + age)
            .await
            .unwrap();
        assert_eq!(done.orphans, orphans, "{age}");
    }
    assert!(!orphan.exists());
    assert!(foreign.exists(), "what is not ours stays");
    assert!(blobs::open(store, &kept).await.is_ok());
}

#[tokio::test]
async fn a_collection_that_is_cut_off_anywhere_goes_on() {
    let fixture = fixture().await;
    let store = &fixture.store;
    for number in 0..700 {
        let repository = format!("shop/{}", number % 3);
        put(store, &repository, format!("lost {number}").as_bytes(), NOW).await;
    }
    let image = Image::new("kept");
    push_at(store, "shop/0", &["1"], &image, NOW).await;
    let clock = AtomicI64::new(NOW + GRACE + 1);
    let now = || clock.load(Ordering::Relaxed);
    let mut cuts = 0;
    loop {
        let pause = Duration::from_micros(500 + cuts * 1_500);
        let cut = tokio::time::timeout(pause, garbage::collect_now(store, false, &now)).await;
        if let Ok(done) = cut {
            done.unwrap();
            break;
        }
        cuts += 1;
        // Whoever held it is not seen for a while.
        clock.fetch_add(3 * 60 * 1_000, Ordering::Relaxed);
    }
    assert!(cuts > 3, "it was cut off {cuts} times only");
    // The last one finds nothing where the one before it was cut off right after its end.
    let links = fixture
        .number("SELECT CAST(SUM(links) AS BIGINT) FROM collections")
        .await;
    let blobs = fixture
        .number("SELECT CAST(SUM(blobs) AS BIGINT) FROM collections")
        .await;
    assert_eq!((links, blobs), (700, 700), "counted once each");
    assert_eq!(fixture.number("SELECT COUNT(*) FROM blobs").await, 2);
    assert_eq!(
        fixture.number("SELECT COUNT(*) FROM discarded_files").await,
        0
    );
    assert_eq!(fixture.blob_files().len(), 2);
}

#[tokio::test]
async fn a_dry_run_says_what_would_go_and_changes_nothing() {
    let fixture = fixture().await;
    let store = &fixture.store;
    let image = Image::new("a");
    push_at(store, "shop/web", &["1"], &image, NOW).await;
    put(store, "shop/web", b"lost", NOW).await;
    put(store, "shop/web", b"young", NOW + GRACE).await;
    put(store, "shop/api", &image.blobs[1], NOW).await;
    let would = garbage::preview(store, false, NOW + GRACE + 1)
        .await
        .unwrap();
    assert_eq!(
        (would.links, would.blobs, would.files, would.bytes),
        (2, 1, 1, 4)
    );
    assert_eq!(fixture.number("SELECT COUNT(*) FROM collections").await, 0);
    let done = collect(store, NOW + GRACE + 1).await;
    assert_eq!(
        (done.links, done.blobs, done.files, done.bytes),
        (would.links, would.blobs, would.files, would.bytes)
    );
}

#[tokio::test]
async fn what_cannot_be_removed_stays_noted_and_keeps_nobody_from_the_rest() {
    let fixture = fixture().await;
    let store = &fixture.store;
    for content in [&b"one"[..], b"two", b"three"] {
        put(store, "shop/web", content, NOW).await;
    }
    let files = fixture.blob_files();
    std::fs::remove_file(&files[0]).unwrap();
    std::fs::create_dir_all(files[0].join("no file")).unwrap();
    let done = collect(store, NOW + GRACE + 1).await;
    assert_eq!(
        (done.phase, done.blobs, done.files, done.failed),
        (Phase::Done, 3, 2, 1)
    );
    let failure = done.failure.unwrap();
    assert!(failure.contains(files[0].to_str().unwrap()), "{failure}");
    let noted = "SELECT COUNT(*) FROM discarded_files";
    assert_eq!(fixture.number(noted).await, 1);
    assert_eq!(garbage::recent(store, 1).await.unwrap()[0].failed, 1);
    std::fs::remove_dir_all(&files[0]).unwrap();
    std::fs::write(&files[0], b"one").unwrap();
    let done = collect(store, NOW + GRACE + 2).await;
    assert_eq!((done.files, done.failed), (1, 0));
    assert_eq!(fixture.number(noted).await, 0);
}

#[tokio::test]
async fn a_clock_that_was_ahead_keeps_nobody_from_collecting() {
    const YEAR: i64 = 365 * 24 * 60 * 60 * 1_000;
    let fixture = fixture().await;
    let store = &fixture.store;
    let due = async |now: i64| garbage::collect_due(store, &move || now).await.unwrap();
    assert!(due(NOW + YEAR).await.is_some());
    assert!(due(NOW).await.unwrap().sweep);
    assert_eq!(due(NOW + 1).await, None, "once an hour all the same");
    assert!(
        due(NOW + garbage::PERIOD_MILLISECONDS).await.is_some(),
        "and each hour"
    );
    // A collection that was cut off while the clock was ahead.
    let held =
        "UPDATE collections SET finished_at = NULL, phase = 'blobs', holder = 'gone', seen_at = ";
    fixture.edit(&format!("{held} {}", NOW + YEAR)).await;
    assert!(due(NOW + garbage::PERIOD_MILLISECONDS + 1).await.is_some());
}

#[tokio::test]
async fn the_first_collection_after_a_long_pause_or_a_jump_of_the_clock_waits_an_hour() {
    let fixture = fixture().await;
    let store = &fixture.store;
    let due = async |now: i64| garbage::collect_due(store, &move || now).await.unwrap();
    assert!(due(NOW).await.is_some());
    let digest = put(store, "shop/web", b"on its way", NOW).await;
    let ahead = NOW + 24 * 60 * 60 * 1_000;
    assert_eq!(due(ahead).await, None);
    assert_eq!(due(ahead + 1).await, None);
    assert!(holds(store, "shop/web", &digest).await);
    let later = due(ahead + garbage::PERIOD_MILLISECONDS).await.unwrap();
    assert_eq!((later.links, later.sweep), (1, true));
}

#[tokio::test]
async fn it_comes_by_the_hour_and_when_somebody_asks() {
    let fixture = fixture().await;
    let store = &fixture.store;
    let due = async |now: i64| garbage::collect_due(store, &move || now).await.unwrap();
    let first = due(NOW).await.unwrap();
    assert!(first.sweep, "nobody has swept yet");
    assert_eq!(due(NOW + 1).await, None);
    assert_eq!(due(NOW + garbage::PERIOD_MILLISECONDS - 1).await, None);
    assert!(!due(NOW + garbage::PERIOD_MILLISECONDS).await.unwrap().sweep);
    let permit = server_permit::<Operate>(1);
    let now = NOW + garbage::PERIOD_MILLISECONDS - 2;
    let asked = garbage::ask(store, &permit, false, now).await.unwrap();
    let again = garbage::ask(store, &permit, true, now).await.unwrap();
    assert_eq!(asked.id, again.id, "what waits is not asked for twice");
    let done = due(now).await.unwrap();
    assert_eq!((done.id, done.sweep), (asked.id, true));
    assert_eq!(done.asked_by.as_deref(), Some("principal:1"));
    assert_eq!(due(now).await, None);
    let recent = garbage::recent(store, 10).await.unwrap();
    assert_eq!(recent.len(), 3);
    assert!(recent.iter().all(|one| one.finished_at.is_some()));
    let late = garbage::ask(store, &permit, false, NOW + 3_600_000).await;
    assert!(
        matches!(late, Err(Error::Refused { .. })),
        "the permit has ended"
    );
}
