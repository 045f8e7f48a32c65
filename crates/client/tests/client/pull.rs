//! Pulling: content is what its digest says or nothing, refusals arrive in full, redirects take no credentials along.

use std::io::Read;

use axum::body::Body;
use axum::response::Response;
use client::Error;
use oci::{Digest, Reference, Tag, media};
use serde_json::json;

use crate::server::{MARIA_BASIC, Seen, Server, json, maria, respond, shop, status};

fn manifest() -> String {
    let config = Digest::sha256(b"{}");
    json!({
        "schemaVersion": 2, "mediaType": media::OCI_MANIFEST, "layers": [],
        "config": {"mediaType": media::OCI_CONFIG, "digest": config, "size": 2}
    })
    .to_string()
}

fn tag() -> Reference {
    Reference::Tag(Tag::parse("1").unwrap())
}

fn sent(content: &str, content_type: &str, digest: &Digest) -> Response {
    let headers = [
        ("content-type", content_type),
        ("docker-content-digest", digest.as_str()),
    ];
    respond(200, &headers, content.to_owned())
}

#[tokio::test]
async fn a_manifest_comes_with_its_bytes_digest_and_warnings() {
    let server = Server::start(|_, seen| {
        assert!(seen.header("accept").unwrap().contains(media::OCI_INDEX));
        let mut response = sent(
            &manifest(),
            media::OCI_MANIFEST,
            &Digest::sha256(manifest().as_bytes()),
        );
        for text in ["299 - \"blocked in 3 days: \\\"qa\\\"\"", "110 - \"other\""] {
            response
                .headers_mut()
                .append("warning", text.parse().unwrap());
        }
        response
    })
    .await;
    let fetched = server.anonymous().manifest(&shop(), &tag()).await.unwrap();
    assert_eq!(fetched.bytes, manifest().as_bytes());
    assert_eq!(fetched.digest, Digest::sha256(&fetched.bytes));
    assert_eq!(fetched.media_type, media::OCI_MANIFEST);
    assert_eq!(fetched.warnings, ["blocked in 3 days: \"qa\""]);
    assert_eq!(server.targets(), ["GET /v2/shop/web/manifests/1"]);
}

#[tokio::test]
async fn lying_registries_are_caught() {
    let other = Digest::sha256(b"other");
    let asked = Reference::Digest(other.clone());
    let honest = Digest::sha256(manifest().as_bytes());
    let cases: [(Reference, &str, &str, &Digest); 4] = [
        // By digest, other content.
        (asked, media::OCI_MANIFEST, "mismatch", &other),
        // By tag, with a digest that is not the content's.
        (tag(), media::OCI_MANIFEST, "mismatch", &other),
        // Content type and media type disagree.
        (tag(), media::OCI_INDEX, "malformed", &honest),
        (tag(), "text/html", "malformed", &honest),
    ];
    for (reference, content_type, expected, named) in cases {
        let named = named.clone();
        let content_type = content_type.to_owned();
        let server = Server::start(move |_, _| sent(&manifest(), &content_type, &named)).await;
        let error = server
            .anonymous()
            .manifest(&shop(), &reference)
            .await
            .unwrap_err();
        let found = match &error {
            Error::DigestMismatch { .. } => "mismatch",
            Error::Malformed { .. } => "malformed",
            _ => "else",
        };
        assert_eq!(found, expected, "{error:?}");
    }
}

#[tokio::test]
async fn a_huge_manifest_is_not_read() {
    let huge = Server::start(|_, _| respond(200, &[], vec![b' '; (4 << 20) + 1])).await;
    assert!(matches!(
        huge.anonymous().manifest(&shop(), &tag()).await,
        Err(Error::TooLarge { .. })
    ));
    // Without a length, and for ever.
    let endless = Server::start(|_, _| {
        let chunks =
            futures_util::stream::repeat_with(|| Ok::<_, std::io::Error>(vec![b' '; 1 << 16]));
        respond(200, &[], Body::from_stream(chunks))
    })
    .await;
    assert!(matches!(
        endless.anonymous().manifest(&shop(), &tag()).await,
        Err(Error::TooLarge { .. })
    ));
}

fn gate(seen: &Seen) -> Response {
    let body = json!({"errors": [{
        "code": "DENIED", "message": "stage staging lacks 1 signature: run countersign sign --stage staging",
        "detail": {"decisions": [{"gate": "production"}]}
    }]});
    let body = if seen.method == "HEAD" {
        String::new()
    } else {
        body.to_string()
    };
    respond(
        403,
        &[("retry-after", "30"), ("content-type", "application/json")],
        body,
    )
}

#[tokio::test]
async fn a_refusal_arrives_in_full_also_when_asked_with_head() {
    let server = Server::start(|_, seen| gate(seen)).await;
    let client = server.anonymous();
    let errors = [
        client.manifest(&shop(), &tag()).await.unwrap_err(),
        client.head_manifest(&shop(), &tag()).await.unwrap_err(),
    ];
    for error in errors {
        let refused = error.refused().unwrap();
        assert_eq!(
            (refused.status, refused.registry_code()),
            (403, oci::ErrorCode::Denied)
        );
        assert!(refused.message.contains("stage staging"), "{refused:?}");
        assert_eq!(
            refused.detail.as_ref().unwrap()["decisions"][0]["gate"],
            "production"
        );
        assert_eq!(refused.retry_after_seconds, Some(30));
    }
}

