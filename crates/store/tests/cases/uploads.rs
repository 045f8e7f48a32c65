//! Uploads and blobs: streamed in pieces, checked, durable, nobody else's, and gone when nobody finishes them.

use oci::{Algorithm, Digest, Hasher};
use policy::verb::{Attach, Push};
use store::uploads::{self, Hashed, UploadId};
use store::{Error, Writer, blobs, catalogue};

use crate::fixture::{Fixture, NOW, name, permit};

async fn content(fixture: &Fixture, digest: &Digest) -> Vec<u8> {
    let content = blobs::open(&fixture.store, digest).await.unwrap();
    let size = content.size;
    let bytes = content.bytes().await.unwrap();
    assert_eq!(u64::try_from(bytes.len()).unwrap(), size);
    bytes
}

#[tokio::test]
async fn pieces_become_a_blob() {
    let fixture = Fixture::new().await;
    let permit = permit::<Push>(1, "shop/web");
    let writer = Writer::Push(&permit);
    let bytes: Vec<u8> = (0..3_000_000_u32)
        .map(|number| (number % 251) as u8)
        .collect();
    let id = uploads::start(&fixture.store, &writer, NOW).await.unwrap();
    for (number, pieces) in bytes.chunks(1_100_000).enumerate() {
        let mut upload = uploads::open(&fixture.store, &writer, &id, NOW)
            .await
            .unwrap();
        assert_eq!(
            upload.size(),
            number as u64 * 1_100_000,
            "each request goes on where the last one ended"
        );
        for piece in pieces.chunks(40_000) {
            upload.append(piece).await.unwrap();
        }
        upload.flush().await.unwrap();
    }
    let upload = uploads::open(&fixture.store, &writer, &id, NOW)
        .await
        .unwrap();
    let digest = Digest::sha256(&bytes);
    let info = uploads::commit(
        &fixture.store,
        &writer,
        upload,
        &digest,
        Hashed::NotYet,
        NOW,
    )
    .await
    .unwrap();
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
    assert!(matches!(
        uploads::open(&fixture.store, &writer, &id, NOW).await,
        Err(Error::NotFound { .. })
    ));
    assert_eq!(
        std::fs::read_dir(fixture.path("uploads")).unwrap().count(),
        0
    );
}

#[tokio::test]
async fn the_digest_is_checked_with_its_own_algorithm() {
    let fixture = Fixture::new().await;
    let permit = permit::<Push>(1, "shop/web");
    let writer = Writer::Push(&permit);
    let mut hasher = Hasher::new(Algorithm::Sha512);
    hasher.update(b"bytes");
    let (sha256, sha512, wrong) = (
        Digest::sha256(b"bytes"),
        hasher.finish(),
        Digest::sha256(b"others"),
    );
    for (expected, hashed, fits) in [
        (&wrong, Hashed::NotYet, false),
        (&wrong, Hashed::Already(sha256.clone()), false),
        (&sha256, Hashed::NotYet, true),
        (&sha256, Hashed::Already(sha256.clone()), true),
        // The running hash is of another algorithm than the client asks for in the end.
        (&sha512, Hashed::Already(sha256.clone()), true),
    ] {
        let id = uploads::start(&fixture.store, &writer, NOW).await.unwrap();
        let mut upload = uploads::open(&fixture.store, &writer, &id, NOW)
            .await
            .unwrap();
        upload.append(b"bytes").await.unwrap();
        let outcome = uploads::commit(&fixture.store, &writer, upload, expected, hashed, NOW).await;
        if fits {
            assert_eq!(outcome.unwrap().digest, *expected);
            assert_eq!(content(&fixture, expected).await, b"bytes");
        } else {
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
            let upload = uploads::open(&fixture.store, &writer, &id, NOW)
                .await
                .unwrap();
            assert_eq!(upload.size(), 5, "the upload stays as it was");
        }
    }
}

#[tokio::test]
async fn an_upload_survives_a_restart() {
    let fixture = Fixture::new().await;
    let permit = permit::<Push>(1, "shop/web");
    let writer = Writer::Push(&permit);
    let id = uploads::start(&fixture.store, &writer, NOW).await.unwrap();
    let mut upload = uploads::open(&fixture.store, &writer, &id, NOW)
        .await
        .unwrap();
    upload.append(b"first ").await.unwrap();
    upload.flush().await.unwrap();
    drop(upload);
    let fixture = fixture.restart().await;
    let mut upload = uploads::open(&fixture.store, &writer, &id, NOW)
        .await
        .unwrap();
    assert_eq!(upload.size(), 6);
    upload.append(b"second").await.unwrap();
    let digest = Digest::sha256(b"first second");
    uploads::commit(
        &fixture.store,
        &writer,
        upload,
        &digest,
        Hashed::NotYet,
        NOW,
    )
    .await
    .unwrap();
    assert_eq!(content(&fixture, &digest).await, b"first second");
}

