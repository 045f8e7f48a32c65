//! What the four kinds of files say, read and written. Deliberately no signatures here, and nothing about what is current.

mod files;
mod keys;
mod root;
mod snapshot;
mod targets;

use serde_json::Value;

use super::fields::Fields;
use super::problem::Problem;
use super::role::RoleName;
use super::time;

pub use files::{FileMeta, Hashes};
pub use keys::RoleKeys;
pub use root::Root;
pub(super) use root::read_roles;
pub use snapshot::{Snapshot, Timestamp};
pub use targets::{DELEGATIONS_MAX, DelegatedRole, Delegations, Targets};

/// What one kind of file says.
pub trait Content: Sized {
    /// Reads the `signed` part of a role's file.
    #[doc(hidden)]
    fn read(signed: &Value, role: &RoleName) -> Result<Self, Problem>;

    /// Writes it.
    #[doc(hidden)]
    fn to_value(&self) -> Value;

    /// Gives it another version and end.
    #[doc(hidden)]
    fn renew(&mut self, version: i64, expires: i64);

    /// Counted from 1.
    fn version(&self) -> i64;

    /// When it ends, in milliseconds since 1970.
    fn expires(&self) -> i64;
}

/// What all four have in common.
pub(super) struct Common {
    pub(super) version: i64,
    pub(super) expires: i64,
}

impl Common {
    fn read(fields: &Fields<'_>, kind: &'static str) -> Result<Self, Problem> {
        Self::check_type(fields, kind)?;
        Self::read_numbers(fields)
    }

    pub(super) fn check_type(fields: &Fields<'_>, kind: &'static str) -> Result<(), Problem> {
        if fields.text("_type")? != kind {
            return Err(fields.fault("_type", "is not the type of this role's files"));
        }
        Ok(())
    }

    pub(super) fn read_numbers(fields: &Fields<'_>) -> Result<Self, Problem> {
        let version = fields.whole("version")?;
        if version < 1 {
            return Err(fields.fault("version", "must be at least 1"));
        }
        let expires = read_expires(fields)?;
        Ok(Self { version, expires })
    }
}

/// The end of a file.
pub(super) fn read_expires(fields: &Fields<'_>) -> Result<i64, Problem> {
    time::parse(fields.text("expires")?)
        .ok_or_else(|| fields.fault("expires", "must be a time as `2026-01-31T12:00:00Z`"))
}
