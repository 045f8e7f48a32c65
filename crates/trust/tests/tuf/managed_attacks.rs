//! Nobody releases a tag alone, whatever they post: not a signer, not the owner, not both. Each attempt is a story that ends with a
//! refusal of its own, and with nothing released.

use std::slice;

use testkit::trust_repository::{Mirror, Reader, START, TrustRepository};
use trust::Algorithm;
use trust::tuf::managed::{Fault, VOUCHES_MAX};
use trust::tuf::publish::{REFUSAL_BYTES_MAX, Refusal};
use trust::tuf::{FileMeta, Key, Problem, RoleName, author};

const GUN: &str = "registry.example/shop/web";
const IMAGE: &[u8] = b"an image that nobody else has seen";

type Update = Vec<(RoleName, Vec<u8>)>;

fn role(text: &str) -> RoleName {
    RoleName::parse(text).unwrap()
}

/// A managed repository with a signer, alice, and a stage.
fn shop() -> (TrustRepository, Key) {
    let mut repository = TrustRepository::managed(GUN, &["staging"]);
    let alice = repository.add_signer("targets/alice", "person alice");
    (repository, alice)
}

/// The update is refused as a whole, and a reader pulls nothing.
fn refused(repository: &mut TrustRepository, update: Update) -> Refusal {
    let before = repository.stored().len();
    let refusal = repository.post_managed(update).unwrap_err();
    assert!(refusal.body().len() <= REFUSAL_BYTES_MAX);
    assert_eq!(repository.stored().len(), before);
    nothing_is_released(repository);
    refusal
}

fn nothing_is_released(repository: &TrustRepository) {
    let mut reader = Reader::new(repository.gun());
    let believed = reader.read(&Mirror::of(repository), START).unwrap();
    for tag in ["1.4", "latest"] {
        assert!(believed.target(tag).is_none(), "{tag}");
    }
}

fn fault(refusal: Refusal) -> Fault {
    match refusal {
        Refusal::NotManaged { fault, .. } => fault,
        other => panic!("{other}"),
    }
}

fn listing(tag: &str) -> trust::tuf::Targets {
    let mut targets = author::first_targets(START);
    let entry = author::image(FileMeta::of(IMAGE).hashes.sha256.unwrap(), 7);
    targets.targets.insert(tag.to_owned(), entry);
    targets
}

#[test]
fn a_signer_signs_and_that_is_all() {
    let (mut repository, _) = shop();
    let file = repository.signing("targets/alice", "1.4", IMAGE);
    repository.post_managed(vec![file]).unwrap();
    nothing_is_released(&repository);
}

#[test]
fn a_signer_writes_the_list_of_releases() {
    let (mut repository, alice) = shop();
    let bytes = repository.sign(&listing("1.4"), &[alice]);
    let update = vec![(RoleName::releases(), bytes)];
    let found = fault(refused(&mut repository, update));
    assert_eq!(found, Fault::Uploaded(RoleName::releases()));
}

#[test]
fn a_signer_delegates_releases_to_their_own_key() {
    let (mut repository, alice) = shop();
    let mut targets = repository.targets("targets");
    targets = author::next(&RoleName::Targets, targets, START);
    let keys = slice::from_ref(&alice);
    let delegations = &mut targets.delegations;
    delegations.set_role(RoleName::releases(), keys, 1, &[""]);
    let update = vec![(RoleName::Targets, repository.sign(&targets, keys))];
    let refusal = refused(&mut repository, update);
    let (role, valid, threshold) = (RoleName::Targets, 0, 1);
    let expected = Problem::Threshold {
        role,
        valid,
        threshold,
    };
    assert_eq!(refusal, Refusal::BadTargets(expected));
}

#[test]
fn a_signer_writes_targets_or_the_root_itself() {
    let (mut repository, alice) = shop();
    let keys = [alice];
    let mut targets = listing("1.4");
    targets.version = 9;
    let update = vec![(RoleName::Targets, repository.sign(&targets, &keys))];
    assert_eq!(refused(&mut repository, update).name(), "ErrBadTargets");
    let mut root = author::next(&RoleName::Root, repository.root(), START);
    root.set_role(&RoleName::Targets, &keys, 1);
    let update = vec![
        (RoleName::Root, repository.sign(&root, &keys)),
        (RoleName::Targets, repository.sign(&targets, &keys)),
    ];
    assert_eq!(refused(&mut repository, update).name(), "ErrBadRoot");
}

#[test]
fn a_signer_brings_a_snapshot() {
    let (mut repository, alice) = shop();
    let snapshot = author::snapshot(Some(repository.snapshot()), &[], START);
    let update = vec![(RoleName::Snapshot, repository.sign(&snapshot, &[alice]))];
    let found = fault(refused(&mut repository, update));
    assert_eq!(found, Fault::Uploaded(RoleName::Snapshot));
}

