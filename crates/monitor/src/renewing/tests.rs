//! Timestamps are new before the old ones end, once, and what cannot be renewed keeps nobody else waiting.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use policy::Role;
use policy::verb::{Attach, Pull};
use registry::{KeyRole, Wanted};
use store::tuf::Files;
use tempfile::TempDir;
use testkit::trust_repository::{DAY, START, TrustRepository};
use tokio_util::sync::CancellationToken;
use trust::tuf::publish::Held;
use trust::tuf::{Gun, RoleName, Signed, Snapshot, Timestamp};

use super::*;
use crate::jobs::Round;
use crate::runner::go_round;
use crate::testing::{Clock, HOUR, Server, context, database, permit};

/// A server with a clock of its own.
pub(crate) struct World {
    pub(crate) context: Context,
    clock: Clock,
    folder: TempDir,
}

impl World {
    pub(crate) async fn new() -> Self {
        let Server {
            context,
            clock,
            folder,
        } = Server::at(START).await;
        Self {
            context,
            clock,
            folder,
        }
    }

    pub(crate) fn pass(&self, milliseconds: i64) {
        self.clock.pass(milliseconds);
    }

    /// Edits the database by hand.
    fn edit(&self, text: &str) {
        database(&self.folder).execute_batch(text).unwrap();
    }

    /// Publishes a first root and targets.
    pub(crate) async fn publish(&self, repository: &str) -> Gun {
        self.begin(repository).await.gun().clone()
    }

    /// The same, and answers who may publish more.
    pub(crate) async fn begin(&self, repository: &str) -> TrustRepository {
        let gun = format!("registry.example/{repository}");
        let mut owner = TrustRepository::empty(&gun);
        let gun = Gun::parse(&gun).unwrap();
        let now = self.context.now();
        let permit = permit::<Attach>(Role::Writer, Some(repository), now);
        let registry = &self.context.registry;
        let key = |role| registry.trust_key(&permit, &gun, role, now);
        owner.held = Held {
            snapshot: vec![key(KeyRole::Snapshot).await.unwrap()],
            timestamp: vec![key(KeyRole::Timestamp).await.unwrap()],
            ..Held::default()
        };
        let (root, targets) = owner.first_files();
        let update = vec![root, targets];
        registry
            .publish_trust(&permit, &gun, update, now)
            .await
            .unwrap();
        self.follow(&mut owner).await;
        owner
    }

    /// Tells a publisher what is served now.
    pub(crate) async fn follow(&self, owner: &mut TrustRepository) {
        let (_, repository) = owner.gun().as_str().split_once('/').unwrap();
        let repository = repository.parse().unwrap();
        let state = tuf::state(&self.context.store, owner.gun(), &repository, Files::All);
        let current = state.await.unwrap().unwrap().current;
        let served = |role: RoleName| {
            let bytes = current.file(&role).unwrap().to_vec();
            (role, bytes)
        };
        let (_, snapshot) = served(RoleName::Snapshot);
        let snapshot: Signed<Snapshot> = Signed::parse(&RoleName::Snapshot, snapshot).unwrap();
        let listed = snapshot.content().meta.keys().cloned();
        owner.follow(
            listed
                .chain([RoleName::Snapshot, RoleName::Timestamp])
                .map(served),
        );
    }

    async fn timestamp(&self, gun: &Gun) -> Timestamp {
        let (_, repository) = gun.as_str().split_once('/').unwrap();
        let permit = permit::<Pull>(Role::Writer, Some(repository), self.context.now());
        let role = RoleName::Timestamp;
        let registry = &self.context.registry;
        let file = registry.trust_file(&permit, gun, &role, Wanted::Current);
        let file = file.await.unwrap().unwrap();
        Signed::<Timestamp>::parse(&role, file.content)
            .unwrap()
            .content()
            .clone()
    }
}

#[tokio::test]
async fn a_timestamp_is_renewed_before_it_ends_and_only_then() {
    let world = World::new().await;
    let gun = world.publish("shop/web").await;
    let first = world.timestamp(&gun).await;
    world.pass(6 * DAY);
    renew_due(&world.context).await.unwrap();
    assert_eq!(world.timestamp(&gun).await, first, "there is time");

    world.pass(2 * DAY);
    renew_due(&world.context).await.unwrap();
    let second = world.timestamp(&gun).await;
    assert_eq!(second.version, 2);
    assert_eq!(second.snapshot, first.snapshot);
    assert!(second.expires > first.expires);
    renew_due(&world.context).await.unwrap();
    assert_eq!(world.timestamp(&gun).await, second, "once");

    world.pass(8 * DAY);
    renew_due(&world.context).await.unwrap();
    assert_eq!(world.timestamp(&gun).await.version, 3);
}

