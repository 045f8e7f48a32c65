//! in-toto statements of any predicate, as claims: what kind of thing is said, about which digests, and the saying itself.
//! Reads what `Statement` does not: subjects that are no images, or that have several digests. Deliberately no opinion
//! on predicates: which one a gate needs, and what must stand in it, is the policy's affair. in-toto Statement v1 and
//! v0.1, `spec/v1/digest_set.md`, `spec/predicates/`.

use std::collections::BTreeMap;
use std::fmt;

use oci::Digest;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::excerpt::excerpt;
use crate::statement::{STATEMENT_BYTES_MAX, SUBJECTS_MAX, Statement, StatementError, Subject};
use crate::strict::{self, JsonError, Object};
use crate::{cosign, stage};

/// The most digests that one subject may have.
pub const DIGESTS_MAX: usize = 16;

/// The longest predicate that is written, in bytes: its bundle is still read.
pub const PREDICATE_BYTES_MAX: usize = 2 * 1024 * 1024;
/// The longest predicate type that is written, in bytes.
pub const PREDICATE_TYPE_BYTES_MAX: usize = 256;

/// The predicate type of a short name: those of cosign, and `vsa` and `test-result`.
#[must_use]
pub fn predicate_type_of(name: &str) -> Option<&'static str> {
    let (_, found) = SHORT_NAMES.iter().find(|(short, _)| *short == name)?;
    Some(found)
}

/// All short names.
pub fn short_names() -> impl Iterator<Item = &'static str> {
    SHORT_NAMES.iter().map(|(short, _)| *short)
}

/// Whether a text can be a predicate type that is written: a URI with a scheme, of characters that need no quotes anywhere.
/// in-toto `spec/v1/field_types.md`, TypeURI.
#[must_use]
pub fn is_predicate_type(text: &str) -> bool {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~:/?#@+,=%".contains(&b);
    let Some((scheme, rest)) = text.split_once(':') else {
        return false;
    };
    text.len() <= PREDICATE_TYPE_BYTES_MAX
        && scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
        && !rest.is_empty()
        && text.bytes().all(is_plain)
}

/// The statement about one digest, to be signed. `name`: the repository with its host, as cosign writes it. The predicate is a JSON
/// object; a key that stands twice in it is refused, and so is the type of a signature, which says that a stage is passed.
pub fn build(
    digest: &Digest,
    name: &str,
    predicate_type: &str,
    predicate: &[u8],
) -> Result<Statement, AttestationError> {
    if !is_predicate_type(predicate_type) {
        return Err(AttestationError::PredicateType(excerpt(predicate_type)));
    }
    if is_signature(predicate_type) {
        return Err(AttestationError::Signature(excerpt(predicate_type)));
    }
    let predicate: Map<String, Value> = strict::parse(predicate, PREDICATE_BYTES_MAX)?;
    let subject = Subject {
        name: name.to_owned(),
        digest: digest.clone(),
        annotations: BTreeMap::new(),
    };
    Ok(Statement {
        subjects: vec![subject],
        predicate_type: predicate_type.to_owned(),
        predicate: Value::Object(predicate),
    })
}

/// Whether statements of this type are signatures over images, and so no attestations.
pub(crate) fn is_signature(predicate_type: &str) -> bool {
    matches!(
        predicate_type,
        stage::PREDICATE_TYPE | cosign::SIGN_PREDICATE
    )
}

/// What someone says about something. Its signature, if there is one, is the envelope's affair.
#[derive(Debug, Clone, PartialEq)]
pub struct Attestation {
    /// A URI that says how to read the predicate.
    pub predicate_type: String,
    /// What it is about, at least one.
    pub subjects: Vec<AttestedSubject>,
    /// What is said; `null` where the statement has none.
    pub predicate: Value,
}

/// One thing that an attestation is about.
#[derive(Debug, Clone, PartialEq)]
pub struct AttestedSubject {
    /// A label, for people; may be empty.
    pub name: String,
    /// Algorithm and hash, as `sha256` and hexadecimal digits; all of the same thing. At least one.
    pub digests: BTreeMap<String, String>,
    /// Further facts about the subject, as its signer gave them.
    pub annotations: BTreeMap<String, Value>,
}

