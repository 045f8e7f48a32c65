//! Keys and who needs whose: the part that `root` and delegations share.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::excerpt::excerpt;
use crate::tuf::fields::Fields;
use crate::tuf::key::{Key, KeyId};
use crate::tuf::problem::Problem;

/// The most keys of one file.
const KEYS_MAX: usize = 4096;
/// The most keys of one role.
const KEYIDS_MAX: usize = 256;

/// Whose signatures a role needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleKeys {
    /// The keys that may sign, each once.
    pub keyids: Vec<KeyId>,
    /// How many of them must; at least 1.
    pub threshold: u32,
}

impl RoleKeys {
    pub(super) const FIELDS: [&'static str; 2] = ["keyids", "threshold"];

    /// Reads `keyids` and `threshold` of an object; every id is one of the keys listed.
    pub(super) fn read(fields: &Fields<'_>, keys: &BTreeMap<KeyId, Key>) -> Result<Self, Problem> {
        let (texts, threshold) = Self::read_form(fields)?;
        let threshold = u32::try_from(threshold).unwrap_or(0);
        if threshold < 1 {
            return Err(fields.fault("threshold", "must be at least 1"));
        }
        let mut keyids = Vec::new();
        for text in texts {
            let id = KeyId::parse(text).ok().filter(|id| keys.contains_key(id));
            let id = id.ok_or_else(|| fields.fault("keyids", "names a key that is not listed"))?;
            if !keyids.contains(&id) {
                keyids.push(id);
            }
        }
        Ok(Self { keyids, threshold })
    }

    /// What Go's reader asks of every role, also of one that means nothing.
    pub(super) fn read_form<'a>(fields: &Fields<'a>) -> Result<(Vec<&'a str>, i64), Problem> {
        let keyids = fields.texts("keyids", KEYIDS_MAX, "keys of one role")?;
        Ok((keyids, fields.whole("threshold")?))
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
        if keys.len() == KEYS_MAX {
            return Err(Problem::TooMany {
                what: "keys in one file",
                max: KEYS_MAX,
            });
        }
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
