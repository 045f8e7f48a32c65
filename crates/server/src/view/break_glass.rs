//! Break-glasses as they are told, and which of them a caller may see: those of repositories that they may look into.

use crate::asker::Asker;
use crate::error::ApiResult;
use client::api::break_glass::{BreakGlass, BreakGlassState};
use store::break_glass::{self, LIST_MAX, Record, State};
use store::catalogue::StoredManifest;

/// One of them, as of when the caller asks.
pub(crate) fn break_glass(asker: &Asker, record: Record) -> BreakGlass {
    let now = asker.now();
    let ended = record.ended(now);
    BreakGlass {
        id: record.id,
        state: match record.state(now) {
            State::Asked => BreakGlassState::Asked,
            State::InForce => BreakGlassState::InForce,
            State::Ended => BreakGlassState::Ended,
        },
        repository: record.repository,
        digest: record.digest,
        policy: record.policy,
        gate: record.gate,
        reason: record.reason,
        for_seconds: record.lasts_milliseconds / 1_000,
        asked_by: asker.name_of(record.asked_by),
        asked_at: record.asked_at,
        confirmed_by: record.confirmed_by.map(|id| asker.name_of(id)),
        confirmed_at: record.confirmed_at,
        until_at: record.until_at,
        end: ended.as_ref().map(|ended| ended.how.as_str().to_owned()),
        ended_by: ended
            .as_ref()
            .and_then(|ended| ended.by)
            .map(|id| asker.name_of(id)),
        ended_at: ended.map(|ended| ended.at),
    }
}

/// Some of them, the newest first, before a number: those that are open, or all.
pub(crate) async fn break_glasses(
    asker: &Asker,
    all: bool,
    mut before: Option<i64>,
    limit: u32,
) -> ApiResult<Vec<BreakGlass>> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut seen = Vec::new();
    loop {
        let records = match all {
            true => break_glass::list(asker.store(), before, LIST_MAX).await?,
            false => break_glass::open(asker.store(), before, LIST_MAX, asker.now()).await?,
        };
        let is_last = u32::try_from(records.len()).is_ok_and(|length| length < LIST_MAX);
        before = records.last().map(|last| last.id);
        let visible = records
            .into_iter()
            .filter(|record| asker.inspects(&record.repository));
        seen.extend(visible.map(|record| break_glass(asker, record)));
        if is_last || seen.len() >= limit {
            seen.truncate(limit);
            return Ok(seen);
        }
    }
}

/// Those of one image, and of the indexes that list it, that are open.
pub(crate) async fn break_glasses_of(
    asker: &Asker,
    manifest: &StoredManifest,
) -> ApiResult<Vec<BreakGlass>> {
    let (id, digest) = (manifest.repository_id, &manifest.digest);
    let records = break_glass::open_for(asker.store(), id, digest, asker.now()).await?;
    Ok(records
        .into_iter()
        .map(|record| break_glass(asker, record))
        .collect())
}
