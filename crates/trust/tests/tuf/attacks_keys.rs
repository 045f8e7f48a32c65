//! Attacks with keys and signatures in the Notary dialect: too few of them, other ones than were meant, one that looks like two, and JSON
//! that one reader takes for something else than another. Each is a story that fails closed, with its own reason.

use std::slice;

use serde_json::json;
use testkit::trust_repository::{Mirror, Reader, START, TrustRepository};
use trust::tuf::author;
use trust::tuf::publish::Refusal;
use trust::tuf::{Content, FileMeta, Key, KeyType, Problem, RoleName};
use trust::{Algorithm, JsonError};

use super::attacks::{GUN, read_before, relist, role};
use super::says::{assert_says, too_few};

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
    let problem = too_few(releases.clone(), 1, 2);
    assert_eq!(refusal, Refusal::BadTargets(problem.clone()));
    let text = "targets/releases: 1 of 2 needed signatures are valid";
    assert_says(&refusal, text);

    // Not even if the server is robbed too: the delegation says nothing then, and what `targets` says stands.
    let forged = author::first_targets(START);
    let forged = repository.sign(&forged, &keys[..1]);
    relist(&mut repository, 9, vec![(releases.clone(), forged)]);
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
    assert_says(&problem, "timestamp: 0 of 1 needed signatures are valid");

    let mut newcomer = Reader::new(&GUN.parse().unwrap());
    let problem = newcomer.read(&Mirror::of(&other), START).unwrap_err();
    assert!(matches!(&problem, Problem::RootKeys { .. }), "{problem}");
    let text = "root: no root key has a valid certificate for `registry.example/shop/web`: the certificate is for \
                `registry.example/shop/other`";
    assert_says(&problem, text);

    // Nor does the server take them for this name.
    let mut empty = TrustRepository::empty(GUN);
    let files = [RoleName::Root, RoleName::Targets];
    let update = files.map(|role| (role.clone(), other.current().file(&role).unwrap().to_vec()));
    let refusal = empty.post(update.to_vec()).unwrap_err();
    assert_eq!(refusal, Refusal::BadRoot(problem));
    assert_says(&refusal, text);
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
    assert_says(&refusal, "targets/bob: 0 of 1 needed signatures are valid");
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
    let refusal = refusal.unwrap_err();
    let text = "targets/releases: 1 of 2 needed signatures are valid";
    assert_says(&refusal, text);
    let problem = too_few(role("targets/releases"), 1, 2);
    assert_eq!(refusal, Refusal::BadTargets(problem));
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
    let refusal = refusal.unwrap_err();
    let text = "targets/releases: 1 of 2 needed signatures are valid";
    assert_says(&refusal, text);
    let problem = too_few(role("targets/releases"), 1, 2);
    assert_eq!(refusal, Refusal::BadTargets(problem));
}

#[test]
fn a_key_id_that_is_not_the_keys_hash() {
    // The thief lists his key under the id of the owner's.
    let (mut repository, _, _) = read_before();
    let theirs = repository.new_key(Algorithm::EcdsaP256);
    let actual = theirs.id().to_string();
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
    let text = format!("the key listed as {owners} is {actual}: an id must be its key's hash");
    assert_says(&refusal, &text);
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
    let text = "targets: the key `1.4` stands twice in one object";
    assert_says(&refusal, text);

    // Go's reader would merge these two lists, so that docker sees what nobody else does.
    let targets = author::next(&RoleName::Targets, repository.targets("targets"), START);
    let mut signed = targets.to_value();
    signed["Targets"] = json!({"hidden": {"hashes": {}, "length": 1}});
    let file = repository.sign_raw(signed, &repository.keys_of("targets"));
    let refusal = repository
        .post(vec![(RoleName::Targets, file)])
        .unwrap_err();
    let text = "`targets.signed.Targets` differs from a known field in case only";
    assert_says(&refusal, text);
    assert!(matches!(
        refusal,
        Refusal::BadTargets(Problem::Field { .. })
    ));
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
