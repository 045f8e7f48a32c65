//! Laws that hold for all inputs: the version orders are total, the index answers what a naive scan
//! answers, events become the intervals that the OSV specification's evaluation describes.

#![allow(clippy::unwrap_used, reason = "helpers of tests may fail loudly")]

use std::cmp::Ordering;
use std::collections::BTreeSet;

use advisories::events::{Event, ranges};
use advisories::{
    Advisory, Affected, Ecosystem, Index, Match, PackageKey, Range, Severity, Status, version,
};
use proptest::prelude::*;

fn debian() -> Ecosystem {
    Ecosystem::Debian("12".into())
}

/// Version-like and arbitrary strings, from few pieces so that ties and near-ties are common.
fn any_version() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "0",
        "1",
        "01",
        "2",
        "10",
        "99999999999999999999",
        ".",
        "-",
        "_",
        "+",
        "~",
        ":",
        "!",
        "v",
        "a",
        "b",
        "rc",
        "c",
        "pre",
        "post",
        "dev",
        "alpha",
        "r",
        "deb12u",
        "x",
        "Z",
        " ",
        "é",
    ]);
    prop_oneof![
        9 => prop::collection::vec(piece, 0..9).prop_map(|pieces| pieces.concat()),
        1 => any::<String>(),
    ]
}

fn python_version() -> impl Strategy<Value = String> {
    let number = || prop::sample::select(vec!["0", "1", "2", "10", "007"]);
    let optional = |words: &[&'static str]| {
        let words = words.iter().copied().chain(["", ""]).collect::<Vec<_>>();
        (prop::sample::select(words), number()).prop_map(|(word, number)| {
            if word.is_empty() {
                String::new()
            } else {
                format!("{word}{number}")
            }
        })
    };
    (
        prop::sample::select(vec!["", "", "v", "0!", "1!"]),
        prop::collection::vec(number(), 1..4),
        optional(&["a", ".alpha.", "-b", "beta", "rc", "_c", "preview-", "RC"]),
        optional(&["-", ".post", "post", "-r", "_rev."]),
        optional(&[".dev", "DEV", "-dev_"]),
        prop::sample::select(vec!["", "", "+1", "+a", "+a.1", "+1-a", "+Ubuntu.10"]),
    )
        .prop_map(|(prefix, release, pre, post, dev, local)| {
            format!("{prefix}{}{pre}{post}{dev}{local}", release.join("."))
        })
}

fn check_order(ecosystem: &Ecosystem, a: &str, b: &str, c: &str) -> Result<(), TestCaseError> {
    let order = |left: &str, right: &str| version::compare(ecosystem, left, right);
    prop_assert_eq!(order(a, a), Ordering::Equal);
    prop_assert_eq!(order(a, b), order(b, a).reverse());
    if order(a, b).is_le() && order(b, c).is_le() {
        prop_assert!(order(a, c).is_le(), "{:?} <= {:?} <= {:?}", a, b, c);
        if order(a, b).is_lt() || order(b, c).is_lt() {
            prop_assert!(order(a, c).is_lt(), "{:?} < {:?} < {:?}", a, b, c);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..Default::default() })]

    #[test]
    fn the_debian_order_is_total(a in any_version(), b in any_version(), c in any_version()) {
        check_order(&debian(), &a, &b, &c)?;
    }

    #[test]
    fn the_python_order_is_total(a in any_version(), b in any_version(), c in any_version()) {
        check_order(&Ecosystem::PyPi, &a, &b, &c)?;
    }

    #[test]
    fn the_semantic_order_is_total(a in any_version(), b in any_version(), c in any_version()) {
        check_order(&Ecosystem::Npm, &a, &b, &c)?;
    }

    #[test]
    fn the_python_order_is_that_of_pep440_rs(a in python_version(), b in python_version()) {
        let parsed = |text: &str| text.parse::<pep440_rs::Version>().unwrap();
        prop_assert!(version::pep440::is_valid(&a), "{}", a);
        prop_assert_eq!(version::pep440::compare(&a, &b), parsed(&a).cmp(&parsed(&b)), "{} against {}", a, b);
    }

    #[test]
    fn what_pep440_rs_accepts_is_valid(text in any_version()) {
        // It reads numbers into machine integers; ours have no limit.
        let small = !text.contains("9999");
        let accepted = text.parse::<pep440_rs::Version>().is_ok();
        prop_assume!(small);
        prop_assert_eq!(version::pep440::is_valid(&text), accepted, "{:?}", text);
    }
}

