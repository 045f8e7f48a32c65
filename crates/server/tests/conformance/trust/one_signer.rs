//! One signer alone cannot release: maria has her keys, may push to the repository, and owns its trust repository, with the keys of `root`
//! and `targets`. Jonas has to sign too. Each test is something that she posts, and ends with what a reader pulls: nothing of hers.

use std::slice;

use super::managed::{add_signer, managed, registered, release, said, shop, sign};
use super::publisher::{GUN, Publisher};
use crate::world::{PASSWORD, World, basic};
use serde_json::json;
use trust::tuf::{FileMeta, Key, RoleName, author};

const MARIA: &str = "targets/maria";
const JONAS: &str = "targets/jonas";
const SECOND: i64 = 1_000;

/// An image that maria alone wants under tag 1, in a repository where both sign.
struct Shop<'a> {
    world: &'a World,
    publisher: Publisher<'a>,
    image: Vec<u8>,
    maria: Key,
    jonas: Key,
}

impl<'a> Shop<'a> {
    async fn open(world: &'a World) -> Self {
        shop(world).await;
        let image = world.image("shop/web", "1", b"maria's layer").await;
        let mut publisher = managed(world, GUN).await;
        let maria = registered(world, "maria", "**").await;
        let maria = add_signer(&mut publisher, MARIA, maria).await;
        let jonas = registered(world, "jonas", "**").await;
        let jonas = add_signer(&mut publisher, JONAS, jonas).await;
        Self {
            world,
            publisher,
            image,
            maria,
            jonas,
        }
    }

    /// She signs the image in a file of hers, which is never the same twice.
    async fn sign(&mut self, role: &str, tag: &str) {
        let image = self.image.clone();
        self.sign_other(role, tag, &image).await;
    }

    async fn sign_other(&mut self, role: &str, tag: &str, image: &[u8]) {
        self.publisher.repository.now += SECOND;
        sign(&mut self.publisher, role, tag, image).await;
    }

    async fn delegate(&mut self, role: &str, keys: &[Key]) {
        let update = self.publisher.repository.delegating_to(role, keys);
        self.publisher.must(&[update]).await;
    }

    /// The file of a role that lists the image, signed with these keys.
    fn listing(&self, role: &str, keys: &[Key]) -> (RoleName, Vec<u8>) {
        let mut targets = author::first_targets(self.publisher.repository.now + SECOND);
        targets.targets.insert("1".to_owned(), entry(&self.image));
        let bytes = self.publisher.repository.sign(&targets, keys);
        (role.parse().unwrap(), bytes)
    }

    /// What readers pull as a tag, after everything that the server does by itself.
    async fn pulled(&mut self, tag: &str) -> Option<[u8; 32]> {
        release(self.world, &mut self.publisher).await;
        let believed = self.publisher.believed().await;
        believed.target(tag)?.file.hashes.sha256
    }

    async fn nothing_is_released(&mut self) {
        for tag in ["1", "2", "latest"] {
            assert_eq!(self.pulled(tag).await, None, "{tag}");
        }
    }

    async fn refused(&mut self, update: &[(RoleName, Vec<u8>)]) -> String {
        let said = said(self.publisher.post(update).await);
        self.nothing_is_released().await;
        said
    }

    /// The codes of all reasons of the gate.
    async fn reasons(&self) -> String {
        let digest = oci::Digest::sha256(&self.image);
        let path = format!("gate?ref=shop/web@{digest}&gate=production");
        self.world.api_get(&path).await.to_string()
    }

    async fn both_sign(&mut self) {
        self.sign(MARIA, "1").await;
        self.sign(JONAS, "1").await;
        let image = sha256(&self.image);
        assert_eq!(self.pulled("1").await, image);
    }
}

fn entry(image: &[u8]) -> FileMeta {
    author::image(sha256(image).unwrap(), image.len() as u64)
}

fn sha256(image: &[u8]) -> Option<[u8; 32]> {
    FileMeta::of(image).hashes.sha256
}

#[tokio::test]
async fn she_signs_under_many_tags_and_counts_once() {
    let world = World::new().await;
    let mut shop = Shop::open(&world).await;
    for tag in ["1", "2", "latest"] {
        world.image("shop/web", tag, b"maria's layer").await;
        shop.sign(MARIA, tag).await;
    }
    shop.nothing_is_released().await;
    assert!(shop.reasons().await.contains("same-principal"));
}

#[tokio::test]
async fn she_signs_in_several_delegations_and_counts_once() {
    let world = World::new().await;
    let mut shop = Shop::open(&world).await;
    let key = shop.maria.clone();
    shop.delegate("targets/maria2", slice::from_ref(&key)).await;
    shop.sign(MARIA, "1").await;
    shop.sign("targets/maria2", "1").await;
    shop.nothing_is_released().await;
    assert!(shop.reasons().await.contains("same-principal"));
}

