//! One revocation list as `x509-parser` reads it, reduced to what is asked of it. Lists that speak for other issuers, for some reasons
//! only, or with critical extensions that are not known are read and then not used. RFC 5280 sections 5.1 and 5.2.

mod succession;

use std::collections::HashMap;

use x509_parser::asn1_rs::Integer;
use x509_parser::extensions::{
    DistributionPointName, IssuingDistributionPoint, ParsedExtension, X509Extension,
};
use x509_parser::prelude::FromDer as _;
use x509_parser::revocation_list::{CertificateRevocationList, RevokedCertificate};

use super::super::algorithm::{Key, Scheme};
use super::super::certificate::{self, Certificate, FRESHEST, Freshest};
use crate::der::trimmed;
use crate::pem;
pub use succession::SuccessionFault;

/// The longest revocation list that is read, in bytes.
pub const CRL_BYTES_MAX: usize = 32 * 1024 * 1024;

/// A revocation list that could be read. It counts only once its issuer's key has signed it.
#[derive(Debug, Clone)]
pub struct Crl {
    to_be_signed: Vec<u8>,
    scheme: Scheme,
    signature: Vec<u8>,
    issuer_raw: Vec<u8>,
    pub(super) this_update: i64,
    next_update: Option<i64>,
    /// Big-endian without leading zeros, its length first, so that numbers are in order.
    pub(super) number: Option<Number>,
    /// The number of the base that a delta continues.
    pub(super) delta_of: Option<Number>,
    pub(super) freshest: Option<Freshest>,
    scope: Scope,
    /// By serial number.
    entries: HashMap<Vec<u8>, Entry>,
}

/// A number of any size, in order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Number(usize, Vec<u8>);

impl Number {
    fn of(big_endian: &[u8]) -> Self {
        let digits = trimmed(big_endian);
        Self(digits.len(), digits.to_vec())
    }
}

/// Which certificates of the issuer the list speaks of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Scope {
    /// It cannot be used at all.
    is_foreign: bool,
    users_only: bool,
    authorities_only: bool,
    /// Only those that name one of these places.
    places: Option<Vec<String>>,
}

/// Whether a list speaks of a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// It does, for every reason.
    All,
    /// It does not.
    None,
}

/// One revoked certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// In milliseconds since 1970.
    pub(super) revoked_at: i64,
    reason: u8,
    /// From when the key is not to be believed, in milliseconds since 1970.
    invalid_from: Option<i64>,
}

impl Entry {
    /// Whether it speaks against a signature made at this trusted time. Without a trusted time or an invalidity date it does.
    pub(super) fn counts(&self, signed_at: Option<i64>) -> bool {
        match (self.invalid_from, signed_at) {
            (Some(invalid_from), Some(signed_at)) => invalid_from <= signed_at,
            _ => true,
        }
    }

    pub(super) fn is_hold(&self) -> bool {
        self.reason == CERTIFICATE_HOLD
    }

    pub(super) fn is_removed(&self) -> bool {
        self.reason == REMOVE_FROM_CRL
    }
}

impl Crl {
    /// Reads a list, in DER or one PEM block `X509 CRL`.
    pub fn parse(bytes: &[u8]) -> Result<Self, CrlError> {
        if bytes.len() > CRL_BYTES_MAX {
            return Err(CrlError::Size { bytes: bytes.len() });
        }
        let text = std::str::from_utf8(bytes).ok();
        match text.filter(|text| text.trim_start().starts_with("-----BEGIN ")) {
            Some(text) => {
                Self::of_der(&pem::decode(text, &["X509 CRL"]).map_err(|_| CrlError::Form)?)
            }
            None => Self::of_der(bytes),
        }
    }

    fn of_der(der: &[u8]) -> Result<Self, CrlError> {
        let (rest, list) = CertificateRevocationList::from_der(der).map_err(|_| CrlError::Form)?;
        // RFC 5280 5.1.1.2: the algorithm stands inside and outside, and must be the same.
        if !rest.is_empty() || list.signature_algorithm != list.tbs_cert_list.signature {
            return Err(CrlError::Form);
        }
        let mut read = Self {
            to_be_signed: list.tbs_cert_list.as_ref().to_vec(),
            scheme: certificate::scheme(&list.signature_algorithm),
            signature: list.signature_value.data.to_vec(),
            issuer_raw: list.issuer().as_raw().to_vec(),
            this_update: milliseconds(list.last_update().timestamp()),
            next_update: list.next_update().map(|end| milliseconds(end.timestamp())),
            number: None,
            delta_of: None,
            freshest: None,
            scope: Scope::default(),
            entries: HashMap::new(),
        };
        let extensions = list.tbs_cert_list.extensions_map();
        for extension in extensions.map_err(|_| CrlError::Extensions)?.into_values() {
            read.take(extension)?;
        }
        for revoked in list.iter_revoked_certificates() {
            let serial = trimmed(revoked.raw_serial()).to_vec();
            read.entries.insert(serial, entry(revoked)?);
        }
        Ok(read)
    }

    fn take(&mut self, extension: &X509Extension<'_>) -> Result<(), CrlError> {
        match extension.parsed_extension() {
            ParsedExtension::CRLNumber(number) => {
                self.number = Some(Number::of(&number.to_bytes_be()));
            }
            ParsedExtension::IssuingDistributionPoint(point) => self.scope.take(point),
            ParsedExtension::ParseError { .. } => return Err(CrlError::Extensions),
            _ => match extension.oid.to_id_string().as_str() {
                DELTA => {
                    let (_, base) =
                        Integer::from_der(extension.value).map_err(|_| CrlError::Extensions)?;
                    self.delta_of = Some(Number::of(base.as_ref()));
                }
                FRESHEST => self.freshest = Some(certificate::freshest(extension.value)),
                _ => self.scope.is_foreign |= extension.critical && !is_known(extension),
            },
        }
        Ok(())
    }

