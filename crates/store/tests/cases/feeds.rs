//! Advisories: an import costs what it changes, a source does not go back in time, and some keys see what all see.

use std::collections::BTreeSet;

use advisories::{Advisory, Index, PackageKey, Severity};
use policy::verb::ManageAdvisories;
use store::feeds::{self, Extent, Imported, MATCH, NewSet};
use store::{Error, Store, jobs};

use super::world::{ADMIN, World, advisory, django, full, part, python};
use crate::fixture::{Image, NOW, server_permit};

async fn import(store: &Store, set: &NewSet, now: i64) -> store::Result<Imported> {
    feeds::import(store, &server_permit::<ManageAdvisories>(ADMIN), set, now).await
}

fn changed(advisory: &Advisory, severity: Severity, modified_at: i64) -> Advisory {
    Advisory {
        severity,
        modified_at: Some(modified_at),
        ..advisory.clone()
    }
}

async fn generation(world: &World) -> i64 {
    world
        .fixture
        .number("SELECT value FROM revisions WHERE name = 'feeds'")
        .await
}

#[tokio::test]
async fn the_same_set_again_touches_nothing() {
    let world = World::new().await;
    let set = full(
        (0..300)
            .map(|n| {
                advisory(
                    &format!("PYSEC-{n}"),
                    &[],
                    &format!("p{n}"),
                    "2",
                    Severity::High,
                )
            })
            .collect(),
    );
    let first = import(world.store(), &set, NOW).await.unwrap();
    assert_eq!(
        (first.added, first.unchanged, first.keys_changed.len()),
        (300, 0, 300)
    );
    while let Some(job) = jobs::claim(world.store(), &[MATCH], NOW, 1_000)
        .await
        .unwrap()
    {
        jobs::finish(world.store(), &job).await.unwrap();
    }
    let before = generation(&world).await;
    // New prose, new dates, another order: the same advisories.
    let mut again = set.clone();
    again.advisories.reverse();
    for advisory in &mut again.advisories {
        advisory.summary = "in other words".to_owned();
        advisory.modified_at = Some(NOW);
    }
    let second = import(world.store(), &again, NOW + 1).await.unwrap();
    assert_eq!(
        (
            second.added,
            second.changed,
            second.removed,
            second.unchanged
        ),
        (0, 0, 0, 300)
    );
    assert_eq!(second.keys_changed, []);
    assert_eq!(second.snapshot, first.snapshot);
    assert_eq!(generation(&world).await, before);
    assert_eq!(
        jobs::claim(world.store(), &[MATCH], NOW + 1, 1_000)
            .await
            .unwrap(),
        None
    );
    assert_eq!(
        world
            .fixture
            .number("SELECT COUNT(*) FROM advisories")
            .await,
        300
    );
}

#[tokio::test]
async fn changes_withdrawals_and_removals_become_revisions() {
    let world = World::new().await;
    let a = advisory("PYSEC-1", &["CVE-1"], "django", "3.2.4", Severity::High);
    let b = advisory("PYSEC-2", &[], "jinja2", "3", Severity::Low);
    let c = advisory("PYSEC-3", &[], "flask", "2", Severity::Low);
    import(
        world.store(),
        &full(vec![a.clone(), b.clone(), c.clone()]),
        NOW,
    )
    .await
    .unwrap();

    let a2 = changed(&a, Severity::Critical, NOW);
    let b2 = Advisory {
        withdrawn: true,
        ..changed(&b, b.severity, NOW)
    };
    let set = NewSet {
        allow_older: true,
        ..full(vec![a2.clone(), b2.clone()])
    };
    let second = import(world.store(), &set, NOW + 1).await.unwrap();
    assert_eq!(
        (
            second.added,
            second.changed,
            second.withdrawn,
            second.removed
        ),
        (0, 1, 1, 1)
    );
    assert_eq!(second.keys_changed.len(), 3);
    for (key, expect) in [("django", 1), ("jinja2", 0), ("flask", 0)] {
        let key = PackageKey::new(advisories::Ecosystem::PyPi, key);
        let found = feeds::for_keys(world.store(), std::slice::from_ref(&key))
            .await
            .unwrap();
        assert_eq!(found.advisories.len(), expect, "{key}");
    }
    assert_eq!(
        feeds::status(world.store()).await.unwrap().sources[0].advisories,
        1
    );

    // What comes back is there again; everything that was is still written down.
    let third = import(world.store(), &part(vec![c]), NOW + 2)
        .await
        .unwrap();
    assert_eq!((third.added, third.changed), (1, 0));
    assert_eq!(
        world
            .fixture
            .number("SELECT COUNT(*) FROM advisories")
            .await,
        7
    );
    assert_eq!(
        world
            .fixture
            .number("SELECT COUNT(*) FROM advisories WHERE current = 1")
            .await,
        3
    );
    let newest = "SELECT revision FROM advisories WHERE advisory_id = 'PYSEC-3' AND current = 1";
    assert_eq!(world.fixture.number(newest).await, 3);
}

