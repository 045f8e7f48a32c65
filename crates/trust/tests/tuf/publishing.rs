//! Updates as docker and notary send them, and what the server says to those that it does not take.

use std::slice;

use serde_json::{Value, json};
use testkit::trust_repository::{DAY, Mirror, Reader, START, TrustRepository};
use trust::Algorithm;
use trust::tuf::publish::{Current, REFUSAL_BYTES_MAX, Refusal, part_role, validate};
use trust::tuf::{Content, FileMeta, Key, Problem, RoleName, SIGNATURES_MAX, Snapshot, author};

const GUN: &str = "registry.example/shop/web";

fn role(text: &str) -> RoleName {
    RoleName::parse(text).unwrap()
}

/// A repository whose owner signs snapshots, with files of alice and bob, and the keys of all three.
fn with_own_snapshots() -> (TrustRepository, [Key; 1]) {
    let mut repository = TrustRepository::new(GUN);
    let keys = [repository.new_key(Algorithm::EcdsaP256)];
    for name in ["targets/alice", "targets/bob"] {
        repository.delegate(name, &keys, 1);
        repository.publish(name, "1.4", b"an image");
    }
    let root = repository.next_root(|root| root.set_role(&RoleName::Snapshot, &keys, 1));
    let snapshot = next_snapshot(&repository, &keys, &[&root], |_| {});
    repository.post(vec![root, snapshot]).unwrap();
    (repository, keys)
}

fn next_snapshot(
    repository: &TrustRepository,
    keys: &[Key],
    files: &[&(RoleName, Vec<u8>)],
    change: impl FnOnce(&mut Snapshot),
) -> (RoleName, Vec<u8>) {
    let files = files.iter();
    let files: Vec<_> = files
        .map(|(role, bytes)| (role.clone(), bytes.as_slice()))
        .collect();
    let mut snapshot = author::snapshot(Some(repository.snapshot()), &files, repository.now);
    change(&mut snapshot);
    (RoleName::Snapshot, repository.sign(&snapshot, keys))
}

#[test]
fn parts_are_named_by_their_role() {
    assert_eq!(part_role(Some("targets/alice")), Ok(role("targets/alice")));
    assert_eq!(part_role(Some("root.json")), Ok(RoleName::Root));
    assert_eq!(part_role(None), Err(Refusal::NoFilename));
    assert_eq!(part_role(Some("")), Err(Refusal::NoFilename));
    assert_eq!(part_role(Some(".json")), Err(Refusal::NoFilename));
    for name in [
        "mirror",
        "targets/",
        "targets/A",
        "root.json.json",
        "../root",
    ] {
        let refusal = part_role(Some(name)).unwrap_err();
        assert_eq!(refusal.code(), "INVALID_ROLE", "{name}");
    }
}

#[test]
fn what_was_sent_is_stored_byte_for_byte() {
    let mut repository = TrustRepository::new(GUN);
    let (name, bytes) = repository.next_targets("targets", |_| {});
    // As other programs might write it.
    let value: Value = serde_json::from_slice(&bytes).unwrap();
    let pretty = serde_json::to_vec_pretty(&value).unwrap();
    repository.post(vec![(name, pretty.clone())]).unwrap();
    assert_eq!(
        repository.current().file(&RoleName::Targets),
        Some(pretty.as_slice())
    );
    let mut reader = Reader::new(repository.gun());
    reader.read(&Mirror::of(&repository), START).unwrap();
}

#[test]
fn what_the_server_signs_lives_as_long_as_clients_expect() {
    let repository = TrustRepository::new(GUN);
    assert_eq!(repository.snapshot().expires, START + 3 * 365 * DAY);
    let timestamp = repository.stored().last().unwrap();
    assert_eq!(timestamp.role, RoleName::Timestamp);
    assert_eq!(timestamp.expires, START + 14 * DAY);
    let file: Value = serde_json::from_slice(&timestamp.bytes).unwrap();
    assert_eq!(file["signed"]["_type"], "Timestamp");
    assert_eq!(file["signed"]["expires"], "2026-12-09T12:00:00Z");
    assert_eq!(file["signatures"][0]["method"], "eddsa");
}

