//! Each attack on metadata as a story that fails closed, with its own reason. Whoever attacks here has the network or the mirror, and
//! sometimes a stolen key; never all of them.

use std::slice;

use serde_json::json;
use testkit::trust_repository::{DAY, Mirror, Reader, START, TrustRepository};
use trust::tuf::author;
use trust::tuf::client::{Anchor, Client, Remembered, TIMESTAMP_BYTES_MAX};
use trust::tuf::publish::{File, Refusal};
use trust::tuf::{
    Content, FileMeta, Key, KeyType, METADATA_BYTES_MAX, Problem, RoleName, Timestamp,
};
use trust::{Algorithm, JsonError};

const GUN: &str = "registry.example/shop/web";
/// The highest version that can be signed.
const VERSION_MAX: i64 = 1 << 53;

fn role(text: &str) -> RoleName {
    RoleName::parse(text).unwrap()
}

/// A repository whose tag `1.4` two releases have had, and a reader who knows the second.
fn read_before() -> (TrustRepository, TrustRepository, Reader) {
    let mut repository = TrustRepository::new(GUN);
    repository.publish("targets", "1.4", b"broken");
    let old = repository.clone();
    repository.publish("targets", "1.4", b"mended");
    let mut reader = Reader::new(repository.gun());
    reader.read(&Mirror::of(&repository), START).unwrap();
    (repository, old, reader)
}

/// What a thief of the server's keys puts there.
fn stolen(repository: &TrustRepository, role: &RoleName, content: &impl Content) -> File {
    let keys = repository.keys_of(role.as_str());
    let bytes = repository.sign(content, &keys);
    let sha256 = FileMeta::of(&bytes).hashes.sha256.unwrap();
    File {
        role: role.clone(),
        version: content.version(),
        expires: content.expires(),
        sha256,
        bytes,
    }
}

/// A thief of the server's keys lists these files instead of what stood there.
fn relist(repository: &mut TrustRepository, version: i64, mut files: Vec<(RoleName, Vec<u8>)>) {
    let mut snapshot = repository.snapshot();
    snapshot.renew(version, snapshot.expires);
    for (role, bytes) in &files {
        snapshot.meta.insert(role.clone(), FileMeta::of(bytes));
    }
    let snapshot = stolen(repository, &RoleName::Snapshot, &snapshot).bytes;
    let timestamp = Timestamp {
        version,
        expires: START + 14 * DAY,
        snapshot: FileMeta::of(&snapshot),
    };
    let timestamp = stolen(repository, &RoleName::Timestamp, &timestamp).bytes;
    files.push((RoleName::Snapshot, snapshot));
    files.push((RoleName::Timestamp, timestamp));
    repository.follow(files);
}

fn path(role: &RoleName, file: &FileMeta) -> String {
    format!("{role}.{}.json", file.sha256_hex().unwrap())
}

#[test]
fn rollback_the_whole_old_state_is_shown_again() {
    let (_, old, mut reader) = read_before();
    let problem = reader.read(&Mirror::of(&old), START).unwrap_err();
    let (version, known) = (2, 3);
    let role = RoleName::Timestamp;
    assert_eq!(
        problem,
        Problem::Rollback {
            role,
            version,
            known
        }
    );
}

#[test]
fn rollback_an_old_snapshot_under_a_new_timestamp() {
    // The timestamp key is stolen, the snapshot key is not.
    let (mut repository, old, mut reader) = read_before();
    let snapshot = old.current().file(&RoleName::Snapshot).unwrap();
    let timestamp = Timestamp {
        version: 9,
        expires: START + 14 * DAY,
        snapshot: FileMeta::of(snapshot),
    };
    repository.store(vec![stolen(&repository, &RoleName::Timestamp, &timestamp)]);
    let problem = reader.read(&Mirror::of(&repository), START).unwrap_err();
    assert!(
        matches!(
            &problem,
            Problem::Rollback {
                role: RoleName::Snapshot,
                ..
            }
        ),
        "{problem}"
    );
}

