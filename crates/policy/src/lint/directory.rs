//! Lints that need the directory and all policies: names that nobody has, and ways past a gate.
//!
//! They are asked for when a policy is applied and may be asked for at any time after: people come and go. DESIGN §3
//! "Who is held by a gate".

use std::collections::BTreeSet;

use super::{Lint, LintCode, Position};
use crate::file::{Gate, HoldsFor, Mode, Party, PartyKind, Policy, Stage};
use crate::gate::is_held;
use crate::pattern::Pattern;
use crate::principal::{Directory, Kind, PrincipalId, Who};
use crate::role::{Grant, Grantee, Role, allows};
use crate::verb::VerbKind;

/// Checks all policies of a server together, against its directory.
#[must_use]
pub fn lint_all(policies: &[Policy], directory: &Directory) -> Vec<Lint> {
    let mut lints = Vec::new();
    for policy in policies {
        let mut of_policy = Vec::new();
        unknown_names(policy, directory, &mut of_policy);
        for (name, stage) in &policy.stages {
            out_of_reach(name, stage, directory, &mut of_policy);
        }
        held_who_can_push(policy, policies, directory, &mut of_policy);
        of_policy.sort_by(|left, right| place(left).cmp(&place(right)));
        lints.extend(
            of_policy
                .into_iter()
                .map(|lint| lint.in_policy(&policy.name)),
        );
    }
    lints
}

/// Whether a policy names the team, as signers or at a gate: then only the role `security` may change its members.
#[must_use]
pub fn names_team(policies: &[Policy], team: &str) -> bool {
    let is_team = |party: &&Party| party.kind == PartyKind::Team && party.name == team;
    policies
        .iter()
        .any(|policy| parties(policy).any(|party| is_team(&party)))
}

fn place(lint: &Lint) -> (u64, u64, LintCode, &str) {
    (lint.line, lint.column, lint.code, &lint.message)
}

fn parties(policy: &Policy) -> impl Iterator<Item = &Party> {
    let of_stages = policy.stages.values().flat_map(|stage| &stage.signers);
    of_stages.chain(policy.gates.values().flat_map(parties_of_gate))
}

fn parties_of_gate(gate: &Gate) -> impl Iterator<Item = &Party> {
    let listed = match &gate.holds_for {
        HoldsFor::Everyone => [].as_slice(),
        HoldsFor::Listed(parties) => parties.as_slice(),
    };
    listed.iter().chain(&gate.except)
}

fn unknown_names(policy: &Policy, directory: &Directory, lints: &mut Vec<Lint>) {
    let is_known = |kind: PartyKind, name: &str| match kind {
        PartyKind::Person => directory.by_name(Kind::Person, name).is_some(),
        PartyKind::Robot => directory.by_name(Kind::Robot, name).is_some(),
        PartyKind::Team => directory.teams.contains_key(name),
    };
    for party in parties(policy).filter(|party| !is_known(party.kind, &party.name)) {
        let kind = party.kind.as_str();
        let command = if party.kind == PartyKind::Person {
            "user"
        } else {
            kind
        };
        let message = format!(
            "there is no {kind} `{}`; correct the name, or create it with `countersign {command}`",
            party.name
        );
        lints.push(Lint::new(LintCode::UnknownPrincipal, party.at, message));
    }
    for exception in &policy.exceptions {
        if !is_known(PartyKind::Person, &exception.owner) {
            let message = format!(
                "there is no person `{}` to answer for this exception; name someone who has an account",
                exception.owner
            );
            lints.push(Lint::new(LintCode::UnknownPrincipal, exception.at, message));
        }
    }
}

/// Warns when there are too few people and machines to reach a threshold.
fn out_of_reach(name: &str, stage: &Stage, directory: &Directory, lints: &mut Vec<Lint>) {
    if stage.is_automatic() {
        return;
    }
    let signers: BTreeSet<PrincipalId> = directory
        .principals
        .keys()
        .filter(|id| directory.is_active(**id))
        .filter(|id| {
            stage
                .signers
                .iter()
                .any(|party| party.signs_as(directory, **id))
        })
        .map(|id| directory.identity_of(*id))
        .collect();
    if signers.len() < stage.threshold {
        let message = format!(
            "stage `{name}` asks for {} distinct people or machines, and at the moment {} can sign for it (a robot counts as its owner); add members or signers",
            stage.threshold,
            signers.len()
        );
        lints.push(Lint::new(LintCode::ThresholdOutOfReach, stage.at, message));
    }
}

/// Whoever is held and can push where nobody is held could copy an image there and pull it.
fn held_who_can_push(
    policy: &Policy,
    all: &[Policy],
    directory: &Directory,
    lints: &mut Vec<Lint>,
) {
    for pattern in &policy.ungated {
        for principal in directory
            .principals
            .values()
            .filter(|found| directory.is_active(found.id))
        {
            let Some(gate) = enforced_hold(all, directory, principal.id) else {
                continue;
            };
            let grant = directory.grants.iter().find(|grant| {
                is_for(grant, directory, principal.id)
                    && may_push(grant.role)
                    && grant.pattern.overlaps(pattern)
            });
            let Some(grant) = grant else { continue };
            let message = push_message(pattern, &principal.to_string(), &gate, grant);
            lints.push(Lint::new(
                LintCode::HeldCanPush,
                Position::default(),
                message,
            ));
        }
    }
}

fn push_message(pattern: &Pattern, who: &str, gate: &str, grant: &Grant) -> String {
    let how = if allows(grant.role, VerbKind::Push) {
        "can push"
    } else {
        "can give themselves the right to push"
    };
    format!(
        "`{pattern}` is ungated, and {who}, whom {gate} holds, {how} there (role {} on `{}`): an image could be copied past the gate; narrow the grant, except {who} from the gate, or remove `{pattern}` from `ungated`",
        grant.role, grant.pattern
    )
}

fn enforced_hold(policies: &[Policy], directory: &Directory, id: PrincipalId) -> Option<String> {
    let mut gates = policies
        .iter()
        .flat_map(|policy| policy.gates.iter().map(move |gate| (policy, gate)));
    gates
        .find(|(_, (_, gate))| {
            gate.mode == Mode::Enforce && is_held(gate, directory, &Who::Principal(id))
        })
        .map(|(policy, (name, _))| format!("gate {name} of policy {}", policy.name))
}

fn is_for(grant: &Grant, directory: &Directory, id: PrincipalId) -> bool {
    match &grant.to {
        Grantee::Principal(to) => *to == id,
        Grantee::Team(team) => directory.is_member(team, id),
        Grantee::Anonymous => false,
    }
}

/// An admin cannot push, but can grant the right.
fn may_push(role: Role) -> bool {
    allows(role, VerbKind::Push) || role == Role::Admin
}
