//! `countersign trust rotate`: another key for a role, by a new root. Readers who know the old root follow to the new one, so that nothing is
//! to be done at theirs.

use super::form::{Missing, ServerKeys};
use super::keyring::{KeyFlags, Keyring, Place, Purpose};
use super::pen::{self, Pen};
use super::repository::{self, Repository};
use super::signer;
use crate::command::key::files;
use crate::context::ServerFlags;
use crate::output;
use anyhow::{Context, Result, bail};
use clap::Subcommand;
use oci::ImageReference;
use std::path::PathBuf;
use trust::tuf::{Gun, Key, RELEASES, RoleName, Root, Targets, author};

#[derive(Debug, Subcommand)]
pub(crate) enum Rotate {
    /// Replace a root key: it is stolen, or about to end. The old root key signs the new root.
    #[command(
        after_help = "Docker's clients follow by themselves. A root key may be shared by several repositories: rotate it in each of them, in the \
        first to a key that is made, in the others to the same one with `--new-key`. A new key is put where the old one is, also in docker's \
        folder.\n\n\
        Examples:\n  countersign trust rotate root registry.example:5000/shop/web\n  \
        countersign trust rotate root --new-key ~/.config/countersign/trust/root/ID.key registry.example:5000/shop/tools"
    )]
    Root(Owners),
    /// Replace a targets key: it is lost or stolen. The root key signs that.
    #[command(
        after_help = "Example:\n  countersign trust rotate targets --keys /media/stick registry.example:5000/shop/web"
    )]
    Targets(Owners),
    /// Let the server sign snapshots with a new key of its own; also where they were signed by the owner so far.
    Snapshot(Servers),
    /// Let the server sign timestamps with a new key of its own.
    Timestamp(Servers),
    /// Let the server sign `targets/releases` of a managed repository with a new key of its own. The targets key signs that.
    #[command(
        after_help = "What is released stays. The role `maintainer` is needed, and the targets key.\n\nExample:\n  \
        countersign trust rotate releases registry.example:5000/shop/web"
    )]
    Releases(Releases),
}

/// A role whose key an owner has.
#[derive(Debug, clap::Args)]
pub(crate) struct Owners {
    /// The repository, as its images are called, without a tag.
    repository: ImageReference,
    /// The new key, in a file that you have; otherwise one is made.
    #[arg(long, value_name = "FILE")]
    new_key: Option<PathBuf>,
    /// Put the new key where docker keeps its own, and as docker does, also if the old one is elsewhere.
    #[arg(long, conflicts_with = "new_key")]
    docker: bool,
    /// Where the role has several keys: the one to replace, by the beginning of its id.
    #[arg(long, value_name = "ID")]
    replace: Option<String>,
    #[command(flatten)]
    keys: KeyFlags,
}

/// A role whose key the server has.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "The role `maintainer` is needed, and the root key.\n\nExample:\n  \
    countersign trust rotate timestamp registry.example:5000/shop/web"
)]
pub(crate) struct Servers {
    /// The repository, as its images are called, without a tag.
    repository: ImageReference,
    #[command(flatten)]
    keys: KeyFlags,
}

/// The server's list of what is released.
#[derive(Debug, clap::Args)]
pub(crate) struct Releases {
    /// The repository, as its images are called, without a tag.
    repository: ImageReference,
    #[command(flatten)]
    keys: KeyFlags,
}

impl Rotate {
    pub(super) async fn run(self, server: &ServerFlags) -> Result<()> {
        match self {
            Self::Root(owners) => owners.run(Purpose::Root, server).await,
            Self::Targets(owners) => owners.run(Purpose::Targets, server).await,
            Self::Snapshot(servers) => servers.run(&RoleName::Snapshot, server).await,
            Self::Timestamp(servers) => servers.run(&RoleName::Timestamp, server).await,
            Self::Releases(releases) => releases.run(server).await,
        }
    }
}

impl Owners {
    async fn run(self, purpose: Purpose, server: &ServerFlags) -> Result<()> {
        let role = purpose.role();
        let repository = Repository::named(&self.repository, server)?;
        let believed = repository.published().await?;
        let (now, before) = (repository.now(), repository::root(&believed));
        let old = replaced(before, &role, self.replace.as_deref())?.clone();
        let mut pen = Pen::new(Keyring::new(&self.keys)?)?;
        pen.open_root(before)?;
        let (new, file) = self.new_key(&mut pen, purpose, &old, repository.gun())?;
        let new = in_root(&pen, repository.gun(), &role, new, now)?;
        let root = with_key(before, &role, &old, &new, now);
        let mut update = vec![(RoleName::Root, pen.root(&root, Some(before))?)];
        if purpose == Purpose::Targets {
            let targets = repository::targets(&believed)?.clone();
            let mut targets = author::next(&RoleName::Targets, targets, now);
            let files = believed.roles().iter();
            let files = files.map(|file| (file.name(), file.targets()));
            let groups = follow(&mut targets, files, &old, &new, now);
            update.push((RoleName::Targets, pen.targets(&targets, &root)?));
            for (role, group) in groups {
                update.push((role, pen.targets(&group, &root)?));
            }
        }
        if let Err(error) = repository.publish(&update).await {
            output::note(format!(
                "note: the new key is in `{}`; whether it is in use, `countersign trust status {}` says",
                file.display(),
                repository.gun()
            ));
            return Err(error);
        }
        output::line(format!(
            "{} has the {role} key {} instead of {}.",
            repository.gun(),
            pen::shown(&new),
            pen::shown(&old)
        ));
        output::line(format!("  {}", file.display()));
        Ok(())
    }

