//! A real connection: what arrives is the files' bytes, between heads and other bodies, in their order.

use super::*;
use http::{Request, Response, header};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use std::io::Write;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

fn content() -> Vec<u8> {
    (0..1_000_000_u32).flat_map(u32::to_le_bytes).collect()
}

fn file() -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&content()).unwrap();
    file
}

/// Answers `/OFFSET/LENGTH` with that part of the file, said to be as long as asked for, and anything else with `plain`.
fn answer(files: &Files, path: &str) -> Response<Body> {
    let mut parts = path.trim_start_matches('/').split('/');
    let (offset, length) = (parts.next(), parts.next());
    let (Some(Ok(offset)), Some(Ok(length))) =
        (offset.map(str::parse::<u64>), length.map(str::parse::<u64>))
    else {
        return Response::new(Body::from("plain"));
    };
    Response::builder()
        .header(header::CONTENT_LENGTH, length)
        .body(files.body(file(), offset, length))
        .unwrap()
}

/// All that a server sends for these requests on one connection.
async fn exchange(paths: &[&str]) -> Vec<u8> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let (conduit, files) = Conduit::new(stream);
        let service = service_fn(move |request: Request<hyper::body::Incoming>| {
            let response = answer(&files, request.uri().path());
            async move { Ok::<_, Infallible>(response) }
        });
        let _ = Builder::new(TokioExecutor::new())
            .serve_connection(TokioIo::new(conduit), service)
            .await;
    });
    let mut stream = TcpStream::connect(address).await.unwrap();
    for (index, path) in paths.iter().enumerate() {
        let connection = if index + 1 == paths.len() {
            "close"
        } else {
            "keep-alive"
        };
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: {connection}\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
    }
    let mut received = Vec::new();
    // A server that gives up resets the connection.
    let _ = stream.read_to_end(&mut received).await;
    received
}

/// The bodies of a series of answers, each as long as its head says.
fn bodies(mut received: &[u8]) -> Vec<&[u8]> {
    let mut bodies = Vec::new();
    while !received.is_empty() {
        let end = received
            .windows(4)
            .position(|four| four == b"\r\n\r\n")
            .unwrap();
        let head = std::str::from_utf8(&received[..end]).unwrap();
        let length: usize = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "))
            .unwrap()
            .parse()
            .unwrap();
        bodies.push(&received[end + 4..end + 4 + length]);
        received = &received[end + 4 + length..];
    }
    bodies
}

#[tokio::test]
async fn files_and_other_bodies_come_in_the_order_of_the_requests() {
    let content = content();
    let received = exchange(&["/0/4000000", "/x", "/3/5", "/123456/2000000", "/0/0", "/x"]).await;
    let bodies = bodies(&received);
    assert_eq!(bodies.len(), 6);
    assert!(bodies[0] == content);
    assert_eq!(bodies[1], b"plain");
    assert_eq!(bodies[2], &content[3..8]);
    assert!(bodies[3] == &content[123_456..2_123_456]);
    assert_eq!(bodies[4], b"");
    assert_eq!(bodies[5], b"plain");
}

#[tokio::test]
async fn a_file_that_is_too_short_ends_the_connection() {
    let received = exchange(&["/3999990/100"]).await;
    let end = received
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .unwrap();
    assert_eq!(
        received.len() - end - 4,
        10,
        "what is there, and nothing made up"
    );
}

#[test]
fn only_what_lies_in_the_hole_is_one() {
    assert!(is_hole(&HOLE));
    assert!(is_hole(&HOLE[HOLE_BYTES - 1..]));
    assert!(!is_hole(&HOLE[..0]));
    assert!(!is_hole(&[0; 16]));
    assert!(is_hole(&Bytes::from_static(&HOLE).slice(5..10)));
}