#[tokio::test]
async fn an_upload_belongs_to_one_principal_and_repository() {
    let fixture = Fixture::new().await;
    let (own, other_person) = (permit::<Push>(1, "shop/web"), permit::<Push>(2, "shop/web"));
    let (other_repository, own_as_signer) = (
        permit::<Push>(1, "shop/api"),
        permit::<Attach>(1, "shop/web"),
    );
    let id = uploads::start(&fixture.store, &Writer::Push(&own), NOW)
        .await
        .unwrap();
    for (writer, known) in [
        (Writer::Push(&other_person), false),
        (Writer::Push(&other_repository), false),
        (Writer::Attach(&own_as_signer), true),
        (Writer::Push(&own), true),
    ] {
        let opened = uploads::open(&fixture.store, &writer, &id, NOW).await;
        assert_eq!(opened.is_ok(), known, "{writer:?}");
        assert!(
            known || matches!(opened, Err(Error::NotFound { .. })),
            "as if there were none: {opened:?}"
        );
    }
    for hostile in [
        "../../master.key",
        "",
        "ABCDEF00112233445566778899aabbcc",
        "0011223344556677",
    ] {
        assert!(
            matches!(hostile.parse::<UploadId>(), Err(Error::NotFound { .. })),
            "{hostile}"
        );
    }
}

#[tokio::test]
async fn two_requests_do_not_write_to_one_upload() {
    let fixture = Fixture::new().await;
    let permit = permit::<Push>(1, "shop/web");
    let writer = Writer::Push(&permit);
    let id = uploads::start(&fixture.store, &writer, NOW).await.unwrap();
    let first = uploads::open(&fixture.store, &writer, &id, NOW)
        .await
        .unwrap();
    assert!(matches!(
        uploads::open(&fixture.store, &writer, &id, NOW).await,
        Err(Error::Conflict { .. })
    ));
    drop(first);
    uploads::open(&fixture.store, &writer, &id, NOW)
        .await
        .unwrap();
}

#[tokio::test]
async fn an_ended_permit_writes_nothing() {
    let fixture = Fixture::new().await;
    let permit = permit::<Push>(1, "shop/web");
    let (writer, late) = (Writer::Push(&permit), permit.expires_at());
    let refused = |outcome: Result<(), Error>| {
        assert!(matches!(outcome, Err(Error::Refused { .. })), "{outcome:?}")
    };
    refused(
        uploads::start(&fixture.store, &writer, late)
            .await
            .map(drop),
    );
    refused(
        blobs::put(&fixture.store, &writer, b"x".to_vec(), late)
            .await
            .map(drop),
    );
    let id = uploads::start(&fixture.store, &writer, late - 1)
        .await
        .unwrap();
    refused(
        uploads::open(&fixture.store, &writer, &id, late)
            .await
            .map(drop),
    );
    let upload = uploads::open(&fixture.store, &writer, &id, late - 1)
        .await
        .unwrap();
    let empty = Digest::sha256(b"");
    refused(
        uploads::commit(
            &fixture.store,
            &writer,
            upload,
            &empty,
            Hashed::NotYet,
            late,
        )
        .await
        .map(drop),
    );
    assert_eq!(
        fixture
            .number("SELECT COUNT(*) FROM repository_blobs")
            .await,
        0
    );
}

#[tokio::test]
async fn a_cancelled_upload_is_gone() {
    let fixture = Fixture::new().await;
    let permit = permit::<Push>(1, "shop/web");
    let writer = Writer::Push(&permit);
    let id = uploads::start(&fixture.store, &writer, NOW).await.unwrap();
    let upload = uploads::open(&fixture.store, &writer, &id, NOW)
        .await
        .unwrap();
    uploads::cancel(&fixture.store, upload).await.unwrap();
    assert!(matches!(
        uploads::open(&fixture.store, &writer, &id, NOW).await,
        Err(Error::NotFound { .. })
    ));
    assert_eq!(
        std::fs::read_dir(fixture.path("uploads")).unwrap().count(),
        0
    );
}

