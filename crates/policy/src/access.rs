//! May this principal do this? A total function over the closed set of verbs, whose yes is a [`Permit`].
//!
//! It does not know who is asking (that is `identity`) nor whether the repository exists, and judges no image: that is
//! `gate.rs`. DESIGN §4 "Types that carry the promises", §8 (hidden repositories).

use std::collections::BTreeSet;
use std::marker::PhantomData;

use oci::RepositoryName;
use serde::{Deserialize, Serialize};

use crate::pattern::Pattern;
use crate::principal::{Actor, Directory, PrincipalId, Who};
use crate::role::{Grantee, Role, allows};
use crate::verb::{Verb, VerbKind};

/// How long a permit can be used, in milliseconds: long enough for one slow upload, short enough to be asked again.
pub const PERMIT_MILLISECONDS: i64 = 60 * 60 * 1000;

/// What the caller's token allows at most, whatever their roles.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ceiling {
    /// All that the roles allow.
    All,
    /// Only what these scopes name.
    Only(Vec<Scope>),
}

/// A part of what a token allows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Scope {
    /// In which repositories; only `**` reaches the server as a whole.
    pub pattern: Pattern,
    /// Which verbs.
    pub verbs: BTreeSet<VerbKind>,
}

impl Scope {
    /// Verbs in exactly one repository, as in Docker's token scopes.
    #[must_use]
    pub fn repository(name: &RepositoryName, verbs: impl IntoIterator<Item = VerbKind>) -> Self {
        Scope {
            pattern: Pattern::exact(name),
            verbs: verbs.into_iter().collect(),
        }
    }

    /// Verbs everywhere, and on the server as a whole.
    #[must_use]
    pub fn everywhere(verbs: impl IntoIterator<Item = VerbKind>) -> Self {
        Scope {
            pattern: Pattern::everything(),
            verbs: verbs.into_iter().collect(),
        }
    }
}

impl Ceiling {
    /// Whether the token allows the verb in the repository (`None`: on the server as a whole).
    #[must_use]
    pub fn allows(&self, verb: VerbKind, repository: Option<&RepositoryName>) -> bool {
        match self {
            Ceiling::All => true,
            Ceiling::Only(scopes) => scopes
                .iter()
                .any(|scope| scope.verbs.contains(&verb) && reaches(&scope.pattern, repository)),
        }
    }
}

/// Proof that [`access`] said yes: to this verb, for this caller, in this repository, for a while.
///
/// Only [`access`] makes one, so what asks for a `Permit<Push>` cannot be reached without the check:
///
/// ```compile_fail
/// let forged = policy::Permit::<policy::verb::Push> { who: policy::Who::Anonymous };
/// ```
pub struct Permit<V> {
    who: Who,
    repository: Option<RepositoryName>,
    expires_at: i64,
    verb: PhantomData<fn() -> V>,
}

impl<V> Permit<V> {
    /// Who may do it.
    #[must_use]
    pub fn who(&self) -> &Who {
        &self.who
    }

    /// The same, for the audit log.
    #[must_use]
    pub fn actor(&self) -> Actor {
        Actor::from(&self.who)
    }

    /// In which repository; `None` for the server as a whole.
    #[must_use]
    pub fn repository(&self) -> Option<&RepositoryName> {
        self.repository.as_ref()
    }

    /// The first instant at which it can no longer be used, in milliseconds since the epoch.
    #[must_use]
    pub fn expires_at(&self) -> i64 {
        self.expires_at
    }

    /// Whether it can be used at `now` (milliseconds since the epoch).
    #[must_use]
    pub fn is_valid(&self, now: i64) -> bool {
        now < self.expires_at
    }
}

impl<V> Clone for Permit<V> {
    fn clone(&self) -> Self {
        Permit {
            who: self.who.clone(),
            repository: self.repository.clone(),
            expires_at: self.expires_at,
            verb: PhantomData,
        }
    }
}

impl<V: Verb> std::fmt::Debug for Permit<V> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Permit")
            .field("verb", &V::NAME)
            .field("who", &self.who)
            .field("repository", &self.repository)
            .field("expires_at", &self.expires_at)
            .finish()
    }
}

/// The answer no.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "you may not `{verb}` here: it takes the role {}, and a token that is not limited to less; ask an admin for a grant",
    roles(*verb)
)]
pub struct Refused {
    /// What was asked for.
    pub verb: VerbKind,
    /// Whether the caller can do nothing at all in this repository, and must not learn whether it exists.
    pub hidden: bool,
}

/// The roles that have a verb, for people.
fn roles(verb: VerbKind) -> String {
    let with_it = Role::ALL.iter().filter(|role| allows(**role, verb));
    let names: Vec<&str> = with_it.map(|role| role.as_str()).collect();
    names.join(" or ")
}

