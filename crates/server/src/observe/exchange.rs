//! What is known about the request that a task answers, for whoever writes about it: its id, what it asks, who asks, and why it is
//! refused. It is made of parts that are shared, not copied, and is gone with the request.

use super::request_id::RequestId;
use super::{ACCESS, is_refusal};
use axum::extract::{ConnectInfo, Request};
use axum::http::{Method, StatusCode, Uri, header};
use policy::{Directory, PrincipalId, Who};
use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

tokio::task_local! {
    static EXCHANGE: Exchange;
}

/// Characters of a client's own id for its request.
const CLIENT_ID_BYTES_MAX: usize = 64;

/// A request under way.
pub(crate) struct Exchange {
    id: RequestId,
    method: Method,
    uri: Uri,
    peer: Option<SocketAddr>,
    had_credentials: bool,
    caller: RefCell<Option<Caller>>,
    reason: RefCell<Option<String>>,
    /// Whether a gate refused it, and may soon answer otherwise.
    not_ready: Cell<Option<bool>>,
}

/// Somebody who has logged in, and where their name is.
#[derive(Clone)]
struct Caller {
    principal: PrincipalId,
    directory: Arc<Directory>,
}

impl Caller {
    fn name(&self) -> String {
        self.directory
            .principal(self.principal)
            .map_or_else(|| self.principal.to_string(), |found| found.name.clone())
    }
}

/// Notes who asks, for what is written about the request.
pub(crate) fn asked_by(who: &Who, directory: &Arc<Directory>) {
    let Who::Principal(principal) = who else {
        return;
    };
    let _ = EXCHANGE.try_with(|exchange| {
        *exchange.caller.borrow_mut() = Some(Caller {
            principal: *principal,
            directory: Arc::clone(directory),
        });
    });
}

/// Notes why the request is refused.
pub(crate) fn because(reason: &str) {
    let _ = EXCHANGE.try_with(|exchange| *exchange.reason.borrow_mut() = Some(reason.to_owned()));
}

/// Notes that a gate refuses the request, and whether it may soon answer otherwise.
pub(crate) fn refused_by_gate(not_ready: bool) {
    let _ = EXCHANGE.try_with(|exchange| exchange.not_ready.set(Some(not_ready)));
}

/// Answers a request with its exchange at hand.
pub(super) fn scope<F: Future>(
    exchange: Exchange,
    answering: F,
) -> impl Future<Output = F::Output> {
    EXCHANGE.scope(exchange, answering)
}

/// Does something with the exchange of this task, which must have one.
pub(super) fn with<T>(look: impl FnOnce(&Exchange) -> T) -> T {
    EXCHANGE.with(look)
}

/// Does something with the exchange of this task, if it has one.
pub(super) fn try_with<T>(look: impl FnOnce(&Exchange) -> T) -> Option<T> {
    EXCHANGE.try_with(look).ok()
}

impl Exchange {
    pub(super) fn of(request: &Request) -> Self {
        Self {
            id: RequestId::next(),
            method: request.method().clone(),
            uri: request.uri().clone(),
            peer: request
                .extensions()
                .get::<ConnectInfo<SocketAddr>>()
                .map(|info| info.0),
            had_credentials: request.headers().contains_key(header::AUTHORIZATION),
            caller: RefCell::new(None),
            reason: RefCell::new(None),
            not_ready: Cell::new(None),
        }
    }

    pub(super) fn id(&self) -> RequestId {
        self.id
    }

    pub(super) fn method(&self) -> &Method {
        &self.method
    }

    pub(super) fn path(&self) -> &str {
        self.uri.path()
    }

    pub(super) fn is_refusal(&self, status: StatusCode) -> bool {
        is_refusal(status, self.had_credentials)
    }

    /// A gate's no: whether it may soon answer otherwise.
    pub(super) fn refused_by_gate(&self) -> Option<bool> {
        self.not_ready.get()
    }

    /// Who asks; nothing where credentials were not looked at, or were wrong.
    fn principal(&self) -> Option<String> {
        match self.caller.borrow().as_ref() {
            Some(caller) => Some(caller.name()),
            None if self.had_credentials => None,
            None => Some("anonymous".to_owned()),
        }
    }

    /// One line about a refusal; `more` were not logged before.
    pub(super) fn log_refusal(&self, status: StatusCode, more: u64) {
        tracing::info!(
            status = status.as_u16(),
            method = %self.method,
            path = self.path(),
            principal = self.principal().as_deref(),
            peer = self.peer.map(tracing::field::display),
            reason = self.reason.borrow().as_deref(),
            more,
            "a request was refused"
        );
    }

    /// The beginning of a line of the access log.
    pub(super) fn line(&self, request: &Request) -> Line {
        Line {
            id: self.id,
            method: self.method.clone(),
            uri: self.uri.clone(),
            peer: self.peer,
            client_id: client_id(request),
            received: Arc::default(),
            status: None,
            caller: None,
            sent: 0,
        }
    }
}

/// A client's own id for its request: only if it is short and plain, and never in place of ours.
fn client_id(request: &Request) -> Option<String> {
    let text = request.headers().get("x-request-id")?.to_str().ok()?;
    let is_plain = (1..=CLIENT_ID_BYTES_MAX).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    is_plain.then(|| text.to_owned())
}

/// A line of the access log in the making.
pub(super) struct Line {
    id: RequestId,
    method: Method,
    uri: Uri,
    peer: Option<SocketAddr>,
    client_id: Option<String>,
    received: Arc<AtomicU64>,
    status: Option<StatusCode>,
    caller: Option<Caller>,
    sent: u64,
}

impl Line {
    /// Where the bytes of the request's body are counted.
    pub(super) fn received(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.received)
    }

    pub(super) fn answered(&mut self, exchange: &Exchange, status: StatusCode) {
        self.status = Some(status);
        self.caller = exchange.caller.borrow().clone();
    }

    pub(super) fn sent(&mut self, bytes: usize) {
        self.sent = self
            .sent
            .saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
    }

    /// Writes it. A client that went away before there was an answer has no status.
    pub(super) fn write(self, took: Duration) {
        tracing::info!(
            target: ACCESS,
            request = %self.id,
            method = %self.method,
            path = self.uri.path(),
            status = self.status.map(|status| status.as_u16()),
            bytes = self.sent,
            received = self.received.load(Ordering::Relaxed),
            milliseconds = u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            principal = self.caller.as_ref().map(Caller::name).as_deref(),
            peer = self.peer.map(tracing::field::display),
            client_request = self.client_id.as_deref(),
            "answered"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;

    #[test]
    fn a_clients_own_id_is_taken_only_when_it_is_plain() {
        let of = |value: &[u8]| {
            let request = Request::builder().header("x-request-id", value);
            client_id(&request.body(Body::empty()).unwrap())
        };
        assert_eq!(of(b"a1-B_2.c").as_deref(), Some("a1-B_2.c"));
        assert_eq!(of(b""), None);
        assert_eq!(of(b"a b"), None);
        assert_eq!(of("\u{e9}".as_bytes()), None);
        assert_eq!(of(&[b'a'; 65]), None);
    }
}
