//! What this machine has believed of a trust repository: the root that the next one must follow from, and the versions that nothing goes
//! back behind. Where there is nothing, docker's own memory of the root will do. Deliberately no keys.

use crate::context;
use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use trust::tuf::client::Remembered;
use trust::tuf::{Gun, METADATA_BYTES_MAX, RoleName};

/// The place for one repository.
#[derive(Debug)]
pub(super) struct Memory {
    gun: Gun,
    path: PathBuf,
}

/// What was believed, the last time that everything was, and the newest root, which may have come since.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) newest_root: Option<Vec<u8>>,
    pub(super) remembered: Remembered,
}

impl Known {
    /// Everything of one moment.
    pub(super) fn all(remembered: Remembered) -> Self {
        Self {
            newest_root: remembered.root.clone(),
            remembered,
        }
    }
}

/// The file: each file of the repository in base64.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Kept {
    gun: String,
    newest_root: Option<String>,
    root: Option<String>,
    timestamp: Option<String>,
    snapshot: Option<String>,
    targets: BTreeMap<String, String>,
}

impl Memory {
    pub(super) fn of(gun: &Gun) -> Result<Self> {
        Ok(Self::at(&super::keyring::folder()?.join("known"), gun))
    }

    /// A name of a repository may be longer than that of a file.
    fn at(folder: &Path, gun: &Gun) -> Self {
        let name = oci::Digest::sha256(gun.as_str().as_bytes());
        Self {
            gun: gun.clone(),
            path: folder.join(format!("{}.json", name.hex())),
        }
    }

    /// Where it is kept.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// What was believed; nothing where there is no file.
    pub(super) fn load(&self) -> Result<Known> {
        let bytes = match fs::read(&self.path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Known::default());
            }
            Err(error) => {
                return Err(error)
                    .with_context(|| format!("cannot read `{}`", self.path.display()));
            }
        };
        self.read(&bytes).with_context(|| {
            format!(
                "`{}` is damaged; remove it, and the next root is taken as the server gives it",
                self.path.display()
            )
        })
    }

    fn read(&self, bytes: &[u8]) -> Result<Known> {
        let kept: Kept = serde_json::from_slice(bytes)?;
        let decoded = |text: Option<String>| text.map(|text| STANDARD.decode(text)).transpose();
        let mut targets = BTreeMap::new();
        for (role, text) in kept.targets {
            targets.insert(role.parse::<RoleName>()?, STANDARD.decode(text)?);
        }
        Ok(Known {
            newest_root: decoded(kept.newest_root)?,
            remembered: Remembered {
                root: decoded(kept.root)?,
                timestamp: decoded(kept.timestamp)?,
                snapshot: decoded(kept.snapshot)?,
                targets,
            },
        })
    }

    /// Writes the file whole, then renames it into place.
    pub(super) fn save(&self, known: &Known) -> Result<()> {
        let remembered = &known.remembered;
        let encoded = |bytes: &Option<Vec<u8>>| bytes.as_ref().map(|bytes| STANDARD.encode(bytes));
        let targets = remembered.targets.iter();
        let kept = Kept {
            gun: self.gun.to_string(),
            newest_root: encoded(&known.newest_root),
            root: encoded(&remembered.root),
            timestamp: encoded(&remembered.timestamp),
            snapshot: encoded(&remembered.snapshot),
            targets: targets
                .map(|(role, bytes)| (role.to_string(), STANDARD.encode(bytes)))
                .collect(),
        };
        let failed = || format!("cannot write `{}`", self.path.display());
        if let Some(folder) = self.path.parent() {
            fs::create_dir_all(folder).with_context(failed)?;
        }
        let draft = self.path.with_extension(format!("{}", std::process::id()));
        let mut file = fs::File::create(&draft).with_context(failed)?;
        file.write_all(&serde_json::to_vec_pretty(&kept)?)?;
        file.sync_all()?;
        fs::rename(&draft, &self.path).with_context(failed)
    }

    /// Forgets everything.
    pub(super) fn forget(&self) -> Result<()> {
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("cannot remove `{}`", self.path.display()))
            }
            _ => Ok(()),
        }
    }

    /// The root that docker believed, where docker has read this repository.
    pub(super) fn root_of_docker(&self) -> Option<Vec<u8>> {
        let folder = context::docker_folder()?.join("trust/tuf");
        let path = folder.join(self.gun.as_str()).join("metadata/root.json");
        let mut bytes = Vec::new();
        let file = fs::File::open(path).ok()?;
        file.take(bytes_max()).read_to_end(&mut bytes).ok()?;
        Some(bytes)
    }
}

/// Nothing longer is a file of a trust repository.
pub(super) fn bytes_max() -> u64 {
    u64::try_from(METADATA_BYTES_MAX).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_reads_back_and_can_be_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let gun = Gun::parse("registry.example:5000/shop/web").unwrap();
        let memory = Memory::at(&folder.path().join("known"), &gun);
        assert_eq!(memory.load().unwrap(), Known::default());
        let alice: RoleName = "targets/alice".parse().unwrap();
        let mut known = Known::all(Remembered {
            root: Some(b"root".to_vec()),
            timestamp: None,
            snapshot: Some(vec![0, 255]),
            targets: BTreeMap::from([(alice, b"{}".to_vec())]),
        });
        assert_eq!(known.newest_root.as_deref(), Some(&b"root"[..]));
        known.newest_root = Some(b"another root".to_vec());
        memory.save(&known).unwrap();
        assert_eq!(memory.load().unwrap(), known);
        fs::write(memory.path(), "{").unwrap();
        assert!(memory.load().unwrap_err().to_string().contains("damaged"));
        memory.forget().unwrap();
        memory.forget().unwrap();
        assert_eq!(memory.load().unwrap(), Known::default());
    }
}