#[test]
fn rollback_old_targets_under_a_new_snapshot() {
    // Both of the server's keys are stolen, the owner's is not.
    let (mut repository, old, mut reader) = read_before();
    let mut snapshot = repository.snapshot();
    snapshot.renew(9, snapshot.expires);
    let targets = old.current().file(&RoleName::Targets).unwrap();
    snapshot
        .meta
        .insert(RoleName::Targets, FileMeta::of(targets));
    let snapshot = stolen(&repository, &RoleName::Snapshot, &snapshot);
    let timestamp = Timestamp {
        version: 9,
        expires: START + 14 * DAY,
        snapshot: FileMeta::of(&snapshot.bytes),
    };
    let timestamp = stolen(&repository, &RoleName::Timestamp, &timestamp);
    repository.store(vec![snapshot, timestamp]);
    let problem = reader.read(&Mirror::of(&repository), START).unwrap_err();
    assert!(
        matches!(
            &problem,
            Problem::Rollback {
                role: RoleName::Targets,
                ..
            }
        ),
        "{problem}"
    );
}

#[test]
fn rollback_is_not_taken_from_a_publisher_either() {
    let (mut repository, old, _) = read_before();
    let targets = old.current().file(&RoleName::Targets).unwrap().to_vec();
    let refusal = repository
        .post(vec![(RoleName::Targets, targets)])
        .unwrap_err();
    assert!(matches!(
        refusal,
        Refusal::OldVersion {
            version: 2,
            stored: 3,
            ..
        }
    ));
}

#[test]
fn rollback_by_a_publisher_who_signs_snapshots_is_refused() {
    // Whoever holds the snapshot key lists an older file of somebody else.
    let mut repository = TrustRepository::new(GUN);
    let key = repository.new_key(Algorithm::EcdsaP256);
    let keys = [key.clone()];
    let root = repository.next_root(|root| root.set_role(&RoleName::Snapshot, &keys, 1));
    let listed = |repository: &TrustRepository, root: &[u8], targets: &[u8]| {
        let files = [(RoleName::Root, root), (RoleName::Targets, targets)];
        let snapshot = author::snapshot(Some(repository.snapshot()), &files, repository.now);
        (RoleName::Snapshot, repository.sign(&snapshot, &keys))
    };
    let old = repository
        .current()
        .file(&RoleName::Targets)
        .unwrap()
        .to_vec();
    let new = repository.next_targets("targets", |_| {});
    let snapshot = listed(&repository, &root.1, &new.1);
    let root_bytes = root.1.clone();
    repository.post(vec![root, new, snapshot]).unwrap();

    let snapshot = listed(&repository, &root_bytes, &old);
    let refusal = repository.post(vec![snapshot]).unwrap_err();
    let role = RoleName::Targets;
    assert_eq!(refusal, Refusal::BadSnapshot(Problem::Unknown { role }));
}

#[test]
fn rollback_of_the_root_itself() {
    let (mut repository, _, mut reader) = read_before();
    repository.rotate_root_key();
    repository.rotate_root_key();
    // The first root again, or the third before the second.
    for version in [1, 3] {
        let mut stored = repository.stored().iter();
        let root = stored.find(|file| file.role == RoleName::Root && file.version == version);
        let mirror = Mirror::of(&repository).replacing("2.root.json", root.unwrap().bytes.clone());
        let problem = reader.read(&mirror, START).unwrap_err();
        let current = 1;
        assert_eq!(problem, Problem::RootVersion { version, current });
    }
}

#[test]
fn rollback_of_a_delegation_by_way_of_a_file_that_says_nothing() {
    // With the server's keys, the thief first lists a file of alice's that nobody signed, and then her old one.
    let (mut repository, _, mut reader) = read_before();
    let alice = repository.new_key(Algorithm::EcdsaP256);
    repository.delegate("targets/alice", &[alice], 1);
    repository.publish("targets/alice", "1.4", b"broken");
    let name = role("targets/alice");
    let old = repository.current().file(&name).unwrap().to_vec();
    repository.publish("targets/alice", "1.4", b"mended");
    reader.read(&Mirror::of(&repository), START).unwrap();

    let unsigned = repository.sign(&repository.targets("targets/alice"), &[]);
    relist(&mut repository, 20, vec![(name.clone(), unsigned)]);
    let believed = reader.read(&Mirror::of(&repository), START).unwrap();
    assert_eq!(believed.disregarded().len(), 1);
    relist(&mut repository, 21, vec![(name.clone(), old)]);
    let problem = reader.read(&Mirror::of(&repository), START).unwrap_err();
    let (version, known) = (1, 2);
    assert_eq!(
        problem,
        Problem::Rollback {
            role: name,
            version,
            known
        }
    );
}

