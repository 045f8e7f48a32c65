//! Verifying the account: every row against its leaf, every checkpoint against the log, the log against the checkpoints'
//! length, and the state against the log. It opens the database beside a server that runs, changes nothing, and reports all
//! it finds instead of stopping at the first.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;
use sqlx::AnyConnection;
use trust::PublicKey;
use trust::checkpoint::Checkpoint;
use trust::evidence::Anchors;
use trust::merkle::{Frontier, Hash};

use super::leaf::{COLUMNS, Leaf, read_hash};
use super::state::{State, differences};
use super::{file, replay, signatures, tables, trust_repositories};
use crate::blobs::blocking;
use crate::db::RowExt;
use crate::error::{Error, Result};
use crate::folder::Folder;
use crate::open::{Options, connect};
use crate::{batch, snapshot};

/// How many rows are read at a time.
const PAGE_ROWS: i64 = 2_000;
/// Problems beyond so many are counted, not kept.
const PROBLEMS_MAX: usize = 1_000;

/// What verification found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Rows with a place in the log.
    pub sealed: u64,
    /// Rows that the next seal will give one.
    pub unsealed: u64,
    /// Checkpoints that were compared with the log.
    pub checkpoints: u64,
    /// What is wrong; empty when the account holds.
    pub problems: Vec<Problem>,
    /// How many more there are.
    pub more_problems: u64,
    /// Signatures with certificates that the trusted root cannot judge any more, though the log says that they were verified; no
    /// problem of the log.
    pub unjudged: Vec<String>,
    /// How many more there are.
    pub more_unjudged: u64,
}

impl Report {
    /// Whether nothing is wrong.
    pub fn is_intact(&self) -> bool {
        self.problems.is_empty()
    }

    fn add(&mut self, kind: ProblemKind, row: Option<i64>, what: impl Into<String>) {
        if self.problems.len() < PROBLEMS_MAX {
            self.problems.push(Problem {
                kind,
                row,
                what: what.into(),
            });
        } else {
            self.more_problems = self.more_problems.saturating_add(1);
        }
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// What kind of thing.
    pub kind: ProblemKind,
    /// The number of the row of the audit log, where it is about one.
    pub row: Option<i64>,
    /// What it is about and how it is wrong, for people.
    pub what: String,
}

/// The kinds of things that can be wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProblemKind {
    /// A row is not what was sealed.
    RowEdited,
    /// A row is gone from the middle of the log.
    RowRemoved,
    /// The log is shorter than a checkpoint says.
    TailCut,
    /// The log is not the one that a checkpoint speaks of.
    LogChanged,
    /// A checkpoint, or the key to them, cannot be believed or is missing.
    Checkpoint,
    /// A row of the log that must say what changed does not.
    RowUnreadable,
    /// A table differs from what the log accounts for, or contradicts itself.
    StateChanged,
}

/// A checkpoint and where it stands.
struct Claim {
    checkpoint: Checkpoint,
    place: String,
}

/// Verifies the account of a data folder, against its own checkpoints and those of another file where one is given, such as
/// a copy that an auditor kept.
pub async fn verify(options: &Options, checkpoints: Option<&Path>) -> Result<Report> {
    let folder = Folder::existing(&options.data);
    if options.database.is_none() && !folder.database().is_file() {
        return Err(Error::not_found("database", folder.database().display()));
    }
    let mut report = Report::default();
    let key = read_key(&folder, &mut report).await?;
    let claims = match &key {
        Some(key) => read_claims(&folder, checkpoints, key, &mut report).await?,
        None => Vec::new(),
    };
    let db = connect(&folder, options.database.as_deref()).await?;
    let mut tx = snapshot::begin(&db).await?;
    log(&mut tx, &claims, key.is_some(), &mut report).await?;
    state(&mut tx, &options.anchors, &mut report).await?;
    tx.rollback().await?;
    db.close().await;
    Ok(report)
}

/// The key to the checkpoints: from its file beside them, never from the database.
async fn read_key(folder: &Folder, report: &mut Report) -> Result<Option<PublicKey>> {
    let path = folder.checkpoint_key();
    let shown = path.display().to_string();
    let text = blocking(move || match fs::read_to_string(&path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io(&path)(error)),
    })
    .await?;
    // Nothing was ever sealed here; where rows say otherwise, `log` says so.
    let Some(text) = text else { return Ok(None) };
    match PublicKey::from_pem(&text) {
        Ok(key) => Ok(Some(key)),
        Err(error) => {
            report.add(
                ProblemKind::Checkpoint,
                None,
                format!("`{shown}` cannot be read: {error}"),
            );
            Ok(None)
        }
    }
}