#[test]
fn an_update_is_taken_as_a_whole() {
    let mut repository = TrustRepository::new(GUN);
    let before = repository.stored().len();
    let good = repository.next_targets("targets", |_| {});
    let stranger = repository.new_key(Algorithm::EcdsaP256);
    let bad = repository.sign(&author::first_targets(START), &[stranger]);
    let refusal = repository.post(vec![good, (role("targets/alice"), bad)]);
    assert_eq!(refusal.unwrap_err().name(), "ErrBadTargets");
    assert_eq!(repository.stored().len(), before);
}

#[test]
fn two_publishers_at_once_and_one_may_try_again() {
    let mut repository = TrustRepository::new(GUN);
    let one = repository.next_targets("targets", |targets| {
        targets.targets.insert("one".into(), FileMeta::of(b"one"));
    });
    let other = repository.next_targets("targets", |targets| {
        targets
            .targets
            .insert("other".into(), FileMeta::of(b"other"));
    });
    repository.post(vec![one]).unwrap();
    let refusal = repository.post(vec![other]).unwrap_err();
    assert_eq!(refusal.code(), "VERSION");
    let says = "targets version 2 is not newer than version 2";
    assert!(refusal.to_string().contains(says), "{refusal}");
    let again = repository.next_targets("targets", |targets| {
        targets
            .targets
            .insert("other".into(), FileMeta::of(b"other"));
    });
    repository.post(vec![again]).unwrap();
    let listed: Vec<String> = repository.targets("targets").targets.into_keys().collect();
    assert_eq!(listed, ["one", "other"]);
}

#[test]
fn two_publishers_at_once_who_sign_snapshots_are_told_the_same() {
    // Somebody else's newer file makes the second one's snapshot an old one, not a wrong one.
    let (mut repository, keys) = with_own_snapshots();
    let update = |repository: &TrustRepository, name: &str| {
        let file = repository.next_targets(name, |_| {});
        let snapshot = next_snapshot(repository, &keys, &[&file], |_| {});
        vec![file, snapshot]
    };
    let one = update(&repository, "targets/alice");
    let other = update(&repository, "targets/bob");
    repository.post(one).unwrap();
    let refusal = repository.post(other).unwrap_err();
    assert_eq!(refusal.code(), "VERSION", "{refusal}");
    let again = update(&repository, "targets/bob");
    repository.post(again).unwrap();
}

#[test]
fn a_snapshot_drops_no_delegation_that_still_is_one() {
    // Whoever has the owner's snapshot key alone cannot hide what alice says.
    let (mut repository, keys) = with_own_snapshots();
    let name = role("targets/alice");
    let hides = |snapshot: &mut Snapshot| {
        snapshot.meta.remove(&name);
    };
    let snapshot = next_snapshot(&repository, &keys, &[], hides);
    let refusal = repository.post(vec![snapshot]).unwrap_err();
    let problem = Problem::Unlisted { role: name.clone() };
    assert_eq!(refusal, Refusal::BadSnapshot(problem));

    // notary does so where the owner ends the delegation.
    let targets =
        repository.next_targets("targets", |targets| targets.delegations.remove_role(&name));
    let snapshot = next_snapshot(&repository, &keys, &[&targets], hides);
    repository.post(vec![targets, snapshot]).unwrap();
    let again = next_snapshot(&repository, &keys, &[], |_| {});
    repository.post(vec![again]).unwrap();
}

#[test]
fn an_expired_snapshot_is_not_taken() {
    let (mut repository, keys) = with_own_snapshots();
    let snapshot = next_snapshot(&repository, &keys, &[], |snapshot| snapshot.expires = START);
    let refusal = repository.post(vec![snapshot]).unwrap_err();
    let (role, expires) = (RoleName::Snapshot, START);
    let problem = Problem::Expired { role, expires };
    assert_eq!(refusal, Refusal::BadSnapshot(problem));
}

