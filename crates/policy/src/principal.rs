//! Who acts: people, robots and their owners, teams, and the keys they sign with.
//!
//! It holds no passwords and no tokens (that is `identity`), and decides nothing. DESIGN §2, §3 "What counts".

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use oci::RepositoryName;
use serde::{Deserialize, Serialize};
use trust::KeyId;

use crate::pattern::Pattern;
use crate::role::Grant;

/// The number of a principal; never used again for another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PrincipalId(pub i64);

impl fmt::Display for PrincipalId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// The kinds of principals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A human being.
    Person,
    /// A machine account, owned by a person.
    Robot,
}

impl Kind {
    /// `person` or `robot`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Person => "person",
            Kind::Robot => "robot",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// One person or robot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Principal {
    /// The number.
    pub id: PrincipalId,
    /// Person or robot.
    pub kind: Kind,
    /// The name, unique within its kind.
    pub name: String,
    /// The person who answers for a robot; `None` for people.
    pub owner: Option<PrincipalId>,
    /// False once the account is closed.
    pub active: bool,
}

impl fmt::Display for Principal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.kind, self.name)
    }
}

/// A registered signing key. It belongs to one principal for ever.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SigningKey {
    /// The SHA-256 of the public key.
    pub key_id: KeyId,
    /// Whose key it is.
    pub principal: PrincipalId,
    /// The repositories it may sign for; an empty scope covers none.
    pub scope: Vec<Pattern>,
    /// When it was revoked, in milliseconds since the epoch.
    pub revoked_at: Option<i64>,
    /// Of a revoked key, the first instant whose signatures are distrusted, in milliseconds since the epoch; `None` when none
    /// of its signatures is trusted, whenever it was made.
    #[serde(default)]
    pub revoked_from: Option<i64>,
}

impl SigningKey {
    /// Whether the scope covers this repository.
    #[must_use]
    pub fn covers(&self, repository: &RepositoryName) -> bool {
        self.scope.iter().any(|pattern| pattern.matches(repository))
    }

    /// Whether the key is revoked at `now` (milliseconds since the epoch), for whatever it signed or for some of it.
    #[must_use]
    pub fn is_revoked(&self, now: i64) -> bool {
        self.revoked_at.is_some_and(|revoked_at| revoked_at <= now)
    }

    /// Whether the key is revoked at `now` for what was there at `known_at` for the first time (both in milliseconds since the
    /// epoch). That must be a time that somebody trusted vouches for: a thief of the key can claim any.
    #[must_use]
    pub fn is_distrusted(&self, known_at: i64, now: i64) -> bool {
        self.is_revoked(now) && self.revoked_from.is_none_or(|from| from <= known_at)
    }
}

/// All principals, teams, grants and keys of a server at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Directory {
    /// People and robots by number.
    pub principals: BTreeMap<PrincipalId, Principal>,
    /// The members of each team by its name.
    pub teams: BTreeMap<String, BTreeSet<PrincipalId>>,
    /// Who has which role where.
    pub grants: Vec<Grant>,
    /// Registered signing keys, revoked ones too.
    pub keys: BTreeMap<KeyId, SigningKey>,
}

impl Directory {
    /// The principal with this number.
    #[must_use]
    pub fn principal(&self, id: PrincipalId) -> Option<&Principal> {
        self.principals.get(&id)
    }

    /// The principal of this kind and name.
    #[must_use]
    pub fn by_name(&self, kind: Kind, name: &str) -> Option<&Principal> {
        self.principals
            .values()
            .find(|principal| principal.kind == kind && principal.name == name)
    }

    /// Whether the principal itself is a member of the team; its owner's membership does not count.
    #[must_use]
    pub fn is_member(&self, team: &str, id: PrincipalId) -> bool {
        self.teams
            .get(team)
            .is_some_and(|members| members.contains(&id))
    }

    /// Whom a principal counts as: a robot is its owner, a person is themselves.
    #[must_use]
    pub fn identity_of(&self, id: PrincipalId) -> PrincipalId {
        self.principal(id)
            .filter(|principal| principal.kind == Kind::Robot)
            .and_then(|robot| robot.owner)
            .unwrap_or(id)
    }

    /// Whether the principal is known and active, and for a robot its owner too.
    #[must_use]
    pub fn is_active(&self, id: PrincipalId) -> bool {
        let known_and_active = |id| self.principal(id).is_some_and(|principal| principal.active);
        known_and_active(id) && known_and_active(self.identity_of(id))
    }

    /// `person maria`, `robot ci-shop`, or the number of a principal that is not known.
    #[must_use]
    pub fn describe(&self, id: PrincipalId) -> String {
        match self.principal(id) {
            Some(principal) => principal.to_string(),
            None => format!("unknown principal {id}"),
        }
    }
}

/// Who is asking.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Who {
    /// Nobody that we know.
    Anonymous,
    /// A person or robot.
    Principal(PrincipalId),
}

impl Who {
    /// The principal's number, if it is one.
    #[must_use]
    pub fn principal(&self) -> Option<PrincipalId> {
        match self {
            Who::Anonymous => None,
            Who::Principal(id) => Some(*id),
        }
    }
}

/// Who did something, for the audit log.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Actor {
    /// A person or robot.
    Principal(PrincipalId),
    /// Someone who was not logged in.
    Anonymous,
    /// The server itself, in the job of this name.
    System(&'static str),
}

impl From<&Who> for Actor {
    fn from(who: &Who) -> Self {
        match who {
            Who::Anonymous => Actor::Anonymous,
            Who::Principal(id) => Actor::Principal(*id),
        }
    }
}

#[cfg(test)]
mod tests;
