//! Who a certificate says signed: the name in it and who vouched for the name, and rules about both. Deliberately no
//! opinion on which names are good. Fulcio `oid-info.md` and `certificate-specification.md`; RFC 5280 4.2.1.6.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{GeneralName, ParsedExtension};

use crate::der;

/// The name in a certificate.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Identity {
    /// Who vouched for the name, usually an OpenID issuer's address.
    pub issuer: String,
    /// The name: an address of mail or of a workflow, or a user name.
    pub subject: String,
    /// What else the certificate says about how it came to be, as `source-repository-uri` and its like.
    #[serde(default)]
    pub claims: BTreeMap<String, String>,
}

/// Which identities will do: both rules must hold.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct IdentityRule {
    /// What the issuer must be.
    pub issuer: Pattern,
    /// What the name must be.
    pub subject: Pattern,
}

/// A text that must be met from its first to its last letter; `*` stands for any letters but `@`, none too. An `@` parts a workflow from
/// the branch or tag that it ran on, and those who push choose the names of branches: a branch `a@refs/tags/v1` must not be taken for a tag.
/// `*` alone is met by every text.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Pattern(String);

impl Pattern {
    /// A pattern.
    #[must_use]
    pub fn new(pattern: impl Into<String>) -> Self {
        Self(pattern.into())
    }

    /// The pattern as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the text meets it. Letters are compared as they stand; takes time in proportion to both lengths multiplied at worst.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        if self.0 == "*" {
            return true;
        }
        let (own, other) = (self.0.split('@'), text.split('@'));
        own.clone().count() == other.clone().count()
            && own.zip(other).all(|(pattern, part)| is_met(pattern, part))
    }
}

/// Whether a text meets a pattern; `*` stands for any letters.
fn is_met(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else {
        return false;
    };
    let middle: Vec<&str> = parts.collect();
    let Some((last, middle)) = middle.split_last() else {
        return rest.is_empty();
    };
    for part in middle {
        let Some((_, after)) = rest.split_once(part) else {
            return false;
        };
        rest = after;
    }
    rest.ends_with(last)
}

impl IdentityRule {
    /// A rule for one issuer and one name.
    #[must_use]
    pub fn new(issuer: impl Into<String>, subject: impl Into<String>) -> Self {
        Self {
            issuer: Pattern::new(issuer),
            subject: Pattern::new(subject),
        }
    }

    /// Whether the identity meets both rules.
    #[must_use]
    pub fn matches(&self, identity: &Identity) -> bool {
        self.issuer.matches(&identity.issuer) && self.subject.matches(&identity.subject)
    }
}

impl Identity {
    /// The identity in a certificate: exactly one name, and an issuer. Says nothing about whether to believe it.
    pub(super) fn of(certificate: &X509Certificate<'_>) -> Option<Self> {
        let names = certificate.subject_alternative_name().ok()??;
        let [name] = names.value.general_names.as_slice() else {
            return None;
        };
        let subject = match name {
            GeneralName::RFC822Name(name) | GeneralName::URI(name) => (*name).to_owned(),
            GeneralName::OtherName(oid, value) if oid.to_id_string() == USER_NAME => {
                other_name(value)?
            }
            _ => return None,
        };
        let issuer = issuer(certificate)?;
        if subject.is_empty() || issuer.is_empty() {
            return None;
        }
        let claim = |(oid, name): &(&str, &str)| {
            let value = extension(certificate, oid)?;
            Some(((*name).to_owned(), text_of_der(value)?))
        };
        Some(Self {
            issuer,
            subject,
            claims: CLAIMS.iter().filter_map(claim).collect(),
        })
    }
}

/// The issuer in its newer form, which is DER, or the older, which is the bare text. Two that differ are none.
fn issuer(certificate: &X509Certificate<'_>) -> Option<String> {
    let newer = extension(certificate, ISSUER).map(text_of_der);
    let older = extension(certificate, ISSUER_BARE)
        .map(|value| std::str::from_utf8(value).ok().map(str::to_owned));
    match (newer, older) {
        (Some(newer), Some(older)) => (newer == older).then_some(newer?),
        (Some(one), None) | (None, Some(one)) => one,
        (None, None) => None,
    }
}

