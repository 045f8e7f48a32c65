//! Turns a sequence of files into the inventory of a layer, whatever they come from: the archive of a layer, or a
//! folder that somebody walks.
//!
//! It decides what an entry means among the others: which is looked into, which is a whiteout, which replaces an
//! earlier one, where a name really leads when it goes through a symbolic link of the same layer. It opens nothing and
//! follows nothing outside what it was offered. image-spec `layer.md`, "Whiteouts" and "Applying Changesets".

use std::io::{self, Read};

use oci::Digest;
use sbom::{LayerInventory, Problem, ProblemKind};

use crate::cataloger::{self, Cataloger, File, Finding};
use crate::facts::{self, ENTRY_BYTES, Facts};
use crate::layer::SCANNER_VERSION;
use crate::limits::Limits;
use crate::path;
use crate::problems::Problems;

mod links;
mod replaced;

use links::Links;
use replaced::Replaced;

/// Collects the facts of one layer or one folder.
///
/// ```
/// use scanner::{Collector, EntryKind, Limits, merge};
///
/// let mut collector = Collector::new(&Limits::default());
/// let metadata = b"Metadata-Version: 2.1\nName: Jinja2\nVersion: 2.10\n";
/// let path = "opt/venv/lib/python3.11/site-packages/Jinja2-2.10.dist-info/METADATA";
/// collector.offer(path, EntryKind::File, metadata.len() as u64, &mut metadata.as_slice())?;
/// let digest = oci::Digest::sha256(b"a folder");
/// let inventory = merge(&[collector.finish(digest.clone(), digest)], None);
/// assert_eq!(inventory.components[0].purl.to_string(), "pkg:pypi/jinja2@2.10");
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Collector {
    limits: Limits,
    has_whiteouts: bool,
    facts: Facts,
    links: Links,
    has_forgotten_links: bool,
    problems: Problems,
    whiteouts: Vec<String>,
    opaques: Vec<String>,
    replaced: Replaced,
    entries: u64,
    bytes: u64,
    path: String,
}

