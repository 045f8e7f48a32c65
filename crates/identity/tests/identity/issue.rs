//! Session tokens: for what was asked and may be done, and for no longer than that is so.

use identity::{AuthError, Caller, LogIn, Presented, Scope, Via};
use policy::{Ceiling, Role, VerbKind, Who, access};
use secrecy::ExposeSecret;
use store::accounts;

use crate::world::{NOW, World, here};

async fn session(world: &World, log_in: &LogIn, scopes: &str) -> Caller {
    let issued = world
        .identity
        .issue(log_in, &Scope::parse_list(scopes), NOW)
        .await
        .unwrap();
    world.bearer(&issued.token, NOW).await.unwrap()
}

fn verbs(ceiling: &Ceiling, repository: &str) -> Vec<&'static str> {
    let name = repository.parse().unwrap();
    let allowed = VerbKind::ALL
        .iter()
        .filter(|verb| ceiling.allows(**verb, Some(&name)));
    allowed.map(|verb| verb.as_str()).collect()
}

#[tokio::test]
async fn a_session_holds_what_was_asked_and_granted() {
    let world = World::new().await;
    let maria = world.person("maria").await;
    world.grant(maria, Role::Writer, "shop/**").await;
    world.grant(maria, Role::Reader, "base/**").await;
    let asked = "repository:shop/web:pull,push,delete repository:base/debian:pull,push repository:other/x:pull";
    let caller = session(&world, &world.shown("maria").await, asked).await;
    assert_eq!(
        (caller.who.clone(), caller.via),
        (Who::Principal(maria), Via::Session)
    );
    assert_eq!(
        verbs(&caller.ceiling, "shop/web"),
        ["pull", "push", "attach"]
    );
    assert_eq!(verbs(&caller.ceiling, "base/debian"), ["pull"]);
    assert!(verbs(&caller.ceiling, "other/x").is_empty());
    assert!(verbs(&caller.ceiling, "shop/other").is_empty());
    assert!(!caller.ceiling.allows(VerbKind::ManageAccounts, None));
    assert_eq!(caller.widest, Ceiling::All);
}

#[tokio::test]
async fn repeated_scopes_are_one() {
    let world = World::new().await;
    let maria = world.person("maria").await;
    world.grant(maria, Role::Writer, "shop/**").await;
    let caller = session(
        &world,
        &world.shown("maria").await,
        "repository:shop/web:pull repository:shop/web:push",
    )
    .await;
    assert_eq!(
        verbs(&caller.ceiling, "shop/web"),
        ["pull", "push", "attach"]
    );
}

#[tokio::test]
async fn a_signer_s_push_is_for_evidence_only() {
    let world = World::new().await;
    let signer = world.person("signer").await;
    world.grant(signer, Role::Signer, "shop/**").await;
    let caller = session(
        &world,
        &world.shown("signer").await,
        "repository:shop/web:pull,push",
    )
    .await;
    assert_eq!(verbs(&caller.ceiling, "shop/web"), ["pull", "attach"]);
}

#[tokio::test]
async fn without_scopes_it_says_only_who_it_is() {
    let world = World::new().await;
    let admin = world.id("admin").await;
    let caller = session(
        &world,
        &world.shown("admin").await,
        "repository(plugin):shop/web:pull",
    )
    .await;
    assert_eq!(
        (caller.who, caller.ceiling),
        (Who::Principal(admin), Ceiling::Only(Vec::new()))
    );
}

#[tokio::test]
async fn the_catalog_is_for_those_who_may_list() {
    let world = World::new().await;
    world.person("maria").await;
    let listing = session(&world, &world.shown("admin").await, "registry:catalog:*").await;
    assert!(listing.ceiling.allows(VerbKind::ListCatalog, None));
    assert!(!listing.ceiling.allows(VerbKind::Operate, None));
    let other = session(&world, &world.shown("maria").await, "registry:catalog:*").await;
    assert!(!other.ceiling.allows(VerbKind::ListCatalog, None));
}

#[tokio::test]
async fn a_limited_token_cannot_be_traded_for_more() {
    let world = World::new().await;
    let admin = world.id("admin").await;
    let robot = world.robot("ci-shop", admin).await;
    world.grant(robot, Role::Maintainer, "**").await;
    let limited = Ceiling::Only(vec![policy::Scope::repository(
        &"shop/web".parse().unwrap(),
        [VerbKind::Pull],
    )]);
    let token = world.token(robot, limited).await;
    let with_token = world.shown_token(&token.token).await;
    let first = session(
        &world,
        &with_token,
        "repository:shop/web:pull,push,delete repository:shop/api:pull",
    )
    .await;
    assert_eq!(verbs(&first.ceiling, "shop/web"), ["pull"]);
    assert!(verbs(&first.ceiling, "shop/api").is_empty());
    // What a session says of the credentials behind it is what they are limited to.
    assert_eq!(first.widest, with_token.caller.ceiling);
}

