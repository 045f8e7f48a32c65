//! What is said about a repository with signers, from the very files.

use super::*;
use crate::command::trust::keyring::KeyFlags;
use testkit::trust_repository::{DAY, Mirror, Reader, START, TrustRepository};
use trust::Algorithm;

fn status(repository: &TrustRepository, server: &ServerKeys, now: i64) -> Status {
    let mut reader = Reader::new(repository.gun());
    let believed = reader.read(&Mirror::of(repository), START).unwrap();
    let keyring = Keyring::new(&KeyFlags::default()).unwrap();
    let sources = Sources {
        keyring: &keyring,
        registered: &Registered::default(),
        server,
        now,
    };
    Status {
        gun: repository.gun().to_string(),
        repository: "shop/web".to_owned(),
        form: Form::ToBeManaged,
        policies: Some(vec!["shop".to_owned()]),
        roles: roles(&believed, &sources),
        signers: signers(&believed, &sources),
        released: released(&believed),
    }
}

#[test]
fn everything_is_said_once() {
    let mut repository = TrustRepository::new("registry.example/shop/web");
    let [server, alice, bob] = [(); 3].map(|()| repository.new_key(Algorithm::EcdsaP256));
    repository.delegate(RELEASES, std::slice::from_ref(&server), 1);
    repository.delegate("targets/alice", &[alice, bob], 2);
    repository.publish("targets", "1", b"an image");
    repository.publish(RELEASES, "2", b"another image");
    let keys = ServerKeys {
        releases: Some(server.clone()),
        snapshot: repository.held.snapshot.first().cloned(),
    };
    let status = status(&repository, &keys, START);
    let roles: Vec<(&str, i64)> = status
        .roles
        .iter()
        .map(|role| (role.role.as_str(), role.version))
        .collect();
    let expected = [
        ("root", 1),
        ("targets", 4),
        ("snapshot", 5),
        ("timestamp", 5),
    ];
    assert_eq!(roles, expected);
    let held: Vec<Option<&str>> = status.roles.iter().map(|r| r.keys[0].held_by).collect();
    assert_eq!(held, [None, None, Some("server"), Some("server")]);
    let [releases, alice] = status.signers.as_slice() else {
        panic!("{:?}", status.signers);
    };
    assert_eq!(
        (releases.whose().as_str(), releases.tags),
        ("the server", 1)
    );
    assert_eq!((alice.name.as_str(), alice.version), ("alice", None));
    assert!(alice.keys_in_words().starts_with("2 of "));
    let tags: Vec<(&str, &str)> = status
        .released
        .iter()
        .map(|tag| (tag.tag.as_str(), tag.by.as_str()))
        .collect();
    assert_eq!(tags, [("1", "targets"), ("2", RELEASES)]);
    let json = serde_json::to_value(&status).unwrap();
    assert_eq!(json["form"], "to-be-managed");
    assert_eq!(json["signers"][1]["threshold"], 2);
    assert!(
        json["released"][0]["digest"]
            .as_str()
            .unwrap()
            .starts_with("sha256:")
    );
}

#[test]
fn what_ends_is_followed_by_what_to_do() {
    let mut repository = TrustRepository::new("registry.example/shop/web");
    let alice = repository.new_key(Algorithm::EcdsaP256);
    repository.delegate("targets/alice", &[alice], 1);
    repository.publish("targets/alice", "1", b"an image");
    let none = ServerKeys::default();
    let early = status(&repository, &none, START).advice();
    assert_eq!(early.len(), 1, "{early:?}");
    assert!(early[0].contains("countersign trust manage registry.example/shop/web"));
    let late = START + 3 * 365 * DAY - 10 * DAY;
    let late = status(&repository, &none, late).advice().join("\n");
    for part in [
        "rotate targets",
        "rotate snapshot",
        "targets/alice ends soon",
    ] {
        assert!(late.contains(part), "{part}: {late}");
    }
    assert!(!late.contains("rotate root"), "{late}");
}
