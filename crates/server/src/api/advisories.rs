//! Advisories: `/advisories` and its status, and who is affected: `/affected`.

mod lines;

use crate::api::{Answer, Call};
use crate::error::{ApiError, ApiResult};
use advisories::Ecosystem;
use axum::Json;
use axum::http::{HeaderMap, HeaderValue, header};
use client::api::Page;
use client::api::advisories::{AdvisorySource, AdvisoryStatus, AffectedImage, ImportReport};
use oci::RepositoryName;
use policy::verb::ManageAdvisories;
use std::collections::{BTreeMap, BTreeSet};
use store::feeds::{self, Extent, Imported, SourceStatus};
use store::findings::{self, AFFECTED_MAX, Wanted};

/// `GET /advisories/status`, for everyone who is logged in.
pub(crate) async fn status(call: Call) -> Answer<AdvisoryStatus> {
    let asker = &call.asker;
    asker.principal()?;
    let status = feeds::status(asker.store()).await?;
    let exploited = feeds::known_exploited(asker.store()).await?;
    let coverage = feeds::coverage(asker.store()).await?;
    let names = |ecosystems: BTreeSet<Ecosystem>| {
        let names = ecosystems.iter().map(ToString::to_string);
        names.collect()
    };
    Ok(Json(AdvisoryStatus {
        ready: status.ready,
        ecosystems: names(coverage.held),
        // What is in stock is not for everyone to know.
        missing: match asker.may::<ManageAdvisories>() {
            Some(_) => names(coverage.missing),
            None => Vec::new(),
        },
        snapshot: Some(status.snapshot).filter(|_| !status.sources.is_empty()),
        sources: status.sources.into_iter().map(source).collect(),
        known_exploited: count(exploited.len()),
    }))
}

fn source(source: SourceStatus) -> AdvisorySource {
    AdvisorySource {
        source: source.source,
        imported_at: source.imported_at,
        advisories: u64::try_from(source.advisories).unwrap_or_default(),
        newest_at: Some(source.newest_at).filter(|at| *at > 0),
        snapshot: Some(source.snapshot),
    }
}

/// `POST /advisories?source&allowOlder`, a line each. A source is replaced whole.
pub(crate) async fn import(mut call: Call) -> Answer<ImportReport> {
    let permit = call.asker.permit::<ManageAdvisories>()?;
    let source = call.required("source")?.to_owned();
    let allow_older = call.flag("allowOlder")?;
    let body = call.take_body();
    let asker = &call.asker;
    let set = lines::read(body.into_data_stream(), &source).await?;
    let set = feeds::NewSet {
        extent: Extent::Full,
        allow_older,
        ..set
    };
    // Later than when the request began: reading the lines takes its time.
    let imported = feeds::import(asker.store(), &permit, &set, asker.app().now()).await?;
    let exploited = feeds::known_exploited(asker.store()).await?;
    Ok(Json(report(source, &imported, exploited.len())))
}

fn report(source: String, imported: &Imported, exploited: usize) -> ImportReport {
    ImportReport {
        source,
        added: count(imported.added),
        changed: count(imported.changed),
        withdrawn: count(imported.withdrawn.saturating_add(imported.removed)),
        unchanged: count(imported.unchanged),
        keys_changed: count(imported.keys_changed.len()),
        known_exploited: count(exploited),
    }
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

/// `GET /affected?id` or `?purl`: only in repositories that the caller may look into. Where the store has more places than it
/// lists, a header says so.
pub(crate) async fn affected(call: Call) -> ApiResult<(HeaderMap, Json<Page<AffectedImage>>)> {
    let asker = &call.asker;
    asker.principal()?;
    let wanted = wanted(call.parameter("id"), call.parameter("purl"))?;
    let affected = findings::affected(asker.store(), &wanted).await?;
    let mut visible: BTreeMap<RepositoryName, bool> = BTreeMap::new();
    let mut items = Vec::new();
    for place in affected.images {
        let is_visible = *visible
            .entry(place.repository.clone())
            .or_insert_with(|| asker.inspects(&place.repository));
        if is_visible {
            items.push(image(place));
        }
    }
    let mut headers = HeaderMap::new();
    if affected.more {
        let warning = format!(
            "299 - \"limit exceeded: only the first {AFFECTED_MAX} places were looked at\""
        );
        headers.extend(
            HeaderValue::from_str(&warning)
                .ok()
                .map(|warning| (header::WARNING, warning)),
        );
    }
    Ok((headers, Json(Page::whole(items))))
}

fn wanted(id: Option<&str>, purl: Option<&str>) -> ApiResult<Wanted> {
    let text = match (id, purl) {
        (Some(text), None) | (None, Some(text)) => text,
        _ => return Err(ApiError::invalid("say either `id` or `purl`")),
    };
    let wanted: Wanted = text.parse()?;
    match (&wanted, purl) {
        (Wanted::Package(_), None) => {
            Err(ApiError::invalid("a package URL is asked for as `purl`"))
        }
        (Wanted::Advisory(_), Some(_)) => Err(ApiError::invalid("`purl` begins with `pkg:`")),
        _ => Ok(wanted),
    }
}

fn image(place: findings::AffectedImage) -> AffectedImage {
    let (component, finding) = (place.component, place.finding);
    AffectedImage {
        repository: place.repository,
        digest: place.digest,
        tags: place.tags.iter().map(ToString::to_string).collect(),
        purl: component.purl.to_string(),
        path: component.package.path,
        layer: component.layer,
        instruction: component.instruction,
        id: finding.as_ref().map(|finding| finding.group.clone()),
        severity: finding
            .as_ref()
            .map(|finding| finding.severity.as_str().to_owned()),
        fixed_version: finding.and_then(|finding| finding.fixed_version),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_thing_is_asked_for() {
        assert!(
            matches!(wanted(Some("CVE-2024-1"), None), Ok(Wanted::Advisory(id)) if id == "CVE-2024-1")
        );
        assert!(matches!(
            wanted(None, Some("pkg:pypi/django@3.2")),
            Ok(Wanted::Package(_))
        ));
        for (id, purl) in [
            (None, None),
            (Some("CVE-2024-1"), Some("pkg:pypi/django")),
            (Some("pkg:pypi/django"), None),
            (None, Some("CVE-2024-1")),
            (None, Some("pkg:")),
        ] {
            assert!(wanted(id, purl).is_err(), "{id:?} {purl:?}");
        }
    }
}
