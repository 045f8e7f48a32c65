//! Where a package name has its meaning: ecosystems, and the key under which advisories are found.
//!
//! Not a purl: a key drops everything that does not decide a match (version, architecture, origin).
//! OSV schema, "Defined ecosystems"; PEP 503 for Python names.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A name space of packages with a version order of its own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum Ecosystem {
    /// Debian source packages of one major release, such as `12`.
    Debian(String),
    /// The Python package index.
    PyPi,
    /// The npm registry.
    Npm,
    /// An ecosystem that is read but not matched, by the name its feed gives it.
    Other(String),
}

impl Ecosystem {
    /// Whether components of this ecosystem are matched against advisories.
    pub fn is_matched(&self) -> bool {
        !matches!(self, Self::Other(_))
    }

    /// Reads an ecosystem as OSV names it: `PyPI`, `npm`, `Debian:12`; anything else is `Other`.
    ///
    /// Debian without a release, or with one that has no number yet (`sid`), is `Other`.
    pub fn parse(text: &str) -> Self {
        let (name, release) = text.split_once(':').unwrap_or((text, ""));
        match (name.to_ascii_lowercase().as_str(), release) {
            ("pypi", "") => Self::PyPi,
            ("npm", "") => Self::Npm,
            ("debian", release) => debian_release(release).map_or_else(
                || Self::Other(text.to_owned()),
                |major| Self::Debian(major.into()),
            ),
            _ => Self::Other(text.to_owned()),
        }
    }
}

impl fmt::Display for Ecosystem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Debian(major) => write!(formatter, "Debian:{major}"),
            Self::PyPi => formatter.write_str("PyPI"),
            Self::Npm => formatter.write_str("npm"),
            Self::Other(name) => formatter.write_str(name),
        }
    }
}

impl FromStr for Ecosystem {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self::parse(text))
    }
}

impl From<String> for Ecosystem {
    fn from(text: String) -> Self {
        Self::parse(&text)
    }
}

impl From<Ecosystem> for String {
    fn from(ecosystem: Ecosystem) -> Self {
        ecosystem.to_string()
    }
}

/// The major release that a Debian version number (`12.5`) or code name (`bookworm`) stands for.
pub(crate) fn debian_release(text: &str) -> Option<&str> {
    let major = text.split('.').next().unwrap_or_default();
    if !major.is_empty() && major.len() <= 4 && major.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(major);
    }
    CODENAMES
        .iter()
        .find(|(codename, _)| *codename == text)
        .map(|(_, major)| *major)
}

/// Debian's releases by code name. Sid never gets a number, and is left out on purpose.
const CODENAMES: &[(&str, &str)] = &[
    ("wheezy", "7"),
    ("jessie", "8"),
    ("stretch", "9"),
    ("buster", "10"),
    ("bullseye", "11"),
    ("bookworm", "12"),
    ("trixie", "13"),
    ("forky", "14"),
    ("duke", "15"),
];

/// What an advisory names and a component is looked up by.
///
/// Displayed as `PyPI/django` or `Debian:12/openssl`; parsed back from it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PackageKey {
    /// The name space.
    pub ecosystem: Ecosystem,
    /// The name, normalised as the ecosystem does; for Debian the source package.
    pub name: String,
}

impl PackageKey {
    /// The key of `name` in `ecosystem`, with the name normalised.
    pub fn new(ecosystem: Ecosystem, name: &str) -> Self {
        let name = match ecosystem {
            Ecosystem::PyPi => sbom::pep503(name.trim()),
            _ => name.to_owned(),
        };
        Self { ecosystem, name }
    }
}

impl fmt::Display for PackageKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.ecosystem, self.name)
    }
}

/// Why a package key does not parse.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a package key; write `ECOSYSTEM/NAME`, such as `PyPI/django`")]
pub struct PackageKeyError(String);

impl FromStr for PackageKey {
    type Err = PackageKeyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.split_once('/')
            .filter(|(ecosystem, name)| !ecosystem.is_empty() && !name.is_empty())
            .map(|(ecosystem, name)| Self::new(Ecosystem::parse(ecosystem), name))
            .ok_or_else(|| PackageKeyError(text.to_owned()))
    }
}

/// The key under which advisories for `package` are found, and the version to match.
///
/// Debian packages are matched by their source package, at its version, within the release of
/// `distro`. The answer is `None` when nothing may be matched: the files belong to a package of the
/// operating system (the distribution answers for them, with its own version numbers), or the
/// distribution is not one whose advisories are known.
pub fn package_key(
    package: &sbom::Package,
    distro: Option<&sbom::Distro>,
) -> Option<(PackageKey, String)> {
    if package.owner.is_some() {
        return None;
    }
    let language = |ecosystem| {
        Some((
            PackageKey::new(ecosystem, &package.name),
            package.version.clone(),
        ))
    };
    match package.kind {
        sbom::PackageKind::PyPi => language(Ecosystem::PyPi),
        sbom::PackageKind::Npm => language(Ecosystem::Npm),
        sbom::PackageKind::Deb => {
            let ecosystem = Ecosystem::Debian(release_of(distro?)?.to_owned());
            let (name, version) = match &package.source {
                Some(source) => (&source.name, &source.version),
                None => (&package.name, &package.version),
            };
            Some((PackageKey::new(ecosystem, name), version.clone()))
        }
    }
}

/// Derived distributions rebuild packages under other versions: only Debian itself counts.
fn release_of(distro: &sbom::Distro) -> Option<&str> {
    if distro.id != "debian" {
        return None;
    }
    // Testing has no VERSION_ID until its release.
    debian_release(&distro.version_id).or_else(|| debian_release(distro.codename.as_deref()?))
}

#[cfg(test)]
mod tests;
