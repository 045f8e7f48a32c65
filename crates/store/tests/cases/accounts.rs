//! People, robots, teams, grants: names are for ever, every change is seen at once and accounted for.

use policy::{Grantee, Kind, PrincipalId, Role};
use secrecy::{ExposeSecret, SecretString};
use store::accounts::{self, By, NewPrincipal, TeamPermits};
use store::{Error, policies};

use super::world::{ADMIN, JOB, SHOP, World, grant, person, robot};
use crate::fixture::{Fixture, NOW, server_permit};

#[tokio::test]
async fn the_first_start_makes_one_admin_with_every_role() {
    let fixture = Fixture::new().await;
    let hash = SecretString::from("a hash");
    let admin = accounts::bootstrap(&fixture.store, JOB, "admin", &hash, NOW)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        accounts::bootstrap(&fixture.store, JOB, "other", &hash, NOW)
            .await
            .unwrap(),
        None
    );
    let directory = accounts::directory(&fixture.store).await.unwrap();
    assert_eq!(directory.principals.len(), 1);
    for role in Role::ALL {
        assert!(
            directory
                .grants
                .iter()
                .any(|grant| grant.to == Grantee::Principal(admin) && grant.role == *role)
        );
    }
    let login = accounts::principal_password(&fixture.store, "admin")
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (login.id, login.kind, login.active),
        (admin, Kind::Person, true)
    );
    assert_eq!(login.password_hash.unwrap().expose_secret(), "a hash");
    assert!(
        accounts::principal_password(&fixture.store, "other")
            .await
            .unwrap()
            .is_none()
    );
}

#[tokio::test]
async fn a_name_is_taken_once_also_by_another_kind_and_after_closing() {
    let world = World::new().await;
    let permit = server_permit(ADMIN);
    accounts::set_principal_active(world.store(), &permit, world.maria, false, NOW)
        .await
        .unwrap();
    for (kind, owner) in [
        (Kind::Person, None),
        (Kind::Robot, Some(PrincipalId(ADMIN))),
    ] {
        let new = NewPrincipal {
            kind,
            name: "maria".to_owned(),
            owner,
            password_hash: None,
        };
        let error = accounts::create_principal(world.store(), &permit, &new, NOW)
            .await
            .unwrap_err();
        assert!(matches!(error, Error::Conflict { .. }), "{error}");
    }
}

#[tokio::test]
async fn robots_are_owned_by_open_people_and_have_no_password() {
    let world = World::new().await;
    let permit = server_permit(ADMIN);
    accounts::set_principal_active(world.store(), &permit, world.jonas, false, NOW)
        .await
        .unwrap();
    for (kind, owner, password) in [
        (Kind::Robot, None, None),
        (Kind::Robot, Some(world.ci), None),
        (Kind::Robot, Some(world.jonas), None),
        (Kind::Robot, Some(world.maria), Some("hash")),
        (Kind::Person, Some(world.maria), None),
    ] {
        let password_hash = password.map(SecretString::from);
        let new = NewPrincipal {
            kind,
            name: "new".to_owned(),
            owner,
            password_hash,
        };
        let error = accounts::create_principal(world.store(), &permit, &new, NOW)
            .await
            .unwrap_err();
        assert!(matches!(error, Error::Invalid { .. }), "{new:?}: {error}");
    }
    let owner = Some(PrincipalId(99));
    let new = NewPrincipal {
        kind: Kind::Robot,
        name: "new".to_owned(),
        owner,
        password_hash: None,
    };
    let error = accounts::create_principal(world.store(), &permit, &new, NOW)
        .await
        .unwrap_err();
    assert!(matches!(error, Error::NotFound { .. }), "{error}");
}

#[tokio::test]
async fn the_directory_shows_every_change_at_once() {
    let world = World::new().await;
    let before = accounts::directory(world.store()).await.unwrap();
    assert_eq!(before.teams["qa"].len(), 2);
    assert!(before.teams["hosts"].is_empty());
    let again = accounts::directory(world.store()).await.unwrap();
    assert!(
        std::sync::Arc::ptr_eq(&before, &again),
        "nothing changed: the same value"
    );

    world.leave("qa", world.jonas, NOW).await;
    let id = grant(
        world.store(),
        Grantee::Team("qa".to_owned()),
        Role::Signer,
        "shop/**",
    )
    .await;
    accounts::set_principal_active(
        world.store(),
        &server_permit(ADMIN),
        world.maria,
        false,
        NOW,
    )
    .await
    .unwrap();
    let after = accounts::directory(world.store()).await.unwrap();
    assert!(!after.is_member("qa", world.jonas));
    assert!(!after.is_active(world.maria));
    assert!(
        after
            .grants
            .iter()
            .any(|grant| grant.to == Grantee::Team("qa".to_owned()) && grant.role == Role::Signer)
    );

    accounts::remove_grant(world.store(), &server_permit(ADMIN), id, NOW)
        .await
        .unwrap();
    let after = accounts::directory(world.store()).await.unwrap();
    assert!(
        !after
            .grants
            .iter()
            .any(|grant| grant.to == Grantee::Team("qa".to_owned()))
    );
    let error = accounts::remove_grant(world.store(), &server_permit(ADMIN), id, NOW)
        .await
        .unwrap_err();
    assert!(matches!(error, Error::NotFound { .. }), "{error}");
}

