//! The program as people run it: a server on a folder of its own that can be killed, commands beside it, and images to push.

#![allow(dead_code, reason = "each suite that has this file uses a part of it")]

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use client::api::keys::{NewChallenge, NewKey};
use client::api::tokens::NewToken;
use client::distribution::Content;
use client::{Client, ClientOptions, Credentials};
use oci::{Descriptor, Digest, ImageManifest, Manifest, Reference, RepositoryName, media};
use secrecy::SecretString;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;
use tokio::runtime::Runtime;
use trust::possession::Challenge;
use trust::{PrivateKey, Signer};

/// The password of `admin`.
pub(crate) const PASSWORD: &str = "correct horse battery staple";

/// Opens the keys that the program is given.
pub(crate) const KEY_PASSWORD: &str = "a password of the keys";

/// Something to push, which follows from its name and the numbers of its layers.
pub(crate) struct Image {
    pub(crate) tag: String,
    pub(crate) blobs: Vec<(Digest, Bytes)>,
    pub(crate) content: Bytes,
    pub(crate) digest: Digest,
}

impl Image {
    pub(crate) fn new(label: &str, layers: &[u64]) -> Self {
        let config = format!(r#"{{"architecture":"amd64","os":"linux","x":"{label}"}}"#);
        let config = Bytes::from(config);
        let layers: Vec<Bytes> = layers.iter().map(|number| layer(*number)).collect();
        let manifest = Manifest::Image(ImageManifest::new(
            Descriptor::of(media::OCI_CONFIG, &config),
            layers
                .iter()
                .map(|bytes| Descriptor::of(media::OCI_LAYER_GZIP, bytes))
                .collect(),
        ));
        let content = Bytes::from(manifest.to_bytes());
        let blobs = std::iter::once(config)
            .chain(layers)
            .map(|bytes| (Digest::sha256(&bytes), bytes))
            .collect();
        Self {
            tag: format!("c{label}"),
            digest: Digest::sha256(&content),
            blobs,
            content,
        }
    }

    /// Pushes it under its tag.
    pub(crate) async fn push(&self, client: &Client, repository: &str) {
        let repository: RepositoryName = repository.parse().unwrap();
        for (digest, bytes) in &self.blobs {
            let content = Content::from(bytes.clone());
            client.put_blob(&repository, digest, content).await.unwrap();
        }
        let reference = Reference::Tag(self.tag.parse().unwrap());
        let content = self.content.clone();
        client
            .put_manifest(&repository, &reference, media::OCI_MANIFEST, content)
            .await
            .unwrap();
    }
}

/// From one to some hundred kilobytes of noise.
fn layer(number: u64) -> Bytes {
    let mut dice = Dice(number + 77);
    let words = 128 + dice.below(16_384);
    (0..words).flat_map(|_| dice.next().to_le_bytes()).collect()
}

/// Numbers that follow from a seed: SplitMix64 (Steele, Lea and Flood, 2014).
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }
}

/// The program on a folder of its own.
pub(crate) struct Server {
    data: PathBuf,
    flags: Vec<String>,
    port: u16,
    child: Option<Child>,
    folder: Option<tempfile::TempDir>,
}

impl Server {
    /// Starts a server on a folder that is there.
    pub(crate) fn on(data: &Path, flags: &[&str]) -> Self {
        let port = free_port();
        let mut server = Self {
            data: data.to_path_buf(),
            flags: flags.iter().map(|flag| (*flag).to_owned()).collect(),
            port,
            child: None,
            folder: None,
        };
        server.restart();
        server
    }

    /// Starts a server on a folder of its own.
    pub(crate) fn start(flags: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut server = Self::on(&folder.path().join("data"), flags);
        server.folder = Some(folder);
        server
    }

    /// Other flags, from the next start on.
    pub(crate) fn set_flags(&mut self, flags: &[String]) {
        self.flags = flags.to_vec();
    }

