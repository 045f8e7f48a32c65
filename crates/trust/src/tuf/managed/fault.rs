//! Why an update does not leave a repository in managed form, and the command that comes next. All of it fits into what docker and
//! notary read of an error. Deliberately no other ways to be wrong: those are `Problem`'s.

use super::form::Form;
use super::vouch::VOUCHES_MAX;
use crate::excerpt::excerpt;
use crate::tuf::gun::Gun;
use crate::tuf::key::KeyId;
use crate::tuf::role::RoleName;

/// What is wrong with the form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// A file came that the server alone writes.
    #[error("a policy covers this repository: {0} is written by this server alone")]
    Uploaded(RoleName),
    /// The root names a snapshot key that is not the server's, or none of the server's.
    #[error("a policy covers this repository: its snapshot key must be this server's alone")]
    SnapshotKey,
    /// `targets` lists a tag.
    #[error(
        "a policy covers this repository: tag `{}` in targets itself would be released past its gates",
        cut(.0)
    )]
    Listed(String),
    /// `targets` does not delegate `targets/releases` to the server, or not to it alone.
    #[error(
        "a policy covers this repository: targets must delegate targets/releases to this server's key, and to no other"
    )]
    Releases,
    /// A delegation has no keys.
    #[error("{} has no key", short(.0))]
    NoKey(RoleName),
    /// A delegation's key is nobody's.
    #[error(
        "the key {} of {} is not registered on this server: `countersign key register`",
        .key.short(), short(.role)
    )]
    Unregistered {
        /// The delegation.
        role: RoleName,
        /// Its key, as metadata names it.
        key: KeyId,
    },
    /// A delegation has keys of more than one principal.
    #[error(
        "{} has keys of {} and of {}: each signer has a delegation of their own",
        short(.role), cut(.owner), cut(.other)
    )]
    Owners {
        /// The delegation.
        role: RoleName,
        /// Whose its first key is.
        owner: String,
        /// Whose another one is.
        other: String,
    },
    /// A delegation is for some tags only.
    #[error("{} must be delegated every tag, as docker does it", short(.0))]
    Paths(RoleName),
    /// A delegation below another that is no stage's, or more than one level below.
    #[error("no policy of this repository has a stage for which {} could be", short(.0))]
    NoStage(RoleName),
    /// A delegation that groups the signers of a stage lists a tag.
    #[error("{} stands for the signers of a stage, who are below it, and lists `{}` itself", short(.role), cut(.tag))]
    Group {
        /// The delegation.
        role: RoleName,
        /// The tag.
        tag: String,
    },
    /// A file that was published before: to another repository, as another delegation, or before trust data was deleted.
    #[error("the file of {} was published before, in another place or time: sign anew", short(.0))]
    Known(RoleName),
    /// Signatures for the repository are taken in the trust repository of another of its names.
    #[error("signatures for this repository are taken under its name {}, not under every name of this server", cut(.0.as_str()))]
    OtherName(Gun),
    /// More new entries than are taken at once.
    #[error(
        "limit exceeded: with {} there are {entries} new tags, at most {VOUCHES_MAX} are taken at once",
        short(.role)
    )]
    TooMany {
        /// The delegation.
        role: RoleName,
        /// How many entries are new, with those of the files before it.
        entries: usize,
    },
}

fn short(role: &RoleName) -> String {
    cut(role.as_str())
}

/// Short enough to leave room for what to do, and for all of it as JSON.
fn cut(text: &str) -> String {
    const CHARS_MAX: usize = 64;
    let text = excerpt(text);
    match text.char_indices().nth(CHARS_MAX) {
        None => text,
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
    }
}

/// What to do instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Next {
    /// There is nothing yet.
    #[error("run `countersign trust init {0}`")]
    Init(Gun),
    /// It is a plain repository.
    #[error("run `countersign trust manage {0}`")]
    Manage(Gun),
    /// It is managed already.
    #[error(
        "add signers with `countersign trust signer add NAME --key NAME.pub {0}`; sign with `docker trust sign` or `countersign sign`"
    )]
    Sign(Gun),
}

impl Next {
    pub(super) fn after(form: &Form, gun: &Gun) -> Self {
        match form {
            Form::None => Self::Init(gun.clone()),
            Form::Plain => Self::Manage(gun.clone()),
            Form::Managed => Self::Sign(gun.clone()),
        }
    }
}
