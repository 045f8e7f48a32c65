//! Sessions that end while an upload is under way.

use identity::{AuthError, SESSION_SECONDS, Scope, UPLOAD_MILLISECONDS};
use secrecy::SecretString;

use crate::world::{NOW, World, person};

const END: i64 = NOW + SESSION_SECONDS * 1_000;

async fn session(world: &World) -> SecretString {
    let maria = world.person("maria").await;
    let scopes = Scope::parse_list("repository:shop/web:pull,push");
    let issued = world.identity.issue(&person(maria), &scopes, NOW).await;
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
