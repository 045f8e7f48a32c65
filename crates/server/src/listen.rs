//! Accepting connections, over TLS or not, within limits, and stopping without cutting anyone off. What is asked is `router.rs`'s
//! business; what a request costs and says is `observe.rs`'s.

mod host;
mod turned_away;
mod wire;

use crate::app::App;
use crate::conduit::{Conduit, Files};
use crate::error::V2Error;
use crate::limits::Limits;
use crate::limits::admission::{Admission, Connection, Place, Signal, TurnedAway};
use crate::limits::body::Pace;
use crate::limits::stream::{self, Streams};
use crate::metrics::Metrics;
use axum::Router;
use axum::body::{Body, HttpBody};
use axum::extract::{ConnectInfo, Request};
use axum::http::{StatusCode, Version, header};
use axum::response::{IntoResponse, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use oci::ErrorCode;
use rustls::ServerConfig;
use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use turned_away::Refusals;
use wire::Wire;

/// Bytes of a request's head over HTTP/2.
const HEAD_BYTES_MAX: u32 = 64 * 1024;
/// Bytes of a request's head over HTTP/1.1, and of what is read at a time: bodies come in pieces of this size at most.
const BUFFER_BYTES_MAX: usize = 256 * 1024;
/// Streams that a client reset before they were accepted, after which the connection ends (CVE-2023-44487).
const RESET_STREAMS_MAX: usize = 20;
/// Streams that were reset for the client's errors, after which the connection ends (CVE-2025-8671).
const ERROR_STREAMS_MAX: usize = 128;
/// How often a client over HTTP/2 is asked whether it is there, and how long it has to say so.
const PING_INTERVAL: Duration = Duration::from_secs(30);
const PING_TIMEOUT: Duration = Duration::from_secs(20);
/// A pause after a failed accept (out of file descriptors, most often), so that the loop does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What the connections of one listener share.
struct Shared {
    router: Router,
    acceptor: Option<TlsAcceptor>,
    builder: Builder<Streams>,
    admission: Arc<Admission>,
    refusals: Refusals,
    app: App,
}

impl Shared {
    fn limits(&self) -> &Limits {
        &self.app.options().limits
    }

    fn metrics(&self) -> &Arc<Metrics> {
        self.app.metrics()
    }
}

/// Serves until `stop` is cancelled; then takes no more connections, closes those that are idle, and lets the requests under way
/// end, for at most as long as the limits say.
///
/// # Errors
/// None while it runs: a connection that fails is that connection's end. The listener was opened by the caller.
pub async fn serve(
    listener: TcpListener,
    tls: Option<Arc<ServerConfig>>,
    app: App,
    router: Router,
    stop: CancellationToken,
) -> io::Result<()> {
    let shared = Arc::new(Shared {
        router,
        acceptor: tls.map(TlsAcceptor::from),
        builder: builder(&app.options().limits),
        admission: Arc::default(),
        refusals: Refusals::new(),
        app,
    });
    let caretaker = tokio::spawn(look_after(Arc::clone(&shared)));
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => break,
        };
        match accepted {
            Ok((stream, peer)) => admit(&shared, stream, peer),
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    shared.app.begin_stop();
    drop(listener);
    shared.admission.end_all();
    let ended = tokio::time::timeout(shared.limits().stop_timeout, shared.admission.empty()).await;
    if ended.is_err() {
        let connections = shared.admission.count();
        tracing::warn!(
            connections,
            "requests did not end within the stop timeout and are cut off"
        );
        shared.admission.drop_all();
    }
    caretaker.abort();
    Ok(())
}

fn builder(limits: &Limits) -> Builder<Streams> {
    let mut builder = Builder::new(Streams::new(limits.body_timeout));
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head_timeout)
        .max_buf_size(BUFFER_BYTES_MAX);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(HEAD_BYTES_MAX)
        .max_concurrent_streams(limits.streams_max)
        .max_pending_accept_reset_streams(RESET_STREAMS_MAX)
        .max_local_error_reset_streams(ERROR_STREAMS_MAX)
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_TIMEOUT)
        .adaptive_window(true);
    builder
}

/// Ends what stands idle or still: one task for all connections, a few looks for each timeout.
async fn look_after(shared: Arc<Shared>) {
    const LOOKS: u32 = 8;
    let limits = shared.limits();
    let shortest = limits.head_timeout.min(limits.body_timeout) / LOOKS;
    let pause = shortest.clamp(Duration::from_millis(20), Duration::from_secs(1));
    loop {
        tokio::time::sleep(pause).await;
        shared.admission.look_after(limits, Instant::now());
    }
}

fn admit(shared: &Arc<Shared>, stream: TcpStream, peer: SocketAddr) {
    match shared
        .admission
        .enter(peer.ip(), shared.limits(), Instant::now())
    {
        Ok(place) => spawn(Arc::clone(shared), stream, peer, place),
        Err(why) => {
            let (counted, message) = match why {
                TurnedAway::Full => ("full", "a connection was turned away: there are too many"),
                TurnedAway::FullFromThere => (
                    "address",
                    "a connection was turned away: there are too many from its address",
                ),
            };
            shared.metrics().turned_away(counted);
            shared.app.refusals().log(|more| {
                tracing::warn!(%peer, more, "{message}");
            });
            if shared.acceptor.is_none() {
                shared.refusals.tell(stream, why);
            }
        }
    }
}

