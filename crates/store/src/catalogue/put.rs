//! Storing a manifest: it, its references, tags, evidence, event, audit row and the work that follows are one transaction.
//! Which of what it refers to must be there already is `required`'s. Nothing here waits for a scan. distribution-spec
//! "Pushing manifests".

use oci::{Descriptor, Digest, Hasher, Manifest, RepositoryName, Shape, Tag};
use policy::Actor;
use serde_json::{Value, json};

use super::{append, lock, repository_id, required, shape_name};
use crate::db::{RowExt, Tx, write_tx};
use crate::error::{Error, Result};
use crate::evidence::{self, NewEvidence};
use crate::outbox::{self, NewEvent};
use crate::{Store, Writer, audit, facts, inventories, jobs, tuf};

/// The kind of the job that takes an image apart; its key is the digest, its payload `{repository_id, digest}`.
pub const INDEX_IMAGE: &str = "index-image";

/// A manifest to store.
#[derive(Debug)]
pub struct PutManifest<'a> {
    /// The digest of `content`.
    pub digest: &'a Digest,
    /// The bytes, as they came.
    pub content: &'a [u8],
    /// The media type to answer.
    pub media_type: &'a str,
    /// What the bytes say.
    pub manifest: &'a Manifest,
    /// What it is for: `Evidence` only where its blobs were looked at as well.
    pub shape: Shape,
    /// The tags to set on it.
    pub tags: &'a [Tag],
    /// What was read from it as evidence.
    pub evidence: &'a [NewEvidence],
    /// The automatic stage that this signature of the server records.
    pub stage_record: Option<StageRecord<'a>>,
}

/// An automatic stage of a digest, recorded for the first time.
#[derive(Debug, Clone, Copy)]
pub struct StageRecord<'a> {
    /// The digest whose stage it is.
    pub digest: &'a Digest,
    /// The policy.
    pub policy: &'a str,
    /// The stage.
    pub stage: &'a str,
}

/// What storing it changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Put {
    /// Whether the repository did not hold it before.
    pub created: bool,
    /// The tags that are new or were on another manifest.
    pub tags_moved: Vec<TagMove>,
    /// Layers that the repository does not hold yet: the image cannot be run before they are there.
    pub absent_layers: Vec<Digest>,
}

/// A tag that was set.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct TagMove {
    /// Which.
    pub tag: String,
    /// What it was on before.
    pub from: Option<Digest>,
    /// What it is on now, where that is another manifest than the one that was pushed: one that holds both.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<Digest>,
}

/// Refuses what [`put_manifest`] would refuse for who writes it or for how much it holds, whatever is stored: before anybody works on it.
///
/// # Errors
/// `Refused`, and that the permit is not valid any more.
pub fn check_put(
    writer: &Writer<'_>,
    manifest: &Manifest,
    shape: Shape,
    tags: &[Tag],
    now: i64,
) -> Result<()> {
    writer.actor(now)?;
    writer.check_manifest(shape, tags)?;
    append::check(tags, manifest)
}

/// Stores a manifest in the writer's repository.
pub async fn put_manifest(
    store: &Store,
    writer: &Writer<'_>,
    put: &PutManifest<'_>,
    now: i64,
) -> Result<Put> {
    check_put(writer, put.manifest, put.shape, put.tags, now)?;
    let actor = writer.actor(now)?;
    let repository = writer.repository()?;
    check_stage_record(writer, put)?;
    check_digest(put)?;
    write_tx!(store.db(), |tx| write(
        tx, writer, &actor, repository, put, now
    )
    .await)
}

/// Stores a manifest that the server makes again and again, such as a receipt, in a locked repository and a transaction that does
/// more. Whose bytes they are need not be known, and what it is for is accounted for by whoever calls.
pub(crate) async fn put_own(
    tx: &mut Tx,
    repository_id: i64,
    put: &PutManifest<'_>,
    now: i64,
) -> Result<()> {
    check_digest(put)?;
    required::check(tx, repository_id, put.manifest, put.shape).await?;
    if insert_manifest(tx, repository_id, put, None, now).await? {
        insert_references(tx, repository_id, put).await?;
    }
    Ok(())
}

