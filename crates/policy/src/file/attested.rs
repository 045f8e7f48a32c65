//! What a stage wants attested: statements of a kind, whatever its version, or of one predicate type to the letter. Deliberately
//! nothing about what must stand in the predicate: its signer answers for that.

use std::fmt;

use trust::attestation::{PredicateKind, is_predicate_type};

use super::node::Value;
use super::reader::{Reader, shown};
use crate::lint::LintCode;

/// Which attestations count for a stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attested {
    /// All of a kind.
    Kind(PredicateKind),
    /// Those of one predicate type, a URI.
    Type(String),
}

impl Attested {
    /// Reads a kind's name, or a predicate type. `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(kind) = PredicateKind::NAMED
            .into_iter()
            .find(|kind| kind.as_str() == text)
        {
            return Some(Self::Kind(kind));
        }
        is_predicate_type(text).then(|| Self::Type(text.to_owned()))
    }

    /// Whether a statement of this predicate type is one of them.
    #[must_use]
    pub fn covers(&self, predicate_type: &str) -> bool {
        match self {
            Self::Kind(kind) => PredicateKind::of(predicate_type) == *kind,
            Self::Type(wanted) => wanted == predicate_type,
        }
    }

    /// A predicate type that is one of them, to be attested.
    #[must_use]
    pub fn predicate_type(&self) -> &str {
        match self {
            Self::Kind(kind) => kind.predicate_type().unwrap_or_default(),
            Self::Type(wanted) => wanted,
        }
    }
}

impl fmt::Display for Attested {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Kind(kind) => kind.as_str(),
            Self::Type(wanted) => wanted,
        })
    }
}

pub(super) fn read(reader: &mut Reader, value: &Value, what: &str) -> Option<Attested> {
    let text = reader.text(value, &format!("the attestation of {what}"))?;
    let attested = Attested::parse(text);
    if attested.is_none() {
        let kinds = PredicateKind::NAMED.map(PredicateKind::as_str).join("`, `");
        let message = format!(
            "`{}` is neither `{kinds}` nor a predicate type; write `provenance`, or a URI such as `https://slsa.dev/provenance/v1`",
            shown(text)
        );
        reader.lint(LintCode::BadValue, value.at, message);
    }
    attested
}
