//! Plain repositories: their whole life without docker, with keys of ours and with docker's.

use crate::docker::{self, DockerOwner, PASSPHRASE};
use crate::person::{
    OTHER_VARIABLE, Person, ROOT_PASSPHRASE, ROOT_VARIABLE, files, key_of, role, said,
};
use crate::world::Server;
use secrecy::SecretString;
use serde_json::Value;
use std::path::Path;
use tokio::runtime::Runtime;
use trust::Signer as _;
use trust::tuf::Key;
use trust::tuf::keyfile::KeyFile;

#[test]
fn a_plain_repository_is_begun_looked_at_rotated_and_deleted() {
    let server = Server::start(&[]);
    let token = server.token(&Runtime::new().unwrap());
    let owner = Person::new(&server, &token);
    let gun = format!("{}/shop/web", server.address());
    let none = owner.fails(1, &["trust", "status", "shop/web"]);
    let next = format!("countersign trust init {gun}");
    assert!(none.contains(&next), "{none}");
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
        let before = key_of(&owner.status(), which);
        owner.does(&["trust", "rotate", which, "shop/web"]);
        assert_ne!(before, key_of(&owner.status(), which), "{which}");
    }
    let status = owner.status();
    assert_eq!(role(&status, "root")["version"], 5);
    assert_eq!(role(&status, "targets")["version"], 2);
    let ours = owner.home().join("config/trust");
    assert_eq!(files(&ours.join("root")).len(), 2);
    assert_eq!(files(&ours.join("targets")).len(), 2);
    let releases = owner.fails(1, &["trust", "rotate", "releases", "shop/web"]);
    assert!(releases.contains("countersign trust manage"), "{releases}");

    // Without the keys nothing can be changed, and it says where it has looked.
    let other = Person::new(&server, &token);
    let missing = other.fails(1, &["trust", "rotate", "timestamp", "shop/web"]);
    assert!(missing.contains("--keys PATH"), "{missing}");
    let keys = ours.join("root");
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

/// The key files of docker's folder by role, opened with docker's passphrases: the name of each is its key's.
fn dockers(home: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for path in files(&home.join("docker/trust/private")) {
        let file = KeyFile::parse(&std::fs::read_to_string(&path).unwrap()).unwrap();
        let role = file.role().unwrap().to_owned();
        let passphrase = match role.as_str() {
            "root" => ROOT_PASSPHRASE,
            _ => PASSPHRASE,
        };
        let key = file.open(&SecretString::from(passphrase)).unwrap();
        let id = Key::from(key.public_key()).id().to_string();
        assert_eq!(path.file_stem().unwrap(), id.as_str());
        assert_eq!(file.gun().is_none(), role == "root", "{role}");
        found.push((role, id));
    }
    found
}

