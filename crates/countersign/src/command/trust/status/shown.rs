//! What `status` says, for programs; and the words of it that people read.

use crate::command::trust::ending::Ending;
use crate::command::trust::form::ServerKeys;
use crate::command::trust::keyring::Keyring;
use crate::command::trust::registered::Registered;
use serde::Serialize;
use trust::tuf::client::Believed;
use trust::tuf::{Content, DelegatedRole, Key, RELEASES, RoleKeys, RoleName};

/// A trust repository. Times are milliseconds since the epoch.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::command::trust) struct Status {
    pub(super) gun: String,
    pub(super) repository: String,
    pub(super) form: Form,
    /// The policies that cover it; absent where the caller may not see policies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) policies: Option<Vec<String>>,
    pub(super) roles: Vec<Role>,
    pub(in crate::command::trust) signers: Vec<Signer>,
    /// What docker pulls.
    pub(super) released: Vec<Released>,
}

/// Who decides what is released.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Form {
    /// The server, by its gates.
    Managed,
    /// Its owners.
    Plain,
    /// Its owners; a policy covers it, so that the next update has to hand it over.
    ToBeManaged,
}

/// A role that a root names.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Role {
    pub(super) role: String,
    pub(super) version: i64,
    pub(super) ends_at: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) warning: Option<&'static str>,
    pub(super) threshold: u32,
    pub(super) keys: Vec<RoleKey>,
}

/// A key of such a role.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RoleKey {
    /// The id of the bare key, by which its file is named.
    pub(super) id: String,
    #[serde(rename = "type")]
    pub(super) kind: String,
    /// Where the private key is, as far as is known: `server`, `countersign`, `docker` or `named`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) held_by: Option<&'static str>,
}

/// A delegation.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::command::trust) struct Signer {
    pub(super) name: String,
    pub(super) role: String,
    pub(super) threshold: u32,
    pub(super) keys: Vec<SignerKey>,
    /// Absent until something is signed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) version: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ends_at: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) warning: Option<&'static str>,
    /// Why readers pass over it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) problem: Option<String>,
    pub(super) tags: usize,
}

/// A signer's key, and whose it is as far as the caller may see.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SignerKey {
    pub(super) id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) principal: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) revoked_at: Option<i64>,
}

/// A tag, as docker finds it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Released {
    pub(super) tag: String,
    pub(super) digest: String,
    /// In bytes.
    pub(super) length: u64,
    /// The role that lists it.
    pub(super) by: String,
}

/// What is known besides what is published.
#[derive(Clone, Copy)]
pub(super) struct Sources<'a> {
    pub(super) keyring: &'a Keyring,
    pub(super) registered: &'a Registered,
    pub(super) server: &'a ServerKeys,
    pub(super) now: i64,
}

/// The four roles of the root, and `targets/releases` where it is the server's.
pub(super) fn roles(believed: &Believed, sources: &Sources<'_>) -> Vec<Role> {
    let root = believed.root().content();
    let targets = believed.roles().first().map(|role| role.targets());
    let files = [
        (RoleName::Root, root.version, root.ends()),
        (
            RoleName::Targets,
            targets.map_or(0, Content::version),
            targets.map_or(0, Content::expires),
        ),
        version_and_end(RoleName::Snapshot, believed.snapshot().content()),
        version_and_end(RoleName::Timestamp, believed.timestamp().content()),
    ];
    let listed = files.into_iter().map(|(role, version, ends_at)| Role {
        version,
        ends_at,
        warning: Ending::of(&role, ends_at, sources.now).word(),
        threshold: root.role(&role).map_or(1, |keys| keys.threshold),
        keys: root
            .keys_of(&role)
            .map(|key| role_key(&role, key, sources))
            .collect(),
        role: role.to_string(),
    });
    listed.collect()
}

fn version_and_end(role: RoleName, content: &impl Content) -> (RoleName, i64, i64) {
    (role, content.version(), content.expires())
}

fn role_key(role: &RoleName, key: &Key, sources: &Sources<'_>) -> RoleKey {
    let is_servers = *role == RoleName::Timestamp || sources.server.snapshot.as_ref() == Some(key);
    let held_by = match is_servers {
        true => Some("server"),
        false => sources.keyring.holder(key).map(|holder| holder.as_str()),
    };
    RoleKey {
        id: key.canonical_id().unwrap_or(key.id().clone()).to_string(),
        kind: key.keytype().as_str().to_owned(),
        held_by,
    }
}

/// Delegations of every depth.
pub(super) fn signers(believed: &Believed, sources: &Sources<'_>) -> Vec<Signer> {
    let mut signers = Vec::new();
    for parent in believed.roles() {
        let delegations = &parent.targets().delegations;
        for role in &delegations.roles {
            let keys = |role: &RoleKeys| {
                let ids = role.keyids.iter();
                let keys = ids.filter_map(|id| delegations.keys.get(id));
                keys.map(|key| signer_key(key, sources)).collect()
            };
            signers.push(signer(role, keys(&role.keys), believed, sources));
        }
    }
    signers
}

