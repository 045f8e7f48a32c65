//! notary-server's own cases (`server/handlers/validation_test.go`, at commit 9d2b3b35), each with a test of ours that gives the
//! same answer, by the same name of the error. `ok` is an update that is taken.
//!
//! Where notary's answer is an error that it cannot serialise, clients get `INVALID_UPDATE` without a reason; we answer the same code as
//! `ErrValidation` with one. The same holds for `MALFORMED_JSON` and `VERSION`, for which notary gives no reason either.
//!
//! We refuse what notary-server takes (measured with 0.7.0) in these cases, because docker would read it in another way than others, or
//! because somebody could only gain by it: a key twice in one JSON object; a field that differs from a known one in case only; bytes
//! after the JSON; a key listed under an id that is not its hash, or with its private half; two files for one role; a role delegated to
//! twice in one file; one key in two certificates as two signatures; a delegation to a damaged certificate; a hash of another length, a
//! negative length; a version that is 2^32 above the last; a snapshot that lists a file which is neither in the update nor current, or
//! drops a role that is still delegated to.
//!
//! | notary-server's case | its answer | our test |
//! |---|---|---|
//! | `TestValidateEmptyNew` | ok, with the server's own timestamp | `a_first_update_is_taken_with_the_servers_own_timestamp` |
//! | `TestValidateRootCanContainOnlyx509KeysWithRightGun` | `ErrBadRoot` | `root_keys_need_a_certificate_for_the_repository` |
//! | `TestValidatePrevTimestamp` | ok, version + 1 | `the_timestamp_follows_the_one_before` |
//! | `TestValidatePreviousTimestampCorrupt` | no reason | `a_damaged_timestamp_is_not_followed` |
//! | `TestValidateGetCurrentTimestampBroken` | no reason | none: the caller reads the store, and a store that fails is its error |
//! | `TestValidateNoNewRoot` | ok | `an_update_without_a_root_rests_on_the_current_one` |
//! | `TestValidateNoNewTargets` | ok | `an_update_may_leave_targets_as_they_are` |
//! | `TestValidateOnlySnapshot` | ok | `a_snapshot_may_come_alone` |
//! | `TestValidateOldRoot` | ok, and `VERSION` from its store | `a_root_of_the_same_version_is_old` |
//! | `TestValidateOldRootCorrupt` | no reason | `a_damaged_root_is_not_followed` |
//! | `TestValidateOldRootCorruptRootRole` | no reason | `a_stored_root_without_a_root_role_is_not_followed` |
//! | `TestValidateRootGetCurrentRootBroken` | no reason | none: as above |
//! | `TestValidateRootRotationWithOldSigs` | ok | `a_rotation_needs_the_keys_of_the_root_right_before` |
//! | `TestValidateRootRotationMultipleKeysThreshold1` | ok | `any_of_the_previous_roots_keys_may_sign_the_next` |
//! | `TestRootRotationNotSignedWithOldKeysForOldRole` | `ErrBadRoot` | `a_rotation_meets_the_previous_roots_threshold` |
//! | `TestRootRotationVersionIncrement` | `ErrBadRoot` | `a_root_is_the_next_version` |
//! | `TestValidateNoRoot` | `ErrValidation` | `without_a_root_nothing_is_taken` |
//! | `TestValidateSnapshotMissingNoSnapshotKey` | `ErrBadHierarchy` | `a_snapshot_must_come_if_the_server_cannot_sign_it` |
//! | `TestValidateSnapshotGenerateNoPrev` | ok | `the_server_signs_the_first_snapshot` |
//! | `TestValidateSnapshotGenerateWithPrev` | ok, version + 1 | `the_server_signs_the_next_snapshot` |
//! | `TestValidateSnapshotGeneratePrevCorrupt` | no reason | `a_damaged_snapshot_is_not_followed` |
//! | `TestValidateSnapshotGenerateStoreGetCurrentSnapshotBroken` | no reason | none: as above |
//! | `TestValidateSnapshotGenerateNoTargets` | `ErrValidation` | `the_first_update_needs_targets` |
//! | `TestValidateSnapshotGenerate` | ok | `the_server_signs_the_next_snapshot` |
//! | `TestValidateRootNoTimestampKey` | `ErrBadRoot` | `the_root_names_the_servers_timestamp_key` |
//! | `TestValidateRootInvalidTimestampKey` | `ErrBadRoot` | `the_root_names_the_servers_timestamp_key` |
//! | `TestValidateRootInvalidTimestampThreshold` | `ErrBadRoot` | `the_timestamp_needs_no_more_keys_than_the_server_has` |
//! | `TestValidateRootInvalidZeroThreshold` | `ErrBadRoot` | `a_threshold_is_at_least_one` |
//! | `TestValidateRootRoleMissing` | `ErrBadRoot` | `a_root_names_all_four_roles` |
//! | `TestValidateTargetsRoleMissing` | `ErrBadRoot` | `a_root_names_all_four_roles` |
//! | `TestValidateSnapshotRoleMissing` | `ErrBadRoot` | `a_root_names_all_four_roles` |
//! | `TestValidateRootSigMissing` | `ErrBadRoot` | `nothing_is_taken_unsigned` |
//! | `TestValidateTargetsSigMissing` | `ErrBadTargets` | `nothing_is_taken_unsigned` |
//! | `TestValidateSnapshotSigMissing` | `ErrBadSnapshot` | `nothing_is_taken_unsigned` |
//! | `TestValidateRootCorrupt` | `ErrBadRoot`; over HTTP `MALFORMED_JSON`, before it gets there | `what_is_no_json_is_malformed` |
//! | `TestValidateTargetsCorrupt` | `ErrBadTargets`; over HTTP `MALFORMED_JSON` | `what_is_no_json_is_malformed` |
//! | `TestValidateSnapshotCorrupt` | `ErrBadSnapshot`; over HTTP `MALFORMED_JSON` | `what_is_no_json_is_malformed` |
//! | `TestValidateRootModifiedSize` | `ErrBadRoot`; its bytes are no JSON either, so over HTTP `MALFORMED_JSON` | `what_is_no_json_is_malformed` |
//! | `TestValidateTargetsModifiedSize` | `ErrBadSnapshot` | `a_snapshot_lists_the_files_that_came` |
//! | `TestValidateRootModifiedHash` | `ErrBadSnapshot` | `a_snapshot_lists_the_files_that_came` |
//! | `TestValidateTargetsModifiedHash` | `ErrBadSnapshot` | `a_snapshot_lists_the_files_that_came` |
//! | `TestGenerateSnapshotRootNotLoaded` | `ErrValidation` | `without_a_root_nothing_is_taken` |
//! | `TestGenerateSnapshotNoKey` | `ErrBadHierarchy` | `a_snapshot_must_come_if_the_server_cannot_sign_it` |
//! | `TestLoadTargetsLoadsNothingIfNoUpdates` | nothing is read | `an_update_may_leave_targets_as_they_are` |
//! | `TestValidateTargetsRequiresStoredParent` | `ErrBadTargets`, then ok | `a_delegation_needs_a_parent` |
//! | `TestValidateTargetsParentInUpdate` | `ErrBadTargets`, then ok | `a_parent_may_come_with_its_delegation` |
//! | `TestValidateTargetsRoleNotInParent` | `ErrBadTargets` | `a_parent_must_delegate` |

