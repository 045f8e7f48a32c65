//! What is wrong with a file is found, at its place, with words that help.

use super::DESIGN;
use crate::file::{POLICY_BYTES_MAX, load, parse};
use crate::lint::LintCode;

/// Replaces a line of the design's file and expects lints, each as (line, column, code, part of the message).
#[track_caller]
fn check(from: &str, to: &str, expected: &[(u64, u64, LintCode, &str)]) {
    assert!(DESIGN.contains(from), "{from}");
    check_text(&DESIGN.replacen(from, to, 1), expected);
}

#[track_caller]
fn check_text(text: &str, expected: &[(u64, u64, LintCode, &str)]) {
    let lints = load(text, "shop").expect_err("lints");
    let shown: Vec<String> = lints.iter().map(ToString::to_string).collect();
    let found: Vec<_> = lints
        .iter()
        .map(|lint| (lint.line, lint.column, lint.code))
        .collect();
    let wanted: Vec<_> = expected
        .iter()
        .map(|(line, column, code, _)| (*line, *column, *code))
        .collect();
    assert_eq!(found, wanted, "{shown:#?}");
    for (lint, (_, _, _, part)) in lints.iter().zip(expected) {
        assert!(
            lint.message.contains(part),
            "`{part}` is not in `{}`",
            lint.message
        );
        assert!(!lint.message.ends_with('.'), "{}", lint.message);
    }
}

#[test]
fn unknown_keys_are_errors_with_a_place_and_a_suggestion() {
    use LintCode::UnknownKey;
    check(
        "threshold: 2",
        "treshold: 2",
        &[(14, 5, UnknownKey, "did you mean `threshold`?")],
    );
    check(
        "fixable-only",
        "fixable_only",
        &[(9, 45, UnknownKey, "did you mean `fixable-only`?")],
    );
    check(
        "    mode: enforce",
        "    colour: red",
        &[(21, 5, UnknownKey, "it knows `holds-for`")],
    );
    check(
        "exceptions:",
        "exemptions:",
        &[(22, 1, UnknownKey, "did you mean `exceptions`?")],
    );
    check(
        "{robot: ci-shop}",
        "{robots: ci-shop}",
        &[(5, 16, UnknownKey, "did you mean `robot`?")],
    );
}

#[test]
fn keys_of_later_versions_are_refused_rather_than_ignored() {
    use LintCode::NotEnforced;
    let text = "not enforced by this version";
    check(
        "      known-exploited: deny",
        "      base-image: deny",
        &[(10, 7, NotEnforced, text)],
    );
    check(
        "      known-exploited: deny",
        "      secrets: deny",
        &[(10, 7, NotEnforced, text)],
    );
    check(
        "      known-exploited: deny",
        "      configuration: {}",
        &[(10, 7, NotEnforced, text)],
    );
    check(
        "{team: qa}",
        "{workload: ci}",
        &[(13, 16, NotEnforced, text)],
    );
}

#[test]
fn an_attestation_is_of_a_kind_or_a_type_and_of_a_stage_with_signers() {
    use LintCode::{AutomaticSigners, BadValue};
    for value in ["x", "other", "slsa.dev/provenance", "\"https://a b\""] {
        check(
            "threshold: 2 ",
            &format!("attestation: {value} "),
            &[(14, 18, BadValue, "nor a predicate type")],
        );
    }
    check(
        "    automatic: true",
        "    automatic: true\n    attestation: sbom",
        &[(8, 5, AutomaticSigners, "remove `attestation`")],
    );
}

#[test]
fn freshness_is_some_time_and_of_a_signed_stage() {
    use LintCode::{BadValue, UnknownKey, WrongType};
    for (value, code, part) in [
        ("0d", BadValue, "no signature could ever count"),
        ("30", WrongType, "must be a text"),
        ("a month", BadValue, "not a duration"),
        ("9999d", BadValue, "longer than 3650 days"),
    ] {
        let text = format!("fresh: {value}");
        check(
            "threshold: 2 ",
            &format!("{text} "),
            &[(14, 12, code, part)],
        );
    }
    check(
        "      known-exploited: deny",
        "      fresh: 30d",
        &[(10, 7, UnknownKey, "`known-exploited`")],
    );
}

