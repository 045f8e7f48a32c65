//! Refresh tokens: what docker keeps instead of a password, and what ends one.

use identity::{AuthError, Caller, Error, LogIn, Presented, Scope, Via};
use policy::{Ceiling, Role, VerbKind, Who};
use secrecy::{ExposeSecret as _, SecretString};
use store::accounts::By;
use store::tokens;

use crate::world::{NOW, PASSWORD, World, here, person};

/// A refresh token for whoever presents this.
async fn remembered(world: &World, presented: Presented) -> Option<SecretString> {
    let log_in = log_in(world, presented).await.unwrap();
    world.identity.refresh_token(&log_in, NOW).await.unwrap()
}

async fn log_in(world: &World, presented: Presented) -> Result<LogIn, AuthError> {
    world.identity.log_in(presented, here(), NOW).await
}

fn password(user: &str) -> Presented {
    Presented::Basic {
        user: user.into(),
        secret: PASSWORD.into(),
    }
}

fn is_refused(result: &Result<Caller, AuthError>) -> bool {
    matches!(result, Err(AuthError::Token))
}

#[tokio::test]
async fn a_password_s_refresh_token_stands_for_the_person_but_not_for_the_password() {
    let world = World::new().await;
    let maria = world.person("maria").await;
    let token = remembered(&world, password("maria")).await.unwrap();
    let caller = world.bearer(&token, NOW).await.unwrap();
    assert_eq!(
        (&caller.who, &caller.ceiling, caller.via),
        (&Who::Principal(maria), &Ceiling::All, Via::Refresh)
    );
    assert!(!caller.used_password());
    // It does not end by itself: the protocol gives it no end.
    let in_ten_years = NOW + 10 * 365 * 86_400_000;
    world.bearer(&token, in_ten_years).await.unwrap();
    // It cannot make something that would survive it.
    let made = world
        .try_token(&caller, &By::Oneself(maria), maria, Ceiling::All)
        .await;
    assert!(matches!(made, Err(Error::Refused { .. })), "{made:?}");
    let changed = world
        .identity
        .set_password(
            &caller,
            &By::Oneself(maria),
            maria,
            "another horse".into(),
            NOW,
        )
        .await;
    assert!(matches!(changed, Err(Error::Refused { .. })), "{changed:?}");
}

#[tokio::test]
async fn a_changed_password_ends_it_also_when_it_is_set_to_the_same_again() {
    let world = World::new().await;
    let maria = world.person("maria").await;
    let other = world.person("rita").await;
    let token = remembered(&world, password("maria")).await.unwrap();
    let of_other = remembered(&world, password("rita")).await.unwrap();
    let set = async |id, new: &str| {
        let (caller, by) = (person(id), By::Oneself(id));
        world
            .identity
            .set_password(&caller, &by, id, new.into(), NOW)
            .await
            .unwrap();
    };
    set(maria, PASSWORD).await;
    assert!(is_refused(&world.bearer(&token, NOW).await));
    assert!(world.bearer(&of_other, NOW).await.is_ok());
    set(other, "another horse").await;
    assert!(is_refused(&world.bearer(&of_other, NOW).await));
}

#[tokio::test]
async fn a_closed_account_ends_it_until_it_is_opened() {
    let world = World::new().await;
    let maria = world.person("maria").await;
    let robot = world.robot("ci-shop", maria).await;
    let robots = world.token(robot, Ceiling::All).await.token;
    let tokens = [
        remembered(&world, password("maria")).await.unwrap(),
        remembered(&world, Presented::Bearer(robots)).await.unwrap(),
    ];
    world.set_active(maria, false).await;
    for token in &tokens {
        assert!(is_refused(&world.bearer(token, NOW).await));
    }
    world.set_active(maria, true).await;
    for token in &tokens {
        assert!(world.bearer(token, NOW).await.is_ok());
    }
}

#[tokio::test]
async fn a_token_s_refresh_token_is_limited_as_the_token_and_ends_with_it() {
    let world = World::new().await;
    let admin = world.id("admin").await;
    let robot = world.robot("ci-shop", admin).await;
    world.grant(robot, Role::Maintainer, "**").await;
    let name = "shop/web".parse().unwrap();
    let ceiling = Ceiling::Only(vec![policy::Scope::repository(&name, [VerbKind::Pull])]);
    let created = world.token(robot, ceiling.clone()).await;
    let presented = Presented::Basic {
        user: "ci-shop".into(),
        secret: created.token.clone(),
    };
    let token = remembered(&world, presented).await.unwrap();
    let caller = world.bearer(&token, NOW).await.unwrap();
    assert_eq!((&caller.ceiling, &caller.widest), (&ceiling, &ceiling));
    let scopes = Scope::parse_list("repository:shop/web:pull,push repository:other:pull");
    let refreshed = world.shown_token(&token).await;
    let issued = world.identity.issue(&refreshed, &scopes, NOW).await;
    let issued = issued.unwrap();
    assert_eq!(issued.scope, "repository:shop/web:pull");

    // The tokens of these stories last a day.
    assert!(is_refused(&world.bearer(&token, NOW + 86_400_000).await));
    tokens::revoke(&world.store, &By::Oneself(admin), created.id, NOW)
        .await
        .unwrap();
    assert!(is_refused(&world.bearer(&token, NOW).await));
}

#[tokio::test]
async fn sessions_and_nobody_get_none() {
    let world = World::new().await;
    let admin = world.shown("admin").await;
    let issued = world.identity.issue(&admin, &[], NOW).await;
    let session = Presented::Bearer(issued.unwrap().token);
    for presented in [session, Presented::None] {
        assert!(remembered(&world, presented).await.is_none());
    }
}

#[tokio::test]
async fn with_a_name_it_is_its_owner_s_only_and_elsewhere_it_is_nothing() {
    let (world, elsewhere) = (World::new().await, World::new().await);
    world.person("maria").await;
    let token = remembered(&world, password("admin")).await.unwrap();
    let text = token.expose_secret();
    assert!(world.log_in("admin", text).await.is_ok());
    assert!(is_refused(&world.log_in("maria", text).await));
    assert!(is_refused(&elsewhere.bearer(&token, NOW).await));
    let options = identity::Options {
        service: "another".to_owned(),
        ..identity::Options::default()
    };
    let another = identity::Identity::new(world.store.clone(), options).unwrap();
    let result = another
        .authenticate(Presented::Bearer(token), here(), NOW)
        .await;
    assert!(is_refused(&result));
}

#[tokio::test]
async fn giving_one_is_in_the_audit_log() {
    let world = World::new().await;
    let admin = world.id("admin").await;
    let robot = world.robot("ci-shop", admin).await;
    let created = world.token(robot, Ceiling::All).await;
    remembered(&world, password("admin")).await.unwrap();
    remembered(&world, Presented::Bearer(created.token))
        .await
        .unwrap();
    let rows = store::audit::rows(&world.store, 0, 1_000).await.unwrap();
    let given: Vec<_> = rows
        .iter()
        .filter(|row| row.act == "token.refresh")
        .map(|row| (row.actor.clone(), row.detail["token"].as_i64()))
        .collect();
    assert_eq!(
        given,
        [
            (format!("principal:{admin}"), None),
            (format!("principal:{robot}"), Some(created.id))
        ]
    );
}
