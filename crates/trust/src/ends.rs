//! When something that people registered, or that the operator trusts, stops being good for new signatures. Deliberately no word on
//! whether it is about to: how long before somebody is told is the caller's.

/// The end of a part of something that is trusted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct End {
    /// The instant of the end, in milliseconds since the epoch.
    pub at: i64,
    /// What ends, for people: `the key`, or `the certificate C=US, ST=WA, O=shop, CN=maria`.
    pub part: String,
}

impl End {
    /// The first end that lies ahead of `now`; where none does, the last one that there was.
    #[must_use]
    pub fn next(ends: &[Self], now: i64) -> Option<&Self> {
        let ahead = ends.iter().filter(|end| end.at > now).min();
        ahead.or_else(|| ends.iter().max())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_end_is_the_first_ahead_or_else_the_last() {
        let end = |at| End {
            at,
            part: String::new(),
        };
        let ends = [end(30), end(10), end(20)];
        let next = |now| End::next(&ends, now).map(|end| end.at);
        let expected = [(0, 10), (9, 10), (10, 20), (29, 30), (30, 30), (99, 30)];
        for (now, at) in expected {
            assert_eq!(next(now), Some(at), "{now}");
        }
        assert_eq!(End::next(&[], 0), None);
    }
}
