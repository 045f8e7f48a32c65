//! Why an update is refused, as notary-server says it: one error in a JSON body under 1 KiB, because clients read no
//! more. The codes are theirs, the reasons ours. Deliberately no status codes: those are the server's business.

use serde_json::{Value, json};

use crate::tuf::problem::Problem;
use crate::tuf::role::RoleName;

/// The longest body of a refusal, in bytes: clients cut off what is longer, and then show no reason at all.
pub const REFUSAL_BYTES_MAX: usize = 1000;

/// Why nothing of an update is taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
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
    /// A file is not JSON.
    #[error("{role}: {problem}")]
    MalformedJson {
        /// Whose file.
        role: RoleName,
        /// What is wrong with it.
        problem: Problem,
    },
    /// Two files for one role.
    #[error("the update holds two files for {0}")]
    Twice(RoleName),
    /// A version is not higher than one that is stored: somebody else was faster, or an old state is sent again.
    #[error(
        "{role} version {version} is not newer than version {stored}, which is stored: somebody else published \
         meanwhile; run the command again"
    )]
    OldVersion {
        /// Whose file.
        role: RoleName,
        /// The version of the update.
        version: i64,
        /// The highest version that is stored.
        stored: i64,
    },
    /// A version is too far above the highest one for publishers ever to get there one by one.
    #[error(
        "{role} version {version} is too far above version {stored}, which is stored: publish the next one"
    )]
    FarVersion {
        /// Whose file.
        role: RoleName,
        /// The version of the update.
        version: i64,
        /// The highest version that is stored.
        stored: i64,
    },
    /// There is no root, and none came.
    #[error("the repository has no root, and the update brings none: initialise it first")]
    NoRoot,
    /// The first update brings no `targets`.
    #[error("the repository has no targets, and the update brings none")]
    NoTargets,
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
        "the update has no snapshot, and this server does not hold the snapshot key: sign a snapshot, or hand the role \
         over with `notary key rotate REPOSITORY snapshot -r`"
    )]
    SnapshotMissing,
    /// What the repository holds does not fit the update, or is damaged.
    #[error("the stored {role} does not stand: {problem}; send it along, signed anew")]
    Stored {
        /// Whose file.
        role: RoleName,
        /// What is wrong with it.
        problem: Problem,
    },
    /// The versions of a role have been run up to their end.
    #[error(
        "{0} has no higher version left: delete the repository's trust data and initialise it again"
    )]
    NoVersionLeft(RoleName),
    /// Taken by this dialect, and not by whoever keeps the repository.
    #[error("{0}")]
    Forbidden(String),
}

impl Refusal {
    pub(super) fn stored(role: &RoleName, problem: Problem) -> Self {
        Self::Stored {
            role: role.clone(),
            problem,
        }
    }

    /// The code, as notary-server gives it.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoFilename => "NO_FILENAME",
            Self::InvalidRole(_) => "INVALID_ROLE",
            Self::MalformedUpload(_) => "MALFORMED_UPLOAD",
            Self::MalformedJson { .. } => "MALFORMED_JSON",
            Self::OldVersion { .. } => "VERSION",
            _ => "INVALID_UPDATE",
        }
    }

    /// The name of the error in `detail`, by which clients choose how to show the reason. They do so whatever the code is.
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

    /// The JSON body: one error, never longer than [`REFUSAL_BYTES_MAX`]; what is too long of the reason is cut off.
    #[must_use]
    pub fn body(&self) -> String {
        let reason = self.to_string();
        let body = self.with(&reason);
        if body.len() <= REFUSAL_BYTES_MAX {
            return body;
        }
        let mut kept = reason.chars().count();
        loop {
            kept = kept / 4 * 3;
            let cut: String = reason.chars().take(kept).chain(['…']).collect();
            let body = self.with(&cut);
            if body.len() <= REFUSAL_BYTES_MAX || kept == 0 {
                return body;
            }
        }
    }

    fn with(&self, reason: &str) -> String {
        let mut error = json!({"Msg": reason});
        if let (Self::SnapshotMissing, Value::Object(error)) = (self, &mut error) {
            error.insert("Missing".into(), RoleName::Snapshot.as_str().into());
        }
        json!({"errors": [{
            "code": self.code(),
            "message": "the update is refused: `detail` says why",
            "detail": {"Name": self.name(), "Error": error},
        }]})
        .to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tuf::gun::Gun;
    use crate::tuf::problem::CertificateFault;

    #[test]
    fn a_body_is_one_error_with_a_reason() {
        let refusal = Refusal::BadTargets(Problem::Threshold {
            role: RoleName::Targets,
            valid: 0,
            threshold: 1,
        });
        let body: Value = serde_json::from_str(&refusal.body()).unwrap();
        assert_eq!(body["errors"].as_array().unwrap().len(), 1);
        let error = &body["errors"][0];
        assert_eq!(error["code"], "INVALID_UPDATE");
        assert_eq!(error["detail"]["Name"], "ErrBadTargets");
        assert_eq!(
            error["detail"]["Error"]["Msg"],
            "targets: 0 of 1 needed signatures are valid"
        );
        assert_eq!(error["detail"]["Error"].get("Missing"), None);

        let body: Value = serde_json::from_str(&Refusal::SnapshotMissing.body()).unwrap();
        let detail = &body["errors"][0]["detail"];
        assert_eq!(detail["Name"], "ErrBadHierarchy");
        assert_eq!(detail["Error"]["Missing"], "snapshot");
    }

    #[test]
    fn a_body_is_short_whatever_stands_in_it() {
        // Each character as long as it can get in JSON.
        for c in ['"', '\u{1}', '\u{1f600}', 'a'] {
            let reason: String = std::iter::repeat_n(c, 5000).collect();
            let body = Refusal::Forbidden(reason).body();
            assert!(body.len() <= REFUSAL_BYTES_MAX, "{c:?}: {}", body.len());
            assert!(body.len() > REFUSAL_BYTES_MAX / 2, "{c:?}: {}", body.len());
            let body: Value = serde_json::from_str(&body).unwrap();
            let said = body["errors"][0]["detail"]["Error"]["Msg"]
                .as_str()
                .unwrap();
            assert!(said.ends_with('…'), "{said}");
        }
        let longest = Refusal::BadRoot(Problem::RootKeys {
            gun: Gun::parse(&"g".repeat(255)).unwrap(),
            fault: CertificateFault::Name("n".repeat(120)),
        });
        assert!(longest.body().contains("nnn"), "what clients send fits");
    }

    #[test]
    fn codes_are_those_that_clients_know() {
        for (refusal, code) in [
            (Refusal::NoFilename, "NO_FILENAME"),
            (Refusal::InvalidRole("x".into()), "INVALID_ROLE"),
            (Refusal::MalformedUpload("x".into()), "MALFORMED_UPLOAD"),
            (
                Refusal::OldVersion {
                    role: RoleName::Root,
                    version: 1,
                    stored: 1,
                },
                "VERSION",
            ),
            (Refusal::NoRoot, "INVALID_UPDATE"),
        ] {
            assert_eq!(refusal.code(), code);
            assert_eq!(refusal.name(), "ErrValidation");
        }
    }
}
