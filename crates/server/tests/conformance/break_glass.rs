//! A gate that two people open for one image: at the registry's door, in the API and on the console. No scanner runs here, so that no image is
//! ever indexed: a release that has to go out all the same is what break-glass is for.

use oci::{Descriptor, Digest, IndexManifest, Manifest, media};
use serde_json::{Value, json};
use server::AppOptions;
use store::System;

use crate::world::{Answer, PASSWORD, World, image};

const HOUR: i64 = 60 * 60 * 1_000;
const POLICY: &str = "
version: 1
repositories: ['shop/**']
stages:
  scan: {automatic: true, limits: {known-exploited: deny}}
gates:
  production: {holds-for: [{person: host}], require: [scan]}
  staging: {holds-for: [{person: omar}], require: [scan], mode: warn}
";

/// The shop, its policy, and two images; Anna and Omar have the role `security`, Anna's robot too.
async fn shop(options: AppOptions) -> World {
    let world = World::with(options).await;
    world.person("host", &[("reader", "shop/**")]).await;
    world.person("anna", &[("security", "shop/**")]).await;
    world.person("omar", &[("security", "**")]).await;
    world.person("stranger", &[]).await;
    let robot = json!({"name": "anna-bot", "owner": "anna"});
    world.api("POST", "robots", robot).await;
    let grant = json!({"to": {"principal": "anna-bot"}, "role": "security", "pattern": "**"});
    world.api("POST", "grants", grant).await;
    let policy = json!({"document": POLICY});
    world.api("PUT", "policies/shop", policy).await;
    world.image("shop/web", "1", b"the release").await;
    world.image("shop/web", "2", b"another").await;
    world
}

fn request(image: &str, gate: &str, seconds: i64, reason: &str) -> Value {
    json!({"image": image, "gate": gate, "forSeconds": seconds, "reason": reason})
}

async fn ask(world: &World, user: &str, body: &Value) -> Answer {
    let asked = world.ask_as(user, "POST", "/api/v1/break-glass");
    let asked = asked.with("content-type", "application/json");
    asked.body(body.to_string()).await
}

/// Anna asks for four hours at `production`.
async fn asked(world: &World) -> i64 {
    let body = request(
        "shop/web:1",
        "production",
        4 * 3_600,
        "the scanner is down, INC-42",
    );
    let answer = ask(world, "anna", &body).await.expect(201).json();
    assert_eq!(
        (&answer["state"], &answer["askedBy"]),
        (&json!("asked"), &json!("anna"))
    );
    answer["id"].as_i64().unwrap()
}

async fn confirm(world: &World, user: &str, id: i64) -> Answer {
    let path = format!("/api/v1/break-glass/{id}/confirm");
    world.ask_as(user, "POST", &path).empty().await
}

async fn pull(world: &World, method: &str, reference: &str) -> Answer {
    let path = format!("/v2/shop/web/manifests/{reference}");
    world.ask_as("host", method, &path).empty().await
}

fn message(answer: &Answer) -> String {
    answer.json()["error"]["message"]
        .as_str()
        .unwrap()
        .to_owned()
}