#[tokio::test]
async fn an_older_or_smaller_set_is_refused_unless_it_is_allowed() {
    let world = World::new().await;
    let a = changed(
        &advisory("PYSEC-1", &[], "django", "3.2.4", Severity::High),
        Severity::High,
        NOW,
    );
    let b = advisory("PYSEC-2", &[], "jinja2", "3", Severity::Low);
    import(world.store(), &full(vec![a.clone(), b.clone()]), NOW)
        .await
        .unwrap();
    let earlier = changed(&a, Severity::Low, NOW - 1);
    let other = advisory("PYSEC-3", &[], "flask", "2", Severity::Low);
    for (what, set) in [
        ("fewer records", full(vec![a.clone()])),
        ("none at all", full(vec![])),
        (
            "a record that went back",
            full(vec![earlier.clone(), b.clone()]),
        ),
        ("one such record alone", part(vec![earlier.clone()])),
        (
            "an earlier set of new records",
            full(vec![b.clone(), other.clone()]),
        ),
    ] {
        let before = feeds::status(world.store()).await.unwrap();
        let error = import(world.store(), &set, NOW + 1).await.unwrap_err();
        assert!(
            matches!(error, Error::OlderSource { .. }),
            "{what}: {error}"
        );
        assert_eq!(
            feeds::status(world.store()).await.unwrap(),
            before,
            "{what}"
        );
        let allowed = NewSet {
            allow_older: true,
            ..set
        };
        import(world.store(), &allowed, NOW + 1).await.unwrap();
        let restore = NewSet {
            allow_older: true,
            ..full(vec![a.clone(), b.clone()])
        };
        import(world.store(), &restore, NOW + 1).await.unwrap();
    }
    // One new record alone is not a smaller set.
    import(world.store(), &part(vec![other]), NOW + 2)
        .await
        .unwrap();
    assert_eq!(
        feeds::status(world.store()).await.unwrap().sources[0].advisories,
        3
    );
}

