//! The one door to the file system: a zip, a folder or a file of feed records becomes a batch.
//!
//! One bad record never fails an import: it is skipped, with its file and the reason. Files are
//! recognised by their content; in folders and archives only those with a fitting name are looked
//! at, so that readme files and licences are not reported. Nothing is written or fetched.

mod archive;
mod source;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{Read, Seek};
use std::path::{Path, PathBuf};

pub use archive::read_zip;

use crate::decode::{self, DecodeError, Document};
use crate::{Advisory, Ecosystem};

/// What a source may hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one file or archive member, uncompressed; a larger one is skipped.
    pub file_bytes_max: u64,
    /// Bytes of all files together, uncompressed.
    pub total_bytes_max: u64,
    /// Files and archive members, looked at or not.
    pub files_max: u64,
    /// Levels of folders.
    pub depth_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            file_bytes_max: 256 << 20,
            total_bytes_max: 16 << 30,
            files_max: 2_000_000,
            depth_max: 32,
        }
    }
}

/// What was read from one source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// The records; of several revisions of one record only the newest, sorted by source and id.
    pub advisories: Vec<Advisory>,
    /// CVE ids that are known to be exploited.
    pub known_exploited: BTreeSet<String>,
    /// What was not read: the file (and the entry in it), and why.
    pub skipped: Vec<(String, String)>,
    /// Files and archive members that were read.
    pub files: u64,
    /// Records by ecosystem (without its release) that are kept but not matched.
    pub unmatched: BTreeMap<String, u64>,
}

/// Why a whole source cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The source does not open or read.
    #[error("cannot read `{}`; check that it exists and may be read", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// The operating system's answer.
        #[source]
        source: std::io::Error,
    },
    /// The source is a zip archive that is damaged as a whole.
    #[error("`{name}` is not a zip archive that can be read")]
    Archive {
        /// The archive.
        name: String,
        /// What is wrong with it.
        #[source]
        source: zip::result::ZipError,
    },
    /// The source holds more than is allowed.
    #[error("limit exceeded: `{name}` holds more than {max} {what}; import it in parts")]
    LimitExceeded {
        /// The source.
        name: String,
        /// What there is too much of.
        what: &'static str,
        /// The limit.
        max: u64,
    },
}

/// Reads a zip archive, a folder with all below it, or a single file.
///
/// Symbolic links inside a folder and names that begin with a dot are passed over.
pub fn read_path(path: &Path, limits: &Limits) -> Result<Batch, ImportError> {
    let mut import = Import::new(&path.display().to_string(), limits);
    let metadata = std::fs::metadata(path).map_err(|source| read_error(path, source))?;
    if metadata.is_dir() {
        import.folder(path)?;
    } else {
        File::open(path).map_err(|source| read_error(path, source))?;
        import.file(path, &path.display().to_string())?;
    }
    Ok(import.finish())
}

/// Reads one document that is already in memory, called `name` in reports: an OSV record in JSON or
/// YAML, Debian's tracker, or the list of known exploited weaknesses.
pub fn read_bytes(name: &str, bytes: &[u8]) -> Batch {
    let mut import = Import::new(name, &Limits::default());
    import.document(name, bytes);
    import.finish()
}

/// An import under way.
struct Import {
    source: String,
    limits: Limits,
    bytes_left: u64,
    files_left: u64,
    batch: Batch,
    /// The archive, folder or file that is read from.
    container: String,
    /// OSV's records by container: what they have in common names their source.
    osv: BTreeMap<String, Vec<Advisory>>,
    skipped_more: u64,
}

impl Import {
    fn new(source: &str, limits: &Limits) -> Self {
        Self {
            source: source.to_owned(),
            limits: limits.clone(),
            bytes_left: limits.total_bytes_max,
            files_left: limits.files_max,
            batch: Batch::default(),
            container: source.to_owned(),
            osv: BTreeMap::new(),
            skipped_more: 0,
        }
    }

