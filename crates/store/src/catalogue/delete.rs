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
use crate::{Store, audit, evidence, facts, receipts, tuf};

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
    let by = By {
        actor: &actor,
        repository,
        now,
    };
    write_tx!(store.db(), |tx| {
        let repository_id = lock(tx, repository).await?;
        let (digest, shape) = tagged(tx, repository_id, tag)
            .await?
            .ok_or_else(|| Error::not_found("tag", tag))?;
        deleter.check(shape)?;
        by.remove_tag(tx, repository_id, tag, &digest, shape).await
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
    let by = By {
        actor: &actor,
        repository,
        now,
    };
    write_tx!(store.db(), |tx| {
        let repository_id = lock(tx, repository).await?;
        let shape = shape_of(tx, repository_id, digest)
            .await?
            .ok_or_else(|| Error::not_found("manifest", Reference::Digest(digest.clone())))?;
        deleter.check(shape)?;
        by.remove_manifest(tx, repository_id, digest, shape)
            .await
            .map(drop)
    })
}

/// Removes what `put_own` stored, if it is there, in a locked repository and a transaction that does more.
pub(crate) async fn remove_own(tx: &mut Tx, repository_id: i64, digest: &Digest) -> Result<()> {
    match shape_of(tx, repository_id, digest).await? {
        Some(Shape::Evidence) => remove(tx, repository_id, digest).await.map(drop),
        _ => Ok(()),
    }
}

/// The manifest that a tag is on, and what it is for.
pub(super) async fn tagged(
    tx: &mut Tx,
    repository_id: i64,
    tag: &Tag,
) -> Result<Option<(Digest, Shape)>> {
    let row = sqlx::query(
        "SELECT t.digest, m.shape FROM tags t \
         JOIN manifests m ON m.repository_id = t.repository_id AND m.digest = t.digest \
         WHERE t.repository_id = $1 AND t.name = $2",
    )
    .bind(repository_id)
    .bind(tag.as_str())
    .fetch_optional(tx.conn())
    .await?;
    row.map(|row| Ok((row.digest("digest")?, parse_shape(&row.text("shape")?)?)))
        .transpose()
}

/// What a manifest is for, if the repository holds it.
pub(super) async fn shape_of(
    tx: &mut Tx,
    repository_id: i64,
    digest: &Digest,
) -> Result<Option<Shape>> {
    let row = sqlx::query("SELECT shape FROM manifests WHERE repository_id = $1 AND digest = $2")
        .bind(repository_id)
        .bind(digest.as_str())
        .fetch_optional(tx.conn())
        .await?;
    row.map(|row| parse_shape(&row.text("shape")?)).transpose()
}

/// Who removes something, where and when: the same rows, audit rows and events for one and for many.
pub(super) struct By<'a> {
    pub(super) actor: &'a Actor,
    pub(super) repository: &'a RepositoryName,
    pub(super) now: i64,
}

impl By<'_> {
    /// Removes a tag that is on this manifest.
    pub(super) async fn remove_tag(
        &self,
        tx: &mut Tx,
        repository_id: i64,
        tag: &Tag,
        digest: &Digest,
        shape: Shape,
    ) -> Result<()> {
        let By {
            actor,
            repository,
            now,
        } = *self;
        sqlx::query("DELETE FROM tags WHERE repository_id = $1 AND name = $2")
            .bind(repository_id)
            .bind(tag.as_str())
            .execute(tx.conn())
            .await?;
        tuf::ask(tx, repository_id, now).await?;
        let detail = json!({"repository": repository, "tag": tag, "digest": digest});
        let object = format!("{repository}:{tag}");
        audit::record(tx, actor, "tag.delete", &object, detail, now).await?;
        self.tell(tx, "tag.deleted", shape, digest, json!({"tag": tag}))
            .await
    }

    /// Removes a manifest with its tags, and withdraws the evidence it carried. Answers the tags that went.
    pub(super) async fn remove_manifest(
        &self,
        tx: &mut Tx,
        repository_id: i64,
        digest: &Digest,
        shape: Shape,
    ) -> Result<Vec<String>> {
        let By {
            actor,
            repository,
            now,
        } = *self;
        // Asked before the references go: those above and below see less from now on.
        facts::touch_relatives(tx, repository_id, digest, now).await?;
        evidence::withdraw(tx, repository_id, digest, now).await?;
        receipts::forget(tx, repository_id, digest, shape == Shape::Evidence).await?;
        let tags = remove(tx, repository_id, digest).await?;
        if !tags.is_empty() {
            tuf::ask(tx, repository_id, now).await?;
        }
        let act = match shape {
            Shape::Evidence => "evidence.delete",
            Shape::Image | Shape::Index | Shape::Other => "manifest.delete",
        };
        let detail = json!({
            "repository": repository, "digest": digest, "shape": shape_name(shape), "tags": tags,
        });
        let object = format!("{repository}@{digest}");
        audit::record(tx, actor, act, &object, detail, now).await?;
        self.tell(tx, "image.deleted", shape, digest, json!({"tags": tags}))
            .await?;
        Ok(tags)
    }

    async fn tell(
        &self,
        tx: &mut Tx,
        kind: &'static str,
        shape: Shape,
        digest: &Digest,
        data: serde_json::Value,
    ) -> Result<()> {
        match shape {
            Shape::Image | Shape::Index => {
                let event = NewEvent::of_image(kind, self.repository, digest, data);
                outbox::emit(tx, event, self.now).await
            }
            Shape::Evidence | Shape::Other => Ok(()),
        }
    }
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