/// The evaluation of the OSV specification, word for word, for events at distinct versions.
fn specified(events: &[(u8, u32)], at: u32) -> bool {
    let mut sorted = events.to_vec();
    sorted.sort_by_key(|(_, version)| *version);
    let mut vulnerable = false;
    for (kind, version) in sorted {
        match kind {
            0 if at >= version => vulnerable = true,
            1 if at >= version => vulnerable = false,
            2 if at > version => vulnerable = false,
            _ => {}
        }
    }
    vulnerable
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..Default::default() })]

    #[test]
    fn events_mean_what_the_specification_says(
        kinds in prop::collection::vec(0_u8..3, 0..7),
        versions in Just((0_u32..14).collect::<Vec<_>>()).prop_shuffle(),
    ) {
        let rows: Vec<(u8, u32)> = kinds.into_iter().zip(versions).collect();
        let texts: Vec<String> = rows.iter().map(|(_, version)| version.to_string()).collect();
        let events: Vec<Event<'_>> = rows.iter().zip(&texts).map(|((kind, _), text)| match kind {
            0 => Event::Introduced(text),
            1 => Event::Fixed(text),
            _ => Event::LastAffected(text),
        }).collect();
        let ranges = ranges(&Ecosystem::Npm, &events, &[]);
        for at in 0..16 {
            let found = ranges.iter().any(|range| range.contains(&Ecosystem::Npm, &at.to_string()));
            prop_assert_eq!(found, specified(&rows, at), "{:?} at {}: {:?}", rows, at, ranges);
        }
    }
}

fn any_advisory() -> impl Strategy<Value = Advisory> {
    let id = || {
        prop::sample::select(vec![
            "CVE-1", "CVE-2", "CVE-3", "GHSA-a", "GHSA-b", "PYSEC-1", "DSA-1", "X-1",
        ])
    };
    let severity = prop::sample::select(Severity::ALL.to_vec());
    (
        id(),
        prop::collection::vec(id(), 0..3),
        prop::bool::weighted(0.1),
        severity,
        prop::collection::vec(any_affected(), 0..4),
    )
        .prop_map(|(id, aliases, withdrawn, severity, affected)| Advisory {
            id: id.into(),
            source: "osv".into(),
            aliases: aliases.into_iter().map(Into::into).collect(),
            withdrawn,
            severity,
            affected,
            ..Advisory::default()
        })
}

fn any_key() -> impl Strategy<Value = PackageKey> {
    let ecosystem = prop::sample::select(vec!["PyPI", "npm", "Debian:12", "Debian:13", "Maven"]);
    let name = prop::sample::select(vec!["a", "b"]);
    (ecosystem, name)
        .prop_map(|(ecosystem, name)| PackageKey::new(Ecosystem::parse(ecosystem), name))
}

fn short_version() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["0", "1", "1.0", "1.1", "1.2", "2", "2.0rc1", "3"])
        .prop_map(Into::into)
}

fn any_affected() -> impl Strategy<Value = Affected> {
    let bound = || prop::option::of(short_version());
    let range = (bound(), bound(), bound()).prop_map(|(introduced, fixed, last_affected)| Range {
        introduced,
        fixed,
        last_affected,
    });
    let status = prop::sample::select(vec![
        Status::Affected,
        Status::Affected,
        Status::NotAffected,
        Status::Unfixed(String::new()),
    ]);
    let ranges = prop::collection::vec(range, 0..3);
    let versions = prop::collection::vec(short_version(), 0..2);
    (any_key(), ranges, versions, status).prop_map(|(package, ranges, versions, status)| Affected {
        package,
        ranges,
        versions,
        status,
    })
}

