//! Managed repositories: the form that an update leaves behind, what it vouches for, and the server's own list of what is released.

use std::slice;

use testkit::trust_repository::{DAY, Mirror, Reader, START, TrustRepository};
use trust::Algorithm;
use trust::tuf::managed::{Form, RELEASED_MAX, StoredFile, Vouch, delegated, form_of};
use trust::tuf::publish::{REFUSAL_BYTES_MAX, Refusal, due};
use trust::tuf::{FileMeta, Gun, Key, RoleName, author};

const GUN: &str = "registry.example:5000/shop/web";
const IMAGE: &[u8] = b"an image";
const OTHER: &[u8] = b"another image";

fn role(text: &str) -> RoleName {
    RoleName::parse(text).unwrap()
}

fn sha256(image: &[u8]) -> [u8; 32] {
    FileMeta::of(image).hashes.sha256.unwrap()
}

fn shown(vouches: &[Vouch]) -> Vec<(&str, &str, Option<&str>)> {
    let vouches = vouches.iter();
    vouches
        .map(|vouch| (vouch.role.as_str(), vouch.tag.as_str(), vouch.stage()))
        .collect()
}

/// What a reader who knows nothing pulls as a tag.
fn pulled(repository: &TrustRepository, tag: &str) -> Option<[u8; 32]> {
    let mut reader = Reader::new(repository.gun());
    let believed = reader
        .read(&Mirror::of(repository), repository.now)
        .unwrap();
    let target = believed.target(tag)?;
    target.file.hashes.sha256
}

/// The reason, which fits into what clients read, and names a command.
fn said(refusal: &Refusal) -> String {
    assert!(matches!(refusal, Refusal::NotManaged { .. }), "{refusal:?}");
    let body = refusal.body();
    assert!(body.len() <= REFUSAL_BYTES_MAX, "{}", body.len());
    assert!(body.contains("countersign"), "{body}");
    refusal.to_string()
}

#[test]
fn a_first_update_in_managed_form_is_taken_and_lists_nothing() {
    let repository = TrustRepository::managed(GUN, &["ci"]);
    assert_eq!(
        form_of(repository.current(), &repository.held),
        Form::Managed
    );
    assert_eq!(pulled(&repository, "1.4"), None);
}

#[test]
fn what_docker_sends_first_is_refused_with_the_next_command() {
    let mut repository = TrustRepository::empty(GUN);
    let (root, targets) = repository.first_files();
    let refusal = repository.post_managed(vec![root, targets]).unwrap_err();
    let said = said(&refusal);
    assert!(
        said.contains(&format!("countersign trust init {GUN}")),
        "{said}"
    );
    assert_eq!(refusal.code(), "INVALID_UPDATE");
}

#[test]
fn each_signer_vouches_in_a_delegation_of_their_own() {
    let mut repository = TrustRepository::managed(GUN, &["ci", "staging"]);
    let alice = repository.add_signer("targets/alice", "person alice");
    let vouches = repository
        .post_managed(vec![repository.signing("targets/alice", "1.4", IMAGE)])
        .unwrap();
    assert_eq!(shown(&vouches), [("targets/alice", "1.4", None)]);
    assert_eq!(vouches[0].sha256, sha256(IMAGE));
    assert_eq!(vouches[0].key, *alice.to_public_key().unwrap().id());
    assert_eq!(pulled(&repository, "1.4"), None, "nobody released it");
}

#[test]
fn a_second_tag_does_not_sign_the_first_again() {
    let mut repository = TrustRepository::managed(GUN, &[]);
    repository.add_signer("targets/alice", "person alice");
    for (tag, image) in [("1.4", IMAGE), ("1.5", IMAGE), ("1.4", OTHER)] {
        let file = repository.signing("targets/alice", tag, image);
        let vouches = repository.post_managed(vec![file]).unwrap();
        assert_eq!(shown(&vouches), [("targets/alice", tag, None)]);
        assert_eq!(vouches[0].sha256, sha256(image));
    }
    // Signing again what is listed adds nothing; taking it back and signing it anew does.
    let again = repository.signing("targets/alice", "1.5", IMAGE);
    assert_eq!(repository.post_managed(vec![again]).unwrap(), []);
    let back = repository.next_targets("targets/alice", |targets| {
        targets.targets.remove("1.5");
    });
    assert_eq!(repository.post_managed(vec![back]).unwrap(), []);
    let anew = repository.signing("targets/alice", "1.5", IMAGE);
    let vouches = repository.post_managed(vec![anew]).unwrap();
    assert_eq!(shown(&vouches), [("targets/alice", "1.5", None)]);
}

#[test]
fn every_key_that_signed_a_file_vouches() {
    let mut repository = TrustRepository::managed(GUN, &[]);
    let keys = [
        repository.new_key(Algorithm::EcdsaP256),
        repository.new_key(Algorithm::Ed25519),
    ];
    for key in &keys {
        repository.register(key, "person alice");
    }
    let update = repository.delegating_to("targets/alice", &keys);
    repository.post_managed(vec![update]).unwrap();
    let file = repository.signing("targets/alice", "1.4", IMAGE);
    let vouches = repository.post_managed(vec![file]).unwrap();
    let by: Vec<_> = vouches.iter().map(|vouch| vouch.key.clone()).collect();
    let expected = keys.map(|key| key.to_public_key().unwrap().id().clone());
    assert_eq!(by, expected);
}

