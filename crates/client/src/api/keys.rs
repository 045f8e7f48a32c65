//! Signing keys: `/api/v1/keys` and `/keys/challenges`. Registering takes two steps: the server states what is to be
//! signed, the key's owner signs it, a person with the role `security` registers. The private key never travels.

use serde::{Deserialize, Serialize};

/// `POST /keys/challenges`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewChallenge {
    /// The public key, as PEM.
    pub public_key_pem: String,
    /// Whose key it is to be; the caller's when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principal: Option<String>,
}

/// What is to be signed to prove possession of a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Challenge {
    /// Names this challenge; used once.
    pub nonce: String,
    /// The bytes to sign, in base64.
    pub statement: String,
    /// When it is no longer accepted.
    pub expires_at: i64,
}

/// `POST /keys`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewKey {
    /// The challenge that was signed.
    pub nonce: String,
    /// The public key, as PEM.
    pub public_key_pem: String,
    /// The signature over the challenge's statement, in base64.
    pub signature: String,
    /// What people call the key.
    pub name: String,
    /// The repositories in which its signatures count, such as `shop/**`.
    pub scope: Vec<String>,
    /// Whose key it is; the caller's when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principal: Option<String>,
}

/// A registered key. `GET /keys`; `DELETE /keys/{id}` revokes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Key {
    /// The hexadecimal SHA-256 of the public key in DER.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// Whose key it is, for ever.
    pub principal: String,
    /// The public key, as PEM.
    pub public_key_pem: String,
    /// The repositories in which its signatures count.
    pub scope: Vec<String>,
    /// When it was registered.
    pub registered_at: i64,
    /// When it was revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<i64>,
}
