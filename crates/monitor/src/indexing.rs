//! Indexing: each new layer is read once, as a stream, on a thread of its own; the image's inventory is its layers merged.
//! A layer that another image shares is not read again, nor one that was read while it arrived (`following`).

use crate::{Context, Error, Result};
use oci::{
    Descriptor, Digest, ImageConfig, ImageManifest, Manifest, Reference, RepositoryName, media,
};
use sbom::{LayerInventory, Problem, ProblemKind};
use scanner::{Collector, Limits};
use serde::Deserialize;
use std::io::{self, BufReader, ErrorKind, Read};
use store::blobs::Reader;
use store::inventories::{self, Indexed};
use store::{System, blobs, catalogue};

/// Bytes of an image configuration.
const CONFIG_BYTES_MAX: u64 = 8 << 20;
/// Bytes that a thread reads from a layer's file at a time.
const READ_BYTES: usize = 1 << 20;

/// Payload of the job: which image.
#[derive(Debug, Deserialize)]
pub(crate) struct Image {
    digest: Digest,
}

/// Takes one image apart, if this version of the scanner has not done so, and matches its components.
pub(crate) async fn index(context: &Context, payload: &Image) -> Result<()> {
    let Some(Whole {
        repository,
        manifest,
    }) = whole(context, &payload.digest).await?
    else {
        return Ok(());
    };
    let config = config(context, &manifest).await?;
    let mut layers = Vec::with_capacity(manifest.layers.len());
    for (index, layer) in manifest.layers.iter().enumerate() {
        let diff_id = config
            .as_ref()
            .and_then(|config| config.rootfs.diff_ids.get(index));
        layers.push(layer_inventory(context, &repository, layer, diff_id).await?);
    }
    let mut inventory = scanner::merge(&layers, config.as_ref());
    inventory
        .problems
        .extend(config_problems(&manifest, config.as_ref()));
    let indexed = Indexed::Inventory(inventory);
    let system = System::job("index-image");
    // The new components are matched by a job that this transaction asks for.
    inventories::put_image(
        &context.store,
        system,
        &payload.digest,
        &indexed,
        scanner::SCANNER_VERSION,
        context.now(),
    )
    .await?;
    Ok(())
}

/// An image, and a repository that holds its layers.
struct Whole {
    repository: RepositoryName,
    manifest: ImageManifest,
}

/// The repository that holds most of an image's layers; `None` while there is none that holds all but foreign ones. What a
/// repository does not hold is not read on its behalf, wherever else the bytes are.
async fn whole(context: &Context, digest: &Digest) -> Result<Option<Whole>> {
    let reference = Reference::Digest(digest.clone());
    let mut best: Option<(usize, Whole)> = None;
    for holder in catalogue::holders(&context.store, digest).await? {
        let repository = holder.repository;
        let Some(found) = catalogue::manifest(&context.store, &repository, &reference).await?
        else {
            continue;
        };
        let Ok(Manifest::Image(manifest)) =
            Manifest::parse(&found.content, Some(&found.media_type))
        else {
            return Ok(None);
        };
        let mut absent = 0;
        let mut is_whole = true;
        for layer in &manifest.layers {
            if catalogue::blob(&context.store, &repository, &layer.digest)
                .await?
                .is_none()
            {
                absent += 1;
                is_whole &= media::is_foreign_layer(&layer.media_type);
            }
        }
        let is_better = best.as_ref().is_none_or(|(least, _)| absent < *least);
        if is_whole && is_better {
            best = Some((
                absent,
                Whole {
                    repository,
                    manifest,
                },
            ));
        }
        if absent == 0 {
            break;
        }
    }
    Ok(best.map(|(_, whole)| whole))
}

/// What the configuration should say and does not.
fn config_problems(manifest: &ImageManifest, config: Option<&ImageConfig>) -> Option<Problem> {
    let detail = match config {
        None => "the image configuration cannot be read".to_owned(),
        Some(config) if config.rootfs.diff_ids.len() != manifest.layers.len() => format!(
            "the image has {} layers, and its configuration names {}",
            manifest.layers.len(),
            config.rootfs.diff_ids.len()
        ),
        Some(_) => return None,
    };
    Some(Problem {
        kind: ProblemKind::BrokenLayer,
        detail,
        path: None,
        layer: None,
    })
}

