//! The proxy does what it is told: between a client and a service that answers every request with its own body.

#![allow(
    clippy::unwrap_used,
    reason = "a test says by a panic that it fails; helpers outside of test functions are tests as well"
)]

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{HOST, RETRY_AFTER};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use testkit::{Fault, Proxy, Times};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

type Client = SendRequest<Full<Bytes>>;

/// Answers with the request's body, and with the host that it was asked for.
async fn echo(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let host = request.headers()[HOST].clone();
    let body = request.into_body().collect().await?.to_bytes();
    let mut answer = Response::new(Full::new(body));
    answer.headers_mut().insert("x-host", host);
    Ok(answer)
}

async fn proxy() -> Proxy {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let connection = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service_fn(echo));
            tokio::spawn(connection);
        }
    });
    Proxy::start(address).await.unwrap()
}

async fn connect(address: SocketAddr) -> hyper::Result<Client> {
    let stream = TcpStream::connect(address).await.unwrap();
    let (client, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(client)
}

fn put(body: &Bytes) -> Request<Full<Bytes>> {
    Request::put("/bucket/key?part=1")
        .header(HOST, "signed.example")
        .body(Full::new(body.clone()))
        .unwrap()
}

/// Sends on a connection of its own.
async fn exchange(proxy: &Proxy, body: &Bytes) -> hyper::Result<(StatusCode, Bytes)> {
    let answer = connect(proxy.address())
        .await?
        .send_request(put(body))
        .await?;
    let status = answer.status();
    Ok((status, answer.into_body().collect().await?.to_bytes()))
}

fn megabyte() -> Bytes {
    (0..1_000_000_u32)
        .flat_map(|number| number.to_le_bytes().into_iter().take(1))
        .collect()
}

#[tokio::test]
async fn what_it_is_not_told_to_spoil_passes_as_it_came() {
    let proxy = proxy().await;
    let mut client = connect(proxy.address()).await.unwrap();
    for body in [Bytes::new(), Bytes::from_static(b"x"), megabyte()] {
        let answer = client.send_request(put(&body)).await.unwrap();
        assert_eq!(answer.headers()["x-host"], "signed.example");
        assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), body);
        client.ready().await.unwrap();
    }
    let seen = proxy.seen();
    assert_eq!(seen.len(), 3);
    assert_eq!(
        (seen[0].method.as_str(), seen[0].target.as_str()),
        ("PUT", "/bucket/key?part=1")
    );
    assert!(proxy.seen().is_empty(), "each is told once");
}

#[tokio::test]
async fn busy_for_the_next_requests_on_a_connection_that_goes_on() {
    let proxy = proxy().await;
    let fault = Fault::Busy {
        retry_after_seconds: 7,
    };
    proxy.spoil(Some("PUT"), Times::Next(2), fault);
    let mut client = connect(proxy.address()).await.unwrap();
    for _ in 0..2 {
        let answer = client.send_request(put(&megabyte())).await.unwrap();
        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(answer.headers()[RETRY_AFTER], "7");
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        assert!(String::from_utf8_lossy(&body).contains("<Code>SlowDown</Code>"));
        client.ready().await.unwrap();
    }
    let answer = client.send_request(put(&megabyte())).await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let spoilt: Vec<bool> = proxy.seen().iter().map(|seen| seen.spoilt).collect();
    assert_eq!(spoilt, [true, true, false]);
}

#[tokio::test]
async fn a_rule_for_one_method_leaves_the_others_alone() {
    let proxy = proxy().await;
    let fault = Fault::Busy {
        retry_after_seconds: 1,
    };
    proxy.spoil(Some("GET"), Times::Always, fault);
    let (status, _) = exchange(&proxy, &Bytes::new()).await.unwrap();
    assert_eq!(status, StatusCode::OK);
}

#[tokio::test]
async fn busy_for_a_share_of_the_requests_until_it_is_mended() {
    let proxy = proxy().await;
    let fault = Fault::Busy {
        retry_after_seconds: 1,
    };
    proxy.spoil(None, Times::Percent(30), fault);
    let mut busy = 0;
    for _ in 0..20 {
        let (status, _) = exchange(&proxy, &Bytes::new()).await.unwrap();
        busy += usize::from(status == StatusCode::SERVICE_UNAVAILABLE);
    }
    assert_eq!(busy, 6);
    proxy.mend();
    for _ in 0..20 {
        let (status, _) = exchange(&proxy, &Bytes::new()).await.unwrap();
        assert_eq!(status, StatusCode::OK);
    }
}

#[tokio::test]
async fn a_request_is_cut_in_its_middle() {
    let proxy = proxy().await;
    let fault = Fault::CutRequest {
        after_bytes: 500_000,
    };
    proxy.spoil(None, Times::Next(1), fault);
    assert!(exchange(&proxy, &megabyte()).await.is_err());
    let (status, body) = exchange(&proxy, &megabyte()).await.unwrap();
    assert_eq!((status, body), (StatusCode::OK, megabyte()));
}

#[tokio::test]
async fn an_answer_is_cut_after_the_bytes_that_were_named() {
    let proxy = proxy().await;
    let fault = Fault::CutAnswer {
        after_bytes: 300_000,
    };
    proxy.spoil(None, Times::Next(1), fault);
    let mut client = connect(proxy.address()).await.unwrap();
    let answer = client.send_request(put(&megabyte())).await.unwrap();
    let (mut body, mut came) = (answer.into_body(), Vec::new());
    let failed = loop {
        match body.frame().await {
            Some(Ok(frame)) => came.extend_from_slice(&frame.into_data().unwrap()),
            Some(Err(_)) => break true,
            None => break false,
        }
    };
    assert!(failed, "a cut is not an end");
    assert_eq!(came, megabyte()[..300_000]);
}

#[tokio::test]
async fn down_ends_what_is_open_and_refuses_what_is_new() {
    let proxy = proxy().await;
    let mut open = connect(proxy.address()).await.unwrap();
    open.send_request(put(&Bytes::new())).await.unwrap();
    proxy.down(true);
    assert!(open.send_request(put(&Bytes::new())).await.is_err());
    assert!(exchange(&proxy, &Bytes::new()).await.is_err());
    proxy.mend();
    exchange(&proxy, &Bytes::new()).await.unwrap();
}

// The clock of these two goes on by itself whenever nothing else is left to do.
#[tokio::test(start_paused = true)]
async fn a_delay_is_before_each_request() {
    let proxy = proxy().await;
    proxy.delay(Duration::from_secs(60));
    let started = Instant::now();
    exchange(&proxy, &Bytes::new()).await.unwrap();
    exchange(&proxy, &Bytes::new()).await.unwrap();
    assert!(started.elapsed() >= Duration::from_secs(120));
}

#[tokio::test(start_paused = true)]
async fn a_rate_holds_for_both_directions() {
    let proxy = proxy().await;
    proxy.limit(Some(100_000));
    let started = Instant::now();
    let (_, body) = exchange(&proxy, &megabyte()).await.unwrap();
    assert_eq!(body, megabyte());
    // The service answers when the body has come: ten seconds in, ten seconds out.
    assert!(started.elapsed() >= Duration::from_secs(20));
    proxy.mend();
    let started = Instant::now();
    exchange(&proxy, &megabyte()).await.unwrap();
    assert!(started.elapsed() < Duration::from_secs(1));
}
