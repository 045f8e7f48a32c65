//! Which manifests somebody may get a blob through, the likeliest first, so that few have to be asked about. Nothing is decided here.

use std::cmp::Reverse;

use oci::{Digest, RepositoryName, Shape};

use super::GateName;
use super::kept::facts_key;
use crate::catalogue::parse_shape;
use crate::db::{RowExt, Value};
use crate::error::Result;
use crate::{Store, batch};

/// One more than are asked about, which tells that there are others. SQLite plans a statement anew whenever a marker behind LIMIT
/// is bound, which takes longer than the statement: it is written out.
macro_rules! beyond {
    () => {
        17
    };
}

/// The most manifests that are worth asking about: each may cost a decision, and whoever was just given a manifest finds it
/// at the front.
const REFERRING_MAX: i64 = beyond!() - 1;

/// Those that refer to a blob, where these are few, and how likely each passes: by the answers of any gate, as whoever pulls an
/// image here is mostly held by those that were asked about it before.
const FEW: &str = concat!(
    "SELECT m.digest, m.shape, CAST(COALESCE((\
       SELECT SUM(CASE WHEN d.facts_key = ",
    facts_key!(),
    " AND (d.holds_until IS NULL OR d.holds_until > $1) THEN 2 ELSE 1 END) \
       FROM decisions d WHERE d.repository_id = m.repository_id AND d.digest = m.digest \
       AND d.outcome IN ('allow', 'warn')), 0) AS BIGINT) AS likely \
     FROM manifest_references f JOIN manifests m ON m.repository_id = f.repository_id AND m.digest = f.manifest \
     WHERE f.repository_id = (SELECT id FROM repositories WHERE name = $2) AND f.digest = $3 LIMIT ",
    beyond!()
);

/// A manifest that refers to a blob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Referring {
    /// Its digest.
    pub manifest: Digest,
    /// What it is for.
    pub shape: Shape,
}

/// Some manifests of a repository that refer to a blob as configuration, layer or child: evidence first, then those that most
/// gates let pass by their kept answers (of many, most of `gates`), and of these first those whose answers still hold at `now`.
pub async fn referring(
    store: &Store,
    repository: &RepositoryName,
    blob: &Digest,
    gates: &[GateName],
    now: i64,
) -> Result<Vec<Referring>> {
    let values = [
        Value::Int(now),
        Value::Text(repository.as_str()),
        Value::Text(blob.as_str()),
    ];
    let few = store
        .db()
        .point_all(FEW, &values, |row| Ok((row.int("likely")?, read(row)?)));
    let mut few = few.await?;
    if i64::try_from(few.len()).is_ok_and(|rows| rows <= REFERRING_MAX) {
        few.sort_by_cached_key(|(likely, found)| {
            let is_image = found.shape != Shape::Evidence;
            (is_image, Reverse(*likely), found.manifest.clone())
        });
        // One that lists the blob twice has two rows, which are side by side now.
        let mut few: Vec<Referring> = few.into_iter().map(|(_, found)| found).collect();
        few.dedup();
        return Ok(few);
    }
    likeliest(store, repository, blob, gates, now).await
}

/// The same where many refer to it, as to a base layer: a statement that takes the longer, the more there are.
async fn likeliest(
    store: &Store,
    repository: &RepositoryName,
    blob: &Digest,
    gates: &[GateName],
    now: i64,
) -> Result<Vec<Referring>> {
    let names = if gates.is_empty() {
        "('', '')".to_owned()
    } else {
        batch::values(gates.len(), 2)
    };
    let first = 2 * gates.len() + 1;
    let (name, digest, time, limit) = (first, first + 1, first + 2, first + 3);
    let text = format!(
        "SELECT m.digest, m.shape FROM manifests m \
         WHERE m.repository_id = (SELECT id FROM repositories WHERE name = ${name}) AND m.digest IN (\
           SELECT manifest FROM manifest_references \
           WHERE repository_id = (SELECT id FROM repositories WHERE name = ${name}) AND digest = ${digest}) \
         ORDER BY CASE WHEN m.shape = 'evidence' THEN 0 ELSE 1 END, COALESCE((\
           SELECT SUM(CASE WHEN d.facts_key = {key} AND (d.holds_until IS NULL OR d.holds_until > ${time}) THEN 2 ELSE 1 END) \
           FROM decisions d WHERE d.repository_id = m.repository_id AND d.digest = m.digest \
           AND d.outcome IN ('allow', 'warn') AND (d.policy, d.gate) IN (VALUES {names})), 0) DESC, m.digest LIMIT ${limit}",
        key = facts_key!(),
    );
    let mut query = batch::query(text);
    for gate in gates {
        query = query.bind(gate.policy.clone()).bind(gate.gate.clone());
    }
    let rows = query
        .bind(repository.to_string())
        .bind(blob.to_string())
        .bind(now)
        .bind(REFERRING_MAX)
        .fetch_all(store.db().read())
        .await?;
    rows.iter().map(read).collect()
}

fn read(row: &impl RowExt) -> Result<Referring> {
    Ok(Referring {
        manifest: row.digest("digest")?,
        shape: parse_shape(&row.text("shape")?)?,
    })
}
