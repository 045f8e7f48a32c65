//! Names of ecosystems, normalised names, and which component is matched as what.

use super::*;

#[test]
fn ecosystems_read_as_osv_names_them() {
    for (text, expect) in [
        ("PyPI", Ecosystem::PyPi),
        ("pypi", Ecosystem::PyPi),
        ("npm", Ecosystem::Npm),
        ("Debian:12", Ecosystem::Debian("12".into())),
        ("Debian:12.5", Ecosystem::Debian("12".into())),
        ("Debian:trixie", Ecosystem::Debian("13".into())),
        ("Debian", Ecosystem::Other("Debian".into())),
        ("Debian:sid", Ecosystem::Other("Debian:sid".into())),
        (
            "Ubuntu:22.04:LTS",
            Ecosystem::Other("Ubuntu:22.04:LTS".into()),
        ),
        ("Maven", Ecosystem::Other("Maven".into())),
    ] {
        let ecosystem = Ecosystem::parse(text);
        assert_eq!(ecosystem, expect, "{text}");
        assert_eq!(
            Ecosystem::parse(&ecosystem.to_string()),
            ecosystem,
            "{text}"
        );
    }
}

#[test]
fn keys_print_and_parse() {
    let key = PackageKey::new(Ecosystem::PyPi, "Ruamel.YAML__Clib");
    assert_eq!(key.to_string(), "PyPI/ruamel-yaml-clib");
    assert_eq!(key.to_string().parse::<PackageKey>(), Ok(key));
    let scoped = PackageKey::new(Ecosystem::Npm, "@babel/traverse");
    assert_eq!("npm/@babel/traverse".parse::<PackageKey>(), Ok(scoped));
    assert!("django".parse::<PackageKey>().is_err());
    assert!("PyPI/".parse::<PackageKey>().is_err());
}

fn package(kind: sbom::PackageKind, name: &str, version: &str) -> sbom::Package {
    sbom::Package {
        kind,
        name: name.into(),
        version: version.into(),
        architecture: None,
        source: None,
        licences: Vec::new(),
        path: String::new(),
        owner: None,
    }
}

fn distro(id: &str, version_id: &str, codename: Option<&str>) -> sbom::Distro {
    sbom::Distro {
        id: id.into(),
        version_id: version_id.into(),
        codename: codename.map(Into::into),
        pretty_name: String::new(),
    }
}

fn check(package: &sbom::Package, distro: Option<&sbom::Distro>, expect: Option<(&str, &str)>) {
    let found = package_key(package, distro).map(|(key, version)| (key.to_string(), version));
    let expect = expect.map(|(key, version)| (key.to_owned(), version.to_owned()));
    assert_eq!(found, expect);
}

#[test]
fn debian_packages_match_by_source_and_release() {
    let bookworm = distro("debian", "12", Some("bookworm"));
    let mut libssl = package(sbom::PackageKind::Deb, "libssl3", "3.0.11-1+b1");
    libssl.source = Some(sbom::SourcePackage {
        name: "openssl".into(),
        version: "3.0.11-1".into(),
    });
    check(
        &libssl,
        Some(&bookworm),
        Some(("Debian:12/openssl", "3.0.11-1")),
    );
    let bash = package(sbom::PackageKind::Deb, "bash", "5.2-1");
    check(&bash, Some(&bookworm), Some(("Debian:12/bash", "5.2-1")));
    check(
        &bash,
        Some(&distro("debian", "", Some("forky"))),
        Some(("Debian:14/bash", "5.2-1")),
    );
    check(&bash, Some(&distro("debian", "", Some("sid"))), None);
    check(&bash, Some(&distro("ubuntu", "24.04", Some("noble"))), None);
    check(&bash, None, None);
}

#[test]
fn language_packages_match_unless_the_system_owns_them() {
    let mut django = package(sbom::PackageKind::PyPi, "Django", "3.2.0");
    check(&django, None, Some(("PyPI/django", "3.2.0")));
    django.owner = Some("python3-django".into());
    check(&django, Some(&distro("debian", "12", None)), None);
    let left_pad = package(sbom::PackageKind::Npm, "left-pad", "1.3.0");
    check(&left_pad, None, Some(("npm/left-pad", "1.3.0")));
}
