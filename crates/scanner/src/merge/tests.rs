//! Images of several layers: what is there in the end, since when, and what is not vouched for.

use oci::ImageConfig;
use proptest::prelude::*;
use sbom::{ImageInventory, LayerInventory, PackageKind, ProblemKind};

use super::merge;
use crate::testing::{Archive, DEBIAN, metadata, status};

const STATUS: &str = "var/lib/dpkg/status";

fn layers<const N: usize>(archives: [Archive; N]) -> Vec<LayerInventory> {
    archives.into_iter().map(Archive::scan).collect()
}

fn image<const N: usize>(archives: [Archive; N]) -> ImageInventory {
    merge(&layers(archives), None)
}

/// `name version @layer` of every component.
fn listed(image: &ImageInventory) -> Vec<String> {
    let line = |component: &sbom::Component| {
        let package = &component.package;
        format!(
            "{} {} @{}",
            package.name, package.version, component.layer_index
        )
    };
    image.components.iter().map(line).collect()
}

fn kinds(image: &ImageInventory) -> Vec<ProblemKind> {
    image.problems.iter().map(|problem| problem.kind).collect()
}

fn layer() -> Archive {
    Archive::new()
}

/// A Debian base with two packages.
fn base() -> Archive {
    layer()
        .file("etc/os-release", DEBIAN)
        .file(STATUS, status(&[("bash", "5.2"), ("openssl", "3.0")]))
}

fn python(path: &str, name: &str, version: &str) -> Archive {
    layer().file(path, metadata(name, version))
}

#[test]
fn a_package_is_blamed_on_the_first_layer_of_its_newest_unbroken_run() {
    let dpkg = |packages: &[(&str, &str)]| layer().file(STATUS, status(packages));
    let image = image([
        base(),
        dpkg(&[("bash", "5.2"), ("openssl", "3.0"), ("curl", "7")]),
        layer().file("unrelated", ""),
        dpkg(&[("bash", "5.2"), ("openssl", "3.1")]),
        dpkg(&[
            ("bash", "5.2"),
            ("openssl", "3.1"),
            ("curl", "7"),
            ("wget", "1"),
        ]),
        dpkg(&[("bash", "5.2"), ("openssl", "3.0"), ("curl", "7")]),
    ]);
    assert_eq!(
        listed(&image),
        ["bash 5.2 @0", "curl 7 @4", "openssl 3.0 @5"]
    );
    assert!(image.is_complete());
    assert_eq!(
        image.components[0].purl.to_string(),
        "pkg:deb/debian/bash@5.2?arch=amd64&distro=debian-12"
    );
    assert_eq!(image.distro.unwrap().version_id, "12");
}

#[test]
fn every_way_to_take_the_database_away_is_told() {
    let ways = [
        ("file", layer().file("var/lib/dpkg/.wh.status", "")),
        ("folder", layer().file("var/lib/.wh.dpkg", "")),
        ("top folder", layer().file(".wh.var", "")),
        (
            "opaque folder",
            layer().file("var/lib/dpkg/.wh..wh..opq", ""),
        ),
        ("opaque top folder", layer().file("var/.wh..wh..opq", "")),
        ("opaque root", layer().file(".wh..wh..opq", "")),
        ("link above", layer().symlink("var", "tmp")),
        (
            "link above, with folders written through it",
            layer().symlink("var", "tmp").directory("var/lib/dpkg"),
        ),
        ("file above", layer().file("var/lib", "")),
        (
            "device above",
            layer().entry(b'3', b"var/lib/dpkg", b"", b""),
        ),
        ("hard link above", layer().hard_link("var/lib/dpkg", "x")),
        ("emptied", layer().file(STATUS, "")),
        (
            "emptied of what is installed",
            layer().file(STATUS, "Package: a\nStatus: deinstall ok config-files\n"),
        ),
    ];
    for (way, archive) in ways {
        for rest in [
            layer().file("x", ""),
            layer().file("etc/.wh.os-release", ""),
            python("a/b-1.egg-info", "b", "1"),
        ] {
            let image = image([base(), archive.clone(), rest]);
            assert_eq!(
                kinds(&image),
                [ProblemKind::RemovedDatabase],
                "{way}: {:?}",
                image.problems
            );
            assert!(
                image
                    .components
                    .iter()
                    .all(|component| component.package.kind != PackageKind::Deb),
                "{way}"
            );
            assert!(
                image.problems[0].path.as_deref() == Some(STATUS)
                    && image.problems[0].layer.is_some(),
                "{way}"
            );
        }
    }
}

