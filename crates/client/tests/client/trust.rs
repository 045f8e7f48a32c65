//! Trust repositories: paths with the whole name, scopes as docker writes them, updates as one body, reasons in the server's words.

use axum::response::Response;
use client::Error;
use serde_json::json;

use crate::server::{Seen, Server, json, maria, respond, status};

const GUN: &str = "registry.example:5000/shop/web";

/// A trust server that gives a token for what is asked, and wants it.
fn trust_server(base: &str, seen: &Seen) -> Response {
    if let Some(query) = seen.target.strip_prefix("/token?") {
        return json(200, json!({"token": query.replace('&', "_")}));
    }
    let actions = match (seen.method.as_str(), seen.target.ends_with(".key")) {
        ("GET", false) => "pull",
        ("GET", true) => "push,pull",
        ("POST", false) => "push,pull",
        _ => "*",
    };
    let encoded = actions.replace(',', "%2C").replace('*', "%2A");
    let expected = format!(
        "Bearer service=test_scope=repository%3Aregistry.example%3A5000%2Fshop%2Fweb%3A{encoded}"
    );
    if seen
        .header("authorization")
        .map(|text| text.replace('*', "%2A"))
        != Some(expected)
    {
        let scope = format!("repository:{GUN}:{actions}");
        let header = format!("Bearer realm=\"{base}/token\",service=\"test\",scope=\"{scope}\"");
        return respond(401, &[("www-authenticate", &header)], "");
    }
    let below = format!("/v2/{GUN}/_trust/tuf/");
    match (seen.method.as_str(), seen.target.strip_prefix(&below)) {
        ("GET", Some("targets/alice.json")) => respond(200, &[], "0123456789"),
        ("GET" | "POST", Some("snapshot.key")) => respond(200, &[], "a key"),
        ("GET", Some(_)) => json(404, json!({"errors": [{"code": "METADATA_NOT_FOUND"}]})),
        ("DELETE", Some("")) => status(200),
        ("POST", Some("")) if seen.body.windows(6).any(|part| part == b"\"root\"") => {
            let why = json!({"Name": "ErrBadRoot", "Error": {"Msg": "root: 0 of 1 are valid"}});
            let error = json!({"code": "INVALID_UPDATE", "message": "see detail", "detail": why});
            json(400, json!({"errors": [error]}))
        }
        ("POST", Some("")) => status(200),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn files_and_keys_are_asked_for_by_the_whole_name() {
    let server = Server::start(trust_server).await;
    let client = server.client(maria());
    let file = client.trust_file(GUN, "targets/alice.json", 10).await;
    assert_eq!(file.unwrap().unwrap(), "0123456789");
    let long = client.trust_file(GUN, "targets/alice.json", 9).await;
    assert!(matches!(long, Err(Error::TooLarge { .. })), "{long:?}");
    assert_eq!(client.trust_file(GUN, "root.json", 9).await.unwrap(), None);
    let key = client.trust_key(GUN, "snapshot").await.unwrap();
    assert_eq!(key.unwrap(), "a key");
    let none = client.trust_key(GUN, "targets/releases").await.unwrap();
    assert_eq!(none, None);
    let next = client.next_trust_key(GUN, "snapshot").await.unwrap();
    assert_eq!(next, "a key");
    client.delete_trust(GUN).await.unwrap();
}

#[tokio::test]
async fn an_update_is_sent_whole_and_its_refusal_says_why() {
    let server = Server::start(trust_server).await;
    let client = server.client(maria());
    let files: [(&str, &[u8]); 2] = [("targets", b"{}"), ("targets/alice", b"{1}")];
    client.publish_trust(GUN, &files).await.unwrap();
    let seen = server.seen();
    let sent = seen.last().unwrap();
    let kind = sent.header("content-type").unwrap();
    let boundary = kind.strip_prefix("multipart/form-data; boundary=").unwrap();
    let text = String::from_utf8(sent.body.to_vec()).unwrap();
    assert_eq!(text.matches(boundary).count(), 3, "{text}");
    assert!(text.contains("filename=\"targets/alice\"\r\n"), "{text}");

    let refused = client.publish_trust(GUN, &[("root", b"{}")]).await;
    let refused = refused.unwrap_err();
    let refused = refused.refused().unwrap();
    assert_eq!(refused.code, "INVALID_UPDATE");
    assert_eq!(refused.message, "root: 0 of 1 are valid");
}
