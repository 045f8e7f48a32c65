//! The form of a managed repository, checked on the whole of what an update leaves behind, and not only on what it brings: a
//! repository that a policy began to cover may hold anything.

use std::collections::{BTreeMap, BTreeSet};

use super::fault::{Fault, Next};
use crate::key::KeyId;
use crate::tuf::gun::Gun;
use crate::tuf::key::Key;
use crate::tuf::metadata::{DelegatedRole, Root, Targets};
use crate::tuf::publish::{Accepted, Current, Held, Refusal, stored};
use crate::tuf::role::RoleName;

/// What the caller knows, and a trust repository does not say.
#[derive(Clone, Copy)]
pub struct Rules<'a> {
    /// Whether a policy of this repository has a stage of this name.
    pub is_stage: &'a dyn Fn(&str) -> bool,
    /// Whose registered key this is, in words that nobody else has.
    pub owner: &'a dyn Fn(&KeyId) -> Option<String>,
}

/// What a repository is, as far as the server's own file is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// There is no root yet.
    None,
    /// Its owner writes `targets/releases`, or nobody.
    Plain,
    /// The server does.
    Managed,
}

/// What a repository is now. Whoever reads only some files of it reads `root` and `targets` for this.
#[must_use]
pub fn form_of(current: &Current, held: &Held) -> Form {
    if current.file(&RoleName::Root).is_none() {
        return Form::None;
    }
    match held.in_use(&RoleName::releases(), current) {
        Some(_) => Form::Managed,
        None => Form::Plain,
    }
}

/// Refuses files that the server alone writes, before anything is read: nobody else has a key for them.
///
/// # Errors
/// One of the roles is the server's.
pub fn check_parts<'a>(
    gun: &Gun,
    roles: impl IntoIterator<Item = &'a RoleName>,
    current: &Current,
    held: &Held,
) -> Result<(), Refusal> {
    let is_servers = |role: &&RoleName| role.is_releases() || **role == RoleName::Snapshot;
    match roles.into_iter().find(is_servers) {
        None => Ok(()),
        Some(role) => Err(Refusal::NotManaged {
            fault: Fault::Uploaded(role.clone()),
            next: Next::after(&form_of(current, held), gun),
        }),
    }
}

/// What the roles above say of a delegation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delegated {
    /// Whose signatures it takes, by the ids that accounts know keys by.
    pub keys: BTreeSet<KeyId>,
    /// What its tags must begin with: one of each of these.
    paths: Vec<Vec<String>>,
}

impl Delegated {
    fn new(keys: &[&Key], paths: Vec<Vec<String>>) -> Self {
        let keys = keys.iter().filter_map(|key| bare(key));
        Self {
            keys: keys.collect(),
            paths,
        }
    }

    /// Whether every role above allows it to list this tag. Its file may list others, which say nothing.
    #[must_use]
    pub fn may_list(&self, tag: &str) -> bool {
        let mut above = self.paths.iter();
        above.all(|paths| paths.iter().any(|path| tag.starts_with(path.as_str())))
    }
}

/// Every delegation that can be reached from `targets`, but `targets/releases`.
///
/// # Errors
/// A file cannot be read.
pub fn delegated(current: &Current) -> Result<BTreeMap<RoleName, Delegated>, Refusal> {
    Ok(Files::of(current, BTreeMap::new())?.delegated())
}

/// The files that an update leaves behind, as far as they say who signs.
pub(super) struct After {
    pub(super) root: Root,
    files: Files,
}

impl After {
    pub(super) fn of(accepted: &Accepted, current: &Current) -> Result<Self, Refusal> {
        let came = accepted.uploaded().iter();
        let came = came.filter_map(|one| Some((one.file.role.clone(), one.targets.clone()?)));
        Ok(Self {
            root: accepted.root().clone(),
            files: Files::of(current, came.collect())?,
        })
    }

    pub(super) fn targets(&self) -> Option<&Targets> {
        self.files.0.get(&RoleName::Targets)
    }

    pub(super) fn delegated(&self) -> BTreeMap<RoleName, Delegated> {
        self.files.delegated()
    }
}

/// `targets`, what it delegates to, and what those delegate to: two levels.
struct Files(BTreeMap<RoleName, Targets>);

type Delegation<'a> = (&'a DelegatedRole, Vec<&'a Key>);

impl Files {
    fn of(current: &Current, came: BTreeMap<RoleName, Targets>) -> Result<Self, Refusal> {
        let mut files = Self(came);
        let mut level = vec![RoleName::Targets];
        for _ in 0..LEVELS {
            let mut next = Vec::new();
            for role in level {
                files.add(&role, current)?;
                next.extend(
                    files
                        .below(&role)
                        .iter()
                        .map(|(below, _)| below.name.clone()),
                );
            }
            level = next;
        }
        Ok(files)
    }

    fn add(&mut self, role: &RoleName, current: &Current) -> Result<(), Refusal> {
        if !self.0.contains_key(role)
            && let Some(targets) = stored(role, current)?
        {
            self.0.insert(role.clone(), targets);
        }
        Ok(())
    }

