//! The one place where errors become status codes. Internal text never leaves: the client gets a request id, the log the cause.

mod passing;
mod trust;

use self::passing::Passing;
pub(crate) use self::trust::TrustError;
use crate::limits::body::BodyError;
use crate::observe;
use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use client::api::{ErrorBody, ErrorDetail};
use identity::AuthError;
use oci::ErrorCode;
use serde_json::{Value, json};

/// The answer of a distribution API handler.
pub(crate) type V2Result<T> = Result<T, V2Error>;
/// The answer of an `/api/v1` or console handler.
pub type ApiResult<T> = Result<T, ApiError>;

/// An error of the distribution API (distribution-spec, "Error Codes").
#[derive(Debug)]
pub(crate) struct V2Error {
    status: StatusCode,
    code: ErrorCode,
    message: String,
    detail: Value,
    headers: Vec<(header::HeaderName, HeaderValue)>,
}

impl V2Error {
    pub(crate) fn new(status: StatusCode, code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            detail: Value::Null,
            headers: Vec::new(),
        }
    }

    pub(crate) fn with_detail(mut self, detail: Value) -> Self {
        self.detail = detail;
        self
    }

    pub(crate) fn with_header(mut self, name: header::HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.push((name, value));
        }
        self
    }

    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }

    #[cfg(test)]
    pub(crate) fn code(&self) -> &'static str {
        self.code.as_str()
    }

    fn internal(error: &(dyn std::error::Error + 'static)) -> Self {
        log_internal(error);
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            ErrorCode::Unknown,
            INTERNAL_MESSAGE,
        )
    }

    /// What will work again in a moment, without anybody changing the request.
    fn passing(passing: &Passing) -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            ErrorCode::Unavailable,
            passing.message,
        )
        .with_header(
            header::RETRY_AFTER,
            &passing.retry_after_seconds.to_string(),
        )
    }

    /// A body that ended early.
    pub(crate) fn interrupted(message: &str) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            ErrorCode::BlobUploadInvalid,
            message,
        )
    }

    /// A body that was not read to its end: too slow, too large, or as `otherwise` says.
    pub(crate) fn of_body(
        error: &(dyn std::error::Error + 'static),
        otherwise: impl FnOnce() -> Self,
    ) -> Self {
        match BodyError::among(error) {
            Some(stalled @ BodyError::Stalled { .. }) => Self::new(
                StatusCode::REQUEST_TIMEOUT,
                ErrorCode::BlobUploadInvalid,
                format!("{stalled}; send the rest again"),
            )
            .with_header(header::CONNECTION, "close"),
            Some(too_large @ BodyError::TooLarge { .. }) => Self::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                ErrorCode::SizeInvalid,
                too_large.to_string(),
            )
            .with_header(header::CONNECTION, "close"),
            None => otherwise(),
        }
    }
}

const INTERNAL_MESSAGE: &str =
    "something failed inside the server; its log has the cause under the id in `x-request-id`";
/// Seconds after which a client may ask again for what is not ready.
pub(crate) const RETRY_SECONDS: u64 = 2;

impl IntoResponse for V2Error {
    fn into_response(self) -> Response {
        if self.status.is_client_error() {
            observe::because(&self.message);
        }
        let mut error = json!({"code": self.code.as_str(), "message": self.message});
        if let (Some(object), false) = (error.as_object_mut(), self.detail.is_null()) {
            object.insert("detail".into(), self.detail);
        }
        let mut response = (self.status, Json(json!({"errors": [error]}))).into_response();
        response.headers_mut().extend(self.headers);
        response
    }
}

impl From<registry::Error> for V2Error {
    fn from(error: registry::Error) -> Self {
        match error {
            registry::Error::Protocol {
                code,
                message,
                detail,
            } => {
                Self::new(status_of(code), code, message).with_detail(detail.unwrap_or(Value::Null))
            }
            registry::Error::Range { held } => Self::new(
                StatusCode::RANGE_NOT_SATISFIABLE,
                ErrorCode::RangeInvalid,
                "the chunk does not begin where the upload ends",
            )
            .with_header(header::RANGE, &format!("0-{}", held.saturating_sub(1))),
            registry::Error::Refused(refusal) => refused(&refusal),
            // Trust repositories answer it in words of their own.
            registry::Error::Update(refusal) => Self::new(
                StatusCode::BAD_REQUEST,
                ErrorCode::Unsupported,
                refusal.to_string(),
            ),
            registry::Error::Interrupted(source) => {
                tracing::debug!(%source, "the client's body ended early");
                Self::of_body(&source, || {
                    Self::new(
                        StatusCode::BAD_REQUEST,
                        ErrorCode::BlobUploadInvalid,
                        "the body ended before it was whole; send the rest again",
                    )
                })
            }
            registry::Error::Store(error) => error.into(),
        }
    }
}

