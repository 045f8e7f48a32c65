//! The distribution API (distribution-spec 1.1) and Docker's token endpoint's neighbour: paths in, calls to `registry`, answers out.
//! Repository names hold slashes, so the path below `/v2/` is taken apart here, from its right end.

pub(crate) mod answer;
mod blobs;
mod manifests;
mod mount;
pub(crate) mod path;
mod tags;
mod uploads;

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
    let mut response = match answer(&app, request).await {
        Ok(response) => response,
        Err(error) => error.into_response(),
    };
    let (name, value) = API_VERSION;
    response
        .headers_mut()
        .insert(name, header::HeaderValue::from_static(value));
    response
}

async fn answer(app: &App, request: Request) -> V2Result<Response> {
    let target = path::parse(request.uri().path())?;
    let asked = Asked::of(&request);
    let presenter = Presenter::of(app, &asked, &target).await?;
    let access = Access::new(app, &presenter);
    let method = asked.method.clone();
    match target {
        Target::Base => base(&access),
        Target::Catalog => {
            let permit = access.server_wide::<ListCatalog>()?;
            tags::catalog(app, &permit, request.uri().query()).await
        }
        Target::Tags(name) => match method {
            Method::GET => tags::list(app, &access, name, request.uri().query()).await,
            _ => Err(unsupported(&method)),
        },
        Target::Referrers(name, digest) => match method {
            Method::GET => tags::referrers(app, &access, name, digest, request.uri().query()).await,
            _ => Err(unsupported(&method)),
        },
        Target::Manifest(name, reference) => match method {
            Method::GET | Method::HEAD => {
                manifests::pull(app, &access, name, reference, &asked).await
            }
            Method::PUT => manifests::push(app, &access, name, reference, request).await,
            Method::DELETE => manifests::delete(app, &access, name, reference).await,
            _ => Err(unsupported(&method)),
        },
        Target::Blob(name, digest) => match method {
            Method::GET | Method::HEAD => blobs::pull(app, &access, name, digest, &asked).await,
            Method::DELETE => blobs::delete(app, &access, name, digest).await,
            _ => Err(unsupported(&method)),
        },
        Target::Uploads(name) => match method {
            Method::POST => uploads::start(app, &access, name, request).await,
            _ => Err(unsupported(&method)),
        },
        Target::Upload(name, session) => match method {
            Method::GET => {
                uploads::status(app, &access, name, &session, request.uri().query()).await
            }
            Method::PATCH => uploads::patch(app, &access, name, &session, request).await,
            Method::PUT => uploads::finish(app, &access, name, &session, request).await,
            Method::DELETE => {
                uploads::cancel(app, &access, name, &session, request.uri().query()).await
            }
            _ => Err(unsupported(&method)),
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

fn unsupported(method: &Method) -> V2Error {
    V2Error::new(
        StatusCode::METHOD_NOT_ALLOWED,
        ErrorCode::Unsupported,
        format!("`{method}` is not supported here"),
    )
}
