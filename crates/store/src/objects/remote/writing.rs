//! An object that is written as it comes: up to one part it is a single request, beyond that a multipart upload of equal
//! parts (some services ask for that), a few of them on their way at a time. Until `finish` nothing of it is visible.

use std::sync::Arc;

use object_store::{Error as ServiceError, MultipartUpload, ObjectStoreExt, PutPayloadMut};
use tokio::sync::Mutex;
use tokio::task::JoinSet;

use super::{Remote, failure};
use crate::error::{Error, Result};

/// Bytes of every part but the last; with S3's 10,000 parts an object can have 78 GiB.
const PART_BYTES: usize = 8 << 20;
/// Parts of one object on their way at a time, beside the one that is filled.
const PARTS_AT_ONCE: usize = 2;
/// Parts that one object may have.
const PARTS_MAX: usize = 10_000;
/// Memory is taken in blocks of this size as bytes come, so that a small or slow upload holds no more than it has.
const BLOCK_BYTES: usize = 64 * 1024;

/// An object on its way. Dropped before `finish`, it is given up.
#[derive(Debug)]
pub(crate) struct Writing {
    remote: Remote,
    key: String,
    size: u64,
    part: PutPayloadMut,
    parts: usize,
    /// Never locked: only so that what holds it may be seen from several threads.
    multipart: Option<Mutex<Box<dyn MultipartUpload>>>,
    under_way: JoinSet<object_store::Result<()>>,
}

impl Writing {
    pub(super) fn new(remote: Remote, key: String) -> Writing {
        Writing {
            remote,
            key,
            size: 0,
            part: empty_part(),
            parts: 0,
            multipart: None,
            under_way: JoinSet::new(),
        }
    }

    /// Its key.
    pub(crate) fn key(&self) -> &str {
        &self.key
    }

    /// Bytes that were added.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Adds bytes at the end; waits while too many parts are on their way. After an error it can only be dropped.
    pub(crate) async fn append(&mut self, mut bytes: &[u8]) -> Result<()> {
        while !bytes.is_empty() {
            let room = PART_BYTES.saturating_sub(self.part.content_length());
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.part.extend_from_slice(now);
            self.size = self
                .size
                .saturating_add(u64::try_from(now.len()).unwrap_or(u64::MAX));
            bytes = later;
            if self.part.content_length() >= PART_BYTES {
                self.send_part().await?;
            }
        }
        Ok(())
    }

    /// Makes the object: it is whole and durable when this returns.
    pub(crate) async fn finish(mut self) -> Result<u64> {
        if self.multipart.is_none() {
            let part = std::mem::replace(&mut self.part, empty_part()).freeze();
            let path = self.remote.path(&self.key);
            let stored = self.remote.service.put(&path, part).await;
            stored.map_err(|error| failure::unavailable(&error))?;
            return Ok(self.size);
        }
        if !self.part.is_empty() {
            self.send_part().await?;
        }
        self.wait_for_parts(0).await?;
        if let Some(multipart) = &mut self.multipart {
            let completed = multipart.get_mut().complete().await;
            completed.map_err(|error| failure::unavailable(&error))?;
        }
        self.multipart = None;
        Ok(self.size)
    }

    async fn send_part(&mut self) -> Result<()> {
        self.parts += 1;
        if self.parts > PARTS_MAX {
            return Err(Error::Invalid {
                what: "upload",
                value: self.key.clone(),
                why: format!(
                    "one request may have {} GiB here: send it in several",
                    (PARTS_MAX * PART_BYTES) >> 30
                ),
            });
        }
        self.wait_for_parts(PARTS_AT_ONCE - 1).await?;
        if self.multipart.is_none() {
            let path = self.remote.path(&self.key);
            let begun = self.remote.service.put_multipart(&path).await;
            let begun = begun.map_err(|error| failure::unavailable(&error))?;
            self.multipart = Some(Mutex::new(begun));
        }
        let part = std::mem::replace(&mut self.part, empty_part()).freeze();
        if let Some(multipart) = &mut self.multipart {
            let sending = multipart.get_mut().put_part(part);
            let places = Arc::clone(&self.remote.parts);
            self.under_way.spawn(async move {
                let _place = places.acquire_owned().await;
                sending.await
            });
        }
        Ok(())
    }

    /// Waits until no more than `at_most` parts are on their way.
    async fn wait_for_parts(&mut self, at_most: usize) -> Result<()> {
        while self.under_way.len() > at_most {
            let Some(sent) = self.under_way.join_next().await else {
                break;
            };
            sent.unwrap_or_else(|error| {
                Err(ServiceError::Generic {
                    store: "S3",
                    source: Box::new(error),
                })
            })
            .map_err(|error| failure::unavailable(&error))?;
        }
        Ok(())
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        let Some(mut multipart) = self.multipart.take() else {
            return;
        };
        let mut under_way = std::mem::take(&mut self.under_way);
        // Without a runtime, as when the process ends, the bucket's own rule for unfinished uploads has to do it.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                // A part that arrived after the end would stay.
                under_way.shutdown().await;
                let _ = multipart.get_mut().abort().await;
            });
        }
    }
}

fn empty_part() -> PutPayloadMut {
    PutPayloadMut::new().with_block_size(BLOCK_BYTES)
}
