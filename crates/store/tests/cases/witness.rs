//! A server as the witness of another one's audit log: two stores, and everything that the log's owner may try.

use store::audit::{self, SignedCheckpoint};
use store::{outbox, witness};
use trust::checkpoint::{
    Checkpoint, VerifierKey, VerifierKind, sign, verify_cosignature, with_signatures,
};
use trust::merkle::{Hash, consistency_proof, leaf_hash, root};
use trust::witness::{AddCheckpoint, WitnessError};
use trust::{Algorithm, PrivateKey, Signer};

use crate::fixture::{Fixture, Image, NOW};

const ORIGIN: &str = "other.example/log";

/// A log whose owner can do anything to it.
struct Log {
    key: PrivateKey,
    leaves: Vec<Hash>,
}

impl Log {
    fn new(size: u64) -> Self {
        Self {
            key: PrivateKey::generate(Algorithm::Ed25519).unwrap(),
            leaves: (0..size)
                .map(|number| leaf_hash(&number.to_be_bytes()))
                .collect(),
        }
    }

    fn verifier(&self) -> VerifierKey {
        VerifierKey::new(ORIGIN, VerifierKind::Log, self.key.public_key()).unwrap()
    }

    fn request(&self, old: usize, new: usize) -> AddCheckpoint {
        let leaves = &self.leaves[..new];
        let checkpoint = Checkpoint {
            origin: ORIGIN.into(),
            size: new as u64,
            root: root(leaves),
        };
        AddCheckpoint {
            old_size: old as u64,
            proof: consistency_proof(leaves, old.min(new) as u64).unwrap(),
            note: sign(&checkpoint, &self.key).unwrap(),
        }
    }

    /// Asks a witness that watches this log.
    async fn ask(&self, at: &Fixture, old: usize, new: usize) -> Result<u64, WitnessError> {
        let request = self.request(old, new);
        let key = witness::verifier(&at.store, NOW).await.unwrap();
        let outcome = witness::add_checkpoint(&at.store, &[self.verifier()], &request, NOW)
            .await
            .unwrap()?;
        let note = with_signatures(&request.note, [outcome.line.as_str()]);
        Ok(verify_cosignature(&note, &key).unwrap().time)
    }
}

async fn told(fixture: &Fixture) -> Vec<(String, serde_json::Value)> {
    let events = outbox::events(&fixture.store, 0, 100).await.unwrap();
    let events = events
        .into_iter()
        .filter(|event| event.kind.contains("witness"));
    events.map(|event| (event.kind, event.data)).collect()
}

#[tokio::test]
async fn a_log_that_grows_is_signed_and_remembered_over_restarts() {
    let (fixture, log) = (Fixture::new().await, Log::new(300));
    assert_eq!(
        log.ask(&fixture, 0, 5).await,
        Ok(NOW.unsigned_abs() / 1_000)
    );
    let fixture = fixture.restart().await;
    assert_eq!(
        log.ask(&fixture, 0, 300).await,
        Err(WitnessError::Conflict { size: 5 })
    );
    assert!(log.ask(&fixture, 5, 300).await.is_ok());
    assert!(log.ask(&fixture, 300, 300).await.is_ok(), "asked again");
    let hash = oci::Digest::sha256(ORIGIN.as_bytes());
    let note = witness::checkpoint_of(&fixture.store, hash.hex())
        .await
        .unwrap()
        .unwrap();
    let key = witness::verifier(&fixture.store, NOW).await.unwrap();
    assert!(verify_cosignature(&note, &key).is_ok());
    assert!(note.contains("\n300\n"), "{note}");
    assert_eq!(
        witness::checkpoint_of(&fixture.store, ORIGIN)
            .await
            .unwrap(),
        None
    );
    assert_eq!(told(&fixture).await, []);
}

