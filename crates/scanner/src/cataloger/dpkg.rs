//! Stanzas of a dpkg package database: which packages are installed, at which version, built from which source.
//!
//! Only a package whose state is `installed` counts, as for `dpkg-query`. A stanza that cannot be read makes the
//! database's `problem`, by name; what can be read is kept. Dependencies and files are not looked at. dpkg(1),
//! "Package states"; Debian Policy 5.3 and 5.6.1.

use std::collections::HashMap;
use std::fmt;
use std::io;

use sbom::{Database, DatabaseKind, Package, PackageKind, SourcePackage};

use super::control::{Line, Lines};
use super::{File, identifier};
use crate::{facts, path};

/// Reads a whole database; `status_is_optional` where a stanza without `Status` is that of an installed package.
pub(super) fn read(
    file: &mut File<'_>,
    kind: DatabaseKind,
    status_is_optional: bool,
) -> io::Result<Database> {
    let mut installed = Installed::new(file.path, file.room);
    let mut lines = Lines::new(file.content);
    let mut stanza = Stanza::new(1, status_is_optional);
    while let Some(line) = lines.next()? {
        if line == Line::Empty {
            let next = Stanza::new(
                stanza.number + u64::from(!stanza.is_empty),
                status_is_optional,
            );
            installed.add(std::mem::replace(&mut stanza, next));
        } else {
            stanza.line(&line);
            if stanza.first_line == 0 {
                stanza.first_line = lines.number();
            }
        }
    }
    installed.add(stanza);
    Ok(installed.finish(kind))
}

/// A database of which nothing could be read.
pub(super) fn unreadable(path: &str, kind: DatabaseKind, why: String) -> Database {
    Database {
        path: path.to_owned(),
        kind,
        packages: Vec::new(),
        problem: Some(why),
    }
}

/// The packages found so far and the stanzas that could not be read.
struct Installed<'a> {
    path: &'a str,
    packages: Vec<Package>,
    /// Where a package is, by the fingerprint of its name and architecture.
    by_name: HashMap<u64, usize>,
    bytes: usize,
    bytes_max: usize,
    defects: Vec<String>,
    defect_count: usize,
}

impl<'a> Installed<'a> {
    fn new(path: &'a str, bytes_max: usize) -> Self {
        Self {
            path,
            packages: Vec::new(),
            by_name: HashMap::new(),
            bytes: 0,
            bytes_max,
            defects: Vec::new(),
            defect_count: 0,
        }
    }

    fn add(&mut self, stanza: Stanza) {
        if stanza.is_empty {
            return;
        }
        if let Some(defect) = &stanza.defect {
            self.note(&stanza, defect);
        }
        match stanza.package(self.path) {
            Ok(Some(package)) => self.insert(&stanza, package),
            Ok(None) => {}
            Err(_) if stanza.defect.is_some() => {}
            Err(defect) => self.note(&stanza, &defect),
        }
    }

    // dpkg itself keeps the last of two stanzas for one package.
    fn insert(&mut self, stanza: &Stanza, package: Package) {
        let architecture = package.architecture.as_deref().unwrap_or_default();
        let key = path::fingerprint(&format!("{}:{architecture}", package.name));
        let known = self
            .by_name
            .get(&key)
            .and_then(|index| self.packages.get_mut(*index));
        if let Some(known) = known {
            let differs = known.version != package.version;
            let earlier = std::mem::replace(known, package).version;
            if differs {
                self.note(stanza, &Defect::Twice { earlier });
            }
            return;
        }
        self.bytes += facts::package_bytes(&package);
        if self.bytes > self.bytes_max {
            self.note(
                stanza,
                &Defect::TooMuch {
                    max: self.bytes_max,
                },
            );
            return;
        }
        self.by_name.insert(key, self.packages.len());
        self.packages.push(package);
    }

    fn note(&mut self, stanza: &Stanza, defect: &Defect) {
        self.defect_count += 1;
        if self.defects.len() < DEFECTS_MAX {
            self.defects.push(format!("{stanza}: {defect}"));
        }
    }

    fn finish(self, kind: DatabaseKind) -> Database {
        let more = self.defect_count - self.defects.len();
        let mut problem = self.defects.join("; ");
        if more > 0 {
            problem.push_str(&format!("; and {more} more"));
        }
        let problem = (!problem.is_empty()).then_some(problem);
        Database {
            path: self.path.to_owned(),
            kind,
            packages: self.packages,
            problem,
        }
    }
}

/// The fields of one stanza that matter.
struct Stanza {
    number: u64,
    first_line: u64,
    is_empty: bool,
    status_is_optional: bool,
    name: Option<String>,
    version: Option<String>,
    architecture: Option<String>,
    source: Option<String>,
    status: Option<String>,
    defect: Option<Defect>,
}