#[test]
fn a_stage_has_signers_below_it_and_names_it_for_them() {
    let mut repository = TrustRepository::managed(GUN, &["staging"]);
    // The owner keeps the delegation of the stage with the keys of `targets`.
    let owner = repository.keys_of("targets");
    let update = repository.delegating_to("targets/staging", &owner);
    let refusal = repository.post_managed(vec![update.clone()]).unwrap_err();
    assert!(
        said(&refusal).contains("not registered"),
        "nobody is below it"
    );
    let alice = repository.new_key(Algorithm::EcdsaP256);
    let id = repository.register(&alice, "person alice");
    let below = {
        let mut group = author::first_targets(START);
        let keys = slice::from_ref(&alice);
        let delegations = &mut group.delegations;
        delegations.set_role(role("targets/staging/alice"), keys, 1, &[""]);
        (role("targets/staging"), repository.sign(&group, &owner))
    };
    repository.post_managed(vec![update, below]).unwrap();
    let file = repository.signing("targets/staging/alice", "1.4", IMAGE);
    let vouches = repository.post_managed(vec![file]).unwrap();
    assert_eq!(
        shown(&vouches),
        [("targets/staging/alice", "1.4", Some("staging"))]
    );
    let delegated = delegated(repository.current()).unwrap();
    assert_eq!(
        delegated[&role("targets/staging/alice")].keys,
        [id].into_iter().collect()
    );

    // It outlives its stage, and nobody new comes.
    repository.cover(&[]);
    let file = repository.signing("targets/staging/alice", "1.5", IMAGE);
    repository.post_managed(vec![file]).unwrap();
    let bob = repository.new_key(Algorithm::EcdsaP256);
    repository.register(&bob, "person bob");
    let update = repository.delegating_to("targets/staging/bob", &[bob]);
    let refusal = repository.post_managed(vec![update]).unwrap_err();
    assert!(said(&refusal).contains("no policy"), "{refusal}");
}

#[test]
fn the_server_releases_what_it_is_told_and_takes_it_back() {
    let mut repository = TrustRepository::managed(GUN, &[]);
    assert_eq!(repository.release(&[]).unwrap(), [], "nothing was listed");
    let files = repository.release(&[("1.4", IMAGE)]).unwrap();
    let roles: Vec<&str> = files.iter().map(|file| file.role.as_str()).collect();
    assert_eq!(roles, ["targets/releases", "snapshot", "timestamp"]);
    assert_eq!(pulled(&repository, "1.4"), Some(sha256(IMAGE)));
    assert_eq!(repository.release(&[("1.4", IMAGE)]).unwrap(), [], "once");

    repository
        .release(&[("1.4", OTHER), ("1.5", IMAGE)])
        .unwrap();
    assert_eq!(pulled(&repository, "1.4"), Some(sha256(OTHER)));
    repository.release(&[("1.5", IMAGE)]).unwrap();
    assert_eq!(pulled(&repository, "1.4"), None);
    assert_eq!(pulled(&repository, "1.5"), Some(sha256(IMAGE)));
    repository.release(&[]).unwrap();
    assert_eq!(pulled(&repository, "1.5"), None);
}

#[test]
fn signers_and_the_server_take_turns() {
    let mut repository = TrustRepository::managed(GUN, &[]);
    repository.add_signer("targets/alice", "person alice");
    let mut reader = Reader::new(repository.gun());
    for tag in ["1", "2", "3"] {
        let file = repository.signing("targets/alice", tag, IMAGE);
        repository.post_managed(vec![file]).unwrap();
        repository.release(&[(tag, IMAGE)]).unwrap();
        let believed = reader.read(&Mirror::of(&repository), START).unwrap();
        assert!(believed.target(tag).is_some());
    }
}

#[test]
fn a_plain_repository_is_left_alone_and_taken_over_by_its_owner() {
    let mut repository = TrustRepository::new(GUN);
    let key = repository.new_key(Algorithm::EcdsaP256);
    repository.delegate("targets/releases", slice::from_ref(&key), 1);
    repository.publish("targets/releases", "1.3", OTHER);
    repository.publish("targets", "1.4", IMAGE);
    repository.cover(&["ci"]);
    assert_eq!(form_of(repository.current(), &repository.held), Form::Plain);
    assert_eq!(repository.release(&[("9", IMAGE)]).unwrap(), []);
    assert_eq!(pulled(&repository, "1.3"), Some(sha256(OTHER)), "readable");

    let refusal = repository
        .post_managed(vec![repository.signing("targets", "1.5", IMAGE)])
        .unwrap_err();
    let command = format!("countersign trust manage {GUN}");
    assert!(said(&refusal).contains(&command), "{refusal}");

    let update = repository.managing_files();
    assert_eq!(repository.post_managed(update).unwrap(), []);
    assert_eq!(
        form_of(repository.current(), &repository.held),
        Form::Managed
    );
    for tag in ["1.3", "1.4"] {
        assert_eq!(pulled(&repository, tag), None, "the gates were not asked");
    }
    repository.release(&[("1.4", IMAGE)]).unwrap();
    assert_eq!(pulled(&repository, "1.4"), Some(sha256(IMAGE)));
}

