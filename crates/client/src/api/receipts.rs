//! Receipts: `/api/v1/receipts` and `/receipt-keys`. A receipt is also the referrer of its image that carries it; what it
//! says, its bundle says, and is believed by the signature on it alone.

use oci::{Digest, RepositoryName};
use serde::{Deserialize, Serialize};

/// The live receipt of a gate for an image. `GET /receipts`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Receipt {
    /// The repository.
    pub repository: RepositoryName,
    /// The image.
    pub digest: Digest,
    /// The policy that the gate belongs to.
    pub policy: String,
    /// The gate.
    pub gate: String,
    /// The manifest that carries it.
    pub manifest: Digest,
    /// The key that signed it, in hexadecimal.
    pub key: String,
    /// Goes up with each receipt of this image at this gate.
    pub sequence: i64,
    /// When it was signed.
    pub issued_at: i64,
    /// The first instant at which it is worth nothing.
    pub valid_until_at: i64,
    /// The sigstore bundle, as it was signed.
    pub bundle: String,
}

/// A key that the server signs receipts with, or has signed with. `GET /receipt-keys`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReceiptKey {
    /// The hexadecimal SHA-256 of the public key in DER.
    pub id: String,
    /// Whom receipts that it signs name as their verifier.
    pub verifier: String,
    /// The public key, as PEM.
    pub public_key_pem: String,
}
