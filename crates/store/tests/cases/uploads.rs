//! Uploads and blobs: streamed in pieces, checked, durable, nobody else's, and gone when nobody finishes them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use oci::{Algorithm, Digest, Hasher};
use policy::verb::{Attach, Push};
use store::uploads::{self, Session, Upload};
use store::{Error, Writer, blobs, catalogue};

use crate::fixture::{Fixture, NOW, name, permit};

async fn content(fixture: &Fixture, digest: &Digest) -> Vec<u8> {
    let content = blobs::open(&fixture.store, digest).await.unwrap();
    let size = content.size;
    let bytes = content.bytes().await.unwrap();
    assert_eq!(u64::try_from(bytes.len()).unwrap(), size);
    bytes
}

/// Begins an upload of principal 1 to `shop/web`.
async fn start(fixture: &Fixture) -> Session {
    let permit = permit::<Push>(1, "shop/web");
    uploads::start(
        &fixture.store,
        &Writer::Push(&permit),
        Algorithm::Sha256,
        NOW,
    )
    .await
    .unwrap()
}

/// Opens it as the same principal.
fn open(fixture: &Fixture, session: &Session) -> store::Result<Upload> {
    let permit = permit::<Push>(1, "shop/web");
    uploads::open(&fixture.store, &Writer::Push(&permit), session, NOW)
}

/// One request that adds bytes.
async fn write(fixture: &Fixture, session: &Session, bytes: &[u8]) -> store::Result<u64> {
    let mut upload = open(fixture, session)?;
    upload.append(bytes).await?;
    upload.flush().await
}

/// Whether the session can be used.
async fn is_open(fixture: &Fixture, session: &Session) -> bool {
    match open(fixture, session).unwrap().size().await {
        Ok(_) => true,
        Err(Error::NotFound { kind: "upload", .. }) => false,
        Err(error) => panic!("{error}"),
    }
}

fn sha512(bytes: &[u8]) -> Digest {
    let mut hasher = Hasher::new(Algorithm::Sha512);
    hasher.update(bytes);
    hasher.finish()
}

fn upload_files(fixture: &Fixture) -> usize {
    std::fs::read_dir(fixture.path("uploads")).unwrap().count()
}

#[tokio::test]
async fn pieces_become_a_blob() {
    let fixture = Fixture::new().await;
    let bytes: Vec<u8> = (0..3_000_000_u32)
        .map(|number| (number % 251) as u8)
        .collect();
    let session = start(&fixture).await;
    for (number, pieces) in bytes.chunks(1_100_000).enumerate() {
        let mut upload = open(&fixture, &session).unwrap();
        assert_eq!(
            upload.size().await.unwrap(),
            number as u64 * 1_100_000,
            "each request goes on where the last one ended"
        );
        for piece in pieces.chunks(40_000) {
            upload.append(piece).await.unwrap();
        }
        upload.flush().await.unwrap();
    }
    let digest = Digest::sha256(&bytes);
    let upload = open(&fixture, &session).unwrap();
    let info = upload.commit(&digest, NOW).await.unwrap();
    assert_eq!((info.digest, info.size), (digest.clone(), 3_000_000));
    assert_eq!(content(&fixture, &digest).await, bytes);
    assert_eq!(
        catalogue::blob(&fixture.store, &name("shop/web"), &digest)
            .await
            .unwrap()
            .unwrap()
            .size,
        3_000_000
    );
    assert_eq!(
        catalogue::blob(&fixture.store, &name("shop/other"), &digest)
            .await
            .unwrap(),
        None
    );
    assert_eq!(upload_files(&fixture), 0);
}

