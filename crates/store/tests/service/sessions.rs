//! Uploads to a bucket: what becomes of pieces, and that no bytes but the right ones become a blob.

use futures_util::FutureExt;
use oci::{Algorithm, Digest};
use store::{Error, catalogue, garbage, uploads};
use testkit::{Fault, Times};

use super::{Service, noise};
use crate::fixture::name;

const MEBIBYTE: usize = 1 << 20;
/// Later than anything that the server says of an object.
const FAR: i64 = 253_000_000_000_000;

fn sha512(bytes: &[u8]) -> Digest {
    let mut hasher = oci::Hasher::new(Algorithm::Sha512);
    hasher.update(bytes);
    hasher.finish()
}

/// Puts a session back, as another process sees it that began before it ended.
async fn put_back(service: &Service, id: &str) {
    let session = format!("{}/sessions/{id}", service.place().prefix);
    object_store::ObjectStoreExt::put(&super::client(), &session.as_str().into(), "".into())
        .await
        .unwrap();
}

#[tokio::test]
async fn a_blob_in_one_body_stays_where_it_was_written() {
    let service = Service::new().await;
    // Nothing, one byte, one part exactly, and three parts.
    for length in [0, 1, 8 * MEBIBYTE, 20 * MEBIBYTE + 17] {
        let bytes = noise(length, 1);
        let session = service.start().await;
        assert_eq!(service.add(&session, &bytes).await.unwrap(), length as u64);
        let digest = Digest::sha256(&bytes);
        let info = service.open(&session).commit(&digest, 0).await.unwrap();
        assert_eq!(info.size, length as u64);
        assert_eq!(service.read(&digest).await.unwrap(), bytes, "{length}");
        assert!(service.keys_below("sessions/").await.is_empty());
    }
    assert_eq!(service.keys_below("uploads/").await.len(), 3);
    assert_eq!(
        service.keys_below("sha256/").await.len(),
        1,
        "the empty one"
    );
    let copies = service.proxy.seen();
    assert!(
        copies
            .iter()
            .filter(|seen| seen.method == "GET" && !seen.target.contains("list-type"))
            .count()
            <= 4,
        "bytes that were hashed as they came are read by the test alone: {copies:?}"
    );
}

#[tokio::test]
async fn pieces_of_several_requests_and_processes_become_one_blob() {
    let service = Service::new().await;
    let bytes = noise(9 * MEBIBYTE, 2);
    let session = service.start().await;
    let (first, rest) = bytes.split_at(3 * MEBIBYTE);
    let (second, third) = rest.split_at(1);
    service.add(&session, first).await.unwrap();
    let service = service.restart().await;
    assert_eq!(
        service.open(&session).size().await.unwrap(),
        first.len() as u64
    );
    service.add(&session, second).await.unwrap();
    let service = service.restart().await;
    let wrong = Digest::sha256(b"something else");
    let mut last = service.open(&session);
    last.append(third).await.unwrap();
    let refused = last.commit(&wrong, 0).await;
    assert!(
        matches!(refused, Err(Error::DigestMismatch { .. })),
        "{refused:?}"
    );
    // It is as it was, with the third piece.
    let digest = Digest::sha256(&bytes);
    let info = service.open(&session).commit(&digest, 0).await.unwrap();
    assert_eq!(info.size, bytes.len() as u64);
    assert_eq!(service.read(&digest).await.unwrap(), bytes);
    assert!(service.open(&session).size().await.is_err(), "it has ended");

    assert_eq!(uploads::expire(&service.store, FAR).await.unwrap(), 1);
    assert!(service.keys_below("uploads/").await.is_empty());
    assert!(service.keys_below("sessions/").await.is_empty());
    assert_eq!(service.read(&digest).await.unwrap(), bytes);
}

#[tokio::test]
async fn a_hash_of_other_pieces_than_those_that_are_there_is_not_believed() {
    let service = Service::new().await;
    let session = service.start().await;
    let sent = noise(MEBIBYTE, 3);
    service.add(&session, &sent).await.unwrap();
    // Another process writes as many other bytes at the same place, and its piece comes first.
    let mine = service.keys_below("uploads/").await.remove(0);
    let theirs = format!("{}.00000000", mine.rsplit_once('.').unwrap().0);
    let key = format!("{}/{theirs}", service.place().prefix);
    let other = noise(MEBIBYTE, 4);
    object_store::ObjectStoreExt::put(&super::client(), &key.as_str().into(), other.clone().into())
        .await
        .unwrap();
    let claimed = service
        .open(&session)
        .commit(&Digest::sha256(&sent), 0)
        .await;
    assert!(
        matches!(claimed, Err(Error::DigestMismatch { .. })),
        "{claimed:?}"
    );
    let digest = Digest::sha256(&other);
    service.open(&session).commit(&digest, 0).await.unwrap();
    assert_eq!(service.read(&digest).await.unwrap(), other);
}

