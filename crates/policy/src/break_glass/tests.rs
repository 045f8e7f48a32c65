//! Who breaks the glass: two people, never one, never a machine.

use super::*;
use crate::gate::testing::{CI_SHOP, DORA, MARIA, MARIA_BOT, OLAF, QUENTIN, RITA, directory};
use crate::role::{Grant, Grantee, Role};

/// The people of the shop: Maria and Rita, and Maria's robot, have the role in `shop/**`, Quentin by a team, Olaf elsewhere.
fn guarded() -> Directory {
    let mut directory = directory();
    let mut grant = |to: Grantee, pattern: &str| {
        directory.grants.push(Grant {
            to,
            role: Role::Security,
            pattern: pattern.parse().expect("a pattern"),
        });
    };
    for id in [MARIA, RITA, MARIA_BOT] {
        grant(Grantee::Principal(id), "shop/**");
    }
    grant(Grantee::Team("guards".to_owned()), "**");
    grant(Grantee::Principal(OLAF), "base/**");
    directory
        .teams
        .insert("guards".to_owned(), [QUENTIN, CI_SHOP].into());
    directory
}

fn confirm(
    directory: &Directory,
    asker: PrincipalId,
    confirmer: PrincipalId,
) -> Result<(), Refused> {
    let repository = "shop/web".parse().expect("a repository");
    may_confirm(directory, asker, confirmer, &repository)
}

#[test]
fn two_people_with_the_role_are_enough_and_one_is_not() {
    let directory = guarded();
    assert_eq!(confirm(&directory, MARIA, RITA), Ok(()));
    assert_eq!(confirm(&directory, RITA, QUENTIN), Ok(()));
    assert_eq!(
        confirm(&directory, MARIA, MARIA),
        Err(Refused::SamePerson("person maria".to_owned()))
    );
}

#[test]
fn no_robot_takes_part_whoever_owns_it() {
    let directory = guarded();
    for (robot, name) in [(MARIA_BOT, "robot maria-bot"), (CI_SHOP, "robot ci-shop")] {
        let refused = Err(Refused::NotAPerson(name.to_owned()));
        assert_eq!(confirm(&directory, MARIA, robot), refused);
        assert_eq!(confirm(&directory, RITA, robot), refused);
        assert_eq!(confirm(&directory, robot, RITA), refused);
        let repository = "shop/web".parse().expect("a repository");
        assert_eq!(may_act(&directory, robot, &repository), refused);
    }
}

#[test]
fn the_roles_are_those_of_the_moment_and_of_the_repository() {
    let no_role = |who: &str| {
        Err(Refused::NoRole {
            who: who.to_owned(),
            repository: "shop/web".parse().expect("a repository"),
        })
    };
    let mut directory = guarded();
    assert_eq!(confirm(&directory, MARIA, DORA), no_role("person dora"));
    assert_eq!(confirm(&directory, MARIA, OLAF), no_role("person olaf"));
    assert_eq!(confirm(&directory, OLAF, MARIA), no_role("person olaf"));
    directory.principals.get_mut(&RITA).expect("there").active = false;
    assert_eq!(confirm(&directory, MARIA, RITA), no_role("person rita"));
    assert_eq!(confirm(&directory, RITA, MARIA), no_role("person rita"));
    directory
        .grants
        .retain(|grant| grant.to != Grantee::Principal(MARIA));
    assert_eq!(
        confirm(&directory, MARIA, QUENTIN),
        no_role("person maria"),
        "who asked has lost the role since"
    );
    assert_eq!(
        confirm(&directory, QUENTIN, PrincipalId(99)),
        Err(Refused::NotAPerson("unknown principal 99".to_owned()))
    );
}

#[test]
fn terms_have_bounds() {
    const HOUR: i64 = 60 * 60 * 1_000;
    let check = |lasts, most| check_terms(lasts, most, "the scanner is broken").is_ok();
    assert!(check(LASTS_MILLISECONDS_MIN, 24 * HOUR) && check(24 * HOUR, 24 * HOUR));
    for lasts in [
        i64::MIN,
        -1,
        0,
        LASTS_MILLISECONDS_MIN - 1,
        24 * HOUR + 1,
        i64::MAX,
    ] {
        assert!(!check(lasts, 24 * HOUR), "{lasts}");
    }
    assert!(check(2 * HOUR, 2 * HOUR) && !check(2 * HOUR + 1, 2 * HOUR));
    assert!(
        !check(25 * HOUR, 48 * HOUR),
        "no server allows more than a day"
    );
    assert_eq!(
        check_terms(3 * HOUR, 90 * 60_000, "x")
            .expect_err("too long")
            .to_string(),
        "it can last from 1 to 90 minutes"
    );
    assert_eq!(check_terms(HOUR, HOUR, "  why \n"), Ok("why"));
    assert_eq!(check_terms(HOUR, HOUR, " \t"), Err(TermsError::NoReason));
    let longest = "ü".repeat(REASON_CHARACTERS_MAX);
    assert_eq!(check_terms(HOUR, HOUR, &longest), Ok(longest.as_str()));
    for reason in [
        &format!("{longest}x"),
        "two\nlines",
        "\u{1b}[31mred",
        "left\u{202e}right",
    ] {
        assert_eq!(
            check_terms(HOUR, HOUR, reason),
            Err(TermsError::Reason),
            "{reason:?}"
        );
    }
}