#[tokio::test]
async fn attack_a_fork_is_not_signed_and_told_once_with_both_notes() {
    let (fixture, mut log) = (Fixture::new().await, Log::new(20));
    log.ask(&fixture, 0, 10).await.unwrap();
    log.leaves[4] = leaf_hash(b"rewritten");
    assert_eq!(
        log.ask(&fixture, 10, 10).await,
        Err(WitnessError::Fork { size: 10 })
    );
    assert_eq!(
        log.ask(&fixture, 10, 10).await,
        Err(WitnessError::Fork { size: 10 })
    );
    assert_eq!(
        log.ask(&fixture, 10, 20).await,
        Err(WitnessError::Inconsistent { old: 10, new: 20 })
    );
    let told = told(&fixture).await;
    let reasons: Vec<_> = told
        .iter()
        .map(|(kind, data)| (kind.as_str(), data["reason"].as_str().unwrap()))
        .collect();
    assert_eq!(
        reasons,
        [
            ("witness.refused", "fork"),
            ("witness.refused", "inconsistent")
        ]
    );
    let data = &told[0].1;
    assert_eq!(
        (data["log"].as_str(), data["seenSize"].as_i64()),
        (Some(ORIGIN), Some(10))
    );
    assert_ne!(data["shown"], data["seen"]);
    let proof = log.request(10, 20).proof;
    assert_eq!(told[1].1["proof"].as_array().unwrap().len(), proof.len());
    // The history that was seen first is still the one that may go on.
    log.leaves[4] = leaf_hash(&4_u64.to_be_bytes());
    assert!(log.ask(&fixture, 10, 20).await.is_ok());
}

#[tokio::test]
async fn attack_a_junk_proof_with_a_true_checkpoint_raises_no_alarm() {
    let (fixture, log) = (Fixture::new().await, Log::new(20));
    log.ask(&fixture, 0, 10).await.unwrap();
    let good = log.request(10, 20);
    let junk = [Vec::new(), vec![[7; 32]; good.proof.len()]];
    for proof in junk {
        let request = AddCheckpoint {
            proof,
            ..good.clone()
        };
        let outcome = witness::add_checkpoint(&fixture.store, &[log.verifier()], &request, NOW)
            .await
            .unwrap();
        assert!(
            matches!(outcome, Err(WitnessError::Proof { .. })),
            "{outcome:?}"
        );
    }
    assert_eq!(told(&fixture).await, [], "the log did nothing wrong");
    assert!(log.ask(&fixture, 10, 20).await.is_ok());
}

#[tokio::test]
async fn attack_a_shrunk_log_is_not_signed() {
    let (fixture, log) = (Fixture::new().await, Log::new(20));
    log.ask(&fixture, 0, 20).await.unwrap();
    assert_eq!(
        log.ask(&fixture, 20, 12).await,
        Err(WitnessError::OldSize { old: 20, size: 12 })
    );
    assert_eq!(
        log.ask(&fixture, 0, 12).await,
        Err(WitnessError::Conflict { size: 20 })
    );
    assert_eq!(
        log.ask(&fixture, 12, 12).await,
        Err(WitnessError::Conflict { size: 20 })
    );
    assert_eq!(
        told(&fixture).await,
        [],
        "anybody can send what was once signed"
    );
}

#[tokio::test]
async fn attack_two_histories_at_once_get_one_signature() {
    let fixture = Fixture::new().await;
    let one = Log::new(8);
    let mut other = Log {
        key: PrivateKey::from_pkcs8_der(&der(&one.key)).unwrap(),
        leaves: one.leaves.clone(),
    };
    other.leaves[7] = leaf_hash(b"the other history");
    one.ask(&fixture, 0, 4).await.unwrap();
    let (first, second) = tokio::join!(one.ask(&fixture, 4, 8), other.ask(&fixture, 4, 8));
    assert_eq!(
        usize::from(first.is_ok()) + usize::from(second.is_ok()),
        1,
        "{first:?} {second:?}"
    );
}

fn der(key: &PrivateKey) -> Vec<u8> {
    use secrecy::ExposeSecret;
    key.to_pkcs8_der().unwrap().expose_secret().to_vec()
}

#[tokio::test]
async fn a_log_that_is_not_watched_is_unknown() {
    let (fixture, log, stranger) = (Fixture::new().await, Log::new(3), Log::new(3));
    let outcome = witness::add_checkpoint(&fixture.store, &[], &log.request(0, 3), NOW)
        .await
        .unwrap();
    assert_eq!(
        outcome,
        Err(WitnessError::UnknownLog {
            origin: ORIGIN.into()
        })
    );
    let keys = [stranger.verifier()];
    let outcome = witness::add_checkpoint(&fixture.store, &keys, &log.request(0, 3), NOW)
        .await
        .unwrap();
    assert!(
        matches!(outcome, Err(WitnessError::Checkpoint(_))),
        "{outcome:?}"
    );
}