    fn delegated(&self) -> BTreeMap<RoleName, Delegated> {
        let mut found = BTreeMap::new();
        for (role, keys) in self.below(&RoleName::Targets) {
            let paths = vec![role.paths.clone()];
            for (below, keys) in self.below(&role.name) {
                let paths = [paths.as_slice(), &[below.paths.clone()]].concat();
                found.insert(below.name.clone(), Delegated::new(&keys, paths));
            }
            found.insert(role.name.clone(), Delegated::new(&keys, paths));
        }
        found
    }

    /// What a role delegates to, with the keys, but for the server's own.
    fn below(&self, role: &RoleName) -> Vec<Delegation<'_>> {
        let delegations = self.0.get(role).map(|targets| &targets.delegations);
        let roles = delegations.into_iter().flat_map(|delegations| {
            let keys = &delegations.keys;
            delegations.roles.iter().map(move |role| {
                let ids = role.keys.keyids.iter();
                (role, ids.filter_map(|id| keys.get(id)).collect())
            })
        });
        roles.filter(|(role, _)| !role.name.is_releases()).collect()
    }
}

/// Checks the whole form. `before` says which delegations were there already: they outlive the stage that they were named for.
pub(super) fn check(
    after: &After,
    before: &Current,
    held: &Held,
    rules: &Rules<'_>,
) -> Result<(), Fault> {
    let mut snapshot = after.root.keys_of(&RoleName::Snapshot).peekable();
    if snapshot.peek().is_none() || !snapshot.all(|key| held.snapshot.contains(key)) {
        return Err(Fault::SnapshotKey);
    }
    let targets = after.targets().ok_or(Fault::Releases)?;
    if let Some(tag) = targets.targets.keys().next() {
        return Err(Fault::Listed(tag.clone()));
    }
    if held.releasing(targets).is_none() {
        return Err(Fault::Releases);
    }
    let owner_keys: Vec<&Key> = after.root.keys_of(&RoleName::Targets).collect();
    for (role, keys) in after.files.below(&RoleName::Targets) {
        let below = after.files.below(&role.name);
        match is_group(&keys, &owner_keys, &below) {
            true => check_group(after, role)?,
            false => check_signer(role, &keys, rules)?,
        }
        for (below, keys) in below {
            check_stage(&role.name, &below.name, before, rules)?;
            check_signer(below, &keys, rules)?;
            if let Some((deeper, _)) = after.files.below(&below.name).first() {
                return Err(Fault::NoStage(deeper.name.clone()));
            }
        }
    }
    Ok(())
}

/// The owner may keep the delegation of a stage whose signers are below it, with the keys of `targets`, and signs nothing with it.
fn is_group(keys: &[&Key], owner_keys: &[&Key], below: &[Delegation<'_>]) -> bool {
    !below.is_empty() && !keys.is_empty() && keys.iter().all(|key| owner_keys.contains(key))
}

fn check_group(after: &After, role: &DelegatedRole) -> Result<(), Fault> {
    check_paths(role)?;
    let listed = after.files.0.get(&role.name);
    match listed.and_then(|listed| listed.targets.keys().next()) {
        None => Ok(()),
        Some(tag) => Err(Fault::Group {
            role: role.name.clone(),
            tag: tag.clone(),
        }),
    }
}

fn check_signer(role: &DelegatedRole, keys: &[&Key], rules: &Rules<'_>) -> Result<(), Fault> {
    check_paths(role)?;
    let mut first: Option<String> = None;
    for key in keys {
        let owner = bare(key).and_then(|id| (rules.owner)(&id));
        let owner = owner.ok_or_else(|| Fault::Unregistered {
            role: role.name.clone(),
            key: key.id().clone(),
        })?;
        match &first {
            Some(first) if *first != owner => {
                return Err(Fault::Owners {
                    role: role.name.clone(),
                    owner: first.clone(),
                    other: owner,
                });
            }
            _ => first = Some(owner),
        }
    }
    match first {
        Some(_) => Ok(()),
        None => Err(Fault::NoKey(role.name.clone())),
    }
}

/// Every tag, and one way to say so.
fn check_paths(role: &DelegatedRole) -> Result<(), Fault> {
    match role.paths == [""] {
        true => Ok(()),
        false => Err(Fault::Paths(role.name.clone())),
    }
}

fn check_stage(
    group: &RoleName,
    role: &RoleName,
    before: &Current,
    rules: &Rules<'_>,
) -> Result<(), Fault> {
    let named = match group {
        RoleName::Delegation(delegation) => (rules.is_stage)(delegation.last()),
        _ => false,
    };
    let was_there = || {
        let before = stored::<Targets>(group, before).ok().flatten();
        before.is_some_and(|before| before.delegations.role(role).is_some())
    };
    match named || was_there() {
        true => Ok(()),
        false => Err(Fault::NoStage(role.clone())),
    }
}

/// The id by which accounts know a key; none for kinds that nobody can register.
pub(super) fn bare(key: &Key) -> Option<KeyId> {
    Some(key.to_public_key().ok()?.id().clone())
}

/// `targets`, its delegations, those of a stage, and one more to see that nothing is below them.
const LEVELS: usize = 3;
