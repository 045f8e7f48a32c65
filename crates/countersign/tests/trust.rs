//! `countersign trust` at a real server: the life of a plain repository, and how one of docker's becomes a managed one.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test says by a panic that it fails"
)]

#[path = "trust/docker.rs"]
mod docker;
#[path = "world/program.rs"]
mod world;

use docker::DockerOwner;
use serde_json::Value;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use testkit::{Fault, Proxy, Times};
use tokio::runtime::Runtime;
use trust::tuf::Key;
use trust::{Algorithm, PrivateKey, Signer as _};
use world::{PASSWORD, Server, json};

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned()
}

/// Somebody with a home of their own, logged in as `admin`.
struct Person<'a> {
    server: &'a Server,
    url: String,
    token: String,
    home: tempfile::TempDir,
}

impl<'a> Person<'a> {
    fn new(server: &'a Server, url: &str, token: &str) -> Self {
        Self {
            server,
            url: url.to_owned(),
            token: token.to_owned(),
            home: tempfile::tempdir().unwrap(),
        }
    }

    fn home(&self) -> &Path {
        self.home.path()
    }

    fn runs(&self, words: &[&str]) -> Output {
        let mut command = self.server.as_person(self.home());
        command.args(["--server", &self.url, "--token", &self.token]);
        command.env(
            "DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE",
            docker::PASSPHRASE,
        );
        command.args(words).stdin(Stdio::null()).output().unwrap()
    }

    fn does(&self, words: &[&str]) -> String {
        let output = self.runs(words);
        assert!(output.status.success(), "{words:?}: {}", said(&output));
        said(&output)
    }

    /// Fails with a code, and says why.
    fn fails(&self, code: i32, words: &[&str]) -> String {
        let output = self.runs(words);
        assert_eq!(
            output.status.code(),
            Some(code),
            "{words:?}: {}",
            said(&output)
        );
        said(&output)
    }

    fn status(&self) -> Value {
        json(&self.runs(&["trust", "status", "shop/web", "-o", "json"]))
    }

    /// Registers a key as that of `admin`, who is asked for their password.
    fn registers(&self, key: &Path, scope: &str) {
        let mut command = self.server.as_person(self.home());
        command
            .env(
                "DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE",
                docker::PASSPHRASE,
            )
            .args(["--server", &self.url, "key", "register", "--key"])
            .arg(key)
            .args(["--name", "laptop", "--scope", scope])
            .args(["--user", "admin", "--password-stdin"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut input = child.stdin.take().unwrap();
        input.write_all(PASSWORD.as_bytes()).unwrap();
        drop(input);
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", said(&output));
    }
}

/// What `status` says about a role of the root.
fn role<'a>(status: &'a Value, name: &str) -> &'a Value {
    let roles = status["roles"].as_array().unwrap();
    roles.iter().find(|role| role["role"] == name).unwrap()
}