#[tokio::test]
async fn a_session_cannot_prolong_itself() {
    let world = World::new().await;
    let scopes = Scope::parse_list("repository:shop/web:pull");
    let admin = world.shown("admin").await;
    let first = world.identity.issue(&admin, &scopes, NOW).await.unwrap();
    let first = world.shown_token(&first.token).await;
    let again = world.identity.issue(&first, &scopes, NOW).await;
    assert!(matches!(again, Err(AuthError::Token)), "{again:?}");
}

#[tokio::test]
async fn what_was_granted_is_told_as_scopes() {
    let world = World::new().await;
    let maria = world.person("maria").await;
    world.grant(maria, Role::Writer, "shop/**").await;
    world.grant(maria, Role::Reader, "base/**").await;
    let asked = "repository:shop/web:pull repository:base/debian:pull,push registry:catalog:* \
        repository:shop/web:push,delete repository:other/x:pull";
    let nobody = world.identity.log_in(Presented::None, here(), NOW);
    for (log_in, expected) in [
        (
            world.shown("maria").await,
            "repository:base/debian:pull repository:shop/web:pull,push",
        ),
        (nobody.await.unwrap(), ""),
    ] {
        let issued = world
            .identity
            .issue(&log_in, &Scope::parse_list(asked), NOW)
            .await
            .unwrap();
        assert_eq!(issued.scope, expected);
    }
    let admin = world.shown("admin").await;
    let catalog = Scope::parse_list("registry:catalog:* registry:catalog:*");
    let issued = world.identity.issue(&admin, &catalog, NOW).await.unwrap();
    assert_eq!(issued.scope, "registry:catalog:*");
}

#[tokio::test]
async fn sessions_of_closed_accounts_and_of_robots_of_closed_owners_are_refused() {
    let world = World::new().await;
    let maria = world.person("maria").await;
    let robot = world.robot("ci-shop", maria).await;
    let robots = world.token(robot, Ceiling::All).await.token;
    let mut tokens = Vec::new();
    for log_in in [world.shown("maria").await, world.shown_token(&robots).await] {
        let issued = world.identity.issue(&log_in, &[], NOW).await.unwrap();
        tokens.push(issued.token);
    }
    for token in &tokens {
        assert!(world.bearer(token, NOW).await.is_ok());
    }
    world.set_active(maria, false).await;
    for token in &tokens {
        assert!(world.bearer(token, NOW).await.is_err());
    }
}

#[tokio::test]
async fn a_session_is_worth_no_more_than_the_roles_of_the_moment() {
    let world = World::new().await;
    let maria = world.person("maria").await;
    world.grant(maria, Role::Writer, "shop/**").await;
    let caller = session(
        &world,
        &world.shown("maria").await,
        "repository:shop/web:push",
    )
    .await;
    let name = "shop/web".parse().unwrap();
    let may_push = async || {
        let directory = accounts::directory(&world.store).await.unwrap();
        access::access::<policy::verb::Push>(
            &directory,
            &caller.who,
            Some(&name),
            &caller.ceiling,
            false,
            NOW,
        )
        .is_ok()
    };
    assert!(may_push().await);
    let permit = world.permit::<policy::verb::ManageAccounts>().await;
    let grants = accounts::grants(&world.store, &permit, NOW).await.unwrap();
    let writer = grants.iter().find(|record| {
        record.grant.role == Role::Writer && record.grant.pattern.as_str() == "shop/**"
    });
    accounts::remove_grant(&world.store, &permit, writer.unwrap().id, NOW)
        .await
        .unwrap();
    assert!(!may_push().await);
}

#[tokio::test]
async fn sessions_end_and_do_not_work_as_passwords() {
    let world = World::new().await;
    let admin = world.shown("admin").await;
    let issued = world.identity.issue(&admin, &[], NOW).await.unwrap();
    assert_eq!(issued.expires_in_seconds, 300);
    assert!(world.bearer(&issued.token, NOW + 299_000).await.is_ok());
    assert!(world.bearer(&issued.token, NOW + 300_000).await.is_err());
    assert!(
        world
            .log_in("admin", issued.token.expose_secret())
            .await
            .is_err()
    );
    assert!(world.bearer(&"".into(), NOW).await.is_err());
}

#[tokio::test]
async fn somebody_anonymous_gets_a_session_for_what_anybody_may() {
    let world = World::new().await;
    let nobody = world.identity.log_in(Presented::None, here(), NOW);
    let nobody = nobody.await.unwrap();
    let closed = session(&world, &nobody, "repository:shop/web:pull,push").await;
    assert_eq!(
        (closed.who, closed.ceiling),
        (Who::Anonymous, Ceiling::Only(Vec::new()))
    );
    let options = identity::Options {
        anonymous_pull: true,
        ..identity::Options::default()
    };
    let open = identity::Identity::new(world.store.clone(), options).unwrap();
    let issued = open
        .issue(
            &nobody,
            &Scope::parse_list("repository:shop/web:pull,push"),
            NOW,
        )
        .await
        .unwrap();
    let caller = open
        .authenticate(Presented::Bearer(issued.token), here(), NOW)
        .await
        .unwrap();
    assert_eq!(
        (caller.who.clone(), verbs(&caller.ceiling, "shop/web")),
        (Who::Anonymous, vec!["pull"])
    );
}