async fn write(
    tx: &mut Tx,
    writer: &Writer<'_>,
    actor: &Actor,
    repository: &RepositoryName,
    put: &PutManifest<'_>,
    now: i64,
) -> Result<Put> {
    repository_id(tx, repository, now).await?;
    let id = lock(tx, repository).await?;
    if writer.attaches_list(put.shape, put.tags) {
        required::only_evidence(tx, id, put.manifest).await?;
    }
    let absent_layers = required::check(tx, id, put.manifest, put.shape).await?;
    let pushed_by = writer.principal();
    let created = insert(tx, id, put, pushed_by.map(|id| id.0), now).await?;
    if created {
        insert_references(tx, id, put).await?;
        required::wait(tx, id, put.digest, &absent_layers).await?;
    }
    let known = evidence::attach(tx, id, put.digest, put.evidence, pushed_by, now).await?;
    let mut tags_moved = Vec::new();
    for tag in put.tags {
        check_tag(tx, writer, id, tag, put).await?;
        let target = append::target(tx, id, tag, put, now).await?;
        tags_moved.extend(set_tag(tx, id, tag, put.digest, &target, now).await?);
    }
    if let Some(record) = &put.stage_record {
        insert_stage_record(tx, id, record, put.digest, now).await?;
    }
    let outcome = Put {
        created,
        tags_moved,
        absent_layers,
    };
    if outcome.created || !outcome.tags_moved.is_empty() {
        tell(tx, writer, actor, repository, put, &outcome, now).await?;
    } else {
        // The same bytes, and the first time more could be made of them.
        for (row, found) in known {
            let told = (row, &found.verdict, found.key.as_ref());
            evidence::tell_verdict(tx, actor, put.digest, told, now).await?;
        }
    }
    if !outcome.tags_moved.is_empty() {
        tuf::ask(tx, id, now).await?;
    }
    // What evidence is attached to was touched with it; of itself nothing is asked.
    if created && put.shape != Shape::Evidence {
        facts::touch(tx, id, put.digest, now).await?;
        if put.shape == Shape::Image {
            inventories::hold_components(tx, put.digest).await?;
            ask_for_index(tx, id, put.digest, now).await?;
        }
    }
    Ok(outcome)
}

/// Has an image taken apart.
pub(super) async fn ask_for_index(
    tx: &mut Tx,
    repository_id: i64,
    digest: &Digest,
    now: i64,
) -> Result<()> {
    let payload = json!({"repository_id": repository_id, "digest": digest});
    jobs::enqueue(tx, INDEX_IMAGE, digest.as_str(), payload, now).await
}

/// The event and the audit row.
async fn tell(
    tx: &mut Tx,
    writer: &Writer<'_>,
    actor: &Actor,
    repository: &RepositoryName,
    put: &PutManifest<'_>,
    outcome: &Put,
    now: i64,
) -> Result<()> {
    let object = format!("{repository}@{}", put.digest);
    let tags = serde_json::to_value(&outcome.tags_moved).unwrap_or(Value::Null);
    let mut detail = json!({
        "repository": repository, "digest": put.digest, "shape": shape_name(put.shape), "media_type": put.media_type,
        "created": outcome.created, "tags": tags,
    });
    if put.shape == Shape::Evidence {
        if let Some(detail) = detail.as_object_mut() {
            detail.insert(
                "evidence".to_owned(),
                put.evidence.iter().map(evidence_detail).collect(),
            );
        }
        return audit::record(tx, actor, "evidence.attach", &object, detail, now).await;
    }
    audit::record(tx, actor, "manifest.push", &object, detail, now).await?;
    // A list of evidence is nothing that anybody runs.
    let is_list = writer.attaches_list(put.shape, put.tags);
    if matches!(put.shape, Shape::Image | Shape::Index) && !is_list {
        let data = json!({
            "tags": put.tags.iter().map(Tag::as_str).collect::<Vec<_>>(), "moved": tags,
            "media_type": put.media_type, "shape": shape_name(put.shape),
        });
        outbox::emit(
            tx,
            NewEvent::of_image("image.pushed", repository, put.digest, data),
            now,
        )
        .await?;
    }
    Ok(())
}