/// What an entry is; targets of links are as written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind<'a> {
    /// A regular file.
    File,
    /// A file of which only the parts with content are stored; it is not read.
    SparseFile,
    /// A folder.
    Directory,
    /// A symbolic link to the target.
    Symlink(&'a [u8]),
    /// Another name of the file at the target, which counts from the root.
    HardLink(&'a [u8]),
    /// A device, a pipe, a socket.
    Other,
}

impl Collector {
    /// For a folder or a root file system: nothing in it is a whiteout.
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        Self {
            limits: limits.clone(),
            has_whiteouts: false,
            facts: Facts::new(limits.facts_bytes_max),
            links: Links::new(limits.links_bytes_max),
            has_forgotten_links: false,
            problems: Problems::new(limits.problems_max),
            whiteouts: Vec::new(),
            opaques: Vec::new(),
            replaced: Replaced::new(limits.replaced_max),
            entries: 0,
            bytes: 0,
            path: String::new(),
        }
    }

    /// For the archive of a layer: `.wh.` files remove what earlier layers hold.
    #[must_use]
    pub fn layer(limits: &Limits) -> Self {
        Self {
            has_whiteouts: true,
            ..Self::new(limits)
        }
    }

    /// Takes the next entry. `read` gives its content and is read only when somebody looks into such files; an error
    /// is the reader's, and makes the file an unread one.
    pub fn offer(
        &mut self,
        path: impl AsRef<[u8]>,
        kind: EntryKind<'_>,
        size: u64,
        read: &mut dyn Read,
    ) -> io::Result<()> {
        self.entries += 1;
        self.bytes = self.bytes.saturating_add(size);
        let mut normal = std::mem::take(&mut self.path);
        let result = match self.locate(path.as_ref(), &mut normal) {
            Ok(()) => self.enter(&normal, kind, size, read),
            Err(problem) => {
                self.problems.add(problem);
                Ok(())
            }
        };
        self.path = normal;
        result
    }

    /// The inventory of everything that was offered, under the digests that the caller knows it by.
    #[must_use]
    pub fn finish(mut self, digest: Digest, diff_id: Digest) -> LayerInventory {
        let mut sorted = self.facts.into_sorted();
        self.links.share_documentation(&mut sorted.licences);
        for problem in sorted.problems {
            self.problems.add(problem);
        }
        for list in [&mut self.whiteouts, &mut self.opaques] {
            list.sort_unstable();
            list.dedup();
        }
        LayerInventory {
            problems: self.problems.finish(&digest),
            digest,
            diff_id,
            scanner_version: SCANNER_VERSION,
            entries: self.entries,
            bytes: self.bytes,
            databases: sorted.databases,
            packages: sorted.packages,
            os_release: sorted.os_release,
            ownership: sorted.ownership,
            os_licences: sorted.licences.into_iter().collect(),
            whiteouts: self.whiteouts,
            opaques: self.opaques,
            replaced: self.replaced.finish(),
        }
    }

    /// Notes something about the layer as a whole.
    pub(crate) fn add_problem(&mut self, kind: ProblemKind, detail: impl Into<String>) {
        self.problems.add(Problem {
            kind,
            detail: detail.into(),
            path: None,
            layer: None,
        });
    }

    fn locate(&mut self, name: &[u8], normal: &mut String) -> Result<(), Problem> {
        let located = path::normalise(name, self.limits.path_bytes_max, normal).and_then(|()| {
            self.links
                .resolve_parent(normal, self.limits.path_bytes_max)
        });
        located.map_err(|bad| {
            let kind = match bad {
                path::BadPath::TooLong(_) => ProblemKind::LimitExceeded,
                path::BadPath::LeavesRoot | path::BadPath::Nul | path::BadPath::LinkLoop => {
                    ProblemKind::BrokenLayer
                }
            };
            let name = name
                .get(..name.len().min(NAME_BYTES_SHOWN))
                .unwrap_or_default()
                .escape_ascii();
            Problem {
                kind,
                detail: format!("the entry `{name}` {bad}; it was left out"),
                path: None,
                layer: None,
            }
        })
    }

    fn enter(
        &mut self,
        path: &str,
        kind: EntryKind<'_>,
        size: u64,
        read: &mut dyn Read,
    ) -> io::Result<()> {
        if path.is_empty() || (self.has_whiteouts && self.take_whiteout(path)) {
            return Ok(());
        }
        if self.replaced.folders_above(path) && self.has_forgotten_links {
            self.add_limit_problem("symbolic links, and an entry may go through one of the others");
        }
        if kind == EntryKind::Directory {
            self.replaced.folder(path);
            self.facts.forget(path);
            self.links.forget(path);
            if let Some(cataloger) = cataloger::for_path(path).filter(|_| path == DATABASE) {
                self.set(
                    path,
                    cataloger.unread(path, ProblemKind::UnreadableDatabase, "a folder".to_owned()),
                );
            }
            return Ok(());
        }
        self.facts.forget_below(path);
        self.replaced.no_folder(path);
        self.has_forgotten_links |= self.links.forget_below(path);
        if let EntryKind::Symlink(target) = kind {
            self.enter_link(path, target);
        } else {
            self.links.forget(path);
        }
        match cataloger::for_path(path) {
            Some(cataloger) => self.look_into(cataloger, path, kind, size, read),
            None => Ok(()),
        }
    }

    // A link that does not fit is known as no folder at least, so that an entry that goes through it is noticed.
    fn enter_link(&mut self, path: &str, target: &[u8]) {
        if self.links.set(path, target).is_err() {
            self.has_forgotten_links = true;
            if self.replaced.is_full() {
                self.add_limit_problem("symbolic links");
            }
        }
    }

    fn look_into(
        &mut self,
        cataloger: &dyn Cataloger,
        path: &str,
        kind: EntryKind<'_>,
        size: u64,
        read: &mut dyn Read,
    ) -> io::Result<()> {
        let limit = self.limits.file_bytes_max;
        let unread =
            |why: &str| cataloger.unread(path, ProblemKind::UnreadableMetadata, why.to_owned());
        let finding = match kind {
            EntryKind::File if size > limit => {
                let why = format!("{size} bytes, over the limit of {limit}");
                cataloger.unread(path, ProblemKind::LimitExceeded, why)
            }
            EntryKind::File => {
                let mut content = read.take(limit);
                let room = self.facts.room();
                match cataloger.read(&mut File {
                    path,
                    content: &mut content,
                    limits: &self.limits,
                    room,
                }) {
                    Ok(finding) => finding,
                    Err(error) => {
                        self.set(path, unread(&format!("it cannot be read: {error}")));
                        return Err(error);
                    }
                }
            }
            EntryKind::Symlink(target) => {
                cataloger.linked(path, &target.escape_ascii().to_string())
            }
            EntryKind::HardLink(target) => self.hard_linked(cataloger, path, target),
            EntryKind::SparseFile => unread("stored as a sparse file, which is not read"),
            EntryKind::Other | EntryKind::Directory => unread("neither file nor link"),
        };
        self.set(path, finding);
        Ok(())
    }

    fn hard_linked(&mut self, cataloger: &dyn Cataloger, path: &str, target: &[u8]) -> Finding {
        let mut normal = String::new();
        let found = path::normalise(target, self.limits.path_bytes_max, &mut normal)
            .and_then(|()| {
                self.links
                    .resolve_parent(&mut normal, self.limits.path_bytes_max)
            })
            .is_ok()
            .then(|| {
                self.facts
                    .finding(&normal)
                    .and_then(|finding| facts::linked(finding, path))
            })
            .flatten();
        found.unwrap_or_else(|| {
            if self.facts.is_silent(&normal) {
                return Finding::Nothing;
            }
            let why = format!(
                "a hard link to `{}`, which was not looked into",
                target.escape_ascii()
            );
            cataloger.unread(path, ProblemKind::UnreadableMetadata, why)
        })
    }

    fn set(&mut self, path: &str, finding: Finding) {
        if self.facts.set(path, finding).is_err() {
            self.add_limit_problem("facts");
        }
    }

    fn add_limit_problem(&mut self, what: &str) {
        let (max, then) = match what {
            "facts" => (self.limits.facts_bytes_max, "; the rest was left out"),
            _ => (self.limits.links_bytes_max, ""),
        };
        let detail = format!("over {max} bytes of {what}{then}");
        self.problems.add_once(Problem {
            kind: ProblemKind::LimitExceeded,
            detail,
            path: None,
            layer: None,
        });
    }

    /// Whether the entry is a mark of the layer format and no file; takes it if it is one.
    fn take_whiteout(&mut self, path: &str) -> bool {
        let (folder, name) = path::split(path);
        let Some(hidden) = name.strip_prefix(WHITEOUT) else {
            return false;
        };
        // What else starts with `.wh..wh.` is the storage driver's own and means nothing in a layer.
        let is_mark = hidden.starts_with(WHITEOUT);
        let list = if name == OPAQUE {
            &mut self.opaques
        } else {
            &mut self.whiteouts
        };
        let target = if name == OPAQUE {
            folder.to_owned()
        } else if is_mark {
            return true;
        } else if matches!(hidden, "" | "." | "..") {
            let detail = "a whiteout of no file; it was left out".to_owned();
            let path = Some(path.to_owned());
            self.problems.add(Problem {
                kind: ProblemKind::BrokenLayer,
                detail,
                path,
                layer: None,
            });
            return true;
        } else if folder.is_empty() {
            hidden.to_owned()
        } else {
            format!("{folder}/{hidden}")
        };
        if self.facts.spend(target.len() + ENTRY_BYTES).is_ok() {
            list.push(target);
        } else {
            self.add_limit_problem("facts");
        }
        true
    }
}

const WHITEOUT: &str = ".wh.";
const OPAQUE: &str = ".wh..wh..opq";
const NAME_BYTES_SHOWN: usize = 200;

const DATABASE: &str = "var/lib/dpkg/status";

#[cfg(test)]
mod tests;
