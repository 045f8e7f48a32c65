//! Which objects the running hash of an upload is of. Another process may have written to the same upload meanwhile, and then
//! the hash is of other bytes than those that are there. Forgetting costs a reading, so this holds a few thousand.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::uploads::UploadId;

/// The most uploads that are known.
const KEPT_MAX: usize = 4096;

/// The keys of an upload's pieces, as they were when this process last wrote to it.
#[derive(Debug, Default)]
pub(crate) struct Chains(Mutex<HashMap<UploadId, Vec<String>>>);

impl Chains {
    pub(crate) fn keep(&self, id: &UploadId, keys: Vec<String>) {
        let mut kept = self.lock();
        if kept.len() >= KEPT_MAX {
            kept.clear();
        }
        kept.insert(id.clone(), keys);
    }

    pub(crate) fn take(&self, id: &UploadId) -> Option<Vec<String>> {
        self.lock().remove(id)
    }

    pub(crate) fn forget(&self, id: &UploadId) {
        self.lock().remove(id);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<UploadId, Vec<String>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
