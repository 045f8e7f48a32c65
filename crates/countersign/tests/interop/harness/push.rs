//! Images by the workspace's own client, byte by byte: small ones in numbers, and ones that no build tool would make.

use super::layer::Layer;
use super::{Actor, Server};
use bytes::Bytes;
use client::distribution::Content;
use client::{Client, ClientOptions, Credentials};
use oci::{Descriptor, Digest, Reference, RepositoryName, Tag, media};
use serde_json::{Value, json};
use std::future::Future;
use std::sync::LazyLock;
use tokio::runtime::Runtime;

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
});

/// Waits for a future.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    RUNTIME.block_on(future)
}

/// A client that is somebody.
pub(crate) fn client_of(actor: &Actor, server: &Server) -> Client {
    LazyLock::force(&RUNTIME);
    let credentials = Credentials::Basic {
        user: actor.name.clone(),
        password: actor.secret.clone().into(),
    };
    let options = ClientOptions::new(&server.url())
        .unwrap()
        .with_credentials(credentials);
    let options = match server.authority() {
        Some(authority) => options.with_authority(std::fs::read(authority).unwrap()),
        None => options,
    };
    Client::new(options).unwrap()
}

/// A repository's name.
pub(crate) fn name(text: &str) -> RepositoryName {
    text.parse().unwrap()
}

/// A tag as a reference.
pub(crate) fn tag(text: &str) -> Reference {
    Reference::Tag(text.parse::<Tag>().unwrap())
}

/// An image that was not pushed yet.
#[derive(Clone, Debug)]
pub(crate) struct Image {
    /// The manifest's bytes.
    pub(crate) manifest: Bytes,
    /// Its media type.
    pub(crate) media_type: &'static str,
    /// What it refers to.
    pub(crate) blobs: Vec<(Digest, Bytes)>,
}

/// What an image is made of.
#[derive(Clone, Debug, Default)]
pub(crate) struct ImageParts {
    /// Its layers, from the bottom.
    pub(crate) layers: Vec<Layer>,
    /// The `subject` of its manifest.
    pub(crate) subject: Option<Value>,
}

impl ImageParts {
    /// An image of these layers.
    pub(crate) fn of(layers: impl IntoIterator<Item = Layer>) -> Self {
        Self {
            layers: layers.into_iter().collect(),
            subject: None,
        }
    }

    /// Puts it together.
    pub(crate) fn build(self) -> Image {
        let config = json!({
            "architecture": "amd64", "os": "linux", "config": {"Cmd": ["/bin/true"]},
            "rootfs": {"type": "layers", "diff_ids": self.layers.iter().map(|layer| &layer.diff_id).collect::<Vec<_>>()},
            "history": self.layers.iter().map(|layer| json!({"created_by": layer.instruction})).collect::<Vec<_>>(),
        });
        let config = Bytes::from(config.to_string());
        let layers = self.layers.iter().map(|layer| {
            json!({"mediaType": layer.media_type, "digest": Digest::sha256(&layer.bytes), "size": layer.bytes.len()})
        });
        let mut manifest = json!({
            "schemaVersion": 2,
            "mediaType": media::OCI_MANIFEST,
            "config": {"mediaType": media::OCI_CONFIG, "digest": Digest::sha256(&config), "size": config.len()},
            "layers": layers.collect::<Vec<_>>(),
        });
        if let Some(subject) = self.subject {
            manifest["subject"] = subject;
        }
        let mut blobs: Vec<_> = self
            .layers
            .into_iter()
            .map(|layer| (Digest::sha256(&layer.bytes), layer.bytes))
            .collect();
        blobs.push((Digest::sha256(&config), config));
        Image {
            manifest: Bytes::from(manifest.to_string()),
            media_type: media::OCI_MANIFEST,
            blobs,
        }
    }
}

impl Image {
    /// The manifest's digest.
    pub(crate) fn digest(&self) -> Digest {
        Digest::sha256(&self.manifest)
    }

    /// The same image with another configuration.
    pub(crate) fn with_config(mut self, config: Bytes) -> Self {
        let mut manifest: Value = serde_json::from_slice(&self.manifest).unwrap();
        manifest["config"]["digest"] = json!(Digest::sha256(&config));
        manifest["config"]["size"] = json!(config.len());
        self.manifest = Bytes::from(manifest.to_string());
        self.blobs.pop();
        self.blobs.push((Digest::sha256(&config), config));
        self
    }

    /// The manifests among what an index refers to, each with its digest and all its blobs.
    pub(crate) fn children(&self) -> Vec<(Digest, Self)> {
        let find = |digest: &str| {
            let found = self.blobs.iter().find(|(own, _)| own.as_str() == digest);
            found.cloned().unwrap_or_else(|| panic!("no {digest}"))
        };
        let index: Value = serde_json::from_slice(&self.manifest).unwrap();
        let children = index["manifests"].as_array().unwrap().iter();
        children
            .map(|child| {
                let (digest, manifest) = find(child["digest"].as_str().unwrap());
                let parsed: Value = serde_json::from_slice(&manifest).unwrap();
                let layers = parsed["layers"].as_array().unwrap().iter();
                let blobs = layers
                    .chain([&parsed["config"]])
                    .map(|blob| find(blob["digest"].as_str().unwrap()))
                    .collect();
                let image = Self {
                    manifest,
                    media_type: media::OCI_MANIFEST,
                    blobs,
                };
                (digest, image)
            })
            .collect()
    }

    /// The manifest as others refer to it.
    pub(crate) fn descriptor(&self) -> Value {
        json!({"mediaType": self.media_type, "digest": self.digest(), "size": self.manifest.len()})
    }
}

/// Pushes what the image refers to, then its manifest under a reference. Answers once all of it is acknowledged.
pub(crate) async fn push(
    client: &Client,
    repository: &str,
    reference: &Reference,
    image: &Image,
) -> Result<(), client::Error> {
    let repository = name(repository);
    for (digest, bytes) in &image.blobs {
        client
            .put_blob(&repository, digest, Content::from(bytes.clone()))
            .await?;
    }
    client
        .put_manifest(
            &repository,
            reference,
            image.media_type,
            image.manifest.clone(),
        )
        .await?;
    Ok(())
}

/// Pushes an image under `repository:tag`, as somebody; answers its digest.
pub(crate) fn push_tagged(actor: &Actor, server: &Server, image: &str, content: &Image) -> Digest {
    let (repository, label) = image.rsplit_once(':').expect("`repository:tag`");
    block_on(push(
        &client_of(actor, server),
        repository,
        &tag(label),
        content,
    ))
    .unwrap();
    content.digest()
}

/// Pushes a manifest by its digest that refers to another by `subject`.
pub(crate) fn push_referrer(client: &Client, repository: &str, subject: &Digest, manifest: &Value) {
    let bytes = Bytes::from(manifest.to_string());
    let descriptor: Descriptor = serde_json::from_value(json!({
        "mediaType": media::OCI_MANIFEST, "digest": Digest::sha256(&bytes), "size": bytes.len(),
        "artifactType": manifest["artifactType"],
    }))
    .unwrap();
    block_on(client.push_referrer(&name(repository), subject, &descriptor, bytes)).unwrap();
}
