//! `countersign advisories`: what is known to be weak. Files are read here; the server gets records, one a line.

use crate::context::ServerFlags;
use crate::exit::Exit;
use crate::output::{self, Format};
use crate::progress;
use advisories::{Batch, Limits, read_path};
use anyhow::{Context, Result, bail};
use bytes::Bytes;
use clap::Subcommand;
use client::Client;
use client::api::advisories::{
    AdvisorySource, ImportAdvisory, ImportKnownExploited, ImportLine, ImportReport,
};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use store::feeds::KNOWN_EXPLOITED_SOURCE;

/// Lines that are sent in one piece.
const LINES_A_PIECE: usize = 256;
/// Skipped files that are named; the rest is counted.
const SKIPPED_SHOWN: usize = 10;

#[derive(Debug, Subcommand)]
pub(crate) enum Advisories {
    /// Import advisories: OSV (JSON or YAML), Debian's security tracker, CISA's known exploited list; a file, a zip or a folder.
    #[command(
        after_help = "Examples:\n  countersign advisories import PyPI/all.zip\n  countersign advisories import --source debian tracker.json"
    )]
    Import {
        /// Files, zips or folders.
        #[arg(required = true)]
        paths: Vec<PathBuf>,
        /// The name of the source; each is replaced whole by its next import. From the content, unless said otherwise.
        #[arg(long)]
        source: Option<String>,
        /// Take an older or smaller set than the one that is held.
        #[arg(long)]
        allow_older: bool,
    },
    /// Show what the server holds.
    Status {
        /// How to print it.
        #[arg(short, long, value_enum, default_value_t)]
        output: Format,
    },
}

impl Advisories {
    pub(crate) async fn run(self, server: &ServerFlags) -> Result<Exit> {
        match self {
            Self::Import {
                paths,
                source,
                allow_older,
            } => {
                let client = server.client()?;
                let batch = read_all(&paths)?;
                say_skipped(&batch);
                for (name, part) in by_source(batch, source.as_deref()) {
                    let report = import(&client, &name, allow_older, part).await?;
                    print(&report);
                }
                Ok(Exit::Done)
            }
            Self::Status { output } => status(server, output).await,
        }
    }
}

/// Reads paths into one batch.
pub(crate) fn read_all(paths: &[PathBuf]) -> Result<Batch> {
    let mut all = Batch::default();
    for path in paths {
        let bar = progress::bytes(&format!("reading {}", path.display()), None);
        let batch = read_one(path)?;
        bar.finish_and_clear();
        all.advisories.extend(batch.advisories);
        all.known_exploited.extend(batch.known_exploited);
        all.skipped.extend(batch.skipped);
        all.files += batch.files;
        for (ecosystem, count) in batch.unmatched {
            *all.unmatched.entry(ecosystem).or_default() += count;
        }
    }
    if all.advisories.is_empty() && all.known_exploited.is_empty() {
        bail!(
            "no advisory was found; give OSV files, Debian's tracker JSON or CISA's known exploited list"
        );
    }
    Ok(all)
}

fn read_one(path: &Path) -> Result<Batch> {
    read_path(path, &Limits::default())
        .with_context(|| format!("cannot import `{}`", path.display()))
}

fn say_skipped(batch: &Batch) {
    for (file, why) in batch.skipped.iter().take(SKIPPED_SHOWN) {
        output::note(format!("skipped {file}: {why}"));
    }
    if batch.skipped.len() > SKIPPED_SHOWN {
        output::note(format!(
            "skipped {} more",
            batch.skipped.len() - SKIPPED_SHOWN
        ));
    }
    for (ecosystem, count) in &batch.unmatched {
        output::note(format!(
            "{count} records are about {ecosystem}, which is kept but not matched yet"
        ));
    }
}

/// One set a source, because the next import of a source replaces it whole.
pub(crate) fn by_source(batch: Batch, named: Option<&str>) -> BTreeMap<String, Batch> {
    let mut parts: BTreeMap<String, Batch> = BTreeMap::new();
    for advisory in batch.advisories {
        let name = named.map_or_else(|| advisory.source.clone(), str::to_owned);
        parts.entry(name).or_default().advisories.push(advisory);
    }
    if !batch.known_exploited.is_empty() {
        let name = named.unwrap_or(KNOWN_EXPLOITED_SOURCE).to_owned();
        parts.entry(name).or_default().known_exploited = batch.known_exploited;
    }
    parts
}

