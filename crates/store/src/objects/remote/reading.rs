//! The bytes of an object, as a stream that outlives cut connections, and as a reader for threads that may block. No more
//! than a few pieces are in memory.

use std::io::{self, Read};
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes};
use futures_util::stream::{self, BoxStream};
use futures_util::{Stream, StreamExt};
use object_store::{GetOptions, GetRange, ObjectStore};
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use super::{Remote, failure};
use crate::error::{Error, Result};

/// A pause before a stream is begun again.
const PAUSE: Duration = Duration::from_millis(100);
/// Pieces that wait for a reader.
const PIECES_WAITING: usize = 4;

/// An object that can be read.
#[derive(Debug)]
pub(crate) struct RemoteBytes {
    remote: Remote,
    key: String,
    size: u64,
}

impl RemoteBytes {
    pub(super) fn new(remote: Remote, key: String, size: u64) -> RemoteBytes {
        RemoteBytes { remote, key, size }
    }

    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// `length` bytes from `first` on. The first answer of the service has come when this returns; a connection that is cut
    /// later is replaced by one for the rest.
    pub(crate) async fn stream(
        self,
        first: u64,
        length: u64,
    ) -> Result<impl Stream<Item = Result<Bytes>> + Send + 'static> {
        let mut way = Way {
            end: first.saturating_add(length).min(self.size),
            next: first,
            bytes: self,
            current: None,
        };
        if way.next < way.end {
            way.current = Some(way.bytes.request(way.next, way.end).await?);
        }
        Ok(stream::try_unfold(way, |mut way| async move {
            Ok(way.piece().await?.map(|bytes| (bytes, way)))
        }))
    }

    /// Asks for the bytes from `next` to before `end`; the object was there when it was opened.
    async fn request(
        &self,
        next: u64,
        end: u64,
    ) -> Result<BoxStream<'static, object_store::Result<Bytes>>> {
        let options = GetOptions {
            range: Some(GetRange::Bounded(next..end)),
            ..GetOptions::default()
        };
        let path = self.remote.path(&self.key);
        let answer = self.remote.service.get_opts(&path, options).await;
        let answer = answer.map_err(|error| failure::of_object(error, &self.key))?;
        Ok(answer.into_stream())
    }

    /// A link that anybody can read the object with, for a while.
    pub(crate) async fn link(&self) -> Result<String> {
        self.remote.link(&self.key).await
    }

    /// The bytes for a thread that may block; a task fetches them ahead.
    pub(crate) fn into_reader(self, runtime: &Handle) -> RemoteReader {
        let (sender, pieces) = mpsc::channel(PIECES_WAITING);
        runtime.spawn(async move {
            let size = self.size;
            let mut stream = match self.stream(0, size).await {
                Ok(stream) => stream.boxed(),
                Err(error) => stream::once(async { Err(error) }).boxed(),
            };
            while let Some(piece) = stream.next().await {
                let is_last = piece.is_err();
                if sender.send(piece).await.is_err() || is_last {
                    return;
                }
            }
            // Without this, a task that was cut off would look like the end of the bytes.
            let _ = sender.send(Ok(Bytes::new())).await;
        });
        RemoteReader {
            pieces,
            current: Bytes::new(),
            is_over: false,
        }
    }
}

struct Way {
    bytes: RemoteBytes,
    next: u64,
    end: u64,
    current: Option<BoxStream<'static, object_store::Result<Bytes>>>,
}

impl Way {
    async fn piece(&mut self) -> Result<Option<Bytes>> {
        let mut failed_at = None;
        while self.next < self.end {
            let mut current = match self.current.take() {
                Some(current) => current,
                None => self.bytes.request(self.next, self.end).await?,
            };
            let why = match current.next().await {
                Some(Ok(bytes)) if bytes.is_empty() => {
                    self.current = Some(current);
                    continue;
                }
                Some(Ok(mut bytes)) => {
                    bytes.truncate(usize::try_from(self.end - self.next).unwrap_or(usize::MAX));
                    let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
                    self.next = self.next.saturating_add(length);
                    self.current = Some(current);
                    return Ok(Some(bytes));
                }
                Some(Err(error)) => failure::unavailable(&error),
                None => Error::Unavailable {
                    what: "the blob store",
                    why: "it sent fewer bytes than it has".to_owned(),
                },
            };
            // Counted from the first failure: that one may have been a long silence, and is followed by another request.
            match failed_at {
                None => failed_at = Some(Instant::now()),
                Some(at) if at.elapsed() > self.bytes.remote.patience => return Err(why),
                Some(_) => {}
            }
            tokio::time::sleep(PAUSE).await;
        }
        Ok(None)
    }
}

/// The bytes of an object, one after the other; reading blocks.
#[derive(Debug)]
pub(crate) struct RemoteReader {
    pieces: mpsc::Receiver<Result<Bytes>>,
    current: Bytes,
    is_over: bool,
}

impl Read for RemoteReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        while self.current.is_empty() && !self.is_over {
            match self.pieces.blocking_recv() {
                Some(Ok(bytes)) => {
                    self.is_over = bytes.is_empty();
                    self.current = bytes;
                }
                Some(Err(error)) => return Err(io::Error::other(error)),
                None => {
                    return Err(io::Error::other(Error::Unavailable {
                        what: "the blob store",
                        why: "reading from it was given up".to_owned(),
                    }));
                }
            }
        }
        let count = buffer.len().min(self.current.len());
        if let Some(target) = buffer.get_mut(..count) {
            self.current.copy_to_slice(target);
        }
        Ok(count)
    }
}
