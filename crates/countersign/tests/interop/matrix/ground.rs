//! A registry for the matrix, over plain HTTP on loopback or over TLS, and what it holds as bare requests see it.

use super::client::Home;
use crate::harness::{
    Answer, Image, Place, Shop, Trusted, block_on, client_of, curl, push, push_tagged,
};
use oci::{Digest, Reference, media};
use serde_json::Value;

/// The repositories where the clients push: no gate covers them, and their developer may also delete there.
const FREE: &str = "clients";
/// The image that a gate holds back.
const HELD: &str = "shop/held:1";

/// How clients reach the registry.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Transport {
    /// Plain HTTP, on this machine.
    Plain,
    /// TLS, with the server's own authority.
    Tls,
}

/// A registry with people.
pub(crate) struct Ground {
    /// The shop.
    pub(crate) shop: Shop,
    /// Where the clients live: podman takes no path longer than 50 letters.
    homes: tempfile::TempDir,
    _trusted: Option<Trusted>,
}

impl Ground {
    /// Opens a shop; over TLS, its authority is put where clients look for it.
    pub(crate) fn open(transport: Transport) -> Self {
        Self::of(match transport {
            Transport::Plain => Shop::open(&[]),
            Transport::Tls => Shop::open_tls(),
        })
    }

    /// The same with a shop that is open already.
    pub(crate) fn of(shop: Shop) -> Self {
        let trusted = shop
            .server
            .authority()
            .map(|authority| Trusted::everywhere(&shop.server.host(), &authority));
        Self {
            shop,
            homes: tempfile::Builder::new().prefix("cs-").tempdir().unwrap(),
            _trusted: trusted,
        }
    }

    /// A folder for a client.
    pub(crate) fn home(&self, name: &str, place: Place) -> Home {
        Home {
            place,
            folder: self.homes.path().join(name),
            host: self.shop.server.host(),
            authority: self.shop.server.authority(),
        }
    }

    /// The whole reference of an image in the free repositories.
    pub(crate) fn free(&self, client: &str, image: &str) -> String {
        format!("{}/{FREE}/{client}/{image}", self.shop.server.host())
    }

    /// The whole reference of the image that is held back.
    pub(crate) fn held(&self) -> String {
        format!("{}/{HELD}", self.shop.server.host())
    }

    /// Pushes what is held back, as dora; answers its digest.
    pub(crate) fn push_held(&self, image: &Image) -> String {
        self.push(image, &self.held());
        self.shop.wait_for_inventory(HELD);
        image.digest().to_string()
    }

    /// Every stage signs what was held back.
    pub(crate) fn sign_held(&self) {
        self.shop
            .wait_for_scan("shop/held", &self.digest(&self.held()).unwrap());
        self.shop.sign("ci-shop", "ci-shop", "ci", HELD);
        self.shop.sign("quentin", "quentin", "staging", HELD);
        self.shop.sign("rita", "rita", "staging", HELD);
        self.shop.gate(HELD).is("allow");
    }

    /// Pushes by requests of our own, as dora.
    pub(crate) fn push(&self, content: &Image, image: &str) {
        let shop = &self.shop;
        let (repository, _) = self.path(image).rsplit_once(':').unwrap();
        if content.media_type == media::OCI_INDEX {
            let client = client_of(shop.actor("dora"), &shop.server);
            for (digest, child) in content.children() {
                let reference = Reference::Digest(digest);
                block_on(push(&client, repository, &reference, &child)).unwrap();
            }
        }
        self.push_alone(content, image);
    }

    /// Pushes what is there of it, as dora; of an index nothing below it.
    pub(crate) fn push_alone(&self, content: &Image, image: &str) {
        let shop = &self.shop;
        push_tagged(shop.actor("dora"), &shop.server, self.path(image), content);
    }

    /// What refers to a digest by `subject`.
    pub(crate) fn referrers(&self, image: &str, digest: &str) -> Vec<String> {
        let answer = self.ask("GET", image, "referrers", digest);
        assert_eq!(answer.status, 200, "{image}: {}", answer.body);
        let index = answer.json();
        let children = index["manifests"].as_array().unwrap().iter();
        children
            .map(|child| child["digest"].as_str().unwrap().to_owned())
            .collect()
    }

    /// Whether a blob is there.
    pub(crate) fn has_blob(&self, image: &str, digest: &str) -> bool {
        self.ask("HEAD", image, "blobs", digest).status == 200
    }

    fn path<'a>(&self, image: &'a str) -> &'a str {
        image
            .strip_prefix(&self.shop.server.host())
            .and_then(|path| path.strip_prefix('/'))
            .expect("a reference to this registry")
    }

    /// Where something of an image's repository is.
    pub(crate) fn url(&self, image: &str, kind: &str, reference: &str) -> String {
        let (repository, _) = self.path(image).rsplit_once(':').unwrap();
        let server = self.shop.server.url();
        format!("{server}/v2/{repository}/{kind}/{reference}")
    }

    /// Asks, and goes where the answer leads: blobs may be in a bucket.
    fn ask(&self, method: &str, image: &str, kind: &str, reference: &str) -> Answer {
        let accept = [
            media::OCI_MANIFEST,
            media::OCI_INDEX,
            media::DOCKER_MANIFEST,
            media::DOCKER_LIST,
        ]
        .join(", ");
        curl(&self.url(image, kind, reference))
            .user(self.shop.actor("dora"))
            .method(method)
            .flags(["--location", "--header", &format!("Accept: {accept}")])
            .ask()
    }

    /// The digest of an image, if it is there.
    pub(crate) fn digest(&self, image: &str) -> Option<String> {
        let (_, tag) = image.rsplit_once(':').unwrap();
        let answer = self.ask("HEAD", image, "manifests", tag);
        (answer.status == 200).then(|| answer.headers["docker-content-digest"].clone())
    }

    /// The manifest of an image by tag or digest, whose bytes are what its digest says.
    pub(crate) fn manifest(&self, image: &str, reference: &str) -> Value {
        let answer = self.ask("GET", image, "manifests", reference);
        assert_eq!(answer.status, 200, "{image}: {}", answer.body);
        let digest = Digest::sha256(answer.body.as_bytes());
        assert_eq!(answer.headers["docker-content-digest"], digest.as_str());
        answer.json()
    }

    /// A blob, byte for byte.
    pub(crate) fn blob(&self, image: &str, digest: &str) -> Vec<u8> {
        let answer = self.ask("GET", image, "blobs", digest);
        assert_eq!(answer.status, 200, "{image}: {}", answer.body);
        assert_eq!(Digest::sha256(&answer.bytes).as_str(), digest);
        answer.bytes
    }

    /// Deletes by a bare request, as whoever has a client without a command for it.
    pub(crate) fn delete(&self, image: &str) {
        let digest = self.digest(image).unwrap();
        let answer = self.ask("DELETE", image, "manifests", &digest);
        assert_eq!(answer.status, 202, "{image}: {}", answer.body);
    }
}
