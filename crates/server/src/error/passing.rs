//! Failures below that will pass without anybody changing the request: no room on the disk, a database that does not answer or is
//! too busy. Clients are asked to come back, and the log is told once in a while, since many requests meet the same trouble.

use crate::observe::Refusals;
use std::sync::LazyLock;
use std::time::Duration;

/// Seconds after which a client may try again.
const FULL_SECONDS: u64 = 60;
const UNAVAILABLE_SECONDS: u64 = 5;

static FULL: LazyLock<Refusals> = LazyLock::new(|| Refusals::new(1, Duration::from_secs(60)));
static UNAVAILABLE: LazyLock<Refusals> =
    LazyLock::new(|| Refusals::new(1, Duration::from_secs(10)));

/// What a client is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Passing {
    pub(super) message: &'static str,
    pub(super) retry_after_seconds: u64,
}

impl Passing {
    /// Whether a failure will pass; it is logged here then.
    pub(super) fn of(error: &store::Error) -> Option<Self> {
        match error {
            store::Error::Full { .. } => {
                FULL.log(|more| tracing::error!(%error, more, "a request needs room on the disk"));
                Some(Self {
                    message: "the server's disk is full; try again when its operator has made room",
                    retry_after_seconds: FULL_SECONDS,
                })
            }
            store::Error::Unavailable { .. } => Some(Self::unavailable(error)),
            _ if error.is_transient() => Some(Self::unavailable(error)),
            _ => None,
        }
    }

    fn unavailable(error: &store::Error) -> Self {
        UNAVAILABLE.log(|more| {
            let cause = std::error::Error::source(error).map(tracing::field::display);
            tracing::warn!(%error, cause, more, "a request could not be served now");
        });
        Self {
            message: "the server cannot do this now; try again in a moment",
            retry_after_seconds: UNAVAILABLE_SECONDS,
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::error::{ApiError, V2Error};
    use axum::http::header;
    use axum::response::{IntoResponse, Response};
    use store::Error;

    fn of_both(error: impl Fn() -> Error) -> [Response; 2] {
        [
            V2Error::from(error()).into_response(),
            ApiError::from(error()).into_response(),
        ]
    }

    #[test]
    fn what_passes_says_when_to_come_back() {
        let full = || Error::Full {
            path: "/var/lib/countersign/blobs".to_owned(),
        };
        let silent = || Error::Unavailable {
            what: "the database",
            why: "connection refused by db.internal".to_owned(),
        };
        for response in of_both(full) {
            assert_eq!(response.status(), 503);
            assert_eq!(response.headers()[header::RETRY_AFTER], "60");
        }
        for response in of_both(silent) {
            assert_eq!(response.status(), 503);
            assert_eq!(response.headers()[header::RETRY_AFTER], "5");
        }
    }

    #[tokio::test]
    async fn what_passes_says_nothing_of_the_inside() {
        let full = || Error::Full {
            path: "/var/lib/countersign/blobs".to_owned(),
        };
        for response in of_both(full) {
            let body = axum::body::to_bytes(response.into_body(), 1 << 16).await;
            let text = String::from_utf8(body.unwrap().to_vec()).unwrap();
            assert!(text.contains("disk is full"), "{text}");
            assert!(!text.contains("/var/lib"), "{text}");
        }
    }

    #[test]
    fn a_fault_is_not_something_that_passes() {
        let corrupt = || Error::Corrupt {
            what: "tags.digest".to_owned(),
            why: "not a digest".to_owned(),
        };
        for response in of_both(corrupt) {
            assert_eq!(response.status(), 500);
            assert!(!response.headers().contains_key(header::RETRY_AFTER));
        }
    }
}