fn key_files(home: &Path, purpose: &str) -> Vec<PathBuf> {
    let folder = home.join("config/trust").join(purpose);
    let entries = std::fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn a_plain_repository_is_begun_looked_at_rotated_and_deleted() {
    let server = Server::start(&[]);
    let token = server.token(&Runtime::new().unwrap());
    let owner = Person::new(&server, &server.url(), &token);
    let gun = format!("{}/shop/web", server.address());
    let none = owner.fails(1, &["trust", "status", "shop/web"]);
    assert!(
        none.contains(&format!("countersign trust init {gun}")),
        "{none}"
    );
    let managed = owner.fails(1, &["trust", "init", "shop/web"]);
    assert!(managed.contains("--plain"), "{managed}");
    let begun = owner.does(&["trust", "init", "--plain", &gun]);
    assert!(begun.contains("plain trust repository"), "{begun}");
    let twice = owner.fails(1, &["trust", "init", "--plain", "shop/web"]);
    assert!(twice.contains("already"), "{twice}");
    let tagged = owner.fails(1, &["trust", "status", "shop/web:1"]);
    assert!(tagged.contains("without a tag"), "{tagged}");

    let status = owner.status();
    assert_eq!(
        (&status["gun"], &status["form"]),
        (&gun.into(), &"plain".into())
    );
    assert_eq!(role(&status, "root")["keys"][0]["heldBy"], "countersign");
    assert_eq!(role(&status, "snapshot")["keys"][0]["heldBy"], "server");
    assert_eq!(role(&status, "root")["keys"][0]["type"], "ecdsa-x509");
    for which in ["timestamp", "snapshot", "targets", "root"] {
        let before = role(&owner.status(), which)["keys"][0]["id"].clone();
        owner.does(&["trust", "rotate", which, "shop/web"]);
        let after = role(&owner.status(), which)["keys"][0]["id"].clone();
        assert_ne!(before, after, "{which}");
    }
    let status = owner.status();
    assert_eq!(role(&status, "root")["version"], 5);
    assert_eq!(role(&status, "targets")["version"], 2);
    assert_eq!(key_files(owner.home(), "root").len(), 2);
    assert_eq!(key_files(owner.home(), "targets").len(), 2);

    // Without the keys nothing can be changed, and it says where it has looked.
    let other = Person::new(&server, &owner.url, &token);
    let missing = other.fails(1, &["trust", "rotate", "timestamp", "shop/web"]);
    assert!(missing.contains("--keys PATH"), "{missing}");
    let keys = owner.home().join("config/trust/root");
    let keys = keys.to_str().unwrap();
    other.does(&["trust", "rotate", "timestamp", "--keys", keys, "shop/web"]);

    other.fails(2, &["trust", "delete", "shop/web"]);
    other.does(&["trust", "delete", "shop/web", "--yes"]);
    let known = owner.fails(1, &["trust", "init", "--plain", "shop/web"]);
    assert!(known.contains("--again"), "{known}");
    // Another root than the one that was known is believed by nobody who knew it.
    other.does(&["trust", "init", "--plain", "shop/web"]);
    let refused = owner.fails(3, &["trust", "status", "shop/web"]);
    assert!(refused.contains("does not follow"), "{refused}");
}

#[test]
fn a_repository_of_docker_becomes_a_managed_one() {
    let server = Server::start(&[]);
    let runtime = Runtime::new().unwrap();
    let token = server.token(&runtime);
    // The server's key for `targets/releases`, which this server does not give yet.
    let releases = PrivateKey::generate(Algorithm::Ed25519).unwrap();
    let releases = Key::from(releases.public_key());
    let proxy = runtime.block_on(Proxy::start(server.address())).unwrap();
    let body = Box::leak(releases.to_json().to_string().into_boxed_str());
    let instead = Fault::Instead { body };
    proxy.spoil_at(Some("GET"), "targets/releases.key", Times::Always, instead);
    let url = format!("http://{}", proxy.address());
    let owner = Person::new(&server, &url, &token);
    let gun = format!("{}/shop/web", proxy.address());
    let docker = DockerOwner::begin(owner.home(), &gun);
    let client = docker::client(&url, &token);
    runtime.block_on(docker.publishes(&client));

    let status = owner.status();
    assert_eq!(status["form"], "plain");
    assert_eq!(status["released"][0]["tag"], "1");
    assert_eq!(role(&status, "targets")["keys"][0]["heldBy"], "docker");
    let plain = [
        "trust",
        "signer",
        "add",
        "alice",
        "--key",
        &docker.public,
        "shop/web",
    ];
    let plain = owner.fails(1, &plain);
    assert!(plain.contains("countersign trust manage"), "{plain}");
    let asked = owner.fails(1, &["trust", "manage", "shop/web"]);
    assert!(
        asked.contains("--yes") && asked.contains("so far 1"),
        "{asked}"
    );
    assert_eq!(owner.status()["form"], "plain", "nothing was changed");

    let done = owner.does(&["trust", "manage", "--yes", "--without", "bob", "shop/web"]);
    assert!(
        done.contains("is not registered") && done.contains("targets/bob  ends"),
        "{done}"
    );
    let status = owner.status();
    assert_eq!(status["form"], "managed");
    assert_eq!(status["released"], serde_json::json!([]));
    let names = |status: &Value| -> Vec<String> {
        let signers = status["signers"].as_array().unwrap().iter();
        let names = signers.map(|signer| signer["name"].as_str().unwrap().to_owned());
        names.collect()
    };
    assert_eq!(names(&status), ["releases", "carol"]);
    let key = &status["signers"][0]["keys"][0];
    assert_eq!(key["id"], releases.id().as_str());
    assert_eq!(key["principal"], "the server");
    let again = owner.does(&["trust", "manage", "shop/web"]);
    assert!(again.contains("managed already"), "{again}");

    // alice's key is docker's, and has to be somebody's before it may sign.
    let add = [
        "trust",
        "signer",
        "add",
        "alice",
        "--key",
        &docker.public,
        "shop/web",
    ];
    let unknown = owner.fails(1, &add);
    assert!(
        unknown.contains("countersign key challenge --public"),
        "{unknown}"
    );
    owner.registers(&docker.private, "other/*");
    let elsewhere = owner.fails(1, &add);
    assert!(elsewhere.contains("for other/* only"), "{elsewhere}");
    owner.registers(&docker.private, "shop/*");
    let added = owner.does(&add);
    assert!(added.contains("of admin"), "{added}");
    let list = json(&owner.runs(&["trust", "signer", "list", "shop/web", "-o", "json"]));
    assert_eq!(list[2]["name"], "alice");
    assert_eq!(list[2]["keys"][0]["principal"], "admin");
    assert_eq!(list[2]["tags"], 0);
    let reserved = owner.fails(1, &["trust", "signer", "remove", "releases", "shop/web"]);
    assert!(reserved.contains("the server's"), "{reserved}");
    owner.does(&["trust", "signer", "remove", "alice", "--yes", "shop/web"]);
    assert_eq!(names(&owner.status()), ["releases", "carol"]);
    let table = owner.does(&["trust", "status", "shop/web"]);
    assert!(table.contains("managed, the server releases"), "{table}");
}
