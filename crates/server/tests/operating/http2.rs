//! HTTP/2: by prior knowledge, by TLS's choice of protocol, and what idle connections come to.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, StatusCode, Version};
use http_body_util::BodyExt;
use hyper::client::conn::http2::{Builder, SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use oci::Digest;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use server::AppOptions;
use server::limits::Limits;
use server::tls::{AUTHORITY_FILE, TlsSource};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;

use crate::world::{PATIENCE, World, authorization};

/// A client, and its connection's task.
async fn client<S>(stream: S) -> (SendRequest<Body>, JoinHandle<hyper::Result<()>>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (client, connection) = handshake(TokioExecutor::new(), TokioIo::new(stream))
        .await
        .unwrap();
    (client, tokio::spawn(connection))
}

async fn get(client: &mut SendRequest<Body>, url: &str) -> (StatusCode, Version, String) {
    let request = Request::get(url).body(Body::empty()).unwrap();
    let answer = client.send_request(request).await.unwrap();
    let (status, version) = (answer.status(), answer.version());
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    (status, version, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn by_prior_knowledge() {
    let world = World::new().await;
    let (mut client, _) = client(world.connect().await).await;
    let url = format!("http://{}/healthz", world.address);
    let (status, version, body) = get(&mut client, &url).await;
    assert_eq!(
        (status, version, body.as_str()),
        (StatusCode::OK, Version::HTTP_2, "ok\n")
    );
}

#[tokio::test]
async fn over_tls_by_its_choice() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let folder = tempfile::tempdir().unwrap();
    let authority = TlsSource::LocalAuthority {
        folder: folder.path().to_path_buf(),
        hosts: BTreeSet::from(["localhost".to_owned()]),
    };
    let world = World::with(AppOptions::default(), Some(authority)).await;
    let mut roots = RootCertStore::empty();
    let file = folder.path().join(AUTHORITY_FILE);
    roots
        .add(CertificateDer::from_pem_file(file).unwrap())
        .unwrap();
    let mut config = ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let stream = TlsConnector::from(Arc::new(config))
        .connect(
            ServerName::try_from("localhost").unwrap(),
            world.connect().await,
        )
        .await
        .unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (mut client, _) = client(stream).await;
    // The challenge names the host that the client asked for, which HTTP/2 does not send as a header.
    let request = Request::get("https://localhost:5000/v2/")
        .body(Body::empty())
        .unwrap();
    let answer = client.send_request(request).await.unwrap();
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    let challenge = answer.headers()["www-authenticate"].to_str().unwrap();
    assert!(challenge.contains("://localhost:5000/token"), "{challenge}");
}

#[tokio::test]
async fn an_idle_connection_is_told_to_go_and_a_stopping_server_says_goodbye() {
    let world = World::within(Limits {
        head_timeout: Duration::from_millis(150),
        ..Limits::default()
    })
    .await;
    let (mut idle, connection) = client(world.connect().await).await;
    let url = format!("http://{}/healthz", world.address);
    get(&mut idle, &url).await;
    let ended = tokio::time::timeout(PATIENCE, connection).await;
    ended.expect("the server ends it").unwrap().unwrap();

    let mut world = World::new().await;
    let (mut asking, connection) = client(world.connect().await).await;
    get(&mut asking, &format!("http://{}/healthz", world.address)).await;
    world.stop();
    let ended = tokio::time::timeout(PATIENCE, connection).await;
    ended.expect("the server ends it").unwrap().unwrap();
    world.stopped().await;
}

/// A client that makes so much room for each answer, and more only as it reads.
async fn narrow(world: &World, window: u32) -> SendRequest<Body> {
    let (client, connection) = Builder::new(TokioExecutor::new())
        .initial_stream_window_size(window)
        .handshake(TokioIo::new(world.connect().await))
        .await
        .unwrap();
    tokio::spawn(connection);
    client
}

#[tokio::test]
async fn an_answer_that_nobody_takes_is_cut_off_and_the_others_of_its_connection_go_on() {
    let world = World::within(Limits {
        body_timeout: Duration::from_millis(150),
        ..Limits::default()
    })
    .await;
    let content = "a layer ".repeat(128 * 1024);
    let digest = Digest::sha256(content.as_bytes());
    let path = format!("/v2/shop/web/blobs/uploads/?digest={digest}");
    world.ask("POST", &path, &content).await.expect(201);
    let who = authorization("admin");
    let (_, who) = who.trim().split_once(": ").unwrap();
    let blob = format!("http://{}/v2/shop/web/blobs/{digest}", world.address);
    let health = format!("http://{}/healthz", world.address);

    for window in [0, 1, 65_535] {
        let mut client = narrow(&world, window).await;
        let mut stands = Vec::new();
        for url in [&blob, &blob, &health] {
            let request = Request::get(url.as_str())
                .header("authorization", who)
                .body(Body::empty());
            let answer = client.send_request(request.unwrap()).await.unwrap();
            assert_eq!(answer.status(), StatusCode::OK);
            stands.push(answer.into_body());
        }
        // Nobody reads them. The client answers pings, and asks for more.
        let ended = async {
            loop {
                let metrics = world.ask("GET", "/metrics", "").await.expect(200);
                if metrics
                    .body
                    .contains("\ncountersign_http_requests_in_flight 1\n")
                {
                    return;
                }
            }
        };
        let ended = tokio::time::timeout(PATIENCE, ended).await;
        ended.expect("what they hold is given back");
        for body in stands.into_iter().take(2) {
            assert!(body.collect().await.is_err(), "{window}");
        }
        let head = Request::head(health.as_str()).body(Body::empty()).unwrap();
        let answer = client.send_request(head).await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{window}");
    }
}

#[tokio::test]
async fn a_small_answer_that_nobody_takes_is_cut_off_too() {
    let world = World::within(Limits {
        body_timeout: Duration::from_millis(150),
        ..Limits::default()
    })
    .await;
    let mut client = narrow(&world, 0).await;
    let url = format!("http://{}/healthz", world.address);
    let request = Request::get(url).body(Body::empty()).unwrap();
    let answer = client.send_request(request).await.unwrap();
    let read = tokio::time::timeout(PATIENCE, answer.into_body().collect()).await;
    assert!(read.expect("the server ends it").is_err());
}
