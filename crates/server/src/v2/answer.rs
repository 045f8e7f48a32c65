//! Small pieces that several answers share: headers of content, byte ranges, page links.

use crate::error::V2Error;
use crate::query::{self, encoded};
use axum::http::{HeaderMap, StatusCode, header};
use oci::ErrorCode;

/// The header that names what is sent.
pub(crate) const CONTENT_DIGEST: &str = "docker-content-digest";
/// Entries of a page when the client asks for none, and the most it gets.
pub(crate) const PAGE_DEFAULT: u32 = 1_000;
const PAGE_MAX: u32 = 10_000;

/// One part of a blob, as inclusive byte positions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ByteRange {
    pub(crate) first: u64,
    pub(crate) last: u64,
}

/// Reads a `Range` header for content of `size` bytes. `None`: send all of it (also for what is not understood, RFC 9110 14.2).
///
/// # Errors
/// 416 when the range begins behind the end.
pub(crate) fn range(headers: &HeaderMap, size: u64) -> Result<Option<ByteRange>, V2Error> {
    let Some(text) = headers
        .get(header::RANGE)
        .and_then(|value| value.to_str().ok())
    else {
        return Ok(None);
    };
    let Some(spec) = text
        .strip_prefix("bytes=")
        .filter(|spec| !spec.contains(','))
    else {
        return Ok(None);
    };
    let Some((first, last)) = spec.trim().split_once('-') else {
        return Ok(None);
    };
    let parsed = match (first.parse::<u64>(), last.parse::<u64>()) {
        (Ok(first), Ok(last)) => Some((first, last.min(size.saturating_sub(1)))),
        (Ok(first), Err(_)) if last.is_empty() => Some((first, size.saturating_sub(1))),
        (Err(_), Ok(suffix)) if first.is_empty() && suffix > 0 => {
            Some((size.saturating_sub(suffix), size.saturating_sub(1)))
        }
        (Err(_), Ok(_)) if first.is_empty() => Some((size, 0)),
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
        Some(n) => n.parse::<u32>().map(|n| n.min(PAGE_MAX)).map_err(|_| {
            V2Error::new(
                StatusCode::BAD_REQUEST,
                ErrorCode::PaginationNumberInvalid,
                format!("`n={n}` is not a page size"),
            )
        })?,
    };
    Ok(Page {
        after: parameters.remove("last").filter(|last| !last.is_empty()),
        limit,
    })
}

/// The `Link` header to the next page.
pub(crate) fn next_link(path: &str, limit: u32, last: &str) -> String {
    format!("<{path}?n={limit}&last={}>; rel=\"next\"", encoded(last))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn with(value: &str, size: u64) -> String {
        let mut headers = HeaderMap::new();
        headers.insert(header::RANGE, HeaderValue::from_str(value).unwrap());
        match range(&headers, size) {
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
            ("bytes=990-5000", "990-999"),
            ("bytes=500-0", "416"),
            ("bytes=1000-", "416"),
            ("bytes=5000-10000", "416"),
            ("bytes=-0", "416"),
            ("bytes=0-1,3-4", "all"),
            ("lines=0-4", "all"),
            ("bytes=a-b", "all"),
        ] {
            assert_eq!(with(value, 1000), expected, "{value}");
        }
        assert_eq!(with("bytes=0-0", 0), "416");
    }

    #[test]
    fn page_sizes_are_bounded() {
        assert_eq!(page(None).unwrap().limit, PAGE_DEFAULT);
        assert_eq!(page(Some("n=0")).unwrap().limit, 0);
        assert_eq!(page(Some("n=99999999")).unwrap().limit, PAGE_MAX);
        assert!(page(Some("n=x")).is_err());
        assert!(page(Some("n=-1")).is_err());
    }
}
