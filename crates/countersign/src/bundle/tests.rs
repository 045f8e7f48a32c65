//! Bundles: each changed byte is named, what does not belong beside an image is named, and receipts are asked as online.

mod forged;

use super::examine::{Question, Report, examine};
use super::*;
use oci::{Descriptor, ImageManifest, Manifest, media};
use std::io::Cursor;
use trust::checkpoint::VerifierKey;
use trust::receipt::Receipt;
use trust::stage::{self, StageStatement};
use trust::{Algorithm, Bundle as Signed, PrivateKey, PublicKey, Signer};

pub(super) const NOW: i64 = 1_800_000_000_000;
const HOUR: i64 = 60 * 60 * 1_000;

/// A shop's image, with what its people and its server say of it.
pub(super) struct Shop {
    server: PrivateKey,
    maria: PrivateKey,
    pub(super) blobs: BTreeMap<Digest, Vec<u8>>,
    pub(super) image: Descriptor,
    pub(super) attached: Vec<Attached>,
    policies: BTreeMap<String, Digest>,
    trust: Option<TrustFiles>,
    /// What stands in the file as its index, if not the one that belongs there.
    index: Option<Vec<u8>>,
    /// Proofs by the manifest that they are of.
    pub(super) proofs: BTreeMap<Digest, Digest>,
}

const POLICY: &[u8] = b"version: 1\n";

impl Shop {
    fn new() -> Self {
        let key = || PrivateKey::generate(Algorithm::EcdsaP256).unwrap();
        let mut shop = Self {
            server: key(),
            maria: key(),
            blobs: BTreeMap::new(),
            image: Descriptor::of(media::OCI_MANIFEST, b""),
            attached: Vec::new(),
            policies: BTreeMap::new(),
            trust: None,
            index: None,
            proofs: BTreeMap::new(),
        };
        let config = shop.keep(media::OCI_CONFIG, b"{}");
        let layer = shop.keep(media::OCI_LAYER_TAR, &[7; 700]);
        let manifest = Manifest::Image(ImageManifest::new(config, vec![layer])).to_bytes();
        shop.image = shop.keep(media::OCI_MANIFEST, &manifest);
        shop
    }

    /// The same with the text of the policy that its receipts name.
    fn with_policy() -> Self {
        let mut shop = Self::new();
        let policy = shop.keep("", POLICY);
        shop.policies.insert("shop".to_owned(), policy.digest);
        shop
    }

    /// The same with maria's signature and a receipt of `production`.
    pub(super) fn allowed() -> Self {
        let mut shop = Self::with_policy();
        let signature = shop.signature(&shop.image.digest.clone());
        shop.attach(&signature);
        let receipt = shop.receipt();
        shop.attach(&receipt.sign(&shop.server).unwrap());
        shop
    }

    pub(super) fn keep(&mut self, media_type: &str, bytes: &[u8]) -> Descriptor {
        let descriptor = Descriptor::of(media_type, bytes);
        self.blobs.insert(descriptor.digest.clone(), bytes.to_vec());
        descriptor
    }

    fn signature(&self, of: &Digest) -> Vec<u8> {
        let passed = StageStatement {
            stage: "staging".into(),
            repository: "shop/web".parse().unwrap(),
            tag: None,
            nonce: None,
        };
        let statement = stage::build(of, &passed).unwrap();
        let bundle = Signed::sign(&statement, &self.maria).unwrap();
        bundle.to_json().unwrap().into_bytes()
    }

    pub(super) fn receipt(&self) -> Receipt {
        Receipt {
            image: self.image.digest.clone(),
            repository: "shop/web".parse().unwrap(),
            gate: "production".into(),
            policy: "shop".into(),
            policy_digest: Digest::sha256(POLICY).hex().to_owned(),
            policies: vec!["shop".into()],
            decided_at: NOW,
            valid_until: NOW + 24 * HOUR,
            sequence: NOW,
            warnings: Vec::new(),
            inputs: self
                .attached
                .iter()
                .map(|each| each.manifest.clone())
                .collect(),
        }
    }

    /// Lays a bundle beside the image, as registries have it.
    fn attach(&mut self, bundle: &[u8]) {
        let layer = self.keep(media::SIGSTORE_BUNDLE_V03, bundle);
        self.attach_layers(vec![layer]);
    }

    fn attach_layers(&mut self, layers: Vec<Descriptor>) {
        let config = self.keep(media::OCI_EMPTY, b"{}");
        let mut manifest = ImageManifest::new(config, layers);
        manifest.subject = Some(self.image.clone());
        let bytes = Manifest::Image(manifest).to_bytes();
        let manifest = self.keep(media::OCI_MANIFEST, &bytes);
        self.attached.push(Attached {
            manifest: manifest.digest,
            to: self.image.digest.clone(),
        });
    }

    /// The image's entry in the index that belongs there.
    fn entry(&self) -> Descriptor {
        let image = &self.image;
        let tag: Tag = "1".parse().unwrap();
        index::image(&image.media_type, &image.digest, image.size, Some(&tag))
    }

