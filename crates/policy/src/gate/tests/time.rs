//! Stories of time: exceptions that end, grace, keys that will be revoked, and until when an answer can be cached.

use super::world::{DAY, POLICY, QUENTIN, SECOND, TODAY, World, allows, denies, finding, key_of};
use crate::decision::Outcome;
use crate::file::parse_until;
use crate::reason::Code;

#[test]
fn an_exception_ends_and_the_answer_held_until_then() {
    let text = format!(
        "{POLICY}exceptions:\n  - {{finding: CVE-1, owner: maria, reason: soon, until: 2024-11-10}}\n"
    );
    let end = parse_until("2024-11-10").expect("a date");
    let mut world = World::approved().with_policy(&text);
    world.image().findings.push(finding("CVE-1"));
    world.now = end - 1;
    assert_eq!(allows(&world).holds_until, Some(end));
    world.now = end;
    let decision = denies(&world, "scan", Code::VulnerabilityLimit);
    assert_eq!(decision.exceptions_used, []);
    assert_eq!(decision.holds_until, None);
}

#[test]
fn of_two_exceptions_the_one_that_ends_last_counts() {
    let text = format!(
        "{POLICY}exceptions:\n  - {{finding: CVE-1, owner: maria, reason: a, until: 2030-01-01}}\n  - {{rule: vulnerabilities, owner: rita, reason: b, until: 2031-01-01}}\n"
    );
    let mut world = World::approved().with_policy(&text);
    world.image().findings.push(finding("CVE-1"));
    let decision = allows(&world);
    assert_eq!(decision.exceptions_used.len(), 1);
    assert_eq!(
        decision.holds_until,
        Some(parse_until("2031-01-01").expect("a date"))
    );
}

#[test]
fn the_cache_ends_with_the_first_grace_that_ends() {
    let mut world = World::approved();
    for (group, left) in [("CVE-1", 3 * DAY), ("CVE-2", DAY), ("CVE-3", 2 * DAY)] {
        let mut running = finding(group);
        running.first_held_at = TODAY - 7 * DAY + left;
        world.image().findings.push(running);
    }
    assert_eq!(allows(&world).holds_until, Some(TODAY + DAY));
}

#[test]
fn an_answer_that_time_does_not_change_has_no_end() {
    assert_eq!(allows(&World::approved()).holds_until, None);
    assert_eq!(World::unsigned().decide().holds_until, None);
}

#[test]
fn a_key_that_will_be_revoked_counts_until_then() {
    let mut world = World::approved();
    world
        .directory
        .keys
        .get_mut(&key_of(QUENTIN))
        .expect("there")
        .revoked_at = Some(TODAY + SECOND);
    assert_eq!(allows(&world).holds_until, Some(TODAY + SECOND));
    assert_eq!(world.decide_at(TODAY + SECOND).outcome, Outcome::Deny);
}

#[test]
fn extreme_times_do_not_overflow() {
    let mut world = World::approved();
    for first_held_at in [i64::MIN, i64::MAX] {
        let mut extreme = finding("CVE-1");
        (extreme.first_held_at, extreme.group) = (first_held_at, format!("CVE-{first_held_at}"));
        world.image().findings.push(extreme);
    }
    for now in [i64::MIN, 0, i64::MAX] {
        let decision = world.decide_at(now);
        assert!(!decision.tree().is_empty() && !decision.sentence().is_empty());
    }
}
