//! Somebody who publishes to the store as a client of the server does: asks for keys, signs, sends, and reads what is served.

use policy::verb::Attach;
use store::tuf::{self, Files, KeyRole, Outcome, State, StoredFile, Wanted};
use store::{Result, Store, Writer, audit};
use testkit::trust_repository::TrustRepository;
use trust::Algorithm;
use trust::tuf::client::{Anchor, Believed, Client, Remembered};
use trust::tuf::publish::{self, Held, Refusal};
use trust::tuf::{Gun, Key, RoleName, Signed, Snapshot, author};

use crate::fixture::{NOW, name, permit};

pub(super) const GUN: &str = "registry.example:5000/shop/web";
pub(super) const REPOSITORY: &str = "shop/web";

/// A publisher with all keys but the server's.
#[derive(Clone)]
pub(super) struct Publisher {
    pub(super) store: Store,
    pub(super) gun: Gun,
    pub(super) repository: TrustRepository,
    /// The key for snapshots, where it is not the server's.
    snapshot_key: Option<Key>,
}

type Update = Vec<(RoleName, Vec<u8>)>;

impl Publisher {
    /// Asks for the server's keys.
    pub(super) async fn begin(store: &Store, gun: &str) -> Publisher {
        let mut repository = TrustRepository::empty(gun);
        repository.now = NOW;
        let gun = Gun::parse(gun).unwrap();
        let permit = permit::<Attach>(1, REPOSITORY);
        let offered = |role| tuf::offered_key(store, &permit, &gun, role, NOW);
        repository.held = Held {
            snapshot: vec![offered(KeyRole::Snapshot).await.unwrap()],
            timestamp: vec![offered(KeyRole::Timestamp).await.unwrap()],
        };
        Publisher {
            store: store.clone(),
            gun,
            repository,
            snapshot_key: None,
        }
    }

    /// A new key of a signer.
    pub(super) fn key(&mut self) -> Key {
        self.repository.new_key(Algorithm::EcdsaP256)
    }

    /// Publishes the first root and targets.
    pub(super) async fn first(&mut self) -> Update {
        let (root, targets) = self.repository.first_files();
        let update = vec![root, targets];
        self.must(update.clone()).await;
        update
    }

    pub(super) async fn delegate(&mut self, role: &str, key: &Key) {
        let file = self.delegating(role, key);
        self.must(vec![file]).await;
    }

    /// The file that delegates to a role.
    pub(super) fn delegating(&self, role: &str, key: &Key) -> (RoleName, Vec<u8>) {
        let name: RoleName = role.parse().unwrap();
        let parent = name.parent().unwrap();
        self.repository.next_targets(parent.as_str(), |targets| {
            let keys = std::slice::from_ref(key);
            targets.delegations.set_role(name, keys, 1, &[""]);
        })
    }

    /// Publishes with a snapshot of one's own that a role is delegated to, and listed, no more.
    pub(super) async fn drop_role(&mut self, role: &str) {
        let name: RoleName = role.parse().unwrap();
        let parent = name.parent().unwrap();
        let file = self.repository.next_targets(parent.as_str(), |targets| {
            targets.delegations.remove_role(&name);
        });
        self.post_with_snapshot(vec![file], &[role]).await.unwrap();
    }

    pub(super) async fn tag(&mut self, role: &str, tag: &str) {
        let file = self.repository.next_targets(role, |targets| {
            targets
                .targets
                .insert(tag.to_owned(), author::image([7; 32], 523));
        });
        self.must(vec![file]).await;
    }

    /// Publishes a root that changes one role's keys.
    pub(super) async fn rotate(&mut self, role: &RoleName, key: Key) {
        let root = self
            .repository
            .next_root(|root| root.set_role(role, &[key], 1));
        self.must(vec![root]).await;
    }

    /// From now on snapshots are signed here.
    pub(super) async fn take_over_snapshot(&mut self) {
        let key = self.key();
        self.snapshot_key = Some(key.clone());
        let root = self
            .repository
            .next_root(|root| root.set_role(&RoleName::Snapshot, &[key], 1));
        self.post_with_snapshot(vec![root], &[]).await.unwrap();
    }

