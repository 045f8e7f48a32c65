//! The answers that are kept about what a run of tags is on, for whoever asks about all tags of a repository: one query for all of them,
//! so that a tag that moves costs what it changes and not a question for each of the others. Nothing is decided here: what has no answer that
//! holds is not told, and has to be asked about by itself.

use std::collections::BTreeMap;

use oci::{Digest, RepositoryName};
use policy::Outcome;

use super::GateName;
use super::kept::facts_key;
use crate::Store;
use crate::db::RowExt;
use crate::error::Result;

/// What a kept answer comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeptAnswer {
    /// The answer.
    pub outcome: Outcome,
    /// Until when time alone does not change it, in milliseconds since the epoch.
    pub holds_until: Option<i64>,
}

/// Kept answers by manifest and gate.
pub type KeptAnswers = BTreeMap<Digest, BTreeMap<GateName, KeptAnswer>>;

const READ: &str = concat!(
    "SELECT DISTINCT d.digest, d.policy, d.gate, d.outcome, d.holds_until FROM repositories r \
     JOIN tags t ON t.repository_id = r.id \
     JOIN manifests m ON m.repository_id = t.repository_id AND m.digest = t.digest \
     JOIN decisions d ON d.repository_id = m.repository_id AND d.digest = m.digest \
     WHERE r.name = $1 AND t.name > $2 AND t.name <= $3 AND d.facts_key = ",
    facts_key!(),
    " AND (d.holds_until IS NULL OR d.holds_until > $4)"
);

/// The answers that hold at `now`, of every gate, about the manifests under the tags after `after` and up to `last`.
///
/// # Errors
/// The database failed.
pub async fn kept_under(
    store: &Store,
    repository: &RepositoryName,
    (after, last): (&str, &str),
    now: i64,
) -> Result<KeptAnswers> {
    let rows = sqlx::query(READ)
        .bind(repository.as_str())
        .bind(after)
        .bind(last)
        .bind(now)
        .fetch_all(store.db().read())
        .await?;
    let mut kept = KeptAnswers::new();
    for row in &rows {
        // What another program wrote is as good as none.
        let Some(outcome) = parse_outcome(&row.text("outcome")?) else {
            continue;
        };
        let gate = GateName::new(row.text("policy")?, row.text("gate")?);
        let answer = KeptAnswer {
            outcome,
            holds_until: row.opt_int("holds_until")?,
        };
        let of_image = kept.entry(row.digest("digest")?).or_default();
        of_image.insert(gate, answer);
    }
    Ok(kept)
}

fn parse_outcome(text: &str) -> Option<Outcome> {
    let all = [
        Outcome::Allow,
        Outcome::Warn,
        Outcome::Deny,
        Outcome::NotReady,
    ];
    all.into_iter().find(|outcome| outcome.as_str() == text)
}
