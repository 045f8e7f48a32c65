//! One signer of a managed repository, and all that she may post, also where she is its owner, with the keys of `root` and `targets`, or held
//! these before a policy covered it. Each attempt is refused with its reason, or taken without anything being released.

use std::slice;

use testkit::trust_repository::{DAY, Mirror, Reader, TrustRepository};
use trust::Algorithm;
use trust::tuf::managed::{Fault, Form, delegated, form_of};
use trust::tuf::publish::Refusal;
use trust::tuf::{FileMeta, Key, Problem, RoleName, author};

const GUN: &str = "registry.example/shop/web";
const IMAGE: &[u8] = b"an image that nobody else has seen";
const GOOD: &[u8] = b"an image that everybody has signed";

type Update = Vec<(RoleName, Vec<u8>)>;

fn role(text: &str) -> RoleName {
    RoleName::parse(text).unwrap()
}

/// A managed repository in which alice and bob sign. Whoever has it has alice's keys, and those of its owner.
fn shop() -> (TrustRepository, Key, Key) {
    let mut repository = TrustRepository::managed(GUN, &["staging"]);
    let alice = repository.add_signer("targets/alice", "person alice");
    let bob = repository.add_signer("targets/bob", "person bob");
    (repository, alice, bob)
}

/// A plain repository whose owner will hand it over to the server.
fn plain() -> (TrustRepository, Key) {
    let mut repository = TrustRepository::new(GUN);
    let alice = repository.new_key(Algorithm::EcdsaP256);
    repository.register(&alice, "person alice");
    (repository, alice)
}

/// What a reader who knows nothing pulls as a tag, if anything.
fn pulled(repository: &TrustRepository, tag: &str) -> Option<[u8; 32]> {
    let mut reader = Reader::new(repository.gun());
    let mirror = Mirror::of(repository);
    let believed = reader.read(&mirror, repository.now).unwrap();
    believed.target(tag)?.file.hashes.sha256
}

fn sha256(image: &[u8]) -> Option<[u8; 32]> {
    FileMeta::of(image).hashes.sha256
}

/// The update is refused as a whole, and nothing of it is pulled.
fn refused(repository: &mut TrustRepository, update: Update) -> Refusal {
    let before = repository.stored().len();
    let refusal = repository.post_managed(update).unwrap_err();
    assert_eq!(repository.stored().len(), before);
    assert_ne!(pulled(repository, "1.4"), sha256(IMAGE));
    refusal
}

fn fault(refusal: Refusal) -> Fault {
    match refusal {
        Refusal::NotManaged { fault, .. } => fault,
        other => panic!("{other}"),
    }
}

fn listing(repository: &TrustRepository, tag: &str, image: &[u8]) -> trust::tuf::Targets {
    let mut targets = author::first_targets(repository.now);
    let entry = author::image(sha256(image).unwrap(), 7);
    targets.targets.insert(tag.to_owned(), entry);
    targets
}

#[test]
fn an_old_list_of_the_servers_is_sent_again() {
    let (mut repository, ..) = shop();
    let files = repository.release(&[("1.4", IMAGE)]).unwrap();
    let old = files.iter().find(|file| file.role.is_releases()).unwrap();
    let old = (old.role.clone(), old.bytes.clone());
    repository.release(&[]).unwrap();
    let found = fault(refused(&mut repository, vec![old]));
    assert_eq!(found, Fault::Uploaded(RoleName::releases()));
}

#[test]
fn a_list_of_releases_comes_with_the_delegation_that_allows_it() {
    let (mut repository, alice, _) = shop();
    let keys = slice::from_ref(&alice);
    let list = listing(&repository, "1.4", IMAGE);
    let update = vec![
        repository.next_targets("targets", |targets| {
            let delegations = &mut targets.delegations;
            delegations.set_role(RoleName::releases(), keys, 1, &[""]);
        }),
        (RoleName::releases(), repository.sign(&list, keys)),
    ];
    let found = fault(refused(&mut repository, update));
    assert_eq!(found, Fault::Uploaded(RoleName::releases()));
}

