//! Tells of a trust repository what is about to end and only its owners can sign again: root, targets, delegations.

use crate::{Context, Result};
use oci::RepositoryName;
use serde::Deserialize;
use store::tuf;
use trust::tuf::Gun;

/// Payload of the job.
#[derive(Debug, Deserialize)]
pub(crate) struct Subject {
    gun: String,
    repository: RepositoryName,
}

/// Looks at one trust repository.
pub(crate) async fn warn(context: &Context, subject: &Subject) -> Result<()> {
    let Ok(gun) = Gun::parse(&subject.gun) else {
        // Nothing can be published under such a name.
        return Ok(());
    };
    Ok(tuf::warn(&context.store, &gun, &subject.repository, context.now()).await?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Monitor;
    use crate::renewing::renew_due;
    use crate::renewing::tests::{World, permit};
    use policy::verb::Attach;
    use store::outbox;
    use testkit::trust_repository::{DAY, TrustRepository};
    use trust::Algorithm;

    /// What was told of ends, and lets everything happen that is due.
    async fn told(world: &World) -> Vec<(String, i64, i64)> {
        renew_due(&world.context).await.unwrap();
        let monitor = Monitor::new(world.context.clone());
        monitor.drain().await.unwrap();
        let events = outbox::events(&world.context.store, 0, 100).await.unwrap();
        let events = events.iter().filter(|event| event.kind == "trust.expiring");
        events
            .map(|event| {
                assert_eq!(event.repository.as_deref(), Some("shop/web"));
                let number = |name: &str| event.data[name].as_i64().unwrap();
                let role = event.data["role"].as_str().unwrap().to_owned();
                (role, number("version"), number("days"))
            })
            .collect()
    }

    async fn post(world: &World, owner: &mut TrustRepository, role: &str) {
        owner.now = world.context.now();
        let file = owner.next_targets(role, |_| {});
        send(world, owner, file).await;
    }

    async fn send(
        world: &World,
        owner: &mut TrustRepository,
        file: (trust::tuf::RoleName, Vec<u8>),
    ) {
        let now = world.context.now();
        let registry = &world.context.registry;
        let permit = permit::<Attach>("shop/web", now);
        let sent = registry.publish_trust(&permit, owner.gun(), vec![file], now);
        sent.await.unwrap();
        world.follow(owner).await;
    }

    fn event(role: &str, version: i64, days: i64) -> (String, i64, i64) {
        (role.to_owned(), version, days)
    }

    #[tokio::test]
    async fn an_end_is_told_a_month_and_a_week_before_and_not_again() {
        let world = World::new().await;
        let mut owner = world.begin("shop/web").await;
        assert_eq!(told(&world).await, []);
        world.pass(3 * 365 * DAY - 31 * DAY);
        assert_eq!(told(&world).await, [], "there is time");
        world.pass(2 * DAY);
        let month = event("targets", 1, 30);
        assert_eq!(told(&world).await, std::slice::from_ref(&month));
        // Whoever looks again has nothing new to say.
        warn(&world.context, &subject(&owner)).await.unwrap();
        assert_eq!(told(&world).await, std::slice::from_ref(&month));
        world.pass(23 * DAY);
        let week = event("targets", 1, 7);
        assert_eq!(told(&world).await, [month.clone(), week.clone()]);
        post(&world, &mut owner, "targets").await;
        world.pass(20 * DAY);
        assert_eq!(told(&world).await.len(), 2, "it was signed again");
        world.pass(3 * 365 * DAY - 45 * DAY);
        assert_eq!(told(&world).await[2..], [event("targets", 2, 30)]);
    }

    #[tokio::test]
    async fn delegations_and_roots_are_told_as_well() {
        let world = World::new().await;
        let mut owner = world.begin("shop/web").await;
        let alice = owner.new_key(Algorithm::EcdsaP256);
        let role = "targets/alice".parse().unwrap();
        let file = owner.next_targets("targets", |targets| {
            trust::tuf::author::delegate(targets, &role, &alice);
        });
        send(&world, &mut owner, file).await;
        world.pass(100 * DAY);
        post(&world, &mut owner, "targets").await;
        post(&world, &mut owner, "targets/alice").await;
        world.pass(3 * 365 * DAY - 10 * DAY);
        let both = [event("targets", 3, 30), event("targets/alice", 1, 30)];
        assert_eq!(told(&world).await, both);
        // Nobody looked for years: what has ended is not told, what is about to is.
        world.pass((7 * 365 - 100) * DAY + 5 * DAY);
        assert_eq!(told(&world).await[2..], [event("root", 1, 7)]);
    }

    fn subject(owner: &TrustRepository) -> Subject {
        Subject {
            gun: owner.gun().to_string(),
            repository: "shop/web".parse().unwrap(),
        }
    }
}
