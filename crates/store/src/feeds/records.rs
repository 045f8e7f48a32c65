//! Writing what an import changes: new revisions, the keys and aliases of records in force, and since when an advisory has
//! been held for a package. Many rows a statement.

use advisories::{Advisory, PackageKey};
use serde_json::json;

use super::plan::{Change, Plan};
use crate::batch::{LIST_MAX, markers, query, rows_max, values};
use crate::db::Tx;
use crate::error::Result;

/// Writes a plan.
pub(super) async fn write(tx: &mut Tx, source: &str, plan: &Plan<'_>, now: i64) -> Result<()> {
    let changed: Vec<&str> = plan
        .changes
        .iter()
        .map(|change| change.advisory.id.as_str())
        .collect();
    let removed: Vec<&str> = plan.removed.iter().map(String::as_str).collect();
    for ids in [&changed, &removed] {
        for table in ["advisory_keys", "advisory_aliases"] {
            forget(tx, table, source, ids).await?;
        }
    }
    remove(tx, source, &removed, now).await?;
    supersede(tx, source, &changed).await?;
    insert_revisions(tx, source, &plan.changes, now).await?;
    let in_force: Vec<&Advisory> = plan
        .changes
        .iter()
        .map(|change| change.advisory)
        .filter(|advisory| !advisory.withdrawn)
        .collect();
    insert_keys(tx, source, &in_force).await?;
    insert_aliases(tx, source, &in_force).await?;
    insert_first_held(tx, &in_force, now).await?;
    write_exploited(tx, source, plan, now).await
}

/// The ids that a record goes by: its own and its aliases, each once.
pub(super) fn names(advisory: &Advisory) -> impl Iterator<Item = &str> {
    let aliases = advisory.aliases.iter().enumerate();
    let repeated = |at: usize, alias: &String| {
        *alias == advisory.id
            || advisory
                .aliases
                .iter()
                .take(at)
                .any(|earlier| earlier == alias)
    };
    let aliases = aliases
        .filter(move |(at, alias)| !repeated(*at, alias))
        .map(|(_, alias)| alias.as_str());
    std::iter::once(advisory.id.as_str()).chain(aliases)
}

async fn forget(tx: &mut Tx, table: &'static str, source: &str, ids: &[&str]) -> Result<()> {
    for chunk in ids.chunks(LIST_MAX) {
        let text = format!(
            "DELETE FROM {table} WHERE source = $1 AND advisory_id IN ({})",
            markers(2, chunk.len())
        );
        let mut delete = query(text).bind(source.to_owned());
        for id in chunk {
            delete = delete.bind((*id).to_owned());
        }
        delete.execute(tx.conn()).await?;
    }
    Ok(())
}

/// Records that are gone get a revision that says so.
async fn remove(tx: &mut Tx, source: &str, ids: &[&str], now: i64) -> Result<()> {
    for chunk in ids.chunks(LIST_MAX) {
        let mut insert = query(format!(
            "INSERT INTO advisories \
             (source, advisory_id, revision, semantic_hash, record, modified_at, held_at, current, removed) \
             SELECT source, advisory_id, revision + 1, semantic_hash, record, modified_at, $2, 1, 1 FROM advisories \
             WHERE source = $1 AND current = 1 AND removed = 0 AND advisory_id IN ({})",
            markers(3, chunk.len())
        ))
        .bind(source.to_owned())
        .bind(now);
        let mut supersede = query(format!(
            "UPDATE advisories SET current = 0 WHERE source = $1 AND current = 1 AND removed = 0 AND advisory_id IN ({})",
            markers(2, chunk.len())
        ))
        .bind(source.to_owned());
        for id in chunk {
            insert = insert.bind((*id).to_owned());
            supersede = supersede.bind((*id).to_owned());
        }
        insert.execute(tx.conn()).await?;
        supersede.execute(tx.conn()).await?;
    }
    Ok(())
}

async fn supersede(tx: &mut Tx, source: &str, ids: &[&str]) -> Result<()> {
    for chunk in ids.chunks(LIST_MAX) {
        let text = format!(
            "UPDATE advisories SET current = 0 WHERE source = $1 AND current = 1 AND advisory_id IN ({})",
            markers(2, chunk.len())
        );
        let mut update = query(text).bind(source.to_owned());
        for id in chunk {
            update = update.bind((*id).to_owned());
        }
        update.execute(tx.conn()).await?;
    }
    Ok(())
}

