//! Events: `GET /api/v1/events?after&limit`, and the body that a webhook receives. One format for both: CloudEvents 1.0,
//! structured JSON. The feed is what counts; webhooks carry the same events with the same ids.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The version of CloudEvents that is written.
pub const SPEC_VERSION: &str = "1.0";
/// The media type of one event.
pub const MEDIA_TYPE: &str = "application/cloudevents+json";

/// One event in CloudEvents' structured JSON form. CloudEvents JSON format 3.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CloudEvent {
    /// Always `1.0`.
    pub specversion: String,
    /// The same for every repeat of the same event.
    pub id: String,
    /// Where it happened: a path of the server.
    pub source: String,
    /// What happened, such as `dev.countersign.image.pushed`.
    #[serde(rename = "type")]
    pub kind: String,
    /// To what it happened, such as `shop/web@sha256:…`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// When it happened, as RFC 3339.
    pub time: String,
    /// The media type of `data`.
    pub datacontenttype: String,
    /// Extension "sequence": its place in the feed, larger for later ones.
    pub sequence: String,
    /// Extension "partitioning": events with the same key arrive in order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partitionkey: Option<String>,
    /// What there is to say about it.
    pub data: Value,
}

/// What an event says, before it is written as a [`CloudEvent`].
#[derive(Debug, Clone, PartialEq)]
pub struct EventParts {
    /// The same for every repeat.
    pub id: String,
    /// Its place in the feed.
    pub sequence: i64,
    /// What happened, without prefix: `image.pushed`.
    pub kind: String,
    /// In which repository.
    pub repository: Option<String>,
    /// To which manifest.
    pub digest: Option<String>,
    /// Events with the same key arrive in order.
    pub ordering_key: String,
    /// When it happened.
    pub happened_at: i64,
    /// What there is to say about it.
    pub data: Value,
}

/// The prefix of every event type.
pub const TYPE_PREFIX: &str = "dev.countersign.";
/// The source of every event. Ids are random, so that events of several servers do not collide.
pub const SOURCE: &str = "/countersign";

impl CloudEvent {
    /// Writes an event; the same parts make the same bytes, in the feed and in every delivery.
    #[must_use]
    pub fn new(parts: EventParts) -> Self {
        let subject = match (parts.repository, parts.digest) {
            (Some(repository), Some(digest)) => Some(format!("{repository}@{digest}")),
            (repository, digest) => repository.or(digest),
        };
        Self {
            specversion: SPEC_VERSION.to_owned(),
            id: parts.id,
            source: SOURCE.to_owned(),
            kind: format!("{TYPE_PREFIX}{}", parts.kind),
            subject,
            time: rfc3339(parts.happened_at),
            datacontenttype: "application/json".to_owned(),
            // Extension "sequence": compared as text, so all of one length.
            sequence: format!("{:020}", parts.sequence),
            partitionkey: Some(parts.ordering_key).filter(|key| !key.is_empty()),
            data: parts.data,
        }
    }

    /// The type without our prefix: `image.pushed`.
    #[must_use]
    pub fn short_kind(&self) -> &str {
        self.kind.strip_prefix(TYPE_PREFIX).unwrap_or(&self.kind)
    }

    /// The place in the feed, to give as `after`.
    #[must_use]
    pub fn sequence_number(&self) -> Option<i64> {
        self.sequence.parse().ok()
    }
}

/// Milliseconds since the epoch as RFC 3339 in UTC; the epoch itself when out of range.
fn rfc3339(at: i64) -> String {
    Timestamp::from_millisecond(at)
        .unwrap_or(Timestamp::UNIX_EPOCH)
        .to_string()
}
