//! Jobs: one row a key, one worker at a time, once more when asked meanwhile, never lost.

use std::collections::BTreeSet;

use serde_json::json;
use store::jobs::{self, Job};

use crate::fixture::{Fixture, Image, NOW};

const LEASE: i64 = 60_000;

async fn claim(fixture: &Fixture, now: i64) -> Option<Job> {
    jobs::claim(&fixture.store, &["scan", "other"], now, LEASE)
        .await
        .unwrap()
}

async fn add(fixture: &Fixture, key: &str, payload: i64, run_at: i64) {
    jobs::add(&fixture.store, "scan", key, &json!(payload), run_at)
        .await
        .unwrap();
}

#[tokio::test]
async fn asked_twice_is_done_once_with_the_newer_payload() {
    let fixture = Fixture::new().await;
    add(&fixture, "a", 1, NOW + 10).await;
    add(&fixture, "a", 2, NOW).await;
    add(&fixture, "a", 3, NOW + 20).await;
    let job = claim(&fixture, NOW).await.unwrap();
    assert_eq!(
        (job.key.as_str(), &job.payload, job.attempts),
        ("a", &json!(3), 1)
    );
    assert_eq!(claim(&fixture, NOW).await, None, "it is under a lease");
    assert!(jobs::finish(&fixture.store, &job).await.unwrap());
    assert_eq!(claim(&fixture, NOW + 1_000_000).await, None);
    assert!(
        !jobs::finish(&fixture.store, &job).await.unwrap(),
        "finishing twice changes nothing"
    );
}

#[tokio::test]
async fn only_what_is_due_and_of_these_kinds_is_claimed_oldest_first() {
    let fixture = Fixture::new().await;
    add(&fixture, "later", 0, NOW + 2).await;
    add(&fixture, "sooner", 0, NOW + 1).await;
    jobs::add(&fixture.store, "else", "x", &json!(null), NOW)
        .await
        .unwrap();
    assert_eq!(claim(&fixture, NOW).await, None);
    assert_eq!(
        jobs::next_at(&fixture.store, &["scan", "other"])
            .await
            .unwrap(),
        Some(NOW + 1)
    );
    assert_eq!(claim(&fixture, NOW + 5).await.unwrap().key, "sooner");
    assert_eq!(claim(&fixture, NOW + 5).await.unwrap().key, "later");
    assert_eq!(claim(&fixture, NOW + 5).await, None);
    assert_eq!(
        jobs::claim(&fixture.store, &[], NOW + 5, LEASE)
            .await
            .unwrap(),
        None
    );
    let backlog = jobs::backlog(&fixture.store).await.unwrap();
    assert_eq!(
        backlog
            .iter()
            .map(|row| (row.kind.as_str(), row.jobs))
            .collect::<Vec<_>>(),
        [("else", 1), ("scan", 2)]
    );
}

#[tokio::test]
async fn asked_for_while_it_runs_it_runs_once_more() {
    let fixture = Fixture::new().await;
    add(&fixture, "a", 1, NOW).await;
    let job = claim(&fixture, NOW).await.unwrap();
    add(&fixture, "a", 2, NOW + 50).await;
    add(&fixture, "a", 2, NOW + 40).await;
    assert!(jobs::finish(&fixture.store, &job).await.unwrap());
    assert_eq!(
        claim(&fixture, NOW + 39).await,
        None,
        "not before it was asked for"
    );
    let again = claim(&fixture, NOW + 40).await.unwrap();
    assert_eq!((&again.payload, again.attempts), (&json!(2), 1));
    assert!(jobs::finish(&fixture.store, &again).await.unwrap());
    assert_eq!(claim(&fixture, NOW + 1_000_000).await, None);
}

