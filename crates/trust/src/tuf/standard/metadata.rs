//! What the four kinds of files say in TUF 1.0, section 4. Read only. Deliberately without the mirrors' list, and without delegations to
//! bins by number (TAP 15), which the specification does not have: who is delegated to in that way is not found.

mod listed;
mod targets;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::key::read_keys;
use crate::tuf::fields::Fields;
use crate::tuf::key::KeyId;
use crate::tuf::metadata::{Common, Root, read_roles};
use crate::tuf::problem::Problem;
use crate::tuf::role::RoleName;
use crate::tuf::signed::{Document, SIGNATURES_MAX, Signature, Signed};

pub use listed::Listed;
pub use targets::{DelegatedRole, Delegations, Scope, Targets};

/// What `timestamp` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timestamp {
    /// Counted from 1.
    pub version: i64,
    /// Milliseconds since 1970.
    pub expires: i64,
    /// The current snapshot.
    pub snapshot: Listed,
}

/// What `snapshot` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Counted from 1.
    pub version: i64,
    /// Milliseconds since 1970.
    pub expires: i64,
    /// The files of `targets` and delegations. Old repositories list `root` too.
    pub meta: BTreeMap<RoleName, Listed>,
}

pub(super) fn parse_root(bytes: Vec<u8>) -> Result<Signed<Root>, Problem> {
    parse(&RoleName::Root, bytes, read_root)
}

pub(super) fn parse_timestamp(bytes: Vec<u8>) -> Result<Signed<Timestamp>, Problem> {
    parse(&RoleName::Timestamp, bytes, read_timestamp)
}

pub(super) fn parse_snapshot(bytes: Vec<u8>) -> Result<Signed<Snapshot>, Problem> {
    parse(&RoleName::Snapshot, bytes, read_snapshot)
}

/// `targets`, or a delegation.
pub(super) fn parse_targets(role: &RoleName, bytes: Vec<u8>) -> Result<Signed<Targets>, Problem> {
    parse(role, bytes, targets::read)
}

fn parse<T>(
    role: &RoleName,
    bytes: Vec<u8>,
    read: fn(&Value, &RoleName) -> Result<T, Problem>,
) -> Result<Signed<T>, Problem> {
    Document::parse(bytes)?.read_with(role, read_signatures, read)
}

/// TUF 4.2.1: a key signs once. What is no hexadecimal is no signature, and neither is the empty one of whoever has not signed yet.
fn read_signatures(fields: &Fields<'_>) -> Result<Vec<Signature>, Problem> {
    let at = fields.path("signatures");
    let (mut signatures, mut keys) = (Vec::new(), BTreeSet::new());
    for item in fields.items("signatures", SIGNATURES_MAX, "signatures on one file")? {
        let item = Fields::of(item, &at, &["keyid", "sig"])?;
        let (keyid, sig) = (item.text("keyid")?, item.text("sig")?);
        if !keys.insert(keyid) {
            return Err(fields.fault("signatures", "has two of one key"));
        }
        if let (Ok(key), Ok(bytes)) = (KeyId::parse(keyid), hex::decode(sig)) {
            let method = String::new();
            signatures.push(Signature { key, method, bytes });
        }
    }
    Ok(signatures)
}

/// What all four have in common.
fn read_common(fields: &Fields<'_>, kind: &'static str) -> Result<Common, Problem> {
    Common::check_type(fields, kind)?;
    // TUF 4.3: what counts as a match is for the reader to say; later versions of the first must not change what this one reads.
    let major = fields.text("spec_version")?.split('.').next();
    if major != Some("1") {
        return Err(fields.fault("spec_version", "must be of version 1 of the specification"));
    }
    Common::read_numbers(fields)
}

/// TUF 4.3.
fn read_root(signed: &Value, role: &RoleName) -> Result<Root, Problem> {
    let known = [
        "_type",
        "spec_version",
        "version",
        "expires",
        "keys",
        "roles",
        "consistent_snapshot",
    ];
    let fields = Fields::of(signed, &format!("{role}.signed"), &known)?;
    let Common { version, expires } = read_common(&fields, "root")?;
    let keys = read_keys(&fields)?;
    let at = fields.path("roles");
    let roles = Fields::of(fields.value("roles").unwrap_or(&Value::Null), &at, &[])?;
    let roles = read_roles(&roles, &keys)?;
    let consistent_snapshot = fields.boolean("consistent_snapshot")?;
    let ends = (version, expires);
    Ok(Root::from_parts(ends, keys, roles, consistent_snapshot))
}

const KNOWN: [&str; 5] = ["_type", "spec_version", "version", "expires", "meta"];

/// TUF 4.6.
fn read_timestamp(signed: &Value, role: &RoleName) -> Result<Timestamp, Problem> {
    let fields = Fields::of(signed, &format!("{role}.signed"), &KNOWN)?;
    let Common { version, expires } = read_common(&fields, "timestamp")?;
    let mut meta = fields.members("meta")?;
    let listed = meta.find(|(name, _)| *name == "snapshot.json");
    let (_, listed) = listed.ok_or_else(|| fields.fault("meta", "must list the snapshot"))?;
    let snapshot = Listed::read(listed, &fields.path("meta"))?;
    Ok(Timestamp {
        version,
        expires,
        snapshot,
    })
}

/// TUF 4.4.
fn read_snapshot(signed: &Value, role: &RoleName) -> Result<Snapshot, Problem> {
    let fields = Fields::of(signed, &format!("{role}.signed"), &KNOWN)?;
    let Common { version, expires } = read_common(&fields, "snapshot")?;
    let at = fields.path("meta");
    let mut meta = BTreeMap::new();
    for (name, value) in fields.members("meta")? {
        let role = name.strip_suffix(".json").and_then(listed_role);
        let role = role.ok_or_else(|| fields.fault("meta", "names what is no role's file"))?;
        meta.insert(role, Listed::read(value, &at)?);
    }
    if !meta.contains_key(&RoleName::Targets) {
        let role = RoleName::Targets;
        return Err(Problem::Unlisted { role });
    }
    Ok(Snapshot {
        version,
        expires,
        meta,
    })
}

fn listed_role(name: &str) -> Option<RoleName> {
    match name {
        "root" => Some(RoleName::Root),
        "targets" => Some(RoleName::Targets),
        name => RoleName::delegated(name).ok(),
    }
}

#[cfg(test)]
mod tests;
