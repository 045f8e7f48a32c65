//! The `exceptions` of a policy file.

use super::node::Value;
use super::reader::{Fields, Reader};
use super::{Exception, WaivableRule, Waives, units};
use crate::lint::LintCode;
use crate::pattern::Pattern;

const KEYS: &[&str] = &[
    "finding",
    "rule",
    "repositories",
    "owner",
    "reason",
    "until",
];
const WHAT: &str = "the exception";

pub(super) fn read(reader: &mut Reader, value: &Value, all: &[Pattern]) -> Vec<Exception> {
    let mut exceptions = Vec::new();
    for item in reader.list(value, "`exceptions`") {
        let Some(fields) = reader.fields(item, KEYS, "an exception") else {
            continue;
        };
        exceptions.extend(read_exception(reader, &fields, all));
    }
    exceptions
}

fn read_exception(reader: &mut Reader, fields: &Fields<'_>, all: &[Pattern]) -> Option<Exception> {
    let waives = read_waives(reader, fields);
    let mut say = |key, hint| required(reader, fields, key, hint);
    let owner = say("owner", "who answers for it, as in `owner: maria`");
    let reason = say(
        "reason",
        "why it is acceptable, as in `reason: \"not reachable\"`",
    );
    let until = say("until", "when it ends, as in `until: 2026-12-31`");
    let repositories = read_repositories(reader, fields, all);
    let (until, until_value) = (until?, fields.find("until")?);
    let until_at = match units::parse_until(&until) {
        Ok(until_at) => until_at,
        Err(error) => {
            reader.lint(LintCode::BadException, until_value.at, error.to_string());
            return None;
        }
    };
    Some(Exception {
        waives: waives?,
        repositories,
        owner: owner?,
        reason: reason?,
        until_at,
        at: fields.at,
    })
}

fn read_repositories(reader: &mut Reader, fields: &Fields<'_>, all: &[Pattern]) -> Vec<Pattern> {
    let Some(value) = fields.find("repositories") else {
        return all.to_vec();
    };
    let patterns = reader.patterns(value, "`repositories` of an exception");
    if patterns.is_empty() {
        let message = format!(
            "{WHAT} applies in no repository; name a pattern, or leave `repositories` out for all that the policy covers"
        );
        reader.lint(LintCode::BadException, value.at, message);
    }
    patterns
}

fn read_waives(reader: &mut Reader, fields: &Fields<'_>) -> Option<Waives> {
    match (fields.find("finding"), fields.find("rule")) {
        (Some(finding), None) => Some(Waives::Finding(
            reader.text(finding, "`finding`")?.trim().to_owned(),
        )),
        (None, Some(rule)) => {
            let rules: Vec<(&str, WaivableRule)> = WaivableRule::ALL
                .iter()
                .map(|rule| (rule.as_str(), *rule))
                .collect();
            reader
                .choice(rule, "`rule` (signatures cannot be waived)", &rules)
                .map(Waives::Rule)
        }
        (Some(_), Some(_)) => {
            let message = format!("{WHAT} waives a finding and a rule; write two exceptions");
            reader.lint(LintCode::BadException, fields.at, message);
            None
        }
        (None, None) => {
            let message = format!(
                "{WHAT} does not say what it waives; write `finding: CVE-…` or `rule: licences`"
            );
            reader.lint(LintCode::BadException, fields.at, message);
            None
        }
    }
}

fn required(reader: &mut Reader, fields: &Fields<'_>, key: &str, hint: &str) -> Option<String> {
    let Some(value) = fields.find(key) else {
        reader.lint(
            LintCode::BadException,
            fields.at,
            format!("{WHAT} has no `{key}`; say {hint}"),
        );
        return None;
    };
    reader
        .text(value, &format!("`{key}` of an exception"))
        .map(str::to_owned)
}
