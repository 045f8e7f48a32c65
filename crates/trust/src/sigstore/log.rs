//! Whether a transparency log stands behind an entry: by a proof up to a root that it signed, and by its promise.
//! Deliberately nothing about what the entry says: `entry` compares that. Rekor's first version, whose promises carry a
//! time, and its second, which has proofs only. RFC 6962; rekor `openapi.yaml`; rekor-tiles `CLIENTS.md`.

use super::root::{Log, TrustedRoot};
use crate::bundle::LogEntry;
use crate::checkpoint;
use crate::encoding::to_base64;
use crate::merkle;

/// Why a log does not stand behind an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LogFault {
    /// The trusted root does not name the log.
    #[error("the trusted root does not name the log of the entry")]
    UnknownLog,
    /// The log was not trusted at the time.
    #[error("the log of the entry was not trusted at its time")]
    Window,
    /// This version of bundles, or of the log, needs a proof.
    #[error("the log entry has no inclusion proof with a checkpoint")]
    NoProof,
    /// Neither a proof nor a promise.
    #[error("the log entry has no inclusion promise")]
    NoPromise,
    /// The log did not sign the promise, or its time was changed.
    #[error(
        "the inclusion promise of the log entry does not fit: the entry, its time or its number was changed"
    )]
    Promise,
    /// The log did not sign the checkpoint.
    #[error("the checkpoint of the log entry was not signed by its log")]
    Checkpoint,
    /// The proof says something else than the checkpoint.
    #[error("the inclusion proof and the checkpoint of the log entry differ")]
    OtherRoot,
    /// The proof does not lead from the entry to the root.
    #[error("the inclusion proof of the log entry does not lead to the log's root")]
    Inclusion,
}

/// What an entry must bring to be believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Needs {
    /// Bundles of version 0.1 and `.sig` manifests: a promise, and a proof only if there is one.
    Promise,
    /// All others.
    Proof,
}

/// A log's word, as far as it goes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Logged<'a> {
    pub(super) log: &'a Log,
    /// In milliseconds since 1970, where the log signed a time.
    pub(super) at: Option<i64>,
}

/// `now` is in milliseconds since 1970.
pub(super) fn verify<'a>(
    entry: &LogEntry,
    root: &'a TrustedRoot,
    needs: Needs,
    now: i64,
) -> Result<Logged<'a>, LogFault> {
    let integrated = entry
        .integrated_seconds
        .map(|seconds| seconds.saturating_mul(1000));
    let known: Vec<&Log> = root
        .logs
        .iter()
        .filter(|log| log.id == entry.log_id)
        .collect();
    let at = integrated.unwrap_or(now);
    let log = match known.iter().find(|log| log.window.contains(at)) {
        Some(log) => *log,
        // A log without times of its own may have ended since: its entries are then dated by a timestamp.
        None if known.is_empty() => return Err(LogFault::UnknownLog),
        None if integrated.is_some() => return Err(LogFault::Window),
        None => known
            .into_iter()
            .find(|log| log.window.start.is_none_or(|start| start <= now))
            .ok_or(LogFault::Window)?,
    };
    let promised = match &entry.promise {
        Some(promise) => {
            verify_promise(entry, promise, log)?;
            true
        }
        None => false,
    };
    let is_second = is_second_version(entry);
    match &entry.proof {
        Some(proof) if !proof.checkpoint.is_empty() || needs == Needs::Proof || is_second => {
            verify_proof(entry, log)?;
        }
        _ if needs == Needs::Proof || is_second => return Err(LogFault::NoProof),
        _ if !promised => return Err(LogFault::NoPromise),
        _ => {}
    }
    Ok(Logged {
        log,
        at: integrated.filter(|_| promised && !is_second),
    })
}

/// Rekor's second version has new versions of two kinds; `intoto` 0.0.2 is the first's.
pub(super) fn is_second_version(entry: &LogEntry) -> bool {
    entry.version == "0.0.2" && entry.kind != "intoto"
}

/// The signed root decides; what the writer repeats beside it must not differ in the first version, and is not signed in
/// the second.
fn verify_proof(entry: &LogEntry, log: &Log) -> Result<(), LogFault> {
    let proof = entry
        .proof
        .as_ref()
        .filter(|proof| !proof.checkpoint.is_empty())
        .ok_or(LogFault::NoProof)?;
    let checkpoint =
        checkpoint::verify_by_key(&proof.checkpoint, &log.key).map_err(|_| LogFault::Checkpoint)?;
    let checkpoint = checkpoint.value();
    let index = if is_second_version(entry) {
        entry.index
    } else {
        if proof.root != checkpoint.root || proof.size != checkpoint.size {
            return Err(LogFault::OtherRoot);
        }
        proof.index
    };
    let leaf = merkle::leaf_hash(&entry.body);
    merkle::verify_inclusion(
        &leaf,
        index,
        checkpoint.size,
        &proof.hashes,
        &checkpoint.root,
    )
    .map_err(|_| LogFault::Inclusion)
}

/// The promise is over the entry's JSON in canonical form, RFC 8785: these keys in this order and nothing between.
fn verify_promise(entry: &LogEntry, promise: &[u8], log: &Log) -> Result<(), LogFault> {
    let text = format!(
        r#"{{"body":"{}","integratedTime":{},"logID":"{}","logIndex":{}}}"#,
        to_base64(&entry.body),
        entry.integrated_seconds.unwrap_or_default(),
        hex::encode(&entry.log_id),
        entry.index,
    );
    log.key
        .verify(text.as_bytes(), promise)
        .map_err(|_| LogFault::Promise)
}
