//! cosign's older form: layers behind `.sig` and `.att` tags, made without a key.

use std::collections::BTreeMap;

use oci::Digest;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use trust::sigstore::{
    Artifact, EntryFault, Expected, Layer, LogFault, Refusal, Says, SignedBy, TrustedRoot,
    Verification, verify_attestation_layer, verify_signature_layer,
};
use trust::{Algorithm, PrivateKey, Signer, dsse};

use super::world::{ALICE, Certified, NOW, SIGNED, World, alice, b64, pem};

fn image() -> Digest {
    Digest::sha256(b"the image")
}

fn payload(image: &Digest) -> Vec<u8> {
    json!({
        "critical": {
            "identity": {"docker-reference": "registry.example/shop/web"},
            "image": {"docker-manifest-digest": image.to_string()},
            "type": "cosign container image signature",
        },
        "optional": null,
    })
    .to_string()
    .into_bytes()
}

/// What the log has of a signature over some bytes.
fn body(signer: &Certified, signed: &[u8], signature: &[u8]) -> Vec<u8> {
    json!({
        "apiVersion": "0.0.1",
        "kind": "hashedrekord",
        "spec": {
            "data": {"hash": {"algorithm": "sha256", "value": hex::encode(Sha256::digest(signed))}},
            "signature": {
                "content": b64(signature),
                "publicKey": {"content": b64(pem(&signer.der).as_bytes())},
            },
        },
    })
    .to_string()
    .into_bytes()
}

fn annotations(
    world: &World,
    signer: &Certified,
    signature: &[u8],
    body: &[u8],
) -> BTreeMap<String, String> {
    let log_id = hex::encode(Sha256::digest(world.log.public_key().as_der()));
    let bundle = json!({
        "SignedEntryTimestamp": b64(&world.promise(body, SIGNED)),
        "Payload": {"body": b64(body), "integratedTime": SIGNED, "logIndex": 1002, "logID": log_id},
    });
    let pair = |name: &str, value: String| (name.to_owned(), value);
    BTreeMap::from([
        pair("dev.cosignproject.cosign/signature", b64(signature)),
        pair("dev.sigstore.cosign/certificate", pem(&signer.der)),
        pair("dev.sigstore.cosign/chain", String::new()),
        pair("dev.sigstore.cosign/bundle", bundle.to_string()),
    ])
}

/// A layer that alice signed and the log has, behind the `.sig` tag of [`image`].
struct Signed {
    world: World,
    payload: Vec<u8>,
    annotations: BTreeMap<String, String>,
}

impl Signed {
    /// Over the payload for an image; `logged` is what the log has the signature for instead of it.
    fn new(about: &Digest, logged: Option<&[u8]>) -> Self {
        let world = World::new();
        let signer = world.certify(ALICE);
        let payload = payload(about);
        let signature = signer.key.sign(&payload).unwrap();
        let body = body(&signer, logged.unwrap_or(&payload), &signature);
        let annotations = annotations(&world, &signer, &signature, &body);
        Self {
            world,
            payload,
            annotations,
        }
    }

    fn judge(&self) -> Result<Verification, Refusal> {
        let image = image();
        let rule = alice();
        let layer = Layer {
            bytes: &self.payload,
            annotations: &self.annotations,
        };
        verify_signature_layer(
            layer,
            Artifact::Digest(&image),
            &self.world.root(),
            Expected::identity(&rule),
            NOW,
        )
    }
}

#[test]
fn a_sig_layer_with_a_certificate_and_a_promise_holds() {
    let mut signed = Signed::new(&image(), None);
    let holds = signed.judge().unwrap();
    assert!(matches!(holds.says(), Says::Payload(payload) if payload.digest == image()));
    assert!(matches!(holds.signer(), SignedBy::Identity(identity) if identity.subject == ALICE));
    assert_eq!(holds.times()[0].at, SIGNED * 1000);

    // cosign puts the whole chain there, the root too: harmless, and useless.
    let root = signed.world.root_json();
    let root = root["certificateAuthorities"][0]["certChain"]["certificates"][0]["rawBytes"]
        .as_str()
        .unwrap();
    let chain = format!("-----BEGIN CERTIFICATE-----\n{root}\n-----END CERTIFICATE-----\n");
    let name = "dev.sigstore.cosign/chain".to_owned();
    signed.annotations.insert(name, chain);
    assert!(signed.judge().is_ok());
}

#[test]
fn a_sig_layer_with_anothers_log_entry() {
    let signed = Signed::new(&image(), Some(b"another payload"));
    assert_eq!(signed.judge(), Err(Refusal::Entry(EntryFault::OtherBytes)));
}

#[test]
fn a_sig_layer_about_another_image() {
    let signed = Signed::new(&Digest::sha256(b"another image"), None);
    assert_eq!(
        signed.judge(),
        Err(Refusal::OtherSubject(image().to_string()))
    );
}

#[test]
fn a_sig_layer_without_its_log_entry_or_with_a_changed_one() {
    let mut signed = Signed::new(&image(), None);
    let name = "dev.sigstore.cosign/bundle";
    let earlier = signed.annotations[name].replace(&SIGNED.to_string(), &(SIGNED - 1).to_string());
    signed.annotations.insert(name.into(), earlier);
    assert_eq!(signed.judge(), Err(Refusal::Log(LogFault::Promise)));
    signed.annotations.remove(name);
    assert_eq!(
        signed.judge(),
        Err(Refusal::NoTime {
            found: 0,
            needed: 1
        })
    );
}

#[test]
fn an_att_layer_made_with_a_key() {
    let key = PrivateKey::generate(Algorithm::EcdsaP384).unwrap();
    let other = PrivateKey::generate(Algorithm::EcdsaP384).unwrap();
    let image = image();
    let statement = World::statement(image.hex());
    let signature = key.sign(&dsse::pae(dsse::IN_TOTO, &statement)).unwrap();
    let envelope = json!({
        "payload": b64(&statement),
        "payloadType": dsse::IN_TOTO,
        "signatures": [{"keyid": "", "sig": b64(&signature)}],
    })
    .to_string();
    let annotations = BTreeMap::new();
    let judge = |key: &PrivateKey| {
        let layer = Layer {
            bytes: envelope.as_bytes(),
            annotations: &annotations,
        };
        let expected = Expected::key(key.public_key());
        verify_attestation_layer(
            layer,
            Artifact::Digest(&image),
            &TrustedRoot::default(),
            expected,
            NOW,
        )
    };
    assert!(matches!(judge(&key).unwrap().says(), Says::Statement(_)));
    assert!(matches!(judge(&other), Err(Refusal::Signature(_))));
}
