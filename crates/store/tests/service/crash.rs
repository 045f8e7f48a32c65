//! A process that is killed in the midst of uploads to a bucket: what it acknowledged is there byte for byte, also after what it
//! left behind was removed.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use oci::{Algorithm, Digest};
use policy::verb::Push;
use store::{Options, Store, Writer, blobs, uploads};

use super::{new_options, noise};
use crate::database::place;
use crate::fixture::{NOW, permit};

/// Where the killed process finds its data folder.
const DATA: &str = "COUNTERSIGN_TEST_CRASH_DATA";
/// Its database, where that is a server.
const DATABASE: &str = "COUNTERSIGN_TEST_CRASH_DATABASE";
/// And its blobs.
const PREFIX: &str = "COUNTERSIGN_TEST_CRASH_PREFIX";
/// How many uploads run at once there.
const PUSHERS: u64 = 6;
/// Later than anything that the server says of an object.
const FAR: i64 = 253_000_000_000_000;

/// Not a test of its own: the process that is killed. It pushes and tells each acknowledged digest, for ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child_that_uploads_until_it_is_killed() {
    let (Ok(data), Ok(prefix)) = (std::env::var(DATA), std::env::var(PREFIX)) else {
        return;
    };
    let options = Options {
        database: std::env::var(DATABASE).ok(),
        blobs: Some(place(&prefix)),
        ..Options::embedded(data)
    };
    let store = Store::open(&options).await.unwrap();
    let run = u64::from(std::process::id()) << 32;
    let pushers: Vec<_> = (0..PUSHERS)
        .map(|pusher| {
            let store = store.clone();
            tokio::spawn(async move {
                for number in 0_u64.. {
                    let length = if number % 3 == 2 { 9_000_000 } else { 50_000 };
                    let bytes = noise(length, run + (pusher << 24) + number);
                    let digest = push(&store, &bytes).await;
                    println!("acknowledged {digest}");
                }
            })
        })
        .collect();
    for pusher in pushers {
        pusher.await.unwrap();
    }
}

/// As docker does: a session, one body, the digest.
async fn push(store: &Store, bytes: &[u8]) -> Digest {
    let permit = permit::<Push>(1, "shop/web");
    let writer = Writer::Push(&permit);
    let session = uploads::start(store, &writer, Algorithm::Sha256, NOW)
        .await
        .unwrap();
    let mut upload = uploads::open(store, &writer, &session, NOW).unwrap();
    upload.append(bytes).await.unwrap();
    upload.flush().await.unwrap();
    let digest = Digest::sha256(bytes);
    let upload = uploads::open(store, &writer, &session, NOW).unwrap();
    upload.commit(&digest, NOW).await.unwrap();
    digest
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_in_the_midst_of_uploads_nothing_acknowledged_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let options = new_options(folder.path()).await;
    let mut acknowledged = Vec::new();
    for round in 0..3 {
        acknowledged.extend(push_and_kill(&options, 8 + 6 * round));
        let store = Store::open(&options).await.unwrap();
        if round == 2 {
            uploads::expire(&store, FAR).await.unwrap();
        }
        for digest in &acknowledged {
            let content = blobs::open(&store, digest).await.unwrap();
            let bytes = content.bytes().await.unwrap();
            assert_eq!(Digest::sha256(&bytes), *digest, "byte for byte");
        }
        store.close().await;
    }
}

/// Starts the process, kills it as soon as it has acknowledged so many uploads, and answers those that it told.
fn push_and_kill(options: &Options, acknowledged: usize) -> Vec<Digest> {
    let prefix = &options.blobs.as_ref().unwrap().prefix;
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args([
            "--exact",
            "service::crash::child_that_uploads_until_it_is_killed",
            "--nocapture",
        ])
        .env(DATA, &options.data)
        .env(PREFIX, prefix)
        .stdout(Stdio::piped());
    if let Some(database) = &options.database {
        command.env(DATABASE, database);
    }
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let (mut told, mut is_killed) = (Vec::new(), false);
    // What it told before it died is read to the end.
    while let Some(Ok(line)) = lines.next() {
        if let Some(digest) = line.strip_prefix("acknowledged ") {
            told.push(digest.parse().unwrap());
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
