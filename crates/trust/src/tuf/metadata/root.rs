//! `root`: which keys stand for each base role.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::keys::{read_keys, write_keys};
use super::{Common, Content, RoleKeys};
use crate::excerpt::excerpt;
use crate::tuf::fields::Fields;
use crate::tuf::key::{Key, KeyId};
use crate::tuf::problem::Problem;
use crate::tuf::role::RoleName;
use crate::tuf::time;

/// What `root` says. Comes from reading, or from [`Root::new`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Root {
    /// Counted from 1.
    pub version: i64,
    /// Milliseconds since 1970.
    pub expires: i64,
    /// All keys that the roles name.
    pub keys: BTreeMap<KeyId, Key>,
    /// False whenever docker or notary wrote it; nothing depends on it.
    pub consistent_snapshot: bool,
    roles: [RoleKeys; 4],
}

/// In the order in which [`Root`] keeps them.
const ROLES: [&str; 4] = ["root", "targets", "snapshot", "timestamp"];

impl Root {
    /// The first root, in which one signature is enough for each role.
    #[must_use]
    pub fn new(expires: i64) -> Self {
        let nobody = || RoleKeys {
            keyids: Vec::new(),
            threshold: 1,
        };
        Self {
            version: 1,
            expires,
            keys: BTreeMap::new(),
            consistent_snapshot: false,
            roles: [nobody(), nobody(), nobody(), nobody()],
        }
    }

    /// A root that was read in another dialect. `roles` are those of root, targets, snapshot and timestamp; keys are listed under the ids by
    /// which the roles name them.
    pub(in crate::tuf) fn from_parts(
        (version, expires): (i64, i64),
        keys: BTreeMap<KeyId, Key>,
        roles: [RoleKeys; 4],
        consistent_snapshot: bool,
    ) -> Self {
        Self {
            version,
            expires,
            keys,
            consistent_snapshot,
            roles,
        }
    }

    /// Whose signatures a base role needs; none for delegations, of which a root knows nothing.
    #[must_use]
    pub fn role(&self, role: &RoleName) -> Option<&RoleKeys> {
        let [root, targets, snapshot, timestamp] = &self.roles;
        match role {
            RoleName::Root => Some(root),
            RoleName::Targets => Some(targets),
            RoleName::Snapshot => Some(snapshot),
            RoleName::Timestamp => Some(timestamp),
            RoleName::Delegation(_) => None,
        }
    }

    /// How many keys must sign the root itself.
    #[must_use]
    pub fn threshold(&self) -> u32 {
        let [root, ..] = &self.roles;
        root.threshold
    }

    /// When readers refuse it, in milliseconds since 1970: at its own end, or when so many of its root keys' certificates have ended that
    /// the others are too few.
    #[must_use]
    pub fn ends(&self) -> i64 {
        let certificates = self.keys_of(&RoleName::Root);
        let mut ends: Vec<i64> = certificates.filter_map(Key::certificate_end).collect();
        ends.sort_unstable_by(|a, b| b.cmp(a));
        let last_needed = usize::try_from(self.threshold()).unwrap_or(usize::MAX);
        let last_needed = last_needed.checked_sub(1).and_then(|at| ends.get(at));
        last_needed.map_or(self.expires, |end| self.expires.min(*end))
    }

    /// The keys of a base role.
    pub fn keys_of(&self, role: &RoleName) -> impl Iterator<Item = &Key> {
        let ids = self.role(role).map(|role| role.keyids.iter());
        ids.into_iter().flatten().filter_map(|id| self.keys.get(id))
    }

    /// Gives a base role other keys. Keys that no role names any more are dropped.
    pub fn set_role(&mut self, role: &RoleName, keys: &[Key], threshold: u32) {
        let [root, targets, snapshot, timestamp] = &mut self.roles;
        let place = match role {
            RoleName::Root => root,
            RoleName::Targets => targets,
            RoleName::Snapshot => snapshot,
            RoleName::Timestamp => timestamp,
            RoleName::Delegation(_) => return,
        };
        *place = RoleKeys {
            keyids: keys.iter().map(|key| key.id().clone()).collect(),
            threshold,
        };
        let added = keys.iter().map(|key| (key.id().clone(), key.clone()));
        self.keys.extend(added);
        let roles = &self.roles;
        self.keys
            .retain(|id, _| roles.iter().any(|role| role.keyids.contains(id)));
    }
}

impl Content for Root {
    fn read(signed: &Value, role: &RoleName) -> Result<Self, Problem> {
        let known = [
            "_type",
            "version",
            "expires",
            "keys",
            "roles",
            "consistent_snapshot",
        ];
        let fields = Fields::of(signed, &format!("{role}.signed"), &known)?;
        let Common { version, expires } = Common::read(&fields, "Root")?;
        let keys = read_keys(&fields)?;
        let at = fields.path("roles");
        let roles = fields.value("roles").unwrap_or(&Value::Null);
        let roles = Fields::of(roles, &at, &[])?;
        // Other names may stand there. They mean nothing, but Go's reader wants roles there too.
        for (name, value) in roles.all().filter(|(_, value)| !value.is_null()) {
            let at = roles.path(&excerpt(name));
            RoleKeys::read_form(&Fields::of(value, &at, &RoleKeys::FIELDS)?)?;
        }
        let roles = read_roles(&roles, &keys)?;
        let consistent_snapshot = fields.boolean("consistent_snapshot")?;
        Ok(Self {
            version,
            expires,
            keys,
            consistent_snapshot,
            roles,
        })
    }

    fn to_value(&self) -> Value {
        let mut roles = Map::new();
        for (name, role) in ROLES.into_iter().zip(&self.roles) {
            let mut keys = Map::new();
            role.write(&mut keys);
            roles.insert(name.into(), Value::Object(keys));
        }
        json!({
            "_type": "Root",
            "consistent_snapshot": self.consistent_snapshot,
            "expires": time::format(self.expires),
            "keys": write_keys(&self.keys),
            "roles": roles,
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

/// Whose signatures each base role needs, in the order in which [`Root`] keeps them.
pub(in crate::tuf) fn read_roles(
    roles: &Fields<'_>,
    keys: &BTreeMap<KeyId, Key>,
) -> Result<[RoleKeys; 4], Problem> {
    let read = |name: &str| {
        let value = roles.value(name);
        let value = value.ok_or_else(|| roles.fault(name, "is missing"))?;
        let fields = Fields::of(value, &roles.path(name), &RoleKeys::FIELDS)?;
        RoleKeys::read(&fields, keys)
    };
    let [root, targets, snapshot, timestamp] = ROLES;
    Ok([
        read(root)?,
        read(targets)?,
        read(snapshot)?,
        read(timestamp)?,
    ])
}
