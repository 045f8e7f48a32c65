//! An image in a registry: its manifest, then each layer as a stream that is read while it arrives.

use super::Scanned;
use super::archive::choose;
use crate::context::ServerFlags;
use crate::progress;
use anyhow::{Context, Result, bail};
use client::Client;
use oci::{Descriptor, Digest, ImageConfig, ImageReference, Manifest, Reference, RepositoryName};
use sbom::LayerInventory;
use scanner::Limits;
use tokio::runtime::Handle;

/// The registry of names without a host.
const DEFAULT_HOST: &str = "docker.io";
/// Bytes of an image configuration.
const CONFIG_BYTES_MAX: u64 = 16 << 20;

/// Reads an image from its registry, with this program's log-in there or docker's.
pub(super) async fn scan(image: &ImageReference, server: &ServerFlags) -> Result<Scanned> {
    let client = match (&image.host, &server.server) {
        (Some(host), _) => server.registry_client(host)?,
        (None, Some(_)) => server.client()?,
        (None, None) => server
            .client()
            .or_else(|_| server.registry_client(DEFAULT_HOST))?,
    };
    let reference = match image.reference() {
        Some(reference) => reference,
        None => "latest".parse()?,
    };
    let (digest, manifest) = resolve(&client, &image.repository, &reference).await?;
    let Manifest::Image(manifest) = manifest else {
        bail!("`{image}` is an index of indexes; name one image by its digest");
    };
    let config = client
        .blob(&image.repository, &manifest.config.digest)
        .await?
        .bytes(CONFIG_BYTES_MAX)
        .await?;
    let config = ImageConfig::parse(&config).ok();
    let mut layers = Vec::new();
    for (index, layer) in manifest.layers.iter().enumerate() {
        let diff_id = config
            .as_ref()
            .and_then(|config| config.rootfs.diff_ids.get(index))
            .cloned();
        layers.push(scan_layer(&client, &image.repository, layer, diff_id).await?);
    }
    Ok(Scanned {
        name: image.to_string(),
        digest: Some(digest),
        inventory: scanner::merge(&layers, config.as_ref()),
    })
}

async fn resolve(
    client: &Client,
    repository: &RepositoryName,
    reference: &Reference,
) -> Result<(Digest, Manifest)> {
    let fetched = client.manifest(repository, reference).await?;
    let Manifest::Index(index) = &fetched.manifest else {
        return Ok((fetched.digest, fetched.manifest));
    };
    let chosen = Reference::Digest(choose(&index.manifests)?.digest.clone());
    let fetched = client.manifest(repository, &chosen).await?;
    Ok((fetched.digest, fetched.manifest))
}

async fn scan_layer(
    client: &Client,
    repository: &RepositoryName,
    layer: &Descriptor,
    diff_id: Option<Digest>,
) -> Result<LayerInventory> {
    let bar = progress::bytes(&format!("layer {}", layer.digest.short()), Some(layer.size));
    let reader = client
        .blob(repository, &layer.digest)
        .await?
        .into_reader(Handle::current());
    let reader = bar.wrap_read(reader);
    let descriptor = layer.clone();
    let inventory = tokio::task::spawn_blocking(move || {
        scanner::scan_layer(
            reader,
            &descriptor.digest,
            diff_id.as_ref(),
            &descriptor.media_type,
            &Limits::default(),
        )
    })
    .await
    .context("reading a layer ended early")?;
    bar.finish_and_clear();
    Ok(inventory)
}
