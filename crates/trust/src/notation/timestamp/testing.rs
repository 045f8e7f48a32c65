//! A timestamping service for tests. Not part of the product.

use cms::cert::{CertificateChoices, IssuerAndSerialNumber};
use cms::content_info::{CmsVersion, ContentInfo};
use cms::signed_data::{
    CertificateSet, EncapsulatedContentInfo, SignedData, SignerIdentifier, SignerInfo, SignerInfos,
};
use der::asn1::{Any, Int, ObjectIdentifier, OctetString, SetOfVec};
use der::{Decode as _, Encode as _, Tag};
use rcgen::SigningKey as _;
use spki::AlgorithmIdentifierOwned;
use x509_cert::attr::Attribute;

use super::super::algorithm::Hash;
use super::super::certificate::Certificate;
use super::super::testing::Holder;
use super::token::{
    Accuracy, CONTENT_TYPE, EssCertIdV2, MESSAGE_DIGEST, MessageImprint, SIGNED_DATA,
    SIGNING_CERTIFICATE_V2, SigningCertificateV2, TST_INFO, TstInfo,
};

/// What a service writes into a token. Its key is ECDSA on P-256.
pub(crate) struct Stamp<'a> {
    pub(crate) service: &'a Holder,
    /// The certificates that it carries.
    pub(crate) carried: Vec<&'a Certificate>,
    /// `YYYYMMDDhhmmss[.s]Z`.
    pub(crate) time: &'a str,
    pub(crate) accuracy_seconds: Option<u32>,
    /// The certificate that `signing-certificate-v2` names, if the attribute is there.
    pub(crate) names: Option<&'a Certificate>,
}

impl Stamp<'_> {
    /// The token over a signature.
    pub(crate) fn over(&self, signature: &[u8]) -> Vec<u8> {
        let info = TstInfo {
            version: 1,
            policy: oid("1.2.3.4"),
            message_imprint: MessageImprint {
                hash_algorithm: sha256(),
                hashed_message: OctetString::new(Hash::Sha256.of(signature)).unwrap(),
            },
            serial_number: Int::new(&[7]).unwrap(),
            gen_time: Any::new(Tag::GeneralizedTime, self.time.as_bytes()).unwrap(),
            accuracy: self.accuracy_seconds.map(|seconds| Accuracy {
                seconds: Some(seconds),
                millis: None,
                micros: None,
            }),
            ordering: false,
            nonce: None,
            tsa: None,
            extensions: None,
        };
        self.around(&info.to_der().unwrap())
    }

    fn around(&self, content: &[u8]) -> Vec<u8> {
        let mut attributes = vec![
            attribute(CONTENT_TYPE, Any::encode_from(&oid(TST_INFO)).unwrap()),
            attribute(
                MESSAGE_DIGEST,
                Any::encode_from(&OctetString::new(Hash::Sha256.of(content)).unwrap()).unwrap(),
            ),
        ];
        if let Some(named) = self.names {
            let value = SigningCertificateV2 {
                certs: vec![EssCertIdV2 {
                    hash_algorithm: None,
                    cert_hash: OctetString::new(Hash::Sha256.of(named.as_der())).unwrap(),
                    issuer_serial: None,
                }],
                policies: None,
            };
            attributes.push(attribute(
                SIGNING_CERTIFICATE_V2,
                Any::encode_from(&value).unwrap(),
            ));
        }
        let attributes = SetOfVec::try_from(attributes).unwrap();
        let signature = self
            .service
            .key
            .sign(&attributes.to_der().unwrap())
            .unwrap();
        let own = x509_cert::Certificate::from_der(self.service.certificate.as_der()).unwrap();
        let signer = SignerInfo {
            version: CmsVersion::V1,
            sid: SignerIdentifier::IssuerAndSerialNumber(IssuerAndSerialNumber {
                issuer: own.tbs_certificate.issuer.clone(),
                serial_number: own.tbs_certificate.serial_number.clone(),
            }),
            digest_alg: sha256(),
            signed_attrs: Some(attributes),
            signature_algorithm: algorithm("1.2.840.10045.4.3.2"),
            signature: OctetString::new(signature).unwrap(),
            unsigned_attrs: None,
        };
        let carried = self.carried.iter().map(|one| {
            CertificateChoices::Certificate(x509_cert::Certificate::from_der(one.as_der()).unwrap())
        });
        let data = SignedData {
            version: CmsVersion::V3,
            digest_algorithms: SetOfVec::try_from(vec![sha256()]).unwrap(),
            encap_content_info: EncapsulatedContentInfo {
                econtent_type: oid(TST_INFO),
                econtent: Some(Any::encode_from(&OctetString::new(content).unwrap()).unwrap()),
            },
            certificates: Some(CertificateSet(
                SetOfVec::try_from(carried.collect::<Vec<_>>()).unwrap(),
            )),
            crls: None,
            signer_infos: SignerInfos(SetOfVec::try_from(vec![signer]).unwrap()),
        };
        let outer = ContentInfo {
            content_type: oid(SIGNED_DATA),
            content: Any::encode_from(&data).unwrap(),
        };
        outer.to_der().unwrap()
    }
}

fn attribute(kind: &str, value: Any) -> Attribute {
    Attribute {
        oid: oid(kind),
        values: SetOfVec::try_from(vec![value]).unwrap(),
    }
}

fn sha256() -> AlgorithmIdentifierOwned {
    algorithm(Hash::Sha256.oid())
}

fn algorithm(text: &str) -> AlgorithmIdentifierOwned {
    AlgorithmIdentifierOwned {
        oid: oid(text),
        parameters: None,
    }
}

fn oid(text: &str) -> ObjectIdentifier {
    ObjectIdentifier::new(text).unwrap()
}
