//! A body that reads a file piece by piece, for connections that must have its bytes: TLS, HTTP/2. What the page cache has is
//! read on the asking thread; what it has not, on a thread for that. For plain connections there is `conduit`.

use axum::body::Body;
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use rustix::io::{Errno, ReadWriteFlags, preadv2};
use std::fs::File;
use std::io::{self, IoSliceMut};
use std::os::unix::fs::FileExt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::task::JoinHandle;

/// Bytes of one piece: what a connection holds in memory, a few times over.
const PIECE_BYTES: u64 = 64 * 1024;

/// A body of `length` bytes of the file from `offset` on. What is at most one piece and in memory already is read at once.
pub(crate) fn body(file: File, offset: u64, length: u64) -> Body {
    let file = Arc::new(file);
    if length <= PIECE_BYTES
        && let Some(bytes) = read_now(&file, offset, length)
    {
        return Body::from(bytes);
    }
    Body::new(Reading {
        file,
        offset,
        remaining: length,
        fetching: None,
    })
}

struct Reading {
    file: Arc<File>,
    offset: u64,
    remaining: u64,
    fetching: Option<JoinHandle<io::Result<Vec<u8>>>>,
}

impl http_body::Body for Reading {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if self.remaining == 0 {
            return Poll::Ready(None);
        }
        let length = self.remaining.min(PIECE_BYTES);
        let read = match &mut self.fetching {
            Some(fetching) => {
                let fetched = ready!(Pin::new(fetching).poll(cx));
                self.fetching = None;
                fetched.map_err(io::Error::other).flatten()
            }
            None => match read_now(&self.file, self.offset, length) {
                Some(bytes) => Ok(bytes),
                None => {
                    let (file, offset) = (Arc::clone(&self.file), self.offset);
                    self.fetching = Some(tokio::task::spawn_blocking(move || {
                        let mut bytes = vec![0; usize::try_from(length).unwrap_or_default()];
                        file.read_exact_at(&mut bytes, offset)?;
                        Ok(bytes)
                    }));
                    return self.poll_frame(cx);
                }
            },
        };
        let bytes = match read {
            Ok(bytes) => bytes,
            // The connection ends here, and the client does not take what it has for all of it.
            Err(error) => {
                self.remaining = 0;
                return Poll::Ready(Some(Err(error)));
            }
        };
        self.offset = self.offset.saturating_add(bytes.len() as u64);
        self.remaining = self.remaining.saturating_sub(bytes.len() as u64);
        Poll::Ready(Some(Ok(Frame::data(Bytes::from(bytes)))))
    }

    fn is_end_stream(&self) -> bool {
        self.remaining == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.remaining)
    }
}

/// A part of the file, if all of it can be had without waiting for the disk.
fn read_now(file: &File, offset: u64, length: u64) -> Option<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(length).ok()?];
    let mut filled = 0;
    while filled < bytes.len() {
        let rest = bytes.get_mut(filled..)?;
        let at = offset.saturating_add(filled as u64);
        match read_cached(file, rest, at) {
            Ok(0) => return None,
            Ok(read) => filled = filled.saturating_add(read),
            Err(Errno::INTR) => {}
            // Also a file system that does not know the question: the other way is always right.
            Err(_) => return None,
        }
    }
    Some(bytes)
}

/// Reads what the page cache has at a place, and does not wait for the disk.
///
/// # Errors
/// `AGAIN` where the disk would have to be waited for; others where the file system does not know the question.
pub(crate) fn read_cached(file: &File, bytes: &mut [u8], at: u64) -> Result<usize, Errno> {
    preadv2(
        file,
        &mut [IoSliceMut::new(bytes)],
        at,
        ReadWriteFlags::NOWAIT,
    )
}

#[cfg(test)]
mod tests;
