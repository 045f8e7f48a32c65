//! Stories of limits: vulnerabilities, known exploitation, licences, inventories, what cannot be scanned.

use std::collections::BTreeSet;

use advisories::Severity;

use super::world::{
    DAY, POLICY, SECOND, TODAY, World, allows, clean_image, codes, denies, finding,
};
use crate::decision::{Limit, Outcome, Rule};
use crate::facts::{InventoryState, LicenceFact, Target};
use crate::reason::Code;

fn with_exception(exception: &str) -> String {
    format!(
        "{POLICY}exceptions:\n  - {{{exception}, owner: maria, reason: not reachable, until: 2026-12-31}}\n"
    )
}

#[test]
fn a_critical_fixable_finding_past_its_grace_refuses_and_names_the_fix() {
    let mut world = World::approved();
    world.image().findings.push(finding("CVE-2021-35042"));
    let decision = denies(&world, "scan", Code::VulnerabilityLimit);
    let sentence = decision.sentence();
    for part in [
        "CVE-2021-35042 (critical) in django 3.2.0",
        "fixed in 3.2.5",
        "Next: update django to 3.2.5",
    ] {
        assert!(sentence.contains(part), "{part} is not in {sentence}");
    }
    // The approvals stay: it is the limit that refuses, not the order.
    assert!(
        decision.stage("staging").expect("judged").satisfied,
        "{}",
        decision.tree()
    );
}

#[test]
fn grace_runs_from_when_the_finding_was_first_held() {
    let mut world = World::approved();
    world.image().findings.push(finding("CVE-1"));
    world.image().findings[0].first_held_at = TODAY - 7 * DAY + 2 * SECOND;
    let decision = allows(&world);
    assert_eq!(decision.holds_until, Some(TODAY + 2 * SECOND));
    assert!(
        decision
            .warnings
            .iter()
            .any(|warning| warning.contains("CVE-1") && warning.contains("grace"))
    );
    world.now += 2 * SECOND - 1;
    allows(&world);
    world.now += 1;
    denies(&world, "scan", Code::VulnerabilityLimit);
}

#[test]
fn known_exploited_has_no_grace_and_no_severity() {
    let mut world = World::approved();
    let mut low = finding("CVE-2");
    (low.severity, low.known_exploited, low.first_held_at) = (Severity::Low, true, TODAY);
    low.fixed_version = None;
    world.image().findings.push(low);
    let decision = denies(&world, "scan", Code::KnownExploited);
    assert_eq!(codes(&decision, "scan"), [Code::KnownExploited]);
}

#[test]
fn known_exploited_has_no_grace_under_the_severity_limit_either() {
    let text = POLICY.replace("      known-exploited: deny\n", "");
    let mut world = World::approved().with_policy(&text);
    let mut fresh = finding("CVE-3");
    (fresh.known_exploited, fresh.first_held_at) = (true, TODAY);
    world.image().findings.push(fresh);
    denies(&world, "scan", Code::VulnerabilityLimit);
}

#[test]
fn what_is_below_the_limit_not_fixable_or_of_unknown_severity_passes() {
    let mut world = World::approved();
    let (mut high, mut unfixable, mut unknown) =
        (finding("CVE-4"), finding("CVE-5"), finding("CVE-6"));
    high.severity = Severity::High;
    unfixable.fixed_version = None;
    unknown.severity = Severity::Unknown;
    world.image().findings.extend([high, unfixable, unknown]);
    let decision = allows(&world);
    let rule = decision.stage("scan").expect("judged");
    let line = rule
        .limits
        .iter()
        .find(|limit| limit.limit == Limit::Vulnerabilities)
        .expect("listed");
    assert_eq!(
        line.summary,
        "none at or above critical; 1 of unknown severity"
    );
}

#[test]
fn an_exception_lets_a_finding_pass_by_any_id_of_its_group() {
    for id in ["CVE-2021-35042", "GHSA-CVE-2021-35042", "cve-2021-35042"] {
        let text = with_exception(&format!("finding: {id}, repositories: [shop/web]"));
        let mut world = World::approved().with_policy(&text);
        world.image().findings.push(finding("CVE-2021-35042"));
        let decision = allows(&world);
        assert_eq!(decision.exceptions_used.len(), 1, "{id}");
        assert_eq!(decision.exceptions_used[0].owner, "maria");
        assert_eq!(
            decision.holds_until,
            Some(1_798_761_600_000),
            "the end of 2026-12-31 in UTC"
        );
    }
}

