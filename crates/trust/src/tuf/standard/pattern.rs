//! Patterns for the names of targets, as a shell has them (TUF 4.5): `*` for any characters, `?` for one, `[a-z]` for one of some, `[!a-z]`
//! for one of the others, and none of them for a `/`. Deliberately nothing more: no `**`, no braces, no escapes.

/// The longest pattern that is read, in bytes.
pub const PATTERN_BYTES_MAX: usize = 4096;

/// Which names match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    /// Between the `/`.
    parts: Vec<Vec<Token>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Any,
    One,
    Is(char),
    In {
        negated: bool,
        ranges: Vec<(char, char)>,
    },
}

impl Pattern {
    /// Reads a pattern. `None`: it is longer than [`PATTERN_BYTES_MAX`], or a `[` is not closed.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > PATTERN_BYTES_MAX {
            return None;
        }
        let parts: Option<Vec<Vec<Token>>> = text.split('/').map(tokens).collect();
        parts.map(|parts| Self { parts })
    }

    /// True if all of the name matches.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        let names: Vec<&str> = name.split('/').collect();
        names.len() == self.parts.len()
            && self
                .parts
                .iter()
                .zip(names)
                .all(|(part, name)| matches(part, name))
    }
}

fn tokens(part: &str) -> Option<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut rest = part.chars();
    while let Some(c) = rest.next() {
        tokens.push(match c {
            '*' => Token::Any,
            '?' => Token::One,
            '[' => set(&mut rest)?,
            c => Token::Is(c),
        });
    }
    Some(tokens)
}

/// What stands after a `[`. A `]` at its beginning is one of the characters.
fn set(rest: &mut std::str::Chars<'_>) -> Option<Token> {
    let mut text = rest.as_str();
    let negated = text.starts_with('!');
    if negated {
        text = text.strip_prefix('!')?;
    }
    let first = text.chars().next()?;
    let (_, after) = text.split_at_checked(first.len_utf8())?;
    let (inner, after) = after.split_once(']')?;
    *rest = after.chars();
    let members: Vec<char> = std::iter::once(first).chain(inner.chars()).collect();
    let mut ranges = Vec::new();
    let mut left = members.as_slice();
    loop {
        left = match left {
            [from, '-', to, others @ ..] => {
                ranges.push((*from, *to));
                others
            }
            [one, others @ ..] => {
                ranges.push((*one, *one));
                others
            }
            [] => break,
        };
    }
    Some(Token::In { negated, ranges })
}

/// From left to right; where it goes wrong, the last `*` takes one character more. At most the product of both lengths in steps.
fn matches(tokens: &[Token], name: &str) -> bool {
    let name: Vec<char> = name.chars().collect();
    let (mut at, mut next) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while let Some(c) = name.get(at) {
        match tokens.get(next) {
            Some(Token::Any) => {
                star = Some((next, at));
                next += 1;
            }
            Some(token) if token.takes(*c) => {
                at += 1;
                next += 1;
            }
            _ => {
                let Some((token, from)) = star else {
                    return false;
                };
                star = Some((token, from + 1));
                (next, at) = (token + 1, from + 1);
            }
        }
    }
    tokens.iter().skip(next).all(|token| *token == Token::Any)
}

impl Token {
    fn takes(&self, c: char) -> bool {
        match self {
            Self::Any | Self::One => true,
            Self::Is(own) => *own == c,
            Self::In { negated, ranges } => {
                ranges.iter().any(|(from, to)| (*from..=*to).contains(&c)) != *negated
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &str, matching: &[&str], others: &[&str]) {
        let read = Pattern::parse(pattern).expect(pattern);
        for name in matching {
            assert!(read.matches(name), "{pattern} {name}");
        }
        for name in others {
            assert!(!read.matches(name), "{pattern} {name}");
        }
    }

    #[test]
    fn the_specifications_own_examples() {
        check(
            "targets/*.tgz",
            &["targets/foo.tgz", "targets/bar.tgz"],
            &["targets/foo.txt"],
        );
        check(
            "foo-version-?.tgz",
            &["foo-version-2.tgz", "foo-version-a.tgz"],
            &["foo-version-alpha.tgz"],
        );
        check("*.tgz", &["foo.tgz", "bar.tgz"], &["targets/foo.tgz"]);
        check(
            "foo.tgz",
            &["foo.tgz"],
            &["foo.tgz2", "afoo.tgz", "foo_tgz", ""],
        );
    }

    #[test]
    fn no_wildcard_takes_a_slash() {
        check("*", &["", "a", "é"], &["a/b", "/"]);
        check("**", &["", "a"], &["a/b"]);
        check("a?b", &["axb", "aéb"], &["a/b", "ab"]);
        check("a[!x]b", &["ayb"], &["a/b", "axb"]);
        check("*/*", &["a/b", "/"], &["a", "a/b/c"]);
        check("../*", &["../a"], &["a", "../../a"]);
    }

    #[test]
    fn stars_give_back_what_they_took() {
        check("*a*b", &["ab", "xxaab", "a-b-b", "aab"], &["ba", "abc", ""]);
        check("a*a", &["aa", "aba", "aaa"], &["a", "ab"]);
        let many = "*a".repeat(500);
        let long = "a".repeat(10_000);
        check(&many, &[&long], &["b", &format!("{long}b")]);
    }

    #[test]
    fn sets() {
        check("[0-9a]", &["5", "a"], &["b", "-", ""]);
        check("[]x]", &["]", "x"], &["[", ""]);
        check("[!]]", &["a"], &["]"]);
        check("[a-]", &["a", "-"], &["b"]);
        check("{a,b}", &["{a,b}"], &["a", "b"]);
        check("\\*", &["\\", "\\x"], &["*"]);
        for open in ["[", "a[b", "[!", "[]", "[a/b]"] {
            assert_eq!(Pattern::parse(open), None, "{open}");
        }
        assert!(Pattern::parse(&"a".repeat(PATTERN_BYTES_MAX)).is_some());
        assert!(Pattern::parse(&"a".repeat(PATTERN_BYTES_MAX + 1)).is_none());
    }
}