#[tokio::test]
async fn a_large_body_is_whole_whatever_pieces_it_comes_in() {
    let fixture = Fixture::new().await;
    let bytes: Vec<u8> = (0..40_000_000_u32)
        .map(|number| (number % 251) as u8)
        .collect();
    let digest = Digest::sha256(&bytes);
    let permit = permit::<Push>(1, "shop/web");
    let writer = Writer::Push(&permit);
    for piece in [7_777, 1 << 18, 3_000_000] {
        let mut upload = uploads::create(&fixture.store, &writer, Algorithm::Sha256, NOW).unwrap();
        for piece in bytes.chunks(piece) {
            upload.append(piece).await.unwrap();
        }
        upload.commit(&digest, NOW).await.unwrap();
        assert!(content(&fixture, &digest).await == bytes, "{piece}");
        fixture.edit("DELETE FROM repository_blobs").await;
        fixture.edit("DELETE FROM blobs").await;
    }
}

#[tokio::test]
async fn a_session_ends_when_its_upload_is_committed_or_cancelled() {
    let fixture = Fixture::new().await;
    let (committed, cancelled) = (start(&fixture).await, start(&fixture).await);
    write(&fixture, &committed, b"some").await.unwrap();
    write(&fixture, &cancelled, b"some").await.unwrap();
    let digest = Digest::sha256(b"some");
    let upload = open(&fixture, &committed).unwrap();
    upload.commit(&digest, NOW).await.unwrap();
    let upload = open(&fixture, &cancelled).unwrap();
    upload.cancel().await.unwrap();
    for session in [&committed, &cancelled] {
        assert!(!is_open(&fixture, session).await);
        let unknown = |outcome: store::Result<()>| {
            assert!(
                matches!(outcome, Err(Error::NotFound { kind: "upload", .. })),
                "{outcome:?}"
            );
        };
        unknown(write(&fixture, session, b"more").await.map(drop));
        let upload = open(&fixture, session).unwrap();
        unknown(upload.commit(&digest, NOW).await.map(drop));
        unknown(open(&fixture, session).unwrap().cancel().await);
    }
    assert_eq!(upload_files(&fixture), 0);
    assert_eq!(fixture.blob_files().len(), 1);
}

#[tokio::test]
async fn the_digest_is_checked_with_its_own_algorithm() {
    let fixture = Fixture::new().await;
    let (sha256, wrong) = (Digest::sha256(b"bytes"), Digest::sha256(b"others"));
    for (expected, fits) in [
        (&wrong, false),
        (&sha512(b"others"), false),
        (&sha256, true),
        // Not what was hashed with while the bytes came.
        (&sha512(b"bytes"), true),
    ] {
        for before in [b"".as_slice(), b"byt", b"bytes"] {
            let session = start(&fixture).await;
            write(&fixture, &session, before).await.unwrap();
            let mut upload = open(&fixture, &session).unwrap();
            upload.append(&b"bytes"[before.len()..]).await.unwrap();
            let outcome = upload.commit(expected, NOW).await;
            if fits {
                assert_eq!(outcome.unwrap().digest, *expected);
                assert_eq!(content(&fixture, expected).await, b"bytes");
                continue;
            }
            assert!(
                matches!(outcome, Err(Error::DigestMismatch { .. })),
                "{outcome:?}"
            );
            assert_eq!(
                catalogue::blob(&fixture.store, &name("shop/web"), expected)
                    .await
                    .unwrap(),
                None
            );
            let upload = open(&fixture, &session).unwrap();
            upload.commit(&sha256, NOW).await.unwrap();
        }
    }
}

#[tokio::test]
async fn an_upload_survives_a_restart() {
    let fixture = Fixture::new().await;
    let session = start(&fixture).await;
    write(&fixture, &session, b"first ").await.unwrap();
    let (id, state) = (session.id().to_string(), session.state().to_owned());
    let fixture = fixture.restart().await;
    let session = uploads::session(&fixture.store, &id, &state).unwrap();
    assert_eq!(
        (session.repository(), session.principal().map(|id| id.0)),
        (&name("shop/web"), Some(1))
    );
    assert_eq!(
        (session.started_at(), session.state()),
        (NOW, state.as_str())
    );
    let mut upload = open(&fixture, &session).unwrap();
    assert_eq!(upload.size().await.unwrap(), 6);
    upload.append(b"second").await.unwrap();
    let digest = Digest::sha256(b"first second");
    upload.commit(&digest, NOW).await.unwrap();
    assert_eq!(content(&fixture, &digest).await, b"first second");
}

