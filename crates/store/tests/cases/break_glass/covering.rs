//! What a break-glass is for: one image or index that is there, and what the index lists, in one repository, at one gate.

use std::collections::BTreeSet;

use policy::verb::BreakGlass;
use policy::{Outcome, PrincipalId};
use store::break_glass::{self, Asked, How};
use store::catalogue::{Deleter, delete_manifest};
use store::{Error, decisions, policies};

use super::{HOUR, Shop};
use crate::cases::world::{ADMIN, SHOP, repository_id};
use crate::fixture::{Image, NOW, name, permit, server_permit};

#[tokio::test]
async fn it_is_for_what_is_there_and_nothing_else() {
    let shop = Shop::new().await;
    let store = shop.world.store();
    let anna = shop.permit(shop.anna, NOW).await;
    let absent = Image::new("absent");
    let ask = |asked| {
        let anna = &anna;
        async move { break_glass::ask(store, anna, &asked, NOW).await }
    };
    for asked in [
        Asked {
            digest: &absent.digest,
            ..shop.asked(1)
        },
        Asked {
            gate: "prod",
            ..shop.asked(1)
        },
        Asked {
            policy: "base",
            ..shop.asked(1)
        },
    ] {
        let refused = ask(asked).await;
        assert!(
            matches!(refused, Err(Error::NotFound { .. })),
            "{refused:?}"
        );
    }
    for asked in [
        shop.asked(0),
        shop.asked(25),
        Asked {
            lasts_milliseconds_max: Some(HOUR),
            ..shop.asked(2)
        },
        Asked {
            reason: "  ",
            ..shop.asked(1)
        },
    ] {
        let refused = ask(asked).await;
        assert!(matches!(refused, Err(Error::Invalid { .. })), "{refused:?}");
    }
    let key = shop.world.key(shop.world.maria).await;
    let signature = shop.world.sign(&shop.image, "ci", &key, NOW).await;
    let refused = ask(Asked {
        digest: &signature.digest,
        ..shop.asked(1)
    })
    .await;
    assert!(matches!(refused, Err(Error::Invalid { .. })), "{refused:?}");

    // Another image, the same one elsewhere, and the other gate stay as they were.
    let other = Image::new("other");
    shop.world.fixture.push("shop/web", &["2"], &other).await;
    shop.world
        .fixture
        .push("shop/copy", &["1"], &shop.image)
        .await;
    let opened = shop.open(NOW).await;
    assert_eq!(shop.decide(NOW).await.outcome, Outcome::Allow);
    assert_eq!(
        shop.world.decide(&other, "production", NOW).await.outcome,
        Outcome::Deny
    );
    assert_eq!(
        shop.world.decide(&shop.image, "check", NOW).await.outcome,
        Outcome::NotReady
    );
    let gate = decisions::GateName::new("shop", "production");
    let copy = decisions::decide(store, &name("shop/copy"), &shop.image.digest, &gate, NOW).await;
    assert_eq!(copy.unwrap().outcome, Outcome::Deny);
    let elsewhere = permit::<BreakGlass>(shop.omar.0, "shop/copy");
    for refused in [
        break_glass::withdraw(store, &elsewhere, opened.id, NOW).await,
        break_glass::confirm(store, &elsewhere, opened.id, NOW).await,
    ] {
        assert!(
            matches!(refused, Err(Error::NotFound { .. })),
            "{refused:?}"
        );
    }
    let id = repository_id(store, &name("shop/web")).await;
    assert_eq!(
        break_glass::open_for(store, id, &shop.image.digest, NOW)
            .await
            .unwrap(),
        [opened]
    );
    assert!(
        break_glass::open_for(store, id, &other.digest, NOW)
            .await
            .unwrap()
            .is_empty()
    );
}

/// The shop with an index of the image, another one, and a third that is not there yet; what is asked for is for the index.
async fn shop_of_index() -> (Shop, [Image; 3]) {
    let mut shop = Shop::new().await;
    let (arm64, late) = (Image::new("arm64"), Image::new("late"));
    let index = Image::index(&[&shop.image, &arm64, &late]);
    let amd64 = std::mem::replace(&mut shop.image, index);
    for repository in ["shop/web", "shop/copy"] {
        for image in [&amd64, &arm64, &shop.image] {
            let tag = image.digest.short();
            shop.world.fixture.push(repository, &[tag], image).await;
        }
    }
    (shop, [amd64, arm64, late])
}

