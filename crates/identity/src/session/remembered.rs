//! Session tokens whose signatures were checked a moment ago. Docker sends the same one with each layer; opening the sealed
//! key and checking the signature again would say nothing new. What is kept is under a hash of the whole token, so that
//! memory holds no token; its times, and the account behind it, are looked at each time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::digest;

use super::{Examined, SKEW_SECONDS, Session};

/// The most tokens; beyond, all are forgotten, which only costs time.
const TOKENS_MAX: usize = 4_096;

/// A token that this server made, for this service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Genuine {
    pub(super) session: Arc<Session>,
    /// When it begins and ends, in seconds since the epoch.
    pub(super) begins_s: i64,
    pub(super) ends_s: i64,
    /// Until when the key that signed it is believed, in milliseconds since the epoch.
    pub(super) key_until: i64,
}

impl Genuine {
    /// What it is worth at this instant.
    pub(super) fn at(self, now: i64) -> Examined {
        let now_s = now.div_euclid(1_000);
        if now >= self.key_until || self.begins_s > now_s.saturating_add(SKEW_SECONDS) {
            return Examined::Wrong;
        }
        if now_s < self.ends_s {
            return Examined::Current(self.session);
        }
        Examined::Ended(self.session, self.ends_s.saturating_mul(1_000))
    }
}

/// The hash of a token.
pub(super) type Place = [u8; 32];

/// Tokens by their hash.
#[derive(Default)]
pub(super) struct Remembered(Mutex<HashMap<Place, Genuine>>);

impl Remembered {
    pub(super) fn place(token: &str) -> Place {
        let hash = digest::digest(&digest::SHA256, token.as_bytes());
        // INVARIANT: SHA-256 has 32 bytes; if it had not, all tokens would share a place, which `find` must not allow.
        hash.as_ref().try_into().unwrap_or_default()
    }

    pub(super) fn find(&self, place: &Place) -> Option<Genuine> {
        if *place == Place::default() {
            return None;
        }
        let tokens = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.get(place).cloned()
    }

    pub(super) fn keep(&self, place: Place, genuine: &Genuine, now: i64) {
        let mut tokens = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if tokens.len() >= TOKENS_MAX {
            let now_s = now.div_euclid(1_000);
            tokens.retain(|_, genuine| now_s < genuine.ends_s);
        }
        if tokens.len() >= TOKENS_MAX {
            tokens.clear();
        }
        tokens.insert(place, genuine.clone());
    }
}

#[cfg(test)]
mod tests {
    use policy::{Ceiling, Who};

    use super::*;

    fn genuine(ends_s: i64) -> Genuine {
        let session = Session {
            who: Who::Anonymous,
            ceiling: Ceiling::All,
            widest: Ceiling::All,
            bond: None,
        };
        Genuine {
            session: Arc::new(session),
            begins_s: 0,
            ends_s,
            key_until: i64::MAX,
        }
    }

    #[test]
    fn memory_is_bounded_and_the_latest_stay() {
        let remembered = Remembered::default();
        for n in 0..10_000 {
            let place = Remembered::place(&n.to_string());
            remembered.keep(place, &genuine(n / 10), n * 100);
        }
        assert!(remembered.0.lock().unwrap().len() <= TOKENS_MAX);
        let last = Remembered::place("9999");
        assert_eq!(remembered.find(&last), Some(genuine(999)));
        assert_eq!(remembered.find(&Remembered::place("other")), None);
    }
}
