//! The number that sets one act of signing apart from the next. Deliberately not drawn here: randomness is an argument.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::excerpt::excerpt;

/// How many bytes a nonce has: enough that two draws never meet.
pub const NONCE_BYTES: usize = 16;

/// A number that its maker uses in one statement only. In JSON it has one form: 32 lower-case hex digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Nonce([u8; NONCE_BYTES]);

impl Nonce {
    /// The nonce of these bytes, which have to be random.
    #[must_use]
    pub fn new(random: [u8; NONCE_BYTES]) -> Self {
        Self(random)
    }
}

impl fmt::Display for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&hex::encode(self.0))
    }
}

impl From<Nonce> for String {
    fn from(nonce: Nonce) -> Self {
        nonce.to_string()
    }
}

impl TryFrom<String> for Nonce {
    type Error = NonceError;

    fn try_from(text: String) -> Result<Self, NonceError> {
        let mut bytes = [0; NONCE_BYTES];
        let read = hex::decode_to_slice(&text, &mut bytes).is_ok();
        if read && !text.bytes().any(|byte| byte.is_ascii_uppercase()) {
            Ok(Self(bytes))
        } else {
            Err(NonceError(excerpt(&text)))
        }
    }
}

/// A text that is not a nonce.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a nonce: it has 32 lower-case hex digits")]
pub struct NonceError(String);
