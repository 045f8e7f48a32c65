//! Proofs in a bundle: what the log has is shown, what it is not proved to have is named, and what contradicts is refused.

use super::*;
use crate::bundle::tests::{NOW, Shop};
use serde_json::{Value, json};
use trust::checkpoint::{Checkpoint, VerifierKind, cosign, sign, with_signatures};
use trust::merkle::{Hash, inclusion_proof, leaf_hash, root};
use trust::{Algorithm, PrivateKey, Signer};

const ORIGIN: &str = "countersign.dev/audit/0123456789abcdef";
const WITNESS: &str = "other.example/witness";

/// The log of a shop's server, with acts of others before and after the shop's.
struct Log {
    key: PrivateKey,
    entries: Vec<Vec<u8>>,
    /// Signatures of witnesses.
    signed: String,
}

impl Log {
    /// The log of what really happened.
    fn of(shop: &Shop) -> Self {
        let mut log = Self::new();
        log.act("principal.create", "maria", &json!({}));
        for (act, object, detail) in acts(shop) {
            log.act(act, &object, &detail);
        }
        log.act("policy.apply", "shop", &json!({}));
        log
    }

    fn new() -> Self {
        Self {
            key: PrivateKey::generate(Algorithm::Ed25519).unwrap(),
            entries: Vec::new(),
            signed: String::new(),
        }
    }

    fn act(&mut self, act: &str, object: &str, detail: &Value) {
        let place = self.entries.len();
        let entry = json!([
            place,
            place + 7,
            NOW,
            "principal:1",
            act,
            object,
            detail.to_string()
        ]);
        self.entries.push(entry.to_string().into_bytes());
    }

    fn verifier(&self) -> VerifierKey {
        VerifierKey::new(ORIGIN, VerifierKind::Log, self.key.public_key()).unwrap()
    }

    fn note(&self) -> String {
        let leaves: Vec<Hash> = self.entries.iter().map(|entry| leaf_hash(entry)).collect();
        let checkpoint = Checkpoint {
            origin: ORIGIN.to_owned(),
            size: leaves.len() as u64,
            root: root(&leaves),
        };
        with_signatures(
            &sign(&checkpoint, &self.key).unwrap(),
            [self.signed.as_str()],
        )
    }

    fn witnessed(&mut self) -> VerifierKey {
        let key = PrivateKey::generate(Algorithm::Ed25519).unwrap();
        let signed = cosign(&self.note(), WITNESS, &key, 1_800_000_000).unwrap();
        self.signed = signed.line;
        VerifierKey::new(WITNESS, VerifierKind::Witness, key.public_key()).unwrap()
    }

    fn prove(&self, place: usize) -> String {
        let leaves: Vec<Hash> = self.entries.iter().map(|entry| leaf_hash(entry)).collect();
        let index = place as u64;
        let proof = LogProof {
            entry: self.entries[place].clone(),
            index,
            hashes: inclusion_proof(&leaves, index).unwrap(),
            note: self.note(),
        };
        proof.to_text()
    }
}

