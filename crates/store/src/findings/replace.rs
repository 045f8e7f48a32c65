//! Writing what matching found: the rows that differ, an event for each image that holds the component, and its facts
//! marked as changed; all in one transaction. Matches made with an older advisory set than the one held are refused.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use advisories::{Ecosystem, Match, PackageKey};
use oci::{Digest, RepositoryName};
use serde_json::{Value, json};

use super::{Finding, rows};
use crate::batch::{LIST_MAX, markers, query};
use crate::db::{Backend, RowExt, Tx, write_tx};
use crate::error::{Error, Result};
use crate::feeds;
use crate::outbox::{self, NewEvent};
use crate::permit::System;
use crate::{Store, audit, facts};

/// How many components are written in one transaction.
const COMPONENTS_PER_TRANSACTION: usize = 200;

/// What matching found for one component; no matches means that nothing hits it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Matched {
    /// The row number of the component.
    pub component_id: i64,
    /// One match for each alias group.
    pub matches: Vec<Match>,
}

/// What writing the matches changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Replaced {
    /// Findings that were not there.
    pub new: usize,
    /// Findings whose severity, fix or exploitation is another.
    pub changed: usize,
    /// Findings that are gone.
    pub retracted: usize,
}

/// Replaces the findings of components with what matching found in the advisory set `generation`. What is there already
/// costs no write and tells nobody.
///
/// # Errors
/// `Conflict` when the set has changed meanwhile: match again.
pub async fn replace(
    store: &Store,
    system: System,
    matched: &[Matched],
    generation: i64,
    now: i64,
) -> Result<Replaced> {
    let mut total = Replaced::default();
    let mut sorted: Vec<&Matched> = matched.iter().collect();
    sorted.sort_by_key(|matched| matched.component_id);
    sorted.dedup_by_key(|matched| matched.component_id);
    for chunk in sorted.chunks(COMPONENTS_PER_TRANSACTION) {
        let written = write_tx!(store.db(), |tx| write(tx, system, chunk, generation, now)
            .await)?;
        total.new += written.new;
        total.changed += written.changed;
        total.retracted += written.retracted;
    }
    Ok(total)
}

async fn write(
    tx: &mut Tx,
    system: System,
    matched: &[&Matched],
    generation: i64,
    now: i64,
) -> Result<Replaced> {
    // Held to the end, so that no import comes between what is found and what is noted; first, as imports take it first too.
    if feeds::hold_generation(tx).await? != generation {
        return Err(Error::Conflict {
            kind: "advisories",
            name: generation.to_string(),
            why: "changed while components were matched: match them again",
        });
    }
    let ids: Vec<i64> = matched.iter().map(|matched| matched.component_id).collect();
    let components = lock(tx, &ids).await?;
    let held = first_held(tx, matched).await?;
    let mut before = rows::of_components(tx, &ids).await?;
    let mut changes = Vec::new();
    for matched in matched {
        let Some(component) = components.get(&matched.component_id) else {
            continue;
        };
        let found = found(matched, component, &held, now);
        changes.extend(compare(
            component,
            before.remove(&matched.component_id).unwrap_or_default(),
            found,
        ));
    }
    apply(tx, &changes).await?;
    let first_matched = mark_matched(tx, &components, now).await?;
    tell(tx, &changes, &first_matched, now).await?;
    let count = |kind| {
        changes
            .iter()
            .filter(|change| change.event() == Some(kind))
            .count()
    };
    let replaced = Replaced {
        new: count(NEW),
        changed: count(CHANGED),
        retracted: count(RETRACTED),
    };
    if replaced != Replaced::default() {
        let detail = json!({"new": replaced.new, "changed": replaced.changed, "retracted": replaced.retracted});
        audit::record(
            tx,
            &system.actor(),
            "findings.replace",
            &generation.to_string(),
            detail,
            now,
        )
        .await?;
    }
    Ok(replaced)
}

/// What is needed of a component.
#[derive(Debug)]
struct Component {
    id: i64,
    purl: String,
    name: String,
    version: String,
    key: Option<PackageKey>,
    matched: bool,
}

/// A finding that is not as it was.
#[derive(Debug)]
struct Change<'a> {
    component: &'a Component,
    before: Option<Finding>,
    after: Option<Finding>,
}

const NEW: &str = "finding.new";
const CHANGED: &str = "finding.changed";
const RETRACTED: &str = "finding.retracted";

