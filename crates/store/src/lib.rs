//! All state of a server: blobs, catalogue, evidence, inventories, advisories, findings, accounts, sealed keys, policies,
//! decisions, jobs, events and the audit log, on SQLite or PostgreSQL and a data folder.
//!
//! It is the only crate that knows SQL and the only one that knows where bytes lie. It deliberately decides nothing by
//! itself (that is `policy`, whose permits its functions take), starts nothing by itself (that is `monitor`), and speaks no
//! protocol. What a function acknowledged with `Ok` survives a `kill -9`; what it did not acknowledge is not visible.
//!
//! Three promises hold in every module: an act and its audit row are one transaction; an event and what it tells are one
//! transaction; a change of what a gate may see raises the facts revision in the same transaction.
//!
//! ```no_run
//! # async fn example() -> store::Result<()> {
//! let store = store::Store::open(&store::Options::embedded("/var/lib/countersign")).await?;
//! let repositories = store::catalogue::repositories(&store, None, 100).await?;
//! # let _ = repositories;
//! # Ok(())
//! # }
//! ```

pub mod accounts;
pub mod audit;
pub mod backup;
mod batch;
pub mod blobs;
pub mod break_glass;
mod cache;
pub mod catalogue;
pub mod check;
pub mod condition;
mod damage;
mod db;
pub mod decisions;
mod error;
pub mod evidence;
pub mod expiring;
pub mod facts;
pub mod feeds;
pub mod figures;
pub mod findings;
mod folder;
pub mod garbage;
pub mod held_keys;
pub mod inventories;
pub mod jobs;
pub mod keys;
mod master;
mod migrations;
mod objects;
mod open;
pub mod outbox;
mod permit;
pub mod policies;
mod random;
mod reading;
pub mod receipts;
pub mod signing_keys;
mod snapshot;
mod standing;
pub mod succession;
pub mod tokens;
pub mod tuf;
pub mod uploads;
pub mod witness;
mod writer;

pub use error::{Error, Result};
pub use open::{Options, Store};
pub use permit::System;
pub use standing::{Standing, standing};
pub use writer::Writer;
