//! Installed Node.js packages: the `package.json` at the root of a package in a `node_modules` folder.
//!
//! A `package.json` deeper in a package, or one without name and version, only configures the module loader and is no
//! package. Package managers with a store (pnpm, bun) install by hard links to files with other names: those are read
//! too, and count where a link to them is. npm documentation, "package.json".

use std::fmt;
use std::io::{self, Read};

use sbom::{Package, PackageKind, ProblemKind};
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::{Cataloger, File, Finding, declare_licence, identifier};

pub(super) struct Npm;

impl Cataloger for Npm {
    fn claims(&self, path: &str) -> bool {
        path.ends_with("/package.json") || is_in_pnpm_store(path)
    }

    fn read(&self, file: &mut File<'_>) -> io::Result<Finding> {
        let is_installed = is_installed(file.path);
        let limit = file.limits.metadata_bytes_max;
        let mut bytes = Vec::new();
        file.content.take(1).read_to_end(&mut bytes)?;
        if !is_installed && bytes != b"{" {
            return Ok(Finding::Nothing);
        }
        file.content.take(limit).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > limit {
            return Ok(self.unread(
                file.path,
                ProblemKind::LimitExceeded,
                format!("over {limit} bytes of metadata"),
            ));
        }
        // Old packages hold Latin-1 names of people, which their readers do not mind.
        let document = String::from_utf8_lossy(&bytes);
        let manifest: Manifest = match serde_json::from_str(document.trim_start_matches('\u{feff}'))
        {
            Ok(manifest) => manifest,
            Err(error) => {
                let why = format!("not a JSON object: {error}");
                return Ok(self.unread(file.path, ProblemKind::UnreadableMetadata, why));
            }
        };
        Ok(match manifest.into_package(file.path) {
            Some(package) if is_installed => Finding::Package(package),
            Some(package) => Finding::Stored(package),
            None => Finding::Nothing,
        })
    }

    // What is in a store only, or belongs to a tree of sources, need not be readable.
    fn unread(&self, path: &str, kind: ProblemKind, why: String) -> Finding {
        if is_installed(path) {
            Finding::Unread { kind, why }
        } else {
            Finding::Nothing
        }
    }
}

/// Whether the path is that of an installed package's own `package.json`: `…/node_modules/NAME/package.json` or
/// `…/node_modules/@SCOPE/NAME/package.json`.
pub(super) fn is_installed(path: &str) -> bool {
    let mut parts = path.rsplit('/');
    if parts.next() != Some("package.json") {
        return false;
    }
    let Some(name) = parts.next() else {
        return false;
    };
    let is_name = |name: &str| !name.starts_with(['.', '@']);
    match parts.next() {
        Some("node_modules") => is_name(name),
        Some(scope) if scope.starts_with('@') => {
            is_name(name) && parts.next() == Some("node_modules")
        }
        _ => false,
    }
}

// `…/store/v10/files/3f/0a…`: files by their hash, without their names.
fn is_in_pnpm_store(path: &str) -> bool {
    let mut parts = path.rsplit('/');
    let is_hash = |part: Option<&str>| {
        part.is_some_and(|part| part.bytes().all(|byte| byte.is_ascii_hexdigit()))
    };
    let has_files = is_hash(parts.next()) && is_hash(parts.next()) && parts.next() == Some("files");
    let is_version = |part: &str| {
        part.strip_prefix('v')
            .is_some_and(|digits| digits.parse::<u16>().is_ok())
    };
    has_files
        && parts.next().is_some_and(is_version)
        && parts.next().is_some_and(|part| part.ends_with("store"))
}

/// What matters of a `package.json`; of a key that is there twice, the last counts, as in JavaScript.
#[derive(Default)]
struct Manifest {
    name: Text,
    version: Text,
    licence: Licences,
    licences: Licences,
}

impl Manifest {
    fn into_package(self, path: &str) -> Option<Package> {
        let text = |text: Option<String>| identifier(text?.as_bytes()).map(str::to_owned);
        let licences = if self.licence.0.is_empty() {
            self.licences.0
        } else {
            self.licence.0
        };
        Some(Package {
            kind: PackageKind::Npm,
            name: text(self.name.0)?,
            version: text(self.version.0)?,
            architecture: None,
            source: None,
            licences,
            path: path.to_owned(),
            owner: None,
        })
    }
}

impl<'de> Deserialize<'de> for Manifest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = Manifest;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Manifest, A::Error> {
                let mut manifest = Manifest::default();
                while let Some(key) = map.next_key::<std::borrow::Cow<'de, str>>()? {
                    match &*key {
                        "name" => manifest.name = map.next_value()?,
                        "version" => manifest.version = map.next_value()?,
                        "license" => manifest.licence = map.next_value()?,
                        "licenses" => manifest.licences = map.next_value()?,
                        _ => drop(map.next_value::<IgnoredAny>()?),
                    }
                }
                Ok(manifest)
            }
        }
        deserializer.deserialize_map(Fields)
    }
}

/// A string; anything else is `None`.
#[derive(Default)]
struct Text(Option<String>);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Licences::collect(deserializer, false).map(|(_, text)| Self(text))
    }
}

/// Licences in every form that was ever in use: a name, an object with `type`, a list of either.
#[derive(Default)]
struct Licences(Vec<String>);

impl<'de> Deserialize<'de> for Licences {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Licences::collect(deserializer, true).map(|(licences, _)| Self(licences))
    }
}

impl Licences {
    // The licences of any JSON value, and the value itself when it is a string.
    fn collect<'de, D: Deserializer<'de>>(
        from: D,
        deep: bool,
    ) -> Result<(Vec<String>, Option<String>), D::Error> {
        from.deserialize_any(AnyValue { deep })
    }
}

struct AnyValue {
    deep: bool,
}

type Collected = (Vec<String>, Option<String>);

impl<'de> Visitor<'de> for AnyValue {
    type Value = Collected;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_str<E>(self, text: &str) -> Result<Collected, E> {
        let mut licences = Vec::new();
        declare_licence(text, &mut licences);
        Ok((licences, Some(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Collected, A::Error> {
        let mut licences = Vec::new();
        if !self.deep {
            while seq.next_element::<IgnoredAny>()?.is_some() {}
            return Ok((licences, None));
        }
        while let Some(Licences(more)) = seq.next_element()? {
            for licence in more {
                declare_licence(&licence, &mut licences);
            }
        }
        Ok((licences, None))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Collected, A::Error> {
        let (mut by_type, mut by_name) = (Vec::new(), Vec::new());
        while let Some(key) = map.next_key::<std::borrow::Cow<'de, str>>()? {
            match &*key {
                "type" if self.deep => by_type = map.next_value::<Licences>()?.0,
                "name" if self.deep => by_name = map.next_value::<Licences>()?.0,
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok((if by_type.is_empty() { by_name } else { by_type }, None))
    }

    fn visit_unit<E>(self) -> Result<Collected, E> {
        Ok(Collected::default())
    }

    fn visit_bool<E>(self, _: bool) -> Result<Collected, E> {
        Ok(Collected::default())
    }

    fn visit_i64<E>(self, _: i64) -> Result<Collected, E> {
        Ok(Collected::default())
    }

    fn visit_u64<E>(self, _: u64) -> Result<Collected, E> {
        Ok(Collected::default())
    }

    fn visit_f64<E>(self, _: f64) -> Result<Collected, E> {
        Ok(Collected::default())
    }
}
