//! The `stages` of a policy file.

use std::collections::{BTreeMap, BTreeSet};

use super::node::{Key, Value};
use super::reader::{Fields, Reader, nearest, shown};
use super::{Limits, Party, PartyKind, Stage, VulnerabilityLimit, attested, order, units};
use crate::lint::{LintCode, Position};

const KEYS: &[&str] = &[
    "signers",
    "threshold",
    "after",
    "except",
    "fresh",
    "attestation",
    "automatic",
    "limits",
];
const LIMIT_KEYS: &[&str] = &[
    "vulnerabilities",
    "known-exploited",
    "licences",
    "unscannable",
];
const VULNERABILITY_KEYS: &[&str] = &["severity", "fixable-only", "grace"];

/// The stages of a file, those with errors too, so that what names them is not reported as well.
#[derive(Debug, Default)]
pub(super) struct Stages {
    good: BTreeMap<String, Stage>,
    names: BTreeSet<String>,
}

impl Stages {
    /// Whether the file has a stage of this name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.names.contains(name)
    }

    /// `stage `x` is not in this file`, with the nearest name.
    pub(super) fn unknown(&self, name: &str) -> String {
        let names: Vec<&str> = self.names.iter().map(String::as_str).collect();
        let name = shown(name);
        match nearest(&name, &names) {
            Some(near) => format!("there is no stage `{name}`; did you mean `{near}`?"),
            None => format!("there is no stage `{name}`; add it under `stages`"),
        }
    }

    pub(super) fn into_policy(self) -> BTreeMap<String, Stage> {
        self.good
    }
}

pub(super) fn read(reader: &mut Reader, value: &Value) -> Stages {
    let entries = reader.names(value, "`stages`");
    let names = entries.iter().map(|(key, _)| key.name.clone()).collect();
    let mut stages = Stages {
        good: BTreeMap::new(),
        names,
    };
    for (key, value) in entries {
        if let Some(stage) = read_stage(reader, key, value, &stages) {
            stages.good.insert(key.name.clone(), stage);
        }
    }
    for (stage, message) in order::cycles(&stages.good) {
        reader.lint(LintCode::StageCycle, stage, message);
    }
    stages
}

fn read_stage(reader: &mut Reader, key: &Key, value: &Value, stages: &Stages) -> Option<Stage> {
    let what = format!("stage `{}`", key.name);
    let fields = reader.fields(value, KEYS, &what)?;
    let automatic = fields
        .find("automatic")
        .and_then(|value| reader.flag(value, "`automatic`"))
        .unwrap_or_default();
    if automatic {
        return read_automatic(reader, key, &fields, &what);
    }
    if let Some((limits, _)) = fields.entry("limits") {
        let message = format!(
            "{what} has limits but is not automatic, and they would not be enforced; move them to a stage with `automatic: true`"
        );
        reader.lint(LintCode::LimitsNotAutomatic, limits.at, message);
    }
    let before = reader.len();
    let signers = match fields.find("signers") {
        Some(value) => parties(reader, value, &format!("the signers of {what}")),
        None => Vec::new(),
    };
    // Signers that could not be read are reported already, and not also as missing.
    let is_whole = reader.len() == before;
    if signers.is_empty() && is_whole {
        let message = format!(
            "{what} has no signers, so it can never be complete; write `signers: [{{team: qa}}]`, or `automatic: true` with limits"
        );
        reader.lint(LintCode::NoSigners, key.at, message);
    }
    let reach = if is_whole { reach(&signers) } else { None };
    Some(Stage {
        threshold: read_threshold(reader, fields.find("threshold"), reach, &what),
        after: read_after(reader, fields.find("after"), &key.name, stages),
        fresh_milliseconds: fields
            .find("fresh")
            .and_then(|value| read_fresh(reader, value, &what)),
        except_author: fields
            .find("except")
            .is_some_and(|value| read_except(reader, value, &what)),
        attestation: fields
            .find("attestation")
            .and_then(|value| attested::read(reader, value, &what)),
        signers,
        limits: None,
        at: key.at,
    })
}

