//! What is wrong with a file of a trust repository: the reasons that publishing and reading share. Deliberately without
//! a verdict: whether the server, the publisher or the network is at fault is for the caller to say.

use super::role::RoleName;
use crate::strict::JsonError;

/// Why a file does not count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// Not JSON that everybody reads alike.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// JSON, and not a file of this role.
    #[error("{0}")]
    Form(String),
    /// Too few of the role's keys signed it.
    #[error("{role} has {valid} of the {threshold} signatures that it needs")]
    Threshold {
        /// The role.
        role: RoleName,
        /// Distinct keys whose signature was verified.
        valid: usize,
        /// How many the delegating role asks for.
        threshold: u32,
    },
}
