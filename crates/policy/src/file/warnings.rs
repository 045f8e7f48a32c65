//! Warnings: what works, but probably not as meant.

use std::collections::BTreeSet;

use super::{HoldsFor, Policy, order};
use crate::lint::{Lint, LintCode, Position};

/// The warnings of a policy at `now`, in the order of the file.
pub(super) fn of(policy: &Policy, now: i64) -> Vec<Lint> {
    let mut lints = Vec::new();
    if policy.gates.is_empty() {
        let message = "the policy has no gate, so it holds nobody; add one under `gates`";
        lints.push(Lint::new(LintCode::NoGates, Position::default(), message));
    }
    unrequired_stages(policy, &mut lints);
    for (name, gate) in &policy.gates {
        if gate.holds_for == HoldsFor::Everyone && gate.except.is_empty() {
            let message = format!(
                "gate `{name}` holds everyone, also those who build and test, who then cannot pull what is not signed yet; list them under `except`"
            );
            lints.push(Lint::new(LintCode::HoldsEveryone, gate.at, message));
        }
    }
    for exception in policy
        .exceptions
        .iter()
        .filter(|exception| exception.until_at <= now)
    {
        let message = format!(
            "the exception for `{}` ended {}; remove it, or ask {} for a new end",
            exception.waives_name(),
            crate::gate::instant(exception.until_at),
            exception.owner
        );
        lints.push(Lint::new(LintCode::ExceptionEnded, exception.at, message));
    }
    lints.sort_by_key(|lint| (lint.line, lint.column, lint.code));
    lints
        .into_iter()
        .map(|lint| lint.in_policy(&policy.name))
        .collect()
}

fn unrequired_stages(policy: &Policy, lints: &mut Vec<Lint>) {
    let required = policy
        .gates
        .values()
        .flat_map(|gate| &gate.require)
        .map(String::as_str);
    let needed: BTreeSet<&str> = order::closure(&policy.stages, required)
        .into_iter()
        .collect();
    for (name, stage) in &policy.stages {
        if !needed.contains(name.as_str()) {
            let message = format!(
                "no gate requires stage `{name}`; add it to `require` of a gate, or remove it"
            );
            lints.push(Lint::new(LintCode::StageNotRequired, stage.at, message));
        }
    }
}
