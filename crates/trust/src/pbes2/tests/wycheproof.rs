//! Every case of Project Wycheproof for PBES2 and PBKDF2. Passwords are texts here: cases whose password is none cannot be asked about,
//! and are counted. There are no cases for scrypt; RFC 7914's are with `stretch`.

use std::num::NonZeroU32;

use aws_lc_rs::pbkdf2::{
    self, PBKDF2_HMAC_SHA1, PBKDF2_HMAC_SHA256, PBKDF2_HMAC_SHA384, PBKDF2_HMAC_SHA512,
};
use secrecy::{ExposeSecret as _, SecretString};
use wycheproof::pbes2::{TestName, TestSet};
use wycheproof::pbkdf2 as vectors;

use crate::pbes2::{Derivation, Pbes2Error, ROUNDS_MAX, open};

/// A function's last number in `1.2.840.113549.2`, and the cipher's in `2.16.840.1.101.3.4.1`.
const PBES2_SETS: [(TestName, u8, u8); 15] = [
    (TestName::PbeWithHmacSha1AndAes128, 7, 2),
    (TestName::PbeWithHmacSha1AndAes192, 7, 22),
    (TestName::PbeWithHmacSha1AndAes256, 7, 42),
    (TestName::PbeWithHmacSha224AndAes128, 8, 2),
    (TestName::PbeWithHmacSha224AndAes192, 8, 22),
    (TestName::PbeWithHmacSha224AndAes256, 8, 42),
    (TestName::PbeWithHmacSha256AndAes128, 9, 2),
    (TestName::PbeWithHmacSha256AndAes192, 9, 22),
    (TestName::PbeWithHmacSha256AndAes256, 9, 42),
    (TestName::PbeWithHmacSha384AndAes128, 10, 2),
    (TestName::PbeWithHmacSha384AndAes192, 10, 22),
    (TestName::PbeWithHmacSha384AndAes256, 10, 42),
    (TestName::PbeWithHmacSha512AndAes128, 11, 2),
    (TestName::PbeWithHmacSha512AndAes192, 11, 22),
    (TestName::PbeWithHmacSha512AndAes256, 11, 42),
];
const HMAC_SHA224: u8 = 8;

#[test]
fn sealed_files() {
    for (name, function, cipher) in PBES2_SETS {
        let set = TestSet::load(name).unwrap();
        let (mut opened, mut no_text) = (0, 0);
        for test in set.test_groups.iter().flat_map(|group| &group.tests) {
            let Some(password) = text(&test.password) else {
                no_text += 1;
                continue;
            };
            let rounds = u32::try_from(test.iteration_count).unwrap();
            let file = file(function, cipher, (&test.salt, rounds), (&test.iv, &test.ct));
            let plain = open(&file, &password);
            if function == HMAC_SHA224 {
                let named = "1.2.840.113549.2.8".to_owned();
                assert_eq!(plain.unwrap_err(), Pbes2Error::Unsupported(named));
            } else {
                let plain =
                    plain.unwrap_or_else(|error| panic!("{name:?} {}: {error}", test.tc_id));
                assert_eq!(
                    plain.expose_secret(),
                    &**test.msg,
                    "{name:?} {}",
                    test.tc_id
                );
            }
            opened += 1;
        }
        assert_eq!((opened, no_text), (63, 21), "{name:?}");
    }
}

#[test]
fn derived_keys() {
    for (name, prf, counts) in [
        (
            vectors::TestName::Pbkdf2HmacSha1,
            PBKDF2_HMAC_SHA1,
            (46, 17, 1),
        ),
        (
            vectors::TestName::Pbkdf2HmacSha256,
            PBKDF2_HMAC_SHA256,
            (43, 17, 0),
        ),
        (
            vectors::TestName::Pbkdf2HmacSha384,
            PBKDF2_HMAC_SHA384,
            (41, 17, 0),
        ),
        (
            vectors::TestName::Pbkdf2HmacSha512,
            PBKDF2_HMAC_SHA512,
            (41, 17, 0),
        ),
    ] {
        assert_eq!(derive_all(name, prf), counts, "{name:?}");
    }
}

/// How many keys came out right, how many passwords are no text, and how many cases ask for more rounds than are made.
fn derive_all(name: vectors::TestName, prf: pbkdf2::Algorithm) -> (usize, usize, usize) {
    let set = vectors::TestSet::load(name).unwrap();
    let mut counts = (0, 0, 0);
    for test in set.test_groups.iter().flat_map(|group| &group.tests) {
        let rounds = u32::try_from(test.iteration_count).unwrap();
        if rounds > ROUNDS_MAX {
            counts.2 += 1;
            continue;
        }
        let Some(password) = text(&test.password) else {
            counts.1 += 1;
            continue;
        };
        let derivation = Derivation::Pbkdf2 {
            salt: &test.salt,
            rounds: NonZeroU32::new(rounds).unwrap(),
            prf,
        };
        let derived = derivation.derive(&password, test.dk_len).unwrap();
        assert_eq!(
            derived.expose_secret(),
            &**test.dk,
            "{name:?} {}",
            test.tc_id
        );
        counts.0 += 1;
    }
    counts
}

fn text(bytes: &[u8]) -> Option<SecretString> {
    Some(std::str::from_utf8(bytes).ok()?.into())
}

/// EncryptedPrivateKeyInfo, RFC 8018 appendix A.4.
fn file(
    function: u8,
    cipher: u8,
    (salt, rounds): (&[u8], u32),
    (iv, ct): (&[u8], &[u8]),
) -> Vec<u8> {
    let pkcs5 = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 5];
    let oid = |parts: &[&[u8]]| value(6, parts);
    let rounds = value(
        2,
        &[
            &[0],
            &rounds.to_be_bytes()[rounds.leading_zeros() as usize / 8..],
        ],
    );
    let hmac = oid(&[&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 2, function]]);
    let hmac = value(0x30, &[&hmac, &[5, 0]]);
    let parameters = value(0x30, &[&value(4, &[salt]), &rounds, &hmac]);
    let derivation = value(0x30, &[&oid(&[&pkcs5, &[12]]), &parameters]);
    let cipher = oid(&[&[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 1, cipher]]);
    let encryption = value(0x30, &[&cipher, &value(4, &[iv])]);
    let scheme = value(
        0x30,
        &[
            &oid(&[&pkcs5, &[13]]),
            &value(0x30, &[&derivation, &encryption]),
        ],
    );
    value(0x30, &[&scheme, &value(4, &[ct])])
}

fn value(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let [high, low] = u16::try_from(content.len()).unwrap().to_be_bytes();
    let length = match (high, low) {
        (0, short @ 0..=0x7f) => vec![short],
        (0, long) => vec![0x81, long],
        _ => vec![0x82, high, low],
    };
    [&[tag], length.as_slice(), content.as_slice()].concat()
}
