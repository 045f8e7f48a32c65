//! `countersign trust signer`: who signs in a managed repository. Each signer has a delegation `targets/NAME` of their own and nothing else,
//! or `targets/STAGE/NAME` for one stage; docker would put their key into `targets/releases` as well, which there is the server's alone.

mod add;
mod list;
mod stage;

use super::confirm;
use super::form::{Missing, ServerKeys};
use super::keyring::{KeyFlags, Keyring};
use super::pen::Pen;
use super::repository::{self, Repository, Update};
use crate::context::ServerFlags;
use crate::output::{self, Format};
use anyhow::{Context, Result, bail};
use clap::Subcommand;
use oci::ImageReference;
use trust::tuf::{Key, RELEASES, RoleName, Targets, author};

#[derive(Debug, Subcommand)]
pub(crate) enum Signer {
    /// Let somebody sign tags of a managed repository, with a key that is registered as theirs.
    Add(add::Add),
    /// Let somebody sign no more; what they have signed counts no more.
    Remove(Remove),
    /// List signers, whose keys they sign with, and what they have signed.
    #[command(
        after_help = "Example:\n  countersign trust signer list registry.example:5000/shop/web"
    )]
    List {
        /// The repository, as its images are called, without a tag.
        repository: ImageReference,
        /// How to print it.
        #[arg(short, long, value_enum, default_value_t)]
        output: Format,
    },
}

#[derive(Debug, clap::Args)]
#[command(
    after_help = "In a plain repository the signer's keys are taken out of `targets/releases` as well, as docker does it.\n\n\
    Examples:\n  countersign trust signer remove alice registry.example:5000/shop/web\n  \
    countersign trust signer remove alice --stage staging registry.example:5000/shop/web"
)]
pub(crate) struct Remove {
    /// The signer's name.
    name: String,
    /// The repository, as its images are called, without a tag.
    repository: ImageReference,
    /// Take away only what was added with the same `--stage`.
    #[arg(long, value_name = "STAGE")]
    stage: Option<String>,
    /// Do not ask.
    #[arg(short, long)]
    yes: bool,
    #[command(flatten)]
    keys: KeyFlags,
}

impl Signer {
    pub(super) async fn run(self, server: &ServerFlags) -> Result<()> {
        match self {
            Self::Add(add) => add.run(server).await,
            Self::Remove(remove) => remove.run(server).await,
            Self::List { repository, output } => list::run(&repository, output, server).await,
        }
    }
}

/// The delegation of a signer.
pub(super) fn role(name: &str) -> Result<RoleName> {
    let role = RoleName::parse(&format!("targets/{name}"))
        .ok()
        .filter(|role| role.depth() == 1);
    let role = role.with_context(|| {
        format!("`{name}` is no signer's name: use lower-case letters, digits, `-` and `_`")
    })?;
    if role.as_str() == RELEASES {
        bail!("`releases` is the server's: choose another name");
    }
    Ok(role)
}

impl Remove {
    async fn run(self, server: &ServerFlags) -> Result<()> {
        let role = match &self.stage {
            None => role(&self.name)?,
            Some(stage) => stage::role(stage, &self.name)?,
        };
        let repository = Repository::named(&self.repository, server)?;
        let believed = repository.published().await?;
        let (root, targets) = (repository::root(&believed), repository::targets(&believed)?);
        let gun = repository.gun();
        let published = stage::Published::of(&believed, repository.now())?;
        let next = match self.stage.is_some() {
            false => without(targets, &role, repository.now())
                .map(|next| vec![(RoleName::Targets, next)]),
            true => published.without_signer(&role)?,
        };
        let next = next.with_context(|| {
            let stage = self.stage.iter();
            let stage: String = stage
                .map(|stage| format!(" of the stage {stage}"))
                .collect();
            format!("`{gun}` has no signer `{}`{stage}", self.name)
        })?;
        let below = published.below(&role).join(", ");
        if !below.is_empty() {
            output::note(format!(
                "{role} is not a signer alone: with it go all who sign below it, {below}. One of them is taken out with `--stage {}`.",
                self.name
            ));
        }
        let who = match below.is_empty() {
            true => self.name.clone(),
            false => format!("{}, nor {below} below it,", self.name),
        };
        let question =
            format!("Nothing that {who} signed in {gun} as {role} will count any more. Go on?");
        if !confirm::goes_on(self.yes, &question)? {
            output::line("Nothing was changed.");
            return Ok(());
        }
        let mut pen = Pen::new(Keyring::new(&self.keys)?)?;
        let update: Result<Update> = next
            .into_iter()
            .map(|(file, next)| Ok((file, pen.targets(&next, root)?)))
            .collect();
        repository.publish(&update?).await?;
        output::line(format!(
            "{} may sign no tags of {gun} as {role} any more.",
            self.name
        ));
        Ok(())
    }
}

