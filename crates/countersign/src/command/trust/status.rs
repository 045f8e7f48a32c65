//! `countersign trust status`: all that a trust repository says, verified, and what is to be done about it.

mod shown;

use super::form::{Missing, ServerKeys};
use super::keyring::{KeyFlags, Keyring};
use super::registered::Registered;
use super::repository::{self, Repository};
use crate::context::ServerFlags;
use crate::output::{self, Format};
use anyhow::Result;
use client::Error as ClientError;
use client::api::policies::PolicySummary;
use oci::ImageReference;
use policy::Pattern;
use shown::{Form, Status as Shown};
use trust::tuf::{RELEASES, RoleName};

#[derive(Debug, clap::Args)]
#[command(
    after_help = "It says what to do about what ends soon. About keys that are lost or stolen: `countersign trust --help`.\n\n\
    Examples:\n  countersign trust status registry.example:5000/shop/web\n  \
    countersign trust status -o json shop/web"
)]
pub(crate) struct Status {
    /// The repository, as its images are called, without a tag.
    repository: ImageReference,
    /// How to print it.
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
    #[command(flatten)]
    keys: KeyFlags,
}

impl Status {
    pub(super) async fn run(self, server: &ServerFlags) -> Result<()> {
        let repository = Repository::named(&self.repository, server)?;
        let status = gather(&repository, &Keyring::new(&self.keys)?).await?;
        match self.output {
            Format::Json => output::json(&status),
            Format::Table => {
                status.print(repository.now());
                Ok(())
            }
        }
    }
}

/// Everything, from what is published and what the server tells the caller.
pub(super) async fn gather(repository: &Repository, keyring: &Keyring) -> Result<Shown> {
    let believed = repository.published().await?;
    let (root, targets) = (repository::root(&believed), repository::targets(&believed)?);
    let server = ServerKeys {
        releases: told(repository.server_key(RELEASES).await)?,
        snapshot: told(repository.server_key(RoleName::Snapshot.as_str()).await)?,
    };
    let policies = covering(repository).await?;
    let missing = Missing::of(root, targets, &server);
    let form = match (missing.is_nothing(), policies.as_deref()) {
        (true, _) => Form::Managed,
        (false, Some([_, ..])) => Form::ToBeManaged,
        (false, _) => Form::Plain,
    };
    let registered = Registered::at(repository.client()).await?;
    let sources = shown::Sources {
        keyring,
        registered: &registered,
        server: &server,
        now: repository.now(),
    };
    Ok(Shown {
        gun: repository.gun().to_string(),
        repository: repository.name().to_string(),
        form,
        policies,
        roles: shown::roles(&believed, &sources),
        signers: shown::signers(&believed, &sources),
        released: shown::released(&believed),
    })
}

/// What the server tells; who may not know is told nothing.
fn told<T>(asked: Result<Option<T>>) -> Result<Option<T>> {
    match asked {
        Err(error) if is_refusal(&error) => Ok(None),
        asked => asked,
    }
}

fn is_refusal(error: &anyhow::Error) -> bool {
    let error = error.downcast_ref::<ClientError>();
    error.and_then(ClientError::refused).is_some()
}

/// The names of the policies that cover the repository, where the caller may see policies.
pub(super) async fn covering(repository: &Repository) -> Result<Option<Vec<String>>> {
    let covering = covering_policies(repository).await?;
    Ok(covering.map(|policies| policies.into_iter().map(|policy| policy.name).collect()))
}

/// The policies that cover the repository, where the caller may see policies.
pub(super) async fn covering_policies(
    repository: &Repository,
) -> Result<Option<Vec<PolicySummary>>> {
    let policies = match repository.client().policies().await {
        Ok(policies) => policies,
        Err(error) if error.refused().is_some() => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let covers = |text: &String| {
        Pattern::parse(text).is_ok_and(|pattern| pattern.matches(repository.name()))
    };
    let covering = policies
        .into_iter()
        .filter(|policy| policy.repositories.iter().any(covers));
    Ok(Some(covering.collect()))
}

impl Shown {
    fn print(&self, now: i64) {
        let by = match self.policies.as_deref() {
            None => "policies not visible to you".to_owned(),
            Some([]) => "no policy covers it".to_owned(),
            Some(names) => format!("covered by {}", names.join(", ")),
        };
        output::line(format!("{}: {}; {by}", self.gun, self.form.words()));
        output::line("");
        let roles = self.roles.iter().map(|role| {
            [
                role.role.clone(),
                role.version.to_string(),
                role.end_in_words(now),
                role.keys_in_words(),
            ]
        });
        output::table(["role", "version", "ends", "keys"], roles.collect(), "");
        output::line("");
        self.print_signers(now);
        output::line("");
        let released = self.released.iter();
        let released = released.map(|tag| [tag.tag.clone(), tag.digest.clone(), tag.by.clone()]);
        output::table(
            ["tag", "digest", "by"],
            released.collect(),
            "docker pulls no tag of it with content trust",
        );
        for advice in self.advice() {
            output::line("");
            output::line(advice);
        }
    }

    pub(super) fn print_signers(&self, now: i64) {
        let signers = self.signers.iter().map(|signer| {
            let version = signer.version.map(|version| version.to_string());
            [
                signer.name.clone(),
                signer.whose(),
                signer.keys_in_words(),
                version.unwrap_or_else(|| "-".to_owned()),
                signer.tags.to_string(),
                signer.end_in_words(now),
            ]
        });
        output::table(
            ["signer", "whose", "key", "version", "tags", "ends"],
            signers.collect(),
            "no signers yet",
        );
    }
}
