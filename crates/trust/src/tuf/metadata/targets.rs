//! `targets` and delegations: which tags are trusted, and who else may say so.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::keys::{read_keys, write_keys};
use super::{Common, Content, FileMeta, RoleKeys};
use crate::tuf::fields::Fields;
use crate::tuf::key::{Key, KeyId};
use crate::tuf::problem::Problem;
use crate::tuf::role::RoleName;
use crate::tuf::time;

/// The most roles that one file delegates to, and the most delegations of one repository that are read.
pub const DELEGATIONS_MAX: usize = 512;
/// The most paths of one delegation.
const PATHS_MAX: usize = 1024;

/// What `targets` or a delegation says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Targets {
    /// Counted from 1.
    pub version: i64,
    /// Milliseconds since 1970.
    pub expires: i64,
    /// By the tag's name.
    pub targets: BTreeMap<String, FileMeta>,
    /// Roles one level below.
    pub delegations: Delegations,
}

/// The roles that a file delegates to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Delegations {
    /// All keys that the roles name.
    pub keys: BTreeMap<KeyId, Key>,
    /// The roles, each once, in the order in which they are asked.
    pub roles: Vec<DelegatedRole>,
}

/// One delegation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DelegatedRole {
    /// The delegated role, one level below the role that delegates.
    pub name: RoleName,
    /// Whose signatures it needs.
    pub keys: RoleKeys,
    /// What the names of its targets must begin with, one of them; `""` allows all, no entry nothing.
    pub paths: Vec<String>,
}

impl Targets {
    /// The first version, without targets and delegations.
    #[must_use]
    pub fn new(expires: i64) -> Self {
        Self {
            version: 1,
            expires,
            targets: BTreeMap::new(),
            delegations: Delegations::default(),
        }
    }
}

impl Delegations {
    /// The delegation to a role.
    #[must_use]
    pub fn role(&self, name: &RoleName) -> Option<&DelegatedRole> {
        self.roles.iter().find(|role| role.name == *name)
    }

    /// Delegates to a role, instead of what stood there for it.
    pub fn set_role(&mut self, name: RoleName, keys: &[Key], threshold: u32, paths: &[&str]) {
        let role = DelegatedRole {
            name,
            keys: RoleKeys {
                keyids: keys.iter().map(|key| key.id().clone()).collect(),
                threshold,
            },
            paths: paths.iter().map(|path| (*path).to_owned()).collect(),
        };
        match self.roles.iter_mut().find(|old| old.name == role.name) {
            Some(old) => *old = role,
            None => self.roles.push(role),
        }
        let added = keys.iter().map(|key| (key.id().clone(), key.clone()));
        self.keys.extend(added);
        self.drop_unused_keys();
    }

    /// Ends a delegation.
    pub fn remove_role(&mut self, name: &RoleName) {
        self.roles.retain(|role| role.name != *name);
        self.drop_unused_keys();
    }

    fn drop_unused_keys(&mut self) {
        let roles = &self.roles;
        self.keys
            .retain(|id, _| roles.iter().any(|role| role.keys.keyids.contains(id)));
    }

    fn read(value: &Value, at: &str, delegating: &RoleName) -> Result<Self, Problem> {
        let fields = Fields::of(value, at, &["keys", "roles"])?;
        let keys = read_keys(&fields)?;
        let at = fields.path("roles");
        let mut roles: Vec<DelegatedRole> = Vec::new();
        let what = "delegations in one file";
        for value in fields.items("roles", DELEGATIONS_MAX, what)? {
            let role = DelegatedRole::read(value, &at, &keys, delegating)?;
            if roles.iter().any(|other| other.name == role.name) {
                return Err(fields.fault("roles", "names a role twice"));
            }
            roles.push(role);
        }
        Ok(Self { keys, roles })
    }

    fn to_value(&self) -> Value {
        let roles: Vec<Value> = self.roles.iter().map(DelegatedRole::to_value).collect();
        json!({"keys": write_keys(&self.keys), "roles": roles})
    }
}

impl DelegatedRole {
    /// True if the role may list a target of this name.
    #[must_use]
    pub fn allows(&self, target: &str) -> bool {
        self.paths.iter().any(|path| target.starts_with(path))
    }

    fn read(
        value: &Value,
        at: &str,
        keys: &BTreeMap<KeyId, Key>,
        delegating: &RoleName,
    ) -> Result<Self, Problem> {
        let fields = Fields::of(value, at, &["name", "keyids", "threshold", "paths"])?;
        let name = RoleName::parse(fields.text("name")?).ok();
        let name = name.filter(|name| name.parent().as_ref() == Some(delegating));
        let name = name.ok_or_else(|| {
            fields.fault(
                "name",
                "must be a role one level below the one that delegates",
            )
        })?;
        let paths = fields.texts("paths", PATHS_MAX, "paths of one delegation")?;
        Ok(Self {
            name,
            keys: RoleKeys::read(&fields, keys)?,
            paths: paths.into_iter().map(str::to_owned).collect(),
        })
    }

    fn to_value(&self) -> Value {
        let mut object = Map::new();
        object.insert("name".into(), json!(self.name.as_str()));
        object.insert("paths".into(), json!(self.paths));
        self.keys.write(&mut object);
        Value::Object(object)
    }
}

impl Content for Targets {
    fn read(signed: &Value, role: &RoleName) -> Result<Self, Problem> {
        let known = ["_type", "version", "expires", "targets", "delegations"];
        let fields = Fields::of(signed, &format!("{role}.signed"), &known)?;
        let Common { version, expires } = Common::read(&fields, "Targets")?;
        let at = fields.path("targets");
        let mut targets = BTreeMap::new();
        for (name, value) in fields.members("targets")? {
            targets.insert(name.clone(), FileMeta::read(value, &at)?);
        }
        let delegations = match fields.value("delegations") {
            Some(value) => Delegations::read(value, &fields.path("delegations"), role)?,
            None => Delegations::default(),
        };
        Ok(Self {
            version,
            expires,
            targets,
            delegations,
        })
    }

    fn to_value(&self) -> Value {
        let targets = self.targets.iter();
        let targets: Map<String, Value> = targets
            .map(|(name, file)| (name.clone(), file.to_value()))
            .collect();
        json!({
            "_type": "Targets",
            "delegations": self.delegations.to_value(),
            "expires": time::format(self.expires),
            "targets": targets,
            "version": self.version,
        })
    }

    fn renew(&mut self, version: i64, expires: i64) {
        self.version = version;
        self.expires = expires;
    }

    fn version(&self) -> i64 {
        self.version
    }

    fn expires(&self) -> i64 {
        self.expires
    }
}
