//! What time alone changes: a gate that was broken open shuts by itself, and is told.

use policy::verb::ManagePolicy;
use policy::{Outcome, Role};
use store::break_glass::Asked;
use store::decisions::GateName;
use store::{outbox, policies};
use tempfile::TempDir;

use super::*;
use crate::jobs::Round;
use crate::testing::{HOUR, REPOSITORY, Server, database, guard, permit, permit_of, put_image};

const NOW: i64 = 1_800_000_000_000;
const POLICY: &str = "
version: 1
repositories: ['shop/**']
stages:
  scan: {automatic: true, limits: {known-exploited: deny}}
gates:
  production: {holds-for: everyone, require: [scan]}
";

async fn apply_policy(context: &Context) {
    let permit = permit::<ManagePolicy>(Role::Security, None, NOW);
    policies::apply(&context.store, &permit, "shop", POLICY, NOW)
        .await
        .unwrap();
}

async fn outcome(context: &Context, digest: &Digest) -> Outcome {
    let gate = GateName::new("shop", "production");
    let store = &context.store;
    let here = REPOSITORY.parse().unwrap();
    decisions::decide(store, &here, digest, &gate, context.now())
        .await
        .unwrap()
        .outcome
}

async fn told(context: &Context) -> Vec<String> {
    let events = outbox::events(&context.store, 0, 1_000).await.unwrap();
    let told = events.iter().filter_map(|event| {
        let says = event.data["end"]
            .as_str()
            .or(event.data["after"].as_str())?;
        Some(format!("{} {says}", event.kind))
    });
    told.collect()
}

#[tokio::test]
async fn a_gate_that_was_broken_open_shuts_by_itself_and_is_told() {
    let Server {
        context,
        clock,
        folder: _folder,
    } = Server::at(NOW).await;
    let store = &context.store;
    let anna = guard(&context, "anna").await;
    let omar = guard(&context, "omar").await;
    apply_policy(&context).await;
    let digest = put_image(&context, b"a layer").await;
    let asked = Asked {
        digest: &digest,
        policy: "shop",
        gate: "production",
        lasts_milliseconds: 4 * HOUR,
        lasts_milliseconds_max: None,
        reason: "the scanner is broken",
    };
    let asked = break_glass::ask(store, &permit_of(&context, anna).await, &asked, NOW)
        .await
        .unwrap();
    decide_all(&context).await.unwrap();
    assert_eq!(told(&context).await, ["decision.changed not-ready"]);
    break_glass::confirm(store, &permit_of(&context, omar).await, asked.id, NOW)
        .await
        .unwrap();
    decide_all(&context).await.unwrap();
    assert_eq!(outcome(&context, &digest).await, Outcome::Allow);

    let rounds = [Round::DecideDue, Round::EndBreakGlass];
    for (passed, expected) in [
        (4 * HOUR - 1, &[][..]),
        (1, &["decision.changed not-ready", "break-glass.ended over"]),
        (HOUR, &[]),
    ] {
        clock.pass(passed);
        let before = told(&context).await.len();
        for round in rounds {
            round.run(&context).await.unwrap();
        }
        assert_eq!(told(&context).await[before..], *expected, "{passed}");
    }
    assert_eq!(outcome(&context, &digest).await, Outcome::NotReady);
}

#[tokio::test]
async fn an_image_that_cannot_be_judged_keeps_no_other_waiting() {
    let Server {
        context, folder, ..
    } = Server::at(NOW).await;
    apply_policy(&context).await;
    let mut images = [
        put_image(&context, b"a layer").await,
        put_image(&context, b"another").await,
    ];
    images.sort();
    let [first, _] = &images;
    let edit = "UPDATE manifests SET shape = 'nonsense' WHERE digest = ?1";
    let edited = database(&folder).execute(edit, [first.as_str()]);
    assert_eq!(edited.unwrap(), 1);
    let failed = decide_all(&context).await.unwrap_err();
    let Error::Undecided {
        count,
        first: told_first,
        ..
    } = &failed
    else {
        panic!("{failed:?}");
    };
    assert_eq!((*count, told_first), (1, &format!("{REPOSITORY}@{first}")));
    assert_eq!(told(&context).await, ["decision.changed not-ready"]);
}

/// Two images whose answers have ended: one that cannot be judged, which comes first, and one that can.
async fn ended(context: &Context, folder: &TempDir) -> [Digest; 2] {
    apply_policy(context).await;
    let mut images = [
        put_image(context, b"a layer").await,
        put_image(context, b"another").await,
    ];
    images.sort();
    decide_all(context).await.unwrap();
    let database = database(folder);
    let edit = "UPDATE decisions SET holds_until = ?1";
    assert_eq!(database.execute(edit, [NOW]).unwrap(), 2);
    set_shape(folder, &images[0], "nonsense");
    images
}

fn set_shape(folder: &TempDir, digest: &Digest, shape: &str) {
    let edit = "UPDATE manifests SET shape = ?2 WHERE digest = ?1";
    let edited = database(folder).execute(edit, [digest.as_str(), shape]);
    assert_eq!(edited.unwrap(), 1);
}

async fn due(context: &Context) -> Vec<Digest> {
    let due = decisions::due(&context.store, context.now(), 0, 10).await;
    due.unwrap()
        .into_iter()
        .map(|subject| subject.digest)
        .collect()
}

#[tokio::test]
async fn an_image_that_cannot_be_judged_takes_no_others_place_among_what_is_due() {
    let Server {
        context, folder, ..
    } = Server::at(NOW).await;
    let [bad, good] = ended(&context, &folder).await;
    assert_eq!(due(&context).await, [bad.clone(), good]);
    // The first piece is full with it. In the next one it is passed over.
    decide_due_of(&context, 1).await.unwrap_err();
    decide_due_of(&context, 1).await.unwrap();
    assert_eq!(due(&context).await, [bad]);
}

#[tokio::test]
async fn an_image_that_cannot_be_judged_is_told_once_an_hour_and_tried_again_before() {
    const MINUTE: i64 = 60_000;
    let Server {
        context,
        clock,
        folder,
    } = Server::at(NOW).await;
    let [bad, _] = ended(&context, &folder).await;
    let failed = decide_due(&context).await.unwrap_err();
    assert!(
        matches!(failed, Error::Undecided { count: 1, .. }),
        "{failed:?}"
    );
    for _ in 1..12 {
        decide_due(&context).await.unwrap();
        clock.pass(5 * MINUTE);
        decide_due(&context).await.unwrap();
    }
    clock.pass(5 * MINUTE);
    decide_due(&context).await.unwrap_err();
    // It is not asked all the time whether it can be judged now, but it is asked.
    set_shape(&folder, &bad, "image");
    decide_due(&context).await.unwrap();
    assert_eq!(due(&context).await, [bad]);
    clock.pass(5 * MINUTE);
    decide_due(&context).await.unwrap();
    assert!(due(&context).await.is_empty());
}
