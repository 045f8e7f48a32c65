//! Nobody releases a tag alone, whatever they post: not a signer, not the owner, not both. Each attempt is a story that ends with a
//! refusal of its own, and with nothing released.

use std::collections::BTreeSet;
use std::slice;

use testkit::trust_repository::{Mirror, Reader, START, TrustRepository};
use trust::Algorithm;
use trust::tuf::managed::{Fault, VOUCHES_MAX};
use trust::tuf::publish::{REFUSAL_BYTES_MAX, Refusal};
use trust::tuf::{FileMeta, Key, Problem, RoleName, author};

use super::says::{assert_says, too_few};

const GUN: &str = "registry.example/shop/web";
/// What every refusal here ends with.
const NEXT: &str = "add signers with `countersign trust signer add NAME --key NAME.pub registry.example/shop/web`; sign with \
                    `docker trust sign` or `countersign sign`";
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

/// What is wrong with the form; the next command stands after it.
fn fault(refusal: Refusal) -> Fault {
    let text = refusal.to_string();
    let Refusal::NotManaged { fault, .. } = refusal else {
        panic!("{text}");
    };
    assert_says(&text, &format!("{fault}; {NEXT}"));
    fault
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
    let text = "a policy covers this repository: targets/releases is written by this server alone";
    assert_says(&found, text);
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
    let expected = too_few(RoleName::Targets, 0, 1);
    assert_says(&refusal, "targets: 0 of 1 needed signatures are valid");
    assert_eq!(refusal, Refusal::BadTargets(expected));
}

#[test]
fn a_signer_writes_targets_or_the_root_itself() {
    let (mut repository, alice) = shop();
    let keys = [alice];
    let mut targets = listing("1.4");
    targets.version = 9;
    let update = vec![(RoleName::Targets, repository.sign(&targets, &keys))];
    let refusal = refused(&mut repository, update);
    assert_eq!(refusal.name(), "ErrBadTargets");
    assert_says(&refusal, "targets: 0 of 1 needed signatures are valid");
    let mut root = author::next(&RoleName::Root, repository.root(), START);
    root.set_role(&RoleName::Targets, &keys, 1);
    let update = vec![
        (RoleName::Root, repository.sign(&root, &keys)),
        (RoleName::Targets, repository.sign(&targets, &keys)),
    ];
    let refusal = refused(&mut repository, update);
    assert_eq!(refusal.name(), "ErrBadRoot");
    let text = "root: 0 of 1 needed signatures by keys of the previous root are valid";
    assert_says(&refusal, text);
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
    let text = format!(
        "the key {} of targets/mallory is not registered on this server: `countersign key register`",
        key.short()
    );
    assert_says(&found, &text);
    assert_eq!(found, Fault::Unregistered { role, key });
}

#[test]
fn the_owner_puts_two_people_into_one_delegation() {
    let (mut repository, alice) = shop();
    let mallory = repository.new_key(Algorithm::EcdsaP256);
    repository.register(&mallory, "person mallory");
    let update = vec![repository.delegating_to("targets/team", &[alice, mallory])];
    let found = fault(refused(&mut repository, update));
    let text = "targets/team has keys of person alice and of person mallory: each signer has a delegation of their own";
    assert_says(&found, text);
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
    let (mut repository, _) = shop();
    // Nobody has delegated it to them.
    let key = repository.new_key(Algorithm::EcdsaP256);
    let bytes = repository.sign(&listing("1.4"), slice::from_ref(&key));
    let refusal = refused(
        &mut repository,
        vec![(role("targets/staging/mallory"), bytes)],
    );
    assert_says(
        &refusal,
        "targets/staging/mallory: targets/staging is missing",
    );
    // A registered stranger is named with the stage: the gate sees that mallory is no signer of it.
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
    assert_says(
        &found,
        "no policy of this repository has a stage for which targets/alice/mallory could be",
    );
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
    let text = "targets/carol: 1 of 2 needed signatures are valid";
    assert_says(&refusal, text);
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
    let text = format!(
        "the key listed as {} is {}: an id must be its key's hash",
        alice.id(),
        mallory.id()
    );
    let refusal = refused(&mut repository, vec![(name, bytes)]);
    assert_says(&refusal, &text);
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
    let text = "targets/alice version 1 is not newer than version 2, which is stored: somebody else published meanwhile; \
                run the command again";
    assert_says(&refusal, text);
    assert!(matches!(refusal, Refusal::OldVersion { .. }), "{refusal}");
}