#[test]
fn a_list_is_handed_over_to_the_server_in_two_steps() {
    // Before a policy covers the repository, its owner writes the list, and then delegates it to the server, who did not write it.
    let (mut repository, alice) = plain();
    repository.delegate("targets/releases", slice::from_ref(&alice), 1);
    repository.publish("targets/releases", "1.4", IMAGE);
    let handing_over = repository.managing_files();
    repository.post(handing_over).unwrap();
    repository.cover(&[]);
    assert_eq!(
        form_of(repository.current(), &repository.held),
        Form::Managed
    );
    // Whatever comes next, the server does not put its name under that list.
    let update = repository.next_targets("targets", |_| {});
    repository.post_managed(vec![update]).unwrap();
    assert_eq!(pulled(&repository, "1.4"), None);
    let list = repository.targets("targets/releases");
    assert!(list.targets.is_empty(), "{list:?}");
}

#[test]
fn a_list_that_is_about_to_end_is_handed_over_for_the_server_to_renew() {
    let (mut repository, alice) = plain();
    repository.delegate("targets/releases", slice::from_ref(&alice), 1);
    let end = repository.now + DAY;
    let update = repository.next_targets("targets/releases", |targets| {
        let list = TrustRepository::empty(GUN);
        targets.targets = listing(&list, "1.4", IMAGE).targets;
        targets.expires = end;
    });
    repository.post(vec![update]).unwrap();
    let handing_over = repository.managing_files();
    repository.post(handing_over).unwrap();
    for _ in 0..20 {
        repository.now += 30 * DAY;
        repository.resign().unwrap();
    }
    assert_eq!(repository.targets("targets/releases").version, 1);
    let mut reader = Reader::new(repository.gun());
    let believed = reader.read(&Mirror::of(&repository), repository.now);
    assert!(believed.is_err() || believed.is_ok_and(|it| it.target("1.4").is_none()));
}

#[test]
fn the_owner_takes_the_timestamp_over() {
    let (mut repository, alice, _) = shop();
    let update = vec![repository.next_root(|root| {
        root.set_role(&RoleName::Timestamp, slice::from_ref(&alice), 1);
    })];
    let refusal = refused(&mut repository, update);
    assert!(
        matches!(refusal, Refusal::BadRoot(Problem::TimestampKey { .. })),
        "{refusal}"
    );
}

#[test]
fn a_signer_who_owns_the_repository_signs_and_that_is_all() {
    // Her key is that of `targets`, of her delegation, and of another one.
    let (mut repository, alice, _) = shop();
    let keys = slice::from_ref(&alice);
    let root = repository.next_root(|root| root.set_role(&RoleName::Targets, keys, 1));
    let mut targets = repository.targets("targets");
    targets = author::next(&RoleName::Targets, targets, repository.now);
    let other = role("targets/alice2");
    targets.delegations.set_role(other, keys, 1, &[""]);
    let targets = (RoleName::Targets, repository.sign(&targets, keys));
    repository.post_managed(vec![root, targets]).unwrap();
    for name in ["targets/alice", "targets/alice2"] {
        let file = repository.signing(name, "1.4", IMAGE);
        let vouches = repository.post_managed(vec![file]).unwrap();
        let by: Vec<_> = vouches.iter().map(|vouch| vouch.key.clone()).collect();
        assert_eq!(by, [alice.to_public_key().unwrap().id().clone()]);
    }
    assert_eq!(pulled(&repository, "1.4"), None);
    let update = vec![repository.signing("targets", "1.4", IMAGE)];
    let found = fault(refused(&mut repository, update));
    assert_eq!(found, Fault::Listed("1.4".into()));
}

#[test]
fn a_new_root_comes_with_all_that_it_would_allow() {
    // Root, targets and list in one update, each signed as the one above asks.
    let (mut repository, alice, _) = shop();
    let keys = slice::from_ref(&alice);
    let root = repository.next_root(|root| root.set_role(&RoleName::Targets, keys, 1));
    let mut targets = repository.targets("targets");
    targets = author::next(&RoleName::Targets, targets, repository.now);
    targets.targets = listing(&repository, "1.4", IMAGE).targets;
    let targets = (RoleName::Targets, repository.sign(&targets, keys));
    let found = fault(refused(&mut repository, vec![root, targets]));
    assert_eq!(found, Fault::Listed("1.4".into()));
}