    pub(super) fn is_named_after(&self, issuer: &Certificate) -> bool {
        self.issuer_raw == issuer.subject_raw()
    }

    /// RFC 5280 6.3.3 (f) and (g).
    pub(super) fn is_signed_by(&self, issuer: &Certificate) -> bool {
        let may_sign = issuer
            .extensions
            .key_usage
            .is_none_or(|usage| usage.crl_sign);
        let signed_by = |key: &Key| {
            key.has_signed_asn1(&self.scheme, None, &self.to_be_signed, &self.signature)
        };
        may_sign && !self.scheme.is_sha1() && issuer.key().is_some_and(signed_by)
    }

    /// RFC 5280 6.3.3 (b).
    pub(super) fn reach(&self, certificate: &Certificate) -> Reach {
        let scope = &self.scope;
        let is_named = |places: &Vec<String>| {
            let named = &certificate.extensions.crl_uris;
            places.iter().any(|place| named.contains(place))
        };
        let is_left_out = scope.is_foreign
            || (scope.users_only && certificate.is_ca())
            || (scope.authorities_only && !certificate.is_ca())
            || !scope.places.as_ref().is_none_or(is_named);
        if is_left_out { Reach::None } else { Reach::All }
    }

    /// A list without an end is not current: nothing would ever say that it is old.
    pub(super) fn is_current(&self, now: i64) -> bool {
        self.this_update <= now && self.next_update.is_some_and(|end| now <= end)
    }

    /// Whether this is a delta that brings a base up to date. RFC 5280 5.2.4.
    pub(super) fn continues(&self, base: &Self) -> bool {
        let (Some(from), Some(number), Some(base_number)) =
            (&self.delta_of, &self.number, &base.number)
        else {
            return false;
        };
        self.scope == base.scope && from <= base_number && base_number <= number
    }

    pub(super) fn entry(&self, certificate: &Certificate) -> Option<&Entry> {
        self.entries.get(certificate.serial())
    }

    /// The URIs of the delta lists that belong to it; nothing if it names none.
    #[must_use]
    pub fn delta_uris(&self) -> Option<&[String]> {
        match &self.freshest {
            Some(Freshest::Uris(uris)) => Some(uris),
            Some(Freshest::Unreadable) | None => None,
        }
    }

    /// Whether it is a delta list.
    #[must_use]
    pub fn is_delta(&self) -> bool {
        self.delta_of.is_some()
    }

    /// How many certificates it lists.
    #[must_use]
    pub fn revoked(&self) -> usize {
        self.entries.len()
    }
}

impl Scope {
    fn take(&mut self, point: &IssuingDistributionPoint<'_>) {
        self.is_foreign |= point.indirect_crl
            || point.only_contains_attribute_certs
            || point.only_some_reasons.is_some();
        self.users_only = point.only_contains_user_certs;
        self.authorities_only = point.only_contains_ca_certs;
        self.places = match &point.distribution_point {
            None => None,
            Some(DistributionPointName::FullName(names)) => Some(certificate::names_uris(names)),
            Some(DistributionPointName::NameRelativeToCRLIssuer(_)) => {
                self.is_foreign = true;
                None
            }
        };
    }
}

fn entry(revoked: &RevokedCertificate<'_>) -> Result<Entry, CrlError> {
    let extensions = revoked.extensions_map().map_err(|_| CrlError::Extensions)?;
    let is_damaged = |extension: &&X509Extension<'_>| {
        let is_error = matches!(
            extension.parsed_extension(),
            ParsedExtension::ParseError { .. }
        );
        // A critical one that is not known, such as the issuer in an indirect list, changes whom the entry is about.
        is_error || (extension.critical && extension.parsed_extension().unsupported())
    };
    if extensions.values().any(is_damaged) {
        return Err(CrlError::Extensions);
    }
    Ok(Entry {
        revoked_at: milliseconds(revoked.revocation_date.timestamp()),
        reason: revoked.reason_code().map_or(0, |(_, reason)| reason.0),
        invalid_from: revoked
            .invalidity_date()
            .map(|(_, date)| milliseconds(date.timestamp())),
    })
}

fn is_known(extension: &X509Extension<'_>) -> bool {
    matches!(
        extension.parsed_extension(),
        ParsedExtension::AuthorityKeyIdentifier(_) | ParsedExtension::IssuerAlternativeName(_)
    )
}

fn milliseconds(seconds: i64) -> i64 {
    seconds.saturating_mul(1000)
}

/// Why bytes are not a revocation list.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CrlError {
    /// Too long.
    #[error("limit exceeded: a revocation list of {bytes} bytes, at most {max} are read", max = CRL_BYTES_MAX)]
    Size {
        /// Its length in bytes.
        bytes: usize,
    },
    /// Not a list in DER or PEM.
    #[error("not a revocation list in der or pem")]
    Form,
    /// An extension stands twice, or cannot be read.
    #[error("the extensions of the revocation list are damaged, not known, or stand twice")]
    Extensions,
}

const DELTA: &str = "2.5.29.27";
const CERTIFICATE_HOLD: u8 = 6;
const REMOVE_FROM_CRL: u8 = 8;
