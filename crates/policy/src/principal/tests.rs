//! Identities, activity and names.

use super::*;

fn directory() -> Directory {
    let mut directory = Directory::default();
    let mut add = |id, kind, name: &str, owner: Option<i64>, active| {
        let (id, owner) = (PrincipalId(id), owner.map(PrincipalId));
        directory.principals.insert(
            id,
            Principal {
                id,
                kind,
                name: name.into(),
                owner,
                active,
            },
        );
    };
    add(1, Kind::Person, "maria", None, true);
    add(2, Kind::Robot, "bot", Some(1), true);
    add(3, Kind::Person, "gone", None, false);
    add(4, Kind::Robot, "orphan", Some(3), true);
    add(5, Kind::Robot, "maria", Some(99), true);
    directory
}

#[test]
fn a_robot_counts_as_its_owner_and_a_person_as_themselves() {
    let directory = directory();
    let table = [(1, 1), (2, 1), (3, 3), (4, 3), (7, 7)];
    for (id, identity) in table {
        assert_eq!(
            directory.identity_of(PrincipalId(id)),
            PrincipalId(identity),
            "{id}"
        );
    }
}

#[test]
fn active_means_known_and_with_an_active_owner() {
    let directory = directory();
    let table = [
        (1, true),
        (2, true),
        (3, false),
        (4, false),
        (5, false),
        (7, false),
    ];
    for (id, active) in table {
        assert_eq!(directory.is_active(PrincipalId(id)), active, "{id}");
    }
}

#[test]
fn names_are_looked_up_within_their_kind() {
    let directory = directory();
    let id = |kind| directory.by_name(kind, "maria").map(|found| found.id);
    assert_eq!(id(Kind::Person), Some(PrincipalId(1)));
    assert_eq!(id(Kind::Robot), Some(PrincipalId(5)));
    assert!(directory.by_name(Kind::Person, "bot").is_none());
}

#[test]
fn membership_is_not_inherited_from_the_owner() {
    let mut directory = directory();
    directory
        .teams
        .insert("qa".into(), BTreeSet::from([PrincipalId(1)]));
    assert!(directory.is_member("qa", PrincipalId(1)));
    assert!(!directory.is_member("qa", PrincipalId(2)));
    assert!(!directory.is_member("nobody", PrincipalId(1)));
}

#[test]
fn principals_are_described_in_words() {
    let directory = directory();
    assert_eq!(directory.describe(PrincipalId(2)), "robot bot");
    assert_eq!(directory.describe(PrincipalId(7)), "unknown principal 7");
}