#[tokio::test]
async fn without_an_advisory_in_force_nothing_is_ready() {
    let world = World::new().await;
    let ready = async || feeds::ready(world.store()).await.unwrap();
    let flips = async || {
        world
            .fixture
            .number("SELECT value FROM revisions WHERE name = 'advisories'")
            .await
    };
    assert!(!ready().await);
    let kev = NewSet {
        source: feeds::KNOWN_EXPLOITED_SOURCE.to_owned(),
        known_exploited: BTreeSet::from(["CVE-1".to_owned()]),
        ..full(vec![])
    };
    import(world.store(), &kev, NOW).await.unwrap();
    assert!(!ready().await, "a list of exploited ids matches nothing");
    let a = advisory("PYSEC-1", &[], "django", "3.2.4", Severity::High);
    import(
        world.store(),
        &part(vec![Advisory {
            withdrawn: true,
            ..a.clone()
        }]),
        NOW,
    )
    .await
    .unwrap();
    assert!(!ready().await, "nor does a withdrawn record");
    assert_eq!(flips().await, 0);
    import(world.store(), &part(vec![a.clone()]), NOW)
        .await
        .unwrap();
    assert!(ready().await);
    assert_eq!(flips().await, 1);
    import(
        world.store(),
        &part(vec![advisory("PYSEC-2", &[], "flask", "2", Severity::Low)]),
        NOW,
    )
    .await
    .unwrap();
    assert_eq!(flips().await, 1);
    import(
        world.store(),
        &NewSet {
            allow_older: true,
            ..full(vec![])
        },
        NOW,
    )
    .await
    .unwrap();
    assert!(!ready().await);
    assert_eq!(flips().await, 2);
}

#[tokio::test]
async fn a_change_reaches_every_package_of_its_alias_group() {
    let world = World::new().await;
    let a = advisory("PYSEC-1", &["CVE-1"], "django", "3.2.4", Severity::High);
    let b = advisory(
        "PYSEC-2",
        &["CVE-1", "GHSA-1"],
        "django-fork",
        "9",
        Severity::Low,
    );
    let c = advisory("PYSEC-3", &["GHSA-1"], "django-port", "9", Severity::Low);
    let d = advisory("PYSEC-4", &[], "flask", "9", Severity::Low);
    import(world.store(), &part(vec![a, b, c.clone(), d]), NOW)
        .await
        .unwrap();
    let names = |imported: &Imported| -> Vec<String> {
        imported
            .keys_changed
            .iter()
            .map(|key| key.name.clone())
            .collect()
    };
    let changed = import(
        world.store(),
        &part(vec![changed(&c, Severity::Critical, NOW)]),
        NOW,
    )
    .await
    .unwrap();
    assert_eq!(names(&changed), ["django", "django-fork", "django-port"]);

    // Leaving the group changes what it says, too.
    let alone = Advisory {
        aliases: Vec::new(),
        modified_at: Some(NOW + 1),
        ..c
    };
    let left = import(world.store(), &part(vec![alone]), NOW + 1)
        .await
        .unwrap();
    assert_eq!(names(&left), ["django", "django-fork", "django-port"]);

    let kev = NewSet {
        source: feeds::KNOWN_EXPLOITED_SOURCE.to_owned(),
        known_exploited: BTreeSet::from(["CVE-1".to_owned()]),
        ..full(vec![])
    };
    let exploited = import(world.store(), &kev, NOW + 2).await.unwrap();
    assert_eq!(names(&exploited), ["django", "django-fork"]);
    let none = NewSet {
        known_exploited: BTreeSet::new(),
        allow_older: true,
        ..kev
    };
    let no_longer = import(world.store(), &none, NOW + 3).await.unwrap();
    assert_eq!(names(&no_longer), ["django", "django-fork"]);
    assert!(
        feeds::known_exploited(world.store())
            .await
            .unwrap()
            .is_empty()
    );
}

/// A generator of numbers for tests that must not depend on chance.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

