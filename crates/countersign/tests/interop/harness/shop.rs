//! A small shop on a server of its own, made by the command line: a developer, three people who approve, robots and their
//! owners, production hosts that a gate holds, keys, a policy. Every scenario plays there.

use super::server::ADMIN_PASSWORD;
use super::{Actor, Done, KEY_PASSWORD, Server, ServerOptions, curl, suites, temporary, within};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use trust::{PrivateKey, Signer, keyfile};

/// The shop's policy.
const POLICY: &str = r#"version: 1
repositories: ["shop/**", "hosts/**"]
stages:
  ci:
    signers: [{robot: ci-shop}]
  scan:
    automatic: true
    limits:
      vulnerabilities: {severity: critical, fixable-only: true, grace: 2s}
      known-exploited: deny
      licences: {deny: [AGPL-3.0-only]}
  staging:
    signers: [{team: qa}, {person: maria}, {robot: maria-bot}, {person: dora}]
    threshold: 2
    after: [ci, scan]
    except: [author]
gates:
  production:
    holds-for: [{team: production-hosts}]
    require: [ci, scan, staging]
    mode: enforce
"#;

/// An advisory that hits nothing: with it, there are advisories about the kinds of packages in our images.
const HARMLESS: &str = r#"{"id": "GHSA-aaaa-bbbb-cccc", "modified": "2024-01-01T00:00:00Z", "summary": "nothing here has it",
"affected": [{"package": {"ecosystem": "PyPI", "name": "no-such-package"},
"ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "1"}]}]},
{"package": {"ecosystem": "Debian:12", "name": "no-such-package"},
"ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "1"}]}]}]}"#;

const PEOPLE: [&str; 6] = ["dora", "maria", "quentin", "rita", "olaf", "otto"];
const ROBOTS: [(&str, &str); 4] = [
    ("ci-shop", "dora"),
    ("maria-bot", "maria"),
    ("host", "olaf"),
    ("host-two", "olaf"),
];
/// Role, whose, where. `otto` has an account and nothing else.
const GRANTS: [(&str, &str, &str); 14] = [
    ("writer", "dora", "shop/**"),
    ("writer", "dora", "hosts/**"),
    ("writer", "dora", "elsewhere/**"),
    ("maintainer", "dora", "clients/**"),
    ("writer", "ci-shop", "shop/**"),
    ("signer", "maria", "shop/**"),
    ("signer", "maria-bot", "shop/**"),
    ("signer", "quentin", "shop/**"),
    ("signer", "rita", "shop/**"),
    ("reader", "host", "shop/**"),
    ("reader", "host", "elsewhere/**"),
    ("writer", "host", "hosts/**"),
    ("reader", "host-two", "shop/**"),
    ("reader", "olaf", "shop/**"),
];

/// A shop that is open.
pub(crate) struct Shop {
    /// Its server.
    pub(crate) server: Server,
    actors: BTreeMap<String, Actor>,
    folder: tempfile::TempDir,
}

/// What a gate said on the command line.
#[derive(Debug)]
pub(crate) struct Verdict {
    /// How the command ended.
    pub(crate) done: Done,
    /// The answer.
    pub(crate) answer: Value,
}

impl Shop {
    /// Opens a shop with its people, robots, teams and grants; without policy, keys and advisories.
    pub(crate) fn bare(flags: &[&str]) -> Self {
        Self::bare_with(flags, ServerOptions::loopback)
    }

    /// The same on a data folder that was prepared, and may have little room.
    pub(crate) fn bare_on(prepare: impl FnOnce(&Path)) -> Self {
        Self::bare_with(&["--room-bytes-min=1"], |data| {
            prepare(data);
            ServerOptions::loopback(data)
        })
    }

    fn bare_with(flags: &[&str], options: impl FnOnce(&Path) -> ServerOptions) -> Self {
        let folder = temporary();
        let options = options(&folder.path().join("data"));
        let server = Server::start(
            flags
                .iter()
                .fold(options, |options, flag| options.flag(flag)),
        );
        let homes = folder.path().join("homes");
        let admin = Actor::person("admin", ADMIN_PASSWORD, &server, &homes);
        let mut shop = Self {
            server,
            actors: BTreeMap::from([("admin".to_owned(), admin)]),
            folder,
        };
        PEOPLE.iter().for_each(|name| shop.hire(name));
        ROBOTS
            .iter()
            .for_each(|(name, owner)| shop.build_robot(name, owner));
        let admin = shop.actor("admin");
        for (team, members) in [
            ("qa", &["quentin", "rita"]),
            ("production-hosts", &["host", "host-two"]),
        ] {
            admin.does(["team", "create", team]);
            admin.does(["team", "add", team].iter().chain(members));
        }
        for (role, to, pattern) in GRANTS {
            admin.does(["grant", "add", "--role", role, "--to", to, pattern]);
        }
        shop
    }

    /// Opens a shop whose policy is in force, with a key for everyone who signs, and harmless advisories.
    pub(crate) fn open(flags: &[&str]) -> Self {
        Self::bare(flags).with_policy()
    }

    /// The same over TLS.
    pub(crate) fn open_tls() -> Self {
        Self::bare_with(&[], ServerOptions::tls).with_policy()
    }

    fn with_policy(self) -> Self {
        let shop = self;
        for name in ["dora", "maria", "quentin", "rita"] {
            shop.new_key(name, name, "shop/**");
        }
        for name in ["ci-shop", "maria-bot"] {
            shop.new_key(name, name, "shop/**");
        }
        shop.import(&[shop.file("harmless.json", HARMLESS)], "harmless");
        shop.apply_policy(POLICY);
        shop
    }

    fn hire(&mut self, name: &str) {
        let password = format!("password of {name}, a long one");
        self.actor("admin")
            .cli(["user", "create", name, "--password-stdin"])
            .stdin(password.as_str())
            .ok();
        let homes = self.folder.path().join("homes");
        let actor = Actor::person(name, &password, &self.server, &homes);
        self.actors.insert(name.to_owned(), actor);
    }

    fn build_robot(&mut self, name: &str, owner: &str) {
        let admin = self.actor("admin");
        admin.does(["robot", "create", name, "--owner", owner]);
        let token = admin.does(["token", "create", "interop", "--for", name, "--quiet"]);
        let homes = self.folder.path().join("homes");
        let actor = Actor::robot(name, token.trim(), &self.server, &homes);
        self.actors.insert(name.to_owned(), actor);
    }

    /// Somebody by name.
    pub(crate) fn actor(&self, name: &str) -> &Actor {
        self.actors
            .get(name)
            .unwrap_or_else(|| panic!("nobody is called `{name}`"))
    }

    /// A folder for what a scenario makes.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a file.
    pub(crate) fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// Puts a policy in force, which the linter accepts first.
    pub(crate) fn apply_policy(&self, text: &str) {
        let file = self.file("shop.yaml", text);
        let file = file.to_str().unwrap();
        let admin = self.actor("admin");
        admin.does(["policy", "lint", file]);
        let said = admin.does(["policy", "apply", file]);
        assert!(said.contains("in force"), "{said}");
    }

    /// Imports advisories; an import is quick to change what is known, and findings follow.
    pub(crate) fn import(&self, paths: &[PathBuf], source: &str) {
        let paths = paths.iter().map(|path| path.to_str().unwrap());
        self.actor("admin").does(
            ["advisories", "import", "--source", source]
                .into_iter()
                .chain(paths),
        );
    }

    /// Imports the Python and Debian advisories of the third-party data.
    pub(crate) fn import_real(&self) {
        for path in [pypa(), tracker()] {
            self.actor("admin")
                .does(["advisories", "import", path.to_str().unwrap()]);
        }
    }

    /// Makes a key pair and registers it: a robot's by whoever holds its key, a person's in three steps, so that the key stays
    /// with them.
    pub(crate) fn new_key(&self, owner: &str, key: &str, scope: &str) {
        let actor = self.actor(owner);
        actor.does(["key", "generate", self.key_stem(key).to_str().unwrap()]);
        self.register(owner, key, scope);
    }

    /// Registers a key that was made by another program, as if the command line had.
    pub(crate) fn bring_key(&self, owner: &str, key: &str, scope: &str, private: &PrivateKey) {
        let sealed = keyfile::seal(private, &KEY_PASSWORD.into()).unwrap();
        std::fs::write(self.key(key), sealed).unwrap();
        let public = self.key_stem(key).with_extension("pub");
        std::fs::write(public, private.public_key().to_pem()).unwrap();
        self.register(owner, key, scope);
    }

    fn register(&self, owner: &str, key: &str, scope: &str) {
        let (admin, actor) = (self.actor("admin"), self.actor(owner));
        let file = self.key(key).to_str().unwrap().to_owned();
        let rest = if ROBOTS.iter().any(|(robot, _)| *robot == owner) {
            vec![
                "--key".to_owned(),
                file,
                "--for".to_owned(),
                owner.to_owned(),
            ]
        } else {
            let public = self.key_stem(key).with_extension("pub");
            let challenge = admin.does([
                "key",
                "challenge",
                "--public",
                public.to_str().unwrap(),
                "--for",
                owner,
            ]);
            let challenge = self.file(&format!("{key}.challenge"), &challenge);
            let proof = actor.does(["key", "prove", "--key", &file, challenge.to_str().unwrap()]);
            let proof = self.file(&format!("{key}.proof"), &proof);
            vec!["--proof".to_owned(), proof.to_str().unwrap().to_owned()]
        };
        let register = [
            "key",
            "register",
            "--name",
            key,
            "--scope",
            scope,
            "--user",
            "admin",
            "--password-stdin",
        ];
        let said = admin.cli(register).args(rest).stdin(ADMIN_PASSWORD).ok();
        assert!(said.contains(owner), "{said}");
    }

    fn key_stem(&self, key: &str) -> PathBuf {
        self.folder.path().join(key)
    }

    /// The file of a private key.
    pub(crate) fn key(&self, key: &str) -> PathBuf {
        self.key_stem(key).with_extension("key")
    }

    /// `countersign sign`, as somebody with one of their keys.
    pub(crate) fn sign(&self, who: &str, key: &str, stage: &str, image: &str) {
        let file = self.key(key);
        let said = self.actor(who).does([
            "sign",
            "--stage",
            stage,
            "--key",
            file.to_str().unwrap(),
            image,
        ]);
        assert!(said.contains("Signed"), "{said}");
    }

    /// `countersign gate IMAGE --gate production -o json`.
    pub(crate) fn gate(&self, image: &str) -> Verdict {
        let done = self
            .actor("admin")
            .cli(["gate", image, "--gate", "production", "-o", "json"])
            .run();
        let answer = serde_json::from_str(&done.out)
            .unwrap_or_else(|error| panic!("no answer ({error}): {}", done.all()));
        Verdict { done, answer }
    }

    /// Asks our API as `admin`.
    pub(crate) fn api(&self, path: &str) -> Value {
        let url = format!("{}/api/v1/{path}", self.server.url());
        let answer = curl(&url).user(self.actor("admin")).ask();
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        answer.json()
    }

    /// Waits until the image was taken apart and the server has recorded its automatic stage.
    pub(crate) fn wait_for_scan(&self, repository: &str, digest: &str) {
        let url = format!("{}/v2/{repository}/referrers/{digest}", self.server.url());
        within(20, "the server records stage scan", || {
            let answer = curl(&url).user(self.actor("admin")).ask();
            (answer.status == 200 && answer.body.contains(r#""dev.countersign.stage":"scan""#))
                .then_some(())
        });
    }

    /// Waits until the image was taken apart; answers what `/api/v1/image` says then.
    pub(crate) fn wait_for_inventory(&self, image: &str) -> Value {
        let url = format!("{}/api/v1/image?ref={image}", self.server.url());
        within(60, "the image is taken apart", || {
            let answer = curl(&url).user(self.actor("admin")).ask();
            let state = (answer.status == 200).then(|| answer.json())?;
            (state["inventory"]["state"] != "not-indexed").then_some(state)
        })
    }
}

impl Verdict {
    /// `allow`, `deny` or `not-ready`.
    pub(crate) fn outcome(&self) -> &str {
        self.answer["outcome"].as_str().unwrap()
    }

    fn stage(&self, name: &str) -> &Value {
        let rules = self.answer["decisions"][0]["rules"].as_array().unwrap();
        let found = rules
            .iter()
            .find(|rule| rule["rule"]["kind"] == "stage" && rule["rule"]["name"] == name);
        found.unwrap_or_else(|| panic!("no stage `{name}` in {:#}", self.answer))
    }

    /// Whether a stage is met.
    pub(crate) fn is_met(&self, stage: &str) -> bool {
        self.stage(stage)["satisfied"].as_bool().unwrap()
    }

    /// The reason codes at a stage.
    pub(crate) fn codes(&self, stage: &str) -> BTreeSet<String> {
        let reasons = self.stage(stage)["reasons"].as_array().unwrap();
        reasons
            .iter()
            .map(|reason| reason["code"].as_str().unwrap().to_owned())
            .collect()
    }

    /// The names of those whose signatures count for a stage.
    pub(crate) fn counted(&self, stage: &str) -> BTreeSet<String> {
        let counted = self.stage(stage)["counted"].as_array().unwrap();
        counted
            .iter()
            .map(|counted| counted["name"].as_str().unwrap().to_owned())
            .collect()
    }

    /// Asserts the exit code and the outcome.
    pub(crate) fn is(&self, outcome: &str) {
        let code = match outcome {
            "allow" => 0,
            "deny" => 3,
            _ => 4,
        };
        assert_eq!(
            (self.outcome(), self.done.code),
            (outcome, Some(code)),
            "{}",
            self.done.all()
        );
    }
}

/// The Python advisories of the third-party data.
pub(crate) fn pypa() -> PathBuf {
    let packs = std::fs::read_dir(suites().join("advisories"))
        .expect("the third-party data has advisories");
    let pack = packs.map(|entry| entry.unwrap().path()).find(|path| {
        path.file_name()
            .unwrap()
            .to_string_lossy()
            .starts_with("pypa-new-")
    });
    pack.expect("a pack `pypa-new-…`")
}

/// Debian's advisories in the layout of its security tracker.
pub(crate) fn tracker() -> PathBuf {
    suites().join("advisories/debian-derived/debian-derived/tracker-format.json")
}
