//! Who may do what, where, with which token, and what stays hidden.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::principal::{Kind, Principal};
use crate::role::{Grant, Role};
use crate::verb::{Attach, Delete, ListCatalog, ManagePolicy, Pull, Push};

const ANNA: PrincipalId = PrincipalId(1);
const BOT: PrincipalId = PrincipalId(2);
const CARL: PrincipalId = PrincipalId(3);

fn directory(grants: &[(Grantee, Role, &str)]) -> Directory {
    let mut directory = Directory::default();
    let people = [
        (ANNA, Kind::Person, None),
        (BOT, Kind::Robot, Some(ANNA)),
        (CARL, Kind::Person, None),
    ];
    for (id, kind, owner) in people {
        let principal = Principal {
            id,
            kind,
            name: format!("p{id}"),
            owner,
            active: true,
        };
        directory.principals.insert(id, principal);
    }
    directory
        .teams
        .insert("devs".into(), BTreeSet::from([CARL]));
    directory.grants = grants
        .iter()
        .map(|(to, role, pattern)| {
            let pattern = Pattern::parse(pattern).expect("a pattern");
            Grant {
                to: to.clone(),
                role: *role,
                pattern,
            }
        })
        .collect();
    directory
}

fn name(text: &str) -> RepositoryName {
    text.parse().expect("a repository")
}

fn may<V: Verb>(
    directory: &Directory,
    who: &Who,
    repository: Option<&str>,
) -> Result<Permit<V>, Refused> {
    access(
        directory,
        who,
        repository.map(name).as_ref(),
        &Ceiling::All,
        false,
        0,
    )
}

#[test]
fn a_permit_carries_who_where_and_until_when() {
    let directory = directory(&[(Grantee::Principal(ANNA), Role::Writer, "shop/**")]);
    let web = name("shop/web");
    let permit: Permit<Push> = access(
        &directory,
        &Who::Principal(ANNA),
        Some(&web),
        &Ceiling::All,
        false,
        1_000,
    )
    .expect("allowed");
    assert_eq!(permit.who(), &Who::Principal(ANNA));
    assert_eq!(permit.actor(), Actor::Principal(ANNA));
    assert_eq!(permit.repository(), Some(&web));
    assert_eq!(permit.expires_at(), 1_000 + PERMIT_MILLISECONDS);
    assert!(permit.is_valid(1_000 + PERMIT_MILLISECONDS - 1));
    assert!(!permit.is_valid(1_000 + PERMIT_MILLISECONDS));
}

#[test]
fn grants_reach_the_repositories_of_their_pattern_and_no_others() {
    let directory = directory(&[(Grantee::Principal(ANNA), Role::Writer, "shop/**")]);
    let anna = Who::Principal(ANNA);
    assert!(may::<Push>(&directory, &anna, Some("shop/web")).is_ok());
    assert!(may::<Push>(&directory, &anna, Some("other/web")).is_err());
    assert!(may::<Delete>(&directory, &anna, Some("shop/web")).is_err());
    assert!(
        may::<Push>(&directory, &Who::Principal(BOT), Some("shop/web")).is_err(),
        "a robot does not inherit"
    );
}

#[test]
fn team_members_have_the_grants_of_the_team() {
    let directory = directory(&[(Grantee::Team("devs".into()), Role::Signer, "**")]);
    assert!(may::<Attach>(&directory, &Who::Principal(CARL), Some("a")).is_ok());
    assert!(may::<Attach>(&directory, &Who::Principal(ANNA), Some("a")).is_err());
}

#[test]
fn the_server_as_a_whole_is_reached_by_two_stars_only() {
    let narrow = directory(&[(Grantee::Principal(ANNA), Role::Security, "shop/**")]);
    let wide = directory(&[(Grantee::Principal(ANNA), Role::Security, "**")]);
    let anna = Who::Principal(ANNA);
    assert!(may::<ManagePolicy>(&narrow, &anna, None).is_err());
    assert!(may::<ManagePolicy>(&wide, &anna, None).is_ok());
}

#[test]
fn someone_with_all_roles_everywhere_can_do_all() {
    let grants: Vec<_> = Role::ALL
        .iter()
        .map(|role| (Grantee::Principal(ANNA), *role, "**"))
        .collect();
    let directory = directory(&grants);
    let all: BTreeSet<VerbKind> = VerbKind::ALL.iter().copied().collect();
    let anna = Who::Principal(ANNA);
    assert_eq!(
        verbs(&directory, &anna, Some(&name("a/b")), &Ceiling::All, false),
        all
    );
    assert_eq!(verbs(&directory, &anna, None, &Ceiling::All, false), all);
}

