//! What an honest reader fetches, and what a repository says to him.

use std::slice;

use testkit::trust_repository::{DAY, Mirror, Reader, START, TrustRepository};
use trust::Algorithm;
use trust::tuf::client::{Anchor, Client, Remembered};
use trust::tuf::{FileMeta, Problem, RoleName, author};

const GUN: &str = "registry.example/shop/web";

fn names(reader: &Reader) -> Vec<String> {
    let fetched = reader.fetched.iter();
    fetched
        .map(|path| match path.split_once('.') {
            Some((role, rest)) if rest.len() == 69 => format!("{role}.HASH.json"),
            _ => path.clone(),
        })
        .collect()
}

#[test]
fn a_newcomer_fetches_everything_and_later_only_what_is_new() {
    let mut repository = TrustRepository::new(GUN);
    repository.publish("targets", "1.4", b"an image");
    let mut reader = Reader::new(repository.gun());
    let believed = reader.read(&Mirror::of(&repository), START).unwrap();
    let everything = [
        "root.json",
        "2.root.json",
        "timestamp.json",
        "snapshot.HASH.json",
        "targets.HASH.json",
    ];
    assert_eq!(names(&reader), everything);
    let entry = believed.target("1.4").unwrap();
    assert_eq!(*entry.role, RoleName::Targets);
    assert_eq!(entry.file.length, 8);
    assert_eq!(
        entry.file.hashes.sha256,
        FileMeta::of(b"an image").hashes.sha256
    );
    assert_eq!(entry.signers, repository.keys_of("targets"));
    assert!(believed.target("1.5").is_none());

    reader.read(&Mirror::of(&repository), START).unwrap();
    assert_eq!(names(&reader), ["2.root.json", "timestamp.json"]);

    let alice = repository.new_key(Algorithm::EcdsaP256);
    repository.delegate("targets/alice", &[alice], 1);
    repository.publish("targets/alice", "1.4", b"an image");
    reader.read(&Mirror::of(&repository), START).unwrap();
    let new = [
        "2.root.json",
        "timestamp.json",
        "snapshot.HASH.json",
        "targets.HASH.json",
        "targets/alice.HASH.json",
    ];
    assert_eq!(names(&reader), new);

    // Only alice's file changes.
    repository.publish("targets/alice", "1.5", b"another");
    reader.read(&Mirror::of(&repository), START).unwrap();
    assert_eq!(
        names(&reader),
        [
            "2.root.json",
            "timestamp.json",
            "snapshot.HASH.json",
            "targets/alice.HASH.json"
        ]
    );
}

#[test]
fn an_old_reader_follows_every_rotation() {
    let mut repository = TrustRepository::new(GUN);
    let mut reader = Reader::new(repository.gun());
    reader.read(&Mirror::of(&repository), START).unwrap();
    repository.rotate_root_key();
    repository.rotate_server_key(&RoleName::Timestamp);
    repository.rotate_root_key();
    repository.rotate_server_key(&RoleName::Snapshot);
    reader.read(&Mirror::of(&repository), START).unwrap();
    let roots = ["2", "3", "4", "5", "6"].map(|version| format!("{version}.root.json"));
    assert_eq!(reader.fetched[..5], roots);
    reader.read(&Mirror::of(&repository), START).unwrap();
    assert_eq!(reader.fetched[0], "6.root.json");
}

#[test]
fn a_rotation_is_not_forgotten_when_what_follows_is_refused() {
    let mut repository = TrustRepository::new(GUN);
    let mut reader = Reader::new(repository.gun());
    reader.read(&Mirror::of(&repository), START).unwrap();
    let old = Mirror::of(&repository);
    repository.rotate_root_key();
    let mirror = Mirror::of(&repository).without("timestamp.json");
    let problem = reader.read(&mirror, START).unwrap_err();
    assert_eq!(
        problem,
        Problem::Missing {
            role: RoleName::Timestamp
        }
    );
    // The state of before the rotation does not fit the root any more.
    let problem = reader.read(&old, START).unwrap_err();
    assert!(matches!(
        problem,
        Problem::Hash {
            role: RoleName::Root,
            ..
        }
    ));
    reader.read(&Mirror::of(&repository), START).unwrap();
}

#[test]
fn a_repository_without_a_root_is_none() {
    let repository = TrustRepository::empty(GUN);
    let problem = Reader::new(repository.gun()).read(&Mirror::of(&repository), START);
    assert_eq!(
        problem.unwrap_err(),
        Problem::Missing {
            role: RoleName::Root
        }
    );
}

#[test]
fn an_expired_root_ends_belief() {
    let mut repository = TrustRepository::new(GUN);
    let mut reader = Reader::new(repository.gun());
    reader.read(&Mirror::of(&repository), START).unwrap();
    repository.now += 11 * 365 * DAY;
    repository.resign().unwrap();
    let problem = reader
        .read(&Mirror::of(&repository), repository.now)
        .unwrap_err();
    assert!(matches!(
        problem,
        Problem::RootKeys { .. }
            | Problem::Expired {
                role: RoleName::Root,
                ..
            }
    ));
}

