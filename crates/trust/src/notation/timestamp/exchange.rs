//! What is asked of a timestamping service, and its answer. Deliberately no HTTP. RFC 3161 sections 2.4.1, 2.4.2 and 3.4
//! (`application/timestamp-query`, `application/timestamp-reply`).

use der::asn1::{Any, Int, ObjectIdentifier, OctetString};
use der::{Decode as _, Encode as _, Sequence};
use spki::AlgorithmIdentifierOwned;

use super::super::algorithm::Hash;
use super::TOKEN_BYTES_MAX;
use super::token::MessageImprint;

#[derive(Sequence)]
struct TimeStampReq {
    version: u8,
    message_imprint: MessageImprint,
    #[asn1(optional = "true")]
    req_policy: Option<ObjectIdentifier>,
    #[asn1(optional = "true")]
    nonce: Option<Int>,
    #[asn1(default = "Default::default")]
    cert_req: bool,
}

#[derive(Sequence)]
struct TimeStampResp {
    status: PkiStatusInfo,
    #[asn1(optional = "true")]
    token: Option<Any>,
}

#[derive(Sequence)]
struct PkiStatusInfo {
    status: u8,
    #[asn1(optional = "true")]
    text: Option<Any>,
    #[asn1(optional = "true")]
    failure: Option<Any>,
}

/// The request (DER) for a timestamp over a signature. It asks for the service's certificates, which must be in the token. `nonce` is
/// random, 16 bytes.
pub fn request(signature: &[u8], hash: Hash, nonce: [u8; 16]) -> Result<Vec<u8>, ExchangeError> {
    // A positive number: a zero in front, and then none that DER would leave out.
    let mut positive = vec![0x01];
    positive.extend(nonce);
    let build = || -> der::Result<Vec<u8>> {
        TimeStampReq {
            version: 1,
            message_imprint: MessageImprint {
                hash_algorithm: AlgorithmIdentifierOwned {
                    oid: ObjectIdentifier::new(hash.oid())?,
                    parameters: None,
                },
                hashed_message: OctetString::new(hash.of(signature))?,
            },
            req_policy: None,
            nonce: Some(Int::new(&positive)?),
            cert_req: true,
        }
        .to_der()
    };
    build().map_err(|_| ExchangeError::Request)
}

/// The token (DER) in an answer. It is not verified: `verify` does that, and that it is over the right signature.
pub fn token_of(response: &[u8]) -> Result<Vec<u8>, ExchangeError> {
    if response.len() > TOKEN_BYTES_MAX {
        return Err(ExchangeError::Form);
    }
    let response = TimeStampResp::from_der(response).map_err(|_| ExchangeError::Form)?;
    // `granted` and `grantedWithMods`.
    if response.status.status > 1 {
        return Err(ExchangeError::Refused {
            status: response.status.status,
        });
    }
    let token = response.token.ok_or(ExchangeError::Form)?;
    token.to_der().map_err(|_| ExchangeError::Form)
}

/// Why there is no timestamp.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExchangeError {
    /// The request cannot be written.
    #[error("the request for a timestamp cannot be written")]
    Request,
    /// Not an answer of RFC 3161 in DER.
    #[error("the answer is not a timestamp response")]
    Form,
    /// The service says no.
    #[error("the timestamping service refused, with the status {status}")]
    Refused {
        /// `PKIStatus`.
        status: u8,
    },
}
