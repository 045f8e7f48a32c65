//! Certificates judged: that a chain leads to a trusted authority at a given time and for a given use. The paths are
//! built by `webpki`, to which time is an argument. Deliberately no revocation lists: certificates of keyless signing
//! live for minutes. RFC 5280; sigstore `client-spec.md` section 4.3.

use std::time::Duration;

use rustls_pki_types::{CertificateDer, SignatureVerificationAlgorithm, TrustAnchor, UnixTime};
use webpki::aws_lc_rs as algorithms;
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

use super::root::Authority;

/// What a certificate is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    CodeSigning,
    TimeStamping,
}

impl Purpose {
    fn usage(self) -> KeyUsage {
        // Authorities above the signer need not say what for; the signer must: see `allows`.
        match self {
            Self::CodeSigning => KeyUsage::required_if_present(&CODE_SIGNING),
            Self::TimeStamping => KeyUsage::required_if_present(&TIME_STAMPING),
        }
    }

    /// RFC 3161 section 2.3: an authority's certificate is for time stamping only.
    fn allows(self, certificate: &X509Certificate<'_>) -> bool {
        let Ok(Some(usage)) = certificate.extended_key_usage() else {
            return false;
        };
        let usage = usage.value;
        match self {
            Self::CodeSigning => usage.code_signing,
            Self::TimeStamping => {
                let other = usage.any
                    || usage.server_auth
                    || usage.client_auth
                    || usage.code_signing
                    || usage.email_protection
                    || usage.ocsp_signing
                    || !usage.other.is_empty();
                usage.time_stamping && !other
            }
        }
    }
}

/// Why a certificate is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CertificateFault {
    /// Not a certificate, or one that names nobody.
    #[error("the certificate cannot be read")]
    Unreadable,
    /// It does not say that it is for this use.
    #[error("the certificate is not for this use")]
    Purpose,
    /// The bundle brings a root of its own.
    #[error("the bundle carries a root certificate: roots come from the trusted root alone")]
    BringsRoot,
    /// No authority is trusted at the time.
    #[error("no authority of the trusted root was trusted at the time of the signature")]
    NoAuthority,
    /// It had not begun or had ended.
    #[error(
        "the certificate was not valid at {at}, only from {from} to {to}, in seconds since 1970"
    )]
    Validity {
        /// The time asked about, in seconds since 1970.
        at: i64,
        /// When it begins, in seconds since 1970.
        from: i64,
        /// When it ends, in seconds since 1970.
        to: i64,
    },
    /// No path leads to an authority.
    #[error("the certificate does not lead to an authority of the trusted root")]
    Path,
}

/// Reads a certificate with nothing after it.
pub(super) fn parse(der: &[u8]) -> Option<X509Certificate<'_>> {
    match X509Certificate::from_der(der) {
        Ok(([], certificate)) => Some(certificate),
        _ => None,
    }
}

/// The `SubjectPublicKeyInfo` of the certificate that signed the first of these, if a path leads from there to an
/// authority that is trusted at `at`, in milliseconds since 1970.
pub(super) fn verify_chain(
    chain: &[Vec<u8>],
    authorities: &[Authority],
    purpose: Purpose,
    at: i64,
) -> Result<Vec<u8>, CertificateFault> {
    let (leaf, above) = chain.split_first().ok_or(CertificateFault::Unreadable)?;
    let parsed = parse(leaf).ok_or(CertificateFault::Unreadable)?;
    if parsed.is_ca() || !purpose.allows(&parsed) {
        return Err(CertificateFault::Purpose);
    }
    check_validity(&parsed, at)?;
    let leaf = CertificateDer::from(leaf.as_slice());
    let leaf = EndEntityCert::try_from(&leaf).map_err(|_| CertificateFault::Unreadable)?;
    let trusted = || {
        authorities
            .iter()
            .filter(|authority| authority.window.contains(at))
    };
    if trusted().next().is_none() {
        return Err(CertificateFault::NoAuthority);
    }
    trusted()
        .find_map(|authority| issuer_under(&leaf, above, authority, purpose, at))
        .ok_or(CertificateFault::Path)
}

/// One authority alone: what another one brings does not complete a path.
fn issuer_under(
    leaf: &EndEntityCert<'_>,
    above: &[Vec<u8>],
    authority: &Authority,
    purpose: Purpose,
    at: i64,
) -> Option<Vec<u8>> {
    let (anchor, between) = authority.chain.split_last()?;
    let anchor = CertificateDer::from(anchor.as_slice());
    let anchors: [TrustAnchor<'_>; 1] = [anchor_from_trusted_cert(&anchor).ok()?];
    let between: Vec<CertificateDer<'_>> = between
        .iter()
        .chain(above)
        .map(|der| CertificateDer::from(der.as_slice()))
        .collect();
    let seconds = u64::try_from(at.div_euclid(1000)).ok()?;
    let time = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
    let path = leaf
        .verify_for_usage(
            &ALGORITHMS,
            &anchors,
            &between,
            time,
            purpose.usage(),
            None,
            None,
        )
        .ok()?;
    Some(path.issuer_spki().as_ref().to_vec())
}

fn check_validity(certificate: &X509Certificate<'_>, at: i64) -> Result<(), CertificateFault> {
    let validity = certificate.validity();
    let at = at.div_euclid(1000);
    let (from, to) = (
        validity.not_before.timestamp(),
        validity.not_after.timestamp(),
    );
    if from <= at && at <= to {
        Ok(())
    } else {
        Err(CertificateFault::Validity { at, from, to })
    }
}

/// A certificate that signs itself has no place between a signer and a root.
pub(super) fn brings_root(chain: &[Vec<u8>]) -> bool {
    chain.iter().skip(1).any(|der| {
        parse(der).is_none_or(|certificate| {
            certificate.subject().as_raw() == certificate.issuer().as_raw()
        })
    })
}

static ALGORITHMS: [&dyn SignatureVerificationAlgorithm; 15] = [
    algorithms::ECDSA_P256_SHA256,
    algorithms::ECDSA_P256_SHA384,
    algorithms::ECDSA_P256_SHA512,
    algorithms::ECDSA_P384_SHA256,
    algorithms::ECDSA_P384_SHA384,
    algorithms::ECDSA_P384_SHA512,
    algorithms::ECDSA_P521_SHA256,
    algorithms::ECDSA_P521_SHA384,
    algorithms::ECDSA_P521_SHA512,
    algorithms::ED25519,
    algorithms::RSA_PKCS1_2048_8192_SHA256,
    algorithms::RSA_PKCS1_2048_8192_SHA384,
    algorithms::RSA_PKCS1_2048_8192_SHA512,
    algorithms::RSA_PKCS1_2048_8192_SHA256_ABSENT_PARAMS,
    algorithms::RSA_PKCS1_2048_8192_SHA512_ABSENT_PARAMS,
];

/// `id-kp-codeSigning` and `id-kp-timeStamping`, the content of their object identifiers.
const CODE_SIGNING: [u8; 8] = [0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x03];
const TIME_STAMPING: [u8; 8] = [0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x08];

#[cfg(test)]
mod tests;
