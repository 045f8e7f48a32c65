//! An instance of sigstore in memory: an authority for certificates, a log of them, a log of signatures and an authority
//! for timestamps, with the root that trusts all four. It signs whatever it is told to.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cms::cert::IssuerAndSerialNumber;
use cms::cert::x509::Certificate;
use cms::cert::x509::attr::Attribute;
use cms::cert::x509::der::asn1::{GeneralizedTime, Int, OctetString, SetOfVec};
use cms::cert::x509::der::oid::ObjectIdentifier;
use cms::cert::x509::der::{Any, Decode as _, Encode as _, Tag};
use cms::cert::x509::spki::AlgorithmIdentifierOwned;
use cms::content_info::{CmsVersion, ContentInfo};
use cms::signed_data::{
    EncapsulatedContentInfo, SignedData, SignerIdentifier, SignerInfo, SignerInfos,
};
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, SanType, SerialNumber,
    SubjectPublicKeyInfo,
};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use time::OffsetDateTime;
use trust::merkle;
use trust::sigstore::{IdentityRule, TrustedRoot};
use trust::{Algorithm, PrivateKey, Signer, checkpoint, dsse};
use x509_parser::prelude::FromDer;
use x509_tsp::{MessageImprint, TspVersion, TstInfo};

/// When everything in the stories was signed, in seconds since 1970, and the certificate's ten minutes around it.
pub(super) const SIGNED: i64 = 1_788_220_800;
/// Long after, in milliseconds since 1970: the certificate has ended.
pub(super) const NOW: i64 = (SIGNED + 86_400 * 30) * 1000;

pub(super) const ISSUER: &str = "https://login.example";
pub(super) const ALICE: &str = "https://forge.example/shop/web/.ci/release.yml@refs/tags/v1";
pub(super) const ORIGIN: &str = "log.example";

pub(super) struct World {
    authority: (CertificateParams, KeyPair, Vec<u8>),
    timestamps: (PrivateKey, Vec<u8>, Vec<u8>),
    certificate_log: PrivateKey,
    pub(super) log: PrivateKey,
}

/// A signer's key and certificate.
pub(super) struct Certified {
    pub(super) key: PrivateKey,
    pub(super) der: Vec<u8>,
}

pub(super) fn b64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

pub(super) fn alice() -> IdentityRule {
    IdentityRule::new(ISSUER, ALICE)
}

fn moment(seconds: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(seconds).unwrap()
}

fn authority(name: &str, usage: ExtendedKeyUsagePurpose) -> (CertificateParams, KeyPair, Vec<u8>) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.distinguished_name = named(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params.extended_key_usages = vec![usage];
    params.not_before = moment(SIGNED - 86_400 * 365);
    params.not_after = moment(SIGNED + 86_400 * 3650);
    let der = params.self_signed(&key).unwrap().der().to_vec();
    (params, key, der)
}

fn named(name: &str) -> DistinguishedName {
    let mut names = DistinguishedName::new();
    if !name.is_empty() {
        names.push(DnType::CommonName, name);
    }
    names
}

impl World {
    pub(super) fn new() -> Self {
        let (params, key, root) = authority("stamps", ExtendedKeyUsagePurpose::TimeStamping);
        let stamper = PrivateKey::generate(Algorithm::EcdsaP256).unwrap();
        let mut own = CertificateParams::default();
        own.distinguished_name = named("stamper");
        own.serial_number = Some(SerialNumber::from(vec![7]));
        own.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        own.extended_key_usages = vec![ExtendedKeyUsagePurpose::TimeStamping];
        own.not_before = moment(SIGNED - 86_400 * 30);
        own.not_after = moment(SIGNED + 86_400 * 300);
        let public = SubjectPublicKeyInfo::from_der(stamper.public_key().as_der()).unwrap();
        let issuer = Issuer::new(params, key);
        let own = own.signed_by(&public, &issuer).unwrap().der().to_vec();
        Self {
            authority: authority("people", ExtendedKeyUsagePurpose::CodeSigning),
            timestamps: (stamper, own, root),
            certificate_log: PrivateKey::generate(Algorithm::EcdsaP256).unwrap(),
            log: PrivateKey::generate(Algorithm::EcdsaP256).unwrap(),
        }
    }

