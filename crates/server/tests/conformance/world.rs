//! A server without a network, the people who ask it, and small things to push.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use identity::Identity;
use oci::{Algorithm, Descriptor, Digest, Hasher, ImageManifest, Manifest, media};
use registry::Registry;
use secrecy::SecretString;
use serde_json::{Value, json};
use server::{App, AppOptions, Clock, router};
use store::{Options, Store};
use tempfile::TempDir;
use tower::ServiceExt;

pub(crate) const PASSWORD: &str = "correct horse battery staple";
pub(crate) const NOW: i64 = 1_800_000_000_000;
/// Bytes of an answer that a test looks at.
const ANSWER_BYTES_MAX: usize = 16 << 20;

/// A server on a store of its own. Its first user, `admin`, may do everything.
pub(crate) struct World {
    pub(crate) router: Router,
    pub(crate) app: App,
    clock: Arc<AtomicI64>,
    folder: TempDir,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// A header; empty where there is none.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The code of the first error.
    pub(crate) fn code(&self) -> String {
        self.json()["errors"][0]["code"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    /// The answer, which must have this status.
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(
            self.status.as_u16(),
            status,
            "{}",
            String::from_utf8_lossy(&self.body)
        );
        self
    }
}

/// A request in the making.
pub(crate) struct Ask<'a> {
    world: &'a World,
    authorization: String,
    request: axum::http::request::Builder,
}

