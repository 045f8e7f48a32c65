//! Uploads that are followed, from their bytes to what is kept; the monitor's own tasks do not run, so that each step is the
//! test's.

use super::*;
use crate::Monitor;
use oci::Digest;
use proptest::prelude::*;

mod fixture;

use fixture::{Fixture, gzip, layer};

const MIB: usize = 1 << 20;

/// The inventory as the layer's job would have made it.
fn scanned(blob: &[u8]) -> LayerInventory {
    let digest = Digest::sha256(blob);
    let limits = scanner::Limits::default();
    scanner::scan_layer(blob, &digest, None, media::OCI_LAYER_GZIP, &limits)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, failure_persistence: None, ..Default::default() })]

    #[test]
    fn what_was_followed_is_what_is_read_afterwards(
        seed in any::<u64>(),
        beyond in 0..1_000_usize,
        compression in 0..3,
        requests in prop::collection::vec(1..3 * MIB, 1..4),
        piece in 1_000..400_000_usize,
    ) {
        let archive = layer(5 * MIB, seed);
        let blob = match compression {
            0 => archive,
            1 => gzip(&archive),
            _ => zstd::encode_all(archive.as_slice(), 1).unwrap(),
        };
        fixture::runtime().block_on(async {
            let fixture = Fixture::new().await;
            let mut pushing = fixture.upload(piece).await;
            let (first, mut rest) = blob.split_at(4 * MIB + beyond);
            pushing.write(first).await;
            let following = fixture.follow().await;
            for request in requests {
                let (now, later) = rest.split_at(request.min(rest.len()));
                pushing.write(now).await;
                rest = later;
            }
            pushing.write(rest).await;
            pushing.finish(&Digest::sha256(&blob)).await.unwrap();
            following.await.unwrap();
            assert_eq!(fixture.kept(&blob).await, Some(scanned(&blob)));
        });
    }
}

#[tokio::test]
async fn an_image_whose_layer_was_followed_is_indexed_without_reading_it() {
    let fixture = Fixture::new().await;
    let blob = gzip(&layer(6 * MIB, 1));
    let mut pushing = fixture.upload(100_000).await;
    pushing.write(&blob).await;
    let following = fixture.follow().await;
    pushing.finish(&Digest::sha256(&blob)).await.unwrap();
    following.await.unwrap();
    let image = fixture.push_image(&blob).await;
    fixture.remove_blob(&blob);
    Monitor::new(fixture.context.clone()).drain().await.unwrap();
    fixture.assert_complete(&image).await;
}

#[tokio::test]
async fn a_job_waits_for_the_end_of_a_layer_that_is_complete() {
    let fixture = Fixture::new().await;
    let blob = gzip(&layer(6 * MIB, 2));
    let mut pushing = fixture.upload(100_000).await;
    pushing.write(&blob).await;
    let (turn, growing) = next(&fixture.context).await;
    pushing.finish(&Digest::sha256(&blob)).await.unwrap();
    let image = fixture.push_image(&blob).await;
    fixture.remove_blob(&blob);
    let monitor = Monitor::new(fixture.context.clone());
    let following = async {
        fixture.context.turns.become_wanted().await;
        follow_one(&fixture.context, turn, growing, &fixture.stop).await
    };
    let (drained, followed) = tokio::join!(monitor.drain(), following);
    drained.unwrap();
    followed.unwrap();
    fixture.assert_complete(&image).await;
}

#[tokio::test]
async fn a_job_goes_before_an_upload_that_is_not_complete() {
    let fixture = Fixture::new().await;
    let large = gzip(&layer(6 * MIB, 3));
    let mut stalled = fixture.upload(100_000).await;
    stalled.write(&large[..5 * MIB]).await;
    let following = fixture.follow().await;

    let small = gzip(&layer(1_000, 4));
    let mut pushing = fixture.upload(100_000).await;
    pushing.write(&small).await;
    pushing.finish(&Digest::sha256(&small)).await.unwrap();
    let image = fixture.push_image(&small).await;
    Monitor::new(fixture.context.clone()).drain().await.unwrap();
    fixture.assert_complete(&image).await;

    // It made way, and begins again when nobody needs the turn.
    following.await.unwrap();
    let following = fixture.follow().await;
    stalled.write(&large[5 * MIB..]).await;
    stalled.finish(&Digest::sha256(&large)).await.unwrap();
    following.await.unwrap();
    assert_eq!(fixture.kept(&large).await, Some(scanned(&large)));
}

#[tokio::test]
async fn a_cancelled_upload_leaves_nothing() {
    let fixture = Fixture::new().await;
    let blob = gzip(&layer(6 * MIB, 5));
    let mut pushing = fixture.upload(100_000).await;
    pushing.write(&blob).await;
    let following = fixture.follow().await;
    pushing.cancel().await;
    following.await.unwrap();
    assert_eq!(fixture.kept(&blob).await, None);
    assert!(uploads::follow(&fixture.context.store).await.is_none());
}

#[tokio::test]
async fn an_upload_with_another_digest_leaves_nothing_until_its_bytes_are_right() {
    let fixture = Fixture::new().await;
    let blob = gzip(&layer(6 * MIB, 6));
    let (most, last) = blob.split_at(5 * MIB);
    let mut pushing = fixture.upload(100_000).await;
    pushing.write(most).await;
    let following = fixture.follow().await;
    // Of the whole blob, too early: the bytes are not those.
    pushing.finish(&Digest::sha256(&blob)).await.unwrap_err();
    assert_eq!(fixture.kept(&blob).await, None);
    pushing.write(last).await;
    pushing.finish(&Digest::sha256(&blob)).await.unwrap();
    following.await.unwrap();
    assert_eq!(fixture.kept(&blob).await, Some(scanned(&blob)));
}

#[tokio::test]
async fn what_is_no_layer_or_a_broken_one_is_left_to_the_job() {
    let fixture = Fixture::new().await;
    let whole = gzip(&layer(6 * MIB, 7));
    let noise = layer(5 * MIB, 8).split_off(10_000);
    for blob in [whole[..whole.len() - 1].to_vec(), noise] {
        let mut pushing = fixture.upload(100_000).await;
        pushing.write(&blob).await;
        let following = fixture.follow().await;
        pushing.finish(&Digest::sha256(&blob)).await.unwrap();
        following.await.unwrap();
        assert_eq!(fixture.kept(&blob).await, None);
    }
}

#[tokio::test]
async fn a_running_monitor_follows() {
    let fixture = Fixture::new().await;
    let running = Monitor::new(fixture.context.clone()).start();
    let blob = gzip(&layer(6 * MIB, 9));
    let mut pushing = fixture.upload(100_000).await;
    pushing.write(&blob).await;
    let followed = async {
        // Until nobody else can take it.
        while let Some(growing) = uploads::follow(&fixture.context.store).await {
            uploads::offer_again(&fixture.context.store, growing);
            tokio::task::yield_now().await;
        }
        pushing.finish(&Digest::sha256(&blob)).await.unwrap();
        // There is no image that a job would read it for.
        while fixture.kept(&blob).await.is_none() {
            tokio::task::yield_now().await;
        }
    };
    fixture::soon(followed).await;
    running.stop().await;
}
