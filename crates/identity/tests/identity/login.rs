//! Logging in: with passwords, with tokens, and not at all.

use std::net::IpAddr;

use identity::{AuthError, Caller, Presented, Via};
use policy::verb::ManageAccounts;
use policy::{Ceiling, Scope, VerbKind, Who};
use secrecy::ExposeSecret;
use store::accounts::{self, By};
use store::tokens;

use crate::world::{NOW, PASSWORD, World, here, person};

fn is_refused(result: &Result<Caller, AuthError>) -> bool {
    matches!(result, Err(AuthError::Credentials | AuthError::Token))
}

#[tokio::test]
async fn nothing_presented_is_someone_anonymous() {
    let world = World::new().await;
    let caller = world
        .identity
        .authenticate(Presented::None, here(), NOW)
        .await
        .unwrap();
    assert_eq!(caller, Caller::anonymous());
    assert_eq!(
        (caller.who.clone(), caller.used_password()),
        (Who::Anonymous, false)
    );
}

#[tokio::test]
async fn a_password_says_who_it_is() {
    let world = World::new().await;
    let caller = world.log_in("admin", PASSWORD).await.unwrap();
    assert_eq!(caller, person(world.id("admin").await));
    assert!(caller.used_password());
}

#[tokio::test]
async fn wrong_credentials_are_refused_in_the_same_words() {
    let world = World::new().await;
    let maria = world.person("maria").await;
    world.robot("ci-shop", maria).await;
    let closed = world.person("closed").await;
    world.set_active(closed, false).await;
    let mut answers = Vec::new();
    for (user, password) in [
        ("maria", "wrong horse"),
        ("maria", ""),
        ("Maria", PASSWORD),
        ("nobody", PASSWORD),
        ("", PASSWORD),
        ("closed", PASSWORD),
        ("ci-shop", PASSWORD),
        ("ci-shop", ""),
        ("maria'; --", PASSWORD),
    ] {
        let result = world.log_in(user, password).await;
        assert!(
            matches!(result, Err(AuthError::Credentials)),
            "{user}: {result:?}"
        );
        answers.push(result.unwrap_err().to_string());
    }
    answers.dedup();
    assert_eq!(answers.len(), 1);
}

#[tokio::test]
async fn a_password_longer_than_any_is_refused_without_reading_it() {
    let world = World::new().await;
    assert!(is_refused(
        &world.log_in("admin", &"x".repeat(1_000_000)).await
    ));
    assert!(is_refused(
        &world
            .log_in("admin", &format!("{PASSWORD}{}", " ".repeat(2_000)))
            .await
    ));
}

