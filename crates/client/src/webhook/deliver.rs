//! Sends one delivery once. Redirects are not followed, the answer's body is not read, and what the answer means is
//! told in one word.

use std::time::Duration;

use http::StatusCode;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Method, Url};

use super::{ID_HEADER, SIGNATURE_HEADER, SigningSecret, TIMESTAMP_HEADER, sign};
use crate::Error;
use crate::api::events::{CloudEvent, MEDIA_TYPE};
use crate::text::clean;
use crate::transport::{Transport, send};

/// How long a receiver may take. standard-webhooks "Operational considerations": 15 to 30 seconds.
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(15);

/// What became of a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Accepted.
    Delivered,
    /// Not accepted or not reached; it should be tried again.
    Failed {
        /// Why, for people.
        why: String,
        /// How long the receiver wants to be left alone.
        retry_after_seconds: Option<u64>,
    },
    /// The receiver does not want any delivery, ever (410).
    Gone,
}

/// Delivers to any number of receivers.
#[derive(Debug, Clone)]
pub struct Deliverer {
    transport: Transport,
}

impl Deliverer {
    /// Trusts the system's authorities and these (PEM).
    pub fn new(authorities_pem: &[Vec<u8>]) -> Result<Self, Error> {
        Ok(Self {
            transport: Transport::build(authorities_pem)?,
        })
    }

    /// Sends an event once, signed for this moment (`now` in milliseconds since the epoch).
    pub async fn deliver(
        &self,
        url: &str,
        secret: &SigningSecret,
        event: &CloudEvent,
        now: i64,
    ) -> Outcome {
        match self.send(url, secret, event, now.div_euclid(1_000)).await {
            Ok(outcome) => outcome,
            Err(error) => Outcome::Failed {
                why: chain(&error),
                retry_after_seconds: None,
            },
        }
    }

    async fn send(
        &self,
        url: &str,
        secret: &SigningSecret,
        event: &CloudEvent,
        now_s: i64,
    ) -> Result<Outcome, Error> {
        let url = parse_url(url)?;
        let body = serde_json::to_vec(event).map_err(|e| Error::Content(e.into()))?;
        let request = self.transport.request(Method::POST, url.clone());
        let request = request
            .header(CONTENT_TYPE, MEDIA_TYPE)
            .header(ID_HEADER, &event.id)
            .header(TIMESTAMP_HEADER, now_s)
            .header(SIGNATURE_HEADER, sign(secret, &event.id, now_s, &body))
            .body(body);
        let answer = send(request, &url, DELIVERY_TIMEOUT).await?;
        let retry_after_seconds = answer
            .header(RETRY_AFTER.as_str())
            .and_then(|text| text.parse().ok());
        Ok(match answer.status() {
            status if status.is_success() => Outcome::Delivered,
            StatusCode::GONE => Outcome::Gone,
            status => Outcome::Failed {
                why: format!("the receiver answered {status}"),
                retry_after_seconds,
            },
        })
    }
}

/// Whether events can be sent to this address: http or https, a host, no credentials in it.
pub fn check_url(url: &str) -> Result<(), Error> {
    parse_url(url).map(drop)
}

fn parse_url(url: &str) -> Result<Url, Error> {
    let address = |why| Error::Address {
        value: clean(url),
        why,
    };
    let parsed = Url::parse(url).map_err(|_| address("not a URL"))?;
    if !matches!(parsed.scheme(), "http" | "https") {
        return Err(address("neither http nor https"));
    }
    if !parsed.username().is_empty() || parsed.password().is_some() {
        let value = format!(
            "{}://…@{}",
            parsed.scheme(),
            parsed.host_str().unwrap_or_default()
        );
        return Err(Error::Address {
            value,
            why: "it holds credentials",
        });
    }
    Ok(parsed)
}

/// An error with its causes on one line.
fn chain(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(source) = cause {
        text.push_str(": ");
        text.push_str(&source.to_string());
        cause = source.source();
    }
    clean(&text)
}