#[tokio::test]
async fn she_signs_with_two_keys_and_counts_once() {
    let world = World::new().await;
    let mut shop = Shop::open(&world).await;
    let second = registered(&world, "maria", "**").await;
    let second = shop.publisher.repository.bring(second);
    let both = [shop.maria.clone(), second.clone()];
    shop.delegate(MARIA, &both).await;
    shop.delegate("targets/maria2", slice::from_ref(&second))
        .await;
    shop.sign(MARIA, "1").await;
    shop.sign("targets/maria2", "1").await;
    shop.nothing_is_released().await;
    assert!(shop.reasons().await.contains("same-principal"));
}

#[tokio::test]
async fn she_signs_for_a_stage_that_is_not_hers() {
    let world = World::new().await;
    let mut shop = Shop::open(&world).await;
    let document = "
version: 1
repositories: ['shop/**']
stages:
  build: {signers: [{person: maria}]}
  audit: {signers: [{person: jonas}]}
gates:
  production: {holds-for: [{person: host}], require: [build, audit]}
";
    world
        .api("PUT", "policies/shop", json!({"document": document}))
        .await;
    let key = shop.maria.clone();
    let keys = slice::from_ref(&key);
    for stage in ["build", "audit"] {
        let group = format!("targets/{stage}");
        shop.delegate(&group, keys).await;
        shop.delegate(&format!("{group}/jonas"), keys).await;
        shop.sign(&format!("{group}/jonas"), "1").await;
    }
    shop.nothing_is_released().await;
    assert!(shop.reasons().await.contains("not-a-signer"));
    // Nor is there a stage of any other name, which would be for nobody.
    let update = shop
        .publisher
        .repository
        .delegating_to("targets/maria/jonas", keys);
    let said = shop.refused(&[update]).await;
    assert!(said.contains("no policy of this repository"), "{said}");
}

#[tokio::test]
async fn she_puts_her_key_beside_his_or_his_into_a_delegation_of_hers() {
    let world = World::new().await;
    let mut shop = Shop::open(&world).await;
    let both = [shop.jonas.clone(), shop.maria.clone()];
    let update = shop.publisher.repository.delegating_to(JONAS, &both);
    let said = shop.refused(&[update]).await;
    assert!(said.contains("a delegation of their own"), "{said}");
    shop.delegate("targets/maria2", &both[..1]).await;
    for role in [JONAS, "targets/maria2"] {
        let update = shop.listing(role, &both[1..]);
        let answer = shop.publisher.post(&[update]).await.expect(400);
        let detail = &answer.json()["errors"][0]["detail"];
        assert_eq!(detail["Name"], "ErrBadTargets", "{role}");
    }
    shop.nothing_is_released().await;
}

#[tokio::test]
async fn she_lowers_the_threshold_of_his_delegation() {
    let world = World::new().await;
    let mut shop = Shop::open(&world).await;
    let second = registered(&world, "jonas", "**").await;
    let second = shop.publisher.repository.bring(second);
    let keys = [shop.jonas.clone(), second];
    let name: RoleName = JONAS.parse().unwrap();
    for threshold in [2, 1] {
        let update = shop
            .publisher
            .repository
            .next_targets("targets", |targets| {
                let delegations = &mut targets.delegations;
                delegations.set_role(name.clone(), &keys, threshold, &[""]);
            });
        shop.publisher.must(&[update]).await;
        let by_her = shop.listing(JONAS, slice::from_ref(&shop.maria));
        shop.publisher.post(&[by_her]).await.expect(400);
    }
    shop.sign(MARIA, "1").await;
    shop.nothing_is_released().await;
}

#[tokio::test]
async fn she_writes_the_list_of_releases_herself() {
    let world = World::new().await;
    let mut shop = Shop::open(&world).await;
    let keys = [shop.maria.clone()];
    let list = shop.listing("targets/releases", &keys);
    let targets = shop
        .publisher
        .repository
        .next_targets("targets", |targets| {
            let delegations = &mut targets.delegations;
            delegations.set_role(RoleName::releases(), &keys, 1, &[""]);
        });
    for update in [
        vec![list.clone()],
        vec![targets.clone()],
        vec![targets, list],
    ] {
        let said = shop.refused(&update).await;
        assert!(said.contains("targets/releases"), "{said}");
    }
    // Nor below it.
    let below = shop.listing("targets/releases/maria", &keys);
    shop.publisher.post(&[below]).await.expect(400);
    let listed = shop
        .publisher
        .repository
        .signing("targets", "1", &shop.image);
    let said = shop.refused(&[listed]).await;
    assert!(said.contains("past its gates"), "{said}");
}

