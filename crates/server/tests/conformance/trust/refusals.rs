//! What is not taken, with notary-server's codes: one error in a body below 1 KiB, its reason where clients read it.

use super::publisher::{GUN, Publisher, TRUST, update};
use crate::world::{Answer, World};
use trust::tuf::METADATA_BYTES_MAX;

/// What docker and notary read of an error.
const READ_BYTES: usize = 1024;

/// The code, and the name by which clients choose how to show the reason.
fn told(answer: Answer) -> (String, String) {
    let answer = answer.expect(400);
    assert!(answer.body.len() <= READ_BYTES, "{answer:?}");
    let json = answer.json();
    assert_eq!(json["errors"].as_array().unwrap().len(), 1);
    let detail = &json["errors"][0]["detail"];
    assert!(!detail["Error"]["Msg"].as_str().unwrap().is_empty());
    (answer.code(), detail["Name"].as_str().unwrap().to_owned())
}

async fn send(world: &World, kind: &str, body: Vec<u8>) -> Answer {
    world
        .ask("POST", &format!("{TRUST}/tuf/"))
        .with("content-type", kind)
        .body(body)
        .await
}

async fn send_parts(world: &World, parts: &[(&str, &[u8])]) -> (String, String) {
    let parts = parts
        .iter()
        .map(|(name, bytes)| ((*name).to_owned(), *bytes));
    let (kind, body) = update(parts);
    told(send(world, &kind, body).await)
}

#[tokio::test]
async fn updates_that_are_none() {
    let world = World::new().await;
    let is = |code: &str| (code.to_owned(), "ErrValidation".to_owned());
    for (parts, code) in [
        (&[("", &b"{}"[..])][..], "NO_FILENAME"),
        (&[(".json", b"{}")], "NO_FILENAME"),
        (&[("mirror", b"{}")], "INVALID_ROLE"),
        (&[("targets/A", b"{}")], "INVALID_ROLE"),
        (&[("targets", b"no json")], "MALFORMED_JSON"),
        (&[("targets", b"{\"a\":1,\"a\":2}")], "MALFORMED_JSON"),
        (&[], "INVALID_UPDATE"),
        (&[("targets", b"{}"), ("targets", b"{}")], "INVALID_UPDATE"),
    ] {
        assert_eq!(send_parts(&world, parts).await, is(code), "{parts:?}");
    }
    for (kind, body) in [
        ("application/json", "{}"),
        ("multipart/form-data", "--x--\r\n"),
        ("multipart/form-data; boundary=x", "nothing of the kind"),
        (
            "multipart/form-data; boundary=x",
            "--x\r\nContent-Disposition: form-data; filename=\"root\"\r\n\r\n{",
        ),
    ] {
        let answer = send(&world, kind, body.into()).await;
        assert_eq!(told(answer), is("MALFORMED_UPLOAD"), "{kind} {body}");
    }
}

#[tokio::test]
async fn updates_that_are_too_large() {
    let world = World::new().await;
    let is = ("MALFORMED_UPLOAD".to_owned(), "ErrValidation".to_owned());
    let large = vec![b' '; METADATA_BYTES_MAX + 1];
    assert_eq!(send_parts(&world, &[("root", &large)]).await, is);
    let file = &large[..METADATA_BYTES_MAX];
    let names = ["root", "targets", "targets/a", "targets/b", "targets/c"];
    assert_eq!(
        send_parts(&world, &names.map(|name| (name, file))).await,
        is
    );
    let many: Vec<String> = (0..513).map(|n| format!("targets/{n}")).collect();
    let many: Vec<(&str, &[u8])> = many
        .iter()
        .map(|name| (name.as_str(), &b"{}"[..]))
        .collect();
    assert_eq!(send_parts(&world, &many).await, is);
}

#[tokio::test]
async fn updates_that_do_not_follow() {
    let world = World::new().await;
    let mut publisher = Publisher::begin(&world, GUN).await;
    let first = publisher.first_files();
    let is = |name: &str| ("INVALID_UPDATE".to_owned(), name.to_owned());

    // Nothing is there before there is a root, and a root alone is no repository.
    assert_eq!(told(publisher.post(&first[1..]).await), is("ErrValidation"));
    assert_eq!(told(publisher.post(&first[..1]).await), is("ErrValidation"));
    // Of another repository: docker made its certificate for another name.
    let mut stranger = Publisher::begin(&world, "localhost:5000/other").await;
    let strange = stranger.first_files();
    assert_eq!(told(publisher.post(&strange).await), is("ErrBadRoot"));
    publisher.post(&first).await.expect(200);
    assert_eq!(told(publisher.post(&first).await).0, "VERSION");
    // Signed by somebody else.
    let foreign = [strange[1].clone()];
    assert_eq!(told(publisher.post(&foreign).await), is("ErrBadTargets"));
}

#[tokio::test]
async fn names_of_other_registries() {
    let world = World::new().await;
    for gun in [
        "docker.io/library/alpine",
        "registry.example:5000/shop/web",
        "localhost:5000/Shop",
        "shop%2a/web",
        "localhost:/web",
        "localhost:a/web",
        "localhost:%22/web",
        "127.0.0.1:99999/web",
        "127.0.0.1:05000/web",
    ] {
        for file in ["tuf/root.json", "tuf/timestamp.key", "changefeed?records=1"] {
            let answer = world
                .ask("GET", &format!("/v2/{gun}/_trust/{file}"))
                .empty()
                .await;
            let (code, name) = told(answer);
            assert_eq!(
                (code.as_str(), name.as_str()),
                ("INVALID_GUN", "ErrValidation"),
                "{gun}"
            );
        }
    }
}

#[tokio::test]
async fn a_tag_that_was_never_published_is_not_there() {
    let world = World::new().await;
    let mut publisher = Publisher::begin(&world, GUN).await;
    publisher.first().await;
    publisher.delegate("targets/releases").await;
    publisher.read("targets/releases.json").await.expect(404);
    publisher.tag("targets/releases", "1").await;
    publisher.read("targets/releases.json").await.expect(200);
    publisher.believed().await;
}

#[tokio::test]
async fn more_than_a_repository_may_hold() {
    let world = World::new().await;
    let mut publisher = Publisher::begin(&world, GUN).await;
    publisher.first().await;
    for role in ["targets/alice", "targets/bob"] {
        publisher.delegate(role).await;
    }
    publisher.tag("targets/alice", "1").await;
    let is = ("INVALID_UPDATE".to_owned(), "ErrValidation".to_owned());
    let next = [publisher.tagged("targets", "1")];
    let (size, role) = (64 * 1024 * 1024, "targets/alice");
    let sized = |bytes: usize| {
        format!("UPDATE trust_files SET content = zeroblob({bytes}) WHERE role = '{role}'")
    };
    world.edit(&sized(size));
    assert_eq!(told(publisher.post(&next).await), is);
    world.edit(&sized(size / 2));
    publisher.post(&next).await.expect(200);

    // Roles count that were dropped long ago, because their versions are kept.
    world.edit(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)
         INSERT INTO trust_roles (trust_id, role, latest, current) SELECT 1, 'targets/n' || i, 1, NULL FROM n",
    );
    let new = publisher.tagged("targets/bob", "1");
    assert_eq!(told(publisher.post(&[new]).await), is);
    let known = publisher.repository.next_targets("targets", |targets| {
        targets.version += 1;
    });
    publisher.post(&[known]).await.expect(200);
}
