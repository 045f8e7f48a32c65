//! Small pieces that several answers share: headers of content, byte ranges, page links.

use crate::error::{V2Error, shown};
use crate::query::{self, encoded};
use axum::body::{Body, HttpBody};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use oci::{Digest, ErrorCode};
use registry::PAGE_MAX;

/// The header that names what is sent.
pub(crate) const CONTENT_DIGEST: &str = "docker-content-digest";
/// Entries of a page when the client asks for none.
pub(crate) const PAGE_DEFAULT: u32 = 1_000;

/// One part of a blob, as inclusive byte positions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ByteRange {
    pub(crate) first: u64,
    pub(crate) last: u64,
}

/// Reads a `Range` header for content of `size` bytes with this entity tag. `None`: send all of it (also for what is not understood,
/// RFC 9110 14.2).
///
/// # Errors
/// 416 when the range begins behind the end.
pub(crate) fn range(
    headers: &HeaderMap,
    entity_tag: &HeaderValue,
    size: u64,
) -> Result<Option<ByteRange>, V2Error> {
    // RFC 9110 13.1.5: compared strongly, so a tag is the same or it is another. A date never fits: blobs have none.
    let mut conditions = headers.get_all(header::IF_RANGE).iter();
    if conditions.any(|condition| condition != entity_tag) {
        return Ok(None);
    }
    let text = headers
        .get(header::RANGE)
        .and_then(|value| value.to_str().ok());
    // RFC 9110 14.1: units have no case.
    let spec = text
        .and_then(|text| text.split_once('='))
        .filter(|(unit, spec)| unit.eq_ignore_ascii_case("bytes") && !spec.contains(','));
    let Some((_, spec)) = spec else {
        return Ok(None);
    };
    let Some((first, last)) = spec.trim().split_once('-') else {
        return Ok(None);
    };
    let parsed = match (position(first), position(last)) {
        (Some(first), Some(last)) => Some((first, last.min(size.saturating_sub(1)))),
        (Some(first), None) if last.is_empty() => Some((first, size.saturating_sub(1))),
        (None, Some(suffix)) if first.is_empty() && suffix > 0 => {
            Some((size.saturating_sub(suffix), size.saturating_sub(1)))
        }
        (None, Some(_)) if first.is_empty() => Some((size, 0)),
        _ => None,
    };
    match parsed {
        None => Ok(None),
        Some((first, last)) if first < size && first <= last => Ok(Some(ByteRange { first, last })),
        Some(_) => Err(V2Error::new(
            StatusCode::RANGE_NOT_SATISFIABLE,
            ErrorCode::RangeInvalid,
            "the range is not in the blob",
        )
        .with_header(header::CONTENT_RANGE, &format!("bytes */{size}"))),
    }
}

/// A number of bytes: digits and nothing else, where Rust's own reader would take a sign.
pub(crate) fn position(text: &str) -> Option<u64> {
    text.bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| text.parse().ok())?
}

/// A page of a sorted list: behind `last`, at most `n`.
pub(crate) struct Page {
    pub(crate) after: Option<String>,
    pub(crate) limit: u32,
}

/// Reads `n` and `last` (end-8b).
pub(crate) fn page(text: Option<&str>) -> Result<Page, V2Error> {
    let mut parameters = query::map(text);
    let limit = match parameters.get("n") {
        None => PAGE_DEFAULT,
        Some(n) => page_size(n)?,
    };
    Ok(Page {
        after: parameters.remove("last").filter(|last| !last.is_empty()),
        limit,
    })
}

/// A number of any length, because a client that asks for more than there can be wants all there is.
fn page_size(text: &str) -> Result<u32, V2Error> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(V2Error::new(
            StatusCode::BAD_REQUEST,
            ErrorCode::PaginationNumberInvalid,
            format!("`n={}` is not a page size", shown(text)),
        ));
    }
    Ok(text.parse::<u32>().map_or(PAGE_MAX, |n| n.min(PAGE_MAX)))
}

