//! Counts failed log-ins by name and address, and by address alone, over the last minute. An attempt counts from when it
//! begins and is taken back when it succeeds, so that a thousand at once are no way around the count.

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};

use crate::AuthError;

/// Failures for one name from one address, after which it has to wait.
pub(crate) const FAILURES_MAX: usize = 10;
/// Failures for any names from one address.
const FAILURES_OF_PEER_MAX: usize = 100;
/// How long a failure counts, in milliseconds.
const WINDOW: i64 = 60_000;
/// The most names and addresses that are remembered; the least recent are forgotten first.
const KEYS_MAX: usize = 10_000;
/// The longest part of a name that tells it from others.
const NAME_BYTES_MAX: usize = 128;

/// Failed attempts of the last minute.
#[derive(Debug, Default)]
pub(crate) struct Attempts(Mutex<HashMap<Key, VecDeque<i64>>>);

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    peer: IpAddr,
    /// Nothing for the address alone.
    name: Option<Box<str>>,
}

/// An attempt that has begun; it stays a failure unless it [succeeds](Attempts::succeeded).
#[derive(Debug)]
pub(crate) struct Attempt {
    keys: [Key; 2],
    at: i64,
}

impl Attempts {
    /// Begins an attempt, or says how long to wait.
    pub(crate) fn begin(&self, name: &str, peer: IpAddr, now: i64) -> Result<Attempt, AuthError> {
        let peer = network(peer);
        let end = name.floor_char_boundary(NAME_BYTES_MAX);
        let name = name.get(..end).unwrap_or_default();
        let keys = [
            Key {
                peer,
                name: Some(name.into()),
            },
            Key { peer, name: None },
        ];
        let mut failures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (key, most) in keys.iter().zip([FAILURES_MAX, FAILURES_OF_PEER_MAX]) {
            let Some(times) = failures.get_mut(key) else {
                continue;
            };
            times.retain(|at| now.saturating_sub(*at) < WINDOW && *at <= now);
            if let (true, Some(oldest)) = (times.len() >= most, times.front()) {
                let wait = oldest.saturating_add(WINDOW).saturating_sub(now);
                let retry_after_seconds = u64::try_from(wait)
                    .unwrap_or_default()
                    .div_ceil(1_000)
                    .max(1);
                return Err(AuthError::TooMany {
                    retry_after_seconds,
                });
            }
        }
        make_room(&mut failures, now);
        for key in &keys {
            failures.entry(key.clone()).or_default().push_back(now);
        }
        Ok(Attempt { keys, at: now })
    }

    /// Takes an attempt back: it was right. Earlier failures of the name are forgotten.
    pub(crate) fn succeeded(&self, attempt: &Attempt) {
        let [by_name, by_peer] = &attempt.keys;
        let mut failures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        failures.remove(by_name);
        take_back(&mut failures, by_peer, attempt.at);
    }

    /// Takes an attempt back that nobody looked at.
    pub(crate) fn withdraw(&self, attempt: &Attempt) {
        let mut failures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for key in &attempt.keys {
            take_back(&mut failures, key, attempt.at);
        }
    }
}

fn take_back(failures: &mut HashMap<Key, VecDeque<i64>>, key: &Key, at: i64) {
    if let Some(times) = failures.get_mut(key)
        && let Some(position) = times.iter().position(|time| *time == at)
    {
        times.remove(position);
    }
}

/// Forgets what no longer counts once there is much, and then the least recent.
fn make_room(failures: &mut HashMap<Key, VecDeque<i64>>, now: i64) {
    if failures.len() + 2 <= KEYS_MAX {
        return;
    }
    failures.retain(|_, times| {
        times
            .back()
            .is_some_and(|at| now.saturating_sub(*at) < WINDOW)
    });
    if failures.len() + 2 <= KEYS_MAX {
        return;
    }
    let mut latest: Vec<i64> = failures
        .values()
        .filter_map(|times| times.back().copied())
        .collect();
    let middle = latest.len() / 2;
    let (_, median, _) = latest.select_nth_unstable(middle);
    let median = *median;
    failures.retain(|_, times| times.back().is_some_and(|at| *at > median));
}

