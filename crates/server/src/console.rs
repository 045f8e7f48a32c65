//! The console: a few pages for people, made on the server, without scripts. Who is logged in is a token in a cookie, which is
//! only good here (the API takes none); what they see is what the API would answer them.

mod break_glass;
mod frame;
mod pages;
mod session;

use self::pages::{ImagePage, TagRow};
use self::session::Session;
pub(crate) use self::session::{login, login_page, logout};
use crate::asker::Asker;
use crate::error::{ApiError, ApiResult};
use crate::query::encoded;
use crate::view::{self, Inside, Matched};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use maud::Markup;
use oci::{RepositoryName, Shape};

/// Repositories on the first page.
const REPOSITORIES_MAX: u32 = 200;
/// Open break-glasses on the first page.
const OPENED_MAX: u32 = 100;
/// Tags on a repository's page; the gates are asked about each.
const TAGS_MAX: u32 = 200;

/// Nothing but our own style is loaded, nobody frames us, nothing is kept.
const SECURITY: &[(HeaderName, &str)] = &[
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "same-origin"),
    (header::CACHE_CONTROL, "no-store"),
];

/// Sets the headers that every answer of the console has.
pub(crate) async fn secured(mut response: Response) -> Response {
    for (name, value) in SECURITY {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    response
}

/// `GET /console/style.css`
pub(crate) async fn style() -> impl IntoResponse {
    (
        [(header::CONTENT_TYPE, "text/css; charset=utf-8")],
        include_str!("console/style.css"),
    )
}

/// `GET /?after`
pub(crate) async fn home(session: Session) -> Response {
    let shown = async {
        let after = Some(session.parameter("after")).filter(|after| !after.is_empty());
        let page = view::repositories(session.asker(), after, REPOSITORIES_MAX).await?;
        let more = page.next.map(|next| format!("/?after={}", encoded(&next)));
        // Few at a time; a page of its own would be looked at by nobody.
        let opened = view::break_glasses(session.asker(), false, None, OPENED_MAX).await?;
        Ok(pages::repositories(
            session.name(),
            &opened.items,
            &page.items,
            more.as_deref(),
        ))
    };
    shown_to(&session, shown.await)
}

/// `GET /console/repository?name&after`
pub(crate) async fn repository(session: Session) -> Response {
    let page = repository_page(&session).await;
    shown_to(&session, page)
}

async fn repository_page(session: &Session) -> ApiResult<Markup> {
    let asker = session.asker();
    let name: RepositoryName = session
        .parameter("name")
        .parse()
        .map_err(|error| ApiError::invalid(format!("{error}")))?;
    let after = Some(session.parameter("after")).filter(|after| !after.is_empty());
    let tags = view::tags(asker, &name, after, TAGS_MAX).await?;
    let is_full = u32::try_from(tags.len()).is_ok_and(|length| length >= TAGS_MAX);
    let more = tags.last().filter(|_| is_full).map(|(last, _)| {
        let (name, last) = (encoded(name.as_str()), encoded(last.name.as_str()));
        format!("/console/repository?name={name}&after={last}")
    });
    let mut rows = Vec::new();
    for (tag, shape) in tags {
        // Signatures under tags are on the page of what they sign.
        if shape != Shape::Evidence {
            let decisions = view::decisions(asker, &name, &tag.digest).await?;
            rows.push(TagRow {
                tag,
                shape: view::shape(shape).to_owned(),
                decisions,
            });
        }
    }
    Ok(pages::repository(
        session.name(),
        name.as_str(),
        &rows,
        more.as_deref(),
    ))
}

/// `GET /console/image?ref`
pub(crate) async fn image(session: Session) -> Response {
    let page = image_page(session.asker(), session.parameter("ref")).await;
    shown_to(
        &session,
        page.map(|page| pages::image(session.name(), &page)),
    )
}

async fn image_page(asker: &Asker, reference: &str) -> ApiResult<ImagePage> {
    let store = asker.store();
    let manifest = view::find(asker, reference).await?;
    // Asked first: findings that come in between make the list longer, never the page too good.
    let matched = Matched::of(store, &manifest).await?;
    let inside = Inside::of(store, &manifest).await?;
    let decisions = match manifest.shape {
        Shape::Evidence => Vec::new(),
        _ => view::decisions(asker, &manifest.repository, &manifest.digest).await?,
    };
    Ok(ImagePage {
        image: view::image(asker, &manifest, &inside).await?,
        decisions,
        opened: view::break_glasses_of(asker, &manifest).await?,
        evidence: view::evidence(asker, &manifest).await?,
        components: inside
            .stored
            .map(|stored| stored.inventory.components)
            .unwrap_or_default(),
        findings: inside.findings,
        matched,
    })
}

/// A page, or one that says why there is none.
fn shown_to(session: &Session, page: ApiResult<Markup>) -> Response {
    match page {
        Ok(page) => answer(StatusCode::OK, page),
        Err(error) => {
            let title = if error.status() == StatusCode::NOT_FOUND {
                "Not found"
            } else {
                "This did not work"
            };
            answer(
                error.status(),
                frame::problem(title, Some(session.name()), error.message()),
            )
        }
    }
}

fn answer(status: StatusCode, page: Markup) -> Response {
    (status, Html(page.into_string())).into_response()
}
