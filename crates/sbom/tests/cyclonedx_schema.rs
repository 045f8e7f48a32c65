//! What is written validates against the published CycloneDX 1.6 schema, whatever the packages declare. Needs the
//! public suites: `COUNTERSIGN_SUITES=… cargo test -p sbom --features suites`.

#![expect(clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

use std::path::PathBuf;

use jsonschema::{Registry, Validator};
use oci::{Algorithm, Digest, Hasher};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use sbom::cyclonedx::{self, Subject};
use sbom::{
    Component, Distro, ImageInventory, Package, PackageKind, Problem, ProblemKind, SourcePackage,
    licence,
};
use serde_json::Value;

fn schema(file: &str) -> Value {
    let suites = std::env::var_os("COUNTERSIGN_SUITES")
        .expect("COUNTERSIGN_SUITES names the folder of the suites");
    let path = PathBuf::from(suites)
        .join("suites/cyclonedx/schema")
        .join(file);
    let bytes = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_slice(&bytes).unwrap_or_else(|error| panic!("{file}: {error}"))
}

fn validator() -> Validator {
    let id = |file: &str| format!("http://cyclonedx.org/schema/{file}");
    let (spdx, signature) = ("spdx.schema.json", "jsf-0.82.schema.json");
    let registry = Registry::new()
        .add(id(spdx), schema(spdx))
        .and_then(|registry| registry.add(id(signature), schema(signature)))
        .and_then(|registry| registry.prepare())
        .expect("schemas can be registered");
    jsonschema::options()
        .should_validate_formats(true)
        .with_registry(&registry)
        .build(&schema("bom-1.6.schema.json"))
        .expect("the schema can be compiled")
}

fn assert_valid(validator: &Validator, document: &Value) {
    let errors: Vec<_> = validator
        .iter_errors(document)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{errors:#?}\n{document:#}");
}

fn component(kind: PackageKind, name: &str, licences: Vec<String>) -> Component {
    let package = Package {
        kind,
        name: name.into(),
        version: "1.0-1".into(),
        architecture: Some("amd64".into()),
        source: Some(SourcePackage {
            name: name.into(),
            version: "1.0".into(),
        }),
        licences,
        path: format!("usr/{name}"),
        owner: Some("base".into()),
    };
    let instruction = Some("RUN make".to_owned());
    Component {
        purl: package.purl(None),
        package,
        layer: Digest::sha256(b"layer"),
        layer_index: 1,
        instruction,
    }
}

fn subject(digest: Option<Digest>) -> Subject {
    Subject {
        name: "registry.example/shop/web".into(),
        digest,
        tool_version: "0.1.0".into(),
    }
}

fn sha512() -> Digest {
    Hasher::new(Algorithm::Sha512).finish()
}

fn complete_inventory() -> ImageInventory {
    let declared = [
        "MIT",
        "MIT OR Apache-2.0",
        "BSD",
        "GPL-2.0-only WITH Classpath-exception-2.0",
    ];
    let mut components: Vec<_> = declared
        .iter()
        .map(|text| component(PackageKind::Npm, "@scope/name", vec![(*text).into()]))
        .collect();
    components.push(component(
        PackageKind::PyPi,
        "Name",
        declared.map(str::to_owned).into(),
    ));
    components.push(component(PackageKind::Deb, "name", vec![]));
    let distro = Distro {
        id: "debian".into(),
        version_id: "12".into(),
        codename: None,
        pretty_name: "Debian 12".into(),
    };
    ImageInventory {
        distro: Some(distro),
        components,
        problems: vec![],
    }
}

#[test]
fn documents_validate() {
    let validator = validator();
    let mut inventory = complete_inventory();
    for digest in [None, Some(Digest::sha256(b"manifest")), Some(sha512())] {
        assert_valid(
            &validator,
            &cyclonedx::write(&inventory, &subject(digest), 1_767_225_600_000),
        );
    }
    inventory.problems = ProblemKind::ALL
        .iter()
        .map(|kind| Problem {
            kind: *kind,
            detail: "detail".into(),
            path: Some("a".into()),
            layer: Some(sha512()),
        })
        .collect();
    assert_valid(
        &validator,
        &cyclonedx::write(&inventory, &subject(None), -1),
    );
    assert_valid(
        &validator,
        &cyclonedx::write(&ImageInventory::default(), &subject(None), 0),
    );
}

#[test]
fn the_schema_is_really_asked() {
    let validator = validator();
    let valid = cyclonedx::write(&complete_inventory(), &subject(None), 0);
    for (pointer, value) in [
        ("/components/0/licenses/0/license/id", "No-Such-Licence"),
        ("/serialNumber", "urn:uuid:x"),
        ("/metadata/timestamp", "yesterday"),
        ("/compositions/0/aggregate", "clean"),
    ] {
        let mut broken = valid.clone();
        *broken.pointer_mut(pointer).expect(pointer) = value.into();
        assert!(!validator.is_valid(&broken), "{pointer}");
    }
}

#[test]
fn every_known_licence_is_in_the_schema() {
    let list = schema("spdx.schema.json");
    let list = list["enum"].as_array().expect("an enumeration");
    for id in licence::known_ids() {
        assert!(list.iter().any(|known| known == id), "{id}");
    }
}

#[test]
fn hostile_data_validates() {
    let validator = validator();
    let licence = prop_oneof![
        any::<String>(),
        "(MIT|GPL-2\\.0\\+|BSD|\\(| AND | OR | WITH |\\)){1,6}"
    ];
    let package = (
        "\\PC{0,6}|@[a-z]{0,2}/[a-z]{0,2}",
        prop::collection::vec(licence, 0..3),
        any::<Option<String>>(),
    );
    let packages = prop::collection::vec(package, 0..4);
    TestRunner::new(Config {
        cases: 128,
        failure_persistence: None,
        ..Config::default()
    })
    .run(
        &(packages, any::<[String; 3]>(), any::<i64>()),
        |(packages, [id, version_id, pretty_name], now)| {
            let components = packages
                .into_iter()
                .map(|(name, licences, instruction)| Component {
                    instruction,
                    ..component(PackageKind::Npm, &name, licences)
                });
            let distro = Some(Distro {
                id,
                version_id,
                codename: None,
                pretty_name,
            });
            let inventory = ImageInventory {
                distro,
                components: components.collect(),
                problems: vec![],
            };
            assert_valid(
                &validator,
                &cyclonedx::write(&inventory, &subject(None), now),
            );
            Ok(())
        },
    )
    .unwrap();
}