#[test]
fn duplicate_keys_are_errors() {
    use LintCode::DuplicateKey;
    check(
        "threshold: 2 ",
        "signers: [{team: qa}] ",
        &[(14, 5, DuplicateKey, "already in stage `staging` at line 13")],
    );
    check(
        "  staging:",
        "  ci:",
        &[
            (12, 3, DuplicateKey, "line 4"),
            (20, 25, LintCode::UnknownStage, "no stage `staging`"),
        ],
    );
    check(
        "gates:",
        "version: 1\ngates:",
        &[(17, 1, DuplicateKey, "line 1")],
    );
}

#[test]
fn stages_must_exist_and_have_an_order() {
    use LintCode::{StageCycle, UnknownStage};
    check(
        "after: [ci, scan]",
        "after: [ci, scna]",
        &[(15, 17, UnknownStage, "did you mean `scan`?")],
    );
    check(
        "require: [ci, scan, staging]",
        "require: [ci, release]",
        &[(20, 19, UnknownStage, "add it under `stages`")],
    );
    check(
        "after: [ci, scan]",
        "after: [staging]",
        &[(15, 13, StageCycle, "cannot come after itself")],
    );
    check(
        "signers: [{robot: ci-shop}]",
        "{signers: [{robot: ci-shop}], after: [staging]}",
        &[
            (
                4,
                3,
                StageCycle,
                "waits for itself, through `ci`, `scan`, `staging`",
            ),
            (12, 3, StageCycle, "waits for itself"),
        ],
    );
}

#[test]
fn the_author_cannot_be_known_before_ci() {
    let text = "version: 1
repositories: ['**']
stages:
  ci: {signers: [{robot: a}], after: [review]}
  review: {signers: [{team: b}], except: [author]}
gates: {g: {holds-for: everyone, require: [ci]}}
";
    check_text(
        text,
        &[
            (4, 3, LintCode::StageCycle, "`ci` waits for itself"),
            (5, 3, LintCode::StageCycle, "but `ci` comes after `review`"),
        ],
    );
}

#[test]
fn a_threshold_must_be_reachable() {
    use LintCode::{Threshold, WrongType};
    for (value, part) in [("0", "must be 1 or more"), ("-1", "must be 1 or more")] {
        check(
            "threshold: 2 ",
            &format!("threshold: {value} "),
            &[(14, 16, Threshold, part)],
        );
    }
    check(
        "threshold: 2 ",
        "threshold: two ",
        &[(14, 16, WrongType, "whole number, but here is a text")],
    );
    check(
        "threshold: 2 ",
        "threshold: 2.5 ",
        &[(14, 16, WrongType, "here is a fraction")],
    );
    check(
        "[{team: qa}, {person: maria}]",
        "[{person: a}]",
        &[(14, 16, Threshold, "asks for 2 signatures and lists 1")],
    );
    // With a team only the directory can tell.
    let many = DESIGN.replacen("threshold: 2 ", "threshold: 20 ", 1);
    assert!(load(&many, "shop").is_ok());
}

#[test]
fn automatic_stages_have_limits_and_nothing_of_signatures() {
    use LintCode::{AutomaticLimits, AutomaticSigners, LimitsNotAutomatic};
    let limits = &DESIGN
        [DESIGN.find("    limits:").expect("there")..DESIGN.find("  staging:").expect("there")];
    check(limits, "", &[(6, 3, AutomaticLimits, "has no limits")]);
    check(
        limits,
        "    limits: {}\n",
        &[(8, 13, AutomaticLimits, "are empty")],
    );
    check(
        limits,
        "    limits: {unscannable: allow}\n",
        &[(8, 13, AutomaticLimits, "are empty")],
    );
    check(
        "automatic: true  ",
        "automatic: false ",
        &[
            (6, 3, LintCode::NoSigners, "has no signers"),
            (8, 5, LimitsNotAutomatic, "would not be enforced"),
        ],
    );
    for (key, value) in [
        ("signers", "[{team: qa}]"),
        ("after", "[ci]"),
        ("threshold", "1"),
        ("fresh", "30d"),
        ("except", "[author]"),
    ] {
        let text = format!("    {key}: {value}\n    limits:");
        check(
            "    limits:",
            &text,
            &[(8, 5, AutomaticSigners, &format!("remove `{key}`"))],
        );
    }
}