#[test]
fn rollback_of_a_delegation_that_had_ended_in_between() {
    // The owner takes alice's delegation from her and gives it to her again, with the same key.
    let (mut repository, _, mut reader) = read_before();
    let alice = [repository.new_key(Algorithm::EcdsaP256)];
    repository.delegate("targets/alice", &alice, 1);
    repository.publish("targets/alice", "1.4", b"broken");
    let name = role("targets/alice");
    let old = repository.current().file(&name).unwrap().to_vec();
    repository.publish("targets/alice", "1.4", b"mended");
    reader.read(&Mirror::of(&repository), START).unwrap();
    let file = repository.next_targets("targets", |targets| targets.delegations.remove_role(&name));
    repository.post(vec![file]).unwrap();
    reader.read(&Mirror::of(&repository), START).unwrap();
    repository.delegate("targets/alice", &alice, 1);

    relist(&mut repository, 20, vec![(name, old)]);
    let problem = reader.read(&Mirror::of(&repository), START).unwrap_err();
    assert!(
        matches!(problem, Problem::Rollback { version: 1, .. }),
        "{problem}"
    );
}

#[test]
fn freeze_the_same_state_is_shown_for_too_long() {
    let (repository, _, mut reader) = read_before();
    let mirror = Mirror::of(&repository);
    reader.read(&mirror, START + 14 * DAY - 1).unwrap();
    let problem = reader.read(&mirror, START + 14 * DAY).unwrap_err();
    let (role, expires) = (RoleName::Timestamp, START + 14 * DAY);
    assert_eq!(problem, Problem::Expired { role, expires });
}

#[test]
fn freeze_every_file_has_its_own_end() {
    let ends = START + DAY;
    let (repository, _, _) = read_before();
    let mut root = repository.clone();
    let file = root.next_root(|root| root.expires = ends);
    root.post(vec![file]).unwrap();
    let mut targets = repository.clone();
    let file = targets.next_targets("targets", |targets| targets.expires = ends);
    targets.post(vec![file]).unwrap();
    let mut snapshot = repository;
    let mut content = snapshot.snapshot();
    content.renew(9, ends);
    let bytes = stolen(&snapshot, &RoleName::Snapshot, &content).bytes;
    let timestamp = Timestamp {
        version: 9,
        expires: START + 14 * DAY,
        snapshot: FileMeta::of(&bytes),
    };
    let timestamp = stolen(&snapshot, &RoleName::Timestamp, &timestamp).bytes;
    snapshot.follow([
        (RoleName::Snapshot, bytes),
        (RoleName::Timestamp, timestamp),
    ]);

    for (role, repository) in [
        (RoleName::Root, root),
        (RoleName::Targets, targets),
        (RoleName::Snapshot, snapshot),
    ] {
        let mirror = Mirror::of(&repository);
        let mut reader = Reader::new(repository.gun());
        reader.read(&mirror, ends - 1).unwrap();
        let problem = reader.read(&mirror, ends).unwrap_err();
        let expires = ends;
        assert_eq!(problem, Problem::Expired { role, expires });
    }
}

#[test]
fn freeze_a_new_root_is_held_back() {
    // The mirror shows everything but the rotation; what the new keys signed gives it away.
    let (mut repository, _, mut reader) = read_before();
    repository.rotate_server_key(&RoleName::Timestamp);
    let mirror = Mirror::of(&repository).without("2.root.json");
    let problem = reader.read(&mirror, START).unwrap_err();
    assert!(
        matches!(
            &problem,
            Problem::Threshold {
                role: RoleName::Timestamp,
                valid: 0,
                ..
            }
        ),
        "{problem}"
    );
    reader.read(&Mirror::of(&repository), START).unwrap();
}

#[test]
fn freeze_one_delegation_is_dropped_from_the_snapshot() {
    // With the server's keys, the thief hides what alice said last.
    let (mut repository, _, mut reader) = read_before();
    let alice = repository.new_key(Algorithm::EcdsaP256);
    repository.delegate("targets/alice", &[alice], 1);
    repository.publish("targets/alice", "1.4", b"mended");
    reader.read(&Mirror::of(&repository), START).unwrap();

    let mut snapshot = repository.snapshot();
    snapshot.renew(9, snapshot.expires);
    snapshot.meta.remove(&role("targets/alice"));
    let snapshot = stolen(&repository, &RoleName::Snapshot, &snapshot);
    let timestamp = Timestamp {
        version: 9,
        expires: START + 14 * DAY,
        snapshot: FileMeta::of(&snapshot.bytes),
    };
    let timestamp = stolen(&repository, &RoleName::Timestamp, &timestamp);
    repository.store(vec![snapshot, timestamp]);
    let problem = reader.read(&Mirror::of(&repository), START).unwrap_err();
    let role = role("targets/alice");
    assert_eq!(problem, Problem::Unlisted { role });
}

