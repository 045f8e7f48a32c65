//! Somebody who reads a repository again and again, and keeps in between what was believed, also of a state that was refused.

use trust::tuf::Problem;
use trust::tuf::client::Remembered;
use trust::tuf::standard::{Believed, Client};

use super::StandardRepository;

/// A reader with a memory.
#[derive(Debug, Clone)]
pub struct Reader {
    root: Vec<u8>,
    remembered: Remembered,
    /// What was fetched last, by name.
    pub fetched: Vec<String>,
}

impl Reader {
    /// A reader who was given the first root.
    #[must_use]
    pub fn of(repository: &StandardRepository) -> Self {
        Self::with(repository.first_root())
    }

    /// A reader who was given a root.
    #[must_use]
    pub fn with(root: Vec<u8>) -> Self {
        Self {
            root,
            remembered: Remembered::default(),
            fetched: Vec::new(),
        }
    }

    /// Reads the newest state.
    pub fn read(&mut self, repository: &StandardRepository, now: i64) -> Result<Believed, Problem> {
        self.fetched.clear();
        let mut client = Client::new(self.root.clone(), self.remembered.clone(), now)?;
        let mut refused = None;
        while let Some(file) = client.next() {
            let answer = repository.served.get(&file.path).cloned();
            self.fetched.push(file.path);
            refused = client.feed(answer).err();
        }
        self.remembered = client.remember();
        self.root = client.root().bytes().to_vec();
        let believed = client.finish();
        assert_eq!(refused.as_ref(), believed.as_ref().err());
        believed
    }

    /// Reads the newest state and looks for a target. The answer is who describes it, and its SHA-256.
    pub fn find(
        &mut self,
        repository: &StandardRepository,
        target: &str,
        now: i64,
    ) -> Result<Option<(String, String)>, Problem> {
        let mut believed = self.read(repository, now)?;
        let mut search = believed.search(target);
        while let Some(file) = search.next() {
            let answer = repository.served.get(&file.path).cloned();
            self.fetched.push(file.path);
            search.feed(answer)?;
        }
        let found = search.finish()?.map(|found| {
            let hash = found.file.sha256_hex().unwrap_or_default();
            (found.role.to_string(), hash)
        });
        self.remembered = believed.remember();
        Ok(found)
    }
}
