//! What is counted while the server works, and `GET /metrics`, which says it in Prometheus's text format. Counting is a few atomic
//! additions: every series that a request may raise is looked up once and kept. What the store holds is counted when it is asked
//! for (`figures.rs`), what the process uses is read from the system (`process.rs`).
//! Prometheus, "Exposition formats" 0.0.4 and "Metric and label naming".

mod figures;
mod process;
mod route;

pub(crate) use self::route::Route;
use crate::api::Call;
use crate::app::App;
use crate::error::{ApiError, ApiResult};
use axum::extract::State;
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use figures::Kept;
use policy::verb::{Operate, ReadAudit};
use prometheus::core::Collector;
use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry, TextEncoder,
};
use std::sync::OnceLock;
use std::time::Duration;

const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";
const METHODS: &[&str] = &[
    "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "other",
];
const CLASSES: &[&str] = &["1xx", "2xx", "3xx", "4xx", "5xx"];
/// From a manifest out of a cache to a layer over a slow line.
const SECONDS: &[f64] = &[
    0.000_25, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0, 300.0,
];

const METHOD_COUNT: usize = METHODS.len();
const CLASS_COUNT: usize = CLASSES.len();
type ByMethodAndClass = [[OnceLock<IntCounter>; CLASS_COUNT]; METHOD_COUNT];

/// Everything that is counted.
pub(crate) struct Metrics {
    registry: Registry,
    requests: IntCounterVec,
    known: [ByMethodAndClass; Route::COUNT],
    seconds: [Histogram; Route::COUNT],
    in_flight: IntGauge,
    connections: IntGauge,
    turned_away: IntCounterVec,
    gate: [IntCounter; Gate::ALL.len()],
    anchor_files: IntGaugeVec,
    figures: Kept,
    pub(crate) received_bytes: IntCounter,
    pub(crate) sent_bytes: IntCounter,
    pub(crate) unreadable: IntCounter,
    pub(crate) panics: IntCounter,
    /// What a watched log signed, with a proof that does not hold: see `audit.md`, "Witnesses".
    pub(crate) unproved_checkpoints: IntCounter,
}

/// What a gate answered to a pull.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gate {
    Allow,
    Warn,
    Deny,
    NotReady,
}

impl Gate {
    const ALL: &[Self] = &[Self::Allow, Self::Warn, Self::Deny, Self::NotReady];

    fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Warn => "warn",
            Self::Deny => "deny",
            Self::NotReady => "not-ready",
        }
    }
}

/// Something that goes on: counted until it is dropped.
pub(crate) struct GoingOn(IntGauge);

