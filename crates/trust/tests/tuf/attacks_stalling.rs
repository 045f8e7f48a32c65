//! Attacks that keep a reader from what is new: an old state shown for too long, a file that is held back, data without an end. Each a
//! story that fails closed, with its own reason, as in `attacks`.

use testkit::trust_repository::{DAY, Mirror, Reader, START, TrustRepository};
use trust::Algorithm;
use trust::tuf::author;
use trust::tuf::client::{Anchor, Client, ROOTS_MAX, Remembered, TIMESTAMP_BYTES_MAX};
use trust::tuf::{Content, FileMeta, METADATA_BYTES_MAX, Problem, RoleName, Timestamp};

use super::attacks::{GUN, path, read_before, relist, role, stolen};
use super::says::{assert_says, too_few};

#[test]
fn freeze_the_same_state_is_shown_for_too_long() {
    let (repository, _, mut reader) = read_before();
    let mirror = Mirror::of(&repository);
    reader.read(&mirror, START + 14 * DAY - 1).unwrap();
    let problem = reader.read(&mirror, START + 14 * DAY).unwrap_err();
    let (role, expires) = (RoleName::Timestamp, START + 14 * DAY);
    assert_eq!(problem, Problem::Expired { role, expires });
    assert_says(&problem, "timestamp expired at 2026-12-09T12:00:00Z");
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
        let text = format!("{role} expired at 2026-11-26T12:00:00Z");
        assert_says(&problem, &text);
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
    assert_eq!(problem, too_few(RoleName::Timestamp, 0, 1));
    assert_says(&problem, "timestamp: 0 of 1 needed signatures are valid");
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
    assert_says(&problem, "snapshot lists no targets/alice");
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
        assert_says(&problem, &format!("{held_back} is missing"));
        assert_eq!(problem, Problem::Missing { role: held_back });
    }
}

#[test]
fn endless_data_is_cut_off_at_every_step() {
    let (repository, _, _) = read_before();
    let longer = |bytes: Option<&[u8]>| [bytes.unwrap(), &[b' '; 1]].concat();
    let snapshot = repository.current().file(&RoleName::Snapshot);
    let targets = repository.current().file(&RoleName::Targets);
    let endless = |bytes_max: usize| vec![b' '; bytes_max + 1];
    let timestamp_bytes_max = usize::try_from(TIMESTAMP_BYTES_MAX).unwrap();
    for (role, path, bytes) in [
        (
            RoleName::Root,
            "root.json".to_owned(),
            endless(METADATA_BYTES_MAX),
        ),
        (
            RoleName::Root,
            "2.root.json".to_owned(),
            endless(METADATA_BYTES_MAX),
        ),
        (
            RoleName::Timestamp,
            "timestamp.json".to_owned(),
            endless(timestamp_bytes_max),
        ),
        (
            RoleName::Snapshot,
            path(&RoleName::Snapshot, &FileMeta::of(snapshot.unwrap())),
            longer(snapshot),
        ),
        (
            RoleName::Targets,
            path(&RoleName::Targets, &FileMeta::of(targets.unwrap())),
            longer(targets),
        ),
    ] {
        let most = bytes.len() - 1;
        let mirror = Mirror::of(&repository).replacing(&path, bytes);
        let problem = Reader::new(repository.gun())
            .read(&mirror, START)
            .unwrap_err();
        assert!(matches!(&problem, Problem::TooLong { .. }), "{path}");
        let text = format!("limit exceeded: {role} is longer than {most} bytes");
        assert_says(&problem, &text);
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
    let at_the_snapshot = "snapshot is not the file that timestamp lists";
    let at_targets = "targets is not the file that snapshot lists";
    for (files, text) in [
        (vec![names_long], at_the_snapshot),
        (vec![lists_long, names_it], at_targets),
    ] {
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
        let problem = client.finish().unwrap_err();
        assert!(matches!(problem, Problem::Hash { .. }));
        assert_says(&problem, text);
    }
}

#[test]
fn endless_delegations_that_say_nothing_are_cut_off() {
    // Each of 34 roles delegates to 34 more, and the thief of the server's keys lists files for all of them that nobody signed.
    let mut repository = TrustRepository::new(GUN);
    let keys = [repository.new_key(Algorithm::Ed25519)];
    let names = |above: &str| (0..34).map(|n| format!("{above}/{n}")).collect::<Vec<_>>();
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
    assert!(matches!(problem, Problem::TooMany { max: 1024, .. }));
    let text = "limit exceeded: more than 1024 delegations in one repository";
    assert_says(&problem, text);
}

#[test]
fn endless_roots_are_cut_off() {
    // With the owner's root key: a root after every root, so that a reader never gets to the end.
    let (repository, _, mut reader) = read_before();
    let (mut root, keys) = (repository.root(), repository.keys_of("root"));
    let mut mirror = Mirror::of(&repository);
    for _ in 0..=ROOTS_MAX {
        root = author::next(&RoleName::Root, root, START);
        let path = format!("{}.root.json", root.version);
        mirror = mirror.replacing(&path, repository.sign(&root, &keys));
    }
    let problem = reader.read(&mirror, START).unwrap_err();
    assert!(matches!(problem, Problem::TooMany { max: ROOTS_MAX, .. }));
    let text = "limit exceeded: more than 1024 roots after each other";
    assert_says(&problem, text);
}
