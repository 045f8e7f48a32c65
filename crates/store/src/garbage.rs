//! Collecting garbage while everything else goes on (ADR 11). A link of a repository to a blob that no manifest there needs
//! goes after a grace; a blob that no repository links goes with it; its bytes go after the rows.
//!
//! All state is in tables, so that a collection can be cut off anywhere and another process goes on with it. Work comes in
//! small transactions, each of which asks again whether what it removes is still garbage. What a client was told of is kept
//! for at least half a grace: `catalogue::keep_blob`. Which images are worth keeping is not decided here.

use std::time::Duration;

use crate::Store;
use crate::error::Result;

mod blobs;
mod files;
mod links;
mod orphans;
mod preview;
mod record;
mod run;

pub(crate) use blobs::discard;
pub(crate) use orphans::without_row;
pub use preview::preview;
pub use record::{Collection, Phase, ask, recent};
pub use run::{collect_due, collect_now};

/// How long something stays that nothing needs, unless the operator says otherwise: a day in which a slow push, or one that
/// waits for somebody, can end.
pub const GRACE: Duration = Duration::from_secs(24 * 60 * 60);

/// The pause between two collections that nobody asks for.
pub const PERIOD_MILLISECONDS: i64 = 60 * 60 * 1_000;
/// The pause between two that also look for files without a row.
pub const SWEEP_PERIOD_MILLISECONDS: i64 = 24 * 60 * 60 * 1_000;

/// How far the clocks of several servers may differ. What was noted further ahead was noted by a clock that was wrong, and
/// keeps nobody from anything.
pub(crate) const CLOCK_SLACK_MILLISECONDS: i64 = 5 * 60 * 1_000;

/// Rows that are read at a time.
const PAGE_ROWS: i64 = 1_000;
/// Rows that one transaction removes: some milliseconds of a database's only writer.
const PIECE: usize = 200;

impl Store {
    /// How long something stays that nothing needs, in milliseconds.
    pub(crate) fn grace_milliseconds(&self) -> i64 {
        i64::try_from(self.grace().as_millis()).unwrap_or(i64::MAX)
    }
}

/// What is older than this is old enough to go (milliseconds since the epoch).
fn cut(store: &Store, now: i64) -> i64 {
    now.saturating_sub(store.grace_milliseconds())
}

/// Whether a backup is being made: it counts on the bytes of everything that its copy of the database names.
async fn is_backup_under_way(store: &Store, now: i64) -> Result<bool> {
    crate::backup::is_under_way(store.db(), now).await
}
