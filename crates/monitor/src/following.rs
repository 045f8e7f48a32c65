//! Following uploads: a layer is read while it still arrives, so that little is left to read when its last byte is there. Docker
//! compresses while it uploads, and is slower at it than we are at reading.
//!
//! This only ever saves `indexing` work: whatever is odd about an upload ends the following of it, and the job reads the layer as
//! if nothing had been. The upload knows nothing of it. What is kept was read from
//! the file of the blob, and its diffID must be the one of the image's configuration, as for every inventory.

mod tail;

use crate::turns::Turn;
use crate::{Context, Result};
use oci::{Algorithm, media};
use sbom::LayerInventory;
use std::thread;
use store::inventories;
use store::uploads::{self, Growing};
use tail::Tail;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

/// Follows one upload after the other until it is stopped.
pub(crate) async fn follow(context: Context, stop: CancellationToken) {
    // A task that is aborted takes its thread with it.
    let stop = stop.child_token();
    let _guard = stop.clone().drop_guard();
    loop {
        let (turn, growing) = tokio::select! {
            () = stop.cancelled() => return,
            next = next(&context) => next,
        };
        if let Err(error) = follow_one(&context, turn, growing, &stop).await {
            tracing::debug!(%error, "following an upload failed");
        }
    }
}

async fn next(context: &Context) -> (Turn, Growing) {
    loop {
        uploads::offered(&context.store).await;
        let turn = context.turns.spare().await;
        if let Some(growing) = uploads::follow(&context.store).await {
            return (turn, growing);
        }
    }
}

/// Follows an upload to its end, and keeps the inventory if it became a layer.
async fn follow_one(
    context: &Context,
    turn: Turn,
    growing: Growing,
    stop: &CancellationToken,
) -> Result<()> {
    let tail = Tail::new(growing, context.turns.clone(), stop.clone());
    let limits = context.limits.clone();
    let reading = aside(move || {
        let (inventory, tail) = read(tail, &limits);
        // With the thread, so that a turn lasts as long as the reading.
        (inventory, tail, turn)
    });
    let (inventory, tail, turn) = reading.await?;
    match inventory {
        Some(inventory) => {
            inventories::put_layer(&context.store, &inventory, context.now()).await?;
            tracing::debug!(digest = %inventory.digest, "a layer was read while it arrived");
        }
        None => {
            tracing::debug!(bytes = tail.given(), why = ?tail.gave_up(), "an upload is not followed to its end");
            if let Some(growing) = tail.into_preempted() {
                uploads::offer_again(&context.store, growing);
            }
        }
    }
    // A job that waits for the turn finds the inventory kept.
    drop(turn);
    Ok(())
}

/// Reads what is there and what comes. Answers the inventory if all of a blob was read, and it is a layer.
fn read(mut tail: Tail, limits: &scanner::Limits) -> (Option<LayerInventory>, Tail) {
    let read = scanner::read_layer(&mut tail, Algorithm::Sha256, limits);
    let digest = tail.blob().filter(|_| read.is_whole());
    let inventory = digest.map(|digest| read.named(&digest, None, media::OCI_LAYER_TAR));
    (inventory, tail)
}

/// Runs work on a thread of its own. Not with a lower priority: whoever pushes keeps all processors busy, and would have to wait
/// for the inventory afterwards.
async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    let (done, outcome) = oneshot::channel();
    let work = move || {
        // Nobody waits any more when the server has stopped.
        let _ = done.send(work());
    };
    thread::Builder::new()
        .name("reads-ahead".to_owned())
        .spawn(work)
        .map_err(crate::Error::Aside)?;
    outcome.await.map_err(|_| crate::Error::Ended)
}

#[cfg(test)]
mod tests;