#[test]
fn a_snapshot_lists_every_delegation_that_came() {
    let mut repository = TrustRepository::new(GUN);
    let keys = [repository.new_key(Algorithm::EcdsaP256)];
    repository.delegate("targets/alice", &keys, 1);
    let root = repository.next_root(|root| root.set_role(&RoleName::Snapshot, &keys, 1));
    let alice = repository.next_targets("targets/alice", |_| {});
    let listing = |parts: &[&(RoleName, Vec<u8>)]| next_snapshot(&repository, &keys, parts, |_| {});
    let (without, with) = (listing(&[&root]), listing(&[&root, &alice]));
    let refusal = repository
        .post(vec![root.clone(), alice.clone(), without])
        .unwrap_err();
    let problem = Problem::Unlisted {
        role: role("targets/alice"),
    };
    assert_eq!(refusal, Refusal::BadSnapshot(problem));
    repository.post(vec![root, alice, with]).unwrap();
}

#[test]
fn versions_that_are_not_current_any_more_still_count() {
    // alice's delegation is taken from her, and given to her again: her file begins anew, but not with an old version.
    let mut repository = TrustRepository::new(GUN);
    let key = repository.new_key(Algorithm::EcdsaP256);
    let first = repository.sign(&author::first_targets(START), slice::from_ref(&key));
    repository.delegate("targets/alice", &[key], 1);
    let mut current = repository.current().clone();
    current.insert_latest(role("targets/alice"), 5);
    current.insert_latest(role("targets/alice"), 4);
    let (held, now) = (&repository.held, repository.now);
    let update = vec![(role("targets/alice"), first)];
    let refusal = validate(repository.gun(), update, &current, held, now).unwrap_err();
    assert_eq!(
        refusal,
        Refusal::OldVersion {
            role: role("targets/alice"),
            version: 1,
            stored: 5
        }
    );
}

#[test]
fn the_servers_versions_go_on_above_everything_stored() {
    let repository = TrustRepository::new(GUN);
    let mut current = repository.current().clone();
    current.insert_latest(RoleName::Snapshot, 7);
    current.insert_latest(RoleName::Timestamp, 8);
    let update = vec![repository.next_targets("targets", |_| {})];
    let (held, now) = (&repository.held, repository.now);
    let accepted = validate(repository.gun(), update, &current, held, now).unwrap();
    let versions: Vec<(RoleName, i64)> = accepted.versions().collect();
    assert_eq!(
        versions,
        [
            (RoleName::Targets, 2),
            (RoleName::Snapshot, 8),
            (RoleName::Timestamp, 9)
        ]
    );
}

#[test]
fn a_repository_whose_versions_were_run_up_says_so() {
    let repository = TrustRepository::new(GUN);
    let mut current = repository.current().clone();
    current.insert_latest(RoleName::Timestamp, 1 << 53);
    let update = vec![repository.next_targets("targets", |_| {})];
    let (held, now) = (&repository.held, repository.now);
    let refusal = validate(repository.gun(), update, &current, held, now).unwrap_err();
    assert_eq!(refusal, Refusal::NoVersionLeft(RoleName::Timestamp));
}

#[test]
fn a_version_does_not_run_ahead() {
    // With alice's key, a thief could else burn the name of her role: nobody can publish what is above the highest version.
    let mut repository = TrustRepository::new(GUN);
    let alice = repository.new_key(Algorithm::EcdsaP256);
    repository.delegate("targets/alice", &[alice], 1);
    repository.publish("targets/alice", "1.4", b"an image");
    let at = |repository: &TrustRepository, version| {
        vec![repository.next_targets("targets/alice", |targets| targets.version = version)]
    };
    for version in [1 << 53, (1 << 32) + 2] {
        let refusal = repository.post(at(&repository, version)).unwrap_err();
        assert_eq!(refusal.name(), "ErrValidation");
        assert!(refusal.to_string().contains("too far"), "{refusal}");
    }
    let farthest = at(&repository, (1 << 32) + 1);
    repository.post(farthest).unwrap();
}

