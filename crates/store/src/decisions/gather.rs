//! The facts about one manifest in one repository, gathered from all tables in one state. What is inside an image is in
//! `image`; nothing is judged.

use std::collections::BTreeSet;

use oci::{Digest, RepositoryName, Shape, Tag};
use policy::facts::{AdvisoryState, Child};
use policy::{Facts, PrincipalId, Target};
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use super::StageRecords;
use super::image::{self, Inside};
use crate::catalogue::parse_shape;
use crate::db::RowExt;
use crate::error::{Error, Result};
use crate::{break_glass, evidence, feeds};

/// The most children of an index that are looked at. One that is within limits is enough for the index; each is judged by
/// itself when it is pulled.
const CHILDREN_MAX: i64 = 256;

/// The platform of what an index lists besides images, such as attestations.
const NO_PLATFORM: &str = "unknown/unknown";

/// The facts, but for what differs from policy to policy.
#[derive(Debug)]
pub(super) struct Gathered {
    pub(super) facts: Facts,
    pub(super) stage_records: StageRecords,
}

/// Gathers all facts.
pub(super) async fn gather(
    conn: &mut AnyConnection,
    repository_id: i64,
    repository: &RepositoryName,
    digest: &Digest,
) -> Result<Gathered> {
    let subject = target(conn, repository_id, digest).await?;
    let advisories = feeds::status_of(conn).await?;
    let facts = Facts {
        repository: repository.clone(),
        digest: digest.clone(),
        tag: newest_tag(conn, repository_id, digest).await?,
        first_pushed_by: first_pushed_by(conn, digest).await?,
        subject,
        evidence: evidence::of_image(conn, repository_id, digest).await?,
        listed_by: listed_by(conn, repository_id, digest).await?,
        advisories: AdvisoryState {
            ready: advisories.ready,
            snapshot: advisories.snapshot,
        },
        stage_records: std::collections::BTreeMap::new(),
        break_glass: break_glass::confirmed(conn, repository_id, digest).await?,
    };
    Ok(Gathered {
        facts,
        stage_records: stage_records(conn, repository_id, digest).await?,
    })
}

/// What the digest is.
async fn target(conn: &mut AnyConnection, repository_id: i64, digest: &Digest) -> Result<Target> {
    let row = sqlx::query("SELECT shape, artifact_type, media_type FROM manifests WHERE repository_id = $1 AND digest = $2")
        .bind(repository_id)
        .bind(digest.as_str())
        .fetch_optional(&mut *conn)
        .await?
        .ok_or_else(|| Error::not_found("manifest", digest))?;
    let kind = || -> Result<String> {
        Ok(row
            .opt_text("artifact_type")?
            .unwrap_or(row.text("media_type")?))
    };
    match parse_shape(&row.text("shape")?)? {
        Shape::Evidence => Ok(Target::Evidence),
        Shape::Other => Ok(Target::Unscannable { kind: kind()? }),
        Shape::Index => Ok(Target::Index(children(conn, repository_id, digest).await?)),
        Shape::Image => match image::inside(conn, repository_id, digest).await? {
            Inside::Image(facts) => Ok(Target::Image(facts)),
            Inside::Unscannable { kind } => Ok(Target::Unscannable { kind }),
        },
    }
}

async fn children(
    conn: &mut AnyConnection,
    repository_id: i64,
    digest: &Digest,
) -> Result<Vec<Child>> {
    let rows = sqlx::query(
        "SELECT c.digest, c.platform, m.shape FROM manifest_references c \
         LEFT JOIN manifests m ON m.repository_id = c.repository_id AND m.digest = c.digest \
         WHERE c.repository_id = $1 AND c.manifest = $2 AND c.kind = 'child' ORDER BY c.position LIMIT $3",
    )
    .bind(repository_id)
    .bind(digest.as_str())
    .bind(CHILDREN_MAX)
    .fetch_all(&mut *conn)
    .await?;
    let mut children = Vec::with_capacity(rows.len());
    for row in &rows {
        children.push(child(conn, repository_id, row).await?);
    }
    Ok(children)
}

/// One entry of an index. It can be run if this repository holds it as an image; an index inside an index is none.
async fn child(conn: &mut AnyConnection, repository_id: i64, row: &AnyRow) -> Result<Child> {
    let (digest, platform) = (row.digest("digest")?, row.opt_text("platform")?);
    let held = row
        .opt_text("shape")?
        .map(|shape| parse_shape(&shape))
        .transpose()?;
    let is_image = held == Some(Shape::Image) && platform.as_deref() != Some(NO_PLATFORM);
    let inside = if is_image {
        Some(image::inside(conn, repository_id, &digest).await?)
    } else {
        None
    };
    let (runnable, facts) = match inside {
        None | Some(Inside::Unscannable { .. }) => (false, None),
        Some(Inside::Image(facts)) => (true, Some(facts)),
    };
    Ok(Child {
        digest,
        platform,
        runnable,
        facts,
    })
}

async fn newest_tag(
    conn: &mut AnyConnection,
    repository_id: i64,
    digest: &Digest,
) -> Result<Option<Tag>> {
    let row = sqlx::query(
        "SELECT name FROM tags WHERE repository_id = $1 AND digest = $2 ORDER BY updated_at DESC, name LIMIT 1",
    )
    .bind(repository_id)
    .bind(digest.as_str())
    .fetch_optional(conn)
    .await?;
    row.map(|row| row.parsed("name")).transpose()
}

async fn first_pushed_by(conn: &mut AnyConnection, digest: &Digest) -> Result<Option<PrincipalId>> {
    let row = sqlx::query("SELECT principal_id FROM first_pushes WHERE digest = $1")
        .bind(digest.as_str())
        .fetch_optional(conn)
        .await?;
    let id = row
        .map(|row| row.opt_int("principal_id"))
        .transpose()?
        .flatten();
    Ok(id.map(PrincipalId))
}

async fn listed_by(
    conn: &mut AnyConnection,
    repository_id: i64,
    digest: &Digest,
) -> Result<BTreeSet<Digest>> {
    let rows = sqlx::query(
        "SELECT DISTINCT c.manifest FROM manifest_references c \
         JOIN manifests m ON m.repository_id = c.repository_id AND m.digest = c.manifest \
         WHERE c.repository_id = $1 AND c.digest = $2 AND c.kind = 'child'",
    )
    .bind(repository_id)
    .bind(digest.as_str())
    .fetch_all(conn)
    .await?;
    rows.iter().map(|row| row.digest("manifest")).collect()
}

/// When automatic stages of a digest were first recorded.
pub(super) async fn stage_records(
    conn: &mut AnyConnection,
    repository_id: i64,
    digest: &Digest,
) -> Result<StageRecords> {
    let rows =
        sqlx::query("SELECT policy, stage, recorded_at FROM stage_records WHERE repository_id = $1 AND digest = $2")
            .bind(repository_id)
            .bind(digest.as_str())
            .fetch_all(conn)
            .await?;
    let mut records = StageRecords::new();
    for row in &rows {
        records
            .entry(row.text("policy")?)
            .or_default()
            .insert(row.text("stage")?, row.int("recorded_at")?);
    }
    Ok(records)
}