async fn config(context: &Context, manifest: &ImageManifest) -> Result<Option<ImageConfig>> {
    let content = match blobs::open(&context.store, &manifest.config.digest).await {
        Ok(opened) => opened,
        Err(store::Error::NotFound { .. }) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    if content.size > CONFIG_BYTES_MAX {
        return Ok(None);
    }
    Ok(ImageConfig::parse(&content.bytes().await?).ok())
}

async fn layer_inventory(
    context: &Context,
    repository: &RepositoryName,
    layer: &Descriptor,
    diff_id: Option<&Digest>,
) -> Result<LayerInventory> {
    if catalogue::blob(&context.store, repository, &layer.digest)
        .await?
        .is_none()
    {
        if media::is_foreign_layer(&layer.media_type) {
            return Ok(absent(layer, &context.limits));
        }
        // It was there a moment ago: another try finds another repository, or none, and says nothing about the image.
        return Err(Error::Store(store::Error::NotFound {
            kind: "blob",
            name: layer.digest.to_string(),
        }));
    }
    if let Some(known) = known(context, layer, diff_id).await? {
        return Ok(known);
    }
    let _turn = context.turns.need().await;
    // Whoever had the turn before may have read this very layer.
    if let Some(known) = known(context, layer, diff_id).await? {
        return Ok(known);
    }
    let content = match blobs::open(&context.store, &layer.digest).await {
        Ok(content) => content,
        Err(store::Error::NotFound { .. }) => return Ok(absent(layer, &context.limits)),
        Err(error) => return Err(error.into()),
    };
    let inventory = read(context, layer, diff_id, content.into_reader()).await?;
    // A layer that does not fit the configuration of this image may fit another's: only what fits is kept by its digest.
    if diff_id.is_none_or(|diff_id| inventory.diff_id == *diff_id) {
        inventories::put_layer(&context.store, &inventory, context.now()).await?;
    }
    Ok(inventory)
}

/// What was kept of a layer, if it fits this image's configuration.
async fn known(
    context: &Context,
    layer: &Descriptor,
    diff_id: Option<&Digest>,
) -> Result<Option<LayerInventory>> {
    let kept = inventories::layer(&context.store, &layer.digest, scanner::SCANNER_VERSION).await?;
    Ok(kept.filter(|kept| diff_id.is_none_or(|diff_id| kept.diff_id == *diff_id)))
}

async fn read(
    context: &Context,
    layer: &Descriptor,
    diff_id: Option<&Digest>,
    content: Reader,
) -> Result<LayerInventory> {
    let limits = context.limits.clone();
    let (layer, diff_id) = (layer.clone(), diff_id.cloned());
    let reading = tokio::task::spawn_blocking(move || {
        let mut source = Source {
            content,
            failure: None,
        };
        let inventory = scanner::scan_layer(
            BufReader::with_capacity(READ_BYTES, &mut source),
            &layer.digest,
            diff_id.as_ref(),
            &layer.media_type,
            &limits,
        );
        match source.failure {
            None => Ok(inventory),
            Some(error) => Err(Error::Store(blobs::read_failure(error))),
        }
    });
    reading.await.map_err(Error::Reading)?
}

/// The bytes of a layer. The scanner makes a broken layer of whatever goes wrong; that a disk or a service does not give the
/// bytes says nothing about the layer, and the job is to be run again.
struct Source {
    content: Reader,
    failure: Option<io::Error>,
}

impl Read for Source {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.content.read(buffer).map_err(|error| {
            let kind = error.kind();
            if kind != ErrorKind::Interrupted {
                self.failure = Some(error);
            }
            kind.into()
        })
    }
}

/// A layer whose bytes are not here: foreign ones never are.
fn absent(layer: &Descriptor, limits: &Limits) -> LayerInventory {
    let (kind, detail) = if media::is_foreign_layer(&layer.media_type) {
        (
            ProblemKind::ForeignLayer,
            "the layer is kept elsewhere and was not read",
        )
    } else {
        (ProblemKind::BrokenLayer, "the layer's bytes are not here")
    };
    // A layer of nothing, with what went wrong: its bytes are never read, so its digest stands for them.
    let mut inventory = Collector::layer(limits).finish(layer.digest.clone(), layer.digest.clone());
    inventory.problems.push(Problem {
        kind,
        detail: detail.to_owned(),
        path: None,
        layer: Some(layer.digest.clone()),
    });
    inventory
}

#[cfg(test)]
mod tests;
