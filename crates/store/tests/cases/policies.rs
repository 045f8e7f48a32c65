//! Policies: applied only when they make sense here and now, kept by revision, and refused when somebody edited them.

use policy::{Grantee, Role};
use store::policies::{self, Applied};
use store::{Error, decisions, jobs};

use super::world::{ADMIN, SHOP, World, grant};
use crate::fixture::{NOW, server_permit};

async fn apply(world: &World, name: &str, document: &str) -> store::Result<Applied> {
    policies::apply(world.store(), &server_permit(ADMIN), name, document, NOW).await
}

#[tokio::test]
async fn revisions_count_and_the_same_document_is_no_new_one() {
    let world = World::new().await;
    let first = apply(&world, "shop", SHOP).await.unwrap();
    assert_eq!((first.revision, first.changed), (1, true));
    assert!(
        jobs::claim(world.store(), &[decisions::DECIDE_ALL], NOW, 1)
            .await
            .unwrap()
            .is_some()
    );
    let again = apply(&world, "shop", SHOP).await.unwrap();
    assert_eq!((again.revision, again.changed), (1, false));
    let edited = format!("{SHOP}\n# edited\n");
    let second = apply(&world, "shop", &edited).await.unwrap();
    assert_eq!((second.revision, second.changed), (2, true));
    policies::remove(world.store(), &server_permit(ADMIN), "shop", NOW)
        .await
        .unwrap();
    assert!(policies::current(world.store()).await.unwrap().is_empty());
    let error = policies::remove(world.store(), &server_permit(ADMIN), "shop", NOW)
        .await
        .unwrap_err();
    assert!(matches!(error, Error::NotFound { .. }), "{error}");
    let third = apply(&world, "shop", &edited).await.unwrap();
    assert_eq!(
        (third.revision, third.changed),
        (3, true),
        "a removed policy comes back as a new revision"
    );

    let history = policies::history(world.store(), "shop").await.unwrap();
    let shape: Vec<(i64, bool)> = history
        .iter()
        .map(|record| (record.revision, record.current))
        .collect();
    assert_eq!(shape, [(3, true), (2, false), (1, false)]);
    assert_eq!(history[2].document, SHOP);
    assert_eq!(policies::documents(world.store()).await.unwrap().len(), 1);
    assert_eq!(
        (
            world.acts("policy.apply").await,
            world.acts("policy.remove").await
        ),
        (3, 1)
    );
}

#[tokio::test]
async fn what_is_in_force_is_read_once_until_it_changes() {
    let world = World::new().await;
    world.apply(SHOP).await;
    let first = policies::current(world.store()).await.unwrap();
    assert!(std::sync::Arc::ptr_eq(
        &first,
        &policies::current(world.store()).await.unwrap()
    ));
    apply(&world, "tools", &SHOP.replace("shop/**", "tools/**"))
        .await
        .unwrap();
    let names: Vec<String> = policies::current(world.store())
        .await
        .unwrap()
        .iter()
        .map(|policy| policy.name.clone())
        .collect();
    assert_eq!(names, ["shop", "tools"]);
}

#[tokio::test]
async fn errors_in_the_document_or_in_its_place_refuse_it() {
    let world = World::new().await;
    let strangers = SHOP.replace("team: qa", "team: nobody");
    for (what, document) in [
        ("not a policy", "version: 1"),
        ("a key of a later version", &format!("{SHOP}\nfresh: 1d\n")),
        ("people who do not exist", &strangers),
    ] {
        let error = apply(&world, "shop", document).await.unwrap_err();
        assert!(matches!(error, Error::Invalid { .. }), "{what}: {error}");
        let lints = policies::check(world.store(), "shop", document, NOW)
            .await
            .unwrap();
        assert!(lints.iter().any(policy::Lint::is_error), "{what}");
    }
    assert!(policies::current(world.store()).await.unwrap().is_empty());
    assert!(
        !policies::check(world.store(), "shop", SHOP, NOW)
            .await
            .unwrap()
            .iter()
            .any(policy::Lint::is_error)
    );
    assert!(apply(&world, "Shop!", SHOP).await.is_err());
}

#[tokio::test]
async fn a_held_principal_who_can_push_past_the_gate_is_refused() {
    let world = World::new().await;
    let host = super::world::robot(world.store(), "host-1", world.maria).await;
    world.join("hosts", host).await;
    let ungated = format!("{SHOP}\nungated: ['scratch/**']\n");
    grant(
        world.store(),
        Grantee::Principal(host),
        Role::Writer,
        "scratch/**",
    )
    .await;
    let error = apply(&world, "shop", &ungated).await.unwrap_err();
    assert!(matches!(error, Error::Invalid { .. }), "{error}");
}

#[tokio::test]
async fn a_document_edited_by_hand_into_nonsense_stops_the_gate() {
    let world = World::new().await;
    world.apply(SHOP).await;
    world
        .fixture
        .edit("UPDATE policies SET document = 'version: 1'")
        .await;
    let fixture = world.fixture.restart().await;
    let error = policies::current(&fixture.store).await.unwrap_err();
    assert!(matches!(error, Error::Corrupt { .. }), "{error}");
}
