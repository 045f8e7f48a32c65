//! The files of a layout, in a folder or in a tar archive, by name. An archive is indexed once and read in place; nothing is unpacked.

use anyhow::{Context, Result, bail};
use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::{Component, Path, PathBuf};

/// Bytes read at a time.
const READ_BYTES: usize = 1 << 20;
/// Files of an archive.
const FILES_MAX: usize = 1_000_000;
/// Bytes of a JSON document.
const DOCUMENT_BYTES_MAX: u64 = 16 << 20;
/// Links that are followed: `docker save` of old engines names a shared layer by a link.
const LINKS_MAX: usize = 4;

/// Files by their names.
pub(super) enum Files {
    Folder(PathBuf),
    Archive {
        path: PathBuf,
        entries: HashMap<String, Entry>,
    },
}

/// One file of an archive.
pub(super) enum Entry {
    At { offset: u64, size: u64 },
    Link(String),
}

impl Files {
    pub(super) fn folder(path: &Path) -> Self {
        Self::Folder(path.to_path_buf())
    }

    /// Indexes a tar archive.
    pub(super) fn archive(path: &Path) -> Result<Self> {
        let file = File::open(path).with_context(|| format!("cannot read `{}`", path.display()))?;
        let mut archive = tar::Archive::new(file);
        let mut entries = HashMap::new();
        let unreadable = || format!("`{}` is not a tar archive that can be read", path.display());
        for entry in archive.entries_with_seek().with_context(unreadable)? {
            let entry = entry.with_context(unreadable)?;
            let name = entry
                .path()
                .with_context(unreadable)?
                .to_string_lossy()
                .trim_start_matches("./")
                .to_owned();
            let kind = entry.header().entry_type();
            let found = if kind.is_file() {
                Entry::At {
                    offset: entry.raw_file_position(),
                    size: entry.size(),
                }
            } else if let (true, Ok(Some(target))) =
                (kind.is_symlink() || kind.is_hard_link(), entry.link_name())
            {
                Entry::Link(if kind.is_symlink() {
                    beside(&name, &target)
                } else {
                    target.to_string_lossy().into_owned()
                })
            } else {
                continue;
            };
            entries.insert(name, found);
            if entries.len() > FILES_MAX {
                bail!(
                    "limit exceeded: `{}` holds more than {FILES_MAX} files",
                    path.display()
                );
            }
        }
        Ok(Self::Archive {
            path: path.to_path_buf(),
            entries,
        })
    }

    pub(super) fn has(&self, name: &str) -> bool {
        match self {
            Self::Folder(folder) => folder.join(name).exists(),
            Self::Archive { entries, .. } => entries.contains_key(name),
        }
    }

    /// Opens a file.
    pub(super) fn open(&self, name: &str) -> Result<Box<dyn Read>> {
        match self {
            Self::Folder(folder) => {
                let inside = Path::new(name)
                    .components()
                    .all(|part| matches!(part, Component::Normal(_)));
                if !inside {
                    bail!("`{name}` leads out of the layout");
                }
                let path = folder.join(name);
                let file = File::open(&path)
                    .with_context(|| format!("the layout has no `{}`", path.display()))?;
                Ok(Box::new(BufReader::with_capacity(READ_BYTES, file)))
            }
            Self::Archive { path, entries } => {
                let (offset, size) = locate(entries, name)?;
                let mut file = File::open(path)?;
                file.seek(SeekFrom::Start(offset))?;
                Ok(Box::new(
                    BufReader::with_capacity(READ_BYTES, file).take(size),
                ))
            }
        }
    }

    /// Reads a document whole.
    pub(super) fn document(&self, name: &str) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.open(name)?
            .take(DOCUMENT_BYTES_MAX + 1)
            .read_to_end(&mut bytes)
            .with_context(|| format!("cannot read `{name}`"))?;
        if bytes.len() as u64 > DOCUMENT_BYTES_MAX {
            bail!("limit exceeded: `{name}` is larger than {DOCUMENT_BYTES_MAX} bytes");
        }
        Ok(bytes)
    }
}

fn locate(entries: &HashMap<String, Entry>, name: &str) -> Result<(u64, u64)> {
    let mut name = name;
    for _ in 0..LINKS_MAX {
        match entries.get(name) {
            Some(Entry::At { offset, size }) => return Ok((*offset, *size)),
            Some(Entry::Link(target)) => name = target,
            None => bail!("the archive has no `{name}`"),
        }
    }
    bail!("`{name}` is a link to a link to a link")
}

/// The target of a link beside a file, without `..`.
fn beside(name: &str, target: &Path) -> String {
    let mut parts: Vec<String> = name.split('/').map(str::to_owned).collect();
    parts.pop();
    for part in target.components() {
        match part {
            Component::ParentDir => {
                parts.pop();
            }
            Component::Normal(part) => parts.push(part.to_string_lossy().into_owned()),
            _ => {}
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_of_old_engines() {
        assert_eq!(
            beside("abc/layer.tar", Path::new("../def/layer.tar")),
            "def/layer.tar"
        );
        assert_eq!(beside("layer.tar", Path::new("../../x")), "x");
    }

    #[test]
    fn a_layout_is_not_left() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Files::folder(folder.path()).open("../etc/passwd").is_err());
        assert!(Files::folder(folder.path()).open("/etc/passwd").is_err());
    }
}