use std::slice;

use serde_json::{Value, json};
use testkit::trust_repository::TrustRepository;
use trust::Algorithm;
use trust::tuf::author;
use trust::tuf::publish::{Current, File, Refusal, validate};
use trust::tuf::{Content, FileMeta, Key, RoleName, Root, Signed, Timestamp};

const GUN: &str = "docker.com/notary";
const ROLES: [RoleName; 4] = [
    RoleName::Root,
    RoleName::Targets,
    RoleName::Snapshot,
    RoleName::Timestamp,
];

type Part = (RoleName, Vec<u8>);
type Files = Vec<Part>;

/// A repository whose owner signs the snapshot too, and its first four files.
struct Owner {
    repository: TrustRepository,
    root: Root,
    root_keys: Vec<Key>,
    targets_key: Key,
    snapshot_key: Key,
}

impl Owner {
    fn new() -> Self {
        let mut repository = TrustRepository::empty(GUN);
        let root_key = repository.new_root_key();
        let targets_key = repository.new_key(Algorithm::EcdsaP256);
        let snapshot_key = repository.new_key(Algorithm::EcdsaP256);
        let keys = author::BaseKeys {
            root: slice::from_ref(&root_key),
            targets: slice::from_ref(&targets_key),
            snapshot: slice::from_ref(&snapshot_key),
            timestamp: &repository.held.timestamp,
        };
        let root = author::first_root(&keys, repository.now);
        Self {
            repository,
            root,
            root_keys: vec![root_key],
            targets_key,
            snapshot_key,
        }
    }

