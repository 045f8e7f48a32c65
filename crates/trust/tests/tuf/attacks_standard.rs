//! The same attacks on metadata for a reader of TUF 1.0, each as a story that fails closed, with its own reason. Whoever attacks here has the
//! network or the mirror, and sometimes a stolen key; never all of them.

use serde_json::{Value, json};
use testkit::standard_repository::{
    NOW, Reader, StandardRepository, described, key_id, sha256, signing_key,
};
use testkit::trust_repository::DAY;
use trust::JsonError;
use trust::tuf::client::ROOTS_MAX;
use trust::tuf::standard::{ROLES_MAX, UNKNOWN_BYTES_MAX};
use trust::tuf::{Problem, RoleName};

use super::says::{assert_says, rollback, too_few};

const SERVERS: [&str; 2] = ["snapshot", "timestamp"];

/// A repository whose target two releases have had, as it was with the first, and a reader who knows the second.
fn read_before() -> (StandardRepository, StandardRepository, Reader) {
    let mut repository = StandardRepository::new();
    repository.add_target("targets", "app", b"broken");
    let old = repository.clone();
    repository.add_target("targets", "app", b"mended");
    let mut reader = Reader::of(&repository);
    let found = reader.find(&repository, "app", NOW).unwrap();
    assert_eq!(found, Some(("targets".into(), sha256(b"mended"))));
    (repository, old, reader)
}

/// With the server's keys, a thief lets the snapshot say something else.
fn snapshot_says(repository: &mut StandardRepository, change: impl FnOnce(&mut Value)) {
    change(&mut repository.role("snapshot")["meta"]);
    repository.renew(&SERVERS);
}

#[test]
fn rollback_the_whole_old_state_is_shown_again() {
    let (repository, old, mut reader) = read_before();
    let problem = reader.read(&old, NOW).unwrap_err();
    assert_eq!(problem, rollback(RoleName::Timestamp, 2, 3));
    let text = "timestamp version 2 is older than version 3, which is known";
    assert_says(&problem, text);
    reader.read(&repository, NOW).unwrap();
}

#[test]
fn rollback_an_old_snapshot_under_a_new_timestamp() {
    // The timestamp key is stolen, the snapshot key is not.
    let (mut repository, _, mut reader) = read_before();
    repository.role("timestamp")["meta"]["snapshot.json"]["version"] = json!(2);
    repository.renew(&["timestamp"]);
    let problem = reader.read(&repository, NOW).unwrap_err();
    assert_eq!(problem, rollback(RoleName::Snapshot, 2, 3));
    assert_says(
        &problem,
        "snapshot version 2 is older than version 3, which is known",
    );
}

#[test]
fn rollback_old_targets_under_a_new_snapshot() {
    // Both of the server's keys are stolen, the owner's is not.
    let (mut repository, _, mut reader) = read_before();
    snapshot_says(&mut repository, |meta| {
        meta["targets.json"]["version"] = json!(2)
    });
    let problem = reader.read(&repository, NOW).unwrap_err();
    assert_eq!(problem, rollback(RoleName::Targets, 2, 3));
    assert_says(
        &problem,
        "targets version 2 is older than version 3, which is known",
    );
}

#[test]
fn rollback_of_the_root_itself() {
    let (mut repository, _, mut reader) = read_before();
    repository.rotate("root", &[signing_key()], 1);
    repository.rotate("root", &[signing_key()], 1);
    // The first root again, or the third before the second.
    for version in [1, 3] {
        let mut mirror = repository.clone();
        let root = mirror.served[&format!("{version}.root.json")].clone();
        mirror.served.insert("2.root.json".into(), root);
        let problem = reader.read(&mirror, NOW).unwrap_err();
        let current = 1;
        assert_eq!(problem, Problem::RootVersion { version, current });
        let text = format!("root version {version} does not follow version 1");
        assert_says(&problem, &text);
    }
}

