//! distribution-spec "Pull" and "Checking if content exists in the registry".

use oci::Digest;

use crate::world::World;

#[tokio::test]
async fn a_blob_comes_whole_with_what_names_it() {
    let world = World::new().await;
    for content in [&b""[..], b"{}", &[7; 300_000]] {
        let digest = world.blob("shop/web", content).await;
        let path = format!("/v2/shop/web/blobs/{digest}");
        for method in ["GET", "HEAD"] {
            let answer = world.ask(method, &path).empty().await.expect(200);
            assert_eq!(answer.header("docker-content-digest"), digest.as_str());
            assert_eq!(answer.header("content-length"), content.len().to_string());
            assert_eq!(answer.header("accept-ranges"), "bytes");
            let expected = if method == "GET" { content } else { b"" };
            assert!(answer.body == expected, "{method} {}", content.len());
        }
    }
}

#[tokio::test]
async fn a_part_of_a_blob_comes_alone() {
    // RFC 9110 14: a first position, a first and a last, a suffix; positions behind the end are cut off.
    let world = World::new().await;
    let content: Vec<u8> = (0..=255).cycle().take(2_000).collect();
    let digest = world.blob("shop/web", &content).await;
    let path = format!("/v2/shop/web/blobs/{digest}");
    for (range, first, last) in [
        ("bytes=500-1499", 500, 1_499),
        ("bytes=500-", 500, 1_999),
        ("bytes=-500", 1_500, 1_999),
        ("bytes=1500-9999", 1_500, 1_999),
    ] {
        let answer = world.ask("GET", &path).with("range", range).empty().await;
        let answer = answer.expect(206);
        assert!(answer.body == content[first..=last], "{range}");
        assert_eq!(
            answer.header("content-range"),
            format!("bytes {first}-{last}/2000")
        );
    }
    let head = world.ask("HEAD", &path).with("range", "bytes=500-");
    let head = head.empty().await.expect(200);
    assert_eq!(head.header("content-length"), "2000");
    for range in ["bytes=500-0", "bytes=5000-10000", "bytes=2000-"] {
        let answer = world.ask("GET", &path).with("range", range).empty().await;
        assert_eq!(answer.expect(416).header("content-range"), "bytes */2000");
    }
}

#[tokio::test]
async fn who_may_push_pulls_also_while_nothing_can_be_written() {
    let world = World::new().await;
    world.image("shop/web", "1", b"a layer").await;
    // So long that being told of the layer again is to be noted.
    world.pass(13 * 60 * 60 * 1_000);
    world.edit(
        "CREATE TRIGGER full BEFORE UPDATE ON repository_blobs BEGIN SELECT RAISE(ABORT, 'no room'); END",
    );
    let path = format!("/v2/shop/web/blobs/{}", Digest::sha256(b"a layer"));
    let answer = world.ask("GET", &path).empty().await.expect(200);
    assert_eq!(answer.body, b"a layer");
    // Whoever only asks whether it is there counts on it: that is not promised.
    world.ask("HEAD", &path).empty().await.expect(500);
}

#[tokio::test]
async fn a_part_goes_on_only_with_the_bytes_that_the_client_has_begun_with() {
    // RFC 9110 13.1.5: the tag of these bytes, strongly; with any other condition all of them come.
    let world = World::new().await;
    let digest = world.blob("shop/web", b"0123456789").await;
    let path = format!("/v2/shop/web/blobs/{digest}");
    let tag = format!("\"{digest}\"");
    let ask = || world.ask("GET", &path).with("range", "BYTES=4-");
    let answer = ask().with("if-range", &tag).empty().await.expect(206);
    assert_eq!(answer.body, b"456789");
    for other in [
        &format!("W/{tag}"),
        digest.as_str(),
        "\"another\"",
        "Fri, 15 Jan 2027 08:00:00 GMT",
    ] {
        let answer = ask().with("if-range", other).empty().await.expect(200);
        assert_eq!(answer.body, b"0123456789", "{other}");
    }
    // Nor is a part refused that was not asked for of these bytes.
    let behind = world.ask("GET", &path).with("range", "bytes=10-");
    let answer = behind.with("if-range", "\"another\"").empty().await;
    assert_eq!(answer.expect(200).body, b"0123456789");
}

#[tokio::test]
async fn a_manifest_comes_as_it_was_pushed_with_exactly_its_type() {
    let world = World::new().await;
    let manifest = world.image("shop/web", "1", b"a layer").await;
    let digest = Digest::sha256(&manifest);
    for reference in ["1", digest.as_str()] {
        let path = format!("/v2/shop/web/manifests/{reference}");
        for method in ["GET", "HEAD"] {
            let answer = world.ask(method, &path).empty().await.expect(200);
            assert_eq!(answer.header("content-type"), oci::media::OCI_MANIFEST);
            assert_eq!(answer.header("content-length"), manifest.len().to_string());
            assert_eq!(answer.header("docker-content-digest"), digest.as_str());
            let expected = if method == "GET" { &manifest[..] } else { b"" };
            assert_eq!(answer.body, expected);
        }
    }
}

#[tokio::test]
async fn what_the_client_has_is_not_sent_again() {
    // RFC 9110 13.1.2; the digest is the entity tag.
    let world = World::new().await;
    let manifest = Digest::sha256(&world.image("shop/web", "1", b"a layer").await);
    let blob = Digest::sha256(b"a layer");
    for (path, digest) in [
        ("/v2/shop/web/manifests/1".to_owned(), &manifest),
        (format!("/v2/shop/web/blobs/{blob}"), &blob),
    ] {
        let tag = world
            .ask("GET", &path)
            .empty()
            .await
            .header("etag")
            .to_owned();
        for held in [tag.clone(), format!("\"x\", W/{tag}"), "*".to_owned()] {
            let ask = world.ask("GET", &path).with("if-none-match", &held);
            let answer = ask.with("range", "bytes=0-1").empty().await.expect(304);
            assert!(answer.body.is_empty());
            assert_eq!(answer.header("docker-content-digest"), digest.as_str());
        }
        let ask = world.ask("GET", &path).with("if-none-match", "\"x\"");
        assert!(!ask.empty().await.expect(200).body.is_empty());
    }
}

#[tokio::test]
async fn what_is_not_there_is_named_by_its_code() {
    let world = World::new().await;
    world.image("shop/web", "1", b"a layer").await;
    let digest = Digest::sha256(b"nobody pushed this");
    for (path, status, code) in [
        (format!("blobs/{digest}"), 404, "BLOB_UNKNOWN"),
        (format!("manifests/{digest}"), 404, "MANIFEST_UNKNOWN"),
        ("manifests/2".to_owned(), 404, "MANIFEST_UNKNOWN"),
        (
            "manifests/sha256:baddigeststring".to_owned(),
            400,
            "DIGEST_INVALID",
        ),
        (
            "blobs/sha256:baddigeststring".to_owned(),
            400,
            "DIGEST_INVALID",
        ),
        ("manifests/.tag".to_owned(), 400, "TAG_INVALID"),
    ] {
        let answer = world
            .ask("GET", &format!("/v2/shop/web/{path}"))
            .empty()
            .await;
        assert_eq!(answer.expect(status).code(), code, "{path}");
    }
}