    fn root_file(&self) -> Vec<u8> {
        self.repository.sign(&self.root, &self.root_keys)
    }

    fn targets_file(&self) -> Vec<u8> {
        let targets = author::first_targets(self.repository.now);
        self.repository
            .sign(&targets, slice::from_ref(&self.targets_key))
    }

    fn snapshot_file(&self, files: &[(RoleName, &[u8])]) -> Vec<u8> {
        let snapshot = author::snapshot(None, files, self.repository.now);
        self.repository
            .sign(&snapshot, slice::from_ref(&self.snapshot_key))
    }

    /// Root, targets and a snapshot of them.
    fn files(&self) -> Files {
        let (root, targets) = (self.root_file(), self.targets_file());
        let snapshot =
            self.snapshot_file(&[(RoleName::Root, &root), (RoleName::Targets, &targets)]);
        vec![
            (RoleName::Root, root),
            (RoleName::Targets, targets),
            (RoleName::Snapshot, snapshot),
        ]
    }

    fn judge(&self, update: Files, current: &Current) -> Result<Vec<String>, Refusal> {
        let Self { repository, .. } = self;
        let (held, now) = (&repository.held, repository.now);
        let accepted = validate(repository.gun(), update, current, held, now)?;
        Ok(accepted
            .versions()
            .map(|(role, version)| format!("{role} {version}"))
            .collect())
    }

    /// The same with what is current, by role.
    fn judge_over(&self, update: Files, current: Files) -> Result<Vec<String>, Refusal> {
        let mut held = Current::new();
        for (role, bytes) in current {
            held.insert(role, bytes);
        }
        self.judge(update, &held)
    }

    /// Only these roles of the first files.
    fn some(&self, roles: &[RoleName]) -> Files {
        let mut files = self.files();
        files.retain(|(role, _)| roles.contains(role));
        files
    }

    /// The first files, with one of them made anew from what it says, and signed again.
    fn with_root(&self, change: impl FnOnce(&mut Value)) -> Files {
        let mut signed = self.root.to_value();
        change(&mut signed);
        let root = self.repository.sign_raw(signed, &self.root_keys);
        let targets = self.targets_file();
        let snapshot =
            self.snapshot_file(&[(RoleName::Root, &root), (RoleName::Targets, &targets)]);
        vec![
            (RoleName::Root, root),
            (RoleName::Targets, targets),
            (RoleName::Snapshot, snapshot),
        ]
    }
}

fn name(judged: Result<Vec<String>, Refusal>) -> &'static str {
    match judged {
        Ok(_) => "ok",
        Err(refusal) => refusal.name(),
    }
}

fn part(files: &Files, role: &RoleName) -> Vec<u8> {
    let found = files.iter().find(|(other, _)| other == role);
    found.expect("a file of this role").1.clone()
}

fn damaged(files: Files, role: &RoleName) -> Files {
    let flip = |bytes: Vec<u8>| [vec![bytes[0] ^ 0xff], bytes[1..].to_vec()].concat();
    let files = files.into_iter();
    files
        .map(|(other, bytes)| match other == *role {
            true => (other, flip(bytes)),
            false => (other, bytes),
        })
        .collect()
}

