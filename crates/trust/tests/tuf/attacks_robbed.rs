//! Attacks of whoever has all keys of a server of the Notary dialect, and so shows readers what no server would take: the publishing half
//! of each story is in `attacks`. What the owner and the signers have not signed is still not believed.

use serde_json::{Value, json};
use testkit::trust_repository::{DAY, Mirror, Reader, START, TrustRepository};
use trust::tuf::author;
use trust::tuf::publish::File;
use trust::tuf::{Content, FileMeta, Key, KeyType, Problem, RoleName, Timestamp};
use trust::{Algorithm, JsonError};

use super::says::{assert_says, too_few};

const GUN: &str = "registry.example/shop/web";
const TWICE: &str = "the key `version` stands twice in one object";

fn role(text: &str) -> RoleName {
    RoleName::parse(text).unwrap()
}

fn signed(repository: &TrustRepository, role: &RoleName, content: &impl Content) -> File {
    let bytes = repository.sign(content, &repository.keys_of(role.as_str()));
    file(role, content.version(), content.expires(), bytes)
}

fn file(role: &RoleName, version: i64, expires: i64, bytes: Vec<u8>) -> File {
    File {
        role: role.clone(),
        version,
        expires,
        sha256: FileMeta::of(&bytes).hashes.sha256.unwrap(),
        bytes,
    }
}

/// What a newcomer reads where the robbed server lists this file for a role, with everything above it as it should be.
fn shown(mut repository: TrustRepository, name: &str, bytes: Vec<u8>) -> Result<(), Problem> {
    let name = role(name);
    let end = START + 14 * DAY;
    let mut snapshot = repository.snapshot();
    snapshot.renew(9, end);
    snapshot.meta.insert(name.clone(), FileMeta::of(&bytes));
    let snapshot = signed(&repository, &RoleName::Snapshot, &snapshot);
    let timestamp = Timestamp {
        version: 9,
        expires: end,
        snapshot: FileMeta::of(&snapshot.bytes),
    };
    let timestamp = signed(&repository, &RoleName::Timestamp, &timestamp);
    repository.store(vec![file(&name, 9, end, bytes), snapshot, timestamp]);
    let mut newcomer = Reader::new(repository.gun());
    let believed = newcomer.read(&Mirror::of(&repository), START)?;
    match believed.disregarded() {
        [] => Ok(()),
        [(_, problem), ..] => Err(problem.clone()),
    }
}

#[test]
fn what_is_signed_as_it_must_be_is_believed() {
    // What the other stories here are the opposite of.
    let repository = TrustRepository::new(GUN);
    let (_, bytes) = repository.next_targets("targets", |_| {});
    shown(repository, "targets", bytes).unwrap();
}

#[test]
fn a_stolen_key_below_the_threshold_of_targets_is_not_enough() {
    let mut repository = TrustRepository::new(GUN);
    let keys = [
        repository.new_key(Algorithm::EcdsaP256),
        repository.new_key(Algorithm::EcdsaP256),
        repository.new_key(Algorithm::Ed25519),
    ];
    let root = repository.next_root(|root| root.set_role(&RoleName::Targets, &keys, 2));
    let first = author::next(&RoleName::Targets, repository.targets("targets"), START);
    let by_two = repository.sign(&first, &keys[..2]);
    repository
        .post(vec![root, (RoleName::Targets, by_two)])
        .unwrap();
    let mut forged = author::next(&RoleName::Targets, first, START);
    forged.targets.insert("1.4".into(), FileMeta::of(b"malice"));
    for stolen in &keys {
        let bytes = repository.sign(&forged, std::slice::from_ref(stolen));
        let problem = shown(repository.clone(), "targets", bytes).unwrap_err();
        assert_says(&problem, "targets: 1 of 2 needed signatures are valid");
        assert_eq!(problem, too_few(RoleName::Targets, 1, 2));
    }
}

#[test]
fn one_key_twice_is_one_key_for_readers_too() {
    // Bare, and in a certificate: two ids.
    let mut repository = TrustRepository::new(GUN);
    let certified = repository.new_root_key();
    let bare = Key::from(&certified.to_public_key().unwrap());
    assert_eq!(*certified.keytype(), KeyType::EcdsaX509);
    let both = [certified, bare];
    repository.delegate("targets/releases", &both, 2);
    let said = author::first_targets(START);
    let by_both = repository.sign(&said, &both);
    let twice = repository.sign(&said, &[both[1].clone(), both[1].clone()]);
    for bytes in [by_both, twice] {
        let problem = shown(repository.clone(), "targets/releases", bytes).unwrap_err();
        let text = "targets/releases: 1 of 2 needed signatures are valid";
        assert_says(&problem, text);
        assert_eq!(problem, too_few(role("targets/releases"), 1, 2));
    }
}

