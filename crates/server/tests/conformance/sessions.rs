//! Docker's token protocol (distribution `docs/spec/auth/token`, `oauth`, `scope`): what clients ask for a session with, what
//! they get, and what happens when it ends.

use identity::SESSION_SECONDS;
use oci::Digest;
use serde_json::{Value, json};
use server::AppOptions;

use crate::world::{Answer, PASSWORD, World, basic, closing};

const SCOPE: &str = "repository:shop/web:pull,push";

async fn get(world: &World, authorization: &str, query: &str) -> Answer {
    let path = format!("/token?{query}");
    world.ask_with(authorization, "GET", &path).empty().await
}

async fn post(world: &World, form: &str) -> Answer {
    world
        .ask_as_nobody("POST", "/token")
        .with("content-type", "application/x-www-form-urlencoded")
        .body(form.to_owned())
        .await
}

/// A form of `grant_type=password` for `admin`.
fn password_form(more: &str) -> String {
    let password = PASSWORD.replace(' ', "+");
    format!("grant_type=password&username=admin&password={password}&client_id=test&{more}")
}

fn bearer(answer: &Value) -> String {
    format!("Bearer {}", answer["access_token"].as_str().unwrap())
}

/// Whether a session may push to a repository.
async fn may_push(world: &World, bearer: &str, repository: &str) -> bool {
    let path = format!("/v2/{repository}/blobs/uploads/");
    let answer = world.ask_with(bearer, "POST", &path).empty().await;
    match answer.status.as_u16() {
        202 => true,
        401 => false,
        other => panic!("{other}: {answer:?}"),
    }
}

#[tokio::test]
async fn a_session_covers_every_scope_however_it_was_written() {
    let world = World::new().await;
    let admin = basic("admin", PASSWORD);
    for query in [
        "service=countersign&scope=repository:a:pull,push&scope=repository:b:push,pull",
        "service=countersign&scope=repository:a:pull,push%20repository:b:pull,push",
        "scope=repository:a:pull&scope=repository:a:push&scope=repository:b:*",
        "scope=repository:127.0.0.1:5000/a:pull,push&scope=repository:b:pull,push,sign",
        "scope=repository(plugin):x:pull&scope=nonsense&scope=repository:a:push+repository:b:push",
        "scope=repository:sha/x:pull+repository:a:push+repository:b:push",
        "account=admin&client_id=docker&scope=repository%3Aa%3Apull%2Cpush&scope=repository:b:push",
    ] {
        let answer = get(&world, &admin, query).await.expect(200).json();
        assert_eq!(answer["token"], answer["access_token"]);
        let session = bearer(&answer);
        for (repository, expected) in [("a", true), ("b", true), ("c", false)] {
            let may = may_push(&world, &session, repository).await;
            assert_eq!(may, expected, "{query} {repository}");
        }
    }
}

#[tokio::test]
async fn an_answer_says_how_long_it_lasts_and_is_not_kept_on_the_way() {
    let world = World::new().await;
    let admin = basic("admin", PASSWORD);
    let answer = get(&world, &admin, "scope=repository:a:pull").await;
    let answer = answer.expect(200);
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.header("content-type"), "application/json");
    let body = answer.json();
    // `token`: at least a minute, for clients of old.
    assert!(body["expires_in"].as_i64().unwrap() >= 60);
    assert_eq!(body["issued_at"], "2027-01-15T08:00:00Z");
    assert!(body.get("refresh_token").is_none());
}

#[tokio::test]
async fn what_is_not_granted_is_left_out_and_is_no_error() {
    let world = World::new().await;
    world.person("erik", &[("reader", "shop/**")]).await;
    let erik = basic("erik", PASSWORD);
    let session = world.session(&erik, SCOPE).await;
    let tags = "/v2/shop/web/tags/list";
    world
        .ask_with(&session, "GET", tags)
        .empty()
        .await
        .expect(404);
    // Asking for more would not help: it is refused, not challenged.
    let uploads = "/v2/shop/web/blobs/uploads/";
    let answer = world.ask_with(&session, "POST", uploads).empty().await;
    assert_eq!(answer.expect(403).code(), "DENIED");
}

#[tokio::test]
async fn the_catalog_has_a_scope_of_its_own() {
    let world = World::new().await;
    let admin = basic("admin", PASSWORD);
    let challenge = world.ask_as_nobody("GET", "/v2/_catalog").empty().await;
    let challenge = challenge.expect(401);
    let value = challenge.header("www-authenticate");
    assert!(value.contains("scope=\"registry:catalog:*\""), "{value}");
    for (scope, status) in [("registry:catalog:*", 200), ("repository:a:pull", 401)] {
        let session = world.session(&admin, scope).await;
        let answer = world
            .ask_with(&session, "GET", "/v2/_catalog")
            .empty()
            .await;
        answer.expect(status);
    }
}

