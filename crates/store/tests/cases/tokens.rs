//! Tokens: found by hash while they are good, by nobody afterwards.

use policy::{Ceiling, PrincipalId, VerbKind};
use store::accounts::{self, By};
use store::tokens::{self, NewToken};
use store::{Error, Store};

use super::world::{ADMIN, World};
use crate::fixture::{NOW, server_permit};

fn hash(seed: u8) -> String {
    format!("{seed:02x}").repeat(32)
}

fn new(principal: PrincipalId, seed: u8, expires_at: Option<i64>) -> NewToken {
    let ceiling = Ceiling::Only(vec![policy::Scope::everywhere([VerbKind::Pull])]);
    NewToken {
        principal,
        name: "laptop".to_owned(),
        hash: hash(seed),
        ceiling,
        expires_at,
    }
}

async fn is_good(store: &Store, seed: u8, now: i64) -> bool {
    tokens::token_by_hash(store, &hash(seed), now)
        .await
        .unwrap()
        .is_some()
}

#[tokio::test]
async fn a_token_is_good_until_it_ends_or_is_revoked() {
    let world = World::new().await;
    let store = world.store();
    let by = By::Oneself(world.maria);
    let forever = tokens::create(store, &by, &new(world.maria, 1, None), NOW)
        .await
        .unwrap();
    tokens::create(store, &by, &new(world.maria, 2, Some(NOW + 10)), NOW)
        .await
        .unwrap();
    let found = tokens::token_by_hash(store, &hash(1), NOW)
        .await
        .unwrap()
        .unwrap();
    assert_eq!((found.id, found.principal), (forever, world.maria));
    assert_eq!(found.ceiling, new(world.maria, 1, None).ceiling);
    assert!(is_good(store, 2, NOW + 9).await);
    assert!(!is_good(store, 2, NOW + 10).await);
    assert!(!is_good(store, 3, NOW).await);

    tokens::revoke(store, &by, forever, NOW + 1).await.unwrap();
    tokens::revoke(store, &by, forever, NOW + 2).await.unwrap();
    assert!(!is_good(store, 1, NOW + 1).await);
    assert_eq!(world.acts("token.revoke").await, 1);
    let listed = tokens::list(store, &by, world.maria, NOW).await.unwrap();
    assert_eq!(
        listed
            .iter()
            .map(|token| token.revoked_at)
            .collect::<Vec<_>>(),
        [Some(NOW + 1), None]
    );
}

#[tokio::test]
async fn a_robots_token_ends_with_its_owner() {
    let world = World::new().await;
    let store = world.store();
    let robot = super::world::robot(store, "builder", world.maria).await;
    tokens::create(store, &By::Oneself(world.maria), &new(robot, 1, None), NOW)
        .await
        .unwrap();
    assert!(is_good(store, 1, NOW).await);
    accounts::set_principal_active(store, &server_permit(ADMIN), world.maria, false, NOW)
        .await
        .unwrap();
    assert!(!is_good(store, 1, NOW).await);
    accounts::set_principal_active(store, &server_permit(ADMIN), world.maria, true, NOW)
        .await
        .unwrap();
    assert!(is_good(store, 1, NOW).await);
}

#[tokio::test]
async fn nobody_makes_sees_or_revokes_the_tokens_of_others() {
    let world = World::new().await;
    let store = world.store();
    let id = tokens::create(
        store,
        &By::Oneself(world.maria),
        &new(world.maria, 1, None),
        NOW,
    )
    .await
    .unwrap();
    let other = By::Oneself(world.jonas);
    let refused = |error: Error| matches!(error, Error::Refused { .. });
    assert!(refused(
        tokens::create(store, &other, &new(world.maria, 2, None), NOW)
            .await
            .unwrap_err()
    ));
    assert!(refused(
        tokens::create(store, &other, &new(world.ci, 2, None), NOW)
            .await
            .unwrap_err()
    ));
    assert!(refused(
        tokens::revoke(store, &other, id, NOW).await.unwrap_err()
    ));
    assert!(refused(
        tokens::list(store, &other, world.maria, NOW)
            .await
            .unwrap_err()
    ));
    let permit = server_permit(ADMIN);
    tokens::revoke(store, &By::Accounts(&permit), id, NOW)
        .await
        .unwrap();
}

#[tokio::test]
async fn what_is_no_hash_is_not_kept() {
    let world = World::new().await;
    let by = By::Oneself(world.maria);
    for hash in ["cst_secret".to_owned(), "A".repeat(64), "ab".repeat(31)] {
        let new = NewToken {
            hash,
            ..new(world.maria, 1, None)
        };
        let error = tokens::create(world.store(), &by, &new, NOW)
            .await
            .unwrap_err();
        assert!(matches!(error, Error::Invalid { .. }), "{error}");
    }
    let past = new(world.maria, 1, Some(NOW));
    assert!(matches!(
        tokens::create(world.store(), &by, &past, NOW)
            .await
            .unwrap_err(),
        Error::Invalid { .. }
    ));
}
