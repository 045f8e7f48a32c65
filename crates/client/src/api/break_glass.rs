//! Break-glass: `/api/v1/break-glass`. One person asks that a gate be opened for one image, another confirms it; it ends by itself.

use oci::{Digest, RepositoryName};
use serde::{Deserialize, Serialize};

/// `POST /break-glass`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewBreakGlass {
    /// The image, without a host: `shop/web:1` or `shop/web@sha256:…`. It is for the digest, wherever a tag goes later.
    pub image: String,
    /// The gate.
    pub gate: String,
    /// The policy of the gate, where several that cover the repository have one of this name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// How long it lasts once it is confirmed.
    pub for_seconds: i64,
    /// Why, in one line.
    pub reason: String,
}

/// A break-glass. `GET /break-glass`; `POST /break-glass/{id}/confirm` opens the gate, `DELETE /break-glass/{id}` ends it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BreakGlass {
    /// Its number.
    pub id: i64,
    /// The repository.
    pub repository: RepositoryName,
    /// The image.
    pub digest: Digest,
    /// The policy of the gate.
    pub policy: String,
    /// The gate.
    pub gate: String,
    /// Why.
    pub reason: String,
    /// How long it lasts once it is confirmed.
    pub for_seconds: i64,
    /// Where it stands.
    pub state: BreakGlassState,
    /// Who asked for it.
    pub asked_by: String,
    /// When.
    pub asked_at: i64,
    /// Who confirmed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirmed_by: Option<String>,
    /// When.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirmed_at: Option<i64>,
    /// When it ends by itself; while it is asked for, when it lapses.
    pub until_at: i64,
    /// How it ended: `lapsed`, `over` or `withdrawn`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<String>,
    /// Who ended it, if somebody did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_by: Option<String>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<i64>,
}

/// Where a break-glass stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BreakGlassState {
    /// It waits for a second person, and does nothing.
    Asked,
    /// It opens its gate.
    InForce,
    /// It does nothing any more.
    Ended,
}
