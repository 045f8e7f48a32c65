//! A server as people run it, with one gate that one robot's signature opens.

use crate::world::{Image, KEY_PASSWORD, PASSWORD, Server};
use client::api::Secret;
use client::api::accounts::{Grantee, NewGrant, NewRobot, NewUser};
use client::api::policies::PutPolicy;
use client::api::tokens::NewToken;
use client::{Client, PageRequest};
use std::io::Write;
use std::path::PathBuf;
use std::process::{Output, Stdio};
use tokio::runtime::Runtime;

const POLICY: &str = "version: 1
repositories: ['shop/**']
stages:
  ci: {signers: [{robot: ci-shop}]}
gates:
  production: {holds-for: everyone, except: [{person: admin}, {robot: ci-shop}], require: [ci]}
";

pub(crate) struct Shop {
    pub(crate) server: Server,
    pub(crate) runtime: Runtime,
    client: Client,
    admin: String,
    /// The token of the robot `ci-shop`.
    pub(crate) robot: String,
    folder: tempfile::TempDir,
}

impl Shop {
    pub(crate) fn new() -> Self {
        let server = Server::start(&[]);
        let runtime = Runtime::new().unwrap();
        let admin = server.token(&runtime);
        let client = server.client_with(&admin);
        let robot = runtime.block_on(async {
            let robot = NewRobot {
                name: "ci-shop".to_owned(),
                owner: None,
            };
            client.create_robot(&robot).await.unwrap();
            let grant = NewGrant {
                to: Grantee::Principal("ci-shop".to_owned()),
                role: "writer".to_owned(),
                pattern: "**".to_owned(),
            };
            client.create_grant(&grant).await.unwrap();
            let token = NewToken {
                name: "ci".to_owned(),
                expires_in_days: None,
                principal: Some("ci-shop".to_owned()),
                scope: None,
            };
            let policy = PutPolicy {
                document: POLICY.to_owned(),
            };
            assert!(
                client
                    .put_policy("shop", &policy, false)
                    .await
                    .unwrap()
                    .applied
            );
            let made = server.client().create_token(&token).await.unwrap();
            made.token.expose().to_owned()
        });
        Self {
            server,
            runtime,
            client,
            admin,
            robot,
            folder: tempfile::tempdir().unwrap(),
        }
    }

    /// Pushes an image of one layer, and answers how it is named.
    pub(crate) fn push(&self, repository: &str, number: u64) -> String {
        let image = Image::new(&number.to_string(), &[number]);
        self.runtime.block_on(image.push(&self.client, repository));
        format!("{repository}:{}", image.tag)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The program with a token.
    pub(crate) fn ask_with(&self, token: &str, arguments: &[&str]) -> Output {
        self.server.ask_with(token, arguments)
    }

    /// The program as `admin`; it has to succeed. Answers what it printed.
    pub(crate) fn admin(&self, arguments: &[&str]) -> String {
        succeeded(self.ask_with(&self.admin, arguments))
    }

    /// The same as the robot.
    pub(crate) fn robot(&self, arguments: &[&str]) -> String {
        succeeded(self.ask_with(&self.robot, arguments))
    }

    /// What fails, as the robot or with another token, and what it says.
    pub(crate) fn fails(&self, token: &str, arguments: &[&str]) -> String {
        let output = self.ask_with(token, arguments);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    }

    /// The token of `admin`.
    pub(crate) fn admin_token(&self) -> &str {
        &self.admin
    }

    /// A command that takes the password of `admin`.
    pub(crate) fn by_password(&self, arguments: &[&str]) -> String {
        succeeded(self.by_password_of("admin", arguments))
    }

    /// The same of somebody else, who has the same password, and how it ends.
    pub(crate) fn by_password_of(&self, user: &str, arguments: &[&str]) -> Output {
        let url = self.server.url();
        let mut command = self.server.as_person(self.folder.path());
        command
            .args(arguments)
            .args(["--user", user, "--password-stdin", "--server", &url])
            .env("COUNTERSIGN_KEY_PASSWORD", KEY_PASSWORD)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut input = child.stdin.take().unwrap();
        input.write_all(PASSWORD.as_bytes()).unwrap();
        drop(input);
        child.wait_with_output().unwrap()
    }

    /// Adds a person without a role, with the password that everybody has.
    pub(crate) fn person(&self, name: &str) {
        let new = NewUser {
            name: name.to_owned(),
            password: Some(Secret::from(PASSWORD.to_owned())),
        };
        self.runtime
            .block_on(self.client.create_user(&new))
            .unwrap();
    }

    /// Makes a key in a file, which nobody knows. Answers the file.
    pub(crate) fn generate(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        succeeded(
            self.server
                .ask(&["key", "generate", path.to_str().unwrap()]),
        );
        path.with_extension("key")
    }

    /// Makes a key in a file and registers it for the robot. Answers the file.
    pub(crate) fn key(&self, name: &str) -> PathBuf {
        self.key_of("ci-shop", name)
    }

    /// The same for somebody else.
    pub(crate) fn key_of(&self, principal: &str, name: &str) -> PathBuf {
        let file = self.generate(name);
        let register = ["key", "register", "--key", file.to_str().unwrap()];
        let rest = ["--for", principal, "--name", name, "--scope", "shop/**"];
        self.by_password(&[&register[..], &rest].concat());
        file
    }

    /// The id of the registered key of this name; the newest, where several have it.
    pub(crate) fn id(&self, name: &str) -> String {
        let keys = self.runtime.block_on(self.client.keys()).unwrap();
        let found = keys.into_iter().rfind(|key| key.name == name);
        found.unwrap().id
    }

    /// What the gate answers, by the program's exit code.
    pub(crate) fn gate(&self, image: &str) -> (Option<i32>, String) {
        let ask = ["gate", image, "--gate", "production"];
        let output = self.ask_with(&self.admin, &ask);
        (
            output.status.code(),
            String::from_utf8(output.stdout).unwrap(),
        )
    }

    /// The monitor comes to this answer about the image by itself, and tells it.
    pub(crate) fn awaits_decision(&self, image: &str, before: &str, after: &str) {
        let subject = format!("@{}", self.digest(image));
        for _ in 0..300 {
            let page = PageRequest {
                after: Some("0"),
                limit: Some(1_000),
            };
            let events = self.runtime.block_on(self.client.events(page)).unwrap();
            let is_told = events.items.iter().any(|event| {
                event.kind == "dev.countersign.decision.changed"
                    && event
                        .subject
                        .as_ref()
                        .is_some_and(|of| of.ends_with(&subject))
                    && event.data["before"] == before
                    && event.data["after"] == after
            });
            if is_told {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        panic!("nobody is told that {image} went from {before} to {after}");
    }

    fn digest(&self, image: &str) -> String {
        let answer = self.runtime.block_on(self.client.verify(image, &[]));
        answer.unwrap().digest.to_string()
    }

    /// The acts of this kind in the audit log.
    pub(crate) fn acts(&self, act: &str) -> Vec<client::api::audit::AuditRow> {
        let page = PageRequest {
            after: None,
            limit: Some(1_000),
        };
        let rows = self.runtime.block_on(self.client.audit(page)).unwrap();
        let mut rows = rows.items;
        rows.retain(|row| row.act == act);
        rows
    }
}

pub(crate) fn succeeded(output: Output) -> String {
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{told}");
    String::from_utf8(output.stdout).unwrap()
}
