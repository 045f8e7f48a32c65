//! Findings: what matching found, told once to every image that holds the component, and gone when it is gone.

use std::collections::BTreeSet;

use advisories::Severity;
use store::feeds::{self, NewSet};
use store::findings::{self, Matched, Replaced, Wanted};
use store::{Error, outbox};

use super::world::{ADMIN, JOB, World, advisory, debian, django, full, part, python, rematch};
use crate::fixture::{Image, NOW, server_permit};

async fn stocked() -> (World, Image) {
    let world = World::new().await;
    let image = Image::new("web");
    world.fixture.push("shop/web", &["1"], &image).await;
    world
        .index(
            &image,
            &[python("django", "3.2.0"), python("jinja2", "2.10")],
        )
        .await;
    (world, image)
}

#[tokio::test]
async fn matching_again_gives_the_same_and_tells_nobody() {
    let (world, image) = stocked().await;
    world
        .import(vec![advisory(
            "PYSEC-1",
            &["CVE-1"],
            "django",
            "3.2.4",
            Severity::High,
        )])
        .await;
    assert_eq!(
        world.run_matches(NOW).await,
        Replaced {
            new: 1,
            changed: 0,
            retracted: 0
        }
    );
    let found = world.findings(&image).await;
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].component.package, python("django", "3.2.0"));
    assert_eq!(
        found[0].component.instruction.as_deref(),
        Some("RUN install django")
    );
    let finding = &found[0].finding;
    assert_eq!(
        (finding.group.as_str(), finding.fixed_version.as_deref()),
        ("CVE-1", Some("3.2.4"))
    );
    assert_eq!(finding.ids, ["CVE-1", "PYSEC-1"]);

    let events = world.events(&image).await;
    assert_eq!(
        events.iter().filter(|kind| *kind == "finding.new").count(),
        1
    );
    let revision = "SELECT facts_revision FROM manifests WHERE shape = 'image'";
    let before = world.fixture.number(revision).await;
    let keys = [
        django(),
        advisories::PackageKey::new(advisories::Ecosystem::PyPi, "jinja2"),
    ];
    assert_eq!(
        rematch(world.store(), &keys, NOW + 5).await.unwrap(),
        Replaced::default()
    );
    assert_eq!(world.findings(&image).await, found);
    assert_eq!(world.events(&image).await, events);
    assert_eq!(world.fixture.number(revision).await, before);
}

#[tokio::test]
async fn what_changes_is_told_to_the_images_that_hold_it_and_no_other() {
    let (world, image) = stocked().await;
    let (copy, other) = (image.clone(), Image::new("other"));
    world.fixture.push("shop/copy", &[], &copy).await;
    world.fixture.push("shop/web", &[], &other).await;
    world.index(&other, &[python("flask", "1")]).await;
    let mut record = advisory("PYSEC-1", &[], "django", "3.2.4", Severity::High);
    world.import(vec![record.clone()]).await;
    world.run_matches(NOW).await;
    let quiet = world.events(&other).await;

    record.severity = Severity::Critical;
    world.import(vec![record.clone()]).await;
    assert_eq!(
        world.run_matches(NOW).await,
        Replaced {
            new: 0,
            changed: 1,
            retracted: 0
        }
    );
    let kev = NewSet {
        source: feeds::KNOWN_EXPLOITED_SOURCE.to_owned(),
        known_exploited: BTreeSet::from(["PYSEC-1".to_owned()]),
        ..full(vec![])
    };
    feeds::import(world.store(), &server_permit(ADMIN), &kev, NOW)
        .await
        .unwrap();
    assert_eq!(world.run_matches(NOW).await.changed, 1);
    record.withdrawn = true;
    world.import(vec![record]).await;
    assert_eq!(world.run_matches(NOW).await.retracted, 1);
    assert!(world.findings(&image).await.is_empty());

    let mine: Vec<(String, String)> = outbox::events(world.store(), 0, 1_000)
        .await
        .unwrap()
        .into_iter()
        .filter(|event| event.kind.starts_with("finding"))
        .map(|event| (event.kind, event.ordering_key))
        .collect();
    let expect: Vec<(String, String)> = [
        "finding.new",
        "finding.changed",
        "finding.changed",
        "finding.retracted",
    ]
    .iter()
    .flat_map(|kind| {
        ["shop/copy", "shop/web"].map(|at| ((*kind).to_owned(), format!("{at}@{}", image.digest)))
    })
    .collect();
    assert_eq!(mine, expect);
    assert_eq!(world.events(&other).await, quiet);
}

#[tokio::test]
async fn a_weakness_that_gets_its_cve_later_is_the_same_finding() {
    let (world, image) = stocked().await;
    let mut record = advisory("PYSEC-1", &[], "django", "3.2.4", Severity::High);
    world.import_at(vec![record.clone()], NOW + 10).await;
    world.run_matches(NOW + 10).await;
    record.aliases.push("CVE-1".to_owned());
    world.import_at(vec![record], NOW + 99).await;
    assert_eq!(
        world.run_matches(NOW + 99).await,
        Replaced {
            new: 0,
            changed: 1,
            retracted: 0
        }
    );
    let found = world.findings(&image).await;
    assert_eq!(found.len(), 1);
    let finding = &found[0].finding;
    assert_eq!(
        (
            finding.group.as_str(),
            finding.found_at,
            finding.first_held_at
        ),
        ("CVE-1", NOW + 10, NOW + 10)
    );
}

