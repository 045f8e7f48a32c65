//! Signatures of the Notary Project (notation), for both sides: envelopes in JWS and COSE, the rules of their certificates, trust stores
//! and trust policies, timestamps and revocation lists. Pure: bytes, stores and the time come in. Deliberately no plugins, no OCSP, no
//! fetching, and no signatures over files. Specifications 1.1.
//!
//! [`verify()`] judges one signature as a trust policy says. What it is worth beside others is the gate's affair: a signature names
//! neither a repository nor a stage.

mod algorithm;
mod attributes;
mod certificate;
pub mod chain;
mod cose;
mod envelope;
mod identity;
mod jws;
pub mod manifest;
pub mod payload;
pub mod policy;
pub mod revocation;
mod sign;
pub mod store;
#[cfg(test)]
mod testing;
pub mod timestamp;
mod verify;

pub use algorithm::{Algorithm, Hash};
pub use attributes::{AttributeError, Attributes, Extended, PAYLOAD_TYPE, Scheme};
pub use certificate::{CERTIFICATE_BYTES_MAX, Certificate, CertificateError};
pub use chain::{ChainFault, Purpose};
pub use envelope::{ENVELOPE_BYTES_MAX, Envelope, EnvelopeError, Format};
pub use identity::{IDENTITY_BYTES_MAX, IdentityError, Name, Subject, TrustedIdentity};
pub use manifest::SignatureManifest;
pub use policy::{Action, Actions, Level, PolicyError, Statement, TrustPolicy, VerifyTimestamp};
pub use revocation::{
    CRL_BYTES_MAX, Crl, CrlError, RevocationFault, RevocationLists, SuccessionFault,
};
pub use sign::{EnvelopeKey, EnvelopeSignError, EnvelopeSigner, KeySigner, Request, sign};
pub use store::{StoreError, StoreKind, StoreName, TrustStores};
pub use timestamp::{TimestampFault, TimestampRange};
pub use verify::{
    Check, Failure, Identity, Outcome, Passed, Trust, TrustedTime, integrity, verify,
};

#[cfg(test)]
mod tests;
