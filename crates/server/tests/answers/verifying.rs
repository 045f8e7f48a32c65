//! Gate, verification and refused pull say the same of the same signatures, each as much as there is room for.

use super::{get, grant, push};
use crate::world::World;
use axum::http::StatusCode;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use oci::{Digest, media};
use policy::decision::{Node, NodeKind};
use serde_json::{Value, json};
use trust::bundle::Bundle;
use trust::possession::Challenge;
use trust::stage::{self, StageStatement};
use trust::{Algorithm, PrivateKey, Signer};

const POLICY: &str = "version: 1
repositories: ['shop/**']
stages:
  ci: {signers: [{person: maria}], fresh: 30d}
  staging: {signers: [{person: rita}, {person: olaf}], threshold: 2, after: [ci]}
gates:
  production: {holds-for: everyone, except: [{person: admin}, {person: maria}], require: [ci, staging]}
";

/// A signed shop: maria has a key, rita may pull and is held.
pub(crate) async fn shop() -> (World, PrivateKey, Digest) {
    let world = World::new().await;
    let digest = fill(&world).await;
    let key = PrivateKey::generate(Algorithm::EcdsaP256).unwrap();
    register(&world, "maria", &key).await;
    (world, key, digest)
}

/// The same without anybody's key.
pub(crate) async fn fill(world: &World) -> Digest {
    for name in ["maria", "rita", "olaf"] {
        world.person(name).await;
    }
    grant(world, "maria", "writer").await;
    grant(world, "rita", "reader").await;
    let policy = json!({"document": POLICY});
    world
        .must("admin", "PUT", "/api/v1/policies/shop", policy)
        .await;
    push(world, "maria", "/v2/shop/web/manifests/1").await;
    let image = get(world, "admin", "/api/v1/image?ref=shop/web:1").await;
    image["digest"].as_str().unwrap().parse().unwrap()
}

pub(crate) async fn register(world: &World, whose: &str, key: &PrivateKey) {
    let pem = key.public_key().to_pem();
    let asked = json!({"publicKeyPem": pem, "principal": whose});
    let asked = world
        .must("admin", "POST", "/api/v1/keys/challenges", asked)
        .await;
    let bytes = STANDARD
        .decode(asked["statement"].as_str().unwrap())
        .unwrap();
    let proof = Challenge::parse(&bytes).unwrap().prove(key).unwrap();
    let registered = json!({
        "nonce": asked["nonce"], "publicKeyPem": pem, "signature": STANDARD.encode(proof), "name": "laptop",
        "scope": ["shop/**"], "principal": whose,
    });
    world
        .must("admin", "POST", "/api/v1/keys", registered)
        .await;
}

/// Attaches a layer of JSON to the image under test, as signing tools do.
pub(crate) async fn attach(
    world: &World,
    subject: &Digest,
    artifact: &str,
    layer_type: &str,
    layer: &Value,
) {
    let mut descriptors = Vec::new();
    for (media_type, content) in [(media::OCI_EMPTY, &json!({})), (layer_type, layer)] {
        let text = content.to_string();
        let digest = Digest::sha256(text.as_bytes());
        let path = format!("/v2/shop/web/blobs/uploads/?digest={digest}");
        world.must("maria", "POST", &path, content.clone()).await;
        descriptors.push(json!({"mediaType": media_type, "digest": digest, "size": text.len()}));
    }
    let manifest = json!({
        "schemaVersion": 2, "mediaType": media::OCI_MANIFEST, "artifactType": artifact,
        "config": descriptors[0], "layers": [descriptors[1]],
        "subject": {"mediaType": media::OCI_INDEX, "digest": subject, "size": 1},
    });
    let digest = Digest::sha256(manifest.to_string().as_bytes());
    let path = format!("/v2/shop/web/manifests/{digest}");
    world.must("maria", "PUT", &path, manifest).await;
}

pub(crate) async fn sign(world: &World, subject: &Digest, key: &PrivateKey, stage: &str) {
    let statement = StageStatement {
        stage: stage.to_owned(),
        repository: "shop/web".parse().unwrap(),
        tag: None,
        nonce: None,
    };
    let bundle = Bundle::sign(&stage::build(subject, &statement).unwrap(), key).unwrap();
    let bundle = serde_json::from_str(&bundle.to_json().unwrap()).unwrap();
    let media_type = media::SIGSTORE_BUNDLE_V03;
    attach(world, subject, media_type, media_type, &bundle).await;
}