impl Ask<'_> {
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.request = self.request.header(name, value);
        self
    }

    pub(crate) async fn empty(self) -> Answer {
        self.body(Vec::new()).await
    }

    pub(crate) async fn body(self, body: impl Into<Body>) -> Answer {
        let mut request = self.request;
        if !self.authorization.is_empty() {
            request = request.header(header::AUTHORIZATION, self.authorization);
        }
        let request = request.body(body.into()).unwrap();
        let response = self.world.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        Answer {
            status: parts.status,
            headers: parts.headers,
            body: to_bytes(body, ANSWER_BYTES_MAX).await.unwrap().to_vec(),
        }
    }
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(AppOptions::default()).await
    }

    pub(crate) async fn with(options: AppOptions) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&Options::embedded(folder.path()))
            .await
            .unwrap();
        let known = identity::Options {
            anonymous_pull: options.anonymous_pull,
            ..identity::Options::default()
        };
        let identity = Identity::new(store.clone(), known).unwrap();
        identity
            .bootstrap_admin(Some(SecretString::from(PASSWORD)), NOW)
            .await
            .unwrap();
        let clock = Arc::new(AtomicI64::new(NOW));
        let app = App::new(
            store.clone(),
            Registry::new(store),
            identity,
            Clock::Set(Arc::clone(&clock)),
            options,
        );
        Self {
            router: router::build(app.clone()),
            app,
            clock,
            folder,
        }
    }

    /// The same server with other options.
    pub(crate) fn again(self, options: AppOptions) -> Self {
        let store = self.app.store().clone();
        let identity = Identity::new(store.clone(), identity::Options::default()).unwrap();
        let clock = Clock::Set(Arc::clone(&self.clock));
        let app = App::new(
            store.clone(),
            Registry::new(store),
            identity,
            clock,
            options,
        );
        Self {
            router: router::build(app.clone()),
            app,
            ..self
        }
    }

    /// Lets so much time pass.
    pub(crate) fn pass(&self, milliseconds: i64) {
        self.clock.fetch_add(milliseconds, Ordering::SeqCst);
    }

    /// Edits the database by hand.
    pub(crate) fn edit(&self, text: &str) {
        let path = self.folder.path().join("countersign.db");
        let database = rusqlite::Connection::open(path).unwrap();
        database.execute_batch(text).unwrap();
    }

    /// A request by nobody.
    pub(crate) fn ask_as_nobody(&self, method: &str, path: &str) -> Ask<'_> {
        self.ask_with("", method, path)
    }

    /// A request by `admin`.
    pub(crate) fn ask(&self, method: &str, path: &str) -> Ask<'_> {
        self.ask_as("admin", method, path)
    }

    /// A request by somebody with the password of all.
    pub(crate) fn ask_as(&self, user: &str, method: &str, path: &str) -> Ask<'_> {
        self.ask_with(&basic(user, PASSWORD), method, path)
    }

    /// A request with these credentials.
    pub(crate) fn ask_with(&self, authorization: &str, method: &str, path: &str) -> Ask<'_> {
        Ask {
            world: self,
            authorization: authorization.to_owned(),
            request: Request::builder()
                .method(Method::from_bytes(method.as_bytes()).unwrap())
                .uri(path),
        }
    }

    /// Makes a person with these roles.
    pub(crate) async fn person(&self, name: &str, grants: &[(&str, &str)]) {
        self.api("POST", "users", json!({"name": name, "password": PASSWORD}))
            .await;
        for (role, pattern) in grants {
            let grant = json!({"to": {"principal": name}, "role": role, "pattern": pattern});
            self.api("POST", "grants", grant).await;
        }
    }

    /// Asks the other API as `admin`; what it does must succeed.
    pub(crate) async fn api(&self, method: &str, path: &str, body: Value) -> Value {
        let answer = self
            .ask(method, &format!("/api/v1/{path}"))
            .with("content-type", "application/json")
            .body(body.to_string())
            .await;
        assert!(answer.status.is_success(), "{path}: {answer:?}");
        answer.json()
    }

    /// What the other API tells `admin`.
    pub(crate) async fn api_get(&self, path: &str) -> Value {
        let answer = self.ask("GET", &format!("/api/v1/{path}")).empty().await;
        answer.expect(200).json()
    }

    /// Removes the grants of a pattern.
    pub(crate) async fn take_away(&self, pattern: &str) {
        let grants = self.api_get("grants").await;
        for grant in grants["items"].as_array().unwrap() {
            if grant["pattern"] == pattern {
                let path = format!("/api/v1/grants/{}", grant["id"]);
                self.ask("DELETE", &path).empty().await.expect(204);
            }
        }
    }

    /// A session for these scopes, as docker's token protocol hands it out.
    pub(crate) async fn session(&self, authorization: &str, scope: &str) -> String {
        let scope = scope.replace(' ', "%20");
        let path = format!("/token?service=countersign&scope={scope}");
        let answer = self.ask_with(authorization, "GET", &path).empty().await;
        format!(
            "Bearer {}",
            answer.expect(200).json()["token"].as_str().unwrap()
        )
    }

    /// Stores a blob in one request.
    pub(crate) async fn blob(&self, repository: &str, content: &[u8]) -> Digest {
        let digest = Digest::sha256(content);
        self.ask(
            "POST",
            &format!("/v2/{repository}/blobs/uploads/?digest={digest}"),
        )
        .body(content.to_vec())
        .await
        .expect(201);
        digest
    }

    /// Begins an upload; answers its location.
    pub(crate) async fn upload(&self, repository: &str) -> String {
        self.ask("POST", &format!("/v2/{repository}/blobs/uploads/"))
            .empty()
            .await
            .expect(202)
            .header("location")
            .to_owned()
    }

    /// Stores a manifest under a tag or digest.
    pub(crate) async fn manifest(&self, repository: &str, under: &str, content: &[u8]) -> Answer {
        let parsed: Value = serde_json::from_slice(content).unwrap();
        self.ask("PUT", &format!("/v2/{repository}/manifests/{under}"))
            .with("content-type", parsed["mediaType"].as_str().unwrap())
            .body(content.to_vec())
            .await
    }

    /// Stores an image with one layer under a tag; answers its manifest.
    pub(crate) async fn image(&self, repository: &str, tag: &str, layer: &[u8]) -> Vec<u8> {
        self.blob(repository, CONFIG).await;
        self.blob(repository, layer).await;
        let manifest = image(layer);
        self.manifest(repository, tag, &manifest).await.expect(201);
        manifest
    }
}

/// The configuration of every image here.
pub(crate) const CONFIG: &[u8] =
    br#"{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}"#;

/// The manifest of an image with one layer.
pub(crate) fn image(layer: &[u8]) -> Vec<u8> {
    let config = Descriptor::of(media::OCI_CONFIG, CONFIG);
    let layer = Descriptor::of(media::OCI_LAYER_TAR, layer);
    Manifest::Image(ImageManifest::new(config, vec![layer])).to_bytes()
}

pub(crate) fn sha512(content: &[u8]) -> Digest {
    let mut hasher = Hasher::new(Algorithm::Sha512);
    hasher.update(content);
    hasher.finish()
}

pub(crate) fn basic(user: &str, secret: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{secret}")))
}

/// A location with a digest as its query.
pub(crate) fn closing(location: &str, digest: &Digest) -> String {
    let joint = if location.contains('?') { '&' } else { '?' };
    format!("{location}{joint}digest={digest}")
}
