//! A CI robot signs with a key that it never has: the server holds it, for one stage, and nobody else gets a signature of it.

use crate::shop::Shop;

const HOLD: &[&str] = &[
    "key", "hold", "shop-ci", "--stage", "ci", "--for", "ci-shop", "--scope", "shop/**",
];
const SIGN: &[&str] = &["sign", "--key", "server:shop-ci"];

fn sign<'a>(stage: &'a str, image: &'a str) -> Vec<&'a str> {
    [SIGN, &["--stage", stage, image]].concat()
}

#[test]
fn a_robot_signs_with_a_key_that_the_server_holds_and_nobody_else_does() {
    let shop = Shop::new();
    let image = shop.push("shop/web", 1);
    let said = shop.by_password(HOLD);
    assert!(said.contains("ci-shop"), "{said}");
    let listed = shop.admin(&["key", "list"]);
    assert!(listed.contains("server:shop-ci"), "{listed}");

    // Whoever made it is no user of it, and a token makes none.
    let refused = shop.fails(shop.admin_token(), &sign("ci", &image));
    assert!(
        refused.contains("there is no key held by the server"),
        "{refused}"
    );
    let new = client::api::keys::NewHeldKey {
        name: "mine".to_owned(),
        stage: "ci".to_owned(),
        scope: vec!["**".to_owned()],
        principal: None,
    };
    let by_token = shop.server.client_with(shop.admin_token());
    let refused = shop.runtime.block_on(by_token.hold_key(&new)).unwrap_err();
    assert_eq!(refused.refused().unwrap().code, "password-required");
    assert_eq!(shop.gate(&image).0, Some(3));

    // The robot is, for this stage and these repositories.
    shop.robot(&sign("ci", &image));
    assert_eq!(shop.gate(&image).0, Some(0));
    let refused = shop.fails(&shop.robot, &sign("staging", &image));
    assert!(
        refused.contains("held for the stage `ci` only"),
        "{refused}"
    );
    let elsewhere = shop.push("tools/web", 1);
    let refused = shop.fails(&shop.robot, &sign("ci", &elsewhere));
    assert!(
        refused.contains("not registered for tools/web"),
        "{refused}"
    );
    let used = shop.acts("key.use");
    assert_eq!(used.len(), 1);
    assert_eq!(used[0].detail["repository"], "shop/web");
    assert_eq!(used[0].detail["stage"], "ci");

    // The next one takes its place: what the first signed stays good, and it still signs under the name.
    let first = shop.id("shop-ci");
    shop.by_password(&["key", "rotate", "server:shop-ci"]);
    assert_ne!(shop.id("shop-ci"), first);
    assert_eq!(shop.gate(&image).0, Some(0));
    let second = shop.push("shop/second", 2);
    shop.robot(&sign("ci", &second));
    assert_eq!(shop.gate(&second).0, Some(0));

    // A revoked one signs nothing.
    shop.admin(&["key", "revoke", &shop.id("shop-ci")]);
    assert_eq!(shop.gate(&second).0, Some(3));
    assert_eq!(shop.gate(&image).0, Some(0));
    let refused = shop.fails(&shop.robot, &sign("ci", &second));
    assert!(refused.contains("it is revoked"), "{refused}");
    shop.by_password(&["key", "rotate", "server:shop-ci"]);
    shop.robot(&sign("ci", &second));
    assert_eq!(shop.gate(&second).0, Some(0));
}
