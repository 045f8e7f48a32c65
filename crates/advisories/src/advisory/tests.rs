//! What changes the semantic hash and what does not; ranges; which ids join.

use super::*;

fn sample() -> Advisory {
    Advisory {
        id: "PYSEC-2024-70".into(),
        source: "pypa".into(),
        aliases: vec!["CVE-2024-42005".into(), "GHSA-pv4p-cwwg-4rph".into()],
        summary: "SQL injection".into(),
        severity: Severity::Critical,
        cvss: Some("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H".into()),
        score: "9.8".parse().ok(),
        affected: vec![
            Affected {
                package: PackageKey::new(Ecosystem::PyPi, "django"),
                ranges: vec![range("4.2", "4.2.15"), range("5.0", "5.0.8")],
                versions: vec!["4.2".into(), "5.0".into()],
                status: Status::Affected,
            },
            Affected {
                package: PackageKey::new(Ecosystem::Debian("12".into()), "python-django"),
                ranges: vec![Range::default()],
                versions: Vec::new(),
                status: Status::Unfixed("minor issue".into()),
            },
        ],
        published_at: Some(1),
        modified_at: Some(2),
        references: vec!["https://example.org".into()],
        withdrawn: false,
    }
}

fn range(introduced: &str, fixed: &str) -> Range {
    Range {
        introduced: Some(introduced.into()),
        fixed: Some(fixed.into()),
        last_affected: None,
    }
}

#[test]
fn prose_and_order_do_not_change_the_hash() {
    let edits: &[fn(&mut Advisory)] = &[
        |advisory| advisory.summary = "an SQL injection".into(),
        |advisory| advisory.references.clear(),
        |advisory| advisory.published_at = None,
        |advisory| advisory.modified_at = Some(3),
        |advisory| advisory.aliases.reverse(),
        |advisory| advisory.affected.reverse(),
        |advisory| advisory.affected[0].ranges.reverse(),
        |advisory| advisory.affected[0].versions.reverse(),
        |advisory| advisory.affected[1].status = Status::Unfixed("postponed".into()),
    ];
    for (index, edit) in edits.iter().enumerate() {
        let mut edited = sample();
        edit(&mut edited);
        assert_ne!(edited, sample(), "edit {index} changes something");
        assert_eq!(
            edited.semantic_hash(),
            sample().semantic_hash(),
            "edit {index}"
        );
    }
}

#[test]
fn meaning_changes_the_hash() {
    let edits: &[fn(&mut Advisory)] = &[
        |advisory| advisory.id = "PYSEC-2024-71".into(),
        |advisory| advisory.source = "osv".into(),
        |advisory| advisory.withdrawn = true,
        |advisory| advisory.severity = Severity::High,
        |advisory| advisory.cvss = None,
        |advisory| drop(advisory.aliases.pop()),
        |advisory| drop(advisory.affected.pop()),
        |advisory| advisory.affected[0].package.name = "Django".into(),
        |advisory| advisory.affected[0].ranges[0].fixed = Some("4.2.16".into()),
        |advisory| advisory.affected[0].ranges[0].introduced = None,
        |advisory| drop(advisory.affected[0].ranges.pop()),
        |advisory| advisory.affected[0].versions.push("4.2.1".into()),
        |advisory| advisory.affected[1].status = Status::Affected,
        |advisory| advisory.affected[1].status = Status::NotAffected,
        |advisory| {
            let range = &mut advisory.affected[0].ranges[0];
            range.last_affected = range.fixed.take();
        },
    ];
    let mut hashes = BTreeSet::from([sample().semantic_hash()]);
    for (index, edit) in edits.iter().enumerate() {
        let mut edited = sample();
        edit(&mut edited);
        assert!(hashes.insert(edited.semantic_hash()), "edit {index}");
    }
}

#[test]
fn a_snapshot_is_a_set() {
    let mut other = sample();
    other.id = "PYSEC-2024-99".into();
    let (one, two) = (sample().semantic_hash(), other.semantic_hash());
    let both = snapshot_digest([one, two]);
    assert_eq!(both, snapshot_digest([two, one, two]));
    assert_ne!(both, snapshot_digest([one]));
    assert_ne!(both, snapshot_digest([]));
    assert_eq!(both.len(), 64);
    let exploited =
        |ids: &[&str]| known_exploited_hash(&ids.iter().map(|id| (*id).into()).collect());
    assert_ne!(exploited(&["CVE-2024-1"]), exploited(&["CVE-2024-2"]));
}

#[test]
fn the_stored_form_reads_back() {
    let text = serde_json::to_string(&sample()).unwrap();
    assert_eq!(serde_json::from_str::<Advisory>(&text).unwrap(), sample());
    let lean = r#"{"id": "CVE-1", "source": "debian"}"#;
    assert_eq!(serde_json::from_str::<Advisory>(lean).unwrap().id, "CVE-1");
}

#[test]
fn ranges_include_and_exclude_their_ends() {
    let check = |range: &Range, version: &str, expect: bool, words: &str| {
        assert_eq!(
            range.contains(&Ecosystem::PyPi, version),
            expect,
            "{version} in {range:?}"
        );
        assert_eq!(range.describe(), words);
    };
    let fixed = range("1.0", "2.0");
    check(&fixed, "0.9", false, "introduced 1.0, fixed 2.0");
    check(&fixed, "1", true, "introduced 1.0, fixed 2.0");
    check(&fixed, "2.0rc1", true, "introduced 1.0, fixed 2.0");
    check(&fixed, "2.0.0", false, "introduced 1.0, fixed 2.0");
    let last = Range {
        last_affected: Some("2.0".into()),
        ..Range::default()
    };
    check(&last, "2.0.0", true, "introduced 0, last affected 2.0");
    check(&last, "2.0.1", false, "introduced 0, last affected 2.0");
    check(
        &Range::default(),
        "not a version",
        true,
        "introduced 0, no fix",
    );
}

#[test]
fn listed_versions_count_besides_ranges_and_a_denial_beats_both() {
    let mut affected = sample().affected.remove(0);
    affected.versions.push("3.0.0".into());
    assert!(affected.affects("3.0"));
    assert!(affected.affects("4.2.1"));
    assert!(!affected.affects("3.0.1"));
    affected.status = Status::NotAffected;
    assert!(!affected.affects("4.2.1"));
    assert!(!affected.affects("3.0"));
}

#[test]
fn a_bulletin_for_several_weaknesses_stands_alone() {
    let identities = |id: &str, aliases: &[&str]| {
        let aliases = aliases.iter().map(|alias| (*alias).into()).collect();
        let advisory = Advisory {
            id: id.into(),
            aliases,
            ..Advisory::default()
        };
        advisory.identities().count()
    };
    assert_eq!(identities("DSA-5000-1", &["CVE-2021-1", "CVE-2021-2"]), 1);
    assert_eq!(identities("DSA-5000-1", &["CVE-2021-1"]), 2);
    assert_eq!(
        identities("GHSA-aaaa-bbbb-cccc", &["CVE-2021-1", "CVE-2021-2"]),
        3
    );
}
