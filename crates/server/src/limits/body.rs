//! The body of a request: it may not stand still, it may not be larger than is said, and it comes no faster than is allowed.
//! A request without a body never meets this.

use super::admission::Connection;
use axum::body::{Body, Bytes, HttpBody};
use http_body::{Frame, SizeHint};
use std::error::Error;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::{Instant, Sleep};

/// Why a body was not read to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BodyError {
    /// Nothing came for too long.
    #[error("the body stood still for {seconds} seconds")]
    Stalled {
        /// How long.
        seconds: u64,
    },
    /// More came than is allowed.
    #[error("a blob has at most {bytes_max} bytes on this server")]
    TooLarge {
        /// How much is allowed.
        bytes_max: u64,
    },
}

impl BodyError {
    /// The one among the causes of an error.
    pub(crate) fn among(error: &(dyn Error + 'static)) -> Option<Self> {
        let mut cause = Some(error);
        while let Some(error) = cause {
            if let Some(found) = error.downcast_ref() {
                return Some(*found);
            }
            // The error inside of an `io::Error` is not its source but itself.
            cause = match error.downcast_ref::<std::io::Error>() {
                Some(error) => error.get_ref().map(|inner| inner as &(dyn Error + 'static)),
                None => error.source(),
            };
        }
        None
    }
}

/// What all bodies of one connection share: bytes that may come in a second, with one second's worth at once.
#[derive(Debug)]
pub(crate) struct Pace {
    bytes_per_second: u64,
    /// When all that came so far would have come at that pace.
    due: Mutex<Option<Instant>>,
}

impl Pace {
    pub(crate) fn new(bytes_per_second: u64) -> Self {
        Self {
            bytes_per_second: bytes_per_second.max(1),
            due: Mutex::new(None),
        }
    }

    /// Bytes have come; answers until when to read no more.
    fn took(&self, bytes: usize, now: Instant) -> Option<Instant> {
        const BURST: Duration = Duration::from_secs(1);
        let nanoseconds = u128::try_from(bytes)
            .unwrap_or(u128::MAX)
            .saturating_mul(1_000_000_000)
            / u128::from(self.bytes_per_second);
        let costs = Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX));
        let mut due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        let from = due.map_or(now, |due| due.max(now));
        let until = from.checked_add(costs).unwrap_or(from);
        *due = Some(until);
        until.checked_sub(BURST).filter(|wait| *wait > now)
    }
}

/// A request's body under limits.
pub(crate) struct Limited {
    inner: Body,
    timeout: Duration,
    pace: Option<Arc<Pace>>,
    received: Option<Arc<AtomicU64>>,
    connection: Option<Arc<Connection>>,
    waiting: Option<Waiting>,
    has_ended: bool,
}

/// Why there is a timer.
enum Waiting {
    /// For the client.
    Client(Pin<Box<Sleep>>),
    /// Until it may send more.
    Pace(Pin<Box<Sleep>>),
}

impl Limited {
    /// A body under limits, in place of `inner`.
    pub(crate) fn body(
        inner: Body,
        timeout: Duration,
        pace: Option<Arc<Pace>>,
        received: Option<Arc<AtomicU64>>,
        connection: Option<Arc<Connection>>,
    ) -> Body {
        Body::new(Self {
            inner,
            timeout,
            pace,
            received,
            connection,
            waiting: None,
            has_ended: false,
        })
    }

    fn took(&mut self, bytes: &Bytes) {
        if let Some(received) = &self.received {
            received.fetch_add(u64::try_from(bytes.len()).unwrap_or(0), Ordering::Relaxed);
        }
        let pace = self.pace.as_ref();
        if let Some(until) = pace.and_then(|pace| pace.took(bytes.len(), Instant::now())) {
            self.waiting = Some(Waiting::Pace(Box::pin(tokio::time::sleep_until(until))));
        }
    }
}

impl Drop for Limited {
    fn drop(&mut self) {
        if let Some(connection) = &self.connection
            && !self.has_ended
            && !self.inner.is_end_stream()
        {
            connection.leave_unread();
        }
    }
}

impl HttpBody for Limited {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = self.get_mut();
        if let Some(Waiting::Pace(sleep)) = &mut this.waiting {
            ready!(sleep.as_mut().poll(context));
            this.waiting = None;
        }
        match Pin::new(&mut this.inner).poll_frame(context) {
            Poll::Ready(frame) => {
                this.waiting = None;
                this.has_ended = frame.is_none();
                if let Some(bytes) = frame
                    .as_ref()
                    .and_then(|frame| frame.as_ref().ok()?.data_ref())
                {
                    let bytes = bytes.clone();
                    this.took(&bytes);
                }
                Poll::Ready(frame)
            }
            Poll::Pending => {
                let timeout = this.timeout;
                let waiting = this
                    .waiting
                    .get_or_insert_with(|| Waiting::Client(Box::pin(tokio::time::sleep(timeout))));
                let (Waiting::Client(sleep) | Waiting::Pace(sleep)) = waiting;
                ready!(sleep.as_mut().poll(context));
                let seconds = timeout.as_secs();
                Poll::Ready(Some(Err(axum::Error::new(BodyError::Stalled { seconds }))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::stream;
    use http_body_util::BodyExt;

    const TIMEOUT: Duration = Duration::from_secs(60);

    #[tokio::test(start_paused = true)]
    async fn a_body_that_stands_still_ends_with_an_error_that_can_be_found() {
        let never = stream::pending::<Result<Bytes, std::io::Error>>();
        let body = Limited::body(Body::from_stream(never), TIMEOUT, None, None, None);
        let began = Instant::now();
        let error = body.collect().await.unwrap_err();
        assert_eq!(began.elapsed(), TIMEOUT);
        let error = std::io::Error::other(error);
        assert_eq!(
            BodyError::among(&error),
            Some(BodyError::Stalled { seconds: 60 })
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_moves_may_take_its_time() {
        let slow = stream::unfold(0_u32, |n| async move {
            tokio::time::sleep(Duration::from_secs(50)).await;
            (n < 5).then(|| (Ok::<_, std::io::Error>(Bytes::from_static(b"x")), n + 1))
        });
        let received = Arc::new(AtomicU64::new(0));
        let counted = Some(Arc::clone(&received));
        let body = Limited::body(Body::from_stream(slow), TIMEOUT, None, counted, None);
        assert_eq!(body.collect().await.unwrap().to_bytes().len(), 5);
        assert_eq!(received.load(Ordering::Relaxed), 5);
    }

    #[tokio::test(start_paused = true)]
    async fn bodies_of_a_connection_share_its_pace() {
        let pace = Arc::new(Pace::new(1_000));
        let sent = || {
            let pieces = (0..40).map(|_| Ok::<_, std::io::Error>(Bytes::from(vec![0; 100])));
            let body = Body::from_stream(stream::iter(pieces));
            Limited::body(body, TIMEOUT, Some(Arc::clone(&pace)), None, None).collect()
        };
        let began = Instant::now();
        let (first, second) = tokio::join!(sent(), sent());
        assert_eq!(first.unwrap().to_bytes().len(), 4_000);
        second.unwrap();
        // 8 000 bytes at 1 000 a second, of which the first second's come at once.
        let took = began.elapsed();
        assert!(
            (Duration::from_millis(6_800)..Duration::from_millis(7_200)).contains(&took),
            "{took:?}"
        );
    }
}
