//! What is put beside an image: the manifest that a reference stands for now, and referrers of it. Deliberately nothing about what they
//! say: signatures and attestations are made by their commands.

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use client::Client;
use client::distribution::Content;
use oci::{Descriptor, Digest, ImageManifest, ImageReference, Manifest, Reference, media};

use crate::context::ServerFlags;
use crate::output;

/// The empty JSON object, which an artifact's manifest has as its config (image-spec "Guidance for an Empty Descriptor").
const EMPTY: &[u8] = b"{}";

/// A client for the registry of an image: the one that its reference names, or else the server.
pub(crate) fn client_for(image: &ImageReference, server: &ServerFlags) -> Result<Client> {
    match (&image.host, &server.server) {
        (Some(host), None) => server.registry_client(host),
        (Some(host), Some(address)) => {
            if host_of(address).is_some_and(|asked| !asked.eq_ignore_ascii_case(host)) {
                output::note(format!(
                    "`{address}` is asked, as `--server` or COUNTERSIGN_SERVER says, and not `{host}`"
                ));
            }
            server.client()
        }
        (None, _) => server.client(),
    }
}

/// A manifest in a repository, as it was found.
pub(crate) struct Subject<'a> {
    pub(crate) client: &'a Client,
    /// The repository with the registry's host, without tag and digest.
    pub(crate) name: ImageReference,
    /// The manifest.
    pub(crate) descriptor: Descriptor,
}

impl<'a> Subject<'a> {
    /// Resolves what the reference stands for now; without tag and digest, `latest`.
    pub(crate) async fn find(client: &'a Client, image: &ImageReference) -> Result<Self> {
        let Some(reference) = image
            .reference()
            .or_else(|| "latest".parse::<Reference>().ok())
        else {
            bail!("`{image}` names no tag and no digest");
        };
        let head = client
            .head_manifest(&image.repository, &reference)
            .await?
            .with_context(|| format!("there is no image `{image}`; push it first"))?;
        let host = image.host.clone().or_else(|| host_of(client.base_url()));
        Ok(Self {
            client,
            name: ImageReference {
                host,
                repository: image.repository.clone(),
                tag: None,
                digest: None,
            },
            descriptor: Descriptor::new(&head.media_type, head.digest, head.size),
        })
    }

    /// The manifest's digest.
    pub(crate) fn digest(&self) -> &Digest {
        &self.descriptor.digest
    }

    /// Uploads a blob.
    pub(crate) async fn put_blob(&self, bytes: &[u8]) -> Result<()> {
        let content = Content::from(Bytes::copy_from_slice(bytes));
        self.client
            .put_blob(&self.name.repository, &Digest::sha256(bytes), content)
            .await?;
        Ok(())
    }

    /// Pushes an artifact of one layer as a referrer; its type is that of the layer.
    pub(crate) async fn attach(
        &self,
        layer_type: &str,
        layer: &[u8],
        annotations: &[(&str, &str)],
    ) -> Result<Digest> {
        let mut image = ImageManifest::new(
            Descriptor::of(media::OCI_EMPTY, EMPTY),
            vec![Descriptor::of(layer_type, layer)],
        );
        image.artifact_type = Some(layer_type.to_owned());
        image.subject = Some(self.descriptor.clone());
        image.annotations = annotations
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        self.push(Manifest::Image(image), layer).await
    }

    /// Pushes a manifest with an empty configuration and one layer as a referrer. Answers its digest.
    pub(crate) async fn push(&self, manifest: Manifest, layer: &[u8]) -> Result<Digest> {
        self.put_blob(EMPTY).await?;
        self.put_blob(layer).await?;
        let bytes = manifest.to_bytes();
        let mut descriptor = Descriptor::of(manifest.media_type(), &bytes);
        descriptor.artifact_type = manifest.artifact_type().map(str::to_owned);
        let digest = descriptor.digest.clone();
        self.client
            .push_referrer(
                &self.name.repository,
                self.digest(),
                &descriptor,
                Bytes::from(bytes),
            )
            .await?;
        Ok(digest)
    }
}

/// The host and port of an address.
fn host_of(address: &str) -> Option<String> {
    let (_, rest) = address.split_once("://")?;
    let host = rest.split('/').next().filter(|host| !host.is_empty())?;
    Some(host.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_named_as_images_name_it() {
        for (address, expect) in [
            (
                "https://registry.example:5000",
                Some("registry.example:5000"),
            ),
            ("http://127.0.0.1:5000/", Some("127.0.0.1:5000")),
            ("https://", None),
            ("registry.example", None),
        ] {
            assert_eq!(host_of(address).as_deref(), expect, "{address}");
        }
    }
}
