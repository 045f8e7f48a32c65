//! Clients that take too much, too long or too slowly: each is told so, and nobody else notices.

use std::time::Duration;

use oci::Digest;
use server::limits::Limits;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::world::{Answer, PATIENCE, World, authorization};

const SHORT: Duration = Duration::from_millis(150);

/// Waits until the server closes the connection.
async fn closed(mut stream: TcpStream) {
    let mut rest = Vec::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut rest)).await;
    // A reset is an end as well.
    let _ = read.expect("the server closes the connection");
}

#[tokio::test]
async fn whoever_does_not_finish_a_head_is_cut_off() {
    let world = World::within(Limits {
        head_timeout: SHORT,
        ..Limits::default()
    })
    .await;
    for begun in [
        &b""[..],
        b"GET /v2/ HTTP/1.1\r\nhost: loc",
        b"PRI * HT",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ] {
        let mut stream = world.connect().await;
        stream.write_all(begun).await.unwrap();
        closed(stream).await;
    }
    // One that was answered may be asked again, and not for ever.
    let mut stream = world.connect().await;
    stream
        .write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .await
        .unwrap();
    closed(stream).await;
}

#[tokio::test]
async fn a_body_that_stands_still_is_told_so() {
    let world = World::within(Limits {
        body_timeout: SHORT,
        ..Limits::default()
    })
    .await;
    let location = world.upload("shop/web").await;
    let who = authorization("admin");
    let answer = world
        .say(
            format!(
                "PATCH {location} HTTP/1.1\r\nhost: localhost\r\n{who}content-length: 100\r\n\r\nbegun"
            )
            .as_bytes(),
        )
        .await
        .expect(408);
    assert!(answer.body.contains("stood still"), "{answer:?}");
    // What came is kept.
    let status = world.ask("GET", &location, "").await.expect(204);
    assert_eq!(status.header("range"), "0-4");
    let answer = world
        .say(
            format!(
                "PUT /v2/shop/web/manifests/1 HTTP/1.1\r\nhost: localhost\r\n{who}content-length: 100\r\n\r\n{{"
            )
            .as_bytes(),
        )
        .await;
    answer.expect(408);
}

