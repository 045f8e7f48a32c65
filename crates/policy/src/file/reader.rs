//! Reading typed values out of the YAML tree, with a lint and a suggestion for all that is not as it should be.
//!
//! It knows types and keys, not what they mean.

use super::node::{Key, Node, Value};
use crate::lint::{Lint, LintCode, Position};
use crate::pattern::Pattern;

/// How many entries a list or map may have.
const ENTRIES_MAX: usize = 2_000;
/// How long a text may be, in bytes.
const TEXT_BYTES_MAX: usize = 4_096;
/// How long the name of a stage or gate may be, in bytes.
const NAME_BYTES_MAX: usize = 64;
/// How many lints are reported for a file.
const LINTS_MAX: usize = 200;

/// The keys that later versions know: to accept one now would promise what is not kept.
const LATER_KEYS: &[&str] = &["base-image", "configuration", "secrets", "workload"];

/// Collects lints while values are read.
#[derive(Debug, Default)]
pub(super) struct Reader {
    lints: Vec<Lint>,
}

/// The entries of a map whose keys are known.
#[derive(Debug)]
pub(super) struct Fields<'a> {
    pub(super) at: Position,
    entries: Vec<(&'a Key, &'a Value)>,
}

impl<'a> Fields<'a> {
    /// The value of a key.
    pub(super) fn find(&self, key: &str) -> Option<&'a Value> {
        self.entry(key).map(|(_, value)| value)
    }

    /// The key as it stands in the file, and its value.
    pub(super) fn entry(&self, key: &str) -> Option<(&'a Key, &'a Value)> {
        self.entries
            .iter()
            .copied()
            .find(|(found, _)| found.name == key)
    }
}

impl Reader {
    /// Adds a lint.
    pub(super) fn lint(&mut self, code: LintCode, at: Position, message: impl Into<String>) {
        if self.lints.len() < LINTS_MAX {
            self.lints.push(Lint::new(code, at, message));
        }
    }

    /// How many lints there are so far.
    pub(super) fn len(&self) -> usize {
        self.lints.len()
    }

    /// All lints, in the order of the file.
    pub(super) fn into_lints(mut self) -> Vec<Lint> {
        self.lints
            .sort_by_key(|lint| (lint.line, lint.column, lint.code));
        self.lints.dedup();
        self.lints
    }

