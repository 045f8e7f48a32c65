//! Stories of signatures that must not count, and of those that must.

use super::world::*;
use crate::decision::Outcome;
use crate::facts::Verdict;
use crate::pattern::Pattern;
use crate::principal::SigningKey;
use crate::reason::Code;

#[test]
fn every_stage_signed_by_the_right_people_passes() {
    let decision = allows(&World::approved());
    let counted = |stage: &str| -> Vec<String> {
        let rule = decision.stage(stage).expect("the stage is judged");
        rule.counted
            .iter()
            .map(|counted| counted.name.clone())
            .collect()
    };
    assert_eq!(counted("ci"), ["ci-shop"]);
    assert_eq!(counted("staging"), ["quentin", "rita"]);
    assert_eq!(decision.reasons().count(), 0, "{}", decision.tree());
}

#[test]
fn nothing_signed_names_every_stage_that_is_missing() {
    let decision = denies(&World::unsigned(), "ci", Code::StageNotSigned);
    assert_eq!(codes(&decision, "staging"), [Code::StageNotSigned]);
    assert!(decision.stage("scan").expect("judged").satisfied);
    let sentence = decision.sentence();
    for part in [
        "shop/web@sha256:",
        "gate production",
        "needs robot ci-shop",
        "team qa",
        "Next: countersign sign --stage ci --key FILE shop/web@sha256:",
    ] {
        assert!(sentence.contains(part), "{part} is not in {sentence}");
    }
}

#[test]
fn one_of_two_signatures_says_who_could_give_the_other() {
    let decision = denies(
        &World::half_approved(),
        "staging",
        Code::ThresholdNotReached,
    );
    let reason = &decision.stage("staging").expect("judged").reasons[0];
    assert_eq!(
        reason.message,
        "stage staging has 1 of 2 signatures (needs 1 more of team qa, person maria, robot maria-bot)"
    );
}

#[test]
fn one_person_with_two_keys_counts_once() {
    let mut world = World::half_approved();
    let second = SigningKey {
        key_id: key(99),
        principal: QUENTIN,
        scope: vec![Pattern::everything()],
        revoked_at: None,
        revoked_from: None,
    };
    world.directory.keys.insert(key(99), second);
    world.sign(key(99), "staging", TODAY - DAY + 1);
    denies(&world, "staging", Code::SamePrincipal);
}

#[test]
fn one_person_who_signs_twice_with_one_key_counts_once() {
    let mut world = World::half_approved();
    world.sign(key_of(QUENTIN), "staging", TODAY - DAY + 1);
    denies(&world, "staging", Code::SamePrincipal);
}

#[test]
fn a_person_and_the_robot_he_owns_count_once() {
    let mut world = World::built();
    world.sign(key_of(MARIA), "staging", TODAY - DAY);
    world.sign(key_of(MARIA_BOT), "staging", TODAY - DAY + 1);
    let decision = denies(&world, "staging", Code::SameOwner);
    let counted = &decision.stage("staging").expect("judged").counted;
    assert_eq!(counted.len(), 1);
    assert_eq!(counted[0].name, "maria");
}

#[test]
fn the_robot_first_and_then_its_owner_count_once_too() {
    let mut world = World::built();
    world.sign(key_of(MARIA_BOT), "staging", TODAY - DAY);
    world.sign(key_of(MARIA), "staging", TODAY - DAY + 1);
    denies(&world, "staging", Code::SameOwner);
}

#[test]
fn a_key_outside_its_scope_does_not_count() {
    let mut world = World::half_approved();
    let key = world.directory.keys.get_mut(&key_of(RITA)).expect("there");
    key.scope = vec![Pattern::parse("shop/api").expect("a pattern")];
    world.last_signature();
    denies(&world, "staging", Code::OutOfScope);
}

#[test]
fn a_key_with_an_empty_scope_covers_nothing() {
    let mut world = World::half_approved();
    world
        .directory
        .keys
        .get_mut(&key_of(RITA))
        .expect("there")
        .scope
        .clear();
    world.last_signature();
    denies(&world, "staging", Code::OutOfScope);
}

#[test]
fn a_signature_over_another_digest_does_not_count() {
    let mut world = World::half_approved();
    world.last_signature().subject = digest("another image");
    denies(&world, "staging", Code::OtherDigest);
}

