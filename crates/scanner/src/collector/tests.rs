//! What an entry means among the others of its layer.

use sbom::{LayerInventory, ProblemKind};

use crate::limits::Limits;
use crate::path::fingerprint;
use crate::testing::{Archive, DEBIAN, metadata, status};
use crate::{Collector, EntryKind};

const SITE: &str = "usr/lib/python3/site-packages";

fn packages(layer: &LayerInventory) -> Vec<String> {
    let line = |package: &sbom::Package| {
        format!("{} {} at {}", package.name, package.version, package.path)
    };
    layer.packages.iter().map(line).collect()
}

fn problems(layer: &LayerInventory) -> Vec<(ProblemKind, String)> {
    layer
        .problems
        .iter()
        .map(|problem| (problem.kind, problem.detail.clone()))
        .collect()
}

fn python(name: &str, version: &str) -> (String, String) {
    (
        format!("{SITE}/{name}-{version}.dist-info/METADATA"),
        metadata(name, version),
    )
}

#[test]
fn the_facts_of_a_layer() {
    let (path, content) = python("six", "1.16.0");
    let layer = Archive::new()
        .directory("./etc/")
        .file("./etc/os-release", DEBIAN)
        .file(
            "./var/lib/dpkg/status",
            status(&[("bash", "5.2"), ("libc6", "2.36")]),
        )
        .file("./var/lib/dpkg/info/python3-six.list", format!("/{path}\n"))
        .file(
            "./usr/share/doc/bash/copyright",
            "Format: x/copyright-format/1.0/\n\nLicense: GPL-3+\n",
        )
        .symlink("./usr/share/doc/libc6", "bash")
        .symlink("./usr/share/doc/dash", "/usr/share/doc/bash")
        .symlink("./usr/share/doc/other", "nowhere")
        .file(&format!("/{path}"), content)
        .scan();
    assert_eq!(problems(&layer), []);
    assert_eq!(layer.entries, 9);
    assert_eq!(layer.os_release[0].0, "etc/os-release");
    assert_eq!(layer.databases.len(), 1);
    assert_eq!(layer.databases[0].packages.len(), 2);
    assert_eq!(packages(&layer), [format!("six 1.16.0 at {path}")]);
    assert_eq!(layer.ownership, [("python3-six".to_owned(), path.clone())]);
    let licences = |name: &str| (name.to_owned(), vec!["GPL-3+".to_owned()]);
    assert_eq!(
        layer.os_licences,
        [licences("bash"), licences("dash"), licences("libc6")]
    );
    assert_eq!(layer.replaced.len(), 8, "every entry but the folder");
    assert!(layer.replaced.is_sorted());
    assert!(layer.replaced.binary_search(&fingerprint(&path)).is_ok());
    let bytes = serde_json::to_vec(&layer).unwrap();
    assert_eq!(
        serde_json::from_slice::<LayerInventory>(&bytes).unwrap(),
        layer,
        "facts survive being stored"
    );
}

#[test]
fn the_later_of_two_entries_for_one_file_counts() {
    let layer = Archive::new()
        .file(
            "var/lib/dpkg/status",
            status(&[("bash", "5.2"), ("openssl", "1.0")]),
        )
        .file("x/a-1.dist-info/METADATA", metadata("a", "1"))
        .file("./var//lib/dpkg/../dpkg/status", status(&[("bash", "5.2")]))
        .file("x/a-1.dist-info/METADATA", metadata("a", "2"))
        .scan();
    assert_eq!(layer.databases.len(), 1);
    assert_eq!(layer.databases[0].packages.len(), 1);
    assert_eq!(packages(&layer), ["a 2 at x/a-1.dist-info/METADATA"]);
}

#[test]
fn what_an_entry_of_another_kind_replaces_is_gone() {
    let file = || {
        Archive::new()
            .file("x/a-1.dist-info/METADATA", metadata("a", "1"))
            .file("y/b-1.egg-info", metadata("b", "1"))
    };
    let names = |archive: Archive| packages(&archive.scan()).len();
    assert_eq!(names(file()), 2);
    assert_eq!(
        names(file().symlink("x", "z")),
        1,
        "a folder above becomes a link"
    );
    assert_eq!(
        names(file().file("x/a-1.dist-info", "")),
        1,
        "a folder becomes a file"
    );
    assert_eq!(
        names(file().directory("x").directory("x/a-1.dist-info/")),
        2,
        "a folder stays"
    );
    assert_eq!(
        names(file().symlink("y/b-1.egg-info", "z")),
        1,
        "the file becomes a link"
    );
    assert_eq!(
        names(file().directory("y/b-1.egg-info")),
        1,
        "the file becomes a folder"
    );
    assert_eq!(
        names(
            file()
                .file("x/a-1.dist-info", "")
                .file("x/a-1.dist-info/METADATA", metadata("a", "1"))
        ),
        2
    );
    assert_eq!(
        names(file().file("x/a", "").file("xx", "").file("x/a-1", "")),
        2,
        "names that only begin alike"
    );
}

