//! Personal and robot tokens: `/api/v1/tokens`. The token itself is in one answer only and cannot be asked for again.

use serde::{Deserialize, Serialize};

use super::Secret;

/// `POST /tokens`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewToken {
    /// What its owner calls it.
    pub name: String,
    /// Days until it ends; for ever when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_in_days: Option<u32>,
    /// The robot it is for; the caller when absent.
    #[serde(default, rename = "for", skip_serializing_if = "Option::is_none")]
    pub principal: Option<String>,
    /// What it is limited to, as `repository:shop/web:pull,push`; all that its owner may when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<Vec<String>>,
}

/// The answer to `POST /tokens`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CreatedToken {
    /// The token itself, shown once.
    pub token: Secret,
    /// What is known of it from now on.
    #[serde(flatten)]
    pub about: Token,
}

/// A token without its secret. `GET /tokens`; `DELETE /tokens/{id}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Token {
    /// Its number.
    pub id: i64,
    /// What its owner calls it.
    pub name: String,
    /// Whom it stands for.
    pub principal: String,
    /// What it is limited to, as `repository:shop/web:pull,push`; absent when not limited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<Vec<String>>,
    /// When it was made.
    pub created_at: i64,
    /// When it ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<i64>,
    /// When it was revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<i64>,
}
