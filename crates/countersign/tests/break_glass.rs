//! `countersign gate break-glass` as two people run it, beside a server whose scanner cannot read the image.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test says by a panic that it fails"
)]

#[path = "world/program.rs"]
mod world;

use client::api::Secret;
use client::api::accounts::{Grantee, NewGrant, NewUser};
use client::api::policies::PutPolicy;
use client::api::tokens::NewToken;
use client::{Client, Credentials, PageRequest};
use oci::{Descriptor, IndexManifest, Manifest, Reference, RepositoryName, media};
use secrecy::SecretString;
use serde_json::json;
use std::collections::BTreeMap;
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;
use world::{Image, PASSWORD, Server};

const POLICY: &str = "version: 1
repositories: ['shop/**']
stages:
  scan: {automatic: true, limits: {known-exploited: deny}}
gates:
  production: {holds-for: everyone, except: [{person: admin}], require: [scan]}
";

/// A server with an image that cannot be read, and two people with the role `security`.
struct Shop {
    server: Server,
    tokens: BTreeMap<&'static str, String>,
    image: String,
    tag: String,
}

impl Shop {
    fn open() -> Self {
        let server = Server::start(&["--break-glass-max", "4h"]);
        let (runtime, admin) = (Runtime::new().unwrap(), server.client());
        let image = Image::new("release", &[1]);
        let mut tokens = BTreeMap::new();
        runtime.block_on(async {
            for name in ["anna", "omar"] {
                tokens.insert(name, hire(&server, &admin, name).await);
            }
            let policy = PutPolicy {
                document: POLICY.to_owned(),
            };
            let policy = admin.put_policy("shop", &policy, false).await.unwrap();
            assert!(policy.applied, "{policy:?}");
            image.push(&admin, "shop/web").await;
        });
        Self {
            server,
            tokens,
            image: format!("shop/web:{}", image.tag),
            tag: image.tag,
        }
    }

    /// Runs the program as one of the two.
    fn run(&self, who: &str, arguments: &[&str]) -> Output {
        self.server.ask_with(&self.tokens[who], arguments)
    }

    /// The exit code of the gate, and what it says.
    fn gate(&self) -> (Option<i32>, String) {
        let output = self.run("anna", &["gate", &self.image, "--gate", "production"]);
        (output.status.code(), said(&output))
    }