fn extension<'a>(certificate: &'a X509Certificate<'_>, oid: &str) -> Option<&'a [u8]> {
    let mut found = certificate
        .extensions()
        .iter()
        .filter(|extension| extension.oid.to_id_string() == oid);
    match (found.next(), found.next()) {
        (Some(one), None) => match one.parsed_extension() {
            ParsedExtension::ParseError { .. } => None,
            _ => Some(one.value),
        },
        _ => None,
    }
}

/// A UTF8String and nothing after it.
fn text_of_der(bytes: &[u8]) -> Option<String> {
    let (UTF8_STRING, text, []) = der::long_element(bytes)? else {
        return None;
    };
    std::str::from_utf8(text).ok().map(str::to_owned)
}

/// The value of an OtherName: `[0] EXPLICIT UTF8String`, with or without its outer tag.
fn other_name(bytes: &[u8]) -> Option<String> {
    match der::long_element(bytes)? {
        (EXPLICIT_0, inner, []) => text_of_der(inner),
        _ => text_of_der(bytes),
    }
}

const UTF8_STRING: u8 = 0x0c;
const EXPLICIT_0: u8 = 0xa0;

const USER_NAME: &str = "1.3.6.1.4.1.57264.1.7";
const ISSUER: &str = "1.3.6.1.4.1.57264.1.8";
const ISSUER_BARE: &str = "1.3.6.1.4.1.57264.1.1";

const CLAIMS: [(&str, &str); 14] = [
    ("1.3.6.1.4.1.57264.1.9", "build-signer-uri"),
    ("1.3.6.1.4.1.57264.1.10", "build-signer-digest"),
    ("1.3.6.1.4.1.57264.1.11", "runner-environment"),
    ("1.3.6.1.4.1.57264.1.12", "source-repository-uri"),
    ("1.3.6.1.4.1.57264.1.13", "source-repository-digest"),
    ("1.3.6.1.4.1.57264.1.14", "source-repository-ref"),
    ("1.3.6.1.4.1.57264.1.15", "source-repository-identifier"),
    ("1.3.6.1.4.1.57264.1.16", "source-repository-owner-uri"),
    (
        "1.3.6.1.4.1.57264.1.17",
        "source-repository-owner-identifier",
    ),
    ("1.3.6.1.4.1.57264.1.18", "build-config-uri"),
    ("1.3.6.1.4.1.57264.1.19", "build-config-digest"),
    ("1.3.6.1.4.1.57264.1.20", "build-trigger"),
    ("1.3.6.1.4.1.57264.1.21", "run-invocation-uri"),
    (
        "1.3.6.1.4.1.57264.1.22",
        "source-repository-visibility-at-signing",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_met_as_a_whole() {
        let meets = |pattern: &str, text: &str| Pattern::new(pattern).matches(text);
        assert!(meets("a@example.com", "a@example.com"));
        assert!(!meets("a@example.com", "a@example.com.evil.org"));
        assert!(!meets("a@example.com", "xa@example.com"));
        assert!(meets(
            "https://x/*/w.yml@refs/tags/*",
            "https://x/r/w.yml@refs/tags/v1"
        ));
        assert!(!meets(
            "https://x/*/w.yml@refs/tags/*",
            "https://x/r/w.yml@refs/heads/main"
        ));
        assert!(meets("*", "") && meets("a*", "a") && meets("*a", "a"));
        assert!(!meets("a*a", "a"), "one letter does not count twice");
        assert!(!meets("", "a") && meets("", ""));
    }

    #[test]
    fn no_star_crosses_an_at_sign() {
        let meets = |pattern: &str, text: &str| Pattern::new(pattern).matches(text);
        let evil = "https://x/evil.yml@refs/heads/a@refs/tags/v1";
        for pattern in [
            "https://x/*@refs/tags/*",
            "*@refs/tags/*",
            "*@*",
            "**",
            "https://x/*",
        ] {
            assert!(!meets(pattern, evil), "{pattern}");
        }
        for pattern in ["*", "*@*@*", "https://x/*@refs/heads/*@*"] {
            assert!(meets(pattern, evil), "{pattern}");
        }
        let tag = "https://x/w.yml@refs/tags/web@1";
        assert!(meets("https://x/w.yml@refs/tags/*@*", tag));
        assert!(!meets("https://x/w.yml@refs/tags/*", tag));
        assert!(meets("*", "a@b") && meets("@", "@") && meets("*@", "a@"));
        assert!(!meets("*@", "a") && !meets("a", "a@") && !meets("", "@"));
    }
}
