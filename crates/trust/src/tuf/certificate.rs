//! Certificates around keys. A root key is only taken with a certificate for the repository's name, because that is how
//! docker and notary take it. Deliberately no chains of trust: certificates above the key's own are carried along, and
//! whom to believe is settled by the root before, by a pin or by the first use.

use std::str;

use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

use super::gun::Gun;
use super::key::Key;
use super::material::Material;
use super::problem::CertificateFault;
use super::time::DAY;
use crate::excerpt::excerpt;
use crate::pem;

/// The most certificates around one key.
const CHAIN_MAX: usize = 10;
const END: &str = "-----END CERTIFICATE-----";

/// The first certificate of a key's PEM text, which is the key's own.
pub(super) fn first_public_key(public: &[u8]) -> Option<Vec<u8>> {
    let first = blocks(public)?.into_iter().next()?;
    let certificate = read(&first)?;
    Some(certificate.public_key().raw.to_vec())
}

/// Whether a key may be a root key of a repository. `now` is left out for roots that were believed before: their certificates may
/// have ended since.
pub(super) fn check_root_key(
    key: &Key,
    gun: &Gun,
    now: Option<i64>,
) -> Result<(), CertificateFault> {
    if !key.keytype().is_certificate() {
        return Err(CertificateFault::NoCertificate);
    }
    let blocks = blocks(key.public()).ok_or(CertificateFault::Unreadable)?;
    let chain: Option<Vec<X509Certificate<'_>>> = blocks.iter().map(|der| read(der)).collect();
    let chain = chain.ok_or(CertificateFault::Unreadable)?;
    let (own, above) = chain.split_first().ok_or(CertificateFault::Unreadable)?;
    if own.is_ca() || !above.iter().all(|certificate| certificate.is_ca()) {
        return Err(CertificateFault::Chain);
    }
    check_name(own, gun)?;
    check_validity(own, now)?;
    let algorithm = own.signature_algorithm.oid().to_id_string();
    if SHA1.contains(&algorithm.as_str()) {
        return Err(CertificateFault::Sha1);
    }
    match Material::of(key) {
        Some(_) => Ok(()),
        None => Err(CertificateFault::Key),
    }
}

/// The name is the repository's, or ends in `*` and the repository's begins like it.
fn check_name(certificate: &X509Certificate<'_>, gun: &Gun) -> Result<(), CertificateFault> {
    let mut names = certificate.subject().iter_common_name();
    let (Some(name), None) = (names.next(), names.next()) else {
        return Err(CertificateFault::Name(String::new()));
    };
    let name = name.as_str().unwrap_or_default();
    let matches = match name.strip_suffix('*') {
        Some(prefix) => gun.as_str().starts_with(prefix.trim_end_matches('*')),
        None => name == gun.as_str(),
    };
    if matches {
        Ok(())
    } else {
        Err(CertificateFault::Name(excerpt(name)))
    }
}

/// A certificate may begin up to a day ahead, for clocks that differ.
fn check_validity(
    certificate: &X509Certificate<'_>,
    now: Option<i64>,
) -> Result<(), CertificateFault> {
    let validity = certificate.validity();
    let milliseconds = |seconds: i64| seconds.saturating_mul(1000);
    let begins = milliseconds(validity.not_before.timestamp());
    let ends = milliseconds(validity.not_after.timestamp());
    let holds = |now: i64| begins <= now.saturating_add(DAY) && now <= ends;
    if begins <= ends && now.is_none_or(holds) {
        Ok(())
    } else {
        Err(CertificateFault::Expired)
    }
}

fn read(der: &[u8]) -> Option<X509Certificate<'_>> {
    match X509Certificate::from_der(der) {
        Ok(([], certificate)) => Some(certificate),
        _ => None,
    }
}

fn blocks(public: &[u8]) -> Option<Vec<Vec<u8>>> {
    let text = str::from_utf8(public).ok()?;
    let texts: Vec<&str> = text
        .split_inclusive(END)
        .filter(|block| !block.trim().is_empty())
        .collect();
    if texts.len() > CHAIN_MAX {
        return None;
    }
    let ders = texts
        .iter()
        .map(|block| pem::decode(block, &["CERTIFICATE"]).ok());
    ders.collect()
}

/// `sha1WithRSAEncryption`, the same in OIW's list, `ecdsa-with-SHA1`, `dsa-with-sha1`.
const SHA1: [&str; 4] = [
    "1.2.840.113549.1.1.5",
    "1.3.14.3.2.29",
    "1.2.840.10045.4.1",
    "1.2.840.10040.4.3",
];

#[cfg(test)]
mod tests;
