//! Lints over all policies and the directory.

use std::collections::BTreeSet;

use super::*;
use crate::file::{self, Policy};
use crate::gate::testing::{CI_SHOP, HOST, OLAF, POLICY, QUENTIN, directory, policy};
use crate::pattern::Pattern;
use crate::principal::Directory;
use crate::role::{Grant, Grantee, Role};

fn codes(lints: &[Lint]) -> Vec<LintCode> {
    lints.iter().map(|lint| lint.code).collect()
}

fn granted(to: Grantee, role: Role, pattern: &str) -> Directory {
    let mut directory = directory();
    directory.grants.push(Grant {
        to,
        role,
        pattern: Pattern::parse(pattern).expect("a pattern"),
    });
    directory
}

fn ungated() -> Policy {
    policy(&POLICY.replace("stages:", "ungated: ['tools/**']\nstages:"))
}

#[test]
fn codes_are_unique() {
    let names: BTreeSet<&str> = LintCode::ALL.iter().map(|code| code.as_str()).collect();
    assert_eq!(names.len(), LintCode::ALL.len());
    for code in LintCode::ALL {
        assert_eq!(
            serde_json::to_value(code).expect("JSON"),
            serde_json::Value::from(code.as_str())
        );
    }
}

#[test]
fn a_lint_reads_like_one_of_a_compiler() {
    let lint = Lint::new(
        LintCode::UnknownKey,
        Position { line: 3, column: 5 },
        "`x` is not a key",
    );
    assert_eq!(
        lint.to_string(),
        "3:5: error[unknown-key]: `x` is not a key"
    );
    assert_eq!(
        lint.in_policy("shop").to_string(),
        "shop:3:5: error[unknown-key]: `x` is not a key"
    );
    let nowhere = Lint::new(LintCode::NoGates, Position::default(), "no gate").in_policy("shop");
    assert_eq!(nowhere.to_string(), "shop: warning[no-gates]: no gate");
}

#[test]
fn names_that_everybody_has_are_fine() {
    assert_eq!(lint_all(&[policy(POLICY)], &directory()), []);
}

#[test]
fn names_that_nobody_has_are_errors_with_their_place() {
    let mut directory = directory();
    directory.principals.remove(&CI_SHOP);
    directory.teams.remove("production-hosts");
    let lints = lint_all(&[policy(POLICY)], &directory);
    let found: Vec<_> = lints.iter().map(|lint| (lint.line, lint.code)).collect();
    // That nobody can sign for `ci` any more is a warning of its own.
    assert_eq!(
        found,
        [
            (5, LintCode::ThresholdOutOfReach),
            (6, LintCode::UnknownPrincipal),
            (20, LintCode::UnknownPrincipal),
        ],
        "{lints:#?}"
    );
    assert!(lints[1].message.contains("no robot `ci-shop`"));
    assert!(lints[2].message.contains("no team `production-hosts`"));
}

#[test]
fn nobody_answers_for_an_exception_of_an_unknown_owner() {
    let text = format!(
        "{POLICY}exceptions: [{{finding: CVE-1, owner: nobody, reason: r, until: 2030-01-01}}]\n"
    );
    let lints = lint_all(&[policy(&text)], &directory());
    assert_eq!(codes(&lints), [LintCode::UnknownPrincipal]);
}

#[test]
fn too_few_people_for_a_threshold_are_a_warning() {
    let mut directory = directory();
    // Maria and her robot are one, so with Quentin they are two.
    directory
        .teams
        .insert("qa".into(), BTreeSet::from([QUENTIN]));
    assert_eq!(lint_all(&[policy(POLICY)], &directory), []);
    directory.teams.insert("qa".into(), BTreeSet::new());
    let lints = lint_all(&[policy(POLICY)], &directory);
    assert_eq!(codes(&lints), [LintCode::ThresholdOutOfReach]);
    assert!(
        lints[0].message.contains("asks for 2") && lints[0].message.contains("moment 1 can"),
        "{}",
        lints[0]
    );
}

#[test]
fn whoever_is_held_must_not_push_where_no_gate_is() {
    let table = [
        (Grantee::Principal(HOST), Role::Writer, "tools/**", true),
        (Grantee::Principal(HOST), Role::Maintainer, "**", true),
        (Grantee::Principal(HOST), Role::Admin, "**", true),
        (Grantee::Principal(HOST), Role::Writer, "*/git", true),
        (
            Grantee::Team("production-hosts".into()),
            Role::Writer,
            "tools/git",
            true,
        ),
        (Grantee::Principal(HOST), Role::Writer, "shop/**", false),
        (Grantee::Principal(HOST), Role::Reader, "**", false),
        (Grantee::Principal(HOST), Role::Signer, "**", false),
        (Grantee::Principal(OLAF), Role::Writer, "**", false),
        (Grantee::Anonymous, Role::Writer, "**", false),
    ];
    for (to, role, pattern, is_error) in table {
        let lints = lint_all(&[ungated()], &granted(to.clone(), role, pattern));
        let expected: &[LintCode] = if is_error {
            &[LintCode::HeldCanPush]
        } else {
            &[]
        };
        assert_eq!(codes(&lints), expected, "{to:?} {role} {pattern}");
    }
}

#[test]
fn with_everyone_held_only_those_excepted_may_push_there() {
    let text = |except: &str| {
        POLICY
            .replace("stages:", "ungated: ['tools/**']\nstages:")
            .replace(
                "holds-for: [{team: production-hosts}]",
                &format!("holds-for: everyone\n    except: [{except}]"),
            )
    };
    let directory = granted(Grantee::Principal(OLAF), Role::Writer, "tools/**");
    assert_eq!(
        codes(&lint_all(&[policy(&text(""))], &directory)),
        [LintCode::HeldCanPush]
    );
    assert_eq!(lint_all(&[policy(&text("{person: olaf}"))], &directory), []);
}

#[test]
fn a_gate_of_another_policy_holds_as_well() {
    let other = file::load(
        "version: 1\nrepositories: ['lab/**']\nungated: ['tools/**']\n",
        "lab",
    )
    .expect("good");
    let directory = granted(Grantee::Principal(HOST), Role::Writer, "tools/**");
    let lints = lint_all(&[policy(POLICY), other], &directory);
    assert_eq!(codes(&lints), [LintCode::HeldCanPush]);
    assert_eq!(lints[0].policy, "lab");
    assert!(
        lints[0].message.contains("gate production of policy shop"),
        "{}",
        lints[0]
    );
}

#[test]
fn someone_who_left_pushes_nothing() {
    let mut directory = granted(Grantee::Principal(HOST), Role::Writer, "tools/**");
    directory.principals.get_mut(&HOST).expect("there").active = false;
    assert!(!codes(&lint_all(&[ungated()], &directory)).contains(&LintCode::HeldCanPush));
}

#[test]
fn teams_that_a_policy_names_are_known() {
    let policies = [policy(POLICY)];
    assert!(names_team(&policies, "qa"));
    assert!(names_team(&policies, "production-hosts"));
    assert!(!names_team(&policies, "maria"));
    assert!(!names_team(&policies, "developers"));
}