fn read_automatic(
    reader: &mut Reader,
    key: &Key,
    fields: &Fields<'_>,
    what: &str,
) -> Option<Stage> {
    for name in [
        "signers",
        "threshold",
        "after",
        "except",
        "fresh",
        "attestation",
    ] {
        if let Some((found, _)) = fields.entry(name) {
            let message = format!(
                "{what} is automatic: it counts while its limits hold, and nobody signs for it; remove `{name}`"
            );
            reader.lint(LintCode::AutomaticSigners, found.at, message);
        }
    }
    let limits = fields
        .find("limits")
        .map(|value| read_limits(reader, value, what));
    let Some(limits) = limits else {
        let message = format!(
            "{what} is automatic and has no limits; write `limits: {{known-exploited: deny}}` or others"
        );
        reader.lint(LintCode::AutomaticLimits, key.at, message);
        return None;
    };
    Some(Stage {
        signers: Vec::new(),
        threshold: 0,
        after: Vec::new(),
        fresh_milliseconds: None,
        except_author: false,
        attestation: None,
        limits: Some(limits?),
        at: key.at,
    })
}

/// How many signatures these signers can give; with a team only the directory can tell.
fn reach(signers: &[Party]) -> Option<usize> {
    let has_team = signers.iter().any(|party| party.kind == PartyKind::Team);
    let distinct: BTreeSet<_> = signers
        .iter()
        .map(|party| (party.kind, &party.name))
        .collect();
    Some(distinct.len()).filter(|reach| *reach > 0 && !has_team)
}

fn read_threshold(
    reader: &mut Reader,
    value: Option<&Value>,
    reach: Option<usize>,
    what: &str,
) -> usize {
    let Some(value) = value else { return 1 };
    let Some(threshold) = reader.number(value, "`threshold`") else {
        return 1;
    };
    let threshold = usize::try_from(threshold).unwrap_or_default();
    if threshold == 0 {
        let message = format!("the threshold of {what} must be 1 or more");
        reader.lint(LintCode::Threshold, value.at, message);
    }
    if let Some(reach) = reach.filter(|reach| *reach < threshold) {
        let message = format!(
            "{what} asks for {threshold} signatures and lists {reach} of those who may sign; list more, or lower the threshold"
        );
        reader.lint(LintCode::Threshold, value.at, message);
    }
    threshold
}

fn read_after(
    reader: &mut Reader,
    value: Option<&Value>,
    own: &str,
    stages: &Stages,
) -> Vec<String> {
    let Some(value) = value else {
        return Vec::new();
    };
    let mut after = Vec::new();
    for (name, at) in reader.texts(value, "`after`") {
        if name == own {
            reader.lint(
                LintCode::StageCycle,
                at,
                format!("stage `{own}` cannot come after itself; remove it"),
            );
        } else if stages.has(name) {
            after.push(name.to_owned());
        } else {
            let message = stages.unknown(name);
            reader.lint(LintCode::UnknownStage, at, message);
        }
    }
    after
}

fn read_fresh(reader: &mut Reader, value: &Value, what: &str) -> Option<i64> {
    let fresh = read_duration(reader, value, "`fresh`")?;
    if fresh == 0 {
        let message = format!(
            "`fresh` of {what} is no time at all, so no signature could ever count; write a duration such as `30d`"
        );
        reader.lint(LintCode::BadValue, value.at, message);
    }
    Some(fresh).filter(|fresh| *fresh > 0)
}

fn read_except(reader: &mut Reader, value: &Value, what: &str) -> bool {
    let mut except_author = false;
    for (name, at) in reader.texts(value, &format!("`except` of {what}")) {
        if name == "author" {
            except_author = true;
        } else {
            let message = format!(
                "a stage can except `author` only, not `{}`; list others as signers",
                shown(name)
            );
            reader.lint(LintCode::BadValue, at, message);
        }
    }
    except_author
}

fn read_limits(reader: &mut Reader, value: &Value, what: &str) -> Option<Limits> {
    let what = format!("the limits of {what}");
    let fields = reader.fields(value, LIMIT_KEYS, &what)?;
    let limits = Limits {
        vulnerabilities: fields
            .find("vulnerabilities")
            .and_then(|value| read_vulnerabilities(reader, value)),
        deny_known_exploited: fields
            .find("known-exploited")
            .and_then(|value| reader.choice(value, "`known-exploited`", &[("deny", true)]))
            .unwrap_or_default(),
        denied_licences: fields
            .find("licences")
            .map(|value| read_licences(reader, value))
            .unwrap_or_default(),
        allow_unscannable: fields
            .find("unscannable")
            .and_then(|value| {
                reader.choice(value, "`unscannable`", &[("allow", true), ("deny", false)])
            })
            .unwrap_or_default(),
    };
    let names_a_limit = ["vulnerabilities", "known-exploited", "licences"]
        .iter()
        .any(|name| fields.find(name).is_some());
    if !names_a_limit {
        let message =
            format!("{what} are empty; write `vulnerabilities`, `known-exploited` or `licences`");
        reader.lint(LintCode::AutomaticLimits, fields.at, message);
    }
    Some(limits)
}

