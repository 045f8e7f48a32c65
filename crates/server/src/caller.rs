//! Who asks, and what they may: credentials from the request, the challenge when they are missing, permits from `policy::access`.
//! It decides nothing by itself, and nothing but the `Authorization` header (never User-Agent or Accept) plays a part.

use crate::app::App;
use crate::conduit::Files;
use crate::error::{V2Error, V2Result};
use crate::observe;
use crate::query;
use crate::v2::path::Target;
use crate::v2::trust::path::{Resource, TrustTarget};
use crate::v2::uploads::STATE;
use axum::extract::{ConnectInfo, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use identity::{AuthError, Caller, Presented, Via};
use oci::{ErrorCode, RepositoryName};
use policy::verb::{Attach, Pull, Push, Verb, VerbKind};
use policy::{Ceiling, Permit, Refused, Who};
use registry::PushPermits;
use secrecy::SecretString;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use store::Standing;
use trust::tuf::Gun;

/// What the request's `Authorization` header says.
///
/// # Errors
/// A header that is not Basic or Bearer, or whose Basic part cannot be read.
pub(crate) fn presented(headers: &HeaderMap) -> Result<Presented, &'static str> {
    let Some(value) = headers.get(header::AUTHORIZATION) else {
        return Ok(Presented::None);
    };
    let value = value
        .to_str()
        .map_err(|_| "the Authorization header is not text")?;
    let (scheme, rest) = value
        .split_once(' ')
        .ok_or("the Authorization header has no credentials")?;
    if scheme.eq_ignore_ascii_case("bearer") {
        return Ok(Presented::Bearer(SecretString::from(
            rest.trim().to_owned(),
        )));
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return Err("use Basic or Bearer credentials");
    }
    let bytes = STANDARD
        .decode(rest.trim())
        .map_err(|_| "the Basic credentials are not base64")?;
    let text = String::from_utf8(bytes).map_err(|_| "the Basic credentials are not UTF-8")?;
    let (user, secret) = text
        .split_once(':')
        .ok_or("the Basic credentials have no colon")?;
    // Docker sends empty credentials when it has none.
    if user.is_empty() && secret.is_empty() {
        return Ok(Presented::None);
    }
    Ok(Presented::Basic {
        user: user.to_owned(),
        secret: SecretString::from(secret.to_owned()),
    })
}

/// The address that failures are counted by.
pub(crate) fn peer(extensions: &axum::http::Extensions) -> IpAddr {
    extensions
        .get::<ConnectInfo<SocketAddr>>()
        .map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |info| info.0.ip())
}

/// The scheme and host that clients use, for challenges and links.
pub(crate) fn public_url(app: &App, headers: &HeaderMap) -> String {
    public_url_of(app, headers.get(header::HOST))
}

fn public_url_of(app: &App, host: Option<&HeaderValue>) -> String {
    if let Some(url) = &app.options().public_url {
        return url.trim_end_matches('/').to_owned();
    }
    // What is no host is not sent back: a quote in it would end the challenge's realm.
    let host = host
        .and_then(|host| host.to_str().ok())
        .filter(|host| is_host(host))
        .unwrap_or("localhost");
    format!(
        "{}://{host}",
        if app.options().tls { "https" } else { "http" }
    )
}

/// Whether it is a host with or without a port (RFC 9110 7.2), of the characters that names and addresses have.
pub(crate) fn is_host(text: &str) -> bool {
    let is_port =
        |text: &str| text.bytes().all(|b| b.is_ascii_digit()) && text.parse::<u16>().is_ok();
    if let Some(rest) = text.strip_prefix('[') {
        let Some((address, after)) = rest.split_once(']') else {
            return false;
        };
        return address.parse::<Ipv6Addr>().is_ok()
            && (after.is_empty() || after.strip_prefix(':').is_some_and(is_port));
    }
    let (name, port) = match text.split_once(':') {
        Some((name, port)) => (name, Some(port)),
        None => (text, None),
    };
    let is_name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
    !name.is_empty()
        && name.len() <= HOST_BYTES_MAX
        && name.bytes().all(is_name)
        && port.is_none_or(is_port)
}

/// The longest name of a host. RFC 1035 2.3.4
const HOST_BYTES_MAX: usize = 255;

/// A request without its body: what can be looked at while others are waited for.
pub(crate) struct Asked<'a> {
    pub(crate) method: Method,
    pub(crate) headers: &'a HeaderMap,
    /// For bodies of files, where the connection can send those by itself.
    pub(crate) files: Option<&'a Files>,
    query: Option<&'a str>,
    peer: IpAddr,
}