#[test]
fn what_docker_cannot_read_is_not_taken() {
    // A file that Go's reader gives up ends a pull, whatever the other roles say: one signer could stop everybody's.
    let mut repository = TrustRepository::new(GUN);
    let alice = [repository.new_key(Algorithm::EcdsaP256)];
    repository.delegate("targets/alice", &alice, 1);
    let image = json!({"hashes": {"sha256": "qkSWSJXK2entXHfsiXaPA/6LHEURcVmA7PgNs4b/0MM="}, "length": 523});
    for (at, value) in [
        ("/targets/1/hashes/md5", json!(5)),
        ("/targets/1/hashes/md5", json!("not base64")),
        ("/targets/1/hashes/md5", json!([])),
        ("/expires", json!("2036-01-01T00Z")),
        ("/expires", json!("2036-01-01T00:00Z")),
        ("/expires", json!("2036-01-01T00:00:60Z")),
        ("/expires", json!("2036-01-01T00:00:00+01")),
    ] {
        let mut signed = author::first_targets(START).to_value();
        signed["targets"]["1"] = image.clone();
        let (above, name) = at.rsplit_once('/').unwrap();
        let above = signed.pointer_mut(above).and_then(Value::as_object_mut);
        above.unwrap().insert(name.into(), value.clone());
        let file = repository.sign_raw(signed, &alice);
        let taken = repository.clone().post(vec![(role("targets/alice"), file)]);
        assert!(taken.is_err(), "{at} {value}");
    }
    // A root may name other roles, if they look like roles.
    let mut signed = author::next(&RoleName::Root, repository.root(), START).to_value();
    let keys = repository.keys_of("root");
    for (mirrors, is_taken) in [
        (json!(5), false),
        (json!({"keyids": 5, "threshold": 1}), false),
        (json!({"keyids": [], "threshold": "1"}), false),
        (json!(null), true),
        (json!({"keyids": ["a"], "threshold": 0, "url": "x"}), true),
    ] {
        signed["roles"]["mirrors"] = mirrors.clone();
        let file = repository.sign_raw(signed.clone(), &keys);
        let taken = repository.clone().post(vec![(RoleName::Root, file)]);
        assert_eq!(taken.is_ok(), is_taken, "{mirrors}");
    }
}

#[test]
fn an_update_has_limits_as_a_whole() {
    let mut repository = TrustRepository::new(GUN);
    let keys = [repository.new_key(Algorithm::Ed25519)];
    let names: Vec<String> = (0..32).map(|n| format!("targets/{n}")).collect();
    let file = repository.next_targets("targets", |targets| {
        for name in &names {
            targets.delegations.set_role(role(name), &keys, 1, &[""]);
        }
    });
    repository.post(vec![file]).unwrap();

    // A small value takes far more room in memory than in a file.
    let mut many = FileMeta::of(b"an image");
    many.custom = Some(Value::Array(vec![json!(0); 200_000]));
    let mut targets = author::first_targets(START);
    targets.targets.insert("1".into(), many);
    let file = repository.sign(&targets, &keys);
    let update = |count: usize, file: &[u8]| {
        let names = names.iter().take(count);
        names
            .map(|name| (role(name), file.to_vec()))
            .collect::<Vec<_>>()
    };
    repository.clone().post(update(2, &file)).unwrap();
    let refusal = repository.post(update(3, &file)).unwrap_err();
    assert_eq!(refusal.code(), "MALFORMED_UPLOAD", "{refusal}");

    // Each signature takes time.
    let file = repository.sign(&author::first_targets(START), &keys);
    let mut file: Value = serde_json::from_slice(&file).unwrap();
    let one = file["signatures"][0].clone();
    file["signatures"] = Value::Array(vec![one; SIGNATURES_MAX]);
    let file = file.to_string().into_bytes();
    let most = 1024 / SIGNATURES_MAX;
    repository.clone().post(update(most, &file)).unwrap();
    let refusal = repository.post(update(most + 1, &file)).unwrap_err();
    assert_eq!(refusal.code(), "MALFORMED_UPLOAD", "{refusal}");
}

