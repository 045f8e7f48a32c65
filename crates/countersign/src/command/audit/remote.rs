//! `countersign audit verify --url` and `audit prove`: the log of a server, read in tiles. Every entry is hashed and the root compared with
//! what the log's key signed; nothing that the server says is taken for granted but its key, and that only where none is given.

use super::{Findings, Verify};
use crate::context::ServerFlags;
use crate::exit::Exit;
use crate::output;
use crate::tlog::{Log, Prover};
use anyhow::{Context, Result, anyhow, bail};
use std::fs;
use std::path::PathBuf;
use trust::checkpoint::VerifierKey;
use trust::merkle::{tiles_for_consistency, verify_consistency};

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  countersign audit prove 1207 --file act.tlog-proof\n  \
    countersign audit prove --since /srv/witness/audit --file grown\n\n\
`GET /api/v1/audit?limit=N` shows rows with their `leafIndex`. It needs the role `auditor`."
)]
pub(crate) struct Prove {
    /// The entry's place in the log, counted from 0: `leafIndex` of a row.
    #[arg(
        value_name = "INDEX",
        required_unless_present = "since",
        conflicts_with = "since"
    )]
    index: Option<u64>,
    /// Prove instead that the log grew from the last checkpoint of this file.
    #[arg(long, value_name = "FILE")]
    since: Option<PathBuf>,
    /// The log's verifier key itself, not its file; without it, the server's own word for it is believed.
    #[arg(long, value_name = "KEY")]
    log_key: Option<VerifierKey>,
    /// Where to write the proof.
    #[arg(short = 'f', long = "file", value_name = "FILE")]
    file: PathBuf,
}

impl Prove {
    pub(super) async fn run(self, server: &ServerFlags) -> Result<Exit> {
        let log = Log::of(server.client()?, self.log_key.clone()).await?;
        let text = match (self.index, &self.since) {
            (Some(index), _) => Prover::new(&log).prove(index).await?.to_text(),
            (None, Some(since)) => {
                let notes = store::audit::notes(since)?;
                let last = notes
                    .last()
                    .ok_or_else(|| anyhow!("`{}` holds no checkpoint", since.display()))?;
                let old = store::audit::believe(last, log.key.key()).map_err(|why| anyhow!(why))?;
                log.prove_growth(&old).await?
            }
            (None, None) => bail!("say which entry, or since when"),
        };
        fs::write(&self.file, text)
            .with_context(|| format!("cannot write `{}`", self.file.display()))?;
        output::line(format!("wrote {}", self.file.display()));
        let kept = self.since.as_ref().map_or_else(String::new, |since| {
            format!(" --checkpoint {}", since.display())
        });
        output::line(format!(
            "check it anywhere with: countersign audit verify --proof {}{kept} --log-key {}",
            self.file.display(),
            log.key
        ));
        Ok(Exit::Done)
    }
}

/// Checks a server's log from its first entry to its last.
pub(super) async fn verify(server: &ServerFlags, url: &str, options: &Verify) -> Result<Findings> {
    let server = ServerFlags {
        server: Some(url.to_owned()),
        ..server.clone()
    };
    let log = Log::of(server.client()?, options.log_key.clone()).await?;
    let mut findings = Findings {
        size: log.checkpoint.size,
        ..Findings::default()
    };
    if options.log_key.is_none() {
        output::note(format!(
            "the log's key is the server's own word; keep it and give it next time: --log-key {}",
            log.key
        ));
    }
    findings.holds(format!(
        "a checkpoint of {} entries, signed by the log",
        log.checkpoint.size
    ));
    findings.witnesses(&log.note, &options.witnesses);
    if let Some(kept) = &options.checkpoint {
        compare(&log, &store::audit::notes(kept)?, &mut findings).await?;
    }
    match log.read_whole().await? {
        Ok(()) => findings.holds("every entry hashes to what was signed"),
        Err(why) => findings.fails(why),
    }
    Ok(findings)
}

/// Whether the log grew from each checkpoint that was kept.
async fn compare(log: &Log, kept: &[String], findings: &mut Findings) -> Result<()> {
    let new = &log.checkpoint;
    if kept.is_empty() {
        findings.fails("the file holds no checkpoint");
    }
    for (number, note) in (1..).zip(kept) {
        let old = match store::audit::believe(note, log.key.key()) {
            Ok(old) => old,
            Err(why) => {
                findings.fails(format!(
                    "checkpoint {number} that was kept cannot be believed: {why}"
                ));
                continue;
            }
        };
        if old.size > new.size {
            findings.fails(format!(
                "the log shrank: checkpoint {number} that was kept has {} entries, and the server shows {}",
                old.size, new.size
            ));
            continue;
        }
        let tiles = log.tiles(tiles_for_consistency(old.size, new.size)).await?;
        let proof = tiles.consistency_proof(old.size, new.size)?;
        match verify_consistency((old.size, &old.root), (new.size, &new.root), &proof) {
            Ok(()) => findings.holds(format!(
                "it grew from the {} entries of checkpoint {number} that was kept",
                old.size
            )),
            Err(error) => findings.fails(format!(
                "checkpoint {number} that was kept is of another history: {error}"
            )),
        }
    }
    Ok(())
}
