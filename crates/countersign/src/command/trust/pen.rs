//! Keys that have been opened, and what is signed with them. Each key is opened once, and no more of them than a role needs.

use super::keyring::{Holder, Keyring, Place, Purpose};
use crate::command::key::files;
use anyhow::{Result, bail};
use std::collections::BTreeMap;
use std::path::PathBuf;
use trust::tuf::{Content, Gun, Key, KeyId, RoleName, Root, Targets, author};
use trust::{PrivateKey, Signer};

/// Opened keys.
pub(super) struct Pen {
    keyring: Keyring,
    /// By the key's canonical id.
    opened: BTreeMap<KeyId, PrivateKey>,
}

impl Pen {
    /// Opens the files that were named one by one.
    pub(super) fn new(keyring: Keyring) -> Result<Self> {
        let mut pen = Self {
            keyring,
            opened: BTreeMap::new(),
        };
        let named: Vec<PathBuf> = pen.keyring.files().map(PathBuf::from).collect();
        for path in named {
            pen.add(files::open(&path)?);
        }
        Ok(pen)
    }

    /// Takes a key that is open already, and answers its public half.
    pub(super) fn add(&mut self, key: PrivateKey) -> Key {
        let public = Key::from(key.public_key());
        self.opened.insert(public.id().clone(), key);
        public
    }

    /// Makes a key, and says where it lies.
    pub(super) fn make(
        &mut self,
        purpose: Purpose,
        place: Place,
        gun: &Gun,
    ) -> Result<(Key, PathBuf)> {
        let (key, path) = self.keyring.make(purpose, place, gun)?;
        Ok((self.add(key), path))
    }

    /// The root keys that were made on this machine in a place.
    pub(super) fn roots(&self, place: Place) -> Result<Vec<PathBuf>> {
        self.keyring.roots(place)
    }

    /// Where a key is.
    pub(super) fn holder(&self, key: &Key) -> Option<Holder> {
        self.keyring.holder(key)
    }

    /// An open key.
    pub(super) fn signer(&self, key: &Key) -> Option<&PrivateKey> {
        self.opened.get(&key.canonical_id()?)
    }

    /// Opens the keys that follow a root, before anything is made that is worth nothing without them.
    pub(super) fn open_root(&mut self, before: &Root) -> Result<()> {
        self.enough(&RoleName::Root, before).map(drop)
    }

    /// A root, signed for its own keys and for those of the root before, by which its readers follow.
    pub(super) fn root(&mut self, root: &Root, before: Option<&Root>) -> Result<Vec<u8>> {
        let mut keys = Vec::new();
        for root in before.into_iter().chain([root]) {
            for key in self.enough(&RoleName::Root, root)? {
                if !keys.contains(&key) {
                    keys.push(key);
                }
            }
        }
        self.sign(root, &keys)
    }

    /// `targets`, signed as a root asks.
    pub(super) fn targets(&mut self, targets: &Targets, root: &Root) -> Result<Vec<u8>> {
        let keys = self.enough(&RoleName::Targets, root)?;
        self.sign(targets, &keys)
    }

    /// As many keys of a role as must sign, opened.
    fn enough(&mut self, role: &RoleName, root: &Root) -> Result<Vec<Key>> {
        let needed = root.role(role).map_or(1, |keys| keys.threshold);
        let needed = usize::try_from(needed).unwrap_or(usize::MAX);
        let listed: Vec<&Key> = root.keys_of(role).collect();
        let mut keys: Vec<Key> = Vec::new();
        // Those that are open come first: nobody is asked for a password without need.
        for is_open in [true, false] {
            for key in &listed {
                let is_new = !keys.contains(key);
                if keys.len() < needed && is_new && self.open(role, key, is_open)? {
                    keys.push((*key).clone());
                }
            }
        }
        if keys.len() < needed {
            let ids: Vec<String> = listed.iter().map(|key| shown(key)).collect();
            bail!(
                "{needed} of the {role} keys {} must sign, and {} of them are on this machine: looked in {}; say where they are with \
                 `--keys PATH`, or, if they are lost, see `countersign trust --help`",
                ids.join(", "),
                keys.len(),
                self.keyring.places()
            );
        }
        Ok(keys)
    }

    /// Whether a key is open, or else is opened now.
    fn open(&mut self, role: &RoleName, key: &Key, only_open: bool) -> Result<bool> {
        let Some(id) = key.canonical_id() else {
            return Ok(false);
        };
        if self.opened.contains_key(&id) {
            return Ok(true);
        }
        let Some((_, path)) = self.keyring.find(&id).filter(|_| !only_open) else {
            return Ok(false);
        };
        let opened = files::open_as(&path, &format!("the {role} key {}", id.short()))?;
        let found = Key::from(opened.public_key());
        if *found.id() != id {
            bail!(
                "`{}` holds the key {}, which is not the one that it is named by",
                path.display(),
                found.id()
            );
        }
        self.add(opened);
        Ok(true)
    }

    fn sign(&self, content: &impl Content, keys: &[Key]) -> Result<Vec<u8>> {
        let signers: Vec<&dyn Signer> = self.opened.values().map(|key| key as _).collect();
        Ok(author::sign(content, keys, &signers)?)
    }
}

/// The beginning of the name of a key's file.
pub(super) fn shown(key: &Key) -> String {
    let id = key.canonical_id();
    id.as_ref().unwrap_or(key.id()).short().to_owned()
}