#[tokio::test]
async fn what_was_written_elsewhere_is_in_the_digest() {
    // Another process with the same folder took a request of the same session.
    let fixture = Fixture::new().await;
    let session = start(&fixture).await;
    write(&fixture, &session, b"one ").await.unwrap();
    let path = fixture.path("uploads").join(session.id().as_str());
    std::fs::write(path, b"one two ").unwrap();
    let mut upload = open(&fixture, &session).unwrap();
    upload.append(b"three").await.unwrap();
    let digest = Digest::sha256(b"one two three");
    upload.commit(&digest, NOW).await.unwrap();
    assert_eq!(content(&fixture, &digest).await, b"one two three");
}

#[tokio::test]
async fn an_upload_belongs_to_one_principal_and_repository() {
    let fixture = Fixture::new().await;
    let (own, other_person) = (permit::<Push>(1, "shop/web"), permit::<Push>(2, "shop/web"));
    let (other_repository, own_as_signer) = (
        permit::<Push>(1, "shop/api"),
        permit::<Attach>(1, "shop/web"),
    );
    let session = start(&fixture).await;
    for (writer, known) in [
        (Writer::Push(&other_person), false),
        (Writer::Push(&other_repository), false),
        (Writer::Attach(&own_as_signer), true),
        (Writer::Push(&own), true),
    ] {
        let opened = uploads::open(&fixture.store, &writer, &session, NOW);
        assert_eq!(opened.is_ok(), known, "{writer:?}");
        assert!(
            known || matches!(opened, Err(Error::NotFound { .. })),
            "as if there were none: {opened:?}"
        );
    }
}

#[tokio::test]
async fn a_session_is_known_by_its_whole_url_alone() {
    let fixture = Fixture::new().await;
    let (session, other) = (start(&fixture).await, start(&fixture).await);
    let elsewhere = Fixture::new().await;
    let foreign = start(&elsewhere).await;
    let (id, state) = (session.id().as_str(), session.state());
    let read = |id: &str, state: &str| uploads::session(&fixture.store, id, state);
    assert_eq!(read(id, state).unwrap(), session);
    let mut wrong: Vec<(String, String)> = [
        (id, ""),
        (id, "AAAA"),
        (id, other.state()),
        (other.id().as_str(), state),
        (foreign.id().as_str(), foreign.state()),
        (id, &"A".repeat(4_000)),
        (id, "not/base64=="),
        ("../../master.key", state),
        ("", state),
        ("ABCDEF00112233445566778899AABBCC", state),
        ("0011223344556677", state),
    ]
    .map(|(id, state)| (id.to_owned(), state.to_owned()))
    .into();
    for cut in 0..state.len() {
        wrong.push((id.to_owned(), state[..cut].to_owned()));
        let mut changed = state.to_owned();
        let other = if &state[cut..=cut] == "A" { "B" } else { "A" };
        changed.replace_range(cut..=cut, other);
        wrong.push((id.to_owned(), changed));
    }
    for (id, state) in wrong {
        let outcome = read(&id, &state);
        assert!(
            matches!(outcome, Err(Error::NotFound { kind: "upload", .. })),
            "{id} {state}: {outcome:?}"
        );
    }
}

