//! Keys that the server holds: used by whoever's they are and nobody else, for one stage, and never to be had.

use policy::{Pattern, PrincipalId};
use store::held_keys::{self, Asked, NewHeldKey};
use store::{Error, accounts, signing_keys};
use trust::KeyId;
use trust::evidence::{Reading, read_bundle};

use super::world::{ADMIN, World};
use crate::fixture::{Image, NOW, permit, permit_at, server_permit};

fn new(principal: PrincipalId) -> NewHeldKey {
    NewHeldKey {
        name: "shop-ci".to_owned(),
        principal,
        stage: "ci".to_owned(),
        scope: vec![Pattern::parse("shop/**").unwrap()],
    }
}

async fn hold(world: &World) -> KeyId {
    let permit = server_permit(ADMIN);
    held_keys::hold(world.store(), &permit, &new(world.ci), NOW)
        .await
        .unwrap()
}

fn asked(stage: &str) -> Asked {
    Asked {
        name: "shop-ci".to_owned(),
        stage: stage.to_owned(),
        digest: Image::new("an image").digest,
        tag: None,
    }
}

async fn sign(
    world: &World,
    who: PrincipalId,
    repository: &str,
    stage: &str,
    now: i64,
) -> store::Result<held_keys::HeldSignature> {
    let permit = permit_at(who.0, repository, now);
    held_keys::sign(world.store(), &permit, &asked(stage), now).await
}

async fn record(world: &World, id: &KeyId) -> signing_keys::KeyRecord {
    let mut records = signing_keys::list(world.store()).await.unwrap();
    records.retain(|record| record.key_id == *id);
    records.pop().unwrap()
}

#[tokio::test]
async fn a_held_key_signs_for_its_principal_and_each_use_is_on_record() {
    let world = World::new().await;
    let id = hold(&world).await;
    let kept = record(&world, &id).await;
    assert_eq!(
        (kept.principal, kept.held_for.as_deref()),
        (world.ci, Some("ci"))
    );
    let directory = accounts::directory(world.store()).await.unwrap();
    assert_eq!(directory.keys[&id].principal, world.ci);

    let first = sign(&world, world.ci, "shop/web", "ci", NOW).await.unwrap();
    let again = sign(&world, world.ci, "shop/web", "ci", NOW).await.unwrap();
    assert_ne!(first.bundle, again.bundle, "signing again is a new act");
    assert_eq!((&first.key_id, &again.key_id), (&id, &id));
    let keys = [kept.public_key.plain().unwrap().clone()];
    let Reading::Verified(claim) = read_bundle(first.bundle.as_bytes(), &keys) else {
        panic!("the key did not sign it");
    };
    let claim = claim.value();
    assert_eq!(claim.subject, asked("ci").digest);
    assert_eq!(claim.stage.as_deref(), Some("ci"));
    assert_eq!(world.acts("key.use").await, 2);
    assert_eq!(world.acts("key.register").await, 1);
}

#[tokio::test]
async fn nobody_else_and_for_nothing_else() {
    let world = World::new().await;
    hold(&world).await;
    // Whoever made it, and the robot's owner, are answered as if there were none.
    for other in [PrincipalId(ADMIN), world.maria, world.jonas] {
        let error = sign(&world, other, "shop/web", "ci", NOW)
            .await
            .unwrap_err();
        assert!(matches!(error, Error::NotFound { .. }), "{error}");
    }
    for (repository, stage) in [("shop/web", "staging"), ("tools/web", "ci")] {
        let error = sign(&world, world.ci, repository, stage, NOW)
            .await
            .unwrap_err();
        assert!(matches!(error, Error::Refused { .. }), "{error}");
    }
    let ended = permit(world.ci.0, "shop/web");
    let late = NOW + 24 * 60 * 60 * 1_000;
    let error = held_keys::sign(world.store(), &ended, &asked("ci"), late).await;
    assert!(matches!(error, Err(Error::Refused { .. })));
    assert_eq!(world.acts("key.use").await, 0);
}

#[tokio::test]
async fn a_name_is_taken_once_and_what_no_key_can_have_is_refused() {
    let world = World::new().await;
    hold(&world).await;
    let permit = server_permit(ADMIN);
    let error = held_keys::hold(world.store(), &permit, &new(world.maria), NOW)
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Conflict { .. }), "{error}");
    let invalid = [
        NewHeldKey {
            name: "a name".to_owned(),
            ..new(world.ci)
        },
        NewHeldKey {
            name: "other".to_owned(),
            stage: "a stage".to_owned(),
            ..new(world.ci)
        },
        NewHeldKey {
            name: "other".to_owned(),
            scope: Vec::new(),
            ..new(world.ci)
        },
    ];
    for new in invalid {
        let error = held_keys::hold(world.store(), &permit, &new, NOW)
            .await
            .unwrap_err();
        assert!(matches!(error, Error::Invalid { .. }), "{error}");
    }
}

#[tokio::test]
async fn a_revoked_key_signs_nothing_and_the_next_one_takes_its_name() {
    let world = World::new().await;
    let permit = server_permit(ADMIN);
    let old = hold(&world).await;
    signing_keys::revoke(world.store(), &permit, &old, None, NOW + 1)
        .await
        .unwrap();
    let error = sign(&world, world.ci, "shop/web", "ci", NOW + 2)
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Refused { .. }), "{error}");

    let next = held_keys::rotate(world.store(), &permit, "shop-ci", NOW + 3)
        .await
        .unwrap();
    let signed = sign(&world, world.ci, "shop/web", "ci", NOW + 4)
        .await
        .unwrap();
    assert_eq!(signed.key_id, next);
    // It was revoked altogether, and stays so.
    assert_eq!(record(&world, &old).await.revoked_from, None);
    assert_eq!(world.acts("key.revoke").await, 1);

    // A planned change: what the key signed before it stays good, and nothing is left that could sign.
    let third = held_keys::rotate(world.store(), &permit, "shop-ci", NOW + 5)
        .await
        .unwrap();
    let kept = record(&world, &next).await;
    assert_eq!(
        (kept.revoked_at, kept.revoked_from),
        (Some(NOW + 5), Some(NOW + 5))
    );
    let now = sign(&world, world.ci, "shop/web", "ci", NOW + 6)
        .await
        .unwrap();
    assert_eq!(now.key_id, third);
    let error = held_keys::rotate(world.store(), &permit, "none", NOW)
        .await
        .unwrap_err();
    assert!(matches!(error, Error::NotFound { .. }), "{error}");
}

#[tokio::test]
async fn a_key_moved_to_another_name_does_not_open() {
    let world = World::new().await;
    hold(&world).await;
    world
        .fixture
        .edit("UPDATE held_keys SET name = 'other' WHERE name = 'shop-ci'")
        .await;
    let asked = Asked {
        name: "other".to_owned(),
        ..asked("ci")
    };
    let permit = permit(world.ci.0, "shop/web");
    let error = held_keys::sign(world.store(), &permit, &asked, NOW)
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Crypto { .. }), "{error}");
}