#[test]
fn rollback_to_what_was_seen_in_a_state_that_was_refused() {
    // The mirror shows the newest timestamp, holds back the rest, and comes with the old state an hour later.
    let (repository, old, _) = read_before();
    let mut reader = Reader::of(&repository);
    let mut mirror = repository.clone();
    mirror.served.remove(&repository.path("snapshot"));
    let problem = reader.read(&mirror, NOW).unwrap_err();
    let role = RoleName::Snapshot;
    assert_eq!(problem, Problem::Missing { role });
    let problem = reader.read(&old, NOW).unwrap_err();
    assert!(matches!(problem, Problem::Rollback { .. }), "{problem}");
    let text = "timestamp version 2 is older than version 3, which is known";
    assert_says(&problem, text);
}

#[test]
fn rollback_below_what_has_ended() {
    // What has ended is not used any more, but it is not forgotten.
    let mut repository = StandardRepository::new();
    let mut old = repository.clone();
    repository.role("timestamp")["expires"] = json!("2026-11-26T00:00:00Z");
    repository.renew(&["timestamp"]);
    let mut reader = Reader::of(&repository);
    reader.read(&repository, NOW).unwrap();
    old.publish(&["timestamp"]);
    let problem = reader.read(&old, NOW + 30 * DAY).unwrap_err();
    assert!(matches!(problem, Problem::Rollback { .. }), "{problem}");
    let text = "timestamp version 1 is older than version 2, which is known";
    assert_says(&problem, text);
}

#[test]
fn freeze_the_same_state_is_shown_for_too_long() {
    for role in ["root", "targets", "snapshot", "timestamp"] {
        let mut repository = StandardRepository::new();
        repository.role(role)["expires"] = json!("2026-11-26T00:00:00Z");
        repository.renew(&["root", "targets", "snapshot", "timestamp"]);
        let end = 1_795_651_200_000;
        let mut reader = Reader::of(&repository);
        reader.read(&repository, end - 1).unwrap();
        let problem = reader.read(&repository, end).unwrap_err();
        assert_says(&problem, &format!("{role} expired at 2026-11-26T00:00:00Z"));
        let (role, expires) = (RoleName::parse(role).unwrap(), end);
        assert_eq!(problem, Problem::Expired { role, expires });
    }
}

#[test]
fn freeze_what_a_delegation_said_last_is_shown_for_too_long() {
    let (mut repository, _, mut reader) = read_before();
    repository.delegate("alice", &["*"], &[signing_key()], 1);
    repository.role("alice")["expires"] = json!("2026-11-26T00:00:00Z");
    repository.add_target("alice", "other", b"of alice");
    let end = 1_795_651_200_000;
    let found = reader.find(&repository, "other", end - 1).unwrap();
    assert_eq!(found, Some(("alice".into(), sha256(b"of alice"))));
    // Also when it was believed before.
    let problem = reader.find(&repository, "other", end).unwrap_err();
    assert!(matches!(
        &problem,
        Problem::Expired { role, expires } if role.as_str() == "alice" && *expires == end
    ));
    assert_says(&problem, "alice expired at 2026-11-26T00:00:00Z");
}

#[test]
fn freeze_a_new_root_is_held_back() {
    // The mirror shows everything but the rotation; what the new keys signed gives it away.
    let (mut repository, _, mut reader) = read_before();
    repository.rotate("timestamp", &[signing_key()], 1);
    repository.renew(&["timestamp"]);
    let mut mirror = repository.clone();
    mirror.served.remove("2.root.json");
    let problem = reader.read(&mirror, NOW).unwrap_err();
    assert_eq!(problem, too_few(RoleName::Timestamp, 0, 1));
    assert_says(&problem, "timestamp: 0 of 1 needed signatures are valid");
    reader.read(&repository, NOW).unwrap();
}

