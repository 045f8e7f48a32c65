//! `targets` and delegations: files by their names, and who else may describe which of them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::listed::{read_hashes, read_length};
use super::read_common;
use crate::tuf::fields::Fields;
use crate::tuf::key::{Key, KeyId};
use crate::tuf::metadata::{Common, FileMeta, RoleKeys};
use crate::tuf::problem::Problem;
use crate::tuf::role::RoleName;
use crate::tuf::standard::key::read_keys;
use crate::tuf::standard::pattern::Pattern;
use crate::tuf::standard::search::Target;

/// The most roles that one file delegates to: twice the bins that the largest repositories share their targets out to.
const DELEGATIONS_MAX: usize = 32_768;
/// The most paths of one delegation.
const PATHS_MAX: usize = 4096;
const PATHS: &str = "paths of one delegation";

/// What `targets` or a delegation says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Targets {
    /// Counted from 1.
    pub version: i64,
    /// Milliseconds since 1970.
    pub expires: i64,
    /// By the target's name, a path with `/` that is not safe as the name of a local file.
    pub targets: BTreeMap<String, FileMeta>,
    /// Who else may describe targets.
    pub delegations: Delegations,
}

/// The roles that a file delegates to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Delegations {
    /// All keys that the roles name, by the ids of this file.
    pub keys: BTreeMap<KeyId, Key>,
    /// The roles, each once, in the order in which they are asked.
    pub roles: Vec<DelegatedRole>,
}

/// One delegation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DelegatedRole {
    /// The delegated role.
    pub name: RoleName,
    /// Whose signatures it needs.
    pub keys: RoleKeys,
    /// Which targets it may describe.
    pub scope: Scope,
    /// True if nobody who comes later is asked for a target in its scope.
    pub terminating: bool,
}

/// Which targets a delegated role may describe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// Those whose names match one of these.
    Paths(Vec<Pattern>),
    /// Those whose names have a SHA-256 that begins with one of these, in lower-case hexadecimal.
    HashPrefixes(Vec<String>),
}

impl Scope {
    pub(in crate::tuf::standard) fn allows(&self, target: &Target) -> bool {
        match self {
            Self::Paths(patterns) => patterns.iter().any(|one| one.matches(&target.name)),
            Self::HashPrefixes(prefixes) => prefixes
                .iter()
                .any(|prefix| target.hash.starts_with(prefix)),
        }
    }

    /// TUF 4.5: one of the two, or nothing.
    fn read(fields: &Fields<'_>) -> Result<Self, Problem> {
        let by_hash = fields.value("path_hash_prefixes").is_some();
        if by_hash && fields.value("paths").is_some() {
            return Err(fields.fault("paths", "must not stand beside path_hash_prefixes"));
        }
        if by_hash {
            let prefixes = fields.texts("path_hash_prefixes", PATHS_MAX, PATHS)?;
            let is_hex = |text: &&str| text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
            if !prefixes.iter().all(is_hex) {
                return Err(fields.fault("path_hash_prefixes", "must be lower-case hexadecimal"));
            }
            let prefixes = prefixes.into_iter().map(str::to_owned);
            return Ok(Self::HashPrefixes(prefixes.collect()));
        }
        let patterns = fields.texts("paths", PATHS_MAX, PATHS)?;
        let patterns = patterns.into_iter().map(Pattern::parse);
        let patterns: Option<Vec<Pattern>> = patterns.collect();
        let patterns = patterns.ok_or_else(|| {
            fields.fault("paths", "holds a pattern that is too long or not closed")
        })?;
        Ok(Self::Paths(patterns))
    }
}

impl Delegations {
    /// The delegation to a role.
    #[must_use]
    pub fn role(&self, name: &RoleName) -> Option<&DelegatedRole> {
        self.roles.iter().find(|role| role.name == *name)
    }

    fn read(value: &Value, at: &str) -> Result<Self, Problem> {
        let fields = Fields::of(value, at, &["keys", "roles"])?;
        let keys = read_keys(&fields)?;
        let at = fields.path("roles");
        let (mut roles, mut names) = (Vec::new(), BTreeSet::new());
        for value in fields.items("roles", DELEGATIONS_MAX, "delegations in one file")? {
            let role = DelegatedRole::read(value, &at, &keys)?;
            if !names.insert(role.name.clone()) {
                return Err(fields.fault("roles", "names a role twice"));
            }
            roles.push(role);
        }
        Ok(Self { keys, roles })
    }
}

impl DelegatedRole {
    fn read(value: &Value, at: &str, keys: &BTreeMap<KeyId, Key>) -> Result<Self, Problem> {
        let known = [
            "name",
            "keyids",
            "threshold",
            "paths",
            "path_hash_prefixes",
            "terminating",
        ];
        let fields = Fields::of(value, at, &known)?;
        let name = RoleName::delegated(fields.text("name")?);
        let name = name.map_err(|_| fields.fault("name", "is no name of a delegated role"))?;
        Ok(Self {
            name,
            keys: RoleKeys::read(&fields, keys)?,
            scope: Scope::read(&fields)?,
            terminating: fields.boolean("terminating")?,
        })
    }
}

/// TUF 4.5.
pub(super) fn read(signed: &Value, role: &RoleName) -> Result<Targets, Problem> {
    let known = [
        "_type",
        "spec_version",
        "version",
        "expires",
        "targets",
        "delegations",
    ];
    let fields = Fields::of(signed, &format!("{role}.signed"), &known)?;
    let Common { version, expires } = read_common(&fields, "targets")?;
    let at = fields.path("targets");
    let mut targets = BTreeMap::new();
    for (name, value) in fields.members("targets")? {
        targets.insert(name.clone(), read_file(value, &at)?);
    }
    let delegations = match fields.value("delegations") {
        Some(value) => Delegations::read(value, &fields.path("delegations"))?,
        None => Delegations::default(),
    };
    Ok(Targets {
        version,
        expires,
        targets,
        delegations,
    })
}

fn read_file(value: &Value, at: &str) -> Result<FileMeta, Problem> {
    let fields = Fields::of(value, at, &["length", "hashes", "custom"])?;
    Ok(FileMeta {
        length: read_length(&fields)?,
        hashes: read_hashes(&fields)?,
        custom: fields.value("custom").cloned(),
    })
}
