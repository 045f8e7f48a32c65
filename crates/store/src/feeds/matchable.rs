//! The records that decide the matches of some packages, with the number of the state they were read in.

use std::collections::BTreeSet;

use advisories::{Advisory, Index, PackageKey};
use sqlx::AnyConnection;

use super::{GENERATION, aliases, known_exploited_of};
use crate::Store;
use crate::batch::{LIST_MAX, markers, query};
use crate::db::RowExt;
use crate::error::Result;
use crate::snapshot;

/// All that decides the matches of some packages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Matchable {
    /// The records in force about these packages, and those that share an id or alias with them.
    pub advisories: Vec<Advisory>,
    /// The ids that are known to be exploited.
    pub known_exploited: BTreeSet<String>,
    /// The state of the advisory set; findings made with it are refused once it has changed.
    pub generation: i64,
}

impl Matchable {
    /// The index over these records.
    #[must_use]
    pub fn into_index(self) -> Index {
        Index::build(self.advisories, &self.known_exploited)
    }
}

/// What decides the matches of these packages, read in one state.
pub async fn for_keys(store: &Store, keys: &[PackageKey]) -> Result<Matchable> {
    let mut snapshot = snapshot::begin(store.db()).await?;
    let conn = &mut *snapshot;
    let names = aliases::names_under(conn, keys).await?;
    let names = aliases::names_of(conn, names).await?;
    let matchable = Matchable {
        advisories: records(conn, &names).await?,
        known_exploited: known_exploited_of(conn).await?,
        generation: snapshot::revision(conn, GENERATION).await?,
    };
    snapshot.commit().await?;
    Ok(matchable)
}

async fn records(conn: &mut AnyConnection, names: &BTreeSet<String>) -> Result<Vec<Advisory>> {
    let names: Vec<&String> = names.iter().collect();
    let mut seen = BTreeSet::new();
    let mut records = Vec::new();
    for chunk in names.chunks(LIST_MAX) {
        let mut select = query(format!(
            "SELECT v.source, v.advisory_id, v.record FROM \
               (SELECT DISTINCT source, advisory_id FROM advisory_aliases WHERE alias IN ({})) a \
             JOIN advisories v ON v.source = a.source AND v.advisory_id = a.advisory_id \
             WHERE v.current = 1 AND v.removed = 0",
            markers(1, chunk.len())
        ));
        for name in chunk {
            select = select.bind(name.as_str());
        }
        for row in select.fetch_all(&mut *conn).await? {
            if seen.insert((row.text("source")?, row.text("advisory_id")?)) {
                records.push(row.json("record")?);
            }
        }
    }
    Ok(records)
}
