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