    /// The entries for what is attached.
    fn attached_entries(&self) -> Vec<Descriptor> {
        let entry = |each: &Attached| {
            let size = self.blobs[&each.manifest].len() as u64;
            index::attached(media::OCI_MANIFEST, &each.manifest, size, None)
        };
        self.attached.iter().map(entry).collect()
    }

    /// The file, with checksums over whatever stands in it.
    pub(super) fn file(&self) -> Vec<u8> {
        let index = self.index.clone().unwrap_or_else(|| {
            let mut entries = vec![self.entry()];
            entries.extend(self.attached_entries());
            index::write(entries)
        });
        let sizes = self.blobs.iter();
        let contents = Contents {
            version: VERSION,
            repository: "shop/web".parse().unwrap(),
            image: self.image.digest.clone(),
            tag: Some("1".parse().unwrap()),
            made_at: NOW,
            attached: self.attached.clone(),
            trust: self.trust.clone(),
            policies: self.policies.clone(),
            proofs: self.proofs.clone(),
            missing: vec!["what a trust repository says: there is none".to_owned()],
            index: Digest::sha256(&index),
            index_size: index.len() as u64,
            blobs: sizes
                .map(|(digest, bytes)| (digest.clone(), bytes.len() as u64))
                .collect(),
        };
        let text = serde_json::to_vec(&contents).unwrap();
        let mut file = Vec::new();
        let checksum = Digest::sha256(&text);
        archive::write(&mut file, CHECKSUM, checksum.hex().as_bytes()).unwrap();
        archive::write(&mut file, CONTENTS, &text).unwrap();
        archive::write(&mut file, LAYOUT, LAYOUT_CONTENT).unwrap();
        archive::write(&mut file, INDEX, &index).unwrap();
        for (digest, bytes) in &self.blobs {
            archive::write(&mut file, &blob_name(digest), bytes).unwrap();
        }
        archive::end(&mut file).unwrap();
        file
    }

    pub(super) fn ask(&self, file: &[u8], gates: &[&str], now: i64) -> Result<Report, Fault> {
        self.ask_with(self.server.public_key(), file, gates, now)
    }

    fn ask_with(
        &self,
        key: &PublicKey,
        file: &[u8],
        gates: &[&str],
        now: i64,
    ) -> Result<Report, Fault> {
        let gates: Vec<String> = gates.iter().map(|gate| (*gate).to_owned()).collect();
        let question = Question {
            gates: &gates,
            now,
            ..question(key)
        };
        let mut bundle = Opened::new(Cursor::new(file))?;
        examine(&mut bundle, &question, None)
    }

    /// What a host answers that holds the key of the log, too.
    pub(super) fn ask_with_log(
        &self,
        log: &VerifierKey,
        witnesses: &[VerifierKey],
    ) -> Result<Report, Fault> {
        let question = Question {
            log: Some(log),
            witnesses,
            ..question(self.server.public_key())
        };
        let file = self.file();
        examine(&mut Opened::new(Cursor::new(&file))?, &question, None)
    }

    /// The code of the first refusal at a gate.
    fn refusal(&self, gates: &[&str], now: i64) -> &'static str {
        let report = self.ask(&self.file(), gates, now).unwrap();
        assert!(!report.verified, "{report:#?}");
        report.gates[0].refused[0].code
    }
}

/// Whatever receipts are in the file, with nothing else asked.
fn question(key: &PublicKey) -> Question<'_> {
    Question {
        keys: std::slice::from_ref(key),
        image: None,
        repository: None,
        gates: &[],
        policies: &[],
        log: None,
        witnesses: &[],
        now: NOW,
    }
}

#[test]
fn a_host_without_a_network_decides_as_the_gate_did_until_the_receipt_ends() {
    let shop = Shop::allowed();
    let file = shop.file();
    for gates in [&["production"][..], &[]] {
        let report = shop.ask(&file, gates, NOW + HOUR).unwrap();
        assert!(report.verified, "{report:#?}");
        assert_eq!(report.digest, shop.image.digest);
        assert_eq!(report.gates[0].receipts[0].policy, "shop");
        // What it cannot know, it says: the gate's mind now, and that there is no trust repository.
        let said = report.not_proved.join("\n");
        assert!(said.contains("still says so"), "{said}");
        assert!(said.contains("trust repository"), "{said}");
        assert!(said.contains("shop/web, as the file says"), "{said}");
    }
    assert!(
        shop.ask(&file, &["production"], NOW + 24 * HOUR - 1)
            .unwrap()
            .verified
    );
    assert_eq!(
        shop.refusal(&["production"], NOW + 24 * HOUR),
        "receipt-expired"
    );
}

#[test]
fn attack_a_changed_byte_in_the_file() {
    let shop = Shop::allowed();
    let file = shop.file();
    let names = [
        CHECKSUM,
        CONTENTS,
        LAYOUT,
        INDEX,
        "blobs/sha256/",
        "the end",
    ];
    let mut named = std::collections::BTreeSet::new();
    for at in 0..file.len() {
        let mut changed = file.clone();
        changed[at] ^= 0x20;
        let fault = Opened::new(Cursor::new(&changed)).map(drop).unwrap_err();
        let name = names.iter().find(|name| fault.file.starts_with(**name));
        named.insert(name.unwrap_or_else(|| panic!("byte {at}: {fault}")));
    }
    assert_eq!(named.len(), names.len(), "{named:?}");
}