#[test]
fn an_exception_for_another_finding_or_repository_does_not_apply() {
    for scope in [
        "finding: CVE-9999-1",
        "finding: CVE-2021-35042, repositories: [shop/api]",
    ] {
        let mut world = World::approved().with_policy(&with_exception(scope));
        world.image().findings.push(finding("CVE-2021-35042"));
        let decision = denies(&world, "scan", Code::VulnerabilityLimit);
        assert_eq!(decision.exceptions_used, []);
    }
}

#[test]
fn an_exception_for_a_known_exploited_finding_applies_and_shows() {
    let mut world = World::approved().with_policy(&with_exception("finding: CVE-7"));
    let mut exploited = finding("CVE-7");
    exploited.known_exploited = true;
    world.image().findings.push(exploited);
    let decision = allows(&world);
    assert!(
        decision
            .exceptions_used
            .iter()
            .all(|used| used.known_exploited)
    );
    assert!(decision.tree().contains("known to be exploited"));
}

#[test]
fn an_exception_for_the_severity_limit_does_not_cover_known_exploitation() {
    let mut world = World::approved().with_policy(&with_exception("rule: vulnerabilities"));
    let mut exploited = finding("CVE-8");
    exploited.known_exploited = true;
    world.image().findings.push(exploited);
    let decision = denies(&world, "scan", Code::KnownExploited);
    assert_eq!(codes(&decision, "scan"), [Code::KnownExploited]);
}

#[test]
fn a_denied_licence_refuses_and_can_be_excepted() {
    let agpl = LicenceFact {
        purl: "pkg:npm/x@1".into(),
        licences: vec!["MIT".into(), "AGPL-3.0-only".into()],
    };
    let mut world = World::approved();
    world.image().licences.push(agpl.clone());
    let decision = denies(&world, "scan", Code::LicenceDenied);
    assert!(decision.sentence().contains("pkg:npm/x@1"));
    let mut world = World::approved().with_policy(&with_exception("rule: licences"));
    world.image().licences.push(agpl);
    allows(&world);
}

#[test]
fn a_choice_of_licences_with_one_denied_passes() {
    let mut world = World::approved();
    world.image().licences.push(LicenceFact {
        purl: "pkg:npm/x@1".into(),
        licences: vec!["MIT OR AGPL-3.0-only".into()],
    });
    allows(&world);
}

#[test]
fn the_package_database_removed_in_the_last_layer_refuses() {
    let mut world = World::approved();
    let problem = "the package database var/lib/dpkg/status was removed by layer 3";
    world.image().inventory = InventoryState::Incomplete(vec![problem.into(), "second".into()]);
    let decision = denies(&world, "scan", Code::InventoryIncomplete);
    assert!(
        decision
            .blocking()
            .any(|reason| reason.message.contains(problem))
    );
    assert_eq!(
        codes(&decision, "scan"),
        [Code::InventoryIncomplete, Code::InventoryIncomplete]
    );
}

#[test]
fn an_incomplete_inventory_without_details_refuses_too() {
    let mut world = World::approved();
    world.image().inventory = InventoryState::Incomplete(Vec::new());
    denies(&world, "scan", Code::InventoryIncomplete);
}

#[test]
fn an_incomplete_inventory_is_refused_even_where_only_licences_are_limited() {
    let text = POLICY
        .replace(
            "      vulnerabilities: {severity: critical, fixable-only: true, grace: 7d}\n",
            "",
        )
        .replace("      known-exploited: deny\n", "");
    let mut world = World::approved().with_policy(&text);
    world.facts.advisories.ready = false;
    allows(&world);
    world.image().inventory = InventoryState::Incomplete(vec!["a problem".into()]);
    denies(&world, "scan", Code::InventoryIncomplete);
}

#[test]
fn what_is_not_indexed_yet_is_not_ready() {
    let mut world = World::approved();
    world.image().inventory = InventoryState::NotIndexed;
    let decision = world.decide();
    assert_eq!(decision.outcome, Outcome::NotReady, "{}", decision.tree());
    assert_eq!(codes(&decision, "scan"), [Code::NotIndexed]);
    assert!(
        decision.sentence().contains("yet"),
        "{}",
        decision.sentence()
    );
}

#[test]
fn without_advisories_nothing_is_clean() {
    let mut world = World::approved();
    world.facts.advisories.ready = false;
    let decision = world.decide();
    assert_eq!(decision.outcome, Outcome::NotReady);
    assert_eq!(codes(&decision, "scan"), [Code::NoAdvisories]);
}