#[test]
fn a_signer_opens_a_delegation_below_their_own() {
    let (mut repository, alice) = shop();
    let below = repository.new_key(Algorithm::EcdsaP256);
    repository.register(&below, "person alice");
    for name in ["targets/alice/releases", "targets/alice/alice"] {
        let update = vec![repository.delegating_to(name, slice::from_ref(&below))];
        let found = fault(refused(&mut repository, update));
        assert_eq!(found, Fault::NoStage(role(name)));
    }
    // Nor below the server's, whose file delegates to nobody.
    let name = role("targets/releases/alice");
    let update = vec![(name.clone(), repository.sign(&listing("1.4"), &[alice]))];
    let parent = RoleName::releases();
    let expected = Refusal::BadTargets(Problem::NoParent { role: name, parent });
    assert_eq!(refused(&mut repository, update), expected);
}

#[test]
fn the_owner_lists_a_tag_in_targets() {
    let (mut repository, _) = shop();
    let update = vec![repository.signing("targets", "1.4", IMAGE)];
    let found = fault(refused(&mut repository, update));
    assert_eq!(found, Fault::Listed("1.4".into()));
}

#[test]
fn the_owner_gives_releases_to_somebody_else() {
    // What `docker trust signer add` does is the second of these.
    let (mut repository, alice) = shop();
    let server = repository.keys_of("targets/releases");
    let both = [server[0].clone(), alice.clone()];
    for (keys, threshold, paths) in [
        (slice::from_ref(&alice), 1, &[""][..]),
        (&both[..], 1, &[""]),
        (&both[..], 2, &[""]),
        (&server[..], 2, &[""]),
        (&server[..], 1, &[]),
        (&server[..], 1, &["1."]),
        (&[], 1, &[""]),
    ] {
        let update = vec![repository.next_targets("targets", |targets| {
            let delegations = &mut targets.delegations;
            delegations.set_role(RoleName::releases(), keys, threshold, paths);
        })];
        let found = fault(refused(&mut repository, update));
        assert_eq!(found, Fault::Releases, "{keys:?} {threshold} {paths:?}");
    }
    let update = vec![repository.next_targets("targets", |targets| {
        targets.delegations.remove_role(&RoleName::releases());
    })];
    assert_eq!(fault(refused(&mut repository, update)), Fault::Releases);
}

#[test]
fn the_owner_delegates_releases_to_the_key_of_another_repository() {
    // The server holds it, for others.
    let (mut repository, _) = shop();
    let other = TrustRepository::managed("registry.example/shop/other", &[]);
    let keys = other.held.releases.clone();
    let update = vec![repository.next_targets("targets", |targets| {
        let delegations = &mut targets.delegations;
        delegations.set_role(RoleName::releases(), &keys, 1, &[""]);
    })];
    assert_eq!(fault(refused(&mut repository, update)), Fault::Releases);
}

#[test]
fn the_owner_takes_the_snapshot_over() {
    let (mut repository, _) = shop();
    let own = repository.new_key(Algorithm::EcdsaP256);
    let server = repository.held.snapshot.clone();
    let both = [server[0].clone(), own.clone()];
    for keys in [slice::from_ref(&own), &both[..]] {
        let update = vec![repository.next_root(|root| {
            root.set_role(&RoleName::Snapshot, keys, 1);
        })];
        let refusal = repository.post_managed(update).unwrap_err();
        let expected = match keys.len() {
            // Without the server's key nobody can write the next snapshot.
            1 => matches!(refusal, Refusal::SnapshotMissing),
            _ => fault(refusal) == Fault::SnapshotKey,
        };
        assert!(expected, "{keys:?}");
        nothing_is_released(&repository);
    }
}

#[test]
fn the_owner_delegates_to_a_key_that_is_nobodys() {
    let (mut repository, _) = shop();
    let key = repository.new_key(Algorithm::EcdsaP256);
    let update = vec![repository.delegating_to("targets/mallory", slice::from_ref(&key))];
    let found = fault(refused(&mut repository, update));
    let (role, key) = (role("targets/mallory"), key.id().clone());
    assert_eq!(found, Fault::Unregistered { role, key });
}

#[test]
fn the_owner_puts_two_people_into_one_delegation() {
    let (mut repository, alice) = shop();
    let mallory = repository.new_key(Algorithm::EcdsaP256);
    repository.register(&mallory, "person mallory");
    let update = vec![repository.delegating_to("targets/team", &[alice, mallory])];
    let found = fault(refused(&mut repository, update));
    assert!(
        matches!(&found, Fault::Owners { owner, other, .. } if owner == "person alice" && other == "person mallory"),
        "{found}"
    );
}

#[test]
fn the_owner_delegates_some_tags_or_to_nobody() {
    let (mut repository, alice) = shop();
    let name = role("targets/bob");
    for paths in [&["1."][..], &[], &["", "1."]] {
        let update = vec![repository.next_targets("targets", |targets| {
            let keys = slice::from_ref(&alice);
            targets.delegations.set_role(name.clone(), keys, 1, paths);
        })];
        let found = fault(refused(&mut repository, update));
        assert_eq!(found, Fault::Paths(name.clone()), "{paths:?}");
    }
    let update = vec![repository.delegating_to("targets/bob", &[])];
    assert_eq!(fault(refused(&mut repository, update)), Fault::NoKey(name));
}

