//! Every kind of log entry that stands for a signature, of both versions of the log: it holds for its own signature, and for no other
//! bytes, signature or signer.

use oci::Digest;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use trust::sigstore::{
    Artifact, EntryFault, Expected, Refusal, TrustedRoot, Verification, verify_bundle,
};
use trust::{Signer, dsse};

use super::world::{ALICE, Certified, NOW, SIGNED, World, alice, b64, pem};

const FILE: &[u8] = b"a file";

fn image() -> Digest {
    Digest::sha256(b"the image")
}

/// What is signed.
#[derive(Debug, Clone, Copy)]
enum Over {
    File,
    Envelope,
}

/// What an entry says of a signature.
struct Says<'a> {
    /// What was hashed: the file, the envelope as it was signed, or its payload.
    hashed: &'a [u8],
    signature: &'a [u8],
    certificate: &'a [u8],
    payload_type: &'a str,
}

/// An entry's body: its kind, its version, and what the kinds call the parts.
fn body(kind: &str, version: &str, says: &Says<'_>) -> Value {
    let hash = Sha256::digest(says.hashed);
    let first = json!({"algorithm": "sha256", "value": hex::encode(hash)});
    let second = json!({"algorithm": "SHA2_256", "digest": b64(&hash)});
    let verifier = json!({"x509Certificate": {"rawBytes": b64(says.certificate)}});
    let certificate = b64(pem(says.certificate).as_bytes());
    let signature = b64(says.signature);
    let spec = match (kind, version) {
        ("hashedrekord", "0.0.1") => json!({
            "data": {"hash": first},
            "signature": {"content": signature, "publicKey": {"content": certificate}},
        }),
        ("hashedrekord", _) => json!({"hashedRekordV002": {
            "data": second,
            "signature": {"content": signature, "verifier": verifier},
        }}),
        ("dsse", "0.0.1") => json!({
            "payloadHash": first,
            "signatures": [{"signature": signature, "verifier": certificate}],
        }),
        ("dsse", _) => json!({"dsseV002": {
            "payloadHash": second,
            "signatures": [{"content": signature, "verifier": verifier}],
        }}),
        _ => json!({"content": {"payloadHash": first, "envelope": {
            "payloadType": says.payload_type,
            "signatures": [{"sig": b64(signature.as_bytes()), "publicKey": certificate}],
        }}}),
    };
    json!({"apiVersion": version, "kind": kind, "spec": spec})
}

struct Story {
    world: World,
    root: TrustedRoot,
    signer: Certified,
    over: Over,
    bundle: Value,
    signature: Vec<u8>,
    payload: Vec<u8>,
}

impl Story {
    fn new(over: Over) -> Self {
        let world = World::new();
        let signer = world.certify(ALICE);
        let payload = World::statement(image().hex());
        let mut bundle = world.bundle(&signer, &payload);
        let signed = match over {
            Over::File => FILE.to_vec(),
            Over::Envelope => dsse::pae(dsse::IN_TOTO, &payload),
        };
        let signature = signer.key.sign(&signed).unwrap();
        match over {
            Over::Envelope => {
                bundle["dsseEnvelope"]["signatures"][0]["sig"] = b64(&signature).into();
            }
            Over::File => {
                let digest = b64(&Sha256::digest(FILE));
                bundle.as_object_mut().unwrap().remove("dsseEnvelope");
                bundle["messageSignature"] = json!({
                    "messageDigest": {"algorithm": "SHA2_256", "digest": digest},
                    "signature": b64(&signature),
                });
            }
        }
        bundle["verificationMaterial"]["timestampVerificationData"]["rfc3161Timestamps"][0]["signedTimestamp"] =
            b64(&world.stamp(&signature, SIGNED)).into();
        Self {
            root: world.root(),
            world,
            signer,
            over,
            bundle,
            signature,
            payload,
        }
    }

    /// What the entry of this kind hashes.
    fn hashed(&self, kind: &str) -> Vec<u8> {
        match (self.over, kind) {
            (Over::File, _) => FILE.to_vec(),
            (Over::Envelope, "hashedrekord") => dsse::pae(dsse::IN_TOTO, &self.payload),
            (Over::Envelope, _) => self.payload.clone(),
        }
    }