/// Asks `witness` for its signature on the newest checkpoint of `log`.
async fn witnessed(
    log: &Fixture,
    by: &Fixture,
    old: u64,
) -> Result<SignedCheckpoint, WitnessError> {
    let newest = audit::newest(&log.store).await.unwrap().unwrap();
    let request = AddCheckpoint {
        old_size: old,
        proof: audit::consistency_proof(&log.store, old, newest.size)
            .await
            .unwrap(),
        note: newest.note.clone(),
    };
    let logs = [audit::verifier(&log.store, NOW).await.unwrap()];
    let cosignature = witness::add_checkpoint(&by.store, &logs, &request, NOW)
        .await
        .unwrap()?;
    let key = witness::verifier(&by.store, NOW).await.unwrap();
    audit::keep_cosignature(&log.store, &newest, &key, &cosignature, NOW)
        .await
        .unwrap();
    Ok(newest)
}

#[tokio::test]
async fn two_servers_sign_for_each_other_and_the_note_carries_it() {
    let (one, other) = (Fixture::new().await, Fixture::new().await);
    for fixture in [&one, &other] {
        fixture.push("shop/web", &["1"], &Image::new("a")).await;
        audit::seal(&fixture.store, NOW).await.unwrap();
    }
    let mut seen = 0;
    for round in 0..3 {
        one.push("shop/web", &["2"], &Image::new(&format!("b{round}")))
            .await;
        audit::seal(&one.store, NOW).await.unwrap();
        seen = witnessed(&one, &other, seen).await.unwrap().size;
    }
    witnessed(&other, &one, 0).await.unwrap();
    let key = witness::verifier(&other.store, NOW).await.unwrap();
    assert_eq!(audit::cosigned_size(&one.store, &key).await.unwrap(), seen);
    let note = audit::checkpoint(&one.store, NOW).await.unwrap().unwrap();
    assert!(verify_cosignature(&note, &key).is_ok(), "{note}");
    let own = audit::verifier(&one.store, NOW).await.unwrap();
    assert!(trust::checkpoint::verify(&note, own.name(), own.key()).is_ok());

    // What is newer and not signed yet waits for a while, and not for ever.
    one.push("shop/web", &["3"], &Image::new("c")).await;
    audit::seal(&one.store, NOW).await.unwrap();
    assert_eq!(
        audit::checkpoint(&one.store, NOW + 60_000)
            .await
            .unwrap()
            .unwrap(),
        note
    );
    let later = audit::checkpoint(&one.store, NOW + 11 * 60_000)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        later,
        audit::newest(&one.store).await.unwrap().unwrap().note
    );
}

#[tokio::test]
async fn attack_a_log_that_is_restored_from_an_old_copy_is_found_out() {
    let (one, other) = (Fixture::new().await, Fixture::new().await);
    one.push("shop/web", &["1"], &Image::new("a")).await;
    audit::seal(&one.store, NOW).await.unwrap();
    let old = audit::newest(&one.store).await.unwrap().unwrap();
    witnessed(&one, &other, 0).await.unwrap();
    one.push("shop/web", &["2"], &Image::new("b")).await;
    audit::seal(&one.store, NOW).await.unwrap();
    let seen = witnessed(&one, &other, old.size).await.unwrap();
    // Database and checkpoints are cut alike, and the server goes on from there.
    one.edit(&format!(
        "DELETE FROM audit WHERE leaf_index >= {}",
        old.size
    ))
    .await;
    for table in ["audit_checkpoints", "audit_cosignatures"] {
        one.edit(&format!("DELETE FROM {table}")).await;
    }
    std::fs::write(one.path("checkpoints").join("audit"), &old.note).unwrap();
    let one = one.restart().await;
    for number in 0..9 {
        one.push("shop/web", &["3"], &Image::new(&format!("c{number}")))
            .await;
    }
    audit::seal(&one.store, NOW).await.unwrap();
    let newest = audit::newest(&one.store).await.unwrap().unwrap();
    assert!(newest.size > seen.size);
    let error = witnessed(&one, &other, seen.size).await.unwrap_err();
    // From a power of two the proof starts at the root that was seen, and shows no other.
    let is_shown = !seen.size.is_power_of_two();
    assert_eq!(
        matches!(error, WitnessError::Inconsistent { .. }),
        is_shown,
        "{error:?}"
    );
    assert_eq!(matches!(error, WitnessError::Proof { .. }), !is_shown);
}
