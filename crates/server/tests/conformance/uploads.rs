//! distribution-spec "Pushing blobs", "Pushing a blob in chunks", "Cancel a blob upload".

use axum::body::Body;
use futures_util::stream;
use oci::Digest;

use crate::world::{World, closing, sha512};

const REPOSITORY: &str = "shop/web";
const UPLOADS: &str = "/v2/shop/web/blobs/uploads/";

/// The ways to push a blob; each answers what closes it.
const WAYS: [&str; 5] = ["post", "put", "stream", "chunks", "last chunk in put"];

/// Pushes content under a digest in one of the ways.
async fn push(world: &World, way: &str, content: &[u8], digest: &Digest) -> crate::world::Answer {
    if way == "post" {
        let path = format!("{UPLOADS}?digest={digest}");
        return world.ask("POST", &path).body(content.to_vec()).await;
    }
    let location = world.upload(REPOSITORY).await;
    let half = content.len() / 2;
    let last = match way {
        "put" => content,
        "stream" => {
            // Without a length and in pieces, as dockerd sends it.
            let pieces: Vec<_> = content
                .chunks(1_000)
                .map(|piece| Ok::<_, std::io::Error>(piece.to_vec()))
                .collect();
            let body = Body::from_stream(stream::iter(pieces));
            world.ask("PATCH", &location).body(body).await.expect(202);
            b""
        }
        "chunks" => {
            chunk(world, "PATCH", &location, content, 0, half)
                .await
                .expect(202);
            let answer = chunk(world, "PATCH", &location, content, half, content.len()).await;
            let range = format!("0-{}", content.len() - 1);
            assert_eq!(answer.expect(202).header("range"), range);
            b""
        }
        _ => {
            chunk(world, "PATCH", &location, content, 0, half)
                .await
                .expect(202);
            let location = closing(&location, digest);
            return chunk(world, "PUT", &location, content, half, content.len()).await;
        }
    };
    world
        .ask("PUT", &closing(&location, digest))
        .body(last.to_vec())
        .await
}

/// Sends the bytes from `from` up to `to`, with their place.
async fn chunk(
    world: &World,
    method: &str,
    location: &str,
    content: &[u8],
    from: usize,
    to: usize,
) -> crate::world::Answer {
    world
        .ask(method, location)
        .with("content-range", &format!("{from}-{}", to - 1))
        .with("content-length", &(to - from).to_string())
        .body(content[from..to].to_vec())
        .await
}

#[tokio::test]
async fn every_way_of_pushing_ends_with_a_blob_under_the_digest_that_was_asked_for() {
    let world = World::new().await;
    for (number, way) in WAYS.iter().enumerate() {
        let content = vec![u8::try_from(number).unwrap(); 3_000];
        for digest in [Digest::sha256(&content), sha512(&content)] {
            let answer = push(&world, way, &content, &digest).await.expect(201);
            assert_eq!(answer.header("docker-content-digest"), digest.as_str());
            let pulled = world.ask("GET", answer.header("location")).empty().await;
            assert!(pulled.expect(200).body == content, "{way} {digest}");
        }
    }
}

#[tokio::test]
async fn bytes_that_have_another_digest_are_refused_in_every_way() {
    let world = World::new().await;
    let wrong = b"what was promised";
    for way in WAYS {
        for digest in [Digest::sha256(wrong), sha512(wrong)] {
            let answer = push(&world, way, &[1; 3_000], &digest).await.expect(400);
            assert_eq!(answer.code(), "DIGEST_INVALID", "{way}");
            let path = format!("/v2/{REPOSITORY}/blobs/{digest}");
            world.ask("HEAD", &path).empty().await.expect(404);
        }
    }
}

#[tokio::test]
async fn an_algorithm_that_is_announced_is_hashed_with_and_one_that_nobody_knows_is_refused() {
    // end-4c; what is announced binds nobody.
    let world = World::new().await;
    let content = b"a layer";
    for digest in [sha512(content), Digest::sha256(content)] {
        let path = format!("{UPLOADS}?digest-algorithm=sha512");
        let started = world.ask("POST", &path).empty().await.expect(202);
        let location = started.header("location");
        world
            .ask("PATCH", location)
            .body(&content[..])
            .await
            .expect(202);
        world
            .ask("PUT", &closing(location, &digest))
            .empty()
            .await
            .expect(201);
    }
    for query in ["digest-algorithm=md5", "digest=md5:abc", "mount=sha256:abc"] {
        let path = format!("{UPLOADS}?{query}");
        let answer = world.ask("POST", &path).body(&content[..]).await;
        assert_eq!(answer.expect(400).code(), "DIGEST_INVALID", "{query}");
    }
}

