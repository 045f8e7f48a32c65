//! Inventories: kept as they were read, shared where they are the same, and never called matched before they are.

use advisories::Severity;
use sbom::{ImageInventory, LayerInventory, Package, Problem, ProblemKind};
use store::findings;
use store::inventories::{self, ImageState, Indexed};

use super::world::{JOB, World, advisory, debian, django, inventory, put, python};
use crate::fixture::{Image, NOW};

fn layer(seed: &str) -> LayerInventory {
    LayerInventory {
        digest: oci::Digest::sha256(seed.as_bytes()),
        diff_id: oci::Digest::sha256(format!("plain {seed}").as_bytes()),
        scanner_version: 3,
        entries: 2,
        bytes: 99,
        databases: Vec::new(),
        packages: vec![python("django", "3.2.0")],
        os_release: Vec::new(),
        ownership: Vec::new(),
        os_licences: Vec::new(),
        whiteouts: vec!["etc/x".to_owned()],
        opaques: Vec::new(),
        replaced: vec![1, u64::MAX],
        problems: Vec::new(),
    }
}

#[tokio::test]
async fn layers_are_kept_by_digest_and_scanner_version() {
    let world = World::new().await;
    let layer = layer("base");
    inventories::put_layer(world.store(), &layer, NOW)
        .await
        .unwrap();
    inventories::put_layer(world.store(), &layer, NOW + 1)
        .await
        .unwrap();
    let kept = inventories::layer(world.store(), &layer.digest, 3)
        .await
        .unwrap();
    assert_eq!(kept.as_ref(), Some(&layer));
    assert_eq!(
        inventories::layer(world.store(), &layer.digest, 4)
            .await
            .unwrap(),
        None
    );
}

#[tokio::test]
async fn an_inventory_comes_back_as_it_was_read() {
    let world = World::new().await;
    let image = Image::new("web");
    world.fixture.push("shop/web", &["1"], &image).await;
    let owned = Package {
        owner: Some("python3-yaml".to_owned()),
        ..python("pyyaml", "6.0")
    };
    let twice = Package {
        path: "opt/venv/django/METADATA".to_owned(),
        ..python("django", "3.2.0")
    };
    let problem = Problem {
        kind: ProblemKind::BrokenLayer,
        detail: "the archive ends early".to_owned(),
        path: None,
        layer: Some(oci::Digest::sha256(b"x")),
    };
    let packages = [
        debian("libssl3", "openssl", "3.0.11-1"),
        python("django", "3.2.0"),
        twice,
        owned,
    ];
    let inventory = ImageInventory {
        problems: vec![problem],
        ..inventory(&packages)
    };
    assert!(put(world.store(), &image, &inventory, NOW).await.changed);
    let kept = world.stored(&image).await.unwrap();
    assert_eq!(kept.inventory, inventory);
    assert_eq!(
        (kept.state, kept.scanner_version, kept.indexed_at),
        (ImageState::Incomplete, 1, NOW)
    );
    assert_eq!(world.stored(&Image::new("other")).await, None);
}

#[tokio::test]
async fn the_same_inventory_again_changes_nothing() {
    let world = World::new().await;
    let image = Image::new("web");
    world.fixture.push("shop/web", &["1"], &image).await;
    let packages = [
        python("django", "3.2.0"),
        debian("libssl3", "openssl", "3.0.11-1"),
    ];
    let first = world.index(&image, &packages).await;
    assert!(first.changed && first.unmatched.len() == 2);
    let revision = "SELECT facts_revision FROM manifests WHERE shape = 'image'";
    let before = (
        world.fixture.number(revision).await,
        world.events(&image).await,
    );
    let again = put(world.store(), &image, &inventory(&packages), NOW + 9).await;
    assert!(!again.changed);
    assert_eq!(
        (
            world.fixture.number(revision).await,
            world.events(&image).await
        ),
        before
    );
    assert!(world.index(&image, &packages[..1]).await.changed);
    assert_eq!(
        world
            .stored(&image)
            .await
            .unwrap()
            .inventory
            .components
            .len(),
        1
    );
    assert_eq!(
        world.events(&image).await,
        ["image.pushed", "image.indexed", "image.indexed"]
    );
}

