//! What every request goes through: it gets an id, it is counted, and where somebody wants to know it is logged. With nobody
//! listening, that is two looks at the clock, a handful of atomic additions and two allocations. It decides
//! nothing.

mod exchange;
mod refusals;
mod request_id;

pub(crate) use self::exchange::{asked_by, because, refused_by_gate};
pub(crate) use self::refusals::Refusals;
pub use self::request_id::request_id;

use self::exchange::{Exchange, Line};
use crate::app::App;
use crate::error::ApiError;
use crate::limits::admission::Connection;
use crate::limits::body::{Limited, Pace};
use crate::metrics::{GoingOn, Metrics, Route};
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::http::{HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use http_body::{Frame, SizeHint};
use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::task::{Context, Poll};
use std::time::Instant;
use tower::{Layer, Service};

/// The target of the access log's lines.
pub const ACCESS: &str = "access";

const REQUEST_ID_HEADER: HeaderName = HeaderName::from_static("x-request-id");
/// An answer up to this size is over when it is begun: it fits in the system's buffers.
const SMALL_BYTES: u64 = 64 * 1024;

/// Wraps a service so that its requests are observed.
#[derive(Clone)]
pub(crate) struct Observe {
    app: App,
}

impl Observe {
    pub(crate) fn new(app: App) -> Self {
        Self { app }
    }
}

impl<S> Layer<S> for Observe {
    type Service = Observed<S>;

    fn layer(&self, inner: S) -> Observed<S> {
        Observed {
            inner,
            app: self.app.clone(),
        }
    }
}

/// A service whose requests are observed.
#[derive(Clone)]
pub(crate) struct Observed<S> {
    inner: S,
    app: App,
}

impl<S> Service<Request> for Observed<S>
where
    S: Service<Request, Error = Infallible>,
    S::Response: IntoResponse,
    S::Future: Send + 'static,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        let is_logged = tracing::enabled!(target: ACCESS, tracing::Level::INFO);
        let exchange = Exchange::of(&request);
        let mut ending = Ending {
            began: Instant::now(),
            route: Route::of(exchange.path()),
            metrics: Arc::clone(self.app.metrics()),
            connection: request.extensions_mut().remove::<Arc<Connection>>(),
            line: is_logged.then(|| exchange.line(&request)),
            is_answered: false,
            _going_on: self.app.metrics().request(),
        };
        if !request.body().is_end_stream() {
            let received = ending.line.as_ref().map(Line::received);
            let connection = ending.connection.clone();
            request = limit(request, &self.app, received, connection);
        }
        let answering = AssertUnwindSafe(self.inner.call(request)).catch_unwind();
        let app = self.app.clone();
        Box::pin(exchange::scope(exchange, async move {
            let mut response = match answering.await {
                Ok(Ok(response)) => response.into_response(),
                Ok(Err(never)) => match never {},
                Err(_) => panicked(&app),
            };
            let status = response.status();
            exchange::with(|exchange| {
                let id = exchange.id().header();
                response.headers_mut().insert(REQUEST_ID_HEADER, id);
                ending
                    .metrics
                    .answered(ending.route, exchange.method(), status);
                ending.is_answered = true;
                if status.is_client_error() && exchange.is_refusal(status) {
                    app.refusals()
                        .log(|more| exchange.log_refusal(status, more));
                }
                if let (Route::Manifest, Some(not_ready)) =
                    (ending.route, exchange.refused_by_gate())
                {
                    ending.metrics.gate_refused(not_ready);
                }
                if let Some(line) = &mut ending.line {
                    line.answered(exchange, status);
                }
            });
            Ok(ending.with(response))
        }))
    }
}

fn limit(
    request: Request,
    app: &App,
    received: Option<Arc<AtomicU64>>,
    connection: Option<Arc<Connection>>,
) -> Request {
    let pace = request.extensions().get::<Arc<Pace>>().cloned();
    let timeout = app.options().limits.body_timeout;
    request.map(|body| Limited::body(body, timeout, pace, received, connection))
}

fn panicked(app: &App) -> Response {
    app.metrics().panics.inc();
    tracing::error!("a request found a fault in the server: its panic is above");
    ApiError::fault().into_response()
}

/// What is to be done when an answer has gone out, or the client has.
struct Ending {
    began: Instant,
    route: Route,
    metrics: Arc<Metrics>,
    connection: Option<Arc<Connection>>,
    line: Option<Line>,
    /// Not where the client left before.
    is_answered: bool,
    _going_on: GoingOn,
}

impl Ending {
    /// Ends with the answer's body.
    fn with(self, response: Response) -> Response {
        let is_small = response
            .body()
            .size_hint()
            .exact()
            .is_some_and(|bytes| bytes <= SMALL_BYTES);
        if is_small && self.line.is_none() {
            return response;
        }
        response.map(|inner| {
            Body::new(Followed {
                inner,
                ending: self,
            })
        })
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        let took = self.began.elapsed();
        if self.is_answered {
            self.metrics.took(self.route, took);
        }
        if let Some(connection) = &self.connection {
            connection.end();
        }
        if let Some(line) = self.line.take() {
            line.write(took);
        }
    }
}

/// A body that is followed to its end.
struct Followed {
    inner: Body,
    ending: Ending,
}

impl HttpBody for Followed {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.inner).poll_frame(context);
        if let (Poll::Ready(Some(Ok(frame))), Some(line)) = (&polled, &mut this.ending.line) {
            line.sent(frame.data_ref().map_or(0, Bytes::len));
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// Whether a status tells of something that an operator may have to act on.
fn is_refusal(status: StatusCode, had_credentials: bool) -> bool {
    match status {
        StatusCode::BAD_REQUEST
        | StatusCode::FORBIDDEN
        | StatusCode::REQUEST_TIMEOUT
        | StatusCode::PAYLOAD_TOO_LARGE
        | StatusCode::URI_TOO_LONG
        | StatusCode::TOO_MANY_REQUESTS => true,
        // Without credentials it is how a log-in begins.
        StatusCode::UNAUTHORIZED => had_credentials,
        _ => false,
    }
}
