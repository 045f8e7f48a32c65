//! `kill -9` in the middle of parallel pushes, again and again: what was acknowledged is there byte for byte, and nothing that is
//! visible is less than whole.

use crate::harness::{
    Image, ImageParts, Layer, Shop, block_on, client_of, name, noise, push, small_layer, tag,
};
use client::Client;
use oci::{Digest, Reference};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::Notify;

const ROUNDS: usize = 20;
const PUSHES: usize = 20;
const REPOSITORY: &str = "shop/crash";
/// Bytes of a blob that are read back.
const BLOB_BYTES_MAX: u64 = 1 << 20;

/// One attempt to push.
#[derive(Clone)]
struct Push {
    tag: String,
    image: Image,
}

impl Push {
    fn new(round: usize, number: usize) -> Self {
        let label = format!("r{round}-p{number}");
        let noisy = Layer::of_files(
            &[("srv/noise", &noise(&label, 20_000 + 7_919 * number))],
            "COPY noise /srv",
        );
        Self {
            image: ImageParts::of([small_layer("crash"), noisy]).build(),
            tag: label,
        }
    }
}

#[test]
fn nothing_acknowledged_is_lost_and_nothing_visible_is_broken() {
    let mut shop = Shop::bare(&[]);
    let (mut acknowledged, mut attempted, mut cut) = (Vec::new(), BTreeSet::new(), 0);
    for round in 0..ROUNDS {
        let pushes: Vec<Push> = (0..PUSHES).map(|number| Push::new(round, number)).collect();
        attempted.extend(pushes.iter().map(|push| push.tag.clone()));
        // Earlier and later in the middle of it: from the first blob on, up to all but one.
        let client = client_of(shop.actor("dora"), &shop.server);
        let done = interrupted(&mut shop, &client, pushes, round);
        cut += PUSHES - done.len();
        shop.server.restart();
        let client = client_of(shop.actor("dora"), &shop.server);
        block_on(check(&client, &done, &attempted));
        acknowledged.extend(done);
    }
    let client = client_of(shop.actor("dora"), &shop.server);
    block_on(check(&client, &acknowledged, &attempted));
    println!(
        "crash: {ROUNDS} kills, {} pushes acknowledged and whole, {cut} cut off",
        acknowledged.len()
    );
    assert!(
        !acknowledged.is_empty() && cut > ROUNDS,
        "the kills did not come in the middle"
    );
    // The account survived as well, and nothing is stuck.
    push_one_more(&shop);
    shop.server.stop();
    let said = shop.actor("admin").does([
        "audit",
        "verify",
        "--data",
        shop.server.data().to_str().unwrap(),
    ]);
    assert!(said.contains("the log is whole"), "{said}");
}

/// Pushes all at once, and kills the server when `enough` were acknowledged. Answers what was.
fn interrupted(shop: &mut Shop, client: &Client, pushes: Vec<Push>, enough: usize) -> Vec<Push> {
    let counted = Arc::new((AtomicUsize::new(0), Notify::new()));
    let (running, blob_done) = block_on(async {
        let blob_done = Arc::new(Notify::new());
        let start = |each: Push| {
            let (client, counted, blob_done) =
                (client.clone(), Arc::clone(&counted), Arc::clone(&blob_done));
            tokio::spawn(async move {
                let (digest, bytes) = &each.image.blobs[1];
                let first = client
                    .put_blob(
                        &name(REPOSITORY),
                        digest,
                        client::distribution::Content::from(bytes.clone()),
                    )
                    .await;
                blob_done.notify_one();
                first.ok()?;
                push(&client, REPOSITORY, &tag(&each.tag), &each.image)
                    .await
                    .ok()?;
                counted.0.fetch_add(1, Ordering::SeqCst);
                counted.1.notify_one();
                Some(each)
            })
        };
        (pushes.into_iter().map(start).collect::<Vec<_>>(), blob_done)
    });
    block_on(async {
        blob_done.notified().await;
        while counted.0.load(Ordering::SeqCst) < enough {
            counted.1.notified().await;
        }
    });
    shop.server.kill();
    block_on(async {
        let mut acknowledged = Vec::new();
        for task in running {
            acknowledged.extend(task.await.unwrap());
        }
        acknowledged
    })
}

async fn check(client: &Client, acknowledged: &[Push], attempted: &BTreeSet<String>) {
    for each in acknowledged {
        let found = client.manifest(&name(REPOSITORY), &tag(&each.tag)).await;
        let found = found
            .unwrap_or_else(|error| panic!("{} was acknowledged and is gone: {error}", each.tag));
        assert_eq!(found.bytes, each.image.manifest, "{}", each.tag);
        for (digest, bytes) in &each.image.blobs {
            assert_eq!(
                &blob(client, digest).await,
                bytes,
                "{digest} of {}",
                each.tag
            );
        }
    }
    let tags = match client.tags(&name(REPOSITORY)).await {
        Ok(tags) => tags,
        Err(error) if error.is_not_found() && acknowledged.is_empty() => return,
        Err(error) => panic!("the tags cannot be listed: {error}"),
    };
    for visible in tags {
        assert!(
            attempted.contains(visible.as_str()),
            "nobody pushed `{visible}`"
        );
        // Sent but not answered, it may be there or not; if it is there, it is there whole.
        let found = client
            .manifest(&name(REPOSITORY), &Reference::Tag(visible.clone()))
            .await
            .unwrap();
        let oci::Manifest::Image(image) = found.manifest else {
            panic!("`{visible}` is no image")
        };
        for descriptor in image.layers.iter().chain([&image.config]) {
            assert_eq!(
                blob(client, &descriptor.digest).await.len() as u64,
                descriptor.size,
                "`{visible}`"
            );
        }
    }
}

/// A blob, which the client checks against its digest.
async fn blob(client: &Client, digest: &Digest) -> bytes::Bytes {
    let blob = client
        .blob(&name(REPOSITORY), digest)
        .await
        .unwrap_or_else(|error| panic!("{digest}: {error}"));
    blob.bytes(BLOB_BYTES_MAX).await.unwrap()
}

fn push_one_more(shop: &Shop) {
    let last = Push::new(ROUNDS, 0);
    let client = client_of(shop.actor("dora"), &shop.server);
    block_on(push(&client, REPOSITORY, &tag(&last.tag), &last.image)).unwrap();
    let state = shop.wait_for_inventory(&format!("{REPOSITORY}:{}", last.tag));
    assert_eq!(state["inventory"]["state"], "complete", "{state:#}");
}