    pub(super) fn root_json(&self) -> Value {
        let valid = json!({"start": "2020-01-01T00:00:00Z"});
        let log = |key: &PrivateKey, url: &str| {
            let der = key.public_key().as_der();
            json!({
                "baseUrl": url,
                "publicKey": {"rawBytes": b64(der), "validFor": valid},
                "logId": {"keyId": b64(&Sha256::digest(der))},
            })
        };
        let chain = |chain: &[&Vec<u8>], url: &str| {
            let certificates: Vec<Value> = chain
                .iter()
                .map(|der| json!({"rawBytes": b64(der)}))
                .collect();
            json!({"uri": url, "certChain": {"certificates": certificates}, "validFor": valid})
        };
        json!({
            "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
            "tlogs": [log(&self.log, "https://log.example")],
            "ctlogs": [log(&self.certificate_log, "https://certificates.example")],
            "certificateAuthorities": [chain(&[&self.authority.2], "https://people.example")],
            "timestampAuthorities": [
                chain(&[&self.timestamps.1, &self.timestamps.2], "https://stamps.example")
            ],
        })
    }

    pub(super) fn root(&self) -> TrustedRoot {
        TrustedRoot::parse(self.root_json().to_string().as_bytes()).unwrap()
    }

    /// A certificate for ten minutes around the signature, logged.
    pub(super) fn certify(&self, subject: &str) -> Certified {
        self.certify_with(subject, ExtendedKeyUsagePurpose::CodeSigning, true)
    }

    pub(super) fn certify_with(
        &self,
        subject: &str,
        usage: ExtendedKeyUsagePurpose,
        logged: bool,
    ) -> Certified {
        let key = PrivateKey::generate(Algorithm::EcdsaP256).unwrap();
        let der = self.certificate(
            key.public_key().as_der(),
            &[subject],
            usage,
            usize::from(logged),
        );
        Certified { key, der }
    }

    /// A certificate for any key, for as many people as are named, with the certificate log's word in it as often as is said.
    pub(super) fn certificate(
        &self,
        key: &[u8],
        subjects: &[&str],
        usage: ExtendedKeyUsagePurpose,
        logged: usize,
    ) -> Vec<u8> {
        let mut params = CertificateParams::default();
        params.distinguished_name = named("");
        params.serial_number = Some(SerialNumber::from(vec![9, 1]));
        params.not_before = moment(SIGNED - 60);
        params.not_after = moment(SIGNED + 540);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![usage];
        params.subject_alt_names = subjects
            .iter()
            .map(|subject| SanType::URI((*subject).try_into().unwrap()))
            .collect();
        let issuer = [
            &[0x0c, u8::try_from(ISSUER.len()).unwrap()][..],
            ISSUER.as_bytes(),
        ]
        .concat();
        params.custom_extensions = vec![CustomExtension::from_oid_content(
            &[1, 3, 6, 1, 4, 1, 57264, 1, 8],
            issuer,
        )];
        let public = SubjectPublicKeyInfo::from_der(key).unwrap();
        let issuer = Issuer::from_params(&self.authority.0, &self.authority.1);
        let mut der = params.signed_by(&public, &issuer).unwrap().der().to_vec();
        if logged > 0 {
            let list = self.logged(&der, logged);
            params
                .custom_extensions
                .push(CustomExtension::from_oid_content(
                    &[1, 3, 6, 1, 4, 1, 11129, 2, 4, 2],
                    list,
                ));
            der = params.signed_by(&public, &issuer).unwrap().der().to_vec();
        }
        der
    }