fn evidence_detail(evidence: &NewEvidence) -> Value {
    json!({
        "attached_to": evidence.attached_to, "format": evidence.format, "subject": evidence.subject,
        "stage": evidence.stage, "key_id": evidence.key, "fingerprint": evidence.fingerprint(),
    })
}

/// A stage is recorded by the server's own signature, never on a principal's behalf.
fn check_stage_record(writer: &Writer<'_>, put: &PutManifest<'_>) -> Result<()> {
    match (writer, &put.stage_record) {
        (Writer::Push(_) | Writer::Attach(_), Some(_)) => Err(Error::Refused {
            what: "recording a stage",
            why: "only the server records an automatic stage".to_owned(),
        }),
        _ => Ok(()),
    }
}

fn check_digest(put: &PutManifest<'_>) -> Result<()> {
    let mut hasher = Hasher::new(put.digest.algorithm());
    hasher.update(put.content);
    let found = hasher.finish();
    if found == *put.digest {
        return Ok(());
    }
    Err(Error::DigestMismatch {
        expected: put.digest.clone(),
        found,
    })
}

async fn insert(
    tx: &mut Tx,
    repository_id: i64,
    put: &PutManifest<'_>,
    pushed_by: Option<i64>,
    now: i64,
) -> Result<bool> {
    let inserted = insert_manifest(tx, repository_id, put, pushed_by, now).await?;
    sqlx::query("INSERT INTO first_pushes (digest, principal_id, pushed_at) VALUES ($1, $2, $3) ON CONFLICT (digest) DO NOTHING")
        .bind(put.digest.as_str())
        .bind(pushed_by)
        .bind(now)
        .execute(tx.conn())
        .await?;
    Ok(inserted)
}

async fn insert_manifest(
    tx: &mut Tx,
    repository_id: i64,
    put: &PutManifest<'_>,
    pushed_by: Option<i64>,
    now: i64,
) -> Result<bool> {
    let annotations =
        serde_json::to_string(put.manifest.annotations()).map_err(Error::corrupt("annotations"))?;
    let inserted = sqlx::query(
        "INSERT INTO manifests (repository_id, digest, media_type, shape, artifact_type, subject, annotations, content, \
         pushed_at, pushed_by, facts_revision) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 1) \
         ON CONFLICT (repository_id, digest) DO NOTHING",
    )
    .bind(repository_id)
    .bind(put.digest.as_str())
    .bind(put.media_type)
    .bind(shape_name(put.shape))
    .bind(put.manifest.artifact_type())
    .bind(put.manifest.subject().map(|subject| subject.digest.as_str()))
    .bind(annotations)
    .bind(put.content)
    .bind(now)
    .bind(pushed_by)
    .execute(tx.conn())
    .await?;
    Ok(inserted.rows_affected() > 0)
}