    /// A new key lies where the old one does: who went on with docker still can.
    fn new_key(
        &self,
        pen: &mut Pen,
        purpose: Purpose,
        old: &Key,
        gun: &Gun,
    ) -> Result<(Key, PathBuf)> {
        match &self.new_key {
            None if self.docker => pen.make(purpose, Place::Docker, gun),
            None => pen.make(purpose, Place::beside(pen.holder(old)), gun),
            Some(path) => {
                let opened = files::open_as(path, &format!("the new key {}", path.display()))?;
                Ok((pen.add(opened), path.clone()))
            }
        }
    }
}

impl Servers {
    async fn run(self, role: &RoleName, server: &ServerFlags) -> Result<()> {
        let repository = Repository::named(&self.repository, server)?;
        let believed = repository.published().await?;
        let before = repository::root(&believed);
        let mut pen = Pen::new(Keyring::new(&self.keys)?)?;
        pen.open_root(before)?;
        let new = repository.next_server_key(role).await?;
        let mut root = author::next(&RoleName::Root, before.clone(), repository.now());
        root.set_role(role, std::slice::from_ref(&new), 1);
        let update = vec![(RoleName::Root, pen.root(&root, Some(before))?)];
        repository.publish(&update).await?;
        output::line(format!(
            "The server signs the {role} of {} with the new key {}.",
            repository.gun(),
            pen::shown(&new)
        ));
        Ok(())
    }
}

impl Releases {
    async fn run(self, server: &ServerFlags) -> Result<()> {
        let repository = Repository::named(&self.repository, server)?;
        let believed = repository.published().await?;
        let (root, targets) = (repository::root(&believed), repository::targets(&believed)?);
        let keys = ServerKeys {
            releases: repository.releases_key().await?,
            snapshot: None,
        };
        signer::require_managed(&repository, &Missing::of(root, targets, &keys))?;
        let mut pen = Pen::new(Keyring::new(&self.keys)?)?;
        let role: RoleName = RELEASES.parse()?;
        let new = repository.next_server_key(&role).await?;
        let mut next = author::next(&RoleName::Targets, targets.clone(), repository.now());
        author::hand_over_releases(&mut next, &role, &new);
        let update = vec![(RoleName::Targets, pen.targets(&next, root)?)];
        repository.publish(&update).await?;
        output::line(format!(
            "The server signs {role} of {} with the new key {}.",
            repository.gun(),
            pen::shown(&new)
        ));
        Ok(())
    }
}

/// Delegations that the owner has with the old key, for the signers below them, go over to the new one; answers their next files. Those of
/// signers stay as they are.
fn follow<'a>(
    targets: &mut Targets,
    files: impl Iterator<Item = (&'a RoleName, &'a Targets)>,
    old: &Key,
    new: &Key,
    now: i64,
) -> Vec<(RoleName, Targets)> {
    let mut followed = Vec::new();
    for (name, file) in files.filter(|(_, file)| !file.delegations.roles.is_empty()) {
        let delegations = &mut targets.delegations;
        let Some(role) = delegations.role(name).cloned() else {
            continue;
        };
        if !role.keys.keyids.contains(old.id()) {
            continue;
        }
        let ids = role.keys.keyids.iter();
        let keys: Vec<Key> = ids
            .filter_map(|id| match id == old.id() {
                true => Some(new.clone()),
                false => delegations.keys.get(id).cloned(),
            })
            .collect();
        let paths: Vec<&str> = role.paths.iter().map(String::as_str).collect();
        delegations.set_role(name.clone(), &keys, role.keys.threshold, &paths);
        followed.push((name.clone(), author::next(name, file.clone(), now)));
    }
    followed
}

