//! From the YAML tree to a [`Policy`]: the top level of the file; stages, gates and exceptions are beside it.

use oci::Digest;

use super::node::{self, Value};
use super::reader::Reader;
use super::{Policy, content_trust, exceptions, gates, receipts, stages};
use crate::lint::{Lint, LintCode, Position};
use crate::pattern::Pattern;

const KEYS: &[&str] = &[
    "version",
    "repositories",
    "ungated",
    "stages",
    "gates",
    "content-trust",
    "receipts",
    "exceptions",
];
const FILE: &str = "the policy";

/// The version of the policy file that is read.
const VERSION: i64 = 1;

/// A policy file that is YAML, and of which nothing more is known.
#[derive(Clone, Debug)]
pub struct Unvalidated {
    root: Value,
    digest: String,
}

impl Unvalidated {
    /// The SHA-256 of the file in hexadecimal.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.digest
    }
}

/// Reads the text of a policy file.
///
/// # Errors
/// One lint when it is too large or not YAML.
pub fn parse(text: &str) -> Result<Unvalidated, Lint> {
    let root = node::read(text)?;
    Ok(Unvalidated {
        root,
        digest: Digest::sha256(text.as_bytes()).hex().to_owned(),
    })
}

/// Checks a policy file, and gives it its name on the server.
///
/// # Errors
/// All lints that are errors, in the order of the file.
pub fn validate(unvalidated: &Unvalidated, name: &str) -> Result<Policy, Vec<Lint>> {
    let mut reader = Reader::default();
    let policy = read_policy(&mut reader, unvalidated, name);
    let lints = reader.into_lints();
    match policy {
        Some(policy) if lints.is_empty() => Ok(policy),
        _ => Err(lints.into_iter().map(|lint| lint.in_policy(name)).collect()),
    }
}

fn read_policy(reader: &mut Reader, unvalidated: &Unvalidated, name: &str) -> Option<Policy> {
    let fields = reader.fields(&unvalidated.root, KEYS, FILE)?;
    let top = Position { line: 1, column: 1 };
    match fields.find("version") {
        Some(value) => check_version(reader, value),
        None => reader.missing(top, "version", FILE, "1"),
    }
    let repositories = read_repositories(reader, fields.find("repositories"), top);
    let ungated = fields
        .find("ungated")
        .map(|value| reader.patterns(value, "`ungated`"));
    let stages = fields
        .find("stages")
        .map(|value| stages::read(reader, value))
        .unwrap_or_default();
    let before = reader.len();
    let gates = fields
        .find("gates")
        .map(|value| gates::read(reader, value, &stages));
    let gates = content_trust::Gates {
        are_all: reader.len() == before,
        good: gates.unwrap_or_default(),
    };
    let content_trust = fields
        .find("content-trust")
        .map(|value| content_trust::read(reader, value, &gates));
    let receipt_valid_milliseconds = fields
        .find("receipts")
        .and_then(|value| receipts::read(reader, value));
    let exceptions = fields
        .find("exceptions")
        .map(|value| exceptions::read(reader, value, &repositories));
    Some(Policy {
        name: name.to_owned(),
        digest: unvalidated.digest.clone(),
        repositories,
        ungated: ungated.unwrap_or_default(),
        stages: stages.into_policy(),
        gates: gates.good,
        content_trust,
        receipt_valid_milliseconds,
        exceptions: exceptions.unwrap_or_default(),
    })
}

fn check_version(reader: &mut Reader, value: &Value) {
    let version = reader.number(value, "`version`");
    if version.is_some_and(|version| version != VERSION) {
        reader.lint(
            LintCode::BadVersion,
            value.at,
            format!(
                "this server reads version {VERSION} of the policy file; write `version: {VERSION}`"
            ),
        );
    }
}

fn read_repositories(reader: &mut Reader, value: Option<&Value>, top: Position) -> Vec<Pattern> {
    let Some(value) = value else {
        reader.missing(top, "repositories", FILE, "[\"shop/**\"]");
        return Vec::new();
    };
    let before = reader.len();
    let patterns = reader.patterns(value, "`repositories`");
    if patterns.is_empty() && reader.len() == before {
        let message = "`repositories` is empty, so the policy covers nothing; name a pattern such as \"shop/**\"";
        reader.lint(LintCode::BadValue, value.at, message);
    }
    patterns
}