#[test]
fn keys_are_dockers_where_docker_is_to_go_on_with_them() {
    let server = Server::start(&[]);
    let token = server.token(&Runtime::new().unwrap());
    let owner = Person::new(&server, &token);
    owner.does(&["trust", "init", "--plain", "--docker", "shop/web"]);
    let is_held = |status: &Value, name: &str, keys: &[(String, String)]| {
        let key = &role(status, name)["keys"][0];
        let is_there = keys
            .iter()
            .any(|(role, id)| role == name && key["id"] == id.as_str());
        is_there && key["heldBy"] == "docker"
    };
    let (status, keys) = (owner.status(), dockers(owner.home()));
    assert_eq!(keys.len(), 2);
    assert!(is_held(&status, "root", &keys) && is_held(&status, "targets", &keys));
    assert_eq!(files(&owner.home().join("config/trust/root")).len(), 0);

    // As docker does, the one root key is taken for the next repository, without being told.
    owner.does(&["trust", "init", "--plain", "shop/tools"]);
    let tools = owner.status_of("shop/tools");
    assert_eq!(key_of(&tools, "root"), key_of(&status, "root"));
    assert_eq!(dockers(owner.home()).len(), 3);

    // A key that takes the place of another is put beside it.
    for (which, count) in [("targets", 4), ("root", 5)] {
        owner.does(&["trust", "rotate", which, "shop/web"]);
        let keys = dockers(owner.home());
        assert_eq!(keys.len(), count);
        assert!(is_held(&owner.status(), which, &keys), "{which}");
    }
    let other = Person::new(&server, &token);
    other.does(&["trust", "init", "--plain", "shop/ours"]);
    assert_eq!(dockers(other.home()), []);
    other.does(&["trust", "rotate", "targets", "--docker", "shop/ours"]);
    let keys = dockers(other.home());
    assert!(is_held(&other.status_of("shop/ours"), "targets", &keys));
    let several = owner.fails(1, &["trust", "init", "--plain", "shop/third"]);
    assert!(several.contains("--root-key FILE"), "{several}");

    let rotate = ["trust", "rotate", "timestamp", "shop/web"];
    let version = role(&owner.status(), "root")["version"].clone();
    let wrong = owner.runs_with(ROOT_VARIABLE, "not that one", &rotate);
    assert_eq!(wrong.status.code(), Some(1));
    let wrong = said(&wrong);
    for part in [
        "the password is wrong",
        "with the password of",
        ROOT_VARIABLE,
    ] {
        assert!(wrong.contains(part), "{part}: {wrong}");
    }
    let root = ["trust", "rotate", "root", "shop/web"];
    let wrong = owner.runs_with(ROOT_VARIABLE, "not that one", &root);
    assert_eq!(wrong.status.code(), Some(1));
    assert_eq!(dockers(owner.home()).len(), 5, "no key is made in vain");
    let root = key_of(&owner.status(), "root");
    let file = format!("docker/trust/private/{}.key", root.as_str().unwrap());
    std::fs::remove_file(owner.home().join(file)).unwrap();
    let lost = owner.fails(1, &rotate);
    assert!(lost.contains("countersign trust --help"), "{lost}");
    let help = owner.does(&["trust", "--help"]);
    assert!(help.contains("root, lost"), "{help}");
    assert_eq!(role(&owner.status(), "root")["version"], version);
    // The targets key does without it.
    let targets = ["trust", "rotate", "targets", "shop/tools"];
    let wrong = owner.runs_with(OTHER_VARIABLE, "not that one", &targets);
    assert!(wrong.status.success(), "{}", said(&wrong));
}

#[test]
fn an_end_that_is_near_is_shown_and_told_once() {
    let server = Server::start(&[]);
    let runtime = Runtime::new().unwrap();
    let token = server.token(&runtime);
    let owner = Person::new(&server, &token);
    let gun = format!("{}/shop/web", server.address());
    let docker = DockerOwner::begin(owner.home(), &gun);
    let client = docker::client(&server.url(), &token);
    runtime
        .block_on(docker.publishes(&client, Some(10)))
        .unwrap();

    let status = owner.status();
    assert_eq!(role(&status, "targets")["warning"], "ends-soon");
    assert_eq!(role(&status, "root")["warning"], Value::Null);
    let table = owner.does(&["trust", "status", "shop/web"]);
    assert!(table.contains("(in 9 days)"), "{table}");
    let next = format!("next: countersign trust rotate targets {gun}");
    assert!(table.contains(&next), "{table}");
    let told = |version: i64| {
        let events = owner.does(&["events", "-o", "json"]);
        let events = events
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap())
            .filter(|event| event["type"] == "dev.countersign.trust.expiring");
        let events: Vec<Value> = events.collect();
        assert!(events.len() < 2, "{events:?}");
        events.iter().any(|event| {
            let data = &event["data"];
            assert_eq!(event["subject"], "shop/web");
            (&data["role"], &data["days"]) == (&"targets".into(), &30.into())
                && data["version"] == version
        })
    };
    let is_told = (0..100).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(200));
        told(1)
    });
    assert!(is_told, "a month and a week before, and now is between");

    owner.does(&["trust", "rotate", "targets", "shop/web"]);
    assert_eq!(role(&owner.status(), "targets")["warning"], Value::Null);
    assert!(told(1), "and nothing about the new one");
}
