//! Modes of a gate, gates and policies that do not apply.

use super::world::{POLICY, World, digest};
use crate::decision::Outcome;
use crate::facts::InventoryState;
use crate::file::Mode;
use crate::gate;
use crate::reason::Code;

fn in_mode(world: World, mode: &str) -> World {
    world.with_policy(&POLICY.replace("mode: enforce", &format!("mode: {mode}")))
}

#[test]
fn warn_lets_pass_and_says_what_is_missing() {
    let decision = in_mode(World::unsigned(), "warn").decide();
    assert_eq!(
        (decision.outcome, decision.would_be),
        (Outcome::Warn, Some(Outcome::Deny))
    );
    assert!(
        decision
            .sentence()
            .contains("passes gate production with a warning: stage ci is not signed")
    );
    assert!(decision.outcome.passes());
}

#[test]
fn warn_does_not_wait_for_the_index_either() {
    let mut world = in_mode(World::approved(), "warn");
    world.image().inventory = InventoryState::NotIndexed;
    let decision = world.decide();
    assert_eq!(
        (decision.outcome, decision.would_be),
        (Outcome::Warn, Some(Outcome::NotReady))
    );
}

#[test]
fn dry_run_lets_pass_and_records_what_it_would_have_done() {
    let decision = in_mode(World::unsigned(), "dry-run").decide();
    assert_eq!(
        (decision.outcome, decision.would_be),
        (Outcome::Allow, Some(Outcome::Deny))
    );
    assert_eq!(decision.mode, Mode::DryRun);
    assert!(
        decision
            .sentence()
            .contains("enforced, it would not: stage ci is not signed")
    );
}

#[test]
fn what_is_met_is_allowed_in_every_mode() {
    for mode in ["enforce", "warn", "dry-run"] {
        let decision = in_mode(World::approved(), mode).decide();
        assert_eq!(
            (decision.outcome, decision.would_be),
            (Outcome::Allow, None),
            "{mode}"
        );
    }
}

#[test]
fn an_unknown_gate_refuses() {
    let world = World::approved();
    let decision = gate::evaluate(
        &world.facts,
        &world.policy,
        "prod",
        &world.directory,
        world.now,
    );
    assert_eq!(decision.outcome, Outcome::Deny);
    assert_eq!(
        decision
            .blocking()
            .map(|reason| reason.code)
            .collect::<Vec<_>>(),
        [Code::UnknownGate]
    );
}

#[test]
fn a_policy_that_does_not_cover_the_repository_refuses() {
    let mut world = World::approved();
    world.facts.repository = "elsewhere/web".parse().expect("a repository");
    let decision = world.decide();
    assert_eq!(decision.outcome, Outcome::Deny);
    assert_eq!(
        decision
            .blocking()
            .map(|reason| reason.code)
            .collect::<Vec<_>>(),
        [Code::NoPolicy]
    );
}

#[test]
fn no_policy_is_a_refusal_with_a_sentence() {
    let decision = gate::no_policy(&"copy/web".parse().expect("a repository"), &digest("x"), 7);
    assert_eq!((decision.outcome, decision.decided_at), (Outcome::Deny, 7));
    assert!(
        decision
            .sentence()
            .contains("no gate holds you in copy/web"),
        "{}",
        decision.sentence()
    );
    assert!(
        decision.sentence().contains("list copy/web as ungated"),
        "{}",
        decision.sentence()
    );
}

#[test]
fn a_stage_that_vanished_from_the_policy_fails_closed() {
    let mut world = World::approved();
    world.policy.stages.remove("ci");
    let decision = world.decide();
    assert_eq!(decision.outcome, Outcome::Deny, "{}", decision.tree());
}