#[test]
fn a_key_id_that_is_not_the_keys_hash_is_not_read_either() {
    // The thief has the key of targets as well, and lists his own under the id of alice's.
    let mut repository = TrustRepository::new(GUN);
    let alice = repository.new_key(Algorithm::EcdsaP256);
    let theirs = repository.new_key(Algorithm::EcdsaP256);
    let mut targets = author::next(&RoleName::Targets, repository.targets("targets"), START);
    let delegations = &mut targets.delegations;
    delegations.set_role(
        role("targets/alice"),
        std::slice::from_ref(&theirs),
        1,
        &[""],
    );
    let mut said = targets.to_value();
    let (listed, actual) = (alice.id().to_string(), theirs.id().clone());
    let keys = said["delegations"]["keys"].as_object_mut().unwrap();
    let key = keys.remove(actual.as_str()).unwrap();
    keys.insert(listed.clone(), key);
    said["delegations"]["roles"][0]["keyids"] = json!([listed]);
    let bytes = repository.sign_raw(said, &repository.keys_of("targets"));
    let problem = shown(repository, "targets", bytes).unwrap_err();
    let text = format!("the key listed as {listed} is {actual}: an id must be its key's hash");
    assert_says(&problem, &text);
    assert_eq!(problem, Problem::KeyId { listed, actual });
}

#[test]
fn duplicate_json_keys_are_refused_at_every_step() {
    let mut repository = TrustRepository::new(GUN);
    let alice = repository.new_key(Algorithm::EcdsaP256);
    repository.delegate("targets/alice", &[alice], 1);
    repository.publish("targets/alice", "1.4", b"mended");
    let twice = |role: &RoleName| {
        let bytes = repository.current().file(role).unwrap().to_vec();
        let text = String::from_utf8(bytes).unwrap();
        text.replacen("\"version\":", "\"version\":1,\"version\":", 1)
            .into_bytes()
    };
    for (role, path) in [
        (RoleName::Root, "1.root.json"),
        (RoleName::Timestamp, "timestamp.json"),
    ] {
        // A newcomer asks for the newest root by its bare name.
        let path = path.trim_start_matches("1.");
        let mirror = Mirror::of(&repository).replacing(path, twice(&role));
        let problem = Reader::new(repository.gun())
            .read(&mirror, START)
            .unwrap_err();
        assert_eq!(
            problem,
            Problem::Json(JsonError::DuplicateKey("version".into()))
        );
        assert_says(&problem, TWICE);
    }
    for role in ["targets", "targets/alice"] {
        let bytes = twice(&RoleName::parse(role).unwrap());
        let problem = shown(repository.clone(), role, bytes).unwrap_err();
        assert_eq!(
            problem,
            Problem::Json(JsonError::DuplicateKey("version".into()))
        );
        assert_says(&problem, TWICE);
    }
}

#[test]
fn replay_of_a_signature_for_another_digest() {
    // Both files say the same otherwise, and are as long; what was signed for the one is put under the other.
    let mut repository = TrustRepository::new(GUN);
    let alice = repository.new_key(Algorithm::EcdsaP256);
    repository.delegate("targets/alice", &[alice], 1);
    let saying = |repository: &TrustRepository, image: &[u8]| {
        let listed = FileMeta::of(image);
        let (_, bytes) = repository.next_targets("targets/alice", |targets| {
            targets.targets.insert("1.4".into(), listed);
        });
        bytes
    };
    let signed = saying(&repository, b"mended");
    shown(repository.clone(), "targets/alice", signed.clone()).unwrap();
    let mut other: Value = serde_json::from_slice(&saying(&repository, b"malice")).unwrap();
    let signed: Value = serde_json::from_slice(&signed).unwrap();
    other["signatures"] = signed["signatures"].clone();

    let bytes = other.to_string().into_bytes();
    let problem = shown(repository, "targets/alice", bytes).unwrap_err();
    let text = "targets/alice: 0 of 1 needed signatures are valid";
    assert_says(&problem, text);
    assert_eq!(problem, too_few(role("targets/alice"), 0, 1));
}
