//! What each format becomes, and what dirt in a feed costs.

use std::cmp::Ordering;

use super::*;
use crate::{Ecosystem, PackageKey, Severity, Status, version};

fn osv(text: &str) -> Advisory {
    osv_json(text.as_bytes()).unwrap()
}

fn ranges(advisory: &Advisory) -> Vec<String> {
    let of = |affected: &crate::Affected| {
        let ranges = affected.ranges.iter().map(crate::Range::describe);
        ranges
            .map(|range| format!("{}: {range}", affected.package))
            .collect::<Vec<_>>()
    };
    advisory.affected.iter().flat_map(of).collect()
}

const GHSA: &str = r#"{
    "id": "GHSA-h5c8-rqwp-cp95", "schema_version": "1.4.0",
    "modified": "2024-01-11T20:00:00.5Z", "published": "2024-01-11T15:20:48Z",
    "aliases": ["cve-2024-22195", "GHSA-h5c8-rqwp-cp95", "PYSEC-2024-1"],
    "summary": "Jinja vulnerable to HTML attribute injection",
    "details": "prose", "credits": [{"name": "someone"}],
    "severity": [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:R/S:U/C:L/I:L/A:N"}],
    "affected": [
        {
            "package": {"ecosystem": "PyPI", "name": "Jinja2", "purl": "pkg:pypi/jinja2"},
            "ranges": [
                {"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "3.1.3"}]},
                {"type": "GIT", "repo": "https://example.org", "events": [{"introduced": "0"}]}
            ],
            "versions": ["2.10"], "database_specific": {"source": "x"}
        },
        {"package": {"ecosystem": "npm", "name": "nunjucks"},
         "ranges": [{"type": "SEMVER", "events": [{"last_affected": "3.0.0", "introduced": "1.0.0"}]}]},
        {"package": {"ecosystem": "Maven", "name": "a:b"}, "ranges": null, "versions": null},
        {"ranges": [{"type": "GIT", "events": [{"introduced": "0"}]}]}
    ],
    "references": [{"type": "WEB", "url": "https://example.org/a"}, {"type": "WEB", "url": "javascript:x"}],
    "database_specific": {"severity": "CRITICAL", "cwe_ids": ["CWE-79"]}
}"#;

#[test]
fn an_osv_record_is_read_whole() {
    let advisory = osv(GHSA);
    assert_eq!(advisory.id, "GHSA-h5c8-rqwp-cp95");
    assert_eq!(advisory.source, "osv");
    assert_eq!(advisory.aliases, ["CVE-2024-22195", "PYSEC-2024-1"]);
    assert_eq!(
        advisory.summary,
        "Jinja vulnerable to HTML attribute injection"
    );
    // The vector beats the feed's word.
    assert_eq!(advisory.severity, Severity::Medium);
    assert_eq!(advisory.score.unwrap().to_string(), "5.4");
    assert_eq!(advisory.published_at, Some(1_704_986_448_000));
    assert_eq!(advisory.modified_at, Some(1_705_003_200_500));
    assert_eq!(advisory.references, ["https://example.org/a"]);
    assert!(!advisory.withdrawn);
    assert_eq!(
        ranges(&advisory),
        [
            "PyPI/jinja2: introduced 0, fixed 3.1.3",
            "npm/nunjucks: introduced 1.0.0, last affected 3.0.0",
        ]
    );
    assert_eq!(advisory.affected[0].versions, ["2.10"]);
    assert_eq!(
        advisory.affected[2].package.ecosystem,
        Ecosystem::Other("Maven".into())
    );
    assert_eq!(advisory.affected.len(), 3);
}

#[test]
fn severities_come_from_vectors_or_words() {
    let check = |fields: &str, expect| {
        let text = format!(r#"{{"id": "X-1", "modified": "", {fields}}}"#);
        assert_eq!(osv(&text).severity, expect, "{fields}");
    };
    let critical =
        r#"{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}"#;
    check(r#""severity": []"#, Severity::Unknown);
    check(r#""severity": null"#, Severity::Unknown);
    check(&format!(r#""severity": [{critical}]"#), Severity::Critical);
    check(
        r#""database_specific": {"severity": "MODERATE"}"#,
        Severity::Medium,
    );
    check(
        r#""database_specific": {"severity": ["MODERATE"]}"#,
        Severity::Unknown,
    );
    check(r#""database_specific": "MODERATE""#, Severity::Unknown);
    check(
        r#""severity": [{"type": "Ubuntu", "score": "low"}], "database_specific": {"severity": "HIGH"}"#,
        Severity::High,
    );
    check(
        &format!(r#""affected": [{{"severity": [{critical}]}}]"#),
        Severity::Critical,
    );
    check(
        r#""affected": [{"ecosystem_specific": {"urgency": "low"}},
                        {"ecosystem_specific": {"urgency": "medium"}}]"#,
        Severity::Medium,
    );
    assert_eq!(osv(r#"{"id": "MAL-2024-1"}"#).severity, Severity::Critical);
}

#[test]
fn withdrawn_records_and_derived_aliases() {
    assert!(osv(r#"{"id": "X-1", "withdrawn": "2024-01-01T00:00:00Z"}"#).withdrawn);
    assert!(!osv(r#"{"id": "X-1", "withdrawn": null}"#).withdrawn);
    let debian = osv(r#"{"id": "DEBIAN-CVE-2024-1", "upstream": ["CVE-2024-1"]}"#);
    assert_eq!(debian.aliases, ["CVE-2024-1"]);
    let bulletin =
        osv(r#"{"id": "DSA-5000-1", "upstream": ["CVE-2024-1"], "related": ["CVE-2024-2"]}"#);
    assert!(bulletin.aliases.is_empty());
}

#[test]
fn dates_without_a_time_are_midnight() {
    assert_eq!(
        osv(r#"{"id": "X-1", "modified": "1970-01-02"}"#).modified_at,
        Some(86_400_000)
    );
    assert_eq!(
        osv(r#"{"id": "X-1", "modified": "yesterday"}"#).modified_at,
        None
    );
}

#[test]
fn yaml_says_the_same_as_json() {
    let yaml = b"\
id: PYSEC-2024-70
modified: 2024-08-07T17:22:10.804411Z
aliases:
- CVE-2024-42005
details: First line
  goes on here.
affected:
- package: {ecosystem: PyPI, name: django}
  ranges:
  - type: ECOSYSTEM
    events:
    - introduced: 5.0
    - fixed: 5.0.8
    - introduced: 4.10
    - fixed: '4.20'
  versions: [4.10, 1e3, 0x10, 5.0]
";
    let advisory = osv_yaml(yaml).unwrap();
    assert_eq!(advisory.source, "pypa");
    assert_eq!(advisory.summary, "First line goes on here.");
    assert_eq!(
        ranges(&advisory),
        [
            "PyPI/django: introduced 4.10, fixed 4.20",
            "PyPI/django: introduced 5.0, fixed 5.0.8"
        ]
    );
    // Unquoted versions keep their digits: they are text, not numbers.
    assert_eq!(
        advisory.affected[0].versions,
        ["4.10", "1e3", "0x10", "5.0"]
    );
}

#[test]
fn records_that_contradict_the_format_fail() {
    for text in [
        "",
        "{",
        "[]",
        "{}",
        r#"{"id": ""}"#,
        r#"{"id": "two words"}"#,
        r#"{"id": 7}"#,
        r#"{"id": "X-1", "affected": [{"package": {"ecosystem": "", "name": "a"}}]}"#,
        r#"{"id": "X-1", "affected": [{"package": {"ecosystem": "npm", "name": " "}}]}"#,
        r#"{"id": "X-1", "affected": [{"package": {"ecosystem": "npm"}}]}"#,
        r#"{"id": "X-1", "affected": [{"versions": [1.0]}]}"#,
        r#"{"id": "X-1", "id": "X-2"}"#,
    ] {
        assert!(osv_json(text.as_bytes()).is_err(), "{text}");
    }
    assert!(osv_json(b"{\"id\": \"\xff\"}").is_err());
    assert!(osv_yaml(b"id: [").is_err());
}

#[test]
fn oversized_records_fail() {
    let aliases: Vec<String> = (0..1_001)
        .map(|number| format!("\"CVE-1-{number}\""))
        .collect();
    let text = format!(r#"{{"id": "X-1", "aliases": [{}]}}"#, aliases.join(","));
    let error = osv_json(text.as_bytes()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "limit exceeded: `X-1` has more than 1000 aliases"
    );
}

#[test]
fn hostile_nesting_is_an_error() {
    let deep = format!(
        r#"{{"id": "X-1", "database_specific": {}"#,
        "[".repeat(1_000_000)
    );
    assert!(osv_json(deep.as_bytes()).is_err());
    assert!(json(deep.as_bytes()).is_err());
    assert!(osv_yaml("[".repeat(100_000).as_bytes()).is_err());
    // Each anchor doubles the one before: 2^40 nodes when expanded.
    let mut bomb = String::from("id: X-1\na0: &a0 [x, x]\n");
    for level in 1..40 {
        bomb += &format!("a{level}: &a{level} [*a{0}, *a{0}]\n", level - 1);
    }
    bomb += "database_specific: *a39\n";
    assert!(osv_yaml(bomb.as_bytes()).is_err());
}

const TRACKER: &str = r#"{
    "openssl": {
        "CVE-2024-1": {
            "description": "A flaw\nmore", "scope": "remote", "debianbug": 1,
            "releases": {
                "bullseye": {"status": "resolved", "fixed_version": "0", "urgency": "unimportant"},
                "bookworm": {"status": "resolved", "fixed_version": "3.0.11-1~deb12u2", "urgency": "medium**",
                             "repositories": {"bookworm": "3.0.15-1~deb12u1"}},
                "trixie": {"status": "open", "urgency": "not yet assigned", "repositories": {"trixie": "3.5.0-1"},
                           "nodsa": "Minor issue", "nodsa_reason": "postponed"},
                "sid": {"status": "resolved", "fixed_version": "3.5.1-1", "urgency": "high"}
            }
        },
        "CVE-2024-2": {"releases": {"bookworm": {"status": "undetermined", "urgency": "high"}}},
        "TEMP-0000001-ABCDEF": {"releases": {"buster": {"status": "open", "fixed_version": "1.1.1w-0"}}}
    },
    "edk2": {"CVE-2024-1": {"releases": {"bookworm": {"status": "open", "urgency": "low"}}}}
}"#;

#[test]
fn the_tracker_becomes_one_advisory_for_each_issue() {
    let tracker = debian_tracker(TRACKER.as_bytes()).unwrap();
    assert_eq!(tracker.skipped, []);
    let ids: Vec<&str> = tracker
        .advisories
        .iter()
        .map(|advisory| advisory.id.as_str())
        .collect();
    assert_eq!(ids, ["CVE-2024-1", "TEMP-0000001-ABCDEF"]);

    let first = &tracker.advisories[0];
    assert_eq!(
        (first.source.as_str(), first.summary.as_str()),
        ("debian", "A flaw")
    );
    // Sid's urgency does not count.
    assert_eq!(first.severity, Severity::Medium);
    let status = |package: &str, major: &str| {
        let key = PackageKey::new(Ecosystem::Debian(major.into()), package);
        let found = first
            .affected
            .iter()
            .find(|affected| affected.package == key);
        found.map(|affected| (affected.status.clone(), affected.ranges.clone()))
    };
    let all = vec![crate::Range::default()];
    let fixed = vec![crate::Range {
        fixed: Some("3.0.11-1~deb12u2".into()),
        ..Default::default()
    }];
    let postponed = Status::Unfixed("postponed: Minor issue".into());
    assert_eq!(status("openssl", "11"), Some((Status::NotAffected, vec![])));
    assert_eq!(status("openssl", "12"), Some((Status::Affected, fixed)));
    assert_eq!(status("openssl", "13"), Some((postponed, all.clone())));
    assert_eq!(
        status("edk2", "12"),
        Some((Status::Unfixed(String::new()), all))
    );
    assert_eq!(first.affected.len(), 4);

    // A fix that is not in the release yet bounds what is affected, and is no remedy.
    let unreleased = &tracker.advisories[1].affected[0];
    assert!(unreleased.affects("1.1.1v-0") && !unreleased.affects("1.1.1w-0"));
    assert_eq!(unreleased.fixes().count(), 0);
}

#[test]
fn bad_tracker_entries_are_skipped_with_a_reason() {
    let text = r#"{
        "a": {"CVE-1": {"releases": {"bookworm": {"status": "resolved", "fixed_version": "1"}}},
              "CVE-2": {"releases": []},
              "CVE-3": {"releases": {"bookworm": {"status": "maybe"}}},
              "CVE-4": {"releases": {"bookworm": {"status": "resolved"}, "gentoo": {"status": "open"}}},
              "CVE-5": {"releases": {"gentoo": {"status": "open"}}},
              "not an id": {"releases": {}}},
        "b": 7
    }"#;
    let tracker = debian_tracker(text.as_bytes()).unwrap();
    assert_eq!(tracker.advisories.len(), 1);
    let entries: Vec<&str> = tracker
        .skipped
        .iter()
        .map(|(entry, _)| entry.as_str())
        .collect();
    assert_eq!(
        entries,
        [
            "a: CVE-2",
            "a: CVE-3: bookworm",
            "a: CVE-4: bookworm",
            "release gentoo",
            "a: not an id",
            "b"
        ]
    );
    assert_eq!(tracker.skipped[1].1, "unknown status `maybe`");
    assert!(debian_tracker(b"[]").is_err());
}

#[test]
fn the_exploited_list_gives_ids() {
    let text = r#"{"title": "x", "catalogVersion": "1", "count": 3, "vulnerabilities": [
        {"cveID": "CVE-2021-44228", "dueDate": "2021-12-24"}, {"cveID": "cve-2024-3094"}, {"cve": 1}]}"#;
    let list = kev(text.as_bytes()).unwrap();
    assert_eq!(
        list.ids.into_iter().collect::<Vec<_>>(),
        ["CVE-2021-44228", "CVE-2024-3094"]
    );
    assert_eq!(list.skipped.len(), 1);
    assert_eq!(list.skipped[0].0, "vulnerabilities[2]");
    assert!(kev(b"{}").is_err());
}

#[test]
fn documents_are_recognised_by_their_keys() {
    assert!(matches!(json(GHSA.as_bytes()), Ok(Document::Osv(_))));
    assert!(matches!(json(TRACKER.as_bytes()), Ok(Document::Tracker(_))));
    assert!(matches!(
        json(br#"{"vulnerabilities": []}"#),
        Ok(Document::KnownExploited(_))
    ));
    // A source package may be called like a key of another format.
    let odd = br#"{"id": {"CVE-1": {"releases": {}}}, "vulnerabilities": {}}"#;
    assert!(matches!(json(odd), Ok(Document::Tracker(_))));
    for text in [
        "{}",
        r#"{"name": "left-pad", "version": "1.0.0"}"#,
        r#"{"id": "X-1"}"#,
    ] {
        assert_eq!(
            json(text.as_bytes()),
            Err(DecodeError::UnknownFormat),
            "{text}"
        );
    }
}

#[test]
fn versions_in_records_are_compared_in_the_order_of_their_ecosystem() {
    let npm = version::compare(&Ecosystem::Npm, "1.0.0-1", "1.0.0");
    let debian = version::compare(&Ecosystem::Debian("12".into()), "1.0.0-1", "1.0.0");
    let python = version::compare(&Ecosystem::PyPi, "1.0.0-1", "1.0.0");
    assert_eq!(
        (npm, debian, python),
        (Ordering::Less, Ordering::Greater, Ordering::Greater)
    );
}
