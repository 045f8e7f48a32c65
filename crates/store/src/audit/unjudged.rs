//! Evidence by certificates that the trusted root cannot judge any more: whether the log says that it was verified when it could. So a
//! signature that was made up by hand in the database, with an authority that nobody ever trusted, is not taken for an old one, and neither
//! are its bytes put in the place of those that were verified. Rows of former versions do not name the signature by its fingerprint:
//! what it says is all that is compared with them.

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
    place: Place,
    subject: Option<String>,
    stage: Option<String>,
    key: Option<String>,
    /// Of the bytes that are kept, whatever the columns say.
    fingerprint: String,
    /// What the root lacks.
    why: String,
}

/// The repository, and what the piece is attached to there.
type Place = (String, String);

impl Unjudged {
    /// Of a row of the evidence, with the repository's name.
    pub(super) fn of(row: &AnyRow, why: String) -> Result<Self> {
        let attached_to = row.text("attached_to")?;
        let signature = row.opt_text("signature")?;
        let fingerprint = trust::fingerprint(&row.bytes("raw")?, signature.as_deref());
        Ok(Self {
            id: row.int("id")?,
            place: (row.text("repository")?, attached_to.clone()),
            subject: row.opt_text("subject")?,
            stage: row.opt_text("stage")?,
            key: row.opt_text("key_id")?,
            fingerprint: fingerprint.to_string(),
            attached_to,
            why,
        })
    }

    pub(super) fn line(&self) -> String {
        let (repository, _) = &self.place;
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
    by_place: BTreeMap<&'a Place, Vec<&'a Unjudged>>,
    by_fingerprint: BTreeMap<(Place, String), Vec<&'a Unjudged>>,
    keys: BTreeMap<i64, Option<&'a str>>,
    /// Verified when they were attached.
    at_once: BTreeSet<i64>,
    /// Attached, whatever was known of them then.
    attached: BTreeSet<i64>,
    /// Verified when they were read again.
    later: BTreeSet<i64>,
}

impl<'a> Account<'a> {
    fn of(pieces: &'a [Unjudged]) -> Self {
        let mut account = Self {
            by_place: BTreeMap::new(),
            by_fingerprint: BTreeMap::new(),
            keys: BTreeMap::new(),
            at_once: BTreeSet::new(),
            attached: BTreeSet::new(),
            later: BTreeSet::new(),
        };
        for piece in pieces {
            let Unjudged {
                place, fingerprint, ..
            } = piece;
            account.by_place.entry(place).or_default().push(piece);
            let name = (place.clone(), fingerprint.clone());
            account.by_fingerprint.entry(name).or_default().push(piece);
            account.keys.insert(piece.id, piece.key.as_deref());
        }
        account
    }

    fn attach(&mut self, object: &str, detail: &Value) {
        let repository = object.split_once('@').map_or(object, |(name, _)| name);
        let pieces = detail.get("evidence").and_then(Value::as_array);
        for told in pieces.into_iter().flatten() {
            let text = |field: &str| told.get(field).and_then(Value::as_str);
            let attached_to = text("attached_to").unwrap_or_default();
            let place = (repository.to_owned(), attached_to.to_owned());
            let found = match text("fingerprint") {
                Some(fingerprint) => self.by_fingerprint.get(&(place, fingerprint.to_owned())),
                None => self.by_place.get(&place),
            };
            let (subject, stage) = (text("subject"), text("stage"));
            for piece in found.into_iter().flatten() {
                let is_so = piece.subject.as_deref() == subject && piece.stage.as_deref() == stage;
                // Of what could not be read then, the log does not say what it is about.
                if is_so || subject.is_none() {
                    self.attached.insert(piece.id);
                }
                if is_so && piece.key.as_deref() == text("key_id") {
                    self.at_once.insert(piece.id);
                }
            }
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
