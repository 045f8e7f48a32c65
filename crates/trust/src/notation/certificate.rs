//! One X.509 certificate, as far as the Notary Project looks: names, validity, key, and the three extensions that it honours.
//! Deliberately no verdict: the rules are in `chain`, whom to believe in `store` and `policy`. Parsed by `x509-parser`; RFC 5280.

use sha2::{Digest as _, Sha256};
use x509_parser::certificate::X509Certificate;
use x509_parser::error::X509Error;
use x509_parser::extensions::{
    CRLDistributionPoints, DistributionPointName, GeneralName, ParsedExtension,
};
use x509_parser::prelude::FromDer;

use super::algorithm::{Algorithm, Key, Scheme};
use super::identity::Name;
use crate::der::trimmed;

/// The longest certificate that is read, in bytes.
pub const CERTIFICATE_BYTES_MAX: usize = 64 * 1024;

/// A certificate that could be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    der: Vec<u8>,
    to_be_signed: Vec<u8>,
    scheme: Scheme,
    signature: Vec<u8>,
    issuer_raw: Vec<u8>,
    subject_raw: Vec<u8>,
    subject: Name,
    serial: Vec<u8>,
    not_before: i64,
    not_after: i64,
    key: Option<Key>,
    pub(super) extensions: Extensions,
}

