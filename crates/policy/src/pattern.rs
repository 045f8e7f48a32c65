//! Patterns of repositories: `shop/web`, `shop/*`, `shop/**`, `**`.
//!
//! A segment between slashes may hold `*`, which stands for any run of characters, also none; a segment `**` stands for
//! any number of segments, but at the end for one at least, so `shop/**` does not match `shop`. Not regular
//! expressions, and no character classes. DESIGN §6 (`repositories`, `ungated`), §3 (scope of keys).

use std::fmt;

use oci::RepositoryName;
use serde::{Deserialize, Serialize};

/// The longest pattern in bytes: that of the longest repository name.
pub const PATTERN_BYTES_MAX: usize = 255;

/// A pattern of repositories.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Pattern {
    text: String,
    parts: Vec<Part>,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Part {
    /// `**`: any number of segments, none too.
    Deep,
    /// Exactly one segment, in which `*` stands for any run of characters.
    Segment(Vec<char>),
}

/// Why a text is not a pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// There is nothing.
    #[error("the pattern is empty; write `**` for all repositories")]
    Empty,
    /// It is longer than a repository name can be.
    #[error("limit exceeded: the pattern has {bytes} bytes, more than {PATTERN_BYTES_MAX}")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// There is nothing between two slashes.
    #[error("`{pattern}` has an empty part between slashes; remove the extra slash")]
    EmptySegment {
        /// The text.
        pattern: String,
    },
    /// `**` is only a part of a segment.
    #[error("`{pattern}` mixes `**` with other characters; put `**` alone between slashes")]
    MixedDeep {
        /// The text.
        pattern: String,
    },
    /// A character that no repository name has.
    #[error(
        "`{pattern}` has the character `{character}`; use lower-case letters, digits, `.`, `_`, `-`, `/` and `*`, without a host"
    )]
    Character {
        /// The text.
        pattern: String,
        /// The character.
        character: char,
    },
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// [`PatternError`] when it is empty, too long, or no repository name could match it.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        if text.is_empty() {
            return Err(PatternError::Empty);
        }
        if text.len() > PATTERN_BYTES_MAX {
            return Err(PatternError::TooLong { bytes: text.len() });
        }
        let parts = text.split('/').map(|segment| parse_part(text, segment));
        Ok(Pattern {
            parts: parts.collect::<Result<_, _>>()?,
            text: text.to_owned(),
        })
    }

    /// The pattern that matches this one repository.
    #[must_use]
    pub fn exact(name: &RepositoryName) -> Self {
        let text = name.as_str().to_owned();
        let parts = text
            .split('/')
            .map(|segment| Part::Segment(segment.chars().collect()));
        Pattern {
            parts: parts.collect(),
            text,
        }
    }

    /// The pattern `**`.
    #[must_use]
    pub fn everything() -> Self {
        Pattern {
            text: "**".to_owned(),
            parts: vec![Part::Deep],
        }
    }

    /// Whether it is `**`, which also stands for the server as a whole.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        self.parts.iter().all(|part| *part == Part::Deep)
    }

    /// Whether it matches the repository.
    #[must_use]
    pub fn matches(&self, name: &RepositoryName) -> bool {
        // The three forms that nearly all patterns have need no table.
        if self.is_everything() {
            return true;
        }
        if !self.text.contains('*') {
            return self.text == name.as_str();
        }
        match self
            .text
            .strip_suffix("/**")
            .filter(|folder| !folder.contains('*'))
        {
            Some(folder) => name
                .as_str()
                .strip_prefix(folder)
                .is_some_and(|rest| rest.starts_with('/')),
            None => overlap_parts(&self.parts, &Pattern::exact(name).parts),
        }
    }

    /// Whether some repository could match both.
    #[must_use]
    pub fn overlaps(&self, other: &Pattern) -> bool {
        overlap_parts(&self.parts, &other.parts)
    }

    /// The text as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

fn parse_part(pattern: &str, segment: &str) -> Result<Part, PatternError> {
    let pattern = || pattern.to_owned();
    if segment.is_empty() {
        return Err(PatternError::EmptySegment { pattern: pattern() });
    }
    if segment == "**" {
        return Ok(Part::Deep);
    }
    if segment.contains("**") {
        return Err(PatternError::MixedDeep { pattern: pattern() });
    }
    let is_accepted = |character: char| {
        character.is_ascii_lowercase() || character.is_ascii_digit() || "._-*".contains(character)
    };
    match segment.chars().find(|character| !is_accepted(*character)) {
        Some(character) => Err(PatternError::Character {
            pattern: pattern(),
            character,
        }),
        None => Ok(Part::Segment(segment.chars().collect())),
    }
}

/// Whether some list of segments matches both lists of parts. A name is a list of parts without wildcards, so this
/// is both `matches` and `overlaps`.
fn overlap_parts(left: &[Part], right: &[Part]) -> bool {
    let deep = |part: &Part| *part == Part::Deep;
    let last_is_deep = |parts: &[Part]| parts.last().is_some_and(deep) && parts.len() > 1;
    // At the end `**` stands for one segment at least: the same as `**/*` read with "none too".
    let spell_out = |parts: &[Part]| -> Vec<Part> {
        let mut spelled = parts.to_vec();
        if last_is_deep(parts) {
            spelled.push(Part::Segment(vec!['*']));
        }
        spelled
    };
    let meet = |left: &Part, right: &Part| match (left, right) {
        (Part::Segment(left), Part::Segment(right)) => wildcards_meet(
            left,
            right,
            |character| *character == '*',
            |left, right| left == right,
        ),
        _ => false,
    };
    wildcards_meet(&spell_out(left), &spell_out(right), deep, meet)
}

/// Whether two sequences with wildcards (any run, also an empty one) have an instance in common, by the table of
/// which pairs of prefixes do: time and space are the product of the lengths.
fn wildcards_meet<T>(
    left: &[T],
    right: &[T],
    is_wildcard: impl Fn(&T) -> bool,
    meet: impl Fn(&T, &T) -> bool,
) -> bool {
    // `row[j]`: whether the prefix of `left` read so far and the first j of `right` have an instance in common.
    let mut row = vec![true];
    for item in right {
        row.push(row.last() == Some(&true) && is_wildcard(item));
    }
    for item in left {
        let mut next: Vec<bool> = vec![row.first() == Some(&true) && is_wildcard(item)];
        for ((other, diagonal), above) in right.iter().zip(&row).zip(row.iter().skip(1)) {
            let beside = next.last() == Some(&true);
            next.push(if is_wildcard(item) || is_wildcard(other) {
                *above || beside
            } else {
                *diagonal && meet(item, other)
            });
        }
        row = next;
    }
    row.last() == Some(&true)
}

impl fmt::Display for Pattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Pattern({})", self.text)
    }
}

impl std::str::FromStr for Pattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Pattern::parse(text)
    }
}

impl TryFrom<String> for Pattern {
    type Error = PatternError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Pattern::parse(&text)
    }
}

impl From<Pattern> for String {
    fn from(pattern: Pattern) -> Self {
        pattern.text
    }
}

#[cfg(test)]
mod tests;
