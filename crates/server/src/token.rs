//! Docker's token endpoint (distribution `docs/spec/auth/token` and `oauth`): credentials in, a short-lived session token out,
//! and a refresh token for whoever asks to be remembered. A scope that is not granted is left out of the token; that is not
//! an error here, it shows where the token is used.

use crate::app::App;
use crate::caller;
use crate::error::{ApiError, TokenError};
use crate::observe;
use crate::query;
use axum::Json;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use identity::{Issued, LogIn, Presented, SERVICE, Scope, Via};
use registry::Hosts;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

type Fields = serde_json::Map<String, Value>;
type Answer = Result<(HeaderMap, Json<Fields>), TokenError>;

/// The field of a refresh token, in questions and answers.
const REFRESH: &str = "refresh_token";

/// `GET /token?service=…&scope=…`, with Basic credentials or none.
pub(crate) async fn get(State(app): State<App>, request: Request) -> Response {
    // Nothing here may hold a bare `+`: clients write the space between scopes so.
    let parameters = Parameters(query::form(request.uri().query().unwrap_or_default()));
    let presented = caller::presented(request.headers()).map_err(ApiError::invalid);
    let peer = caller::peer(request.extensions());
    let scopes = parameters.scopes(&app, request.headers());
    let answer = async {
        parameters.check_service()?;
        let log_in = app.identity().log_in(presented?, peer, app.now()).await?;
        let mut body = session(&app, &log_in, &scopes).await?.0;
        if parameters.first("offline_token") == Some("true") {
            remember(&app, &log_in, &mut body).await?;
        }
        Answer::Ok((uncached(), Json(body)))
    };
    answer.await.into_response()
}

/// `POST /token` with a form: `grant_type=password` or `grant_type=refresh_token`.
pub(crate) async fn post(State(app): State<App>, request: Request) -> Response {
    let answer = async {
        let peer = caller::peer(request.extensions());
        check_form_type(request.headers())?;
        let headers = request.headers().clone();
        let form = Parameters(query::read_form(request.into_body()).await?);
        form.check_single()?;
        form.check_service()?;
        let presented = form.credentials()?;
        let refresh = match &presented {
            Presented::Bearer(token) => Some(token.clone()),
            _ => None,
        };
        let log_in = app.identity().log_in(presented, peer, app.now()).await?;
        // Nothing but a refresh token is one: no session may prolong itself.
        if refresh.is_some() && log_in.caller.via != Via::Refresh {
            return Err(ApiError::from(identity::AuthError::Token).into());
        }
        let scopes = form.scopes(&app, &headers);
        let (mut body, scope) = session(&app, &log_in, &scopes).await?;
        body.insert("scope".to_owned(), json!(scope));
        if form.first("access_type") == Some("offline") {
            match refresh {
                Some(token) => {
                    body.insert(REFRESH.to_owned(), json!(token.expose_secret()));
                }
                None => remember(&app, &log_in, &mut body).await?,
            }
        }
        Answer::Ok((uncached(), Json(body)))
    };
    answer.await.into_response()
}

/// What was asked, in its order.
struct Parameters(Vec<(String, String)>);