#[test]
fn an_expired_delegation_says_nothing_and_the_others_do() {
    let mut repository = TrustRepository::new(GUN);
    for name in ["targets/alice", "targets/bob"] {
        let key = repository.new_key(Algorithm::EcdsaP256);
        repository.delegate(name, &[key], 1);
    }
    let alice = repository.next_targets("targets/alice", |targets| {
        targets.expires = START + DAY;
        targets
            .targets
            .insert("1.4".into(), FileMeta::of(b"an image"));
    });
    repository.post(vec![alice]).unwrap();
    repository.publish("targets/bob", "1.4", b"an image");
    let mut reader = Reader::new(repository.gun());
    let believed = reader
        .read(&Mirror::of(&repository), START + DAY - 1)
        .unwrap();
    assert_eq!(believed.entries("1.4").count(), 2);
    let believed = reader.read(&Mirror::of(&repository), START + DAY).unwrap();
    let said: Vec<&str> = believed
        .entries("1.4")
        .map(|entry| entry.role.as_str())
        .collect();
    assert_eq!(said, ["targets/bob"]);
    let (role, expires) = (RoleName::parse("targets/alice").unwrap(), START + DAY);
    let problem = Problem::Expired {
        role: role.clone(),
        expires,
    };
    assert_eq!(believed.disregarded(), [(role, problem)]);
}

#[test]
fn docker_looks_into_releases_first_and_nowhere_else_but_in_targets() {
    let mut repository = TrustRepository::new(GUN);
    for name in ["targets/alice", "targets/releases"] {
        let key = repository.new_key(Algorithm::EcdsaP256);
        repository.delegate(name, &[key], 1);
    }
    repository.publish("targets", "both", b"base");
    repository.publish("targets/releases", "both", b"released");
    repository.publish("targets", "base", b"base");
    repository.publish("targets/alice", "hers", b"hers");
    repository.publish("targets/alice", "base", b"hers");
    let mut reader = Reader::new(repository.gun());
    let believed = reader.read(&Mirror::of(&repository), START).unwrap();
    let found = |tag| believed.target(tag).map(|entry| entry.role.as_str());
    assert_eq!(found("both"), Some("targets/releases"));
    assert_eq!(found("base"), Some("targets"));
    assert_eq!(found("hers"), None);

    // What stands below releases comes before targets, and is none of the two.
    let key = repository.new_key(Algorithm::EcdsaP256);
    repository.delegate("targets/releases/below", &[key], 1);
    repository.publish("targets/releases/below", "base", b"below");
    let believed = reader.read(&Mirror::of(&repository), START).unwrap();
    assert!(believed.target("base").is_none());
    assert!(believed.target("both").is_some());
}

#[test]
fn roles_come_in_the_order_in_which_they_are_delegated() {
    let mut repository = TrustRepository::new(GUN);
    for name in ["targets/b", "targets/a", "targets/b/y", "targets/b/x"] {
        let key = repository.new_key(Algorithm::EcdsaP256);
        if name == "targets/b/y" {
            repository.publish("targets/b", "1", b"one");
        }
        repository.delegate(name, &[key], 1);
    }
    for name in ["targets/a", "targets/b/x", "targets/b/y"] {
        repository.publish(name, "1", b"one");
    }
    let mut reader = Reader::new(repository.gun());
    let believed = reader.read(&Mirror::of(&repository), START).unwrap();
    let order: Vec<&str> = believed
        .roles()
        .iter()
        .map(|role| role.name().as_str())
        .collect();
    assert_eq!(
        order,
        [
            "targets",
            "targets/b",
            "targets/b/y",
            "targets/b/x",
            "targets/a"
        ]
    );
}

#[test]
fn a_delegation_that_has_said_nothing_yet_is_passed_over() {
    let mut repository = TrustRepository::new(GUN);
    let key = repository.new_key(Algorithm::EcdsaP256);
    repository.delegate("targets/alice", &[key], 1);
    let mut reader = Reader::new(repository.gun());
    let believed = reader.read(&Mirror::of(&repository), START).unwrap();
    assert_eq!(believed.roles().len(), 1);
    assert!(believed.disregarded().is_empty());
}

#[test]
fn a_reader_that_refused_once_stays_at_its_end() {
    let repository = TrustRepository::new(GUN);
    let gun = repository.gun().clone();
    let mut client =
        Client::new(gun.clone(), Anchor::FirstUse, Remembered::default(), START).unwrap();
    assert_eq!(client.next().unwrap().path, "root.json");
    let problem = client.feed(Some(b"{}".to_vec())).unwrap_err();
    assert!(client.next().is_none());
    let good = repository
        .current()
        .file(&RoleName::Root)
        .map(<[u8]>::to_vec);
    assert_eq!(client.feed(good), Err(problem.clone()));
    assert_eq!(client.finish().unwrap_err(), problem);

    let client = Client::new(gun, Anchor::FirstUse, Remembered::default(), START).unwrap();
    assert_eq!(
        client.finish().unwrap_err(),
        Problem::Missing {
            role: RoleName::Root
        },
        "what is not read to its end is not believed"
    );
}

