//! What can go wrong in the store, as one enum: input that is refused, state that is missing or in the way, and failures
//! below (database, files). It deliberately knows no status codes; the edge maps the variants.

use std::io::ErrorKind;

use oci::Digest;

/// The result of every function of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Why the store could not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Nothing with this name is there.
    #[error("there is no {kind} `{name}`")]
    NotFound {
        /// The noun: `repository`, `manifest`, `upload`, …
        kind: &'static str,
        /// What was asked for.
        name: String,
    },
    /// Something with this name is there already, or is in use.
    #[error("{kind} `{name}` {why}")]
    Conflict {
        /// The noun: `team`, `upload`, …
        kind: &'static str,
        /// Which one.
        name: String,
        /// What is in the way, and what to do.
        why: &'static str,
    },
    /// A manifest refers to a blob or child manifest that its repository does not hold.
    #[error("the manifest refers to `{0}`, which this repository does not hold: push it first")]
    MissingReference(Digest),
    /// The bytes do not have the digest they were said to have.
    #[error("the content has digest `{found}`, not `{expected}`: send it again")]
    DigestMismatch {
        /// What the client said.
        expected: Digest,
        /// What the bytes hash to.
        found: Digest,
    },
    /// The permit has ended, is for another repository, or does not cover this kind of content.
    #[error("{what} was refused: {why}")]
    Refused {
        /// The act.
        what: &'static str,
        /// Why, and what to do.
        why: String,
    },
    /// An advisory source is older or smaller than what is held already.
    #[error(
        "source `{source_name}` was refused: {why}; add `--allow-older` to take it all the same"
    )]
    OlderSource {
        /// The advisory source.
        source_name: String,
        /// What makes it older.
        why: String,
    },
    /// A value from outside that the store cannot take.
    #[error("{what} `{value}` is not valid: {why}")]
    Invalid {
        /// The noun.
        what: &'static str,
        /// The value as given, shortened where it is long.
        value: String,
        /// What is wrong, and what to do.
        why: String,
    },
    /// The data folder is used by another server.
    #[error(
        "`{path}` is used by another server: stop it first, or give this one another `--data` folder"
    )]
    Locked {
        /// The lock file.
        path: String,
    },
    /// A stored value that no code of this version writes: the database was edited, or is of a newer version.
    #[error("the stored {what} cannot be read: {why}; run `countersign audit verify`")]
    Corrupt {
        /// The noun: a table and column.
        what: String,
        /// What is wrong with it.
        why: String,
    },
    /// The audit log in the database contradicts a checkpoint that was signed before: nothing more is sealed.
    #[error("the audit log contradicts its checkpoints: {0}; run `countersign audit verify`")]
    AuditBroken(String),
    /// A sealed secret does not open with this master key, or a key could not be made.
    #[error("{what} failed: {why}")]
    Crypto {
        /// The act.
        what: &'static str,
        /// What to look at.
        why: String,
    },
    /// There is no room for what was to be stored. Nothing of it is visible.
    #[error("the disk is full: nothing was stored; free some room and send it again")]
    Full {
        /// The file or folder, or what else had no room.
        path: String,
    },
    /// Something that the store needs does not answer now; the same call may succeed later.
    #[error("{what} cannot answer now: {why}")]
    Unavailable {
        /// What does not answer: `the database`, …
        what: &'static str,
        /// Why, as far as it is known.
        why: String,
    },
    /// The database failed.
    #[error("the database failed")]
    Database(#[source] sqlx::Error),
    /// A file or folder failed.
    #[error("`{path}` failed")]
    Io {
        /// Which one.
        path: String,
        /// How.
        #[source]
        source: std::io::Error,
    },
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Error {
        match &error {
            sqlx::Error::Database(said) if is_full(said.code().as_deref()) => Error::Full {
                path: "the database".to_owned(),
            },
            sqlx::Error::PoolTimedOut | sqlx::Error::Io(_) => Error::Unavailable {
                what: "the database",
                why: error.to_string(),
            },
            _ => Error::Database(error),
        }
    }
}

/// SQLite: SQLITE_FULL. PostgreSQL: disk_full.
fn is_full(code: Option<&str>) -> bool {
    matches!(code, Some("13" | "53100"))
}

impl Error {
    /// A missing thing, by its noun and name.
    pub fn not_found(kind: &'static str, name: impl ToString) -> Error {
        Error::NotFound {
            kind,
            name: name.to_string(),
        }
    }

    /// A file failure with its path, for `map_err`.
    pub(crate) fn io(path: &std::path::Path) -> impl FnOnce(std::io::Error) -> Error {
        let path = path.display().to_string();
        move |source| match source.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Error::Full { path },
            _ => Error::Io { path, source },
        }
    }

    /// A stored value that cannot be read, for `map_err`.
    pub(crate) fn corrupt<E: std::fmt::Display>(what: &str) -> impl FnOnce(E) -> Error {
        let what = what.to_owned();
        move |why| Error::Corrupt {
            what,
            why: why.to_string(),
        }
    }

    /// Whether a unique or primary key constraint was violated: someone else was first.
    pub(crate) fn is_unique_violation(&self) -> bool {
        matches!(self, Error::Database(sqlx::Error::Database(error)) if error.is_unique_violation())
    }

    /// Whether the same transaction may succeed when it is run again from its beginning: the database chose it as the
    /// victim of a deadlock, could not serialise it, or was busy.
    pub(crate) fn is_transient(&self) -> bool {
        let Error::Database(sqlx::Error::Database(error)) = self else {
            return false;
        };
        // PostgreSQL: serialization_failure, deadlock_detected. SQLite: SQLITE_BUSY and its extended codes.
        matches!(
            error.code().as_deref(),
            Some("40001" | "40P01" | "5" | "261" | "517" | "773")
        )
    }
}
