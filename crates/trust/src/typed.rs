//! What the server's own keys sign: a closed list of statements, each with its purpose under the signature.
//! Deliberately no way to sign bytes that are not one of them, so that a token can never be passed off as a stage's
//! record, nor the other way round. Checkpoints, the one other thing that a server signs, have their own form in
//! `checkpoint`.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::dsse::{self, DsseError, Envelope, Signature};
use crate::encoding::{from_base64url, to_base64url};
use crate::excerpt::excerpt;
use crate::key::PublicKey;
use crate::private::Signer;
use crate::stage;
use crate::statement::{Statement, StatementError};
use crate::strict::{self, JsonError};
use crate::verified::Verified;

/// The payload type of access tokens.
pub const ACCESS_TOKEN_TYPE: &str = "application/vnd.countersign.access-token.v1+json";
/// The predicate type of receipts: a SLSA verification summary.
pub const RECEIPT_PREDICATE_TYPE: &str = "https://slsa.dev/verification_summary/v1";
/// The longest compact form that is read, in bytes: it travels in a header.
pub const COMPACT_BYTES_MAX: usize = 16 * 1024;

/// One of the things that a server's key signs.
#[derive(Debug, Clone, PartialEq)]
pub enum ServerStatement {
    /// What a bearer may do, until when.
    AccessToken(Map<String, Value>),
    /// An automatic stage's limits held.
    StageRecord(Statement),
    /// A gate allowed an image.
    Receipt(Statement),
}

/// What a statement is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Purpose {
    /// See [`ServerStatement::AccessToken`].
    AccessToken,
    /// See [`ServerStatement::StageRecord`].
    StageRecord,
    /// See [`ServerStatement::Receipt`].
    Receipt,
}

impl Purpose {
    /// All purposes.
    pub const ALL: [Self; 3] = [Self::AccessToken, Self::StageRecord, Self::Receipt];

    /// Its name in the audit log: `access-token`, `stage-record` or `receipt`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AccessToken => "access-token",
            Self::StageRecord => "stage-record",
            Self::Receipt => "receipt",
        }
    }

    /// The payload type under the signature.
    #[must_use]
    pub fn payload_type(self) -> &'static str {
        match self {
            Self::AccessToken => ACCESS_TOKEN_TYPE,
            Self::StageRecord | Self::Receipt => dsse::IN_TOTO,
        }
    }

    /// The predicate type, for statements that have one.
    fn predicate_type(self) -> Option<&'static str> {
        match self {
            Self::AccessToken => None,
            Self::StageRecord => Some(stage::PREDICATE_TYPE),
            Self::Receipt => Some(RECEIPT_PREDICATE_TYPE),
        }
    }
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl ServerStatement {
    /// What it is for.
    #[must_use]
    pub fn purpose(&self) -> Purpose {
        match self {
            Self::AccessToken(_) => Purpose::AccessToken,
            Self::StageRecord(_) => Purpose::StageRecord,
            Self::Receipt(_) => Purpose::Receipt,
        }
    }

    /// Signs it. A statement whose predicate is not for its purpose is refused.
    pub fn sign(&self, signer: &dyn Signer) -> Result<Envelope, TypedError> {
        let payload = match self {
            Self::AccessToken(claims) => serde_json::json!(claims).to_string().into_bytes(),
            Self::StageRecord(statement) | Self::Receipt(statement) => {
                check_predicate(self.purpose(), statement)?;
                statement.to_bytes()
            }
        };
        Ok(Envelope::sign(
            self.purpose().payload_type(),
            payload,
            signer,
        )?)
    }

    /// The statement in an envelope, if it is for this purpose and this key signed it.
    pub fn verify(
        purpose: Purpose,
        envelope: &Envelope,
        key: &PublicKey,
    ) -> Result<Verified<Self>, TypedError> {
        let (payload, key) = envelope.verify(purpose.payload_type(), key)?.into_parts();
        let read_statement = || {
            let statement = Statement::parse(&payload)?;
            check_predicate(purpose, &statement)?;
            Ok::<_, TypedError>(statement)
        };
        let statement = match purpose {
            Purpose::AccessToken => Self::AccessToken(strict::parse(&payload, COMPACT_BYTES_MAX)?),
            Purpose::StageRecord => Self::StageRecord(read_statement()?),
            Purpose::Receipt => Self::Receipt(read_statement()?),
        };
        Ok(Verified::new(statement, key))
    }

    /// Signs it and writes it in one short text for a header: payload and signature in base64url, a dot between. The
    /// purpose is signed and not written: the reader says which one it takes.
    pub fn sign_compact(&self, signer: &dyn Signer) -> Result<String, TypedError> {
        let envelope = self.sign(signer)?;
        let signature = envelope.signatures.first().ok_or(DsseError::NoSignature)?;
        let text = format!(
            "{}.{}",
            to_base64url(&envelope.payload),
            to_base64url(&signature.sig)
        );
        if text.len() > COMPACT_BYTES_MAX {
            return Err(TypedError::TooLarge { bytes: text.len() });
        }
        Ok(text)
    }

    /// The statement in a compact text, if it is for this purpose and this key signed it.
    pub fn verify_compact(
        purpose: Purpose,
        text: &str,
        key: &PublicKey,
    ) -> Result<Verified<Self>, TypedError> {
        if text.len() > COMPACT_BYTES_MAX {
            return Err(TypedError::TooLarge { bytes: text.len() });
        }
        let (payload, sig) = text.split_once('.').ok_or(TypedError::Compact)?;
        let payload = from_base64url(payload).ok_or(TypedError::Compact)?;
        let sig = from_base64url(sig).ok_or(TypedError::Compact)?;
        let signatures = vec![Signature { keyid: None, sig }];
        let envelope = Envelope {
            payload_type: purpose.payload_type().to_owned(),
            payload,
            signatures,
        };
        Self::verify(purpose, &envelope, key)
    }
}

fn check_predicate(purpose: Purpose, statement: &Statement) -> Result<(), TypedError> {
    let wanted = purpose.predicate_type();
    if wanted != Some(statement.predicate_type.as_str()) {
        return Err(TypedError::Purpose {
            purpose,
            found: excerpt(&statement.predicate_type),
        });
    }
    Ok(())
}

/// Why a server's statement is not made or not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TypedError {
    /// The envelope is of another type or was not signed with the key.
    #[error(transparent)]
    Envelope(#[from] DsseError),
    /// What was signed is not a statement.
    #[error(transparent)]
    Statement(#[from] StatementError),
    /// What was signed is not an object.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// A statement for another purpose.
    #[error("a statement of type `{found}` is not a {purpose}")]
    Purpose {
        /// What it should be.
        purpose: Purpose,
        /// The predicate type that it has, shortened.
        found: String,
    },
    /// Not payload, dot, signature.
    #[error("not a signed text of this server: it has two parts of base64url with a dot between")]
    Compact,
    /// Longer than [`COMPACT_BYTES_MAX`].
    #[error("limit exceeded: {bytes} bytes of signed text, at most {max} are read", max = COMPACT_BYTES_MAX)]
    TooLarge {
        /// Its length in bytes.
        bytes: usize,
    },
}

#[cfg(test)]
mod tests;
