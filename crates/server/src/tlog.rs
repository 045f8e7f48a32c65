//! `/tlog`: the audit log as a transparency log, for whoever may read the audit log (ADR 18). Deliberately no proofs: whoever reads
//! makes them from tiles, and needs to believe nothing that stands here. C2SP `tlog-tiles`.

use crate::api::Call;
use crate::asker::Asker;
use crate::error::{ApiError, ApiResult, shown};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use policy::verb::ReadAudit;
use store::audit;
use trust::merkle::Tile;

const TEXT: &str = "text/plain; charset=utf-8";
const BYTES: &str = "application/octet-stream";
/// What changes is asked for anew. tlog-tiles "Checkpoints"
const CHANGES: &str = "no-store";
/// A tile never changes. Who may read it does, so that only the reader keeps it. tlog-tiles "Merkle Tree"
const STAYS: &str = "private, max-age=604800, immutable";

/// `GET /tlog/checkpoint`
pub(crate) async fn checkpoint(call: Call) -> Response {
    answer(read_checkpoint(&call.asker).await)
}

/// `GET /tlog/key`: the verifier key of the log's checkpoints. signed-note "Verifier keys"
pub(crate) async fn key(call: Call) -> Response {
    answer(read_key(&call.asker).await)
}

/// `GET /tlog/tile/<L>/<N>[.p/<W>]` and `GET /tlog/tile/entries/<N>[.p/<W>]`
pub(crate) async fn tile(call: Call) -> Response {
    let outcome = match call.name("path") {
        Ok(path) => read_tile(&call.asker, path).await,
        Err(error) => Err(error),
    };
    answer(outcome)
}

async fn read_checkpoint(asker: &Asker) -> ApiResult<Response> {
    asker.permit::<ReadAudit>()?;
    let note = audit::checkpoint(asker.store(), asker.now()).await?;
    let note =
        note.ok_or_else(|| ApiError::not_found("nothing was sealed yet: ask again in a second"))?;
    Ok(([(CONTENT_TYPE, TEXT), (CACHE_CONTROL, CHANGES)], note).into_response())
}

async fn read_key(asker: &Asker) -> ApiResult<Response> {
    asker.permit::<ReadAudit>()?;
    let key = audit::verifier(asker.store(), asker.now()).await?;
    Ok((
        [(CONTENT_TYPE, TEXT), (CACHE_CONTROL, CHANGES)],
        format!("{key}\n"),
    )
        .into_response())
}

async fn read_tile(asker: &Asker, path: &str) -> ApiResult<Response> {
    asker.permit::<ReadAudit>()?;
    let absent = || ApiError::not_found(format!("the log has no tile `{}`", shown(path)));
    let bytes = match path.strip_prefix("entries/") {
        Some(place) => {
            let tile = Tile::parse_entries(place).ok_or_else(absent)?;
            audit::entries(asker.store(), tile).await?
        }
        None => {
            let tile = Tile::parse(path).ok_or_else(absent)?;
            audit::tile(asker.store(), tile).await?
        }
    };
    let bytes = bytes.ok_or_else(absent)?;
    Ok(([(CONTENT_TYPE, BYTES), (CACHE_CONTROL, STAYS)], bytes).into_response())
}

/// A tile that is not there yet will be: a no is kept by nobody.
fn answer(outcome: ApiResult<Response>) -> Response {
    outcome.unwrap_or_else(|error| ([(CACHE_CONTROL, CHANGES)], error).into_response())
}
