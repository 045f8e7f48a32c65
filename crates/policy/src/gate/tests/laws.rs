//! Laws of the gate, over random evidence, findings and exceptions.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use advisories::Severity;
use proptest::prelude::*;

use super::world::{
    CI_SHOP, DAY, DORA, MARIA, MARIA_BOT, OLAF, POLICY, QUENTIN, RITA, SECOND, TODAY, World,
    digest, finding, key, key_of, policy,
};
use crate::decision::{Decision, Node, NodeKind, Outcome, within};
use crate::facts::{BreakGlass, Evidence, FindingFact, Verdict};
use crate::file::Policy;
use crate::pattern::Pattern;
use crate::reason::Class;

const EXCEPTIONS: &str = "exceptions:
  - {finding: CVE-0, owner: maria, reason: a, until: 2024-10-05}
  - {finding: GHSA-CVE-1, owner: maria, reason: b, until: 2024-10-06T12:00:00Z}
  - {rule: known-exploited, owner: rita, reason: c, until: 2024-10-04}
";

static EXCEPTING: LazyLock<Policy> = LazyLock::new(|| policy(&format!("{POLICY}{EXCEPTIONS}")));

/// The same, with stages whose signatures get old.
static AGEING: LazyLock<Policy> = LazyLock::new(|| {
    let text = POLICY
        .replace(
            "signers: [{robot: ci-shop}]",
            "signers: [{robot: ci-shop}]\n    fresh: 4d",
        )
        .replace("threshold: 2", "threshold: 2\n    fresh: 36h");
    policy(&format!("{text}{EXCEPTIONS}"))
});

/// Evidence by anybody, for any stage, in time or not, good or not.
fn evidence() -> impl Strategy<Value = Evidence> {
    let keys = [DORA, MARIA, QUENTIN, RITA, OLAF, CI_SHOP, MARIA_BOT].map(key_of);
    let who = prop_oneof![9 => prop::sample::select(keys.to_vec()), 1 => Just(key(4711))];
    let stage = prop_oneof![
        4 => Just(Some("ci")), 6 => Just(Some("staging")), 2 => Just(None), 1 => Just(Some("scan")),
        1 => Just(Some("nowhere")),
    ];
    let verdict = prop_oneof![
        9 => Just(Verdict::Verified), 1 => Just(Verdict::UnknownKey), 1 => Just(Verdict::BadSignature),
        1 => Just(Verdict::Unreadable("why".into())), 1 => Just(Verdict::NotRead),
    ];
    let subject = prop_oneof![9 => Just("the image"), 1 => Just("another image")];
    let repository =
        prop_oneof![6 => Just(Some("shop/web")), 3 => Just(None), 1 => Just(Some("shop/api"))];
    let at = prop_oneof![Just(TODAY - 3 * DAY), TODAY - 4 * DAY..TODAY];
    (
        who,
        stage,
        verdict,
        subject,
        repository,
        at,
        prop::bool::weighted(0.1),
        prop::option::weighted(0.2, TODAY - DAY..TODAY + 9 * DAY),
    )
        .prop_map(
            |(key, stage, verdict, subject, repository, stored_at, withdrawn, expires_at)| {
                Evidence {
                    id: 0,
                    format: "stage".into(),
                    manifest: digest("evidence"),
                    subject: digest(subject),
                    attached_to: digest("the image"),
                    key: Some(key).filter(|_| verdict == Verdict::Verified),
                    key_hint: None,
                    stage: stage.map(str::to_owned),
                    predicate_type: None,
                    repository: repository.map(str::to_owned),
                    stored_at,
                    trusted_at: None,
                    expires_at,
                    verdict,
                    withdrawn,
                }
            },
        )
}

fn findings() -> impl Strategy<Value = Vec<FindingFact>> {
    let one = (
        0..4_u8,
        any::<bool>(),
        prop::bool::weighted(0.2),
        TODAY - 9 * DAY..TODAY,
        prop::sample::select(Severity::ALL.to_vec()),
    );
    let one = one.prop_map(
        |(number, fixable, known_exploited, first_held_at, severity)| {
            let mut fact = finding(&format!("CVE-{number}"));
            fact.severity = severity;
            (fact.known_exploited, fact.first_held_at) = (known_exploited, first_held_at);
            fact.fixed_version = fact.fixed_version.filter(|_| fixable);
            fact
        },
    );
    prop::collection::vec(one, 0..4)
}

fn world() -> impl Strategy<Value = World> {
    let signed = prop_oneof![Just(true), Just(false)];
    (
        signed,
        prop::collection::vec(evidence(), 0..8),
        findings(),
        prop::option::of(prop::option::of(TODAY - 4 * DAY..TODAY)),
        any::<bool>(),
    )
        .prop_map(|(signed, evidence, findings, revoked, ageing)| {
            let world = if signed {
                World::approved()
            } else {
                World::built()
            };
            let mut world = World {
                policy: if ageing {
                    AGEING.clone()
                } else {
                    EXCEPTING.clone()
                },
                ..world
            };
            world.facts.evidence.extend(evidence);
            number(&mut world.facts.evidence);
            world.image().findings = findings;
            if let Some(revoked_from) = revoked {
                let key = world
                    .directory
                    .keys
                    .get_mut(&key_of(QUENTIN))
                    .expect("there");
                key.revoked_at = Some(TODAY + 5 * SECOND);
                key.revoked_from = revoked_from;
            }
            world
        })
}

