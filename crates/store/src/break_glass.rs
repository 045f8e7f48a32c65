//! Break-glass: one gate of one policy, opened for one image in one repository by two people, for a while. Who they may be and the bounds
//! are `policy::break_glass`'s, what it does to an answer `policy::gate`'s; here is what was asked, confirmed and ended.
//!
//! Each act is one transaction with its event and its audit row; one that changes what a gate sees raises the facts revision, that of what
//! an index lists with its own (`facts`). An answer ends when its break-glass does, whether or not anybody has written that down: `end_due`
//! only tells.

mod acting;
mod telling;

use oci::{Digest, RepositoryName};
use policy::{PrincipalId, facts};
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

pub(crate) use self::acting::end_without_gate;
pub use self::acting::{Asked, ask, confirm, end_due, withdraw};
use crate::Store;
use crate::db::RowExt;
use crate::error::{Error, Result};

/// The most that one call lists.
pub const LIST_MAX: u32 = 1_000;

/// A break-glass, at whatever stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its number.
    pub id: i64,
    /// The number of the repository.
    pub repository_id: i64,
    /// The repository.
    pub repository: RepositoryName,
    /// The manifest.
    pub digest: Digest,
    /// The policy of the gate.
    pub policy: String,
    /// The gate.
    pub gate: String,
    /// How long it lasts from its confirmation on, in milliseconds.
    pub lasts_milliseconds: i64,
    /// Why.
    pub reason: String,
    /// Who asked for it.
    pub asked_by: PrincipalId,
    /// When, in milliseconds since the epoch.
    pub asked_at: i64,
    /// Who confirmed it.
    pub confirmed_by: Option<PrincipalId>,
    /// When, in milliseconds since the epoch.
    pub confirmed_at: Option<i64>,
    /// When it ends by itself, in milliseconds since the epoch: while it waits, when it lapses.
    pub until_at: i64,
    /// How it ended, once that is written down.
    pub ended: Option<Ended>,
}

/// How a break-glass ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// In which way.
    pub how: How,
    /// When, in milliseconds since the epoch.
    pub at: i64,
    /// Who ended it; nobody where it ended by itself.
    pub by: Option<PrincipalId>,
}

/// The ways in which it can end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// Nobody confirmed it in time.
    Lapsed,
    /// Its time is over.
    Over,
    /// Somebody ended it, confirmed or not.
    Withdrawn,
}

impl How {
    /// `lapsed`, `over` or `withdrawn`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            How::Lapsed => "lapsed",
            How::Over => "over",
            How::Withdrawn => "withdrawn",
        }
    }

    fn parse(text: &str) -> Result<How> {
        [How::Lapsed, How::Over, How::Withdrawn]
            .into_iter()
            .find(|how| how.as_str() == text)
            .ok_or_else(|| Error::Corrupt {
                what: "break_glass.ended_how".to_owned(),
                why: format!("`{text}` is not a way to end"),
            })
    }
}

/// Where a break-glass stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It waits for a second person, and does nothing.
    Asked,
    /// It opens its gate.
    InForce,
    /// It does nothing any more.
    Ended,
}

impl Record {
    /// Where it stands at `now`, in milliseconds since the epoch.
    #[must_use]
    pub fn state(&self, now: i64) -> State {
        match self.confirmed_at {
            _ if self.ended.is_some() || self.until_at <= now => State::Ended,
            None => State::Asked,
            Some(_) => State::InForce,
        }
    }

    /// How it ended by `now`, also where nobody has written it down yet.
    #[must_use]
    pub fn ended(&self, now: i64) -> Option<Ended> {
        match &self.ended {
            Some(ended) => Some(ended.clone()),
            None if self.until_at <= now => Some(self.ends_by_itself()),
            None => None,
        }
    }

    fn ends_by_itself(&self) -> Ended {
        let how = match self.confirmed_at {
            Some(_) => How::Over,
            None => How::Lapsed,
        };
        Ended {
            how,
            at: self.until_at,
            by: None,
        }
    }
}

/// All columns, for a statement to go on.
macro_rules! select {
    () => {
        "SELECT b.id, b.repository_id, r.name AS repository, b.digest, b.policy, b.gate, b.lasts_milliseconds, b.reason, b.asked_by, \
         b.asked_at, b.confirmed_by, b.confirmed_at, b.until_at, b.ended_by, b.ended_at, b.ended_how FROM break_glass b \
         JOIN repositories r ON r.id = b.repository_id "
    };
}
use select;

/// That a column names the manifest $2 of the repository $1, or an index held there that lists it: what is opened for an index is for
/// what it lists too, as its signatures are.
macro_rules! covers {
    ($digest:literal) => {
        concat!(
            "(",
            $digest,
            " = $2 OR ",
            $digest,
            " IN (SELECT c.manifest FROM manifest_references c \
             JOIN manifests m ON m.repository_id = c.repository_id AND m.digest = c.manifest \
             WHERE c.repository_id = $1 AND c.digest = $2 AND c.kind = 'child'))"
        )
    };
}

