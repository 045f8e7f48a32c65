//! Stopping: nothing new comes in, nobody who is at it is cut off, and it does end.

use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use oci::Digest;
use server::limits::Limits;
use server::router;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tower::ServiceExt;

use crate::world::{Answer, PATIENCE, World, authorization};

/// Waits until nobody listens any more.
async fn refuses(world: &World) {
    let refused = async { while TcpStream::connect(world.address).await.is_ok() {} };
    tokio::time::timeout(PATIENCE, refused)
        .await
        .expect("new connections are refused");
}

/// Begins to send a blob; what is missing is answered.
async fn begin(world: &World, content: &[u8]) -> (TcpStream, Digest, usize) {
    let digest = Digest::sha256(content);
    let location = world.upload("shop/web").await;
    let head = format!(
        "PUT {location}&digest={digest} HTTP/1.1\r\nhost: localhost\r\n{}content-length: {}\r\nexpect: 100-continue\r\n\r\n",
        authorization("admin"),
        content.len()
    );
    let mut stream = world.connect().await;
    stream.write_all(head.as_bytes()).await.unwrap();
    // The server asks for the body when the request is under way.
    let mut goes_on = [0; 25];
    stream.read_exact(&mut goes_on).await.unwrap();
    assert_eq!(&goes_on, b"HTTP/1.1 100 Continue\r\n\r\n");
    let half = content.len() / 2;
    stream.write_all(&content[..half]).await.unwrap();
    (stream, digest, half)
}

#[tokio::test]
async fn an_upload_ends_before_the_server_does() {
    let mut world = World::new().await;
    let content = b"a slow layer".repeat(1_000);
    let (mut upload, digest, half) = begin(&world, &content).await;
    let mut idle = world.connect().await;
    idle.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .await
        .unwrap();
    idle.read_exact(&mut [0]).await.unwrap();

    world.stop();
    refuses(&world).await;
    Answer::read(&mut idle).await;
    let ready = Request::get("/readyz").body(Body::empty()).unwrap();
    let ready = router::build(world.app.clone()).oneshot(ready).await;
    assert_eq!(ready.unwrap().status(), 503, "it says that it stops");
    assert!(world.is_serving());

    upload.write_all(&content[half..]).await.unwrap();
    let answer = Answer::read(&mut upload).await.expect(201);
    assert_eq!(answer.header("connection"), "close");
    world.stopped().await;
    let size = store::blobs::open(&world.store, &digest)
        .await
        .unwrap()
        .size;
    assert_eq!(size, 12_000);
}

#[tokio::test]
async fn whoever_does_not_end_in_time_is_cut_off() {
    let mut world = World::within(Limits {
        stop_timeout: Duration::from_millis(100),
        ..Limits::default()
    })
    .await;
    let (mut upload, ..) = begin(&world, &[0; 1_000]).await;
    world.stop();
    world.stopped().await;
    let mut rest = Vec::new();
    let read = tokio::time::timeout(PATIENCE, upload.read_to_end(&mut rest)).await;
    let _ = read.expect("the connection is closed");
    assert!(rest.is_empty());
}