#[tokio::test]
async fn a_dead_workers_job_is_taken_over_and_its_late_finish_does_not_count() {
    let fixture = Fixture::new().await;
    add(&fixture, "a", 1, NOW).await;
    let dead = claim(&fixture, NOW).await.unwrap();
    assert_eq!(
        jobs::next_at(&fixture.store, &["scan"]).await.unwrap(),
        Some(NOW + LEASE)
    );
    assert_eq!(claim(&fixture, NOW + LEASE - 1).await, None);
    let fixture = fixture.restart().await;
    let mut heir = claim(&fixture, NOW + LEASE).await.unwrap();
    assert_eq!((heir.id, heir.attempts), (dead.id, 2));
    assert!(!jobs::finish(&fixture.store, &dead).await.unwrap());
    jobs::fail(&fixture.store, &dead, "late", NOW)
        .await
        .unwrap();
    let mut dead = dead;
    assert!(
        !jobs::renew(&fixture.store, &mut dead, NOW + 9 * LEASE)
            .await
            .unwrap()
    );
    assert!(
        jobs::renew(&fixture.store, &mut heir, NOW + 9 * LEASE)
            .await
            .unwrap()
    );
    assert_eq!(
        claim(&fixture, NOW + 3 * LEASE).await,
        None,
        "the heir's lease holds"
    );
    assert!(jobs::finish(&fixture.store, &heir).await.unwrap());
}

#[tokio::test]
async fn what_was_asked_for_before_a_takeover_is_seen_by_it() {
    let fixture = Fixture::new().await;
    add(&fixture, "a", 1, NOW).await;
    claim(&fixture, NOW).await.unwrap();
    add(&fixture, "a", 2, NOW + 1).await;
    add(&fixture, "b", 1, NOW + 2 * LEASE).await;
    let heir = claim(&fixture, NOW + LEASE).await.unwrap();
    assert_eq!(heir.payload, json!(2));
    assert!(jobs::finish(&fixture.store, &heir).await.unwrap());
    assert_eq!(
        claim(&fixture, NOW + LEASE).await,
        None,
        "no needless second run"
    );
}

#[tokio::test]
async fn a_failed_job_comes_back_when_it_is_to_be_tried_again() {
    let fixture = Fixture::new().await;
    add(&fixture, "a", 1, NOW).await;
    for attempt in 1..=3 {
        let now = NOW + i64::from(attempt) * 1_000;
        let job = claim(&fixture, now).await.unwrap();
        assert_eq!(job.attempts, attempt);
        jobs::fail(&fixture.store, &job, "the disk is full", now + 1_000)
            .await
            .unwrap();
        assert_eq!(claim(&fixture, now + 999).await, None);
    }
    assert_eq!(
        jobs::backlog(&fixture.store).await.unwrap()[0]
            .last_error
            .as_deref(),
        Some("the disk is full")
    );
    add(&fixture, "a", 2, NOW).await;
    let job = claim(&fixture, NOW + 3_001).await.unwrap();
    assert_eq!(
        job.payload,
        json!(2),
        "asked for anew, it does not wait for the retry"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_workers_share_the_work_and_do_nothing_twice() {
    let fixture = Fixture::new().await;
    for number in 0..40 {
        add(&fixture, &number.to_string(), number, NOW).await;
    }
    let workers: Vec<_> = (0..8)
        .map(|_| {
            let store = fixture.store.clone();
            tokio::spawn(async move {
                let mut done = Vec::new();
                while jobs::next_at(&store, &["scan"]).await.unwrap() == Some(NOW) {
                    if let Some(job) = jobs::claim(&store, &["scan"], NOW, LEASE).await.unwrap() {
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
    assert_eq!(done.len(), 40);
    assert_eq!(done.into_iter().collect::<BTreeSet<_>>().len(), 40);
}

#[tokio::test]
async fn a_commit_with_work_wakes_the_workers_of_its_process() {
    let fixture = Fixture::new().await;
    let mut signal = jobs::signal(&fixture.store);
    assert!(!signal.has_changed().unwrap());
    fixture.push("shop/web", &["1"], &Image::new("a")).await;
    signal.changed().await.unwrap();
    let job = jobs::claim(&fixture.store, &["index-image"], NOW, LEASE)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(job.key, Image::new("a").digest.to_string());
}
