//! Answers that are kept, and whether they still hold: one query for a manifest, its counters and all its answers.

use oci::{Digest, RepositoryName};
use policy::Decision;
use sqlx::AnyConnection;

use super::GateName;
use crate::Store;
use crate::db::{RowExt, Value};
use crate::error::{Error, Result};

/// A manifest in a repository, with the answers that are kept about it.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) repository_id: i64,
    /// Names the state of everything a gate may see.
    pub(super) facts_key: String,
    pub(super) answers: Vec<Answer>,
}

/// One answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) gate: GateName,
    facts_key: String,
    pub(super) decision: Decision,
    holds_until: Option<i64>,
}

impl Kept {
    /// The answer of a gate, if it holds at `now`.
    pub(super) fn take_valid(&mut self, gate: &GateName, now: i64) -> Option<Decision> {
        let holds = |answer: &Answer| {
            answer.gate == *gate
                && answer.facts_key == self.facts_key
                && answer.holds_until.is_none_or(|until| now < until)
        };
        let position = self.answers.iter().position(holds)?;
        Some(self.answers.swap_remove(position).decision)
    }

    /// The last answer of a gate, whether it holds or not.
    pub(super) fn last(&self, policy: &str, gate: &str) -> Option<&Decision> {
        let answer = self
            .answers
            .iter()
            .find(|answer| answer.gate.policy == policy && answer.gate.gate == gate);
        answer.map(|answer| &answer.decision)
    }
}

/// All that an answer about a row `m` of `manifests` depends on, besides time: its revision, and the counters of what all answers
/// depend on. The program's version stands for how it judges, with a number that goes up when that changes within a version. Each
/// counter is a query of its own, found by its key and asked once; as a row of a joined query they would be a table that SQLite makes
/// and drops for each answer.
macro_rules! facts_key {
    () => {
        concat!(
            "(m.facts_revision || '.' || m.pushed_at || '.' || \
             (SELECT value FROM revisions WHERE name = 'directory') || '.' || \
             (SELECT value FROM revisions WHERE name = 'policies') || '.' || \
             (SELECT value FROM revisions WHERE name = 'advisories') || '.",
            env!("CARGO_PKG_VERSION"),
            "+2')"
        )
    };
}
pub(super) use facts_key;

const READ: &str = concat!(
    "SELECT m.repository_id, ",
    facts_key!(),
    " AS facts_now, d.policy, d.gate, d.facts_key, d.decision, d.holds_until FROM repositories r \
     JOIN manifests m ON m.repository_id = r.id LEFT JOIN decisions d ON d.repository_id = m.repository_id AND d.digest = m.digest \
     WHERE r.name = $1 AND m.digest = $2 ORDER BY d.policy, d.gate"
);

/// Reads what is kept about a manifest that the repository holds.
pub(super) async fn read(
    conn: &mut AnyConnection,
    repository: &RepositoryName,
    digest: &Digest,
) -> Result<Kept> {
    let rows = sqlx::query(READ)
        .bind(repository.as_str())
        .bind(digest.as_str())
        .fetch_all(conn)
        .await?;
    let mut reading = Reading::default();
    for row in &rows {
        reading.row(row)?;
    }
    reading.end(repository, digest)
}

/// The same, as it stands now: a point read.
pub(super) async fn read_now(
    store: &Store,
    repository: &RepositoryName,
    digest: &Digest,
) -> Result<Kept> {
    let mut reading = Reading::default();
    let values = [
        Value::Text(repository.as_str()),
        Value::Text(digest.as_str()),
    ];
    store
        .db()
        .point_all(READ, &values, |row| reading.row(row))
        .await?;
    reading.end(repository, digest)
}

/// What the rows said so far: all of them name the manifest, each one answer, if any.
#[derive(Default)]
struct Reading(Option<Kept>);

impl Reading {
    fn row(&mut self, row: &impl RowExt) -> Result<()> {
        let kept = match &mut self.0 {
            Some(kept) => kept,
            none => none.insert(Kept {
                repository_id: row.int("repository_id")?,
                facts_key: row.text("facts_now")?,
                answers: Vec::new(),
            }),
        };
        kept.answers.extend(answer(row)?);
        Ok(())
    }

    fn end(self, repository: &RepositoryName, digest: &Digest) -> Result<Kept> {
        self.0
            .ok_or_else(|| Error::not_found("manifest", format!("{repository}@{digest}")))
    }
}

fn answer(row: &impl RowExt) -> Result<Option<Answer>> {
    let Some(policy) = row.opt_text("policy")? else {
        return Ok(None);
    };
    // An answer of a program that wrote it differently is as good as none.
    let Ok(decision) = serde_json::from_str(&row.text("decision")?) else {
        return Ok(None);
    };
    Ok(Some(Answer {
        gate: GateName {
            policy,
            gate: row.text("gate")?,
        },
        facts_key: row.text("facts_key")?,
        decision,
        holds_until: row.opt_int("holds_until")?,
    }))
}
