//! Our own statement: "I vouch for this digest, for this stage, in this repository". Deliberately closed: a field that
//! this version does not know could be a restriction, so it is refused, not ignored. DESIGN "Our statement".
//!
//! A key may sign the same bytes to the same signature for ever (RFC 8032 for Ed25519), and the same signature is the same
//! evidence, with its first time. Whoever signs again vouches anew: hence the nonce, which its maker draws.

mod nonce;

use std::collections::BTreeMap;

use oci::{Digest, RepositoryName, Tag};
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use self::nonce::{NONCE_BYTES, Nonce, NonceError};
use crate::excerpt::excerpt;
use crate::statement::{Statement, Subject};

/// The predicate type of a stage statement.
pub const PREDICATE_TYPE: &str = "https://countersign.dev/stage/v1";
/// The longest stage name, in bytes.
pub const STAGE_NAME_BYTES_MAX: usize = 64;

/// What the signer says about the digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StageStatement {
    /// The stage that is passed, such as `ci`.
    pub stage: String,
    /// The repository it is passed in, without a host.
    pub repository: RepositoryName,
    /// The tag that the signer looked at, if any; for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<Tag>,
    /// What sets this act of signing apart from the next one; says nothing. Who signs once and for all needs none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nonce: Option<Nonce>,
}

impl StageStatement {
    /// Reads the predicate of a statement of this type.
    pub fn parse(statement: &Statement) -> Result<Self, StageError> {
        if statement.predicate_type != PREDICATE_TYPE {
            return Err(StageError::Type(excerpt(&statement.predicate_type)));
        }
        let Value::Object(predicate) = &statement.predicate else {
            return Err(StageError::Form("its predicate is not an object".into()));
        };
        let stage = Self::deserialize(predicate)
            .map_err(|error| StageError::Form(excerpt(&error.to_string())))?;
        check_name(&stage.stage)?;
        Ok(stage)
    }
}

/// The statement about one digest, to be signed.
pub fn build(digest: &Digest, stage: &StageStatement) -> Result<Statement, StageError> {
    check_name(&stage.stage)?;
    let subject = Subject {
        name: stage.repository.to_string(),
        digest: digest.clone(),
        annotations: BTreeMap::new(),
    };
    let predicate =
        serde_json::to_value(stage).map_err(|error| StageError::Form(error.to_string()))?;
    Ok(Statement {
        subjects: vec![subject],
        predicate_type: PREDICATE_TYPE.to_owned(),
        predicate,
    })
}

/// Whether a text can name a stage: 1 to 64 ASCII letters, digits, `-`, `_` and `.`, the first a letter or digit.
pub fn check_name(name: &str) -> Result<(), StageError> {
    let is_word = |b: u8| b.is_ascii_alphanumeric();
    let fits = name.len() <= STAGE_NAME_BYTES_MAX
        && name.bytes().next().is_some_and(is_word)
        && name
            .bytes()
            .all(|b| is_word(b) || matches!(b, b'-' | b'_' | b'.'));
    if fits {
        Ok(())
    } else {
        Err(StageError::Name(excerpt(name)))
    }
}

/// Why a statement is not about a stage.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StageError {
    /// A statement of another type.
    #[error("`{0}` is not a stage statement")]
    Type(String),
    /// The predicate has an unknown or missing field, or a value outside its grammar.
    #[error("the stage statement cannot be read: {0}")]
    Form(String),
    /// The stage's name is outside its grammar.
    #[error(
        "`{0}` cannot name a stage: use up to 64 letters, digits, `-`, `_` and `.`, a letter or digit first"
    )]
    Name(String),
}

#[cfg(test)]
mod tests;
