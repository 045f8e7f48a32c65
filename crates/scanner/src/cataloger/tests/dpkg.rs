//! dpkg databases, their owners and their licences.

use super::*;

fn database(content: &str) -> Database {
    match read("var/lib/dpkg/status", content) {
        Finding::Database(database) => database,
        other => panic!("no database: {other:?}"),
    }
}

fn names(database: &Database) -> Vec<String> {
    let version = |package: &Package| {
        let architecture = package.architecture.as_deref().unwrap_or("-");
        format!("{} {} {architecture}", package.name, package.version)
    };
    database.packages.iter().map(version).collect()
}

#[test]
fn a_stanza_with_all_that_real_ones_have() {
    let database = database(
        "Package: libssl3\nStatus: install ok installed\nPriority: optional\nArchitecture: amd64\n\
         Multi-Arch: same\nSource: openssl (3.0.15-1~deb12u1)\nVersion: 3.0.15-1~deb12u1+b1\n\
         Conffiles:\n /etc/a 0123\n /etc/b obsolete\nDescription: library\n A text with a colon: and more.\n .\n \
         Package: not-this-one\nHomepage: https://www.openssl.org/\n",
    );
    assert_eq!(database.problem, None);
    assert_eq!(names(&database), ["libssl3 3.0.15-1~deb12u1+b1 amd64"]);
    let source = database.packages[0].source.as_ref().unwrap();
    assert_eq!(
        (source.name.as_str(), source.version.as_str()),
        ("openssl", "3.0.15-1~deb12u1")
    );
    assert_eq!(database.packages[0].path, "var/lib/dpkg/status");
}

#[test]
fn the_source_is_the_package_itself_unless_it_says_otherwise() {
    let source = |field: &str| {
        let text = format!("Package: a\nStatus: install ok installed\n{field}Version: 1:2-3\n");
        database(&text).packages[0]
            .source
            .clone()
            .map(|source| (source.name, source.version))
            .unwrap()
    };
    assert_eq!(source(""), ("a".into(), "1:2-3".into()));
    assert_eq!(source("Source: b\n"), ("b".into(), "1:2-3".into()));
    assert_eq!(source("Source: b (4)\n"), ("b".into(), "4".into()));
    assert_eq!(source("source:b(4)\n"), ("b".into(), "4".into()));
}

#[test]
fn only_what_is_installed_counts() {
    let states = [
        ("install ok installed", true),
        ("hold ok installed", true),
        ("deinstall reinstreq installed", true),
        ("deinstall ok config-files", false),
        ("install ok unpacked", false),
        ("install reinstreq half-installed", false),
        ("install ok half-configured", false),
        ("install ok triggers-awaited", false),
        ("install ok triggers-pending", false),
        ("purge ok not-installed", false),
    ];
    for (state, installed) in states {
        let database = database(&format!("Package: a\nStatus: {state}\nVersion: 1\n"));
        assert_eq!(
            (database.packages.len(), database.problem),
            (usize::from(installed), None),
            "{state}"
        );
    }
}

#[test]
fn stanzas_are_parted_by_empty_lines_of_any_number() {
    let one = "Package: a\nStatus: install ok installed\nVersion: 1\n";
    let two = "Package: b\r\nStatus: install ok installed\r\nVersion: 2\r\n";
    let database = database(&format!("\n\n{one}\n\n\n{two}\r\n\n\n"));
    assert_eq!(
        (names(&database), database.problem.clone()),
        (vec!["a 1 -".into(), "b 2 -".into()], None)
    );
    assert_eq!(
        super::read("var/lib/dpkg/status", ""),
        Finding::Database(Database {
            packages: vec![],
            ..database
        })
    );
}

