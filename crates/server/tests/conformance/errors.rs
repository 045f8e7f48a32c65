//! distribution-spec "Error Codes", and what HTTP asks of every answer: their form, HEAD, methods, encodings, locations.

use oci::Digest;
use serde_json::Value;

use crate::world::{Answer, World, closing};

/// The codes of the specification, and those of Docker's that clients know as well.
const CODES: [&str; 19] = [
    "BLOB_UNKNOWN",
    "BLOB_UPLOAD_INVALID",
    "BLOB_UPLOAD_UNKNOWN",
    "DIGEST_INVALID",
    "MANIFEST_BLOB_UNKNOWN",
    "MANIFEST_INVALID",
    "MANIFEST_UNKNOWN",
    "NAME_INVALID",
    "NAME_UNKNOWN",
    "SIZE_INVALID",
    "UNAUTHORIZED",
    "DENIED",
    "UNSUPPORTED",
    "TOOMANYREQUESTS",
    "RANGE_INVALID",
    "TAG_INVALID",
    "PAGINATION_NUMBER_INVALID",
    "UNAVAILABLE",
    "UNKNOWN",
];

fn is_error_of_the_specification(answer: &Answer, what: &str) {
    assert_eq!(answer.header("content-type"), "application/json", "{what}");
    assert_eq!(
        answer.header("docker-distribution-api-version"),
        "registry/2.0",
        "{what}"
    );
    let body = answer.json();
    let errors = body["errors"].as_array().unwrap();
    assert_eq!(errors.len(), 1, "{what}");
    for error in errors {
        let code = error["code"].as_str().unwrap();
        assert!(CODES.contains(&code), "{what}: {code}");
        let message = error["message"].as_str().unwrap();
        assert!(
            !message.is_empty() && !message.ends_with('.'),
            "{what}: {message}"
        );
        let fields: Vec<&String> = error.as_object().unwrap().keys().collect();
        let known = ["code", "message", "detail"];
        assert!(fields.iter().all(|field| known.contains(&field.as_str())));
    }
}

#[tokio::test]
async fn every_refusal_has_the_form_of_the_specification() {
    let world = World::new().await;
    world.person("erik", &[("reader", "shop/**")]).await;
    world.image("shop/web", "1", b"a layer").await;
    let layer = Digest::sha256(b"a layer");
    let unknown = Digest::sha256(b"unknown");
    let upload = world.upload("shop/web").await;
    let put = closing(&upload, &unknown);
    let many_tags = vec!["tag=a"; 30].join("&");
    for (user, method, path, status) in [
        ("", "GET", "/v2/".to_owned(), 401),
        ("", "GET", "/v2/shop/web/manifests/1".to_owned(), 401),
        ("erik", "DELETE", "/v2/shop/web/manifests/1".to_owned(), 403),
        (
            "erik",
            "POST",
            "/v2/shop/web/blobs/uploads/".to_owned(),
            403,
        ),
        ("erik", "GET", "/v2/_catalog".to_owned(), 403),
        ("erik", "GET", "/v2/secret/web/tags/list".to_owned(), 403),
        ("admin", "GET", "/v2/shop/other/tags/list".to_owned(), 404),
        ("admin", "GET", "/v2/shop/web/tags/list?n=x".to_owned(), 400),
        ("admin", "GET", "/v2/shop/web/manifests/2".to_owned(), 404),
        ("admin", "GET", "/v2/shop/web/manifests/.no".to_owned(), 400),
        ("admin", "PUT", "/v2/shop/web/manifests/2".to_owned(), 400),
        (
            "admin",
            "PUT",
            format!("/v2/shop/web/manifests/2?{many_tags}"),
            414,
        ),
        (
            "admin",
            "DELETE",
            "/v2/shop/web/manifests/2".to_owned(),
            404,
        ),
        ("admin", "GET", format!("/v2/shop/web/blobs/{unknown}"), 404),
        (
            "admin",
            "DELETE",
            format!("/v2/shop/web/blobs/{unknown}"),
            404,
        ),
        (
            "admin",
            "DELETE",
            format!("/v2/shop/web/blobs/{layer}"),
            409,
        ),
        ("admin", "GET", "/v2/shop/web/referrers/no".to_owned(), 400),
        ("admin", "PUT", put, 400),
        ("admin", "PUT", upload.clone(), 400),
        (
            "admin",
            "GET",
            "/v2/shop/web/blobs/uploads/nothing".to_owned(),
            404,
        ),
        ("admin", "GET", "/v2/shop/web/nothing".to_owned(), 404),
        ("admin", "GET", "/v2/shop".to_owned(), 404),
        ("admin", "GET", "/v2/_oci/ext/discover".to_owned(), 404),
        ("admin", "POST", "/v2/shop/web/manifests/1".to_owned(), 405),
        ("admin", "DELETE", "/v2/shop/web/tags/list".to_owned(), 405),
    ] {
        let what = format!("{user} {method} {path}");
        let ask = match user {
            "" => world.ask_as_nobody(method, &path),
            user => world.ask_as(user, method, &path),
        };
        let answer = ask.empty().await;
        assert_eq!(answer.status.as_u16(), status, "{what}");
        is_error_of_the_specification(&answer, &what);
    }
}