#[test]
fn mix_and_match_files_of_two_states() {
    let (repository, old, mut reader) = read_before();
    let old_targets = old.current().file(&RoleName::Targets).unwrap().to_vec();
    let listed = &repository.snapshot().meta[&RoleName::Targets];
    let mirror = Mirror::of(&repository).replacing(&path(&RoleName::Targets, listed), old_targets);
    let mut newcomer = Reader::new(repository.gun());
    let problem = newcomer.read(&mirror, START).unwrap_err();
    let (role, by) = (RoleName::Targets, RoleName::Snapshot);
    assert_eq!(problem, Problem::Hash { role, by });

    let old_snapshot = old.current().file(&RoleName::Snapshot).unwrap().to_vec();
    let current = repository.current().file(&RoleName::Snapshot).unwrap();
    let named = path(&RoleName::Snapshot, &FileMeta::of(current));
    let mirror = Mirror::of(&repository).replacing(&named, old_snapshot);
    let mut newcomer = Reader::new(repository.gun());
    let problem = newcomer.read(&mirror, START).unwrap_err();
    let (role, by) = (RoleName::Snapshot, RoleName::Timestamp);
    assert_eq!(problem, Problem::Hash { role, by });
    // A reader who has the right files already is not misled.
    reader.read(&mirror, START).unwrap();
}

#[test]
fn mix_and_match_a_root_that_the_snapshot_does_not_list() {
    // The owner rotates; the mirror shows the new root with the state of before.
    let (repository, _, mut reader) = read_before();
    let before = Mirror::of(&repository);
    let next = repository.next_root(|_| {}).1;
    let mirror = before.replacing("2.root.json", next);
    let problem = reader.read(&mirror, START).unwrap_err();
    let (role, by) = (RoleName::Root, RoleName::Snapshot);
    assert_eq!(problem, Problem::Hash { role, by });
}

#[test]
fn endless_data_is_cut_off_at_every_step() {
    let (repository, _, _) = read_before();
    let longer = |bytes: Option<&[u8]>| [bytes.unwrap(), &[b' '; 1]].concat();
    let snapshot = repository.current().file(&RoleName::Snapshot);
    let targets = repository.current().file(&RoleName::Targets);
    let endless = |bytes_max: usize| vec![b' '; bytes_max + 1];
    let timestamp_bytes_max = usize::try_from(TIMESTAMP_BYTES_MAX).unwrap();
    for (path, bytes) in [
        ("root.json".to_owned(), endless(METADATA_BYTES_MAX)),
        ("2.root.json".to_owned(), endless(METADATA_BYTES_MAX)),
        ("timestamp.json".to_owned(), endless(timestamp_bytes_max)),
        (
            path(&RoleName::Snapshot, &FileMeta::of(snapshot.unwrap())),
            longer(snapshot),
        ),
        (
            path(&RoleName::Targets, &FileMeta::of(targets.unwrap())),
            longer(targets),
        ),
    ] {
        let mirror = Mirror::of(&repository).replacing(&path, bytes);
        let problem = Reader::new(repository.gun())
            .read(&mirror, START)
            .unwrap_err();
        assert!(
            matches!(&problem, Problem::TooLong { .. }),
            "{path}: {problem}"
        );
    }
}

