//! Stories of signatures that end: by what they say themselves, and because a stage takes none that is too old.

use super::world::*;
use crate::decision::Outcome;
use crate::reason::Code;

/// Signatures for `ci` count for four days, those for `staging` for two.
fn ageing(world: World) -> World {
    let text = POLICY
        .replace(
            "signers: [{robot: ci-shop}]",
            "signers: [{robot: ci-shop}]\n    fresh: 4d",
        )
        .replace("threshold: 2", "threshold: 2\n    fresh: 2d");
    world.with_policy(&text)
}

#[test]
fn a_signature_counts_until_it_is_too_old_and_the_answer_holds_until_then() {
    let mut world = ageing(World::approved());
    // Quentin signed a day ago; ci-shop three days ago.
    let end = TODAY + DAY;
    assert_eq!(allows(&world).holds_until, Some(end));
    world.now = end - 1;
    assert_eq!(allows(&world).holds_until, Some(end));
    world.now = end;
    let decision = denies(&world, "staging", Code::TooOld);
    assert!(codes(&decision, "ci").contains(&Code::TooOld));
    let reason = decision
        .reasons()
        .find(|reason| reason.code == Code::TooOld && reason.message.contains("quentin"))
        .expect("Quentin's signature has a reason");
    assert!(
        reason
            .message
            .ends_with("stage staging takes none older than 2d"),
        "{}",
        reason.message
    );
}

#[test]
fn whose_signature_is_too_old_signs_again() {
    let mut world = ageing(World::approved());
    world.now = TODAY + DAY;
    for (who, stage) in [(CI_SHOP, "ci"), (QUENTIN, "staging"), (RITA, "staging")] {
        assert_eq!(world.decide().outcome, Outcome::Deny);
        let now = world.now;
        world.sign(key_of(who), stage, now);
        world.now += 1;
    }
    let decision = allows(&world);
    assert_eq!(
        codes(&decision, "staging"),
        [Code::TooOld, Code::TooOld],
        "what is too old does not stand in the way of what is new"
    );
}

#[test]
fn a_stage_that_was_complete_once_keeps_its_place_in_the_order() {
    let mut world = ageing(World::approved());
    world.now = TODAY + DAY - 1;
    // ci-shop signs again, long after the approvals: they need not be given again.
    let now = world.now;
    world.sign(key_of(CI_SHOP), "ci", now);
    allows(&world);
}

#[test]
fn who_signed_for_ci_stays_an_author_however_long_ago() {
    let text = POLICY.replace(
        "signers: [{robot: ci-shop}]",
        "signers: [{robot: ci-shop}, {person: rita}]\n    fresh: 1d",
    );
    let mut world = World::half_approved().with_policy(&text);
    world.sign(key_of(RITA), "ci", TODAY - 2 * DAY);
    world.sign(key_of(CI_SHOP), "ci", TODAY);
    world.last_signature();
    denies(&world, "staging", Code::Author);
}

#[test]
fn a_signature_that_says_until_when_it_holds_counts_until_then() {
    let mut world = World::half_approved();
    let end = TODAY + SECOND;
    world.last_signature().expires_at = Some(end);
    let decision = allows(&world);
    assert_eq!(decision.holds_until, Some(end));
    let counted = &decision.stage("staging").expect("judged").counted;
    assert_eq!(
        counted.iter().map(|it| it.counts_until).collect::<Vec<_>>(),
        [None, Some(end)]
    );
    world.now = end;
    denies(&world, "staging", Code::Expired);
}

#[test]
fn of_two_ends_the_first_counts() {
    let mut world = ageing(World::half_approved());
    world.last_signature().expires_at = Some(TODAY + SECOND);
    assert_eq!(allows(&world).holds_until, Some(TODAY + SECOND));
    world.now = TODAY + SECOND;
    let decision = denies(&world, "staging", Code::Expired);
    assert!(!codes(&decision, "staging").contains(&Code::TooOld));
}

#[test]
fn extreme_ends_do_not_overflow() {
    let mut world = ageing(World::approved());
    for at in [i64::MIN, i64::MAX] {
        let signature = world.sign(key_of(MARIA), "staging", at);
        signature.expires_at = Some(at);
    }
    for now in [i64::MIN, 0, i64::MAX] {
        assert!(!world.decide_at(now).tree().is_empty());
    }
}
