//! Who may read, sign, and delete: the scopes of notary's clients, which name the whole image with its host and port.

use super::publisher::{GUN, Publisher, TRUST};
use crate::world::{Answer, PASSWORD, World, basic};
use registry::Hosts;
use server::AppOptions;

/// What is asked, with what it needs.
const READ: (&str, &str) = ("GET", "tuf/root.json");
const FEED: (&str, &str) = ("GET", "changefeed?records=1");
const KEY: (&str, &str) = ("GET", "tuf/timestamp.key");
const UPDATE: (&str, &str) = ("POST", "tuf/");
const ROTATE: (&str, &str) = ("POST", "tuf/timestamp.key");
const DELETE: (&str, &str) = ("DELETE", "tuf/");

async fn ask(world: &World, authorization: &str, (method, path): (&str, &str)) -> Answer {
    let ask = world.ask_with(authorization, method, &format!("{TRUST}/{path}"));
    // Past the question who asks, an update that is none is refused for what it is.
    ask.with("content-type", "application/json").empty().await
}

async fn people(world: &World) {
    world.person("rita", &[("reader", "shop/**")]).await;
    world.person("sven", &[("signer", "shop/**")]).await;
    world.person("dora", &[("writer", "shop/**")]).await;
    world.person("mona", &[("maintainer", "shop/**")]).await;
    world.person("otto", &[("maintainer", "other/**")]).await;
}

#[tokio::test]
async fn each_role_may_what_it_is_for() {
    let world = World::new().await;
    people(&world).await;
    let mut publisher = Publisher::begin(&world, GUN).await;
    publisher.first().await;
    let asked = [READ, FEED, KEY, UPDATE, ROTATE, DELETE];
    for (who, may) in [
        ("rita", 2),
        ("sven", 4),
        ("dora", 4),
        ("otto", 0),
        ("mona", 6),
    ] {
        for (index, asked) in asked.into_iter().enumerate() {
            let answer = ask(&world, &basic(who, PASSWORD), asked).await;
            let expected = match (index < may, asked) {
                (false, _) => 401,
                (true, UPDATE) => 400,
                (true, _) => 200,
            };
            assert_eq!(answer.status.as_u16(), expected, "{who} {asked:?}");
        }
    }
}

#[tokio::test]
async fn whoever_may_not_is_told_the_scope_to_ask_for() {
    let world = World::new().await;
    people(&world).await;
    for (asked, actions) in [
        (READ, "pull"),
        (FEED, "pull"),
        (KEY, "push,pull"),
        (UPDATE, "push,pull"),
        (ROTATE, "*"),
        (DELETE, "*"),
    ] {
        let scope = format!("scope=\"repository:{GUN}:{actions}\"");
        for (authorization, error) in [
            (String::new(), ""),
            (basic("otto", PASSWORD), "insufficient_scope"),
            (basic("otto", "wrong"), "invalid_token"),
        ] {
            let answer = ask(&world, &authorization, asked).await.expect(401);
            let challenge = answer.header("www-authenticate");
            assert!(challenge.contains(&scope), "{asked:?}: {challenge}");
            assert!(challenge.contains(error), "{asked:?}: {challenge}");
            assert_eq!(answer.code(), "UNAUTHORIZED");
        }
    }
    let all = world
        .ask_as_nobody("GET", "/v2/_trust/changefeed?records=1")
        .empty()
        .await;
    let all = all.expect(401);
    assert!(
        all.header("www-authenticate")
            .contains("registry:catalog:*")
    );
    let all = world
        .ask_as("mona", "GET", "/v2/_trust/changefeed?records=1")
        .empty()
        .await;
    all.expect(403);
}

#[tokio::test]
async fn hidden_and_missing_are_answered_alike() {
    let world = World::new().await;
    people(&world).await;
    let mut publisher = Publisher::begin(&world, GUN).await;
    publisher.first().await;
    for authorization in [String::new(), basic("otto", PASSWORD)] {
        let there = ask(&world, &authorization, READ).await;
        let path = "/v2/localhost:5000/shop/none/_trust/tuf/root.json";
        let missing = world.ask_with(&authorization, "GET", path).empty().await;
        assert_eq!(there.status, missing.status);
        assert_eq!(there.body, missing.body);
        let scope = there
            .header("www-authenticate")
            .replace("shop/web", "shop/none");
        assert_eq!(scope, missing.header("www-authenticate"));
    }
}

#[tokio::test]
async fn sessions_for_the_whole_name_of_an_image() {
    let options = AppOptions {
        hosts: Hosts::new(["registry.example".to_owned()]),
        ..AppOptions::default()
    };
    let world = World::with(options).await;
    people(&world).await;
    let mut publisher = Publisher::begin(&world, GUN).await;
    publisher.first().await;
    let mona = basic("mona", PASSWORD);
    for (scope, may) in [
        ("repository:localhost:5000/shop/web:pull", 2),
        ("repository:localhost%3A5000%2Fshop%2Fweb%3Apush%2Cpull", 4),
        ("repository:registry.example/shop/web:push,pull", 4),
        ("repository:registry.example:443/shop/web:*", 6),
        ("repository:shop/web:*", 6),
        ("repository:localhost:5000/shop/other:*", 0),
        ("repository:elsewhere.example/shop/web:*", 0),
    ] {
        let session = world.session(&mona, scope).await;
        for (index, asked) in [READ, FEED, KEY, UPDATE, ROTATE, DELETE]
            .into_iter()
            .enumerate()
        {
            if index == 5 && may > 5 {
                continue;
            }
            let answer = ask(&world, &session, asked).await;
            assert_eq!(answer.status == 401, index >= may, "{scope} {asked:?}");
        }
    }
    // A name that begins like a host may be a repository's whole name as well.
    let path = "/v2/registry.example/shop/web/tags/list";
    let session = world
        .session(
            &basic("admin", PASSWORD),
            "repository:registry.example/shop/web:pull",
        )
        .await;
    world
        .ask_with(&session, "GET", path)
        .empty()
        .await
        .expect(404);
}

#[tokio::test]
async fn docker_asks_with_its_account() {
    let world = World::new().await;
    people(&world).await;
    let path = "/token?account=rita&scope=repository%3Alocalhost%3A5000%2Fshop%2Fweb%3Apull&service=countersign";
    let answer = world.ask_as("rita", "GET", path).empty().await.expect(200);
    let session = format!("Bearer {}", answer.json()["token"].as_str().unwrap());
    assert_eq!(
        ask(&world, &session, READ).await.expect(404).code(),
        "METADATA_NOT_FOUND"
    );
}

#[tokio::test]
async fn anybody_may_read_where_anybody_may_pull() {
    let options = AppOptions {
        anonymous_pull: true,
        ..AppOptions::default()
    };
    let world = World::with(options).await;
    let mut publisher = Publisher::begin(&world, GUN).await;
    publisher.first().await;
    ask(&world, "", READ).await.expect(200);
    ask(&world, "", KEY).await.expect(401);
    let session = world.session("", &format!("repository:{GUN}:pull")).await;
    ask(&world, &session, READ).await.expect(200);
    ask(&world, &session, UPDATE).await.expect(401);
}

#[tokio::test]
async fn probes_of_notary_server_are_answered() {
    let world = World::new().await;
    let answer = world
        .ask_as_nobody("GET", "/_notary_server/health")
        .empty()
        .await;
    assert_eq!(answer.expect(200).body, b"{}");
}
