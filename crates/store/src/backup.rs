//! Backups of a running server, and what becomes of them: `backup` copies checkpoints, then the database as of one moment,
//! then the blobs that it names; `restore` makes a data folder of it again, and believes nothing that it has not read.
//!
//! The order makes it whole. Checkpoints are older than the database, so that the log holds all that was signed. Blobs are
//! copied after the database that names them, and no collection removes one meanwhile (`lease`). The server's keys are
//! never in it: whoever has both can sign as the server. DESIGN §5, ADR 11.
//!
//! ```text
//! DIR/.lock                          held by whoever makes one
//! DIR/blobs/sha256/ab/abcd…          shared by all snapshots: each under its digest, copied once
//! DIR/20261126T114500Z/backup.json   what is inside, with digests; written last
//!                     /countersign.db or tables.jsonl
//!                     /blobs.jsonl   the blobs that it needs
//!                     /checkpoints/audit, audit.pub
//! ```

mod copy;
mod database;
mod lease;
mod manifest;
mod restore;
mod tables;
mod take;

pub(crate) use lease::is_under_way;
pub use manifest::{Damaged, Manifest};
pub use restore::{Restored, restore};
pub use take::{Taken, Taking, take};

use std::sync::atomic::AtomicU64;

/// How far a backup or a restore is, for whoever looks on.
#[derive(Debug, Default)]
pub struct Progress {
    /// Bytes of all blobs that it names.
    pub bytes_total: AtomicU64,
    /// Bytes that were copied, or were there already.
    pub bytes: AtomicU64,
}

/// The clock: milliseconds since the epoch.
pub type Now = std::sync::Arc<dyn Fn() -> i64 + Send + Sync>;

/// Held by whoever makes one.
const LOCK: &str = ".lock";
/// What the names begin with of what is not whole yet.
const NEW: &str = ".new-";
/// Blobs of all snapshots.
const BLOBS: &str = "blobs";
/// Files that are copied at a time: each waits for the disk.
const COPIES_MAX: usize = 8;
