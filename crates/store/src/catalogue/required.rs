//! What a repository must hold before it takes a manifest, and what may come later. distribution-spec "Push": a registry may
//! refuse what names an unknown blob, and must take an unknown `subject`. ADR 8 says why layers of images may be late, and
//! what an image is worth until they are there: as much as one that nobody has looked into.

use std::collections::BTreeSet;

use oci::{Descriptor, Digest, Manifest, Shape, media};
use sqlx::AnyConnection;

use super::delete::shape_of;
use crate::blobs::held;
use crate::db::{Backend, RowExt, Tx};
use crate::error::{Error, Result};
use crate::{evidence, facts, inventories};

/// The most entries of a list of evidence that whoever may only attach pushes.
const LISTED_MAX: usize = 512;

/// Answers the layers that are not there and may come later, or fails with the first blob that must be there and is not.
///
/// What an index lists may be absent, and foreign layers for ever. So may layers of an image that are part of its file
/// system. Everything else is read when it arrives, such as a configuration or a signature, or is no image at all: it must
/// be there.
pub(super) async fn check(
    tx: &mut Tx,
    repository_id: i64,
    manifest: &Manifest,
    shape: Shape,
) -> Result<Vec<Digest>> {
    let Manifest::Image(image) = manifest else {
        return Ok(Vec::new());
    };
    require(tx, repository_id, &image.config).await?;
    let mut late = BTreeSet::new();
    for layer in &image.layers {
        if media::is_foreign_layer(&layer.media_type) {
            continue;
        }
        if shape == Shape::Image && media::layer_compression(&layer.media_type).is_some() {
            late.insert(&layer.digest);
        } else {
            require(tx, repository_id, layer).await?;
        }
    }
    let missing = absent(tx, repository_id, &late).await?;
    if missing.is_empty() || tx.backend() == Backend::Sqlite {
        return Ok(missing);
    }
    // PostgreSQL links blobs beside this transaction. From here on it links none to this repository until this one ends:
    // what was linked before is seen by the second look, and what comes later finds that it is awaited.
    sqlx::query("SELECT id FROM repositories WHERE id = $1 FOR UPDATE")
        .bind(repository_id)
        .execute(tx.conn())
        .await?;
    absent(tx, repository_id, &late).await
}

/// Fails with the first entry of an index that is not evidence of the repository. One that was, and was deleted, stays in the lists of those
/// who saw it. What never was here may not be listed: it may become an image, and this index one that somebody else builds.
pub(super) async fn only_evidence(tx: &mut Tx, repository_id: i64, index: &Manifest) -> Result<()> {
    if index.descriptors().count() > LISTED_MAX {
        return Err(Error::Refused {
            what: "attach",
            why: format!("a list of evidence has at most {LISTED_MAX} entries"),
        });
    }
    for descriptor in index.descriptors() {
        let digest = &descriptor.digest;
        let is_evidence = match shape_of(tx, repository_id, digest).await? {
            Some(shape) => shape == Shape::Evidence,
            None => evidence::was_carried(tx, repository_id, digest).await?,
        };
        if !is_evidence {
            return Err(Error::Refused {
                what: "attach",
                why: format!("only evidence and lists of it may be attached: `{digest}` is none"),
            });
        }
    }
    Ok(())
}

async fn require(tx: &mut Tx, repository_id: i64, descriptor: &Descriptor) -> Result<()> {
    match held(tx, repository_id, &descriptor.digest).await? {
        Some(_) => Ok(()),
        None => Err(Error::MissingReference(descriptor.digest.clone())),
    }
}

async fn absent(
    tx: &mut Tx,
    repository_id: i64,
    layers: &BTreeSet<&Digest>,
) -> Result<Vec<Digest>> {
    let mut absent = Vec::new();
    for layer in layers {
        if held(tx, repository_id, layer).await?.is_none() {
            absent.push((*layer).clone());
        }
    }
    Ok(absent)
}

/// Notes that an image was pushed without these layers.
pub(super) async fn wait(
    tx: &mut Tx,
    repository_id: i64,
    image: &Digest,
    layers: &[Digest],
) -> Result<()> {
    for layer in layers {
        sqlx::query(
            "INSERT INTO awaited_layers (repository_id, manifest, digest) VALUES ($1, $2, $3)",
        )
        .bind(repository_id)
        .bind(image.as_str())
        .bind(layer.as_str())
        .execute(tx.conn())
        .await?;
    }
    Ok(())
}

/// A blob has come to the repository: images that waited for it are decided again, and taken apart.
pub(crate) async fn arrived(
    tx: &mut Tx,
    repository_id: i64,
    layer: &Digest,
    now: i64,
) -> Result<()> {
    let rows = sqlx::query(
        "DELETE FROM awaited_layers WHERE repository_id = $1 AND digest = $2 RETURNING manifest",
    )
    .bind(repository_id)
    .bind(layer.as_str())
    .fetch_all(tx.conn())
    .await?;
    for row in &rows {
        let image = row.digest("manifest")?;
        inventories::hold_components(tx, &image).await?;
        facts::touch(tx, repository_id, &image, now).await?;
        super::put::ask_for_index(tx, repository_id, &image, now).await?;
    }
    Ok(())
}

/// The image goes, and waits no more.
pub(super) async fn forget(tx: &mut Tx, repository_id: i64, image: &Digest) -> Result<()> {
    sqlx::query("DELETE FROM awaited_layers WHERE repository_id = $1 AND manifest = $2")
        .bind(repository_id)
        .bind(image.as_str())
        .execute(tx.conn())
        .await?;
    Ok(())
}

/// Whether the repository still waits for layers of an image. Until they are there nothing is told of what the image holds,
/// also when another repository holds it whole: whoever may read here may not read there.
pub(crate) async fn awaits_layers(
    conn: &mut AnyConnection,
    repository_id: i64,
    image: &Digest,
) -> Result<bool> {
    let row = sqlx::query(
        "SELECT digest FROM awaited_layers WHERE repository_id = $1 AND manifest = $2 LIMIT 1",
    )
    .bind(repository_id)
    .bind(image.as_str())
    .fetch_optional(conn)
    .await?;
    Ok(row.is_some())
}
