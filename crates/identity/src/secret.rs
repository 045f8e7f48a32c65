//! Secrets of our own making: tokens and generated passwords. Random letters and digits, so that they survive any shell
//! and any header.

use aws_lc_rs::{digest, rand};
use secrecy::{ExposeSecret as _, SecretString};

use crate::error::broken;

/// What every token begins with, so that people and scanners recognise one.
const PREFIX: &str = "cst_";
/// 43 of 62 characters hold 256 bits.
const TOKEN_CHARACTERS: usize = 43;
/// 24 of 62 characters hold 142 bits.
const PASSWORD_CHARACTERS: usize = 24;
const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// A new token.
pub(crate) fn token() -> Result<SecretString, store::Error> {
    Ok(format!("{PREFIX}{}", random_text(TOKEN_CHARACTERS)?).into())
}

/// A new password for someone who gave none.
pub(crate) fn password() -> Result<SecretString, store::Error> {
    random_text(PASSWORD_CHARACTERS).map(SecretString::from)
}

/// Whether it has the form of a token; a password never has.
pub(crate) fn is_token(secret: &SecretString) -> bool {
    secret.expose_secret().starts_with(PREFIX)
}

/// Under what a token is kept: the SHA-256 of its text, in lower-case hexadecimal. It has nothing to guess, so one round
/// is enough.
pub(crate) fn token_hash(token: &SecretString) -> String {
    hex::encode(digest::digest(
        &digest::SHA256,
        token.expose_secret().as_bytes(),
    ))
}

/// Evenly distributed letters and digits.
fn random_text(length: usize) -> Result<String, store::Error> {
    let mut text = String::with_capacity(length);
    let mut bytes = [0; 64];
    while text.len() < length {
        rand::fill(&mut bytes).map_err(|error| broken("making random bytes", &error))?;
        // 248 is the largest multiple of 62 in a byte: bytes from there on would favour the first letters.
        let even = bytes.iter().filter(|byte| **byte < 248);
        let letters = even.filter_map(|byte| ALPHABET.get(usize::from(*byte) % ALPHABET.len()));
        text.extend(
            letters
                .take(length - text.len())
                .map(|letter| char::from(*letter)),
        );
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn tokens_are_recognised_and_differ() {
        let tokens: BTreeSet<String> = (0..50)
            .map(|_| token().unwrap().expose_secret().to_owned())
            .collect();
        assert_eq!(tokens.len(), 50);
        for text in &tokens {
            assert_eq!(text.len(), 4 + 43);
            assert!(
                text[4..].bytes().all(|byte| byte.is_ascii_alphanumeric()),
                "{text}"
            );
            assert!(is_token(&text.as_str().into()));
        }
        assert!(!is_token(&password().unwrap()));
    }

    #[test]
    fn every_letter_is_drawn() {
        let text = random_text(20_000).unwrap();
        let drawn: BTreeSet<u8> = text.bytes().collect();
        assert_eq!(drawn.len(), 62);
        let of_first = text.bytes().filter(|byte| *byte == b'A').count();
        // 20,000 / 62 = 323; a draw without rejection would give 391.
        assert!((230..370).contains(&of_first), "{of_first}");
    }

    #[test]
    fn hash_is_that_of_the_text() {
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(token_hash(&"abc".into()), expected);
    }
}