#[tokio::test]
async fn head_is_answered_like_get_without_a_body() {
    // RFC 9110 9.3.2; containerd takes a missing length for a broken registry.
    let world = World::new().await;
    world.image("shop/web", "1", b"a layer").await;
    let layer = Digest::sha256(b"a layer");
    let unknown = Digest::sha256(b"unknown");
    for path in [
        "/v2/".to_owned(),
        "/v2/_catalog".to_owned(),
        "/v2/shop/web/tags/list".to_owned(),
        format!("/v2/shop/web/referrers/{layer}"),
        "/v2/shop/web/manifests/1".to_owned(),
        "/v2/shop/web/manifests/2".to_owned(),
        "/v2/shop/web/manifests/.no".to_owned(),
        format!("/v2/shop/web/blobs/{layer}"),
        format!("/v2/shop/web/blobs/{unknown}"),
        "/v2/shop/web/nothing".to_owned(),
    ] {
        for user in ["admin", ""] {
            let ask = |method| match user {
                "" => world.ask_as_nobody(method, &path),
                user => world.ask_as(user, method, &path),
            };
            let get = ask("GET").empty().await;
            let head = ask("HEAD").empty().await;
            assert_eq!(head.status, get.status, "{path}");
            assert!(head.body.is_empty(), "{path}");
            assert_eq!(head.header("content-length"), get.body.len().to_string());
            for header in [
                "content-type",
                "docker-content-digest",
                "etag",
                "www-authenticate",
            ] {
                assert_eq!(head.header(header), get.header(header), "{path}");
            }
        }
    }
}

#[tokio::test]
async fn a_method_that_is_not_supported_is_told_which_are() {
    // RFC 9110 15.5.6
    let world = World::new().await;
    world.image("shop/web", "1", b"a layer").await;
    let layer = Digest::sha256(b"a layer");
    let upload = world.upload("shop/web").await;
    for (path, allowed) in [
        ("/v2/".to_owned(), "GET, HEAD"),
        ("/v2/_catalog".to_owned(), "GET, HEAD"),
        ("/v2/shop/web/tags/list".to_owned(), "GET, HEAD"),
        (format!("/v2/shop/web/referrers/{layer}"), "GET, HEAD"),
        (
            "/v2/shop/web/manifests/1".to_owned(),
            "GET, HEAD, PUT, DELETE",
        ),
        (format!("/v2/shop/web/blobs/{layer}"), "GET, HEAD, DELETE"),
        ("/v2/shop/web/blobs/uploads/".to_owned(), "POST"),
        (upload, "GET, HEAD, PATCH, PUT, DELETE"),
    ] {
        for method in [
            "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "GET", "POST", "PATCH",
        ] {
            if allowed.split(", ").any(|known| known == method) {
                continue;
            }
            let answer = world.ask(method, &path).empty().await.expect(405);
            assert_eq!(answer.header("allow"), allowed, "{method} {path}");
            assert_eq!(answer.code(), "UNSUPPORTED");
        }
    }
}

#[tokio::test]
async fn nothing_is_compressed_whatever_the_client_could_read() {
    // A length that is not that of the content breaks clients, and Go's asks for gzip by itself.
    let world = World::new().await;
    let layer = [b' '; 5_000];
    world.image("shop/web", "1", &layer).await;
    let digest = Digest::sha256(&layer);
    for path in [
        "/v2/shop/web/manifests/1".to_owned(),
        format!("/v2/shop/web/blobs/{digest}"),
        "/v2/shop/web/tags/list".to_owned(),
        format!("/v2/shop/web/referrers/{digest}"),
        "/v2/_catalog".to_owned(),
        "/v2/shop/web/manifests/2".to_owned(),
    ] {
        let plain = world.ask("GET", &path).empty().await;
        for encodings in ["gzip", "gzip, deflate, br, zstd", "identity;q=0, *"] {
            let ask = world.ask("GET", &path).with("accept-encoding", encodings);
            let answer = ask.empty().await;
            assert!(answer.headers.get("content-encoding").is_none(), "{path}");
            assert_eq!(answer.body, plain.body, "{path}");
            let length = answer.header("content-length");
            assert!(length.is_empty() || length == plain.body.len().to_string());
        }
    }
}

#[tokio::test]
async fn types_have_no_parameters_and_locations_no_host() {
    // Go's client compares types as texts; a location with a host breaks behind proxies.
    let world = World::new().await;
    let manifest = world.image("shop/web", "1", b"a layer").await;
    let digest = Digest::sha256(&manifest);
    for path in [
        "/v2/".to_owned(),
        "/v2/shop/web/tags/list".to_owned(),
        "/v2/shop/web/manifests/1".to_owned(),
        format!("/v2/shop/web/referrers/{digest}"),
    ] {
        let answer = world.ask("GET", &path).empty().await.expect(200);
        let media_type = answer.header("content-type");
        assert!(
            !media_type.is_empty() && !media_type.contains(';'),
            "{path}: {media_type}"
        );
    }
    let started = world
        .ask("POST", "/v2/shop/web/blobs/uploads/")
        .empty()
        .await;
    let location = started.header("location").to_owned();
    let patched = world.ask("PATCH", &location).body("some").await;
    let put = closing(patched.header("location"), &Digest::sha256(b"some"));
    let finished = world.ask("PUT", &put).empty().await;
    let pushed = world.manifest("shop/web", "2", &manifest).await;
    for answer in [started, patched, finished, pushed] {
        let location = answer.header("location");
        assert!(location.starts_with("/v2/shop/web/"), "{location}");
    }
}

#[tokio::test]
async fn the_base_says_who_is_known() {
    let world = World::new().await;
    let known = world.ask("GET", "/v2/").empty().await.expect(200);
    assert_eq!(known.json(), Value::Object(Default::default()));
    let nobody = world.ask_as_nobody("GET", "/v2/").empty().await.expect(401);
    assert_eq!(
        nobody.header("www-authenticate"),
        "Bearer realm=\"http://localhost/token\",service=\"countersign\""
    );
}
