//! Authorities and their revocation lists, for tests.

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DistinguishedName,
    DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose,
    RevocationReason, RevokedCertParams, SerialNumber, date_time_ymd,
};
use trust::evidence::Anchors;
use trust::notation::{Certificate, RevocationFault};

/// A trusted root that believes nobody.
pub(crate) const ROOT: &str =
    r#"{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1"}"#;
/// The first of February 2025, after all lists of that January, in milliseconds since the epoch.
pub(crate) const FEBRUARY: i64 = 1_738_368_000_000;
const LEAF: u64 = 0x1000;

/// An authority with one certificate below it.
pub(crate) struct Authority {
    params: CertificateParams,
    key: KeyPair,
    chain: Vec<Certificate>,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = named(name);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().unwrap();
        let own = params.self_signed(&key).unwrap();
        let mut leaf = named("maria");
        leaf.serial_number = Some(SerialNumber::from(LEAF));
        leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::CodeSigning];
        let issuer = Issuer::from_params(&params, &key);
        let leaf = leaf.signed_by(&KeyPair::generate().unwrap(), &issuer);
        let chain = [leaf.unwrap().der().to_vec(), own.der().to_vec()];
        let parsed = chain.iter().map(|der| Certificate::parse(der).unwrap());
        Self {
            chain: parsed.collect(),
            params,
            key,
        }
    }

    /// Its list of this day of January 2025, whose number is the day, with the certificate or without.
    pub(crate) fn list(&self, day: u8, names_leaf: bool) -> Vec<u8> {
        let revoked = RevokedCertParams {
            serial_number: SerialNumber::from(LEAF),
            revocation_time: date_time_ymd(2025, 1, 1),
            reason_code: Some(RevocationReason::KeyCompromise),
            invalidity_date: None,
        };
        let params = CertificateRevocationListParams {
            this_update: date_time_ymd(2025, 1, day),
            next_update: date_time_ymd(2035, 1, 1),
            crl_number: SerialNumber::from(u64::from(day)),
            issuing_distribution_point: None,
            revoked_certs: names_leaf.then_some(revoked).into_iter().collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let issuer = Issuer::from_params(&self.params, &self.key);
        params.signed_by(&issuer).unwrap().der().to_vec()
    }

    /// Whether its certificate is revoked where certificates are judged so.
    pub(crate) fn has_revoked(&self, anchors: &Anchors) -> bool {
        let lists = anchors.revocation.as_ref().unwrap();
        match lists.check(&self.chain, None, FEBRUARY) {
            Ok(()) => false,
            Err(RevocationFault::Revoked { .. }) => true,
            Err(other) => panic!("{other}"),
        }
    }
}

fn named(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}
