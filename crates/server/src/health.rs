//! Is it alive, is it ready, and how to come to trust it. Ready means that a request sent here now would be served: each check
//! says on a line of its own whether it holds, and nothing that only who is logged in may know.

use crate::app::App;
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use std::fmt::Write;
use std::time::{Duration, Instant};
use store::condition;
use tokio::sync::Mutex;

/// A check that takes longer has failed.
const CHECK_TIMEOUT: Duration = Duration::from_secs(5);
/// How long an answer holds, so that asking costs nothing.
const GOOD_FOR: Duration = Duration::from_secs(1);
/// An act that has no place in the audit log after this long says that sealing does not work; it is done each second.
const UNSEALED_MILLISECONDS_MAX: i64 = 60_000;
/// A job that nobody took for this long is worth a word.
const DUE_MILLISECONDS_MAX: i64 = 15 * 60_000;

/// The process answers.
pub(crate) async fn alive() -> &'static str {
    "ok\n"
}

/// The same, in notary-server's words.
pub(crate) async fn of_notary() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], "{}")
}

/// What must hold does.
pub(crate) async fn ready(State(app): State<App>, headers: HeaderMap) -> Response {
    let report = app.readiness().report(&app).await;
    let status = if report.is_ready() {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let wants_json = headers
        .get(header::ACCEPT)
        .and_then(|accept| accept.to_str().ok())
        .is_some_and(|accept| accept.contains("json"));
    let unkept = [(header::CACHE_CONTROL, "no-store")];
    if wants_json {
        (status, unkept, Json(report.json())).into_response()
    } else {
        (status, unkept, report.text()).into_response()
    }
}

/// The last answer, while it holds. Whoever asks while checks are made waits for that answer.
#[derive(Default)]
pub(crate) struct Readiness(Mutex<Option<(Report, Instant)>>);

impl Readiness {
    async fn report(&self, app: &App) -> Report {
        if app.is_stopping() {
            return Report(vec![Check::failed("server", "it is stopping")]);
        }
        let mut kept = self.0.lock().await;
        if let Some((report, _)) = kept.as_ref().filter(|(_, made)| made.elapsed() < GOOD_FOR) {
            return report.clone();
        }
        let report = Report::make(app).await;
        let was_ready = kept.as_ref().is_none_or(|(report, _)| report.is_ready());
        if report.is_ready() != was_ready {
            report.log();
        }
        *kept = Some((report.clone(), Instant::now()));
        report
    }
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Check {
    name: &'static str,
    state: CheckState,
    why: Option<&'static str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CheckState {
    Holds,
    /// Somebody should look, and requests are served all the same.
    Warns,
    Fails,
}

impl CheckState {
    fn as_str(self) -> &'static str {
        match self {
            Self::Holds => "ok",
            Self::Warns => "warning",
            Self::Fails => "failed",
        }
    }
}

impl Check {
    fn holds(name: &'static str) -> Self {
        Self {
            name,
            state: CheckState::Holds,
            why: None,
        }
    }

    fn warns(name: &'static str, why: &'static str) -> Self {
        Self {
            name,
            state: CheckState::Warns,
            why: Some(why),
        }
    }

    fn failed(name: &'static str, why: &'static str) -> Self {
        Self {
            name,
            state: CheckState::Fails,
            why: Some(why),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Report(Vec<Check>);

impl Report {
    async fn make(app: &App) -> Self {
        let (database, data, bucket, audit, jobs) =
            tokio::join!(database(app), data(app), bucket(app), audit(app), jobs(app));
        let checks = [Some(database), Some(data), bucket, Some(audit), Some(jobs)];
        Self(checks.into_iter().flatten().collect())
    }

    fn is_ready(&self) -> bool {
        self.0.iter().all(|check| check.state != CheckState::Fails)
    }

    fn text(&self) -> String {
        let mut text = String::new();
        for check in &self.0 {
            // Writing to a text does not fail.
            let _ = match check.why {
                None => writeln!(text, "{}: {}", check.name, check.state.as_str()),
                Some(why) => writeln!(text, "{}: {}: {why}", check.name, check.state.as_str()),
            };
        }
        text.push_str(if self.is_ready() {
            "ready\n"
        } else {
            "not ready\n"
        });
        text
    }

    fn json(&self) -> serde_json::Value {
        let checks: Vec<_> = self
            .0
            .iter()
            .map(
                |check| json!({"name": check.name, "state": check.state.as_str(), "why": check.why}),
            )
            .collect();
        json!({"ready": self.is_ready(), "checks": checks})
    }

    fn log(&self) {
        if self.is_ready() {
            tracing::warn!("ready again");
            return;
        }
        for check in &self.0 {
            if let (CheckState::Fails, Some(why)) = (check.state, check.why) {
                tracing::warn!(check = check.name, why, "not ready");
            }
        }
    }
}

/// What a check found, or nothing when it failed or took too long; the cause is logged here.
async fn found<T>(
    name: &'static str,
    checking: impl Future<Output = store::Result<T>>,
) -> Option<T> {
    match tokio::time::timeout(CHECK_TIMEOUT, checking).await {
        Ok(Ok(found)) => Some(found),
        Ok(Err(error)) => {
            tracing::debug!(check = name, %error, "a check failed");
            None
        }
        Err(_) => None,
    }
}

async fn database(app: &App) -> Check {
    match found("database", condition::database(app.store())).await {
        Some(()) => Check::holds("database"),
        None => Check::failed("database", "it does not answer"),
    }
}

async fn data(app: &App) -> Check {
    match found("data", condition::data_folder(app.store())).await {
        Some(free) if free >= app.options().room_bytes_min => Check::holds("data"),
        Some(_) => Check::failed("data", "there is too little room on its disk"),
        None => Check::failed("data", "the folder cannot be written to"),
    }
}

/// Nothing where blobs are in the data folder.
async fn bucket(app: &App) -> Option<Check> {
    match found("blobs", condition::bucket(app.store())).await {
        Some(false) => None,
        Some(true) => Some(Check::holds("blobs")),
        None => Some(Check::failed("blobs", "the blob store does not answer")),
    }
}

async fn audit(app: &App) -> Check {
    let oldest = found("audit", condition::oldest_unsealed_at(app.store())).await;
    let is_old = |at: i64| app.now().saturating_sub(at) > UNSEALED_MILLISECONDS_MAX;
    match oldest {
        None => Check::failed("audit", "the database does not answer"),
        Some(Some(at)) if is_old(at) => Check::failed(
            "audit",
            "acts of the last minute are not sealed; the log says why",
        ),
        Some(_) => Check::holds("audit"),
    }
}

/// Pulls and pushes do not need jobs: a queue that stands still is no reason to turn every client away.
async fn jobs(app: &App) -> Check {
    let now = app.now();
    let oldest = found("jobs", condition::oldest_due_at(app.store(), now)).await;
    match oldest {
        None => Check::failed("jobs", "the database does not answer"),
        Some(Some(at)) if now.saturating_sub(at) > DUE_MILLISECONDS_MAX => {
            Check::warns("jobs", "some have waited for more than 15 minutes")
        }
        Some(_) => Check::holds("jobs"),
    }
}

/// The local authority's certificate, where the server has one (`--tls self`).
pub(crate) async fn authority(State(app): State<App>) -> Response {
    match &app.options().authority_pem {
        Some(pem) => (
            [(header::CONTENT_TYPE, "application/x-pem-file")],
            pem.clone(),
        )
            .into_response(),
        None => (
            StatusCode::NOT_FOUND,
            "this server has no local authority\n",
        )
            .into_response(),
    }
}