#[tokio::test]
async fn wrong_credentials_are_refused_in_words_that_every_client_shows() {
    let world = World::new().await;
    let wrong = basic("admin", "wrong horse");
    let by_get = get(&world, &wrong, "scope=repository:a:pull").await;
    let by_post = post(
        &world,
        "grant_type=password&username=admin&password=wrong+horse",
    )
    .await;
    let refresh = post(&world, "grant_type=refresh_token&refresh_token=csr_AAAA").await;
    for answer in [by_get, by_post, refresh] {
        let answer = answer.expect(401);
        assert_eq!(answer.code(), "UNAUTHORIZED");
        let body = answer.json();
        let message = body["errors"][0]["message"].as_str().unwrap();
        assert!(message.ends_with("log in again"), "{message}");
        assert_eq!(body["error"], "invalid_grant");
        assert_eq!(body["error_description"], message);
    }
}

#[tokio::test]
async fn nobody_gets_a_session_for_what_everybody_may() {
    let options = AppOptions {
        anonymous_pull: true,
        ..AppOptions::default()
    };
    for (options, status) in [(options, 200), (AppOptions::default(), 401)] {
        let world = World::with(options).await;
        world.image("shop/web", "1", b"a layer").await;
        let query = format!("service=countersign&offline_token=true&scope={SCOPE}");
        let answer = get(&world, "", &query).await.expect(200).json();
        assert!(answer.get("refresh_token").is_none());
        let session = bearer(&answer);
        let path = "/v2/shop/web/manifests/1";
        let pulled = world.ask_with(&session, "GET", path).empty().await;
        pulled.expect(status);
        assert!(!may_push(&world, &session, "shop/web").await);
    }
}

#[tokio::test]
async fn another_service_s_token_is_not_made_here() {
    let world = World::new().await;
    let admin = basic("admin", PASSWORD);
    for query in ["", "service=&", "service=countersign&"] {
        get(&world, &admin, &format!("{query}scope={SCOPE}"))
            .await
            .expect(200);
    }
    let answer = get(&world, &admin, "service=registry.docker.io").await;
    let body = answer.expect(400).json();
    assert_eq!(body["error"], "invalid_request");
    post(&world, &password_form("service=other"))
        .await
        .expect(400);
}

#[tokio::test]
async fn a_form_gets_a_session_too_and_is_told_for_what() {
    let world = World::new().await;
    let form = password_form("service=countersign&scope=repository:a:pull,push+repository:b:pull");
    let answer = post(&world, &form).await.expect(200).json();
    assert_eq!(answer["scope"], "repository:a:pull,push repository:b:pull");
    assert!(answer["expires_in"].as_i64().unwrap() >= 60);
    assert!(answer.get("refresh_token").is_none());
    let session = bearer(&answer);
    assert!(may_push(&world, &session, "a").await);
    assert!(!may_push(&world, &session, "b").await);
}

