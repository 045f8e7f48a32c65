//! Signatures by OpenPGP: read from a lookaside store, and carried to a registry that takes them.

use axum::response::Response;
use bytes::Bytes;
use client::Error;
use client::lookaside::LookasideClient;
use oci::Digest;
use serde_json::json;

use crate::server::{Seen, Server, json, respond, shop, status};

fn store(_base: &str, seen: &Seen) -> Response {
    match seen.target.as_str() {
        "/below/shop/web@sha256=00/signature-1" => respond(200, &[], "0123456789"),
        "/below/moved" => respond(302, &[("location", "/elsewhere")], ""),
        "/elsewhere" => respond(200, &[], "there"),
        "/below/broken" => status(500),
        _ => status(404),
    }
}

#[tokio::test]
async fn a_lookaside_has_files_below_its_address() {
    let server = Server::start(store).await;
    for base in ["/below", "/below/"] {
        let store = LookasideClient::new(&format!("{}{base}", server.base), &[]).unwrap();
        let path = "shop/web@sha256=00/signature-1";
        let file = store.file(path, 10).await.unwrap();
        assert_eq!(file, Some(Bytes::from_static(b"0123456789")));
        let long = store.file(path, 9).await;
        assert!(matches!(long, Err(Error::TooLarge { .. })), "{long:?}");
        let missing = store.file("shop/web@sha256=00/signature-2", 10).await;
        assert_eq!(missing.unwrap(), None);
        let moved = store.file("moved", 10).await.unwrap();
        assert_eq!(moved, Some(Bytes::from_static(b"there")));
        let broken = store.file("broken", 10).await;
        assert!(matches!(broken, Err(Error::Refused(_))), "{broken:?}");
    }
    for seen in server.seen() {
        assert_eq!(seen.header("authorization"), None, "{}", seen.target);
    }
}

#[test]
fn a_lookaside_is_an_address_and_no_more() {
    crate::server::install_provider();
    for base in [
        "ftp://signatures.example/",
        "signatures.example",
        "https://maria:secret@signatures.example/",
        "https://signatures.example/?key=1",
        "https://signatures.example/#there",
    ] {
        let refused = LookasideClient::new(base, &[]);
        assert!(matches!(refused, Err(Error::Address { .. })), "{base}");
    }
}

#[tokio::test]
async fn signatures_are_carried_as_they_are() {
    let digest = Digest::sha256(b"a manifest");
    let path = format!("/extensions/v2/shop/web/signatures/{digest}");
    let server =
        Server::start(
            move |_, seen: &Seen| match (seen.method.as_str(), seen.target == path) {
                ("GET", true) => json(200, json!({"signatures": [{"name": "a"}]})),
                ("GET", false) => json(200, json!({"signatures": null})),
                ("PUT", true) => status(201),
                _ => status(404),
            },
        )
        .await;
    let client = server.anonymous();
    let kept = client.openpgp_signatures(&shop(), &digest).await.unwrap();
    assert_eq!(kept, [json!({"name": "a"})]);
    let other = Digest::sha256(b"another");
    let none = client.openpgp_signatures(&shop(), &other).await.unwrap();
    assert!(none.is_empty());
    let document = Bytes::from_static(b"{\"name\":\"b\"}");
    client
        .put_openpgp_signature(&shop(), &digest, document.clone())
        .await
        .unwrap();
    let seen = server.seen();
    let sent = seen.iter().find(|seen| seen.method == "PUT").unwrap();
    assert_eq!(sent.body, document);
    assert_eq!(sent.header("content-type"), Some("application/json"));
    let refused = client
        .put_openpgp_signature(&shop(), &other, document)
        .await;
    assert!(refused.unwrap_err().is_not_found());
}
