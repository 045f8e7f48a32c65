//! The token itself: CMS SignedData with one signer around a `TSTInfo`. CMS is read by the crate `cms`. Whether the signer may stamp is
//! settled elsewhere. RFC 5652 section 5, RFC 3161 section 2.4.2, RFC 5035 section 3.

use cms::cert::CertificateChoices;
use cms::content_info::ContentInfo;
use cms::signed_data::{SignedData, SignerIdentifier, SignerInfo};
use der::asn1::{Any, Int, ObjectIdentifier, OctetString, OctetStringRef};
use der::{Decode as _, Encode as _, Sequence, Tag, Tagged as _};
use spki::AlgorithmIdentifierOwned;
use x509_cert::attr::Attribute;

use super::super::algorithm::{Hash, Key, Scheme};
use super::super::certificate::Certificate;
use super::{TOKEN_BYTES_MAX, TimestampFault, TimestampRange};
use crate::tuf::rfc3339;

/// The most certificates that a token carries.
const CERTIFICATES_MAX: usize = 16;

/// A token that could be read.
pub(super) struct Token {
    /// The certificates that it carries, in no order.
    pub(super) certificates: Vec<Certificate>,
    pub(super) range: TimestampRange,
    pub(super) imprint_hash: Hash,
    pub(super) imprint: Vec<u8>,
    signer: SignerInfo,
    content: Vec<u8>,
}

#[derive(Sequence)]
pub(super) struct TstInfo {
    pub(super) version: u8,
    pub(super) policy: ObjectIdentifier,
    pub(super) message_imprint: MessageImprint,
    pub(super) serial_number: Int,
    /// A `GeneralizedTime` with a fraction, which the library's own type does not take.
    pub(super) gen_time: Any,
    #[asn1(optional = "true")]
    pub(super) accuracy: Option<Accuracy>,
    #[asn1(default = "Default::default")]
    pub(super) ordering: bool,
    #[asn1(optional = "true")]
    pub(super) nonce: Option<Int>,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    pub(super) tsa: Option<Any>,
    #[asn1(context_specific = "1", tag_mode = "IMPLICIT", optional = "true")]
    pub(super) extensions: Option<x509_cert::ext::Extensions>,
}

#[derive(Sequence)]
pub(super) struct MessageImprint {
    pub(super) hash_algorithm: AlgorithmIdentifierOwned,
    pub(super) hashed_message: OctetString,
}

#[derive(Sequence)]
pub(super) struct Accuracy {
    #[asn1(optional = "true")]
    pub(super) seconds: Option<u32>,
    #[asn1(context_specific = "0", tag_mode = "IMPLICIT", optional = "true")]
    pub(super) millis: Option<u16>,
    #[asn1(context_specific = "1", tag_mode = "IMPLICIT", optional = "true")]
    pub(super) micros: Option<u16>,
}

#[derive(Sequence)]
pub(super) struct SigningCertificateV2 {
    pub(super) certs: Vec<EssCertIdV2>,
    #[asn1(optional = "true")]
    pub(super) policies: Option<Any>,
}

#[derive(Sequence)]
pub(super) struct EssCertIdV2 {
    /// SHA-256 where it is absent.
    #[asn1(optional = "true")]
    pub(super) hash_algorithm: Option<AlgorithmIdentifierOwned>,
    pub(super) cert_hash: OctetString,
    #[asn1(optional = "true")]
    pub(super) issuer_serial: Option<Any>,
}