#[test]
fn freeze_one_delegation_is_dropped_from_the_snapshot() {
    let (mut repository, _, mut reader) = read_before();
    repository.delegate("alice", &["*"], &[signing_key()], 1);
    reader.read(&repository, NOW).unwrap();
    snapshot_says(&mut repository, |meta| {
        meta.as_object_mut().unwrap().remove("alice.json");
    });
    let problem = reader.read(&repository, NOW).unwrap_err();
    assert!(matches!(&problem, Problem::Unlisted { role } if role.as_str() == "alice"));
    assert_says(&problem, "snapshot lists no alice");
}

#[test]
fn mix_and_match_files_of_two_states() {
    // By its version …
    let (mut repository, old, _) = read_before();
    let mut mirror = repository.clone();
    for role in ["targets", "snapshot"] {
        let file = old.served[&old.path(role)].clone();
        mirror.served.insert(repository.path(role), file);
        let problem = Reader::of(&repository).read(&mirror, NOW).unwrap_err();
        let (version, listed) = (2, 3);
        let by = if role == "targets" {
            RoleName::Snapshot
        } else {
            RoleName::Timestamp
        };
        let text = format!("{role} has version 2, and {by} lists version 3");
        assert_says(&problem, &text);
        let role = RoleName::parse(role).unwrap();
        assert_eq!(
            problem,
            Problem::ListedVersion {
                role,
                version,
                listed,
                by
            }
        );
    }
    // … or by its hash, where two files have the same.
    repository.lists_hashes = true;
    repository.renew(&["targets", "snapshot", "timestamp"]);
    for (role, by) in [("targets", "snapshot"), ("snapshot", "timestamp")] {
        let mut mirror = repository.clone();
        let mut said = mirror.roles[role].clone();
        // As long as the right one.
        said["expires"] = json!("2027-06-02T00:00:00Z");
        let file = mirror.sign(&said, &mirror.keys[role]);
        mirror.served.insert(repository.path(role), file);
        let problem = Reader::of(&repository).read(&mirror, NOW).unwrap_err();
        assert!(matches!(problem, Problem::Hash { .. }), "{role}: {problem}");
        assert_says(&problem, &format!("{role} is not the file that {by} lists"));
    }
}

#[test]
fn endless_data_is_cut_off_at_every_step() {
    let (mut repository, _, _) = read_before();
    repository.lists_hashes = true;
    repository.delegate("alice", &["*"], &[signing_key()], 1);
    let endless = vec![b' '; usize::try_from(UNKNOWN_BYTES_MAX).unwrap() + 1];
    let longer = |role: &str| {
        let path = repository.path(role);
        let file = [repository.served[&path].as_slice(), b" "].concat();
        (path, file)
    };
    for (role, (path, file)) in [
        ("root", ("2.root.json".to_owned(), endless.clone())),
        ("timestamp", ("timestamp.json".to_owned(), endless)),
        ("snapshot", longer("snapshot")),
        ("targets", longer("targets")),
        ("alice", longer("alice")),
    ] {
        let most = file.len() - 1;
        let mut mirror = repository.clone();
        mirror.served.insert(path.clone(), file);
        let problem = Reader::of(&repository)
            .find(&mirror, "other", NOW)
            .unwrap_err();
        assert!(
            matches!(problem, Problem::TooLong { .. }),
            "{path}: {problem}"
        );
        let text = format!("limit exceeded: {role} is longer than {most} bytes");
        assert_says(&problem, &text);
    }
}

#[test]
fn endless_roots_are_cut_off() {
    // With the owner's root key: a root after every root, so that a reader never gets to the end.
    let (mut repository, _, mut reader) = read_before();
    for _ in 0..=ROOTS_MAX {
        repository.renew(&["root"]);
    }
    let problem = reader.read(&repository, NOW).unwrap_err();
    assert!(matches!(problem, Problem::TooMany { max: ROOTS_MAX, .. }));
    let text = "limit exceeded: more than 1024 roots after each other";
    assert_says(&problem, text);
}

