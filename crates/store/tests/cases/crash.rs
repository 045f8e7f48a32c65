//! Cuts: what a process leaves behind when it ends between two steps, and when it is killed in the midst of pushes. What was
//! acknowledged is there byte for byte; what was not is not visible, and is no hindrance.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use oci::{Algorithm, Digest, Reference};
use policy::verb::Push;
use store::{Error, Options, Store, Writer, blobs, catalogue, uploads};

use crate::fixture::{Fixture, Image, NOW, name, permit, push};

/// Where the killed process finds its store.
const DATA: &str = "COUNTERSIGN_TEST_CRASH_DATA";
/// And its database, where that is a server.
const DATABASE: &str = "COUNTERSIGN_TEST_CRASH_DATABASE";
/// How many pushes run at once there.
const PUSHERS: usize = 20;

#[tokio::test]
async fn a_blob_file_without_its_row_is_invisible_and_no_hindrance() {
    let fixture = Fixture::new().await;
    // The cut came between the rename and the commit; its bytes may be torn by another one.
    let digest = Digest::sha256(b"layer");
    let shard = fixture.path("blobs/sha256").join(&digest.hex()[..2]);
    let orphan = shard.join(format!("{}.00000000", digest.hex()));
    for path in [&orphan, &shard.join(digest.hex())] {
        std::fs::write(path, b"lay").unwrap();
    }
    assert_eq!(
        catalogue::blob(&fixture.store, &name("shop/web"), &digest)
            .await
            .unwrap(),
        None
    );
    assert!(matches!(
        blobs::open(&fixture.store, &digest).await,
        Err(Error::NotFound { .. })
    ));
    let permit = permit::<Push>(1, "shop/web");
    let writer = Writer::Push(&permit);
    blobs::put(&fixture.store, &writer, b"layer".to_vec(), NOW)
        .await
        .unwrap();
    let content = blobs::open(&fixture.store, &digest).await.unwrap();
    assert_eq!(content.bytes().await.unwrap(), b"layer");
    assert_eq!(
        std::fs::read(&orphan).unwrap(),
        b"lay",
        "nobody writes to a key of another's"
    );
}

#[tokio::test]
async fn a_blob_of_an_older_version_is_read_from_where_it_lay() {
    let fixture = Fixture::new().await;
    let permit = permit::<Push>(1, "shop/web");
    let writer = Writer::Push(&permit);
    let put = async || {
        blobs::put(&fixture.store, &writer, b"layer".to_vec(), NOW)
            .await
            .unwrap()
    };
    let digest = put().await.digest;
    let path = fixture.blob_path(&digest).await;
    std::fs::rename(&path, path.with_file_name(digest.hex())).unwrap();
    fixture.edit("UPDATE blobs SET location = NULL").await;
    let read = async || {
        let content = blobs::open(&fixture.store, &digest).await.unwrap();
        content.bytes().await.unwrap()
    };
    assert_eq!(read().await, b"layer");
    put().await;
    assert_eq!(read().await, b"layer", "the row that came first stays");
    assert_eq!(fixture.blob_files(), [path.with_file_name(digest.hex())]);
}

#[tokio::test]
async fn a_damaged_or_forged_place_is_an_error_and_never_other_bytes() {
    let fixture = Fixture::new().await;
    let permit = permit::<Push>(1, "shop/web");
    let writer = Writer::Push(&permit);
    let digest = blobs::put(&fixture.store, &writer, b"layer".to_vec(), NOW)
        .await
        .unwrap()
        .digest;
    let open = async || blobs::open(&fixture.store, &digest).await;
    let path = fixture.blob_path(&digest).await;
    std::fs::write(&path, b"lay").unwrap();
    assert!(
        matches!(open().await, Err(Error::Corrupt { .. })),
        "it is shorter"
    );
    std::fs::write(&path, b"layer").unwrap();
    open().await.unwrap();
    for forged in ["../../master.key", "", "/etc/passwd"] {
        fixture
            .edit(&format!("UPDATE blobs SET location = '{forged}'"))
            .await;
        assert!(
            matches!(open().await, Err(Error::Corrupt { .. })),
            "{forged}"
        );
    }
}

#[tokio::test]
async fn a_row_without_its_file_is_an_error_and_not_an_empty_blob() {
    let fixture = Fixture::new().await;
    let image = Image::new("a");
    fixture.push("shop/web", &["1"], &image).await;
    let digest = Digest::sha256(&image.blobs[1]);
    std::fs::remove_file(fixture.blob_path(&digest).await).unwrap();
    assert!(matches!(
        blobs::open(&fixture.store, &digest).await,
        Err(Error::NotFound { .. })
    ));
}

#[tokio::test]
async fn a_manifest_that_fails_leaves_nothing() {
    let fixture = Fixture::new().await;
    let image = Image::new("a");
    let permit = permit::<Push>(1, "shop/web");
    let outcome = crate::fixture::put(&fixture.store, &Writer::Push(&permit), &["1"], &image).await;
    assert!(
        matches!(outcome, Err(Error::MissingReference(_))),
        "{outcome:?}"
    );
    for table in [
        "manifests",
        "tags",
        "manifest_references",
        "first_pushes",
        "events",
        "audit",
        "jobs",
    ] {
        assert_eq!(
            fixture
                .number(&format!("SELECT COUNT(*) FROM {table}"))
                .await,
            0,
            "{table}"
        );
    }
    assert_eq!(
        catalogue::repositories(&fixture.store, None, 10)
            .await
            .unwrap(),
        []
    );
}

