//! The order of Python package versions, and of the older ones that no longer parse.
//!
//! Not a printer or a specifier language: advisories give intervals, so an order is all that is
//! asked. PEP 440, "Version scheme" and its appendix B; the ordering of `packaging`.

use std::cmp::Ordering;

use super::natural::{Natural, split_digits, split_text};

/// Compares two Python versions; a total order over all strings.
///
/// Valid versions compare as PEP 440 says: epoch, release (trailing zeros dropped), pre-release,
/// post-release, development release, local version. A string that PEP 440 does not accept comes
/// before all valid ones; among themselves those compare without case, by runs of digits (as
/// numbers) and of other characters (as bytes), text before numbers, a shorter sequence first.
pub fn compare(left: &str, right: &str) -> Ordering {
    let (left, right) = (
        left.trim().to_ascii_lowercase(),
        right.trim().to_ascii_lowercase(),
    );
    Key::parse(&left).cmp(&Key::parse(&right))
}

/// Whether PEP 440 accepts `version`, in any of its spellings.
pub fn is_valid(version: &str) -> bool {
    Valid::parse(&version.trim().to_ascii_lowercase()).is_some()
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Key<'a> {
    Legacy(Vec<Chunk<'a>>),
    Valid(Valid<'a>),
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Chunk<'a> {
    Text(&'a [u8]),
    Number(Natural<'a>),
}

/// The fields in the order in which they decide.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Valid<'a> {
    epoch: Natural<'a>,
    release: Vec<Natural<'a>>,
    pre: Pre<'a>,
    post: Option<Natural<'a>>,
    dev: Dev<'a>,
    local: Option<Vec<Local<'a>>>,
}

/// `1.0.dev1` comes before `1.0a1`, and a version without a pre-release after all of them.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Pre<'a> {
    OnlyDev,
    Alpha(Natural<'a>),
    Beta(Natural<'a>),
    Candidate(Natural<'a>),
    Final,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Dev<'a> {
    Before(Natural<'a>),
    Final,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Local<'a> {
    Text(&'a str),
    Number(Natural<'a>),
}

impl<'a> Key<'a> {
    /// Reads trimmed, lower-case text.
    fn parse(text: &'a str) -> Self {
        Valid::parse(text).map_or_else(|| Self::Legacy(chunks(text.as_bytes())), Self::Valid)
    }
}

fn chunks(mut rest: &[u8]) -> Vec<Chunk<'_>> {
    let mut chunks = Vec::new();
    while !rest.is_empty() {
        let (text, numbers) = split_text(rest);
        let (digits, tail) = split_digits(numbers);
        if !text.is_empty() {
            chunks.push(Chunk::Text(text));
        }
        if !digits.is_empty() {
            chunks.push(Chunk::Number(Natural::new(digits)));
        }
        rest = tail;
    }
    chunks
}

impl<'a> Valid<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let mut scanner = Scanner { rest: text };
        scanner.eat("v");
        let mut first = scanner.number()?;
        let mut epoch = Natural::ZERO;
        if scanner.eat("!") {
            epoch = first;
            first = scanner.number()?;
        }
        let release = scanner.release(first);
        let pre = scanner.pre();
        let post = scanner.post();
        let dev = scanner.suffix(&["dev"]).map(|(_, number)| number);
        let local = scanner.local()?;
        if !scanner.rest.is_empty() {
            return None;
        }
        let pre = match (pre, post, dev) {
            (Some(pre), ..) => pre,
            (None, None, Some(_)) => Pre::OnlyDev,
            (None, ..) => Pre::Final,
        };
        let dev = dev.map_or(Dev::Final, Dev::Before);
        Some(Self {
            epoch,
            release,
            pre,
            post,
            dev,
            local,
        })
    }
}

/// Reads the grammar of appendix B from the left; every separator in it is optional.
struct Scanner<'a> {
    rest: &'a str,
}

impl<'a> Scanner<'a> {
    fn eat(&mut self, word: &str) -> bool {
        let tail = self.rest.strip_prefix(word);
        self.rest = tail.unwrap_or(self.rest);
        tail.is_some()
    }

    fn eat_separator(&mut self) {
        self.rest = self.rest.strip_prefix(['-', '_', '.']).unwrap_or(self.rest);
    }

    fn number(&mut self) -> Option<Natural<'a>> {
        let (digits, _) = split_digits(self.rest.as_bytes());
        if digits.is_empty() {
            return None;
        }
        self.rest = self.rest.get(digits.len()..)?;
        Some(Natural::new(digits))
    }

    /// The release segment after its first number; `1.0` and `1` are the same release.
    fn release(&mut self, first: Natural<'a>) -> Vec<Natural<'a>> {
        let mut release = vec![first];
        while let Some(tail) = self.rest.strip_prefix('.') {
            let mut ahead = Scanner { rest: tail };
            let Some(number) = ahead.number() else { break };
            release.push(number);
            self.rest = ahead.rest;
        }
        while release.last().is_some_and(|number| number.is_zero()) {
            release.pop();
        }
        release
    }

    /// A word of `words` with its number (zero if absent), or nothing consumed.
    fn suffix<'w>(&mut self, words: &[&'w str]) -> Option<(&'w str, Natural<'a>)> {
        let mut ahead = Scanner { rest: self.rest };
        ahead.eat_separator();
        let word = words.iter().find(|word| ahead.eat(word))?;
        ahead.eat_separator();
        let number = ahead.number().unwrap_or(Natural::ZERO);
        self.rest = ahead.rest;
        Some((word, number))
    }

    fn pre(&mut self) -> Option<Pre<'a>> {
        let words = ["alpha", "a", "beta", "b", "preview", "pre", "rc", "c"];
        let (word, number) = self.suffix(&words)?;
        Some(match word {
            "alpha" | "a" => Pre::Alpha(number),
            "beta" | "b" => Pre::Beta(number),
            _ => Pre::Candidate(number),
        })
    }

    /// `.post1`, or the implicit form `-1`.
    fn post(&mut self) -> Option<Natural<'a>> {
        let mut ahead = Scanner { rest: self.rest };
        if ahead.eat("-")
            && let Some(number) = ahead.number()
        {
            self.rest = ahead.rest;
            return Some(number);
        }
        self.suffix(&["post", "rev", "r"]).map(|(_, number)| number)
    }

    /// The local version: `Some(None)` when there is none, `None` when it is malformed.
    fn local(&mut self) -> Option<Option<Vec<Local<'a>>>> {
        if !self.eat("+") {
            return Some(None);
        }
        let text = std::mem::take(&mut self.rest);
        let segments: Option<Vec<_>> = text.split(['-', '_', '.']).map(Local::parse).collect();
        segments.map(Some)
    }
}

