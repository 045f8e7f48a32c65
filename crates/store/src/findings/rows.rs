//! Findings as rows.

use std::collections::BTreeMap;

use serde_json::json;
use sqlx::any::AnyRow;

use super::Finding;
use crate::batch::{LIST_MAX, markers, query, rows_max, values};
use crate::db::{RowExt, Tx, flag};
use crate::error::Result;

/// The columns of `findings`.
const COLUMNS: usize = 12;

/// Reads a row.
pub(super) fn read(row: &AnyRow) -> Result<Finding> {
    Ok(Finding {
        group: row.text("group_id")?,
        ids: row.json("ids")?,
        advisory_ids: row.json("advisory_ids")?,
        severity: row.parsed("severity")?,
        cvss: row.opt_text("cvss")?,
        fixed_version: row.opt_text("fixed_version")?,
        known_exploited: row.flag("known_exploited")?,
        summary: row.text("summary")?,
        range: row.text("affected_range")?,
        first_held_at: row.int("first_held_at")?,
        found_at: row.int("found_at")?,
    })
}

/// The findings of some components, by component.
pub(super) async fn of_components(tx: &mut Tx, ids: &[i64]) -> Result<BTreeMap<i64, Vec<Finding>>> {
    let mut found: BTreeMap<i64, Vec<Finding>> = BTreeMap::new();
    for chunk in ids.chunks(LIST_MAX) {
        let mut select = query(format!(
            "SELECT component_id, group_id, ids, advisory_ids, severity, cvss, fixed_version, known_exploited, summary, \
             affected_range, first_held_at, found_at FROM findings WHERE component_id IN ({}) ORDER BY group_id",
            markers(1, chunk.len())
        ));
        for id in chunk {
            select = select.bind(*id);
        }
        for row in select.fetch_all(tx.conn()).await? {
            found
                .entry(row.int("component_id")?)
                .or_default()
                .push(read(&row)?);
        }
    }
    Ok(found)
}

/// Deletes findings by component and group.
pub(super) async fn delete(tx: &mut Tx, gone: &[(i64, &str)]) -> Result<()> {
    for (component_id, group) in gone {
        sqlx::query("DELETE FROM findings WHERE component_id = $1 AND group_id = $2")
            .bind(*component_id)
            .bind(*group)
            .execute(tx.conn())
            .await?;
    }
    Ok(())
}

/// Writes findings over those with the same component and group.
pub(super) async fn upsert(tx: &mut Tx, findings: &[(i64, &Finding)]) -> Result<()> {
    for chunk in findings.chunks(rows_max(COLUMNS)) {
        let mut insert = query(format!(
            "INSERT INTO findings (component_id, group_id, ids, advisory_ids, severity, cvss, fixed_version, \
             known_exploited, summary, affected_range, first_held_at, found_at) VALUES {} \
             ON CONFLICT (component_id, group_id) DO UPDATE SET ids = excluded.ids, advisory_ids = excluded.advisory_ids, \
             severity = excluded.severity, cvss = excluded.cvss, fixed_version = excluded.fixed_version, \
             known_exploited = excluded.known_exploited, summary = excluded.summary, \
             affected_range = excluded.affected_range, first_held_at = excluded.first_held_at, found_at = excluded.found_at",
            values(chunk.len(), COLUMNS)
        ));
        for (component_id, finding) in chunk {
            insert = insert
                .bind(*component_id)
                .bind(finding.group.clone())
                .bind(json!(finding.ids).to_string())
                .bind(json!(finding.advisory_ids).to_string())
                .bind(finding.severity.as_str())
                .bind(finding.cvss.clone())
                .bind(finding.fixed_version.clone())
                .bind(flag(finding.known_exploited))
                .bind(finding.summary.clone())
                .bind(finding.range.clone())
                .bind(finding.first_held_at)
                .bind(finding.found_at);
        }
        insert.execute(tx.conn()).await?;
    }
    Ok(())
}
