//! Passwords that were right a moment ago. Docker sends the password for each token it needs; hashing it each time would
//! make the hash's cost everybody's waiting. What is kept is a keyed hash of password and stored hash together: a changed
//! password is another entry, and memory holds no password.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use aws_lc_rs::{hmac, rand};
use policy::PrincipalId;
use secrecy::{ExposeSecret as _, SecretString};

use crate::error::broken;

/// How long a right password stays right without another look, in milliseconds.
const LIFETIME: i64 = 60_000;
/// The most entries; beyond, all are forgotten, which only costs time.
const ENTRIES_MAX: usize = 4_096;

/// Passwords that were right a moment ago.
pub(crate) struct Recent {
    key: hmac::Key,
    until: Mutex<HashMap<Entry, i64>>,
}

/// One password of one account with one stored hash.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Entry([u8; 32]);

impl Recent {
    pub(crate) fn new() -> Result<Self, store::Error> {
        let mut key = [0; 32];
        rand::fill(&mut key).map_err(|error| broken("making random bytes", &error))?;
        Ok(Self {
            key: hmac::Key::new(hmac::HMAC_SHA256, &key),
            until: Mutex::default(),
        })
    }

    pub(crate) fn entry(
        &self,
        id: PrincipalId,
        stored: &SecretString,
        password: &SecretString,
    ) -> Entry {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(&id.0.to_be_bytes());
        for part in [stored, password] {
            let bytes = part.expose_secret().as_bytes();
            context.update(&bytes.len().to_be_bytes());
            context.update(bytes);
        }
        let tag = context.sign();
        // INVARIANT: HMAC-SHA256 has 32 bytes; if it had not, nothing would be found, and passwords hashed anew.
        Entry(tag.as_ref().try_into().unwrap_or_default())
    }

    pub(crate) fn holds(&self, entry: &Entry, now: i64) -> bool {
        let until = self.until.lock().unwrap_or_else(PoisonError::into_inner);
        until
            .get(entry)
            .is_some_and(|until| now < *until && until.saturating_sub(now) <= LIFETIME)
    }

    pub(crate) fn keep(&self, entry: Entry, now: i64) {
        let mut until = self.until.lock().unwrap_or_else(PoisonError::into_inner);
        if until.len() >= ENTRIES_MAX {
            until.retain(|_, end| now < *end);
        }
        if until.len() >= ENTRIES_MAX {
            until.clear();
        }
        until.insert(entry, now.saturating_add(LIFETIME));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_password_of_the_same_account_and_hash_is_held() {
        let recent = Recent::new().unwrap();
        let entry = |id, stored: &str, password: &str| {
            recent.entry(PrincipalId(id), &stored.into(), &password.into())
        };
        recent.keep(entry(1, "hash", "password"), 0);
        assert!(recent.holds(&entry(1, "hash", "password"), 59_999));
        assert!(!recent.holds(&entry(1, "hash", "password"), 60_000));
        for other in [
            entry(2, "hash", "password"),
            entry(1, "hash2", "password"),
            entry(1, "hashp", "assword"),
        ] {
            assert!(!recent.holds(&other, 0));
        }
    }

    #[test]
    fn memory_is_bounded() {
        let recent = Recent::new().unwrap();
        for n in 0..10_000 {
            recent.keep(
                recent.entry(PrincipalId(n), &"h".into(), &"p".into()),
                n / 100,
            );
        }
        assert!(recent.until.lock().unwrap().len() <= ENTRIES_MAX);
        assert!(recent.holds(
            &recent.entry(PrincipalId(9_999), &"h".into(), &"p".into()),
            100
        ));
    }

    #[test]
    fn a_clock_that_goes_back_ends_it() {
        let recent = Recent::new().unwrap();
        let entry = recent.entry(PrincipalId(1), &"h".into(), &"p".into());
        recent.keep(entry, 1_000_000);
        assert!(!recent.holds(&entry, 0));
    }
}
