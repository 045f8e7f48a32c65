//! Reading a repository of TUF 1.0 whose people are honest: what is fetched under which names, who is asked, and what is kept.

use serde_json::json;
use testkit::standard_repository::{
    NOW, Reader, SigningKey, StandardRepository, described, key_id, sha256, signing_key,
};
use trust::tuf::standard::Client;
use trust::tuf::{Problem, RoleName};

fn found(role: &str, content: &[u8]) -> Option<(String, String)> {
    Some((role.to_owned(), sha256(content)))
}

#[test]
fn fetches_each_file_under_its_name_and_only_what_is_new() {
    let mut repository = StandardRepository::new();
    repository.add_target("targets", "app", b"one");
    let mut reader = Reader::of(&repository);
    assert_eq!(
        reader.find(&repository, "app", NOW).unwrap(),
        found("targets", b"one")
    );
    let first = [
        "2.root.json",
        "timestamp.json",
        "2.snapshot.json",
        "2.targets.json",
    ];
    assert_eq!(reader.fetched, first);

    reader.find(&repository, "app", NOW).unwrap();
    assert_eq!(reader.fetched, ["2.root.json", "timestamp.json"]);

    repository.rotate("root", &[signing_key()], 1);
    repository.renew(&["timestamp"]);
    reader.find(&repository, "app", NOW).unwrap();
    assert_eq!(
        reader.fetched,
        ["2.root.json", "3.root.json", "timestamp.json"]
    );
}

#[test]
fn without_consistent_snapshots_names_have_no_version() {
    let mut repository = StandardRepository::new();
    repository.role("root")["consistent_snapshot"] = json!(false);
    repository.renew(&["root"]);
    for role in ["snapshot", "targets"] {
        let file = repository.served.remove(&repository.path(role)).unwrap();
        repository.served.insert(format!("{role}.json"), file);
    }
    let mut reader = Reader::of(&repository);
    reader.read(&repository, NOW).unwrap();
    let names = [
        "2.root.json",
        "3.root.json",
        "timestamp.json",
        "snapshot.json",
        "targets.json",
    ];
    assert_eq!(reader.fetched, names);
}

#[test]
fn a_root_that_has_ended_still_leads_to_the_next() {
    let mut repository = StandardRepository::new();
    repository.role("root")["expires"] = json!("2020-01-01T00:00:00Z");
    repository.renew(&["root"]);
    let ended = repository.served["2.root.json"].clone();
    let problem = Reader::with(ended.clone())
        .read(&repository, NOW)
        .unwrap_err();
    assert!(
        matches!(
            problem,
            Problem::Expired {
                role: RoleName::Root,
                ..
            }
        ),
        "{problem}"
    );
    repository.role("root")["expires"] = json!("2030-01-01T00:00:00Z");
    repository.rotate("root", &[signing_key()], 1);
    let believed = Reader::with(ended).read(&repository, NOW).unwrap();
    assert_eq!(believed.root().content().version, 3);
}

#[test]
fn asks_in_order_and_nobody_after_a_terminating_delegation() {
    let mut repository = StandardRepository::new();
    for role in ["alice", "bob", "carol"] {
        repository.delegate(role, &["*"], &[signing_key()], 1);
    }
    repository.add_target("carol", "app", b"of carol");
    let mut reader = Reader::of(&repository);
    assert_eq!(
        reader.find(&repository, "app", NOW).unwrap(),
        found("carol", b"of carol")
    );
    let asked = |reader: &Reader| {
        let names = reader.fetched.iter();
        let names = names.filter_map(|name| name.strip_suffix(".json")?.split_once('.'));
        let names = names.map(|(_, role)| role.to_owned());
        names
            .filter(|role| ["alice", "bob", "carol"].contains(&role.as_str()))
            .collect::<Vec<_>>()
    };
    assert_eq!(asked(&reader), ["alice", "bob", "carol"]);

    repository.role("targets")["delegations"]["roles"][1]["terminating"] = json!(true);
    repository.renew(&["targets", "snapshot", "timestamp"]);
    assert_eq!(reader.find(&repository, "app", NOW).unwrap(), None);
    repository.add_target("alice", "app", b"of alice");
    assert_eq!(
        reader.find(&repository, "app", NOW).unwrap(),
        found("alice", b"of alice")
    );
}

/// A role that another one than `targets` delegates to.
fn delegate_below(repository: &mut StandardRepository, parent: &str, role: &str, key: &SigningKey) {
    let id = key_id(key);
    repository.role(parent)["delegations"] = json!({
        "keys": {&id: described(key)},
        "roles": [{"name": role, "paths": ["*"], "keyids": [id], "threshold": 1, "terminating": false}],
    });
}

