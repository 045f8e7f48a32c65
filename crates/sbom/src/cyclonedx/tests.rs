//! Tests of `cyclonedx`; that the output validates is tested in `tests/cyclonedx_schema.rs`.

use oci::Digest;
use serde_json::{Value, json};

use super::{Subject, write};
use crate::{
    Component, Distro, ImageInventory, Package, PackageKind, Problem, ProblemKind, SourcePackage,
};

const NOW: i64 = 1_767_225_600_123;

fn subject() -> Subject {
    let digest = Some(Digest::sha256(b"manifest"));
    Subject {
        name: "shop/web".into(),
        digest,
        tool_version: "0.1.0".into(),
    }
}

fn component(kind: PackageKind, name: &str, version: &str, licences: &[&str]) -> Component {
    let package = Package {
        kind,
        name: name.into(),
        version: version.into(),
        architecture: None,
        source: None,
        licences: licences.iter().map(|text| (*text).to_owned()).collect(),
        path: format!("opt/{name}"),
        owner: None,
    };
    Component {
        purl: package.purl(None),
        package,
        layer: Digest::sha256(b"layer"),
        layer_index: 0,
        instruction: None,
    }
}

fn inventory(components: Vec<Component>) -> ImageInventory {
    ImageInventory {
        distro: None,
        components,
        problems: vec![],
    }
}

fn licences(declared: &[&str]) -> Value {
    let document = write(
        &inventory(vec![component(PackageKind::Npm, "a", "1.0.0", declared)]),
        &subject(),
        NOW,
    );
    document["components"][0]
        .get("licenses")
        .cloned()
        .unwrap_or_default()
}

#[test]
fn everything_about_a_component_is_there() {
    let mut found = component(PackageKind::Deb, "libssl3", "3.0.11-1", &["OpenSSL"]);
    found.package.architecture = Some("amd64".into());
    found.package.source = Some(SourcePackage {
        name: "openssl".into(),
        version: "3.0.11-1".into(),
    });
    found.package.owner = Some("base".into());
    found.layer_index = 2;
    found.instruction = Some("RUN apt-get install libssl3".into());
    let document = write(&inventory(vec![found.clone()]), &subject(), NOW);
    let property =
        |name: &str, value: &str| json!({ "name": format!("countersign:{name}"), "value": value });
    let expect = json!({
        "type": "library",
        "bom-ref": "pkg:deb/libssl3@3.0.11-1",
        "name": "libssl3",
        "version": "3.0.11-1",
        "purl": "pkg:deb/libssl3@3.0.11-1",
        "licenses": [{ "license": { "id": "OpenSSL", "acknowledgement": "declared" } }],
        "properties": [
            property("layer", found.layer.as_str()),
            property("layer-index", "2"),
            property("path", "opt/libssl3"),
            property("instruction", "RUN apt-get install libssl3"),
            property("architecture", "amd64"),
            property("source", "openssl"),
            property("source-version", "3.0.11-1"),
            property("owner", "base"),
        ],
    });
    assert_eq!(document["components"], json!([expect]));
    assert_eq!(
        document["metadata"]["timestamp"],
        "2026-01-01T00:00:00.123Z"
    );
    assert_eq!(
        document["metadata"]["component"]["version"],
        subject().digest.unwrap().as_str()
    );
}

#[test]
fn npm_scope_is_the_group() {
    let found = component(PackageKind::Npm, "@babel/core", "7.0.0", &[]);
    let document = write(&inventory(vec![found]), &subject(), NOW);
    assert_eq!(document["components"][0]["group"], "@babel");
    assert_eq!(document["components"][0]["name"], "core");
}

#[test]
fn licences_use_the_field_that_holds_them() {
    let id = |id: &str| json!({ "license": { "id": id, "acknowledgement": "declared" } });
    let name = |name: &str| json!({ "license": { "name": name, "acknowledgement": "declared" } });
    let expression = json!({ "expression": "MIT OR Apache-2.0", "acknowledgement": "declared" });
    for (declared, expect) in [
        (&[][..], Value::Null),
        (&["", " "], Value::Null),
        (&["MIT"], json!([id("MIT")])),
        (&["mit", "MIT"], json!([id("MIT")])),
        (&["MIT License"], json!([name("MIT License")])),
        (&["MIT or Apache-2.0"], json!([expression])),
        (
            &["MIT or Apache-2.0", "ISC", "GPL-2"],
            json!([id("ISC"), name("MIT OR Apache-2.0"), name("GPL-2")]),
        ),
    ] {
        assert_eq!(licences(declared), expect, "{declared:?}");
    }
}

#[test]
fn references_are_unique_even_for_the_same_fact_twice() {
    let same = component(PackageKind::Npm, "a", "1.0.0", &[]);
    let document = write(
        &inventory(vec![same.clone(), same.clone(), same]),
        &subject(),
        NOW,
    );
    let references: Vec<_> = (0..3)
        .map(|index| document["components"][index]["bom-ref"].clone())
        .collect();
    assert_eq!(
        references,
        ["pkg:npm/a@1.0.0", "pkg:npm/a@1.0.0|2", "pkg:npm/a@1.0.0|3"]
    );
}

#[test]
fn incomplete_is_said_with_its_reasons() {
    let mut found = inventory(vec![]);
    let document = write(&found, &subject(), NOW);
    assert_eq!(document["compositions"][0]["aggregate"], "complete");
    let (kind, detail) = (
        ProblemKind::RemovedDatabase,
        "var/lib/dpkg/status was removed".into(),
    );
    found.problems.push(Problem {
        kind,
        detail,
        path: None,
        layer: None,
    });
    let document = write(&found, &subject(), NOW);
    assert_eq!(document["compositions"][0]["aggregate"], "incomplete");
    assert_eq!(
        document["metadata"]["properties"][0],
        json!({ "name": "countersign:problem", "value": "removed-database: var/lib/dpkg/status was removed" })
    );
}

#[test]
fn distribution_is_a_component_behind_the_others() {
    let mut found = inventory(vec![component(PackageKind::Npm, "a", "1.0.0", &[])]);
    let pretty_name = "Debian GNU/Linux 12 (bookworm)".to_owned();
    found.distro = Some(Distro {
        id: "debian".into(),
        version_id: "12".into(),
        codename: None,
        pretty_name,
    });
    let document = write(&found, &subject(), NOW);
    assert_eq!(document["components"][1]["type"], "operating-system");
    assert_eq!(document["components"][1]["bom-ref"], "os:debian@12");
}

#[test]
fn serial_number_follows_the_content_and_not_the_time() {
    let serial = |found: &ImageInventory, subject: &Subject, now| {
        write(found, subject, now)["serialNumber"].clone()
    };
    let found = inventory(vec![component(PackageKind::Npm, "a", "1.0.0", &[])]);
    let first = serial(&found, &subject(), NOW);
    let text = first.as_str().unwrap();
    assert_eq!(
        (text.len(), &text[..9], &text[23..24], &text[28..29]),
        (45, "urn:uuid:", "8", "8")
    );
    assert_eq!(serial(&found, &subject(), NOW + 1), first);
    assert_ne!(serial(&inventory(vec![]), &subject(), NOW), first);
    assert_ne!(
        serial(
            &found,
            &Subject {
                name: "shop/api".into(),
                ..subject()
            },
            NOW
        ),
        first
    );
}

#[test]
fn a_time_outside_the_calendar_is_no_failure() {
    let document = write(&inventory(vec![]), &subject(), i64::MAX);
    assert_eq!(document["metadata"]["timestamp"], "1970-01-01T00:00:00Z");
}