#[tokio::test]
async fn some_keys_are_matched_as_with_the_whole_set() {
    let world = World::new().await;
    let mut numbers = Numbers(7);
    let severities = [
        Severity::Low,
        Severity::Medium,
        Severity::High,
        Severity::Critical,
    ];
    let mut records = Vec::new();
    for n in 0..150 {
        let aliases: Vec<String> = (0..numbers.below(3))
            .map(|_| format!("CVE-{}", numbers.below(60)))
            .collect();
        let aliases: Vec<&str> = aliases.iter().map(String::as_str).collect();
        let severity = severities[usize::try_from(numbers.below(4)).unwrap()];
        let fixed = format!("{}", numbers.below(6));
        let package = format!("p{}", numbers.below(40));
        let mut record = advisory(&format!("PYSEC-{n}"), &aliases, &package, &fixed, severity);
        record.withdrawn = numbers.below(10) == 0;
        records.push(record);
    }
    let exploited = BTreeSet::from(["CVE-3".to_owned(), "PYSEC-9".to_owned()]);
    let set = NewSet {
        known_exploited: exploited.clone(),
        ..full(records.clone())
    };
    import(world.store(), &set, NOW).await.unwrap();
    let whole = Index::build(records, &exploited);
    for first in 0..40 {
        let keys: Vec<PackageKey> = [first, (first + 13) % 40]
            .iter()
            .map(|n| PackageKey::new(advisories::Ecosystem::PyPi, &format!("p{n}")))
            .collect();
        let some = feeds::for_keys(world.store(), &keys)
            .await
            .unwrap()
            .into_index();
        for key in &keys {
            for version in ["0", "1.5", "3", "5"] {
                assert_eq!(
                    some.matches(key, version),
                    whole.matches(key, version),
                    "{key} {version}"
                );
            }
        }
    }
}

#[tokio::test]
async fn five_thousand_advisories_are_one_import() {
    let world = World::new().await;
    let image = Image::new("web");
    world.fixture.push("shop/web", &["1"], &image).await;
    world.index(&image, &[python("p17", "1.0")]).await;
    let set = full(
        (0..5_000)
            .map(|n| {
                let (cve, ghsa) = (format!("CVE-2026-{n}"), format!("GHSA-{n}"));
                advisory(
                    &format!("PYSEC-{n}"),
                    &[&cve, &ghsa],
                    &format!("p{n}"),
                    "2",
                    Severity::High,
                )
            })
            .collect(),
    );
    let imported = import(world.store(), &set, NOW).await.unwrap();
    assert_eq!(imported.keys_changed.len(), 5_000);
    assert_eq!(world.run_matches(NOW).await.new, 1);
    // The next one changes a single record, and asks for a single key.
    let mut next = set.clone();
    next.advisories[17].severity = Severity::Critical;
    let imported = import(world.store(), &next, NOW + 1).await.unwrap();
    assert_eq!((imported.changed, imported.unchanged), (1, 4_999));
    assert_eq!(
        imported.keys_changed,
        [PackageKey::new(advisories::Ecosystem::PyPi, "p17")]
    );
    assert_eq!(world.run_matches(NOW + 1).await.changed, 1);
}

#[tokio::test]
async fn a_record_of_another_source_is_refused() {
    let world = World::new().await;
    let stray = Advisory {
        source: "osv".to_owned(),
        ..advisory("GHSA-1", &[], "django", "9", Severity::Low)
    };
    let error = import(world.store(), &part(vec![stray]), NOW)
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Invalid { .. }), "{error}");
    assert!(
        feeds::for_keys(world.store(), &[django()])
            .await
            .unwrap()
            .advisories
            .is_empty()
    );
}

#[test]
fn a_batch_becomes_one_set_for_each_source() {
    let record = |id: &str, source: &str| Advisory {
        source: source.to_owned(),
        ..advisory(id, &[], "p", "1", Severity::Low)
    };
    let batch = advisories::Batch {
        advisories: vec![record("A", "osv"), record("B", "pypa"), record("C", "pypa")],
        known_exploited: BTreeSet::from(["CVE-1".to_owned()]),
        ..Default::default()
    };
    let sets = NewSet::of_batch(batch, Extent::Part, false);
    let shape: Vec<(&str, usize, usize)> = sets
        .iter()
        .map(|set| {
            (
                set.source.as_str(),
                set.advisories.len(),
                set.known_exploited.len(),
            )
        })
        .collect();
    assert_eq!(
        shape,
        [
            ("osv", 1, 0),
            ("pypa", 2, 0),
            (feeds::KNOWN_EXPLOITED_SOURCE, 0, 1)
        ]
    );
}
