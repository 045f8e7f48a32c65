//! A witness asked by an honest log, and by every kind of dishonest one. Attacks are named tests.

use super::*;
use crate::checkpoint::sign;
use crate::key::Algorithm;
use crate::merkle::{consistency_proof, leaf_hash};
use crate::private::{PrivateKey, Signer as _};
use crate::testing::key_of;

const ORIGIN: &str = "registry.example/audit";

/// A log and its key.
struct Log {
    key: PrivateKey,
    leaves: Vec<Hash>,
}

impl Log {
    fn new(size: u64) -> Self {
        let leaves = (0..size)
            .map(|number| leaf_hash(&number.to_be_bytes()))
            .collect();
        Self {
            key: key_of(Algorithm::Ed25519),
            leaves,
        }
    }

    /// The same log with another entry at a place.
    fn forked_at(&self, place: usize) -> Self {
        let mut leaves = self.leaves.clone();
        leaves[place] = leaf_hash(b"another");
        Self {
            key: PrivateKey::from_pkcs8_der(&self.der()).unwrap(),
            leaves,
        }
    }

    fn der(&self) -> Vec<u8> {
        use secrecy::ExposeSecret as _;
        self.key.to_pkcs8_der().unwrap().expose_secret().to_vec()
    }

    fn seen(&self, size: usize) -> Seen {
        Seen {
            size: size as u64,
            root: root(&self.leaves[..size]),
        }
    }

    fn request(&self, old: u64, new: usize) -> AddCheckpoint {
        let leaves = &self.leaves[..new];
        let checkpoint = Checkpoint {
            origin: ORIGIN.into(),
            size: new as u64,
            root: root(leaves),
        };
        AddCheckpoint {
            old_size: old,
            proof: consistency_proof(leaves, old.min(new as u64)).unwrap(),
            note: sign(&checkpoint, &self.key).unwrap(),
        }
    }

    fn verifier(&self) -> VerifierKey {
        VerifierKey::new(ORIGIN, VerifierKind::Log, self.key.public_key()).unwrap()
    }

    fn judge(&self, request: &AddCheckpoint, seen: Option<&Seen>) -> Result<(), WitnessError> {
        let read = AddCheckpoint::parse(request.to_text().as_bytes()).unwrap();
        assert_eq!(&read, request);
        let verified = read.verify(&[self.verifier()])?;
        read.check_growth(verified.value(), seen)
    }
}

#[test]
fn an_honest_log_is_signed_at_every_step() {
    let log = Log::new(40);
    for new in 0..=40 {
        assert_eq!(
            log.judge(&log.request(0, new), None),
            Ok(()),
            "first, {new}"
        );
        for old in 0..=new {
            let request = log.request(old as u64, new);
            assert_eq!(
                log.judge(&request, Some(&log.seen(old))),
                Ok(()),
                "{old} to {new}"
            );
        }
    }
}

#[test]
fn attack_a_log_that_forks_is_refused() {
    let log = Log::new(20);
    let fork = log.forked_at(3);
    let seen = log.seen(10);
    for new in 11..=20 {
        let error = fork.judge(&fork.request(10, new), Some(&seen)).unwrap_err();
        assert!(
            matches!(
                error,
                WitnessError::Inconsistent {
                    old: 10,
                    new: shown
                } if shown == new as u64
            ),
            "{new}: {error:?}"
        );
        assert!(error.is_alarming());
    }
}

#[test]
fn attack_a_junk_proof_accuses_no_honest_log() {
    let log = Log::new(20);
    for old in 1..20_u64 {
        let seen = log.seen(usize::try_from(old).unwrap());
        let good = log.request(old, 20);
        let length = good.proof.len();
        let other = log.request(20 - old, 20).proof;
        for junk in [Vec::new(), vec![[7; 32]; length], vec![[7; 32]; 63], other] {
            if junk == good.proof {
                continue;
            }
            let request = AddCheckpoint {
                proof: junk,
                ..good.clone()
            };
            let error = log.judge(&request, Some(&seen)).unwrap_err();
            assert!(
                matches!(error, WitnessError::Proof { .. }),
                "{old}: {error:?}"
            );
            assert!(!error.is_alarming(), "the log signed nothing false");
        }
    }
}

#[test]
fn a_fork_from_a_power_of_two_is_refused_and_not_shown() {
    let log = Log::new(20);
    let fork = log.forked_at(3);
    let error = fork
        .judge(&fork.request(8, 20), Some(&log.seen(8)))
        .unwrap_err();
    assert_eq!(
        error,
        WitnessError::Proof {
            old: 8,
            new: 20,
            why: MerkleError::Root
        }
    );
    assert!(!error.is_alarming());
}

#[test]
fn attack_a_second_checkpoint_of_the_same_size_is_refused() {
    let log = Log::new(10);
    let fork = log.forked_at(9);
    let error = fork
        .judge(&fork.request(10, 10), Some(&log.seen(10)))
        .unwrap_err();
    assert_eq!(error, WitnessError::Fork { size: 10 });
    assert!(error.is_alarming());
}