fn unsigned(files: Files, role: &RoleName) -> Files {
    let strip = |bytes: Vec<u8>| {
        let mut file: Value = serde_json::from_slice(&bytes).unwrap();
        file["signatures"] = json!([]);
        file.to_string().into_bytes()
    };
    let files = files.into_iter();
    files
        .map(|(other, bytes)| match other == *role {
            true => (other, strip(bytes)),
            false => (other, bytes),
        })
        .collect()
}

fn timestamp_of(files: &[File]) -> Timestamp {
    let file = files.last().expect("files");
    assert_eq!(file.role, RoleName::Timestamp);
    let signed: Signed<Timestamp> = Signed::parse(&file.role, file.bytes.clone()).unwrap();
    signed.content().clone()
}

#[test]
fn a_first_update_is_taken_with_the_servers_own_timestamp() {
    let owner = Owner::new();
    let mut update = owner.files();
    let of_theirs = b"not even json".to_vec();
    update.push((RoleName::Timestamp, owner.targets_file()));
    let mut repository = owner.repository.clone();
    let files = repository.post(update.clone()).unwrap();
    assert_eq!(files.len(), 4);
    for file in &files[..3] {
        assert_eq!(file.bytes, part(&update, &file.role));
    }
    let snapshot = part(&update, &RoleName::Snapshot);
    assert!(timestamp_of(&files).snapshot.matches(&snapshot));

    // It is left out, but must be readable like any other part.
    update.pop();
    update.push((RoleName::Timestamp, of_theirs));
    let refusal = owner.judge(update, &Current::new()).unwrap_err();
    assert_eq!(refusal.code(), "MALFORMED_JSON");
}

#[test]
fn root_keys_need_a_certificate_for_the_repository() {
    let mut owner = Owner::new();
    let other = "wrong/gun".parse().unwrap();
    let wrong = owner.repository.new_root_key_for(&other);
    let bare = owner.repository.new_key(Algorithm::EcdsaP256);
    for key in [wrong, bare] {
        owner
            .root
            .set_role(&RoleName::Root, slice::from_ref(&key), 1);
        owner.root_keys = vec![key];
        let refusal = owner.judge(owner.files(), &Current::new()).unwrap_err();
        assert_eq!(refusal.name(), "ErrBadRoot", "{refusal}");
        assert!(refusal.to_string().contains(GUN), "{refusal}");
    }
}

#[test]
fn the_timestamp_follows_the_one_before() {
    let owner = Owner::new();
    let current = author::timestamp(None, b"a snapshot", owner.repository.now);
    let timestamp_key = owner.repository.held.timestamp.clone();
    let current = owner.repository.sign(&current, &timestamp_key);
    let judged = owner.judge_over(owner.files(), vec![(RoleName::Timestamp, current)]);
    assert_eq!(
        judged.unwrap(),
        ["root 1", "targets 1", "snapshot 1", "timestamp 2"]
    );
}

#[test]
fn a_damaged_timestamp_is_not_followed() {
    let owner = Owner::new();
    let current = vec![(RoleName::Timestamp, b"damaged".to_vec())];
    let refusal = owner.judge_over(owner.files(), current).unwrap_err();
    assert!(matches!(&refusal, Refusal::Stored { role, .. } if *role == RoleName::Timestamp));
    assert_eq!(refusal.code(), "INVALID_UPDATE");
}

#[test]
fn an_update_without_a_root_rests_on_the_current_one() {
    let owner = Owner::new();
    let files = owner.files();
    let root = vec![(RoleName::Root, part(&files, &RoleName::Root))];
    let update = vec![
        (RoleName::Targets, part(&files, &RoleName::Targets)),
        (RoleName::Snapshot, part(&files, &RoleName::Snapshot)),
    ];
    let judged = owner.judge_over(update, root).unwrap();
    assert_eq!(judged, ["targets 1", "snapshot 1", "timestamp 1"]);
}