#[test]
fn a_changed_blob_is_called_by_its_name() {
    let shop = Shop::allowed();
    let layer = Digest::sha256(&[7; 700]);
    let file = shop.file();
    let at = file
        .windows(700)
        .position(|piece| piece == [7; 700])
        .unwrap();
    let mut changed = file;
    changed[at + 350] = 8;
    let fault = shop.ask(&changed, &["production"], NOW).unwrap_err();
    assert_eq!(fault.file, blob_name(&layer));
    assert!(fault.why.contains("it was changed"), "{fault}");
}

#[test]
fn attack_a_file_that_is_cut_or_continued() {
    let shop = Shop::allowed();
    let file = shop.file();
    for length in [0, 1, 511, 512, file.len() / 2, file.len() - 1] {
        assert!(
            Opened::new(Cursor::new(&file[..length])).is_err(),
            "{length}"
        );
    }
    let longer = [&file[..], b"\0"].concat();
    assert!(Opened::new(Cursor::new(&longer)).is_err());
}

#[test]
fn attack_an_attestation_with_another_subject() {
    let mut shop = Shop::allowed();
    let elsewhere = shop.signature(&Digest::sha256(b"another image"));
    let name = blob_name(&Digest::sha256(&elsewhere));
    shop.attach(&elsewhere);
    let fault = shop.ask(&shop.file(), &["production"], NOW).unwrap_err();
    assert_eq!(fault.file, name);
    assert!(fault.why.contains("it is about"), "{fault}");
}

#[test]
fn attack_an_image_that_is_not_whole() {
    let mut shop = Shop::allowed();
    let layer = Digest::sha256(&[7; 700]);
    shop.blobs.remove(&layer);
    let fault = shop.ask(&shop.file(), &["production"], NOW).unwrap_err();
    assert_eq!(fault.file, blob_name(&layer));
    assert!(fault.why.contains("missing"), "{fault}");
}

#[test]
fn attack_another_image_in_the_file() {
    let mut shop = Shop::allowed();
    // Everything is made anew around another image; only the server's signature is not.
    let (receipt, other) = (shop.receipt().sign(&shop.server).unwrap(), Shop::new());
    let config = shop.keep(media::OCI_CONFIG, b"{}");
    let layer = shop.keep(media::OCI_LAYER_TAR, b"something else");
    let manifest = Manifest::Image(ImageManifest::new(config, vec![layer])).to_bytes();
    shop.image = shop.keep(media::OCI_MANIFEST, &manifest);
    shop.attached = other.attached;
    shop.attach(&receipt);
    // A receipt for another image does not even lie beside this one.
    let fault = shop.ask(&shop.file(), &["production"], NOW).unwrap_err();
    assert_eq!(fault.file, blob_name(&Digest::sha256(&receipt)));
}

#[test]
fn attack_a_receipt_of_another_gate() {
    let mut shop = Shop::with_policy();
    let other = Receipt {
        gate: "staging".into(),
        ..shop.receipt()
    };
    shop.attach(&other.sign(&shop.server).unwrap());
    assert_eq!(shop.refusal(&["production"], NOW), "receipt-of-other-gate");
}

#[test]
fn attack_a_receipt_of_another_repository() {
    let mut shop = Shop::with_policy();
    let other = Receipt {
        repository: "shop/sandbox".parse().unwrap(),
        ..shop.receipt()
    };
    shop.attach(&other.sign(&shop.server).unwrap());
    assert_eq!(
        shop.refusal(&["production"], NOW),
        "receipt-of-other-repository"
    );
}

#[test]
fn attack_a_receipt_of_another_policy() {
    let mut shop = Shop::with_policy();
    let other = Receipt {
        policy_digest: "ab".repeat(32),
        ..shop.receipt()
    };
    shop.attach(&other.sign(&shop.server).unwrap());
    // The text in the file is not that of the policy that answered.
    let fault = shop.ask(&shop.file(), &["production"], NOW).unwrap_err();
    assert_eq!(fault.file, blob_name(&Digest::sha256(POLICY)));
}

#[test]
fn attack_a_receipt_signed_by_a_stage_key() {
    let mut shop = Shop::with_policy();
    let forged = shop.receipt().sign(&shop.maria).unwrap();
    shop.attach(&forged);
    assert_eq!(shop.refusal(&["production"], NOW), "receipt-key");
    // With maria's key in its place, a host would believe her: whose key it is, is all that matters.
    let file = shop.file();
    let with_hers = shop.ask_with(shop.maria.public_key(), &file, &["production"], NOW);
    assert!(with_hers.unwrap().verified);
}

#[test]
fn without_a_receipt_nothing_is_allowed() {
    let shop = Shop::new();
    assert_eq!(shop.refusal(&["production"], NOW), "no-receipt");
    assert_eq!(shop.refusal(&[], NOW), "no-receipt");
}
