//! Receipts: what we sign is what is read, and each way to pass one off as another is refused with its own code.

use serde_json::{Value, json};

use super::*;
use crate::evidence::{Reading, read_bundle};
use crate::testing::{ALGORITHMS, ci, image, key, key_of};
use crate::{PrivateKey, stage};

const NOON: i64 = 1_773_489_600_000;
const HOUR: i64 = 60 * 60 * 1000;

fn receipt() -> Receipt {
    Receipt {
        image: image(),
        repository: "shop/web".parse().unwrap(),
        gate: "production".into(),
        policy: "shop".into(),
        policy_digest: "ab".repeat(32),
        policies: vec!["base".into(), "shop".into()],
        decided_at: NOON,
        valid_until: NOON + 24 * HOUR,
        sequence: NOON,
        warnings: vec!["an exception ends on 2026-04-01".into()],
        inputs: vec![Digest::sha256(b"one"), Digest::sha256(b"two")],
    }
}

/// Our own part of the predicate.
const FIELD: &str = "https://countersign.dev/receipt/v1";

/// What a host asks for that runs `shop/web` at the gate `production`.
struct Host {
    image: Digest,
    repository: RepositoryName,
    policy_digest: String,
    key: PublicKey,
}

impl Host {
    fn trusting(key: &PrivateKey) -> Self {
        Self {
            image: image(),
            repository: "shop/web".parse().unwrap(),
            policy_digest: "ab".repeat(32),
            key: key.public_key().clone(),
        }
    }

    fn verify_at(&self, bundle: &[u8], now: i64) -> Result<Receipt, ReceiptError> {
        let expected = Expected {
            image: &self.image,
            repository: &self.repository,
            gate: "production",
            policy_digest: Some(&self.policy_digest),
            sequence: None,
        };
        verify(bundle, std::slice::from_ref(&self.key), &expected, now)
            .map(|verified| verified.value().clone())
    }

    #[track_caller]
    fn refuses(&self, bundle: &[u8], code: &str) {
        let error = self.verify_at(bundle, NOON + HOUR).unwrap_err();
        assert_eq!(error.code(), code, "{error}");
    }
}

/// Signs whatever predicate, as a server that was taken over could.
fn signed(predicate: Value, key: &PrivateKey) -> Vec<u8> {
    let mut statement = receipt().build(key.public_key().id()).unwrap();
    statement.predicate = predicate;
    let bundle = Bundle::sign(&statement, key).unwrap();
    bundle.to_json().unwrap().into_bytes()
}

fn predicate(key: &PrivateKey) -> Value {
    receipt().build(key.public_key().id()).unwrap().predicate
}

#[test]
fn what_is_signed_is_what_is_read() {
    for algorithm in ALGORITHMS {
        let key = key_of(algorithm);
        let bundle = receipt().sign(&key).unwrap();
        let read = Host::trusting(&key).verify_at(&bundle, NOON + HOUR);
        assert_eq!(read, Ok(receipt()), "{algorithm}");
    }
}

#[test]
fn it_is_a_verification_summary_of_slsa() {
    let key = key();
    let statement = receipt().build(key.public_key().id()).unwrap();
    assert_eq!(
        statement.predicate_type,
        "https://slsa.dev/verification_summary/v1"
    );
    let id = key.public_key().id();
    assert_eq!(
        statement.predicate,
        json!({
            "verifier": {"id": format!("https://countersign.dev/verifier/v1/{id}")},
            "timeVerified": "2026-03-14T12:00:00Z",
            "resourceUri": "https://countersign.dev/repository/v1/shop/web",
            "policy": {"digest": {"sha256": "ab".repeat(32)}},
            "inputAttestations": [
                {"digest": {"sha256": Digest::sha256(b"one").hex()}},
                {"digest": {"sha256": Digest::sha256(b"two").hex()}},
            ],
            "verificationResult": "PASSED",
            "verifiedLevels": ["SLSA_BUILD_LEVEL_UNEVALUATED"],
            "slsaVersion": "1.2",
            "https://countersign.dev/receipt/v1": {
                "gate": "production", "policy": "shop", "policies": ["base", "shop"],
                "validUntil": "2026-03-15T12:00:00Z", "sequence": NOON,
                "warnings": ["an exception ends on 2026-04-01"],
            },
        })
    );
}

#[test]
fn a_receipt_is_no_evidence() {
    let key = key();
    let bundle = receipt().sign(&key).unwrap();
    let reading = read_bundle(&bundle, &[key.public_key().clone()]);
    assert!(
        matches!(reading, Reading::Attestation { predicate_type } if predicate_type == PREDICATE_TYPE)
    );
}

