//! Which images are affected: asked by any id of an advisory, or by package URL. What nobody holds is not listed.

use std::collections::{BTreeMap, BTreeSet};

use oci::{Digest, RepositoryName, Tag};
use sbom::{Component, Purl};

use super::{Finding, rows};
use crate::batch::{LIST_MAX, markers, query};
use crate::db::RowExt;
use crate::error::{Error, Result};
use crate::{Store, feeds, inventories};

/// The most places that one answer lists.
pub const AFFECTED_MAX: usize = 5_000;

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// Images in which an advisory with this id or alias hits.
    Advisory(String),
    /// Images that hold this package; without a version, at any.
    Package(Purl),
}

impl std::str::FromStr for Wanted {
    type Err = Error;

    /// Reads `CVE-…`, `GHSA-…` or any other id, or `pkg:…`.
    fn from_str(text: &str) -> Result<Wanted> {
        let invalid = |why: String| Error::Invalid {
            what: "advisory or package",
            value: text.chars().take(200).collect(),
            why,
        };
        if text.starts_with("pkg:") {
            return Purl::parse(text)
                .map(Wanted::Package)
                .map_err(|error| invalid(error.to_string()));
        }
        if text.is_empty()
            || text.len() > 200
            || text.chars().any(|c| c.is_control() || c.is_whitespace())
        {
            return Err(invalid(
                "write an id such as `CVE-2024-1234`, or a package URL".to_owned(),
            ));
        }
        Ok(Wanted::Advisory(text.to_owned()))
    }
}

/// One place where an image is affected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AffectedImage {
    /// The repository that holds the image.
    pub repository: RepositoryName,
    /// The image.
    pub digest: Digest,
    /// The tags that point at it, or at an index that lists it.
    pub tags: Vec<Tag>,
    /// The component, with the layer and instruction that brought it in.
    pub component: Component,
    /// What hits it; when a package was asked for, the worst of its findings, if any.
    pub finding: Option<Finding>,
}

/// The images that are affected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Affected {
    /// Place by place, in the order of repositories and digests.
    pub images: Vec<AffectedImage>,
    /// Whether there are more places than are listed.
    pub more: bool,
}

/// Lists the images that an advisory hits, or that hold a package.
pub async fn affected(store: &Store, wanted: &Wanted) -> Result<Affected> {
    let findings = match wanted {
        Wanted::Advisory(id) => by_advisory(store, id).await?,
        Wanted::Package(purl) => by_package(store, purl).await?,
    };
    let ids: Vec<i64> = findings.keys().copied().collect();
    let mut places = Vec::new();
    for chunk in ids.chunks(LIST_MAX) {
        places.extend(places_of(store, chunk).await?);
    }
    places.sort_by(|left, right| {
        (&left.repository, &left.digest).cmp(&(&right.repository, &right.digest))
    });
    let more = places.len() > AFFECTED_MAX;
    places.truncate(AFFECTED_MAX);
    let mut tags: BTreeMap<(i64, Digest), Vec<Tag>> = BTreeMap::new();
    let mut images = Vec::with_capacity(places.len());
    for place in places {
        let key = (place.repository_id, place.digest.clone());
        if !tags.contains_key(&key) {
            let found = tags_of(store, key.0, &key.1).await?;
            tags.insert(key.clone(), found);
        }
        images.push(AffectedImage {
            tags: tags.get(&key).cloned().unwrap_or_default(),
            finding: findings.get(&place.component_id).cloned().flatten(),
            repository: place.repository,
            digest: place.digest,
            component: place.component,
        });
    }
    Ok(Affected { images, more })
}

type ByComponent = BTreeMap<i64, Option<Finding>>;

/// The components that an advisory hits, by any id of its group.
async fn by_advisory(store: &Store, id: &str) -> Result<ByComponent> {
    let mut conn = store.db().read().acquire().await?;
    let names = feeds::names_of(&mut conn, BTreeSet::from([id.to_owned()])).await?;
    let names: Vec<String> = names.into_iter().collect();
    let mut found = ByComponent::new();
    for chunk in names.chunks(LIST_MAX) {
        let mut select = query(format!(
            "SELECT component_id, group_id, ids, advisory_ids, severity, cvss, fixed_version, known_exploited, summary, \
             affected_range, first_held_at, found_at FROM findings WHERE group_id IN ({})",
            markers(1, chunk.len())
        ));
        for name in chunk {
            select = select.bind(name.clone());
        }
        for row in select.fetch_all(&mut *conn).await? {
            let finding = rows::read(&row)?;
            if finding.ids.iter().any(|other| other == id) {
                found.insert(row.int("component_id")?, Some(finding));
            }
        }
    }
    Ok(found)
}

