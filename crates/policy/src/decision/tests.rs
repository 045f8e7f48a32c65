//! What people and programs see of a decision.

use crate::facts::{InventoryState, Verdict};
use crate::gate::testing::{World, finding};
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
    let worlds = [
        ("nothing is signed", World::unsigned()),
        ("approved", World::approved()),
        (
            "vulnerable, approved by the author and by a stranger",
            vulnerable,
        ),
        ("not indexed, no advisories", waiting),
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
    assert!(
        sentence.chars().count() <= SENTENCE_CHARACTERS_MAX,
        "{sentence}"
    );
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