#[test]
fn endless_data_is_cut_off_whatever_length_is_listed() {
    // Whoever signs timestamps and snapshots says how long files are.
    let (mut repository, _, _) = read_before();
    let longest = |file: FileMeta| FileMeta {
        length: 1 << 50,
        ..file
    };
    let snapshot = repository.current().file(&RoleName::Snapshot).unwrap();
    let mut lists = repository.snapshot();
    lists.renew(9, lists.expires);
    let targets = lists.meta[&RoleName::Targets].clone();
    lists.meta.insert(RoleName::Targets, longest(targets));
    let timestamp = |bytes: &[u8], change: fn(FileMeta) -> FileMeta| Timestamp {
        version: 9,
        expires: START + 14 * DAY,
        snapshot: change(FileMeta::of(bytes)),
    };
    let names_long = timestamp(snapshot, longest);
    let names_long = stolen(&repository, &RoleName::Timestamp, &names_long);
    let lists_long = stolen(&repository, &RoleName::Snapshot, &lists);
    let names_it = timestamp(&lists_long.bytes, |file| file);
    let names_it = stolen(&repository, &RoleName::Timestamp, &names_it);
    for files in [vec![names_long], vec![lists_long, names_it]] {
        repository.store(files);
        let mirror = Mirror::of(&repository);
        let gun = repository.gun().clone();
        let client = Client::new(gun, Anchor::FirstUse, Remembered::default(), START);
        let mut client = client.unwrap();
        while let Some(fetch) = client.next() {
            let most = u64::try_from(METADATA_BYTES_MAX).unwrap();
            assert!(fetch.bytes_max <= most, "{fetch:?}");
            if client.feed(mirror.answer(&fetch.path)).is_err() {
                break;
            }
        }
        assert!(matches!(client.finish(), Err(Problem::Hash { .. })));
    }
}

#[test]
fn endless_delegations_that_say_nothing_are_cut_off() {
    // Each of 24 roles delegates to 24 more, and the thief of the server's keys lists files for all of them that nobody signed.
    let mut repository = TrustRepository::new(GUN);
    let keys = [repository.new_key(Algorithm::Ed25519)];
    let names = |above: &str| (0..24).map(|n| format!("{above}/{n}")).collect::<Vec<_>>();
    let delegating = |targets: &mut trust::tuf::Targets, above: &str| {
        for name in names(above) {
            let delegations = &mut targets.delegations;
            delegations.set_role(role(&name), &keys, 1, &[""]);
        }
    };
    let file = repository.next_targets("targets", |targets| delegating(targets, "targets"));
    repository.post(vec![file]).unwrap();
    let mut files = Vec::new();
    for above in names("targets") {
        let mut targets = author::first_targets(START);
        delegating(&mut targets, &above);
        files.push((role(&above), repository.sign(&targets, &keys)));
        let unsigned = repository.sign(&author::first_targets(START), &[]);
        let below = names(&above).into_iter();
        files.extend(below.map(|name| (role(&name), unsigned.clone())));
    }
    relist(&mut repository, 20, files);
    let problem = Reader::new(repository.gun())
        .read(&Mirror::of(&repository), START)
        .unwrap_err();
    assert!(matches!(problem, Problem::TooMany { .. }), "{problem}");
}

#[test]
fn fast_forward_ends_with_the_stolen_keys() {
    // The thief of the server's keys runs the versions up, so that nothing honest can follow.
    let (mut repository, _, mut reader) = read_before();
    let mut robbed = repository.clone();
    let mut snapshot = robbed.snapshot();
    snapshot.renew(VERSION_MAX, snapshot.expires);
    let snapshot = stolen(&robbed, &RoleName::Snapshot, &snapshot);
    let timestamp = Timestamp {
        version: VERSION_MAX,
        expires: START + 14 * DAY,
        snapshot: FileMeta::of(&snapshot.bytes),
    };
    let timestamp = stolen(&robbed, &RoleName::Timestamp, &timestamp);
    robbed.store(vec![snapshot, timestamp]);
    reader.read(&Mirror::of(&robbed), START).unwrap();

    // The honest repository looks old now …
    let problem = reader.read(&Mirror::of(&repository), START).unwrap_err();
    assert!(matches!(problem, Problem::Rollback { .. }));
    // … until its owner gives the server a new key, also if the reader learns of it and of nothing else first.
    repository.rotate_server_key(&RoleName::Timestamp);
    let cut_off = Mirror::of(&repository).without("timestamp.json");
    reader.read(&cut_off, START).unwrap_err();
    reader.read(&Mirror::of(&repository), START).unwrap();
}