    /// A map with names that the user chooses, each of them once.
    pub(super) fn names<'a>(&mut self, value: &'a Value, what: &str) -> Vec<(&'a Key, &'a Value)> {
        let mut entries = self.unique_entries(value, what);
        entries.retain(|(key, _)| {
            let is_good = is_name(&key.name);
            if !is_good {
                let name = shown(&key.name);
                self.lint(LintCode::BadName, key.at, format!(
                    "`{name}` cannot be a name in {what}; use at most {NAME_BYTES_MAX} lower-case letters, digits, `.`, `_` and `-`, and begin with a letter or digit"
                ));
            }
            is_good
        });
        entries
    }

    /// A map with these keys and no others.
    pub(super) fn fields<'a>(
        &mut self,
        value: &'a Value,
        known: &[&str],
        what: &str,
    ) -> Option<Fields<'a>> {
        if !matches!(value.node, Node::Map(_)) {
            self.wrong_type(
                value,
                &format!("{what} must be a map with the keys {}", listed(known)),
            );
            return None;
        }
        let mut entries = self.unique_entries(value, what);
        entries.retain(|(key, _)| {
            let is_known = known.contains(&key.name.as_str());
            if !is_known {
                self.unknown_key(key, known, what);
            }
            is_known
        });
        Some(Fields {
            at: value.at,
            entries,
        })
    }

    fn unique_entries<'a>(&mut self, value: &'a Value, what: &str) -> Vec<(&'a Key, &'a Value)> {
        let Node::Map(map) = &value.node else {
            self.wrong_type(value, &format!("{what} must be a map"));
            return Vec::new();
        };
        let mut seen = std::collections::BTreeMap::new();
        let mut entries = Vec::new();
        for (key, value) in self.bounded(map, value.at, what) {
            if let Some(first) = seen.insert(key.name.as_str(), key.at) {
                let name = shown(&key.name);
                self.lint(
                    LintCode::DuplicateKey,
                    key.at,
                    format!(
                        "`{name}` is already in {what} at line {}; keep one of them",
                        first.line
                    ),
                );
            } else {
                entries.push((key, value));
            }
        }
        entries
    }

    fn unknown_key(&mut self, key: &Key, known: &[&str], what: &str) {
        let name = shown(&key.name);
        if LATER_KEYS.contains(&key.name.as_str()) {
            self.lint(LintCode::NotEnforced, key.at, format!(
                "`{name}` is not enforced by this version; remove it, so that the policy promises only what is kept"
            ));
            return;
        }
        let message = match nearest(&key.name, known) {
            Some(near) => format!("`{name}` is not a key of {what}; did you mean `{near}`?"),
            None => format!(
                "`{name}` is not a key of {what}; it knows {}",
                listed(known)
            ),
        };
        self.lint(LintCode::UnknownKey, key.at, message);
    }

    fn bounded<'a, T>(&mut self, items: &'a [T], at: Position, what: &str) -> &'a [T] {
        if items.len() > ENTRIES_MAX {
            self.lint(LintCode::LimitExceeded, at, format!(
                "limit exceeded: {what} has {} entries, more than {ENTRIES_MAX}; split the policy", items.len()
            ));
        }
        items.get(..ENTRIES_MAX).unwrap_or(items)
    }

    /// Reports a value of another type.
    pub(super) fn wrong_type(&mut self, value: &Value, expected: &str) {
        let found = value.node.describe();
        self.lint(
            LintCode::WrongType,
            value.at,
            format!("{expected}, but here is {found}"),
        );
    }

    /// Reports a key that must be there.
    pub(super) fn missing(&mut self, at: Position, key: &str, what: &str, example: &str) {
        self.lint(
            LintCode::MissingKey,
            at,
            format!("{what} has no `{key}`; write `{key}: {example}`"),
        );
    }

    /// A list.
    pub(super) fn list<'a>(&mut self, value: &'a Value, what: &str) -> &'a [Value] {
        match &value.node {
            Node::List(list) => self.bounded(list, value.at, what),
            _ => {
                self.wrong_type(value, &format!("{what} must be a list, as in `[a, b]`"));
                &[]
            }
        }
    }

    /// A text that is not empty.
    pub(super) fn text<'a>(&mut self, value: &'a Value, what: &str) -> Option<&'a str> {
        match &value.node {
            Node::Text(text) if text.trim().is_empty() => {
                self.lint(
                    LintCode::BadValue,
                    value.at,
                    format!("{what} is empty; write something"),
                );
                None
            }
            Node::Text(text) if text.len() > TEXT_BYTES_MAX => {
                self.lint(LintCode::LimitExceeded, value.at, format!(
                    "limit exceeded: {what} has {} bytes, more than {TEXT_BYTES_MAX}; make it shorter", text.len()
                ));
                None
            }
            Node::Text(text) => Some(text),
            Node::Flag(_) | Node::Number(_) | Node::Fraction => {
                self.wrong_type(
                    value,
                    &format!("{what} must be a text, put quotes around it"),
                );
                None
            }
            _ => {
                self.wrong_type(value, &format!("{what} must be a text"));
                None
            }
        }
    }

    /// Texts, each with its place.
    pub(super) fn texts<'a>(&mut self, value: &'a Value, what: &str) -> Vec<(&'a str, Position)> {
        let mut texts: Vec<(&str, Position)> = Vec::new();
        for item in self.list(value, what) {
            let Some(text) = self.text(item, &format!("an entry of {what}")) else {
                continue;
            };
            if texts.iter().any(|(known, _)| *known == text) {
                self.lint(
                    LintCode::DuplicateEntry,
                    item.at,
                    format!("`{}` is already in {what}; remove one of them", shown(text)),
                );
            } else {
                texts.push((text, item.at));
            }
        }
        texts
    }

    /// True or false.
    pub(super) fn flag(&mut self, value: &Value, what: &str) -> Option<bool> {
        match value.node {
            Node::Flag(flag) => Some(flag),
            _ => {
                self.wrong_type(value, &format!("{what} must be `true` or `false`"));
                None
            }
        }
    }

    /// A whole number.
    pub(super) fn number(&mut self, value: &Value, what: &str) -> Option<i64> {
        match value.node {
            Node::Number(number) => Some(number),
            _ => {
                self.wrong_type(value, &format!("{what} must be a whole number"));
                None
            }
        }
    }

    /// One of a closed set of words.
    pub(super) fn choice<T: Copy>(
        &mut self,
        value: &Value,
        what: &str,
        choices: &[(&str, T)],
    ) -> Option<T> {
        let text = self.text(value, what)?;
        if let Some((_, choice)) = choices.iter().find(|(name, _)| *name == text) {
            return Some(*choice);
        }
        let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
        let hint = match nearest(text, &names) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("use {}", listed(&names)),
        };
        self.lint(
            LintCode::BadValue,
            value.at,
            format!("`{}` is not a value of {what}; {hint}", shown(text)),
        );
        None
    }

    /// Patterns of repositories.
    pub(super) fn patterns(&mut self, value: &Value, what: &str) -> Vec<Pattern> {
        let mut patterns = Vec::new();
        for (text, at) in self.texts(value, what) {
            match Pattern::parse(text) {
                Ok(pattern) => patterns.push(pattern),
                Err(error) => self.lint(LintCode::BadPattern, at, error.to_string()),
            }
        }
        patterns
    }
}

fn is_name(text: &str) -> bool {
    let is_inner =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte);
    text.len() <= NAME_BYTES_MAX
        && text.bytes().all(is_inner)
        && text
            .bytes()
            .next()
            .is_some_and(|first| first.is_ascii_alphanumeric())
}

/// Enough of a user's value to recognise it.
pub(super) fn shown(text: &str) -> String {
    const CHARACTERS_MAX: usize = 64;
    if text.chars().nth(CHARACTERS_MAX).is_none() {
        return text.to_owned();
    }
    let start: String = text.chars().take(CHARACTERS_MAX).collect();
    format!("{start}…")
}

fn listed(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    quoted.join(", ")
}

/// The known name that was probably meant.
pub(super) fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let folded = name.to_lowercase().replace(['_', ' '], "-");
    let distance_max = if folded.chars().count() < 4 { 1 } else { 2 };
    known
        .iter()
        .map(|candidate| (distance(&folded, candidate), *candidate))
        .filter(|(distance, candidate)| {
            *distance <= distance_max || candidate.starts_with(&folded) && folded.len() >= 3
        })
        .min()
        .map(|(_, candidate)| candidate)
}

/// How many characters must be inserted, removed or replaced to make one text of the other (Levenshtein).
fn distance(left: &str, right: &str) -> usize {
    const CHARACTERS_MAX: usize = 64;
    let right: Vec<char> = right.chars().take(CHARACTERS_MAX).collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (index, character) in left.chars().take(CHARACTERS_MAX).enumerate() {
        let mut next = vec![index + 1];
        for ((other, diagonal), above) in right.iter().zip(&row).zip(row.iter().skip(1)) {
            let beside = next.last().copied().unwrap_or_default();
            let replaced = diagonal + usize::from(*other != character);
            next.push(replaced.min(above + 1).min(beside + 1));
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}
