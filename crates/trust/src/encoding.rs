//! Base64 as trust documents carry it: one text for each value, nothing skipped. Deliberately no leniency: bits left
//! over, missing or extra padding, white space and mixed alphabets are all refused, so that bytes cannot be renamed.
//! RFC 4648 sections 3.5, 4 and 5.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};

/// Bytes as standard base64 with padding.
pub(crate) fn to_base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Standard alphabet, canonical padding.
pub(crate) fn from_base64(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

/// Either alphabet, canonical padding: DSSE envelope "parsing" and the protobuf JSON mapping ask readers to take both.
pub(crate) fn from_either_base64(text: &str) -> Option<Vec<u8>> {
    STANDARD
        .decode(text)
        .or_else(|_| URL_SAFE.decode(text))
        .ok()
}

/// Bytes as URL-safe base64 without padding, for texts that travel in headers.
pub(crate) fn to_base64url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The reverse of [`to_base64url`].
pub(crate) fn from_base64url(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_value_has_one_text() {
        assert_eq!(from_base64("/+8="), Some(vec![0xff, 0xef]));
        // Left-over bits, no padding, too much padding, white space, the other alphabet.
        for malleable in ["/+9=", "/+8", "/+8==", "/+8=\n", " /+8=", "_-8="] {
            assert_eq!(from_base64(malleable), None, "{malleable:?}");
        }
    }

    #[test]
    fn alphabets_do_not_mix() {
        assert_eq!(from_either_base64("_-8="), from_either_base64("/+8="));
        assert_eq!(from_either_base64("_+8="), None);
        assert_eq!(from_either_base64("_-8"), None);
    }

    #[test]
    fn the_header_form_has_no_padding() {
        assert_eq!(to_base64url(&[0xff, 0xef]), "_-8");
        assert_eq!(from_base64url("_-8"), Some(vec![0xff, 0xef]));
        assert_eq!(from_base64url("_-8="), None);
        assert_eq!(from_base64url("_-9"), None);
    }
}
