//! Several processes on one PostgreSQL database, as far as one test process can play them: stores that share nothing but the
//! database and the data folder.

use std::collections::BTreeSet;
use std::sync::Arc;

use oci::{Algorithm, Reference};
use policy::Verdict;
use policy::verb::Push;
use serde_json::json;
use sqlx::Connection;
use store::check::{self, Checking};
use store::evidence::{self, NewEvidence, Reverified, Wanted};
use store::keys::{self, Purpose};
use store::{Error, Store, Writer, audit, catalogue, garbage, jobs, outbox, uploads};
use trust::Signer;

use crate::cases::garbage::put;
use crate::cases::world::{JOB, World, signature};
use crate::fixture::{Fixture, Image, NOW, name, permit, push};

async fn with_second() -> (Fixture, Store) {
    let fixture = Fixture::new().await;
    let second = Store::open(&fixture.options).await.unwrap();
    (fixture, second)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_new_database_is_made_once_when_all_start_together() {
    let fixture = Fixture::new().await;
    fixture.store.close().await;
    fixture.edit("DROP SCHEMA public CASCADE").await;
    fixture.edit("CREATE SCHEMA public").await;
    let starts: Vec<_> = (0..4)
        .map(|_| {
            let options = fixture.options.clone();
            tokio::spawn(async move { Store::open(&options).await.unwrap() })
        })
        .collect();
    let mut keys_made = BTreeSet::new();
    for start in starts {
        let store = start.await.unwrap();
        let key = keys::signer(&store, Purpose::Token, NOW).await.unwrap();
        keys_made.insert(key.public_key().id().to_string());
        store.close().await;
    }
    assert_eq!(keys_made.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn parallel_pushes_through_two_processes_all_land() {
    let (fixture, second) = with_second().await;
    let shared = Image::new("shared");
    let pushes: Vec<_> = (0..40)
        .map(|number| {
            let store = if number % 2 == 0 {
                fixture.store.clone()
            } else {
                second.clone()
            };
            let shared = shared.clone();
            tokio::spawn(async move {
                // Both push the same image under the same tag, and each one of its own, listed with it in an index.
                push(&store, "shop/web", &["shared"], &shared).await;
                let own = Image::new(&number.to_string());
                push(&store, "shop/web", &["latest", &format!("t{number}")], &own).await;
                push(
                    &store,
                    "shop/web",
                    &[&format!("i{number}")],
                    &Image::index(&[&shared, &own]),
                )
                .await;
            })
        })
        .collect();
    for push in pushes {
        push.await.unwrap();
    }
    assert_eq!(fixture.number("SELECT COUNT(*) FROM tags").await, 82);
    assert_eq!(fixture.number("SELECT COUNT(*) FROM manifests").await, 81);
    assert_eq!(
        fixture
            .number("SELECT COUNT(*) FROM audit WHERE act = 'manifest.push'")
            .await,
        81
    );
    let reference = Reference::Tag("shared".parse().unwrap());
    let stored = catalogue::manifest(&second, &name("shop/web"), &reference)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        stored.facts_revision,
        1 + 1 + 40,
        "raised by its own push and by each index that lists it"
    );
}

#[tokio::test]
async fn two_processes_do_not_write_to_one_upload() {
    let (fixture, second) = with_second().await;
    let permit = permit::<Push>(1, "shop/web");
    let writer = Writer::Push(&permit);
    let session = uploads::start(&fixture.store, &writer, Algorithm::Sha256, NOW)
        .await
        .unwrap();
    let open = |store: &Store| uploads::open(store, &writer, &session, NOW).unwrap();
    let mut first = open(&fixture.store);
    first.size().await.unwrap();
    let mut other = open(&second);
    assert!(matches!(other.size().await, Err(Error::Conflict { .. })));
    drop((first, other));
    open(&second).size().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_reader_of_events_misses_none_while_many_write() {
    let (fixture, second) = with_second().await;
    let writers: Vec<_> = (0..30)
        .map(|number| {
            let store = if number % 2 == 0 {
                fixture.store.clone()
            } else {
                second.clone()
            };
            tokio::spawn(async move {
                push(
                    &store,
                    &format!("shop/{number}"),
                    &["1"],
                    &Image::new(&number.to_string()),
                )
                .await
            })
        })
        .collect();
    let (mut after, mut seen) = (0, BTreeSet::new());
    while seen.len() < 30 {
        for event in outbox::events(&fixture.store, after, 7).await.unwrap() {
            assert!(event.sequence > after);
            after = event.sequence;
            seen.insert(event.id);
        }
        if writers.iter().all(|writer| writer.is_finished())
            && outbox::newest_sequence(&fixture.store).await.unwrap() == after
        {
            break;
        }
    }
    assert_eq!(
        seen.len(),
        30,
        "one that became visible late would have been passed over"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn workers_of_two_processes_do_nothing_twice() {
    let (fixture, second) = with_second().await;
    for number in 0..30 {
        jobs::add(
            &fixture.store,
            "scan",
            &number.to_string(),
            &json!(number),
            NOW,
        )
        .await
        .unwrap();
    }
    let workers: Vec<_> = (0..8)
        .map(|number| {
            let store = if number % 2 == 0 {
                fixture.store.clone()
            } else {
                second.clone()
            };
            tokio::spawn(async move {
                let mut done = Vec::new();
                while jobs::next_at(&store, &["scan"]).await.unwrap() == Some(NOW) {
                    if let Some(job) = jobs::claim(&store, &["scan"], NOW, 60_000).await.unwrap() {
                        assert!(jobs::finish(&store, &job).await.unwrap());
                        done.push(job.key);
                    }
                }
                done
            })
        })
        .collect();
    let mut done = Vec::new();
    for worker in workers {
        done.extend(worker.await.unwrap());
    }
    done.sort();
    let distinct: BTreeSet<_> = done.iter().collect();
    assert_eq!((done.len(), distinct.len()), (30, 30));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_processes_seal_one_log() {
    let (fixture, second) = with_second().await;
    for round in 0..5 {
        push(
            &fixture.store,
            "shop/web",
            &[&format!("a{round}")],
            &Image::new(&format!("a{round}")),
        )
        .await;
        push(
            &second,
            "shop/web",
            &[&format!("b{round}")],
            &Image::new(&format!("b{round}")),
        )
        .await;
        let (a, b) = tokio::join!(audit::seal(&fixture.store, NOW), audit::seal(&second, NOW));
        a.unwrap();
        b.unwrap();
    }
    let report = audit::verify(&fixture.options, None).await.unwrap();
    assert!(report.is_intact(), "{report:#?}");
    assert_eq!(report.unsealed, 0);
    assert!(report.checkpoints >= 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_process_collects_garbage_at_a_time() {
    let (fixture, second) = with_second().await;
    let now = || NOW;
    let (a, b) = tokio::join!(
        garbage::collect_due(&fixture.store, &now),
        garbage::collect_due(&second, &now)
    );
    let done = [a.unwrap(), b.unwrap()];
    assert_eq!(done.iter().flatten().count(), 1, "{done:?}");
    // One that was cut off is taken over when it was not seen for a while.
    fixture
        .edit(&format!(
            "UPDATE collections SET finished_at = NULL, phase = 'blobs', holder = 'gone', seen_at = {NOW}"
        ))
        .await;
    assert_eq!(garbage::collect_due(&second, &now).await.unwrap(), None);
    let later = || NOW + 3 * 60 * 1_000;
    assert!(
        garbage::collect_due(&second, &later)
            .await
            .unwrap()
            .is_some()
    );
}

#[tokio::test]
async fn a_link_that_is_collected_while_it_is_renewed_is_made_again() {
    let fixture = Fixture::new().await;
    let digest = put(&fixture.store, "shop/web", b"some", NOW).await;
    // Between the two statements of a renewal, as a collector of another process may: whoever finds the old link loses it.
    for text in [
        "CREATE FUNCTION collect() RETURNS trigger LANGUAGE plpgsql AS \
         $$ BEGIN DELETE FROM repository_blobs WHERE linked_at = 1780000000000; RETURN NULL; END $$",
        "CREATE TRIGGER collector AFTER INSERT ON repository_blobs FOR EACH STATEMENT EXECUTE FUNCTION collect()",
    ] {
        fixture.edit(text).await;
    }
    put(&fixture.store, "shop/web", b"some", NOW + 1).await;
    let held = catalogue::blob(&fixture.store, &name("shop/web"), &digest).await;
    assert!(held.unwrap().is_some(), "it was acknowledged");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_blob_that_is_healed_while_it_is_noted_as_damaged_is_not_noted() {
    let fixture = Fixture::new().await;
    let digest = put(&fixture.store, "shop/web", b"some", NOW).await;
    std::fs::write(fixture.blob_path(&digest).await, b"sOme").unwrap();
    // Whoever pushed it again has not committed yet.
    let mut raw = fixture.raw().await;
    let mut healing = raw.begin().await.unwrap();
    sqlx::query("UPDATE blobs SET location = location || '0'")
        .execute(&mut *healing)
        .await
        .unwrap();
    let options = fixture.options.clone();
    let checking = tokio::spawn(async move {
        let checking = Checking {
            bytes_per_second: None,
            remember: true,
        };
        check::check(&options, &checking, &Arc::default(), &|| NOW).await
    });
    let waiting = "SELECT COUNT(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()";
    while fixture.number(waiting).await == 0 && !checking.is_finished() {}
    healing.commit().await.unwrap();
    checking.await.unwrap().unwrap();
    let noted = "SELECT COUNT(*) FROM broken_blobs";
    assert_eq!(fixture.number(noted).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_reading_takes_no_time_back_that_lands_while_it_writes() {
    let world = World::new().await;
    let (store, key) = (world.store().clone(), world.key(world.maria).await);
    let image = Image::new("web");
    world.fixture.push("shop/web", &["1"], &image).await;
    let unknown = NewEvidence {
        key: None,
        verdict: Verdict::UnknownKey,
        ..signature(&image.digest, "ci", &key)
    };
    world.attach(&image, "shop/web", unknown, NOW).await;
    let wanted = Wanted::In(&["stage"]);
    let id = evidence::unknown(&store, wanted, 0, 1).await.unwrap()[0].id;
    // Whoever pushed it again with a timestamp has not committed yet.
    let mut raw = world.fixture.raw().await;
    let mut pushing = raw.begin().await.unwrap();
    sqlx::query("UPDATE evidence SET verdict = 'verified', key_id = $1, trusted_at = 5")
        .bind(key.as_str())
        .execute(&mut *pushing)
        .await
        .unwrap();
    let slow = Reverified {
        format: "stage".to_owned(),
        verdict: Verdict::Verified,
        subject: Some(image.digest.clone()),
        stage: Some("ci".to_owned()),
        named_repository: None,
        key: Some(key),
        trusted_at: None,
        ends_at: None,
    };
    let reading =
        tokio::spawn(async move { evidence::set_verdict(&store, JOB, id, &slow, NOW + 1).await });
    let waiting = "SELECT COUNT(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()";
    while world.fixture.number(waiting).await == 0 && !reading.is_finished() {}
    pushing.commit().await.unwrap();
    assert!(!reading.await.unwrap().unwrap());
    let kept = "SELECT COALESCE(MAX(trusted_at), 0) FROM evidence";
    assert_eq!(world.fixture.number(kept).await, 5);
}
