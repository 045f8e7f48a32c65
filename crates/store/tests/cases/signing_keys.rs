//! Signing keys: registered with a proof that is used once, for one principal for ever.

use store::{Error, accounts, decisions, evidence, jobs, signing_keys};
use trust::{Algorithm, PrivateKey, Signer};

use super::world::{ADMIN, World, register, registration};
use crate::fixture::{Image, NOW, server_permit};

fn key() -> PrivateKey {
    PrivateKey::generate(Algorithm::Ed25519).unwrap()
}

#[tokio::test]
async fn a_registered_key_is_in_the_directory_and_old_evidence_is_read_again() {
    let world = World::new().await;
    let key = key();
    register(world.store(), world.maria, &key, &["shop/**"], NOW)
        .await
        .unwrap();
    let directory = accounts::directory(world.store()).await.unwrap();
    let registered = &directory.keys[key.public_key().id()];
    assert_eq!(registered.principal, world.maria);
    assert!(
        registered.covers(&"shop/web".parse().unwrap())
            && !registered.covers(&"other".parse().unwrap())
    );
    let job = jobs::claim(world.store(), &[evidence::REVERIFY_EVIDENCE], NOW, 1_000)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(job.payload["key_id"], key.public_key().id().as_str());
    let listed = signing_keys::list(world.store()).await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].public_key.plain(), Some(key.public_key()));
}

#[tokio::test]
async fn a_key_stays_with_its_first_principal_also_when_it_is_revoked() {
    let world = World::new().await;
    let key = key();
    register(world.store(), world.maria, &key, &["shop/**"], NOW)
        .await
        .unwrap();
    let error = register(world.store(), world.jonas, &key, &["shop/**"], NOW)
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Conflict { .. }), "{error}");

    signing_keys::revoke(
        world.store(),
        &server_permit(ADMIN),
        key.public_key().id(),
        None,
        NOW + 5,
    )
    .await
    .unwrap();
    for principal in [world.jonas, world.maria] {
        let error = register(world.store(), principal, &key, &["shop/**"], NOW + 6)
            .await
            .unwrap_err();
        assert!(matches!(error, Error::Conflict { .. }), "{error}");
    }
    let directory = accounts::directory(world.store()).await.unwrap();
    let kept = &directory.keys[key.public_key().id()];
    assert_eq!(
        (kept.principal, kept.revoked_at),
        (world.maria, Some(NOW + 5))
    );
}

#[tokio::test]
async fn the_same_principal_may_change_the_scope_with_a_new_proof() {
    let world = World::new().await;
    let key = key();
    register(world.store(), world.maria, &key, &["shop/**"], NOW)
        .await
        .unwrap();
    register(world.store(), world.maria, &key, &["tools/*"], NOW + 1)
        .await
        .unwrap();
    let directory = accounts::directory(world.store()).await.unwrap();
    let kept = &directory.keys[key.public_key().id()];
    assert!(kept.covers(&"tools/x".parse().unwrap()) && !kept.covers(&"shop/web".parse().unwrap()));
}

#[tokio::test]
async fn a_challenge_is_good_once_for_one_key_and_principal_and_a_while() {
    let world = World::new().await;
    let (store, permit) = (world.store(), server_permit(ADMIN));
    let (key, other) = (key(), key());
    let issued = signing_keys::challenge(store, &permit, world.maria, key.public_key().id(), NOW)
        .await
        .unwrap();
    let refused = |error: Error| assert!(matches!(error, Error::Refused { .. }), "{error}");

    // Answered too late, for another principal, with another key, or one that nobody issued.
    let good = registration(&key, &issued.nonce, "maria", &["shop/**"]);
    refused(
        signing_keys::register(store, &permit, &good, issued.expires_at)
            .await
            .unwrap_err(),
    );
    let stolen = registration(&key, &issued.nonce, "jonas", &["shop/**"]);
    refused(
        signing_keys::register(store, &permit, &stolen, NOW)
            .await
            .unwrap_err(),
    );
    let another = registration(&other, &issued.nonce, "maria", &["shop/**"]);
    refused(
        signing_keys::register(store, &permit, &another, NOW)
            .await
            .unwrap_err(),
    );
    let invented = registration(&key, "0".repeat(64).as_str(), "maria", &["shop/**"]);
    refused(
        signing_keys::register(store, &permit, &invented, NOW)
            .await
            .unwrap_err(),
    );
    assert!(signing_keys::list(store).await.unwrap().is_empty());

    signing_keys::register(store, &permit, &good, NOW)
        .await
        .unwrap();
    refused(
        signing_keys::register(store, &permit, &good, NOW)
            .await
            .unwrap_err(),
    );
    assert_eq!(world.acts("key.register").await, 1);
}

