//! Uploads to this process while they grow, for whoever reads along: each is offered once it is large enough to be worth it,
//! to one reader at a time, who is told how far it is until it ends. Nothing here outlives the process or holds up the
//! upload, and nothing is promised: whoever reads along checks what was read.

use std::collections::HashMap;
use std::fs::File;
use std::sync::{Mutex, MutexGuard, PoisonError};

use oci::Digest;
use tokio::sync::{Notify, watch};

use super::UploadId;
use crate::Store;
use crate::blobs::blocking;
use crate::error::Error;

/// Bytes below which an upload is not offered: what is small is read soon enough when it is complete.
const OFFERED_BYTES_MIN: u64 = 4 << 20;

/// How far an upload is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Growth {
    /// Bytes that its file has. Nobody writes to them again.
    pub bytes: u64,
    /// The blob that these bytes became; none while more may come.
    pub committed: Option<Digest>,
}

/// An upload that somebody reads along.
#[derive(Debug)]
pub struct Growing {
    /// Its name.
    pub id: UploadId,
    /// Its bytes, under whatever name they have by now.
    pub file: File,
    /// How far it is. The sender goes when the upload ends, with or without having become a blob.
    pub growth: watch::Receiver<Growth>,
}

/// Waits until there is an upload that nobody follows yet. One task at a time may wait.
pub async fn offered(store: &Store) {
    while !store.growths().has_offer() {
        store.growths().news.notified().await;
    }
}

/// Takes the largest upload that nobody follows yet. It is not offered a second time unless the caller says so.
pub async fn follow(store: &Store) -> Option<Growing> {
    let (id, growth) = store.growths().take()?;
    let path = store.folder().uploads().join(id.as_str());
    let opened = blocking(move || File::open(&path).map_err(Error::io(&path))).await;
    // One that cannot be opened has just ended.
    let file = opened.ok()?;
    Some(Growing { id, file, growth })
}

/// Lets others follow an upload, from its first byte.
pub fn offer_again(store: &Store, growing: Growing) {
    store.growths().offer_again(&growing.id);
}

/// How far the uploads to this process are that are large enough.
#[derive(Debug, Default)]
pub(crate) struct Growths {
    uploads: Mutex<HashMap<UploadId, Offer>>,
    news: Notify,
}

#[derive(Debug, Default)]
struct Offer {
    growth: watch::Sender<Growth>,
    is_taken: bool,
}

impl Growths {
    /// The upload has so many bytes in its file.
    pub(crate) fn grown(&self, id: &UploadId, bytes: u64) {
        if bytes < OFFERED_BYTES_MIN {
            return;
        }
        let mut uploads = self.lock();
        let offer = uploads.entry(id.clone()).or_default();
        offer.growth.send_modify(|growth| growth.bytes = bytes);
        if !offer.is_taken {
            self.news.notify_one();
        }
    }

    /// The upload is over, as a blob or not.
    pub(crate) fn ended(&self, id: &UploadId, committed: Option<&Digest>) {
        if let Some(offer) = self.lock().remove(id) {
            offer
                .growth
                .send_modify(|growth| growth.committed = committed.cloned());
        }
    }

    /// Every upload that is known here.
    pub(crate) fn ids(&self) -> Vec<UploadId> {
        self.lock().keys().cloned().collect()
    }

    fn has_offer(&self) -> bool {
        self.lock().values().any(|offer| !offer.is_taken)
    }

    fn take(&self) -> Option<(UploadId, watch::Receiver<Growth>)> {
        let mut uploads = self.lock();
        let free = uploads.iter_mut().filter(|(_, offer)| !offer.is_taken);
        let (id, offer) = free.max_by_key(|(_, offer)| offer.growth.borrow().bytes)?;
        offer.is_taken = true;
        Some((id.clone(), offer.growth.subscribe()))
    }

    fn offer_again(&self, id: &UploadId) {
        if let Some(offer) = self.lock().get_mut(id) {
            offer.is_taken = false;
            self.news.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<UploadId, Offer>> {
        self.uploads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
