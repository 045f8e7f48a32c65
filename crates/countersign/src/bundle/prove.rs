//! Proofs that what lies beside an image is in the server's audit log: for each manifest the entry that recorded it, with its way to one
//! checkpoint. They are made from the log's tiles as any reader would, and need the right to read it; whoever has not goes without.

use super::entry::Entry;
use crate::tlog::{Log, Prover};
use anyhow::{Result, bail};
use client::api::audit::AuditRow;
use client::{Client, PageRequest};
use oci::{Digest, RepositoryName};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Rows of the log that are asked for at a time.
const ROWS: u32 = 1_000;
/// Pages of rows, of one repository.
const PAGES_MAX: usize = 10_000;
/// How often the server is asked again, once a second, until what it recorded is under a checkpoint. With witnesses that is ten seconds.
const ROUNDS_MAX: usize = 20;
const ROUND: Duration = Duration::from_secs(1);

/// A proof of each manifest that the log has an entry of, its text by the manifest; or why there are none, for people.
pub(super) async fn or_why_not(
    client: &Client,
    repository: &RepositoryName,
    manifests: &BTreeSet<Digest>,
) -> Result<BTreeMap<Digest, String>, String> {
    if manifests.is_empty() {
        return Ok(BTreeMap::new());
    }
    proofs(client, repository, manifests)
        .await
        .map_err(|error| left_out(&error))
}

async fn proofs(
    client: &Client,
    repository: &RepositoryName,
    manifests: &BTreeSet<Digest>,
) -> Result<BTreeMap<Digest, String>> {
    let mut recorded = BTreeMap::new();
    recorded_after(client, repository, manifests, 0, &mut recorded).await?;
    let log = sealed(client, repository, manifests, &mut recorded).await?;
    let mut places: Vec<(u64, Digest)> = recorded
        .into_iter()
        .filter_map(|(manifest, row)| Some((row.place()?, manifest)))
        .filter(|(place, _)| *place < log.checkpoint.size)
        .collect();
    places.sort();
    let mut prover = Prover::new(&log);
    let mut proofs = BTreeMap::new();
    for (place, manifest) in places {
        let proof = prover.prove(place).await?;
        let is_of = |entry: &Entry| entry.records(repository).contains(&manifest.as_str());
        if Entry::parse(&proof.entry, place).filter(is_of).is_none() {
            bail!("the log's entry {place} is not the row that the server gave");
        }
        proofs.insert(manifest, proof.to_text());
    }
    Ok(proofs)
}

/// Where something was recorded first.
struct Recorded {
    row: i64,
    leaf_index: Option<i64>,
}

impl Recorded {
    fn place(&self) -> Option<u64> {
        u64::try_from(self.leaf_index?).ok()
    }

    fn is_under(&self, size: u64) -> bool {
        self.place().is_some_and(|place| place < size)
    }
}

/// The log once its checkpoint has all of them, or after a while.
async fn sealed(
    client: &Client,
    repository: &RepositoryName,
    manifests: &BTreeSet<Digest>,
    recorded: &mut BTreeMap<Digest, Recorded>,
) -> Result<Log> {
    let mut round = 0;
    loop {
        let log = Log::of(client.clone(), None).await?;
        let size = log.checkpoint.size;
        let early = recorded.values().filter(|row| !row.is_under(size));
        let Some(first) = early.map(|row| row.row).min() else {
            return Ok(log);
        };
        if round == ROUNDS_MAX {
            return Ok(log);
        }
        round += 1;
        tokio::time::sleep(ROUND).await;
        recorded.retain(|_, row| row.is_under(size));
        recorded_after(client, repository, manifests, first - 1, recorded).await?;
    }
}

/// Adds the rows after a number that record what was not known to be recorded.
async fn recorded_after(
    client: &Client,
    repository: &RepositoryName,
    manifests: &BTreeSet<Digest>,
    after: i64,
    recorded: &mut BTreeMap<Digest, Recorded>,
) -> Result<()> {
    let mut after = after.to_string();
    for _ in 0..PAGES_MAX {
        let page = PageRequest {
            after: Some(&after),
            limit: Some(ROWS),
        };
        let page = client.audit_of(repository, page).await?;
        for row in page.items {
            let (id, leaf_index) = (row.id, row.leaf_index);
            let entry = entry(row);
            let named = entry.records(repository).into_iter();
            let named = named.filter_map(|name| name.parse::<Digest>().ok());
            for manifest in named.filter(|manifest| manifests.contains(manifest)) {
                recorded.entry(manifest).or_insert(Recorded {
                    row: id,
                    leaf_index,
                });
            }
        }
        match page.next {
            Some(next) if next != after => after = next,
            _ => return Ok(()),
        }
    }
    bail!("limit exceeded: the log has too many rows of the repository")
}

fn entry(row: AuditRow) -> Entry {
    Entry {
        happened_at: row.happened_at,
        act: row.act,
        object: row.object,
        detail: Some(row.detail),
    }
}

fn left_out(error: &anyhow::Error) -> String {
    let refused = error
        .downcast_ref::<client::Error>()
        .and_then(client::Error::refused);
    match refused.map(|refused| refused.status) {
        Some(401 | 403) => {
            "you may not read the audit there (role `auditor`): proofs were left out".to_owned()
        }
        _ => format!("proofs were left out: {error:#}"),
    }
}