#[tokio::test]
async fn she_sends_an_old_list_of_the_servers_again() {
    let world = World::new().await;
    let mut shop = Shop::open(&world).await;
    shop.both_sign().await;
    let file = "targets/releases.json";
    let old = shop.publisher.read(file).await.expect(200).body;
    let name: RoleName = JONAS.parse().unwrap();
    let back = shop.publisher.repository.next_targets(JONAS, |targets| {
        targets.targets.clear();
    });
    shop.publisher.must(&[back]).await;
    shop.nothing_is_released().await;
    let said = shop.refused(&[(RoleName::releases(), old)]).await;
    assert!(said.contains("by this server alone"), "{said}");
    // Nor an old file of his.
    let old = shop.publisher.read(&format!("1.{name}.json")).await;
    let update = [(name, old.expect(200).body)];
    let answer = shop.publisher.post(&update).await.expect(400);
    assert_eq!(answer.code(), "VERSION");
    shop.nothing_is_released().await;
}

#[tokio::test]
async fn she_takes_snapshot_timestamp_or_the_releases_key_over() {
    let world = World::new().await;
    let mut shop = Shop::open(&world).await;
    let snapshot = shop.publisher.repository.keys_of("snapshot");
    let hers = [shop.maria.clone()];
    let both = [shop.maria.clone(), snapshot[0].clone()];
    for (role, keys) in [
        (RoleName::Snapshot, &hers[..]),
        (RoleName::Snapshot, &both[..]),
        (RoleName::Timestamp, &hers[..]),
    ] {
        let root = shop.publisher.repository.next_root(|root| {
            root.set_role(&role, keys, 1);
        });
        shop.publisher.post(&[root]).await.expect(400);
        shop.nothing_is_released().await;
    }
    // The server's next key is for whoever maintains the repository, and is the server's all the same.
    let path = format!("{}/tuf/targets/releases.key", super::TRUST);
    let asked = world.ask_with(&basic("maria", PASSWORD), "POST", &path);
    asked.empty().await.expect(401);
    shop.sign(MARIA, "1").await;
    let next = shop.publisher.ask("POST", "targets/releases.key").await;
    assert_eq!(next.expect(200).json()["keyval"]["private"], json!(null));
    shop.nothing_is_released().await;
}

#[tokio::test]
async fn she_names_herself_in_a_new_root() {
    let world = World::new().await;
    let mut shop = Shop::open(&world).await;
    let hers = [shop.maria.clone()];
    let root = shop.publisher.repository.next_root(|root| {
        root.set_role(&RoleName::Targets, &hers, 1);
    });
    let mut targets = shop.publisher.repository.targets("targets");
    let now = shop.publisher.repository.now;
    targets = author::next(&RoleName::Targets, targets, now);
    let plain = shop.publisher.repository.sign(&targets, &hers);
    targets.targets.insert("1".to_owned(), entry(&shop.image));
    let listing = shop.publisher.repository.sign(&targets, &hers);
    let said = shop
        .refused(&[root.clone(), (RoleName::Targets, listing)])
        .await;
    assert!(said.contains("past its gates"), "{said}");
    shop.publisher
        .must(&[root, (RoleName::Targets, plain)])
        .await;
    shop.sign(MARIA, "1").await;
    shop.nothing_is_released().await;
}

#[tokio::test]
async fn she_sends_his_file_of_another_repository() {
    let world = World::new().await;
    let mut shop = Shop::open(&world).await;
    // He signed the image there, where it is good.
    world.image("shop/api", "1", b"maria's layer").await;
    let mut there = managed(&world, "localhost:5000/shop/api").await;
    there.repository.bring_all_of(&shop.publisher.repository);
    let update = there
        .repository
        .delegating_to(JONAS, slice::from_ref(&shop.jonas));
    there.must(&[update]).await;
    let his = there.repository.signing(JONAS, "1", &shop.image);
    there.must(slice::from_ref(&his)).await;
    shop.sign(MARIA, "1").await;
    let said = shop.refused(slice::from_ref(&his)).await;
    assert!(said.contains("published before"), "{said}");
    // As that of another role, which she has delegated to his key.
    let key = shop.jonas.clone();
    shop.delegate("targets/jonas2", slice::from_ref(&key)).await;
    let said = shop
        .refused(&[("targets/jonas2".parse().unwrap(), his.1)])
        .await;
    assert!(said.contains("published before"), "{said}");
}