    /// Sends files with a snapshot of one's own, which lists some roles no more.
    pub(super) async fn post_with_snapshot(
        &mut self,
        mut update: Update,
        without: &[&str],
    ) -> std::result::Result<(), Refusal> {
        let files: Vec<(RoleName, &[u8])> = update
            .iter()
            .map(|(role, bytes)| (role.clone(), bytes.as_slice()))
            .collect();
        let mut snapshot: Snapshot =
            author::snapshot(Some(self.repository.snapshot()), &files, NOW);
        for role in without {
            snapshot.meta.remove(&role.parse().unwrap());
        }
        let key = self.snapshot_key.clone().unwrap();
        update.push((RoleName::Snapshot, self.repository.sign(&snapshot, &[key])));
        self.post(update).await?;
        self.follow().await;
        Ok(())
    }

    async fn must(&mut self, update: Update) {
        self.post(update).await.unwrap();
        self.follow().await;
    }

    /// Sends an update, as often as it must be judged again.
    pub(super) async fn post(&self, update: Update) -> std::result::Result<(), Refusal> {
        let roles: Vec<RoleName> = update.iter().map(|(role, _)| role.clone()).collect();
        let files = match roles.contains(&RoleName::Snapshot) {
            true => Files::All,
            false => Files::Above(&roles),
        };
        loop {
            let state = self.state(files).await;
            let accepted =
                publish::validate(&self.gun, update.clone(), &state.current, &state.held, NOW)?;
            let permit = permit::<Attach>(1, REPOSITORY);
            let writer = Writer::Attach(&permit);
            let outcome = tuf::publish(&self.store, &writer, &self.gun, &state, accepted, NOW);
            if outcome.await.unwrap() == Outcome::Stored {
                return Ok(());
            }
        }
    }

    /// Keeps what is served now, for the next update.
    async fn follow(&mut self) {
        let current = self.state(Files::All).await.current;
        let served = |role: RoleName| {
            let bytes = current.file(&role).unwrap().to_vec();
            (role, bytes)
        };
        let (_, snapshot) = served(RoleName::Snapshot);
        let snapshot: Signed<Snapshot> = Signed::parse(&RoleName::Snapshot, snapshot).unwrap();
        let listed = snapshot.content().meta.keys().cloned();
        let roles = listed.chain([RoleName::Snapshot, RoleName::Timestamp]);
        self.repository.follow(roles.map(served));
    }

    pub(super) async fn state(&self, files: Files<'_>) -> State {
        tuf::state(&self.store, &self.gun, &name(REPOSITORY), files)
            .await
            .unwrap()
            .unwrap()
    }

    pub(super) async fn file(&self, role: &str, wanted: Wanted<'_>) -> Option<StoredFile> {
        let role = role.parse().unwrap();
        tuf::file(&self.store, &self.gun, &name(REPOSITORY), &role, wanted)
            .await
            .unwrap()
    }

    /// What a reader who knows nothing yet believes; it must all fit together.
    pub(super) async fn believed(&self) -> Believed {
        let remembered = Remembered::default();
        let mut client = Client::new(self.gun.clone(), Anchor::FirstUse, remembered, NOW).unwrap();
        while let Some(fetch) = client.next() {
            let answer = self.fetch(&fetch.path, &fetch.role).await;
            client.feed(answer.map(|file| file.content)).unwrap();
        }
        client.finish().unwrap()
    }

    async fn fetch(&self, path: &str, role: &RoleName) -> Option<StoredFile> {
        let stem = path.strip_suffix(".json").unwrap();
        let rest = stem.strip_prefix(role.as_str());
        let wanted = match (rest, stem.split_once('.')) {
            (Some(""), _) => Wanted::Current,
            (Some(hash), _) => Wanted::Sha256(hash.strip_prefix('.').unwrap()),
            (None, Some((version, _))) => Wanted::Version(version.parse().unwrap()),
            (None, None) => panic!("{path}"),
        };
        self.file(role.as_str(), wanted).await
    }

    /// How many acts of a kind are in the account.
    pub(super) async fn acts(&self, act: &str) -> usize {
        let rows = audit::rows(&self.store, 0, 1_000).await.unwrap();
        rows.iter().filter(|row| row.act == act).count()
    }
}

/// Judges an update by a state that was read before, and sends it.
pub(super) async fn publish_judged(
    store: &Store,
    gun: &Gun,
    state: &State,
    update: Update,
) -> Result<Outcome> {
    let accepted = publish::validate(gun, update, &state.current, &state.held, NOW).unwrap();
    let permit = permit::<Attach>(1, REPOSITORY);
    tuf::publish(store, &Writer::Attach(&permit), gun, state, accepted, NOW).await
}
