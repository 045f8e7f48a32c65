//! One DER element with its length: all that ECDSA signatures need. Deliberately no parser of DER.

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