#[tokio::test]
async fn old_uploads_end_but_not_those_in_use() {
    let fixture = Fixture::new().await;
    let permit = permit::<Push>(1, "shop/web");
    let writer = Writer::Push(&permit);
    let old = uploads::start(&fixture.store, &writer, NOW).await.unwrap();
    let in_use = uploads::start(&fixture.store, &writer, NOW).await.unwrap();
    let new = uploads::start(&fixture.store, &writer, NOW + 1_000)
        .await
        .unwrap();
    let open = uploads::open(&fixture.store, &writer, &in_use, NOW)
        .await
        .unwrap();
    assert_eq!(uploads::expire(&fixture.store, NOW + 500).await.unwrap(), 1);
    assert_eq!(
        uploads::expire(&fixture.store, NOW + 500).await.unwrap(),
        0,
        "again changes nothing"
    );
    drop(open);
    for (id, known) in [(&old, false), (&in_use, true), (&new, true)] {
        assert_eq!(
            uploads::open(&fixture.store, &writer, id, NOW)
                .await
                .is_ok(),
            known
        );
        assert_eq!(fixture.path("uploads").join(id.as_str()).exists(), known);
    }
}

#[tokio::test]
async fn an_empty_blob_and_one_that_is_there_already_are_blobs() {
    let fixture = Fixture::new().await;
    let permit = permit::<Push>(1, "shop/web");
    let writer = Writer::Push(&permit);
    let empty = Digest::sha256(b"");
    for _ in 0..2 {
        let id = uploads::start(&fixture.store, &writer, NOW).await.unwrap();
        let upload = uploads::open(&fixture.store, &writer, &id, NOW)
            .await
            .unwrap();
        uploads::commit(&fixture.store, &writer, upload, &empty, Hashed::NotYet, NOW)
            .await
            .unwrap();
        assert_eq!(content(&fixture, &empty).await, b"");
    }
    assert_eq!(fixture.number("SELECT COUNT(*) FROM blobs").await, 1);
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
        let id = uploads::start(store, &writer, NOW).await.unwrap();
        let mut upload = uploads::open(store, &writer, &id, NOW).await.unwrap();
        upload.append(content).await.unwrap();
        uploads::commit(
            store,
            &writer,
            upload,
            &Digest::sha256(content),
            Hashed::NotYet,
            NOW,
        )
        .await
        .unwrap()
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
    let permit = permit::<Push>(1, "shop/web");
    let writer = Writer::Push(&permit);
    let begin = async |bytes: usize| {
        let id = uploads::start(&fixture.store, &writer, NOW).await.unwrap();
        let mut upload = uploads::open(&fixture.store, &writer, &id, NOW)
            .await
            .unwrap();
        upload.append(&vec![7; bytes]).await.unwrap();
        upload.flush().await.unwrap();
        upload
    };
    let commit = async |upload, bytes: usize| {
        let digest = Digest::sha256(&vec![7; bytes]);
        uploads::commit(
            &fixture.store,
            &writer,
            upload,
            &digest,
            Hashed::NotYet,
            NOW,
        )
        .await
        .unwrap();
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
    let digest = commit(larger, 5 * MIB).await;
    let growth = first.growth.borrow().clone();
    assert_eq!(
        (growth.bytes, growth.committed),
        (5 * MIB as u64, Some(digest))
    );
    assert_eq!(first.file.metadata().unwrap().len(), growth.bytes);

    uploads::cancel(&fixture.store, large).await.unwrap();
    assert!(second.growth.changed().await.is_ok());
    assert_eq!(second.growth.borrow().committed, None);
    assert!(second.growth.changed().await.is_err());

    commit(small, 4 * MIB - 1).await;
    commit(begin(6 * MIB).await, 6 * MIB).await;
    assert!(
        uploads::follow(&fixture.store).await.is_none(),
        "what is over is offered no more"
    );
}

#[tokio::test]
async fn an_upload_that_another_process_ended_is_forgotten() {
    let fixture = Fixture::new().await;
    let permit = permit::<Push>(1, "shop/web");
    let writer = Writer::Push(&permit);
    let id = uploads::start(&fixture.store, &writer, NOW).await.unwrap();
    let mut upload = uploads::open(&fixture.store, &writer, &id, NOW)
        .await
        .unwrap();
    upload.append(&vec![7; 5 << 20]).await.unwrap();
    upload.flush().await.unwrap();
    let growing = uploads::follow(&fixture.store).await.unwrap();
    std::fs::remove_file(fixture.path("uploads").join(id.as_str())).unwrap();
    uploads::expire(&fixture.store, 0).await.unwrap();
    assert!(growing.growth.has_changed().is_err());
}
