//! What people and programs see of a decision.

use crate::facts::{InventoryState, Verdict};
use crate::gate::testing::{DAY, POLICY, World, finding, key, key_of};
use crate::gate::{verify, verify_alone};
use crate::principal::PrincipalId;

use super::*;

/// What people see, of the refusals that they will see most.
#[test]
fn the_trees_and_sentences_of_common_decisions() {
    let mut vulnerable = World::half_approved();
    vulnerable.image().findings.push(finding("CVE-2021-35042"));
    vulnerable.last_signature().verdict = Verdict::UnknownKey;
    vulnerable.facts.first_pushed_by = Some(PrincipalId(3));
    let mut waiting = World::approved();
    waiting.image().inventory = InventoryState::NotIndexed;
    waiting.facts.advisories.ready = false;
    let mut lapsed = World::approved().with_policy(&ageing());
    lapsed.now += DAY;
    lapsed.facts.evidence[2].expires_at = Some(lapsed.now + DAY / 2);
    let mut unread = World::half_approved();
    let signature = unread.last_signature();
    (signature.verdict, signature.format) = (Verdict::NotRead, "notation".into());
    let worlds = [
        ("nothing is signed", World::unsigned()),
        ("approved", World::approved()),
        (
            "vulnerable, approved by the author and by a stranger",
            vulnerable,
        ),
        ("not indexed, no advisories", waiting),
        ("one signature is too old, the other ends soon", lapsed),
        ("a signature in a format that nothing reads", unread),
    ];
    let mut text = String::new();
    for (name, world) in worlds {
        let decision = world.decide();
        text.push_str(&format!(
            "== {name}\n{}\n{}\n\n",
            decision.sentence(),
            decision.tree()
        ));
    }
    insta::assert_snapshot!("decisions", text.trim_end());
}

#[test]
fn a_decision_as_json_has_the_keys_that_others_rely_on() {
    let value = serde_json::to_value(World::unsigned().decide()).expect("JSON");
    assert_eq!(value["outcome"], "deny");
    assert_eq!(value["mode"], "enforce");
    assert_eq!(value["repository"], "shop/web");
    assert_eq!(
        value["rules"][0]["rule"],
        serde_json::json!({"kind": "stage", "name": "ci"})
    );
    assert_eq!(value["rules"][0]["reasons"][0]["code"], "stage-not-signed");
    assert!(
        value["policyDigest"]
            .as_str()
            .is_some_and(|digest| digest.len() == 64)
    );
    assert!(value["holdsUntil"].is_null());
}

#[test]
fn the_longest_names_still_make_a_sentence() {
    let mut world = World::unsigned();
    world.facts.repository = format!("shop/{}", "a".repeat(250))
        .parse()
        .expect("a repository");
    let sentence = world.decide().sentence();
    assert!(sentence.len() <= SENTENCE_BYTES_MAX, "{sentence}");
    assert!(
        sentence.contains("may not pass gate production: stage ci is not signed"),
        "{sentence}"
    );
}

#[test]
fn same_answer_ignores_the_instant() {
    let world = World::unsigned();
    let (first, later) = (world.decide(), world.decide_at(world.now + 1));
    assert!(first.same_answer(&later));
    assert_ne!(first, later);
    assert!(!first.same_answer(&World::approved().decide()));
}

/// Signatures for staging count for two days; Quentin's is a millisecond older than Rita's.
fn ageing() -> String {
    POLICY.replace("threshold: 2", "threshold: 2\n    fresh: 48h")
}

/// What `countersign verify` shows.
#[test]
fn the_trees_and_sentences_of_common_verifications() {
    let signed = World::approved();
    let mut mixed = World::half_approved();
    mixed.last_signature().repository = Some("shop/api".into());
    let now = mixed.now;
    mixed.sign(key(4711), "nowhere", now).verdict = Verdict::UnknownKey;
    mixed.sign(key_of(PrincipalId(5)), "release", now);
    let of_policy = |world: &World, stages: &[String]| {
        verify(
            &world.facts,
            &world.policy,
            stages,
            &world.directory,
            world.now,
        )
    };
    let alone = |world: &World| verify_alone(&world.facts, &world.directory, world.now);
    let mut revoked = World::built();
    let key = revoked.directory.keys.values_mut();
    key.for_each(|key| key.revoked_at = Some(0));
    let verifications = [
        ("approved", of_policy(&signed, &[])),
        (
            "half approved, and signed by others",
            of_policy(&mixed, &[]),
        ),
        ("one stage of it", of_policy(&mixed, &["ci".to_owned()])),
        ("no policy, signed", alone(&mixed)),
        ("no policy, signed with a revoked key", alone(&revoked)),
    ];
    let mut text = String::new();
    for (name, verification) in verifications {
        text.push_str(&format!(
            "== {name}: {}\n{}\n{}\n\n",
            verification.verified,
            verification.sentence(),
            verification.explain().tree()
        ));
    }
    insta::assert_snapshot!("verifications", text.trim_end());
}