impl<'a> Asked<'a> {
    /// The head of a request.
    pub(crate) fn of(request: &'a Request) -> Self {
        Self {
            method: request.method().clone(),
            headers: request.headers(),
            files: request.extensions().get::<Files>(),
            query: request.uri().query(),
            peer: peer(request.extensions()),
        }
    }
}

/// Who sent a request to the distribution API.
pub(crate) struct Presenter {
    caller: Caller,
    standing: Standing,
    /// What the request was sent to, for a challenge; sharing it copies nothing.
    host: Option<HeaderValue>,
}

impl Presenter {
    /// Authenticates; credentials that are wrong are refused here, also where none are needed.
    pub(crate) async fn of(app: &App, asked: &Asked<'_>, target: &Target) -> V2Result<Self> {
        let host = asked.headers.get(header::HOST).cloned();
        let wrong = |why: &str| {
            let scope = scope_of(target, &asked.method);
            challenge(
                app,
                host.as_ref(),
                scope.as_deref(),
                Some("invalid_token"),
                why,
            )
        };
        let presented = presented(asked.headers).map_err(wrong)?;
        let known = app
            .identity()
            .authenticate(presented, asked.peer, app.now())
            .await;
        let known = match known {
            Err(AuthError::Ended) => going_on(app, asked, target).await,
            known => known,
        };
        let caller = match known {
            Ok(caller) => caller,
            Err(AuthError::TooMany {
                retry_after_seconds,
            }) => {
                return Err(V2Error::new(
                    StatusCode::TOO_MANY_REQUESTS,
                    ErrorCode::TooManyRequests,
                    "too many failed log-ins; wait a little",
                )
                .with_header(header::RETRY_AFTER, &retry_after_seconds.to_string()));
            }
            Err(AuthError::Store(error)) => return Err(error.into()),
            Err(error) => return Err(wrong(&error.to_string())),
        };
        let standing = store::standing(app.store()).await?;
        observe::asked_by(&caller.who, &standing.directory);
        Ok(Self {
            caller,
            standing,
            host,
        })
    }
}

/// Who sends more of an upload under a session that has ended meanwhile. An upload may take longer than a session lasts, and
/// docker asks for no other on the way: what its `Location` says of who began it, where and when, is authenticated.
async fn going_on(app: &App, asked: &Asked<'_>, target: &Target) -> Result<Caller, AuthError> {
    let (Target::Upload(name, id), Ok(Presented::Bearer(token))) =
        (target, presented(asked.headers))
    else {
        return Err(AuthError::Ended);
    };
    let parameters = query::map(asked.query);
    let state = parameters.get(STATE).map_or("", String::as_str);
    let Ok(upload) = app.registry().upload_session(id, state) else {
        return Err(AuthError::Ended);
    };
    let caller = app
        .identity()
        .authenticate_for_upload(&token, upload.started_at(), app.now())
        .await?;
    let principal = caller.who.principal();
    let is_theirs =
        principal.is_some() && principal == upload.principal() && name == upload.repository();
    is_theirs.then_some(caller).ok_or(AuthError::Ended)
}

/// The scope that a request for this would need; nothing where it needs none.
fn scope_of(target: &Target, method: &Method) -> Option<String> {
    match target {
        Target::Base => None,
        Target::Catalog => Some(CATALOG_SCOPE.to_owned()),
        Target::Trust(target) => trust_scope_of(target, method),
        _ => target
            .repository()
            .map(|name| repository_scope(name, actions_of(method))),
    }
}

fn actions_of(method: &Method) -> &'static [&'static str] {
    match method.as_str() {
        "GET" | "HEAD" => &["pull"],
        "DELETE" => &["delete"],
        _ => &["pull", "push"],
    }
}

/// What a trust repository's clients ask a session for, in the words of notary-server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TrustScope {
    Pull,
    Push,
    /// Deleting, and changing the server's keys.
    Everything,
}

impl TrustScope {
    /// The scope of one, by its whole name.
    fn of(self, gun: &Gun) -> String {
        let actions = match self {
            Self::Pull => "pull",
            Self::Push => "push,pull",
            Self::Everything => "*",
        };
        format!("repository:{gun}:{actions}")
    }
}

fn trust_scope_of(target: &TrustTarget, method: &Method) -> Option<String> {
    let Some(gun) = target.name.as_ref().ok()? else {
        return Some(CATALOG_SCOPE.to_owned());
    };
    let scope = match (&target.resource, method.as_str()) {
        (Resource::Key(_), "GET" | "HEAD") => TrustScope::Push,
        (_, "GET" | "HEAD") => TrustScope::Pull,
        (Resource::Key(_), _) | (_, "DELETE") => TrustScope::Everything,
        _ => TrustScope::Push,
    };
    // Nobody has looked yet whether it names a repository, and a quote in it would end the scope.
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"._-/:[]".contains(&b);
    gun.as_str().bytes().all(is_plain).then(|| scope.of(gun))
}