impl Parameters {
    fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0
            .iter()
            .filter(move |(field, _)| field == name)
            .map(|(_, value)| value.as_str())
    }

    fn first(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// The service is that of the challenge. Whoever names none means this one; who names another would get a token that
    /// is not taken there.
    fn check_service(&self) -> Result<(), ApiError> {
        match self.first("service") {
            None | Some("" | SERVICE) => Ok(()),
            Some(_) => Err(ApiError::invalid(format!(
                "the service here is `{SERVICE}`: use the one of the challenge"
            ))),
        }
    }

    /// RFC 6749 3.2: no parameter stands twice. A scope may, as in the query of GET.
    fn check_single(&self) -> Result<(), ApiError> {
        let single = [
            "grant_type",
            "username",
            "password",
            "refresh_token",
            "service",
            "access_type",
        ];
        match single.into_iter().find(|name| self.all(name).count() > 1) {
            Some(name) => Err(ApiError::invalid(format!("`{name}` is given twice"))),
            None => Ok(()),
        }
    }

    fn credentials(&self) -> Result<Presented, ApiError> {
        match self.first("grant_type") {
            Some("password") => {
                let (Some(user), Some(secret)) = (self.first("username"), self.first("password"))
                else {
                    return Err(ApiError::invalid("`username` and `password` are needed"));
                };
                Ok(Presented::Basic {
                    user: user.to_owned(),
                    secret: SecretString::from(secret.to_owned()),
                })
            }
            Some("refresh_token") => match self.first("refresh_token") {
                Some(token) => Ok(Presented::Bearer(SecretString::from(token.to_owned()))),
                None => Err(ApiError::invalid("`refresh_token` is needed")),
            },
            // Clients then ask again with GET.
            Some(_) => Err(ApiError::not_found(
                "only `grant_type=password` and `refresh_token` are offered; use GET with Basic credentials",
            )),
            None => Err(ApiError::invalid("`grant_type` is needed")),
        }
    }

    fn scopes(&self, app: &App, headers: &HeaderMap) -> Vec<Scope> {
        let host = headers.get(header::HOST);
        let host = host.and_then(|host| host.to_str().ok());
        let asked = self.all("scope").flat_map(Scope::parse_list);
        asked
            .flat_map(|scope| with_own_name(scope, &app.options().hosts, host))
            .collect()
    }
}

/// A scope, and where its name begins with a name of this server, the same for the rest of it: clients of trust repositories ask so, with
/// the whole name of an image. Both may be meant, and neither gives more than the caller may.
fn with_own_name(scope: Scope, hosts: &Hosts, host: Option<&str>) -> Vec<Scope> {
    let Scope::Repository { name, actions } = &scope else {
        return vec![scope];
    };
    let rest = hosts.without_host(name.as_str(), host);
    let rest = rest.and_then(|rest| rest.parse().ok());
    match rest {
        Some(name) => {
            let actions = actions.clone();
            vec![Scope::Repository { name, actions }, scope]
        }
        None => vec![scope],
    }
}

/// RFC 6749 4.3.2. A client that does not say what it sends is believed to send a form.
fn check_form_type(headers: &HeaderMap) -> Result<(), ApiError> {
    const FORM: &str = "application/x-www-form-urlencoded";
    let Some(value) = headers.get(header::CONTENT_TYPE) else {
        return Ok(());
    };
    let media_type = value.to_str().ok().and_then(|text| text.split(';').next());
    match media_type.is_some_and(|text| text.trim().eq_ignore_ascii_case(FORM)) {
        true => Ok(()),
        false => Err(ApiError::invalid(format!("send the form as `{FORM}`"))),
    }
}

/// A session token's answer, and the scopes it was granted for.
async fn session(
    app: &App,
    log_in: &LogIn,
    scopes: &[Scope],
) -> Result<(Fields, String), ApiError> {
    let Issued {
        token,
        expires_in_seconds,
        issued_at,
        scope,
    } = app.identity().issue(log_in, scopes, app.now()).await?;
    let directory = store::accounts::directory(app.store()).await?;
    observe::asked_by(&log_in.caller.who, &directory);
    let token = token.expose_secret();
    let issued = jiff::Timestamp::from_millisecond(issued_at)
        .map(|time| time.to_string())
        .unwrap_or_default();
    let body = [
        ("token", json!(token)),
        ("access_token", json!(token)),
        ("expires_in", json!(expires_in_seconds)),
        ("issued_at", json!(issued)),
    ];
    let body = body.map(|(name, value)| (name.to_owned(), value));
    let body = body.into_iter().collect();
    Ok((body, scope))
}

/// Adds a refresh token for whoever can have one.
async fn remember(app: &App, log_in: &LogIn, body: &mut Fields) -> Result<(), ApiError> {
    if let Some(token) = app.identity().refresh_token(log_in, app.now()).await? {
        body.insert(REFRESH.to_owned(), json!(token.expose_secret()));
    }
    Ok(())
}

/// RFC 6749 5.1
fn uncached() -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers
}