#[tokio::test]
async fn another_algorithm_than_expected_is_hashed_at_the_end() {
    let service = Service::new().await;
    let (session, bytes) = (service.start().await, noise(MEBIBYTE, 5));
    service.add(&session, &bytes).await.unwrap();
    let digest = sha512(&bytes);
    service.open(&session).commit(&digest, 0).await.unwrap();
    assert_eq!(service.read(&digest).await.unwrap(), bytes);
}

#[tokio::test]
async fn an_upload_that_is_ended_with_two_digests_is_two_blobs_and_each_goes_alone() {
    let service = Service::new().await;
    let (session, bytes) = (service.start().await, noise(MEBIBYTE, 9));
    service.add(&session, &bytes).await.unwrap();
    let (first, second) = (sha512(&bytes), Digest::sha256(&bytes));
    service.open(&session).commit(&first, 0).await.unwrap();
    put_back(&service, session.id().as_str()).await;
    let later = garbage::GRACE.as_millis() as i64 * 2;
    service.open(&session).commit(&second, later).await.unwrap();
    assert_eq!(service.read(&first).await.unwrap(), bytes);

    let collected = garbage::collect_now(&service.store, false, &|| later + 1).await;
    assert_eq!(collected.unwrap().blobs, 1);
    assert!(service.read(&first).await.is_err());
    assert_eq!(service.read(&second).await.unwrap(), bytes);
}

#[tokio::test]
async fn a_piece_that_is_about_to_be_removed_with_its_blob_is_not_made_another_one() {
    let service = Service::new().await;
    let (session, bytes) = (service.start().await, noise(MEBIBYTE, 10));
    service.add(&session, &bytes).await.unwrap();
    let piece = service.keys_below("uploads/").await.remove(0);
    let text = "INSERT INTO discarded_files (location, size, discarded_at)";
    service
        .edit(&format!("{text} VALUES ('{piece}', 1, 0)"))
        .await;
    let digest = Digest::sha256(&bytes);
    service.open(&session).commit(&digest, 0).await.unwrap();
    let collected = garbage::collect_now(&service.store, false, &|| 1).await;
    assert_eq!(collected.unwrap().files, 1);
    assert!(service.keys_below("uploads/").await.is_empty());
    assert_eq!(service.read(&digest).await.unwrap(), bytes);
}

#[tokio::test]
async fn a_piece_that_came_after_its_blob_goes_in_time() {
    let service = Service::new().await;
    let (session, bytes) = (service.start().await, noise(MEBIBYTE, 11));
    let digest = Digest::sha256(&bytes);
    service.push(&bytes).await.unwrap();
    service.add(&session, &bytes).await.unwrap();
    service.open(&session).commit(&digest, 0).await.unwrap();
    // Not at once: another process may be making it the blob of another digest.
    assert_eq!(service.keys_below("uploads/").await.len(), 2);
    assert!(service.open(&session).size().await.is_err(), "it has ended");
    assert_eq!(uploads::expire(&service.store, FAR).await.unwrap(), 1);
    assert_eq!(service.keys_below("uploads/").await.len(), 1);
    assert_eq!(service.read(&digest).await.unwrap(), bytes);
}

#[tokio::test]
async fn a_cancelled_upload_is_unknown_at_once_and_its_pieces_go_in_time() {
    let service = Service::new().await;
    let session = service.start().await;
    service.add(&session, b"some").await.unwrap();
    service.open(&session).cancel().await.unwrap();
    let size = service.open(&session).size().await;
    assert!(matches!(size, Err(Error::NotFound { .. })), "{size:?}");
    assert_eq!(
        uploads::expire(&service.store, 0).await.unwrap(),
        0,
        "too young"
    );
    assert_eq!(uploads::expire(&service.store, FAR).await.unwrap(), 1);
    assert!(service.keys_below("uploads/").await.is_empty());
}

#[tokio::test]
async fn what_expires_is_what_nobody_finished_and_never_a_blob() {
    let service = Service::new().await;
    let (left, open) = (service.start().await, service.start().await);
    service.add(&left, b"left").await.unwrap();
    let held = service.open(&open);
    let blob = service.push(b"a blob").await.unwrap();
    // As if the process had ended before it removed the session.
    let id = service.keys_below("uploads/").await;
    let id = id
        .iter()
        .find(|key| !key.contains(left.id().as_str()))
        .unwrap();
    put_back(&service, id.split('/').nth(1).unwrap()).await;
    assert_eq!(uploads::expire(&service.store, FAR).await.unwrap(), 2);
    drop(held);
    assert_eq!(service.read(&blob.digest).await.unwrap(), b"a blob");
    assert!(service.open(&left).size().await.is_err());
    assert_eq!(
        service.open(&open).size().await.unwrap(),
        0,
        "it was in use"
    );
}