#[test]
fn attack_a_receipt_of_another_policy() {
    let key = key();
    let other = Receipt {
        policy_digest: "cd".repeat(32),
        ..receipt()
    };
    let bundle = other.sign(&key).unwrap();
    Host::trusting(&key).refuses(&bundle, "receipt-of-other-policy");
}

#[test]
fn attack_a_receipt_of_another_gate() {
    let key = key();
    let other = Receipt {
        gate: "staging".into(),
        ..receipt()
    };
    Host::trusting(&key).refuses(&other.sign(&key).unwrap(), "receipt-of-other-gate");
}

#[test]
fn attack_a_receipt_of_another_repository() {
    let key = key();
    let other = Receipt {
        repository: "shop/sandbox".parse().unwrap(),
        ..receipt()
    };
    Host::trusting(&key).refuses(&other.sign(&key).unwrap(), "receipt-of-other-repository");
}

#[test]
fn attack_a_receipt_of_another_image() {
    let key = key();
    let other = Receipt {
        image: Digest::sha256(b"another"),
        ..receipt()
    };
    Host::trusting(&key).refuses(&other.sign(&key).unwrap(), "receipt-of-other-image");
}

#[test]
fn attack_a_receipt_that_has_ended() {
    let key = key();
    let bundle = receipt().sign(&key).unwrap();
    let host = Host::trusting(&key);
    let last = receipt().valid_until - 1;
    assert!(host.verify_at(&bundle, last).is_ok());
    for now in [last + 1, last + HOUR, i64::MAX] {
        let error = host.verify_at(&bundle, now).unwrap_err();
        assert_eq!(error.code(), "receipt-expired");
    }
}

#[test]
fn attack_a_receipt_of_the_future() {
    let key = key();
    let bundle = receipt().sign(&key).unwrap();
    let host = Host::trusting(&key);
    let earliest = NOON - SKEW_MILLISECONDS_MAX;
    assert!(host.verify_at(&bundle, earliest).is_ok());
    let error = host.verify_at(&bundle, earliest - 1).unwrap_err();
    assert_eq!(error.code(), "receipt-not-yet-valid");
}

#[test]
fn attack_a_receipt_signed_by_a_stage_key() {
    let (server, stage_key) = (key(), key());
    // Whoever signs for a stage writes a receipt in the server's name, and in their own.
    let in_the_servers_name = {
        let statement = receipt().build(server.public_key().id()).unwrap();
        let bundle = Bundle::sign(&statement, &stage_key).unwrap();
        bundle.to_json().unwrap().into_bytes()
    };
    let host = Host::trusting(&server);
    host.refuses(&in_the_servers_name, "receipt-key");
    let by_stage_key = receipt().sign(&stage_key).unwrap();
    host.refuses(&by_stage_key, "receipt-key");
    let said = host.verify_at(&by_stage_key, NOON + HOUR).unwrap_err();
    let id = stage_key.public_key().id().as_str();
    assert!(
        said.to_string().contains(id),
        "the id that people see: {said}"
    );
    // Also a host that holds both keys does not take one for the other.
    let both = [stage_key.public_key().clone(), server.public_key().clone()];
    let error = read(&in_the_servers_name, &both).unwrap_err();
    assert_eq!(error.code(), "receipt-verifier");
}

#[test]
fn attack_a_stage_statement_as_a_receipt() {
    let key = key();
    let statement = stage::build(&image(), &ci()).unwrap();
    let bundle = Bundle::sign(&statement, &key).unwrap().to_json().unwrap();
    Host::trusting(&key).refuses(bundle.as_bytes(), "not-a-receipt");
}

#[test]
fn attack_a_changed_byte_in_a_receipt() {
    let key = key();
    let bundle = receipt().sign(&key).unwrap();
    let host = Host::trusting(&key);
    for at in 0..bundle.len() {
        let mut changed = bundle.clone();
        changed[at] ^= 1;
        // The hint is not signed; everything that is believed is.
        if let Ok(read) = host.verify_at(&changed, NOON + HOUR) {
            assert_eq!(read, receipt(), "byte {at}");
        }
    }
}

/// Readers differ in which of two values they take.
#[test]
fn attack_a_key_twice_in_a_receipt() {
    let key = key();
    let host = Host::trusting(&key);
    let bundle = String::from_utf8(receipt().sign(&key).unwrap()).unwrap();
    let twice = bundle.replacen("\"payload\":", "\"payload\":\"AAAA\",\"payload\":", 1);
    host.refuses(twice.as_bytes(), "receipt-unreadable");

    // The server's own signature over both.
    let statement = receipt().build(key.public_key().id()).unwrap().to_bytes();
    let statement = String::from_utf8(statement).unwrap();
    let result = "\"verificationResult\":";
    let twice = statement.replacen(result, &format!("{result}\"FAILED\",{result}"), 1);
    assert_ne!(twice, statement);
    let envelope = crate::Envelope::sign(crate::dsse::IN_TOTO, twice.clone().into_bytes(), &key);
    let signature = envelope.unwrap().signatures.remove(0).sig;
    let mut bundle: Value = serde_json::from_str(&bundle).unwrap();
    let base64 = |bytes: &[u8]| crate::encoding::to_base64(bytes).into();
    bundle["dsseEnvelope"]["payload"] = base64(twice.as_bytes());
    bundle["dsseEnvelope"]["signatures"][0]["sig"] = base64(&signature);
    host.refuses(bundle.to_string().as_bytes(), "receipt-unreadable");
}

