//! A key that takes another's place: signed for by both, by its owner, once; and gone with the other when that is revoked from before.

use policy::PrincipalId;
use store::accounts::By;
use store::succession::{self, Rotation};
use store::{Error, accounts, evidence, jobs, signing_keys};
use trust::succession::{Side, Succession};
use trust::{Algorithm, KeyId, PrivateKey, RegisteredKey, Signer};

use super::world::{ADMIN, World, register};
use crate::fixture::{NOW, server_permit};

fn key() -> PrivateKey {
    PrivateKey::generate(Algorithm::Ed25519).unwrap()
}

fn id(key: &PrivateKey) -> &KeyId {
    key.public_key().id()
}

/// A statement that both keys signed, as a client makes it.
fn rotation(old: &PrivateKey, new: &PrivateKey, nonce: &str, principal: &str) -> Rotation {
    let said = Succession {
        server: "registry.example.org".to_owned(),
        nonce: nonce.to_owned(),
        principal: principal.to_owned(),
        old: id(old).clone(),
        new: id(new).clone(),
    };
    let by_old = said.sign(Side::Old, old).unwrap();
    let by_new = said.sign(Side::New, new).unwrap();
    let public = |key: &PrivateKey| RegisteredKey::from(key.public_key().clone());
    let (old, new) = (public(old), public(new));
    Rotation {
        proof: said.verify((&old, &by_old), (&new, &by_new), NOW).unwrap(),
        public_key: new,
    }
}

/// Asks for a statement, signs it with both keys and hands it in.
pub(crate) async fn rotate(
    world: &World,
    who: PrincipalId,
    old: &PrivateKey,
    new: &PrivateKey,
    now: i64,
) -> store::Result<()> {
    let by = By::Oneself(who);
    let issued = succession::challenge(world.store(), &by, id(old), id(new), now).await?;
    let rotation = rotation(old, new, &issued.nonce, &issued.principal);
    succession::rotate(world.store(), &by, &rotation, now).await
}

/// Since when what each key signs is distrusted.
async fn revoked(world: &World, keys: &[&PrivateKey]) -> Vec<(Option<i64>, Option<i64>)> {
    let directory = accounts::directory(world.store()).await.unwrap();
    let of = |key: &&PrivateKey| {
        let key = &directory.keys[id(key)];
        (key.revoked_at, key.revoked_from)
    };
    keys.iter().map(of).collect()
}

#[tokio::test]
async fn the_new_key_has_what_the_old_one_had_and_that_one_ends() {
    let world = World::new().await;
    let (old, new) = (key(), key());
    register(world.store(), world.maria, &old, &["shop/**"], NOW)
        .await
        .unwrap();
    rotate(&world, world.maria, &old, &new, NOW + 5)
        .await
        .unwrap();
    let listed = signing_keys::list(world.store()).await.unwrap();
    let [before, next] = listed.as_slice() else {
        panic!("{listed:?}");
    };
    assert_eq!(next.key_id, *id(&new));
    assert_eq!(next.principal, world.maria);
    assert_eq!((&next.name, &next.scope), (&before.name, &before.scope));
    assert_eq!(next.succeeds.as_ref(), Some(id(&old)));
    assert_eq!(next.revoked_at, None);
    assert_eq!(
        (before.revoked_at, before.revoked_from),
        (Some(NOW + 5), Some(NOW + 5))
    );
    for (act, times) in [("key.rotate", 1), ("key.register", 1), ("key.revoke", 0)] {
        assert_eq!(world.acts(act).await, times, "{act}");
    }
    let kinds = [evidence::REVERIFY_EVIDENCE];
    let mut asked = Vec::new();
    while let Some(job) = jobs::claim(world.store(), &kinds, NOW + 5, 1_000)
        .await
        .unwrap()
    {
        asked.push(job.key);
    }
    assert!(asked.contains(&id(&new).to_string()));
    let events = store::outbox::events(world.store(), 0, 100).await.unwrap();
    let told: Vec<_> = events
        .iter()
        .filter(|event| event.kind == "key.rotated")
        .collect();
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].data["principal"], "maria");
    assert_eq!(told[0].data["succeeds"], id(&old).as_str());
}