/// What the extensions say that are honoured, and where lists of revoked certificates are to be had.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Extensions {
    pub(super) basic_constraints: Option<BasicConstraints>,
    pub(super) key_usage: Option<KeyUsage>,
    pub(super) extended_key_usage: Option<ExtendedKeyUsage>,
    pub(super) subject_key_id: Option<Vec<u8>>,
    /// The URIs of the CRL distribution points.
    pub(super) crl_uris: Vec<String>,
    /// Whether lists or an OCSP responder are named, readable or not.
    pub(super) names_revocation: bool,
    /// What the extension `Freshest CRL` says, if it is there.
    pub(super) freshest: Option<Freshest>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BasicConstraints {
    pub(super) critical: bool,
    pub(super) is_ca: bool,
    pub(super) path_length_max: Option<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct KeyUsage {
    pub(super) critical: bool,
    pub(super) digital_signature: bool,
    pub(super) cert_sign: bool,
    pub(super) crl_sign: bool,
    /// Any of the purposes that a leaf must not have.
    pub(super) beyond_signing: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ExtendedKeyUsage {
    pub(super) critical: bool,
    pub(super) time_stamping: bool,
    /// `any`, `serverAuth`, `clientAuth`, `emailProtection` or `timeStamping`: none of them beside code signing.
    pub(super) forbidden_for_code: bool,
    /// Anything but `timeStamping`.
    pub(super) beyond_time_stamping: bool,
}

/// The extension `Freshest CRL`, RFC 5280 section 4.2.1.15.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Freshest {
    /// The URIs of delta lists.
    Uris(Vec<String>),
    /// It cannot be read.
    Unreadable,
}

impl Certificate {
    /// Reads one certificate in DER and nothing behind it.
    pub fn parse(der: &[u8]) -> Result<Self, CertificateError> {
        if der.len() > CERTIFICATE_BYTES_MAX {
            return Err(CertificateError::Size { bytes: der.len() });
        }
        let (rest, certificate) =
            X509Certificate::from_der(der).map_err(|_| CertificateError::Form)?;
        if !rest.is_empty() {
            return Err(CertificateError::Trailing);
        }
        Self::of(&certificate)
    }

    /// The first certificate of several in DER in a row, and what follows it.
    pub(super) fn parse_first(bytes: &[u8]) -> Result<(Self, &[u8]), CertificateError> {
        let (rest, certificate) =
            X509Certificate::from_der(bytes).map_err(|_| CertificateError::Form)?;
        Ok((Self::of(&certificate)?, rest))
    }

    fn of(certificate: &X509Certificate<'_>) -> Result<Self, CertificateError> {
        // RFC 5280 4.1.1.2: the algorithm stands inside and outside, and must be the same.
        if certificate.signature_algorithm != certificate.tbs_certificate.signature {
            return Err(CertificateError::Form);
        }
        let milliseconds = |seconds: i64| seconds.saturating_mul(1000);
        let validity = certificate.validity();
        Ok(Self {
            der: certificate.as_raw().to_vec(),
            to_be_signed: certificate.tbs_certificate.as_ref().to_vec(),
            scheme: scheme(&certificate.signature_algorithm),
            signature: certificate.signature_value.data.to_vec(),
            issuer_raw: certificate.issuer().as_raw().to_vec(),
            subject_raw: certificate.subject().as_raw().to_vec(),
            subject: Name::of(certificate.subject()),
            serial: trimmed(certificate.raw_serial()).to_vec(),
            not_before: milliseconds(validity.not_before.timestamp()),
            not_after: milliseconds(validity.not_after.timestamp()),
            key: Key::of(certificate.public_key()),
            extensions: extensions(certificate)?,
        })
    }

    /// Its DER.
    #[must_use]
    pub fn as_der(&self) -> &[u8] {
        &self.der
    }

    /// The SHA-256 of its DER in lower-case hexadecimal: what the manifest's annotation lists.
    #[must_use]
    pub fn thumbprint(&self) -> String {
        hex::encode(Sha256::digest(&self.der))
    }

    /// Its subject.
    #[must_use]
    pub fn subject(&self) -> &Name {
        &self.subject
    }

    /// The first instant of its validity, in milliseconds since 1970.
    #[must_use]
    pub fn not_before(&self) -> i64 {
        self.not_before
    }

    /// The last instant of its validity, in milliseconds since 1970.
    #[must_use]
    pub fn not_after(&self) -> i64 {
        self.not_after
    }

    /// Whether an instant (milliseconds since 1970) lies in its validity, both ends included.
    #[must_use]
    pub fn is_valid_at(&self, instant: i64) -> bool {
        self.not_before <= instant && instant <= self.not_after
    }

    /// The algorithm that its key dictates for envelopes.
    #[must_use]
    pub fn algorithm(&self) -> Option<Algorithm> {
        self.key.as_ref()?.algorithm()
    }

    /// The URIs of the delta lists that it points to; fails if the extension is there and cannot be read.
    pub fn delta_uris(&self) -> Result<&[String], CertificateError> {
        match &self.extensions.freshest {
            Some(Freshest::Uris(uris)) => Ok(uris),
            Some(Freshest::Unreadable) => Err(CertificateError::Extensions),
            None => Ok(&[]),
        }
    }

    /// The serial number, big-endian without leading zeros.
    pub(super) fn serial(&self) -> &[u8] {
        &self.serial
    }

    pub(super) fn issuer_raw(&self) -> &[u8] {
        &self.issuer_raw
    }

    pub(super) fn subject_raw(&self) -> &[u8] {
        &self.subject_raw
    }

    pub(super) fn key(&self) -> Option<&Key> {
        self.key.as_ref()
    }

    pub(super) fn is_sha1(&self) -> bool {
        self.scheme.is_sha1()
    }

    pub(crate) fn is_ca(&self) -> bool {
        let constraints = self.extensions.basic_constraints;
        constraints.is_some_and(|constraints| constraints.is_ca)
    }

    pub(crate) fn is_self_signed(&self) -> bool {
        self.is_issued_by(self)
    }

    /// Whether the names fit and the other's key signed this one. Not whether the other may issue at all.
    pub(super) fn is_issued_by(&self, issuer: &Self) -> bool {
        let signed_by = |key: &Key| {
            key.has_signed_asn1(&self.scheme, None, &self.to_be_signed, &self.signature)
        };
        self.issuer_raw == issuer.subject_raw && issuer.key().is_some_and(signed_by)
    }
}

pub(super) fn scheme(identifier: &x509_parser::x509::AlgorithmIdentifier<'_>) -> Scheme {
    use x509_parser::asn1_rs::ToDer as _;
    Scheme {
        oid: identifier.algorithm.to_id_string(),
        parameters: identifier
            .parameters
            .as_ref()
            .and_then(|parameters| parameters.to_der_vec().ok()),
    }
}

/// An extension that is honoured and stands twice or cannot be read makes the certificate unreadable: it must not count as absent.
fn extensions(certificate: &X509Certificate<'_>) -> Result<Extensions, CertificateError> {
    let mut found = Extensions::default();
    let all = certificate
        .extensions_map()
        .map_err(|_: X509Error| CertificateError::Extensions)?;
    for (oid, extension) in all {
        let critical = extension.critical;
        match extension.parsed_extension() {
            ParsedExtension::BasicConstraints(constraints) => {
                found.basic_constraints = Some(BasicConstraints {
                    critical,
                    is_ca: constraints.ca,
                    path_length_max: constraints.path_len_constraint,
                });
            }
            ParsedExtension::KeyUsage(usage) => {
                found.key_usage = Some(KeyUsage {
                    critical,
                    digital_signature: usage.digital_signature(),
                    cert_sign: usage.key_cert_sign(),
                    crl_sign: usage.crl_sign(),
                    beyond_signing: usage.key_encipherment()
                        || usage.data_encipherment()
                        || usage.key_agreement()
                        || usage.key_cert_sign()
                        || usage.crl_sign()
                        || usage.encipher_only()
                        || usage.decipher_only(),
                });
            }
            ParsedExtension::ExtendedKeyUsage(usage) => {
                let other =
                    usage.any || usage.server_auth || usage.client_auth || usage.email_protection;
                found.extended_key_usage = Some(ExtendedKeyUsage {
                    critical,
                    time_stamping: usage.time_stamping,
                    forbidden_for_code: other || usage.time_stamping,
                    beyond_time_stamping: other
                        || usage.code_signing
                        || usage.ocsp_signing
                        || !usage.other.is_empty(),
                });
            }
            ParsedExtension::SubjectKeyIdentifier(id) => {
                found.subject_key_id = Some(id.0.to_vec());
            }
            ParsedExtension::CRLDistributionPoints(points) => {
                found.names_revocation = true;
                found.crl_uris = uris(points);
            }
            ParsedExtension::AuthorityInfoAccess(access) => {
                let is_ocsp = |oid: String| oid == OCSP;
                found.names_revocation |= access
                    .iter()
                    .any(|description| is_ocsp(description.access_method.to_id_string()));
            }
            ParsedExtension::ParseError { .. } => {
                let oid = oid.to_id_string();
                if HONOURED.contains(&oid.as_str()) {
                    return Err(CertificateError::Extensions);
                }
                found.names_revocation |= [CRL_POINTS, ACCESS].contains(&oid.as_str());
            }
            _ if oid.to_id_string() == FRESHEST => {
                found.freshest = Some(freshest(extension.value));
            }
            _ => {}
        }
    }
    Ok(found)
}

/// The value of an extension `Freshest CRL`, which is written like distribution points.
pub(super) fn freshest(value: &[u8]) -> Freshest {
    match CRLDistributionPoints::from_der(value) {
        Ok(([], points)) if !points.points.is_empty() => Freshest::Uris(uris(&points)),
        _ => Freshest::Unreadable,
    }
}

fn uris(points: &CRLDistributionPoints<'_>) -> Vec<String> {
    let names = points.points.iter().filter_map(|point| {
        let Some(DistributionPointName::FullName(names)) = &point.distribution_point else {
            return None;
        };
        Some(names)
    });
    names.flat_map(|names| names_uris(names)).collect()
}

pub(super) fn names_uris(names: &[GeneralName<'_>]) -> Vec<String> {
    let uri = |name: &GeneralName<'_>| match name {
        GeneralName::URI(uri) if !uri.is_empty() => Some((*uri).to_owned()),
        _ => None,
    };
    names.iter().filter_map(uri).collect()
}

/// Why a certificate is not read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// Too long.
    #[error("limit exceeded: a certificate of {bytes} bytes, at most {max} are read", max = CERTIFICATE_BYTES_MAX)]
    Size {
        /// Its length in bytes.
        bytes: usize,
    },
    /// Not X.509 in DER.
    #[error("not a certificate in der")]
    Form,
    /// Something stands behind it.
    #[error("bytes stand behind the certificate")]
    Trailing,
    /// An extension stands twice, or one that counts cannot be read.
    #[error("the extensions of the certificate are damaged, or one stands twice")]
    Extensions,
}

const OCSP: &str = "1.3.6.1.5.5.7.48.1";
const CRL_POINTS: &str = "2.5.29.31";
const ACCESS: &str = "1.3.6.1.5.5.7.1.1";
pub(super) const FRESHEST: &str = "2.5.29.46";
/// Basic Constraints, Key Usage, Extended Key Usage. signature-specification "Other requirements".
const HONOURED: [&str; 3] = ["2.5.29.19", "2.5.29.15", "2.5.29.37"];