#[test]
fn replay_of_a_signature_for_another_digest() {
    let (mut repository, _) = shop();
    let signed = repository.signing("targets/alice", "1.4", IMAGE);
    let (name, other) = repository.signing("targets/alice", "1.4", b"another image");
    let mut other: serde_json::Value = serde_json::from_slice(&other).unwrap();
    let read: serde_json::Value = serde_json::from_slice(&signed.1).unwrap();
    other["signatures"] = read["signatures"].clone();
    let update = vec![(name, other.to_string().into_bytes())];
    let refusal = refused(&mut repository, update);
    let text = "targets/alice: 0 of 1 needed signatures are valid";
    assert_says(&refusal, text);

    // What she did sign vouches for that image, and not a second time under another tag.
    let vouches = repository.post_managed(vec![signed.clone()]).unwrap();
    let sha256 = FileMeta::of(IMAGE).hashes.sha256.unwrap();
    assert_eq!(
        vouches.iter().map(|vouch| vouch.sha256).collect::<Vec<_>>(),
        [sha256]
    );
    let text = String::from_utf8(signed.1).unwrap();
    let renamed = text.replace("\"1.4\"", "\"latest\"");
    assert_ne!(text, renamed);
    let update = vec![(signed.0, renamed.into_bytes())];
    let refusal = refused(&mut repository, update);
    let text = "targets/alice: 0 of 1 needed signatures are valid";
    assert_says(&refusal, text);
}

#[test]
fn one_person_with_two_keys_is_one_person() {
    // In one delegation that needs both, and in two: whose each key is goes with it, and that is what the gate counts.
    let (mut repository, alice) = shop();
    let second = repository.new_key(Algorithm::Ed25519);
    repository.register(&second, "person alice");
    let keys = [alice, second];
    let (one, other) = (role("targets/alice"), role("targets/alicia"));
    let update = repository.next_targets("targets", |targets| {
        let delegations = &mut targets.delegations;
        delegations.set_role(one, &keys, 2, &[""]);
        delegations.set_role(other, &keys[1..], 1, &[""]);
    });
    repository.post_managed(vec![update]).unwrap();
    let mut vouches = Vec::new();
    for name in ["targets/alice", "targets/alicia"] {
        let file = repository.signing(name, "1.4", IMAGE);
        vouches.extend(repository.post_managed(vec![file]).unwrap());
    }
    let mut roles: Vec<&str> = vouches.iter().map(|vouch| vouch.role.as_str()).collect();
    roles.dedup();
    assert_eq!(roles, ["targets/alice", "targets/alicia"]);
    let people: BTreeSet<&str> = vouches
        .iter()
        .map(|vouch| repository.owner(&vouch.key).unwrap())
        .collect();
    assert_eq!((vouches.len(), people.len()), (3, 1), "{vouches:?}");
    nothing_is_released(&repository);

    // Nor may a second person's key come into hers, so that they look like one.
    let bob = repository.add_signer("targets/bob", "person bob");
    let update = vec![repository.delegating_to("targets/alicia", &[keys[1].clone(), bob])];
    let found = fault(refused(&mut repository, update));
    let text = "targets/alicia has keys of person alice and of person bob: each signer has a delegation of their own";
    assert_says(&found, text);
}

#[test]
fn one_update_vouches_for_no_more_than_is_looked_at() {
    let (mut repository, _) = shop();
    let update = |repository: &TrustRepository, many: usize| {
        vec![repository.next_targets("targets/alice", |targets| {
            let image = author::image([7; 32], 523);
            let tags = (0..many).map(|n| (n.to_string(), image.clone()));
            targets.targets.extend(tags);
        })]
    };
    let (most, more) = (
        update(&repository, VOUCHES_MAX),
        update(&repository, VOUCHES_MAX + 1),
    );
    let found = fault(refused(&mut repository, more));
    assert!(matches!(found, Fault::TooMany { .. }), "{found}");
    // Nor do two files together.
    repository.add_signer("targets/bob", "person bob");
    let second = repository.signing("targets/bob", "1", IMAGE);
    let both = [most.clone(), vec![second]].concat();
    let found = fault(refused(&mut repository, both));
    assert!(matches!(found, Fault::TooMany { .. }), "{found}");
    let vouches = repository.post_managed(most).unwrap();
    assert_eq!(vouches.len(), VOUCHES_MAX);
}