    /// The extension with which the certificate log vouches for a certificate. RFC 6962 section 3.
    fn logged(&self, der: &[u8], times: usize) -> Vec<u8> {
        let (_, certificate) = x509_parser::certificate::X509Certificate::from_der(der).unwrap();
        let (_, own) =
            x509_parser::certificate::X509Certificate::from_der(&self.authority.2).unwrap();
        let unlogged = certificate.tbs_certificate.as_ref();
        let at = u64::try_from(SIGNED * 1000).unwrap().to_be_bytes();
        let length = u32::try_from(unlogged.len()).unwrap().to_be_bytes();
        let message = [
            &[0, 0][..],
            &at,
            &[0, 1],
            &Sha256::digest(own.public_key().raw),
            &length[1..],
            unlogged,
            &[0, 0],
        ]
        .concat();
        let signature = self.certificate_log.sign(&message).unwrap();
        let id = Sha256::digest(self.certificate_log.public_key().as_der());
        let two = |length: usize| u16::try_from(length).unwrap().to_be_bytes();
        let sct = [
            &[0][..],
            &id,
            &at,
            &[0, 0, 4, 3],
            &two(signature.len()),
            &signature,
        ]
        .concat();
        let scts = [&two(sct.len())[..], &sct].concat().repeat(times);
        let list = [&two(scts.len())[..], &scts].concat();
        let length = u8::try_from(list.len()).unwrap();
        let header = if length < 0x80 {
            vec![4, length]
        } else {
            vec![4, 0x81, length]
        };
        [header, list].concat()
    }

    /// An envelope over a statement about a digest.
    pub(super) fn statement(digest: &str) -> Vec<u8> {
        json!({
            "_type": "https://in-toto.io/Statement/v1",
            "predicateType": "https://slsa.dev/provenance/v1",
            "subject": [{"name": "shop/web", "digest": {"sha256": digest}}],
            "predicate": {},
        })
        .to_string()
        .into_bytes()
    }

    /// A bundle with everything that belongs to it.
    pub(super) fn bundle(&self, signer: &Certified, payload: &[u8]) -> Value {
        let signature = signer.key.sign(&dsse::pae(dsse::IN_TOTO, payload)).unwrap();
        let entry = self.dsse_entry(&signer.der, payload, &signature);
        json!({
            "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
            "verificationMaterial": {
                "certificate": {"rawBytes": b64(&signer.der)},
                "tlogEntries": [entry],
                "timestampVerificationData": {
                    "rfc3161Timestamps": [{"signedTimestamp": b64(&self.stamp(&signature, SIGNED))}]
                },
            },
            "dsseEnvelope": {
                "payload": b64(payload),
                "payloadType": dsse::IN_TOTO,
                "signatures": [{"sig": b64(&signature)}],
            },
        })
    }

    fn dsse_entry(&self, certificate: &[u8], payload: &[u8], signature: &[u8]) -> Value {
        let body = json!({
            "apiVersion": "0.0.1",
            "kind": "dsse",
            "spec": {
                "payloadHash": {"algorithm": "sha256", "value": hex::encode(Sha256::digest(payload))},
                "signatures": [{
                    "signature": b64(signature),
                    "verifier": b64(pem(certificate).as_bytes()),
                }],
            },
        });
        self.entry("dsse", body.to_string().as_bytes(), SIGNED)
    }

    /// An entry of the log, the third of five.
    pub(super) fn entry(&self, kind: &str, body: &[u8], at: i64) -> Value {
        let mut leaves: Vec<merkle::Hash> = (0..5_u8).map(|n| merkle::leaf_hash(&[n])).collect();
        leaves[2] = merkle::leaf_hash(body);
        let root = merkle::root(&leaves);
        let hashes: Vec<String> = merkle::inclusion_proof(&leaves, 2)
            .unwrap()
            .iter()
            .map(|hash| b64(hash))
            .collect();
        let note = checkpoint::Checkpoint {
            origin: ORIGIN.to_owned(),
            size: 5,
            root,
        };
        let id = Sha256::digest(self.log.public_key().as_der());
        json!({
            "logIndex": "1002",
            "logId": {"keyId": b64(&id)},
            "kindVersion": {"kind": kind, "version": "0.0.1"},
            "integratedTime": at.to_string(),
            "inclusionPromise": {"signedEntryTimestamp": b64(&self.promise(body, at))},
            "inclusionProof": {
                "logIndex": "2",
                "treeSize": "5",
                "rootHash": b64(&root),
                "hashes": hashes,
                "checkpoint": {"envelope": checkpoint::sign(&note, &self.log).unwrap()},
            },
            "canonicalizedBody": b64(body),
        })
    }

