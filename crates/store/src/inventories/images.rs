//! What an image holds, as rows: its state, and where each of its components was found.

use std::collections::BTreeSet;

use oci::{Digest, RepositoryName};
use sbom::{Component, Distro, ImageInventory, Package, Problem, Purl};
use serde_json::{Value, json};
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use super::components::{self, Columns};
use crate::batch::{query, rows_max, values};
use crate::db::{Backend, RowExt, Tx, write_tx};
use crate::error::{Error, Result};
use crate::feeds::{MATCH, MatchWork};
use crate::outbox::{self, NewEvent};
use crate::permit::System;
use crate::{Store, audit, catalogue, facts, jobs};

/// What a worker found out about an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Indexed {
    /// What it holds.
    Inventory(ImageInventory),
    /// It is nothing that can be taken apart.
    Unscannable {
        /// Its artifact or config media type.
        kind: String,
    },
}

/// How far an image's inventory can be trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImageState {
    /// Everything was read.
    Complete,
    /// Something was not; the problems say what.
    Incomplete,
    /// It is nothing that can be taken apart.
    Unscannable {
        /// Its artifact or config media type.
        kind: String,
    },
}

/// An image as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredImage {
    /// How far the inventory can be trusted.
    pub state: ImageState,
    /// What it holds.
    pub inventory: ImageInventory,
    /// The version of the scanner that read it.
    pub scanner_version: u32,
    /// When, in milliseconds since the epoch.
    pub indexed_at: i64,
}

/// What keeping an image changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PutImage {
    /// Whether it was kept differently before, or not at all.
    pub changed: bool,
    /// Its components that were never matched against advisories.
    pub unmatched: Vec<i64>,
}

/// Keeps what an image holds. Components that were never matched are asked to be, by a job of this transaction: until then
/// the image is not called clean. The same inventory again changes nothing.
pub async fn put_image(
    store: &Store,
    system: System,
    digest: &Digest,
    indexed: &Indexed,
    scanner_version: u32,
    now: i64,
) -> Result<PutImage> {
    let new = Image::of(indexed, scanner_version);
    write_tx!(store.db(), |tx| {
        let ids = components::upsert(tx, &new.components).await?;
        let found = |columns: &Columns| ids.get(&columns.identity);
        let rows: Vec<Found<'_>> = new
            .components
            .iter()
            .zip(
                new.inventory
                    .iter()
                    .flat_map(|inventory| &inventory.components),
            )
            .filter_map(|(columns, component)| {
                Some(Found {
                    id: found(columns)?.id,
                    component,
                })
            })
            .collect();
        let unmatched = unmatched(&new, &ids);
        if !unmatched.1.is_empty() {
            let payload = json!(MatchWork {
                keys: unmatched.1.into_iter().collect()
            });
            jobs::enqueue(tx, MATCH, &format!("image/{digest}"), payload, now).await?;
        }
        let changed = !is_kept(tx, digest, &new, &rows).await?;
        if changed {
            replace(tx, digest, &new, &rows, now).await?;
            tell(tx, system, digest, &new, now).await?;
        }
        Ok(PutImage {
            changed,
            unmatched: unmatched.0.into_iter().collect(),
        })
    })
}

/// Waits for whoever writes findings about what the image holds, who does not see yet that one more repository has it, and
/// keeps others from it until the transaction ends.
pub(crate) async fn hold_components(tx: &mut Tx, image: &Digest) -> Result<()> {
    // SQLite has one writer at a time.
    if tx.backend() == Backend::Postgres {
        sqlx::query(
            "SELECT c.id FROM image_components i JOIN components c ON c.id = i.component_id WHERE i.image = $1 \
             ORDER BY c.id FOR KEY SHARE OF c",
        )
        .bind(image.as_str())
        .fetch_all(tx.conn())
        .await?;
    }
    Ok(())
}

/// What is known of an image in a repository; `None` while it is not indexed, and while layers of it are not there.
pub async fn image(
    store: &Store,
    repository_id: i64,
    digest: &Digest,
) -> Result<Option<StoredImage>> {
    let mut conn = store.db().read().acquire().await?;
    if catalogue::awaits_layers(&mut conn, repository_id, digest).await? {
        return Ok(None);
    }
    let row = sqlx::query("SELECT scanner_version, state, kind, distro, problems, indexed_at FROM images WHERE digest = $1")
        .bind(digest.as_str())
        .fetch_optional(&mut *conn)
        .await?;
    let Some(row) = row else { return Ok(None) };
    let distro: Option<Distro> = row
        .opt_text("distro")?
        .map(|text| read_json("images.distro", &text))
        .transpose()?;
    let scanner_version = u32::try_from(row.int("scanner_version")?)
        .map_err(Error::corrupt("images.scanner_version"))?;
    Ok(Some(StoredImage {
        state: state_of(&row)?,
        inventory: ImageInventory {
            distro,
            components: components_of(&mut conn, digest).await?,
            problems: row.json("problems")?,
        },
        scanner_version,
        indexed_at: row.int("indexed_at")?,
    }))
}

