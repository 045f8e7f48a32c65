//! `/readyz`: what it looks at, and that it says so.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::body::{Body, to_bytes};
use axum::http::Request;
use serde_json::{Value, json};
use server::{App, AppOptions, router};
use tower::ServiceExt;

use crate::world::{NOW, World, app};

async fn ready(app: &App, accept: &str) -> (u16, String) {
    let request = Request::get("/readyz").header("accept", accept);
    let request = request.body(Body::empty()).unwrap();
    let answer = router::build(app.clone()).oneshot(request).await.unwrap();
    let status = answer.status().as_u16();
    let body = to_bytes(answer.into_body(), 1 << 16).await.unwrap();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn a_server_that_can_serve_says_so_in_words_and_in_json() {
    let world = World::new().await;
    let (status, text) = ready(&world.app, "*/*").await;
    assert_eq!(
        (status, text.as_str()),
        (200, "database: ok\ndata: ok\naudit: ok\njobs: ok\nready\n")
    );
    let (status, text) = ready(&world.app, "application/json").await;
    let report: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((status, &report["ready"]), (200, &json!(true)));
    assert_eq!(report["checks"][0]["name"], "database");
    let left = std::fs::read_dir(world.folder.path().join("uploads")).unwrap();
    assert_eq!(left.count(), 0, "trying to write leaves nothing behind");
}

#[tokio::test]
async fn a_full_disk_a_lost_folder_and_a_lost_database_are_noticed() {
    let world = World::new().await;
    let no_room = AppOptions {
        room_bytes_min: u64::MAX,
        ..AppOptions::default()
    };
    let (status, text) = ready(&app(&world.store, &world.clock, no_room), "*/*").await;
    assert_eq!(status, 503);
    assert!(
        text.contains("data: failed: there is too little room"),
        "{text}"
    );
    assert!(text.ends_with("not ready\n"), "{text}");

    std::fs::remove_dir(world.folder.path().join("uploads")).unwrap();
    let fresh = || app(&world.store, &world.clock, AppOptions::default());
    let (status, text) = ready(&fresh(), "*/*").await;
    assert_eq!(status, 503);
    assert!(text.contains("data: failed: the folder cannot"), "{text}");
    let path = world.folder.path().to_str().unwrap();
    assert!(!text.contains(path), "{text}");

    world.store.close().await;
    let (status, text) = ready(&fresh(), "*/*").await;
    assert_eq!(status, 503);
    assert!(text.contains("database: failed"), "{text}");
}

#[tokio::test]
async fn acts_that_are_not_sealed_make_it_unready_and_jobs_that_wait_do_not() {
    let world = World::new().await;
    world.push("shop/web", "1").await;
    let at = |milliseconds: i64| {
        world.clock.store(NOW + milliseconds, Ordering::SeqCst);
        app(
            &world.store,
            &Arc::clone(&world.clock),
            AppOptions::default(),
        )
    };
    let (status, text) = ready(&at(59_000), "*/*").await;
    assert_eq!(status, 200, "{text}");
    let (status, text) = ready(&at(61_000), "*/*").await;
    assert_eq!(status, 503);
    assert!(text.contains("audit: failed"), "{text}");

    store::audit::seal(&world.store, NOW).await.unwrap();
    let (status, text) = ready(&at(16 * 60_000), "*/*").await;
    assert_eq!(status, 200, "{text}");
    assert!(text.contains("audit: ok\njobs: warning: "), "{text}");
}