#[test]
fn an_old_root_or_targets_is_sent_again() {
    // In those days it was alice who released.
    let (mut repository, alice) = plain();
    repository.delegate("targets/releases", slice::from_ref(&alice), 1);
    let old: Update = [RoleName::Root, RoleName::Targets]
        .map(|role| {
            let bytes = repository.current().file(&role).unwrap().to_vec();
            (role, bytes)
        })
        .into();
    repository.cover(&[]);
    let update = repository.managing_files();
    repository.post_managed(update).unwrap();
    for update in [vec![old[0].clone()], vec![old[1].clone()], old] {
        let refusal = refused(&mut repository, update);
        assert!(matches!(refusal, Refusal::OldVersion { .. }), "{refusal}");
    }
}

#[test]
fn a_delegation_that_ended_and_begins_again_takes_no_old_file() {
    let (mut repository, alice, _) = shop();
    let old = repository.signing("targets/alice", "1.4", IMAGE);
    repository.post_managed(vec![old.clone()]).unwrap();
    let end = repository.next_targets("targets", |targets| {
        targets.delegations.remove_role(&role("targets/alice"));
    });
    repository.post_managed(vec![end]).unwrap();
    let again = repository.delegating_to("targets/alice", slice::from_ref(&alice));
    for update in [vec![again.clone(), old.clone()], vec![old.clone()]] {
        refused(&mut repository, update);
    }
    repository.post_managed(vec![again]).unwrap();
    let refusal = refused(&mut repository, vec![old]);
    assert!(matches!(refusal, Refusal::OldVersion { .. }), "{refusal}");
}

#[test]
fn a_threshold_is_lowered_and_each_key_still_speaks_for_itself() {
    let (mut repository, ..) = shop();
    let keys: [Key; 2] = std::array::from_fn(|_| repository.new_key(Algorithm::EcdsaP256));
    for key in &keys {
        repository.register(key, "person carol");
    }
    let set = |repository: &TrustRepository, threshold| {
        vec![repository.next_targets("targets", |targets| {
            let delegations = &mut targets.delegations;
            delegations.set_role(role("targets/carol"), &keys, threshold, &[""]);
        })]
    };
    let by_one = |repository: &TrustRepository| {
        let file = listing(repository, "1.4", IMAGE);
        vec![(role("targets/carol"), repository.sign(&file, &keys[..1]))]
    };
    let update = set(&repository, 2);
    repository.post_managed(update).unwrap();
    let update = by_one(&repository);
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
    let update = set(&repository, 1);
    repository.post_managed(update).unwrap();
    let update = by_one(&repository);
    let vouches = repository.post_managed(update).unwrap();
    let by: Vec<_> = vouches.iter().map(|vouch| vouch.key.clone()).collect();
    assert_eq!(by, [keys[0].to_public_key().unwrap().id().clone()]);
    assert_eq!(pulled(&repository, "1.4"), None);
}

#[test]
fn a_delegation_is_given_somebody_elses_key() {
    // A key in metadata is public: to be named is not to sign.
    let (mut repository, alice, bob) = shop();
    let update = repository.delegating_to("targets/alice2", slice::from_ref(&bob));
    assert_eq!(repository.post_managed(vec![update]).unwrap(), []);
    let file = listing(&repository, "1.4", IMAGE);
    let update = vec![(role("targets/alice2"), repository.sign(&file, &[alice]))];
    let refusal = refused(&mut repository, update);
    assert!(
        matches!(
            &refusal,
            Refusal::BadTargets(Problem::Threshold { valid: 0, .. })
        ),
        "{refusal}"
    );
}

#[test]
fn a_key_is_put_beside_that_of_another_signer() {
    let (mut repository, alice, bob) = shop();
    for keys in [[bob.clone(), alice.clone()], [alice, bob]] {
        let update = vec![repository.delegating_to("targets/bob", &keys)];
        let found = fault(refused(&mut repository, update));
        assert!(matches!(found, Fault::Owners { .. }), "{found}");
    }
}

