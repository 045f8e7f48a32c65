//! Natural numbers of any length, as versions write them.
//!
//! Dates, hashes and build counters overflow every machine integer, so the digits themselves are
//! compared. Not a number type: there is no arithmetic.

use std::cmp::Ordering;

/// A run of ASCII digits without its leading zeros; the empty run is zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Natural<'a>(&'a [u8]);

impl<'a> Natural<'a> {
    /// The value that `digits` write; the caller passes ASCII digits only.
    pub(super) fn new(digits: &'a [u8]) -> Self {
        let zeros = digits.iter().take_while(|digit| **digit == b'0').count();
        Self(digits.get(zeros..).unwrap_or_default())
    }

    /// Zero.
    pub(super) const ZERO: Natural<'static> = Natural(b"");

    /// Whether the value is zero.
    pub(super) fn is_zero(self) -> bool {
        self.0.is_empty()
    }
}

impl Ord for Natural<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0
            .len()
            .cmp(&other.0.len())
            .then_with(|| self.0.cmp(other.0))
    }
}

impl PartialOrd for Natural<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Splits `text` after its leading ASCII digits.
pub(super) fn split_digits(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text
        .iter()
        .position(|byte| !byte.is_ascii_digit())
        .unwrap_or(text.len());
    text.split_at(end)
}

/// Splits `text` before its first ASCII digit.
pub(super) fn split_text(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text
        .iter()
        .position(u8::is_ascii_digit)
        .unwrap_or(text.len());
    text.split_at(end)
}