    fn folder(&mut self, root: &Path) -> Result<(), ImportError> {
        let walk = walkdir::WalkDir::new(root)
            .sort_by_file_name()
            .max_depth(self.limits.depth_max);
        let visible = |entry: &walkdir::DirEntry| entry.depth() == 0 || !is_hidden(entry.path());
        for entry in walk.into_iter().filter_entry(visible) {
            match entry {
                Ok(entry) if entry.file_type().is_file() => {
                    let name = entry.path().strip_prefix(root).unwrap_or(entry.path());
                    self.count_file()?;
                    if is_record(name) || has_extension(name, &["zip"]) {
                        self.file_of_folder(entry.path(), name)?;
                    }
                }
                Ok(_) => {}
                Err(error) => {
                    let name = error.path().unwrap_or(root).display().to_string();
                    self.skip(name, error.to_string());
                }
            }
        }
        Ok(())
    }

    fn file_of_folder(&mut self, path: &Path, name: &Path) -> Result<(), ImportError> {
        let folder = name.parent().unwrap_or(Path::new(""));
        self.container = folder.display().to_string();
        match self.file(path, &name.display().to_string()) {
            Err(ImportError::Archive { name, source }) => {
                self.skip(
                    name,
                    format!("not a zip archive that can be read: {source}"),
                );
                Ok(())
            }
            other => other,
        }
    }

    /// Reads a file of the file system; one that does not read is skipped.
    fn file(&mut self, path: &Path, name: &str) -> Result<(), ImportError> {
        let mut magic = [0; 4];
        let opened = File::open(path).and_then(|mut file| {
            let read = file.read(&mut magic)?;
            file.rewind()?;
            Ok((file, read))
        });
        match opened {
            Ok((file, 4)) if is_zip(magic) => {
                self.container = name.to_owned();
                archive::read_into(self, file, name)
            }
            Ok((file, _)) => self.member(name, file),
            Err(error) => {
                self.skip(name.to_owned(), error.to_string());
                Ok(())
            }
        }
    }

    /// Reads one stream whole, within the limits, and decodes it.
    fn member(&mut self, name: &str, stream: impl Read) -> Result<(), ImportError> {
        let max = self.limits.file_bytes_max;
        let mut bytes = Vec::new();
        let read = stream.take(max.saturating_add(1)).read_to_end(&mut bytes);
        self.count_bytes(bytes.len() as u64)?;
        match read {
            Err(error) => self.skip(name.to_owned(), error.to_string()),
            Ok(length) if length as u64 > max => {
                self.skip(
                    name.to_owned(),
                    format!("limit exceeded: larger than {max} bytes"),
                );
            }
            Ok(_) => self.document(name, &bytes),
        }
        Ok(())
    }

    fn document(&mut self, name: &str, bytes: &[u8]) {
        self.batch.files += 1;
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let decoded = match bytes.trim_ascii_start().first() {
            Some(b'{') => decode::json(bytes),
            Some(b'[') | None => Err(DecodeError::UnknownFormat),
            Some(_) => decode::osv_yaml(bytes).map(|record| Document::Osv(Box::new(record))),
        };
        match decoded {
            Ok(Document::Osv(record)) if record.source == decode::OSV => {
                let container = self.osv.entry(self.container.clone());
                container.or_default().push(*record);
            }
            Ok(Document::Osv(record)) => self.batch.advisories.push(*record),
            Ok(Document::Tracker(mut tracker)) => {
                self.batch.advisories.append(&mut tracker.advisories);
                self.skip_entries(name, tracker.skipped);
            }
            Ok(Document::KnownExploited(mut list)) => {
                self.batch.known_exploited.append(&mut list.ids);
                self.skip_entries(name, list.skipped);
            }
            Err(error) => self.skip(name.to_owned(), error.to_string()),
        }
    }

    fn skip(&mut self, name: String, why: String) {
        if self.batch.skipped.len() < SKIPPED_MAX {
            self.batch.skipped.push((name, why));
        } else {
            self.skipped_more += 1;
        }
    }

    fn skip_entries(&mut self, name: &str, entries: Vec<(String, String)>) {
        entries
            .into_iter()
            .for_each(|(entry, why)| self.skip(format!("{name}: {entry}"), why));
    }

