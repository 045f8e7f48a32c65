//! Somebody who publishes and reads as clients do, over the server's own routes.

use crate::world::{Answer, NOW, World};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use testkit::trust_repository::TrustRepository;
use trust::Algorithm;
use trust::tuf::client::{Anchor, Believed, Client, Remembered};
use trust::tuf::publish::Held;
use trust::tuf::{Gun, Key, KeyType, RoleName, Signed, Snapshot, author};

/// The name that most tests use.
pub(super) const GUN: &str = "localhost:5000/shop/web";
/// Where its files are.
pub(super) const TRUST: &str = "/v2/localhost:5000/shop/web/_trust";

pub(super) type File = (RoleName, Vec<u8>);

/// A publisher with all keys but the server's, who asks as `admin`.
#[derive(Clone)]
pub(super) struct Publisher<'a> {
    world: &'a World,
    gun: Gun,
    pub(super) repository: TrustRepository,
}

impl<'a> Publisher<'a> {
    /// Asks for the server's keys.
    pub(super) async fn begin(world: &'a World, gun: &str) -> Self {
        let mut repository = TrustRepository::empty(gun);
        repository.now = NOW;
        let mut publisher = Self {
            world,
            gun: Gun::parse(gun).unwrap(),
            repository,
        };
        publisher.repository.held = Held {
            snapshot: vec![publisher.server_key("snapshot").await],
            timestamp: vec![publisher.server_key("timestamp").await],
        };
        publisher
    }

    async fn server_key(&self, role: &str) -> Key {
        key(&self.read(&format!("{role}.key")).await.expect(200).json())
    }

    /// The first root and targets.
    pub(super) fn first_files(&mut self) -> Vec<File> {
        let (root, targets) = self.repository.first_files();
        vec![root, targets]
    }

    /// Publishes them.
    pub(super) async fn first(&mut self) {
        let files = self.first_files();
        self.must(&files).await;
    }

    /// The next file of a role, with a tag more.
    pub(super) fn tagged(&self, role: &str, tag: &str) -> File {
        self.repository.next_targets(role, |targets| {
            targets
                .targets
                .insert(tag.to_owned(), author::image([7; 32], 523));
        })
    }

    pub(super) async fn tag(&mut self, role: &str, tag: &str) {
        let file = self.tagged(role, tag);
        self.must(&[file]).await;
    }

    pub(super) async fn delegate(&mut self, role: &str) {
        let key = self.repository.new_key(Algorithm::EcdsaP256);
        let file = self.repository.next_targets("targets", |targets| {
            let name = role.parse().unwrap();
            targets.delegations.set_role(name, &[key], 1, &[""]);
        });
        self.must(&[file]).await;
    }

    /// Publishes a root that names another key of the server's.
    pub(super) async fn rotate(&mut self, role: &str, next: &Value) {
        let (role, key) = (role.parse().unwrap(), key(next));
        let root = self
            .repository
            .next_root(|root| root.set_role(&role, &[key], 1));
        self.must(&[root]).await;
    }

    /// Publishes a root with another root key.
    pub(super) async fn rotate_root(&mut self) {
        let key = self.repository.new_root_key();
        let root = self
            .repository
            .next_root(|root| root.set_role(&RoleName::Root, &[key], 1));
        self.must(&[root]).await;
    }

    async fn must(&mut self, files: &[File]) {
        self.post(files).await.expect(200);
        self.follow().await;
    }

    /// Sends an update.
    pub(super) async fn post(&self, files: &[File]) -> Answer {
        let names = files
            .iter()
            .map(|(role, bytes)| (role.to_string(), bytes.as_slice()));
        let (kind, body) = update(names);
        self.world
            .ask("POST", &self.path(""))
            .with("content-type", &kind)
            .body(body)
            .await
    }

    /// Keeps what is served now, for the next update.
    pub(super) async fn follow(&mut self) {
        let snapshot = self.read("snapshot.json").await.expect(200).body;
        let listed: Signed<Snapshot> = Signed::parse(&RoleName::Snapshot, snapshot).unwrap();
        let listed = listed.content().meta.keys().cloned();
        let mut served = Vec::new();
        for role in listed.chain([RoleName::Snapshot, RoleName::Timestamp]) {
            let file = self.read(&format!("{role}.json")).await.expect(200);
            served.push((role, file.body));
        }
        self.repository.follow(served);
    }

    /// Asks for a file.
    pub(super) async fn read(&self, file: &str) -> Answer {
        self.ask("GET", file).await
    }

    /// Asks something of a file, or of all of them.
    pub(super) async fn ask(&self, method: &str, file: &str) -> Answer {
        self.world.ask(method, &self.path(file)).empty().await
    }

    fn path(&self, file: &str) -> String {
        format!("/v2/{}/_trust/tuf/{file}", self.gun)
    }

    /// What a reader who knows nothing yet believes.
    pub(super) async fn believed(&self) -> Believed {
        self.reader(Anchor::FirstUse).await
    }

    /// What a reader who knows an old root believes.
    pub(super) async fn believed_from(&self, root: Vec<u8>) -> Believed {
        self.reader(Anchor::Root(root)).await
    }

    async fn reader(&self, anchor: Anchor) -> Believed {
        let remembered = Remembered::default();
        let mut client = Client::new(self.gun.clone(), anchor, remembered, NOW).unwrap();
        while let Some(fetch) = client.next() {
            let answer = self.read(&fetch.path).await;
            let file = (answer.status == 200).then_some(answer.body);
            client.feed(file).unwrap();
        }
        client.finish().unwrap()
    }
}

/// A key as the server answers it.
fn key(json: &Value) -> Key {
    let public = json["keyval"]["public"].as_str().unwrap();
    Key::new(
        KeyType::from(json["keytype"].as_str().unwrap()),
        STANDARD.decode(public).unwrap(),
    )
}

/// The body of an update as clients write it, and its content type.
pub(super) fn update<'a>(files: impl IntoIterator<Item = (String, &'a [u8])>) -> (String, Vec<u8>) {
    const BOUNDARY: &str = "fb59af3fade746dd246a820ae8278a0b8aa1faadacad4bbb7e61d36f478f";
    let mut body = Vec::new();
    for (name, bytes) in files {
        let head = format!(
            "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"files\"; filename=\"{name}\"\r\n\
             Content-Type: application/octet-stream\r\n\r\n"
        );
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(bytes);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
    (format!("multipart/form-data; boundary={BOUNDARY}"), body)
}

pub(super) fn sha256(bytes: &[u8]) -> String {
    oci::Digest::sha256(bytes).hex().to_owned()
}
