//! Trust repositories: The Update Framework as Docker Content Trust speaks it (Notary v1), for both sides. [`publish`] is what a
//! server accepts and signs, [`client`] what a reader believes, [`author`] what a publisher writes. All of it is a
//! workflow without I/O: bytes and the time come in, values go out. Deliberately no routes, no storage and no policy.
//!
//! The dialect is older than TUF 1.0 and differs from it: `_type` is capitalised, there is no `spec_version`, hashes are
//! base64, `snapshot` lists roles by name without `.json`, and root keys are certificates for the repository's name.

mod canonical;
mod gun;
mod key;
mod metadata;
mod problem;
pub mod publish;
mod role;

pub use gun::{GUN_BYTES_MAX, Gun, GunError};
pub use key::{Key, KeyId, KeyType};
pub use metadata::{
    DelegatedRole, Delegations, FileMeta, Hashes, METADATA_BYTES_MAX, Root, Signed, Snapshot,
    Targets, Timestamp,
};
pub use problem::Problem;
pub use role::{Delegation, ROLE_BYTES_MAX, RoleError, RoleName};
