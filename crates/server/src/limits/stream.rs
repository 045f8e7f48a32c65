//! The streams of HTTP/2: none may stand still with its answer. Over HTTP/1 a client that takes nothing blocks its connection, which
//! `admission.rs` sees. Over HTTP/2 it gives one stream no window (RFC 9113 5.2) and goes on with the others, so each stream's task
//! looks itself. An answer moves when its next piece is asked for, which is when the client made room for the one before. A stream
//! that stood still is reset; the others of its connection go on.

use axum::body::{Body, Bytes, HttpBody};
use axum::response::Response;
use http_body::{Frame, SizeHint};
use hyper::rt::Executor;
use std::cell::Cell;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Bytes of an answer that are given away at a time: a stream holds about twice as many beyond what its client made room for.
const PIECE_BYTES: usize = 16 * 1024;

tokio::task_local! {
    /// When the answer of this stream moved last; nothing while it does not wait for the client.
    static MOVED: Cell<Option<Instant>>;
}

/// Runs streams, each in a task of its own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Streams {
    timeout: Duration,
}

impl Streams {
    /// Streams whose answers may stand still for so long.
    pub(crate) fn new(timeout: Duration) -> Self {
        Self { timeout }
    }
}

impl<F> Executor<F> for Streams
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, stream: F) {
        tokio::spawn(watch(stream, self.timeout));
    }
}

/// Runs a stream to its end, or drops it when its answer stood still: then h2 resets it.
async fn watch(stream: impl Future<Output = ()>, timeout: Duration) {
    let mut stream = pin!(stream);
    let mut alarm = None;
    let watched = poll_fn(|context| {
        if stream.as_mut().poll(context).is_ready() {
            return Poll::Ready(());
        }
        while let Some(moved) = MOVED.with(Cell::get) {
            let left = timeout.saturating_sub(moved.elapsed());
            if left.is_zero() {
                tracing::debug!("an answer over HTTP/2 stood still and is cut off");
                return Poll::Ready(());
            }
            let ringing = alarm.get_or_insert_with(|| Box::pin(sleep(left)));
            ready!(ringing.as_mut().poll(context));
            alarm = None;
        }
        Poll::Pending
    });
    MOVED.scope(Cell::new(None), watched).await;
}

/// Notes that the answer moves. Says whether this task answers a stream at all.
fn moves() -> bool {
    MOVED
        .try_with(|moved| moved.set(Some(Instant::now())))
        .is_ok()
}

/// Notes that the answer waits for the server itself, to which the client owes nothing.
fn waits() {
    let _ = MOVED.try_with(|moved| moved.set(None));
}

/// From here on the client has to take the answer, if it is a stream's.
pub(crate) fn follow(response: Response) -> Response {
    let is_piece = |body: &Body| {
        let bytes = body.size_hint().upper();
        bytes.is_some_and(|bytes| bytes <= PIECE_BYTES as u64)
    };
    if !moves() || is_piece(response.body()) {
        return response;
    }
    response.map(|inner| {
        Body::new(Pieces {
            inner,
            rest: Bytes::new(),
        })
    })
}

/// A body in pieces.
struct Pieces {
    inner: Body,
    /// What came of it and was not given away yet.
    rest: Bytes,
}

impl HttpBody for Pieces {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = self.get_mut();
        if this.rest.is_empty() {
            let Poll::Ready(frame) = Pin::new(&mut this.inner).poll_frame(context) else {
                waits();
                return Poll::Pending;
            };
            match frame {
                Some(Ok(frame)) if frame.is_data() => {
                    this.rest = frame.into_data().unwrap_or_default();
                }
                other => return Poll::Ready(other),
            }
        }
        moves();
        let piece = this.rest.split_to(this.rest.len().min(PIECE_BYTES));
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (rest, inner) = (self.rest.len() as u64, self.inner.size_hint());
        let mut hint = SizeHint::new();
        if let Some(upper) = inner.upper() {
            hint.set_upper(upper.saturating_add(rest));
        }
        hint.set_lower(inner.lower().saturating_add(rest));
        hint
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;

    const TIMEOUT: Duration = Duration::from_secs(60);

    /// How long a stream runs, and whether to its end.
    async fn run(stream: impl Future<Output = ()>) -> (Duration, bool) {
        let (began, has_ended) = (Instant::now(), Cell::new(false));
        let stream = async {
            stream.await;
            has_ended.set(true);
        };
        watch(stream, TIMEOUT).await;
        (began.elapsed(), has_ended.get())
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_stands_still_is_cut_off() {
        let stands = run(async {
            moves();
            sleep(TIMEOUT / 2).await;
            moves();
            std::future::pending().await
        });
        assert_eq!(stands.await, (TIMEOUT * 3 / 2, false));
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_moves_may_take_its_time() {
        let slow = run(async {
            for _ in 0..10 {
                moves();
                sleep(TIMEOUT - Duration::from_millis(1)).await;
            }
        });
        assert!(slow.await.1);
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_server_takes_is_not_the_clients_time() {
        let ours = run(async {
            sleep(TIMEOUT * 2).await;
            moves();
            waits();
            sleep(TIMEOUT * 2).await;
        });
        assert_eq!(ours.await, (TIMEOUT * 4, true));
    }

    #[tokio::test]
    async fn bodies_come_in_pieces_and_whole() {
        let content: Vec<u8> = (0..10_000_u32).flat_map(u32::to_le_bytes).collect();
        let response = MOVED.sync_scope(Cell::new(None), || {
            follow(Response::new(Body::from(content.clone())))
        });
        let mut body = response.into_body();
        let (mut lengths, mut received) = (Vec::new(), Vec::new());
        while !body.is_end_stream() {
            let left = (content.len() - received.len()) as u64;
            assert_eq!(body.size_hint().exact(), Some(left));
            let piece = body.frame().await.unwrap().unwrap().into_data().unwrap();
            lengths.push(piece.len());
            received.extend_from_slice(&piece);
        }
        assert_eq!(lengths, [16_384, 16_384, 7_232]);
        assert!(received == content);
    }
}