impl Token {
    pub(super) fn parse(der: &[u8]) -> Result<Self, TimestampFault> {
        if der.len() > TOKEN_BYTES_MAX {
            return Err(TimestampFault::Size { bytes: der.len() });
        }
        let outer = ContentInfo::from_der(der).map_err(|_| TimestampFault::Form("not cms"))?;
        if outer.content_type.to_string() != SIGNED_DATA {
            return Err(TimestampFault::Form("not signed data"));
        }
        let data: SignedData = outer
            .content
            .decode_as()
            .map_err(|_| TimestampFault::Form("not signed data in der"))?;
        if data.encap_content_info.econtent_type.to_string() != TST_INFO {
            return Err(TimestampFault::Form("not a `TSTInfo`"));
        }
        let content = data.encap_content_info.econtent.as_ref();
        let content = content
            .and_then(|any| any.decode_as::<OctetStringRef<'_>>().ok())
            .ok_or(TimestampFault::Form("no content"))?
            .as_bytes()
            .to_vec();
        let mut signers = data.signer_infos.0.iter();
        // RFC 3161 2.4.2: "MUST NOT contain any signatures other than the signature of the TSA".
        let (Some(signer), None) = (signers.next().cloned(), signers.next()) else {
            return Err(TimestampFault::Form("not exactly one signer"));
        };
        let info = TstInfo::from_der(&content).map_err(|_| TimestampFault::Form("no `TSTInfo`"))?;
        if info.version != 1 {
            return Err(TimestampFault::Form("another version of `TSTInfo`"));
        }
        let imprint = info.message_imprint;
        Ok(Self {
            certificates: certificates(&data)?,
            range: range(&info.gen_time, info.accuracy.as_ref(), &info.policy)?,
            imprint_hash: hash(&imprint.hash_algorithm)
                .ok_or(TimestampFault::Form("its hash is not sha-2"))?,
            imprint: imprint.hashed_message.as_bytes().to_vec(),
            signer,
            content,
        })
    }

    /// The certificate whose key signed the token, once all that says so was checked.
    pub(super) fn signer(&self) -> Result<&Certificate, TimestampFault> {
        let signer = &self.signer;
        let certificate = self
            .certificates
            .iter()
            .find(|one| is_named(&signer.sid, one))
            .ok_or(TimestampFault::Signature("its certificate is not there"))?;
        let hash =
            hash(&signer.digest_alg).ok_or(TimestampFault::Signature("its hash is not sha-2"))?;
        let attributes = signer.signed_attrs.as_ref();
        let attributes = attributes.ok_or(TimestampFault::Signature("no signed attributes"))?;
        // RFC 5652 5.4: the type and the hash of the content are signed attributes.
        let kind = only(attributes.as_slice(), CONTENT_TYPE)
            .and_then(|value| value.decode_as::<ObjectIdentifier>().ok());
        if kind.is_none_or(|kind| kind.to_string() != TST_INFO) {
            return Err(TimestampFault::Signature("another content type is signed"));
        }
        let digest = only(attributes.as_slice(), MESSAGE_DIGEST)
            .and_then(|value| value.decode_as::<OctetString>().ok());
        if digest.is_none_or(|digest| digest.as_bytes() != hash.of(&self.content)) {
            return Err(TimestampFault::Signature("another content is signed"));
        }
        check_signing_certificate(attributes.as_slice(), certificate)?;
        // RFC 5652 5.4: signed as `SET OF`, not with the tag that stands there.
        let signed = attributes
            .to_der()
            .map_err(|_| TimestampFault::Signature("its attributes cannot be written"))?;
        let scheme = scheme(&signer.signature_algorithm);
        let signature = signer.signature.as_bytes();
        let made = |key: &Key| key.has_signed_asn1(&scheme, Some(hash), &signed, signature);
        if certificate.key().is_some_and(made) {
            Ok(certificate)
        } else {
            Err(TimestampFault::Signature("it does not verify"))
        }
    }
}

fn certificates(data: &SignedData) -> Result<Vec<Certificate>, TimestampFault> {
    let fault = TimestampFault::Form("its certificates cannot be read");
    let set = data.certificates.iter().flat_map(|set| set.0.iter());
    let ders = set.filter_map(|choice| match choice {
        CertificateChoices::Certificate(certificate) => Some(certificate.to_der().ok()),
        CertificateChoices::Other(_) => None,
    });
    let read = |der: Option<Vec<u8>>| Certificate::parse(&der?).ok();
    let all: Option<Vec<Certificate>> = ders.take(CERTIFICATES_MAX + 1).map(read).collect();
    all.filter(|all| all.len() <= CERTIFICATES_MAX).ok_or(fault)
}

fn is_named(sid: &SignerIdentifier, certificate: &Certificate) -> bool {
    match sid {
        SignerIdentifier::IssuerAndSerialNumber(name) => {
            let issuer = name.issuer.to_der().unwrap_or_default();
            let serial = crate::der::trimmed(name.serial_number.as_bytes());
            issuer == certificate.issuer_raw() && serial == certificate.serial()
        }
        SignerIdentifier::SubjectKeyIdentifier(id) => {
            certificate.extensions.subject_key_id.as_deref() == Some(id.0.as_bytes())
        }
    }
}

/// RFC 5035 3, RFC 5816 2.2.1: the first one listed is the signer's own certificate. The older attribute, over SHA-1, does not count.
fn check_signing_certificate(
    attributes: &[Attribute],
    certificate: &Certificate,
) -> Result<(), TimestampFault> {
    let listed = only(attributes, SIGNING_CERTIFICATE_V2)
        .and_then(|value| value.decode_as::<SigningCertificateV2>().ok())
        .ok_or(TimestampFault::Signature("no `signing-certificate-v2`"))?;
    let wrong = TimestampFault::Signature("`signing-certificate-v2` names another certificate");
    let Some(first) = listed.certs.first() else {
        return Err(wrong);
    };
    let hash = match &first.hash_algorithm {
        None => Some(Hash::Sha256),
        Some(algorithm) => hash(algorithm),
    };
    let expected = hash.map(|hash| hash.of(certificate.as_der()));
    if expected.as_deref() == Some(first.cert_hash.as_bytes()) {
        Ok(())
    } else {
        Err(wrong)
    }
}

/// The one value of the one attribute of this type.
fn only<'a>(attributes: &'a [Attribute], oid: &str) -> Option<&'a Any> {
    let mut found = attributes.iter().filter(|one| one.oid.to_string() == oid);
    let (Some(attribute), None) = (found.next(), found.next()) else {
        return None;
    };
    match attribute.values.as_slice() {
        [value] => Some(value),
        _ => None,
    }
}

