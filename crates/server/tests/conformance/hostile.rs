//! Requests that no honest client sends, byte by byte over a connection, because libraries would tidy them up. Each is refused
//! with a status of its own making (never by failing inside), and afterwards everything is as it was.

use std::net::SocketAddr;
use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::client::conn::http2::handshake;
use hyper_util::rt::{TokioExecutor, TokioIo};
use oci::Digest;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use crate::world::{PASSWORD, World, basic, closing};

/// Longer than any of these takes, so that a connection that hangs fails its test.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server on a port of its own.
struct Wire {
    world: World,
    address: SocketAddr,
    stop: CancellationToken,
}

impl Wire {
    async fn new() -> Self {
        let world = World::new().await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let (app, router) = (world.app.clone(), world.router.clone());
        let served = server::listen::serve(listener, None, app, router, stop.clone());
        tokio::spawn(served);
        Self {
            world,
            address,
            stop,
        }
    }

    /// Sends bytes, says that there are no more, and reads until the server has nothing more to say.
    async fn send(&self, bytes: &[u8]) -> String {
        let exchange = async {
            let mut stream = TcpStream::connect(self.address).await.unwrap();
            stream.write_all(bytes).await.unwrap();
            let mut answer = Vec::new();
            // A connection that is closed in the middle of what it was sent may be reset.
            let _ = stream.read_to_end(&mut answer).await;
            String::from_utf8_lossy(&answer).into_owned()
        };
        tokio::time::timeout(PATIENCE, exchange).await.unwrap()
    }