#[test]
fn a_signature_attached_to_another_digest_does_not_count() {
    let mut world = World::half_approved();
    let other = digest("another image");
    let signature = world.last_signature();
    (signature.subject, signature.attached_to) = (other.clone(), other);
    denies(&world, "staging", Code::OtherDigest);
}

#[test]
fn a_revoked_key_does_not_count() {
    let mut world = World::half_approved();
    world.last_signature();
    world
        .directory
        .keys
        .get_mut(&key_of(RITA))
        .expect("there")
        .revoked_at = Some(TODAY);
    denies(&world, "staging", Code::RevokedKey);
}

#[test]
fn a_key_revoked_from_a_moment_keeps_what_it_signed_before() {
    let mut world = World::approved();
    let signed_at = TODAY - DAY + 1;
    let revoke_from = |world: &mut World, from: i64| {
        let key = world.directory.keys.get_mut(&key_of(RITA)).expect("there");
        (key.revoked_at, key.revoked_from) = (Some(TODAY), Some(from));
    };
    revoke_from(&mut world, signed_at + 1);
    allows(&world);
    // From the very instant on.
    revoke_from(&mut world, signed_at);
    let decision = denies(&world, "staging", Code::RevokedKey);
    assert!(
        decision
            .tree()
            .contains("is revoked for what it signed since"),
        "{}",
        decision.tree()
    );
    // Nothing is distrusted before anybody said so, whatever moment they will name.
    world.now = TODAY - 1;
    allows(&world);
}

#[test]
fn what_a_thief_signs_after_the_moment_takes_nothing_from_what_came_before() {
    let mut world = World::approved();
    let signed_at = TODAY - DAY + 1;
    world.sign(key_of(RITA), "staging", signed_at + 5);
    let key = world.directory.keys.get_mut(&key_of(RITA)).expect("there");
    (key.revoked_at, key.revoked_from) = (Some(TODAY), Some(signed_at + 1));
    allows(&world);
}

#[test]
fn a_removed_team_member_does_not_count() {
    let mut world = World::approved();
    world
        .directory
        .teams
        .get_mut("qa")
        .expect("there")
        .remove(&RITA);
    denies(&world, "staging", Code::NotASigner);
}

#[test]
fn someone_who_signs_for_a_stage_of_others_is_told_so() {
    let mut world = World::half_approved();
    world.sign(key_of(OLAF), "staging", TODAY - DAY + 1);
    denies(&world, "staging", Code::NotASigner);
}

#[test]
fn someone_who_signs_for_nothing_in_particular_and_may_not_sign_at_all_is_told_so() {
    let mut world = World::half_approved();
    world.sign(key_of(OLAF), "staging", TODAY - DAY + 1).stage = None;
    denies(&world, "staging", Code::NotASigner);
}

#[test]
fn a_team_means_its_people() {
    let mut world = World::half_approved();
    world
        .directory
        .teams
        .get_mut("qa")
        .expect("there")
        .insert(CI_SHOP);
    world.sign(key_of(CI_SHOP), "staging", TODAY - DAY + 1);
    denies(&world, "staging", Code::NotASigner);
}

#[test]
fn an_inactive_signer_does_not_count() {
    let mut world = World::approved();
    world
        .directory
        .principals
        .get_mut(&RITA)
        .expect("there")
        .active = false;
    denies(&world, "staging", Code::InactivePrincipal);
}

#[test]
fn the_robot_of_an_inactive_owner_does_not_count() {
    let mut world = World::approved();
    world
        .directory
        .principals
        .get_mut(&DORA)
        .expect("there")
        .active = false;
    let decision = denies(&world, "ci", Code::InactivePrincipal);
    assert!(decision.reasons().any(|reason| {
        reason
            .message
            .contains("person dora, who owns robot ci-shop")
    }));
}

#[test]
fn an_unknown_key_does_not_count() {
    let mut world = World::half_approved();
    let signature = world.last_signature();
    signature.key = None;
    signature.verdict = Verdict::UnknownKey;
    denies(&world, "staging", Code::UnknownKey);
}

#[test]
fn whom_a_certificate_names_is_not_shortened_like_the_id_of_a_key() {
    let mut world = World::half_approved();
    let signature = world.last_signature();
    signature.key = None;
    signature.key_hint = Some("signed by `rita@shop.example` by `https://token.example`".into());
    signature.verdict = Verdict::UnknownKey;
    let decision = denies(&world, "staging", Code::UnknownKey);
    let named = "signed by 'rita@shop.example' by 'https://token.example'";
    let candidates = decision
        .reasons()
        .filter_map(|reason| reason.candidate.as_ref());
    let signers: Vec<&str> = candidates
        .filter_map(|candidate| candidate.signer.as_deref())
        .collect();
    assert!(signers.contains(&named), "{signers:?}");
    assert!(
        decision.sentence().contains(named),
        "{}",
        decision.sentence()
    );
}

