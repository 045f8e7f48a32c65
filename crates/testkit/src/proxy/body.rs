//! A body on its way through the proxy: at a rate, and perhaps only a part of it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, StreamBody};
use hyper::body::{Body, Frame, Incoming};
use tokio::sync::Notify;

/// Why a body ends early.
pub(super) type Cause = Box<dyn std::error::Error + Send + Sync>;
/// A body that is passed on.
pub(super) type Passed = UnsyncBoxBody<Bytes, Cause>;

/// How many pieces of a second's bytes are passed at a time where there is a rate.
const PIECES_PER_SECOND: u64 = 20;

/// How a body flows.
pub(super) struct Flow {
    pub(super) bytes_per_second: Option<u64>,
    /// Bytes after which it is cut.
    pub(super) cut_after: Option<u64>,
    /// Ends the client's connection.
    pub(super) cut: Arc<Notify>,
}

struct Way {
    body: Incoming,
    /// Came, but was not passed on yet.
    held: Bytes,
    left: Option<u64>,
    flow: Flow,
}

impl Flow {
    /// The body as it is passed on.
    pub(super) fn passed(self, body: Incoming) -> Passed {
        if body.is_end_stream() && self.cut_after.is_none() {
            // Stays a message without a body.
            return Empty::new().map_err(|never| match never {}).boxed_unsync();
        }
        let way = Way {
            body,
            held: Bytes::new(),
            left: self.cut_after,
            flow: self,
        };
        StreamBody::new(stream::try_unfold(way, step)).boxed_unsync()
    }
}

async fn step(mut way: Way) -> Result<Option<(Frame<Bytes>, Way)>, Cause> {
    if way.left == Some(0) {
        // Once, so that what was passed before is sent before the end.
        tokio::task::yield_now().await;
        way.flow.cut.notify_one();
        return Err("cut".into());
    }
    while way.held.is_empty() {
        match way.body.frame().await.transpose()? {
            None => return Ok(None),
            Some(frame) => match frame.into_data() {
                Ok(data) => way.held = data,
                Err(trailers) => return Ok(Some((trailers, way))),
            },
        }
    }
    let mut piece = way.held.len();
    if let Some(rate) = way.flow.bytes_per_second {
        piece = piece.min(bounded(rate / PIECES_PER_SECOND).max(1));
    }
    if let Some(left) = way.left {
        piece = piece.min(bounded(left));
    }
    let data = way.held.split_to(piece);
    let length = u64::try_from(piece).unwrap_or(u64::MAX);
    way.left = way.left.map(|left| left.saturating_sub(length));
    if let Some(rate) = way.flow.bytes_per_second {
        let microseconds = length.saturating_mul(1_000_000) / rate.max(1);
        tokio::time::sleep(Duration::from_micros(microseconds)).await;
    }
    Ok(Some((Frame::data(data), way)))
}

fn bounded(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}