/// A gate's no, as docker prints it: the sentence in `message`, the decisions in `detail`.
fn refused(refusal: &registry::Refusal) -> V2Error {
    observe::refused_by_gate(refusal.not_ready);
    let error = V2Error::new(
        StatusCode::FORBIDDEN,
        ErrorCode::Denied,
        refusal.message.clone(),
    )
    .with_detail(json!({"decisions": refusal.decisions}));
    if refusal.not_ready {
        error.with_header(header::RETRY_AFTER, &RETRY_SECONDS.to_string())
    } else {
        error
    }
}

impl From<store::Error> for V2Error {
    fn from(error: store::Error) -> Self {
        use store::Error as E;
        if let Some(passing) = Passing::of(&error) {
            return Self::passing(&passing);
        }
        let message = error.to_string();
        match &error {
            E::NotFound { kind, .. } => {
                let code = match *kind {
                    "manifest" | "tag" => ErrorCode::ManifestUnknown,
                    "blob" => ErrorCode::BlobUnknown,
                    "upload" => ErrorCode::BlobUploadUnknown,
                    _ => ErrorCode::NameUnknown,
                };
                Self::new(StatusCode::NOT_FOUND, code, message)
            }
            E::MissingReference(digest) => Self::new(
                StatusCode::BAD_REQUEST,
                ErrorCode::ManifestBlobUnknown,
                message,
            )
            .with_detail(json!({"digest": digest.as_str()})),
            E::DigestMismatch { .. } => {
                Self::new(StatusCode::BAD_REQUEST, ErrorCode::DigestInvalid, message)
            }
            E::Refused { .. } => Self::new(StatusCode::FORBIDDEN, ErrorCode::Denied, message),
            E::Conflict { .. } => Self::new(StatusCode::CONFLICT, ErrorCode::Denied, message),
            // Asking again does not help; pushing it again does.
            E::Damaged { .. } => {
                log_internal(&error);
                Self::new(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    ErrorCode::Unavailable,
                    message,
                )
            }
            E::Invalid { .. } => {
                Self::new(StatusCode::BAD_REQUEST, ErrorCode::Unsupported, message)
            }
            _ => Self::internal(&error),
        }
    }
}

fn status_of(code: ErrorCode) -> StatusCode {
    match code {
        ErrorCode::DigestInvalid
        | ErrorCode::SizeInvalid
        | ErrorCode::NameInvalid
        | ErrorCode::TagInvalid
        | ErrorCode::ManifestInvalid
        | ErrorCode::ManifestBlobUnknown
        | ErrorCode::PaginationNumberInvalid => StatusCode::BAD_REQUEST,
        ErrorCode::RangeInvalid => StatusCode::RANGE_NOT_SATISFIABLE,
        ErrorCode::NameUnknown
        | ErrorCode::ManifestUnknown
        | ErrorCode::BlobUnknown
        | ErrorCode::BlobUploadUnknown
        | ErrorCode::BlobUploadInvalid => StatusCode::NOT_FOUND,
        ErrorCode::Unauthorized => StatusCode::UNAUTHORIZED,
        ErrorCode::Denied => StatusCode::FORBIDDEN,
        ErrorCode::Unsupported => StatusCode::METHOD_NOT_ALLOWED,
        ErrorCode::TooManyRequests => StatusCode::TOO_MANY_REQUESTS,
        ErrorCode::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        ErrorCode::Unknown => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// An error of `/api/v1`: a stable code, a sentence, and where it helps what to do next.
#[derive(Debug)]
pub struct ApiError {
    status: StatusCode,
    code: &'static str,
    message: String,
    next: Option<String>,
    retry_after_seconds: Option<u64>,
}

impl ApiError {
    /// An error with its code and sentence.
    #[must_use]
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            next: None,
            retry_after_seconds: None,
        }
    }

    /// Adds what to do next.
    #[must_use]
    pub fn next(mut self, next: impl Into<String>) -> Self {
        self.next = Some(next.into());
        self
    }

    /// Says after how many seconds to ask again.
    #[must_use]
    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after_seconds = Some(seconds);
        self
    }

    /// The request is not understood.
    #[must_use]
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid", message)
    }

    /// Nothing with this name is there, or the caller may not know of it.
    #[must_use]
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", message)
    }

    /// Nobody is logged in, or not well enough.
    #[must_use]
    pub fn unauthorized(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", message).next("countersign login")
    }

    /// The caller may not do this.
    #[must_use]
    pub fn denied(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "denied", message)
    }

    /// The status that goes with it.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The sentence.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Something failed below; the cause goes to the log only.
    #[must_use]
    pub fn internal(error: &(dyn std::error::Error + 'static)) -> Self {
        log_internal(error);
        Self::fault()
    }

    /// Something failed that is logged already.
    pub(crate) fn fault() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            INTERNAL_MESSAGE,
        )
    }

    /// A body that was not read to its end: too slow, or as `otherwise` says.
    pub(crate) fn of_body(
        error: &(dyn std::error::Error + 'static),
        otherwise: impl FnOnce() -> Self,
    ) -> Self {
        match BodyError::among(error) {
            Some(stalled @ BodyError::Stalled { .. }) => Self::new(
                StatusCode::REQUEST_TIMEOUT,
                "timeout",
                format!("{stalled}; send it again"),
            ),
            Some(BodyError::TooLarge { .. }) | None => otherwise(),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        if self.status.is_client_error() {
            observe::because(&self.message);
        }
        let error = ErrorDetail {
            code: self.code.to_owned(),
            message: self.message,
            next: self.next,
            detail: None,
            request_id: observe::request_id().map(|id| id.to_string()),
        };
        let mut response = (self.status, Json(ErrorBody { error })).into_response();
        if self.status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static("Basic realm=\"countersign\""),
            );
        }
        if let Some(seconds) = self.retry_after_seconds {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

impl From<store::Error> for ApiError {
    fn from(error: store::Error) -> Self {
        use store::Error as E;
        if let Some(passing) = Passing::of(&error) {
            return Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "unavailable",
                passing.message,
            )
            .retry_after(passing.retry_after_seconds);
        }
        let message = error.to_string();
        match &error {
            E::NotFound { .. } => Self::not_found(message),
            E::Conflict { .. } => Self::new(StatusCode::CONFLICT, "conflict", message),
            E::Damaged { .. } => {
                log_internal(&error);
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "damaged", message)
            }
            E::OlderSource { .. } => Self::new(StatusCode::CONFLICT, "older-source", message),
            E::Refused { .. } => Self::denied(message),
            E::Invalid { .. } | E::MissingReference(_) | E::DigestMismatch { .. } => {
                Self::invalid(message)
            }
            _ => Self::internal(&error),
        }
    }
}