#[test]
fn a_stage_needs_signers() {
    check(
        "signers: [{robot: ci-shop}]",
        "signers: []",
        &[(4, 3, LintCode::NoSigners, "can never be complete")],
    );
    check(
        "signers: [{robot: ci-shop}]",
        "threshold: 1",
        &[(4, 3, LintCode::NoSigners, "write `signers:")],
    );
    check(
        "{robot: ci-shop}",
        "{robot: ci-shop, team: qa}",
        &[(5, 32, LintCode::BadValue, "exactly one of")],
    );
    check(
        "{team: qa}",
        "{team: qa}, {team: qa}",
        &[(13, 34, LintCode::DuplicateEntry, "team qa is already")],
    );
}

#[test]
fn a_gate_requires_something_and_holds_someone() {
    use LintCode::{EmptyGate, MissingKey};
    check(
        "require: [ci, scan, staging]",
        "require: []",
        &[(20, 14, EmptyGate, "would let everything pass")],
    );
    check(
        "    require: [ci, scan, staging]\n",
        "",
        &[(18, 3, MissingKey, "has no `require`")],
    );
    check(
        "[{team: production-hosts}]",
        "[]",
        &[(19, 16, EmptyGate, "holds nobody")],
    );
    check(
        "    holds-for: [{team: production-hosts}]\n",
        "",
        &[(18, 3, MissingKey, "has no `holds-for`")],
    );
    check(
        "[{team: production-hosts}]",
        "everyon",
        &[(19, 16, LintCode::BadValue, "did you mean `everyone`?")],
    );
    check(
        "mode: enforce",
        "mode: enforced",
        &[(21, 11, LintCode::BadValue, "did you mean `enforce`?")],
    );
}

#[test]
fn content_trust_names_gates_that_enforce() {
    use LintCode::{ContentTrustGate, MissingKey, UnknownKey};
    let with = |value: &str| format!("content-trust: {value}\nexceptions:");
    for (value, line, column, code, part) in [
        (
            "{gates: [produktion]}",
            22,
            25,
            ContentTrustGate,
            "did you mean `production`?",
        ),
        (
            "{gates: [qa]}",
            22,
            25,
            ContentTrustGate,
            "define it under `gates`",
        ),
        (
            "{gates: []}",
            22,
            24,
            ContentTrustGate,
            "nothing would ever be released",
        ),
        ("{}", 22, 16, MissingKey, "has no `gates`"),
        ("{gate: [production]}", 22, 17, UnknownKey, "`gates`"),
    ] {
        let text = DESIGN.replacen("exceptions:", &with(value), 1);
        let lints = load(&text, "shop").expect_err("lints");
        let first = &lints[0];
        let found = (first.line, first.column, first.code);
        let said = &first.message;
        let is_it = [first, lints.last().expect("one")].iter().any(|lint| {
            (lint.line, lint.column, lint.code) == (line, column, code)
                && lint.message.contains(part)
        });
        assert!(is_it, "{value}: {found:?} {said}");
    }
    let text = DESIGN.replacen("exceptions:", &with("{gates: [production]}"), 1);
    for mode in ["warn", "dry-run"] {
        let text = text.replace("mode: enforce", &format!("mode: {mode}"));
        let part = "would release everything";
        check_text(&text, &[(22, 25, ContentTrustGate, part)]);
    }
    // What is wrong with the gate is said once.
    let text = text.replace("mode: enforce", "mode: enforced");
    check_text(
        &text,
        &[(21, 11, LintCode::BadValue, "did you mean `enforce`?")],
    );
}