#[test]
fn what_else_signed_a_file_vouches_for_nothing() {
    // Alice's signature on bob's file, and one of a key that nobody delegates to.
    let (mut repository, alice, bob) = shop();
    let stranger = repository.new_key(Algorithm::EcdsaP256);
    repository.register(&stranger, "person stranger");
    let file = listing(&repository, "1.4", IMAGE);
    let signers = [alice, stranger, bob.clone()];
    let update = vec![(role("targets/bob"), repository.sign(&file, &signers))];
    let vouches = repository.post_managed(update).unwrap();
    let by: Vec<_> = vouches.iter().map(|vouch| vouch.key.clone()).collect();
    assert_eq!(by, [bob.to_public_key().unwrap().id().clone()]);
}

#[test]
fn a_timestamp_that_comes_along_is_not_the_servers() {
    let (mut repository, ..) = shop();
    let old = repository.current().file(&RoleName::Timestamp).unwrap();
    let old = (RoleName::Timestamp, old.to_vec());
    let file = repository.signing("targets/alice", "1.4", IMAGE);
    repository.post_managed(vec![file, old.clone()]).unwrap();
    let now = repository.current().file(&RoleName::Timestamp).unwrap();
    assert_ne!(now, old.1, "the server wrote its own");
    assert_eq!(pulled(&repository, "1.4"), None);
}

#[test]
fn another_image_is_listed_under_a_released_tag() {
    let (mut repository, ..) = shop();
    repository.release(&[("1.4", GOOD)]).unwrap();
    let update = repository.signing("targets/alice", "1.4", IMAGE);
    let vouches = repository.post_managed(vec![update]).unwrap();
    assert_eq!(vouches.len(), 1);
    assert_eq!(pulled(&repository, "1.4"), sha256(GOOD));
}

#[test]
fn a_tag_outside_of_what_a_delegation_may_list_is_nobodys_word() {
    // From before a policy covered it, a role has some tags only, and its file lists others too: any client leaves these out.
    let (mut repository, alice) = plain();
    let keys = slice::from_ref(&alice);
    let below = repository.next_targets("targets", |targets| {
        let delegations = &mut targets.delegations;
        delegations.set_role(role("targets/alice"), keys, 1, &["2.", "3"]);
    });
    repository.post(vec![below]).unwrap();
    let group = repository.next_targets("targets/alice", |targets| {
        let delegations = &mut targets.delegations;
        delegations.set_role(role("targets/alice/below"), keys, 1, &["2.1", "4"]);
    });
    repository.post(vec![group]).unwrap();
    let delegated = delegated(repository.current()).unwrap();
    let may_list = |name: &str, tag: &str| delegated[&role(name)].may_list(tag);
    for (tag, above, below) in [
        ("2.1", true, true),
        ("2.10", true, true),
        ("2.2", true, false),
        ("3", true, false),
        ("4", false, false),
        ("2", false, false),
        ("", false, false),
    ] {
        assert_eq!(may_list("targets/alice", tag), above, "{tag}");
        assert_eq!(may_list("targets/alice/below", tag), below, "{tag}");
    }

    // Once it is covered, a form in which there are such tags is not taken, whoever signs in it.
    repository.cover(&["alice"]);
    let update = repository.managing_files();
    let found = fault(refused(&mut repository, update));
    assert_eq!(found, Fault::Paths(role("targets/alice")));
}

#[test]
fn a_stage_is_delegated_some_tags_only() {
    let (mut repository, alice, _) = shop();
    let owner = repository.keys_of("targets");
    let mut group = author::first_targets(repository.now);
    let keys = slice::from_ref(&alice);
    let name = role("targets/staging/alice");
    group.delegations.set_role(name, keys, 1, &[""]);
    let group = (role("targets/staging"), repository.sign(&group, &owner));
    for paths in [&["2."][..], &[], &["", "2."]] {
        let above = repository.next_targets("targets", |targets| {
            let delegations = &mut targets.delegations;
            delegations.set_role(role("targets/staging"), &owner, 1, paths);
        });
        let found = fault(refused(&mut repository, vec![above, group.clone()]));
        assert_eq!(found, Fault::Paths(role("targets/staging")), "{paths:?}");
    }
}