#[tokio::test]
async fn a_release_without_its_scan_passes_only_by_two_people_and_not_for_long() {
    let world = shop(AppOptions::default()).await;
    let refused = pull(&world, "GET", "1").await.expect(403);
    assert_eq!(
        (refused.code().as_str(), refused.header("retry-after")),
        ("DENIED", "2")
    );

    let id = asked(&world).await;
    pull(&world, "GET", "1").await.expect(403);
    let alone = confirm(&world, "anna", id).await.expect(403);
    assert!(
        message(&alone).contains("person anna asked for it"),
        "{alone:?}"
    );
    let token = json!({"name": "robot", "for": "anna-bot"});
    let token = world.api("POST", "tokens", token).await["token"].clone();
    let bearer = format!("Bearer {}", token.as_str().unwrap());
    let path = format!("/api/v1/break-glass/{id}/confirm");
    let robot = world
        .ask_with(&bearer, "POST", &path)
        .empty()
        .await
        .expect(403);
    assert!(
        message(&robot).contains("robot anna-bot is no person"),
        "{robot:?}"
    );
    confirm(&world, "host", id).await.expect(403);
    let hidden = confirm(&world, "stranger", id).await.expect(404);
    let absent = confirm(&world, "stranger", id + 1).await.expect(404);
    assert_eq!(
        message(&hidden).replace(&id.to_string(), "N"),
        message(&absent).replace(&(id + 1).to_string(), "N")
    );
    pull(&world, "GET", "1").await.expect(403);

    let confirmed = confirm(&world, "omar", id).await.expect(200).json();
    assert_eq!(
        (&confirmed["state"], &confirmed["confirmedBy"]),
        (&json!("in-force"), &json!("omar"))
    );
    confirm(&world, "omar", id).await.expect(409);
    let manifest = pull(&world, "GET", "1").await.expect(200);
    let digest = Digest::sha256(&manifest.body);
    for (method, reference) in [
        ("GET", "1"),
        ("HEAD", "1"),
        ("GET", digest.as_str()),
        ("HEAD", digest.as_str()),
    ] {
        let answer = pull(&world, method, reference).await.expect(200);
        let warning = answer.header("warning");
        assert!(
            warning.contains(&format!("passes gate production by break-glass {id} until"))
                && warning.contains("INC-42"),
            "{warning}"
        );
    }
    let Manifest::Image(parsed) = Manifest::parse(&manifest.body, None).unwrap() else {
        panic!("not an image")
    };
    for blob in [&parsed.config.digest, &parsed.layers[0].digest] {
        let path = format!("/v2/shop/web/blobs/{blob}");
        world.ask_as("host", "GET", &path).empty().await.expect(200);
    }
    pull(&world, "GET", "2").await.expect(403);

    world.pass(4 * HOUR - 1);
    pull(&world, "GET", "1").await.expect(200);
    world.pass(1);
    for (method, reference) in [("GET", "1"), ("HEAD", digest.as_str())] {
        let refused = pull(&world, method, reference).await.expect(403);
        assert_eq!(refused.header("retry-after"), "2");
    }
    let blob = format!("/v2/shop/web/blobs/{}", parsed.layers[0].digest);
    world.ask_as("host", "GET", &blob).empty().await.expect(403);
}

#[tokio::test]
async fn what_an_index_lists_passes_with_it_and_no_longer() {
    let world = shop(AppOptions::default()).await;
    let (layer, late_layer) = (b"for amd64".as_slice(), b"for arm64, later".as_slice());
    let (amd64, arm64) = (
        world.image("shop/web", "amd64", layer).await,
        image(late_layer),
    );
    let lists = [&amd64, &arm64].map(|content| Descriptor::of(media::OCI_MANIFEST, content));
    let index = Manifest::Index(IndexManifest {
        media_type: media::OCI_INDEX.to_owned(),
        artifact_type: None,
        manifests: lists.to_vec(),
        subject: None,
        annotations: Default::default(),
    });
    let index = index.to_bytes();
    let pushed = world.manifest("shop/web", "multi", &index).await;
    pushed.expect(201);
    let index = Digest::sha256(&index);
    // What a host asks for in turn: the tag, the manifest for its platform, the layers of that.
    let pulls = async |manifest: &[u8], layer: &[u8], status: u16| {
        let mut warnings = Vec::new();
        let manifest = Digest::sha256(manifest);
        for method in ["HEAD", "GET"] {
            pull(&world, method, "multi").await.expect(status);
            let answer = pull(&world, method, manifest.as_str()).await;
            warnings.push(answer.expect(status).header("warning").to_owned());
        }
        let path = format!("/v2/shop/web/blobs/{}", Digest::sha256(layer));
        let blob = world.ask_as("host", "GET", &path).empty().await;
        blob.expect(status);
        warnings
    };
    pulls(&amd64, layer, 403).await;

    let body = request("shop/web:multi", "production", 4 * 3_600, "INC-42");
    let mut ids = Vec::new();
    for _ in 0..2 {
        let asked = ask(&world, "anna", &body).await.expect(201).json();
        assert_eq!(asked["digest"], json!(index));
        let id = asked["id"].as_i64().unwrap();
        pulls(&amd64, layer, if ids.is_empty() { 403 } else { 200 }).await;
        confirm(&world, "omar", id).await.expect(200);
        ids.push(id);
        let path = format!("/api/v1/break-glass/{}", ids[0]);
        if ids.len() == 1 {
            let whose = format!("break-glass {id} of the index sha256:{}", index.short());
            for warning in pulls(&amd64, layer, 200).await {
                assert!(
                    warning.contains(&whose) && warning.contains("INC-42"),
                    "{warning}"
                );
            }
            let path = format!(
                "/api/v1/gate?ref=shop/web@{}&gate=production",
                Digest::sha256(&amd64)
            );
            let gate = world.ask_as("host", "GET", &path).empty().await;
            let gate = gate.expect(200).json();
            let decision = &gate["decisions"][0];
            assert_eq!(decision["breakGlass"]["index"], json!(index), "{gate}");
            assert_eq!(decision["breakGlass"]["untilAt"], decision["holdsUntil"]);
            assert!(gate["tree"].as_str().unwrap().contains(&whose), "{gate}");
            world.pass(HOUR);
        } else {
            // The second one lasts: that the first is ended by hand shuts nothing.
            let ended = world.ask_as("omar", "DELETE", &path).empty().await;
            ended.expect(204);
        }
        pulls(&amd64, layer, 200).await;
    }
    world.image("shop/web", "arm64", late_layer).await;
    pulls(&arm64, late_layer, 200).await;
    pull(&world, "GET", "1").await.expect(403);

    world.pass(4 * HOUR - 1);
    pulls(&amd64, layer, 200).await;
    world.pass(1);
    for (manifest, layer) in [(&amd64, layer), (&arm64, late_layer)] {
        pulls(manifest, layer, 403).await;
    }

    // Ended early it is over for all of them at once.
    let asked = ask(&world, "anna", &body).await.expect(201).json();
    let path = format!("/api/v1/break-glass/{}", asked["id"]);
    confirm(&world, "omar", asked["id"].as_i64().unwrap())
        .await
        .expect(200);
    pulls(&amd64, layer, 200).await;
    let ended = world.ask_as("omar", "DELETE", &path).empty().await;
    ended.expect(204);
    pulls(&amd64, layer, 403).await;
}

