//! Why a registry call did not do what it was asked: the client's fault, a gate's no, or the store's failure, kept apart.

use oci::ErrorCode;
use policy::Decision;
use serde_json::Value;

/// The result of every function of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Why not.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The request is wrong, or what it names is not there.
    #[error("{message}")]
    Protocol {
        /// The distribution specification's code.
        code: ErrorCode,
        /// A sentence for the user.
        message: String,
        /// More, for programs.
        detail: Option<Value>,
    },
    /// A gate refuses, and says why.
    #[error("{}", .0.message)]
    Refused(Box<Refusal>),
    /// An update of a trust repository is not taken, and nothing of it.
    #[error(transparent)]
    Update(Box<trust::tuf::publish::Refusal>),
    /// A chunk does not begin where the upload ends.
    #[error("the upload holds {held} bytes; send the chunk that begins there")]
    Range {
        /// Bytes that the upload holds.
        held: u64,
    },
    /// The client's body ended early; what arrived is kept.
    #[error("the body ended early")]
    Interrupted(#[source] std::io::Error),
    /// The store failed or refused.
    #[error(transparent)]
    Store(#[from] store::Error),
}

impl Error {
    pub(crate) fn protocol(code: ErrorCode, message: impl Into<String>) -> Self {
        Self::Protocol {
            code,
            message: message.into(),
            detail: None,
        }
    }
}

/// A gate's no.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// One sentence, with the next command, as docker prints it.
    pub message: String,
    /// Every decision that said no.
    pub decisions: Vec<Decision>,
    /// Whether the answer may be another one in a moment.
    pub not_ready: bool,
}

impl Refusal {
    /// The same in at most `bytes_max` bytes, as they stand in JSON, for clients that read no more.
    #[must_use]
    pub fn within(&self, bytes_max: usize) -> String {
        policy::decision::within(&self.decisions, bytes_max)
    }
}