#[tokio::test]
async fn after_ten_failures_also_the_right_password_has_to_wait() {
    let world = World::new().await;
    for _ in 0..10 {
        assert!(is_refused(&world.log_in("admin", "wrong horse").await));
    }
    for password in ["wrong horse", PASSWORD] {
        match world.log_in_at("admin", password, NOW + 20_000).await {
            Err(AuthError::TooMany {
                retry_after_seconds,
            }) => assert_eq!(retry_after_seconds, 40),
            other => panic!("{other:?}"),
        }
    }
    // Not from elsewhere, and not for ever.
    let elsewhere = Presented::Basic {
        user: "admin".into(),
        secret: PASSWORD.into(),
    };
    world
        .identity
        .authenticate(elsewhere, [192, 0, 2, 2].into(), NOW + 20_000)
        .await
        .unwrap();
    world
        .log_in_at("admin", PASSWORD, NOW + 60_000)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_thousand_guesses_at_once_are_ten_guesses() {
    let world = World::new().await;
    let guesses = (0..40).map(|n| {
        let identity = world.identity.clone();
        tokio::spawn(async move {
            let presented = Presented::Basic {
                user: "admin".into(),
                secret: format!("guess number {n}").into(),
            };
            identity.authenticate(presented, here(), NOW).await
        })
    });
    let mut looked_at = 0;
    for guess in guesses.collect::<Vec<_>>() {
        match guess.await.unwrap() {
            Err(AuthError::Credentials) => looked_at += 1,
            Err(AuthError::TooMany { .. }) => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(looked_at, 10);
}

#[tokio::test]
async fn whoever_was_sent_away_by_a_crowd_has_not_failed() {
    let world = World::new().await;
    let guess = |peer: u8| {
        let identity = world.identity.clone();
        async move {
            let presented = Presented::Basic {
                user: "admin".into(),
                secret: "wrong horse".into(),
            };
            let peer = IpAddr::from([192, 0, 2, peer]);
            identity.authenticate(presented, peer, NOW).await
        }
    };
    let crowd = (0..=255_u8).map(|peer| (peer, tokio::spawn(guess(peer))));
    let mut sent_away = None;
    for (peer, guess) in crowd.collect::<Vec<_>>() {
        if matches!(guess.await.unwrap(), Err(AuthError::TooMany { .. })) {
            sent_away = Some(peer);
        }
    }
    let sent_away = sent_away.expect("not everybody has a place to wait");
    for _ in 0..10 {
        assert!(is_refused(&guess(sent_away).await));
    }
    let more = guess(sent_away).await;
    assert!(matches!(more, Err(AuthError::TooMany { .. })), "{more:?}");
}

#[tokio::test]
async fn a_password_that_was_just_right_stops_being_so_when_it_changes() {
    let world = World::new().await;
    let maria = world.person("maria").await;
    world.log_in("maria", PASSWORD).await.unwrap();
    let permit = world.permit::<ManageAccounts>().await;
    let admin = person(world.id("admin").await);
    let by = By::Accounts(&permit);
    world
        .identity
        .set_password(&admin, &by, maria, "battery staple".into(), NOW)
        .await
        .unwrap();
    assert!(is_refused(&world.log_in("maria", PASSWORD).await));
    world.log_in("maria", "battery staple").await.unwrap();
    world.set_active(maria, false).await;
    assert!(is_refused(&world.log_in("maria", "battery staple").await));
    world.set_active(maria, true).await;
    accounts::set_password(&world.store, &by, maria, None, NOW)
        .await
        .unwrap();
    assert!(is_refused(&world.log_in("maria", "battery staple").await));
}

#[tokio::test]
async fn a_right_password_is_not_locked_out_by_the_neighbour() {
    let world = World::new().await;
    world.log_in("admin", PASSWORD).await.unwrap();
    for _ in 0..10 {
        let _ = world.log_in("admin", "wrong horse").await;
    }
    // It was right less than a minute ago, so it need not be guessed.
    world
        .log_in_at("admin", PASSWORD, NOW + 30_000)
        .await
        .unwrap();
}

#[tokio::test]
async fn tokens_work_as_bearer_and_in_the_password_s_place_under_their_own_name_only() {
    let world = World::new().await;
    let maria = world.person("maria").await;
    let robot = world.robot("ci-shop", maria).await;
    let ceiling = Ceiling::Only(vec![Scope::everywhere([VerbKind::Pull])]);
    let token = world.token(robot, ceiling.clone()).await;
    let expected = Caller {
        who: Who::Principal(robot),
        widest: ceiling.clone(),
        ceiling,
        via: Via::Token { id: token.id },
    };
    assert_eq!(world.bearer(&token.token, NOW).await.unwrap(), expected);
    assert!(!expected.used_password());
    let text = token.token.expose_secret();
    assert_eq!(world.log_in("ci-shop", text).await.unwrap(), expected);
    for user in ["maria", "admin", "nobody", ""] {
        assert!(is_refused(&world.log_in(user, text).await), "{user}");
    }
    assert!(is_refused(
        &world.log_in("ci-shop", &format!("{text}x")).await
    ));
    assert!(is_refused(&world.log_in("ci-shop", "cst_").await));
}

#[tokio::test]
async fn tokens_end_with_time_revocation_their_account_and_its_owner() {
    let world = World::new().await;
    let maria = world.person("maria").await;
    let robot = world.robot("ci-shop", maria).await;
    let token = world.token(robot, Ceiling::All).await;
    assert!(world.bearer(&token.token, NOW + 86_399_999).await.is_ok());
    assert!(is_refused(
        &world.bearer(&token.token, NOW + 86_400_000).await
    ));

    world.set_active(robot, false).await;
    assert!(is_refused(&world.bearer(&token.token, NOW).await));
    world.set_active(robot, true).await;
    assert!(world.bearer(&token.token, NOW).await.is_ok());

    world.set_active(maria, false).await;
    assert!(is_refused(&world.bearer(&token.token, NOW).await));
    assert!(is_refused(
        &world.log_in("ci-shop", token.token.expose_secret()).await
    ));
    world.set_active(maria, true).await;

    tokens::revoke(&world.store, &By::Oneself(maria), token.id, NOW)
        .await
        .unwrap();
    assert!(is_refused(&world.bearer(&token.token, NOW).await));
}

#[tokio::test]
async fn the_store_holds_no_secret() {
    let world = World::new().await;
    let maria = world.person("maria").await;
    let token = world.token(maria, Ceiling::All).await;
    let login = accounts::principal_password(&world.store, "maria")
        .await
        .unwrap()
        .unwrap();
    assert!(
        login
            .password_hash
            .unwrap()
            .expose_secret()
            .starts_with("$argon2id$")
    );
    let listed = tokens::list(&world.store, &By::Oneself(maria), maria, NOW)
        .await
        .unwrap();
    assert!(!format!("{listed:?}").contains(token.token.expose_secret()));
    assert!(
        tokens::token_by_hash(&world.store, token.token.expose_secret(), NOW)
            .await
            .unwrap()
            .is_none()
    );
}