#[tokio::test]
async fn it_is_seen_everywhere_until_it_ends_and_told_when_it_does() {
    let world = shop(AppOptions::default()).await;
    let id = asked(&world).await;
    confirm(&world, "omar", id).await.expect(200);
    let gate = world
        .ask_as("host", "GET", "/api/v1/gate?ref=shop/web:1&gate=production")
        .empty()
        .await
        .expect(200)
        .json();
    assert_eq!(gate["outcome"], "allow");
    assert!(
        gate["sentence"]
            .as_str()
            .unwrap()
            .contains("by break-glass"),
        "{gate}"
    );
    assert!(
        gate["tree"]
            .as_str()
            .unwrap()
            .contains("confirmed by person omar"),
        "{gate}"
    );
    let decision = &gate["decisions"][0];
    assert_eq!(decision["wouldBe"], "not-ready");
    assert_eq!(decision["breakGlass"]["askedBy"], "person anna");
    assert_eq!(decision["breakGlass"]["untilAt"], decision["holdsUntil"]);

    let list = |user: &'static str, query: &'static str| {
        let world = &world;
        async move {
            let path = format!("/api/v1/break-glass{query}");
            let answer = world
                .ask_as(user, "GET", &path)
                .empty()
                .await
                .expect(200)
                .json();
            answer["items"].as_array().unwrap().clone()
        }
    };
    assert_eq!(
        list("host", "").await.len(),
        1,
        "whoever may look into the repository"
    );
    assert_eq!(list("stranger", "?all=true").await.len(), 0);
    let form = format!("user=host&password={}", PASSWORD.replace(' ', "+"));
    let login = world.ask_as_nobody("POST", "/console/login");
    let login = login.with("content-type", "application/x-www-form-urlencoded");
    let login = login.body(form).await.expect(303);
    let (cookie, _) = login.header("set-cookie").split_once(';').unwrap();
    let see = |path: &'static str| {
        let page = world.ask_as_nobody("GET", path).with("cookie", cookie);
        async move { String::from_utf8(page.empty().await.expect(200).body).unwrap() }
    };
    for path in ["/", "/console/image?ref=shop/web:1"] {
        let page = see(path).await;
        assert!(
            page.contains("Break-glass") && page.contains("the scanner is down, INC-42"),
            "{path}: {page}"
        );
    }
    assert!(
        see("/console/repository?name=shop/web")
            .await
            .contains("production: allow (break-glass)")
    );
    assert!(
        !see("/console/image?ref=shop/web:2")
            .await
            .contains("INC-42")
    );

    world.pass(4 * HOUR);
    assert_eq!(
        list("host", "").await.len(),
        0,
        "also before anybody has written it down"
    );
    let ended = &list("host", "?all=true").await[0];
    assert_eq!(
        (&ended["state"], &ended["end"]),
        (&json!("ended"), &json!("over"))
    );
    assert!(!see("/").await.contains("INC-42"));
    pull(&world, "GET", "1").await.expect(403);
    let (store, now) = (world.app.store(), ended["untilAt"].as_i64().unwrap());
    let system = System::job("test");
    assert_eq!(
        store::break_glass::end_due(store, system, now)
            .await
            .unwrap(),
        1
    );
    assert_eq!(
        store::break_glass::end_due(store, system, now)
            .await
            .unwrap(),
        0
    );

    let events = world.api_get("events?limit=1000").await;
    let digest = ended["digest"].as_str().unwrap();
    let of_the_release = events["items"].as_array().unwrap().iter().filter(|event| {
        event["subject"]
            .as_str()
            .is_some_and(|it| it.ends_with(digest))
    });
    let told: Vec<String> = of_the_release
        .map(|event| (event["type"].as_str().unwrap(), &event["data"]))
        .filter(|(kind, data)| kind.contains("break-glass") || data["gate"] == "production")
        .map(|(kind, data)| {
            let says = data["end"].as_str().or(data["after"].as_str());
            let kind = kind.trim_start_matches("dev.countersign.");
            format!("{kind} {}", says.unwrap_or("-"))
        })
        .collect();
    assert_eq!(
        told,
        [
            "break-glass.asked -",
            "break-glass.confirmed -",
            "decision.changed allow",
            "decision.changed not-ready",
            "break-glass.ended over",
        ]
    );
    let audit = world.api_get("audit?limit=1000").await;
    let acts: Vec<(&str, &str)> = audit["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (row["act"].as_str().unwrap(), row["actor"].as_str().unwrap()))
        .filter(|(act, _)| act.starts_with("break-glass"))
        .collect();
    assert_eq!(
        acts.iter().map(|(act, _)| *act).collect::<Vec<_>>(),
        ["break-glass.ask", "break-glass.confirm", "break-glass.end"]
    );
    assert!(
        acts[0].1 != acts[1].1 && acts[2].1 == "system:test",
        "{acts:?}"
    );
}