fn spawn(shared: Arc<Shared>, stream: TcpStream, peer: SocketAddr, place: Place) {
    tokio::spawn(async move {
        let _open = shared.metrics().connection();
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%peer, %error, "cannot set TCP_NODELAY");
        }
        let metrics = Arc::clone(shared.metrics());
        let Some(acceptor) = &shared.acceptor else {
            let (conduit, files) = Conduit::new(stream);
            let stream = Wire::new(conduit, Arc::clone(&place.connection), metrics);
            return converse(&shared, stream, Some(files), peer, &place.connection).await;
        };
        let stream = Wire::new(stream, Arc::clone(&place.connection), metrics);
        let shaken = tokio::time::timeout(shared.limits().head_timeout, acceptor.accept(stream));
        match until_told(&place.connection, shaken).await {
            Some(Ok(Ok(stream))) => converse(&shared, stream, None, peer, &place.connection).await,
            Some(Ok(Err(error))) => tracing::debug!(%peer, %error, "the TLS handshake failed"),
            Some(Err(_)) => tracing::debug!(%peer, "the TLS handshake took too long"),
            None => {}
        }
    });
}

/// The future's value, or nothing when the connection is told to end before.
async fn until_told<F: Future>(connection: &Connection, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    poll_fn(|context| match connection.signal(context) {
        Signal::GoOn => future.as_mut().poll(context).map(Some),
        Signal::End | Signal::Drop => Poll::Ready(None),
    })
    .await
}

/// What all requests of a connection share.
struct Sender {
    peer: SocketAddr,
    connection: Arc<Connection>,
    files: Option<Files>,
    pace: Option<Arc<Pace>>,
}

impl Sender {
    /// A request with what is to be known of where it came from.
    fn of(&self, mut request: Request<Incoming>) -> Request {
        let is_http2 = request.version() == Version::HTTP_2;
        self.connection.begin(is_http2);
        let has_body = !request.body().is_end_stream();
        let extensions = request.extensions_mut();
        extensions.insert(ConnectInfo(self.peer));
        if let Some(pace) = &self.pace {
            extensions.insert(Arc::clone(pace));
        }
        // HTTP/2 cuts bodies into frames that it copies.
        if let (Some(files), false) = (&self.files, is_http2) {
            extensions.insert(files.clone());
        }
        if is_http2 || has_body {
            extensions.insert(Arc::clone(&self.connection));
        }
        request.map(Body::new)
    }
}

/// Answers requests until the client, an error or the server ends the connection.
async fn converse<S>(
    shared: &Shared,
    stream: S,
    files: Option<Files>,
    peer: SocketAddr,
    connection: &Arc<Connection>,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let pace = shared.limits().upload_bytes_per_second;
    let sender = Sender {
        peer,
        connection: Arc::clone(connection),
        files,
        pace: pace.map(|bytes_per_second| Arc::new(Pace::new(bytes_per_second))),
    };
    let (app, router) = (shared.app.clone(), shared.router.clone());
    let service = service_fn(move |mut request: Request<Incoming>| {
        let asked = match host::settle(&mut request) {
            Ok(()) => Ok(router.clone().oneshot(sender.of(request))),
            Err(why) => Err(misnamed(&app, &sender, &request, why)),
        };
        async move {
            Ok::<_, Infallible>(match asked {
                Ok(asked) => stream::follow(asked.await?),
                Err(refusal) => refusal,
            })
        }
    });
    let mut conversation = pin!(
        shared
            .builder
            .serve_connection(TokioIo::new(stream), service)
    );
    let mut is_ending = false;
    let ended = poll_fn(|context| {
        match connection.signal(context) {
            Signal::GoOn => {}
            Signal::End if is_ending => {}
            Signal::End => {
                is_ending = true;
                conversation.as_mut().graceful_shutdown();
            }
            Signal::Drop => return Poll::Ready(Ok(())),
        }
        conversation.as_mut().poll(context)
    })
    .await;
    if let Err(error) = ended {
        ended_early(shared, peer, error.as_ref());
    }
}

/// Refuses a request whose host is not to be told.
fn misnamed(app: &App, sender: &Sender, request: &Request<Incoming>, why: &str) -> Response {
    if !request.body().is_end_stream() {
        sender.connection.leave_unread();
    }
    unreadable(app, sender.peer, &why);
    V2Error::new(StatusCode::BAD_REQUEST, ErrorCode::Unsupported, why)
        .with_header(header::CONNECTION, "close")
        .into_response()
}

/// A connection that broke is ordinary; one whose request could not be read is worth knowing.
fn ended_early(shared: &Shared, peer: SocketAddr, error: &(dyn std::error::Error + 'static)) {
    let is_hostile = error
        .downcast_ref::<hyper::Error>()
        .is_some_and(|error| error.is_parse() || error.is_parse_too_large());
    if is_hostile {
        unreadable(&shared.app, peer, &error);
    } else {
        tracing::debug!(%peer, %error, "the connection ended early");
    }
}

fn unreadable(app: &App, peer: SocketAddr, error: &dyn std::fmt::Display) {
    app.metrics().unreadable.inc();
    app.refusals()
        .log(|more| tracing::info!(%peer, %error, more, "a request could not be read"));
}
