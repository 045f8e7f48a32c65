//! Evidence that is read again: by what may have changed it and by nothing else, and what was left over at first with every key. What
//! somebody puts under a tag before a signature does not keep that from being read.

use super::verifying::{attach, fill, register, sign};
use super::{NOW, World};
use oci::{Digest, media};
use policy::Verdict;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use store::evidence::{self, Reread, Reverified};
use store::{System, catalogue, jobs};
use trust::attestation::build;
use trust::bundle::Bundle;
use trust::cosign::SimpleSigning;
use trust::openpgp::{Document, OpenPgpKey};
use trust::{Algorithm, KeyId, PrivateKey, RegisteredKey, Signer};

const JOB: System = System::job("test");

/// What is known of the image's evidence.
async fn known(world: &World, digest: &Digest) -> Vec<policy::Evidence> {
    let name = "shop/web".parse().unwrap();
    let repository = catalogue::repository(&world.store, &name).await.unwrap();
    evidence::for_image(&world.store, repository.unwrap(), digest)
        .await
        .unwrap()
}

async fn verdicts(world: &World, digest: &Digest) -> BTreeMap<String, Verdict> {
    let known = known(world, digest).await.into_iter();
    known
        .map(|evidence| (evidence.format, evidence.verdict))
        .collect()
}

/// Reads it again for one reason, whatever else was asked for.
async fn reread(world: &World, reread: Reread) {
    let mut next = Some(reread);
    while let Some(asked) = next {
        next = registry::reverify(&world.store, &asked, NOW).await.unwrap();
    }
}

fn by_key(key: &KeyId) -> Reread {
    Reread {
        key_id: Some(key.clone()),
        ..Reread::default()
    }
}

fn unchecked() -> Reread {
    Reread {
        unchecked: true,
        ..Reread::default()
    }
}

async fn push_blob(world: &World, bytes: Vec<u8>) -> Value {
    let (digest, size) = (Digest::sha256(&bytes), bytes.len());
    let path = format!("/v2/shop/web/blobs/uploads/?digest={digest}");
    let status = world.send("maria", "POST", &path, bytes).await;
    assert!(status.is_success(), "{status}");
    json!({"digest": digest, "size": size})
}

/// Puts layers of cosign's kind under the tag of an image.
async fn put_under_tag(world: &World, image: &Digest, layers: Vec<(Vec<u8>, String)>) {
    let mut config = push_blob(world, b"{}".to_vec()).await;
    config["mediaType"] = json!(media::OCI_EMPTY);
    let mut descriptors = Vec::new();
    for (bytes, signature) in layers {
        let mut layer = push_blob(world, bytes).await;
        layer["mediaType"] = json!(media::COSIGN_SIMPLE_SIGNING);
        layer["annotations"] = json!({"dev.cosignproject.cosign/signature": signature});
        descriptors.push(layer);
    }
    let manifest = json!({
        "schemaVersion": 2, "mediaType": media::OCI_MANIFEST, "config": config, "layers": descriptors,
    });
    let path = format!("/v2/shop/web/manifests/sha256-{}.sig", image.hex());
    world.must("maria", "PUT", &path, manifest).await;
}

fn signed_payload(image: &Digest, key: &PrivateKey) -> (Vec<u8>, String) {
    let signing = SimpleSigning {
        docker_reference: None,
        digest: image.clone(),
        optional: BTreeMap::new(),
    };
    signing.sign(key).unwrap()
}

fn attested(image: &Digest, key: &PrivateKey) -> Value {
    let kind = "https://example.com/review";
    let statement = build(image, "", kind, br#"{"reviewed": true}"#).unwrap();
    let bundle = Bundle::sign(&statement, key).unwrap();
    serde_json::from_str(&bundle.to_json().unwrap()).unwrap()
}

fn openpgp_file(name: &str) -> Vec<u8> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../trust/tests/data/openpgp");
    fs::read(format!("{folder}/{name}")).unwrap()
}

/// Registers the key of gpg by hand: nobody has its other half.
fn register_openpgp(world: &World) -> KeyId {
    let key = OpenPgpKey::parse(&openpgp_file("alice.asc")).unwrap();
    let key = RegisteredKey::OpenPgp(Box::new(key));
    let database = rusqlite::Connection::open(world.folder.path().join("countersign.db")).unwrap();
    let text = format!(
        "INSERT INTO signing_keys (key_id, principal_id, name, public_pem, scope, registered_at) \
         SELECT '{}', id, 'gpg', '{}', '[\"shop/**\"]', {NOW} FROM principals WHERE name = 'maria';",
        key.id(),
        key.to_text(),
    );
    database.execute_batch(&text).unwrap();
    key.id().clone()
}

/// One signature of each format that keys make, which nobody is known for; the key of all but gpg's is answered.
async fn signed_in_each_format() -> (World, Digest, PrivateKey) {
    let world = World::new().await;
    let digest = fill(&world).await;
    let key = PrivateKey::generate(Algorithm::EcdsaP256).unwrap();
    sign(&world, &digest, &key, "ci").await;
    put_under_tag(&world, &digest, vec![signed_payload(&digest, &key)]).await;
    let attested = attested(&digest, &key);
    let kind = media::SIGSTORE_BUNDLE_V03;
    attach(&world, &digest, kind, kind, &attested).await;
    let document = Document {
        name: format!("{digest}@0123"),
        message: openpgp_file("skopeo-alice.sig"),
    };
    let document: Value = serde_json::from_slice(&document.to_bytes()).unwrap();
    let kind = media::OPENPGP_SIGNATURE;
    attach(&world, &digest, kind, kind, &document).await;
    let found = verdicts(&world, &digest).await;
    let formats: BTreeSet<&str> = found.keys().map(String::as_str).collect();
    let all = [
        "attestation",
        "cosign-simple-signing",
        "gpg-simple-signing",
        "stage",
    ];
    assert_eq!(formats, BTreeSet::from(all));
    assert!(
        found
            .values()
            .all(|verdict| *verdict == Verdict::UnknownKey),
        "{found:?}"
    );
    (world, digest, key)
}