fn read_vulnerabilities(reader: &mut Reader, value: &Value) -> Option<VulnerabilityLimit> {
    use advisories::Severity::{Critical, High, Low, Medium};
    const WHAT: &str = "`vulnerabilities`";
    let fields = reader.fields(value, VULNERABILITY_KEYS, WHAT)?;
    let grades = [
        ("low", Low),
        ("medium", Medium),
        ("high", High),
        ("critical", Critical),
    ];
    let severity = match fields.find("severity") {
        Some(value) => reader.choice(value, "`severity`", &grades),
        None => {
            reader.missing(fields.at, "severity", WHAT, "critical");
            None
        }
    };
    let grace = fields
        .find("grace")
        .and_then(|value| read_duration(reader, value, "`grace`"));
    Some(VulnerabilityLimit {
        severity: severity?,
        fixable_only: fields
            .find("fixable-only")
            .and_then(|value| reader.flag(value, "`fixable-only`"))
            .unwrap_or_default(),
        grace_milliseconds: grace.unwrap_or_default(),
    })
}

/// Milliseconds.
fn read_duration(reader: &mut Reader, value: &Value, what: &str) -> Option<i64> {
    let text = reader.text(value, what)?;
    match units::parse_duration(text) {
        Ok(milliseconds) => Some(milliseconds),
        Err(error) => {
            reader.lint(LintCode::BadValue, value.at, error.to_string());
            None
        }
    }
}

fn read_licences(reader: &mut Reader, value: &Value) -> Vec<String> {
    let Some(fields) = reader.fields(value, &["deny"], "`licences`") else {
        return Vec::new();
    };
    let Some(value) = fields.find("deny") else {
        reader.missing(fields.at, "deny", "`licences`", "[AGPL-3.0-only]");
        return Vec::new();
    };
    let denied = reader.texts(value, "`deny`");
    if denied.is_empty() {
        let message =
            "`deny` names no licence; write `deny: [AGPL-3.0-only]`, or remove `licences`";
        reader.lint(LintCode::BadValue, value.at, message);
    }
    denied
        .into_iter()
        .map(|(text, _)| text.trim().to_owned())
        .collect()
}

/// A list of `{person: …}`, `{robot: …}` and `{team: …}`.
pub(super) fn parties(reader: &mut Reader, value: &Value, what: &str) -> Vec<Party> {
    let mut parties: Vec<Party> = Vec::new();
    for item in reader.list(value, what) {
        let Some(party) = read_party(reader, item, what) else {
            continue;
        };
        if parties
            .iter()
            .any(|known| (known.kind, &known.name) == (party.kind, &party.name))
        {
            let message = format!("{party} is already among {what}; remove one of them");
            reader.lint(LintCode::DuplicateEntry, party.at, message);
        } else {
            parties.push(party);
        }
    }
    parties
}

fn read_party(reader: &mut Reader, value: &Value, what: &str) -> Option<Party> {
    const KINDS: &[(&str, PartyKind)] = &[
        ("person", PartyKind::Person),
        ("robot", PartyKind::Robot),
        ("team", PartyKind::Team),
    ];
    let keys: Vec<&str> = KINDS.iter().map(|(name, _)| *name).collect();
    let before = reader.len();
    let fields = reader.fields(value, &keys, &format!("an entry of {what}"))?;
    let mut found: Vec<(PartyKind, &Key, &Value)> = Vec::new();
    for (name, kind) in KINDS {
        found.extend(fields.entry(name).map(|(key, value)| (*kind, key, value)));
    }
    match found.as_slice() {
        [(kind, _, value)] => {
            let name = reader.text(value, &format!("the name of a {}", kind.as_str()))?;
            Some(Party {
                kind: *kind,
                name: name.to_owned(),
                at: value.at,
            })
        }
        [] if reader.len() > before => None,
        _ => {
            let at: Position = found.last().map_or(fields.at, |(_, key, _)| key.at);
            let message = format!(
                "an entry of {what} must be exactly one of `{{person: NAME}}`, `{{robot: NAME}}` and `{{team: NAME}}`"
            );
            reader.lint(LintCode::BadValue, at, message);
            None
        }
    }
}