#[tokio::test]
async fn anybody_with_the_role_ends_it_at_once() {
    let world = shop(AppOptions::default()).await;
    let id = asked(&world).await;
    confirm(&world, "omar", id).await.expect(200);
    pull(&world, "GET", "1").await.expect(200);
    let path = format!("/api/v1/break-glass/{id}");
    world
        .ask_as("host", "DELETE", &path)
        .empty()
        .await
        .expect(403);
    world
        .ask_as("admin", "DELETE", &path)
        .empty()
        .await
        .expect(204);
    pull(&world, "GET", "1").await.expect(403);
    let ended = world
        .ask_as("host", "GET", &path)
        .empty()
        .await
        .expect(200)
        .json();
    assert_eq!(
        (&ended["end"], &ended["endedBy"]),
        (&json!("withdrawn"), &json!("admin"))
    );
    confirm(&world, "omar", id).await.expect(409);
    // One that nobody has confirmed is withdrawn in the same way, and makes room for another.
    let id = asked(&world).await;
    let body = request("shop/web:1", "production", 3_600, "again");
    ask(&world, "omar", &body).await.expect(409);
    let path = format!("/api/v1/break-glass/{id}");
    world
        .ask_as("anna", "DELETE", &path)
        .empty()
        .await
        .expect(204);
    ask(&world, "omar", &body).await.expect(201);
}

