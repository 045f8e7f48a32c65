//! Notifications over HTTP: signed as Standard Webhooks says, so that receivers can use any of its libraries, and
//! delivered. Which event goes where and when it is tried again is decided elsewhere.
//! standard-webhooks specification, "Signature scheme".

mod deliver;

use aws_lc_rs::{hmac, rand};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
pub use deliver::{Deliverer, Outcome, check_url};
use secrecy::{ExposeSecret as _, SecretSlice, SecretString};

pub use crate::api::events::{CloudEvent, EventParts};

/// The header with the event's id: the same for every repeat.
pub const ID_HEADER: &str = "webhook-id";
/// The header with the time of this attempt, in seconds since the epoch.
pub const TIMESTAMP_HEADER: &str = "webhook-timestamp";
/// The header with the signatures.
pub const SIGNATURE_HEADER: &str = "webhook-signature";

/// How far a receiver lets the sender's clock be from its own, in seconds.
pub const TOLERANCE_SECONDS: i64 = 300;

const PREFIX: &str = "whsec_";
const SECRET_BYTES: usize = 32;
const SECRET_BYTES_MIN: usize = 24;
const SECRET_BYTES_MAX: usize = 64;
/// More signatures than this in one header are not looked at.
const SIGNATURES_MAX: usize = 16;

/// What sender and receiver share: 24 to 64 bytes, written `whsec_<base64>`.
#[derive(Debug, Clone)]
pub struct SigningSecret(SecretSlice<u8>);

impl SigningSecret {
    /// Reads a secret, with or without its prefix.
    pub fn parse(text: &SecretString) -> Result<Self, SecretError> {
        let text = text.expose_secret();
        let bytes = STANDARD
            .decode(text.strip_prefix(PREFIX).unwrap_or(text))
            .map_err(|_| SecretError::Encoding)?;
        Self::from_bytes(bytes.into())
    }

    /// Takes the bytes themselves.
    pub fn from_bytes(bytes: SecretSlice<u8>) -> Result<Self, SecretError> {
        let length = bytes.expose_secret().len();
        if !(SECRET_BYTES_MIN..=SECRET_BYTES_MAX).contains(&length) {
            return Err(SecretError::Length { bytes: length });
        }
        Ok(Self(bytes))
    }

    /// A new secret from the system's randomness.
    pub fn random() -> Result<Self, SecretError> {
        let mut bytes = vec![0; SECRET_BYTES];
        rand::fill(&mut bytes).map_err(|_| SecretError::Randomness)?;
        Ok(Self(bytes.into()))
    }

    /// The bytes, to be kept sealed.
    #[must_use]
    pub fn as_bytes(&self) -> &SecretSlice<u8> {
        &self.0
    }

    /// The secret as it is shown and given: `whsec_<base64>`.
    #[must_use]
    pub fn to_text(&self) -> SecretString {
        format!("{PREFIX}{}", STANDARD.encode(self.0.expose_secret())).into()
    }

    fn key(&self) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, self.0.expose_secret())
    }
}

/// The value of [`SIGNATURE_HEADER`] for a delivery: `v1,<base64>`.
#[must_use]
pub fn sign(secret: &SigningSecret, id: &str, timestamp_s: i64, body: &[u8]) -> String {
    let tag = hmac::sign(&secret.key(), &signed_content(id, timestamp_s, body));
    format!("v1,{}", STANDARD.encode(tag))
}

/// What a receiver got beside the body.
#[derive(Debug, Clone, Copy)]
pub struct Received<'a> {
    /// [`ID_HEADER`].
    pub id: &'a str,
    /// [`TIMESTAMP_HEADER`].
    pub timestamp: &'a str,
    /// [`SIGNATURE_HEADER`].
    pub signature: &'a str,
}

/// Checks a delivery as a receiver does: one of the signatures is right, and the time is near `now_s`.
pub fn verify(
    secret: &SigningSecret,
    received: &Received<'_>,
    body: &[u8],
    now_s: i64,
) -> Result<(), VerifyError> {
    let timestamp_s: i64 = received
        .timestamp
        .parse()
        .map_err(|_| VerifyError::Timestamp)?;
    let content = signed_content(received.id, timestamp_s, body);
    let key = secret.key();
    let is_right = |signature: &str| {
        let tag = signature
            .strip_prefix("v1,")
            .and_then(|text| STANDARD.decode(text).ok());
        tag.is_some_and(|tag| hmac::verify(&key, &content, &tag).is_ok())
    };
    if !received
        .signature
        .split(' ')
        .take(SIGNATURES_MAX)
        .any(is_right)
    {
        return Err(VerifyError::Signature);
    }
    if now_s.abs_diff(timestamp_s) > TOLERANCE_SECONDS.unsigned_abs() {
        return Err(VerifyError::Time { timestamp_s });
    }
    Ok(())
}