#[tokio::test]
async fn what_is_no_form_of_the_protocol_is_refused_so_that_clients_fall_back() {
    let world = World::new().await;
    for (form, status) in [
        ("grant_type=authorization_code&code=x", 404),
        ("grant_type=client_credentials", 404),
        ("", 400),
        ("username=admin&password=x", 400),
        ("grant_type=password&username=admin", 400),
        ("grant_type=refresh_token", 400),
        ("grant_type=password&grant_type=password", 400),
        ("grant_type=password&username=a&username=b&password=c", 400),
        ("%ff%fe", 400),
    ] {
        let answer = post(&world, form).await.expect(status);
        assert!(answer.json()["error"].is_string(), "{form}");
    }
    let json = world
        .ask_as_nobody("POST", "/token")
        .with("content-type", "application/json")
        .body(r#"{"grant_type":"password"}"#)
        .await;
    json.expect(400);
    let large = password_form(&"x".repeat(100_000));
    post(&world, &large).await.expect(413);
    let binary = world
        .ask_as_nobody("POST", "/token")
        .body(vec![0xff; 100])
        .await;
    binary.expect(400);
}

#[tokio::test]
async fn a_refresh_token_is_given_to_who_asks_and_gets_sessions_until_the_password_changes() {
    let world = World::new().await;
    world.person("maria", &[("writer", "shop/**")]).await;
    let maria = basic("maria", PASSWORD);
    // docker login sends this, and keeps what it gets instead of the password.
    let query = "service=countersign&client_id=docker&account=maria&offline_token=true";
    let body = get(&world, &maria, query).await.expect(200).json();
    let refresh = body["refresh_token"].as_str().unwrap().to_owned();
    world.pass(30 * 86_400_000);
    let form = format!(
        "grant_type=refresh_token&service=countersign&client_id=docker&scope={SCOPE}&refresh_token={refresh}"
    );
    let body = post(&world, &form).await.expect(200).json();
    assert_eq!(body["scope"], SCOPE);
    assert!(body.get("refresh_token").is_none());
    assert!(may_push(&world, &bearer(&body), "shop/web").await);
    let again = post(&world, &format!("{form}&access_type=offline")).await;
    assert_eq!(again.expect(200).json()["refresh_token"], refresh);

    let password = json!({"password": "another horse battery staple"});
    let path = "/api/v1/users/maria";
    let changed = world
        .ask_as("admin", "PATCH", path)
        .with("content-type", "application/json")
        .body(password.to_string())
        .await;
    changed.expect(200);
    let answer = post(&world, &form).await.expect(401);
    assert_eq!(answer.json()["error"], "invalid_grant");
}

#[tokio::test]
async fn a_refresh_token_of_a_token_ends_when_that_is_revoked() {
    let world = World::new().await;
    let scope = ["repository:shop/**:pull,push"];
    let created = world
        .api("POST", "tokens", json!({"name": "ci", "scope": scope}))
        .await;
    let token = created["token"].as_str().unwrap();
    let form = format!("grant_type=password&username=admin&password={token}&access_type=offline");
    let body = post(&world, &form).await.expect(200).json();
    let refresh = body["refresh_token"].as_str().unwrap().to_owned();
    let scopes = "repository:shop/web:pull,push+repository:other:pull,push";
    let form = format!("grant_type=refresh_token&refresh_token={refresh}&scope={scopes}");
    let body = post(&world, &form).await.expect(200).json();
    assert_eq!(body["scope"], SCOPE);
    world
        .ask("DELETE", &format!("/api/v1/tokens/{}", created["id"]))
        .empty()
        .await
        .expect(204);
    post(&world, &form).await.expect(401);
}

#[tokio::test]
async fn nothing_but_a_refresh_token_refreshes() {
    let world = World::new().await;
    let admin = basic("admin", PASSWORD);
    let session = world.session(&admin, SCOPE).await;
    let session = session.trim_start_matches("Bearer ");
    let created = world.api("POST", "tokens", json!({"name": "ci"})).await;
    let token = created["token"].as_str().unwrap();
    for wrong in [session, token, PASSWORD, "csr_", ""] {
        let form = format!(
            "grant_type=refresh_token&refresh_token={}",
            wrong.replace(' ', "+")
        );
        post(&world, &form).await.expect(401);
    }
    // Nor does a session ask for another: it would outlive what it was made with.
    let bearer = format!("Bearer {session}");
    get(&world, &bearer, &format!("scope={SCOPE}"))
        .await
        .expect(401);
}

#[tokio::test]
async fn a_session_that_ended_is_challenged_with_what_to_ask_for() {
    let world = World::new().await;
    let digest = world.blob("shop/web", b"a layer").await;
    let session = world.session(&basic("admin", PASSWORD), SCOPE).await;
    world.pass(SESSION_SECONDS * 1_000);
    for (method, path, scope) in [
        (
            "GET",
            format!("/v2/shop/web/blobs/{digest}"),
            "repository:shop/web:pull",
        ),
        ("POST", "/v2/shop/web/blobs/uploads/".to_owned(), SCOPE),
        ("PUT", "/v2/shop/web/manifests/1".to_owned(), SCOPE),
        (
            "DELETE",
            "/v2/shop/web/manifests/1".to_owned(),
            "repository:shop/web:delete",
        ),
        ("GET", "/v2/_catalog".to_owned(), "registry:catalog:*"),
    ] {
        let answer = world.ask_with(&session, method, &path).empty().await;
        let answer = answer.expect(401);
        assert_eq!(answer.code(), "UNAUTHORIZED");
        assert_eq!(
            answer.header("www-authenticate"),
            format!(
                "Bearer realm=\"http://localhost/token\",service=\"countersign\",scope=\"{scope}\",error=\"invalid_token\""
            )
        );
    }
}

#[tokio::test]
async fn a_role_that_is_taken_away_ends_at_once_also_within_a_session() {
    let world = World::new().await;
    world.person("maria", &[("writer", "shop/**")]).await;
    let session = world.session(&basic("maria", PASSWORD), SCOPE).await;
    let location = world
        .ask_with(&session, "POST", "/v2/shop/web/blobs/uploads/")
        .empty()
        .await
        .expect(202)
        .header("location")
        .to_owned();
    world.take_away("shop/**").await;
    let put = closing(&location, &Digest::sha256(b"a layer"));
    let answer = world
        .ask_with(&session, "PUT", &put)
        .body(&b"a layer"[..])
        .await;
    answer.expect(403);
}

#[tokio::test]
async fn an_upload_goes_on_after_its_session_ended_for_a_day() {
    // 10 GB take longer than five minutes, and no client asks for another session on the way.
    let world = World::new().await;
    world.person("maria", &[("writer", "shop/**")]).await;
    let session = world.session(&basic("maria", PASSWORD), SCOPE).await;
    let ask = |method: &'static str, path: &str| world.ask_with(&session, method, path);
    let (first, second) = (begin(&world, &session).await, begin(&world, &session).await);
    world.pass(SESSION_SECONDS * 1_000);
    ask("PATCH", &first).body("some").await.expect(202);
    world.pass(23 * 3_600_000);
    let status = ask("GET", &first).empty().await.expect(204);
    assert_eq!(status.header("range"), "0-3");
    ask("DELETE", &second).empty().await.expect(204);
    let digest = Digest::sha256(b"some");
    let stored = ask("PUT", &closing(&first, &digest)).empty().await;
    stored.expect(201);
    // What was uploaded is read with another session, and another upload needs one too.
    let blob = format!("/v2/shop/web/blobs/{digest}");
    for (method, path) in [
        ("GET", blob.as_str()),
        ("HEAD", &blob),
        ("POST", "/v2/shop/web/blobs/uploads/"),
        ("PUT", "/v2/shop/web/manifests/1"),
        ("GET", "/v2/"),
        ("GET", "/api/v1/whoami"),
    ] {
        ask(method, path).empty().await.expect(401);
    }
}

#[tokio::test]
async fn an_ended_session_is_excused_for_its_own_uploads_only() {
    let world = World::new().await;
    let grants = [("writer", "shop/**")];
    for name in ["maria", "erik"] {
        world.person(name, &grants).await;
    }
    let maria = world.session(&basic("maria", PASSWORD), SCOPE).await;
    let erik = world.session(&basic("erik", PASSWORD), SCOPE).await;
    let location = begin(&world, &maria).await;
    world.pass(SESSION_SECONDS * 1_000);
    // One that began when the session had ended already: by another session of hers.
    let later = world.session(&basic("maria", PASSWORD), SCOPE).await;
    let begun_later = begin(&world, &later).await;
    let (path, state) = location.split_once('?').unwrap();
    let other_repository = location.replace("shop/web", "shop/api");
    for (session, to) in [
        (&erik, location.as_str()),
        (&maria, &begun_later),
        (&maria, &other_repository),
        (&maria, path),
        (&maria, &format!("{path}?{}x", state)),
        (
            &maria,
            &format!("{path}?{}", begun_later.split_once('?').unwrap().1),
        ),
    ] {
        let answer = world.ask_with(session, "PATCH", to).body("some").await;
        answer.expect(401);
    }
    let patch = || world.ask_with(&maria, "PATCH", &location);
    patch().body("some").await.expect(202);
    world.pass(24 * 3_600_000);
    patch().body("some").await.expect(401);
}

#[tokio::test]
async fn an_upload_ends_with_the_right_to_it() {
    let world = World::new().await;
    world.person("maria", &[("writer", "shop/**")]).await;
    let session = world.session(&basic("maria", PASSWORD), SCOPE).await;
    let location = begin(&world, &session).await;
    world.pass(SESSION_SECONDS * 1_000);
    let patch = || world.ask_with(&session, "PATCH", &location);
    patch().body("some").await.expect(202);
    world.take_away("shop/**").await;
    patch().body("more").await.expect(403);
    world
        .ask("DELETE", "/api/v1/users/maria")
        .empty()
        .await
        .expect(204);
    patch().body("more").await.expect(401);
}

#[tokio::test]
async fn an_upload_ends_with_the_password_or_token_behind_its_session() {
    let world = World::new().await;
    world.person("maria", &[("writer", "shop/**")]).await;
    let created = world.api("POST", "tokens", json!({"name": "ci"})).await;
    let token = basic("admin", created["token"].as_str().unwrap());
    let of_token = world.session(&token, SCOPE).await;
    let of_password = world.session(&basic("maria", PASSWORD), SCOPE).await;
    let mut uploads = Vec::new();
    for session in [&of_token, &of_password] {
        uploads.push((session, begin(&world, session).await));
    }
    world.pass(SESSION_SECONDS * 1_000);
    let patch = async |status| {
        for (session, location) in &uploads {
            let ask = world.ask_with(session, "PATCH", location);
            ask.body("some").await.expect(status);
        }
    };
    patch(202).await;
    world
        .ask("DELETE", &format!("/api/v1/tokens/{}", created["id"]))
        .empty()
        .await
        .expect(204);
    let password = json!({"password": "another horse battery staple"});
    world.api("PATCH", "users/maria", password).await;
    patch(401).await;
}

/// Begins an upload with a session; answers its location.
async fn begin(world: &World, session: &str) -> String {
    let started = world
        .ask_with(session, "POST", "/v2/shop/web/blobs/uploads/")
        .empty()
        .await;
    started.expect(202).header("location").to_owned()
}
