//! `countersign trust init`: the first root and `targets` of a trust repository. Keys lie on the disk, sealed, before anything is published
//! that names them.

use super::keyring::{KeyFlags, Keyring, Place, Purpose};
use super::pen::{self, Pen};
use super::repository::{Repository, Update};
use super::status;
use crate::command::key::files;
use crate::context::ServerFlags;
use crate::output;
use anyhow::{Context, Result, bail};
use oci::ImageReference;
use std::path::PathBuf;
use trust::tuf::author::{self, BaseKeys};
use trust::tuf::{Key, RELEASES, RoleName};

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Keys are made in `~/.config/countersign/trust`, sealed with a password that is asked for or taken from \
    COUNTERSIGN_KEY_PASSWORD. One root key is used for all repositories that are begun on this machine; where docker has made one, that is \
    used, and the targets key is put beside it. With `--docker` both are in docker's `~/.docker/trust/private`, sealed as docker does it with \
    the passphrases of DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE and DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE, so that docker up to version 28 \
    can go on with them. Keep a copy of the root key offline: without it no key can be changed any more.\n\n\
    Examples:\n  countersign trust init registry.example:5000/shop/web\n  \
    countersign trust init --plain registry.example:5000/shop/tools          (released by docker's own clients)\n  \
    countersign trust init --root-key /media/stick/root.key shop/web         (a key that you have)"
)]
pub(crate) struct Init {
    /// The repository, as its images are called, without a tag.
    repository: ImageReference,
    /// Begin it as docker does: whoever has the targets key releases, and no policy counts the signatures.
    #[arg(long)]
    plain: bool,
    /// The root key to use, in a file of `countersign key generate`, docker, notary or cosign; otherwise that of this machine, or a new one.
    #[arg(long, value_name = "FILE")]
    root_key: Option<PathBuf>,
    /// Keep new keys where docker keeps its own, and as docker does; also take docker's root key, if it has one.
    #[arg(long)]
    docker: bool,
    /// Begin anew where this machine knows a root that the server has no more.
    #[arg(long)]
    again: bool,
}

/// The server's keys that a first root names.
struct Servers {
    timestamp: Key,
    snapshot: Key,
    /// For a managed repository.
    releases: Option<Key>,
}

impl Init {
    pub(super) async fn run(self, server: &ServerFlags) -> Result<()> {
        let repository = Repository::named(&self.repository, server)?;
        self.require_nothing(&repository).await?;
        let servers = self.servers(&repository).await?;
        let mut pen = Pen::new(Keyring::new(&KeyFlags::default())?)?;
        let (root_key, whence, place) = self.root_key(&mut pen, &repository)?;
        let signer = pen.signer(&root_key).context("the root key is not open")?;
        // docker takes a root key in a certificate for the repository only.
        let root_key = author::root_key(repository.gun(), signer, repository.now())?;
        let (targets_key, targets_path) = pen.make(Purpose::Targets, place, repository.gun())?;
        let update = update(
            &mut pen,
            &root_key,
            &targets_key,
            &servers,
            repository.now(),
        )?;
        repository.publish_first(&update).await?;
        let form = if self.plain { "plain" } else { "managed" };
        output::line(format!(
            "{} has a {form} trust repository.",
            repository.gun()
        ));
        output::line(format!(
            "  root key     {} ({})",
            pen::shown(&root_key),
            whence.display()
        ));
        output::line(format!(
            "  targets key  {} ({})",
            pen::shown(&targets_key),
            targets_path.display()
        ));
        output::line("Keep a copy of the root key offline: nobody can make it again.");
        if self.plain {
            return Ok(());
        }
        let gun = repository.gun();
        output::line(format!(
            "  next: countersign trust signer add NAME --key NAME.pub {gun}"
        ));
        let covering = status::covering(&repository).await?;
        if covering.is_some_and(|names| names.is_empty()) {
            output::note(format!(
                "note: no policy covers {}, and until one does nothing is released",
                repository.name()
            ));
        }
        Ok(())
    }

    async fn require_nothing(&self, repository: &Repository) -> Result<()> {
        let gun = repository.gun();
        if repository.is_published().await? {
            bail!("`{gun}` has trust data already; see `countersign trust status {gun}`");
        }
        if !self.again && repository.is_remembered()? {
            bail!(
                "this machine knows a root of `{gun}`, and the server has none: if it was deleted on purpose, say `--again`"
            );
        }
        Ok(())
    }

    async fn servers(&self, repository: &Repository) -> Result<Servers> {
        let no_key = |role: &str| {
            format!(
                "`{}` gives no {role} key: it is no trust server",
                repository.client().base_url()
            )
        };
        let timestamp = repository.server_key(RoleName::Timestamp.as_str()).await?;
        let snapshot = repository.server_key(RoleName::Snapshot.as_str()).await?;
        let releases = match self.plain {
            true => None,
            false => Some(repository.releases_key().await?.with_context(|| {
                format!(
                    "the server gives no key for `{RELEASES}` of `{}`, which a managed repository needs; begin it with `--plain`",
                    repository.gun()
                )
            })?),
        };
        Ok(Servers {
            timestamp: timestamp.with_context(|| no_key("timestamp"))?,
            snapshot: snapshot.with_context(|| no_key("snapshot"))?,
            releases,
        })
    }

    /// The root key, opened, where it comes from, and where keys are put beside it.
    fn root_key(&self, pen: &mut Pen, repository: &Repository) -> Result<(Key, PathBuf, Place)> {
        let (known, place) = self.known(pen)?;
        let path = match (&self.root_key, known.as_slice()) {
            (Some(path), _) => path,
            (None, [only]) => only,
            (None, []) => {
                let (key, path) = pen.make(Purpose::Root, place, repository.gun())?;
                return Ok((key, path, place));
            }
            (None, several) => {
                let paths: Vec<String> = several
                    .iter()
                    .map(|path| format!("`{}`", path.display()))
                    .collect();
                bail!(
                    "this machine has several root keys ({}); say which with `--root-key FILE`",
                    paths.join(", ")
                );
            }
        };
        let opened = files::open_as(path, &format!("the root key {}", path.display()))?;
        Ok((pen.add(opened), path.clone(), place))
    }

    /// Root keys to choose from: docker's where that is said or where there are no others.
    fn known(&self, pen: &Pen) -> Result<(Vec<PathBuf>, Place)> {
        let dockers = pen.roots(Place::Docker)?;
        if self.docker {
            return Ok((dockers, Place::Docker));
        }
        let ours = pen.roots(Place::Ours)?;
        Ok(match (ours.is_empty(), dockers.is_empty()) {
            (true, false) if self.root_key.is_none() => (dockers, Place::Docker),
            _ => (ours, Place::Ours),
        })
    }
}

fn update(
    pen: &mut Pen,
    root_key: &Key,
    targets_key: &Key,
    servers: &Servers,
    now: i64,
) -> Result<Update> {
    let root = author::first_root(
        &BaseKeys {
            root: std::slice::from_ref(root_key),
            targets: std::slice::from_ref(targets_key),
            snapshot: std::slice::from_ref(&servers.snapshot),
            timestamp: std::slice::from_ref(&servers.timestamp),
        },
        now,
    );
    let mut targets = author::first_targets(now);
    if let Some(key) = &servers.releases {
        author::hand_over_releases(&mut targets, &RELEASES.parse()?, key);
    }
    Ok(vec![
        (RoleName::Root, pen.root(&root, None)?),
        (RoleName::Targets, pen.targets(&targets, &root)?),
    ])
}
