//! One image: what it is, how far it has been taken apart, and its findings.

use super::shape;
use crate::asker::Asker;
use crate::error::{ApiError, ApiResult};
use axum::http::StatusCode;
use client::api::image::{Child, Finding, Image, InventoryState, InventorySummary};
use oci::{Digest, Manifest, Reference, Shape};
use policy::Target;
use policy::facts::Matching;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use store::Store;
use store::catalogue::{self, StoredManifest};
use store::findings::{self, ImageFinding};
use store::inventories::{self, ImageState, StoredImage};
use store::{decisions, feeds};

/// Children of an index that are looked at when one of them is to stand for it.
const CHILDREN_MAX: usize = 256;
/// The platform of what an index lists besides images, such as attestations.
const NO_PLATFORM: &str = "unknown/unknown";

/// What is known of the inside of a manifest; nothing for what is no image.
#[derive(Debug, Default)]
pub(crate) struct Inside {
    /// What was taken out of it, once it was.
    pub(crate) stored: Option<StoredImage>,
    /// The weaknesses of its components, worst first.
    pub(crate) findings: Vec<Finding>,
}

impl Inside {
    /// Reads what is known.
    pub(crate) async fn of(store: &Store, manifest: &StoredManifest) -> ApiResult<Self> {
        if manifest.shape != Shape::Image {
            return Ok(Self::default());
        }
        let stored = inventories::image(store, manifest.repository_id, &manifest.digest).await?;
        let mut found =
            findings::for_image(store, manifest.repository_id, &manifest.digest).await?;
        found.sort_by_cached_key(|each| {
            let ImageFinding { component, finding } = each;
            let place = (
                component.package.name.clone(),
                component.package.path.clone(),
            );
            (
                Reverse((finding.severity, finding.known_exploited)),
                place,
                finding.group.clone(),
            )
        });
        Ok(Self {
            stored,
            findings: found.into_iter().map(finding).collect(),
        })
    }
}

fn finding(found: ImageFinding) -> Finding {
    let ImageFinding { component, finding } = found;
    Finding {
        id: finding.group,
        ids: finding.ids,
        severity: finding.severity.as_str().to_owned(),
        cvss: finding.cvss,
        purl: component.purl.to_string(),
        package: component.package.name,
        version: component.package.version,
        fixed_version: finding.fixed_version,
        known_exploited: finding.known_exploited,
        summary: finding.summary,
        range: finding.range,
        layer: component.layer,
        layer_index: u64::try_from(component.layer_index).unwrap_or(u64::MAX),
        instruction: component.instruction,
        path: component.package.path,
        first_held_at: finding.first_held_at,
    }
}

/// How far a manifest has been taken apart.
pub(crate) fn state(manifest: &StoredManifest, inside: &Inside) -> InventoryState {
    match (
        manifest.shape,
        inside.stored.as_ref().map(|stored| &stored.state),
    ) {
        (Shape::Other | Shape::Evidence, _) | (_, Some(ImageState::Unscannable { .. })) => {
            InventoryState::Unscannable
        }
        (_, None) => InventoryState::NotIndexed,
        (_, Some(ImageState::Complete)) => InventoryState::Complete,
        (_, Some(ImageState::Incomplete)) => InventoryState::Incomplete,
    }
}

/// How much a list of findings says: an empty one is good news only where all that is inside was matched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Matched {
    /// Whether there are any advisories.
    pub(crate) any: bool,
    /// What is missing.
    pub(crate) matching: Matching,
}

impl Matched {
    /// What is known of a manifest's matching.
    pub(crate) async fn of(store: &Store, manifest: &StoredManifest) -> ApiResult<Self> {
        if manifest.shape != Shape::Image {
            return Ok(Self {
                any: feeds::ready(store).await?,
                matching: Matching::default(),
            });
        }
        // No policy of this name is needed: what a gate would see of the advisories does not depend on it.
        let facts = decisions::gather(store, &manifest.repository, &manifest.digest, "").await?;
        let matching = match facts.subject {
            Target::Image(image) => image.matching,
            Target::Index(_) | Target::Evidence | Target::Unscannable { .. } => Matching::default(),
        };
        Ok(Self {
            any: facts.advisories.ready,
            matching,
        })
    }

    /// Whether nothing is missing.
    pub(crate) fn is_done(&self) -> bool {
        self.any && self.matching.is_done()
    }
}

/// All that is known about a manifest at a glance.
pub(crate) async fn image(
    asker: &Asker,
    manifest: &StoredManifest,
    inside: &Inside,
) -> ApiResult<Image> {
    let store = asker.store();
    let tags = catalogue::tags_of(store, manifest.repository_id, &manifest.digest).await?;
    Ok(Image {
        repository: manifest.repository.clone(),
        digest: manifest.digest.clone(),
        tags: tags.iter().map(ToString::to_string).collect(),
        media_type: manifest.media_type.clone(),
        shape: shape(manifest.shape).to_owned(),
        pushed_at: manifest.pushed_at,
        pushed_by: manifest.pushed_by.map(|id| asker.name_of(id)),
        children: children(store, manifest).await?,
        inventory: summary(manifest, inside),
        findings: count(&inside.findings),
    })
}