async fn server_keys(repository: &Repository) -> Result<ServerKeys> {
    Ok(ServerKeys {
        releases: repository.releases_key().await?,
        snapshot: None,
    })
}

/// Refuses a repository that its owners release themselves.
pub(super) fn require_managed(repository: &Repository, missing: &Missing) -> Result<()> {
    if missing.is_nothing() {
        return Ok(());
    }
    let gun = repository.gun();
    bail!("`{gun}` is no managed repository: make it one with `countersign trust manage {gun}`");
}

/// The next `targets` without a signer. Their keys go from `targets/releases` too, unless another signer has them.
fn without(targets: &Targets, role: &RoleName, now: i64) -> Option<Targets> {
    let gone = targets.delegations.role(role)?.keys.keyids.clone();
    let mut next = author::next(&RoleName::Targets, targets.clone(), now);
    next.delegations.remove_role(role);
    let mut others = next.delegations.roles.iter();
    let releases = others.find(|other| other.name.as_str() == RELEASES);
    let Some(releases) = releases.cloned() else {
        return Some(next);
    };
    let others = |id| {
        let roles = next.delegations.roles.iter();
        let mut roles = roles.filter(|other| other.name != releases.name);
        roles.any(|other| other.keys.keyids.contains(id))
    };
    let kept: Vec<Key> = releases
        .keys
        .keyids
        .iter()
        .filter(|id| !gone.contains(id) || others(id))
        .filter_map(|id| next.delegations.keys.get(id).cloned())
        .collect();
    let paths: Vec<&str> = releases.paths.iter().map(String::as_str).collect();
    match kept.is_empty() {
        true => next.delegations.remove_role(&releases.name),
        false => {
            let left = u32::try_from(kept.len()).unwrap_or(u32::MAX);
            let (name, threshold) = (releases.name, releases.keys.threshold.min(left));
            next.delegations.set_role(name, &kept, threshold, &paths);
        }
    }
    Some(next)
}

#[cfg(test)]
mod tests {
    use super::*;
    use testkit::trust_repository::TrustRepository;
    use trust::Algorithm;

    #[test]
    fn a_name_is_one_level_and_not_the_servers() {
        assert_eq!(role("alice").unwrap().as_str(), "targets/alice");
        for name in ["releases", "", "Alice", "ci/alice", "a b", "../root"] {
            assert!(role(name).is_err(), "{name}");
        }
    }

    #[test]
    fn a_signer_who_goes_releases_nothing_more() {
        let mut repository = TrustRepository::new("registry.example/shop/web");
        let [alice, bob] = [(); 2].map(|()| repository.new_key(Algorithm::EcdsaP256));
        repository.delegate(RELEASES, &[alice.clone(), bob.clone()], 1);
        repository.delegate("targets/alice", &[alice], 1);
        repository.delegate("targets/bob", std::slice::from_ref(&bob), 1);
        let now = repository.now;
        let remove = |repository: &mut TrustRepository, name: &str| {
            let targets = repository.targets("targets");
            let next = without(&targets, &role(name).unwrap(), now)?;
            let keys = repository.keys_of("targets");
            let file = (RoleName::Targets, repository.sign(&next, &keys));
            repository.post(vec![file]).unwrap();
            Some(next)
        };
        assert!(remove(&mut repository, "carol").is_none());
        let next = remove(&mut repository, "alice").unwrap();
        assert_eq!(next.delegations.roles.len(), 2);
        assert_eq!(repository.keys_of(RELEASES), std::slice::from_ref(&bob));
        let last = remove(&mut repository, "bob").unwrap();
        assert!(last.delegations.roles.is_empty());
        assert!(last.delegations.keys.is_empty());
    }

    #[test]
    fn the_servers_key_stays_when_a_signer_goes() {
        let mut repository = TrustRepository::new("registry.example/shop/web");
        let [server, alice] = [(); 2].map(|()| repository.new_key(Algorithm::EcdsaP256));
        repository.delegate(RELEASES, std::slice::from_ref(&server), 1);
        repository.delegate("targets/alice", &[alice], 1);
        let targets = repository.targets("targets");
        let next = without(&targets, &role("alice").unwrap(), repository.now).unwrap();
        let roles: Vec<&str> = next
            .delegations
            .roles
            .iter()
            .map(|r| r.name.as_str())
            .collect();
        assert_eq!(roles, [RELEASES]);
        assert!(next.delegations.keys.contains_key(server.id()));
    }
}
