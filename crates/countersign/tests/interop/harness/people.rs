//! Who acts: a person or robot with a log-in of their own, who uses the command line as anybody would.

use super::server::binary;
use super::{Program, Server};
use std::path::{Path, PathBuf};

/// The password of every key's file.
pub(crate) const KEY_PASSWORD: &str = "a key's password";

/// Somebody with an account.
#[derive(Clone, Debug)]
pub(crate) struct Actor {
    /// The account's name.
    pub(crate) name: String,
    /// What docker logs in with: a person's password, a robot's token.
    pub(crate) secret: String,
    is_robot: bool,
    server: String,
    home: PathBuf,
    authority: Option<PathBuf>,
}

impl Actor {
    /// A person who has a password and logs in.
    pub(crate) fn person(name: &str, password: &str, server: &Server, homes: &Path) -> Self {
        let actor = Self::new(name, password, false, server, homes);
        actor.log_in();
        actor
    }

    /// A robot that has a token.
    pub(crate) fn robot(name: &str, token: &str, server: &Server, homes: &Path) -> Self {
        Self::new(name, token, true, server, homes)
    }

    fn new(name: &str, secret: &str, is_robot: bool, server: &Server, homes: &Path) -> Self {
        let home = homes.join(name);
        std::fs::create_dir_all(&home).unwrap();
        Self {
            name: name.to_owned(),
            secret: secret.to_owned(),
            is_robot,
            server: server.url(),
            home,
            authority: server.authority(),
        }
    }

    /// Logs in with the password, as `countersign login` keeps it.
    pub(crate) fn log_in(&self) {
        let said = self
            .cli(["login", "--user", &self.name, "--password-stdin"])
            .stdin(self.secret.as_str())
            .ok();
        assert!(said.contains("Logged in"), "{said}");
    }

    /// The command line as this actor.
    pub(crate) fn cli<A: AsRef<std::ffi::OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = A>,
    ) -> Program {
        let mut program = Program::new(binary())
            .args(arguments)
            .env("HOME", &self.home)
            .env("DOCKER_CONFIG", self.home.join("docker"))
            .env("COUNTERSIGN_CONFIG_DIR", self.home.join("countersign"))
            .env("COUNTERSIGN_SERVER", &self.server)
            .env("COUNTERSIGN_KEY_PASSWORD", KEY_PASSWORD)
            .without_env("COUNTERSIGN_SUITES")
            .dir(&self.home);
        if self.is_robot {
            program = program.env("COUNTERSIGN_TOKEN", &self.secret);
        }
        match &self.authority {
            Some(authority) => program.env("COUNTERSIGN_CA", authority),
            None => program,
        }
    }

    /// Runs a command that must succeed.
    pub(crate) fn does<A: AsRef<std::ffi::OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = A>,
    ) -> String {
        self.cli(arguments).ok()
    }

    /// `name:secret`, as curl and skopeo take it.
    pub(crate) fn credentials(&self) -> String {
        format!("{}:{}", self.name, self.secret)
    }

    /// The authority that the actor trusts, where the server has TLS.
    pub(crate) fn authority(&self) -> Option<&Path> {
        self.authority.as_deref()
    }

    /// The actor's own folder.
    pub(crate) fn home(&self) -> &Path {
        &self.home
    }
}
