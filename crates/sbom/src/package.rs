//! A package as its own metadata declares it, and the distribution it may belong to. Deliberately as declared: names
//! and licences are not tidied here, only the purl is.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::Purl;

/// The packaging system that a package belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PackageKind {
    /// A dpkg package of Debian or a distribution made from it.
    Deb,
    /// A Python distribution.
    PyPi,
    /// A Node.js package.
    Npm,
}

impl PackageKind {
    /// The purl type: `deb`, `pypi` or `npm`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deb => "deb",
            Self::PyPi => "pypi",
            Self::Npm => "npm",
        }
    }
}

impl fmt::Display for PackageKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for PackageKind {
    type Err = UnknownPackageKind;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Deb, Self::PyPi, Self::Npm]
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .ok_or(UnknownPackageKind)
    }
}

/// The text names no packaging system that is known here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a known kind of package: use `deb`, `pypi` or `npm`")]
pub struct UnknownPackageKind;

/// The source package that a binary package was built from.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SourcePackage {
    /// Its name.
    pub name: String,
    /// Its version, which may differ from that of the binary package.
    pub version: String,
}

/// One fact: a package was found at a path of a layer.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Package {
    /// The packaging system.
    pub kind: PackageKind,
    /// The name as declared, for npm with its scope; never empty.
    pub name: String,
    /// The version as declared; never empty.
    pub version: String,
    /// The architecture, where the packaging system has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub architecture: Option<String>,
    /// The source package, where the packaging system has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<SourcePackage>,
    /// The licences as declared: SPDX expressions, names, or free text.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub licences: Vec<String>,
    /// The file that declares it, from the root of the image, without a leading slash.
    pub path: String,
    /// The operating system package that owns that file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
}

impl Package {
    /// Its purl. A dpkg package carries the distribution as namespace and as qualifier; without one, neither is guessed.
    #[must_use]
    pub fn purl(&self, distro: Option<&Distro>) -> Purl {
        let (namespace, name) = match self.kind {
            PackageKind::Deb => (distro.map(|distro| distro.id.as_str()), self.name.as_str()),
            PackageKind::PyPi => (None, self.name.as_str()),
            PackageKind::Npm => match self.name.split_once('/') {
                Some((scope, name)) if scope.starts_with('@') && !name.is_empty() => {
                    (Some(scope), name)
                }
                _ => (None, self.name.as_str()),
            },
        };
        let mut purl = Purl::of(self.kind, namespace, name, &self.version);
        if self.kind == PackageKind::Deb {
            let qualifiers = [
                ("arch", self.architecture.clone()),
                ("distro", distro.and_then(Distro::release)),
            ];
            for (key, value) in qualifiers {
                if let Some(value) = value.filter(|value| !value.is_empty()) {
                    purl.qualifiers.insert(key.to_owned(), value);
                }
            }
        }
        purl
    }
}

/// A distribution, from `os-release`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Distro {
    /// `ID`, such as `debian`.
    pub id: String,
    /// `VERSION_ID`, such as `12`; empty where there is none, as in Debian unstable.
    pub version_id: String,
    /// `VERSION_CODENAME`, such as `bookworm`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub codename: Option<String>,
    /// `PRETTY_NAME`, for people to read.
    pub pretty_name: String,
}

impl Distro {
    /// `debian-12`, or with the code name where there is no version.
    fn release(&self) -> Option<String> {
        let release = if self.version_id.is_empty() {
            self.codename.as_deref()
        } else {
            Some(self.version_id.as_str())
        };
        release
            .filter(|release| !release.is_empty())
            .map(|release| format!("{}-{release}", self.id))
    }
}

impl fmt::Display for Distro {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.pretty_name.is_empty() {
            write!(f, "{} {}", self.id, self.version_id)
        } else {
            f.pad(&self.pretty_name)
        }
    }
}

/// A Python project name in the one form that the index compares: lower case, and each run of `-`, `_` and `.` one `-`.
#[must_use]
pub fn pep503(name: &str) -> String {
    // PEP 503, "Normalized Names"
    let is_separator = |c: char| matches!(c, '-' | '_' | '.');
    let mut out = String::with_capacity(name.len());
    for c in name.chars() {
        if !is_separator(c) {
            out.push(c.to_ascii_lowercase());
        } else if !out.ends_with('-') {
            out.push('-');
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(kind: PackageKind, name: &str, version: &str) -> Package {
        Package {
            kind,
            name: name.into(),
            version: version.into(),
            architecture: None,
            source: None,
            licences: vec![],
            path: "p".into(),
            owner: None,
        }
    }

    fn debian(version_id: &str, codename: Option<&str>) -> Distro {
        let codename = codename.map(str::to_owned);
        Distro {
            id: "debian".into(),
            version_id: version_id.into(),
            codename,
            pretty_name: String::new(),
        }
    }

    #[test]
    fn purl_of_each_kind() {
        let mut deb = package(PackageKind::Deb, "libstdc++6", "1:12.2.0-14+b1");
        deb.architecture = Some("amd64".into());
        for (package, distro, expect) in [
            (
                &deb,
                Some(debian("12", Some("bookworm"))),
                "pkg:deb/debian/libstdc%2B%2B6@1:12.2.0-14%2Bb1?arch=amd64&distro=debian-12",
            ),
            (
                &deb,
                Some(debian("", Some("sid"))),
                "pkg:deb/debian/libstdc%2B%2B6@1:12.2.0-14%2Bb1?arch=amd64&distro=debian-sid",
            ),
            (
                &deb,
                Some(debian("", None)),
                "pkg:deb/debian/libstdc%2B%2B6@1:12.2.0-14%2Bb1?arch=amd64",
            ),
            (
                &deb,
                None,
                "pkg:deb/libstdc%2B%2B6@1:12.2.0-14%2Bb1?arch=amd64",
            ),
            (
                &package(PackageKind::PyPi, "Ruamel._Yaml", "0.1"),
                None,
                "pkg:pypi/ruamel-yaml@0.1",
            ),
            (
                &package(PackageKind::Npm, "@angular/core", "1.0.0"),
                None,
                "pkg:npm/%40angular/core@1.0.0",
            ),
            (
                &package(PackageKind::Npm, "left-pad", "1.0.0"),
                None,
                "pkg:npm/left-pad@1.0.0",
            ),
        ] {
            assert_eq!(package.purl(distro.as_ref()).to_string(), expect);
        }
    }

    #[test]
    fn pep503_names() {
        for (name, expect) in [
            ("Django", "django"),
            ("zope.interface", "zope-interface"),
            ("a--b__c..d-_.e", "a-b-c-d-e"),
            ("friendly-bard", "friendly-bard"),
        ] {
            assert_eq!(pep503(name), expect);
            assert_eq!(pep503(expect), expect);
        }
    }
}
