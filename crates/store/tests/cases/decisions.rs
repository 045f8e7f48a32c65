//! Decisions: made from the facts of one state, kept while they stand, told when they change. The facts of one image are in `facts`.

mod facts;
mod referring;

use advisories::Severity;
use policy::{Decision, Outcome};
use store::catalogue::{Deleter, delete_manifest};
use store::decisions::{self, GateName};
use store::{Error, accounts, outbox, policies, signing_keys};

use super::world::{ADMIN, SHOP, World, advisory, python, repository_id};
use crate::fixture::{Image, NOW, name, permit, server_permit};

/// A pushed, indexed and matched image under the policy; nobody has signed.
async fn matched(document: &str) -> (World, Image) {
    let world = World::new().await;
    world.apply(document).await;
    let image = Image::new("web");
    world.fixture.push("shop/web", &["1"], &image).await;
    world.index(&image, &[python("django", "3.2.0")]).await;
    world
        .import(vec![advisory("PYSEC-1", &[], "flask", "3", Severity::Low)])
        .await;
    world.run_matches(NOW).await;
    (world, image)
}

/// Signs for `ci` by the robot and for `staging` by maria and jonas.
async fn sign_all(world: &World, image: &Image) {
    let ci = world.key(world.ci).await;
    let (maria, jonas) = (world.key(world.maria).await, world.key(world.jonas).await);
    world.sign(image, "ci", &ci, NOW + 1).await;
    world.sign(image, "staging", &maria, NOW + 2).await;
    world.sign(image, "staging", &jonas, NOW + 3).await;
}

fn codes(decision: &Decision) -> Vec<&'static str> {
    let mut codes: Vec<&str> = decision
        .blocking()
        .map(|reason| reason.code.as_str())
        .collect();
    codes.dedup();
    codes
}

async fn count(world: &World, image: &Image, kind: &str) -> usize {
    world
        .events(image)
        .await
        .iter()
        .filter(|it| *it == kind)
        .count()
}

#[tokio::test]
async fn answers_about_a_run_of_tags_are_told_together_while_they_hold() {
    let (world, image) = matched(SHOP).await;
    let other = Image::new("other");
    let pushed = &world.fixture;
    pushed.push("shop/web", &["2", "3"], &other).await;
    let gate = GateName::new("shop", "production");
    let mut decided = Vec::new();
    for image in [&image, &other] {
        decided.push(world.decide(image, "production", NOW).await);
    }
    let repository = name("shop/web");
    let kept = async |after: &str, last: &str, now: i64| {
        decisions::kept_under(world.store(), &repository, (after, last), now)
            .await
            .unwrap()
    };
    let both = kept("", "3", NOW).await;
    assert_eq!(both.len(), 2);
    for decision in &decided {
        let told = both[&decision.digest][&gate];
        assert_eq!(told.outcome, decision.outcome);
        assert_eq!(told.holds_until, decision.holds_until);
    }
    let under = async |after: &str, last: &str| {
        let kept = kept(after, last, NOW).await;
        kept.into_keys().collect::<Vec<_>>()
    };
    assert_eq!(under("", "1").await, [image.digest.clone()]);
    assert_eq!(under("1", "2").await, [other.digest.clone()]);
    assert!(under("3", "9").await.is_empty());
    let ends = format!("UPDATE decisions SET holds_until = {}", NOW + 5);
    assert_eq!(world.fixture.edit(&ends).await, 2);
    assert_eq!(kept("", "3", NOW + 4).await.len(), 2);
    assert!(kept("", "3", NOW + 5).await.is_empty(), "they have ended");
    world.apply(&format!("{SHOP}# once more\n")).await;
    assert!(kept("", "3", NOW).await.is_empty(), "a fact has changed");
}

#[tokio::test]
async fn an_answer_is_kept_until_a_fact_changes() {
    let (world, image) = matched(SHOP).await;
    let first = world.decide(&image, "production", NOW + 1).await;
    assert_eq!(first.outcome, Outcome::Deny);
    let again = world.decide(&image, "production", NOW + 500).await;
    assert_eq!(again, first, "the kept answer, with the time it was made");

    let key = world.key(world.ci).await;
    let asked = world.decide(&image, "production", NOW + 501).await;
    assert_eq!(asked.decided_at, NOW + 501, "a key is a fact");
    world.sign(&image, "ci", &key, NOW + 502).await;
    let signed = world.decide(&image, "production", NOW + 503).await;
    assert_eq!(signed.decided_at, NOW + 503);
    assert!(signed.stage("ci").unwrap().satisfied);
    assert_eq!(world.decide(&image, "production", NOW + 504).await, signed);
}

