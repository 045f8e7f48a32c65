//! Names and values, as queries and forms carry them: WHATWG URL "application/x-www-form-urlencoded", with one leniency for
//! queries. Nothing is checked here but the size of a form.

use crate::error::{ApiError, ApiResult};
use axum::body::Body;
use axum::http::StatusCode;
use std::collections::BTreeMap;

/// Bytes of a form.
const FORM_BYTES_MAX: usize = 64 * 1024;

/// The parameters of a query string, decoded; the last of a repeated one wins.
pub(crate) fn map(text: Option<&str>) -> BTreeMap<String, String> {
    pairs(text).into_iter().collect()
}

/// The parameters in their order, repeated ones too. A query that a client wrote by hand may hold a bare `+` in a digest,
/// media type or purl, where it is no space.
pub(crate) fn pairs(text: Option<&str>) -> Vec<(String, String)> {
    split(text.unwrap_or_default())
        .map(|(name, value)| {
            let bare = value.contains("sha") || value.contains('/');
            (
                decoded_form(name),
                if bare {
                    decoded(value)
                } else {
                    decoded_form(value)
                },
            )
        })
        .collect()
}

/// The fields of a form (`application/x-www-form-urlencoded`), in their order: here a `+` is always a space.
pub(crate) fn form(text: &str) -> Vec<(String, String)> {
    split(text)
        .map(|(name, value)| (decoded_form(name), decoded_form(value)))
        .collect()
}

fn split(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
}

/// A text without its escapes.
pub(crate) fn decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(text)
        .decode_utf8_lossy()
        .into_owned()
}

fn decoded_form(text: &str) -> String {
    decoded(&text.replace('+', " "))
}

/// A text as a query's value.
pub(crate) fn encoded(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

/// Reads a request's body as a form.
pub(crate) async fn read_form(body: Body) -> ApiResult<Vec<(String, String)>> {
    let bytes = axum::body::to_bytes(body, FORM_BYTES_MAX)
        .await
        .map_err(|error| {
            ApiError::of_body(&error, || {
                ApiError::new(
                    StatusCode::PAYLOAD_TOO_LARGE,
                    "too-large",
                    "the form is too large",
                )
            })
        })?;
    let text =
        std::str::from_utf8(&bytes).map_err(|_| ApiError::invalid("the form is not text"))?;
    Ok(form(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plus_in_a_media_type_stays() {
        let parameters = map(Some(
            "artifactType=application/vnd.in-toto+json&last=a+b&x=%2B",
        ));
        assert_eq!(parameters["artifactType"], "application/vnd.in-toto+json");
        assert_eq!(parameters["last"], "a b");
        assert_eq!(parameters["x"], "+");
    }

    #[test]
    fn a_form_is_read_as_browsers_write_it() {
        let fields = form("user=maria&password=natasha+a%2Fb%2B1&next=%2F");
        let expected = [
            ("user", "maria"),
            ("password", "natasha a/b+1"),
            ("next", "/"),
        ];
        assert_eq!(
            fields,
            expected.map(|(name, value)| (name.to_owned(), value.to_owned()))
        );
        assert_eq!(
            form("=&a&&b="),
            [("", ""), ("a", ""), ("b", "")].map(|(n, v)| (n.to_owned(), v.to_owned()))
        );
    }
}
