//! One request and its answer, with what the test told the proxy to do to them.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::Notify;

use super::body::{Flow, Passed};
use super::{Fault, Shared};

/// S3's answer when it has too much to do.
const SLOW_DOWN: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"#;

/// What is to happen to one request.
pub(super) struct Plan {
    pub(super) delay: Duration,
    pub(super) bytes_per_second: Option<u64>,
    pub(super) fault: Option<Fault>,
}

/// Passes a request on and its answer back. `cut` ends the client's connection.
pub(super) async fn exchange(
    shared: &Shared,
    request: Request<Incoming>,
    cut: Arc<Notify>,
) -> Response<Passed> {
    let target = request
        .uri()
        .path_and_query()
        .map_or("/", |path| path.as_str());
    let plan = shared.meet(request.method().as_str(), target);
    if !plan.delay.is_zero() {
        tokio::time::sleep(plan.delay).await;
    }
    let own = match plan.fault {
        Some(Fault::Busy {
            retry_after_seconds,
        }) => Some(busy(retry_after_seconds)),
        Some(Fault::Instead { body }) => Some(Response::new(whole(body))),
        _ => None,
    };
    if let Some(answer) = own {
        // Read to its end, so that the connection goes on with the next request.
        let _ = request.into_body().collect().await;
        return answer;
    }
    match pass(shared, request, &plan, &cut).await {
        Ok(answer) => answer,
        Err(_) => {
            // As if the service's own connection had ended: no answer at all.
            cut.notify_one();
            std::future::pending().await
        }
    }
}

async fn pass(
    shared: &Shared,
    request: Request<Incoming>,
    plan: &Plan,
    cut: &Arc<Notify>,
) -> Result<Response<Passed>, Box<dyn std::error::Error + Send + Sync>> {
    let stream = TcpStream::connect(shared.upstream).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let (cut_request, cut_answer) = match plan.fault {
        Some(Fault::CutRequest { after_bytes }) => (Some(after_bytes), None),
        Some(Fault::CutAnswer { after_bytes }) => (None, Some(after_bytes)),
        _ => (None, None),
    };
    let flow = |cut_after| Flow {
        bytes_per_second: plan.bytes_per_second,
        cut_after,
        cut: Arc::clone(cut),
    };
    let request = request.map(|body| flow(cut_request).passed(body));
    let answer = sender.send_request(request).await?;
    Ok(answer.map(|body| flow(cut_answer).passed(body)))
}

fn busy(retry_after_seconds: u64) -> Response<Passed> {
    let mut answer = Response::new(whole(SLOW_DOWN));
    *answer.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    let headers = answer.headers_mut();
    headers.insert(RETRY_AFTER, HeaderValue::from(retry_after_seconds));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    answer
}

fn whole(body: &'static str) -> Passed {
    let body = Full::new(Bytes::from_static(body.as_bytes()));
    body.map_err(|never| match never {}).boxed_unsync()
}
