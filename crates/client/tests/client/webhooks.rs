//! Deliveries: what arrives verifies, and what becomes of them is told.

use client::webhook::{
    CloudEvent, Deliverer, EventParts, Outcome, Received, SigningSecret, check_url, verify,
};
use serde_json::json;

use crate::server::{Server, install_provider, respond, status};

const NOW_S: i64 = 1_700_000_000;

fn event() -> CloudEvent {
    CloudEvent::new(EventParts {
        id: "event-1".into(),
        sequence: 1,
        kind: "image.pushed".into(),
        repository: Some("shop/web".into()),
        digest: None,
        ordering_key: "shop/web".into(),
        happened_at: 1,
        data: json!({}),
    })
}

async fn deliver(url: &str, secret: &SigningSecret) -> Outcome {
    install_provider();
    Deliverer::new(&[])
        .unwrap()
        .deliver(url, secret, &event(), NOW_S * 1_000 + 999)
        .await
}

#[tokio::test]
async fn a_delivery_verifies_where_it_arrives() {
    let server = Server::start(|_, _| status(204)).await;
    let secret = SigningSecret::random().unwrap();
    assert_eq!(
        deliver(&format!("{}/hook?x=1", server.base), &secret).await,
        Outcome::Delivered
    );
    let seen = server.seen().pop().unwrap();
    assert!(seen.is("POST", "/hook?x=1"));
    assert_eq!(
        seen.header("content-type"),
        Some("application/cloudevents+json")
    );
    let received = Received {
        id: seen.header("webhook-id").unwrap(),
        timestamp: seen.header("webhook-timestamp").unwrap(),
        signature: seen.header("webhook-signature").unwrap(),
    };
    assert_eq!(received.id, "event-1");
    assert_eq!(
        serde_json::from_slice::<CloudEvent>(&seen.body).unwrap(),
        event()
    );
    verify(&secret, &received, &seen.body, NOW_S + 1).unwrap();
    assert!(
        verify(
            &SigningSecret::random().unwrap(),
            &received,
            &seen.body,
            NOW_S
        )
        .is_err()
    );
}

#[tokio::test]
async fn what_became_of_it() {
    let secret = SigningSecret::random().unwrap();
    let elsewhere = Server::start(|_, _| status(200)).await;
    let location = elsewhere.base.clone();
    let server = Server::start(move |_, seen| match seen.target.as_str() {
        "/gone" => status(410),
        "/busy" => respond(429, &[("retry-after", "12")], ""),
        "/moved" => respond(308, &[("location", &location)], ""),
        _ => status(500),
    })
    .await;
    let failed = |why: &str, retry_after_seconds| Outcome::Failed {
        why: why.into(),
        retry_after_seconds,
    };
    for (path, expected) in [
        ("/gone", Outcome::Gone),
        (
            "/busy",
            failed("the receiver answered 429 Too Many Requests", Some(12)),
        ),
        (
            "/moved",
            failed("the receiver answered 308 Permanent Redirect", None),
        ),
        (
            "/broken",
            failed("the receiver answered 500 Internal Server Error", None),
        ),
    ] {
        assert_eq!(
            deliver(&format!("{}{path}", server.base), &secret).await,
            expected
        );
    }
    assert!(elsewhere.seen().is_empty());
    drop(server);
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    assert!(matches!(
        deliver(&format!("http://{closed}/"), &secret).await,
        Outcome::Failed { .. }
    ));
    assert!(matches!(
        deliver("file:///etc/passwd", &secret).await,
        Outcome::Failed { .. }
    ));
}

#[test]
fn addresses_of_receivers() {
    assert!(check_url("https://chat.example/hooks/1?token=x").is_ok());
    for url in [
        "chat.example",
        "ftp://chat.example",
        "https://u:secret@chat.example",
    ] {
        let error = check_url(url).unwrap_err().to_string();
        assert!(!error.contains("secret"), "{error}");
    }
}