    /// A request by `admin` without a body, with its first line and further headers as they are.
    async fn ask(&self, first_line: &str, headers: &str) -> String {
        let credentials = STANDARD.encode(format!("admin:{PASSWORD}"));
        let request = format!(
            "{first_line}\r\nHost: registry.example\r\nConnection: close\r\n\
             Authorization: Basic {credentials}\r\n{headers}\r\n"
        );
        self.send(request.as_bytes()).await
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn status(answer: &str) -> u16 {
    let text = answer
        .strip_prefix("HTTP/1.1 ")
        .or_else(|| answer.strip_prefix("HTTP/1.0 "))
        .and_then(|rest| rest.get(..3));
    text.and_then(|text| text.parse().ok())
        .unwrap_or_else(|| panic!("no answer: {answer:?}"))
}

#[tokio::test]
async fn names_that_lead_elsewhere_are_refused_and_lead_nowhere() {
    let wire = Wire::new().await;
    let layer = Digest::sha256(b"a layer");
    wire.world.image("secret/web", "1", b"a layer").await;
    let long = "a/".repeat(200) + "a";
    let names = [
        "..",
        "../secret/web",
        "shop/../secret/web",
        "shop/./web",
        "%2e%2e/secret/web",
        "shop/%2e%2e/secret/web",
        "secret%2fweb",
        "secret%2Fweb",
        "secret/web%00",
        "secret/web%0d%0aX-Injected:%201",
        "%73ecret/web",
        "secret//web",
        "/secret/web",
        "secret/web/",
        "secret\\web",
        "secret/web;v=1",
        "secret/web,",
        "Secret/Web",
        "sécret/web",
        "s%C3%A9cret/web",
        "secret/w eb",
        "secret/web*",
        "_secret/web",
        "secret/-web",
        "secret/we...b",
        "secret/we___b",
        "secret:443/web",
        &long,
    ];
    for name in names {
        for (method, rest) in [
            ("GET", "manifests/1".to_owned()),
            ("GET", "tags/list".to_owned()),
            ("GET", format!("blobs/{layer}")),
            ("GET", format!("referrers/{layer}")),
            ("POST", "blobs/uploads/".to_owned()),
            ("DELETE", "manifests/1".to_owned()),
        ] {
            let line = format!("{method} /v2/{name}/{rest} HTTP/1.1");
            let answer = wire.ask(&line, "Content-Length: 0\r\n").await;
            let found = status(&answer);
            assert!(matches!(found, 400 | 404 | 405), "{line}: {answer}");
            assert!(!answer.contains("X-Injected: 1"), "{answer}");
        }
    }
    let catalog = wire.world.ask("GET", "/v2/_catalog").empty().await.json();
    assert_eq!(catalog["repositories"], serde_json::json!(["secret/web"]));
    let answer = wire
        .ask("GET /v2/secret/web/manifests/1 HTTP/1.1", "")
        .await;
    assert_eq!(status(&answer), 200);
}

#[tokio::test]
async fn references_and_uploads_that_lead_elsewhere_are_refused() {
    let wire = Wire::new().await;
    wire.world.image("shop/web", "1", b"a layer").await;
    let long = "a".repeat(129);
    for reference in [
        "..",
        "%2e%2e",
        "1%00",
        "1%2f..",
        "1/",
        "1;x",
        "1\\",
        "-1",
        "sha256:..",
        "sha256%3A0000",
        "1:2",
        &long,
    ] {
        for place in ["manifests", "blobs", "referrers", "blobs/uploads"] {
            let line = format!("GET /v2/shop/web/{place}/{reference} HTTP/1.1");
            let answer = wire.ask(&line, "").await;
            assert!(matches!(status(&answer), 400 | 404), "{line}: {answer}");
        }
    }
    for session in [
        "../../blobs",
        "%2e%2e%2fblobs",
        "a/b",
        "0",
        &"f".repeat(5_000),
    ] {
        for method in ["GET", "PATCH", "PUT", "DELETE"] {
            let line = format!("{method} /v2/shop/web/blobs/uploads/{session} HTTP/1.1");
            let answer = wire.ask(&line, "Content-Length: 0\r\n").await;
            assert!(
                matches!(status(&answer), 400 | 404 | 405),
                "{line}: {answer}"
            );
        }
    }
}

#[tokio::test]
async fn a_repository_may_be_called_like_the_parts_of_a_path() {
    let wire = Wire::new().await;
    for name in [
        "a/blobs/uploads",
        "a/manifests/b",
        "tags/list",
        "a/blobs/uploads/b",
        "v2/token",
    ] {
        wire.world.image(name, "1", name.as_bytes()).await;
        let line = format!("GET /v2/{name}/manifests/1 HTTP/1.1");
        assert_eq!(status(&wire.ask(&line, "").await), 200, "{name}");
        let digest = Digest::sha256(name.as_bytes());
        let line = format!("GET /v2/{name}/blobs/{digest} HTTP/1.1");
        assert_eq!(status(&wire.ask(&line, "").await), 200, "{name}");
    }
}

#[tokio::test]
async fn a_host_that_is_none_is_refused_and_not_sent_back() {
    let wire = Wire::new().await;
    let ask = async |host: &str| {
        let request = format!("GET /v2/ HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        wire.send(request.as_bytes()).await
    };
    for (host, realm) in [
        ("registry.example:5000", "registry.example:5000"),
        ("[::1]:5000", "[::1]:5000"),
        // RFC 9110 7.2: of a target without an authority.
        ("", "localhost"),
    ] {
        let answer = ask(host).await;
        assert_eq!(status(&answer), 401, "{host}");
        let challenge = format!(
            "www-authenticate: Bearer realm=\"http://{realm}/token\",service=\"countersign\"\r\n"
        );
        assert!(answer.contains(&challenge), "{host}: {answer}");
    }
    for host in [
        "evil\",realm=\"http://other.example",
        "a\\",
        "a b",
        "a/../b",
        "user:password@a",
        "a,b",
        "a:99999",
    ] {
        let answer = ask(host).await;
        assert_eq!(status(&answer), 400, "{host}");
        assert!(!answer.contains("other.example"), "{answer}");
    }
}

#[tokio::test]
async fn a_request_has_one_host() {
    // RFC 9112 3.2: whoever stands in front may have gone by the other one.
    let wire = Wire::new().await;
    wire.world.image("shop/web", "1", b"a layer").await;
    let credentials = STANDARD.encode(format!("admin:{PASSWORD}"));
    let ask = async |version: &str, headers: &str| {
        let request = format!(
            "DELETE /v2/shop/web/manifests/1 {version}\r\n{headers}\
             Authorization: Basic {credentials}\r\nConnection: close\r\n\r\n"
        );
        wire.send(request.as_bytes()).await
    };
    for (version, headers) in [
        ("HTTP/1.1", ""),
        ("HTTP/1.1", "Host: a\r\nHost: b\r\n"),
        ("HTTP/1.1", "Host: a\r\nHost: a\r\n"),
        ("HTTP/1.0", "Host: a\r\nHost: b\r\n"),
        ("HTTP/1.1", "Host: a, b\r\n"),
        ("HTTP/1.1", "Host: a/b\r\n"),
    ] {
        let answer = ask(version, headers).await;
        assert_eq!(status(&answer), 400, "{version} {headers}: {answer}");
        assert!(answer.contains("UNSUPPORTED"), "{answer}");
    }
    let path = "/v2/shop/web/manifests/1";
    wire.world.ask("GET", path).empty().await.expect(200);
    // An older client knows no hosts, and one without an authority sends an empty one.
    let old = format!("GET {path} HTTP/1.0\r\nAuthorization: Basic {credentials}\r\n\r\n");
    assert_eq!(status(&wire.send(old.as_bytes()).await), 200);
    let empty = format!("GET {path} HTTP/1.1\r\nHost:\r\nConnection: close\r\n\r\n");
    assert_eq!(status(&wire.send(empty.as_bytes()).await), 401);
}

#[tokio::test]
async fn over_http_2_a_host_is_the_authority() {
    // RFC 9113 8.3.1
    let wire = Wire::new().await;
    let stream = TcpStream::connect(wire.address).await.unwrap();
    let (mut client, connection) = handshake(TokioExecutor::new(), TokioIo::new(stream))
        .await
        .unwrap();
    tokio::spawn(connection);
    for (hosts, expected) in [
        (&[][..], 401),
        (&["registry.example"], 401),
        (&["Registry.example:80"], 401),
        (&["other.example"], 400),
        (&["registry.example:5000"], 400),
        (&["registry.example", "registry.example"], 400),
    ] {
        let mut request = Request::get("http://registry.example/v2/");
        for host in hosts {
            request = request.header("host", *host);
        }
        let request = request.body(Body::empty()).unwrap();
        let answer = client.send_request(request).await.unwrap();
        assert_eq!(answer.status().as_u16(), expected, "{hosts:?}");
    }
}

#[tokio::test]
async fn targets_of_other_forms_are_no_way_around() {
    let wire = Wire::new().await;
    wire.world.image("shop/web", "1", b"a layer").await;
    // RFC 9112 3.2.2: an absolute target is taken; it asks for nothing else than its path.
    let line = "GET http://registry.example/v2/shop/web/manifests/1 HTTP/1.1";
    assert_eq!(status(&wire.ask(line, "").await), 200);
    let without = "GET http://registry.example/v2/shop/web/manifests/1 HTTP/1.1\r\n\
        Host: registry.example\r\nConnection: close\r\n\r\n";
    assert_eq!(status(&wire.send(without.as_bytes()).await), 401);
    for line in [
        "CONNECT other.example:443 HTTP/1.1",
        "OPTIONS * HTTP/1.1",
        "TRACE /v2/shop/web/manifests/1 HTTP/1.1",
        "GET v2/shop/web/manifests/1 HTTP/1.1",
        "GET file:///etc/passwd HTTP/1.1",
        "GET //other.example/v2/shop/web/manifests/1 HTTP/1.1",
        "GET /v2/shop/web/manifests/1#x HTTP/1.1",
        "GET /v2\\shop\\web\\manifests\\1 HTTP/1.1",
        "GET /V2/shop/web/manifests/1 HTTP/1.1",
    ] {
        let answer = wire.ask(line, "").await;
        let found = status(&answer);
        // A fragment has no place in a target; it is dropped, or refused.
        let is_fragment = line.contains('#') && found == 200;
        assert!(
            is_fragment || (400..500).contains(&found),
            "{line}: {answer}"
        );
    }
}

#[tokio::test]
async fn a_body_of_two_lengths_is_no_body() {
    // RFC 9112 6.3: whoever reads the other length would take the rest for a request of its own.
    let wire = Wire::new().await;
    wire.world.image("shop/web", "1", b"a layer").await;
    let digest = Digest::sha256(b"abcd");
    let smuggled = "DELETE /v2/shop/web/manifests/1 HTTP/1.1\r\nHost: a\r\n\r\n";
    for headers in [
        "Content-Length: 4\r\nContent-Length: 0\r\n",
        "Content-Length: 4, 0\r\n",
        "Content-Length: -4\r\n",
        "Content-Length: +4\r\n",
        "Content-Length: 99999999999999999999\r\n",
        "Transfer-Encoding: gzip\r\n",
        "Transfer-Encoding: chunked, identity\r\n",
    ] {
        let credentials = STANDARD.encode(format!("admin:{PASSWORD}"));
        let request = format!(
            "POST /v2/shop/web/blobs/uploads/?digest={digest} HTTP/1.1\r\nHost: a\r\n\
             Authorization: Basic {credentials}\r\n{headers}\r\nabcd{smuggled}"
        );
        let answer = wire.send(request.as_bytes()).await;
        assert_eq!(status(&answer), 400, "{headers}: {answer}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
        let path = format!("/v2/shop/web/blobs/{digest}");
        wire.world.ask("HEAD", &path).empty().await.expect(404);
    }
    let path = "/v2/shop/web/manifests/1";
    wire.world.ask("GET", path).empty().await.expect(200);
}

#[tokio::test]
async fn credentials_of_every_shape_are_refused_or_read() {
    let wire = Wire::new().await;
    wire.world.image("shop/web", "1", b"a layer").await;
    let long = "a".repeat(20_000);
    for value in [
        "Basic",
        "Basic ====",
        "Basic /////w==",
        "Bearer",
        "Bearer ",
        "Bearer a.b.c",
        "Bearer cst_",
        "Bearer csr_",
        "Digest username=\"admin\"",
        "Negotiate",
        "\u{e4}",
        &format!("Bearer {long}"),
    ] {
        let request = format!(
            "GET /v2/shop/web/manifests/1 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\
             Authorization: {value}\r\n\r\n"
        );
        let answer = wire.send(request.as_bytes()).await;
        assert_eq!(status(&answer), 401, "{value}: {answer}");
        let scope = "scope=\"repository:shop/web:pull\"";
        assert!(answer.contains(scope), "{answer}");
    }
}

#[tokio::test]
async fn many_open_uploads_are_in_nobody_s_way() {
    let world = World::new().await;
    world.person("erik", &[("writer", "own/**")]).await;
    let own = world.upload("shop/web").await;
    let password = basic("erik", PASSWORD);
    let session = world
        .session(&password, "repository:own/web:pull,push")
        .await;
    for _ in 0..1_000 {
        let path = "/v2/own/web/blobs/uploads/";
        let answer = world.ask_with(&session, "POST", path).empty().await;
        answer.expect(202);
    }
    world.image("shop/web", "1", b"a layer").await;
    let put = closing(&own, &Digest::sha256(b"another"));
    world
        .ask("PUT", &put)
        .body(&b"another"[..])
        .await
        .expect(201);
}