#[test]
fn an_exception_has_an_owner_a_reason_and_an_end() {
    use LintCode::BadException;
    check("owner: maria, ", "", &[(23, 5, BadException, "no `owner`")]);
    check(
        "reason: \"not reachable: …\", ",
        "",
        &[(23, 5, BadException, "no `reason`")],
    );
    check(
        ", until: 2026-12-31",
        "",
        &[(23, 5, BadException, "no `until`")],
    );
    check(
        "finding: CVE-2026-0001, ",
        "",
        &[(23, 5, BadException, "does not say what it waives")],
    );
    check(
        "finding: CVE-2026-0001, ",
        "finding: CVE-2026-0001, rule: licences, ",
        &[(23, 5, BadException, "write two")],
    );
    check(
        "finding: CVE-2026-0001, ",
        "rule: staging, ",
        &[(23, 12, LintCode::BadValue, "signatures cannot be waived")],
    );
    check(
        "until: 2026-12-31",
        "until: next year",
        &[(23, 107, BadException, "write a day such as")],
    );
    check(
        "owner: maria",
        "owner: ''",
        &[(23, 65, LintCode::BadValue, "is empty")],
    );
    check(
        "repositories: [\"shop/web\"]",
        "repositories: []",
        &[(23, 44, BadException, "leave `repositories` out")],
    );
    let everywhere = load(
        &DESIGN.replacen("repositories: [\"shop/web\"], ", "", 1),
        "shop",
    )
    .expect("good");
    assert_eq!(
        everywhere.exceptions[0].repositories,
        everywhere.repositories
    );
}

#[test]
fn values_are_checked() {
    use LintCode::{BadPattern, BadValue, BadVersion, MissingKey, WrongType};
    check(
        "version: 1",
        "version: 2",
        &[(1, 10, BadVersion, "write `version: 1`")],
    );
    check(
        "version: 1\n",
        "",
        &[(1, 1, MissingKey, "write `version: 1`")],
    );
    check(
        "version: 1",
        "version: '1'",
        &[(1, 10, WrongType, "whole number")],
    );
    check(
        "[\"shop/**\"]",
        "[\"Shop/**\"]",
        &[(2, 16, BadPattern, "`S`")],
    );
    check(
        "[\"shop/**\"]",
        "[]",
        &[(2, 15, BadValue, "covers nothing")],
    );
    check(
        "repositories: [\"shop/**\"]\n",
        "",
        &[(1, 1, MissingKey, "`repositories`")],
    );
    check(
        "severity: critical",
        "severity: severe",
        &[(9, 35, BadValue, "is not a value of `severity`")],
    );
    check(
        "severity: critical",
        "severity: crit",
        &[(9, 35, BadValue, "did you mean `critical`?")],
    );
    check(
        "severity: critical, ",
        "",
        &[(9, 24, MissingKey, "`severity`")],
    );
    check(
        "grace: 7d",
        "grace: 7w",
        &[(9, 72, BadValue, "not a duration")],
    );
    check(
        "grace: 7d",
        "grace: 7",
        &[(9, 72, WrongType, "put quotes around it")],
    );
    check(
        "known-exploited: deny",
        "known-exploited: allow",
        &[(10, 24, BadValue, "use `deny`")],
    );
    check(
        "licences: {deny: [AGPL-3.0-only]}",
        "licences: {deny: []}",
        &[(11, 24, BadValue, "names no licence")],
    );
    check(
        "licences: {deny: [AGPL-3.0-only]}",
        "licences: AGPL",
        &[(11, 17, WrongType, "must be a map")],
    );
    check(
        "except: [author]",
        "except: [maria]",
        &[(16, 14, BadValue, "can except `author` only")],
    );
    check(
        "  ci:",
        "  Ci:",
        &[
            (4, 3, LintCode::BadName, "lower-case letters"),
            (15, 13, LintCode::UnknownStage, "no stage `ci`"),
            (20, 15, LintCode::UnknownStage, "no stage `ci`"),
        ],
    );
}

