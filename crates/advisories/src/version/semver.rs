//! Semantic versions as npm packages and OSV's `SEMVER` ranges use them.
//!
//! Plain precedence, not npm's range rules: an advisory's range is an interval of this order, and a
//! pre-release needs no comparator of the same triple. <https://semver.org> §11.

use std::cmp::Ordering;

use super::natural::{Natural, split_digits};

/// Compares two semantic versions; a total order over all strings, build metadata ignored.
///
/// Read leniently: a leading `v` or `=` is dropped, missing parts are zero, a fourth part and what
/// follows it counts as build metadata, and a suffix without its hyphen (`1.0.0rc1`) is a
/// pre-release. Strings that do not start with a number come before all versions, by their bytes.
pub fn compare(left: &str, right: &str) -> Ordering {
    Key::parse(left).cmp(&Key::parse(right))
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Key<'a> {
    Unversioned(&'a str),
    Version([Natural<'a>; 3], Stage<'a>),
}

/// Semver §11.3: a pre-release comes before its release.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Stage<'a> {
    Before(Vec<Identifier<'a>>),
    Release,
}

/// Semver §11.4: numeric identifiers come before alphanumeric ones, fewer identifiers before more.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Identifier<'a> {
    Numeric(Natural<'a>),
    Text(&'a str),
}

impl<'a> Key<'a> {
    fn parse(version: &'a str) -> Self {
        let version = version.trim();
        let text = version.trim_start_matches(['=', 'v', 'V', ' ']);
        if !text.starts_with(|first: char| first.is_ascii_digit()) {
            return Self::Unversioned(version);
        }
        let (core, rest) = parse_core(text);
        Self::Version(core, Stage::parse(rest))
    }
}

/// Up to three dotted numbers, and what follows them.
fn parse_core(text: &str) -> ([Natural<'_>; 3], &str) {
    let mut core = [Natural::ZERO; 3];
    let mut rest = text;
    for (position, part) in core.iter_mut().enumerate() {
        let numbers = if position == 0 {
            Some(rest)
        } else {
            rest.strip_prefix('.')
        };
        let Some(numbers) = numbers.filter(|text| text.starts_with(|c: char| c.is_ascii_digit()))
        else {
            break;
        };
        let (digits, _) = split_digits(numbers.as_bytes());
        *part = Natural::new(digits);
        rest = numbers.get(digits.len()..).unwrap_or_default();
    }
    (core, rest)
}

impl<'a> Stage<'a> {
    fn parse(rest: &'a str) -> Self {
        let suffix = match rest.as_bytes().first() {
            None | Some(b'+' | b'.') => return Self::Release,
            Some(b'-') => rest.get(1..).unwrap_or_default(),
            Some(_) => rest,
        };
        let identifiers = suffix.split('+').next().unwrap_or_default();
        Self::Before(identifiers.split('.').map(Identifier::parse).collect())
    }
}

impl<'a> Identifier<'a> {
    fn parse(text: &'a str) -> Self {
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            Self::Numeric(Natural::new(text.as_bytes()))
        } else {
            Self::Text(text)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::version::testing::{self, check_ascending};

    fn check(left: &str, expect: Ordering, right: &str) {
        testing::check(compare, left, expect, right);
    }

    #[test]
    fn follows_the_specification() {
        let ascending = [
            "1.0.0-alpha",
            "1.0.0-alpha.1",
            "1.0.0-alpha.beta",
            "1.0.0-beta",
            "1.0.0-beta.2",
            "1.0.0-beta.11",
            "1.0.0-rc.1",
            "1.0.0",
            "1.0.1",
            "1.1.0",
            "1.10.0",
            "2.0.0",
        ];
        check_ascending(compare, &ascending);
    }

    #[test]
    fn reads_leniently() {
        check("v1.2.3", Ordering::Equal, "1.2.3");
        check("= v1.2.3", Ordering::Equal, "1.2.3");
        check("1", Ordering::Equal, "1.0.0");
        check("1.2", Ordering::Equal, "1.2.0");
        check("1.2.3+a", Ordering::Equal, "1.2.3+b");
        check("1.2-beta", Ordering::Less, "1.2.0");
        check("1.2.3rc1", Ordering::Equal, "1.2.3-rc1");
        check("1.2.3.4", Ordering::Equal, "1.2.3");
        check("1.2.3-0", Ordering::Less, "1.2.3-a");
        check("1.2.3-", Ordering::Less, "1.2.3");
        check("0", Ordering::Less, "0.0.1");
        check("latest", Ordering::Less, "0.0.0-0");
        check("", Ordering::Less, "latest");
        check(
            "99999999999999999999.0.0",
            Ordering::Less,
            "100000000000000000000.0.0",
        );
    }
}