#[test]
fn a_database_that_is_no_file_any_more_is_unreadable() {
    for archive in [
        layer().symlink(STATUS, "/x"),
        layer().hard_link(STATUS, "x"),
        layer().directory(STATUS),
        layer().entry(b'6', STATUS.as_bytes(), b"", b""),
    ] {
        let image = image([base(), archive]);
        assert_eq!(
            (kinds(&image), image.components.len()),
            (vec![ProblemKind::UnreadableDatabase], 0)
        );
    }
}

#[test]
fn a_database_that_comes_back_is_whole_and_its_packages_are_new() {
    let removed = || layer().file("var/lib/.wh.dpkg", "");
    let image_of = |last: Archive| image([base(), removed(), last]);
    let back = image_of(layer().file(STATUS, status(&[("bash", "5.2")])));
    assert_eq!(
        (listed(&back), kinds(&back)),
        (vec!["bash 5.2 @2".to_owned()], vec![])
    );
    let at_once = image([base(), removed().file(STATUS, status(&[("bash", "5.2")]))]);
    assert_eq!(
        (listed(&at_once), kinds(&at_once)),
        (vec!["bash 5.2 @0".to_owned()], vec![])
    );
    let empty = image_of(layer().file(STATUS, ""));
    assert_eq!(kinds(&empty), [ProblemKind::RemovedDatabase]);
}

#[test]
fn a_broken_database_counts_only_while_it_is_the_truth() {
    let broken = || layer().file(STATUS, format!("{}junk\n", status(&[("bash", "5.2")])));
    let image_of = |last: Archive| image([base(), broken(), last]);
    let image = image_of(layer());
    assert_eq!(
        (listed(&image), kinds(&image)),
        (
            vec!["bash 5.2 @0".to_owned()],
            vec![ProblemKind::UnreadableDatabase]
        )
    );
    assert!(
        image.problems[0].detail.starts_with("stanza 2 at line 6"),
        "{:?}",
        image.problems
    );
    assert!(image_of(layer().file(STATUS, status(&[("bash", "5.2")]))).is_complete());
    assert_eq!(
        kinds(&image_of(layer().file("var/lib/dpkg/.wh.status", ""))),
        [ProblemKind::RemovedDatabase]
    );
}

#[test]
fn single_files_of_a_distroless_image_are_databases_too() {
    let part = |name: &str, version: &str| {
        format!("Package: {name}\nVersion: {version}\nArchitecture: amd64\n")
    };
    let base = || {
        layer()
            .file("usr/lib/os-release", DEBIAN)
            .file("var/lib/dpkg/status.d/base", part("base-files", "12"))
            .file("var/lib/dpkg/status.d/ssl", part("libssl3", "3.0"))
    };
    let plain = image([
        base(),
        layer().file(STATUS, status(&[("curl", "7"), ("libssl3", "3.0")])),
    ]);
    assert_eq!(
        (listed(&plain), kinds(&plain)),
        (
            vec![
                "base-files 12 @0".into(),
                "curl 7 @1".into(),
                "libssl3 3.0 @0".into()
            ],
            vec![]
        )
    );
    let removed = image([base(), layer().file("var/lib/dpkg/status.d/.wh.ssl", "")]);
    assert_eq!(
        (listed(&removed), kinds(&removed)),
        (
            vec!["base-files 12 @0".into()],
            vec![ProblemKind::RemovedDatabase]
        )
    );
    assert_eq!(
        removed.problems[0].path.as_deref(),
        Some("var/lib/dpkg/status.d/ssl")
    );
    let all = image([base(), layer().file("var/lib/dpkg/.wh.status.d", "")]);
    assert_eq!(kinds(&all), [ProblemKind::RemovedDatabase]);
    assert!(
        all.problems[0].detail.contains("and 1 more"),
        "{:?}",
        all.problems
    );
    let moved = status(&[("base-files", "12"), ("libssl3", "3.1")]);
    let moved = image([
        base(),
        layer()
            .file("var/lib/dpkg/.wh.status.d", "")
            .file(STATUS, moved),
    ]);
    assert_eq!(
        (listed(&moved), kinds(&moved)),
        (
            vec!["base-files 12 @0".into(), "libssl3 3.1 @1".into()],
            vec![]
        )
    );
}

