//! Docker Content Trust on the registry's own address: what notary-server answers below `_trust`, so that `docker trust` and
//! `DOCKER_CONTENT_TRUST=1` need no setting. Paths in, calls to `registry`, answers out; deliberately none of TUF is here.

mod feed;
pub(crate) mod path;
pub(crate) mod upload;

use self::path::{Resource, TrustTarget, Which};
use crate::app::App;
use crate::caller::{Access, TrustScope};
use crate::error::TrustError;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use oci::RepositoryName;
use policy::verb::{Attach, DeleteEvidence, ListCatalog, Pull};
use policy::{Permit, Who};
use registry::{KeyRole, StoredFile, Wanted};
use trust::tuf::{Gun, RoleName};

type TrustResult = Result<Response, TrustError>;

/// A request for one trust repository, or for all of them.
pub(super) async fn answer(
    app: &App,
    access: &Access<'_>,
    target: TrustTarget,
    request: Request,
) -> TrustResult {
    let TrustTarget { name, resource } = target;
    let method = request.method().clone();
    let Some(gun) = name.map_err(|error| TrustError::gun(&error.to_string()))? else {
        return of_all(app, access, &resource, &method, request.uri().query()).await;
    };
    let host = request.headers().get(header::HOST);
    let repository = app
        .options()
        .hosts
        .repository_of(&gun, host.and_then(|host| host.to_str().ok()))
        .map_err(|error| TrustError::gun(&error.to_string()))?;
    let asked = Asked {
        app,
        access,
        gun,
        repository,
    };
    let is_read = matches!(method, Method::GET | Method::HEAD);
    match (resource, method) {
        (Resource::File(role, which), _) if is_read => asked.file(&role, &which).await,
        (Resource::Key(role), _) if is_read => asked.key(role).await,
        (Resource::Key(role), Method::POST) => asked.next_key(role).await,
        (Resource::All, Method::POST) => asked.publish(request).await,
        (Resource::All, Method::DELETE) => asked.delete().await,
        (Resource::Changes, _) if is_read => asked.changes(request.uri().query()).await,
        _ => asked.nothing(),
    }
}

/// The change feed of the whole server.
async fn of_all(
    app: &App,
    access: &Access<'_>,
    resource: &Resource,
    method: &Method,
    query: Option<&str>,
) -> TrustResult {
    let permit = access.server_wide::<ListCatalog>()?;
    match (resource, method) {
        (Resource::Changes, &Method::GET | &Method::HEAD) => {
            let page = feed::page(query)?;
            let registry = app.registry();
            let changes = registry.all_trust_changes(&permit, page.from, page.limit);
            Ok(feed::body(&changes.await?))
        }
        _ => Err(TrustError::absent()),
    }
}

/// Something asked of one trust repository.
struct Asked<'a> {
    app: &'a App,
    access: &'a Access<'a>,
    gun: Gun,
    repository: RepositoryName,
}

impl Asked<'_> {
    async fn file(&self, role: &RoleName, which: &Which) -> TrustResult {
        let permit = self.permit::<Pull>(TrustScope::Pull)?;
        let (wanted, life) = match which {
            Which::Current => (Wanted::Current, Life::UntilTheNext),
            Which::Version(version) => (Wanted::Version(*version), Life::ForEver),
            Which::Sha256(hash) => (Wanted::Sha256(hash), Life::ForEver),
            Which::OtherHash => return Err(TrustError::absent()),
        };
        let registry = self.app.registry();
        let file = registry
            .trust_file(&permit, &self.gun, role, wanted)
            .await?;
        let file = file.ok_or_else(TrustError::absent)?;
        Ok(file_response(file, life, *permit.who() == Who::Anonymous))
    }

    async fn key(&self, role: KeyRole) -> TrustResult {
        let permit = self.permit::<Attach>(TrustScope::Push)?;
        let registry = self.app.registry();
        let key = registry.trust_key(&permit, &self.gun, role, self.app.now());
        Ok(json_response(key.await?.to_json().to_string()))
    }

    async fn next_key(&self, role: KeyRole) -> TrustResult {
        let permit = self.permit::<DeleteEvidence>(TrustScope::Everything)?;
        let registry = self.app.registry();
        let key = registry.next_trust_key(&permit, &self.gun, role, self.app.now());
        Ok(json_response(key.await?.to_json().to_string()))
    }

    async fn publish(&self, request: Request) -> TrustResult {
        let permit = self.permit::<Attach>(TrustScope::Push)?;
        let upload::Received { update, room } =
            upload::read(request, self.app.room_for_updates()).await?;
        let registry = self.app.registry();
        registry
            .publish_trust(&permit, &self.gun, update, self.app.now())
            .await?;
        drop(room);
        Ok(StatusCode::OK.into_response())
    }

    async fn delete(&self) -> TrustResult {
        let permit = self.permit::<DeleteEvidence>(TrustScope::Everything)?;
        let registry = self.app.registry();
        registry
            .delete_trust(&permit, &self.gun, self.app.now())
            .await?;
        Ok(StatusCode::OK.into_response())
    }

    async fn changes(&self, query: Option<&str>) -> TrustResult {
        let permit = self.permit::<Pull>(TrustScope::Pull)?;
        let page = feed::page(query)?;
        let registry = self.app.registry();
        let changes = registry.trust_changes(&permit, &self.gun, page.from, page.limit);
        Ok(feed::body(&changes.await?))
    }

    /// As notary-server has it, a path or method that is not there is metadata that is not there.
    fn nothing(&self) -> TrustResult {
        self.permit::<Pull>(TrustScope::Pull)?;
        Err(TrustError::absent())
    }

    fn permit<V: policy::Verb>(&self, scope: TrustScope) -> Result<Permit<V>, TrustError> {
        Ok(self.access.trust(&self.gun, &self.repository, scope)?)
    }
}

/// How long an answer may be kept.
#[derive(Clone, Copy)]
enum Life {
    /// Another file may take its place.
    UntilTheNext,
    /// Its path names these bytes and no others.
    ForEver,
}

impl Life {
    /// notary-server's times: five minutes, and thirty days. What not everybody may read is not for caches that are shared.
    fn cache_control(self, is_public: bool) -> HeaderValue {
        HeaderValue::from_static(match (self, is_public) {
            (Self::UntilTheNext, true) => "public, max-age=300, s-maxage=300, must-revalidate",
            (Self::UntilTheNext, false) => "private, max-age=300, must-revalidate",
            (Self::ForEver, true) => "public, max-age=2592000, s-maxage=2592000",
            (Self::ForEver, false) => "private, max-age=2592000",
        })
    }
}

const JSON: HeaderValue = HeaderValue::from_static("application/json");
/// Headers that an answer has room for without growing.
const HEADERS: usize = 8;

fn file_response(file: StoredFile, life: Life, is_public: bool) -> Response {
    let mut headers = HeaderMap::with_capacity(HEADERS);
    headers.insert(header::CONTENT_TYPE, JSON);
    headers.insert(header::CACHE_CONTROL, life.cache_control(is_public));
    if let Some(since) = last_modified(file.stored_at) {
        headers.insert(header::LAST_MODIFIED, since);
    }
    (StatusCode::OK, headers, Body::from(file.content)).into_response()
}

/// RFC 9110 5.6.7
fn last_modified(milliseconds: i64) -> Option<HeaderValue> {
    let instant = Timestamp::from_millisecond(milliseconds).ok()?;
    let text = instant.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    HeaderValue::try_from(text).ok()
}

fn json_response(body: String) -> Response {
    ([(header::CONTENT_TYPE, JSON)], body).into_response()
}
