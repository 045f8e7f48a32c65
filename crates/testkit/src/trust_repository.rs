//! A trust repository with everybody around it: an owner, signers, a server, a mirror that lies, and readers. Each attack is a few lines
//! of what they do. Honest steps go through the product's own publishing; what a thief or a mirror does goes past it.

#![expect(
    clippy::expect_used,
    reason = "a simulator: an honest step that is refused is a failed test"
)]

mod mirror;
mod raw;
mod reader;

use std::collections::BTreeMap;
use std::sync::Arc;

use trust::tuf::author::{self, BaseKeys};
use trust::tuf::publish::{Current, File, Held, Refusal, resign, validate};
use trust::tuf::{
    Content, FileMeta, Gun, Key, RoleName, Root, Signed, Snapshot, Targets, Timestamp,
};
use trust::{Algorithm, PrivateKey, Signer};

pub use mirror::Mirror;
pub use raw::Raw;
pub use reader::Reader;

/// When every story begins, in milliseconds since 1970: a day in 2026.
pub const START: i64 = 1_795_608_000_000;
/// In milliseconds.
pub const DAY: i64 = 24 * 60 * 60 * 1000;

/// A repository, its server, and the private keys of everybody.
#[derive(Debug, Clone)]
pub struct TrustRepository {
    gun: Gun,
    /// The time for everybody, in milliseconds since 1970.
    pub now: i64,
    /// The server's own keys.
    pub held: Held,
    current: Current,
    stored: Vec<File>,
    ring: Vec<Arc<PrivateKey>>,
}

impl TrustRepository {
    /// A repository that its owner has just initialised, as docker does: the server signs snapshot and timestamp, and nothing is listed.
    ///
    /// # Panics
    /// Where an honest step is refused; so do all others.
    #[must_use]
    pub fn new(gun: &str) -> Self {
        let mut repository = Self::empty(gun);
        let (root, targets) = repository.first_files();
        repository
            .post(vec![root, targets])
            .expect("a first update is taken");
        repository
    }

    /// A server that knows the name and has made its keys, and no more.
    #[must_use]
    pub fn empty(gun: &str) -> Self {
        let mut repository = Self {
            gun: Gun::parse(gun).expect("a name"),
            now: START,
            held: Held::default(),
            current: Current::new(),
            stored: Vec::new(),
            ring: Vec::new(),
        };
        let snapshot = repository.new_key(Algorithm::Ed25519);
        let timestamp = repository.new_key(Algorithm::Ed25519);
        repository.held.snapshot.push(snapshot);
        repository.held.timestamp.push(timestamp);
        repository
    }

    /// The first `root` and `targets`, signed by a new owner.
    #[must_use]
    pub fn first_files(&mut self) -> ((RoleName, Vec<u8>), (RoleName, Vec<u8>)) {
        let root_key = self.new_root_key();
        let targets_key = self.new_key(Algorithm::EcdsaP256);
        let keys = BaseKeys {
            root: std::slice::from_ref(&root_key),
            targets: std::slice::from_ref(&targets_key),
            snapshot: &self.held.snapshot,
            timestamp: &self.held.timestamp,
        };
        let root = author::first_root(&keys, self.now);
        let targets = author::first_targets(self.now);
        (
            (RoleName::Root, self.sign(&root, &[root_key])),
            (RoleName::Targets, self.sign(&targets, &[targets_key])),
        )
    }

    /// Its name.
    #[must_use]
    pub fn gun(&self) -> &Gun {
        &self.gun
    }

    /// What readers are given now.
    #[must_use]
    pub fn current(&self) -> &Current {
        &self.current
    }

    /// Every file that was ever stored, in its order.
    #[must_use]
    pub fn stored(&self) -> &[File] {
        &self.stored
    }

    /// A new key; whoever has the repository can sign with it.
    #[must_use]
    pub fn new_key(&mut self, algorithm: Algorithm) -> Key {
        let signer = PrivateKey::generate(algorithm).expect("a key");
        let key = Key::from(signer.public_key());
        self.ring.push(Arc::new(signer));
        key
    }

    /// A new root key in a certificate for the repository.
    #[must_use]
    pub fn new_root_key(&mut self) -> Key {
        let gun = self.gun.clone();
        self.new_root_key_for(&gun)
    }