    /// The same, once the image was looked at.
    fn settled_gate(&self) -> (Option<i32>, String) {
        for _ in 0..600 {
            let (code, said) = self.gate();
            if !said.contains("not-indexed") {
                return (code, said);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        self.gate()
    }
}

async fn hire(server: &Server, admin: &Client, name: &str) -> String {
    let user = NewUser {
        name: name.to_owned(),
        password: Some(Secret::from(PASSWORD)),
    };
    admin.create_user(&user).await.unwrap();
    let grant = NewGrant {
        to: Grantee::Principal(name.to_owned()),
        role: "security".to_owned(),
        pattern: "shop/**".to_owned(),
    };
    admin.create_grant(&grant).await.unwrap();
    let own = server.client_as(Credentials::Basic {
        user: name.to_owned(),
        password: SecretString::from(PASSWORD),
    });
    let token = NewToken {
        name: "laptop".to_owned(),
        expires_in_days: None,
        principal: None,
        scope: None,
    };
    let made = own.create_token(&token).await.unwrap();
    made.token.expose().to_owned()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned()
}

#[test]
fn two_people_open_a_gate_on_the_command_line_and_one_shuts_it() {
    let shop = Shop::open();
    let (code, refused) = shop.settled_gate();
    assert_eq!(code, Some(3), "{refused}");
    let ask = |who, lasts| {
        let place = ["gate", "break-glass", &shop.image, "--gate", "production"];
        let terms = ["--for", lasts, "--reason", "the scanner is down, INC-42"];
        shop.run(who, &[&place[..], &terms].concat())
    };
    let too_long = ask("anna", "5h");
    assert_eq!(too_long.status.code(), Some(1));
    assert!(
        said(&too_long).contains("from 1 to 240 minutes"),
        "{}",
        said(&too_long)
    );
    let asked = ask("anna", "4h");
    assert_eq!(asked.status.code(), Some(0), "{}", said(&asked));
    assert!(
        said(&asked).contains("countersign gate break-glass confirm 1"),
        "{}",
        said(&asked)
    );
    assert_eq!(shop.gate().0, Some(3), "until somebody else confirms it");
    let confirm = ["gate", "break-glass", "confirm", "1"];
    let alone = shop.run("anna", &confirm);
    assert_eq!(alone.status.code(), Some(1));
    assert!(
        said(&alone).contains("person anna asked for it"),
        "{}",
        said(&alone)
    );

    let confirmed = shop.run("omar", &confirm);
    assert_eq!(confirmed.status.code(), Some(0), "{}", said(&confirmed));
    let (code, tree) = shop.gate();
    assert_eq!(code, Some(0), "{tree}");
    assert!(
        tree.contains("asked for by person anna, confirmed by person omar")
            && tree.contains("INC-42"),
        "{tree}"
    );
    let list = shop.run("omar", &["gate", "break-glass", "list", "-o", "json"]);
    let list = world::json(&list);
    assert_eq!(
        (&list[0]["state"], &list[0]["forSeconds"]),
        (&json!("in-force"), &json!(14_400))
    );
    let table = said(&shop.run("omar", &["gate", "break-glass", "list"]));
    assert!(
        table.contains("anna and omar") && table.contains("shop/production"),
        "{table}"
    );

    let ended = shop.run("anna", &["gate", "break-glass", "end", "1"]);
    assert_eq!(ended.status.code(), Some(0), "{}", said(&ended));
    assert_eq!(shop.gate().0, Some(3));
    let open = said(&shop.run("anna", &["gate", "break-glass", "list"]));
    assert!(open.contains("no gate is broken open"), "{open}");
    let all = said(&shop.run("anna", &["gate", "break-glass", "list", "--all"]));
    assert!(all.contains("withdrawn by anna"), "{all}");
}

#[test]
fn whoever_asks_for_an_index_is_told_how_much_it_opens() {
    let shop = Shop::open();
    let (runtime, admin) = (Runtime::new().unwrap(), shop.server.client());
    let image = Image::new("release", &[1]);
    let index = Manifest::Index(IndexManifest {
        media_type: media::OCI_INDEX.to_owned(),
        artifact_type: None,
        manifests: vec![Descriptor::of(media::OCI_MANIFEST, &image.content)],
        subject: None,
        annotations: BTreeMap::new(),
    });
    let repository: RepositoryName = "shop/web".parse().unwrap();
    let multi = Reference::Tag("multi".parse().unwrap());
    let put = admin.put_manifest(
        &repository,
        &multi,
        media::OCI_INDEX,
        index.to_bytes().into(),
    );
    runtime.block_on(put).unwrap();
    let (place, terms) = (
        ["gate", "break-glass", "shop/web:multi"],
        "--gate production --for 1h --reason INC-42".split(' '),
    );
    let words: Vec<&str> = place.into_iter().chain(terms).collect();
    let asked = said(&shop.run("anna", &words));
    assert!(
        asked.contains("It is an index: what it lists passes with it, 1 in all."),
        "{asked}"
    );
    assert_eq!(shop.settled_gate().0, Some(3));
    let confirmed = shop.run("omar", &["gate", "break-glass", "confirm", "1"]);
    assert_eq!(confirmed.status.code(), Some(0), "{}", said(&confirmed));
    let (code, tree) = shop.gate();
    assert_eq!(code, Some(0), "{tree}");
    assert!(
        tree.contains("break-glass 1 of the index sha256:"),
        "{tree}"
    );
}

/// Whoever keeps the root and targets keys of the shop's trust repository, with a home of their own.
struct Owner<'a> {
    shop: &'a Shop,
    token: String,
    home: tempfile::TempDir,
}

impl<'a> Owner<'a> {
    fn begin(shop: &'a Shop, runtime: &Runtime) -> Self {
        let owner = Self {
            shop,
            token: shop.server.token(runtime),
            home: tempfile::tempdir().unwrap(),
        };
        let begun = owner.run(&["trust", "init", "shop/web"]);
        assert!(begun.status.success(), "{}", said(&begun));
        owner
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = self.shop.server.as_person(self.home.path());
        command.args(["--server", &self.shop.server.url(), "--token", &self.token]);
        let command = command.args(arguments).stdin(Stdio::null());
        command.output().unwrap()
    }

    /// The tags that docker pulls with content trust, as a client believes them after all checks.
    fn released(&self) -> Vec<String> {
        let status = self.run(&["trust", "status", "shop/web", "-o", "json"]);
        let released = world::json(&status)["released"].clone();
        let tags = released.as_array().unwrap().iter();
        tags.map(|each| each["tag"].as_str().unwrap().to_owned())
            .collect()
    }

