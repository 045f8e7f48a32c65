//! `countersign audit verify --url` and `audit prove`: the log of a server, read in tiles. Every entry is hashed and the root compared with
//! what the log's key signed; nothing that the server says is taken for granted but its key, and that only where none is given.

use super::{Findings, Verify};
use crate::context::ServerFlags;
use crate::exit::Exit;
use crate::output;
use anyhow::{Context, Result, anyhow, bail};
use client::Client;
use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use trust::checkpoint::{Checkpoint, VerifierKey};
use trust::log_proof::LogProof;
use trust::merkle::{
    Frontier, TILE_WIDTH, Tile, Tiles, leaf_hash, tiles_for_consistency, tiles_for_inclusion,
    verify_consistency,
};
use trust::witness::AddCheckpoint;

#[derive(Debug, clap::Args)]
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
    /// The log's verifier key; without it, the server's own word for it is believed.
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
            (Some(index), _) => log.prove_entry(index).await?,
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
        output::line(format!(
            "check it anywhere with: countersign audit verify --proof {} --log-key {}",
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
        log.compare(&store::audit::notes(kept)?, &mut findings)
            .await?;
    }
    match log.read_whole().await? {
        Ok(()) => findings.holds("every entry hashes to what was signed"),
        Err(why) => findings.fails(why),
    }
    Ok(findings)
}

/// A log as a server shows it, with the checkpoint that everything is compared with.
struct Log {
    client: Client,
    key: VerifierKey,
    note: String,
    checkpoint: Checkpoint,
}

impl Log {
    async fn of(client: Client, key: Option<VerifierKey>) -> Result<Self> {
        let key = match key {
            Some(key) => key,
            None => {
                let text = client.log_key().await?;
                let text = std::str::from_utf8(&text).context("the server's key is no text")?;
                text.trim_end().parse()?
            }
        };
        let note = String::from_utf8(client.log_checkpoint().await?.to_vec())
            .context("the checkpoint is no text")?;
        let checkpoint = store::audit::believe(&note, key.key()).map_err(|why| anyhow!(why))?;
        Ok(Self {
            client,
            key,
            note,
            checkpoint,
        })
    }

    /// Whether the log grew from each checkpoint that was kept.
    async fn compare(&self, kept: &[String], findings: &mut Findings) -> Result<()> {
        let new = &self.checkpoint;
        if kept.is_empty() {
            findings.fails("the file holds no checkpoint");
        }
        for (number, note) in (1..).zip(kept) {
            let old = match store::audit::believe(note, self.key.key()) {
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
            let tiles = self
                .tiles(tiles_for_consistency(old.size, new.size))
                .await?;
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

    /// Hashes every entry; the inner error says what does not fit.
    async fn read_whole(&self) -> Result<std::result::Result<(), String>> {
        let size = self.checkpoint.size;
        let mut frontier = Frontier::new();
        while frontier.size() < size {
            for entry in self.entries(frontier.size()).await? {
                frontier.append(leaf_hash(&entry));
            }
        }
        Ok(if frontier.root() == self.checkpoint.root {
            Ok(())
        } else {
            Err("the entries are not those that were signed: some of them were changed".to_owned())
        })
    }

    async fn prove_entry(&self, index: u64) -> Result<String> {
        let size = self.checkpoint.size;
        if index >= size {
            bail!("the log has {size} entries, counted from 0: there is no entry {index} yet");
        }
        let tiles = self.tiles(tiles_for_inclusion(index, size)).await?;
        let entries = self.entries(index).await?;
        let place = usize::try_from(index % TILE_WIDTH)?;
        let entry = entries
            .into_iter()
            .nth(place)
            .ok_or_else(|| anyhow!("the server did not give entry {index}"))?;
        let proof = LogProof {
            entry,
            index,
            hashes: tiles.inclusion_proof(index, size)?,
            note: self.note.clone(),
        };
        proof.verify(&self.key)?;
        Ok(proof.to_text())
    }

    async fn prove_growth(&self, old: &Checkpoint) -> Result<String> {
        let new = &self.checkpoint;
        let tiles = self
            .tiles(tiles_for_consistency(old.size, new.size))
            .await?;
        let proof = tiles.consistency_proof(old.size, new.size)?;
        verify_consistency((old.size, &old.root), (new.size, &new.root), &proof)?;
        let request = AddCheckpoint {
            old_size: old.size,
            proof,
            note: self.note.clone(),
        };
        Ok(request.to_text())
    }

    async fn tiles(&self, wanted: BTreeSet<Tile>) -> Result<Tiles> {
        let mut tiles = Tiles::new();
        for tile in wanted {
            let bytes = self.client.log_tile(&tile.to_string()).await?;
            tiles.insert(tile, &bytes)?;
        }
        Ok(tiles)
    }

    /// The entries of the bundle that holds a place of the log. tlog-tiles "Log entries"
    async fn entries(&self, index: u64) -> Result<Vec<Vec<u8>>> {
        let tile = Tile::holding(0, index, self.checkpoint.size)
            .ok_or_else(|| anyhow!("there is no entry {index}"))?;
        let bytes = self
            .client
            .log_tile(&format!("entries/{}", tile.place()))
            .await?;
        let mut entries = Vec::new();
        let mut rest = bytes.as_ref();
        while let Some((length, after)) = rest.split_first_chunk::<2>() {
            let length = usize::from(u16::from_be_bytes(*length));
            let (entry, after) = after
                .split_at_checked(length)
                .ok_or_else(|| anyhow!("a bundle of entries ended early"))?;
            entries.push(entry.to_vec());
            rest = after;
        }
        if entries.len() != usize::from(tile.width) || !rest.is_empty() {
            bail!(
                "a bundle has {} entries, and the log {} there",
                entries.len(),
                tile.width
            );
        }
        Ok(entries)
    }
}