/// What the server recorded of maria's signature and of the receipt.
fn acts(shop: &Shop) -> [(&'static str, String, Value); 2] {
    let [signature, receipt] = manifests(shop);
    let image = &shop.image.digest;
    let said = shop.receipt();
    [
        (
            "evidence.attach",
            format!("shop/web@{signature}"),
            json!({"digest": signature, "evidence": [{"attached_to": image, "format": "bundle"}]}),
        ),
        (
            RECEIPT_SIGN,
            format!("shop/web@{image}"),
            json!({
                "policy": said.policy, "policy_digest": said.policy_digest, "gate": said.gate, "manifest": receipt,
                "sequence": said.sequence, "valid_until": said.valid_until,
            }),
        ),
    ]
}

/// The signature's and the receipt's.
fn manifests(shop: &Shop) -> [Digest; 2] {
    [0, 1].map(|place: usize| shop.attached[place].manifest.clone())
}

fn lay(shop: &mut Shop, manifest: &Digest, proof: &str) -> Digest {
    // Before its bytes: the one that it replaces may be the same.
    let digest = Digest::sha256(proof.as_bytes());
    refer(shop, manifest, digest.clone());
    shop.keep("", proof.as_bytes());
    digest
}

fn refer(shop: &mut Shop, manifest: &Digest, proof: Digest) {
    take_out(shop, &[manifest]);
    shop.proofs.insert(manifest.clone(), proof);
}

/// Takes the proofs out again, with what nothing refers to then.
fn take_out(shop: &mut Shop, manifests: &[&Digest]) {
    for manifest in manifests {
        if let Some(proof) = shop.proofs.remove(*manifest)
            && shop.proofs.values().all(|other| *other != proof)
        {
            shop.blobs.remove(&proof);
        }
    }
}

/// A shop whose file has the proofs of its server's log.
fn shop_and_log() -> (Shop, Log) {
    let mut shop = Shop::allowed();
    let log = Log::of(&shop);
    for (manifest, place) in manifests(&shop).iter().zip(1..) {
        lay(&mut shop, manifest, &log.prove(place));
    }
    (shop, log)
}

#[track_caller]
fn refused(shop: &Shop, log: &Log, file: &Digest, why: &str) {
    let fault = shop.ask_with_log(&log.verifier(), &[]).unwrap_err();
    assert_eq!(fault.file, blob_name(file), "{fault}");
    assert!(fault.why.contains(why), "{fault}");
}

#[test]
fn what_the_log_has_is_shown() {
    let (shop, mut log) = shop_and_log();
    let report = shop.ask_with_log(&log.verifier(), &[]).unwrap();
    assert!(report.verified, "{report:#?}");
    let in_log = report.log.unwrap();
    assert_eq!((in_log.size, in_log.origin.as_str()), (4, ORIGIN));
    let acts: BTreeSet<(&Digest, &str, u64)> = in_log
        .proved
        .iter()
        .map(|proved| (&proved.manifest, proved.act.as_str(), proved.index))
        .collect();
    let [signature, receipt] = &manifests(&shop);
    let expected = [
        (signature, "evidence.attach", 1),
        (receipt, RECEIPT_SIGN, 2),
    ];
    assert_eq!(acts, expected.into());
    assert!(in_log.proved.iter().all(|proved| proved.recorded_at == NOW));
    let said = report.not_proved.join("\n");
    assert!(said.contains("no witness was named"), "{said}");
    assert!(!said.contains("holds no proof"), "{said}");

    // Without the log's key they are not looked at, which is said.
    let report = shop.ask(&shop.file(), &[], NOW).unwrap();
    assert!(report.verified && report.log.is_none());
    let said = report.not_proved.join("\n");
    assert!(said.contains("no `--log-key` was given"), "{said}");

    // A witness has to have signed where one is named.
    let mut shop = Shop::allowed();
    let mut witnessed = Log::of(&shop);
    let witness = witnessed.witnessed();
    for (manifest, place) in manifests(&shop).iter().zip(1..) {
        lay(&mut shop, manifest, &witnessed.prove(place));
    }
    let by = std::slice::from_ref(&witness);
    let report = shop.ask_with_log(&witnessed.verifier(), by).unwrap();
    let signed = report.log.unwrap().witnesses;
    assert_eq!(signed, [(WITNESS.to_owned(), NOW)].into());
    let stranger = log.witnessed();
    let fault = shop.ask_with_log(&witnessed.verifier(), &[stranger]);
    let fault = fault.unwrap_err();
    assert!(fault.why.contains("not signed by the witness"), "{fault}");
}

#[test]
fn what_has_no_proof_is_named() {
    let (mut shop, log) = shop_and_log();
    let [signature, receipt] = manifests(&shop);
    take_out(&mut shop, &[&signature]);
    let report = shop.ask_with_log(&log.verifier(), &[]).unwrap();
    assert!(report.verified);
    let said = report.not_proved.join("\n");
    assert!(said.contains(&format!("that {signature}")), "{said}");
    assert!(!said.contains(receipt.as_str()), "{said}");

    take_out(&mut shop, &[&signature, &receipt]);
    let report = shop.ask_with_log(&log.verifier(), &[]).unwrap();
    let said = report.not_proved.join("\n");
    assert!(
        said.contains(&format!(
            "the receipt of gate production of policy shop, {receipt}"
        )),
        "{said}"
    );
    assert!(report.verified && report.log.is_none());
}

#[test]
fn attack_a_receipt_that_no_witness_saw_beside_proofs_that_one_did() {
    // Whoever has the receipt key alone can put a receipt beside a signature that the log has.
    let mut shop = Shop::allowed();
    let mut log = Log::of(&shop);
    let witness = log.witnessed();
    let [signature, receipt] = manifests(&shop);
    lay(&mut shop, &signature, &log.prove(1));
    let report = shop.ask_with_log(&log.verifier(), &[]).unwrap();
    assert!(report.verified);
    let witnesses = [witness];
    let fault = shop.ask_with_log(&log.verifier(), &witnesses).unwrap_err();
    assert_eq!(fault.file, crate::bundle::CONTENTS);
    assert!(
        fault
            .why
            .contains("no proof that the receipt of gate production")
            && fault.why.contains(receipt.as_str())
            && fault.why.contains(WITNESS),
        "{fault}"
    );
    lay(&mut shop, &receipt, &log.prove(2));
    assert!(shop.ask_with_log(&log.verifier(), &witnesses).is_ok());
}

#[test]
fn attack_a_file_without_proofs_where_a_witness_was_named() {
    // Whoever has the receipt key alone can make such a file, and no witness ever saw what it says.
    let shop = Shop::allowed();
    let mut log = Log::of(&shop);
    let witness = log.witnessed();
    let report = shop.ask_with_log(&log.verifier(), &[]).unwrap();
    assert!(report.verified);
    let fault = shop.ask_with_log(&log.verifier(), &[witness]).unwrap_err();
    assert_eq!(fault.file, crate::bundle::CONTENTS);
    assert!(
        fault.why.contains("names no proof") && fault.why.contains(WITNESS),
        "{fault}"
    );
}

#[test]
fn attack_something_else_in_a_proofs_place_where_no_log_is_asked_for() {
    let (mut shop, _) = shop_and_log();
    let [signature, _] = manifests(&shop);
    let more = lay(&mut shop, &signature, "{\"schemaVersion\":2}");
    let fault = shop.ask(&shop.file(), &["production"], NOW).unwrap_err();
    assert_eq!(fault.file, blob_name(&more));
    assert!(fault.why.contains("not a proof"), "{fault}");
}

#[test]
fn a_receipt_that_somebody_only_put_there_is_not_proved_to_be_signed() {
    let (mut shop, mut log) = shop_and_log();
    let [signature, receipt] = manifests(&shop);
    let object = format!("shop/web@{receipt}");
    log.act("evidence.attach", &object, &json!({"evidence": []}));
    take_out(&mut shop, &[&signature, &receipt]);
    lay(&mut shop, &receipt, &log.prove(4));
    let report = shop.ask_with_log(&log.verifier(), &[]).unwrap();
    let said = report.not_proved.join("\n");
    assert!(
        said.contains("that the receipt of gate production"),
        "{said}"
    );
}

#[test]
fn attack_a_log_entry_of_another_artefact() {
    let (mut shop, mut log) = shop_and_log();
    let [signature, receipt] = manifests(&shop);
    // The receipt's proof beside the signature.
    let swapped = shop.proofs[&receipt].clone();
    refer(&mut shop, &signature, swapped.clone());
    refused(&shop, &log, &swapped, "does not record");

    // The same manifest in another repository, and recorded at another image.
    let place = log.entries.len();
    let elsewhere = json!({"evidence": [{"attached_to": Digest::sha256(b"another image")}]});
    log.act(
        "evidence.attach",
        &format!("shop/api@{signature}"),
        &json!({}),
    );
    log.act(
        "evidence.attach",
        &format!("shop/web@{signature}"),
        &elsewhere,
    );
    for (place, why) in [(place, "does not record"), (place + 1, "of another image")] {
        take_out(&mut shop, &[&signature, &receipt]);
        let proof = lay(&mut shop, &signature, &log.prove(place));
        refused(&shop, &log, &proof, why);
    }

    // A proof of what is not in the file.
    take_out(&mut shop, &[&signature, &receipt]);
    let absent = Digest::sha256(b"absent");
    let proof = lay(&mut shop, &absent, &log.prove(1));
    refused(&shop, &log, &proof, "does not lie beside the image");
}

#[test]
fn attack_a_receipt_that_the_log_has_otherwise() {
    let mut shop = Shop::allowed();
    let [_, (act, object, said)] = acts(&shop);
    for (field, value) in [
        ("gate", json!("staging")),
        ("policy", json!("base")),
        ("policy_digest", json!("ab".repeat(32))),
        ("sequence", json!(NOW - 1)),
        ("valid_until", json!(NOW)),
        ("sequence", Value::Null),
    ] {
        let mut log = Log::new();
        let mut other = said.clone();
        other[field] = value;
        log.act(act, &object, &other);
        let [_, receipt] = manifests(&shop);
        let proof = lay(&mut shop, &receipt, &log.prove(0));
        refused(&shop, &log, &proof, &format!("another `{field}`"));
    }
}

#[test]
fn attack_a_log_that_forks() {
    let (mut shop, mut log) = shop_and_log();
    let [signature, receipt] = manifests(&shop);
    lay(&mut shop, &signature, &log.prove(1));
    // The same key signs a log of the same size with another beginning, in which the receipt stands as well.
    log.entries[0] = br#"[0,7,0,"principal:1","principal.create","eve","{}"]"#.to_vec();
    lay(&mut shop, &receipt, &log.prove(2));
    let fault = shop.ask_with_log(&log.verifier(), &[]).unwrap_err();
    assert!(fault.why.contains("another checkpoint"), "{fault}");
}

#[test]
fn attack_proofs_of_another_log_and_changed_ones() {
    let (mut shop, log) = shop_and_log();
    let [signature, _] = manifests(&shop);
    let stranger = Log::of(&shop);
    let fault = shop.ask_with_log(&stranger.verifier(), &[]).unwrap_err();
    assert!(fault.why.contains("no signature of the key"), "{fault}");

    let good = log.prove(1);
    let another = log.prove(2);
    let entry = |proof: &str| proof.lines().nth(1).unwrap().to_owned();
    for (broken, why) in [
        (good.replace(&entry(&good), &entry(&another)), "root"),
        (good.replace("index 1", "index 2"), "root"),
        (good.replace("\n4\n", "\n5\n"), "does not fit"),
        (good[..good.len() / 2].to_owned(), "not a"),
        ("\u{0}".to_owned(), "not a proof"),
    ] {
        assert_ne!(broken, good);
        let proof = lay(&mut shop, &signature, &broken);
        refused(&shop, &log, &proof, why);
    }
}