#[test]
fn endless_delegations_are_cut_off() {
    // A role that delegates every name to more roles than anybody asks.
    let (mut repository, _, mut reader) = read_before();
    repository.delegate("alice", &["*"], &[signing_key()], 1);
    let delegations = &mut repository.role("targets")["delegations"];
    let one = delegations["roles"][0].clone();
    let roles = (0..=ROLES_MAX).map(|n| {
        let mut role = one.clone();
        role["name"] = json!(n.to_string());
        role
    });
    delegations["roles"] = roles.collect();
    repository.renew(&["targets"]);
    let listed = repository.role("snapshot")["meta"]["alice.json"].clone();
    for n in 0..=ROLES_MAX {
        repository.role("snapshot")["meta"][format!("{n}.json")] = listed.clone();
    }
    repository.renew(&SERVERS);
    let problem = reader.find(&repository, "other", NOW).unwrap_err();
    assert!(matches!(problem, Problem::TooMany { max: ROLES_MAX, .. }));
    let text = "limit exceeded: more than 512 roles in one search";
    assert_says(&problem, text);
}

#[test]
fn fast_forward_ends_with_the_stolen_keys() {
    // The thief of the server's keys runs the versions up, so that nothing honest can follow.
    let (mut repository, _, mut reader) = read_before();
    let mut robbed = repository.clone();
    for role in SERVERS {
        robbed.role(role)["version"] = json!(1_i64 << 53);
    }
    robbed.role("snapshot")["meta"]["targets.json"]["version"] = json!(3);
    robbed.publish(&SERVERS);
    reader.read(&robbed, NOW).unwrap();

    // The honest repository looks old now …
    let problem = reader.read(&repository, NOW).unwrap_err();
    assert!(matches!(problem, Problem::Rollback { .. }), "{problem}");
    let text = "timestamp version 3 is older than version 9007199254740992, which is known";
    assert_says(&problem, text);
    // … until its owner gives the server a new key, also if the reader learns of it and of nothing else first.
    repository.rotate("timestamp", &[signing_key()], 1);
    repository.renew(&["timestamp"]);
    let mut cut_off = repository.clone();
    cut_off.served.remove("timestamp.json");
    reader.read(&cut_off, NOW).unwrap_err();
    reader.read(&repository, NOW).unwrap();
}

#[test]
fn arbitrary_installation_needs_keys() {
    // The mirror signs its own list with its own keys, all the way up.
    let (_, _, mut reader) = read_before();
    let mut theirs = StandardRepository::new();
    theirs.add_target("targets", "app", b"malice");
    let problem = reader.read(&theirs, NOW).unwrap_err();
    let (role, valid, threshold) = (RoleName::Timestamp, 0, 1);
    assert_eq!(problem, too_few(role, valid, threshold));
    assert_says(&problem, "timestamp: 0 of 1 needed signatures are valid");
    // Its next root does not help either: nobody whom the reader knows has signed it.
    theirs.renew(&["root"]);
    let problem = reader.read(&theirs, NOW).unwrap_err();
    assert_eq!(problem, Problem::NotRotated { valid, threshold });
    let text = "root: 0 of 1 needed signatures by keys of the previous root are valid";
    assert_says(&problem, text);
    // Nor does a root that its own keys have not signed.
    let mut unsigned = theirs.clone();
    unsigned.keys.insert("root".into(), vec![signing_key()]);
    unsigned.publish(&["root"]);
    let root = unsigned.served["2.root.json"].clone();
    let problem = Reader::with(root).read(&unsigned, NOW).unwrap_err();
    let role = RoleName::Root;
    assert_eq!(problem, too_few(role, valid, threshold));
    assert_says(&problem, "root: 0 of 1 needed signatures are valid");
}