    fn judge(&self, kind: &str, version: &str, body: &Value) -> Result<Verification, Refusal> {
        let mut entry = self.world.entry(kind, body.to_string().as_bytes(), SIGNED);
        entry["kindVersion"]["version"] = version.into();
        if version == "0.0.2" && kind != "intoto" {
            // The second version of the log numbers by itself, promises nothing and keeps no time.
            entry["logIndex"] = "2".into();
            let members = entry.as_object_mut().unwrap();
            members.remove("inclusionPromise");
            members.remove("integratedTime");
        }
        let mut bundle = self.bundle.clone();
        bundle["verificationMaterial"]["tlogEntries"] = json!([entry]);
        let (rule, image) = (alice(), image());
        let artifact = match self.over {
            Over::File => Artifact::Bytes(FILE),
            Over::Envelope => Artifact::Digest(&image),
        };
        let bytes = bundle.to_string();
        let expected = Expected::identity(&rule);
        verify_bundle(bytes.as_bytes(), artifact, &self.root, expected, NOW)
    }
}

#[test]
fn each_kind_of_entry_stands_for_its_own_signature_alone() {
    for (kind, version, over) in [
        ("hashedrekord", "0.0.1", Over::File),
        ("hashedrekord", "0.0.2", Over::File),
        ("hashedrekord", "0.0.2", Over::Envelope),
        ("dsse", "0.0.1", Over::Envelope),
        ("dsse", "0.0.2", Over::Envelope),
        ("intoto", "0.0.2", Over::Envelope),
    ] {
        let story = Story::new(over);
        let hashed = story.hashed(kind);
        let stranger = story.world.certify("https://forge.example/mallory");
        let says = |hashed: &[u8], signature: &[u8], certificate: &[u8]| {
            let says = Says {
                hashed,
                signature,
                certificate,
                payload_type: dsse::IN_TOTO,
            };
            story.judge(kind, version, &body(kind, version, &says))
        };
        let (signature, own) = (story.signature.as_slice(), story.signer.der.as_slice());
        let name = format!("{kind} {version} {over:?}");
        let holds = says(&hashed, signature, own);
        assert!(holds.is_ok(), "{name}: {holds:?}");
        assert_eq!(
            says(b"another artefact", signature, own),
            Err(Refusal::Entry(EntryFault::OtherBytes)),
            "{name}"
        );
        assert_eq!(
            says(&hashed, b"another signature", own),
            Err(Refusal::Entry(EntryFault::OtherSignature)),
            "{name}"
        );
        assert_eq!(
            says(&hashed, signature, &stranger.der),
            Err(Refusal::Entry(EntryFault::OtherSigner)),
            "{name}"
        );
    }
}

/// The older `intoto` entries hold the envelope's type beside the hash of its payload.
#[test]
fn an_intoto_entry_of_the_same_payload_under_another_type() {
    let story = Story::new(Over::Envelope);
    let says = Says {
        hashed: &story.payload,
        signature: &story.signature,
        certificate: &story.signer.der,
        payload_type: "application/json",
    };
    assert_eq!(
        story.judge("intoto", "0.0.2", &body("intoto", "0.0.2", &says)),
        Err(Refusal::Entry(EntryFault::OtherBytes))
    );
}

/// A body of another kind or version than the bundle says, and several signatures in one entry.
#[test]
fn an_entry_that_is_not_what_the_bundle_says() {
    let story = Story::new(Over::Envelope);
    let says = Says {
        hashed: &story.payload,
        signature: &story.signature,
        certificate: &story.signer.der,
        payload_type: dsse::IN_TOTO,
    };
    let (first, second) = (body("dsse", "0.0.1", &says), body("dsse", "0.0.2", &says));
    let unreadable = Err(Refusal::Entry(EntryFault::Unreadable));
    assert_eq!(story.judge("dsse", "0.0.2", &first), unreadable);
    assert_eq!(story.judge("dsse", "0.0.1", &second), unreadable);
    let mut relabelled = first.clone();
    relabelled["kind"] = "intoto".into();
    assert_eq!(story.judge("dsse", "0.0.1", &relabelled), unreadable);

    for (version, mut body, list) in [
        ("0.0.1", first, "/spec/signatures"),
        ("0.0.2", second, "/spec/dsseV002/signatures"),
    ] {
        let signatures = body.pointer_mut(list).unwrap().as_array_mut().unwrap();
        signatures.push(signatures[0].clone());
        assert_eq!(
            story.judge("dsse", version, &body),
            Err(Refusal::Entry(EntryFault::OtherSignature)),
            "{version}"
        );
    }
}
