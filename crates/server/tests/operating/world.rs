//! A server on a port of its own, and clients that speak HTTP/1.1 by hand, so that they can do what no library lets them do.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use identity::Identity;
use registry::Registry;
use secrecy::SecretString;
use serde_json::{Value, json};
use server::limits::Limits;
use server::{App, AppOptions, Clock, listen, router};
use store::{Options, Store};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub(crate) const PASSWORD: &str = "correct horse battery staple";
pub(crate) const NOW: i64 = 1_800_000_000_000;
/// Long enough for anything that is to happen at all.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A server that runs.
pub(crate) struct World {
    pub(crate) address: SocketAddr,
    pub(crate) app: App,
    pub(crate) store: Store,
    pub(crate) clock: Arc<AtomicI64>,
    pub(crate) folder: TempDir,
    stop: CancellationToken,
    serving: Option<JoinHandle<std::io::Result<()>>>,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    /// Reads everything until the server closes the connection.
    pub(crate) async fn read(stream: &mut TcpStream) -> Self {
        let mut bytes = Vec::new();
        tokio::time::timeout(PATIENCE, stream.read_to_end(&mut bytes))
            .await
            .expect("the server closes the connection")
            .unwrap();
        Self::parse(&bytes)
    }

    pub(crate) fn parse(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok());
        Self {
            status: status.unwrap_or(0),
            head: head.to_owned(),
            body: body.to_owned(),
        }
    }

    /// The value of a header.
    pub(crate) fn header(&self, name: &str) -> &str {
        let values = self.head.lines().filter_map(|line| line.split_once(": "));
        let value = values
            .filter(|(header, _)| header.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
            .next();
        value.unwrap_or("")
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self:?}");
        self
    }
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::within(Limits::default()).await
    }

    pub(crate) async fn within(limits: Limits) -> Self {
        let options = AppOptions {
            limits,
            ..AppOptions::default()
        };
        Self::with(options, None).await
    }

    pub(crate) async fn with(options: AppOptions, tls: Option<server::tls::TlsSource>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&Options::embedded(folder.path()))
            .await
            .unwrap();
        let clock = Arc::new(AtomicI64::new(NOW));
        let app = app(&store, &clock, options);
        let identity = Identity::new(store.clone(), identity::Options::default()).unwrap();
        identity
            .bootstrap_admin(Some(SecretString::from(PASSWORD)), NOW)
            .await
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let serving = tokio::spawn(listen::serve(
            listener,
            tls.map(|source| server::tls::server_config(&source).unwrap()),
            app.clone(),
            router::build(app.clone()),
            stop.clone(),
        ));
        Self {
            address,
            app,
            store,
            clock,
            folder,
            stop,
            serving: Some(serving),
        }
    }

    /// Asks the server to stop.
    pub(crate) fn stop(&self) {
        self.stop.cancel();
    }

    /// Waits until it has stopped.
    pub(crate) async fn stopped(&mut self) {
        let serving = self.serving.take().unwrap();
        let ended = tokio::time::timeout(PATIENCE, serving).await;
        ended.expect("the server ends").unwrap().unwrap();
    }

    pub(crate) fn is_serving(&self) -> bool {
        self.serving
            .as_ref()
            .is_some_and(|serving| !serving.is_finished())
    }

    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// One request on a connection of its own, by `admin` unless it says otherwise.
    pub(crate) async fn ask(&self, method: &str, path: &str, body: &str) -> Answer {
        self.ask_as("admin", method, path, body).await
    }

    /// The same by somebody; by nobody where the name is empty.
    pub(crate) async fn ask_as(&self, user: &str, method: &str, path: &str, body: &str) -> Answer {
        let who = authorization(user);
        let media_type = serde_json::from_str::<Value>(body)
            .ok()
            .and_then(|body| Some(body["mediaType"].as_str()?.to_owned()))
            .unwrap_or_else(|| "application/json".to_owned());
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: localhost\r\n{who}content-type: {media_type}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        );
        self.say(request.as_bytes()).await
    }

    /// Sends bytes, and reads what comes until the server closes the connection.
    pub(crate) async fn say(&self, bytes: &[u8]) -> Answer {
        let mut stream = self.connect().await;
        // The server may have had enough before the end.
        let _ = stream.write_all(bytes).await;
        Answer::read(&mut stream).await
    }

    /// Makes a person with a role on everything.
    pub(crate) async fn person(&self, name: &str, role: &str) {
        let person = json!({"name": name, "password": PASSWORD});
        self.ask("POST", "/api/v1/users", &person.to_string())
            .await
            .expect(201);
        let grant = json!({"to": {"principal": name}, "role": role, "pattern": "**"});
        self.ask("POST", "/api/v1/grants", &grant.to_string())
            .await
            .expect(201);
    }

    /// Pushes an index of nothing, the one image that needs no blobs.
    pub(crate) async fn push(&self, repository: &str, tag: &str) {
        let index = json!({
            "schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [],
        });
        let path = format!("/v2/{repository}/manifests/{tag}");
        self.ask("PUT", &path, &index.to_string()).await.expect(201);
    }

    /// Begins an upload; answers its location.
    pub(crate) async fn upload(&self, repository: &str) -> String {
        let path = format!("/v2/{repository}/blobs/uploads/");
        let answer = self.ask("POST", &path, "").await.expect(202);
        answer.header("location").to_owned()
    }
}

/// An application on a store, with a clock that the test moves.
pub(crate) fn app(store: &Store, clock: &Arc<AtomicI64>, options: AppOptions) -> App {
    App::new(
        store.clone(),
        Registry::new(store.clone()),
        Identity::new(store.clone(), identity::Options::default()).unwrap(),
        Clock::Set(Arc::clone(clock)),
        options,
    )
}

/// The header that says who asks.
pub(crate) fn authorization(user: &str) -> String {
    if user.is_empty() {
        return String::new();
    }
    let basic = STANDARD.encode(format!("{user}:{PASSWORD}"));
    format!("authorization: Basic {basic}\r\n")
}