#[tokio::test]
async fn whoever_does_not_read_the_answer_is_cut_off() {
    let world = World::within(Limits {
        body_timeout: SHORT,
        ..Limits::default()
    })
    .await;
    // More than the system's buffers between the two take.
    let content = vec![7_u8; 32 << 20];
    let digest = Digest::sha256(&content);
    let who = authorization("admin");
    let mut stream = world.connect().await;
    let head = format!(
        "POST /v2/shop/web/blobs/uploads/?digest={digest} HTTP/1.1\r\nhost: localhost\r\n{who}content-length: {}\r\nconnection: close\r\n\r\n",
        content.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&content).await.unwrap();
    Answer::read(&mut stream).await.expect(201);
    let mut stream = world.connect().await;
    let head = format!("GET /v2/shop/web/blobs/{digest} HTTP/1.1\r\nhost: localhost\r\n{who}\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    // The caretaker's metrics say when it is gone.
    gone(&world).await;
    let mut received = Vec::new();
    let _ = stream.read_to_end(&mut received).await;
    assert!(received.len() < content.len(), "{}", received.len());
}

/// Waits until the connection that asks is the only one.
async fn gone(world: &World) {
    let waiting = async {
        loop {
            let metrics = world.ask("GET", "/metrics", "").await.expect(200);
            if metrics.body.contains("\ncountersign_http_connections 1\n") {
                return;
            }
        }
    };
    tokio::time::timeout(PATIENCE, waiting)
        .await
        .expect("the other connections end");
}

#[tokio::test]
async fn one_connection_too_many_is_told_when_to_come_back() {
    for (limits, status, code) in [
        (
            Limits {
                connections_max: 2,
                ..Limits::default()
            },
            503,
            "UNAVAILABLE",
        ),
        (
            Limits {
                connections_per_address_max: 2,
                ..Limits::default()
            },
            429,
            "TOOMANYREQUESTS",
        ),
    ] {
        let world = World::within(limits).await;
        let (mut first, mut second) = (world.connect().await, world.connect().await);
        for stream in [&mut first, &mut second] {
            let request = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n";
            stream.write_all(request).await.unwrap();
            let mut byte = [0];
            stream.read_exact(&mut byte).await.unwrap();
        }
        let answer = world.ask("GET", "/healthz", "").await.expect(status);
        assert_eq!(answer.header("retry-after"), "5");
        assert_eq!(answer.json()["errors"][0]["code"], code);
        drop(second);
        let served = async { while world.ask("GET", "/healthz", "").await.status != 200 {} };
        tokio::time::timeout(PATIENCE, served)
            .await
            .expect("there is room again");
        drop(first);
    }
}

#[tokio::test]
async fn heads_have_a_size() {
    let world = World::new().await;
    let long = "x".repeat(300 * 1024);
    let head = format!("GET /v2/ HTTP/1.1\r\nhost: localhost\r\nx-long: {long}\r\n\r\n");
    world.say(head.as_bytes()).await.expect(431);
    let many = "x-many: 1\r\n".repeat(200);
    let head = format!("GET /v2/ HTTP/1.1\r\nhost: localhost\r\n{many}\r\n");
    world.say(head.as_bytes()).await.expect(431);
    let path = "a/".repeat(40 * 1024);
    let head = format!("GET /v2/{path} HTTP/1.1\r\nhost: localhost\r\n\r\n");
    world.say(head.as_bytes()).await.expect(414);
    let metrics = world.ask("GET", "/metrics", "").await.expect(200);
    let counted = "\ncountersign_http_requests_unreadable_total 3\n";
    assert!(metrics.body.contains(counted), "{}", metrics.body);
}

#[tokio::test]
async fn a_blob_has_a_largest_size() {
    let world = World::within(Limits {
        blob_bytes_max: Some(1_000),
        ..Limits::default()
    })
    .await;
    let fits = "x".repeat(1_000);
    let path = |content: &str| {
        let digest = Digest::sha256(content.as_bytes());
        format!("/v2/shop/web/blobs/uploads/?digest={digest}")
    };
    world.ask("POST", &path(&fits), &fits).await.expect(201);
    let larger = "y".repeat(1_001);
    let refused = world.ask("POST", &path(&larger), &larger).await.expect(413);
    assert!(refused.body.contains("1000 bytes"), "{refused:?}");
    assert_eq!(refused.json()["errors"][0]["code"], "SIZE_INVALID");
    // Without a length, and in several pieces, it is the same.
    let who = authorization("admin");
    let location = world.upload("shop/web").await;
    let chunked = format!(
        "PATCH {location} HTTP/1.1\r\nhost: localhost\r\n{who}transfer-encoding: chunked\r\nconnection: close\r\n\r\n3e9\r\n{larger}\r\n0\r\n\r\n"
    );
    world.say(chunked.as_bytes()).await.expect(413);
    let location = world.upload("shop/web").await;
    let half = "z".repeat(600);
    world.ask("PATCH", &location, &half).await.expect(202);
    world.ask("PATCH", &location, &half).await.expect(413);
    let over = world.ask("GET", &location, "").await;
    assert_eq!(over.status, 404, "the upload is given up");
}

#[tokio::test]
async fn whoever_is_refused_while_still_sending_can_read_why() {
    let world = World::within(Limits {
        blob_bytes_max: Some(1_000),
        ..Limits::default()
    })
    .await;
    let location = world.upload("shop/web").await;
    let who = authorization("admin");
    let mut stream = world.connect().await;
    let head = format!(
        "PATCH {location} HTTP/1.1\r\nhost: localhost\r\n{who}content-length: {}\r\n\r\n",
        32 << 20
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    // All of it, before a look at the answer: more than the system's buffers take.
    stream.write_all(&vec![0; 32 << 20]).await.unwrap();
    Answer::read(&mut stream).await.expect(413);
}