#[test]
fn an_update_may_leave_targets_as_they_are() {
    let owner = Owner::new();
    let files = owner.files();
    let targets = vec![(RoleName::Targets, part(&files, &RoleName::Targets))];
    let update = vec![
        (RoleName::Root, part(&files, &RoleName::Root)),
        (RoleName::Snapshot, part(&files, &RoleName::Snapshot)),
    ];
    let judged = owner.judge_over(update, targets).unwrap();
    assert_eq!(judged, ["root 1", "snapshot 1", "timestamp 1"]);
}

#[test]
fn a_snapshot_may_come_alone() {
    let owner = Owner::new();
    let files = owner.files();
    let current = vec![
        (RoleName::Root, part(&files, &RoleName::Root)),
        (RoleName::Targets, part(&files, &RoleName::Targets)),
    ];
    let update = vec![(RoleName::Snapshot, part(&files, &RoleName::Snapshot))];
    let judged = owner.judge_over(update, current).unwrap();
    assert_eq!(judged, ["snapshot 1", "timestamp 1"]);
}

#[test]
fn a_root_of_the_same_version_is_old() {
    let owner = Owner::new();
    let files = owner.files();
    let current = vec![(RoleName::Root, part(&files, &RoleName::Root))];
    let refusal = owner.judge_over(files, current).unwrap_err();
    assert_eq!(
        refusal,
        Refusal::OldVersion {
            role: RoleName::Root,
            version: 1,
            stored: 1
        }
    );
    assert_eq!(refusal.code(), "VERSION");
}

#[test]
fn a_damaged_root_is_not_followed() {
    let owner = Owner::new();
    let files = owner.files();
    let current = vec![(RoleName::Root, part(&files, &RoleName::Root)[1..].to_vec())];
    let refusal = owner.judge_over(files, current).unwrap_err();
    assert!(matches!(&refusal, Refusal::Stored { role, .. } if *role == RoleName::Root));
    assert_eq!(refusal.code(), "INVALID_UPDATE");
}

#[test]
fn a_stored_root_without_a_root_role_is_not_followed() {
    let owner = Owner::new();
    let mut signed = owner.root.to_value();
    signed["roles"].as_object_mut().unwrap().remove("root");
    let root = owner.repository.sign_raw(signed, &owner.root_keys);
    let refusal = owner.judge_over(owner.files(), vec![(RoleName::Root, root)]);
    assert!(matches!(refusal.unwrap_err(), Refusal::Stored { role, .. } if role == RoleName::Root));
}

#[test]
fn a_rotation_needs_the_keys_of_the_root_right_before() {
    let mut repository = TrustRepository::new(GUN);
    let first = repository.keys_of("root");
    repository.rotate_root_key();
    let second = repository.keys_of("root");
    assert_ne!(first, second);

    // The root after a rotation needs the new key only.
    let root = author::next(&RoleName::Root, repository.root(), repository.now);
    let file = repository.sign(&root, &second);
    repository.post(vec![(RoleName::Root, file)]).unwrap();

    // Another rotation needs the second and the third; the first is forgotten.
    let third = repository.new_root_key();
    let mut root = author::next(&RoleName::Root, repository.root(), repository.now);
    root.set_role(&RoleName::Root, slice::from_ref(&third), 1);
    let signed = |keys: &[Key]| vec![(RoleName::Root, repository.sign(&root, keys))];
    let with_first = signed(&[first[0].clone(), third.clone()]);
    let with_second = signed(&[second[0].clone(), third]);
    let refusal = repository.clone().post(with_first).unwrap_err();
    assert_eq!(refusal.name(), "ErrBadRoot");
    repository.post(with_second).unwrap();
}

#[test]
fn any_of_the_previous_roots_keys_may_sign_the_next() {
    let mut repository = TrustRepository::new(GUN);
    let one = repository.keys_of("root")[0].clone();
    let other = repository.new_root_key();
    // Two keys, either of which is enough, and only the first signs.
    let mut root = author::next(&RoleName::Root, repository.root(), repository.now);
    root.set_role(&RoleName::Root, &[one.clone(), other.clone()], 1);
    let file = repository.sign(&root, &[one]);
    repository.post(vec![(RoleName::Root, file)]).unwrap();

    // The other one signs the rotation to a third.
    let third = repository.new_root_key();
    let mut root = author::next(&RoleName::Root, repository.root(), repository.now);
    root.set_role(&RoleName::Root, slice::from_ref(&third), 1);
    let file = repository.sign(&root, &[other, third]);
    repository.post(vec![(RoleName::Root, file)]).unwrap();
}

