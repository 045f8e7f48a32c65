//! Logging in to the console, and out. The session is a personal token of its own, named `console`, in a cookie that scripts and
//! other sites cannot use; logging out revokes it. A log-in takes the password: a token does not make itself another one.

use super::{answer, frame};
use crate::app::App;
use crate::asker::Asker;
use crate::caller;
use crate::error::{ApiError, ApiResult};
use crate::query;
use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use identity::{AuthError, Presented, TokenRequest, Via};
use policy::Ceiling;
use secrecy::{ExposeSecret, SecretString};
use std::collections::BTreeMap;
use store::accounts::By;

const COOKIE: &str = "countersign-session";
/// The name of the tokens that sessions are.
const TOKEN_NAME: &str = "console";
const SESSION_SECONDS: i64 = 12 * 60 * 60;

/// Someone who is logged in to the console.
pub(crate) struct Session {
    asker: Asker,
    name: String,
    parameters: BTreeMap<String, String>,
}

impl Session {
    /// Who it is, and the permits they get.
    pub(super) fn asker(&self) -> &Asker {
        &self.asker
    }

    /// The name in the bar.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// A parameter of the query; empty when it is absent.
    pub(super) fn parameter(&self, name: &str) -> &str {
        self.parameters
            .get(name)
            .map(String::as_str)
            .unwrap_or_default()
    }
}

impl FromRequestParts<App> for Session {
    type Rejection = Response;

    /// Whoever is not logged in is sent to log in, and back afterwards.
    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Response> {
        match asker(app, &parts.headers, &parts.extensions).await {
            Ok(Some(asker)) => {
                let name = asker
                    .caller()
                    .who
                    .principal()
                    .map(|id| asker.name_of(id))
                    .unwrap_or_default();
                Ok(Self {
                    asker,
                    name,
                    parameters: query::map(parts.uri.query()),
                })
            }
            Ok(None) => {
                let here = parts.uri.path_and_query().map_or("/", |here| here.as_str());
                Err(see(&format!(
                    "/console/login?next={}",
                    query::encoded(here)
                )))
            }
            Err(error) => Err(failed(&error)),
        }
    }
}

