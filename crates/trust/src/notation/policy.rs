//! The trust policy of notation, `trustpolicy.json` or `trustpolicy.oci.json`: which certificates are trusted for which repositories, and
//! how strictly. Deliberately not our own policy: it settles whether one signature is good, never how many are needed; and no
//! policies for files (`trustpolicy.blob.json`). trust-store-trust-policy "OCI Trust Policy".

use std::collections::{BTreeMap, BTreeSet};

use oci::RepositoryName;
use serde::Deserialize;

use super::identity::{IdentityError, TrustedIdentity};
use super::store::{StoreError, StoreKind, StoreName};
use crate::excerpt::excerpt;
use crate::strict::{self, JsonError};

/// The longest trust policy that is read, in bytes.
pub const TRUST_POLICY_BYTES_MAX: usize = 1024 * 1024;
/// The most statements in one trust policy.
pub const STATEMENTS_MAX: usize = 1000;

/// A trust policy that keeps the constraints of the specification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustPolicy {
    statements: Vec<Statement>,
}

/// What holds for some repositories.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// Its name.
    pub name: String,
    /// The repositories with their hosts, or `*` alone.
    pub scopes: Vec<String>,
    /// How strictly.
    pub level: Level,
    /// Whose roots are trusted.
    pub stores: Vec<StoreName>,
    /// Which subjects are trusted.
    pub identities: Vec<TrustedIdentity>,
    /// When a timestamp is looked at.
    pub verify_timestamp: VerifyTimestamp,
}

/// When a timestamp is looked at, if a `tsa` store is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum VerifyTimestamp {
    /// For each signature: without one, it fails.
    #[default]
    Always,
    /// Only when a certificate of the chain has expired.
    AfterCertExpiry,
}

/// What is done with each check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Nothing is verified.
    Skip,
    /// Integrity is enforced, and these others as they say.
    Verify(Actions),
}

/// What is done with each check beside integrity, which is always enforced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Actions {
    /// That a trusted identity signed.
    pub authenticity: Action,
    /// That it signed while its certificates were valid.
    pub authentic_timestamp: Action,
    /// That the signature has not passed its expiry.
    pub expiry: Action,
    /// That none of its certificates is revoked.
    pub revocation: Action,
}

/// What a failed check does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// The signature fails.
    Enforce,
    /// The failure is told, and the signature passes.
    Log,
    /// The check is not made.
    Skip,
}

impl Actions {
    /// The level `strict`.
    pub const STRICT: Self = Self::of(Action::Enforce, Action::Enforce, Action::Enforce);
    /// The level `permissive`.
    pub const PERMISSIVE: Self = Self::of(Action::Enforce, Action::Log, Action::Log);
    /// The level `audit`.
    pub const AUDIT: Self = Self::of(Action::Log, Action::Log, Action::Log);

