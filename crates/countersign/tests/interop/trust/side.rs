//! One of the two that are compared: a registry, a trust server, and what clients must be told to use them.

use crate::harness::{
    ADMIN_PASSWORD, Actor, Answer, DockerUser, Dockerd, Done, Notary, NotaryServer, Program,
    Server, ServerOptions, Trusted, curl, temporary,
};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

/// A registry and a trust server.
pub(super) struct Side {
    folder: tempfile::TempDir,
    registry: Server,
    admin: Actor,
    /// None: the registry's own address.
    notary: Option<NotaryServer>,
    steps: Vec<(String, String)>,
    _trusted: Option<Trusted>,
}

impl Side {
    /// Debian's notary-server beside a plain registry.
    pub(super) fn notary_server() -> Self {
        let folder = temporary();
        let registry = Server::start(ServerOptions::loopback(&folder.path().join("data")));
        Self::with(folder, registry, Some(NotaryServer::start()))
    }

    /// Countersign for both, over TLS.
    pub(super) fn countersign() -> Self {
        let folder = temporary();
        let registry = Server::start(ServerOptions::tls(&folder.path().join("data")));
        Self::with(folder, registry, None)
    }

    fn with(folder: tempfile::TempDir, registry: Server, notary: Option<NotaryServer>) -> Self {
        let homes = folder.path().join("homes");
        let admin = Actor::person("admin", ADMIN_PASSWORD, &registry, &homes);
        admin.does([
            "grant",
            "add",
            "--role",
            "maintainer",
            "--to",
            "admin",
            "**",
        ]);
        let authority = registry.authority();
        let trusted = authority.map(|authority| Trusted::everywhere(&registry.host(), &authority));
        Self {
            folder,
            registry,
            admin,
            notary,
            steps: Vec::new(),
            _trusted: trusted,
        }
    }

    /// What every step came to.
    pub(super) fn steps(&self) -> &[(String, String)] {
        &self.steps
    }

    /// An image, or a trust repository, as clients name it.
    pub(super) fn name(&self, rest: &str) -> String {
        format!("{}/{rest}", self.registry.host())
    }

    /// The address of the trust server.
    fn trust_url(&self) -> String {
        match &self.notary {
            Some(notary) => notary.url(),
            None => self.registry.url(),
        }
    }

    fn authority(&self) -> PathBuf {
        match &self.notary {
            Some(notary) => notary.authority(),
            None => self.registry.authority().unwrap(),
        }
    }

    /// A folder for somebody.
    pub(super) fn home(&self, who: &str) -> PathBuf {
        let home = self.folder.path().join(who);
        fs::create_dir_all(&home).unwrap();
        home
    }

    /// Somebody at docker, logged in to the registry, who trusts the authority of the trust server.
    pub(super) fn docker_user<'a>(
        &self,
        engine: &'a Dockerd,
        docker: &'static Path,
        who: &str,
    ) -> DockerUser<'a> {
        let home = self.home(who);
        let url = self.trust_url();
        let (_, host) = url.split_once("://").unwrap();
        let folder = home.join("tls").join(host);
        fs::create_dir_all(&folder).unwrap();
        fs::copy(self.authority(), folder.join("ca.crt")).unwrap();
        let user = engine.user(docker, home);
        user.log_in(&self.admin, &self.registry.host());
        user
    }

    /// The settings for a docker command with content trust.
    pub(super) fn trusted(&self, program: Program) -> Program {
        let program = program
            .env("DOCKER_CONTENT_TRUST", "1")
            .env(
                "DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE",
                "a passphrase for the root",
            )
            .env(
                "DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE",
                "a passphrase for signers",
            );
        match &self.notary {
            Some(notary) => program.env("DOCKER_CONTENT_TRUST_SERVER", notary.url()),
            None => program.without_env("DOCKER_CONTENT_TRUST_SERVER"),
        }
    }

    /// Somebody at notary's client.
    pub(super) fn notary_user(&self, who: &str) -> Notary {
        let credentials = match self.notary {
            Some(_) => None,
            None => Some(self.admin.credentials()),
        };
        Notary::new(
            &self.trust_url(),
            Some(&self.authority()),
            credentials,
            self.home(who),
        )
    }

    /// The command line as `admin`.
    pub(super) fn cli<const N: usize>(&self, words: [&str; N]) -> Program {
        self.admin.cli(words)
    }

    /// Asks the trust server for something.
    pub(super) fn ask(&self, path: &str) -> Answer {
        let request = curl(&format!("{}{path}", self.trust_url()));
        match self.notary {
            Some(_) => request
                .flags(["--cacert", &self.authority().display().to_string()])
                .ask(),
            None => request.user(&self.admin).ask(),
        }
    }

    /// The trust server goes away for good.
    pub(super) fn stop_trust(&mut self) {
        match &mut self.notary {
            Some(notary) => notary.stop(),
            None => self.registry.stop(),
        }
    }

    /// Notes what a step came to.
    pub(super) fn note(&mut self, step: &str, outcome: impl Into<String>) {
        self.steps.push((step.to_owned(), outcome.into()));
    }

    /// A step that must succeed.
    pub(super) fn does(&mut self, step: &str, program: Program) -> String {
        let out = program.ok();
        self.note(step, "done");
        out
    }

    /// A step that must be refused, with one of these texts in what the client says.
    pub(super) fn is_refused(&mut self, step: &str, program: Program, texts: &[&str]) -> Done {
        let done = program.fails();
        let said = format!("{}\n{}", done.out, done.err);
        let found = texts.iter().find(|text| said.contains(**text));
        let found = found.unwrap_or_else(|| panic!("none of {texts:?} is said: {}", done.all()));
        self.note(step, format!("refused: {found}"));
        done
    }

    /// What `docker trust inspect` tells, without what differs from run to run.
    pub(super) fn inspected(&mut self, step: &str, program: Program) {
        let inspected: Value = serde_json::from_str(&program.ok()).unwrap();
        let one = &inspected[0];
        let mut tags: Vec<String> = items(&one["SignedTags"])
            .map(|tag| format!("{} by {}", text(&tag["SignedTag"]), texts(&tag["Signers"])))
            .collect();
        tags.sort();
        let mut signers: Vec<String> = items(&one["Signers"])
            .map(|signer| {
                format!(
                    "{} with {} keys",
                    text(&signer["Name"]),
                    items(&signer["Keys"]).count()
                )
            })
            .collect();
        signers.sort();
        let mut keys: Vec<&str> = items(&one["AdministrativeKeys"])
            .map(|key| text(&key["Name"]))
            .collect();
        keys.sort_unstable();
        let shown = format!("tags {tags:?}, signers {signers:?}, keys {keys:?}");
        self.note(step, shown);
    }
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn texts(value: &Value) -> String {
    let mut texts: Vec<&str> = items(value).map(text).collect();
    texts.sort_unstable();
    texts.join(" and ")
}
