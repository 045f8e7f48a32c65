//! Accepting connections, over TLS or not, and stopping without cutting anyone off. What is asked is `router.rs`'s business.

use crate::conduit::{Conduit, Files};
use axum::Router;
use axum::extract::ConnectInfo;
use axum::extract::Request;
use axum::http::{HeaderValue, Version, header};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use rustls::ServerConfig;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

/// Time that a client has for the TLS handshake, and for the head of a request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// Bytes of a request's head.
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// Time that requests under way have once the server is asked to stop.
const STOP_TIMEOUT: Duration = Duration::from_secs(30);
/// A pause after a failed accept (out of file descriptors, most often), so that the loop does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves until `stop` is cancelled; then lets the requests under way end, for at most half a minute.
///
/// # Errors
/// None while it runs: a connection that fails is that connection's end. The listener was opened by the caller.
pub async fn serve(
    listener: TcpListener,
    tls: Option<Arc<ServerConfig>>,
    router: Router,
    stop: CancellationToken,
) -> io::Result<()> {
    let acceptor = tls.map(TlsAcceptor::from);
    let graceful = GracefulShutdown::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => break,
        };
        match accepted {
            Ok((stream, peer)) => spawn(
                stream,
                peer,
                acceptor.clone(),
                router.clone(),
                graceful.watcher(),
            ),
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    if tokio::time::timeout(STOP_TIMEOUT, graceful.shutdown())
        .await
        .is_err()
    {
        tracing::warn!("some requests did not end in time and were cut off");
    }
    Ok(())
}

type Watcher = hyper_util::server::graceful::Watcher;

fn spawn(
    stream: TcpStream,
    peer: SocketAddr,
    acceptor: Option<TlsAcceptor>,
    router: Router,
    watcher: Watcher,
) {
    tokio::spawn(async move {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%peer, %error, "cannot set TCP_NODELAY");
        }
        let Some(acceptor) = acceptor else {
            let (conduit, files) = Conduit::new(stream);
            return connection(conduit, Some(files), peer, router, watcher).await;
        };
        match tokio::time::timeout(HEAD_TIMEOUT, acceptor.accept(stream)).await {
            Ok(Ok(stream)) => connection(stream, None, peer, router, watcher).await,
            Ok(Err(error)) => tracing::debug!(%peer, %error, "the TLS handshake failed"),
            Err(_) => tracing::debug!(%peer, "the TLS handshake took too long"),
        }
    });
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

async fn connection<S>(
    stream: S,
    files: Option<Files>,
    peer: SocketAddr,
    router: Router,
    watcher: Watcher,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = router.map_request(move |mut request: Request<hyper::body::Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        // HTTP/2 cuts bodies into frames that it copies.
        if let (Some(files), Version::HTTP_11 | Version::HTTP_10) = (&files, request.version()) {
            request.extensions_mut().insert(files.clone());
        }
        name_host(&mut request);
        request.map(axum::body::Body::new)
    });
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(HEAD_BYTES_MAX * 4);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(u32::try_from(HEAD_BYTES_MAX).unwrap_or(u32::MAX))
        .adaptive_window(true);
    let connection = builder
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service))
        .into_owned();
    if let Err(error) = watcher.watch(connection).await {
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