#[tokio::test]
async fn components_are_shared_but_not_with_those_who_declare_them_differently() {
    let world = World::new().await;
    let (web, api, evil) = (Image::new("web"), Image::new("api"), Image::new("evil"));
    for image in [&web, &api, &evil] {
        world.fixture.push("shop/web", &[], image).await;
    }
    let openssl = debian("libssl3", "openssl", "3.0.11-1");
    world.index(&web, std::slice::from_ref(&openssl)).await;
    let shared = Package {
        path: "var/lib/dpkg/status.d/libssl3".to_owned(),
        ..openssl.clone()
    };
    world.index(&api, &[shared]).await;
    assert_eq!(
        world
            .fixture
            .number("SELECT COUNT(*) FROM components")
            .await,
        1
    );
    // The same purl, said to be built from a source package that has no advisories.
    world
        .index(&evil, &[debian("libssl3", "harmless", "3.0.11-1")])
        .await;
    assert_eq!(
        world
            .fixture
            .number("SELECT COUNT(*) FROM components")
            .await,
        2
    );
    let keys = [advisories::PackageKey::new(
        advisories::Ecosystem::Debian("12".to_owned()),
        "openssl",
    )];
    assert_eq!(
        findings::components_under(world.store(), &keys)
            .await
            .unwrap()
            .len(),
        1
    );
}

#[tokio::test]
async fn a_package_that_the_operating_system_owns_has_no_findings_of_its_own() {
    let world = World::new().await;
    let (free, owned) = (Image::new("free"), Image::new("owned"));
    for image in [&free, &owned] {
        world.fixture.push("shop/web", &[], image).await;
    }
    let package = python("django", "3.2.0");
    let owned_package = Package {
        owner: Some("python3-django".to_owned()),
        ..package.clone()
    };
    world.index(&free, &[package]).await;
    assert!(
        world
            .index(&owned, &[owned_package])
            .await
            .unmatched
            .is_empty()
    );
    world
        .import(vec![advisory(
            "PYSEC-1",
            &[],
            "django",
            "3.2.4",
            Severity::High,
        )])
        .await;
    world.run_matches(NOW).await;
    assert_eq!(world.findings(&free).await.len(), 1);
    assert!(world.findings(&owned).await.is_empty());
    assert!(
        world
            .events(&owned)
            .await
            .iter()
            .all(|kind| !kind.starts_with("finding"))
    );
}

#[tokio::test]
async fn what_cannot_be_taken_apart_is_kept_as_such() {
    let world = World::new().await;
    let image = Image::new("chart");
    world.fixture.push("shop/web", &[], &image).await;
    let kind = "application/vnd.cncf.helm.config.v1+json".to_owned();
    let indexed = Indexed::Unscannable { kind: kind.clone() };
    inventories::put_image(world.store(), JOB, &image.digest, &indexed, 1, NOW)
        .await
        .unwrap();
    let kept = world.stored(&image).await.unwrap();
    assert_eq!(kept.state, ImageState::Unscannable { kind });
}

#[tokio::test]
async fn many_components_are_kept_and_asked_to_be_matched() {
    let world = World::new().await;
    let image = Image::new("big");
    world.fixture.push("shop/web", &[], &image).await;
    let mut packages: Vec<Package> = (0..1_500)
        .map(|n| python(&format!("package-{n}"), "1.0"))
        .collect();
    packages.push(python("django", "3.2.0"));
    assert_eq!(world.index(&image, &packages).await.unmatched.len(), 1_501);
    assert_eq!(
        world
            .stored(&image)
            .await
            .unwrap()
            .inventory
            .components
            .len(),
        1_501
    );
    world
        .import(vec![advisory(
            "PYSEC-1",
            &[],
            "django",
            "3.2.4",
            Severity::High,
        )])
        .await;
    assert_eq!(world.run_matches(NOW).await.new, 1);
    assert_eq!(
        world
            .fixture
            .number("SELECT COUNT(*) FROM components WHERE matched_at IS NULL")
            .await,
        0
    );
    assert_eq!(
        findings::components_under(world.store(), &[django()])
            .await
            .unwrap()
            .len(),
        1
    );
}
