//! What the signatures on an image come to: by policies, by none, as they get old, and across an index and its images.

use policy::gate::Verification;
use policy::reason::Code;
use policy::{Outcome, RuleResult, Verdict};
use store::evidence::{self, NewEvidence};
use store::{Error, decisions};

use super::world::{SHOP, World, repository_id, signature};
use crate::fixture::{Image, NOW, name};

/// Signed by a robot alone; its signature counts for twenty minutes.
const FRESH: &str = "
version: 1
repositories: ['shop/**']
stages:
  ci: {signers: [{robot: ci-shop}], fresh: 20m}
gates:
  production: {holds-for: [{team: hosts}], require: [ci]}
";

/// In milliseconds.
const FRESHNESS: i64 = 20 * 60 * 1_000;

async fn verify(world: &World, image: &Image, stages: &[&str], now: i64) -> Vec<Verification> {
    let stages: Vec<String> = stages.iter().map(|stage| (*stage).to_owned()).collect();
    decisions::verify(
        world.store(),
        &name("shop/web"),
        &image.digest,
        &stages,
        now,
    )
    .await
    .unwrap()
}

async fn pushed(world: &World) -> Image {
    let image = Image::new("web");
    world.fixture.push("shop/web", &["1"], &image).await;
    image
}

fn codes(rule: &RuleResult) -> Vec<Code> {
    rule.reasons.iter().map(|reason| reason.code).collect()
}

#[tokio::test]
async fn signatures_are_verified_by_the_stages_of_a_policy_whatever_its_gates_ask() {
    let world = World::new().await;
    // The gate `check` asks for no signature at all.
    world.apply(SHOP).await;
    let image = pushed(&world).await;
    let [found] = verify(&world, &image, &[], NOW).await.try_into().unwrap();
    assert!(!found.verified);
    assert_eq!(codes(&found.rules[0]), [Code::StageNotSigned]);

    let (ci, maria) = (world.key(world.ci).await, world.key(world.maria).await);
    world.sign(&image, "ci", &ci, NOW + 1).await;
    world.sign(&image, "staging", &maria, NOW + 2).await;
    world.sign(&image, "release", &maria, NOW + 3).await;
    let [found] = verify(&world, &image, &[], NOW + 4)
        .await
        .try_into()
        .unwrap();
    assert!(!found.verified, "staging has one of two");
    let others: Vec<Code> = found.others.iter().map(|reason| reason.code).collect();
    assert_eq!(others, [Code::OtherStage], "{}", found.explain().tree());
    let [found] = verify(&world, &image, &["ci"], NOW + 4)
        .await
        .try_into()
        .unwrap();
    assert!(found.verified, "{}", found.explain().tree());
    assert_eq!(found.rules.len(), 1);
    assert_eq!(
        verify(&world, &image, &["scan"], NOW + 4).await,
        [],
        "nobody signs for it"
    );

    let jonas = world.key(world.jonas).await;
    world.sign(&image, "staging", &jonas, NOW + 5).await;
    let [found] = verify(&world, &image, &[], NOW + 6)
        .await
        .try_into()
        .unwrap();
    assert!(found.verified, "{}", found.explain().tree());

    let absent = Image::new("absent");
    let shop = name("shop/web");
    let asked = decisions::verify(world.store(), &shop, &absent.digest, &[], NOW);
    assert!(matches!(asked.await, Err(Error::NotFound { .. })));
}

#[tokio::test]
async fn where_no_policy_asks_each_signature_is_verified_by_itself() {
    let world = World::new().await;
    let image = pushed(&world).await;
    let [found] = verify(&world, &image, &[], NOW).await.try_into().unwrap();
    assert!(!found.verified && found.policy.is_empty());
    assert_eq!(codes(&found.rules[0]), [Code::NotSigned]);

    let maria = world.key(world.maria).await;
    let mut elsewhere = signature(&image.digest, "ci", &maria);
    elsewhere.named_repository = Some("shop/api".to_owned());
    world.attach(&image, "shop/web", elsewhere, NOW + 1).await;
    let [found] = verify(&world, &image, &[], NOW + 2)
        .await
        .try_into()
        .unwrap();
    assert!(!found.verified);
    assert_eq!(
        codes(&found.rules[0]),
        [Code::NotSigned, Code::OtherRepository]
    );

    world.sign(&image, "staging", &maria, NOW + 3).await;
    let [found] = verify(&world, &image, &[], NOW + 4)
        .await
        .try_into()
        .unwrap();
    assert!(found.verified, "{}", found.explain().tree());
    assert_eq!(found.rules[0].counted[0].name, "maria");
}

