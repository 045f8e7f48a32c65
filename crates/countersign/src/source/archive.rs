//! Archives of `docker save` and OCI layouts: which config and layers an image has, and reading each layer once.

use super::Scanned;
use super::layout::Files;
use anyhow::{Context, Result, bail};
use oci::{Descriptor, Digest, ImageConfig, Manifest, media};
use sbom::LayerInventory;
use scanner::Limits;
use serde::Deserialize;
use std::path::Path;

/// Indexes in indexes.
const DEPTH_MAX: usize = 4;

/// One image of `manifest.json` (docker's image specification 1.2, "Combined Image JSON").
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Saved {
    config: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    layers: Vec<String>,
}

/// An archive of `docker save`.
pub(super) fn docker(files: &Files, path: &Path) -> Result<Scanned> {
    let saved: Vec<Saved> = serde_json::from_slice(&files.document("manifest.json")?)
        .context("manifest.json cannot be read")?;
    let [saved] = saved.as_slice() else {
        bail!(
            "`{}` holds {} images; save one at a time",
            path.display(),
            saved.len()
        );
    };
    let bytes = files.document(&saved.config)?;
    let config = ImageConfig::parse(&bytes).context("the image configuration cannot be read")?;
    let layers = saved
        .layers
        .iter()
        .enumerate()
        .map(|(index, name)| {
            let diff_id = config.rootfs.diff_ids.get(index);
            let digest = diff_id
                .cloned()
                .unwrap_or_else(|| Digest::sha256(name.as_bytes()));
            Ok(scanner::scan_layer(
                files.open(name)?,
                &digest,
                diff_id,
                media::OCI_LAYER_TAR,
                &Limits::default(),
            ))
        })
        .collect::<Result<Vec<LayerInventory>>>()?;
    let name = saved
        .repo_tags
        .iter()
        .flatten()
        .next()
        .cloned()
        .unwrap_or_else(|| path.display().to_string());
    Ok(Scanned {
        name,
        digest: None,
        inventory: scanner::merge(&layers, Some(&config)),
    })
}

/// An OCI layout.
pub(super) fn oci(files: &Files, path: &Path) -> Result<Scanned> {
    let index = Manifest::parse(&files.document("index.json")?, Some(media::OCI_INDEX))
        .context("index.json cannot be read")?;
    let (digest, manifest) =
        image(files, &index, 0).with_context(|| format!("`{}` holds no image", path.display()))?;
    let Manifest::Image(manifest) = manifest else {
        bail!("`{}` holds no image", path.display());
    };
    let config = files
        .document(&blob(&manifest.config.digest))
        .ok()
        .and_then(|bytes| ImageConfig::parse(&bytes).ok());
    let layers = manifest
        .layers
        .iter()
        .enumerate()
        .map(|(index, layer)| {
            let diff_id = config
                .as_ref()
                .and_then(|config| config.rootfs.diff_ids.get(index));
            let read = files.open(&blob(&layer.digest))?;
            Ok(scanner::scan_layer(
                read,
                &layer.digest,
                diff_id,
                &layer.media_type,
                &Limits::default(),
            ))
        })
        .collect::<Result<Vec<LayerInventory>>>()?;
    Ok(Scanned {
        name: path.display().to_string(),
        digest: Some(digest),
        inventory: scanner::merge(&layers, config.as_ref()),
    })
}

/// The one image of an index, or the one for this machine's platform.
fn image(files: &Files, index: &Manifest, depth: usize) -> Result<(Digest, Manifest)> {
    let Manifest::Index(list) = index else {
        bail!("index.json is not an index");
    };
    let chosen = choose(&list.manifests)?;
    let manifest = Manifest::parse(
        &files.document(&blob(&chosen.digest))?,
        Some(&chosen.media_type),
    )?;
    match &manifest {
        Manifest::Index(_) if depth < DEPTH_MAX => image(files, &manifest, depth + 1),
        Manifest::Index(_) => bail!("limit exceeded: indexes in indexes in indexes"),
        Manifest::Image(_) => Ok((chosen.digest.clone(), manifest)),
    }
}

/// The only entry, or the one for the platform of this machine.
pub(super) fn choose(entries: &[Descriptor]) -> Result<&Descriptor> {
    let images: Vec<&Descriptor> = entries
        .iter()
        .filter(|entry| !is_attestation(entry))
        .collect();
    if let [only] = images.as_slice() {
        return Ok(only);
    }
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    let fits = |entry: &&&Descriptor| {
        entry
            .platform
            .as_ref()
            .is_some_and(|platform| platform.os == "linux" && platform.architecture == architecture)
    };
    match images.iter().find(fits) {
        Some(entry) => Ok(entry),
        None if images.is_empty() => bail!("there is no image in it"),
        None => bail!(
            "there are {} images in it, and none is for linux/{architecture}; name one by its digest",
            images.len()
        ),
    }
}

/// What BuildKit puts beside images: no platform can run it.
fn is_attestation(entry: &Descriptor) -> bool {
    entry
        .platform
        .as_ref()
        .is_some_and(|platform| platform.os == "unknown")
}

fn blob(digest: &Digest) -> String {
    format!("blobs/{}/{}", digest.algorithm().as_str(), digest.hex())
}
