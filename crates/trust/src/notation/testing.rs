//! Certificates, chains, stores and policies that the tests of this module use. Not part of the product.

use oci::Descriptor;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ECDSA_P521_SHA512,
    PKCS_RSA_SHA256, PKCS_RSA_SHA384, PKCS_RSA_SHA512, RsaKeySize, SerialNumber, date_time_ymd,
};

use super::*;

/// 2026-11-25T12:00:00Z.
pub(super) const NOW: i64 = 1_795_608_000_000;
pub(super) const DAY: i64 = 24 * 60 * 60 * 1000;
/// 2040-01-01T00:00:00Z, when [`authority`] and [`signer`] end.
pub(super) const END: i64 = 2_208_988_800_000;

/// A key and its certificate.
pub(crate) struct Holder {
    pub(crate) params: CertificateParams,
    pub(crate) key: KeyPair,
    pub(crate) certificate: Certificate,
}

impl Holder {
    pub(super) fn root(params: CertificateParams) -> Self {
        Self::root_with(params, p256())
    }

    pub(super) fn root_with(params: CertificateParams, key: KeyPair) -> Self {
        let der = params.self_signed(&key).unwrap();
        Self {
            certificate: Certificate::parse(der.der()).unwrap(),
            params,
            key,
        }
    }

    pub(super) fn issue(&self, params: CertificateParams) -> Self {
        self.issue_with(params, p256())
    }

    pub(super) fn issue_with(&self, params: CertificateParams, key: KeyPair) -> Self {
        let issuer = Issuer::from_params(&self.params, &self.key);
        let der = params.signed_by(&key, &issuer).unwrap();
        Self {
            certificate: Certificate::parse(der.der()).unwrap(),
            params,
            key,
        }
    }

    pub(super) fn signer(&self) -> EnvelopeKey {
        EnvelopeKey::from_pkcs8_der(self.key.serialized_der()).unwrap()
    }
}

pub(super) fn p256() -> KeyPair {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap()
}

pub(super) fn key_of(algorithm: Algorithm) -> KeyPair {
    match algorithm {
        Algorithm::Es256 => KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256),
        Algorithm::Es384 => KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384),
        Algorithm::Es512 => KeyPair::generate_for(&PKCS_ECDSA_P521_SHA512),
        Algorithm::Ps256 => KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048),
        Algorithm::Ps384 => KeyPair::generate_rsa_for(&PKCS_RSA_SHA384, RsaKeySize::_3072),
        Algorithm::Ps512 => KeyPair::generate_rsa_for(&PKCS_RSA_SHA512, RsaKeySize::_4096),
    }
    .unwrap()
}

fn named(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2040, 1, 1);
    params.distinguished_name.push(DnType::CountryName, "US");
    params
        .distinguished_name
        .push(DnType::StateOrProvinceName, "WA");
    params
        .distinguished_name
        .push(DnType::OrganizationName, "wabbit");
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

/// Parameters of a root or an intermediate that keeps the rules.
pub(super) fn authority(name: &str) -> CertificateParams {
    let mut params = named(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.serial_number = Some(SerialNumber::from(0x1000_u64 + name.len() as u64));
    params
}

/// Parameters of a leaf that keeps the rules for code.
pub(super) fn signer(name: &str) -> CertificateParams {
    let mut params = named(name);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::CodeSigning];
    params.serial_number = Some(SerialNumber::from(0x80ff_u64));
    params
}

/// Parameters of a leaf that keeps the rules for timestamps.
pub(super) fn stamper(name: &str) -> CertificateParams {
    let mut params = named(name);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.custom_extensions = vec![critical_time_stamping()];
    params.serial_number = Some(SerialNumber::from(0x90ff_u64));
    params
}

/// Extended key usage `timeStamping` alone, critical.
fn critical_time_stamping() -> rcgen::CustomExtension {
    let content = hex::decode("300a06082b06010505070308").unwrap();
    let mut extension = rcgen::CustomExtension::from_oid_content(&[2, 5, 29, 37], content);
    extension.set_criticality(true);
    extension
}

