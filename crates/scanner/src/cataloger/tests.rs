//! Each cataloger with the files it may meet.

use proptest::prelude::*;
use sbom::{Database, Distro, Package, ProblemKind};

use super::{File, Finding, for_path};
use crate::limits::Limits;

fn read(path: &str, content: impl AsRef<[u8]>) -> Finding {
    let mut content = content.as_ref();
    let limits = Limits {
        metadata_bytes_max: 10_000,
        ..Limits::default()
    };
    let cataloger = for_path(path).unwrap_or_else(|| panic!("nobody claims {path}"));
    cataloger
        .read(&mut File {
            path,
            content: &mut content,
            limits: &limits,
            room: 100_000,
        })
        .unwrap()
}

fn package(path: &str, content: impl AsRef<[u8]>) -> Package {
    match read(path, content) {
        Finding::Package(package) => package,
        other => panic!("no package: {other:?}"),
    }
}

fn unread(path: &str, content: impl AsRef<[u8]>) -> String {
    match read(path, content) {
        Finding::Unread { why, .. } => why,
        other => panic!("it was read: {other:?}"),
    }
}

#[test]
fn claims() {
    let claimed = [
        "var/lib/dpkg/status",
        "var/lib/dpkg/status.d/libc6",
        "var/lib/dpkg/status.d/libssl1.1",
        "var/lib/dpkg/status.d/libssl1.1.md5sums",
        "var/lib/dpkg/info/libc6:amd64.list",
        "usr/share/doc/libc6/copyright",
        "etc/os-release",
        "usr/lib/os-release",
        "a/b-1.dist-info/METADATA",
        "a/b-1.egg-info",
        "a/b-1.egg-info/PKG-INFO",
        "a/b-1-py3.egg/EGG-INFO/PKG-INFO",
        "node_modules/ms/package.json",
        "srv/app/package.json",
        "root/.local/share/pnpm/store/v10/files/3f/0a1b2c",
    ];
    for path in claimed {
        assert!(for_path(path).is_some(), "{path}");
    }
    let unclaimed = [
        "srv/chroot/var/lib/dpkg/status",
        "var/lib/dpkg/status-old",
        "var/lib/dpkg/status.d",
        "var/lib/dpkg/status.d/a/b",
        "var/lib/dpkg/status.d/libc6.preinst",
        "var/lib/dpkg/info/libc6:amd64.md5sums",
        "usr/share/doc/libc6/examples/copyright",
        "METADATA",
        "a/METADATA",
        "a/b-1.dist-info/RECORD",
        "a/b-1.dist-info/sub/METADATA",
        "package.json",
        "store/files/3f/0a1b2c",
        "a/package.json5",
    ];
    for path in unclaimed {
        assert!(for_path(path).is_none(), "{path}");
    }
}

mod dpkg;

mod python;

mod npm;

mod os_release;

proptest! {
    #[test]
    fn any_content_is_read_without_panic(content in proptest::collection::vec(any::<u8>(), 0..600), text in "[A-Za-z:{}\"\\[\\], \n=.1-]{0,200}") {
        for path in ["var/lib/dpkg/status", "var/lib/dpkg/status.d/a", "var/lib/dpkg/info/a.list", "usr/share/doc/a/copyright",
            "etc/os-release", "a/a-1.dist-info/METADATA", "a/x.egg-info", "node_modules/a/package.json"] {
            let _ = read(path, &content);
            let _ = read(path, &text);
        }
    }

    #[test]
    fn installed_stanzas_are_found_whatever_stands_between(
        packages in proptest::collection::btree_map("[a-z][a-z0-9+.-]{1,10}", "[0-9][0-9a-z.+~:-]{0,10}", 0..20),
        noise in "( [ -~]{0,30}\n){0,3}",
    ) {
        let stanza = |(name, version): (&String, &String)| {
            format!("Package: {name}\nDescription: x\n{noise}Status: install ok installed\nVersion: {version}\n\n")
        };
        let Finding::Database(database) = read("var/lib/dpkg/status", packages.iter().map(stanza).collect::<String>()) else { panic!() };
        prop_assert_eq!(&database.problem, &None);
        let found: Vec<_> = database.packages.iter().map(|package| (&package.name, &package.version)).collect();
        prop_assert_eq!(found, packages.iter().collect::<Vec<_>>());
    }
}