#[tokio::test]
async fn she_opens_a_trust_repository_under_another_name_of_the_server() {
    let world = World::new().await;
    let mut shop = Shop::open(&world).await;
    shop.sign(MARIA, "1").await;
    for gun in ["localhost:9/shop/web", "127.0.0.1/shop/web"] {
        let mut hers = managed(&world, gun).await;
        hers.repository.bring_all_of(&shop.publisher.repository);
        for (role, key) in [(MARIA, &shop.maria), (JONAS, &shop.jonas)] {
            let update = hers.repository.delegating_to(role, slice::from_ref(key));
            hers.must(&[update]).await;
        }
        // What he signed for the other name, and was not published: here the version need not be the next one.
        hers.repository.now += 77 * SECOND;
        for role in [MARIA, JONAS] {
            let file = hers.repository.signing(role, "1", &shop.image);
            let said = said(hers.post(&[file]).await);
            assert!(said.contains(&format!("under its name {GUN}")), "{said}");
        }
        let listed = hers.repository.signing("targets", "1", &shop.image);
        said(hers.post(&[listed]).await);
        shop.nothing_is_released().await;
        release(&world, &mut hers).await;
        assert!(hers.believed().await.target("1").is_none());
    }
    // Once both have signed where signatures are taken, it is released under each name.
    shop.sign(JONAS, "1").await;
    let image = sha256(&shop.image);
    assert_eq!(shop.pulled("1").await, image);
}

#[tokio::test]
async fn she_signs_again_after_her_key_was_revoked() {
    let world = World::new().await;
    let mut shop = Shop::open(&world).await;
    shop.both_sign().await;
    let id = shop.maria.to_public_key().unwrap().id().to_string();
    let path = format!("/api/v1/keys/{id}");
    world.ask("DELETE", &path).empty().await.expect(204);
    shop.nothing_is_released().await;
    let back = shop.publisher.repository.next_targets(MARIA, |targets| {
        targets.targets.clear();
    });
    shop.publisher.must(&[back]).await;
    shop.sign(MARIA, "1").await;
    let key = shop.maria.clone();
    shop.delegate("targets/maria2", slice::from_ref(&key)).await;
    shop.sign("targets/maria2", "1").await;
    shop.nothing_is_released().await;
    assert!(shop.reasons().await.contains("revoked-key"));
}

#[tokio::test]
async fn she_lists_another_image_under_a_released_tag() {
    let world = World::new().await;
    let mut shop = Shop::open(&world).await;
    shop.both_sign().await;
    // Her word for the first image is taken back with it, and nobody else's is given for the second.
    let other = world.image("shop/web", "2", b"another layer").await;
    shop.sign_other(MARIA, "1", &other).await;
    shop.nothing_is_released().await;
    // Nor does the tag help that she may move.
    world.image("shop/web", "1", b"another layer").await;
    shop.nothing_is_released().await;
}

#[tokio::test]
async fn she_moves_a_released_tag_to_another_image() {
    let world = World::new().await;
    let mut shop = Shop::open(&world).await;
    shop.both_sign().await;
    let released = sha256(&shop.image);
    let other = world.image("shop/web", "1", b"another layer").await;
    shop.sign_other(MARIA, "2", &other).await;
    shop.nothing_is_released().await;
    // What both have signed is released under whichever tag it has.
    world.image("shop/web", "latest", b"maria's layer").await;
    assert_eq!(shop.pulled("latest").await, released);
    assert_eq!(shop.pulled("1").await, None);
}

#[tokio::test]
async fn she_signs_what_is_no_image_here_yet() {
    let world = World::new().await;
    let mut shop = Shop::open(&world).await;
    shop.sign_other(MARIA, "latest", b"bytes that nobody pushed")
        .await;
    shop.nothing_is_released().await;
    // Pushed later, by her, it is an image that she signed, and he did not.
    shop.image = world.image("shop/web", "latest", b"a third layer").await;
    shop.sign(MARIA, "latest").await;
    shop.nothing_is_released().await;
}

#[tokio::test]
async fn she_deletes_the_trust_repository_to_begin_anew() {
    let world = World::new().await;
    let mut shop = Shop::open(&world).await;
    shop.both_sign().await;
    let path = format!("{}/tuf/", super::TRUST);
    for who in ["maria", "jonas"] {
        let asked = world.ask_with(&basic(who, PASSWORD), "DELETE", &path);
        asked.empty().await.expect(401);
    }
    // Somebody who may does it for her: with a new root of hers, what he signed is gone, and not good again.
    let his = shop.publisher.read(&format!("{JONAS}.json")).await.body;
    shop.publisher.ask("DELETE", "").await.expect(200);
    let mut anew = managed(&world, GUN).await;
    anew.repository.bring_all_of(&shop.publisher.repository);
    for (role, key) in [(MARIA, &shop.maria), (JONAS, &shop.jonas)] {
        let update = anew.repository.delegating_to(role, slice::from_ref(key));
        anew.must(&[update]).await;
    }
    shop.publisher = anew;
    shop.publisher.repository.now += 60 * SECOND;
    shop.sign(MARIA, "1").await;
    let said = shop.refused(&[(JONAS.parse().unwrap(), his)]).await;
    assert!(said.contains("published before"), "{said}");
}
