//! Evidence by certificates that the trusted root cannot judge any more: whether the log says that it was verified when it could. So a
//! signature that was made up by hand in the database, with an authority that nobody ever trusted, is not taken for an old one.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use crate::db::RowExt;
use crate::error::Result;

/// How many rows are read at a time.
const PAGE_ROWS: i64 = 2_000;
const VERIFIED: &str = "verified";

/// A piece of such evidence.
pub(super) struct Unjudged {
    pub(super) id: i64,
    pub(super) attached_to: String,
    claim: Claim,
    /// What the root lacks.
    why: String,
}

/// What the log has of a piece when it is attached.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Claim {
    place: Place,
    subject: Option<String>,
    stage: Option<String>,
    key: Option<String>,
}

/// The repository, and what the piece is attached to there.
type Place = (String, String);

impl Unjudged {
    /// Of a row of the evidence, with the repository's name.
    pub(super) fn of(row: &AnyRow, why: String) -> Result<Self> {
        let attached_to = row.text("attached_to")?;
        Ok(Self {
            id: row.int("id")?,
            claim: Claim {
                place: (row.text("repository")?, attached_to.clone()),
                subject: row.opt_text("subject")?,
                stage: row.opt_text("stage")?,
                key: row.opt_text("key_id")?,
            },
            attached_to,
            why,
        })
    }

    pub(super) fn line(&self) -> String {
        let (repository, _) = &self.claim.place;
        format!(
            "evidence {} of `{repository}@{}` cannot be judged by this root any more: {}",
            self.id, self.attached_to, self.why
        )
    }
}

/// Those of which the log says that they were verified: when they were attached, or when they were read again.
pub(super) async fn accounted(
    conn: &mut AnyConnection,
    pieces: &[Unjudged],
) -> Result<BTreeSet<i64>> {
    let mut account = Account::of(pieces);
    let mut after = 0_i64;
    while !pieces.is_empty() {
        let rows = sqlx::query(
            "SELECT id, act, object, detail FROM audit WHERE id > $1 AND act IN ('evidence.attach', 'evidence.verify') \
             ORDER BY id LIMIT $2",
        )
        .bind(after)
        .bind(PAGE_ROWS)
        .fetch_all(&mut *conn)
        .await?;
        for row in &rows {
            after = row.int("id")?;
            // One that says nothing accounts for nothing.
            let detail: Value = serde_json::from_str(&row.text("detail")?).unwrap_or_default();
            match row.text("act")?.as_str() {
                "evidence.attach" => account.attach(&row.text("object")?, &detail),
                _ => account.verify(&detail),
            }
        }
        if rows.is_empty() {
            break;
        }
    }
    Ok(account.into_ids())
}

/// What was found in the log so far.
struct Account<'a> {
    by_claim: BTreeMap<&'a Claim, Vec<i64>>,
    by_place: BTreeMap<&'a Place, Vec<i64>>,
    keys: BTreeMap<i64, Option<&'a str>>,
    /// Verified when they were attached.
    at_once: BTreeSet<i64>,
    /// Where something was attached, whatever was known of it then.
    attached: BTreeSet<i64>,
    /// Verified when they were read again.
    later: BTreeSet<i64>,
}

impl<'a> Account<'a> {
    fn of(pieces: &'a [Unjudged]) -> Self {
        let mut account = Self {
            by_claim: BTreeMap::new(),
            by_place: BTreeMap::new(),
            keys: BTreeMap::new(),
            at_once: BTreeSet::new(),
            attached: BTreeSet::new(),
            later: BTreeSet::new(),
        };
        for Unjudged { id, claim, .. } in pieces {
            account.by_claim.entry(claim).or_default().push(*id);
            account.by_place.entry(&claim.place).or_default().push(*id);
            account.keys.insert(*id, claim.key.as_deref());
        }
        account
    }

    fn attach(&mut self, object: &str, detail: &Value) {
        let repository = object.split_once('@').map_or(object, |(name, _)| name);
        let pieces = detail.get("evidence").and_then(Value::as_array);
        for piece in pieces.into_iter().flatten() {
            let text = |field: &str| piece.get(field).and_then(Value::as_str).map(str::to_owned);
            let claim = Claim {
                place: (
                    repository.to_owned(),
                    text("attached_to").unwrap_or_default(),
                ),
                subject: text("subject"),
                stage: text("stage"),
                key: text("key_id"),
            };
            let ids = |found: Option<&Vec<i64>>| found.cloned().unwrap_or_default();
            self.attached.extend(ids(self.by_place.get(&claim.place)));
            self.at_once.extend(ids(self.by_claim.get(&claim)));
        }
    }

    fn verify(&mut self, detail: &Value) {
        let text = |field: &str| detail.get(field).and_then(Value::as_str);
        let Some(id) = detail.get("id").and_then(Value::as_i64) else {
            return;
        };
        let is_of = self.keys.get(&id).is_some_and(|key| *key == text("key_id"));
        if is_of && text("verdict") == Some(VERIFIED) {
            self.later.insert(id);
        }
    }

    fn into_ids(self) -> BTreeSet<i64> {
        let later = self.later.intersection(&self.attached).copied();
        later.chain(self.at_once.iter().copied()).collect()
    }
}