#[test]
fn belief_begins_with_a_root_of_this_repository() {
    let repository = TrustRepository::new("registry.example/shop/other");
    let root = repository.current().file(&RoleName::Root).unwrap().to_vec();
    let begin = |gun: &str, root: Vec<u8>| {
        let anchor = Anchor::Root(root);
        Client::new(gun.parse().unwrap(), anchor, Remembered::default(), START)
    };
    assert!(begin("registry.example/shop/other", root.clone()).is_ok());
    assert!(matches!(begin(GUN, root), Err(Problem::RootKeys { .. })));
    assert!(begin(GUN, b"damaged".to_vec()).is_err());
}

#[test]
fn what_was_kept_by_mistake_does_no_harm() {
    let repository = TrustRepository::new(GUN);
    let gun = repository.gun().clone();
    let remembered = Remembered {
        root: Some(b"damaged".to_vec()),
        timestamp: Some(b"damaged".to_vec()),
        snapshot: Some(b"damaged".to_vec()),
        targets: [(RoleName::Targets, b"damaged".to_vec())].into(),
    };
    let mut client = Client::new(gun, Anchor::FirstUse, remembered, START).unwrap();
    let mirror = Mirror::of(&repository);
    while let Some(fetch) = client.next() {
        client.feed(mirror.answer(&fetch.path)).unwrap();
    }
    client.finish().unwrap();
}

#[test]
fn only_an_owner_reads_what_has_ended() {
    let mut repository = TrustRepository::new(GUN);
    repository.publish("targets", "1.4", b"an image");
    let mirror = Mirror::of(&repository);
    // Everything has ended by then, the root and its certificate as well.
    let late = START + 11 * 365 * DAY;
    let read = |with_ended: bool| {
        let (gun, none) = (repository.gun().clone(), Remembered::default());
        let mut client = Client::new(gun, Anchor::FirstUse, none, late).unwrap();
        if with_ended {
            client = client.with_ended();
        }
        while let Some(fetch) = client.next() {
            client.feed(mirror.answer(&fetch.path))?;
        }
        client.finish()
    };
    assert!(matches!(read(false), Err(Problem::RootKeys { .. })));
    let believed = read(true).unwrap();
    assert_eq!(believed.roles()[0].targets().targets.len(), 1);

    // What is not signed as it must be is refused all the same.
    let mut thief = TrustRepository::new(GUN);
    thief.publish("targets", "1.4", b"another image");
    let lie = thief.current().file(&RoleName::Timestamp).unwrap().to_vec();
    let mirror = mirror.clone().replacing("timestamp.json", lie);
    let none = Remembered::default();
    let client = Client::new(repository.gun().clone(), Anchor::FirstUse, none, late);
    let mut client = client.unwrap().with_ended();
    let mut fed = Ok(());
    while let (Ok(()), Some(fetch)) = (&fed, client.next()) {
        fed = client.feed(mirror.answer(&fetch.path));
    }
    assert!(matches!(fed, Err(Problem::Threshold { .. })), "{fed:?}");
}

#[test]
fn a_root_ends_with_the_certificates_of_its_keys() {
    let mut repository = TrustRepository::new(GUN);
    let first = repository.root();
    assert_eq!(first.ends(), first.expires);
    repository.now += 100 * DAY;
    repository.rotate_server_key(&RoleName::Timestamp);
    let second = repository.root();
    assert_eq!(second.expires, first.expires + 100 * DAY);
    assert_eq!(second.ends(), first.ends(), "its key's certificate is old");
    repository.rotate_root_key();
    assert_eq!(repository.root().ends(), second.expires);
}

#[test]
fn a_managed_repository_lists_nothing_itself() {
    let mut repository = TrustRepository::new(GUN);
    let [server, alice, bob] = [(); 3].map(|()| repository.new_key(Algorithm::EcdsaP256));
    repository.delegate("targets/releases", &[alice.clone(), bob.clone()], 1);
    repository.delegate("targets/alice", slice::from_ref(&alice), 1);
    repository.publish("targets", "1.4", b"an image");
    let releases: RoleName = "targets/releases".parse().unwrap();
    let file = repository.next_targets("targets", |targets| {
        author::hand_over_releases(targets, &releases, &server);
        author::delegate(targets, &"targets/bob".parse().unwrap(), &bob);
    });
    repository.post(vec![file]).unwrap();
    let targets = repository.targets("targets");
    assert!(targets.targets.is_empty());
    assert_eq!(repository.keys_of("targets/releases"), [server]);
    assert_eq!(repository.keys_of("targets/alice"), [alice]);
    assert_eq!(repository.keys_of("targets/bob"), [bob]);
}
