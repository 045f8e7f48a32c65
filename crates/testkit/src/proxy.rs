//! A proxy between a client and a real HTTP/1.1 service that a test can tell to be slow, busy, cut off in the middle of a
//! body, or down. What it is not told to spoil passes as it came, headers and all, so that signed requests stay valid.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};
use tokio::task::{JoinHandle, JoinSet};

mod body;
mod exchange;

/// What happens to a request that a rule meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The proxy answers `503 SlowDown` by itself, with a `Retry-After` and S3's XML; the service never sees the request.
    Busy {
        /// What `Retry-After` says.
        retry_after_seconds: u64,
    },
    /// The proxy answers 200 with this body by itself, in the place of a service that does not know the question.
    Instead {
        /// The body.
        body: &'static str,
    },
    /// Both connections end after so many bytes of the request's body were passed on.
    CutRequest {
        /// Bytes of the body that pass.
        after_bytes: u64,
    },
    /// The connection to the client ends after so many bytes of the answer's body were passed on.
    CutAnswer {
        /// Bytes of the body that pass.
        after_bytes: u64,
    },
}

/// How often a rule holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Times {
    /// For the next requests that it meets.
    Next(u64),
    /// Evenly, for so many of a hundred requests that it meets.
    Percent(u64),
    /// Until [`Proxy::mend`].
    Always,
}

/// A request that passed through, or was answered here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// `GET`, `PUT`, …
    pub method: String,
    /// Path and query.
    pub target: String,
    /// Whether a fault met it.
    pub spoilt: bool,
}

/// A running proxy on a free port of 127.0.0.1; it ends when it is dropped, and every connection with it.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    upstream: SocketAddr,
    is_down: watch::Sender<bool>,
    /// How many requests came.
    came: watch::Sender<u64>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    delay: Duration,
    bytes_per_second: Option<u64>,
    rules: Vec<Rule>,
    seen: Vec<Seen>,
}

#[derive(Debug)]
struct Rule {
    method: Option<&'static str>,
    /// What the path or query holds.
    part: &'static str,
    times: Times,
    met: u64,
    fault: Fault,
}

impl Rule {
    /// Whether the rule holds for a request, which is counted.
    fn holds(&mut self, method: &str, target: &str) -> bool {
        if self.method.is_some_and(|wanted| wanted != method) || !target.contains(self.part) {
            return false;
        }
        let before = self.met;
        self.met = before.saturating_add(1);
        match self.times {
            Times::Always => true,
            Times::Next(count) => before < count,
            // The share's whole part grows exactly with the requests that are hit.
            Times::Percent(percent) => self.met * percent / 100 > before * percent / 100,
        }
    }
}

impl Proxy {
    /// Starts a proxy to a service.
    ///
    /// # Errors
    /// No port can be had.
    pub async fn start(upstream: SocketAddr) -> io::Result<Proxy> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            upstream,
            is_down: watch::Sender::new(false),
            came: watch::Sender::new(0),
            state: Mutex::default(),
        });
        let accepting = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Ok(Proxy {
            address,
            shared,
            accepting,
        })
    }

    /// Where clients reach it.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Holds every request back for so long before it is passed on.
    pub fn delay(&self, delay: Duration) {
        self.shared.lock().delay = delay;
    }

    /// Passes bodies on, in both directions, at no more than this rate; `None` is as fast as they come.
    pub fn limit(&self, bytes_per_second: Option<u64>) {
        self.shared.lock().bytes_per_second = bytes_per_second;
    }

    /// Spoils requests, of one method or of all. Of several rules the first that holds is followed.
    pub fn spoil(&self, method: Option<&'static str>, times: Times, fault: Fault) {
        self.spoil_at(method, "", times, fault);
    }

    /// The same for those whose path or query holds a text.
    pub fn spoil_at(
        &self,
        method: Option<&'static str>,
        part: &'static str,
        times: Times,
        fault: Fault,
    ) {
        self.shared.lock().rules.push(Rule {
            method,
            part,
            times,
            met: 0,
            fault,
        });
    }

    /// Ends every connection and refuses new ones, or takes them again.
    pub fn down(&self, is_down: bool) {
        self.shared.is_down.send_replace(is_down);
    }

    /// Takes back everything that it was told: fast, whole and up.
    pub fn mend(&self) {
        let mut state = self.shared.lock();
        state.delay = Duration::ZERO;
        state.bytes_per_second = None;
        state.rules.clear();
        drop(state);
        self.down(false);
    }

    /// The requests since the last call, in the order in which they came.
    pub fn seen(&self) -> Vec<Seen> {
        std::mem::take(&mut self.shared.lock().seen)
    }

    /// Waits until such a request has come since the last call of [`Proxy::seen`].
    pub async fn saw(&self, is_it: impl Fn(&Seen) -> bool) {
        let mut came = self.shared.came.subscribe();
        while !self.shared.lock().seen.iter().any(&is_it) {
            if came.changed().await.is_err() {
                return;
            }
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is to happen to a request that has come.
    fn meet(&self, method: &str, target: &str) -> exchange::Plan {
        let mut state = self.lock();
        let fault = state
            .rules
            .iter_mut()
            .find_map(|rule| rule.holds(method, target).then_some(rule.fault));
        state.seen.push(Seen {
            method: method.to_owned(),
            target: target.to_owned(),
            spoilt: fault.is_some(),
        });
        self.came.send_modify(|came| *came += 1);
        exchange::Plan {
            delay: state.delay,
            bytes_per_second: state.bytes_per_second,
            fault,
        }
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    // Aborted with this task.
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let shared = Arc::clone(&shared);
        connections.spawn(async move {
            let mut is_down = shared.is_down.subscribe();
            tokio::select! {
                _ = is_down.wait_for(|is_down| *is_down) => {}
                () = converse(stream, &shared) => {}
            }
        });
        while connections.try_join_next().is_some() {}
    }
}

/// Serves a connection until the client, the service or a fault ends it.
async fn converse(stream: TcpStream, shared: &Arc<Shared>) {
    let cut = Arc::new(Notify::new());
    let service = service_fn(|request| {
        let (shared, cut) = (Arc::clone(shared), Arc::clone(&cut));
        async move { Ok::<_, Infallible>(exchange::exchange(&shared, request, cut).await) }
    });
    tokio::select! {
        () = cut.notified() => {}
        _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service) => {}
    }
}