#[test]
fn architectures_of_one_package_are_two_and_a_repeat_is_one() {
    let stanza = |version: &str, arch: &str| {
        format!(
            "Package: libc6\nStatus: install ok installed\nArchitecture: {arch}\nVersion: {version}\n\n"
        )
    };
    let both = database(
        &[
            stanza("1", "amd64"),
            stanza("1", "i386"),
            stanza("1", "amd64"),
        ]
        .concat(),
    );
    assert_eq!(
        (names(&both), both.problem.clone()),
        (vec!["libc6 1 amd64".into(), "libc6 1 i386".into()], None)
    );
    let changed = database(&[stanza("1", "amd64"), stanza("2", "amd64")].concat());
    assert_eq!(names(&changed), ["libc6 2 amd64"]);
    assert!(
        changed
            .problem
            .unwrap()
            .contains("is there twice, the first time at `1`")
    );
    let suffixed = database("Package: libc6:i386\nStatus: install ok installed\nVersion: 1\n");
    assert_eq!(names(&suffixed), ["libc6 1 i386"]);
}

#[test]
fn damage_names_the_stanza_and_costs_no_other() {
    let good =
        |name: &str| format!("Package: {name}\nStatus: install ok installed\nVersion: 1\n\n");
    let check = |bad: &str, expect: &str| {
        let database = database(
            &[
                good("first"),
                bad.to_owned(),
                "\n\n".to_owned(),
                good("last"),
            ]
            .concat(),
        );
        let names = names(&database);
        assert!(
            names.contains(&"first 1 -".into()) && names.contains(&"last 1 -".into()),
            "{names:?}"
        );
        assert_eq!(database.problem.as_deref(), Some(expect), "{bad}");
    };
    check(
        "Package: a\nStatus: install ok installed\n",
        "stanza 2 (`a`) at line 5: no Version",
    );
    check(
        "Status: install ok installed\nVersion: 1\n",
        "stanza 2 at line 5: no Package",
    );
    check(
        "Package: a\nVersion: 1\n",
        "stanza 2 (`a`) at line 5: no Status",
    );
    check(
        "Package: a\nStatus: install ok\nVersion: 1",
        "stanza 2 (`a`) at line 5: unknown state `install ok`",
    );
    check(
        "Package: a\nStatus: x y instaled\n",
        "stanza 2 (`a`) at line 5: unknown state `x y instaled`",
    );
    check(
        "asdf\n\nyolo\n",
        "stanza 2 at line 5: a line that is no field; stanza 3 at line 7: a line that is no field",
    );
    check(
        " continues what\n",
        "stanza 2 at line 5: a line that is no field",
    );
    check(
        "Package: a\nPackage: b\nStatus: install ok installed\nVersion: 1",
        "stanza 2 (`b`) at line 5: Package is there twice",
    );
    check(
        "Package: a b\nStatus: install ok installed\nVersion: 1\n",
        "stanza 2 (`a b`) at line 5: Package cannot be read",
    );
    check(
        "Package: a\nStatus: install ok installed\nVersion: 1 2\n",
        "stanza 2 (`a`) at line 5: Version cannot be read",
    );
    check(
        "Package: a\nStatus: install ok installed\nVersion: 1\nSource: s (\n",
        "stanza 2 (`a`) at line 5: Source cannot be read",
    );
    check(
        "Package: a\0\nStatus: install ok installed\nVersion: 1\n",
        "stanza 2 at line 5: Package cannot be read",
    );
    let long = format!(
        "Package: a\nStatus: install ok installed\nVersion: {}\n",
        "1".repeat(600)
    );
    check(&long, "stanza 2 (`a`) at line 5: Version cannot be read");
}

#[test]
fn binary_junk_is_a_problem_and_not_a_package() {
    let junk: Vec<u8> = (0..=255).cycle().take(5000).collect();
    let Finding::Database(database) = super::read("var/lib/dpkg/status", junk) else {
        panic!()
    };
    assert!(database.packages.is_empty() && database.problem.is_some());
    let Finding::Database(database) =
        super::read("var/lib/dpkg/status", b"\xff\xfe: 1\nPackage: \xff\n")
    else {
        panic!()
    };
    assert!(database.packages.is_empty() && database.problem.is_some());
}

