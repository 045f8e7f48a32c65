//! The `gates` of a policy file.

use std::collections::BTreeMap;

use super::node::{Key, Node, Value};
use super::reader::{Fields, Reader};
use super::stages::{Stages, parties};
use super::{Gate, HoldsFor, Mode};
use crate::lint::LintCode;

const KEYS: &[&str] = &["holds-for", "except", "require", "mode"];

pub(super) fn read(reader: &mut Reader, value: &Value, stages: &Stages) -> BTreeMap<String, Gate> {
    let mut gates = BTreeMap::new();
    for (key, value) in reader.names(value, "`gates`") {
        let what = format!("gate `{}`", key.name);
        let Some(fields) = reader.fields(value, KEYS, &what) else {
            continue;
        };
        if let Some(gate) = read_gate(reader, key, &fields, stages, &what) {
            gates.insert(key.name.clone(), gate);
        }
    }
    gates
}

fn read_gate(
    reader: &mut Reader,
    key: &Key,
    fields: &Fields<'_>,
    stages: &Stages,
    what: &str,
) -> Option<Gate> {
    let holds_for = match fields.find("holds-for") {
        Some(value) => read_holds_for(reader, value, what),
        None => {
            reader.missing(key.at, "holds-for", what, "[{team: production-hosts}]");
            None
        }
    };
    let except = fields
        .find("except")
        .map(|value| parties(reader, value, &format!("`except` of {what}")));
    let require = match fields.find("require") {
        Some(value) => read_require(reader, value, stages, what),
        None => {
            reader.missing(key.at, "require", what, "[ci]");
            Vec::new()
        }
    };
    let modes = [
        ("enforce", Mode::Enforce),
        ("warn", Mode::Warn),
        ("dry-run", Mode::DryRun),
    ];
    let mode = match fields.find("mode") {
        Some(value) => reader.choice(value, "`mode`", &modes)?,
        None => Mode::Enforce,
    };
    Some(Gate {
        holds_for: holds_for?,
        except: except.unwrap_or_default(),
        require,
        mode,
        at: key.at,
    })
}

fn read_holds_for(reader: &mut Reader, value: &Value, what: &str) -> Option<HoldsFor> {
    if let Node::Text(_) = value.node {
        return reader
            .choice(value, "`holds-for`", &[("everyone", ())])
            .map(|()| HoldsFor::Everyone);
    }
    let before = reader.len();
    let listed = parties(reader, value, &format!("`holds-for` of {what}"));
    if listed.is_empty() && reader.len() == before {
        let message = format!("{what} holds nobody; name a team, or write `holds-for: everyone`");
        reader.lint(LintCode::EmptyGate, value.at, message);
    }
    Some(HoldsFor::Listed(listed))
}

fn read_require(reader: &mut Reader, value: &Value, stages: &Stages, what: &str) -> Vec<String> {
    let before = reader.len();
    let mut require = Vec::new();
    for (name, at) in reader.texts(value, "`require`") {
        if stages.has(name) {
            require.push(name.to_owned());
        } else {
            let message = stages.unknown(name);
            reader.lint(LintCode::UnknownStage, at, message);
        }
    }
    if require.is_empty() && reader.len() == before {
        let message = format!(
            "{what} requires no stage and would let everything pass; name stages, or remove it"
        );
        reader.lint(LintCode::EmptyGate, value.at, message);
    }
    require
}
