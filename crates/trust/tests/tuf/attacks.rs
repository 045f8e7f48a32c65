//! Each attack on metadata as a story that fails closed, with its own reason. Whoever attacks here has the network or the mirror, and
//! sometimes a stolen key; never all of them. Here readers are shown what is old, mixed or made up, and publishers send it.

use testkit::trust_repository::{DAY, Mirror, Reader, START, TrustRepository};
use trust::Algorithm;
use trust::tuf::author;
use trust::tuf::client::Anchor;
use trust::tuf::publish::{File, Refusal};
use trust::tuf::{Content, FileMeta, Key, Problem, RoleName, Timestamp};

use super::says::{assert_says, rollback, too_few};

pub(super) const GUN: &str = "registry.example/shop/web";
/// The highest version that can be signed.
const VERSION_MAX: i64 = 1 << 53;

pub(super) fn role(text: &str) -> RoleName {
    RoleName::parse(text).unwrap()
}

/// A repository whose tag `1.4` two releases have had, and a reader who knows the second.
pub(super) fn read_before() -> (TrustRepository, TrustRepository, Reader) {
    let mut repository = TrustRepository::new(GUN);
    repository.publish("targets", "1.4", b"broken");
    let old = repository.clone();
    repository.publish("targets", "1.4", b"mended");
    let mut reader = Reader::new(repository.gun());
    reader.read(&Mirror::of(&repository), START).unwrap();
    (repository, old, reader)
}

