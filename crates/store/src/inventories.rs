//! Inventories: the facts of layers, kept by layer digest and scanner version, and what images hold, as components that are
//! shared by the whole stock. Reading layers is `scanner`'s. DESIGN §3.2, §5.
//!
//! A component is one package as its metadata declares it: what two images declare differently is two components, so that
//! no image can speak for the packages of another. Where it was found belongs to the image.

mod components;
mod images;

use oci::Digest;
use sbom::LayerInventory;

pub use self::images::{ImageState, Indexed, PutImage, StoredImage, image, put_image};
pub(crate) use self::images::{component_of, hold_components, state_of};
use crate::Store;
use crate::db::{RowExt, write_tx};
use crate::error::{Error, Result};

/// The facts of a layer, as this version of the scanner saw them.
pub async fn layer(
    store: &Store,
    digest: &Digest,
    scanner_version: u32,
) -> Result<Option<LayerInventory>> {
    let row = sqlx::query(
        "SELECT inventory FROM layer_inventories WHERE digest = $1 AND scanner_version = $2",
    )
    .bind(digest.as_str())
    .bind(i64::from(scanner_version))
    .fetch_optional(store.db().read())
    .await?;
    let Some(row) = row else { return Ok(None) };
    serde_json::from_slice(&row.bytes("inventory")?)
        .map(Some)
        .map_err(Error::corrupt("layer_inventories.inventory"))
}

/// Keeps the facts of a layer; those that are there already stay.
pub async fn put_layer(store: &Store, inventory: &LayerInventory, now: i64) -> Result<()> {
    let bytes = serde_json::to_vec(inventory).map_err(Error::corrupt("inventory of a layer"))?;
    write_tx!(store.db(), |tx| {
        sqlx::query(
                "INSERT INTO layer_inventories (digest, scanner_version, inventory, created_at) VALUES ($1, $2, $3, $4) \
                 ON CONFLICT (digest, scanner_version) DO NOTHING",
            )
            .bind(inventory.digest.as_str())
            .bind(i64::from(inventory.scanner_version))
            .bind(bytes.as_slice())
            .bind(now)
            .execute(tx.conn())
            .await?;
        Ok(())
    })
}