#[test]
fn the_owner_signs_for_a_stage_with_the_key_of_targets() {
    let (mut repository, alice) = shop();
    let owner = repository.keys_of("targets");
    let delegating = repository.delegating_to("targets/staging", &owner);
    let mut group = listing("1.4");
    let name = role("targets/staging/alice");
    let delegations = &mut group.delegations;
    delegations.set_role(name, slice::from_ref(&alice), 1, &[""]);
    let group = (role("targets/staging"), repository.sign(&group, &owner));
    let found = fault(refused(&mut repository, vec![delegating, group]));
    let (role, tag) = (role("targets/staging"), "1.4".to_owned());
    assert_eq!(found, Fault::Group { role, tag });
}

#[test]
fn a_stage_is_claimed_by_a_stranger() {
    // The stage is named, and so is the stranger: the gate sees that mallory is no signer of it.
    let (mut repository, _) = shop();
    let mallory = repository.add_signer("targets/staging", "person mallory");
    let update =
        vec![repository.delegating_to("targets/staging/mallory", slice::from_ref(&mallory))];
    repository.post_managed(update).unwrap();
    let file = repository.signing("targets/staging/mallory", "1.4", IMAGE);
    let vouches = repository.post_managed(vec![file]).unwrap();
    assert_eq!(vouches.len(), 1);
    assert_eq!(vouches[0].stage(), Some("staging"));
    assert_eq!(vouches[0].key, *mallory.to_public_key().unwrap().id());
    nothing_is_released(&repository);
    // A stage that no policy has names nothing.
    let update = vec![repository.delegating_to("targets/alice/mallory", slice::from_ref(&mallory))];
    let found = fault(refused(&mut repository, update));
    assert_eq!(found, Fault::NoStage(role("targets/alice/mallory")));
}

#[test]
fn one_key_twice_is_one_key() {
    // Bare and in a certificate: two ids, one key, one word.
    let (mut repository, _) = shop();
    let certified = repository.new_root_key();
    let bare = Key::from(&certified.to_public_key().unwrap());
    assert_ne!(bare.id(), certified.id());
    repository.register(&bare, "person carol");
    let keys = [bare, certified];
    let update = repository.delegating_to("targets/carol", &keys);
    repository.post_managed(vec![update]).unwrap();
    let file = repository.signing("targets/carol", "1.4", IMAGE);
    let vouches = repository.post_managed(vec![file]).unwrap();
    assert_eq!(vouches.len(), 1, "{vouches:?}");

    // Nor do two signatures of it make two.
    let name = role("targets/carol");
    let update = repository.next_targets("targets", |targets| {
        targets.delegations.set_role(name, &keys, 2, &[""]);
    });
    repository.post_managed(vec![update]).unwrap();
    let update = vec![repository.signing("targets/carol", "1.5", IMAGE)];
    let refusal = refused(&mut repository, update);
    assert!(
        matches!(
            &refusal,
            Refusal::BadTargets(Problem::Threshold {
                valid: 1,
                threshold: 2,
                ..
            })
        ),
        "{refusal}"
    );
}

#[test]
fn a_key_is_listed_under_an_id_that_is_not_its_hash() {
    // Alice's id, mallory's key: whoever believes ids counts mallory's signature as hers.
    let (mut repository, alice) = shop();
    let mallory = repository.new_key(Algorithm::EcdsaP256);
    let (name, bytes) = repository.next_targets("targets", |_| {});
    let mut value: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
    let keys = &mut value["signed"]["delegations"]["keys"];
    keys[alice.id().as_str()] = mallory.to_json();
    let signed = value["signed"].take();
    let bytes = repository.sign_raw(signed, &repository.keys_of("targets"));
    let refusal = refused(&mut repository, vec![(name, bytes)]);
    assert!(
        matches!(&refusal, Refusal::BadTargets(Problem::KeyId { .. })),
        "{refusal}"
    );
}

#[test]
fn an_old_file_of_a_signer_is_sent_again() {
    let (mut repository, _) = shop();
    let first = repository.signing("targets/alice", "1.4", IMAGE);
    repository.post_managed(vec![first.clone()]).unwrap();
    let back = repository.next_targets("targets/alice", |targets| {
        targets.targets.remove("1.4");
    });
    repository.post_managed(vec![back]).unwrap();
    let refusal = refused(&mut repository, vec![first]);
    assert!(matches!(refusal, Refusal::OldVersion { .. }), "{refusal}");
}

#[test]
fn one_file_vouches_for_no_more_than_is_looked_at() {
    let (mut repository, _) = shop();
    let update = |many: usize| {
        vec![repository.next_targets("targets/alice", |targets| {
            let image = author::image([7; 32], 523);
            let tags = (0..many).map(|n| (n.to_string(), image.clone()));
            targets.targets.extend(tags);
        })]
    };
    let (most, more) = (update(VOUCHES_MAX), update(VOUCHES_MAX + 1));
    let found = fault(refused(&mut repository, more));
    assert!(matches!(found, Fault::TooMany { .. }), "{found}");
    let vouches = repository.post_managed(most).unwrap();
    assert_eq!(vouches.len(), VOUCHES_MAX);
}