#[test]
fn language_packages_follow_their_file() {
    let path = "opt/venv/a-1.dist-info/METADATA";
    let a = |version: &str| python(path, "a", version);
    let check = |image: ImageInventory, expect: &[&str]| {
        assert_eq!(
            (listed(&image), kinds(&image)),
            (
                expect.iter().map(|line| (*line).to_owned()).collect(),
                vec![]
            )
        );
    };
    check(image([a("1"), layer()]), &["a 1 @0"]);
    check(image([a("1"), a("1")]), &["a 1 @0"]);
    check(image([a("1"), a("2"), a("2")]), &["a 2 @1"]);
    check(image([a("1"), a("2"), a("1")]), &["a 1 @2"]);
    check(
        image([a("1"), python("b-1.egg-info", "a", "1")]),
        &["a 1 @1", "a 1 @0"],
    );
    for gone in [
        layer().file("opt/venv/a-1.dist-info/.wh.METADATA", ""),
        layer().file("opt/venv/.wh.a-1.dist-info", ""),
        layer().file("opt/.wh..wh..opq", ""),
        layer().file("opt", ""),
        layer().symlink("opt/venv", "/usr"),
        layer().hard_link("opt/venv/a-1.dist-info", "x"),
        layer().symlink(path, "x"),
        layer().file(".wh.opt", "").file("opt/other", ""),
    ] {
        check(image([a("1"), gone.clone()]), &[]);
        check(image([a("1"), gone.clone(), a("1")]), &["a 1 @2"]);
        check(image([layer(), gone]), &[]);
    }
    for kept in [
        layer().file("opt/venv/a-1.dist-info/.wh.RECORD", ""),
        layer().file(".wh.op", ""),
        layer().file("opt/venv/a-1.dist-info/METADATA/.wh..wh..opq", ""),
        layer().file("opt/ven", ""),
        layer().directory("opt"),
        layer().directory("opt/venv/a-1.dist-info"),
    ] {
        check(image([a("1"), kept]), &["a 1 @0"]);
    }
    check(
        image([a("1"), a("1").file("opt/.wh..wh..opq", "")]),
        &["a 1 @0"],
    );
    check(image([a("1"), a("2").file(".wh.opt", "")]), &["a 2 @1"]);
    let json = |content: &str| layer().file("node_modules/a/package.json", content);
    check(
        image([
            json(r#"{"name":"a","version":"1"}"#),
            json(r#"{"type":"module"}"#),
        ]),
        &[],
    );
}

#[test]
fn owners_are_installed_packages_that_wrote_the_file() {
    let path = "usr/lib/python3/dist-packages/six.egg-info/PKG-INFO";
    let with_six = |version: &str, six: &str| {
        layer()
            .file(STATUS, status(&[("bash", "5.2"), ("python3-six", version)]))
            .file("var/lib/dpkg/info/python3-six.list", format!("/{path}\n"))
            .file(path, metadata("six", six))
    };
    let owner = |archives: Vec<Archive>| {
        let layers: Vec<_> = std::iter::once(base())
            .chain(archives)
            .map(Archive::scan)
            .collect();
        let image = merge(&layers, None);
        let six = image
            .components
            .iter()
            .find(|component| component.package.name == "six")
            .unwrap();
        six.package.owner.clone()
    };
    let six = || Some("python3-six".to_owned());
    assert_eq!(owner(vec![with_six("1.16-4", "1.16")]), six());
    assert_eq!(
        owner(vec![with_six("1.16-4", "1.16"), with_six("1.16-5", "1.16")]),
        six(),
        "rebuilt"
    );
    assert_eq!(
        owner(vec![with_six("1.16-4", "1.16"), with_six("1.17-1", "1.17")]),
        six(),
        "upgraded"
    );
    assert_eq!(
        owner(vec![
            with_six("1.16-4", "1.16"),
            python(path, "six", "1.16")
        ]),
        six(),
        "written again as it was"
    );
    assert_eq!(
        owner(vec![
            with_six("1.16-4", "1.16"),
            python(path, "six", "1.10")
        ]),
        None,
        "another version by hand"
    );
    let purged = layer().file(STATUS, status(&[("bash", "5.2")]));
    assert_eq!(
        owner(vec![with_six("1.16-4", "1.16"), purged]),
        None,
        "the package is gone"
    );
    let claimed = layer()
        .file("var/lib/dpkg/info/bash.list", format!("/{path}\n"))
        .file(path, metadata("six", "1.10"));
    assert_eq!(
        owner(vec![claimed]),
        None,
        "a list written by hand in a later layer"
    );
}

#[test]
fn licences_of_packages_come_from_any_layer() {
    let copyright = "Format: https://x/copyright-format/1.0/\n\nLicense: GPL-3+\n";
    let image = image([
        base().file("usr/share/doc/bash/copyright", copyright),
        layer().file("usr/share/.wh.doc", ""),
    ]);
    assert_eq!(image.components[0].package.licences, ["GPL-3+"]);
    assert!(image.components[1].package.licences.is_empty());
}

#[test]
fn the_distribution_is_the_one_that_is_seen() {
    let id = |image: ImageInventory| image.distro.map(|distro| distro.id);
    let os = |path: &str, id: &str| layer().file(path, format!("ID={id}\n"));
    let both = || os("etc/os-release", "debian").file("usr/lib/os-release", "ID=ubuntu\n");
    assert_eq!(id(image([both()])).as_deref(), Some("debian"));
    assert_eq!(
        id(image([both(), layer().file("etc/.wh.os-release", "")])).as_deref(),
        Some("ubuntu")
    );
    assert_eq!(
        id(image([
            both(),
            layer().symlink("etc/os-release", "../usr/lib/os-release")
        ]))
        .as_deref(),
        Some("ubuntu")
    );
    assert_eq!(
        id(image([both(), os("usr/lib/os-release", "alpine")])).as_deref(),
        Some("debian")
    );
    assert_eq!(
        id(image([both(), layer().symlink("etc", "usr/lib")])).as_deref(),
        Some("ubuntu")
    );
    assert_eq!(id(image([both(), layer().file(".wh..wh..opq", "")])), None);
}

#[test]
fn a_distribution_without_its_packages_is_never_complete() {
    let of =
        |id: &str| image([layer().file("etc/os-release", format!("ID={id}\nID_LIKE=debian\n"))]);
    for id in [
        "debian",
        "ubuntu",
        "linuxmint",
        "somebody-s-own",
        "alpine",
        "wolfi",
        "rhel",
        "rocky",
        "fedora",
        "opensuse-leap",
        "sles",
        "arch",
    ] {
        assert_eq!(kinds(&of(id)), [ProblemKind::MissingDatabase], "{id}");
    }
    let told = |image: &ImageInventory| image.problems[0].detail.clone();
    assert!(told(&of("alpine")).contains("in the apk database, which this version does not read"));
    assert!(told(&of("opensuse-leap")).contains("in the rpm database"));
    assert!(told(&of("debian")).contains("no package database in var/lib/dpkg"));
    let empty = image([layer().file("etc/os-release", DEBIAN).file(STATUS, "")]);
    assert_eq!(
        (kinds(&empty), told(&empty).contains("lists no package")),
        (vec![ProblemKind::MissingDatabase], true)
    );
    // A dpkg database does not make up for the one that is not read.
    let mixed = image([base(), layer().file("etc/os-release", "ID=alpine\n")]);
    assert_eq!(kinds(&mixed), [ProblemKind::MissingDatabase]);
    assert_eq!(
        kinds(&image([layer().file("bin/app", "")])),
        [],
        "an image of one program has no distribution"
    );
}

#[test]
fn packages_without_a_distribution_are_told() {
    let image = image([base(), layer().file("etc/.wh.os-release", "")]);
    assert_eq!(
        (kinds(&image), image.components.len()),
        (vec![ProblemKind::UnreadableMetadata], 2)
    );
    assert_eq!(image.problems[0].path.as_deref(), Some("etc/os-release"));
}

#[test]
fn problems_of_a_file_go_with_the_file_and_others_stay() {
    let broken = || {
        layer()
            .file("node_modules/a/package.json", "{")
            .file("../x", "")
    };
    assert_eq!(
        kinds(&image([broken()])),
        [ProblemKind::BrokenLayer, ProblemKind::UnreadableMetadata]
    );
    for fix in [
        layer().file("node_modules/a/package.json", "{}"),
        layer().file(".wh.node_modules", ""),
        layer().symlink("node_modules", "x"),
    ] {
        assert_eq!(kinds(&image([broken(), fix])), [ProblemKind::BrokenLayer]);
    }
}

mod configuration;

mod laws;