#[test]
fn with_advisories_about_something_else_nothing_is_clean() {
    let mut world = World::approved();
    world.image().matching.without_advisories = BTreeSet::from(["PyPI".into(), "npm".into()]);
    let decision = world.decide();
    assert_eq!(decision.outcome, Outcome::NotReady, "{}", decision.tree());
    assert_eq!(
        codes(&decision, "scan"),
        [Code::NoAdvisories, Code::NoAdvisories]
    );
    assert!(
        decision.tree().contains("about PyPI"),
        "{}",
        decision.tree()
    );
    assert!(
        !decision.tree().contains("none at or above"),
        "{}",
        decision.tree()
    );
    // What is known of the rest refuses all the same, now and not only when the others come.
    world.image().findings.push(finding("CVE-2021-35042"));
    denies(&world, "scan", Code::VulnerabilityLimit);
}

#[test]
fn until_it_is_matched_nothing_is_clean() {
    let mut world = World::approved();
    world.image().matching.pending = true;
    let decision = world.decide();
    assert_eq!(decision.outcome, Outcome::NotReady, "{}", decision.tree());
    assert_eq!(codes(&decision, "scan"), [Code::NotMatched]);
}

#[test]
fn packages_that_no_advisories_are_about_are_refused_unless_excepted() {
    let mut world = World::approved();
    world.image().matching.unmatchable = BTreeSet::from(["deb packages of ubuntu 24.04".into()]);
    let decision = denies(&world, "scan", Code::Unmatchable);
    assert!(
        decision.tree().contains("deb packages of ubuntu 24.04"),
        "{}",
        decision.tree()
    );
    let matching = world.image().matching.clone();
    let mut world = World::approved().with_policy(&with_exception("rule: inventory"));
    world.image().matching = matching;
    allows(&world);
    // The exception is about what cannot be known: what is known still refuses.
    world.image().findings.push(finding("CVE-2021-35042"));
    denies(&world, "scan", Code::VulnerabilityLimit);
}

#[test]
fn what_waiting_does_not_cure_is_denied_at_once() {
    let mut world = World::half_approved();
    world.facts.advisories.ready = false;
    denies(&world, "scan", Code::NoAdvisories);
    let mut world = World::approved();
    world.facts.advisories.ready = false;
    world.image().inventory = InventoryState::Incomplete(vec!["a problem".into()]);
    denies(&world, "scan", Code::InventoryIncomplete);
}

#[test]
fn what_cannot_be_scanned_is_denied_unless_the_policy_says_otherwise() {
    let mut world = World::approved();
    world.facts.subject = Target::Unscannable {
        kind: "application/vnd.cncf.helm.config.v1+json".into(),
    };
    denies(&world, "scan", Code::Unscannable);
    let allowing = POLICY.replace(
        "      known-exploited: deny\n",
        "      known-exploited: deny\n      unscannable: allow\n",
    );
    world = world.with_policy(&allowing);
    allows(&world);
    world = world.with_policy(&with_exception("rule: unscannable"));
    assert_eq!(allows(&world).exceptions_used.len(), 1);
}

#[test]
fn a_gate_without_an_automatic_stage_has_no_limits() {
    let text = POLICY
        .replace("after: [ci, scan]", "after: [ci]")
        .replace("require: [ci, scan, staging]", "require: [ci, staging]");
    let mut world = World::approved().with_policy(&text);
    world.image().findings.push(finding("CVE-9"));
    world.image().inventory = InventoryState::NotIndexed;
    allows(&world);
}

#[test]
fn evidence_can_always_be_read() {
    let mut world = World::unsigned();
    world.facts.subject = Target::Evidence;
    let decision = allows(&world);
    assert_eq!(decision.rules.len(), 1);
    assert_eq!(decision.rules[0].rule, Rule::Target);
}

#[test]
fn one_weakness_found_twice_is_told_once() {
    let mut world = World::approved();
    world
        .image()
        .findings
        .extend([finding("CVE-10"), finding("CVE-10")]);
    assert_eq!(codes(&world.decide(), "scan"), [Code::VulnerabilityLimit]);
}

#[test]
fn a_thousand_findings_are_counted_and_a_hundred_named() {
    let mut world = World::approved();
    world
        .image()
        .findings
        .extend((0..1_000).map(|number| finding(&format!("CVE-{number}"))));
    let decision = denies(&world, "scan", Code::VulnerabilityLimit);
    let rule = decision.stage("scan").expect("judged");
    assert_eq!(rule.reasons.len(), crate::gate::REASONS_MAX);
    assert!(
        rule.limits
            .iter()
            .any(|limit| limit.summary == "1000 at or above critical")
    );
}

#[test]
fn findings_are_told_in_the_same_order_whatever_order_they_come_in() {
    let mut world = World::approved();
    let (mut low, worst) = (finding("CVE-A"), finding("CVE-B"));
    low.package = "pkg:pypi/zope@1".into();
    world.facts.subject = Target::Image(clean_image());
    world.image().findings.extend([low.clone(), worst.clone()]);
    let first = world.decide();
    world.image().findings.reverse();
    assert_eq!(first, world.decide());
}
