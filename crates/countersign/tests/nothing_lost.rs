//! Signatures that many add at once to one digest all stay, however they are attached: as referrers, under cosign's tag, or in the list that
//! clients without the referrers API keep under a tag. The clients here do what cosign does: they read what a tag holds, append, and put it
//! back, and none looks again. So they also show what is lost where a registry does not append.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails where it stands; helpers outside of test functions are tests as well"
)]

#[path = "world/program.rs"]
mod world;

use bytes::Bytes;
use client::Client;
use client::distribution::Content;
use oci::{
    Descriptor, Digest, ImageManifest, IndexManifest, Manifest, Reference, RepositoryName, media,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tokio::runtime::Runtime;
use tokio::sync::Barrier;
use trust::PrivateKey;
use trust::cosign::SimpleSigning;
use world::{Image, Server};

const CLIENTS: usize = 20;
const OF_EACH: usize = 10;
const ALL: usize = CLIENTS * OF_EACH;
const REPOSITORY: &str = "shop/web";
const SIGNATURE: &str = "dev.cosignproject.cosign/signature";

/// A server with one image, and what to reach it with.
struct Shop {
    server: Server,
    runtime: Runtime,
    token: String,
    image: Image,
}

impl Shop {
    fn open() -> Self {
        let server = Server::start(&[]);
        let runtime = Runtime::new().unwrap();
        let token = server.token(&runtime);
        let image = Image::new("1", &[1]);
        let shop = Self {
            server,
            runtime,
            token,
            image,
        };
        let one = shop.client();
        shop.runtime.block_on(async {
            for (digest, bytes) in &shop.image.blobs {
                let content = Content::from(bytes.clone());
                one.client
                    .put_blob(&one.repository, digest, content)
                    .await
                    .unwrap();
            }
            let tag = Reference::Tag(shop.image.tag.parse().unwrap());
            one.put(&tag, media::OCI_MANIFEST, &shop.image.content)
                .await;
        });
        shop
    }

    fn client(&self) -> One {
        One {
            client: self.server.client_with(&self.token),
            repository: REPOSITORY.parse().unwrap(),
            image: self.image.digest.clone(),
        }
    }

    /// Twenty clients at once, each of which does something ten times. Answers the digests that they were told, with the bytes they sent.
    fn all<F>(&self, act: impl Fn(One, usize) -> F) -> Vec<(Digest, Bytes)>
    where
        F: Future<Output = (Digest, Bytes)> + Send + 'static,
    {
        let start = Arc::new(Barrier::new(CLIENTS));
        let act = &act;
        let clients: Vec<_> = (0..CLIENTS)
            .map(|number| {
                let acts: Vec<_> = (0..OF_EACH)
                    .map(|turn| act(self.client(), number * OF_EACH + turn))
                    .collect();
                let start = Arc::clone(&start);
                self.runtime.spawn(async move {
                    start.wait().await;
                    let mut told = Vec::new();
                    for act in acts {
                        told.push(act.await);
                    }
                    told
                })
            })
            .collect();
        clients
            .into_iter()
            .flat_map(|client| self.runtime.block_on(client).unwrap())
            .collect()
    }

    /// What every client sent is there under the digest that it was told.
    fn holds(&self, told: &[(Digest, Bytes)]) {
        let one = self.client();
        for (digest, sent) in told {
            let reference = Reference::Digest(digest.clone());
            let found = one.client.manifest(&one.repository, &reference);
            assert_eq!(self.runtime.block_on(found).unwrap().bytes, *sent);
        }
    }

    fn under(&self, end: &str) -> Manifest {
        let one = self.client();
        self.runtime.block_on(one.get(&one.tag(end))).unwrap()
    }
}

/// One of the clients.
struct One {
    client: Client,
    repository: RepositoryName,
    image: Digest,
}

impl One {
    /// `sha256-<hex>` with an end.
    fn tag(&self, end: &str) -> Reference {
        Reference::Tag(format!("sha256-{}{end}", self.image.hex()).parse().unwrap())
    }

    async fn get(&self, tag: &Reference) -> Option<Manifest> {
        match self.client.manifest(&self.repository, tag).await {
            Ok(found) => Some(found.manifest),
            Err(error) if error.is_not_found() => None,
            Err(error) => panic!("{error}"),
        }
    }

    /// A PUT, whose answer is compared with what was sent.
    async fn put(&self, reference: &Reference, media_type: &str, content: &Bytes) -> Digest {
        let put =
            self.client
                .put_manifest(&self.repository, reference, media_type, content.clone());
        let told = put.await.unwrap().digest;
        assert_eq!(told, Digest::sha256(content), "clients compare it");
        told
    }

    async fn blob(&self, media_type: &str, content: Vec<u8>) -> Descriptor {
        let descriptor = Descriptor::of(media_type, &content);
        let content = Content::from(Bytes::from(content));
        self.client
            .put_blob(&self.repository, &descriptor.digest, content)
            .await
            .unwrap();
        descriptor
    }

    /// A signature as cosign's layer.
    async fn layer(&self, key: &PrivateKey, number: usize) -> Descriptor {
        let payload = SimpleSigning {
            docker_reference: None,
            digest: self.image.clone(),
            optional: BTreeMap::from([("number".to_owned(), number.into())]),
        };
        let (payload, signature) = payload.sign(key).unwrap();
        let mut layer = self.blob(media::COSIGN_SIMPLE_SIGNING, payload).await;
        layer.annotations.insert(SIGNATURE.to_owned(), signature);
        layer
    }

    /// What cosign does under a tag: reads, appends, writes.
    async fn append(&self, end: &str, layer: Descriptor) -> (Digest, Bytes) {
        let tag = self.tag(end);
        let mut layers = match self.get(&tag).await {
            Some(Manifest::Image(image)) => image.layers,
            None => Vec::new(),
            Some(Manifest::Index(_)) => panic!("an index under {tag:?}"),
        };
        layers.push(layer);
        let config = format!(r#"{{"architecture":"","os":"","layers":{}}}"#, layers.len());
        let config = self.blob(media::OCI_CONFIG, config.into_bytes()).await;
        let content = Manifest::Image(ImageManifest::new(config, layers))
            .to_bytes()
            .into();
        (self.put(&tag, media::OCI_MANIFEST, &content).await, content)
    }

    /// A manifest about the image, by its digest.
    async fn refer(&self, layer: Descriptor) -> (Descriptor, Bytes) {
        let config = self.blob(media::OCI_EMPTY, b"{}".to_vec()).await;
        let mut manifest = ImageManifest::new(config, vec![layer]);
        manifest.artifact_type = Some(media::COSIGN_SIMPLE_SIGNING.to_owned());
        let subject = Descriptor::of(media::OCI_MANIFEST, b"");
        manifest.subject = Some(Descriptor {
            digest: self.image.clone(),
            ..subject
        });
        let content = Bytes::from(Manifest::Image(manifest).to_bytes());
        let digest = Reference::Digest(Digest::sha256(&content));
        self.put(&digest, media::OCI_MANIFEST, &content).await;
        (Descriptor::of(media::OCI_MANIFEST, &content), content)
    }

    /// What a client without the referrers API does: reads the list under the tag, appends, writes.
    async fn list(&self, referrer: Descriptor) -> (Digest, Bytes) {
        let tag = self.tag("");
        let mut listed = match self.get(&tag).await {
            Some(Manifest::Index(index)) => index.manifests,
            None => Vec::new(),
            Some(Manifest::Image(_)) => panic!("an image under {tag:?}"),
        };
        listed.push(referrer);
        let content = Manifest::Index(IndexManifest::new(listed))
            .to_bytes()
            .into();
        (self.put(&tag, media::OCI_INDEX, &content).await, content)
    }
}

fn key() -> Arc<PrivateKey> {
    Arc::new(PrivateKey::generate(trust::Algorithm::EcdsaP256).unwrap())
}

fn distinct(descriptors: &[Descriptor]) -> usize {
    let texts = descriptors.iter().map(|one| format!("{one:?}"));
    texts.collect::<BTreeSet<_>>().len()
}

#[test]
fn two_hundred_signatures_of_twenty_clients_stay_under_cosigns_tags() {
    let shop = Shop::open();
    let key = key();
    for end in [".sig", ".att"] {
        let told = shop.all(|one, number| {
            let key = Arc::clone(&key);
            async move {
                let layer = one.layer(&key, number).await;
                one.append(end, layer).await
            }
        });
        let Manifest::Image(held) = shop.under(end) else {
            panic!("not an image under {end}");
        };
        assert_eq!(
            (held.layers.len(), distinct(&held.layers)),
            (ALL, ALL),
            "{end}"
        );
        shop.holds(&told);
        let one = shop.client();
        for layer in &held.layers {
            let blob = one.client.head_blob(&one.repository, &layer.digest);
            assert!(shop.runtime.block_on(blob).unwrap().is_some());
        }
        if end == ".sig" {
            // They are evidence too, not only bytes: the gates see each.
            let image = format!("{REPOSITORY}@{}", shop.image.digest);
            let listed = shop.runtime.block_on(one.client.image_evidence(&image));
            assert_eq!(listed.unwrap().evidence.len(), ALL);
        }
    }
}

#[test]
fn a_signature_stays_with_the_manifest_of_both_until_all_that_carry_it_are_deleted() {
    let shop = Shop::open();
    let (one, key) = (shop.client(), key());
    let image = format!("{REPOSITORY}@{}", shop.image.digest);
    let (first, second, both) = shop.runtime.block_on(async {
        // Two that have not seen each other.
        let mut told = Vec::new();
        for number in [1, 2] {
            let layer = one.layer(&key, number).await;
            let config = one.blob(media::OCI_CONFIG, b"{}".to_vec()).await;
            let content = Manifest::Image(ImageManifest::new(config, vec![layer]))
                .to_bytes()
                .into();
            told.push(
                one.put(&one.tag(".sig"), media::OCI_MANIFEST, &content)
                    .await,
            );
        }
        let tag = one.tag(".sig");
        let head = one.client.head_manifest(&one.repository, &tag);
        let both = head.await.unwrap().unwrap().digest;
        (told.remove(0), told.remove(0), both)
    });
    assert!(both != first && both != second);
    let counted = |withdrawn: bool| {
        let listed = shop
            .runtime
            .block_on(one.client.image_evidence(&image))
            .unwrap();
        listed
            .evidence
            .iter()
            .filter(|one| one.withdrawn == withdrawn)
            .count()
    };
    for (deleted, left) in [(&first, 2), (&second, 2), (&both, 0)] {
        assert_eq!(counted(false), 2);
        let digest = Reference::Digest((*deleted).clone());
        let delete = one.client.delete_manifest(&one.repository, &digest);
        shop.runtime.block_on(delete).unwrap();
        assert_eq!(counted(false), left, "{deleted}");
    }
    assert_eq!(counted(true), 2);
}

#[test]
fn two_hundred_referrers_of_twenty_clients_stay_in_both_lists() {
    let shop = Shop::open();
    let key = key();
    let told = shop.all(|one, number| {
        let key = Arc::clone(&key);
        async move {
            let layer = one.layer(&key, number).await;
            let (referrer, _) = one.refer(layer).await;
            one.list(referrer).await
        }
    });
    let one = shop.client();
    let listed = one.client.referrers(&one.repository, &one.image, None);
    let listed = shop.runtime.block_on(listed).unwrap();
    assert_eq!((listed.len(), distinct(&listed)), (ALL, ALL));
    let Manifest::Index(held) = shop.under("") else {
        panic!("not an index");
    };
    assert_eq!(
        (held.manifests.len(), distinct(&held.manifests)),
        (ALL, ALL)
    );
    shop.holds(&told);

    // A referrer that was deleted does not come back into the list with the next one.
    let gone = held.manifests[0].clone();
    shop.runtime.block_on(async {
        let digest = Reference::Digest(gone.digest.clone());
        one.client
            .delete_manifest(&one.repository, &digest)
            .await
            .unwrap();
        let layer = one.layer(&key, ALL).await;
        let (referrer, _) = one.refer(layer).await;
        let content = Manifest::Index(IndexManifest::new(vec![referrer]))
            .to_bytes()
            .into();
        one.put(&one.tag(""), media::OCI_INDEX, &content).await;
    });
    let Manifest::Index(held) = shop.under("") else {
        panic!("not an index");
    };
    assert_eq!(held.manifests.len(), ALL);
    assert!(!held.manifests.contains(&gone));
}

#[test]
fn other_tags_are_moved_as_ever() {
    let shop = Shop::open();
    let (one, key) = (shop.client(), key());
    let tag = Reference::Tag("signatures".parse().unwrap());
    shop.runtime.block_on(async {
        for number in [1, 2] {
            let layer = one.layer(&key, number).await;
            let config = one.blob(media::OCI_CONFIG, b"{}".to_vec()).await;
            let content = Manifest::Image(ImageManifest::new(config, vec![layer]))
                .to_bytes()
                .into();
            let told = one.put(&tag, media::OCI_MANIFEST, &content).await;
            let head = one
                .client
                .head_manifest(&one.repository, &tag)
                .await
                .unwrap();
            assert_eq!(head.unwrap().digest, told);
        }
    });
}