#[tokio::test]
async fn a_newer_challenge_ends_the_older_one() {
    let world = World::new().await;
    let (store, permit, key) = (world.store(), server_permit(ADMIN), key());
    let first = signing_keys::challenge(store, &permit, world.maria, key.public_key().id(), NOW)
        .await
        .unwrap();
    let second = signing_keys::challenge(store, &permit, world.maria, key.public_key().id(), NOW)
        .await
        .unwrap();
    let old = registration(&key, &first.nonce, "maria", &["shop/**"]);
    assert!(
        signing_keys::register(store, &permit, &old, NOW)
            .await
            .is_err()
    );
    let new = registration(&key, &second.nonce, "maria", &["shop/**"]);
    signing_keys::register(store, &permit, &new, NOW)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_key_without_scope_or_for_a_closed_account_is_refused() {
    let world = World::new().await;
    let error = register(world.store(), world.maria, &key(), &[], NOW)
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Invalid { .. }), "{error}");
    accounts::set_principal_active(
        world.store(),
        &server_permit(ADMIN),
        world.maria,
        false,
        NOW,
    )
    .await
    .unwrap();
    let error = register(world.store(), world.maria, &key(), &["shop/**"], NOW)
        .await
        .unwrap_err();
    assert!(matches!(error, Error::NotFound { .. }), "{error}");
}

#[tokio::test]
async fn a_revocation_is_only_ever_moved_back() {
    let world = World::new().await;
    let (store, permit, key) = (world.store(), server_permit(ADMIN), key());
    register(store, world.maria, &key, &["shop/**"], NOW)
        .await
        .unwrap();
    let id = key.public_key().id();
    let kept = async || {
        let directory = accounts::directory(store).await.unwrap();
        let key = &directory.keys[id];
        (key.revoked_at, key.revoked_from)
    };
    let revoke = async |from, now| signing_keys::revoke(store, &permit, id, from, now).await;
    revoke(Some(NOW + 3), NOW + 5).await.unwrap();
    assert_eq!(kept().await, (Some(NOW + 5), Some(NOW + 3)));
    // The same again changes nothing, a later moment is refused, an earlier one is taken.
    revoke(Some(NOW + 3), NOW + 6).await.unwrap();
    let error = revoke(Some(NOW + 4), NOW + 6).await.unwrap_err();
    assert!(matches!(error, Error::Conflict { .. }), "{error}");
    revoke(Some(NOW + 1), NOW + 7).await.unwrap();
    assert_eq!(kept().await, (Some(NOW + 5), Some(NOW + 1)));
    revoke(None, NOW + 8).await.unwrap();
    assert_eq!(kept().await, (Some(NOW + 5), None));
    let error = revoke(Some(0), NOW + 9).await.unwrap_err();
    assert!(matches!(error, Error::Conflict { .. }), "{error}");
    assert_eq!(world.acts("key.revoke").await, 3);
}

#[tokio::test]
async fn what_a_key_signed_since_a_moment_is_found_also_below_an_index() {
    let world = World::new().await;
    let key = world.key(world.maria).await;
    let (early, late) = (Image::new("early"), Image::new("late"));
    for image in [&early, &late] {
        world.fixture.push("shop/web", &[], image).await;
    }
    world.sign(&early, "ci", &key, NOW + 1).await;
    world.sign(&late, "ci", &key, NOW + 9).await;
    let since = async |from, after: Option<&decisions::Subject>| {
        let found = signing_keys::signed_since(world.store(), &key, from, after, 1)
            .await
            .unwrap();
        found.into_iter().next()
    };
    let first = since(Some(NOW + 9), None).await.unwrap();
    assert_eq!(first.digest, late.digest);
    assert_eq!(since(Some(NOW + 9), Some(&first)).await, None);
    assert_eq!(since(Some(NOW + 10), None).await, None);
    // All that it ever signed, page by page.
    let first = since(None, None).await.unwrap();
    let second = since(None, Some(&first)).await.unwrap();
    let mut both = [first.digest.clone(), second.digest.clone()];
    both.sort();
    let mut expected = [early.digest.clone(), late.digest.clone()];
    expected.sort();
    assert_eq!(both, expected);
    assert_eq!(since(None, Some(&second)).await, None);
}
