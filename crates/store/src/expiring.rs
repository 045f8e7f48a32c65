//! Registered keys, and the trusted root of the configuration, that are about to end, told as events: 30 days and 7 days before, each
//! once for each end. Who is told can still register a key as it was prolonged, or the next one, before signatures stop counting. Deliberately
//! nothing of trust repositories, which have a look of their own (`tuf`), and of keys that are revoked: nobody waits for their end.

use policy::PrincipalId;
use serde_json::json;
use trust::End;

use crate::Store;
use crate::db::{RowExt, Tx, write_tx};
use crate::error::Result;
use crate::outbox::{self, NewEvent};
use crate::signing_keys::{self, KeyRecord};

pub(crate) const DAY_MILLISECONDS: i64 = 24 * 60 * 60 * 1_000;
/// How many days before an end something is told, the earliest first.
pub(crate) const DAYS: [i64; 2] = [30, 7];
const KEY_KIND: &str = "key.expiring";
const ROOT_KIND: &str = "trusted-root.expiring";

/// Which of the warnings holds now: the last one whose time has come, until the end itself.
pub(crate) fn days_left(end: i64, now: i64) -> Option<i64> {
    let is_due = |days: &i64| end - days * DAY_MILLISECONDS <= now && now < end;
    DAYS.into_iter().filter(is_due).min()
}

/// The first ends that lie ahead, in milliseconds since the epoch; `None` where nothing ends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NextEnds {
    /// Of a registered key or certificate that is not revoked.
    pub key: Option<i64>,
    /// Of a part of the trusted root.
    pub root: Option<i64>,
}

/// What ends next.
///
/// # Errors
/// The database fails, or a key in it cannot be read.
pub async fn next_ends(store: &Store, now: i64) -> Result<NextEnds> {
    let ahead = |ends: Vec<End>| {
        let ahead = ends.into_iter().map(|end| end.at).filter(|at| *at > now);
        ahead.min()
    };
    let keys = good_keys(store, now).await?;
    let of_keys = keys.iter().flat_map(|key| key.public_key.ends(now));
    Ok(NextEnds {
        key: ahead(of_keys.collect()),
        root: ahead(root_ends(store)),
    })
}

/// Tells what is about to end and was not told before.
///
/// # Errors
/// The database fails, or a key in it cannot be read.
pub async fn warn(store: &Store, now: i64) -> Result<()> {
    let keys = good_keys(store, now).await?;
    let mut due = Vec::new();
    for key in &keys {
        let ends = key.public_key.ends(now).into_iter();
        due.extend(ends.filter_map(|end| Due::of(Some(key), end, now)));
    }
    let ends = root_ends(store).into_iter();
    due.extend(ends.filter_map(|end| Due::of(None, end, now)));
    if due.is_empty() {
        return Ok(());
    }
    write_tx!(store.db(), |tx| {
        for one in &due {
            one.tell(tx, now).await?;
        }
        Ok(())
    })
}

/// Those whose new signatures would count.
async fn good_keys(store: &Store, now: i64) -> Result<Vec<KeyRecord>> {
    let mut keys = signing_keys::list(store).await?;
    keys.retain(|key| !key.is_revoked(now));
    Ok(keys)
}

fn root_ends(store: &Store) -> Vec<End> {
    let anchors = store.anchors();
    let root = anchors.sigstore.as_ref();
    root.map_or_else(Vec::new, |(root, _)| root.ends())
}

/// An end that somebody has to be told of.
struct Due<'a> {
    /// `None` for the trusted root.
    key: Option<&'a KeyRecord>,
    end: End,
    days: i64,
}

impl<'a> Due<'a> {
    fn of(key: Option<&'a KeyRecord>, end: End, now: i64) -> Option<Self> {
        let days = days_left(end.at, now)?;
        Some(Self { key, end, days })
    }

    /// The same end at the same distance is one event, however often it is looked at.
    async fn tell(&self, tx: &mut Tx, now: i64) -> Result<()> {
        let (end, days) = (&self.end, self.days);
        let Some(key) = self.key else {
            let data = json!({"part": end.part, "expiresAt": end.at, "days": days});
            let name = format!("{}\n{}\n{days}", end.part, end.at);
            let event = event(ROOT_KIND, "trusted root".to_owned(), data);
            return outbox::emit_once(tx, &name, event, now).await;
        };
        let data = json!({
            "key": key.key_id, "name": key.name, "principal": name_of(tx, key.principal).await?,
            "part": end.part, "expiresAt": end.at, "days": days,
        });
        let name = format!("{}\n{}\n{}\n{days}", key.key_id, end.part, end.at);
        let event = event(KEY_KIND, key.key_id.to_string(), data);
        outbox::emit_once(tx, &name, event, now).await
    }
}

fn event(kind: &'static str, ordering_key: String, data: serde_json::Value) -> NewEvent<'static> {
    NewEvent {
        kind,
        ordering_key,
        repository: None,
        digest: None,
        data,
    }
}

async fn name_of(tx: &mut Tx, principal: PrincipalId) -> Result<String> {
    let row = sqlx::query("SELECT name FROM principals WHERE id = $1")
        .bind(principal.0)
        .fetch_one(tx.conn())
        .await?;
    row.text("name")
}
