//! A plain connection that sends parts of files without having their bytes (sendfile). HTTP/1 is hyper's business, which knows
//! bodies as buffers only; so a body of a file is made of pieces of one static buffer, the *hole*, and the connection, when it
//! is given such a piece to write, sends as many bytes of the file instead. The hole's own bytes are never read: a piece
//! is recognised by where it lies. ADR 12 says why, and what keeps a hole from being written anywhere else.
//!
//! The kernel may have to read the file from the disk, which must not stop a thread that serves others: what is not in memory is
//! read on a thread for that first.

use crate::reading;
use axum::body::Body;
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use rustix::io::Errno;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::fs::File;
use std::io::{self, IoSlice};
use std::os::unix::fs::FileExt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

/// The longest piece of a body.
const HOLE_BYTES: usize = 1024 * 1024;
static HOLE: [u8; HOLE_BYTES] = [0; HOLE_BYTES];
/// Bytes that are looked for in memory, and sent, at a time.
const SEND_BYTES: usize = 512 * 1024;
/// Bytes read at a time on a thread for reading.
const WARM_BYTES: usize = 128 * 1024;

/// A part of a file that is to be sent.
#[derive(Debug)]
struct Part {
    file: Arc<File>,
    offset: u64,
    remaining: u64,
}

/// The files whose bytes the holes of one connection stand for, in the order of the answers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Files(Arc<Mutex<VecDeque<Part>>>);

impl Files {
    /// A body of `length` bytes of the file from `offset` on. Only for an answer on this very connection, over HTTP/1, with its
    /// length in the head.
    pub(crate) fn body(&self, file: File, offset: u64, length: u64) -> Body {
        Body::new(FileBody {
            files: self.clone(),
            part: Some(Part {
                file: Arc::new(file),
                offset,
                remaining: length,
            }),
            remaining: length,
        })
    }

    fn parts(&self) -> MutexGuard<'_, VecDeque<Part>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A body made of holes.
struct FileBody {
    files: Files,
    /// Until the first piece is asked for.
    part: Option<Part>,
    remaining: u64,
}

impl http_body::Body for FileBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.remaining == 0 {
            return Poll::Ready(None);
        }
        if let Some(part) = self.part.take() {
            self.files.parts().push_back(part);
        }
        let length =
            usize::try_from(self.remaining).map_or(HOLE_BYTES, |left| left.min(HOLE_BYTES));
        let piece = HOLE.get(..length).unwrap_or(&HOLE);
        self.remaining = self.remaining.saturating_sub(piece.len() as u64);
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(piece)))))
    }

    fn is_end_stream(&self) -> bool {
        self.remaining == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.remaining)
    }
}

/// Whether a buffer lies in the hole.
fn is_hole(buffer: &[u8]) -> bool {
    let (at, start) = (buffer.as_ptr().addr(), HOLE.as_ptr().addr());
    !buffer.is_empty() && at >= start && at < start + HOLE_BYTES
}

/// The connection.
#[derive(Debug)]
pub(crate) struct Conduit {
    stream: TcpStream,
    files: Files,
    /// What is being read into memory, until it is there.
    warming: Option<JoinHandle<io::Result<()>>>,
}

impl Conduit {
    /// A connection, and the files that answers on it may be made of.
    pub(crate) fn new(stream: TcpStream) -> (Conduit, Files) {
        let files = Files::default();
        let conduit = Conduit {
            stream,
            files: files.clone(),
            warming: None,
        };
        (conduit, files)
    }

    /// Whether it waits for the disk, and not for the client.
    pub(crate) fn is_warming(&self) -> bool {
        self.warming.is_some()
    }

    /// Sends at most `length` bytes of the file that is next. Answers how many.
    fn poll_send(&mut self, cx: &mut Context<'_>, length: usize) -> Poll<io::Result<usize>> {
        loop {
            if let Some(warming) = &mut self.warming {
                let warmed = ready!(Pin::new(warming).poll(cx));
                self.warming = None;
                warmed.map_err(io::Error::other)??;
            }
            ready!(self.stream.poll_write_ready(cx))?;
            let mut parts = self.files.parts();
            let Some(part) = parts.front_mut() else {
                return Poll::Ready(Err(io::Error::other("a piece of no file is to be sent")));
            };
            let left = usize::try_from(part.remaining).unwrap_or(usize::MAX);
            let count = length.min(left).min(SEND_BYTES);
            if !is_in_memory(&part.file, part.offset, count) {
                self.warming = Some(warm(&part.file, part.offset, count));
                continue;
            }
            let mut offset = part.offset;
            let sent = self.stream.try_io(Interest::WRITABLE, || {
                rustix::fs::sendfile(&self.stream, &part.file, Some(&mut offset), count)
                    .map_err(io::Error::from)
            });
            match sent {
                // Shorter than its row says: the client must not take what it has for all of it.
                Ok(0) => return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
                Ok(sent) => {
                    part.offset = offset;
                    part.remaining = part.remaining.saturating_sub(sent as u64);
                    if part.remaining == 0 {
                        parts.pop_front();
                    }
                    return Poll::Ready(Ok(sent));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

/// Whether the ends of a part are in the page cache: what is between was read with them. Where the kernel cannot tell, it
/// counts as there.
fn is_in_memory(file: &File, offset: u64, count: usize) -> bool {
    let last = offset.saturating_add(count.saturating_sub(1) as u64);
    [offset, last].into_iter().all(|at| {
        let probe = reading::read_cached(file, &mut [0], at);
        !matches!(probe, Err(Errno::AGAIN))
    })
}

/// Has a part of a file read into the page cache.
fn warm(file: &Arc<File>, offset: u64, count: usize) -> JoinHandle<io::Result<()>> {
    let file = Arc::clone(file);
    tokio::task::spawn_blocking(move || {
        let mut bytes = vec![0; WARM_BYTES.min(count)];
        let end = offset.saturating_add(count as u64);
        let mut at = offset;
        while at < end {
            match file.read_at(&mut bytes, at)? {
                0 => break,
                read => at = at.saturating_add(read as u64),
            }
        }
        Ok(())
    })
}

impl AsyncRead for Conduit {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Conduit {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        if is_hole(buffer) {
            return self.poll_send(cx, buffer.len());
        }
        Pin::new(&mut self.stream).poll_write(cx, buffer)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let hole = buffers.iter().position(|buffer| is_hole(buffer));
        let before = buffers
            .get(..hole.unwrap_or(buffers.len()))
            .unwrap_or_default();
        match hole.and_then(|hole| buffers.get(hole)) {
            Some(hole) if before.iter().all(|buffer| buffer.is_empty()) => {
                self.poll_send(cx, hole.len())
            }
            _ => Pin::new(&mut self.stream).poll_write_vectored(cx, before),
        }
    }

    fn is_write_vectored(&self) -> bool {
        // Always: whoever copied buffers together would copy the hole.
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests;