impl Change<'_> {
    /// The event that it is worth, if people care.
    fn event(&self) -> Option<&'static str> {
        match (&self.before, &self.after) {
            (None, Some(_)) => Some(NEW),
            (Some(_), None) => Some(RETRACTED),
            (Some(before), Some(after)) => {
                let told = |finding: &Finding| {
                    (
                        finding.group.clone(),
                        finding.severity,
                        finding.fixed_version.clone(),
                        finding.known_exploited,
                    )
                };
                (told(before) != told(after)).then_some(CHANGED)
            }
            (None, None) => None,
        }
    }

    /// Whether a gate may see it.
    fn concerns_gates(&self) -> bool {
        match (&self.before, &self.after) {
            (Some(before), Some(after)) => {
                self.event().is_some()
                    || before.ids != after.ids
                    || before.first_held_at != after.first_held_at
            }
            _ => true,
        }
    }

    fn data(&self) -> Value {
        let short = |finding: &Finding| {
            json!({
                "group": finding.group, "ids": finding.ids, "severity": finding.severity,
                "fixedVersion": finding.fixed_version, "knownExploited": finding.known_exploited,
                "summary": finding.summary, "range": finding.range,
            })
        };
        json!({
            "component": self.component.purl, "name": self.component.name, "version": self.component.version,
            "finding": self.after.as_ref().or(self.before.as_ref()).map(short),
            "before": self.after.as_ref().and(self.before.as_ref()).map(short),
        })
    }
}

/// Reads the components and, where several can write at once, keeps others from writing their findings.
async fn lock(tx: &mut Tx, ids: &[i64]) -> Result<BTreeMap<i64, Component>> {
    let lock = if tx.backend() == Backend::Postgres {
        " FOR UPDATE"
    } else {
        ""
    };
    let mut select = query(format!(
        "SELECT id, purl, name, version, ecosystem, key_name, matched_at FROM components WHERE id IN ({}) ORDER BY id{lock}",
        markers(1, ids.len())
    ));
    for id in ids {
        select = select.bind(*id);
    }
    let rows = select.fetch_all(tx.conn()).await?;
    rows.iter()
        .map(|row| {
            let key = match (row.opt_parsed("ecosystem")?, row.opt_text("key_name")?) {
                (Some(ecosystem), Some(name)) => Some(PackageKey { ecosystem, name }),
                _ => None,
            };
            let id = row.int("id")?;
            let matched = row.opt_int("matched_at")?.is_some();
            let (purl, name, version) =
                (row.text("purl")?, row.text("name")?, row.text("version")?);
            Ok((
                id,
                Component {
                    id,
                    purl,
                    name,
                    version,
                    key,
                    matched,
                },
            ))
        })
        .collect()
}

type FirstHeld = HashMap<(String, PackageKey), i64>;

/// Since when each id has been held for each package.
async fn first_held(tx: &mut Tx, matched: &[&Matched]) -> Result<FirstHeld> {
    let ids: BTreeSet<&str> = matched
        .iter()
        .flat_map(|matched| &matched.matches)
        .flat_map(|found| &found.ids)
        .map(String::as_str)
        .collect();
    let ids: Vec<&str> = ids.into_iter().collect();
    let mut held = FirstHeld::new();
    for chunk in ids.chunks(LIST_MAX) {
        let mut select = query(format!(
            "SELECT id, ecosystem, name, held_at FROM advisory_first_held WHERE id IN ({})",
            markers(1, chunk.len())
        ));
        for id in chunk {
            select = select.bind((*id).to_owned());
        }
        for row in select.fetch_all(tx.conn()).await? {
            let key = PackageKey {
                ecosystem: row.parsed("ecosystem")?,
                name: row.text("name")?,
            };
            held.insert((row.text("id")?, key), row.int("held_at")?);
        }
    }
    Ok(held)
}

fn found(matched: &Matched, component: &Component, held: &FirstHeld, now: i64) -> Vec<Finding> {
    let since = |id: &String| held.get(&(id.clone(), component.key.clone()?)).copied();
    let findings = matched.matches.iter().map(|found| {
        let first_held_at = found.ids.iter().filter_map(since).min().unwrap_or(now);
        Finding::of(found, first_held_at, now)
    });
    findings.collect()
}

/// Pairs what was with what is: by group, or, when a weakness got another name, by a common id.
fn compare<'a>(
    component: &'a Component,
    mut before: Vec<Finding>,
    after: Vec<Finding>,
) -> Vec<Change<'a>> {
    let mut changes = Vec::new();
    let (same, renamed): (Vec<Finding>, Vec<Finding>) = after
        .into_iter()
        .partition(|after| before.iter().any(|before| before.group == after.group));
    for (after, by_group) in same
        .into_iter()
        .map(|it| (it, true))
        .chain(renamed.into_iter().map(|it| (it, false)))
    {
        let partner = before.iter().position(|before| {
            if by_group {
                before.group == after.group
            } else {
                before.ids.iter().any(|id| after.ids.contains(id))
            }
        });
        let Some(position) = partner else {
            changes.push(Change {
                component,
                before: None,
                after: Some(after),
            });
            continue;
        };
        let before = before.swap_remove(position);
        let after = Finding {
            found_at: before.found_at,
            ..after
        };
        if before != after {
            changes.push(Change {
                component,
                before: Some(before),
                after: Some(after),
            });
        }
    }
    changes.extend(before.into_iter().map(|before| Change {
        component,
        before: Some(before),
        after: None,
    }));
    changes
}

