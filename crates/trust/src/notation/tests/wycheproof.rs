//! Every case of Project Wycheproof for the six algorithms of envelopes, and for how certificates, lists and timestamps are signed. There
//! are none for RSA keys of 3072 bits with SHA-384 in PSS, nor for P-256 over SHA-384 and P-521 over SHA-256 and SHA-384.

use x509_parser::prelude::FromDer as _;
use x509_parser::x509::SubjectPublicKeyInfo;

use crate::notation::Hash;
use crate::notation::algorithm::{Key, Scheme};
use crate::testing::wycheproof::{Case, Ecdsa, Pkcs1, Pss, Set};

fn key(case: &Case) -> Option<Key> {
    let ([], info) = SubjectPublicKeyInfo::from_der(&case.key).ok()? else {
        return None;
    };
    Key::of(&info)
}

fn in_envelope(case: &Case) -> bool {
    key(case).is_some_and(|key| key.has_signed(&case.message, &case.signature))
}

fn elsewhere(oid: &str, parameters: Option<Vec<u8>>, hash: Option<Hash>, case: &Case) -> bool {
    let scheme = Scheme {
        oid: oid.to_owned(),
        parameters,
    };
    key(case).is_some_and(|key| key.has_signed_asn1(&scheme, hash, &case.message, &case.signature))
}

#[test]
fn envelopes() {
    for (set, counts) in [
        (Set::Ecdsa(Ecdsa::EcdsaSecp256r1Sha256P1363), (173, 89, 0)),
        (Set::Ecdsa(Ecdsa::EcdsaSecp384r1Sha384P1363), (193, 87, 0)),
        (Set::Ecdsa(Ecdsa::EcdsaSecp521r1Sha512P1363), (231, 87, 0)),
        (Set::Pss(Pss::RsaPss2048Sha256Mgf1SaltLen32), (63, 45, 0)),
        (Set::Pss(Pss::RsaPss4096Sha512Mgf1SaltLen64), (132, 47, 0)),
    ] {
        set.judge(counts, in_envelope);
    }
    // A key signs in one way only.
    for (set, count) in [
        (Set::Ecdsa(Ecdsa::EcdsaSecp256r1Sha512P1363), 242),
        (Set::Ecdsa(Ecdsa::EcdsaSecp384r1Sha512P1363), 230),
        (Set::Ecdsa(Ecdsa::EcdsaSecp256r1Sha256), 174),
        (Set::Pss(Pss::RsaPss2048Sha256Mgf1SaltLen0), 61),
        (Set::Pss(Pss::RsaPss2048Sha384Mgf1SaltLen48), 95),
        (Set::Pss(Pss::RsaPss3072Sha256Mgf1SaltLen32), 63),
        (Set::Pss(Pss::RsaPss4096Sha512Mgf1SaltLen32), 132),
        (Set::Pkcs1(Pkcs1::Rsa2048Sha256), 9),
        // Keys that name PSS themselves are of no kind that the specification has.
        (Set::Pss(Pss::RsaPss2048Sha256Mgf1SaltLen32WithParams), 63),
        (Set::Pss(Pss::RsaPss4096Sha512Mgf1SaltLen64WithParams), 132),
    ] {
        set.refuse(count, in_envelope);
    }
}

#[test]
fn ecdsa_of_certificates() {
    for (name, oid, counts) in [
        (Ecdsa::EcdsaSecp256r1Sha256, SHA256_ECDSA, (174, 310, 0)),
        (Ecdsa::EcdsaSecp256r1Sha512, SHA512_ECDSA, (243, 311, 0)),
        (Ecdsa::EcdsaSecp384r1Sha256, SHA256_ECDSA, (162, 310, 0)),
        (Ecdsa::EcdsaSecp384r1Sha384, SHA384_ECDSA, (194, 310, 0)),
        (Ecdsa::EcdsaSecp384r1Sha512, SHA512_ECDSA, (231, 311, 0)),
        (Ecdsa::EcdsaSecp521r1Sha512, SHA512_ECDSA, (232, 310, 0)),
    ] {
        Set::Ecdsa(name).judge(counts, |case| elsewhere(oid, None, None, case));
    }
}

