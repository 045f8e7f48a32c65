//! Somebody at the program: a home of their own, with keys and memories in it.

use crate::docker::PASSPHRASE;
use crate::world::{PASSWORD, Server, json};
use serde_json::Value;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

pub(crate) const REPOSITORY: &str = "shop/web";
/// What opens root keys of docker; its others have `docker::PASSPHRASE`.
pub(crate) const ROOT_PASSPHRASE: &str = "a passphrase for roots";
pub(crate) const ROOT_VARIABLE: &str = "DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE";
pub(crate) const OTHER_VARIABLE: &str = "DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE";

pub(crate) fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned()
}

/// Somebody with a home of their own, logged in as `admin`.
pub(crate) struct Person<'a> {
    server: &'a Server,
    token: String,
    home: tempfile::TempDir,
}

impl<'a> Person<'a> {
    pub(crate) fn new(server: &'a Server, token: &str) -> Self {
        Self {
            server,
            token: token.to_owned(),
            home: tempfile::tempdir().unwrap(),
        }
    }

    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }

    /// The program with the passphrases of docker in its environment.
    fn program(&self) -> Command {
        let mut command = self.server.as_person(self.home());
        command
            .args(["--server", &self.server.url()])
            .env(ROOT_VARIABLE, ROOT_PASSPHRASE)
            .env(OTHER_VARIABLE, PASSPHRASE)
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn runs(&self, words: &[&str]) -> Output {
        let mut command = self.program();
        command.args(["--token", &self.token]).args(words);
        command.output().unwrap()
    }

    /// The same with a variable of the environment.
    pub(crate) fn runs_with(&self, variable: &str, value: &str, words: &[&str]) -> Output {
        let mut command = self.program();
        command.args(["--token", &self.token]).args(words);
        command.env(variable, value).output().unwrap()
    }

    pub(crate) fn does(&self, words: &[&str]) -> String {
        let output = self.runs(words);
        assert!(output.status.success(), "{words:?}: {}", said(&output));
        said(&output)
    }

    /// Fails with a code, and says why.
    pub(crate) fn fails(&self, code: i32, words: &[&str]) -> String {
        let output = self.runs(words);
        let failed = output.status.code();
        assert_eq!(failed, Some(code), "{words:?}: {}", said(&output));
        said(&output)
    }

    pub(crate) fn status(&self) -> Value {
        self.status_of(REPOSITORY)
    }

    pub(crate) fn status_of(&self, repository: &str) -> Value {
        json(&self.runs(&["trust", "status", repository, "-o", "json"]))
    }

    /// Makes a key, and registers it as somebody's.
    pub(crate) fn makes_key(&self, name: &str, whose: &str) -> PathBuf {
        let path = self.home().join(name);
        self.does(&["key", "generate", path.to_str().unwrap()]);
        let private = path.with_extension("key");
        self.registers(&private, whose, "shop/*");
        private
    }

    /// Registers a key as somebody's; `admin` is asked for their password.
    pub(crate) fn registers(&self, key: &Path, whose: &str, scope: &str) {
        let key = key.to_str().unwrap();
        let output = self.types_password(&[
            "key", "register", "--key", key, "--for", whose, "--name", "laptop", "--scope", scope,
        ]);
        assert!(output.status.success(), "{}", said(&output));
    }

    /// What proves a key to be somebody's, in a file, made in two steps.
    pub(crate) fn proves(&self, public: &str, private: &Path, whose: &str) -> PathBuf {
        let [challenge, proof] =
            ["challenge.json", "proof.json"].map(|name| self.home().join(name));
        for (path, words) in [
            (
                &challenge,
                vec!["challenge", "--public", public, "--for", whose],
            ),
            (
                &proof,
                vec![
                    "prove",
                    "--key",
                    private.to_str().unwrap(),
                    challenge.to_str().unwrap(),
                ],
            ),
        ] {
            let output = self.runs(&[&["key"], words.as_slice()].concat());
            assert!(output.status.success(), "{words:?}: {}", said(&output));
            std::fs::write(path, output.stdout).unwrap();
        }
        proof
    }

    /// Runs as `admin`, who types their password.
    pub(crate) fn types_password(&self, words: &[&str]) -> Output {
        let mut command = self.program();
        command
            .args(["--token", &self.token])
            .args(words)
            .args(["--user", "admin", "--password-stdin"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut input = child.stdin.take().unwrap();
        // Who is refused before is not asked.
        let _ = input.write_all(PASSWORD.as_bytes());
        drop(input);
        child.wait_with_output().unwrap()
    }

    /// Vouches for an image at a stage.
    pub(crate) fn signs(&self, stage: &str, key: &Path, image: &str) {
        let key = key.to_str().unwrap();
        self.does(&["sign", "--stage", stage, "--key", key, image]);
    }

    /// Waits until the server has released just these tags.
    pub(crate) fn waits_for_released(&self, tags: &[&str]) {
        let mut released = Vec::new();
        for _ in 0..100 {
            let status = self.status();
            let listed = status["released"].as_array().unwrap().iter();
            released = listed
                .map(|tag| tag["tag"].as_str().unwrap().to_owned())
                .collect();
            if released == tags {
                return;
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        panic!("released are {released:?}, and not {tags:?}");
    }
}

/// What `status` says about a role of the root.
pub(crate) fn role<'a>(status: &'a Value, name: &str) -> &'a Value {
    let roles = status["roles"].as_array().unwrap();
    roles.iter().find(|role| role["role"] == name).unwrap()
}

/// The key of such a role.
pub(crate) fn key_of(status: &Value, role_name: &str) -> Value {
    role(status, role_name)["keys"][0]["id"].clone()
}

/// The names of the signers.
pub(crate) fn signers(status: &Value) -> Vec<String> {
    let signers = status["signers"].as_array().unwrap().iter();
    let names = signers.map(|signer| signer["name"].as_str().unwrap().to_owned());
    names.collect()
}

/// The files of a folder, in order; none where there is no folder.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}