#[tokio::test]
async fn a_grant_given_twice_is_one() {
    let world = World::new().await;
    let first = grant(world.store(), Grantee::Anonymous, Role::Reader, "public/**").await;
    assert_eq!(
        grant(world.store(), Grantee::Anonymous, Role::Reader, "public/**").await,
        first
    );
    assert_ne!(
        grant(world.store(), Grantee::Anonymous, Role::Reader, "open/**").await,
        first
    );
    let records = accounts::grants(world.store(), &server_permit(ADMIN), NOW)
        .await
        .unwrap();
    assert_eq!(
        records
            .iter()
            .filter(|record| record.grant.to == Grantee::Anonymous)
            .count(),
        2
    );
}

#[tokio::test]
async fn the_last_admin_cannot_lock_everybody_out() {
    let world = World::new().await;
    let permit = server_permit(ADMIN);
    let admin = PrincipalId(ADMIN);
    let close = accounts::set_principal_active(world.store(), &permit, admin, false, NOW)
        .await
        .unwrap_err();
    assert!(matches!(close, Error::Conflict { .. }), "{close}");
    let grants = accounts::grants(world.store(), &permit, NOW).await.unwrap();
    let own = grants
        .iter()
        .find(|record| record.grant.role == Role::Admin)
        .unwrap()
        .id;
    let remove = accounts::remove_grant(world.store(), &permit, own, NOW)
        .await
        .unwrap_err();
    assert!(matches!(remove, Error::Conflict { .. }), "{remove}");

    grant(
        world.store(),
        Grantee::Team("qa".to_owned()),
        Role::Admin,
        "**",
    )
    .await;
    accounts::remove_grant(world.store(), &permit, own, NOW)
        .await
        .unwrap();
    world.leave("qa", world.jonas, NOW).await;
    let (a, t) = (server_permit(ADMIN), server_permit(ADMIN));
    let permits = TeamPermits {
        accounts: Some(&a),
        teams: Some(&t),
    };
    let leave = accounts::remove_member(world.store(), &permits, "qa", world.maria, NOW)
        .await
        .unwrap_err();
    assert!(matches!(leave, Error::Conflict { .. }), "{leave}");
}