#[test]
fn many_faults_are_counted_and_many_packages_bounded() {
    let database_of = |count: usize, stanza: fn(usize) -> String| {
        database(&(0..count).map(stanza).collect::<String>())
    };
    let faults = database_of(50, |index| {
        format!("Package: p{index}\nStatus: install ok installed\n\n")
    });
    assert!(
        faults
            .problem
            .unwrap()
            .ends_with("stanza 3 (`p2`) at line 7: no Version; and 47 more")
    );
    let flood = database_of(5000, |index| {
        format!("Package: p{index}\nStatus: install ok installed\nVersion: 1\n\n")
    });
    assert!(flood.packages.len() < 1000, "{}", flood.packages.len());
    assert!(
        flood
            .problem
            .unwrap()
            .contains("over the limit of 100000 bytes")
    );
}

#[test]
fn status_d_needs_no_status() {
    let content = "Package: base-files\nVersion: 12.4\nArchitecture: amd64";
    let Finding::Database(database) = super::read("var/lib/dpkg/status.d/base", content) else {
        panic!()
    };
    assert_eq!(
        (names(&database), database.problem),
        (vec!["base-files 12.4 amd64".into()], None)
    );
    let content = "Package: base-files\nStatus: deinstall ok config-files\nVersion: 12.4\n";
    let Finding::Database(database) = super::read("var/lib/dpkg/status.d/base", content) else {
        panic!()
    };
    assert_eq!((database.packages.len(), database.problem), (0, None));
}

#[test]
fn owners_are_those_of_language_metadata_only() {
    let owned = |path: &str, content: &str| match super::read(path, content) {
        Finding::Owned { os_package, paths } => (os_package, paths),
        Finding::Nothing => (String::new(), vec![]),
        other => panic!("{other:?}"),
    };
    let list = "/.\n/usr\n/usr/lib/python3/dist-packages/six.py\n\
                /usr/lib/python3/dist-packages/six-1.16.0.dist-info/METADATA\n\
                /usr/lib/node_modules/npm/package.json\n/usr/lib/node_modules/npm/lib/package.json\n\
                /../escape.egg-info\n/usr/lib/python3/dist-packages/x.egg-info";
    let (os_package, paths) = owned("var/lib/dpkg/info/python3-six:amd64.list", list);
    assert_eq!(os_package, "python3-six");
    assert_eq!(
        paths,
        [
            "usr/lib/python3/dist-packages/six-1.16.0.dist-info/METADATA",
            "usr/lib/node_modules/npm/package.json",
            "usr/lib/python3/dist-packages/x.egg-info"
        ]
    );
    let sums = "0123456789abcdef0123456789abcdef  usr/lib/python3/dist-packages/y.egg-info/PKG-INFO\nshort\n";
    let (os_package, paths) = owned("var/lib/dpkg/status.d/python3-y.md5sums", sums);
    assert_eq!((os_package.as_str(), paths.len()), ("python3-y", 1));
    assert_eq!(
        owned("var/lib/dpkg/info/bash.list", "/bin/bash\n").1,
        Vec::<String>::new()
    );
}

#[test]
fn licences_are_those_of_machine_readable_copyright_files() {
    let licences = |content: &str| match super::read("usr/share/doc/zlib1g/copyright", content) {
        Finding::Licences { os_package, names } => {
            assert_eq!(os_package, "zlib1g");
            names
        }
        Finding::Nothing => vec![],
        other => panic!("{other:?}"),
    };
    let format = "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n";
    let stanzas = "\nFiles: *\nCopyright: 1995 a\nLicense: Zlib\n\nFiles: debian/*\nLicense: GPL-2+ or Artistic\n\n\
                   License: Zlib\n The text.\n License: not this\n";
    assert_eq!(
        licences(&format!("{format}{stanzas}")),
        ["Zlib", "GPL-2+ or Artistic"]
    );
    assert_eq!(licences(&format!("Comment: x\n{format}{stanzas}")).len(), 2);
    assert_eq!(
        licences(&format!("Some prose.\n\n{format}{stanzas}")),
        Vec::<String>::new()
    );
    assert_eq!(licences("License: MIT\n"), Vec::<String>::new());
    assert_eq!(
        licences("This package was debianized by hand.\nLicense: GPL\n"),
        Vec::<String>::new()
    );
}