impl GoingOn {
    fn begin(gauge: &IntGauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for GoingOn {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let registry = Registry::new();
        let requests = counters(
            &registry,
            "countersign_http_requests_total",
            "Requests that were answered.",
            &["route", "method", "status"],
        );
        let options = HistogramOpts::new(
            "countersign_http_request_duration_seconds",
            "Time from a request's head to the end of its answer.",
        );
        let options = options.buckets(SECONDS.to_vec());
        let seconds = registered(&registry, made(HistogramVec::new(options, &["route"])));
        let gate = counters(
            &registry,
            "countersign_gate_answers_total",
            "Answers of gates to pulls.",
            &["outcome"],
        );
        let turned_away = counters(
            &registry,
            "countersign_http_connections_turned_away_total",
            "Connections for which there was no room, on the server or for their address.",
            &["limit"],
        );
        Self {
            known: Default::default(),
            seconds: Route::ALL.map(|route| seconds.with_label_values(&[route.as_str()])),
            in_flight: gauge(
                &registry,
                "countersign_http_requests_in_flight",
                "Requests whose answer has not ended.",
            ),
            connections: gauge(
                &registry,
                "countersign_http_connections",
                "Open connections.",
            ),
            gate: std::array::from_fn(|index| {
                let outcome = Gate::ALL.get(index).map_or("", |gate| gate.as_str());
                gate.with_label_values(&[outcome])
            }),
            anchor_files: registered(
                &registry,
                made(IntGaugeVec::new(
                    Opts::new(
                        "countersign_anchor_file_refused",
                        "1 while a file that certificates are judged by is not used as it is now; what it said before is.",
                    ),
                    &["file"],
                )),
            ),
            figures: Kept::default(),
            received_bytes: counter(
                &registry,
                "countersign_http_received_bytes_total",
                "Bytes that clients sent, with their TLS.",
            ),
            sent_bytes: counter(
                &registry,
                "countersign_http_sent_bytes_total",
                "Bytes that clients took, with their TLS.",
            ),
            unreadable: counter(
                &registry,
                "countersign_http_requests_unreadable_total",
                "Requests whose head was no HTTP, too large, or without one host.",
            ),
            panics: counter(
                &registry,
                "countersign_http_panics_total",
                "Requests that found a fault in the server.",
            ),
            unproved_checkpoints: counter(
                &registry,
                "countersign_witness_proofs_refused_total",
                "Checkpoints of a watched log that came with a proof that does not hold.",
            ),
            requests,
            turned_away,
            registry,
        }
    }

    /// Counts an answer.
    pub(crate) fn answered(&self, route: Route, method: &Method, status: StatusCode) {
        let (method, class) = (method_index(method), class_index(status));
        let known = self
            .known
            .get(route.index())
            .and_then(|methods| methods.get(method)?.get(class));
        if let Some(known) = known {
            known
                .get_or_init(|| {
                    let label = |names: &[&'static str], index| {
                        names.get(index).copied().unwrap_or("other")
                    };
                    self.requests.with_label_values(&[
                        route.as_str(),
                        label(METHODS, method),
                        label(CLASSES, class),
                    ])
                })
                .inc();
        }
    }

    /// Counts how long a request took.
    pub(crate) fn took(&self, route: Route, duration: Duration) {
        if let Some(seconds) = self.seconds.get(route.index()) {
            seconds.observe(duration.as_secs_f64());
        }
    }

    /// Counts a request until what is answered is dropped.
    pub(crate) fn request(&self) -> GoingOn {
        GoingOn::begin(&self.in_flight)
    }

    /// Counts a connection until what is answered is dropped.
    pub(crate) fn connection(&self) -> GoingOn {
        GoingOn::begin(&self.connections)
    }

    /// Counts a connection for which there was no room.
    pub(crate) fn turned_away(&self, limit: &'static str) {
        self.turned_away.with_label_values(&[limit]).inc();
    }

    /// Keeps whether a file that certificates are judged by is refused.
    pub(crate) fn anchor_file(&self, path: &str, is_refused: bool) {
        let gauge = self.anchor_files.with_label_values(&[path]);
        gauge.set(i64::from(is_refused));
    }

    /// Counts a pull that a gate let pass.
    pub(crate) fn gate_passed(&self, with_warnings: bool) {
        self.gate(if with_warnings {
            Gate::Warn
        } else {
            Gate::Allow
        });
    }

    /// Counts a pull that a gate refused.
    pub(crate) fn gate_refused(&self, not_ready: bool) {
        self.gate(if not_ready {
            Gate::NotReady
        } else {
            Gate::Deny
        });
    }

    fn gate(&self, gate: Gate) {
        let index = Gate::ALL.iter().position(|other| *other == gate);
        if let Some(counter) = index.and_then(|index| self.gate.get(index)) {
            counter.inc();
        }
    }
}

/// `GET /metrics` on the main address: for whoever may operate the server or read its audit log.
pub(crate) async fn for_operators(State(app): State<App>, call: Call) -> ApiResult<Response> {
    if call.asker.may::<ReadAudit>().is_none() {
        call.asker.permit::<Operate>()?;
    }
    scrape(&app).await
}

/// `GET /metrics` on an address of its own, where whoever can reach it may.
pub(crate) async fn for_anybody(State(app): State<App>) -> ApiResult<Response> {
    scrape(&app).await
}

async fn scrape(app: &App) -> ApiResult<Response> {
    let moment = Registry::new();
    process::measure(&moment);
    app.metrics().figures.measure(app, &moment).await?;
    let mut families = app.metrics().registry.gather();
    families.extend(moment.gather());
    let text = TextEncoder::new()
        .encode_to_string(&families)
        .map_err(|error| ApiError::internal(&error))?;
    Ok(([(header::CONTENT_TYPE, CONTENT_TYPE)], text).into_response())
}

fn method_index(method: &Method) -> usize {
    match *method {
        Method::GET => 0,
        Method::HEAD => 1,
        Method::POST => 2,
        Method::PUT => 3,
        Method::PATCH => 4,
        Method::DELETE => 5,
        Method::OPTIONS => 6,
        _ => 7,
    }
}

fn class_index(status: StatusCode) -> usize {
    usize::from((status.as_u16() / 100).saturating_sub(1))
}

fn counter(registry: &Registry, name: &str, help: &str) -> IntCounter {
    registered(registry, made(IntCounter::new(name, help)))
}

fn counters(registry: &Registry, name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
    registered(
        registry,
        made(IntCounterVec::new(Opts::new(name, help), labels)),
    )
}

fn gauge(registry: &Registry, name: &str, help: &str) -> IntGauge {
    registered(registry, made(IntGauge::new(name, help)))
}

/// A gauge of this moment.
fn set(registry: &Registry, name: &str, help: &str, value: u64) {
    gauge(registry, name, help).set(i64::try_from(value).unwrap_or(i64::MAX));
}

fn registered<C: Collector + Clone + 'static>(registry: &Registry, metric: C) -> C {
    let boxed: Box<dyn Collector> = Box::new(metric.clone());
    made(registry.register(boxed));
    metric
}

#[expect(
    clippy::expect_used,
    reason = "INVARIANT: names and labels are constants, each registered once; a test scrapes them all"
)]
fn made<T>(outcome: prometheus::Result<T>) -> T {
    outcome.expect("the name of a metric")
}