#[test]
fn a_circle_of_delegations_ends() {
    let mut repository = StandardRepository::new();
    let (alice, bob) = (signing_key(), signing_key());
    repository.delegate("alice", &["*"], std::slice::from_ref(&alice), 1);
    repository.delegate("bob", &["*"], std::slice::from_ref(&bob), 1);
    delegate_below(&mut repository, "alice", "bob", &bob);
    delegate_below(&mut repository, "bob", "alice", &alice);
    repository.renew(&["alice", "bob", "snapshot", "timestamp"]);
    let mut reader = Reader::of(&repository);
    assert_eq!(reader.find(&repository, "app", NOW).unwrap(), None);
    assert_eq!(reader.fetched.len(), 6);
}

#[test]
fn a_role_that_is_reached_by_two_ways_must_satisfy_both() {
    // Bob has signed for alice, who delegates to him; `targets` itself would ask him for another key.
    let mut repository = StandardRepository::new();
    let (alice, bob, other) = (signing_key(), signing_key(), signing_key());
    repository.delegate("bob", &["app"], &[other], 1);
    repository.delegate("alice", &["tool"], &[alice], 1);
    delegate_below(&mut repository, "alice", "bob", &bob);
    repository.keys.insert("bob".into(), vec![bob]);
    for name in ["app", "tool"] {
        repository.add_target("bob", name, b"of bob");
    }
    repository.renew(&["alice", "snapshot", "timestamp"]);
    let mut reader = Reader::of(&repository);
    assert_eq!(
        reader.find(&repository, "tool", NOW).unwrap(),
        found("bob", b"of bob")
    );
    // What was read by the one way does not count by the other.
    let problem = reader.find(&repository, "app", NOW).unwrap_err();
    assert!(
        matches!(problem, Problem::Threshold { valid: 0, .. }),
        "{problem}"
    );
}

#[test]
fn targets_are_shared_out_by_the_hash_of_their_names() {
    let mut repository = StandardRepository::new();
    repository.delegate("low", &[], &[signing_key()], 1);
    repository.delegate("high", &[], &[signing_key()], 1);
    let (low, high) = (
        ["0", "1", "2", "3", "4", "5", "6", "7"],
        ["8", "9", "a", "b", "c", "d", "e", "f"],
    );
    let roles = &mut repository.role("targets")["delegations"]["roles"];
    for (at, prefixes) in [(0, low), (1, high)] {
        let role = roles[at].as_object_mut().unwrap();
        role.remove("paths");
        role.insert("path_hash_prefixes".into(), json!(prefixes));
    }
    repository.renew(&["targets"]);
    let names = ["a", "b", "c", "d"];
    for role in ["low", "high"] {
        for name in names {
            repository.add_target(role, name, role.as_bytes());
        }
    }
    let mut reader = Reader::of(&repository);
    for name in names {
        let role = if sha256(name.as_bytes()).as_str() < "8" {
            "low"
        } else {
            "high"
        };
        let answer = reader.find(&repository, name, NOW).unwrap();
        assert_eq!(answer, found(role, role.as_bytes()), "{name}");
    }
}

#[test]
fn a_target_lies_under_its_hash() {
    let mut repository = StandardRepository::new();
    repository.add_target("targets", "folder/app", b"content");
    let mut believed = Reader::of(&repository).read(&repository, NOW).unwrap();
    let target = believed.search("folder/app").finish().unwrap().unwrap();
    assert_eq!(target.path, format!("folder/{}.app", sha256(b"content")));
    assert!(target.file.matches(b"content"));
    assert!(!target.file.matches(b"contents"));
    assert_eq!(target.signers.len(), 1);
}

#[test]
fn what_is_not_read_to_its_end_is_not_believed() {
    let mut repository = StandardRepository::new();
    repository.delegate("alice", &["*"], &[signing_key()], 1);
    let mut client = Client::new(repository.first_root(), Default::default(), NOW).unwrap();
    for (role, path) in [
        (RoleName::Timestamp, "2.root.json"),
        (RoleName::Timestamp, "timestamp.json"),
        (RoleName::Snapshot, "2.snapshot.json"),
        (RoleName::Targets, "2.targets.json"),
    ] {
        let asked = client.next().unwrap();
        assert_eq!(asked.path, path);
        let unfinished = Client::new(repository.first_root(), client.remember(), NOW).unwrap();
        assert!(
            matches!(unfinished.finish(), Err(Problem::Missing { .. })),
            "{role}"
        );
        client.feed(repository.served.get(path).cloned()).unwrap();
    }
    let mut believed = client.finish().unwrap();
    let search = believed.search("app");
    assert_eq!(search.next().unwrap().path, "1.alice.json");
    let problem = search.finish().unwrap_err();
    assert!(matches!(&problem, Problem::Missing { role } if role.as_str() == "alice"));
}
