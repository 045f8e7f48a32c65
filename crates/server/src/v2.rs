//! The distribution API (distribution-spec 1.1) and, below it, trust repositories: paths in, calls to `registry`, answers out.
//! Repository names hold slashes, so the path below `/v2/` is taken apart here, from its right end.

pub(crate) mod answer;
mod blobs;
mod manifests;
mod mount;
pub(crate) mod path;
mod signatures;
mod tags;
pub(crate) mod trust;
pub(crate) mod uploads;

use crate::app::App;
use crate::caller::{Access, Asked, Presenter};
use crate::error::{V2Error, V2Result};
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use oci::ErrorCode;
use path::Target;
use policy::verb::ListCatalog;

pub(crate) const API_VERSION: (&str, &str) = ("docker-distribution-api-version", "registry/2.0");

/// Every request below `/v2/`.
pub(crate) async fn dispatch(State(app): State<App>, request: Request) -> Response {
    let is_head = request.method() == Method::HEAD;
    let is_base = matches!(request.uri().path(), "/v2" | "/v2/");
    let mut response = match answer(&app, request).await {
        Ok(response) => response,
        Err(error) => error.into_response(),
    };
    if is_head {
        response = answer::without_body(response);
    }
    let (name, value) = API_VERSION;
    response
        .headers_mut()
        .insert(name, header::HeaderValue::from_static(value));
    // Also where somebody has to log in first: podman looks at this answer alone.
    if is_base {
        let (name, value) = signatures::SUPPORTED;
        response
            .headers_mut()
            .insert(name, header::HeaderValue::from_static(value));
    }
    response
}

async fn answer(app: &App, request: Request) -> V2Result<Response> {
    let target = path::parse(request.uri().path())?;
    let asked = Asked::of(&request);
    let presenter = Presenter::of(app, &asked, &target).await?;
    let access = Access::new(app, &presenter);
    let method = asked.method.clone();
    match target {
        Target::Trust(target) => {
            let answer = trust::answer(app, &access, target, request).await;
            Ok(answer.unwrap_or_else(IntoResponse::into_response))
        }
        Target::Base => match method {
            Method::GET | Method::HEAD => base(&access),
            _ => Err(unsupported(&method, "GET, HEAD")),
        },
        Target::Catalog => match method {
            Method::GET | Method::HEAD => {
                let permit = access.server_wide::<ListCatalog>()?;
                tags::catalog(app, &permit, request.uri().query()).await
            }
            _ => Err(unsupported(&method, "GET, HEAD")),
        },
        Target::Tags(name) => match method {
            Method::GET | Method::HEAD => {
                tags::list(app, &access, name, request.uri().query()).await
            }
            _ => Err(unsupported(&method, "GET, HEAD")),
        },
        Target::Referrers(name, digest) => match method {
            Method::GET | Method::HEAD => {
                tags::referrers(app, &access, name, digest, request.uri().query()).await
            }
            _ => Err(unsupported(&method, "GET, HEAD")),
        },
        Target::Manifest(name, reference) => match method {
            Method::GET | Method::HEAD => {
                manifests::pull(app, &access, name, reference, &asked).await
            }
            Method::PUT => manifests::push(app, &access, name, reference, request).await,
            Method::DELETE => manifests::delete(app, &access, name, reference).await,
            _ => Err(unsupported(&method, "GET, HEAD, PUT, DELETE")),
        },
        Target::Signatures(name, digest) => match method {
            Method::GET | Method::HEAD => signatures::list(app, &access, name, digest).await,
            Method::PUT => signatures::put(app, &access, name, digest, request).await,
            _ => Err(unsupported(&method, "GET, HEAD, PUT")),
        },
        Target::Blob(name, digest) => match method {
            Method::GET | Method::HEAD => blobs::pull(app, &access, name, digest, &asked).await,
            Method::DELETE => blobs::delete(app, &access, name, digest).await,
            _ => Err(unsupported(&method, "GET, HEAD, DELETE")),
        },
        Target::Uploads(name) => match method {
            Method::POST => uploads::start(app, &access, name, request).await,
            _ => Err(unsupported(&method, "POST")),
        },
        Target::Upload(name, session) => match method {
            Method::GET | Method::HEAD => {
                uploads::status(app, &access, name, &session, request.uri().query()).await
            }
            Method::PATCH => uploads::patch(app, &access, name, &session, request).await,
            Method::PUT => uploads::finish(app, &access, name, &session, request).await,
            Method::DELETE => {
                uploads::cancel(app, &access, name, &session, request.uri().query()).await
            }
            _ => Err(unsupported(&method, "GET, HEAD, PATCH, PUT, DELETE")),
        },
    }
}

/// end-1: whoever has logged in is told so; everyone else is challenged, also where reads need no log-in, so that `docker login` works.
fn base(access: &Access<'_>) -> V2Result<Response> {
    access.logged_in()?;
    Ok((
        StatusCode::OK,
        [(header::CONTENT_TYPE, "application/json")],
        Body::from("{}"),
    )
        .into_response())
}

/// RFC 9110 15.5.6: with what is supported.
fn unsupported(method: &Method, allowed: &str) -> V2Error {
    V2Error::new(
        StatusCode::METHOD_NOT_ALLOWED,
        ErrorCode::Unsupported,
        format!("`{method}` is not supported here, only {allowed}"),
    )
    .with_header(header::ALLOW, allowed)
}
