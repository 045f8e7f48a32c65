//! What is left out, and that it is told.

use super::*;

fn scan(archive: Archive, limits: &Limits) -> LayerInventory {
    let blob = archive.finish();
    crate::scan_layer(
        blob.as_slice(),
        &oci::Digest::sha256(&blob),
        None,
        "",
        limits,
    )
}

#[test]
fn long_paths_are_left_out() {
    let limits = Limits {
        path_bytes_max: 50,
        ..Limits::default()
    };
    let layer = scan(
        Archive::new().file(&"a/".repeat(40), "").file("b", ""),
        &limits,
    );
    let told = problems(&layer);
    let [(ProblemKind::LimitExceeded, detail)] = told.as_slice() else {
        panic!("{told:?}")
    };
    assert!(
        detail.ends_with("is longer than 50 bytes; it was left out"),
        "{detail}"
    );
}

#[test]
fn large_files_are_not_read() {
    let limits = Limits {
        file_bytes_max: 100,
        ..Limits::default()
    };
    let layer = scan(
        Archive::new()
            .file("var/lib/dpkg/status", status(&[("a", "1"), ("b", "1")]))
            .file("x/a-1.egg-info", [b'a'; 101])
            .file("usr/share/doc/a/copyright", [b'a'; 101]),
        &limits,
    );
    assert_eq!(
        layer.databases[0].problem.as_deref(),
        Some("144 bytes, over the limit of 100")
    );
    let [problem] = layer.problems.as_slice() else {
        panic!("{:?}", layer.problems)
    };
    assert_eq!(
        (problem.kind, problem.path.as_deref()),
        (ProblemKind::LimitExceeded, Some("x/a-1.egg-info"))
    );
}

#[test]
fn facts_have_a_bound() {
    let limits = Limits {
        facts_bytes_max: 10_000,
        ..Limits::default()
    };
    let many = |index: usize| {
        (
            format!("x/p{index}-1.egg-info"),
            metadata(&format!("p{index}"), "1"),
        )
    };
    let archive = (0..500)
        .map(many)
        .fold(Archive::new(), |archive, (path, content)| {
            archive.file(&path, content)
        });
    let layer = scan(archive, &limits);
    assert!(layer.packages.len() < 50, "{}", layer.packages.len());
    assert_eq!(
        problems(&layer),
        [(
            ProblemKind::LimitExceeded,
            "over 10000 bytes of facts; the rest was left out".to_owned()
        )]
    );
    let archive = (0..500).fold(Archive::new(), |archive, index| {
        archive.file(&format!(".wh.{index}"), "")
    });
    let layer = scan(archive, &limits);
    assert!(layer.whiteouts.len() < 300);
    assert_eq!(problems(&layer).len(), 1);
}

#[test]
fn links_have_a_bound() {
    let limits = Limits {
        links_bytes_max: 1000,
        ..Limits::default()
    };
    let links = || {
        (0..100).fold(Archive::new(), |archive, index| {
            archive.symlink(&format!("{index}"), "x")
        })
    };
    assert_eq!(
        problems(&scan(
            links().file("0/a-1.egg-info", metadata("a", "1")),
            &limits
        )),
        []
    );
    let told = problems(&scan(
        links().file("99/a-1.egg-info", metadata("a", "1")),
        &limits,
    ));
    let [(ProblemKind::LimitExceeded, detail)] = told.as_slice() else {
        panic!("{told:?}")
    };
    assert!(
        detail.starts_with("over 1000 bytes of symbolic links"),
        "{detail}"
    );
    let both = Limits {
        replaced_max: 10,
        ..limits
    };
    assert_eq!(
        problems(&scan(links(), &both)),
        [(
            ProblemKind::LimitExceeded,
            "over 1000 bytes of symbolic links".to_owned()
        )]
    );
}

#[test]
fn what_can_hide_a_database_is_remembered_beyond_the_bound() {
    let limits = Limits {
        replaced_max: 2,
        ..Limits::default()
    };
    let layer = scan(
        Archive::new()
            .file("a", "")
            .file("b", "")
            .file("c", "")
            .symlink("var", "x"),
        &limits,
    );
    let has = |path: &str| layer.replaced.contains(&fingerprint(path));
    assert_eq!(
        [has("a"), has("b"), has("c"), has("var")],
        [true, true, false, true]
    );
    assert_eq!(problems(&layer), []);
}
