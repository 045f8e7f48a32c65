//! Hashes of uploads that wait for their next request. One that is not here any more is made again from the upload's file, so
//! that this may forget: it holds the latest few thousand.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use oci::{Algorithm, Digest, Hasher};

use super::UploadId;

/// The most hashes that are kept.
const KEPT_MAX: usize = 4096;

/// The hash of the first bytes of an upload.
#[derive(Debug)]
pub(super) struct Running {
    bytes: u64,
    hasher: Hasher,
    algorithm: Algorithm,
}

impl Running {
    pub(super) fn begin(algorithm: Algorithm) -> Running {
        Running {
            bytes: 0,
            hasher: Hasher::new(algorithm),
            algorithm,
        }
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
        self.bytes = self.bytes.saturating_add(bytes.len() as u64);
    }

    /// Whether it is the hash of so many bytes.
    pub(super) fn is_of(&self, bytes: u64) -> bool {
        self.bytes == bytes
    }

    pub(super) fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    pub(super) fn finish(self) -> Digest {
        self.hasher.finish()
    }
}

/// The hashes of this process, by upload.
#[derive(Debug, Default)]
pub(crate) struct Hashes(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    /// With the count of those kept before.
    hashes: HashMap<UploadId, (u64, Running)>,
    count: u64,
}

impl Hashes {
    pub(super) fn take(&self, id: &UploadId) -> Option<Running> {
        self.lock().hashes.remove(id).map(|(_, running)| running)
    }

    pub(super) fn keep(&self, id: &UploadId, running: Running) {
        let mut kept = self.lock();
        if kept.hashes.len() >= KEPT_MAX && !kept.hashes.contains_key(id) {
            let oldest = kept.hashes.iter().min_by_key(|(_, (count, _))| *count);
            if let Some(oldest) = oldest.map(|(id, _)| id.clone()) {
                kept.hashes.remove(&oldest);
            }
        }
        kept.count = kept.count.wrapping_add(1);
        let count = kept.count;
        kept.hashes.insert(id.clone(), (count, running));
    }

    /// Forgets the hash of an upload that has ended.
    pub(super) fn forget(&self, id: &UploadId) {
        self.lock().hashes.remove(id);
    }

    /// Every upload that has one.
    pub(super) fn ids(&self) -> Vec<UploadId> {
        self.lock().hashes.keys().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_latest_are_kept() {
        let (hashes, running) = (Hashes::default(), || Running::begin(Algorithm::Sha256));
        let ids: Vec<UploadId> = (0..=KEPT_MAX)
            .map(|_| UploadId::random().unwrap())
            .collect();
        for id in &ids {
            hashes.keep(id, running());
            // Again, so that it is not the number of calls that counts.
            hashes.keep(id, running());
        }
        assert_eq!(hashes.ids().len(), KEPT_MAX);
        assert!(hashes.take(&ids[0]).is_none());
        assert!(hashes.take(&ids[1]).is_some() && hashes.take(&ids[KEPT_MAX]).is_some());
        assert!(hashes.take(&ids[1]).is_none(), "it is taken once");
    }
}
