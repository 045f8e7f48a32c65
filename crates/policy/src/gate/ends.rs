//! Until when a signature counts: what was signed may name an end, and a stage may take none that was stored too long ago.
//!
//! Age runs from when this server first stored the bytes. What has ended still counts for the order of stages, and its
//! signer stays an author: that is history, and time does not undo it. DESIGN §3 "What counts", "Time".

use super::words;
use crate::facts::Evidence;
use crate::file::Stage;
use crate::reason::Code;

/// The first instant at which a signature no longer counts, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct End {
    /// In milliseconds since the epoch.
    pub(super) at: i64,
    pub(super) code: Code,
}

/// When a signature ends for a stage, if it does.
pub(super) fn of(evidence: &Evidence, stage: &Stage) -> Option<End> {
    let by_itself = evidence.expires_at.map(|at| End {
        at,
        code: Code::Expired,
    });
    let by_age = stage.fresh_milliseconds.map(|fresh| End {
        at: evidence.stored_at.saturating_add(fresh),
        code: Code::TooOld,
    });
    by_itself.into_iter().chain(by_age).min_by_key(|end| end.at)
}

impl End {
    pub(super) fn has_come(&self, now: i64) -> bool {
        self.at <= now
    }

    /// Why the signature of `who` does not count any more.
    pub(super) fn message(
        &self,
        who: &str,
        evidence: &Evidence,
        name: &str,
        stage: &Stage,
    ) -> String {
        match stage.fresh_milliseconds {
            Some(fresh) if self.code == Code::TooOld => format!(
                "the signature of {who} was stored at {}, and stage {name} takes none older than {}",
                words::instant(evidence.stored_at),
                words::duration(fresh)
            ),
            _ => format!(
                "the signature of {who} ended at {}",
                words::instant(self.at)
            ),
        }
    }
}