async fn insert_revisions(
    tx: &mut Tx,
    source: &str,
    changes: &[Change<'_>],
    now: i64,
) -> Result<()> {
    for chunk in changes.chunks(rows_max(9)) {
        let mut insert = query(format!(
            "INSERT INTO advisories \
             (source, advisory_id, revision, semantic_hash, record, modified_at, held_at, current, removed) VALUES {}",
            values(chunk.len(), 9)
        ));
        for Change {
            advisory,
            semantic_hash,
            revision,
        } in chunk
        {
            insert = insert
                .bind(source.to_owned())
                .bind(advisory.id.clone())
                .bind(*revision)
                .bind((*semantic_hash).to_owned())
                .bind(json!(advisory).to_string())
                .bind(advisory.modified_at)
                .bind(now)
                .bind(1_i64)
                .bind(0_i64);
        }
        insert.execute(tx.conn()).await?;
    }
    Ok(())
}

async fn insert_keys(tx: &mut Tx, source: &str, advisories: &[&Advisory]) -> Result<()> {
    let rows: Vec<(&str, &PackageKey)> = advisories
        .iter()
        .flat_map(|advisory| {
            advisory
                .keys()
                .into_iter()
                .map(|key| (advisory.id.as_str(), key))
        })
        .collect();
    for chunk in rows.chunks(rows_max(4)) {
        let mut insert = query(format!(
            "INSERT INTO advisory_keys (source, advisory_id, ecosystem, name) VALUES {}",
            values(chunk.len(), 4)
        ));
        for (id, key) in chunk {
            insert = insert
                .bind(source.to_owned())
                .bind((*id).to_owned())
                .bind(key.ecosystem.to_string())
                .bind(key.name.clone());
        }
        insert.execute(tx.conn()).await?;
    }
    Ok(())
}

async fn insert_aliases(tx: &mut Tx, source: &str, advisories: &[&Advisory]) -> Result<()> {
    let rows: Vec<(&str, &str)> = advisories
        .iter()
        .flat_map(|advisory| names(advisory).map(|name| (name, advisory.id.as_str())))
        .collect();
    for chunk in rows.chunks(rows_max(3)) {
        let mut insert = query(format!(
            "INSERT INTO advisory_aliases (alias, source, advisory_id) VALUES {}",
            values(chunk.len(), 3)
        ));
        for (name, id) in chunk {
            insert = insert
                .bind((*name).to_owned())
                .bind(source.to_owned())
                .bind((*id).to_owned());
        }
        insert.execute(tx.conn()).await?;
    }
    Ok(())
}

/// Every id of a record, for every package it is about, has been held since it was first seen there.
async fn insert_first_held(tx: &mut Tx, advisories: &[&Advisory], now: i64) -> Result<()> {
    let rows: Vec<(&str, &PackageKey)> = advisories
        .iter()
        .flat_map(|advisory| {
            let keys = advisory.keys();
            names(advisory)
                .flat_map(move |name| keys.clone().into_iter().map(move |key| (name, key)))
        })
        .collect();
    for chunk in rows.chunks(rows_max(4)) {
        let mut insert = query(format!(
            "INSERT INTO advisory_first_held (id, ecosystem, name, held_at) VALUES {} ON CONFLICT DO NOTHING",
            values(chunk.len(), 4)
        ));
        for (name, key) in chunk {
            insert = insert
                .bind((*name).to_owned())
                .bind(key.ecosystem.to_string())
                .bind(key.name.clone())
                .bind(now);
        }
        insert.execute(tx.conn()).await?;
    }
    Ok(())
}

async fn write_exploited(tx: &mut Tx, source: &str, plan: &Plan<'_>, now: i64) -> Result<()> {
    for chunk in plan.no_longer_exploited.chunks(LIST_MAX) {
        let text = format!(
            "DELETE FROM known_exploited WHERE source = $1 AND id IN ({})",
            markers(2, chunk.len())
        );
        let mut delete = query(text).bind(source.to_owned());
        for id in chunk {
            delete = delete.bind(id.clone());
        }
        delete.execute(tx.conn()).await?;
    }
    for chunk in plan.exploited.chunks(rows_max(3)) {
        let mut insert = query(format!(
            "INSERT INTO known_exploited (id, source, held_at) VALUES {}",
            values(chunk.len(), 3)
        ));
        for id in chunk {
            insert = insert
                .bind((*id).to_owned())
                .bind(source.to_owned())
                .bind(now);
        }
        insert.execute(tx.conn()).await?;
    }
    Ok(())
}