async fn apply(tx: &mut Tx, changes: &[Change<'_>]) -> Result<()> {
    let gone: Vec<(i64, &str)> = changes
        .iter()
        .filter_map(|change| {
            let before = change.before.as_ref()?;
            let kept = change
                .after
                .as_ref()
                .is_some_and(|after| after.group == before.group);
            (!kept).then_some((change.component.id, before.group.as_str()))
        })
        .collect();
    let written: Vec<(i64, &Finding)> = changes
        .iter()
        .filter_map(|change| Some((change.component.id, change.after.as_ref()?)))
        .collect();
    rows::delete(tx, &gone).await?;
    rows::upsert(tx, &written).await
}

/// Notes that these components have been matched, and answers those for which it is the first time. Without advisories
/// about its ecosystem a component does not count as matched.
async fn mark_matched(
    tx: &mut Tx,
    components: &BTreeMap<i64, Component>,
    now: i64,
) -> Result<BTreeSet<i64>> {
    let mut unmatched: BTreeMap<&Ecosystem, Vec<i64>> = BTreeMap::new();
    for component in components.values().filter(|component| !component.matched) {
        if let Some(key) = &component.key {
            unmatched
                .entry(&key.ecosystem)
                .or_default()
                .push(component.id);
        }
    }
    let mut first = BTreeSet::new();
    for (ecosystem, ids) in unmatched {
        if feeds::holds(tx.conn(), ecosystem).await? {
            first.extend(ids);
        }
    }
    if first.is_empty() {
        return Ok(first);
    }
    let mut update = query(format!(
        "UPDATE components SET matched_at = $1 WHERE id IN ({})",
        markers(2, first.len())
    ))
    .bind(now);
    for id in &first {
        update = update.bind(*id);
    }
    update.execute(tx.conn()).await?;
    Ok(first)
}

/// Tells every image that holds a component what changed there.
async fn tell(
    tx: &mut Tx,
    changes: &[Change<'_>],
    first_matched: &BTreeSet<i64>,
    now: i64,
) -> Result<()> {
    let mut ids: BTreeSet<i64> = changes.iter().map(|change| change.component.id).collect();
    ids.extend(first_matched);
    let holders = holders(tx, &ids.into_iter().collect::<Vec<i64>>()).await?;
    for change in changes {
        let Some(kind) = change.event() else { continue };
        let data = change.data();
        for holder in holders.get(&change.component.id).into_iter().flatten() {
            let event = NewEvent::of_image(kind, &holder.repository, &holder.digest, data.clone());
            outbox::emit(tx, event, now).await?;
        }
    }
    let concerned = changes
        .iter()
        .filter(|change| change.concerns_gates())
        .map(|change| change.component.id);
    for id in concerned.chain(first_matched.iter().copied()) {
        for holder in holders.get(&id).into_iter().flatten() {
            facts::touch(tx, holder.repository_id, &holder.digest, now).await?;
        }
    }
    Ok(())
}

/// An image that holds a component.
#[derive(Debug)]
struct Holder {
    repository_id: i64,
    repository: RepositoryName,
    digest: Digest,
}

async fn holders(tx: &mut Tx, ids: &[i64]) -> Result<BTreeMap<i64, Vec<Holder>>> {
    let mut holders: BTreeMap<i64, Vec<Holder>> = BTreeMap::new();
    for chunk in ids.chunks(LIST_MAX) {
        let mut select = query(format!(
            "SELECT DISTINCT i.component_id, r.id AS repository_id, r.name, m.digest FROM image_components i \
             JOIN manifests m ON m.digest = i.image JOIN repositories r ON r.id = m.repository_id \
             WHERE i.owner IS NULL AND i.component_id IN ({}) AND NOT EXISTS (SELECT 1 FROM awaited_layers a \
             WHERE a.repository_id = m.repository_id AND a.manifest = m.digest) ORDER BY i.component_id, r.name, m.digest",
            markers(1, chunk.len())
        ));
        for id in chunk {
            select = select.bind(*id);
        }
        for row in select.fetch_all(tx.conn()).await? {
            let holder = Holder {
                repository_id: row.int("repository_id")?,
                repository: row.parsed("name")?,
                digest: row.digest("digest")?,
            };
            holders
                .entry(row.int("component_id")?)
                .or_default()
                .push(holder);
        }
    }
    Ok(holders)
}
