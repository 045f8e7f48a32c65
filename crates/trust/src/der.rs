//! One DER element with its length: all that ECDSA signatures and the texts in certificates need. Deliberately no parser
//! of DER.

/// The element that the bytes begin with, if its length is below 128: its tag, its content, and what follows.
pub(crate) fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[tag, length], rest) = bytes.split_first_chunk()?;
    if length >= 0x80 {
        return None;
    }
    let (content, rest) = rest.split_at_checked(usize::from(length))?;
    Some((tag, content, rest))
}

/// The two numbers of an ECDSA signature, `SEQUENCE { r INTEGER, s INTEGER }` of RFC 3279, as they stand there.
pub(crate) fn ecdsa_numbers(signature: &[u8]) -> Option<(&[u8], &[u8])> {
    let (0x30, body, []) = element(signature)? else {
        return None;
    };
    let (0x02, r, rest) = element(body)? else {
        return None;
    };
    let (0x02, s, []) = element(rest)? else {
        return None;
    };
    Some((r, s))
}

/// An ECDSA signature in ASN.1 DER from r and s of equal length one behind the other, as tokens give it (PKCS #11 version
/// 2.40 section 2.3.1). `None` if the bytes are of no curve that is used here.
#[must_use]
pub fn ecdsa_signature(raw: &[u8]) -> Option<Vec<u8>> {
    if !matches!(raw.len(), 64 | 96) {
        return None;
    }
    let (r, s) = raw.split_at(raw.len() / 2);
    let numbers = [integer(r)?, integer(s)?].concat();
    let length = u8::try_from(numbers.len())
        .ok()
        .filter(|length| *length < 0x80)?;
    Some([&[0x30, length], numbers.as_slice()].concat())
}

/// A number that is not negative.
fn integer(number: &[u8]) -> Option<Vec<u8>> {
    let bare = trimmed(number);
    let sign: &[u8] = match bare.first() {
        Some(0..=0x7f) => &[],
        _ => &[0],
    };
    let length = u8::try_from(sign.len() + bare.len()).ok()?;
    Some([&[0x02, length], sign, bare].concat())
}

/// A number without leading zeros.
pub(crate) fn trimmed(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    number.get(zeros..).unwrap_or_default()
}

/// The element that the bytes begin with, of any length that fits in two bytes more, as DER has it: its tag, its content,
/// and what follows.
pub(crate) fn long_element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[tag, first], rest) = bytes.split_first_chunk()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81 => {
            let (&[length], rest) = rest.split_first_chunk()?;
            (usize::from(length), rest)
        }
        0x82 => {
            let (&[high, low], rest) = rest.split_first_chunk()?;
            (usize::from(u16::from_be_bytes([high, low])), rest)
        }
        _ => return None,
    };
    let shortest = match first {
        0x81 => length > 0x7f,
        0x82 => length > 0xff,
        _ => true,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    shortest.then_some((tag, content, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_one_behind_the_other_become_a_signature() {
        let mut raw = [0; 64];
        (raw[31], raw[32], raw[63]) = (1, 0x80, 7);
        let der = ecdsa_signature(&raw).unwrap();
        let (r, s) = ecdsa_numbers(&der).unwrap();
        assert_eq!(r, [1]);
        assert_eq!((s.len(), s[0], s[1], s[32]), (33, 0, 0x80, 7));
        // Nothing at all is a number too.
        assert_eq!(
            ecdsa_signature(&[0; 64]).unwrap(),
            [0x30, 6, 2, 1, 0, 2, 1, 0]
        );
        for length in [0, 63, 65, 132] {
            assert_eq!(ecdsa_signature(&vec![1; length]), None);
        }
    }
}
