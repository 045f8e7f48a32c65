//! Tests of `inventory`: what is stored reads back.

use oci::Digest;
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;

use super::{
    Component, Database, DatabaseKind, ImageInventory, LayerInventory, Problem, ProblemKind,
};
use crate::{Distro, Package, PackageKind, SourcePackage};

/// Short, and with every kind of character in it.
fn text() -> impl Strategy<Value = String> {
    vec(any::<char>(), 0..6).prop_map(String::from_iter)
}

fn any_digest() -> impl Strategy<Value = Digest> {
    any::<[u8; 4]>().prop_map(|seed| Digest::sha256(&seed))
}

prop_compose! {
    fn any_package()(
        kind in prop_oneof![Just(PackageKind::Deb), Just(PackageKind::PyPi), Just(PackageKind::Npm)],
        name in text(),
        version in text(),
        architecture in of(text()),
        source in of((text(), text())),
        licences in vec(text(), 0..3),
        path in text(),
        owner in of(text()),
    ) -> Package {
        let source = source.map(|(name, version)| SourcePackage { name, version });
        Package { kind, name, version, architecture, source, licences, path, owner }
    }
}

prop_compose! {
    fn any_distro()(id in text(), version_id in text(), codename in of(text()), pretty_name in text()) -> Distro {
        Distro { id, version_id, codename, pretty_name }
    }
}

prop_compose! {
    fn any_problem()(
        kind in prop::sample::select(ProblemKind::ALL),
        detail in text(),
        path in of(text()),
        layer in of(any_digest()),
    ) -> Problem {
        Problem { kind, detail, path, layer }
    }
}

prop_compose! {
    fn any_database()(
        path in text(),
        kind in prop_oneof![Just(DatabaseKind::DpkgStatus), Just(DatabaseKind::DpkgStatusD)],
        packages in vec(any_package(), 0..3),
        problem in of(text()),
    ) -> Database {
        Database { path, kind, packages, problem }
    }
}

prop_compose! {
    fn any_layer()(
        digest in any_digest(),
        diff_id in any_digest(),
        counts: (u32, u64, u64),
        databases in vec(any_database(), 0..3),
        packages in vec(any_package(), 0..3),
        os_release in vec((text(), any_distro()), 0..2),
        ownership in vec((text(), text()), 0..3),
        os_licences in vec((text(), vec(text(), 0..3)), 0..3),
        (whiteouts, opaques) in (vec(text(), 0..3), vec(text(), 0..3)),
        replaced in vec(any::<u64>(), 0..5),
        problems in vec(any_problem(), 0..3),
    ) -> LayerInventory {
        let (scanner_version, entries, bytes) = counts;
        LayerInventory {
            digest, diff_id, scanner_version, entries, bytes, databases, packages, os_release, ownership,
            os_licences, whiteouts, opaques, replaced, problems,
        }
    }
}

prop_compose! {
    fn any_image()(
        distro in of(any_distro()),
        found in vec((any_package(), any_digest(), 0..500_usize, of(text())), 0..4),
        problems in vec(any_problem(), 0..3),
    ) -> ImageInventory {
        let components = found
            .into_iter()
            .map(|(package, layer, layer_index, instruction)| {
                Component { purl: package.purl(distro.as_ref()), package, layer, layer_index, instruction }
            })
            .collect();
        ImageInventory { distro, components, problems }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn layer_reads_back(layer in any_layer()) {
        let bytes = serde_json::to_vec(&layer).unwrap();
        prop_assert_eq!(serde_json::from_slice::<LayerInventory>(&bytes).unwrap(), layer);
    }

    #[test]
    fn image_reads_back(image in any_image()) {
        let bytes = serde_json::to_vec(&image).unwrap();
        prop_assert_eq!(serde_json::from_slice::<ImageInventory>(&bytes).unwrap(), image);
    }
}

#[test]
fn path_hashes_are_one_exact_text() {
    #[derive(serde::Serialize, serde::Deserialize)]
    struct Holder(#[serde(with = "super::path_hashes")] Vec<u64>);

    let text = r#""0000000000000001ffffffffffffffff""#;
    assert_eq!(
        serde_json::to_string(&Holder(vec![1, u64::MAX])).unwrap(),
        text
    );
    assert_eq!(
        serde_json::from_str::<Holder>(text).unwrap().0,
        [1, u64::MAX]
    );
    assert!(serde_json::from_str::<Holder>("\"\"").unwrap().0.is_empty());
    for text in [
        r#""000000000000001""#,
        r#""000000000000000g""#,
        r#""+000000000000001""#,
        "[1]",
    ] {
        assert!(serde_json::from_str::<Holder>(text).is_err(), "{text}");
    }
}

#[test]
fn problem_kinds_are_written_as_they_are_stored() {
    for kind in ProblemKind::ALL {
        assert_eq!(serde_json::to_string(kind).unwrap(), format!("\"{kind}\""));
    }
}

#[test]
fn only_an_inventory_without_problems_is_complete() {
    let mut image = ImageInventory::default();
    assert!(image.is_complete());
    let problem = Problem {
        kind: ProblemKind::MissingDatabase,
        detail: "debian 12 without a package database".to_owned(),
        path: Some("var/lib/dpkg/\u{1b}[31m".to_owned()),
        layer: None,
    };
    assert_eq!(
        problem.to_string(),
        r"missing-database: debian 12 without a package database (`var/lib/dpkg/\u{1b}[31m`)"
    );
    image.problems.push(problem);
    assert!(!image.is_complete());
}
