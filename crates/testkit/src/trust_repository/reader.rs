//! Somebody who reads a repository again and again, and keeps what was believed in between.

use trust::tuf::client::{Anchor, Believed, Client, Remembered};
use trust::tuf::{Gun, Problem};

use super::mirror::Mirror;

/// A reader with a memory.
#[derive(Debug, Clone)]
pub struct Reader {
    gun: Gun,
    anchor: Anchor,
    remembered: Remembered,
    /// What was fetched last, by name.
    pub fetched: Vec<String>,
}

impl Reader {
    /// A reader who believes what the repository answers first.
    #[must_use]
    pub fn new(gun: &Gun) -> Self {
        Self::with(gun, Anchor::FirstUse)
    }

    /// A reader who begins somewhere else.
    #[must_use]
    pub fn with(gun: &Gun, anchor: Anchor) -> Self {
        Self {
            gun: gun.clone(),
            anchor,
            remembered: Remembered::default(),
            fetched: Vec::new(),
        }
    }

    /// Reads, and keeps what was believed. Nothing is kept of what was refused but the newest root.
    pub fn read(&mut self, mirror: &Mirror, now: i64) -> Result<Believed, Problem> {
        self.fetched.clear();
        let anchor = self.anchor.clone();
        let remembered = self.remembered.clone();
        let mut client = Client::new(self.gun.clone(), anchor, remembered, now)?;
        while let Some(fetch) = client.next() {
            let answer = mirror.answer(&fetch.path);
            self.fetched.push(fetch.path);
            let fed = client.feed(answer);
            if let Some(root) = client.root() {
                self.anchor = Anchor::Root(root.bytes().to_vec());
            }
            fed?;
        }
        let believed = client.finish()?;
        self.remembered = believed.remember();
        Ok(believed)
    }
}
