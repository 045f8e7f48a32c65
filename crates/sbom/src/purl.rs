//! Package URLs: one text that names a package the same way for every tool. Parsing accepts what the specification
//! accepts and gives the canonical form; printing a value of known good parts reads back as the same value.
//! package-url specification, "How to parse" and "How to build"; deliberately no rules of types that are not listed in
//! `purl/rules.rs`.

mod rules;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::PackageKind;

/// The longest purl that is read, in bytes.
pub const PURL_BYTES_MAX: usize = 8 * 1024;

/// Everything but letters, digits and `.-_~:` is percent-encoded.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'.')
    .remove(b'-')
    .remove(b'_')
    .remove(b'~')
    .remove(b':');

/// A package URL. Made by [`Purl::parse`] and [`Purl::build`] in canonical form; orders by its parts.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Purl {
    /// The type: `deb`, `pypi`, `npm`, …
    pub kind: String,
    /// A prefix of the name: distribution, scope, owner.
    pub namespace: Option<String>,
    /// The name of the package.
    pub name: String,
    /// The version.
    pub version: Option<String>,
    /// Further data, by key.
    pub qualifiers: BTreeMap<String, String>,
    /// A path inside the package.
    pub subpath: Option<String>,
}

impl Purl {
    /// Reads a purl of at most 8 KiB and brings it into canonical form.
    pub fn parse(text: &str) -> Result<Self, PurlError> {
        if text.len() > PURL_BYTES_MAX {
            return Err(PurlError::TooLong { bytes: text.len() });
        }
        Self::parse_any_length(text)
    }

    fn parse_any_length(text: &str) -> Result<Self, PurlError> {
        let (rest, subpath) = match text.rsplit_once('#') {
            Some((rest, subpath)) => (rest, Some(parse_path(subpath)?)),
            None => (text, None),
        };
        let (rest, qualifiers) = match rest.rsplit_once('?') {
            Some((rest, qualifiers)) => (rest, parse_qualifiers(qualifiers)?),
            None => (rest, BTreeMap::new()),
        };
        let (scheme, rest) = rest.split_once(':').ok_or(PurlError::Scheme)?;
        if !scheme.eq_ignore_ascii_case("pkg") {
            return Err(PurlError::Scheme);
        }
        let (kind, rest) = rest
            .trim_matches('/')
            .split_once('/')
            .ok_or(PurlError::NoName)?;
        let (path, version) = split_version(rest);
        let (namespace, name) = match path.trim_matches('/').rsplit_once('/') {
            Some((namespace, name)) => (Some(parse_path(namespace)?), name),
            None => (None, path.trim_matches('/')),
        };
        Self {
            kind: kind.to_owned(),
            namespace,
            name: decode(name)?,
            version: version.map(decode).transpose()?,
            qualifiers,
            subpath,
        }
        .build()
    }

    /// Brings hand-made parts into canonical form, or says what is wrong with them.
    pub fn build(mut self) -> Result<Self, PurlError> {
        self.kind.make_ascii_lowercase();
        if !is_kind(&self.kind) {
            return Err(PurlError::Kind(self.kind.escape_debug().to_string()));
        }
        self.namespace = self
            .namespace
            .map(|text| clean_path(&text, |_| true))
            .filter(|text| !text.is_empty());
        self.subpath = self
            .subpath
            .map(|text| clean_path(&text, |segment| segment != "." && segment != ".."))
            .filter(|text| !text.is_empty());
        self.version = self.version.filter(|text| !text.is_empty());
        self.qualifiers = build_qualifiers(self.qualifiers)?;
        rules::apply(&mut self)?;
        if self.name.is_empty() {
            return Err(PurlError::NoName);
        }
        Ok(self)
    }

    /// A purl of a package's own data, in canonical form whatever the data; a missing name becomes `unknown`.
    pub(crate) fn of(
        kind: PackageKind,
        namespace: Option<&str>,
        name: &str,
        version: &str,
    ) -> Self {
        let mut purl = Self {
            kind: kind.as_str().to_owned(),
            namespace: namespace
                .map(|text| clean_path(text, |_| true))
                .filter(|text| !text.is_empty()),
            name: if name.is_empty() {
                "unknown".to_owned()
            } else {
                name.to_owned()
            },
            version: Some(version.to_owned()).filter(|text| !text.is_empty()),
            qualifiers: BTreeMap::new(),
            subpath: None,
        };
        rules::normalise(&mut purl);
        purl
    }
}

/// The version is what follows the last `@`, unless that `@` begins a segment of the path: npm scopes are often written
/// without encoding (`pkg:npm/@babel/core`).
fn split_version(rest: &str) -> (&str, Option<&str>) {
    match rest.rsplit_once('@') {
        Some((path, tail)) if (path.is_empty() || path.ends_with('/')) && tail.contains('/') => {
            (rest, None)
        }
        Some((path, version)) => (path, Some(version)),
        None => (rest, None),
    }
}