#[tokio::test]
async fn a_team_asks_for_the_permit_of_whoever_answers_for_it() {
    let world = World::new().await;
    world.apply(SHOP).await;
    accounts::create_team(world.store(), &server_permit(ADMIN), "cooks", NOW)
        .await
        .unwrap();
    accounts::create_team(world.store(), &server_permit(ADMIN), "admins", NOW)
        .await
        .unwrap();
    grant(
        world.store(),
        Grantee::Team("admins".to_owned()),
        Role::Admin,
        "**",
    )
    .await;
    let anna = person(world.store(), "anna").await;
    let (a, t) = (server_permit(ADMIN), server_permit(ADMIN));
    let accounts_only = TeamPermits {
        accounts: Some(&a),
        teams: None,
    };
    let teams_only = TeamPermits {
        accounts: None,
        teams: Some(&t),
    };
    // A policy names qa, none names cooks and admins.
    for (team, permits, expect) in [
        ("qa", accounts_only, false),
        ("qa", teams_only, true),
        ("cooks", accounts_only, true),
        ("cooks", teams_only, false),
        ("admins", accounts_only, true),
        ("admins", teams_only, false),
        ("qa", TeamPermits::default(), false),
    ] {
        let outcome = accounts::add_member(world.store(), &permits, team, anna, NOW).await;
        assert_eq!(outcome.is_ok(), expect, "{team} {permits:?}: {outcome:?}");
    }
    // A team that a policy names and that runs the server needs both.
    grant(
        world.store(),
        Grantee::Team("qa".to_owned()),
        Role::Security,
        "**",
    )
    .await;
    for permits in [accounts_only, teams_only] {
        assert!(
            accounts::remove_member(world.store(), &permits, "qa", anna, NOW)
                .await
                .is_err()
        );
    }
    let both = TeamPermits {
        accounts: Some(&a),
        teams: Some(&t),
    };
    accounts::remove_member(world.store(), &both, "qa", anna, NOW)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_team_goes_with_its_grants_unless_a_policy_names_it_or_nobody_would_be_left() {
    let world = World::new().await;
    let (store, permit) = (world.store(), server_permit(ADMIN));
    let delete = async |name: &str| accounts::delete_team(store, &permit, name, NOW).await;
    let given = async |team: &str, role| {
        grant(store, Grantee::Team(team.to_owned()), role, "**").await;
    };
    given("qa", Role::Writer).await;
    given("qa", Role::Reader).await;
    given("hosts", Role::Reader).await;
    world.apply(SHOP).await;
    for named in ["qa", "hosts"] {
        let refused = delete(named).await;
        assert!(
            matches!(refused, Err(Error::Conflict { .. })),
            "{refused:?}"
        );
    }
    policies::remove(store, &server_permit(ADMIN), "shop", NOW)
        .await
        .unwrap();
    delete("qa").await.unwrap();
    let directory = accounts::directory(store).await.unwrap();
    assert_eq!(directory.teams.keys().collect::<Vec<_>>(), ["hosts"]);
    let of_teams: Vec<&Grantee> = directory
        .grants
        .iter()
        .map(|grant| &grant.to)
        .filter(|to| matches!(to, Grantee::Team(_)))
        .collect();
    assert_eq!(of_teams, [&Grantee::Team("hosts".to_owned())]);
    for (act, times) in [
        ("team.delete", 1),
        ("team.remove-member", 2),
        ("grant.remove", 2),
    ] {
        assert_eq!(world.acts(act).await, times, "{act}");
    }
    let gone = delete("qa").await;
    assert!(matches!(gone, Err(Error::NotFound { .. })), "{gone:?}");
    // Made again, it has nobody in it and may do nothing.
    accounts::create_team(store, &permit, "qa", NOW)
        .await
        .unwrap();
    let directory = accounts::directory(store).await.unwrap();
    assert!(directory.teams["qa"].is_empty());

    world.join("qa", world.maria).await;
    given("qa", Role::Admin).await;
    accounts::set_principal_active(store, &permit, PrincipalId(ADMIN), false, NOW)
        .await
        .unwrap();
    let last = delete("qa").await;
    assert!(matches!(last, Err(Error::Conflict { .. })), "{last:?}");
    assert_eq!(world.acts("team.delete").await, 1);
}

#[tokio::test]
async fn a_permit_that_has_ended_does_nothing() {
    let world = World::new().await;
    let permit = server_permit(ADMIN);
    let late = permit.expires_at();
    let new = NewPrincipal {
        kind: Kind::Person,
        name: "late".to_owned(),
        owner: None,
        password_hash: None,
    };
    let error = accounts::create_principal(world.store(), &permit, &new, late)
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Refused { .. }), "{error}");
    assert!(
        accounts::principal_password(world.store(), "late")
            .await
            .unwrap()
            .is_none()
    );
}

#[tokio::test]
async fn passwords_are_changed_by_their_owner_or_an_admin_only() {
    let world = World::new().await;
    let hash = SecretString::from("new hash");
    let permit = server_permit(ADMIN);
    for (by, whose, expect) in [
        (By::Oneself(world.maria), world.maria, true),
        (By::Oneself(world.maria), world.jonas, false),
        (By::Accounts(&permit), world.jonas, true),
        (By::Accounts(&permit), world.ci, false),
    ] {
        let outcome = accounts::set_password(world.store(), &by, whose, Some(&hash), NOW).await;
        assert_eq!(outcome.is_ok(), expect, "{by:?} {whose:?}: {outcome:?}");
    }
}

#[tokio::test]
async fn every_act_has_its_audit_row_and_a_refused_one_has_none() {
    let world = World::new().await;
    let before = world.acts("team.add-member").await;
    assert_eq!(before, 2);
    world.join("qa", world.maria).await;
    assert_eq!(
        world.acts("team.add-member").await,
        before,
        "she was in it already"
    );
    robot(world.store(), "ci-other", world.maria).await;
    assert_eq!(world.acts("principal.create").await, 5);
    let new = NewPrincipal {
        kind: Kind::Person,
        name: "Maria".to_owned(),
        owner: None,
        password_hash: None,
    };
    accounts::create_principal(world.store(), &server_permit(ADMIN), &new, NOW)
        .await
        .unwrap_err();
    assert_eq!(world.acts("principal.create").await, 5);
}
