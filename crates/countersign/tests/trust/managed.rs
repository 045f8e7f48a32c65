//! Managed repositories, with a policy in force: begun without docker, or taken over from it. Signatures are those of `countersign sign` and
//! what `docker trust sign` publishes, mixed.

use crate::docker::{self, DockerOwner};
use crate::person::{Person, REPOSITORY, key_of, role, said, signers};
use crate::world::{Image, Server, json};
use client::Client;
use client::api::policies::PutPolicy;
use tokio::runtime::Runtime;

const POLICY: &str = "version: 1
repositories: ['shop/**']
stages:
  ci: {signers: [{person: admin}]}
  staging: {signers: [{person: alice}, {person: maria}], threshold: 2, after: [ci]}
gates:
  production: {holds-for: everyone, except: [{person: admin}], require: [ci, staging]}
";

/// A server with accounts, and what its trust repository is called.
struct Shop {
    server: Server,
    runtime: Runtime,
    token: String,
    gun: String,
}

impl Shop {
    fn open() -> Self {
        let server = Server::start(&[]);
        let runtime = Runtime::new().unwrap();
        let token = server.token(&runtime);
        let gun = format!("{}/shop/web", server.address());
        let shop = Self {
            server,
            runtime,
            token,
            gun,
        };
        for name in ["alice", "maria"] {
            shop.owner().does(&["user", "create", name]);
        }
        shop
    }

    fn owner(&self) -> Person<'_> {
        Person::new(&self.server, &self.token)
    }

    fn client(&self) -> Client {
        docker::client(&self.server.url(), &self.token)
    }

    fn applies_policy(&self) {
        let policy = PutPolicy {
            document: POLICY.to_owned(),
        };
        let client = self.client();
        let applied = client.put_policy("shop", &policy, false);
        assert!(self.runtime.block_on(applied).unwrap().applied);
    }

    /// What the server says to files that it does not take.
    fn refuses(&self, files: &[(&str, &[u8])]) -> String {
        let client = self.client();
        let sent = client.publish_trust(&self.gun, files);
        self.runtime.block_on(sent).unwrap_err().to_string()
    }
}

#[test]
fn a_managed_repository_is_begun_signed_in_rotated_and_loses_a_signer() {
    let shop = Shop::open();
    shop.applies_policy();
    let (client, owner) = (shop.client(), shop.owner());
    let image = Image::new("1", &[1]);
    shop.runtime.block_on(image.push(&client, REPOSITORY));
    let docker = DockerOwner::begin(owner.home(), &shop.gun);
    let first = shop.runtime.block_on(docker.publishes(&client, None));
    let first = first.unwrap_err().to_string();
    let next = format!("countersign trust init {}", shop.gun);
    assert!(first.contains(&next), "{first}");

    // The root key that docker has made on this machine is taken here as well.
    let begun = owner.does(&["trust", "init", &shop.gun]);
    assert!(begun.contains("managed trust repository"), "{begun}");
    let status = owner.status();
    assert_eq!(status["form"], "managed");
    for which in ["root", "targets"] {
        assert_eq!(role(&status, which)["keys"][0]["heldBy"], "docker");
    }
    assert_eq!(status["policies"], serde_json::json!(["shop"]));
    assert_eq!(status["released"], serde_json::json!([]));
    owner.registers(&docker.private, "alice", "shop/*");
    let add = [
        "trust",
        "signer",
        "add",
        "alice",
        "--key",
        &docker.public,
        "shop/web",
    ];
    let added = owner.does(&add);
    assert!(added.contains("of alice"), "{added}");
    let twice = owner.fails(1, &add);
    assert!(twice.contains("signer remove alice"), "{twice}");

    let [ci, maria] =
        [("ci", "admin"), ("maria", "maria")].map(|(name, whose)| owner.makes_key(name, whose));
    owner.signs("ci", &ci, "shop/web:c1");
    let file = docker.signs(1, &image);
    let files: [(&str, &[u8]); 1] = [("targets/alice", &file)];
    let signed = client.publish_trust(&shop.gun, &files);
    shop.runtime.block_on(signed).unwrap();
    let gate = ["gate", "shop/web:c1", "--gate", "production"];
    let wanting = owner.fails(3, &gate);
    assert!(wanting.contains("has 1 of 2 signatures"), "{wanting}");
    assert_eq!(owner.status()["signers"][1]["tags"], 1);
    assert_eq!(owner.status()["released"], serde_json::json!([]));
    owner.signs("staging", &maria, "shop/web:c1");
    owner.does(&gate);
    owner.waits_for_released(&["c1"]);
    let released = owner.status()["released"][0].clone();
    assert_eq!(released["digest"], image.digest.as_str());
    assert_eq!(released["by"], "targets/releases");

    for which in ["root", "targets", "snapshot", "timestamp"] {
        let before = key_of(&owner.status(), which);
        owner.does(&["trust", "rotate", which, "shop/web"]);
        assert_ne!(before, key_of(&owner.status(), which), "{which}");
    }
    let key = |status: &serde_json::Value| status["signers"][0]["keys"][0].clone();
    let before = key(&owner.status());
    owner.does(&["trust", "rotate", "releases", "shop/web"]);
    let status = owner.status();
    assert_ne!(key(&status), before);
    assert_eq!(key(&status)["principal"], "the server");
    assert_eq!(status["form"], "managed");
    assert_eq!(status["released"][0], released, "what is released stays");

    let theirs = shop.refuses(&[("targets/releases", &file)]);
    assert!(theirs.contains("countersign trust signer add"), "{theirs}");
    let asked = owner.fails(1, &["trust", "signer", "remove", "alice", "shop/web"]);
    assert!(asked.contains("--yes"), "{asked}");
    assert_eq!(signers(&owner.status()), ["releases", "alice"]);
    owner.does(&["trust", "signer", "remove", "alice", "--yes", "shop/web"]);
    assert_eq!(signers(&owner.status()), ["releases"]);
    owner.waits_for_released(&[]);
    let withdrawn = owner.fails(3, &gate);
    assert!(withdrawn.contains("has 1 of 2 signatures"), "{withdrawn}");

    let removed = owner.does(&["policy", "remove", "shop"]);
    for part in [
        "shop/**",
        "docker goes on pulling",
        "countersign trust delete",
    ] {
        assert!(removed.contains(part), "{part}: {removed}");
    }
}

