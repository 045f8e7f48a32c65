//! Repository names and tags, with the grammar and limits of distribution-spec "Pulling manifests". It deliberately
//! applies no docker habits such as a `library/` prefix or a default tag.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::excerpt::excerpt;

/// The longest repository name, in bytes.
pub const REPOSITORY_NAME_BYTES_MAX: usize = 255;
/// The longest tag, in bytes.
pub const TAG_BYTES_MAX: usize = 128;

/// The name of a repository without its host, such as `shop/web`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RepositoryName(Box<str>);

impl RepositoryName {
    /// Reads a name: lower-case components with single separators inside, joined by `/`, at most 255 bytes.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        if text.len() > REPOSITORY_NAME_BYTES_MAX {
            return Err(NameError::TooLong {
                bytes: text.len(),
                value: excerpt(text),
            });
        }
        if !text.split('/').all(is_component) {
            return Err(NameError::Grammar(excerpt(text)));
        }
        Ok(Self(text.into()))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

// distribution-spec "Pulling manifests": `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`
fn is_component(text: &str) -> bool {
    let is_word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let mut rest = text;
    loop {
        let after_word = rest.trim_start_matches(is_word);
        if after_word.len() == rest.len() {
            return false;
        }
        if after_word.is_empty() {
            return true;
        }
        let after_separator = after_word
            .strip_prefix('.')
            .or_else(|| after_word.strip_prefix("__"))
            .or_else(|| after_word.strip_prefix('_'))
            .unwrap_or_else(|| after_word.trim_start_matches('-'));
        if after_separator.len() == after_word.len() {
            return false;
        }
        rest = after_separator;
    }
}

/// A tag, such as `1.4` or `latest`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tag(Box<str>);

impl Tag {
    /// Reads a tag: a letter, digit or `_`, then up to 127 of these, `.` or `-`.
    pub fn parse(text: &str) -> Result<Self, TagError> {
        // distribution-spec "Pulling manifests": `[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}`
        let is_word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
        let first = text.bytes().next().is_some_and(is_word);
        if !first || !text.bytes().all(|b| is_word(b) || matches!(b, b'.' | b'-')) {
            return Err(TagError::Grammar(excerpt(text)));
        }
        if text.len() > TAG_BYTES_MAX {
            return Err(TagError::TooLong {
                bytes: text.len(),
                value: excerpt(text),
            });
        }
        Ok(Self(text.into()))
    }

    /// The tag as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Why a text is not a repository name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// More than 255 bytes.
    #[error("repository name `{value}` has {bytes} bytes: use at most {max}", max = REPOSITORY_NAME_BYTES_MAX)]
    TooLong {
        /// Its length in bytes.
        bytes: usize,
        /// The name, shortened.
        value: String,
    },
    /// Outside the grammar.
    #[error(
        "`{0}` is not a repository name: use lower-case letters and digits, with `.`, `_`, `__` or `-` between them and `/` between parts"
    )]
    Grammar(String),
}

/// Why a text is not a tag.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TagError {
    /// More than 128 bytes.
    #[error("tag `{value}` has {bytes} bytes: use at most {max}", max = TAG_BYTES_MAX)]
    TooLong {
        /// Its length in bytes.
        bytes: usize,
        /// The tag, shortened.
        value: String,
    },
    /// Outside the grammar.
    #[error(
        "`{0}` is not a tag: use letters, digits and `_`, and after the first character also `.` and `-`"
    )]
    Grammar(String),
}

/// Text-like traits for a checked string: both types read, print and travel as their text.
macro_rules! checked_text {
    ($type:ident, $error:ident) => {
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($type), "({})"), self.0)
            }
        }

        impl FromStr for $type {
            type Err = $error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::parse(text)
            }
        }

        impl AsRef<str> for $type {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                Self::parse(&text).map_err(de::Error::custom)
            }
        }
    };
}

checked_text!(RepositoryName, NameError);
checked_text!(Tag, TagError);

#[cfg(test)]
mod tests;
