//! Keys and who needs whose: the part that `root` and delegations share.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::excerpt::excerpt;
use crate::tuf::fields::Fields;
use crate::tuf::key::{Key, KeyId};
use crate::tuf::problem::Problem;

/// Whose signatures a role needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleKeys {
    /// The keys that may sign, each once.
    pub keyids: Vec<KeyId>,
    /// How many of them must; at least 1.
    pub threshold: u32,
}

impl RoleKeys {
    /// Reads `keyids` and `threshold` of an object; every id is one of the keys listed.
    pub(in crate::tuf) fn read(
        fields: &Fields<'_>,
        keys: &BTreeMap<KeyId, Key>,
    ) -> Result<Self, Problem> {
        let threshold = u32::try_from(fields.whole("threshold")?).unwrap_or(0);
        if threshold < 1 {
            return Err(fields.fault("threshold", "must be at least 1"));
        }
        let mut keyids = Vec::new();
        for text in fields.texts("keyids")? {
            let id = KeyId::parse(text).ok().filter(|id| keys.contains_key(id));
            let id = id.ok_or_else(|| fields.fault("keyids", "names a key that is not listed"))?;
            if !keyids.contains(&id) {
                keyids.push(id);
            }
        }
        Ok(Self { keyids, threshold })
    }

    pub(super) fn write(&self, object: &mut Map<String, Value>) {
        let keyids = self.keyids.iter().map(KeyId::as_str);
        object.insert("keyids".into(), keyids.collect());
        object.insert("threshold".into(), json!(self.threshold));
    }
}

/// Reads `keys`: each key under its own id.
pub(super) fn read_keys(fields: &Fields<'_>) -> Result<BTreeMap<KeyId, Key>, Problem> {
    let at = fields.path("keys");
    let mut keys = BTreeMap::new();
    for (listed, value) in fields.members("keys")? {
        let key = Key::read(value, &at)?;
        if key.id().as_str() != listed {
            return Err(Problem::KeyId {
                listed: excerpt(listed),
                actual: key.id().clone(),
            });
        }
        keys.insert(key.id().clone(), key);
    }
    Ok(keys)
}

pub(super) fn write_keys(keys: &BTreeMap<KeyId, Key>) -> Value {
    let members = keys.iter();
    Value::Object(
        members
            .map(|(id, key)| (id.to_string(), key.to_json()))
            .collect(),
    )
}
