//! The end of a file that grows: what is given, and when waiting for more ends.

use std::io::Write;
use tokio::sync::watch;
use tokio::time::Instant;

use super::*;

/// An upload whose file has these bytes and which says that it has so many.
fn upload(content: &[u8], bytes: u64) -> (watch::Sender<Growth>, Tail) {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(content).unwrap();
    let (sender, growth) = watch::channel(Growth {
        bytes,
        committed: None,
    });
    let id = "0123456789abcdef0123456789abcdef".parse().unwrap();
    let growing = Growing { id, file, growth };
    let tail = Tail::new(growing, Turns::default(), CancellationToken::new());
    (sender, tail)
}

fn commit(sender: &watch::Sender<Growth>, content: &[u8]) {
    sender.send_modify(|growth| {
        growth.bytes = content.len() as u64;
        growth.committed = Some(Digest::sha256(content));
    });
}

/// Reads to the end on a thread where waiting is allowed.
async fn read_all(mut tail: Tail) -> (io::Result<Vec<u8>>, Tail) {
    let reading = tokio::task::spawn_blocking(move || {
        let mut bytes = Vec::new();
        let outcome = tail.read_to_end(&mut bytes).map(|_| bytes);
        (outcome, tail)
    });
    reading.await.unwrap()
}

#[tokio::test]
async fn a_blob_is_given_to_its_end_and_no_further() {
    let (sender, tail) = upload(b"a layer, and what a failed write left", 3);
    commit(&sender, b"a layer");
    drop(sender);
    let (read, tail) = read_all(tail).await;
    assert_eq!(read.unwrap(), b"a layer");
    assert_eq!(tail.blob(), Some(Digest::sha256(b"a layer")));
}

#[tokio::test]
async fn a_part_of_the_blob_is_no_blob() {
    let (sender, mut tail) = upload(b"a layer", 4);
    let mut part = [0; 4];
    tail.read_exact(&mut part).unwrap();
    assert_eq!(tail.blob(), None);
    commit(&sender, b"a layer");
    assert_eq!(tail.blob(), None, "four bytes of seven");
    let (read, tail) = read_all(tail).await;
    assert_eq!(
        (&part[..], read.unwrap().as_slice()),
        (&b"a la"[..], &b"yer"[..])
    );
    assert_eq!(tail.blob(), Some(Digest::sha256(b"a layer")));
}

#[tokio::test]
async fn a_file_that_lost_bytes_is_no_blob() {
    let (sender, tail) = upload(b"a lay", 0);
    commit(&sender, b"a layer");
    let (read, tail) = read_all(tail).await;
    read.unwrap_err();
    assert_eq!(tail.gave_up(), Some(GaveUp::Unreadable));
    assert_eq!(tail.blob(), None);
}

#[tokio::test]
async fn an_upload_that_is_given_up_ends_it() {
    let (sender, tail) = upload(b"a la", 4);
    drop(sender);
    let (read, tail) = read_all(tail).await;
    read.unwrap_err();
    assert_eq!(tail.gave_up(), Some(GaveUp::Ended));
    assert!(tail.into_preempted().is_none());
}

#[tokio::test(start_paused = true)]
async fn an_upload_may_stand_still_for_a_while() {
    let (sender, mut tail) = upload(b"a layer", 4);
    tail.given = 4;
    let began = Instant::now();
    assert_eq!(tail.grown().await, Err(GaveUp::Still));
    assert_eq!(began.elapsed().as_secs(), STILL_MAX.as_secs());
    // Not for a while altogether: each byte starts it anew.
    for bytes in 5..7 {
        let growing = async {
            tokio::time::sleep(STILL_MAX - Duration::from_secs(1)).await;
            sender.send_modify(|growth| growth.bytes = bytes);
        };
        assert_eq!(tokio::join!(tail.grown(), growing).0, Ok(bytes));
        tail.given = bytes;
    }
}

#[tokio::test]
async fn a_job_comes_first_unless_the_upload_is_complete() {
    let (sender, mut tail) = upload(b"a layer", 4);
    let turns = tail.turns.clone();
    let held = turns.spare().await;
    let mut job = Box::pin(turns.need());
    assert!(futures_util::poll!(&mut job).is_pending());
    assert_eq!(tail.there(), Err(GaveUp::Preempted));
    tail.given = 4;
    assert_eq!(tail.grown().await, Err(GaveUp::Preempted));
    commit(&sender, b"a layer");
    assert_eq!(tail.there(), Ok(7));
    assert_eq!(tail.grown().await, Ok(7));
    drop(held);
    drop(job.await);
    let (_, mut other) = upload(b"", 4);
    other.turns = turns;
    assert_eq!(other.there(), Ok(4), "a job that had its turn is forgotten");
}

#[tokio::test]
async fn it_ends_with_the_server() {
    let (sender, mut tail) = upload(b"a layer", 4);
    tail.stop.cancel();
    assert_eq!(tail.grown().await, Ok(4));
    tail.given = 4;
    assert_eq!(tail.grown().await, Err(GaveUp::Stopped));
    commit(&sender, b"a layer");
    assert_eq!(tail.there(), Err(GaveUp::Stopped));
}