#[tokio::test]
async fn two_requests_do_not_write_to_one_upload() {
    let fixture = Fixture::new().await;
    let session = start(&fixture).await;
    let first = open(&fixture, &session).unwrap();
    assert!(matches!(
        open(&fixture, &session),
        Err(Error::Conflict { .. })
    ));
    drop(first);
    open(&fixture, &session).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_uploads_of_one_digest_at_once_keep_one_file() {
    let fixture = Fixture::new().await;
    let digest = Digest::sha256(b"the same");
    for round in 0..10 {
        let mut pushes = Vec::new();
        for number in 0..8 {
            let repository = format!("shop/{round}-{}", number % 2);
            let permit = permit::<Push>(1, &repository);
            let writer = Writer::Push(&permit);
            let mut upload =
                uploads::create(&fixture.store, &writer, Algorithm::Sha256, NOW).unwrap();
            let digest = digest.clone();
            pushes.push(tokio::spawn(async move {
                upload.append(b"the same").await.unwrap();
                upload.commit(&digest, NOW).await.unwrap();
                repository
            }));
        }
        for push in pushes {
            let repository = push.await.unwrap();
            let held = catalogue::blob(&fixture.store, &name(&repository), &digest).await;
            assert!(held.unwrap().is_some());
        }
        assert_eq!(fixture.blob_files(), [fixture.blob_path(&digest).await]);
        assert_eq!(content(&fixture, &digest).await, b"the same");
    }
    assert_eq!(fixture.number("SELECT COUNT(*) FROM blobs").await, 1);
    assert_eq!(upload_files(&fixture), 0);
}

#[tokio::test]
async fn a_commit_that_comes_late_does_not_make_a_blob_older() {
    let fixture = Fixture::new().await;
    let permit = permit::<Push>(1, "shop/web");
    let writer = Writer::Push(&permit);
    for (now, newest) in [(NOW, NOW), (NOW + 9, NOW + 9), (NOW + 4, NOW + 9)] {
        let content = b"bytes".to_vec();
        blobs::put(&fixture.store, &writer, content, now)
            .await
            .unwrap();
        for text in [
            "SELECT stored_at FROM blobs",
            "SELECT linked_at FROM repository_blobs",
        ] {
            assert_eq!(fixture.number(text).await, newest, "{text}");
        }
    }
}

#[tokio::test]
async fn an_upload_within_one_request_leaves_nothing_when_it_fails() {
    let fixture = Fixture::new().await;
    let permit = permit::<Push>(1, "shop/web");
    let create = || {
        let writer = Writer::Push(&permit);
        uploads::create(&fixture.store, &writer, Algorithm::Sha256, NOW).unwrap()
    };
    for size in [5, 3 << 20] {
        let bytes = vec![7; size];
        let mut upload = create();
        upload.append(&bytes).await.unwrap();
        let outcome = upload.commit(&Digest::sha256(b"others"), NOW).await;
        assert!(matches!(outcome, Err(Error::DigestMismatch { .. })));
        let mut upload = create();
        upload.append(&bytes).await.unwrap();
        upload.flush().await.unwrap();
        assert_eq!(upload_files(&fixture), 0, "{size}");
        let mut upload = create();
        upload.append(&bytes).await.unwrap();
        let digest = Digest::sha256(&bytes);
        upload.commit(&digest, NOW).await.unwrap();
        assert_eq!(content(&fixture, &digest).await, bytes);
        assert_eq!(upload_files(&fixture), 0);
    }
}

#[tokio::test]
async fn a_full_disk_is_said_and_the_upload_goes_on_from_what_it_has() {
    // `/dev/full` has no room, ever.
    let fixture = Fixture::new().await;
    let session = start(&fixture).await;
    let path = fixture.path("uploads").join(session.id().as_str());
    std::fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink("/dev/full", &path).unwrap();
    for size in [5, 3 << 20] {
        let outcome = write(&fixture, &session, &vec![7; size]).await;
        assert!(matches!(outcome, Err(Error::Full { .. })), "{outcome:?}");
    }
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, b"").unwrap();
    let mut upload = open(&fixture, &session).unwrap();
    upload.append(b"bytes").await.unwrap();
    let digest = Digest::sha256(b"bytes");
    upload.commit(&digest, NOW).await.unwrap();
    assert_eq!(content(&fixture, &digest).await, b"bytes");
}