/// Whether a blob may be mounted from a repository.
pub(crate) enum Source {
    /// The caller may read there.
    Readable(Permit<Pull>),
    /// The caller's session does not cover it; another session of the same credentials would.
    Reachable,
    /// The caller may not, or there is nothing to tell them.
    Closed,
}

/// Asks `policy::access` on behalf of one request.
pub(crate) struct Access<'a> {
    app: &'a App,
    presenter: &'a Presenter,
    now: i64,
}

impl<'a> Access<'a> {
    pub(crate) fn new(app: &'a App, presenter: &'a Presenter) -> Self {
        Self {
            app,
            presenter,
            now: app.now(),
        }
    }

    /// Everybody and the policies, as of when the request began.
    pub(crate) fn standing(&self) -> &Standing {
        &self.presenter.standing
    }

    /// A permit for what this repository holds, or the challenge or refusal that the protocol wants.
    pub(crate) fn repository<V: Verb>(&self, name: &RepositoryName) -> V2Result<Permit<V>> {
        self.ask::<V>(Some(name))
    }

    /// A permit for a trust repository. Its clients say for 401 that one may not, and for 403 only a number: whoever may not is
    /// challenged, as by notary-server, for the scope under which they know it.
    pub(crate) fn trust<V: Verb>(
        &self,
        gun: &Gun,
        repository: &RepositoryName,
        scope: TrustScope,
    ) -> V2Result<Permit<V>> {
        let caller = &self.presenter.caller;
        self.decide::<V>(Some(repository), &caller.ceiling)
            .map_err(|_| {
                let (error, message) = match caller.who {
                    Who::Anonymous => (None, LOG_IN_FIRST),
                    Who::Principal(_) => (Some("insufficient_scope"), FORBIDDEN),
                };
                self.challenge(Some(&scope.of(gun)), error, message)
            })
    }

    /// A permit for something of the whole server.
    pub(crate) fn server_wide<V: Verb>(&self) -> V2Result<Permit<V>> {
        self.ask::<V>(None)
    }

    /// The permit, if the caller may.
    pub(crate) fn may<V: Verb>(&self, name: &RepositoryName) -> Option<Permit<V>> {
        self.decide::<V>(Some(name), &self.presenter.caller.ceiling)
            .ok()
    }

    /// Permits to put manifests: evidence at least, or the challenge or refusal that the protocol wants; images too for whoever may.
    pub(crate) fn push_permits(&self, name: &RepositoryName) -> V2Result<PushPermits> {
        let attach = self.repository::<Attach>(name)?;
        Ok(PushPermits {
            push: self.may::<Push>(name),
            attach,
        })
    }

    /// Challenges whoever has not logged in.
    pub(crate) fn logged_in(&self) -> V2Result<()> {
        match self.presenter.caller.who {
            Who::Anonymous => Err(self.challenge(None, None, LOG_IN_FIRST)),
            Who::Principal(_) => Ok(()),
        }
    }

    fn ask<V: Verb>(&self, repository: Option<&RepositoryName>) -> V2Result<Permit<V>> {
        let caller = &self.presenter.caller;
        if let Ok(permit) = self.decide::<V>(repository, &caller.ceiling) {
            return Ok(permit);
        }
        let scope = match (repository, V::KIND) {
            (Some(name), verb) => Some(repository_scope(name, scope_actions(verb))),
            (None, VerbKind::ListCatalog) => Some(CATALOG_SCOPE.to_owned()),
            (None, _) => None,
        };
        if caller.who == Who::Anonymous {
            return Err(self.challenge(scope.as_deref(), None, LOG_IN_FIRST));
        }
        // A session token that was asked for with too little: the client can get a better one.
        if self.wider::<V>(repository) {
            return Err(self.challenge(
                scope.as_deref(),
                Some("insufficient_scope"),
                "the token does not cover this",
            ));
        }
        Err(forbidden())
    }

    /// Whether another session of the same credentials would cover it.
    fn wider<V: Verb>(&self, repository: Option<&RepositoryName>) -> bool {
        let caller = &self.presenter.caller;
        matches!(caller.via, Via::Session) && self.decide::<V>(repository, &caller.widest).is_ok()
    }

    /// Whether a blob of this repository may be mounted elsewhere.
    pub(crate) fn source(&self, from: &RepositoryName) -> Source {
        match self.may::<Pull>(from) {
            Some(permit) => Source::Readable(permit),
            None if self.wider::<Pull>(Some(from)) => Source::Reachable,
            None => Source::Closed,
        }
    }