#[test]
fn all_lints_of_a_file_come_at_once_and_in_order() {
    let text = DESIGN
        .replace("treshold", "")
        .replace("mode: enforce", "mode: x")
        .replace("grace: 7d", "grace: x")
        .replace("version: 1", "version: 9");
    let lints = load(&text, "shop").expect_err("lints");
    let lines: Vec<u64> = lints.iter().map(|lint| lint.line).collect();
    assert_eq!(lines, [1, 9, 21]);
    assert!(
        lints
            .iter()
            .all(|lint| lint.policy == "shop" && lint.is_error())
    );
}

#[test]
fn what_is_not_yaml_has_a_place() {
    for text in [
        "version: [1\n",
        "a: b: c\n",
        "!x y",
        "'",
        "a: &x [*x]",
        "{a: 1",
    ] {
        let lints = load(text, "shop").expect_err(text);
        assert_eq!(lints.len(), 1, "{text:?}");
        assert_eq!(lints[0].code, LintCode::Yaml, "{text:?}: {}", lints[0]);
        assert!(!lints[0].message.contains('\n'));
    }
    for text in ["", "~", "[]", "text", "1"] {
        let lints = load(text, "shop").expect_err(text);
        assert!(
            matches!(lints[0].code, LintCode::WrongType | LintCode::Yaml),
            "{text:?}: {}",
            lints[0]
        );
    }
}

#[test]
fn hostile_files_are_refused_with_a_limit() {
    let too_long = format!("# {}\n", "x".repeat(POLICY_BYTES_MAX));
    assert_eq!(
        parse(&too_long).expect_err("too long").code,
        LintCode::LimitExceeded
    );
    let deep = format!("a: {}{}", "[".repeat(5_000), "]".repeat(5_000));
    assert_eq!(parse(&deep).expect_err("too deep").code, LintCode::Yaml);
    let laughs: String = (1..12)
        .map(|level| {
            let items = vec![format!("*a{}", level - 1); 10].join(", ");
            format!("a{level}: &a{level} [{items}]\n")
        })
        .collect();
    assert_eq!(
        parse(&format!("a0: &a0 [x]\n{laughs}"))
            .expect_err("a bomb")
            .code,
        LintCode::Yaml
    );
    assert_eq!(
        parse("version: 1\n---\nversion: 1\n")
            .expect_err("two documents")
            .code,
        LintCode::Yaml
    );
    let many: String = (0..3_000)
        .map(|number| format!("  k{number}: 1\n"))
        .collect();
    let lints = load(&format!("stages:\n{many}"), "shop").expect_err("too many");
    assert!(
        lints
            .iter()
            .any(|lint| lint.code == LintCode::LimitExceeded)
    );
}

#[test]
fn receipts_end_in_time_to_be_worth_something() {
    use LintCode::{BadValue, MissingKey, UnknownKey, WrongType};
    for (value, code, part) in [
        ("{valid-for: 4m}", BadValue, "use `5m` at least"),
        ("{valid-for: 0s}", BadValue, "use `5m` at least"),
        ("{valid-for: 91d}", BadValue, "use `90d` at most"),
        ("{valid-for: a day}", BadValue, "is not a duration"),
        ("{valid-for: 24}", WrongType, "must be a duration"),
        ("{valid-fro: 24h}", UnknownKey, "did you mean `valid-for`?"),
        ("{}", MissingKey, "`valid-for: 24h`"),
    ] {
        let text = format!("{DESIGN}receipts: {value}\n");
        let lints = load(&text, "shop").expect_err(value);
        let found = lints.iter().find(|lint| lint.code == code);
        let found = found.unwrap_or_else(|| panic!("{value}: {lints:#?}"));
        assert!(found.message.contains(part), "{}", found.message);
        assert_eq!(found.line, 24, "{value}");
    }
}
