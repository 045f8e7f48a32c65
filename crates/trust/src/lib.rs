//! Who vouches for what: bytes in, [`Verified`] out.
//!
//! Keys and the files they rest in, DSSE envelopes, in-toto statements, our stage statement, receipts, sigstore's formats with
//! keys and certificates, cosign's simple signing, the Merkle log and its checkpoints. Deliberately pure: no clock, no files, no
//! network, and no opinion on whom to trust. The caller chooses the keys, `policy` decides what their signatures are
//! worth.
//!
//! [`evidence`] is the one door for signatures over images:
//!
//! ```
//! use oci::Digest;
//! use trust::evidence::{Reading, read_bundle};
//! use trust::{Algorithm, Bundle, PrivateKey, Signer, StageStatement, stage};
//!
//! let key = PrivateKey::generate(Algorithm::EcdsaP256)?;
//! let image = Digest::sha256(b"a manifest");
//! let passed = StageStatement { stage: "ci".into(), repository: "shop/web".parse()?, tag: None, nonce: None };
//! let bundle = Bundle::sign(&stage::build(&image, &passed)?, &key)?.to_json().unwrap();
//!
//! let Reading::Verified(claim) = read_bundle(bundle.as_bytes(), &[key.public_key().clone()]) else { panic!() };
//! assert_eq!(claim.value().subject, image);
//! assert_eq!(claim.value().stage.as_deref(), Some("ci"));
//! assert_eq!(claim.key(), key.public_key().id());
//!
//! // Without the key, the same bytes are a claim that nobody stands behind.
//! assert!(matches!(read_bundle(bundle.as_bytes(), &[]), Reading::Unverified { .. }));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod attestation;
pub mod bundle;
pub mod checkpoint;
pub mod cosign;
mod der;
pub mod dsse;
pub mod enclosed;
mod encoding;
mod ends;
pub mod evidence;
mod excerpt;
mod fingerprint;
mod key;
pub mod keyfile;
pub mod log_proof;
pub mod merkle;
pub mod notation;
pub mod openpgp;
mod pbes2;
mod pem;
pub mod possession;
mod private;
pub mod receipt;
mod registered;
pub mod sigstore;
pub mod stage;
pub mod statement;
mod stretch;
mod strict;
pub mod succession;
#[cfg(test)]
mod testing;
pub mod tuf;
pub mod typed;
mod verified;
pub mod witness;

pub use attestation::Attestation;
pub use bundle::Bundle;
pub use der::ecdsa_signature;
pub use dsse::Envelope;
pub use ends::End;
pub use fingerprint::{fingerprint, fingerprint_of_payload};
pub use key::{Algorithm, BadSignature, KeyError, KeyId, PublicKey, SIGNATURE_BYTES_MAX};
pub use openpgp::OpenPgpKey;
pub use pbes2::{Pbes2Error, ROUNDS_MAX};
pub use pem::{PEM_BYTES_MAX, PemError};
pub use private::{PrivateKey, PrivateKeyError, SignError, Signer};
pub use receipt::Receipt;
pub use registered::{
    IdentityTextError, NotationCertificates, NotationIdentity, RegisteredKey, RegisteredKeyError,
    SigstoreIdentity,
};
pub use stage::StageStatement;
pub use statement::Statement;
pub use strict::{DEPTH_MAX, JsonError, VALUES_MAX};
pub use verified::Verified;