    /// Waits until these are released.
    fn releases(&self, tags: &[&str]) {
        let begin = Instant::now();
        while self.released() != tags {
            assert!(
                begin.elapsed() < Duration::from_secs(30),
                "{:?} is released, and not {tags:?}",
                self.released()
            );
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}

/// The lines of the tree that say what is missing, and the next steps.
fn why_not(tree: &str) -> Vec<&str> {
    tree.lines()
        .filter(|line| ["✗", "…", "→"].iter().any(|mark| line.contains(mark)))
        .filter(|line| line.starts_with(' '))
        .collect()
}

/// Takes more than a minute: that is the shortest time for which a gate can be opened.
#[test]
fn a_release_without_its_scan_passes_by_two_people_while_it_lasts() {
    let shop = Shop::open();
    let runtime = Runtime::new().unwrap();
    let owner = Owner::begin(&shop, &runtime);
    let anna = shop.server.client_with(&shop.tokens["anna"]);
    let repository: RepositoryName = "shop/web".parse().unwrap();
    let reference = Reference::Tag(shop.tag.parse().unwrap());
    let pull = || runtime.block_on(anna.manifest(&repository, &reference));
    let is_refused = || {
        let refused = pull().unwrap_err();
        assert_eq!(refused.refused().unwrap().status, 403, "{refused}");
        refused.to_string()
    };
    let (code, closed) = shop.settled_gate();
    assert_eq!(code, Some(3), "{closed}");
    assert!(!why_not(&closed).is_empty(), "{closed}");
    let reason = is_refused();
    assert!(reason.contains("stage scan"), "{reason}");
    owner.releases(&[]);

    // One alone opens nothing.
    let asked = shop.run(
        "anna",
        &[
            "gate",
            "break-glass",
            &shop.image,
            "--gate",
            "production",
            "--for",
            "1m",
            "--reason",
            "the scanner is down, INC-42",
        ],
    );
    assert_eq!(asked.status.code(), Some(0), "{}", said(&asked));
    let confirm = ["gate", "break-glass", "confirm", "1"];
    assert_eq!(shop.run("anna", &confirm).status.code(), Some(1));
    assert_eq!(shop.gate().0, Some(3));
    assert_eq!(is_refused(), reason);
    assert_eq!(owner.released(), Vec::<String>::new());

    // Two do, for whoever pulls, and for docker with content trust; and everybody is told.
    let begin = Instant::now();
    let confirmed = shop.run("omar", &confirm);
    assert_eq!(confirmed.status.code(), Some(0), "{}", said(&confirmed));
    pull().unwrap();
    let (code, open) = shop.gate();
    assert_eq!(code, Some(0), "{open}");
    assert!(
        open.contains("allow (by break-glass") && open.contains("INC-42"),
        "{open}"
    );
    assert_eq!(why_not(&open), why_not(&closed), "what is missing is told");
    owner.releases(&[&shop.tag]);
    let verified = said(&shop.run("anna", &["verify", &shop.image]));
    assert!(
        verified.contains("gate production is open by break-glass 1 until"),
        "{verified}"
    );
    assert!(
        begin.elapsed() < Duration::from_secs(50),
        "too slow to see it open"
    );

    // It ends by itself, and all is as it was.
    let lasts = Duration::from_secs(60);
    std::thread::sleep((lasts + Duration::from_millis(200)).saturating_sub(begin.elapsed()));
    assert_eq!(is_refused(), reason, "at once");
    let (code, again) = shop.gate();
    assert_eq!(code, Some(3), "{again}");
    assert_eq!(why_not(&again), why_not(&closed));
    owner.releases(&[]);
    let verified = said(&shop.run("anna", &["verify", &shop.image]));
    assert!(!verified.contains("break-glass"), "{verified}");
    let open = said(&shop.run("anna", &["gate", "break-glass", "list"]));
    assert!(open.contains("no gate is broken open"), "{open}");

    let (events, acts) = runtime.block_on(written(&shop.server.client()));
    let kinds =
        ["asked", "confirmed", "ended"].map(|kind| format!("dev.countersign.break-glass.{kind}"));
    assert_eq!(events, kinds);
    assert_eq!(
        acts,
        ["ask", "confirm", "end"].map(|act| format!("break-glass.{act}"))
    );
}

/// What the feed and the audit log have on break-glass, once it has ended.
async fn written(admin: &Client) -> (Vec<String>, Vec<String>) {
    let all = PageRequest {
        limit: Some(1_000),
        ..PageRequest::default()
    };
    let begin = Instant::now();
    loop {
        let events = admin.events(all).await.unwrap().items.into_iter();
        let events = events.map(|event| event.kind);
        let events: Vec<String> = events.filter(|it| it.contains("break-glass")).collect();
        let acts = admin.audit(all).await.unwrap().items.into_iter();
        let acts = acts.map(|row| row.act);
        let acts: Vec<String> = acts.filter(|it| it.starts_with("break-glass")).collect();
        if events.len() > 2 || begin.elapsed() > Duration::from_secs(30) {
            return (events, acts);
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[test]
fn what_is_missing_is_wrong_usage() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [
        &["gate"][..],
        &["gate", "shop/web:1"],
        &["gate", "--gate", "production"],
        &["gate", "break-glass"],
        &[
            "gate",
            "break-glass",
            "shop/web:1",
            "--gate",
            "production",
            "--for",
            "4h",
        ],
        &[
            "gate",
            "break-glass",
            "shop/web:1",
            "--gate",
            "production",
            "--reason",
            "why",
        ],
        &[
            "gate",
            "break-glass",
            "shop/web:1",
            "--gate",
            "production",
            "--reason",
            "why",
            "--for",
            "long",
        ],
        &["gate", "break-glass", "confirm"],
        &["gate", "break-glass", "confirm", "x"],
    ] {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_countersign"))
            .env("COUNTERSIGN_CONFIG_DIR", folder.path())
            .args(arguments)
            .output()
            .unwrap();
        assert_eq!(
            output.status.code(),
            Some(2),
            "{arguments:?}: {}",
            said(&output)
        );
    }
}
