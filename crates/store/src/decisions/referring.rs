//! Which manifests somebody may get a blob through, the likeliest first, so that few have to be asked about. Nothing is decided here.

use oci::{Digest, RepositoryName, Shape};

use super::GateName;
use super::kept::{counters, facts_key};
use crate::catalogue::parse_shape;
use crate::db::RowExt;
use crate::error::Result;
use crate::{Store, batch};

/// The most manifests that are worth asking about: each may cost a decision, and whoever was just given a manifest finds it
/// at the front.
const REFERRING_MAX: i64 = 16;

/// A manifest that refers to a blob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Referring {
    /// Its digest.
    pub manifest: Digest,
    /// What it is for.
    pub shape: Shape,
}

/// Some manifests of a repository that refer to a blob as configuration, layer or child: evidence first, then those that most
/// of these gates let pass by their kept answers, and of these first those whose answers still hold at `now`.
pub async fn referring(
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
        "SELECT m.digest, m.shape FROM manifests m CROSS JOIN {counters} v \
         WHERE m.repository_id = (SELECT id FROM repositories WHERE name = ${name}) AND m.digest IN (\
           SELECT manifest FROM manifest_references \
           WHERE repository_id = (SELECT id FROM repositories WHERE name = ${name}) AND digest = ${digest}) \
         ORDER BY CASE WHEN m.shape = 'evidence' THEN 0 ELSE 1 END, COALESCE((\
           SELECT SUM(CASE WHEN d.facts_key = {key} AND (d.holds_until IS NULL OR d.holds_until > ${time}) THEN 2 ELSE 1 END) \
           FROM decisions d WHERE d.repository_id = m.repository_id AND d.digest = m.digest \
           AND d.outcome IN ('allow', 'warn') AND (d.policy, d.gate) IN (VALUES {names})), 0) DESC, m.digest LIMIT ${limit}",
        counters = counters!(),
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
    rows.iter()
        .map(|row| {
            Ok(Referring {
                manifest: row.digest("digest")?,
                shape: parse_shape(&row.text("shape")?)?,
            })
        })
        .collect()
}
