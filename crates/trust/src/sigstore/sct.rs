//! A certificate log's word that it saw a certificate before anyone used it, embedded in the certificate. Deliberately
//! only embedded ones, and only of logs in the trusted root. RFC 6962 sections 3.2 and 3.3.

use cms::cert::x509::Certificate;
use cms::cert::x509::der::{Decode as _, Encode as _};
use sha2::{Digest as _, Sha256};
use x509_parser::extensions::{ParsedExtension, SignedCertificateTimestamp};

use super::certificate;
use super::root::Log;
use crate::key::Algorithm;

/// Why no certificate log vouches for a certificate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SctFault {
    /// The certificate carries none, or none that can be read.
    #[error("the certificate carries no timestamp of a certificate log")]
    Missing,
    /// Only of logs that are not trusted, or not trusted at its time.
    #[error(
        "the certificate was logged only in logs that the trusted root does not name for its time"
    )]
    UnknownLog,
    /// The log did not sign it.
    #[error("the signature of the certificate log does not fit the certificate")]
    Signature,
}

/// How many different logs vouch for the certificate, whose issuer's key in DER is given.
pub(super) fn count(der: &[u8], issuer_spki: &[u8], logs: &[Log]) -> Result<usize, SctFault> {
    let parsed = certificate::parse(der).ok_or(SctFault::Missing)?;
    let mut lists =
        parsed
            .extensions()
            .iter()
            .filter_map(|extension| match extension.parsed_extension() {
                ParsedExtension::SCT(list) => Some(list),
                _ => None,
            });
    let (Some(list), None) = (lists.next(), lists.next()) else {
        return Err(SctFault::Missing);
    };
    if list.is_empty() {
        return Err(SctFault::Missing);
    }
    let unlogged = without_list(der).ok_or(SctFault::Missing)?;
    let issuer = Sha256::digest(issuer_spki);
    let mut vouched: Vec<&[u8]> = Vec::new();
    for sct in list.iter().take(SCTS_MAX) {
        let at = i64::try_from(sct.timestamp).unwrap_or(i64::MAX);
        let mut known = logs
            .iter()
            .filter(|log| log.id == sct.id.key_id && log.window.contains(at));
        let Some(log) = known.next() else { continue };
        let message = signed_bytes(sct, &issuer, &unlogged).ok_or(SctFault::Missing)?;
        let signature = &sct.signature;
        let algorithm_fits = log.key.algorithm() == Algorithm::EcdsaP256
            && (signature.hash_alg_id, signature.sign_alg_id) == ECDSA_SHA256;
        if !algorithm_fits || log.key.verify(&message, signature.data).is_err() {
            return Err(SctFault::Signature);
        }
        if !vouched.contains(&log.id.as_slice()) {
            vouched.push(&log.id);
        }
    }
    if vouched.is_empty() {
        return Err(SctFault::UnknownLog);
    }
    Ok(vouched.len())
}

/// What the log signed. RFC 6962 section 3.2, a `precert_entry`.
fn signed_bytes(
    sct: &SignedCertificateTimestamp<'_>,
    issuer: &[u8],
    unlogged: &[u8],
) -> Option<Vec<u8>> {
    let [zero, length @ ..] = u32::try_from(unlogged.len()).ok()?.to_be_bytes();
    let extensions = sct.extensions.0;
    let extensions_length = u16::try_from(extensions.len()).ok()?.to_be_bytes();
    if zero != 0 || sct.version.0 != V1 {
        return None;
    }
    Some(
        [
            &[V1, CERTIFICATE_TIMESTAMP][..],
            &sct.timestamp.to_be_bytes(),
            &PRECERT_ENTRY,
            issuer,
            &length,
            unlogged,
            &extensions_length,
            extensions,
        ]
        .concat(),
    )
}

/// The certificate's signed part as it was before the list went in. RFC 6962 section 3.2.
fn without_list(der: &[u8]) -> Option<Vec<u8>> {
    let mut signed_part = Certificate::from_der(der).ok()?.tbs_certificate;
    signed_part
        .extensions
        .as_mut()?
        .retain(|extension| extension.extn_id.to_string() != SCT_LIST);
    signed_part.to_der().ok()
}

const SCTS_MAX: usize = 16;
const V1: u8 = 0;
const CERTIFICATE_TIMESTAMP: u8 = 0;
const PRECERT_ENTRY: [u8; 2] = [0, 1];
/// RFC 5246 section 7.4.1.4.1: `sha256` and `ecdsa`.
const ECDSA_SHA256: (u8, u8) = (4, 3);
const SCT_LIST: &str = "1.3.6.1.4.1.11129.2.4.2";