#[test]
fn a_stolen_key_below_the_threshold_is_not_enough() {
    let (mut repository, _, mut reader) = read_before();
    let keys = [signing_key(), signing_key(), signing_key()];
    repository.rotate("root", &keys, 2);
    repository.delegate("releases", &["*"], &keys, 2);
    reader.find(&repository, "other", NOW).unwrap();

    // One of the three signs what the delegation says …
    let mut robbed = repository.clone();
    robbed.keys.insert("releases".into(), keys[..1].to_vec());
    robbed.add_target("releases", "other", b"malice");
    let problem = reader.find(&robbed, "other", NOW).unwrap_err();
    let (valid, threshold) = (1, 2);
    assert!(matches!(
        &problem,
        Problem::Threshold { role, valid: 1, threshold: 2 } if role.as_str() == "releases"
    ));
    assert_says(&problem, "releases: 1 of 2 needed signatures are valid");
    // … or a new root that asks for one only.
    repository.set_keys("root", &keys[..1], 1);
    repository.renew(&["root"]);
    let problem = reader.read(&repository, NOW).unwrap_err();
    assert_eq!(problem, Problem::NotRotated { valid, threshold });
    assert_says(
        &problem,
        "root: 1 of 2 needed signatures by keys of the previous root are valid",
    );
}

#[test]
fn replay_of_another_repositorys_files() {
    // Its owner is the same and uses the same keys for its delegations.
    let (mut repository, _, mut reader) = read_before();
    let alice = signing_key();
    repository.delegate("alice", &["*"], std::slice::from_ref(&alice), 1);
    let mut other = StandardRepository::new();
    other.delegate("alice", &["*"], &[alice], 1);
    other.add_target("alice", "other", b"of another repository");
    let mut mirror = repository.clone();
    let file = other.served[&other.path("alice")].clone();
    mirror.served.insert(repository.path("alice"), file);
    let problem = reader.find(&mirror, "other", NOW).unwrap_err();
    assert!(
        matches!(problem, Problem::ListedVersion { .. }),
        "{problem}"
    );
    assert_says(
        &problem,
        "alice has version 2, and snapshot lists version 1",
    );

    for role in SERVERS {
        let mut mirror = repository.clone();
        let file = other.served[&other.path(role)].clone();
        mirror.served.insert(repository.path(role), file);
        let problem = Reader::of(&repository).read(&mirror, NOW).unwrap_err();
        assert!(
            matches!(problem, Problem::Threshold { valid: 0, .. }),
            "{problem}"
        );
        let text = format!("{role}: 0 of 1 needed signatures are valid");
        assert_says(&problem, &text);
    }
}

#[test]
fn replay_of_a_signature_for_another_digest() {
    // What was signed for one target is put under a list with another, which says the same otherwise.
    let (repository, _, _) = read_before();
    let mut mirror = repository.clone();
    let path = repository.path("targets");
    let mut file: Value = serde_json::from_slice(&repository.served[&path]).unwrap();
    let listed = &mut file["signed"]["targets"]["app"]["hashes"]["sha256"];
    assert_eq!(*listed, json!(sha256(b"mended")));
    *listed = json!(sha256(b"malice"));
    mirror.served.insert(path, file.to_string().into_bytes());
    let problem = Reader::of(&repository).read(&mirror, NOW).unwrap_err();
    assert_eq!(problem, too_few(RoleName::Targets, 0, 1));
    assert_says(&problem, "targets: 0 of 1 needed signatures are valid");
}

#[test]
fn replay_of_one_roles_file_for_another() {
    // A file of a delegation does not say whose it is. Its keys do.
    let (mut repository, _, mut reader) = read_before();
    repository.delegate("alice", &["*"], &[signing_key()], 1);
    repository.delegate("bob", &["*"], &[signing_key()], 1);
    let mut mirror = repository.clone();
    let file = mirror.served[&mirror.path("alice")].clone();
    mirror.served.insert(repository.path("bob"), file);
    let problem = reader.find(&mirror, "other", NOW).unwrap_err();
    assert!(matches!(
        &problem,
        Problem::Threshold { role, valid: 0, .. } if role.as_str() == "bob"
    ));
    assert_says(&problem, "bob: 0 of 1 needed signatures are valid");
    // One key for all roles does not make their files the same.
    let one = signing_key();
    for role in SERVERS {
        repository.rotate(role, std::slice::from_ref(&one), 1);
    }
    repository.renew(&SERVERS);
    let file = repository.served[&repository.path("snapshot")].clone();
    repository.served.insert("timestamp.json".into(), file);
    let problem = reader.read(&repository, NOW).unwrap_err();
    assert!(matches!(&problem, Problem::Field { at, .. } if at == "timestamp.signed._type"));
    let text = "`timestamp.signed._type` is not the type of this role's files";
    assert_says(&problem, text);
}

