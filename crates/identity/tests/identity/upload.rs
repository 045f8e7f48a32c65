//! Sessions that end while an upload is under way.

use identity::{AuthError, LogIn, SESSION_SECONDS, Scope, UPLOAD_MILLISECONDS};
use policy::Ceiling;
use secrecy::SecretString;
use store::accounts::By;
use store::tokens;

use crate::world::{NOW, PASSWORD, World, person};

const END: i64 = NOW + SESSION_SECONDS * 1_000;

async fn session(world: &World) -> SecretString {
    world.person("maria").await;
    session_of(world, &world.shown("maria").await).await
}

async fn session_of(world: &World, log_in: &LogIn) -> SecretString {
    let scopes = Scope::parse_list("repository:shop/web:pull,push");
    let issued = world.identity.issue(log_in, &scopes, NOW).await;
    issued.unwrap().token
}

#[tokio::test]
async fn an_ended_session_is_taken_for_an_upload_that_began_in_it_for_a_day() {
    let world = World::new().await;
    let token = session(&world).await;
    let ended = world.bearer(&token, END).await;
    assert!(matches!(ended, Err(AuthError::Ended)), "{ended:?}");
    for (began, now, is_taken) in [
        (NOW, END - 1, true),
        (NOW, END, true),
        (NOW, NOW + UPLOAD_MILLISECONDS - 1, true),
        (NOW, NOW + UPLOAD_MILLISECONDS, false),
        (END - 1, END - 1 + UPLOAD_MILLISECONDS - 1, true),
        // It had ended before the upload began: it was never that upload's.
        (END, END + 1, false),
        // A time that is not yet.
        (END + 2, END + 1, false),
    ] {
        let result = world
            .identity
            .authenticate_for_upload(&token, began, now)
            .await;
        assert_eq!(result.is_ok(), is_taken, "{began} {now}: {result:?}");
        if let Ok(caller) = result {
            let within = world.bearer(&token, NOW).await.unwrap();
            assert_eq!(caller, within);
        }
    }
}

#[tokio::test]
async fn a_closed_account_ends_its_uploads() {
    let world = World::new().await;
    let token = session(&world).await;
    world.set_active(world.id("maria").await, false).await;
    let result = world
        .identity
        .authenticate_for_upload(&token, NOW, END)
        .await;
    assert!(matches!(result, Err(AuthError::Token)), "{result:?}");
}

#[tokio::test]
async fn a_changed_password_ends_its_uploads_with_its_session() {
    let world = World::new().await;
    let token = session(&world).await;
    let refreshed = {
        let log_in = world.shown("maria").await;
        let refresh = world.identity.refresh_token(&log_in, NOW).await.unwrap();
        let refreshed = world.shown_token(&refresh.unwrap()).await;
        session_of(&world, &refreshed).await
    };
    let goes_on = async |token, now| {
        let upload = world.identity.authenticate_for_upload(token, NOW, now);
        upload.await.map(|_| ())
    };
    for token in [&token, &refreshed] {
        goes_on(token, END).await.unwrap();
    }
    // Also to the same one: whoever changes it wants to be rid of somebody.
    let maria = world.id("maria").await;
    let (caller, by) = (person(maria), By::Oneself(maria));
    let identity = &world.identity;
    let changed = identity.set_password(&caller, &by, maria, PASSWORD.into(), NOW);
    changed.await.unwrap();
    for token in [&token, &refreshed] {
        goes_on(token, END - 1).await.unwrap();
        let result = goes_on(token, END).await;
        assert!(matches!(result, Err(AuthError::Token)), "{result:?}");
    }
}

#[tokio::test]
async fn a_revoked_or_ended_token_ends_its_uploads_with_its_session() {
    let world = World::new().await;
    let maria = world.person("maria").await;
    let robot = world.robot("ci-shop", maria).await;
    let (kept, revoked) = (
        world.token(robot, Ceiling::All).await,
        world.token(robot, Ceiling::All).await,
    );
    let mut sessions = Vec::new();
    for created in [&kept, &revoked] {
        let log_in = world.shown_token(&created.token).await;
        sessions.push(session_of(&world, &log_in).await);
    }
    tokens::revoke(&world.store, &By::Oneself(maria), revoked.id, NOW)
        .await
        .unwrap();
    // The tokens of these stories last a day, and so do uploads; this one began a moment later.
    let began = NOW + 1_000;
    for (session, now, is_taken) in [
        (&sessions[0], END, true),
        (&sessions[1], END - 1, true),
        (&sessions[1], END, false),
        (&sessions[0], NOW + UPLOAD_MILLISECONDS - 1, true),
        (&sessions[0], NOW + UPLOAD_MILLISECONDS, false),
    ] {
        let upload = world.identity.authenticate_for_upload(session, began, now);
        let result = upload.await;
        assert_eq!(result.is_ok(), is_taken, "{now}: {result:?}");
    }
}

#[tokio::test]
async fn what_is_no_session_of_ours_is_not_excused() {
    let (world, elsewhere) = (World::new().await, World::new().await);
    let token = session(&elsewhere).await;
    for token in [token, "nonsense".into(), "".into()] {
        let result = world
            .identity
            .authenticate_for_upload(&token, NOW, END)
            .await;
        assert!(matches!(result, Err(AuthError::Token)), "{result:?}");
    }
}
