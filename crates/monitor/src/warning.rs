//! Tells what is about to end and only people can renew: of a trust repository what its owners sign (root, targets, delegations), which
//! is looked at when the time has come; of registered keys and certificates and of the trusted root, all of which are looked at each hour.

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

/// Looks at what is registered, and at the trusted root.
pub(crate) async fn warn_of_ends(context: &Context) -> Result<()> {
    Ok(store::expiring::warn(&context.store, context.now()).await?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Monitor;
    use crate::jobs::Round;
    use crate::renewing::renew_due;
    use crate::renewing::tests::World;
    use crate::testing::{context, permit};
    use policy::Role;
    use policy::verb::Attach;
    use serde_json::json;
    use std::sync::Arc;
    use store::{Options, Store, expiring, outbox};
    use testkit::trust_repository::{DAY, TrustRepository};
    use trust::evidence::Anchors;
    use trust::sigstore::{Demands, TrustedRoot};
    use trust::{Algorithm, PrivateKey, Signer};

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
        let permit = permit::<Attach>(Role::Writer, Some("shop/web"), now);
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

    /// A root with one log, whose key ends with January 2026.
    fn root() -> TrustedRoot {
        let key = PrivateKey::generate(Algorithm::EcdsaP256).unwrap();
        let pem = key.public_key().to_pem();
        let base64: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
        let valid = json!({"start": "2025-01-01T00:00:00Z", "end": "2026-02-01T00:00:00Z"});
        let root = json!({
            "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
            "tlogs": [{"publicKey": {"rawBytes": base64, "validFor": valid}, "logId": {"keyId": "AAAA"}}],
        });
        TrustedRoot::parse(root.to_string().as_bytes()).unwrap()
    }

    #[tokio::test]
    async fn the_end_of_a_part_of_the_trusted_root_is_told_too() {
        const END: i64 = 1_769_904_000_000;
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let folder = tempfile::tempdir().unwrap();
        let anchors = Anchors {
            sigstore: Some((root(), Demands::CERTIFICATE)),
            revocation: None,
        };
        let options = Options {
            anchors: Arc::new(anchors),
            ..Options::embedded(folder.path())
        };
        let store = Store::open(&options).await.unwrap();
        let told = async |now: i64| {
            let context = context(store.clone(), Arc::new(move || now));
            Round::WarnOfEnds.run(&context).await.unwrap();
            let events = outbox::events(&store, 0, 100).await.unwrap();
            let mine = events
                .iter()
                .filter(|event| event.kind == "trusted-root.expiring");
            let days = mine.map(|event| {
                let part = event.data["part"].as_str().unwrap();
                assert!(part.starts_with("the transparency log "), "{part}");
                assert_eq!(event.data["expiresAt"], END);
                event.data["days"].as_i64().unwrap()
            });
            days.collect::<Vec<_>>()
        };
        assert_eq!(told(END - 31 * DAY).await, [] as [i64; 0]);
        assert_eq!(told(END - 30 * DAY).await, [30]);
        assert_eq!(told(END - 29 * DAY).await, [30]);
        assert_eq!(told(END - DAY).await, [30, 7]);
        assert_eq!(told(END + DAY).await, [30, 7]);
        let next = async |now| expiring::next_ends(&store, now).await.unwrap().root;
        assert_eq!((next(END - 1).await, next(END).await), (Some(END), None));
        store.close().await;
    }

    fn subject(owner: &TrustRepository) -> Subject {
        Subject {
            gun: owner.gun().to_string(),
            repository: "shop/web".parse().unwrap(),
        }
    }
}