/// The one with this number.
///
/// # Errors
/// `NotFound` when there is none.
pub async fn get(store: &Store, id: i64) -> Result<Record> {
    let mut conn = store.db().read().acquire().await?;
    get_in(&mut conn, id).await
}

async fn get_in(conn: &mut AnyConnection, id: i64) -> Result<Record> {
    let row = sqlx::query(concat!(select!(), "WHERE b.id = $1"))
        .bind(id)
        .fetch_optional(conn)
        .await?
        .ok_or_else(|| Error::not_found("break-glass", id))?;
    record(&row)
}

/// All that there ever were, the newest first, beginning before a number.
pub async fn list(store: &Store, before: Option<i64>, limit: u32) -> Result<Vec<Record>> {
    let rows = sqlx::query(concat!(
        select!(),
        "WHERE b.id < $1 ORDER BY b.id DESC LIMIT $2"
    ))
    .bind(before.unwrap_or(i64::MAX))
    .bind(i64::from(limit.min(LIST_MAX)))
    .fetch_all(store.db().read())
    .await?;
    rows.iter().map(record).collect()
}

/// Those that wait or are in force at `now`, the newest first, beginning before a number.
pub async fn open(store: &Store, before: Option<i64>, limit: u32, now: i64) -> Result<Vec<Record>> {
    let rows = sqlx::query(concat!(
        select!(),
        "WHERE b.ended_at IS NULL AND b.until_at > $1 AND b.id < $2 ORDER BY b.id DESC LIMIT $3"
    ))
    .bind(now)
    .bind(before.unwrap_or(i64::MAX))
    .bind(i64::from(limit.min(LIST_MAX)))
    .fetch_all(store.db().read())
    .await?;
    rows.iter().map(record).collect()
}

/// The same for one image and the indexes that list it there, the newest first.
pub async fn open_for(
    store: &Store,
    repository_id: i64,
    digest: &Digest,
    now: i64,
) -> Result<Vec<Record>> {
    let rows = sqlx::query(concat!(
        select!(),
        "WHERE b.repository_id = $1 AND ",
        covers!("b.digest"),
        " AND b.ended_at IS NULL AND b.until_at > $3 ORDER BY b.id DESC LIMIT $4"
    ))
    .bind(repository_id)
    .bind(digest.as_str())
    .bind(now)
    .bind(i64::from(LIST_MAX))
    .fetch_all(store.db().read())
    .await?;
    rows.iter().map(record).collect()
}

/// What a gate sees: those that were confirmed for a manifest, or for an index that lists it there, and not ended. Which of them are in
/// force now, the gate says.
pub(crate) async fn confirmed(
    conn: &mut AnyConnection,
    repository_id: i64,
    digest: &Digest,
) -> Result<Vec<facts::BreakGlass>> {
    let rows = sqlx::query(concat!(
        "SELECT id, digest, policy, gate, reason, asked_by, confirmed_by, confirmed_at, until_at FROM break_glass \
         WHERE repository_id = $1 AND ",
        covers!("digest"),
        " AND ended_at IS NULL AND confirmed_by IS NOT NULL AND confirmed_at IS NOT NULL ORDER BY id",
    ))
    .bind(repository_id)
    .bind(digest.as_str())
    .fetch_all(conn)
    .await?;
    rows.iter()
        .map(|row| {
            Ok(facts::BreakGlass {
                id: row.int("id")?,
                digest: row.digest("digest")?,
                policy: row.text("policy")?,
                gate: row.text("gate")?,
                reason: row.text("reason")?,
                asked_by: PrincipalId(row.int("asked_by")?),
                confirmed_by: PrincipalId(row.int("confirmed_by")?),
                confirmed_at: row.int("confirmed_at")?,
                until_at: row.int("until_at")?,
            })
        })
        .collect()
}

fn record(row: &AnyRow) -> Result<Record> {
    let by = |column| Ok::<_, Error>(row.opt_int(column)?.map(PrincipalId));
    let ended = match row.opt_int("ended_at")? {
        None => None,
        Some(at) => Some(Ended {
            how: How::parse(&row.opt_text("ended_how")?.unwrap_or_default())?,
            at,
            by: by("ended_by")?,
        }),
    };
    Ok(Record {
        id: row.int("id")?,
        repository_id: row.int("repository_id")?,
        repository: row.parsed("repository")?,
        digest: row.digest("digest")?,
        policy: row.text("policy")?,
        gate: row.text("gate")?,
        lasts_milliseconds: row.int("lasts_milliseconds")?,
        reason: row.text("reason")?,
        asked_by: PrincipalId(row.int("asked_by")?),
        asked_at: row.int("asked_at")?,
        confirmed_by: by("confirmed_by")?,
        confirmed_at: row.opt_int("confirmed_at")?,
        until_at: row.int("until_at")?,
        ended,
    })
}
