//! The certificate around a root key: signed by itself, for ten years, with the repository's name as its common name. docker
//! makes one for each repository from one root key.

use ::time::OffsetDateTime;
use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256, PublicKeyData, SignatureAlgorithm, SigningKey,
};

use crate::key::Algorithm;
use crate::pem;
use crate::private::{SignError, Signer};
use crate::tuf::gun::Gun;
use crate::tuf::key::{Key, KeyId, KeyType};
use crate::tuf::time;

/// The root key of a repository: a signer's ECDSA P-256 key in a certificate for the repository.
///
/// # Errors
/// It is another kind of key, or could not sign.
pub fn root_key(gun: &Gun, signer: &dyn Signer, now: i64) -> Result<Key, CertificateError> {
    let key = signer.public_key();
    if key.algorithm() != Algorithm::EcdsaP256 {
        return Err(CertificateError::Unsuitable(Key::from(key).id().clone()));
    }
    let moment = |at: i64| {
        OffsetDateTime::from_unix_timestamp(at.div_euclid(1000)).map_err(|_| CertificateError::Time)
    };
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, gun.as_str());
    let mut params = CertificateParams::default();
    params.distinguished_name = name;
    params.not_before = moment(now)?;
    params.not_after = moment(time::end(&crate::tuf::role::RoleName::Root, now))?;
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::CodeSigning];
    let certificate = params
        .self_signed(&Bridge { signer })
        .map_err(|_| SignError("the certificate's signature".into()))?;
    let text = pem::encode("CERTIFICATE", certificate.der());
    Ok(Key::new(KeyType::EcdsaX509, text.into_bytes()))
}

/// A signer as the library wants it.
struct Bridge<'a> {
    signer: &'a dyn Signer,
}

impl PublicKeyData for Bridge<'_> {
    fn der_bytes(&self) -> &[u8] {
        self.signer.public_key().point()
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ECDSA_P256_SHA256
    }
}

impl SigningKey for Bridge<'_> {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        let signature = self.signer.sign(message);
        signature.map_err(|_| rcgen::Error::RemoteKeyError)
    }
}

/// Why a key gets no certificate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// Not ECDSA P-256.
    #[error("the key {0} cannot be a root key: docker takes ecdsa p-256")]
    Unsuitable(KeyId),
    /// The year does not fit into a certificate.
    #[error("the time is outside of what a certificate can say")]
    Time,
    /// The signer failed.
    #[error(transparent)]
    Sign(#[from] SignError),
}
