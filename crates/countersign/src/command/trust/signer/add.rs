//! `countersign trust signer add`: a delegation for a signer, for every stage in which a policy lists them or for one alone. Whose key it is
//! belongs to the key and not to the delegation: it is registered before, or on the way by whoever may.

use super::{Missing, require_managed, role, server_keys, stage};
use crate::command::key::{self, files, possession};
use crate::command::trust::keyring::{KeyFlags, Keyring};
use crate::command::trust::pen::{self, Pen};
use crate::command::trust::registered::{self, Registered};
use crate::command::trust::repository::{self, Repository, Update};
use crate::command::trust::{memory, status};
use crate::context::ServerFlags;
use crate::output;
use anyhow::{Context, Result, bail};
use client::Client;
use oci::ImageReference;
use policy::Pattern;
use possession::Proof;
use std::path::PathBuf;
use trust::tuf::client::Believed;
use trust::tuf::{Key, RoleName, Targets, author};
use trust::{PublicKey, RegisteredKey};

#[derive(Debug, clap::Args)]
#[command(
    after_help = "The key has to be registered, so that the server knows whose signatures they are: see `countersign key challenge --help`. Who has \
    the role `security` as well does it on the way, with the proof of the key's owner.\n\n\
    Without --stage what the signer signs counts for the stage in which a policy lists them, and docker's client can sign. Who is listed in \
    several is added below each, with --stage, and signs with `notary`, or with `countersign sign --stage`, which needs no such delegation.\n\n\
    Examples:\n  countersign trust signer add alice --key alice.pub registry.example:5000/shop/web\n  \
    docker trust sign registry.example:5000/shop/web:1        (alice, where her private key is)\n  \
    countersign trust signer add alice --proof proof.json --scope 'shop/**' --user anna registry.example:5000/shop/web\n  \
    countersign trust signer add alice --stage staging --key alice.pub registry.example:5000/shop/web"
)]
pub(crate) struct Add {
    /// The signer's name: lower-case letters, digits, `-` and `_`.
    name: String,
    /// The signer's public key, made by `countersign key generate` or `docker trust key generate`.
    #[arg(long, value_name = "FILE.pub", required_unless_present = "proof")]
    key: Option<PathBuf>,
    /// Let the signatures count for this stage alone: the delegation is `targets/STAGE/NAME`.
    #[arg(long, value_name = "STAGE")]
    stage: Option<String>,
    /// The repository, as its images are called, without a tag.
    repository: ImageReference,
    #[command(flatten)]
    registration: Registration,
    #[command(flatten)]
    keys: KeyFlags,
}

/// How to register the key on the way.
#[derive(Debug, clap::Args)]
struct Registration {
    /// Register the key first, by what its owner's `countersign key prove` printed. It needs the role `security` and your password.
    #[arg(long, value_name = "FILE", conflicts_with = "key", requires_all = ["scope", "user"])]
    proof: Option<PathBuf>,
    /// With `--proof`: repositories that the key may sign for, as patterns.
    #[arg(long, requires = "proof", value_name = "PATTERN")]
    scope: Vec<String>,
    /// With `--proof`: who you are.
    #[arg(short, long, requires = "proof")]
    user: Option<String>,
    /// With `--proof`: read your password from standard input.
    #[arg(long, requires = "proof")]
    password_stdin: bool,
}

/// A signer's key, and what is known of it before anybody is asked.
struct Given {
    public: PublicKey,
    /// The file that it was read from, for errors.
    file: PathBuf,
    proof: Option<Proof>,
}

impl Add {
    pub(super) async fn run(self, server: &ServerFlags) -> Result<()> {
        let role = match &self.stage {
            None => role(&self.name)?,
            Some(stage) => stage::role(stage, &self.name)?,
        };
        let given = self.given()?;
        let repository = Repository::named(&self.repository, server)?;
        let believed = repository.published().await?;
        let (root, targets) = (repository::root(&believed), repository::targets(&believed)?);
        let missing = Missing::of(root, targets, &server_keys(&repository).await?);
        require_managed(&repository, &missing)
            .context("signers of plain repositories are added with `docker trust signer add`")?;
        let key = Key::from(&given.public);
        let next = self.next(&repository, &believed, &role, &key).await?;
        // The owner's key is opened before anything is registered that nobody could use then.
        let mut pen = Pen::new(Keyring::new(&self.keys)?)?;
        let update: Result<Update> = next
            .into_iter()
            .map(|(file, next)| Ok((file, pen.targets(&next, root)?)))
            .collect();
        let update = update?;
        let whose = self.registered(&repository, given, server).await?;
        repository.publish(&update).await?;
        let whose = whose.map_or_else(String::new, |name| format!(" of {name}"));
        output::line(format!(
            "{} may sign tags of {} as {role} with the key {}{whose}.",
            self.name,
            repository.gun(),
            pen::shown(&key)
        ));
        if let Some(stage) = &self.stage {
            output::line(format!(
                "It counts for the stage {stage}; docker's own client does not sign there: use `notary addhash -r {role}`, or `countersign sign \
                 --stage {stage}` with the same key."
            ));
        }
        Ok(())
    }