#[test]
fn a_closed_account_can_do_nothing_and_neither_can_its_robots() {
    let mut directory = directory(&[
        (Grantee::Principal(ANNA), Role::Writer, "**"),
        (Grantee::Principal(BOT), Role::Writer, "**"),
    ]);
    directory.principals.get_mut(&ANNA).expect("there").active = false;
    for who in [
        Who::Principal(ANNA),
        Who::Principal(BOT),
        Who::Principal(PrincipalId(99)),
    ] {
        let refused = may::<Push>(&directory, &who, Some("a")).expect_err("refused");
        assert!(refused.hidden, "{who:?}");
        let none = verbs(&directory, &who, Some(&name("a")), &Ceiling::All, true);
        assert_eq!(none, BTreeSet::new(), "{who:?}");
    }
}

#[test]
fn anonymous_may_pull_when_the_server_says_so_and_nothing_else() {
    let directory = directory(&[]);
    let verbs = |anonymous_pull| {
        verbs(
            &directory,
            &Who::Anonymous,
            Some(&name("a")),
            &Ceiling::All,
            anonymous_pull,
        )
    };
    assert_eq!(verbs(true), BTreeSet::from([VerbKind::Pull]));
    assert_eq!(verbs(false), BTreeSet::new());
}

#[test]
fn a_grant_to_anonymous_gives_pull_there_whatever_the_role() {
    let directory = directory(&[
        (Grantee::Anonymous, Role::Maintainer, "public/**"),
        (Grantee::Anonymous, Role::Admin, "**"),
    ]);
    let verbs = |repository| {
        verbs(
            &directory,
            &Who::Anonymous,
            Some(&name(repository)),
            &Ceiling::All,
            false,
        )
    };
    assert_eq!(verbs("public/web"), BTreeSet::from([VerbKind::Pull]));
    assert_eq!(verbs("shop/web"), BTreeSet::new());
}

#[test]
fn who_may_pull_only_because_everybody_may_does_so_as_anonymous() {
    let directory = directory(&[(Grantee::Principal(CARL), Role::Reader, "**")]);
    let web = name("shop/web");
    let who = |id| {
        let permit: Permit<Pull> = access(
            &directory,
            &Who::Principal(id),
            Some(&web),
            &Ceiling::All,
            true,
            0,
        )
        .expect("allowed");
        permit.who().clone()
    };
    assert_eq!(who(ANNA), Who::Anonymous);
    assert_eq!(who(CARL), Who::Principal(CARL));
}

#[test]
fn a_token_never_allows_more_than_the_roles_nor_more_than_it_says() {
    let directory = directory(&[(Grantee::Principal(ANNA), Role::Writer, "shop/**")]);
    let (web, api) = (name("shop/web"), name("shop/api"));
    let ceiling = Ceiling::Only(vec![Scope::repository(
        &web,
        [VerbKind::Pull, VerbKind::Delete],
    )]);
    let may = |repository| {
        verbs(
            &directory,
            &Who::Principal(ANNA),
            Some(repository),
            &ceiling,
            true,
        )
    };
    assert_eq!(may(&web), BTreeSet::from([VerbKind::Pull]));
    assert_eq!(may(&api), BTreeSet::new());
    assert_eq!(
        verbs(
            &directory,
            &Who::Principal(ANNA),
            Some(&web),
            &Ceiling::Only(vec![]),
            true
        ),
        BTreeSet::new()
    );
}

#[test]
fn a_token_for_the_catalog_reaches_the_server() {
    let directory = directory(&[(Grantee::Principal(ANNA), Role::Auditor, "**")]);
    let anna = Who::Principal(ANNA);
    let everywhere = Ceiling::Only(vec![Scope::everywhere([VerbKind::ListCatalog])]);
    let one = Ceiling::Only(vec![Scope::repository(&name("a"), [VerbKind::ListCatalog])]);
    assert!(access::<ListCatalog>(&directory, &anna, None, &everywhere, false, 0).is_ok());
    assert!(access::<ListCatalog>(&directory, &anna, None, &one, false, 0).is_err());
}

