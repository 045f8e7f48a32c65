//! The one encoding of an RSA key: an id is the hash of its bytes, so whoever could write a key in two ways would have two keys. RFC 3279
//! section 2.3.1 with DER's shortest lengths and numbers, and nothing around it.

use x509_parser::prelude::{FromDer, SubjectPublicKeyInfo};
use x509_parser::public_key::PublicKey;

/// The RSAPublicKey inside of a SubjectPublicKeyInfo, if the latter is exactly what stands for it.
pub(super) fn public_key(der: &[u8]) -> Option<&[u8]> {
    let ([], info) = SubjectPublicKeyInfo::from_der(der).ok()? else {
        return None;
    };
    let PublicKey::RSA(key) = info.parsed().ok()? else {
        return None;
    };
    let inner = element(
        0x30,
        &[integer(key.modulus)?, integer(key.exponent)?].concat(),
    )?;
    let bits = element(0x03, &[&[0x00], inner.as_slice()].concat())?;
    let whole = element(0x30, &[RSA_ENCRYPTION.as_slice(), &bits].concat())?;
    let at = der.len().checked_sub(inner.len())?;
    (whole == der).then(|| der.get(at..)).flatten()
}

/// A positive number, with a zero before it where the first bit would make it negative.
fn integer(number: &[u8]) -> Option<Vec<u8>> {
    let digits = crate::der::trimmed(number);
    let sign: &[u8] = if *digits.first()? >= 0x80 { &[0] } else { &[] };
    element(0x02, &[sign, digits].concat())
}

fn element(tag: u8, content: &[u8]) -> Option<Vec<u8>> {
    let length = u32::try_from(content.len()).ok()?.to_be_bytes();
    let digits = crate::der::trimmed(&length);
    let header = match digits {
        [] => vec![tag, 0],
        [short] if *short < 0x80 => vec![tag, *short],
        long => [&[tag, 0x80 | u8::try_from(long.len()).ok()?], long].concat(),
    };
    Some([header.as_slice(), content].concat())
}

/// The algorithm with its NULL.
const RSA_ENCRYPTION: [u8; 15] = [
    0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00,
];

#[cfg(test)]
mod tests {
    use super::*;

    /// A key of 2048 bits that nobody has, in its one encoding.
    fn key() -> Vec<u8> {
        let modulus = [vec![0xc5], vec![0x35; 255]].concat();
        let inner = [integer(&modulus).unwrap(), integer(&[1, 0, 1]).unwrap()].concat();
        around(&element(0x30, &inner).unwrap(), &RSA_ENCRYPTION)
    }

    fn around(inner: &[u8], algorithm: &[u8]) -> Vec<u8> {
        let bits = element(0x03, &[&[0], inner].concat()).unwrap();
        element(0x30, &[algorithm, bits.as_slice()].concat()).unwrap()
    }

    #[test]
    fn a_key_has_one_encoding() {
        let der = key();
        let inner = public_key(&der).unwrap();
        assert_eq!(around(inner, &RSA_ENCRYPTION), der);

        let no_null = [
            0x30, 0x0b, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01,
        ];
        let other = [
            0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a, 0x05,
            0x00,
        ];
        let (modulus, exponent) = ([0xc5; 256], [1, 0, 1]);
        let zeros = element(0x02, &[&[0, 0], modulus.as_slice()].concat()).unwrap();
        let zeros = element(0x30, &[zeros, integer(&exponent).unwrap()].concat()).unwrap();
        for (what, der) in [
            ("without NULL", around(inner, &no_null)),
            ("another algorithm", around(inner, &other)),
            ("a byte after it", [der.as_slice(), &[0]].concat()),
            (
                "a byte after the numbers",
                around(&[inner, &[0]].concat(), &RSA_ENCRYPTION),
            ),
            ("a key inside of a key", around(&der, &RSA_ENCRYPTION)),
            ("zeros before a number", around(&zeros, &RSA_ENCRYPTION)),
            ("the numbers alone", inner.to_vec()),
            ("nothing", Vec::new()),
        ] {
            assert_eq!(public_key(&der), None, "{what}");
        }
    }

    #[test]
    fn lengths_are_the_shortest() {
        let header = |length: usize| {
            let whole = element(0x04, &vec![7; length]).unwrap();
            whole[..whole.len() - length].to_vec()
        };
        assert_eq!(header(0), [4, 0]);
        assert_eq!(header(127), [4, 127]);
        assert_eq!(header(128), [4, 0x81, 128]);
        assert_eq!(header(256), [4, 0x82, 1, 0]);
    }
}
