//! Trust repositories: The Update Framework as Docker Content Trust speaks it (Notary v1), for both sides. [`publish`] is what a
//! server accepts and signs, [`managed`] what it asks for besides where gates decide what is released, [`client`] what a reader
//! believes, [`author`] what a publisher writes, [`keyfile`] what docker and notary keep a publisher's keys in. All of it is a
//! workflow without I/O: bytes and the time come in, values go out. Deliberately no routes, no storage and no policy.
//!
//! The dialect is older than TUF 1.0 and differs from it: `_type` is capitalised, there is no `spec_version`, hashes are
//! base64, `snapshot` lists roles by name without `.json`, and root keys are certificates for the repository's name. TUF 1.0 itself, for
//! readers, is [`standard`].

pub mod author;
mod canonical;
mod certificate;
pub mod client;
mod fields;
mod gun;
mod key;
pub mod keyfile;
pub mod managed;
mod material;
mod metadata;
mod problem;
pub mod publish;
mod role;
mod sign;
mod signed;
pub mod standard;
mod time;
mod verify;

pub use gun::{GUN_BYTES_MAX, Gun, GunError};
pub use key::{Key, KeyId, KeyType};
pub use metadata::{
    Content, DELEGATIONS_MAX, DelegatedRole, Delegations, FileMeta, Hashes, RoleKeys, Root,
    Snapshot, Targets, Timestamp,
};
pub use problem::{CertificateFault, Problem};
pub use role::{Delegation, RELEASES, ROLE_BYTES_MAX, RoleError, RoleName};
pub use sign::SealError;
pub use signed::{METADATA_BYTES_MAX, SIGNATURES_MAX, Signature, Signed};
pub(crate) use time::parse as rfc3339;
pub use verify::Trusted;
