//! Why an update is refused, as notary-server says it: one error in a JSON body under 1 KiB, because clients read no
//! more. Its codes are theirs; the reasons are ours. Deliberately no status codes: those are the server's business.

use serde_json::{Value, json};

use crate::excerpt::excerpt;
use crate::tuf::problem::Problem;
use crate::tuf::role::RoleName;

/// The longest body of a refusal, in bytes: clients cut off what is longer and then show no reason at all.
pub const REFUSAL_BYTES_MAX: usize = 1000;

/// Why nothing of an update is taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A part of the upload has no file name.
    #[error("a part of the upload has no file name: it names the role")]
    NoFilename,
    /// A part's name is not a role.
    #[error("`{0}` is not a role")]
    InvalidRole(String),
    /// Not the multipart body that clients send, or one over the server's limits.
    #[error("{0}")]
    MalformedUpload(String),
    /// A file is not JSON with a version.
    #[error("{role}: {problem}")]
    MalformedJson {
        /// Whose file.
        role: RoleName,
        /// What is wrong with it.
        problem: Problem,
    },
    /// A version is not higher than one that is stored: somebody else was faster, or an old state is sent again.
    #[error(
        "{role} version {version} is not newer than {stored}, which is stored: fetch the current state and sign again"
    )]
    OldVersion {
        /// Whose file.
        role: RoleName,
        /// The version of the update.
        version: i64,
        /// The highest version that is stored.
        stored: i64,
    },
    /// The root is not valid, or does not follow from the one before.
    #[error("{0}")]
    BadRoot(Problem),
    /// `targets` or a delegation is not valid.
    #[error("{0}")]
    BadTargets(Problem),
    /// The snapshot is not valid, or does not list exactly what is current.
    #[error("{0}")]
    BadSnapshot(Problem),
    /// No snapshot came, and the server does not hold the key for it.
    #[error(
        "the update has no snapshot, and this server does not hold the repository's snapshot key: sign a snapshot, \
             or hand the key over with `notary key rotate REPOSITORY snapshot -r`"
    )]
    SnapshotMissing,
    /// Anything else about the update as a whole.
    #[error("{0}")]
    Invalid(String),
}

impl Refusal {
    /// The code, as notary-server gives it.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoFilename => "NO_FILENAME",
            Self::InvalidRole(_) => "INVALID_ROLE",
            Self::MalformedUpload(_) => "MALFORMED_UPLOAD",
            Self::MalformedJson { .. } => "MALFORMED_JSON",
            Self::OldVersion { .. } => "VERSION",
            Self::BadRoot(_)
            | Self::BadTargets(_)
            | Self::BadSnapshot(_)
            | Self::SnapshotMissing
            | Self::Invalid(_) => "INVALID_UPDATE",
        }
    }

    /// The name of the error in `detail`, by which clients choose how to show the reason. They do so for every code.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::BadRoot(_) => "ErrBadRoot",
            Self::BadTargets(_) => "ErrBadTargets",
            Self::BadSnapshot(_) => "ErrBadSnapshot",
            Self::SnapshotMissing => "ErrBadHierarchy",
            _ => "ErrValidation",
        }
    }

    /// The JSON body: one error, whatever stands in it shorter than [`REFUSAL_BYTES_MAX`].
    #[must_use]
    pub fn body(&self) -> String {
        let reason = self.to_string();
        let mut error = json!({"Msg": reason});
        if let (Self::SnapshotMissing, Value::Object(error)) = (self, &mut error) {
            error.insert("Missing".into(), "snapshot".into());
        }
        let message = excerpt(&reason);
        json!({"errors": [{
            "code": self.code(),
            "message": message,
            "detail": {"Name": self.name(), "Error": error},
        }]})
        .to_string()
    }
}