    /// Asks for a session that covers the target of a mount and its source: one scope for each, separated by a space
    /// (distribution `token` specification, "Requesting a token").
    pub(crate) fn mount_challenge(
        &self,
        target: &RepositoryName,
        from: &RepositoryName,
    ) -> V2Error {
        let target = repository_scope(target, scope_actions(VerbKind::Push));
        let from = repository_scope(from, scope_actions(VerbKind::Pull));
        self.challenge(
            Some(&format!("{target} {from}")),
            Some("insufficient_scope"),
            "the token does not cover the repository to mount from",
        )
    }

    fn challenge(&self, scope: Option<&str>, error: Option<&str>, message: &str) -> V2Error {
        challenge(
            self.app,
            self.presenter.host.as_ref(),
            scope,
            error,
            message,
        )
    }

    fn decide<V: Verb>(
        &self,
        repository: Option<&RepositoryName>,
        ceiling: &Ceiling,
    ) -> Result<Permit<V>, Refused> {
        let Presenter {
            caller, standing, ..
        } = self.presenter;
        policy::access::<V>(
            &standing.directory,
            &caller.who,
            repository,
            ceiling,
            self.app.options().anonymous_pull,
            self.now,
        )
    }
}

const LOG_IN_FIRST: &str = "log in first: `docker login`";
const CATALOG_SCOPE: &str = "registry:catalog:*";

/// The same words whether the repository is there or not, and for pushes too.
const FORBIDDEN: &str = "requested access to the resource is denied";

fn forbidden() -> V2Error {
    V2Error::new(StatusCode::FORBIDDEN, ErrorCode::Denied, FORBIDDEN)
}

fn scope_actions(verb: VerbKind) -> &'static [&'static str] {
    match verb {
        VerbKind::Push | VerbKind::Attach => &["pull", "push"],
        VerbKind::Delete | VerbKind::DeleteEvidence => &["delete"],
        _ => &["pull"],
    }
}

/// A 401 that says where to get a session, and for what (RFC 6750 3; distribution `token` specification).
fn challenge(
    app: &App,
    host: Option<&HeaderValue>,
    scope: Option<&str>,
    error: Option<&str>,
    message: &str,
) -> V2Error {
    let mut value = format!(
        "Bearer realm=\"{}/token\",service=\"{}\"",
        public_url_of(app, host),
        identity::SERVICE
    );
    if let Some(scope) = scope {
        value.push_str(&format!(",scope=\"{scope}\""));
    }
    if let Some(error) = error {
        value.push_str(&format!(",error=\"{error}\""));
    }
    V2Error::new(StatusCode::UNAUTHORIZED, ErrorCode::Unauthorized, message)
        .with_header(header::WWW_AUTHENTICATE, &value)
}

fn repository_scope(name: &RepositoryName, actions: &[&str]) -> String {
    format!("repository:{name}:{}", actions.join(","))
}

/// Who sent a request to `/api/v1` or the console.
pub(crate) async fn authenticate(
    app: &App,
    parts: &Parts,
) -> Result<Caller, crate::error::ApiError> {
    let presented = presented(&parts.headers).map_err(crate::error::ApiError::invalid)?;
    Ok(app
        .identity()
        .authenticate(presented, peer(&parts.extensions), app.now())
        .await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(value: &str) -> Result<Presented, &'static str> {
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, HeaderValue::from_str(value).unwrap());
        presented(&headers)
    }

    #[test]
    fn credentials_are_read_or_refused() {
        assert!(matches!(presented(&HeaderMap::new()), Ok(Presented::None)));
        assert!(matches!(with("Bearer abc"), Ok(Presented::Bearer(_))));
        assert!(matches!(with("basic YTpiOmM="), Ok(Presented::Basic { user, .. }) if user == "a"));
        assert!(matches!(with("Basic Og=="), Ok(Presented::None)));
        for bad in ["Basic", "Basic !!", "Digest x", "Basic YWJj"] {
            assert!(with(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn only_hosts_are_hosts() {
        for host in [
            "localhost",
            "registry.example",
            "registry.example:5000",
            "my_registry:5000",
            "192.0.2.1:443",
            "[::1]",
            "[2001:db8::1]:5000",
        ] {
            assert!(is_host(host), "{host}");
        }
        for text in [
            "",
            ":5000",
            "a b",
            "a\",realm=\"http://other.example/token",
            "a/b",
            "user@a",
            "a:b",
            "a:99999",
            "a:+1",
            "a:1:2",
            "[::1",
            "[::1]5000",
            "[a]",
            "a\\b",
            "a,b",
            "ä.example",
            &"a".repeat(256),
        ] {
            assert!(!is_host(text), "{text}");
        }
    }
}
