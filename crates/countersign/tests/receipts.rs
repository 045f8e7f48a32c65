//! Production with the server gone: a host that holds the public key decides by receipts as it did online, from a file too, and a
//! changed byte in that file is named.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test says by a panic that it fails; helpers outside of test functions are tests as well"
)]

#[path = "world/program.rs"]
mod world;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use client::Client;
use client::api::keys::{NewChallenge, NewKey};
use client::api::policies::PutPolicy;
use client::distribution::Content;
use oci::{Reference, RepositoryName, media};
use std::path::PathBuf;
use std::process::Output;
use std::time::Duration;
use tokio::runtime::Runtime;
use trust::possession::Challenge;
use trust::{PrivateKey, Signer};
use world::{Image, KEY_PASSWORD, Server};

const POLICY: &str = "version: 1
repositories: ['shop/**']
stages:
  ci: {signers: [{person: admin}]}
gates:
  production: {holds-for: everyone, except: [{person: admin}], require: [ci]}
";
const IMAGE: &str = "shop/web:c1";

struct World {
    server: Server,
    client: Client,
    runtime: Runtime,
    token: String,
    image: Image,
    folder: tempfile::TempDir,
}

impl World {
    /// A shop whose one image is signed, and allowed in production.
    fn new() -> Self {
        let server = Server::start(&[]);
        let runtime = Runtime::new().unwrap();
        let token = server.token(&runtime);
        let client = server.client_with(&token);
        let image = Image::new("1", &[1]);
        runtime.block_on(push(&client, &image));
        let world = Self {
            server,
            client,
            runtime,
            token,
            image,
            folder: tempfile::tempdir().unwrap(),
        };
        let policy = PutPolicy {
            document: POLICY.to_owned(),
        };
        let applied = world.client.put_policy("shop", &policy, false);
        assert!(world.runtime.block_on(applied).unwrap().applied);
        world.sign();
        let key = world.ask(&["key", "server"]);
        assert!(key.status.success());
        std::fs::write(world.path("server.pub"), key.stdout).unwrap();
        std::fs::write(world.path("shop.yaml"), POLICY).unwrap();
        world
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn ask(&self, arguments: &[&str]) -> Output {
        let url = self.server.url();
        let to = ["--server", &url, "--token", &self.token];
        self.server.ask(&[arguments, &to].concat())
    }

    /// The code that `verify` ends with for whoever holds the public key, and what it says.
    fn verify(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let key = self.path("server.pub");
        let by = ["verify", "--receipt-key", key.to_str().unwrap()];
        let output = self.ask(&[&by, arguments].concat());
        let said = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(said).unwrap())
    }

    fn sign(&self) {
        let path = self.path("ci.key");
        let key = PrivateKey::generate(trust::Algorithm::EcdsaP256).unwrap();
        let password = secrecy::SecretString::from(KEY_PASSWORD);
        std::fs::write(&path, trust::keyfile::seal(&key, &password).unwrap()).unwrap();
        self.register(&key);
        let signed = self.ask(&[
            "sign",
            "--stage",
            "ci",
            "--key",
            path.to_str().unwrap(),
            IMAGE,
        ]);
        assert!(
            signed.status.success(),
            "{}",
            String::from_utf8_lossy(&signed.stderr)
        );
    }

    fn register(&self, key: &PrivateKey) {
        let pem = key.public_key().to_pem();
        let asked = NewChallenge {
            public_key_pem: pem.clone(),
            principal: Some("admin".to_owned()),
        };
        let by_password = self.server.client();
        let asked = self
            .runtime
            .block_on(by_password.key_challenge(&asked))
            .unwrap();
        let bytes = STANDARD.decode(&asked.statement).unwrap();
        let proof = Challenge::parse(&bytes).unwrap().prove(key).unwrap();
        let registered = NewKey {
            nonce: asked.nonce,
            public_key_pem: pem,
            signature: STANDARD.encode(proof),
            name: "ci".to_owned(),
            scope: vec!["shop/**".to_owned()],
            principal: Some("admin".to_owned()),
        };
        self.runtime
            .block_on(by_password.register_key(&registered))
            .unwrap();
    }

