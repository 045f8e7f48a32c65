//! A managed repository: signers with registered keys, a policy's stages, and the server that alone writes `targets/releases`. What
//! the gates allow is for the story to say.

use std::collections::BTreeMap;

use trust::tuf::managed::{self, Rules, Vouch};
use trust::tuf::publish::{File, Refusal, validate};
use trust::tuf::{FileMeta, Key, RoleName, Targets, author};
use trust::{Algorithm, KeyId, Signer};

use super::TrustRepository;

impl TrustRepository {
    /// A repository that its owner has initialised for a policy with these stages: it lists nothing, and the server releases.
    #[must_use]
    pub fn managed(gun: &str, stages: &[&str]) -> Self {
        let mut repository = Self::empty(gun);
        repository.stages = stages.iter().map(|stage| (*stage).to_owned()).collect();
        let update = repository.first_managed_files();
        repository
            .post_managed(update)
            .expect("a first update in managed form is taken");
        repository
    }

    /// A policy with these stages begins to cover the repository.
    pub fn cover(&mut self, stages: &[&str]) {
        self.stages = stages.iter().map(|stage| (*stage).to_owned()).collect();
    }

    /// The first `root`, and a first `targets` that delegates `targets/releases` to the server.
    #[must_use]
    pub fn first_managed_files(&mut self) -> Vec<(RoleName, Vec<u8>)> {
        let (root, targets) = self.first_files();
        let delegating = self.delegating_releases(author::first_targets(self.now));
        let key = self.ring_key_of(&targets.1);
        vec![root, (RoleName::Targets, self.sign(&delegating, &[key]))]
    }

    /// What `countersign trust manage` sends: `targets` without tags, which delegates `targets/releases` to the server.
    #[must_use]
    pub fn managing_files(&self) -> Vec<(RoleName, Vec<u8>)> {
        vec![self.next_targets("targets", |targets| {
            targets.targets.clear();
            *targets = self.delegating_releases(targets.clone());
        })]
    }

    /// The same file, with `targets/releases` delegated to the server alone.
    #[must_use]
    pub fn delegating_releases(&self, mut targets: Targets) -> Targets {
        let keys = self.held.releases.last().cloned();
        let keys: Vec<Key> = keys.into_iter().collect();
        let delegations = &mut targets.delegations;
        delegations.set_role(RoleName::releases(), &keys, 1, &[""]);
        targets
    }

    /// Registers a key for somebody.
    pub fn register(&mut self, key: &Key, owner: &str) -> KeyId {
        let id = key.to_public_key().expect("a key that can be registered");
        self.owners.insert(id.id().clone(), owner.to_owned());
        id.id().clone()
    }

    /// Whose a registered key is.
    #[must_use]
    pub fn owner(&self, key: &KeyId) -> Option<&str> {
        self.owners.get(key).map(String::as_str)
    }

    /// A new signer, with a delegation of their own by `targets`.
    pub fn add_signer(&mut self, role: &str, owner: &str) -> Key {
        let key = self.new_key(Algorithm::EcdsaP256);
        self.register(&key, owner);
        let update = self.delegating_to(role, std::slice::from_ref(&key));
        self.post_managed(vec![update])
            .expect("an honest delegation is taken");
        key
    }

    /// The file above a role that delegates everything to these keys.
    #[must_use]
    pub fn delegating_to(&self, role: &str, keys: &[Key]) -> (RoleName, Vec<u8>) {
        let name = RoleName::parse(role).expect("a role");
        let parent = name.parent().expect("a delegation");
        self.next_targets(parent.as_str(), |targets| {
            targets.delegations.set_role(name, keys, 1, &[""]);
        })
    }

    /// The file of a signer with one tag more.
    #[must_use]
    pub fn signing(&self, role: &str, tag: &str, image: &[u8]) -> (RoleName, Vec<u8>) {
        let entry = entry(image);
        self.next_targets(role, |targets| {
            targets.targets.insert(tag.to_owned(), entry);
        })
    }

    /// Sends an update to a server whose policy covers the repository; answers what it vouches for.
    pub fn post_managed(
        &mut self,
        update: Vec<(RoleName, Vec<u8>)>,
    ) -> Result<Vec<Vouch>, Refusal> {
        let (gun, current, held) = (&self.gun, &self.current, &self.held);
        managed::check_parts(gun, update.iter().map(|(role, _)| role), current, held)?;
        let accepted = validate(gun, update, current, held, self.now)?;
        let rules = Rules {
            is_stage: &|name| self.stages.contains(name),
            owner: &|key| self.owners.get(key).cloned(),
        };
        let accepted = managed::admit(gun, accepted, current, held, &rules, self.now)?;
        let vouches = accepted.vouches().map(<[Vouch]>::to_vec);
        let files = accepted
            .seal(&self.signers())
            .expect("the server holds its keys");
        self.store(files);
        Ok(vouches.expect("it was judged as managed"))
    }

    /// The server releases these images, and no others.
    pub fn release(&mut self, tags: &[(&str, &[u8])]) -> Result<Vec<File>, Refusal> {
        let tags = tags.iter();
        let tags: BTreeMap<String, FileMeta> = tags
            .map(|(tag, image)| ((*tag).to_owned(), entry(image)))
            .collect();
        let (current, held) = (&self.current, &self.held);
        let Some(accepted) = managed::release(&self.gun, current, held, tags, self.now)? else {
            return Ok(Vec::new());
        };
        let files = accepted
            .seal(&self.signers())
            .expect("the server holds its keys");
        self.store(files.clone());
        Ok(files)
    }

    /// The key of the ring that signed a file.
    fn ring_key_of(&self, bytes: &[u8]) -> Key {
        let signed = trust::tuf::Signed::<Targets>::parse(&RoleName::Targets, bytes.to_vec());
        let signed = signed.expect("a file of its kind");
        let mut signatures = signed.signatures().iter();
        let by = signatures.next().expect("a signature").key.clone();
        let mut keys = self.ring.iter().map(|key| Key::from(key.public_key()));
        keys.find(|key| *key.id() == by).expect("a key of the ring")
    }
}

/// How an image is listed.
fn entry(image: &[u8]) -> FileMeta {
    let file = FileMeta::of(image);
    author::image(file.hashes.sha256.expect("a hash"), file.length)
}