#[test]
fn one_key_twice_is_one_key() {
    // An id is only a name, and here one key has two.
    let (mut repository, _, _) = read_before();
    let key = signing_key();
    repository.delegate("releases", &["*"], std::slice::from_ref(&key), 1);
    let (id, other) = (key_id(&key), "b".repeat(64));
    let delegations = &mut repository.role("targets")["delegations"];
    delegations["keys"][&other] = described(&key);
    delegations["roles"][0]["keyids"] = json!([id, other]);
    delegations["roles"][0]["threshold"] = json!(2);
    repository.renew(&["targets"]);
    let signed = repository.sign(&repository.roles["releases"], &[key]);
    let mut file: Value = serde_json::from_slice(&signed).unwrap();
    let mut again = file["signatures"][0].clone();
    again["keyid"] = json!(other);
    file["signatures"].as_array_mut().unwrap().push(again);
    repository.serve("releases", file.to_string().into_bytes());
    repository.renew(&SERVERS);
    let problem = Reader::of(&repository).find(&repository, "other", NOW);
    let problem = problem.unwrap_err();
    assert_says(&problem, "releases: 1 of 2 needed signatures are valid");
    assert!(matches!(
        problem,
        Problem::Threshold {
            valid: 1,
            threshold: 2,
            ..
        }
    ));
}

#[test]
fn one_signature_twice_is_not_even_read() {
    let (mut repository, _, mut reader) = read_before();
    let key = repository.keys["timestamp"][0].clone();
    let file = repository.sign(&repository.roles["timestamp"], &[key.clone(), key]);
    repository.served.insert("timestamp.json".into(), file);
    let problem = reader.read(&repository, NOW).unwrap_err();
    assert!(matches!(&problem, Problem::Field { at, .. } if at == "timestamp.signatures"));
    assert_says(&problem, "`timestamp.signatures` has two of one key");
}

#[test]
fn a_key_id_that_is_another_keys() {
    // A delegation lists its own key under the id of the owner's, so that its word looks like the owner's.
    let (mut repository, _, mut reader) = read_before();
    repository.delegate("alice", &["*"], &[signing_key()], 1);
    let owners = key_id(&repository.keys["targets"][0]);
    let (theirs, bob) = (signing_key(), signing_key());
    let alice = repository.role("alice");
    alice["delegations"] = json!({
        "keys": {&owners: described(&theirs)},
        "roles": [{"name": "bob", "paths": ["*"], "keyids": [owners], "threshold": 1, "terminating": false}],
    });
    repository.renew(&["alice", "snapshot", "timestamp"]);
    let problem = reader.find(&repository, "other", NOW).unwrap_err();
    assert!(matches!(&problem, Problem::KeyName { listed } if listed.as_str() == owners));
    let text = format!("the key id {owners} stands for two different keys in one repository");
    assert_says(&problem, &text);

    // Nor may the next root give a name that is known to another key.
    let (mut repository, _, mut reader) = read_before();
    let owners = key_id(&repository.keys["targets"][0]);
    repository.role("root")["keys"][&owners] = described(&bob);
    repository.renew(&["root"]);
    let problem = reader.read(&repository, NOW).unwrap_err();
    assert!(matches!(&problem, Problem::KeyName { listed } if listed.as_str() == owners));
    let text = format!("the key id {owners} stands for two different keys in one repository");
    assert_says(&problem, &text);
}