#[tokio::test]
async fn all_stages_signed_opens_the_gate_and_a_member_who_leaves_closes_it() {
    let (world, image) = matched(SHOP).await;
    assert_eq!(
        codes(&world.decide(&image, "production", NOW + 1).await),
        ["stage-not-signed"]
    );
    sign_all(&world, &image).await;
    let open = world.decide(&image, "production", NOW + 9).await;
    assert_eq!(open.outcome, Outcome::Allow, "{}", open.sentence());
    assert_eq!(count(&world, &image, "signature.counted").await, 3);

    world.leave("qa", world.jonas, NOW + 10).await;
    let closed = world.decide(&image, "production", NOW + 11).await;
    assert_eq!(closed.outcome, Outcome::Deny);
    assert_eq!(codes(&closed), ["threshold-not-reached"]);
    world.join("qa", world.jonas).await;
    assert_eq!(
        world.decide(&image, "production", NOW + 12).await.outcome,
        Outcome::Allow
    );

    let events: Vec<serde_json::Value> = outbox::events(world.store(), 0, 1_000)
        .await
        .unwrap()
        .into_iter()
        .filter(|event| event.kind == "decision.changed")
        .map(|event| event.data)
        .collect();
    let turns: Vec<(Option<&str>, &str)> = events
        .iter()
        .map(|data| (data["before"].as_str(), data["after"].as_str().unwrap()))
        .collect();
    assert_eq!(
        turns,
        [
            (None, "deny"),
            (Some("deny"), "allow"),
            (Some("allow"), "deny"),
            (Some("deny"), "allow")
        ]
    );
    assert_eq!(
        events[2]["reasons"],
        serde_json::json!(["threshold-not-reached"])
    );
    assert_eq!(world.acts("decision").await, 4);
}

#[tokio::test]
async fn revoked_keys_and_closed_accounts_change_the_answer() {
    let (world, image) = matched(SHOP).await;
    let ci = world.key(world.ci).await;
    world.sign(&image, "ci", &ci, NOW + 1).await;
    let satisfied = async |now| {
        world
            .decide(&image, "production", now)
            .await
            .stage("ci")
            .unwrap()
            .satisfied
    };
    assert!(satisfied(NOW + 2).await);
    accounts::set_principal_active(
        world.store(),
        &server_permit(ADMIN),
        world.ci,
        false,
        NOW + 3,
    )
    .await
    .unwrap();
    assert!(!satisfied(NOW + 4).await);
    accounts::set_principal_active(
        world.store(),
        &server_permit(ADMIN),
        world.ci,
        true,
        NOW + 5,
    )
    .await
    .unwrap();
    assert!(satisfied(NOW + 6).await);
    signing_keys::revoke(world.store(), &server_permit(ADMIN), &ci, None, NOW + 7)
        .await
        .unwrap();
    assert!(!satisfied(NOW + 8).await);
}

#[tokio::test]
async fn a_key_revoked_from_a_moment_leaves_the_answer_that_came_before_it() {
    let (world, image) = matched(SHOP).await;
    let ci = world.key(world.ci).await;
    world.sign(&image, "ci", &ci, NOW + 1).await;
    let satisfied = async |now| {
        let decision = world.decide(&image, "production", now).await;
        decision.stage("ci").unwrap().satisfied
    };
    assert!(satisfied(NOW + 2).await);
    let revoke = async |from, now| {
        signing_keys::revoke(world.store(), &server_permit(ADMIN), &ci, Some(from), now)
            .await
            .unwrap();
    };
    revoke(NOW + 2, NOW + 7).await;
    assert!(satisfied(NOW + 8).await);
    revoke(NOW + 1, NOW + 9).await;
    assert!(!satisfied(NOW + 10).await);
}

#[tokio::test]
async fn a_signature_is_told_once_though_two_gates_count_it() {
    let (world, image) = matched(&SHOP.replace(
        "check: {holds-for: [{team: hosts}], require: [scan]}",
        "check: {holds-for: [{team: hosts}], require: [ci]}",
    ))
    .await;
    let ci = world.key(world.ci).await;
    world.sign(&image, "ci", &ci, NOW + 1).await;
    let gates = [
        GateName::new("shop", "production"),
        GateName::new("shop", "check"),
    ];
    let both = decisions::decide_each(
        world.store(),
        &name("shop/web"),
        &image.digest,
        &gates,
        NOW + 2,
    )
    .await
    .unwrap();
    assert_eq!(
        both.iter()
            .map(|decision| decision.gate.as_str())
            .collect::<Vec<_>>(),
        ["production", "check"]
    );
    assert_eq!(both[1].outcome, Outcome::Allow);
    assert_eq!(count(&world, &image, "signature.counted").await, 1);
}