/// Why a stanza is not one of an installed package, when it should be.
#[derive(Debug, PartialEq, Eq)]
enum Defect {
    NotAField,
    Repeated(&'static str),
    Unusable(&'static str),
    Missing(&'static str),
    UnknownState(String),
    Twice { earlier: String },
    TooMuch { max: usize },
}

impl Stanza {
    fn new(number: u64, status_is_optional: bool) -> Self {
        Self {
            number,
            first_line: 0,
            is_empty: true,
            status_is_optional,
            name: None,
            version: None,
            architecture: None,
            source: None,
            status: None,
            defect: None,
        }
    }

    fn line(&mut self, line: &Line<'_>) {
        match line {
            Line::Field { name, value } => self.field(name, value),
            Line::Continuation(_) if !self.is_empty => {}
            _ => self.defect = self.defect.take().or(Some(Defect::NotAField)),
        }
        self.is_empty = false;
    }

    fn field(&mut self, name: &[u8], value: &[u8]) {
        let (label, slot): (&'static str, _) = match name.to_ascii_lowercase().as_slice() {
            b"package" => ("Package", &mut self.name),
            b"version" => ("Version", &mut self.version),
            b"architecture" => ("Architecture", &mut self.architecture),
            b"source" => ("Source", &mut self.source),
            b"status" => ("Status", &mut self.status),
            _ => return,
        };
        let text = std::str::from_utf8(value)
            .ok()
            .filter(|text| is_sound(text));
        let defect = match text {
            _ if slot.is_some() => Some(Defect::Repeated(label)),
            None => Some(Defect::Unusable(label)),
            Some(_) => None,
        };
        if let Some(text) = text.filter(|text| !text.is_empty()) {
            *slot = Some(text.to_owned());
        }
        self.defect = self.defect.take().or(defect);
    }

    /// The package, when it is installed.
    fn package(&self, path: &str) -> Result<Option<Package>, Defect> {
        let name = self.name.as_deref().ok_or(Defect::Missing("Package"))?;
        if !self.is_installed()? {
            return Ok(None);
        }
        let version = self.version.as_deref().ok_or(Defect::Missing("Version"))?;
        let version = identifier(version.as_bytes()).ok_or(Defect::Unusable("Version"))?;
        let (name, suffix) = name
            .split_once(':')
            .map_or((name, None), |(name, arch)| (name, Some(arch)));
        let name = identifier(name.as_bytes()).ok_or(Defect::Unusable("Package"))?;
        let source = match &self.source {
            Some(source) => parse_source(source, version).ok_or(Defect::Unusable("Source"))?,
            None => SourcePackage {
                name: name.to_owned(),
                version: version.to_owned(),
            },
        };
        Ok(Some(Package {
            kind: PackageKind::Deb,
            name: name.to_owned(),
            version: version.to_owned(),
            architecture: self.architecture.as_deref().or(suffix).map(str::to_owned),
            source: Some(source),
            licences: Vec::new(),
            path: path.to_owned(),
            owner: None,
        }))
    }

    fn is_installed(&self) -> Result<bool, Defect> {
        let Some(status) = &self.status else {
            return if self.status_is_optional {
                Ok(true)
            } else {
                Err(Defect::Missing("Status"))
            };
        };
        let mut words = status.split_ascii_whitespace();
        match (words.next(), words.next(), words.next(), words.next()) {
            (Some(_), Some(_), Some("installed"), None) => Ok(true),
            (Some(_), Some(_), Some(state), None) if OTHER_STATES.contains(&state) => Ok(false),
            _ => Err(Defect::UnknownState(status.clone())),
        }
    }
}

impl fmt::Display for Stanza {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "stanza {}", self.number)?;
        if let Some(name) = &self.name {
            write!(f, " (`{}`)", name.escape_debug())?;
        }
        write!(f, " at line {}", self.first_line)
    }
}

impl fmt::Display for Defect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAField => f.write_str("a line that is no field"),
            Self::Repeated(field) => write!(f, "{field} is there twice"),
            Self::Unusable(field) => write!(f, "{field} cannot be read"),
            Self::Missing(field) => write!(f, "no {field}"),
            Self::UnknownState(status) => write!(f, "unknown state `{}`", status.escape_debug()),
            Self::Twice { earlier } => write!(
                f,
                "the package is there twice, the first time at `{earlier}`"
            ),
            Self::TooMuch { max } => {
                write!(f, "over the limit of {max} bytes for the facts of a layer")
            }
        }
    }
}

/// `name` or `name (version)`; without a version, the package's own.
fn parse_source(text: &str, version: &str) -> Option<SourcePackage> {
    let (name, version) = match text.split_once('(') {
        Some((name, version)) => (name, version.trim_end().strip_suffix(')')?),
        None => (text, version),
    };
    let part = |text: &str| identifier(text.trim().as_bytes()).map(str::to_owned);
    Some(SourcePackage {
        name: part(name)?,
        version: part(version)?,
    })
}

fn is_sound(text: &str) -> bool {
    text.len() <= 2 * super::TEXT_BYTES_MAX && !text.contains(char::is_control)
}

// dpkg(1), "Package states".
const OTHER_STATES: [&str; 7] = [
    "not-installed",
    "config-files",
    "half-installed",
    "unpacked",
    "half-configured",
    "triggers-awaited",
    "triggers-pending",
];

const DEFECTS_MAX: usize = 3;
