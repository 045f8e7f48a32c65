//! Distinguished names: of certificates, and those that a trust policy lists as trusted identities. Deliberately no patterns and no
//! other letter case: values are compared as they stand. trust-store-trust-policy "Trusted Identities Constraints".

use std::fmt;

use x509_parser::x509::X509Name;

use crate::excerpt::excerpt;

/// The longest identity that is read, in bytes.
pub const IDENTITY_BYTES_MAX: usize = 4096;

/// The name of a certificate's subject, its attributes in the order of the certificate.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name {
    attributes: Vec<(String, String)>,
}

impl Name {
    pub(super) fn of(name: &X509Name<'_>) -> Self {
        let attributes = name.iter_attributes().map(|attribute| {
            let oid = attribute.attr_type().to_id_string();
            let short = TYPES.iter().find(|(_, known)| *known == oid);
            let kind = short.map_or(oid.clone(), |(short, _)| (*short).to_owned());
            // A value that is no text never equals one: a text that begins with `#` is written with `\#`.
            let value = attribute.as_str().map_or_else(
                |_| format!("#{}", hex::encode(attribute.as_slice())),
                escaped,
            );
            (kind, value)
        });
        Self {
            attributes: attributes.collect(),
        }
    }

    /// Shortened, for messages.
    pub(crate) fn to_excerpt(&self) -> String {
        excerpt(&self.to_string())
    }
}

/// As it may stand behind `x509.subject: `, such as `C=US, ST=WA, O=wabbit-networks.io`.
impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (kind, value)) in self.attributes.iter().enumerate() {
            let comma = if at == 0 { "" } else { ", " };
            write!(f, "{comma}{kind}={value}")?;
        }
        Ok(())
    }
}

/// Whom a trust policy trusts among those that an authority issued certificates to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrustedIdentity {
    /// `*`: everybody.
    Everybody,
    /// `x509.subject: …`: subjects with these attributes, whatever else they have.
    Subject(Subject),
}

/// As [`TrustedIdentity::parse`] reads it, in one spelling: short names in capitals, a comma and a space between.
impl fmt::Display for TrustedIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Subject(Subject { attributes }) = self else {
            return f.write_str("*");
        };
        f.write_str(PREFIX)?;
        for (at, (kind, value)) in attributes.iter().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            write!(f, "{comma} {kind}={value}")?;
        }
        Ok(())
    }
}

/// Attributes that a subject must have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    attributes: Vec<(String, String)>,
}

impl TrustedIdentity {
    /// Reads `*` or `x509.subject: C=…, ST=…, O=…`.
    pub fn parse(text: &str) -> Result<Self, IdentityError> {
        if text == "*" {
            return Ok(Self::Everybody);
        }
        let quoted = || excerpt(text);
        if text.len() > IDENTITY_BYTES_MAX {
            return Err(IdentityError::Size { bytes: text.len() });
        }
        let name = text
            .strip_prefix(PREFIX)
            .ok_or_else(|| IdentityError::Kind(quoted()))?;
        let mut attributes: Vec<(String, String)> = Vec::new();
        for part in split(name).ok_or_else(|| IdentityError::Form(quoted()))? {
            let (kind, value) = attribute(&part).ok_or_else(|| IdentityError::Form(quoted()))?;
            if attributes.iter().any(|(other, _)| *other == kind) {
                return Err(IdentityError::Twice {
                    kind,
                    text: quoted(),
                });
            }
            attributes.push((kind, value));
        }
        let has = |wanted: &str| attributes.iter().any(|(kind, _)| kind == wanted);
        // Country, state and organisation are REQUIRED.
        if let Some(missing) = ["C", "ST", "O"].into_iter().find(|kind| !has(kind)) {
            return Err(IdentityError::Missing {
                kind: missing,
                text: quoted(),
            });
        }
        Ok(Self::Subject(Subject { attributes }))
    }

    /// Whether a certificate's subject is meant.
    #[must_use]
    pub fn matches(&self, name: &Name) -> bool {
        match self {
            Self::Everybody => true,
            Self::Subject(subject) => subject.matches(name),
        }
    }

    /// How many attributes it lists.
    pub(crate) fn attributes(&self) -> usize {
        match self {
            Self::Everybody => 0,
            Self::Subject(subject) => subject.attributes.len(),
        }
    }