#[test]
fn a_rotation_meets_the_previous_roots_threshold() {
    let mut repository = TrustRepository::new(GUN);
    let pair = [repository.new_root_key(), repository.new_root_key()];
    let file = repository.next_root(|root| root.set_role(&RoleName::Root, &pair, 2));
    repository.post(vec![file]).unwrap();

    let last = repository.new_root_key();
    let mut root = author::next(&RoleName::Root, repository.root(), repository.now);
    root.set_role(&RoleName::Root, slice::from_ref(&last), 1);
    let [one, other] = pair;
    let by_one = repository.sign(&root, &[one.clone(), last.clone()]);
    let refusal = repository.clone().post(vec![(RoleName::Root, by_one)]);
    let refusal = refusal.unwrap_err();
    assert_eq!(refusal.name(), "ErrBadRoot");
    assert!(refusal.to_string().contains("1 of 2"), "{refusal}");
    let by_both = repository.sign(&root, &[one, other, last]);
    repository.post(vec![(RoleName::Root, by_both)]).unwrap();
}

#[test]
fn a_root_is_the_next_version() {
    let mut repository = TrustRepository::new(GUN);
    let keys = repository.keys_of("root");
    for version in [3, 0, -1, 1 << 53] {
        let mut root = repository.root();
        root.renew(version, root.expires);
        let file = repository.sign(&root, &keys);
        let refusal = repository.post(vec![(RoleName::Root, file)]).unwrap_err();
        assert_eq!(refusal.name(), "ErrBadRoot", "{version}");
    }
    let next = repository.next_root(|_| {});
    repository.post(vec![next]).unwrap();
}

#[test]
fn without_a_root_nothing_is_taken() {
    let owner = Owner::new();
    let update = owner.some(&[RoleName::Targets, RoleName::Snapshot]);
    let refusal = owner.judge(update, &Current::new()).unwrap_err();
    assert_eq!(refusal, Refusal::NoRoot);
    assert_eq!(refusal.name(), "ErrValidation");
}

#[test]
fn a_snapshot_must_come_if_the_server_cannot_sign_it() {
    let owner = Owner::new();
    let update = owner.some(&[RoleName::Root, RoleName::Targets]);
    let refusal = owner.judge(update, &Current::new()).unwrap_err();
    assert_eq!(refusal, Refusal::SnapshotMissing);
    assert_eq!(refusal.name(), "ErrBadHierarchy");
}

#[test]
fn the_server_signs_the_first_snapshot() {
    let mut repository = TrustRepository::empty(GUN);
    let (root, targets) = repository.first_files();
    let files = repository
        .post(vec![root.clone(), targets.clone()])
        .unwrap();
    let snapshot = repository.snapshot();
    assert_eq!(snapshot.version, 1);
    assert!(snapshot.meta[&RoleName::Root].matches(&root.1));
    assert!(snapshot.meta[&RoleName::Targets].matches(&targets.1));
    assert!(timestamp_of(&files).snapshot.matches(&files[2].bytes));
}

#[test]
fn the_server_signs_the_next_snapshot() {
    let mut repository = TrustRepository::new(GUN);
    let before = repository.snapshot();
    let file = repository.next_targets("targets", |_| {});
    repository.post(vec![file.clone()]).unwrap();
    let after = repository.snapshot();
    assert_eq!(after.version, before.version + 1);
    assert!(after.meta[&RoleName::Targets].matches(&file.1));
    assert_eq!(after.meta[&RoleName::Root], before.meta[&RoleName::Root]);
}