    pub(super) fn promise(&self, body: &[u8], at: i64) -> Vec<u8> {
        let id = hex::encode(Sha256::digest(self.log.public_key().as_der()));
        let text = format!(
            r#"{{"body":"{}","integratedTime":{at},"logID":"{id}","logIndex":1002}}"#,
            b64(body)
        );
        self.log.sign(text.as_bytes()).unwrap()
    }

    /// A timestamp token. RFC 3161 section 2.4.2.
    pub(super) fn stamp(&self, stamped: &[u8], at: i64) -> Vec<u8> {
        let oid = ObjectIdentifier::new_unwrap;
        let sha256 = AlgorithmIdentifierOwned {
            oid: oid("2.16.840.1.101.3.4.2.1"),
            parameters: None,
        };
        let tst_info = oid("1.2.840.113549.1.9.16.1.4");
        let at = Duration::from_secs(u64::try_from(at).unwrap());
        let info = TstInfo {
            version: TspVersion::V1,
            policy: oid("1.2.3.4"),
            message_imprint: MessageImprint {
                hash_algorithm: sha256.clone(),
                hashed_message: OctetString::new(Sha256::digest(stamped).to_vec()).unwrap(),
            },
            serial_number: Int::new(&[1]).unwrap(),
            gen_time: GeneralizedTime::from_unix_duration(at).unwrap(),
            accuracy: None,
            ordering: false,
            nonce: None,
            tsa: None,
            extensions: None,
        };
        let content = info.to_der().unwrap();
        let attribute = |kind: &str, value: Any| Attribute {
            oid: oid(kind),
            values: SetOfVec::try_from(vec![value]).unwrap(),
        };
        let attributes = SetOfVec::try_from(vec![
            attribute("1.2.840.113549.1.9.3", Any::encode_from(&tst_info).unwrap()),
            attribute(
                "1.2.840.113549.1.9.4",
                Any::new(Tag::OctetString, Sha256::digest(&content).to_vec()).unwrap(),
            ),
        ])
        .unwrap();
        let signature = self
            .timestamps
            .0
            .sign(&attributes.to_der().unwrap())
            .unwrap();
        let own = Certificate::from_der(&self.timestamps.1)
            .unwrap()
            .tbs_certificate;
        let signer = SignerInfo {
            version: CmsVersion::V1,
            sid: SignerIdentifier::IssuerAndSerialNumber(IssuerAndSerialNumber {
                issuer: own.issuer,
                serial_number: own.serial_number,
            }),
            digest_alg: sha256.clone(),
            signed_attrs: Some(attributes),
            signature_algorithm: AlgorithmIdentifierOwned {
                oid: oid("1.2.840.10045.4.3.2"),
                parameters: None,
            },
            signature: OctetString::new(signature).unwrap(),
            unsigned_attrs: None,
        };
        let signed = SignedData {
            version: CmsVersion::V3,
            digest_algorithms: SetOfVec::try_from(vec![sha256]).unwrap(),
            encap_content_info: EncapsulatedContentInfo {
                econtent_type: tst_info,
                econtent: Some(Any::new(Tag::OctetString, content).unwrap()),
            },
            certificates: None,
            crls: None,
            signer_infos: SignerInfos(SetOfVec::try_from(vec![signer]).unwrap()),
        };
        let message = ContentInfo {
            content_type: oid("1.2.840.113549.1.7.2"),
            content: Any::encode_from(&signed).unwrap(),
        };
        message.to_der().unwrap()
    }
}

pub(super) fn pem(der: &[u8]) -> String {
    format!(
        "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n",
        b64(der)
    )
}
