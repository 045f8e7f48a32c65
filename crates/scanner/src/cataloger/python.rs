//! Installed Python distributions: `*.dist-info/METADATA`, `*.egg-info` as file or folder, `*.egg/EGG-INFO/PKG-INFO`.
//!
//! Only the header of the file is read, never the description. A header without a usable name or version is completed
//! from the name of the folder, which installers write from the same facts. Core metadata 2.4; PyPA "Recording
//! installed projects".

use std::io;

use sbom::{Package, PackageKind, ProblemKind};

use super::control::{Line, Lines};
use super::{Cataloger, File, Finding, LICENCE_BYTES_MAX, declare_licence, identifier};
use crate::path;

pub(super) struct Python;

impl Cataloger for Python {
    fn claims(&self, path: &str) -> bool {
        is_metadata(path)
    }

    fn read(&self, file: &mut File<'_>) -> io::Result<Finding> {
        let mut header = Header::read(&mut Lines::new(file.content))?;
        let (name, version) =
            stem(file.path).map_or((None, None), |(name, version)| (Some(name), Some(version)));
        let name = header.name.take().or(name.map(str::to_owned));
        let version = header.version.take().or(version.map(str::to_owned));
        let (Some(name), Some(version)) = (name, version) else {
            let why = "a Python distribution without name or version".to_owned();
            return Ok(self.unread(file.path, ProblemKind::UnreadableMetadata, why));
        };
        Ok(Finding::Package(Package {
            kind: PackageKind::PyPi,
            name,
            version,
            architecture: None,
            source: None,
            licences: header.licences(),
            path: file.path.to_owned(),
            owner: None,
        }))
    }
}

/// Whether the path is that of a distribution's metadata.
pub(super) fn is_metadata(path: &str) -> bool {
    let (folder, name) = path::split(path);
    match name {
        "METADATA" => folder.ends_with(".dist-info"),
        "PKG-INFO" => folder.ends_with(".egg-info") || path::split(folder).1 == "EGG-INFO",
        _ => name.ends_with(".egg-info"),
    }
}

/// Name and version from the name of the folder or file: `NAME-VERSION.dist-info`, `NAME-VERSION-py3.11.egg-info`,
/// `NAME-VERSION-py3.11.egg`.
fn stem(path: &str) -> Option<(&str, &str)> {
    let mut parts = path
        .rsplit('/')
        .filter(|part| !matches!(*part, "METADATA" | "PKG-INFO" | "EGG-INFO"));
    let name = parts.next()?;
    let stem = [".dist-info", ".egg-info", ".egg"]
        .iter()
        .find_map(|suffix| name.strip_suffix(suffix))?;
    let dash = stem.match_indices('-').map(|(dash, _)| dash).find(|dash| {
        stem.as_bytes()
            .get(dash + 1)
            .is_some_and(u8::is_ascii_digit)
    })?;
    let version = stem.get(dash + 1..)?.split('-').next()?;
    Some((
        identifier(stem.get(..dash)?.as_bytes())?,
        identifier(version.as_bytes())?,
    ))
}

#[derive(Default)]
struct Header {
    name: Option<String>,
    version: Option<String>,
    expression: Option<String>,
    licence: Option<String>,
    classifiers: Vec<String>,
}

impl Header {
    fn read(lines: &mut Lines<'_>) -> io::Result<Self> {
        let mut header = Self::default();
        let mut in_licence = false;
        while let Some(line) = lines.next()? {
            match line {
                Line::Field { name, value } => {
                    in_licence = name.eq_ignore_ascii_case(b"License");
                    header.field(name, value);
                }
                // A licence of several lines is the text and not a name.
                Line::Continuation(_) if in_licence => header.licence = None,
                Line::Continuation(_) => {}
                // As in Python's own reader, the first line of another form ends the header.
                Line::Empty | Line::Junk => break,
            }
        }
        Ok(header)
    }

    fn field(&mut self, name: &[u8], value: &[u8]) {
        let text = || String::from_utf8_lossy(value).into_owned();
        // Of a field that is there several times, the first counts.
        match name.to_ascii_lowercase().as_slice() {
            b"name" if self.name.is_none() => self.name = identifier(value).map(str::to_owned),
            b"version" if self.version.is_none() => {
                self.version = identifier(value).map(str::to_owned)
            }
            b"license-expression" if value.len() <= LICENCE_BYTES_MAX => {
                self.expression = Some(text())
            }
            b"license" if value.len() <= LICENCE_BYTES_MAX => self.licence = Some(text()),
            b"classifier" => {
                let licence = value
                    .strip_prefix(b"License ::")
                    .and_then(|path| path.rsplit(|byte| *byte == b':').next());
                if let Some(licence) =
                    licence.filter(|licence| licence.trim_ascii() != b"OSI Approved")
                {
                    declare_licence(&String::from_utf8_lossy(licence), &mut self.classifiers);
                }
            }
            _ => {}
        }
    }

    /// The expression; else the licence's name; else what the classifiers say.
    fn licences(self) -> Vec<String> {
        let mut licences = Vec::new();
        for declared in [self.expression, self.licence].into_iter().flatten() {
            if licences.is_empty() && !declared.eq_ignore_ascii_case("unknown") {
                declare_licence(&declared, &mut licences);
            }
        }
        if licences.is_empty() {
            self.classifiers
        } else {
            licences
        }
    }
}
