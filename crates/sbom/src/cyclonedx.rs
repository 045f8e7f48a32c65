//! Writes an image's inventory as a CycloneDX 1.6 bill of materials. The same inventory and subject give the same
//! document but for the time, with the same serial number. What no field of the standard can hold is a property under
//! `countersign:`. Deliberately no dependency graph: layers do not tell who needs whom. CycloneDX 1.6 (ECMA-424).

use std::collections::BTreeMap;

use jiff::Timestamp;
use oci::Digest;
use serde_json::{Value, json};

use crate::licence::Licence;
use crate::{Component, Distro, ImageInventory, Package, PackageKind};

/// What a document is about, and which program wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// Its name, such as `shop/web`, or the path of a folder.
    pub name: String,
    /// The digest of its manifest, when it is an image.
    pub digest: Option<Digest>,
    /// The version of the program that writes the document.
    pub tool_version: String,
}

/// Writes the inventory as a CycloneDX document; `now` is in milliseconds since the epoch.
#[must_use]
pub fn write(inventory: &ImageInventory, subject: &Subject, now: i64) -> Value {
    let root = reference_of(subject);
    let mut components = write_components(inventory, &root);
    if let Some(distro) = &inventory.distro {
        components.push(write_distro(distro));
    }
    let aggregate = if inventory.is_complete() {
        "complete"
    } else {
        "incomplete"
    };
    json!({
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": serial_number(inventory, subject),
        "version": 1,
        "metadata": {
            "timestamp": Timestamp::from_millisecond(now).unwrap_or(Timestamp::UNIX_EPOCH).to_string(),
            "lifecycles": [{ "phase": "post-build" }],
            "tools": {
                "components": [
                    { "type": "application", "name": "countersign", "version": subject.tool_version }
                ]
            },
            "component": write_subject(subject, &root),
            "properties": write_problems(inventory),
        },
        "components": components,
        "compositions": [{ "aggregate": aggregate, "assemblies": [root] }],
    })
}

fn reference_of(subject: &Subject) -> String {
    match &subject.digest {
        Some(digest) => format!("{}@{digest}", subject.name),
        None => format!("subject:{}", subject.name),
    }
}

fn write_subject(subject: &Subject, root: &str) -> Value {
    let Some(digest) = &subject.digest else {
        return json!({ "type": "application", "bom-ref": root, "name": subject.name });
    };
    let algorithm = match digest.algorithm() {
        oci::Algorithm::Sha256 => "SHA-256",
        oci::Algorithm::Sha512 => "SHA-512",
    };
    json!({
        "type": "container",
        "bom-ref": root,
        "name": subject.name,
        "version": digest,
        "hashes": [{ "alg": algorithm, "content": digest.hex() }],
    })
}

fn write_distro(distro: &Distro) -> Value {
    json!({
        "type": "operating-system",
        "bom-ref": format!("os:{}@{}", distro.id, distro.version_id),
        "name": distro.id,
        "version": distro.version_id,
        "description": distro.to_string(),
    })
}

fn write_problems(inventory: &ImageInventory) -> Vec<Value> {
    inventory
        .problems
        .iter()
        .map(|problem| property("problem", problem.to_string()))
        .collect()
}

fn write_components(inventory: &ImageInventory, root: &str) -> Vec<Value> {
    let mut references = References(BTreeMap::from([(root.to_owned(), 1)]));
    if let Some(distro) = &inventory.distro {
        references
            .0
            .insert(format!("os:{}@{}", distro.id, distro.version_id), 1);
    }
    inventory
        .components
        .iter()
        .map(|component| write_component(component, &mut references))
        .collect()
}

