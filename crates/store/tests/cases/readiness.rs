//! What is known of an image only once there are advisories about each kind of package in it, and all were matched.

use advisories::{Ecosystem, PackageKey, Severity};
use policy::Target;
use policy::facts::Matching;
use store::decisions;
use store::feeds::{self, NewSet};

use super::world::{ADMIN, World, advisory, debian, full, inventory, put, python};
use crate::fixture::{Image, NOW, name, server_permit};

async fn matching(world: &World, image: &Image) -> Matching {
    let facts = decisions::gather(world.store(), &name("shop/web"), &image.digest, "")
        .await
        .unwrap();
    match facts.subject {
        Target::Image(image) => image.matching,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn before_there_are_advisories_nothing_counts_as_matched() {
    let world = World::new().await;
    let image = Image::new("web");
    world.fixture.push("shop/web", &["1"], &image).await;
    assert!(!matching(&world, &image).await.is_done(), "not indexed yet");
    let packages = [python("django", "3.2.0"), python("jinja2", "2.10")];
    world.index(&image, &packages).await;
    let unmatched = "SELECT COUNT(*) FROM components WHERE matched_at IS NULL";
    world.run_matches(NOW).await;
    assert_eq!(world.fixture.number(unmatched).await, 2);
    world
        .import(vec![advisory("PYSEC-1", &[], "flask", "3", Severity::High)])
        .await;
    // The first import about Python asks for all Python packages that were never matched.
    world.run_matches(NOW).await;
    assert_eq!(world.fixture.number(unmatched).await, 0);
}

#[tokio::test]
async fn what_no_advisory_is_about_is_not_called_matched() {
    let world = World::new().await;
    let image = Image::new("both");
    world.fixture.push("shop/web", &["1"], &image).await;
    let openssl = debian("libssl3", "openssl", "3.0.11-1");
    world
        .index(&image, &[python("django", "5.0"), openssl])
        .await;
    let matching = async || matching(&world, &image).await;
    let without = |ecosystems: &[&str]| Matching {
        without_advisories: ecosystems.iter().map(ToString::to_string).collect(),
        ..Matching::default()
    };
    let pending = Matching {
        pending: true,
        ..without(&["Debian:12"])
    };
    world.run_matches(NOW).await;
    assert_eq!(matching().await, without(&["Debian:12", "PyPI"]));

    let flask = advisory("PYSEC-1", &[], "flask", "3", Severity::High);
    world.import(vec![flask]).await;
    assert_eq!(matching().await, pending);
    world.run_matches(NOW).await;
    assert_eq!(matching().await, without(&["Debian:12"]));
    let coverage = feeds::coverage(world.store()).await.unwrap();
    assert_eq!(Vec::from_iter(coverage.held), [Ecosystem::PyPi]);
    assert_eq!(
        Vec::from_iter(coverage.missing),
        [Ecosystem::Debian("12".to_owned())]
    );

    let mut bash = advisory("DSA-1", &[], "bash", "5", Severity::High);
    bash.source = "debian".to_owned();
    for affected in &mut bash.affected {
        affected.package = PackageKey::new(Ecosystem::Debian("12".to_owned()), "bash");
    }
    let debian = |advisories| NewSet {
        source: "debian".to_owned(),
        allow_older: true,
        ..full(advisories)
    };
    let import = async |set: &NewSet| {
        let permit = server_permit(ADMIN);
        feeds::import(world.store(), &permit, set, NOW)
            .await
            .unwrap()
    };
    import(&debian(vec![bash])).await;
    world.run_matches(NOW).await;
    assert!(matching().await.is_done());
    // When the last record goes, what was matched once is not clean for ever.
    import(&debian(Vec::new())).await;
    assert_eq!(matching().await, without(&["Debian:12"]));
    // Nor when others come: what was found was taken back, and is not found again until it was looked for.
    world.run_matches(NOW).await;
    let mut zlib = advisory("DSA-2", &[], "zlib", "5", Severity::High);
    zlib.source = "debian".to_owned();
    for affected in &mut zlib.affected {
        affected.package = PackageKey::new(Ecosystem::Debian("12".to_owned()), "zlib");
    }
    import(&debian(vec![zlib])).await;
    assert!(matching().await.pending);
    world.run_matches(NOW).await;
    assert!(matching().await.is_done());
}

#[tokio::test]
async fn whether_there_are_advisories_at_all_is_one_of_the_facts() {
    let world = World::new().await;
    let flips = "SELECT value FROM revisions WHERE name = 'advisories'";
    assert_eq!(world.fixture.number(flips).await, 0);
    // About nothing that is matched, and yet no longer nothing.
    let mut go = advisory("GO-1", &[], "example.com/x", "1", Severity::High);
    for affected in &mut go.affected {
        affected.package = PackageKey::new(Ecosystem::Other("Go".to_owned()), "example.com/x");
    }
    world.import(vec![go]).await;
    assert_eq!(world.fixture.number(flips).await, 1);
}

#[tokio::test]
async fn packages_of_a_distribution_without_advisories_are_named() {
    let world = World::new().await;
    let image = Image::new("derived");
    world.fixture.push("shop/web", &["1"], &image).await;
    let mut inventory = inventory(&[debian("libssl3", "openssl", "3.0.11-1")]);
    if let Some(distro) = &mut inventory.distro {
        distro.id = "ubuntu".to_owned();
        distro.pretty_name = "Ubuntu 24.04 LTS".to_owned();
    }
    put(world.store(), &image, &inventory, NOW).await;
    let flask = advisory("PYSEC-1", &[], "flask", "3", Severity::High);
    world.import(vec![flask]).await;
    world.run_matches(NOW).await;
    assert_eq!(
        Vec::from_iter(matching(&world, &image).await.unmatchable),
        ["deb packages of Ubuntu 24.04 LTS"]
    );
}