/// What the gate of another repository says.
async fn decide_in_copy(shop: &Shop, image: &Image, now: i64) -> Outcome {
    let gate = decisions::GateName::new("shop", "production");
    let copy = name("shop/copy");
    let decision = decisions::decide(shop.world.store(), &copy, &image.digest, &gate, now).await;
    decision.unwrap().outcome
}

#[tokio::test]
async fn one_for_an_index_is_for_what_it_lists_in_that_repository() {
    let (shop, [amd64, arm64, late]) = shop_of_index().await;
    let (store, index) = (shop.world.store(), &shop.image);
    let other = Image::new("other");
    shop.world.fixture.push("shop/web", &["2"], &other).await;
    let decide = async |image: &Image, now| shop.world.decide(image, "production", now).await;
    let asked = shop.ask(shop.anna, NOW).await.unwrap();
    for image in [&amd64, &arm64, &other, index] {
        let closed = decide(image, NOW).await;
        assert_eq!((closed.outcome, closed.holds_until), (Outcome::Deny, None));
    }

    // Each answer is kept, and nothing but the confirmation tells that it holds no more.
    let confirmed = shop.confirm(shop.omar, asked.id, NOW).await.unwrap();
    let until = confirmed.until_at;
    shop.world.fixture.push("shop/web", &["3"], &late).await;
    for image in [&amd64, &arm64, &late, index] {
        let open = decide(image, NOW).await;
        assert_eq!(open.would_be, Some(Outcome::Deny));
        assert_eq!(
            (open.outcome, open.holds_until),
            (Outcome::Allow, Some(until))
        );
        let of_index = Some(&index.digest).filter(|_| image.digest != index.digest);
        let used = open.break_glass.as_ref().unwrap();
        assert_eq!((used.id, used.index.as_ref()), (asked.id, of_index));
        let whose = format!("break-glass {} of the index sha256:", asked.id);
        assert_eq!(open.tree().contains(&whose), of_index.is_some());
    }
    assert_eq!(decide(&other, NOW).await.outcome, Outcome::Deny);
    for image in [&amd64, index] {
        assert_eq!(decide_in_copy(&shop, image, NOW).await, Outcome::Deny);
    }
    let id = repository_id(store, &name("shop/web")).await;
    let open_for = async |image: &Image| {
        let open = break_glass::open_for(store, id, &image.digest, NOW).await;
        open.unwrap().len()
    };
    assert_eq!(
        (
            open_for(&amd64).await,
            open_for(index).await,
            open_for(&other).await
        ),
        (1, 1, 0)
    );

    let due = async |now| {
        let due = decisions::due(store, now, 0, 10).await.unwrap();
        due.into_iter()
            .map(|subject| subject.digest)
            .collect::<BTreeSet<_>>()
    };
    assert!(due(until - 1).await.is_empty());
    let all = [&amd64, &arm64, &late, index];
    assert_eq!(
        due(until).await,
        all.iter().map(|image| image.digest.clone()).collect()
    );
    for image in all {
        assert_eq!(decide(image, until - 1).await.outcome, Outcome::Allow);
        let after = decide(image, until).await;
        assert_eq!((after.outcome, after.break_glass), (Outcome::Deny, None));
    }
}

#[tokio::test]
async fn what_an_index_lists_shuts_with_it_or_when_it_goes() {
    let (shop, [amd64, arm64, _]) = shop_of_index().await;
    let (store, index) = (shop.world.store(), &shop.image);
    let outcomes = async || {
        let mut outcomes = Vec::new();
        for image in [&amd64, &arm64] {
            let decision = shop.world.decide(image, "production", NOW).await;
            outcomes.push(decision.outcome);
        }
        outcomes
    };
    let (open, shut) = ([Outcome::Allow; 2], [Outcome::Deny; 2]);
    let withdrawn = shop.open(NOW).await;
    assert_eq!(outcomes().await, open);
    let permit_of_olga = shop.permit(shop.olga, NOW).await;
    break_glass::withdraw(store, &permit_of_olga, withdrawn.id, NOW)
        .await
        .unwrap();
    assert_eq!(outcomes().await, shut);

    // An index that is not there covers nothing, and again what it lists when it is there again.
    shop.open(NOW).await;
    assert_eq!(outcomes().await, open);
    let delete = permit(ADMIN, "shop/web");
    delete_manifest(store, &Deleter::Image(&delete), &index.digest, NOW)
        .await
        .unwrap();
    assert_eq!(outcomes().await, shut);
    shop.world.fixture.push("shop/web", &["1"], index).await;
    assert_eq!(outcomes().await, open);
}