    /// The receipt, once the monitor has signed it.
    fn receipt(&self) -> client::api::receipts::Receipt {
        for _ in 0..600 {
            let receipts = self.runtime.block_on(self.client.receipts(IMAGE)).unwrap();
            if let Some(receipt) = receipts.into_iter().next() {
                return receipt;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("no receipt comes");
    }
}

async fn push(client: &Client, image: &Image) {
    let repository: RepositoryName = "shop/web".parse().unwrap();
    for (digest, bytes) in &image.blobs {
        let content = Content::from(bytes.clone());
        client.put_blob(&repository, digest, content).await.unwrap();
    }
    let reference = Reference::Tag(image.tag.parse().unwrap());
    let content = image.content.clone();
    client
        .put_manifest(&repository, &reference, media::OCI_MANIFEST, content)
        .await
        .unwrap();
}

#[test]
fn production_without_the_server_decides_as_it_did_with_it() {
    let mut world = World::new();
    let receipt = world.receipt();
    assert_eq!(
        (receipt.policy.as_str(), receipt.gate.as_str()),
        ("shop", "production")
    );
    assert_eq!(receipt.digest, world.image.digest);

    // Beside the image, while there is a registry.
    let (code, said) = world.verify(&["--gate", "production", IMAGE]);
    assert_eq!(code, Some(0), "{said}");
    let (code, said) = world.verify(&["--gate", "staging", IMAGE]);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("[receipt-of-other-gate]"), "{said}");
    let (code, said) = world.verify(&["--gate", "production", "--repository", "shop/other", IMAGE]);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("[receipt-of-other-repository]"), "{said}");

    let file = world.path("web.tar");
    let file = file.to_str().unwrap();
    let made = world.ask(&["bundle", IMAGE, "-o", file]);
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
    let bundle = world.path("receipt.json");
    std::fs::write(&bundle, &receipt.bundle).unwrap();

    world.server.kill();

    let policy = world.path("shop.yaml");
    let policy = policy.to_str().unwrap();
    for more in [
        &[][..],
        &["--gate", "production"],
        &["--policy", policy],
        &[IMAGE],
    ] {
        let (code, said) = world.verify(&[&["--offline", file], more].concat());
        assert_eq!(code, Some(0), "{more:?}: {said}");
        assert!(said.contains("not proved"), "{said}");
    }
    let named = format!("shop/web@{}", world.image.digest);
    let by_file = [
        "--gate",
        "production",
        "--receipt",
        bundle.to_str().unwrap(),
    ];
    let (code, said) = world.verify(&[&by_file[..], &[&named]].concat());
    assert_eq!(code, Some(0), "{said}");

    // Another policy's text, a stage's key, and another image do not do.
    std::fs::write(world.path("shop.yaml"), format!("{POLICY}# changed\n")).unwrap();
    let (code, said) = world.verify(&["--offline", file, "--policy", policy]);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("[receipt-of-other-policy]"), "{said}");
    let other = format!("shop/web@sha256:{}", "ab".repeat(32));
    let (code, said) = world.verify(&[&by_file[..], &[&other]].concat());
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("[receipt-of-other-image]"), "{said}");
    let stranger = PrivateKey::generate(trust::Algorithm::EcdsaP256).unwrap();
    std::fs::write(world.path("server.pub"), stranger.public_key().to_pem()).unwrap();
    let (code, said) = world.verify(&["--offline", file]);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("[receipt-key]"), "{said}");
}

#[test]
fn a_changed_byte_in_the_file_is_named_and_other_tools_read_it() {
    let world = World::new();
    world.receipt();
    let path = world.path("web.tar");
    let file = path.to_str().unwrap();
    let made = world.ask(&["bundle", IMAGE, "-o", file]);
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );

    // The layout is one that this program's scanner reads as well.
    let sbom = world.ask(&["sbom", &format!("oci-archive:{file}"), "-o", "json"]);
    assert!(
        sbom.status.success(),
        "{}",
        String::from_utf8_lossy(&sbom.stderr)
    );

    let (layer, bytes) = &world.image.blobs[1];
    let mut changed = std::fs::read(&path).unwrap();
    let at = changed
        .windows(64)
        .position(|piece| *piece == bytes[..64])
        .unwrap();
    changed[at + 1000] ^= 1;
    std::fs::write(&path, changed).unwrap();
    let (code, said) = world.verify(&["--offline", file]);
    assert_eq!(code, Some(3), "{said}");
    assert!(
        said.contains(&format!("blobs/sha256/{}", layer.hex())),
        "{said}"
    );
    let (_, said) = world.verify(&["--offline", file, "-o", "json"]);
    let answer: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(answer["verified"], false);
}
