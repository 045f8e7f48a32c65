//! All that happens by itself: new images are indexed, new advisories matched, decisions made again, automatic stages and receipts signed,
//! events delivered, tags released to clients with content trust, trust repositories kept from ending, the audit log sealed. Start at [`jobs`], which lists it.
//!
//! Every job is a reconciler: started by a signal *and* a period, safe to run twice, one code path. It answers no requests, and
//! what it finds it tells through the store's events only. Layers are also read while they are uploaded (`following`), which is no job:
//! it only saves jobs work, and everything comes about without it.

mod collecting;
mod deciding;
mod delivering;
mod following;
mod indexing;
pub mod jobs;
mod matching;
mod receipts;
mod releasing;
mod renewing;
mod runner;
mod stages;
#[cfg(test)]
mod testing;
mod turns;
mod warning;
mod witnessing;

use registry::Registry;
use scanner::Limits;
use std::sync::Arc;
use store::Store;

pub use delivering::cloud_event;
pub use runner::{Handle, Monitor};
pub use witnessing::Witness;

/// Milliseconds since the epoch, from the system or from a test.
pub type Now = Arc<dyn Fn() -> i64 + Send + Sync>;

/// What every job works with.
#[derive(Clone)]
pub struct Context {
    store: Store,
    registry: Registry,
    now: Now,
    limits: Limits,
    turns: turns::Turns,
    unjudged: deciding::Unjudged,
    deliverer: Arc<client::webhook::Deliverer>,
    witnesses: Arc<[Witness]>,
}

impl Context {
    /// Puts together what the jobs work with; `limits` bound what one layer may cost.
    #[must_use]
    pub fn new(
        store: Store,
        registry: Registry,
        now: Now,
        limits: Limits,
        deliverer: client::webhook::Deliverer,
    ) -> Self {
        Self {
            store,
            registry,
            now,
            limits,
            turns: turns::Turns::default(),
            unjudged: deciding::Unjudged::default(),
            deliverer: Arc::new(deliverer),
            witnesses: Arc::from([]),
        }
    }

    /// With witnesses that are asked to sign the checkpoints of the audit log.
    #[must_use]
    pub fn with_witnesses(mut self, witnesses: Vec<Witness>) -> Self {
        self.witnesses = witnesses.into();
        self
    }

    fn now(&self) -> i64 {
        (self.now)()
    }
}

/// Why a job did not end well; it is run again.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The registry failed.
    #[error(transparent)]
    Registry(#[from] registry::Error),
    /// Some images could not be judged; the others were.
    #[error("{count} images could not be judged, the first of them {first}")]
    Undecided {
        /// How many.
        count: usize,
        /// The first, as `repository@digest`.
        first: String,
        /// What was wrong with it.
        source: Box<Error>,
    },
    /// A job's payload is not of its form: another version of the program wrote it.
    #[error("the payload of job `{kind}` cannot be read: {why}")]
    Payload {
        /// The job's kind.
        kind: &'static str,
        /// What is wrong.
        why: String,
    },
    /// A thread that reads a layer ended early.
    #[error("reading a layer ended early")]
    Reading(#[source] tokio::task::JoinError),
    /// A thread that reads an upload ended early.
    #[error("reading an upload ended early")]
    Ended,
    /// There is no thread to read an upload with.
    #[error("no thread to read an upload with")]
    Aside(#[source] std::io::Error),
    /// A receipt could not be signed.
    #[error("cannot sign a receipt of gate `{gate}`: {why}")]
    Receipt {
        /// The gate.
        gate: String,
        /// What the signer said.
        why: String,
    },
    /// A statement could not be signed.
    #[error("cannot sign for stage `{stage}`: {why}")]
    Sign {
        /// The stage.
        stage: String,
        /// What the signer said.
        why: String,
    },
}

/// The result of a job.
pub type Result<T> = std::result::Result<T, Error>;