    /// A new root key in a certificate for any repository.
    #[must_use]
    pub fn new_root_key_for(&mut self, gun: &Gun) -> Key {
        let signer = PrivateKey::generate(Algorithm::EcdsaP256).expect("a key");
        let key = author::root_key(gun, &signer, self.now).expect("a certificate");
        self.ring.push(Arc::new(signer));
        key
    }

    /// A file, signed for these keys.
    #[must_use]
    pub fn sign(&self, content: &impl Content, keys: &[Key]) -> Vec<u8> {
        author::sign(content, keys, &self.signers()).expect("whoever may sign has a key here")
    }

    /// A file of anything, signed for these keys: for what no honest publisher writes.
    #[must_use]
    pub fn sign_raw(&self, signed: serde_json::Value, keys: &[Key]) -> Vec<u8> {
        self.sign(&Raw(signed), keys)
    }

    /// The current root.
    #[must_use]
    pub fn root(&self) -> Root {
        self.content(&RoleName::Root)
    }

    /// The current snapshot.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.content(&RoleName::Snapshot)
    }

    /// The current file of `targets` or a delegation; its first if there is none yet.
    #[must_use]
    pub fn targets(&self, role: &str) -> Targets {
        let role = RoleName::parse(role).expect("a role");
        match self.current.file(&role) {
            Some(_) => self.content(&role),
            None => author::first_targets(self.now),
        }
    }

    /// The keys of a role, as the root or the role above names them.
    #[must_use]
    pub fn keys_of(&self, role: &str) -> Vec<Key> {
        let role = RoleName::parse(role).expect("a role");
        let Some(parent) = role.parent() else {
            return self.root().keys_of(&role).cloned().collect();
        };
        let delegations = self.targets(parent.as_str()).delegations;
        let delegated = delegations.role(&role).expect("a delegated role");
        let ids = delegated.keys.keyids.iter();
        ids.map(|id| delegations.keys.get(id).expect("a listed key").clone())
            .collect()
    }

    /// The next file of `targets` or a delegation, changed and signed by its keys.
    #[must_use]
    pub fn next_targets(
        &self,
        role: &str,
        change: impl FnOnce(&mut Targets),
    ) -> (RoleName, Vec<u8>) {
        let name = RoleName::parse(role).expect("a role");
        let mut targets = self.targets(role);
        if self.current.file(&name).is_some() {
            targets = author::next(&name, targets, self.now);
        }
        change(&mut targets);
        let bytes = self.sign(&targets, &self.keys_of(role));
        (name, bytes)
    }

    /// The next root, changed and signed by the keys of the old and the new one.
    #[must_use]
    pub fn next_root(&self, change: impl FnOnce(&mut Root)) -> (RoleName, Vec<u8>) {
        let old = self.root();
        let mut root = author::next(&RoleName::Root, old.clone(), self.now);
        change(&mut root);
        let mut keys: Vec<Key> = root.keys_of(&RoleName::Root).cloned().collect();
        let left = old.keys_of(&RoleName::Root);
        let left: Vec<Key> = left.filter(|key| !keys.contains(key)).cloned().collect();
        keys.extend(left);
        let bytes = self.sign(&root, &keys);
        (RoleName::Root, bytes)
    }

    /// Sends an update to the server, which takes all of it or nothing.
    pub fn post(&mut self, update: Vec<(RoleName, Vec<u8>)>) -> Result<Vec<File>, Refusal> {
        let accepted = validate(&self.gun, update, &self.current, &self.held, self.now)?;
        let files = accepted
            .seal(&self.signers())
            .expect("the server holds its keys");
        self.store(files.clone());
        Ok(files)
    }

    /// Lets the server sign again what is about to end.
    pub fn resign(&mut self) -> Result<Vec<File>, Refusal> {
        let Some(accepted) = resign(&self.gun, &self.current, &self.held, self.now)? else {
            return Ok(Vec::new());
        };
        let files = accepted
            .seal(&self.signers())
            .expect("the server holds its keys");
        self.store(files.clone());
        Ok(files)
    }

    /// A signer puts a tag into `targets` or a delegation.
    pub fn publish(&mut self, role: &str, tag: &str, image: &[u8]) {
        let FileMeta { hashes, length, .. } = FileMeta::of(image);
        let entry = author::image(hashes.sha256.expect("a hash"), length);
        let file = self.next_targets(role, |targets| {
            targets.targets.insert(tag.to_owned(), entry);
        });
        self.post(vec![file]).expect("an honest update is taken");
    }

    /// The role above delegates everything to a role with these keys.
    pub fn delegate(&mut self, role: &str, keys: &[Key], threshold: u32) {
        let name = RoleName::parse(role).expect("a role");
        let parent = name.parent().expect("a delegation");
        let file = self.next_targets(parent.as_str(), |targets| {
            let delegations = &mut targets.delegations;
            delegations.set_role(name, keys, threshold, &[""]);
        });
        self.post(vec![file]).expect("an honest update is taken");
    }

    /// The server makes a new key for its timestamp or snapshot, and the owner a root that names it.
    pub fn rotate_server_key(&mut self, role: &RoleName) {
        let key = self.new_key(Algorithm::Ed25519);
        match role {
            RoleName::Snapshot => self.held.snapshot.push(key.clone()),
            _ => self.held.timestamp.push(key.clone()),
        }
        let file = self.next_root(|root| root.set_role(role, &[key], 1));
        self.post(vec![file]).expect("an honest update is taken");
    }

    /// The owner replaces the root key.
    pub fn rotate_root_key(&mut self) {
        let key = self.new_root_key();
        let file = self.next_root(|root| root.set_role(&RoleName::Root, &[key], 1));
        self.post(vec![file]).expect("an honest update is taken");
    }

    /// Puts files onto the server as they are: what the server would never take, or what a thief of its keys makes.
    pub fn store(&mut self, files: Vec<File>) {
        for file in files {
            self.current.insert(file.role.clone(), file.bytes.clone());
            self.current.insert_latest(file.role.clone(), file.version);
            self.stored.push(file);
        }
        self.drop_unlisted();
    }

    /// Takes over what a real server serves now, so that the next update follows it.
    pub fn follow(&mut self, served: impl IntoIterator<Item = (RoleName, Vec<u8>)>) {
        self.store(served.into_iter().map(file).collect());
    }

    /// What the current snapshot does not list is not current.
    fn drop_unlisted(&mut self) {
        let mut current = Current::new();
        let listed: BTreeMap<RoleName, _> = match self.current.file(&RoleName::Snapshot) {
            Some(_) => self.snapshot().meta,
            None => BTreeMap::new(),
        };
        for file in &self.stored {
            current.insert_latest(file.role.clone(), file.version);
            let stays = match file.role {
                RoleName::Timestamp | RoleName::Snapshot => true,
                _ => listed
                    .get(&file.role)
                    .is_some_and(|meta| meta.matches(&file.bytes)),
            };
            if stays {
                current.insert(file.role.clone(), file.bytes.clone());
            }
        }
        self.current = current;
    }

    fn content<T: Content + Clone>(&self, role: &RoleName) -> T {
        let bytes = self.current.file(role).expect("a file of this role");
        let signed: Signed<T> = Signed::parse(role, bytes.to_vec()).expect("a file of its kind");
        signed.content().clone()
    }

    fn signers(&self) -> Vec<&dyn Signer> {
        self.ring.iter().map(|key| &**key as &dyn Signer).collect()
    }
}

/// A file as a server stores it.
fn file((role, bytes): (RoleName, Vec<u8>)) -> File {
    let (version, expires) = match role {
        RoleName::Root => times::<Root>(&role, &bytes),
        RoleName::Snapshot => times::<Snapshot>(&role, &bytes),
        RoleName::Timestamp => times::<Timestamp>(&role, &bytes),
        RoleName::Targets | RoleName::Delegation(_) => times::<Targets>(&role, &bytes),
    };
    let sha256 = FileMeta::of(&bytes).hashes.sha256.expect("a hash");
    File {
        role,
        version,
        expires,
        sha256,
        bytes,
    }
}

fn times<T: Content>(role: &RoleName, bytes: &[u8]) -> (i64, i64) {
    let signed: Signed<T> = Signed::parse(role, bytes.to_vec()).expect("a file of its kind");
    (signed.content().version(), signed.content().expires())
}