#[test]
fn a_repository_is_hidden_from_those_who_can_do_nothing_with_it() {
    let directory = directory(&[
        (Grantee::Principal(ANNA), Role::Reader, "shop/**"),
        (Grantee::Principal(CARL), Role::Auditor, "**"),
        (Grantee::Principal(BOT), Role::Admin, "**"),
    ]);
    let hidden = |who: Who, repository: &str| {
        let refused = may::<Push>(&directory, &who, Some(repository)).expect_err("refused");
        assert_eq!(
            refused.hidden,
            !sees(&directory, &who, &name(repository), &Ceiling::All, false)
        );
        refused.hidden
    };
    assert!(
        !hidden(Who::Principal(ANNA), "shop/web"),
        "she may pull, so she may know that she may not push"
    );
    assert!(hidden(Who::Principal(ANNA), "secret/web"));
    assert!(!hidden(Who::Principal(CARL), "secret/web"));
    assert!(
        !hidden(Who::Principal(BOT), "secret/web"),
        "an admin lists the catalog"
    );
    assert!(hidden(Who::Anonymous, "shop/web"));
    assert!(
        !may::<ManagePolicy>(&directory, &Who::Principal(ANNA), None)
            .expect_err("refused")
            .hidden
    );
}

#[test]
fn a_token_hides_what_it_does_not_reach() {
    let directory = directory(&[(Grantee::Principal(ANNA), Role::Writer, "**")]);
    let ceiling = Ceiling::Only(vec![Scope::repository(&name("shop/web"), [VerbKind::Pull])]);
    let refused = access::<Pull>(
        &directory,
        &Who::Principal(ANNA),
        Some(&name("shop/api")),
        &ceiling,
        false,
        0,
    );
    assert!(refused.expect_err("refused").hidden);
}

#[test]
fn a_refusal_is_a_sentence() {
    let refused = Refused {
        verb: VerbKind::DeleteEvidence,
        hidden: false,
    };
    assert_eq!(
        refused.to_string(),
        "you may not `delete-evidence` here: it takes the role maintainer, and a token that is not limited to less; ask an admin for a grant"
    );
}

fn grants() -> impl Strategy<Value = Vec<(Grantee, Role, &'static str)>> {
    let to = prop::sample::select(vec![
        Grantee::Principal(ANNA),
        Grantee::Principal(BOT),
        Grantee::Team("devs".into()),
        Grantee::Anonymous,
    ]);
    let pattern = prop::sample::select(vec!["**", "shop/**", "shop/web", "tools/*"]);
    prop::collection::vec(
        (to, prop::sample::select(Role::ALL.to_vec()), pattern),
        0..6,
    )
}

proptest! {
    #[test]
    fn one_more_grant_never_takes_anything_away(
        some in grants(), more in grants(), anonymous_pull in any::<bool>(),
        who in prop::sample::select(vec![Who::Anonymous, Who::Principal(ANNA), Who::Principal(BOT), Who::Principal(CARL)]),
        repository in prop::sample::select(vec![None, Some("shop/web"), Some("tools/x"), Some("a")]),
    ) {
        let repository = repository.map(name);
        let before = verbs(&directory(&some), &who, repository.as_ref(), &Ceiling::All, anonymous_pull);
        let all = directory(&[some, more].concat());
        let after = verbs(&all, &who, repository.as_ref(), &Ceiling::All, anonymous_pull);
        prop_assert!(before.is_subset(&after));
        if who == Who::Anonymous {
            prop_assert!(after.iter().all(|verb| *verb == VerbKind::Pull));
        }
    }

    #[test]
    fn a_narrower_token_never_gives_more(
        grants in grants(),
        scoped in prop::sample::subsequence(VerbKind::ALL.to_vec(), 0..VerbKind::ALL.len()),
    ) {
        let directory = directory(&grants);
        let web = name("shop/web");
        let ceiling = Ceiling::Only(vec![Scope::repository(&web, scoped.clone())]);
        let anna = Who::Principal(ANNA);
        let narrow = verbs(&directory, &anna, Some(&web), &ceiling, false);
        let wide = verbs(&directory, &anna, Some(&web), &Ceiling::All, false);
        let expected: BTreeSet<VerbKind> = wide.into_iter().filter(|verb| scoped.contains(verb)).collect();
        prop_assert_eq!(narrow, expected);
    }
}
