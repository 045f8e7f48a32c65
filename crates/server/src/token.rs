//! Docker's token endpoint (distribution `docs/spec/auth/token` and `oauth`): credentials in, a short-lived session token out.
//! A scope that is not granted is left out of the token; that is not an error here, it shows where the token is used.

use crate::app::App;
use crate::caller;
use crate::error::ApiError;
use crate::observe;
use crate::query;
use axum::Json;
use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use identity::{Caller, Issued, Presented, Scope};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

/// `GET /token?service=…&scope=…`, with Basic credentials or none.
pub(crate) async fn get(State(app): State<App>, request: Request) -> Response {
    let parameters = query::pairs(request.uri().query());
    let presented = caller::presented(request.headers()).map_err(ApiError::invalid);
    let peer = caller::peer(request.extensions());
    let answer = async {
        let caller = app
            .identity()
            .authenticate(presented?, peer, app.now())
            .await?;
        issue(&app, &caller, &parameters).await
    };
    answer.await.into_response()
}

/// `POST /token` with a form: `grant_type=password`. Refresh tokens are not offered, and clients fall back to GET.
pub(crate) async fn post(State(app): State<App>, request: Request) -> Response {
    let answer = async {
        let peer = caller::peer(request.extensions());
        let form = query::read_form(request.into_body()).await?;
        let field = |name: &str| {
            form.iter()
                .find(|(field, _)| field == name)
                .map(|(_, value)| value.clone())
        };
        if field("grant_type").as_deref() != Some("password") {
            return Err(ApiError::not_found(
                "only `grant_type=password` is offered; use GET with Basic credentials",
            ));
        }
        let (Some(user), Some(secret)) = (field("username"), field("password")) else {
            return Err(ApiError::invalid("`username` and `password` are needed"));
        };
        let presented = Presented::Basic {
            user,
            secret: SecretString::from(secret),
        };
        let caller = app
            .identity()
            .authenticate(presented, peer, app.now())
            .await?;
        issue(&app, &caller, &form).await
    };
    answer.await.into_response()
}

async fn issue(
    app: &App,
    caller: &Caller,
    parameters: &[(String, String)],
) -> Result<(HeaderMap, Json<serde_json::Value>), ApiError> {
    let scopes: Vec<Scope> = parameters
        .iter()
        .filter(|(name, _)| name == "scope")
        .flat_map(|(_, value)| Scope::parse_list(value))
        .collect();
    let Issued {
        token,
        expires_in_seconds,
        issued_at,
    } = app.identity().issue(caller, &scopes, app.now()).await?;
    let directory = store::accounts::directory(app.store()).await?;
    observe::asked_by(&caller.who, &directory);
    let token = token.expose_secret();
    let issued = jiff::Timestamp::from_millisecond(issued_at)
        .map(|time| time.to_string())
        .unwrap_or_default();
    let body = json!({"token": token, "access_token": token, "expires_in": expires_in_seconds, "issued_at": issued});
    let mut headers = HeaderMap::new();
    headers.insert(
        axum::http::header::CACHE_CONTROL,
        axum::http::HeaderValue::from_static("no-store"),
    );
    Ok((headers, Json(body)))
}
