//! `countersign trust manage`: hands a plain repository over to the server's gates, with its owner's keys. What is to change is shown and
//! asked first.

use super::confirm;
use super::form::{Missing, ServerKeys};
use super::keyring::{KeyFlags, Keyring};
use super::pen::{self, Pen};
use super::registered::{self, Registered};
use super::repository::{self, Repository, Update};
use super::signer;
use crate::context::ServerFlags;
use crate::output;
use anyhow::{Context, Result, bail};
use oci::ImageReference;
use trust::tuf::{Key, RELEASES, RoleName, Targets};

#[derive(Debug, clap::Args)]
#[command(
    after_help = "The keys are looked for with `--keys`, then among those of `countersign trust`, then in docker's `~/.docker/trust/private`. \
    docker's passphrases are asked for, or taken from DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE and \
    DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE.\n\n\
    Examples:\n  countersign trust manage registry.example:5000/shop/web\n  \
    countersign trust manage --without bob --yes registry.example:5000/shop/web"
)]
pub(crate) struct Manage {
    /// The repository, as its images are called, without a tag.
    repository: ImageReference,
    /// End the delegation of a signer on the way, because their key is not registered; may be repeated.
    #[arg(long, value_name = "NAME")]
    without: Vec<String>,
    /// Do not ask.
    #[arg(short, long)]
    yes: bool,
    #[command(flatten)]
    keys: KeyFlags,
}

impl Manage {
    pub(super) async fn run(self, server: &ServerFlags) -> Result<()> {
        let repository = Repository::named(&self.repository, server)?;
        let believed = repository.published().await?;
        let (root, targets) = (repository::root(&believed), repository::targets(&believed)?);
        let releases = repository.releases_key().await?.with_context(|| {
            format!(
                "the server gives no key for `{RELEASES}` of `{}`: it manages no trust repositories",
                repository.gun()
            )
        })?;
        let keys = ServerKeys {
            snapshot: repository.server_key(RoleName::Snapshot.as_str()).await?,
            releases: Some(releases.clone()),
        };
        let missing = Missing::of(root, targets, &keys);
        let given_up = self.given_up(targets)?;
        if missing.is_nothing() && given_up.is_empty() {
            output::line(format!("{} is managed already.", repository.gun()));
            return Ok(());
        }
        let registered = Registered::at(repository.client()).await?;
        let unknown = show(&repository, targets, &missing, &given_up, &registered);
        if let Some(role) = unknown.first() {
            let name = role.as_str().trim_start_matches("targets/");
            bail!(
                "nothing was changed: {role} has a key that is registered as nobody's, which the server does not take; register it, or end the \
                 delegation with `--without {name}`"
            );
        }
        if !confirm::goes_on(self.yes, "Publish this?")? {
            output::line("Nothing was changed.");
            return Ok(());
        }
        let now = repository.now();
        let mut pen = Pen::new(Keyring::new(&self.keys)?)?;
        let mut update = Update::new();
        let next_root = missing.next_root(root, &keys, now);
        if let Some(next) = &next_root {
            update.push((RoleName::Root, pen.root(next, Some(root))?));
        }
        let next_targets = missing.next_targets(targets, &given_up, &releases, now)?;
        if let Some(next) = &next_targets {
            let root = next_root.as_ref().unwrap_or(root);
            update.push((RoleName::Targets, pen.targets(next, root)?));
        }
        repository.publish(&update).await?;
        output::line(format!("{} is managed.", repository.gun()));
        Ok(())
    }

    fn given_up(&self, targets: &Targets) -> Result<Vec<RoleName>> {
        let mut roles = Vec::new();
        for name in &self.without {
            let role = signer::role(name)?;
            targets
                .delegations
                .role(&role)
                .with_context(|| format!("there is no signer `{name}`"))?;
            roles.push(role);
        }
        Ok(roles)
    }
}

/// Says what is about to change, and answers the delegations whose keys are known to be nobody's.
fn show(
    repository: &Repository,
    targets: &Targets,
    missing: &Missing,
    given_up: &[RoleName],
    registered: &Registered,
) -> Vec<RoleName> {
    output::line(format!("What changes in {}:", repository.gun()));
    if !missing.tags.is_empty() {
        output::line(format!(
            "  targets      lists no tag itself any more; so far {}",
            missing.tags.join(", ")
        ));
    }
    if missing.releases {
        output::line(format!(
            "  {RELEASES}  is signed by the server alone, with what its gates allow"
        ));
    }
    if missing.snapshot {
        output::line("  snapshot     is signed by the server");
    }
    for role in given_up {
        output::line(format!("  {role}  ends"));
    }
    let mut unknown = Vec::new();
    for (role, key) in signers(targets, given_up) {
        let why = match registered.of(key) {
            Some(known) => registered::fault(known, repository.name()),
            None if registered.sees_all() => {
                unknown.push(role.clone());
                Some("it is not registered".to_owned())
            }
            None => None,
        };
        if let Some(why) = why {
            output::line(format!(
                "  {role}  stays, and its key {} counts for nobody: {why}",
                pen::shown(key)
            ));
            let name = role.as_str().trim_start_matches("targets/");
            output::line(format!(
                "      next: countersign key register …, or `--without {name}`"
            ));
        }
    }
    unknown
}

/// Signers who stay, and their keys.
fn signers<'a>(
    targets: &'a Targets,
    given_up: &'a [RoleName],
) -> impl Iterator<Item = (&'a RoleName, &'a Key)> {
    let delegations = &targets.delegations;
    let stay = |name: &RoleName| name.as_str() != RELEASES && !given_up.contains(name);
    let roles = delegations
        .roles
        .iter()
        .filter(move |role| stay(&role.name));
    roles.flat_map(|role| {
        let keys = role.keys.keyids.iter();
        keys.filter_map(|id| Some((&role.name, delegations.keys.get(id)?)))
    })
}