fn write_component(component: &Component, references: &mut References) -> Value {
    let package = &component.package;
    let purl = component.purl.to_string();
    let (group, name) = name_of(package);
    let mut out = json!({
        "type": "library",
        "bom-ref": references.unique(&purl),
        "name": name,
        "version": package.version,
        "purl": purl,
        "properties": write_properties(component),
    });
    if let Some(group) = group {
        insert(&mut out, "group", group.into());
    }
    let licences = write_licences(&package.licences);
    if !licences.is_empty() {
        insert(&mut out, "licenses", licences.into());
    }
    out
}

fn name_of(package: &Package) -> (Option<&str>, &str) {
    match package.name.split_once('/') {
        Some((scope, name)) if package.kind == PackageKind::Npm && scope.starts_with('@') => {
            (Some(scope), name)
        }
        _ => (None, &package.name),
    }
}

fn write_properties(component: &Component) -> Vec<Value> {
    let package = &component.package;
    let source = package.source.as_ref();
    let optional = [
        ("instruction", component.instruction.clone()),
        ("architecture", package.architecture.clone()),
        ("source", source.map(|source| source.name.clone())),
        (
            "source-version",
            source.map(|source| source.version.clone()),
        ),
        ("owner", package.owner.clone()),
    ];
    let always = [
        property("layer", component.layer.to_string()),
        property("layer-index", component.layer_index.to_string()),
        property("path", package.path.clone()),
    ];
    let optional = optional
        .into_iter()
        .filter_map(|(name, value)| Some(property(name, value?)));
    always.into_iter().chain(optional).collect()
}

fn property(name: &str, value: String) -> Value {
    json!({ "name": format!("countersign:{name}"), "value": value })
}

/// The standard holds either one expression or a list of single licences; an expression in a list becomes a name.
fn write_licences(declared: &[String]) -> Vec<Value> {
    let mut licences: Vec<_> = declared
        .iter()
        .filter_map(|text| Licence::read(text))
        .collect();
    licences.sort();
    licences.dedup();
    if let [Licence::Expression(expression)] = licences.as_slice() {
        return vec![json!({ "expression": expression, "acknowledgement": "declared" })];
    }
    let key = |licence: &Licence| {
        if matches!(licence, Licence::Id(_)) {
            "id"
        } else {
            "name"
        }
    };
    licences
        .iter()
        .map(|licence| json!({ "license": { key(licence): licence.as_str(), "acknowledgement": "declared" } }))
        .collect()
}

fn insert(object: &mut Value, key: &str, value: Value) {
    if let Value::Object(members) = object {
        members.insert(key.to_owned(), value);
    }
}

/// Gives each component a reference of its own: its purl, and from the second one on a number behind it. The `|`
/// before the number is encoded in every purl, so that the two cannot meet.
struct References(BTreeMap<String, usize>);

impl References {
    fn unique(&mut self, wanted: &str) -> String {
        let count = self.0.entry(wanted.to_owned()).or_default();
        *count += 1;
        if *count == 1 {
            wanted.to_owned()
        } else {
            format!("{wanted}|{count}")
        }
    }
}

/// A UUID (version 8 of RFC 9562) made from what the document says, without the time.
fn serial_number(inventory: &ImageInventory, subject: &Subject) -> String {
    let content = serde_json::to_vec(&(
        inventory,
        &subject.name,
        &subject.digest,
        &subject.tool_version,
    ));
    #[expect(
        clippy::expect_used,
        reason = "INVARIANT: plain values and text keys, written to memory, cannot fail"
    )]
    let digest = Digest::sha256(&content.expect("an inventory can be written"));
    let mut digits: Vec<char> = digest.hex().chars().take(32).collect();
    for (position, digit) in [(12, '8'), (16, '8')] {
        if let Some(place) = digits.get_mut(position) {
            *place = digit;
        }
    }
    let groups: Vec<String> = [0..8, 8..12, 12..16, 16..20, 20..32]
        .map(|group| digits.iter().skip(group.start).take(group.len()).collect())
        .into();
    format!("urn:uuid:{}", groups.join("-"))
}

#[cfg(test)]
mod tests;