/// Reads the state of an image's row.
pub(crate) fn state_of(row: &AnyRow) -> Result<ImageState> {
    match row.text("state")?.as_str() {
        COMPLETE => Ok(ImageState::Complete),
        INCOMPLETE => Ok(ImageState::Incomplete),
        UNSCANNABLE => Ok(ImageState::Unscannable {
            kind: row.opt_text("kind")?.unwrap_or_default(),
        }),
        other => Err(Error::Corrupt {
            what: "images.state".to_owned(),
            why: format!("`{other}` is not a state"),
        }),
    }
}

/// Reads a component from a row of `image_components` joined with `components`.
pub(crate) fn component_of(row: &AnyRow) -> Result<Component> {
    let package: Package = row.json("package")?;
    // Through serde, because a purl of a long name may be longer than those that are taken from outside.
    let purl: Purl = serde_json::from_value(Value::String(row.text("purl")?))
        .map_err(Error::corrupt("components.purl"))?;
    Ok(Component {
        package: Package {
            path: row.text("path")?,
            owner: row.opt_text("owner")?,
            ..package
        },
        purl,
        layer: row.digest("layer")?,
        layer_index: usize::try_from(row.int("layer_index")?)
            .map_err(Error::corrupt("image_components.layer_index"))?,
        instruction: row.opt_text("instruction")?,
    })
}

/// An image as its columns.
struct Image<'a> {
    state: &'static str,
    kind: Option<&'a str>,
    distro: Option<String>,
    problems: String,
    scanner_version: u32,
    inventory: Option<&'a ImageInventory>,
    components: Vec<Columns>,
}

/// A component of the image with its row.
struct Found<'a> {
    id: i64,
    component: &'a Component,
}

