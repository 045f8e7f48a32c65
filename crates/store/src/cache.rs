//! Values that are read at a counter of table `revisions` and stay true while it stands. One value is kept: the newest.
//! It is no cache of decisions, which are rows.

use std::sync::{Arc, Mutex, PoisonError};

/// What is kept for the whole store.
#[derive(Debug, Default)]
pub(crate) struct Caches {
    /// Accounts, teams, grants and keys at revision `directory`.
    pub(crate) directory: Cache<policy::Directory>,
    /// The policies in force at revision `policies`.
    pub(crate) policies: Cache<Vec<policy::Policy>>,
}

/// One value and the revision at which it was read.
#[derive(Debug)]
pub(crate) struct Cache<T>(Mutex<Option<(i64, Arc<T>)>>);

impl<T> Default for Cache<T> {
    fn default() -> Self {
        Cache(Mutex::new(None))
    }
}

impl<T> Cache<T> {
    /// The value, if it was read at this revision.
    pub(crate) fn at(&self, revision: i64) -> Option<Arc<T>> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.as_ref()
            .filter(|(at, _)| *at == revision)
            .map(|(_, value)| Arc::clone(value))
    }

    /// Keeps a value that was read at this revision, unless a newer one is kept.
    pub(crate) fn keep(&self, revision: i64, value: &Arc<T>) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.as_ref().is_none_or(|(at, _)| *at <= revision) {
            *kept = Some((revision, Arc::clone(value)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_revision_that_was_read_is_answered() {
        let cache = Cache::default();
        assert!(cache.at(1).is_none());
        cache.keep(2, &Arc::new("two"));
        assert_eq!(cache.at(2).as_deref(), Some(&"two"));
        assert!(cache.at(1).is_none());
        cache.keep(1, &Arc::new("one"));
        assert_eq!(
            cache.at(2).as_deref(),
            Some(&"two"),
            "an older value does not push out a newer one"
        );
    }
}