#[test]
fn a_signer_is_registered_on_the_way_and_added_below_a_stage() {
    let shop = Shop::open();
    shop.applies_policy();
    let (client, owner) = (shop.client(), shop.owner());
    let image = Image::new("1", &[1]);
    shop.runtime.block_on(image.push(&client, REPOSITORY));
    let docker = DockerOwner::begin(owner.home(), &shop.gun);
    owner.does(&["trust", "init", &shop.gun]);
    let proof = owner.proves(&docker.public, &docker.private, "alice");
    let add = |stage: &str, scope: &str| {
        owner.types_password(&[
            "trust",
            "signer",
            "add",
            "alice",
            "--stage",
            stage,
            "--proof",
            proof.to_str().unwrap(),
            "--scope",
            scope,
            "shop/web",
        ])
    };
    for (stage, scope, why) in [
        ("stagin", "shop/*", "there are: ci, staging"),
        ("staging", "other/*", "no `--scope` covers shop/web"),
    ] {
        let refused = add(stage, scope);
        assert_eq!(refused.status.code(), Some(1));
        assert!(said(&refused).contains(why), "{}", said(&refused));
        assert_eq!(signers(&owner.status()), ["releases"]);
    }
    let added = add("staging", "shop/*");
    assert!(added.status.success(), "{}", said(&added));
    for part in ["The key is alice's", "targets/staging/alice", "of alice"] {
        assert!(said(&added).contains(part), "{part}: {}", said(&added));
    }
    let three = ["releases", "staging", "staging/alice"];
    assert_eq!(signers(&owner.status()), three);

    let [ci, maria] =
        [("ci", "admin"), ("maria", "maria")].map(|(name, whose)| owner.makes_key(name, whose));
    owner.signs("ci", &ci, "shop/web:c1");
    let file = docker.signs(1, &image);
    let files: [(&str, &[u8]); 1] = [("targets/staging/alice", &file)];
    let signed = client.publish_trust(&shop.gun, &files);
    shop.runtime.block_on(signed).unwrap();
    owner.signs("staging", &maria, "shop/web:c1");
    owner.waits_for_released(&["c1"]);

    // The stage is the owner's, also with another key; it goes with its last signer, and comes back.
    owner.does(&["trust", "rotate", "targets", "shop/web"]);
    assert_eq!(signers(&owner.status()), three);
    // Its name is not taken for a signer's without saying who goes with it.
    let whole = owner.fails(1, &["trust", "signer", "remove", "staging", "shop/web"]);
    for part in ["all who sign below it, alice", "--stage staging", "--yes"] {
        assert!(whole.contains(part), "{part}: {whole}");
    }
    assert_eq!(signers(&owner.status()), three);
    let remove = ["trust", "signer", "remove", "alice", "--yes", "shop/web"];
    let elsewhere = owner.fails(1, &remove);
    assert!(elsewhere.contains("has no signer `alice`"), "{elsewhere}");
    owner.does(&[&remove[..], &["--stage", "staging"]].concat());
    assert_eq!(signers(&owner.status()), ["releases"]);
    owner.waits_for_released(&[]);
    let again = ["--stage", "staging", "--key", &docker.public, "shop/web"];
    owner.does(&[&["trust", "signer", "add", "alice"], &again[..]].concat());
    assert_eq!(signers(&owner.status()), three);
    assert_eq!(
        owner.status()["signers"][2]["keys"][0]["principal"],
        "alice"
    );
}