/// Sends one source's set to the server.
pub(crate) async fn import(
    client: &Client,
    source: &str,
    allow_older: bool,
    batch: Batch,
) -> Result<ImportReport> {
    let lines = lines(batch.advisories, batch.known_exploited)?;
    let stream = futures_util::stream::iter(lines.into_iter().map(Ok::<Bytes, std::io::Error>));
    Ok(client
        .import_advisories(source, allow_older, stream)
        .await?)
}

fn lines(advisories: Vec<advisories::Advisory>, exploited: BTreeSet<String>) -> Result<Vec<Bytes>> {
    let mut pieces = Vec::new();
    let mut piece = ImportLine::header().to_bytes()?;
    let records = advisories.iter().map(|advisory| {
        serde_json::to_value(advisory)
            .map(|advisory| ImportLine::Advisory(ImportAdvisory { advisory }))
    });
    let exploited = exploited.into_iter().map(|id| {
        Ok(ImportLine::KnownExploited(ImportKnownExploited {
            known_exploited: id,
        }))
    });
    for (count, line) in records.chain(exploited).enumerate() {
        piece.extend(line?.to_bytes()?);
        if count % LINES_A_PIECE == LINES_A_PIECE - 1 {
            pieces.push(Bytes::from(std::mem::take(&mut piece)));
        }
    }
    pieces.push(Bytes::from(piece));
    Ok(pieces)
}

fn print(report: &ImportReport) {
    output::line(format!(
        "{}: {} added, {} changed, {} withdrawn, {} unchanged; {} known exploited; {} packages to match again",
        report.source,
        report.added,
        report.changed,
        report.withdrawn,
        report.unchanged,
        report.known_exploited,
        report.keys_changed
    ));
}

async fn status(server: &ServerFlags, output: Format) -> Result<Exit> {
    let status = server.client()?.advisory_status().await?;
    if output == Format::Json {
        output::json(&status)?;
    } else {
        let row = |source: &AdvisorySource| {
            let newest = source
                .newest_at
                .map_or_else(|| "-".to_owned(), output::instant);
            [
                source.source.clone(),
                source.advisories.to_string(),
                newest,
                output::instant(source.imported_at),
            ]
        };
        let rows = status.sources.iter().map(row).collect();
        output::table(
            ["source", "advisories", "newest", "imported"],
            rows,
            "no advisories: gates with limits are not ready",
        );
        if let Some(snapshot) = &status.snapshot {
            output::line(format!(
                "snapshot {snapshot}, {} known exploited, about {}",
                status.known_exploited,
                listed(&status.ecosystems)
            ));
        }
    }
    if !status.missing.is_empty() {
        output::note(format!(
            "there are images with components of {}, and no advisories about that: gates with limits on weaknesses are not ready for them",
            listed(&status.missing)
        ));
    }
    Ok(if status.ready && status.missing.is_empty() {
        Exit::Done
    } else {
        Exit::NotReady
    })
}

fn listed(names: &[String]) -> String {
    match names {
        [] => "nothing that can be matched".to_owned(),
        names => names.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use advisories::read_bytes;
    use store::feeds::{Extent, NewSet};

    const CATALOGUE: &[u8] =
        br#"{"catalogVersion": "1", "vulnerabilities": [{"cveID": "CVE-2021-44228"}]}"#;

    #[test]
    fn the_catalogue_has_one_name_wherever_it_is_read() {
        let batch = read_bytes("known_exploited_vulnerabilities.json", CATALOGUE);
        assert_eq!(batch.skipped, []);
        let sets = NewSet::of_batch(batch.clone(), Extent::Full, false);
        let sets: Vec<&str> = sets.iter().map(|set| set.source.as_str()).collect();
        let parts = by_source(batch, None);
        assert_eq!(parts.keys().collect::<Vec<_>>(), ["kev"]);
        assert_eq!(sets, ["kev"]);
    }
}
