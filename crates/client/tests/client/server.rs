//! A server whose answers a test writes as a function, and which remembers what it was asked.

use std::sync::{Arc, Mutex};

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::response::Response;
use bytes::Bytes;
use client::{Client, ClientOptions, Credentials};
use http::{HeaderMap, Method, StatusCode};
use oci::RepositoryName;
use tokio::net::TcpListener;

/// One request as it arrived.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) method: Method,
    /// Path and query.
    pub(crate) target: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub(crate) fn is(&self, method: &str, target: &str) -> bool {
        self.method == method && self.target == target
    }
}

pub(crate) struct Server {
    pub(crate) base: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    /// Starts on a free port; the function is given the base address and the request.
    pub(crate) async fn start(
        answer: impl Fn(&str, &Seen) -> Response + Clone + Send + Sync + 'static,
    ) -> Self {
        install_provider();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let (log, address) = (seen.clone(), base.clone());
        let router = axum::Router::new().fallback(move |request: Request| {
            let (log, address, answer) = (log.clone(), address.clone(), answer.clone());
            async move {
                let request = read(request).await;
                log.lock().unwrap().push(request.clone());
                answer(&address, &request)
            }
        });
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { base, seen, task }
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// `GET /path`, one line a request.
    pub(crate) fn targets(&self) -> Vec<String> {
        self.seen()
            .iter()
            .map(|seen| format!("{} {}", seen.method, seen.target))
            .collect()
    }

    pub(crate) fn anonymous(&self) -> Client {
        Client::new(ClientOptions::new(&self.base).unwrap()).unwrap()
    }

    pub(crate) fn client(&self, credentials: Credentials) -> Client {
        Client::new(
            ClientOptions::new(&self.base)
                .unwrap()
                .with_credentials(credentials),
        )
        .unwrap()
    }
}

async fn read(request: Request) -> Seen {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, 64 << 20).await.unwrap();
    let target = parts.uri.path_and_query().unwrap().to_string();
    Seen {
        method: parts.method,
        target,
        headers: parts.headers,
        body,
    }
}

pub(crate) fn install_provider() {
    // A second installation is refused, which is fine: it is the same provider.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}

pub(crate) fn maria() -> Credentials {
    Credentials::Basic {
        user: "maria".into(),
        password: "pass word".into(),
    }
}

/// `Basic base64("maria:pass word")`
pub(crate) const MARIA_BASIC: &str = "Basic bWFyaWE6cGFzcyB3b3Jk";

pub(crate) fn shop() -> RepositoryName {
    "shop/web".parse().unwrap()
}

pub(crate) fn status(code: u16) -> Response {
    respond(code, &[], "")
}

pub(crate) fn json(code: u16, body: serde_json::Value) -> Response {
    respond(
        code,
        &[("content-type", "application/json")],
        body.to_string(),
    )
}

pub(crate) fn respond(code: u16, headers: &[(&str, &str)], body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = StatusCode::from_u16(code).unwrap();
    for (name, value) in headers {
        let name = http::HeaderName::from_bytes(name.as_bytes()).unwrap();
        response.headers_mut().append(name, value.parse().unwrap());
    }
    response
}