/// Decides whether the caller may do `V` in the repository, or on the server as a whole (`None`), which only grants on
/// `**` reach. `now` is in milliseconds since the epoch.
///
/// Anonymous callers can pull and nothing else: everywhere with `anonymous_pull`, or where a grant to
/// [`Grantee::Anonymous`] says so. A principal may pull what anybody may; where that is the only ground, the permit
/// is for [`Who::Anonymous`], so that logging in with an account without grants is no way around a gate.
///
/// # Errors
/// [`Refused`] when neither a role nor the anonymous rule allows it, or the token does not.
pub fn access<V: Verb>(
    directory: &Directory,
    who: &Who,
    repository: Option<&RepositoryName>,
    ceiling: &Ceiling,
    anonymous_pull: bool,
    now: i64,
) -> Result<Permit<V>, Refused> {
    let asked = Asked {
        directory,
        who,
        repository,
        ceiling,
        anonymous_pull,
    };
    match asked.ground(V::KIND) {
        Some(who) => Ok(Permit {
            who,
            repository: repository.cloned(),
            expires_at: now.saturating_add(PERMIT_MILLISECONDS),
            verb: PhantomData,
        }),
        None => Err(Refused {
            verb: V::KIND,
            hidden: asked.is_hidden(),
        }),
    }
}

/// Whether the caller may know that the repository exists: whether they can do anything at all with it.
#[must_use]
pub fn sees(
    directory: &Directory,
    who: &Who,
    repository: &RepositoryName,
    ceiling: &Ceiling,
    anonymous_pull: bool,
) -> bool {
    let repository = Some(repository);
    !Asked {
        directory,
        who,
        repository,
        ceiling,
        anonymous_pull,
    }
    .is_hidden()
}

/// The verbs that the caller has in the repository, or on the server as a whole (`None`).
#[must_use]
pub fn verbs(
    directory: &Directory,
    who: &Who,
    repository: Option<&RepositoryName>,
    ceiling: &Ceiling,
    anonymous_pull: bool,
) -> BTreeSet<VerbKind> {
    let asked = Asked {
        directory,
        who,
        repository,
        ceiling,
        anonymous_pull,
    };
    VerbKind::ALL
        .iter()
        .copied()
        .filter(|verb| asked.ground(*verb).is_some())
        .collect()
}

struct Asked<'a> {
    directory: &'a Directory,
    who: &'a Who,
    repository: Option<&'a RepositoryName>,
    ceiling: &'a Ceiling,
    anonymous_pull: bool,
}

impl Asked<'_> {
    /// As whom the caller may do it: as themselves, as anybody may, or not at all.
    fn ground(&self, verb: VerbKind) -> Option<Who> {
        if !self.ceiling.allows(verb, self.repository) {
            return None;
        }
        match self.who {
            Who::Anonymous => self.anybody_may(verb).then_some(Who::Anonymous),
            Who::Principal(id) if !self.directory.is_active(*id) => None,
            Who::Principal(id) if self.has_role(*id, verb) => Some(self.who.clone()),
            Who::Principal(_) => self.anybody_may(verb).then_some(Who::Anonymous),
        }
    }

    fn anybody_may(&self, verb: VerbKind) -> bool {
        let is_granted = || {
            self.directory.grants.iter().any(|grant| {
                grant.to == Grantee::Anonymous
                    && allows(grant.role, VerbKind::Pull)
                    && reaches(&grant.pattern, self.repository)
            })
        };
        verb == VerbKind::Pull && (self.anonymous_pull || is_granted())
    }

    fn has_role(&self, id: PrincipalId, verb: VerbKind) -> bool {
        self.directory.grants.iter().any(|grant| {
            allows(grant.role, verb)
                && reaches(&grant.pattern, self.repository)
                && match &grant.to {
                    Grantee::Principal(to) => *to == id,
                    Grantee::Team(team) => self.directory.is_member(team, id),
                    Grantee::Anonymous => false,
                }
        })
    }

    fn is_hidden(&self) -> bool {
        self.repository.is_some()
            && !VerbKind::ALL
                .iter()
                .filter(|verb| verb.is_for_repository() || **verb == VerbKind::ListCatalog)
                .any(|verb| self.ground(*verb).is_some())
    }
}

/// Whether a pattern reaches the repository; the server as a whole is reached by `**` only.
fn reaches(pattern: &Pattern, repository: Option<&RepositoryName>) -> bool {
    match repository {
        Some(name) => pattern.matches(name),
        None => pattern.is_everything(),
    }
}

#[cfg(test)]
mod tests;
