//! Timestamps over a signature, and the time they prove. The messages are taken apart by `cms` and `x509-tsp`.
//! Deliberately no requests for timestamps, and no authority but those of the trusted root. RFC 3161; RFC 5652.

use cms::cert::CertificateChoices;
use cms::cert::x509::Certificate;
use cms::cert::x509::der::oid::ObjectIdentifier;
use cms::cert::x509::der::{Any, Decode as _, Encode as _};
use cms::content_info::ContentInfo;
use cms::signed_data::{SignedData, SignerIdentifier, SignerInfo};
use rustls_pki_types::{CertificateDer, SignatureVerificationAlgorithm};
use sha2::{Digest as _, Sha256, Sha384, Sha512};
use webpki::EndEntityCert;
use webpki::aws_lc_rs as algorithms;
use x509_tsp::{TimeStampResp, TstInfo};

use super::certificate::{self, Purpose};
use super::root::Authority;

/// The longest timestamp that is read, in bytes.
pub const TIMESTAMP_BYTES_MAX: usize = 64 * 1024;

/// Why a timestamp proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TimestampFault {
    /// Not a timestamp of RFC 3161.
    #[error("the timestamp cannot be read")]
    Unreadable,
    /// It is of other bytes.
    #[error("the timestamp is of another signature")]
    OtherBytes,
    /// No authority of the trusted root made it.
    #[error("the timestamp was not made by an authority of the trusted root")]
    UnknownAuthority,
    /// The authority did not sign these bytes.
    #[error("the signature of the timestamp does not fit: it was changed")]
    Signature,
    /// The authority made it at a time when it was not trusted.
    #[error("the timestamp was made when its authority was not trusted")]
    Window,
    /// Its authority's certificate does not hold.
    #[error("the certificate of the timestamp's authority does not hold at its time")]
    Certificate,
}

/// When `stamped` existed at the latest, in milliseconds since 1970, if one of the authorities says so.
pub(super) fn verify(
    token: &[u8],
    stamped: &[u8],
    authorities: &[Authority],
) -> Result<i64, TimestampFault> {
    let token = Token::parse(token).ok_or(TimestampFault::Unreadable)?;
    if !token.is_of(stamped) {
        return Err(TimestampFault::OtherBytes);
    }
    let mut fault = TimestampFault::UnknownAuthority;
    for authority in authorities {
        match token.verify_under(authority) {
            Ok(time) => return Ok(time),
            Err(TimestampFault::UnknownAuthority) => {}
            Err(other) => fault = other,
        }
    }
    Err(fault)
}

struct Token {
    signed: SignedData,
    content: Vec<u8>,
    info: TstInfo,
}

impl Token {
    /// A response of an authority, or the token alone.
    fn parse(bytes: &[u8]) -> Option<Self> {
        if bytes.len() > TIMESTAMP_BYTES_MAX {
            return None;
        }
        // RFC 3161 section 2.4.2: a response has a token when, and only when, it was granted.
        let message = match TimeStampResp::from_der(bytes) {
            Ok(response) => response.time_stamp_token?,
            Err(_) => ContentInfo::from_der(bytes).ok()?,
        };
        if message.content_type != SIGNED_DATA {
            return None;
        }
        let signed = SignedData::from_der(&message.content.to_der().ok()?).ok()?;
        if signed.encap_content_info.econtent_type != TST_INFO {
            return None;
        }
        let content = signed
            .encap_content_info
            .econtent
            .as_ref()?
            .value()
            .to_vec();
        let info = TstInfo::from_der(&content).ok()?;
        Some(Self {
            signed,
            content,
            info,
        })
    }

    fn is_of(&self, stamped: &[u8]) -> bool {
        let imprint = &self.info.message_imprint;
        hash(&imprint.hash_algorithm.oid, stamped)
            .is_some_and(|hash| hash == imprint.hashed_message.as_bytes())
    }

    /// In milliseconds since 1970.
    fn time(&self) -> Option<i64> {
        i64::try_from(self.info.gen_time.to_unix_duration().as_millis()).ok()
    }

    fn verify_under(&self, authority: &Authority) -> Result<i64, TimestampFault> {
        let [signer] = self.signed.signer_infos.0.as_slice() else {
            return Err(TimestampFault::Unreadable);
        };
        let (own, above) = self
            .signer_certificate(signer, authority)
            .ok_or(TimestampFault::UnknownAuthority)?;
        if !self.is_signed(signer, &own) {
            return Err(TimestampFault::Signature);
        }
        let time = self.time().ok_or(TimestampFault::Unreadable)?;
        if !authority.window.contains(time) {
            return Err(TimestampFault::Window);
        }
        let chain = [vec![own], above].concat();
        let alone = std::slice::from_ref(authority);
        certificate::verify_chain(&chain, alone, Purpose::TimeStamping, time)
            .map_err(|_| TimestampFault::Certificate)?;
        Ok(time)
    }

