//! A key is put in the place of another by whoever holds both, without anybody's leave: what the old one signed stays good, and what a
//! stolen one could leave behind goes with it. And an end that comes near is marked.

use crate::shop::Shop;
use crate::shop::succeeded;
use std::path::Path;
use std::process::Output;
use std::time::Duration;

fn sign(shop: &Shop, key: &Path, image: &str) {
    let key = key.to_str().unwrap();
    shop.robot(&["sign", "--stage", "ci", "--key", key, image]);
}

fn rotate(shop: &Shop, user: &str, old: &Path, new: &Path) -> Output {
    let (old, new) = (old.to_str().unwrap(), new.to_str().unwrap());
    shop.by_password_of(user, &["key", "rotate", "--old", old, "--new", new])
}

fn refused(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn a_new_key_takes_the_place_of_the_old_one_and_what_that_signed_stays_good() {
    let shop = Shop::new();
    let old = shop.key("old");
    let next = shop.generate("next");
    let [before, by_old, by_new] = ["shop/before", "shop/by-old", "shop/by-new"];
    let [before, by_old, by_new] = [before, by_old, by_new].map(|name| shop.push(name, 1));
    sign(&shop, &old, &before);
    assert_eq!(shop.gate(&before).0, Some(0));
    let old_id = shop.id("old");

    // Somebody else, who has both files, is told of no such key.
    shop.person("mallory");
    let told = refused(&rotate(&shop, "mallory", &old, &next));
    assert!(told.contains("you have no key"), "{told}");
    assert_eq!(shop.acts("key.rotate").len(), 0);

    std::thread::sleep(Duration::from_millis(20));
    let said = succeeded(rotate(&shop, "admin", &old, &next));
    assert!(
        said.contains("ci-shop") && said.contains("shop/**"),
        "{said}"
    );
    let new_id = shop.id("old");
    assert_ne!(new_id, old_id, "the name is handed on");
    let acts = shop.acts("key.rotate");
    assert_eq!(acts.len(), 1);
    assert_eq!(acts[0].detail["key_id"], new_id.as_str());
    assert_eq!(acts[0].detail["succeeds"], old_id.as_str());
    assert_eq!(shop.acts("key.register").len(), 1, "one act, not three");
    assert_eq!(shop.acts("key.revoke").len(), 0);

    sign(&shop, &old, &by_old);
    sign(&shop, &next, &by_new);
    assert_eq!(shop.gate(&before).0, Some(0));
    assert_eq!(shop.gate(&by_new).0, Some(0));
    let (code, why) = shop.gate(&by_old);
    assert_eq!(code, Some(3), "{why}");
    assert!(why.contains("is revoked for what it signed since"), "{why}");

    // It can be done once, and not backwards.
    let third = shop.generate("third");
    let told = refused(&rotate(&shop, "admin", &old, &third));
    assert!(told.contains("is revoked"), "{told}");
    let told = refused(&rotate(&shop, "admin", &next, &old));
    assert!(told.contains("is registered already"), "{told}");

    // The old one was stolen before that, as it turns out: its successor may be the thief's, and goes with it.
    let long_ago = ["key", "revoke", &old_id, "--from", "2026-01-01"];
    let listed = shop.admin(&[&long_ago[..], &["--dry-run"]].concat());
    for image in ["shop/before", "shop/by-new"] {
        assert!(listed.contains(image), "{listed}");
    }
    assert_eq!(shop.gate(&by_new).0, Some(0), "asking changes nothing");
    let told = shop.admin(&long_ago);
    assert_eq!(told.matches("Revoked with it: key ").count(), 1, "{told}");
    for image in [&before, &by_old, &by_new] {
        assert_eq!(shop.gate(image).0, Some(3), "{image}");
    }
    let told = shop.admin(&["key", "list"]);
    assert_eq!(told.matches("revoked").count(), 2, "{told}");
}

#[test]
fn a_person_without_a_role_rotates_their_own_key_with_their_password_only() {
    let shop = Shop::new();
    shop.person("maria");
    let old = shop.key_of("maria", "laptop");
    let next = shop.generate("desk");
    // A token that was stolen with the key is not enough.
    let new = client::api::keys::NewSuccessor {
        public_key_pem: std::fs::read_to_string(next.with_extension("pub")).unwrap(),
    };
    let id = shop.id("laptop");
    let by_token = shop.server.client_with(shop.admin_token());
    let told = shop
        .runtime
        .block_on(by_token.successor_challenge(&id, &new))
        .unwrap_err();
    assert_eq!(told.refused().unwrap().code, "password-required");

    let said = succeeded(rotate(&shop, "maria", &old, &next));
    assert!(said.contains("maria's, for shop/**"), "{said}");
    let listed = shop.admin(&["key", "list"]);
    assert_eq!(listed.matches("laptop").count(), 2, "{listed}");
    let events = shop.admin(&["events", "-o", "json"]);
    let told = events.matches("dev.countersign.key.rotated").count();
    assert_eq!(told, 1, "{events}");
}