#[test]
fn a_new_key_for_releases_goes_on_with_the_list() {
    let mut repository = TrustRepository::managed(GUN, &[]);
    repository.release(&[("1.4", IMAGE)]).unwrap();
    let next = repository.new_key(Algorithm::Ed25519);
    repository.held.releases.push(next.clone());
    let update = repository.managing_files();
    repository.post_managed(update).unwrap();
    assert_eq!(repository.keys_of("targets/releases"), [next]);
    assert_eq!(pulled(&repository, "1.4"), Some(sha256(IMAGE)));
    assert_eq!(repository.release(&[("1.4", IMAGE)]).unwrap(), []);
}

#[test]
fn the_servers_list_is_signed_again_before_it_ends() {
    let mut repository = TrustRepository::managed(GUN, &[]);
    repository.release(&[("1.4", IMAGE)]).unwrap();
    let mut reader = Reader::new(repository.gun());
    // As long as the owner's own file lives: three years, less a few days.
    for _ in 0..364 {
        repository.now += 3 * DAY;
        let next = due(repository.current(), &repository.held).unwrap();
        let resigned = !repository.resign().unwrap().is_empty();
        assert_eq!(resigned, next <= repository.now);
        let believed = reader
            .read(&Mirror::of(&repository), repository.now)
            .unwrap();
        assert!(believed.target("1.4").is_some());
    }
    assert_eq!(repository.targets("targets/releases").version, 2);
}

#[test]
fn there_is_an_end_to_what_is_released() {
    let mut repository = TrustRepository::managed(GUN, &[]);
    let names: Vec<String> = (0..=RELEASED_MAX).map(|n| format!("{n:0>100}")).collect();
    let mut tags: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), IMAGE)).collect();
    let files = repository.release(&tags[1..]).unwrap();
    assert!(files[0].bytes.len() <= trust::tuf::METADATA_BYTES_MAX);
    assert!(pulled(&repository, &names[1]).is_some());
    // One tag more has no room, and keeps nobody from withdrawing another.
    assert!(repository.release(&tags).unwrap().is_empty());
    assert_eq!(pulled(&repository, &names[0]), None);
    tags.remove(1);
    tags.push(("z", IMAGE));
    assert!(!repository.release(&tags).unwrap().is_empty());
    assert_eq!(pulled(&repository, &names[1]), None);
    assert!(pulled(&repository, &names[0]).is_some());
    assert_eq!(pulled(&repository, "z"), None);
}

#[test]
fn kept_files_are_read_again_for_the_key_that_signed_them() {
    let mut repository = TrustRepository::managed(GUN, &[]);
    let alice = repository.add_signer("targets/alice", "person alice");
    let bob = repository.add_signer("targets/bob", "person bob");
    let (role, bytes) = repository.signing("targets/alice", "1.4", IMAGE);
    let read = |tag: &str, key: &Key, bytes: &[u8]| {
        let mut file = StoredFile::parse(&role, bytes.to_vec()).unwrap();
        let key = key.to_public_key().unwrap();
        let is_by = [(); 2].map(|()| file.is_by(&key));
        assert_eq!(is_by[0], is_by[1], "asked again");
        file.listed(tag).filter(|_| file.is_by(&key))
    };
    assert_eq!(read("1.4", &alice, &bytes), Some(sha256(IMAGE)));
    assert_eq!(read("1.4", &bob, &bytes), None, "not by this key");
    assert_eq!(read("1.5", &alice, &bytes), None, "not listed");
    let changed = String::from_utf8(bytes).unwrap().replace("1.4", "1.5");
    assert_eq!(read("1.5", &alice, changed.as_bytes()), None, "changed");
}

#[test]
fn refusals_are_short_whatever_stands_in_them() {
    let long = format!("{}/{}", "h".repeat(100), "g".repeat(154));
    let mut repository = TrustRepository::empty(&long);
    let (root, targets) = repository.first_files();
    let refusal = repository.post_managed(vec![root, targets]).unwrap_err();
    assert!(said(&refusal).ends_with(&format!("init {long}`")));
    assert!(refusal.body().contains(&long), "the command is whole");

    let mut repository = TrustRepository::managed(&long, &[]);
    let name = format!("targets/{}", "a".repeat(240));
    let key = repository.new_key(Algorithm::EcdsaP256);
    let update = repository.delegating_to(&name, &[key]);
    said(&repository.post_managed(vec![update]).unwrap_err());
    let tag = "\u{1}".repeat(5000);
    let update = repository.signing("targets", &tag, IMAGE);
    said(&repository.post_managed(vec![update]).unwrap_err());
    assert_eq!(Gun::parse(&long).unwrap().as_str().len(), 255);
}