    fn given(&self) -> Result<Given> {
        if let Some(path) = &self.key {
            return Ok(Given {
                public: files::public(path)?,
                file: path.clone(),
                proof: None,
            });
        }
        let path = self.registration.proof.as_ref();
        let path = path.context("say which key: `--key FILE.pub` or `--proof FILE`")?;
        let proof: Proof = key::document(path, "a proof made by `countersign key prove`")?;
        let RegisteredKey::Plain(public) = proof.key()? else {
            bail!(
                "docker and notary know no OpenPGP keys: a signer here needs an ECDSA or Ed25519 key"
            );
        };
        Ok(Given {
            public,
            file: path.clone(),
            proof: Some(proof),
        })
    }

    /// The next files, with the signer's delegation.
    async fn next(
        &self,
        repository: &Repository,
        believed: &Believed,
        role: &RoleName,
        key: &Key,
    ) -> Result<Vec<(RoleName, Targets)>> {
        let targets = repository::targets(believed)?;
        let Some(stage) = &self.stage else {
            self.require_new(repository, targets.delegations.role(role).is_some())?;
            let mut next = author::next(&RoleName::Targets, targets.clone(), repository.now());
            author::delegate(&mut next, role, key);
            return Ok(vec![(RoleName::Targets, next)]);
        };
        let published = stage::Published::of(believed, repository.now())?;
        self.require_new(repository, published.has_signer(role))?;
        let covering = status::covering_policies(repository).await?;
        stage::require(stage, covering.as_deref())?;
        let mut latest = 0;
        if published.is_new_group(role) {
            let (gun, path) = (repository.gun().as_str(), format!("targets/{stage}.json"));
            let client = repository.client();
            let before = client.trust_file(gun, &path, memory::bytes_max()).await?;
            if let Some(bytes) = before {
                latest = published.version_of(role, &bytes)?;
            }
        }
        published.with_signer(role, key, latest)
    }

    fn require_new(&self, repository: &Repository, is_there: bool) -> Result<()> {
        if !is_there {
            return Ok(());
        }
        let stage = self.stage.iter();
        let stage: String = stage.map(|stage| format!(" --stage {stage}")).collect();
        bail!(
            "{} signs in `{}` already: `countersign trust signer remove {}{stage}` first",
            self.name,
            repository.gun(),
            self.name
        )
    }

    /// Whose the key is, where the caller may see it; registers it first where they handed in a proof.
    async fn registered(
        &self,
        repository: &Repository,
        given: Given,
        server: &ServerFlags,
    ) -> Result<Option<String>> {
        let registered = Registered::at(repository.client()).await?;
        let known = registered.of_public(&given.public);
        let fault = known.and_then(|known| registered::fault(known, repository.name()));
        let file = given.file.display();
        match (known, fault, given.proof) {
            (Some(known), None, Some(proof)) if known.principal != proof.principal() => bail!(
                "`{file}` proves a key for {}, which is registered as {}'s",
                proof.principal(),
                known.principal
            ),
            (Some(known), None, _) => Ok(Some(known.principal.clone())),
            // A new scope is a new registration; a key that is revoked stays so.
            (Some(known), Some(why), _) if known.revoked_at.is_some() => {
                bail!("`{file}` would count for nobody: {why}")
            }
            (_, _, Some(proof)) => self.register(repository, proof, server).await.map(Some),
            (_, Some(why), None) => bail!("`{file}` would count for nobody: {why}"),
            (None, None, None) if registered.sees_all() => bail!(
                "`{file}` is not registered, so that nobody knows whose signatures they would be. Register it first, or on the way with `--proof`:\n  \
                 countersign key challenge --public {file} --for WHOSE > challenge.json\n  \
                 countersign key prove --key PRIVATE challenge.json > proof.json          (the owner of the key)\n  \
                 countersign trust signer add {} --proof proof.json --scope '{}' --user YOU {}",
                self.name,
                repository.name(),
                repository.gun()
            ),
            (None, None, None) => {
                output::note(format!(
                    "note: you may not see whose key `{file}` is; the server refuses it if it is not registered"
                ));
                Ok(None)
            }
        }
    }

    async fn register(
        &self,
        repository: &Repository,
        proof: Proof,
        server: &ServerFlags,
    ) -> Result<String> {
        let scope = self.registration.scope.clone();
        let covers = |text: &String| {
            Pattern::parse(text).is_ok_and(|scope| scope.matches(repository.name()))
        };
        if !scope.iter().any(covers) {
            bail!(
                "the key would count for nobody here: no `--scope` covers {}",
                repository.name()
            );
        }
        let client = self.authority(repository, server)?;
        let known = possession::register(&client, proof, self.name.clone(), scope).await?;
        output::line(format!(
            "The key is {}'s, for {}.",
            known.principal,
            known.scope.join(", ")
        ));
        Ok(known.principal)
    }

    fn authority(&self, repository: &Repository, server: &ServerFlags) -> Result<Client> {
        let user = self.registration.user.clone();
        let user = user.context("say who you are: `--user NAME`")?;
        let authority = key::Authority::of(user, self.registration.password_stdin);
        authority.client_at(repository.client().base_url(), server)
    }
}