/// All checkpoints that the key signed, by size.
async fn read_claims(
    folder: &Folder,
    other: Option<&Path>,
    key: &PublicKey,
    report: &mut Report,
) -> Result<Vec<Claim>> {
    let mut claims = Vec::new();
    let mut paths = vec![folder.checkpoints()];
    if let Some(other) = other {
        if !other.is_file() {
            return Err(Error::not_found("checkpoint file", other.display()));
        }
        paths.push(other.to_path_buf());
    }
    for path in paths {
        let (found, problems) = read_file(path, key.clone()).await?;
        claims.extend(found);
        for problem in problems {
            report.add(ProblemKind::Checkpoint, None, problem);
        }
    }
    claims.sort_by_key(|claim| claim.checkpoint.size);
    report.checkpoints = u64::try_from(claims.len()).unwrap_or(u64::MAX);
    Ok(claims)
}

async fn read_file(path: PathBuf, key: PublicKey) -> Result<(Vec<Claim>, Vec<String>)> {
    blocking(move || {
        let (mut claims, mut problems) = (Vec::new(), Vec::new());
        file::read(&path, &mut |note| {
            let place = format!("checkpoint {} of `{}`", note.number, path.display());
            match file::parse(&note.text, &key) {
                Ok(checkpoint) => claims.push(Claim { checkpoint, place }),
                Err(why) => problems.push(format!("{place} cannot be believed: {why}")),
            }
            Ok(())
        })?;
        if claims.is_empty() && problems.is_empty() {
            problems.push(format!("`{}` holds no checkpoint", path.display()));
        }
        Ok((claims, problems))
    })
    .await
}

/// The rows with a place against their leaves, and the log they make against the checkpoints.
async fn log(
    conn: &mut AnyConnection,
    claims: &[Claim],
    has_key: bool,
    report: &mut Report,
) -> Result<()> {
    let mut walk = Walk {
        claims,
        frontier: Frontier::new(),
        is_whole: true,
        range_start: None,
        last_row: None,
    };
    let mut expected = 0_i64;
    loop {
        let text = format!(
            "SELECT {COLUMNS}, leaf_index, leaf_hash FROM audit WHERE leaf_index >= $1 ORDER BY leaf_index LIMIT $2"
        );
        let rows = batch::query(text)
            .bind(expected)
            .bind(PAGE_ROWS)
            .fetch_all(&mut *conn)
            .await?;
        for row in &rows {
            let (leaf, index) = (Leaf::read(row)?, row.int("leaf_index")?);
            if index > expected {
                walk.gap(expected, index, leaf.id, report);
            }
            walk.row(&leaf, index, read_hash(row).ok(), report)?;
            expected = index.saturating_add(1);
            report.sealed = report.sealed.saturating_add(1);
        }
        if rows.is_empty() {
            break;
        }
    }
    walk.end(expected, report);
    if report.sealed > 0 && !has_key && report.is_intact() {
        report.add(
            ProblemKind::Checkpoint,
            None,
            "rows were sealed, but the key to the checkpoints is missing",
        );
    }
    let unsealed = sqlx::query("SELECT COUNT(*) AS unsealed FROM audit WHERE leaf_index IS NULL")
        .fetch_one(conn)
        .await?;
    report.unsealed = unsealed.count("unsealed")?;
    Ok(())
}

/// The way along the log.
struct Walk<'a> {
    /// The checkpoints that lie ahead.
    claims: &'a [Claim],
    frontier: Frontier,
    /// Until a row is missing: from there on the log's roots are unknown.
    is_whole: bool,
    /// The first row since the last checkpoint that agreed.
    range_start: Option<i64>,
    last_row: Option<i64>,
}