#[test]
fn attack_an_old_receipt_again() {
    let key = key();
    let bundle = receipt().sign(&key).unwrap();
    let host = Host::trusting(&key);
    for (seen, expect) in [(NOON - 1, true), (NOON, true), (NOON + 1, false)] {
        let expected = Expected {
            image: &host.image,
            repository: &host.repository,
            gate: "production",
            policy_digest: None,
            sequence: Some(seen),
        };
        let outcome = verify(
            &bundle,
            std::slice::from_ref(&host.key),
            &expected,
            NOON + HOUR,
        );
        assert_eq!(outcome.is_ok(), expect);
        if let Err(error) = outcome {
            assert_eq!(error.code(), "receipt-rolled-back");
        }
    }
}

#[test]
fn attack_a_summary_of_what_did_not_pass() {
    let key = key();
    let mut predicate = predicate(&key);
    predicate["verificationResult"] = json!("FAILED");
    Host::trusting(&key).refuses(&signed(predicate, &key), "receipt-not-passed");
}

#[test]
fn of_our_own_field_nothing_unknown_is_ignored() {
    let key = key();
    let host = Host::trusting(&key);
    let mut more = predicate(&key);
    more[FIELD]["onlyOn"] = json!("tuesdays");
    host.refuses(&signed(more, &key), "receipt-unreadable");
    for missing in ["gate", "policy", "policies", "validUntil", "sequence"] {
        let mut less = predicate(&key);
        less[FIELD].as_object_mut().unwrap().remove(missing);
        host.refuses(&signed(less, &key), "receipt-unreadable");
    }
    // SLSA's own fields may become more.
    let mut slsa = predicate(&key);
    slsa["dependencyLevels"] = json!({"SLSA_BUILD_LEVEL_3": 1});
    assert!(host.verify_at(&signed(slsa, &key), NOON).is_ok());
}

#[test]
fn values_outside_their_grammar_are_refused() {
    let key = key();
    let host = Host::trusting(&key);
    for (pointer, value) in [
        ("/timeVerified", json!("2026-03-14T13:00:00+01:00")),
        ("/timeVerified", json!("2026-03-14")),
        ("/timeVerified", json!(NOON)),
        ("/resourceUri", json!("https://example.org/shop/web")),
        (
            "/resourceUri",
            json!("https://countersign.dev/repository/v1/Shop"),
        ),
        ("/policy/digest", json!({"sha512": "00"})),
        ("/policy/digest/sha256", json!("AB".repeat(32))),
        ("/inputAttestations/0/digest", json!({})),
        ("/inputAttestations/0/digest", json!({"md5": "00"})),
        ("/verifier", json!(["a"])),
    ] {
        let mut predicate = predicate(&key);
        *predicate.pointer_mut(pointer).unwrap() = value;
        host.refuses(&signed(predicate, &key), "receipt-unreadable");
    }
}

#[test]
fn nothing_is_signed_that_nobody_would_read() {
    let long = "x".repeat(WARNING_CHARACTERS_MAX + 1);
    for bad in [
        Receipt {
            gate: String::new(),
            ..receipt()
        },
        Receipt {
            policy: "other".into(),
            ..receipt()
        },
        Receipt {
            policy_digest: String::new(),
            ..receipt()
        },
        Receipt {
            valid_until: NOON,
            ..receipt()
        },
        Receipt {
            sequence: -1,
            ..receipt()
        },
        Receipt {
            warnings: vec![long],
            ..receipt()
        },
        Receipt {
            warnings: vec![String::new(); WARNINGS_MAX + 1],
            ..receipt()
        },
        Receipt {
            inputs: vec![image(); INPUTS_MAX + 1],
            ..receipt()
        },
    ] {
        let error = bad.sign(&key()).unwrap_err();
        assert_eq!(error.code(), "receipt-unreadable");
    }
}

#[test]
fn a_receipt_has_a_limit() {
    let key = key();
    let mut bundle = receipt().sign(&key).unwrap();
    bundle.resize(RECEIPT_BYTES_MAX, b' ');
    let host = Host::trusting(&key);
    assert!(host.verify_at(&bundle, NOON).is_ok());
    bundle.push(b' ');
    host.refuses(&bundle, "receipt-unreadable");
}
