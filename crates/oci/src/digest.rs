//! Content digests: `sha256:…` and `sha512:…`, made only by parsing or by hashing. Other algorithms of the grammar are
//! refused, not carried unchecked. image-spec `descriptor.md`, "Digests".

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest::{Context, SHA256, SHA512};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::excerpt::excerpt;

/// The name of some bytes: algorithm and lower-case hexadecimal hash. Orders by its text.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest {
    text: Box<str>,
    algorithm: Algorithm,
}

impl Digest {
    /// Reads `sha256:<64 hex>` or `sha512:<128 hex>`; hexadecimal digits are lower-case only.
    pub fn parse(text: &str) -> Result<Self, DigestError> {
        let (prefix, hex) = text
            .split_once(':')
            .ok_or_else(|| DigestError::Form(excerpt(text)))?;
        let algorithm =
            Algorithm::from_prefix(prefix).ok_or_else(|| DigestError::Algorithm(excerpt(text)))?;
        let lower_hex = hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if !lower_hex || hex.len() != algorithm.hex_len() {
            return Err(DigestError::Hash {
                algorithm,
                value: excerpt(text),
            });
        }
        Ok(Self {
            text: text.into(),
            algorithm,
        })
    }

    /// The SHA-256 digest of some bytes.
    #[must_use]
    pub fn sha256(bytes: &[u8]) -> Self {
        let mut hasher = Hasher::new(Algorithm::Sha256);
        hasher.update(bytes);
        hasher.finish()
    }

    /// The algorithm that made it.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The hexadecimal hash without the algorithm.
    #[must_use]
    pub fn hex(&self) -> &str {
        self.text
            .get(self.algorithm.as_str().len() + 1..)
            .unwrap_or_default()
    }

    /// The whole text, `sha256:…`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The first 12 hexadecimal digits, for people to read.
    #[must_use]
    pub fn short(&self) -> &str {
        self.hex().get(..12).unwrap_or_default()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({})", self.text)
    }
}

impl FromStr for Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(de::Error::custom)
    }
}

/// The hash functions in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Algorithm {
    /// SHA-256, what nearly everything uses.
    Sha256,
    /// SHA-512.
    Sha512,
}

impl Algorithm {
    /// The prefix of a digest: `sha256` or `sha512`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        }
    }

    fn hex_len(self) -> usize {
        match self {
            Self::Sha256 => 64,
            Self::Sha512 => 128,
        }
    }

    fn from_prefix(prefix: &str) -> Option<Self> {
        [Self::Sha256, Self::Sha512]
            .into_iter()
            .find(|a| a.as_str() == prefix)
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Algorithm {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::from_prefix(text).ok_or_else(|| DigestError::Algorithm(excerpt(text)))
    }
}

/// Makes a digest of bytes that arrive in pieces.
#[derive(Clone)]
pub struct Hasher {
    algorithm: Algorithm,
    state: Context,
}

impl Hasher {
    /// A hasher that has seen no bytes.
    #[must_use]
    pub fn new(algorithm: Algorithm) -> Self {
        let function = match algorithm {
            Algorithm::Sha256 => &SHA256,
            Algorithm::Sha512 => &SHA512,
        };
        Self {
            algorithm,
            state: Context::new(function),
        }
    }

    /// Adds the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.state.update(bytes);
    }

    /// The digest of all bytes added.
    #[must_use]
    pub fn finish(self) -> Digest {
        let (algorithm, hex) = (self.algorithm, hex::encode(self.state.finish()));
        Digest {
            text: format!("{algorithm}:{hex}").into(),
            algorithm,
        }
    }
}

impl fmt::Debug for Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hasher({})", self.algorithm)
    }
}

/// Why a text is not a digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DigestError {
    /// No `algorithm:hex` form.
    #[error("`{0}` is not a digest: write it as `sha256:<64 hexadecimal digits>`")]
    Form(String),
    /// An algorithm that is not supported.
    #[error("`{0}` names an unsupported hash algorithm: use sha256 or sha512")]
    Algorithm(String),
    /// Wrong number of digits, or something else than lower-case hexadecimal digits.
    #[error("`{value}` is not a {algorithm} digest: it needs {} lower-case hexadecimal digits", algorithm.hex_len())]
    Hash {
        /// The algorithm it names.
        algorithm: Algorithm,
        /// The text, shortened.
        value: String,
    },
}

#[cfg(test)]
mod tests;
