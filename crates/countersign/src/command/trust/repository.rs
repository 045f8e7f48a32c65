//! One trust repository at its server: read, verified and remembered; the server's keys; updates.

use super::memory::{self, Known, Memory};
use crate::context::ServerFlags;
use crate::output;
use anyhow::{Context, Result, anyhow, bail};
use client::{Client, ClientOptions};
use oci::{ImageReference, RepositoryName};
use trust::tuf::client::{Anchor, Believed, Client as Reader, Remembered};
use trust::tuf::{Gun, Key, RELEASES, RoleName, Root, Targets};

/// Files by role, signed.
pub(super) type Update = Vec<(RoleName, Vec<u8>)>;

/// A trust repository.
pub(super) struct Repository {
    gun: Gun,
    name: RepositoryName,
    client: Client,
    memory: Memory,
    now: i64,
}

impl Repository {
    /// The trust repository of an image's name. Where it names no host, it is the server's that is logged in to.
    pub(super) fn named(reference: &ImageReference, server: &ServerFlags) -> Result<Self> {
        if reference.tag.is_some() || reference.digest.is_some() {
            bail!(
                "content trust is kept for a whole repository: write `{reference}` without a tag"
            );
        }
        let client = match (&reference.host, &server.server) {
            (Some(host), None) => server.registry_client(host)?,
            _ => server.client()?,
        };
        let host = match &reference.host {
            Some(host) => host.clone(),
            None => ClientOptions::new(client.base_url())?.authority(),
        };
        let gun = Gun::parse(&format!("{host}/{}", reference.repository))?;
        Ok(Self {
            memory: Memory::of(&gun)?,
            name: reference.repository.clone(),
            now: jiff::Timestamp::now().as_millisecond(),
            gun,
            client,
        })
    }

    /// Its whole name.
    pub(super) fn gun(&self) -> &Gun {
        &self.gun
    }

