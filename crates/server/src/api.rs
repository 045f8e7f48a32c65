//! `/api/v1`: each handler takes a [`Call`] (which has authenticated already), asks for a permit, calls the store, and turns
//! what it says into the wire types of `client::api`. Nothing is decided here. One file a topic.

pub(crate) mod accounts;
pub(crate) mod advisories;
pub(crate) mod break_glass;
mod call;
pub(crate) mod events;
pub(crate) mod garbage;
pub(crate) mod images;
pub(crate) mod keys;
pub(crate) mod openapi;
pub(crate) mod policies;
pub(crate) mod receipts;

pub(crate) use self::call::Call;
use crate::error::{ApiError, ApiResult, shown};
use axum::Json;
use axum::http::{HeaderValue, Method, StatusCode, Uri, header};
use axum::response::Response;

/// The answer to a question.
pub(crate) type Answer<T> = ApiResult<Json<T>>;
/// The answer when something was made.
pub(crate) type Created<T> = ApiResult<(StatusCode, Json<T>)>;
/// The answer when something was done and there is nothing to say about it.
pub(crate) type Done = ApiResult<StatusCode>;

/// Something was made.
fn created<T>(made: T) -> Created<T> {
    Ok((StatusCode::CREATED, Json(made)))
}

/// Something was done.
const DONE: StatusCode = StatusCode::NO_CONTENT;

/// A path that the API does not have.
pub(crate) async fn nothing_here(uri: Uri) -> ApiError {
    ApiError::not_found(format!(
        "the API has no `{}`; see `/api/v1/openapi.json`",
        shown(uri.path())
    ))
}

/// A path that the API has, with a method that it does not take.
pub(crate) async fn not_so(method: Method, uri: Uri) -> ApiError {
    let message = format!(
        "`{}` does not take `{}`; see `/api/v1/openapi.json`",
        shown(uri.path()),
        shown(method.as_str())
    );
    ApiError::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method-not-allowed",
        message,
    )
}

/// Answers hold what one caller may see, some of them secrets: none is kept on its way.
pub(crate) async fn never_kept(mut response: Response) -> Response {
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
