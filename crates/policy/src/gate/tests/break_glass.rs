//! Stories of a gate that two people opened for one image.

use oci::Digest;

use super::world::{DAY, MARIA, POLICY, QUENTIN, RITA, SECOND, TODAY, World, allows, finding};
use crate::decision::{Decision, Mark, Outcome};
use crate::facts::{BreakGlass, InventoryState};
use crate::gate;
use crate::reason::Code;

const HOUR: i64 = 60 * 60 * SECOND;

/// Maria asked for it, Rita confirmed it a moment ago; four hours at `production`.
fn broken() -> BreakGlass {
    BreakGlass {
        id: 7,
        digest: World::unsigned().facts.digest,
        policy: "shop".into(),
        gate: "production".into(),
        reason: "the scanner is broken".into(),
        asked_by: MARIA,
        confirmed_by: RITA,
        confirmed_at: TODAY,
        until_at: TODAY + 4 * HOUR,
    }
}

fn opened(mut world: World) -> World {
    world.facts.break_glass.push(broken());
    world
}

fn would_be(decision: &Decision) -> (Outcome, Option<Outcome>) {
    (decision.outcome, decision.would_be)
}

#[test]
fn it_opens_what_is_not_signed_not_within_limits_and_not_ready() {
    let mut vulnerable = World::approved();
    vulnerable.image().findings.push(finding("CVE-1"));
    let mut waiting = World::approved();
    waiting.image().inventory = InventoryState::NotIndexed;
    waiting.facts.advisories.ready = false;
    for (world, without) in [
        (World::unsigned(), Outcome::Deny),
        (vulnerable, Outcome::Deny),
        (waiting, Outcome::NotReady),
    ] {
        let closed = world.decide();
        assert_eq!(closed.outcome, without);
        let open = opened(world).decide();
        assert_eq!(would_be(&open), (Outcome::Allow, Some(without)));
        assert_eq!(
            open.rules, closed.rules,
            "what is missing is told all the same"
        );
        let used = open.break_glass.as_ref().expect("it is told");
        assert_eq!(
            (used.id, used.asked_by.as_str(), used.confirmed_by.as_str()),
            (7, "person maria", "person rita")
        );
    }
}

#[test]
fn it_ends_by_itself_at_its_last_instant() {
    let mut world = opened(World::unsigned());
    assert_eq!(allows(&world).holds_until, Some(TODAY + 4 * HOUR));
    world.now = TODAY + 4 * HOUR - 1;
    assert_eq!(allows(&world).holds_until, Some(TODAY + 4 * HOUR));
    world.now = TODAY + 4 * HOUR;
    let after = world.decide();
    assert_eq!(would_be(&after), (Outcome::Deny, None));
    assert_eq!((after.break_glass, after.holds_until), (None, None));
}

#[test]
fn an_earlier_end_of_something_else_still_ends_the_answer() {
    let mut world = opened(World::approved());
    let mut running = finding("CVE-1");
    running.first_held_at = TODAY - 7 * DAY + HOUR;
    world.image().findings.push(running);
    assert_eq!(allows(&world).holds_until, Some(TODAY + HOUR));
}

#[test]
fn it_is_told_where_it_is_not_needed_too() {
    let decision = allows(&opened(World::approved()));
    assert_eq!(decision.would_be, None);
    assert_eq!(decision.holds_until, Some(TODAY + 4 * HOUR));
    assert!(
        decision.sentence().contains("break-glass 7 lasts until"),
        "{}",
        decision.sentence()
    );
    assert_eq!(decision.tree_lines()[0].mark, Mark::Pass);
}