#[tokio::test]
async fn an_upload_that_is_dropped_aborts_its_parts_and_leaves_nothing() {
    let service = Service::new().await;
    let session = service.start().await;
    let mut upload = service.open(&session);
    upload.append(&noise(9 * MEBIBYTE, 6)).await.unwrap();
    drop(upload);
    service
        .proxy
        .saw(|seen| seen.method == "DELETE" && seen.target.contains("uploadId="))
        .await;
    assert!(service.keys_below("uploads/").await.is_empty());
    assert_eq!(service.open(&session).size().await.unwrap(), 0);
}

#[tokio::test]
async fn an_upload_within_one_request_leaves_nothing_when_it_fails() {
    let service = Service::new().await;
    let permit = crate::fixture::permit::<policy::verb::Push>(1, "shop/web");
    let writer = store::Writer::Push(&permit);
    for length in [5, 9 * MEBIBYTE] {
        let bytes = noise(length, 8);
        let create = || uploads::create(&service.store, &writer, Algorithm::Sha256, 0).unwrap();
        let mut upload = create();
        upload.append(&bytes).await.unwrap();
        let outcome = upload.commit(&Digest::sha256(b"others"), 0).await;
        assert!(
            matches!(outcome, Err(Error::DigestMismatch { .. })),
            "{outcome:?}"
        );
        let mut upload = create();
        upload.append(&bytes).await.unwrap();
        upload.flush().await.unwrap();
        assert!(service.keys_below("uploads/").await.is_empty(), "{length}");
        assert!(service.keys_below("sessions/").await.is_empty(), "{length}");
    }
}

#[tokio::test]
async fn the_same_blob_twice_is_kept_once() {
    let service = Service::new().await;
    let bytes = noise(100, 7);
    let first = service.push(&bytes).await.unwrap();
    let keys = service.keys_below("uploads/").await;
    service.push(&bytes).await.unwrap();
    assert_eq!(service.keys_below("uploads/").await, keys);
    assert_eq!(service.read(&first.digest).await.unwrap(), bytes);
    let held = catalogue::blob(&service.store, &name("shop/web"), &first.digest).await;
    assert_eq!(held.unwrap().unwrap().size, 100);
}

#[tokio::test]
async fn a_piece_that_nobody_needs_and_that_cannot_be_removed_goes_in_time() {
    let service = Service::new().await;
    let bytes = noise(100, 9);
    let blob = service.push(&bytes).await.unwrap();
    let kept = service.keys_below("uploads/").await;
    let session = service.start().await;
    service.add(&session, &bytes).await.unwrap();
    let busy = Fault::Busy {
        retry_after_seconds: 1,
    };
    service
        .proxy
        .spoil_at(Some("DELETE"), "/uploads/", Times::Always, busy);
    let digest = &blob.digest;
    service.open(&session).commit(digest, 0).await.unwrap();
    assert_eq!(service.keys_below("uploads/").await.len(), 2);
    service.proxy.mend();
    assert_eq!(uploads::expire(&service.store, FAR).await.unwrap(), 1);
    assert_eq!(service.keys_below("uploads/").await, kept);
    assert_eq!(service.read(digest).await.unwrap(), bytes);
}

#[tokio::test]
async fn a_piece_is_not_stored_before_what_leads_to_it() {
    let service = Service::new().await;
    let busy = Fault::Busy {
        retry_after_seconds: 1,
    };
    service
        .proxy
        .spoil_at(Some("PUT"), "/sessions/", Times::Always, busy);
    let outcome = service.push(b"some").await;
    assert!(
        matches!(outcome, Err(Error::Unavailable { .. })),
        "{outcome:?}"
    );
    assert!(service.keys_below("uploads/").await.is_empty());
}

#[tokio::test]
async fn one_request_at_a_time_writes_to_an_upload() {
    let service = Service::new().await;
    let session = service.start().await;
    let open = service.open(&session);
    let permit = crate::fixture::permit::<policy::verb::Push>(1, "shop/web");
    let second = uploads::open(&service.store, &store::Writer::Push(&permit), &session, 0);
    assert!(matches!(second, Err(Error::Conflict { .. })), "{second:?}");
    drop(open);
    service.open(&session).size().now_or_never();
}
