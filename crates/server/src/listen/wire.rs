//! A connection's bytes, counted, with a note when the client takes none. Below TLS, so what is counted is what the network sees.
//! It also closes with care: a close with bytes unread takes back what the client has not read yet (RFC 9112, 9.6), so whoever was
//! answered while still sending is listened to for a moment longer.

use crate::conduit::Conduit;
use crate::limits::admission::Connection;
use crate::metrics::Metrics;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;

/// How long, and how much, is listened to after an answer that came before the end of a body.
const LINGER: Duration = Duration::from_secs(5);
const LINGER_BYTES_MAX: u64 = 64 << 20;
const LINGER_CHUNK_BYTES: usize = 16 * 1024;

/// What a client is connected by.
pub(super) trait Line: AsyncRead + AsyncWrite + Unpin {
    /// Whether a write that has to wait waits for the server's own disk, and not for the client.
    fn awaits_disk(&self) -> bool;
}

impl Line for TcpStream {
    fn awaits_disk(&self) -> bool {
        false
    }
}

impl Line for Conduit {
    fn awaits_disk(&self) -> bool {
        self.is_warming()
    }
}

/// A stream under observation.
pub(super) struct Wire<S> {
    inner: S,
    connection: Arc<Connection>,
    metrics: Arc<Metrics>,
    lingering: Option<Lingering>,
}

/// The end of a connection whose client was still sending.
struct Lingering {
    until: Pin<Box<Sleep>>,
    bytes_left: u64,
}

impl Lingering {
    fn begin() -> Self {
        Self {
            until: Box::pin(tokio::time::sleep(LINGER)),
            bytes_left: LINGER_BYTES_MAX,
        }
    }

    /// Ready when the client has ended, or there was enough of it.
    fn poll<S: AsyncRead + Unpin>(&mut self, inner: &mut S, context: &mut Context<'_>) -> Poll<()> {
        let mut chunk = [0; LINGER_CHUNK_BYTES];
        loop {
            if self.until.as_mut().poll(context).is_ready() {
                return Poll::Ready(());
            }
            let mut buffer = ReadBuf::new(&mut chunk);
            let read = ready!(Pin::new(&mut *inner).poll_read(context, &mut buffer));
            let bytes = u64::try_from(buffer.filled().len()).unwrap_or(0);
            self.bytes_left = self.bytes_left.saturating_sub(bytes);
            if read.is_err() || bytes == 0 || self.bytes_left == 0 {
                return Poll::Ready(());
            }
        }
    }
}

impl<S: Line> Wire<S> {
    pub(super) fn new(inner: S, connection: Arc<Connection>, metrics: Arc<Metrics>) -> Self {
        Self {
            inner,
            connection,
            metrics,
            lingering: None,
        }
    }

    fn wrote(&self, outcome: &Poll<io::Result<usize>>) {
        match outcome {
            Poll::Ready(Ok(bytes)) => {
                let bytes = u64::try_from(*bytes).unwrap_or(0);
                self.connection.sent(bytes);
                self.metrics.sent_bytes.inc_by(bytes);
            }
            Poll::Ready(Err(_)) => {}
            Poll::Pending if self.inner.awaits_disk() => self.connection.goes_on(),
            Poll::Pending => self.connection.blocked(),
        }
    }
}

impl<S: Line> AsyncRead for Wire<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let outcome = Pin::new(&mut self.inner).poll_read(context, buffer);
        let bytes = buffer.filled().len().saturating_sub(before);
        if bytes > 0 {
            let bytes = u64::try_from(bytes).unwrap_or(0);
            self.metrics.received_bytes.inc_by(bytes);
        }
        outcome
    }
}

impl<S: Line> AsyncWrite for Wire<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.inner).poll_write(context, bytes);
        self.wrote(&outcome);
        outcome
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.inner).poll_write_vectored(context, slices);
        self.wrote(&outcome);
        outcome
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.lingering.is_none() {
            ready!(Pin::new(&mut this.inner).poll_shutdown(context))?;
            if !this.connection.has_unread() {
                return Poll::Ready(Ok(()));
            }
        }
        let lingering = this.lingering.get_or_insert_with(Lingering::begin);
        lingering.poll(&mut this.inner, context).map(Ok)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;
    use crate::limits::admission::{Admission, Signal};
    use tokio::time::Instant;

    /// A line on which no byte gets on, for one reason or the other.
    struct Stuck {
        awaits_disk: bool,
    }

    impl Line for Stuck {
        fn awaits_disk(&self) -> bool {
            self.awaits_disk
        }
    }

    impl AsyncRead for Stuck {
        fn poll_read(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            _: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            Poll::Pending
        }
    }

    impl AsyncWrite for Stuck {
        fn poll_write(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            _: &[u8],
        ) -> Poll<io::Result<usize>> {
            Poll::Pending
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Pending
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Pending
        }
    }

    #[test]
    fn a_slow_disk_is_not_the_clients_fault() {
        let (limits, start) = (Limits::default(), Instant::now());
        for (waits, expected) in [
            (&[false][..], Signal::Drop),
            (&[true], Signal::GoOn),
            // It waited for the client once, which took what there was.
            (&[false, true], Signal::GoOn),
        ] {
            let admission = Arc::new(Admission::default());
            let peer = "192.0.2.1".parse().unwrap();
            let place = admission.enter(peer, &limits, start).unwrap();
            place.connection.begin(false);
            let context = &mut Context::from_waker(std::task::Waker::noop());
            let line = Stuck { awaits_disk: false };
            let connection = Arc::clone(&place.connection);
            let mut wire = Wire::new(line, connection, Arc::new(Metrics::new()));
            for awaits_disk in waits {
                wire.inner.awaits_disk = *awaits_disk;
                assert!(Pin::new(&mut wire).poll_write(context, b"x").is_pending());
            }
            admission.look_after(&limits, start);
            admission.look_after(&limits, start + limits.body_timeout);
            assert_eq!(place.connection.signal(context), expected, "{waits:?}");
        }
    }
}
