//! Accepting connections, over TLS or not, within limits, and stopping without cutting anyone off. What is asked is `router.rs`'s
//! business; what a request costs and says is `observe.rs`'s.

mod turned_away;
mod wire;

use crate::app::App;
use crate::conduit::{Conduit, Files};
use crate::limits::Limits;
use crate::limits::admission::{Admission, Connection, Place, Signal, TurnedAway};
use crate::limits::body::Pace;
use crate::metrics::Metrics;
use axum::Router;
use axum::body::HttpBody;
use axum::extract::ConnectInfo;
use axum::extract::Request;
use axum::http::{HeaderValue, Version, header};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use rustls::ServerConfig;
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
/// Requests under way at once on one HTTP/2 connection.
const STREAMS_MAX: u32 = 128;
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
    builder: Builder<TokioExecutor>,
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

fn builder(limits: &Limits) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head_timeout)
        .max_buf_size(BUFFER_BYTES_MAX);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(HEAD_BYTES_MAX)
        .max_concurrent_streams(STREAMS_MAX)
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

/// HTTP/2 names the host in the request's target and not in a header (RFC 9113, 8.3.1); what follows reads the header.
fn name_host<B>(request: &mut Request<B>) {
    if request.headers().contains_key(header::HOST) {
        return;
    }
    let host = request
        .uri()
        .authority()
        .and_then(|authority| HeaderValue::from_str(authority.as_str()).ok());
    if let Some(host) = host {
        request.headers_mut().insert(header::HOST, host);
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
    let pace = pace.map(|bytes_per_second| Arc::new(Pace::new(bytes_per_second)));
    let begun = Arc::clone(connection);
    let service =
        shared
            .router
            .clone()
            .map_request(move |mut request: Request<hyper::body::Incoming>| {
                request.extensions_mut().insert(ConnectInfo(peer));
                if let Some(pace) = &pace {
                    request.extensions_mut().insert(Arc::clone(pace));
                }
                let is_http2 = request.version() == Version::HTTP_2;
                begun.begin(is_http2);
                if is_http2 {
                    name_host(&mut request);
                } else if let Some(files) = &files {
                    // HTTP/2 cuts bodies into frames that it copies.
                    request.extensions_mut().insert(files.clone());
                }
                if is_http2 || !request.body().is_end_stream() {
                    request.extensions_mut().insert(Arc::clone(&begun));
                }
                request.map(axum::body::Body::new)
            });
    let service = TowerToHyperService::new(service);
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

/// A connection that broke is ordinary; one whose request could not be read is worth knowing.
fn ended_early(shared: &Shared, peer: SocketAddr, error: &(dyn std::error::Error + 'static)) {
    let is_hostile = error
        .downcast_ref::<hyper::Error>()
        .is_some_and(|error| error.is_parse() || error.is_parse_too_large());
    if is_hostile {
        shared.metrics().unreadable.inc();
        shared
            .app
            .refusals()
            .log(|more| tracing::info!(%peer, %error, more, "a request could not be read"));
    } else {
        tracing::debug!(%peer, %error, "the connection ended early");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_of_http_2_is_where_everyone_looks_for_it() {
        let mut request = Request::builder()
            .uri("https://registry.example:5000/v2/")
            .body(())
            .unwrap();
        name_host(&mut request);
        assert_eq!(request.headers()[header::HOST], "registry.example:5000");
        let mut request = Request::builder()
            .uri("/v2/")
            .header(header::HOST, "a.example")
            .body(())
            .unwrap();
        name_host(&mut request);
        assert_eq!(request.headers()[header::HOST], "a.example");
    }
}
