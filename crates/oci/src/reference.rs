//! What a user or a request points at: a tag or a digest in a repository, and the whole `host/name:tag@digest`.
//! It deliberately fills in no defaults (no docker.io, no `latest`): what was not written stays `None`.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::excerpt::excerpt;
use crate::{Digest, DigestError, NameError, RepositoryName, Tag, TagError};

const HOST_BYTES_MAX: usize = 255;

/// The last part of a manifest's URL: a tag, or a digest. Anything with a `:` is read as a digest.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reference {
    /// By tag.
    Tag(Tag),
    /// By digest.
    Digest(Digest),
}

impl Reference {
    /// The tag, if it is one.
    #[must_use]
    pub fn tag(&self) -> Option<&Tag> {
        match self {
            Self::Tag(tag) => Some(tag),
            Self::Digest(_) => None,
        }
    }

    /// The digest, if it is one.
    #[must_use]
    pub fn digest(&self) -> Option<&Digest> {
        match self {
            Self::Tag(_) => None,
            Self::Digest(digest) => Some(digest),
        }
    }

    /// The text of the tag or digest.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Tag(tag) => tag.as_str(),
            Self::Digest(digest) => digest.as_str(),
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.contains(':') {
            Ok(Self::Digest(Digest::parse(text)?))
        } else {
            Ok(Self::Tag(Tag::parse(text)?))
        }
    }
}

/// An image as a user writes it: `host/repository:tag@digest`, all but the repository optional. What was parsed prints
/// as it was; a hand-made value without a host, whose repository begins like one (`a.b/c`), does not read back.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ImageReference {
    /// Host and port of the registry, when written: the first component, if it has a `.` or `:` or is `localhost`.
    pub host: Option<String>,
    /// The repository within it.
    pub repository: RepositoryName,
    /// The tag, when written.
    pub tag: Option<Tag>,
    /// The digest, when written; with both, the digest decides.
    pub digest: Option<Digest>,
}

impl ImageReference {
    /// Reads `[host/]repository[:tag][@digest]`.
    pub fn parse(text: &str) -> Result<Self, ReferenceError> {
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(Digest::parse(digest)?)),
            None => (text, None),
        };
        let (host, rest) = split_host(rest)?;
        let (name, tag) = match rest.split_once(':') {
            Some((name, tag)) => (name, Some(Tag::parse(tag)?)),
            None => (rest, None),
        };
        if name.is_empty() {
            return Err(ReferenceError::NoRepository(excerpt(text)));
        }
        let repository = RepositoryName::parse(name)?;
        Ok(Self {
            host,
            repository,
            tag,
            digest,
        })
    }

    /// What to ask the registry for: the digest if there is one, else the tag, else nothing was said.
    #[must_use]
    pub fn reference(&self) -> Option<Reference> {
        let digest = self.digest.clone().map(Reference::Digest);
        digest.or_else(|| self.tag.clone().map(Reference::Tag))
    }
}

fn split_host(text: &str) -> Result<(Option<String>, &str), ReferenceError> {
    let Some((first, rest)) = text.split_once('/') else {
        return Ok((None, text));
    };
    if !first.contains(['.', ':']) && first != "localhost" {
        return Ok((None, text));
    }
    if !is_host(first) {
        return Err(ReferenceError::Host(excerpt(first)));
    }
    Ok((Some(first.to_owned()), rest))
}

/// A domain name, an IPv4 address or a bracketed IPv6 address, with an optional port.
fn is_host(text: &str) -> bool {
    if text.len() > HOST_BYTES_MAX {
        return false;
    }
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (text, None),
    };
    port.is_none_or(is_port) && (is_bracketed_address(host) || host.split('.').all(is_label))
}

fn is_port(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit()) && text.parse::<u16>().is_ok_and(|port| port > 0)
}

fn is_bracketed_address(text: &str) -> bool {
    let inner = text.strip_prefix('[').and_then(|t| t.strip_suffix(']'));
    inner.is_some_and(|address| address.parse::<Ipv6Addr>().is_ok())
}

fn is_label(text: &str) -> bool {
    let is_word = |b: u8| b.is_ascii_alphanumeric();
    text.bytes().next().is_some_and(is_word)
        && text.bytes().last().is_some_and(is_word)
        && text.bytes().all(|b| is_word(b) || b == b'-')
}

impl fmt::Display for ImageReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(host) = &self.host {
            write!(f, "{host}/")?;
        }
        write!(f, "{}", self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

impl FromStr for ImageReference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl Serialize for ImageReference {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ImageReference {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(de::Error::custom)
    }
}

impl Serialize for Reference {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Reference {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

/// Why a text is not a reference; says which part is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    /// The host is neither a name nor an address, or its port is not a number from 1 to 65535.
    #[error("`{0}` is not a registry host: write it as `registry.example:5000`")]
    Host(String),
    /// Nothing stands where the repository should.
    #[error("`{0}` names no repository: write it as `host/repository:tag`")]
    NoRepository(String),
    /// The repository is wrong.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The tag is wrong.
    #[error(transparent)]
    Tag(#[from] TagError),
    /// The digest is wrong.
    #[error(transparent)]
    Digest(#[from] DigestError),
}

#[cfg(test)]
mod tests;
