//! Feed formats, bytes in and advisories out.
//!
//! Feeds are dirty: a field that is missing, null or unknown is tolerated, one that contradicts the
//! format fails its record and no other. Nothing here opens a file or an archive; see `import`.

mod debian;
mod kev;
mod osv;

use std::collections::BTreeMap;

use serde_json::value::RawValue;

pub use debian::{Tracker, debian_tracker};
pub use kev::{KnownExploited, kev};
pub(crate) use osv::OSV;
pub use osv::{osv_json, osv_yaml};

use crate::Advisory;

/// Why bytes are not a record or feed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The bytes are not JSON or YAML of the expected shape.
    #[error("not a valid {format} document: {detail}")]
    Syntax {
        /// `OSV`, `Debian security tracker` or `known exploited vulnerabilities`.
        format: &'static str,
        /// Where and why.
        detail: String,
    },
    /// A field holds what it must not.
    #[error("field `{field}` of `{id}` is not usable: `{value}`")]
    Field {
        /// The record.
        id: String,
        /// The field's path.
        field: &'static str,
        /// Its value, shortened.
        value: String,
    },
    /// More than a record may hold.
    #[error("limit exceeded: `{id}` has more than {max} {what}")]
    LimitExceeded {
        /// The record.
        id: String,
        /// What there is too much of.
        what: &'static str,
        /// The limit.
        max: usize,
    },
    /// Neither an advisory nor a list of them.
    #[error("no known advisory format; OSV, Debian security tracker or CISA KEV are read")]
    UnknownFormat,
}

impl DecodeError {
    pub(crate) fn syntax(format: &'static str, error: &dyn std::fmt::Display) -> Self {
        // Parsers quote their input; one line is enough to find the place.
        let text = error.to_string();
        let line = text.lines().next().unwrap_or_default();
        Self::Syntax {
            format,
            detail: shorten(line, 200),
        }
    }
}

/// A JSON document, by what it turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Document {
    /// One OSV record.
    Osv(Box<Advisory>),
    /// Debian's security tracker.
    Tracker(Tracker),
    /// Ids of weaknesses that are known to be exploited.
    KnownExploited(KnownExploited),
}

/// Reads a JSON document of any known format, recognised by its keys.
pub fn json(bytes: &[u8]) -> Result<Document, DecodeError> {
    let members: BTreeMap<String, &RawValue> =
        serde_json::from_slice(bytes).map_err(|error| DecodeError::syntax("JSON", &error))?;
    let is = |name: &str, opening: char| {
        members
            .get(name)
            .is_some_and(|value| value.get().starts_with(opening))
    };
    if is("id", '"') && (is("modified", '"') || is("affected", '[')) {
        return osv_json(bytes).map(|advisory| Document::Osv(Box::new(advisory)));
    }
    if is("vulnerabilities", '[') {
        return kev(bytes).map(Document::KnownExploited);
    }
    if debian::looks_like_tracker(&members) {
        return Ok(Document::Tracker(debian::decode(&members)));
    }
    Err(DecodeError::UnknownFormat)
}

/// The first `characters_max` characters of `text`, with an ellipsis where something was cut off.
fn shorten(text: &str, characters_max: usize) -> String {
    match text.char_indices().nth(characters_max) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// A record's one line for people: its summary, or else the first line of its details.
fn summary_line(summary: &str, details: &str) -> String {
    let lines = summary.lines().chain(details.lines()).map(str::trim);
    shorten(
        lines
            .into_iter()
            .find(|line| !line.is_empty())
            .unwrap_or_default(),
        SUMMARY_MAX,
    )
}

/// Checks an id and spells CVE numbers as everyone does.
fn normalize_id(id: &str) -> Option<String> {
    let id = id.trim();
    let usable =
        !id.is_empty() && id.len() <= ID_BYTES_MAX && id.bytes().all(|b| b.is_ascii_graphic());
    let cve = id
        .get(..4)
        .is_some_and(|prefix| prefix.eq_ignore_ascii_case("CVE-"));
    usable.then(|| {
        if cve {
            id.to_ascii_uppercase()
        } else {
            id.to_owned()
        }
    })
}

const ID_BYTES_MAX: usize = 128;
const SUMMARY_MAX: usize = 240;

#[cfg(test)]
mod tests;