    /// Its name at the registry.
    pub(super) fn name(&self) -> &RepositoryName {
        &self.name
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    /// When the command began, in milliseconds since the epoch.
    pub(super) fn now(&self) -> i64 {
        self.now
    }

    /// What is published, verified from what this machine has believed before, also where it has ended; nothing where nothing is published.
    ///
    /// # Errors
    /// A [`trust::tuf::Problem`] where it is not believed.
    pub(super) async fn read(&self) -> Result<Option<Believed>> {
        let known = self.memory.load()?;
        let anchor = self.anchor(&known);
        let is_first = matches!(anchor, Anchor::FirstUse);
        let reader = Reader::new(self.gun.clone(), anchor, known.remembered, self.now);
        let mut reader = reader.with_context(|| self.disbelief())?.with_ended();
        while let Some(fetch) = reader.next() {
            let gun = self.gun.as_str();
            let answer = self.client.trust_file(gun, &fetch.path, fetch.bytes_max);
            let answer = answer.await?.map(|bytes| bytes.to_vec());
            if answer.is_none() && matches!(fetch.role, RoleName::Root | RoleName::Timestamp) {
                let is_next_root = fetch.role == RoleName::Root && fetch.path != "root.json";
                if !is_next_root {
                    return Ok(None);
                }
            }
            if let Err(problem) = reader.feed(answer) {
                self.keep_root(&reader)?;
                return Err(anyhow!(problem).context(self.disbelief()));
            }
        }
        let believed = reader.finish().with_context(|| self.disbelief())?;
        if is_first {
            self.say_first_use(&believed);
        }
        self.memory.save(&Known::all(believed.remember()))?;
        Ok(Some(believed))
    }

    /// The same where there must be something.
    pub(super) async fn published(&self) -> Result<Believed> {
        let gun = &self.gun;
        self.read().await?.with_context(|| {
            format!("`{gun}` has no trust data; begin with `countersign trust init {gun}`")
        })
    }

    /// Whether this machine has believed a root of it.
    pub(super) fn is_remembered(&self) -> Result<bool> {
        Ok(self.memory.load()?.newest_root.is_some())
    }

    /// Whether the server has a root of it, whatever it is worth.
    pub(super) async fn is_published(&self) -> Result<bool> {
        let gun = self.gun.as_str();
        let root = self
            .client
            .trust_file(gun, "root.json", memory::bytes_max());
        Ok(root.await?.is_some())
    }

    /// The server's key for a role; none where it signs no such role.
    pub(super) async fn server_key(&self, role: &str) -> Result<Option<Key>> {
        let answer = self.client.trust_key(self.gun.as_str(), role).await?;
        answer.map(|bytes| read_key(role, &bytes)).transpose()
    }

    /// The server's key for `targets/releases`, which there is in repositories that it manages.
    pub(super) async fn releases_key(&self) -> Result<Option<Key>> {
        self.server_key(RELEASES).await
    }

    /// A new key of the server for a role.
    pub(super) async fn next_server_key(&self, role: &RoleName) -> Result<Key> {
        let role = role.as_str();
        let answer = self.client.next_trust_key(self.gun.as_str(), role).await?;
        read_key(role, &answer)
    }

    /// Publishes an update, and reads what the server serves after it.
    pub(super) async fn publish(&self, update: &Update) -> Result<Believed> {
        self.send(update).await?;
        let read = self.read().await?;
        read.context("the server has taken the update and serves nothing")
    }

    /// The same for the first update: whatever docker may remember of another one, its root is the one to believe.
    pub(super) async fn publish_first(&self, update: &Update) -> Result<Believed> {
        self.send(update).await?;
        let root = update.iter().find(|(role, _)| *role == RoleName::Root);
        self.memory.save(&Known {
            newest_root: root.map(|(_, bytes)| bytes.clone()),
            remembered: Remembered::default(),
        })?;
        let read = self.read().await?;
        read.context("the server has taken the update and serves nothing")
    }

    async fn send(&self, update: &Update) -> Result<()> {
        let files: Vec<(&str, &[u8])> = update
            .iter()
            .map(|(role, bytes)| (role.as_str(), bytes.as_slice()))
            .collect();
        let sent = self.client.publish_trust(self.gun.as_str(), &files).await;
        sent.map_err(|error| match wants_snapshot(&error) {
            true => anyhow!(error).context(format!(
                "its owner signs the snapshot of `{0}` so far: hand it to the server first, with `countersign trust rotate snapshot {0}`",
                self.gun
            )),
            false => error.into(),
        })
    }

    /// Deletes everything, here and there.
    pub(super) async fn delete(&self) -> Result<()> {
        self.client.delete_trust(self.gun.as_str()).await?;
        self.memory.forget()
    }

    fn anchor(&self, known: &Known) -> Anchor {
        let root = known.newest_root.clone();
        match root.or_else(|| self.memory.root_of_docker()) {
            Some(root) => Anchor::Root(root),
            None => Anchor::FirstUse,
        }
    }

    /// A rotation is not forgotten because of what came after it.
    fn keep_root(&self, reader: &Reader) -> Result<()> {
        let mut known = self.memory.load()?;
        // A first root is worth nothing alone.
        if let (Some(_), Some(root)) = (&known.newest_root, reader.root()) {
            known.newest_root = Some(root.bytes().to_vec());
            self.memory.save(&known)?;
        }
        Ok(())
    }

    fn disbelief(&self) -> String {
        format!(
            "the trust data of `{}` does not follow from what this machine knows (`{}`)",
            self.gun,
            self.memory.path().display()
        )
    }

    fn say_first_use(&self, believed: &Believed) {
        let root = believed.root().content();
        let keys: Vec<String> = root
            .keys_of(&RoleName::Root)
            .map(super::pen::shown)
            .collect();
        output::note(format!(
            "note: this machine sees {} for the first time; its root key is {} as the server says",
            self.gun,
            keys.join(", ")
        ));
    }
}

/// What `targets` says.
pub(super) fn targets(believed: &Believed) -> Result<&Targets> {
    let first = believed.roles().first();
    Ok(first.context("the repository has no targets")?.targets())
}

/// What the root says.
pub(super) fn root(believed: &Believed) -> &Root {
    believed.root().content()
}

fn read_key(role: &str, bytes: &[u8]) -> Result<Key> {
    let key = Key::from_json(bytes).with_context(|| format!("the server's {role} key"))?;
    key.to_public_key()
        .with_context(|| format!("the server's {role} key"))?;
    Ok(key)
}

/// Whether an update was refused because the server cannot sign the snapshot after it.
fn wants_snapshot(error: &client::Error) -> bool {
    let detail = error.refused().and_then(|refused| refused.detail.as_ref());
    let missing = detail.and_then(|detail| detail.get("Error")?.get("Missing"));
    missing.is_some_and(|missing| missing == RoleName::Snapshot.as_str())
}
