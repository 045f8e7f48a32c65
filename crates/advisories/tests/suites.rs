//! Against third-party data: version tables, `dpkg`, real feeds. Not part of the ordinary tests, as
//! the data is not in the repository: `--features suites`, with its folder in `COUNTERSIGN_SUITES`.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "helpers of tests may fail loudly"
)]

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::Command;
use std::sync::LazyLock;

use advisories::{
    Advisory, Batch, Ecosystem, Index, Limits, PackageKey, Severity, read_path, snapshot_digest,
    version,
};

fn data(path: &str) -> PathBuf {
    let root = std::env::var_os("COUNTERSIGN_SUITES")
        .expect("set COUNTERSIGN_SUITES to the folder of the unpacked third-party data");
    let path = PathBuf::from(root).join(path);
    assert!(path.exists(), "{} is missing", path.display());
    path
}

fn import(path: &str) -> Batch {
    read_path(&data(path), &Limits::default()).unwrap()
}

/// Checks every `a < b` line of a table, in both directions, and returns how many there are.
fn check_table(name: &str, ecosystem: &Ecosystem) -> usize {
    let path = data("suites/osv-version-ordering/semantic/testdata").join(name);
    let text = std::fs::read_to_string(path).unwrap();
    let lines = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with("//"));
    let rows: Vec<(&str, Ordering, &str)> = lines
        .map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let expect = match words[1] {
                "<" => Ordering::Less,
                "=" => Ordering::Equal,
                ">" => Ordering::Greater,
                other => panic!("{other} in {line}"),
            };
            assert_eq!(words.len(), 3, "{line}");
            (words[0], expect, words[2])
        })
        .collect();
    for (left, expect, right) in &rows {
        assert_eq!(
            version::compare(ecosystem, left, right),
            *expect,
            "{left} against {right}"
        );
        assert_eq!(
            version::compare(ecosystem, right, left),
            expect.reverse(),
            "{right} against {left}"
        );
    }
    rows.len()
}

#[test]
fn version_tables() {
    assert_eq!(
        check_table("debian-versions.txt", &Ecosystem::Debian("12".into())),
        30
    );
    assert_eq!(check_table("pypi-versions.txt", &Ecosystem::PyPi), 37);
    assert_eq!(check_table("semver-versions.txt", &Ecosystem::Npm), 86);
}

/// What `dpkg` itself says.
fn dpkg(left: &str, right: &str) -> Ordering {
    let holds = |relation: &str| {
        let mut command = Command::new("dpkg");
        command.args(["--compare-versions", left, relation, right]);
        command
            .status()
            .expect("dpkg is needed for this test")
            .success()
    };
    match (holds("lt"), holds("gt")) {
        (true, _) => Ordering::Less,
        (_, true) => Ordering::Greater,
        _ => Ordering::Equal,
    }
}

#[test]
fn the_debian_order_is_that_of_dpkg() {
    let batch = import("advisories/debian-derived/debian-derived/tracker-format.json");
    let mut versions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for affected in batch
        .advisories
        .iter()
        .flat_map(|advisory| &advisory.affected)
    {
        let fixed = affected
            .ranges
            .iter()
            .filter_map(|range| range.fixed.as_deref());
        versions
            .entry(&affected.package.name)
            .or_default()
            .extend(fixed);
    }
    let neighbours = versions.values().flat_map(|versions| {
        let versions: Vec<&str> = versions.iter().copied().collect();
        versions
            .windows(2)
            .map(|pair| (pair[0], pair[1]))
            .collect::<Vec<_>>()
    });
    let real: Vec<(&str, &str)> = neighbours.step_by(3).take(500).collect();
    assert_eq!(real.len(), 500);
    let odd = [
        "1", "1.0", "1.0-0", "0:1", "1:0", "1~", "1~~", "1~~a", "1a", "1+", "1.", "1-1-1", "1-1.1",
        "1:1-1~b", "01",
    ];
    let odd = odd
        .iter()
        .flat_map(|left| odd.iter().map(move |right| (*left, *right)));
    for (left, right) in real.into_iter().chain(odd) {
        assert_eq!(
            version::deb::compare(left, right),
            dpkg(left, right),
            "{left} against {right}"
        );
    }
}