/// The key to replace: the only one, or the one that is named.
fn replaced<'a>(root: &'a Root, role: &RoleName, named: Option<&str>) -> Result<&'a Key> {
    let keys: Vec<&Key> = root.keys_of(role).collect();
    let matching: Vec<&Key> = match named {
        None => keys.clone(),
        Some(beginning) => {
            let begins = |key: &&&Key| {
                let canonical = key.canonical_id();
                key.id().as_str().starts_with(beginning)
                    || canonical.is_some_and(|id| id.as_str().starts_with(beginning))
            };
            keys.iter().filter(begins).copied().collect()
        }
    };
    match matching.as_slice() {
        [only] => Ok(only),
        _ => {
            let shown: Vec<String> = keys.iter().map(|key| pen::shown(key)).collect();
            bail!(
                "the {role} role has the keys {}: say which to replace with `--replace ID`",
                shown.join(", ")
            )
        }
    }
}

/// A new key as a root lists it: root keys stand in certificates for the repository.
fn in_root(pen: &Pen, gun: &Gun, role: &RoleName, key: Key, now: i64) -> Result<Key> {
    if *role != RoleName::Root {
        return Ok(key);
    }
    let signer = pen.signer(&key).context("the new root key is not open")?;
    Ok(author::root_key(gun, signer, now)?)
}

/// The next root with a key in the place of another, and the same threshold.
fn with_key(before: &Root, role: &RoleName, old: &Key, new: &Key, now: i64) -> Root {
    let threshold = before.role(role).map_or(1, |keys| keys.threshold);
    let keys: Vec<Key> = before
        .keys_of(role)
        .map(|key| if key.id() == old.id() { new } else { key })
        .cloned()
        .collect();
    let mut root = author::next(&RoleName::Root, before.clone(), now);
    root.set_role(role, &keys, threshold);
    root
}

#[cfg(test)]
mod tests {
    use super::*;
    use testkit::trust_repository::TrustRepository;
    use trust::Algorithm;

    #[test]
    fn the_owners_delegations_follow_and_those_of_signers_stay() {
        let mut repository = TrustRepository::new("registry.example/shop/web");
        let new = repository.new_key(Algorithm::EcdsaP256);
        let signer = repository.new_key(Algorithm::EcdsaP256);
        let owner = repository.keys_of("targets").remove(0);
        repository.delegate("targets/ci", std::slice::from_ref(&owner), 1);
        repository.delegate("targets/owner", std::slice::from_ref(&owner), 1);
        repository.delegate("targets/ci/maria", std::slice::from_ref(&signer), 1);
        repository.publish("targets/owner", "1", b"an image");
        let names = ["targets", "targets/ci", "targets/owner"];
        let files = names.map(|name| (name.parse().unwrap(), repository.targets(name)));
        let files = || files.iter().map(|(name, file)| (name, file));
        let mut targets = repository.targets("targets");
        let followed = follow(&mut targets, files(), &owner, &new, repository.now);
        let [(name, file)] = followed.as_slice() else {
            panic!("{followed:?}");
        };
        assert_eq!(name.as_str(), "targets/ci");
        assert_eq!(file.version, repository.targets("targets/ci").version + 1);
        assert_eq!(
            file.delegations,
            repository.targets("targets/ci").delegations
        );
        let ids = |name: &str| {
            let role = targets.delegations.role(&name.parse().unwrap());
            role.unwrap().keys.keyids.clone()
        };
        assert_eq!(ids("targets/ci"), std::slice::from_ref(new.id()));
        assert_eq!(ids("targets/owner"), std::slice::from_ref(owner.id()));
        let again = follow(&mut targets, files(), &signer, &new, repository.now);
        assert!(again.is_empty());
    }

    #[test]
    fn of_several_keys_one_is_named() {
        let mut repository = TrustRepository::new("registry.example/shop/web");
        let [first, second, new] = [(); 3].map(|()| repository.new_key(Algorithm::EcdsaP256));
        let mut root = repository.root();
        let alone = replaced(&root, &RoleName::Targets, None).unwrap().clone();
        assert_eq!([alone], repository.keys_of("targets")[..]);
        root.set_role(&RoleName::Targets, &[first.clone(), second.clone()], 2);
        assert!(replaced(&root, &RoleName::Targets, None).is_err());
        assert!(replaced(&root, &RoleName::Targets, Some("x")).is_err());
        let named = Some(second.id().short());
        let old = replaced(&root, &RoleName::Targets, named).unwrap();
        assert_eq!(old, &second);
        let next = with_key(&root, &RoleName::Targets, old, &new, repository.now);
        let keys: Vec<&Key> = next.keys_of(&RoleName::Targets).collect();
        assert_eq!(keys, [&first, &new]);
        assert_eq!(next.role(&RoleName::Targets).unwrap().threshold, 2);
        assert!(!next.keys.contains_key(second.id()));
        // A root key is named as its file is, without the certificate around it.
        let key = repository.keys_of("root").remove(0);
        let file = key.canonical_id().unwrap();
        let found = replaced(&root, &RoleName::Root, Some(file.short()));
        assert_eq!(found.unwrap(), &key);
    }
}