#[test]
fn one_signer_cannot_make_snapshots_grow_without_end() {
    let mut repository = TrustRepository::new(GUN);
    let keys = [repository.new_key(Algorithm::Ed25519)];
    repository.delegate("targets/alice", &keys, 1);
    let below: Vec<String> = (0..65).map(|n| format!("targets/alice/{n}")).collect();
    // She publishes some, ends their delegations, and goes on with others.
    for (at, names) in below.chunks(50).enumerate() {
        let alice = repository.next_targets("targets/alice", |targets| {
            targets.delegations = Default::default();
            for name in names {
                targets.delegations.set_role(role(name), &keys, 1, &[""]);
            }
        });
        let file = repository.sign(&author::first_targets(START), &keys);
        let files = names.iter().map(|name| (role(name), file.clone()));
        let mut update = vec![alice];
        update.extend(files);
        if at == 0 {
            repository.post(update).unwrap();
            continue;
        }
        let refusal = repository.post(update.clone()).unwrap_err();
        assert!(
            matches!(
                refusal,
                Refusal::BadTargets(Problem::TooMany { max: 64, .. })
            ),
            "{refusal}"
        );
        update.pop();
        repository.post(update).unwrap();
    }
    // Nobody else is affected.
    repository.delegate("targets/bob", &keys, 1);
    repository.publish("targets/bob", "1.4", b"an image");
}

#[test]
fn what_the_server_takes_is_short_enough_for_readers() {
    let mut repository = TrustRepository::new(GUN);
    let mut signed = author::next(&RoleName::Root, repository.root(), START).to_value();
    signed["note"] = json!("x".repeat(3 << 20));
    let file = repository.sign_raw(signed, &repository.keys_of("root"));
    repository.post(vec![(RoleName::Root, file)]).unwrap();
    let mut reader = Reader::new(repository.gun());
    reader.read(&Mirror::of(&repository), START).unwrap();
}

#[test]
fn says_who_signed_and_what() {
    let mut repository = TrustRepository::new(GUN);
    let keys = [
        repository.new_key(Algorithm::EcdsaP256),
        repository.new_key(Algorithm::Ed25519),
    ];
    repository.delegate("targets/releases", &keys, 2);
    let file = repository.next_targets("targets/releases", |targets| {
        targets.targets.insert("1".into(), FileMeta::of(b"one"));
    });
    let (held, now) = (&repository.held, repository.now);
    let accepted = validate(
        repository.gun(),
        vec![file],
        repository.current(),
        held,
        now,
    );
    let accepted = accepted.unwrap();
    let uploaded = &accepted.uploaded()[0];
    assert_eq!(uploaded.signers, keys);
    assert!(uploaded.targets.as_ref().unwrap().targets.contains_key("1"));
    let signers: Vec<_> = accepted.signers().cloned().collect();
    assert_eq!(signers, [&held.snapshot[..], &held.timestamp[..]].concat());
    assert_eq!(accepted.root(), &repository.root());
}

#[test]
fn nothing_is_sealed_without_the_servers_keys() {
    let repository = TrustRepository::new(GUN);
    let update = vec![repository.next_targets("targets", |_| {})];
    let (held, now) = (&repository.held, repository.now);
    let accepted = validate(repository.gun(), update, repository.current(), held, now).unwrap();
    let problem = accepted.seal(&[]).unwrap_err();
    assert_eq!(
        problem,
        trust::tuf::SealError::Missing(held.snapshot[0].id().clone())
    );
}

#[test]
fn a_role_comes_once() {
    let mut repository = TrustRepository::new(GUN);
    let one = repository.next_targets("targets", |_| {});
    let refusal = repository.post(vec![one.clone(), one]).unwrap_err();
    assert_eq!(refusal, Refusal::Twice(RoleName::Targets));
}

#[test]
fn expired_files_are_not_taken() {
    let mut repository = TrustRepository::new(GUN);
    let alice = repository.new_key(Algorithm::EcdsaP256);
    repository.delegate("targets/alice", &[alice], 1);
    for name in ["targets", "targets/alice"] {
        let file = repository.next_targets(name, |targets| targets.expires = START);
        let refusal = repository.post(vec![file]).unwrap_err();
        let (role, expires) = (role(name), START);
        assert_eq!(
            refusal,
            Refusal::BadTargets(Problem::Expired { role, expires })
        );
    }
    let file = repository.next_root(|root| root.expires = START);
    assert_eq!(
        repository.post(vec![file]).unwrap_err().name(),
        "ErrBadRoot"
    );
}