/// A root, an intermediate and a leaf with keys on P-256.
pub(super) struct World {
    pub(super) root: Holder,
    pub(super) middle: Holder,
    pub(super) leaf: Holder,
}

impl World {
    pub(super) fn new() -> Self {
        Self::with(signer("signer"))
    }

    pub(super) fn with(leaf: CertificateParams) -> Self {
        let root = Holder::root(authority("root"));
        let middle = root.issue(authority("middle"));
        let leaf = middle.issue(leaf);
        Self { root, middle, leaf }
    }

    pub(super) fn chain(&self) -> Vec<Certificate> {
        [&self.leaf, &self.middle, &self.root]
            .map(|one| one.certificate.clone())
            .to_vec()
    }

    pub(super) fn sign(&self, format: Format) -> Envelope {
        self.sign_as(format, |_| {})
    }

    pub(super) fn sign_as(
        &self,
        format: Format,
        change: impl FnOnce(&mut Request<'_>),
    ) -> Envelope {
        let (artifact, chain) = (artifact(), self.chain());
        let mut request = request(&artifact, &chain);
        change(&mut request);
        sign(&request, format, &self.leaf.signer()).unwrap()
    }

    pub(super) fn stores(&self) -> TrustStores {
        let mut stores = TrustStores::default();
        let root = self.root.certificate.as_der();
        stores.add_file(store("ca:wabbit"), root).unwrap();
        stores
            .add_file(store("signingAuthority:wabbit"), root)
            .unwrap();
        stores
    }
}

pub(super) const FORMATS: [Format; 2] = [Format::Jws, Format::Cose];

pub(super) fn store(text: &str) -> StoreName {
    StoreName::parse(text).unwrap()
}

pub(super) fn artifact() -> Descriptor {
    Descriptor::of(oci::media::OCI_MANIFEST, b"a manifest")
}

pub(super) fn request<'a>(artifact: &'a Descriptor, chain: &'a [Certificate]) -> Request<'a> {
    Request {
        artifact,
        scheme: Scheme::X509 { signing_time: NOW },
        expiry: None,
        extended: Vec::new(),
        chain,
        agent: Some("countersign/test".to_owned()),
    }
}

/// The level `strict` for everybody of these stores.
pub(super) fn strict(stores: &[&str]) -> Statement {
    statement(Actions::STRICT, stores)
}

pub(super) fn statement(actions: Actions, stores: &[&str]) -> Statement {
    Statement {
        name: "all".to_owned(),
        scopes: vec!["*".to_owned()],
        level: Level::Verify(actions),
        stores: stores.iter().map(|text| store(text)).collect(),
        identities: vec![TrustedIdentity::Everybody],
        verify_timestamp: VerifyTimestamp::Always,
    }
}

/// Verifies with no revocation lists.
pub(super) fn judge(
    envelope: &Envelope,
    statement: &Statement,
    stores: &TrustStores,
    now: i64,
) -> Outcome {
    let lists = RevocationLists::default();
    let trust = Trust {
        statement,
        stores,
        lists: &lists,
    };
    let bytes = envelope.to_bytes().unwrap();
    verify(envelope.format(), &bytes, &artifact(), trust, now)
}

/// What fails at the level `strict` with the world's root trusted.
pub(super) fn failure(world: &World, format: Format, bytes: &[u8]) -> (Check, Failure) {
    let lists = RevocationLists::default();
    let stores = world.stores();
    let statement = strict(&["ca:wabbit", "signingAuthority:wabbit"]);
    let trust = Trust {
        statement: &statement,
        stores: &stores,
        lists: &lists,
    };
    failed(verify(format, bytes, &artifact(), trust, NOW))
}

pub(super) fn failed(outcome: Outcome) -> (Check, Failure) {
    match outcome {
        Outcome::Failed { check, why } => (check, why),
        other => panic!("{other:?}"),
    }
}

pub(super) fn passed(outcome: Outcome) -> Passed {
    match outcome {
        Outcome::Passed(passed) => *passed,
        other => panic!("{other:?}"),
    }
}