/// The parts of a tree of one kind, with the code of each.
fn codes(node: &Node, kind: NodeKind) -> Vec<Option<&'static str>> {
    let own = (node.kind == kind).then(|| node.code.map(|code| code.as_str()));
    let below = node.children.iter().flat_map(|child| codes(child, kind));
    own.into_iter().chain(below).collect()
}

fn root(answer: &Value) -> Node {
    serde_json::from_value(answer["explanation"][0].clone()).unwrap()
}

#[tokio::test]
async fn every_surface_explains_the_same_signatures() {
    let (world, key, digest) = shop().await;
    sign(&world, &digest, &key, "ci").await;
    let stranger = PrivateKey::generate(Algorithm::EcdsaP256).unwrap();
    sign(&world, &digest, &stranger, "staging").await;
    attach(
        &world,
        &digest,
        media::NOTATION_SIGNATURE,
        media::NOTATION_JWS,
        &json!({"payload": ""}),
    )
    .await;

    let verified = get(&world, "admin", "/api/v1/verify?ref=shop/web:1").await;
    assert_eq!(verified["verified"], false);
    let gate = get(
        &world,
        "admin",
        "/api/v1/gate?ref=shop/web:1&gate=production",
    )
    .await;
    assert_eq!(gate["outcome"], "deny");
    let expected = [
        None,
        Some("unreadable"),
        Some("unknown-key"),
        Some("unreadable"),
    ];
    for answer in [&verified, &gate] {
        let root = root(answer);
        assert_eq!(
            codes(&root, NodeKind::Candidate),
            expected,
            "{}",
            root.tree()
        );
        assert_eq!(
            codes(&root, NodeKind::Rule),
            [None, Some("stage-not-signed")]
        );
        assert_eq!(answer["tree"].as_str().unwrap(), root.tree());
        for part in [
            "person maria signed (stage, stored 2027-01-15T08:00:00Z, counts until 2027-02-14T08:00:00Z)",
            "→ countersign key register --key FILE --for NAME --name NAME --scope shop/web",
            "evidence of format `notation` cannot be read or believed: ",
        ] {
            assert!(
                root.tree().contains(part),
                "{part} is not in {}",
                root.tree()
            );
        }
    }
    let (status, refused) = world
        .ask(Some("rita"), "GET", "/v2/shop/web/manifests/1", None)
        .await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    let error = &refused["errors"][0];
    assert_eq!(error["message"], gate["sentence"]);
    let message = error["message"].as_str().unwrap();
    for part in ["stage staging has 0 of 2", "unknown-key", "Next: "] {
        assert!(message.contains(part), "{part} is not in {message}");
    }
    assert_eq!(error["detail"]["decisions"], gate["decisions"]);
    world.store.close().await;
}

#[tokio::test]
async fn one_stage_can_be_verified_alone_and_one_that_nobody_signs_is_named() {
    let (world, key, digest) = shop().await;
    sign(&world, &digest, &key, "ci").await;
    let path = format!("/api/v1/verify?ref=shop/web@{digest}&stage=ci");
    let ci = get(&world, "admin", &path).await;
    assert_eq!(ci["verified"], true, "{}", ci["tree"]);
    assert_eq!(
        ci["verifications"][0]["rules"][0]["counted"][0]["name"],
        "maria"
    );
    assert!(
        ci["sentence"]
            .as_str()
            .unwrap()
            .contains("stage ci signed by person maria")
    );
    let both = get(&world, "admin", &format!("{path},staging")).await;
    assert_eq!(both["verified"], false, "{}", both["tree"]);
    let (status, answer) = world
        .ask(Some("admin"), "GET", &format!("{path},qa"), None)
        .await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert!(
        answer["error"]["message"]
            .as_str()
            .unwrap()
            .contains("there are ci, staging"),
        "{answer}"
    );
    world.store.close().await;
}

#[tokio::test]
async fn attack_an_empty_type_does_not_make_signatures_of_attestations() {
    let (world, key, digest) = shop().await;
    sign(&world, &digest, &key, "ci").await;
    let path = format!("/api/v1/verify?ref=shop/web@{digest}");
    let signed = get(&world, "admin", &format!("{path}&stage=ci")).await;
    assert_eq!(signed["verified"], true, "{}", signed["tree"]);
    for more in ["&type=", "&type", "&type=%20"] {
        let path = format!("{path}{more}");
        let (status, answer) = world.ask(Some("admin"), "GET", &path, None).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{more}: {answer}");
        let message = answer["error"]["message"].as_str().unwrap();
        assert!(message.contains("is no predicate type"), "{message}");
    }
    world.store.close().await;
}
