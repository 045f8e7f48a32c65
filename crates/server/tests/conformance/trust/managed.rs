//! Repositories that a policy covers: what docker sends is refused with the command that comes next, signers sign, and the server alone
//! releases.

use super::publisher::{GUN, Publisher, TRUST};
use crate::world::{Answer, PASSWORD, World, basic};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use oci::RepositoryName;
use registry::Registry;
use serde_json::{Value, json};
use store::System;
use trust::possession::Challenge;
use trust::tuf::{Key, RoleName};
use trust::{Algorithm, PrivateKey, Signer};

const KEY: &str = "targets/releases.key";
const POLICY: &str = "
version: 1
repositories: ['shop/**']
stages:
  review: {signers: [{person: maria}, {person: jonas}], threshold: 2}
gates:
  production: {holds-for: [{person: host}], require: [review]}
content-trust: {gates: [production]}
";

pub(super) async fn shop(world: &World) {
    for person in ["maria", "jonas"] {
        world.person(person, &[("signer", "shop/**")]).await;
    }
    world.person("host", &[("reader", "shop/**")]).await;
    cover(world).await;
}

pub(super) async fn cover(world: &World) {
    world
        .api("PUT", "policies/shop", json!({"document": POLICY}))
        .await;
}

/// What the client shows of a refusal; all of it must reach it.
pub(super) fn said(answer: Answer) -> String {
    let answer = answer.expect(400);
    assert!(answer.body.len() < 1024, "{}", answer.body.len());
    assert_eq!(answer.code(), "INVALID_UPDATE");
    let detail = &answer.json()["errors"][0]["detail"];
    assert_eq!(detail["Name"], "ErrValidation");
    detail["Error"]["Msg"].as_str().unwrap().to_owned()
}

/// A key of somebody, registered as `countersign key register` does it.
pub(super) async fn registered(world: &World, owner: &str, scope: &str) -> PrivateKey {
    let key = PrivateKey::generate(Algorithm::EcdsaP256).unwrap();
    let pem = key.public_key().to_pem();
    let asked = json!({"publicKeyPem": pem, "principal": owner});
    let challenge = world.api("POST", "keys/challenges", asked).await;
    let statement = STANDARD.decode(challenge["statement"].as_str().unwrap());
    let proof = Challenge::parse(&statement.unwrap()).unwrap().prove(&key);
    let new = json!({
        "nonce": challenge["nonce"], "publicKeyPem": pem, "signature": STANDARD.encode(proof.unwrap()),
        "name": "laptop", "scope": [scope], "principal": owner,
    });
    world.api("POST", "keys", new).await;
    key
}

/// A publisher who has initialised the repository for the policy.
pub(super) async fn managed<'a>(world: &'a World, gun: &str) -> Publisher<'a> {
    let mut publisher = Publisher::begin(world, gun).await;
    publisher.repository.held.releases = vec![publisher.server_key("targets/releases").await];
    let first = publisher.repository.first_managed_files();
    publisher.must(&first).await;
    publisher
}

pub(super) async fn add_signer(publisher: &mut Publisher<'_>, role: &str, key: PrivateKey) -> Key {
    let key = publisher.repository.bring(key);
    let keys = std::slice::from_ref(&key);
    let update = publisher.repository.delegating_to(role, keys);
    publisher.must(&[update]).await;
    key
}

pub(super) async fn sign(publisher: &mut Publisher<'_>, role: &str, tag: &str, image: &[u8]) {
    let file = publisher.repository.signing(role, tag, image);
    publisher.must(&[file]).await;
}

/// What the monitor does after a change.
pub(super) async fn release(world: &World, publisher: &mut Publisher<'_>) {
    let registry = Registry::new(world.app.store().clone());
    let repository: RepositoryName = "shop/web".parse().unwrap();
    let system = System::job("release-tags");
    let released = registry
        .release_tags(system, &repository, crate::world::NOW)
        .await
        .unwrap();
    assert!(released.failed.is_none(), "{released:?}");
    publisher.follow().await;
}

#[tokio::test]
async fn what_docker_sends_first_is_refused_with_the_next_command() {
    let world = World::new().await;
    shop(&world).await;
    let mut publisher = Publisher::begin(&world, GUN).await;
    let first = publisher.first_files();
    let said = said(publisher.post(&first).await);
    assert!(said.contains("a policy covers this repository"), "{said}");
    assert!(
        said.contains(&format!("countersign trust init {GUN}")),
        "{said}"
    );
    publisher.read("root.json").await.expect(404);
}

#[tokio::test]
async fn a_tag_is_released_when_two_have_signed_and_withheld_when_a_key_is_revoked() {
    let world = World::new().await;
    shop(&world).await;
    let image = world.image("shop/web", "1", b"a layer").await;
    let mut publisher = managed(&world, GUN).await;
    let maria = registered(&world, "maria", "shop/**").await;
    let revoked = maria.public_key().id().to_string();
    let jonas = registered(&world, "jonas", "shop/**").await;
    add_signer(&mut publisher, "targets/maria", maria).await;
    add_signer(&mut publisher, "targets/jonas", jonas).await;
    sign(&mut publisher, "targets/maria", "1", &image).await;
    release(&world, &mut publisher).await;
    assert!(
        publisher.believed().await.target("1").is_none(),
        "one of two"
    );
    sign(&mut publisher, "targets/jonas", "1", &image).await;
    release(&world, &mut publisher).await;
    let believed = publisher.believed().await;
    let target = believed.target("1").unwrap();
    assert_eq!(*target.role, RoleName::releases());
    assert_eq!(target.file.length, image.len() as u64);

    let path = format!("/api/v1/keys/{revoked}");
    world.ask("DELETE", &path).empty().await.expect(204);
    release(&world, &mut publisher).await;
    assert!(publisher.believed().await.target("1").is_none());
    // Signing with it is taken, and counts for nothing.
    sign(&mut publisher, "targets/maria", "2", &image).await;
}

