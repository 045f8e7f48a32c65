//! The witness that a signature was checked. Deliberately without a public constructor and without `map`: what is
//! inside is exactly what the key signed, or was read from exactly those bytes, by this crate.

use crate::key::KeyId;

/// A value read from bytes whose signature was verified with one key. Says nothing about whether that key is trusted:
/// the caller chose the keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified<T> {
    value: T,
    key: KeyId,
}

impl<T> Verified<T> {
    pub(crate) fn new(value: T, key: KeyId) -> Self {
        Self { value, key }
    }

    /// What was signed.
    #[must_use]
    pub fn value(&self) -> &T {
        &self.value
    }

    /// The key whose signature was verified; never what the document says about its signer.
    #[must_use]
    pub fn key(&self) -> &KeyId {
        &self.key
    }

    /// Both parts; the promise ends here.
    #[must_use]
    pub fn into_parts(self) -> (T, KeyId) {
        (self.value, self.key)
    }
}