#[test]
fn fast_forward_of_a_delegation_ends_with_its_stolen_key() {
    let (mut repository, _, mut reader) = read_before();
    let stolen_key = repository.new_key(Algorithm::EcdsaP256);
    repository.delegate("targets/alice", &[stolen_key], 1);
    let file = repository.next_targets("targets/alice", |targets| targets.version = VERSION_MAX);
    // No server takes this; the thief has its keys as well.
    let mut robbed = repository.clone();
    relist(&mut robbed, 4, vec![file]);
    reader.read(&Mirror::of(&robbed), START).unwrap();

    let mended_key = repository.new_key(Algorithm::EcdsaP256);
    repository.delegate("targets/alice", &[mended_key], 1);
    repository.publish("targets/alice", "1.4", b"mended");
    // The server's own versions went on as well.
    repository.publish("targets", "1.5", b"next");
    let believed = reader.read(&Mirror::of(&repository), START).unwrap();
    assert_eq!(believed.entries("1.4").count(), 2);
}

#[test]
fn arbitrary_installation_needs_keys() {
    // The mirror signs its own list with its own key, all the way up.
    let (repository, _, mut reader) = read_before();
    let mut theirs = TrustRepository::new(GUN);
    theirs.publish("targets", "1.4", b"malice");
    let mirror = Mirror::of(&theirs);
    let problem = reader.read(&mirror, START).unwrap_err();
    assert!(
        matches!(
            &problem,
            Problem::Threshold {
                role: RoleName::Timestamp,
                valid: 0,
                threshold: 1
            }
        ),
        "{problem}"
    );
    // Its next root does not help either: nobody whom the reader knows has signed it.
    theirs.rotate_root_key();
    let problem = reader.read(&Mirror::of(&theirs), START).unwrap_err();
    assert_eq!(
        problem,
        Problem::NotRotated {
            valid: 0,
            threshold: 1
        }
    );

    // Whoever has pinned the owner's key is safe from the first time on.
    let pins = repository.keys_of("root");
    let pins = pins.iter().filter_map(Key::canonical_id).collect();
    let mut pinned = Reader::with(repository.gun(), Anchor::Pinned(pins));
    let problem = pinned.read(&mirror, START).unwrap_err();
    assert_eq!(problem, Problem::NotPinned);
    pinned.read(&Mirror::of(&repository), START).unwrap();
}

#[test]
fn a_stolen_key_below_the_threshold_is_not_enough() {
    let (mut repository, _, mut reader) = read_before();
    let keys = [
        repository.new_key(Algorithm::EcdsaP256),
        repository.new_key(Algorithm::EcdsaP256),
        repository.new_key(Algorithm::EcdsaP256),
    ];
    repository.delegate("targets/releases", &keys, 2);
    let malice = FileMeta::of(b"malice");
    let mut targets = author::first_targets(START);
    targets.targets.insert("1.4".into(), malice);
    let file = repository.sign(&targets, &keys[..1]);
    let releases = role("targets/releases");
    let refusal = repository.post(vec![(releases.clone(), file)]).unwrap_err();
    let (valid, threshold) = (1, 2);
    let problem = Problem::Threshold {
        role: releases.clone(),
        valid,
        threshold,
    };
    assert_eq!(refusal, Refusal::BadTargets(problem.clone()));

    // Not even if the server is robbed too: the delegation says nothing then, and what `targets` says stands.
    let forged = author::first_targets(START);
    let bytes = repository.sign(&forged, &keys[..1]);
    let mut snapshot = repository.snapshot();
    snapshot.renew(9, snapshot.expires);
    snapshot.meta.insert(releases.clone(), FileMeta::of(&bytes));
    let snapshot = stolen(&repository, &RoleName::Snapshot, &snapshot);
    let timestamp = Timestamp {
        version: 9,
        expires: START + 14 * DAY,
        snapshot: FileMeta::of(&snapshot.bytes),
    };
    let timestamp = stolen(&repository, &RoleName::Timestamp, &timestamp);
    let forged = File {
        role: releases.clone(),
        version: 1,
        expires: forged.expires,
        sha256: FileMeta::of(&bytes).hashes.sha256.unwrap(),
        bytes,
    };
    repository.store(vec![snapshot, forged, timestamp]);
    let believed = reader.read(&Mirror::of(&repository), START).unwrap();
    assert_eq!(believed.disregarded(), [(releases, problem)]);
    let image = believed.target("1.4").unwrap();
    assert_eq!(
        image.file.hashes.sha256,
        FileMeta::of(b"mended").hashes.sha256
    );
}