#[tokio::test]
async fn a_signer_who_was_added_by_docker_is_refused_with_the_next_command() {
    let world = World::new().await;
    shop(&world).await;
    let mut publisher = managed(&world, GUN).await;
    let maria = registered(&world, "maria", "shop/**").await;
    let maria = publisher.repository.bring(maria);
    // `docker trust signer add` gives the key to `targets/releases` as well.
    let server = publisher.repository.keys_of("targets/releases");
    let both = [server[0].clone(), maria.clone()];
    let update = publisher.repository.next_targets("targets", |targets| {
        let delegations = &mut targets.delegations;
        delegations.set_role(RoleName::releases(), &both, 1, &[""]);
        let maria_alone = std::slice::from_ref(&maria);
        delegations.set_role("targets/maria".parse().unwrap(), maria_alone, 1, &[""]);
    });
    let said_of_signer = said(publisher.post(&[update]).await);
    assert!(
        said_of_signer.contains("countersign trust signer add"),
        "{said_of_signer}"
    );
    // Whose key it is must be known first.
    let stranger = PrivateKey::generate(Algorithm::EcdsaP256).unwrap();
    let stranger = publisher.repository.bring(stranger);
    let update = publisher.repository.delegating_to("targets/x", &[stranger]);
    let said_of_key = said(publisher.post(&[update]).await);
    assert!(
        said_of_key.contains("countersign key register"),
        "{said_of_key}"
    );
}

#[tokio::test]
async fn a_plain_repository_that_a_policy_begins_to_cover_is_readable_until_its_owner_hands_it_over()
 {
    let world = World::new().await;
    let mut publisher = Publisher::begin(&world, GUN).await;
    publisher.first().await;
    publisher.tag("targets", "1").await;
    shop(&world).await;
    release(&world, &mut publisher).await;
    assert!(publisher.believed().await.target("1").is_some(), "readable");
    let update = publisher.tagged("targets", "2");
    let said = said(publisher.post(&[update]).await);
    assert!(
        said.contains(&format!("countersign trust manage {GUN}")),
        "{said}"
    );
    publisher.repository.held.releases = vec![publisher.server_key("targets/releases").await];
    let update = publisher.repository.managing_files();
    publisher.must(&update).await;
    assert!(publisher.believed().await.target("1").is_none());
}

#[tokio::test]
async fn a_file_that_was_signed_for_another_repository_is_refused() {
    let world = World::new().await;
    shop(&world).await;
    let maria = registered(&world, "maria", "**").await;
    let mut elsewhere = Publisher::begin(&world, "localhost:5000/open/web").await;
    elsewhere.first().await;
    let mut publisher = managed(&world, GUN).await;
    let key = add_signer(&mut publisher, "targets/maria", maria).await;
    let keys = std::slice::from_ref(&key);
    let update = elsewhere.repository.delegating_to("targets/maria", keys);
    elsewhere.must(&[update]).await;
    elsewhere.repository.bring_all_of(&publisher.repository);
    let file = elsewhere
        .repository
        .signing("targets/maria", "1", b"an image");
    elsewhere.must(std::slice::from_ref(&file)).await;
    let said = said(publisher.post(&[file]).await);
    assert!(said.contains("published before"), "{said}");
    publisher.read("targets/maria.json").await.expect(404);
}

#[tokio::test]
async fn the_key_for_releases_is_asked_for_as_the_others_are() {
    let world = World::new().await;
    shop(&world).await;
    world.person("mona", &[("maintainer", "shop/**")]).await;
    let ask = async |who: &str, method: &str| {
        let authorization = match who {
            "" => String::new(),
            who => basic(who, PASSWORD),
        };
        let path = format!("{TRUST}/tuf/{KEY}");
        world.ask_with(&authorization, method, &path).empty().await
    };
    let key = ask("maria", "GET").await.expect(200).json();
    assert_eq!(key["keytype"], "ed25519");
    assert_eq!(key["keyval"]["private"], Value::Null);
    assert_eq!(ask("maria", "GET").await.expect(200).json(), key);
    for (who, method) in [("", "GET"), ("host", "GET"), ("maria", "POST")] {
        let answer = ask(who, method).await.expect(401);
        let challenge = answer.header("www-authenticate");
        let actions = match method {
            "GET" => "push,pull",
            _ => "*",
        };
        let scope = format!("scope=\"repository:{GUN}:{actions}\"");
        assert!(challenge.contains(&scope), "{challenge}");
    }
    // None is in use yet, so that the first one still waits.
    assert_eq!(ask("mona", "POST").await.expect(200).json(), key);
    let path = format!("{TRUST}/tuf/targets/maria.key");
    world.ask("GET", &path).empty().await.expect(404);
}
