//! Decisions: made from the facts of one state, kept while they stand, told when they change.

use advisories::Severity;
use oci::{Descriptor, Digest, ImageManifest, Manifest, media};
use policy::facts::InventoryState;
use policy::{Decision, Outcome, Target};
use store::catalogue::{Deleter, delete_manifest};
use store::decisions::{self, GateName, GateStage, Subject};
use store::{Error, accounts, outbox, policies, signing_keys};

use super::world::{
    ADMIN, JOB, SHOP, World, advisory, inventory, put, python, repository_id, robot, signature,
};
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
async fn of_many_images_with_one_layer_those_that_may_be_pulled_come_first() {
    those_that_may_be_pulled_come_first(20, 16).await;
}

#[tokio::test]
async fn of_few_images_with_one_layer_those_that_may_be_pulled_come_first() {
    those_that_may_be_pulled_come_first(6, 9).await;
}

/// Of three charts and so many images that list one layer, two times each, `shown` are those to ask about.
async fn those_that_may_be_pulled_come_first(images: u32, shown: usize) {
    let world = World::new().await;
    // Both gates hold the same, and pass a chart alone.
    world
        .apply(
            "
version: 1
repositories: ['shop/**']
stages:
  scan: {automatic: true, limits: {unscannable: allow, licences: {deny: [AGPL-3.0-only]}}}
gates:
  a: {holds-for: [{team: hosts}], require: [scan]}
  b: {holds-for: [{team: hosts}], require: [scan]}
",
        )
        .await;
    let (layer, repository) = (b"a shared layer".as_slice(), name("shop/web"));
    let charts: Vec<Image> = (0..3)
        .map(|number| chart(&number.to_string(), layer))
        .collect();
    for chart in &charts {
        world.fixture.push("shop/web", &[], chart).await;
    }
    for number in 0..images {
        let image = Image::with_layers(&number.to_string(), &[layer, layer]);
        world.fixture.push("shop/web", &[], &image).await;
    }
    let gates = ["a", "b"].map(|gate| GateName::new("shop", gate));
    let order = async |gates: &[GateName]| {
        let (store, layer) = (world.store(), Digest::sha256(layer));
        let found = decisions::referring(store, &repository, &layer, gates, NOW).await;
        let found: Vec<Digest> = found.unwrap().into_iter().map(|it| it.manifest).collect();
        assert_eq!(found.len(), shown, "{found:?}");
        found
    };
    for chart in &charts {
        for gate in ["a", "b"] {
            world.decide(chart, gate, NOW).await;
        }
        assert_eq!(
            order(&gates).await[0],
            chart.digest,
            "it was just asked for"
        );
        // Its answers are those of yesterday now.
        let text = format!(
            "UPDATE manifests SET facts_revision = facts_revision + 1 WHERE digest = '{}'",
            chart.digest
        );
        world.fixture.edit(&text).await;
    }
    // Of those that have to be asked for again, the one that passed both gates precedes one that passed one.
    let third = &charts[2].digest;
    let text = format!("DELETE FROM decisions WHERE gate = 'b' AND digest <> '{third}'");
    world.fixture.edit(&text).await;
    assert_eq!(order(&gates).await[0], *third);
    let evidence = Image::evidence(&charts[0], "signature");
    world.fixture.push("shop/web", &[], &evidence).await;
    let blob = Digest::sha256(&evidence.blobs[1]);
    for gates in [&gates[..], &[]] {
        let found = decisions::referring(world.store(), &repository, &blob, gates, NOW).await;
        assert_eq!(found.unwrap()[0].shape, oci::Shape::Evidence);
    }
    assert_eq!(order(&[]).await.len(), shown);
}

/// Something that is no container image, with one layer.
fn chart(seed: &str, layer: &[u8]) -> Image {
    let config = format!("{{\"name\":\"{seed}\"}}").into_bytes();
    let kind = "application/vnd.cncf.helm.config.v1+json";
    let layers = vec![Descriptor::of(media::OCI_LAYER_GZIP, layer)];
    let manifest = Manifest::Image(ImageManifest::new(Descriptor::of(kind, &config), layers));
    let content = manifest.to_bytes();
    Image {
        digest: Digest::sha256(&content),
        shape: manifest.shape(),
        blobs: vec![config, layer.to_vec()],
        manifest,
        content,
    }
}

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
        decisions::due(world.store(), end - 1, 10).await.unwrap(),
        []
    );
    assert_eq!(world.decide(&image, "check", end - 1).await, graced);
    let due = decisions::due(world.store(), end, 10).await.unwrap();
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
    assert_eq!(decisions::due(world.store(), end, 10).await.unwrap(), []);
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