#[tokio::test]
async fn only_the_owner_rotates_and_only_what_counts_to_what_is_unknown() {
    let world = World::new().await;
    let (old, new, others) = (key(), key(), key());
    let store = world.store();
    register(store, world.maria, &old, &["shop/**"], NOW)
        .await
        .unwrap();
    register(store, world.jonas, &others, &["shop/**"], NOW)
        .await
        .unwrap();

    let error = rotate(&world, world.jonas, &old, &new, NOW)
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Refused { .. }), "{error}");
    let error = rotate(&world, world.maria, &new, &key(), NOW)
        .await
        .unwrap_err();
    assert!(matches!(error, Error::NotFound { .. }), "{error}");
    // One that has an owner and a scope takes nobody's place.
    let error = rotate(&world, world.maria, &old, &others, NOW)
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Conflict { .. }), "{error}");
    // Somebody's end was set for a time ahead: it is not outlived.
    let permit = server_permit(ADMIN);
    signing_keys::revoke(store, &permit, id(&old), Some(NOW + 1_000), NOW)
        .await
        .unwrap();
    let error = rotate(&world, world.maria, &old, &new, NOW)
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Conflict { .. }), "{error}");
    // A robot's key is its owner's to rotate.
    let robots = key();
    register(store, world.ci, &robots, &["shop/**"], NOW)
        .await
        .unwrap();
    let error = rotate(&world, world.maria, &robots, &new, NOW)
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Refused { .. }), "{error}");
    rotate(&world, PrincipalId(ADMIN), &robots, &new, NOW)
        .await
        .unwrap();
    let directory = accounts::directory(store).await.unwrap();
    assert_eq!(directory.keys[id(&new)].principal, world.ci);
    assert_eq!(world.acts("key.rotate").await, 1);
}

#[tokio::test]
async fn a_statement_is_good_once_for_its_keys_and_a_while() {
    let world = World::new().await;
    let (old, new, other) = (key(), key(), key());
    let (store, by) = (world.store(), By::Oneself(world.maria));
    register(store, world.maria, &old, &["shop/**"], NOW)
        .await
        .unwrap();
    let issued = succession::challenge(store, &by, id(&old), id(&new), NOW)
        .await
        .unwrap();
    let refused = async |rotation: Rotation, now| {
        let error = succession::rotate(store, &by, &rotation, now)
            .await
            .unwrap_err();
        assert!(matches!(error, Error::Refused { .. }), "{error}");
    };
    let good = rotation(&old, &new, &issued.nonce, "maria");
    refused(good.clone(), issued.expires_at).await;
    refused(rotation(&old, &other, &issued.nonce, "maria"), NOW).await;
    refused(rotation(&old, &new, &issued.nonce, "jonas"), NOW).await;
    refused(rotation(&old, &new, &"0".repeat(64), "maria"), NOW).await;
    // The statement is about another key than the one that is handed in.
    let swapped = Rotation {
        public_key: other.public_key().clone().into(),
        ..good.clone()
    };
    refused(swapped, NOW).await;
    assert_eq!(revoked(&world, &[&old]).await, [(None, None)]);

    succession::rotate(store, &by, &good, NOW).await.unwrap();
    let error = succession::rotate(store, &by, &good, NOW)
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Conflict { .. }), "{error}");
    assert_eq!(world.acts("key.rotate").await, 1);
}

#[tokio::test]
async fn what_a_stolen_key_named_as_its_successor_goes_with_it() {
    let world = World::new().await;
    let keys = [key(), key(), key()];
    let [first, second, third] = &keys;
    let store = world.store();
    register(store, world.maria, first, &["shop/**"], NOW)
        .await
        .unwrap();
    rotate(&world, world.maria, first, second, NOW + 10)
        .await
        .unwrap();
    rotate(&world, world.maria, second, third, NOW + 20)
        .await
        .unwrap();
    let all = [first, second, third];
    let rotated = [
        (Some(NOW + 10), Some(NOW + 10)),
        (Some(NOW + 20), Some(NOW + 20)),
        (None, None),
    ];
    assert_eq!(revoked(&world, &all).await, rotated);
    let permit = server_permit(ADMIN);
    let revoke = async |key: &PrivateKey, from, now| {
        signing_keys::revoke(store, &permit, id(key), from, now).await
    };
    // From its own end on there is nothing to take.
    revoke(first, Some(NOW + 10), NOW + 30).await.unwrap();
    assert_eq!(revoked(&world, &all).await, rotated);
    // The second was stolen before it named the third: the first is not touched.
    revoke(second, Some(NOW + 15), NOW + 31).await.unwrap();
    let since = [
        rotated[0],
        (Some(NOW + 20), Some(NOW + 15)),
        (Some(NOW + 31), Some(NOW + 15)),
    ];
    assert_eq!(revoked(&world, &all).await, since);
    let chain = signing_keys::successors(store, id(first), None)
        .await
        .unwrap();
    assert_eq!(chain, [id(second).clone(), id(third).clone()]);
    let after = signing_keys::successors(store, id(first), Some(NOW + 11)).await;
    assert_eq!(after.unwrap(), [] as [KeyId; 0]);
    revoke(first, None, NOW + 40).await.unwrap();
    let none = [
        (Some(NOW + 10), None),
        (Some(NOW + 20), None),
        (Some(NOW + 31), None),
    ];
    assert_eq!(revoked(&world, &all).await, none);
    // Each is an act of its own in the log.
    assert_eq!(world.acts("key.revoke").await, 5);
}