/// What one party controls: an IPv4 address, or the /64 of an IPv6 address.
#[must_use]
pub fn network(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn wait(result: Result<Attempt, AuthError>) -> Option<u64> {
        match result {
            Ok(_) => None,
            Err(AuthError::TooMany {
                retry_after_seconds,
            }) => Some(retry_after_seconds),
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn ten_failures_then_a_wait_until_the_oldest_ends() {
        let attempts = Attempts::default();
        let here = peer("192.0.2.1");
        for at in 0..10 {
            assert_eq!(wait(attempts.begin("maria", here, at * 1_000)), None);
        }
        assert_eq!(wait(attempts.begin("maria", here, 9_500)), Some(51));
        assert_eq!(wait(attempts.begin("maria", here, 59_999)), Some(1));
        assert_eq!(wait(attempts.begin("bob", here, 9_500)), None);
        assert_eq!(
            wait(attempts.begin("maria", peer("192.0.2.2"), 9_500)),
            None
        );
        assert_eq!(wait(attempts.begin("maria", here, 60_000)), None);
        assert_eq!(wait(attempts.begin("maria", here, 60_000)), Some(1));
    }

    #[test]
    fn success_forgets_the_failures_of_the_name_and_not_those_of_the_address() {
        let attempts = Attempts::default();
        let here = peer("192.0.2.1");
        // 11 rounds of 9 failures and a success: 99 failures of the address.
        for _ in 0..11 {
            for _ in 0..9 {
                attempts.begin("maria", here, 0).unwrap();
            }
            let right = attempts.begin("maria", here, 0).unwrap();
            attempts.succeeded(&right);
        }
        assert_eq!(wait(attempts.begin("maria", here, 0)), None);
        assert_eq!(wait(attempts.begin("maria", here, 0)), Some(60));
    }

    #[test]
    fn one_address_cannot_try_many_names() {
        let attempts = Attempts::default();
        let here = peer("192.0.2.1");
        for name in 0..100 {
            assert_eq!(wait(attempts.begin(&format!("user{name}"), here, 0)), None);
        }
        assert_eq!(wait(attempts.begin("another", here, 1)), Some(60));
    }

    #[test]
    fn names_of_any_length_and_alphabet_take_little_room() {
        let attempts = Attempts::default();
        let here = peer("192.0.2.1");
        // Byte 128 lies within a character.
        let long = format!("m{}", "é".repeat(100_000));
        for n in 0..10 {
            attempts.begin(&format!("{long}{n}"), here, 0).unwrap();
        }
        assert!(wait(attempts.begin(&long, here, 0)).is_some());
        assert_eq!(wait(attempts.begin("é", here, 0)), None);
        let failures = attempts.0.lock().unwrap();
        let names = failures.keys().filter_map(|key| key.name.as_deref());
        assert!(names.map(str::len).all(|bytes| bytes <= NAME_BYTES_MAX));
    }

    #[test]
    fn what_nobody_looked_at_is_no_failure() {
        let attempts = Attempts::default();
        let here = peer("192.0.2.1");
        attempts.begin("maria", here, 0).unwrap();
        for _ in 0..200 {
            let attempt = attempts.begin("maria", here, 1).unwrap();
            attempts.withdraw(&attempt);
        }
        for _ in 0..9 {
            assert_eq!(wait(attempts.begin("maria", here, 2)), None);
        }
        assert!(wait(attempts.begin("maria", here, 3)).is_some());
    }

    #[test]
    fn addresses_of_one_party_count_as_one() {
        let attempts = Attempts::default();
        for last in 0..10 {
            attempts
                .begin("maria", peer(&format!("2001:db8::{last}")), 0)
                .unwrap();
        }
        assert!(wait(attempts.begin("maria", peer("2001:db8::ffff"), 0)).is_some());
        assert!(wait(attempts.begin("maria", peer("2001:db8:0:1::1"), 0)).is_none());
        for _ in 0..10 {
            attempts
                .begin("maria", peer("::ffff:192.0.2.1"), 0)
                .unwrap();
        }
        assert!(wait(attempts.begin("maria", peer("192.0.2.1"), 0)).is_some());
    }

    #[test]
    fn memory_is_bounded_and_the_recent_stay() {
        let attempts = Attempts::default();
        let address = |n: u32| IpAddr::from(n.to_be_bytes());
        for n in 0..30_000_u32 {
            attempts
                .begin("maria", address(n), i64::from(n) / 1_000)
                .unwrap();
        }
        assert!(attempts.0.lock().unwrap().len() <= KEYS_MAX);
        for _ in 0..9 {
            attempts.begin("maria", address(29_999), 30).unwrap();
        }
        assert!(wait(attempts.begin("maria", address(29_999), 30)).is_some());
    }

    #[test]
    fn a_clock_that_goes_back_locks_nobody_out() {
        let attempts = Attempts::default();
        let here = peer("192.0.2.1");
        for _ in 0..10 {
            attempts.begin("maria", here, 1_000_000).unwrap();
        }
        assert_eq!(wait(attempts.begin("maria", here, 0)), None);
    }
}