#[test]
fn a_policy_that_does_not_cover_the_repository_verifies_nothing() {
    let mut world = World::approved();
    world.facts.repository = "lab/web".parse().expect("a repository");
    let found = verify(
        &world.facts,
        &world.policy,
        &[],
        &world.directory,
        world.now,
    );
    assert!(!found.verified);
    assert_eq!(found.rules[0].reasons[0].code, crate::Code::NoPolicy);
}

/// A refusal with more reasons than any client shows.
fn long() -> Decision {
    let mut world = World::built();
    for number in 0..40 {
        let weakness = finding(&format!("CVE-2021-{number:05}"));
        world.image().findings.push(weakness);
        let now = world.now;
        let stranger = world.sign(key(9_000 + number), "staging", now);
        stranger.key_hint = Some(format!("{number:012}"));
        (stranger.key, stranger.verdict) = (None, Verdict::UnknownKey);
    }
    world.decide()
}

#[test]
fn a_line_is_cut_at_a_whole_reason_and_says_where_the_others_are() {
    let decision = long();
    let whole = decision.within(100_000);
    assert!(!whole.contains("more reason"), "{whole}");
    for bytes_max in [480, SENTENCE_BYTES_MAX, 800, 2_000] {
        let line = decision.within(bytes_max);
        assert!(line.len() <= bytes_max, "{line}");
        assert!(line.contains("stage staging has 0 of 2"), "{line}");
        assert!(
            line.contains(" more reasons: countersign gate shop/web@sha256:"),
            "{line}"
        );
        assert!(line.contains("--gate production. Next: "), "{line}");
        // Each reason that it has is there to its end.
        let (reasons, _) = line.split_once("; ").expect("two rules at least");
        for reason in reasons.split(", CVE").skip(1) {
            assert!(whole.contains(&format!(", CVE{reason}")), "{reason}");
            assert!(reason.ends_with("fixed in 3.2.5"), "{reason}");
        }
    }
    let counts: Vec<usize> = [480, 800, 2_000]
        .map(|bytes_max| decision.within(bytes_max).matches("CVE-").count())
        .to_vec();
    assert!(counts[0] < counts[1] && counts[1] < counts[2], "{counts:?}");
}

#[test]
fn several_gates_share_a_line() {
    let (long, short) = (long(), World::unsigned().decide());
    assert_eq!(within(&[], 100), "");
    assert_eq!(within(std::slice::from_ref(&short), 640), short.within(640));
    let both = within(&[short.clone(), long.clone()], 1_280);
    assert_eq!(both.matches("may not pass gate production").count(), 2);
    let many = within(&vec![long; 9], 800);
    assert!(many.len() <= 800, "{many}");
    assert!(
        many.contains(" 7 more gates say no: countersign gate "),
        "{many}"
    );
    assert_eq!(many.matches("may not pass gate production").count(), 2);
}

#[test]
fn an_allowed_image_says_who_counted() {
    let decision = World::approved().decide();
    let sentence = decision.sentence();
    for part in [
        "stage ci signed by robot ci-shop",
        "stage scan: its limits hold",
        "stage staging signed by person quentin and person rita",
    ] {
        assert!(sentence.contains(part), "{part} is not in {sentence}");
    }
    let root = decision.explain();
    let staging = root.children.last().expect("the last rule");
    let signers: Vec<_> = staging
        .children
        .iter()
        .filter_map(|leaf| leaf.candidate.as_ref())
        .map(|candidate| (candidate.counts, candidate.signer.as_deref()))
        .collect();
    assert_eq!(
        signers,
        [(true, Some("person quentin")), (true, Some("person rita"))]
    );
}

#[test]
fn a_tree_as_json_has_the_keys_that_others_rely_on() {
    let value = serde_json::to_value(World::half_approved().decide().explain()).expect("JSON");
    assert_eq!(
        (&value["kind"], &value["mark"]),
        (&"gate".into(), &"fail".into())
    );
    let staging = &value["children"][2];
    assert_eq!(staging["kind"], "rule");
    assert_eq!(staging["code"], "threshold-not-reached");
    assert!(
        staging["next"]
            .as_str()
            .is_some_and(|next| next.starts_with("ask someone else to run: countersign sign"))
    );
    let quentin = &staging["children"][0];
    assert_eq!(quentin["kind"], "candidate");
    assert_eq!(quentin["candidate"]["counts"], true);
    assert_eq!(quentin["candidate"]["signer"], "person quentin");
    assert_eq!(quentin["children"], serde_json::json!([]));
}
