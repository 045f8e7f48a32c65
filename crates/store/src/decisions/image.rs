//! What is inside an image, as a gate sees it: how far its inventory goes, its findings and its licences.

use advisories::Ecosystem;
use oci::Digest;
use policy::facts::{InventoryState, LicenceFact, Matching};
use policy::{FindingFact, ImageFacts};
use sbom::{Distro, Package, Problem};
use sqlx::AnyConnection;

use crate::catalogue;
use crate::db::RowExt;
use crate::error::Result;
use crate::feeds;
use crate::inventories::{self, ImageState};

/// What is known of the inside.
#[derive(Debug)]
pub(super) enum Inside {
    /// It is an image, indexed or not.
    Image(ImageFacts),
    /// It was looked at, and cannot be taken apart.
    Unscannable { kind: String },
}

/// Reads the inside of an image of a repository. Where layers of it are not there it is not indexed, whatever others know.
pub(super) async fn inside(
    conn: &mut AnyConnection,
    repository_id: i64,
    digest: &Digest,
) -> Result<Inside> {
    let row = sqlx::query("SELECT state, kind, problems FROM images WHERE digest = $1")
        .bind(digest.as_str())
        .fetch_optional(&mut *conn)
        .await?;
    let awaits = catalogue::awaits_layers(conn, repository_id, digest).await?;
    let Some(row) = row.filter(|_| !awaits) else {
        let facts = ImageFacts {
            inventory: InventoryState::NotIndexed,
            // It has no components that are not matched; it will have some in a moment.
            matching: Matching {
                pending: true,
                ..Matching::default()
            },
            findings: Vec::new(),
            licences: Vec::new(),
        };
        return Ok(Inside::Image(facts));
    };
    let inventory = match inventories::state_of(&row)? {
        ImageState::Unscannable { kind } => return Ok(Inside::Unscannable { kind }),
        ImageState::Complete => InventoryState::Complete,
        ImageState::Incomplete => {
            let problems: Vec<Problem> = row.json("problems")?;
            InventoryState::Incomplete(problems.iter().map(ToString::to_string).collect())
        }
    };
    Ok(Inside::Image(ImageFacts {
        inventory,
        matching: matching(conn, digest).await?,
        findings: findings(conn, digest).await?,
        licences: licences(conn, digest).await?,
    }))
}

async fn findings(conn: &mut AnyConnection, digest: &Digest) -> Result<Vec<FindingFact>> {
    let rows = sqlx::query(
        "SELECT DISTINCT c.id, c.purl, c.name, c.version, f.group_id, f.ids, f.severity, f.fixed_version, \
         f.known_exploited, f.first_held_at FROM image_components i JOIN findings f ON f.component_id = i.component_id \
         JOIN components c ON c.id = i.component_id WHERE i.image = $1 AND i.owner IS NULL \
         ORDER BY c.purl, c.id, f.group_id",
    )
    .bind(digest.as_str())
    .fetch_all(conn)
    .await?;
    rows.iter()
        .map(|row| {
            Ok(FindingFact {
                package: row.text("purl")?,
                name: row.text("name")?,
                version: row.text("version")?,
                group: row.text("group_id")?,
                ids: row.json("ids")?,
                severity: row.parsed("severity")?,
                fixed_version: row.opt_text("fixed_version")?,
                known_exploited: row.flag("known_exploited")?,
                first_held_at: row.int("first_held_at")?,
            })
        })
        .collect()
}

/// What is owned by a package of the operating system declares its licence all the same.
async fn licences(conn: &mut AnyConnection, digest: &Digest) -> Result<Vec<LicenceFact>> {
    let rows = sqlx::query(
        "SELECT DISTINCT c.id, c.purl, c.package FROM image_components i JOIN components c ON c.id = i.component_id \
         WHERE i.image = $1 ORDER BY c.purl, c.id",
    )
    .bind(digest.as_str())
    .fetch_all(conn)
    .await?;
    let mut licences = Vec::new();
    for row in &rows {
        let package: Package = row.json("package")?;
        if !package.licences.is_empty() {
            licences.push(LicenceFact {
                purl: row.text("purl")?,
                licences: package.licences,
            });
        }
    }
    Ok(licences)
}

/// What is owned by a package of the operating system is not matched: its distribution answers for it.
async fn matching(conn: &mut AnyConnection, digest: &Digest) -> Result<Matching> {
    let rows = sqlx::query(
        "SELECT c.kind, c.ecosystem, CAST(COUNT(*) - COUNT(c.matched_at) AS BIGINT) AS unmatched FROM image_components i \
         JOIN components c ON c.id = i.component_id WHERE i.image = $1 AND i.owner IS NULL GROUP BY c.kind, c.ecosystem",
    )
    .bind(digest.as_str())
    .fetch_all(&mut *conn)
    .await?;
    let mut matching = Matching::default();
    for row in &rows {
        match row.opt_parsed::<Ecosystem>("ecosystem")? {
            None => {
                let (kind, distro) = (row.text("kind")?, distro(conn, digest).await?);
                let packages = format!("{kind} packages of {distro}");
                matching.unmatchable.insert(packages);
            }
            Some(ecosystem) if !feeds::holds(conn, &ecosystem).await? => {
                matching.without_advisories.insert(ecosystem.to_string());
            }
            Some(_) => matching.pending |= row.int("unmatched")? > 0,
        }
    }
    Ok(matching)
}

async fn distro(conn: &mut AnyConnection, digest: &Digest) -> Result<String> {
    let row = sqlx::query("SELECT distro FROM images WHERE digest = $1")
        .bind(digest.as_str())
        .fetch_one(conn)
        .await?;
    if row.opt_text("distro")?.is_none() {
        return Ok("an unnamed distribution".to_owned());
    }
    Ok(row.json::<Distro>("distro")?.to_string())
}