    /// The signer's certificate and those that came with it. Where the trusted root names the signer itself, only that
    /// one will do; else it may be one in the token, which must then lead to the root.
    fn signer_certificate(
        &self,
        signer: &SignerInfo,
        authority: &Authority,
    ) -> Option<(Vec<u8>, Vec<Vec<u8>>)> {
        let first = authority.chain.first()?;
        if !certificate::parse(first)?.is_ca() {
            return is_named(&signer.sid, first).then(|| (first.clone(), Vec::new()));
        }
        let embedded = self.embedded();
        let own = embedded
            .iter()
            .find(|der| is_named(&signer.sid, der))?
            .clone();
        let above = embedded.into_iter().filter(|der| *der != own).collect();
        Some((own, above))
    }

    fn embedded(&self) -> Vec<Vec<u8>> {
        let Some(set) = &self.signed.certificates else {
            return Vec::new();
        };
        let der = |choice: &CertificateChoices| match choice {
            CertificateChoices::Certificate(certificate) => certificate.to_der().ok(),
            CertificateChoices::Other(_) => None,
        };
        set.0.iter().take(EMBEDDED_MAX).filter_map(der).collect()
    }

    /// RFC 5652 section 5.4: the signature is over the attributes, which hold the content's type and hash.
    fn is_signed(&self, signer: &SignerInfo, certificate: &[u8]) -> bool {
        let Some(attributes) = &signer.signed_attrs else {
            return false;
        };
        let attribute = |oid: ObjectIdentifier| -> Option<&Any> {
            let mut found = attributes.iter().filter(|attribute| attribute.oid == oid);
            let (Some(one), None) = (found.next(), found.next()) else {
                return None;
            };
            match one.values.as_slice() {
                [value] => Some(value),
                _ => None,
            }
        };
        let says_type = attribute(CONTENT_TYPE)
            .and_then(|value| value.decode_as::<ObjectIdentifier>().ok())
            .is_some_and(|oid| oid == TST_INFO);
        let hashed = hash(&signer.digest_alg.oid, &self.content);
        let says_hash = match (attribute(MESSAGE_DIGEST), hashed) {
            (Some(value), Some(hash)) => value.value() == hash,
            _ => false,
        };
        let Ok(message) = attributes.to_der() else {
            return false;
        };
        let der = CertificateDer::from(certificate);
        let Ok(certificate) = EndEntityCert::try_from(&der) else {
            return false;
        };
        let signature = signer.signature.as_bytes();
        let fits = algorithms_of(&signer.digest_alg.oid)
            .iter()
            .any(|algorithm| {
                certificate
                    .verify_signature(*algorithm, &message, signature)
                    .is_ok()
            });
        says_type && says_hash && fits
    }
}

fn is_named(name: &SignerIdentifier, der: &[u8]) -> bool {
    let Ok(certificate) = Certificate::from_der(der) else {
        return false;
    };
    let own = &certificate.tbs_certificate;
    match name {
        SignerIdentifier::IssuerAndSerialNumber(name) => {
            own.issuer == name.issuer && own.serial_number == name.serial_number
        }
        SignerIdentifier::SubjectKeyIdentifier(name) => {
            let extensions = own.extensions.as_deref().unwrap_or_default();
            let named = name.0.to_der().unwrap_or_default();
            extensions.iter().any(|extension| {
                extension.extn_id == SUBJECT_KEY_IDENTIFIER
                    && extension.extn_value.as_bytes() == named
            })
        }
    }
}

fn hash(algorithm: &ObjectIdentifier, bytes: &[u8]) -> Option<Vec<u8>> {
    match *algorithm {
        SHA256 => Some(Sha256::digest(bytes).to_vec()),
        SHA384 => Some(Sha384::digest(bytes).to_vec()),
        SHA512 => Some(Sha512::digest(bytes).to_vec()),
        _ => None,
    }
}

/// By the hash that the signer names; the key's own kind then leaves one.
fn algorithms_of(
    hash: &ObjectIdentifier,
) -> &'static [&'static dyn SignatureVerificationAlgorithm] {
    match *hash {
        SHA256 => &WITH_SHA256,
        SHA384 => &WITH_SHA384,
        SHA512 => &WITH_SHA512,
        _ => &[],
    }
}

static WITH_SHA256: [&dyn SignatureVerificationAlgorithm; 4] = [
    algorithms::ECDSA_P256_SHA256,
    algorithms::ECDSA_P384_SHA256,
    algorithms::ECDSA_P521_SHA256,
    algorithms::RSA_PKCS1_2048_8192_SHA256,
];
static WITH_SHA384: [&dyn SignatureVerificationAlgorithm; 4] = [
    algorithms::ECDSA_P256_SHA384,
    algorithms::ECDSA_P384_SHA384,
    algorithms::ECDSA_P521_SHA384,
    algorithms::RSA_PKCS1_2048_8192_SHA384,
];
static WITH_SHA512: [&dyn SignatureVerificationAlgorithm; 4] = [
    algorithms::ECDSA_P256_SHA512,
    algorithms::ECDSA_P384_SHA512,
    algorithms::ECDSA_P521_SHA512,
    algorithms::RSA_PKCS1_2048_8192_SHA512,
];

const EMBEDDED_MAX: usize = 10;

const SIGNED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.2");
const TST_INFO: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.1.4");
const CONTENT_TYPE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.3");
const MESSAGE_DIGEST: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.4");
const SUBJECT_KEY_IDENTIFIER: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.14");
const SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1");
const SHA384: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.2");
const SHA512: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.3");