/// The same answer for HEAD: its headers, with the length of what GET would send (RFC 9110 9.3.2).
pub(crate) fn without_body(mut response: Response) -> Response {
    let length = response.body().size_hint().exact();
    let is_told = response.headers().contains_key(header::CONTENT_LENGTH);
    if let (false, Some(length @ 1..)) = (is_told, length) {
        response
            .headers_mut()
            .insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    *response.body_mut() = Body::empty();
    response
}

/// A sentence as the value of a `Warning` header (distribution-spec "Warnings").
pub(crate) fn warning(sentence: &str) -> HeaderValue {
    text(&format!("299 - \"{}\"", quotable(sentence)))
}

/// A header's quoted text: visible ASCII without quotes.
fn quotable(text: &str) -> String {
    text.chars()
        .map(|c| {
            if c.is_ascii_graphic() || c == ' ' {
                c
            } else {
                '?'
            }
        })
        .filter(|c| *c != '"' && *c != '\\')
        .take(1_000)
        .collect()
}

/// A header value from text that has been validated before; an empty one where it has not.
pub(crate) fn text(value: &str) -> HeaderValue {
    HeaderValue::from_str(value).unwrap_or(HeaderValue::from_static(""))
}

/// The same for text that is not needed any more.
pub(crate) fn owned(value: String) -> HeaderValue {
    HeaderValue::try_from(value).unwrap_or(HeaderValue::from_static(""))
}

/// The entity tag of what a digest names: its bytes never change (RFC 9110 8.8.3).
pub(crate) fn entity_tag(digest: &Digest) -> HeaderValue {
    owned(format!("\"{digest}\""))
}

/// Whether the client holds this already: `If-None-Match` is a list, compared weakly (RFC 9110 13.1.2).
pub(crate) fn is_held(headers: &HeaderMap, entity_tag: &HeaderValue) -> bool {
    headers
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .any(|held| held == "*" || *entity_tag == *held.strip_prefix("W/").unwrap_or(held))
}

/// The `Link` header to the next page.
pub(crate) fn next_link(path: &str, limit: u32, last: &str) -> String {
    format!("<{path}?n={limit}&last={}>; rel=\"next\"", encoded(last))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(value: &str, size: u64) -> String {
        let mut headers = HeaderMap::new();
        headers.insert(header::RANGE, HeaderValue::from_str(value).unwrap());
        match range(&headers, &text("\"tag\""), size) {
            Ok(None) => "all".into(),
            Ok(Some(range)) => format!("{}-{}", range.first, range.last),
            Err(error) => error.status().as_u16().to_string(),
        }
    }

    #[test]
    fn ranges() {
        for (value, expected) in [
            ("bytes=0-4", "0-4"),
            ("bytes=500-", "500-999"),
            ("bytes=-500", "500-999"),
            ("bytes=-5000", "0-999"),
            ("Bytes=0-4", "0-4"),
            ("BYTES=500-", "500-999"),
            ("bytes 0-4", "all"),
            ("bytes=990-5000", "990-999"),
            ("bytes=500-0", "416"),
            ("bytes=1000-", "416"),
            ("bytes=5000-10000", "416"),
            ("bytes=-0", "416"),
            ("bytes=0-1,3-4", "all"),
            ("lines=0-4", "all"),
            ("bytes=a-b", "all"),
            ("bytes=+0-+4", "all"),
            ("bytes=99999999999999999999-", "all"),
        ] {
            assert_eq!(with(value, 1000), expected, "{value}");
        }
        assert_eq!(with("bytes=0-0", 0), "416");
    }

    #[test]
    fn what_the_client_holds_is_recognised_in_a_list_and_weakly() {
        let tag = "\"sha256:ab\"";
        let held = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(header::IF_NONE_MATCH, HeaderValue::from_str(value).unwrap());
            }
            is_held(&headers, &text(tag))
        };
        for values in [
            &[tag][..],
            &["W/\"sha256:ab\""],
            &["\"other\", \"sha256:ab\""],
            &["\"other\"", tag],
            &["*"],
        ] {
            assert!(held(values), "{values:?}");
        }
        for values in [&[][..], &["\"sha256:abc\""], &["sha256:ab"], &["\"W/\""]] {
            assert!(!held(values), "{values:?}");
        }
    }

    #[test]
    fn page_sizes_are_bounded() {
        assert_eq!(page(None).unwrap().limit, PAGE_DEFAULT);
        assert_eq!(page(Some("n=0")).unwrap().limit, 0);
        assert_eq!(page(Some("n=99999999")).unwrap().limit, PAGE_MAX);
        assert_eq!(
            page(Some("n=99999999999999999999")).unwrap().limit,
            PAGE_MAX
        );
        assert!(page(Some("n=x")).is_err());
        assert!(page(Some("n=")).is_err());
        assert!(page(Some("n=%2B1")).is_err());
        assert!(page(Some("n=-1")).is_err());
    }
}
