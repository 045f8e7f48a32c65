//! in-toto statements: what is said (the predicate) about which digests (the subjects). Deliberately strict where the
//! gate depends on it: one digest for each subject, of an algorithm that names images. in-toto Statement v1, and v0.1,
//! which cosign still writes.

use std::collections::BTreeMap;

use oci::Digest;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::excerpt::excerpt;
use crate::strict::{self, JsonError, Object};

/// The longest statement that is read, in bytes.
pub const STATEMENT_BYTES_MAX: usize = 4 * 1024 * 1024;
/// The most subjects that a statement may have.
pub const SUBJECTS_MAX: usize = 1024;

/// A statement. Its signature, if there is one, is the envelope's affair.
#[derive(Debug, Clone, PartialEq)]
pub struct Statement {
    /// What it is about.
    pub subjects: Vec<Subject>,
    /// A URI that says how to read the predicate.
    pub predicate_type: String,
    /// What is said; `null` where the statement has none.
    pub predicate: Value,
}

/// One thing that a statement is about.
#[derive(Debug, Clone, PartialEq)]
pub struct Subject {
    /// A label, for people; may be empty.
    pub name: String,
    /// The digest that it is about.
    pub digest: Digest,
    /// Further facts about the subject, as its signer gave them.
    pub annotations: BTreeMap<String, Value>,
}

impl Statement {
    /// Reads a statement. Unknown fields are ignored, as the specification asks; a key that stands twice anywhere, and
    /// a subject with no, several or unknown digests, are refused.
    pub fn parse(bytes: &[u8]) -> Result<Self, StatementError> {
        let wire: Wire = strict::parse(bytes, STATEMENT_BYTES_MAX)?;
        check_head(&wire.r#type, &wire.predicate_type)?;
        if wire.subject.is_empty() {
            return Err(StatementError::NoSubject);
        }
        if wire.subject.len() > SUBJECTS_MAX {
            return Err(StatementError::TooManySubjects {
                count: wire.subject.len(),
            });
        }
        let subjects = wire
            .subject
            .into_iter()
            .map(|subject| subject.0.try_into())
            .collect::<Result<_, _>>()?;
        Ok(Self {
            subjects,
            predicate_type: wire.predicate_type,
            predicate: wire.predicate,
        })
    }

    /// The statement as JSON of version 1. Signatures are over these bytes: keep them, do not make them again.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let wire = Wire {
            r#type: TYPE_V1.to_owned(),
            subject: self
                .subjects
                .iter()
                .map(|subject| Object(subject.into()))
                .collect(),
            predicate_type: self.predicate_type.clone(),
            predicate: self.predicate.clone(),
        };
        serde_json::json!(wire).to_string().into_bytes()
    }

    /// The predicate type alone, for statements that may be about things other than images.
    pub(crate) fn parse_predicate_type(bytes: &[u8]) -> Result<String, StatementError> {
        let head: Head = strict::parse(bytes, STATEMENT_BYTES_MAX)?;
        check_head(&head.r#type, &head.predicate_type)?;
        Ok(head.predicate_type)
    }
}

fn check_head(r#type: &str, predicate_type: &str) -> Result<(), StatementError> {
    if r#type != TYPE_V1 && r#type != TYPE_V01 {
        return Err(StatementError::Type(excerpt(r#type)));
    }
    if predicate_type.is_empty() || predicate_type.len() > PREDICATE_TYPE_BYTES_MAX {
        return Err(StatementError::PredicateType(excerpt(predicate_type)));
    }
    Ok(())
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Head {
    #[serde(rename = "_type")]
    r#type: String,
    predicate_type: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    #[serde(rename = "_type")]
    r#type: String,
    subject: Vec<Object<WireSubject>>,
    predicate_type: String,
    #[serde(default)]
    predicate: Value,
}

#[derive(Serialize, Deserialize)]
struct WireSubject {
    #[serde(default, skip_serializing_if = "String::is_empty")]
    name: String,
    digest: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    annotations: Option<Map<String, Value>>,
}

impl TryFrom<WireSubject> for Subject {
    type Error = StatementError;

    fn try_from(wire: WireSubject) -> Result<Self, StatementError> {
        let mut digests = wire.digest.iter();
        let (Some((algorithm, hex)), None) = (digests.next(), digests.next()) else {
            return Err(StatementError::Digests {
                name: excerpt(&wire.name),
                count: wire.digest.len(),
            });
        };
        let text = format!("{algorithm}:{hex}");
        let digest = Digest::parse(&text).map_err(|_| StatementError::Digest(excerpt(&text)))?;
        let annotations = wire.annotations.unwrap_or_default().into_iter().collect();
        Ok(Self {
            name: wire.name,
            digest,
            annotations,
        })
    }
}

impl From<&Subject> for WireSubject {
    fn from(subject: &Subject) -> Self {
        let digest = (
            subject.digest.algorithm().as_str().to_owned(),
            subject.digest.hex().to_owned(),
        );
        let annotations: Map<String, Value> = subject.annotations.clone().into_iter().collect();
        Self {
            name: subject.name.clone(),
            digest: BTreeMap::from([digest]),
            annotations: (!annotations.is_empty()).then_some(annotations),
        }
    }
}

/// Why a statement is not read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StatementError {
    /// Not the JSON of a statement, or over a limit.
    #[error("the statement cannot be read: {0}")]
    Json(#[from] JsonError),
    /// Another version, or not a statement.
    #[error("`{0}` is not a known statement type: in-toto statement v1 or v0.1 is needed")]
    Type(String),
    /// The predicate type is empty or too long.
    #[error("`{0}` is not a predicate type: it has 1 to 1024 bytes")]
    PredicateType(String),
    /// It is about nothing.
    #[error("the statement has no subject")]
    NoSubject,
    /// More than [`SUBJECTS_MAX`].
    #[error("limit exceeded: the statement has {count} subjects, at most {max} are read", max = SUBJECTS_MAX)]
    TooManySubjects {
        /// How many there are.
        count: usize,
    },
    /// A subject with no digest, or with several, which could name several things.
    #[error("the subject `{name}` has {count} digests: exactly one is needed")]
    Digests {
        /// The subject's name, shortened.
        name: String,
        /// How many there are.
        count: usize,
    },
    /// Not a SHA-256 or SHA-512 digest.
    #[error("the subject's digest `{0}` is not a digest of an image")]
    Digest(String),
}

const TYPE_V1: &str = "https://in-toto.io/Statement/v1";
const TYPE_V01: &str = "https://in-toto.io/Statement/v0.1";
const PREDICATE_TYPE_BYTES_MAX: usize = 1024;

#[cfg(test)]
mod tests;