#[test]
fn names_out_of_the_root_are_left_out_and_told() {
    let evil = metadata("evil", "1");
    let layer = Archive::new()
        .file("../x/evil-1.dist-info/METADATA", &evil)
        .file("a/../../x/evil-1.dist-info/METADATA", &evil)
        .file("/../var/lib/dpkg/status", status(&[("evil", "1")]))
        .file("/abs/good-1.dist-info/METADATA", metadata("good", "1"))
        .file(
            "./a/../rel/fine-1.dist-info/METADATA",
            metadata("fine", "1"),
        )
        .scan();
    assert_eq!(
        packages(&layer),
        [
            "good 1 at abs/good-1.dist-info/METADATA",
            "fine 1 at rel/fine-1.dist-info/METADATA"
        ]
    );
    assert!(layer.databases.is_empty());
    let told = problems(&layer);
    assert_eq!(told.len(), 3);
    assert!(
        told.iter()
            .all(|(kind, detail)| *kind == ProblemKind::BrokenLayer
                && detail.contains("leaves the root")),
        "{told:?}"
    );
    assert_eq!(layer.problems[0].layer.as_ref(), Some(&layer.digest));
}

#[test]
fn floods_of_problems_are_counted() {
    let layer = (0..1000)
        .fold(Archive::new(), |archive, index| {
            archive.file(&format!("../{index}"), "")
        })
        .scan();
    assert_eq!(layer.problems.len(), Limits::default().problems_max + 1);
    assert_eq!(
        layer.problems.last().unwrap().detail,
        "and 984 more of this kind"
    );
}

#[test]
fn names_that_are_not_utf_8_stay_apart() {
    let layer = Archive::new()
        .entry(
            b'0',
            b"\xff/a-1.egg-info",
            b"",
            metadata("a", "1").as_bytes(),
        )
        .entry(
            b'0',
            b"\xfe/a-1.egg-info",
            b"",
            metadata("a", "2").as_bytes(),
        )
        .entry(
            b'0',
            b"\\xff/a-1.egg-info",
            b"",
            metadata("a", "3").as_bytes(),
        )
        .scan();
    assert_eq!(
        packages(&layer),
        [
            "a 3 at \\\\xff/a-1.egg-info",
            "a 2 at \\xfe/a-1.egg-info",
            "a 1 at \\xff/a-1.egg-info"
        ]
    );
}

#[test]
fn whiteouts_are_marks_and_no_files() {
    let layer = Archive::new()
        .file("etc/.wh.passwd", "")
        .file(".wh.var", "")
        .directory("usr/lib/.wh.python3")
        .file("srv/.wh..wh..opq", "")
        .file(".wh..wh..opq", "")
        .file("srv/.wh..wh.plnk", "")
        .file("srv/.wh..wh.aufs/x", "")
        .file("b/not.a.wh..wh..opq", "")
        .file("b/not.a.wh.file", "")
        .file("etc/.wh.passwd", "")
        .scan();
    assert_eq!(layer.whiteouts, ["etc/passwd", "usr/lib/python3", "var"]);
    assert_eq!(layer.opaques, ["", "srv"]);
    assert_eq!(problems(&layer), []);
    assert_eq!(layer.replaced.len(), 3, "marks replace nothing");
}

#[test]
fn whiteouts_of_nothing_are_told() {
    let layer = Archive::new()
        .file("a/b/.wh.", "")
        .file("a/b/.wh..", "")
        .file("a/b/.wh...", "")
        .scan();
    assert_eq!((layer.whiteouts.len(), layer.opaques.len()), (0, 0));
    assert_eq!(problems(&layer).len(), 3);
}

#[test]
fn whiteouts_do_not_hide_their_own_layer() {
    let (path, content) = python("a", "1");
    let layer = Archive::new()
        .file(&path, &content)
        .file(&format!("{SITE}/.wh.a-1.dist-info"), "")
        .scan();
    assert_eq!(packages(&layer).len(), 1);
}

#[test]
fn a_folder_that_is_walked_has_no_whiteouts() {
    let mut collector = Collector::new(&Limits::default());
    collector
        .offer("etc/.wh.passwd", EntryKind::File, 0, &mut std::io::empty())
        .unwrap();
    let digest = oci::Digest::sha256(b"");
    let layer = collector.finish(digest.clone(), digest);
    assert!(layer.whiteouts.is_empty());
}

mod links;

mod limits;