/// What a thief of the server's keys puts there.
pub(super) fn stolen(
    repository: &TrustRepository,
    role: &RoleName,
    content: &impl Content,
) -> File {
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
pub(super) fn relist(
    repository: &mut TrustRepository,
    version: i64,
    mut files: Vec<(RoleName, Vec<u8>)>,
) {
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

pub(super) fn path(role: &RoleName, file: &FileMeta) -> String {
    format!("{role}.{}.json", file.sha256_hex().unwrap())
}

#[test]
fn rollback_the_whole_old_state_is_shown_again() {
    let (_, old, mut reader) = read_before();
    let problem = reader.read(&Mirror::of(&old), START).unwrap_err();
    assert_eq!(problem, rollback(RoleName::Timestamp, 2, 3));
    assert_says(
        &problem,
        "timestamp version 2 is older than version 3, which is known",
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
    let (version, known) = (2, 3);
    let role = RoleName::Snapshot;
    assert_eq!(problem, rollback(role, version, known));
    assert_says(
        &problem,
        "snapshot version 2 is older than version 3, which is known",
    );
}

#[test]
fn rollback_old_targets_under_a_new_snapshot() {
    // Both of the server's keys are stolen, the owner's is not.
    let (mut repository, old, mut reader) = read_before();
    let targets = old.current().file(&RoleName::Targets).unwrap();
    relist(
        &mut repository,
        9,
        vec![(RoleName::Targets, targets.to_vec())],
    );
    let problem = reader.read(&Mirror::of(&repository), START).unwrap_err();
    assert_eq!(problem, rollback(RoleName::Targets, 2, 3));
    assert_says(
        &problem,
        "targets version 2 is older than version 3, which is known",
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
    assert_says(
        &refusal,
        "targets version 2 is not newer than version 3, which is stored: somebody else published meanwhile; run the \
         command again",
    );
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
    assert_says(
        &refusal,
        "snapshot lists a targets that is neither in the update nor current here",
    );
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
        let text = format!("root version {version} does not follow version 1");
        assert_says(&problem, &text);
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
    assert_eq!(problem, rollback(name, 1, 2));
    assert_says(
        &problem,
        "targets/alice version 1 is older than version 2, which is known",
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
    assert!(matches!(problem, Problem::Rollback { version: 1, .. }));
    assert_says(
        &problem,
        "targets/alice version 1 is older than version 2, which is known",
    );
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
    assert_says(&problem, "targets is not the file that snapshot lists");

    let old_snapshot = old.current().file(&RoleName::Snapshot).unwrap().to_vec();
    let current = repository.current().file(&RoleName::Snapshot).unwrap();
    let named = path(&RoleName::Snapshot, &FileMeta::of(current));
    let mirror = Mirror::of(&repository).replacing(&named, old_snapshot);
    let mut newcomer = Reader::new(repository.gun());
    let problem = newcomer.read(&mirror, START).unwrap_err();
    let (role, by) = (RoleName::Snapshot, RoleName::Timestamp);
    assert_eq!(problem, Problem::Hash { role, by });
    assert_says(&problem, "snapshot is not the file that timestamp lists");
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
    assert_says(&problem, "root is not the file that snapshot lists");
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
    let text = "timestamp version 3 is older than version 9007199254740992, which is known";
    assert_says(&problem, text);
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

    let next = repository.next_targets("targets/alice", |_| {});
    let mut honest = repository.clone();
    relist(&mut honest, 5, vec![next]);
    let problem = reader.read(&Mirror::of(&honest), START).unwrap_err();
    let text = "targets/alice version 1 is older than version 9007199254740992, which is known";
    assert_says(&problem, text);

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
    let (role, valid, threshold) = (RoleName::Timestamp, 0, 1);
    assert_eq!(problem, too_few(role, valid, threshold));
    assert_says(&problem, "timestamp: 0 of 1 needed signatures are valid");
    // Its next root does not help either: nobody whom the reader knows has signed it.
    theirs.rotate_root_key();
    let problem = reader.read(&Mirror::of(&theirs), START).unwrap_err();
    assert_eq!(problem, Problem::NotRotated { valid, threshold });
    let text = "root: 0 of 1 needed signatures by keys of the previous root are valid";
    assert_says(&problem, text);

    // Whoever has pinned the owner's key is safe from the first time on.
    let pins = repository.keys_of("root");
    let pins = pins.iter().filter_map(Key::canonical_id).collect();
    let mut pinned = Reader::with(repository.gun(), Anchor::Pinned(pins));
    let problem = pinned.read(&mirror, START).unwrap_err();
    assert_eq!(problem, Problem::NotPinned);
    let text = "root: none of its keys is one that was pinned for this repository";
    assert_says(&problem, text);
    pinned.read(&Mirror::of(&repository), START).unwrap();
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
    assert_says(
        &problem,
        "timestamp version 3 is not the file that is known by this version",
    );
}

#[test]
fn arbitrary_installation_is_not_taken_from_a_publisher_either() {
    // A stranger may push here, for whatever reason, and has keys of their own.
    let (mut repository, _, _) = read_before();
    let theirs = [repository.new_key(Algorithm::EcdsaP256)];
    let mut targets = author::next(&RoleName::Targets, repository.targets("targets"), START);
    targets
        .targets
        .insert("1.4".into(), FileMeta::of(b"malice"));
    let targets = (RoleName::Targets, repository.sign(&targets, &theirs));
    let refusal = repository.post(vec![targets.clone()]).unwrap_err();
    let (role, valid, threshold) = (RoleName::Targets, 0, 1);
    let problem = too_few(role, valid, threshold);
    assert_eq!(refusal, Refusal::BadTargets(problem));
    assert_says(&refusal, "targets: 0 of 1 needed signatures are valid");

    // With a root that names them, too.
    let mut root = author::next(&RoleName::Root, repository.root(), START);
    let root_key = [repository.new_root_key()];
    root.set_role(&RoleName::Root, &root_key, 1);
    root.set_role(&RoleName::Targets, &theirs, 1);
    let root = (RoleName::Root, repository.sign(&root, &root_key));
    let refusal = repository.post(vec![root, targets]).unwrap_err();
    let problem = Problem::NotRotated { valid, threshold };
    assert_eq!(refusal, Refusal::BadRoot(problem));
    let text = "root: 0 of 1 needed signatures by keys of the previous root are valid";
    assert_says(&refusal, text);
}
