//! YAML as a tree in which every key and value knows its place, so that all lints of a file come at once.
//!
//! It knows nothing of policies. Duplicate keys are kept, for `reader.rs` to report. Anchors and merge keys are not
//! expanded without bound: the budget below holds for what they expand to. YAML 1.2 core schema.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;

use super::POLICY_BYTES_MAX;
use crate::lint::{Lint, LintCode, Position};

/// How deep the tree may be.
const DEPTH_MAX: usize = 16;
/// How many nodes it may have.
const NODES_MAX: usize = 50_000;

/// A value and its place.
#[derive(Clone, Debug)]
pub(super) struct Value {
    pub(super) at: Position,
    pub(super) node: Node,
}

/// A key and its place.
#[derive(Clone, Debug)]
pub(super) struct Key {
    pub(super) at: Position,
    pub(super) name: String,
}

/// What a value is.
#[derive(Clone, Debug)]
pub(super) enum Node {
    Nothing,
    Flag(bool),
    Number(i64),
    Fraction,
    Text(String),
    List(Vec<Value>),
    Map(Vec<(Key, Value)>),
}

impl Node {
    /// The type in words, for messages.
    pub(super) fn describe(&self) -> &'static str {
        match self {
            Node::Nothing => "nothing",
            Node::Flag(_) => "a flag",
            Node::Number(_) => "a number",
            Node::Fraction => "a fraction",
            Node::Text(_) => "a text",
            Node::List(_) => "a list",
            Node::Map(_) => "a map",
        }
    }
}

/// Reads one YAML document.
pub(super) fn read(text: &str) -> Result<Value, Lint> {
    if text.len() > POLICY_BYTES_MAX {
        let message = format!(
            "limit exceeded: the file has {} bytes, more than {POLICY_BYTES_MAX}; split it into several policies",
            text.len()
        );
        return Err(Lint::new(
            LintCode::LimitExceeded,
            Position::default(),
            message,
        ));
    }
    serde_saphyr::from_str_with_options(text, options()).map_err(|error| lint_of(&error))
}

fn options() -> serde_saphyr::Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: DEPTH_MAX,
            max_nodes: NODES_MAX,
            max_documents: 1,
        },
        duplicate_keys: serde_saphyr::DuplicateKeyPolicy::PassThrough,
        merge_keys: serde_saphyr::MergeKeyPolicy::Error,
        strict_booleans: true,
        leading_zero_numbers_as_strings: true,
        reject_unsupported_tags: true,
        with_snippet: false,
    }
}

fn lint_of(error: &serde_saphyr::Error) -> Lint {
    let at = error.location().map(position).unwrap_or_default();
    let message = error.without_snippet().render();
    let message = message.lines().next().unwrap_or_default();
    // In YAML a star begins an alias, and patterns are full of stars.
    let hint = if message.contains("alias") {
        "; put patterns with `*` in quotes"
    } else {
        ""
    };
    Lint::new(
        LintCode::Yaml,
        at,
        format!("the file is not YAML as it is read here: {message}{hint}"),
    )
}

fn position(location: serde_saphyr::Location) -> Position {
    Position {
        line: location.line(),
        column: location.column(),
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Node>::deserialize(deserializer)?;
        Ok(Value {
            at: position(spanned.referenced),
            node: spanned.value,
        })
    }
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<String>::deserialize(deserializer)?;
        Ok(Key {
            at: position(spanned.referenced),
            name: spanned.value,
        })
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a scalar, a list or a map")
    }

    fn visit_unit<E: Error>(self) -> Result<Node, E> {
        Ok(Node::Nothing)
    }

    fn visit_none<E: Error>(self) -> Result<Node, E> {
        Ok(Node::Nothing)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        Node::deserialize(deserializer)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Flag(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Number(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Node, E> {
        // A number that does not fit is out of every range that a policy has.
        Ok(Node::Number(i64::try_from(value).unwrap_or(i64::MAX)))
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Node, E> {
        Ok(Node::Fraction)
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Node, E> {
        Ok(Node::Text(value.to_owned()))
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Node, E> {
        Ok(Node::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Node::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Node, A::Error> {
        let mut map = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            map.push(entry);
        }
        Ok(Node::Map(map))
    }
}