#[test]
fn duplicate_json_keys_are_read_by_nobody() {
    let (repository, _, _) = read_before();
    for (role, field) in [
        ("timestamp", "\"version\":"),
        ("snapshot", "\"targets.json\":"),
        ("targets", "\"app\":"),
    ] {
        let mut mirror = repository.clone();
        let path = mirror.path(role);
        let text = String::from_utf8(mirror.served[&path].clone()).unwrap();
        let twice = text.replacen(field, &format!("{field}1,{field}"), 1);
        assert_ne!(text, twice);
        mirror.served.insert(path, twice.into_bytes());
        let problem = Reader::of(&repository).read(&mirror, NOW).unwrap_err();
        let double = matches!(&problem, Problem::Json(JsonError::DuplicateKey(_)));
        assert!(double, "{role}: {problem}");
        let key = field.trim_matches(['"', ':']);
        let text = format!("the key `{key}` stands twice in one object");
        assert_says(&problem, &text);
    }
}

#[test]
fn two_files_under_one_version() {
    // A robbed server shows one state to one reader and another to the next. Whoever knows the one stays with it.
    let (repository, _, mut reader) = read_before();
    let mut robbed = repository.clone();
    robbed.role("timestamp")["expires"] = json!("2099-01-01T00:00:00Z");
    robbed.publish(&["timestamp"]);
    let believed = reader.read(&robbed, NOW).unwrap();
    assert_eq!(
        believed.timestamp().bytes(),
        repository.served["timestamp.json"]
    );

    // For a snapshot, which a newer timestamp names by its hash, there is no staying.
    robbed.lists_hashes = true;
    robbed.role("snapshot")["x-other"] = json!(true);
    robbed.publish(&["snapshot"]);
    robbed.renew(&["timestamp"]);
    let problem = reader.read(&robbed, NOW).unwrap_err();
    let (role, version) = (RoleName::Snapshot, 3);
    assert_eq!(problem, Problem::Equivocation { role, version });
    let text = "snapshot version 3 is not the file that is known by this version";
    assert_says(&problem, text);
}

#[test]
fn a_delegation_speaks_only_where_it_may() {
    let (mut repository, _, mut reader) = read_before();
    repository.delegate("alice", &["test-?"], &[signing_key()], 1);
    repository.add_target("alice", "other", b"malice");
    repository.add_target("alice", "test-1", b"a test");
    assert_eq!(reader.find(&repository, "other", NOW).unwrap(), None);
    let found = reader.find(&repository, "test-1", NOW).unwrap();
    assert_eq!(found, Some(("alice".into(), sha256(b"a test"))));
    // It cannot pass on more than it has: whoever is below it is only asked for what it may speak about itself.
    let bob = signing_key();
    let id = key_id(&bob);
    repository.role("alice")["delegations"] = json!({
        "keys": {&id: described(&bob)},
        "roles": [{"name": "bob", "paths": ["*"], "keyids": [id], "threshold": 1, "terminating": false}],
    });
    let mut said = repository.roles["alice"].clone();
    said["delegations"] = Value::Null;
    repository.roles.insert("bob".into(), said);
    repository.keys.insert("bob".into(), vec![bob]);
    repository.add_target("bob", "other", b"malice");
    repository.renew(&["alice", "snapshot", "timestamp"]);
    assert_eq!(reader.find(&repository, "other", NOW).unwrap(), None);
}

#[test]
fn a_delegation_that_is_held_back_is_not_passed_over() {
    // Alice says what is right; the mirror would rather have the reader hear bob.
    let (mut repository, _, mut reader) = read_before();
    repository.delegate("alice", &["*"], &[signing_key()], 1);
    repository.delegate("bob", &["*"], &[signing_key()], 1);
    repository.add_target("alice", "other", b"right");
    repository.add_target("bob", "other", b"wrong");
    let mut mirror = repository.clone();
    mirror.served.remove(&repository.path("alice"));
    let problem = reader.find(&mirror, "other", NOW).unwrap_err();
    assert!(matches!(&problem, Problem::Missing { role } if role.as_str() == "alice"));
    assert_says(&problem, "alice is missing");
    let found = reader.find(&repository, "other", NOW).unwrap();
    assert_eq!(found, Some(("alice".into(), sha256(b"right"))));
}
