//! The name of a trust repository as clients send it: host, port and path in one text, `shop.example:5000/team/web`.
//! Deliberately not a `oci::Repository`: docker signs certificates and asks for tokens with the whole name, and `docker.io/library/alpine`
//! is one too.

use std::fmt;
use std::str::FromStr;

use crate::excerpt::excerpt;

/// The longest name of a trust repository, in bytes.
pub const GUN_BYTES_MAX: usize = 255;

/// The globally unique name of a trust repository.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Gun(Box<str>);

impl Gun {
    /// Reads a name of 1 to 255 bytes without `*`, white space, control characters, empty parts, `.` and `..`.
    pub fn parse(text: &str) -> Result<Self, GunError> {
        if text.len() > GUN_BYTES_MAX {
            return Err(GunError::TooLong { bytes: text.len() });
        }
        let plain = |c: char| c != '*' && !c.is_control() && !c.is_whitespace();
        let whole = |part: &str| !matches!(part, "" | "." | "..");
        if text.chars().all(plain) && text.split('/').all(whole) {
            Ok(Self(text.into()))
        } else {
            Err(GunError::Form(excerpt(text)))
        }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Gun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for Gun {
    type Err = GunError;

    fn from_str(text: &str) -> Result<Self, GunError> {
        Self::parse(text)
    }
}

/// Why a text does not name a trust repository.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GunError {
    /// Longer than [`GUN_BYTES_MAX`].
    #[error("limit exceeded: the name of a trust repository has {bytes} bytes, at most {max} are read", max = GUN_BYTES_MAX)]
    TooLong {
        /// Its length in bytes.
        bytes: usize,
    },
    /// Empty, or with a character or part that no such name has.
    #[error(
        "`{0}` does not name a trust repository: use the image's name with its registry and without tag, as \
         `registry.example:5000/shop/web`"
    )]
    Form(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_whole_image_names() {
        for text in ["127.0.0.1:5500/x", "docker.io/library/alpine", "a"] {
            assert_eq!(Gun::parse(text).unwrap().as_str(), text);
        }
        assert!(Gun::parse(&"a".repeat(GUN_BYTES_MAX)).is_ok());
    }

    #[test]
    fn refuses_what_could_be_another_path() {
        for text in [
            "", "/", "/a", "a/", "a//b", "a/../b", ".", "a/.", "a*", "a b", "a\nb", "a\u{85}b",
        ] {
            assert!(
                matches!(Gun::parse(text), Err(GunError::Form(_))),
                "{text:?}"
            );
        }
        assert_eq!(
            Gun::parse(&"a".repeat(256)),
            Err(GunError::TooLong { bytes: 256 })
        );
    }
}
