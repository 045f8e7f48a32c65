//! What a match tells: groups, severities, fixes.

use std::collections::BTreeSet;

use crate::{Advisory, Affected, Ecosystem, Index, Match, PackageKey, Range, Severity, Status};

fn django() -> PackageKey {
    PackageKey::new(Ecosystem::PyPi, "Django")
}

fn openssl() -> PackageKey {
    PackageKey::new(Ecosystem::Debian("12".into()), "openssl")
}

/// An advisory for one package; each range is `from..to`, with `=` before an inclusive end.
fn advisory(id: &str, aliases: &[&str], package: PackageKey, ranges: &[&str]) -> Advisory {
    let bound = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let ranges = ranges.iter().map(|range| {
        let (from, to) = range.split_once("..").unwrap();
        match to.strip_prefix('=') {
            Some(last) => Range {
                introduced: bound(from),
                fixed: None,
                last_affected: bound(last),
            },
            None => Range {
                introduced: bound(from),
                fixed: bound(to),
                last_affected: None,
            },
        }
    });
    Advisory {
        id: id.into(),
        source: "osv".into(),
        aliases: aliases.iter().map(|alias| (*alias).into()).collect(),
        summary: format!("summary of {id}"),
        affected: vec![Affected {
            package,
            ranges: ranges.collect(),
            versions: Vec::new(),
            status: Status::Affected,
        }],
        ..Advisory::default()
    }
}

fn index(advisories: &[Advisory], exploited: &[&str]) -> Index {
    let exploited: BTreeSet<String> = exploited.iter().map(|id| (*id).to_owned()).collect();
    Index::build(advisories.iter().cloned(), &exploited)
}

fn only(mut matches: Vec<Match>) -> Match {
    assert_eq!(matches.len(), 1, "{matches:?}");
    matches.remove(0)
}

#[test]
fn records_of_one_weakness_are_one_match() {
    let mut pysec = advisory("PYSEC-1", &["CVE-2024-1", "GHSA-a"], django(), &["..3.2.5"]);
    pysec.severity = Severity::Low;
    let mut ghsa = advisory(
        "GHSA-a",
        &["CVE-2024-1"],
        django(),
        &["3.0..3.2.4", "4.0..4.1"],
    );
    ghsa.severity = Severity::High;
    ghsa.cvss = Some("CVSS:3.1/…".into());
    let other = advisory("GHSA-b", &[], django(), &["..3.2.1"]);
    let index = index(&[pysec, ghsa, other], &["CVE-2024-1"]);

    let matches = index.matches(&django(), "3.2.0");
    assert_eq!(
        matches
            .iter()
            .map(|found| found.group.as_str())
            .collect::<Vec<_>>(),
        ["CVE-2024-1", "GHSA-b"]
    );
    let found = matches[0].clone();
    assert_eq!(found.ids, ["CVE-2024-1", "GHSA-a", "PYSEC-1"]);
    assert_eq!(found.advisory_ids, ["GHSA-a", "PYSEC-1"]);
    assert_eq!(found.severity, Severity::High);
    assert_eq!(found.cvss.as_deref(), Some("CVSS:3.1/…"));
    assert!(found.known_exploited);
    assert_eq!(
        found.range,
        "introduced 0, fixed 3.2.5; introduced 3.0, fixed 3.2.4"
    );
    assert_eq!(found.summary, "summary of GHSA-a");
    assert!(!matches[1].known_exploited);

    let found = only(index.matches(&django(), "4.0"));
    assert_eq!(found.advisory_ids, ["GHSA-a"]);
    assert_eq!(index.matches(&django(), "5.0"), []);
    assert_eq!(index.matches(&openssl(), "3.2.0"), []);
}

#[test]
fn a_fix_that_another_record_still_calls_affected_is_no_fix() {
    let fix = |advisories: &[Advisory], version| {
        only(index(advisories, &[]).matches(&django(), version)).fixed_version
    };
    let early = advisory("GHSA-a", &["CVE-1"], django(), &["..3.2.4", "4.0..4.1"]);
    let late = advisory("PYSEC-1", &["CVE-1"], django(), &["..3.2.5"]);
    assert_eq!(
        fix(std::slice::from_ref(&early), "3.2").as_deref(),
        Some("3.2.4")
    );
    assert_eq!(
        fix(std::slice::from_ref(&early), "4.0.1").as_deref(),
        Some("4.1")
    );
    assert_eq!(fix(&[early.clone(), late], "3.2").as_deref(), Some("3.2.5"));
    let never = advisory("PYSEC-1", &["CVE-1"], django(), &[".."]);
    assert_eq!(
        fix(&[early, never.clone()], "3.2").as_deref(),
        Some("3.2.4")
    );
    assert_eq!(fix(&[never], "3.2"), None);
    let last = advisory("GHSA-a", &[], django(), &["..=3.2.4"]);
    assert_eq!(fix(&[last], "3.2.4"), None);
    let steps = advisory(
        "GHSA-a",
        &[],
        django(),
        &["1.10..1.11", "1.9..1.9.1", "1.11..1.12"],
    );
    assert_eq!(fix(&[steps], "1.10.5").as_deref(), Some("1.12"));
}