#[test]
fn every_python_version_of_the_feed_is_ordered_as_pep440_rs_orders_it() {
    let batch = &*PYPA;
    let mut compared = 0;
    let mut legacy = 0;
    for advisory in &batch.advisories {
        for affected in &advisory.affected {
            let parse = |text: &String| text.parse::<pep440_rs::Version>().ok();
            for version in &affected.versions {
                assert_eq!(
                    version::pep440::is_valid(version),
                    parse(version).is_some(),
                    "{version}"
                );
                legacy += usize::from(parse(version).is_none());
            }
            let parsed = affected
                .versions
                .iter()
                .filter_map(|text| Some((text, parse(text)?)));
            let parsed: Vec<_> = parsed.collect();
            for pair in parsed.windows(2) {
                let found = version::pep440::compare(pair[0].0, pair[1].0);
                assert_eq!(
                    found,
                    pair[0].1.cmp(&pair[1].1),
                    "{} against {}",
                    pair[0].0,
                    pair[1].0
                );
                compared += 1;
            }
        }
    }
    assert_eq!((compared, legacy), (138_118, 108));
}

/// Records, entries skipped, and ids known to be exploited.
fn counts(path: &str) -> (usize, usize, usize) {
    let batch = import(path);
    (
        batch.advisories.len(),
        batch.skipped.len(),
        batch.known_exploited.len(),
    )
}

const PYPA_OLD: &str = "advisories/pypa-old30d-2024-09-09-83591dfc5348";
const PYPA_NEW: &str = "advisories/pypa-new-2024-10-10-3ccb612573e2";
static PYPA: LazyLock<Batch> = LazyLock::new(|| import(PYPA_NEW));

#[test]
fn real_feeds_are_read_whole() {
    assert_eq!(counts(PYPA_OLD), (2629, 0, 0));
    assert_eq!(counts(PYPA_NEW), (2661, 0, 0));
    // 19 records are templates whose version lists were replaced by a number.
    assert_eq!(counts("advisories/osv-mined"), (726, 19, 0));
    assert_eq!(counts("advisories/debian-derived"), (3467, 0, 0));
    assert_eq!(
        counts("advisories/rustsec-osv-old30d-2026-07-22-149280b54d04"),
        (1148, 0, 0)
    );
    // One of the two JSON files is the schema of the other.
    assert_eq!(
        counts("advisories/kev-new-2025-08-25-eacf03ec6637"),
        (0, 1, 1404)
    );
}

#[test]
fn what_was_not_matched_is_counted() {
    let batch = import("advisories/osv-mined");
    let count = |ecosystem: &str| batch.unmatched.get(ecosystem).copied();
    assert_eq!(
        (count("Maven"), count("crates.io"), count("npm")),
        (Some(442), Some(8), None)
    );
    let index = Index::build(batch.advisories, &BTreeSet::new());
    let families: BTreeSet<String> = index
        .keys()
        .map(|key| {
            key.ecosystem
                .to_string()
                .split(':')
                .next()
                .unwrap_or_default()
                .to_owned()
        })
        .collect();
    assert_eq!(
        families.into_iter().collect::<Vec<_>>(),
        ["Debian", "PyPI", "npm"]
    );
}

#[test]
fn folders_full_of_other_formats_are_read_without_a_panic() {
    // One record is in the folders of two ecosystems: each source has it.
    assert_eq!(counts("suites/osv-dev-fixtures"), (28, 85, 0));
    assert_eq!(counts("suites/vunnel-fixtures"), (30, 744, 3));
    assert_eq!(counts("suites/trivy-db-testdata"), (34, 281, 0));
    assert_eq!(counts("suites/osv-scanner-fixtures"), (4, 55, 0));
    assert_eq!(counts("suites/claircore-fixtures"), (0, 39, 2));
}

#[test]
fn the_trackers_own_records_are_read() {
    let path = "suites/vunnel-fixtures/tests/unit/providers/debian/test-fixtures/input/debian.json";
    let batch = import(path);
    // One entry has a list where the others have an object.
    assert_eq!(batch.skipped.len(), 1);
    assert!(
        batch.skipped[0]
            .0
            .ends_with("chromium-browser: CVE-2022-0358")
    );
    let prototype = batch
        .advisories
        .iter()
        .find(|it| it.id == "CVE-2008-7220")
        .unwrap();
    assert_eq!(prototype.severity, Severity::High);
    let index = Index::build(batch.advisories.iter().cloned(), &BTreeSet::new());
    let stretch = PackageKey::new(Ecosystem::Debian("9".into()), "prototypejs");
    let told: Vec<_> = index
        .matches(&stretch, "1.6.0.1-1")
        .into_iter()
        .map(|it| it.group)
        .collect();
    // CVE-2007-2383 is there as well, at fixed version 0: not affected.
    assert_eq!(told, ["CVE-2008-7220"]);
    assert_eq!(index.matches(&stretch, "1.7.1-3"), []);
}

