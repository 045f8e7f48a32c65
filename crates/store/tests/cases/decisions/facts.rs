//! The facts of an image: who pushed it and what lists it, what is inside, and what is known of that; what is not known is never clean.

use advisories::Severity;
use oci::Digest;
use policy::facts::InventoryState;
use policy::{Outcome, Target};
use store::Error;
use store::catalogue::{Deleter, delete_manifest};
use store::decisions::{self, GateStage, Subject};

use super::{codes, matched, sign_all};
use crate::cases::world::{
    ADMIN, JOB, SHOP, World, advisory, inventory, put, python, repository_id, robot, signature,
};
use crate::fixture::{Image, NOW, name, permit};

#[tokio::test]
async fn missing_knowledge_is_not_ready_and_never_clean() {
    let world = World::new().await;
    world.apply(SHOP).await;
    let image = Image::new("web");
    world.fixture.push("shop/web", &["1"], &image).await;
    let check = async |now| world.decide(&image, "check", now).await;
    let (unread, code) = (check(NOW).await, "not-indexed");
    assert!(
        unread.outcome == Outcome::NotReady && codes(&unread).contains(&code),
        "{}",
        unread.sentence()
    );

    world.index(&image, &[python("django", "3.2.0")]).await;
    let unmatched = check(NOW + 1).await;
    assert!(
        unmatched.outcome == Outcome::NotReady && codes(&unmatched) == ["no-advisories"],
        "{}",
        unmatched.sentence()
    );
    world.run_matches(NOW + 1).await;
    assert_eq!(
        check(NOW + 2).await.outcome,
        Outcome::NotReady,
        "matched against nothing"
    );

    world
        .import(vec![advisory("PYSEC-1", &[], "flask", "3", Severity::Low)])
        .await;
    assert_eq!(
        check(NOW + 3).await.outcome,
        Outcome::NotReady,
        "there are advisories, but it was not matched yet"
    );
    world.run_matches(NOW + 3).await;
    assert_eq!(check(NOW + 4).await.outcome, Outcome::Allow);

    let next = Image::new("next");
    world.fixture.push("shop/web", &["2"], &next).await;
    world
        .index(
            &next,
            &[python("django", "3.2.0"), python("jinja2", "2.10")],
        )
        .await;
    assert_eq!(
        world.decide(&next, "check", NOW + 5).await.outcome,
        Outcome::NotReady
    );
    world.run_matches(NOW + 5).await;
    assert_eq!(
        world.decide(&next, "check", NOW + 6).await.outcome,
        Outcome::Allow
    );
}

#[tokio::test]
async fn a_new_advisory_closes_the_gate_when_its_grace_ends() {
    let (world, image) = matched(SHOP).await;
    assert_eq!(world.decide(&image, "check", NOW).await.holds_until, None);
    let hour = 60 * 60 * 1_000;
    world
        .import_at(
            vec![advisory(
                "PYSEC-2",
                &["CVE-2"],
                "django",
                "3.2.4",
                Severity::Critical,
            )],
            NOW + 10,
        )
        .await;
    world.run_matches(NOW + 11).await;
    let graced = world.decide(&image, "check", NOW + 12).await;
    assert_eq!(
        (graced.outcome, graced.holds_until),
        (Outcome::Allow, Some(NOW + 10 + hour))
    );
    let end = NOW + 10 + hour;
    assert_eq!(
        decisions::due(world.store(), end - 1, 0, 10).await.unwrap(),
        []
    );
    assert_eq!(world.decide(&image, "check", end - 1).await, graced);
    let due = decisions::due(world.store(), end, 0, 10).await.unwrap();
    assert_eq!(
        due.iter()
            .map(|subject| &subject.digest)
            .collect::<Vec<_>>(),
        [&image.digest]
    );
    let refreshed = decisions::refresh(world.store(), due[0].repository_id, &due[0].digest, end)
        .await
        .unwrap()
        .unwrap();
    assert!(
        refreshed
            .iter()
            .all(|decision| decision.outcome == Outcome::Deny),
        "{refreshed:?}"
    );
    assert_eq!(decisions::due(world.store(), end, 0, 10).await.unwrap(), []);
    assert_eq!(
        codes(&world.decide(&image, "check", end).await),
        ["vulnerability-limit"]
    );
}

#[tokio::test]
async fn a_platform_image_counts_what_its_index_got_and_an_index_needs_one_good_image() {
    let world = World::new().await;
    world
        .apply(&SHOP.replace("require: [ci, scan, staging]", "require: [ci, scan]"))
        .await;
    let (good, bad) = (Image::new("good"), Image::new("bad"));
    let index = Image::index(&[&good, &bad]);
    for image in [&good, &bad, &index] {
        world.fixture.push("shop/web", &[], image).await;
    }
    let ci = world.key(world.ci).await;
    world
        .attach(
            &index,
            "shop/web",
            signature(&index.digest, "ci", &ci),
            NOW + 1,
        )
        .await;
    world
        .import(vec![
            advisory("PYSEC-1", &[], "django", "3.2.4", Severity::Critical),
            advisory("PYSEC-2", &[], "flask", "3", Severity::Critical),
        ])
        .await;
    world.index(&bad, &[python("flask", "1")]).await;
    world.run_matches(NOW).await;
    let later = NOW + 24 * 60 * 60 * 1_000;
    let outcome = async |image: &Image| world.decide(image, "production", later).await.outcome;
    assert_eq!(
        outcome(&index).await,
        Outcome::NotReady,
        "the other image may yet be good"
    );
    world.index(&good, &[python("django", "3.2.4")]).await;
    world.run_matches(NOW).await;
    assert_eq!(outcome(&index).await, Outcome::Allow);
    assert_eq!(
        outcome(&good).await,
        Outcome::Allow,
        "the signature of the index is enough"
    );
    assert_eq!(
        outcome(&bad).await,
        Outcome::Deny,
        "limits are judged on what is pulled"
    );

    let delete = permit(ADMIN, "shop/web");
    delete_manifest(world.store(), &Deleter::Image(&delete), &index.digest, NOW)
        .await
        .unwrap();
    assert_eq!(
        outcome(&good).await,
        Outcome::Deny,
        "nothing lists it any more"
    );
}

