//! What stands between a repository and managed form, in which nobody but the server releases: `targets` lists nothing itself, the server
//! alone signs `targets/releases`, and the snapshot is the server's. Whether an update is taken is the server's to say; this is what the
//! owner is shown, and what they sign.

use anyhow::Result;
use trust::tuf::{DelegatedRole, Key, RELEASES, RoleName, Root, Targets, author};

/// The server's keys, as far as it tells them.
#[derive(Debug, Clone, Default)]
pub(super) struct ServerKeys {
    pub(super) releases: Option<Key>,
    pub(super) snapshot: Option<Key>,
}

/// What is not yet as in a managed repository.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Missing {
    /// Tags that `targets` lists itself.
    pub(super) tags: Vec<String>,
    /// Whether `targets/releases` is not the server's alone.
    pub(super) releases: bool,
    /// Whether the snapshot is not the server's.
    pub(super) snapshot: bool,
}

impl Missing {
    /// Compares with the server's keys. Where they are not told, a key that stands for `targets/releases` alone may be the server's.
    pub(super) fn of(root: &Root, targets: &Targets, server: &ServerKeys) -> Self {
        let releases = RoleName::parse(RELEASES).ok();
        let releases = releases.and_then(|role| targets.delegations.role(&role));
        let is_servers =
            releases.is_some_and(|role| is_alone(role, targets, server.releases.as_ref()));
        let snapshot: Vec<&Key> = root.keys_of(&RoleName::Snapshot).collect();
        let snapshot_is_servers = match &server.snapshot {
            Some(key) => snapshot == [key],
            None => true,
        };
        Self {
            tags: targets.targets.keys().cloned().collect(),
            releases: !is_servers,
            snapshot: !snapshot_is_servers,
        }
    }

    /// Whether nothing is missing.
    pub(super) fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    /// The next root, where it has to change.
    pub(super) fn next_root(&self, root: &Root, server: &ServerKeys, now: i64) -> Option<Root> {
        let key = server.snapshot.as_ref().filter(|_| self.snapshot)?;
        let mut next = author::next(&RoleName::Root, root.clone(), now);
        next.set_role(&RoleName::Snapshot, std::slice::from_ref(key), 1);
        Some(next)
    }

    /// The next `targets`, where it has to change, without the delegations that are given up on the way.
    pub(super) fn next_targets(
        &self,
        targets: &Targets,
        given_up: &[RoleName],
        releases: &Key,
        now: i64,
    ) -> Result<Option<Targets>> {
        if self.tags.is_empty() && !self.releases && given_up.is_empty() {
            return Ok(None);
        }
        let mut next = author::next(&RoleName::Targets, targets.clone(), now);
        for role in given_up {
            next.delegations.remove_role(role);
        }
        author::hand_over_releases(&mut next, &RELEASES.parse()?, releases);
        Ok(Some(next))
    }
}

/// Whether a role is one key's alone, for every tag: this key's, or else one's that no other role has.
fn is_alone(role: &DelegatedRole, targets: &Targets, key: Option<&Key>) -> bool {
    let [id] = role.keys.keyids.as_slice() else {
        return false;
    };
    let others = targets.delegations.roles.iter();
    let mut others = others.filter(|other| other.name != role.name);
    let is_right = match key {
        Some(key) => key.id() == id,
        None => !others.any(|other| other.keys.keyids.contains(id)),
    };
    is_right && role.keys.threshold == 1 && role.paths == [""]
}

#[cfg(test)]
mod tests {
    use super::*;
    use testkit::trust_repository::TrustRepository;
    use trust::Algorithm;

    struct World {
        repository: TrustRepository,
        server: ServerKeys,
        alice: Key,
    }

    impl World {
        /// A repository as docker leaves it: a tag of the owner, and a signer who may release.
        fn new() -> Self {
            let mut repository = TrustRepository::new("registry.example/shop/web");
            let alice = repository.new_key(Algorithm::EcdsaP256);
            repository.delegate(RELEASES, std::slice::from_ref(&alice), 1);
            repository.delegate("targets/alice", std::slice::from_ref(&alice), 1);
            repository.publish("targets", "1", b"an image");
            repository.publish(RELEASES, "2", b"an image");
            let server = ServerKeys {
                releases: Some(repository.new_key(Algorithm::Ed25519)),
                snapshot: repository.held.snapshot.first().cloned(),
            };
            Self {
                repository,
                server,
                alice,
            }
        }

        fn missing(&self) -> Missing {
            let (root, targets) = (self.repository.root(), self.repository.targets("targets"));
            Missing::of(&root, &targets, &self.server)
        }

        fn hand_over(&mut self, given_up: &[&str]) {
            let missing = self.missing();
            let given_up: Vec<RoleName> = given_up.iter().map(|r| r.parse().unwrap()).collect();
            let (now, key) = (self.repository.now, self.server.releases.clone().unwrap());
            let mut update = Vec::new();
            let root = self.repository.root();
            if let Some(next) = missing.next_root(&root, &self.server, now) {
                update.push(self.repository.next_root(|root| *root = next));
            }
            let targets = self.repository.targets("targets");
            let next = missing.next_targets(&targets, &given_up, &key, now);
            if let Some(next) = next.unwrap() {
                let keys = self.repository.keys_of("targets");
                update.push((RoleName::Targets, self.repository.sign(&next, &keys)));
            }
            self.repository.post(update).unwrap();
        }
    }

    #[test]
    fn a_plain_repository_becomes_a_managed_one() {
        let mut world = World::new();
        let expected = Missing {
            tags: vec!["1".to_owned()],
            releases: true,
            snapshot: false,
        };
        assert_eq!(world.missing(), expected);
        world.hand_over(&[]);
        assert!(world.missing().is_nothing());
        let releases = world.server.releases.clone().unwrap();
        assert_eq!(world.repository.keys_of(RELEASES), [releases]);
        // Who signs for themselves still does, and no more than that.
        assert_eq!(
            world.repository.keys_of("targets/alice"),
            [world.alice.clone()]
        );
        world.repository.publish("targets/alice", "3", b"an image");
    }

    #[test]
    fn a_snapshot_of_the_owner_goes_to_the_server() {
        let mut world = World::new();
        let own = world.repository.new_key(Algorithm::EcdsaP256);
        let server = world.repository.held.snapshot.clone();
        world.repository.held.snapshot.push(own.clone());
        let root = world
            .repository
            .next_root(|root| root.set_role(&RoleName::Snapshot, &[own], 1));
        world.repository.post(vec![root]).unwrap();
        world.repository.held.snapshot = server;
        assert!(world.missing().snapshot);
        world.hand_over(&["targets/alice"]);
        assert!(world.missing().is_nothing());
        let targets = world.repository.targets("targets");
        assert_eq!(targets.delegations.roles.len(), 1, "alice was given up");
    }

    #[test]
    fn a_key_that_somebody_else_has_is_not_the_servers() {
        let mut world = World::new();
        world.hand_over(&[]);
        let told = world.server.clone();
        world.server = ServerKeys::default();
        assert!(world.missing().is_nothing(), "by its shape");
        let releases = told.releases.unwrap();
        world.repository.delegate("targets/bob", &[releases], 1);
        assert!(world.missing().releases);
        world.server.releases = Some(world.alice.clone());
        assert!(world.missing().releases);
    }
}