    /// Whether whoever is meant by one of the two is meant by the other too: one lists all that the other lists.
    pub(super) fn overlaps(&self, other: &Self) -> bool {
        let (Self::Subject(one), Self::Subject(two)) = (self, other) else {
            return true;
        };
        one.is_within(two) || two.is_within(one)
    }
}

impl Subject {
    /// An attribute that the subject has twice matches nothing: which of the two is meant cannot be known.
    fn matches(&self, name: &Name) -> bool {
        self.attributes.iter().all(|(kind, value)| {
            let mut found = name.attributes.iter().filter(|(other, _)| other == kind);
            matches!((found.next(), found.next()), (Some((_, only)), None) if only == value)
        })
    }

    fn is_within(&self, other: &Self) -> bool {
        self.attributes
            .iter()
            .all(|attribute| other.attributes.contains(attribute))
    }
}

/// The parts between commas that are not escaped, escapes kept.
fn split(name: &str) -> Option<Vec<String>> {
    let mut parts = vec![String::new()];
    let mut is_escaped = false;
    for c in name.chars() {
        let part = parts.last_mut()?;
        match c {
            _ if is_escaped => {
                is_escaped = false;
                part.push(c);
            }
            '\\' => {
                is_escaped = true;
                part.push(c);
            }
            ',' => parts.push(String::new()),
            // Names of several attributes at one level are not supported, and these must be escaped.
            '+' | ';' | '"' | '<' | '>' => return None,
            _ => part.push(c),
        }
    }
    (!is_escaped).then_some(parts)
}

/// `TYPE=value`; the value as [`escaped`] writes it.
fn attribute(part: &str) -> Option<(String, String)> {
    let (kind, value) = part.split_once('=')?;
    let kind = kind.trim().to_ascii_uppercase();
    let kind = if kind == "S" { "ST".to_owned() } else { kind };
    let known = TYPES.iter().any(|(short, _)| *short == kind);
    let value = unescaped(value)?;
    (known && !value.is_empty()).then(|| (kind, escaped(&value)))
}

/// The value without its escapes and without the spaces around it that are not escaped.
fn unescaped(text: &str) -> Option<String> {
    let mut value = String::new();
    // Up to where the value surely goes: spaces behind it are dropped.
    let mut kept = 0;
    let mut chars = text.trim_start_matches(' ').chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            value.push(c);
            if c != ' ' {
                kept = value.len();
            }
            continue;
        }
        let next = chars.next()?;
        // Any character may be escaped by itself; pairs of hexadecimal digits (RFC 4514, 2.4) would be a second spelling.
        if next.is_ascii_alphanumeric() {
            return None;
        }
        value.push(next);
        kept = value.len();
    }
    value.truncate(kept);
    Some(value)
}

fn escaped(value: &str) -> String {
    let mut text = String::new();
    let last = value.chars().count().saturating_sub(1);
    for (at, c) in value.chars().enumerate() {
        let at_edge = c == ' ' && (at == 0 || at == last);
        let special = matches!(c, ',' | ';' | '\\' | '+' | '"' | '<' | '>');
        if at_edge || special || (c == '#' && at == 0) {
            text.push('\\');
        }
        text.push(c);
    }
    text
}

/// Why a text is not a trusted identity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// Too long.
    #[error("limit exceeded: a trusted identity of {bytes} bytes, at most {max} are read", max = IDENTITY_BYTES_MAX)]
    Size {
        /// Its length in bytes.
        bytes: usize,
    },
    /// Not a kind that is known.
    #[error("the trusted identity `{0}` is neither `*` nor does it begin with `x509.subject:`")]
    Kind(String),
    /// Not a list of attributes.
    #[error(
        "the trusted identity `{0}` is not a list of attributes such as `C=US, ST=WA, O=example`; commas, semicolons and backslashes in values need a backslash"
    )]
    Form(String),
    /// An attribute twice.
    #[error("the trusted identity `{text}` has the attribute `{kind}` twice")]
    Twice {
        /// The attribute.
        kind: String,
        /// The identity.
        text: String,
    },
    /// An attribute that must be there.
    #[error(
        "the trusted identity `{text}` lacks the attribute `{kind}`: `C`, `ST` and `O` must be there"
    )]
    Missing {
        /// The attribute.
        kind: &'static str,
        /// The identity.
        text: String,
    },
}