#[test]
fn what_to_register_is_a_key_or_the_name_in_the_certificate() {
    let next = |format: &str, hint: Option<&str>| {
        let mut world = World::half_approved();
        let signature = world.last_signature();
        signature.key = None;
        signature.format = format.into();
        signature.key_hint = hint.map(Into::into);
        signature.verdict = Verdict::UnknownKey;
        let decision = denies(&world, "staging", Code::UnknownKey);
        let of_it = decision
            .reasons()
            .find(|reason| reason.code == Code::UnknownKey);
        of_it
            .and_then(|reason| reason.next.clone())
            .expect("a next step")
    };
    let register = |what: &str| {
        format!("countersign key register {what} --for NAME --name NAME --scope shop/web")
    };
    let name = Some("signed by `rita@shop.example` by `https://token.example`");
    let by_key = register("--key FILE");
    assert_eq!(next("cosign-bundle", None), by_key);
    assert_eq!(next("cosign-bundle", Some("3f6c0a9d41e2")), by_key);
    assert_eq!(
        next("cosign-bundle", name),
        register("--sigstore-issuer URL --sigstore-identity NAME")
    );
    assert_eq!(
        next("notation", name),
        register("--notation-ca FILE --notation-subject SUBJECT")
    );
}

#[test]
fn a_key_that_is_verified_but_not_registered_does_not_count() {
    let mut world = World::half_approved();
    world.sign(key(4711), "staging", TODAY - DAY + 1);
    denies(&world, "staging", Code::UnknownKey);
}

#[test]
fn a_bad_signature_by_a_registered_key_does_not_count() {
    let mut world = World::half_approved();
    world.last_signature().verdict = Verdict::BadSignature;
    denies(&world, "staging", Code::BadSignature);
}

#[test]
fn unreadable_evidence_is_named_without_what_it_would_do_to_a_terminal() {
    let mut world = World::half_approved();
    let signature = world.last_signature();
    signature.verdict = Verdict::Unreadable("\u{1b}[2Jnot JSON".into());
    signature.stage = None;
    let decision = denies(&world, "staging", Code::Unreadable);
    assert!(!decision.tree().contains('\u{1b}'));
    assert!(!decision.sentence().contains('\u{1b}'));
}

#[test]
fn a_signature_in_a_format_that_nothing_reads_is_named_and_does_not_count() {
    let mut world = World::half_approved();
    let signature = world.last_signature();
    (signature.verdict, signature.format) = (Verdict::NotRead, "notation".into());
    (signature.key, signature.stage) = (None, None);
    let decision = denies(&world, "staging", Code::FormatNotRead);
    assert!(decision.tree().contains("of format `notation`"));
}

#[test]
fn withdrawn_evidence_does_not_count() {
    let mut world = World::half_approved();
    world.last_signature().withdrawn = true;
    denies(&world, "staging", Code::Withdrawn);
}

#[test]
fn a_signature_for_another_repository_does_not_count() {
    let mut world = World::half_approved();
    world.last_signature().repository = Some("shop/api".into());
    denies(&world, "staging", Code::OtherRepository);
}

#[test]
fn a_format_that_names_no_repository_counts_within_the_scope_of_its_key() {
    let mut world = World::half_approved();
    world.last_signature().repository = None;
    allows(&world);
}

#[test]
fn ten_thousand_strangers_do_not_make_a_decision_of_ten_thousand_lines() {
    let mut world = World::half_approved();
    for _ in 0..10_000 {
        world.sign(key(4711), "staging", TODAY);
    }
    let decision = world.decide();
    assert_eq!(decision.outcome, Outcome::Deny);
    let reasons = &decision.stage("staging").expect("judged").reasons;
    assert_eq!(reasons.len(), 1 + crate::gate::REASONS_MAX);
    assert_eq!(reasons[0].code, Code::ThresholdNotReached);
    assert!(
        decision
            .warnings
            .iter()
            .any(|warning| warning.contains("9900 more"))
    );
    assert!(decision.sentence().len() <= crate::decision::SENTENCE_BYTES_MAX);
}