fn hash(algorithm: &AlgorithmIdentifierOwned) -> Option<Hash> {
    Hash::of_oid(&algorithm.oid.to_string())
}

fn scheme(algorithm: &AlgorithmIdentifierOwned) -> Scheme {
    Scheme {
        oid: algorithm.oid.to_string(),
        parameters: algorithm
            .parameters
            .as_ref()
            .and_then(|parameters| parameters.to_der().ok()),
    }
}

/// The time with its accuracy: as the token says, or one second under the baseline policy (ETSI TS 102 023, 5.2), or none.
fn range(
    gen_time: &Any,
    accuracy: Option<&Accuracy>,
    policy: &ObjectIdentifier,
) -> Result<TimestampRange, TimestampFault> {
    let fault = TimestampFault::Form("its time cannot be read");
    let text = std::str::from_utf8(gen_time.value()).ok();
    let text = text.filter(|_| gen_time.tag() == Tag::GeneralizedTime);
    let instant = text.and_then(generalized_time).ok_or(fault)?;
    let within = match accuracy {
        Some(accuracy) => {
            let seconds = i64::from(accuracy.seconds.unwrap_or(0)) * 1000;
            let micros = i64::from(accuracy.micros.unwrap_or(0));
            // Rounded up: the range must not be smaller than what was said.
            seconds + i64::from(accuracy.millis.unwrap_or(0)) + (micros + 999) / 1000
        }
        None if policy.to_string() == BASELINE_POLICY => 1000,
        None => 0,
    };
    Ok(TimestampRange {
        lower: instant.saturating_sub(within),
        upper: instant.saturating_add(within),
    })
}

/// RFC 3161 2.4.2: `YYYYMMDDhhmmss[.s…]Z`, in milliseconds since 1970.
fn generalized_time(text: &str) -> Option<i64> {
    let digits = text.get(..14)?;
    let rest = text.get(14..)?;
    let part = |from: usize, to: usize| digits.get(from..to);
    let (year, month, day) = (part(0, 4)?, part(4, 6)?, part(6, 8)?);
    let (hour, minute, second) = (part(8, 10)?, part(10, 12)?, part(12, 14)?);
    if !rest.ends_with('Z') || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    rfc3339(&format!(
        "{year}-{month}-{day}T{hour}:{minute}:{second}{rest}"
    ))
}

pub(super) const SIGNED_DATA: &str = "1.2.840.113549.1.7.2";
pub(super) const TST_INFO: &str = "1.2.840.113549.1.9.16.1.4";
pub(super) const CONTENT_TYPE: &str = "1.2.840.113549.1.9.3";
pub(super) const MESSAGE_DIGEST: &str = "1.2.840.113549.1.9.4";
pub(super) const SIGNING_CERTIFICATE_V2: &str = "1.2.840.113549.1.9.16.2.47";
const BASELINE_POLICY: &str = "0.4.0.2023.1.1";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_fractions_and_only_one_zone() {
        assert_eq!(generalized_time("19700101000001Z"), Some(1000));
        assert_eq!(generalized_time("19700101000001.25Z"), Some(1250));
        for text in [
            "",
            "197001010000Z",
            "19700101000001",
            "19700101000001+0100",
            "19700101000061Z",
            "1970010100000\u{e9}Z",
        ] {
            assert_eq!(generalized_time(text), None, "{text}");
        }
    }

    #[test]
    fn accuracy_is_rounded_up_and_has_a_default_in_the_baseline_policy() {
        let time = Any::new(Tag::GeneralizedTime, b"19700101000100Z".as_slice()).unwrap();
        let baseline = ObjectIdentifier::new_unwrap(BASELINE_POLICY);
        let other = ObjectIdentifier::new_unwrap("1.2.3");
        let width = |accuracy: Option<Accuracy>, policy| {
            let range = range(&time, accuracy.as_ref(), &policy).unwrap();
            assert_eq!(range.lower + range.upper, 120_000);
            range.upper - 60_000
        };
        let accuracy = |seconds, millis, micros| {
            Some(Accuracy {
                seconds,
                millis,
                micros,
            })
        };
        assert_eq!(width(None, other), 0);
        assert_eq!(width(None, baseline), 1000);
        assert_eq!(width(accuracy(Some(2), Some(5), Some(1)), baseline), 2006);
        assert_eq!(width(accuracy(None, None, None), baseline), 0);
    }
}