#[test]
fn a_repository_of_docker_becomes_a_managed_one() {
    let shop = Shop::open();
    let owner = shop.owner();
    let docker = DockerOwner::begin(owner.home(), &shop.gun);
    let client = shop.client();
    let published = docker.publishes(&client, None);
    shop.runtime.block_on(published).unwrap();
    let status = owner.status();
    assert_eq!(status["form"], "plain");
    assert_eq!(status["released"][0]["tag"], "1");
    let targets = &status["roles"][1];
    assert_eq!(targets["keys"][0]["heldBy"], "docker");
    let add = [
        "trust",
        "signer",
        "add",
        "alice",
        "--key",
        &docker.public,
        "shop/web",
    ];
    let plain = owner.fails(1, &add);
    assert!(plain.contains("countersign trust manage"), "{plain}");

    shop.applies_policy();
    assert_eq!(owner.status()["form"], "to-be-managed");
    let next = format!("countersign trust manage {}", shop.gun);
    let shown = owner.does(&["trust", "status", "shop/web"]);
    assert!(shown.contains(&next), "{shown}");
    // It stays as it is, and takes nothing else before.
    let refused = owner.fails(1, &["trust", "rotate", "targets", "shop/web"]);
    assert!(refused.contains(&next), "{refused}");
    let asked = owner.fails(1, &["trust", "manage", "--without", "bob", "shop/web"]);
    for part in [
        "so far 1",
        "targets/bob  ends",
        "carol",
        "is not registered",
    ] {
        assert!(asked.contains(part), "{part}: {asked}");
    }
    assert!(asked.contains("--without carol"), "{asked}");
    let both = [
        "trust",
        "manage",
        "--without",
        "bob",
        "--without",
        "carol",
        "shop/web",
    ];
    let asked = owner.fails(1, &both);
    assert!(asked.contains("--yes"), "{asked}");
    assert_eq!(
        owner.status()["form"],
        "to-be-managed",
        "nothing was changed"
    );

    let done = owner.does(&[&both[..], &["--yes"]].concat());
    assert!(done.contains("is managed"), "{done}");
    let status = owner.status();
    assert_eq!(status["form"], "managed");
    assert_eq!(status["released"], serde_json::json!([]));
    assert_eq!(signers(&status), ["releases"]);
    assert_eq!(status["signers"][0]["keys"][0]["principal"], "the server");
    let again = owner.does(&["trust", "manage", "shop/web"]);
    assert!(again.contains("managed already"), "{again}");

    // alice's key is docker's, and has to be somebody's before it may sign.
    let unknown = owner.fails(1, &add);
    let challenge = "countersign key challenge --public";
    assert!(unknown.contains(challenge), "{unknown}");
    owner.registers(&docker.private, "alice", "other/*");
    let elsewhere = owner.fails(1, &add);
    assert!(elsewhere.contains("for other/* only"), "{elsewhere}");
    owner.registers(&docker.private, "alice", "shop/*");
    let added = owner.does(&add);
    assert!(added.contains("of alice"), "{added}");
    let list = json(&owner.runs(&["trust", "signer", "list", "shop/web", "-o", "json"]));
    assert_eq!(list[1]["name"], "alice");
    assert_eq!(list[1]["keys"][0]["principal"], "alice");
    assert_eq!(list[1]["tags"], 0);
    let reserved = owner.fails(1, &["trust", "signer", "remove", "releases", "shop/web"]);
    assert!(reserved.contains("the server's"), "{reserved}");
    owner.does(&["trust", "signer", "remove", "alice", "--yes", "shop/web"]);
    assert_eq!(signers(&owner.status()), ["releases"]);
    let table = owner.does(&["trust", "status", "shop/web"]);
    assert!(table.contains("managed, the server releases"), "{table}");
}