#[test]
fn whoever_asks_for_signatures_alone_is_told_too() {
    let world = opened(World::unsigned());
    let verify = |world: &World, alone: bool| {
        let (facts, directory) = (&world.facts, &world.directory);
        let mut told = vec![match alone {
            true => gate::verify_alone(facts, directory, world.now),
            false => gate::verify(facts, &world.policy, &[], directory, world.now),
        }];
        let policies = std::slice::from_ref(&world.policy);
        gate::tell_open(&mut told, facts, policies, directory, world.now);
        told.remove(0)
    };
    for alone in [false, true] {
        let told = verify(&world, alone);
        assert!(!told.verified, "it is no signature");
        assert_eq!(told.holds_until, Some(TODAY + 4 * HOUR));
        let tree = told.explain().tree();
        assert!(
            tree.contains("gate production is open by break-glass 7 until")
                && tree.contains("confirmed by person rita: the scanner is broken"),
            "{tree}"
        );
    }
    for change in [
        (|world: &mut World| world.now = TODAY + 4 * HOUR) as fn(&mut World),
        |world| world.facts.break_glass[0].policy = "base".into(),
        |world| world.facts.break_glass[0].gate = "prod".into(),
        |world| world.facts.break_glass[0].confirmed_at = TODAY + HOUR,
        |world| world.facts.repository = "elsewhere/web".parse().expect("a repository"),
    ] {
        let mut world = opened(World::unsigned());
        change(&mut world);
        assert_eq!(verify(&world, true).warnings, Vec::<String>::new());
    }
}

#[test]
fn one_for_an_index_opens_what_it_lists_and_says_so() {
    let mut world = opened(World::unsigned());
    let index = Digest::sha256(b"the index");
    world.facts.break_glass[0].digest = index.clone();
    let elsewhere = world.decide();
    assert_eq!(
        (would_be(&elsewhere), elsewhere.holds_until),
        ((Outcome::Deny, None), None),
        "nothing here lists the image"
    );
    let verify = |world: &World| {
        let (facts, directory) = (&world.facts, &world.directory);
        let mut told = vec![gate::verify_alone(facts, directory, world.now)];
        let policies = std::slice::from_ref(&world.policy);
        gate::tell_open(&mut told, facts, policies, directory, world.now);
        told.remove(0).warnings.join("\n")
    };
    assert_eq!(verify(&world), "");

    world.facts.listed_by.insert(index.clone());
    let open = allows(&world);
    assert_eq!(open.holds_until, Some(TODAY + 4 * HOUR));
    let used = open.break_glass.as_ref().expect("it is told");
    assert_eq!((used.id, used.index.as_ref()), (7, Some(&index)));
    let whose = format!("break-glass 7 of the index sha256:{}…", index.short());
    for told in [open.sentence(), open.tree(), verify(&world)] {
        assert!(told.contains(&whose), "{told}");
    }
    assert_eq!(world.decide_at(TODAY + 4 * HOUR).outcome, Outcome::Deny);

    // Where it has one of its own that lasts as long, that one speaks if it was there first.
    world.facts.break_glass.insert(0, broken());
    let used = allows(&world).break_glass.expect("it is told");
    assert_eq!(used.index, None);
}

#[test]
fn another_gate_policy_or_time_is_not_opened() {
    for change in [
        (|it: &mut BreakGlass| it.gate = "staging".into()) as fn(&mut BreakGlass),
        |it| it.policy = "base".into(),
        |it| it.until_at = TODAY,
        |it| (it.confirmed_at, it.until_at) = (i64::MIN, i64::MIN),
    ] {
        let mut other = broken();
        change(&mut other);
        let mut world = World::unsigned();
        world.facts.break_glass.push(other);
        let decision = world.decide();
        assert_eq!(
            would_be(&decision),
            (Outcome::Deny, None),
            "{}",
            decision.tree()
        );
    }
}

#[test]
fn one_that_another_clock_confirmed_opens_when_its_time_comes() {
    let mut world = World::unsigned();
    let early = BreakGlass {
        confirmed_at: TODAY + 20,
        ..broken()
    };
    world.facts.break_glass.push(early);
    let before = world.decide();
    assert_eq!(
        (before.outcome, before.holds_until),
        (Outcome::Deny, Some(TODAY + 20))
    );
    assert_eq!(world.decide_at(TODAY + 20).outcome, Outcome::Allow);
}