/// What kind of thing an attestation says, by its predicate type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PredicateKind {
    /// How it was built: SLSA provenance of any version.
    Provenance,
    /// What is in it: SPDX or CycloneDX.
    Sbom,
    /// Which known vulnerabilities a scanner found.
    Vulnerabilities,
    /// A verifier's summary: SLSA VSA.
    VerificationSummary,
    /// Which tests ran and how they went.
    TestResult,
    /// Anything else.
    Other,
}

impl PredicateKind {
    /// All that have a name of their own.
    pub const NAMED: [Self; 5] = [
        Self::Provenance,
        Self::Sbom,
        Self::Vulnerabilities,
        Self::VerificationSummary,
        Self::TestResult,
    ];

    /// The predicate type that stands for the kind where one is written; none for `other`.
    #[must_use]
    pub fn predicate_type(self) -> Option<&'static str> {
        match self {
            Self::Provenance => Some("https://slsa.dev/provenance/v1"),
            Self::Sbom => Some("https://cyclonedx.org/bom"),
            Self::Vulnerabilities => Some("https://cosign.sigstore.dev/attestation/vuln/v1"),
            Self::VerificationSummary => Some("https://slsa.dev/verification_summary/v1"),
            Self::TestResult => Some("https://in-toto.io/attestation/test-result/v0.1"),
            Self::Other => None,
        }
    }

    /// Its name: `provenance`, `sbom`, `vulnerabilities`, `verification-summary`, `test-result` or `other`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Provenance => "provenance",
            Self::Sbom => "sbom",
            Self::Vulnerabilities => "vulnerabilities",
            Self::VerificationSummary => "verification-summary",
            Self::TestResult => "test-result",
            Self::Other => "other",
        }
    }

    /// The kind of a predicate type: the type itself, or the type with a version behind it.
    #[must_use]
    pub fn of(predicate_type: &str) -> Self {
        let is = |known: &str| {
            predicate_type
                .strip_prefix(known)
                .is_some_and(|rest| rest.is_empty() || is_version(rest))
        };
        KINDS
            .iter()
            .find(|(known, _)| is(known))
            .map_or(Self::Other, |(_, kind)| *kind)
    }
}

/// `/v1`, `/v0.2`, `/v2.3` and their like.
fn is_version(rest: &str) -> bool {
    let number = rest.strip_prefix("/v").or_else(|| rest.strip_prefix('/'));
    number.is_some_and(|number| {
        !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit() || b == b'.')
    })
}

impl fmt::Display for PredicateKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Attestation {
    /// Reads a statement. Unknown fields are ignored, as the specification asks; a key that stands twice anywhere, a
    /// statement about nothing and a subject without a digest are refused.
    pub fn parse(bytes: &[u8]) -> Result<Self, AttestationError> {
        let predicate_type = Statement::parse_predicate_type(bytes)?;
        let wire: Wire = strict::parse(bytes, STATEMENT_BYTES_MAX)?;
        match wire.subject.len() {
            0 => return Err(StatementError::NoSubject.into()),
            count if count > SUBJECTS_MAX => {
                return Err(StatementError::TooManySubjects { count }.into());
            }
            _ => {}
        }
        let subjects = wire
            .subject
            .into_iter()
            .map(|Object(subject)| subject.try_into())
            .collect::<Result<_, _>>()?;
        Ok(Self {
            predicate_type,
            subjects,
            predicate: wire.predicate,
        })
    }

    /// What kind of thing it says.
    #[must_use]
    pub fn kind(&self) -> PredicateKind {
        PredicateKind::of(&self.predicate_type)
    }

    /// Whether one of its subjects has this digest.
    #[must_use]
    pub fn is_about(&self, digest: &Digest) -> bool {
        self.subjects.iter().any(|subject| subject.is(digest))
    }
}

impl AttestedSubject {
    /// Whether this is the subject's digest of that algorithm.
    #[must_use]
    pub fn is(&self, digest: &Digest) -> bool {
        self.digests
            .get(digest.algorithm().as_str())
            .is_some_and(|hash| hash == digest.hex())
    }
}

