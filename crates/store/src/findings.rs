//! Findings: which advisories hit which component, whichever images hold it. Matching is `advisories`'; here the result is
//! kept, and what changed is told to every image that holds the component. DESIGN §3.3, §3.6.
//!
//! An image's findings are a join, never a copy. Packages that belong to a package of the operating system have none of
//! their own: the distribution answers for them.

mod affected;
mod replace;
mod rows;

use std::collections::BTreeSet;

use advisories::{Match, PackageKey, Severity};
use oci::Digest;
use sbom::Component;
use serde::{Deserialize, Serialize};

pub use self::affected::{AFFECTED_MAX, Affected, AffectedImage, Wanted, affected};
pub use self::replace::{Matched, Replaced, replace};
use crate::Store;
use crate::batch::{LIST_MAX, markers, query};
use crate::db::RowExt;
use crate::error::Result;
use crate::inventories;

/// A component of the stock, as it is matched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StockComponent {
    /// Its row number.
    pub id: i64,
    /// The package it is matched as.
    pub key: PackageKey,
    /// The version it is matched at.
    pub version: String,
}

/// An advisory (with all its aliases) that hits a component.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// The id that the alias group is called by.
    pub group: String,
    /// All ids of the alias group.
    pub ids: Vec<String>,
    /// The records that say that this version is affected.
    pub advisory_ids: Vec<String>,
    /// The severity.
    pub severity: Severity,
    /// The CVSS vector that it comes from.
    pub cvss: Option<String>,
    /// The smallest version above the installed one that is not affected.
    pub fixed_version: Option<String>,
    /// Whether it is known to be exploited.
    pub known_exploited: bool,
    /// One line for people.
    pub summary: String,
    /// Why the version is affected.
    pub range: String,
    /// When this server first held any id of the group for this package, in milliseconds since the epoch.
    pub first_held_at: i64,
    /// When it was found, in milliseconds since the epoch.
    pub found_at: i64,
}

/// A finding in an image, where its component is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageFinding {
    /// The component, at one of its places.
    pub component: Component,
    /// What hits it.
    pub finding: Finding,
}

impl Finding {
    /// The finding that a match makes.
    fn of(found: &Match, first_held_at: i64, found_at: i64) -> Finding {
        Finding {
            group: found.group.clone(),
            ids: found.ids.clone(),
            advisory_ids: found.advisory_ids.clone(),
            severity: found.severity,
            cvss: found.cvss.clone(),
            fixed_version: found.fixed_version.clone(),
            known_exploited: found.known_exploited,
            summary: found.summary.clone(),
            range: found.range.clone(),
            first_held_at,
            found_at,
        }
    }
}

/// The components of the stock that are matched under these keys.
pub async fn components_under(store: &Store, keys: &[PackageKey]) -> Result<Vec<StockComponent>> {
    let mut components = Vec::new();
    for chunk in keys.chunks(LIST_MAX) {
        let wanted: BTreeSet<&PackageKey> = chunk.iter().collect();
        let names: BTreeSet<&str> = chunk.iter().map(|key| key.name.as_str()).collect();
        let mut select = query(format!(
            "SELECT id, ecosystem, key_name, match_version FROM components \
             WHERE key_name IN ({}) ORDER BY id",
            markers(1, names.len())
        ));
        for name in names {
            select = select.bind(name.to_owned());
        }
        for row in select.fetch_all(store.db().read()).await? {
            let key = PackageKey {
                ecosystem: row.parsed("ecosystem")?,
                name: row.text("key_name")?,
            };
            if wanted.contains(&key) {
                components.push(StockComponent {
                    id: row.int("id")?,
                    key,
                    version: row.text("match_version")?,
                });
            }
        }
    }
    Ok(components)
}

/// The findings of an image in a repository, in the order of its components; one at several places is there several times.
/// None while layers of it are not there.
pub async fn for_image(
    store: &Store,
    repository_id: i64,
    digest: &Digest,
) -> Result<Vec<ImageFinding>> {
    let rows = sqlx::query(
        "SELECT c.purl, c.package, i.layer, i.layer_index, i.instruction, i.path, i.owner, f.group_id, f.ids, \
         f.advisory_ids, f.severity, f.cvss, f.fixed_version, f.known_exploited, f.summary, f.affected_range, \
         f.first_held_at, f.found_at FROM image_components i JOIN findings f ON f.component_id = i.component_id \
         JOIN components c ON c.id = i.component_id WHERE i.image = $1 AND i.owner IS NULL \
         AND NOT EXISTS (SELECT 1 FROM awaited_layers a WHERE a.repository_id = $2 AND a.manifest = $1) \
         ORDER BY i.position, f.group_id",
    )
    .bind(digest.as_str())
    .bind(repository_id)
    .fetch_all(store.db().read())
    .await?;
    rows.iter()
        .map(|row| {
            Ok(ImageFinding {
                component: inventories::component_of(row)?,
                finding: rows::read(row)?,
            })
        })
        .collect()
}
