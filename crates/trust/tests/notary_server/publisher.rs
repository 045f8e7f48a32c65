//! A publisher with a repository of his own on the server.

use std::slice;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;
use testkit::trust_repository::TrustRepository;
use trust::Algorithm;
use trust::tuf::author::{self, BaseKeys};
use trust::tuf::{Content, FileMeta, Gun, Key, RoleName, Root, Targets};

use super::server::Server;

/// The parts of an upload by their file names.
pub(crate) type Parts = Vec<(String, Vec<u8>)>;

/// What was published before the update in question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Before {
    Nothing,
    /// Root and `targets`; the server signs snapshots.
    Published,
    /// The same with a snapshot key of the publisher's, of which nothing was used yet.
    NothingWithSnapshotKey,
    /// The same, published.
    PublishedWithSnapshotKey,
    /// `targets/a` is delegated to so many keys, of which so many must sign.
    Delegated(usize, u32),
    /// The same to one key, which has published twice, with snapshots of the publisher's.
    DelegatedWithSnapshotKey,
}

pub(crate) struct Publisher {
    pub(crate) repository: TrustRepository,
    pub(crate) root: Root,
    pub(crate) root_keys: Vec<Key>,
    pub(crate) targets_key: Key,
    /// Those of `targets/a`.
    pub(crate) delegated: Vec<Key>,
    /// What a publisher knows who has not seen the second publication of `targets/a`.
    pub(crate) known: Parts,
    snapshot_key: Option<Key>,
    before: Before,
}

