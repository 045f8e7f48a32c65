//! Docker Content Trust: what docker's and notary's clients ask below `_trust`, and what notary-server answers.

mod access;
mod managed;
mod one_signer;
mod publisher;
mod refusals;

use self::publisher::{GUN, Publisher, TRUST, sha256, update};
use crate::world::{NOW, World, basic};
use serde_json::json;

const DAY: i64 = 24 * 60 * 60 * 1000;

#[tokio::test]
async fn a_first_publish_as_docker_does_it() {
    let world = World::new().await;
    let absent = world
        .ask("GET", &format!("{TRUST}/tuf/root.json"))
        .empty()
        .await;
    let absent = absent.expect(404);
    assert_eq!(absent.code(), "METADATA_NOT_FOUND");
    assert_eq!(absent.json()["errors"][0]["detail"], json!({}));

    let mut publisher = Publisher::begin(&world, GUN).await;
    let first = publisher.first_files();
    let answer = publisher.post(&first).await.expect(200);
    assert_eq!(answer.body, b"");
    for (role, bytes) in &first {
        let served = publisher.read(&format!("{role}.json")).await.expect(200);
        assert_eq!(&served.body, bytes, "{role}");
    }
    publisher.believed().await;
}

#[tokio::test]
async fn a_file_by_name_version_and_hash() {
    let world = World::new().await;
    let mut publisher = Publisher::begin(&world, GUN).await;
    publisher.first().await;
    publisher.tag("targets", "1").await;
    let root = publisher.read("root.json").await.expect(200);
    let hash = sha256(&root.body);
    for path in [
        "1.root.json".to_owned(),
        "01.root.json".to_owned(),
        format!("root.{hash}.json"),
        format!("root.{}.json", hash.to_ascii_uppercase()),
    ] {
        let same = publisher.read(&path).await.expect(200);
        assert_eq!(same.body, root.body, "{path}");
    }
    let older = publisher.read("1.targets.json").await.expect(200);
    let newer = publisher.read("targets.json").await.expect(200);
    assert_ne!(older.body, newer.body, "both stay");
    for path in [
        "2.root.json".to_owned(),
        "root.1.json".to_owned(),
        "targets/nobody.json".to_owned(),
        format!("targets.{hash}.json"),
        format!("root.{hash}{hash}.json"),
        "mirror.json".to_owned(),
        "root".to_owned(),
    ] {
        let answer = publisher.read(&path).await.expect(404);
        assert_eq!(answer.code(), "METADATA_NOT_FOUND", "{path}");
    }
}

#[tokio::test]
async fn answers_say_how_long_they_may_be_kept() {
    let world = World::new().await;
    world
        .api(
            "POST",
            "grants",
            json!({"to": "anonymous", "role": "reader", "pattern": "open/**"}),
        )
        .await;
    for (gun, whose) in [(GUN, "private"), ("localhost:5000/open/web", "public")] {
        let mut publisher = Publisher::begin(&world, gun).await;
        publisher.first().await;
        let as_nobody = whose == "public";
        let root = publisher.read("root.json").await;
        let hash = sha256(&root.body);
        let shared = |seconds: u64| match as_nobody {
            true => format!("public, max-age={seconds}, s-maxage={seconds}"),
            false => format!("private, max-age={seconds}"),
        };
        let current = format!("{}, must-revalidate", shared(300));
        for (path, expected) in [
            ("root.json".to_owned(), current.clone()),
            ("timestamp.json".to_owned(), current),
            ("1.root.json".to_owned(), shared(2_592_000)),
            (format!("root.{hash}.json"), shared(2_592_000)),
        ] {
            let path = format!("/v2/{gun}/_trust/tuf/{path}");
            for method in ["GET", "HEAD"] {
                let ask = match as_nobody {
                    true => world.ask_as_nobody(method, &path),
                    false => world.ask(method, &path),
                };
                let answer = ask.empty().await.expect(200);
                assert_eq!(answer.header("cache-control"), expected, "{method} {path}");
                assert_eq!(
                    answer.header("last-modified"),
                    "Fri, 15 Jan 2027 08:00:00 GMT"
                );
                assert_eq!(answer.header("content-type"), "application/json");
                assert_eq!(answer.body.is_empty(), method == "HEAD");
            }
        }
        let key = publisher.read("timestamp.key").await.expect(200);
        assert_eq!(key.header("cache-control"), "");
    }
    assert_eq!(NOW, 1_800_000_000_000, "the instant above");
}

#[tokio::test]
async fn a_key_is_the_same_until_a_root_names_the_next_one() {
    let world = World::new().await;
    let mut publisher = Publisher::begin(&world, GUN).await;
    publisher.first().await;
    for role in ["timestamp", "snapshot"] {
        let path = format!("{role}.key");
        let before = publisher.read(&path).await.expect(200).json();
        assert_eq!(before["keytype"], "ed25519");
        assert!(before["keyval"]["private"].is_null());
        let next = publisher.ask("POST", &path).await.expect(200).json();
        assert_ne!(next, before);
        assert_eq!(publisher.ask("POST", &path).await.expect(200).json(), next);
        assert_eq!(publisher.read(&path).await.expect(200).json(), before);
        publisher.rotate(role, &next).await;
        assert_eq!(publisher.read(&path).await.expect(200).json(), next);
        publisher.believed().await;
    }
    let root = publisher.read("3.root.json").await.expect(200);
    assert_eq!(root.body, publisher.read("root.json").await.body);
    for path in ["root.key", "targets.key"] {
        publisher.read(path).await.expect(404);
    }
}