/// Not a test of its own: the process that is killed. It pushes and tells each acknowledged digest, for ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn child_that_pushes_until_it_is_killed() {
    let Ok(data) = std::env::var(DATA) else {
        return;
    };
    let options = Options {
        data: data.into(),
        database: std::env::var(DATABASE).ok(),
        blobs: None,
    };
    let store = Store::open(&options).await.unwrap();
    let run = std::process::id();
    let pushers: Vec<_> = (0..PUSHERS)
        .map(|pusher| {
            let store = store.clone();
            tokio::spawn(async move {
                for number in 0_u64.. {
                    let image = Image::new(&format!("{run} {pusher} {number}"));
                    let repository = format!("shop/{}", pusher % 5);
                    push_in_pieces(
                        &store,
                        &repository,
                        &format!("t{run}-{pusher}-{number}"),
                        &image,
                    )
                    .await;
                    println!("acknowledged {repository} {}", image.digest);
                }
            })
        })
        .collect();
    for pusher in pushers {
        pusher.await.unwrap();
    }
}

async fn push_in_pieces(store: &Store, repository: &str, tag: &str, image: &Image) {
    let permit = permit::<Push>(1, repository);
    let writer = Writer::Push(&permit);
    let session = uploads::start(store, &writer, Algorithm::Sha256, NOW)
        .await
        .unwrap();
    let (first, second) = image.blobs[1].split_at(3);
    let mut upload = uploads::open(store, &writer, &session, NOW).unwrap();
    upload.append(first).await.unwrap();
    upload.flush().await.unwrap();
    let mut upload = uploads::open(store, &writer, &session, NOW).unwrap();
    upload.append(second).await.unwrap();
    let digest = Digest::sha256(&image.blobs[1]);
    upload.commit(&digest, NOW).await.unwrap();
    push(store, repository, &[tag], image).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_in_the_midst_of_pushes_nothing_acknowledged_is_lost_and_all_that_is_visible_is_whole()
 {
    let fixture = Fixture::new().await;
    fixture.store.close().await;
    let Fixture {
        store,
        options,
        folder: _folder,
        database: _database,
    } = fixture;
    drop(store);
    let mut acknowledged = Vec::new();
    for round in 0..3 {
        acknowledged.extend(push_and_kill(&options, 15 + 10 * round));
        let store = Store::open(&options).await.unwrap();
        for (repository, digest) in &acknowledged {
            check_whole(&store, repository, digest).await;
        }
        check_visible(&store, &acknowledged).await;
        store.close().await;
    }
}

/// Starts the process, kills it as soon as it has acknowledged so many pushes, and answers those that it told.
fn push_and_kill(options: &Options, acknowledged: usize) -> Vec<(String, Digest)> {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([
        "--exact",
        "cases::crash::child_that_pushes_until_it_is_killed",
        "--nocapture",
    ]);
    command.env(DATA, &options.data).stdout(Stdio::piped());
    if let Some(database) = &options.database {
        command.env(DATABASE, database);
    }
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut told = Vec::new();
    let mut is_killed = false;
    // What it told before it died is read to the end.
    while let Some(Ok(line)) = lines.next() {
        if let Some(rest) = line.strip_prefix("acknowledged ") {
            let (repository, digest) = rest.split_once(' ').unwrap();
            told.push((repository.to_owned(), digest.parse().unwrap()));
        }
        if told.len() >= acknowledged && !is_killed {
            child.kill().unwrap();
            is_killed = true;
        }
    }
    let status = child.wait().unwrap();
    assert!(is_killed, "the process ended by itself: {status}");
    told
}

async fn check_whole(store: &Store, repository: &str, digest: &Digest) {
    let reference = Reference::Digest(digest.clone());
    let stored = catalogue::manifest(store, &name(repository), &reference)
        .await
        .unwrap();
    let stored =
        stored.unwrap_or_else(|| panic!("{repository}@{digest} was acknowledged and is not there"));
    assert_eq!(Digest::sha256(&stored.content), *digest);
    let manifest = oci::Manifest::parse(&stored.content, None).unwrap();
    for descriptor in manifest.descriptors() {
        let info = catalogue::blob(store, &name(repository), &descriptor.digest)
            .await
            .unwrap()
            .unwrap();
        let content = blobs::open(store, &descriptor.digest).await.unwrap();
        let size = content.size;
        let bytes = content.bytes().await.unwrap();
        assert_eq!(
            (info.size, Digest::sha256(&bytes)),
            (size, descriptor.digest.clone()),
            "byte for byte"
        );
    }
}

/// What is visible and was not told was committed in the instant before its acknowledgement: it must be whole, and at most
/// one a pusher and kill.
async fn check_visible(store: &Store, acknowledged: &[(String, Digest)]) {
    let mut visible = 0;
    for repository in catalogue::repositories(store, None, 100).await.unwrap() {
        for tag in catalogue::tag_records(store, &repository, None, 10_000)
            .await
            .unwrap()
        {
            check_whole(store, repository.as_str(), &tag.digest).await;
            visible += 1;
        }
    }
    assert!(visible >= acknowledged.len());
    assert!(
        visible <= acknowledged.len() + 3 * PUSHERS,
        "{visible} are visible, {} were told",
        acknowledged.len()
    );
}
