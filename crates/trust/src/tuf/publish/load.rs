//! Reads a repository's files from the root down, as far as an update needs them: what came with it, and above that what is
//! current. Each file is checked against the one above it before the next is looked at.

use std::collections::BTreeMap;

use super::current::Current;
use super::refusal::Refusal;
use crate::tuf::gun::Gun;
use crate::tuf::material::Material;
use crate::tuf::metadata::{Content, Root, Targets};
use crate::tuf::problem::Problem;
use crate::tuf::role::RoleName;
use crate::tuf::signed::Document;
use crate::tuf::verify::{self, Trusted};

/// What has been read and believed so far.
pub(super) struct Loaded<'a> {
    pub(super) current: &'a Current,
    pub(super) now: i64,
    pub(super) root: Trusted<Root>,
    /// `targets` and delegations: those of the update, and those above them.
    pub(super) targets: BTreeMap<RoleName, Trusted<Targets>>,
}

impl<'a> Loaded<'a> {
    /// Begins with the root: the one of the update, or the current one.
    pub(super) fn begin(
        gun: &Gun,
        update: Option<Document>,
        current: &'a Current,
        now: i64,
    ) -> Result<Self, Refusal> {
        // A root that was taken once may rest on certificates that have ended since: a new root can still follow it.
        let certificates_at = if update.is_some() { None } else { Some(now) };
        let stored = stored_root(gun, current, certificates_at)?;
        let root = match (update, stored) {
            (Some(document), stored) => new_root(gun, document, stored.as_ref(), now),
            (None, Some(stored)) => return Ok(Self::with(stored, current, now)),
            (None, None) => return Err(Refusal::NoRoot),
        };
        Ok(Self::with(root.map_err(Refusal::BadRoot)?, current, now))
    }

    fn with(root: Trusted<Root>, current: &'a Current, now: i64) -> Self {
        Self {
            current,
            now,
            root,
            targets: BTreeMap::new(),
        }
    }

    /// Reads a file of the update for `targets` or a delegation, after what is above it.
    pub(super) fn add_targets(
        &mut self,
        role: &RoleName,
        document: Document,
    ) -> Result<(), Refusal> {
        self.load_ancestors(role)?;
        let targets = self.read_targets(role, document);
        let targets = targets.and_then(|targets| {
            verify::not_expired(role, targets.content().expires, self.now)?;
            certificates_are_readable(targets.content())?;
            Ok(targets)
        });
        let targets = targets.map_err(Refusal::BadTargets)?;
        self.targets.insert(role.clone(), targets);
        Ok(())
    }

    /// The files above a role come from what is current, unless the update brought them. One that is not there is left
    /// out: what is below it then has no parent.
    fn load_ancestors(&mut self, role: &RoleName) -> Result<(), Refusal> {
        let mut missing = Vec::new();
        let mut above = role.parent();
        while let Some(role) = above {
            above = role.parent();
            if !self.targets.contains_key(&role) {
                missing.push(role);
            }
        }
        for role in missing.into_iter().rev() {
            let Some(bytes) = self.current.file(&role) else {
                continue;
            };
            let document = Document::parse(bytes.to_vec()).map_err(Problem::Json);
            let targets = document.and_then(|document| self.read_targets(&role, document));
            let targets = targets.map_err(|problem| Refusal::stored(&role, problem))?;
            self.targets.insert(role, targets);
        }
        Ok(())
    }

    fn read_targets(
        &self,
        role: &RoleName,
        document: Document,
    ) -> Result<Trusted<Targets>, Problem> {
        let Some(parent) = role.parent() else {
            return verify::base(role, self.root.content(), document.read(role)?);
        };
        let delegating = self.targets.get(&parent);
        let delegating = delegating.ok_or_else(|| Problem::NoParent {
            role: role.clone(),
            parent: parent.clone(),
        })?;
        let signed = document.read(role)?;
        verify::delegation(role, &parent, delegating.content(), signed)
    }
}

/// docker lists signers by the keys inside their certificates, and lists nobody, nor removes anybody, if one of them cannot be read.
fn certificates_are_readable(targets: &Targets) -> Result<(), Problem> {
    let mut keys = targets.delegations.keys.values();
    let damaged = keys.find(|key| key.keytype().is_certificate() && Material::of(key).is_none());
    match damaged {
        Some(key) => Err(Problem::Certificate {
            key: key.id().clone(),
        }),
        None => Ok(()),
    }
}

/// The current root, which may have expired.
pub(in crate::tuf) fn stored_root(
    gun: &Gun,
    current: &Current,
    certificates_at: Option<i64>,
) -> Result<Option<Trusted<Root>>, Refusal> {
    let Some(bytes) = current.file(&RoleName::Root) else {
        return Ok(None);
    };
    let document = Document::parse(bytes.to_vec()).map_err(Problem::Json);
    let signed = document.and_then(|document| document.read(&RoleName::Root));
    let root = signed.and_then(|signed| verify::root(gun, signed, None, certificates_at));
    root.map(Some)
        .map_err(|problem| Refusal::stored(&RoleName::Root, problem))
}

/// Reads a current file, without checking its signatures, which it was taken with: they may be by keys that have been replaced since.
pub(in crate::tuf) fn stored<T: Content>(
    role: &RoleName,
    current: &Current,
) -> Result<Option<T>, Refusal> {
    let Some(bytes) = current.file(role) else {
        return Ok(None);
    };
    let document = Document::parse(bytes.to_vec()).map_err(Problem::Json);
    let signed = document.and_then(|document| document.read::<T>(role));
    let (_, content) = signed
        .map_err(|problem| Refusal::stored(role, problem))?
        .into_parts();
    Ok(Some(content))
}

fn new_root(
    gun: &Gun,
    document: Document,
    stored: Option<&Trusted<Root>>,
    now: i64,
) -> Result<Trusted<Root>, Problem> {
    // A repository without a root counts as if it had version 1.
    let current = stored.map_or(1, |stored| stored.content().version);
    let version = document.version(&RoleName::Root)?;
    if version != current && version != current.saturating_add(1) {
        return Err(Problem::RootVersion { version, current });
    }
    let signed = document.read(&RoleName::Root)?;
    let previous = stored.map(Trusted::content);
    let root = verify::root(gun, signed, previous, Some(now))?;
    verify::not_expired(&RoleName::Root, root.content().expires, now)?;
    Ok(root)
}