    fn count_file(&mut self) -> Result<(), ImportError> {
        let left = self.files_left.checked_sub(1);
        self.files_left = left.ok_or_else(|| self.exceeded("files", self.limits.files_max))?;
        Ok(())
    }

    fn count_bytes(&mut self, bytes: u64) -> Result<(), ImportError> {
        let left = self.bytes_left.checked_sub(bytes);
        self.bytes_left =
            left.ok_or_else(|| self.exceeded("bytes", self.limits.total_bytes_max))?;
        Ok(())
    }

    fn exceeded(&self, what: &'static str, max: u64) -> ImportError {
        ImportError::LimitExceeded {
            name: self.source.clone(),
            what,
            max,
        }
    }

    fn finish(mut self) -> Batch {
        let mut advisories = std::mem::take(&mut self.batch.advisories);
        for records in std::mem::take(&mut self.osv).into_values() {
            // An old revision plays no part in the name.
            let mut records = newest(records);
            source::name(&mut records);
            advisories.append(&mut records);
        }
        self.batch.advisories = newest(advisories);
        for advisory in &self.batch.advisories {
            for family in unmatched_families(advisory) {
                *self.batch.unmatched.entry(family.to_owned()).or_default() += 1;
            }
        }
        if self.skipped_more > 0 {
            let why = format!("{} more were skipped", self.skipped_more);
            self.batch.skipped.push((self.source, why));
        }
        self.batch
    }
}

/// One record for each source and id, sorted: the newest by its date, and of two with one date the
/// later one. Records without dates (the tracker's) are parts of one: the later wins by package.
fn newest(advisories: Vec<Advisory>) -> Vec<Advisory> {
    let mut records: BTreeMap<(String, String), Advisory> = BTreeMap::new();
    for mut advisory in advisories {
        match records.entry((advisory.source.clone(), advisory.id.clone())) {
            Entry::Vacant(slot) => drop(slot.insert(advisory)),
            Entry::Occupied(mut slot) if slot.get().modified_at <= advisory.modified_at => {
                if advisory.modified_at.is_none() {
                    merge(&mut advisory, slot.get_mut());
                }
                slot.insert(advisory);
            }
            Entry::Occupied(_) => {}
        }
    }
    records.into_values().collect()
}

fn merge(later: &mut Advisory, earlier: &mut Advisory) {
    let known: BTreeSet<_> = later.affected.iter().map(|it| it.package.clone()).collect();
    let kept = std::mem::take(&mut earlier.affected).into_iter();
    later
        .affected
        .extend(kept.filter(|affected| !known.contains(&affected.package)));
    later.severity = later.severity.max(earlier.severity);
}

fn unmatched_families(advisory: &Advisory) -> BTreeSet<&str> {
    let ecosystems = advisory
        .affected
        .iter()
        .map(|affected| &affected.package.ecosystem);
    let names = ecosystems.filter_map(|ecosystem| match ecosystem {
        Ecosystem::Other(name) => name.split(':').next(),
        _ => None,
    });
    names.collect()
}

fn read_error(path: &Path, source: std::io::Error) -> ImportError {
    ImportError::Read {
        path: path.to_owned(),
        source,
    }
}

fn is_zip(magic: [u8; 4]) -> bool {
    // A local file header, or the end record of an empty archive.
    matches!(&magic, b"PK\x03\x04" | b"PK\x05\x06")
}

fn is_record(path: &Path) -> bool {
    has_extension(path, &["json", "yaml", "yml"])
}

fn is_hidden(path: &Path) -> bool {
    path.file_name()
        .is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
}

fn has_extension(path: &Path, extensions: &[&str]) -> bool {
    let extension = path
        .extension()
        .and_then(|extension| extension.to_str())
        .unwrap_or_default();
    extensions
        .iter()
        .any(|known| known.eq_ignore_ascii_case(extension))
}

const SKIPPED_MAX: usize = 10_000;

#[cfg(test)]
mod tests;
