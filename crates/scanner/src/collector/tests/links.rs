//! Symbolic and hard links inside one layer.

use super::*;

#[test]
fn names_through_links_are_known_by_where_they_lead() {
    let content = metadata("a", "1");
    let located = |archive: Archive, name: &str| packages(&archive.file(name, &content).scan());
    let merged = || {
        Archive::new()
            .directory("usr/lib")
            .symlink("lib", "usr/lib")
    };
    assert_eq!(
        located(merged(), "lib/a-1.egg-info"),
        ["a 1 at usr/lib/a-1.egg-info"]
    );
    assert_eq!(
        located(merged().symlink("l", "lib"), "l/x/a-1.egg-info"),
        ["a 1 at usr/lib/x/a-1.egg-info"]
    );
    assert_eq!(
        located(
            Archive::new().symlink("a/b/c", "../d"),
            "a/b/c/a-1.egg-info"
        ),
        ["a 1 at a/d/a-1.egg-info"]
    );
    assert_eq!(
        located(Archive::new().symlink("a/b", "/"), "a/b/a-1.egg-info"),
        ["a 1 at a-1.egg-info"]
    );
    assert_eq!(
        located(Archive::new().symlink("a", "../../../e"), "a/a-1.egg-info"),
        ["a 1 at e/a-1.egg-info"]
    );
    assert_eq!(
        located(merged().directory("lib"), "lib/a-1.egg-info"),
        ["a 1 at lib/a-1.egg-info"],
        "no link any more"
    );
    assert_eq!(
        located(merged().file("lib", ""), "lib/a-1.egg-info"),
        ["a 1 at lib/a-1.egg-info"]
    );
    let below = Archive::new()
        .symlink("a/b", "/c")
        .file("a", "")
        .directory("a");
    assert_eq!(
        located(below, "a/b/a-1.egg-info"),
        ["a 1 at a/b/a-1.egg-info"],
        "gone with its folder"
    );
}

#[test]
fn a_database_written_through_a_link_is_the_database() {
    let layer = Archive::new()
        .file("var/lib/dpkg/status", status(&[("openssl", "1")]))
        .symlink("v", "var")
        .file("v/lib/dpkg/status", status(&[("bash", "1")]))
        .scan();
    assert_eq!(layer.databases.len(), 1);
    assert_eq!(layer.databases[0].packages[0].name, "bash");
}

#[test]
fn metadata_hidden_behind_a_link_is_found() {
    let layer = Archive::new()
        .symlink("s/d", "django-3.2.dist-info")
        .file("s/d/METADATA", metadata("django", "3.2"))
        .scan();
    assert_eq!(
        packages(&layer),
        ["django 3.2 at s/django-3.2.dist-info/METADATA"]
    );
}

#[test]
fn loops_end_and_are_told() {
    let archive = Archive::new()
        .symlink("a", "b")
        .symlink("b", "a")
        .symlink("c", "c/c");
    let layer = archive
        .file("a/x.egg-info", "")
        .file("c/x.egg-info", "")
        .scan();
    let told = problems(&layer);
    assert_eq!(told.len(), 2);
    assert!(
        told.iter()
            .all(|(_, detail)| detail.contains("without end")),
        "{told:?}"
    );
    let deep = Archive::new()
        .symlink("x", &"x/".repeat(40))
        .file("x/a.egg-info", "")
        .scan();
    assert_eq!(problems(&deep).len(), 1);
}

#[test]
fn a_database_that_is_a_link_is_unreadable() {
    let check = |archive: Archive, expect: &str| {
        let layer = archive.scan();
        assert_eq!(layer.databases.len(), 1);
        assert_eq!(layer.databases[0].problem.as_deref(), Some(expect));
    };
    let path = "var/lib/dpkg/status";
    check(
        Archive::new().symlink(path, "/tmp/x"),
        "a symbolic link to `/tmp/x`, not followed",
    );
    check(
        Archive::new().hard_link(path, "tmp/x"),
        "a hard link to `tmp/x`, which was not looked into",
    );
    check(Archive::new().directory(path), "a folder");
    check(
        Archive::new().entry(b'3', path.as_bytes(), b"", b""),
        "neither file nor link",
    );
    let sparse = Archive::new()
        .pax(&[("GNU.sparse.major", "1"), ("GNU.sparse.minor", "0")])
        .file(path, "x");
    check(sparse, "stored as a sparse file, which is not read");
}

#[test]
fn hard_links_say_what_their_target_says() {
    let (path, content) = python("a", "1");
    let layer = Archive::new()
        .file("cache/a-1.dist-info/METADATA", content)
        .hard_link(&path, "cache/a-1.dist-info/METADATA")
        .scan();
    assert_eq!(
        packages(&layer),
        [
            "a 1 at cache/a-1.dist-info/METADATA".to_owned(),
            format!("a 1 at {path}")
        ]
    );
    assert_eq!(problems(&layer), []);
}

#[test]
fn packages_linked_from_a_store_are_found_where_they_are_installed() {
    let json = r#"{"name":"ms","version":"2.1.3"}"#;
    let layer = Archive::new()
        .file("root/.local/share/pnpm/store/v10/files/3f/0a1b", json)
        .file(
            "root/.local/share/pnpm/store/v10/files/3f/ffff",
            r#"{"type":"module"}"#,
        )
        .hard_link(
            "usr/src/node_modules/ms/package.json",
            "root/.local/share/pnpm/store/v10/files/3f/0a1b",
        )
        .hard_link(
            "usr/src/node_modules/esm/package.json",
            "root/.local/share/pnpm/store/v10/files/3f/ffff",
        )
        .scan();
    assert_eq!(
        packages(&layer),
        ["ms 2.1.3 at usr/src/node_modules/ms/package.json"]
    );
    assert_eq!(problems(&layer), []);
}

#[test]
fn a_link_to_what_nobody_looked_into_is_told() {
    let layer = Archive::new()
        .file("data", "x")
        .hard_link("node_modules/a/package.json", "data")
        .scan();
    let told = problems(&layer);
    let [(ProblemKind::UnreadableMetadata, detail)] = told.as_slice() else {
        panic!("{told:?}")
    };
    assert_eq!(detail, "a hard link to `data`, which was not looked into");
}