#[test]
fn of_two_the_one_that_lasts_longer_speaks() {
    let mut world = opened(World::unsigned());
    let longer = BreakGlass {
        id: 8,
        asked_by: RITA,
        confirmed_by: QUENTIN,
        until_at: TODAY + 6 * HOUR,
        ..broken()
    };
    world.facts.break_glass.insert(0, longer);
    let decision = allows(&world);
    assert_eq!(decision.break_glass.as_ref().map(|used| used.id), Some(8));
    assert_eq!(decision.holds_until, Some(TODAY + 6 * HOUR));
    assert_eq!(world.decide_at(TODAY + 5 * HOUR).outcome, Outcome::Allow);
}

#[test]
fn it_makes_no_gate_and_no_policy_where_there_is_none() {
    let world = opened(World::unsigned());
    let mut unknown = broken();
    unknown.gate = "prod".into();
    let mut facts = world.facts.clone();
    facts.break_glass.push(unknown);
    let decision = gate::evaluate(&facts, &world.policy, "prod", &world.directory, world.now);
    assert_eq!(decision.outcome, Outcome::Deny);
    assert!(
        decision
            .blocking()
            .any(|reason| reason.code == Code::UnknownGate)
    );

    let mut elsewhere = world;
    elsewhere.facts.repository = "elsewhere/web".parse().expect("a repository");
    let decision = elsewhere.decide();
    assert_eq!(would_be(&decision), (Outcome::Deny, None));
    assert!(
        decision
            .blocking()
            .any(|reason| reason.code == Code::NoPolicy)
    );
}

#[test]
fn at_a_gate_that_only_warns_it_allows_too() {
    for mode in ["warn", "dry-run"] {
        let text = POLICY.replace("mode: enforce", &format!("mode: {mode}"));
        let decision = opened(World::unsigned().with_policy(&text)).decide();
        assert_eq!(
            would_be(&decision),
            (Outcome::Allow, Some(Outcome::Deny)),
            "{mode}"
        );
    }
}

/// A decision is valid as it was made: a role lost since, or an account closed, does not close the gate in the middle.
#[test]
fn who_confirmed_it_is_not_asked_again() {
    let mut world = opened(World::unsigned());
    world.directory.grants.clear();
    world
        .directory
        .principals
        .get_mut(&RITA)
        .expect("there")
        .active = false;
    assert_eq!(allows(&world).would_be, Some(Outcome::Deny));
}

#[test]
fn the_sentence_says_it_and_what_is_missing_and_fits() {
    let mut world = opened(World::unsigned());
    let sentence = world.decide().sentence();
    assert!(
        sentence.contains(
            "passes gate production by break-glass 7 until 2024-10-04T04:00:00Z (the scanner is broken); without it, it would not: stage ci is not signed"
        ),
        "{sentence}"
    );
    let tree = world.decide().tree();
    assert!(
        tree.starts_with(
            "· allow (by break-glass; enforced, without it, it would be deny): shop/web@sha256:"
        ),
        "{tree}"
    );
    assert!(
        tree.contains("· break-glass 7: asked for by person maria, confirmed by person rita, until 2024-10-04T04:00:00Z: the scanner is broken"),
        "{tree}"
    );
    world.facts.repository = format!("shop/{}", "a".repeat(250))
        .parse()
        .expect("a repository");
    world.facts.break_glass[0].reason = "why ".repeat(120);
    world.facts.break_glass[0].id = i64::MAX;
    let index = Digest::sha256(b"the index");
    world.facts.break_glass[0].digest = index.clone();
    world.facts.listed_by.insert(index);
    let sentence = world.decide().sentence();
    assert!(
        sentence.chars().count() <= crate::decision::SENTENCE_BYTES_MAX,
        "{sentence}"
    );
    assert!(
        sentence.contains("without it, it would not: stage ci is not signed"),
        "{sentence}"
    );
}