#[test]
fn debian_says_affected_unfixed_or_not_affected() {
    let with = |status: Status, ranges: &[&str]| {
        let mut advisory = advisory("CVE-1", &[], openssl(), ranges);
        advisory.affected[0].status = status;
        index(&[advisory], &[])
    };
    let fixed = with(Status::Affected, &["..3.0.11-1~deb12u2"]);
    let found = only(fixed.matches(&openssl(), "3.0.9-1"));
    assert_eq!(found.fixed_version.as_deref(), Some("3.0.11-1~deb12u2"));
    assert_eq!(fixed.matches(&openssl(), "3.0.11-1"), []);
    let unfixed = with(Status::Unfixed("no DSA".into()), &[".."]);
    let found = only(unfixed.matches(&openssl(), "3.0.11-1"));
    assert_eq!(
        (found.fixed_version, found.range.as_str()),
        (None, "introduced 0, no fix")
    );
    assert_eq!(
        with(Status::NotAffected, &[".."]).matches(&openssl(), "3.0.9-1"),
        []
    );
    let other_release = PackageKey::new(Ecosystem::Debian("13".into()), "openssl");
    assert_eq!(fixed.matches(&other_release, "3.0.9-1"), []);
}

#[test]
fn severity_reaches_over_ecosystems() {
    let tracker = advisory("CVE-1", &[], openssl(), &[".."]);
    let mut ghsa = advisory(
        "GHSA-a",
        &["CVE-1"],
        PackageKey::new(Ecosystem::parse("Go"), "g"),
        &[".."],
    );
    ghsa.severity = Severity::Critical;
    let alone = index(std::slice::from_ref(&tracker), &[]);
    assert_eq!(
        only(alone.matches(&openssl(), "1")).severity,
        Severity::Unknown
    );
    let both = index(&[tracker, ghsa], &[]);
    assert_eq!(
        only(both.matches(&openssl(), "1")).severity,
        Severity::Critical
    );
    // Only packages that can be matched have keys.
    assert_eq!(both.keys().collect::<Vec<_>>(), [&openssl()]);
}

#[test]
fn withdrawn_records_count_for_nothing() {
    let mut bridge = advisory("GHSA-x", &["CVE-1", "CVE-2"], django(), &[".."]);
    bridge.withdrawn = true;
    bridge.severity = Severity::Critical;
    let one = advisory("CVE-1", &[], django(), &[".."]);
    let two = advisory("CVE-2", &[], django(), &[".."]);
    let matches = index(&[bridge.clone(), one, two], &[]).matches(&django(), "1.0");
    assert_eq!(matches.len(), 2);
    assert!(
        matches
            .iter()
            .all(|found| found.severity == Severity::Unknown)
    );
    assert!(index(&[bridge], &[]).is_empty());
}

#[test]
fn bulletins_keep_weaknesses_apart_but_can_be_found_by_them() {
    let bulletin = advisory("DSA-1-1", &["CVE-1", "CVE-2"], openssl(), &["..2"]);
    let one = advisory("CVE-1", &[], openssl(), &["..2"]);
    let two = advisory("CVE-2", &[], openssl(), &["..2"]);
    let index = index(&[bulletin, one, two], &["CVE-2"]);
    let matches = index.matches(&openssl(), "1");
    let told: Vec<_> = matches
        .iter()
        .map(|found| (found.group.as_str(), found.known_exploited))
        .collect();
    assert_eq!(told, [("CVE-1", false), ("CVE-2", true), ("DSA-1-1", true)]);
    assert_eq!(matches[2].ids, ["CVE-1", "CVE-2", "DSA-1-1"]);
}

#[test]
fn the_keys_that_a_change_touches() {
    let advisories = [
        advisory("CVE-1", &[], openssl(), &[".."]),
        advisory("GHSA-a", &["CVE-1"], django(), &[".."]),
        advisory("GHSA-b", &[], PackageKey::new(Ecosystem::Npm, "b"), &[".."]),
    ];
    let index = index(&advisories, &[]);
    let keys = |id: &str| {
        let ids = BTreeSet::from([id.to_owned()]);
        index
            .affected_keys(&ids)
            .into_iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
    };
    assert_eq!(keys("GHSA-a"), ["Debian:12/openssl", "PyPI/django"]);
    assert_eq!(keys("GHSA-b"), ["npm/b"]);
    assert!(keys("CVE-9").is_empty());
}

#[test]
fn a_match_reads_back() {
    let index = index(&[advisory("CVE-1", &[], django(), &["..2"])], &[]);
    let found = only(index.matches(&django(), "1"));
    let text = serde_json::to_string(&found).unwrap();
    assert_eq!(serde_json::from_str::<Match>(&text).unwrap(), found);
}