#[tokio::test]
async fn an_ended_permit_begins_nothing_but_what_it_began_is_finished() {
    let fixture = Fixture::new().await;
    let permit = permit::<Push>(1, "shop/web");
    let (writer, late) = (Writer::Push(&permit), permit.expires_at());
    let refused = |outcome: Result<(), Error>| {
        assert!(matches!(outcome, Err(Error::Refused { .. })), "{outcome:?}")
    };
    let begin = async |now| uploads::start(&fixture.store, &writer, Algorithm::Sha256, now).await;
    refused(begin(late).await.map(drop));
    refused(uploads::create(&fixture.store, &writer, Algorithm::Sha256, late).map(drop));
    refused(
        blobs::put(&fixture.store, &writer, b"x".to_vec(), late)
            .await
            .map(drop),
    );
    let session = begin(late - 1).await.unwrap();
    refused(uploads::open(&fixture.store, &writer, &session, late).map(drop));
    assert_eq!(
        fixture
            .number("SELECT COUNT(*) FROM repository_blobs")
            .await,
        0
    );
    // Ten gigabytes take longer than a permit.
    let mut upload = uploads::open(&fixture.store, &writer, &session, late - 1).unwrap();
    upload.append(b"slow").await.unwrap();
    let digest = Digest::sha256(b"slow");
    upload.commit(&digest, late + 1).await.unwrap();
    assert_eq!(content(&fixture, &digest).await, b"slow");
}

#[tokio::test]
async fn old_uploads_end_but_not_those_in_use() {
    let fixture = Fixture::new().await;
    let (old, in_use, locked, new) = (
        start(&fixture).await,
        start(&fixture).await,
        start(&fixture).await,
        start(&fixture).await,
    );
    let torn = fixture.path("uploads").join("blob-torn");
    std::fs::write(&torn, b"by").unwrap();
    let path = |session: &Session| fixture.path("uploads").join(session.id().as_str());
    let mut open = open(&fixture, &in_use).unwrap();
    open.size().await.unwrap();
    // As another process holds one.
    let held = std::fs::File::open(path(&locked)).unwrap();
    held.lock().unwrap();
    let long_ago = SystemTime::now() - Duration::from_secs(3_600);
    for path in [&path(&old), &path(&in_use), &path(&locked), &torn] {
        let file = std::fs::File::options().write(true).open(path).unwrap();
        file.set_modified(long_ago).unwrap();
    }
    let before = long_ago + Duration::from_secs(60);
    let before = before.duration_since(UNIX_EPOCH).unwrap().as_millis();
    let before = i64::try_from(before).unwrap();
    for (expected, why) in [
        (2, "one session and a torn file"),
        (0, "again changes nothing"),
    ] {
        assert_eq!(
            uploads::expire(&fixture.store, before).await.unwrap(),
            expected,
            "{why}"
        );
    }
    drop((open, held));
    for (session, known) in [
        (&old, false),
        (&in_use, true),
        (&locked, true),
        (&new, true),
    ] {
        assert_eq!(is_open(&fixture, session).await, known);
        assert_eq!(path(session).exists(), known);
    }
    assert!(!torn.exists());
}

#[tokio::test]
async fn an_empty_blob_and_one_that_is_there_already_are_blobs() {
    let fixture = Fixture::new().await;
    let empty = Digest::sha256(b"");
    for _ in 0..2 {
        let session = start(&fixture).await;
        let upload = open(&fixture, &session).unwrap();
        upload.commit(&empty, NOW).await.unwrap();
        assert_eq!(content(&fixture, &empty).await, b"");
    }
    assert_eq!(fixture.number("SELECT COUNT(*) FROM blobs").await, 1);
    assert_eq!(fixture.blob_files().len(), 1);
}

