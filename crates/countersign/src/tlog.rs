//! The log of a server, read in tiles, and the proofs that are made from them. Nothing that the server says is taken for granted but its
//! key, and that only where none is given. C2SP `tlog-tiles`, `tlog-proof`.

use anyhow::{Context, Result, anyhow, bail};
use bytes::Bytes;
use client::Client;
use std::collections::BTreeSet;
use trust::checkpoint::{Checkpoint, VerifierKey};
use trust::log_proof::LogProof;
use trust::merkle::{
    Frontier, TILE_WIDTH, Tile, Tiles, leaf_hash, tiles_for_consistency, tiles_for_inclusion,
    verify_consistency,
};
use trust::witness::AddCheckpoint;

/// A log as a server shows it, with the checkpoint that everything is compared with.
pub(crate) struct Log {
    client: Client,
    pub(crate) key: VerifierKey,
    pub(crate) note: String,
    pub(crate) checkpoint: Checkpoint,
}

impl Log {
    pub(crate) async fn of(client: Client, key: Option<VerifierKey>) -> Result<Self> {
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

    /// Hashes every entry; the inner error says what does not fit.
    pub(crate) async fn read_whole(&self) -> Result<std::result::Result<(), String>> {
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

    /// Proves that the log grew from an older checkpoint, as a witness is asked.
    pub(crate) async fn prove_growth(&self, old: &Checkpoint) -> Result<String> {
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

    pub(crate) async fn tiles(&self, wanted: BTreeSet<Tile>) -> Result<Tiles> {
        let mut tiles = Tiles::new();
        for tile in wanted {
            tiles.insert(tile, &self.tile(tile).await?)?;
        }
        Ok(tiles)
    }

    async fn tile(&self, tile: Tile) -> Result<Bytes> {
        Ok(self.client.log_tile(&tile.to_string()).await?)
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

/// Makes proofs of one log under one checkpoint; of what they share, nothing is fetched twice in a row.
pub(crate) struct Prover<'a> {
    log: &'a Log,
    tiles: Tiles,
    has: BTreeSet<Tile>,
    /// The number of the bundle that was read last, and its entries.
    entries: Option<(u64, Vec<Vec<u8>>)>,
}

impl<'a> Prover<'a> {
    pub(crate) fn new(log: &'a Log) -> Self {
        Self {
            log,
            tiles: Tiles::new(),
            has: BTreeSet::new(),
            entries: None,
        }
    }

    /// Proves that an entry is in the log. For many, their order should be that of the log.
    pub(crate) async fn prove(&mut self, index: u64) -> Result<LogProof> {
        let size = self.log.checkpoint.size;
        if index >= size {
            bail!("the log has {size} entries, counted from 0: there is no entry {index} yet");
        }
        for tile in tiles_for_inclusion(index, size) {
            if self.has.insert(tile) {
                self.tiles.insert(tile, &self.log.tile(tile).await?)?;
            }
        }
        let proof = LogProof {
            entry: self.entry(index).await?,
            index,
            hashes: self.tiles.inclusion_proof(index, size)?,
            note: self.log.note.clone(),
        };
        proof.verify(&self.log.key)?;
        Ok(proof)
    }

    async fn entry(&mut self, index: u64) -> Result<Vec<u8>> {
        let number = index / TILE_WIDTH;
        let entries = match self.entries.take() {
            Some((kept, entries)) if kept == number => entries,
            _ => self.log.entries(index).await?,
        };
        let place = usize::try_from(index % TILE_WIDTH)?;
        let entry = entries.get(place).cloned();
        self.entries = Some((number, entries));
        entry.ok_or_else(|| anyhow!("the server did not give entry {index}"))
    }
}