fn number(evidence: &mut [Evidence]) {
    for (id, evidence) in (100..).zip(evidence) {
        (evidence.id, evidence.manifest) = (id, digest(&format!("evidence {id}")));
    }
}

fn without_time(decision: Decision) -> Decision {
    Decision {
        decided_at: 0,
        ..decision
    }
}

proptest! {
    #[test]
    fn evidence_that_does_not_count_never_opens_the_gate(
        world in world(),
        junk in prop::collection::vec((evidence(), 0..4_u8), 1..4),
    ) {
        let before = world.decide();
        let mut after = world;
        for (mut evidence, how) in junk {
            match how {
                0 => evidence.withdrawn = true,
                1 => (evidence.key, evidence.verdict) = (None, Verdict::UnknownKey),
                2 => evidence.subject = digest("another image"),
                _ => evidence.verdict = Verdict::BadSignature,
            }
            after.facts.evidence.push(evidence);
        }
        number(&mut after.facts.evidence);
        prop_assert_eq!(before.outcome, after.decide().outcome);
    }

    #[test]
    fn the_format_of_evidence_plays_no_part(world in world(), formats in prop::collection::vec("[a-z]{1,12}", 12)) {
        let before = world.decide();
        let mut after = world;
        for (evidence, format) in after.facts.evidence.iter_mut().zip(formats) {
            evidence.format = format;
        }
        let after = after.decide();
        prop_assert_eq!(before.outcome, after.outcome);
        let counted = |decision: &Decision| -> Vec<Vec<i64>> {
            let of_rule = |rule: &crate::RuleResult| rule.counted.iter().map(|counted| counted.evidence).collect();
            decision.rules.iter().map(of_rule).collect()
        };
        prop_assert_eq!(counted(&before), counted(&after));
    }

    #[test]
    fn a_freshness_never_opens_the_gate(world in world()) {
        let aged = World { policy: AGEING.clone(), ..world };
        let before = aged.decide().outcome;
        let ageless = World { policy: EXCEPTING.clone(), ..aged };
        prop_assert!(before != Outcome::Allow || ageless.decide().outcome == Outcome::Allow);
    }

    #[test]
    fn the_tree_has_a_leaf_for_each_piece_of_evidence_that_was_judged(world in world()) {
        let decision = world.decide();
        let root = decision.explain();
        prop_assert_eq!(root.children.iter().filter(|node| node.kind == NodeKind::Rule).count(), decision.rules.len());
        for (node, rule) in root.children.iter().zip(&decision.rules) {
            let leaves = node.children.iter().filter_map(|leaf| leaf.candidate.as_ref());
            let leaves: Vec<(i64, bool)> = leaves.map(|leaf| (leaf.evidence, leaf.counts)).collect();
            let counted = rule.counted.iter().map(|counted| (counted.evidence, true));
            let rejected = rule.reasons.iter().filter_map(|reason| Some((reason.candidate.as_ref()?.evidence, false)));
            prop_assert_eq!(leaves, counted.chain(rejected).collect::<Vec<_>>());
            for leaf in node.children.iter().filter(|leaf| leaf.kind == NodeKind::Candidate) {
                let counts = leaf.candidate.as_ref().is_some_and(|candidate| candidate.counts);
                prop_assert!(counts || (leaf.code.is_some() && leaf.next.is_some()), "{:?}", leaf);
            }
        }
        let text = serde_json::to_string(&root).expect("a tree is JSON");
        prop_assert_eq!(root, serde_json::from_str::<Node>(&text).expect("and reads back"));
    }

    #[test]
    fn a_line_keeps_to_its_bytes_and_says_what_it_left_out(world in world(), bytes_max in 0..2_000_usize) {
        let decision = world.decide();
        let line = decision.within(bytes_max);
        let in_json = serde_json::to_string(&line).expect("a text is JSON").len() - 2;
        prop_assert!(in_json <= bytes_max, "{} bytes: {}", in_json, line);
        let several = within(&[decision.clone(), decision.clone(), decision], bytes_max);
        let in_json = serde_json::to_string(&several).expect("a text is JSON").len() - 2;
        prop_assert!(in_json <= bytes_max, "{} bytes: {}", in_json, several);
    }

    #[test]
    fn what_a_gate_counts_is_verified_too(world in world()) {
        let decision = world.decide();
        let verification = crate::gate::verify(&world.facts, &world.policy, &[], &world.directory, world.now);
        for rule in verification.rules.iter().filter(|rule| !rule.automatic) {
            let judged = decision.rules.iter().find(|judged| judged.rule == rule.rule);
            prop_assert_eq!(Some(rule), judged);
        }
        let of_rules = verification.rules.iter().flat_map(|rule| {
            let rejected = rule.reasons.iter().filter_map(|reason| Some(reason.candidate.as_ref()?.evidence));
            rule.counted.iter().map(|counted| counted.evidence).chain(rejected)
        });
        let others = verification.others.iter().filter_map(|reason| Some(reason.candidate.as_ref()?.evidence));
        let spoken_of: BTreeSet<i64> = of_rules.chain(others).collect();
        for evidence in &world.facts.evidence {
            prop_assert!(spoken_of.contains(&evidence.id), "{:?}", evidence);
        }
    }

    #[test]
    fn the_order_of_evidence_does_not_matter(world in world(), seed in any::<u64>()) {
        let before = world.decide();
        let mut shuffled = world;
        let keyed = |evidence: &Evidence| digest(&format!("{seed} {}", evidence.id));
        shuffled.facts.evidence.sort_by_key(keyed);
        prop_assert_eq!(before, shuffled.decide());
    }

    #[test]
    fn an_answer_holds_until_the_instant_it_names(world in world(), later in 0..20 * DAY) {
        let decision = world.decide();
        let now = world.now + later;
        if decision.holds_until.is_none_or(|until| now < until) {
            prop_assert_eq!(without_time(decision), without_time(world.decide_at(now)));
        }
    }

    #[test]
    fn the_instant_before_the_end_still_has_the_answer(world in world()) {
        let decision = world.decide();
        if let Some(until) = decision.holds_until {
            prop_assert!(until > world.now);
            prop_assert_eq!(without_time(decision), without_time(world.decide_at(until - 1)));
        }
    }

    #[test]
    fn a_refusal_says_why_and_what_next(world in world()) {
        let decision = world.decide();
        let sentence = decision.sentence();
        prop_assert!(sentence.len() <= crate::decision::SENTENCE_BYTES_MAX, "{}", sentence);
        if decision.outcome == Outcome::Allow {
            prop_assert!(decision.rules.iter().all(|rule| rule.satisfied));
        } else {
            prop_assert!(sentence.contains("Next: "), "{}", sentence);
        }
        for rule in &decision.rules {
            let blocks = rule.reasons.iter().any(|reason| reason.code.class() != Class::Candidate);
            prop_assert_eq!(blocks, !rule.satisfied);
        }
    }

    #[test]
    fn breaking_the_glass_opens_the_gate_and_changes_nothing_it_is_judged_by(world in world(), lasts in 1..9 * DAY) {
        let closed = world.decide();
        let mut world = world;
        let until_at = world.now + lasts;
        world.facts.break_glass.push(BreakGlass {
            id: 1,
            digest: world.facts.digest.clone(),
            policy: world.policy.name.clone(),
            gate: "production".to_owned(),
            reason: "because".to_owned(),
            asked_by: MARIA,
            confirmed_by: RITA,
            confirmed_at: world.now,
            until_at,
        });
        let open = world.decide();
        prop_assert_eq!(open.outcome, Outcome::Allow);
        prop_assert_eq!(open.would_be.unwrap_or(Outcome::Allow), closed.outcome);
        prop_assert!(open.holds_until.is_some_and(|until| until <= until_at));
        let without = Decision {
            outcome: closed.outcome, would_be: None, break_glass: None, holds_until: closed.holds_until, ..open
        };
        prop_assert_eq!(without, closed);
        // At its end the answer is what it would have been all the time.
        let mut never = world.facts.clone();
        never.break_glass.clear();
        let after = crate::gate::evaluate(&never, &world.policy, "production", &world.directory, until_at);
        prop_assert_eq!(world.decide_at(until_at), after);
    }

    #[test]
    fn counted_signatures_are_of_distinct_identities(world in world()) {
        for rule in world.decide().rules {
            let mut identities: Vec<_> =
                rule.counted.iter().map(|counted| world.directory.identity_of(counted.principal)).collect();
            let all = identities.len();
            identities.sort();
            identities.dedup();
            prop_assert_eq!(identities.len(), all);
        }
    }

    #[test]
    fn taking_a_scope_away_never_opens_the_gate(world in world()) {
        let before = world.decide().outcome;
        let mut narrowed = world;
        for key in narrowed.directory.keys.values_mut() {
            key.scope = vec![Pattern::parse("shop/api").expect("a pattern")];
        }
        let after = narrowed.decide().outcome;
        prop_assert!(before == Outcome::Allow || after != Outcome::Allow);
        prop_assert_ne!(after, Outcome::Allow);
    }

    #[test]
    fn a_decision_survives_json(world in world()) {
        let decision = world.decide();
        let text = serde_json::to_string(&decision).expect("a decision is JSON");
        prop_assert_eq!(decision, serde_json::from_str::<Decision>(&text).expect("and reads back"));
    }
}
