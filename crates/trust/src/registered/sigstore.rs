//! Somebody who signs without a key of their own: the name that an authority of the trusted root puts into certificates, and who
//! vouches for the name. Deliberately no root: whose certificates are believed is the server's configuration, not the identity's.

use serde::{Deserialize, Serialize};

use super::IdentityTextError;
use crate::key::KeyId;
use crate::sigstore::{Identity, IdentityRule};

/// The longest issuer or name, in bytes.
pub(super) const SIGSTORE_PATTERN_BYTES_MAX: usize = 1024;
/// The most wildcards in each.
pub(super) const SIGSTORE_WILDCARDS_MAX: usize = 8;

/// Whose certificates are one signer's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SigstoreIdentity {
    rule: IdentityRule,
    text: String,
    id: KeyId,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    r#type: String,
    issuer: String,
    subject: String,
}

impl SigstoreIdentity {
    /// An issuer and a name, each exactly or with `*` for any letters but `@`.
    pub fn new(issuer: &str, subject: &str) -> Result<Self, IdentityTextError> {
        for (part, text) in [("issuer", issuer), ("subject", subject)] {
            check(part, text)?;
        }
        let wire = Wire {
            r#type: TYPE.to_owned(),
            issuer: issuer.to_owned(),
            subject: subject.to_owned(),
        };
        let text = super::to_line(&wire);
        Ok(Self {
            rule: IdentityRule::new(issuer, subject),
            id: KeyId::of(text.as_bytes()),
            text,
        })
    }

    /// Reads [`SigstoreIdentity::to_text`] back, and no other spelling of it.
    pub(super) fn parse(text: &str) -> Result<Self, IdentityTextError> {
        let new = |wire: Wire| Self::new(&wire.issuer, &wire.subject);
        super::from_line(text, new, Self::to_text)
    }

    /// Its name everywhere: the SHA-256 of its text.
    #[must_use]
    pub fn id(&self) -> &KeyId {
        &self.id
    }

    /// One line of JSON: `{"type":"sigstore-identity","issuer":"…","subject":"…"}`.
    #[must_use]
    pub fn to_text(&self) -> &str {
        &self.text
    }

    /// Who is meant.
    #[must_use]
    pub fn rule(&self) -> &IdentityRule {
        &self.rule
    }

    /// Whether a certificate that was believed is this signer's.
    #[must_use]
    pub fn matches(&self, identity: &Identity) -> bool {
        self.rule.matches(identity)
    }

    /// How closely it is described: an exact name before one with wildcards, and then the longer one. Where several fit, the highest
    /// is meant.
    #[must_use]
    pub fn closeness(&self) -> (bool, usize) {
        let texts = [self.rule.issuer.as_str(), self.rule.subject.as_str()];
        let is_exact = texts.iter().all(|text| !text.contains('*'));
        let letters = texts.iter().map(|text| text.replace('*', "").len()).sum();
        (is_exact, letters)
    }
}

fn check(part: &'static str, text: &str) -> Result<(), IdentityTextError> {
    let wildcards = text.matches('*').count();
    // Everybody whom an issuer knows, or whom any issuer knows, is not one signer.
    let says_something = text.bytes().any(|b| b.is_ascii_alphanumeric());
    let is_plain = !text.chars().any(|c| c.is_control() || c.is_whitespace());
    let is_short = text.len() <= SIGSTORE_PATTERN_BYTES_MAX && wildcards <= SIGSTORE_WILDCARDS_MAX;
    match says_something && is_plain && is_short {
        true => Ok(()),
        false => Err(IdentityTextError::Pattern { part }),
    }
}

pub(super) const TYPE: &str = "sigstore-identity";