/// As if each had come with more beside it than is tried.
async fn leave_over(world: &World, digest: &Digest) {
    for evidence in known(world, digest).await {
        let found = Reverified {
            format: evidence.format,
            verdict: evidence::unchecked(),
            subject: Some(evidence.subject),
            stage: evidence.stage,
            named_repository: evidence.repository,
            key: None,
            trusted_at: None,
            ends_at: None,
        };
        let changed = evidence::set_verdict(&world.store, JOB, evidence.id, &found, NOW).await;
        assert!(changed.unwrap());
    }
}

#[tokio::test]
async fn what_was_left_over_is_tried_with_every_key_or_with_a_new_one() {
    for by_new_keys in [false, true] {
        let (world, digest, key) = signed_in_each_format().await;
        leave_over(&world, &digest).await;
        register_quietly(&world, &key).await;
        let gpg = register_openpgp(&world);
        if by_new_keys {
            reread(&world, by_key(key.public_key().id())).await;
            let found = verdicts(&world, &digest).await;
            assert_eq!(found["gpg-simple-signing"], evidence::unchecked());
            reread(&world, by_key(&gpg)).await;
        } else {
            reread(&world, unchecked()).await;
        }
        for (format, verdict) in verdicts(&world, &digest).await {
            assert_eq!(verdict, Verdict::Verified, "{format}, {by_new_keys}");
        }
    }
    // With nobody known it is no longer among what is left over.
    let (world, digest, _) = signed_in_each_format().await;
    leave_over(&world, &digest).await;
    let first = registry::reverify(&world.store, &unchecked(), NOW).await;
    let rest = first.unwrap().unwrap();
    assert_eq!(rest, unchecked(), "in the same job");
    let more = registry::reverify(&world.store, &rest, NOW).await;
    assert_eq!(more.unwrap(), None);
    for (format, verdict) in verdicts(&world, &digest).await {
        assert_eq!(verdict, Verdict::UnknownKey, "{format}");
    }
}

/// Registers a key without what that asks for.
async fn register_quietly(world: &World, key: &PrivateKey) {
    register(world, "maria", key).await;
    let kinds = [evidence::REVERIFY_EVIDENCE];
    while let Some(job) = jobs::claim(&world.store, &kinds, NOW, 1).await.unwrap() {
        jobs::finish(&world.store, &job).await.unwrap();
    }
}

#[tokio::test]
async fn only_what_may_have_changed_is_tried() {
    let (world, digest, key) = signed_in_each_format().await;
    register_quietly(&world, &key).await;
    register_openpgp(&world);
    let other = PrivateKey::generate(Algorithm::EcdsaP256).unwrap();
    register_quietly(&world, &other).await;
    // Files that certificates are judged by change nothing for those that keys made, nor does another key.
    for reason in [Reread::default(), by_key(other.public_key().id())] {
        reread(&world, reason).await;
        for (format, verdict) in verdicts(&world, &digest).await {
            assert_eq!(verdict, Verdict::UnknownKey, "{format}");
        }
    }
    reread(&world, by_key(key.public_key().id())).await;
    for (format, verdict) in verdicts(&world, &digest).await {
        let expect = match format.as_str() {
            "gpg-simple-signing" => Verdict::UnknownKey,
            _ => Verdict::Verified,
        };
        assert_eq!(verdict, expect, "{format}");
    }
}

#[tokio::test]
async fn a_new_key_does_not_make_a_changed_signature_one_of_a_stranger() {
    let world = World::new().await;
    let digest = fill(&world).await;
    let [key, other, forger] =
        [(); 3].map(|()| PrivateKey::generate(Algorithm::EcdsaP256).unwrap());
    register_quietly(&world, &key).await;
    let mut forged = attested(&digest, &forger);
    forged["verificationMaterial"]["publicKey"]["hint"] = json!(key.public_key().id().to_hint());
    let kind = media::SIGSTORE_BUNDLE_V03;
    attach(&world, &digest, kind, kind, &forged).await;
    let bad = BTreeMap::from([("attestation".to_owned(), Verdict::BadSignature)]);
    assert_eq!(verdicts(&world, &digest).await, bad);
    register_quietly(&world, &other).await;
    reread(&world, by_key(other.public_key().id())).await;
    assert_eq!(verdicts(&world, &digest).await, bad);
}

#[tokio::test]
async fn attack_large_junk_before_a_signature_does_not_take_its_room() {
    let world = World::new().await;
    let digest = fill(&world).await;
    let key = PrivateKey::generate(Algorithm::EcdsaP256).unwrap();
    register_quietly(&world, &key).await;
    // As much as one manifest may bring, and then what cosign adds.
    let mut layers = Vec::new();
    for number in 0..16 {
        let junk = format!("\"{number:02}{}\"", "a".repeat((1 << 20) - 4));
        layers.push((junk.into_bytes(), "c2ln".to_owned()));
    }
    layers.push(signed_payload(&digest, &key));
    put_under_tag(&world, &digest, layers).await;
    let known = known(&world, &digest).await;
    let verified: Vec<_> = known
        .iter()
        .filter(|evidence| evidence.verdict == Verdict::Verified)
        .collect();
    assert_eq!(verified.len(), 1, "{known:?}");
    assert_eq!(verified[0].key.as_ref(), Some(key.public_key().id()));
}
