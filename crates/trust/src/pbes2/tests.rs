//! What a file asks for is bounded before it is done, and its parts have to fit together.

mod wycheproof;

use super::*;
use crate::pem;
use crate::testing::openssl;

/// A value's bytes in a file of openssl, replaced by others of the same length.
fn changed(name: &str, from: &[u8], to: &[u8]) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut der = pem::decode(&openssl(name), &["ENCRYPTED PRIVATE KEY"]).unwrap();
    let at = der.windows(from.len()).position(|part| part == from);
    let at = at.unwrap_or_else(|| panic!("{name} holds no {from:02x?}"));
    der[at..at + to.len()].copy_from_slice(to);
    der
}

fn refused(der: &[u8]) -> Pbes2Error {
    open(der, &"hunter2".into()).unwrap_err()
}

#[test]
fn what_costs_too_much_is_refused_before_it_costs() {
    // Salt of 8 bytes, then the number of rounds.
    let rounds = changed("aes-256.pem", &[2, 2, 8, 0, 0x30], &[2, 2, 0, 0, 0x30]);
    assert_eq!(refused(&rounds), Pbes2Error::Damaged, "no rounds at all");
    // N = 16384; what is no power of two is none.
    for (n, bytes) in [(0x7fff, [2, 2, 0x7f, 0xff]), (0x4001, [2, 2, 0x40, 1])] {
        let der = changed("scrypt.pem", &[2, 2, 0x40, 0], &bytes);
        assert_eq!(refused(&der), Pbes2Error::Scrypt { n, r: 8, p: 1 });
    }
    let der = changed("scrypt.pem", &[2, 1, 8, 2, 1, 1], &[2, 1, 0x7f, 2, 1, 9]);
    let cost = Pbes2Error::Scrypt {
        n: 16_384,
        r: 0x7f,
        p: 9,
    };
    assert_eq!(refused(&der), cost);
}

#[test]
fn parts_that_do_not_fit_are_damage() {
    let der = pem::decode(&openssl("aes-256.pem"), &["ENCRYPTED PRIVATE KEY"]).unwrap();
    assert_eq!(refused(&[]), Pbes2Error::Damaged);
    assert_eq!(refused(&der[..der.len() - 1]), Pbes2Error::Damaged);
    let behind = [der.as_slice(), &[0]].concat();
    assert_eq!(refused(&behind), Pbes2Error::Damaged);
    // A function that nobody knows: 1.2.840.113549.2.8.
    let other = changed(
        "aes-256.pem",
        &[0xf7, 0x0d, 2, 9, 5, 0],
        &[0xf7, 0x0d, 2, 8, 5, 0],
    );
    let named = Pbes2Error::Unsupported("1.2.840.113549.2.8".to_owned());
    assert_eq!(refused(&other), named);
}

#[test]
fn what_is_sealed_opens_and_is_never_alike() {
    for prf in [Prf::Dockers, Prf::Sha256] {
        let sealed = || seal(b"a secret", &"p".into(), prf).unwrap();
        let (one, other) = (sealed(), sealed());
        assert_ne!(one, other);
        let opened = open(&one, &"p".into()).unwrap();
        assert_eq!(opened.expose_secret(), b"a secret");
    }
}

proptest::proptest! {
    #[test]
    fn never_panics(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
        proptest::prop_assert!(open(&bytes, &"x".into()).is_err());
    }
}