#[tokio::test]
async fn facts_are_gathered_whole() {
    let (world, image) = matched(SHOP).await;
    let ci = world.key(world.ci).await;
    let index = Image::index(&[&image, &Image::new("absent")]);
    world.fixture.push("shop/web", &["multi"], &index).await;
    world.sign(&image, "ci", &ci, NOW + 1).await;
    let store = world.store();
    let repository = name("shop/web");
    let subject = Subject {
        repository_id: repository_id(store, &repository).await,
        repository: repository.clone(),
        digest: image.digest.clone(),
    };
    let stage = GateStage {
        policy: "shop",
        stage: "scan",
    };
    let manifest = Digest::sha256(b"the server's signature");
    assert!(
        decisions::record_stage(store, JOB, &subject, &stage, &manifest, NOW + 7)
            .await
            .unwrap()
    );
    assert!(
        !decisions::record_stage(store, JOB, &subject, &stage, &manifest, NOW + 8)
            .await
            .unwrap()
    );
    let records = decisions::stage_records(store, subject.repository_id, &image.digest, "shop")
        .await
        .unwrap();

    let facts = decisions::gather(store, &repository, &image.digest, "shop")
        .await
        .unwrap();
    assert_eq!(facts.stage_records, records);
    assert_eq!(facts.stage_records["scan"], NOW + 7);
    assert_eq!(facts.tag.as_ref().map(oci::Tag::as_str), Some("1"));
    assert_eq!(facts.first_pushed_by, Some(policy::PrincipalId(1)));
    assert_eq!(facts.listed_by.iter().collect::<Vec<_>>(), [&index.digest]);
    assert_eq!(facts.evidence.len(), 1);
    assert!(facts.advisories.ready);
    let Target::Image(inside) = &facts.subject else {
        panic!("{:?}", facts.subject)
    };
    assert_eq!(inside.inventory, InventoryState::Complete);
    assert_eq!(inside.licences[0].licences, ["BSD-3-Clause"]);
    let other = decisions::gather(store, &repository, &image.digest, "tools")
        .await
        .unwrap();
    assert!(other.stage_records.is_empty());

    let facts = decisions::gather(store, &repository, &index.digest, "shop")
        .await
        .unwrap();
    let Target::Index(children) = &facts.subject else {
        panic!("{:?}", facts.subject)
    };
    let shape: Vec<(bool, bool)> = children
        .iter()
        .map(|child| (child.runnable, child.facts.is_some()))
        .collect();
    assert_eq!(
        shape,
        [(true, true), (false, false)],
        "one that is not held cannot be run from here"
    );
    let error = decisions::gather(store, &name("shop/none"), &image.digest, "shop")
        .await
        .unwrap_err();
    assert!(matches!(error, Error::NotFound { .. }), "{error}");
}

#[tokio::test]
async fn an_incomplete_inventory_is_told_with_its_problems() {
    let (world, image) = matched(SHOP).await;
    let problem = sbom::Problem {
        kind: sbom::ProblemKind::RemovedDatabase,
        detail: "the package database was removed".to_owned(),
        path: Some("var/lib/dpkg/status".to_owned()),
        layer: None,
    };
    let mut broken = inventory(&[python("django", "3.2.0")]);
    broken.problems.push(problem);
    put(world.store(), &image, &broken, NOW + 1).await;
    let decision = world.decide(&image, "check", NOW + 2).await;
    assert_eq!(codes(&decision), ["inventory-incomplete"]);
}

#[tokio::test]
async fn the_owner_of_a_robot_that_pushed_is_the_author() {
    let (world, _) = matched(SHOP).await;
    let builder = robot(world.store(), "builder", world.maria).await;
    let image = Image::new("pushed by a robot");
    let push = permit(builder.0, "shop/web");
    let writer = store::Writer::Push(&push);
    for blob in &image.blobs {
        store::blobs::put(world.store(), &writer, blob.clone(), NOW)
            .await
            .unwrap();
    }
    crate::fixture::put(world.store(), &writer, &[], &image)
        .await
        .unwrap();
    sign_all(&world, &image).await;
    let decision = world.decide(&image, "production", NOW + 9).await;
    let staging = decision.stage("staging").unwrap();
    assert!(!staging.satisfied);
    assert!(
        staging
            .reasons
            .iter()
            .any(|reason| reason.code.as_str() == "author"),
        "{staging:?}"
    );
}