#[tokio::test]
async fn grace_runs_from_the_first_record_of_the_group_for_that_package() {
    let (world, image) = stocked().await;
    world
        .import_at(
            vec![advisory(
                "PYSEC-1",
                &["CVE-1"],
                "jinja2",
                "3",
                Severity::High,
            )],
            NOW + 1,
        )
        .await;
    world
        .import_at(
            vec![advisory(
                "GHSA-1",
                &["CVE-1"],
                "django",
                "4",
                Severity::High,
            )],
            NOW + 2,
        )
        .await;
    world
        .import_at(
            vec![advisory(
                "PYSEC-2",
                &["CVE-1"],
                "django",
                "4",
                Severity::High,
            )],
            NOW + 3,
        )
        .await;
    world.run_matches(NOW + 4).await;
    let found = world.findings(&image).await;
    let held: Vec<(&str, i64)> = found
        .iter()
        .map(|found| {
            (
                found.component.package.name.as_str(),
                found.finding.first_held_at,
            )
        })
        .collect();
    assert_eq!(held, [("django", NOW + 2), ("jinja2", NOW + 1)]);
}

#[tokio::test]
async fn matches_from_an_older_set_are_refused() {
    let (world, image) = stocked().await;
    world
        .import(vec![advisory(
            "PYSEC-1",
            &[],
            "django",
            "3.2.4",
            Severity::High,
        )])
        .await;
    let stale = feeds::for_keys(world.store(), &[django()]).await.unwrap();
    let components = findings::components_under(world.store(), &[django()])
        .await
        .unwrap();
    world
        .import(vec![advisory(
            "PYSEC-2",
            &[],
            "django",
            "3.2.9",
            Severity::Critical,
        )])
        .await;
    world.run_matches(NOW).await;
    let generation = stale.generation;
    let index = stale.into_index();
    let matched = Matched {
        component_id: components[0].id,
        matches: index.matches(&django(), "3.2.0"),
    };
    let error = findings::replace(world.store(), JOB, &[matched], generation, NOW)
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Conflict { .. }), "{error}");
    assert_eq!(world.findings(&image).await.len(), 2);
}

#[tokio::test]
async fn affected_images_are_found_by_any_id_and_by_package() {
    let (world, image) = stocked().await;
    let other = Image::new("other");
    let index = Image::index(&[&other]);
    world.fixture.push("shop/web", &[], &other).await;
    world.fixture.push("shop/web", &["multi"], &index).await;
    world
        .index(
            &other,
            &[
                python("django", "5.0"),
                debian("libssl3", "openssl", "3.0.11-1"),
            ],
        )
        .await;
    world
        .import(vec![advisory(
            "PYSEC-1",
            &["CVE-1", "GHSA-1"],
            "django",
            "3.2.4",
            Severity::High,
        )])
        .await;
    world.run_matches(NOW).await;

    let ask = async |text: &str| -> Vec<(oci::Digest, Vec<String>, String, bool)> {
        let wanted: Wanted = text.parse().unwrap();
        let affected = findings::affected(world.store(), &wanted).await.unwrap();
        assert!(!affected.more);
        let mut images: Vec<_> = affected
            .images
            .into_iter()
            .map(|it| {
                let tags = it.tags.iter().map(ToString::to_string).collect();
                (
                    it.digest,
                    tags,
                    it.component.package.version,
                    it.finding.is_some(),
                )
            })
            .collect();
        images.sort();
        images
    };
    let hit = (
        image.digest.clone(),
        vec!["1".to_owned()],
        "3.2.0".to_owned(),
        true,
    );
    let clean = (
        other.digest.clone(),
        vec!["multi".to_owned()],
        "5.0".to_owned(),
        false,
    );
    for id in ["CVE-1", "GHSA-1", "PYSEC-1"] {
        assert_eq!(ask(id).await, [hit.clone()], "{id}");
    }
    let mut both = vec![hit.clone(), clean.clone()];
    both.sort();
    assert_eq!(ask("pkg:pypi/django").await, both);
    assert_eq!(ask("pkg:pypi/django@5.0").await, [clean]);
    assert_eq!(ask("pkg:deb/debian/libssl3").await.len(), 1);
    assert_eq!(
        ask("pkg:deb/debian/libssl3@3.0.11-1?arch=amd64")
            .await
            .len(),
        1
    );
    for nothing in [
        "CVE-2",
        "pkg:pypi/djang",
        "pkg:pypi/django@5",
        "pkg:deb/debian/libssl3?arch=arm64",
    ] {
        assert!(ask(nothing).await.is_empty(), "{nothing}");
    }
    for wrong in ["", "two words", "pkg:"] {
        assert!(wrong.parse::<Wanted>().is_err(), "{wrong}");
    }
}

#[tokio::test]
async fn a_batch_of_known_matches_is_written_in_pieces() {
    let world = World::new().await;
    let image = Image::new("big");
    world.fixture.push("shop/web", &[], &image).await;
    let packages: Vec<_> = (0..450).map(|n| python(&format!("p{n}"), "1")).collect();
    world.index(&image, &packages).await;
    let records = (0..450)
        .map(|n| {
            advisory(
                &format!("PYSEC-{n}"),
                &[],
                &format!("p{n}"),
                "2",
                Severity::Low,
            )
        })
        .collect();
    feeds::import(world.store(), &server_permit(ADMIN), &part(records), NOW)
        .await
        .unwrap();
    assert_eq!(world.run_matches(NOW).await.new, 450);
    assert_eq!(world.findings(&image).await.len(), 450);
}