#[tokio::test]
async fn many_who_ask_at_once_are_told_of_one_decision() {
    let (world, image) = matched(SHOP).await;
    let mut asked = Vec::new();
    for _ in 0..12 {
        let (store, digest) = (world.store().clone(), image.digest.clone());
        asked.push(tokio::spawn(async move {
            let gate = GateName::new("shop", "production");
            decisions::decide(&store, &name("shop/web"), &digest, &gate, NOW + 1)
                .await
                .unwrap()
                .outcome
        }));
    }
    for asked in asked {
        assert_eq!(asked.await.unwrap(), Outcome::Deny);
    }
    assert_eq!(count(&world, &image, "decision.changed").await, 1);
    assert_eq!(world.acts("decision").await, 1);
}

#[tokio::test]
async fn a_deleted_image_that_comes_back_does_not_bring_its_answer_along() {
    let (world, image) = matched(SHOP).await;
    sign_all(&world, &image).await;
    assert_eq!(
        world.decide(&image, "production", NOW + 9).await.outcome,
        Outcome::Allow
    );
    let delete = permit(ADMIN, "shop/web");
    delete_manifest(
        world.store(),
        &Deleter::Image(&delete),
        &image.digest,
        NOW + 10,
    )
    .await
    .unwrap();
    let gate = GateName::new("shop", "production");
    let asked = decisions::decide(
        world.store(),
        &name("shop/web"),
        &image.digest,
        &gate,
        NOW + 11,
    )
    .await;
    assert!(matches!(asked, Err(Error::NotFound { .. })), "{asked:?}");
    world.fixture.push("shop/web", &["1"], &image).await;
    let back = world.decide(&image, "production", NOW + 12).await;
    assert_eq!(back.decided_at, NOW + 12);
}

#[tokio::test]
async fn evidence_is_readable_and_its_answer_is_not_kept() {
    let (world, image) = matched(SHOP).await;
    let ci = world.key(world.ci).await;
    let carrier = world.sign(&image, "ci", &ci, NOW + 1).await;
    let decision = world.decide(&carrier, "production", NOW + 2).await;
    assert_eq!(decision.outcome, Outcome::Allow);
    assert_eq!(count(&world, &carrier, "decision.changed").await, 0);
    let id = repository_id(world.store(), &name("shop/web")).await;
    assert_eq!(
        decisions::refresh(world.store(), id, &carrier.digest, NOW + 2)
            .await
            .unwrap(),
        Some(Vec::new())
    );
}

#[tokio::test]
async fn the_stock_is_listed_page_by_page_and_forgotten_gates_leave_no_answer() {
    let (world, image) = matched(SHOP).await;
    let other = Image::new("other");
    world.fixture.push("shop/api", &[], &other).await;
    let first = decisions::stock(world.store(), None, 1).await.unwrap();
    let second = decisions::stock(world.store(), first.first(), 1)
        .await
        .unwrap();
    let third = decisions::stock(world.store(), second.first(), 1)
        .await
        .unwrap();
    assert_eq!((first.len(), second.len(), third.len()), (1, 1, 0));
    for subject in first.iter().chain(&second) {
        let made = decisions::refresh(world.store(), subject.repository_id, &subject.digest, NOW)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(made.len(), 2);
    }
    let kept = "SELECT COUNT(*) FROM decisions";
    assert_eq!(world.fixture.number(kept).await, 4);
    world
        .apply(&SHOP.replace(
            "  check: {holds-for: [{team: hosts}], require: [scan]}\n",
            "",
        ))
        .await;
    assert_eq!(world.fixture.number(kept).await, 2, "the gate is gone");
    world.apply(&SHOP.replace("shop/**", "shop/api")).await;
    let gone = decisions::refresh(world.store(), first[0].repository_id, &image.digest, NOW)
        .await
        .unwrap();
    assert_eq!(gone, Some(Vec::new()), "no policy covers it any more");
    assert_eq!(world.fixture.number(kept).await, 1);
    policies::remove(world.store(), &server_permit(ADMIN), "shop", NOW)
        .await
        .unwrap();
    assert_eq!(world.fixture.number(kept).await, 0);
    assert_eq!(
        decisions::refresh(world.store(), 99, &image.digest, NOW)
            .await
            .unwrap(),
        None
    );
}
