//! Which records speak of the same weakness, over any number of steps from alias to alias. It may find more than the alias
//! groups of `advisories` hold (which leave out bulletins for several weaknesses), never less.

use std::collections::{BTreeMap, BTreeSet};

use advisories::{Ecosystem, PackageKey};
use sqlx::AnyConnection;

use crate::batch::{LIST_MAX, markers, query};
use crate::db::RowExt;
use crate::error::Result;

/// All ids that are joined with any of these, these included. Each step finds names that were not known, so that it ends
/// with the names that are held.
pub(crate) async fn names_of(
    conn: &mut AnyConnection,
    seeds: BTreeSet<String>,
) -> Result<BTreeSet<String>> {
    let mut names = seeds.clone();
    let mut frontier: Vec<String> = seeds.into_iter().collect();
    while !frontier.is_empty() {
        let mut found = BTreeSet::new();
        for chunk in frontier.chunks(LIST_MAX) {
            let text = format!(
                "SELECT DISTINCT b.alias FROM advisory_aliases a JOIN advisory_aliases b \
                 ON b.source = a.source AND b.advisory_id = a.advisory_id WHERE a.alias IN ({})",
                markers(1, chunk.len())
            );
            collect(conn, text, None, chunk, "alias", &mut found).await?;
        }
        frontier = found
            .into_iter()
            .filter(|name| !names.contains(name))
            .collect();
        names.extend(frontier.iter().cloned());
    }
    Ok(names)
}

/// The ids and aliases of these records of a source, as they are written now.
pub(super) async fn names_of_records(
    conn: &mut AnyConnection,
    source: &str,
    ids: &[&str],
) -> Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    for chunk in ids.chunks(LIST_MAX) {
        let text = format!(
            "SELECT DISTINCT alias FROM advisory_aliases WHERE source = $1 AND advisory_id IN ({})",
            markers(2, chunk.len())
        );
        collect(conn, text, Some(source), chunk, "alias", &mut names).await?;
    }
    Ok(names)
}

/// The ids and aliases of the records about these packages.
pub(super) async fn names_under(
    conn: &mut AnyConnection,
    keys: &[PackageKey],
) -> Result<BTreeSet<String>> {
    let mut by_ecosystem: BTreeMap<&Ecosystem, BTreeSet<&str>> = BTreeMap::new();
    for key in keys {
        by_ecosystem
            .entry(&key.ecosystem)
            .or_default()
            .insert(&key.name);
    }
    let mut names = BTreeSet::new();
    for (ecosystem, packages) in by_ecosystem {
        let packages: Vec<&str> = packages.into_iter().collect();
        for chunk in packages.chunks(LIST_MAX) {
            let text = format!(
                "SELECT DISTINCT a.alias FROM advisory_keys k JOIN advisory_aliases a \
                 ON a.source = k.source AND a.advisory_id = k.advisory_id WHERE k.ecosystem = $1 AND k.name IN ({})",
                markers(2, chunk.len())
            );
            collect(
                conn,
                text,
                Some(&ecosystem.to_string()),
                chunk,
                "alias",
                &mut names,
            )
            .await?;
        }
    }
    Ok(names)
}

/// The packages that records with any of these ids or aliases are about.
pub(super) async fn keys_of(
    conn: &mut AnyConnection,
    names: &BTreeSet<String>,
) -> Result<BTreeSet<PackageKey>> {
    let names: Vec<&String> = names.iter().collect();
    let mut keys = BTreeSet::new();
    for chunk in names.chunks(LIST_MAX) {
        let mut select = query(format!(
            "SELECT DISTINCT k.ecosystem, k.name FROM advisory_aliases a JOIN advisory_keys k \
             ON k.source = a.source AND k.advisory_id = a.advisory_id WHERE a.alias IN ({})",
            markers(1, chunk.len())
        ));
        for name in chunk {
            select = select.bind(name.as_str());
        }
        for row in select.fetch_all(&mut *conn).await? {
            keys.insert(PackageKey {
                ecosystem: row.parsed("ecosystem")?,
                name: row.text("name")?,
            });
        }
    }
    Ok(keys)
}

async fn collect<T: AsRef<str>>(
    conn: &mut AnyConnection,
    text: String,
    first: Option<&str>,
    list: &[T],
    column: &str,
    found: &mut BTreeSet<String>,
) -> Result<()> {
    let mut select = query(text);
    if let Some(first) = first {
        select = select.bind(first.to_owned());
    }
    for entry in list {
        select = select.bind(entry.as_ref().to_owned());
    }
    for row in select.fetch_all(conn).await? {
        found.insert(row.text(column)?);
    }
    Ok(())
}
