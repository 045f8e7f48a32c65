//! Making accounts and tokens, and the ways in which a stolen token would like to do so.

use identity::{Caller, Error, Via};
use policy::verb::ManageAccounts;
use policy::{Ceiling, Scope, VerbKind, Who};
use secrecy::ExposeSecret;
use store::accounts::By;

use crate::world::{NOW, PASSWORD, World, person};

#[tokio::test]
async fn the_first_admin_is_made_once() {
    let world = World::empty().await;
    assert!(world.log_in("admin", PASSWORD).await.is_err());
    let made_up = world
        .identity
        .bootstrap_admin(None, NOW)
        .await
        .unwrap()
        .unwrap();
    world
        .log_in("admin", made_up.expose_secret())
        .await
        .unwrap();
    assert!(
        world
            .identity
            .bootstrap_admin(None, NOW)
            .await
            .unwrap()
            .is_none()
    );
    assert!(
        world
            .identity
            .bootstrap_admin(Some(PASSWORD.into()), NOW)
            .await
            .unwrap()
            .is_none()
    );
    assert!(world.log_in("admin", PASSWORD).await.is_err());
    world
        .log_in("admin", made_up.expose_secret())
        .await
        .unwrap();
}

#[tokio::test]
async fn an_admin_s_password_must_be_one_too() {
    let world = World::empty().await;
    let result = world
        .identity
        .bootstrap_admin(Some("short".into()), NOW)
        .await;
    assert!(matches!(result, Err(Error::Password { .. })), "{result:?}");
}

#[tokio::test]
async fn a_password_is_made_up_when_none_is_given() {
    let world = World::new().await;
    let permit = world.permit::<ManageAccounts>().await;
    let created = world
        .identity
        .create_user(&permit, "maria", None, NOW)
        .await
        .unwrap();
    let password = created.password.unwrap();
    assert_eq!(
        world
            .log_in("maria", password.expose_secret())
            .await
            .unwrap(),
        person(created.id)
    );
    let given = world
        .identity
        .create_user(&permit, "bob", Some(PASSWORD.into()), NOW)
        .await
        .unwrap();
    assert!(given.password.is_none());
    let again = world.identity.create_user(&permit, "bob", None, NOW).await;
    assert!(
        matches!(again, Err(Error::Store(store::Error::Conflict { .. }))),
        "{again:?}"
    );
}

#[tokio::test]
async fn tokens_are_made_for_oneself_and_one_s_robots() {
    let world = World::new().await;
    let (maria, bob) = (world.person("maria").await, world.person("bob").await);
    let robot = world.robot("ci-shop", maria).await;
    for principal in [maria, robot] {
        let made = world
            .try_token(&person(maria), &By::Oneself(maria), principal, Ceiling::All)
            .await;
        let token = made.unwrap().token;
        assert_eq!(
            world.bearer(&token, NOW).await.unwrap().who,
            Who::Principal(principal)
        );
    }
    let foreign = world
        .try_token(&person(bob), &By::Oneself(bob), robot, Ceiling::All)
        .await;
    assert!(
        matches!(foreign, Err(Error::Store(store::Error::Refused { .. }))),
        "{foreign:?}"
    );
}

#[tokio::test]
async fn whoever_manages_accounts_makes_tokens_for_robots_but_not_for_people() {
    let world = World::new().await;
    let (admin, maria) = (world.id("admin").await, world.person("maria").await);
    let robot = world.robot("ci-shop", maria).await;
    let permit = world.permit::<ManageAccounts>().await;
    world
        .try_token(&person(admin), &By::Accounts(&permit), robot, Ceiling::All)
        .await
        .unwrap();
    let for_person = world
        .try_token(&person(admin), &By::Accounts(&permit), maria, Ceiling::All)
        .await;
    assert!(
        matches!(for_person, Err(Error::Refused { .. })),
        "{for_person:?}"
    );
}

#[tokio::test]
async fn a_stolen_token_cannot_make_itself_a_longer_life() {
    let world = World::new().await;
    let maria = world.person("maria").await;
    let robot = world.robot("ci-shop", maria).await;
    let of_robot = Caller {
        who: Who::Principal(robot),
        ceiling: Ceiling::All,
        widest: Ceiling::All,
        via: Via::Token { id: 1 },
    };
    let ceiling = Ceiling::Only(vec![Scope::everywhere([VerbKind::Pull])]);
    let limited = Caller {
        who: Who::Principal(maria),
        widest: ceiling.clone(),
        ceiling,
        via: Via::Token { id: 2 },
    };
    let nobody = Caller::anonymous();
    for caller in [of_robot, limited, nobody] {
        let own = caller.who.principal().unwrap_or(maria);
        let result = world
            .try_token(&caller, &By::Oneself(own), own, Ceiling::All)
            .await;
        assert!(
            matches!(result, Err(Error::Refused { .. })),
            "{caller:?}: {result:?}"
        );
    }
}

#[tokio::test]
async fn a_token_cannot_change_its_own_account_s_password() {
    let world = World::new().await;
    let maria = world.person("maria").await;
    let by = By::Oneself(maria);
    let with_token = Caller {
        via: Via::Token { id: 1 },
        ..person(maria)
    };
    let new = "battery staple";
    let refused = world
        .identity
        .set_password(&with_token, &by, maria, new.into(), NOW)
        .await;
    assert!(matches!(refused, Err(Error::Refused { .. })), "{refused:?}");
    world.log_in("maria", PASSWORD).await.unwrap();
    world
        .identity
        .set_password(&person(maria), &by, maria, new.into(), NOW)
        .await
        .unwrap();
    world.log_in("maria", new).await.unwrap();
    let weak = world
        .identity
        .set_password(&person(maria), &by, maria, "weak".into(), NOW)
        .await;
    assert!(matches!(weak, Err(Error::Password { .. })), "{weak:?}");
}
