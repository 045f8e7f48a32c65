//! Tests of `purl`; the cases of the specification itself are in `tests/purl_spec.rs`.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{PURL_BYTES_MAX, Purl, PurlError};
use crate::{Distro, Package, PackageKind};

fn check(text: &str, canonical: &str) {
    let purl = Purl::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    assert_eq!(purl.to_string(), canonical, "{text}");
    assert_eq!(Purl::parse(canonical), Ok(purl), "{canonical}");
}

#[test]
fn canonical_forms() {
    for (text, canonical) in [
        (
            "pkg:deb/debian/curl@7.50.3-1?arch=i386&distro=jessie",
            "pkg:deb/debian/curl@7.50.3-1?arch=i386&distro=jessie",
        ),
        ("PKG:DEB/Debian/CURL@1:2+b1", "pkg:deb/debian/curl@1:2%2Bb1"),
        (
            "pkg://pypi//Ruamel.YAML@1.0.DEV1",
            "pkg:pypi/ruamel-yaml@1.0.dev1",
        ),
        ("pkg:npm/@babel/core", "pkg:npm/%40babel/core"),
        ("pkg:npm/@babel/core@7.0.0", "pkg:npm/%40babel/core@7.0.0"),
        ("pkg:npm/%40babel/core@7.0.0", "pkg:npm/%40babel/core@7.0.0"),
        ("pkg:npm/Camel@1.0.0", "pkg:npm/Camel@1.0.0"),
        (
            "pkg:generic/a@?b=1&a=&C=%26#/./x/../y//",
            "pkg:generic/a?b=1&c=%26#x/y",
        ),
        ("pkg:generic/a%2Fb@1%2F2", "pkg:generic/a%2Fb@1%2F2"),
        ("pkg:generic/n//s/a", "pkg:generic/n/s/a"),
    ] {
        check(text, canonical);
    }
}

#[test]
fn refuses_what_is_no_purl() {
    let kind = |e: &PurlError| matches!(e, PurlError::Kind(_));
    let no_name = |e: &PurlError| matches!(e, PurlError::NoName);
    let qualifier = |e: &PurlError| matches!(e, PurlError::Qualifier(_));
    for (text, is_expected) in [
        (
            "",
            (|e| matches!(e, PurlError::Scheme)) as fn(&PurlError) -> bool,
        ),
        ("npm/a", |e| matches!(e, PurlError::Scheme)),
        ("http://a/b", |e| matches!(e, PurlError::Scheme)),
        ("pkg:npm", no_name),
        ("pkg:npm/", no_name),
        ("pkg:npm/@1", no_name),
        ("pkg:/a", no_name),
        ("pkg:3d/a", kind),
        ("pkg:n&m/a", kind),
        ("pkg:ä/a", kind),
        ("pkg:npm/a?b", qualifier),
        ("pkg:npm/a?b c=1", qualifier),
        ("pkg:npm/a?=1", qualifier),
        ("pkg:npm/a?b=1&b=2", |e| {
            matches!(e, PurlError::QualifierTwice(_))
        }),
        ("pkg:npm/a?b=1&B=2", |e| {
            matches!(e, PurlError::QualifierTwice(_))
        }),
        ("pkg:npm/%ff", |e| matches!(e, PurlError::Encoding)),
        ("pkg:npm/a%2Fb/c", |e| matches!(e, PurlError::EncodedSlash)),
        ("pkg:npm/c#a%2Fb", |e| matches!(e, PurlError::EncodedSlash)),
        ("pkg:pypi/a/b", |e| matches!(e, PurlError::Rule { .. })),
    ] {
        let error = Purl::parse(text).expect_err(text);
        assert!(is_expected(&error), "{text}: {error:?}");
    }
}

#[test]
fn length_is_bounded_for_users_and_not_for_stored_inventories() {
    let long = format!("pkg:npm/{}", "a".repeat(PURL_BYTES_MAX));
    assert_eq!(
        Purl::parse(&long),
        Err(PurlError::TooLong { bytes: long.len() })
    );
    let stored: Purl = serde_json::from_str(&format!("\"{long}\"")).unwrap();
    assert_eq!(
        serde_json::to_string(&stored).unwrap(),
        format!("\"{long}\"")
    );
}

fn any_kind() -> impl Strategy<Value = PackageKind> {
    prop_oneof![
        Just(PackageKind::Deb),
        Just(PackageKind::PyPi),
        Just(PackageKind::Npm)
    ]
}

proptest! {
    #[test]
    fn what_is_built_reads_back(
        kind in "[a-zA-Z][a-zA-Z0-9.-]{0,6}",
        namespace in proptest::option::of("\\PC{0,12}"),
        name in "\\PC{1,12}",
        version in proptest::option::of("\\PC{0,12}"),
        qualifiers in proptest::collection::btree_map("[a-z][a-z0-9._-]{0,5}", "\\PC{0,8}", 0..3),
        subpath in proptest::option::of("[\\PC/]{0,12}"),
    ) {
        let qualifiers: BTreeMap<_, _> = qualifiers;
        let purl = Purl { kind, namespace, name, version, qualifiers, subpath }.build();
        prop_assume!(purl.is_ok());
        let purl = purl.unwrap();
        prop_assert_eq!(Purl::parse(&purl.to_string()).unwrap(), purl.clone());
        prop_assert_eq!(purl.clone().build().unwrap(), purl);
    }

    #[test]
    fn any_package_has_a_purl_that_reads_back(
        kind in any_kind(),
        name: String,
        version: String,
        architecture: Option<String>,
        distro_id in proptest::option::of("[\\PC/]{0,8}"),
        version_id: String,
    ) {
        let path = String::new();
        let package =
            Package { kind, name, version, architecture, source: None, licences: vec![], path, owner: None };
        let distro =
            distro_id.map(|id| Distro { id, version_id, codename: None, pretty_name: String::new() });
        let purl = package.purl(distro.as_ref());
        prop_assert_eq!(Purl::parse(&purl.to_string()).unwrap(), purl);
    }

    #[test]
    fn what_parses_prints_canonically(text in "pkg:(npm|deb|pypi|x)/[a-zA-Z0-9@:/%#?&=._~+ -]{0,30}") {
        if let Ok(purl) = Purl::parse(&text) {
            let canonical = purl.to_string();
            prop_assert_eq!(Purl::parse(&canonical).unwrap().to_string(), canonical);
        }
    }
}