fn summary(manifest: &StoredManifest, inside: &Inside) -> Option<InventorySummary> {
    if matches!(manifest.shape, Shape::Index | Shape::Evidence) {
        return None;
    }
    let unscannable = |kind: &str| vec![format!("`{kind}` cannot be taken apart")];
    let inventory = inside.stored.as_ref().map(|stored| &stored.inventory);
    let problems = match inside.stored.as_ref().map(|stored| &stored.state) {
        Some(ImageState::Unscannable { kind }) => unscannable(kind),
        None if manifest.shape == Shape::Other => unscannable(
            manifest
                .artifact_type
                .as_deref()
                .unwrap_or(&manifest.media_type),
        ),
        _ => inventory
            .into_iter()
            .flat_map(|inventory| &inventory.problems)
            .map(ToString::to_string)
            .collect(),
    };
    Some(InventorySummary {
        state: state(manifest, inside),
        distro: inventory
            .and_then(|inventory| inventory.distro.as_ref())
            .map(ToString::to_string),
        problems,
        components: inventory.map_or(0, |inventory| {
            u64::try_from(inventory.components.len()).unwrap_or(u64::MAX)
        }),
        indexed_at: inside.stored.as_ref().map(|stored| stored.indexed_at),
    })
}

/// Findings by severity: a component at several places counts once.
fn count(findings: &[Finding]) -> BTreeMap<String, u64> {
    let distinct: BTreeSet<(&str, &str, &str)> = findings
        .iter()
        .map(|finding| {
            (
                finding.severity.as_str(),
                finding.purl.as_str(),
                finding.id.as_str(),
            )
        })
        .collect();
    let mut counts = BTreeMap::new();
    for (severity, _, _) in distinct {
        *counts.entry(severity.to_owned()).or_default() += 1;
    }
    counts
}

async fn children(store: &Store, manifest: &StoredManifest) -> ApiResult<Vec<Child>> {
    if manifest.shape != Shape::Index {
        return Ok(Vec::new());
    }
    let held: BTreeSet<Digest> =
        catalogue::children(store, manifest.repository_id, &manifest.digest)
            .await?
            .into_iter()
            .collect();
    let parsed = Manifest::parse(&manifest.content, Some(&manifest.media_type));
    let listed = match parsed.map_err(|error| ApiError::internal(&error))? {
        Manifest::Index(index) => index.manifests,
        Manifest::Image(_) => Vec::new(),
    };
    let child = |descriptor: oci::Descriptor| Child {
        present: held.contains(&descriptor.digest),
        digest: descriptor.digest,
        media_type: descriptor.media_type,
        platform: descriptor.platform.map(|platform| platform.to_string()),
    };
    Ok(listed.into_iter().map(child).collect())
}

/// The manifest that can be taken apart: itself, or the one image that an index lists here.
///
/// # Errors
/// An index of several images, which are named, or of none.
pub(crate) async fn runnable(asker: &Asker, manifest: StoredManifest) -> ApiResult<StoredManifest> {
    if manifest.shape != Shape::Index {
        return Ok(manifest);
    }
    let mut images = Vec::new();
    let listed = children(asker.store(), &manifest).await?;
    for child in listed
        .into_iter()
        .filter(|child| child.present)
        .take(CHILDREN_MAX)
    {
        if child.platform.as_deref() == Some(NO_PLATFORM) {
            continue;
        }
        let reference = Reference::Digest(child.digest);
        let found = catalogue::manifest(asker.store(), &manifest.repository, &reference).await?;
        images.extend(
            found
                .filter(|found| found.shape == Shape::Image)
                .map(|found| (child.platform, found)),
        );
    }
    match images.len() {
        1 => images
            .pop()
            .map(|(_, image)| image)
            .ok_or_else(|| of_index(&manifest, &[])),
        _ => Err(of_index(&manifest, &images)),
    }
}

fn of_index(index: &StoredManifest, images: &[(Option<String>, StoredManifest)]) -> ApiError {
    const NAMED_MAX: usize = 16;
    let (repository, digest) = (&index.repository, &index.digest);
    if images.is_empty() {
        return ApiError::not_found(format!(
            "the index `{repository}@{digest}` lists no image that is here"
        ));
    }
    let named: Vec<String> = images
        .iter()
        .take(NAMED_MAX)
        .map(|(platform, image)| {
            format!(
                "`{repository}@{}` ({})",
                image.digest,
                platform.as_deref().unwrap_or("no platform")
            )
        })
        .collect();
    let message = format!(
        "`{repository}@{digest}` is an index: ask for one of its images, {}",
        named.join(", ")
    );
    ApiError::new(StatusCode::BAD_REQUEST, "index", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(severity: &str, purl: &str, id: &str, path: &str) -> Finding {
        Finding {
            id: id.to_owned(),
            ids: vec![id.to_owned()],
            severity: severity.to_owned(),
            cvss: None,
            purl: purl.to_owned(),
            package: "django".to_owned(),
            version: "3.2.0".to_owned(),
            fixed_version: None,
            known_exploited: false,
            summary: String::new(),
            range: String::new(),
            layer: Digest::sha256(b"layer"),
            layer_index: 0,
            instruction: None,
            path: path.to_owned(),
            first_held_at: 0,
        }
    }

    #[test]
    fn a_component_at_two_places_is_counted_once() {
        let findings = [
            finding("critical", "pkg:pypi/django@3.2.0", "CVE-1", "a"),
            finding("critical", "pkg:pypi/django@3.2.0", "CVE-1", "b"),
            finding("critical", "pkg:pypi/django@3.2.0", "CVE-2", "a"),
            finding("low", "pkg:pypi/jinja2@2.10", "CVE-1", "a"),
        ];
        assert_eq!(
            count(&findings),
            BTreeMap::from([("critical".to_owned(), 2), ("low".to_owned(), 1)])
        );
    }
}