#[test]
fn attack_a_log_that_shrinks_is_refused() {
    let log = Log::new(20);
    let error = log
        .judge(&log.request(20, 12), Some(&log.seen(20)))
        .unwrap_err();
    assert_eq!(error, WitnessError::OldSize { old: 20, size: 12 });
    // Claiming that less was seen does not help.
    for old in 0..=12 {
        let error = log
            .judge(&log.request(old, 12), Some(&log.seen(20)))
            .unwrap_err();
        assert_eq!(error, WitnessError::Conflict { size: 20 });
        assert!(
            !error.is_alarming(),
            "anybody can send an old checkpoint again"
        );
    }
}

#[test]
fn attack_a_log_that_starts_anew_is_refused() {
    let log = Log::new(20);
    let anew = log.forked_at(0);
    let error = anew
        .judge(&anew.request(0, 20), Some(&log.seen(10)))
        .unwrap_err();
    assert_eq!(error, WitnessError::Conflict { size: 10 });
}

#[test]
fn attack_a_checkpoint_of_another_key_or_log_is_refused() {
    let (log, stranger) = (Log::new(5), Log::new(5));
    let error = log.judge(&stranger.request(0, 5), None).unwrap_err();
    assert!(
        matches!(
            error,
            WitnessError::Checkpoint(CheckpointError::NotSigned { .. })
        ),
        "{error:?}"
    );
    let request = log.request(0, 5);
    let error = request.verify(&[]).unwrap_err();
    assert_eq!(
        error,
        WitnessError::UnknownLog {
            origin: ORIGIN.into()
        }
    );
    // A witness's key is no log's.
    let witness = VerifierKey::new(ORIGIN, VerifierKind::Witness, log.key.public_key()).unwrap();
    assert!(matches!(
        request.verify(&[witness]),
        Err(WitnessError::UnknownLog { .. })
    ));
    let changed = AddCheckpoint {
        note: request.note.replace("\n5\n", "\n6\n"),
        ..request
    };
    let error = changed
        .verify(&[stranger.verifier(), log.verifier()])
        .unwrap_err();
    assert!(
        matches!(
            error,
            WitnessError::Checkpoint(CheckpointError::Signature { .. })
        ),
        "{error:?}"
    );
}

#[test]
fn one_of_two_keys_of_a_log_is_enough() {
    let (log, next) = (Log::new(5), Log::new(5));
    let keys = [next.verifier(), log.verifier()];
    assert_eq!(
        log.request(0, 5).verify(&keys).unwrap().key(),
        log.key.public_key().id()
    );
}

#[test]
fn a_proof_that_is_not_needed_or_not_whole_is_refused() {
    let log = Log::new(20);
    let mut request = log.request(0, 20);
    request.proof = vec![[1; 32]];
    assert!(matches!(
        log.judge(&request, None),
        Err(WitnessError::Proof { .. })
    ));
    let mut request = log.request(7, 20);
    request.proof.pop();
    assert!(matches!(
        log.judge(&request, Some(&log.seen(7))),
        Err(WitnessError::Proof { .. })
    ));
    let mut request = log.request(20, 20);
    request.proof = vec![[1; 32]];
    assert!(matches!(
        log.judge(&request, Some(&log.seen(20))),
        Err(WitnessError::Proof { .. })
    ));
}

#[test]
fn an_empty_log_has_one_root() {
    let log = Log::new(0);
    let checkpoint = Checkpoint {
        origin: ORIGIN.into(),
        size: 0,
        root: [9; 32],
    };
    let request = AddCheckpoint {
        old_size: 0,
        proof: Vec::new(),
        note: sign(&checkpoint, &log.key).unwrap(),
    };
    assert_eq!(log.judge(&request, None), Err(WitnessError::EmptyRoot));
}

#[test]
fn what_is_no_request_is_refused() {
    let good = Log::new(5).request(3, 5).to_text();
    let form = |text: &str| AddCheckpoint::parse(text.as_bytes()).unwrap_err();
    assert_eq!(form(""), WitnessError::Form("checkpoint"));
    for old in [
        "old 03",
        "old +3",
        "old -1",
        "old",
        "new 3",
        "old  3",
        "old 18446744073709551616",
        "old 3 ",
    ] {
        assert_eq!(
            form(&good.replacen("old 3", old, 1)),
            WitnessError::Form("old size"),
            "{old}"
        );
    }
    assert_eq!(
        form(&good.replacen("old 3\n", "old 3\nAAAA\n", 1)),
        WitnessError::Form("proof")
    );
    let hash = format!("{}\n", to_base64(&[1; 32]));
    let many = good.replacen(
        "old 3\n",
        &format!("old 3\n{}", hash.repeat(WITNESS_PROOF_MAX + 1)),
        1,
    );
    assert_eq!(form(&many), WitnessError::Form("proof"));
    assert_eq!(
        AddCheckpoint::parse(b"old 3\n\xff\n\n"),
        Err(WitnessError::Form("text"))
    );
    let long = vec![b'x'; ADD_CHECKPOINT_BYTES_MAX + 1];
    assert_eq!(AddCheckpoint::parse(&long), Err(WitnessError::TooLarge));
}