/// All versions that any record lists, by package.
fn listed(advisories: &[Advisory]) -> BTreeMap<&PackageKey, BTreeSet<&str>> {
    let mut listed: BTreeMap<&PackageKey, BTreeSet<&str>> = BTreeMap::new();
    for affected in advisories.iter().flat_map(|it| &it.affected) {
        let versions = affected.versions.iter().map(String::as_str);
        listed
            .entry(&affected.package)
            .or_default()
            .extend(versions);
    }
    listed
}

/// OSV fills each list from the ranges by an evaluation of its own: two answers to one question.
#[test]
fn ranges_and_lists_of_the_python_feed_agree() {
    let batch = &*PYPA;
    let all = listed(&batch.advisories);
    let (mut agree, mut only_listed, mut only_ranged) = (0, BTreeMap::new(), 0);
    for advisory in &batch.advisories {
        for affected in advisory.affected.iter().filter(|it| !it.ranges.is_empty()) {
            let listed: BTreeSet<&str> = affected.versions.iter().map(String::as_str).collect();
            for version in &all[&affected.package] {
                let mut ranges = affected.ranges.iter();
                let ranged = ranges.any(|range| range.contains(&Ecosystem::PyPi, version));
                match (ranged, listed.contains(version)) {
                    (false, true) => *only_listed.entry(advisory.id.as_str()).or_insert(0) += 1,
                    (true, false) => only_ranged += 1,
                    _ => agree += 1,
                }
            }
        }
    }
    // Nine are listed by hand, against the record's own range.
    let by_hand = [
        ("PYSEC-2021-114", 1),
        ("PYSEC-2023-177", 2),
        ("PYSEC-2023-61", 6),
    ];
    assert_eq!(only_listed, BTreeMap::from(by_hand));
    // Lists are older than some ranges, and leave out old versions that do not parse.
    assert_eq!((agree, only_ranged), (275_691, 2_195));
}

/// The records that hit a version, by a scan over all of them.
fn naive<'a>(advisories: &'a [Advisory], key: &PackageKey, version: &str) -> BTreeSet<&'a str> {
    let hits = advisories.iter().filter(|advisory| {
        let mut affected = advisory.affected.iter();
        !advisory.withdrawn && affected.any(|it| it.package == *key && it.affects(version))
    });
    hits.map(|advisory| advisory.id.as_str()).collect()
}

#[test]
fn the_index_gives_what_a_scan_gives() {
    let batch = &*PYPA;
    let index = Index::build(batch.advisories.iter().cloned(), &BTreeSet::new());
    let (mut asked, mut found) = (0, 0);
    for (key, versions) in listed(&batch.advisories) {
        for version in versions.into_iter().step_by(40).chain(["0.dev0", "9999!0"]) {
            let matches = index.matches(key, version);
            let ids = matches
                .iter()
                .flat_map(|it| &it.advisory_ids)
                .map(String::as_str);
            let ids: BTreeSet<&str> = ids.collect();
            assert_eq!(
                ids,
                naive(&batch.advisories, key, version),
                "{key} {version}"
            );
            asked += 1;
            found += ids.len();
        }
    }
    assert!(
        asked > 2_500 && found > 6_500,
        "{asked} versions asked, {found} hits"
    );
}

/// A month of the feed: outside the keys that the changed records name, no answer may change.
#[test]
fn an_update_changes_nothing_outside_its_keys() {
    let old = import(PYPA_OLD).advisories;
    let new = &PYPA.advisories;
    let hashes = |records: &[Advisory]| -> BTreeMap<String, [u8; 32]> {
        records
            .iter()
            .map(|it| (it.id.clone(), it.semantic_hash()))
            .collect()
    };
    let (before, after) = (hashes(&old), hashes(new));
    let ids = before.keys().chain(after.keys());
    let changed: BTreeSet<String> = ids
        .filter(|id| before.get(*id) != after.get(*id))
        .cloned()
        .collect();
    assert!(snapshot_digest(before.into_values()) != snapshot_digest(after.into_values()));

    let build = |records: &[Advisory]| Index::build(records.iter().cloned(), &BTreeSet::new());
    let (before, after) = (build(&old), build(new));
    let mut touched = before.affected_keys(&changed);
    touched.extend(after.affected_keys(&changed));
    let mut differing = BTreeSet::new();
    for (key, versions) in listed(new) {
        for version in versions.into_iter().step_by(60) {
            let groups = |index: &Index| -> Vec<(String, Vec<String>, Option<String>)> {
                let matches = index.matches(key, version).into_iter();
                matches
                    .map(|it| (it.group, it.advisory_ids, it.fixed_version))
                    .collect()
            };
            if groups(&before) != groups(&after) {
                differing.insert(key);
            }
        }
    }
    assert!(!differing.is_empty() && differing.is_subset(&touched));
    assert!(
        touched.len() < after.keys().count() / 10,
        "{} keys touched",
        touched.len()
    );
}