fn signed_content(id: &str, timestamp_s: i64, body: &[u8]) -> Vec<u8> {
    let mut content = format!("{id}.{timestamp_s}.").into_bytes();
    content.extend_from_slice(body);
    content
}

/// Why a text is not a webhook secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// Not base64.
    #[error("a webhook secret is `whsec_` and base64")]
    Encoding,
    /// Too short to be secret, or too long.
    #[error("a webhook secret has 24 to 64 bytes, this one has {bytes}")]
    Length {
        /// How many it has.
        bytes: usize,
    },
    /// The system gave no random bytes.
    #[error("the system gave no random bytes")]
    Randomness,
}

/// Why a delivery is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// The time is not a number.
    #[error("the delivery names no time")]
    Timestamp,
    /// No signature is right: another secret, another body, or made up.
    #[error("the delivery's signature is wrong: check the secret, and verify the body as it came")]
    Signature,
    /// Signed too long ago, or in the future: perhaps a replay.
    #[error("the delivery was signed at {timestamp_s}, too far from now")]
    Time {
        /// When it says it was signed, in seconds.
        timestamp_s: i64,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const BODY: &[u8] = br#"{"test": 2432232314}"#;
    const AT: i64 = 1_614_265_330;
    const SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

    fn secret() -> SigningSecret {
        SigningSecret::parse(&SECRET.into()).unwrap()
    }

    fn check(
        id: &str,
        timestamp: &str,
        signature: &str,
        body: &[u8],
        now_s: i64,
    ) -> Result<(), VerifyError> {
        verify(
            &secret(),
            &Received {
                id,
                timestamp,
                signature,
            },
            body,
            now_s,
        )
    }

    #[test]
    fn vector_of_the_specification() {
        assert_eq!(sign(&secret(), ID, AT, BODY), SIGNATURE);
        assert_eq!(check(ID, "1614265330", SIGNATURE, BODY, AT), Ok(()));
    }

    #[test]
    fn one_right_signature_of_several_is_enough() {
        let several = format!("v1,AAAA v1a,xyz v2,{} {SIGNATURE}", &SIGNATURE[3..]);
        assert_eq!(check(ID, "1614265330", &several, BODY, AT), Ok(()));
        let wrong_versions = format!("v2,{} {}", &SIGNATURE[3..], &SIGNATURE[3..]);
        assert_eq!(
            check(ID, "1614265330", &wrong_versions, BODY, AT),
            Err(VerifyError::Signature)
        );
        let buried = format!("{}{SIGNATURE}", "v1,AAAA ".repeat(SIGNATURES_MAX));
        assert_eq!(
            check(ID, "1614265330", &buried, BODY, AT),
            Err(VerifyError::Signature)
        );
    }

    #[test]
    fn changed_replayed_and_foreign_deliveries_are_refused() {
        assert_eq!(
            check(ID, "1614265330", SIGNATURE, b"{}", AT),
            Err(VerifyError::Signature)
        );
        assert_eq!(
            check("msg_other", "1614265330", SIGNATURE, BODY, AT),
            Err(VerifyError::Signature)
        );
        assert_eq!(
            check(ID, "1614265331", SIGNATURE, BODY, AT),
            Err(VerifyError::Signature)
        );
        assert_eq!(
            check(ID, "now", SIGNATURE, BODY, AT),
            Err(VerifyError::Timestamp)
        );
        assert_eq!(
            check(ID, "1614265330", "", BODY, AT),
            Err(VerifyError::Signature)
        );
        let late = VerifyError::Time { timestamp_s: AT };
        assert_eq!(
            check(ID, "1614265330", SIGNATURE, BODY, AT + 301),
            Err(late.clone())
        );
        assert_eq!(
            check(ID, "1614265330", SIGNATURE, BODY, AT - 301),
            Err(late)
        );
        assert_eq!(check(ID, "1614265330", SIGNATURE, BODY, AT + 300), Ok(()));
    }

    #[test]
    fn secrets() {
        let random = SigningSecret::random().unwrap();
        let again = SigningSecret::parse(&random.to_text()).unwrap();
        assert_eq!(sign(&random, "a", 1, b"x"), sign(&again, "a", 1, b"x"));
        assert_ne!(sign(&random, "a", 1, b"x"), sign(&secret(), "a", 1, b"x"));
        for (text, expected) in [
            ("whsec_!", SecretError::Encoding),
            ("whsec_c2hvcnQ=", SecretError::Length { bytes: 5 }),
            ("", SecretError::Length { bytes: 0 }),
        ] {
            assert_eq!(SigningSecret::parse(&text.into()).unwrap_err(), expected);
        }
        assert!(!format!("{random:?}").contains(&random.to_text().expose_secret()[6..]));
    }
}
