//! Runs the tables of `jobs.rs`: workers that claim, rounds that come by the clock, and `drain`, which does all that is due now.

use crate::jobs::{Job, Round};
use crate::{Context, Result, delivering, following};
use std::time::Duration;
use store::jobs::{self as queue, Job as Claimed};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Workers of one process. Layers are read one at a time, by whichever has the turn.
const WORKERS: usize = 2;
/// How long a claim holds: a job that takes longer is run by someone else as well, which gives the same state.
const LEASE_MILLISECONDS: i64 = 15 * 60 * 1_000;
/// The longest wait for work that another process may have asked for.
const POLL: Duration = Duration::from_millis(500);
const BACKOFF_MILLISECONDS: i64 = 1_000;
const BACKOFF_MILLISECONDS_MAX: i64 = 5 * 60 * 1_000;
/// A drain that goes on longer than this many jobs is going in circles.
const DRAIN_JOBS_MAX: usize = 100_000;

/// All that happens by itself, not yet started.
pub struct Monitor {
    context: Context,
}

/// A running monitor.
pub struct Handle {
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

impl Monitor {
    /// Takes what the jobs work with.
    #[must_use]
    pub fn new(context: Context) -> Self {
        Self { context }
    }

    /// Starts workers, rounds, and the following of uploads.
    #[must_use]
    pub fn start(self) -> Handle {
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        for _ in 0..WORKERS {
            tasks.spawn(work(self.context.clone(), stop.clone()));
        }
        tasks.spawn(following::follow(self.context.clone(), stop.clone()));
        for round in Round::ALL {
            tasks.spawn(go_round(*round, self.context.clone(), stop.clone()));
        }
        Handle { stop, tasks }
    }

    /// Does all that is due now, in the caller's task, and returns when nothing is: for tests and one-off commands.
    ///
    /// # Errors
    /// The first job that fails; it stays in the queue.
    pub async fn drain(&self) -> Result<()> {
        for _ in 0..DRAIN_JOBS_MAX {
            let Some(claimed) = claim(&self.context).await? else {
                Round::DecideDue.run(&self.context).await?;
                if claim_is_empty(&self.context).await? {
                    delivering::deliver_due(&self.context).await?;
                    return Round::SealAudit.run(&self.context).await;
                }
                continue;
            };
            run_claimed(&self.context, &claimed).await?;
        }
        Ok(())
    }
}

impl Handle {
    /// Lets the jobs and rounds under way end, but for those that may take long and can be cut off anywhere, and returns then.
    pub async fn stop(mut self) {
        self.stop.cancel();
        while self.tasks.join_next().await.is_some() {}
    }
}

async fn claim(context: &Context) -> Result<Option<Claimed>> {
    let kinds: Vec<&str> = Job::ALL.iter().map(|job| job.kind()).collect();
    Ok(queue::claim(&context.store, &kinds, context.now(), LEASE_MILLISECONDS).await?)
}

async fn claim_is_empty(context: &Context) -> Result<bool> {
    let kinds: Vec<&str> = Job::ALL.iter().map(|job| job.kind()).collect();
    Ok(queue::next_at(&context.store, &kinds)
        .await?
        .is_none_or(|at| at > context.now()))
}

/// One worker: claims, works, and waits for a signal when nothing is due.
async fn work(context: Context, stop: CancellationToken) {
    let mut signal = queue::signal(&context.store);
    while !stop.is_cancelled() {
        signal.mark_unchanged();
        match claim(&context).await {
            Ok(Some(claimed)) => {
                // A failure is logged and put off where it happens.
                let _ = run_claimed(&context, &claimed).await;
                continue;
            }
            Ok(None) => {}
            Err(error) => tracing::warn!(%error, "cannot look for work"),
        }
        tokio::select! {
            _ = signal.changed() => {}
            () = tokio::time::sleep(POLL) => {}
            () = stop.cancelled() => {}
        }
    }
}

async fn run_claimed(context: &Context, claimed: &Claimed) -> Result<()> {
    let outcome = match Job::of(&claimed.kind) {
        Some(job) => job.run(context, &claimed.payload).await,
        None => Ok(()),
    };
    match outcome {
        Ok(()) => {
            queue::finish(&context.store, claimed).await?;
            Ok(())
        }
        Err(error) => {
            tracing::warn!(
                kind = claimed.kind,
                key = claimed.key,
                attempts = claimed.attempts,
                error = chain(&error),
                "a job failed"
            );
            queue::fail(
                &context.store,
                claimed,
                &chain(&error),
                context.now() + backoff(claimed.attempts),
            )
            .await?;
            Err(error)
        }
    }
}

/// An error with its causes.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

/// How long to wait after so many attempts that failed, in milliseconds.
pub(crate) fn backoff(attempts: u32) -> i64 {
    let doubled = BACKOFF_MILLISECONDS
        .saturating_mul(1_i64.checked_shl(attempts.min(20)).unwrap_or(i64::MAX));
    doubled.min(BACKOFF_MILLISECONDS_MAX)
}

pub(crate) async fn go_round(round: Round, context: Context, stop: CancellationToken) {
    let mut interval = tokio::time::interval(round.period());
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = interval.tick() => {}
            () = stop.cancelled() => break,
        }
        let outcome = tokio::select! {
            outcome = round.run(&context) => outcome,
            () = stop.cancelled(), if round.may_be_cut() => break,
        };
        if let Err(error) = outcome {
            tracing::warn!(
                round = round.name(),
                error = chain(&error),
                "a round failed; the next one tries again"
            );
        }
    }
    // What was acknowledged in the last second is sealed before the process ends.
    if round == Round::SealAudit
        && let Err(error) = round.run(&context).await
    {
        tracing::warn!(
            error = chain(&error),
            "the audit log could not be sealed at the end; the next start seals it"
        );
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicI64, Ordering};

    use store::{Options, Store, garbage};

    use super::*;

    #[tokio::test]
    async fn a_stop_does_not_wait_for_a_collection_to_end() {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&Options::embedded(folder.path()))
            .await
            .unwrap();
        let stop = CancellationToken::new();
        // Each look at the clock takes a minute, and at the third the collector is in the midst of its work.
        let (signal, looks) = (stop.clone(), Arc::new(AtomicI64::new(0)));
        let clock = Arc::clone(&looks);
        let context = Context::new(
            store.clone(),
            registry::Registry::new(store.clone()),
            Arc::new(move || {
                let looks = clock.fetch_add(1, Ordering::Relaxed);
                if looks == 2 {
                    signal.cancel();
                }
                1_800_000_000_000 + looks * 60_000
            }),
            scanner::Limits::default(),
            client::webhook::Deliverer::new(&[]).unwrap(),
        );
        go_round(Round::CollectGarbage, context.clone(), stop).await;
        let begun = garbage::recent(&store, 1).await.unwrap();
        assert_eq!(begun.len(), 1);
        assert_eq!(begun[0].finished_at, None);
        // Whoever comes next goes on, once nobody can be at it any more, whatever was written last.
        looks.fetch_add(60, Ordering::Relaxed);
        Round::CollectGarbage.run(&context).await.unwrap();
        let done = garbage::recent(&store, 1).await.unwrap();
        assert!(done[0].finished_at.is_some());
    }

    #[test]
    fn the_wait_grows_and_ends_growing() {
        assert_eq!(backoff(0), 1_000);
        assert!(backoff(3) > backoff(2));
        assert_eq!(backoff(60), BACKOFF_MILLISECONDS_MAX);
    }
}
