//! One call of the API: the caller, authenticated before anything else is looked at, and the parts of the request. Every text
//! from outside is read here, so that each misreading is answered in the same form.

use crate::app::App;
use crate::asker::Asker;
use crate::caller;
use crate::error::{ApiError, ApiResult, shown};
use crate::query;
use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, RawPathParams, Request};
use axum::http::StatusCode;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::str::FromStr;

/// Bytes of a body that is read whole.
const BODY_BYTES_MAX: usize = 4 << 20;

/// A call whose credentials were right, or that had none.
pub(crate) struct Call {
    /// Who calls, and the permits they get.
    pub(crate) asker: Asker,
    names: BTreeMap<String, String>,
    parameters: BTreeMap<String, String>,
    body: Body,
}

impl FromRequest<App> for Call {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &App) -> ApiResult<Self> {
        let (mut parts, body) = request.into_parts();
        let caller = caller::authenticate(app, &parts).await?;
        let asker = Asker::of(app, caller).await?;
        let names = RawPathParams::from_request_parts(&mut parts, app)
            .await
            .map_err(|_| ApiError::invalid("the path is not text"))?;
        let names = names
            .iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        Ok(Self {
            asker,
            names,
            parameters: query::map(parts.uri.query()),
            body,
        })
    }
}

/// Where a page of a list begins, and the most entries on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Paging {
    /// What the page before gave as `next`.
    pub(crate) after: Option<String>,
    /// From 1 to the list's own limit.
    pub(crate) limit: u32,
}

impl Call {
    /// A part of the path, by its name in the route.
    pub(crate) fn name(&self, name: &str) -> ApiResult<&str> {
        self.names
            .get(name)
            .map(String::as_str)
            .ok_or_else(|| ApiError::invalid(format!("the path names no {name}")))
    }

    /// A part of the path that is a number.
    pub(crate) fn number(&self, name: &str) -> ApiResult<i64> {
        let text = self.name(name)?;
        text.parse().map_err(|_| {
            ApiError::not_found(format!(
                "there is nothing with the number `{}`",
                shown(text)
            ))
        })
    }

    /// A parameter of the query; an empty one counts as absent.
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters
            .get(name)
            .map(String::as_str)
            .filter(|text| !text.is_empty())
    }

    /// The same where one that is empty is not absent: it would turn the question into another one.
    pub(crate) fn given(&self, name: &str) -> Option<&str> {
        self.parameters.get(name).map(String::as_str)
    }

    /// A parameter that must be there.
    pub(crate) fn required(&self, name: &str) -> ApiResult<&str> {
        self.parameter(name)
            .ok_or_else(|| ApiError::invalid(format!("the parameter `{name}` is missing")))
    }

    /// A parameter that is `true`, `false` or absent.
    pub(crate) fn flag(&self, name: &str) -> ApiResult<bool> {
        Ok(self.parsed(name)?.unwrap_or(false))
    }

    /// The parameters `after` and `limit`; `limit` is at most `limit_max`, and `limit_default` when absent.
    pub(crate) fn paging(&self, limit_default: u32, limit_max: u32) -> ApiResult<Paging> {
        let limit: u32 = self.parsed("limit")?.unwrap_or(limit_default);
        Ok(Paging {
            after: self.parameter("after").map(str::to_owned),
            limit: limit.clamp(1, limit_max),
        })
    }

    /// A parameter that may be absent.
    pub(crate) fn parsed<T: FromStr>(&self, name: &str) -> ApiResult<Option<T>> {
        let text = self.parameter(name);
        text.map(|text| {
            text.parse()
                .map_err(|_| ApiError::invalid(format!("`{name}={}` cannot be read", shown(text))))
        })
        .transpose()
    }

    /// The body as JSON.
    pub(crate) async fn json<T: DeserializeOwned>(&mut self) -> ApiResult<T> {
        let body = axum::body::to_bytes(self.take_body(), BODY_BYTES_MAX)
            .await
            .map_err(|error| {
                ApiError::of_body(&error, || {
                    let message =
                        format!("the body is larger than {BODY_BYTES_MAX} bytes, or ended early");
                    ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", message)
                })
            })?;
        serde_json::from_slice(&body).map_err(|error| {
            ApiError::invalid(format!("the body is not what is asked for: {error}"))
        })
    }

    /// The body, to be read as a stream.
    pub(crate) fn take_body(&mut self) -> Body {
        std::mem::take(&mut self.body)
    }
}

impl Paging {
    /// The place in a list that is numbered.
    pub(crate) fn after_number(&self) -> ApiResult<i64> {
        match self.after.as_deref() {
            None => Ok(0),
            Some(text) => text
                .parse()
                .map_err(|_| ApiError::invalid(format!("`after={}` is not a number", shown(text)))),
        }
    }

    /// What to give as `after` for the next page, if this one was filled.
    pub(crate) fn next<T>(&self, page: &[T], place: impl Fn(&T) -> String) -> Option<String> {
        let is_full = u32::try_from(page.len()).is_ok_and(|length| length >= self.limit);
        page.last().filter(|_| is_full).map(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_that_is_not_full_is_the_last() {
        let paging = Paging {
            after: None,
            limit: 2,
        };
        let place = |number: &i64| number.to_string();
        assert_eq!(paging.next(&[], place), None);
        assert_eq!(paging.next(&[7], place), None);
        assert_eq!(paging.next(&[7, 9], place), Some("9".to_owned()));
    }

    #[test]
    fn places_in_numbered_lists_are_numbers() {
        let at = |after: Option<&str>| {
            Paging {
                after: after.map(str::to_owned),
                limit: 1,
            }
            .after_number()
        };
        assert_eq!(at(None).unwrap(), 0);
        assert_eq!(at(Some("00000000000000000012")).unwrap(), 12);
        assert_eq!(at(Some("x")).unwrap_err().status(), StatusCode::BAD_REQUEST);
    }
}