impl Walk<'_> {
    fn row(
        &mut self,
        leaf: &Leaf,
        index: i64,
        stored: Option<Hash>,
        report: &mut Report,
    ) -> Result<()> {
        let found = leaf.hash(index)?;
        let agrees = match &stored {
            Some(stored) => leaf.has_hash(index, stored)?,
            None => false,
        };
        if !agrees {
            let what = format!(
                "row {} of the audit log (`{}` of `{}`) was edited",
                leaf.id, leaf.act, leaf.object
            );
            report.add(ProblemKind::RowEdited, Some(leaf.id), what);
        }
        // With the hash as it was sealed, the rest of the log can still be checked.
        self.frontier.append(stored.unwrap_or(found));
        self.range_start = self.range_start.or(Some(leaf.id));
        self.last_row = Some(leaf.id);
        let reached = u64::try_from(index).unwrap_or(u64::MAX).saturating_add(1);
        while let Some((claim, rest)) = self.claims.split_first() {
            if claim.checkpoint.size > reached {
                break;
            }
            self.claims = rest;
            self.compare(claim, leaf.id, report);
        }
        Ok(())
    }

    fn compare(&mut self, claim: &Claim, row: i64, report: &mut Report) {
        if !self.is_whole || claim.checkpoint.size != self.frontier.size() {
            return;
        }
        if claim.checkpoint.root == self.frontier.root() {
            self.range_start = None;
            return;
        }
        // Once is enough: every later root differs as well.
        self.is_whole = false;
        let first = self.range_start.unwrap_or(row);
        let what = format!(
            "a row from {first} to {row} of the audit log is not what {} signed",
            claim.place
        );
        report.add(ProblemKind::LogChanged, Some(first), what);
    }

    fn gap(&mut self, from: i64, to: i64, next_row: i64, report: &mut Report) {
        self.is_whole = false;
        let between = match self.last_row {
            Some(last) => format!("between row {last} and row {next_row}"),
            None => format!("before row {next_row}"),
        };
        let count = to.saturating_sub(from);
        let what = format!(
            "{count} of the rows of the audit log {between} were removed (place {from} of the log on)"
        );
        report.add(ProblemKind::RowRemoved, self.last_row, what);
    }

    /// No more rows: checkpoints that lie ahead speak of rows that are gone.
    fn end(&self, found: i64, report: &mut Report) {
        if let Some(claim) = self.claims.last() {
            let last = self
                .last_row
                .map_or("the beginning".to_owned(), |row| format!("row {row}"));
            let what = format!(
                "the audit log was cut off after {last}: {} signed {} rows, {found} are there",
                claim.place, claim.checkpoint.size
            );
            report.add(ProblemKind::TailCut, self.last_row, what);
        }
    }
}

/// What the tables say against what the log accounts for.
async fn state(conn: &mut AnyConnection, anchors: &Anchors, report: &mut Report) -> Result<()> {
    let mut accounted = State::new();
    let mut after = 0_i64;
    loop {
        let text = format!(
            "SELECT {COLUMNS} FROM audit WHERE id > $1 AND act IN ({}) ORDER BY id LIMIT $2",
            batch::markers(3, replay::ACTS.len())
        );
        let mut query = batch::query(text).bind(after).bind(PAGE_ROWS);
        for act in replay::ACTS {
            query = query.bind(*act);
        }
        let rows = query.fetch_all(&mut *conn).await?;
        for row in &rows {
            let leaf = Leaf::read(row)?;
            after = leaf.id;
            if replay::apply(&mut accounted, &leaf).is_none() {
                let what = format!(
                    "row {} of the audit log (`{}`) does not say what it changed",
                    leaf.id, leaf.act
                );
                report.add(ProblemKind::RowUnreadable, Some(leaf.id), what);
            }
        }
        if rows.is_empty() {
            break;
        }
    }
    for line in tables::contradictions(conn).await? {
        report.add(ProblemKind::StateChanged, None, line);
    }
    let found = signatures::contradictions(conn, anchors).await?;
    for line in found.changed {
        report.add(ProblemKind::StateChanged, None, line);
    }
    let more = found.unjudged.len().saturating_sub(PROBLEMS_MAX);
    report.more_unjudged = u64::try_from(more).unwrap_or(u64::MAX);
    report.unjudged = found.unjudged;
    report.unjudged.truncate(PROBLEMS_MAX);
    for line in trust_repositories::contradictions(conn).await? {
        report.add(ProblemKind::StateChanged, None, line);
    }
    for line in differences(&accounted, &tables::read(conn).await?) {
        report.add(ProblemKind::StateChanged, None, line);
    }
    Ok(())
}
