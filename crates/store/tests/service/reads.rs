//! Reading from a bucket: whole, in parts, by a thread, by a link.

use std::io::Read;
use std::time::Duration;

use futures_util::TryStreamExt;
use store::Error;
use store::blobs::{self, RemoteContent};
use testkit::{Fault, Times};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{Service, noise, server};

const LENGTH: usize = 3_000_001;

async fn content(service: &Service, digest: &oci::Digest) -> RemoteContent {
    let content = blobs::open(&service.store, digest).await.unwrap();
    content.into_file().unwrap_err()
}

#[tokio::test]
async fn parts_of_a_blob_are_those_that_were_asked_for() {
    let service = Service::new().await;
    let bytes = noise(LENGTH, 1);
    let digest = service.push(&bytes).await.unwrap().digest;
    for (first, length) in [
        (0, LENGTH),
        (0, 1),
        (LENGTH - 1, 1),
        (1_000, 2_000_000),
        (17, 0),
        (LENGTH, 0),
    ] {
        let stream = content(&service, &digest).await;
        let stream = stream.stream(first as u64, length as u64).await.unwrap();
        let pieces: Vec<bytes::Bytes> = stream.try_collect().await.unwrap();
        assert_eq!(
            pieces.concat(),
            bytes[first..first + length],
            "{first} {length}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thread_reads_it_in_steps_of_its_own() {
    let service = Service::new().await;
    let bytes = noise(LENGTH, 2);
    let digest = service.push(&bytes).await.unwrap().digest;
    let content = blobs::open(&service.store, &digest).await.unwrap();
    assert_eq!(content.size, LENGTH as u64);
    let mut reader = content.into_reader();
    let read = tokio::task::spawn_blocking(move || {
        let (mut all, mut step) = (Vec::new(), vec![0; 1_234]);
        loop {
            match reader.read(&mut step).unwrap() {
                0 => return all,
                count => all.extend_from_slice(&step[..count]),
            }
        }
    });
    assert_eq!(read.await.unwrap(), bytes);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_is_cut_goes_on_where_it_ended() {
    let service = Service::new().await;
    let bytes = noise(LENGTH, 3);
    let digest = service.push(&bytes).await.unwrap().digest;
    let fault = Fault::CutAnswer {
        after_bytes: 700_000,
    };
    service.proxy.spoil(Some("GET"), Times::Always, fault);
    assert_eq!(service.read(&digest).await.unwrap(), bytes);
    let seen = service.proxy.seen();
    assert!(
        seen.iter().filter(|seen| seen.spoilt).count() >= 5,
        "{seen:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_first_failure_is_followed_by_another_request_however_long_it_took() {
    let mut service = Service::new().await;
    let bytes = noise(LENGTH, 5);
    let digest = service.push(&bytes).await.unwrap().digest;
    service.options.blobs.as_mut().unwrap().patience = Duration::ZERO;
    let service = service.restart().await;
    let fault = Fault::CutAnswer {
        after_bytes: 700_000,
    };
    service.proxy.spoil(Some("GET"), Times::Next(1), fault);
    assert_eq!(service.read(&digest).await.unwrap(), bytes);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_never_comes_is_an_error_and_never_a_shorter_blob() {
    let service = Service::new().await;
    let digest = service.push(&noise(LENGTH, 4)).await.unwrap().digest;
    service.proxy.spoil(
        Some("GET"),
        Times::Always,
        Fault::CutAnswer { after_bytes: 0 },
    );
    let outcome = service.read(&digest).await;
    assert!(
        matches!(outcome, Err(Error::Unavailable { .. })),
        "{:?}",
        outcome.map(|read| read.len())
    );
}

#[tokio::test]
async fn an_object_that_is_gone_is_not_found_and_a_shorter_one_is_a_fault() {
    let service = Service::new().await;
    let digest = service.push(b"some bytes").await.unwrap().digest;
    let key = service.keys_below("uploads/").await.remove(0);
    let key = format!("{}/{key}", service.place().prefix).as_str().into();
    object_store::ObjectStoreExt::put(&super::client(), &key, "some".into())
        .await
        .unwrap();
    let outcome = blobs::open(&service.store, &digest).await;
    assert!(matches!(outcome, Err(Error::Damaged { .. })), "{outcome:?}");
    object_store::ObjectStoreExt::delete(&super::client(), &key)
        .await
        .unwrap();
    let outcome = blobs::open(&service.store, &digest).await;
    assert!(
        matches!(outcome, Err(Error::NotFound { .. })),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn a_link_reads_this_blob_and_no_other() {
    let service = Service::new().await;
    let one = service.push(b"one blob").await.unwrap().digest;
    let other = service.push(b"other blob").await.unwrap().digest;
    let link = content(&service, &one).await.link().await.unwrap();
    let other = content(&service, &other).await.link().await.unwrap();
    assert!(link.contains("X-Amz-Expires=300"), "{link}");
    let proxy = format!("http://{}", service.proxy.address());
    let target = link.strip_prefix(&proxy).unwrap();
    let answer = get(target, &service.proxy.address().to_string()).await;
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.ends_with("one blob"),
        "{answer}"
    );
    // Its signature with the path of the other.
    let (path, _) = other.strip_prefix(&proxy).unwrap().split_once('?').unwrap();
    let (_, query) = target.split_once('?').unwrap();
    let answer = get(
        &format!("{path}?{query}"),
        &service.proxy.address().to_string(),
    )
    .await;
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
}

/// What a client without keys gets.
async fn get(target: &str, host: &str) -> String {
    let mut stream = TcpStream::connect(server()).await.unwrap();
    let request = format!("GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}