#[test]
fn an_expired_root_can_be_followed_by_a_new_one() {
    let mut repository = TrustRepository::new(GUN);
    repository.now += 11 * 365 * DAY;
    // Root and certificate have ended: nothing else is taken …
    let file = repository.next_targets("targets", |_| {});
    let refusal = repository.post(vec![file.clone()]).unwrap_err();
    assert!(matches!(
        refusal,
        Refusal::Stored {
            role: RoleName::Root,
            ..
        }
    ));
    // … but the old key can still name a new one.
    let key = repository.new_root_key();
    let root = repository.next_root(|root| root.set_role(&RoleName::Root, &[key], 1));
    repository.post(vec![root, file]).unwrap();
}

#[test]
fn a_new_targets_key_comes_with_what_it_signs() {
    let mut repository = TrustRepository::new(GUN);
    let alice = repository.new_key(Algorithm::EcdsaP256);
    repository.delegate("targets/alice", &[alice], 1);
    let key = repository.new_key(Algorithm::EcdsaP256);
    let root =
        repository.next_root(|root| root.set_role(&RoleName::Targets, slice::from_ref(&key), 1));
    // alice's file alone would hang on a `targets` that the new root does not know.
    let file = repository.next_targets("targets/alice", |_| {});
    let refusal = repository
        .post(vec![root.clone(), file.clone()])
        .unwrap_err();
    assert!(matches!(
        refusal,
        Refusal::Stored {
            role: RoleName::Targets,
            ..
        }
    ));
    let next = author::next(&RoleName::Targets, repository.targets("targets"), START);
    let targets = (RoleName::Targets, repository.sign(&next, &[key]));
    repository.post(vec![root, file, targets]).unwrap();
}

#[test]
fn the_key_in_use_is_the_one_that_the_root_names() {
    let mut repository = TrustRepository::new(GUN);
    let first = repository.held.timestamp[0].clone();
    let in_use = |repository: &TrustRepository| {
        let key = repository
            .held
            .in_use(&RoleName::Timestamp, repository.current());
        key.cloned()
    };
    assert_eq!(in_use(&repository), Some(first.clone()));
    // A pending key is not in use yet.
    let pending = repository.new_key(Algorithm::Ed25519);
    repository.held.timestamp.push(pending.clone());
    assert_eq!(in_use(&repository), Some(first));
    let file = repository
        .next_root(|root| root.set_role(&RoleName::Timestamp, slice::from_ref(&pending), 1));
    repository.post(vec![file]).unwrap();
    assert_eq!(in_use(&repository), Some(pending));
    let empty = Current::new();
    assert_eq!(repository.held.in_use(&RoleName::Timestamp, &empty), None);
    assert_eq!(
        repository
            .held
            .in_use(&RoleName::Root, repository.current()),
        None
    );
}

#[test]
fn every_refusal_of_an_update_can_be_read_by_clients() {
    let mut repository = TrustRepository::new(GUN);
    let long = format!("targets/{}", "a".repeat(247));
    let key = repository.new_key(Algorithm::EcdsaP256);
    let file = repository.sign(&author::first_targets(START), &[key]);
    let refusal = repository.post(vec![(role(&long), file)]).unwrap_err();
    let body = refusal.body();
    assert!(body.len() <= REFUSAL_BYTES_MAX, "{body}");
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(body["errors"].as_array().unwrap().len(), 1);
    let said = body["errors"][0]["detail"]["Error"]["Msg"]
        .as_str()
        .unwrap();
    assert!(said.contains("does not delegate"), "{said}");
}

#[test]
fn numbers_that_go_reads_otherwise_are_not_signed_over() {
    let mut repository = TrustRepository::new(GUN);
    let next = author::next(&RoleName::Targets, repository.targets("targets"), START);
    let keys = repository.keys_of("targets");
    let mut signed = next.to_value();
    signed["note"] = json!("fine");
    let with_note = repository.sign_raw(signed.clone(), &keys);
    let text = String::from_utf8(with_note.clone()).unwrap();
    for number in ["1.5", "1e0", "9007199254740993"] {
        let other = text.replace("\"fine\"", number).into_bytes();
        let refusal = repository
            .post(vec![(RoleName::Targets, other)])
            .unwrap_err();
        assert_eq!(refusal.name(), "ErrBadTargets", "{number}");
    }
    repository
        .post(vec![(RoleName::Targets, with_note)])
        .unwrap();
}