/// The components that are this package, each with the worst of its findings.
async fn by_package(store: &Store, wanted: &Purl) -> Result<ByComponent> {
    let bare = Purl {
        qualifiers: BTreeMap::new(),
        subpath: None,
        ..wanted.clone()
    }
    .to_string();
    // In byte order `?` < `@` < `A`: the versions or qualifiers of exactly this name lie between.
    let (from, to) = if wanted.version.is_some() {
        ('?', '@')
    } else {
        ('@', 'A')
    };
    let rows = sqlx::query(
        "SELECT c.id, c.purl, f.component_id, f.group_id, f.ids, f.advisory_ids, f.severity, f.cvss, f.fixed_version, \
         f.known_exploited, f.summary, f.affected_range, f.first_held_at, f.found_at \
         FROM components c LEFT JOIN findings f ON f.component_id = c.id \
         WHERE c.purl = $1 OR (c.purl >= $2 AND c.purl < $3) ORDER BY c.id",
    )
    .bind(bare.as_str())
    .bind(format!("{bare}{from}"))
    .bind(format!("{bare}{to}"))
    .fetch_all(store.db().read())
    .await?;
    let mut found = ByComponent::new();
    for row in &rows {
        if !row
            .parsed::<Purl>("purl")
            .is_ok_and(|purl| has_all(&purl, wanted))
        {
            continue;
        }
        let worst = found.entry(row.int("id")?).or_default();
        if row.opt_int("component_id")?.is_some() {
            let finding = rows::read(row)?;
            if worst
                .as_ref()
                .is_none_or(|worst| worst.severity < finding.severity)
            {
                *worst = Some(finding);
            }
        }
    }
    Ok(found)
}

fn has_all(purl: &Purl, wanted: &Purl) -> bool {
    wanted
        .qualifiers
        .iter()
        .all(|(key, value)| purl.qualifiers.get(key) == Some(value))
}

struct Place {
    component_id: i64,
    repository_id: i64,
    repository: RepositoryName,
    digest: Digest,
    component: Component,
}

async fn places_of(store: &Store, components: &[i64]) -> Result<Vec<Place>> {
    let mut select = query(format!(
        "SELECT i.component_id, r.id AS repository_id, r.name, m.digest, c.purl, c.package, i.layer, i.layer_index, \
         i.instruction, i.path, i.owner FROM image_components i JOIN components c ON c.id = i.component_id \
         JOIN manifests m ON m.digest = i.image JOIN repositories r ON r.id = m.repository_id \
         WHERE i.owner IS NULL AND i.component_id IN ({}) AND NOT EXISTS (SELECT 1 FROM awaited_layers a \
         WHERE a.repository_id = m.repository_id AND a.manifest = m.digest) ORDER BY r.name, m.digest, i.position LIMIT ${}",
        markers(1, components.len()),
        components.len() + 1
    ));
    for id in components {
        select = select.bind(*id);
    }
    let limit = i64::try_from(AFFECTED_MAX + 1).map_err(Error::corrupt("limit"))?;
    let rows = select.bind(limit).fetch_all(store.db().read()).await?;
    rows.iter()
        .map(|row| {
            Ok(Place {
                component_id: row.int("component_id")?,
                repository_id: row.int("repository_id")?,
                repository: row.parsed("name")?,
                digest: row.digest("digest")?,
                component: inventories::component_of(row)?,
            })
        })
        .collect()
}

async fn tags_of(store: &Store, repository_id: i64, digest: &Digest) -> Result<Vec<Tag>> {
    let rows = sqlx::query(
        "SELECT name FROM tags WHERE repository_id = $1 AND (digest = $2 OR digest IN (\
           SELECT manifest FROM manifest_references WHERE repository_id = $1 AND digest = $2 AND kind = 'child')) \
         ORDER BY name",
    )
    .bind(repository_id)
    .bind(digest.as_str())
    .fetch_all(store.db().read())
    .await?;
    rows.iter().map(|row| row.parsed("name")).collect()
}
