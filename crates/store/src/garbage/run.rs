//! One collection from where it stands to its end, phase by phase, each of which goes through its table behind `position`.

use std::error::Error as _;
use std::time::Duration;

use super::record::{Collection, Held, Phase, ask_here, take};
use super::{blobs, cut, files, links, orphans};
use crate::Store;
use crate::db::write_tx;
use crate::error::{Error, Result};

/// The pause after each transaction that removed something: others write meanwhile.
const PAUSE: Duration = Duration::from_millis(10);
/// How long nothing is written of a collection that finds nothing.
const BEAT_MILLISECONDS: i64 = 5_000;

/// Collects if it is time, or if somebody asked, and nobody is at it: from wherever the last holder stopped. Answers what it
/// did. `now` is asked again and again: a collection takes a while.
pub async fn collect_due(
    store: &Store,
    now: &(dyn Fn() -> i64 + Send + Sync),
) -> Result<Option<Collection>> {
    let Some(held) = take(store, now()).await? else {
        return Ok(None);
    };
    let mut run = Run {
        store,
        now,
        beaten_at: now(),
        held,
    };
    while run.step().await? {}
    Ok(Some(run.held.collection))
}

/// Collects now, in a store that nobody else has open.
pub async fn collect_now(
    store: &Store,
    sweep: bool,
    now: &(dyn Fn() -> i64 + Send + Sync),
) -> Result<Collection> {
    ask_here(store, sweep, now()).await?;
    match collect_due(store, now).await? {
        Some(done) => Ok(done),
        None => Err(Error::Conflict {
            kind: "collection",
            name: "of garbage".to_owned(),
            why: "is under way in another process: wait for it to end",
        }),
    }
}

/// A collection under way.
pub(super) struct Run<'a> {
    pub(super) store: &'a Store,
    now: &'a (dyn Fn() -> i64 + Send + Sync),
    beaten_at: i64,
    pub(super) held: Held,
}

impl Run<'_> {
    /// One page of the phase, or the step to the next phase. False at the end.
    async fn step(&mut self) -> Result<bool> {
        let more = match self.held.collection.phase {
            Phase::Waiting | Phase::Links => links::step(self).await?,
            Phase::Blobs => blobs::step(self).await?,
            Phase::Files => files::step(self).await?,
            Phase::Orphans => orphans::step(self).await?,
            Phase::Done => return Ok(false),
        };
        if more {
            self.beat().await?;
            return Ok(true);
        }
        let next = match self.held.collection.phase {
            Phase::Waiting | Phase::Links => Phase::Blobs,
            Phase::Blobs => Phase::Files,
            Phase::Files if self.held.collection.sweep => Phase::Orphans,
            Phase::Files | Phase::Orphans | Phase::Done => Phase::Done,
        };
        if next == Phase::Done {
            self.held.finish(self.store, self.now()).await?;
            return Ok(false);
        }
        self.held.collection.phase = next;
        self.held.position.clear();
        self.write().await?;
        Ok(true)
    }

    /// Removes an object; answers whether it was there, or nothing where it stays although the place answers: that one is
    /// counted, and keeps nobody from the others.
    pub(super) async fn remove(&mut self, key: &str) -> Result<Option<bool>> {
        match self.store.objects().remove(key).await {
            Ok(was_there) => Ok(Some(was_there)),
            Err(error) => {
                self.store.objects().check().await?;
                let cause = error.source().map(|cause| format!(": {cause}"));
                let failure = format!("`{key}`: {error}{}", cause.unwrap_or_default());
                self.held.collection.failed += 1;
                self.held.collection.failure = Some(failure);
                Ok(None)
            }
        }
    }

    pub(super) fn now(&self) -> i64 {
        (self.now)()
    }

    /// What is older than this may go.
    pub(super) fn cut(&self) -> i64 {
        cut(self.store, self.now())
    }

    /// Lets others write.
    pub(super) async fn pause(&self) {
        tokio::time::sleep(PAUSE).await;
    }

    /// Writes how it stands, now and then.
    async fn beat(&mut self) -> Result<()> {
        if self.now() < self.beaten_at.saturating_add(BEAT_MILLISECONDS) {
            return Ok(());
        }
        self.write().await
    }

    async fn write(&mut self) -> Result<()> {
        let now = self.now();
        self.beaten_at = now;
        write_tx!(self.store.db(), |tx| self.held.write(tx, now).await)
    }
}
