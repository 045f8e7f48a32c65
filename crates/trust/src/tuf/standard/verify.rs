//! Whether a file is signed as the role above it asks. What counts are distinct keys, however they are named.

use super::metadata::{self, DelegatedRole, Delegations, Snapshot, Targets, Timestamp};
use crate::tuf::metadata::Root;
use crate::tuf::problem::Problem;
use crate::tuf::role::RoleName;
use crate::tuf::signed::Signed;
use crate::tuf::verify::{Check, Trusted, by_keys, by_root, count, is_rotated};

/// The key alone says how it signs.
const BY_KEY: Check =
    |material, message, signature| material.has_signed_as_specified(message, &signature.bytes);

/// TUF 5.3.4: a root by its own keys, and by those of the root before it.
pub(super) fn root(
    signed: Signed<Root>,
    previous: Option<&Root>,
) -> Result<Trusted<Root>, Problem> {
    if let Some(previous) = previous {
        let keys = previous.role(&RoleName::Root);
        let valid = keys.map_or(0, |keys| count(&signed, keys, &previous.keys, BY_KEY));
        is_rotated(valid, previous)?;
    }
    let own = signed.content().clone();
    base(&RoleName::Root, &own, signed)
}

/// TUF 5.4.2.
pub(super) fn timestamp(root: &Root, bytes: Vec<u8>) -> Result<Trusted<Timestamp>, Problem> {
    base(
        &RoleName::Timestamp,
        root,
        metadata::parse_timestamp(bytes)?,
    )
}

/// TUF 5.5.3.
pub(super) fn snapshot(root: &Root, bytes: Vec<u8>) -> Result<Trusted<Snapshot>, Problem> {
    base(&RoleName::Snapshot, root, metadata::parse_snapshot(bytes)?)
}

/// TUF 5.6.3, for `targets` itself.
pub(super) fn targets(root: &Root, bytes: Vec<u8>) -> Result<Trusted<Targets>, Problem> {
    let role = RoleName::Targets;
    base(&role, root, metadata::parse_targets(&role, bytes)?)
}

/// TUF 5.6.3, for a delegation.
pub(super) fn delegation(
    delegated: &DelegatedRole,
    delegations: &Delegations,
    bytes: Vec<u8>,
) -> Result<Trusted<Targets>, Problem> {
    let role = &delegated.name;
    let signed = metadata::parse_targets(role, bytes)?;
    by_keys(role, signed, &delegated.keys, &delegations.keys, BY_KEY)
}

fn base<T>(role: &RoleName, root: &Root, signed: Signed<T>) -> Result<Trusted<T>, Problem> {
    by_root(role, root, signed, BY_KEY)
}