#[tokio::test]
async fn a_chunk_out_of_order_is_refused_and_the_upload_goes_on_from_where_it_is() {
    let world = World::new().await;
    let content: Vec<u8> = (0..=255).cycle().take(3_000).collect();
    let digest = Digest::sha256(&content);
    let location = world.upload(REPOSITORY).await;
    // Nothing is held: the range of no bytes must still be one.
    let status = world.ask("GET", &location).empty().await.expect(204);
    assert_eq!(status.header("range"), "0-0");
    chunk(&world, "PATCH", &location, &content, 1_000, 2_000)
        .await
        .expect(416);
    chunk(&world, "PATCH", &location, &content, 0, 1_000)
        .await
        .expect(202);

    let put = closing(&location, &digest);
    for (method, to, from, end) in [
        ("PATCH", &location, 0, 1_000),
        ("PATCH", &location, 2_000, 3_000),
        ("PUT", &put, 2_000, 3_000),
    ] {
        let answer = chunk(&world, method, to, &content, from, end)
            .await
            .expect(416);
        assert_eq!(answer.code(), "RANGE_INVALID");
        let status = world.ask("GET", answer.header("location")).empty().await;
        let status = status.expect(204);
        assert_eq!(status.header("range"), "0-999");
        assert_eq!(status.header("location"), location);
    }
    chunk(&world, "PATCH", &location, &content, 1_000, 2_000)
        .await
        .expect(202);
    chunk(&world, "PUT", &put, &content, 2_000, 3_000)
        .await
        .expect(201);
}

#[tokio::test]
async fn a_range_that_is_none_or_has_another_length_is_refused() {
    let world = World::new().await;
    let location = world.upload(REPOSITORY).await;
    for range in ["0-1", "0", "a-b", "4-0", "0-3/4", "-4"] {
        let answer = world
            .ask("PATCH", &location)
            .with("content-range", range)
            .with("content-length", "4")
            .body(&b"abcd"[..])
            .await;
        answer.expect(416);
    }
}

#[tokio::test]
async fn an_upload_that_was_cancelled_is_gone() {
    let world = World::new().await;
    let location = world.upload(REPOSITORY).await;
    world
        .ask("PATCH", &location)
        .body(&b"some"[..])
        .await
        .expect(202);
    world.ask("DELETE", &location).empty().await.expect(204);
    let put = closing(&location, &Digest::sha256(b"some"));
    for (method, to) in [
        ("GET", &location),
        ("PATCH", &location),
        ("PUT", &put),
        ("DELETE", &location),
    ] {
        let answer = world.ask(method, to).empty().await.expect(404);
        assert_eq!(answer.code(), "BLOB_UPLOAD_UNKNOWN", "{method}");
    }
}

#[tokio::test]
async fn an_upload_is_its_owner_s_and_its_repository_s() {
    let world = World::new().await;
    world.person("maria", &[("writer", "**")]).await;
    let location = world.upload(REPOSITORY).await;
    let elsewhere = location.replace(REPOSITORY, "shop/api");
    world
        .ask_as("maria", "GET", &location)
        .empty()
        .await
        .expect(404);
    world
        .ask_as("maria", "DELETE", &location)
        .empty()
        .await
        .expect(404);
    world.ask("GET", &elsewhere).empty().await.expect(404);
    world.ask("GET", &location).empty().await.expect(204);
}

#[tokio::test]
async fn an_upload_is_named_by_its_whole_location() {
    let world = World::new().await;
    let (location, other) = (
        world.upload(REPOSITORY).await,
        world.upload(REPOSITORY).await,
    );
    let (path, state) = location.split_once("?_state=").unwrap();
    let (_, other) = other.split_once("?_state=").unwrap();
    let digest = Digest::sha256(b"some");
    for wrong in [
        path.to_owned(),
        format!("{path}?_state="),
        format!("{path}?_state={other}"),
        format!("{path}?_state={}", &state[1..]),
        format!("{path}?_state={state}A"),
        format!("{path}?_state=%2e%2e%2f"),
        format!("{path}0?_state={state}"),
    ] {
        for (method, to) in [
            ("GET", wrong.clone()),
            ("PATCH", wrong.clone()),
            ("PUT", closing(&wrong, &digest)),
            ("DELETE", wrong.clone()),
        ] {
            let answer = world.ask(method, &to).body(&b"some"[..]).await.expect(404);
            assert_eq!(answer.code(), "BLOB_UPLOAD_UNKNOWN", "{method} {to}");
        }
    }
    let put = closing(&location, &digest);
    world.ask("PUT", &put).body(&b"some"[..]).await.expect(201);
    // It is over.
    let again = world.ask("PUT", &put).body(&b"some"[..]).await.expect(404);
    assert_eq!(again.code(), "BLOB_UPLOAD_UNKNOWN");
}

#[tokio::test]
async fn a_deleted_blob_is_gone_at_once_unless_a_manifest_needs_it() {
    // end-10; other repositories keep theirs.
    let world = World::new().await;
    let free = world.blob(REPOSITORY, b"free").await;
    world.blob("shop/api", b"free").await;
    world.image(REPOSITORY, "1", b"needed").await;
    let path = |name: &str, digest: &Digest| format!("/v2/{name}/blobs/{digest}");
    world
        .ask("DELETE", &path(REPOSITORY, &free))
        .empty()
        .await
        .expect(202);
    for method in ["HEAD", "DELETE"] {
        let answer = world.ask(method, &path(REPOSITORY, &free)).empty().await;
        answer.expect(404);
    }
    world
        .ask("GET", &path("shop/api", &free))
        .empty()
        .await
        .expect(200);
    let needed = Digest::sha256(b"needed");
    world
        .ask("DELETE", &path(REPOSITORY, &needed))
        .empty()
        .await
        .expect(409);
    world
        .ask("GET", &path(REPOSITORY, &needed))
        .empty()
        .await
        .expect(200);
}