fn signer(
    role: &DelegatedRole,
    keys: Vec<SignerKey>,
    believed: &Believed,
    sources: &Sources<'_>,
) -> Signer {
    let file = believed
        .roles()
        .iter()
        .find(|file| *file.name() == role.name);
    let file = file.map(|file| file.targets());
    let mut disregarded = believed.disregarded().iter();
    let problem = disregarded.find(|(name, _)| *name == role.name);
    let name = role.name.as_str();
    Signer {
        name: name.strip_prefix("targets/").unwrap_or(name).to_owned(),
        role: name.to_owned(),
        threshold: role.keys.threshold,
        keys,
        version: file.map(Content::version),
        ends_at: file.map(Content::expires),
        warning: file.and_then(|file| Ending::of(&role.name, file.expires, sources.now).word()),
        problem: problem.map(|(_, problem)| problem.to_string()),
        tags: file.map_or(0, |file| file.targets.len()),
    }
}

fn signer_key(key: &Key, sources: &Sources<'_>) -> SignerKey {
    let known = sources.registered.of(key);
    let is_servers = sources.server.releases.as_ref() == Some(key);
    SignerKey {
        id: key.canonical_id().unwrap_or(key.id().clone()).to_string(),
        principal: match is_servers {
            true => Some("the server".to_owned()),
            false => known.map(|known| known.principal.clone()),
        },
        name: known.map(|known| known.name.clone()),
        revoked_at: known.and_then(|known| known.revoked_at),
    }
}

/// What docker pulls: from `targets/releases`, else from `targets`.
pub(super) fn released(believed: &Believed) -> Vec<Released> {
    let of_docker = |role: &&trust::tuf::client::BelievedRole| {
        *role.name() == RoleName::Targets || role.name().as_str() == RELEASES
    };
    let roles = believed.roles().iter().filter(of_docker);
    let mut tags: Vec<&str> = roles
        .flat_map(|role| role.targets().targets.keys().map(String::as_str))
        .collect();
    tags.sort_unstable();
    tags.dedup();
    let found = tags.into_iter().filter_map(|tag| {
        let entry = believed.target(tag)?;
        Some(Released {
            tag: tag.to_owned(),
            digest: format!("sha256:{}", entry.file.sha256_hex()?),
            length: entry.file.length,
            by: entry.role.to_string(),
        })
    });
    found.collect()
}

impl Form {
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Managed => "managed, the server releases what its gates allow",
            Self::Plain => "plain, its owners release",
            Self::ToBeManaged => "plain and to be managed, its owners release",
        }
    }
}

impl Role {
    /// The end, for people.
    pub(super) fn end_in_words(&self, now: i64) -> String {
        in_words(&self.role, self.ends_at, now)
    }

    pub(super) fn keys_in_words(&self) -> String {
        let shown = self.keys.iter().map(|key| {
            let held_by = key
                .held_by
                .map_or_else(String::new, |by| format!(" ({by})"));
            format!("{}{held_by}", short(&key.id))
        });
        with_threshold(shown.collect(), self.threshold)
    }
}

impl Signer {
    pub(super) fn keys_in_words(&self) -> String {
        let shown = self.keys.iter().map(|key| {
            let revoked = key.revoked_at.map_or("", |_| " (revoked)");
            format!("{}{revoked}", short(&key.id))
        });
        with_threshold(shown.collect(), self.threshold)
    }

    /// The end, for people, or why there is none to speak of.
    pub(super) fn end_in_words(&self, now: i64) -> String {
        match (&self.problem, self.ends_at) {
            (Some(problem), _) => problem.clone(),
            (None, Some(end)) => in_words(&self.role, end, now),
            (None, None) => "nothing signed yet".to_owned(),
        }
    }

    /// Whose the keys are, each once.
    pub(super) fn whose(&self) -> String {
        let mut names: Vec<&str> = self
            .keys
            .iter()
            .map(|key| key.principal.as_deref().unwrap_or("?"))
            .collect();
        names.dedup();
        names.join(", ")
    }
}

impl Status {
    /// What somebody should do.
    pub(super) fn advice(&self) -> Vec<String> {
        let gun = &self.gun;
        let mut advice = Vec::new();
        for role in self.roles.iter().filter(|role| role.warning.is_some()) {
            advice.push(match role.role.as_str() {
                "timestamp" => {
                    "the server has not signed its timestamp again: look into its log".to_owned()
                }
                name => format!(
                    "{name} ends soon or has ended.\n  next: countersign trust rotate {name} {gun}"
                ),
            });
        }
        let ending = self
            .signers
            .iter()
            .filter(|signer| signer.warning.is_some());
        advice.extend(ending.map(|signer| {
            format!(
                "{} ends soon or has ended: {} has to sign again, as with `docker trust sign`.",
                signer.role, signer.name
            )
        }));
        if self.form == Form::ToBeManaged {
            advice.push(format!(
                "A policy covers it: nothing else is taken before it is managed.\n  next: countersign trust manage {gun}"
            ));
        }
        advice
    }
}

fn in_words(role: &str, end: i64, now: i64) -> String {
    let role = role.parse().unwrap_or(RoleName::Targets);
    Ending::of(&role, end, now).shown(end)
}

fn with_threshold(keys: Vec<String>, threshold: u32) -> String {
    let keys = keys.join(", ");
    match threshold {
        1 => keys,
        threshold => format!("{threshold} of {keys}"),
    }
}

fn short(id: &str) -> &str {
    id.get(..12).unwrap_or(id)
}

#[cfg(test)]
mod tests;