/// The ids that a record joins: written anew, from the rule's words.
fn names(advisory: &Advisory) -> BTreeSet<&str> {
    let cves = advisory
        .aliases
        .iter()
        .filter(|alias| alias.starts_with("CVE-"))
        .count();
    let bulletin = (advisory.id.starts_with("DSA-") || advisory.id.starts_with("X-")) && cves > 1;
    let aliases = advisory.aliases.iter().filter(|_| !bulletin);
    aliases.chain([&advisory.id]).map(String::as_str).collect()
}

/// Looks at every record for every question.
fn naive(
    advisories: &[Advisory],
    key: &PackageKey,
    version: &str,
) -> Vec<(String, BTreeSet<String>, Severity)> {
    let valid: Vec<&Advisory> = advisories
        .iter()
        .filter(|advisory| !advisory.withdrawn)
        .collect();
    let mut found = BTreeSet::new();
    for advisory in &valid {
        let hit = advisory
            .affected
            .iter()
            .any(|it| it.package == *key && it.affects(version));
        if !hit || !key.ecosystem.is_matched() {
            continue;
        }
        let mut group = names(advisory);
        while let Some(more) = valid
            .iter()
            .map(|it| names(it))
            .find(|it| !it.is_disjoint(&group) && !it.is_subset(&group))
        {
            group.extend(more);
        }
        let first = |prefix: &str| group.iter().find(|id| id.starts_with(prefix));
        let id = first("CVE-")
            .or_else(|| first("GHSA-"))
            .or_else(|| group.iter().next())
            .unwrap();
        let members = valid.iter().filter(|it| !names(it).is_disjoint(&group));
        let severity = members.clone().map(|it| it.severity).max().unwrap();
        let hitting = members.filter(|it| {
            it.affected
                .iter()
                .any(|it| it.package == *key && it.affects(version))
        });
        let hitting: BTreeSet<String> = hitting.map(|it| it.id.clone()).collect();
        found.insert(((*id).to_owned(), hitting, severity));
    }
    found.into_iter().collect()
}

fn told(matches: Vec<Match>) -> Vec<(String, BTreeSet<String>, Severity)> {
    let told = matches
        .into_iter()
        .map(|it| (it.group, it.advisory_ids.into_iter().collect(), it.severity));
    told.collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..Default::default() })]

    #[test]
    fn the_index_answers_what_a_naive_scan_answers(
        advisories in prop::collection::vec(any_advisory(), 0..9),
        key in any_key(),
        version in short_version(),
    ) {
        let index = Index::build(advisories.iter().cloned(), &BTreeSet::new());
        prop_assert_eq!(told(index.matches(&key, &version)), naive(&advisories, &key, &version));
    }

    #[test]
    fn the_order_of_records_does_not_matter(
        (advisories, shuffled) in prop::collection::vec(any_advisory(), 0..9)
            .prop_flat_map(|list| (Just(list.clone()), Just(list).prop_shuffle())),
        key in any_key(),
        version in short_version(),
    ) {
        let none = BTreeSet::new();
        let (one, two) = (Index::build(advisories, &none), Index::build(shuffled, &none));
        prop_assert_eq!(one.matches(&key, &version), two.matches(&key, &version));
    }

    #[test]
    fn a_change_touches_no_more_than_the_affected_keys(
        before in prop::collection::vec(any_advisory(), 0..9),
        changed in any_advisory(),
        exploited in prop::option::of(prop::sample::select(vec!["CVE-1", "CVE-2"])),
        key in any_key(),
        version in short_version(),
    ) {
        // The records with one id are replaced by another, and perhaps something is exploited.
        let mut after: Vec<Advisory> = before.iter().filter(|it| it.id != changed.id).cloned().collect();
        let mut ids = BTreeSet::from([changed.id.clone()]);
        after.push(changed);
        let exploited: BTreeSet<String> = exploited.into_iter().map(Into::into).collect();
        ids.extend(exploited.iter().cloned());
        let (before, after) = (Index::build(before, &BTreeSet::new()), Index::build(after, &exploited));
        let touched = before.affected_keys(&ids).contains(&key) || after.affected_keys(&ids).contains(&key);
        if !touched {
            prop_assert_eq!(before.matches(&key, &version), after.matches(&key, &version));
        }
    }
}
