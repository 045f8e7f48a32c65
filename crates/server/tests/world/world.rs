//! A server without a network, on a store of its own, asked as clients ask it.

use axum::Router;
use axum::body::{self, Body};
use axum::http::{Method, Request, StatusCode, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use identity::Identity;
use registry::Registry;
use secrecy::SecretString;
use serde_json::{Value, json};
use server::{App, AppOptions, Clock, router};
use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use store::{Options, Store};
use tempfile::TempDir;
use tower::ServiceExt;
use trust::evidence::Anchors;

/// Everybody's password.
const PASSWORD: &str = "correct horse battery staple";
/// What the server's clock says.
pub(crate) const NOW: i64 = 1_800_000_000_000;
const ANSWER_BYTES_MAX: usize = 1 << 20;

pub(crate) struct World {
    router: Router,
    pub(crate) store: Store,
    /// Where it keeps everything.
    #[allow(dead_code, reason = "one of the programs of tests looks into it")]
    pub(crate) folder: TempDir,
}

impl World {
    /// A server on which only `admin` is, with every role.
    pub(crate) async fn new() -> Self {
        Self::with_anchors(Anchors::default()).await
    }

    /// The same, by whose word certificates are judged.
    pub(crate) async fn with_anchors(anchors: Anchors) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options = Options {
            anchors: Arc::new(anchors),
            ..Options::embedded(folder.path())
        };
        let store = Store::open(&options).await.unwrap();
        let identity = Identity::new(store.clone(), identity::Options::default()).unwrap();
        identity
            .bootstrap_admin(Some(SecretString::from(PASSWORD)), NOW)
            .await
            .unwrap();
        let clock = Clock::Set(Arc::new(AtomicI64::new(NOW)));
        let app = App::new(
            store.clone(),
            Registry::new(store.clone()),
            identity,
            clock,
            AppOptions::default(),
        );
        Self {
            router: router::build(app),
            store,
            folder,
        }
    }

    /// Makes a person without any grant.
    pub(crate) async fn person(&self, name: &str) {
        let person = json!({"name": name, "password": PASSWORD});
        self.must("admin", "POST", "/api/v1/users", person).await;
    }

    /// Does what has to succeed.
    pub(crate) async fn must(&self, user: &str, method: &str, path: &str, body: Value) -> Value {
        let (status, answer) = self.ask(Some(user), method, path, Some(&body)).await;
        assert!(status.is_success(), "{method} {path}: {status} {answer}");
        answer
    }

    /// Sends bytes as somebody.
    #[allow(dead_code, reason = "not all tests that share this file send bytes")]
    pub(crate) async fn send(
        &self,
        user: &str,
        method: &str,
        path: &str,
        bytes: Vec<u8>,
    ) -> StatusCode {
        let basic = STANDARD.encode(format!("{user}:{PASSWORD}"));
        let request = Request::builder()
            .method(Method::from_bytes(method.as_bytes()).unwrap())
            .uri(path)
            .header(header::AUTHORIZATION, format!("Basic {basic}"))
            .body(Body::from(bytes))
            .unwrap();
        self.router.clone().oneshot(request).await.unwrap().status()
    }

    /// Asks as somebody, or as nobody. The body's type is what it says itself, or else JSON.
    pub(crate) async fn ask(
        &self,
        user: Option<&str>,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> (StatusCode, Value) {
        let mut request = Request::builder()
            .method(Method::from_bytes(method.as_bytes()).unwrap())
            .uri(path);
        if let Some(user) = user {
            let basic = STANDARD.encode(format!("{user}:{PASSWORD}"));
            request = request.header(header::AUTHORIZATION, format!("Basic {basic}"));
        }
        if let Some(body) = body {
            let media_type = body["mediaType"].as_str().unwrap_or("application/json");
            request = request.header(header::CONTENT_TYPE, media_type);
        }
        let body = body.map_or(Body::empty(), |body| Body::from(body.to_string()));
        let request = request.body(body).unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        let status = response.status();
        let bytes = body::to_bytes(response.into_body(), ANSWER_BYTES_MAX)
            .await
            .unwrap();
        (status, serde_json::from_slice(&bytes).unwrap_or_default())
    }
}