#[tokio::test]
async fn two_publishers_and_one_is_told_to_try_again() {
    let world = World::new().await;
    let mut one = Publisher::begin(&world, GUN).await;
    one.first().await;
    let mut other = one.clone();
    one.tag("targets", "one").await;
    let refused = other.post(&[other.tagged("targets", "other")]).await;
    let refused = refused.expect(400);
    assert_eq!(refused.code(), "VERSION");
    assert_eq!(refused.json()["errors"].as_array().unwrap().len(), 1);
    assert!(refused.body.len() < 1024);
    other.follow().await;
    other.tag("targets", "other").await;
    let believed = other.believed().await;
    for tag in ["one", "other"] {
        assert!(believed.target(tag).is_some(), "{tag}");
    }
}

#[tokio::test]
async fn what_is_deleted_is_gone_and_told() {
    let world = World::new().await;
    let mut publisher = Publisher::begin(&world, GUN).await;
    publisher.first().await;
    let mut other = Publisher::begin(&world, "localhost:5000/other").await;
    other.first().await;
    for _ in 0..2 {
        let answer = publisher.ask("DELETE", "").await.expect(200);
        assert_eq!(answer.body, b"");
    }
    publisher.read("root.json").await.expect(404);
    publisher.read("1.root.json").await.expect(404);
    other.believed().await;

    let asked = &world;
    let feed = |of: &str, query: &str| {
        let path = format!("{of}/changefeed?{query}");
        async move { asked.ask("GET", &path).empty().await.expect(200).json() }
    };
    let all = feed("/v2/_trust", "records=0").await;
    assert_eq!(all["count"], 3);
    let records = all["records"].as_array().unwrap();
    let told: Vec<_> = records
        .iter()
        .map(|record| {
            (
                record["GUN"].as_str().unwrap(),
                record["Category"].as_str().unwrap(),
            )
        })
        .collect();
    let expected = [
        (GUN, "update"),
        ("localhost:5000/other", "update"),
        (GUN, "deletion"),
    ];
    assert_eq!(told, expected);
    assert_eq!(records[0]["Version"], 1);
    assert_eq!(records[0]["SHA256"].as_str().unwrap().len(), 64);
    assert_eq!(records[0]["CreatedAt"], "2027-01-15T08:00:00Z");
    let first = records[0]["ID"].as_str().unwrap();
    let after = feed(TRUST, &format!("change_id={first}&records=10")).await;
    assert_eq!(after["records"], json!([records[2]]));
    let newest = feed(TRUST, "change_id=-1&records=1").await;
    assert_eq!(newest["records"], json!([records[2]]));
    for query in ["", "records=x", "change_id=x&records=1"] {
        let path = format!("{TRUST}/changefeed?{query}");
        let answer = world.ask("GET", &path).empty().await.expect(400);
        assert_eq!(answer.code(), "INVALID_PARAMETERS", "{query}");
    }
}

#[tokio::test]
async fn a_client_that_was_away_follows_a_new_root() {
    let world = World::new().await;
    let mut publisher = Publisher::begin(&world, GUN).await;
    publisher.first().await;
    let old = publisher.read("root.json").await.body;
    publisher.rotate_root().await;
    publisher.tag("targets", "1").await;
    world.pass(DAY);
    let believed = publisher.believed_from(old).await;
    assert_eq!(believed.root().content().version, 2);
}

#[tokio::test]
async fn each_name_of_the_server_is_a_trust_repository_of_its_own() {
    let world = World::new().await;
    for gun in ["localhost:5000/shop/web", "127.0.0.1/shop/web", "shop/web"] {
        let mut publisher = Publisher::begin(&world, gun).await;
        publisher.first().await;
        publisher.believed().await;
    }
    // A client that calls the server by another name means it all the same.
    let path = "/v2/new.example:8443/shop/web/_trust/tuf/timestamp.key";
    let by_name = world.ask("GET", path).with("host", "new.example:8443");
    by_name.empty().await.expect(200);
}

#[tokio::test]
async fn parts_in_any_order_and_with_an_ending() {
    let world = World::new().await;
    let mut publisher = Publisher::begin(&world, GUN).await;
    let mut first = publisher.first_files();
    first.reverse();
    let names = first
        .iter()
        .map(|(role, bytes)| (format!("{role}.json"), bytes.as_slice()));
    let (kind, body) = update(names);
    world
        .ask_with(
            &basic("admin", crate::world::PASSWORD),
            "POST",
            &format!("{TRUST}/tuf/"),
        )
        .with("content-type", &kind)
        .body(body)
        .await
        .expect(200);
    publisher.follow().await;
    publisher.believed().await;
}