fn parse_path(text: &str) -> Result<String, PurlError> {
    let mut segments = Vec::new();
    for segment in text.split('/').filter(|segment| !segment.is_empty()) {
        let segment = decode(segment)?;
        if segment.contains('/') {
            return Err(PurlError::EncodedSlash);
        }
        segments.push(segment);
    }
    Ok(segments.join("/"))
}

fn parse_qualifiers(text: &str) -> Result<BTreeMap<String, String>, PurlError> {
    let mut qualifiers = BTreeMap::new();
    for pair in text.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair
            .split_once('=')
            .ok_or_else(|| PurlError::Qualifier(pair.to_owned()))?;
        if qualifiers.insert(key.to_owned(), decode(value)?).is_some() {
            return Err(PurlError::QualifierTwice(key.to_owned()));
        }
    }
    Ok(qualifiers)
}

fn build_qualifiers(
    given: BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>, PurlError> {
    let mut qualifiers = BTreeMap::new();
    for (mut key, value) in given {
        key.make_ascii_lowercase();
        if !is_qualifier_key(&key) {
            return Err(PurlError::Qualifier(key.escape_debug().to_string()));
        }
        if value.is_empty() {
            continue;
        }
        if qualifiers.insert(key.clone(), value).is_some() {
            return Err(PurlError::QualifierTwice(key));
        }
    }
    Ok(qualifiers)
}

fn clean_path(text: &str, keep: fn(&str) -> bool) -> String {
    text.split('/')
        .filter(|segment| !segment.is_empty() && keep(segment))
        .collect::<Vec<_>>()
        .join("/")
}

fn is_kind(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase())
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'-'))
}

fn is_qualifier_key(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.bytes().all(|b| {
            b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'_')
        })
}

fn decode(text: &str) -> Result<String, PurlError> {
    let decoded = percent_decode_str(text)
        .decode_utf8()
        .map_err(|_| PurlError::Encoding)?;
    Ok(decoded.into_owned())
}

impl fmt::Display for Purl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pkg:{}", self.kind)?;
        for segment in self
            .namespace
            .iter()
            .flat_map(|namespace| namespace.split('/'))
        {
            write!(f, "/{}", utf8_percent_encode(segment, ENCODED))?;
        }
        write!(f, "/{}", utf8_percent_encode(&self.name, ENCODED))?;
        if let Some(version) = &self.version {
            write!(f, "@{}", utf8_percent_encode(version, ENCODED))?;
        }
        for (index, (key, value)) in self.qualifiers.iter().enumerate() {
            let mark = if index == 0 { '?' } else { '&' };
            write!(f, "{mark}{key}={}", utf8_percent_encode(value, ENCODED))?;
        }
        for (index, segment) in self
            .subpath
            .iter()
            .flat_map(|subpath| subpath.split('/'))
            .enumerate()
        {
            let mark = if index == 0 { '#' } else { '/' };
            write!(f, "{mark}{}", utf8_percent_encode(segment, ENCODED))?;
        }
        Ok(())
    }
}

impl FromStr for Purl {
    type Err = PurlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl Serialize for Purl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Inventories are read back with whatever names their packages have: the document is what has a limit.
impl<'de> Deserialize<'de> for Purl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse_any_length(&text).map_err(de::Error::custom)
    }
}

/// Why a text is not a purl.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PurlError {
    /// Limit exceeded: more than 8 KiB.
    #[error("the purl has {bytes} bytes: the limit is {max}", max = PURL_BYTES_MAX)]
    TooLong {
        /// Its length in bytes.
        bytes: usize,
    },
    /// It does not begin with `pkg:`.
    #[error("a purl begins with `pkg:`, as in `pkg:pypi/django@3.2`")]
    Scheme,
    /// The type has other characters than letters, digits, `.` and `-`, or does not begin with a letter.
    #[error("`{0}` is not a purl type: it begins with a letter, then letters, digits, `.` and `-`")]
    Kind(String),
    /// There is no type or no name.
    #[error("a purl needs a type and a name, as in `pkg:pypi/django@3.2`")]
    NoName,
    /// A segment of the namespace or subpath holds an encoded slash.
    #[error("a segment of a purl's namespace or subpath must not contain `%2F`")]
    EncodedSlash,
    /// The type does not allow or requires a part.
    #[error("a purl of type `{kind}` {rule}")]
    Rule {
        /// The type.
        kind: String,
        /// What the type asks for.
        rule: &'static str,
    },
    /// Not `key=value`, or a key outside the grammar.
    #[error("`{0}` is not a purl qualifier: write it as `key=value`")]
    Qualifier(String),
    /// A key that occurs twice.
    #[error("the purl qualifier `{0}` occurs twice")]
    QualifierTwice(String),
    /// Percent-encoded bytes that are not UTF-8.
    #[error("the purl's percent-encoding does not give UTF-8 text")]
    Encoding,
}

#[cfg(test)]
mod tests;