#[test]
fn a_damaged_snapshot_is_not_followed() {
    let mut repository = TrustRepository::empty(GUN);
    let (root, targets) = repository.first_files();
    let mut current = Current::new();
    current.insert(RoleName::Snapshot, b"damaged".to_vec());
    let (held, now) = (&repository.held, repository.now);
    let judged = validate(repository.gun(), vec![root, targets], &current, held, now);
    let refusal = judged.unwrap_err();
    assert!(matches!(refusal, Refusal::Stored { role, .. } if role == RoleName::Snapshot));
}

#[test]
fn the_first_update_needs_targets() {
    let mut repository = TrustRepository::empty(GUN);
    let (root, _) = repository.first_files();
    let refusal = repository.post(vec![root]).unwrap_err();
    assert_eq!(refusal, Refusal::NoTargets);
    assert_eq!(refusal.name(), "ErrValidation");
}

#[test]
fn the_root_names_the_servers_timestamp_key() {
    let mut owner = Owner::new();
    let files = owner.files();
    // A repository that comes from another server, to one that has no key for it yet, or one of its own.
    owner.repository.held.timestamp.clear();
    assert_eq!(
        name(owner.judge(files.clone(), &Current::new())),
        "ErrBadRoot"
    );
    let key = owner.repository.new_key(Algorithm::Ed25519);
    owner.repository.held.timestamp.push(key);
    let refusal = owner.judge(files, &Current::new()).unwrap_err();
    assert_eq!(refusal.name(), "ErrBadRoot");
    assert!(refusal.to_string().contains("key rotate"), "{refusal}");
}

#[test]
fn the_timestamp_needs_no_more_keys_than_the_server_has() {
    let mut owner = Owner::new();
    let theirs = owner.repository.new_key(Algorithm::EcdsaP256);
    let ours = owner.repository.held.timestamp[0].clone();
    owner
        .root
        .set_role(&RoleName::Timestamp, &[ours, theirs], 2);
    assert_eq!(
        name(owner.judge(owner.files(), &Current::new())),
        "ErrBadRoot"
    );
}

#[test]
fn a_threshold_is_at_least_one() {
    let owner = Owner::new();
    for role in ROLES {
        let update =
            owner.with_root(|signed| signed["roles"][role.as_str()]["threshold"] = json!(0));
        let refusal = owner.judge(update, &Current::new()).unwrap_err();
        assert_eq!(refusal.name(), "ErrBadRoot");
        assert!(refusal.to_string().contains("threshold"), "{refusal}");
    }
}

#[test]
fn a_root_names_all_four_roles() {
    let owner = Owner::new();
    for role in ROLES {
        let update = owner.with_root(|signed| {
            signed["roles"]
                .as_object_mut()
                .unwrap()
                .remove(role.as_str());
        });
        let refusal = owner.judge(update, &Current::new()).unwrap_err();
        assert_eq!(refusal.name(), "ErrBadRoot");
        assert!(refusal.to_string().contains(role.as_str()), "{refusal}");
    }
}

#[test]
fn nothing_is_taken_unsigned() {
    let owner = Owner::new();
    for (role, expect) in [
        (RoleName::Root, "ErrBadRoot"),
        (RoleName::Targets, "ErrBadTargets"),
        (RoleName::Snapshot, "ErrBadSnapshot"),
    ] {
        let update = unsigned(owner.files(), &role);
        assert_eq!(name(owner.judge(update, &Current::new())), expect);
    }
}

#[test]
fn what_is_no_json_is_malformed() {
    let owner = Owner::new();
    for role in [RoleName::Root, RoleName::Targets, RoleName::Snapshot] {
        let update = damaged(owner.files(), &role);
        let refusal = owner.judge(update, &Current::new()).unwrap_err();
        assert_eq!(refusal.code(), "MALFORMED_JSON");
    }
}