#[tokio::test]
async fn an_answer_ends_when_a_signature_is_too_old() {
    let world = World::new().await;
    world.apply(FRESH).await;
    let image = pushed(&world).await;
    let ci = world.key(world.ci).await;
    world.sign(&image, "ci", &ci, NOW + 1).await;
    let end = NOW + 1 + FRESHNESS;
    let open = world.decide(&image, "production", NOW + 2).await;
    assert_eq!(
        (open.outcome, open.holds_until),
        (Outcome::Allow, Some(end))
    );
    assert_eq!(
        world.decide(&image, "production", end - 1).await,
        open,
        "the kept answer"
    );
    let due = decisions::due(world.store(), end, 0, 10).await.unwrap();
    assert_eq!(due.len(), 1, "it is decided again by itself");
    let shut = world.decide(&image, "production", end).await;
    assert_eq!(shut.outcome, Outcome::Deny);
    assert_eq!(codes(&shut.rules[0]), [Code::StageNotSigned, Code::TooOld]);
    let mut again = signature(&image.digest, "ci", &ci);
    again.raw.push(b'!');
    world.attach(&image, "shop/web", again, end + 1).await;
    let reopened = world.decide(&image, "production", end + 2).await;
    assert_eq!(reopened.holds_until, Some(end + 1 + FRESHNESS));
}

#[tokio::test]
async fn a_signature_ends_when_its_signer_said() {
    let world = World::new().await;
    world.apply(FRESH).await;
    let image = pushed(&world).await;
    let ci = world.key(world.ci).await;
    // Before it would be too old.
    let end = NOW + 1 + FRESHNESS / 2;
    let ending = NewEvidence {
        ends_at: Some(end),
        ..signature(&image.digest, "ci", &ci)
    };
    world.attach(&image, "shop/web", ending, NOW + 1).await;
    let open = world.decide(&image, "production", NOW + 2).await;
    assert_eq!(
        (open.outcome, open.holds_until),
        (Outcome::Allow, Some(end))
    );
    assert_eq!(world.decide(&image, "production", end - 1).await, open);
    let due = decisions::due(world.store(), end, 0, 10).await.unwrap();
    assert_eq!(due.len(), 1, "it is decided again by itself");
    let shut = world.decide(&image, "production", end).await;
    assert_eq!(shut.outcome, Outcome::Deny);
    assert_eq!(codes(&shut.rules[0]), [Code::StageNotSigned, Code::Expired]);
}

#[tokio::test]
async fn a_signature_of_an_index_covers_its_images_and_not_the_other_way_round() {
    let world = World::new().await;
    world.apply(FRESH).await;
    let (one, two) = (Image::new("one"), Image::new("two"));
    let index = Image::index(&[&one, &two]);
    // An index of indexes covers what it lists, and no more.
    let outer = Image::index(&[&index]);
    for image in [&one, &two, &index, &outer] {
        world.fixture.push("shop/web", &[], image).await;
    }
    let ci = world.key(world.ci).await;
    let outcomes = async |now| {
        let mut outcomes = Vec::new();
        for image in [&one, &two, &index, &outer] {
            let decision = world.decide(image, "production", now).await;
            let [verified] = verify(&world, image, &[], now).await.try_into().unwrap();
            assert_eq!(verified.verified, decision.outcome == Outcome::Allow);
            outcomes.push(decision.outcome == Outcome::Allow);
        }
        outcomes
    };
    world.sign(&one, "ci", &ci, NOW + 1).await;
    assert_eq!(outcomes(NOW + 2).await, [true, false, false, false]);
    let [told] = verify(&world, &index, &[], NOW + 2)
        .await
        .try_into()
        .unwrap();
    assert_eq!(
        codes(&told.rules[0]),
        [Code::StageNotSigned, Code::OtherDigest],
        "{}",
        told.explain().tree()
    );
    world.sign(&index, "ci", &ci, NOW + 3).await;
    assert_eq!(outcomes(NOW + 4).await, [true, true, true, false]);
    world.sign(&outer, "ci", &ci, NOW + 5).await;
    assert_eq!(outcomes(NOW + 6).await, [true, true, true, true]);

    let (world, outer) = (World::new().await, outer);
    world.apply(FRESH).await;
    for image in [&one, &two, &index, &outer] {
        world.fixture.push("shop/web", &[], image).await;
    }
    let ci = world.key(world.ci).await;
    world.sign(&outer, "ci", &ci, NOW + 1).await;
    let open = async |image: &Image| {
        let decision = world.decide(image, "production", NOW + 2).await;
        decision.outcome == Outcome::Allow
    };
    assert!(open(&outer).await && open(&index).await);
    assert!(!open(&one).await, "two steps are one too many");
}

#[tokio::test]
async fn a_signature_that_nothing_reads_is_kept_and_told_of() {
    let world = World::new().await;
    world.apply(FRESH).await;
    let image = pushed(&world).await;
    let unread = NewEvidence {
        attached_to: image.digest.clone(),
        format: "notation".to_owned(),
        subject: None,
        stage: None,
        predicate_type: None,
        named_repository: None,
        key: None,
        key_hint: None,
        verdict: Verdict::NotRead,
        raw: b"{}".to_vec(),
        signature: None,
        trusted_at: None,
        ends_at: None,
    };
    world.attach(&image, "shop/web", unread, NOW + 1).await;
    let id = repository_id(world.store(), &name("shop/web")).await;
    let kept = evidence::for_image(world.store(), id, &image.digest)
        .await
        .unwrap();
    assert_eq!(kept[0].verdict, Verdict::NotRead);
    let decision = world.decide(&image, "production", NOW + 2).await;
    assert_eq!(
        codes(&decision.rules[0]),
        [Code::StageNotSigned, Code::FormatNotRead]
    );
}
