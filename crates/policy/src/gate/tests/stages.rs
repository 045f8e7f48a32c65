//! Stories of stages: their order, their names, and the authors they except.

use super::world::*;
use crate::reason::Code;

#[test]
fn a_signature_before_its_turn_does_not_count() {
    let mut world = World::half_approved();
    // CI signed three days ago and scan was recorded two days ago; a claimed time plays no part.
    world.last_signature().stored_at = TODAY - 2 * DAY - 1;
    let decision = denies(&world, "staging", Code::OutOfOrder);
    assert!(
        decision
            .reasons()
            .any(|reason| reason.message.contains("before stage scan was complete"))
    );
}

#[test]
fn a_signature_at_the_very_instant_of_its_turn_counts() {
    let mut world = World::half_approved();
    world.last_signature().stored_at = TODAY - 2 * DAY;
    allows(&world);
}

#[test]
fn before_ci_has_signed_no_approval_counts() {
    let mut world = World::approved();
    world.facts.evidence.remove(0);
    let decision = denies(&world, "staging", Code::OutOfOrder);
    assert!(codes(&decision, "ci").contains(&Code::StageNotSigned));
    let reason = &decision.stage("staging").expect("judged").reasons[0];
    assert_eq!(reason.next.as_deref(), Some("stage ci comes first"));
}

#[test]
fn before_the_server_has_recorded_the_scan_no_approval_counts() {
    let mut world = World::approved();
    world.facts.stage_records.clear();
    let decision = denies(&world, "staging", Code::OutOfOrder);
    assert!(decision.stage("scan").expect("judged").satisfied);
    assert!(
        decision
            .reasons()
            .any(|reason| reason.message.contains("stage scan is not recorded yet"))
    );
}

#[test]
fn whoever_signed_too_early_may_sign_again() {
    let mut world = World::half_approved();
    world.sign(key_of(RITA), "staging", TODAY - 10 * DAY);
    world.last_signature();
    let decision = allows(&world);
    assert_eq!(codes(&decision, "staging"), [Code::OutOfOrder]);
}

#[test]
fn the_order_is_that_of_the_signature_that_completes_a_stage() {
    let text = POLICY.replace(
        "signers: [{robot: ci-shop}]",
        "signers: [{robot: ci-shop}, {person: olaf}]\n    threshold: 2",
    );
    let mut world = World::half_approved().with_policy(&text);
    world.last_signature();
    world.sign(key_of(OLAF), "ci", TODAY - DAY + 1);
    // Quentin signed before Olaf completed ci, Rita at that very instant.
    let decision = denies(&world, "staging", Code::OutOfOrder);
    assert_eq!(decision.stage("staging").expect("judged").counted.len(), 1);
}

#[test]
fn the_wrong_stage_named_does_not_count() {
    let mut world = World::half_approved();
    world.last_signature().stage = Some("stagin".into());
    let decision = denies(&world, "staging", Code::OtherStage);
    assert!(
        decision
            .reasons()
            .any(|reason| reason.message.contains("`stagin`"))
    );
}

#[test]
fn a_stage_not_named_by_a_one_stage_signer_counts() {
    let mut world = World::half_approved();
    world.last_signature().stage = None;
    allows(&world);
}

#[test]
fn a_stage_not_named_by_a_two_stage_signer_does_not_count() {
    let text = POLICY.replace(
        "signers: [{robot: ci-shop}]",
        "signers: [{robot: ci-shop}, {person: rita}]",
    );
    let mut world = World::half_approved().with_policy(&text);
    world.last_signature().stage = None;
    let decision = denies(&world, "staging", Code::StageNotNamed);
    assert!(codes(&decision, "ci").contains(&Code::StageNotNamed));
}

#[test]
fn someone_who_signed_for_ci_by_name_is_an_author_at_staging() {
    let text = POLICY.replace(
        "signers: [{robot: ci-shop}]",
        "signers: [{robot: ci-shop}, {person: rita}]",
    );
    let mut world = World::half_approved().with_policy(&text);
    world.sign(key_of(RITA), "ci", TODAY - 3 * DAY);
    world.last_signature();
    denies(&world, "staging", Code::Author);
}

#[test]
fn the_author_himself_does_not_approve() {
    let mut world = World::half_approved();
    world.facts.first_pushed_by = Some(RITA);
    world.last_signature();
    let decision = denies(&world, "staging", Code::Author);
    assert!(
        decision
            .reasons()
            .any(|reason| reason.message.contains("person rita pushed this image"))
    );
}

#[test]
fn the_author_who_pushed_through_his_robot_does_not_approve() {
    let mut world = World::built();
    world.facts.first_pushed_by = Some(MARIA_BOT);
    world.sign(key_of(MARIA), "staging", TODAY - DAY);
    let decision = denies(&world, "staging", Code::Author);
    assert!(
        decision
            .reasons()
            .any(|reason| reason.message.contains("robot maria-bot pushed this image"))
    );
}

#[test]
fn the_owner_of_the_ci_robot_is_an_author() {
    let mut world = World::half_approved();
    world.facts.first_pushed_by = Some(OLAF);
    world
        .directory
        .teams
        .get_mut("qa")
        .expect("there")
        .insert(DORA);
    world.sign(key_of(DORA), "staging", TODAY - DAY + 1);
    denies(&world, "staging", Code::Author);
}

#[test]
fn what_is_signed_for_one_stage_is_not_listed_under_another() {
    let mut world = World::approved();
    // Unknown keys and strangers that name `ci` say nothing about staging.
    world.sign(key(4711), "ci", TODAY).key = None;
    world.sign(key_of(OLAF), "ci", TODAY);
    let decision = allows(&world);
    assert_eq!(codes(&decision, "staging"), []);
    assert_eq!(codes(&decision, "ci"), [Code::UnknownKey, Code::NotASigner]);
}

#[test]
fn a_stage_that_others_come_after_is_required_too() {
    let text = POLICY.replace("require: [ci, scan, staging]", "require: [staging]");
    let mut world = World::approved().with_policy(&text);
    allows(&world);
    world
        .image()
        .findings
        .push(super::world::finding("CVE-2021-35042"));
    denies(&world, "scan", Code::VulnerabilityLimit);
}
