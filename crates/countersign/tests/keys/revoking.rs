//! A key is revoked from a moment on: the images that it hits are listed first, the gates turn, and what was there before stays good.

use crate::shop::Shop;
use serde_json::Value;
use std::path::Path;
use std::time::Duration;

fn now() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

fn instant(millisecond: i64) -> String {
    jiff::Timestamp::from_millisecond(millisecond)
        .unwrap()
        .to_string()
}

fn sign(shop: &Shop, key: &Path, image: &str) {
    shop.robot(&[
        "sign",
        "--stage",
        "ci",
        "--key",
        key.to_str().unwrap(),
        image,
    ]);
}

/// An image by its repository, with what its gates that turn answered before and answer after.
type Hit = (String, Vec<(Value, Value)>);

/// Whether it is revoked, and the images that it hits or would hit.
fn hits(shop: &Shop, arguments: &[&str]) -> (Value, Vec<Hit>) {
    let revoke = ["key", "revoke"];
    let said = shop.admin(&[&revoke[..], arguments, &["-o", "json"]].concat());
    let said: Value = serde_json::from_str(&said).unwrap();
    let images = said["images"].as_array().unwrap();
    let images = images.iter().map(|image| {
        let gates = image["gates"].as_array().unwrap();
        let gates = gates
            .iter()
            .map(|gate| (gate["before"].clone(), gate["after"].clone()));
        let name = image["repository"].as_str().unwrap();
        (name.to_owned(), gates.collect())
    });
    let mut images: Vec<_> = images.collect();
    images.sort_by(|a, b| a.0.cmp(&b.0));
    (said["revoked"].clone(), images)
}

#[test]
fn what_a_thief_signed_since_is_listed_first_and_then_lost_and_the_rest_stays_good() {
    let shop = Shop::new();
    let stolen = shop.key("stolen");
    let other = shop.key("other");
    let [before, after, twice] = ["shop/before", "shop/after", "shop/twice"];
    let [before_1, after_1, twice_1] = [before, after, twice].map(|name| shop.push(name, 1));
    sign(&shop, &stolen, &before_1);
    std::thread::sleep(Duration::from_millis(20));
    let tuesday = now();
    std::thread::sleep(Duration::from_millis(20));
    sign(&shop, &stolen, &after_1);
    sign(&shop, &stolen, &twice_1);
    sign(&shop, &other, &twice_1);
    for image in [&before_1, &after_1, &twice_1] {
        assert_eq!(shop.gate(image).0, Some(0), "{image}");
    }

    // First it is only said: one gate turns, and one image is still signed by another key of the same robot.
    let (id, from) = (shop.id("stolen"), instant(tuesday));
    let turned = vec![(Value::from("allow"), Value::from("deny"))];
    let expected = vec![
        (after.to_owned(), turned.clone()),
        (twice.to_owned(), Vec::new()),
    ];
    let dry = [&id, "--from", &from, "--dry-run"];
    assert_eq!(hits(&shop, &dry), (Value::from(false), expected.clone()));
    let table = shop.admin(&["key", "revoke", &id, "--from", &from, "--dry-run"]);
    assert!(table.contains("nothing was revoked"), "{table}");
    for image in [&before_1, &after_1, &twice_1] {
        assert_eq!(
            shop.gate(image).0,
            Some(0),
            "asking changes nothing: {image}"
        );
    }
    assert_eq!(shop.acts("key.revoke").len(), 0);

    // Then it is done, and is what was said.
    assert_eq!(
        hits(&shop, &[&id, "--from", &from]),
        (Value::from(true), expected)
    );
    let (code, said) = shop.gate(&after_1);
    assert_eq!(code, Some(3), "{said}");
    assert!(
        said.contains("is revoked for what it signed since"),
        "{said}"
    );
    for image in [&before_1, &twice_1] {
        assert_eq!(shop.gate(image).0, Some(0), "{image}");
    }
    let verified = shop.ask_with(shop.admin_token(), &["verify", &after_1]);
    assert_eq!(verified.status.code(), Some(3));
    // The monitor comes to it by itself, and tells it.
    shop.awaits_decision(&after_1, "allow", "deny");

    // What the thief signs now does not count, whatever it claims; and later is no longer to be had.
    let late = shop.push("shop/late", 2);
    sign(&shop, &stolen, &late);
    assert_eq!(shop.gate(&late).0, Some(3));
    let later = instant(tuesday + 1);
    let told = shop.fails(
        shop.admin_token(),
        &["key", "revoke", &id, "--from", &later],
    );
    assert!(told.contains("that stays"), "{told}");

    // It was stolen a week earlier, as it turns out: what was good until now is hit as well, said first.
    let week = instant(tuesday - 7 * 24 * 3_600 * 1_000);
    let (_, images) = hits(&shop, &[&id, "--from", &week, "--dry-run"]);
    assert!(images.contains(&(before.to_owned(), turned)), "{images:?}");
    assert_eq!(shop.gate(&before_1).0, Some(0));
    hits(&shop, &[&id, "--from", &week]);
    assert_eq!(shop.gate(&before_1).0, Some(3));
    assert_eq!(shop.gate(&twice_1).0, Some(0));
    assert_eq!(shop.acts("key.revoke").len(), 2);
}
