//! Break-glasses as they are told, and which of them a caller may see: those of repositories that they may look into.

use crate::asker::Asker;
use crate::error::ApiResult;
use client::api::break_glass::{BreakGlass, BreakGlassState};
use store::break_glass::{self, LIST_MAX, Record, State};
use store::catalogue::StoredManifest;

/// How many rows one request looks at.
const LOOKED_AT_MAX: usize = 5_000;

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

/// Some of them, and how far was looked for them.
pub(crate) struct Seen {
    /// The newest first.
    pub(crate) items: Vec<BreakGlass>,
    /// The number before which to look on, where so many were looked at that it is another request's turn; `items` may be few then.
    pub(crate) looked_to: Option<i64>,
}

/// Some of them, the newest first, before a number: those that are open, or all. So that nobody who may see few of them has all of them
/// read at once, no more than [`LOOKED_AT_MAX`] are looked at.
pub(crate) async fn break_glasses(
    asker: &Asker,
    all: bool,
    mut before: Option<i64>,
    limit: u32,
) -> ApiResult<Seen> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let (mut items, mut looked_at) = (Vec::new(), 0_usize);
    loop {
        let records = match all {
            true => break_glass::list(asker.store(), before, LIST_MAX).await?,
            false => break_glass::open(asker.store(), before, LIST_MAX, asker.now()).await?,
        };
        let is_last = u32::try_from(records.len()).is_ok_and(|length| length < LIST_MAX);
        before = records.last().map(|last| last.id);
        looked_at = looked_at.saturating_add(records.len());
        let visible = records
            .into_iter()
            .filter(|record| asker.inspects(&record.repository));
        items.extend(visible.map(|record| break_glass(asker, record)));
        let is_full = items.len() >= limit;
        if is_last || is_full || looked_at >= LOOKED_AT_MAX {
            items.truncate(limit);
            return Ok(Seen {
                items,
                looked_to: before.filter(|_| !is_last && !is_full),
            });
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