/// Lets the runtime go round so many times.
async fn rounds(count: u32) {
    for _ in 0..count {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_dropped_at_any_instant_blocks_nobody_and_loses_nothing() {
    let fixture = Fixture::new().await;
    let permit = permit::<Push>(1, "shop/web");
    let writer = Writer::Push(&permit);
    let store = &fixture.store;
    let push = async |content: &[u8]| {
        let session = uploads::start(store, &writer, Algorithm::Sha256, NOW)
            .await
            .unwrap();
        let mut upload = uploads::open(store, &writer, &session, NOW).unwrap();
        upload.append(content).await.unwrap();
        upload.commit(&Digest::sha256(content), NOW).await.unwrap()
    };
    let (mut dropped, mut count) = (0_u32, 1);
    loop {
        let content = format!("content {count}");
        let finished = tokio::select! {
            biased;
            _ = push(content.as_bytes()) => true,
            () = rounds(count) => false,
        };
        // The next one is not hindered, and what is visible is whole.
        push(b"other content").await;
        let digest = Digest::sha256(content.as_bytes());
        if finished
            || catalogue::blob(store, &name("shop/web"), &digest)
                .await
                .unwrap()
                .is_some()
        {
            assert_eq!(self::content(&fixture, &digest).await, content.as_bytes());
        }
        if finished {
            break;
        }
        dropped += 1;
        count += count / 8 + 1;
    }
    assert!(dropped > 5, "only {dropped} were dropped on their way");
}

#[tokio::test]
async fn a_large_upload_is_offered_to_one_reader_who_is_told_its_end() {
    let fixture = Fixture::new().await;
    let begin = async |bytes: usize| {
        let session = start(&fixture).await;
        write(&fixture, &session, &vec![7; bytes]).await.unwrap();
        session
    };
    let commit = async |session: &Session, bytes: usize| {
        let digest = Digest::sha256(&vec![7; bytes]);
        let upload = open(&fixture, session).unwrap();
        upload.commit(&digest, NOW).await.unwrap();
        digest
    };
    const MIB: usize = 1 << 20;
    let small = begin(4 * MIB - 1).await;
    assert!(uploads::follow(&fixture.store).await.is_none());
    let large = begin(4 * MIB).await;
    let larger = begin(5 * MIB).await;
    uploads::offered(&fixture.store).await;
    let first = uploads::follow(&fixture.store).await.unwrap();
    let mut second = uploads::follow(&fixture.store).await.unwrap();
    assert_eq!((&first.id, &second.id), (larger.id(), large.id()));
    assert!(uploads::follow(&fixture.store).await.is_none());

    uploads::offer_again(&fixture.store, first);
    let first = uploads::follow(&fixture.store).await.unwrap();
    let digest = commit(&larger, 5 * MIB).await;
    let growth = first.growth.borrow().clone();
    assert_eq!(
        (growth.bytes, growth.committed),
        (5 * MIB as u64, Some(digest))
    );
    assert_eq!(first.file.metadata().unwrap().len(), growth.bytes);

    open(&fixture, &large).unwrap().cancel().await.unwrap();
    assert!(second.growth.changed().await.is_ok());
    assert_eq!(second.growth.borrow().committed, None);
    assert!(second.growth.changed().await.is_err());

    commit(&small, 4 * MIB - 1).await;
    let last = begin(6 * MIB).await;
    commit(&last, 6 * MIB).await;
    assert!(
        uploads::follow(&fixture.store).await.is_none(),
        "what is over is offered no more"
    );
}

#[tokio::test]
async fn an_upload_that_another_process_ended_is_forgotten() {
    let fixture = Fixture::new().await;
    let session = start(&fixture).await;
    write(&fixture, &session, &vec![7; 5 << 20]).await.unwrap();
    let growing = uploads::follow(&fixture.store).await.unwrap();
    std::fs::remove_file(fixture.path("uploads").join(session.id().as_str())).unwrap();
    uploads::expire(&fixture.store, 0).await.unwrap();
    assert!(growing.growth.has_changed().is_err());
}

#[tokio::test]
async fn an_upload_whose_file_has_become_its_blob_is_not_forgotten_before_it_says_so() {
    let fixture = Fixture::new().await;
    let session = start(&fixture).await;
    write(&fixture, &session, &vec![7; 5 << 20]).await.unwrap();
    let growing = uploads::follow(&fixture.store).await.unwrap();
    let upload = open(&fixture, &session).unwrap();
    std::fs::remove_file(fixture.path("uploads").join(session.id().as_str())).unwrap();
    uploads::expire(&fixture.store, 0).await.unwrap();
    assert!(growing.growth.has_changed().is_ok());
    drop(upload);
    uploads::expire(&fixture.store, 0).await.unwrap();
    assert!(growing.growth.has_changed().is_err());
}