#[test]
fn replay_of_another_repositorys_files() {
    // The same server, the same owner's habits, another image.
    let (_, _, mut reader) = read_before();
    let mut other = TrustRepository::new("registry.example/shop/other");
    other.publish("targets", "1.4", b"another image");
    let problem = reader.read(&Mirror::of(&other), START).unwrap_err();
    assert!(matches!(
        problem,
        Problem::Threshold {
            role: RoleName::Timestamp,
            ..
        }
    ));

    let mut newcomer = Reader::new(&GUN.parse().unwrap());
    let problem = newcomer.read(&Mirror::of(&other), START).unwrap_err();
    assert!(matches!(&problem, Problem::RootKeys { .. }), "{problem}");
    assert!(problem.to_string().contains("registry.example/shop/other"));

    // Nor does the server take them for this name.
    let mut empty = TrustRepository::empty(GUN);
    let files = [RoleName::Root, RoleName::Targets];
    let update = files.map(|role| (role.clone(), other.current().file(&role).unwrap().to_vec()));
    let refusal = empty.post(update.to_vec()).unwrap_err();
    assert_eq!(refusal.name(), "ErrBadRoot");
}

#[test]
fn replay_of_one_roles_file_for_another() {
    // A file does not say whose it is. Its keys do.
    let (mut repository, _, _) = read_before();
    let alice = repository.new_key(Algorithm::EcdsaP256);
    let bob = repository.new_key(Algorithm::EcdsaP256);
    repository.delegate("targets/alice", &[alice], 1);
    repository.delegate("targets/bob", &[bob], 1);
    let (_, bytes) = repository.next_targets("targets/alice", |_| {});
    let refusal = repository
        .post(vec![(role("targets/bob"), bytes)])
        .unwrap_err();
    assert!(matches!(
        refusal,
        Refusal::BadTargets(Problem::Threshold { valid: 0, .. })
    ));
}

#[test]
fn one_key_twice_is_one_key() {
    // The same key bare and in two certificates, so that it has three ids.
    let (mut repository, _, _) = read_before();
    let certified = repository.new_root_key();
    let bare = Key::from(&certified.to_public_key().unwrap());
    let text = String::from_utf8(certified.public().to_vec()).unwrap();
    let reflowed = Key::new(KeyType::EcdsaX509, text.replace('\n', "\r\n").into_bytes());
    let three = [certified, bare, reflowed];
    assert_ne!(three[0].id(), three[2].id());
    repository.delegate("targets/releases", &three, 2);
    let file = repository.sign(&author::first_targets(START), &three);
    let refusal = repository.post(vec![(role("targets/releases"), file)]);
    assert!(matches!(
        refusal.unwrap_err(),
        Refusal::BadTargets(Problem::Threshold {
            valid: 1,
            threshold: 2,
            ..
        })
    ));
}

#[test]
fn one_signature_twice_is_one_signature() {
    let (mut repository, _, _) = read_before();
    let keys = [
        repository.new_key(Algorithm::EcdsaP256),
        repository.new_key(Algorithm::EcdsaP256),
    ];
    repository.delegate("targets/releases", &keys, 2);
    let one = &keys[0];
    let file = repository.sign(&author::first_targets(START), &[one.clone(), one.clone()]);
    let refusal = repository.post(vec![(role("targets/releases"), file)]);
    assert!(matches!(
        refusal.unwrap_err(),
        Refusal::BadTargets(Problem::Threshold {
            valid: 1,
            threshold: 2,
            ..
        })
    ));
}

#[test]
fn a_key_id_that_is_not_the_keys_hash() {
    // The thief lists his key under the id of the owner's.
    let (mut repository, _, _) = read_before();
    let theirs = repository.new_key(Algorithm::EcdsaP256);
    let owners = repository.keys_of("targets")[0].id().to_string();
    let mut targets = author::next(&RoleName::Targets, repository.targets("targets"), START);
    targets
        .delegations
        .set_role(role("targets/alice"), &[theirs], 1, &[""]);
    let mut signed = targets.to_value();
    let keys = signed["delegations"]["keys"].as_object_mut().unwrap();
    let (_, key) = std::mem::take(keys).into_iter().next().unwrap();
    keys.insert(owners.clone(), key);
    signed["delegations"]["roles"][0]["keyids"] = json!([owners]);
    let file = repository.sign_raw(signed, &repository.keys_of("targets"));
    let refusal = repository
        .post(vec![(RoleName::Targets, file)])
        .unwrap_err();
    assert!(
        matches!(refusal, Refusal::BadTargets(Problem::KeyId { listed, .. }) if listed == owners)
    );
}

