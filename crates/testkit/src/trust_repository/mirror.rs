//! Who stands between a repository and its readers: answers what the repository has, unless told otherwise.

use std::collections::BTreeMap;

use trust::tuf::{FileMeta, RoleName};

use super::TrustRepository;

/// A mirror of one state of a repository. It may hold back, replace and invent files, and has no keys.
#[derive(Debug, Clone)]
pub struct Mirror {
    repository: TrustRepository,
    replaced: BTreeMap<String, Option<Vec<u8>>>,
}

impl Mirror {
    /// A mirror of a repository as it is now; it does not follow.
    #[must_use]
    pub fn of(repository: &TrustRepository) -> Self {
        Self {
            repository: repository.clone(),
            replaced: BTreeMap::new(),
        }
    }

    /// Answers another file under a name.
    #[must_use]
    pub fn replacing(mut self, path: &str, bytes: Vec<u8>) -> Self {
        self.replaced.insert(path.to_owned(), Some(bytes));
        self
    }

    /// Claims that there is no such file.
    #[must_use]
    pub fn without(mut self, path: &str) -> Self {
        self.replaced.insert(path.to_owned(), None);
        self
    }

    /// The file of a name below `_trust/tuf/`.
    #[must_use]
    pub fn answer(&self, path: &str) -> Option<Vec<u8>> {
        if let Some(replaced) = self.replaced.get(path) {
            return replaced.clone();
        }
        let name = path.strip_suffix(".json")?;
        if let Some(version) = name.strip_suffix(".root") {
            return self.by_version(version.parse().ok()?);
        }
        match name.rsplit_once('.') {
            Some((role, hash)) => self.by_hash(&RoleName::parse(role).ok()?, hash),
            None => {
                let role = RoleName::parse(name).ok()?;
                self.repository.current().file(&role).map(<[u8]>::to_vec)
            }
        }
    }

    fn by_version(&self, version: i64) -> Option<Vec<u8>> {
        let mut files = self.repository.stored().iter();
        let file = files.find(|file| file.role == RoleName::Root && file.version == version)?;
        Some(file.bytes.clone())
    }

    fn by_hash(&self, role: &RoleName, hash: &str) -> Option<Vec<u8>> {
        let mut files = self.repository.stored().iter();
        let is = |bytes: &[u8]| FileMeta::of(bytes).sha256_hex().as_deref() == Some(hash);
        let file = files.find(|file| file.role == *role && is(&file.bytes))?;
        Some(file.bytes.clone())
    }
}
