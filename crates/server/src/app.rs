//! What every request handler shares: the rooms below this one, the clock, and the options of the front door.

use crate::health::Readiness;
use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::observe::Refusals;
use crate::v2::trust::upload::Room;
use identity::Identity;
use registry::{Hosts, Registry};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};
use store::Store;
use trust::checkpoint::VerifierKey;

/// The application's state; cloning it is cheap.
#[derive(Clone)]
pub struct App(Arc<Inner>);

struct Inner {
    store: Store,
    registry: Registry,
    identity: Identity,
    clock: Clock,
    options: AppOptions,
    metrics: Arc<Metrics>,
    refusals: Refusals,
    readiness: Readiness,
    room_for_updates: Room,
    is_stopping: AtomicBool,
}

/// Options of the front door.
#[derive(Clone, Debug, Default)]
pub struct AppOptions {
    /// Reads of repositories need no log-in; gates still hold whoever has none.
    pub anonymous_pull: bool,
    /// The connections are TLS, so links and challenges say `https`.
    pub tls: bool,
    /// The address that clients use, where it is not what their `Host` header says (behind a proxy).
    pub public_url: Option<String>,
    /// Names of this server, by which trust repositories are told from those of other registries.
    pub hosts: Hosts,
    /// The longest break-glass that may be asked for, in milliseconds, where it is less than what `policy` allows.
    pub break_glass_milliseconds_max: Option<i64>,
    /// A GET of a whole blob that is in a bucket is answered with a link to it.
    pub blob_redirect: bool,
    /// The local authority's certificate (PEM), offered at `/ca.crt` so that clients can come to trust it.
    pub authority_pem: Option<String>,
    /// Logs of other servers whose checkpoints this one signs as a witness.
    pub witnessed_logs: Vec<VerifierKey>,
    /// How much clients may take.
    pub limits: Limits,
    /// Bytes that must be free on the disk of the data folder for the server to call itself ready.
    pub room_bytes_min: u64,
}

impl App {
    /// Puts the rooms together.
    #[must_use]
    pub fn new(
        store: Store,
        registry: Registry,
        identity: Identity,
        clock: Clock,
        options: AppOptions,
    ) -> Self {
        Self(Arc::new(Inner {
            store,
            registry,
            identity,
            clock,
            options,
            metrics: Arc::new(Metrics::new()),
            refusals: Refusals::default(),
            readiness: Readiness::default(),
            room_for_updates: Room::default(),
            is_stopping: AtomicBool::new(false),
        }))
    }

    /// Says from now on that the server is not ready, so that whoever spreads requests turns away. Requests are answered as before.
    pub fn begin_stop(&self) {
        self.0.is_stopping.store(true, Ordering::Relaxed);
    }

    /// Says in `/metrics` whether a file that certificates are judged by is refused as it is now.
    pub fn anchor_file(&self, path: &str, is_refused: bool) {
        self.0.metrics.anchor_file(path, is_refused);
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.0.is_stopping.load(Ordering::Relaxed)
    }

    pub(crate) fn metrics(&self) -> &Arc<Metrics> {
        &self.0.metrics
    }

    pub(crate) fn refusals(&self) -> &Refusals {
        &self.0.refusals
    }

    pub(crate) fn readiness(&self) -> &Readiness {
        &self.0.readiness
    }

    /// What updates of trust repositories take of memory.
    pub(crate) fn room_for_updates(&self) -> &Room {
        &self.0.room_for_updates
    }

    /// All state.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.0.store
    }

    pub(crate) fn registry(&self) -> &Registry {
        &self.0.registry
    }

    pub(crate) fn identity(&self) -> &Identity {
        &self.0.identity
    }

    /// Milliseconds since the epoch.
    pub(crate) fn now(&self) -> i64 {
        self.0.clock.now()
    }

    pub(crate) fn options(&self) -> &AppOptions {
        &self.0.options
    }
}

/// Where the time comes from: the system, or a test that sets it.
#[derive(Clone, Debug, Default)]
pub enum Clock {
    /// The system's clock.
    #[default]
    System,
    /// A clock that someone else moves; milliseconds since the epoch.
    Set(Arc<AtomicI64>),
}

impl Clock {
    /// Milliseconds since the epoch.
    #[must_use]
    pub fn now(&self) -> i64 {
        match self {
            Self::System => {
                let elapsed = SystemTime::now()
                    .duration_since(UNIX_EPOCH)
                    .unwrap_or_default();
                i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX)
            }
            Self::Set(time) => time.load(Ordering::SeqCst),
        }
    }
}