#[test]
fn json_that_is_read_in_two_ways() {
    let (mut repository, _, _) = read_before();
    let (_, bytes) = repository.next_targets("targets", |targets| {
        targets
            .targets
            .insert("1.4".into(), FileMeta::of(b"mended"));
    });
    let text = String::from_utf8(bytes).unwrap();
    let twice = text.replacen(
        "\"1.4\":",
        "\"1.4\":{\"hashes\":{},\"length\":1},\"1.4\":",
        1,
    );
    let refusal = repository.post(vec![(RoleName::Targets, twice.into_bytes())]);
    let refusal = refusal.unwrap_err();
    assert!(matches!(
        &refusal,
        Refusal::MalformedJson { problem: Problem::Json(JsonError::DuplicateKey(key)), .. } if key == "1.4"
    ));

    // Go's reader would merge these two lists, so that docker sees what nobody else does.
    let targets = author::next(&RoleName::Targets, repository.targets("targets"), START);
    let mut signed = targets.to_value();
    signed["Targets"] = json!({"hidden": {"hashes": {}, "length": 1}});
    let file = repository.sign_raw(signed, &repository.keys_of("targets"));
    let refusal = repository
        .post(vec![(RoleName::Targets, file)])
        .unwrap_err();
    assert!(matches!(
        refusal,
        Refusal::BadTargets(Problem::Field { .. })
    ));
}

#[test]
fn two_files_under_one_version() {
    // A robbed server shows one state to one reader and another to the next.
    let (repository, _, mut reader) = read_before();
    let mut robbed = repository.clone();
    let timestamp = Timestamp {
        version: 3,
        expires: START + 100 * DAY,
        snapshot: FileMeta::of(robbed.current().file(&RoleName::Snapshot).unwrap()),
    };
    robbed.store(vec![stolen(&robbed, &RoleName::Timestamp, &timestamp)]);
    let problem = reader.read(&Mirror::of(&robbed), START).unwrap_err();
    let (role, version) = (RoleName::Timestamp, 3);
    assert_eq!(problem, Problem::Equivocation { role, version });
}

#[test]
fn a_delegation_speaks_only_where_it_may() {
    let (mut repository, _, mut reader) = read_before();
    let alice = repository.new_key(Algorithm::EcdsaP256);
    let file = repository.next_targets("targets", |targets| {
        let delegations = &mut targets.delegations;
        delegations.set_role(
            role("targets/alice"),
            slice::from_ref(&alice),
            1,
            &["test-"],
        );
    });
    repository.post(vec![file]).unwrap();
    let file = repository.next_targets("targets/alice", |targets| {
        // She passes on more than she has.
        let delegations = &mut targets.delegations;
        delegations.set_role(role("targets/alice/mine"), &[alice], 1, &["", "test-x"]);
        targets
            .targets
            .insert("1.4".into(), FileMeta::of(b"malice"));
        targets
            .targets
            .insert("test-1".into(), FileMeta::of(b"a test"));
    });
    repository.post(vec![file]).unwrap();
    let file = repository.next_targets("targets/alice/mine", |targets| {
        targets
            .targets
            .insert("1.4".into(), FileMeta::of(b"malice"));
        targets
            .targets
            .insert("test-x1".into(), FileMeta::of(b"a test"));
    });
    repository.post(vec![file]).unwrap();

    let believed = reader.read(&Mirror::of(&repository), START).unwrap();
    let said = |tag| {
        believed
            .entries(tag)
            .map(|entry| entry.role.to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(said("1.4"), ["targets"]);
    assert_eq!(said("test-1"), ["targets/alice"]);
    assert_eq!(said("test-x1"), ["targets/alice/mine"]);
}

#[test]
fn a_file_that_is_held_back_is_not_passed_over() {
    let (mut repository, _, _) = read_before();
    let alice = repository.new_key(Algorithm::EcdsaP256);
    repository.delegate("targets/alice", &[alice], 1);
    repository.publish("targets/alice", "1.4", b"mended");
    for held_back in [RoleName::Snapshot, RoleName::Targets, role("targets/alice")] {
        let file = repository.current().file(&held_back).unwrap();
        let mirror = Mirror::of(&repository).without(&path(&held_back, &FileMeta::of(file)));
        let problem = Reader::new(repository.gun())
            .read(&mirror, START)
            .unwrap_err();
        assert_eq!(problem, Problem::Missing { role: held_back });
    }
}