impl From<identity::Error> for ApiError {
    fn from(error: identity::Error) -> Self {
        let message = error.to_string();
        match error {
            identity::Error::Password { .. } | identity::Error::Scope { .. } => {
                Self::invalid(message)
            }
            identity::Error::Refused { .. } => Self::denied(message),
            identity::Error::Store(error) => error.into(),
        }
    }
}

impl From<AuthError> for ApiError {
    fn from(error: AuthError) -> Self {
        let message = error.to_string();
        match error {
            AuthError::TooMany {
                retry_after_seconds,
            } => Self::new(StatusCode::TOO_MANY_REQUESTS, "too-many-failures", message)
                .retry_after(retry_after_seconds),
            AuthError::Store(error) => error.into(),
            AuthError::Credentials | AuthError::Token | AuthError::Ended => {
                Self::unauthorized(message)
            }
            AuthError::TooManyScopes => Self::invalid(message),
        }
    }
}

/// An error of the token endpoint, for both kinds of clients: docker reads and prints `errors`, others the fields of RFC 6749
/// 5.2.
pub(crate) struct TokenError(ApiError);

impl<E: Into<ApiError>> From<E> for TokenError {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for TokenError {
    fn into_response(self) -> Response {
        let (code, grant_error) = match self.0.status {
            StatusCode::UNAUTHORIZED => (ErrorCode::Unauthorized, "invalid_grant"),
            StatusCode::NOT_FOUND => (ErrorCode::Unsupported, "unsupported_grant_type"),
            StatusCode::TOO_MANY_REQUESTS => {
                (ErrorCode::TooManyRequests, "temporarily_unavailable")
            }
            status if status.is_client_error() => (ErrorCode::Unsupported, "invalid_request"),
            _ => (ErrorCode::Unknown, "server_error"),
        };
        let message = self.0.message.clone();
        let body = json!({
            "errors": [{"code": code.as_str(), "message": message}],
            "error": grant_error, "error_description": message,
        });
        let mut response = self.0.into_response();
        *response.body_mut() = axum::body::Body::from(body.to_string());
        response
    }
}

/// What a user gave, as it may stand in a message: not too long, and without control characters.
pub(crate) fn shown(text: &str) -> String {
    const CHARACTERS_MAX: usize = 200;
    text.chars()
        .take(CHARACTERS_MAX)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

fn log_internal(error: &(dyn std::error::Error + 'static)) {
    let mut causes = Vec::new();
    let mut source = error.source();
    while let Some(cause) = source {
        causes.push(cause.to_string());
        source = cause.source();
    }
    tracing::error!(%error, causes = causes.join(": "), "a request failed inside");
}
