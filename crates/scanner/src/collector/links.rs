//! The symbolic links of one layer, so that a name that goes through one of them is known by where it leads. A layer
//! that a runtime unpacks writes through such links; what a lower layer links is not known here.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::cataloger::DOCUMENTATION;
use crate::facts::ENTRY_BYTES;
use crate::path::{self, BadPath};

/// Links by their path.
pub(super) struct Links {
    targets: HashMap<u64, Box<[u8]>>,
    /// Fingerprints of at least every folder above a link.
    folders: HashSet<u64>,
    /// Links from one package's documentation folder to another's.
    documentation: Vec<(String, String)>,
    bytes: usize,
    bytes_max: usize,
    /// The folder that was resolved last, and where it leads: entries come folder by folder.
    last: Option<(String, String)>,
}

/// The links do not fit their bound.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Full;

impl Links {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self {
            targets: HashMap::new(),
            folders: HashSet::new(),
            documentation: Vec::new(),
            bytes: 0,
            bytes_max,
            last: None,
        }
    }

    /// Notes that the entry at `path` is a link to `target`.
    pub(super) fn set(&mut self, path: &str, target: &[u8]) -> Result<(), Full> {
        self.forget(path);
        self.last = None;
        self.spend(target.len() + ENTRY_BYTES)?;
        self.targets.insert(path::fingerprint(path), target.into());
        for folder in path::ancestors(path) {
            if !self.folders.insert(path::fingerprint(folder)) {
                break;
            }
            self.spend(2 * size_of::<u64>())?;
        }
        let package = path.strip_prefix(DOCUMENTATION);
        if let (Some(package), Ok(target)) = (package, std::str::from_utf8(target)) {
            self.spend(path.len() + target.len() + 2 * ENTRY_BYTES)?;
            self.documentation
                .push((package.to_owned(), target.to_owned()));
        }
        Ok(())
    }

    /// Notes that the entry at `path` is no link.
    pub(super) fn forget(&mut self, path: &str) {
        if !self.targets.is_empty() && self.targets.remove(&path::fingerprint(path)).is_some() {
            self.last = None;
        }
    }

    /// Forgets every link if there may be one below `path`, which is no folder any more; returns whether it did. Links
    /// are not kept by name, and hardly any layer does this.
    pub(super) fn forget_below(&mut self, path: &str) -> bool {
        let has_below = !self.folders.is_empty() && self.folders.contains(&path::fingerprint(path));
        if has_below {
            self.targets.clear();
            self.folders.clear();
            self.last = None;
        }
        has_below
    }

    fn spend(&mut self, bytes: usize) -> Result<(), Full> {
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes > self.bytes_max {
            Err(Full)
        } else {
            Ok(())
        }
    }

    /// Replaces the folder of a normalised path by where it leads.
    pub(super) fn resolve_parent(
        &mut self,
        path: &mut String,
        bytes_max: usize,
    ) -> Result<(), BadPath> {
        if self.targets.is_empty() {
            return Ok(());
        }
        let (folder, name) = path::split(path);
        if folder.is_empty() {
            return Ok(());
        }
        let resolved = match &self.last {
            Some((last, resolved)) if last == folder => resolved,
            _ => {
                let resolved = self.resolve(folder, bytes_max)?;
                &self.last.insert((folder.to_owned(), resolved)).1
            }
        };
        if resolved != folder {
            let separator = if resolved.is_empty() { "" } else { "/" };
            *path = format!("{resolved}{separator}{name}");
        }
        Ok(())
    }

    // `..` at the root stays there, as it does for a process inside the image.
    fn resolve(&self, folder: &str, bytes_max: usize) -> Result<String, BadPath> {
        let mut pending: Vec<Part<'_>> = folder.rsplit('/').map(Part::Normal).collect();
        let mut resolved = String::new();
        let mut followed = 0;
        while let Some(part) = pending.pop() {
            match part {
                Part::Raw(b"..") => path::pop(&mut resolved),
                Part::Raw(part) => path::append(part, bytes_max, &mut resolved)?,
                Part::Normal(part) => {
                    resolved.push_str(if resolved.is_empty() { "" } else { "/" });
                    resolved.push_str(part);
                }
            }
            let Some(target) = self.targets.get(&path::fingerprint(&resolved)) else {
                continue;
            };
            followed += 1;
            if followed > FOLLOWED_MAX {
                return Err(BadPath::LinkLoop);
            }
            if target.starts_with(b"/") {
                resolved.clear();
            } else {
                path::pop(&mut resolved);
            }
            pending.extend(target.rsplit(|byte| *byte == b'/').map(Part::Raw));
            if pending.len() > bytes_max || resolved.len() > bytes_max {
                return Err(BadPath::TooLong(bytes_max));
            }
        }
        Ok(resolved)
    }

    /// Gives a package whose documentation folder is a link the licences of the package it links to.
    pub(super) fn share_documentation(&self, licences: &mut BTreeMap<String, Vec<String>>) {
        for (package, target) in &self.documentation {
            let target = target
                .strip_prefix('/')
                .and_then(|path| path.strip_prefix(DOCUMENTATION))
                .unwrap_or(target);
            if let Some(names) = licences
                .get(target)
                .filter(|_| !licences.contains_key(package))
            {
                let names = names.clone();
                licences.insert(package.clone(), names);
            }
        }
    }
}

/// A part of a path still to be walked: of the normalised path, or of a link's target as written.
enum Part<'a> {
    Normal(&'a str),
    Raw(&'a [u8]),
}

/// As many as Linux follows.
const FOLLOWED_MAX: usize = 40;
