//! What the store holds and owes, for `/metrics`. Counting costs the database something, so an answer is kept for a while: for at
//! least some seconds, and so long that counting takes at most a fiftieth of the time, however often somebody asks.

use super::{made, registered, set};
use crate::app::App;
use prometheus::{IntGaugeVec, Opts, Registry};
use std::sync::Arc;
use std::time::{Duration, Instant};
use store::expiring::NextEnds;
use store::figures::Figures;
use store::jobs::Backlog;
use tokio::sync::Mutex;

/// The shortest time for which an answer is kept.
const KEPT_MIN: Duration = Duration::from_secs(5);
/// An answer is kept for so many times as long as it took.
const KEPT_TIMES: u32 = 50;

/// The last answer, while it is good. Whoever asks while somebody counts waits for that answer.
#[derive(Default)]
pub(super) struct Kept(Mutex<Option<Counted>>);

struct Counted {
    figures: Figures,
    backlog: Arc<Vec<Backlog>>,
    ends: NextEnds,
    good_until: Instant,
}

impl Kept {
    /// Adds the store's figures.
    pub(super) async fn measure(&self, app: &App, registry: &Registry) -> store::Result<()> {
        let (figures, backlog, ends) = self.figures(app).await?;
        holds(registry, &figures);
        owes(registry, &figures, app.now());
        jobs(registry, &backlog, app.now());
        expiry(registry, ends, app.now());
        Ok(())
    }

    async fn figures(&self, app: &App) -> store::Result<(Figures, Arc<Vec<Backlog>>, NextEnds)> {
        let mut kept = self.0.lock().await;
        if let Some(counted) = kept
            .as_ref()
            .filter(|kept| kept.good_until > Instant::now())
        {
            return Ok((counted.figures, Arc::clone(&counted.backlog), counted.ends));
        }
        let began = Instant::now();
        let figures = store::figures::figures(app.store()).await?;
        let backlog = Arc::new(store::jobs::backlog(app.store()).await?);
        let ends = store::expiring::next_ends(app.store(), app.now()).await?;
        let good_for = KEPT_MIN.max(began.elapsed().saturating_mul(KEPT_TIMES));
        *kept = Some(Counted {
            figures,
            backlog: Arc::clone(&backlog),
            ends,
            good_until: Instant::now() + good_for,
        });
        Ok((figures, backlog, ends))
    }
}

fn holds(registry: &Registry, figures: &Figures) {
    for (name, help, value) in [
        (
            "countersign_repositories",
            "Repositories.",
            figures.repositories,
        ),
        (
            "countersign_manifests",
            "Manifests, counted in each repository that holds them.",
            figures.manifests,
        ),
        ("countersign_tags", "Tags.", figures.tags),
        (
            "countersign_blobs",
            "Blobs, each counted once.",
            figures.blobs,
        ),
        (
            "countersign_blob_bytes",
            "Bytes of all blobs, each counted once.",
            figures.blob_bytes,
        ),
        (
            "countersign_uploads_under_way",
            "Uploads that have begun and not ended.",
            figures.uploads,
        ),
    ] {
        set(registry, name, help, value);
    }
}

fn owes(registry: &Registry, figures: &Figures, now: i64) {
    set(
        registry,
        "countersign_deliveries_waiting",
        "Events that webhooks have not accepted.",
        figures.deliveries,
    );
    set(
        registry,
        "countersign_delivery_age_seconds",
        "Age of the oldest event that a webhook has not accepted.",
        figures
            .oldest_delivery_at
            .map_or(0, |at| seconds_since(at, now)),
    );
    set(
        registry,
        "countersign_audit_rows_unsealed",
        "Audit rows that are not in the signed log yet.",
        figures.unsealed,
    );
}

fn jobs(registry: &Registry, backlog: &[Backlog], now: i64) {
    let by_kind = |name: &str, help: &str| {
        registered(
            registry,
            made(IntGaugeVec::new(Opts::new(name, help), &["kind"])),
        )
    };
    let waiting = by_kind(
        "countersign_jobs_waiting",
        "Jobs that wait, run, or are due later.",
    );
    let failing = by_kind(
        "countersign_jobs_failing",
        "Jobs among them that failed when they were last run.",
    );
    let age = by_kind(
        "countersign_job_age_seconds",
        "For how long the oldest job has been due.",
    );
    let value = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    for of_kind in backlog {
        let kind = [of_kind.kind.as_str()];
        waiting.with_label_values(&kind).set(value(of_kind.jobs));
        failing.with_label_values(&kind).set(value(of_kind.failing));
        age.with_label_values(&kind)
            .set(value(seconds_since(of_kind.oldest_at, now)));
    }
}

/// What has no end has no series.
fn expiry(registry: &Registry, ends: NextEnds, now: i64) {
    let seconds = registered(
        registry,
        made(IntGaugeVec::new(
            Opts::new(
                "countersign_expiry_seconds",
                "Seconds until the next end of a registered key or certificate, or of a part of the trusted root.",
            ),
            &["of"],
        )),
    );
    for (of, at) in [("keys", ends.key), ("trusted-root", ends.root)] {
        if let Some(at) = at {
            let left = at.saturating_sub(now) / 1_000;
            seconds.with_label_values(&[of]).set(left.max(0));
        }
    }
}

fn seconds_since(at: i64, now: i64) -> u64 {
    u64::try_from(now.saturating_sub(at) / 1_000).unwrap_or(0)
}