impl<'a> Image<'a> {
    fn of(indexed: &'a Indexed, scanner_version: u32) -> Image<'a> {
        let no_problems: &[Problem] = &[];
        match indexed {
            Indexed::Inventory(inventory) => {
                let distro = inventory.distro.as_ref();
                Image {
                    state: if inventory.is_complete() {
                        COMPLETE
                    } else {
                        INCOMPLETE
                    },
                    kind: None,
                    distro: distro.map(|distro| json!(distro).to_string()),
                    problems: json!(inventory.problems).to_string(),
                    scanner_version,
                    inventory: Some(inventory),
                    components: inventory
                        .components
                        .iter()
                        .map(|component| Columns::of(component, distro))
                        .collect(),
                }
            }
            Indexed::Unscannable { kind } => Image {
                state: UNSCANNABLE,
                kind: Some(kind),
                distro: None,
                problems: json!(no_problems).to_string(),
                scanner_version,
                inventory: None,
                components: Vec::new(),
            },
        }
    }
}

type Unmatched = (BTreeSet<i64>, BTreeSet<advisories::PackageKey>);

/// Components that were never matched, with their keys; those of the operating system's packages need not be.
fn unmatched(
    new: &Image<'_>,
    ids: &std::collections::HashMap<String, components::Row>,
) -> Unmatched {
    let mut unmatched = Unmatched::default();
    let owned = new
        .inventory
        .iter()
        .flat_map(|inventory| &inventory.components)
        .map(|c| c.package.owner.is_some());
    for (columns, owned) in new.components.iter().zip(owned) {
        let row = ids.get(&columns.identity).filter(|_| !owned);
        if let Some((row, key)) = row.and_then(|row| Some((row, row.unmatched.clone()?))) {
            unmatched.0.insert(row.id);
            unmatched.1.insert(key);
        }
    }
    unmatched
}

/// Whether exactly this is kept already.
async fn is_kept(
    tx: &mut Tx,
    digest: &Digest,
    new: &Image<'_>,
    found: &[Found<'_>],
) -> Result<bool> {
    let same = sqlx::query(
        "SELECT digest FROM images WHERE digest = $1 AND scanner_version = $2 AND state = $3 AND COALESCE(kind, '') = $4 \
         AND COALESCE(distro, '') = $5 AND problems = $6",
    )
    .bind(digest.as_str())
    .bind(i64::from(new.scanner_version))
    .bind(new.state)
    .bind(new.kind.unwrap_or_default())
    .bind(new.distro.as_deref().unwrap_or_default())
    .bind(new.problems.as_str())
    .fetch_optional(tx.conn())
    .await?;
    if same.is_none() {
        return Ok(false);
    }
    let rows = sqlx::query(
        "SELECT component_id, layer, layer_index, instruction, path, owner FROM image_components \
         WHERE image = $1 ORDER BY position",
    )
    .bind(digest.as_str())
    .fetch_all(tx.conn())
    .await?;
    if rows.len() != found.len() {
        return Ok(false);
    }
    for (row, Found { id, component }) in rows.iter().zip(found) {
        let same = row.int("component_id")? == *id
            && row.text("layer")? == component.layer.as_str()
            && row.int("layer_index")? == layer_index(component)?
            && row.opt_text("instruction")? == component.instruction
            && row.text("path")? == component.package.path
            && row.opt_text("owner")? == component.package.owner;
        if !same {
            return Ok(false);
        }
    }
    Ok(true)
}

async fn replace(
    tx: &mut Tx,
    digest: &Digest,
    new: &Image<'_>,
    found: &[Found<'_>],
    now: i64,
) -> Result<()> {
    sqlx::query(
        "INSERT INTO images (digest, scanner_version, state, kind, distro, problems, indexed_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (digest) DO UPDATE SET scanner_version = excluded.scanner_version, \
         state = excluded.state, kind = excluded.kind, distro = excluded.distro, problems = excluded.problems, \
         indexed_at = excluded.indexed_at",
    )
    .bind(digest.as_str())
    .bind(i64::from(new.scanner_version))
    .bind(new.state)
    .bind(new.kind)
    .bind(new.distro.as_deref())
    .bind(new.problems.as_str())
    .bind(now)
    .execute(tx.conn())
    .await?;
    sqlx::query("DELETE FROM image_components WHERE image = $1")
        .bind(digest.as_str())
        .execute(tx.conn())
        .await?;
    let mut position = 0_i64;
    for chunk in found.chunks(rows_max(COLUMNS)) {
        let text = format!(
            "INSERT INTO image_components (image, position, component_id, layer, layer_index, instruction, path, owner) \
             VALUES {}",
            values(chunk.len(), COLUMNS)
        );
        let mut insert = query(text);
        for Found { id, component } in chunk {
            insert = insert
                .bind(digest.as_str())
                .bind(position)
                .bind(*id)
                .bind(component.layer.as_str())
                .bind(layer_index(component)?)
                .bind(component.instruction.as_deref())
                .bind(component.package.path.as_str())
                .bind(component.package.owner.as_deref());
            position += 1;
        }
        insert.execute(tx.conn()).await?;
    }
    Ok(())
}

/// Tells every repository that holds the image whole, and marks it there as changed.
async fn tell(
    tx: &mut Tx,
    system: System,
    digest: &Digest,
    new: &Image<'_>,
    now: i64,
) -> Result<()> {
    let distro = new
        .inventory
        .and_then(|inventory| inventory.distro.as_ref())
        .map(ToString::to_string);
    let problems = new
        .inventory
        .map_or(0, |inventory| inventory.problems.len());
    let data = json!({
        "state": new.state, "components": new.components.len(), "problems": problems, "distro": distro, "kind": new.kind,
    });
    for (repository_id, repository) in holders(tx.conn(), digest).await? {
        let event = NewEvent::of_image("image.indexed", &repository, digest, data.clone());
        outbox::emit(tx, event, now).await?;
        facts::touch(tx, repository_id, digest, now).await?;
    }
    audit::record(
        tx,
        &system.actor(),
        "image.index",
        digest.as_str(),
        data,
        now,
    )
    .await
}

/// The repositories that hold a manifest, and all layers that it was pushed without.
async fn holders(conn: &mut AnyConnection, digest: &Digest) -> Result<Vec<(i64, RepositoryName)>> {
    let rows = sqlx::query(
        "SELECT r.id, r.name FROM manifests m JOIN repositories r ON r.id = m.repository_id WHERE m.digest = $1 \
         AND NOT EXISTS (SELECT 1 FROM awaited_layers a WHERE a.repository_id = m.repository_id AND a.manifest = m.digest) \
         ORDER BY r.id",
    )
    .bind(digest.as_str())
    .fetch_all(conn)
    .await?;
    rows.iter()
        .map(|row| Ok((row.int("id")?, row.parsed("name")?)))
        .collect()
}

async fn components_of(conn: &mut AnyConnection, digest: &Digest) -> Result<Vec<Component>> {
    let rows = sqlx::query(
        "SELECT c.purl, c.package, i.layer, i.layer_index, i.instruction, i.path, i.owner FROM image_components i \
         JOIN components c ON c.id = i.component_id WHERE i.image = $1 ORDER BY i.position",
    )
    .bind(digest.as_str())
    .fetch_all(conn)
    .await?;
    rows.iter().map(component_of).collect()
}

fn layer_index(component: &Component) -> Result<i64> {
    i64::try_from(component.layer_index).map_err(Error::corrupt("layer index"))
}

fn read_json<T: serde::de::DeserializeOwned>(what: &str, text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(Error::corrupt(what))
}

/// The columns of `image_components`.
const COLUMNS: usize = 8;

const COMPLETE: &str = "complete";
const INCOMPLETE: &str = "incomplete";
const UNSCANNABLE: &str = "unscannable";
