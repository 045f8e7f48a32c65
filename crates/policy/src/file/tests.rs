//! A policy file as it is written, and the policy that comes of it.

mod laws;
mod lints;

use super::*;
use crate::lint::LintCode;
use advisories::Severity;

/// The file of the design, word for word.
const DESIGN: &str = r#"version: 1
repositories: ["shop/**"]
stages:
  ci:
    signers: [{robot: ci-shop}]
  scan:
    automatic: true                 # counts while these limits hold
    limits:
      vulnerabilities: {severity: critical, fixable-only: true, grace: 7d}
      known-exploited: deny
      licences: {deny: [AGPL-3.0-only]}
  staging:
    signers: [{team: qa}, {person: maria}]
    threshold: 2                    # two distinct principals
    after: [ci, scan]
    except: [author]                # separation of duties
gates:
  production:
    holds-for: [{team: production-hosts}]
    require: [ci, scan, staging]
    mode: enforce                   # or warn, or dry-run
exceptions:
  - {finding: CVE-2026-0001, repositories: ["shop/web"], owner: maria, reason: "not reachable: …", until: 2026-12-31}
"#;

#[test]
fn the_file_of_the_design_is_read() {
    let policy = load(DESIGN, "shop").unwrap_or_else(|lints| panic!("{lints:?}"));
    assert_eq!(policy.name, "shop");
    assert_eq!(policy.digest, oci::Digest::sha256(DESIGN.as_bytes()).hex());
    assert_eq!(
        policy.repositories,
        [Pattern::parse("shop/**").expect("a pattern")]
    );
    let names: Vec<&str> = policy.stages.keys().map(String::as_str).collect();
    assert_eq!(names, ["ci", "scan", "staging"]);
    let limits = policy.stages["scan"].limits.clone().expect("automatic");
    let expected = VulnerabilityLimit {
        severity: Severity::Critical,
        fixable_only: true,
        grace_milliseconds: 604_800_000,
    };
    assert_eq!(limits.vulnerabilities, Some(expected));
    assert!(limits.deny_known_exploited && !limits.allow_unscannable);
    assert_eq!(limits.denied_licences, ["AGPL-3.0-only"]);
    let staging = &policy.stages["staging"];
    assert_eq!((staging.threshold, staging.except_author), (2, true));
    assert_eq!(staging.after, ["ci", "scan"]);
    let signers: Vec<String> = staging.signers.iter().map(ToString::to_string).collect();
    assert_eq!(signers, ["team qa", "person maria"]);
    let gate = &policy.gates["production"];
    assert_eq!((gate.mode, gate.require.len()), (Mode::Enforce, 3));
    assert_eq!(
        policy.exceptions[0].waives,
        Waives::Finding("CVE-2026-0001".into())
    );
    assert_eq!(
        Ok(policy.exceptions[0].until_at),
        parse_until("2027-01-01T00:00:00Z")
    );
    assert_eq!(policy.warnings(0), []);
}

#[test]
fn what_is_left_out_has_its_default() {
    let text = "version: 1\nrepositories: ['**']\nstages: {ci: {signers: [{person: a}]}}\ngates: {g: {holds-for: everyone, require: [ci]}}\n";
    let policy = load(text, "p").expect("good");
    assert_eq!(
        (
            policy.stages["ci"].threshold,
            policy.stages["ci"].except_author
        ),
        (1, false)
    );
    assert_eq!(
        (policy.gates["g"].mode, &policy.gates["g"].holds_for),
        (Mode::Enforce, &HoldsFor::Everyone)
    );
    assert_eq!(policy.ungated, []);
}

#[test]
fn gates_that_enforce_release_unless_some_are_named() {
    let gates = "gates:
  production: {holds-for: everyone, require: [ci]}
  staging: {holds-for: everyone, require: [ci]}
  everybody: {holds-for: everyone, require: [ci], mode: warn}
";
    let head = "version: 1\nrepositories: ['**']\nstages: {ci: {signers: [{person: a}]}}\n";
    let of = |rest: &str| {
        let policy = load(&format!("{head}{rest}"), "p").expect("good");
        let gates = policy.content_trust_gates().map(str::to_owned);
        gates.collect::<Vec<_>>()
    };
    assert_eq!(of(gates), ["production", "staging"]);
    let named = format!("{gates}content-trust: {{gates: [production]}}\n");
    assert_eq!(of(&named), ["production"]);
    assert_eq!(of(""), [""; 0]);
}

#[test]
fn a_stage_says_how_fresh_its_signatures_must_be() {
    let text = DESIGN.replace("threshold: 2 ", "threshold: 2\n    fresh: 30d ");
    let policy = load(&text, "shop").unwrap_or_else(|lints| panic!("{lints:?}"));
    assert_eq!(
        policy.stages["staging"].fresh_milliseconds,
        Some(30 * 86_400_000)
    );
    assert_eq!(policy.stages["ci"].fresh_milliseconds, None);
}

#[test]
fn words_that_other_yaml_versions_read_as_flags_are_texts() {
    let text = DESIGN
        .replace("{person: maria}", "{person: no}")
        .replace("{team: qa}", "{team: on}");
    let policy = load(&text, "shop").expect("good");
    let signers: Vec<String> = policy.stages["staging"]
        .signers
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(signers, ["team on", "person no"]);
}

#[test]
fn warnings_say_what_is_probably_not_meant() {
    let text = DESIGN
        .replace("require: [ci, scan, staging]", "require: [ci]")
        .replace(
            "holds-for: [{team: production-hosts}]",
            "holds-for: everyone",
        );
    let policy = load(&text, "shop").expect("good");
    let end = parse_until("2026-12-31").expect("a date");
    let codes = |now| -> Vec<(u64, LintCode)> {
        policy
            .warnings(now)
            .iter()
            .map(|lint| (lint.line, lint.code))
            .collect()
    };
    let always = [
        (6, LintCode::StageNotRequired),
        (12, LintCode::StageNotRequired),
        (18, LintCode::HoldsEveryone),
    ];
    assert_eq!(codes(end - 1), always);
    assert_eq!(
        codes(end),
        [always.as_slice(), &[(23, LintCode::ExceptionEnded)]].concat()
    );
    assert!(policy.warnings(0).iter().all(|lint| !lint.is_error()));
    let without_gates = load("version: 1\nrepositories: ['**']\n", "p").expect("good");
    assert_eq!(without_gates.warnings(0)[0].code, LintCode::NoGates);
}

#[test]
fn a_stage_that_a_required_one_comes_after_is_required() {
    let text = DESIGN.replace("require: [ci, scan, staging]", "require: [staging]");
    assert_eq!(load(&text, "shop").expect("good").warnings(0), []);
}

#[test]
fn receipts_are_signed_where_the_file_asks_for_them_and_as_long_as_it_says() {
    const HOUR: i64 = 3_600_000;
    let of = |rest: &str| {
        let policy = load(&format!("{DESIGN}{rest}"), "shop");
        policy
            .unwrap_or_else(|lints| panic!("{lints:?}"))
            .receipt_valid_milliseconds
    };
    assert_eq!(of(""), None);
    for (text, milliseconds) in [
        ("5m", HOUR / 12),
        ("1h", HOUR),
        ("7d", 7 * 24 * HOUR),
        ("90d", 90 * 24 * HOUR),
    ] {
        assert_eq!(
            of(&format!("receipts: {{valid-for: {text}}}\n")),
            Some(milliseconds)
        );
    }
}