#[tokio::test]
async fn what_is_asked_for_has_bounds() {
    let options = AppOptions {
        break_glass_milliseconds_max: Some(2 * HOUR),
        ..AppOptions::default()
    };
    let world = shop(options).await;
    let long = "x".repeat(501);
    for (body, part) in [
        (
            request("shop/web:1", "production", 2 * 3_600 + 1, "why"),
            "from 1 to 120 minutes",
        ),
        (
            request("shop/web:1", "production", 59, "why"),
            "from 1 to 120 minutes",
        ),
        (
            request("shop/web:1", "production", i64::MAX, "why"),
            "from 1 to 120 minutes",
        ),
        (request("shop/web:1", "production", 3_600, " "), "say why"),
        (
            request("shop/web:1", "production", 3_600, &long),
            "at most 500",
        ),
    ] {
        let refused = ask(&world, "anna", &body).await.expect(400);
        assert!(message(&refused).contains(part), "{refused:?}");
    }
    for body in [
        request("shop/web:1", "prod", 3_600, "why"),
        request("shop/web:9", "production", 3_600, "why"),
    ] {
        ask(&world, "anna", &body).await.expect(404);
    }
    let here = request("shop/web:1", "production", 2 * 3_600, "why");
    ask(&world, "host", &here).await.expect(403);
    ask(&world, "stranger", &here).await.expect(404);
    let second = json!({"document": POLICY});
    world.api("PUT", "policies/base", second).await;
    let unclear = ask(&world, "anna", &here).await.expect(400);
    assert!(message(&unclear).contains("base or shop"), "{unclear:?}");
    let mut clear = here.clone();
    clear["policy"] = json!("base");
    let id = ask(&world, "anna", &clear).await.expect(201).json()["id"]
        .as_i64()
        .unwrap();
    confirm(&world, "omar", id).await.expect(200);
    let refused = pull(&world, "GET", "1").await.expect(403);
    let decisions = &refused.json()["errors"][0]["detail"]["decisions"];
    assert_eq!(
        decisions.as_array().unwrap().len(),
        1,
        "the other policy holds as before: {decisions}"
    );
    assert_eq!(decisions[0]["policy"], "shop");
}

#[tokio::test]
async fn it_opens_no_repository_that_no_policy_covers() {
    let world = shop(AppOptions::default()).await;
    let grant = json!({"to": {"principal": "host"}, "role": "reader", "pattern": "copy/**"});
    world.api("POST", "grants", grant).await;
    world.image("copy/web", "1", b"the release").await;
    let id = asked(&world).await;
    confirm(&world, "omar", id).await.expect(200);
    let path = "/v2/copy/web/manifests/1";
    let refused = world.ask_as("host", "GET", path).empty().await.expect(403);
    let decisions = &refused.json()["errors"][0]["detail"]["decisions"];
    assert_eq!(decisions[0]["rules"][0]["reasons"][0]["code"], "no-policy");
    let body = request("copy/web:1", "production", 3_600, "why");
    ask(&world, "omar", &body).await.expect(404);
}

#[tokio::test]
async fn who_may_see_few_has_a_bounded_number_looked_at_and_is_told_where_to_go_on() {
    let world = shop(AppOptions::default()).await;
    let id = asked(&world).await;
    world.image("other/app", "1", b"of others").await;
    // Newer ones, of a repository that `host` may not look into, all over.
    world.edit(
        "INSERT INTO break_glass (repository_id, digest, policy, gate, lasts_milliseconds, reason, asked_by, asked_at, until_at, ended_at, ended_how) \
         WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 11000) \
         SELECT r.id, 'sha256:' || printf('%064d', n.i), 'shop', 'production', 1000, 'why', 1, 0, 1, 1, 'lapsed' FROM n, repositories r \
         WHERE r.name = 'other/app'",
    );
    let (mut after, mut pages, mut found) = (String::new(), 0, Vec::new());
    loop {
        let path = format!("/api/v1/break-glass?all=true{after}");
        let answer = world.ask_as("host", "GET", &path).empty().await;
        let answer = answer.expect(200).json();
        pages += 1;
        let items = answer["items"].as_array().unwrap();
        found.extend(items.iter().map(|item| item["id"].as_i64().unwrap()));
        match answer["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => break,
        }
    }
    assert_eq!(found, [id]);
    assert_eq!(pages, 3);
}