#[test]
fn pkcs1_of_certificates() {
    let (sha256, sha384, sha512) = (Hash::Sha256, Hash::Sha384, Hash::Sha512);
    for (name, oid, hash, counts) in [
        (Pkcs1::Rsa2048Sha256, SHA256_RSA, sha256, (9, 249, 1)),
        (Pkcs1::Rsa3072Sha256, SHA256_RSA, sha256, (8, 250, 1)),
        (Pkcs1::Rsa4096Sha256, SHA256_RSA, sha256, (7, 250, 1)),
        (Pkcs1::Rsa8192Sha256, SHA256_RSA, sha256, (7, 250, 1)),
        (Pkcs1::Rsa2048Sha384, SHA384_RSA, sha384, (7, 250, 1)),
        (Pkcs1::Rsa3072Sha384, SHA384_RSA, sha384, (7, 251, 1)),
        (Pkcs1::Rsa4096Sha384, SHA384_RSA, sha384, (7, 251, 1)),
        (Pkcs1::Rsa8192Sha384, SHA384_RSA, sha384, (7, 251, 1)),
        (Pkcs1::Rsa2048Sha512, SHA512_RSA, sha512, (8, 250, 1)),
        (Pkcs1::Rsa3072Sha512, SHA512_RSA, sha512, (8, 251, 1)),
        (Pkcs1::Rsa4096Sha512, SHA512_RSA, sha512, (7, 251, 1)),
        (Pkcs1::Rsa8192Sha512, SHA512_RSA, sha512, (7, 251, 1)),
    ] {
        Set::Pkcs1(name).judge(counts, |case| elsewhere(oid, None, None, case));
        // A timestamp names the bare key's kind, and the hash beside it.
        Set::Pkcs1(name).judge(counts, |case| elsewhere(RSA, None, Some(hash), case));
    }
}

#[test]
fn pss_of_certificates() {
    for (name, hash, counts) in [
        (
            Pss::RsaPss2048Sha256Mgf1SaltLen32,
            Hash::Sha256,
            (63, 45, 0),
        ),
        (
            Pss::RsaPss3072Sha256Mgf1SaltLen32,
            Hash::Sha256,
            (63, 45, 0),
        ),
        (
            Pss::RsaPss4096Sha256Mgf1SaltLen32,
            Hash::Sha256,
            (63, 45, 0),
        ),
        (
            Pss::RsaPss2048Sha384Mgf1SaltLen48,
            Hash::Sha384,
            (95, 46, 0),
        ),
        (
            Pss::RsaPss4096Sha384Mgf1SaltLen48,
            Hash::Sha384,
            (95, 46, 0),
        ),
        (
            Pss::RsaPss4096Sha512Mgf1SaltLen64,
            Hash::Sha512,
            (132, 47, 0),
        ),
    ] {
        let parameters = pss_parameters(hash);
        Set::Pss(name).judge(counts, |case| {
            elsewhere(PSS, Some(parameters.clone()), None, case)
        });
        // RFC 4055 section 3.1: without parameters it is SHA-1.
        Set::Pss(name).refuse(counts.0, |case| elsewhere(PSS, None, None, case));
    }
}

/// RFC 4055 section 3.1, with a salt as long as the hash.
fn pss_parameters(hash: Hash) -> Vec<u8> {
    let (number, salt) = match hash {
        Hash::Sha256 => (1, 32),
        Hash::Sha384 => (2, 48),
        Hash::Sha512 => (3, 64),
    };
    let named = [
        &[0x30, 0x0d, 6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2][..],
        &[number, 5, 0],
    ]
    .concat();
    let mgf1 = [
        &[
            0x30, 0x1a, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 8,
        ][..],
        &named,
    ]
    .concat();
    [
        &[0x30, 0x34, 0xa0, 0x0f][..],
        &named,
        &[0xa1, 0x1c],
        &mgf1,
        &[0xa2, 3, 2, 1, salt],
    ]
    .concat()
}

const RSA: &str = "1.2.840.113549.1.1.1";
const PSS: &str = "1.2.840.113549.1.1.10";
const SHA256_RSA: &str = "1.2.840.113549.1.1.11";
const SHA384_RSA: &str = "1.2.840.113549.1.1.12";
const SHA512_RSA: &str = "1.2.840.113549.1.1.13";
const SHA256_ECDSA: &str = "1.2.840.10045.4.3.2";
const SHA384_ECDSA: &str = "1.2.840.10045.4.3.3";
const SHA512_ECDSA: &str = "1.2.840.10045.4.3.4";
