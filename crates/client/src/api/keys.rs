//! Signing keys: `/api/v1/keys` and `/keys/challenges`. Registering takes two steps: the server states what is to be
//! signed, the key's owner signs it, a person with the role `security` registers. The private key never travels.

use oci::Digest;
use serde::{Deserialize, Serialize};

/// `POST /keys/challenges`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewChallenge {
    /// The public key: as PEM, or an OpenPGP key in armour.
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
    /// The challenge that was signed; empty for an identity, which has no private half.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub nonce: String,
    /// The public key: as PEM, or an OpenPGP key in armour; or an identity in certificates, one line of JSON.
    pub public_key_pem: String,
    /// The signature over the challenge's statement, in base64; empty for an identity.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub signature: String,
    /// What people call the key.
    pub name: String,
    /// The repositories in which its signatures count, such as `shop/**`.
    pub scope: Vec<String>,
    /// Whose key it is; the caller's when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principal: Option<String>,
}

/// A registered key. `GET /keys`; `DELETE /keys/{id}` and `POST /keys/{id}/revocation` revoke it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Key {
    /// The hexadecimal SHA-256 of the public key in DER, or of the identity's text.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// Whose key it is, for ever.
    pub principal: String,
    /// The public key: as PEM, or an OpenPGP key in armour; or an identity in certificates, one line of JSON.
    pub public_key_pem: String,
    /// The repositories in which its signatures count.
    pub scope: Vec<String>,
    /// When it was registered.
    pub registered_at: i64,
    /// When it was revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<i64>,
    /// Of a revoked key, since when its signatures are distrusted; absent when all are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_from: Option<i64>,
    /// Of a key that the server holds, or held, the stage that it signs for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_for: Option<String>,
    /// When it, or the next of its certificates, stops being good for new signatures by what it says itself; the last end where all are
    /// over. Absent where nothing says an end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends_at: Option<i64>,
    /// The id of the key whose place it took, by its owner's word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub succeeds: Option<String>,
}

/// `POST /keys/{id}/successor/challenges`: what both keys are to sign; answered with a [`Challenge`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewSuccessor {
    /// The new public key: as PEM, or an OpenPGP key in armour.
    pub public_key_pem: String,
}

/// `POST /keys/{id}/successor`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SuccessorProof {
    /// The new public key: as PEM, or an OpenPGP key in armour.
    pub public_key_pem: String,
    /// The challenge that was signed.
    pub nonce: String,
    /// The old key's signature over the challenge's statement, in base64.
    pub old_signature: String,
    /// The new key's signature over the same, in base64.
    pub new_signature: String,
}

/// `POST /keys/held`: the server makes a key and keeps it for somebody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewHeldKey {
    /// What it is asked for by.
    pub name: String,
    /// The stage that it signs for.
    pub stage: String,
    /// The repositories in which its signatures count, such as `shop/**`.
    pub scope: Vec<String>,
    /// Whose key it is, who alone may use it; the caller's when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principal: Option<String>,
}

/// `POST /keys/held/{name}/signatures`: what the server is to sign with a key that it holds for the caller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewHeldSignature {
    /// The repository, without a host.
    pub repository: String,
    /// The manifest, which the repository holds.
    pub digest: Digest,
    /// The tag that was looked at; for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// The stage that the image has passed.
    pub stage: String,
}

/// A signature that the server made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HeldSignature {
    /// The id of the key.
    pub key: String,
    /// A sigstore bundle v0.3, to be attached to the image.
    pub bundle: String,
}

/// `POST /keys/{id}/revocation`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RevokeKey {
    /// The first instant whose signatures are distrusted; absent: all that the key ever signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<i64>,
    /// Do nothing; say what it would hit.
    #[serde(default)]
    pub dry_run: bool,
}

/// The answer to `POST /keys/{id}/revocation`, tried or done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyRevocation {
    /// Whether it is done.
    pub revoked: bool,
    /// The first instant whose signatures are distrusted; absent when all are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<i64>,
    /// The images that lose a signature; filled in when it was tried.
    #[serde(default)]
    pub images: Vec<KeyHit>,
    /// False when there may be more images than are listed.
    pub complete: bool,
}

/// An image that loses signatures when a key is revoked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyHit {
    /// Where the image is.
    pub repository: String,
    /// Which image.
    pub digest: Digest,
    /// Its tags.
    pub tags: Vec<String>,
    /// How many signatures of the key would no longer count, on it or on an index that lists it.
    pub signatures: u64,
    /// How many of the key's stay good, because they came before.
    pub kept: u64,
    /// The gates that would answer differently.
    pub gates: Vec<GateTurn>,
}

/// A gate that would answer differently about an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GateTurn {
    /// The gate's policy.
    pub policy: String,
    /// The gate.
    pub gate: String,
    /// The outcome today.
    pub before: String,
    /// The outcome once the key is revoked.
    pub after: String,
    /// Why, in one sentence.
    pub sentence: String,
}