    const fn of(authenticity: Action, authentic_timestamp: Action, rest: Action) -> Self {
        Self {
            authenticity,
            authentic_timestamp,
            expiry: rest,
            revocation: rest,
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Document {
    version: String,
    trust_policies: Vec<strict::Object<RawStatement>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RawStatement {
    name: String,
    registry_scopes: Vec<String>,
    signature_verification: strict::Object<RawVerification>,
    #[serde(default)]
    trust_stores: Vec<String>,
    #[serde(default)]
    trusted_identities: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RawVerification {
    level: String,
    #[serde(default, rename = "override")]
    changes: BTreeMap<String, Action>,
    #[serde(default)]
    verify_timestamp: VerifyTimestamp,
}

impl TrustPolicy {
    /// Reads a trust policy and checks all its constraints.
    pub fn parse(bytes: &[u8]) -> Result<Self, PolicyError> {
        let document: Document = strict::parse(bytes, TRUST_POLICY_BYTES_MAX)?;
        if document.version != "1.0" {
            return Err(PolicyError::Version(excerpt(&document.version)));
        }
        let raw = document.trust_policies;
        if raw.is_empty() || raw.len() > STATEMENTS_MAX {
            return Err(PolicyError::Statements { count: raw.len() });
        }
        let statements: Result<Vec<Statement>, PolicyError> =
            raw.into_iter().map(|raw| statement(raw.0)).collect();
        let statements = statements?;
        let mut names = BTreeSet::new();
        let mut scopes = BTreeSet::new();
        for statement in &statements {
            if !names.insert(&statement.name) {
                return Err(PolicyError::NameTwice(excerpt(&statement.name)));
            }
            // "There MUST be only one applicable trust policy", the global one beside.
            if let Some(scope) = statement.scopes.iter().find(|scope| !scopes.insert(*scope)) {
                return Err(PolicyError::ScopeTwice(excerpt(scope)));
            }
        }
        Ok(Self { statements })
    }

    /// The statement for a repository with its host, such as `registry.acme-rockets.io/software/net-monitor`: one that names it
    /// exactly, else the global one. Without any, no signature is trusted.
    #[must_use]
    pub fn statement_for(&self, repository: &str) -> Option<&Statement> {
        let with = |scope: &str| {
            let has = |statement: &&Statement| statement.scopes.iter().any(|one| one == scope);
            self.statements.iter().find(has)
        };
        let exact = if repository == GLOBAL {
            None
        } else {
            with(repository)
        };
        exact.or_else(|| with(GLOBAL))
    }

    /// All statements, in the order of the file.
    #[must_use]
    pub fn statements(&self) -> &[Statement] {
        &self.statements
    }
}

fn statement(raw: RawStatement) -> Result<Statement, PolicyError> {
    let name = excerpt(&raw.name);
    if raw.name.is_empty() {
        return Err(PolicyError::NoName);
    }
    check_scopes(&raw.registry_scopes, &name)?;
    let verification = raw.signature_verification.0;
    let level = level(&verification.level, &verification.changes, &name)?;
    let stores: Result<Vec<_>, _> = raw
        .trust_stores
        .iter()
        .map(|text| StoreName::parse(text))
        .collect();
    let identities: Result<Vec<_>, _> = raw
        .trusted_identities
        .iter()
        .map(|text| TrustedIdentity::parse(text))
        .collect();
    let statement = Statement {
        name: raw.name,
        scopes: raw.registry_scopes,
        level,
        stores: stores?,
        identities: identities?,
        verify_timestamp: verification.verify_timestamp,
    };
    check_trust(&statement, name)?;
    Ok(statement)
}

/// Either `*` alone, or repositories with their hosts.
fn check_scopes(scopes: &[String], name: &str) -> Result<(), PolicyError> {
    let is_global = scopes.iter().any(|scope| scope == GLOBAL);
    if scopes.is_empty() || (is_global && scopes.len() > 1) {
        return Err(PolicyError::Scopes {
            name: name.to_owned(),
        });
    }
    let is_repository = |scope: &str| {
        let (host, repository) = scope.split_once('/').unwrap_or_default();
        let is_host = |b: u8| b.is_ascii_alphanumeric() || b"-.:[]_".contains(&b);
        !host.is_empty() && host.bytes().all(is_host) && RepositoryName::parse(repository).is_ok()
    };
    let wrong = scopes
        .iter()
        .find(|scope| *scope != GLOBAL && !is_repository(scope));
    match wrong {
        Some(scope) => Err(PolicyError::Scope(excerpt(scope))),
        None => Ok(()),
    }
}

fn level(
    level: &str,
    changes: &BTreeMap<String, Action>,
    name: &str,
) -> Result<Level, PolicyError> {
    let mut actions = match level {
        "strict" => Actions::STRICT,
        "permissive" => Actions::PERMISSIVE,
        "audit" => Actions::AUDIT,
        "skip" if changes.is_empty() => return Ok(Level::Skip),
        "skip" => {
            return Err(PolicyError::SkipOverride {
                name: name.to_owned(),
            });
        }
        other => return Err(PolicyError::Level(excerpt(other))),
    };
    for (check, action) in changes {
        let place = match check.as_str() {
            "authenticity" => &mut actions.authenticity,
            "authenticTimestamp" => &mut actions.authentic_timestamp,
            "expiry" => &mut actions.expiry,
            "revocation" => &mut actions.revocation,
            _ => return Err(PolicyError::Override(excerpt(check))),
        };
        // Only revocation may be skipped.
        if *action == Action::Skip && check != "revocation" {
            return Err(PolicyError::Override(excerpt(check)));
        }
        *place = *action;
    }
    Ok(Level::Verify(actions))
}

fn check_trust(statement: &Statement, name: String) -> Result<(), PolicyError> {
    let (stores, identities) = (&statement.stores, &statement.identities);
    if statement.level == Level::Skip {
        if statement.scopes.iter().any(|scope| scope == GLOBAL) {
            return Err(PolicyError::SkipEverything { name });
        }
        if !stores.is_empty() || !identities.is_empty() {
            return Err(PolicyError::SkipWithTrust { name });
        }
        return Ok(());
    }
    let signs = |store: &StoreName| store.kind() != StoreKind::Tsa;
    if !stores.iter().any(signs) || identities.is_empty() {
        return Err(PolicyError::NoTrust { name });
    }
    let everybody = identities.contains(&TrustedIdentity::Everybody);
    let overlaps = |at: usize, one: &TrustedIdentity| {
        let mut others = identities.iter().skip(at + 1);
        others.any(|two| one.overlaps(two))
    };
    if (everybody && identities.len() > 1)
        || identities
            .iter()
            .enumerate()
            .any(|(at, one)| overlaps(at, one))
    {
        return Err(PolicyError::Overlap { name });
    }
    Ok(())
}

/// Why a trust policy is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// Not the JSON that is needed.
    #[error("the trust policy cannot be read: {0}")]
    Json(#[from] JsonError),
    /// Another version.
    #[error("the trust policy has the version `{0}`: `1.0` is known")]
    Version(String),
    /// No statements, or too many.
    #[error("the trust policy has {count} statements: between 1 and {STATEMENTS_MAX} are taken")]
    Statements {
        /// How many there are.
        count: usize,
    },
    /// A statement without a name.
    #[error("a statement of the trust policy has no name")]
    NoName,
    /// Two statements of one name.
    #[error("two statements of the trust policy are named `{0}`")]
    NameTwice(String),
    /// Two statements for one repository.
    #[error("two statements of the trust policy have the scope `{0}`")]
    ScopeTwice(String),
    /// No scopes, or others beside `*`.
    #[error("the statement `{name}` needs scopes: repositories, or `*` alone")]
    Scopes {
        /// Its name.
        name: String,
    },
    /// Not a repository with its host.
    #[error(
        "the scope `{0}` is not a repository with its host, such as `docker.io/library/alpine`"
    )]
    Scope(String),
    /// Not a level.
    #[error("the level `{0}` is not known: write `strict`, `permissive`, `audit` or `skip`")]
    Level(String),
    /// Not a check that can be overridden, or not so.
    #[error(
        "`{0}` cannot be overridden so: `authenticity`, `authenticTimestamp`, `expiry` with `enforce` or `log`, `revocation` also with `skip`"
    )]
    Override(String),
    /// `skip` with an override.
    #[error("the statement `{name}` overrides the level `skip`, which has nothing to override")]
    SkipOverride {
        /// Its name.
        name: String,
    },
    /// `skip` for all repositories.
    #[error("the statement `{name}` skips everything: `skip` needs repositories, not `*`")]
    SkipEverything {
        /// Its name.
        name: String,
    },
    /// `skip` with somebody trusted.
    #[error(
        "the statement `{name}` skips verification and names trust stores or identities: remove one of the two"
    )]
    SkipWithTrust {
        /// Its name.
        name: String,
    },
    /// Nobody is trusted.
    #[error(
        "the statement `{name}` needs a trust store `ca:…` or `signingAuthority:…`, and trusted identities"
    )]
    NoTrust {
        /// Its name.
        name: String,
    },
    /// Two identities for one subject.
    #[error(
        "the statement `{name}` has trusted identities that overlap: leave the wider one alone, or remove it"
    )]
    Overlap {
        /// Its name.
        name: String,
    },
    /// A trust store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A trusted identity.
    #[error(transparent)]
    Identity(#[from] IdentityError),
}

const GLOBAL: &str = "*";

#[cfg(test)]
mod tests;
