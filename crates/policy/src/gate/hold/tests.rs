//! Stories of those who are held, and of ways around.

use std::collections::BTreeSet;

use super::*;
use crate::file;
use crate::principal::{Kind, Principal};

const ALICE: PrincipalId = PrincipalId(1);
const HOST: PrincipalId = PrincipalId(2);
const ALICES_BOT: PrincipalId = PrincipalId(3);
const BOB: PrincipalId = PrincipalId(4);
const CI: PrincipalId = PrincipalId(5);

fn directory() -> Directory {
    let mut directory = Directory::default();
    let all = [
        (ALICE, Kind::Person, "alice", None),
        (BOB, Kind::Person, "bob", None),
        (HOST, Kind::Robot, "host", Some(BOB)),
        (CI, Kind::Robot, "ci", Some(BOB)),
        (ALICES_BOT, Kind::Robot, "alices-bot", Some(ALICE)),
    ];
    for (id, kind, name, owner) in all {
        let principal = Principal {
            id,
            kind,
            name: name.into(),
            owner,
            active: true,
        };
        directory.principals.insert(id, principal);
    }
    directory
        .teams
        .insert("hosts".into(), BTreeSet::from([HOST, ALICE]));
    directory
        .teams
        .insert("builders".into(), BTreeSet::from([CI]));
    directory
}

fn policy(name: &str, repositories: &str, gates: &str, ungated: &str) -> Policy {
    let text = format!(
        "version: 1\nrepositories: [{repositories}]\nungated: [{ungated}]\nstages: {{ci: {{signers: [{{robot: ci}}]}}}}\ngates: {{{gates}}}\n"
    );
    file::load(&text, name).unwrap_or_else(|lints| panic!("{lints:?}"))
}

fn listed(mode: &str) -> String {
    format!("production: {{holds-for: [{{team: hosts}}], require: [ci], mode: {mode}}}")
}

fn hold_of(policies: &[Policy], who: &Who, repository: &str) -> Hold {
    hold(
        policies,
        &directory(),
        who,
        &repository.parse().expect("a repository"),
    )
}

fn production() -> Hold {
    Hold::Gates(vec![(0, "production".into())])
}

#[test]
fn without_policies_nobody_is_held() {
    for who in [Who::Anonymous, Who::Principal(HOST)] {
        assert_eq!(hold_of(&[], &who, "shop/web"), Hold::Free);
    }
    let without_gates = policy("p", "shop/**", "", "");
    assert_eq!(
        hold_of(&[without_gates], &Who::Anonymous, "shop/web"),
        Hold::Free
    );
}

#[test]
fn a_list_holds_those_it_names_the_robots_of_those_and_everyone_who_logs_out() {
    let policies = [policy("p", "shop/**", &listed("enforce"), "")];
    let table = [
        (Who::Principal(HOST), production()),
        (Who::Principal(ALICE), production()),
        (Who::Principal(ALICES_BOT), production()),
        (Who::Anonymous, production()),
        (Who::Principal(BOB), Hold::Free),
        (Who::Principal(CI), Hold::Free),
    ];
    for (who, expected) in table {
        assert_eq!(hold_of(&policies, &who, "shop/web"), expected, "{who:?}");
    }
}

#[test]
fn a_copy_where_no_policy_is_does_not_pass() {
    let policies = [policy("p", "shop/**", &listed("enforce"), "")];
    assert_eq!(
        hold_of(&policies, &Who::Principal(HOST), "copy/web"),
        Hold::NoPolicy
    );
    assert_eq!(
        hold_of(&policies, &Who::Anonymous, "copy/web"),
        Hold::NoPolicy
    );
    assert_eq!(
        hold_of(&policies, &Who::Principal(BOB), "copy/web"),
        Hold::Free
    );
}

#[test]
fn a_copy_where_the_policy_holds_others_does_not_pass() {
    let others = "internal: {holds-for: [{robot: ci}], require: [ci]}";
    let policies = [
        policy("p", "shop/**", &listed("enforce"), ""),
        policy("q", "lab/**", others, ""),
    ];
    assert_eq!(
        hold_of(&policies, &Who::Principal(HOST), "lab/web"),
        Hold::NoPolicy
    );
    assert_eq!(
        hold_of(&policies, &Who::Anonymous, "lab/web"),
        Hold::Gates(vec![(1, "internal".into())])
    );
}

#[test]
fn what_is_listed_as_ungated_is_free_unless_a_gate_holds_there() {
    let policies = [policy(
        "p",
        "shop/**",
        &listed("enforce"),
        "'tools/**', shop/web",
    )];
    assert_eq!(
        hold_of(&policies, &Who::Principal(HOST), "tools/git"),
        Hold::Ungated
    );
    assert_eq!(
        hold_of(&policies, &Who::Anonymous, "tools/git"),
        Hold::Ungated
    );
    assert_eq!(
        hold_of(&policies, &Who::Principal(HOST), "shop/web"),
        production()
    );
}

#[test]
fn all_matching_gates_of_all_matching_policies_hold() {
    let two = format!(
        "{}, audit: {{holds-for: everyone, require: [ci]}}",
        listed("enforce")
    );
    let policies = [
        policy("p", "shop/**", &two, ""),
        policy("q", "'**'", &listed("enforce"), ""),
    ];
    let expected = vec![
        (0, "audit".to_owned()),
        (0, "production".to_owned()),
        (1, "production".to_owned()),
    ];
    assert_eq!(
        hold_of(&policies, &Who::Principal(HOST), "shop/web"),
        Hold::Gates(expected)
    );
    assert_eq!(
        hold_of(&policies, &Who::Principal(BOB), "shop/web"),
        Hold::Gates(vec![(0, "audit".into())])
    );
    // Bob is held by `audit` in the shop, so elsewhere a gate must hold him too.
    assert_eq!(
        hold_of(&policies, &Who::Principal(BOB), "copy/web"),
        Hold::NoPolicy
    );
}

#[test]
fn everyone_means_everyone_but_those_excepted_and_never_excepts_anonymous() {
    let gates = "production: {holds-for: everyone, except: [{team: builders}, {person: bob}], require: [ci]}";
    let policies = [policy("p", "shop/**", gates, "")];
    let table = [
        (Who::Principal(HOST), production()),
        (Who::Principal(CI), Hold::Free),
        (Who::Principal(BOB), Hold::Free),
        (Who::Principal(PrincipalId(99)), production()),
        (Who::Anonymous, production()),
    ];
    for (who, expected) in table {
        assert_eq!(hold_of(&policies, &who, "shop/web"), expected, "{who:?}");
    }
}

#[test]
fn an_exception_for_a_person_does_not_free_their_robots() {
    let gates = "production: {holds-for: everyone, except: [{person: bob}], require: [ci]}";
    let policies = [policy("p", "shop/**", gates, "")];
    assert_eq!(
        hold_of(&policies, &Who::Principal(HOST), "shop/web"),
        production()
    );
}

#[test]
fn a_gate_that_is_only_tried_out_refuses_nothing_elsewhere() {
    for mode in ["dry-run", "warn"] {
        let policies = [policy("p", "shop/**", &listed(mode), "")];
        assert_eq!(
            hold_of(&policies, &Who::Principal(HOST), "shop/web"),
            production()
        );
        assert_eq!(
            hold_of(&policies, &Who::Principal(HOST), "copy/web"),
            Hold::Free
        );
        assert_eq!(hold_of(&policies, &Who::Anonymous, "copy/web"), Hold::Free);
    }
}
