//! Removing tags and manifests. A manifest that goes takes its tags along and withdraws the evidence it carried; what it
//! referred to stays. distribution-spec "Content Management".

use oci::{Digest, Reference, RepositoryName, Shape, Tag};
use policy::verb::{Delete, DeleteEvidence};
use policy::{Actor, Permit};
use serde_json::json;

use super::{lock, parse_shape, required, shape_name};
use crate::db::{RowExt, Tx, write_tx};
use crate::error::{Error, Result};
use crate::outbox::{self, NewEvent};
use crate::permit::{self, System};
use crate::{Store, audit, evidence, facts};

/// Who deletes.
#[derive(Debug, Clone, Copy)]
pub enum Deleter<'a> {
    /// Someone who may delete images.
    Image(&'a Permit<Delete>),
    /// Someone who may delete evidence.
    Evidence(&'a Permit<DeleteEvidence>),
    /// The server, in one of its jobs.
    System(System, &'a RepositoryName),
}

impl<'a> Deleter<'a> {
    fn actor(&self, now: i64) -> Result<Actor> {
        match self {
            Deleter::Image(permit) => permit::actor(permit, now),
            Deleter::Evidence(permit) => permit::actor(permit, now),
            Deleter::System(system, _) => Ok(system.actor()),
        }
    }

    fn repository(&self) -> Result<&'a RepositoryName> {
        let repository = match self {
            Deleter::Image(permit) => permit.repository(),
            Deleter::Evidence(permit) => permit.repository(),
            Deleter::System(_, repository) => Some(*repository),
        };
        repository.ok_or_else(|| Error::Refused {
            what: "delete",
            why: "the permit names no repository".to_owned(),
        })
    }

    fn check(&self, shape: Shape) -> Result<()> {
        match (self, shape) {
            (Deleter::Image(_), Shape::Evidence) => Err(Error::Refused {
                what: "delete",
                why: "it is evidence: that needs the right to delete evidence".to_owned(),
            }),
            (Deleter::Evidence(_), Shape::Image | Shape::Index | Shape::Other) => {
                Err(Error::Refused {
                    what: "delete-evidence",
                    why: "it is not evidence: that needs the right to delete images".to_owned(),
                })
            }
            _ => Ok(()),
        }
    }
}

/// Removes a tag and leaves its manifest.
pub async fn delete_tag(store: &Store, deleter: &Deleter<'_>, tag: &Tag, now: i64) -> Result<()> {
    let (actor, repository) = (deleter.actor(now)?, deleter.repository()?);
    write_tx!(store.db(), |tx| {
        let repository_id = lock(tx, repository).await?;
        let row = sqlx::query(
            "SELECT t.digest, m.shape FROM tags t \
                 JOIN manifests m ON m.repository_id = t.repository_id AND m.digest = t.digest \
                 WHERE t.repository_id = $1 AND t.name = $2",
        )
        .bind(repository_id)
        .bind(tag.as_str())
        .fetch_optional(tx.conn())
        .await?
        .ok_or_else(|| Error::not_found("tag", tag))?;
        let (digest, shape) = (row.digest("digest")?, parse_shape(&row.text("shape")?)?);
        deleter.check(shape)?;
        sqlx::query("DELETE FROM tags WHERE repository_id = $1 AND name = $2")
            .bind(repository_id)
            .bind(tag.as_str())
            .execute(tx.conn())
            .await?;
        let detail = json!({"repository": repository, "tag": tag, "digest": digest});
        audit::record(
            tx,
            &actor,
            "tag.delete",
            &format!("{repository}:{tag}"),
            detail,
            now,
        )
        .await?;
        tell(
            tx,
            "tag.deleted",
            shape,
            repository,
            &digest,
            json!({"tag": tag}),
            now,
        )
        .await
    })
}

/// Removes a manifest with its tags, and withdraws the evidence it carried.
pub async fn delete_manifest(
    store: &Store,
    deleter: &Deleter<'_>,
    digest: &Digest,
    now: i64,
) -> Result<()> {
    let (actor, repository) = (deleter.actor(now)?, deleter.repository()?);
    write_tx!(store.db(), |tx| {
        let repository_id = lock(tx, repository).await?;
        let shape =
            sqlx::query("SELECT shape FROM manifests WHERE repository_id = $1 AND digest = $2")
                .bind(repository_id)
                .bind(digest.as_str())
                .fetch_optional(tx.conn())
                .await?
                .ok_or_else(|| Error::not_found("manifest", Reference::Digest(digest.clone())))?;
        let shape = parse_shape(&shape.text("shape")?)?;
        deleter.check(shape)?;
        // Asked before the references go: those above and below see less from now on.
        facts::touch_relatives(tx, repository_id, digest, now).await?;
        evidence::withdraw(tx, repository_id, digest, now).await?;
        let tags = remove(tx, repository_id, digest).await?;
        let act = if shape == Shape::Evidence {
            "evidence.delete"
        } else {
            "manifest.delete"
        };
        let detail = json!({
            "repository": repository, "digest": digest, "shape": shape_name(shape), "tags": tags,
        });
        audit::record(
            tx,
            &actor,
            act,
            &format!("{repository}@{digest}"),
            detail,
            now,
        )
        .await?;
        tell(
            tx,
            "image.deleted",
            shape,
            repository,
            digest,
            json!({"tags": tags}),
            now,
        )
        .await
    })
}

/// Deletes the rows; answers the tags that went.
async fn remove(tx: &mut Tx, repository_id: i64, digest: &Digest) -> Result<Vec<String>> {
    let rows =
        sqlx::query("DELETE FROM tags WHERE repository_id = $1 AND digest = $2 RETURNING name")
            .bind(repository_id)
            .bind(digest.as_str())
            .fetch_all(tx.conn())
            .await?;
    let mut tags = rows
        .iter()
        .map(|row| row.text("name"))
        .collect::<Result<Vec<_>>>()?;
    tags.sort();
    required::forget(tx, repository_id, digest).await?;
    for text in [
        "DELETE FROM manifest_references WHERE repository_id = $1 AND manifest = $2",
        "DELETE FROM decisions WHERE repository_id = $1 AND digest = $2",
        "DELETE FROM manifests WHERE repository_id = $1 AND digest = $2",
    ] {
        sqlx::query(text)
            .bind(repository_id)
            .bind(digest.as_str())
            .execute(tx.conn())
            .await?;
    }
    Ok(tags)
}

async fn tell(
    tx: &mut Tx,
    kind: &'static str,
    shape: Shape,
    repository: &RepositoryName,
    digest: &Digest,
    data: serde_json::Value,
    now: i64,
) -> Result<()> {
    match shape {
        Shape::Image | Shape::Index => {
            outbox::emit(tx, NewEvent::of_image(kind, repository, digest, data), now).await
        }
        Shape::Evidence | Shape::Other => Ok(()),
    }
}
