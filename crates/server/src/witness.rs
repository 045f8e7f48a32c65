//! `/witness`: this server as a witness of other logs. Nobody logs in: what counts is that a log that is watched signed the checkpoint.
//! Without such logs everything is unknown here. C2SP `tlog-witness`.

use crate::app::App;
use crate::error::{ApiError, ApiResult, shown};
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use trust::witness::{ADD_CHECKPOINT_BYTES_MAX, AddCheckpoint, WitnessError};

const TEXT: &str = "text/plain; charset=utf-8";
const SIZE: &str = "text/x.tlog.size";
const UNKEPT: &str = "no-store";

/// `POST /witness/add-checkpoint`
pub(crate) async fn add_checkpoint(State(app): State<App>, body: Body) -> Response {
    judge(&app, body)
        .await
        .unwrap_or_else(ApiError::into_response)
}

async fn judge(app: &App, body: Body) -> ApiResult<Response> {
    let body = axum::body::to_bytes(body, ADD_CHECKPOINT_BYTES_MAX).await;
    let body =
        body.map_err(|error| ApiError::of_body(&error, || refused(&WitnessError::TooLarge)))?;
    let request = AddCheckpoint::parse(&body).map_err(|error| refused(&error))?;
    let logs = &app.options().witnessed_logs;
    match store::witness::add_checkpoint(app.store(), logs, &request, app.now()).await? {
        Ok(cosignature) => Ok(plain(TEXT, cosignature.line)),
        Err(WitnessError::Conflict { size }) => {
            Ok((StatusCode::CONFLICT, plain(SIZE, format!("{size}\n"))).into_response())
        }
        Err(error) => {
            // Anybody can send such a one, so that it accuses nobody; a log that forked can look like this all the same.
            if matches!(error, WitnessError::Proof { .. }) {
                app.metrics().unproved_checkpoints.inc();
            }
            Err(refused(&error))
        }
    }
}

/// `GET /witness/key`: the verifier key of this server's cosignatures. Nobody logs in, so that it must not be asking that makes a key:
/// one that watches no log has none. signed-note "Verifier keys"
pub(crate) async fn key(State(app): State<App>) -> ApiResult<Response> {
    if app.options().witnessed_logs.is_empty() {
        return Err(ApiError::not_found(
            "this server is the witness of no log, and has no key for it: configure the log with `witness-of` first",
        ));
    }
    let key = store::witness::verifier(app.store(), app.now()).await?;
    Ok(plain(TEXT, format!("{key}\n")))
}

/// `GET /witness/<origin hash>/checkpoint`: the last one that was signed of a log. tlog-witness "Monitor Retrieval Mechanism"
pub(crate) async fn checkpoint(
    State(app): State<App>,
    Path(log): Path<String>,
) -> ApiResult<Response> {
    let note = store::witness::checkpoint_of(app.store(), &log).await?;
    let note = note.ok_or_else(|| {
        ApiError::not_found(format!("nothing was signed of a log `{}`", shown(&log)))
    })?;
    Ok(plain(TEXT, note))
}

fn plain(media_type: &'static str, body: String) -> Response {
    ([(CONTENT_TYPE, media_type), (CACHE_CONTROL, UNKEPT)], body).into_response()
}

/// tlog-witness "add-checkpoint": the status of each refusal.
fn refused(error: &WitnessError) -> ApiError {
    let (status, code) = match error {
        WitnessError::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "too-large"),
        WitnessError::Form(_) => (StatusCode::BAD_REQUEST, "invalid"),
        WitnessError::OldSize { .. } => (StatusCode::BAD_REQUEST, "shrink"),
        WitnessError::UnknownLog { .. } => (StatusCode::NOT_FOUND, "unknown-log"),
        WitnessError::Checkpoint(_) => (StatusCode::FORBIDDEN, "signature"),
        WitnessError::Conflict { .. } => (StatusCode::CONFLICT, "conflict"),
        WitnessError::Fork { .. } | WitnessError::EmptyRoot => {
            (StatusCode::UNPROCESSABLE_ENTITY, "fork")
        }
        WitnessError::Inconsistent { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "inconsistent"),
        WitnessError::Proof { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "proof"),
    };
    ApiError::new(status, code, error.to_string())
}