/// Whoever the cookie's token stands for; nobody without one, or with one that has ended.
async fn asker(
    app: &App,
    headers: &HeaderMap,
    extensions: &axum::http::Extensions,
) -> ApiResult<Option<Asker>> {
    let Some(token) = cookie(headers) else {
        return Ok(None);
    };
    let presented = Presented::Bearer(token);
    match app
        .identity()
        .authenticate(presented, caller::peer(extensions), app.now())
        .await
    {
        Ok(caller) if matches!(caller.via, Via::Token { .. }) => {
            Ok(Some(Asker::of(app, caller).await?))
        }
        Ok(_) | Err(AuthError::Token | AuthError::Ended | AuthError::Credentials) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The session's token. RFC 6265 4.2.
fn cookie(headers: &HeaderMap) -> Option<SecretString> {
    let pairs = headers
        .get_all(header::COOKIE)
        .into_iter()
        .filter_map(|value| value.to_str().ok());
    let mut values = pairs
        .flat_map(|text| text.split(';'))
        .filter_map(|pair| pair.trim().split_once('='));
    values
        .find(|(name, _)| *name == COOKIE)
        .map(|(_, value)| SecretString::from(value.to_owned()))
}

/// `GET /console/login?next`
pub(crate) async fn login_page(State(app): State<App>, request: Request) -> Response {
    let next = query::map(request.uri().query())
        .remove("next")
        .unwrap_or_default();
    let next = local(&next);
    match asker(&app, request.headers(), request.extensions()).await {
        Ok(Some(_)) => see(next),
        Ok(None) => answer(StatusCode::OK, frame::login(None, next)),
        Err(error) => failed(&error),
    }
}

/// `POST /console/login`
pub(crate) async fn login(State(app): State<App>, request: Request) -> Response {
    if !is_from_here(&app, request.headers()) {
        return failed(&from_elsewhere());
    }
    let peer = caller::peer(request.extensions());
    let secure = caller::public_url(&app, request.headers()).starts_with("https:");
    let form = match query::read_form(request.into_body()).await {
        Ok(form) => form,
        Err(error) => return failed(&error),
    };
    let field = |name: &str| {
        form.iter()
            .find(|(field, _)| field == name)
            .map(|(_, value)| value.clone())
            .unwrap_or_default()
    };
    let next = field("next");
    let presented = Presented::Basic {
        user: field("user"),
        secret: SecretString::from(field("password")),
    };
    let caller = app
        .identity()
        .authenticate(presented, peer, app.now())
        .await;
    let token = match caller {
        Ok(caller) if caller.used_password() => begin(&app, &caller).await,
        Ok(_) => Err(ApiError::unauthorized(
            "log in with your password: a token opens no session",
        )),
        Err(error) => Err(error.into()),
    };
    match token {
        Ok(token) => with_cookie(
            see(local(&next)),
            token.expose_secret(),
            SESSION_SECONDS,
            secure,
        ),
        Err(error) => answer(
            error.status(),
            frame::login(Some(error.message()), local(&next)),
        ),
    }
}

/// Makes the token that the session is.
async fn begin(app: &App, caller: &identity::Caller) -> ApiResult<SecretString> {
    let own = caller
        .who
        .principal()
        .ok_or_else(|| ApiError::unauthorized("log in first"))?;
    let expires_at = app
        .now()
        .saturating_add(SESSION_SECONDS.saturating_mul(1_000));
    let request = TokenRequest {
        principal: own,
        name: TOKEN_NAME.to_owned(),
        ceiling: Ceiling::All,
        expires_at: Some(expires_at),
    };
    Ok(app
        .identity()
        .create_token(caller, &By::Oneself(own), request, app.now())
        .await?
        .token)
}

/// `POST /console/logout`
pub(crate) async fn logout(State(app): State<App>, request: Request) -> Response {
    if !is_from_here(&app, request.headers()) {
        return failed(&from_elsewhere());
    }
    let secure = caller::public_url(&app, request.headers()).starts_with("https:");
    match end(&app, request.headers(), request.extensions()).await {
        Ok(()) => with_cookie(see("/console/login"), "", 0, secure),
        Err(error) => failed(&error),
    }
}

async fn end(app: &App, headers: &HeaderMap, extensions: &axum::http::Extensions) -> ApiResult<()> {
    let Some(asker) = asker(app, headers, extensions).await? else {
        return Ok(());
    };
    if let (Via::Token { id }, Some(own)) = (asker.caller().via, asker.caller().who.principal()) {
        store::tokens::revoke(asker.store(), &By::Oneself(own), id, asker.now()).await?;
    }
    Ok(())
}

/// Whether a form was sent from a page of this server, as the browser says. Fetch Metadata "Sec-Fetch-Site"; RFC 6454 7.
fn is_from_here(app: &App, headers: &HeaderMap) -> bool {
    let text = |name: &str| {
        headers
            .get(name)
            .map(|value| value.to_str().unwrap_or_default())
    };
    if let Some(site) = text("sec-fetch-site") {
        return matches!(site, "same-origin" | "none");
    }
    // Without either header it is no browser of these years, and SameSite is what is left.
    text("origin").is_none_or(|origin| {
        origin == caller::public_url(app, headers) || is_host(origin, text("host"))
    })
}

fn is_host(origin: &str, host: Option<&str>) -> bool {
    origin.split_once("://").map(|(_, host)| host) == host && host.is_some()
}

fn from_elsewhere() -> ApiError {
    ApiError::denied("the form was sent from another site: open the console and try again")
}

/// Where to go after a log-in: a page of the console, and nothing else that someone may have put into a link.
fn local(next: &str) -> &str {
    let is_page = next == "/" || next.starts_with("/console/");
    let is_plain = next
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    if is_page && is_plain { next } else { "/" }
}

fn see(place: &str) -> Response {
    let place = HeaderValue::from_str(place).unwrap_or(HeaderValue::from_static("/"));
    (StatusCode::SEE_OTHER, [(header::LOCATION, place)]).into_response()
}

fn failed(error: &ApiError) -> Response {
    answer(
        error.status(),
        frame::problem("This did not work", None, error.message()),
    )
}

fn with_cookie(mut response: Response, token: &str, seconds: i64, secure: bool) -> Response {
    let secure = if secure { "; Secure" } else { "" };
    let text =
        format!("{COOKIE}={token}; Path=/; HttpOnly; SameSite=Strict; Max-Age={seconds}{secure}");
    if let Ok(mut value) = HeaderValue::from_str(&text) {
        value.set_sensitive(true);
        response.headers_mut().insert(header::SET_COOKIE, value);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pages_of_the_console_are_gone_back_to() {
        for (next, expected) in [
            ("/", "/"),
            (
                "/console/image?ref=shop%2Fweb%3A1",
                "/console/image?ref=shop%2Fweb%3A1",
            ),
            ("", "/"),
            ("//evil.example", "/"),
            ("https://evil.example/console/", "/"),
            ("/\\evil.example", "/"),
            ("/console/\\evil.example", "/"),
            ("/console/a\r\nset-cookie: x", "/"),
            ("/api/v1/whoami", "/"),
        ] {
            assert_eq!(local(next), expected, "{next:?}");
        }
    }

    #[test]
    fn the_session_is_found_among_other_cookies() {
        let found = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(header::COOKIE, HeaderValue::from_str(value).unwrap());
            }
            cookie(&headers).map(|token| token.expose_secret().to_owned())
        };
        assert_eq!(
            found(&["a=b; countersign-session=cst_x; c=d"]),
            Some("cst_x".to_owned())
        );
        assert_eq!(
            found(&["a=b", "countersign-session=cst_x"]),
            Some("cst_x".to_owned())
        );
        assert_eq!(found(&["xcountersign-session=cst_x; a"]), None);
        assert_eq!(found(&[]), None);
    }

    #[test]
    fn an_origin_is_this_host_or_another() {
        assert!(is_host(
            "https://registry.example:5000",
            Some("registry.example:5000")
        ));
        for (origin, host) in [
            ("https://evil.example", Some("registry.example")),
            ("null", Some("registry.example")),
            ("null", None),
            (
                "https://registry.example.evil.example",
                Some("registry.example"),
            ),
        ] {
            assert!(!is_host(origin, host), "{origin} {host:?}");
        }
    }

    #[test]
    fn the_cookie_is_kept_from_scripts_and_other_sites() {
        let cookie = |secure| {
            let response = with_cookie(see("/"), "cst_x", 60, secure);
            response.headers()[header::SET_COOKIE]
                .to_str()
                .unwrap()
                .to_owned()
        };
        assert_eq!(
            cookie(false),
            "countersign-session=cst_x; Path=/; HttpOnly; SameSite=Strict; Max-Age=60"
        );
        assert!(cookie(true).ends_with("; Secure"));
    }
}
