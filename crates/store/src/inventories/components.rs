//! Components as rows, one for each distinct declaration of a package in the whole stock.

use std::collections::{BTreeMap, HashMap};

use advisories::{PackageKey, package_key};
use oci::Digest;
use sbom::{Component, Distro, Package};
use serde_json::json;

use crate::batch::{LIST_MAX, markers, query, rows_max, values};
use crate::db::{RowExt, Tx};
use crate::error::{Error, Result};

/// A component as its columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Columns {
    /// A hash of all others.
    pub(super) identity: String,
    purl: String,
    package: Package,
    key: Option<(PackageKey, String)>,
}

/// What the database made of a component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) id: i64,
    /// The key it has still to be matched under.
    pub(super) unmatched: Option<PackageKey>,
}

impl Columns {
    pub(super) fn of(component: &Component, distro: Option<&Distro>) -> Columns {
        // Where it lies and who owns it belong to the image, not to the component.
        let package = Package {
            path: String::new(),
            owner: None,
            ..component.package.clone()
        };
        let purl = component.purl.to_string();
        let key = package_key(&package, distro);
        let content = json!([purl, package, key]).to_string();
        Columns {
            identity: Digest::sha256(content.as_bytes()).hex().to_owned(),
            purl,
            package,
            key,
        }
    }
}

/// Makes sure that every component has a row, and answers the rows by identity.
pub(super) async fn upsert(tx: &mut Tx, components: &[Columns]) -> Result<HashMap<String, Row>> {
    // Sorted, so that two transactions lock the same rows in the same order.
    let distinct: BTreeMap<&str, &Columns> = components
        .iter()
        .map(|component| (component.identity.as_str(), component))
        .collect();
    let distinct: Vec<&Columns> = distinct.into_values().collect();
    let mut rows = HashMap::with_capacity(distinct.len());
    for chunk in distinct.chunks(LIST_MAX) {
        existing(tx, chunk, &mut rows).await?;
    }
    let missing: Vec<&Columns> = distinct
        .iter()
        .copied()
        .filter(|component| !rows.contains_key(&component.identity))
        .collect();
    for chunk in missing.chunks(rows_max(COLUMNS)) {
        insert(tx, chunk).await?;
        existing(tx, chunk, &mut rows).await?;
    }
    match distinct
        .iter()
        .find(|component| !rows.contains_key(&component.identity))
    {
        None => Ok(rows),
        Some(component) => Err(Error::not_found("component", &component.purl)),
    }
}

async fn existing(
    tx: &mut Tx,
    components: &[&Columns],
    rows: &mut HashMap<String, Row>,
) -> Result<()> {
    let text = format!(
        "SELECT id, identity, ecosystem, key_name, matched_at FROM components WHERE identity IN ({})",
        markers(1, components.len())
    );
    let mut select = query(text);
    for component in components {
        select = select.bind(component.identity.as_str());
    }
    for row in select.fetch_all(tx.conn()).await? {
        let key = match (row.opt_parsed("ecosystem")?, row.opt_text("key_name")?) {
            (Some(ecosystem), Some(name)) => Some(PackageKey { ecosystem, name }),
            _ => None,
        };
        let unmatched = key.filter(|_| matches!(row.opt_int("matched_at"), Ok(None)));
        rows.insert(
            row.text("identity")?,
            Row {
                id: row.int("id")?,
                unmatched,
            },
        );
    }
    Ok(())
}

async fn insert(tx: &mut Tx, components: &[&Columns]) -> Result<()> {
    let text = format!(
        "INSERT INTO components (identity, purl, kind, name, version, package, ecosystem, key_name, match_version) \
         VALUES {} ON CONFLICT (identity) DO NOTHING",
        values(components.len(), COLUMNS)
    );
    let mut insert = query(text);
    for component in components {
        let package = &component.package;
        let key = component.key.as_ref();
        insert = insert
            .bind(component.identity.as_str())
            .bind(component.purl.as_str())
            .bind(package.kind.as_str())
            .bind(package.name.as_str())
            .bind(package.version.as_str())
            .bind(json!(package).to_string())
            .bind(key.map(|(key, _)| key.ecosystem.to_string()))
            .bind(key.map(|(key, _)| key.name.as_str()))
            .bind(key.map(|(_, version)| version.as_str()));
    }
    insert.execute(tx.conn()).await?;
    Ok(())
}

/// The columns that `insert` fills.
const COLUMNS: usize = 9;