impl Publisher {
    pub(crate) fn new(server: &Server, name: &str, before: Before) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let now = i64::try_from(now.as_millis()).unwrap();
        // Another one in each run.
        let gun = format!("differential.example/{now}/{}", name.replace(' ', "-"));
        let mut repository = TrustRepository::empty(&gun);
        repository.now = now;
        let gun = repository.gun().clone();
        repository.held.timestamp = vec![server.key(&gun, &RoleName::Timestamp)];
        repository.held.snapshot = vec![server.key(&gun, &RoleName::Snapshot)];
        let root_key = repository.new_root_key();
        let targets_key = repository.new_key(Algorithm::EcdsaP256);
        let own_snapshots = matches!(
            before,
            Before::NothingWithSnapshotKey
                | Before::PublishedWithSnapshotKey
                | Before::DelegatedWithSnapshotKey
        );
        let snapshot_key = own_snapshots.then(|| repository.new_key(Algorithm::EcdsaP256));
        let of_server = &repository.held.snapshot;
        let keys = BaseKeys {
            root: slice::from_ref(&root_key),
            targets: slice::from_ref(&targets_key),
            snapshot: snapshot_key.as_ref().map_or(of_server, slice::from_ref),
            timestamp: &repository.held.timestamp,
        };
        Self {
            root: author::first_root(&keys, repository.now),
            root_keys: vec![root_key],
            targets_key,
            delegated: Vec::new(),
            known: Vec::new(),
            snapshot_key,
            before,
            repository,
        }
    }

    pub(crate) fn gun(&self) -> &Gun {
        self.repository.gun()
    }

    /// The updates that come before.
    pub(crate) fn prepare(&mut self) -> Vec<Parts> {
        match self.before {
            Before::Nothing | Before::NothingWithSnapshotKey => Vec::new(),
            Before::Published => vec![self.init()],
            Before::PublishedWithSnapshotKey => vec![self.init_with_snapshot()],
            Before::Delegated(keys, threshold) => {
                let new = |_| self.repository.new_key(Algorithm::EcdsaP256);
                self.delegated = (0..keys).map(new).collect();
                vec![self.init(), vec![self.delegating(2, threshold)]]
            }
            Before::DelegatedWithSnapshotKey => {
                self.delegated = vec![self.repository.new_key(Algorithm::EcdsaP256)];
                let above = vec![self.root_file(), self.delegating(1, 1)];
                let update = |version| {
                    let mut targets = self.targets(version);
                    targets
                        .targets
                        .insert("1.4".into(), FileMeta::of(b"an image"));
                    (
                        "targets/a".into(),
                        self.repository.sign(&targets, &self.delegated),
                    )
                };
                let (first, second) = (update(1), update(2));
                self.known = [above.clone(), vec![first.clone()]].concat();
                let of_first = self.snapshot_file(1, &self.known);
                let of_second = [above.clone(), vec![second.clone()]].concat();
                let of_second = self.snapshot_file(2, &of_second);
                vec![
                    [above, vec![first, of_first]].concat(),
                    vec![second, of_second],
                ]
            }
        }
    }

    /// `targets` with a delegation to the keys of `targets/a`.
    fn delegating(&self, version: i64, threshold: u32) -> (String, Vec<u8>) {
        let mut targets = self.targets(version);
        let role = RoleName::parse("targets/a").unwrap();
        let delegations = &mut targets.delegations;
        delegations.set_role(role, &self.delegated, threshold, &[""]);
        self.sign_targets(&targets)
    }

    pub(crate) fn init(&self) -> Parts {
        vec![self.root_file(), self.targets_file(1)]
    }

    pub(crate) fn init_with_snapshot(&self) -> Parts {
        let mut parts = self.init();
        parts.push(self.snapshot_file(1, &parts));
        parts
    }

    pub(crate) fn root_file(&self) -> (String, Vec<u8>) {
        self.sign_root(&self.root)
    }

    pub(crate) fn sign_root(&self, root: &impl Content) -> (String, Vec<u8>) {
        ("root".into(), self.repository.sign(root, &self.root_keys))
    }

    /// The next root, changed; signed by the keys of the first.
    pub(crate) fn next_root(&self, change: impl FnOnce(&mut Root)) -> (String, Vec<u8>) {
        let mut root = author::next(&RoleName::Root, self.root.clone(), self.repository.now);
        change(&mut root);
        self.sign_root(&root)
    }

    pub(crate) fn targets(&self, version: i64) -> Targets {
        let mut targets = author::first_targets(self.repository.now);
        targets.version = version;
        targets
    }

    pub(crate) fn targets_file(&self, version: i64) -> (String, Vec<u8>) {
        self.sign_targets(&self.targets(version))
    }

    pub(crate) fn sign_targets(&self, targets: &impl Content) -> (String, Vec<u8>) {
        let keys = slice::from_ref(&self.targets_key);
        ("targets".into(), self.repository.sign(targets, keys))
    }

    /// A first file of a delegation, signed by these of the keys of `targets/a`.
    pub(crate) fn delegation(&self, role: &str, keys: &[Key]) -> (String, Vec<u8>) {
        (role.into(), self.repository.sign(&self.targets(1), keys))
    }

    /// A snapshot of these files.
    pub(crate) fn snapshot_file(
        &self,
        version: i64,
        parts: &[(String, Vec<u8>)],
    ) -> (String, Vec<u8>) {
        let files: Vec<(RoleName, &[u8])> = parts
            .iter()
            .map(|(name, bytes)| (RoleName::parse(name).unwrap(), bytes.as_slice()))
            .collect();
        let mut snapshot = author::snapshot(None, &files, self.repository.now);
        snapshot.version = version;
        let key = self.snapshot_key.as_ref().expect("a snapshot key");
        let bytes = self.repository.sign(&snapshot, slice::from_ref(key));
        ("snapshot".into(), bytes)
    }

    /// The first update with a root that says something else.
    pub(crate) fn with_root(&self, change: impl FnOnce(&mut Value)) -> Parts {
        let mut signed = self.root.to_value();
        change(&mut signed);
        let root = self.repository.sign_raw(signed, &self.root_keys);
        vec![("root".into(), root), self.targets_file(1)]
    }

    /// A second `targets` that says something else.
    pub(crate) fn with_targets(&self, change: impl FnOnce(&mut Value)) -> Parts {
        let mut signed = self.targets(2).to_value();
        change(&mut signed);
        let keys = slice::from_ref(&self.targets_key);
        vec![("targets".into(), self.repository.sign_raw(signed, keys))]
    }
}