#[tokio::test]
async fn heads_of_manifests() {
    let digest = Digest::sha256(manifest().as_bytes());
    let named = digest.clone();
    let server = Server::start(move |_, seen| match seen.target.ends_with("/1") {
        true => sent(&manifest(), media::OCI_MANIFEST, &named),
        false => status(404),
    })
    .await;
    let head = server
        .anonymous()
        .head_manifest(&shop(), &tag())
        .await
        .unwrap()
        .unwrap();
    assert_eq!((head.digest, head.size), (digest, manifest().len() as u64));
    let missing = Reference::Tag(Tag::parse("2").unwrap());
    assert_eq!(
        server
            .anonymous()
            .head_manifest(&shop(), &missing)
            .await
            .unwrap(),
        None
    );
    assert!(
        server
            .anonymous()
            .manifest(&shop(), &missing)
            .await
            .unwrap_err()
            .is_not_found()
    );
}

#[tokio::test]
async fn blobs_are_checked_at_their_end() {
    let content = "x".repeat(300_000);
    let digest = Digest::sha256(content.as_bytes());
    let body = content.clone();
    let server = Server::start(move |_, _| respond(200, &[], body.clone())).await;
    let client = server.anonymous();
    let blob = client.blob(&shop(), &digest).await.unwrap();
    assert_eq!(blob.size(), Some(300_000));
    assert_eq!(blob.bytes(300_000).await.unwrap(), content.as_bytes());
    let short = client
        .blob(&shop(), &digest)
        .await
        .unwrap()
        .bytes(299_999)
        .await;
    assert!(matches!(
        short,
        Err(Error::TooLarge {
            bytes_max: 299_999,
            ..
        })
    ));
    let other = Digest::sha256(b"other");
    let wrong = client
        .blob(&shop(), &other)
        .await
        .unwrap()
        .bytes(1 << 20)
        .await;
    assert!(matches!(wrong, Err(Error::DigestMismatch { expected, .. }) if expected == other));
}

#[tokio::test(flavor = "multi_thread")]
async fn blobs_for_code_that_blocks() {
    let server = Server::start(|_, _| respond(200, &[], "layer")).await;
    let client = server.anonymous();
    for (digest, expected) in [
        (Digest::sha256(b"layer"), true),
        (Digest::sha256(b"other"), false),
    ] {
        let mut reader = client
            .blob(&shop(), &digest)
            .await
            .unwrap()
            .into_reader(tokio::runtime::Handle::current());
        let read = tokio::task::spawn_blocking(move || {
            let mut all = String::new();
            reader.read_to_string(&mut all).map(|_| all)
        });
        let read = read.await.unwrap();
        assert_eq!(read.is_ok_and(|text| text == "layer"), expected);
    }
}

#[tokio::test]
async fn storage_behind_a_redirect_gets_no_credentials() {
    let storage = Server::start(|_, _| respond(200, &[], "layer")).await;
    let location = format!("{}/presigned?signature=1", storage.base);
    let registry = Server::start(move |_, seen| match seen.header("authorization") {
        Some(MARIA_BASIC) => respond(307, &[("location", &location)], ""),
        _ => respond(401, &[("www-authenticate", "Basic realm=r")], ""),
    })
    .await;
    let blob = registry
        .client(maria())
        .blob(&shop(), &Digest::sha256(b"layer"))
        .await
        .unwrap();
    assert_eq!(blob.bytes(100).await.unwrap(), "layer");
    assert_eq!(storage.targets(), ["GET /presigned?signature=1"]);
    assert_eq!(storage.seen()[0].header("authorization"), None);
}

#[tokio::test]
async fn redirects_end() {
    let server = Server::start(|_, seen| respond(307, &[("location", &seen.target)], "")).await;
    let error = server
        .anonymous()
        .blob(&shop(), &Digest::sha256(b"x"))
        .await
        .unwrap_err();
    assert!(
        matches!(
            error,
            Error::Redirect {
                why: "too many redirects",
                ..
            }
        ),
        "{error:?}"
    );
    assert_eq!(server.targets().len(), 6);
}

#[tokio::test]
async fn tags_of_all_pages() {
    let server = Server::start(|_, seen| match seen.target.as_str() {
        "/v2/shop/web/tags/list" => {
            let link = ("link", "</v2/shop/web/tags/list?n=2&last=b>; rel=\"next\"");
            respond(200, &[link], r#"{"name":"shop/web","tags":["a","b"]}"#)
        }
        "/v2/shop/web/tags/list?n=2&last=b" => {
            json(200, json!({"name": "shop/web", "tags": ["c"]}))
        }
        _ => json(200, json!({"name": "shop/empty", "tags": null})),
    })
    .await;
    let tags = server.anonymous().tags(&shop()).await.unwrap();
    assert_eq!(
        tags.iter().map(Tag::as_str).collect::<Vec<_>>(),
        ["a", "b", "c"]
    );
    assert!(
        server
            .anonymous()
            .tags(&"shop/empty".parse().unwrap())
            .await
            .unwrap()
            .is_empty()
    );

    let astray = Server::start(|_, _| {
        respond(
            200,
            &[("link", "<http://127.0.0.1:1/v2/x>; rel=\"next\"")],
            r#"{"tags":["a"]}"#,
        )
    })
    .await;
    assert!(matches!(
        astray.anonymous().tags(&shop()).await,
        Err(Error::Malformed { .. })
    ));
}
