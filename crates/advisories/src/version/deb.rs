//! The order of Debian package versions, `[epoch:]upstream[-revision]`.
//!
//! Not a validator: feeds and package databases carry strings that policy forbids, and those still
//! need a place, so every string is ordered. Debian Policy §5.6.12; deb-version(7).

use std::cmp::Ordering;

use super::natural::{Natural, split_digits, split_text};

/// Compares two Debian versions; a total order over all strings.
///
/// Surrounding white space is ignored, a missing epoch or revision is zero, and text before the
/// first `:` that is not a number is taken as part of the upstream version.
pub fn compare(left: &str, right: &str) -> Ordering {
    let (left, right) = (Parts::parse(left), Parts::parse(right));
    left.epoch
        .cmp(&right.epoch)
        .then_with(|| compare_part(left.upstream, right.upstream))
        .then_with(|| compare_part(left.revision, right.revision))
}

struct Parts<'a> {
    epoch: Natural<'a>,
    upstream: &'a [u8],
    revision: &'a [u8],
}

impl<'a> Parts<'a> {
    fn parse(version: &'a str) -> Self {
        let version = version.trim();
        let (epoch, rest) = match version.split_once(':') {
            Some((epoch, rest)) if epoch.bytes().all(|byte| byte.is_ascii_digit()) => {
                (Natural::new(epoch.as_bytes()), rest)
            }
            _ => (Natural::ZERO, version),
        };
        // The revision follows the last hyphen: upstream versions may hold hyphens themselves.
        let (upstream, revision) = rest.rsplit_once('-').unwrap_or((rest, ""));
        Self {
            epoch,
            upstream: upstream.as_bytes(),
            revision: revision.as_bytes(),
        }
    }
}

/// Compares text and numbers in turn, from the left.
fn compare_part(mut left: &[u8], mut right: &[u8]) -> Ordering {
    while !(left.is_empty() && right.is_empty()) {
        let ((left_text, left_rest), (right_text, right_rest)) =
            (split_text(left), split_text(right));
        let ((left_digits, left_tail), (right_digits, right_tail)) =
            (split_digits(left_rest), split_digits(right_rest));
        let order = compare_text(left_text, right_text)
            .then_with(|| Natural::new(left_digits).cmp(&Natural::new(right_digits)));
        if order.is_ne() {
            return order;
        }
        (left, right) = (left_tail, right_tail);
    }
    Ordering::Equal
}

fn compare_text(left: &[u8], right: &[u8]) -> Ordering {
    let weights = |text: &[u8], index: usize| text.get(index).map_or(0, |byte| weight(*byte));
    (0..left.len().max(right.len()))
        .map(|index| weights(left, index).cmp(&weights(right, index)))
        .find(|order| order.is_ne())
        .unwrap_or(Ordering::Equal)
}

/// Policy §5.6.12: a tilde sorts before the end of a part, letters before all other characters.
fn weight(byte: u8) -> i32 {
    match byte {
        b'~' => -1,
        letter if letter.is_ascii_alphabetic() => i32::from(letter),
        other => i32::from(other) + 256,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::version::testing;

    fn check(left: &str, expect: Ordering, right: &str) {
        testing::check(compare, left, expect, right);
    }

    #[test]
    fn follows_the_policy() {
        use Ordering::{Equal, Less};
        for (left, expect, right) in [
            ("1.0", Equal, "0:1.0"),
            ("1.0", Equal, "1.0-0"),
            ("1.0-", Equal, "1.0"),
            ("1.0", Equal, "1.00"),
            ("1.0", Equal, "01.0"),
            (" 1.0 ", Equal, "1.0"),
            ("9:0", Less, "10:0"),
            ("2.0", Less, "1:0.1"),
            ("1.0~rc1", Less, "1.0"),
            ("1.0~~", Less, "1.0~"),
            ("1.0~~a", Less, "1.0~"),
            ("1.0", Less, "1.0a"),
            ("1.0a", Less, "1.0+"),
            ("1.0-", Less, "1.0a"),
            ("1.0Z", Less, "1.0a"),
            ("1.2", Less, "1.10"),
            ("1.0-1~deb12u1", Less, "1.0-1"),
            ("1.0-1", Less, "1.0-1+deb12u1"),
            ("1.0-1+deb12u2", Less, "1.0-1+deb12u10"),
            ("1.2-3-4", Less, "1.2-3.1-1"),
            (
                "20240101000000000000000000001",
                Less,
                "20240101000000000000000000002",
            ),
            (
                "2.7.4+reloaded2-13ubuntu1",
                Less,
                "2.7.4+reloaded2-13+deb9u1",
            ),
        ] {
            check(left, expect, right);
        }
    }

    #[test]
    fn orders_what_policy_forbids() {
        check("", Ordering::Equal, "0");
        check("latest:1.0", Ordering::Greater, "1.0");
        check("1.0_ü", Ordering::Greater, "1.0");
    }
}