#[derive(Deserialize)]
struct Wire {
    subject: Vec<Object<WireSubject>>,
    #[serde(default)]
    predicate: Value,
}

#[derive(Deserialize)]
struct WireSubject {
    #[serde(default)]
    name: String,
    #[serde(default)]
    digest: BTreeMap<String, String>,
    #[serde(default)]
    annotations: Option<BTreeMap<String, Value>>,
}

impl TryFrom<WireSubject> for AttestedSubject {
    type Error = AttestationError;

    fn try_from(wire: WireSubject) -> Result<Self, AttestationError> {
        let count = wire.digest.len();
        if count == 0 || count > DIGESTS_MAX {
            return Err(AttestationError::Digests {
                name: excerpt(&wire.name),
                count,
            });
        }
        Ok(Self {
            name: wire.name,
            digests: wire.digest,
            annotations: wire.annotations.unwrap_or_default(),
        })
    }
}

/// Why an attestation is not read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AttestationError {
    /// Its head is not a statement's.
    #[error(transparent)]
    Statement(#[from] StatementError),
    /// Not the JSON of a statement or predicate, or over a limit.
    #[error("the statement cannot be read: {0}")]
    Json(#[from] JsonError),
    /// Not a URI.
    #[error(
        "`{0}` is no predicate type: write a URI such as `https://slsa.dev/provenance/v1`, or a short name"
    )]
    PredicateType(String),
    /// What signatures say.
    #[error("`{0}` is what signatures say: use `countersign sign`")]
    Signature(String),
    /// A subject that is nothing, or too many things.
    #[error("the subject `{name}` has {count} digests: it needs 1 to {max}", max = DIGESTS_MAX)]
    Digests {
        /// The subject's name, shortened.
        name: String,
        /// How many there are.
        count: usize,
    },
}

const KINDS: [(&str, PredicateKind); 12] = [
    ("https://slsa.dev/provenance", PredicateKind::Provenance),
    ("https://in-toto.io/Provenance", PredicateKind::Provenance),
    ("https://spdx.dev/Document", PredicateKind::Sbom),
    ("https://cyclonedx.org/bom", PredicateKind::Sbom),
    ("https://cyclonedx.org/schema", PredicateKind::Sbom),
    (
        "https://in-toto.io/attestation/vulns",
        PredicateKind::Vulnerabilities,
    ),
    (
        "https://cosign.sigstore.dev/attestation/vuln",
        PredicateKind::Vulnerabilities,
    ),
    (
        "https://slsa.dev/verification_summary",
        PredicateKind::VerificationSummary,
    ),
    (
        "https://in-toto.io/attestation/test-result",
        PredicateKind::TestResult,
    ),
    (
        "https://in-toto.io/attestation/vuln",
        PredicateKind::Vulnerabilities,
    ),
    ("https://spdx.dev/spdx", PredicateKind::Sbom),
    ("https://spdx.org/spdxdocs", PredicateKind::Sbom),
];

/// cosign `pkg/cosign/attestation` and `specs/`: its names and types; then ours.
const SHORT_NAMES: [(&str, &str); 12] = [
    ("slsaprovenance", "https://slsa.dev/provenance/v0.2"),
    ("slsaprovenance02", "https://slsa.dev/provenance/v0.2"),
    ("slsaprovenance1", "https://slsa.dev/provenance/v1"),
    ("link", "https://in-toto.io/Link/v1"),
    ("spdx", "https://spdx.dev/Document"),
    ("spdxjson", "https://spdx.dev/Document"),
    ("cyclonedx", "https://cyclonedx.org/bom"),
    ("vuln", "https://cosign.sigstore.dev/attestation/vuln/v1"),
    ("openvex", "https://openvex.dev/ns"),
    ("custom", "https://cosign.sigstore.dev/attestation/v1"),
    ("vsa", "https://slsa.dev/verification_summary/v1"),
    (
        "test-result",
        "https://in-toto.io/attestation/test-result/v0.1",
    ),
];

#[cfg(test)]
mod tests;