#[tokio::test]
async fn one_for_an_image_does_not_open_the_index_that_lists_it() {
    let (mut shop, [amd64, arm64, _]) = shop_of_index().await;
    let index = std::mem::replace(&mut shop.image, amd64);
    shop.open(NOW).await;
    let open = shop.decide(NOW).await;
    assert_eq!(open.outcome, Outcome::Allow);
    assert_eq!(open.break_glass.and_then(|used| used.index), None);
    for image in [&arm64, &index] {
        let decision = shop.world.decide(image, "production", NOW).await;
        assert_eq!(
            (decision.outcome, decision.break_glass),
            (Outcome::Deny, None)
        );
    }
}

#[tokio::test]
async fn a_gate_or_an_image_that_went_meanwhile_is_not_opened() {
    let shop = Shop::new().await;
    let store = shop.world.store();
    let asked = shop.ask(shop.anna, NOW).await.unwrap();
    shop.world
        .apply(&SHOP.replace("production", "release"))
        .await;
    let refused = shop.confirm(shop.omar, asked.id, NOW).await;
    assert!(
        matches!(refused, Err(Error::Conflict { why, .. }) if why.contains("has ended")),
        "{refused:?}"
    );
    shop.world.apply(SHOP).await;
    let asked = shop.ask(shop.anna, NOW).await.unwrap();
    let delete = permit(ADMIN, "shop/web");
    delete_manifest(store, &Deleter::Image(&delete), &shop.image.digest, NOW)
        .await
        .unwrap();
    let refused = shop.confirm(shop.omar, asked.id, NOW).await;
    assert!(
        matches!(
            refused,
            Err(Error::NotFound {
                kind: "manifest",
                ..
            })
        ),
        "{refused:?}"
    );
    // A policy that went takes its gate along, whatever was broken open.
    shop.world
        .fixture
        .push("shop/web", &["1"], &shop.image)
        .await;
    shop.confirm(shop.omar, asked.id, NOW).await.unwrap();
    assert_eq!(shop.decide(NOW).await.outcome, Outcome::Allow);
    policies::remove(store, &server_permit(ADMIN), "shop", NOW)
        .await
        .unwrap();
    let gate = decisions::GateName::new("shop", "production");
    let gone = decisions::decide(store, &name("shop/web"), &shop.image.digest, &gate, NOW).await;
    assert!(matches!(gone, Err(Error::NotFound { .. })), "{gone:?}");
    let ended = break_glass::get(store, asked.id).await.unwrap();
    let ended = ended.ended.unwrap();
    assert_eq!(
        (ended.how, ended.by),
        (How::Withdrawn, Some(PrincipalId(ADMIN)))
    );
    // What is applied under the same names is another gate, which nobody broke open.
    shop.world.apply(SHOP).await;
    assert_ne!(shop.decide(NOW).await.outcome, Outcome::Allow);
}

#[tokio::test]
async fn a_new_version_of_a_policy_keeps_open_what_it_has_a_gate_for() {
    let shop = Shop::new().await;
    let open = shop.open(NOW).await;
    shop.world.apply(&format!("{SHOP}# once more\n")).await;
    assert_eq!(shop.decide(NOW).await.outcome, Outcome::Allow);
    let elsewhere = SHOP.replace("shop/", "other/");
    shop.world.apply(&elsewhere).await;
    let store = shop.world.store();
    let ended = break_glass::get(store, open.id).await.unwrap().ended;
    assert_eq!(ended.map(|ended| ended.how), Some(How::Withdrawn));
    shop.world.apply(SHOP).await;
    assert_ne!(shop.decide(NOW).await.outcome, Outcome::Allow);
}