async fn insert_references(tx: &mut Tx, repository_id: i64, put: &PutManifest<'_>) -> Result<()> {
    let references: Vec<(&'static str, &Descriptor)> = match put.manifest {
        Manifest::Index(index) => index
            .manifests
            .iter()
            .map(|child| ("child", child))
            .collect(),
        Manifest::Image(image) => std::iter::once(("config", &image.config))
            .chain(image.layers.iter().map(|layer| ("layer", layer)))
            .collect(),
    };
    for (position, (kind, descriptor)) in (0_i64..).zip(references) {
        sqlx::query(
            "INSERT INTO manifest_references (repository_id, manifest, position, kind, digest, media_type, size, platform) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(repository_id)
        .bind(put.digest.as_str())
        .bind(position)
        .bind(kind)
        .bind(descriptor.digest.as_str())
        .bind(descriptor.media_type.as_str())
        .bind(i64::try_from(descriptor.size).unwrap_or(i64::MAX))
        .bind(descriptor.platform.as_ref().map(ToString::to_string))
        .execute(tx.conn())
        .await?;
    }
    Ok(())
}

/// Whoever may only attach evidence cannot take a tag away from something else. A list of evidence is added to, and takes the place of
/// evidence under its tag: that is no list, and stays under its digest.
async fn check_tag(
    tx: &mut Tx,
    writer: &Writer<'_>,
    repository_id: i64,
    tag: &Tag,
    put: &PutManifest<'_>,
) -> Result<()> {
    let Writer::Attach(_) = writer else {
        return Ok(());
    };
    let adds_to_lists = writer.attaches_list(put.shape, put.tags);
    let row = sqlx::query(
        "SELECT CASE WHEN m.shape = 'index' AND NOT EXISTS (\
           SELECT 1 FROM manifest_references r JOIN manifests c ON c.repository_id = r.repository_id AND c.digest = r.digest \
           WHERE r.repository_id = m.repository_id AND r.manifest = m.digest AND r.kind = 'child' AND c.shape <> 'evidence') \
         THEN 'list' ELSE m.shape END AS shape \
         FROM tags t JOIN manifests m ON m.repository_id = t.repository_id AND m.digest = t.digest \
         WHERE t.repository_id = $1 AND t.name = $2",
    )
    .bind(repository_id)
    .bind(tag.as_str())
    .fetch_optional(tx.conn())
    .await?;
    match row.map(|row| row.text("shape")).transpose()? {
        None => Ok(()),
        Some(shape) if adds_to_lists && shape == "list" => Ok(()),
        Some(shape) if shape == shape_name(Shape::Evidence) => Ok(()),
        Some(_) => Err(Error::Refused {
            what: "attach",
            why: format!(
                "tag `{tag}` is on something that is not evidence: moving it needs the role `writer`"
            ),
        }),
    }
}

/// Sets a tag that `pushed` came under; answers the move unless the tag was there already.
async fn set_tag(
    tx: &mut Tx,
    repository_id: i64,
    tag: &Tag,
    pushed: &Digest,
    digest: &Digest,
    now: i64,
) -> Result<Option<TagMove>> {
    let row = sqlx::query("SELECT digest FROM tags WHERE repository_id = $1 AND name = $2")
        .bind(repository_id)
        .bind(tag.as_str())
        .fetch_optional(tx.conn())
        .await?;
    let from = row.map(|row| row.digest("digest")).transpose()?;
    if from.as_ref() == Some(digest) {
        return Ok(None);
    }
    sqlx::query(
        "INSERT INTO tags (repository_id, name, digest, updated_at) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (repository_id, name) DO UPDATE SET digest = excluded.digest, updated_at = excluded.updated_at",
    )
    .bind(repository_id)
    .bind(tag.as_str())
    .bind(digest.as_str())
    .bind(now)
    .execute(tx.conn())
    .await?;
    Ok(Some(TagMove {
        tag: tag.to_string(),
        from,
        to: (digest != pushed).then(|| digest.clone()),
    }))
}

/// The first record of a stage stays.
async fn insert_stage_record(
    tx: &mut Tx,
    repository_id: i64,
    record: &StageRecord<'_>,
    manifest: &Digest,
    now: i64,
) -> Result<()> {
    let inserted = sqlx::query(
        "INSERT INTO stage_records (repository_id, digest, policy, stage, recorded_at, manifest) \
         VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (repository_id, digest, policy, stage) DO NOTHING",
    )
    .bind(repository_id)
    .bind(record.digest.as_str())
    .bind(record.policy)
    .bind(record.stage)
    .bind(now)
    .bind(manifest.as_str())
    .execute(tx.conn())
    .await?;
    if inserted.rows_affected() > 0 {
        facts::touch(tx, repository_id, record.digest, now).await?;
    }
    Ok(())
}