#[tokio::test]
async fn a_snapshot_of_the_server_is_renewed_with_it() {
    let world = World::new().await;
    let gun = world.publish("shop/web").await;
    let first = world.timestamp(&gun).await;
    world.pass(3 * 365 * DAY - 89 * DAY);
    renew_due(&world.context).await.unwrap();
    let renewed = world.timestamp(&gun).await;
    assert_ne!(renewed.snapshot, first.snapshot);
    assert!(renewed.expires > world.context.now());
}

#[tokio::test]
async fn more_than_a_page_is_renewed_in_one_round() {
    let world = World::new().await;
    let mut guns = Vec::new();
    for number in 0..=PAGE {
        guns.push(world.publish(&format!("shop/{number}")).await);
    }
    world.pass(8 * DAY);
    renew_due(&world.context).await.unwrap();
    for gun in &guns {
        assert_eq!(world.timestamp(gun).await.version, 2, "{gun}");
    }
}

#[tokio::test]
async fn what_cannot_be_renewed_keeps_nobody_waiting() {
    let world = World::new().await;
    let broken = world.publish("shop/broken").await;
    let sound = world.publish("shop/sound").await;
    world.edit(
        "CREATE TABLE kept AS SELECT * FROM trust_keys;
         UPDATE trust_keys SET sealed = x'00'
         WHERE trust_id = (SELECT id FROM trust_repositories WHERE gun = 'registry.example/shop/broken');",
    );
    world.pass(8 * DAY);
    renew_due(&world.context).await.unwrap();
    assert_eq!(world.timestamp(&sound).await.version, 2);
    assert_eq!(world.timestamp(&broken).await.version, 1);

    world.edit("UPDATE trust_keys SET sealed = (SELECT k.sealed FROM kept k WHERE k.key_id = trust_keys.key_id)");
    renew_due(&world.context).await.unwrap();
    assert_eq!(world.timestamp(&broken).await.version, 1, "it is put off");
    world.pass(HOUR);
    renew_due(&world.context).await.unwrap();
    assert_eq!(world.timestamp(&broken).await.version, 2);
    assert_eq!(world.timestamp(&sound).await.version, 2);
}

#[tokio::test]
async fn a_database_that_takes_nothing_ends_the_round() {
    let world = World::new().await;
    let mut guns = Vec::new();
    for number in 0..PAGE {
        guns.push(world.publish(&format!("shop/{number}")).await);
    }
    world.pass(8 * DAY);
    world.edit(
        "CREATE TRIGGER no_room BEFORE UPDATE ON trust_repositories
         BEGIN SELECT RAISE(ABORT, 'no room'); END;",
    );
    let round = tokio::time::timeout(Duration::from_secs(60), renew_due(&world.context));
    assert!(round.await.expect("it ends").is_err());

    world.edit("DROP TRIGGER no_room");
    renew_due(&world.context).await.unwrap();
    for gun in &guns {
        assert_eq!(world.timestamp(gun).await.version, 2, "{gun}");
    }
}

#[tokio::test]
async fn a_stop_does_not_wait_for_all_of_them() {
    let world = World::new().await;
    let mut guns = Vec::new();
    for name in ["shop/a", "shop/b", "shop/c"] {
        guns.push(world.publish(name).await);
    }
    world.pass(8 * DAY);
    // The first look at the clock is for what is due, the second for the first of them.
    let (stop, looks) = (CancellationToken::new(), AtomicI64::new(0));
    let (signal, now) = (stop.clone(), world.context.now());
    let clock = move || {
        if looks.fetch_add(1, Ordering::Relaxed) == 1 {
            signal.cancel();
        }
        now
    };
    let context = context(world.context.store.clone(), Arc::new(clock));
    go_round(Round::RenewTrust, context, stop).await;
    let last = guns.last().unwrap();
    assert_eq!(world.timestamp(last).await.version, 1);

    // Whoever comes next goes on.
    renew_due(&world.context).await.unwrap();
    for gun in &guns {
        assert_eq!(world.timestamp(gun).await.version, 2, "{gun}");
    }
}
