//! `snapshot` and `timestamp`: which files belong to one state of a repository, and which state is the current one.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{Common, Content, FileMeta};
use crate::tuf::fields::Fields;
use crate::tuf::problem::Problem;
use crate::tuf::role::RoleName;
use crate::tuf::time;

/// What `snapshot` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Counted from 1.
    pub version: i64,
    /// Milliseconds since 1970.
    pub expires: i64,
    /// The files of `root`, `targets` and delegations, each with a SHA-256.
    pub meta: BTreeMap<RoleName, FileMeta>,
}

/// What `timestamp` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timestamp {
    /// Counted from 1.
    pub version: i64,
    /// Milliseconds since 1970.
    pub expires: i64,
    /// The current snapshot, with a SHA-256.
    pub snapshot: FileMeta,
}

impl Snapshot {
    /// The first version, without files.
    #[must_use]
    pub fn new(expires: i64) -> Self {
        Self {
            version: 1,
            expires,
            meta: BTreeMap::new(),
        }
    }
}

const KNOWN: [&str; 4] = ["_type", "version", "expires", "meta"];

impl Content for Snapshot {
    fn read(signed: &Value, role: &RoleName) -> Result<Self, Problem> {
        let fields = Fields::of(signed, &format!("{role}.signed"), &KNOWN)?;
        let Common { version, expires } = Common::read(&fields, "Snapshot")?;
        let mut meta = BTreeMap::new();
        for (name, value) in fields.members("meta")? {
            let role =
                RoleName::parse(name).map_err(|_| fields.fault("meta", "names what is no role"))?;
            let file = FileMeta::read_with_sha256(value, &fields.path("meta"))?;
            meta.insert(role, file);
        }
        for role in [RoleName::Root, RoleName::Targets] {
            if !meta.contains_key(&role) {
                return Err(Problem::Unlisted { role });
            }
        }
        Ok(Self {
            version,
            expires,
            meta,
        })
    }

    fn to_value(&self) -> Value {
        let meta = self.meta.iter();
        let meta: Map<String, Value> = meta
            .map(|(role, file)| (role.to_string(), file.to_value()))
            .collect();
        json!({
            "_type": "Snapshot",
            "expires": time::format(self.expires),
            "meta": meta,
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

impl Content for Timestamp {
    fn read(signed: &Value, role: &RoleName) -> Result<Self, Problem> {
        let fields = Fields::of(signed, &format!("{role}.signed"), &KNOWN)?;
        let Common { version, expires } = Common::read(&fields, "Timestamp")?;
        let snapshot = fields
            .members("meta")?
            .find(|(name, _)| *name == RoleName::Snapshot.as_str())
            .ok_or_else(|| fields.fault("meta", "must list the snapshot"))?;
        let snapshot = FileMeta::read_with_sha256(snapshot.1, &fields.path("meta.snapshot"))?;
        Ok(Self {
            version,
            expires,
            snapshot,
        })
    }

    fn to_value(&self) -> Value {
        json!({
            "_type": "Timestamp",
            "expires": time::format(self.expires),
            "meta": {"snapshot": self.snapshot.to_value()},
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
