//! Order and authorship of a stage with signers: since when its signatures count, and whose never do.
//!
//! Time is when this server first stored the bytes. DESIGN §3 "What counts", "Time".

use std::collections::{BTreeMap, BTreeSet};

use super::Court;
use crate::facts::Evidence;
use crate::file::{AUTHOR_STAGE, Stage};
use crate::principal::PrincipalId;

/// What later stages need to know of a stage.
#[derive(Clone, Debug)]
pub(super) struct Completed {
    /// When it was complete, in milliseconds since the epoch.
    pub(super) at: Option<i64>,
    /// Why it is not, in a few words.
    pub(super) pending: &'static str,
    /// Whose signatures count for it.
    pub(super) identities: BTreeSet<PrincipalId>,
}

impl Completed {
    /// An automatic stage is complete since the server first recorded that its limits held.
    pub(super) fn automatic(recorded_at: Option<i64>) -> Self {
        Completed {
            at: recorded_at,
            pending: "is not recorded yet",
            identities: BTreeSet::new(),
        }
    }
}

/// Evidence in the order of time; what is of the same instant has an order too.
pub(super) fn in_order(evidence: &[Evidence]) -> Vec<&Evidence> {
    let mut sorted: Vec<&Evidence> = evidence.iter().collect();
    sorted.sort_by(|left, right| {
        let key = |evidence: &'_ Evidence| (evidence.stored_at, evidence.id);
        let rest = || (&left.manifest, &left.key).cmp(&(&right.manifest, &right.key));
        key(left).cmp(&key(right)).then_with(rest)
    });
    sorted
}

/// Since when signatures for a stage count, or why none counts yet.
#[derive(Debug)]
pub(super) enum Turn {
    Since {
        at: i64,
        after: Option<String>,
    },
    NotYet {
        stage: String,
        pending: &'static str,
    },
}

/// When the turn of a stage comes, given the stages before it.
pub(super) fn turn(stage: &Stage, completed: &BTreeMap<&str, Completed>) -> Turn {
    let mut since = Turn::Since {
        at: i64::MIN,
        after: None,
    };
    for name in &stage.after {
        let Some(before) = completed.get(name.as_str()) else {
            return Turn::NotYet {
                stage: name.clone(),
                pending: "is not complete",
            };
        };
        let Some(complete_at) = before.at else {
            return Turn::NotYet {
                stage: name.clone(),
                pending: before.pending,
            };
        };
        if matches!(since, Turn::Since { at, .. } if at < complete_at) {
            since = Turn::Since {
                at: complete_at,
                after: Some(name.clone()),
            };
        }
    }
    since
}

/// Who counts as author: whoever first pushed the digest, and the signers of `ci`.
pub(super) fn authors(
    court: &Court<'_>,
    name: &str,
    stage: &Stage,
    completed: &BTreeMap<&str, Completed>,
) -> BTreeSet<PrincipalId> {
    if !stage.except_author {
        return BTreeSet::new();
    }
    let mut authors: BTreeSet<PrincipalId> = completed
        .get(AUTHOR_STAGE)
        .filter(|_| name != AUTHOR_STAGE)
        .map(|ci| ci.identities.clone())
        .unwrap_or_default();
    authors.extend(
        court
            .facts
            .first_pushed_by
            .map(|pusher| court.directory.identity_of(pusher)),
    );
    authors
}