impl<'a> Local<'a> {
    fn parse(segment: &'a str) -> Option<Self> {
        if segment.is_empty() || !segment.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            None
        } else if segment.bytes().all(|byte| byte.is_ascii_digit()) {
            Some(Self::Number(Natural::new(segment.as_bytes())))
        } else {
            Some(Self::Text(segment))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::version::testing::check_ascending;

    #[test]
    fn orders_every_part() {
        let ascending = [
            "",
            "-class.-jw.util",
            "dev",
            "0.1-bulbasaur",
            "0.1-charmander",
            "1.0.0.linux-x86",
            "0.dev1",
            "0",
            "1.0.dev456",
            "1.0a1.dev2",
            "1.0a1",
            "1.0a2.dev456",
            "1.0a12.dev456",
            "1.0a12",
            "1.0b1.dev456",
            "1.0b2",
            "1.0b2.post345.dev456",
            "1.0b2.post345",
            "1.0rc1.dev456",
            "1.0rc1",
            "1.0",
            "1.0+abc.5",
            "1.0+abc.7",
            "1.0+5",
            "1.0.post456.dev34",
            "1.0.post456",
            "1.0.15",
            "1.1.dev1",
            "1.10",
            "20240101000000000000000000001",
            "1!0.1",
            "2!0",
        ];
        check_ascending(compare, &ascending);
    }

    #[test]
    fn knows_the_spellings() {
        for (left, right) in [
            ("1", "1.0.0"),
            ("v1.0", "1.0"),
            (" 1.0\n", "1.0"),
            ("1.0ALPHA1", "1.0a1"),
            ("1.0-a.1", "1.0a1"),
            ("1.0a", "1.0a0"),
            ("1.0beta", "1.0b0"),
            ("1.0.c1", "1.0rc1"),
            ("1.0_pre1", "1.0rc1"),
            ("1.0preview-1", "1.0rc1"),
            ("1.0-1", "1.0.post1"),
            ("1.0-r1", "1.0.post1"),
            ("1.0rev", "1.0.post0"),
            ("1.0dev", "1.0.dev0"),
            ("1.0a.post1", "1.0a0.post1"),
            ("1.0a--1", "1.0a0.post1"),
            ("01.010", "1.10"),
            ("0!1.0", "1.0"),
            ("1.0+Ubuntu-1", "1.0+ubuntu.1"),
            ("1.0+01", "1.0+1"),
        ] {
            assert_eq!(
                compare(left, right),
                Ordering::Equal,
                "{left} against {right}"
            );
            assert!(is_valid(left), "{left}");
        }
    }

    #[test]
    fn refuses_what_the_grammar_refuses() {
        for text in [
            "", "1.", "1..0", "1.0+", "1.0+a..b", "1.0+ü", "1.0x", "a1", "1.0a1b1", "!1",
        ] {
            assert!(!is_valid(text), "{text}");
            assert_eq!(compare(text, "0.dev0"), Ordering::Less, "{text}");
        }
    }
}