#[test]
fn a_snapshot_lists_the_files_that_came() {
    let owner = Owner::new();
    let (root, targets) = (owner.root_file(), owner.targets_file());

    // A signature more makes another file, although it says the same.
    let snapshot = owner.snapshot_file(&[(RoleName::Root, &root), (RoleName::Targets, &targets)]);
    let mut file: Value = serde_json::from_slice(&targets).unwrap();
    let again = file["signatures"][0].clone();
    file["signatures"].as_array_mut().unwrap().push(again);
    let update = vec![
        (RoleName::Root, root.clone()),
        (RoleName::Targets, file.to_string().into_bytes()),
        (RoleName::Snapshot, snapshot),
    ];
    assert_eq!(name(owner.judge(update, &Current::new())), "ErrBadSnapshot");

    for wrong in [RoleName::Root, RoleName::Targets] {
        let listed = |role: &RoleName, bytes| match *role == wrong {
            true => FileMeta::of(b"another file"),
            false => FileMeta::of(bytes),
        };
        let mut snapshot = author::snapshot(None, &[], owner.repository.now);
        for (role, bytes) in [(RoleName::Root, &root), (RoleName::Targets, &targets)] {
            snapshot.meta.insert(role.clone(), listed(&role, bytes));
        }
        let keys = slice::from_ref(&owner.snapshot_key);
        let update = vec![
            (RoleName::Root, root.clone()),
            (RoleName::Targets, targets.clone()),
            (RoleName::Snapshot, owner.repository.sign(&snapshot, keys)),
        ];
        let refusal = owner.judge(update, &Current::new()).unwrap_err();
        assert_eq!(refusal.name(), "ErrBadSnapshot");
        assert!(refusal.to_string().contains(wrong.as_str()), "{refusal}");
    }
}

/// A repository with `targets/level1` and `targets/level1/other` delegated, and the files of both.
fn with_delegations() -> (TrustRepository, Part, Part) {
    let mut repository = TrustRepository::new(GUN);
    let key = repository.new_key(Algorithm::EcdsaP256);
    repository.delegate("targets/level1", slice::from_ref(&key), 1);
    let level1 = repository.next_targets("targets/level1", |targets| {
        let other = RoleName::parse("targets/level1/other").unwrap();
        targets
            .delegations
            .set_role(other, slice::from_ref(&key), 1, &[""]);
    });
    let other = author::first_targets(repository.now);
    let other = repository.sign(&other, &[key]);
    let other = (RoleName::parse("targets/level1/other").unwrap(), other);
    (repository, level1, other)
}

#[test]
fn a_delegation_needs_a_parent() {
    let (mut repository, level1, other) = with_delegations();
    let refusal = repository.post(vec![other.clone()]).unwrap_err();
    assert_eq!(refusal.name(), "ErrBadTargets");
    assert!(refusal.to_string().contains("targets/level1"), "{refusal}");
    repository.post(vec![level1]).unwrap();
    repository.post(vec![other]).unwrap();
}

#[test]
fn a_parent_may_come_with_its_delegation() {
    let (repository, level1, other) = with_delegations();
    let broken = (level1.0.clone(), b"{}".to_vec());
    let refusal = repository.clone().post(vec![other.clone(), broken]);
    assert_eq!(refusal.unwrap_err().name(), "ErrBadTargets");

    // In any order; the parent is read first.
    let (held, now) = (&repository.held, repository.now);
    let update = vec![other, level1];
    let accepted = validate(repository.gun(), update, repository.current(), held, now).unwrap();
    let came = accepted.uploaded().iter();
    let came: Vec<&str> = came.map(|one| one.file.role.as_str()).collect();
    assert_eq!(came, ["targets/level1", "targets/level1/other"]);
}

#[test]
fn a_parent_must_delegate() {
    let mut repository = TrustRepository::new(GUN);
    let key = repository.new_key(Algorithm::EcdsaP256);
    repository.delegate("targets/other", slice::from_ref(&key), 1);
    let file = repository.sign(&author::first_targets(repository.now), &[key]);
    let stranger = (RoleName::parse("targets/level1").unwrap(), file);
    let targets = repository.next_targets("targets", |_| {});
    for update in [vec![stranger.clone(), targets], vec![stranger]] {
        let refusal = repository.clone().post(update).unwrap_err();
        assert_eq!(refusal.name(), "ErrBadTargets");
        assert!(
            refusal.to_string().contains("does not delegate"),
            "{refusal}"
        );
    }
}
