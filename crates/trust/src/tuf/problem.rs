//! What is wrong with a file of a trust repository: the reasons that publishing and reading share. Deliberately without
//! a verdict: whether the server, the publisher or the network is at fault is for the caller to say.

use super::gun::Gun;
use super::key::KeyId;
use super::role::RoleName;
use super::time;
use crate::strict::JsonError;

/// Why a file does not count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// Not JSON that everybody reads alike.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// JSON, and not a file of this kind.
    #[error("`{at}` {fault}")]
    Field {
        /// Where in the file.
        at: String,
        /// What is wrong there.
        fault: &'static str,
    },
    /// A key stands under an id that is not its own: a signature would be credited to another key.
    #[error("the key listed as {listed} is {actual}: an id must be its key's hash")]
    KeyId {
        /// The id in the file, shortened.
        listed: String,
        /// The hash of the key.
        actual: KeyId,
    },
    /// A delegation's key is said to be in a certificate, and is not.
    #[error(
        "the key {} is no certificate for a key that can sign: docker could not list any signer",
        .key.short()
    )]
    Certificate {
        /// Its id.
        key: KeyId,
    },
    /// One id for two keys: what is said of the one would be taken for the other's.
    #[error("the key id {listed} stands for two different keys in one repository")]
    KeyName {
        /// The id.
        listed: KeyId,
    },
    /// Too few of the role's keys signed it.
    #[error("{role}: {valid} of {threshold} needed signatures are valid")]
    Threshold {
        /// The role.
        role: RoleName,
        /// Distinct keys whose signature was verified.
        valid: usize,
        /// How many the delegating role asks for.
        threshold: u32,
    },
    /// Too few of the previous root's keys signed the new root.
    #[error(
        "root: {valid} of {threshold} needed signatures by keys of the previous root are valid"
    )]
    NotRotated {
        /// Distinct keys of the previous root whose signature was verified.
        valid: usize,
        /// How many the previous root asks for.
        threshold: u32,
    },
    /// None of the root's keys has a certificate that is valid for the repository.
    #[error("root: no root key has a valid certificate for `{gun}`: {fault}")]
    RootKeys {
        /// The repository.
        gun: Gun,
        /// What is wrong with the first of them.
        fault: CertificateFault,
    },
    /// None of the root's keys is one of those that were named beforehand.
    #[error("root: none of its keys is one that was pinned for this repository")]
    NotPinned,
    /// The version of a new root is neither that of the current one nor the next.
    #[error("root version {version} does not follow version {current}")]
    RootVersion {
        /// Its version.
        version: i64,
        /// The version that is known.
        current: i64,
    },
    /// Older than what is known already.
    #[error("{role} version {version} is older than version {known}, which is known")]
    Rollback {
        /// The role.
        role: RoleName,
        /// Its version.
        version: i64,
        /// The version that is known.
        known: i64,
    },
    /// Another file with a version that is known already.
    #[error("{role} version {version} is not the file that is known by this version")]
    Equivocation {
        /// The role.
        role: RoleName,
        /// The version of both.
        version: i64,
    },
    /// It has ended.
    #[error("{role} expired at {}", instant(.expires))]
    Expired {
        /// The role.
        role: RoleName,
        /// Milliseconds since 1970.
        expires: i64,
    },
    /// Not the file that the role above lists.
    #[error("{role} is not the file that {by} lists")]
    Hash {
        /// The role.
        role: RoleName,
        /// Who lists another file.
        by: RoleName,
    },
    /// Another version than the role above lists.
    #[error("{role} has version {version}, and {by} lists version {listed}")]
    ListedVersion {
        /// The role.
        role: RoleName,
        /// Its version.
        version: i64,
        /// The version that is listed.
        listed: i64,
        /// Who lists it.
        by: RoleName,
    },
    /// Longer than may be.
    #[error("limit exceeded: {role} is longer than {bytes_max} bytes")]
    TooLong {
        /// The role.
        role: RoleName,
        /// The most that is read.
        bytes_max: u64,
    },
    /// The snapshot lists no file for a role that needs one, or drops one that still is delegated to.
    #[error("snapshot lists no {role}")]
    Unlisted {
        /// The role.
        role: RoleName,
    },
    /// The snapshot lists a file that nobody sent.
    #[error("snapshot lists a {role} that is neither in the update nor current here")]
    Unknown {
        /// The role.
        role: RoleName,
    },
    /// The role above does not delegate to it.
    #[error("{role}: {parent} does not delegate to it")]
    NotDelegated {
        /// The role.
        role: RoleName,
        /// Who would have to delegate.
        parent: RoleName,
    },
    /// The role above has no file.
    #[error("{role}: {parent} is missing")]
    NoParent {
        /// The role.
        role: RoleName,
        /// The role above.
        parent: RoleName,
    },
    /// The root names no key of the server for its timestamp.
    #[error(
        "root: this server does not hold enough of the timestamp keys that it names: ask it for its key with \
         `notary key rotate {gun} timestamp -r`"
    )]
    TimestampKey {
        /// The repository.
        gun: Gun,
    },
    /// Not there.
    #[error("{role} is missing")]
    Missing {
        /// The role.
        role: RoleName,
    },
    /// More of something than is followed.
    #[error("limit exceeded: more than {max} {what}")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// The most that is followed.
        max: usize,
    },
}

fn instant(milliseconds: &i64) -> String {
    time::format(*milliseconds)
}

/// What is wrong with the certificate of a root key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateFault {
    /// A bare key.
    #[error("the key has no certificate")]
    NoCertificate,
    /// Not certificates in PEM.
    #[error("the certificate cannot be read")]
    Unreadable,
    /// The key's own certificate is not the first, or there are two that might be.
    #[error("the chain must begin with the key's own certificate and hold no second one")]
    Chain,
    /// It is for another repository.
    #[error("the certificate is for `{0}`")]
    Name(String),
    /// It has ended or not begun.
    #[error("the certificate has expired or is not valid yet")]
    Expired,
    /// Signed with SHA-1.
    #[error("the certificate is signed with sha-1")]
    Sha1,
    /// A kind of key that cannot sign, or RSA below 2048 bits.
    #[error("the certificate's key is of a kind or size that is not taken")]
    Key,
}