const PREFIX: &str = "x509.subject:";

/// RFC 4514 section 3, RFC 4519: the attributes that have a short name.
const TYPES: [(&str, &str); 11] = [
    ("C", "2.5.4.6"),
    ("ST", "2.5.4.8"),
    ("L", "2.5.4.7"),
    ("O", "2.5.4.10"),
    ("OU", "2.5.4.11"),
    ("CN", "2.5.4.3"),
    ("STREET", "2.5.4.9"),
    ("POSTALCODE", "2.5.4.17"),
    ("SERIALNUMBER", "2.5.4.5"),
    ("DC", "0.9.2342.19200300.100.1.25"),
    ("UID", "0.9.2342.19200300.100.1.1"),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn name(attributes: &[(&str, &str)]) -> Name {
        Name {
            attributes: attributes
                .iter()
                .map(|(kind, value)| ((*kind).to_owned(), escaped(value)))
                .collect(),
        }
    }

    #[test]
    fn matches_subjects_that_have_at_least_these_attributes() {
        let identity = TrustedIdentity::parse("x509.subject: C=US, S=WA, O=wabbit").unwrap();
        let base = [("C", "US"), ("ST", "WA"), ("O", "wabbit")];
        assert!(identity.matches(&name(&base)));
        assert!(identity.matches(&name(&[base.as_slice(), &[("CN", "x")]].concat())));
        for other in [
            &base[..2],
            &[("C", "US"), ("ST", "WA"), ("O", "Wabbit")],
            &[("C", "US"), ("ST", "WA"), ("O", "wabbit"), ("O", "other")],
        ] {
            assert!(!identity.matches(&name(other)), "{other:?}");
        }
        assert!(TrustedIdentity::parse("*").unwrap().matches(&name(&[])));
    }

    #[test]
    fn escapes_are_read_as_they_are_written() {
        let odd = name(&[("C", "US"), ("ST", " W,A;\\ "), ("O", "#a + \"b\"")]);
        let text = format!("x509.subject: {odd}");
        assert!(
            TrustedIdentity::parse(&text).unwrap().matches(&odd),
            "{text}"
        );
        let spaced = TrustedIdentity::parse("x509.subject:  C = US ,ST= WA,O=two words ").unwrap();
        assert!(spaced.matches(&name(&[("C", "US"), ("ST", "WA"), ("O", "two words")])));
    }

    #[test]
    fn refuses_what_is_no_identity() {
        use IdentityError as E;
        let check = |text: &str| TrustedIdentity::parse(text).unwrap_err();
        assert!(matches!(check("C=US, ST=WA, O=x"), E::Kind(_)));
        assert!(matches!(check("**"), E::Kind(_)));
        for text in [
            "",
            "C=US, ST=WA, O=",
            "C=US, ST=WA, O=x+CN=y",
            "C=US; ST=WA; O=x",
            "C=US, ST=WA, O=x\\",
            "C=US, ST=WA, X=y, O=x",
        ] {
            assert!(
                matches!(check(&format!("x509.subject: {text}")), E::Form(_)),
                "{text}"
            );
        }
        assert!(matches!(
            check("x509.subject: C=US, C=US, ST=WA, O=x"),
            E::Twice { .. }
        ));
        for (text, missing) in [
            ("ST=WA, O=x", "C"),
            ("C=US, O=x", "ST"),
            ("C=US, ST=WA", "O"),
        ] {
            assert!(
                matches!(check(&format!("x509.subject: {text}")), E::Missing { kind, .. } if kind == missing)
            );
        }
        assert!(matches!(
            check(&format!(
                "x509.subject: C={}",
                "x".repeat(IDENTITY_BYTES_MAX)
            )),
            E::Size { .. }
        ));
    }

    #[test]
    fn one_within_the_other_overlaps() {
        let parse = |text: &str| TrustedIdentity::parse(&format!("x509.subject: {text}")).unwrap();
        let wide = parse("C=US, ST=WA, O=x");
        assert!(wide.overlaps(&parse("C=US, ST=WA, O=x, OU=y")));
        assert!(parse("O=x, ST=WA, C=US").overlaps(&wide));
        assert!(!parse("C=US, ST=WA, O=x, OU=y").overlaps(&parse("C=US, ST=WA, O=x, OU=z")));
    }
}
