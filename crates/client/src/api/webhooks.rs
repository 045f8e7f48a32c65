//! Webhooks: `/api/v1/webhooks`. How a delivery is signed is in [`crate::webhook`].

use serde::{Deserialize, Serialize};

use super::Secret;

/// `POST /webhooks`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewWebhook {
    /// What people call it.
    pub name: String,
    /// Where events are sent.
    pub url: String,
}

/// The answer to `POST /webhooks`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CreatedWebhook {
    /// What deliveries are signed with (`whsec_…`), shown once.
    pub secret: Secret,
    /// What is known of it from now on.
    #[serde(flatten)]
    pub about: Webhook,
}

/// A webhook without its secret. `GET /webhooks`; `DELETE /webhooks/{id}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Webhook {
    /// Its number.
    pub id: i64,
    /// What people call it.
    pub name: String,
    /// Where events are sent.
    pub url: String,
    /// Whether events are sent at all.
    pub active: bool,
    /// When it was made.
    pub created_at: i64,
    /// Events that have not arrived yet.
    #[serde(default)]
    pub waiting: u64,
    /// Why the last try failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
}