    pub(crate) fn restart(&mut self) {
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.data.with_extension("log"))
            .unwrap();
        let child = command()
            .args(["serve", "--data"])
            .arg(&self.data)
            .args(&self.flags)
            .args(["--listen", &format!("127.0.0.1:{}", self.port)])
            .env("COUNTERSIGN_ADMIN_PASSWORD", PASSWORD)
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        self.child = Some(child);
        for _ in 0..600 {
            // Where nobody listens yet, a connection may be given this very port as its own end, and so be one to itself.
            let is_up = TcpStream::connect(("127.0.0.1", self.port))
                .is_ok_and(|stream| stream.local_addr().ok() != stream.peer_addr().ok());
            if is_up {
                return;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("the server does not come up: {}", self.log());
    }

    /// The data folder.
    pub(crate) fn data(&self) -> &Path {
        &self.data
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    /// Its address.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The program, logged in there as `admin`.
    pub(crate) fn ask(&self, arguments: &[&str]) -> Output {
        let mut command = command();
        command
            .env("COUNTERSIGN_CONFIG_DIR", self.data.with_extension("login"))
            .env("COSIGN_PASSWORD", KEY_PASSWORD)
            .args(arguments);
        command.output().unwrap()
    }

    /// The program with a token.
    pub(crate) fn ask_with(&self, token: &str, arguments: &[&str]) -> Output {
        let url = self.url();
        let to = ["--server", &url, "--token", token];
        self.ask(&[arguments, &to].concat())
    }

    /// The program as somebody runs it who has a home of their own, and one password for all their keys.
    pub(crate) fn as_person(&self, home: &Path) -> Command {
        let mut command = command();
        command
            .env("HOME", home)
            .env("DOCKER_CONFIG", home.join("docker"))
            .env("COUNTERSIGN_CONFIG_DIR", home.join("config"))
            .env("COUNTERSIGN_KEY_PASSWORD", "a password for keys");
        command
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.data.with_extension("log")).unwrap_or_default()
    }

    pub(crate) fn client(&self) -> Client {
        self.client_as(Credentials::Basic {
            user: "admin".to_owned(),
            password: SecretString::from(PASSWORD),
        })
    }

    /// A client that need not have a password hashed for each call.
    pub(crate) fn client_with(&self, token: &str) -> Client {
        self.client_as(Credentials::Token(SecretString::from(token.to_owned())))
    }

    pub(crate) fn client_as(&self, credentials: Credentials) -> Client {
        // The program does this in `main`; whoever comes second finds it done.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let options = ClientOptions::new(&self.url()).unwrap();
        Client::new(options.with_credentials(credentials)).unwrap()
    }

    /// A token of `admin`, which outlives restarts.
    pub(crate) fn token(&self, runtime: &Runtime) -> String {
        let new = NewToken {
            name: "operator".to_owned(),
            expires_in_days: None,
            principal: None,
            scope: None,
        };
        let made = runtime.block_on(self.client().create_token(&new)).unwrap();
        made.token.expose().to_owned()
    }

    /// Makes a key `admin`'s, for the repositories of the shop.
    pub(crate) fn register(&self, runtime: &Runtime, key: &PrivateKey, name: &str) {
        let pem = key.public_key().to_pem();
        let asked = NewChallenge {
            public_key_pem: pem.clone(),
            principal: Some("admin".to_owned()),
        };
        let by_password = self.client();
        let asked = runtime.block_on(by_password.key_challenge(&asked)).unwrap();
        let bytes = STANDARD.decode(&asked.statement).unwrap();
        let proof = Challenge::parse(&bytes).unwrap().prove(key).unwrap();
        let registered = NewKey {
            nonce: asked.nonce,
            public_key_pem: pem,
            signature: STANDARD.encode(proof),
            name: name.to_owned(),
            scope: vec!["shop/**".to_owned()],
            principal: Some("admin".to_owned()),
        };
        runtime
            .block_on(by_password.register_key(&registered))
            .unwrap();
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) {
        let mut child = self.child.take().unwrap();
        assert!(
            child.try_wait().unwrap().is_none(),
            "the server ended: {}",
            self.log()
        );
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// SIGTERM, and to its end.
    pub(crate) fn stop(&mut self) {
        let mut child = self.child.take().unwrap();
        let asked = Command::new("kill")
            .arg(child.id().to_string())
            .status()
            .unwrap();
        assert!(asked.success());
        assert!(child.wait().unwrap().success(), "{}", self.log());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// The program, without what the environment says about it.
fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("COUNTERSIGN_") {
            command.env_remove(name);
        }
    }
    command
}

pub(crate) fn program(arguments: &[&str], data: &Path) -> Output {
    command()
        .args(arguments)
        .arg("--data")
        .arg(data)
        .output()
        .unwrap()
}

pub(crate) fn json(output: &Output) -> serde_json::Value {
    let told = || String::from_utf8_lossy(&output.stderr).into_owned();
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", told()))
}
