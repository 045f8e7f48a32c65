//! The `content-trust` of a policy file: which gates say what docker pulls with content trust.

use std::collections::BTreeMap;

use super::node::Value;
use super::reader::{Reader, nearest, shown};
use super::{Gate, Mode};
use crate::lint::LintCode;

const KEYS: &[&str] = &["gates"];
const WHAT: &str = "`content-trust`";

/// The gates of the file.
pub(super) struct Gates {
    /// Those in which nothing is wrong.
    pub(super) good: BTreeMap<String, Gate>,
    /// Whether there are no others.
    pub(super) are_all: bool,
}

/// Reads the names of the gates. One that lets everything pass would release everything, so it is an error.
pub(super) fn read(reader: &mut Reader, value: &Value, gates: &Gates) -> Vec<String> {
    let Some(fields) = reader.fields(value, KEYS, WHAT) else {
        return Vec::new();
    };
    let Some(list) = fields.find("gates") else {
        reader.missing(value.at, "gates", WHAT, "[production]");
        return Vec::new();
    };
    let before = reader.len();
    let mut named = Vec::new();
    for (name, at) in reader.texts(list, "`gates` of `content-trust`") {
        match gates.good.get(name).map(|gate| gate.mode) {
            Some(Mode::Enforce) => named.push(name.to_owned()),
            Some(mode) => {
                let message = format!(
                    "gate `{name}` has mode {mode} and would release everything; name a gate that enforces, or set `mode: enforce`"
                );
                reader.lint(LintCode::ContentTrustGate, at, message);
            }
            // What is wrong with a gate is said there.
            None if !gates.are_all => {}
            None => {
                let known: Vec<&str> = gates.good.keys().map(String::as_str).collect();
                let hint = match nearest(name, &known) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => "define it under `gates`".to_owned(),
                };
                let message = format!("there is no gate `{}`; {hint}", shown(name));
                reader.lint(LintCode::ContentTrustGate, at, message);
            }
        }
    }
    if named.is_empty() && reader.len() == before && gates.are_all {
        let message = "`content-trust` names no gate, so that nothing would ever be released; name one, or leave `content-trust` out for all that enforce";
        reader.lint(LintCode::ContentTrustGate, list.at, message);
    }
    named
}
